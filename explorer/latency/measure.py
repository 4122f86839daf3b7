"""Time one forward pass so that the number can be trusted.

Always: weights of ordinary size, eval and inference mode, input already on the device, warm-up
until the times settle, the device idle before the clock starts and done before it is read, no
garbage collection inside a run, nobody else's measurement on the same device. The answer is a
median with its spread and the environment it holds for.
"""

from __future__ import annotations

import copy
import gc
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from explorer.errors import MeasurementError
from explorer.latency.device import describe, free_memory, queue_of, resolve_device
from explorer.latency.records import LatencyRecord, Progress, ProgressCallback
from explorer.latency.weights import quick_build
from explorer.models._registry import OptionValue
from explorer.trace import trace_model
from explorer.trace.records import Trace
from explorer.zoo import build_model, get_spec, options_for

Shape = tuple[int, ...]

DTYPES = ("float32", "float16", "bfloat16", "float64")

_MIN_RUNS = 3
_MAX_WARMUP_RUNS = 50
_SETTLED_RUNS = 5
_SETTLED_SPREAD = 0.1
# Peaks of the real allocator were up to half above the liveness peak (scratch of convolutions).
_WORKSPACE = 1.5


def measure_latency(
    model: nn.Module | str,
    input_shape: Shape | tuple[Shape, ...],
    *,
    options: Mapping[str, OptionValue] | None = None,
    device: str = "auto",
    dtype: str = "float32",
    warmup: int = 5,
    runs: int = 50,
    threads: int | None = None,
    max_seconds: float = 20.0,
    cancel: threading.Event | None = None,
    progress: ProgressCallback | None = None,
) -> LatencyRecord:
    """Measure one forward pass of `model` on a random input.

    A module that is passed in comes back as it was. Where its parameters are on the device in
    `dtype` already, it is timed where it stands; otherwise a copy there is.

    Args:
        model: a registered name, or a module.
        input_shape: one shape with the batch, (N, C, H, W), or a tuple of shapes.
        options: of the registered model.
        device: "auto" (the GPU if there is one), "cpu", "cuda", "cuda:1" or "mps".
        dtype: of weights and input, one of `DTYPES`.
        warmup: fewest untimed runs; there are more until the times settle.
        runs: timed runs.
        threads: for one operation on the CPU; torch's present setting if None.
        max_seconds: of runs in all, a third of it for the warm-up. Two untimed and three timed
            runs are made even if they take longer.
        cancel: set it from another thread to stop at the next run.
        progress: told of the position in the queue and of every run.

    Raises:
        MeasurementError: no such device or dtype, too little memory, cancelled, or a limit
            that cannot be met.
        ExplorerError: an unknown model or option, an input that does not fit the model.
    """
    shapes = _check(input_shape, dtype, warmup, runs, threads, max_seconds)
    where = resolve_device(device)
    number_type: torch.dtype = getattr(torch, dtype)
    report = progress or (lambda _: None)

    def check_cancelled() -> None:
        if cancel is not None and cancel.is_set():
            raise MeasurementError("The measurement was cancelled.")

    in_place = isinstance(model, nn.Module) and _stands_ready(model, where, number_type)
    _check_input_fits(shapes, where, number_type)
    # Before the queue: who asks for the impossible need not wait to hear it.
    trace = trace_model(model, input_shape, options=options)
    if isinstance(model, str):
        options, _ = options_for(get_spec(model), input_shape, options or {})
    stopwatch = stopwatch_for(where)
    with queue_of(where).turn(report, check_cancelled):
        report(Progress("preparing"))
        _check_model_fits(trace, shapes[0][0], where, number_type, weights=not in_place)
        with _sentences(trace.model, where, number_type), _threads(threads):
            environment = describe(where, torch.get_num_threads())
            samples = _measure(
                _prepared(model, options or {}, where, number_type, in_place=in_place),
                tuple(torch.randn(shape, device=where, dtype=number_type) for shape in shapes),
                stopwatch,
                warmup=warmup,
                runs=runs,
                max_seconds=max_seconds,
                report=report,
                check_cancelled=check_cancelled,
            )
    batch = shapes[0][0]
    median = statistics.median(samples.seconds)
    low, q1, q3, high = (percentile(samples.seconds, p) for p in (0.1, 0.25, 0.75, 0.9))
    return LatencyRecord(
        model=trace.model,
        options=tuple((options or {}).items()),
        input_shape=trace.input_shape,
        batch=batch,
        dtype=dtype,
        median_ms=1e3 * median,
        p10_ms=1e3 * low,
        p90_ms=1e3 * high,
        iqr_ms=1e3 * (q3 - q1),
        runs=len(samples.seconds),
        warmup_runs=samples.warmup_runs,
        stable=samples.stable,
        images_per_second=batch / median,
        clock=stopwatch.clock,
        environment=environment,
    )


# ---------------------------------------------------------------------- the clock


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
    """CUDA's events: the GPU itself notes when it begins and when it has ended."""

    clock = "CUDA events"

    def __init__(self, cuda: Any = torch.cuda) -> None:
        self._cuda = cuda

    def time(self, run: Callable[[], object]) -> float:
        """Wait for an idle GPU, enclose `run` in two events, wait again, read them."""
        start = self._cuda.Event(enable_timing=True)
        end = self._cuda.Event(enable_timing=True)
        self._cuda.synchronize()
        start.record()
        run()
        end.record()
        self._cuda.synchronize()
        return float(start.elapsed_time(end)) / 1e3


def stopwatch_for(device: torch.device) -> Stopwatch:
    """Return the clock that is right for `device`."""
    if device.type == "cuda":
        return CudaStopwatch()
    if device.type == "mps":
        return HostStopwatch(torch.mps.synchronize)
    return HostStopwatch()


# ---------------------------------------------------------------------- the runs


class Samples(NamedTuple):
    """Timed runs, and how they were prepared for."""

    seconds: list[float]
    warmup_runs: int
    stable: bool


def _measure(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    stopwatch: Stopwatch,
    *,
    warmup: int,
    runs: int,
    max_seconds: float,
    report: ProgressCallback,
    check_cancelled: Callable[[], None],
) -> Samples:
    """Warm up, then time `runs` forward passes, in eval and inference mode."""

    def run() -> object:
        return module(*inputs)

    def timed(stage: Any, done: int, total: int) -> float:
        check_cancelled()
        seconds = stopwatch.time(run)
        report(Progress(stage, done + 1, total))
        return seconds

    warm: list[float] = []
    seconds: list[float] = []
    most_warm = max(_MAX_WARMUP_RUNS, warmup)
    with _evaluating(module), torch.inference_mode(), _current(inputs[0].device), _collector_off():
        while len(warm) < warmup or not (_settled(warm) or len(warm) >= most_warm):
            warm.append(timed("warming up", len(warm), most_warm))
            # The first run pays for loading and choosing kernels, which is not held against it.
            if len(warm) > 1 and sum(warm[1:]) > max_seconds / 3:
                break
        if min(warm) > max_seconds:
            raise MeasurementError(
                f"One forward pass takes {min(warm):.3g} s here, more than the {max_seconds:g} s "
                "for the whole measurement: choose a smaller batch or input, or more time."
            )
        spent = sum(warm[1:])
        while len(seconds) < runs and (len(seconds) < _MIN_RUNS or spent < max_seconds):
            seconds.append(timed("measuring", len(seconds), runs))
            spent += seconds[-1]
    return Samples(seconds, len(warm), _settled(warm))


def _settled(times: list[float]) -> bool:
    """Whether the last runs differ by little."""
    last = times[-_SETTLED_RUNS:]
    if len(last) < _SETTLED_RUNS:
        return False
    return max(last) - min(last) <= _SETTLED_SPREAD * statistics.median(last)


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of `values` lie, between neighbours in proportion."""
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


# ---------------------------------------------------------------------- states that are put back


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Eval mode, and afterwards every submodule's own mode again."""
    modes = [(child, child.training) for child in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for child, training in modes:
            child.training = training


@contextmanager
def _current(device: torch.device) -> Iterator[None]:
    """Make `device` the current one, to which CUDA's events and synchronisation refer."""
    if device.type != "cuda":
        yield
        return
    with torch.cuda.device(device):
        yield


_collector_lock = threading.Lock()
_collector_users = 0
_collector_was_on = False


@contextmanager
def _collector_off() -> Iterator[None]:
    """Collect now, and not again before the last measurement in this process has ended."""
    global _collector_users, _collector_was_on
    with _collector_lock:
        if _collector_users == 0:
            _collector_was_on = gc.isenabled()
            gc.collect()
            gc.disable()
        _collector_users += 1
    try:
        yield
    finally:
        with _collector_lock:
            _collector_users -= 1
            if _collector_users == 0 and _collector_was_on:
                gc.enable()


@contextmanager
def _threads(threads: int | None) -> Iterator[None]:
    if threads is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _sentences(model: str, device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """Say what torch raises for want of memory or of a kernel in one sentence."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise _out_of_memory(model, device) from error
    except RuntimeError as error:
        if "allocate memory" in str(error):
            raise _out_of_memory(model, device) from error
        if "not implemented for" in str(error):
            name = str(dtype).removeprefix("torch.")
            raise MeasurementError(
                f"{model} cannot run in {name} on {device}: torch has no kernel for one of its "
                "operations. Choose float32."
            ) from error
        raise
    finally:
        if device.type == "cuda":
            torch.cuda.empty_cache()


def _out_of_memory(model: str, device: torch.device) -> MeasurementError:
    return MeasurementError(
        f"{device} ran out of memory while {model} was running: choose a smaller batch or input."
    )


# ---------------------------------------------------------------------- model and memory


def _stands_ready(module: nn.Module, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether all weights are on the device and of the wanted type.

    Raises:
        MeasurementError: the weights have no values.
    """
    tensors = [*module.parameters(), *module.buffers()]
    if any(tensor.is_meta for tensor in tensors):
        raise MeasurementError(
            "The model's weights are on the meta device, where there is nothing to time: build "
            "it on a real device first."
        )
    return all(
        tensor.device == device and (tensor.dtype == dtype or not tensor.is_floating_point())
        for tensor in tensors
    )


def _prepared(
    model: nn.Module | str,
    options: Mapping[str, OptionValue],
    device: torch.device,
    dtype: torch.dtype,
    *,
    in_place: bool,
) -> nn.Module:
    """Return the module to time, with its weights on the device, once in memory."""
    if isinstance(model, str):
        built = quick_build(lambda: build_model(model, **options))
        # Weight by weight: the old ones go as the new ones come.
        return built.to(device=device, dtype=dtype)
    if in_place:
        return model
    moved: dict[int, Any] = {}
    for weight in (*model.parameters(), *model.buffers()):
        target = dtype if weight.is_floating_point() else weight.dtype
        value = weight.detach().to(device=device, dtype=target)
        moved[id(weight)] = (
            nn.Parameter(value, weight.requires_grad) if isinstance(weight, nn.Parameter) else value
        )
    # What the memo knows is not copied, so no weight exists twice on the way.
    return copy.deepcopy(model, moved)


def peak_activation_bytes(trace: Trace) -> int:
    """Most bytes of activations alive at once, the input's included, as they were traced."""
    change = [0] * (len(trace.ops) + 2)
    for storage in trace.storages:
        change[storage.born] += storage.nbytes
        if storage.died >= 0:
            change[storage.died] -= storage.nbytes
    alive = peak = 0
    for step in change:
        alive += step
        peak = max(peak, alive)
    return peak


def weight_bytes(trace: Trace) -> int:
    """Bytes of all parameters and buffers as they were traced."""
    return sum(record.nbytes for record in (*trace.parameters, *trace.buffer_records))


def forward_bytes(trace: Trace, *, weights: bool = True) -> int:
    """Estimate what a forward pass needs: activations with scratch, and the weights once."""
    activations = int(_WORKSPACE * peak_activation_bytes(trace))
    return activations + (weight_bytes(trace) if weights else 0)


def _check_model_fits(
    trace: Trace, batch: int, device: torch.device, dtype: torch.dtype, *, weights: bool
) -> None:
    """Refuse what will not fit before anything is allocated.

    Raises:
        MeasurementError: the estimate is above what is free.
    """
    traced: torch.dtype = getattr(torch, trace.ops[0].outputs[0].dtype)  # of the input
    need = forward_bytes(trace, weights=weights) * dtype.itemsize / traced.itemsize
    free = free_memory(device)
    if free is not None and need > free:
        raise MeasurementError(
            f"{trace.model} at batch {batch} needs about {need / 2**30:,.1f} GiB on {device}, "
            f"where {free / 2**30:,.1f} GiB are free: choose a smaller batch or input."
        )


def _check_input_fits(shapes: tuple[Shape, ...], device: torch.device, dtype: torch.dtype) -> None:
    """Refuse an input that is itself too large, before anything is computed from its size."""
    need = 0
    for shape in shapes:
        size = dtype.itemsize
        for extent in shape:
            size *= extent
        need += size
    free = free_memory(device)
    if free is not None and need > free:
        raise MeasurementError(
            f"The input alone would take {need / 2**30:,.1f} GiB on {device}, where "
            f"{free / 2**30:,.1f} GiB are free: choose a smaller batch or input."
        )


def _check(
    input_shape: Shape | tuple[Shape, ...],
    dtype: str,
    warmup: int,
    runs: int,
    threads: int | None,
    max_seconds: float,
) -> tuple[Shape, ...]:
    """Return the shapes as a tuple of shapes if all settings are legal.

    Raises:
        MeasurementError: one is not.
    """
    shapes: tuple[Any, ...] = tuple(input_shape)
    if not shapes or not isinstance(shapes[0], (tuple, list)):
        shapes = (shapes,)
    for shape in shapes:
        if not shape or not all(_is_positive_integer(extent) for extent in shape):
            raise MeasurementError(
                f"The input shape {tuple(shape)} should be whole numbers from 1 on, "
                "the batch first: (1, 3, 224, 224)."
            )
    if dtype not in DTYPES:
        raise MeasurementError(f"There is no dtype {dtype!r} here: choose {', '.join(DTYPES)}.")
    for name, value in (("runs", runs), ("threads", 1 if threads is None else threads)):
        if not _is_positive_integer(value):
            raise MeasurementError(f"{name}={value!r} should be a whole number from 1 on.")
    if not (_is_positive_integer(warmup) and warmup <= 1000):
        raise MeasurementError(f"warmup={warmup!r} should be a whole number from 1 to 1,000.")
    if not max_seconds > 0:
        raise MeasurementError(f"max_seconds={max_seconds!r} should be above 0.")
    return tuple(tuple(shape) for shape in shapes)


def _is_positive_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
