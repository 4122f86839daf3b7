"""The building blocks of a network, found in its true dataflow and never by a class name.

A block is what lies between a fork and the join where the paths from it meet again; the fork
is the join's immediate dominator, the last op that everything in the block depends on.

    residual   a sum of a heavy path and a light one: identity, padding, pooling, or a single
               convolution or linear layer (a projection)
    dense      a chain of concatenations, each the last one plus one result computed from it
    branches   paths with work of their own, joined by concatenation or sum
    gate       a product with a factor computed from the pooled fork (squeeze and excitation)
    attention  queries, keys and values of one tensor, joined by softmax(QK^T)V
    inverted   an inverted residual block that has no shortcut, because it changes the shape: a
               depthwise convolution between a widening and a narrowing 1x1 convolution, the
               last without activation (Sandler et al. 2018, arXiv:1801.04381)
    exchange   several sums that read the same maps of several resolutions, which is how
               parallel streams tell each other what they found (Wang et al. 2019,
               arXiv:1908.07919)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from explorer.dataflow import ROOT, Dataflow
from explorer.trace.records import OpRecord, Trace

Kind = Literal["residual", "dense", "branches", "gate", "attention", "inverted", "exchange"]
Shortcut = Literal["", "identity", "pad", "pool", "projection"]
Form = Literal["", "basic", "bottleneck", "inverted", "MLP", "attention"]

_POOLS = frozenset(("pooling", "reduction"))
_PASSIVE = frozenset(("reshape", "dropout", "indexing", "bookkeeping", "constant"))
"""Kinds that move or rename values but compute none."""
_LIGHT = frozenset(("normalization", "activation", "multiply", "dropout", "elementwise"))
"""Kinds between two convolutions of one block."""
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
    shortcut. Dense: the layers, first to last. Gate: the gated path, then the gate's.
    Exchange: from each stream to each sum, which start at the streams and not at the fork."""
    shortcut: Shortcut
    """What a residual block's last branch does; "" for the other kinds."""
    form: Form
    """How a residual block's heavy path is built, by the widths of its layers: narrower in the
    middle, wider, or neither; an MLP is the wider one of linear layers. "" for other kinds."""
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
    finder.exchanges()
    finder.sums()
    finder.concatenations()
    finder.inverted()
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
            if self._sum(fork, op.index, ends, merges):
                absorbed.update(merges)

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

    def _sum(self, fork: int, join: int, ends: list[int], merges: list[int]) -> bool:
        """Add the block that a sum ends, if it ends one."""
        paths = [self.flow.between(fork, end) for end in ends]
        if not _disjoint(paths):
            return False
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
            return False
        if shortcut:
            paths = [paths[i] for i in others] + [paths[light]]
        self._add("residual" if shortcut else "branches", fork, join, paths, merges, shortcut)
        return True

    def _light_shortcut(self, path: set[int]) -> Shortcut:
        kinds = {self.ops[index].kind for index in path}
        if kinds & _PADS:
            return "pad"
        if kinds & _POOLS:
            return "pool"
        # What is left moves or scales values; a slice of the map is option A without its pad.
        sliced = any(self.ops[index].name in _SLICES for index in path)
        return "pad" if sliced else "identity"

    def exchanges(self) -> None:
        """Sums that read the same streams, of different resolutions."""
        groups: dict[frozenset[int], list[tuple[int, list[int], list[int]]]] = {}
        inner: set[int] = set()
        for op in reversed(self.ops):
            if op.kind != "add" or op.index in inner or len(self.flow.preds[op.index]) < 2:
                continue
            ends, merges = self._terms(op.index)
            inner.update(merges)
            streams = frozenset(map(self._stream, ends))
            groups.setdefault(streams, []).append((op.index, ends, merges))
        for streams, sums in groups.items():
            sizes = {self.ops[stream].outputs[0].shape[2:] for stream in streams}
            if len(sums) > 1 and len(sizes) > 1:
                self._exchange(sorted(sums))

    def _terms(self, join: int) -> tuple[list[int], list[int]]:
        """What a sum adds up in the end, and the additions that form it."""
        ends: list[int] = []
        merges = [join]
        for source in self.flow.preds[join]:
            alone = len(self.flow.succs[source]) == 1 and len(self.flow.preds[source]) > 1
            if self.ops[source].kind == "add" and alone:
                inner_ends, inner_merges = self._terms(source)
                ends += inner_ends
                merges += inner_merges
            else:
                ends.append(source)
        return ends, merges

    def _stream(self, end: int) -> int:
        """The op that others read, too, from which a chain leads to `end`."""
        while len(self.flow.succs[end]) == 1 and len(self.flow.preds[end]) == 1:
            end = self.flow.preds[end][0]
        return end

    def _exchange(self, sums: list[tuple[int, list[int], list[int]]]) -> None:
        flow = self.flow
        paths: list[set[int]] = []
        merges: list[int] = []
        after: list[int] = []
        for join, ends, additions in sums:
            for end in ends:
                stream = self._stream(end)
                paths.append(flow.between(stream, end) if end != stream else set())
            merges += additions
            after += self._after(join)
        fork = flow.idom[sums[0][0]]
        for join, _, _ in sums:
            while not flow.dominates(fork, join):
                fork = flow.idom[fork]
        if fork == ROOT:
            return
        self.taken.update(merges)
        self._add("exchange", fork, sums[-1][0], paths, merges, after=tuple(sorted(after)))

    # --- inverted residual blocks without a shortcut -------------------------------------------

    def inverted(self) -> None:
        """Widen, depthwise, narrow without activation: found where no sum closes the block."""
        inside = {
            index
            for block in self.blocks
            if block.kind in ("residual", "branches", "dense")
            for branch in block.branches
            for index in branch
        }
        for op in self.ops:
            if self._is_depthwise(op) and op.index not in inside:
                self._inverted(op.index)

    def _inverted(self, depthwise: int) -> None:
        flow = self.flow
        narrow = self._narrowing(depthwise)
        if narrow is None:
            return
        first, width = depthwise, self.ops[depthwise].outputs[0].shape[1]
        widening = self._pointwise_before(depthwise)
        if widening is not None:
            first = widening
        fork = flow.idom[first]
        if fork == ROOT or self.ops[narrow].outputs[0].shape[1] >= width:
            return
        join = narrow
        (following,) = flow.succs[join] if len(flow.succs[join]) == 1 else (-1,)
        if following >= 0 and self.ops[following].kind == "normalization":
            join = following
        readers = [self.ops[index].kind for index in flow.succs[join]]
        if readers != ["activation"]:
            self._add("inverted", fork, join, [flow.between(fork, join) - {join}], [join])

    def _narrowing(self, depthwise: int) -> int | None:
        """The 1x1 convolution behind a depthwise one and what works element by element."""
        for op in self.ops[depthwise + 1 :]:
            if op.kind != "convolution" or not self.flow.dominates(depthwise, op.index):
                continue
            if op.outputs[0].shape[2:] != self.ops[depthwise].outputs[0].shape[2:]:
                continue  # a gate's, on the pooled map
            before = self.flow.idom[op.index]
            while before != depthwise and self.ops[before].kind in _LIGHT:
                before = self.flow.idom[before]
            return op.index if before == depthwise and self._is_pointwise(op) else None
        return None

    def _pointwise_before(self, depthwise: int) -> int | None:
        """The widening 1x1 convolution whose result a depthwise one reads."""
        index = depthwise
        while len(self.flow.preds[index]) == 1:
            index = self.flow.preds[index][0]
            op = self.ops[index]
            if len(self.flow.succs[index]) > 1:
                return None
            if op.kind == "convolution":
                wider = op.outputs[0].shape[1] > op.input_tensors[0].shape[1]
                return index if wider and self._is_pointwise(op) else None
            if op.kind not in _LIGHT:
                return None
        return None

    @staticmethod
    def _is_depthwise(op: OpRecord) -> bool:
        if op.kind != "convolution" or "transpose" in op.name:
            return False
        channels = op.input_tensors[0].shape[1]
        return channels > 1 and op.attrs.get("groups", 1) == channels

    @staticmethod
    def _is_pointwise(op: OpRecord) -> bool:
        return set(op.input_tensors[1].shape[2:]) == {1} and op.attrs.get("groups", 1) == 1

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
        after: tuple[int, ...] | None = None,
    ) -> None:
        branches = tuple(tuple(sorted(path)) for path in paths)
        merged = tuple(sorted(merges))
        self.taken.add(join)
        inside = {*merged, *(index for branch in branches for index in branch)}
        path = self._common_path(inside)
        form = self._form(fork, branches[0]) if kind == "residual" else ""
        if after is None:
            after = self._after(join)
        signature = self._signature(kind, shortcut, branches, (*merged, *after))
        self.blocks.append(
            Block(kind, fork, join, path, branches, shortcut, form, merged, after, -1, signature)
        )

    def _form(self, fork: int, heavy: tuple[int, ...]) -> Form:
        """Compare the widths of the layers that everything on the heavy path passes."""
        index, line = heavy[-1], []
        while index != fork:
            line.append(self.ops[index])
            index = self.flow.idom[index]
        if any(block.kind == "attention" and block.join in heavy for block in self.blocks):
            return "attention"
        layers = [op for op in reversed(line) if op.macs and op.kind in ("convolution", "linear")]
        if len(layers) < 2:
            return ""
        widths = [op.outputs[0].shape[1 if op.kind == "convolution" else -1] for op in layers]
        middle, last = max(widths[:-1]), widths[-1]
        if middle > last:
            return "inverted" if any(op.kind == "convolution" for op in layers) else "MLP"
        kernels = [op.input_tensors[1].shape[2:] for op in layers]
        squeezes = len(layers) == 3 and set(kernels[0]) == {1} == set(kernels[-1])
        return "bottleneck" if middle < last or squeezes else "basic"

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
        ends: tuple[int, ...],
    ) -> str:
        described = repr(
            (
                kind,
                shortcut,
                [[self._describe(self.ops[index]) for index in branch] for branch in branches],
                [self._describe(self.ops[index]) for index in ends],
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
