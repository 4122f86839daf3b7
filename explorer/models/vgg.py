"""VGG: nothing but 3x3 convolutions, and more of them.

Very Deep Convolutional Networks for Large-Scale Image Recognition, Simonyan, Zisserman, ICLR
2015, arXiv:1409.1556. Departs from the paper as torchvision does: an adaptive pooling before
the classifier admits any input from 32x32, and the `_bn` variants put batch normalization,
which came later, after every convolution.

Options turn one decision each. `kernel_size` is the paper's own argument (section 2.3): three 3x3
see as much as one 7x7 with 27 weights instead of 49. `head="average"` is the global average and
single linear layer of Network In Network, arXiv:1312.4400.
"""

from __future__ import annotations

from typing import Annotated, Literal

from torch import Tensor, nn

from explorer.models._layers import local_response_norm
from explorer.models._registry import Bounds, Dropout, InChannels, NumClasses, Paper, register_model

Depths = Annotated[tuple[int, ...], Bounds(1, 8)]
Widths = Annotated[tuple[int, ...], Bounds(8, 1024)]
KernelSize = Literal[3, 5, 7]
Head = Literal["linear", "average"]

WIDTHS = (64, 128, 256, 512, 512)
# Convolutions before each pooling, by the column letters of Table 1.
COLUMNS = {
    "A": (1, 1, 2, 2, 2),
    "B": (2, 2, 2, 2, 2),
    "C": (2, 2, 3, 3, 3),
    "D": (2, 2, 3, 3, 3),
    "E": (2, 2, 4, 4, 4),
}


def _features(
    depths: tuple[int, ...],
    in_channels: int,
    widths: tuple[int, ...],
    kernel_size: int,
    *,
    batch_norm: bool = False,
    response_norm: bool = False,
    one_by_one: bool = False,
) -> nn.Sequential:
    """Five times: some 3x3 (BN) ReLU, then a 2x2 pooling that halves the map.

    Args:
        depths: convolutions in each of the five stages.
        in_channels: channels of the image.
        widths: channels of each stage.
        kernel_size: of the convolutions.
        batch_norm: a batch normalization after every convolution.
        response_norm: AlexNet's normalization after the first convolution (column A-LRN).
        one_by_one: the third convolution of a stage is 1x1 (column C).

    Shape: (N, in_channels, H, W) -> (N, widths[-1], H / 32, W / 32)
    """
    layers: list[nn.Module] = []
    for depth, width in zip(depths, widths, strict=True):
        for position in range(depth):
            size = 1 if one_by_one and position == 2 else kernel_size
            layers.append(nn.Conv2d(in_channels, width, kernel_size=size, padding=size // 2))
            if batch_norm:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.ReLU(inplace=True))
            if response_norm and len(layers) == 2:
                layers.append(local_response_norm())
            in_channels = width
        layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
    return nn.Sequential(*layers)


class VGG(nn.Module):
    """Convolutional features, pooled to 7x7, then three fully connected layers.

    With `head="average"` the features are pooled to a single pixel, and one layer follows.

    Shape: (N, in_channels, H, W) -> (N, num_classes)
    """

    def __init__(
        self,
        features: nn.Sequential,
        width: int,
        num_classes: int,
        dropout: float,
        head: Head,
    ) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7) if head == "linear" else 1)
        self.flatten = nn.Flatten()
        self.classifier = (
            nn.Sequential(
                nn.Linear(width * 7 * 7, 4096),
                nn.ReLU(inplace=True),
                nn.Dropout(dropout),
                nn.Linear(4096, 4096),
                nn.ReLU(inplace=True),
                nn.Dropout(dropout),
                nn.Linear(4096, num_classes),
            )
            if head == "linear"
            else nn.Sequential(nn.Dropout(dropout), nn.Linear(width, num_classes))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        return self.classifier(self.flatten(self.avgpool(self.features(x))))


simonyan_2014 = register_model(
    family="VGG",
    year=2014,
    paper=Paper(
        authors="Simonyan, Zisserman",
        title="Very Deep Convolutional Networks for Large-Scale Image Recognition",
        venue="ICLR 2015",
        arxiv="1409.1556",
    ),
    idea="Nothing but 3x3 convolutions, and more of them.",
    new=(
        "Two 3x3 convolutions see as much as one 5x5, with 28% fewer weights and one more ReLU.",
        "Depth alone, from 11 to 19 layers, makes the difference between its columns.",
        "Channels double whenever pooling halves the map, from 64 to 512.",
    ),
    departs="An adaptive average pooling before the classifier admits any input from 32x32, as in "
    "torchvision.",
    min_size=(32, 32),
)


@simonyan_2014
def vgg11(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = COLUMNS["A"],
    widths: Widths = WIDTHS,
    kernel_size: KernelSize = 3,
    batch_norm: bool = False,
    head: Head = "linear",
    dropout: Dropout = 0.5,
) -> VGG:
    """VGG-11 (A)."""
    features = _features(depths, in_channels, widths, kernel_size, batch_norm=batch_norm)
    return VGG(features, widths[-1], num_classes, dropout, head)


@simonyan_2014
def vgg11_lrn(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = COLUMNS["A"],
    widths: Widths = WIDTHS,
    kernel_size: KernelSize = 3,
    batch_norm: bool = False,
    head: Head = "linear",
    dropout: Dropout = 0.5,
) -> VGG:
    """VGG-11 with response normalization (A-LRN)."""
    features = _features(
        depths, in_channels, widths, kernel_size, batch_norm=batch_norm, response_norm=True
    )
    return VGG(features, widths[-1], num_classes, dropout, head)


@simonyan_2014
def vgg11_bn(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = COLUMNS["A"],
    widths: Widths = WIDTHS,
    kernel_size: KernelSize = 3,
    batch_norm: bool = True,
    head: Head = "linear",
    dropout: Dropout = 0.5,
) -> VGG:
    """VGG-11 with batch normalization."""
    features = _features(depths, in_channels, widths, kernel_size, batch_norm=batch_norm)
    return VGG(features, widths[-1], num_classes, dropout, head)


@simonyan_2014
def vgg13(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = COLUMNS["B"],
    widths: Widths = WIDTHS,
    kernel_size: KernelSize = 3,
    batch_norm: bool = False,
    head: Head = "linear",
    dropout: Dropout = 0.5,
) -> VGG:
    """VGG-13 (B)."""
    features = _features(depths, in_channels, widths, kernel_size, batch_norm=batch_norm)
    return VGG(features, widths[-1], num_classes, dropout, head)


@simonyan_2014
def vgg13_bn(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = COLUMNS["B"],
    widths: Widths = WIDTHS,
    kernel_size: KernelSize = 3,
    batch_norm: bool = True,
    head: Head = "linear",
    dropout: Dropout = 0.5,
) -> VGG:
    """VGG-13 with batch normalization."""
    features = _features(depths, in_channels, widths, kernel_size, batch_norm=batch_norm)
    return VGG(features, widths[-1], num_classes, dropout, head)


@simonyan_2014
def vgg16_c(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = COLUMNS["C"],
    widths: Widths = WIDTHS,
    kernel_size: KernelSize = 3,
    batch_norm: bool = False,
    head: Head = "linear",
    dropout: Dropout = 0.5,
) -> VGG:
    """VGG-16 with 1x1 convolutions (C)."""
    features = _features(
        depths, in_channels, widths, kernel_size, batch_norm=batch_norm, one_by_one=True
    )
    return VGG(features, widths[-1], num_classes, dropout, head)


@simonyan_2014
def vgg16_c_bn(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = COLUMNS["C"],
    widths: Widths = WIDTHS,
    kernel_size: KernelSize = 3,
    batch_norm: bool = True,
    head: Head = "linear",
    dropout: Dropout = 0.5,
) -> VGG:
    """VGG-16 with 1x1 convolutions (C) and batch normalization."""
    features = _features(
        depths, in_channels, widths, kernel_size, batch_norm=batch_norm, one_by_one=True
    )
    return VGG(features, widths[-1], num_classes, dropout, head)


@simonyan_2014
def vgg16(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = COLUMNS["D"],
    widths: Widths = WIDTHS,
    kernel_size: KernelSize = 3,
    batch_norm: bool = False,
    head: Head = "linear",
    dropout: Dropout = 0.5,
) -> VGG:
    """VGG-16 (D)."""
    features = _features(depths, in_channels, widths, kernel_size, batch_norm=batch_norm)
    return VGG(features, widths[-1], num_classes, dropout, head)


@simonyan_2014
def vgg16_bn(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = COLUMNS["D"],
    widths: Widths = WIDTHS,
    kernel_size: KernelSize = 3,
    batch_norm: bool = True,
    head: Head = "linear",
    dropout: Dropout = 0.5,
) -> VGG:
    """VGG-16 with batch normalization."""
    features = _features(depths, in_channels, widths, kernel_size, batch_norm=batch_norm)
    return VGG(features, widths[-1], num_classes, dropout, head)


@simonyan_2014
def vgg19(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = COLUMNS["E"],
    widths: Widths = WIDTHS,
    kernel_size: KernelSize = 3,
    batch_norm: bool = False,
    head: Head = "linear",
    dropout: Dropout = 0.5,
) -> VGG:
    """VGG-19 (E)."""
    features = _features(depths, in_channels, widths, kernel_size, batch_norm=batch_norm)
    return VGG(features, widths[-1], num_classes, dropout, head)


@simonyan_2014
def vgg19_bn(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = COLUMNS["E"],
    widths: Widths = WIDTHS,
    kernel_size: KernelSize = 3,
    batch_norm: bool = True,
    head: Head = "linear",
    dropout: Dropout = 0.5,
) -> VGG:
    """VGG-19 with batch normalization."""
    features = _features(depths, in_channels, widths, kernel_size, batch_norm=batch_norm)
    return VGG(features, widths[-1], num_classes, dropout, head)
