"""Inception v3: large windows factored into small and one-sided ones, and maps halved with care.

Rethinking the Inception Architecture for Computer Vision, Szegedy, Vanhoucke, Ioffe, Shlens,
Wojna, CVPR 2016, arXiv:1512.00567. Departs from the paper as the authors' code and torchvision
do: a 1x1, a 3x3 and a pooling stand for the fifth to seventh layer of Table 1, the modules on
the first grid have a 5x5 where Figure 5 has a single 3x3, and there is one module fewer on the
second grid.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from explorer.models._layers import BasicConv2d
from explorer.models._registry import Dropout, InChannels, NumClasses, Paper, register_model


class InceptionOutputs(NamedTuple):
    """What a network with an auxiliary head returns in training."""

    logits: Tensor
    aux_logits: Tensor


class InceptionA(nn.Module):
    """1x1; 1x1, 5x5; 1x1, 3x3, 3x3; average pooling, 1x1: side by side (Figure 5).

    Shape: (N, in_channels, H, W) -> (N, 224 + pool_features, H, W)
    """

    def __init__(self, in_channels: int, pool_features: int) -> None:
        super().__init__()
        self.branch1x1 = BasicConv2d(in_channels, 64, 1)
        self.branch5x5_1 = BasicConv2d(in_channels, 48, 1)
        self.branch5x5_2 = BasicConv2d(48, 64, 5)
        self.branch3x3dbl_1 = BasicConv2d(in_channels, 64, 1)
        self.branch3x3dbl_2 = BasicConv2d(64, 96, 3)
        self.branch3x3dbl_3 = BasicConv2d(96, 96, 3)
        self.pool = nn.AvgPool2d(kernel_size=3, stride=1, padding=1)
        self.branch_pool = BasicConv2d(in_channels, pool_features, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the maps of the four branches."""
        branch5x5 = self.branch5x5_2(self.branch5x5_1(x))
        branch3x3dbl = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        branch_pool = self.branch_pool(self.pool(x))
        return torch.cat([self.branch1x1(x), branch5x5, branch3x3dbl, branch_pool], dim=1)


class InceptionB(nn.Module):
    """3x3; 1x1, 3x3, 3x3; max pooling: side by side, the last of each with stride 2 (Figure 10).

    Shape: (N, in_channels, H, W) -> (N, 480 + in_channels, H / 2, W / 2)
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.branch3x3 = BasicConv2d(in_channels, 384, 3, stride=2, padding="valid")
        self.branch3x3dbl_1 = BasicConv2d(in_channels, 64, 1)
        self.branch3x3dbl_2 = BasicConv2d(64, 96, 3)
        self.branch3x3dbl_3 = BasicConv2d(96, 96, 3, stride=2, padding="valid")
        self.pool = nn.MaxPool2d(kernel_size=3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the maps of the three branches."""
        branch3x3dbl = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), branch3x3dbl, self.pool(x)], dim=1)


class InceptionC(nn.Module):
    """1x1; 1x1, 1x7, 7x1; the same twice; average pooling, 1x1: side by side (Figure 6).

    Shape: (N, in_channels, H, W) -> (N, 768, H, W)
    """

    def __init__(self, in_channels: int, channels_7x7: int) -> None:
        super().__init__()
        c7 = channels_7x7
        self.branch1x1 = BasicConv2d(in_channels, 192, 1)
        self.branch7x7_1 = BasicConv2d(in_channels, c7, 1)
        self.branch7x7_2 = BasicConv2d(c7, c7, (1, 7))
        self.branch7x7_3 = BasicConv2d(c7, 192, (7, 1))
        self.branch7x7dbl_1 = BasicConv2d(in_channels, c7, 1)
        self.branch7x7dbl_2 = BasicConv2d(c7, c7, (7, 1))
        self.branch7x7dbl_3 = BasicConv2d(c7, c7, (1, 7))
        self.branch7x7dbl_4 = BasicConv2d(c7, c7, (7, 1))
        self.branch7x7dbl_5 = BasicConv2d(c7, 192, (1, 7))
        self.pool = nn.AvgPool2d(kernel_size=3, stride=1, padding=1)
        self.branch_pool = BasicConv2d(in_channels, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the maps of the four branches."""
        branch7x7 = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        branch7x7dbl = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        branch7x7dbl = self.branch7x7dbl_5(self.branch7x7dbl_4(branch7x7dbl))
        branch_pool = self.branch_pool(self.pool(x))
        return torch.cat([self.branch1x1(x), branch7x7, branch7x7dbl, branch_pool], dim=1)


class InceptionD(nn.Module):
    """1x1, 3x3; 1x1, 1x7, 7x1, 3x3; max pooling: side by side, the last of each with stride 2.

    Shape: (N, in_channels, H, W) -> (N, 512 + in_channels, H / 2, W / 2)
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.branch3x3_1 = BasicConv2d(in_channels, 192, 1)
        self.branch3x3_2 = BasicConv2d(192, 320, 3, stride=2, padding="valid")
        self.branch7x7x3_1 = BasicConv2d(in_channels, 192, 1)
        self.branch7x7x3_2 = BasicConv2d(192, 192, (1, 7))
        self.branch7x7x3_3 = BasicConv2d(192, 192, (7, 1))
        self.branch7x7x3_4 = BasicConv2d(192, 192, 3, stride=2, padding="valid")
        self.pool = nn.MaxPool2d(kernel_size=3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the maps of the three branches."""
        branch3x3 = self.branch3x3_2(self.branch3x3_1(x))
        branch7x7x3 = self.branch7x7x3_2(self.branch7x7x3_1(x))
        branch7x7x3 = self.branch7x7x3_4(self.branch7x7x3_3(branch7x7x3))
        return torch.cat([branch3x3, branch7x7x3, self.pool(x)], dim=1)


class InceptionE(nn.Module):
    """1x1; 1x1, then 1x3 and 3x1; 1x1, 3x3, then 1x3 and 3x1; pooling, 1x1 (Figure 7).

    Shape: (N, in_channels, H, W) -> (N, 2048, H, W)
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.branch1x1 = BasicConv2d(in_channels, 320, 1)
        self.branch3x3_1 = BasicConv2d(in_channels, 384, 1)
        self.branch3x3_2a = BasicConv2d(384, 384, (1, 3))
        self.branch3x3_2b = BasicConv2d(384, 384, (3, 1))
        self.branch3x3dbl_1 = BasicConv2d(in_channels, 448, 1)
        self.branch3x3dbl_2 = BasicConv2d(448, 384, 3)
        self.branch3x3dbl_3a = BasicConv2d(384, 384, (1, 3))
        self.branch3x3dbl_3b = BasicConv2d(384, 384, (3, 1))
        self.pool = nn.AvgPool2d(kernel_size=3, stride=1, padding=1)
        self.branch_pool = BasicConv2d(in_channels, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the maps of the four branches, two of which fork at their end."""
        branch3x3 = self.branch3x3_1(x)
        branch3x3 = torch.cat([self.branch3x3_2a(branch3x3), self.branch3x3_2b(branch3x3)], dim=1)
        dbl = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        dbl = torch.cat([self.branch3x3dbl_3a(dbl), self.branch3x3dbl_3b(dbl)], dim=1)
        branch_pool = self.branch_pool(self.pool(x))
        return torch.cat([self.branch1x1(x), branch3x3, dbl, branch_pool], dim=1)


class InceptionAux(nn.Module):
    """Average pooling, 1x1, 5x5, global average, classifier: a head before the last grid.

    Shape: (N, in_channels, 17, 17) -> (N, num_classes)
    """

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(kernel_size=5, stride=3)
        self.conv0 = BasicConv2d(in_channels, 128, 1)
        self.conv1 = BasicConv2d(128, 768, 5, padding="valid")
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(768, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        x = self.conv1(self.conv0(self.pool(x)))  # (N, 768, 1, 1)
        return self.fc(self.flatten(self.avgpool(x)))


class Inception3(nn.Module):
    """Six convolutions and two pools, then modules on three grids, average, classifier (Table 1).

    With an auxiliary head the output in training is an InceptionOutputs.

    Shape: (N, in_channels, H, W) -> (N, num_classes)
    """

    def __init__(
        self, num_classes: int, in_channels: int, aux_logits: bool, dropout: float
    ) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = BasicConv2d(in_channels, 32, 3, stride=2, padding="valid")
        self.Conv2d_2a_3x3 = BasicConv2d(32, 32, 3, padding="valid")
        self.Conv2d_2b_3x3 = BasicConv2d(32, 64, 3)
        self.maxpool1 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.Conv2d_3b_1x1 = BasicConv2d(64, 80, 1)
        self.Conv2d_4a_3x3 = BasicConv2d(80, 192, 3, padding="valid")
        self.maxpool2 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.Mixed_5b = InceptionA(192, pool_features=32)
        self.Mixed_5c = InceptionA(256, pool_features=64)
        self.Mixed_5d = InceptionA(288, pool_features=64)
        self.Mixed_6a = InceptionB(288)
        self.Mixed_6b = InceptionC(768, channels_7x7=128)
        self.Mixed_6c = InceptionC(768, channels_7x7=160)
        self.Mixed_6d = InceptionC(768, channels_7x7=160)
        self.Mixed_6e = InceptionC(768, channels_7x7=192)
        self.AuxLogits = InceptionAux(768, num_classes) if aux_logits else None
        self.Mixed_7a = InceptionD(768)
        self.Mixed_7b = InceptionE(1280)
        self.Mixed_7c = InceptionE(2048)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(2048, num_classes)

    def forward(self, x: Tensor) -> Tensor | InceptionOutputs:
        """Return the class scores, in training with those of the auxiliary head."""
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))  # (N, 64, 147, 147)
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(self.maxpool1(x)))  # (N, 192, 71, 71)
        x = self.Mixed_5b(self.maxpool2(x))  # (N, 256, 35, 35)
        x = self.Mixed_6a(self.Mixed_5d(self.Mixed_5c(x)))  # (N, 768, 17, 17)
        x6 = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(x))))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x6)))  # (N, 2048, 8, 8)
        scores = self.fc(self.dropout(self.flatten(self.avgpool(x))))
        if self.training and self.AuxLogits is not None:
            return InceptionOutputs(scores, self.AuxLogits(x6))
        return scores


@register_model(
    family="Inception",
    year=2015,
    paper=Paper(
        authors="Szegedy, Vanhoucke, Ioffe, Shlens, Wojna",
        title="Rethinking the Inception Architecture for Computer Vision",
        venue="CVPR 2016",
        arxiv="1512.00567",
    ),
    idea="Large windows are factored into small and one-sided ones, and maps are halved with care.",
    new=(
        "A 7x7 becomes a 1x7 followed by a 7x1, at less than a third of the cost.",
        "Convolution and pooling halve the map side by side, so that no bottleneck loses "
        "information.",
        "Label smoothing, and a batch-normalized auxiliary head, regularise training.",
    ),
    departs="As in the authors' code and torchvision, a 1x1, a 3x3 and a pooling stand for the "
    "fifth to seventh layer of Table 1, the modules on the first grid have a 5x5 where Figure 5 "
    "has a single 3x3, and there is one module fewer on the second grid.",
    input_shape=(1, 3, 299, 299),
    min_size=(75, 75),
)
def inception_v3(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    aux_logits: bool = False,
    dropout: Dropout = 0.5,
) -> Inception3:
    """Inception v3."""
    return Inception3(num_classes, in_channels, aux_logits, dropout)
