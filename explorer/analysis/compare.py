"""Models side by side: totals and stages of up to four, and two aligned layer by layer.

Stages are aligned by how far they divide the input, so that C4 of one network meets 14 × 14 of
another, also where the two are traced at different sizes. Inside a stage the rows of
`layers(trace)` are aligned on what they compute. Every row, and every parameter that no row
holds, is in exactly one row of the difference, so that the differences of the rows add up to the
difference of the totals.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from math import log2, prod
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from explorer.analysis._align import align, best_sum, merged
from explorer.analysis._units import GATE, JOIN, MAIN, CountedBlock, Parts, channels, parts
from explorer.analysis.layers import Layer, axes_text, layers, main_op
from explorer.analysis.stages import Stage, resolutions, stages
from explorer.analysis.totals import DEFAULT, Convention, totals
from explorer.analysis.units import shape_text
from explorer.errors import ExplorerError
from explorer.trace.records import OpRecord, Trace

Shape = tuple[int, ...]

MOST = 4
"""Models that one comparison takes."""
NOT_RUN = "not run"
"""Stage of what holds parameters and never ran."""

_HEADS = ("head", "network")
_SAME_SCALE = 0.5
"""Stages are the same if they divide the input's sides alike, to within this many halvings."""


# --- totals, stages and curves --------------------------------------------------------------


class Count(NamedTuple):
    """One total of one model, and what it is to the first model's."""

    value: int
    difference: int
    """This model's minus the first one's."""
    ratio: float | None
    """This model's over the first one's; None where the first has 0."""


class ComparedModel(NamedTuple):
    """The totals of one model."""

    name: str
    """As registered, with its input where the same name is compared twice."""
    input_shape: Shape | tuple[Shape, ...]
    output_shape: Shape | tuple[Shape, ...]
    params: Count
    cost: Count
    """In `Comparison.unit`."""
    activation_bytes: Count
    depth: Count
    """Most weighted layers on any path from input to output."""
    layers: Count
    """Rows of `layers(trace)`."""
    lower_bound: bool
    """An op without a cost rule makes `cost` a lower bound."""


class AlignedStage(NamedTuple):
    """What the models have at one resolution, relative to their inputs."""

    name: str
    """Of the first model that has it."""
    stages: tuple[Stage | None, ...]
    """One for each model; None if it has no such stage."""


class Curve(NamedTuple):
    """Running sums over the rows of one model, in execution order."""

    name: str
    keys: tuple[str, ...]
    position: tuple[float, ...]
    """Place of each row, 0 to 1 for the last, so that models of any depth share an axis."""
    params: tuple[int, ...]
    """Without those of modules that never ran."""
    cost: tuple[int, ...]
    activation_bytes: tuple[int, ...]


class Comparison(NamedTuple):
    """Two to four models side by side; everything is relative to the first."""

    unit: str
    """"MACs" or "FLOPs"."""
    models: tuple[ComparedModel, ...]
    stages: tuple[AlignedStage, ...]
    curves: tuple[Curve, ...]


def compare(traces: Sequence[Trace], convention: Convention = DEFAULT) -> Comparison:
    """Return the totals, stages and running sums of two to four models.

    Args:
        traces: the first is what the others are compared with.
        convention: what `cost` counts, and in which unit.

    Raises:
        ExplorerError: there are fewer than two traces or more than four, or one has no layers.
    """
    if not 2 <= len(traces) <= MOST:
        raise ExplorerError(f"A comparison takes 2 to {MOST} models, and got {len(traces)}.")
    tables = [_table(trace, convention) for trace in traces]
    names = display_names(traces)
    return Comparison(
        unit=convention.unit,
        models=_models(traces, tables, names, convention),
        stages=_aligned_stages(
            [_Scales(trace, convention, rows) for trace, rows in zip(traces, tables, strict=True)]
        ),
        curves=tuple(_curve(name, rows) for name, rows in zip(names, tables, strict=True)),
    )


def display_names(traces: Sequence[Trace]) -> tuple[str, ...]:
    """Return the models' names, with the input size where a name stands for several."""
    names = [trace.model for trace in traces]
    twice = {name for name, times in Counter(names).items() if times > 1}
    sized = len({trace.input_shape for trace in traces}) > 1
    named = [
        f"{trace.model} at {_input_text(trace)}" if sized and trace.model in twice else trace.model
        for trace in traces
    ]
    seen: Counter[str] = Counter()
    unique = []
    for name in named:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(unique)


def _input_text(trace: Trace) -> str:
    """The spatial size of an image, with its batch unless that is 1; else the whole shape."""
    shape = trace.input_shape
    if any(isinstance(n, tuple) for n in shape):
        return ", ".join(shape_text(one, batch=True) for one in _input_shapes(trace))
    batch, *rest = _input_shapes(trace)[0] or (1,)
    text = " × ".join(map(str, rest[1:] or rest))
    return text if batch == 1 else f"{text}, batch {batch}"


def _input_shapes(trace: Trace) -> list[Shape]:
    return [op.outputs[0].shape for op in trace.ops if op.kind == "input" and op.outputs]


def _table(trace: Trace, convention: Convention) -> tuple[Layer, ...]:
    rows = layers(trace, convention=convention)
    if not rows:
        raise ExplorerError(f"{trace.model} has no layers that could be compared.")
    return rows


def _models(
    traces: Sequence[Trace],
    tables: Sequence[tuple[Layer, ...]],
    names: Sequence[str],
    convention: Convention,
) -> tuple[ComparedModel, ...]:
    whole = [totals(trace, convention) for trace in traces]
    first = whole[0]
    return tuple(
        ComparedModel(
            name=name,
            input_shape=trace.input_shape,
            output_shape=trace.output_shape,
            params=_count(total.params, first.params),
            cost=_count(total.cost, first.cost),
            activation_bytes=_count(total.activation_bytes, first.activation_bytes),
            depth=_count(total.depth, first.depth),
            layers=_count(len(rows), len(tables[0])),
            lower_bound=total.lower_bound,
        )
        for name, trace, rows, total in zip(names, traces, tables, whole, strict=True)
    )


def _count(value: int, first: int) -> Count:
    return Count(value, value - first, value / first if first else None)


def _curve(name: str, rows: tuple[Layer, ...]) -> Curve:
    return Curve(
        name=name,
        keys=tuple(row.key for row in rows),
        position=tuple((place + 1) / len(rows) for place in range(len(rows))),
        params=tuple(accumulate(row.params for row in rows)),
        cost=tuple(accumulate(row.cost for row in rows)),
        activation_bytes=tuple(accumulate(row.activation_bytes for row in rows)),
    )


class _Scales:
    """The stages of a trace, and how far each divides the input."""

    def __init__(self, trace: Trace, convention: Convention, rows: tuple[Layer, ...]) -> None:
        self.rows = rows
        self.stages = stages(trace, convention)
        self.resolutions = resolutions(trace)
        inputs = [op.index for op in trace.ops if op.kind == "input"]
        self.whole = self.resolutions[inputs[0]] if inputs else ()
        ends = list(accumulate(stage.layers for stage in self.stages))
        self.slices = [
            slice(end - stage.layers, end) for stage, end in zip(self.stages, ends, strict=True)
        ]
        self.scales = [
            None if stage.name in _HEADS else self.scale(self._resolution(end))
            for stage, end in zip(self.stages, ends, strict=True)
        ]
        """Halvings of the input's sides, and axes of the resolution; None for a head."""

    def _resolution(self, end: int) -> Shape:
        """Of the last of the first `end` rows that any op belongs to."""
        return self.resolutions[max(0, self.rows[end - 1].last_op - 1)]

    def scale(self, resolution: Shape) -> tuple[float, int]:
        """How often the sides of the input are halved to get a resolution, and its axes."""
        ratio = prod(self.whole) / max(1, prod(resolution))
        return log2(ratio) / max(1, len(self.whole)) if ratio > 0 else 0.0, len(resolution)


Scale = tuple[float, int] | None


def _stage_score(left: Scale, right: Scale) -> int:
    if left is None or right is None:
        return 30 if left == right else 0
    apart = abs(left[0] - right[0])
    if apart >= _SAME_SCALE:
        return 0
    return 20 - round(20 * apart) + 5 * (left[1] == right[1])


def _aligned_stages(models: Sequence[_Scales]) -> tuple[AlignedStage, ...]:
    columns: list[tuple[Scale, tuple[Stage | None, ...]]] = []
    for number, model in enumerate(models):
        scores = [[_stage_score(a, b) for b in model.scales] for a, _ in columns]
        pairs = align(np.array(scores, np.int64).reshape(len(columns), len(model.scales)))
        grown: list[tuple[Scale, tuple[Stage | None, ...]]] = []
        for left, right in merged(pairs, len(columns), len(model.scales)):
            stage = model.stages[right] if right is not None else None
            if left is not None:
                scale, before = columns[left]
            else:
                assert right is not None
                scale, before = model.scales[right], (None,) * number
            grown.append((scale, (*before, stage)))
        columns = grown
    return tuple(
        AlignedStage(next(stage.name for stage in found if stage), found) for _, found in columns
    )


# --- two models, layer by layer -------------------------------------------------------------

Status = Literal["same", "changed", "left", "right"]


class Change(NamedTuple):
    """One property in which two aligned layers differ."""

    what: str
    """"kernel", "stride", "padding", "dilation", "groups", "bias", "heads", "input width",
    "width" (channels of the result), "size" (its resolution, tokens too), "parameters" (their
    number, where nothing else explains it), "cost" (likewise), or what the function is:
    "activation", "normalization", "pooling", "operation"."""
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.what} {self.before} -> {self.after}"


class DiffRow(NamedTuple):
    """Two aligned layers, or one that has no partner."""

    stage: str
    """Of the left model, or of the right one where only that has it; "not run" for a module
    that holds parameters and never ran."""
    status: Status
    """"left" and "right": only that model has it."""
    left: Layer | None
    right: Layer | None
    changes: tuple[Change, ...]
    params: int
    """Right minus left, as are the two below."""
    cost: int
    activation_bytes: int
    left_block: int
    """Index in `Side.blocks`; -1 outside all blocks."""
    right_block: int
    role: str
    """"main", "shortcut", "gate" or "join": what part of its block the row is."""


class Side(NamedTuple):
    """One of the two models of a difference."""

    name: str
    input_shape: Shape | tuple[Shape, ...]
    output_shape: Shape | tuple[Shape, ...]
    params: int
    cost: int
    activation_bytes: int
    lower_bound: bool
    """An op without a cost rule makes `cost` a lower bound."""
    blocks: tuple[CountedBlock, ...]
    block_stages: tuple[str, ...]
    """Name of the aligned stage of each block."""
    preactivated: tuple[bool, ...]
    """For each block: normalization or activation comes before its first weights."""


class Diff(NamedTuple):
    """Two models aligned: first their stages, then the layers inside each."""

    left: Side
    right: Side
    unit: str
    """Of the costs: "MACs" or "FLOPs"."""
    stages: tuple[AlignedStage, ...]
    rows: tuple[DiffRow, ...]
    """Stage by stage; parallel paths in one order for both, wherever they ran. Their `params`,
    `cost` and `activation_bytes` add up to the differences of the totals."""


def diff(a: Trace, b: Trace, convention: Convention = DEFAULT) -> Diff:
    """Align the layers of two models and name every difference.

    Args:
        a: the left model, from which differences count.
        b: the right model.
        convention: what costs count, and in which unit.

    Raises:
        ExplorerError: one of the traces has no layers.
    """
    left, right = _Table(a, convention), _Table(b, convention)
    aligner = _Aligner(left, right)
    aligned = _aligned_stages([left.scales, right.scales])
    rows: list[DiffRow] = []
    for stage in aligned:
        rows += aligner.stage(stage)
    rows += _never_ran(a, b)
    names = display_names([a, b])
    return Diff(
        left=left.side(names[0], aligned, 0),
        right=right.side(names[1], aligned, 1),
        unit=convention.unit,
        stages=aligned,
        rows=tuple(rows),
    )


class _Config(NamedTuple):
    """What a row computes, apart from where it stands."""

    kind: str
    function: str
    kernel: Shape | None
    stride: Shape | None
    padding: Shape | str | None
    dilation: Shape | None
    groups: int | None
    inputs: int
    """Channels that a weighted layer reads; 0 for others."""
    width: int
    heads: int
    bias: bool
    size: Shape
    role: str
    in_block: bool


class _Form(NamedTuple):
    """What a block is before one looks at its layers."""

    kind: str
    reduces: bool


Piece = tuple[int, ...]
"""Rows that are aligned together: a block's, or a single one."""
Contents = tuple[_Form | None, tuple[int, ...]]
"""Of a piece: its form if it is a block, and its rows by the numbers of their configurations."""


def _numbered(values: list[Contents]) -> tuple[list[int], list[Contents]]:
    """Each value's place in a list of the different ones, and that list."""
    known: dict[Contents, int] = {}
    return [known.setdefault(value, len(known)) for value in values], list(known)


class _Table:
    """What the alignment needs to know of one trace."""

    def __init__(self, trace: Trace, convention: Convention) -> None:
        self.trace = trace
        self.rows = _table(trace, convention)
        self.scales = _Scales(trace, convention, self.rows)
        self.parts: Parts = parts(trace, self.rows)
        known: dict[_Config, int] = {}
        configs = [self._config(place) for place in range(len(self.rows))]
        self.ids = [known.setdefault(config, len(known)) for config in configs]
        """For each row, the place of its configuration among the different ones."""
        self.configs = list(known)

    def places(self, stage: Stage | None) -> list[int]:
        """The rows of a stage, in the order of the alignment."""
        if stage is None:
            return []
        span = self.scales.slices[self.scales.stages.index(stage)]
        return [place for place in self.parts.order if span.start <= place < span.stop]

    def has_blocks(self, places: list[int]) -> bool:
        """Whether any of the rows is in a block."""
        return any(self.parts.unit[place] >= 0 for place in places)

    def pieces(self, places: list[int], whole: bool) -> list[Piece]:
        """The rows one by one, or those of a block together."""
        if not whole:
            return [(place,) for place in places]
        found: list[Piece] = []
        unit = -1
        for place in places:
            before, unit = unit, self.parts.unit[place]
            if unit >= 0 and unit == before:
                found[-1] += (place,)
            else:
                found.append((place,))
        return found

    def contents(self, piece: Piece) -> Contents:
        """What the alignment compares a piece by."""
        ids = tuple(self.ids[place] for place in piece)
        unit = self.parts.unit[piece[0]]
        if len(piece) == 1 or unit < 0:
            return None, ids
        block = self.parts.units[unit]
        return _Form(block.kind, block.reduces), ids

    def _config(self, place: int) -> _Config:
        row = self.rows[place]
        ops = self.trace.ops[row.first_op : row.last_op]
        op = main_op(ops)
        if row.kind in _WHOLE and op and op.kind != row.kind:
            # Its projections may cost more, but they are not what the module is.
            op = next((op for op in ops if op.kind == row.kind), op)
        size = self.scales.resolutions[op.index] if op else ()
        if op and op.kind == "attention":
            size = op.input_tensors[0].shape[-2:-1]
        inputs, width = _widths(row, op, size)
        return _Config(
            kind=_class(row, op),
            function=row.kind if row.kind in _WHOLE else _function(op) if op else row.label,
            kernel=row.kernel,
            stride=row.stride,
            padding=row.padding,
            dilation=row.dilation,
            groups=row.groups,
            inputs=inputs,
            width=width,
            heads=_heads(ops) if row.kind == "attention" else 0,
            bias=bool(op and op.bias_ops),
            size=size,
            role=self.parts.role[place],
            in_block=self.parts.unit[place] >= 0,
        )

    def side(self, name: str, aligned: tuple[AlignedStage, ...], number: int) -> Side:
        """Summarize the model as one side of the difference."""
        named: dict[int, str] = {}
        for stage in aligned:
            for place in self.places(stage.stages[number]):
                named.setdefault(self.parts.unit[place], stage.name)
        count = len(self.parts.units)
        return Side(
            name=name,
            input_shape=self.trace.input_shape,
            output_shape=self.trace.output_shape,
            params=self.trace.params,
            cost=sum(row.cost for row in self.rows),
            activation_bytes=self.trace.activation_bytes,
            lower_bound=self.trace.is_lower_bound,
            blocks=self.parts.units,
            block_stages=tuple(named.get(index, "") for index in range(count)),
            preactivated=tuple(self._is_preactivated(index) for index in range(count)),
        )

    def _is_preactivated(self, index: int) -> bool:
        for place, unit in enumerate(self.parts.unit):
            if unit == index and self.rows[place].kind != "reshape":
                return self.rows[place].kind in ("normalization", "activation")
        return False


_WHOLE = ("attention", "recurrent")
"""Kinds of rows that may be a module of several ops."""
_POOLED = ("pooling", "reduction")


def _class(row: Layer, op: OpRecord | None) -> str:
    """Rows of different classes are never aligned."""
    if op and op.kind in ("convolution", "linear") and row.kind not in _WHOLE:
        return "weights"
    return "pooling" if row.kind in _POOLED else row.kind


_FUNCTIONS = {
    "conv2d": "convolution",
    "relu": "ReLU",
    "hardtanh": "ReLU6",
    "relu6": "ReLU6",
    "prelu": "PReLU",
    "leaky_relu": "leaky ReLU",
    "elu": "ELU",
    "gelu": "GELU",
    "silu": "SiLU",
    "mish": "Mish",
    "hardswish": "hard-swish",
    "hardsigmoid": "hard-sigmoid",
    "batch_norm": "BN",
    "layer_norm": "LN",
    "group_norm": "GN",
    "instance_norm": "IN",
    "max_pool2d": "max",
    "avg_pool2d": "average",
    "adaptive_avg_pool2d": "average of the map",
    "mean": "average of the map",
}


def _function(op: OpRecord) -> str:
    """What an op computes, in the words of papers."""
    name = op.name.rstrip("_")
    if op.kind in _POOLED and name == "adaptive_avg_pool2d":
        return "average of the map" if set(op.outputs[0].shape[2:]) == {1} else "average"
    return _FUNCTIONS.get(name, name.replace("_", " "))


def _widths(row: Layer, op: OpRecord | None, size: Shape) -> tuple[int, int]:
    """Channels that a row reads, if it has weights, and that it returns."""
    if op is None or not row.output_shape:
        return 0, 0
    if row.kind in _WHOLE and row.module_class:
        return 0, row.output_shape[-1]
    if op.kind == "linear":
        return op.input_tensors[0].shape[-1], op.outputs[0].shape[-1]
    if op.kind == "attention":
        return 0, prod(op.input_tensors[0].shape[-3::2])  # heads and channels of each
    if op.kind == "convolution":
        return channels(op.input_tensors[0].shape), channels(op.outputs[0].shape)
    shape = op.outputs[0].shape if op.outputs else ()
    batch = shape[0] if len(shape) > 1 else 1
    return 0, prod(shape) // max(1, batch * prod(size))


def _heads(ops: Sequence[OpRecord]) -> int:
    for op in ops:
        if op.kind == "attention" and len(op.input_tensors[0].shape) > 3:
            return op.input_tensors[0].shape[-3]
    return 0


_ARITHMETIC = frozenset((
    "weights", "attention", "matmul", "recurrent", "normalization", "activation", "pooling",
    "add", "concat", "multiply", "upsample", "embedding", "unknown",
))  # fmt: skip
"""Classes whose width and resolution say something; of the others only the function does."""


class _Aligner:
    """Aligns two tables, comparing each pair of kinds of rows once."""

    def __init__(self, left: _Table, right: _Table) -> None:
        self.left = left
        self.right = right
        self.same_input = left.scales.whole == right.scales.whole
        self.batches = [_batch(table.trace) for table in (left, right)]
        self.changes: dict[tuple[int, int], tuple[Change, ...]] = {}
        self.scores: dict[tuple[int, int], int] = {}

    def stage(self, stage: AlignedStage) -> list[DiffRow]:
        """Return the aligned rows of one stage: block by block where both have blocks."""
        lefts = self.left.places(stage.stages[0])
        rights = self.right.places(stage.stages[1])
        whole = self.left.has_blocks(lefts) and self.right.has_blocks(rights)
        left = self.left.pieces(lefts, whole)
        right = self.right.pieces(rights, whole)
        rows: list[DiffRow] = []
        for i, j in merged(align(self._scores(left, right)), len(left), len(right)):
            rows += self._piece(
                stage.name, () if i is None else left[i], () if j is None else right[j]
            )
        return rows

    def _piece(self, stage: str, left: Piece, right: Piece) -> list[DiffRow]:
        ones = [(place,) for place in left]
        others = [(place,) for place in right]
        return [
            self._row(stage, None if i is None else left[i], None if j is None else right[j])
            for i, j in merged(align(self._scores(ones, others)), len(left), len(right))
        ]

    def _scores(self, lefts: Sequence[Piece], rights: Sequence[Piece]) -> NDArray[np.int64]:
        """How much it is worth to align each piece with each other one."""
        if not lefts or not rights:
            return np.zeros((len(lefts), len(rights)), np.int64)
        rows, row_kinds = _numbered([self.left.contents(piece) for piece in lefts])
        columns, column_kinds = _numbered([self.right.contents(piece) for piece in rights])
        table = [[self._alike(a, b) for b in column_kinds] for a in row_kinds]
        return np.array(table, np.int64)[np.ix_(rows, columns)]

    def _alike(self, a: Contents, b: Contents) -> int:
        """How alike two pieces are: two rows, or the best alignment of two blocks."""
        if a[0] is None or b[0] is None:
            return self._score(a[1][0], b[1][0]) if a[0] is b[0] else 0
        if "branches" in (a[0].kind, b[0].kind) and a[0][1:] != b[0][1:]:
            return 0
        pairs = [[self._score(x, y) for y in b[1]] for x in a[1]]
        return best_sum(pairs) + 30 * (a[0] == b[0])

    def _score(self, a: int, b: int) -> int:
        found = self.scores.get((a, b))
        if found is None:
            found = _score(self.left.configs[a], self.right.configs[b])
            self.scores[a, b] = found
        return found

    def _row(self, stage: str, left: int | None, right: int | None) -> DiffRow:
        one = self.left.rows[left] if left is not None else None
        other = self.right.rows[right] if right is not None else None
        status: Status = "left" if other is None else "right"
        changes: tuple[Change, ...] = ()
        if left is not None and right is not None:
            changes = self._changes(left, right)
            status = "changed" if changes else "same"
        parts_of = self.left.parts if left is not None else self.right.parts
        place = left if left is not None else right
        assert place is not None
        return _diff_row(
            stage,
            status,
            (one, other),
            changes,
            (
                self.left.parts.unit[left] if left is not None else -1,
                self.right.parts.unit[right] if right is not None else -1,
            ),
            parts_of.role[place],
        )

    def _changes(self, left: int, right: int) -> tuple[Change, ...]:
        key = self.left.ids[left], self.right.ids[right]
        found = self.changes.get(key)
        if found is None:
            configs = self.left.configs[key[0]], self.right.configs[key[1]]
            found = self.changes[key] = tuple(self._named(*configs))
        if found:
            return found
        one, other = self.left.rows[left], self.right.rows[right]
        if one.params != other.params:
            return (Change("parameters", f"{one.params:,}", f"{other.params:,}"),)
        if one.cost != other.cost and self.same_input and self.batches[0] == self.batches[1]:
            return (Change("cost", f"{one.cost:,}", f"{other.cost:,}"),)
        return ()

    def _named(self, a: _Config, b: _Config) -> list[Change]:
        """Every property in which two configurations differ."""
        found = []
        if a.function != b.function:
            what = a.kind if a.kind in ("activation", "normalization", "pooling") else "operation"
            found.append(Change(what, a.function, b.function))
        if a.kind not in _ARITHMETIC:
            return found
        found += _window_changes(a, b)
        values: list[tuple[str, Any, Any]] = [
            ("groups", *_groups(a, b)),
            ("input width", a.inputs, b.inputs),
            ("width", a.width, b.width),
            ("heads", a.heads, b.heads),
            ("bias", "yes" if a.bias else "no", "yes" if b.bias else "no"),
        ]
        found += [Change(what, str(x), str(y)) for what, x, y in values if x != y]
        if not self._same_size(a.size, b.size):
            found.append(Change("size", size_text(a.size), size_text(b.size)))
        return found

    def _same_size(self, a: Shape, b: Shape) -> bool:
        """Whether two maps stand at one resolution, relative to different inputs."""
        if a == b or set(a) | set(b) <= {1}:
            return True
        if self.same_input or len(a) != len(b):
            return False
        one, other = self.left.scales.scale(a)[0], self.right.scales.scale(b)[0]
        return abs(one - other) < _SAME_SCALE


def _groups(a: _Config, b: _Config) -> tuple[int, int]:
    """The groups of two layers; alike where both are depthwise, whatever their width."""
    if _is_depthwise(a) and _is_depthwise(b):
        return 0, 0
    return a.groups or 1, b.groups or 1


def _is_depthwise(config: _Config) -> bool:
    return (config.groups or 1) > 1 and config.groups == config.inputs


def size_text(size: Shape) -> str:
    """A resolution as people write it: "28 × 28", "197 tokens"."""
    return f"{size[0]} tokens" if len(size) == 1 else " × ".join(map(str, size)) or "vector"


def _window_changes(a: _Config, b: _Config) -> list[Change]:
    values: list[tuple[str, Shape | str | None, Shape | str | None]]
    values = [("kernel", a.kernel, b.kernel), ("stride", a.stride, b.stride)]
    if a.kind == "weights" and (a.kernel is None) != (b.kernel is None):
        return []  # a linear layer and a 1x1 convolution: the function says so
    if a.kernel == b.kernel:
        # A larger kernel is padded more; that is no second change.
        values += [("dilation", a.dilation, b.dilation)]
        values += [("padding", a.padding, b.padding)]
    return [Change(what, window_text(x), window_text(y)) for what, x, y in values if x != y]


def window_text(value: Shape | str | None) -> str:
    """A window's size, one number where all axes agree: "3", "1×7"; "none" if there is none."""
    if isinstance(value, tuple) and len(set(value)) == 1:
        return str(value[0])
    return axes_text(value) or "none"


def _batch(trace: Trace) -> int:
    shapes = _input_shapes(trace)
    return shapes[0][0] if shapes and shapes[0] else 1


def _diff_row(
    stage: str,
    status: Status,
    rows: tuple[Layer | None, Layer | None],
    changes: tuple[Change, ...] = (),
    blocks: tuple[int, int] = (-1, -1),
    role: str = MAIN,
) -> DiffRow:
    left, right = rows

    def difference(name: str) -> int:
        before = getattr(left, name) if left else 0
        after = getattr(right, name) if right else 0
        return int(after - before)

    return DiffRow(
        stage=stage,
        status=status,
        left=left,
        right=right,
        changes=changes,
        params=difference("params"),
        cost=difference("cost"),
        activation_bytes=difference("activation_bytes"),
        left_block=blocks[0],
        right_block=blocks[1],
        role=role,
    )


# --- how alike two rows are -----------------------------------------------------------------


def _score(a: _Config, b: _Config) -> int:
    """How much it is worth to align two rows; 0 for never."""
    if a.kind != b.kind or a.role != b.role:
        return 0
    if a.kind == "weights":
        return _weights_score(a, b)
    if a.role in (JOIN, GATE):
        return 60 if a == b else 45
    if a.kind in ("attention", "matmul", "recurrent"):
        return 80 if a == b else 60
    if a.kind in _ARITHMETIC:
        return 12 + 4 * (a.function == b.function) + 4 * (a == b)
    return 4 + 2 * (a.function == b.function)


def _alike(x: int, y: int) -> float:
    return min(x, y) / max(x, y, 1)


def _weights_score(a: _Config, b: _Config) -> int:
    pointwise = [set(c.kernel or (1,)) == {1} and (c.groups or 1) == 1 for c in (a, b)]
    depthwise = [_is_depthwise(c) for c in (a, b)]
    if (pointwise[0] and depthwise[1]) or (pointwise[1] and depthwise[0]):
        return 0
    score = 20 + 20 * (a.stride == b.stride) + 10 * (depthwise[0] == depthwise[1])
    score += 30 * (a.kernel == b.kernel) + 5 * (a.groups == b.groups)
    # What a layer makes of its width says more about its part in a block than the width does.
    score += round(10 * _alike(a.inputs, b.inputs) + 10 * _alike(a.width, b.width))
    score += round(20 * _alike(a.width * b.inputs, b.width * a.inputs))
    # What stands alone behind the blocks is no part of the last one, though it be as wide.
    return score + 10 * (a == b) + 40 * (a.in_block == b.in_block)


# --- what never ran -------------------------------------------------------------------------


def _never_ran(a: Trace, b: Trace) -> list[DiffRow]:
    lefts, rights = ([_idle(trace, i) for i in range(len(trace.uncalled))] for trace in (a, b))
    lefts = [row for row in lefts if row.params]
    rights = [row for row in rights if row.params]
    scores = [[3 if x.params == y.params else 1 for y in rights] for x in lefts]
    pairs = align(np.array(scores, np.int64).reshape(len(lefts), len(rights)))
    found = []
    for i, j in merged(pairs, len(lefts), len(rights)):
        left = lefts[i] if i is not None else None
        right = rights[j] if j is not None else None
        status: Status = "same" if left and right else "left" if left else "right"
        changes: tuple[Change, ...] = ()
        if left and right and left.params != right.params:
            status = "changed"
            changes = (Change("parameters", f"{left.params:,}", f"{right.params:,}"),)
        found.append(_diff_row(NOT_RUN, status, (left, right), changes))
    return found


def _idle(trace: Trace, index: int) -> Layer:
    """A module that never ran, as a row."""
    module = trace.uncalled[index]
    return Layer(
        key=module.path,
        path=module.path,
        label="never ran",
        kind="bookkeeping",
        module_class=module.module_class,
        depth=module.path.count(".") + 1,
        call=-1,
        first_op=0,
        last_op=0,
        input_shapes=(),
        output_shape=(),
        kernel=None,
        stride=None,
        padding=None,
        dilation=None,
        groups=None,
        params=module.params,
        macs=0,
        cost=0,
        activation_bytes=0,
    )
