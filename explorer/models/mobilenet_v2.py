"""MobileNet v2: the block is wide inside and narrow between, and its narrow ends stay linear.

MobileNetV2: Inverted Residuals and Linear Bottlenecks, Sandler, Howard, Zhu, Zhmoginov, Chen,
CVPR 2018, arXiv:1801.04381. Departs from the paper in nothing.

Options turn one decision each. The paper argues for `expansion` (section 3), for linear ends
(`linear`, Figure 6a) and for shortcuts between the narrow ends (`residual`, Figure 6b);
`depthwise=False` mixes the channels in the 3x3, which it leaves to the 1x1s. `se` weights the
expanded channels as in Searching for MobileNetV3, arXiv:1905.02244, and larger kernels are those
that MnasNet's search found, arXiv:1807.11626.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Literal

from torch import Tensor, nn

from explorer.models._layers import ConvNormActivation, SqueezeExcitation, make_divisible
from explorer.models._registry import Bounds, Dropout, InChannels, NumClasses, Paper, register_model

WidthMult = Annotated[float, Bounds(0.1, 2)]
Expansion = Annotated[int, Bounds(1, 12)]
KernelSize = Literal[3, 5, 7]

# Width, blocks and stride of each stage (Table 2); all but the first expand sixfold.
STAGES = (
    (16, 1, 1),
    (24, 2, 2),
    (32, 3, 2),
    (64, 4, 2),
    (96, 3, 1),
    (160, 3, 2),
    (320, 1, 1),
)


class InvertedResidual(nn.Module):
    """1x1 expand, 3x3 depthwise, both with BN and ReLU6, 1x1 project, BN, plus the shortcut.

    Without expansion the first 1x1 is left out; where the shape changes, the shortcut is.

    Shape: (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        expansion: int,
        kernel_size: int = 3,
        depthwise: bool = True,
        residual: bool = True,
        linear: bool = True,
        se: bool = False,
    ) -> None:
        super().__init__()
        inner = in_channels * expansion
        groups = inner if depthwise else 1
        self.residual = residual and stride == 1 and in_channels == out_channels
        layers: list[nn.Module] = []
        if expansion > 1:
            layers.append(ConvNormActivation(in_channels, inner, 1, activation=nn.ReLU6))
        layers.append(
            ConvNormActivation(inner, inner, kernel_size, stride, groups, activation=nn.ReLU6)
        )
        if se:
            layers.append(SqueezeExcitation(inner, make_divisible(inner / 4)))
        layers += [
            nn.Conv2d(inner, out_channels, kernel_size=1, bias=False),
            nn.BatchNorm2d(out_channels),
        ]
        if not linear:
            layers.append(nn.ReLU6(inplace=True))
        self.conv = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return x + F(x), or F(x) where the shape changes."""
        return x + self.conv(x) if self.residual else self.conv(x)


class MobileNetV2(nn.Module):
    """3x3 stride 2, seventeen inverted residuals, 1x1 to 1280, global average, classifier.

    The last 1x1 is scaled by width multipliers above 1 only (section 6.1).

    Args:
        width_mult: scales the widths of all stages.
        expansion: of all blocks but the first.
        num_classes: classes to tell apart.
        in_channels: channels of the image.
        dropout: rate before the classifier.
        block: makes a block from its in_channels, out_channels, stride and expansion.

    Shape: (N, in_channels, H, W) -> (N, num_classes)
    """

    def __init__(
        self,
        width_mult: float,
        expansion: int,
        num_classes: int,
        in_channels: int,
        dropout: float,
        block: Callable[[int, int, int, int], InvertedResidual],
    ) -> None:
        super().__init__()
        channels = make_divisible(32 * width_mult)
        layers: list[nn.Module] = [
            ConvNormActivation(in_channels, channels, 3, stride=2, activation=nn.ReLU6)
        ]
        for number, (base_width, depth, first_stride) in enumerate(STAGES):
            width = make_divisible(base_width * width_mult)
            for position in range(depth):
                stride = first_stride if position == 0 else 1
                layers.append(block(channels, width, stride, expansion if number else 1))
                channels = width
        features = make_divisible(1280 * max(1.0, width_mult))
        layers.append(ConvNormActivation(channels, features, 1, activation=nn.ReLU6))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(features, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        x = self.features(x)  # (N, 1280, H / 32, W / 32)
        return self.classifier(self.flatten(self.avgpool(x)))


sandler_2018 = register_model(
    family="MobileNet",
    year=2018,
    paper=Paper(
        authors="Sandler, Howard, Zhu, Zhmoginov, Chen",
        title="MobileNetV2: Inverted Residuals and Linear Bottlenecks",
        venue="CVPR 2018",
        arxiv="1801.04381",
    ),
    idea="The block is wide inside and narrow between, and its narrow ends stay linear.",
    new=(
        "The residual connects narrow maps, and the block expands them sixfold inside.",
        "No activation follows the last 1x1, because ReLU destroys information where channels are "
        "few.",
        "Memory traffic falls, since only the narrow maps live between blocks.",
    ),
)


@sandler_2018
def mobilenet_v2(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    width_mult: WidthMult = 1.0,
    expansion: Expansion = 6,
    kernel_size: KernelSize = 3,
    depthwise: bool = True,
    residual: bool = True,
    linear: bool = True,
    se: bool = False,
    dropout: Dropout = 0.2,
) -> MobileNetV2:
    """MobileNet v2."""
    block = partial(
        InvertedResidual,
        kernel_size=kernel_size,
        depthwise=depthwise,
        residual=residual,
        linear=linear,
        se=se,
    )
    return MobileNetV2(width_mult, expansion, num_classes, in_channels, dropout, block)
