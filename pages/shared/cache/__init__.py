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
from pages.shared.cache import choosing as choosing
from pages.shared.cache import comparing as comparing
from pages.shared.cache import sweeping as sweeping
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
from pages.shared.choice import DEFAULT_MODEL


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
