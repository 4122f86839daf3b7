"""What the alignment needs to know of one trace: its rows by what they compute."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

from explorer.analysis._units import Parts, channels, parts
from explorer.analysis.compare.records import AlignedStage, Shape, Side
from explorer.analysis.compare.scales import Scales
from explorer.analysis.layers import Layer, main_op
from explorer.analysis.stages import Stage
from explorer.trace.records import OpRecord, Trace


class Config(NamedTuple):
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


def numbered(values: list[Contents]) -> tuple[list[int], list[Contents]]:
    """Each value's place in a list of the different ones, and that list."""
    known: dict[Contents, int] = {}
    return [known.setdefault(value, len(known)) for value in values], list(known)


class Table:
    """What the alignment needs to know of one trace."""

    def __init__(self, trace: Trace, scales: Scales) -> None:
        self.trace = trace
        self.rows = scales.rows
        self.scales = scales
        self.parts: Parts = parts(trace, self.rows)
        known: dict[Config, int] = {}
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

    def _config(self, place: int) -> Config:
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
        if op and op.kind == "linear":
            size = self._positions(op, size)
        return Config(
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

    def _positions(self, op: OpRecord, size: Shape) -> Shape:
        """How often a linear layer is applied to an image, wherever the batch stands in it.

        Attention modules that take the tokens first hand on (T, N, C), or (T * N, C).
        """
        rows, batch = prod(op.outputs[0].shape[:-1]), batch_of(self.trace)
        known = prod(size) * batch == rows or rows % batch
        return size if known else (rows // batch,)

    def work(self) -> list[tuple[Any, ...]]:
        """What is computed, in order, apart from how it is written down.

        A linear layer is a convolution over the whole of a map, and one of 1x1 on a vector.
        """
        return [
            _work(self.configs[self.ids[place]])
            for place in self.parts.order
            if self.configs[self.ids[place]].kind in COMPUTES
        ]

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
            preactivated=self._preactivated(),
        )

    def _preactivated(self) -> tuple[bool, ...]:
        first: dict[int, str] = {}
        for row, unit in zip(self.rows, self.parts.unit, strict=True):
            if row.kind != "reshape":
                first.setdefault(unit, row.kind)
        kinds = (first.get(index, "") for index in range(len(self.parts.units)))
        return tuple(kind in ("normalization", "activation") for kind in kinds)


COMPUTES = frozenset((
    "weights", "attention", "matmul", "recurrent", "normalization", "activation", "pooling",
    "add", "concat", "multiply", "upsample", "embedding", "unknown",
))  # fmt: skip
"""Classes of rows that change values, and do not only move them."""


def _work(config: Config) -> tuple[Any, ...]:
    if config.kind != "weights":
        return (
            config.kind, config.function, config.kernel, config.stride, config.padding,
            config.width, config.heads,
        )  # fmt: skip
    if set(config.size) <= {1}:
        read = config.inputs // (config.groups or 1) * prod(config.kernel or ())
        return "linear", read, config.width, config.bias
    window = (config.kernel, config.stride, config.padding, config.dilation, config.groups)
    return (*window, config.inputs, config.width, config.bias, prod(config.size))


def batch_of(trace: Trace) -> int:
    """Images of a traced batch."""
    shapes = input_shapes(trace)
    return shapes[0][0] if shapes and shapes[0] else 1


def input_shapes(trace: Trace) -> list[Shape]:
    """The shapes of what goes in, with the batch."""
    return [op.outputs[0].shape for op in trace.ops if op.kind == "input" and op.outputs]


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
