"""RegNet: not one network but a rule for good ones, in four numbers.

Designing Network Design Spaces, Radosavovic, Kosaraju, Girshick, He, Dollár, CVPR 2020,
arXiv:2003.13678. The width of the blocks grows along a straight line, rounded to steps that
multiply it: depth, initial width w_0, slope w_a and step w_m (section 3.3), and the width of a
group. X is plain, Y adds squeeze-and-excitation.

RegNetY-128GF is of Self-supervised Pretraining of Visual Features in the Wild, Goyal, Caron,
Lefaudeux, Xu, Wang, Pai, Singh, Liptchinsky, Misra, Joulin, Bojanowski 2021, arXiv:2103.01988.

Departs from the paper in nothing. A stage's width must divide into groups: the authors' code
rounds it to the nearest multiple, torchvision's also rounds up what lies halfway and whatever
would lose more than a tenth, which changes three of its models; those are here in both forms.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from math import log
from typing import Annotated, Literal, NamedTuple

from torch import Tensor, nn

from explorer.errors import OptionError
from explorer.models._layers import ConvNormActivation, SqueezeExcitation, make_divisible
from explorer.models._registry import Bounds, InChannels, NumClasses, Paper, register_model

Depth = Annotated[int, Bounds(1, 64)]
InitialWidth = Annotated[int, Bounds(8, 512)]
Slope = Annotated[float, Bounds(0, 256)]
Step = Annotated[float, Bounds(1.5, 3)]
GroupWidth = Annotated[int, Bounds(1, 512)]
Rounding = Literal["nearest", "torchvision"]


class Stage(NamedTuple):
    """What the four numbers say of one stage."""

    width: int
    depth: int
    groups: int


def _stages(
    depth: int, w_0: int, w_a: float, w_m: float, group_width: int, rounding: Rounding
) -> list[Stage]:
    """Return the stages: blocks whose quantised width is the same (equations 2 to 4).

    Raises:
        OptionError: w_0 is not a multiple of 8.
    """
    if w_0 % 8:
        raise OptionError(
            f"w_0={w_0} should be a multiple of 8, as all widths are; "
            f"{w_0 - w_0 % 8} and {w_0 - w_0 % 8 + 8} are the nearest.",
            "w_0",
        )
    steps = [round(log((w_0 + w_a * block) / w_0, w_m)) for block in range(depth)]
    widths = [round(w_0 * w_m**step / 8) * 8 for step in steps]
    stages = []
    for width, blocks in Counter(widths).items():
        group = min(group_width, width)
        nearest = round(width / group) * group
        fitted = nearest if rounding == "nearest" else make_divisible(width, group)
        stages.append(Stage(fitted, blocks, fitted // group))
    return stages


class Bottleneck(nn.Module):
    """1x1, 3x3 in groups, squeeze-and-excitation in Y, 1x1, plus the shortcut, ReLU.

    All three convolutions have the same width. The squeeze has a quarter of the channels that
    enter the block.

    Shape: (N, in_channels, H, W) -> (N, width, H / stride, W / stride)
    """

    def __init__(
        self, in_channels: int, width: int, stride: int, groups: int, squeeze: bool
    ) -> None:
        super().__init__()
        self.proj = (
            None
            if stride == 1 and in_channels == width
            else ConvNormActivation(in_channels, width, 1, stride, activation=None)
        )
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            a=ConvNormActivation(in_channels, width, 1),
            b=ConvNormActivation(width, width, 3, stride, groups=groups),
        )
        if squeeze:
            layers["se"] = SqueezeExcitation(width, round(in_channels / 4))
        layers["c"] = ConvNormActivation(width, width, 1, activation=None)
        self.f = nn.Sequential(layers)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(x + F(x)), x projected where the shape changes."""
        return self.activation((x if self.proj is None else self.proj(x)) + self.f(x))


class RegNet(nn.Module):
    """3x3 stride 2 to 32 channels, stages that halve the resolution, global average, classifier.

    Args:
        depth: blocks in all.
        w_0: width of the first block.
        w_a: by how much the width grows from block to block before it is rounded.
        w_m: factor between the widths of two stages.
        group_width: channels in a group of the 3x3s.
        squeeze: the blocks have squeeze-and-excitation (Y).
        num_classes: classes to tell apart.
        in_channels: channels of the image.
        rounding: how a stage's width is made to divide into groups.

    Shape: (N, in_channels, H, W) -> (N, num_classes)
    """

    def __init__(
        self,
        depth: int,
        w_0: int,
        w_a: float,
        w_m: float,
        group_width: int,
        squeeze: bool,
        num_classes: int,
        in_channels: int,
        rounding: Rounding = "nearest",
    ) -> None:
        super().__init__()
        self.stem = ConvNormActivation(in_channels, 32, 3, stride=2)
        self.trunk_output = nn.Sequential()
        channels = 32
        stages = _stages(depth, w_0, w_a, w_m, group_width, rounding)
        for number, stage in enumerate(stages, start=1):
            blocks = nn.Sequential()
            for position in range(stage.depth):
                stride = 2 if position == 0 else 1
                block = Bottleneck(channels, stage.width, stride, stage.groups, squeeze)
                blocks.add_module(f"block{number}-{position}", block)
                channels = stage.width
            self.trunk_output.add_module(f"block{number}", blocks)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        x = self.trunk_output(self.stem(x))  # (N, C, H / 32, W / 32) after four stages
        return self.fc(self.flatten(self.avgpool(x)))


radosavovic_2020 = register_model(
    family="RegNet",
    year=2020,
    paper=Paper(
        authors="Radosavovic, Kosaraju, Girshick, He, Dollár",
        title="Designing Network Design Spaces",
        venue="CVPR 2020",
        arxiv="2003.13678",
    ),
    idea="Not one network but a rule for good ones, in four numbers.",
    new=(
        "Whole populations of networks are compared, and the space of designs is narrowed step by "
        "step.",
        "Good networks have widths that grow along a straight line with depth.",
        "Bottlenecks and ever larger depths turn out to be unnecessary: about 20 blocks without "
        "expansion are best.",
    ),
)
goyal_2021 = register_model(
    family="RegNet",
    year=2021,
    paper=Paper(
        authors="Goyal, Caron, Lefaudeux, Xu, Wang, Pai, Singh, Liptchinsky, Misra, Joulin, "
        "Bojanowski",
        title="Self-supervised Pretraining of Visual Features in the Wild",
        arxiv="2103.01988",
    ),
    idea="The rule of RegNet, at ten times the size, learns from a billion images without labels.",
    new=(
        "The design space is scaled to 1.3 billion weights and below.",
        "Training needs no labels: the network groups views of the same image.",
        "The features transfer better than those of networks that were trained with labels.",
    ),
)


@radosavovic_2020
def regnetx_002(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depth: Depth = 13,
    w_0: InitialWidth = 24,
    w_a: Slope = 36.44,
    w_m: Step = 2.49,
    group_width: GroupWidth = 8,
) -> RegNet:
    """RegNetX-200MF."""
    return RegNet(depth, w_0, w_a, w_m, group_width, False, num_classes, in_channels)


@radosavovic_2020
def regnetx_004(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depth: Depth = 22,
    w_0: InitialWidth = 24,
    w_a: Slope = 24.48,
    w_m: Step = 2.54,
    group_width: GroupWidth = 16,
) -> RegNet:
    """RegNetX-400MF."""
    return RegNet(depth, w_0, w_a, w_m, group_width, False, num_classes, in_channels)


@radosavovic_2020
def regnet_x_400mf(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depth: Depth = 22,
    w_0: InitialWidth = 24,
    w_a: Slope = 24.48,
    w_m: Step = 2.54,
    group_width: GroupWidth = 16,
) -> RegNet:
    """RegNetX-400MF (torchvision's rounding).

    A stage's width is rounded to whole groups by torchvision's rule, not by the authors'.
    """
    return RegNet(depth, w_0, w_a, w_m, group_width, False, num_classes, in_channels, "torchvision")


@radosavovic_2020
def regnetx_006(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depth: Depth = 16,
    w_0: InitialWidth = 48,
    w_a: Slope = 36.97,
    w_m: Step = 2.24,
    group_width: GroupWidth = 24,
) -> RegNet:
    """RegNetX-600MF."""
    return RegNet(depth, w_0, w_a, w_m, group_width, False, num_classes, in_channels)


@radosavovic_2020
def regnet_x_800mf(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depth: Depth = 16,
    w_0: InitialWidth = 56,
    w_a: Slope = 35.73,
    w_m: Step = 2.28,
    group_width: GroupWidth = 16,
) -> RegNet:
    """RegNetX-800MF."""
    return RegNet(depth, w_0, w_a, w_m, group_width, False, num_classes, in_channels)


@radosavovic_2020
def regnet_x_1_6gf(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depth: Depth = 18,
    w_0: InitialWidth = 80,
    w_a: Slope = 34.01,
    w_m: Step = 2.25,
    group_width: GroupWidth = 24,
) -> RegNet:
    """RegNetX-1.6GF."""
    return RegNet(depth, w_0, w_a, w_m, group_width, False, num_classes, in_channels)


@radosavovic_2020
def regnet_x_3_2gf(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depth: Depth = 25,
    w_0: InitialWidth = 88,
    w_a: Slope = 26.31,
    w_m: Step = 2.25,
    group_width: GroupWidth = 48,
) -> RegNet:
    """RegNetX-3.2GF."""
    return RegNet(depth, w_0, w_a, w_m, group_width, False, num_classes, in_channels)


@radosavovic_2020
def regnetx_040(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depth: Depth = 23,
    w_0: InitialWidth = 96,
    w_a: Slope = 38.65,
    w_m: Step = 2.43,
    group_width: GroupWidth = 40,
) -> RegNet:
    """RegNetX-4.0GF."""
    return RegNet(depth, w_0, w_a, w_m, group_width, False, num_classes, in_channels)


@radosavovic_2020
def regnetx_064(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depth: Depth = 17,
    w_0: InitialWidth = 184,
    w_a: Slope = 60.83,
    w_m: Step = 2.07,
    group_width: GroupWidth = 56,
) -> RegNet:
    """RegNetX-6.4GF."""
    return RegNet(depth, w_0, w_a, w_m, group_width, False, num_classes, in_channels)


@radosavovic_2020
def regnet_x_8gf(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depth: Depth = 23,
    w_0: InitialWidth = 80,
    w_a: Slope = 49.56,
    w_m: Step = 2.88,
    group_width: GroupWidth = 120,
) -> RegNet:
    """RegNetX-8.0GF."""
    return RegNet(depth, w_0, w_a, w_m, group_width, False, num_classes, in_channels)


@radosavovic_2020
def regnetx_120(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depth: Depth = 19,
    w_0: InitialWidth = 168,
    w_a: Slope = 73.36,
    w_m: Step = 2.37,
    group_width: GroupWidth = 112,
) -> RegNet:
    """RegNetX-12GF."""
    return RegNet(depth, w_0, w_a, w_m, group_width, False, num_classes, in_channels)


@radosavovic_2020
def regnet_x_16gf(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depth: Depth = 22,
    w_0: InitialWidth = 216,
    w_a: Slope = 55.59,
    w_m: Step = 2.1,
    group_width: GroupWidth = 128,
) -> RegNet:
    """RegNetX-16GF."""
    return RegNet(depth, w_0, w_a, w_m, group_width, False, num_classes, in_channels)


@radosavovic_2020
def regnet_x_32gf(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depth: Depth = 23,
    w_0: InitialWidth = 320,
    w_a: Slope = 69.86,
    w_m: Step = 2.0,
    group_width: GroupWidth = 168,
) -> RegNet:
    """RegNetX-32GF."""
    return RegNet(depth, w_0, w_a, w_m, group_width, False, num_classes, in_channels)


@radosavovic_2020
def regnety_002(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depth: Depth = 13,
    w_0: InitialWidth = 24,
    w_a: Slope = 36.44,
    w_m: Step = 2.49,
    group_width: GroupWidth = 8,
) -> RegNet:
    """RegNetY-200MF."""
    return RegNet(depth, w_0, w_a, w_m, group_width, True, num_classes, in_channels)


@radosavovic_2020
def regnet_y_400mf(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depth: Depth = 16,
    w_0: InitialWidth = 48,
    w_a: Slope = 27.89,
    w_m: Step = 2.09,
    group_width: GroupWidth = 8,
) -> RegNet:
    """RegNetY-400MF."""
    return RegNet(depth, w_0, w_a, w_m, group_width, True, num_classes, in_channels)


@radosavovic_2020
def regnety_006(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depth: Depth = 15,
    w_0: InitialWidth = 48,
    w_a: Slope = 32.54,
    w_m: Step = 2.32,
    group_width: GroupWidth = 16,
) -> RegNet:
    """RegNetY-600MF."""
    return RegNet(depth, w_0, w_a, w_m, group_width, True, num_classes, in_channels)


@radosavovic_2020
def regnety_008(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depth: Depth = 14,
    w_0: InitialWidth = 56,
    w_a: Slope = 38.84,
    w_m: Step = 2.4,
    group_width: GroupWidth = 16,
) -> RegNet:
    """RegNetY-800MF."""
    return RegNet(depth, w_0, w_a, w_m, group_width, True, num_classes, in_channels)


@radosavovic_2020
def regnet_y_800mf(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depth: Depth = 14,
    w_0: InitialWidth = 56,
    w_a: Slope = 38.84,
    w_m: Step = 2.4,
    group_width: GroupWidth = 16,
) -> RegNet:
    """RegNetY-800MF (torchvision's rounding).

    A stage's width is rounded to whole groups by torchvision's rule, not by the authors'.
    """
    return RegNet(depth, w_0, w_a, w_m, group_width, True, num_classes, in_channels, "torchvision")


@radosavovic_2020
def regnet_y_1_6gf(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depth: Depth = 27,
    w_0: InitialWidth = 48,
    w_a: Slope = 20.71,
    w_m: Step = 2.65,
    group_width: GroupWidth = 24,
) -> RegNet:
    """RegNetY-1.6GF."""
    return RegNet(depth, w_0, w_a, w_m, group_width, True, num_classes, in_channels)


@radosavovic_2020
def regnet_y_3_2gf(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depth: Depth = 21,
    w_0: InitialWidth = 80,
    w_a: Slope = 42.63,
    w_m: Step = 2.66,
    group_width: GroupWidth = 24,
) -> RegNet:
    """RegNetY-3.2GF."""
    return RegNet(depth, w_0, w_a, w_m, group_width, True, num_classes, in_channels)


@radosavovic_2020
def regnety_040(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depth: Depth = 22,
    w_0: InitialWidth = 96,
    w_a: Slope = 31.41,
    w_m: Step = 2.24,
    group_width: GroupWidth = 64,
) -> RegNet:
    """RegNetY-4.0GF."""
    return RegNet(depth, w_0, w_a, w_m, group_width, True, num_classes, in_channels)


@radosavovic_2020
def regnety_064(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depth: Depth = 25,
    w_0: InitialWidth = 112,
    w_a: Slope = 33.22,
    w_m: Step = 2.27,
    group_width: GroupWidth = 72,
) -> RegNet:
    """RegNetY-6.4GF."""
    return RegNet(depth, w_0, w_a, w_m, group_width, True, num_classes, in_channels)


@radosavovic_2020
def regnety_080(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depth: Depth = 17,
    w_0: InitialWidth = 192,
    w_a: Slope = 76.82,
    w_m: Step = 2.19,
    group_width: GroupWidth = 56,
) -> RegNet:
    """RegNetY-8.0GF."""
    return RegNet(depth, w_0, w_a, w_m, group_width, True, num_classes, in_channels)


@radosavovic_2020
def regnet_y_8gf(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depth: Depth = 17,
    w_0: InitialWidth = 192,
    w_a: Slope = 76.82,
    w_m: Step = 2.19,
    group_width: GroupWidth = 56,
) -> RegNet:
    """RegNetY-8.0GF (torchvision's rounding).

    A stage's width is rounded to whole groups by torchvision's rule, not by the authors'.
    """
    return RegNet(depth, w_0, w_a, w_m, group_width, True, num_classes, in_channels, "torchvision")


@radosavovic_2020
def regnety_120(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depth: Depth = 19,
    w_0: InitialWidth = 168,
    w_a: Slope = 73.36,
    w_m: Step = 2.37,
    group_width: GroupWidth = 112,
) -> RegNet:
    """RegNetY-12GF."""
    return RegNet(depth, w_0, w_a, w_m, group_width, True, num_classes, in_channels)


@radosavovic_2020
def regnet_y_16gf(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depth: Depth = 18,
    w_0: InitialWidth = 200,
    w_a: Slope = 106.23,
    w_m: Step = 2.48,
    group_width: GroupWidth = 112,
) -> RegNet:
    """RegNetY-16GF."""
    return RegNet(depth, w_0, w_a, w_m, group_width, True, num_classes, in_channels)


@radosavovic_2020
def regnet_y_32gf(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depth: Depth = 20,
    w_0: InitialWidth = 232,
    w_a: Slope = 115.89,
    w_m: Step = 2.53,
    group_width: GroupWidth = 232,
) -> RegNet:
    """RegNetY-32GF."""
    return RegNet(depth, w_0, w_a, w_m, group_width, True, num_classes, in_channels)


@goyal_2021
def regnet_y_128gf(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depth: Depth = 27,
    w_0: InitialWidth = 456,
    w_a: Slope = 160.83,
    w_m: Step = 2.52,
    group_width: GroupWidth = 264,
) -> RegNet:
    """RegNetY-128GF."""
    return RegNet(depth, w_0, w_a, w_m, group_width, True, num_classes, in_channels)
