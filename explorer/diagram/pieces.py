"""The parts of a block figure, each of which knows its size and draws itself.

Every piece has a spine, the vertical line on which values enter at the top and leave at the
bottom; `left` and `right` say how far it reaches to the sides of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from explorer.diagram.labels import edge_text, is_strip, label, shape_of
from explorer.diagram.surface import Surface
from explorer.diagram.svg import text_width
from explorer.text import N_, _
from explorer.trace.records import OpRecord

Shape = tuple[int, ...]

BOX, STRIP, GAP = 36.0, 20.0, 32.0
"""Heights of a box and of a strip, and the length of an edge between stacks."""
_TEXT, _SMALL = 13.0, 11.5
_ASIDE = 9.0
"""From a line to the text beside it."""
_BETWEEN = 30.0
"""Between branches."""
_IDENTITY = N_("identity")
_NODE = 12.0
"""Radius of a merge node."""


class Piece(ABC):
    """A part of the figure."""

    left: float = 0.0
    right: float = 0.0
    height: float = 0.0
    needs_arrow: bool = False
    """An edge into it ends in an arrow."""
    shape: Shape = ()
    """Shape of what leaves it."""

    @abstractmethod
    def draw(self, sheet: Surface, x: float, y: float) -> None:
        """Draw with the spine at `x` and the top at `y`."""

    @abstractmethod
    def words(self) -> list[str]:
        """What it says, for the description."""


class Stack(Piece):
    """Boxes and strips that follow each other without anything between."""

    needs_arrow = True

    def __init__(self, ops: Sequence[OpRecord], texts: Sequence[str] = ()) -> None:
        self.ops = list(ops)
        self.texts = list(texts) or [label(op) for op in self.ops]
        sizes = [_STRIP_TEXT if is_strip(op) else _TEXT for op in self.ops]
        widths = [text_width(text, size) for text, size in zip(self.texts, sizes, strict=True)]
        self.left = self.right = max(132.0, max(widths) + 24) / 2
        self.height = sum(map(_row, self.ops)) + 2 * (len(self.ops) - 1)
        self.shape = shape_of(self.ops[-1])

    def widen(self, half: float) -> None:
        """Make it as wide as its neighbours."""
        self.left = self.right = max(self.left, half)

    def draw(self, sheet: Surface, x: float, y: float) -> None:
        """Draw the rows downwards."""
        for op, text in zip(self.ops, self.texts, strict=True):
            strip, height = is_strip(op), _row(op)
            sheet.box(
                x - self.left, y, 2 * self.left, height, op.kind,
                round_=4 if strip else 6, strong=not strip, ops=(op.index,),
                label=text, size=_STRIP_TEXT if strip else _TEXT,
            )  # fmt: skip
            y += height + 2

    def words(self) -> list[str]:
        """The rows' texts."""
        return self.texts


_STRIP_TEXT = 12.0


def _row(op: OpRecord) -> float:
    return STRIP if is_strip(op) else BOX


class Line(Piece):
    """Pieces one after the other; shapes stand on the edges that change them.

    Args:
        pieces: what lies on the line.
        shape: of what enters it.
        end: of what leaves it, if that is another than the last piece gives.
        batch: of the trace.
        inner: shape on the edge behind each piece, if views change it on the way.
    """

    def __init__(
        self,
        pieces: Sequence[Piece],
        shape: Shape,
        end: Shape = (),
        batch: int = 1,
        *,
        inner: Sequence[Shape] = (),
    ) -> None:
        self.pieces = list(pieces)
        enters = shape
        inner = inner or [piece.shape for piece in self.pieces]
        self.half = max((p.left for p in self.pieces if isinstance(p, Stack)), default=0.0)
        """Half the width of its boxes."""
        for piece in self.pieces:
            if isinstance(piece, Stack):
                piece.widen(self.half)
        self.needs_arrow = bool(self.pieces) and self.pieces[0].needs_arrow
        self.labels: list[str] = []
        """Shape on the edge behind each piece, "" where it is as before."""
        for piece, left in zip(self.pieces, inner, strict=True):
            last = end if end and piece is self.pieces[-1] else left
            text = edge_text(last, batch)
            self.labels.append(text if text != edge_text(shape, batch) else "")
            shape = last
        before, after = edge_text(enters, batch), edge_text(end or shape, batch)
        self.passes_on = before == after
        """Without pieces: what enters leaves as it is."""
        self.note = "" if self.pieces else _(_IDENTITY) if self.passes_on else after
        """What to say of a line without pieces."""
        self.shape = shape
        self.left = max((piece.left for piece in self.pieces), default=0.0)
        asides = [_ASIDE + text_width(text, _SMALL) for text in (*self.labels, self.note) if text]
        self.right = max((*asides, *(piece.right for piece in self.pieces)), default=0.0)
        self.height = sum(piece.height for piece in self.pieces)
        self.height += GAP * max(0, len(self.pieces) - 1)

    @property
    def exit_label(self) -> str:
        """What stands on the edge that leaves it."""
        return self.labels[-1] if self.labels else ""

    def draw(self, sheet: Surface, x: float, y: float) -> None:
        """Draw the pieces downwards, with the edges between them."""
        for place, piece in enumerate(self.pieces):
            piece.draw(sheet, x, y)
            y += piece.height
            if place < len(self.pieces) - 1:
                sheet.line((x, y), (x, y + GAP), arrow=self.pieces[place + 1].needs_arrow)
                aside(sheet, x, y + GAP / 2 - 2, self.labels[place])
                y += GAP

    def words(self) -> list[str]:
        """The pieces' words in order."""
        return [word for piece in self.pieces for word in piece.words()]


_JOINS = {"add": N_("sum"), "multiply": N_("product")}


class SideBySide(Piece):
    """Branches next to each other, gathered in a bar."""

    def __init__(self, join: OpRecord, ways: Sequence[Line], merges: tuple[int, ...]) -> None:
        self.join, self.ways, self.merges = join, list(ways), merges
        self.shape = shape_of(join)
        widths = [max(40.0, way.left) + max(40.0, way.right) for way in self.ways]
        whole = sum(widths) + _BETWEEN * (len(widths) - 1)
        self.spines: list[float] = []
        x = -whole / 2
        for way, width in zip(self.ways, widths, strict=True):
            self.spines.append(x + max(40.0, way.left))
            x += width + _BETWEEN
        if len(self.spines) % 2:
            # The middle branch goes straight on.
            shift = self.spines[len(self.spines) // 2]
            self.spines = [spine - shift for spine in self.spines]
        self.left = max(max(40.0, w.left) - s for w, s in zip(self.ways, self.spines, strict=True))
        self.right = max(
            max(40.0, w.right) + s for w, s in zip(self.ways, self.spines, strict=True)
        )
        self.inner = max(way.height for way in self.ways)
        self.height = 8 + GAP + self.inner + GAP + 26

    def draw(self, sheet: Surface, x: float, y: float) -> None:
        """Draw fork, branches and bar."""
        fork, top = y + 8, y + 8 + GAP
        bar = top + self.inner + GAP
        sheet.line((x, y), (x, fork))
        for way, spine in zip(self.ways, self.spines, strict=True):
            at, start = x + spine, top + (self.inner - way.height) / 2
            route = [(x, fork), (at, fork), (at, start)] if spine else [(x, fork), (x, start)]
            if way.pieces:
                sheet.line(*route, arrow=way.needs_arrow)
                way.draw(sheet, at, start)
                sheet.line((at, start + way.height), (at, bar), arrow=True)
                aside(sheet, at, bar - GAP / 2 - 2, way.exit_label)
            else:
                sheet.line(*route[:-1], (at, bar), arrow=True)
                aside(sheet, at, (top + bar) / 2, way.note, italic=way.passes_on)
        sheet.dot(x, fork)
        left, right = self.spines[0] - 40, self.spines[-1] + 40
        sheet.box(
            x + left, bar, right - left, 26, self.join.kind, round_=13, ops=self.merges,
            label=_(_JOINS.get(self.join.kind, "")) or label(self.join),
        )  # fmt: skip

    def words(self) -> list[str]:
        """Each branch's words, divided by bars."""
        return [" | ".join(", ".join(way.words()) or way.note for way in self.ways)]


class Shortcut(Piece):
    """One branch straight on, the others drawn round it, joined in a round node."""

    def __init__(self, join: OpRecord, ways: Sequence[Line], merges: tuple[int, ...]) -> None:
        self.join, self.merges = join, merges
        self.main, self.sides = ways[0], list(ways[1:])
        self.shape = shape_of(join)
        self.left = max(self.main.left, _NODE)
        self.inner = max(way.height for way in ways)
        reach = max(self.main.right, _NODE)
        self.spines = []
        for side in self.sides:
            self.spines.append(reach + _BETWEEN + side.left)
            reach = self.spines[-1] + side.right
        self.right = reach
        self.height = 10 + GAP + self.inner + GAP + 2 * _NODE

    def draw(self, sheet: Surface, x: float, y: float) -> None:
        """Draw the main branch, the others to its right, and the node."""
        fork, top = y + 10, y + 10 + GAP
        node = top + self.inner + GAP + _NODE
        start = top + (self.inner - self.main.height) / 2
        if self.main.pieces:
            sheet.line((x, y), (x, start), arrow=self.main.needs_arrow)
            self.main.draw(sheet, x, start)
            sheet.line((x, start + self.main.height), (x, node - _NODE), arrow=True)
            aside(sheet, x, node - _NODE - GAP / 2 - 2, self.main.exit_label)
        else:
            sheet.line((x, y), (x, node - _NODE), arrow=True)
        for side, spine in zip(self.sides, self.spines, strict=True):
            self._draw_side(sheet, side, (x, x + spine), (fork, top, node))
        sheet.dot(x, fork)
        sheet.circle(x, node, _NODE, self.join.kind, self.merges)
        sheet.cross(x, node, self.join.kind, turned=self.join.kind == "multiply")

    def _draw_side(
        self,
        sheet: Surface,
        side: Line,
        xs: tuple[float, float],
        ys: tuple[float, float, float],
    ) -> None:
        (x, at), (fork, top, node) = xs, ys
        end = (x + _NODE, node)
        if not side.pieces:
            sheet.line((x, fork), (at, fork), (at, node), end, arrow=True)
            aside(sheet, at, (fork + node) / 2, side.note, italic=side.passes_on)
            return
        start = top + (self.inner - side.height) / 2
        sheet.line((x, fork), (at, fork), (at, start), arrow=side.needs_arrow)
        side.draw(sheet, at, start)
        below = start + side.height
        sheet.line((at, below), (at, node), end, arrow=True)
        aside(sheet, at, below + GAP / 2, side.exit_label)

    def words(self) -> list[str]:
        """The main branch's words, then how the others join it."""
        sides = " | ".join(", ".join(side.words()) or side.note for side in self.sides)
        return [
            *self.main.words(),
            _("joined by {op} with: {sides}").format(op=self.join.name.rstrip("_"), sides=sides),
        ]


def aside(sheet: Surface, x: float, y: float, text: str, *, italic: bool = False) -> None:
    """Small text to the right of a vertical line."""
    if text:
        sheet.text(x + _ASIDE, y, text, _SMALL, anchor="start", muted=True, italic=italic)
