"""SqueezeNet: few channels go into the 3x3s, and most filters are 1x1: AlexNet in 1.2 M weights.

SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size, Iandola,
Han, Moskewicz, Ashraf, Dally, Keutzer 2016, arXiv:1602.07360. Departs from the paper as
torchvision does: the first convolution of 1.0 is not padded, so that 224x224 becomes 109x109,
not the 111x111 of Table 1. 1.1 is the authors' later revision.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from explorer.models._registry import Bounds, Dropout, InChannels, NumClasses, Paper, register_model

SqueezeRatio = Annotated[float, Bounds(0.125, 1)]
Share3x3 = Annotated[float, Bounds(0.01, 0.99)]
Bypass = Literal["none", "simple", "complex"]

# Channels that each of the eight Fire modules gives (Table 1).
EXPAND = (128, 128, 256, 256, 384, 384, 512, 512)


class Fire(nn.Module):
    """1x1 squeeze, then 1x1 and 3x3 side by side, each with ReLU; plus the bypass, if any.

    Args:
        in_channels: channels of the input.
        squeeze: channels that the 1x1 leaves.
        expand1x1: channels that the 1x1 beside the 3x3 gives.
        expand3x3: channels that the 3x3 gives.
        bypass: what is added: nothing, the input where it has the shape of the output, or the
            input, projected where it has not.

    Shape: (N, in_channels, H, W) -> (N, expand1x1 + expand3x3, H, W)
    """

    def __init__(
        self, in_channels: int, squeeze: int, expand1x1: int, expand3x3: int, bypass: Bypass
    ) -> None:
        super().__init__()
        same_shape = in_channels == expand1x1 + expand3x3
        self.squeeze = nn.Conv2d(in_channels, squeeze, kernel_size=1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze, expand1x1, kernel_size=1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze, expand3x3, kernel_size=3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)
        self.residual = bypass == "complex" or (bypass == "simple" and same_shape)
        self.bypass: nn.Module | None = None
        if self.residual and not same_shape:
            self.bypass = nn.Conv2d(in_channels, expand1x1 + expand3x3, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return [1x1, 3x3] of the squeezed x, plus bypass(x)."""
        out = self.squeeze_activation(self.squeeze(x))
        expand1x1 = self.expand1x1_activation(self.expand1x1(out))
        expand3x3 = self.expand3x3_activation(self.expand3x3(out))
        out = torch.cat([expand1x1, expand3x3], dim=1)
        if self.residual:
            out = out + (x if self.bypass is None else self.bypass(x))
        return out


class SqueezeNet(nn.Module):
    """Convolution, eight Fire modules with three pools between them, 1x1 to the classes, average.

    Args:
        stem: the first convolution.
        pools: Fire modules before each of the pools.
        squeeze_ratio: share of the channels given that a module squeezes to.
        share_3x3: share of them that the 3x3 gives.
        bypass: shortcut round the modules (Figure 2).
        num_classes: classes to tell apart.
        dropout: share of the features that is dropped before the last convolution.

    Shape: (N, in_channels, H, W) -> (N, num_classes)
    """

    def __init__(
        self,
        stem: nn.Conv2d,
        pools: tuple[int, ...],
        squeeze_ratio: float,
        share_3x3: float,
        bypass: Bypass,
        num_classes: int,
        dropout: float,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [stem, nn.ReLU(inplace=True)]
        channels = stem.out_channels
        for number, expand in enumerate(EXPAND):
            if number in pools:
                layers.append(nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True))
            squeeze, expand3x3 = int(expand * squeeze_ratio), round(expand * share_3x3)
            layers.append(Fire(channels, squeeze, expand - expand3x3, expand3x3, bypass))
            channels = expand
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Conv2d(channels, num_classes, kernel_size=1),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(1),
        )
        self.flatten = nn.Flatten()

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        return self.flatten(self.classifier(self.features(x)))


PAPER = Paper(
    authors="Iandola, Han, Moskewicz, Ashraf, Dally, Keutzer",
    title="SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size",
    arxiv="1602.07360",
)
IDEA = (
    "Few channels go into the 3x3 convolutions, and most filters are 1x1: AlexNet's accuracy with "
    "1.2 million weights."
)
NEW = (
    "A fire module squeezes to few channels, then expands with 1x1 and 3x3 filters side by side.",
    "Pooling comes late, so that most layers see large maps.",
    "Without linear layers, and compressed, the model fits in half a megabyte.",
)


@register_model(family="SqueezeNet", year=2016, paper=PAPER, idea=IDEA, new=NEW, min_size=(21, 21))
def squeezenet1_0(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    squeeze_ratio: SqueezeRatio = 0.125,
    share_3x3: Share3x3 = 0.5,
    bypass: Bypass = "none",
    dropout: Dropout = 0.5,
) -> SqueezeNet:
    """SqueezeNet 1.0.

    The first convolution is not padded, so that 224x224 becomes 109x109 instead of the 111x111 of
    Table 1, as in torchvision.
    """
    stem = nn.Conv2d(in_channels, 96, kernel_size=7, stride=2)
    return SqueezeNet(stem, (0, 3, 7), squeeze_ratio, share_3x3, bypass, num_classes, dropout)


@register_model(family="SqueezeNet", year=2016, paper=PAPER, idea=IDEA, new=NEW, min_size=(17, 17))
def squeezenet1_1(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    squeeze_ratio: SqueezeRatio = 0.125,
    share_3x3: Share3x3 = 0.5,
    bypass: Bypass = "none",
    dropout: Dropout = 0.5,
) -> SqueezeNet:
    """SqueezeNet 1.1.

    It is the authors' later revision, which the paper does not describe.
    """
    stem = nn.Conv2d(in_channels, 64, kernel_size=3, stride=2)
    return SqueezeNet(stem, (0, 2, 4), squeeze_ratio, share_3x3, bypass, num_classes, dropout)
