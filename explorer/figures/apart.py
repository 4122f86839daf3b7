"""A measured pass layer by layer, with the prediction beside each."""

from __future__ import annotations

from html import escape

import plotly.graph_objects as go

from explorer.analysis.apart import Part, Parts
from explorer.analysis.units import percent, rounded
from explorer.figures._layout import mark_selection, styled
from explorer.figures.theme import INK, kind_color


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
            x=[number for number, _ in bars],
            y=[part.measured_ms for _, part in bars],
            name=kind,
            width=0.85,
            marker={"color": kind_color(kind, theme), "line_width": 0},
            customdata=[[part.key] for _, part in bars],
            text=[_part_card(part, parts) for _, part in bars],
            textposition="none",
            hovertemplate="%{text}<extra></extra>",
        )
    told = [(number, part) for number, part in numbered if part.predicted_ms is not None]
    figure.add_scatter(
        x=[number for number, _ in told],
        y=[part.predicted_ms for _, part in told],
        mode="markers",
        name="predicted",
        marker={
            "symbol": "line-ew",
            "size": max(4, min(14, 560 / max(len(numbered), 1))),
            "line": {"color": INK[theme], "width": 2},
        },
        hoverinfo="skip",
    )
    mark_selection(figure, [part.key for part in parts.parts], selected, theme)
    title = f"Measured time by layer: {rounded(parts.layers_ms)} ms in layers"
    styled(figure, title, theme, height=400)
    figure.update_xaxes(
        range=[0.3, max(len(numbered), 6) + 0.7],
        showticklabels=False,
        title_text=f"{len(numbered)} calls of layers, in execution order",
    )
    figure.update_yaxes(title_text="ms", rangemode="tozero")
    figure.update_layout(barmode="overlay", hovermode="closest", clickmode="event+select")
    return figure.update_layout(margin={"b": 64})


def _part_card(part: Part, parts: Parts) -> str:
    predicted = "not predicted"
    if part.predicted_ms is not None:
        predicted = f"predicted {rounded(part.predicted_ms)} ms"
    share = part.measured_ms / parts.hooked_ms if parts.hooked_ms else 0.0
    return (
        f"<b>{escape(part.key)}</b><br>{escape(part.module_class)}, {part.kind}<br>"
        f"measured {rounded(part.measured_ms)} ms ({percent(share)} of the pass)<br>{predicted}"
    )
