"""The only caches: what a page shows is computed once for all sessions, and kept within bounds.

Keys are small plain values (a `Choice`, a `Convention`). Results are kept pickled, so that the
garbage collector, which Streamlit runs after every rerun, does not walk them. What the user can
cause is returned as a value: an exception would not be cached, and an impossible size would be
traced again at every rerun.
"""

from __future__ import annotations

import gc
import pickle
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import pandas as pd
import streamlit as st

from explorer import get_spec, trace_model
from explorer.analysis import (
    Convention,
    InferenceMemory,
    LargestBatch,
    Layer,
    Receipt,
    Stage,
    Totals,
    TrainingMemory,
    inference_memory,
    largest_batch,
    layers,
    layers_frame,
    locate,
    precisions,
    receipt,
    stages,
    to_csv,
    to_json,
    to_markdown,
    totals,
    training_memory,
)
from explorer.analysis.catalogue import Entry, entry
from explorer.analysis.compare import Comparison, compare, diff, display_names
from explorer.analysis.diff_table import diff_frame
from explorer.analysis.landscape import MEASURES, Candidate, candidate, judge
from explorer.analysis.memory import Precision
from explorer.analysis.profiles import Setting
from explorer.analysis.published import REID_INPUT, ReidCounts, reid_counts
from explorer.analysis.roofline import Bottlenecks, Prediction, bottlenecks, get_device, predict
from explorer.analysis.summary import summary
from explorer.analysis.time_receipt import TimeReceipt, time_receipt
from explorer.diagram.export import scene_file, scene_html
from explorer.diagram.heat import Heat, scene_heat
from explorer.diagram.interactive import heat_data, scene_data, signature, theme_data
from explorer.diagram.scene import Scene
from explorer.diagram.views import FIRST_DIRECTION, ViewName, depths, view_scene
from explorer.errors import ExplorerError, InputSizeError, TraceError
from explorer.figures.comparison import cumulative_curves, stage_bars
from explorer.figures.cost import cost_bars
from explorer.figures.landscape import landscape
from explorer.figures.memory import memory_timeline, training_bars
from explorer.figures.modules import module_map
from explorer.figures.profile import shape_profile
from explorer.figures.roofline import roofline, time_bars
from explorer.figures.sweep import sweep_curves
from explorer.figures.timeline import timeline
from explorer.latency import LatencyRecord, recorded
from explorer.models._registry import OptionValue
from explorer.sweep import Point, Row, compute
from explorer.sweep.curves import QUANTITIES, Sweep, curves
from explorer.sweep.points import Key
from explorer.sweep.survey import Survey
from explorer.trace.records import Trace, Value
from explorer.zoo import source_file
from pages.shared.choice import DEFAULT_MODEL, Choice, image_models, native_choice, option_text

if TYPE_CHECKING:
    from pages.shared.landscape import View as LandscapeView
    from pages.shared.setup import Setup, Training
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


# ------------------------------------------------------- predicted time and memory

STORY: tuple[str, ...] = ("resnet50", "efficientnet_b0", "densenet121")
"""Fewer MACs, but not in proportion less time."""
STORY_BATCHES = (1, 64)
TimeFigure = Literal["roofline", "time"]


class Forecast(NamedTuple):
    """A predicted forward pass as a whole."""

    ms: float
    images_per_second: float
    launches: int
    macs: int
    nbytes: float
    found: Bottlenecks
    statement: str
    slowest: str
    """Key of the layer that takes longest; "" if nothing takes time."""


@st.cache_data(max_entries=64, show_spinner=False)
def _prediction(choice: Choice, setup: Setup) -> Prediction:
    return predict(_trace(choice), setup.device, setup.dtype, tf32=setup.tf32, launch=setup.launch)


@st.cache_data(max_entries=256, show_spinner=False)
def forecast(choice: Choice, setup: Setup) -> Forecast:
    """Predict the time of one forward pass."""
    made = _prediction(choice, setup)
    slowest = max(made.layers, key=lambda row: row.ms, default=None)
    return Forecast(
        ms=made.ms,
        images_per_second=made.images_per_second,
        launches=made.launches,
        macs=made.macs,
        nbytes=sum(op.nbytes for op in made.ops),
        found=bottlenecks(made),
        statement=made.statement(),
        slowest=slowest.key if slowest else "",
    )


@st.cache_data(max_entries=64, show_spinner=False)
def layer_times(choice: Choice, setup: Setup) -> pd.DataFrame:
    """The layers that take time, in execution order, by their keys."""
    rows = [row for row in _prediction(choice, setup).layers if row.ms]
    return pd.DataFrame(
        {
            "Kind": [row.kind for row in rows],
            "ms": [row.ms for row in rows],
            "Share": [100 * row.share for row in rows],
            "Bound": [row.bound for row in rows],
            "MACs": [row.macs for row in rows],
            "Moved": [row.nbytes / 2**20 for row in rows],
            "Intensity": [row.intensity for row in rows],
            "Launches": [row.launches for row in rows],
        },
        index=pd.Index([row.key for row in rows], name="Layer", dtype=object),
    )


@st.cache_data(max_entries=512, show_spinner=False)
def time_of(choice: Choice, setup: Setup, key: str) -> TimeReceipt | None:
    """A layer's or module's predicted time, worked out; None if there is no such layer."""
    return time_receipt(_prediction(choice, setup), key)


@st.cache_data(max_entries=64, show_spinner="Drawing")
def time_figure_json(
    choice: Choice, setup: Setup, figure: TimeFigure, theme: Theme, selected: str
) -> str:
    """A chart of the predicted time, as Plotly's JSON."""
    draw = roofline if figure == "roofline" else time_bars
    return str(draw(_prediction(choice, setup), theme=theme, selected=selected).to_json())


class Story(NamedTuple):
    """Three networks on one device."""

    forecasts: tuple[tuple[str, tuple[Forecast, ...]], ...]
    """Name and, for each of `STORY_BATCHES`, the prediction."""
    sentences: tuple[str, ...]
    """Why fewer MACs are not in proportion less time."""


@st.cache_data(max_entries=64, show_spinner="Predicting three networks")
def story(setup: Setup) -> Story:
    """The same three networks, at their own size, on the chosen device."""
    rows, sentences = [], []
    first = _prediction(_story_choice(STORY[0], STORY_BATCHES[-1]), setup)
    for name in STORY:
        choices = [_story_choice(name, batch) for batch in STORY_BATCHES]
        rows.append((name, tuple(forecast(choice, setup) for choice in choices)))
        made = _prediction(choices[-1], setup)
        alone = bottlenecks(made).sentences
        sentences += [each for each in bottlenecks(made, first).sentences if each not in alone]
    return Story(tuple(rows), tuple(sentences))


def _story_choice(name: str, batch: int) -> Choice:
    native = native_choice(name)
    return native._replace(input_shape=(batch, *native.input_shape[1:]))


@st.cache_data(max_entries=256, show_spinner=False)
def inference(choice: Choice, dtype: str) -> InferenceMemory:
    """Memory of one forward pass in evaluation mode."""
    return inference_memory(_trace(evaluated(choice)), dtype=dtype)


@st.cache_data(max_entries=128, show_spinner=False)
def number_types(choice: Choice) -> tuple[Precision, ...]:
    """What inference takes in each number type."""
    return precisions(_trace(evaluated(choice)))


@st.cache_data(max_entries=256, show_spinner=False)
def training(choice: Choice, how: Training) -> TrainingMemory:
    """Memory of one training step. Only where `failure(trained(choice))` is None."""
    return training_memory(_trace(trained(choice)), **how.arguments)


class Fits(NamedTuple):
    """The largest batches that fit into a budget."""

    inference: LargestBatch
    training: LargestBatch | None
    """None if the model does not train at this size and batch."""


@st.cache_data(max_entries=256, show_spinner=False)
def fits(choice: Choice, dtype: str, how: Training, budget_bytes: int) -> Fits:
    """The largest batch to run, and the largest to train."""
    trains = failure(trained(choice)) is None
    return Fits(
        largest_batch(_trace(evaluated(choice)), budget_bytes, dtype=dtype),
        largest_batch(_trace(trained(choice)), budget_bytes, training=True, **how.arguments)
        if trains
        else None,
    )


def evaluated(choice: Choice) -> Choice:
    """The same choice in evaluation mode."""
    return choice._replace(mode="eval")


def trained(choice: Choice) -> Choice:
    """The same choice in training mode."""
    return choice._replace(mode="train")


@st.cache_data(max_entries=64, show_spinner="Drawing")
def memory_figure_json(choice: Choice, dtype: str, theme: Theme, selected: str) -> str:
    """The timeline of activations, as Plotly's JSON."""
    rows = layers(_trace(evaluated(choice)))
    drawn = memory_timeline(inference(choice, dtype), rows, theme=theme, selected=selected)
    return str(drawn.to_json())


@st.cache_data(max_entries=64, show_spinner="Drawing")
def training_figure_json(
    choice: Choice, ways: tuple[tuple[str, Training], ...], theme: Theme
) -> str:
    """The parts of a training step, for several ways to train, as Plotly's JSON."""
    steps = [(name, training(choice, how)) for name, how in ways]
    return str(training_bars(steps, theme=theme).to_json())


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


# ------------------------------------------------------------- recorded latency


@st.cache_data(max_entries=512, show_spinner=False)
def recorded_latencies(model: str | None) -> list[LatencyRecord]:
    """The measurements of a model that come with the library; of all models if None."""
    return recorded(model)


# ---------------------------------------------------------------- side by side


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


class Footprint(NamedTuple):
    """What a forward pass needs of a device; nothing here was measured."""

    milliseconds: float
    peak_bytes: int
    """Of activations."""
    weight_bytes: int


def _names(choices: tuple[Choice, ...], traces: list[Trace]) -> tuple[str, ...]:
    """The models' names, with their options where they have any."""
    names = display_names(traces)
    if not any(choice.options for choice in choices):
        return names
    told = [_name(choice, sized=len({c.input_shape for c in choices}) > 1) for choice in choices]
    return tuple(told) if len(set(told)) == len(told) else names


def _name(choice: Choice, *, sized: bool) -> str:
    options = ", ".join(f"{name}={option_text(value)}" for name, value in choice.options)
    size = f" at {' × '.join(map(str, choice.input_shape[2:]))}" if sized else ""
    return choice.model + (f" ({options})" if options else "") + size


@st.cache_data(max_entries=64, show_spinner="Comparing")
def side_by_side(choices: tuple[Choice, ...], convention: Convention) -> SideBySide:
    """Compare models that can be traced; the first is what the others are compared with."""
    traces = [_trace(choice) for choice in choices]
    found = compare(traces, convention)
    names = _names(choices, traces)
    models = (m._replace(name=name) for m, name in zip(found.models, names, strict=True))
    curves = (c._replace(name=name) for c, name in zip(found.curves, names, strict=True))
    return SideBySide(
        found._replace(models=tuple(models), curves=tuple(curves)),
        tuple(
            tuple(summary(diff(traces[0], trace, convention), (names[0], name)))
            for trace, name in zip(traces[1:], names[1:], strict=True)
        ),
    )


@st.cache_data(max_entries=64, show_spinner="Aligning")
def difference(left: Choice, right: Choice, convention: Convention) -> Difference:
    """Align two models layer by layer."""
    before, after = _trace(left), _trace(right)
    first, second = _names((left, right), [before, after])
    return Difference((first, second), diff_frame(diff(before, after, convention)))


@st.cache_data(max_entries=512, show_spinner=False)
def footprint(choice: Choice, device: str) -> Footprint:
    """Predict time and memory of one forward pass in float32."""
    trace = _trace(choice)
    held = inference_memory(trace, dtype="float32")
    return Footprint(
        milliseconds=predict(trace, get_device(device)).ms,
        peak_bytes=held.eager_peak,
        weight_bytes=held.parameter_bytes + held.buffer_bytes,
    )


@st.cache_data(max_entries=64, show_spinner="Drawing")
def comparison_json(
    choices: tuple[Choice, ...], convention: Convention, figure: str, measure: str, theme: Theme
) -> str:
    """Bars of stages ("stages") or running sums ("curves"), as Plotly's JSON."""
    found = side_by_side(choices, convention).comparison
    draw = stage_bars if figure == "stages" else cumulative_curves
    return str(draw(found, measure=measure, theme=theme).to_json())


# ------------------------------------------------------------------ the sweeps

MOST_SWEPT: Final = 20_000
"""Rows of sweeps that are kept for all visitors, some ten megabytes; the oldest go first."""
_SWEPT: dict[Key, bytes] = {}
_SWEPT_LOCK: Final = threading.Lock()


def swept(points: Iterable[Point]) -> dict[Key, Row]:
    """The rows that are known of these points, whoever asked for them first."""
    kept = {point.key: _SWEPT.get(point.key) for point in points}
    # The bytes are our own: `sweep_point` made them.
    return {key: pickle.loads(row) for key, row in kept.items() if row}  # noqa: S301


def sweep_point(point: Point) -> Row:
    """Compute the row of one point here and now, and keep it for all visitors."""
    row = compute(point)
    with _SWEPT_LOCK:
        _SWEPT[point.key] = pickle.dumps(row)
        while len(_SWEPT) > MOST_SWEPT:
            del _SWEPT[next(iter(_SWEPT))]
    return row


class SweepFigure(NamedTuple):
    """What a figure of a sweep shows, besides its rows."""

    sweep: Sweep
    quantity: str
    title: str
    x_title: str
    log_x: bool
    log_y: bool
    theme: Theme


def sweep_figure(shown: SweepFigure, rows: dict[Key, Row], *, finished: bool) -> str:
    """The curves as Plotly's JSON; kept once no point is missing."""
    return _finished_sweep(shown, rows) if finished else _draw_sweep(shown, rows)


@st.cache_data(max_entries=64, show_spinner=False)
def _finished_sweep(shown: SweepFigure, _rows: dict[Key, Row]) -> str:
    return _draw_sweep(shown, _rows)


def _draw_sweep(shown: SweepFigure, rows: dict[Key, Row]) -> str:
    quantity = QUANTITIES[shown.quantity]
    drawn = sweep_curves(
        curves(shown.sweep, rows, shown.quantity),
        title=shown.title,
        x_title=shown.x_title,
        y_title=quantity.unit,
        large=quantity.large,
        log_x=shown.log_x,
        log_y=shown.log_y,
        theme=shown.theme,
    )
    return str(drawn.to_json())


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
