"""A trace as a graph: who reads whose result, what everything must pass through.

Edges that carry only a shape (`zeros_like(x)` reads no value of x) are left out, and so are
values that do not come from the model's input: a positional embedding that is added is no
second path through the network.
"""

from __future__ import annotations

from collections.abc import Iterable

from explorer.trace.records import OpRecord, Trace

ROOT = -1
"""The point before the inputs, from which everything starts."""

_SHAPE_ONLY = frozenset(
    "new_empty new_full new_ones new_zeros empty_like full_like ones_like rand_like randn_like "
    "zeros_like".split()
)


class Dataflow:
    """Predecessors, successors and dominators of the ops that the input reaches."""

    __slots__ = ("idom", "live", "ops", "outputs", "preds", "succs")

    def __init__(self, trace: Trace) -> None:
        self.ops: tuple[OpRecord, ...] = trace.ops
        self.live: list[bool] = []
        """Whether an op's result depends on the model's input."""
        self.preds: list[list[int]] = []
        """Ops whose results an op reads, live ones only, each once, in argument order."""
        self.succs: list[list[int]] = [[] for _ in trace.ops]
        for op in trace.ops:
            found: list[int] = []
            if op.name not in _SHAPE_ONLY:
                for value in op.inputs:
                    if self.live[value.op] and value.op not in found:
                        found.append(value.op)
            self.preds.append(found)
            self.live.append(bool(found) or op.kind == "input")
            for source in found:
                self.succs[source].append(op.index)
        ends = sorted({value.op for value in trace.outputs if self.live[value.op]})
        if not trace.outputs:  # a pass that broke off ends where it broke off
            ends = [index for index, live in enumerate(self.live) if live][-1:]
        self.outputs: tuple[int, ...] = tuple(ends)
        """Ops that write the model's outputs, as far as these depend on its input."""
        self.idom: list[int] = self._immediate_dominators()
        """The last op that every path from the input to an op passes; ROOT if there is none."""

    def _immediate_dominators(self) -> list[int]:
        # Ops are in topological order, so one pass settles every op (Cooper, Harvey and
        # Kennedy's intersection, without the iteration that loops would need).
        idom = [ROOT] * len(self.ops)
        for index, preds in enumerate(self.preds):
            if preds:
                idom[index] = self._common(preds, idom)
        return idom

    @staticmethod
    def _common(members: Iterable[int], idom: list[int]) -> int:
        """The nearest op that dominates all members, which may be one of them."""
        members = iter(members)
        found = next(members)
        for other in members:
            while found != other:
                if found > other:
                    found = idom[found]
                else:
                    other = idom[other]
        return found

    def dominators(self, index: int) -> list[int]:
        """Every op that all paths from the input to `index` pass, `index` last."""
        found = []
        while index != ROOT:
            found.append(index)
            index = self.idom[index]
        return found[::-1]

    def dominates(self, a: int, b: int) -> bool:
        """Whether every path from the input to `b` passes `a`."""
        while b > a:
            b = self.idom[b]
        return a == b

    def trunk(self) -> list[int]:
        """The ops that every path from the input to any output passes, in order."""
        if not self.outputs:
            return []
        return self.dominators(self._common(self.outputs, self.idom))

    def between(self, fork: int, end: int) -> set[int]:
        """The ops on the paths from `fork`, which dominates `end`, to `end`, `end` included."""
        if end == fork:
            return set()
        found, open_ = {end}, [end]
        while open_:
            for source in self.preds[open_.pop()]:
                if source != fork and source not in found:
                    found.add(source)
                    open_.append(source)
        return found

    def longest_path(self, weights: list[int]) -> int:
        """The largest sum of weights on any path from the input to an output."""
        best: list[int] = []
        for index, preds in enumerate(self.preds):
            own = weights[index] if self.live[index] else 0
            best.append(own + max((best[source] for source in preds), default=0))
        return max((best[index] for index in self.outputs), default=0)
