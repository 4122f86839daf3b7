"""Bars that are made of parts: branches with their 1x1, layers with what they read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from explorer.analysis.units import compact, count
from explorer.figures._layout import styled
from explorer.figures.theme import INK, PAPER, kind_color, tint


class Part(NamedTuple):
    """A part that several bars have."""

    name: str
    kind: str
    """The kind of layer whose colour it has."""
    values: tuple[float, ...]
    """One for each bar."""
    strength: float = 1.0
    """How much of the colour is in it, 0 to 1."""


class Side(NamedTuple):
    """One of the bars that stand beside each other in each group."""

    name: str
    parts: tuple[Part, ...]


def grouped_parts(
    groups: Sequence[str],
    sides: Sequence[Side],
    *,
    title: str,
    y_title: str,
    height: int = 380,
    theme: str = "light",
) -> go.Figure:
    """Draw, for each group, one stacked bar a side, with its sum over it.

    Args:
        groups: names of the groups, left to right.
        sides: the bars of each group, left to right.
        title: what is shown.
        y_title: with its unit.
        height: in pixels.
        theme: "light" or "dark".
    """
    figure = go.Figure()
    width = 0.78 / len(sides)
    for place, side in enumerate(sides):
        at = [
            group + (place - (len(sides) - 1) / 2) * (width + 0.02) for group in range(len(groups))
        ]
        for part in side.parts:
            figure.add_bar(
                x=at,
                y=part.values,
                name=f"{side.name}: {part.name}" if part.name else side.name,
                width=width,
                marker={
                    "color": tint(kind_color(part.kind, theme), theme, part.strength),
                    "line": {"color": kind_color(part.kind, theme), "width": 1},
                },
                text=[count(round(value)) for value in part.values],
                textposition="none",
                hovertemplate=f"%{{text}}<extra>{part.name or side.name}</extra>",
            )
        for x, total in zip(at, _sums(side), strict=True):
            figure.add_annotation(
                x=x, y=total, text=compact(total).replace(" ", ""), showarrow=False,
                yanchor="bottom", font={"size": 11, "color": INK[theme]},
            )  # fmt: skip
    styled(figure, title, theme, height)
    figure.update_xaxes(
        tickmode="array", tickvals=list(range(len(groups))), ticktext=list(groups),
        range=[-0.55, len(groups) - 0.45], tickfont={"size": 13, "color": INK[theme]},
    )  # fmt: skip
    figure.update_yaxes(title_text=y_title, tickformat="~s", rangemode="tozero", nticks=5)
    return figure.update_layout(
        barmode="stack", hovermode="closest", margin={"b": 84}, legend_traceorder="normal"
    )


def _sums(side: Side) -> list[float]:
    return [sum(values) for values in zip(*(part.values for part in side.parts), strict=True)]


def reading_bars(
    sources: Sequence[Sequence[int]],
    widths: Sequence[int],
    *,
    title: str,
    x_title: str,
    y_title: str,
    names: tuple[str, str, str],
    height: int = 380,
    theme: str = "light",
) -> go.Figure:
    """Draw for each layer of a dense block what it reads: a piece for each connection.

    Args:
        sources: for each layer the channels of every result that it reads.
        widths: channels that enter each block of the network beside, drawn as a line.
        title: what is shown.
        x_title: of the layers.
        y_title: of the channels.
        names: of the block's input, of the layers' results, of the line.
        height: in pixels.
        theme: "light" or "dark".
    """
    figure = go.Figure()
    entry, grown, beside = names
    for place in range(len(sources)):
        at = list(range(place + 1, len(sources) + 1))
        kind = "input" if place == 0 else "concat"
        color = kind_color(kind, theme)
        figure.add_bar(
            x=at,
            y=[sources[layer - 1][place] for layer in at],
            name=entry if place == 0 else grown,
            legendgroup=kind,
            showlegend=place < 2,
            width=0.72,
            marker={
                "color": tint(color, theme, 0.35 if place == 0 else 0.45 + 0.3 * (place % 2)),
                "line": {"color": PAPER[theme], "width": 1.5},
            },
            hovertemplate=f"%{{y}}<extra>{entry if place == 0 else f'{grown} {place}'}</extra>",
        )
    if widths:
        figure.add_scatter(
            x=list(range(1, len(widths) + 1)),
            y=widths,
            mode="lines+markers",
            name=beside,
            line={"color": kind_color("add", theme), "width": 2.5, "shape": "hvh"},
            marker={"size": 7},
            hovertemplate=f"%{{y}}<extra>{beside}</extra>",
        )
    styled(figure, title, theme, height)
    figure.update_xaxes(title_text=x_title, dtick=1 if len(sources) <= 16 else 4)
    figure.update_yaxes(title_text=y_title, rangemode="tozero")
    return figure.update_layout(barmode="stack", hovermode="closest", margin={"b": 84})


def share_bars(
    names: Sequence[str],
    parts: Sequence[Part],
    *,
    title: str,
    theme: str = "light",
) -> go.Figure:
    """Draw lying bars of equal length, each divided into the shares of its parts.

    Args:
        names: of the bars, top to bottom.
        parts: left to right.
        title: what is shown.
        theme: "light" or "dark".
    """
    figure = go.Figure()
    wholes = [sum(values) or 1 for values in zip(*(part.values for part in parts), strict=True)]
    for part in parts:
        shares = [value / whole for value, whole in zip(part.values, wholes, strict=True)]
        figure.add_bar(
            y=list(names),
            x=shares,
            orientation="h",
            name=part.name,
            marker={
                "color": tint(kind_color(part.kind, theme), theme, 0.45),
                "line": {"color": kind_color(part.kind, theme), "width": 1},
            },
            text=[f"{share:.1%}" if share > 0.03 else "" for share in shares],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            textfont={"color": INK[theme], "size": 13},
            customdata=[[count(round(value))] for value in part.values],
            hovertemplate=f"%{{customdata[0]}}, %{{x:.2%}}<extra>{part.name}</extra>",
        )
    styled(figure, title, theme, 130 + 46 * len(names))
    figure.update_xaxes(visible=False, range=[0, 1])
    figure.update_yaxes(autorange="reversed", showgrid=False, tickfont={"size": 13})
    return figure.update_layout(
        barmode="stack", hovermode="closest", margin={"b": 56}, legend_traceorder="normal"
    )
