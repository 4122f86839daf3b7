"""The only caches: what a page shows is computed once for all sessions, and kept within bounds.

Keys are small plain values (a `Choice`, a `Convention`). Results are kept pickled, so that the
garbage collector, which Streamlit runs after every rerun, does not walk them. What the user can
cause is returned as a value: an exception would not be cached, and an impossible size would be
traced again at every rerun.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pandas as pd
import streamlit as st

from explorer import get_spec, trace_model
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
from explorer.analysis.catalogue import Entry, entry
from explorer.analysis.published import REID_INPUT, ReidCounts, reid_counts
from explorer.blocks import Block, find_blocks, fold_blocks, outermost
from explorer.diagram.block_svg import block_svg
from explorer.diagram.graph import default_depth, graph_scene, openable, opened_to
from explorer.diagram.graph_svg import graph_svg
from explorer.diagram.interactive import (
    heat,
    scene_data,
    signature,
    theme_data,
)
from explorer.diagram.scene import Scene
from explorer.errors import ExplorerError, InputSizeError, TraceError
from explorer.figures.cost import cost_bars
from explorer.figures.modules import module_map
from explorer.figures.profile import shape_profile
from explorer.figures.timeline import timeline
from explorer.models._registry import OptionValue
from explorer.trace.records import Trace, Value
from explorer.zoo import source_file
from pages.shared.choice import DEFAULT_MODEL, Choice

if TYPE_CHECKING:
    from pages.shared.view import View

Shape = tuple[int, ...]
Theme = Literal["light", "dark"]
TableFormat = Literal["csv", "md", "json"]
Figure = Literal["cost", "profile", "map", "params"]


@st.cache_resource(show_spinner=False)
def warm_up() -> None:
    """Do everything once, then take all that is loaded out of the garbage collector's sight.

    Streamlit collects garbage after each rerun. With torch imported a collection walks for a
    quarter of a second; after this it takes milliseconds. The first trace, table and figure
    are made here because they import some eight hundred modules more.
    """
    trace = trace_model(DEFAULT_MODEL, get_spec(DEFAULT_MODEL).input_shape)
    cost_bars(layers(trace)).to_json()
    layers_frame(trace)
    gc.collect()
    gc.freeze()


# -------------------------------------------------------------------- the trace


class Failure(NamedTuple):
    """Why a choice has no complete trace, in one sentence, and what is known besides."""

    sentence: str
    partial: bool
    """Whether the layers before the failing one were recorded."""
    layer: str = ""
    """Path of the module in which the forward pass failed."""
    suggested_shape: Shape | None = None


@st.cache_data(max_entries=64, show_spinner="Tracing one forward pass")
def _traced(choice: Choice) -> tuple[Trace | None, Failure | None]:
    try:
        trace = trace_model(
            choice.model, choice.input_shape, mode=choice.mode, options=choice.build_options
        )
    except TraceError as error:
        suggested = error.suggested_shape if isinstance(error, InputSizeError) else None
        has_rows = error.partial is not None and bool(layers(error.partial))
        return error.partial, Failure(str(error), has_rows, error.layer, suggested)
    except ExplorerError as error:
        return None, Failure(str(error), partial=False)
    return trace, None


def _trace(choice: Choice) -> Trace:
    """The trace, partial if the choice does not work. Only where `failure` left one."""
    trace, _ = _traced(choice)
    if trace is None:
        raise LookupError(f"{choice} left no trace")
    return trace


@st.cache_data(max_entries=256, show_spinner=False)
def failure(choice: Choice) -> Failure | None:
    """Trace the choice, and say what stood in the way if anything did."""
    return _traced(choice)[1]


# -------------------------------------------------------------- what it says


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


@st.cache_data(max_entries=256, show_spinner=False)
def overview(choice: Choice, convention: Convention) -> Overview:
    """Sum up the traced model."""
    trace = _trace(choice)
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


@st.cache_data(max_entries=64, show_spinner=False)
def layer_table(choice: Choice, convention: Convention, level: int | None) -> pd.DataFrame:
    """The layer table, folded below `level`."""
    return layers_frame(_trace(choice), level, convention)


class Selection(NamedTuple):
    """The selected layer or module, with its worked formulas."""

    layer: Layer
    receipt: Receipt
    is_module: bool
    """Several layers, shown as one row."""
    stage: int | None
    """Position among `model_stages` of the stage that the layer's first op is in."""


@st.cache_data(max_entries=512, show_spinner=False)
def selection(choice: Choice, convention: Convention, key: str) -> Selection | None:
    """What a key stands for; None if this trace has no such layer."""
    trace = _trace(choice)
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


@st.cache_data(max_entries=512, show_spinner=False)
def row_of(choice: Choice, convention: Convention, level: int | None, key: str) -> str | None:
    """Key of the row that shows a layer when the table is folded below `level`."""
    trace = _trace(choice)
    found = locate(trace, layers(trace, level, convention), key)
    return found.key if found else None


def download(
    choice: Choice, convention: Convention, level: int | None, form: TableFormat
) -> Callable[[], str]:
    """Make the layer table's text when it is asked for."""

    def text() -> str:
        if form == "json":
            return to_json(_trace(choice), level, convention)
        frame = layer_table(choice, convention, level)
        return to_csv(frame) if form == "csv" else to_markdown(frame)

    return text


@st.cache_data(max_entries=64, show_spinner="Drawing")
def figure_json(
    choice: Choice, convention: Convention, figure: Figure, theme: Theme, selected: str
) -> str:
    """One chart, as Plotly's JSON."""
    rows = layers(_trace(choice), None, convention)
    if figure == "profile":
        drawn = shape_profile(rows, theme=theme, selected=selected)
    elif figure == "cost":
        drawn = cost_bars(rows, unit=convention.unit, theme=theme, selected=selected)
    elif figure == "map":
        drawn = module_map(rows, measure="cost", name=convention.unit, theme=theme)
    else:
        drawn = module_map(rows, measure="params", name="Parameters", theme=theme)
    return str(drawn.to_json())


# ----------------------------------------------------------------- the blocks


class BlockRow(NamedTuple):
    """One block of the network, or several equal neighbours that are drawn once."""

    key: str
    """What selecting it selects: its module or, if that holds more, the row of its join."""
    path: str
    kind: str
    what: str
    """Its kind with what varies: "residual, projection"."""
    times: int


@st.cache_data(max_entries=128, show_spinner=False)
def blocks(choice: Choice) -> tuple[BlockRow, ...]:
    """The outermost blocks in execution order, equal neighbours folded."""
    trace = _trace(choice)
    drawn = _drawn_blocks(trace)
    paths = Counter(members[0].path for members in drawn)
    rows = layers(trace)
    found = []
    for block, *others in drawn:
        join = next(row.key for row in rows if row.first_op <= block.join < row.last_op)
        key = block.path if block.path and paths[block.path] == 1 else join
        found.append(BlockRow(key, block.path, block.kind, _what(block), 1 + len(others)))
    return tuple(found)


def _what(block: Block) -> str:
    if block.shortcut:
        return f"{block.kind}, {block.shortcut}"
    if block.kind in ("dense", "branches"):
        parts = "layers" if block.kind == "dense" else "paths"
        return f"{block.kind}, {len(block.branches)} {parts}"
    return block.kind


@st.cache_data(max_entries=512, show_spinner=False)
def block_around(choice: Choice, convention: Convention, key: str) -> int | None:
    """Position among `blocks` of the first one that a layer or module has a part in."""
    found = selection(choice, convention, key)
    if found is None:
        return None
    wanted = set(range(found.layer.first_op, found.layer.last_op))
    drawn = _drawn_blocks(_trace(choice))
    return next(
        (
            position
            for position, members in enumerate(drawn)
            if any(
                wanted.intersection((*block.main, *block.shortcut_ops, *block.merges, *block.after))
                for block in members
            )
        ),
        None,
    )


@st.cache_data(max_entries=64, show_spinner=False)
def block_picture(choice: Choice, position: int, theme: Theme) -> str:
    """Draw one of `blocks` as SVG."""
    trace = _trace(choice)
    block, *others = _drawn_blocks(trace)[position]
    return block_svg(trace, block, dark=theme == "dark", repeats=1 + len(others))


def _drawn_blocks(trace: Trace) -> list[tuple[Block, ...]]:
    """Each block that is drawn, with the equal neighbours that it stands for."""
    outer = outermost(find_blocks(trace))
    drawn: list[tuple[Block, ...]] = []
    start = 0
    for part in fold_blocks(outer):
        period = len(part.blocks)
        end = start + period * part.times
        drawn += [outer[start + place : end : period] for place in range(period)]
        start = end
    return drawn


# --------------------------------------------------------------- the catalogue

_COUNTED: set[Hashable] = set()
"""What has been counted in the life of this server, so that pages can show progress."""


def is_counted(name: str, size: tuple[int, int] | None) -> bool:
    """Whether `catalogue_entry` will answer at once."""
    return ("entry", name, size) in _COUNTED


@st.cache_data(max_entries=2048, show_spinner=False)
def catalogue_entry(name: str, size: tuple[int, int] | None) -> Entry:
    """One architecture at one size; each is traced once for all visitors."""
    found = entry(name, size)
    _COUNTED.add(("entry", name, size))
    return found


@st.cache_data(max_entries=32, show_spinner="Drawing")
def timeline_json(
    names: tuple[str, ...], size: tuple[int, int] | None, measure: str, theme: Theme
) -> str:
    """The catalogue's timeline, as Plotly's JSON."""
    shown = [catalogue_entry(name, size) for name in names]
    return str(timeline(shown, measure=measure, theme=theme).to_json())


def is_published_counted(
    name: str, shape: Shape, options: tuple[tuple[str, OptionValue], ...]
) -> bool:
    """Whether `published_counts` will answer at once."""
    return (name, shape, options) in _COUNTED


@st.cache_data(max_entries=512, show_spinner=False)
def published_counts(
    name: str, shape: Shape, options: tuple[tuple[str, OptionValue], ...]
) -> tuple[int, int]:
    """Parameters and MACs of a published row's model."""
    trace = trace_model(name, shape, options=dict(options))
    _COUNTED.add((name, shape, options))
    return trace.params, trace.macs


def is_reid_counted(name: str) -> bool:
    """Whether `reid_row_counts` will answer at once."""
    return ("reid", name) in _COUNTED


@st.cache_data(max_entries=128, show_spinner=False)
def reid_row_counts(name: str) -> ReidCounts:
    """Counts of a model of the re-identification table, without its classifier."""
    found = reid_counts(trace_model(name, REID_INPUT))
    _COUNTED.add(("reid", name))
    return found


# ---------------------------------------------------------------- the diagram


class Graph(NamedTuple):
    """The network as boxes and lines, and what its controls need."""

    data: dict[str, Any]
    """What the component draws."""
    signature: str
    selected: str
    """The box or open module that shows the selected layer, "" if none is selected."""
    depth: int
    """Modules above this depth are open."""
    first: int
    """The depth that the network is opened to unasked."""
    depths: int
    """The depth at which all are."""


@st.cache_data(max_entries=256, show_spinner=False)
def _depths(choice: Choice) -> tuple[int, int]:
    """The depth to open a network to at first, and that at which all modules are open."""
    trace = _trace(choice)
    keys = openable(trace)
    return default_depth(trace), 1 + max((key.count(".") + 1 for key in keys if key), default=0)


@st.cache_data(max_entries=64, show_spinner="Drawing")
def _graph(
    choice: Choice, convention: Convention, depth: int, toggled: tuple[str, ...], horizontal: bool
) -> tuple[Scene, dict[str, Any], str]:
    trace = _trace(choice)
    opened = set(opened_to(trace, depth)) ^ (set(toggled) & set(openable(trace)))
    scene = graph_scene(trace, opened, convention, horizontal=horizontal)
    rows = {row.key: row for row in layers(trace, None, convention)}
    data = scene_data(scene, trace, rows, convention)
    return scene, data, signature(data)


def graph(choice: Choice, view: View, theme: Theme) -> Graph:
    """Lay out the network with the modules open that the view says."""
    first, most = _depths(choice)
    depth = min(view.depth or first, most)
    scene, data, signed = _graph(choice, view.convention, depth, view.toggled, view.flow == "right")
    found = selection(choice, view.convention, view.layer) if view.layer else None
    selected = _shown_at(scene, found.layer) if found else ""
    shown = {
        "subject": f"{choice.model} {view.flow}",
        "scene": data,
        "theme": theme_data(theme),
        "heat": None if view.heat == "kind" else heat(scene, view.heat, theme),
        "selected": selected,
    }
    return Graph(shown, f"{signed} {theme}", selected, depth, first, most)


def graph_picture(choice: Choice, view: View, theme: Theme) -> Callable[[], str]:
    """Make the SVG of what the diagram shows when it is asked for."""

    def text() -> str:
        first, most = _depths(choice)
        depth = min(view.depth or first, most)
        scene, _, _ = _graph(choice, view.convention, depth, view.toggled, view.flow == "right")
        colors = None if view.heat == "kind" else heat(scene, view.heat, theme)
        return graph_svg(scene, dark=theme == "dark", heat=colors)

    return text


def _shown_at(scene: Scene, layer: Layer) -> str:
    """The box that a layer is or is in; for a module that is open, its frame."""
    for node in scene.nodes:
        if layer.key == node.selects and node.first_op <= layer.first_op < node.last_op:
            return node.key
    for group in scene.groups:
        if group.key == layer.key:
            return group.key
    inside = (n for n in scene.nodes if n.first_op <= layer.first_op < n.last_op)
    return next((node.key for node in inside), "")


# ----------------------------------------------------------------- the source


class Source(NamedTuple):
    """The file that a model is built from."""

    path: str
    """From the project's root, or from the library's."""
    text: str


@st.cache_data(max_entries=128, show_spinner=False)
def source(model: str) -> Source:
    """Read the file that defines a model."""
    file = source_file(model)
    return Source(file.label, file.text)
