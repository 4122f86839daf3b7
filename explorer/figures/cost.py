"""Where the parameters and the work are, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Final, Literal

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from explorer.analysis import Layer
from explorer.analysis.units import count, percent, shape_text
from explorer.figures._layout import mark_selection, styled
from explorer.figures.theme import MUTED_INK, kind_color
from explorer.text import _

Unit = Literal["MACs", "FLOPs"]

_PARAMS_ROW: Final = 1
_COST_ROW: Final = 2


def cost_bars(
    rows: Sequence[Layer], *, unit: Unit = "MACs", theme: str = "light", selected: str = ""
) -> go.Figure:
    """Parameters and MACs (or FLOPs) of each layer that has any, with cumulative shares.

    Args:
        rows: layers in execution order.
        unit: what `Layer.cost` counts.
        theme: "light" or "dark".
        selected: layer or module to mark, if it has a bar.

    Returns:
        Two bar charts over the same layers. A bar's custom data is its layer's key.
    """
    shown = [row for row in rows if row.params or row.cost]
    figure = make_subplots(
        rows=2,
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.08,
        specs=[[{"secondary_y": True}], [{"secondary_y": True}]],
    )
    for position, values in (
        (_PARAMS_ROW, [row.params for row in shown]),
        (_COST_ROW, [row.cost for row in shown]),
    ):
        _bars(figure, shown, values, position, theme)
        _cumulative(figure, values, position, theme)
    mark_selection(figure, [row.key for row in shown], selected, theme)
    styled(figure, _("Parameters and {unit} per layer").format(unit=unit), theme, height=560)
    figure.update_xaxes(range=[0.3, max(len(shown), 6) + 0.7], showticklabels=False)
    figure.update_xaxes(
        title_text=_("{n} layers with parameters or {unit}, in execution order").format(
            n=len(shown), unit=unit
        ),
        row=_COST_ROW,
    )
    for position, title in ((_PARAMS_ROW, _("Parameters")), (_COST_ROW, unit)):
        figure.update_yaxes(
            title_text=title, tickformat="~s", row=position, col=1, secondary_y=False
        )
        figure.update_yaxes(
            title_text=_("Cumulative share"),
            tickformat=".0%",
            tickmode="array",
            tickvals=[0, 0.25, 0.5, 0.75, 1],
            range=[0, 1.04],
            showgrid=False,
            row=position,
            col=1,
            secondary_y=True,
        )
    return figure.update_layout(barmode="overlay", hovermode="closest", clickmode="event+select")


def _bars(
    figure: go.Figure, shown: Sequence[Layer], values: Sequence[int], position: int, theme: str
) -> None:
    total = sum(values) or 1
    for kind in dict.fromkeys(row.kind for row in shown):
        bars = [
            (number, row, value)
            for number, (row, value) in enumerate(zip(shown, values, strict=True), 1)
            if row.kind == kind
        ]
        figure.add_bar(
            x=[number for number, _, _ in bars],
            y=[value for _, _, value in bars],
            name=_(kind),
            legendgroup=kind,
            showlegend=position == _PARAMS_ROW,
            marker={"color": kind_color(kind, theme), "line_width": 0},
            customdata=[[row.key] for _, row, _ in bars],
            text=[
                f"<b>{row.key}</b><br>{row.label}, {shape_text(row.output_shape)}<br>"
                f"{count(value)} ({percent(value / total)})"
                for _, row, value in bars
            ],
            textposition="none",
            hovertemplate="%{text}<extra></extra>",
            row=position,
            col=1,
        )


def _cumulative(figure: go.Figure, values: Sequence[int], position: int, theme: str) -> None:
    total = sum(values) or 1
    figure.add_scatter(
        x=list(range(1, len(values) + 1)),
        y=[value / total for value in accumulate(values)],
        name=_("cumulative share"),
        mode="lines",
        line={"color": MUTED_INK[theme], "width": 1.5, "shape": "hv"},
        showlegend=position == _PARAMS_ROW,
        legendgroup="cumulative",
        hoverinfo="skip",
        row=position,
        col=1,
        secondary_y=True,
    )
