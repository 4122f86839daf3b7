"""MnasNet-A1: the network that the search finds when blocks may weight their channels.

MnasNet: Platform-Aware Neural Architecture Search for Mobile, Tan, Chen, Pang, Vasudevan,
Sandler, Howard, Le, CVPR 2019, arXiv:1807.11626, Figure 7. Departs from the paper in nothing.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn

from explorer.models._layers import make_divisible
from explorer.models._registry import Bounds, Dropout, InChannels, NumClasses, Paper, register_model

WidthMult = Annotated[float, Bounds(0.1, 2)]

# Expansion, kernel, width, blocks, stride and squeeze-and-excitation of each stage.
STAGES = (
    (1, 3, 16, 1, 1, False),
    (6, 3, 24, 2, 2, False),
    (3, 5, 40, 3, 2, True),
    (6, 3, 80, 4, 2, False),
    (6, 3, 112, 2, 1, True),
    (6, 5, 160, 3, 2, True),
    (6, 3, 320, 1, 1, False),
)


class SqueezeExcite(nn.Module):
    """Global average, 1x1 reduce, ReLU, 1x1 expand, sigmoid: a weight for each channel.

    Shape: (N, channels, H, W) -> (N, channels, H, W)
    """

    def __init__(self, channels: int, squeeze_channels: int) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.conv_reduce = nn.Conv2d(channels, squeeze_channels, kernel_size=1)
        self.act1 = nn.ReLU(inplace=True)
        self.conv_expand = nn.Conv2d(squeeze_channels, channels, kernel_size=1)
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Return x, each channel times its weight between 0 and 1."""
        squeezed = self.act1(self.conv_reduce(self.avgpool(x)))
        return x * self.gate(self.conv_expand(squeezed))


class SeparableConv(nn.Module):
    """3x3 depthwise, BN, ReLU, 1x1, BN.

    Shape: (N, in_channels, H, W) -> (N, out_channels, H, W)
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv_dw = nn.Conv2d(
            in_channels, in_channels, kernel_size=3, padding=1, groups=in_channels, bias=False
        )
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.act1 = nn.ReLU(inplace=True)
        self.conv_pw = nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Filter each channel alone, then mix the channels pixel by pixel."""
        x = self.act1(self.bn1(self.conv_dw(x)))
        return self.bn2(self.conv_pw(x))


class InvertedResidual(nn.Module):
    """1x1 expand, depthwise, squeeze-and-excitation, 1x1 project, plus the shortcut.

    The squeeze has a quarter of the block's input channels. Where the shape changes there is no
    shortcut.

    Shape: (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int,
        expansion: int,
        squeeze: bool,
    ) -> None:
        super().__init__()
        inner = in_channels * expansion
        self.residual = stride == 1 and in_channels == out_channels
        self.conv_pw = nn.Conv2d(in_channels, inner, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.act1 = nn.ReLU(inplace=True)
        self.conv_dw = nn.Conv2d(
            inner,
            inner,
            kernel_size,
            stride=stride,
            padding=kernel_size // 2,
            groups=inner,
            bias=False,
        )
        self.bn2 = nn.BatchNorm2d(inner)
        self.act2 = nn.ReLU(inplace=True)
        self.se = SqueezeExcite(inner, in_channels // 4) if squeeze else None
        self.conv_pwl = nn.Conv2d(inner, out_channels, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return x + F(x), or F(x) where the shape changes."""
        out = self.act1(self.bn1(self.conv_pw(x)))
        out = self.act2(self.bn2(self.conv_dw(out)))
        if self.se is not None:
            out = self.se(out)
        out = self.bn3(self.conv_pwl(out))
        return x + out if self.residual else out


class MnasNetA1(nn.Module):
    """3x3 stride 2, a separable 3x3, six stages of blocks, 1x1, global average, classifier.

    Shape: (N, in_channels, H, W) -> (N, num_classes)
    """

    def __init__(
        self, width_mult: float, num_classes: int, in_channels: int, dropout: float
    ) -> None:
        super().__init__()
        channels = make_divisible(32 * width_mult)
        self.conv_stem = nn.Conv2d(
            in_channels, channels, kernel_size=3, stride=2, padding=1, bias=False
        )
        self.bn1 = nn.BatchNorm2d(channels)
        self.act1 = nn.ReLU(inplace=True)
        self.blocks = nn.Sequential()
        for expansion, kernel_size, base_width, depth, first_stride, squeeze in STAGES:
            width = make_divisible(base_width * width_mult)
            stage = nn.Sequential()
            for position in range(depth):
                stride = first_stride if position == 0 else 1
                stage.append(
                    SeparableConv(channels, width)
                    if expansion == 1
                    else InvertedResidual(channels, width, kernel_size, stride, expansion, squeeze)
                )
                channels = width
            self.blocks.append(stage)
        self.conv_head = nn.Conv2d(channels, 1280, kernel_size=1, bias=False)
        self.bn2 = nn.BatchNorm2d(1280)
        self.act2 = nn.ReLU(inplace=True)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(1280, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        x = self.act1(self.bn1(self.conv_stem(x)))  # (N, 32, H / 2, W / 2) at width 1
        x = self.act2(self.bn2(self.conv_head(self.blocks(x))))  # (N, 1280, H / 32, W / 32)
        return self.classifier(self.dropout(self.flatten(self.avgpool(x))))


tan_2018 = register_model(
    family="MnasNet",
    year=2018,
    paper=Paper(
        authors="Tan, Chen, Pang, Vasudevan, Sandler, Howard, Le",
        title="MnasNet: Platform-Aware Neural Architecture Search for Mobile",
        venue="CVPR 2019",
        arxiv="1807.11626",
    ),
    idea="The network that the search finds when blocks may weight their channels.",
    new=(
        "The search's reward joins accuracy and latency measured on a phone.",
        "Squeeze-and-excitation is one of the choices of each stage.",
        "A1 has 3x3 and 5x5 windows, expansions of 3 and 6, and gates in three of its stages.",
    ),
)


@tan_2018
def semnasnet_100(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    width_mult: WidthMult = 1.0,
    dropout: Dropout = 0.2,
) -> MnasNetA1:
    """MnasNet-A1 (squeeze-and-excitation)."""
    return MnasNetA1(width_mult, num_classes, in_channels, dropout)
