"""All models at one size, and published numbers beside the counted."""

from __future__ import annotations

from collections.abc import Hashable

import streamlit as st

from explorer import trace_model
from explorer.analysis.catalogue import Entry, entry
from explorer.analysis.published import REID_INPUT, ReidCounts, reid_counts
from explorer.figures.timeline import timeline
from explorer.models._registry import OptionValue
from pages.shared.cache.keep import keep
from pages.shared.cache.traces import Shape, Theme
from pages.shared.text import N_

COUNTED: set[Hashable] = set()
"""What has been counted in the life of this server, so that pages can show progress."""


def is_counted(name: str, size: tuple[int, int] | None) -> bool:
    """Whether `catalogue_entry` will answer at once."""
    return ("entry", name, size) in COUNTED


@keep(2048)
def catalogue_entry(name: str, size: tuple[int, int] | None) -> Entry:
    """One architecture at one size; each is traced once for all visitors."""
    found = entry(name, size)
    COUNTED.add(("entry", name, size))
    return found


@keep(32, N_("Drawing"))
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
    return (name, shape, options) in COUNTED


@st.cache_data(max_entries=512, show_spinner=False)
def published_counts(
    name: str, shape: Shape, options: tuple[tuple[str, OptionValue], ...]
) -> tuple[int, int]:
    """Parameters and MACs of a published row's model."""
    trace = trace_model(name, shape, options=dict(options))
    COUNTED.add((name, shape, options))
    return trace.params, trace.macs


def is_reid_counted(name: str) -> bool:
    """Whether `reid_row_counts` will answer at once."""
    return ("reid", name) in COUNTED


@st.cache_data(max_entries=128, show_spinner=False)
def reid_row_counts(name: str) -> ReidCounts:
    """Counts of a model of the re-identification table, without its classifier."""
    found = reid_counts(trace_model(name, REID_INPUT))
    COUNTED.add(("reid", name))
    return found
