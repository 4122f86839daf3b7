"""Layers: one architecture at one input size, from its totals down to each formula."""

import streamlit as st

from pages.shared import (
    cache,
    crosscheck,
    inspector,
    measuring,
    panels,
    runs,
    sidebar,
    tables,
    ways,
    widgets,
)
from pages.shared.text import _
from pages.shared.view import open_view, tabs

choice = sidebar.current()
measuring.take()
view = open_view()
ways.open_ways()
failure = cache.failure(choice)

main, side = st.columns([3, 1], gap="medium")
with main:
    widgets.title(choice)
    if failure:
        widgets.failed(choice, failure)
        if not failure.partial:
            st.stop()
    overview = cache.overview(choice, view.convention)
    widgets.metrics(choice, view, overview.totals)
    widgets.counting(0 if failure else overview.totals.unused_params)
    st.caption(
        overview.statement + (" " + _("Counted up to the layer that fails.") if failure else "")
    )

    opened = tabs()
    if opened["layers"].open:
        with opened["layers"]:
            tables.stage_table(choice, view)
            view = tables.layer_controls(choice, view, overview)
            tables.layer_table(choice, view, failure)
    if opened["blocks"].open:
        with opened["blocks"]:
            panels.diagram(choice, view)
    if opened["charts"].open:
        with opened["charts"]:
            panels.charts(choice, view)
    if opened["latency"].open:
        with opened["latency"]:
            measuring.panel(choice)
            runs.table()
    if opened["check"].open:
        with opened["check"]:
            crosscheck.check(choice)
    if opened["source"].open:
        with opened["source"]:
            panels.source(choice)
with side:
    inspector.show(choice, view, failure)
