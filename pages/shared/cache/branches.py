"""What "Inception and branches" asks for."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from explorer.figures.lines import Line, lines
from explorer.figures.parts import Part, Side, grouped_parts
from explorer.lessons import branches as lesson
from explorer.lessons.drawing import Picture
from pages.shared.cache.keep import keep
from pages.shared.cache.traces import Theme

Measure = Literal["macs", "params"]


@st.cache_data(max_entries=16, show_spinner=False)
def split(block: str) -> lesson.Split:
    """One Inception block with its reductions and without."""
    return lesson.split(block)


@keep(max_entries=32)
def block_pictures(block: str, theme: Theme) -> tuple[Picture, Picture]:
    """Both as diagrams."""
    return lesson.block_pictures(block, dark=theme == "dark")


@st.cache_data(max_entries=64, show_spinner=False)
def branches_json(
    block: str, measure: Measure, title: str, y_title: str, names: tuple[str, str, str],
    groups: tuple[str, ...], height: int, theme: Theme,
) -> str:  # fmt: skip
    """Bars of each branch, as Plotly's JSON.

    Args:
        block: "3a" to "5b".
        measure: what the bars are of.
        title: of the figure.
        y_title: of the measure.
        names: of the block with reductions, of its 1x1, of the block without.
        groups: names of the branches.
        height: in pixels.
        theme: "light" or "dark".
    """
    found = split(block)
    with_, first, without = names

    def values(branches: tuple[lesson.Branch, ...], name: str) -> tuple[float, ...]:
        return tuple(float(getattr(branch, name)) for branch in branches)

    reduced = Side(
        with_,
        (
            Part(first, "activation", values(found.reduced, f"first_{measure}"), 0.75),
            Part("", "convolution", values(found.reduced, measure), 0.75),
        ),
    )
    full = Side(without, (Part("", "input", values(found.full, measure), 0.35),))
    drawn = grouped_parts(
        groups, (reduced, full), title=title, y_title=y_title, height=height, theme=theme
    )
    return str(drawn.to_json())


@st.cache_data(max_entries=32, show_spinner=False)
def blocks_json(
    measure: Measure, title: str, y_title: str, names: tuple[str, str], theme: Theme
) -> str:
    """All nine blocks with their reductions and without, as Plotly's JSON."""
    place = 1 if measure == "macs" else 0
    totals = [split(block).totals for block in lesson.BLOCKS]
    sides = tuple(
        Side(name, (Part("", kind, tuple(float(both[side][place]) for both in totals), 0.6),))
        for side, (name, kind) in enumerate(zip(names, ("convolution", "input"), strict=True))
    )
    drawn = grouped_parts(lesson.BLOCKS, sides, title=title, y_title=y_title, theme=theme)
    return str(drawn.to_json())


@st.cache_data(max_entries=16, show_spinner=False)
def factored(window: int) -> lesson.Factored:
    """Three ways to see a window."""
    return lesson.factored(window)


@keep(max_entries=32)
def factored_pictures(window: int, theme: Theme) -> tuple[Picture, ...]:
    """Them as diagrams."""
    return lesson.factored_pictures(window, dark=theme == "dark")


@st.cache_data(max_entries=32, show_spinner=False)
def factored_json(
    window: int, title: str, axes: tuple[str, str], names: tuple[str, str, str], theme: Theme
) -> str:
    """Their parameters over the window, as Plotly's JSON."""
    found = [factored(each) for each in lesson.WINDOWS]
    x = tuple(float(each.window) for each in found)
    kinds = ("input", "convolution", "linear")
    shown = [
        Line(name, kind, x, tuple(float(getattr(each, field)) for each in found), "solid", window)
        for name, kind, field in zip(names, kinds, ("whole", "stacked", "one_sided"), strict=True)
    ]
    drawn = lines(
        shown, title=title, x_title=axes[0], y_title=axes[1], y_format=".3~s",
        x_ticks=lesson.WINDOWS, height=290, theme=theme,
    )  # fmt: skip
    return str(drawn.to_json())


@st.cache_data(max_entries=8, show_spinner=False)
def equal(cardinality: int) -> lesson.Equal:
    """Many paths, and one grouped convolution."""
    return lesson.equal(cardinality)


@keep(max_entries=32)
def equal_pictures(cardinality: int, theme: Theme) -> tuple[Picture, Picture]:
    """Both as diagrams."""
    return lesson.equal_pictures(cardinality, dark=theme == "dark")
