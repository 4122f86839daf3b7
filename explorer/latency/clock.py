"""The clocks: how one run is timed on each kind of device, and how a graph is replayed.

The rule is the same everywhere: the device is idle before the first reading and done before the
last one. What a class needs of torch is handed to it, so that a test can hand it something that
writes the order of calls down.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

import torch

_GUESSED_L2_BYTES = 64 * 2**20
_RUNS_BEFORE_CAPTURE = 3


class Stopwatch(Protocol):
    """Times one call on one kind of device."""

    clock: str

    def time(self, run: Callable[[], object]) -> float:
        """Seconds from the start of `run` to the end of all work it gave to the device."""


class HostStopwatch:
    """The host's clock, read only while the device is idle.

    Args:
        synchronize: waits until the device has done all it was given.
        now: seconds, from any origin.
    """

    clock = "host clock"

    def __init__(
        self,
        synchronize: Callable[[], object] = lambda: None,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._synchronize = synchronize
        self._now = now

    def time(self, run: Callable[[], object]) -> float:
        """Synchronise, start, run, synchronise, stop."""
        self._synchronize()
        start = self._now()
        run()
        self._synchronize()
        return self._now() - start


class CudaStopwatch:
    """CUDA's events: the GPU itself notes when it begins and when it has ended.

    Args:
        cuda: what is used of `torch.cuda`.
        flush: empties the GPU's L2 cache before the clock starts; None leaves it as it is.
    """

    clock = "CUDA events"

    def __init__(self, cuda: Any = torch.cuda, flush: Callable[[], object] | None = None) -> None:
        self._cuda = cuda
        self._flush = flush

    def time(self, run: Callable[[], object]) -> float:
        """Wait for an idle GPU, enclose `run` in two events, wait again, read them."""
        start = self._cuda.Event(enable_timing=True)
        end = self._cuda.Event(enable_timing=True)
        if self._flush:
            self._flush()
        # After the flush too: during it the host would run ahead, and the gaps between the
        # launches, which are part of an eager pass, would be hidden.
        self._cuda.synchronize()
        start.record()
        run()
        end.record()
        self._cuda.synchronize()
        return float(start.elapsed_time(end)) / 1e3


def stopwatch_for(device: torch.device, flush_l2: bool = False) -> Stopwatch:
    """Return the clock that is right for `device`."""
    if device.type == "cuda":
        return CudaStopwatch(flush=l2_flush(device) if flush_l2 else None)
    if device.type == "mps":
        return HostStopwatch(torch.mps.synchronize)
    return HostStopwatch()


def l2_flush(device: torch.device) -> Callable[[], object]:
    """Return a function that overwrites twice as many bytes as the GPU's L2 cache holds."""
    properties: Any = torch.cuda.get_device_properties(device)
    size = int(getattr(properties, "L2_cache_size", 0)) or _GUESSED_L2_BYTES
    return torch.empty(2 * size, dtype=torch.uint8, device=device).zero_


def captured(run: Callable[[], object], cuda: Any = torch.cuda) -> Callable[[], object]:
    """Record the kernels of `run` as one CUDA graph and return what launches them all at once.

    The replay computes on the memory that `run` used, without Python and without a gap between
    two launches.

    Raises:
        RuntimeError: the pass waits for the GPU or allocates in a way that cannot be recorded.
    """
    # Libraries set themselves up in the first runs on a stream, which may not be recorded.
    side = cuda.Stream()
    side.wait_stream(cuda.current_stream())
    with cuda.stream(side):
        for _ in range(_RUNS_BEFORE_CAPTURE):
            run()
    cuda.current_stream().wait_stream(side)
    graph = cuda.CUDAGraph()
    with cuda.graph(graph):
        run()
    replay: Callable[[], object] = graph.replay
    return replay


def capture_for(
    device: torch.device,
) -> Callable[[Callable[[], object]], Callable[[], object]] | None:
    """Return what makes a replay of a run on `device`, None where there is no such thing."""
    return captured if device.type == "cuda" else None


# ------------------------------------------------------------------ readings inside a pass


class Marks(Protocol):
    """Readings of one clock in the midst of a pass."""

    def settle(self) -> None:
        """Wait until the device has done all it was given."""

    def mark(self) -> Any:
        """Note this moment of the device's work."""

    def nanoseconds(self, start: Any, end: Any) -> int:
        """Time between two marks; the device has settled since."""


class HostMarks:
    """The host's clock; a device that works beside the host is waited for at every mark.

    Args:
        synchronize: waits until the device has done all it was given.
        now: nanoseconds, from any origin.
    """

    def __init__(
        self,
        synchronize: Callable[[], object] = lambda: None,
        now: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self._synchronize = synchronize
        self._now = now

    def settle(self) -> None:
        """Wait for the device."""
        self._synchronize()

    def mark(self) -> int:
        """Wait for the device, read the clock."""
        self._synchronize()
        return self._now()

    def nanoseconds(self, start: int, end: int) -> int:
        """Subtract."""
        return end - start


class CudaMarks:
    """CUDA's events, which the GPU passes in the order of its work: the host waits for none."""

    def __init__(self, cuda: Any = torch.cuda) -> None:
        self._cuda = cuda

    def settle(self) -> None:
        """Wait for the GPU."""
        self._cuda.synchronize()

    def mark(self) -> Any:
        """Give the GPU an event to pass."""
        event = self._cuda.Event(enable_timing=True)
        event.record()
        return event

    def nanoseconds(self, start: Any, end: Any) -> int:
        """What the GPU noted, which is in milliseconds."""
        return round(float(start.elapsed_time(end)) * 1e6)


def marks_for(device: torch.device) -> Marks:
    """Return the readings that are right for `device`."""
    if device.type == "cuda":
        return CudaMarks()
    if device.type == "mps":
        return HostMarks(torch.mps.synchronize)
    return HostMarks()


# ---------------------------------------------------------------------- memory


class PeakMeter:
    """The most that torch's allocator has given out on a GPU.

    Args:
        device: the GPU.
        cuda: what is used of `torch.cuda`.
    """

    source = "torch's CUDA allocator"

    def __init__(self, device: torch.device, cuda: Any = torch.cuda) -> None:
        self._device = device
        self._cuda = cuda

    def now(self) -> int:
        """Bytes given out at this moment."""
        return int(self._cuda.memory_allocated(self._device))

    def reset(self) -> None:
        """Begin to watch."""
        self._cuda.reset_peak_memory_stats(self._device)

    def peak(self) -> int:
        """Most bytes given out at once since `reset`."""
        return int(self._cuda.max_memory_allocated(self._device))


def peak_meter_for(device: torch.device) -> PeakMeter | None:
    """Return the meter of `device`; None where torch keeps no such count (CPU, MPS)."""
    return PeakMeter(device) if device.type == "cuda" else None
