"""What the lessons on receptive fields and feature maps show, from the traces."""

from __future__ import annotations

from typing import Final, NamedTuple

import streamlit as st

from explorer import get_spec, trace_model
from explorer.analysis.layers import layers
from explorer.analysis.receptive_field import (
    Field,
    last_local,
    path,
    receptive_fields,
    result_op,
)
from explorer.analysis.stages import stages
from explorer.dataflow import Dataflow
from explorer.lessons.taps import Tap, tap_of
from explorer.trace.records import Trace
from pages.shared.cache.keep import keep
from pages.shared.cache.traces import trace_of
from pages.shared.choice import Choice, native_choice

Shape = tuple[int, ...]


class LayerField(NamedTuple):
    """One layer, and what its cells see."""

    key: str
    label: str
    kind: str
    stage: str
    shape: Shape
    op: int
    field: Field


class PathStep(NamedTuple):
    """One layer of the path that makes a field as large as it is."""

    key: str
    kind: str
    kernel: int | None
    dilation: int
    size: int
    size_before: int
    stride: float
    stride_before: float
    whole: bool
    is_formula: bool


_SUMMARIZED: Final[set[str]] = set()
"""What has been asked for in the life of this server, so that the page can show progress."""


class Summary(NamedTuple):
    """The last features of one architecture at its own input size."""

    name: str
    title: str
    family: str
    year: int
    side: int
    layer: str
    """Key of the layer; "" if there is none."""
    size: int | None
    """Rows of its window; None where it is not defined."""
    stride: float
    cells: int
    undefined: str
    whole_from: str
    """Key of the first layer whose cells see everything, gates counted; "" if none does."""


def plain(choice: Choice) -> Choice:
    """The same choice for one picture, in evaluation mode."""
    return choice._replace(input_shape=(1, *choice.input_shape[1:]), mode="eval")


@st.cache_data(max_entries=64, show_spinner=False)
def _fields(choice: Choice, gates: bool) -> tuple[Field | None, ...]:
    return receptive_fields(trace_of(choice), gates=gates)


@keep(64)
def layer_fields(choice: Choice, gates: bool) -> tuple[LayerField, ...]:
    """The layers whose results depend on the picture, in execution order."""
    trace, fields = trace_of(choice), _fields(choice, gates)
    parts = stages(trace)
    found = []
    for row in layers(trace):
        op = result_op(trace, row)
        field = fields[op] if op >= 0 else None
        if field is None:
            continue
        names = [each.name for each in parts if each.first_op <= row.first_op < each.last_op]
        found.append(
            LayerField(
                row.key, row.label, row.kind, names[0] if names else "",
                trace.ops[op].outputs[0].shape, op, field,
            )
        )  # fmt: skip
    return tuple(found)


@st.cache_data(max_entries=256, show_spinner=False)
def last_features(choice: Choice, gates: bool) -> str:
    """Key of the last layer whose cells have places of their own; of the first if none has."""
    return _last(trace_of(choice), _fields(choice, gates))


def _last(trace: Trace, fields: tuple[Field | None, ...]) -> str:
    op = last_local(trace, fields)
    keys = [(row.first_op, row.last_op, row.key) for row in layers(trace)]
    return next((key for first, last, key in keys if first <= op < last), "")


@st.cache_data(max_entries=256, show_spinner=False)
def first_shown(choice: Choice) -> str:
    """Key of the layer that a visitor sees first: its window is clearly inside the picture.

    It is the last one that everything passes and whose window is at most half as high.
    """
    trace, fields = trace_of(choice), _fields(choice, False)
    trunk = set(Dataflow(trace).trunk())
    side = choice.input_shape[2]
    found = ""
    for row in layers(trace):
        op = result_op(trace, row)
        field = fields[op] if op in trunk else None
        rows = field.rows if field else None
        if rows and not rows.whole and 1 < rows.size <= side / 2 and rows.cells > 1:
            found = row.key
    return found or last_features(choice, False)


@st.cache_data(max_entries=256, show_spinner=False)
def whole_from(choice: Choice) -> str:
    """Key of the first layer whose cells see everything, gates counted; "" if none does."""
    return _whole_from(trace_of(choice), _fields(choice, gates=True))


def _whole_from(trace: Trace, fields: tuple[Field | None, ...]) -> str:
    for row in layers(trace):
        op = result_op(trace, row)
        field = fields[op] if op >= 0 else None
        if field is not None and (field.whole or _covers(field)):
            return row.key
    return ""


def _covers(field: Field) -> bool:
    """Whether a map has one cell only, whose window is all of the picture."""
    spans = [span for span in (field.rows, field.columns) if span]
    return len(spans) == 2 and all(
        span.cells == 1 and span.seen(0) == span.bounds for span in spans
    )


@st.cache_data(max_entries=512, show_spinner=False)
def steps(choice: Choice, gates: bool, op: int) -> tuple[PathStep, ...]:
    """The layers of the path that makes the field of an op as large as it is."""
    trace = trace_of(choice)
    keys = [(row.first_op, row.last_op, row.key, row.kind) for row in layers(trace)]
    found = []
    for step in path(trace, _fields(choice, gates), op):
        key, kind = next(
            ((key, kind) for first, last, key, kind in keys if first <= step.op < last), ("", "")
        )
        found.append(
            PathStep(
                key, kind, step.kernel, step.dilation, step.size, step.size_before, step.stride,
                step.stride_before, step.whole, step.is_formula,
            )
        )  # fmt: skip
    return tuple(found)


@st.cache_data(max_entries=512, show_spinner=False)
def tap(choice: Choice, op: int) -> Tap | None:
    """Where a real model gives the result of an op."""
    return tap_of(trace_of(choice), op)


@st.cache_data(max_entries=64, show_spinner=False)
def with_maps(choice: Choice) -> tuple[str, ...]:
    """Keys of the layers whose result can be taken from a real model and shown as maps."""
    trace = trace_of(choice)
    found = []
    for row in layer_fields(choice, gates=False):
        is_map = row.field.layout is not None or (row.field.undefined and len(row.shape) == 4)
        if row.shape[0] == 1 and (is_map or len(row.shape) == 2) and tap_of(trace, row.op):
            found.append(row.key)
    return tuple(found)


@st.cache_data(max_entries=256, show_spinner=False)
def summary(name: str) -> Summary:
    """The last features of an architecture at its own input size."""
    choice = native_choice(name)
    # Kept nowhere: so many traces would crowd out those that visitors look at.
    trace = trace_model(name, choice.input_shape)
    along, strict = receptive_fields(trace, gates=False), receptive_fields(trace)
    op, spec = last_local(trace, along), get_spec(name)
    field = along[op] if op >= 0 else None
    rows = field.rows if field else None
    _SUMMARIZED.add(name)
    return Summary(
        name=name,
        title=spec.title,
        family=spec.family,
        year=spec.year,
        side=choice.input_shape[2],
        layer=_last(trace, along),
        size=rows.size if rows else None,
        stride=rows.stride if rows else 0,
        cells=rows.cells if rows else 0,
        undefined=field.undefined if field else "",
        whole_from=_whole_from(trace, strict),
    )


def is_summarized(name: str) -> bool:
    """Whether `summary` will answer at once."""
    return name in _SUMMARIZED
