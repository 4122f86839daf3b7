"""The blocks that a comparison speaks of, and what part of its block a layer is.

`find_blocks` finds what forks and joins, and the inverted residual block without a shortcut.
People also count the depthwise separable convolution, and each layer of a dense block; and they
count attention and the MLP behind it as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from explorer.analysis.layers import Layer, window_of
from explorer.blocks import Block, find_blocks
from explorer.trace.records import Trace

_TAIL = frozenset(("normalization", "activation", "dropout"))
_JOINLESS = ("attention", "inverted")
"""Kinds of blocks that end in a layer of their own and not where paths meet."""
MAIN, SHORTCUT, GATE, JOIN = "main", "shortcut", "gate", "join"


class CountedBlock(NamedTuple):
    """One block of a network, as people count blocks."""

    kind: str
    """"residual", "dense", "branches", "attention", "inverted" (an inverted residual block without
    a shortcut), "transformer" (attention and MLP), or "depthwise" (a depthwise convolution and
    the pointwise one behind it)."""
    path: str
    """The deepest module that runs all of it; "" for the model itself."""
    shortcuts: tuple[str, ...]
    """What its shortcuts do: "identity", "pad", "pool", "projection"."""
    branches: int
    """Number of parallel paths, shortcut excluded."""
    gates: int
    """Products with a factor from the pooled map (squeeze and excitation)."""
    reduces: bool
    """A convolution or pooling in it strides over the map."""
    ops: tuple[int, ...]
    """In execution order, the block's own and those that the module around it adds."""


class Parts(NamedTuple):
    """Where each row of a table stands."""

    units: tuple[CountedBlock, ...]
    unit: tuple[int, ...]
    """For each row, the index of its unit; -1 if it is in none."""
    role: tuple[str, ...]
    """For each row: "main", "shortcut", "gate" (in the computation of a factor, or the product
    with it), or "join" (an addition or a concatenation that ends the unit's paths)."""
    order: tuple[int, ...]
    """The rows, parallel paths in an order that does not depend on which was run first."""


def parts(trace: Trace, rows: Sequence[Layer]) -> Parts:
    """Assign the rows of `layers(trace)` to blocks."""
    blocks = find_blocks(trace)
    finder = _Units(trace, rows, blocks)
    finder.from_blocks()
    finder.depthwise()
    return finder.parts()


class _Units:
    def __init__(self, trace: Trace, rows: Sequence[Layer], blocks: tuple[Block, ...]) -> None:
        self.trace = trace
        self.rows = rows
        self.blocks = blocks
        self.owner: dict[int, int] = {}
        """Op -> unit."""
        self.place: dict[int, int] = {}
        """Op -> which of its unit's paths it is on; -1 before they fork."""
        self.units: list[CountedBlock] = []
        self.children: list[list[int]] = [[] for _ in blocks]
        for index, block in enumerate(blocks):
            if block.parent >= 0:
                self.children[block.parent].append(index)
        self.spans: dict[str, list[tuple[int, int]]] = {}
        """Path of a module -> the ops of each of its calls."""
        for call in trace.calls:
            self.spans.setdefault(call.path, []).append((call.first_op, call.last_op))
        self.roles = self._roles()

    def _roles(self) -> dict[int, str]:
        roles: dict[int, str] = {}
        for block in self.blocks:
            if block.kind == "gate":
                roles.update(dict.fromkeys((*block.branches[-1], block.join), GATE))
            else:
                roles.update(dict.fromkeys(block.shortcut_ops, SHORTCUT))
                if block.kind not in _JOINLESS:
                    roles.update(dict.fromkeys(block.merges, JOIN))
        return roles

    def _below(self, index: int) -> list[Block]:
        """All blocks inside a block."""
        found = []
        for child in self.children[index]:
            found += [self.blocks[child], *self._below(child)]
        return found

    # --- from blocks -----------------------------------------------------------------------

    def from_blocks(self) -> None:
        """Make units of the blocks that no other contains."""
        before: tuple[int, int] | None = None
        for index, block in enumerate(self.blocks):
            if not self._is_unit(index):
                continue
            if block.kind == "dense":
                self._dense(block)
                continue
            below = self._below(index)
            attends = any(inner.kind == "attention" for inner in below)
            behind = before and self._source(block.fork) == self._source(before[1])
            if before and behind and block.shortcut and not attends:
                self._join_mlp(before[0], block)
                before = None
                continue
            self._add(block, below)
            before = (len(self.units) - 1, block.join) if attends and block.shortcut else None

    def _source(self, op: int) -> int:
        """The op whose result an op only lays out differently, itself if it does not."""
        record = self.trace.ops[op]
        while record.kind == "reshape" and record.inputs:
            record = self.trace.ops[record.inputs[0].op]
        return record.index

    def _is_unit(self, index: int) -> bool:
        """Whether a block is counted itself: not what it contains, nor what contains it."""
        block = self.blocks[index]
        if block.kind == "gate" or self._holds_blocks(index):
            return False
        parent = block.parent
        while parent >= 0:
            if not self._holds_blocks(parent):
                return False
            parent = self.blocks[parent].parent
        return True

    def _holds_blocks(self, index: int) -> bool:
        """Whether a block is a module of many, as where resolutions run side by side."""
        return sum(inner.kind == "residual" for inner in self._below(index)) > 1

    def _add(self, block: Block, below: list[Block]) -> None:
        inside = {*block.merges, *block.after, *(i for path in block.branches for i in path)}
        inside |= self._around(block.path, inside)
        gates = sum(inner.kind == "gate" for inner in below)
        shortcuts = (block.shortcut,) if block.shortcut else ()
        unit = CountedBlock(
            kind=block.kind,
            path=block.path,
            shortcuts=shortcuts,
            branches=len(block.branches) - len(shortcuts),
            gates=gates,
            reduces=self._strides(inside),
            ops=tuple(sorted(inside)),
        )
        self._claim(unit)
        paths = block.branches[: unit.branches]
        ranked = sorted(paths, key=self._path_rank) if block.kind == "branches" else paths
        for place, path in enumerate((*ranked, *block.branches[unit.branches :])):
            self.place.update(dict.fromkeys(path, place))
        for index in inside:
            if index > block.fork:
                self.place.setdefault(index, len(block.branches))
            else:
                self.place[index] = -1

    def _strides(self, ops: Iterable[int]) -> bool:
        return any(max(window_of(self.trace.ops[i]).stride or (1,)) > 1 for i in ops)

    def _claim(self, unit: CountedBlock) -> None:
        self.owner.update(dict.fromkeys(unit.ops, len(self.units)))
        self.units.append(unit)

    def _path_rank(self, path: tuple[int, ...]) -> tuple[int, int, int]:
        """A pooling path last, the others by how many convolutions they have, and how large."""
        ops = [self.trace.ops[index] for index in path]
        pooled = any(op.kind == "pooling" for op in ops)
        kernels = [op.input_tensors[1].shape[2:] for op in ops if op.kind == "convolution"]
        sizes = [kernel[0] * kernel[-1] for kernel in kernels if kernel]
        return (pooled, sum(op.macs > 0 for op in ops), sum(sizes))

    def _around(self, path: str, inside: set[int]) -> set[int]:
        """The other ops of the module that runs a block, if no work of its own is among them."""
        for first, last in self.spans.get(path, ()) if path else ():
            others = set(range(first, last)) - inside
            if len(others) < last - first:
                free = not any(self.trace.ops[i].macs or i in self.owner for i in others)
                return others if free else set()
        return set()

    def _join_mlp(self, index: int, block: Block) -> None:
        unit = self.units[index]
        inside = {*block.merges, *block.after, *(i for path in block.branches for i in path)}
        unit = unit._replace(
            kind="transformer",
            shortcuts=(*unit.shortcuts, block.shortcut),
            ops=tuple(sorted({*unit.ops, *inside})),
        )
        self.units[index] = unit
        self.owner.update(dict.fromkeys(inside, index))
        # Both run one after the other, so their order is that of the ops.
        for op in unit.ops:
            self.place.pop(op, None)

    def _dense(self, block: Block) -> None:
        for path, merge in zip(block.branches, block.merges, strict=False):
            unit = CountedBlock(
                "dense", self._path(path), (), 1, 0, False, tuple(sorted((*path, merge)))
            )
            self._claim(unit)

    def _path(self, path: Iterable[int]) -> str:
        calls = [self.trace.calls[self.trace.ops[index].call] for index in path]
        parents = [call.path.rpartition(".")[0] for call in calls]
        return parents[0] if parents else ""

    # --- depthwise separable convolutions ----------------------------------------------------

    def depthwise(self) -> None:
        """Make units of depthwise convolutions with the pointwise ones behind them."""
        loose = [
            place
            for place, row in enumerate(self.rows)
            if row.macs and self._unit(row) < 0 and self._role(row) != GATE
        ]
        for place, last in pairwise(loose):
            separable = is_depthwise(self.rows[place]) and is_pointwise(self.rows[last])
            if separable and self._adjacent(place, last):
                self._depthwise(place, self._with_tail(last))

    def _role(self, row: Layer) -> str:
        """What part a row is; one with several ops is what the first that is any is."""
        ops = range(row.first_op, row.last_op)
        return next((self.roles[op] for op in ops if op in self.roles), MAIN)

    def _unit(self, row: Layer) -> int:
        """The unit that has an op of a row; a module may begin with ops that are in none."""
        ops = range(row.first_op, row.last_op)
        return next((self.owner[op] for op in ops if op in self.owner), -1)

    def _adjacent(self, first: int, last: int) -> bool:
        """Whether nothing between two rows belongs to another block."""
        return all(self._unit(self.rows[i]) < 0 for i in range(first, last + 1))

    def _with_tail(self, place: int) -> int:
        while place + 1 < len(self.rows):
            row = self.rows[place + 1]
            if row.kind not in _TAIL or self._unit(row) >= 0:
                break
            place += 1
        return place

    def _depthwise(self, first: int, last: int) -> None:
        rows = self.rows[first : last + 1]
        ops = tuple(i for row in rows for i in range(row.first_op, row.last_op))
        gates = sum(block.kind == "gate" and block.join in ops for block in self.blocks)
        path = rows[0].path
        strides = self._strides(ops)
        self._claim(CountedBlock("depthwise", path.rpartition(".")[0], (), 1, gates, strides, ops))

    # --- rows ------------------------------------------------------------------------------

    def parts(self) -> Parts:
        """Return the units in execution order, and each row's place in them."""
        order = sorted(range(len(self.units)), key=lambda i: self.units[i].ops[0])
        rank = {old: new for new, old in enumerate(order)}
        unit = [rank.get(self._unit(row), -1) for row in self.rows]
        first: dict[int, int] = {}
        for place, index in enumerate(unit):
            first.setdefault(index, place)
        keys = [
            (first[index], self.place.get(self.rows[place].first_op, 0), place)
            if index >= 0
            else (place, 0, place)
            for place, index in enumerate(unit)
        ]
        return Parts(
            units=tuple(self.units[i] for i in order),
            unit=tuple(unit),
            role=tuple(self._role(row) for row in self.rows),
            order=tuple(sorted(range(len(self.rows)), key=keys.__getitem__)),
        )


def is_depthwise(row: Layer) -> bool:
    """Whether a convolution filters each channel by itself."""
    return bool(row.groups and row.groups > 1 and row.groups == channels(row.input_shapes[0]))


def is_pointwise(row: Layer) -> bool:
    """Whether a convolution only mixes channels."""
    return row.kind == "convolution" and row.groups == 1 and set(row.kernel or ()) == {1}


def channels(shape: tuple[int, ...]) -> int:
    """Channels of a map with the batch first, (N, C, ...)."""
    return shape[1] if len(shape) > 1 else 0
