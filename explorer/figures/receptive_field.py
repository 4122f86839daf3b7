"""The pixels that one value sees, on a picture; and how their number grows along a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from explorer.analysis.receptive_field import Field, Span
from explorer.figures._layout import styled
from explorer.figures._pixels import Pixels, ink, png_address
from explorer.figures.theme import INK, KIND_COLORS, MUTED_INK, PAPER, tint

WINDOW_NAMES: Final = {
    "title": "What one cell sees",
    "cell": "row {row}, column {column}",
    "centres": "centres of the cells' windows",
    "chosen": "the chosen cell's",
    "padding": "its window, in the padding",
}
GROWTH_NAMES: Final = {
    "title": "Size of the window along the network",
    "x": "layers, in execution order",
    "y": "rows seen",
    "layers": "window of a layer's cells",
    "whole": "sees the whole picture",
    "input": "rows of the picture",
    "chosen": "chosen",
}
_MOST_DOTS: Final = 28 * 28
_BEYOND: Final = 1.0
"""How far beyond the picture the view goes at most, in pictures."""


def window_picture(
    picture: Pixels,
    field: Field,
    cell: tuple[int, int],
    *,
    weights: npt.NDArray[np.float32] | None = None,
    ticks: bool = True,
    names: Mapping[str, str] = WINDOW_NAMES,
    theme: str = "light",
    height: int = 460,
) -> go.Figure:
    """The picture, the window of one cell with its part in the padding, the centres of all.

    Args:
        picture: (H, W, 3), of the input's size.
        field: of a layer; it must be defined.
        cell: row and column of the cell.
        weights: (H, W), 0 to 1: how much each pixel counts, drawn over the picture.
        ticks: write pixels at the axes.
        names: what is written, by the keys of `WINDOW_NAMES`.
        theme: "light" or "dark".
        height: in pixels.
    """
    assert field.rows
    assert field.columns
    rows, columns = picture.shape[:2]
    top, bottom = field.rows.window(cell[0])
    left, right = field.columns.window(cell[1])
    figure = go.Figure()
    shown = picture if weights is None else glowing(faded(picture, theme), weights, theme)
    _image(figure, shown, rows, columns)
    color = KIND_COLORS[theme]["add"]
    figure.add_shape(  # under the picture: only its part in the padding is seen
        type="rect", x0=left, x1=right + 1, y0=top, y1=bottom + 1, line_width=0,
        fillcolor=tint(color, theme, 0.22), layer="below",
    )  # fmt: skip
    figure.add_shape(type="rect", x0=0, x1=columns, y0=0, y1=rows,
                     line={"color": MUTED_INK[theme], "width": 1})  # fmt: skip
    figure.add_shape(type="rect", x0=left, x1=right + 1, y0=top, y1=bottom + 1,
                     line={"color": color, "width": 3})  # fmt: skip
    if min(top, left) < 0 or bottom >= rows or right >= columns:
        figure.add_scatter(
            x=[None], y=[None], mode="markers", name=names["padding"],
            marker={"symbol": "square", "size": 14, "color": tint(color, theme, 0.22),
                    "line": {"color": color, "width": 2}},
        )  # fmt: skip
    _centres(figure, field, cell, color, names, theme)
    styled(figure, names["title"], theme, height)
    view_y, view_x = _view(top, bottom + 1, rows), _view(left, right + 1, columns)
    quiet = {"showgrid": False, "showticklabels": ticks}
    figure.update_xaxes(range=view_x, constrain="domain", **quiet)
    figure.update_yaxes(range=view_y[::-1], scaleanchor="x", constrain="domain", **quiet)
    return figure.update_layout(hovermode="closest", margin_b=40)


def _view(low: int, high: int, side: int) -> tuple[float, float]:
    """What of an axis is shown: the picture and the window, but not endlessly far."""
    far = _BEYOND * side
    margin = 0.03 * side
    return max(min(low, 0), -far) - margin, min(max(high, side), side + far) + margin


def _image(figure: go.Figure, pixels: Pixels, rows: int, columns: int) -> None:
    figure.add_layout_image(
        source=png_address(pixels), xref="x", yref="y", x=0, y=0, sizex=columns, sizey=rows,
        sizing="stretch", layer="below",
    )  # fmt: skip


def _centres(
    figure: go.Figure,
    field: Field,
    cell: tuple[int, int],
    color: str,
    names: Mapping[str, str],
    theme: str,
) -> None:
    assert field.rows
    assert field.columns
    at_rows, at_columns = _middles(field.rows), _middles(field.columns)
    if 1 < len(at_rows) * len(at_columns) <= _MOST_DOTS and not field.whole:
        places = [(r, c) for r in range(len(at_rows)) for c in range(len(at_columns))]
        figure.add_scatter(
            x=[at_columns[c] for _r, c in places],
            y=[at_rows[r] for r, _c in places],
            mode="markers",
            marker={
                "size": 5 if len(places) <= 256 else 3,
                "color": PAPER[theme],
                "line": {"color": INK[theme], "width": 1},
            },
            name=names["centres"],
            text=[names["cell"].format(row=r, column=c) for r, c in places],
            hovertemplate="%{text}<extra></extra>",
        )
    figure.add_scatter(
        x=[at_columns[cell[1]]],
        y=[at_rows[cell[0]]],
        mode="markers",
        marker={"size": 13, "color": color, "line": {"color": PAPER[theme], "width": 2}},
        name=names["chosen"],
        text=[names["cell"].format(row=cell[0], column=cell[1])],
        hovertemplate="%{text}<extra></extra>",
    )


def _middles(span: Span) -> list[float]:
    """Where the middle of each cell's window lies, in pixels from the picture's edge."""
    windows = (span.window(cell) for cell in range(span.cells))
    return [(first + last + 1) / 2 for first, last in windows]


def faded(picture: Pixels, theme: str) -> Pixels:
    """A picture in grays, nearer to the paper, so that colour can be laid over it."""
    gray = picture @ np.array([0.299, 0.587, 0.114])
    paper = np.array(ink(PAPER[theme]))
    mixed: Pixels = np.round(0.5 * gray[..., None] + 0.5 * paper).astype(np.uint8)
    return mixed


def glowing(picture: Pixels, weights: npt.NDArray[np.float32], theme: str) -> Pixels:
    """A picture under colour that covers it the more the higher the weights are.

    What is covered is the square root of the weight, so that a tenth of the largest is still
    seen.

    Args:
        picture: (H, W, 3).
        weights: (H, W), 0 to 1.
        theme: "light" or "dark".
    """
    color = np.array(ink(KIND_COLORS[theme]["linear"]))
    cover = np.sqrt(np.clip(weights, 0, 1))[..., None]
    mixed: Pixels = np.round(cover * color + (1 - cover) * picture).astype(np.uint8)
    return mixed


class Point(NamedTuple):
    """One layer of the growth curve."""

    key: str
    text: str
    """What hovering says."""
    kind: str
    size: int | None
    """Rows of its window; None where the field is not defined."""
    whole: bool


def growth(
    points: Sequence[Point],
    side: int,
    *,
    selected: str = "",
    ticks: bool = True,
    names: Mapping[str, str] = GROWTH_NAMES,
    theme: str = "light",
    height: int = 360,
) -> go.Figure:
    """Size of the window of each layer, against the picture's side.

    Args:
        points: layers in execution order.
        side: rows of the picture.
        selected: key of the layer to mark.
        ticks: write sizes at the axis.
        names: what is written, by the keys of `GROWTH_NAMES`.
        theme: "light" or "dark".
        height: in pixels.

    Returns:
        A scatter on a logarithmic axis. A point's custom data is its layer's key.
    """
    figure = go.Figure()
    local = [(i, p) for i, p in enumerate(points, 1) if p.size is not None and not p.whole]
    whole = [(i, p) for i, p in enumerate(points, 1) if p.size is not None and p.whole]
    colors = KIND_COLORS[theme]
    _points(figure, local, names["layers"], colors["convolution"], "circle")
    _points(figure, whole, names["whole"], colors["attention"], "diamond-open")
    chosen = [(i, p) for i, p in (*local, *whole) if p.key == selected]
    if chosen:
        _points(figure, chosen, names["chosen"], colors["add"], "circle", 13)
    figure.add_scatter(
        x=[0.5, len(points) + 0.5], y=[side, side], mode="lines", name=names["input"],
        line={"color": INK[theme], "width": 1.5, "dash": "dash"}, hoverinfo="skip",
    )  # fmt: skip
    styled(figure, names["title"], theme, height)
    figure.update_xaxes(title_text=names["x"], range=[0, len(points) + 1], showticklabels=False)
    most = max([side, *(p.size for _i, p in local if p.size)], default=side)
    figure.update_yaxes(
        title_text=names["y"], type="log", dtick="D2", tickformat="~s",
        range=[-0.05, float(np.log10(most)) + 0.12], showticklabels=ticks,
    )  # fmt: skip
    return figure.update_layout(hovermode="closest", margin_b=78)


def _points(
    figure: go.Figure,
    points: Sequence[tuple[int, Point]],
    name: str,
    color: str,
    symbol: str,
    size: int = 6,
) -> None:
    if not points:
        return
    marker: dict[str, Any] = {"color": color, "size": size, "symbol": symbol}
    figure.add_scatter(
        x=[i for i, _p in points],
        y=[p.size for _i, p in points],
        mode="markers",
        marker=marker,
        name=name,
        customdata=[[p.key] for _i, p in points],
        text=[p.text for _i, p in points],
        hovertemplate="%{text}<extra></extra>",
    )
