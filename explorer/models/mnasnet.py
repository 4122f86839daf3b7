"""MnasNet: blocks chosen by a search that measures latency on a real phone.

MnasNet: Platform-Aware Neural Architecture Search for Mobile, Tan, Chen, Pang, Vasudevan,
Sandler, Howard, Le, CVPR 2019, arXiv:1807.11626. These are B1, found without
squeeze-and-excitation, at four widths; A1, found with it, is `semnasnet_100`. Departs from the
paper in nothing. The option `kernel_size` puts one size in place of those that the search found.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from torch import Tensor, nn

from explorer.models._layers import make_divisible
from explorer.models._registry import Bounds, Dropout, InChannels, NumClasses, Paper, register_model

WidthMult = Annotated[float, Bounds(0.1, 2)]
KernelSize = Literal["searched", "3", "5", "7"]

norm = partial(nn.BatchNorm2d, momentum=3e-4)
# Expansion, kernel, width, blocks and stride of each stage after the first.
STAGES = (
    (3, 3, 24, 3, 2),
    (3, 5, 40, 3, 2),
    (6, 5, 80, 3, 2),
    (6, 3, 96, 2, 1),
    (6, 5, 192, 4, 2),
    (6, 3, 320, 1, 1),
)


def _depthwise(channels: int, kernel_size: int, stride: int) -> list[nn.Module]:
    """Depthwise convolution, BN, ReLU."""
    conv = nn.Conv2d(
        channels,
        channels,
        kernel_size,
        stride=stride,
        padding=kernel_size // 2,
        groups=channels,
        bias=False,
    )
    return [conv, norm(channels), nn.ReLU(inplace=True)]


def _pointwise(in_channels: int, out_channels: int, linear: bool = False) -> list[nn.Module]:
    """1x1, BN, and ReLU unless linear."""
    conv = nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False)
    return [conv, norm(out_channels), *([] if linear else [nn.ReLU(inplace=True)])]


class InvertedResidual(nn.Module):
    """1x1 expand, depthwise, 1x1 project without ReLU, plus the shortcut.

    Where the shape changes there is no shortcut.

    Shape: (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride)
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        inner = in_channels * expansion
        self.residual = stride == 1 and in_channels == out_channels
        self.layers = nn.Sequential(
            *_pointwise(in_channels, inner),
            *_depthwise(inner, kernel_size, stride),
            *_pointwise(inner, out_channels, linear=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return x + F(x), or F(x) where the shape changes."""
        return x + self.layers(x) if self.residual else self.layers(x)


class MnasNet(nn.Module):
    """3x3 stride 2, a separable 3x3, six stages of blocks, 1x1, global average, classifier.

    Shape: (N, in_channels, H, W) -> (N, num_classes)
    """

    def __init__(
        self,
        width_mult: float,
        num_classes: int,
        in_channels: int,
        dropout: float,
        kernel_size: KernelSize,
    ) -> None:
        super().__init__()
        stem, channels = make_divisible(32 * width_mult), make_divisible(16 * width_mult)
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, stem, kernel_size=3, stride=2, padding=1, bias=False),
            norm(stem),
            nn.ReLU(inplace=True),
            *_depthwise(stem, kernel_size=3, stride=1),
            *_pointwise(stem, channels, linear=True),
        )
        for expansion, searched, base_width, depth, stride in STAGES:
            width = make_divisible(base_width * width_mult)
            size = searched if kernel_size == "searched" else int(kernel_size)
            blocks = [InvertedResidual(channels, width, size, stride, expansion)]
            blocks += [InvertedResidual(width, width, size, 1, expansion) for _ in range(depth - 1)]
            self.layers.append(nn.Sequential(*blocks))
            channels = width
        self.layers.extend(_pointwise(channels, 1280))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(1280, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        x = self.layers(x)  # (N, 1280, H / 32, W / 32)
        return self.classifier(self.flatten(self.avgpool(x)))


tan_2018 = register_model(
    family="MnasNet",
    year=2018,
    paper=Paper(
        authors="Tan, Chen, Pang, Vasudevan, Sandler, Howard, Le",
        title="MnasNet: Platform-Aware Neural Architecture Search for Mobile",
        venue="CVPR 2019",
        arxiv="1807.11626",
    ),
    idea="Blocks chosen by a search that measures the latency on a real phone.",
    new=(
        "The search's reward joins accuracy and measured latency, not operations.",
        "Each stage may have a block of its own: kernel, expansion, depth and shortcut are "
        "searched by stage.",
        "5x5 depthwise convolutions come back, because they cost a phone less than they seem to.",
    ),
)


@tan_2018
def mnasnet0_5(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    width_mult: WidthMult = 0.5,
    kernel_size: KernelSize = "searched",
    dropout: Dropout = 0.2,
) -> MnasNet:
    """MnasNet-B1 (width 0.5)."""
    return MnasNet(width_mult, num_classes, in_channels, dropout, kernel_size)


@tan_2018
def mnasnet0_75(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    width_mult: WidthMult = 0.75,
    kernel_size: KernelSize = "searched",
    dropout: Dropout = 0.2,
) -> MnasNet:
    """MnasNet-B1 (width 0.75)."""
    return MnasNet(width_mult, num_classes, in_channels, dropout, kernel_size)


@tan_2018
def mnasnet1_0(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    width_mult: WidthMult = 1.0,
    kernel_size: KernelSize = "searched",
    dropout: Dropout = 0.2,
) -> MnasNet:
    """MnasNet-B1."""
    return MnasNet(width_mult, num_classes, in_channels, dropout, kernel_size)


@tan_2018
def mnasnet1_3(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    width_mult: WidthMult = 1.3,
    kernel_size: KernelSize = "searched",
    dropout: Dropout = 0.2,
) -> MnasNet:
    """MnasNet-B1 (width 1.3)."""
    return MnasNet(width_mult, num_classes, in_channels, dropout, kernel_size)
