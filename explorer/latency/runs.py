"""The loop of runs, and the states of the process that it needs and puts back."""

from __future__ import annotations

import gc
import statistics
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple, Protocol

import torch
from torch import nn

from explorer.errors import MeasurementError
from explorer.latency.clock import Stopwatch
from explorer.latency.records import Progress, ProgressCallback
from explorer.text import _

_MIN_RUNS = 3
_MAX_WARMUP_RUNS = 50
_SETTLED_RUNS = 5
_SETTLED_SPREAD = 0.1


class Cancel(Protocol):
    """What a `threading.Event` can do that a measurement asks for."""

    def is_set(self) -> bool:
        """Whether the measurement should stop."""


class Watch(NamedTuple):
    """Who is told how far a measurement is, and who may stop it."""

    cancel: Cancel | None = None
    progress: ProgressCallback | None = None

    def report(self, progress: Progress) -> None:
        """Tell whoever wants to know."""
        if self.progress:
            self.progress(progress)

    def check(self) -> None:
        """Stop here if asked to.

        Raises:
            MeasurementError: asked to.
        """
        if self.cancel is not None and self.cancel.is_set():
            raise MeasurementError(_("The measurement was cancelled."))


class Limits(NamedTuple):
    """How many runs there should be and how long they may take."""

    warmup: int
    runs: int
    max_seconds: float


class Samples(NamedTuple):
    """Timed runs, and how they were prepared for."""

    seconds: list[float]
    warmup_runs: int
    stable: bool


def time_runs(
    run: Callable[[], object],
    stopwatch: Stopwatch,
    limits: Limits,
    watch: Watch,
    *,
    warmed: Callable[[], object] = lambda: None,
    beside: Callable[[], float] = lambda: 0.0,
) -> Samples:
    """Warm up until the times settle, then time `runs` runs.

    Args:
        run: what is timed; give it `ready(...)` around.
        stopwatch: times one run.
        limits: of runs and seconds.
        watch: told of every run, asked before every run.
        warmed: called once between the warm-up and the timed runs.
        beside: called after each timed run, outside its time; returns the seconds it took.

    Raises:
        MeasurementError: cancelled, or one run takes longer than all may.
    """
    warm: list[float] = []
    most = max(_MAX_WARMUP_RUNS, limits.warmup)
    while len(warm) < limits.warmup or not (_settled(warm) or len(warm) >= most):
        warm.append(_timed(run, stopwatch, watch, Progress("warming up", len(warm), most)))
        # The first run pays for loading and choosing kernels, which is not held against it.
        if len(warm) > 1 and sum(warm[1:]) > limits.max_seconds / 3:
            break
    if min(warm) > limits.max_seconds:
        raise MeasurementError(
            _(
                "One forward pass takes {seconds:.3g} s here, more than the {max_seconds:g} "
                "s for the whole measurement: choose a smaller batch or input, or more "
                "time."
            ).format(seconds=min(warm), max_seconds=limits.max_seconds)
        )
    warmed()
    seconds = timed_runs(run, stopwatch, limits, watch, spent=sum(warm[1:]), beside=beside)
    return Samples(seconds, len(warm), _settled(warm))


def timed_runs(
    run: Callable[[], object],
    stopwatch: Stopwatch,
    limits: Limits,
    watch: Watch,
    *,
    spent: float = 0.0,
    stage: Literal["measuring", "replaying"] = "measuring",
    beside: Callable[[], float] = lambda: 0.0,
) -> list[float]:
    """Seconds of each run: as many as asked for, or as the time allows, but three."""
    seconds: list[float] = []
    while len(seconds) < limits.runs and (len(seconds) < _MIN_RUNS or spent < limits.max_seconds):
        seconds.append(_timed(run, stopwatch, watch, Progress(stage, len(seconds), limits.runs)))
        spent += seconds[-1] + beside()
    return seconds


def _timed(
    run: Callable[[], object], stopwatch: Stopwatch, watch: Watch, before: Progress
) -> float:
    watch.check()
    seconds = stopwatch.time(run)
    watch.report(before._replace(done=before.done + 1))
    return seconds


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
def ready(module: nn.Module, device: torch.device) -> Iterator[None]:
    """Eval and inference mode, `device` the current one, and no garbage collection."""
    with _evaluating(module), torch.inference_mode(), _current(device), _collector_off():
        yield


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
def threads_set(threads: int | None) -> Iterator[None]:
    """Let torch use so many threads for one operation on the CPU; None leaves it as it is."""
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
def tf32_set(on: bool) -> Iterator[None]:
    """Let float32 products and convolutions on a GPU round to TF32, or forbid it to them."""
    backends: Any = torch.backends
    matmul, cudnn = backends.cuda.matmul, backends.cudnn
    # Torch has these switches twice. Whoever has used the newer ones can no longer read the
    # older; whoever has not would no longer be able to if we did. The state of both comes back.
    newer = (matmul, cudnn.conv, cudnn.rnn)
    precisions = [switch.fp32_precision for switch in newer]
    try:
        older = (matmul.allow_tf32, cudnn.allow_tf32)
    except RuntimeError:
        older = None
    try:
        if older is None:
            for switch in newer:
                switch.fp32_precision = "tf32" if on else "ieee"
        else:
            matmul.allow_tf32 = cudnn.allow_tf32 = on
        yield
    finally:
        if older is not None:
            matmul.allow_tf32, cudnn.allow_tf32 = older
        for switch, precision in zip(newer, precisions, strict=True):
            switch.fp32_precision = precision
