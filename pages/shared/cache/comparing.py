"""Models side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
import streamlit as st

from explorer.analysis import Convention
from explorer.analysis.compare import Comparison, Subject, compare, diff, display_names
from explorer.analysis.diff_table import diff_frame
from explorer.analysis.layers import Layer
from explorer.analysis.memory import inference_peaks, weight_bytes
from explorer.analysis.roofline import get_device, predict
from explorer.analysis.summary import summary
from explorer.figures.comparison import cumulative_curves, stage_bars
from explorer.trace.records import Trace
from pages.shared.cache.keep import keep
from pages.shared.cache.traces import Theme, trace_of
from pages.shared.choice import Choice, option_text
from pages.shared.text import N_, _


class SideBySide(NamedTuple):
    """Several traced models, and what each differs from the first in."""

    comparison: Comparison
    summaries: tuple[tuple[str, ...], ...]
    """Sentences for each model but the first."""


class Difference(NamedTuple):
    """Two models aligned layer by layer."""

    names: tuple[str, str]
    frame: pd.DataFrame
    """See `explorer.analysis.diff_table`; the index is the row's place."""
    keys: tuple[tuple[str, ...], tuple[str, ...]]
    """For each row its key in each model's own table, where an attention module is one row; ""
    where that model has none."""


class Footprint(NamedTuple):
    """What a forward pass needs of a device; nothing here was measured."""

    milliseconds: float
    peak_bytes: int
    """Of activations."""
    weight_bytes: int
    macs: int


def _names(choices: tuple[Choice, ...], traces: list[Trace]) -> tuple[str, ...]:
    """The models' names, with their options where they have any."""
    names = display_names(traces)
    if not any(choice.options for choice in choices):
        return names
    told = [_name(choice, sized=len({c.input_shape for c in choices}) > 1) for choice in choices]
    return tuple(told) if len(set(told)) == len(told) else names


def _name(choice: Choice, *, sized: bool) -> str:
    options = ", ".join(f"{name}={option_text(value)}" for name, value in choice.options)
    name = f"{choice.model} ({options})" if options else choice.model
    if not sized:
        return name
    return _("{model} at {size}").format(
        model=name, size=" × ".join(map(str, choice.input_shape[2:]))
    )


@keep(64, N_("Comparing"))
def side_by_side(choices: tuple[Choice, ...], convention: Convention) -> SideBySide:
    """Compare models that can be traced; the first is what the others are compared with."""
    ready = [Subject(trace_of(choice), convention) for choice in choices]
    found = compare(ready)
    names = _names(choices, [each.trace for each in ready])
    models = (m._replace(name=name) for m, name in zip(found.models, names, strict=True))
    curves = (c._replace(name=name) for c, name in zip(found.curves, names, strict=True))
    return SideBySide(
        found._replace(models=tuple(models), curves=tuple(curves)),
        tuple(
            tuple(summary(diff(ready[0], other), (names[0], name)))
            for other, name in zip(ready[1:], names[1:], strict=True)
        ),
    )


@keep(64, N_("Aligning"))
def difference(left: Choice, right: Choice, convention: Convention) -> Difference:
    """Align two models layer by layer."""
    ready = [Subject(trace_of(choice), convention) for choice in (left, right)]
    first, second = _names((left, right), [each.trace for each in ready])
    found = diff(ready[0], ready[1])
    keys = (
        _keys(ready[0], [row.left for row in found.rows]),
        _keys(ready[1], [row.right for row in found.rows]),
    )
    return Difference((first, second), diff_frame(found), keys)


def _keys(subject: Subject, rows: Sequence[Layer | None]) -> tuple[str, ...]:
    known = {row.key for row in subject.rows}
    return tuple(
        "" if row is None or row.call < 0 else row.key if row.key in known else row.path
        for row in rows
    )


@st.cache_data(max_entries=512, show_spinner=False)
def footprint(choice: Choice, device: str) -> Footprint:
    """Predict time and memory of one forward pass in float32."""
    trace = trace_of(choice)
    (lines,) = inference_peaks(trace, ["float32"])
    weights = weight_bytes(trace, "float32")
    return Footprint(
        milliseconds=predict(trace, get_device(device)).ms,
        peak_bytes=max(map(sum, lines)) - weights,
        weight_bytes=weights,
        macs=trace.macs,
    )


@keep(64, N_("Drawing"))
def comparison_json(
    choices: tuple[Choice, ...], convention: Convention, figure: str, measure: str, theme: Theme
) -> str:
    """Bars of stages ("stages") or running sums ("curves"), as Plotly's JSON."""
    found = side_by_side(choices, convention).comparison
    draw = stage_bars if figure == "stages" else cumulative_curves
    return str(draw(found, measure=measure, theme=theme).to_json())
