"""Two to four models side by side: totals, stages and running sums."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from explorer.analysis.compare.records import MOST, ComparedModel, Comparison, Count, Curve
from explorer.analysis.compare.scales import aligned_stages
from explorer.analysis.compare.subject import Subject, display_names, subjects
from explorer.analysis.layers import Layer
from explorer.analysis.totals import DEFAULT, Convention, totals
from explorer.errors import ExplorerError
from explorer.trace.records import Trace


def compare(models: Sequence[Trace | Subject], convention: Convention = DEFAULT) -> Comparison:
    """Return the totals, stages and running sums of two to four models.

    Args:
        models: the first is what the others are compared with.
        convention: what `cost` counts, and in which unit; for those that are traces.

    Raises:
        ExplorerError: there are fewer than two or more than four, or one has no layers.
    """
    if not 2 <= len(models) <= MOST:
        raise ExplorerError(f"A comparison takes 2 to {MOST} models, and got {len(models)}.")
    ready = subjects(models, convention)
    names = display_names([subject.trace for subject in ready])
    return Comparison(
        unit=convention.unit,
        models=_models(ready, names),
        stages=aligned_stages([subject.scales for subject in ready]),
        curves=tuple(_curve(name, each.rows) for name, each in zip(names, ready, strict=True)),
    )


def _models(ready: Sequence[Subject], names: Sequence[str]) -> tuple[ComparedModel, ...]:
    whole = [totals(subject.trace, subject.convention) for subject in ready]
    first = whole[0]
    return tuple(
        ComparedModel(
            name=name,
            input_shape=subject.trace.input_shape,
            output_shape=subject.trace.output_shape,
            params=_count(total.params, first.params),
            cost=_count(total.cost, first.cost),
            activation_bytes=_count(total.activation_bytes, first.activation_bytes),
            depth=_count(total.depth, first.depth),
            layers=_count(len(subject.rows), len(ready[0].rows)),
            lower_bound=total.lower_bound,
        )
        for name, subject, total in zip(names, ready, whole, strict=True)
    )


def _count(value: int, first: int) -> Count:
    return Count(value, value - first, value / first if first else None)


def _curve(name: str, rows: tuple[Layer, ...]) -> Curve:
    return Curve(
        name=name,
        keys=tuple(row.key for row in rows),
        position=tuple((place + 1) / len(rows) for place in range(len(rows))),
        params=tuple(accumulate(row.params for row in rows)),
        cost=tuple(accumulate(row.cost for row in rows)),
        activation_bytes=tuple(accumulate(row.activation_bytes for row in rows)),
    )
