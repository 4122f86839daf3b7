"""A part of the dataflow as nested steps and forks, which is how people draw it.

Between a fork and a join that it dominates, the ops that every path passes form a line.
Where two neighbours on that line are joined by several paths, the paths are read the same way
in turn. What has no such structure (paths that cross) stays a tangle, and is laid out as a graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from explorer.blocks import Block, fold_blocks
from explorer.dataflow import Dataflow


@dataclass(frozen=True, slots=True)
class Step:
    """One op."""

    op: int

    @property
    def end(self) -> int:
        """The op that ends it."""
        return self.op


@dataclass(frozen=True, slots=True)
class Fork:
    """Several paths from one op to another, and the ops (most often one) that join them."""

    join: int
    ways: tuple[tuple[Item, ...], ...]
    merges: tuple[int, ...]

    @property
    def end(self) -> int:
        """The op that ends it."""
        return self.join


@dataclass(frozen=True, slots=True)
class Tangle:
    """Ops whose paths cross; the last of them ends it."""

    ops: tuple[int, ...]

    @property
    def end(self) -> int:
        """The op that ends it."""
        return self.ops[-1]


@dataclass(frozen=True, slots=True)
class Unit:
    """A block, or the first of several equal ones in a row."""

    block: Block
    repeats: tuple[Block, ...] = ()
    """All equal ones that it stands for, itself included; () if it stands for itself."""

    @property
    def end(self) -> int:
        """The op that ends it."""
        return self.block.after[-1] if self.block.after else self.block.join


@dataclass(frozen=True, slots=True)
class Repeat:
    """A group of blocks that repeats, as attention and MLP do."""

    units: tuple[Unit, ...]
    times: int

    @property
    def end(self) -> int:
        """The op that ends the first of them."""
        return self.units[-1].end


Item = Step | Fork | Tangle | Unit | Repeat


def read_block(flow: Dataflow, block: Block) -> tuple[Item, ...]:
    """The items from a block's fork to its join; one fork for a block of parallel paths."""
    if block.kind in ("attention", "inverted"):
        return series(flow, block.fork, block.join)
    ways = tuple(
        series(flow, block.fork, branch[-1]) if branch else () for branch in block.branches
    )
    return (Fork(block.join, ways, block.merges),)


def read_network(flow: Dataflow, blocks: Sequence[Block], *, fold: bool = True) -> tuple[Item, ...]:
    """The whole network from its input, with the blocks as units.

    Args:
        flow: the dataflow.
        blocks: blocks that contain no other of them, see `outermost`.
        fold: make one item of equal neighbours.
    """
    trunk = flow.trunk()
    if not trunk:
        return ()
    by_fork: dict[int, list[Block]] = {}
    for block in blocks:
        by_fork.setdefault(block.fork, []).append(block)
    items = series(flow, trunk[0], trunk[-1], by_fork)
    beyond = set(flow.outputs) - set(trunk)
    if beyond:  # several outputs: what lies behind the last op that they share
        inside = set().union(*(flow.between(trunk[-1], end) for end in beyond))
        items = (*items, Tangle(tuple(sorted(inside))))
    return (Step(trunk[0]), *(folded(items) if fold else items))


def folded(items: Sequence[Item]) -> tuple[Item, ...]:
    """Make one item of equal blocks in a row."""
    found: list[Item] = []
    run: list[Block] = []

    def close() -> None:
        start = 0
        for part in fold_blocks(run):
            period, times = len(part.blocks), part.times
            blocks = run[start : start + period * times]
            start += period * times
            units = tuple(Unit(blocks[i], tuple(blocks[i::period])) for i in range(period))
            if period > 1 and times > 1:
                found.append(Repeat(units, times))
            else:
                found.extend(units)
        run.clear()

    for item in items:
        if isinstance(item, Unit):
            run.append(item.block)
        else:
            close()
            found.append(item)
    close()
    return tuple(found)


def series(
    flow: Dataflow, fork: int, end: int, blocks: Mapping[int, Sequence[Block]] | None = None
) -> tuple[Item, ...]:
    """The items after `fork`, which dominates `end`, up to `end`.

    Args:
        flow: the dataflow.
        fork: where the paths come from.
        end: the last op.
        blocks: fork -> blocks to read as units.
    """
    line = [end]
    while line[-1] != fork:
        line.append(flow.idom[line[-1]])
    line.reverse()
    place_of = {op: place for place, op in enumerate(line)}
    items: list[Item] = []
    skip_to = 0
    for place, (before, op) in enumerate(pairwise(line)):
        if place < skip_to:
            continue
        block = next((b for b in (blocks or {}).get(before, ()) if b.join in place_of), None)
        if block is not None:
            after = tuple(index for index in block.after if index in place_of)
            unit = Unit(block._replace(after=after))
            items.append(unit)
            skip_to = place_of[unit.end]
            continue
        items.append(_joined(flow, before, op, blocks))
    return tuple(items)


def _joined(
    flow: Dataflow, before: int, op: int, blocks: Mapping[int, Sequence[Block]] | None
) -> Item:
    """An op and all that lies between it and the op that dominates it."""
    if flow.preds[op] == [before]:
        return Step(op)
    preds, merges = _operands(flow, before, op)
    paths = [flow.between(before, source) for source in preds]
    inside = set().union(*paths)
    if len(inside) == sum(map(len, paths)):
        ways = tuple(series(flow, before, source, blocks) for source in preds)
        return Fork(op, ways, tuple(sorted(merges)))
    inside.update(merges[1:])
    return Tangle((*sorted(inside), op))


def _operands(flow: Dataflow, before: int, join: int) -> tuple[list[int], list[int]]:
    """The terms of `(a + b) + c` as one sum, and the additions that form it."""
    ends: list[int] = []
    merges = [join]
    for source in flow.preds[join]:
        chained = flow.ops[join].kind == flow.ops[source].kind == "add"
        several = len(flow.preds[source]) > 1 and len(flow.succs[source]) == 1
        if chained and several and flow.idom[source] == before:
            inner_ends, inner_merges = _operands(flow, before, source)
            ends += inner_ends
            merges += inner_merges
        else:
            ends.append(source)
    return ends, merges
