"""Where the predicted time goes: every layer under the device's roof, and layer by layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from explorer.analysis.roofline import LayerTime, Prediction
from explorer.analysis.units import compact, count, memory, percent, rounded
from explorer.figures._layout import mark_selection, styled
from explorer.figures.theme import INK, MUTED_INK, kind_color
from explorer.text import N_, _

_LEAST_DOT, _MOST_DOT = 7, 38
"""Diameters in pixels of a layer that takes no time and of the one that takes most."""
_BOUNDS: Final = {
    "compute": N_("limited by arithmetic"),
    "memory": N_("waits for memory"),
    "launch": N_("waits for launches"),
    "none": N_("does nothing"),
}


def roofline(prediction: Prediction, *, theme: str = "light", selected: str = "") -> go.Figure:
    """Arithmetic intensity against the operations a second that each layer reaches.

    Args:
        prediction: of a forward pass.
        theme: "light" or "dark".
        selected: key of a layer to mark.

    Returns:
        Two logarithmic axes. A dot's custom data is its layer's key; its area grows with the
        layer's share of the time. A layer without arithmetic has no place on them.
    """
    shown = [row for row in prediction.layers if row.operations and row.nbytes and row.ms]
    figure = go.Figure()
    _roof(figure, prediction, shown, theme)
    most = max((row.share for row in shown), default=1.0)
    # Large dots first, so that no small one is hidden under them.
    by_size = sorted(shown, key=lambda row: -row.share)
    for kind in dict.fromkeys(row.kind for row in by_size):
        rows = [row for row in by_size if row.kind == kind]
        figure.add_scatter(
            x=[row.intensity for row in rows],
            y=[_attained(row) for row in rows],
            mode="markers",
            name=_(kind),
            marker={
                "color": kind_color(kind, theme),
                "size": [_diameter(row.share, most) for row in rows],
                "opacity": 0.75,
                "line": {"color": INK[theme], "width": 0.5},
            },
            customdata=[[row.key] for row in rows],
            text=[_card(row) for row in rows],
            hovertemplate="%{text}<extra></extra>",
        )
    for row in (row for row in shown if row.key == selected):
        _ring(figure, row, _diameter(row.share, most), theme)
    device, dtype = prediction.device.name, "TF32" if prediction.tf32 else prediction.dtype
    styled(
        figure,
        _("Predicted: {shown} layers on {device}, {dtype}").format(
            shown=len(shown), device=device, dtype=dtype
        ),
        theme,
        560,
    )
    figure.update_xaxes(
        type="log", title_text=_("Operations for each byte moved"), tickformat="~g", dtick=1
    )
    figure.update_yaxes(
        type="log",
        title_text=_("Operations a second"),
        tickformat="~s",
        exponentformat="SI",
        dtick=1,
    )
    figure.update_layout(hovermode="closest", clickmode="event+select")
    return figure.update_layout(margin={"b": 64})


def _attained(row: LayerTime) -> float:
    return row.operations / row.ms * 1e3


def _diameter(share: float, most: float) -> float:
    """In pixels, so that areas are in proportion, but for a floor below which none is hit."""
    return max(_LEAST_DOT, _MOST_DOT * math.sqrt(share / most))


def _card(row: LayerTime) -> str:
    return _(
        "<b>{key}</b><br>{label}, {kind}<br>{macs} MACs<br>{moved} moved, "
        "{intensity} operations a byte<br>{ms} ms ({share} of the time), {bound}"
    ).format(
        key=row.key,
        label=row.label,
        kind=_(row.kind),
        macs=count(row.macs),
        moved=memory(row.nbytes),
        intensity=rounded(row.intensity),
        ms=rounded(row.ms),
        share=percent(row.share),
        bound=_(_BOUNDS[row.bound]),
    )


def _roof(
    figure: go.Figure, prediction: Prediction, shown: Sequence[LayerTime], theme: str
) -> None:
    """The device's limits: bandwidth up to the ridge, the peak from there on."""
    device, ridge = prediction.device, prediction.ridge
    peak = device.peak(prediction.dtype, tf32=prediction.tf32)
    least = min([*(row.intensity for row in shown), ridge]) / 2
    most = max([*(row.intensity for row in shown), ridge]) * 3
    line = {"color": INK[theme], "width": 1.5}
    figure.add_scatter(
        x=[least, ridge, most],
        y=[least * device.bandwidth, peak, peak],
        mode="lines",
        line=line,
        name="roof",
        showlegend=False,
        hoverinfo="skip",
    )
    vector = device.peak("float32")
    if vector < peak:
        figure.add_scatter(
            x=[vector / device.bandwidth, most],
            y=[vector, vector],
            mode="lines",
            line={"color": MUTED_INK[theme], "width": 1.25, "dash": "dash"},
            name=_("float32 peak, all but products"),
            hoverinfo="skip",
        )
    figure.add_vline(x=ridge, line={"color": MUTED_INK[theme], "width": 1, "dash": "dot"})
    figure.add_annotation(
        x=math.log10(ridge),
        y=0.01,
        yref="paper",
        yanchor="bottom",
        text=_("ridge, {ridge} operations a byte").format(ridge=rounded(ridge)),
        showarrow=False,
        xanchor="right",
        xshift=-4,
        font={"size": 12, "color": MUTED_INK[theme]},
    )
    figure.add_annotation(
        x=1,
        xref="paper",
        y=math.log10(peak),
        xanchor="right",
        yanchor="bottom",
        yshift=_MOST_DOT / 2 + 3,
        text=_("{peak} operations a second").format(peak=compact(peak)),
        showarrow=False,
        font={"size": 12, "color": MUTED_INK[theme]},
    )


def _ring(figure: go.Figure, row: LayerTime, diameter: float, theme: str) -> None:
    figure.add_scatter(
        x=[row.intensity],
        y=[_attained(row)],
        mode="markers",
        name=_("selected"),
        marker={
            "symbol": "circle-open",
            "size": diameter + 9,
            "color": INK[theme],
            "line": {"width": 2.5},
        },
        customdata=[[row.key]],
        text=[_card(row)],
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )


# --------------------------------------------------------------------- layer by layer


def time_bars(prediction: Prediction, *, theme: str = "light", selected: str = "") -> go.Figure:
    """Predicted milliseconds of each layer in execution order, with the cumulative share.

    Args:
        prediction: of a forward pass.
        theme: "light" or "dark".
        selected: layer or module to mark, if it has a bar.

    Returns:
        A bar chart; a bar's custom data is its layer's key.
    """
    shown = [row for row in prediction.layers if row.ms]
    figure = make_subplots(specs=[[{"secondary_y": True}]])
    for kind in dict.fromkeys(row.kind for row in shown):
        bars = [(number, row) for number, row in enumerate(shown, 1) if row.kind == kind]
        figure.add_bar(
            x=[number for number, _row in bars],
            y=[row.ms for _number, row in bars],
            name=_(kind),
            # Said, because Plotly widens the bars of a kind whose layers lie far apart.
            width=0.85,
            marker={"color": kind_color(kind, theme), "line_width": 0},
            customdata=[[row.key] for _number, row in bars],
            text=[_card(row) for _number, row in bars],
            textposition="none",
            hovertemplate="%{text}<extra></extra>",
        )
    figure.add_scatter(
        x=list(range(1, len(shown) + 1)),
        y=list(accumulate(row.share for row in shown)),
        name=_("cumulative share"),
        mode="lines",
        line={"color": MUTED_INK[theme], "width": 1.5, "shape": "hv"},
        hoverinfo="skip",
        secondary_y=True,
    )
    mark_selection(figure, [row.key for row in shown], selected, theme)
    title = _("Predicted time by layer: {ms} ms in all").format(ms=rounded(prediction.ms))
    styled(figure, title, theme, height=400)
    figure.update_xaxes(
        range=[0.3, max(len(shown), 6) + 0.7],
        showticklabels=False,
        title_text=_("{n} layers that take time, in execution order").format(n=len(shown)),
    )
    figure.update_yaxes(title_text="ms", secondary_y=False)
    figure.update_yaxes(
        title_text=_("Cumulative share"),
        tickformat=".0%",
        tickmode="array",
        tickvals=[0, 0.25, 0.5, 0.75, 1],
        range=[0, 1.04],
        showgrid=False,
        secondary_y=True,
    )
    figure.update_layout(barmode="overlay", hovermode="closest", clickmode="event+select")
    return figure.update_layout(margin={"b": 64})
