"""Three ways to scale a network, each with the real network that it gives.

EfficientNet multiplies depth, width and resolution (Tan, Le, arXiv:1905.11946), MobileNet width
and resolution (Howard et al., arXiv:1704.04861), and RegNet draws its widths along a line
(Radosavovic et al., arXiv:2003.13678). All counts are those of one image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from itertools import groupby
from math import log, prod
from typing import Final, Literal, NamedTuple

from explorer.analysis.published import published
from explorer.analysis.roofline import get_device, predict
from explorer.models._registry import OptionValue
from explorer.trace import Trace, trace_model
from explorer.trace.records import OpRecord
from explorer.zoo import get_spec, list_models

ALPHA, BETA, GAMMA = 1.2, 1.1, 1.15
"""Depth, width and resolution at φ = 1 (arXiv:1905.11946, section 4)."""
SIDE: Final = 224
"""Of the image that the unscaled networks take."""
DEVICE: Final = "NVIDIA T4"
BATCH: Final = 32
"""Images in the pass whose time is predicted."""

_TRIES: Final = 4
"""Networks built to find one of a given cost."""

Dimension = Literal["depth", "width", "resolution", "compound"]


class Block(NamedTuple):
    """What one block gives out."""

    width: int
    """Channels."""
    side: int
    """Height and width in pixels."""


class Cost(NamedTuple):
    """What a network costs for one image."""

    params: int
    macs: int
    activation_bytes: int
    ms: float
    """Predicted for an image of a batch of `BATCH` on `DEVICE` in float32."""


class Scaling(NamedTuple):
    """Multipliers of depth and width, and the side of the image."""

    depth: float
    width: float
    side: int

    @property
    def rule(self) -> float:
        """MACs over those of the unscaled network, as the paper reckons: d · w² · r²."""
        return self.depth * self.width**2 * (self.side / SIDE) ** 2


class Scaled(NamedTuple):
    """EfficientNet-B0 with other multipliers, built and counted."""

    scaling: Scaling
    cost: Cost
    blocks: tuple[Block, ...]
    parts: tuple[tuple[str, int], ...]
    """MACs by what they grow with, for each key of `_LAWS`."""


_LAWS: Final[dict[str, tuple[int, int, int]]] = {
    "stem": (0, 1, 2),
    "pointwise": (1, 2, 2),
    "depthwise": (1, 1, 2),
    "squeeze": (1, 2, 0),
    "head": (0, 2, 2),
    "classifier": (0, 1, 0),
}
"""Part of EfficientNet -> powers of depth, width and resolution with which its MACs grow.

The stem's three input channels stay, a depthwise convolution does not mix channels, what squeezes
works on one pixel, and stem, head and classifier are not repeated.
"""


class Trained(NamedTuple):
    """One of the networks that the paper trained at about equal cost."""

    dimension: Dimension
    scaling: Scaling
    printed_macs: float
    top_1: float
    """ImageNet accuracy in percent."""


TABLE_7: Final = (
    Trained("depth", Scaling(4, 1, 224), 1.8e9, 79.0),
    Trained("width", Scaling(1, 2, 224), 1.8e9, 78.9),
    Trained("resolution", Scaling(1, 1, 448), 1.9e9, 79.1),
    Trained("compound", Scaling(1.4, 1.2, 291), 1.8e9, 81.1),
)
"""arXiv:1905.11946, Table 7, as printed; r = 1.3 is 291 pixels. B0 itself: 0.4 billion, 77.3%."""


class Steps(NamedTuple):
    """From the rule to the count, as factors: their product with `rule` is `counted`."""

    rule: float
    """d · w² · r²."""
    parts: float
    """Not every part grows with all three."""
    blocks: float
    """Stages have whole numbers of blocks, rounded up."""
    channels: float
    """Widths are multiples of 8."""
    rest: float
    """Maps have whole numbers of pixels; and what the roundings do to each other."""
    counted: float
    """MACs over those of B0."""


# ------------------------------------------------------------------ EfficientNet


def compound(phi: float) -> Scaling:
    """Scale all three by one coefficient: d = α^φ, w = β^φ, r = γ^φ (equation 3)."""
    return Scaling(ALPHA**phi, BETA**phi, round(SIDE * GAMMA**phi))


def family() -> dict[str, Scaling]:
    """B0 to B7 as the authors published them, by their names."""
    found = {}
    for name in (f"efficientnet_b{number}" for number in range(8)):
        spec = get_spec(name)
        width, depth = (spec.options[each].default for each in ("width_mult", "depth_mult"))
        assert isinstance(width, float)
        assert isinstance(depth, float)
        found[name] = Scaling(depth, width, spec.input_shape[-1])
    return found


@lru_cache(maxsize=256)
def scale(scaling: Scaling) -> Scaled:
    """Build EfficientNet-B0 with multipliers, and count it.

    Raises:
        OptionError: a multiplier is out of bounds.
        TraceError: the side is not above 0.
    """
    trace = trace_model(
        "efficientnet_b0",
        (BATCH, 3, scaling.side, scaling.side),
        options={"depth_mult": float(scaling.depth), "width_mult": float(scaling.width)},
    )
    parts = dict.fromkeys(_LAWS, 0)
    for op in trace.ops:
        if op.macs:
            parts[_part(trace, op)] += op.macs // BATCH
    return Scaled(scaling, _cost(trace), _blocks(trace, "MBConv"), tuple(parts.items()))


def steps(scaled: Scaled) -> Steps:
    """Say by how much the count differs from the rule, and what makes the difference.

    Each rounding is found alone: in a network that is only deeper, and in one that is only wider.
    """
    depth, width, side = scaled.scaling
    base = scale(Scaling(1, 1, SIDE))
    factor = side / SIDE
    laws = _by_laws(base, depth, width, factor)
    blocks = _over(scale(Scaling(depth, 1, SIDE)), base) / _by_laws(base, depth, 1, 1)
    channels = _over(scale(Scaling(1, width, SIDE)), base) / _by_laws(base, 1, width, 1)
    counted = _over(scaled, base)
    rule = scaled.scaling.rule
    return Steps(rule, laws / rule, blocks, channels, counted / (laws * blocks * channels), counted)


def at_equal_cost(times: float) -> dict[Dimension, Scaled]:
    """Scale B0 to `times` its MACs, by one dimension alone and by all three.

    Args:
        times: above 1; up to 4, where depth alone meets its bound.

    Returns:
        Networks whose counts come near: roundings leave gaps between what can be built.
    """
    wanted = times * scale(Scaling(1, 1, SIDE)).cost.macs
    ways: dict[Dimension, tuple[Callable[[float], Scaling], float, int]] = {
        "depth": (lambda f: Scaling(f, 1, SIDE), 1, 12),
        "width": (lambda f: Scaling(1, f, SIDE), 2, 100),
        "resolution": (lambda f: Scaling(1, 1, round(SIDE * f)), 2, SIDE),
        "compound": (lambda f: compound(log(f, ALPHA * BETA**2 * GAMMA**2)), 1, 100),
    }
    return {name: _nearest(wanted, times, *way) for name, way in ways.items()}


def _nearest(
    wanted: float, times: float, make: Callable[[float], Scaling], power: float, grid: int
) -> Scaled:
    """Correct a factor, of which `grid` steps are one, by what it missed; MACs ~ factor^power."""
    factor = times ** (1 / power)
    tried: dict[float, Scaled] = {}
    while (factor := round(factor * grid) / grid) not in tried and len(tried) < _TRIES:
        tried[factor] = made = scale(make(factor))
        factor *= (wanted / made.cost.macs) ** (1 / power)
    return min(tried.values(), key=lambda made: abs(made.cost.macs - wanted))


def _part(trace: Trace, op: OpRecord) -> str:
    """What an op of EfficientNet grows with."""
    path = trace.calls[op.call].path
    if path.startswith("classifier"):
        return "classifier"
    stage = int(path.split(".")[1])
    if stage == 0:
        return "stem"
    if op.outputs[0].shape[-1] == 1 and "fc" in path:
        return "squeeze"
    if op.attrs["groups"] > 1:
        return "depthwise"
    return "pointwise" if "block" in path else "head"


def _by_laws(base: Scaled, depth: float, width: float, resolution: float) -> float:
    """MACs over those of `base` if each part grew by its own law, unrounded."""
    factors = (depth, width, resolution)
    grown = (
        macs * prod(factor**power for factor, power in zip(factors, _LAWS[part], strict=True))
        for part, macs in base.parts
    )
    return sum(grown) / base.cost.macs


def _over(scaled: Scaled, base: Scaled) -> float:
    return scaled.cost.macs / base.cost.macs


# --------------------------------------------------------------------- MobileNet


class Thinned(NamedTuple):
    """MobileNet with its two multipliers, built and counted."""

    width: float
    side: int
    params: int
    macs: int
    rule: float
    """MACs by α² · ρ² from those of the whole network at 224 x 224."""


class Printed(NamedTuple):
    """A line of a paper's table."""

    width: float
    side: int
    params: float
    macs: float
    source: str


def thin(width: float, side: int) -> Thinned:
    """Build MobileNet with a width multiplier α, for images of ρ · 224 pixels.

    Raises:
        OptionError: the width is not from 0.25 to 2.
    """
    full = _mobilenet(1, SIDE)
    trace = _mobilenet(width, side)
    rule = full.macs * width**2 * (side / SIDE) ** 2
    return Thinned(width, side, trace.params, trace.macs, rule)


def _mobilenet(width: float, side: int) -> Trace:
    return trace_model("mobilenetv1_100", (1, 3, side, side), options={"width_mult": float(width)})


def printed_mobilenets() -> tuple[Printed, ...]:
    """What MobileNet's paper and its authors' repository print (Table 6 for the widths)."""
    names = {
        "mobilenetv1_100": 1.0,
        "mobilenetv1_075": 0.75,
        "mobilenetv1_050": 0.5,
        "mobilenetv1_025": 0.25,
    }
    return tuple(
        Printed(
            names[row.name], row.input_shape[-1], row.printed_params, row.printed_macs, row.source
        )
        for row in published()
        if row.name in names and row.printed_params and row.printed_macs
    )


# ------------------------------------------------------------------------ RegNet


class Rule(NamedTuple):
    """The numbers that make a RegNet."""

    depth: int
    """Blocks in all."""
    w_0: int
    """Width of the first block, a multiple of 8."""
    w_a: float
    """Slope of the line: channels a block."""
    w_m: float
    """Factor between the widths of two stages."""
    group_width: int
    """Channels in a group of the 3x3 convolutions."""
    squeeze: bool
    """Whether blocks have squeeze-and-excitation: RegNetY."""


class Line(NamedTuple):
    """The line and its steps, a value for each block."""

    line: tuple[float, ...]
    """u_j = w_0 + w_a · j, for j from 0 (equation 2)."""
    exponents: tuple[int, ...]
    """s_j, rounded: w_0 · w_m^s_j = u_j (equation 3)."""
    steps: tuple[float, ...]
    """w_0 · w_m^s_j with s_j rounded (equation 4)."""


class Stage(NamedTuple):
    """Blocks of the same width."""

    width: int
    depth: int
    side: int


class RegNet(NamedTuple):
    """A RegNet, built and counted."""

    rule: Rule
    line: Line
    blocks: tuple[Block, ...]
    """Of the real network: its widths are multiples of 8 and of the group's width."""
    cost: Cost

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Blocks of the same width and resolution."""
        groups = ((block, len(tuple(same))) for block, same in groupby(self.blocks))
        return tuple(Stage(block.width, depth, block.side) for block, depth in groups)


def line(rule: Rule) -> Line:
    """Draw the widths along a line, and round them to steps (section 3.3)."""
    straight = tuple(rule.w_0 + rule.w_a * block for block in range(rule.depth))
    exponents = tuple(round(log(width / rule.w_0, rule.w_m)) for width in straight)
    return Line(straight, exponents, tuple(rule.w_0 * rule.w_m**step for step in exponents))


def regnet(rule: Rule, side: int = SIDE) -> RegNet:
    """Build the network of a rule.

    Raises:
        OptionError: a number is out of bounds.
    """
    options: dict[str, OptionValue] = {**rule._asdict()}
    del options["squeeze"]
    name = "regnet_y_3_2gf" if rule.squeeze else "regnet_x_3_2gf"
    trace = trace_model(name, (BATCH, 3, side, side), options=options)
    return RegNet(rule, line(rule), _blocks(trace, "Bottleneck"), _cost(trace))


@cache
def presets() -> dict[str, Rule]:
    """The rules of the published networks, by their registered names.

    Of networks that differ only in how they round to groups, the authors' own.
    """
    found: dict[Rule, str] = {}
    for name in list_models("RegNet"):
        values = {key: option.default for key, option in get_spec(name).options.items()}
        numbers = {key: values[key] for key in Rule._fields if key != "squeeze"}
        found.setdefault(Rule(**numbers, squeeze="y" in name.removeprefix("regnet")), name)  # type: ignore[arg-type]
    return {name: rule for rule, name in found.items()}


# ------------------------------------------------------------------------ shared


def _cost(trace: Trace) -> Cost:
    """Counts and predicted time of one image, from a pass of `BATCH`."""
    return Cost(
        params=trace.params,
        macs=trace.macs // BATCH,
        activation_bytes=trace.activation_bytes // BATCH,
        ms=predict(trace, get_device(DEVICE)).ms / BATCH,
    )


def _blocks(trace: Trace, kind: str) -> tuple[Block, ...]:
    """What the blocks of a class give out, in order."""
    outputs: Iterable[tuple[int, ...]] = (
        call.outputs[0].shape for call in trace.calls if call.module_class == kind
    )
    return tuple(Block(shape[1], shape[2]) for shape in outputs)
