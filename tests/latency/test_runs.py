"""Switches of the whole process come back as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from explorer.latency.clock import HostStopwatch
from explorer.latency.runs import Limits, Watch, tf32_set, time_runs

BACKENDS: Any = torch.backends
SWITCHES = (BACKENDS.cuda.matmul, BACKENDS.cudnn.conv, BACKENDS.cudnn.rnn)


def newer() -> list[str]:
    return [switch.fp32_precision for switch in SWITCHES]


def older() -> tuple[bool, bool]:
    return BACKENDS.cuda.matmul.allow_tf32, BACKENDS.cudnn.allow_tf32


@pytest.fixture(autouse=True)
def nothing_is_left_changed() -> Iterator[None]:
    before = newer(), older()
    yield
    assert (newer(), older()) == before


@pytest.mark.parametrize("on", [True, False])
def test_tf32_is_as_asked_inside_and_as_before_outside(on: bool) -> None:
    before = newer(), older()
    with tf32_set(on):
        assert older() == (on, on)
    assert (newer(), older()) == before


def test_tf32_comes_back_after_an_error() -> None:
    before = newer(), older()
    with pytest.raises(ValueError, match="bug"), tf32_set(True):
        raise ValueError("bug")
    assert (newer(), older()) == before


def test_who_uses_torch_s_newer_switches_gets_them_back() -> None:
    before = newer()
    try:
        # Torch refuses to read the older switches now.
        BACKENDS.cuda.matmul.fp32_precision = "tf32"
        mixed = newer()
        with tf32_set(False):
            assert newer() == ["ieee"] * 3
        assert newer() == mixed
    finally:
        for switch, precision in zip(SWITCHES, before, strict=True):
            switch.fp32_precision = precision


def clock_of(*seconds: float) -> Callable[[], float]:
    """A clock that shows each run to take the next of these times."""
    readings = [0.0]
    for each in seconds:
        readings += [readings[-1] + each, readings[-1] + each]
    shown = iter(readings)
    return lambda: next(shown)


def test_what_happens_beside_the_runs_is_in_no_run_s_time_but_uses_up_the_budget() -> None:
    log: list[str] = []

    def beside() -> float:
        log.append("beside")
        return 1.0

    samples = time_runs(
        lambda: log.append("run"),
        HostStopwatch(now=clock_of(*[0.1] * 20)),
        Limits(warmup=5, runs=10, max_seconds=4.0),
        Watch(),
        warmed=lambda: log.append("warmed"),
        beside=beside,
    )
    # 0.4 s of the warm-up count, then 1.1 s a run: after four of them 4.8 s > 4 s.
    assert log == ["run"] * 5 + ["warmed"] + ["run", "beside"] * 4
    assert samples.seconds == pytest.approx([0.1] * 4)
