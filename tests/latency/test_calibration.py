"""What a machine reaches: work over time with a scripted clock, and kept with its machine."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from explorer.errors import MeasurementError, RecordError
from explorer.latency import Progress, calibrate, clock, peaks, recorded, recorded_calibrations
from explorer.latency.calibration import (
    _CALLS,
    Calibration,
    calibrations_from_json,
    calibrations_to_json,
)
from explorer.latency.device import queue_of


class Scripted:
    """Really runs what it is given, and answers with the time that a device would take."""

    clock = "scripted"

    def __init__(self, seconds: Callable[[torch.Tensor], float]) -> None:
        self.seconds = seconds

    def time(self, run: Callable[[], object]) -> float:
        return self.seconds(run())  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peaks, "_COPY_BYTES", 10_000)
    monkeypatch.setattr(peaks, "_SMALLEST_SIDE", 8)
    monkeypatch.setattr(peaks, "_LARGEST_SIDE", 16)


def device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products take 10 ms, in bfloat16 2.5 ms each; a copy 1 ms; calls 2 µs each."""

    def seconds(result: torch.Tensor) -> float:
        if result.dtype == torch.uint8:
            return 1e-3
        if result.numel() == 1:
            return _CALLS * 2e-6
        return 0.0025 if result.dtype == torch.bfloat16 else 0.01

    monkeypatch.setattr(clock, "stopwatch_for", lambda _: Scripted(seconds))


def test_rates_are_work_over_time(monkeypatch: pytest.MonkeyPatch) -> None:
    device(monkeypatch)
    found = calibrate("cpu", threads=1)
    # 8 x 8: 2 * 8^3 = 1,024 operations in 10 ms; bfloat16 goes on to 16 x 16, 8,192 in 2.5 ms.
    assert dict(found.peaks) == {
        "float32": pytest.approx(102_400),
        "float16": pytest.approx(102_400),
        "bfloat16": pytest.approx(3_276_800),
    }
    assert found.bytes_per_second == pytest.approx(2 * 10_000 / 1e-3)
    assert found.launch_seconds == pytest.approx(2e-6)
    assert found.memory_bytes
    assert found.environment.threads == 1
    assert (found.peak("bfloat16"), found.peak("float32", tf32=True)) == (
        pytest.approx(3_276_800), None,
    )  # fmt: skip


def test_a_type_that_cannot_be_multiplied_here_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_half(where, dtype, stopwatch, seconds, watch):
        if dtype == torch.float16:
            raise MeasurementError("A matrix product cannot run in float16 on cpu.")
        return 5.0

    device(monkeypatch)
    monkeypatch.setattr("explorer.latency.calibration.product_rate", without_half)
    assert dict(calibrate("cpu").peaks) == {"float32": 5.0, "bfloat16": 5.0}


def test_progress_is_told_and_it_can_be_cancelled_at_every_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device(monkeypatch)
    told: list[Progress] = []
    cancel = threading.Event()

    def stop_at_the_copy(progress: Progress) -> None:
        told.append(progress)
        if progress.done == 3:
            cancel.set()

    with pytest.raises(MeasurementError, match="cancelled"):
        calibrate("cpu", cancel=cancel, progress=stop_at_the_copy)
    assert [(each.done, each.total) for each in told] == [(0, 5), (1, 5), (2, 5), (3, 5)]
    with queue_of(torch.device("cpu")).turn(lambda p: pytest.fail(str(p)), lambda: None):
        pass  # the device is free again


def test_a_cancelled_product_is_no_type_that_the_device_lacks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device(monkeypatch)
    cancel = threading.Event()

    def stop(progress: Progress) -> None:
        if progress.done == 1:
            cancel.set()

    with pytest.raises(MeasurementError, match="cancelled"):
        calibrate("cpu", cancel=cancel, progress=stop)


def test_it_waits_for_a_measurement_on_the_same_device(monkeypatch: pytest.MonkeyPatch) -> None:
    device(monkeypatch)
    queued = threading.Event()
    found: list[Calibration] = []

    def told(progress: Progress) -> None:
        if progress.stage == "queued":
            assert progress.ahead == 1
            queued.set()

    thread = threading.Thread(target=lambda: found.append(calibrate("cpu", progress=told)))
    with queue_of(torch.device("cpu")).turn(lambda _: None, lambda: None):
        thread.start()
        assert queued.wait(30)
        assert not found
    thread.join(30)
    assert len(found) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"device": "tpu"}, "no device 'tpu'"),
        ({"device": "cuda:7"}, "no device 'cuda:7' on this machine: choose auto or"),
        ({"device": "cpu", "threads": 0}, "threads=0 should be"),
        ({"device": "cpu", "threads": 10**9}, "threads=1,000,000,000 should be at most"),
        ({"device": "cpu", "max_seconds": 0}, "max_seconds=0 should be above 0"),
    ],
)
def test_what_cannot_be_is_one_sentence(arguments: dict, sentence: str) -> None:
    with pytest.raises(MeasurementError, match=sentence):
        calibrate(**arguments)


def test_a_calibration_goes_to_json_and_back() -> None:
    (shipped,) = recorded_calibrations()
    other = replace(shipped, launch_seconds=3e-6, memory_bytes=2**34, source="measured")
    text = calibrations_to_json([shipped, other])
    back = calibrations_from_json(text)
    assert [replace(each, source="measured") for each in back] == [
        replace(shipped, source="measured"), other,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "line",
    ["[]", "{}", "not JSON", '{"environment": {}, "peaks": []}', "null"],
)
def test_a_line_that_is_none_is_named(line: str) -> None:
    with pytest.raises(RecordError, match=r"^Line 2 is no calibration of a machine\.$"):
        calibrations_from_json(f"\n{line}\n")


def test_every_recorded_run_is_of_a_machine_that_was_calibrated() -> None:
    known = recorded_calibrations()
    assert all(each.source == "recorded" for each in known)
    for record in recorded():
        assert any(each.is_of(record) and each.peak(record.dtype) for each in known)
    one = recorded()[0]
    elsewhere = replace(one, environment=replace(one.environment, threads=64))
    assert not any(each.is_of(elsewhere) for each in known)
