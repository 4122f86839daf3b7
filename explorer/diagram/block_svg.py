"""One block as the textbook draws it, from the dataflow alone.

Boxes name kernel, channels and stride; a shape stands on every edge that changes it; the
shortcut goes round the block; a dense block is a bus that every layer reads and widens.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from explorer.blocks import Block
from explorer.dataflow import Dataflow
from explorer.diagram.labels import batch_of, edge_text, is_hidden, is_strip, label, shape_of
from explorer.diagram.paths import Fork, read_block
from explorer.diagram.pieces import (
    BOX,
    GAP,
    STRIP,
    Piece,
    Shortcut,
    Stack,
    fork_of,
    line_of,
)
from explorer.diagram.svg import Sheet, text_width
from explorer.trace.records import Trace

_SHORTCUTS = {
    "identity": "identity shortcut",
    "pad": "padded shortcut",
    "pool": "pooled shortcut",
    "projection": "projection shortcut",
}
_SHOWN_LAYERS = 5
"""A dense block of more layers shows the first three and the last."""


def block_svg(
    trace: Trace, block: Block, *, dark: bool = False, repeats: int = 1, header: bool = True
) -> str:
    """Draw one block of `find_blocks(trace)`.

    Args:
        trace: the trace that the block is from.
        block: any of its blocks.
        dark: draw for a dark page.
        repeats: how many equal blocks the figure stands for (`FoldedBlock.times`).
        header: write path and kind above the figure.
    """
    flow = Dataflow(trace)
    sheet = Sheet(dark=dark)
    title = f"{block_title(block)} at {block.path or trace.model}"
    if repeats > 1:
        title += f", {repeats} times"
    if block.kind == "dense":
        words = _draw_dense(sheet, trace, block, flow)
    else:
        words = _draw_block(sheet, trace, block, flow)
    if header:
        _write_header(sheet, block.path or trace.model, block_title(block), repeats)
    description = f"From {_shape(trace, block.fork)} to {_shape(trace, block.join)}. {words}"
    return sheet.document(title, description)


def block_title(block: Block) -> str:
    """What kind of block it is, in a few words."""
    if block.kind == "residual":
        return f"residual block, {_SHORTCUTS[block.shortcut]}"
    if block.kind == "dense":
        return f"dense block of {len(block.branches)} layers, {block.connections} connections"
    if block.kind == "branches":
        return f"{len(block.branches)} parallel branches"
    return {"gate": "gate computed from the pooled input", "attention": "attention"}[block.kind]


def _shape(trace: Trace, index: int) -> str:
    """What leaves an op; a split leaves several."""
    op = trace.ops[index]
    text = edge_text(shape_of(op), batch_of(trace))
    split = op.kind == "reshape" and len(op.outputs) > 1
    return f"{len(op.outputs)} of {text}" if split else text


def _write_header(sheet: Sheet, path: str, subtitle: str, repeats: int) -> None:
    left, top = sheet.corner
    if repeats > 1:
        subtitle += f", × {repeats}"
    sheet.text(left, top - 42, path, 14, anchor="start", bold=True)
    sheet.text(left, top - 22, subtitle, 12, anchor="start", muted=True)


# --- blocks of parallel paths --------------------------------------------------------------


def _draw_block(sheet: Sheet, trace: Trace, block: Block, flow: Dataflow) -> str:
    items = read_block(flow, block)
    before = shape_of(trace.ops[block.fork])
    first = items[0]
    piece: Piece
    if isinstance(first, Fork) and len(items) == 1 and block.kind != "attention":
        ways = [line_of(trace, way, before) for way in first.ways]
        join = trace.ops[block.join]
        if block.shortcut:
            piece = Shortcut(join, ways, first.merges)
        else:
            piece = fork_of(join, ways, first.merges)
    else:
        piece = line_of(trace, items, before)
    after = [trace.ops[index] for index in block.after]

    y = 0.0
    sheet.text(0, y, _shape(trace, block.fork), 12.5, muted=True)
    y += 12
    sheet.line((0, y), (0, y + 16), arrow=piece.needs_arrow)
    y += 16
    piece.draw(sheet, 0, y)
    y += piece.height
    if after:
        tail = Stack(after)
        tail.widen(piece.main.half if isinstance(piece, Shortcut) else 0)
        sheet.line((0, y), (0, y + 18))
        tail.draw(sheet, 0, y + 18)
        y += 18 + tail.height
    sheet.line((0, y), (0, y + GAP), arrow=True)
    sheet.text(0, y + GAP + 12, _shape(trace, block.join), 12.5, muted=True)
    words = [*piece.words(), *(label(op) for op in after)]
    return "; ".join(words) + "."


# --- dense blocks --------------------------------------------------------------------------

_ROW, _GAP_ROW = 86.0, 44.0
"""Heights of a layer's row, and of the row for those that are left out."""
_TAP, _RETURN = 24.0, 64.0
"""Where in its row a layer reads the bus, and where it writes to it."""
_PILL = (32.0, 11.0)
"""Half the width and height of a concatenation on the bus."""


class _Row(NamedTuple):
    """One box or strip in a layer of a dense block."""

    text: str
    kind: str
    strip: bool
    ops: tuple[int, ...]


_Cells = Sequence[Sequence[_Row]]
"""A layer from left to right; rows of a cell stand on top of each other."""


def _draw_dense(sheet: Sheet, trace: Trace, block: Block, flow: Dataflow) -> str:
    """The bus downwards on the left, a row for each layer."""
    layers = [_cells(trace, flow, branch) for branch in block.branches]
    count = len(layers)
    axis = trace.ops[block.join].attrs.get("dim", 1)
    grown = [shape_of(trace.ops[branch[-1]])[axis] for branch in block.branches]
    channels = list(accumulate(grown, initial=shape_of(trace.ops[block.fork])[axis]))
    sheet.text(0, 0, _shape(trace, block.fork), 12.5, muted=True)
    y = 12.0
    previous = -1
    for index in range(count) if count <= _SHOWN_LAYERS else (0, 1, 2, count - 1):
        if index > previous + 1:
            _draw_gap(sheet, y, range(previous + 1, index), layers, channels)
            y += _GAP_ROW
        widths = tuple(3 + 9 * channels[i] / channels[-1] for i in (index, index + 1))
        sheet.text(-18, y + _TAP, str(channels[index]), 11.5, anchor="end", muted=True)
        end = _draw_layer(sheet, y, layers[index], block.merges[index - count], widths)
        middle = y + (_TAP + _RETURN) / 2
        sheet.text(end + 30, middle - 9, f"layer {index + 1}", 12.5, anchor="start")
        more = f"+ {grown[index]} channels"
        sheet.text(end + 30, middle + 9, more, 11.5, anchor="start", muted=True)
        y += _ROW
        previous = index
    sheet.line((0, y), (0, y + 20), arrow=True)
    sheet.text(0, y + 32, _shape(trace, block.join), 12.5, muted=True)
    note = (
        f"{count} layers, {count} × {count + 1} / 2 = {block.connections} connections: "
        "each reads all that stand before it"
    )
    left, _ = sheet.corner
    sheet.text(left, y + 62, note, 12, anchor="start", muted=True)
    first = ", ".join(row.text for cell in layers[0] for row in cell)
    return f"Each layer: {first}; its result is concatenated to its input. {note}."


def _cells(trace: Trace, flow: Dataflow, branch: tuple[int, ...]) -> _Cells:
    """A layer's visible ops: strips that follow each other share a cell."""
    if any(len(flow.preds[index]) > 1 for index in branch):
        return [[_Row(f"{len(branch)} ops", "unknown", False, branch)]]
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


def _draw_layer(
    sheet: Sheet, y: float, cells: _Cells, merge: int, widths: tuple[float, ...]
) -> float:
    """Draw the bus before and behind a layer, and the layer; return its right end."""
    wide, high = _PILL
    before, behind = widths
    pill = y + _RETURN - high
    sheet.line((0, y), (0, pill), kind="concat", width=before)
    sheet.line((0, pill + 2 * high), (0, y + _ROW), kind="concat", width=behind)
    x, end = 46.0, before / 2
    for cell in cells:
        sheet.line((end, y + _TAP), (x, y + _TAP), arrow=True)
        end = _draw_cell(sheet, x, y + _TAP, cell)
        x = end + 22
    route = ((end, y + _TAP), (end + 18, y + _TAP), (end + 18, y + _RETURN), (wide, y + _RETURN))
    sheet.line(*route, arrow=True)
    sheet.box(-wide, pill, 2 * wide, 2 * high, "concat", round_=high, ops=(merge,))
    sheet.text(0, y + _RETURN, "concat", 12)
    return end


def _draw_cell(sheet: Sheet, x: float, y: float, cell: Sequence[_Row]) -> float:
    """Draw a cell with its left end at `x`, round the height `y`; return its right end."""
    strip = cell[0].strip
    size, height = (12.0, STRIP) if strip else (13.0, BOX)
    width = max(64.0, max(text_width(row.text, size) for row in cell) + 18)
    top = y - (len(cell) * height + 2 * (len(cell) - 1)) / 2
    for row in cell:
        sheet.box(
            x, top, width, height, row.kind,
            round_=4 if strip else 6, strong=not strip, ops=row.ops,
        )  # fmt: skip
        sheet.text(x + width / 2, top + height / 2, row.text, size)
        top += height + 2
    return x + width


def _draw_gap(
    sheet: Sheet, y: float, hidden: range, layers: Sequence[_Cells], channels: Sequence[int]
) -> None:
    """The layers left out, said in words."""
    sheet.line((0, y), (0, y + _GAP_ROW), kind="concat", dashed=True, width=5)
    texts = {tuple(row.text for cell in layers[i] for row in cell) for i in (0, *hidden)}
    alike = " with the same boxes" if len(texts) == 1 else ""
    many = f"{len(hidden)} more layer{'s' if len(hidden) > 1 else ''}{alike}"
    text = f"⋯ {many}, from {channels[hidden[0]]} to {channels[hidden[-1] + 1]} channels"
    sheet.text(46, y + _GAP_ROW / 2, text, 12.5, anchor="start", muted=True)
