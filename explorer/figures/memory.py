"""What is in memory: along one forward pass, and in a training step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import plotly.graph_objects as go

from explorer.analysis import InferenceMemory, Layer, TrainingMemory
from explorer.analysis.units import memory as memory_text
from explorer.figures._layout import styled
from explorer.figures.theme import INK, KIND_COLORS, MUTED_INK, tint
from explorer.text import N_, _

_PARTS: Final = {
    "parameter_bytes": (N_("parameters"), "linear"),
    "buffer_bytes": (N_("buffers"), "constant"),
    "gradient_bytes": (N_("gradients"), "attention"),
    "optimizer_bytes": (N_("optimizer's state"), "recurrent"),
    "input_bytes": (N_("input"), "input"),
    "saved_bytes": (N_("saved for backward"), "convolution"),
    "working_bytes": (N_("working"), "pooling"),
}
"""Field of a `TrainingMemory` -> its name, and the kind of layer whose colour it borrows."""

_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def memory_timeline(
    memory: InferenceMemory, rows: Sequence[Layer], *, theme: str = "light", selected: str = ""
) -> go.Figure:
    """Bytes of activations alive at each op, as PyTorch frees them and at best.

    Args:
        memory: of a forward pass.
        rows: the layers of the same trace.
        theme: "light" or "dark".
        selected: layer or module whose ops are marked.

    Returns:
        Two step lines over the ops. A point's custom data is its layer's key.
    """
    keys = ["input"] * len(memory.eager)
    for row in rows:
        keys[row.first_op : row.last_op] = [row.key] * (row.last_op - row.first_op)
    divisor, unit = _unit(max(memory.eager, default=0))
    colors = KIND_COLORS[theme]
    figure = go.Figure()
    for name, values, color, fill in (
        (_("as PyTorch frees them"), memory.eager, colors["convolution"], True),
        (_("freed right after the last use"), memory.ideal, colors["linear"], False),
    ):
        figure.add_scatter(
            x=list(range(len(values))),
            y=[value / divisor for value in values],
            name=name,
            mode="lines+markers",
            line={"color": color, "width": 2, "shape": "hvh"},
            marker={"color": color, "size": 3},
            fill="tozeroy" if fill else None,
            fillcolor=tint(color, theme, 0.25) if fill else None,
            customdata=[[key if key != "input" else ""] for key in keys],
            text=[
                f"<b>{key}</b><br>{_('op {n}').format(n=op)}<br>{memory_text(value)} {name}"
                for op, (key, value) in enumerate(zip(keys, values, strict=True))
            ],
            hovertemplate="%{text}<extra></extra>",
        )
    _mark_peak(figure, memory, divisor, theme)
    _mark_ops(figure, rows, selected, theme)
    title = _("Activations alive, peak {size} at {layer}").format(
        size=memory_text(memory.eager_peak), layer=memory.eager_key
    )
    styled(figure, title, theme, height=380)
    figure.update_xaxes(
        title_text=_("{n} ops, in execution order").format(n=len(memory.eager)),
        range=[-0.7, max(len(memory.eager), 2) - 0.3],
    )
    # Above the curve there is room for what is said of its peak.
    figure.update_yaxes(title_text=unit, range=[0, 1.15 * memory.eager_peak / divisor])
    figure.update_layout(hovermode="closest", clickmode="event+select", margin={"b": 64})
    return figure


def _mark_peak(figure: go.Figure, memory: InferenceMemory, divisor: int, theme: str) -> None:
    place = memory.eager_op / max(len(memory.eager), 1)
    figure.add_annotation(
        x=memory.eager_op,
        y=memory.eager_peak / divisor,
        text=_("peak, {size}").format(size=memory_text(memory.eager_peak)),
        ax=0,
        ay=-20,
        xanchor="left" if place < 0.1 else "right" if place > 0.9 else "center",
        arrowhead=2,
        arrowwidth=1.25,
        arrowcolor=INK[theme],
        font={"size": 12, "color": INK[theme]},
    )


def _mark_ops(figure: go.Figure, rows: Sequence[Layer], selected: str, theme: str) -> None:
    inside = (f"{selected}.", f"{selected}:")
    found = [row for row in rows if row.key == selected or row.key.startswith(inside)]
    if selected and found:
        figure.add_vrect(
            x0=min(row.first_op for row in found) - 0.5,
            x1=max(row.last_op for row in found) - 0.5,
            fillcolor=MUTED_INK[theme],
            opacity=0.3,
            layer="below",
            line_width=0,
        )


# ---------------------------------------------------------------------- training


def training_bars(
    steps: Sequence[tuple[str, TrainingMemory]], *, theme: str = "light"
) -> go.Figure:
    """What a training step holds, part by part, one bar for each way to train.

    Args:
        steps: name and memory of each way, the chosen one first.
        theme: "light" or "dark".

    Returns:
        Stacked horizontal bars; the first is at the top.
    """
    divisor, unit = _unit(max((step.total for _, step in steps), default=0))
    names = [f"<b>{name}</b>" if not at else name for at, (name, _) in enumerate(steps)]
    figure = go.Figure()
    for field, (part, kind) in _PARTS.items():
        values = [int(getattr(step, field)) for _, step in steps]
        if not any(values):
            continue
        figure.add_bar(
            y=names,
            x=[value / divisor for value in values],
            name=_(part),
            orientation="h",
            marker={"color": KIND_COLORS[theme][kind], "line_width": 0},
            text=[
                f"<b>{name}</b><br>{_(part)}: {memory_text(value)}"
                for (name, _step), value in zip(steps, values, strict=True)
            ],
            textposition="none",
            hovertemplate="%{text}<extra></extra>",
        )
    for name, (_name, step) in zip(names, steps, strict=True):
        bound = _("at least {n}") if step.is_lower_bound else "{n}"
        figure.add_annotation(
            x=step.total / divisor,
            y=name,
            text=bound.format(n=memory_text(step.total)),
            showarrow=False,
            xanchor="left",
            xshift=4,
            font={"size": 12, "color": INK[theme]},
        )
    title = (
        _("One training step: {size}").format(size=memory_text(steps[0][1].total))
        if steps
        else _("No training step")
    )
    styled(figure, title, theme, height=150 + 44 * max(len(steps), 1))
    most = max((step.total for _, step in steps), default=1) / divisor
    figure.update_xaxes(title_text=unit, range=[0, 1.18 * most])
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_layout(barmode="stack", bargap=0.35, hovermode="closest", margin={"b": 64})
    figure.update_layout(legend_traceorder="normal")
    return figure


def _unit(most: float) -> tuple[int, str]:
    """What to divide bytes by, so that the largest is one or more of the unit, and its name."""
    step = 0
    while most >= 1024 ** (step + 1) and step < len(_UNITS) - 1:
        step += 1
    return 1024**step, _UNITS[step]
