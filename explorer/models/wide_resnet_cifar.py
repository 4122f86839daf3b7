"""Wide ResNet for CIFAR: fewer layers, many times the channels.

Wide Residual Networks, Zagoruyko, Komodakis, BMVC 2016, arXiv:1605.07146. WRN-d-k has
d = 6n + 4 layers and k times the width of a CIFAR ResNet; its blocks normalize and activate
before each convolution, not after. Departs from the paper in nothing; the option `se` is that of
Squeeze-and-Excitation Networks, arXiv:1709.01507. (`wide_resnet50_2`, the
ImageNet model, is a ResNet bottleneck and stands with the ResNets.)
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn

from explorer.models._layers import SqueezeExcitation
from explorer.models._registry import Bounds, Dropout, InChannels, NumClasses, Paper, register_model

Depths = Annotated[tuple[int, ...], Bounds(1, 64)]
WidenFactor = Annotated[int, Bounds(1, 32)]


class WideBlock(nn.Module):
    """BN, ReLU, 3x3, BN, ReLU, dropout, 3x3, plus the shortcut.

    Shape: (N, in_channels, H, W) -> (N, width, H / stride, W / stride)
    """

    def __init__(self, in_channels: int, width: int, stride: int, dropout: float, se: bool) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(
            in_channels, width, kernel_size=3, stride=stride, padding=1, bias=False
        )
        self.bn2 = nn.BatchNorm2d(width)
        self.dropout = nn.Dropout(dropout) if dropout else None
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.se = SqueezeExcitation(width, max(1, width // 16)) if se else None
        self.downsample = (
            None
            if in_channels == width
            else nn.Conv2d(in_channels, width, kernel_size=1, stride=stride, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return F(x) + x, or F(x) plus a projection of the activated x."""
        activated = self.relu(self.bn1(x))
        out = self.relu(self.bn2(self.conv1(activated)))
        if self.dropout is not None:
            out = self.dropout(out)
        out = self.conv2(out)
        if self.se is not None:
            out = self.se(out)
        return out + (x if self.downsample is None else self.downsample(activated))


def _stage(
    in_channels: int, width: int, depth: int, stride: int, dropout: float, se: bool
) -> nn.Sequential:
    """`depth` blocks, of which the first changes width and resolution."""
    first = WideBlock(in_channels, width, stride, dropout, se)
    others = (WideBlock(width, width, 1, dropout, se) for _ in range(depth - 1))
    return nn.Sequential(first, *others)


class WideResNet(nn.Module):
    """3x3, three stages, BN, ReLU, global average, classifier (Table 1).

    Shape: (N, in_channels, H, W) -> (N, num_classes)
    """

    def __init__(
        self,
        depths: tuple[int, ...],
        widen_factor: int,
        num_classes: int,
        in_channels: int,
        dropout: float,
        se: bool,
    ) -> None:
        super().__init__()
        k = widen_factor
        self.conv1 = nn.Conv2d(in_channels, 16, kernel_size=3, padding=1, bias=False)
        self.layer1 = _stage(16, 16 * k, depths[0], 1, dropout, se)
        self.layer2 = _stage(16 * k, 32 * k, depths[1], 2, dropout, se)
        self.layer3 = _stage(32 * k, 64 * k, depths[2], 2, dropout, se)
        self.bn1 = nn.BatchNorm2d(64 * k)
        self.relu = nn.ReLU(inplace=True)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(64 * k, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        x = self.layer3(self.layer2(self.layer1(self.conv1(x))))  # (N, 64 k, H / 4, W / 4)
        return self.fc(self.flatten(self.avgpool(self.relu(self.bn1(x)))))


zagoruyko_2016 = register_model(
    family="Wide ResNet",
    year=2016,
    paper=Paper(
        authors="Zagoruyko, Komodakis",
        title="Wide Residual Networks",
        venue="BMVC 2016",
        arxiv="1605.07146",
    ),
    idea="Fewer layers, many times the channels.",
    new=(
        "Sixteen to forty layers with 4 to 10 times the width surpass a thousand thin layers.",
        "Wide layers keep a GPU busy and train several times faster.",
        "Dropout stands between the two convolutions of a block.",
    ),
    input_shape=(1, 3, 32, 32),
)


@zagoruyko_2016
def wrn_16_8(
    num_classes: NumClasses = 10,
    in_channels: InChannels = 3,
    depths: Depths = (2, 2, 2),
    widen_factor: WidenFactor = 8,
    dropout: Dropout = 0.0,
    se: bool = False,
) -> WideResNet:
    """WRN-16-8 (CIFAR)."""
    return WideResNet(depths, widen_factor, num_classes, in_channels, dropout, se)


@zagoruyko_2016
def wrn_28_10(
    num_classes: NumClasses = 10,
    in_channels: InChannels = 3,
    depths: Depths = (4, 4, 4),
    widen_factor: WidenFactor = 10,
    dropout: Dropout = 0.0,
    se: bool = False,
) -> WideResNet:
    """WRN-28-10 (CIFAR)."""
    return WideResNet(depths, widen_factor, num_classes, in_channels, dropout, se)


@zagoruyko_2016
def wrn_40_4(
    num_classes: NumClasses = 10,
    in_channels: InChannels = 3,
    depths: Depths = (6, 6, 6),
    widen_factor: WidenFactor = 4,
    dropout: Dropout = 0.0,
    se: bool = False,
) -> WideResNet:
    """WRN-40-4 (CIFAR)."""
    return WideResNet(depths, widen_factor, num_classes, in_channels, dropout, se)
