"""MobileNet v3: inverted residuals chosen by search, with channel weights and a cheap swish.

Searching for MobileNetV3, Howard, Sandler, Chu, Chen, Chen, Tan, Wang, Zhu, Pang, Vasudevan, Le,
Adam, ICCV 2019, arXiv:1905.02244. Departs from the paper in nothing. A width multiplier works as
in the authors' released code: it scales what the blocks return, each block expands that by the
factor it has at width 1, and the last layer never gets narrower.

Options take one of its decisions back everywhere: `se=False` the channel weights,
`hard_swish=False` the new activation (ReLU in its place), and `kernel_size` the searched sizes.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal, NamedTuple

from torch import Tensor, nn

from explorer.models._layers import ConvNormActivation, SqueezeExcitation, make_divisible
from explorer.models._registry import Bounds, Dropout, InChannels, NumClasses, Paper, register_model

WidthMult = Annotated[float, Bounds(0.1, 2)]
KernelSize = Literal["searched", "3", "5", "7"]

norm = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)
ACTIVATIONS: dict[str, type[nn.Module]] = {"RE": nn.ReLU, "HS": nn.Hardswish}


class Row(NamedTuple):
    """One line of Table 1 or 2: a block before its widths are scaled."""

    kernel_size: int
    expanded: int
    out_channels: int
    squeeze: bool
    activation: str
    stride: int


LARGE = (  # Table 1
    Row(3, 16, 16, False, "RE", 1),
    Row(3, 64, 24, False, "RE", 2),
    Row(3, 72, 24, False, "RE", 1),
    Row(5, 72, 40, True, "RE", 2),
    Row(5, 120, 40, True, "RE", 1),
    Row(5, 120, 40, True, "RE", 1),
    Row(3, 240, 80, False, "HS", 2),
    Row(3, 200, 80, False, "HS", 1),
    Row(3, 184, 80, False, "HS", 1),
    Row(3, 184, 80, False, "HS", 1),
    Row(3, 480, 112, True, "HS", 1),
    Row(3, 672, 112, True, "HS", 1),
    Row(5, 672, 160, True, "HS", 2),
    Row(5, 960, 160, True, "HS", 1),
    Row(5, 960, 160, True, "HS", 1),
)
SMALL = (  # Table 2
    Row(3, 16, 16, True, "RE", 2),
    Row(3, 72, 24, False, "RE", 2),
    Row(3, 88, 24, False, "RE", 1),
    Row(5, 96, 40, True, "HS", 2),
    Row(5, 240, 40, True, "HS", 1),
    Row(5, 240, 40, True, "HS", 1),
    Row(5, 120, 48, True, "HS", 1),
    Row(5, 144, 48, True, "HS", 1),
    Row(5, 288, 96, True, "HS", 2),
    Row(5, 576, 96, True, "HS", 1),
    Row(5, 576, 96, True, "HS", 1),
)


def _rows(
    rows: tuple[Row, ...], kernel_size: KernelSize, se: bool, hard_swish: bool
) -> tuple[Row, ...]:
    """Return the table's rows, or what is left of them when a decision is taken back."""
    return tuple(
        row._replace(
            kernel_size=row.kernel_size if kernel_size == "searched" else int(kernel_size),
            squeeze=row.squeeze and se,
            activation=row.activation if hard_swish else "RE",
        )
        for row in rows
    )


class InvertedResidual(nn.Module):
    """1x1 expand, depthwise, squeeze-and-excitation, 1x1 project, plus the shortcut.

    A block that expands nothing has no first 1x1; where the shape changes there is no shortcut.

    Shape: (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride)
    """

    def __init__(
        self,
        in_channels: int,
        expanded: int,
        out_channels: int,
        kernel_size: int,
        stride: int,
        squeeze: bool,
        activation: type[nn.Module],
    ) -> None:
        super().__init__()
        self.residual = stride == 1 and in_channels == out_channels
        conv = partial(ConvNormActivation, norm=norm)
        layers: list[nn.Module] = []
        if expanded != in_channels:
            layers.append(conv(in_channels, expanded, 1, activation=activation))
        layers.append(
            conv(expanded, expanded, kernel_size, stride, groups=expanded, activation=activation)
        )
        if squeeze:
            squeezed = make_divisible(expanded // 4)
            layers.append(SqueezeExcitation(expanded, squeezed, gate=nn.Hardsigmoid))
        layers.append(conv(expanded, out_channels, 1, activation=None))
        self.block = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return x + F(x), or F(x) where the shape changes."""
        return x + self.block(x) if self.residual else self.block(x)


class MobileNetV3(nn.Module):
    """3x3 stride 2, inverted residuals, 1x1, global average, two fully connected layers.

    Shape: (N, in_channels, H, W) -> (N, num_classes)
    """

    def __init__(
        self,
        rows: tuple[Row, ...],
        last_width: int,
        width_mult: float,
        num_classes: int,
        in_channels: int,
        dropout: float,
        activation: type[nn.Module],
    ) -> None:
        super().__init__()

        def scale(width: int) -> int:
            return make_divisible(width * width_mult)

        conv = partial(ConvNormActivation, norm=norm)
        base_channels, channels = 16, scale(16)
        layers: list[nn.Module] = [conv(in_channels, channels, 3, stride=2, activation=activation)]
        for row in rows:
            block = InvertedResidual(
                channels,
                make_divisible(channels * row.expanded / base_channels),
                scale(row.out_channels),
                row.kernel_size,
                row.stride,
                row.squeeze,
                ACTIVATIONS[row.activation],
            )
            layers.append(block)
            base_channels, channels = row.out_channels, scale(row.out_channels)
        layers.append(conv(channels, 6 * channels, 1, activation=activation))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        last_width = make_divisible(last_width * max(1.0, width_mult))
        self.classifier = nn.Sequential(
            nn.Linear(6 * channels, last_width),
            activation(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(last_width, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        x = self.features(x)  # (N, 960 or 576, H / 32, W / 32)
        return self.classifier(self.flatten(self.avgpool(x)))


howard_2019 = register_model(
    family="MobileNet",
    year=2019,
    paper=Paper(
        authors="Howard, Sandler, Chu, Chen, Chen, Tan, Wang, Zhu, Pang, Vasudevan, Le, Adam",
        title="Searching for MobileNetV3",
        venue="ICCV 2019",
        arxiv="1905.02244",
    ),
    idea="Inverted residuals chosen by search, with weighted channels and a swish that a phone can "
    "afford.",
    new=(
        "Two searches in turn, for blocks and then for the width of each layer, on measured "
        "latency.",
        "Hard swish and hard sigmoid replace functions with exponentials by pieces of straight "
        "lines.",
        "The last stage is rearranged: the global average comes before the widest convolution.",
    ),
)


@howard_2019
def mobilenet_v3_large(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    width_mult: WidthMult = 1.0,
    kernel_size: KernelSize = "searched",
    se: bool = True,
    hard_swish: bool = True,
    dropout: Dropout = 0.2,
) -> MobileNetV3:
    """MobileNet v3 large."""
    rows = _rows(LARGE, kernel_size, se, hard_swish)
    activation = ACTIVATIONS["HS" if hard_swish else "RE"]
    return MobileNetV3(rows, 1280, width_mult, num_classes, in_channels, dropout, activation)


@howard_2019
def mobilenet_v3_small(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    width_mult: WidthMult = 1.0,
    kernel_size: KernelSize = "searched",
    se: bool = True,
    hard_swish: bool = True,
    dropout: Dropout = 0.2,
) -> MobileNetV3:
    """MobileNet v3 small."""
    rows = _rows(SMALL, kernel_size, se, hard_swish)
    activation = ACTIVATIONS["HS" if hard_swish else "RE"]
    return MobileNetV3(rows, 1024, width_mult, num_classes, in_channels, dropout, activation)
