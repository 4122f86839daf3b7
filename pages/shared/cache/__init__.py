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
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

import pandas as pd
import streamlit as st

from explorer import get_spec, trace_model
from explorer.analysis import (
    Convention,
    inference_memory,
    layers,
    layers_frame,
)
from explorer.analysis.compare import Comparison, compare, diff, display_names
from explorer.analysis.diff_table import diff_frame
from explorer.analysis.landscape import MEASURES, Candidate, candidate, judge
from explorer.analysis.profiles import Setting
from explorer.analysis.roofline import get_device, predict
from explorer.analysis.summary import summary
from explorer.figures.comparison import cumulative_curves, stage_bars
from explorer.figures.cost import cost_bars
from explorer.figures.landscape import landscape
from explorer.figures.sweep import sweep_curves
from explorer.sweep import Point, Row, compute
from explorer.sweep.curves import QUANTITIES, Sweep, curves
from explorer.sweep.points import Key
from explorer.sweep.survey import Survey
from explorer.trace.records import Trace
from pages.shared.cache.catalogue import (
    COUNTED as COUNTED,
)
from pages.shared.cache.catalogue import (
    catalogue_entry as catalogue_entry,
)
from pages.shared.cache.catalogue import (
    is_counted as is_counted,
)
from pages.shared.cache.catalogue import (
    is_published_counted as is_published_counted,
)
from pages.shared.cache.catalogue import (
    is_reid_counted as is_reid_counted,
)
from pages.shared.cache.catalogue import (
    published_counts as published_counts,
)
from pages.shared.cache.catalogue import (
    reid_row_counts as reid_row_counts,
)
from pages.shared.cache.catalogue import (
    timeline_json as timeline_json,
)
from pages.shared.cache.diagrams import (
    Diagram as Diagram,
)
from pages.shared.cache.diagrams import (
    diagram as diagram,
)
from pages.shared.cache.diagrams import (
    diagram_file as diagram_file,
)
from pages.shared.cache.memory import (
    Fits as Fits,
)
from pages.shared.cache.memory import (
    fits as fits,
)
from pages.shared.cache.memory import (
    inference as inference,
)
from pages.shared.cache.memory import (
    memory_figure_json as memory_figure_json,
)
from pages.shared.cache.memory import (
    number_types as number_types,
)
from pages.shared.cache.memory import (
    training as training,
)
from pages.shared.cache.memory import (
    training_figure_json as training_figure_json,
)
from pages.shared.cache.predicted import (
    STORY as STORY,
)
from pages.shared.cache.predicted import (
    STORY_BATCHES as STORY_BATCHES,
)
from pages.shared.cache.predicted import (
    Forecast as Forecast,
)
from pages.shared.cache.predicted import (
    Story as Story,
)
from pages.shared.cache.predicted import (
    TimeFigure as TimeFigure,
)
from pages.shared.cache.predicted import (
    forecast as forecast,
)
from pages.shared.cache.predicted import (
    layer_times as layer_times,
)
from pages.shared.cache.predicted import (
    prediction as prediction,
)
from pages.shared.cache.predicted import (
    story as story,
)
from pages.shared.cache.predicted import (
    time_figure_json as time_figure_json,
)
from pages.shared.cache.predicted import (
    time_of as time_of,
)
from pages.shared.cache.recorded import (
    recorded_latencies as recorded_latencies,
)
from pages.shared.cache.sources import (
    Source as Source,
)
from pages.shared.cache.sources import (
    source as source,
)
from pages.shared.cache.tables import (
    Figure as Figure,
)
from pages.shared.cache.tables import (
    Overview as Overview,
)
from pages.shared.cache.tables import (
    Selection as Selection,
)
from pages.shared.cache.tables import (
    TableFormat as TableFormat,
)
from pages.shared.cache.tables import (
    download as download,
)
from pages.shared.cache.tables import (
    figure_json as figure_json,
)
from pages.shared.cache.tables import (
    layer_table as layer_table,
)
from pages.shared.cache.tables import (
    overview as overview,
)
from pages.shared.cache.tables import (
    row_of as row_of,
)
from pages.shared.cache.tables import (
    selection as selection,
)
from pages.shared.cache.traces import (
    Failure as Failure,
)
from pages.shared.cache.traces import (
    Shape as Shape,
)
from pages.shared.cache.traces import (
    Theme as Theme,
)
from pages.shared.cache.traces import (
    evaluated as evaluated,
)
from pages.shared.cache.traces import (
    failure as failure,
)
from pages.shared.cache.traces import (
    trace_of as trace_of,
)
from pages.shared.cache.traces import (
    traced as traced,
)
from pages.shared.cache.traces import (
    trained as trained,
)
from pages.shared.choice import DEFAULT_MODEL, Choice, image_models, option_text

if TYPE_CHECKING:
    from pages.shared.landscape import View as LandscapeView


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
    traces = [trace_of(choice) for choice in choices]
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
    before, after = trace_of(left), trace_of(right)
    first, second = _names((left, right), [before, after])
    return Difference((first, second), diff_frame(diff(before, after, convention)))


@st.cache_data(max_entries=512, show_spinner=False)
def footprint(choice: Choice, device: str) -> Footprint:
    """Predict time and memory of one forward pass in float32."""
    trace = trace_of(choice)
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
    return all(("survey", source, size) in COUNTED for source in sources)


def note_surveyed(sources: tuple[str, ...], size: tuple[int, int] | None) -> None:
    """Remember that all models of these sources have been traced at a size."""
    COUNTED.update(("survey", source, size) for source in sources)


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
