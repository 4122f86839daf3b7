"""A few named curves over one quantity, each with its name at its end."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import NamedTuple

import plotly.graph_objects as go

from explorer.figures._layout import styled
from explorer.figures.theme import INK, MUTED_INK, kind_color


class Line(NamedTuple):
    """One curve."""

    name: str
    kind: str
    """The kind of layer whose colour it has."""
    x: tuple[float, ...]
    y: tuple[float, ...]
    """NaN where it has no value."""
    dash: str = "solid"
    mark: float | None = None
    """Where on its x axis a large dot stands."""


def lines(
    shown: Sequence[Line],
    *,
    title: str,
    x_title: str,
    y_title: str,
    log_x: bool = False,
    log_y: bool = False,
    y_format: str = "",
    x_ticks: Sequence[float] = (),
    height: int = 360,
    theme: str = "light",
) -> go.Figure:
    """Draw curves over one axis.

    Args:
        shown: first to last, as the legend has them.
        title: what is shown.
        x_title: with its unit.
        y_title: with its unit.
        log_x: a logarithmic axis, as the next one.
        log_y: of the values.
        y_format: of the values' ticks and cards, as d3 spells it.
        x_ticks: where the axis is labelled; () leaves it to Plotly.
        height: in pixels.
        theme: "light" or "dark".
    """
    figure = go.Figure()
    for line in shown:
        color = kind_color(line.kind, theme)
        figure.add_scatter(
            x=line.x,
            y=[y if isfinite(y) else None for y in line.y],
            mode="lines+markers",
            name=line.name,
            line={"color": color, "width": 2.5, "dash": line.dash},
            marker={
                "size": [13 if x == line.mark else 6 for x in line.x],
                "color": color,
                "line": {
                    "color": INK[theme],
                    "width": [1.5 if x == line.mark else 0 for x in line.x],
                },
            },
            hovertemplate=f"{line.name}<br>%{{x}}: %{{y:{y_format}}}<extra></extra>",
        )
    marked = next((line.mark for line in shown if line.mark is not None), None)
    if marked is not None:
        figure.add_vline(x=marked, line={"color": MUTED_INK[theme], "width": 1, "dash": "dot"})
    styled(figure, title, theme, height)
    figure.update_xaxes(title_text=x_title, type="log" if log_x else "linear")
    if x_ticks:
        figure.update_xaxes(
            tickmode="array", tickvals=list(x_ticks), ticktext=list(map(str, x_ticks))
        )
    figure.update_yaxes(
        title_text=y_title, type="log" if log_y else "linear", tickformat=y_format,
        rangemode="normal" if log_y else "tozero", dtick=1 if log_y else None,
    )  # fmt: skip
    return figure.update_layout(hovermode="closest", margin={"b": 84})
