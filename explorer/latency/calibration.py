"""What one machine really reaches, kept with the machine that it holds for.

A prediction made from these numbers is for this machine; one made from a datasheet is for a
device at its best.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final, Literal

import torch
from torch import Tensor, nn

from explorer.errors import MeasurementError, RecordError
from explorer.latency.clock import Stopwatch
from explorer.latency.device import describe, queue_of, resolve_device, total_memory
from explorer.latency.peaks import (
    check_copy_fits,
    copy_rate,
    product_rate,
    sampled,
    stopwatch_of,
)
from explorer.latency.plan import checked_threads
from explorer.latency.records import (
    Environment,
    LatencyRecord,
    Progress,
    ProgressCallback,
    built_environment,
    number_above_0,
)
from explorer.latency.runs import Cancel, Watch, tf32_set, threads_set
from explorer.text import _

SHIPPED: Final = "calibrations.jsonl"
"""File in `explorer/data/latency` with the machines that the recorded runs are of."""

_CALLS: Final = 200
"""Of a layer with next to nothing to do, in a row."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Rates of one machine: the best of a few runs each. Plain values, as a record has."""

    environment: Environment
    peaks: tuple[tuple[str, float], ...]
    """Number type ("float32", "tf32", "float16", "bfloat16") and operations a second of a matrix
    product in it, a multiply-accumulate being two. A type that cannot be multiplied here is left
    out."""
    bytes_per_second: float
    """Of a copy in memory larger than the caches, read and written bytes together."""
    launch_seconds: float | None
    """From one call of a layer with next to nothing to do to the next; None where it was not
    measured."""
    memory_bytes: int | None
    """All the memory that the device has; None where not known."""
    source: Literal["measured", "recorded"] = "measured"
    """Measured in this process, or shipped with the library."""

    def peak(self, dtype: str, *, tf32: bool = False) -> float | None:
        """Operations a second in one number type; None if there is no such arithmetic."""
        return dict(self.peaks).get("tf32" if tf32 else dtype)

    def is_of(self, record: LatencyRecord) -> bool:
        """Whether a record was taken on this machine, with as many threads."""
        mine, other = self.environment, record.environment
        return (
            mine.device_name == other.device_name
            and mine.device.partition(":")[0] == other.device.partition(":")[0]
            and mine.threads == other.threads
        )


def calibrate(
    device: str = "auto",
    *,
    threads: int | None = None,
    max_seconds: float = 6.0,
    cancel: Cancel | None = None,
    progress: ProgressCallback | None = None,
) -> Calibration:
    """Measure what a prediction for this machine needs, one measurement at a time on a device.

    Matrix products in every number type, a copy, and calls of a layer on a single number. The
    fastest run of each counts: whatever else the machine does can only make one slower.

    Args:
        device: "auto" (the GPU if there is one), "cpu", "cuda", "cuda:1" or "mps".
        threads: for one operation on the CPU; torch's present setting if None.
        max_seconds: of runs in all; a few are made even if they take longer.
        cancel: set it from another thread to stop in the queue or at the next run.
        progress: told of the position in the queue and of every step.

    Raises:
        MeasurementError: no such device, too little memory, cancelled, or a limit that makes no
            sense.
    """
    if not max_seconds > 0:
        raise MeasurementError(
            _("max_seconds={max_seconds!r} should be above 0.").format(max_seconds=max_seconds)
        )
    checked_threads(threads)
    where = resolve_device(device)
    watch = Watch(cancel, progress)
    wanted = ("float32", *(("tf32",) if where.type == "cuda" else ()), "float16", "bfloat16")
    steps = len(wanted) + 2
    with ExitStack() as states:
        states.enter_context(queue_of(where).turn(watch.report, watch.check))
        states.enter_context(threads_set(threads))
        check_copy_fits(where)
        environment = describe(where, torch.get_num_threads())
        stopwatch, seconds = stopwatch_of(where), max_seconds / steps
        quiet = Watch(cancel)
        peaks: list[tuple[str, float]] = []
        for done, dtype in enumerate(wanted):
            watch.report(Progress("measuring", done, steps))
            rate = _rate(where, dtype, stopwatch, seconds, quiet)
            if rate:
                peaks.append((dtype, rate))
        watch.report(Progress("measuring", steps - 2, steps))
        copied = copy_rate(where, stopwatch, seconds, quiet)
        watch.report(Progress("measuring", steps - 1, steps))
        launch = _launch_seconds(where, stopwatch, seconds, quiet)
        watch.report(Progress("measuring", steps, steps))
    return Calibration(
        environment=environment,
        peaks=tuple(peaks),
        bytes_per_second=copied,
        launch_seconds=launch,
        memory_bytes=total_memory(where),
    )


def _rate(
    where: torch.device, dtype: str, stopwatch: Stopwatch, seconds: float, watch: Watch
) -> float | None:
    """Operations a second in one type; None if this device does not multiply in it."""
    number_type: torch.dtype = torch.float32 if dtype == "tf32" else getattr(torch, dtype)
    with ExitStack() as states:
        if where.type == "cuda":
            states.enter_context(tf32_set(dtype == "tf32"))
        try:
            return product_rate(where, number_type, stopwatch, seconds, watch)
        except MeasurementError:
            watch.check()
            if dtype == "float32":  # without it there is nothing to predict from
                raise
            return None


class _Calls(nn.Module):
    """One layer, called again and again as a model calls its layers."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Call the layer."""
        for _call in range(_CALLS):
            x = self.layer(x)
        return x


def _launch_seconds(
    where: torch.device, stopwatch: Stopwatch, seconds: float, watch: Watch
) -> float:
    samples = sampled(_Calls(), (torch.ones(1, device=where),), stopwatch, seconds, watch)
    return min(samples.seconds) / _CALLS


# ----------------------------------------------------------------------- JSON


def calibrations_to_json(calibrations: Iterable[Calibration]) -> str:
    """Write one calibration a line, as a JSON object with the names of the fields."""
    return "".join(
        f"{json.dumps(dataclasses.asdict(each), allow_nan=False)}\n" for each in calibrations
    )


def calibrations_from_json(text: str) -> list[Calibration]:
    """Read what `calibrations_to_json` wrote.

    Raises:
        RecordError: a line is no calibration; the sentence names the line.
    """
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                found.append(_calibration(json.loads(line)))
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise RecordError(
                    _("Line {number} is no calibration of a machine.").format(number=number)
                ) from error
    return found


def _calibration(data: Any) -> Calibration:
    peaks = tuple((str(dtype), number_above_0(rate)) for dtype, rate in data["peaks"])
    memory, launch = data.get("memory_bytes"), data.get("launch_seconds")
    return Calibration(
        environment=built_environment(data["environment"]),
        peaks=peaks,
        bytes_per_second=number_above_0(data["bytes_per_second"]),
        launch_seconds=None if launch is None else number_above_0(launch),
        memory_bytes=None if memory is None else int(memory),
    )


def recorded_calibrations() -> list[Calibration]:
    """The machines that the recorded runs are of, as far as they were calibrated."""
    text = (files("explorer") / "data" / "latency" / SHIPPED).read_text(encoding="utf-8")
    return [dataclasses.replace(each, source="recorded") for each in calibrations_from_json(text)]
