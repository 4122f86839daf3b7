"""BN-Inception (Inception v2): every batch is normalized, so that training may be much faster.

Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift,
Ioffe, Szegedy, ICML 2015, arXiv:1502.03167. Its Figure 5 contradicts itself: the branches of
modules 4c and 4d have 608 channels together, but 576 in the column of sizes. `bn_inception`
keeps the sizes, as the authors' later code does; `bn_inception_caffe`, the port whose weights
are passed on most, keeps the branches and gives every convolution a bias. Both depart from the
paper in one place: the first convolution is an ordinary one, not split into depth and 1x1.

The pools of `bn_inception_caffe`, rounded up as Caffe does, fit the branches beside them where
height and width are multiples of 32.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial

from torch import Tensor, nn

from explorer.models._layers import BasicConv2d, Branches
from explorer.models._registry import InChannels, NumClasses, Paper, register_model

# Figure 5: 1x1, 3x3 reduce, 3x3, double 3x3 reduce, double 3x3, pool projection. A module
# without 1x1 and projection halves the map and passes its pooled input through.
BY_SIZES: dict[str, tuple[int, ...]] = {
    "3a": (64, 64, 64, 64, 96, 32),
    "3b": (64, 64, 96, 64, 96, 64),
    "3c": (0, 128, 160, 64, 96, 0),
    "4a": (224, 64, 96, 96, 128, 128),
    "4b": (192, 96, 128, 96, 128, 128),
    "4c": (160, 128, 160, 128, 160, 96),
    "4d": (96, 128, 192, 160, 192, 96),
    "4e": (0, 128, 192, 192, 256, 0),
    "5a": (352, 192, 320, 160, 224, 128),
    "5b": (352, 192, 320, 192, 224, 128),
}
BY_BRANCHES = BY_SIZES | {"4c": (160, 128, 160, 128, 160, 128), "4d": (96, 128, 192, 160, 192, 128)}


class Inception(Branches):
    """1x1; 1x1, 3x3; 1x1, 3x3, 3x3; 3x3 pooling, 1x1: side by side, each 1x1 and 3x3 with BN.

    Shape: (N, in_channels, H, W) -> (N, widths 0 + 2 + 4 + 5, H, W)
    """

    def __init__(
        self, in_channels: int, widths: tuple[int, ...], pool: nn.Module, bias: bool
    ) -> None:
        conv = partial(BasicConv2d, bias=bias)
        ch1x1, ch3x3red, ch3x3, double3x3red, double3x3, pool_proj = widths
        super().__init__(
            {
                "branch1": conv(in_channels, ch1x1, 1),
                "branch2": nn.Sequential(conv(in_channels, ch3x3red, 1), conv(ch3x3red, ch3x3, 3)),
                "branch3": nn.Sequential(
                    conv(in_channels, double3x3red, 1),
                    conv(double3x3red, double3x3, 3),
                    conv(double3x3, double3x3, 3),
                ),
                "branch4": nn.Sequential(pool, conv(in_channels, pool_proj, 1)),
            }
        )
        self.out_channels = ch1x1 + ch3x3 + double3x3 + pool_proj


class Reduction(Branches):
    """1x1, 3x3 stride 2; 1x1, 3x3, 3x3 stride 2; 3x3 pooling stride 2: side by side.

    Shape: (N, in_channels, H, W) -> (N, widths 2 + 4 + in_channels, H / 2, W / 2)
    """

    def __init__(
        self, in_channels: int, widths: tuple[int, ...], pool: nn.Module, bias: bool
    ) -> None:
        conv = partial(BasicConv2d, bias=bias)
        _, ch3x3red, ch3x3, double3x3red, double3x3, _ = widths
        super().__init__(
            {
                "branch2": nn.Sequential(
                    conv(in_channels, ch3x3red, 1), conv(ch3x3red, ch3x3, 3, stride=2)
                ),
                "branch3": nn.Sequential(
                    conv(in_channels, double3x3red, 1),
                    conv(double3x3red, double3x3, 3),
                    conv(double3x3, double3x3, 3, stride=2),
                ),
                "branch4": pool,
            }
        )
        self.out_channels = ch3x3 + double3x3 + in_channels


class BNInception(nn.Module):
    """7x7, pool, 1x1, 3x3, pool, ten inception modules, global average, classifier.

    Args:
        table: the widths of every module.
        bias: the convolutions have one.
        padding: of the pooling that halves the map; 1 suits every size, 0 is Caffe's.
        num_classes: classes to tell apart.
        in_channels: channels of the image.

    Shape: (N, in_channels, H, W) -> (N, num_classes)
    """

    def __init__(
        self,
        table: dict[str, tuple[int, ...]],
        bias: bool,
        padding: int,
        num_classes: int,
        in_channels: int,
    ) -> None:
        super().__init__()
        halve = partial(
            nn.MaxPool2d, kernel_size=3, stride=2, padding=padding, ceil_mode=padding == 0
        )
        self.features = nn.Sequential(
            OrderedDict(
                conv1=BasicConv2d(in_channels, 64, 7, stride=2, bias=bias),
                maxpool1=halve(),
                conv2=BasicConv2d(64, 64, 1, bias=bias),
                conv3=BasicConv2d(64, 192, 3, bias=bias),
                maxpool2=halve(),
            )
        )
        channels = 192
        for name, widths in table.items():
            module: Inception | Reduction
            if widths[0] == 0:
                module = Reduction(channels, widths, halve(), bias)
            else:
                pool = nn.MaxPool2d if name == "5b" else nn.AvgPool2d
                module = Inception(channels, widths, pool(kernel_size=3, stride=1, padding=1), bias)
            self.features.add_module(f"inception{name}", module)
            channels = module.out_channels
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        return self.fc(self.flatten(self.avgpool(self.features(x))))


ioffe_2015 = partial(
    register_model,
    family="Inception",
    year=2015,
    paper=Paper(
        authors="Ioffe, Szegedy",
        title="Batch Normalization: Accelerating Deep Network Training by Reducing Internal "
        "Covariate Shift",
        venue="ICML 2015",
        arxiv="1502.03167",
    ),
    idea="Every batch is normalized inside the network, so that it trains with much larger steps.",
    new=(
        "Each channel is normalized by the mean and variance of the batch, then scaled and shifted "
        "by two learnt numbers.",
        "The network reaches the accuracy of its predecessor in a fourteenth of the steps.",
        "Two 3x3 convolutions replace the 5x5 of the inception module.",
    ),
    departs="The first convolution is an ordinary one, not split into depthwise and 1x1. The "
    "paper's Figure 5 gives two sizes for modules 4c and 4d that contradict each other.",
)


@ioffe_2015()
def bn_inception(num_classes: NumClasses = 1000, in_channels: InChannels = 3) -> BNInception:
    """BN-Inception (Inception v2)."""
    return BNInception(BY_SIZES, False, 1, num_classes, in_channels)


@ioffe_2015(min_size=(31, 31))
def bn_inception_caffe(num_classes: NumClasses = 1000, in_channels: InChannels = 3) -> BNInception:
    """BN-Inception (Inception v2, Caffe).

    It keeps the branches of modules 4c and 4d where `bn_inception` keeps the sizes, and its
    convolutions have biases, as in the widely used port.
    """
    return BNInception(BY_BRANCHES, True, 0, num_classes, in_channels)
