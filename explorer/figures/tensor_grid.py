"""Maps of a tensor as small squares of colour, as SVG: blue below 0, orange above."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from explorer.figures._layout import FONT
from explorer.figures.theme import INK, KIND_COLORS, MUTED_INK, tint

_CELL: Final = 9
"""Pixels of one value."""
_GAP: Final = 12
_LEFT: Final = 74
_TOP: Final = 26


def tensor_grid(
    values: np.ndarray[Any, Any],
    lit: np.ndarray[Any, Any],
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    marked: tuple[int, int] | None = None,
    cell: int = _CELL,
    theme: str = "light",
) -> str:
    """Draw an (N, C, H, W) tensor: a row of maps for each image, a column for each channel.

    Args:
        values: the tensor.
        lit: (N, C), the maps that are drawn in full and framed; the others are faded.
        rows: what the rows are called; "" for each leaves no room at the left.
        columns: what the columns are called.
        marked: one map that gets a thicker frame.
        cell: pixels of one value.
        theme: "light" or "dark".
    """
    count, channels, height, width = values.shape
    left = _LEFT if any(rows) else 4
    step_x, step_y = width * cell + _GAP, height * cell + _GAP
    total = (left + channels * step_x, _TOP + count * step_y)
    most = float(np.abs(values).max()) or 1.0
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total[0]} {total[1]}" '
        f'width="{total[0]}" height="{total[1]}" font-family="{FONT}" font-size="13" '
        f'fill="{MUTED_INK[theme]}" shape-rendering="crispEdges">'
    ]
    for c, name in enumerate(columns):
        middle = left + c * step_x + width * cell / 2
        parts.append(f'<text x="{middle}" y="16" text-anchor="middle">{_escaped(name)}</text>')
    for n in range(count):
        top = _TOP + n * step_y
        if rows[n]:
            middle = top + height * cell / 2 + 4
            parts.append(f'<text x="0" y="{middle}">{_escaped(rows[n])}</text>')
        for c in range(channels):
            place = (left + c * step_x, top)
            parts += _map(values[n, c], place, cell, most, bool(lit[n, c]), theme)
            if lit[n, c]:
                thick = 3 if (n, c) == marked else 1.5
                parts.append(_frame(place, width * cell, height * cell, thick, theme))
    return "".join([*parts, "</svg>"])


def _map(
    values: np.ndarray[Any, Any],
    place: tuple[float, float],
    cell: int,
    most: float,
    lit: bool,
    theme: str,
) -> list[str]:
    parts = [f'<g opacity="{1 if lit else 0.22}">']
    for y, line in enumerate(values):
        for x, value in enumerate(line):
            color = value_color(float(value) / most, theme)
            at = f'x="{place[0] + x * cell}" y="{place[1] + y * cell}"'
            parts.append(f'<rect {at} width="{cell}" height="{cell}" fill="{color}"/>')
    return [*parts, "</g>"]


def value_color(share: float, theme: str) -> str:
    """The colour of a value: -1 is blue, 0 nearly the paper, 1 orange."""
    color = KIND_COLORS[theme]["convolution" if share < 0 else "linear"]
    if share == 0:
        return tint(MUTED_INK[theme], theme, 0.12)
    return tint(color, theme, min(1.0, 0.08 + 0.92 * abs(share) ** 0.7))


def _frame(place: tuple[float, float], width: int, height: int, thick: float, theme: str) -> str:
    return (
        f'<rect x="{place[0] - 2}" y="{place[1] - 2}" width="{width + 4}" height="{height + 4}" '
        f'fill="none" stroke="{INK[theme]}" stroke-width="{thick}"/>'
    )


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
