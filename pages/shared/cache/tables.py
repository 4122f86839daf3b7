"""What a trace says: totals, layers, a selected layer with its formulas, charts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, NamedTuple

import pandas as pd

from explorer.analysis import (
    Convention,
    Layer,
    Receipt,
    Stage,
    Totals,
    layers,
    layers_frame,
    locate,
    receipt,
    stages,
    to_csv,
    to_json,
    to_markdown,
    totals,
)
from explorer.figures.cost import cost_bars
from explorer.figures.modules import module_map
from explorer.figures.profile import shape_profile
from explorer.trace.records import Trace, Value
from pages.shared.cache.keep import keep
from pages.shared.cache.traces import Theme, trace_of
from pages.shared.choice import Choice
from pages.shared.text import N_

TableFormat = Literal["csv", "md", "json"]
Figure = Literal["cost", "profile", "map", "params"]


class Overview(NamedTuple):
    """The traced model as a whole: what stands at the head of a page and what its controls need."""

    totals: Totals
    statement: str
    """What the totals count, in one or two sentences."""
    stages: tuple[Stage, ...]
    """The network by spatial resolution; of a partial trace, as far as it goes."""
    levels: int
    """Depth of the module tree: 1 if no module is inside another."""
    kinds: tuple[str, ...]
    """Kinds of the layers, in order of appearance."""
    most_expensive: str
    """Key of the layer with the most MACs; of the first layer if none has any."""


@keep(256)
def overview(choice: Choice, convention: Convention) -> Overview:
    """Sum up the traced model."""
    trace = trace_of(choice)
    rows = layers(trace, None, convention)
    top = max(rows, key=lambda row: row.cost, default=None)
    return Overview(
        totals=totals(trace, convention),
        statement=convention.statement(trace),
        stages=stages(_with_output(trace), convention),
        levels=max((row.depth for row in rows), default=1),
        kinds=tuple(dict.fromkeys(row.kind for row in rows)),
        most_expensive=top.key if top else "",
    )


def _with_output(trace: Trace) -> Trace:
    """Take a partial trace's last value for its output, so that it has a main path."""
    if trace.outputs or not trace.ops:
        return trace
    return replace(trace, outputs=(Value(len(trace.ops) - 1, 0),))


@keep(64)
def layer_table(choice: Choice, convention: Convention, level: int | None) -> pd.DataFrame:
    """The layer table, folded below `level`."""
    return layers_frame(trace_of(choice), level, convention)


class Selection(NamedTuple):
    """The selected layer or module, with its worked formulas."""

    layer: Layer
    receipt: Receipt
    is_module: bool
    """Several layers, shown as one row."""
    stage: int | None
    """Position among `model_stages` of the stage that the layer's first op is in."""


@keep(512)
def selection(choice: Choice, convention: Convention, key: str) -> Selection | None:
    """What a key stands for; None if this trace has no such layer."""
    trace = trace_of(choice)
    rows = layers(trace, None, convention)
    layer = next((row for row in rows if row.key == key), None)
    is_module = layer is None
    if is_module:
        folded = layers(trace, key.count(".") + 1, convention)
        layer = next((row for row in folded if row.key == key), None)
    if layer is None:
        return None
    return Selection(
        layer,
        receipt(trace, layer, convention),
        is_module,
        _stage_of(layer, rows, overview(choice, convention).stages),
    )


def _stage_of(layer: Layer, rows: tuple[Layer, ...], all_stages: tuple[Stage, ...]) -> int | None:
    starts = {row.key: row.first_op for row in rows}
    return next(
        (
            position
            for position, stage in reversed(list(enumerate(all_stages)))
            if starts[stage.first_key] <= layer.first_op
        ),
        None,
    )


@keep(512)
def row_of(choice: Choice, convention: Convention, level: int | None, key: str) -> str | None:
    """Key of the row that shows a layer when the table is folded below `level`."""
    trace = trace_of(choice)
    found = locate(trace, layers(trace, level, convention), key)
    return found.key if found else None


def download(
    choice: Choice, convention: Convention, level: int | None, form: TableFormat
) -> Callable[[], str]:
    """Make the layer table's text when it is asked for."""

    def text() -> str:
        if form == "json":
            return to_json(trace_of(choice), level, convention)
        frame = layer_table(choice, convention, level)
        return to_csv(frame) if form == "csv" else to_markdown(frame)

    return text


@keep(64, N_("Drawing"))
def figure_json(
    choice: Choice, convention: Convention, figure: Figure, theme: Theme, selected: str
) -> str:
    """One chart, as Plotly's JSON."""
    rows = layers(trace_of(choice), None, convention)
    if figure == "profile":
        drawn = shape_profile(rows, theme=theme, selected=selected)
    elif figure == "cost":
        drawn = cost_bars(rows, unit=convention.unit, theme=theme, selected=selected)
    elif figure == "map":
        drawn = module_map(rows, measure="cost", name=convention.unit, theme=theme)
    else:
        drawn = module_map(rows, measure="params", name="Parameters", theme=theme)
    return str(drawn.to_json())
