"""ZFNet: AlexNet mended by looking at its feature maps: a smaller window and stride at the start.

Visualizing and Understanding Convolutional Networks, Zeiler, Fergus, ECCV 2014, arXiv:1311.2901.
Figure 3 states the layers but not how they are padded: one pixel round the image, and pooling
that counts a last, incomplete window, give the maps it draws. The contrast normalization is
AlexNet's; the paper names no constants.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn

from explorer.models._layers import local_response_norm
from explorer.models._registry import Bounds, Dropout, InChannels, NumClasses, Paper, register_model

Widths = Annotated[tuple[int, ...], Bounds(1, 2048)]
HiddenFeatures = Annotated[int, Bounds(1, 8192)]


class ZFNet(nn.Module):
    """7x7, 5x5 and three 3x3, pooling after the first, second and last, then fully connected.

    Shape: (N, in_channels, 224, 224) -> (N, num_classes)
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        widths: tuple[int, ...],
        hidden_features: int,
        normalization: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        third, fourth, fifth = widths
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 96, kernel_size=7, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),
            *([local_response_norm()] if normalization else []),
            nn.Conv2d(96, 256, kernel_size=5, stride=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),
            *([local_response_norm()] if normalization else []),
            nn.Conv2d(256, third, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(third, fourth, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(fourth, fifth, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),
        )
        self.flatten = nn.Flatten()
        self.classifier = nn.Sequential(
            nn.Linear(fifth * 6 * 6, hidden_features),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden_features, hidden_features),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden_features, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        return self.classifier(self.flatten(self.features(x)))


@register_model(
    family="ZFNet",
    year=2013,
    paper=Paper(
        authors="Zeiler, Fergus",
        title="Visualizing and Understanding Convolutional Networks",
        venue="ECCV 2014",
        arxiv="1311.2901",
    ),
    idea="AlexNet mended by looking at its feature maps: a smaller window and stride at the start.",
    new=(
        "A deconvolutional network shows which pixels excite a feature map.",
        "The pictures reveal dead and aliased filters in AlexNet's first layers.",
        "A 7x7 window with stride 2 for the 11x11 with stride 4 mends them and lowers the error.",
    ),
    departs="The padding, which the paper does not state, is chosen so that the maps have the "
    "drawn sizes; the normalization's constants are AlexNet's.",
    min_size=(207, 207),
)
def zfnet(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    widths: Widths = (384, 384, 256),
    hidden_features: HiddenFeatures = 4096,
    normalization: bool = True,
    dropout: Dropout = 0.5,
) -> ZFNet:
    """ZFNet."""
    return ZFNet(num_classes, in_channels, widths, hidden_features, normalization, dropout)
