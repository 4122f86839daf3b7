"""The design lab: the decisions of a registered architecture, turned one after the other.

A decision is an option of a model's builder that changes the network. A step gives one of them
another value; what the steps make of the start is built, traced and measured like any model.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple

from explorer.analysis.compare import NOT_RUN, Diff, DiffRow, diff
from explorer.analysis.memory import inference_memory, training_memory
from explorer.analysis.receptive_field import last_local, receptive_fields
from explorer.analysis.roofline import Device, predict
from explorer.analysis.stages import stages
from explorer.analysis.totals import totals
from explorer.errors import OptionError
from explorer.models._registry import ModelSpec, Option, OptionValue
from explorer.trace.records import Trace

Shape = tuple[int, ...]
Group = Literal["size", "convolution", "block", "ends"]

GROUPS: Final[tuple[Group, ...]] = ("size", "convolution", "block", "ends")
"""Depth and width; convolutions and attention; what a block adds to them; stem and head."""


class Kind(NamedTuple):
    """What is known of the decisions of one name, whichever model has them."""

    group: Group
    paper: str
    """That argues for it: authors and year, and the arXiv id where there is one."""
    usual: tuple[float, ...] = ()
    """Values of a number that are worth trying."""


_ALEXNET: Final = "Krizhevsky et al. 2012"
_LENET: Final = "LeCun et al. 1998"
_NIN: Final = "Lin et al. 2013, arXiv:1312.4400"
_VGG: Final = "Simonyan & Zisserman 2014, arXiv:1409.1556"
_GOOGLENET: Final = "Szegedy et al. 2014, arXiv:1409.4842"
_RESNET: Final = "He et al. 2015, arXiv:1512.03385"
_SQUEEZENET: Final = "Iandola et al. 2016, arXiv:1602.07360"
_PREACT: Final = "He et al. 2016, arXiv:1603.05027"
_WIDE: Final = "Zagoruyko & Komodakis 2016, arXiv:1605.07146"
_DENSENET: Final = "Huang et al. 2016, arXiv:1608.06993"
_XCEPTION: Final = "Chollet 2016, arXiv:1610.02357"
_RESNEXT: Final = "Xie et al. 2016, arXiv:1611.05431"
_MOBILENET: Final = "Howard et al. 2017, arXiv:1704.04861"
_SHUFFLENET: Final = "Zhang et al. 2017, arXiv:1707.01083"
_SE: Final = "Hu et al. 2017, arXiv:1709.01507"
_MOBILENET_V2: Final = "Sandler et al. 2018, arXiv:1801.04381"
_GROUP_NORM: Final = "Wu & He 2018, arXiv:1803.08494"
_BAG_OF_TRICKS: Final = "He et al. 2018, arXiv:1812.01187"
_OSNET: Final = "Zhou et al. 2019, arXiv:1905.00953"
_MOBILENET_V3: Final = "Howard et al. 2019, arXiv:1905.02244"
_EFFICIENTNET: Final = "Tan & Le 2019, arXiv:1905.11946"
_HRNET: Final = "Wang et al. 2019, arXiv:1908.07919"
_REGNET: Final = "Radosavovic et al. 2020, arXiv:2003.13678"
_VISUAL_TRANSFORMER: Final = "Wu et al. 2020, arXiv:2006.03677"
_VIT: Final = "Dosovitskiy et al. 2020, arXiv:2010.11929"
_TNT: Final = "Han et al. 2021, arXiv:2103.00112"
_EFFICIENTNET_V2: Final = "Tan & Le 2021, arXiv:2104.00298"
_CONVNEXT: Final = "Liu et al. 2022, arXiv:2201.03545"
_BATCH_NORM: Final = "Ioffe & Szegedy 2015, arXiv:1502.03167"

_GROUP_COUNTS: Final = (1, 2, 4, 8, 16, 32, 64)
_HEADS: Final = (1, 2, 3, 4, 6, 8, 12, 16, 24)

KINDS: Final[Mapping[str, Kind]] = {
    # depth and width
    "depths": Kind("size", _RESNET),
    "depth": Kind("size", _RESNET),
    "depth_mult": Kind("size", _EFFICIENTNET, (0.5, 1, 1.5, 2)),
    "num_layers": Kind("size", _VIT, (6, 8, 12, 16, 24, 32)),
    "modules": Kind("size", _HRNET),
    "widths": Kind("size", _WIDE),
    "width": Kind("size", _WIDE, (18, 32, 48, 64, 96, 128)),
    "width_mult": Kind("size", _MOBILENET, (0.25, 0.5, 0.75, 1, 1.4, 2)),
    "widen_factor": Kind("size", _WIDE, (1, 2, 4, 8, 10)),
    "bottleneck_width": Kind("size", _WIDE, (32, 64, 128, 256)),
    "width_per_group": Kind("size", _RESNEXT, (4, 8, 14, 24, 40, 64, 128)),
    "growth_rate": Kind("size", _DENSENET, (12, 24, 32, 40, 48)),
    "compression": Kind("size", _DENSENET, (0.25, 0.5, 0.75, 1)),
    "w_0": Kind("size", _REGNET),
    "w_a": Kind("size", _REGNET),
    "w_m": Kind("size", _REGNET, (1.5, 2, 2.5, 3)),
    "hidden_dim": Kind("size", _VIT, (192, 384, 768, 1024)),
    "embed_dim": Kind("size", _VIT, (192, 384, 768)),
    "inner_dim": Kind("size", _TNT),
    "tokens": Kind("size", _VISUAL_TRANSFORMER, (4, 8, 16, 32)),
    "streams": Kind("size", _OSNET),
    # convolutions and attention
    "block": Kind("convolution", _RESNET),
    "bottleneck": Kind("convolution", _DENSENET),
    "kernel_size": Kind("convolution", _CONVNEXT),
    "groups": Kind("convolution", _RESNEXT, _GROUP_COUNTS),
    "group_width": Kind("convolution", _REGNET, (1, 8, 16, 32, 64)),
    "depthwise": Kind("convolution", _MOBILENET),
    "fused": Kind("convolution", _EFFICIENTNET_V2),
    "expansion": Kind("convolution", _MOBILENET_V2, (1, 2, 3, 4, 6, 8)),
    "squeeze_ratio": Kind("convolution", _SQUEEZENET, (0.125, 0.25, 0.5, 0.75)),
    "share_3x3": Kind("convolution", _SQUEEZENET, (0.01, 0.25, 0.5, 0.75, 0.99)),
    "patch_size": Kind("convolution", _VIT, (8, 14, 16, 28, 32)),
    "num_heads": Kind("convolution", _VIT, _HEADS),
    "num_heads_inner": Kind("convolution", _TNT, _HEADS),
    "mlp_dim": Kind("convolution", _VIT),
    "mlp_ratio": Kind("convolution", _VIT, (1, 2, 3, 4, 6)),
    "tokenizer": Kind("convolution", _VISUAL_TRANSFORMER),
    # what a block adds to its convolutions
    "shortcut": Kind("block", _RESNET),
    "bypass": Kind("block", _SQUEEZENET),
    "residual": Kind("block", _MOBILENET_V2),
    "stride_on": Kind("block", _RESNET),
    "preactivation": Kind("block", _PREACT),
    "norm": Kind("block", _GROUP_NORM),
    "batch_norm": Kind("block", _BATCH_NORM),
    "normalization": Kind("block", _ALEXNET),
    "activation": Kind("block", _ALEXNET),
    "intermediate": Kind("block", _XCEPTION),
    "hard_swish": Kind("block", _MOBILENET_V3),
    "linear": Kind("block", _MOBILENET_V2),
    "se": Kind("block", _SE),
    "reduction": Kind("block", _SE, (2, 4, 8, 16, 32)),
    "pooling": Kind("block", _LENET),
    "ceil_mode": Kind("block", _NIN),
    # stem and head
    "stem": Kind("ends", _BAG_OF_TRICKS),
    "head": Kind("ends", _NIN),
    "hidden_features": Kind("ends", _ALEXNET),
    "classifier": Kind("ends", _OSNET),
    "aux_logits": Kind("ends", _GOOGLENET),
}
"""Every option of every builder that is a decision about the architecture."""
_OF_FAMILY: Final[Mapping[tuple[str, str], str]] = {
    ("VGG", "kernel_size"): _VGG,
    ("MobileNet", "kernel_size"): "Tan et al. 2018, arXiv:1807.11626",
    ("MnasNet", "kernel_size"): "Tan et al. 2018, arXiv:1807.11626",
    ("EfficientNet", "kernel_size"): "Tan et al. 2018, arXiv:1807.11626",
    ("AlexNet", "groups"): _ALEXNET,
    ("ShuffleNet", "groups"): _SHUFFLENET,
    ("VGG", "depths"): _VGG,
    ("Xception", "residual"): _XCEPTION,
    ("ConvNeXt", "norm"): _CONVNEXT,
    ("ConvNeXt", "stem"): _CONVNEXT,
}
"""Where a family's own paper is the one to read."""
NO_DECISIONS: Final = frozenset(
    {"num_classes", "in_channels", "image_size", "dropout", "stochastic_depth"}
)
"""Options that follow from the task or only regularise."""


class Decision(NamedTuple):
    """One decision of a model, as it stands."""

    option: Option
    group: Group
    paper: str
    value: OptionValue
    alternatives: tuple[OptionValue, ...]
    """Other values worth trying; all of them are legal by themselves."""

    @property
    def name(self) -> str:
        """Of the builder's option."""
        return self.option.name


class Step(NamedTuple):
    """One decision turned."""

    name: str
    value: OptionValue
    """Text where it could not be read: building the model says what would be legal."""


class Measures(NamedTuple):
    """What a network is and costs at one input."""

    output_shape: Shape
    map_shape: Shape
    """What the last stage before the head returns: (N, C, H, W) of maps, (N, T, C) of tokens."""
    params: int
    macs: int
    lower_bound: bool
    """An op without a cost rule makes `macs` a lower bound."""
    activation_bytes: int
    """Of all results together, as traced."""
    peak_bytes: int
    """Of the activations that are alive at once in a forward pass, float32."""
    training_bytes: int | None
    """Of a training step with Adam, float32; None where training mode fails at this input."""
    milliseconds: float
    """Of one forward pass as the roofline predicts it, float32."""
    depth: int
    """Most weighted layers on any path from input to output."""
    field: tuple[int, int] | None
    """Height and width of what one value of the last map sees, padding included; None where
    that is not defined. That map is the last whose values have a place of their own."""


class Part(NamedTuple):
    """What differs in one of two networks."""

    changed: frozenset[int]
    """Ops of layers that the other has too, but not the same."""
    own: frozenset[int]
    """Ops of layers that only this one has."""


class Changes(NamedTuple):
    """Which layers and blocks of two networks differ."""

    before: Part
    after: Part
    layers_changed: int
    layers_new: int
    layers_gone: int
    layers: int
    """Of the network after."""
    blocks_touched: int
    """Blocks of the network after that hold a layer that is changed or new."""
    blocks: int
    """Of the network after."""


def decisions(spec: ModelSpec, options: Mapping[str, OptionValue]) -> tuple[Decision, ...]:
    """Return what can be decided otherwise, in the order of `GROUPS`.

    Args:
        spec: the model.
        options: where its builder is told another value than its default.

    Returns:
        The decisions; none for a model of another library, or one that has no such options.
    """
    found = [
        Decision(
            option,
            KINDS[name].group,
            _OF_FAMILY.get((spec.family.split(" ")[0], name), KINDS[name].paper),
            options.get(name, option.default),
            alternatives(option, options.get(name, option.default)),
        )
        for name, option in spec.options.items()
        if name in KINDS
    ]
    return tuple(sorted(found, key=lambda decision: GROUPS.index(decision.group)))


def alternatives(option: Option, value: OptionValue) -> tuple[OptionValue, ...]:
    """Return other values of a decision that are worth trying.

    A switch has one, a choice all its others, a number those of `KINDS` or a half and the double
    of its default. Of several numbers, one has a block more or less, or all are doubled or halved.
    """
    if option.kind == "bool":
        found: list[OptionValue] = [not value]
    elif option.kind == "choice":
        found = [*option.choices]
    elif option.kind == "ints":
        found = [*_other_ints(option, value)]
    else:
        found = [*_other_numbers(option)]
    legal = [each for each in (*found, option.default) if each != value and _legal(option, each)]
    return tuple(dict.fromkeys(legal))


def _legal(option: Option, value: OptionValue) -> bool:
    try:
        option.check(value, "")
    except OptionError:
        return False
    return True


def _other_ints(option: Option, value: OptionValue) -> Iterable[tuple[int, ...]]:
    if not isinstance(value, tuple):  # text that could not be read
        return
    if option.name in ("depths", "modules"):
        for more in (1, -1):
            for place in range(len(value)):
                yield tuple(n + more * (at == place) for at, n in enumerate(value))
    else:
        yield tuple(2 * n for n in value)
        yield tuple(n // 2 for n in value)


def _other_numbers(option: Option) -> list[int | float]:
    default = option.default
    assert isinstance(default, int | float)
    usual = KINDS[option.name].usual or (default / 2, default, 2 * default)
    if option.kind == "int":
        return [round(number) for number in usual]
    return [float(f"{number:.4g}") for number in usual]


def turned(options: Mapping[str, OptionValue], steps: Iterable[Step]) -> dict[str, OptionValue]:
    """Return the options after some steps; a later step of the same decision wins."""
    return {**options, **{step.name: step.value for step in steps}}


def measures(trace: Trace, trained: Trace | None, device: Device) -> Measures:
    """Measure a network.

    Args:
        trace: of evaluation mode.
        trained: of training mode; None if that fails.
        device: that the time is predicted for.
    """
    whole = totals(trace)
    return Measures(
        output_shape=_first_shape(trace.output_shape),
        map_shape=_map_shape(trace),
        params=whole.params,
        macs=whole.cost,
        lower_bound=whole.lower_bound,
        activation_bytes=whole.activation_bytes,
        peak_bytes=inference_memory(trace, dtype="float32").eager_peak,
        training_bytes=training_memory(trained, "adam", "float32").total if trained else None,
        milliseconds=predict(trace, device).ms,
        depth=whole.depth,
        field=_field(trace),
    )


def _field(trace: Trace) -> tuple[int, int] | None:
    """Without what gates see: a squeeze-and-excitation does not tell where anything is."""
    fields = receptive_fields(trace, gates=False)
    last = last_local(trace, fields)
    field = fields[last] if last >= 0 else None
    return field.size if field else None


def _first_shape(shape: Shape | tuple[Shape, ...]) -> Shape:
    first = shape[0] if shape else ()
    return first if isinstance(first, tuple) else tuple(n for n in shape if isinstance(n, int))


def _map_shape(trace: Trace) -> Shape:
    """The result of the last stage that has a resolution."""
    found = [stage.output_shape for stage in stages(trace) if stage.resolution]
    return found[-1] if found else _first_shape(trace.output_shape)


def changes(before: Trace, after: Trace) -> Changes:
    """Find which layers and blocks differ."""
    found = diff(before, after)
    rows = [row for row in found.rows if row.stage != NOT_RUN]
    count = {status: sum(row.status == status for row in rows) for status in
             ("changed", "left", "right")}  # fmt: skip
    return Changes(
        before=_part(rows, "left"),
        after=_part(rows, "right"),
        layers_changed=count["changed"],
        layers_new=count["right"],
        layers_gone=count["left"],
        layers=sum(row.right is not None for row in rows),
        blocks_touched=_touched(found),
        blocks=len(found.right.blocks),
    )


def _part(rows: Iterable[DiffRow], side: Literal["left", "right"]) -> Part:
    changed: set[int] = set()
    own: set[int] = set()
    for row in rows:
        layer = row.left if side == "left" else row.right
        if layer is not None and row.status in ("changed", side):
            ops = range(layer.first_op, max(layer.last_op, layer.first_op + 1))
            (changed if row.status == "changed" else own).update(ops)
    return Part(frozenset(changed), frozenset(own))


def _touched(found: Diff) -> int:
    touched = {row.right_block for row in found.rows if row.status in ("changed", "right")}
    return len(touched - {-1})


def source(model: str, options: Mapping[str, OptionValue]) -> str:
    """Return Python that builds a network: a call of its builder by name."""
    arguments = [_literal(model)]
    arguments += [f"{name}={_literal(value)}" for name, value in options.items()]
    line = f"model = build_model({', '.join(arguments)})"
    if len(line) > 79:
        lines = "".join(f"    {argument},\n" for argument in arguments)
        line = f"model = build_model(\n{lines})"
    return f"from explorer import build_model\n\n{line}\n"


def _literal(value: OptionValue) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
