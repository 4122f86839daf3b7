"""Branches side by side: what each costs, what a 1x1 before it saves, and other ways to split.

Going Deeper with Convolutions, Szegedy et al., CVPR 2015, arXiv:1409.4842 (Table 1); Rethinking
the Inception Architecture for Computer Vision, Szegedy et al., CVPR 2016, arXiv:1512.00567
(sections 3.1 and 3.2); Aggregated Residual Transformations for Deep Neural Networks, Xie et al.,
CVPR 2017, arXiv:1611.05431 (Figure 3, Table 2).
"""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn

from explorer.analysis.layers import Layer, layers
from explorer.errors import OptionError
from explorer.lessons.drawing import Picture, block_picture
from explorer.lessons.timeline import without_reductions
from explorer.models._layers import BasicConv2d, Branches
from explorer.models.googlenet import TABLE_1, Inception
from explorer.trace import trace_model
from explorer.trace.build import build_on_meta
from explorer.trace.records import Trace

BLOCKS: Final = tuple(TABLE_1)
"""GoogLeNet's Inception blocks, 3a to 5b."""
WINDOWS: Final = (3, 5, 7, 9, 11)
"""Sides of windows that can be factored into 3x3."""
CARDINALITIES: Final = {1: 64, 2: 40, 4: 24, 8: 14, 32: 4}
"""ResNeXt's Table 2: number of paths -> width of each, at nearly the cost of the first."""

_NAMES: Final = {"branch1": "1×1", "branch2": "3×3", "branch3": "5×5", "branch4": "pool"}
_WIDE: Final = 256
"""Channels that enter and leave a bottleneck of the first stage."""


class Branch(NamedTuple):
    """One branch of a block, counted for one image."""

    name: str
    """Of its window: "1×1", "3×3", "5×5", "pool"."""
    first: int
    """Channels that its leading 1x1 gives; 0 where none stands before a larger window."""
    out: int
    """Channels that it adds to the result."""
    first_params: int
    """Of the leading 1x1; 0 if there is none."""
    first_macs: int
    params: int
    """Of all the rest."""
    macs: int


class Split(NamedTuple):
    """An Inception block with its reductions and without."""

    name: str
    input_shape: tuple[int, ...]
    """(C, H, W)."""
    out: int
    """Channels that leave it."""
    reduced: tuple[Branch, ...]
    full: tuple[Branch, ...]
    naive_out: int
    """Channels that would leave it if its pooling had no 1x1 behind it either (Figure 2a)."""

    @property
    def totals(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """(parameters, MACs) with the reductions, and without."""
        with_, without = (
            (
                sum(b.first_params + b.params for b in side),
                sum(b.first_macs + b.macs for b in side),
            )
            for side in (self.reduced, self.full)
        )
        return with_, without


def check_block(name: str) -> None:
    """Refuse a block that GoogLeNet does not have.

    Raises:
        OptionError: the message names those there are.
    """
    if name not in TABLE_1:
        raise OptionError(
            f"GoogLeNet has no Inception block {name!r}: choose one of {', '.join(BLOCKS)}.",
            "block",
        )


@cache
def _googlenet() -> tuple[Layer, ...]:
    """The layers of the paper's network."""
    return layers(trace_model("googlenet_paper", (1, 3, 224, 224)))


def split(name: str) -> Split:
    """Count an Inception block: as it runs in GoogLeNet, and without its reductions.

    Args:
        name: "3a" to "5b", as in Table 1.

    Raises:
        OptionError: no such block.
    """
    check_block(name)
    path = f"inception{name}"
    rows = [row for row in _googlenet() if row.path.startswith(f"{path}.")]
    shape = rows[0].input_shapes[0]
    bare = _bare_trace(name, shape)
    reduced = _branches(rows, f"{path}.")
    projected = reduced[-1].out
    out = sum(branch.out for branch in reduced)
    return Split(
        name, shape[1:], out, reduced, _branches(layers(bare), ""), out - projected + shape[1]
    )


def splits() -> tuple[Split, ...]:
    """All nine blocks, first to last."""
    return tuple(map(split, BLOCKS))


def _bare_trace(name: str, shape: tuple[int, ...]) -> Trace:
    def build() -> Branches:
        return without_reductions(Inception(shape[1], TABLE_1[name], paper=True))

    return trace_model(build_on_meta(build), shape)


def _branches(rows: list[Layer] | tuple[Layer, ...], prefix: str) -> tuple[Branch, ...]:
    found = []
    for key, name in _NAMES.items():
        inside = [row for row in rows if row.path.startswith(f"{prefix}{key}.")]
        convs = [row for row in inside if row.kind == "convolution"]
        leads = len(convs) > 1
        lead = convs[0] if leads else None
        rest = convs[1:] if leads else convs
        found.append(
            Branch(
                name,
                lead.output_shape[1] if lead else 0,
                rest[-1].output_shape[1],
                lead.params if lead else 0,
                lead.macs if lead else 0,
                sum(row.params for row in rest),
                sum(row.macs for row in rest),
            )
        )
    return tuple(found)


def block_pictures(name: str, *, dark: bool = False) -> tuple[Picture, Picture]:
    """Draw a block with its reductions and without.

    Raises:
        OptionError: no such block.
    """
    shape = (1, *split(name).input_shape)
    block = build_on_meta(lambda: Inception(shape[1], TABLE_1[name], paper=True))
    return (
        block_picture(trace_model(block, shape), dark=dark),
        block_picture(_bare_trace(name, shape), dark=dark),
    )


# -------------------------------------------------------------------- factorizations


class Factored(NamedTuple):
    """One window of n x n between the same maps, and what can stand for it."""

    window: int
    whole: int
    """Parameters of the n x n convolution; its MACs are as many times the pixels."""
    stacked: int
    """Of (n - 1) / 2 convolutions of 3x3."""
    one_sided: int
    """Of a 1 x n and an n x 1."""


def _chain(*kernels: tuple[int, int], channels: int) -> nn.Module:
    return nn.Sequential(
        *(BasicConv2d(channels, channels, kernel, batch_norm=False) for kernel in kernels)
    )


def _chains(window: int, channels: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    stack = [(3, 3)] * ((window - 1) // 2)
    return (
        build_on_meta(lambda: _chain((window, window), channels=channels)),
        build_on_meta(lambda: _chain(*stack, channels=channels)),
        build_on_meta(lambda: _chain((1, window), (window, 1), channels=channels)),
    )


def factored(window: int, channels: int = 192, side: int = 17) -> Factored:
    """Count three ways to see n x n pixels, at the size of Inception-v3's second grid.

    Args:
        window: n, odd, from 3 to 31.
        channels: of all maps.
        side: of the maps.

    Raises:
        OptionError: a window that 3x3 cannot be stacked to.
    """
    if window not in range(3, 32, 2):
        raise OptionError(
            f"The window {window!r} should be an odd number from 3 to 31, such as 5 or 7.", "window"
        )
    shape = (1, channels, side, side)
    whole, stacked, one_sided = (
        trace_model(chain, shape).params for chain in _chains(window, channels)
    )
    return Factored(window, whole, stacked, one_sided)


def factored_pictures(window: int, *, dark: bool = False) -> tuple[Picture, ...]:
    """Draw the three ways.

    Raises:
        OptionError: see `factored`.
    """
    factored(window)
    shape = (1, 192, 17, 17)
    return tuple(
        block_picture(trace_model(chain, shape), dark=dark) for chain in _chains(window, 192)
    )


# ----------------------------------------------------------------------- cardinality


class Paths(nn.Module):
    """Many bottlenecks side by side, added: ResNeXt's Figure 3(a), without normalization.

    Shape: (N, 256, H, W) -> (N, 256, H, W)
    """

    def __init__(self, cardinality: int, width: int) -> None:
        super().__init__()
        self.paths = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(_WIDE, width, 1, bias=False),
                nn.ReLU(),
                nn.Conv2d(width, width, 3, padding=1, bias=False),
                nn.ReLU(),
                nn.Conv2d(width, _WIDE, 1, bias=False),
            )
            for _ in range(cardinality)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of all paths."""
        first, *others = (path(x) for path in self.paths)
        for other in others:
            first = first + other
        summed: Tensor = first
        return summed


class Grouped(nn.Sequential):
    """The same as one path with a grouped convolution: ResNeXt's Figure 3(c).

    Shape: (N, 256, H, W) -> (N, 256, H, W)
    """

    def __init__(self, cardinality: int, width: int) -> None:
        inner = cardinality * width
        super().__init__(
            nn.Conv2d(_WIDE, inner, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(inner, inner, 3, padding=1, groups=cardinality, bias=False),
            nn.ReLU(),
            nn.Conv2d(inner, _WIDE, 1, bias=False),
        )


def grouped_from(paths: Paths) -> Grouped:
    """Give the grouped form the weights of the paths.

    The paths' first two layers lie behind each other in the grouped ones' outputs, their last in
    the inputs of the last: adding paths is what its sum over channels does.
    """
    chains = [list(path.children()) for path in paths.paths.children()]
    columns = list(zip(*chains, strict=True))
    grouped = Grouped(len(chains), _weight(columns[0][0]).shape[0])
    with torch.no_grad():
        for place, axis in ((0, 0), (2, 0), (4, 1)):
            _weight(grouped[place]).copy_(torch.cat([_weight(m) for m in columns[place]], axis))
    return grouped


def _weight(layer: nn.Module) -> Tensor:
    assert isinstance(layer, nn.Conv2d)
    return layer.weight


class Equal(NamedTuple):
    """Many paths, and one grouped convolution with the same weights, on the same input."""

    cardinality: int
    width: int
    """Of each path."""
    path_params: int
    grouped_params: int
    macs: int
    """Of the grouped form, for maps of 14 x 14."""
    difference: float
    """Largest difference between their results, over the largest result."""


def equal(cardinality: int) -> Equal:
    """Run both forms of one ResNeXt block on the same random input.

    Args:
        cardinality: one of `CARDINALITIES`, which has the width.

    Raises:
        OptionError: another one.
    """
    if cardinality not in CARDINALITIES:
        known = ", ".join(map(str, CARDINALITIES))
        raise OptionError(
            f"Table 2 has no width for a cardinality of {cardinality!r}: choose one of {known}.",
            "cardinality",
        )
    width = CARDINALITIES[cardinality]
    source = torch.Generator().manual_seed(0)
    paths = build_on_meta(lambda: Paths(cardinality, width)).to_empty(device="cpu")
    assert isinstance(paths, Paths)
    with torch.no_grad():
        for weight in paths.parameters():
            weight.normal_(std=(2 / weight[0].numel()) ** 0.5, generator=source)
    grouped = grouped_from(paths)
    x = torch.randn(1, _WIDE, 14, 14, generator=source)
    with torch.inference_mode():
        one, other = paths(x), grouped(x)
    gap = float((one - other).abs().max() / one.abs().max())
    shape = (1, _WIDE, 14, 14)
    parallel, single = trace_model(paths, shape), trace_model(grouped, shape)
    return Equal(cardinality, width, parallel.params, single.params, single.macs, gap)


MOST_DRAWN: Final = 4
"""Paths that are still drawn side by side; of more, the first ones."""


def equal_pictures(cardinality: int, *, dark: bool = False) -> tuple[Picture, Picture]:
    """Draw both forms; of many paths only the first.

    Args:
        cardinality: one of `CARDINALITIES`.
        dark: draw for a dark page.
    """
    width = CARDINALITIES[cardinality]
    shape = (1, _WIDE, 14, 14)
    paths = build_on_meta(lambda: Paths(min(cardinality, MOST_DRAWN), width))
    grouped = build_on_meta(lambda: Grouped(cardinality, width))
    return (
        block_picture(trace_model(paths, shape), dark=dark),
        block_picture(trace_model(grouped, shape), dark=dark),
    )
