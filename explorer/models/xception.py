"""Xception: an inception module taken to its limit, one 3x3 per channel and a 1x1 across all.

Xception: Deep Learning with Depthwise Separable Convolutions, Chollet, CVPR 2017,
arXiv:1610.02357, Figure 5. Departs from the paper in one place: the fully connected layers that
may stand before the classifier are left out, as in its experiment on ImageNet.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

from torch import Tensor, nn

from explorer.models._registry import Dropout, InChannels, NumClasses, Paper, register_model

Intermediate = Literal["none", "relu", "elu"]

ACTIVATIONS = {"relu": nn.ReLU, "elu": nn.ELU}


class SeparableConv2d(nn.Sequential):
    """3x3 on each channel by itself, then 1x1; the paper tries an activation between (4.7).

    Shape: (N, in_channels, H, W) -> (N, out_channels, H, W)
    """

    def __init__(self, in_channels: int, out_channels: int, intermediate: Intermediate) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(
            in_channels, in_channels, kernel_size=3, padding=1, groups=in_channels, bias=False
        )
        if intermediate != "none":
            self.activation = ACTIVATIONS[intermediate]()
        self.pointwise = nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False)


class Block(nn.Module):
    """Some times ReLU, separable 3x3, BN; pooling if the map is halved; plus the shortcut.

    Args:
        in_channels: channels of the input.
        widths: channels after each of the separable convolutions.
        stride: 2 halves the map.
        relu_first: the block begins with its ReLU.
        residual: there is a shortcut.
        intermediate: activation inside the separable convolutions.

    Shape: (N, in_channels, H, W) -> (N, widths[-1], H / stride, W / stride)
    """

    def __init__(
        self,
        in_channels: int,
        widths: tuple[int, ...],
        stride: int = 1,
        relu_first: bool = True,
        residual: bool = True,
        intermediate: Intermediate = "none",
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = in_channels
        for width in widths:
            if layers or relu_first:
                layers.append(nn.ReLU(inplace=bool(layers)))  # the shortcut reads the first's input
            layers.append(SeparableConv2d(channels, width, intermediate))
            layers.append(nn.BatchNorm2d(width))
            channels = width
        if stride > 1:
            layers.append(nn.MaxPool2d(kernel_size=3, stride=stride, padding=1))
        self.rep = nn.Sequential(*layers)
        self.residual = residual
        self.skip: nn.Module | None = None
        self.skipbn: nn.Module | None = None
        if residual and (stride > 1 or channels != in_channels):
            self.skip = nn.Conv2d(in_channels, channels, kernel_size=1, stride=stride, bias=False)
            self.skipbn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return F(x) + shortcut(x)."""
        out = self.rep(x)
        if not self.residual:
            return out
        if self.skip is not None and self.skipbn is not None:
            x = self.skipbn(self.skip(x))
        return out + x


class Xception(nn.Module):
    """Entry flow, eight times the middle flow, exit flow, global average, classifier.

    Shape: (N, in_channels, H, W) -> (N, num_classes)
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        residual: bool,
        intermediate: Intermediate,
        dropout: float,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 32, kernel_size=3, stride=2, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        self.act1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(32, 64, kernel_size=3, bias=False)
        self.bn2 = nn.BatchNorm2d(64)
        self.act2 = nn.ReLU(inplace=True)
        block = partial(Block, residual=residual, intermediate=intermediate)
        self.block1 = block(64, (128, 128), stride=2, relu_first=False)
        self.block2 = block(128, (256, 256), stride=2)
        self.block3 = block(256, (728, 728), stride=2)
        self.block4 = block(728, (728, 728, 728))
        self.block5 = block(728, (728, 728, 728))
        self.block6 = block(728, (728, 728, 728))
        self.block7 = block(728, (728, 728, 728))
        self.block8 = block(728, (728, 728, 728))
        self.block9 = block(728, (728, 728, 728))
        self.block10 = block(728, (728, 728, 728))
        self.block11 = block(728, (728, 728, 728))
        self.block12 = block(728, (728, 1024), stride=2)
        self.conv3 = SeparableConv2d(1024, 1536, intermediate)
        self.bn3 = nn.BatchNorm2d(1536)
        self.act3 = nn.ReLU(inplace=True)
        self.conv4 = SeparableConv2d(1536, 2048, intermediate)
        self.bn4 = nn.BatchNorm2d(2048)
        self.act4 = nn.ReLU(inplace=True)
        self.global_pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(2048, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        x = self.act1(self.bn1(self.conv1(x)))
        x = self.act2(self.bn2(self.conv2(x)))  # (N, 64, 147, 147)
        x = self.block3(self.block2(self.block1(x)))  # (N, 728, 19, 19)
        x = self.block7(self.block6(self.block5(self.block4(x))))
        x = self.block11(self.block10(self.block9(self.block8(x))))
        x = self.block12(x)  # (N, 1024, 10, 10)
        x = self.act3(self.bn3(self.conv3(x)))
        x = self.act4(self.bn4(self.conv4(x)))  # (N, 2048, 10, 10)
        return self.fc(self.dropout(self.flatten(self.global_pool(x))))


@register_model(
    family="Xception",
    year=2016,
    paper=Paper(
        authors="Chollet",
        title="Xception: Deep Learning with Depthwise Separable Convolutions",
        venue="CVPR 2017",
        arxiv="1610.02357",
    ),
    idea="An inception module taken to its limit: one 3x3 for each channel, and a 1x1 across all.",
    new=(
        "Depthwise separable convolutions replace inception modules altogether.",
        "36 such layers, with residual connections, make the whole network.",
        "With the weights of Inception v3 it is more accurate: it uses them better.",
    ),
    departs="The fully connected layers that may stand before the classifier are left out, as in "
    "the paper's experiment on ImageNet.",
    input_shape=(1, 3, 299, 299),
    min_size=(7, 7),
)
def xception(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    residual: bool = True,
    intermediate: Intermediate = "none",
    dropout: Dropout = 0.5,
) -> Xception:
    """Xception."""
    return Xception(num_classes, in_channels, residual, intermediate, dropout)
