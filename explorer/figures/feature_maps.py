"""Maps and filters of a layer as tiles, and one map over the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from explorer.figures._layout import styled
from explorer.figures._pixels import Array, Pixels, diverging, png_address, scale_colors
from explorer.figures.receptive_field import faded
from explorer.figures.theme import INK, KIND_COLORS, MUTED_INK, PAPER

GRID_NAMES: Final = {"title": "Maps of the layer"}
OVER_NAMES: Final = {"title": "Channel {channel} over the picture", "value": "value"}
FILTER_NAMES: Final = {"title": "Filters"}
BAR_NAMES: Final = {"title": "Values of the channels", "x": "channel", "y": "value"}
_GAP: Final = 0.12
"""Between two tiles, of a tile's width."""


def tile_grid(
    tiles: Sequence[Pixels],
    labels: Sequence[str],
    texts: Sequence[str],
    keys: Sequence[int],
    *,
    selected: int | None = None,
    title: str,
    theme: str = "light",
    height: int = 560,
    wide: float = 1.3,
) -> go.Figure:
    """Small pictures in rows, each with its label; a click on one can select it.

    Args:
        tiles: pictures of one size, (h, w, 3), drawn without smoothing.
        labels: written over each.
        texts: what hovering over each says.
        keys: custom data of each.
        selected: key of the tile that is framed.
        title: of the figure.
        theme: "light" or "dark".
        height: in pixels.
        wide: width over height of the place that there is.
    """
    figure = go.Figure()
    rows, columns = tiles[0].shape[:2]
    ratio = rows / columns
    label_space = 0.26
    step_y = ratio + label_space
    across = max(1, min(len(tiles), ceil(sqrt(len(tiles) * wide * step_y / (1 + _GAP)))))
    middles: list[tuple[float, float]] = []
    for number, pixels in enumerate(tiles):
        row, column = divmod(number, across)
        x, y = column * (1 + _GAP), row * step_y + label_space
        figure.add_layout_image(
            source=png_address(_sharp(pixels)), xref="x", yref="y", x=x, y=y, sizex=1,
            sizey=ratio, sizing="stretch", layer="below",
        )  # fmt: skip
        middles.append((x + 0.5, y + ratio / 2))
    figure.add_scatter(
        x=[x for x, _y in middles],
        y=[y for _x, y in middles],
        mode="markers",
        marker={"size": 26, "opacity": 0, "symbol": "square"},
        customdata=[[key] for key in keys],
        text=list(texts),
        hovertemplate="%{text}<extra></extra>",
        selected={"marker": {"opacity": 0}},
        unselected={"marker": {"opacity": 0}},
        showlegend=False,
    )
    figure.add_scatter(
        x=[x - 0.5 for x, _y in middles],
        y=[y - ratio / 2 - 0.02 for _x, y in middles],
        mode="text",
        text=list(labels),
        textposition="top right",
        textfont={"size": 10 if len(tiles) > 40 else 12, "color": MUTED_INK[theme]},
        hoverinfo="skip",
        showlegend=False,
        cliponaxis=False,
    )
    for key, (x, y) in zip(keys, middles, strict=True):
        framed = key == selected
        figure.add_shape(
            type="rect", x0=x - 0.5, x1=x + 0.5, y0=y - ratio / 2, y1=y + ratio / 2,
            line={
                "color": KIND_COLORS[theme]["add"] if framed else MUTED_INK[theme],
                "width": 3 if framed else 0.5,
            },
        )  # fmt: skip
    styled(figure, title, theme, height)
    down = ceil(len(tiles) / across)
    hidden = {"showgrid": False, "showticklabels": False, "showline": False}
    figure.update_xaxes(range=[-0.05, across * (1 + _GAP) - _GAP + 0.05], **hidden)
    figure.update_yaxes(
        range=[down * step_y + 0.05, -0.02], scaleanchor="x", constrain="domain",
        constraintoward="top", **hidden,
    )  # fmt: skip
    figure.update_xaxes(constrain="domain")
    return figure.update_layout(hovermode="closest", clickmode="event+select")


def _sharp(pixels: Pixels, least: int = 96) -> Pixels:
    """Enlarged without smoothing: a browser would blur the pixels of a small map."""
    factor = max(1, ceil(least / max(pixels.shape[:2])))
    return pixels.repeat(factor, 0).repeat(factor, 1)


def map_tiles(values: Array, theme: str) -> list[Pixels]:
    """Colour maps, (K, h, w), each from -1 to 1."""
    return list(diverging(values, theme))


def filter_tiles(filters: npt.NDArray[np.float16], theme: str) -> list[Pixels]:
    """Filters as pictures: of three inputs in colour, of others each input by itself.

    Args:
        filters: (K, 3, k, k): one picture a filter, its largest magnitude being black or white;
            (K, 1, k, k): blue, paper and orange.
        theme: "light" or "dark".
    """
    plain = filters.astype(np.float32)
    peaks = np.abs(plain).max(axis=(1, 2, 3), keepdims=True)
    scaled = plain / np.where(peaks > 0, peaks, 1)
    if scaled.shape[1] == 3:
        colors = np.round((scaled + 1) * 127.5).astype(np.uint8)
        return list(colors.transpose(0, 2, 3, 1))
    return list(diverging(scaled[:, 0], theme))


def map_over_picture(
    picture: Pixels,
    values: Array,
    peak: float,
    *,
    title: str,
    value: str = OVER_NAMES["value"],
    ticks: bool = True,
    theme: str = "light",
    height: int = 460,
) -> go.Figure:
    """One map over the faded picture, each value as a square as large as its share of it.

    Args:
        picture: (H, W, 3).
        values: (h, w), -1 to 1.
        peak: what 1 stands for.
        title: of the figure.
        value: what a value is called.
        ticks: write values at the colour bar.
        theme: "light" or "dark".
        height: in pixels.
    """
    rows, columns = picture.shape[:2]
    down, across = values.shape
    figure = go.Figure()
    figure.add_layout_image(
        source=png_address(faded(picture, theme)), xref="x", yref="y", x=0, y=0, sizex=columns,
        sizey=rows, sizing="stretch", layer="below",
    )  # fmt: skip
    low, middle, high = scale_colors(theme)
    whole = values.astype(np.float32) * peak
    figure.add_heatmap(
        z=np.round(whole, 6),
        x0=columns / across / 2,
        dx=columns / across,
        y0=rows / down / 2,
        dy=rows / down,
        zmin=-peak or -1,
        zmax=peak or 1,
        colorscale=[[0, low], [0.5, middle], [1, high]],
        opacity=0.72,
        colorbar={
            "thickness": 12, "len": 0.9, "outlinewidth": 0,
            "tickfont": {"size": 12, "color": MUTED_INK[theme]},
            "showticklabels": ticks, "nticks": 5,
        },
        hovertemplate=f"{value} %{{z:.4g}}<extra></extra>" if ticks else None,
        hoverinfo=None if ticks else "skip",
    )  # fmt: skip
    styled(figure, title, theme, height)
    hidden = {"showgrid": False, "showticklabels": False}
    figure.update_xaxes(range=[0, columns], constrain="domain", **hidden)
    figure.update_yaxes(range=[rows, 0], scaleanchor="x", constrain="domain", **hidden)
    return figure


def vector_bars(
    values: Array,
    *,
    selected: int | None = None,
    names: Mapping[str, str] = BAR_NAMES,
    theme: str = "light",
    height: int = 320,
) -> go.Figure:
    """One bar for each channel of a layer whose result has no places.

    Args:
        values: (C,).
        selected: the channel that is marked.
        names: what is written, by the keys of `BAR_NAMES`.
        theme: "light" or "dark".
        height: in pixels.
    """
    colors = KIND_COLORS[theme]
    bars = [colors["add"] if i == selected else colors["linear"] for i in range(len(values))]
    figure = go.Figure()
    figure.add_bar(
        x=list(range(len(values))),
        y=np.round(values.astype(np.float32), 6),
        marker={"color": bars, "line": {"width": 0, "color": PAPER[theme]}},
        hovertemplate=f"{names['x']} %{{x}}: %{{y:.4g}}<extra></extra>",
    )
    styled(figure, names["title"], theme, height)
    figure.update_xaxes(title_text=names["x"])
    figure.update_yaxes(title_text=names["y"], zeroline=True, zerolinecolor=INK[theme])
    return figure.update_layout(bargap=0 if len(values) > 80 else 0.1)
