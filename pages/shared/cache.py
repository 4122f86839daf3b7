"""The only caches: what a page shows is computed once for all sessions, and kept within bounds.

Keys are small plain values (a `Choice`, a `Convention`). Results are kept pickled, so that the
garbage collector, which Streamlit runs after every rerun, does not walk them. What the user can
cause is returned as a value: an exception would not be cached, and an impossible size would be
traced again at every rerun.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Hashable, Iterator
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
from explorer.analysis.landscape import MEASURES, Candidate, candidate, judge
from explorer.analysis.profiles import Setting
from explorer.analysis.published import REID_INPUT, ReidCounts, reid_counts
from explorer.diagram.export import scene_file, scene_html
from explorer.diagram.heat import Heat, scene_heat
from explorer.diagram.interactive import heat_data, scene_data, signature, theme_data
from explorer.diagram.scene import Scene
from explorer.diagram.views import FIRST_DIRECTION, ViewName, depths, view_scene
from explorer.errors import ExplorerError, InputSizeError, TraceError
from explorer.figures.cost import cost_bars
from explorer.figures.landscape import landscape
from explorer.figures.modules import module_map
from explorer.figures.profile import shape_profile
from explorer.figures.timeline import timeline
from explorer.models._registry import OptionValue
from explorer.sweep.survey import Survey
from explorer.trace.records import Trace, Value
from explorer.zoo import source_file
from pages.shared.choice import DEFAULT_MODEL, Choice, image_models

if TYPE_CHECKING:
    from pages.shared.landscape import View as LandscapeView
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


# -------------------------------------------------------------- the landscape


@st.cache_resource(show_spinner=False)
def survey() -> Survey:
    """The profiles of all models that any visitor has asked for."""
    return Survey()


@st.cache_data(max_entries=8, show_spinner=False)
def survey_names(sources: tuple[str, ...]) -> tuple[str, ...]:
    """Models of some sources that take one image."""
    return tuple(name for source in sources for name in image_models(source))


def is_surveyed(sources: tuple[str, ...], size: tuple[int, int] | None) -> bool:
    """Whether all models of these sources have been traced at a size."""
    return all(("survey", source, size) in _COUNTED for source in sources)


def note_surveyed(sources: tuple[str, ...], size: tuple[int, int] | None) -> None:
    """Remember that all models of these sources have been traced at a size."""
    _COUNTED.update(("survey", source, size) for source in sources)


@st.cache_data(max_entries=64, show_spinner=False)
def candidates(
    sources: tuple[str, ...], size: tuple[int, int] | None, setting: Setting
) -> tuple[Candidate, ...]:
    """All models of some sources in one setting, in their own order."""
    names = survey_names(sources)
    found = {profile.name: profile for profile in survey().profiles(names, size)}
    return tuple(candidate(found[name], setting) for name in names)


def surveyed_sources(view: LandscapeView) -> tuple[str, ...]:
    """The view's sources as far as their models have been traced."""
    return tuple(source for source in view.sources if is_surveyed((source,), view.size))


@st.cache_data(max_entries=64, show_spinner=False)
def landscape_json(view: LandscapeView, sources: tuple[str, ...], theme: Theme) -> str:
    """The chart of the landscape, as Plotly's JSON."""
    shown = candidates(sources, view.size, view.setting)
    verdict = judge(shown, view.limits)
    figure = landscape(
        verdict.left,
        verdict.reasons,
        shown,
        x=MEASURES[view.x],
        y=MEASURES[view.y],
        size=view.dots,
        color=view.color,
        marked=view.marked,
        setting=view.setting.statement(),
        theme=theme,
    )
    return str(figure.to_json())


# ---------------------------------------------------------------- the diagram


class Diagram(NamedTuple):
    """One picture of the network, and what its controls need."""

    data: dict[str, Any]
    """What the component draws."""
    signature: str
    selected: str
    """The box or frame that shows the selected layer, "" if none is selected."""
    depth: int
    """How far it is open, see `explorer.diagram.views.depths`."""
    first: int
    """The depth that it is opened to unasked."""
    depths: int
    """The greatest depth."""
    flow: str
    """Its direction, "right" or "down"."""


@st.cache_data(max_entries=256, show_spinner=False)
def _depths(choice: Choice, zoom: ViewName) -> tuple[int, int]:
    """The depth to open a picture to at first, and the greatest."""
    return depths(_trace(choice), zoom)


@st.cache_data(max_entries=64, show_spinner="Drawing")
def _scene(
    choice: Choice,
    convention: Convention,
    zoom: ViewName,
    depth: int,
    toggled: tuple[str, ...],
    horizontal: bool,
) -> tuple[Scene, dict[str, Any], str]:
    trace = _trace(choice)
    scene = view_scene(trace, zoom, depth, toggled, convention, horizontal=horizontal)
    rows = {row.key: row for row in layers(trace, None, convention)}
    data = scene_data(scene, trace, rows, convention)
    return scene, data, signature(data)


def _shown(choice: Choice, view: View) -> tuple[Scene, dict[str, Any], str]:
    """The scene that the view asks for."""
    first, most = _depths(choice, view.zoom)
    depth = min(view.depth or first, most)
    flow = view.flow or FIRST_DIRECTION[view.zoom]
    return _scene(choice, view.convention, view.zoom, depth, view.toggled, flow == "right")


def diagram(choice: Choice, view: View, theme: Theme) -> Diagram:
    """Lay out the picture that the view asks for."""
    first, most = _depths(choice, view.zoom)
    depth = min(view.depth or first, most)
    flow = view.flow or FIRST_DIRECTION[view.zoom]
    scene, data, signed = _shown(choice, view)
    found = selection(choice, view.convention, view.layer) if view.layer else None
    selected = _shown_at(scene, found.layer) if found else ""
    shown = {
        "subject": f"{choice.model} {view.zoom} {flow}",
        "scene": data,
        "theme": theme_data(theme),
        "heat": heat_data(_heat(choice, view, theme)),
        "selected": selected,
        "layer": found.layer.key if found else "",
    }
    return Diagram(shown, f"{signed} {theme}", selected, depth, first, most, flow)


def diagram_file(choice: Choice, view: View, theme: Theme, form: str) -> Callable[[], bytes]:
    """Make a file of what the diagram shows when it is asked for."""

    def content() -> bytes:
        scene, data, _ = _shown(choice, view)
        dark = theme == "dark"
        if form == "html":
            return scene_html([*_pages(choice, view, data)], dark=dark)
        return scene_file(scene, form, dark=dark, heat=_heat(choice, view, theme))

    return content


def _pages(
    choice: Choice, view: View, shown: dict[str, Any]
) -> Iterator[tuple[str, dict[str, Any], dict[str, Heat] | None]]:
    """What is shown, and the same picture at its other depths if they are not huge."""
    first, most = _depths(choice, view.zoom)
    at = min(view.depth or first, most)
    yield "as shown", shown, _both_heats(choice, view)
    for depth in range(1, most + 1):
        other = view._replace(depth=depth, toggled=())
        if depth == at and not view.toggled:
            continue
        scene, data, _ = _shown(choice, other)
        if len(scene.nodes) <= _MOST_SAVED:
            yield f"depth {depth}", data, _both_heats(choice, other)


_THEMES: tuple[Theme, ...] = ("light", "dark")
_MOST_SAVED = 1500
"""Boxes of another depth that an HTML file still carries along."""


def _both_heats(choice: Choice, view: View) -> dict[str, Heat] | None:
    if view.heat == "kind":
        return None
    return {theme: found for theme in _THEMES if (found := _heat(choice, view, theme))}


@st.cache_data(max_entries=128, show_spinner=False)
def _heat_of(
    choice: Choice,
    convention: Convention,
    zoom: ViewName,
    depth: int,
    toggled: tuple[str, ...],
    measure: str,
    device: str,
    theme: Theme,
) -> Heat:
    scene, _, _ = _scene(choice, convention, zoom, depth, toggled, horizontal=True)
    return scene_heat(scene, _trace(choice), measure, theme, convention, device)


def _heat(choice: Choice, view: View, theme: Theme) -> Heat | None:
    """The colours by a quantity that the view asks for; those do not depend on the direction."""
    if view.heat == "kind":
        return None
    first, most = _depths(choice, view.zoom)
    depth = min(view.depth or first, most)
    return _heat_of(
        choice, view.convention, view.zoom, depth, view.toggled, view.heat, view.device, theme
    )


def _shown_at(scene: Scene, layer: Layer) -> str:
    """The box that a layer is or is in; for a module or block that is open, its frame."""
    for node in scene.nodes:
        if layer.key == node.selects and layer.first_op in node.ops:
            return node.key
    for group in scene.groups:
        if group.key == layer.key:
            return group.key
    if layer.last_op - layer.first_op > 1:
        inside = set(range(layer.first_op, layer.last_op))
        for group in scene.groups:
            if group.ops and len(inside.intersection(group.ops)) >= len(group.ops) // group.times:
                return group.key
    ops = range(layer.first_op, max(layer.last_op, layer.first_op + 1))
    return next((n.key for op in ops for n in scene.nodes if op in n.ops), "")


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
