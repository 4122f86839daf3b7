"""The only caches: what a page shows is computed once for all sessions, and kept within bounds.

Keys are small plain values (a `Choice`, a `Convention`). Results are kept pickled, so that the
garbage collector, which Streamlit runs after every rerun, does not walk them. What the user can
cause is returned as a value: an exception would not be cached, and an impossible size would be
traced again at every rerun.
"""

from __future__ import annotations

import gc

import streamlit as st

from explorer import get_spec, trace_model
from explorer.analysis import layers, layers_frame
from explorer.figures.cost import cost_bars
from pages.shared.cache import choosing, comparing, sweeping
from pages.shared.cache.catalogue import (
    COUNTED,
    catalogue_entry,
    is_counted,
    is_published_counted,
    is_reid_counted,
    published_counts,
    reid_row_counts,
    timeline_json,
)
from pages.shared.cache.diagrams import Diagram, diagram, diagram_file
from pages.shared.cache.memory import (
    Fits,
    fits,
    inference,
    memory_figure_json,
    number_types,
    training,
    training_figure_json,
)
from pages.shared.cache.predicted import (
    STORY,
    STORY_BATCHES,
    Forecast,
    Story,
    TimeFigure,
    forecast,
    layer_times,
    prediction,
    story,
    time_figure_json,
    time_of,
)
from pages.shared.cache.recorded import recorded_latencies
from pages.shared.cache.sources import Source, source
from pages.shared.cache.tables import (
    Figure,
    Overview,
    Selection,
    TableFormat,
    download,
    figure_json,
    layer_table,
    overview,
    row_of,
    selection,
)
from pages.shared.cache.traces import (
    Failure,
    Shape,
    Theme,
    evaluated,
    failure,
    trace_of,
    traced,
    trained,
)
from pages.shared.choice import DEFAULT_MODEL

__all__ = [
    "COUNTED",
    "STORY",
    "STORY_BATCHES",
    "Diagram",
    "Failure",
    "Figure",
    "Fits",
    "Forecast",
    "Overview",
    "Selection",
    "Shape",
    "Source",
    "Story",
    "TableFormat",
    "Theme",
    "TimeFigure",
    "catalogue_entry",
    "choosing",
    "comparing",
    "diagram",
    "diagram_file",
    "download",
    "evaluated",
    "failure",
    "figure_json",
    "fits",
    "forecast",
    "inference",
    "is_counted",
    "is_published_counted",
    "is_reid_counted",
    "layer_table",
    "layer_times",
    "memory_figure_json",
    "number_types",
    "overview",
    "prediction",
    "published_counts",
    "recorded_latencies",
    "reid_row_counts",
    "row_of",
    "selection",
    "source",
    "story",
    "sweeping",
    "time_figure_json",
    "time_of",
    "timeline_json",
    "trace_of",
    "traced",
    "trained",
    "training",
    "training_figure_json",
    "warm_up",
]


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
    # That is often enough: in between, a trace would spend a third of its time on looking for
    # cycles among its many small objects, and has hardly any.
    gc.set_threshold(50_000, 20, 100)
