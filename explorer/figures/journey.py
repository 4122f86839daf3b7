"""A row of architectures over the years, in three quantities, with one of them lit."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10
from typing import Any, Final, NamedTuple

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from explorer.analysis.units import compact
from explorer.figures._layout import styled
from explorer.figures.theme import INK, MUTED_INK, PAPER, kind_color, tint

_HEIGHT: Final = 450


class Mark(NamedTuple):
    """One architecture."""

    label: str
    year: int
    values: tuple[float | None, ...]
    """One for each quantity; None where it is not known."""


class Quantity(NamedTuple):
    """What one of the charts over each other shows."""

    title: str
    log: bool
    unit: str = ""


def journey(
    marks: Sequence[Mark],
    quantities: Sequence[Quantity],
    *,
    lit: int = -1,
    before: Mark | None = None,
    title: str = "",
    theme: str = "light",
) -> go.Figure:
    """Draw a chart for each quantity, with the architectures from left to right.

    Args:
        marks: in the order of their years.
        quantities: top to bottom.
        lit: place of the architecture to stand out; -1 for none.
        before: what that one is compared with, as an open mark with an arrow from it.
        title: over all of it.
        theme: "light" or "dark".

    Returns:
        Charts that share the horizontal axis, where every architecture has the same room.
    """
    figure = make_subplots(rows=len(quantities), cols=1, shared_xaxes=True, vertical_spacing=0.11)
    places = list(range(len(marks)))
    names = [f"{mark.label}<br>{mark.year}" for mark in marks]
    for row, quantity in enumerate(quantities, 1):
        values = [mark.values[row - 1] for mark in marks]
        figure.add_scatter(
            x=places,
            y=values,
            mode="lines+markers",
            connectgaps=True,
            line={"color": tint(MUTED_INK[theme], theme, 0.55), "width": 2},
            marker={
                "color": [_color(place == lit, theme) for place in places],
                "size": [15 if place == lit else 8 for place in places],
                "line": {"color": PAPER[theme], "width": 1},
            },
            text=[_card(mark, value, quantity) for mark, value in zip(marks, values, strict=True)],
            hovertemplate="%{text}<extra></extra>",
            showlegend=False,
            row=row,
            col=1,
        )
        if lit >= 0:
            _say(figure, row, lit, values[lit], quantity, theme)
            if before:
                _from(figure, row, lit, before, values[lit], quantity, theme)
        figure.add_annotation(
            x=0, xref="paper", y=1, yref=f"y{row if row > 1 else ''} domain", xanchor="left",
            yanchor="bottom", text=quantity.title, showarrow=False,
            font={"size": 13, "color": MUTED_INK[theme]},
        )  # fmt: skip
        figure.update_yaxes(
            type="log" if quantity.log else "linear",
            dtick=2 if quantity.log else None,
            tickformat="~s" if quantity.log else "",
            ticksuffix=quantity.unit,
            nticks=4,
            row=row,
            col=1,
        )
    styled(figure, title, theme, _HEIGHT)
    if lit >= 0:
        figure.add_vrect(
            x0=lit - 0.5, x1=lit + 0.5, layer="below", line_width=0,
            fillcolor=tint(kind_color("linear", theme), theme, 0.14),
        )  # fmt: skip
    figure.update_xaxes(range=[-0.6, len(marks) - 0.4], tickvals=places, showticklabels=False)
    figure.update_xaxes(showticklabels=True, ticktext=names, row=len(quantities), col=1)
    figure.update_xaxes(autotickangles=[0, -40, -90])
    return figure.update_layout(hovermode="closest", margin={"t": 60 if title else 24})


def _color(lit: bool, theme: str) -> str:
    return kind_color("linear" if lit else "convolution", theme)


def _card(mark: Mark, value: float | None, quantity: Quantity) -> str:
    text = "" if value is None else _text(value, quantity)
    return f"<b>{mark.label}</b> ({mark.year})<br>{quantity.title}: {text}"


def _text(value: float, quantity: Quantity) -> str:
    return f"{compact(value)}{quantity.unit}" if quantity.log else f"{value:.1f}{quantity.unit}"


def _height(value: float, quantity: Quantity) -> float:
    """Where Plotly has an annotation: at the logarithm on a logarithmic axis."""
    return log10(value) if quantity.log else value


def _say(
    figure: go.Figure, row: int, lit: int, value: float | None, quantity: Quantity, theme: str
) -> None:
    if value is None:
        return
    right = lit < 9
    figure.add_annotation(
        x=lit,
        y=_height(value, quantity),
        text=f"<b>{_text(value, quantity)}</b>",
        showarrow=False,
        xanchor="left" if right else "right",
        xshift=12 if right else -12,
        font={"size": 13, "color": INK[theme]},
        bgcolor=tint(kind_color("linear", theme), theme, 0.14),
        row=row,
        col=1,
    )


def _from(
    figure: go.Figure,
    row: int,
    lit: int,
    before: Mark,
    value: float | None,
    quantity: Quantity,
    theme: str,
) -> None:
    """An open mark at what was before, and an arrow to what is."""
    old = before.values[row - 1]
    if old is None or value is None:
        return
    color = kind_color("linear", theme)
    at = lit - 0.3
    figure.add_scatter(
        x=[at],
        y=[old],
        mode="markers",
        marker={"color": PAPER[theme], "size": 10, "line": {"color": color, "width": 2}},
        text=[_card(before, old, quantity)],
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
        row=row,
        col=1,
    )
    arrow: dict[str, Any] = {"axref": f"x{row}" if row > 1 else "x"}
    arrow["ayref"] = arrow["axref"].replace("x", "y")
    figure.add_annotation(
        x=lit, y=_height(value, quantity), ax=at, ay=_height(old, quantity), **arrow,
        text="", showarrow=True, arrowhead=2, arrowwidth=1.5, arrowcolor=color, standoff=8,
        startstandoff=6, row=row, col=1,
    )  # fmt: skip
