"""DenseNet: every layer reads the feature maps of all layers before it in its block.

Densely Connected Convolutional Networks, Huang, Liu, van der Maaten, Weinberger, CVPR 2017,
arXiv:1608.06993. Departs from the paper in nothing. A block keeps one growing tensor: as each
layer appends its k maps, that tensor is the [x0, x1, ..., xl] which equation 2 concatenates.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from math import ceil
from typing import Annotated

import torch
from torch import Tensor, nn

from explorer.errors import OptionError
from explorer.models._registry import Bounds, Dropout, InChannels, NumClasses, Paper, register_model

Depths = Annotated[tuple[int, ...], Bounds(1, 64)]
GrowthRate = Annotated[int, Bounds(4, 64)]
Compression = Annotated[float, Bounds(0.1, 1)]


class DenseLayer(nn.Sequential):
    """BN, ReLU, 1x1 to 4k channels, BN, ReLU, 3x3 to k; only the last half without bottleneck.

    Shape: (N, in_channels, H, W) -> (N, growth_rate, H, W)
    """

    def __init__(
        self, in_channels: int, growth_rate: int, bottleneck: bool, dropout: float
    ) -> None:
        super().__init__()
        k = growth_rate
        convolutions = (
            [(in_channels, 4 * k, 1), (4 * k, k, 3)] if bottleneck else [(in_channels, k, 3)]
        )
        for number, (channels, out_channels, size) in enumerate(convolutions, start=1):
            conv = nn.Conv2d(
                channels, out_channels, kernel_size=size, padding=size // 2, bias=False
            )
            self.add_module(f"norm{number}", nn.BatchNorm2d(channels))
            self.add_module(f"relu{number}", nn.ReLU(inplace=True))
            self.add_module(f"conv{number}", conv)
            if dropout:
                self.add_module(f"dropout{number}", nn.Dropout(dropout))


class DenseBlock(nn.ModuleDict):
    """Layers whose k maps are each appended to everything before them.

    Shape: (N, in_channels, H, W) -> (N, in_channels + depth * growth_rate, H, W)
    """

    def __init__(
        self, depth: int, in_channels: int, growth_rate: int, bottleneck: bool, dropout: float
    ) -> None:
        super().__init__()
        for i in range(depth):
            channels = in_channels + i * growth_rate
            self[f"denselayer{i + 1}"] = DenseLayer(channels, growth_rate, bottleneck, dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return [x, f1(x), f2([x, f1(x)]), ...]."""
        for layer in self.values():
            x = torch.cat([x, layer(x)], dim=1)
        return x


class Transition(nn.Sequential):
    """BN, ReLU, 1x1 that keeps the compression's share of the channels, 2x2 average pooling.

    Shape: (N, in_channels, H, W) -> (N, out_channels, H / 2, W / 2)
    """

    def __init__(self, in_channels: int, out_channels: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(in_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False)
        if dropout:
            self.dropout = nn.Dropout(dropout)
        self.pool = nn.AvgPool2d(kernel_size=2, stride=2)


def _imagenet_stem(in_channels: int, width: int) -> OrderedDict[str, nn.Module]:
    """7x7 stride 2, BN, ReLU, 3x3 pooling stride 2 (Table 1)."""
    return OrderedDict(
        conv0=nn.Conv2d(in_channels, width, kernel_size=7, stride=2, padding=3, bias=False),
        norm0=nn.BatchNorm2d(width),
        relu0=nn.ReLU(inplace=True),
        pool0=nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
    )


def _cifar_stem(in_channels: int, width: int) -> OrderedDict[str, nn.Module]:
    """3x3 (section 3, implementation details)."""
    return OrderedDict(conv0=nn.Conv2d(in_channels, width, kernel_size=3, padding=1, bias=False))


class DenseNet(nn.Module):
    """Stem, dense blocks with transitions between them, BN, ReLU, global average, classifier.

    Shape: (N, in_channels, H, W) -> (N, num_classes)
    """

    def __init__(
        self,
        stem: OrderedDict[str, nn.Module],
        stem_width: int,
        depths: tuple[int, ...],
        growth_rate: int,
        compression: float,
        bottleneck: bool,
        dropout: float,
        num_classes: int,
    ) -> None:
        super().__init__()
        self.features = nn.Sequential(stem)
        channels = stem_width
        for number, depth in enumerate(depths, start=1):
            if number > 1:
                kept = int(channels * compression)
                if kept == 0:
                    raise OptionError(
                        f"compression={compression} leaves no channel of the {channels} after "
                        f"dense block {number - 1}; {ceil(100 / channels) / 100} would leave one.",
                        "compression",
                    )
                self.features.add_module(
                    f"transition{number - 1}", Transition(channels, kept, dropout)
                )
                channels = kept
            block = DenseBlock(depth, channels, growth_rate, bottleneck, dropout)
            self.features.add_module(f"denseblock{number}", block)
            channels += depth * growth_rate
        self.features.add_module(f"norm{len(depths) + 1}", nn.BatchNorm2d(channels))
        self.relu = nn.ReLU(inplace=True)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        x = self.relu(self.features(x))
        return self.classifier(self.flatten(self.avgpool(x)))


huang_2016 = partial(
    register_model,
    family="DenseNet",
    year=2016,
    paper=Paper(
        authors="Huang, Liu, van der Maaten, Weinberger",
        title="Densely Connected Convolutional Networks",
        venue="CVPR 2017",
        arxiv="1608.06993",
    ),
    idea="Every layer reads the feature maps of all layers before it in its block.",
    new=(
        "Maps are concatenated, not added: a block of L layers has L(L+1)/2 connections.",
        "A layer adds only a few maps, its growth rate, because it need not learn again what "
        "others already know.",
        "Transitions between blocks halve the resolution and, in DenseNet-BC, the channels.",
    ),
)
imagenet = huang_2016(min_size=(29, 29))
cifar = huang_2016(input_shape=(1, 3, 32, 32), min_size=(4, 4))


@imagenet
def densenet121(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (6, 12, 24, 16),
    growth_rate: GrowthRate = 32,
    compression: Compression = 0.5,
    bottleneck: bool = True,
    dropout: Dropout = 0.0,
) -> DenseNet:
    """DenseNet-121."""
    stem = _imagenet_stem(in_channels, 2 * growth_rate)
    return DenseNet(
        stem, 2 * growth_rate, depths, growth_rate, compression, bottleneck, dropout, num_classes
    )


@imagenet
def densenet161(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (6, 12, 36, 24),
    growth_rate: GrowthRate = 48,
    compression: Compression = 0.5,
    bottleneck: bool = True,
    dropout: Dropout = 0.0,
) -> DenseNet:
    """DenseNet-161."""
    stem = _imagenet_stem(in_channels, 2 * growth_rate)
    return DenseNet(
        stem, 2 * growth_rate, depths, growth_rate, compression, bottleneck, dropout, num_classes
    )


@imagenet
def densenet169(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (6, 12, 32, 32),
    growth_rate: GrowthRate = 32,
    compression: Compression = 0.5,
    bottleneck: bool = True,
    dropout: Dropout = 0.0,
) -> DenseNet:
    """DenseNet-169."""
    stem = _imagenet_stem(in_channels, 2 * growth_rate)
    return DenseNet(
        stem, 2 * growth_rate, depths, growth_rate, compression, bottleneck, dropout, num_classes
    )


@imagenet
def densenet201(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (6, 12, 48, 32),
    growth_rate: GrowthRate = 32,
    compression: Compression = 0.5,
    bottleneck: bool = True,
    dropout: Dropout = 0.0,
) -> DenseNet:
    """DenseNet-201."""
    stem = _imagenet_stem(in_channels, 2 * growth_rate)
    return DenseNet(
        stem, 2 * growth_rate, depths, growth_rate, compression, bottleneck, dropout, num_classes
    )


@imagenet
def densenet264(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (6, 12, 64, 48),
    growth_rate: GrowthRate = 32,
    compression: Compression = 0.5,
    bottleneck: bool = True,
    dropout: Dropout = 0.0,
) -> DenseNet:
    """DenseNet-264.

    The blocks of Table 1 have 265 layers with weights, one more than the name says.
    """
    stem = _imagenet_stem(in_channels, 2 * growth_rate)
    return DenseNet(
        stem, 2 * growth_rate, depths, growth_rate, compression, bottleneck, dropout, num_classes
    )


@cifar
def densenet40_k12(
    num_classes: NumClasses = 10,
    in_channels: InChannels = 3,
    depths: Depths = (12, 12, 12),
    growth_rate: GrowthRate = 12,
    compression: Compression = 1.0,
    bottleneck: bool = False,
    dropout: Dropout = 0.0,
) -> DenseNet:
    """DenseNet-40 (k=12, CIFAR)."""
    stem = _cifar_stem(in_channels, 16)
    return DenseNet(stem, 16, depths, growth_rate, compression, bottleneck, dropout, num_classes)


@cifar
def densenet100_k12(
    num_classes: NumClasses = 10,
    in_channels: InChannels = 3,
    depths: Depths = (32, 32, 32),
    growth_rate: GrowthRate = 12,
    compression: Compression = 1.0,
    bottleneck: bool = False,
    dropout: Dropout = 0.0,
) -> DenseNet:
    """DenseNet-100 (k=12, CIFAR)."""
    stem = _cifar_stem(in_channels, 16)
    return DenseNet(stem, 16, depths, growth_rate, compression, bottleneck, dropout, num_classes)


@cifar
def densenet100_k12_bc(
    num_classes: NumClasses = 10,
    in_channels: InChannels = 3,
    depths: Depths = (16, 16, 16),
    growth_rate: GrowthRate = 12,
    compression: Compression = 0.5,
    bottleneck: bool = True,
    dropout: Dropout = 0.0,
) -> DenseNet:
    """DenseNet-BC-100 (k=12, CIFAR)."""
    stem = _cifar_stem(in_channels, 2 * growth_rate)
    return DenseNet(
        stem, 2 * growth_rate, depths, growth_rate, compression, bottleneck, dropout, num_classes
    )
