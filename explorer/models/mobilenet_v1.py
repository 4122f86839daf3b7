"""MobileNet: a convolution split into one that looks around and one that mixes channels.

MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications, Howard, Zhu,
Chen, Kalenichenko, Wang, Weyand, Andreetto, Adam 2017, arXiv:1704.04861. The paper varies two
numbers: the width multiplier, and the resolution, which is the size of the input. Departs from
the paper as its authors' released code does: the activations are ReLU6.

`depthwise=False` is the network of full convolutions that Table 4 compares with, and
`depths=(1, 2, 2, 1, 2)` the shallow one of Table 5.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn

from explorer.models._layers import make_divisible
from explorer.models._registry import Bounds, InChannels, NumClasses, Paper, register_model

WidthMult = Annotated[float, Bounds(0.25, 2)]
Depths = Annotated[tuple[int, ...], Bounds(1, 32)]

# Width and stride of each stage, and its blocks (Table 1).
STAGES = ((64, 1), (128, 2), (256, 2), (512, 2), (1024, 2))
DEPTHS = (1, 2, 2, 6, 2)


class DepthwiseSeparableConv(nn.Module):
    """3x3 depthwise, BN, ReLU6, 1x1, BN, ReLU6 (Figure 3).

    Shape: (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride)
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv_dw = nn.Conv2d(
            in_channels,
            in_channels,
            kernel_size=3,
            stride=stride,
            padding=1,
            groups=in_channels,
            bias=False,
        )
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.act1 = nn.ReLU6(inplace=True)
        self.conv_pw = nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.act2 = nn.ReLU6(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Filter each channel alone, then mix the channels pixel by pixel."""
        x = self.act1(self.bn1(self.conv_dw(x)))
        return self.act2(self.bn2(self.conv_pw(x)))


class FullConv(nn.Module):
    """3x3, BN, ReLU6 (Figure 3): what a depthwise separable convolution stands for.

    Shape: (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride)
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size=3, stride=stride, padding=1, bias=False
        )
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.act1 = nn.ReLU6(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Filter and mix the channels at once."""
        return self.act1(self.bn1(self.conv(x)))


class MobileNetV1(nn.Module):
    """3x3 stride 2, thirteen depthwise separable convolutions, global average, classifier.

    Shape: (N, in_channels, H, W) -> (N, num_classes)
    """

    def __init__(
        self,
        width_mult: float,
        num_classes: int,
        in_channels: int,
        depths: tuple[int, ...],
        depthwise: bool,
    ) -> None:
        super().__init__()
        block = DepthwiseSeparableConv if depthwise else FullConv
        channels = make_divisible(32 * width_mult)
        self.conv_stem = nn.Conv2d(
            in_channels, channels, kernel_size=3, stride=2, padding=1, bias=False
        )
        self.bn1 = nn.BatchNorm2d(channels)
        self.act1 = nn.ReLU6(inplace=True)
        stages = []
        for (base_width, stride), depth in zip(STAGES, depths, strict=True):
            width = make_divisible(base_width * width_mult)
            blocks = [block(channels, width, stride)]
            blocks += [block(width, width, 1) for _ in range(depth - 1)]
            stages.append(nn.Sequential(*blocks))
            channels = width
        self.blocks = nn.Sequential(*stages)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        x = self.act1(self.bn1(self.conv_stem(x)))  # (N, 32, H / 2, W / 2) at width 1
        x = self.blocks(x)  # (N, 1024, H / 32, W / 32)
        return self.classifier(self.flatten(self.avgpool(x)))


howard_2017 = register_model(
    family="MobileNet",
    year=2017,
    paper=Paper(
        authors="Howard, Zhu, Chen, Kalenichenko, Wang, Weyand, Andreetto, Adam",
        title="MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications",
        arxiv="1704.04861",
    ),
    idea="A convolution is split into one that looks around, channel by channel, and one that "
    "mixes the channels.",
    new=(
        "A depthwise 3x3 and a 1x1 do a convolution's work for an eighth to a ninth of the "
        "operations.",
        "A width multiplier thins every layer alike.",
        "A resolution multiplier makes the image smaller: together they trade accuracy for "
        "latency.",
    ),
    departs="The activations are ReLU6, as in the authors' released code.",
)


@howard_2017
def mobilenetv1_100(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    width_mult: WidthMult = 1.0,
    depths: Depths = DEPTHS,
    depthwise: bool = True,
) -> MobileNetV1:
    """MobileNet v1."""
    return MobileNetV1(width_mult, num_classes, in_channels, depths, depthwise)


@howard_2017
def mobilenetv1_075(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    width_mult: WidthMult = 0.75,
    depths: Depths = DEPTHS,
    depthwise: bool = True,
) -> MobileNetV1:
    """MobileNet v1 (width 0.75)."""
    return MobileNetV1(width_mult, num_classes, in_channels, depths, depthwise)


@howard_2017
def mobilenetv1_050(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    width_mult: WidthMult = 0.5,
    depths: Depths = DEPTHS,
    depthwise: bool = True,
) -> MobileNetV1:
    """MobileNet v1 (width 0.5)."""
    return MobileNetV1(width_mult, num_classes, in_channels, depths, depthwise)


@howard_2017
def mobilenetv1_025(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    width_mult: WidthMult = 0.25,
    depths: Depths = DEPTHS,
    depthwise: bool = True,
) -> MobileNetV1:
    """MobileNet v1 (width 0.25)."""
    return MobileNetV1(width_mult, num_classes, in_channels, depths, depthwise)
