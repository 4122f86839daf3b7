"""How the tensor's shape changes on its way through the network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from explorer.analysis import Layer
from explorer.analysis.units import shape_text
from explorer.figures._layout import mark_selection, styled
from explorer.figures.theme import KIND_COLORS
from explorer.text import N_, _

Shape = tuple[int, ...]

_SIZE_ROW: Final = 1
_CHANNELS_ROW: Final = 2


class _Extent(NamedTuple):
    """A tensor's sides; None where it has none."""

    height: int | None
    width: int | None
    tokens: int | None
    channels: int


def shape_profile(rows: Sequence[Layer], *, theme: str = "light", selected: str = "") -> go.Figure:
    """Height, width (or tokens) and channels of each layer's output.

    Args:
        rows: layers in execution order.
        theme: "light" or "dark".
        selected: layer or module to mark.

    Returns:
        Two step charts over the same layers, sizes on logarithmic axes. A point's custom data
        is its layer's key.
    """
    shown = [(row, extent) for row in rows if (extent := _extent(row.output_shape)) is not None]
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.08)
    colors = KIND_COLORS[theme]
    square = all(extent.height == extent.width for _, extent in shown)
    both = N_("height and width")
    sides = [
        (both if square else N_("height"), "height", colors["convolution"], "solid"),
        (N_("tokens"), "tokens", colors["attention"], "solid"),
    ]
    if not square:
        sides.insert(1, (N_("width"), "width", colors["linear"], "dash"))
    for name, side, color, dash in sides:
        values = [getattr(extent, side) for _, extent in shown]
        if any(value is not None for value in values):
            _steps(figure, shown, values, _(name), color, dash, _SIZE_ROW)
    channels = [extent.channels for _, extent in shown]
    _steps(figure, shown, channels, _("channels"), colors["pooling"], "solid", _CHANNELS_ROW)
    mark_selection(figure, [row.key for row, _ in shown], selected, theme)
    styled(figure, _("Spatial size and channels along the network"), theme, height=520)
    figure.update_xaxes(range=[0.3, max(len(shown), 2) + 0.7], showticklabels=False)
    figure.update_xaxes(
        title_text=_("{n} layers, in execution order").format(n=len(shown)), row=_CHANNELS_ROW
    )
    figure.update_yaxes(title_text=_("Pixels or tokens"), row=_SIZE_ROW)
    figure.update_yaxes(title_text=_("Channels"), row=_CHANNELS_ROW)
    figure.update_yaxes(type="log", dtick="D2", tickformat="~s")
    return figure.update_layout(hovermode="closest", clickmode="event+select")


def _extent(shape: Shape) -> _Extent | None:
    """Read (N, C, H, W), (N, tokens, C) or (N, C)."""
    if len(shape) == 4:
        return _Extent(shape[2], shape[3], None, shape[1])
    if len(shape) == 3:
        return _Extent(None, None, shape[1], shape[2])
    if len(shape) == 2:
        return _Extent(1, 1, None, shape[1])
    return None


def _steps(
    figure: go.Figure,
    shown: Sequence[tuple[Layer, _Extent]],
    values: Sequence[int | None],
    name: str,
    color: str,
    dash: str,
    position: int,
) -> None:
    figure.add_scatter(
        x=list(range(1, len(shown) + 1)),
        y=list(values),
        name=name,
        mode="lines+markers",
        line={"color": color, "width": 2, "shape": "hvh", "dash": dash},
        marker={"color": color, "size": 5},
        customdata=[[row.key] for row, _ in shown],
        text=[
            f"<b>{row.key}</b><br>{row.label}<br>{shape_text(row.output_shape)}" for row, _ in shown
        ],
        hovertemplate="%{text}<extra></extra>",
        row=position,
        col=1,
    )
