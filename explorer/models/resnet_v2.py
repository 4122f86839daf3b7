"""ResNet v2: normalize and activate first, so that the shortcut carries x through untouched.

Identity Mappings in Deep Residual Networks, He, Zhang, Ren, Sun, ECCV 2016, arXiv:1603.05027.
Departs from the paper as timm does: the stride of a bottleneck sits on its 3x3 convolution, and
the ImageNet networks pool before the first normalization and activation. The option `se` is that
of Squeeze-and-Excitation Networks, arXiv:1709.01507.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Annotated

from torch import Tensor, nn

from explorer.models._layers import SqueezeExcitation
from explorer.models._registry import Bounds, InChannels, NumClasses, Paper, register_model

Depths = Annotated[tuple[int, ...], Bounds(1, 48)]
CifarDepths = Annotated[tuple[int, ...], Bounds(1, 128)]


def _projection(in_channels: int, out_channels: int, stride: int) -> nn.Sequential | None:
    """Return what makes x as wide and as small as the block's result; None: it is so already."""
    if stride == 1 and in_channels == out_channels:
        return None
    conv = nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False)
    return nn.Sequential(OrderedDict(conv=conv))


def _squeeze_excitation(channels: int, se: bool) -> SqueezeExcitation | None:
    return SqueezeExcitation(channels, max(1, channels // 16)) if se else None


class PreActBasic(nn.Module):
    """BN, ReLU, 3x3, BN, ReLU, 3x3, plus the shortcut.

    Shape: (N, in_channels, H, W) -> (N, width, H / stride, W / stride)
    """

    def __init__(self, in_channels: int, width: int, stride: int, se: bool = False) -> None:
        super().__init__()
        self.out_channels = width
        self.downsample = _projection(in_channels, width, stride)
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(
            in_channels, width, kernel_size=3, stride=stride, padding=1, bias=False
        )
        self.norm2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.se = _squeeze_excitation(width, se)

    def forward(self, x: Tensor) -> Tensor:
        """Return F(x) + x, or F(x) plus a projection of the activated x."""
        activated = self.relu(self.norm1(x))
        out = self.conv2(self.relu(self.norm2(self.conv1(activated))))
        if self.se is not None:
            out = self.se(out)
        return out + (x if self.downsample is None else self.downsample(activated))


class PreActBottleneck(nn.Module):
    """BN, ReLU, 1x1 reduce, BN, ReLU, 3x3, BN, ReLU, 1x1 expand, plus the shortcut.

    Shape: (N, in_channels, H, W) -> (N, 4 * width, H / stride, W / stride)
    """

    def __init__(self, in_channels: int, width: int, stride: int, se: bool = False) -> None:
        super().__init__()
        self.out_channels = 4 * width
        self.downsample = _projection(in_channels, 4 * width, stride)
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, stride=stride, padding=1, bias=False)
        self.norm3 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, kernel_size=1, bias=False)
        self.se = _squeeze_excitation(4 * width, se)

    def forward(self, x: Tensor) -> Tensor:
        """Return F(x) + x, or F(x) plus a projection of the activated x."""
        activated = self.relu(self.norm1(x))
        out = self.conv1(activated)
        out = self.conv2(self.relu(self.norm2(out)))
        out = self.conv3(self.relu(self.norm3(out)))
        if self.se is not None:
            out = self.se(out)
        return out + (x if self.downsample is None else self.downsample(activated))


Block = Callable[[int, int, int], PreActBasic | PreActBottleneck]


class Stage(nn.Module):
    """Blocks of one width; the first halves the resolution if the stride is 2.

    Shape: (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride)
    """

    def __init__(self, block: Block, in_channels: int, width: int, depth: int, stride: int) -> None:
        super().__init__()
        first = block(in_channels, width, stride)
        self.out_channels = first.out_channels
        others = (block(first.out_channels, width, 1) for _ in range(depth - 1))
        self.blocks = nn.Sequential(first, *others)

    def forward(self, x: Tensor) -> Tensor:
        """Return the last block's result."""
        return self.blocks(x)


class Head(nn.Module):
    """Global average, classifier, which is a 1x1 convolution as in timm.

    Shape: (N, in_channels, H, W) -> (N, num_classes)
    """

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.global_pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Conv2d(in_channels, num_classes, kernel_size=1)
        self.flatten = nn.Flatten()

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        return self.flatten(self.fc(self.global_pool(x)))


class ResNetV2(nn.Module):
    """Stem, stages of pre-activation blocks, BN, ReLU, head.

    Args:
        block: makes a block from its in_channels, width and stride.
        depths: blocks in each stage.
        widths: of the stages.
        stem: from the image to the first stage.
        num_classes: classes to tell apart.

    Shape: (N, in_channels, H, W) -> (N, num_classes)
    """

    def __init__(
        self,
        block: Block,
        depths: tuple[int, ...],
        widths: tuple[int, ...],
        stem: nn.Sequential,
        num_classes: int,
    ) -> None:
        super().__init__()
        self.stem = stem
        channels, stages = widths[0], []
        for index, (depth, width) in enumerate(zip(depths, widths, strict=True)):
            stages.append(Stage(block, channels, width, depth, stride=2 if index else 1))
            channels = stages[-1].out_channels
        self.stages = nn.Sequential(*stages)
        self.norm = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.head = Head(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        return self.head(self.relu(self.norm(self.stages(self.stem(x)))))


def _imagenet(
    block: Callable[..., PreActBasic | PreActBottleneck],
    depths: tuple[int, ...],
    num_classes: int,
    in_channels: int,
    se: bool,
) -> ResNetV2:
    """Return a network with a 7x7 and a maximum in its stem and four stages."""
    stem = OrderedDict[str, nn.Module](
        conv=nn.Conv2d(in_channels, 64, kernel_size=7, stride=2, padding=3, bias=False),
        pool=nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
    )
    widths = (64, 128, 256, 512)
    return ResNetV2(partial(block, se=se), depths, widths, nn.Sequential(stem), num_classes)


def _cifar(depths: tuple[int, ...], num_classes: int, in_channels: int, se: bool) -> ResNetV2:
    """Return a network with a 3x3 as its stem and three stages of bottlenecks."""
    conv = nn.Conv2d(in_channels, 16, kernel_size=3, padding=1, bias=False)
    stem = nn.Sequential(OrderedDict(conv=conv))
    return ResNetV2(partial(PreActBottleneck, se=se), depths, (16, 32, 64), stem, num_classes)


he_2016 = partial(
    register_model,
    family="ResNet v2",
    year=2016,
    paper=Paper(
        authors="He, Zhang, Ren, Sun",
        title="Identity Mappings in Deep Residual Networks",
        venue="ECCV 2016",
        arxiv="1603.05027",
    ),
    idea="Normalization and activation come before each convolution, and nothing stands on the "
    "shortcut, so that a signal reaches any block from any other unchanged.",
    new=(
        "Batch normalization and ReLU move in front of the convolutions, which makes them the "
        "pre-activation of the weights behind them.",
        "No activation follows the addition: the shortcut is the identity from end to end, "
        "forwards and backwards.",
        "Networks of 1,001 layers train on CIFAR and become better than shallower ones.",
    ),
)
imagenet = he_2016(
    departs="The stride of a bottleneck sits on its 3x3 convolution, not on the first 1x1, and "
    "the map is pooled before its first normalization and activation, both as in timm."
)
imagenet_basic = he_2016(
    departs="The paper has no network of this depth; its two-convolution block is used. As in "
    "timm, the map is pooled before its first normalization and activation, and the first "
    "shortcut carries it without them."
)
cifar = he_2016(
    input_shape=(1, 3, 32, 32),
    departs="The stride of a bottleneck sits on its 3x3 convolution.",
)


@imagenet_basic
def resnetv2_18(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (2, 2, 2, 2),
    se: bool = False,
) -> ResNetV2:
    """ResNet-v2-18 (pre-activation)."""
    return _imagenet(PreActBasic, depths, num_classes, in_channels, se)


@imagenet_basic
def resnetv2_34(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 4, 6, 3),
    se: bool = False,
) -> ResNetV2:
    """ResNet-v2-34 (pre-activation)."""
    return _imagenet(PreActBasic, depths, num_classes, in_channels, se)


@imagenet
def resnetv2_50(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 4, 6, 3),
    se: bool = False,
) -> ResNetV2:
    """ResNet-v2-50 (pre-activation)."""
    return _imagenet(PreActBottleneck, depths, num_classes, in_channels, se)


@imagenet
def resnetv2_101(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 4, 23, 3),
    se: bool = False,
) -> ResNetV2:
    """ResNet-v2-101 (pre-activation)."""
    return _imagenet(PreActBottleneck, depths, num_classes, in_channels, se)


@imagenet
def resnetv2_152(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 8, 36, 3),
    se: bool = False,
) -> ResNetV2:
    """ResNet-v2-152 (pre-activation)."""
    return _imagenet(PreActBottleneck, depths, num_classes, in_channels, se)


@imagenet
def resnetv2_200(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 24, 36, 3),
    se: bool = False,
) -> ResNetV2:
    """ResNet-v2-200 (pre-activation)."""
    return _imagenet(PreActBottleneck, depths, num_classes, in_channels, se)


@cifar
def preresnet164(
    num_classes: NumClasses = 10,
    in_channels: InChannels = 3,
    depths: CifarDepths = (18, 18, 18),
    se: bool = False,
) -> ResNetV2:
    """ResNet-v2-164 (pre-activation, CIFAR)."""
    return _cifar(depths, num_classes, in_channels, se)


@cifar
def preresnet1001(
    num_classes: NumClasses = 10,
    in_channels: InChannels = 3,
    depths: CifarDepths = (111, 111, 111),
    se: bool = False,
) -> ResNetV2:
    """ResNet-v2-1001 (pre-activation, CIFAR)."""
    return _cifar(depths, num_classes, in_channels, se)
