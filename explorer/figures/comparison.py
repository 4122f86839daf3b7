"""Models side by side: where each spends what it has, and how its costs grow with depth."""

from __future__ import annotations

from typing import Any, Final

import plotly.graph_objects as go

from explorer.analysis.compare import Comparison
from explorer.analysis.stages import Stage
from explorer.analysis.units import compact, memory, percent, shape_text
from explorer.figures._layout import styled
from explorer.figures.theme import INK, KIND_COLORS, contrast, tint
from explorer.text import _

MEASURES: Final = ("params", "cost", "activation_bytes")
"""What can be compared: fields of `Stage` and `Curve`."""
_LINES: Final = (
    ("convolution", "solid"),
    ("linear", "dash"),
    ("attention", "dot"),
    ("pooling", "dashdot"),
)
"""Kind that lends its colour, and dash, of each model's curve."""


def measure_title(measure: str, unit: str) -> str:
    """A measure in words: "Parameters", "MACs", "Activation memory"."""
    return {"params": _("Parameters"), "cost": unit}.get(measure, _("Activation memory"))


def stage_bars(comparison: Comparison, *, measure: str = "cost", theme: str = "light") -> go.Figure:
    """A bar for each model, stacked from its stages; a colour is one aligned stage.

    Args:
        comparison: two to four models.
        measure: one of `MEASURES`.
        theme: "light" or "dark".

    Returns:
        Horizontal bars, the first model on top. Modules that never ran are in none.
    """
    names = [model.name for model in comparison.models]
    wholes = [
        sum(getattr(one, measure) for stage in comparison.stages if (one := stage.stages[place]))
        for place in range(len(names))
    ]
    figure = go.Figure()
    count = len(comparison.stages)
    for number, aligned in enumerate(comparison.stages):
        color = _stage_color(number, count, theme)
        found = [
            (name, stage, whole)
            for name, stage, whole in zip(names, aligned.stages, wholes, strict=True)
            if stage is not None
        ]
        figure.add_bar(
            orientation="h",
            name=aligned.name,
            y=[name for name, _stage, _whole in found],
            x=[getattr(stage, measure) for _name, stage, _whole in found],
            text=[_label(stage, measure, max(wholes)) for _name, stage, _whole in found],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            textfont={"size": 12.5, "color": _on(color)},
            marker={"color": color, "line": {"width": 1, "color": tint(color, theme, 0.2)}},
            customdata=[[_hover(name, stage, measure, whole)] for name, stage, whole in found],
            hovertemplate="%{customdata[0]}<extra></extra>",
        )
    title = measure_title(measure, comparison.unit)
    styled(figure, _("{title} by stage").format(title=title), theme, height=170 + 52 * len(names))
    figure.update_layout(
        barmode="stack",
        bargap=0.3,
        margin_b=70,
        legend_traceorder="normal",
        uniformtext={"minsize": 10, "mode": "hide"},
    )
    figure.update_yaxes(categoryorder="array", categoryarray=names[::-1], showgrid=False)
    figure.update_xaxes(tickformat="~s", showgrid=True, title_text=_axis_title(measure, title))
    return figure


def cumulative_curves(
    comparison: Comparison, *, measure: str = "cost", theme: str = "light"
) -> go.Figure:
    """A line for each model: the running sum over its layers, from the first to the last.

    Args:
        comparison: two to four models.
        measure: one of `MEASURES`.
        theme: "light" or "dark".
    """
    title = measure_title(measure, comparison.unit)
    figure = go.Figure()
    for curve, (kind, dash) in zip(comparison.curves, _LINES, strict=False):
        values = getattr(curve, measure)
        figure.add_scatter(
            name=curve.name,
            x=[100 * place for place in curve.position],
            y=list(values),
            mode="lines",
            line={"color": KIND_COLORS[theme][kind], "dash": dash, "width": 2.25, "shape": "hv"},
            customdata=[
                [key, _amount(n, measure)] for key, n in zip(curve.keys, values, strict=True)
            ],
            hovertemplate="%{customdata[0]}: %{customdata[1]}",
        )
    styled(figure, _("{title}, summed up layer by layer").format(title=title), theme, height=460)
    figure.update_layout(hovermode="x", margin_b=80)
    figure.update_xaxes(
        title_text=_("Layers so far, of each model's own"), ticksuffix="%", range=[0, 101],
        hoverformat=".0f",
    )  # fmt: skip
    figure.update_yaxes(title_text=_axis_title(measure, title), tickformat="~s", rangemode="tozero")
    return figure


def _axis_title(measure: str, title: str) -> str:
    return _("{title} (bytes)").format(title=title) if measure == "activation_bytes" else title


def _amount(value: int, measure: str) -> str:
    return memory(value) if measure == "activation_bytes" else compact(value)


def _label(stage: Stage, measure: str, longest: int) -> str:
    """The stage's name, where its segment is wide enough to hold it."""
    share = getattr(stage, measure) / (longest or 1)
    return stage.name if share > 0.013 * len(stage.name) + 0.012 else ""


def _hover(name: str, stage: Stage, measure: str, whole: int) -> str:
    value = getattr(stage, measure)
    return _(
        "<b>{model}, {stage}</b><br>{amount} ({share} of the model)<br>{n} layers, output {shape}"
    ).format(
        model=name,
        stage=stage.name,
        amount=_amount(value, measure),
        share=percent(value / (whole or 1)),
        n=stage.layers,
        shape=shape_text(stage.output_shape),
    )


def _stage_color(number: int, count: int, theme: str) -> str:
    """From pale to strong: stages have an order, and so have their colours."""
    share = number / max(1, count - 1)
    return tint(KIND_COLORS[theme]["convolution"], theme, 0.22 + 0.78 * share)


def _on(color: str) -> str:
    """The ink that is easier to read on a colour."""
    inks: list[Any] = [INK["light"], "#FFFFFF"]
    return str(max(inks, key=lambda ink: contrast(ink, color)))
