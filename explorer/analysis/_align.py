"""Two sequences side by side: the pairing in order that adds up to the most."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Pair = tuple[int, int]


def align(scores: NDArray[np.int64]) -> list[Pair]:
    """Return the pairs of rows and columns whose scores add up to the most, in order.

    This is Needleman and Wunsch's alignment with gaps that cost nothing. Of equal sums the one
    whose gaps stand latest is taken: of 23 equal blocks the first 6 are those of the shorter
    network, and 17 follow.

    Args:
        scores: of each possible pair; pairs at or below 0 are never made.
    """
    rows, columns = scores.shape
    best = np.zeros((rows + 1, columns + 1), np.int64)
    for row in range(rows):
        above = best[row]
        paired = np.maximum(above[1:], above[:-1] + scores[row])
        # Without a price for gaps, the best so far is a running maximum along the row.
        np.maximum.accumulate(paired, out=best[row + 1, 1:])
    return _pairs(best.tolist(), rows, columns)


def best_sum(scores: list[list[int]]) -> int:
    """Return what the best alignment adds up to; for small tables faster than `align`."""
    best = [0] * (len(scores[0]) + 1)
    for row in scores:
        corner = so_far = 0
        for column, score in enumerate(row, 1):
            above = best[column]
            so_far = max(so_far, above, corner + score)
            best[column], corner = so_far, above
    return best[-1]


def _pairs(best: list[list[Any]], row: int, column: int) -> list[Pair]:
    """Walk the table back from its end."""
    found = []
    while row and column:
        if best[row - 1][column] == best[row][column]:
            row -= 1
        elif best[row][column - 1] == best[row][column]:
            column -= 1
        else:
            row, column = row - 1, column - 1
            found.append((row, column))
    return found[::-1]


def merged(pairs: list[Pair], rows: int, columns: int) -> list[tuple[int | None, int | None]]:
    """Return the pairs with what has no partner between them, rows before columns."""
    found: list[tuple[int | None, int | None]] = []
    row = column = 0
    for left, right in [*pairs, (rows, columns)]:
        found += [(i, None) for i in range(row, left)]
        found += [(None, j) for j in range(column, right)]
        if (left, right) != (rows, columns):
            found.append((left, right))
        row, column = left + 1, right + 1
    return found
