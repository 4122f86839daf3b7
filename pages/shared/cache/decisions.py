"""What "From LeNet to ViT" asks for."""

from __future__ import annotations

import streamlit as st

from explorer.figures.journey import Mark, Quantity, journey
from explorer.lessons import timeline as lesson
from explorer.lessons.drawing import Picture
from pages.shared.cache.keep import keep
from pages.shared.cache.traces import Theme


@st.cache_data(max_entries=32, show_spinner=False)
def decision(stop: str) -> lesson.Decision:
    """Both sides of a stop, counted."""
    return lesson.decide(stop)


@keep(max_entries=64)
def pictures(stop: str, theme: Theme) -> tuple[Picture, Picture]:
    """What the decision changes, before and after."""
    return lesson.pictures(stop, dark=theme == "dark")


@st.cache_data(max_entries=1, show_spinner="Tracing")
def landmarks() -> tuple[lesson.Landmark, ...]:
    """The architecture of each stop."""
    return lesson.journey()


@st.cache_data(max_entries=64, show_spinner=False)
def journey_json(
    stop: str, labels: tuple[str, ...], titles: tuple[str, str, str], theme: Theme
) -> str:
    """The charts of the whole journey, as Plotly's JSON.

    Args:
        stop: to be lit; "" for none.
        labels: short names of the landmarks.
        titles: of parameters, MACs and accuracy.
        theme: "light" or "dark".
    """
    found = landmarks()
    marks = [
        Mark(label, mark.year, (mark.params, mark.macs, mark.top1))
        for label, mark in zip(labels, found, strict=True)
    ]
    lit = [mark.stop for mark in found].index(stop) if stop else -1
    before = None
    if stop and lesson.get_stop(stop).after.model == lesson.get_stop(stop).model:
        old = decision(stop).before
        before = Mark(old.title, marks[lit].year, (old.params, old.macs, old.top1))
    params, macs, top1 = titles
    quantities = (Quantity(params, True), Quantity(macs, True), Quantity(top1, False, "%"))
    return str(journey(marks, quantities, lit=lit, before=before, theme=theme).to_json())
