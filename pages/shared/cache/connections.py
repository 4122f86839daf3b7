"""What "Dense or residual" asks for."""

from __future__ import annotations

import streamlit as st

from explorer.figures.lines import Line, lines
from explorer.figures.parts import reading_bars
from explorer.lessons import connections as lesson
from explorer.lessons.drawing import Picture
from pages.shared.cache.keep import keep
from pages.shared.cache.traces import Theme


@st.cache_data(max_entries=128, show_spinner=False)
def both(setting: lesson.Setting) -> tuple[lesson.Dense, lesson.Residual]:
    """The dense block and the residual stage that matches it."""
    return lesson.dense(setting), lesson.residual(setting)


@keep(max_entries=64)
def pictures(setting: lesson.Setting, theme: Theme) -> tuple[Picture, Picture]:
    """Both as diagrams."""
    return lesson.pictures(setting, dark=theme == "dark")


@st.cache_data(max_entries=64, show_spinner=False)
def memory(setting: lesson.Setting) -> lesson.Memory:
    """What is kept for the backward pass, over the depth."""
    return lesson.memory_curve(setting)


@st.cache_data(max_entries=64, show_spinner=False)
def reading_json(
    setting: lesson.Setting, title: str, axes: tuple[str, str], names: tuple[str, str, str],
    height: int, theme: Theme,
) -> str:  # fmt: skip
    """What each layer reads, as Plotly's JSON; texts as `reading_bars` takes them."""
    dense, residual = both(setting)
    return str(
        reading_bars(
            dense.sources, residual.costs.channels[:-1], title=title, x_title=axes[0],
            y_title=axes[1], names=names, height=height, theme=theme,
        ).to_json()
    )  # fmt: skip


@st.cache_data(max_entries=64, show_spinner=False)
def memory_json(
    setting: lesson.Setting, title: str, axes: tuple[str, str], names: tuple[str, str, str],
    height: int, theme: Theme,
) -> str:  # fmt: skip
    """The curves of `memory` in MiB, as Plotly's JSON.

    Args:
        setting: where it is marked, and what does not change along the curves.
        title: of the figure.
        axes: titles of depth and memory.
        names: of the dense block, of one that computes again, of the residual stage.
        height: in pixels.
        theme: "light" or "dark".
    """
    found = memory(setting)
    depths = tuple(map(float, found.depths))

    def line(name: str, kind: str, values: tuple[int, ...], dash: str = "solid") -> Line:
        scaled = tuple(value / 2**20 for value in values)
        return Line(name, kind, depths, scaled, dash, float(setting.depth))

    shown = (
        line(names[0], "concat", found.dense),
        line(names[1], "concat", found.lean, "dash"),
        line(names[2], "add", found.residual),
    )
    drawn = lines(
        shown,
        title=title,
        x_title=axes[0],
        y_title=axes[1],
        y_format=",.3~g",
        height=height,
        theme=theme,
    )
    return str(drawn.to_json())
