"""SENet: a small network looks at the whole map and says which channels matter.

Squeeze-and-Excitation Networks, Hu, Shen, Sun, CVPR 2018, arXiv:1709.01507. SE-ResNet and
SE-ResNeXt are the networks of Table 1 with a channel weighting before each addition; SENet-154 is
the authors' largest network, of their supplement and their repository. The `legacy_` models put
the stride on the first 1x1 convolution, as the paper's ResNets do, and take their maximum without
padding, rounded up; the others, as usual today, put it on the 3x3.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from torch import Tensor, nn

from explorer.errors import OptionError
from explorer.models._layers import SqueezeExcitation
from explorer.models._registry import (
    Bounds,
    Dropout,
    InChannels,
    NumClasses,
    Paper,
    register_model,
)

Depths = Annotated[tuple[int, ...], Bounds(1, 48)]
Groups = Annotated[int, Bounds(1, 64)]
WidthPerGroup = Annotated[int, Bounds(1, 256)]
Reduction = Annotated[int, Bounds(1, 64)]
StrideOn = Literal["3x3", "1x1"]


class SEBottleneck(nn.Module):
    """1x1 reduce, 3x3, 1x1 expand, each with BN, squeeze and excitation, the shortcut, ReLU.

    Shape: (N, in_channels, H, W) -> (N, 4 * width, H / stride, W / stride)
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        stride: int,
        groups: int,
        width_per_group: int,
        reduction: int,
        stride_on: StrideOn,
        first_half: bool,
        shortcut_kernel: int,
    ) -> None:
        super().__init__()
        out_channels = 4 * width
        inner = groups * (width * width_per_group // 64)
        reduced = inner // 2 if first_half else inner
        stride1, stride2 = (stride, 1) if stride_on == "1x1" else (1, stride)
        self.conv1 = nn.Conv2d(in_channels, reduced, kernel_size=1, stride=stride1, bias=False)
        self.bn1 = nn.BatchNorm2d(reduced)
        self.conv2 = nn.Conv2d(
            reduced, inner, kernel_size=3, stride=stride2, padding=1, groups=groups, bias=False
        )
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, out_channels, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.se = SqueezeExcitation(out_channels, max(1, out_channels // reduction))
        self.relu = nn.ReLU(inplace=True)
        kernel = shortcut_kernel if stride > 1 else 1
        self.downsample = (
            None
            if stride == 1 and in_channels == out_channels
            else nn.Sequential(
                nn.Conv2d(
                    in_channels,
                    out_channels,
                    kernel_size=kernel,
                    stride=stride,
                    padding=kernel // 2,
                    bias=False,
                ),
                nn.BatchNorm2d(out_channels),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(F(x) * weights(F(x)) + shortcut(x))."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.se(self.bn3(self.conv3(out)))
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


class SENet(nn.Module):
    """7x7 or three 3x3 and pool, four stages of blocks, global average, classifier.

    Args:
        depths: blocks in each stage.
        num_classes: classes to tell apart.
        in_channels: channels of the image.
        groups: of the 3x3 convolutions.
        width_per_group: channels of a group where the stage's width is 64.
        reduction: channels of a block over those in the middle of its weighting.
        stride_on: the convolution that halves the resolution.
        legacy_pool: take the first maximum without padding, rounding sizes up.
        deep: SENet-154's departures from SE-ResNeXt: a stem of three 3x3, half as many channels
            in a block's first convolution, 3x3 projections.
        dropout: before the classifier.

    Shape: (N, in_channels, H, W) -> (N, num_classes)
    """

    def __init__(
        self,
        depths: tuple[int, ...],
        num_classes: int,
        in_channels: int,
        groups: int = 1,
        width_per_group: int = 64,
        reduction: int = 16,
        stride_on: StrideOn = "3x3",
        legacy_pool: bool = False,
        deep: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        channels = 128 if deep else 64
        self.conv1: nn.Module = (
            _deep_stem(in_channels)
            if deep
            else nn.Conv2d(in_channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
        )
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = (
            nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
            if legacy_pool
            else nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        )
        stages = []
        for depth, width, stride in zip(depths, (64, 128, 256, 512), (1, 2, 2, 2), strict=True):
            block = partial(
                SEBottleneck,
                width=width,
                groups=groups,
                width_per_group=width_per_group,
                reduction=reduction,
                stride_on=stride_on,
                first_half=deep,
                shortcut_kernel=3 if deep else 1,
            )
            blocks = [block(channels, stride=stride)]
            channels = 4 * width
            blocks += [block(channels, stride=1) for _ in range(depth - 1)]
            stages.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))  # (N, C, H / 4, W / 4)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))  # (N, 2048, H / 32, W / 32)
        return self.fc(self.dropout(self.flatten(self.avgpool(x))))


def _deep_stem(in_channels: int) -> nn.Sequential:
    """Return three 3x3 convolutions, with BN and ReLU between them."""
    return nn.Sequential(
        nn.Conv2d(in_channels, 64, kernel_size=3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(inplace=True),
        nn.Conv2d(64, 64, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(inplace=True),
        nn.Conv2d(64, 128, kernel_size=3, padding=1, bias=False),
    )


hu_2018 = partial(
    register_model,
    family="SENet",
    year=2017,
    paper=Paper(
        authors="Hu, Shen, Sun",
        title="Squeeze-and-Excitation Networks",
        venue="CVPR 2018",
        arxiv="1709.01507",
    ),
    idea="Each block looks at its whole map once and weights its channels by what it saw.",
    new=(
        "A global average squeezes each channel to one number, and two small layers turn these "
        "numbers into a weight between 0 and 1 for each channel.",
        "The weighting fits into any block, before the addition of a residual one.",
        "It costs hardly any arithmetic, and SENets won the ImageNet classification of 2017.",
    ),
)
today = hu_2018(
    departs="The stride of a block sits on its 3x3 convolution; the paper's networks have it on "
    "the first 1x1, as the legacy models here."
)
legacy = hu_2018(min_size=(3, 3))


@today
def seresnet50(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 4, 6, 3),
    reduction: Reduction = 16,
) -> SENet:
    """SE-ResNet-50."""
    return SENet(depths, num_classes, in_channels, reduction=reduction)


@today
def seresnet101(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 4, 23, 3),
    reduction: Reduction = 16,
) -> SENet:
    """SE-ResNet-101."""
    return SENet(depths, num_classes, in_channels, reduction=reduction)


@today
def seresnet152(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 8, 36, 3),
    reduction: Reduction = 16,
) -> SENet:
    """SE-ResNet-152."""
    return SENet(depths, num_classes, in_channels, reduction=reduction)


@legacy
def legacy_seresnet50(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 4, 6, 3),
    reduction: Reduction = 16,
) -> SENet:
    """SE-ResNet-50 (the paper's stride)."""
    return _legacy(depths, num_classes, in_channels, reduction)


@legacy
def legacy_seresnet101(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 4, 23, 3),
    reduction: Reduction = 16,
) -> SENet:
    """SE-ResNet-101 (the paper's stride)."""
    return _legacy(depths, num_classes, in_channels, reduction)


@legacy
def legacy_seresnet152(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 8, 36, 3),
    reduction: Reduction = 16,
) -> SENet:
    """SE-ResNet-152 (the paper's stride)."""
    return _legacy(depths, num_classes, in_channels, reduction)


def _legacy(depths: tuple[int, ...], num_classes: int, in_channels: int, reduction: int) -> SENet:
    """Return an SE-ResNet as the paper's authors wrote it."""
    return SENet(
        depths, num_classes, in_channels, reduction=reduction, stride_on="1x1", legacy_pool=True
    )


@hu_2018(
    departs="The first maximum is padded; the authors' code takes it unpadded, with sizes rounded "
    "up, which at even sizes gives maps of the same size."
)
def seresnext50_32x4d(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 4, 6, 3),
    groups: Groups = 32,
    width_per_group: WidthPerGroup = 4,
    reduction: Reduction = 16,
) -> SENet:
    """SE-ResNeXt-50 (32×4d)."""
    return SENet(depths, num_classes, in_channels, groups, width_per_group, reduction)


@hu_2018(
    departs="The first maximum is padded; the authors' code takes it unpadded, with sizes rounded "
    "up, which at even sizes gives maps of the same size."
)
def seresnext101_32x4d(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 4, 23, 3),
    groups: Groups = 32,
    width_per_group: WidthPerGroup = 4,
    reduction: Reduction = 16,
) -> SENet:
    """SE-ResNeXt-101 (32×4d)."""
    return SENet(depths, num_classes, in_channels, groups, width_per_group, reduction)


@legacy
def legacy_senet154(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 8, 36, 3),
    groups: Annotated[int, Bounds(1, 128)] = 64,
    reduction: Reduction = 16,
    dropout: Dropout = 0.2,
) -> SENet:
    """SENet-154."""
    if 128 % groups:
        raise OptionError(
            f"legacy_senet154: groups={groups} should divide 128, the channels that a block's "
            "first convolution has at least: 1, 2, 4, 8, 16, 32, 64 or 128.",
            "groups",
        )
    return SENet(
        depths,
        num_classes,
        in_channels,
        groups=groups,
        width_per_group=256 // groups,
        reduction=reduction,
        legacy_pool=True,
        deep=True,
        dropout=dropout,
    )
