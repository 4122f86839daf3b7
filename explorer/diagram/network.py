"""The whole network, block by block, as its paper draws it.

The blocks are those of the dataflow (`explorer.blocks`); equal neighbours are drawn once. To the
right, every stage is a column; downwards, the columns stand below each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple

from explorer.analysis.layers import main_op
from explorer.analysis.stages import Stage, stages
from explorer.analysis.totals import DEFAULT, Convention
from explorer.blocks import Block, find_blocks, outermost
from explorer.diagram.canvas import Canvas
from explorer.diagram.compose import Composer, block_parts, block_title
from explorer.diagram.facts import Facts, caption
from explorer.diagram.labels import edge_text, shape_of
from explorer.diagram.paths import Item, Repeat, Tangle, Unit, read_network
from explorer.diagram.pieces import GAP, Line, Piece
from explorer.diagram.scene import BREAKS_OFF, Scene
from explorer.diagram.surface import Surface
from explorer.diagram.svg import text_width
from explorer.diagram.units import Closed, Frame
from explorer.text import _
from explorer.trace.records import Trace

CLOSED, OPEN, UNFOLDED = 1, 2, 3
"""Depths: every block is one box; blocks are open, equal neighbours drawn once; all of them."""
_HEADING = 30.0
"""Above a column, for the name of its stage."""
_COLUMNS = 56.0
"""Between columns."""
_FEW = 260
"""Boxes that can still be surveyed."""


def blocks_scene(
    trace: Trace,
    depth: int = OPEN,
    toggled: Collection[str] = (),
    convention: Convention = DEFAULT,
    *,
    horizontal: bool = True,
) -> Scene:
    """Draw the whole network from its blocks.

    Args:
        trace: a traced forward; a partial one is drawn as far as it came.
        depth: `CLOSED`, `OPEN` or `UNFOLDED`.
        toggled: keys of the blocks that are open although the depth says closed, or the other
            way round.
        convention: what the boxes' cost counts.
        horizontal: a column for each stage; otherwise one column.
    """
    return _Network(trace, depth, frozenset(toggled), convention).scene(horizontal)


def blocks_depth(trace: Trace) -> int:
    """The depth to draw a network at unasked: open, if that is not too much to survey."""
    scene = blocks_scene(trace)
    return OPEN if len(scene.nodes) <= _FEW else CLOSED


class _Column(NamedTuple):
    """A stage's part of the figure."""

    title: str
    line: Line
    enters: str
    """Shape of what enters it."""


class _Network:
    """Reads one trace and draws it."""

    def __init__(
        self, trace: Trace, depth: int, toggled: frozenset[str], convention: Convention
    ) -> None:
        self.trace = trace
        self.facts = Facts(trace, convention)
        self.depth, self.toggled = depth, toggled
        blocks = find_blocks(trace)
        self.outer = outermost(blocks)
        self.paths = Counter(block.path for block in self.outer)
        self.composer = Composer(trace, self.facts.flow, self, self.outer, fold=depth < UNFOLDED)
        self.items = read_network(self.facts.flow, self.outer, fold=depth < UNFOLDED)
        self.alias: dict[int, tuple[int, ...]] = {}
        for item in self.items:
            for unit in item.units if isinstance(item, Repeat) else (item,):
                if isinstance(unit, Unit):
                    self._alias(unit)

    # --- blocks ------------------------------------------------------------------------------

    def _alias(self, unit: Unit) -> None:
        """Remember which ops of equal blocks are drawn as one."""
        if len(unit.repeats) < 2:
            return
        lists = [_ops_of(block) for block in unit.repeats]
        if len(set(map(len, lists))) == 1:
            self.alias.update((ops[0], ops) for ops in zip(*lists, strict=True))

    def key(self, block: Block) -> str:
        """Name of a block: its module's, if no other block is in the same module."""
        if block.path and self.paths[block.path] == 1:
            return block.path
        return self.facts.key(block.join)

    def unit(self, item: Unit | Repeat, *, tangled: bool = False) -> Piece:
        """Draw a block, or a group of blocks that repeats."""
        if isinstance(item, Repeat):
            before = shape_of(self.trace.ops[item.units[0].block.fork])
            pieces = [self._unit(unit, 1, named=False) for unit in item.units]
            inner = Line(pieces, before, pieces[-1].shape, self.facts.batch)
            names = [self.key(unit.block) for unit in item.units]
            title = _shared(names) or " + ".join(names)
            ops = [op for unit in item.units for op in _ops_of(unit.block)]
            words = _("{n} blocks, {times} times").format(n=len(item.units), times=item.times)
            return Frame(
                inner, f"{names[0]}/repeat", (title, words), f"× {item.times}", ops, sign=""
            )
        self._alias(item)
        return self._unit(item, max(1, len(item.repeats)), tangled=tangled)

    def frame_of(self, exchange: Block) -> tuple[str, bool]:
        """Key of an exchange's frame, and whether its paths are drawn in full."""
        key = self.key(exchange)
        return key, (self.depth >= UNFOLDED) != (key in self.toggled)

    def _unit(self, unit: Unit, times: int, *, tangled: bool = False, named: bool = True) -> Piece:
        block, key = unit.block, self.key(unit.block)
        opened = self.depth >= (UNFOLDED if tangled else OPEN)
        title = block.path or key
        badge = f"× {times}" if times > 1 else ""
        ops = _ops_of(block)
        if opened != (key in self.toggled):
            every = self.depth >= UNFOLDED
            inner = self.composer.block(block, every=every)
            lines = (title, block_title(block))
            if not named:  # the frame around it says where it is
                first, rest = block_parts(block)
                lines = (first, rest or " ")
            return Frame(inner, key, lines, badge, ops)
        main = main_op([self.trace.ops[index] for index in ops])
        assert main is not None  # a block has at least its join
        shape = shape_of(self.trace.ops[unit.end])
        words = block_title(block)
        if tangled:
            words += f", {edge_text(shape, self.facts.batch)}"
        return Closed(key, (f"{title}  {badge}".rstrip(), words), main, shape, ops)

    # --- columns -----------------------------------------------------------------------------

    def columns(self) -> list[_Column]:
        """Cut the items where a stage ends."""
        found: list[_Column] = []
        cuts = stages(self.trace)
        stage, first, run = 0, True, list[Item]()
        before = shape_of(self.trace.ops[self.items[0].end]) if self.items else ()
        for item in self.items:
            at = stage
            while at < len(cuts) - 1 and self._begins(item) >= cuts[at].last_op:
                at += 1
            if at != stage and run and not (first and len(run) == 1):
                found.append(self._column(run, cuts[stage], before))
                before = shape_of(self.trace.ops[run[-1].end])
                run = []
                first = False
            stage = at
            run.append(item)
        if run:
            found.append(self._column(run, cuts[stage] if cuts else None, before))
        return found

    def _begins(self, item: Item) -> int:
        """The op that says which stage an item is in."""
        if isinstance(item, Repeat):
            return item.units[0].block.join
        if isinstance(item, Unit):
            return item.block.join
        return item.end

    def _column(
        self, items: Sequence[Item], stage: Stage | None, before: tuple[int, ...]
    ) -> _Column:
        name = ""
        if stage is not None:
            name = stage.name
            size = stage.resolution
            if len(size) == 2 and "×" not in name:
                name += f" · {size[0]} × {size[1]}"
        return _Column(name, self.composer.line(items, before), edge_text(before, self.facts.batch))

    def scene(self, horizontal: bool) -> Scene:
        """Draw all columns."""
        canvas = Canvas(self.facts)
        canvas.alias = self.alias
        columns = [column for column in self.columns() if column.line.pieces]
        if horizontal and len(columns) > 1:
            self._draw_columns(canvas, columns)
        else:
            self._draw_tower(canvas, columns)
        return canvas.scene(
            _("{model}: its blocks").format(model=self.trace.model),
            caption(self.trace, self.facts.convention),
        )

    def _draw_columns(self, canvas: Surface, columns: Sequence[_Column]) -> None:
        x = 0.0
        for place, column in enumerate(columns):
            line = column.line
            half = text_width(column.enters, 12.5) / 2
            left = max(line.left, half)
            spine = x + left
            title_y = -GAP - 40
            canvas.text(x, title_y, column.title, 14, anchor="start", bold=True)
            if place == 0:
                canvas.text(spine, -GAP - 12, column.enters, 12.5, muted=True)
                canvas.line((spine, -GAP), (spine, 0), arrow=line.needs_arrow)
            line.draw(canvas, spine, 0)
            right = max(spine + max(line.right, half), x + text_width(column.title, 14) * 1.06)
            if place == len(columns) - 1:
                canvas.line((spine, line.height), (spine, line.height + GAP), arrow=True)
                canvas.text(spine, line.height + GAP + 12, self._leaves(), 12.5, muted=True)
                return
            following = columns[place + 1]
            turn = right + _COLUMNS / 2
            start = turn + _COLUMNS / 2
            enter = start + max(following.line.left, text_width(following.enters, 12.5) / 2)
            low, high = line.height + 24, -GAP - 14
            canvas.line(
                (spine, line.height), (spine, low), (turn, low), (turn, high), (enter, high),
                (enter, 0), arrow=following.line.needs_arrow,
            )  # fmt: skip
            canvas.text(enter + 9, -GAP / 2 - 2, following.enters, 12, anchor="start", muted=True)
            x = start

    def _draw_tower(self, canvas: Surface, columns: Sequence[_Column]) -> None:
        if not columns:
            return
        left = max(column.line.left for column in columns)
        y = 0.0
        canvas.text(0, y - GAP - 12, columns[0].enters, 12.5, muted=True)
        for column in columns:
            line = column.line
            canvas.line((0, y - GAP), (0, y), arrow=line.needs_arrow)
            if column is not columns[0]:
                canvas.text(9, y - GAP / 2 - 2, column.enters, 11.5, anchor="start", muted=True)
            line.draw(canvas, 0, y)
            canvas.text(-left - 30, y + 10, column.title, 14, anchor="end", bold=True)
            y += line.height + GAP
        canvas.line((0, y - GAP), (0, y), arrow=True)
        canvas.text(0, y + 12, self._leaves(), 12.5, muted=True)

    def _leaves(self) -> str:
        if not self.trace.outputs:
            return _(BREAKS_OFF)
        last = self.items[-1]
        if isinstance(last, Tangle) and len(self.facts.flow.outputs) > 1:
            return _("{n} outputs").format(n=len(self.facts.flow.outputs))
        return self.facts.shape(self.facts.flow.outputs[-1])


def _ops_of(block: Block) -> tuple[int, ...]:
    return tuple(sorted({*block.main, *block.shortcut_ops, *block.merges, *block.after}))


def _shared(names: Sequence[str]) -> str:
    """The module that all names are in."""
    parts = [name.replace(":", ".").split(".") for name in names]
    shared = []
    for together in zip(*parts, strict=False):
        if len(set(together)) > 1:
            break
        shared.append(together[0])
    return ".".join(shared)
