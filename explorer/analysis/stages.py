"""The network as a reader sees it: stem, stages by spatial resolution, head.

The main path is what every way from the input to the output passes; a stage is a run of it
with one resolution. What lies between two of its ops, the inside of a block, belongs to the
stage of the op that ends it, so that a block that halves the resolution opens its stage.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil, log2, prod
from typing import NamedTuple

from explorer.analysis.layers import Layer, layers
from explorer.analysis.totals import DEFAULT, Convention
from explorer.dataflow import Dataflow
from explorer.text import _
from explorer.trace.records import OpRecord, Trace

Shape = tuple[int, ...]

_CHANNELS_FIRST = frozenset(("convolution", "pooling", "upsample"))
_CHANNELS_LAST = frozenset(("linear", "layer_norm", "rms_norm", "embedding"))
_ENDS_A_MAP = frozenset(("pooling", "reduction"))
_NEW_STAGE = 1.5
"""A resolution changes the stage where it shrinks or grows by more than this; what a
convolution without padding takes off the rim does not."""


class Stage(NamedTuple):
    """A run of layers whose results have one spatial resolution."""

    name: str
    """"stem", "C2" ... "C5" (1/4 ... 1/32 of the input) where that pyramid exists, else the
    resolution, "28 × 28" or "197 tokens", or the highest and lowest of several in parallel,
    "56 × 56 to 7 × 7"; "head" after the last of them."""
    output_shape: Shape
    resolution: Shape
    """(H, W) of a map, (T,) of tokens, () of a vector."""
    layers: int
    """Number of rows of `layers(trace)` in it."""
    params: int
    cost: int
    share: float
    """Of the whole model's cost, 0 to 1."""
    activation_bytes: int
    first_key: str
    last_key: str
    first_op: int
    last_op: int
    """Its layers are in `Trace.ops[first_op:last_op]`."""


@dataclass(slots=True)
class _Run:
    """Consecutive ops of the main path with one resolution."""

    resolution: Shape
    """(H, W) of a map, (T,) of tokens, () of a vector."""
    start: int
    end: int
    """Its ops are `ops[start : end + 1]`; the last of them is on the main path."""
    elements: int = 0
    """Of the result of that last op."""
    weighted: int = 0
    """Ops with weights or products in it, branches included."""
    rows: list[Layer] = field(default_factory=list)
    is_head: bool = False
    from_: Shape = ()
    """The highest of several resolutions that run in parallel inside it; () if there is one."""


def resolutions(trace: Trace) -> tuple[Shape, ...]:
    """Return each op's resolution: (H, W) of a map, (T,) of tokens, () of a vector."""
    return tuple(_resolutions(trace, Dataflow(trace)))


def stages(
    trace: Trace,
    convention: Convention = DEFAULT,
    *,
    rows: tuple[Layer, ...] | None = None,
    sizes: tuple[Shape, ...] | None = None,
) -> tuple[Stage, ...]:
    """Cut the network where the resolution along its main path changes.

    Args:
        trace: a traced forward.
        convention: what `cost` counts.
        rows: those to cut, made by `layers` in the same convention; made here if None.
        sizes: what `resolutions` returns; made here if None.
    """
    rows = layers(trace, convention=convention) if rows is None else rows
    runs = _runs(trace, sizes)
    if not rows or not runs:
        return ()
    place = 0
    for row in rows:
        last = max(row.first_op, row.last_op - 1)
        while place < len(runs) - 1 and runs[place].end < last:
            place += 1
        runs[place].rows.append(row)
    runs = [run for run in runs if run.rows]
    whole = sum(row.cost for row in rows) or 1
    return tuple(
        Stage(
            name=name,
            output_shape=_output_shape(trace.ops[run.end]),
            resolution=() if run.is_head else run.resolution,
            layers=len(run.rows),
            params=sum(row.params for row in run.rows),
            cost=sum(row.cost for row in run.rows),
            share=sum(row.cost for row in run.rows) / whole,
            activation_bytes=sum(row.activation_bytes for row in run.rows),
            first_key=run.rows[0].key,
            last_key=run.rows[-1].key,
            first_op=run.rows[0].first_op,
            last_op=max(row.last_op for row in run.rows),
        )
        for name, run in zip(_names(trace, runs), runs, strict=True)
    )


# --- cutting -------------------------------------------------------------------------------


def _runs(trace: Trace, known: tuple[Shape, ...] | None) -> list[_Run]:
    """Cut the main path, drop the cuts that separate no work, and find the head."""
    flow = Dataflow(trace)
    trunk = flow.trunk()
    if not trunk:
        return []
    sizes = _resolutions(trace, flow) if known is None else known
    runs: list[_Run] = []
    before, covered = -1, False
    for index in trunk:
        op = trace.ops[index]
        # A convolution over the whole map is a linear layer in another coat (LeNet's C5), and so
        # is one behind a global pooling (the head of ResNet v2).
        covered |= bool(runs) and _covers_map(op)
        size = () if covered and set(sizes[index]) <= {1} else sizes[index]
        step = not runs or _is_step(runs[-1].resolution, size)
        if step or (op.kind in _ENDS_A_MAP and runs[-1].weighted):
            runs.append(_Run(size, before + 1, index))
        run = runs[-1]
        run.resolution, run.end = size, index
        run.elements = prod(_output_shape(op))
        run.weighted += _weighted(trace, before + 1, index + 1)
        before = index
    runs[-1].end = len(trace.ops) - 1
    runs = _merged(_unwindowed(runs))
    _open_with_block(trace, runs)
    _note_parallel(trace, runs, sizes)
    return runs


def _note_parallel(trace: Trace, runs: list[_Run], sizes: Sequence[Shape]) -> None:
    """Mark the runs in which resolutions between theirs and the one before do work.

    A block that opens a stage works at the old resolution and at the new one, or, behind a
    pooling, at one between them. Where there are more, in HRNet, they run side by side, and
    have no op in common that could divide them.
    """
    for before, run in pairwise(runs):
        if run.is_head or len(run.resolution) != 2 or len(before.resolution) != 2:
            continue
        worked = {sizes[i] for i in range(run.start, run.end + 1) if trace.ops[i].macs}
        between = [
            size
            for size in worked
            if len(size) == 2
            and prod(run.resolution) < prod(size) < prod(before.resolution)
            and _is_step(before.resolution, size)
            and _is_step(size, run.resolution)
        ]
        if len(between) > 1:
            run.from_ = before.resolution if before.resolution in worked else max(between)


def _covers_map(op: OpRecord) -> bool:
    """Whether an op makes one pixel of the whole map, whatever its size."""
    if op.kind in _ENDS_A_MAP and set(_output_shape(op)[2:]) == {1}:
        return "adaptive" in op.name or op.kind == "reduction"
    if op.kind != "convolution" or set(_output_shape(op)[2:]) != {1}:
        return False
    size, kernel = op.input_tensors[0].shape[2:], op.input_tensors[1].shape[2:]
    return kernel == size and max(size) > 1


def _is_step(before: Shape, after: Shape) -> bool:
    if len(before) != len(after):
        return True
    pairs = zip(before, after, strict=True)
    return any(max(a, b) > _NEW_STAGE * min(a, b) for a, b in pairs)


def _weighted(trace: Trace, start: int, stop: int) -> int:
    return sum(op.macs > 0 for op in trace.ops[start:stop])


def _unwindowed(runs: list[_Run]) -> list[_Run]:
    """Undo cuts where a map is only laid out differently for a while, as in windows."""
    kept: list[_Run] = []
    for run in runs:
        for place in range(len(kept) - 1, -1, -1):
            if kept[place].elements != run.elements:
                break
            if kept[place].resolution == run.resolution:
                run.weighted += sum(other.weighted for other in kept[place:])
                run.start = kept[place].start
                del kept[place:]
                break
        kept.append(run)
    return kept


def _merged(runs: list[_Run]) -> list[_Run]:
    """Join runs without weights to the next stage; what follows the last map is the head."""
    maps = [i for i, run in enumerate(runs) if run.weighted and run.resolution]
    split = maps[-1] + 1 if maps else 0
    kept: list[_Run] = []
    start = 0
    for run in runs[:split]:
        if not run.weighted:
            continue
        if kept and not _is_step(kept[-1].resolution, run.resolution):
            run.weighted += kept[-1].weighted
            start = kept.pop().start
        run.start, start = start, run.end + 1
        kept.append(run)
    if split < len(runs):
        weighted = sum(run.weighted for run in runs[split:])
        kept.append(_Run((), start, runs[-1].end, weighted=weighted, is_head=True))
    return kept


def _open_with_block(trace: Trace, runs: list[_Run]) -> None:
    """Move a cut that falls inside a block back to the block's first op.

    A mobile block widens at the old resolution before its strided convolution; the module
    that contains both, and no other cut, is the block that opens the new stage.
    """
    cuts = [run.start for run in runs]
    for left, run in pairwise(runs):
        steps = [i for i in range(run.start, run.end + 1) if trace.ops[i].macs]
        if run.is_head or not steps:
            continue
        first = steps[0]
        index = trace.ops[run.start].call
        while index >= 0:
            call = trace.calls[index]
            alone = sum(call.first_op < cut < call.last_op for cut in cuts) == 1
            if (
                alone
                and left.start < call.first_op < run.start
                and _weighted(trace, call.first_op, run.start) <= 1
                and _weighted(trace, first + 1, call.last_op)
                and _weighted(trace, left.start, call.first_op)
            ):
                run.weighted += _weighted(trace, call.first_op, run.start)
                left.weighted -= _weighted(trace, call.first_op, run.start)
                run.start, left.end = call.first_op, call.first_op - 1
            index = call.parent


def _resolutions(trace: Trace, flow: Dataflow) -> list[Shape]:
    """The spatial size of every op's first output: its shape without batch and channels."""
    channels: list[int] = []
    sizes: list[Shape] = []
    for op in trace.ops:
        shape = _output_shape(op)
        source = flow.preds[op.index][0] if flow.preds[op.index] else -1
        axis = _channel_axis(op, shape, source, channels, trace)
        channels.append(axis)
        sizes.append(tuple(n for i, n in enumerate(shape) if i not in (0, axis)))
    return sizes


def _channel_axis(
    op: OpRecord, shape: Shape, source: int, channels: list[int], trace: Trace
) -> int:
    """Which axis of an op's output counts the channels."""
    rank = len(shape)
    if op.kind in _CHANNELS_LAST or op.name in _CHANNELS_LAST:
        return rank - 1
    if source < 0 or op.kind in _CHANNELS_FIRST or op.name == "batch_norm":
        return min(1, rank - 1)
    before, axis = _output_shape(trace.ops[source]), channels[source]
    if not before:
        return min(1, rank - 1)  # a single number has no channels
    attrs = op.attrs
    if op.name == "permute" and len(attrs.get("dims", ())) == rank:
        dims: list[int] = [dim % rank for dim in attrs["dims"]]
        return dims.index(axis)
    if op.name == "transpose" and rank == len(before):
        first: int = attrs["dim0"] % rank
        second: int = attrs["dim1"] % rank
        return {first: second, second: first}.get(axis, axis)
    if axis < rank and shape[axis] == before[axis]:
        return axis
    # Reshaped: channels are wherever their number still is, most often at the end.
    found = [i for i in range(rank - 1, 0, -1) if shape[i] == before[axis]]
    return found[0] if found else min(1, rank - 1)


def _output_shape(op: OpRecord) -> Shape:
    return op.outputs[0].shape if op.outputs else ()


# --- naming --------------------------------------------------------------------------------


def _names(trace: Trace, runs: list[_Run]) -> list[str]:
    body = [run for run in runs if not run.is_head]
    names = _pyramid_names(trace, body) or [_run_name(run) for run in body]
    if len(body) > 1 and len(body[0].resolution) == 2 and len(body[1].resolution) == 1:
        names[0] = _("patch embedding")
    if len(body) < len(runs):
        names.append(_("head") if body else _("network"))
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return unique


def _pyramid_names(trace: Trace, body: list[_Run]) -> list[str]:
    """Names by the power of two that the input is divided by, if each stage halves once."""
    inputs = [op for op in trace.ops if op.kind == "input"]
    whole = _output_shape(inputs[0])[2:] if inputs else ()
    if len(whole) != 2 or len(body) < 3:
        return []
    levels = []
    for run in body:
        if len(run.resolution) != 2:
            return []
        level = round(log2(max(1.0, whole[0] / run.resolution[0])))
        if run.resolution != tuple(ceil(n / 2**level) for n in whole):
            return []
        levels.append(level)
    if levels[0] not in (1, 2) or levels != list(range(levels[0], levels[0] + len(levels))):
        return []
    first = _("stem") if levels[0] == 1 and body[0].weighted <= 3 else f"C{levels[0]}"
    return [first, *(f"C{level}" for level in levels[1:])]


def _run_name(run: _Run) -> str:
    name = _resolution_name(run.resolution)
    return (
        _("{first} to {last}").format(first=_resolution_name(run.from_), last=name)
        if run.from_
        else name
    )


def _resolution_name(resolution: Shape) -> str:
    if not resolution:
        return _("vector")
    if len(resolution) == 1:
        return _("{n} tokens").format(n=resolution[0])
    return " × ".join(map(str, resolution))
