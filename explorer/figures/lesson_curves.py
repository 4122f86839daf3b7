"""Curves that a lesson lays over each other: one look for each thing compared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import plotly.graph_objects as go

from explorer.figures._layout import styled
from explorer.figures.theme import KIND_COLORS, MUTED_INK

_LOOKS: Final = (
    ("convolution", "circle", "solid"),
    ("linear", "square", "solid"),
    ("pooling", "diamond", "solid"),
    ("attention", "triangle-up", "solid"),
)
"""The kind whose colour a look takes, its symbol and its line."""
MOST_LOOKS: Final = len(_LOOKS)


class Curve(NamedTuple):
    """One line."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    """Not finite: a gap. On a logarithmic axis, 0 is drawn as a mark at the foot."""
    text: tuple[str, ...]
    """What is said when a point is pointed at."""
    look: int = 0
    """Which of `MOST_LOOKS`; curves of one look belong together in the legend."""
    faint: bool = False
    """Dotted, without marks: what was recorded before."""


class Axes(NamedTuple):
    """What a figure says around its curves."""

    title: str
    x_title: str
    y_title: str
    log_y: bool = False
    y_range: tuple[float, float] | None = None
    percent: bool = False
    zero: str = "0"
    """What marks at the foot of a logarithmic axis are called when they are pointed at."""


def lesson_curves(
    curves: Sequence[Curve], axes: Axes, *, theme: str = "light", height: int = 380
) -> go.Figure:
    """Lay curves over each other.

    Args:
        curves: each with a look of 0 to `MOST_LOOKS` - 1.
        axes: titles and scales.
        theme: "light" or "dark".
        height: in pixels.

    Returns:
        A scatter trace for each curve, and one more for each that has zeros at the foot.
    """
    figure = go.Figure()
    foot = _foot(curves) if axes.log_y else 0.0
    named: set[str] = set()
    for curve in curves:
        kind, symbol, dash = _LOOKS[curve.look]
        color = KIND_COLORS[theme][kind]
        figure.add_scatter(
            x=curve.x,
            y=[_drawn(value, log=axes.log_y) for value in curve.y],
            name=curve.name,
            legendgroup=curve.name,
            showlegend=curve.name not in named,
            mode="lines" if curve.faint or len(curve.x) > 80 else "lines+markers",
            line={
                "color": color,
                "width": 1.75 if curve.faint else 2,
                "dash": "dot" if curve.faint else dash,
            },
            marker={"color": color, "size": 6, "symbol": symbol},
            text=curve.text,
            hovertemplate="%{text}<extra></extra>",
        )
        named.add(curve.name)
        if axes.log_y:
            _add_zeros(figure, curve, foot, color, axes.zero)
    styled(figure, axes.title, theme, height=height)
    figure.update_xaxes(title_text=axes.x_title)
    figure.update_yaxes(
        title_text=axes.y_title,
        type="log" if axes.log_y else "linear",
        range=axes.y_range,
        ticksuffix="%" if axes.percent else "",
        **(_log_ticks(curves) if axes.log_y else {}),
    )
    return figure.update_layout(hovermode="closest", margin={"b": _foot_margin(curves)})


def stacked(
    curves: Sequence[Curve], axes: Axes, *, theme: str = "light", height: int = 380
) -> go.Figure:
    """Draw curves above each other, each around a line of its own, the first at the top.

    Args:
        curves: values around 0, of about the same size.
        axes: titles; the scale of y is not shown.
        theme: "light" or "dark".
        height: in pixels.
    """
    figure = go.Figure()
    room = max((abs(value) for curve in curves for value in curve.y), default=1.0) * 1.6 or 1.0
    for row, curve in enumerate(curves):
        color = KIND_COLORS[theme][_LOOKS[curve.look][0]]
        middle = -row * room
        figure.add_hline(y=middle, line={"color": MUTED_INK[theme], "width": 0.5})
        figure.add_scatter(
            x=curve.x,
            y=[middle + value for value in curve.y],
            name=curve.name,
            mode="lines",
            line={"color": color, "width": 1.5},
            text=curve.text,
            hovertemplate="%{text}<extra></extra>",
        )
    styled(figure, axes.title, theme, height=height)
    figure.update_xaxes(title_text=axes.x_title)
    figure.update_yaxes(
        title_text=axes.y_title, showticklabels=False, showgrid=False,
        range=[-(len(curves) - 0.35) * room, 0.65 * room],
    )  # fmt: skip
    return figure.update_layout(hovermode="closest", margin={"b": _foot_margin(curves)})


def _foot_margin(curves: Sequence[Curve]) -> int:
    """Pixels below the axis: its title, and the legend in as many lines as half a page needs."""
    letters = sum(len(name) + 7 for name in {curve.name for curve in curves})
    return 56 + 22 * max(1, math.ceil(letters / 72))


def _drawn(value: float, *, log: bool) -> float | None:
    return value if math.isfinite(value) and (value > 0 or not log) else None


def _positive(curves: Sequence[Curve]) -> list[float]:
    return [value for curve in curves for value in curve.y if math.isfinite(value) and value > 0]


def _foot(curves: Sequence[Curve]) -> float:
    """Where zeros are marked: half a decade below the least that is drawn."""
    return float(10 ** (math.floor(math.log10(min(_positive(curves), default=1.0))) - 0.5))


def _log_ticks(curves: Sequence[Curve]) -> dict[str, Any]:
    """One tick in so many decades that there are about eight; within two decades 1, 2, 5, 10."""
    found = [math.log10(value) for value in _positive(curves)] or [0.0]
    decades = max(found) - min(found)
    if decades < 2:
        return {"dtick": "D2", "tickformat": "~g", "minor": {}}
    return {"dtick": max(1, math.ceil(decades / 7)), "exponentformat": "power"}


def _add_zeros(figure: go.Figure, curve: Curve, foot: float, color: str, zero: str) -> None:
    places = [x for x, y in zip(curve.x, curve.y, strict=True) if y == 0]
    if places:
        figure.add_scatter(
            x=places,
            y=[foot] * len(places),
            name=curve.name,
            legendgroup=curve.name,
            showlegend=False,
            mode="markers",
            marker={
                "color": color,
                "size": 8,
                "symbol": "triangle-down-open",
                "line": {"width": 1.5},
            },
            text=[f"<b>{curve.name}</b><br>{zero}"] * len(places),
            hovertemplate="%{text}<extra></extra>",
        )
