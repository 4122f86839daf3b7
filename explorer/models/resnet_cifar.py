"""ResNet for CIFAR: 6n + 2 layers on 32x32 images, from 20 to 1202.

Deep Residual Learning for Image Recognition, He, Zhang, Ren, Sun, CVPR 2016, arXiv:1512.03385,
section 4.2. Every shortcut is free of parameters (option A), so a residual net has exactly the
weights of its plain counterpart: what differs in training is the shortcut alone. Departs from
the paper in nothing; the option `se` is that of Squeeze-and-Excitation Networks, arXiv:1709.01507.
Without normalization (`norm="none"`) the 3x3 convolutions have a bias instead. `preactivation` is
the order of Identity Mappings in Deep Residual Networks, He et al. 2016, arXiv:1603.05027: every
block normalizes and activates before its convolutions, and so does the classifier.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Literal

from torch import Tensor, nn

from explorer.models._layers import SqueezeExcitation, ZeroPadShortcut
from explorer.models._registry import Bounds, InChannels, NumClasses, Paper, register_model

Depths = Annotated[tuple[int, ...], Bounds(1, 200)]
Shortcut = Literal["A", "B", "none"]
Norm = Literal["batch", "none"]


def _conv(in_channels: int, out_channels: int, stride: int, norm: Norm) -> nn.Conv2d:
    """Return a 3x3; a normalization behind it would take its bias away again."""
    return nn.Conv2d(
        in_channels, out_channels, kernel_size=3, stride=stride, padding=1, bias=norm == "none"
    )


def _norm(norm: Norm, channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels) if norm == "batch" else nn.Identity()


def _shortcut(
    option: Shortcut, in_channels: int, out_channels: int, stride: int, norm: Norm
) -> nn.Module | None:
    """Return what a shortcut does to x; None: nothing, it is the identity or is not there.

    Where the shape changes, option A pads with zero channels and B projects.
    """
    if option == "none" or in_channels == out_channels:
        return None
    if option == "A":
        return ZeroPadShortcut(in_channels, out_channels, stride)
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=norm == "none"),
        _norm(norm, out_channels),
    )


class BasicBlock(nn.Module):
    """3x3, BN, ReLU, 3x3, BN, plus the shortcut, ReLU.

    Shape: (N, in_channels, H, W) -> (N, width, H / stride, W / stride)
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        stride: int,
        shortcut: Shortcut = "A",
        se: bool = False,
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        self.conv1 = _conv(in_channels, width, stride, norm)
        self.bn1 = _norm(norm, width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = _conv(width, width, 1, norm)
        self.bn2 = _norm(norm, width)
        self.se = SqueezeExcitation(width, max(1, width // 16)) if se else None
        self.residual = shortcut != "none"
        self.downsample = _shortcut(shortcut, in_channels, width, stride, norm)

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(F(x) + shortcut(x)), or relu(F(x)) in a plain network."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.se is not None:
            out = self.se(out)
        if self.residual:
            out = out + (x if self.downsample is None else self.downsample(x))
        return self.relu(out)


class PreActBlock(nn.Module):
    """BN, ReLU, 3x3, BN, ReLU, 3x3, plus the shortcut; nothing follows the sum.

    Shape: (N, in_channels, H, W) -> (N, width, H / stride, W / stride)
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        stride: int,
        shortcut: Shortcut = "A",
        se: bool = False,
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        self.bn1 = _norm(norm, in_channels)
        self.relu = nn.ReLU()  # not in place: the shortcut needs x as it is
        self.conv1 = _conv(in_channels, width, stride, norm)
        self.bn2 = _norm(norm, width)
        self.conv2 = _conv(width, width, 1, norm)
        self.se = SqueezeExcitation(width, max(1, width // 16)) if se else None
        self.residual = shortcut != "none"
        self.downsample = _shortcut(shortcut, in_channels, width, stride, norm)

    def forward(self, x: Tensor) -> Tensor:
        """Return F(x) + shortcut(x), or F(x) in a plain network."""
        out = self.conv1(self.relu(self.bn1(x)))
        out = self.conv2(self.relu(self.bn2(out)))
        if self.se is not None:
            out = self.se(out)
        if self.residual:
            out = out + (x if self.downsample is None else self.downsample(x))
        return out


Block = Callable[[int, int, int], nn.Module]


def _stage(block: Block, in_channels: int, width: int, depth: int, stride: int) -> nn.Sequential:
    """`depth` blocks, of which the first changes width and resolution."""
    others = (block(width, width, 1) for _ in range(depth - 1))
    return nn.Sequential(block(in_channels, width, stride), *others)


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
        norm: Norm = "batch",
        preactivation: bool = False,
    ) -> None:
        super().__init__()
        block = partial(
            PreActBlock if preactivation else BasicBlock, shortcut=shortcut, se=se, norm=norm
        )
        self.preactivation = preactivation
        self.conv1 = _conv(in_channels, 16, 1, norm)
        self.bn1 = _norm(norm, 64 if preactivation else 16)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _stage(block, 16, 16, depths[0], 1)
        self.layer2 = _stage(block, 16, 32, depths[1], 2)
        self.layer3 = _stage(block, 32, 64, depths[2], 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(64, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        x = self.conv1(x)  # (N, 16, H, W)
        if not self.preactivation:
            x = self.relu(self.bn1(x))
        x = self.layer3(self.layer2(self.layer1(x)))  # (N, 64, H / 4, W / 4)
        if self.preactivation:
            x = self.relu(self.bn1(x))
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
    norm: Norm = "batch",
    preactivation: bool = False,
) -> CifarResNet:
    """ResNet-20 (CIFAR)."""
    return CifarResNet(depths, num_classes, in_channels, shortcut, se, norm, preactivation)


@he_2015
def resnet32(
    num_classes: NumClasses = 10,
    in_channels: InChannels = 3,
    depths: Depths = (5, 5, 5),
    shortcut: Shortcut = "A",
    se: bool = False,
    norm: Norm = "batch",
    preactivation: bool = False,
) -> CifarResNet:
    """ResNet-32 (CIFAR)."""
    return CifarResNet(depths, num_classes, in_channels, shortcut, se, norm, preactivation)


@he_2015
def resnet44(
    num_classes: NumClasses = 10,
    in_channels: InChannels = 3,
    depths: Depths = (7, 7, 7),
    shortcut: Shortcut = "A",
    se: bool = False,
    norm: Norm = "batch",
    preactivation: bool = False,
) -> CifarResNet:
    """ResNet-44 (CIFAR)."""
    return CifarResNet(depths, num_classes, in_channels, shortcut, se, norm, preactivation)


@he_2015
def resnet56(
    num_classes: NumClasses = 10,
    in_channels: InChannels = 3,
    depths: Depths = (9, 9, 9),
    shortcut: Shortcut = "A",
    se: bool = False,
    norm: Norm = "batch",
    preactivation: bool = False,
) -> CifarResNet:
    """ResNet-56 (CIFAR)."""
    return CifarResNet(depths, num_classes, in_channels, shortcut, se, norm, preactivation)


@he_2015
def resnet110(
    num_classes: NumClasses = 10,
    in_channels: InChannels = 3,
    depths: Depths = (18, 18, 18),
    shortcut: Shortcut = "A",
    se: bool = False,
    norm: Norm = "batch",
    preactivation: bool = False,
) -> CifarResNet:
    """ResNet-110 (CIFAR)."""
    return CifarResNet(depths, num_classes, in_channels, shortcut, se, norm, preactivation)


@he_2015
def resnet1202(
    num_classes: NumClasses = 10,
    in_channels: InChannels = 3,
    depths: Depths = (200, 200, 200),
    shortcut: Shortcut = "A",
    se: bool = False,
    norm: Norm = "batch",
    preactivation: bool = False,
) -> CifarResNet:
    """ResNet-1202 (CIFAR)."""
    return CifarResNet(depths, num_classes, in_channels, shortcut, se, norm, preactivation)


@he_2015
def plain20(
    num_classes: NumClasses = 10,
    in_channels: InChannels = 3,
    depths: Depths = (3, 3, 3),
    shortcut: Shortcut = "none",
    se: bool = False,
    norm: Norm = "batch",
) -> CifarResNet:
    """Plain-20 (CIFAR, no shortcuts)."""
    return CifarResNet(depths, num_classes, in_channels, shortcut, se, norm)


@he_2015
def plain56(
    num_classes: NumClasses = 10,
    in_channels: InChannels = 3,
    depths: Depths = (9, 9, 9),
    shortcut: Shortcut = "none",
    se: bool = False,
    norm: Norm = "batch",
) -> CifarResNet:
    """Plain-56 (CIFAR, no shortcuts)."""
    return CifarResNet(depths, num_classes, in_channels, shortcut, se, norm)
