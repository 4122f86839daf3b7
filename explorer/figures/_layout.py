"""What all figures look like: type, grid and margins of one theme."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import plotly.graph_objects as go

from explorer.figures.theme import INK, MUTED_INK, PAPER, tint

FONT: Final = "Source Sans, Noto Sans SC, PingFang SC, Microsoft YaHei, sans-serif"


def styled(figure: go.Figure, title: str, theme: str, height: int) -> go.Figure:
    """Give a figure its title, its size and the theme's colours, and return it."""
    figure.update_layout(
        title={"text": title, "x": 0, "xref": "container", "xanchor": "left", "font_size": 16},
        height=height,
        margin={"l": 8, "r": 8, "t": 44, "b": 8},
        font={"family": FONT, "size": 13, "color": INK[theme]},
        paper_bgcolor=PAPER[theme],
        plot_bgcolor=PAPER[theme],
        hoverlabel={
            "bgcolor": PAPER[theme],
            "bordercolor": MUTED_INK[theme],
            "font": {"family": FONT, "size": 13, "color": INK[theme]},
            "align": "left",
        },
        # At the foot, where it can take a second line on a narrow screen.
        legend={
            "orientation": "h",
            "x": 0,
            "y": 0,
            "yref": "container",
            "yanchor": "bottom",
            "itemsizing": "constant",
        },
        bargap=0.15,
        dragmode=False,
    )
    figure.update_xaxes(**_axis(theme), showgrid=False)
    figure.update_yaxes(**_axis(theme))
    return figure


def mark_selection(figure: go.Figure, keys: Sequence[str], selected: str, theme: str) -> None:
    """Mark the selected layer with a line, or the layers of a selected module with a band.

    Args:
        figure: with the layers at 1, 2, 3 ... on its x axes.
        keys: the layers drawn, in order.
        selected: key of a layer or path of a module; "" marks nothing.
        theme: "light" or "dark".
    """
    if selected in keys:
        number = keys.index(selected) + 1
        figure.add_vline(x=number, line={"color": INK[theme], "width": 1.5, "dash": "dot"})
        return
    inside = (f"{selected}.", f"{selected}:")
    numbers = [number for number, key in enumerate(keys, 1) if key.startswith(inside)]
    if selected and numbers:
        figure.add_vrect(
            x0=numbers[0] - 0.5,
            x1=numbers[-1] + 0.5,
            fillcolor=MUTED_INK[theme],
            opacity=0.18,
            layer="below",
            line_width=0,
        )


def _axis(theme: str) -> dict[str, Any]:
    return {
        "gridcolor": tint(MUTED_INK[theme], theme, 0.2),
        "linecolor": tint(MUTED_INK[theme], theme, 0.4),
        "zeroline": False,
        "ticks": "",
        "automargin": True,
        "title_font": {"size": 13, "color": MUTED_INK[theme]},
        "tickfont": {"size": 12, "color": MUTED_INK[theme]},
        "fixedrange": True,
    }
