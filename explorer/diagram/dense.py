"""A dense block as the bus that it is: every layer reads all of it and widens it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from explorer.blocks import Block
from explorer.dataflow import Dataflow
from explorer.diagram.labels import is_hidden, is_strip, label, shape_of
from explorer.diagram.pieces import BOX, STRIP, Piece
from explorer.diagram.surface import Surface
from explorer.diagram.svg import text_width
from explorer.text import _, n_
from explorer.trace.records import Trace

_SHOWN_LAYERS = 5
"""A dense block of more layers shows the first three and the last."""
_ROW, _GAP_ROW = 86.0, 44.0
"""Heights of a layer's row, and of the row for those that are left out."""
_TAP, _RETURN = 24.0, 64.0
"""Where in its row a layer reads the bus, and where it writes to it."""
_PILL = (32.0, 11.0)
"""Half the width and height of a concatenation on the bus."""
_START, _STEP = 46.0, 22.0
"""Where a layer's first box begins, and what lies between its boxes."""


class _Row(NamedTuple):
    """One box or strip in a layer of a dense block."""

    text: str
    kind: str
    strip: bool
    ops: tuple[int, ...]


_Cells = Sequence[Sequence[_Row]]
"""A layer from left to right; rows of a cell stand on top of each other."""


class DenseBus(Piece):
    """The bus downwards, a row to the right of it for each layer.

    Args:
        trace: what the block is from.
        block: of kind "dense".
        flow: the trace's dataflow.
        every: draw all layers, however many they are.
    """

    def __init__(self, trace: Trace, block: Block, flow: Dataflow, *, every: bool = False) -> None:
        self.block = block
        self.layers = [_cells(trace, flow, branch) for branch in block.branches]
        count = len(self.layers)
        axis = trace.ops[block.join].attrs.get("dim", 1)
        self.grown = [shape_of(trace.ops[branch[-1]])[axis] for branch in block.branches]
        start = shape_of(trace.ops[block.fork])[axis]
        self.channels = list(accumulate(self.grown, initial=start))
        few = every or count <= _SHOWN_LAYERS
        self.drawn = list(range(count)) if few else [0, 1, 2, count - 1]
        self.shape = shape_of(trace.ops[block.join])
        self.height = _ROW * len(self.drawn) + (0 if few else _GAP_ROW)
        self.left = max(_PILL[0], 20 + text_width(str(self.channels[-1]), 11.5))
        ends = []
        for index in self.drawn:
            wide = sum(_cell_width(cell) + _STEP for cell in self.layers[index])
            words = max(
                text_width(_("layer {n}").format(n=count), 12.5),
                text_width(self._growth(index), 11.5),
            )
            ends.append(_START + wide - _STEP + 30 + words)
        if not few:
            ends.append(_START + 18 + text_width(self._left_out(range(3, count - 1)), 12))
        self.right = max(ends)

    @property
    def note(self) -> str:
        """How many layers and connections there are."""
        count = len(self.layers)
        return _(
            "{n} layers, {n} × {more} / 2 = {connections} connections: each reads all that stand "
            "before it"
        ).format(n=count, more=count + 1, connections=self.block.connections)

    def _growth(self, index: int) -> str:
        return _("+ {n} channels").format(n=self.grown[index])

    def draw(self, sheet: Surface, x: float, y: float) -> None:
        """Draw bus and layers downwards."""
        previous = -1
        for index in self.drawn:
            if index > previous + 1:
                self._draw_gap(sheet, x, y, range(previous + 1, index))
                y += _GAP_ROW
            text = str(self.channels[index])
            sheet.text(x - 18, y + _TAP, text, 11.5, anchor="end", muted=True)
            end = self._draw_layer(sheet, x, y, index)
            middle = y + (_TAP + _RETURN) / 2
            name = _("layer {n}").format(n=index + 1)
            sheet.text(end + 30, middle - 9, name, 12.5, anchor="start")
            growth = self._growth(index)
            sheet.text(end + 30, middle + 9, growth, 11.5, anchor="start", muted=True)
            y += _ROW
            previous = index

    def words(self) -> list[str]:
        """A layer's boxes, and what becomes of its result."""
        first = ", ".join(row.text for cell in self.layers[0] for row in cell)
        said = _("Each layer: {boxes}; its result is concatenated to its input.")
        return [f"{said.format(boxes=first)} {self.note}"]

    def _draw_layer(self, sheet: Surface, x: float, y: float, index: int) -> float:
        """Draw the bus before and behind a layer, and the layer; return its right end."""
        wide, high = _PILL
        widest = self.channels[-1]
        before, behind = (3 + 9 * self.channels[i] / widest for i in (index, index + 1))
        pill = y + _RETURN - high
        sheet.line((x, y), (x, pill), kind="concat", width=before)
        sheet.line((x, pill + 2 * high), (x, y + _ROW), kind="concat", width=behind)
        left, end = x + _START, float(x + before / 2)
        for cell in self.layers[index]:
            sheet.line((end, y + _TAP), (left, y + _TAP), arrow=True)
            end = _draw_cell(sheet, left, y + _TAP, cell)
            left = end + _STEP
        turn = end + 18
        back = ((end, y + _TAP), (turn, y + _TAP), (turn, y + _RETURN), (x + wide, y + _RETURN))
        sheet.line(*back, arrow=True)
        merge = self.block.merges[index - len(self.layers)]
        sheet.box(
            x - wide, pill, 2 * wide, 2 * high, "concat", round_=high, ops=(merge,),
            label=_("concat"), size=12,
        )  # fmt: skip
        return end

    def _draw_gap(self, sheet: Surface, x: float, y: float, hidden: range) -> None:
        """The layers left out, said in words."""
        sheet.line((x, y), (x, y + _GAP_ROW), kind="concat", dashed=True, width=5)
        text = self._left_out(hidden)
        layers, merges = self.block.branches, self.block.merges
        inside = [op for i in hidden for op in (*layers[i], merges[i - len(layers)])]
        width = text_width(text, 12) + 18
        sheet.box(
            x + _START, y + _GAP_ROW / 2 - STRIP / 2, width, STRIP, "concat", round_=4,
            strong=False, ops=tuple(sorted(inside)), label=text, size=12,
        )  # fmt: skip

    def _left_out(self, hidden: range) -> str:
        layers = self.layers
        texts = {tuple(row.text for cell in layers[i] for row in cell) for i in (0, *hidden)}
        many = (
            n_(
                "{n} more layer with the same boxes",
                "{n} more layers with the same boxes",
                len(hidden),
            )
            if len(texts) == 1
            else n_("{n} more layer", "{n} more layers", len(hidden))
        )
        ends = _("from {first} to {last} channels").format(
            first=self.channels[hidden[0]], last=self.channels[hidden[-1] + 1]
        )
        return f"⋯ {many}, {ends}"


def _cells(trace: Trace, flow: Dataflow, branch: tuple[int, ...]) -> _Cells:
    """A layer's visible ops: strips that follow each other share a cell."""
    if any(len(flow.preds[index]) > 1 for index in branch):
        return [[_Row(_("{n} ops").format(n=len(branch)), "unknown", False, branch)]]
    cells: list[list[_Row]] = []
    for index in branch:
        op = trace.ops[index]
        if is_hidden(op):
            continue
        row = _Row(label(op), op.kind, is_strip(op), (index,))
        if cells and row.strip and cells[-1][0].strip and len(cells[-1]) < 2:
            cells[-1].append(row)
        else:
            cells.append([row])
    return cells


def _cell_width(cell: Sequence[_Row]) -> float:
    size = 12.0 if cell[0].strip else 13.0
    return max(64.0, max(text_width(row.text, size) for row in cell) + 18)


def _draw_cell(sheet: Surface, x: float, y: float, cell: Sequence[_Row]) -> float:
    """Draw a cell with its left end at `x`, round the height `y`; return its right end."""
    strip = cell[0].strip
    size, height = (12.0, STRIP) if strip else (13.0, BOX)
    width = _cell_width(cell)
    top = y - (len(cell) * height + 2 * (len(cell) - 1)) / 2
    for row in cell:
        sheet.box(
            x, top, width, height, row.kind,
            round_=4 if strip else 6, strong=not strip, ops=row.ops, label=row.text, size=size,
        )  # fmt: skip
        top += height + 2
    return x + width
