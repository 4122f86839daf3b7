"""Where a transformer's MACs go, and how cost and memory grow with the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
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
_MOST_LINES: Final = 64
"""Grid lines each way up to which patches are drawn one by one."""


class Curve(NamedTuple):
    """One quantity over the side of the image."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    kind: str
    """Kind of layer whose colour it takes."""
    dash: str = "solid"
    markers: bool = True


def patch_grid(
    picture: npt.NDArray[np.uint8],
    patches: int,
    *,
    title: str,
    windows: int = 0,
    theme: str = "light",
) -> go.Figure:
    """A picture cut into patches.

    Args:
        picture: pixels, (side, side, 3).
        patches: a side; above 64 the grid is as fine as the pixels, and is left out.
        title: of the figure.
        windows: patches along a window of attention, drawn as heavier lines; 0 for none.
        theme: "light" or "dark".
    """
    side = picture.shape[0]
    figure = go.Figure(go.Image(z=picture, hoverinfo="skip"))
    styled(figure, title, theme, height=420)
    lines = [cut * side / patches for cut in range(patches + 1)]
    for every, color, width in ((1, "#FFFFFF", 1.0), (windows, "#000000", 2.5)):
        if every and patches // every <= _MOST_LINES:
            xs, ys = _grid(lines[::every], side)
            figure.add_scatter(
                x=xs, y=ys, mode="lines", hoverinfo="skip", showlegend=False,
                line={"color": color, "width": width},
            )  # fmt: skip
    figure.update_xaxes(visible=False, range=[-0.5, side - 0.5], constrain="domain")
    figure.update_yaxes(visible=False, range=[side - 0.5, -0.5], scaleanchor="x",
                        constrain="domain")  # fmt: skip
    return figure


def _grid(lines: Sequence[float], side: int) -> tuple[list[float | None], list[float | None]]:
    """One path through all lines of a grid; None lifts the pen."""
    xs: list[float | None] = []
    ys: list[float | None] = []
    for at in lines:
        xs += [at - 0.5, at - 0.5, None, -0.5, side - 0.5, None]
        ys += [-0.5, side - 0.5, None, at - 0.5, at - 0.5, None]
    return xs, ys


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
    log: bool = False,
    theme: str = "light",
) -> go.Figure:
    """Curves over the side of the image, in pixels.

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
        log: draw both axes logarithmically.
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
            hovertemplate="%{x} px: %{y:.4s}<extra>" + curve.name + "</extra>",
        )  # fmt: skip
    styled(figure, title, theme, height=400)
    last = max((x for curve in curves for x in curve.xs), default=0)
    for at, text, position in ((chosen, chosen_name, "top left"), (mark, mark_name, "top right")):
        if at is not None and at <= last:
            figure.add_vline(
                x=at,
                line={"color": MUTED_INK[theme], "width": 1.5, "dash": "dot"},
                annotation={"text": text, "font": {"size": 12, "color": INK[theme]}},
                annotation_position=position,
            )
    kind = "log" if log else "linear"
    figure.update_xaxes(title_text=x_title, type=kind, tickformat=",d")
    figure.update_yaxes(
        title_text=y_title, type=kind, tickformat=tickformat,
        rangemode="normal" if log else "tozero",
    )  # fmt: skip
    return figure.update_layout(margin_b=80)
