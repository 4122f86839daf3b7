"""What all figures look like: type, grid and margins of one theme."""

from __future__ import annotations

from typing import Any, Final

import plotly.graph_objects as go

from explorer.figures.theme import INK, MUTED_INK, PAPER, tint

FONT: Final = "Source Sans, Noto Sans SC, PingFang SC, Microsoft YaHei, sans-serif"


def styled(figure: go.Figure, title: str, theme: str, height: int) -> go.Figure:
    """Give a figure its title, its size and the theme's colours, and return it."""
    figure.update_layout(
        title={"text": title, "x": 0, "xref": "container", "xanchor": "left", "font_size": 16},
        height=height,
        margin={"l": 8, "r": 8, "t": 72, "b": 8},
        font={"family": FONT, "size": 13, "color": INK[theme]},
        paper_bgcolor=PAPER[theme],
        plot_bgcolor=PAPER[theme],
        hoverlabel={
            "bgcolor": PAPER[theme],
            "bordercolor": MUTED_INK[theme],
            "font": {"family": FONT, "size": 13, "color": INK[theme]},
            "align": "left",
        },
        legend={
            "orientation": "h",
            "x": 0,
            "y": 1,
            "yref": "paper",
            "yanchor": "bottom",
            "itemsizing": "constant",
            "entrywidth": 0,
        },
        bargap=0.15,
        dragmode=False,
    )
    figure.update_xaxes(**_axis(theme), showgrid=False)
    figure.update_yaxes(**_axis(theme))
    return figure


def selection_line(theme: str) -> dict[str, Any]:
    """Line style that marks the selected layer."""
    return {"color": INK[theme], "width": 1.5, "dash": "dot"}


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
