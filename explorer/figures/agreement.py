"""Predicted against taken times of many models."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import log10
from typing import Final

import plotly.graph_objects as go

from explorer.analysis.agreement import Compared
from explorer.analysis.units import compact, rounded
from explorer.figures._layout import styled
from explorer.figures.theme import INK, KIND_COLORS, MUTED_INK, tint
from explorer.figures.timeline import GROUPS
from explorer.text import N_, _

_LOOKS: Final = {
    N_("plain"): ("linear", "circle"),
    N_("branches"): ("pooling", "square"),
    N_("residual and dense"): ("convolution", "diamond"),
    N_("small"): ("activation", "triangle-up"),
    N_("transformers"): ("attention", "star"),
    N_("others"): ("elementwise", "x"),
}
"""Group of families -> the kind whose colour it borrows, and its symbol."""
_TRANSFORMERS: Final = ("beit", "cait", "deit", "eva", "swin", "vit", "xcit")
"""How timm's files of transformers begin that do not say so."""
TAKEN: Final = {
    "measured": N_("Measured, ms"), "recorded": N_("Recorded, ms"), "imported": N_("Imported, ms")
}  # fmt: skip
"""How times were had -> the title of their axis or column."""
_TITLES: Final = {
    "measured": N_("Measured against predicted time"),
    "recorded": N_("Recorded against predicted time"),
    "imported": N_("Imported against predicted time"),
}
_TICKS: Final = [m * 10.0**e for e in range(-3, 6) for m in (1, 2, 5)]


def predicted_against_taken(
    compared: Sequence[Compared], *, took: str, theme: str = "light", marked: str = ""
) -> go.Figure:
    """A dot for each run on logarithmic axes, with the diagonal and a band of twice and half.

    Args:
        compared: predicted and taken times.
        took: how the times were had: "recorded", "measured", "imported".
        theme: "light" or "dark".
        marked: name of the model that gets a ring.

    Returns:
        A scatter chart with square axes. On the diagonal the prediction is right; above it the
        device was slower. A dot's custom data is its model's name.
    """
    figure = go.Figure()
    low, high = _limits(compared)
    _band(figure, low, high, theme)
    for group, (kind, symbol) in _LOOKS.items():
        members = [each for each in compared if _group(each.family) == group]
        if members:
            figure.add_scatter(
                x=[each.predicted_ms for each in members],
                y=[each.taken_ms for each in members],
                mode="markers",
                name=_(group),
                marker={
                    "color": KIND_COLORS[theme][kind],
                    "symbol": symbol,
                    "size": 10,
                    "line": {"color": INK[theme], "width": 0.5},
                },
                customdata=[[each.name] for each in members],
                text=[_card(each, took) for each in members],
                hovertemplate="%{text}<extra></extra>",
            )
    _rings(figure, [each for each in compared if each.name == marked], theme)
    styled(
        figure,
        _(_TITLES.get(took, _TITLES["imported"])),
        theme,
        height=520,
    )
    axis = {
        "type": "log",
        "range": [log10(low), log10(high)],
        "tickmode": "array",
        "tickvals": _ticks(low, high),
        "ticktext": [f"{value:,g}" for value in _ticks(low, high)],
        "showgrid": True,
    }
    figure.update_xaxes(**axis, title_text=_("Predicted, ms"))
    figure.update_yaxes(**axis, title_text=_(TAKEN.get(took, TAKEN["imported"])))
    return figure.update_layout(hovermode="closest", margin={"b": 64}, legend_traceorder="normal")


def _limits(compared: Sequence[Compared]) -> tuple[float, float]:
    """One range for both axes, so that the diagonal is one."""
    times = [ms for each in compared for ms in (each.predicted_ms, each.taken_ms)] or [1.0]
    return min(times) / 1.6, max(times) * 1.6


def _ticks(low: float, high: float) -> list[float]:
    inside = [value for value in _TICKS if low <= value <= high]
    if len(inside) <= 9:
        return inside
    return [value for value in inside if abs(log10(value) - round(log10(value))) < 1e-9]


def _band(figure: go.Figure, low: float, high: float, theme: str) -> None:
    edge = {"color": MUTED_INK[theme], "width": 1, "dash": "dot"}
    figure.add_scatter(
        x=[low, high], y=[2 * low, 2 * high], mode="lines", line=edge, showlegend=False,
        hoverinfo="skip", name=_("twice"),
    )  # fmt: skip
    figure.add_scatter(
        x=[low, high], y=[low / 2, high / 2], mode="lines", line=edge, fill="tonexty",
        fillcolor=tint(MUTED_INK[theme], theme, 0.1), name=_("within a factor of 2"),
        hoverinfo="skip",
    )  # fmt: skip
    figure.add_scatter(
        x=[low, high], y=[low, high], mode="lines", line={"color": INK[theme], "width": 1.5},
        name=_("as predicted"), hoverinfo="skip",
    )  # fmt: skip


def _group(family: str) -> str:
    """The group of a family; of a library's, which is a file's name, by how that begins."""
    found = (group for group, families in GROUPS.items() if family in families)
    group = next(found, "") or _group_of_file(_letters(family))
    return group if group in _LOOKS else "others"


def _group_of_file(letters: str) -> str:
    if "transformer" in letters or letters.startswith(_TRANSFORMERS):
        return "transformers"
    begins = (
        group
        for group, families in GROUPS.items()
        if any(letters.startswith(_letters(family)) for family in families)
    )
    return next(begins, "others")


def _letters(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalpha())


def _card(each: Compared, took: str) -> str:
    ratio = each.ratio
    label = f", {escape(each.label)}" if each.label else ""
    text = (
        _(
            "<b>{name}</b>{label}<br>{took} {taken} ms<br>predicted {predicted} ms: "
            "{ratio} times slower than predicted<br>{macs} MACs"
        )
        if ratio >= 1
        else _(
            "<b>{name}</b>{label}<br>{took} {taken} ms<br>predicted {predicted} ms: "
            "{ratio} times faster than predicted<br>{macs} MACs"
        )
    )
    return text.format(
        name=escape(each.name),
        label=label,
        took=_(took),
        taken=rounded(each.taken_ms),
        predicted=rounded(each.predicted_ms),
        ratio=rounded(ratio if ratio >= 1 else 1 / ratio),
        macs=compact(each.macs),
    )


def _rings(figure: go.Figure, marked: Sequence[Compared], theme: str) -> None:
    if not marked:
        return
    figure.add_scatter(
        x=[each.predicted_ms for each in marked],
        y=[each.taken_ms for each in marked],
        mode="markers",
        name=marked[0].name,
        marker={
            "symbol": "circle-open",
            "size": 20,
            "color": INK[theme],
            "line": {"width": 2.5},
        },
        hoverinfo="skip",
    )
