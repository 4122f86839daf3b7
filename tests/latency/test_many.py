"""Several passes measured one after the other."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from explorer.errors import MeasurementError
from explorer.latency import LatencyRecord, Progress, Step, Work, many, measure_all, recorded

RECORD = recorded("resnet18")[0]


def work(macs: float, model: str = "resnet18", side: int = 64) -> Work:
    return Work(f"{model} at {side}", model, (1, 3, side, side), (), int(macs))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What would be measured; each pass takes 10 ms."""
    calls: list[tuple[Any, ...]] = []

    def answer(model: str, shape: Any, **settings: Any) -> LatencyRecord:
        calls.append((model, shape, settings["device"], settings["dtype"]))
        settings["progress"](Progress("measuring", 1, 20))
        return RECORD

    monkeypatch.setattr(many, "measure_latency", answer)
    return calls


def test_passes_are_really_measured_and_say_where() -> None:
    (found,) = measure_all([work(148_557_824, side=64)], device="cpu")
    assert found[0].title == "resnet18 at 64"
    record = found[1]
    if isinstance(record, str):  # so busy a machine that one pass takes seconds
        assert "more than the 4 s for the whole measurement" in record
    else:
        assert record.model == "resnet18"
        assert record.median_ms > 0
        assert record.environment.device == "cpu"


def test_the_smallest_is_measured_first(asked: list[tuple[Any, ...]]) -> None:
    works = [work(3e9, side=256), work(1e9, side=128), work(2e9, side=192)]
    found = list(measure_all(works, device="cpu", dtype="bfloat16"))
    assert [each.title for each, _ in found] == ["resnet18 at 128", "resnet18 at 192",
                                                "resnet18 at 256"]  # fmt: skip
    assert asked[0] == ("resnet18", (1, 3, 128, 128), "cpu", "bfloat16")
    assert all(record is RECORD for _, record in found)


def test_what_would_take_too_long_is_a_sentence_and_is_not_run(
    asked: list[tuple[Any, ...]],
) -> None:
    # 20 billion MACs a second on a CPU that is not known: 100 billion are 5 s.
    ((_, sentence),) = measure_all([work(100e9)], device="cpu")
    assert asked == []
    assert sentence == (
        "resnet18 at 64 is not measured: its 100.0 billion MACs would take about 5.0 s a pass, as "
        "expected on a CPU, and passes of up to 2 s are measured here."
    )


def test_what_was_measured_says_what_to_expect_of_the_same_model(
    asked: list[tuple[Any, ...]],
) -> None:
    rate = 1e9 / (RECORD.median_ms / 1e3)  # the first pass has 10^9 MACs
    fits, too_long = 1.9 * rate, 2.1 * rate
    works = [work(1e9, side=64), work(fits, side=512), work(too_long, side=640),
             work(too_long, "alexnet", 640)]  # fmt: skip
    found = {(each.model, each.input_shape[2]): time for each, time in measure_all(works)}
    assert found["resnet18", 512] is RECORD
    # The second pass, as fast with more MACs, has raised the expectation.
    assert found["resnet18", 640] is RECORD
    assert "as expected on a" in str(found["alexnet", 640])


def test_a_pass_that_is_refused_does_not_cost_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(model: str, shape: tuple[int, ...], **settings: Any) -> LatencyRecord:
        if shape[2] == 64:
            raise MeasurementError("Too little memory.")
        return RECORD

    monkeypatch.setattr(many, "measure_latency", answer)
    found = list(measure_all([work(1e6, side=64), work(1e7, side=96)], device="cpu"))
    assert [time for _, time in found] == ["Too little memory.", RECORD]


def test_it_tells_how_far_it_is_and_stops_when_asked(asked: list[tuple[Any, ...]]) -> None:
    steps: list[Step] = []
    cancel = threading.Event()
    works = [work(1e6 * side, side=side) for side in (64, 96, 128)]
    found = []
    for each, time in measure_all(works, device="cpu", cancel=cancel, progress=steps.append):
        found.append((each.input_shape[2], time))
        if each.input_shape[2] == 96:
            cancel.set()
    assert found == [(64, RECORD), (96, RECORD)]
    assert [(step.done, step.total, step.work.title) for step in steps] == [
        (0, 3, "resnet18 at 64"), (1, 3, "resnet18 at 96"),
    ]  # fmt: skip


def test_stopping_in_the_middle_of_a_pass_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    cancel = threading.Event()

    def answer(*args: Any, **settings: Any) -> LatencyRecord:
        cancel.set()
        raise MeasurementError("Cancelled.")

    monkeypatch.setattr(many, "measure_latency", answer)
    assert list(measure_all([work(1e6)], device="cpu", cancel=cancel)) == []


def test_an_unknown_device_is_refused_at_once() -> None:
    with pytest.raises(MeasurementError, match="no device 'tpu'"):
        next(measure_all([work(1e6)], device="tpu"))
