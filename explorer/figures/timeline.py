"""All architectures by year and cost: what grew, what shrank, and when."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from math import log10
from typing import Final

import plotly.graph_objects as go

from explorer.analysis.catalogue import Entry
from explorer.analysis.units import compact
from explorer.figures._layout import styled
from explorer.figures.theme import INK, KIND_COLORS
from explorer.text import N_, _

GROUPS: Final = {
    N_("plain"): ("LeNet", "AlexNet", "ZFNet", "NiN", "VGG", "SimpleCNN"),
    N_("branches"): ("Inception", "Xception", "HRNet", "OSNet"),
    N_("residual and dense"): ("ResNet", "ResNet v2", "Wide ResNet", "ResNeXt", "SENet", "DenseNet",
                           "RegNet", "ConvNeXt"),
    N_("small"): ("SqueezeNet", "MobileNet", "ShuffleNet", "MnasNet", "EfficientNet"),
    N_("transformers"): ("ViT", "DeiT", "TNT", "VT-ResNet"),
}  # fmt: skip
"""Families by their principle: each has a colour and a symbol."""
_LOOKS: Final = {
    "plain": ("linear", "circle"),
    "branches": ("pooling", "square"),
    "residual and dense": ("convolution", "diamond"),
    "small": ("activation", "triangle-up"),
    "transformers": ("attention", "star"),
    N_("others"): ("elementwise", "x"),
}
_WIDTH, _HEIGHT = 900, 560
"""Pixels that labels are spread over, so that none covers another."""


def timeline(
    entries: Sequence[Entry], *, measure: str = "params", theme: str = "light"
) -> go.Figure:
    """A point for each architecture, years from left to right, cost upwards.

    Args:
        entries: architectures; those without counts are left out.
        measure: "params" or "macs".
        theme: "light" or "dark".

    Returns:
        A scatter chart with a logarithmic axis; a point's custom data is its model's name.
    """
    shown = [entry for entry in entries if getattr(entry, measure)]
    places = _places(shown)
    figure = go.Figure()
    by_group: dict[str, list[Entry]] = defaultdict(list)
    for entry in shown:
        by_group[_group(entry.family)].append(entry)
    for group, (kind, symbol) in _LOOKS.items():
        members = by_group.get(group)
        if not members:
            continue
        figure.add_scatter(
            x=[places[entry.name] for entry in members],
            y=[getattr(entry, measure) for entry in members],
            mode="markers",
            name=_(group),
            marker={
                "color": KIND_COLORS[theme][kind],
                "symbol": symbol,
                "size": 10,
                "opacity": 0.85,
            },
            customdata=[[entry.name] for entry in members],
            text=[_hover(entry) for entry in members],
            hovertemplate="%{text}<extra></extra>",
        )
    for entry in _labelled(shown, places, measure):
        figure.add_annotation(
            x=places[entry.name],
            y=log10(getattr(entry, measure)),
            text=entry.family,
            showarrow=False,
            xanchor="left",
            xshift=8,
            yshift=9,
            font={"size": 11.5, "color": INK[theme]},
        )
    name = _("Parameters") if measure == "params" else "MACs"
    styled(
        figure,
        _("{name} of {n} architectures by year").format(name=name, n=len(shown)),
        theme,
        height=_HEIGHT,
    )
    years = sorted({entry.year for entry in shown})
    ticks = _axis_years(years)
    figure.update_xaxes(
        tickmode="array",
        tickvals=[ticks[year] for year in years],
        ticktext=[str(year) for year in years],
        title_text=_("Year of first publication; the years 1998 to 2012 are drawn closer together"),
    )
    figure.update_yaxes(type="log", title_text=name, tickformat="~s", dtick=1)
    return figure.update_layout(hovermode="closest", clickmode="event+select")


def _group(family: str) -> str:
    return next((group for group, families in GROUPS.items() if family in families), "others")


def _axis_years(years: Sequence[int]) -> dict[int, float]:
    """A place for each year; where nothing happened for long, less room."""
    at, before, places = 0.0, None, {}
    for year in years:
        if before is not None:
            at += min(year - before, 2)
        places[year] = at
        before = year
    return places


def _places(entries: Sequence[Entry]) -> dict[str, float]:
    """Architectures of one year side by side, families together."""
    axis = _axis_years(sorted({entry.year for entry in entries}))
    families = list(dict.fromkeys((entry.year, entry.family) for entry in entries))
    in_year = Counter(year for year, _ in families)
    seen: Counter[int] = Counter()
    offsets = {}
    for year, family in families:
        offsets[year, family] = (seen[year] + 0.5) / in_year[year] - 0.5
        seen[year] += 1
    return {
        entry.name: axis[entry.year] + 0.8 * offsets[entry.year, entry.family] for entry in entries
    }


def _labelled(entries: Sequence[Entry], places: dict[str, float], measure: str) -> list[Entry]:
    """The first architecture of each family, as far as their labels leave each other room."""
    first = {entry.family: entry for entry in reversed(entries)}
    wide = max(places.values(), default=1) or 1
    logs = [log10(getattr(entry, measure)) for entry in entries]
    low, high = min(logs, default=0), max(logs, default=1)
    taken: list[tuple[float, float, float]] = []
    chosen = []
    for entry in sorted(first.values(), key=lambda entry: entry.year):
        x = places[entry.name] / (wide + 1) * _WIDTH
        y = (log10(getattr(entry, measure)) - low) / ((high - low) or 1) * (_HEIGHT - 120)
        end = x + 8 * len(entry.family) + 12
        if all(end < left or x > right or abs(y - height) > 16 for left, right, height in taken):
            taken.append((x, end, y))
            chosen.append(entry)
    return chosen


def _hover(entry: Entry) -> str:
    counts = _("{params} parameters, {macs} MACs at {height} × {width}").format(
        params=compact(entry.params or 0),
        macs=compact(entry.macs or 0),
        height=entry.height,
        width=entry.width,
    )
    return f"<b>{entry.title}</b> ({entry.family}, {entry.year})<br>{counts}"
