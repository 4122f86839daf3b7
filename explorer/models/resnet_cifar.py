"""ResNet for CIFAR: 6n + 2 layers on 32x32 images, from 20 to 1202.

Deep Residual Learning for Image Recognition, He, Zhang, Ren, Sun, CVPR 2016, arXiv:1512.03385,
section 4.2. Every shortcut is free of parameters (option A), so a residual net has exactly the
weights of its plain counterpart: what differs in training is the shortcut alone. Departs from
the paper in nothing; the option `se` is that of Squeeze-and-Excitation Networks, arXiv:1709.01507.
"""

from __future__ import annotations

from typing import Annotated, Literal

from torch import Tensor, nn

from explorer.models._layers import SqueezeExcitation, ZeroPadShortcut
from explorer.models._registry import Bounds, InChannels, NumClasses, Paper, register_model

Depths = Annotated[tuple[int, ...], Bounds(1, 200)]
Shortcut = Literal["A", "B", "none"]


def _shortcut(
    option: Shortcut, in_channels: int, out_channels: int, stride: int
) -> nn.Module | None:
    """Return what a shortcut does to x; None: nothing, it is the identity or is not there.

    Where the shape changes, option A pads with zero channels and B projects.
    """
    if option == "none" or in_channels == out_channels:
        return None
    if option == "A":
        return ZeroPadShortcut(in_channels, out_channels, stride)
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False),
        nn.BatchNorm2d(out_channels),
    )


class BasicBlock(nn.Module):
    """3x3, BN, ReLU, 3x3, BN, plus the shortcut, ReLU.

    Shape: (N, in_channels, H, W) -> (N, width, H / stride, W / stride)
    """

    def __init__(
        self, in_channels: int, width: int, stride: int, shortcut: Shortcut, se: bool
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(
            in_channels, width, kernel_size=3, stride=stride, padding=1, bias=False
        )
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.se = SqueezeExcitation(width, max(1, width // 16)) if se else None
        self.residual = shortcut != "none"
        self.downsample = _shortcut(shortcut, in_channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(F(x) + shortcut(x)), or relu(F(x)) in a plain network."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.se is not None:
            out = self.se(out)
        if self.residual:
            out = out + (x if self.downsample is None else self.downsample(x))
        return self.relu(out)


def _stage(
    in_channels: int, width: int, depth: int, stride: int, shortcut: Shortcut, se: bool
) -> nn.Sequential:
    """`depth` blocks, of which the first changes width and resolution."""
    first = BasicBlock(in_channels, width, stride, shortcut, se)
    others = (BasicBlock(width, width, 1, shortcut, se) for _ in range(depth - 1))
    return nn.Sequential(first, *others)


class CifarResNet(nn.Module):
    """3x3, three stages of 16, 32 and 64 channels, global average, classifier.

    Shape: (N, in_channels, H, W) -> (N, num_classes)
    """

    def __init__(
        self,
        depths: tuple[int, ...],
        num_classes: int,
        in_channels: int,
        shortcut: Shortcut,
        se: bool,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 16, kernel_size=3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _stage(16, 16, depths[0], 1, shortcut, se)
        self.layer2 = _stage(16, 32, depths[1], 2, shortcut, se)
        self.layer3 = _stage(32, 64, depths[2], 2, shortcut, se)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(64, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        x = self.relu(self.bn1(self.conv1(x)))  # (N, 16, H, W)
        x = self.layer3(self.layer2(self.layer1(x)))  # (N, 64, H / 4, W / 4)
        return self.fc(self.flatten(self.avgpool(x)))


he_2015 = register_model(
    family="ResNet",
    year=2015,
    paper=Paper(
        authors="He, Zhang, Ren, Sun",
        title="Deep Residual Learning for Image Recognition",
        venue="CVPR 2016",
        arxiv="1512.03385",
    ),
    idea="A block learns the difference from its input: 6n + 2 layers on 32x32 images, from 20 to "
    "1202.",
    new=(
        "Depth is all that varies, so that its effect can be seen alone.",
        "Shortcuts have no weights at all: where the width doubles, zeros are added.",
        "110 layers are better than 20, and even 1202 train, where plain networks fail.",
    ),
    input_shape=(1, 3, 32, 32),
)


@he_2015
def resnet20(
    num_classes: NumClasses = 10,
    in_channels: InChannels = 3,
    depths: Depths = (3, 3, 3),
    shortcut: Shortcut = "A",
    se: bool = False,
) -> CifarResNet:
    """ResNet-20 (CIFAR)."""
    return CifarResNet(depths, num_classes, in_channels, shortcut, se)


@he_2015
def resnet32(
    num_classes: NumClasses = 10,
    in_channels: InChannels = 3,
    depths: Depths = (5, 5, 5),
    shortcut: Shortcut = "A",
    se: bool = False,
) -> CifarResNet:
    """ResNet-32 (CIFAR)."""
    return CifarResNet(depths, num_classes, in_channels, shortcut, se)


@he_2015
def resnet44(
    num_classes: NumClasses = 10,
    in_channels: InChannels = 3,
    depths: Depths = (7, 7, 7),
    shortcut: Shortcut = "A",
    se: bool = False,
) -> CifarResNet:
    """ResNet-44 (CIFAR)."""
    return CifarResNet(depths, num_classes, in_channels, shortcut, se)


@he_2015
def resnet56(
    num_classes: NumClasses = 10,
    in_channels: InChannels = 3,
    depths: Depths = (9, 9, 9),
    shortcut: Shortcut = "A",
    se: bool = False,
) -> CifarResNet:
    """ResNet-56 (CIFAR)."""
    return CifarResNet(depths, num_classes, in_channels, shortcut, se)


@he_2015
def resnet110(
    num_classes: NumClasses = 10,
    in_channels: InChannels = 3,
    depths: Depths = (18, 18, 18),
    shortcut: Shortcut = "A",
    se: bool = False,
) -> CifarResNet:
    """ResNet-110 (CIFAR)."""
    return CifarResNet(depths, num_classes, in_channels, shortcut, se)


@he_2015
def resnet1202(
    num_classes: NumClasses = 10,
    in_channels: InChannels = 3,
    depths: Depths = (200, 200, 200),
    shortcut: Shortcut = "A",
    se: bool = False,
) -> CifarResNet:
    """ResNet-1202 (CIFAR)."""
    return CifarResNet(depths, num_classes, in_channels, shortcut, se)


@he_2015
def plain20(
    num_classes: NumClasses = 10,
    in_channels: InChannels = 3,
    depths: Depths = (3, 3, 3),
    shortcut: Shortcut = "none",
    se: bool = False,
) -> CifarResNet:
    """Plain-20 (CIFAR, no shortcuts)."""
    return CifarResNet(depths, num_classes, in_channels, shortcut, se)


@he_2015
def plain56(
    num_classes: NumClasses = 10,
    in_channels: InChannels = 3,
    depths: Depths = (9, 9, 9),
    shortcut: Shortcut = "none",
    se: bool = False,
) -> CifarResNet:
    """Plain-56 (CIFAR, no shortcuts)."""
    return CifarResNet(depths, num_classes, in_channels, shortcut, se)
