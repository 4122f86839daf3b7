"""Performance: how long one architecture takes, why, and how much memory; predicted, measured."""

import streamlit as st

from pages.shared import cache, performance, setup, sidebar, widgets

choice = sidebar.current()
view = setup.open_view()
failure = cache.failure(choice)

widgets.title(choice)
if failure:
    widgets.failed(choice, failure)
    st.stop()
setup.controls(view)
performance.metrics(choice, view)
performance.statement(choice, view)

main, side = st.columns([3, 1], gap="medium")
with main:
    opened = setup.tabs()
    if opened["why"].open:
        with opened["why"]:
            performance.why(choice, view)
    if opened["roofline"].open:
        with opened["roofline"]:
            performance.roofline_tab(choice, view)
    if opened["layers"].open:
        with opened["layers"]:
            performance.layers_tab(choice, view)
    if opened["memory"].open:
        with opened["memory"]:
            performance.memory_tab(choice, view)
    if opened["training"].open:
        with opened["training"]:
            performance.training_tab(choice, view)
    if opened["measured"].open:
        with opened["measured"]:
            performance.measured_tab(choice, view)
with side:
    performance.layer_panel(choice, view)
