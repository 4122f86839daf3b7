"""OSNet: each block looks at four scales at once, and one small gate weighs them all.

Omni-Scale Feature Learning for Person Re-Identification, Zhou, Yang, Cavallaro, Xiang, ICCV 2019,
arXiv:1905.00953. Departs from the paper in nothing. People are compared by the 512 features in
front of the classifier, which `classifier=False` returns.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn

from explorer.models._registry import Bounds, InChannels, NumClasses, Paper, register_model

Streams = Annotated[int, Bounds(1, 4)]


class ConvLayer(nn.Module):
    """Convolution, BN, ReLU; no ReLU where linear.

    Shape: (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 1,
        stride: int = 1,
        linear: bool = False,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=kernel_size // 2,
            bias=False,
        )
        self.bn = nn.BatchNorm2d(out_channels)
        self.relu = None if linear else nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalized convolution, activated unless linear."""
        x = self.bn(self.conv(x))
        return x if self.relu is None else self.relu(x)


class LightConv3x3(nn.Module):
    """1x1, 3x3 depthwise, BN, ReLU: a 3x3 convolution in two cheap steps (Figure 3b).

    Shape: (N, channels, H, W) -> (N, channels, H, W)
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, kernel_size=1, bias=False)
        self.conv2 = nn.Conv2d(
            channels, channels, kernel_size=3, padding=1, groups=channels, bias=False
        )
        self.bn = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Mix the channels pixel by pixel, then filter each alone."""
        return self.relu(self.bn(self.conv2(self.conv1(x))))


class ChannelGate(nn.Module):
    """Global average, 1x1 to a sixteenth, ReLU, 1x1, sigmoid: a weight for each channel.

    Shape: (N, channels, H, W) -> (N, channels, H, W)
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.global_avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, channels // 16, kernel_size=1)
        self.relu = nn.ReLU(inplace=True)
        self.fc2 = nn.Conv2d(channels // 16, channels, kernel_size=1)
        self.gate_activation = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Return x, each channel times its weight between 0 and 1."""
        squeezed = self.relu(self.fc1(self.global_avgpool(x)))
        return x * self.gate_activation(self.fc2(squeezed))


class OSBlock(nn.Module):
    """1x1 reduce, streams of 1 to 4 light 3x3s, gated and added, 1x1 expand, plus the shortcut.

    The t-th stream sees 2t + 1 pixels across. All streams pass through the same gate, so that
    what it learns of one scale tells it about the others (Figure 4).

    Shape: (N, in_channels, H, W) -> (N, out_channels, H, W)
    """

    def __init__(self, in_channels: int, out_channels: int, streams: int) -> None:
        super().__init__()
        inner = out_channels // 4
        self.conv1 = ConvLayer(in_channels, inner)
        self.conv2a = LightConv3x3(inner)
        for length in range(2, streams + 1):
            stream = nn.Sequential(*(LightConv3x3(inner) for _ in range(length)))
            self.add_module(f"conv2{'abcd'[length - 1]}", stream)
        self.streams = streams
        self.gate = ChannelGate(inner)
        self.conv3 = ConvLayer(inner, out_channels, linear=True)
        self.downsample = (
            None
            if in_channels == out_channels
            else ConvLayer(in_channels, out_channels, linear=True)
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(x + the 1x1 of the gated streams' sum), x projected where widths differ."""
        reduced = self.conv1(x)
        out = self.gate(self.conv2a(reduced))
        for letter in "bcd"[: self.streams - 1]:
            out = out + self.gate(self.get_submodule(f"conv2{letter}")(reduced))
        return self.relu(self.conv3(out) + (x if self.downsample is None else self.downsample(x)))


def _stage(in_channels: int, out_channels: int, streams: int, halve: bool) -> nn.Sequential:
    """Two blocks, then 1x1 and 2x2 average pooling where the resolution is halved."""
    blocks = nn.Sequential(
        OSBlock(in_channels, out_channels, streams), OSBlock(out_channels, out_channels, streams)
    )
    if halve:
        pool = nn.AvgPool2d(kernel_size=2, stride=2)
        blocks.append(nn.Sequential(ConvLayer(out_channels, out_channels), pool))
    return blocks


class OSNet(nn.Module):
    """7x7 and pool, three stages of two blocks, 1x1, global average, 512 features, classifier.

    Args:
        widths: output channels of the stem and of the three stages (Table 1).
        streams: scales that a block looks at.
        classifier: return the class scores, not the features.
        num_classes: classes to tell apart.
        in_channels: channels of the image.

    Shape: (N, in_channels, H, W) -> (N, num_classes) or (N, 512)
    """

    def __init__(
        self,
        widths: tuple[int, int, int, int],
        streams: int,
        classifier: bool,
        num_classes: int,
        in_channels: int,
    ) -> None:
        super().__init__()
        stem, *stages = widths
        self.conv1 = ConvLayer(in_channels, stem, kernel_size=7, stride=2)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.conv2 = _stage(stem, stages[0], streams, halve=True)
        self.conv3 = _stage(stages[0], stages[1], streams, halve=True)
        self.conv4 = _stage(stages[1], stages[2], streams, halve=False)
        self.conv5 = ConvLayer(stages[2], stages[2])
        self.global_avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Sequential(
            nn.Linear(stages[2], 512), nn.BatchNorm1d(512), nn.ReLU(inplace=True)
        )
        self.classifier = nn.Linear(512, num_classes) if classifier else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores, or the features without a classifier."""
        x = self.maxpool(self.conv1(x))  # (N, 64, H / 4, W / 4) at width 1
        x = self.conv5(self.conv4(self.conv3(self.conv2(x))))  # (N, 512, H / 16, W / 16)
        features = self.fc(self.flatten(self.global_avgpool(x)))
        return features if self.classifier is None else self.classifier(features)


zhou_2019 = register_model(
    family="OSNet",
    year=2019,
    paper=Paper(
        authors="Zhou, Yang, Cavallaro, Xiang",
        title="Omni-Scale Feature Learning for Person Re-Identification",
        venue="ICCV 2019",
        arxiv="1905.00953",
    ),
    idea="Each block looks at four scales at once, and one small gate weighs them all.",
    new=(
        "Streams of one to four light 3x3 convolutions see windows of 3, 5, 7 and 9 pixels.",
        "A gate shared by all streams weighs each channel of each scale by what it sees.",
        "A convolution is a 1x1 followed by a depthwise 3x3, so that 2.2 million weights are "
        "enough.",
    ),
    input_shape=(1, 3, 256, 128),
    min_size=(13, 13),
)


@zhou_2019
def osnet_x1_0(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    streams: Streams = 4,
    classifier: bool = True,
) -> OSNet:
    """OSNet."""
    return OSNet((64, 256, 384, 512), streams, classifier, num_classes, in_channels)


@zhou_2019
def osnet_x0_75(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    streams: Streams = 4,
    classifier: bool = True,
) -> OSNet:
    """OSNet (width 0.75)."""
    return OSNet((48, 192, 288, 384), streams, classifier, num_classes, in_channels)


@zhou_2019
def osnet_x0_5(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    streams: Streams = 4,
    classifier: bool = True,
) -> OSNet:
    """OSNet (width 0.5)."""
    return OSNet((32, 128, 192, 256), streams, classifier, num_classes, in_channels)


@zhou_2019
def osnet_x0_25(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    streams: Streams = 4,
    classifier: bool = True,
) -> OSNet:
    """OSNet (width 0.25)."""
    return OSNet((16, 64, 96, 128), streams, classifier, num_classes, in_channels)
