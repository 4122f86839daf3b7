"""Which module holds the parameters or does the work: the module tree, drawn to scale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal

import plotly.graph_objects as go

from explorer.analysis import Layer
from explorer.analysis.units import count
from explorer.figures._layout import styled
from explorer.figures.theme import INK, MUTED_INK, PAPER, contrast, kind_color, tint
from explorer.text import _

Measure = Literal["cost", "params"]
Form = Literal["treemap", "icicle"]

_ROOT: Final = "/"


def module_map(
    rows: Sequence[Layer],
    *,
    measure: Measure = "cost",
    name: str = "MACs",
    form: Form = "treemap",
    theme: str = "light",
) -> go.Figure:
    """The module tree with areas in proportion to parameters or work.

    Args:
        rows: layers, unfolded.
        measure: the column of `rows` that areas show.
        name: what the measure is called: "MACs", "FLOPs", "Parameters".
        form: nested boxes (treemap), or the tree from left to right (icicle).
        theme: "light" or "dark".

    Returns:
        A figure whose sectors carry, as custom data, the key of their layer or the path of
        their module.
    """
    leaves = [(row, value) for row in rows if (value := int(getattr(row, measure)))]
    total = sum(value for _, value in leaves)
    inner: dict[str, int] = {_ROOT: 0}
    for row, value in leaves:
        for module in _around(row):
            inner[module] = inner.get(module, 0) + value
    ids = [*inner, *(row.key for row, _ in leaves)]
    values = [*inner.values(), *(value for _, value in leaves)]
    labels = [_label(module) for module in inner]
    labels += [_label(row.key, within=_parent(row)) for row, _ in leaves]
    colors = [tint(MUTED_INK[theme], theme, 0.16)] * len(inner)
    colors += [kind_color(row.kind, theme) for row, _ in leaves]
    texts = [f"{count(value)} {name}" for value in values]
    kinds = [""] * len(inner) + [f"<br>{_(row.kind)}, {row.label}" for row, _amount in leaves]
    draw = go.Treemap if form == "treemap" else go.Icicle
    figure = go.Figure(
        draw(
            ids=ids,
            labels=labels,
            parents=[_above(module) for module in inner] + [_parent(row) for row, _ in leaves],
            values=values,
            branchvalues="total",
            customdata=[[module.rstrip("/")] for module in inner]
            + [[row.key] for row, _ in leaves],
            text=[f"{text}{kind}" for text, kind in zip(texts, kinds, strict=True)],
            texttemplate="%{label}<br>%{percentRoot:.1%}",
            hovertemplate="<b>%{customdata[0]}</b><br>%{text}<br>%{percentRoot:.1%}<extra></extra>",
            marker={"colors": colors, "line": {"color": PAPER[theme], "width": 1}},
            textfont={"color": [_readable(color) for color in colors]},
            pathbar_visible=True,
        )
    )
    figure.update_traces(tiling={"pad": 2} if form == "treemap" else {"orientation": "h"})
    return styled(
        figure,
        _("{name} by module: {total} in all").format(name=name, total=count(total)),
        theme,
        height=560,
    )


def _around(row: Layer) -> Iterator[str]:
    """Yield the modules around a layer, outermost first; the model itself is "/"."""
    module = _parent(row)
    found = [module]
    while module != _ROOT:
        module = _above(module)
        found.append(module)
    yield from reversed(found)


def _parent(row: Layer) -> str:
    """The sector that holds a layer: the module whose `forward` runs it."""
    if not row.module_class:  # a functional op: its path is that module's already
        return f"{row.path}/" if row.path else _ROOT
    return f"{row.path.rpartition('.')[0]}/" if "." in row.path else _ROOT


def _above(module: str) -> str:
    if module == _ROOT:
        return ""
    return f"{module.rpartition('.')[0]}/" if "." in module else _ROOT


def _label(key: str, within: str = "") -> str:
    """The last part of a path; the model itself is called so."""
    if key == _ROOT:
        return _("model")
    inside = key.removeprefix(within.rstrip("/")).lstrip(".:") if within else key
    return inside.rstrip("/").rpartition(".")[2]


def _readable(color: str) -> str:
    """Black or white, whichever is read more easily on `color`."""
    return max((INK["light"], "#FFFFFF"), key=lambda ink: contrast(ink, color))
