"""ShuffleNet v2: half of the channels pass a block untouched, which is cheap in memory access.

ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design, Ma, Zhang, Zheng, Sun,
ECCV 2018, arXiv:1807.11164. Departs from the paper in nothing.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from explorer.models._registry import Bounds, InChannels, NumClasses, Paper, register_model

Depths = Annotated[tuple[int, ...], Bounds(1, 64)]


def _depthwise(channels: int, stride: int) -> list[nn.Module]:
    """3x3 depthwise, BN."""
    conv = nn.Conv2d(
        channels, channels, kernel_size=3, stride=stride, padding=1, groups=channels, bias=False
    )
    return [conv, nn.BatchNorm2d(channels)]


def _pointwise(in_channels: int, out_channels: int) -> list[nn.Module]:
    """1x1, BN, ReLU."""
    conv = nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False)
    return [conv, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)]


class ShuffleUnit(nn.Module):
    """Half goes through 1x1, 3x3 depthwise, 1x1; the other half stays; concatenate and shuffle.

    With stride 2 both branches read everything, and the first has a 3x3 depthwise and a 1x1
    (Figure 3).

    Shape: (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride)
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        half = out_channels // 2
        self.split = stride == 1
        self.branch1 = nn.Sequential()
        if not self.split:
            self.branch1.extend(_depthwise(in_channels, stride) + _pointwise(in_channels, half))
        self.branch2 = nn.Sequential(
            *_pointwise(half if self.split else in_channels, half),
            *_depthwise(half, stride),
            *_pointwise(half, half),
        )
        self.shuffle = nn.ChannelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the shuffled [x1, F(x2)], or [G(x), F(x)] with stride 2."""
        if self.split:
            x1, x2 = x.chunk(2, dim=1)
            return self.shuffle(torch.cat([x1, self.branch2(x2)], dim=1))
        return self.shuffle(torch.cat([self.branch1(x), self.branch2(x)], dim=1))


class ShuffleNetV2(nn.Module):
    """3x3 and pool, three stages of shuffle units, 1x1, global average, classifier (Table 5).

    Args:
        widths: output channels of the three stages and of the last 1x1.
        depths: units in each stage.
        num_classes: classes to tell apart.
        in_channels: channels of the image.

    Shape: (N, in_channels, H, W) -> (N, num_classes)
    """

    def __init__(
        self,
        widths: tuple[int, int, int, int],
        depths: tuple[int, ...],
        num_classes: int,
        in_channels: int,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(
            nn.Conv2d(in_channels, 24, kernel_size=3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(24),
            nn.ReLU(inplace=True),
        )
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        channels, stages = 24, []
        for depth, width in zip(depths, widths[:3], strict=True):
            units = [ShuffleUnit(channels, width, 2)]
            units += [ShuffleUnit(width, width, 1) for _ in range(depth - 1)]
            stages.append(nn.Sequential(*units))
            channels = width
        self.stage2, self.stage3, self.stage4 = stages
        self.conv5 = nn.Sequential(*_pointwise(channels, widths[3]))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(widths[3], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        x = self.maxpool(self.conv1(x))  # (N, 24, H / 4, W / 4)
        x = self.conv5(self.stage4(self.stage3(self.stage2(x))))  # (N, 1024, H / 32, W / 32)
        return self.fc(self.flatten(self.avgpool(x)))


ma_2018 = register_model(
    family="ShuffleNet",
    year=2018,
    paper=Paper(
        authors="Ma, Zhang, Zheng, Sun",
        title="ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design",
        venue="ECCV 2018",
        arxiv="1807.11164",
    ),
    idea="Half of the channels pass a block untouched, which is cheap in memory access.",
    new=(
        "Four measured guidelines say what operations do not: equal widths, few groups, few "
        "branches, few elementwise steps.",
        "A block splits its channels, works on one half and concatenates both.",
        "Speed is compared on real devices, not by operations.",
    ),
)


@ma_2018
def shufflenet_v2_x0_5(
    num_classes: NumClasses = 1000, in_channels: InChannels = 3, depths: Depths = (4, 8, 4)
) -> ShuffleNetV2:
    """ShuffleNet v2 (width 0.5)."""
    return ShuffleNetV2((48, 96, 192, 1024), depths, num_classes, in_channels)


@ma_2018
def shufflenet_v2_x1_0(
    num_classes: NumClasses = 1000, in_channels: InChannels = 3, depths: Depths = (4, 8, 4)
) -> ShuffleNetV2:
    """ShuffleNet v2."""
    return ShuffleNetV2((116, 232, 464, 1024), depths, num_classes, in_channels)


@ma_2018
def shufflenet_v2_x1_5(
    num_classes: NumClasses = 1000, in_channels: InChannels = 3, depths: Depths = (4, 8, 4)
) -> ShuffleNetV2:
    """ShuffleNet v2 (width 1.5)."""
    return ShuffleNetV2((176, 352, 704, 1024), depths, num_classes, in_channels)


@ma_2018
def shufflenet_v2_x2_0(
    num_classes: NumClasses = 1000, in_channels: InChannels = 3, depths: Depths = (4, 8, 4)
) -> ShuffleNetV2:
    """ShuffleNet v2 (width 2)."""
    return ShuffleNetV2((244, 488, 976, 2048), depths, num_classes, in_channels)
