"""One block as the textbook draws it, from the dataflow alone.

Boxes name kernel, channels and stride; a shape stands on every edge that changes it; the
shortcut goes round the block; a dense block is a bus that every layer reads and widens.
"""

from __future__ import annotations

from explorer.blocks import Block
from explorer.dataflow import Dataflow
from explorer.diagram.compose import Composer, block_title
from explorer.diagram.dense import DenseBus
from explorer.diagram.labels import batch_of, edge_text, shape_of
from explorer.diagram.pieces import GAP
from explorer.diagram.svg import Sheet
from explorer.trace.records import Trace


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
    sheet = Sheet(dark=dark)
    title = f"{block_title(block)} at {block.path or trace.model}"
    if repeats > 1:
        title += f", {repeats} times"
    piece = Composer(trace, Dataflow(trace)).block(block)
    y = 12.0
    sheet.text(0, 0, _shape(trace, block.fork), 12.5, muted=True)
    sheet.line((0, y), (0, y + 16), arrow=piece.needs_arrow)
    y += 16
    piece.draw(sheet, 0, y)
    y += piece.height
    sheet.line((0, y), (0, y + GAP), arrow=True)
    y += GAP + 12
    sheet.text(0, y, _shape(trace, block.join), 12.5, muted=True)
    first = piece.pieces[0]
    if isinstance(first, DenseBus):
        sheet.text(sheet.corner[0], y + 30, first.note, 12, anchor="start", muted=True)
    if header:
        _write_header(sheet, block.path or trace.model, block_title(block), repeats)
    words = "; ".join(piece.words())
    description = f"From {_shape(trace, block.fork)} to {_shape(trace, block.join)}. {words}."
    return sheet.document(title, description)


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
