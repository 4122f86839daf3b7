"""A convolution and its separable pair: who reaches whom, and where each lies under the roof."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from math import log10
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from explorer.analysis.units import compact, rounded
from explorer.figures._layout import styled
from explorer.figures.theme import INK, MUTED_INK, PAPER, kind_color, tint


def reach_maps(
    panels: Sequence[tuple[str, NDArray[np.bool_]]],
    *,
    groups: int,
    x_title: str,
    y_title: str,
    theme: str = "light",
) -> go.Figure:
    """Draw which inputs each output depends on, a square for each pair of channels.

    Args:
        panels: title and matrix (outputs, inputs), left to right.
        groups: that the outputs are coloured by.
        x_title: of the inputs.
        y_title: of the outputs.
        theme: "light" or "dark".
    """
    figure = make_subplots(
        rows=1, cols=len(panels), subplot_titles=[_wrapped(title) for title, _ in panels],
        horizontal_spacing=0.1,
    )  # fmt: skip
    for column, (_, matrix) in enumerate(panels, 1):
        channels = len(matrix)
        figure.add_heatmap(
            z=matrix.astype(int),
            x=list(range(1, channels + 1)),
            y=list(range(1, channels + 1)),
            xgap=2,
            ygap=2,
            zmin=0,
            zmax=1,
            showscale=False,
            colorscale=[
                [0, tint(MUTED_INK[theme], theme, 0.12)], [1, kind_color("convolution", theme)]
            ],
            hovertemplate="%{y} ← %{x}: %{z}<extra></extra>",
            row=1,
            col=column,
        )  # fmt: skip
        for border in range(1, groups):
            at = border * channels / groups + 0.5
            figure.add_hline(y=at, line={"color": INK[theme], "width": 1}, row=1, col=column)
    styled(figure, "", theme, 330)
    figure.update_xaxes(title_text=x_title, dtick=1, constrain="domain")
    figure.update_yaxes(autorange="reversed", dtick=1, showgrid=False)
    figure.update_yaxes(title_text=y_title, row=1, col=1)
    for column in range(1, len(panels) + 1):
        figure.update_yaxes(
            scaleanchor="x" if column == 1 else f"x{column}", constrain="domain", row=1, col=column
        )
    figure.update_annotations(font={"size": 14, "color": INK[theme]})
    return figure.update_layout(margin={"t": 56})


def _wrapped(title: str) -> str:
    """In lines that stand side by side on a phone: a figure's text does not wrap by itself."""
    return "<br>".join(textwrap.wrap(title, 18))


class RoofDot(NamedTuple):
    """One layer under the roof."""

    name: str
    kind: str
    intensity: float
    """Operations a byte."""
    rate: float
    """Operations a second."""
    ms: float


def roof(
    dots: Sequence[RoofDot],
    *,
    peak: float,
    bandwidth: float,
    title: str,
    x_title: str,
    y_title: str,
    texts: tuple[str, str],
    height: int = 400,
    theme: str = "light",
) -> go.Figure:
    """Draw a device's roof and where a few layers lie under it.

    Args:
        dots: the layers; each has its name and its time beside it.
        peak: operations a second.
        bandwidth: bytes a second.
        title: what is shown.
        x_title: operations a byte.
        y_title: operations a second.
        texts: what the slope and the flat part of the roof mean.
        height: in pixels.
        theme: "light" or "dark".
    """
    ridge = peak / bandwidth
    low = min([ridge, *(dot.intensity for dot in dots)]) / 3
    high = max([ridge, *(dot.intensity for dot in dots)]) * 6
    least = min(low * bandwidth, *(dot.rate for dot in dots)) / 2
    figure = go.Figure()
    figure.add_scatter(
        x=[low, ridge, high],
        y=[low * bandwidth, peak, peak],
        mode="lines",
        line={"color": INK[theme], "width": 2},
        hoverinfo="skip",
        showlegend=False,
    )
    figure.add_vrect(
        x0=low, x1=ridge, layer="below", line_width=0,
        fillcolor=tint(kind_color("linear", theme), theme, 0.1),
    )  # fmt: skip
    for dot in dots:
        figure.add_scatter(
            x=[dot.intensity],
            y=[dot.rate],
            mode="markers+text",
            name=dot.name,
            text=[f"{dot.name}<br>{rounded(dot.ms)} ms"],
            textposition="bottom right" if dot.intensity < ridge else "bottom center",
            textfont={"size": 13, "color": INK[theme]},
            marker={
                "size": 17,
                "color": kind_color(dot.kind, theme),
                "line": {"color": PAPER[theme], "width": 1},
            },
            hovertemplate=(
                f"<b>{dot.name}</b><br>{rounded(dot.intensity)}, {compact(dot.rate)}<extra></extra>"
            ),
            showlegend=False,
        )
    slope, flat = texts
    for x, text in ((ridge, slope), (high, flat)):
        figure.add_annotation(
            x=log10(x), y=0.02, yref="paper", text=text, showarrow=False, xanchor="right",
            yanchor="bottom", xshift=-6, font={"size": 12, "color": MUTED_INK[theme]},
        )  # fmt: skip
    styled(figure, title, theme, height)
    figure.update_xaxes(
        type="log", title_text=x_title, dtick=1, tickformat="~g", range=[log10(low), log10(high)]
    )
    figure.update_yaxes(
        type="log", title_text=y_title, dtick=1, tickformat="~s", exponentformat="SI",
        range=[log10(least) - 0.35, log10(peak) + 0.45],
    )  # fmt: skip
    return figure.update_layout(hovermode="closest")
