"""A measured pass layer by layer, with the prediction beside each."""

from __future__ import annotations

from html import escape

import plotly.graph_objects as go

from explorer.analysis.apart import Part, Parts
from explorer.analysis.units import percent, rounded
from explorer.figures._layout import mark_selection, styled
from explorer.figures.theme import INK, kind_color
from explorer.text import _


def part_bars(parts: Parts, *, theme: str = "light", selected: str = "") -> go.Figure:
    """Measured milliseconds of each layer as bars, with a tick where the prediction is.

    Args:
        parts: a measured pass beside a predicted one.
        theme: "light" or "dark".
        selected: layer or module to mark, if it has a bar.

    Returns:
        A bar chart; a bar's custom data is its layer's key.
    """
    figure = go.Figure()
    numbered = list(enumerate(parts.parts, 1))
    for kind in dict.fromkeys(part.kind for part in parts.parts):
        bars = [(number, part) for number, part in numbered if part.kind == kind]
        figure.add_bar(
            x=[number for number, _part in bars],
            y=[part.measured_ms for _number, part in bars],
            name=_(kind),
            width=0.85,
            marker={"color": kind_color(kind, theme), "line_width": 0},
            customdata=[[part.key] for _number, part in bars],
            text=[_part_card(part, parts) for _number, part in bars],
            textposition="none",
            hovertemplate="%{text}<extra></extra>",
        )
    told = [(number, part) for number, part in numbered if part.predicted_ms is not None]
    figure.add_scatter(
        x=[number for number, _part in told],
        y=[part.predicted_ms for _number, part in told],
        mode="markers",
        name=_("predicted"),
        marker={
            "symbol": "line-ew",
            "size": max(4, min(14, 560 / max(len(numbered), 1))),
            "line": {"color": INK[theme], "width": 2},
        },
        hoverinfo="skip",
    )
    mark_selection(figure, [part.key for part in parts.parts], selected, theme)
    title = _("Measured time by layer: {ms} ms in layers").format(ms=rounded(parts.layers_ms))
    styled(figure, title, theme, height=400)
    figure.update_xaxes(
        range=[0.3, max(len(numbered), 6) + 0.7],
        showticklabels=False,
        title_text=_("{n} calls of layers, in execution order").format(n=len(numbered)),
    )
    figure.update_yaxes(title_text="ms", rangemode="tozero")
    figure.update_layout(barmode="overlay", hovermode="closest", clickmode="event+select")
    return figure.update_layout(margin={"b": 64})


def _part_card(part: Part, parts: Parts) -> str:
    predicted = _("not predicted")
    if part.predicted_ms is not None:
        predicted = _("predicted {ms} ms").format(ms=rounded(part.predicted_ms))
    share = part.measured_ms / parts.hooked_ms if parts.hooked_ms else 0.0
    return _(
        "<b>{key}</b><br>{module_class}, {kind}<br>"
        "measured {ms} ms ({share} of the pass)<br>{predicted}"
    ).format(
        key=escape(part.key),
        module_class=escape(part.module_class),
        kind=_(part.kind),
        ms=rounded(part.measured_ms),
        share=percent(share),
        predicted=predicted,
    )
