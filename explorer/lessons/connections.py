"""Concatenate or add: a dense block beside a residual stage of the same cost.

Densely Connected Convolutional Networks, Huang, Liu, van der Maaten, Weinberger, CVPR 2017,
arXiv:1608.06993; what to compute again to save memory: Memory-Efficient Implementation of
DenseNets, Pleiss, Chen, Huang, Li, van der Maaten, Weinberger 2017, arXiv:1707.06990.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from math import sqrt
from typing import Final, NamedTuple

from torch import nn

from explorer.analysis.memory import training_memory
from explorer.analysis.totals import totals
from explorer.dataflow import Dataflow
from explorer.errors import OptionError
from explorer.lessons.drawing import Picture, block_picture
from explorer.models.densenet import DenseBlock, Transition
from explorer.models.resnet import BasicBlock
from explorer.trace import trace_model
from explorer.trace.build import build_on_meta
from explorer.trace.records import Trace

BLOCKS: Final = {
    "1": (64, 56, 6), "2": (128, 28, 12), "3": (256, 14, 24), "4": (512, 7, 16)
}  # fmt: skip
"""DenseNet-121's dense blocks: channels that enter, side of the maps, layers (Table 1)."""
DEPTHS: Final = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 28, 32)
"""Depths that the curves are drawn through."""
MOST_LAYERS: Final = 32

_GROWING = ("norm1", "relu1")
"""Layers of a dense layer that work on all channels before it."""


class Setting(NamedTuple):
    """A dense block and the transition behind it."""

    growth: int
    """Channels that each layer appends, k."""
    depth: int
    """Layers, L."""
    channels: int
    """That enter the block."""
    side: int
    """Height and width of the maps."""
    bottleneck: bool = True
    """A 1x1 to 4k channels stands before each 3x3."""
    compression: float = 0.5
    """Share of the channels that the transition keeps."""


class Costs(NamedTuple):
    """What a block costs for one image."""

    params: int
    macs: int
    activation_bytes: int
    saved_bytes: int
    """What autograd keeps for the backward pass, the input left out."""
    channels: tuple[int, ...]
    """That enter each layer; of a residual stage, each block. The last leave the whole."""
    depth: int
    """Convolutions one after the other."""


class Dense(NamedTuple):
    """A dense block, counted."""

    costs: Costs
    reads: tuple[int, ...]
    """For each layer, how many earlier results its input is made of, the block's input one of
    them; found in the dataflow."""
    sources: tuple[tuple[int, ...], ...]
    """For each layer, the channels of each of those."""
    lean_bytes: int
    """What autograd keeps if concatenations, and the normalizations and activations that read
    them, are computed again in the backward pass (Pleiss et al. 2017)."""
    transition_channels: int
    transition_params: int
    transition_macs: int

    @property
    def connections(self) -> int:
        """Between the block's input or a layer, and a later layer: L(L+1)/2."""
        return sum(self.reads)


class Residual(NamedTuple):
    """A residual stage of as many convolutions and nearly as many MACs."""

    costs: Costs
    width: int
    blocks: int


class Memory(NamedTuple):
    """Bytes kept for the backward pass as the block gets deeper."""

    depths: tuple[int, ...]
    dense: tuple[int, ...]
    lean: tuple[int, ...]
    residual: tuple[int, ...]


def check(setting: Setting) -> None:
    """Refuse what cannot be built.

    Raises:
        OptionError: a number is out of its range, or the transition would keep no channel.
    """
    limits = {
        "growth": (setting.growth, 1, 128),
        "depth": (setting.depth, 1, 64),
        "channels": (setting.channels, 1, 2048),
        "side": (setting.side, 2, 512),  # one pixel cannot be normalized in training
    }
    for name, (value, low, high) in limits.items():
        if not low <= value <= high:
            raise OptionError(f"{name}={value} should be from {low} to {high:,}.", name)
    out = setting.channels + setting.depth * setting.growth
    if not 0 < setting.compression <= 1 or int(out * setting.compression) < 1:
        raise OptionError(
            f"compression={setting.compression} should be from {1 / out:.2g} to 1, so that a "
            f"channel of the {out} is left.",
            "compression",
        )


# ------------------------------------------------------------------------ dense


def dense_trace(setting: Setting, mode: str = "eval", *, transition: bool = False) -> Trace:
    """Trace the block, and the transition behind it if asked.

    Args:
        setting: what to build.
        mode: "eval" or "train".
        transition: add it.

    Raises:
        OptionError: see `check`.
    """
    check(setting)

    def build() -> nn.Module:
        block = DenseBlock(
            setting.depth, setting.channels, setting.growth, setting.bottleneck, dropout=0.0
        )
        if not transition:
            return block
        out = setting.channels + setting.depth * setting.growth
        kept = int(out * setting.compression)
        return nn.Sequential(OrderedDict(block=block, transition=Transition(out, kept, 0.0)))

    shape = (1, setting.channels, setting.side, setting.side)
    return trace_model(build_on_meta(build), shape, mode="train" if mode == "train" else "eval")


def dense(setting: Setting) -> Dense:
    """Build, trace and count a dense block.

    Raises:
        OptionError: see `check`.
    """
    trace = dense_trace(setting)
    sources = _sources(trace)
    whole = dense_trace(setting, transition=True)
    training = dense_trace(setting, "train")
    out = trace.output_shape[1]
    after = whole.output_shape[1]
    assert isinstance(out, int)
    assert isinstance(after, int)
    return Dense(
        _costs(trace, training, (*map(sum, sources), out)),
        tuple(map(len, sources)),
        sources,
        _lean(training, setting),
        after,
        whole.params - trace.params,
        whole.macs - trace.macs,
    )


def _sources(trace: Trace) -> tuple[tuple[int, ...], ...]:
    """For each dense layer, the channels of every result that its input is concatenated of."""
    flow = Dataflow(trace)

    def spread(op: int) -> list[int]:
        record = trace.ops[op]
        if record.kind != "concat":
            return [record.outputs[0].shape[1]]
        return [channels for source in flow.preds[op] for channels in spread(source)]

    calls = [call for call in trace.calls if call.module_class == "DenseLayer"]
    return tuple(tuple(spread(call.input_values[0].op)) for call in calls)


def _costs(trace: Trace, training: Trace, channels: tuple[int, ...]) -> Costs:
    counted = totals(trace)
    saved = training_memory(training).saved_bytes
    return Costs(
        counted.params, counted.cost, counted.activation_bytes, saved, channels, counted.depth
    )


def _lean(training: Trace, setting: Setting) -> int:
    """Every map of a layer once, and of the bottleneck what stands behind its 1x1.

    The last layer's maps are read by nobody inside the block.
    """
    growing = (*_GROWING, "conv1")  # where a convolution is the first to keep its input
    kept = training_memory(training).kept
    inside = sum(block.nbytes for block in kept if block.key.rpartition(".")[2] not in growing)
    maps = 4 * setting.growth * setting.side**2
    return inside + (setting.depth - 1) * maps


# --------------------------------------------------------------------- residual


def residual_width(setting: Setting) -> tuple[int, int]:
    """Find the residual stage that is as deep and as costly as a dense block.

    A dense layer with a bottleneck is two convolutions, as a basic block is; of layers without,
    two are. Stride and maps being the same, MACs are weights times pixels.

    Returns:
        The width nearest in weights, and the number of basic blocks.
    """
    blocks = setting.depth if setting.bottleneck else max(1, (setting.depth + 1) // 2)
    target, enters = dense_weights(setting), setting.channels
    # (9 + 1) * enters * w + (18 * blocks - 9) * w^2 = target
    square, linear = 18 * blocks - 9, 10 * enters
    near = (sqrt(linear**2 + 4 * square * target) - linear) / (2 * square)
    widths = {max(1, int(near) + step) for step in (-1, 0, 1, 2)} | {enters}
    width = min(widths, key=lambda w: abs(residual_weights(enters, w, blocks) - target))
    return width, blocks


def dense_weights(setting: Setting) -> int:
    """Weights of a dense block's convolutions: a sum over its layers."""
    k, total = setting.growth, 0
    for layer in range(setting.depth):
        enters = setting.channels + layer * k
        total += 4 * k * enters + 9 * 4 * k * k if setting.bottleneck else 9 * enters * k
    return total


def residual_weights(enters: int, width: int, blocks: int) -> int:
    """Weights of a residual stage's convolutions; the first shortcut projects if it must."""
    projection = enters * width if enters != width else 0
    return 9 * enters * width + (2 * blocks - 1) * 9 * width**2 + projection


def residual_trace(setting: Setting, mode: str = "eval", blocks: int | None = None) -> Trace:
    """Trace the residual stage that matches a dense block, or only its first blocks.

    Raises:
        OptionError: see `check`.
    """
    check(setting)
    width, number = residual_width(setting)

    def build() -> nn.Module:
        first = BasicBlock(setting.channels, width, 1, "B")
        others = (BasicBlock(width, width, 1, "B") for _ in range((blocks or number) - 1))
        return nn.Sequential(first, *others)

    shape = (1, setting.channels, setting.side, setting.side)
    return trace_model(build_on_meta(build), shape, mode="train" if mode == "train" else "eval")


def residual(setting: Setting) -> Residual:
    """Build, trace and count the residual stage that matches a dense block.

    Raises:
        OptionError: see `check`.
    """
    width, blocks = residual_width(setting)
    channels = (setting.channels, *[width] * blocks)
    costs = _costs(residual_trace(setting), residual_trace(setting, "train"), channels)
    return Residual(costs, width, blocks)


# --------------------------------------------------------------- curves, pictures


def memory_curve(setting: Setting, depths: Sequence[int] = DEPTHS) -> Memory:
    """Count what is kept for the backward pass at several depths, all else as it is.

    Raises:
        OptionError: see `check`.
    """
    found = sorted({*depths, setting.depth})
    settings = [setting._replace(depth=depth) for depth in found]
    runs = [dense_trace(each, "train") for each in settings]
    return Memory(
        tuple(found),
        tuple(training_memory(run).saved_bytes for run in runs),
        tuple(_lean(run, each) for run, each in zip(runs, settings, strict=True)),
        tuple(training_memory(residual_trace(each, "train")).saved_bytes for each in settings),
    )


def pictures(setting: Setting, *, dark: bool = False) -> tuple[Picture, Picture]:
    """Draw the dense block, and the second block of the residual stage, whose shape stays.

    Raises:
        OptionError: see `check`.
    """
    width, _ = residual_width(setting)
    block = build_on_meta(lambda: BasicBlock(width, width, 1, "B"))
    beside = trace_model(block, (1, width, setting.side, setting.side))
    return block_picture(dense_trace(setting), dark=dark), block_picture(beside, dark=dark)
