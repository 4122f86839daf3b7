"""Output size against input size: the steps that floor makes, and the pixels that it loses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from explorer.figures._layout import styled
from explorer.figures.theme import INK, KIND_COLORS, MUTED_INK

_LINES: Final = (
    ("full", "pooling", "dashdot"),
    ("stretched", "add", "dash"),
    ("half", "convolution", "solid"),
    ("valid", "linear", "solid"),
)
"""Rule of padding -> the kind whose colour its line takes, and its dash."""
NAMES: Final = {
    "title": "Output size for every input size",
    "x": "input size n",
    "y": "output size",
    "lost": "pixels never read",
    "full": "full",
    "stretched": "p = (k − 1)s / 2",
    "half": "same, p = (k − 1) / 2",
    "valid": "valid, p = 0",
    "wanted": "n / s, rounded up",
}
"""What the figure says, in English."""


def output_sizes(
    outputs: Mapping[str, Sequence[int | None]],
    lost: Mapping[str, Sequence[int]],
    *,
    size: int = 0,
    names: Mapping[str, str] = NAMES,
    theme: str = "light",
) -> go.Figure:
    """Steps of the output size, and under them bars of the pixels that no window reads.

    Args:
        outputs: for the input sizes 1, 2, 3 ... the output size by each rule of padding ("full",
            "stretched", "half", "valid"; None where no window fits), and what is "wanted".
        lost: the pixels that no window reads, "valid" and "half".
        size: the input size that is marked; 0 marks none.
        names: what is written, by the keys of `NAMES`.
        theme: "light" or "dark".
    """
    colors = KIND_COLORS[theme]
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, row_heights=[0.72, 0.28], vertical_spacing=0.06
    )
    x = list(range(1, len(outputs["wanted"]) + 1))
    for rule, kind, dash in _LINES:
        figure.add_scatter(
            x=x,
            y=list(outputs[rule]),
            name=names[rule],
            mode="lines",
            line={"color": colors[kind], "width": 2.5, "shape": "hvh", "dash": dash},
            row=1,
            col=1,
        )
    figure.add_scatter(
        x=x,
        y=list(outputs["wanted"]),
        name=names["wanted"],
        mode="markers",
        marker={"color": INK[theme], "size": 6, "symbol": "circle-open", "line": {"width": 1.5}},
        row=1,
        col=1,
    )
    for rule, kind in (("valid", "linear"), ("half", "convolution")):
        figure.add_bar(
            x=x,
            y=list(lost[rule]),
            name=f"{names['lost']}: {names[rule]}",
            marker_color=colors[kind],
            showlegend=False,
            row=2,
            col=1,
        )
    styled(figure, names["title"], theme, height=430)
    if size:
        figure.add_vline(x=size, line={"color": MUTED_INK[theme], "width": 1.5, "dash": "dot"})
    figure.update_xaxes(title_text=names["x"], row=2, col=1)
    figure.update_yaxes(title_text=names["y"], rangemode="tozero", row=1, col=1)
    figure.update_yaxes(title_text=names["lost"], rangemode="tozero", row=2, col=1)
    figure.update_layout(hovermode="x unified", barmode="overlay", margin={"b": 84})
    return figure
