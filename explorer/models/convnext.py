"""ConvNeXt: a ResNet rebuilt step by step with what vision transformers taught.

A ConvNet for the 2020s, Liu, Mao, Wu, Feichtenhofer, Darrell, Xie, CVPR 2022, arXiv:2201.03545.
Departs from the paper in nothing.

Options take its steps back one by one: `stem="7x7"` (section 2.2), `depthwise=False` (2.3),
`expansion` (2.4), `kernel_size` (2.5, which tries 3 to 11) and `norm="batch"` (2.6).
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from explorer.models._layers import StochasticDepth
from explorer.models._registry import Bounds, Dropout, InChannels, NumClasses, Paper, register_model

Depths = Annotated[tuple[int, ...], Bounds(1, 48)]
Widths = Annotated[tuple[int, ...], Bounds(8, 4096)]
KernelSize = Literal[3, 5, 7, 9, 11]
Expansion = Annotated[int, Bounds(1, 8)]
Norm = Literal["layer", "batch"]
Stem = Literal["patch", "7x7"]


class LayerNorm2d(nn.LayerNorm):
    """Normalize each pixel over its channels.

    Shape: (N, C, H, W) -> (N, C, H, W)
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return x normalized, the channels moved last and back."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Permute(nn.Module):
    """Reorder the dimensions.

    Shape: (N, C, H, W) -> (N, H, W, C), or back
    """

    def __init__(self, *dims: int) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        """Return x with its dimensions in the new order."""
        return x.permute(self.dims)


def _norm(option: Norm, width: int) -> nn.Module:
    """Return a normalization of maps."""
    return LayerNorm2d(width, eps=1e-6) if option == "layer" else nn.BatchNorm2d(width)


def _stem(option: Stem, in_channels: int, width: int, norm: Norm) -> nn.Sequential:
    """Return the patches and their normalization, or ResNet's 7x7, normalization, ReLU and pool."""
    if option == "patch":
        patches = nn.Conv2d(in_channels, width, kernel_size=4, stride=4)
        return nn.Sequential(patches, _norm(norm, width))
    return nn.Sequential(
        nn.Conv2d(in_channels, width, kernel_size=7, stride=2, padding=3),
        _norm(norm, width),
        nn.ReLU(),
        nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
    )


class CNBlock(nn.Module):
    """7x7 depthwise, LN, 1x1 to 4 times the width, GELU, 1x1 back, scaled, plus the shortcut.

    The 1x1s are linear layers over the channels, which stand last meanwhile.

    Shape: (N, width, H, W) -> (N, width, H, W)
    """

    def __init__(
        self,
        width: int,
        drop_rate: float,
        kernel_size: int = 7,
        expansion: int = 4,
        depthwise: bool = True,
        norm: Norm = "layer",
    ) -> None:
        super().__init__()
        groups = width if depthwise else 1
        self.block = nn.Sequential(
            nn.Conv2d(width, width, kernel_size, padding=kernel_size // 2, groups=groups),
            *([nn.BatchNorm2d(width)] if norm == "batch" else []),
            Permute(0, 2, 3, 1),
            *([nn.LayerNorm(width, eps=1e-6)] if norm == "layer" else []),
            nn.Linear(width, expansion * width),
            nn.GELU(),
            nn.Linear(expansion * width, width),
            Permute(0, 3, 1, 2),
        )
        self.layer_scale = nn.Parameter(torch.full((width, 1, 1), 1e-6))
        self.stochastic_depth = StochasticDepth(drop_rate)

    def forward(self, x: Tensor) -> Tensor:
        """Return x + layer_scale * F(x)."""
        return x + self.stochastic_depth(self.layer_scale * self.block(x))


class ConvNeXt(nn.Module):
    """4x4 patches, four stages with a 2x2 between them, global average, LN, classifier.

    Args:
        depths: blocks in each stage.
        widths: channels of each stage.
        stochastic_depth: rate of the last block; it grows from 0 in the first.
        num_classes: classes to tell apart.
        in_channels: channels of the image.
        kernel_size: of the blocks' first convolution.
        expansion: of their linear layers.
        depthwise: their first convolution leaves the channels apart.
        norm: of stem, blocks and what lies between stages.
        stem: from the image to the first stage.

    Shape: (N, in_channels, H, W) -> (N, num_classes)
    """

    def __init__(
        self,
        depths: tuple[int, ...],
        widths: tuple[int, ...],
        stochastic_depth: float,
        num_classes: int,
        in_channels: int,
        kernel_size: int,
        expansion: int,
        depthwise: bool,
        norm: Norm,
        stem: Stem,
    ) -> None:
        super().__init__()
        block = partial(
            CNBlock, kernel_size=kernel_size, expansion=expansion, depthwise=depthwise, norm=norm
        )
        self.features = nn.Sequential(_stem(stem, in_channels, widths[0], norm))
        number, last = 0, max(1, sum(depths) - 1)
        for stage, (depth, width) in enumerate(zip(depths, widths, strict=True)):
            if stage > 0:
                narrower = widths[stage - 1]
                downsample = nn.Conv2d(narrower, width, kernel_size=2, stride=2)
                self.features.append(nn.Sequential(_norm(norm, narrower), downsample))
            rates = [stochastic_depth * (number + i) / last for i in range(depth)]
            self.features.append(nn.Sequential(*(block(width, rate) for rate in rates)))
            number += depth
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            LayerNorm2d(widths[-1], eps=1e-6), nn.Flatten(), nn.Linear(widths[-1], num_classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        x = self.features(x)  # (N, widths[-1], H / 32, W / 32)
        return self.classifier(self.avgpool(x))


liu_2022 = register_model(
    family="ConvNeXt",
    year=2022,
    paper=Paper(
        authors="Liu, Mao, Wu, Feichtenhofer, Darrell, Xie",
        title="A ConvNet for the 2020s",
        venue="CVPR 2022",
        arxiv="2201.03545",
    ),
    idea="A ResNet, rebuilt step by step with what vision transformers taught, is as good as they "
    "are.",
    new=(
        "Depthwise 7x7 convolutions do what windows of attention do.",
        "Blocks are wide inside and narrow outside, with one activation (GELU) and one "
        "normalization (LayerNorm) each.",
        "Resolution changes in layers of its own, and the image enters in patches of 4x4.",
    ),
    min_size=(32, 32),
)


@liu_2022
def convnext_tiny(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 3, 9, 3),
    widths: Widths = (96, 192, 384, 768),
    kernel_size: KernelSize = 7,
    expansion: Expansion = 4,
    depthwise: bool = True,
    norm: Norm = "layer",
    stem: Stem = "patch",
    stochastic_depth: Dropout = 0.1,
) -> ConvNeXt:
    """ConvNeXt-T."""
    return ConvNeXt(
        depths,
        widths,
        stochastic_depth,
        num_classes,
        in_channels,
        kernel_size,
        expansion,
        depthwise,
        norm,
        stem,
    )


@liu_2022
def convnext_small(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 3, 27, 3),
    widths: Widths = (96, 192, 384, 768),
    kernel_size: KernelSize = 7,
    expansion: Expansion = 4,
    depthwise: bool = True,
    norm: Norm = "layer",
    stem: Stem = "patch",
    stochastic_depth: Dropout = 0.4,
) -> ConvNeXt:
    """ConvNeXt-S."""
    return ConvNeXt(
        depths,
        widths,
        stochastic_depth,
        num_classes,
        in_channels,
        kernel_size,
        expansion,
        depthwise,
        norm,
        stem,
    )


@liu_2022
def convnext_base(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 3, 27, 3),
    widths: Widths = (128, 256, 512, 1024),
    kernel_size: KernelSize = 7,
    expansion: Expansion = 4,
    depthwise: bool = True,
    norm: Norm = "layer",
    stem: Stem = "patch",
    stochastic_depth: Dropout = 0.5,
) -> ConvNeXt:
    """ConvNeXt-B."""
    return ConvNeXt(
        depths,
        widths,
        stochastic_depth,
        num_classes,
        in_channels,
        kernel_size,
        expansion,
        depthwise,
        norm,
        stem,
    )


@liu_2022
def convnext_large(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 3, 27, 3),
    widths: Widths = (192, 384, 768, 1536),
    kernel_size: KernelSize = 7,
    expansion: Expansion = 4,
    depthwise: bool = True,
    norm: Norm = "layer",
    stem: Stem = "patch",
    stochastic_depth: Dropout = 0.5,
) -> ConvNeXt:
    """ConvNeXt-L."""
    return ConvNeXt(
        depths,
        widths,
        stochastic_depth,
        num_classes,
        in_channels,
        kernel_size,
        expansion,
        depthwise,
        norm,
        stem,
    )


@liu_2022
def convnext_xlarge(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 3, 27, 3),
    widths: Widths = (256, 512, 1024, 2048),
    kernel_size: KernelSize = 7,
    expansion: Expansion = 4,
    depthwise: bool = True,
    norm: Norm = "layer",
    stem: Stem = "patch",
    stochastic_depth: Dropout = 0.5,
) -> ConvNeXt:
    """ConvNeXt-XL."""
    return ConvNeXt(
        depths,
        widths,
        stochastic_depth,
        num_classes,
        in_channels,
        kernel_size,
        expansion,
        depthwise,
        norm,
        stem,
    )
