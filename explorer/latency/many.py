"""Several forward passes measured one after the other, what is too large refused beforehand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from explorer.errors import ExplorerError
from explorer.latency.device import resolve_device
from explorer.latency.measure import measure_latency
from explorer.latency.records import LatencyRecord, Progress
from explorer.latency.runs import Cancel
from explorer.models._registry import OptionValue
from explorer.text import _

LONGEST_SECONDS = 2.0
"""Most that one pass may be expected to take; each is run at least five times."""
_MACS_A_SECOND = {"cpu": 20e9, "cuda": 1e12, "mps": 200e9}
"""What a small machine of a kind reaches, before anything was measured on this one."""
_RUNS, _SECONDS = 20, 2 * LONGEST_SECONDS
"""Of each pass: at most so many timed runs, and seconds for all of them."""


class Work(NamedTuple):
    """One forward pass to measure; small, hashable, of plain values."""

    title: str
    """What it is called in sentences."""
    model: str
    input_shape: tuple[int, ...]
    """With the batch."""
    options: tuple[tuple[str, OptionValue], ...]
    macs: int
    """Of the whole pass."""


class Step(NamedTuple):
    """Where several measurements stand."""

    done: int
    total: int
    work: Work
    """The one at hand."""
    progress: Progress


def measure_all(
    works: Sequence[Work],
    *,
    device: str = "auto",
    dtype: str = "float32",
    cancel: Cancel | None = None,
    progress: Callable[[Step], None] | None = None,
) -> Iterator[tuple[Work, LatencyRecord | str]]:
    """Measure passes from the smallest to the largest, and yield each as soon as it is done.

    Args:
        works: the passes.
        device: as `measure_latency` takes it.
        dtype: likewise.
        cancel: set it from another thread to stop; what is done has been yielded.
        progress: told of every pass and every run.

    Yields:
        A pass with its record, or with a sentence that says why it is not measured: expected to
        take longer than `LONGEST_SECONDS`, or too large for the memory.

    Raises:
        MeasurementError: there is no such device.
    """
    kind = resolve_device(device).type
    rates: dict[str, float] = {}
    for done, work in enumerate(sorted(works, key=lambda each: each.macs)):
        if cancel is not None and cancel.is_set():
            return
        seconds = work.macs / rates.get(work.model, _MACS_A_SECOND[kind])
        if seconds > LONGEST_SECONDS:
            yield work, _too_long(work, seconds, kind, known=work.model in rates)
            continue

        def report(now: Progress, done: int = done, work: Work = work) -> None:
            if progress is not None:
                progress(Step(done, len(works), work, now))

        try:
            record = measure_latency(
                work.model, work.input_shape, options=dict(work.options), device=device,
                dtype=dtype, runs=_RUNS, max_seconds=_SECONDS, cancel=cancel, progress=report,
            )  # fmt: skip
        except ExplorerError as error:
            if cancel is not None and cancel.is_set():
                return
            yield work, str(error)
            continue
        # A small pass is mostly launches: it says little of how fast a large one is.
        least = _MACS_A_SECOND[kind] / 4
        rates[work.model] = max(1e3 * work.macs / record.median_ms, least)
        yield work, record


def _too_long(work: Work, seconds: float, kind: str, *, known: bool) -> str:
    """Why a pass is not measured, and what the expectation is taken from."""
    text = (
        _(
            "{title} is not measured: its {gmacs:,.1f} billion MACs would take about "
            "{seconds:,.1f} s a pass, as expected from the passes of it that were measured, "
            "and passes of up to {longest:g} s are measured here."
        )
        if known
        else _(
            "{title} is not measured: its {gmacs:,.1f} billion MACs would take about "
            "{seconds:,.1f} s a pass, as expected on a {kind}, "
            "and passes of up to {longest:g} s are measured here."
        )
    )
    return text.format(
        title=work.title,
        gmacs=work.macs / 1e9,
        seconds=seconds,
        kind=kind.upper(),
        longest=LONGEST_SECONDS,
    )
