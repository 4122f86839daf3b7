"""What every picture of a trace asks: keys of ops, what they cost, and who reads whom."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from explorer.analysis.layers import main_op
from explorer.analysis.totals import DEFAULT, Convention
from explorer.dataflow import Dataflow
from explorer.diagram.labels import batch_of, edge_text, shape_of
from explorer.diagram.scene import Node
from explorer.text import _
from explorer.trace.records import CallRecord, Trace


class Facts:
    """A trace with what all its pictures need, worked out once.

    Args:
        trace: a traced forward.
        convention: what a box's cost counts.
    """

    def __init__(self, trace: Trace, convention: Convention = DEFAULT) -> None:
        self.trace = trace
        self.flow = Dataflow(trace)
        self.convention = convention
        self.batch = batch_of(trace)
        self.shown = [
            self.flow.live[op.index] and op.kind not in ("bookkeeping", "constant")
            for op in trace.ops
        ]
        """Whether an op can be a box: it depends on the input, and it does something."""
        before = [0]
        for shown in self.shown:
            before.append(before[-1] + shown)
        self.visible = [before[call.last_op] - before[call.first_op] for call in trace.calls]
        """Number of such ops in each call."""
        self.allocated = [0] * len(trace.ops)
        """Bytes that each op allocates."""
        for storage in trace.storages:
            self.allocated[storage.born] += storage.nbytes
        self.costs = list(map(convention.cost, trace.ops))
        self.op_keys = _op_keys(trace)

    def leaf(self, index: int) -> CallRecord | None:
        """The call of a module without children that runs an op, if one does."""
        at = self.trace.ops[index].call
        if at < 0:
            return None
        call = self.trace.calls[at]
        return call if call.parent >= 0 and not call.children else None

    def key(self, index: int) -> str:
        """Key of an op's own box: its layer's if that is this op alone."""
        call = self.leaf(index)
        if call and self.visible[call.index] <= 1:
            return call_key(call)
        return self.op_keys[index]

    def selects(self, index: int) -> str:
        """The row of the layer table that an op is, or is in."""
        call = self.leaf(index)
        return call_key(call) if call else self.op_keys[index]

    def shape(self, index: int) -> str:
        """What leaves an op, without the batch."""
        return edge_text(shape_of(self.trace.ops[index]), self.batch)

    def node(
        self, key: str, ops: Sequence[int], title: str, *, stands_for: Iterable[int] = ()
    ) -> Node:
        """A box for some ops, without its place.

        Args:
            key: its key.
            ops: what its amounts are of, in execution order.
            title: its first line.
            stands_for: all equal ones, if it is drawn once for several.
        """
        records = [self.trace.ops[index] for index in ops]
        main = main_op(records) or records[-1]
        first = main if len(ops) == 1 else records[0]
        given = first.input_tensors[0].shape if first.input_tensors else shape_of(first)
        every = tuple(stands_for) or ops
        return Node(
            key=key,
            kind=main.kind,
            title=title,
            selects=self.selects(main.index) if len(ops) == 1 else key,
            ops=every,
            times=max(1, len(every) // max(1, len(ops))),
            params=sum(op.params for op in records),
            cost=sum(self.costs[index] for index in ops),
            activation_bytes=sum(self.allocated[index] for index in ops),
            input_text=edge_text(given, self.batch) if given else "",
            output_text=self.shape(records[-1].index),
        )

    def links(self, box_of: Sequence[str]) -> dict[tuple[str, str], int]:
        """Who reads whom among boxes, whatever lies unseen between them.

        Args:
            box_of: for each op the key of the box that it is in, "" if it is in none.

        Returns:
            (source, target) -> the op whose result goes along the line.
        """
        behind: list[tuple[int, ...]] = []
        """For each op the ops in boxes whose values it hands on."""
        found: dict[tuple[str, str], int] = {}
        for op in self.trace.ops:
            sources: dict[int, None] = {}
            for pred in self.flow.preds[op.index]:
                sources.update(dict.fromkeys(behind[pred]))
            if box_of[op.index]:
                for source in sources:
                    ends = (box_of[source], box_of[op.index])
                    if ends[0] != ends[1]:
                        found.setdefault(ends, source)
                behind.append((op.index,))
            else:
                behind.append(tuple(sources))
        return found


def call_key(call: CallRecord) -> str:
    """Key of a module's call in the layer table."""
    return f"{call.path}@{call.nth}" if call.nth else call.path


def caption(trace: Trace, convention: Convention) -> str:
    """Input size and counting convention, in one line under a picture."""
    shapes = trace.input_shape
    several = bool(shapes) and isinstance(shapes[0], tuple)
    text = ", ".join("×".join(map(str, shape)) for shape in (shapes if several else (shapes,)))  # type: ignore[arg-type]
    head = _("{model}, input {size}, {mode}.").format(
        model=trace.model, size=text, mode=_(trace.mode)
    )
    return f"{head} {convention.statement(trace)}"


def _op_keys(trace: Trace) -> list[str]:
    """For each op the key that the layer table would give it as a row of its own."""
    seen: dict[tuple[str, str], int] = defaultdict(int)
    keys = []
    for op in trace.ops:
        path = trace.calls[op.call].path if op.call >= 0 else ""
        name = op.name.rstrip("_")
        place = seen[path, name]
        seen[path, name] += 1
        keys.append(f"{path}:{name}@{place}" if place else f"{path}:{name}")
    return keys
