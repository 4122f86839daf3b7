"""What a device really reaches: the rates of one large product and one large copy.

They take the place of the datasheet's numbers in `explorer.analysis.roofline.calibrated`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from explorer.errors import MeasurementError
from explorer.latency import clock
from explorer.latency.clock import Stopwatch
from explorer.latency.device import free_memory, queue_of, resolve_device
from explorer.latency.measure import said_in_a_sentence
from explorer.latency.plan import DTYPES
from explorer.latency.runs import Limits, Samples, Watch, ready, time_runs
from explorer.text import _

_SMALLEST_SIDE = 512
_LARGEST_SIDE = 8192
# Long enough that the clock's own error and the launch are below a per cent.
_LONG_ENOUGH = 5e-3
# Several times the last cache of most devices, so that the copy goes to memory and back.
_COPY_BYTES = 256 * 2**20
_NOBODY = Watch()


class MeasuredPeaks(NamedTuple):
    """The best rates of a few runs on one device."""

    operations_per_second: float
    """Of a matrix product, a multiply-accumulate being two."""
    bytes_per_second: float
    """Of a copy in the device's memory, read and written bytes together."""


class _Product(nn.Module):
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Multiply two matrices."""
        return a @ b


class _Copy(nn.Module):
    def forward(self, target: Tensor, source: Tensor) -> Tensor:
        """Overwrite `target`."""
        return target.copy_(source)


def measure_peaks(
    device: str = "auto", dtype: str = "float32", *, max_seconds: float = 1.0
) -> MeasuredPeaks:
    """Measure operations a second and bytes a second on this machine.

    The fastest run counts: whatever else the machine does can only make a run slower. Float32
    products follow torch's present setting for TF32. On a CPU all of torch's threads are used.

    Args:
        device: "auto" (the GPU if there is one), "cpu", "cuda", "cuda:1" or "mps".
        dtype: of the product, one of `explorer.latency.DTYPES`; the copy is of bytes.
        max_seconds: of runs in all; a few are made even if they take longer.

    Raises:
        MeasurementError: no such device or dtype, too little memory, a limit that is not
            above 0, or a product that torch has no kernel for or that takes too long here.
    """
    if dtype not in DTYPES:
        raise MeasurementError(
            _("There is no dtype {dtype!r} here: choose {dtypes}.").format(
                dtype=dtype, dtypes=", ".join(DTYPES)
            )
        )
    if not max_seconds > 0:
        raise MeasurementError(
            _("max_seconds={max_seconds!r} should be above 0.").format(max_seconds=max_seconds)
        )
    where = resolve_device(device)
    check_copy_fits(where)
    stopwatch = stopwatch_of(where)
    number_type: torch.dtype = getattr(torch, dtype)
    with queue_of(where).turn(lambda _: None, lambda: None):
        operations = product_rate(where, number_type, stopwatch, max_seconds / 2)
        nbytes = copy_rate(where, stopwatch, max_seconds / 2)
    return MeasuredPeaks(operations, nbytes)


def stopwatch_of(where: torch.device) -> Stopwatch:
    """The clock of a device, asked for where a test can put another in its place."""
    return clock.stopwatch_for(where)


def check_copy_fits(where: torch.device) -> None:
    """Refuse before anything is allocated.

    Raises:
        MeasurementError: too little memory is free.
    """
    free = free_memory(where)
    if free is not None and free < 3 * _COPY_BYTES:
        raise MeasurementError(
            _(
                "The measurement needs {need:.2g} GiB on {where}, where {free:.2g} GiB are free."
            ).format(need=3 * _COPY_BYTES / 2**30, where=where, free=free / 2**30)
        )


def product_rate(
    where: torch.device,
    dtype: torch.dtype,
    stopwatch: Stopwatch,
    seconds: float,
    watch: Watch = _NOBODY,
) -> float:
    """Double the matrices until one product takes long enough to be timed, then time it well.

    Raises:
        MeasurementError: torch has no such product here, it takes too long, or cancelled.
    """
    side = _SMALLEST_SIDE
    best = 0.0
    with said_in_a_sentence(_("A matrix product"), where, dtype):
        while True:
            a, b = (torch.randn(side, side, device=where).to(dtype) for _ in range(2))
            samples = sampled(_Product(), (a, b), stopwatch, seconds, watch)
            fastest = min(samples.seconds)
            best = max(best, 2 * side**3 / fastest)
            if fastest >= _LONG_ENOUGH or side >= _LARGEST_SIDE:
                return best
            side *= 2


def copy_rate(
    where: torch.device, stopwatch: Stopwatch, seconds: float, watch: Watch = _NOBODY
) -> float:
    """Bytes a second of a copy, read and written ones together.

    Raises:
        MeasurementError: out of memory, too slow, or cancelled.
    """
    with said_in_a_sentence("A copy", where, torch.uint8):
        source = torch.ones(_COPY_BYTES, dtype=torch.uint8, device=where)
        samples = sampled(_Copy(), (torch.zeros_like(source), source), stopwatch, seconds, watch)
    return 2 * _COPY_BYTES / min(samples.seconds)


def sampled(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    stopwatch: Stopwatch,
    seconds: float,
    watch: Watch = _NOBODY,
) -> Samples:
    """Time a few runs of a module, after a warm-up."""
    with ready(module, inputs[0].device):
        return time_runs(lambda: module(*inputs), stopwatch, Limits(2, 10, seconds), watch)
