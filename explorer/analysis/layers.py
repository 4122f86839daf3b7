"""A trace as a table: one row per layer, whose columns add up to the model's totals.

A layer is a call of a module without children, or an op that a container runs itself: the
`+` of a residual block, a `torch.flatten`. Every op belongs to exactly one row, so params,
MACs, cost and activation bytes are plain sums; parameters of modules that never ran are the
only ones in no row (`Trace.uncalled`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from explorer.analysis.totals import DEFAULT, Convention, totals
from explorer.analysis.units import shape_text
from explorer.text import _
from explorer.trace.records import CallRecord, OpRecord, TensorRecord, Trace

if TYPE_CHECKING:
    import pandas as pd

Shape = tuple[int, ...]

_SILENT = frozenset(("input", "constant", "bookkeeping"))
"""Kinds without a row of their own where they cost nothing and allocate nothing."""
_WHOLE = ("attention", "recurrent")
"""Kinds that name a module with several ops, though its projections may cost more."""


class Layer(NamedTuple):
    """One row: a call of a module, or a functional op between module calls."""

    key: str
    """Stable name: "layer1.0.conv1", "fc@1" for a second call, "layer1.0:add" for an op."""
    path: str
    """Path of the module; for a functional op, of the module whose `forward` runs it."""
    label: str
    """Short text for a row: "Conv2d", "add"."""
    kind: str
    """One of `records.KINDS`: that of the most expensive op, except that a module with an
    attention or recurrent op is that, and one without MACs that calls itself a norm is one."""
    module_class: str
    """Class of the module; "" for a functional op."""
    depth: int
    """Number of modules around it: 1 for a child of the model."""
    call: int
    """Index in `Trace.calls` of the call, or of the call that runs the functional op."""
    first_op: int
    last_op: int
    """The row is `ops[first_op:last_op]`."""
    input_shapes: tuple[Shape, ...]
    output_shape: Shape
    """Of the first output; () if the call returned no tensor."""
    kernel: Shape | None
    stride: Shape | None
    padding: Shape | str | None
    """Numbers per axis, or "same" / "valid"."""
    dilation: Shape | None
    groups: int | None
    params: int
    macs: int
    cost: int
    activation_bytes: int


class Window(NamedTuple):
    """The sliding window of a convolution or pooling; None where an op has no such thing."""

    kernel: Shape | None = None
    stride: Shape | None = None
    padding: Shape | str | None = None
    dilation: Shape | None = None
    groups: int | None = None


def layers(
    trace: Trace,
    depth: int | None = None,
    convention: Convention = DEFAULT,
    *,
    apart: bool = False,
) -> tuple[Layer, ...]:
    """Return the rows in execution order.

    Args:
        trace: a traced forward.
        depth: fold calls deeper than this into their ancestor at this depth; None folds
            nothing.
        convention: what the column `cost` counts.
        apart: take a module of attention that calls no other apart into its ops, as if its
            projections were modules.
    """
    return tuple(_Table(trace, depth, convention, apart=apart).rows())


def locate(trace: Trace, rows: Sequence[Layer], key: str) -> Layer | None:
    """Return the row called `key`, or the folded row that contains it, or None."""
    for row in rows:
        if row.key == key:
            return row
    for layer in layers(trace):
        if layer.key == key:
            for row in rows:
                if row.first_op <= layer.first_op and layer.last_op <= row.last_op:
                    return row
    return None


class _Table:
    """Walks the calls of one trace, and sums what lies in each row."""

    def __init__(
        self, trace: Trace, depth: int | None, convention: Convention, *, apart: bool
    ) -> None:
        self.trace = trace
        self.depth = depth
        self.apart = apart
        self.seen: Counter[tuple[str, str]] = Counter()
        count = len(trace.ops)
        self.costs = list(map(convention.cost, trace.ops))
        self.allocated = [0] * count
        for storage in trace.storages:
            self.allocated[storage.born] += storage.nbytes
        self.unread = [call.params for call in trace.calls]
        """Parameters that a call holds and no op reads."""
        for op in trace.ops:
            if op.call >= 0:
                self.unread[op.call] -= op.params
        self.weights = {
            record.name: record.shape for record in (*trace.parameters, *trace.buffer_records)
        }

    def rows(self) -> Iterator[Layer]:
        for call in self.trace.calls:
            if call.parent < 0:
                yield from self._inside(call)

    def _inside(self, call: CallRecord) -> Iterator[Layer]:
        folded = self.depth is not None and call.depth >= self.depth
        if folded or not (call.children or call.parent < 0):
            row = self._call_row(call)
            if folded or not (self.apart and row.kind == "attention"):
                yield row
                return
        position = call.first_op
        for index in call.children:
            child = self.trace.calls[index]
            yield from self._op_rows(call, position, child.first_op)
            yield from self._inside(child)
            position = child.last_op
        yield from self._op_rows(call, position, call.last_op)
        if self.unread[call.index]:
            yield self._unread_row(call)

    def _call_row(self, call: CallRecord) -> Layer:
        first, last = call.first_op, call.last_op
        ops = self.trace.ops[first:last]
        main = main_op(ops)
        kind = _kind(ops, main, call.module_class)
        own = main and main.kind == kind and not call.children
        window = window_of(main) if main and own else Window()
        return Layer(
            key=f"{call.path}@{call.nth}" if call.nth else call.path,
            path=call.path,
            label=call.module_class,
            kind=kind,
            module_class=call.module_class,
            depth=call.depth,
            call=call.index,
            first_op=first,
            last_op=last,
            input_shapes=tuple(tensor.shape for tensor in call.inputs),
            output_shape=call.outputs[0].shape if call.outputs else (),
            kernel=window.kernel,
            stride=window.stride,
            padding=window.padding,
            dilation=window.dilation,
            groups=window.groups,
            params=sum(op.params for op in ops) + self._unread_below(call),
            macs=sum(op.macs for op in ops),
            cost=sum(self.costs[first:last]),
            activation_bytes=sum(self.allocated[first:last]),
        )

    def _unread_below(self, call: CallRecord) -> int:
        return self.unread[call.index] + sum(
            self._unread_below(self.trace.calls[child]) for child in call.children
        )

    def _op_rows(self, call: CallRecord, first: int, last: int) -> Iterator[Layer]:
        for op in self.trace.ops[first:last]:
            name = op.name.rstrip("_")
            place = self.seen[call.path, name]
            self.seen[call.path, name] += 1
            cost, allocated = self.costs[op.index], self.allocated[op.index]
            if op.kind in _SILENT and not (cost or allocated or op.params):
                continue
            window = window_of(op)
            yield Layer(
                key=f"{call.path}:{name}@{place}" if place else f"{call.path}:{name}",
                path=call.path,
                label=name,
                kind=op.kind,
                module_class="",
                depth=call.depth + 1,
                call=call.index,
                first_op=op.index,
                last_op=op.index + 1,
                input_shapes=tuple(tensor.shape for tensor in self._activations(op)),
                output_shape=op.outputs[0].shape if op.outputs else (),
                kernel=window.kernel,
                stride=window.stride,
                padding=window.padding,
                dilation=window.dilation,
                groups=window.groups,
                params=op.params,
                macs=op.macs,
                cost=cost,
                activation_bytes=allocated,
            )

    def _activations(self, op: OpRecord) -> list[TensorRecord]:
        """The tensor arguments of an op that are no parameters or buffers."""
        left = list(op.input_tensors)
        for name in reversed(op.parameters):
            # Weights stand behind the activations in the arguments of every ATen op.
            for place in range(len(left) - 1, -1, -1):
                if left[place].shape == self.weights.get(name):
                    del left[place]
                    break
        return left

    def _unread_row(self, call: CallRecord) -> Layer:
        return Layer(
            key=f"{call.path}:parameters" + (f"@{call.nth}" if call.nth else ""),
            path=call.path,
            label="parameters that no op reads",
            kind="bookkeeping",
            module_class="",
            depth=call.depth + 1,
            call=call.index,
            first_op=call.last_op,
            last_op=call.last_op,
            input_shapes=(),
            output_shape=(),
            kernel=None,
            stride=None,
            padding=None,
            dilation=None,
            groups=None,
            params=self.unread[call.index],
            macs=0,
            cost=0,
            activation_bytes=0,
        )


def main_op(ops: Sequence[OpRecord]) -> OpRecord | None:
    """The most expensive op of a row: by MACs, then other arithmetic, then bytes moved."""
    return max(
        ops,
        key=lambda op: (
            op.macs,
            op.elementwise_ops + op.bias_ops,
            not op.is_view,
            op.bytes_read + op.bytes_written,
        ),
        default=None,
    )


def _kind(ops: Sequence[OpRecord], main: OpRecord | None, module_class: str) -> str:
    kinds = [op.kind for op in ops]
    for kind in _WHOLE:
        if kind in kinds:
            return kind
    if "softmax" in kinds and kinds.count("matmul") > 1:
        return "attention"
    if main and not main.macs and "Norm" in module_class:
        # Local response normalization is a pooling of squares and a quotient.
        return "normalization"
    return main.kind if main else "bookkeeping"


def window_of(op: OpRecord) -> Window:
    """Kernel, stride, padding, dilation and groups of an op, defaults filled in."""
    if op.kind == "convolution":
        kernel = op.input_tensors[1].shape[2:]
    elif op.kind == "pooling" and "kernel_size" in op.attrs:
        kernel = _per_axis(op.attrs["kernel_size"], len(op.input_tensors[0].shape) - 2)
    else:
        return Window()
    rank, attrs = len(kernel), op.attrs
    padding = attrs.get("padding", 0)
    return Window(
        kernel,
        _per_axis(attrs.get("stride") or (kernel if op.kind == "pooling" else 1), rank),
        padding if isinstance(padding, str) else _per_axis(padding, rank),
        _per_axis(attrs.get("dilation", 1), rank),
        int(attrs.get("groups", 1)) if op.kind == "convolution" else None,
    )


def _per_axis(value: Any, rank: int) -> Shape:
    numbers = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    return tuple(map(int, numbers * rank if len(numbers) == 1 else numbers))


# --- the table as a frame and as text ------------------------------------------------------


def layers_frame(
    trace: Trace, depth: int | None = None, convention: Convention = DEFAULT
) -> pd.DataFrame:
    """Return the rows as a table with the keys as index.

    Columns: Layer, Kind, Input, Output, Kernel, Stride, Padding, Params, MACs (or FLOPs),
    Share (0 to 1), Activation MiB, Cumulative share (0 to 1).
    """
    import pandas as pd  # slow to import, and a process that only traces needs no table

    rows = layers(trace, depth, convention)
    whole = sum(row.cost for row in rows) or 1
    cumulative, so_far = [], 0
    for row in rows:
        so_far += row.cost
        cumulative.append(so_far / whole)
    return pd.DataFrame(
        {
            "Layer": [row.key or trace.model for row in rows],
            "Kind": [row.kind for row in rows],
            "Input": [_inputs_text(row.input_shapes) for row in rows],
            "Output": [shape_text(row.output_shape) if row.output_shape else "" for row in rows],
            "Kernel": [axes_text(row.kernel) for row in rows],
            "Stride": [axes_text(row.stride) for row in rows],
            "Padding": [axes_text(row.padding) for row in rows],
            "Params": [row.params for row in rows],
            convention.unit: [row.cost for row in rows],
            "Share": [row.cost / whole for row in rows],
            "Activation MiB": [row.activation_bytes / 2**20 for row in rows],
            "Cumulative share": cumulative,
        },
        index=pd.Index([row.key for row in rows], name="key"),
    )


def axes_text(value: Shape | str | None) -> str:
    """A window's size as people write it: "3×3", "" if there is none."""
    if value is None or isinstance(value, str):
        return value or ""
    return "×".join(map(str, value))


def _inputs_text(shapes: tuple[Shape, ...]) -> str:
    """Several equal inputs are written once, with their number."""
    counted = Counter(shapes).items()
    return ", ".join(
        shape_text(shape)
        if times == 1
        else _("{n} of {shape}").format(n=times, shape=shape_text(shape))
        for shape, times in counted
    )


def to_csv(frame: pd.DataFrame) -> str:
    """The table as CSV, with a header line and exact numbers."""
    return str(frame.to_csv(index=False, lineterminator="\n"))


def to_markdown(frame: pd.DataFrame) -> str:
    """The table as GitHub Markdown."""
    from pandas.api.types import is_numeric_dtype

    columns = list(frame.columns)
    numeric = [is_numeric_dtype(frame[column]) for column in columns]
    rule = ["---:" if right else "---" for right in numeric]
    body = (
        [_cell(column, value) for column, value in zip(columns, record, strict=True)]
        for record in frame.itertuples(index=False, name=None)
    )
    return "".join(_line(cells) for cells in (columns, rule, *body))


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _cell(column: str, value: object) -> str:
    if isinstance(value, float):
        return f"{100 * value:.2f}%" if "hare" in column else f"{value:,.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value).replace("|", "\\|")


def to_json(trace: Trace, depth: int | None = None, convention: Convention = DEFAULT) -> str:
    """Totals, convention and rows as one JSON document."""
    return json.dumps(
        {
            "model": trace.model,
            "input_shape": trace.input_shape,
            "mode": trace.mode,
            "convention": convention.statement(trace),
            "unit": convention.unit,
            "totals": totals(trace, convention)._asdict(),
            "layers": [row._asdict() for row in layers(trace, depth, convention)],
        },
        indent=2,
    )
