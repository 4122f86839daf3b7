"""Aligns the rows of two models inside one stage."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.analysis._align import align, best_sum, merged
from explorer.analysis._units import MAIN
from explorer.analysis.compare.records import AlignedStage, Change, DiffRow, Shape, Status
from explorer.analysis.compare.scales import SAME_SCALE
from explorer.analysis.compare.scores import groups, score, window_changes
from explorer.analysis.compare.tables import (
    COMPUTES,
    Config,
    Contents,
    Piece,
    Table,
    batch_of,
    numbered,
)
from explorer.analysis.compare.words import size_text
from explorer.analysis.layers import Layer


class Aligner:
    """Aligns two tables, comparing each pair of kinds of rows once."""

    def __init__(self, left: Table, right: Table) -> None:
        self.left = left
        self.right = right
        self.same_input = left.scales.whole == right.scales.whole
        self.batches = [batch_of(table.trace) for table in (left, right)]
        self.changes: dict[tuple[int, int], tuple[Change, ...]] = {}
        self.scores: dict[tuple[int, int], int] = {}

    def stage(self, stage: AlignedStage) -> list[DiffRow]:
        """Return the aligned rows of one stage: block by block where both have blocks."""
        lefts = self.left.places(stage.stages[0])
        rights = self.right.places(stage.stages[1])
        whole = self.left.has_blocks(lefts) and self.right.has_blocks(rights)
        left = self.left.pieces(lefts, whole)
        right = self.right.pieces(rights, whole)
        rows: list[DiffRow] = []
        for i, j in merged(align(self._scores(left, right)), len(left), len(right)):
            rows += self._piece(
                stage.name, () if i is None else left[i], () if j is None else right[j]
            )
        return rows

    def _piece(self, stage: str, left: Piece, right: Piece) -> list[DiffRow]:
        ones = [(place,) for place in left]
        others = [(place,) for place in right]
        return [
            self._row(stage, None if i is None else left[i], None if j is None else right[j])
            for i, j in merged(align(self._scores(ones, others)), len(left), len(right))
        ]

    def _scores(self, lefts: Sequence[Piece], rights: Sequence[Piece]) -> NDArray[np.int64]:
        """How much it is worth to align each piece with each other one."""
        if not lefts or not rights:
            return np.zeros((len(lefts), len(rights)), np.int64)
        rows, row_kinds = numbered([self.left.contents(piece) for piece in lefts])
        columns, column_kinds = numbered([self.right.contents(piece) for piece in rights])
        table = [[self._alike(a, b) for b in column_kinds] for a in row_kinds]
        return np.array(table, np.int64)[np.ix_(rows, columns)]

    def _alike(self, a: Contents, b: Contents) -> int:
        """How alike two pieces are: two rows, or the best alignment of two blocks."""
        if a[0] is None or b[0] is None:
            return self._score(a[1][0], b[1][0]) if a[0] is b[0] else 0
        if "branches" in (a[0].kind, b[0].kind) and a[0][1:] != b[0][1:]:
            return 0
        pairs = [[self._score(x, y) for y in b[1]] for x in a[1]]
        return best_sum(pairs) + 30 * (a[0] == b[0])

    def _score(self, a: int, b: int) -> int:
        found = self.scores.get((a, b))
        if found is None:
            found = score(self.left.configs[a], self.right.configs[b])
            self.scores[a, b] = found
        return found

    def _row(self, stage: str, left: int | None, right: int | None) -> DiffRow:
        one = self.left.rows[left] if left is not None else None
        other = self.right.rows[right] if right is not None else None
        status: Status = "left" if other is None else "right"
        changes: tuple[Change, ...] = ()
        if left is not None and right is not None:
            changes = self._changes(left, right)
            status = "changed" if changes else "same"
        parts_of = self.left.parts if left is not None else self.right.parts
        place = left if left is not None else right
        assert place is not None
        return diff_row(
            stage,
            status,
            (one, other),
            changes,
            (
                self.left.parts.unit[left] if left is not None else -1,
                self.right.parts.unit[right] if right is not None else -1,
            ),
            parts_of.role[place],
        )

    def _changes(self, left: int, right: int) -> tuple[Change, ...]:
        key = self.left.ids[left], self.right.ids[right]
        found = self.changes.get(key)
        if found is None:
            configs = self.left.configs[key[0]], self.right.configs[key[1]]
            found = self.changes[key] = tuple(self._named(*configs))
        if found:
            return found
        one, other = self.left.rows[left], self.right.rows[right]
        if one.params != other.params:
            return (Change("parameters", f"{one.params:,}", f"{other.params:,}"),)
        if one.cost != other.cost and self.same_input and self.batches[0] == self.batches[1]:
            return (Change("cost", f"{one.cost:,}", f"{other.cost:,}"),)
        return ()

    def _named(self, a: Config, b: Config) -> list[Change]:
        """Every property in which two configurations differ."""
        found = []
        if a.function != b.function:
            what = a.kind if a.kind in ("activation", "normalization", "pooling") else "operation"
            found.append(Change(what, a.function, b.function))
        if a.kind not in COMPUTES:
            return found
        found += window_changes(a, b)
        values: list[tuple[str, Any, Any]] = [
            ("groups", *groups(a, b)),
            ("input width", a.inputs, b.inputs),
            ("width", a.width, b.width),
            ("heads", a.heads, b.heads),
            ("bias", "yes" if a.bias else "no", "yes" if b.bias else "no"),
        ]
        found += [Change(what, str(x), str(y)) for what, x, y in values if x != y]
        if not self._same_size(a.size, b.size):
            found.append(Change("size", size_text(a.size), size_text(b.size)))
        return found

    def _same_size(self, a: Shape, b: Shape) -> bool:
        """Whether two maps stand at one resolution, relative to different inputs."""
        if a == b or set(a) | set(b) <= {1}:
            return True
        if len(a) != len(b):  # 3136 tokens are a map of 56 × 56, row by row
            return prod(a) == prod(b)
        if self.same_input:
            return False
        one, other = self.left.scales.scale(a)[0], self.right.scales.scale(b)[0]
        return abs(one - other) < SAME_SCALE


def diff_row(
    stage: str,
    status: Status,
    rows: tuple[Layer | None, Layer | None],
    changes: tuple[Change, ...] = (),
    blocks: tuple[int, int] = (-1, -1),
    role: str = MAIN,
) -> DiffRow:
    """Make a row; its differences are right minus left."""
    left, right = rows

    def difference(name: str) -> int:
        before = getattr(left, name) if left else 0
        after = getattr(right, name) if right else 0
        return int(after - before)

    return DiffRow(
        stage=stage,
        status=status,
        left=left,
        right=right,
        changes=changes,
        params=difference("params"),
        cost=difference("cost"),
        activation_bytes=difference("activation_bytes"),
        left_block=blocks[0],
        right_block=blocks[1],
        role=role,
    )
