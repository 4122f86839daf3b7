"""Where a transformer's MACs go, and how cost and memory grow with the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import plotly.graph_objects as go

from explorer.figures._layout import styled
from explorer.figures.theme import INK, KIND_COLORS, MUTED_INK

PART_KINDS: Final = {
    "patches": "convolution",
    "qkv": "linear",
    "attention": "attention",
    "projection": "activation",
    "mlp": "pooling",
    "head": "normalization",
}
"""Part of a transformer -> the kind of layer whose colour it takes."""


class Curve(NamedTuple):
    """One quantity over the side of the image."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    kind: str
    """Kind of layer whose colour it takes."""
    dash: str = "solid"
    markers: bool = True


def part_bars(
    sizes: Sequence[str],
    parts: Sequence[tuple[str, str, Sequence[int]]],
    *,
    title: str,
    x_title: str,
    theme: str = "light",
) -> go.Figure:
    """A bar for each image size, divided into the shares of its MACs.

    Args:
        sizes: what each bar is called, from top to bottom.
        parts: key of `PART_KINDS`, its name, and its MACs at each size.
        title: of the figure.
        x_title: of the shares.
        theme: "light" or "dark".
    """
    totals = [sum(macs[at] for _, _, macs in parts) for at in range(len(sizes))]
    figure = go.Figure()
    for key, name, macs in parts:
        shares = [100 * each / total for each, total in zip(macs, totals, strict=True)]
        figure.add_bar(
            y=list(sizes), x=shares, name=name, orientation="h",
            marker={"color": KIND_COLORS[theme][PART_KINDS[key]]}, customdata=list(macs),
            text=[f"{share:.0f}%" if share >= 5 else "" for share in shares],
            textposition="inside", insidetextanchor="middle", textangle=0,
            textfont={"color": "#FFFFFF" if theme == "light" else "#12161C", "size": 12},
            hovertemplate="%{y}: %{customdata:,} (%{x:.2f}%)<extra>" + name + "</extra>",
        )  # fmt: skip
    styled(figure, title, theme, height=120 + 38 * len(sizes))
    figure.update_xaxes(title_text=x_title, ticksuffix="%", range=[0, 100])
    figure.update_yaxes(autorange="reversed", type="category")
    return figure.update_layout(barmode="stack", margin_b=80, legend_traceorder="normal")


def size_curves(
    curves: Sequence[Curve],
    *,
    title: str,
    x_title: str,
    y_title: str,
    chosen: float | None = None,
    chosen_name: str = "",
    mark: float | None = None,
    mark_name: str = "",
    tickformat: str = "~s",
    unit: str = "px",
    theme: str = "light",
) -> go.Figure:
    """Curves over the side of the image, or over another number.

    Args:
        curves: in the order of the legend.
        title: of the figure.
        x_title: of the sides.
        y_title: of the quantity, with its unit.
        chosen: the side that is looked at, a dotted line.
        chosen_name: what stands at it.
        mark: another side to mark, where it lies inside the figure.
        mark_name: what stands at it.
        tickformat: of the quantity, as d3 writes it.
        unit: of the sides, as it stands in hover text.
        theme: "light" or "dark".
    """
    figure = go.Figure()
    for curve in curves:
        color = KIND_COLORS[theme][curve.kind]
        figure.add_scatter(
            x=list(curve.xs), y=list(curve.ys), name=curve.name,
            mode="lines+markers" if curve.markers else "lines",
            line={"color": color, "width": 2.5, "dash": curve.dash},
            marker={"color": color, "size": 7},
            hovertemplate="%{x} " + unit + ": %{y:.4s}<extra>" + curve.name + "</extra>",
        )  # fmt: skip
    styled(figure, title, theme, height=360)
    last = max((x for curve in curves for x in curve.xs), default=0)
    for at, text, position in ((chosen, chosen_name, "top right"), (mark, mark_name, "top left")):
        if at is not None and at <= last:
            figure.add_vline(
                x=at,
                line={"color": MUTED_INK[theme], "width": 1.5, "dash": "dot"},
                annotation={"text": text, "font": {"size": 12, "color": INK[theme]}},
                annotation_position=position,
            )
    figure.update_xaxes(title_text=x_title, tickformat=",d")
    figure.update_yaxes(title_text=y_title, tickformat=tickformat, rangemode="tozero")
    return figure.update_layout(margin_b=80)
