"""EfficientNet: depth, width and resolution grow together, from one small searched network.

EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, Tan, Le, ICML 2019,
arXiv:1905.11946. B1 to B7 are B0, scaled: depth, width and resolution grow by about 1.2, 1.1 and
1.15 to the power of one compound coefficient (section 3.3).

EfficientNetV2: Smaller Models and Faster Training, Tan, Le, ICML 2021, arXiv:2104.00298. A new
search, whose early blocks fuse expansion and depthwise convolution into one 3x3.

Options take back what the searches decided: `expansion` and `kernel_size` of all blocks that
expand, `se=False` the channel weights of B0 to B7, `fused=False` the fused blocks of V2.

Departs from the authors' code as torchvision does: strided convolutions pad both sides alike, and
the normalizations of B0 to B4 have PyTorch's epsilon of 1e-5, not 1e-3. V2's M and L, which the
second paper gives only by their size, are those of that code.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import ceil
from typing import Annotated, Literal, NamedTuple

from torch import Tensor, nn

from explorer.models._layers import (
    ConvNormActivation,
    SqueezeExcitation,
    StochasticDepth,
    make_divisible,
)
from explorer.models._registry import Bounds, Dropout, InChannels, NumClasses, Paper, register_model

WidthMult = Annotated[float, Bounds(0.25, 3)]
DepthMult = Annotated[float, Bounds(0.25, 4)]
Expansion = Annotated[int, Bounds(1, 12)]
KernelSize = Literal["searched", "3", "5", "7"]


class Stage(NamedTuple):
    """One line of a paper's table of stages."""

    expansion: int
    kernel_size: int
    stride: int
    width: int
    depth: int
    fused: bool = False
    se: bool = True


B0 = (  # Table 1
    Stage(1, 3, 1, 16, 1),
    Stage(6, 3, 2, 24, 2),
    Stage(6, 5, 2, 40, 2),
    Stage(6, 3, 2, 80, 3),
    Stage(6, 5, 1, 112, 3),
    Stage(6, 5, 2, 192, 4),
    Stage(6, 3, 1, 320, 1),
)
V2_S = (  # Table 4 of the second paper
    Stage(1, 3, 1, 24, 2, fused=True),
    Stage(4, 3, 2, 48, 4, fused=True),
    Stage(4, 3, 2, 64, 4, fused=True),
    Stage(4, 3, 2, 128, 6),
    Stage(6, 3, 1, 160, 9),
    Stage(6, 3, 2, 256, 15),
)
V2_M = (
    Stage(1, 3, 1, 24, 3, fused=True),
    Stage(4, 3, 2, 48, 5, fused=True),
    Stage(4, 3, 2, 80, 5, fused=True),
    Stage(4, 3, 2, 160, 7),
    Stage(6, 3, 1, 176, 14),
    Stage(6, 3, 2, 304, 18),
    Stage(6, 3, 1, 512, 5),
)
V2_L = (
    Stage(1, 3, 1, 32, 4, fused=True),
    Stage(4, 3, 2, 64, 7, fused=True),
    Stage(4, 3, 2, 96, 7, fused=True),
    Stage(4, 3, 2, 192, 10),
    Stage(6, 3, 1, 224, 19),
    Stage(6, 3, 2, 384, 25),
    Stage(6, 3, 1, 640, 7),
)


class MBConv(nn.Module):
    """1x1 expand, depthwise, squeeze-and-excitation, 1x1 project, plus the shortcut.

    Without expansion the first 1x1 is left out; where the shape changes, the shortcut is. The
    squeeze has a quarter of the block's input channels.

    Shape: (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int,
        expansion: int,
        drop_rate: float,
        norm: Callable[[int], nn.Module],
        se: bool,
    ) -> None:
        super().__init__()
        self.residual = stride == 1 and in_channels == out_channels
        inner = in_channels * expansion
        conv = partial(ConvNormActivation, norm=norm, activation=nn.SiLU)
        layers: list[nn.Module] = [conv(in_channels, inner, 1)] if expansion > 1 else []
        layers.append(conv(inner, inner, kernel_size, stride, groups=inner))
        if se:
            layers.append(SqueezeExcitation(inner, in_channels // 4, activation=nn.SiLU))
        layers.append(conv(inner, out_channels, 1, activation=None))
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(drop_rate)

    def forward(self, x: Tensor) -> Tensor:
        """Return x + F(x), or F(x) where the shape changes."""
        return x + self.stochastic_depth(self.block(x)) if self.residual else self.block(x)


class FusedMBConv(nn.Module):
    """3x3 expand, 1x1 project, plus the shortcut; one 3x3 without expansion.

    Where the shape changes there is no shortcut.

    Shape: (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int,
        expansion: int,
        drop_rate: float,
        norm: Callable[[int], nn.Module],
    ) -> None:
        super().__init__()
        self.residual = stride == 1 and in_channels == out_channels
        inner = in_channels * expansion
        conv = partial(ConvNormActivation, norm=norm, activation=nn.SiLU)
        self.block = (
            nn.Sequential(
                conv(in_channels, inner, kernel_size, stride),
                conv(inner, out_channels, 1, activation=None),
            )
            if expansion > 1
            else nn.Sequential(conv(in_channels, out_channels, kernel_size, stride))
        )
        self.stochastic_depth = StochasticDepth(drop_rate)

    def forward(self, x: Tensor) -> Tensor:
        """Return x + F(x), or F(x) where the shape changes."""
        return x + self.stochastic_depth(self.block(x)) if self.residual else self.block(x)


class EfficientNet(nn.Module):
    """3x3 stride 2, stages of blocks, 1x1, global average, classifier.

    Args:
        stages: the stages as they are built, already scaled.
        stem_width: output channels of the first 3x3.
        last_width: output channels of the last 1x1.
        epsilon: of the batch normalizations.
        dropout: rate before the classifier.
        stochastic_depth: rate of the last block; earlier blocks have their share of it.
        num_classes: classes to tell apart.
        in_channels: channels of the image.

    Shape: (N, in_channels, H, W) -> (N, num_classes)
    """

    def __init__(
        self,
        stages: tuple[Stage, ...],
        stem_width: int,
        last_width: int,
        epsilon: float,
        dropout: float,
        stochastic_depth: float,
        num_classes: int,
        in_channels: int,
    ) -> None:
        super().__init__()
        norm = partial(nn.BatchNorm2d, eps=epsilon)
        conv = partial(ConvNormActivation, norm=norm, activation=nn.SiLU)
        channels, number, total = stem_width, 0, sum(stage.depth for stage in stages)
        self.features = nn.Sequential(conv(in_channels, stem_width, 3, stride=2))
        for stage in stages:
            make_block = FusedMBConv if stage.fused else partial(MBConv, se=stage.se)
            blocks = nn.Sequential()
            for position in range(stage.depth):
                stride = stage.stride if position == 0 else 1
                rate = stochastic_depth * number / total
                blocks.append(
                    make_block(
                        channels,
                        stage.width,
                        stage.kernel_size,
                        stride,
                        stage.expansion,
                        rate,
                        norm,
                    )
                )
                channels, number = stage.width, number + 1
            self.features.append(blocks)
        self.features.append(conv(channels, last_width, 1))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last_width, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        x = self.features(x)  # (N, last_width, H / 32, W / 32)
        return self.classifier(self.flatten(self.avgpool(x)))


def _scaled(
    width_mult: float,
    depth_mult: float,
    epsilon: float,
    dropout: float,
    stochastic_depth: float,
    num_classes: int,
    in_channels: int,
    expansion: int,
    kernel_size: KernelSize,
    se: bool,
) -> EfficientNet:
    """B0 with its widths and depths multiplied (section 3.3), and what else is decided anew."""
    stages = tuple(
        stage._replace(
            width=make_divisible(stage.width * width_mult),
            depth=ceil(stage.depth * depth_mult),
            expansion=expansion if stage.expansion > 1 else 1,
            kernel_size=stage.kernel_size if kernel_size == "searched" else int(kernel_size),
            se=se,
        )
        for stage in B0
    )
    return EfficientNet(
        stages,
        make_divisible(32 * width_mult),
        4 * stages[-1].width,
        epsilon,
        dropout,
        stochastic_depth,
        num_classes,
        in_channels,
    )


def _stages(stages: tuple[Stage, ...], fused: bool) -> tuple[Stage, ...]:
    """Return V2's stages, or the same with depthwise convolutions throughout."""
    return tuple(stage._replace(fused=stage.fused and fused) for stage in stages)


tan_2019 = partial(
    register_model,
    family="EfficientNet",
    year=2019,
    paper=Paper(
        authors="Tan, Le",
        title="EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
        venue="ICML 2019",
        arxiv="1905.11946",
    ),
    idea="Depth, width and resolution grow together, from one small searched network.",
    new=(
        "One coefficient scales depth, width and resolution in fixed proportions, found on a small "
        "network.",
        "The network that is scaled, B0, comes from a search for accuracy at a given number of "
        "operations.",
        "B7 reached the best ImageNet accuracy of its time with 8.4 times fewer weights than its "
        "rival.",
    ),
    departs="Strided convolutions pad both sides alike, and the normalizations of B0 to B4 have an "
    "epsilon of 1e-5 instead of 1e-3, as in torchvision.",
)
tan_2021 = partial(
    register_model,
    family="EfficientNet",
    year=2021,
    paper=Paper(
        authors="Tan, Le",
        title="EfficientNetV2: Smaller Models and Faster Training",
        venue="ICML 2021",
        arxiv="2104.00298",
    ),
    idea="The search counts training time, and so early depthwise convolutions give way to plain "
    "ones.",
    new=(
        "In the early stages expansion and depthwise convolution fuse into one 3x3, which runs "
        "faster on accelerators.",
        "Images, and with them the regularisation, grow during training.",
        "It trains up to 11 times faster than the networks before it at equal accuracy.",
    ),
    departs="Strided convolutions pad both sides alike, as in torchvision. The paper gives the "
    "sizes M and L by their counts only; they are those of the authors' code.",
)


@tan_2019()
def efficientnet_b0(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    width_mult: WidthMult = 1.0,
    depth_mult: DepthMult = 1.0,
    expansion: Expansion = 6,
    kernel_size: KernelSize = "searched",
    se: bool = True,
    dropout: Dropout = 0.2,
    stochastic_depth: Dropout = 0.2,
) -> EfficientNet:
    """EfficientNet-B0."""
    return _scaled(
        width_mult,
        depth_mult,
        1e-5,
        dropout,
        stochastic_depth,
        num_classes,
        in_channels,
        expansion,
        kernel_size,
        se,
    )


@tan_2019(input_shape=(1, 3, 240, 240))
def efficientnet_b1(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    width_mult: WidthMult = 1.0,
    depth_mult: DepthMult = 1.1,
    expansion: Expansion = 6,
    kernel_size: KernelSize = "searched",
    se: bool = True,
    dropout: Dropout = 0.2,
    stochastic_depth: Dropout = 0.2,
) -> EfficientNet:
    """EfficientNet-B1."""
    return _scaled(
        width_mult,
        depth_mult,
        1e-5,
        dropout,
        stochastic_depth,
        num_classes,
        in_channels,
        expansion,
        kernel_size,
        se,
    )


@tan_2019(input_shape=(1, 3, 260, 260))
def efficientnet_b2(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    width_mult: WidthMult = 1.1,
    depth_mult: DepthMult = 1.2,
    expansion: Expansion = 6,
    kernel_size: KernelSize = "searched",
    se: bool = True,
    dropout: Dropout = 0.3,
    stochastic_depth: Dropout = 0.2,
) -> EfficientNet:
    """EfficientNet-B2."""
    return _scaled(
        width_mult,
        depth_mult,
        1e-5,
        dropout,
        stochastic_depth,
        num_classes,
        in_channels,
        expansion,
        kernel_size,
        se,
    )


@tan_2019(input_shape=(1, 3, 300, 300))
def efficientnet_b3(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    width_mult: WidthMult = 1.2,
    depth_mult: DepthMult = 1.4,
    expansion: Expansion = 6,
    kernel_size: KernelSize = "searched",
    se: bool = True,
    dropout: Dropout = 0.3,
    stochastic_depth: Dropout = 0.2,
) -> EfficientNet:
    """EfficientNet-B3."""
    return _scaled(
        width_mult,
        depth_mult,
        1e-5,
        dropout,
        stochastic_depth,
        num_classes,
        in_channels,
        expansion,
        kernel_size,
        se,
    )


@tan_2019(input_shape=(1, 3, 380, 380))
def efficientnet_b4(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    width_mult: WidthMult = 1.4,
    depth_mult: DepthMult = 1.8,
    expansion: Expansion = 6,
    kernel_size: KernelSize = "searched",
    se: bool = True,
    dropout: Dropout = 0.4,
    stochastic_depth: Dropout = 0.2,
) -> EfficientNet:
    """EfficientNet-B4."""
    return _scaled(
        width_mult,
        depth_mult,
        1e-5,
        dropout,
        stochastic_depth,
        num_classes,
        in_channels,
        expansion,
        kernel_size,
        se,
    )


@tan_2019(input_shape=(1, 3, 456, 456))
def efficientnet_b5(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    width_mult: WidthMult = 1.6,
    depth_mult: DepthMult = 2.2,
    expansion: Expansion = 6,
    kernel_size: KernelSize = "searched",
    se: bool = True,
    dropout: Dropout = 0.4,
    stochastic_depth: Dropout = 0.2,
) -> EfficientNet:
    """EfficientNet-B5."""
    return _scaled(
        width_mult,
        depth_mult,
        1e-3,
        dropout,
        stochastic_depth,
        num_classes,
        in_channels,
        expansion,
        kernel_size,
        se,
    )


@tan_2019(input_shape=(1, 3, 528, 528))
def efficientnet_b6(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    width_mult: WidthMult = 1.8,
    depth_mult: DepthMult = 2.6,
    expansion: Expansion = 6,
    kernel_size: KernelSize = "searched",
    se: bool = True,
    dropout: Dropout = 0.5,
    stochastic_depth: Dropout = 0.2,
) -> EfficientNet:
    """EfficientNet-B6."""
    return _scaled(
        width_mult,
        depth_mult,
        1e-3,
        dropout,
        stochastic_depth,
        num_classes,
        in_channels,
        expansion,
        kernel_size,
        se,
    )


@tan_2019(input_shape=(1, 3, 600, 600))
def efficientnet_b7(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    width_mult: WidthMult = 2.0,
    depth_mult: DepthMult = 3.1,
    expansion: Expansion = 6,
    kernel_size: KernelSize = "searched",
    se: bool = True,
    dropout: Dropout = 0.5,
    stochastic_depth: Dropout = 0.2,
) -> EfficientNet:
    """EfficientNet-B7."""
    return _scaled(
        width_mult,
        depth_mult,
        1e-3,
        dropout,
        stochastic_depth,
        num_classes,
        in_channels,
        expansion,
        kernel_size,
        se,
    )


@tan_2021(input_shape=(1, 3, 384, 384))
def efficientnet_v2_s(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    fused: bool = True,
    dropout: Dropout = 0.2,
    stochastic_depth: Dropout = 0.2,
) -> EfficientNet:
    """EfficientNetV2-S."""
    stages = _stages(V2_S, fused)
    return EfficientNet(stages, 24, 1280, 1e-3, dropout, stochastic_depth, num_classes, in_channels)


@tan_2021(input_shape=(1, 3, 480, 480))
def efficientnet_v2_m(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    fused: bool = True,
    dropout: Dropout = 0.3,
    stochastic_depth: Dropout = 0.2,
) -> EfficientNet:
    """EfficientNetV2-M."""
    stages = _stages(V2_M, fused)
    return EfficientNet(stages, 24, 1280, 1e-3, dropout, stochastic_depth, num_classes, in_channels)


@tan_2021(input_shape=(1, 3, 480, 480))
def efficientnet_v2_l(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    fused: bool = True,
    dropout: Dropout = 0.4,
    stochastic_depth: Dropout = 0.2,
) -> EfficientNet:
    """EfficientNetV2-L."""
    stages = _stages(V2_L, fused)
    return EfficientNet(stages, 32, 1280, 1e-3, dropout, stochastic_depth, num_classes, in_channels)
