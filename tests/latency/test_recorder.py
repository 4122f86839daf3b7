"""The recorder measures what its file lacks, and nothing twice."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import record_latency
from explorer.errors import MeasurementError
from explorer.latency import Calibration, Environment, LatencyRecord, from_json
from explorer.latency.calibration import calibrations_from_json, calibrations_to_json

ENVIRONMENT = Environment(
    "cpu", "A processor", "", "", "2.13.0", 2, 0.5, "2026-01-02T03:04:05+00:00"
)
RECORD = LatencyRecord(
    "lenet5", (), (1, 1, 32, 32), 1, "float32", 2.0, 1.9, 2.1, 0.1, 50, 5, True, 500.0, "a clock",
    ENVIRONMENT,
)  # fmt: skip


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What was measured; a batch of 64 is refused, and each time is shorter than the last."""
    calls: list[tuple[Any, ...]] = []

    def answer(model: str, shape: tuple[int, ...], **settings: Any) -> LatencyRecord:
        calls.append((model, shape, settings["dtype"], settings["tf32"], settings["channels_last"]))
        if shape[0] == 64:
            raise MeasurementError("It does not fit.")
        time = answer.times.pop(0)  # type: ignore[attr-defined]
        return replace(
            RECORD,
            model=model,
            input_shape=shape,
            batch=shape[0],
            dtype=settings["dtype"],
            tf32=settings["tf32"],
            channels_last=settings["channels_last"],
            compiled=settings["compiled"],
            median_ms=time,
        )

    answer.times = [5.0, 4.0, 6.0, 3.0, 2.0, 1.0]  # type: ignore[attr-defined]
    monkeypatch.setattr(record_latency, "measure_latency", answer)
    monkeypatch.setattr(record_latency, "describe", lambda *_: ENVIRONMENT)
    return calls


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    path = tmp_path / "runs.jsonl"

    def run(line: str) -> list[LatencyRecord]:
        words = ["record_latency.py", str(path), "--device", "cpu", "--threads", "2", *line.split()]
        monkeypatch.setattr(sys, "argv", words)
        record_latency.main()
        return from_json(path.read_text()) if path.exists() else []

    return run


def test_every_combination_is_recorded_once(measured, record) -> None:
    found = record("--models lenet5,resnet20 --dtypes float32,tf32")
    assert [(r.model, r.tf32) for r in found] == [
        ("lenet5", False),
        ("lenet5", True),
        ("resnet20", False),
        ("resnet20", True),
    ]
    assert measured[2][1] == (1, 3, 32, 32)  # its own size


def test_what_the_file_has_is_left_out_the_next_time(measured, record) -> None:
    record("--models lenet5")
    found = record("--models lenet5,resnet20 --layouts nchw,nhwc")
    assert [(call[0], call[4]) for call in measured] == [
        ("lenet5", False),
        ("lenet5", True),
        ("resnet20", False),
        ("resnet20", True),
    ]
    assert len(found) == 4


def test_again_keeps_the_lower_median(measured, record) -> None:
    assert [r.median_ms for r in record("--models lenet5,resnet20")] == [5.0, 4.0]
    # The second round brings 6 and 3.
    assert [r.median_ms for r in record("--models lenet5,resnet20 --again")] == [5.0, 3.0]


def test_what_is_refused_is_said_and_the_rest_goes_on(measured, record, capsys) -> None:
    found = record("--models lenet5 --batches 64,8 --inputs 64x32")
    assert [r.input_shape for r in found] == [(8, 1, 64, 32)]
    assert "lenet5 (64, 1, 64, 32) float32: It does not fit." in capsys.readouterr().err


def test_a_file_that_holds_something_else_is_left_alone(measured, record, tmp_path: Path) -> None:
    (tmp_path / "runs.jsonl").write_text("precious")
    with pytest.raises(SystemExit, match="Line 1 is no record"):
        record("--models lenet5")
    assert (tmp_path / "runs.jsonl").read_text() == "precious"


def test_the_machine_is_noted_beside_others_in_place_of_itself(
    measured, record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Calibration(ENVIRONMENT, (("float32", 2e11),), 7e10, 3e-6, 2**35)
    elsewhere = replace(here, environment=replace(ENVIRONMENT, device_name="Another"))
    path = tmp_path / "calibrations.jsonl"
    path.write_text(calibrations_to_json([replace(here, bytes_per_second=1.0), elsewhere]))
    monkeypatch.setattr(record_latency, "calibrate", lambda *_, **__: here)
    record(f"--models lenet5 --calibrations {path}")
    assert calibrations_from_json(path.read_text()) == [elsewhere, here]
