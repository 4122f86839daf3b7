"""The larger parts of a figure: a block in its frame or closed, and paths that cross."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from explorer.diagram.labels import shape_of
from explorer.diagram.layout import Box, place
from explorer.diagram.layout import Group as Border
from explorer.diagram.pieces import Piece, Shape
from explorer.diagram.scene import Point
from explorer.diagram.surface import Surface
from explorer.diagram.svg import text_width
from explorer.text import _
from explorer.trace.records import OpRecord

_HEAD, _PAD = 50.0, 16.0
"""Of a frame: above its content, where its title stands, and round it."""
_TITLE, _DETAIL, _BADGE = 13.0, 11.5, 15.0
"""Sizes of letters."""
_TURN = 28.0
"""Below crossing paths: room for the line that leads back to the middle."""


class Frame(Piece):
    """A block with a frame and its name.

    Args:
        inner: the block.
        key: of the frame.
        lines: title, and what kind of block it is.
        badge: "× 3", or "".
        ops: what it stands for.
        sign: "−" if it can be closed in place.
    """

    def __init__(
        self, inner: Piece, key: str, lines: tuple[str, str], badge: str, ops: Sequence[int], *,
        sign: str = "−",
    ) -> None:  # fmt: skip
        self.inner, self.key, self.lines, self.badge = inner, key, lines, badge
        self.ops, self.sign = ops, sign
        self.shape = inner.shape
        first = text_width(lines[0], _TITLE) * 1.06
        if badge:
            first += 16 + text_width(badge, _BADGE) * 1.06
        words = max(first, text_width(lines[1], _DETAIL))
        self.left = max(inner.left + _PAD, 36.0)
        self.right = max(inner.right + _PAD, 12 + words + 14)
        self.height = _HEAD + inner.height + _PAD

    def draw(self, sheet: Surface, x: float, y: float) -> None:
        """Draw the frame, its name beside the line that enters, and the block."""
        sheet.group(
            self.key, x - self.left, y, self.left + self.right, self.height, self.lines[0],
            detail=self.lines[1], badge=self.badge, at=self.left + 12, ops=self.ops,
            sign=self.sign,
        )  # fmt: skip
        sheet.line((x, y), (x, y + _HEAD), arrow=self.inner.needs_arrow)
        self.inner.draw(sheet, x, y + _HEAD)
        end = y + _HEAD + self.inner.height
        sheet.line((x, end), (x, end + _PAD))

    def words(self) -> list[str]:
        """Its name, and the block's words."""
        return [" ".join((*self.lines, self.badge)).strip(), *self.inner.words()]


class Closed(Piece):
    """A block as one box.

    Args:
        key: of the box.
        lines: title, and what kind of block it is.
        main: the op that gives the box its colour.
        shape: of what leaves it.
        ops: what it stands for.
    """

    needs_arrow = True

    def __init__(
        self, key: str, lines: tuple[str, str], main: OpRecord, shape: Shape, ops: Sequence[int]
    ) -> None:
        self.key, self.lines, self.main, self.ops = key, lines, main, ops
        self.shape = shape
        words = max(text_width(lines[0], _TITLE), text_width(lines[1], 11))
        self.left = self.right = words / 2 + 24
        self.height = 46.0

    def draw(self, sheet: Surface, x: float, y: float) -> None:
        """Draw the box."""
        wide = self.left + self.right
        sheet.closed(
            self.key, x - self.left, y, wide, self.height, self.main.kind, self.lines, self.ops
        )

    def words(self) -> list[str]:
        """Its two lines."""
        return [" ".join(self.lines)]


class Merge(Piece):
    """Where crossing paths meet: a round node, or a pill for a concatenation.

    Args:
        join: the op that joins them.
        ops: what the node stands for, if it is more than that op.
        half: room to each side of it.
    """

    def __init__(self, join: OpRecord, ops: tuple[int, ...] = (), half: float = 13.0) -> None:
        self.join, self.ops = join, ops or (join.index,)
        self.shape = shape_of(join)
        self.round = join.kind in ("add", "multiply")
        self.left = self.right = half if self.round else 34.0
        self.height = 26.0

    def draw(self, sheet: Surface, x: float, y: float) -> None:
        """Draw the node."""
        kind, ops = self.join.kind, self.ops
        if self.round:
            sheet.circle(x, y + 13, 12.0, kind, ops)
            sheet.cross(x, y + 13, kind, turned=kind == "multiply")
        else:
            sheet.box(x - 34, y + 1, 68, 24, kind, round_=12, ops=ops, label=_("concat"))

    def words(self) -> list[str]:
        """Nothing: those who count the ops count it."""
        return []


class Region(Piece):
    """Ops whose paths cross, laid out as a graph.

    Args:
        cells: key -> what is drawn there, in the order of the dataflow.
        parents: key of a cell -> key of the frame around it, "" for none.
        frames: key of a frame -> its title, and whether it can be opened.
        links: between keys; `ENTRY` is where the paths come from.
        end: key of the last cell; "" if the paths end in several.
        shape: of what leaves the last cell.
        count: number of ops.
    """

    ENTRY = "entry"

    def __init__(
        self,
        cells: dict[str, Piece],
        parents: dict[str, str],
        frames: dict[str, tuple[str, bool]],
        links: Sequence[tuple[str, str]],
        end: str,
        shape: Shape,
        count: int,
    ) -> None:
        self.cells, self.frames, self.links, self.count = cells, frames, links, count
        self.shape = shape
        boxes = [Box(self.ENTRY, "", 8.0, 8.0)]
        for key, cell in cells.items():
            half = max(cell.left, cell.right)
            boxes.append(Box(key, parents.get(key, ""), 2 * half, cell.height))
        borders = {
            key: Border("", text_width(title, _DETAIL) + 40) for key, (title, _) in frames.items()
        }
        # Streams of a high resolution stand to the left of those of a low one.
        prefer = {key: -float(prod(cell.shape[2:])) for key, cell in cells.items()}
        self.placed = place(boxes, borders, links, prefer=prefer)
        entry = self.placed.frames[self.ENTRY]
        self.left = entry.x + entry.width / 2
        self.right = self.placed.width - self.left
        self.height = self.placed.height + (_TURN if end else 0.0)
        self.end = end

    def draw(self, sheet: Surface, x: float, y: float) -> None:
        """Draw frames, lines and cells."""
        dx, dy = x - self.left, y
        placed = self.placed
        for key, (title, opens) in self.frames.items():
            frame = placed.frames[key]
            sheet.group(
                key, frame.x + dx, frame.y + dy, frame.width, frame.height, title,
                sign="+" if opens else "−", at=24.0,
            )  # fmt: skip
        for (_start, target), route in zip(self.links, placed.routes, strict=True):
            points: list[Point] = [(px + dx, py + dy) for px, py in route]
            arrow = target not in self.cells or self.cells[target].needs_arrow
            sheet.curve(*points, arrow=arrow or isinstance(self.cells[target], Merge))
        for key, cell in self.cells.items():
            frame = placed.frames[key]
            cell.draw(sheet, frame.x + frame.width / 2 + dx, frame.y + dy)
        sheet.dot(x, y + 4)
        if self.end:
            last = placed.frames[self.end]
            at, low = last.x + last.width / 2 + dx, last.y + last.height + dy
            bottom = y + self.height
            if abs(at - x) < 1:
                sheet.line((x, low), (x, bottom))
            else:
                turn = y + placed.height + _TURN / 2
                sheet.line((at, low), (at, turn), (x, turn), (x, bottom))

    def words(self) -> list[str]:
        """How many ops there are, and what they are."""
        inside = ", ".join(word for cell in self.cells.values() for word in cell.words())
        return [_("{n} ops with crossing paths: {ops}").format(n=self.count, ops=inside)]
