"""Curves of several models over one swept value."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final, NamedTuple

import plotly.graph_objects as go

from explorer.figures._layout import styled
from explorer.figures.theme import KIND_COLORS, PAPER
from explorer.text import _

_LOOKS: Final = (
    ("convolution", "circle", "solid"),
    ("linear", "square", "dash"),
    ("pooling", "diamond", "dashdot"),
    ("attention", "triangle-up", "dot"),
)
"""Of each curve: the kind whose colour it takes, its symbol and its line."""
MOST_CURVES: Final = len(_LOOKS)
_STRIP: Final = 0.05
"""Of the figure's height, for the crosses of one model."""
_FAR_APART: Final = 30
"""Largest and smallest value from which on a logarithmic axis is needed to see both."""
_WRAP: Final = 48
"""Characters of a line of hover text."""


class Mark(NamedTuple):
    """One value of one model."""

    x: float
    y: float | None
    """None if the model does not take `x`."""
    text: str
    """What is said when it is pointed at; may hold "<br>"."""
    layer: str = ""
    """Path of the layer that breaks."""
    spread: tuple[float, float] | None = None
    """Between which values most of what was measured lies."""


class Curve(NamedTuple):
    """One model's values, in order."""

    name: str
    legal: tuple[Mark, ...]
    illegal: tuple[Mark, ...]


def sweep_curves(
    curves: Sequence[Curve],
    *,
    title: str,
    x_title: str,
    y_title: str,
    large: bool = True,
    log_x: bool = False,
    log_y: bool = False,
    measured: Sequence[Curve] = (),
    theme: str = "light",
) -> go.Figure:
    """A line for each model; what a model does not take is a cross on the horizontal axis.

    The crosses have a strip of their own between the curves and the axis, so that they never lie
    on a curve.

    Args:
        curves: at most `MOST_CURVES`.
        title: of the figure.
        x_title: the swept value, with its unit.
        y_title: the quantity, with its unit.
        large: write the quantity's ticks with SI prefixes, "20G", instead of in full.
        log_x: draw the swept value on a logarithmic axis, unless one is not above 0.
        log_y: likewise the quantity.
        measured: for each curve what was measured of it, drawn beside it in its colour, with open
            symbols and bars from the first to the last tenth; the quantity's axis is logarithmic
            where both would not be seen otherwise.
        theme: "light" or "dark".

    Returns:
        Two scatter traces for each curve, the line and the crosses, then one for each that was
        measured. A cross's custom data is the layer that breaks.
    """
    figure = go.Figure()
    crossed = [curve.name for curve in curves if curve.illegal]
    for curve, look in zip(curves, _LOOKS, strict=False):
        kind, symbol, dash = look
        color = KIND_COLORS[theme][kind]
        figure.add_scatter(
            x=[mark.x for mark in curve.legal],
            y=[mark.y for mark in curve.legal],
            name=curve.name,
            legendgroup=curve.name,
            showlegend=bool(curve.legal),
            mode="lines+markers",
            line={"color": color, "width": 2, "dash": dash},
            marker={"color": color, "size": 7, "symbol": symbol},
            text=[_hover(curve.name, mark) for mark in curve.legal],
            hovertemplate="%{text}<extra></extra>",
        )
        figure.add_scatter(
            x=[mark.x for mark in curve.illegal],
            y=[-0.5 - crossed.index(curve.name) for _mark in curve.illegal],
            # An axis that nothing is drawn on would still cut the curves off above it.
            yaxis="y2" if crossed else "y",
            name=_("{model}: not taken").format(model=curve.name),
            legendgroup=curve.name,
            showlegend=not curve.legal,
            mode="markers",
            marker={
                "color": color,
                "size": 8,
                "symbol": "x-thin",
                "line": {"color": color, "width": 2},
            },
            customdata=[[mark.layer] for mark in curve.illegal],
            text=[_hover(curve.name, mark) for mark in curve.illegal],
            hovertemplate="%{text}<extra></extra>",
        )
    for curve, look in zip(measured, _LOOKS, strict=False):
        if curve.legal:
            _measured(figure, curve, look, theme)
    styled(figure, title, theme, height=460)
    marks = [mark for curve in (*curves, *measured) for mark in (*curve.legal, *curve.illegal)]
    values = [mark.y for mark in marks if mark.y is not None]
    # What is predicted for one device and measured on another may be far apart.
    log_y = log_y or (any(curve.legal for curve in measured) and _far_apart(values))
    strip = _STRIP * len(crossed)
    figure.update_xaxes(
        title_text=x_title,
        type=_type(log_x, [mark.x for mark in marks]),
        tickformat=",~g",
        anchor="y2" if crossed else "y",
    )
    figure.update_yaxes(
        title_text=y_title,
        type=_type(log_y, values),
        tickformat="~s" if large else ",~g",
        rangemode="normal" if log_y else "tozero",
    )
    figure.update_layout(hovermode="closest")
    if crossed:
        figure.update_layout(
            yaxis={"domain": [strip, 1]},
            yaxis2={
                "domain": [0, strip],
                "range": [-len(crossed), 0],
                "type": "linear",
                "visible": False,
                "fixedrange": True,
            },
        )
    return figure


def _measured(figure: go.Figure, curve: Curve, look: tuple[str, str, str], theme: str) -> None:
    """What was measured of one model; a thin line leads the eye from point to point."""
    kind, symbol, _dash = look
    color = KIND_COLORS[theme][kind]
    spreads = [mark.spread or (mark.y or 0, mark.y or 0) for mark in curve.legal]
    values = [mark.y or 0 for mark in curve.legal]
    figure.add_scatter(
        x=[mark.x for mark in curve.legal],
        y=values,
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [high - y for (_, high), y in zip(spreads, values, strict=True)],
            "arrayminus": [y - low for (low, _), y in zip(spreads, values, strict=True)],
            "thickness": 1,
            "width": 3,
        },
        name=curve.name,
        mode="lines+markers",
        line={"color": color, "width": 1},
        marker={
            "color": PAPER[theme],
            "size": 9,
            "symbol": symbol,
            "line": {"color": color, "width": 2},
        },
        text=[_hover(curve.name, mark) for mark in curve.legal],
        hovertemplate="%{text}<extra></extra>",
    )


def _far_apart(values: Sequence[float]) -> bool:
    return min(values, default=0) > 0 and max(values) > _FAR_APART * min(values)


def _type(log: bool, values: Sequence[float]) -> str:
    return "log" if log and min(values, default=1) > 0 else "linear"


def _hover(name: str, mark: Mark) -> str:
    lines = [line for part in mark.text.split("<br>") for line in textwrap.wrap(part, _WRAP)]
    return "<br>".join([f"<b>{name}</b>", *lines])
