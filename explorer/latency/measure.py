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
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from explorer.errors import MeasurementError
from explorer.latency.clock import (
    Stopwatch,
    capture_for,
    marks_for,
    peak_meter_for,
    stopwatch_for,
)
from explorer.latency.device import DeviceQueue, describe, free_memory, queue_of
from explorer.latency.layers import LayerProbe, leaf_classes
from explorer.latency.memory import (
    advice,
    forward_bytes,
    largest_batch,
    peak_activation_bytes,
    weight_bytes,
)
from explorer.latency.plan import DTYPES, Plan, Settings, check_model_fits, planned
from explorer.latency.records import (
    Environment,
    LatencyRecord,
    LayerLatencies,
    Progress,
    ProgressCallback,
)
from explorer.latency.runs import (
    Cancel,
    Limits,
    Samples,
    Watch,
    percentile,
    ready,
    tf32_set,
    threads_set,
    time_runs,
    timed_runs,
)
from explorer.latency.weights import quick_build
from explorer.models._registry import OptionValue
from explorer.text import _
from explorer.zoo import build_model

__all__ = [
    "DTYPES",
    "forward_bytes",
    "measure_latency",
    "measure_layers",
    "peak_activation_bytes",
    "weight_bytes",
]

Shape = tuple[int, ...]

_LONGEST_REASON = 160

_gpu_switches = DeviceQueue()
"""TF32 is a switch of the whole process, so two GPUs do not measure at the same time."""


def measure_latency(
    model: nn.Module | str,
    input_shape: Shape | tuple[Shape, ...],
    *,
    options: Mapping[str, OptionValue] | None = None,
    device: str = "auto",
    dtype: str = "float32",
    tf32: bool = False,
    channels_last: bool = False,
    compiled: bool = False,
    cuda_graph: bool | None = None,
    flush_l2: bool = False,
    warmup: int = 5,
    runs: int = 50,
    threads: int | None = None,
    max_seconds: float = 20.0,
    cancel: Cancel | None = None,
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
        tf32: let float32 products and convolutions round to TF32; NVIDIA GPUs only. Off, they
            are computed in float32, whatever torch's present setting.
        channels_last: weights and input channels last in memory (NHWC); images only.
        compiled: translate the model with `torch.compile` first. What torch has compiled for
            this process before is forgotten, or torch might give up and run the model as it is.
        cuda_graph: also time replays of the pass as a CUDA graph; None is yes on a CUDA device
            and no elsewhere. A model that cannot be captured leaves a note in the record.
        flush_l2: empty the GPU's L2 cache before each run; CUDA only.
        warmup: fewest untimed runs; there are more until the times settle.
        runs: timed runs, and as many replays.
        threads: for one operation on the CPU; torch's present setting if None.
        max_seconds: of runs in all, a third of it for the warm-up, and as much again for
            replays. Two untimed and three timed runs are made even if they take longer.
        cancel: set it from another thread to stop in the queue or at the next run.
        progress: told of the position in the queue and of every run.

    Raises:
        MeasurementError: no such device or dtype, too little memory, cancelled, a limit that
            cannot be met, or an option that this device or input has no use for.
        ExplorerError: an unknown model or option, an input that does not fit the model.
    """
    settings = Settings(
        dtype,
        Limits(warmup, runs, max_seconds),
        threads=threads,
        tf32=tf32,
        channels_last=channels_last,
        compiled=compiled,
        cuda_graph=cuda_graph,
        flush_l2=flush_l2,
    )
    plan = planned(model, input_shape, options, device, settings)
    return _carried_out(plan, Watch(cancel, progress)).record


def measure_layers(
    model: nn.Module | str,
    input_shape: Shape | tuple[Shape, ...],
    *,
    options: Mapping[str, OptionValue] | None = None,
    device: str = "auto",
    dtype: str = "float32",
    tf32: bool = False,
    channels_last: bool = False,
    warmup: int = 5,
    runs: int = 20,
    threads: int | None = None,
    max_seconds: float = 20.0,
    cancel: Cancel | None = None,
    progress: ProgressCallback | None = None,
) -> LayerLatencies:
    """Measure every call of a module without children, beside the pass as a whole.

    A pass without hooks and one with hooks take turns. The hooks read the device's clock before
    and after each call and are removed after their pass, also if it fails. On a GPU they give
    it events to pass: the time between two of them contains the wait for the next launch if the
    GPU is faster than the host. On MPS every reading waits for the device. A module that takes
    a shortcut when nobody watches (`nn.TransformerEncoderLayer`) goes the long way with hooks,
    and the difference is part of the overhead.

    Args:
        model: a registered name, or a module; a module comes back as it was.
        input_shape: one shape with the batch, (N, C, H, W), or a tuple of shapes.
        options: of the registered model.
        device: "auto" (the GPU if there is one), "cpu", "cuda", "cuda:1" or "mps".
        dtype: of weights and input, one of `DTYPES`.
        tf32: let float32 products and convolutions round to TF32; NVIDIA GPUs only.
        channels_last: weights and input channels last in memory (NHWC); images only.
        warmup: fewest untimed runs; there are more until the times settle.
        runs: passes without hooks, and as many with them.
        threads: for one operation on the CPU; torch's present setting if None.
        max_seconds: of passes in all; three of each kind are made even if they take longer.
        cancel: set it from another thread to stop in the queue or at the next run.
        progress: told of the position in the queue and of every run.

    Raises:
        MeasurementError: as `measure_latency`.
        ExplorerError: an unknown model or option, an input that does not fit the model.
    """
    settings = Settings(
        dtype,
        Limits(warmup, runs, max_seconds),
        threads=threads,
        tf32=tf32,
        channels_last=channels_last,
        cuda_graph=False,
    )
    plan = planned(model, input_shape, options, device, settings)
    done = _carried_out(plan, Watch(cancel, progress), layered=True)
    assert done.probe
    return done.probe.result(done.record)


class _Outcome(NamedTuple):
    record: LatencyRecord
    probe: LayerProbe | None


class _Replays(NamedTuple):
    """Timed replays of a CUDA graph, or why there are none."""

    seconds: list[float]
    note: str = ""


class _Taken(NamedTuple):
    """What the runs leave behind, with nothing of the model in it."""

    samples: Samples
    replays: _Replays
    peak_bytes: int | None
    peak_note: str
    clock: str
    probe: LayerProbe | None


# ---------------------------------------------------------------------- the measurement


def _carried_out(plan: Plan, watch: Watch, *, layered: bool = False) -> _Outcome:
    """Wait for the device, measure, and leave everything as it was."""
    settings, where = plan.settings, plan.where
    gpu = where.type == "cuda"
    with ExitStack() as states:
        states.enter_context(queue_of(where).turn(watch.report, watch.check))
        if gpu:
            states.enter_context(_gpu_switches.turn(watch.report, watch.check))
            states.enter_context(tf32_set(settings.tf32))
        watch.check()
        watch.report(Progress("preparing"))
        check_model_fits(plan)
        states.enter_context(threads_set(settings.threads))
        states.enter_context(said_in_a_sentence(plan.trace.model, where, plan.dtype, plan))
        # Inside: what the compiler remembers holds memory, too.
        states.enter_context(_compiler_forgets(settings.compiled))
        environment = describe(where, torch.get_num_threads())
        taken = _taken(plan, watch, layered=layered)
    return _Outcome(_record(plan, environment, taken), taken.probe)


def _taken(plan: Plan, watch: Watch, *, layered: bool) -> _Taken:
    """Build, run, read. Module and input live in this function alone, and end with it."""
    settings, where = plan.settings, plan.where
    stopwatch = stopwatch_for(where, settings.flush_l2)
    meter = peak_meter_for(where)
    before = meter.now() if meter else 0
    module = _prepared(plan)
    inputs = tuple(_random_input(shape, plan) for shape in plan.shapes)
    called = torch.compile(module) if settings.compiled else module

    def run() -> object:
        return called(*inputs)

    probe = None
    if layered:
        probe = LayerProbe(
            module, leaf_classes(plan.trace), lambda: module(*inputs), marks_for(where)
        )
    with ready(module, where):
        samples = time_runs(
            run,
            stopwatch,
            settings.limits,
            watch,
            warmed=meter.reset if meter else lambda: None,
            beside=probe.one_pass if probe else lambda: 0.0,
        )
        peak = None
        if meter:
            own = weight_bytes(plan.trace) if plan.in_place else 0
            peak = meter.peak() - before + own
        replays = _replays(run, plan, stopwatch, watch)
    if probe:
        probe.let_go()
    note = meter.source if meter else f"not measured: torch keeps no count on {where.type}"
    return _Taken(samples, replays, peak, note, stopwatch.clock, probe)


def _replays(run: Callable[[], object], plan: Plan, stopwatch: Stopwatch, watch: Watch) -> _Replays:
    """Capture the pass as a graph and time its replays, where asked for and possible."""
    wanted = plan.settings.cuda_graph
    capture = capture_for(plan.where)
    if capture is None or wanted is False:
        return _Replays([])
    watch.check()
    limits = plan.settings.limits
    try:
        replay = capture(run)
        for _again in range(limits.warmup):
            watch.check()
            replay()
        return _Replays(timed_runs(replay, stopwatch, limits, watch, stage="replaying"))
    except torch.OutOfMemoryError:
        return _Replays([], _("There was not enough memory left for a CUDA graph."))
    except RuntimeError as error:
        return _Replays(
            [],
            _("The pass cannot be captured as a CUDA graph: {reason}").format(
                reason=_reason(error)
            ),
        )


def _random_input(shape: Shape, plan: Plan) -> Tensor:
    drawn = torch.randn(shape, device=plan.where, dtype=plan.dtype)
    if plan.settings.channels_last:
        return drawn.contiguous(memory_format=torch.channels_last)
    return drawn


def _record(plan: Plan, environment: Environment, taken: _Taken) -> LatencyRecord:
    settings, seconds = plan.settings, taken.samples.seconds
    median = statistics.median(seconds)
    low, q1, q3, high = (1e3 * percentile(seconds, p) for p in (0.1, 0.25, 0.75, 0.9))
    replays = taken.replays.seconds
    return LatencyRecord(
        model=plan.trace.model,
        options=tuple(plan.options.items()),
        input_shape=plan.trace.input_shape,
        batch=plan.batch,
        dtype=settings.dtype,
        median_ms=1e3 * median,
        p10_ms=low,
        p90_ms=high,
        iqr_ms=q3 - q1,
        runs=len(seconds),
        warmup_runs=taken.samples.warmup_runs,
        stable=taken.samples.stable,
        images_per_second=plan.batch / median,
        clock=taken.clock,
        environment=environment,
        tf32=settings.tf32,
        channels_last=settings.channels_last,
        compiled=settings.compiled,
        l2_flushed=settings.flush_l2,
        graph_ms=1e3 * statistics.median(replays) if replays else None,
        graph_p10_ms=1e3 * percentile(replays, 0.1) if replays else None,
        graph_p90_ms=1e3 * percentile(replays, 0.9) if replays else None,
        graph_runs=len(replays),
        graph_note=taken.replays.note,
        peak_memory_bytes=taken.peak_bytes,
        peak_memory_note=taken.peak_note,
    )


# ---------------------------------------------------------------------- what can go wrong


@contextmanager
def said_in_a_sentence(
    model: str, device: torch.device, dtype: torch.dtype, plan: Plan | None = None
) -> Iterator[None]:
    """Say what torch raises for want of memory, a kernel or a compiler in one sentence.

    Whatever is raised, the memory of the pass is free before it is raised on.

    Args:
        model: subject of the sentence.
        device: where it runs.
        dtype: of the numbers.
        plan: what was tried, for advice on the batch.

    Raises:
        MeasurementError: in place of what torch raised.
    """
    try:
        yield
    except Exception as error:
        reason = _reason(error)
        # The frames that the error came through hold the model and its tensors.
        traceback.clear_frames(error.__traceback__)
        gc.collect()
        _empty_cache(device)
        if isinstance(error, torch.OutOfMemoryError) or "allocate memory" in reason:
            raise _out_of_memory(model, device, plan) from error
        if "not implemented for" in reason:
            name = str(dtype).removeprefix("torch.")
            raise MeasurementError(
                _(
                    "{model} cannot run in {name} on {device}: torch has no kernel for one "
                    "of its operations. Choose float32."
                ).format(model=model, name=name, device=device)
            ) from error
        if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise MeasurementError(
                _(
                    "torch.compile cannot translate {model} on {device} ({reason}): measure "
                    "it without."
                ).format(model=model, device=device, reason=reason)
            ) from error
        raise
    else:
        _empty_cache(device)


def _reason(error: Exception) -> str:
    """The first line of what torch says, not longer than a line."""
    text = str(error).strip().splitlines() or [type(error).__name__]
    return text[0][:_LONGEST_REASON].rstrip(" .:")


def _empty_cache(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def _out_of_memory(model: str, device: torch.device, plan: Plan | None) -> MeasurementError:
    free = free_memory(device)
    if plan is None or free is None:
        return MeasurementError(
            _(
                "{device} ran out of memory while {model} was running: choose a smaller batch "
                "or input."
            ).format(device=device, model=model)
        )
    fitting = largest_batch(plan.trace, plan.batch, free, plan.dtype, weights=not plan.in_place)
    # If by the estimate this batch fits, then the estimate is too low for this model.
    fitting = min(fitting, plan.batch // 2)
    return MeasurementError(
        _(
            "{device} ran out of memory while {model} was running at batch {batch:,}: {advice}"
        ).format(device=device, model=model, batch=plan.batch, advice=advice(fitting))
    )


@contextmanager
def _compiler_forgets(compiled: bool) -> Iterator[None]:
    """Without this, the ninth model with the same forward would silently run uncompiled."""
    if not compiled:
        yield
        return
    torch.compiler.reset()
    try:
        yield
    finally:
        torch.compiler.reset()
        gc.collect()


# ---------------------------------------------------------------------- model and memory


def _prepared(plan: Plan) -> nn.Module:
    """Return the module to time, with its weights on the device, once in memory."""
    model, device, dtype = plan.model, plan.where, plan.dtype
    if isinstance(model, str):
        built = quick_build(lambda: build_model(model, **plan.options))
        # Weight by weight: the old ones go as the new ones come.
        return _laid_out(built.to(device=device, dtype=dtype), plan)
    if plan.in_place:
        return model
    moved: dict[int, Any] = {}
    for weight in (*model.parameters(), *model.buffers()):
        target = dtype if weight.is_floating_point() else weight.dtype
        value = weight.detach().to(device=device, dtype=target)
        moved[id(weight)] = (
            nn.Parameter(value, weight.requires_grad) if isinstance(weight, nn.Parameter) else value
        )
    # What the memo knows is not copied, so no weight exists twice on the way.
    return _laid_out(copy.deepcopy(model, moved), plan)


def _laid_out(module: nn.Module, plan: Plan) -> nn.Module:
    if not plan.settings.channels_last:
        return module
    return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
