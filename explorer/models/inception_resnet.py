"""Inception-ResNet: what the branches find is added to their input, as in a residual network.

Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning, Szegedy,
Ioffe, Vanhoucke, Alemi, AAAI 2017, arXiv:1602.07261. `inception_resnet_v1` is what Figures 10 to
15 draw there. `inception_resnet_v2` departs from the paper as the authors' code and timm do:
v3's stem and one more module replace v4's stem, there are twice as many blocks, of 320, 1088
and 2080 channels, the last of them has neither scale nor ReLU, and a 1x1 follows it.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Annotated

import torch
from torch import Tensor, nn

from explorer.models._layers import BasicConv2d, Branches
from explorer.models._registry import Bounds, Dropout, InChannels, NumClasses, Paper, register_model

Depths = Annotated[tuple[int, ...], Bounds(1, 40)]
# A branch is its convolutions: channels and window of each.
Branch = tuple[tuple[int, int | tuple[int, int]], ...]


def _branch(in_channels: int, convolutions: Branch, halve: bool = False) -> nn.Module:
    """Convolutions that keep the size of the map, or of which the last one halves it."""
    layers = []
    for number, (width, kernel_size) in enumerate(convolutions, start=1):
        if halve and number == len(convolutions):
            layers.append(BasicConv2d(in_channels, width, kernel_size, stride=2, padding="valid"))
        else:
            layers.append(BasicConv2d(in_channels, width, kernel_size))
        in_channels = width
    return layers[0] if len(layers) == 1 else nn.Sequential(*layers)


class ResidualInception(nn.Module):
    """Branches side by side, 1x1 back to the input's channels, scaled, plus the input, ReLU.

    Shape: (N, channels, H, W) -> (N, channels, H, W)
    """

    def __init__(
        self, channels: int, branches: tuple[Branch, ...], scale: float, relu: bool = True
    ) -> None:
        super().__init__()
        self.scale = scale
        self.branch_names = [f"branch{i}" for i in range(len(branches))]
        for name, convolutions in zip(self.branch_names, branches, strict=True):
            self.add_module(name, _branch(channels, convolutions))
        found = sum(convolutions[-1][0] for convolutions in branches)
        self.conv2d = nn.Conv2d(found, channels, kernel_size=1)
        self.relu = nn.ReLU() if relu else None

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(x + scale * F(x))."""
        out = torch.cat([self.get_submodule(name)(x) for name in self.branch_names], dim=1)
        out = x + self.scale * self.conv2d(out)
        return out if self.relu is None else self.relu(out)


class Mixed5b(Branches):
    """1x1; 1x1, 5x5; 1x1, 3x3, 3x3; pooling, 1x1: side by side.

    Shape: (N, 192, H, W) -> (N, 320, H, W)
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "branch0": BasicConv2d(192, 96, 1),
                "branch1": _branch(192, ((48, 1), (64, 5))),
                "branch2": _branch(192, ((64, 1), (96, 3), (96, 3))),
                "branch3": nn.Sequential(
                    nn.AvgPool2d(kernel_size=3, stride=1, padding=1, count_include_pad=False),
                    BasicConv2d(192, 64, 1),
                ),
            }
        )


class Reduction(Branches):
    """Branches whose last 3x3 has stride 2, and a pooling: side by side.

    Shape: (N, channels, H, W) -> (N, channels + the branches' together, H / 2, W / 2)
    """

    def __init__(self, channels: int, branches: tuple[Branch, ...]) -> None:
        super().__init__()
        for i, convolutions in enumerate(branches):
            self[f"branch{i}"] = _branch(channels, convolutions, halve=True)
        self[f"branch{len(branches)}"] = nn.MaxPool2d(kernel_size=3, stride=2)


class InceptionResNet(nn.Sequential):
    """Stem, A, B and C blocks with a reduction between them, global average, classifier.

    Shape: (N, in_channels, H, W) -> (N, num_classes)
    """

    def __init__(
        self,
        features: OrderedDict[str, nn.Module],
        channels: int,
        num_classes: int,
        dropout: float,
    ) -> None:
        super().__init__(features)
        self.global_pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.head_drop = nn.Dropout(dropout)
        self.classif = nn.Linear(channels, num_classes)


def _stem(in_channels: int) -> OrderedDict[str, nn.Module]:
    """3x3 stride 2, 3x3, 3x3, pool, 1x1, 3x3 (Figure 14 without its end)."""
    return OrderedDict(
        conv2d_1a=BasicConv2d(in_channels, 32, 3, stride=2, padding="valid"),
        conv2d_2a=BasicConv2d(32, 32, 3, padding="valid"),
        conv2d_2b=BasicConv2d(32, 64, 3),
        maxpool_3a=nn.MaxPool2d(kernel_size=3, stride=2),
        conv2d_3b=BasicConv2d(64, 80, 1),
        conv2d_4a=BasicConv2d(80, 192, 3, padding="valid"),  # (N, 192, 71, 71)
    )


def _repeat(depth: int, channels: int, branches: tuple[Branch, ...], scale: float) -> nn.Sequential:
    return nn.Sequential(*(ResidualInception(channels, branches, scale) for _ in range(depth)))


szegedy_2016 = register_model(
    family="Inception",
    year=2016,
    paper=Paper(
        authors="Szegedy, Ioffe, Vanhoucke, Alemi",
        title="Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning",
        venue="AAAI 2017",
        arxiv="1602.07261",
    ),
    idea="What the branches of an inception module find is added to their input, as in a residual "
    "network.",
    new=(
        "Each module ends in a 1x1 convolution without activation, whose result is added to the "
        "module's input.",
        "Residuals are scaled by 0.1 to 0.3 before the addition, which keeps wide networks stable.",
        "Training becomes much faster than that of the plain Inception of equal cost.",
    ),
    input_shape=(1, 3, 299, 299),
    min_size=(75, 75),
)


@szegedy_2016
def inception_resnet_v1(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (5, 10, 5),
    dropout: Dropout = 0.2,
) -> InceptionResNet:
    """Inception-ResNet v1."""
    a, b, c = depths
    features = _stem(in_channels)
    features["conv2d_4b"] = BasicConv2d(192, 256, 3, stride=2, padding="valid")
    block35 = (((32, 1),), ((32, 1), (32, 3)), ((32, 1), (32, 3), (32, 3)))
    features["repeat"] = _repeat(a, 256, block35, scale=0.17)
    features["mixed_6a"] = Reduction(256, (((384, 3),), ((192, 1), (192, 3), (256, 3))))
    block17 = (((128, 1),), ((128, 1), (128, (1, 7)), (128, (7, 1))))
    features["repeat_1"] = _repeat(b, 896, block17, scale=0.10)
    reduction = (((256, 1), (384, 3)), ((256, 1), (256, 3)), ((256, 1), (256, 3), (256, 3)))
    features["mixed_7a"] = Reduction(896, reduction)
    block8 = (((192, 1),), ((192, 1), (192, (1, 3)), (192, (3, 1))))
    features["repeat_2"] = _repeat(c, 1792, block8, scale=0.20)
    return InceptionResNet(features, 1792, num_classes, dropout)


@szegedy_2016
def inception_resnet_v2(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (10, 20, 10),
    dropout: Dropout = 0.2,
) -> InceptionResNet:
    """Inception-ResNet v2.

    As in the authors' code and timm, v3's stem and one more module replace v4's stem, there are
    twice as many blocks, the last of them has neither scale nor ReLU, and a 1x1 convolution
    follows it.
    """
    a, b, c = depths
    features = _stem(in_channels)
    features["maxpool_5a"] = nn.MaxPool2d(kernel_size=3, stride=2)
    features["mixed_5b"] = Mixed5b()
    block35 = (((32, 1),), ((32, 1), (32, 3)), ((32, 1), (48, 3), (64, 3)))
    features["repeat"] = _repeat(a, 320, block35, scale=0.17)
    features["mixed_6a"] = Reduction(320, (((384, 3),), ((256, 1), (256, 3), (384, 3))))
    block17 = (((192, 1),), ((128, 1), (160, (1, 7)), (192, (7, 1))))
    features["repeat_1"] = _repeat(b, 1088, block17, scale=0.10)
    reduction = (((256, 1), (384, 3)), ((256, 1), (288, 3)), ((256, 1), (288, 3), (320, 3)))
    features["mixed_7a"] = Reduction(1088, reduction)
    block8 = (((192, 1),), ((192, 1), (224, (1, 3)), (256, (3, 1))))
    features["repeat_2"] = _repeat(c - 1, 2080, block8, scale=0.20)
    features["block8"] = ResidualInception(2080, block8, scale=1.0, relu=False)
    features["conv2d_7b"] = BasicConv2d(2080, 1536, 1)
    return InceptionResNet(features, 1536, num_classes, dropout)
