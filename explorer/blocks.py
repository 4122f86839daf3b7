"""The building blocks of a network, found in its true dataflow and never by a class name.

A block is what lies between a fork and the join where the paths from it meet again; the fork
is the join's immediate dominator, the last op that everything in the block depends on.

    residual   a sum of a heavy path and a light one: identity, padding, pooling, or a single
               convolution or linear layer (a projection)
    dense      a chain of concatenations, each the last one plus one result computed from it
    branches   paths with work of their own, joined by concatenation or sum
    gate       a product with a factor computed from the pooled fork (squeeze and excitation)
    attention  queries, keys and values of one tensor, joined by softmax(QK^T)V
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from explorer.dataflow import ROOT, Dataflow
from explorer.trace.records import OpRecord, Trace

Kind = Literal["residual", "dense", "branches", "gate", "attention"]
Shortcut = Literal["", "identity", "pad", "pool", "projection"]

_POOLS = frozenset(("pooling", "reduction"))
_PASSIVE = frozenset(("reshape", "dropout", "indexing", "bookkeeping", "constant"))
"""Kinds that move or rename values but compute none."""
_PADS = frozenset(("padding", "indexing", "concat"))
_SLICES = frozenset(("slice", "select", "narrow"))
_SIGNATURE_ATTRIBUTES = (
    "kernel_size", "stride", "padding", "dilation", "groups", "output_padding", "ceil_mode",
    "output_size", "dim", "dims",
)  # fmt: skip


class Block(NamedTuple):
    """One block. Ops are given by their index in `Trace.ops`."""

    kind: Kind
    fork: int
    """The op whose result all paths start from."""
    join: int
    """The op in which they meet: an add, a concat, a multiply, or an attention's last op."""
    path: str
    """The deepest module that runs all its ops."""
    branches: tuple[tuple[int, ...], ...]
    """The paths from fork to join, each with its ops in execution order, fork and join
    excluded; an empty one passes the fork on as it is. Residual: the heavy paths, then the
    shortcut. Dense: the layers, first to last. Gate: the gated path, then the gate's."""
    shortcut: Shortcut
    """What a residual block's last branch does; "" for the other kinds."""
    merges: tuple[int, ...]
    """The ops that join: one, or a chain of sums, or each concatenation of a dense block."""
    after: tuple[int, ...]
    """Normalization and activation that alone read the join, as in relu(F(x) + x)."""
    parent: int
    """Index in `find_blocks` of the smallest block around this one, -1 if there is none."""
    signature: str
    """Equal for blocks of the same ops with the same shapes and attributes."""

    @property
    def main(self) -> tuple[int, ...]:
        """Ops of all branches but the shortcut."""
        paths = self.branches[:-1] if self.shortcut else self.branches
        return tuple(sorted(index for path in paths for index in path))

    @property
    def shortcut_ops(self) -> tuple[int, ...]:
        """Ops on the shortcut of a residual block; () for an identity."""
        return self.branches[-1] if self.shortcut else ()

    @property
    def connections(self) -> int:
        """Layer inputs of a dense block, L(L+1)/2; for other kinds the number of branches."""
        layers = len(self.branches)
        return layers * (layers + 1) // 2 if self.kind == "dense" else layers


class FoldedBlock(NamedTuple):
    """A run of equal neighbours: `blocks` is one period, repeated `times` times."""

    blocks: tuple[Block, ...]
    times: int


def find_blocks(trace: Trace) -> tuple[Block, ...]:
    """Return all blocks, nested ones included, in the order of their joins."""
    finder = _Finder(trace)
    finder.dense()
    finder.attention()
    finder.gates()
    finder.sums()
    finder.concatenations()
    return finder.finish()


def outermost(blocks: Iterable[Block]) -> tuple[Block, ...]:
    """Return those blocks that no other block contains."""
    return tuple(block for block in blocks if block.parent < 0)


def fold_blocks(blocks: Sequence[Block], longest_period: int = 4) -> tuple[FoldedBlock, ...]:
    """Fold equal neighbours, also groups of a few (attention, MLP, attention, MLP ...).

    Args:
        blocks: in the order of `find_blocks`, usually its `outermost`.
        longest_period: how many blocks a repeated group may have.
    """
    folded: list[FoldedBlock] = []
    signs = [block.signature for block in blocks]
    start = 0
    while start < len(blocks):
        period, times = 1, 1
        for size in range(1, longest_period + 1):
            repeats = 1
            group = signs[start : start + size]
            while signs[start + repeats * size : start + (repeats + 1) * size] == group:
                repeats += 1
            if repeats > 1 and repeats * size > period * times:
                period, times = size, repeats
        folded.append(FoldedBlock(tuple(blocks[start : start + period]), times))
        start += period * times
    return tuple(folded)


class _Finder:
    """Collects the blocks of one trace; every join belongs to one block at most."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.ops = trace.ops
        self.flow = Dataflow(trace)
        self.blocks: list[Block] = []
        self.taken: set[int] = set()

    def finish(self) -> tuple[Block, ...]:
        """Order the blocks and tell each its parent."""
        ordered = sorted(self.blocks, key=lambda block: (block.join, -block.fork))
        owner: dict[int, int] = {}
        parents = [-1] * len(ordered)
        insides = [
            {*block.merges, *(index for branch in block.branches for index in branch)}
            for block in ordered
        ]
        # Larger blocks paint their ops first, so that what is left is the smallest owner.
        for place in sorted(range(len(ordered)), key=lambda i: -len(insides[i])):
            parents[place] = owner.get(ordered[place].join, -1)
            owner.update(dict.fromkeys(insides[place], place))
        return tuple(
            block._replace(parent=parent) for block, parent in zip(ordered, parents, strict=True)
        )

    # --- sums ------------------------------------------------------------------------------

    def sums(self) -> None:
        """Residual blocks, and sums of branches that each do work."""
        absorbed: set[int] = set()
        for op in reversed(self.ops):
            if op.kind != "add" or op.index in absorbed or op.index in self.taken:
                continue
            fork = self.flow.idom[op.index]
            if len(self.flow.preds[op.index]) < 2 or fork == ROOT:
                continue
            ends, merges = self._operands(op.index, fork)
            absorbed.update(merges)
            self._sum(fork, op.index, ends, merges)

    def _operands(self, join: int, fork: int) -> tuple[list[int], list[int]]:
        """The terms of `(a + b) + c` as one sum, and the additions that form it."""
        ends: list[int] = []
        merges = [join]
        for source in self.flow.preds[join]:
            inner = self.ops[source]
            if (
                inner.kind == "add"
                and self.flow.idom[source] == fork
                and len(self.flow.preds[source]) > 1
                and len(self.flow.succs[source]) == 1
                and source not in self.taken
            ):
                inner_ends, inner_merges = self._operands(source, fork)
                ends += inner_ends
                merges += inner_merges
            else:
                ends.append(source)
        return ends, merges

    def _sum(self, fork: int, join: int, ends: list[int], merges: list[int]) -> None:
        paths = [self.flow.between(fork, end) for end in ends]
        if not _disjoint(paths):
            return
        weights = [self._weighted(path) for path in paths]
        light = min(range(len(paths)), key=lambda i: (weights[i], len(paths[i])))
        others = [i for i in range(len(paths)) if i != light]
        heaviest = max(weights[i] for i in others)
        shortcut: Shortcut = ""
        if weights[light] == 0 and heaviest > 0:
            shortcut = self._light_shortcut(paths[light])
        elif weights[light] == 1 and heaviest > 1:
            shortcut = "projection"
        elif heaviest == 0:
            return
        if shortcut:
            paths = [paths[i] for i in others] + [paths[light]]
        self._add("residual" if shortcut else "branches", fork, join, paths, merges, shortcut)

    def _light_shortcut(self, path: set[int]) -> Shortcut:
        kinds = {self.ops[index].kind for index in path}
        if kinds & _PADS:
            return "pad"
        if kinds & _POOLS:
            return "pool"
        # What is left moves or scales values; a slice of the map is option A without its pad.
        sliced = any(self.ops[index].name in _SLICES for index in path)
        return "pad" if sliced else "identity"

    # --- concatenations --------------------------------------------------------------------

    def dense(self) -> None:
        """Chains of concatenations, each with one source more, computed from the last."""
        flow = self.flow
        sources: dict[int, tuple[int, ...]] = {}
        states: dict[tuple[int, ...], int] = {}
        """Sources of a concatenation -> the first op that holds exactly them."""
        chains: dict[tuple[int, ...], list[int]] = {}
        """Sources -> the concatenations on the way to them."""
        for op in self.ops:
            if op.kind != "concat" or not flow.preds[op.index]:
                continue
            flat: list[int] = []
            for source in flow.preds[op.index]:
                flat += [s for s in sources.get(source, (source,)) if s not in flat]
            flat.sort()
            key = tuple(flat)
            sources[op.index] = key
            before, newest = key[:-1], key[-1]
            if key in states:
                continue
            if len(key) == 1:
                states[key], chains[key] = op.index, []
                continue
            state = states.get(before, before[0] if len(before) == 1 else None)
            if state is None or state == newest or not flow.dominates(state, newest):
                continue
            if self._weighted(flow.between(state, newest)) == 0:
                continue
            states[key] = op.index
            chains[key] = [*chains.get(before, ()), op.index]
        longest = {key for key, chain in chains.items() if len(chain) > 1}
        longest -= {key[:-1] for key in longest}
        for key in sorted(longest):
            self._dense_block(key, states)

    def _dense_block(self, key: tuple[int, ...], states: dict[tuple[int, ...], int]) -> None:
        merges, layers = [], []
        for size in range(1, len(key)):
            state = states.get(key[:size], key[0])
            layers.append(self.flow.between(state, key[size]))
            if state != key[0]:
                merges.append(state)
        merges.append(states[key])
        self.taken.update(merges)
        self._add("dense", key[0], states[key], layers, merges)

    def concatenations(self) -> None:
        """Parallel branches that a concatenation joins."""
        for op in self.ops:
            if op.kind != "concat" or op.index in self.taken:
                continue
            fork = self.flow.idom[op.index]
            ends = self.flow.preds[op.index]
            if len(ends) < 2 or fork == ROOT:
                continue
            paths = [self.flow.between(fork, end) for end in ends]
            if _disjoint(paths) and any(self._weighted(path) for path in paths):
                self._add("branches", fork, op.index, paths, [op.index])

    # --- gates and attention ---------------------------------------------------------------

    def gates(self) -> None:
        """Products with a factor that comes from the pooled fork through an activation."""
        for op in self.ops:
            ends = self.flow.preds[op.index]
            fork = self.flow.idom[op.index]
            if op.kind != "multiply" or len(ends) != 2 or fork == ROOT:
                continue
            sizes = [self._largest(end) for end in ends]
            if sizes[0] == sizes[1]:
                continue
            gated, gate = (0, 1) if sizes[0] > sizes[1] else (1, 0)
            paths = [self.flow.between(fork, ends[gated]), self.flow.between(fork, ends[gate])]
            kinds = {self.ops[index].kind for index in paths[1]}
            if kinds & _POOLS and "activation" in kinds and _disjoint(paths):
                self._add("gate", fork, op.index, paths, [op.index])

    def attention(self) -> None:
        """Attention as one op, or as matrix product, softmax, matrix product."""
        for op in self.ops:
            if op.kind == "attention":
                self._attention(op.index)
            elif op.kind == "softmax":
                product = self._nearest(op.index, self.flow.succs, "matmul")
                if product is not None and self._nearest(op.index, self.flow.preds, "matmul"):
                    self._attention(product)

    def _attention(self, core: int) -> None:
        """Widen the core to the projections before and after it."""
        fork = self.flow.idom[core]
        if fork == ROOT:
            return
        start = fork
        while self.ops[start].kind in _PASSIVE and len(self.flow.preds[start]) == 1:
            start = self.flow.preds[start][0]
        if self.ops[start].kind in ("linear", "convolution") and start != fork:
            fork = self.flow.idom[start]
        elif self.ops[fork].kind in ("linear", "convolution"):
            fork = self.flow.idom[fork]
        if fork == ROOT:
            return
        join, end = core, core
        while len(self.flow.succs[end]) == 1:
            end = self.flow.succs[end][0]
            if self.ops[end].kind in ("linear", "convolution"):
                join = end
                break
            if self.ops[end].kind not in _PASSIVE:
                break
        inner = self.flow.between(fork, join) - {join}
        self._add("attention", fork, join, [inner], [join])

    def _nearest(self, start: int, edges: list[list[int]], kind: str) -> int | None:
        """The first op of a kind along `edges`, through ops that do no weighted work."""
        open_, seen = [start], {start}
        while open_:
            for index in edges[open_.pop()]:
                if index in seen:
                    continue
                if self.ops[index].kind == kind:
                    return index
                seen.add(index)
                if self.ops[index].macs == 0 and len(seen) < 16:
                    open_.append(index)
        return None

    # --- shared ----------------------------------------------------------------------------

    def _add(
        self,
        kind: Kind,
        fork: int,
        join: int,
        paths: list[set[int]],
        merges: list[int],
        shortcut: Shortcut = "",
    ) -> None:
        branches = tuple(tuple(sorted(path)) for path in paths)
        merged = tuple(sorted(merges))
        self.taken.add(join)
        inside = {*merged, *(index for branch in branches for index in branch)}
        path = self._common_path(inside)
        signature = self._signature(kind, shortcut, branches, merged)
        after = self._after(join)
        self.blocks.append(
            Block(kind, fork, join, path, branches, shortcut, merged, after, -1, signature)
        )

    def _weighted(self, path: Iterable[int]) -> int:
        return sum(self.ops[index].macs > 0 for index in path)

    def _largest(self, index: int) -> int:
        """Bytes of an op's largest result."""
        return max((output.nbytes for output in self.ops[index].outputs), default=0)

    def _after(self, join: int) -> tuple[int, ...]:
        found: list[int] = []
        while len(self.flow.succs[join]) == 1:
            join = self.flow.succs[join][0]
            follows = self.ops[join].kind == "activation" and len(self.flow.preds[join]) == 1
            if not follows or found:
                break
            found.append(join)
        return tuple(found)

    def _common_path(self, inside: Iterable[int]) -> str:
        """Path of the innermost call that contains all ops."""
        calls = self.trace.calls
        common = -1
        for call in {self.ops[index].call for index in inside} - {-1}:
            if common < 0:
                common = call
            while common != call:
                if calls[common].depth >= calls[call].depth:
                    common = calls[common].parent
                else:
                    call = calls[call].parent
                if common < 0 or call < 0:
                    return ""
        return calls[common].path if common >= 0 else ""

    def _signature(
        self,
        kind: str,
        shortcut: str,
        branches: tuple[tuple[int, ...], ...],
        merges: tuple[int, ...],
    ) -> str:
        described = repr(
            (
                kind,
                shortcut,
                [[self._describe(self.ops[index]) for index in branch] for branch in branches],
                [self._describe(self.ops[index]) for index in merges],
            )
        )
        return hashlib.blake2b(described.encode(), digest_size=8).hexdigest()

    @staticmethod
    def _describe(op: OpRecord) -> object:
        attributes = op.attrs
        return (
            op.name.rstrip("_"),
            [tensor.shape for tensor in op.input_tensors],
            [tensor.shape for tensor in op.outputs],
            [attributes.get(name) for name in _SIGNATURE_ATTRIBUTES],
        )


def _disjoint(paths: list[set[int]]) -> bool:
    return len(set().union(*paths)) == sum(map(len, paths))
