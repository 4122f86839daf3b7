"""Measurements that come with the library."""

from __future__ import annotations

import streamlit as st

from explorer.latency import LatencyRecord, recorded


@st.cache_data(max_entries=512, show_spinner=False)
def recorded_latencies(model: str | None) -> list[LatencyRecord]:
    """The measurements of a model that come with the library; of all models if None."""
    return recorded(model)
