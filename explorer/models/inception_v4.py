"""Inception v4: one uniform design for every grid, without the residue of earlier versions.

Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning, Szegedy,
Ioffe, Vanhoucke, Alemi, AAAI 2017, arXiv:1602.07261: Figures 3 to 9. Departs from the paper in
nothing but the order of one-sided windows (1x7 and 7x1, 1x3 and 3x1), which is timm's.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from explorer.models._layers import BasicConv2d, Branches
from explorer.models._registry import Bounds, Dropout, InChannels, NumClasses, Paper, register_model

Depths = Annotated[tuple[int, ...], Bounds(1, 20)]


def _average_pool() -> nn.AvgPool2d:
    """3x3 that keeps the map's size and divides by the pixels that are in the map."""
    return nn.AvgPool2d(kernel_size=3, stride=1, padding=1, count_include_pad=False)


class Mixed3a(Branches):
    """Pooling; 3x3: side by side, both with stride 2.

    Shape: (N, 64, H, W) -> (N, 160, H / 2, W / 2)
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "maxpool": nn.MaxPool2d(kernel_size=3, stride=2),
                "conv": BasicConv2d(64, 96, 3, stride=2, padding="valid"),
            }
        )


class Mixed4a(Branches):
    """1x1, 3x3; 1x1, 1x7, 7x1, 3x3: side by side.

    Shape: (N, 160, H, W) -> (N, 192, H - 2, W - 2)
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "branch0": nn.Sequential(
                    BasicConv2d(160, 64, 1), BasicConv2d(64, 96, 3, padding="valid")
                ),
                "branch1": nn.Sequential(
                    BasicConv2d(160, 64, 1),
                    BasicConv2d(64, 64, (1, 7)),
                    BasicConv2d(64, 64, (7, 1)),
                    BasicConv2d(64, 96, 3, padding="valid"),
                ),
            }
        )


class Mixed5a(Branches):
    """3x3; pooling: side by side, both with stride 2.

    Shape: (N, 192, H, W) -> (N, 384, H / 2, W / 2)
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "conv": BasicConv2d(192, 192, 3, stride=2, padding="valid"),
                "maxpool": nn.MaxPool2d(kernel_size=3, stride=2),
            }
        )


class InceptionA(Branches):
    """1x1; 1x1, 3x3; 1x1, 3x3, 3x3; pooling, 1x1: side by side (Figure 4).

    Shape: (N, 384, H, W) -> (N, 384, H, W)
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "branch0": BasicConv2d(384, 96, 1),
                "branch1": nn.Sequential(BasicConv2d(384, 64, 1), BasicConv2d(64, 96, 3)),
                "branch2": nn.Sequential(
                    BasicConv2d(384, 64, 1), BasicConv2d(64, 96, 3), BasicConv2d(96, 96, 3)
                ),
                "branch3": nn.Sequential(_average_pool(), BasicConv2d(384, 96, 1)),
            }
        )


class ReductionA(Branches):
    """3x3; 1x1, 3x3, 3x3; pooling: side by side, the last of each with stride 2 (Figure 7).

    Shape: (N, 384, H, W) -> (N, 1024, H / 2, W / 2)
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "branch0": BasicConv2d(384, 384, 3, stride=2, padding="valid"),
                "branch1": nn.Sequential(
                    BasicConv2d(384, 192, 1),
                    BasicConv2d(192, 224, 3),
                    BasicConv2d(224, 256, 3, stride=2, padding="valid"),
                ),
                "branch2": nn.MaxPool2d(kernel_size=3, stride=2),
            }
        )


class InceptionB(Branches):
    """1x1; 1x1, 1x7, 7x1; the same twice; pooling, 1x1: side by side (Figure 5).

    Shape: (N, 1024, H, W) -> (N, 1024, H, W)
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "branch0": BasicConv2d(1024, 384, 1),
                "branch1": nn.Sequential(
                    BasicConv2d(1024, 192, 1),
                    BasicConv2d(192, 224, (1, 7)),
                    BasicConv2d(224, 256, (7, 1)),
                ),
                "branch2": nn.Sequential(
                    BasicConv2d(1024, 192, 1),
                    BasicConv2d(192, 192, (7, 1)),
                    BasicConv2d(192, 224, (1, 7)),
                    BasicConv2d(224, 224, (7, 1)),
                    BasicConv2d(224, 256, (1, 7)),
                ),
                "branch3": nn.Sequential(_average_pool(), BasicConv2d(1024, 128, 1)),
            }
        )


class ReductionB(Branches):
    """1x1, 3x3; 1x1, 1x7, 7x1, 3x3; pooling: side by side, the last with stride 2 (Figure 8).

    Shape: (N, 1024, H, W) -> (N, 1536, H / 2, W / 2)
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "branch0": nn.Sequential(
                    BasicConv2d(1024, 192, 1), BasicConv2d(192, 192, 3, stride=2, padding="valid")
                ),
                "branch1": nn.Sequential(
                    BasicConv2d(1024, 256, 1),
                    BasicConv2d(256, 256, (1, 7)),
                    BasicConv2d(256, 320, (7, 1)),
                    BasicConv2d(320, 320, 3, stride=2, padding="valid"),
                ),
                "branch2": nn.MaxPool2d(kernel_size=3, stride=2),
            }
        )


class InceptionC(nn.Module):
    """1x1; 1x1, then 1x3 and 3x1; 1x1, 3x1, 1x3, then both again; pooling, 1x1 (Figure 6).

    Shape: (N, 1536, H, W) -> (N, 1536, H, W)
    """

    def __init__(self) -> None:
        super().__init__()
        self.branch0 = BasicConv2d(1536, 256, 1)
        self.branch1_0 = BasicConv2d(1536, 384, 1)
        self.branch1_1a = BasicConv2d(384, 256, (1, 3))
        self.branch1_1b = BasicConv2d(384, 256, (3, 1))
        self.branch2_0 = BasicConv2d(1536, 384, 1)
        self.branch2_1 = BasicConv2d(384, 448, (3, 1))
        self.branch2_2 = BasicConv2d(448, 512, (1, 3))
        self.branch2_3a = BasicConv2d(512, 256, (1, 3))
        self.branch2_3b = BasicConv2d(512, 256, (3, 1))
        self.branch3 = nn.Sequential(_average_pool(), BasicConv2d(1536, 256, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return the maps of the four branches, two of which fork at their end."""
        x1 = self.branch1_0(x)
        x1 = torch.cat([self.branch1_1a(x1), self.branch1_1b(x1)], dim=1)
        x2 = self.branch2_2(self.branch2_1(self.branch2_0(x)))
        x2 = torch.cat([self.branch2_3a(x2), self.branch2_3b(x2)], dim=1)
        return torch.cat([self.branch0(x), x1, x2, self.branch3(x)], dim=1)


class InceptionV4(nn.Module):
    """Stem, then A, B and C modules with a reduction between them, average, classifier.

    Args:
        depths: A, B and C modules (Figure 9).
        num_classes: classes to tell apart.
        in_channels: channels of the image.
        dropout: share of the features that is dropped before the classifier.

    Shape: (N, in_channels, H, W) -> (N, num_classes)
    """

    def __init__(
        self, depths: tuple[int, ...], num_classes: int, in_channels: int, dropout: float
    ) -> None:
        super().__init__()
        a, b, c = depths
        self.features = nn.Sequential(
            BasicConv2d(in_channels, 32, 3, stride=2, padding="valid"),
            BasicConv2d(32, 32, 3, padding="valid"),
            BasicConv2d(32, 64, 3),
            Mixed3a(),
            Mixed4a(),
            Mixed5a(),  # (N, 384, 35, 35)
            *(InceptionA() for _ in range(a)),
            ReductionA(),  # (N, 1024, 17, 17)
            *(InceptionB() for _ in range(b)),
            ReductionB(),  # (N, 1536, 8, 8)
            *(InceptionC() for _ in range(c)),
        )
        self.global_pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.head_drop = nn.Dropout(dropout)
        self.last_linear = nn.Linear(1536, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        x = self.flatten(self.global_pool(self.features(x)))
        return self.last_linear(self.head_drop(x))


@register_model(
    family="Inception",
    year=2016,
    paper=Paper(
        authors="Szegedy, Ioffe, Vanhoucke, Alemi",
        title="Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning",
        venue="AAAI 2017",
        arxiv="1602.07261",
    ),
    idea="One uniform design for every grid, without the residue of earlier versions.",
    new=(
        "The stem itself divides into branches and joins them again, three times.",
        "Each grid has one kind of module, repeated, and a reduction of its own.",
        "It shows that a network without residual connections can be as good as one with them.",
    ),
    departs="One-sided windows follow each other in timm's order (1x7 and 7x1, 1x3 and 3x1).",
    input_shape=(1, 3, 299, 299),
    min_size=(75, 75),
)
def inception_v4(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (4, 7, 3),
    dropout: Dropout = 0.2,
) -> InceptionV4:
    """Inception v4."""
    return InceptionV4(depths, num_classes, in_channels, dropout)
