"""The CUDA paths, by the calls they make: there need be no GPU to know their order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from explorer.latency import clock
from explorer.latency.clock import (
    CudaMarks,
    CudaStopwatch,
    HostMarks,
    PeakMeter,
    capture_for,
    captured,
    marks_for,
    peak_meter_for,
)


class FakeStream:
    def __init__(self, log: list[str], name: str) -> None:
        self.log, self.name = log, name

    def wait_stream(self, other: FakeStream) -> None:
        self.log.append(f"{self.name} waits for {other.name}")


class FakeGraph:
    def __init__(self, log: list[str]) -> None:
        self.log = log

    def replay(self) -> None:
        self.log.append("replay")


class FakeEvent:
    def __init__(self, log: list[str], number: int) -> None:
        self.log, self.number = log, number

    def record(self) -> None:
        self.log.append(f"event {self.number}")

    def elapsed_time(self, other: FakeEvent) -> float:
        assert self.log[-1] == "synchronize", "read before the GPU was done"
        return 1.5 * (other.number - self.number)  # milliseconds


class FakeCuda:
    """What is used of torch.cuda, writing down each call."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.events = 0
        self.given_out, self.most = 700, 0
        self.main = FakeStream(self.log, "main")

    def Event(self, *, enable_timing: bool) -> FakeEvent:
        assert enable_timing
        self.events += 1
        return FakeEvent(self.log, self.events)

    def synchronize(self) -> None:
        self.log.append("synchronize")

    def Stream(self) -> FakeStream:
        return FakeStream(self.log, "side")

    def current_stream(self) -> FakeStream:
        return self.main

    @contextmanager
    def stream(self, stream: FakeStream) -> Iterator[None]:
        self.log.append(f"on {stream.name}")
        yield
        self.log.append(f"off {stream.name}")

    def CUDAGraph(self) -> FakeGraph:
        return FakeGraph(self.log)

    @contextmanager
    def graph(self, graph: FakeGraph) -> Iterator[None]:
        self.log.append("capture")
        yield
        self.log.append("captured")

    def memory_allocated(self, device: torch.device) -> int:
        return self.given_out

    def reset_peak_memory_stats(self, device: torch.device) -> None:
        self.most = self.given_out

    def max_memory_allocated(self, device: torch.device) -> int:
        return self.most


@pytest.fixture
def cuda() -> FakeCuda:
    return FakeCuda()


def test_the_cache_is_flushed_and_the_flush_over_before_the_clock_starts(cuda: FakeCuda) -> None:
    stopwatch = CudaStopwatch(cuda, flush=lambda: cuda.log.append("flush"))
    assert stopwatch.time(lambda: cuda.log.append("run")) == pytest.approx(0.0015)
    assert cuda.log == ["flush", "synchronize", "event 1", "run", "event 2", "synchronize"]


def test_a_flush_overwrites_twice_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    class Properties:
        L2_cache_size = 1000

    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: Properties())
    flush = clock.l2_flush(torch.device("cpu"))
    buffer = flush()
    assert isinstance(buffer, torch.Tensor)
    assert buffer.nbytes == 2000
    buffer.fill_(7)
    flush()
    assert int(buffer.max()) == 0


def test_a_pass_is_run_on_a_side_stream_before_it_is_captured(cuda: FakeCuda) -> None:
    replay = captured(lambda: cuda.log.append("run"), cuda)
    assert cuda.log == [
        "side waits for main",
        "on side",
        "run",
        "run",
        "run",
        "off side",
        "main waits for side",
        "capture",
        "run",
        "captured",
    ]
    replay()
    replay()
    assert cuda.log[-3:] == ["captured", "replay", "replay"]  # the model itself runs no more


def test_marks_on_a_gpu_are_events_that_nobody_waits_for(cuda: FakeCuda) -> None:
    marks = CudaMarks(cuda)
    first, second = marks.mark(), marks.mark()
    assert cuda.log == ["event 1", "event 2"]
    marks.settle()
    assert marks.nanoseconds(first, second) == 1_500_000


def test_marks_on_the_host_wait_for_the_device_first() -> None:
    log: list[str] = []
    readings = iter([100, 350])

    def now() -> int:
        log.append("clock")
        return next(readings)

    marks = HostMarks(lambda: log.append("synchronize"), now)
    assert marks.nanoseconds(marks.mark(), marks.mark()) == 250
    assert log == ["synchronize", "clock"] * 2


def test_the_peak_is_watched_from_the_reset_on(cuda: FakeCuda) -> None:
    meter = PeakMeter(torch.device("cuda", 0), cuda)
    cuda.most = 5000
    assert meter.now() == 700
    meter.reset()
    assert meter.peak() == 700
    cuda.most = 900
    assert meter.peak() == 900


def test_each_device_gets_the_tools_that_it_has() -> None:
    cpu, gpu, mps = torch.device("cpu"), torch.device("cuda", 0), torch.device("mps")
    assert capture_for(cpu) is None
    assert capture_for(mps) is None
    assert capture_for(gpu) is captured
    assert peak_meter_for(cpu) is None
    assert peak_meter_for(gpu) is not None
    assert isinstance(marks_for(gpu), CudaMarks)
    assert isinstance(marks_for(cpu), HostMarks)
    assert isinstance(clock.stopwatch_for(gpu), CudaStopwatch)
