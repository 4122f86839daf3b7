"""ShuffleNet: 1x1 convolutions in groups, and a shuffle so that the groups still meet.

ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices, Zhang, Zhou,
Lin, Sun, CVPR 2018, arXiv:1707.01083. Departs from the paper as its authors' released code does:
at half and at double width the stem is scaled too.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from explorer.models._registry import InChannels, NumClasses, Paper, register_model

# Output channels of stage 2 by the number of groups, doubled in each later stage (Table 1).
WIDTHS = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}
DEPTHS = (4, 8, 4)


class ShuffleUnit(nn.Module):
    """1x1 in groups, shuffle, 3x3 depthwise, 1x1 in groups, plus the shortcut, ReLU (Figure 2).

    With stride 2 the shortcut is a 3x3 average pooling, to which the rest is appended.

    Shape: (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride)
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, groups: int, first_groups: int
    ) -> None:
        super().__init__()
        inner = out_channels // 4
        added = out_channels - in_channels if stride == 2 else out_channels
        self.conv1 = nn.Conv2d(in_channels, inner, kernel_size=1, groups=first_groups, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.relu = nn.ReLU(inplace=True)
        self.shuffle = nn.ChannelShuffle(groups) if groups > 1 else None
        self.conv2 = nn.Conv2d(
            inner, inner, kernel_size=3, stride=stride, padding=1, groups=inner, bias=False
        )
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, added, kernel_size=1, groups=groups, bias=False)
        self.bn3 = nn.BatchNorm2d(added)
        self.pool = nn.AvgPool2d(kernel_size=3, stride=2, padding=1) if stride == 2 else None

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(x + F(x)), or relu([pool(x), F(x)]) with stride 2."""
        out = self.relu(self.bn1(self.conv1(x)))
        if self.shuffle is not None:
            out = self.shuffle(out)
        out = self.bn2(self.conv2(out))
        out = self.bn3(self.conv3(out))
        return self.relu(x + out if self.pool is None else torch.cat([self.pool(x), out], dim=1))


class ShuffleNetV1(nn.Module):
    """3x3 and pool, three stages of shuffle units, global average, classifier (Table 1).

    Shape: (N, in_channels, H, W) -> (N, num_classes)
    """

    def __init__(
        self, stem_width: int, width: int, groups: int, num_classes: int, in_channels: int
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(
            in_channels, stem_width, kernel_size=3, stride=2, padding=1, bias=False
        )
        self.bn1 = nn.BatchNorm2d(stem_width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        channels, stages = stem_width, list[nn.Sequential]()
        for depth in DEPTHS:
            # The stem has too few channels to be worth splitting (section 3.3).
            first_groups = groups if stages else 1
            units = [ShuffleUnit(channels, width, 2, groups, first_groups)]
            units += [ShuffleUnit(width, width, 1, groups, groups) for _ in range(depth - 1)]
            stages.append(nn.Sequential(*units))
            channels, width = width, 2 * width
        self.stage2, self.stage3, self.stage4 = stages
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))  # (N, 24, H / 4, W / 4) at width 1
        x = self.stage4(self.stage3(self.stage2(x)))  # (N, 4 * width, H / 32, W / 32)
        return self.fc(self.flatten(self.avgpool(x)))


zhang_2017 = register_model(
    family="ShuffleNet",
    year=2017,
    paper=Paper(
        authors="Zhang, Zhou, Lin, Sun",
        title="ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices",
        venue="CVPR 2018",
        arxiv="1707.01083",
    ),
    idea="1x1 convolutions run in groups, and a shuffle lets the groups still meet.",
    new=(
        "Grouped 1x1 convolutions cut what costs most in small networks.",
        "A channel shuffle, free of weights, hands every group channels of all others.",
        "With what is saved, the network has more channels for the same operations.",
    ),
    departs="At half and at double width the stem is scaled too, as in the authors' released code.",
)


@zhang_2017
def shufflenet_v1_x0_5(
    num_classes: NumClasses = 1000, in_channels: InChannels = 3, groups: Literal[3, 8] = 3
) -> ShuffleNetV1:
    """ShuffleNet v1 (width 0.5)."""
    stem_width = {3: 12, 8: 16}[groups]  # what is left of stage 2 divides into the groups
    return ShuffleNetV1(stem_width, WIDTHS[groups] // 2, groups, num_classes, in_channels)


@zhang_2017
def shufflenet_v1_x1_0(
    num_classes: NumClasses = 1000, in_channels: InChannels = 3, groups: Literal[1, 2, 3, 4, 8] = 3
) -> ShuffleNetV1:
    """ShuffleNet v1."""
    return ShuffleNetV1(24, WIDTHS[groups], groups, num_classes, in_channels)


@zhang_2017
def shufflenet_v1_x1_5(
    num_classes: NumClasses = 1000, in_channels: InChannels = 3, groups: Literal[3, 8] = 3
) -> ShuffleNetV1:
    """ShuffleNet v1 (width 1.5)."""
    return ShuffleNetV1(24, WIDTHS[groups] * 3 // 2, groups, num_classes, in_channels)


@zhang_2017
def shufflenet_v1_x2_0(
    num_classes: NumClasses = 1000, in_channels: InChannels = 3, groups: Literal[3, 8] = 3
) -> ShuffleNetV1:
    """ShuffleNet v1 (width 2)."""
    return ShuffleNetV1(48, WIDTHS[groups] * 2, groups, num_classes, in_channels)
