"""Makes the parts of a figure from what was read in the dataflow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from explorer.blocks import Block, fold_blocks
from explorer.dataflow import Dataflow
from explorer.diagram.dense import DenseBus
from explorer.diagram.labels import (
    batch_of,
    constant_of,
    is_hidden,
    is_strip,
    is_subsampling,
    label,
    shape_of,
)
from explorer.diagram.paths import Fork, Item, Repeat, Step, Tangle, Unit, read_block
from explorer.diagram.pieces import Line, Piece, Shape, Shortcut, SideBySide, Stack
from explorer.diagram.units import Merge, Region
from explorer.text import N_, _
from explorer.trace.records import OpRecord, Trace


class UnitMaker(Protocol):
    """Decides how blocks that are items of their own are drawn."""

    def unit(self, item: Unit | Repeat, *, tangled: bool = False) -> Piece:
        """A block, in its frame or closed; `tangled` if it stands among crossing paths."""

    def frame_of(self, exchange: Block) -> tuple[str, bool]:
        """Key of an exchange's frame, and whether its paths are drawn in full."""


class Composer:
    """Makes pieces of one trace.

    Args:
        trace: where the ops are.
        flow: its dataflow.
        units: draws blocks that are items of their own; without it there are none.
        blocks: blocks to look for where paths cross.
        fold: draw equal neighbours once, there.
    """

    def __init__(
        self,
        trace: Trace,
        flow: Dataflow,
        units: UnitMaker | None = None,
        blocks: Sequence[Block] = (),
        *,
        fold: bool = True,
    ) -> None:
        self.trace, self.flow = trace, flow
        self.batch = batch_of(trace)
        self.units, self.blocks, self.fold = units, blocks, fold
        self.inside: list[Block] = []
        """The blocks that are being drawn, which are not to be found inside themselves."""

    def line(self, items: Sequence[Item], shape: Shape) -> Line:
        """Lay out what lies on one path.

        Args:
            items: the path.
            shape: of what enters it.
        """
        pieces: list[Piece] = []
        inner: list[Shape] = []
        stack: list[OpRecord] = []
        end = enters = shape
        ops = [self.trace.ops[item.op] for item in items if isinstance(item, Step)]
        visible = [op for op in ops if not is_hidden(op)]
        # Normalization before its convolution belongs to it, in a pre-activation block.
        strips_lead = bool(visible) and is_strip(visible[0])

        def close() -> None:
            if stack:
                pieces.append(self.stack(stack))
                inner.append(pieces[-1].shape)
                stack.clear()

        for item in items:
            end = shape_of(self.trace.ops[item.end])
            if isinstance(item, Step):
                op = self.trace.ops[item.op]
                if is_hidden(op):
                    if end != op.input_tensors[0].shape:
                        close()
                        inner[-1:] = [end] * bool(inner)
                        enters = enters if inner else end
                    continue
                if stack and _is_plain(op) and _is_plain(stack[-1]):
                    stack[-1] = op  # rows, then columns: one box
                    continue
                full = any(not is_strip(other) for other in stack)
                if full and (strips_lead or not is_strip(op)):
                    close()
                stack.append(op)
                continue
            close()
            piece = self._piece(item, pieces[-1].shape if pieces else shape)
            if piece:
                pieces.append(piece)
                inner.append(end)
        close()
        return Line(pieces, enters if pieces else shape, end, self.batch, inner=inner)

    def stack(self, ops: Sequence[OpRecord]) -> Stack:
        """Boxes that follow each other; what they add to the dataflow is named."""
        texts = []
        for op in ops:
            constant = constant_of(self.trace, self.flow, op)
            texts.append(f"{label(op)} {_(constant)}".rstrip())
        return Stack(ops, texts)

    def _piece(self, item: Item, shape: Shape) -> Piece | None:
        if isinstance(item, Tangle):
            return self.region(item)
        if isinstance(item, Fork):
            return self._forked(item, shape)
        if self.units is None or isinstance(item, Step):
            return None
        return self.units.unit(item)

    def _forked(self, item: Fork, shape: Shape) -> Piece | None:
        join = self.trace.ops[item.join]
        ways = [self.line(way, shape) for way in item.ways]
        if not any(way.pieces for way in ways):
            # Three views of one tensor, as in attention: one line into the op.
            return None if is_hidden(join) else self.stack([join])
        return fork_of(join, ways, item.merges)

    def block(self, block: Block, *, every: bool = False) -> Line:
        """A block from its fork to what follows its join.

        Args:
            block: one of the trace's.
            every: draw all layers of a dense block.
        """
        before = shape_of(self.trace.ops[block.fork])
        self.inside.append(block)
        pieces: list[Piece] = [self._body(block, before, every=every)]
        self.inside.pop()
        if block.after:
            tail = self.stack([self.trace.ops[index] for index in block.after])
            first = pieces[0]
            tail.widen(first.main.half if isinstance(first, Shortcut) else 0)
            pieces.append(tail)
        end = block.after[-1] if block.after else block.join
        # What leaves the join has its shape beside the lines that enter it.
        return Line(pieces, pieces[0].shape, shape_of(self.trace.ops[end]), self.batch)

    def _body(self, block: Block, before: Shape, *, every: bool) -> Piece:
        if block.kind == "dense":
            return DenseBus(self.trace, block, self.flow, every=every)
        if block.kind == "exchange":
            inside = {*block.main, *block.merges} - set(block.after)
            return self.region(Tangle(tuple(sorted(inside))))
        items = read_block(self.flow, block)
        first = items[0]
        if isinstance(first, Fork) and len(items) == 1 and block.kind not in ("attention",):
            ways = [self.line(way, before) for way in first.ways]
            join = self.trace.ops[block.join]
            if block.shortcut:
                return Shortcut(join, ways, first.merges)
            return fork_of(join, ways, first.merges)
        return self.line(items, before)

    # --- crossing paths ----------------------------------------------------------------------

    def region(self, item: Tangle) -> Region:
        """Paths that cross, with the blocks among them as cells."""
        return _RegionMaker(self, item).made()


class _RegionMaker:
    """Sorts the ops of a tangle into cells."""

    def __init__(self, composer: Composer, item: Tangle) -> None:
        self.composer, self.item = composer, item
        self.ops, self.flow = composer.trace.ops, composer.flow
        self.inside = set(item.ops)
        self.cells: dict[str, Piece] = {}
        self.stacks: dict[str, list[OpRecord]] = {}
        self.cell_of: dict[int, str] = {}
        """Op -> key of its cell; a hidden op belongs to none."""
        self.first_of: dict[int, str] = {}
        """First op of each cell, so that cells can be sorted."""
        self.framed: dict[int, str] = {}
        """Op -> key of the frame that it is drawn in."""
        self.parents: dict[str, str] = {}
        """Key of a cell -> that of its frame."""
        self.frames: dict[str, tuple[str, bool]] = {}
        """Key of a frame -> its title, and whether it can be opened."""

    def made(self) -> Region:
        if self.composer.units is not None:
            self._find_units(self.composer.units)
        for index in self.item.ops:
            if index not in self.cell_of and not is_hidden(self.ops[index]):
                self._sort_in(index)
        for key, ops in self.stacks.items():
            self.cells[key] = self.composer.stack(ops)
        order = [key for _, key in sorted(self.first_of.items())]
        cells = {key: self.cells[key] for key in order}
        links = self._links()
        ends = [i for i in self.item.ops if not set(self.flow.succs[i]) & self.inside]
        last = self.item.ops[-1]
        end = self._source(last) if len(ends) == 1 else ""
        return Region(
            cells, self.parents, self.frames, links, end or "", shape_of(self.ops[last]),
            len(self.item.ops),
        )  # fmt: skip

    def _find_units(self, units: UnitMaker) -> None:
        """Make cells of the blocks, and frames of the exchanges."""
        exchanges: list[Block] = []
        following: dict[int, list[Block]] = {}
        for block in self.composer.blocks:
            ops = _ops_of(block)
            drawn = any(block.join == other.join for other in self.composer.inside)
            if drawn or not ops <= self.inside:
                continue
            if block.kind == "exchange":
                exchanges.append(block)
            else:
                following.setdefault(block.fork, []).append(block)
        used: set[int] = set()
        for block in sorted(b for blocks in following.values() for b in blocks):
            if block.join in used:
                continue
            run = [block]
            while (after := self._next(run[-1], following)) is not None:
                run.append(after)
            used.update(each.join for each in run)
            self._add_units(units, run)
        for block in exchanges:
            self._add_exchange(units, block)

    def _add_exchange(self, units: UnitMaker, block: Block) -> None:
        """Frame an exchange; closed, each sum is one node with a line from every stream."""
        key, is_open = units.frame_of(block)
        ops = sorted(_ops_of(block))
        sums: dict[int, list[int]] = {}
        end_of: dict[int, int] = {}
        for index in reversed(ops):
            read = [other for other in self.flow.succs[index] if other in end_of]
            end_of[index] = end_of[read[0]] if read else index
            sums.setdefault(end_of[index], []).append(index)
        title = _("exchange: {n} paths into {sums} sums").format(
            n=len(block.branches), sums=len(sums)
        )
        self.frames[key] = (title, not is_open)
        self.framed.update(dict.fromkeys(ops, key))
        if is_open:
            return
        for end, inside in sums.items():
            cell = f"sum/{end}"
            join = max(index for index in inside if index in block.merges)
            self.cells[cell] = Merge(self.ops[join], tuple(sorted(inside)), half=56.0)
            self.cell_of.update(dict.fromkeys(inside, cell))
            self.first_of[min(inside)] = cell
            self.parents[cell] = key

    def _next(self, block: Block, following: dict[int, list[Block]]) -> Block | None:
        """The block that alone reads what a block gives."""
        end = block.after[-1] if block.after else block.join
        for other in following.get(end, ()):
            if set(self.flow.succs[end]) <= _ops_of(other):
                return other
        return None

    def _add_units(self, units: UnitMaker, run: Sequence[Block]) -> None:
        start = 0
        times = (
            [part.times for part in fold_blocks(run, 1)] if self.composer.fold else [1] * len(run)
        )
        for count in times:
            repeats = tuple(run[start : start + count])
            start += count
            key = f"unit/{repeats[0].join}"
            self.cells[key] = units.unit(Unit(repeats[0], repeats), tangled=True)
            ops = set().union(*map(_ops_of, repeats))
            self.cell_of.update(dict.fromkeys(ops, key))
            self.first_of[min(ops)] = key

    def _sort_in(self, index: int) -> None:
        op = self.ops[index]
        preds = self.flow.preds[index]
        if len(preds) > 1 and op.kind in ("add", "multiply", "concat"):
            key = f"join/{index}"
            self.cells[key] = Merge(op)
        else:
            source = self._source(preds[0]) if len(preds) == 1 else None
            alone = len(preds) == 1 and len(self.flow.succs[preds[0]]) == 1
            if source in self.stacks and alone and is_strip(op):
                assert source is not None
                self.stacks[source].append(op)
                self.cell_of[index] = source
                return
            key = f"stack/{index}"
            self.stacks[key] = [op]
        self.cell_of[index] = key
        self.first_of[index] = key
        if index in self.framed:
            self.parents[key] = self.framed[index]

    def _source(self, index: int) -> str | None:
        """Key of the cell that an op's value comes from, through hidden ops."""
        while index in self.inside and index not in self.cell_of:
            index = self.flow.preds[index][0]
        return self.cell_of.get(index)

    def _links(self) -> list[tuple[str, str]]:
        found: dict[tuple[str, str], None] = {}
        for index in self.item.ops:
            target = self.cell_of.get(index)
            if target is None:
                continue
            for source in self._sources(index):
                if source != target:
                    found[source, target] = None
        return list(found)

    def _sources(self, index: int) -> list[str]:
        """Keys of the cells that an op reads; hidden ops may gather several."""
        found: list[str] = []
        for pred in self.flow.preds[index]:
            if pred not in self.inside:
                found.append(Region.ENTRY)
            elif pred in self.cell_of:
                found.append(self.cell_of[pred])
            else:
                found += self._sources(pred)
        return found


def _is_plain(op: OpRecord) -> bool:
    """Whether an op keeps every n-th pixel, beginning with the first."""
    return is_subsampling(op) and not op.attrs.get("start")


def _ops_of(block: Block) -> set[int]:
    return {*block.main, *block.shortcut_ops, *block.merges, *block.after}


def fork_of(join: OpRecord, ways: Sequence[Line], merges: tuple[int, ...]) -> Piece:
    """Branches side by side, or round the main one if another passes the value on."""
    light = [way for way in ways if not way.pieces]
    if join.kind in ("add", "multiply") and light and len(ways) > 1:
        heavy = [way for way in ways if way.pieces]
        main_first = [*light, *heavy] if join.kind == "multiply" else [*heavy, *light]
        return Shortcut(join, main_first, merges)
    return SideBySide(join, ways, merges)


_SHORTCUTS = {
    "identity": N_("identity shortcut"),
    "pad": N_("padded shortcut"),
    "pool": N_("pooled shortcut"),
    "projection": N_("projection shortcut"),
}
_RESIDUALS = {
    "": N_("residual block"),
    "basic": N_("basic residual block"),
    "bottleneck": N_("bottleneck residual block"),
    "inverted": N_("inverted residual block"),
    "MLP": N_("MLP residual block"),
    "attention": N_("attention residual block"),
}
"""Form of a residual block -> what it is called."""


def block_title(block: Block) -> str:
    """What kind of block it is, in a few words."""
    return ", ".join(filter(None, block_parts(block)))


def block_parts(block: Block) -> tuple[str, str]:
    """What kind of block it is, and what is said behind it, "" for nothing."""
    if block.kind == "residual":
        return _(_RESIDUALS[block.form]), _(_SHORTCUTS[block.shortcut])
    if block.kind == "dense":
        return (
            _("dense block of {n} layers").format(n=len(block.branches)),
            _("{n} connections").format(n=block.connections),
        )
    if block.kind == "branches":
        return _("{n} parallel branches").format(n=len(block.branches)), ""
    return {
        "gate": (_("gate computed from the pooled input"), ""),
        "attention": (_("attention"), ""),
        "inverted": (_("inverted residual block"), _("no shortcut")),
        "exchange": (_("exchange between resolutions"), ""),
    }[block.kind]
