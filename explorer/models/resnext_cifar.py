"""ResNeXt for CIFAR: 29 layers whose 3x3 convolutions are split into many parallel groups.

Aggregated Residual Transformations for Deep Neural Networks, Xie, Girshick, Dollár, Tu, He,
CVPR 2017, arXiv:1611.05431, section 5.3. Departs from the paper as its authors' released code
does: normalization and ReLU follow each convolution, where the paper's CIFAR runs put them first.
The option `se` is that of Squeeze-and-Excitation Networks, arXiv:1709.01507.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn

from explorer.models._layers import SqueezeExcitation
from explorer.models._registry import Bounds, InChannels, NumClasses, Paper, register_model

Depths = Annotated[tuple[int, ...], Bounds(1, 64)]
Groups = Annotated[int, Bounds(1, 64)]
WidthPerGroup = Annotated[int, Bounds(1, 256)]


class Bottleneck(nn.Module):
    """1x1 reduce, grouped 3x3, 1x1 expand, each with BN, plus the shortcut, ReLU.

    Shape: (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride)
    """

    def __init__(
        self,
        in_channels: int,
        inner: int,
        out_channels: int,
        stride: int,
        groups: int,
        se: bool,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, inner, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(
            inner, inner, kernel_size=3, stride=stride, padding=1, groups=groups, bias=False
        )
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, out_channels, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.se = SqueezeExcitation(out_channels, max(1, out_channels // 16)) if se else None
        self.downsample = (
            None
            if in_channels == out_channels
            else nn.Sequential(
                nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(F(x) + shortcut(x))."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        if self.se is not None:
            out = self.se(out)
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


class CifarResNeXt(nn.Module):
    """3x3, three stages of 256, 512 and 1024 channels, global average, classifier.

    The 3x3 convolutions have `groups * width_per_group` channels in the first stage, twice that
    in the second and four times that in the third.

    Shape: (N, in_channels, H, W) -> (N, num_classes)
    """

    def __init__(
        self,
        depths: tuple[int, ...],
        groups: int,
        width_per_group: int,
        num_classes: int,
        in_channels: int,
        se: bool,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 64, kernel_size=3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        inner, channels, stages = groups * width_per_group, 64, []
        for depth, width, stride in zip(depths, (256, 512, 1024), (1, 2, 2), strict=True):
            blocks = [Bottleneck(channels, inner, width, stride, groups, se)]
            blocks += [Bottleneck(width, inner, width, 1, groups, se) for _ in range(depth - 1)]
            stages.append(nn.Sequential(*blocks))
            inner, channels = 2 * inner, width
        self.layer1, self.layer2, self.layer3 = stages
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        x = self.relu(self.bn1(self.conv1(x)))  # (N, 64, H, W)
        x = self.layer3(self.layer2(self.layer1(x)))  # (N, 1024, H / 4, W / 4)
        return self.fc(self.flatten(self.avgpool(x)))


xie_2016 = register_model(
    family="ResNeXt",
    year=2016,
    paper=Paper(
        authors="Xie, Girshick, Dollár, Tu, He",
        title="Aggregated Residual Transformations for Deep Neural Networks",
        venue="CVPR 2017",
        arxiv="1611.05431",
    ),
    idea="29 layers whose 3x3 convolutions are split into many parallel paths.",
    new=(
        "Cardinality, the number of paths, is a dimension of its own beside depth and width.",
        "Eight or sixteen paths of 64 channels each read the same reduced maps.",
        "More paths beat a wider ResNet of as many weights.",
    ),
    departs="Normalization and ReLU follow each convolution, as in the authors' released code.",
    input_shape=(1, 3, 32, 32),
)


@xie_2016
def resnext29_8x64d(
    num_classes: NumClasses = 10,
    in_channels: InChannels = 3,
    depths: Depths = (3, 3, 3),
    groups: Groups = 8,
    width_per_group: WidthPerGroup = 64,
    se: bool = False,
) -> CifarResNeXt:
    """ResNeXt-29 (8×64d, CIFAR)."""
    return CifarResNeXt(depths, groups, width_per_group, num_classes, in_channels, se)


@xie_2016
def resnext29_16x64d(
    num_classes: NumClasses = 10,
    in_channels: InChannels = 3,
    depths: Depths = (3, 3, 3),
    groups: Groups = 16,
    width_per_group: WidthPerGroup = 64,
    se: bool = False,
) -> CifarResNeXt:
    """ResNeXt-29 (16×64d, CIFAR)."""
    return CifarResNeXt(depths, groups, width_per_group, num_classes, in_channels, se)
