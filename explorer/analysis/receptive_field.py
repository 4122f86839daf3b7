"""The pixels that one value can see: the theoretical receptive field of every op of a trace.

A cell of a map sees a window of the picture: every pixel from which some path leads to it. The
windows of a convolution are those of the cells under its kernel; the windows of a sum or a
concatenation reach from the first pixel that a branch sees to the last (Araujo, Norris and Sim,
Computing Receptive Fields of Convolutional Neural Networks, Distill 2019). Padding continues the
picture, so windows near its border begin before it.

A cell means all channels at its place. What mixes all places (attention, global pooling, a
linear layer over a flattened map, the gate of a squeeze-and-excitation) sees the whole picture.
Where an op reads depends on the picture, or its result has no places, the field is not defined,
and says by which op.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from explorer.analysis._field_rules import Arg, NothingSeen, rule_of
from explorer.analysis._grid import JOINED, PLAIN, Axis, Edge, Grid, UndefinedError, plain
from explorer.analysis.layers import Layer, window_of
from explorer.dataflow import Dataflow
from explorer.trace.records import OpRecord, Trace, Value

Shape = tuple[int, ...]

_SILENT: Final = frozenset(("reshape", "dropout", "padding"))
"""Kinds that leave the features as they are."""


class Span(NamedTuple):
    """What the cells of a map see along one axis, in rows (or columns) of the picture."""

    size: int
    """Of a cell's window, padding included; of the largest where cells differ. If the whole
    picture is seen, as much of it as there is."""
    stride: float
    """How far windows of neighbouring cells lie apart (the "jump"); 0 if all see the same."""
    cells: int
    extent: int
    """Rows (or columns) of the picture."""
    whole: bool
    """Each cell sees the whole picture (but for the last rows, if a stride before drops them)."""
    low: Edge
    high: Edge
    bounds: tuple[int, int]
    """First and last row of the picture that any cell sees."""

    @property
    def start(self) -> int:
        """Where the window of the first cell begins; negative in the padding."""
        return self.low.at(0)

    def window(self, cell: int) -> tuple[int, int]:
        """First and last row of a cell's window, padding included."""
        return self.low.at(cell), self.high.at(cell)

    def seen(self, cell: int) -> tuple[int, int]:
        """First and last row of the picture that a cell sees; none if last < first."""
        first, last = self.window(cell)
        return max(first, self.bounds[0]), min(last, self.bounds[1])


class Layout(NamedTuple):
    """Where the cells of a map are in the tensor that holds it."""

    channels: int
    """Dimension of the channels; the batch is dimension 0."""
    rows: int
    columns: int
    """The dimensions of rows and columns; one and the same if cells are tokens, row by row."""
    first: int = 0
    """Number of tokens before the first cell: a class token."""


class Field(NamedTuple):
    """The receptive field of the cells that an op writes."""

    rows: Span | None
    columns: Span | None
    layout: Layout | None
    """None if cells do not lie in rows and columns, or more than channels lie beside them."""
    border: bool
    """Cells at the border see other pixels than their window says: a roll brings them from the
    opposite side, unless a mask keeps them apart, or padding mirrors them."""
    undefined: str
    """Name of the op by which the field is not defined; "" where it is."""

    @property
    def whole(self) -> bool:
        """Whether each cell sees the whole picture."""
        return bool(self.rows and self.columns and self.rows.whole and self.columns.whole)

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of a window, padding included; None where it is not defined."""
        return (self.rows.size, self.columns.size) if self.rows and self.columns else None

    @property
    def cells(self) -> tuple[int, int] | None:
        """Rows and columns of the map; None where the field is not defined."""
        return (self.rows.cells, self.columns.cells) if self.rows and self.columns else None


class Step(NamedTuple):
    """One op of the path that makes a field as large as it is, along the rows."""

    op: int
    kernel: int | None
    """None for an op without a window."""
    dilation: int
    size: int
    """After it."""
    stride: float
    """After it."""
    size_before: int
    stride_before: float
    whole: bool

    @property
    def is_formula(self) -> bool:
        """Whether its size is size_before + (kernel - 1) * dilation * stride_before."""
        if self.kernel is None or self.whole:
            return False
        grown = self.size_before + (self.kernel - 1) * self.dilation * self.stride_before
        return self.size == grown


def receptive_fields(trace: Trace, *, gates: bool = True) -> tuple[Field | None, ...]:
    """Return the field of each op's (first) result; None where it does not depend on the input.

    Args:
        trace: of a model whose input is a picture, (N, C, H, W).
        gates: count what a gate's factor and a normalization's statistics have seen. They carry
            a few numbers about the whole picture; without them the field is that of the path
            on which places are kept.
    """
    return _Walk(trace, gates).fields()


def layer_fields(
    trace: Trace, rows: Sequence[Layer], fields: Sequence[Field | None] | None = None
) -> tuple[Field | None, ...]:
    """Return the field of what each row of a layer table gives.

    Args:
        trace: the trace that the rows are of.
        rows: made by `layers`.
        fields: made by `receptive_fields`, if they are at hand.
    """
    known = receptive_fields(trace) if fields is None else fields
    return tuple(known[op] if (op := result_op(trace, row)) >= 0 else None for row in rows)


def result_op(trace: Trace, row: Layer) -> int:
    """Index of the op that writes a row's result; -1 if there is none."""
    if row.first_op == row.last_op:
        return -1
    if row.module_class and trace.calls[row.call].output_values:
        return trace.calls[row.call].output_values[0].op
    return row.last_op - 1


def last_local(trace: Trace, fields: Sequence[Field | None]) -> int:
    """Index of the last op that everything passes and that has cells with a place; -1 if none.

    That is where a network's features still have a place: what follows pools them, flattens
    them or lets them attend to each other.
    """
    best = -1
    for index in Dataflow(trace).trunk():
        field = fields[index]
        if field is None or field.whole or (field.rows and field.cells == (1, 1)):
            break
        if field.undefined:
            return index
        if trace.ops[index].kind not in _SILENT:
            best = index
    return best


def path(trace: Trace, fields: Sequence[Field | None], op: int) -> tuple[Step, ...]:
    """Return the ops that make the field of an op as large as it is, first to last.

    Where branches meet it follows the one with the largest field, and of equal ones the first.

    Args:
        trace: the trace.
        fields: made by `receptive_fields`.
        op: index of an op; without a defined field there is no path.
    """
    flow = Dataflow(trace)
    steps: list[Step] = []
    while flow.preds[op]:
        after = fields[op]
        sources = [source for source in flow.preds[op] if _rank(fields[source]) is not None]
        if after is None or after.rows is None or not sources:
            break
        source = max(sources, key=lambda index: _rank(fields[index]) or (False, 0, 0))
        before = fields[source]
        assert before is not None
        assert before.rows is not None
        here, old = after.rows, before.rows
        if (here.size, here.stride, here.whole) != (old.size, old.stride, old.whole):
            kernel, dilation = _kernel(trace.ops[op])
            steps.append(
                Step(op, kernel, dilation, here.size, here.stride, old.size, old.stride, here.whole)
            )
        op = source
    return tuple(steps[::-1])


def _rank(field: Field | None) -> tuple[bool, int, int] | None:
    """Order of fields by size: all of the picture is more than any window."""
    if field is None or field.rows is None or field.columns is None:
        return None
    return field.whole, field.rows.size, field.columns.size


def _kernel(op: OpRecord) -> tuple[int | None, int]:
    window = window_of(op)
    if not window.kernel or op.name.startswith("conv_transpose"):
        return None, 1
    axis = max(0, len(window.kernel) - 2)
    return window.kernel[axis], window.dilation[axis] if window.dilation else 1


# ------------------------------------------------------------------ along a trace


class _Walk:
    """Goes through the ops of one trace, in order."""

    def __init__(self, trace: Trace, gates: bool) -> None:
        self.trace = trace
        self.gates = gates
        self.live = Dataflow(trace).live
        """Whether an op depends on the input; a slice that leaves all places out does not."""
        self.grids: dict[tuple[int, int], Grid] = {}
        """By op and output; what is live and not in it is not defined."""
        self.blamed: dict[int, str] = {}

    def fields(self) -> tuple[Field | None, ...]:
        found: list[Field | None] = []
        for op in self.trace.ops:
            if not self.live[op.index]:
                found.append(None)
                continue
            try:
                self._follow(op)
            except NothingSeen:
                self.live[op.index] = False
                found.append(None)
                continue
            grid = self.grids.get((op.index, 0))
            found.append(
                _field(grid) if grid else Field(None, None, None, False, self.blamed[op.index])
            )
        return tuple(found)

    def _follow(self, op: OpRecord) -> None:
        for output, grid in enumerate(self._results(op)):
            self.grids[op.index, output] = grid

    def _results(self, op: OpRecord) -> Sequence[Grid]:
        live = [value for value in op.inputs if self.live[value.op]]
        known = [grid for value in live if (grid := self.grids.get((value.op, value.output)))]
        try:
            if len(known) < len(live):
                raise UndefinedError
            found = rule_of(op)(op, self._arguments(op), self.gates)
            return (found,) if isinstance(found, Grid) else found
        except UndefinedError:
            # What reads something that has seen everything has seen everything.
            whole = next((grid for grid in known if grid.whole), None)
            if whole:
                return [
                    replace(whole, dims=tuple(map(plain, tensor.shape))) for tensor in op.outputs
                ]
            earlier = [self.blamed[value.op] for value in live if value.op in self.blamed]
            self.blamed[op.index] = earlier[0] if earlier else op.name.rstrip("_")
            return ()

    def _arguments(self, op: OpRecord) -> list[Arg]:
        """The grid of each tensor argument; None for what does not depend on the input."""
        values = [value for value in op.inputs if self.live[value.op]]
        found: list[Arg] = []
        for tensor in op.input_tensors:
            if values and self._shape(values[0]) == tensor.shape:
                value = values.pop(0)
                found.append(self.grids[value.op, value.output])
            else:
                found.append(None)
        if values:  # read through an alias that was overwritten in part
            raise UndefinedError
        return found

    def _shape(self, value: Value) -> Shape:
        return self.trace.ops[value.op].outputs[value.output].shape


def _field(grid: Grid) -> Field:
    rows, columns = map(_span, grid.axes)
    return Field(rows, columns, _layout(grid), grid.border, "")


def _layout(grid: Grid) -> Layout | None:
    """Where rows, columns and channels are, in (N, C, H, W), (N, H, W, C) or (N, T, C)."""
    rank = len(grid.dims)
    kinds = [tuple(factor.axis for factor in dim if factor.size > 1) for dim in grid.dims]
    if rank == 3:
        tokens = [dim for dim in (1, 2) if kinds[dim] in ((0, 1), (JOINED,))]
        if len(tokens) != 1:
            return None
        first = grid.dims[tokens[0]][0].unit if kinds[tokens[0]] == (JOINED,) else 0
        return None if first < 0 else Layout(3 - tokens[0], tokens[0], tokens[0], first)
    if rank != 4 or any(kind not in ((), (PLAIN,), (0,), (1,)) for kind in kinds[1:]):
        return None
    # A side of one cell has no digits: the usual order, unless another is known.
    last = kinds[1] == (0,) or kinds[2] == (1,)
    rows, columns, channels = (1, 2, 3) if last else (2, 3, 1)
    fits = kinds[rows] in ((), (0,), (PLAIN,)) and kinds[columns] in ((), (1,), (PLAIN,))
    return Layout(channels, rows, columns) if fits else None


def _span(axis: Axis) -> Span:
    low, high = axis.low, axis.high
    period = max(len(low.values), len(high.values))
    size = max(high.at(i) - low.at(i) for i in range(period)) + 1
    stride = low.slope
    return Span(
        size=size,
        stride=int(stride) if stride.denominator == 1 else float(stride),
        cells=axis.cells,
        extent=axis.extent,
        whole=axis.whole,
        low=low,
        high=high,
        bounds=axis.seen,
    )
