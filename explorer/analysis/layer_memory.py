"""What one layer, or all layers of a module, hold in memory: parts of `analysis.memory`'s sums."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from explorer.analysis.layers import layers
from explorer.analysis.memory import (
    _MOMENTS,
    _STEP_BYTES,
    InferenceMemory,
    Kept,
    TrainingMemory,
    _Plan,
    _weights,
)
from explorer.text import n_
from explorer.trace.records import ParameterRecord, Trace

Shape = tuple[int, ...]


class Block(NamedTuple):
    """A block of activation memory that a layer allocates."""

    op: int
    name: str
    """Of the op that allocates it."""
    shape: Shape
    """As that op wrote it, with the batch of the trace."""
    nbytes: int
    last_op: int
    """Index in `Trace.ops` of the last op during which it is alive."""
    last_key: str
    """Key of the layer that this op belongs to."""
    at_peak: bool
    """Whether it is alive at the peak of the pass."""


class LayerMemory(NamedTuple):
    """What a layer has to do with the memory of a forward pass; bytes."""

    key: str
    title: str
    kinds: tuple[str, ...]
    first_op: int
    last_op: int
    """Its ops are `ops[first_op:last_op]`, of a module those from its first to its last."""
    parameter_bytes: int
    buffer_bytes: int
    blocks: tuple[Block, ...]
    """What it allocates, largest first."""
    alive_bytes: int
    """Most activations alive while it runs, of all layers together."""

    @property
    def allocated_bytes(self) -> int:
        """All that it allocates."""
        return sum(block.nbytes for block in self.blocks)

    @property
    def peak_bytes(self) -> int:
        """Its part of the peak of the pass."""
        return sum(block.nbytes for block in self.blocks if block.at_peak)


class LayerTraining(NamedTuple):
    """What a layer has to do with the memory of a training step; bytes."""

    key: str
    title: str
    kinds: tuple[str, ...]
    parameter_bytes: int
    """With mixed precision the float32 weights and their 16-bit copy."""
    gradient_bytes: int
    optimizer_bytes: int
    kept: tuple[Kept, ...]
    """What autograd keeps first for this layer, largest first."""

    @property
    def kept_bytes(self) -> int:
        """All that is kept."""
        return sum(block.nbytes for block in self.kept)


class _Rows(NamedTuple):
    title: str
    kinds: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]

    def holds(self, op: int) -> bool:
        return any(first <= op < last for first, last in self.spans)


def layer_memory(trace: Trace, memory: InferenceMemory, key: str) -> LayerMemory | None:
    """What a layer or module holds in a forward pass; None if there is no such.

    Args:
        trace: the pass that `memory` is of.
        memory: by `inference_memory` of the same trace, at its batch.
        key: of a layer, or path of a module.
    """
    rows = _rows(trace, key)
    if rows is None:
        return None
    dtype = memory.dtype or None
    plan = _Plan(trace, dtype)
    first, last = rows.spans[0][0], max(end for _, end in rows.spans)
    blocks = [
        Block(
            op=block.op,
            name=trace.ops[block.op].name,
            shape=block.shape,
            nbytes=block.nbytes,
            last_op=block.eager_end,
            last_key=plan.keys[block.eager_end],
            at_peak=block.op <= memory.eager_op <= block.eager_end,
        )
        for block in plan.distinct
        if rows.holds(block.op) and block.nbytes
    ]
    return LayerMemory(
        key=key,
        title=rows.title,
        kinds=rows.kinds,
        first_op=first,
        last_op=last,
        parameter_bytes=_weights(_read(trace, rows, trace.parameters), dtype),
        buffer_bytes=_weights(_read(trace, rows, trace.buffer_records), dtype),
        blocks=tuple(sorted(blocks, key=lambda block: (-block.nbytes, block.op))),
        alive_bytes=max(memory.eager[first:last], default=0),
    )


def layer_training(
    trace: Trace, step: TrainingMemory, key: str, *, mixed_precision: bool = False
) -> LayerTraining | None:
    """What a layer or module holds in a training step; None if there is no such.

    Args:
        trace: the pass that `step` is of.
        step: by `training_memory` of the same trace.
        key: of a layer, or path of a module.
        mixed_precision: as `step` was made with.
    """
    rows = _rows(trace, key)
    if rows is None:
        return None
    dtype = "float32" if mixed_precision else step.dtype or None
    parameters = _read(trace, rows, trace.parameters)
    learned = [each for each in parameters if each.requires_grad]
    held = _weights(parameters, dtype)
    if mixed_precision:
        held += _weights(parameters, step.dtype or None)
    gradient = _weights(learned, dtype)
    return LayerTraining(
        key=key,
        title=rows.title,
        kinds=rows.kinds,
        parameter_bytes=held,
        gradient_bytes=gradient,
        optimizer_bytes=_MOMENTS[step.optimizer] * gradient
        + _STEP_BYTES.get(step.optimizer, 0) * len(learned),
        kept=tuple(block for block in step.kept if rows.holds(block.op)),
    )


def _rows(trace: Trace, key: str) -> _Rows | None:
    """The layer of that key, or all layers of the module of that path."""
    table = layers(trace)
    found = [row for row in table if row.key == key]
    is_module = not found
    if is_module and key:
        found = [row for row in table if row.key.startswith((f"{key}.", f"{key}:"))]
    if not found:
        return None
    return _Rows(
        n_("{n} layers", "{n} layers", len(found)) if is_module else found[0].label,
        tuple(dict.fromkeys(row.kind for row in found)),
        tuple((row.first_op, row.last_op) for row in found),
    )


def _read(trace: Trace, rows: _Rows, records: Iterable[ParameterRecord]) -> list[ParameterRecord]:
    """The parameters or buffers that the ops of these layers read, each once."""
    names = {
        name for first, last in rows.spans for op in trace.ops[first:last] for name in op.parameters
    }
    return [record for record in records if record.name in names]
