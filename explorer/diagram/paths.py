"""A part of the dataflow as nested steps and forks, which is how people draw it.

Between a fork and a join that it dominates, the ops that every path passes form a line.
Where two neighbours on that line are joined by several paths, the paths are read the same way
in turn. What has no such structure (paths that cross) stays a tangle, and is drawn as one box.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from explorer.blocks import Block
from explorer.dataflow import Dataflow


@dataclass(frozen=True, slots=True)
class Step:
    """One op."""

    op: int


@dataclass(frozen=True, slots=True)
class Fork:
    """Several paths from one op to another, and the ops (most often one) that join them."""

    join: int
    ways: tuple[tuple[Item, ...], ...]
    merges: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Tangle:
    """Ops whose paths cross; the last of them ends it."""

    ops: tuple[int, ...]


Item = Step | Fork | Tangle


def read_block(flow: Dataflow, block: Block) -> tuple[Item, ...]:
    """The items from a block's fork to its join; one fork for a block of parallel paths."""
    if block.kind == "attention":
        return series(flow, block.fork, block.join)
    ways = tuple(
        series(flow, block.fork, branch[-1]) if branch else () for branch in block.branches
    )
    return (Fork(block.join, ways, block.merges),)


def series(flow: Dataflow, fork: int, end: int) -> tuple[Item, ...]:
    """The items after `fork`, which dominates `end`, up to `end`."""
    line = [end]
    while line[-1] != fork:
        line.append(flow.idom[line[-1]])
    line.reverse()
    items: list[Item] = []
    for before, op in pairwise(line):
        preds = flow.preds[op]
        if preds == [before]:
            items.append(Step(op))
            continue
        paths = [flow.between(before, source) for source in preds]
        inside = set().union(*paths)
        if len(inside) == sum(map(len, paths)):
            ways = tuple(series(flow, before, source) for source in preds)
            items.append(Fork(op, ways, (op,)))
        else:
            items.append(Tangle((*sorted(inside), op)))
    return tuple(items)
