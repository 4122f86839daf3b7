"""Performance: how long one architecture takes, why, and how much memory; predicted, measured."""

import streamlit as st

from pages.shared import cache, measuring, setup, sidebar, ways, widgets
from pages.shared.performance import (
    agreement,
    calibration,
    head,
    measured,
    memory,
    panel,
    times,
    training,
    why,
)

choice = sidebar.current()
calibration.take()
measuring.take()
view = setup.open_view()
ways.open_ways()
agreement.open_choice()
failure = cache.failure(choice)

widgets.title(choice)
if failure:
    widgets.failed(choice, failure)
    st.stop()
setup.controls(view, calibration.button)
calibration.progress(view)
head.metrics(choice, view)
head.statement(choice, view)

main, side = st.columns([3, 1], gap="medium")
with main:
    opened = setup.tabs()
    if opened["why"].open:
        with opened["why"]:
            why.why(choice, view)
    if opened["roofline"].open:
        with opened["roofline"]:
            times.roofline_tab(choice, view)
    if opened["layers"].open:
        with opened["layers"]:
            times.layers_tab(choice, view)
    if opened["memory"].open:
        with opened["memory"]:
            memory.memory_tab(choice, view)
    if opened["training"].open:
        with opened["training"]:
            training.training_tab(choice, view)
    if opened["measured"].open:
        with opened["measured"]:
            measured.measured_tab(choice, view)
    if opened["agreement"].open:
        with opened["agreement"]:
            agreement.agreement_tab(choice, view)
with side:
    panel.layer_panel(choice, view)
