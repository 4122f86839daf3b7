"""NiN: a small perceptron instead of a linear filter, and no fully connected layer at the end.

Network In Network, Lin, Chen, Yan, ICLR 2014, arXiv:1312.4400. The paper draws three layers and
leaves the numbers to the authors' configurations, which these are: the one for CIFAR-10, and
the one for ImageNet in Caffe's model zoo. Departs from the latter in one place: its pooling
counts a last, incomplete window as Caffe does only with `ceil_mode`; at 227x227 there is none.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import Annotated

from torch import Tensor, nn

from explorer.models._registry import Bounds, Dropout, InChannels, NumClasses, Paper, register_model

Widths = Annotated[tuple[int, ...], Bounds(1, 2048)]


class MLPConv(nn.Sequential):
    """A convolution and two 1x1, each with ReLU: a perceptron of two hidden layers slides along.

    The authors call the 1x1 cccp: cascaded cross-channel parametric pooling.

    Shape: (N, in_channels, H, W) -> (N, widths[-1], H / stride, W / stride)
    """

    def __init__(
        self,
        in_channels: int,
        widths: tuple[int, int, int],
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
    ) -> None:
        first, second, third = widths
        super().__init__(
            OrderedDict(
                conv=nn.Conv2d(in_channels, first, kernel_size, stride=stride, padding=padding),
                relu0=nn.ReLU(inplace=True),
                cccp1=nn.Conv2d(first, second, kernel_size=1),
                relu1=nn.ReLU(inplace=True),
                cccp2=nn.Conv2d(second, third, kernel_size=1),
                relu2=nn.ReLU(inplace=True),
            )
        )


class NiN(nn.Module):
    """Perceptron layers with pooling between them; the last has one map per class, averaged.

    Shape: (N, in_channels, H, W) -> (N, num_classes)
    """

    def __init__(self, features: OrderedDict[str, nn.Module]) -> None:
        super().__init__()
        self.features = nn.Sequential(features)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        return self.flatten(self.avgpool(self.features(x)))


lin_2013 = partial(
    register_model,
    family="NiN",
    year=2013,
    paper=Paper(
        authors="Lin, Chen, Yan",
        title="Network In Network",
        venue="ICLR 2014",
        arxiv="1312.4400",
    ),
    idea="A small perceptron slides over the image instead of a linear filter, and no fully "
    "connected layer stands at the end.",
    new=(
        "1x1 convolutions after each larger one make a small network of every window.",
        "A global average of one map for each class replaces the linear layers.",
        "Without them there is far less to overfit, and each map can be read as a class's heat "
        "map.",
    ),
)


@lin_2013(min_size=(67, 67))
def nin_imagenet(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    widths: Widths = (96, 256, 384, 1024),
    ceil_mode: bool = False,
    dropout: Dropout = 0.5,
) -> NiN:
    """NiN (ImageNet).

    The paper does not give the numbers; they are those of Caffe's model zoo, whose pooling counts
    a last, incomplete window only with `ceil_mode`.
    """
    a, b, c, d = widths
    pool = partial(nn.MaxPool2d, kernel_size=3, stride=2, ceil_mode=ceil_mode)
    return NiN(
        OrderedDict(
            mlpconv1=MLPConv(in_channels, (a, a, a), kernel_size=11, stride=4),
            pool1=pool(),
            mlpconv2=MLPConv(a, (b, b, b), kernel_size=5, padding=2),
            pool2=pool(),
            mlpconv3=MLPConv(b, (c, c, c), kernel_size=3, padding=1),
            pool3=pool(),
            dropout=nn.Dropout(dropout),
            mlpconv4=MLPConv(c, (d, d, num_classes), kernel_size=3, padding=1),
        )
    )


@lin_2013(input_shape=(1, 3, 32, 32), min_size=(4, 4))
def nin_cifar10(
    num_classes: NumClasses = 10,
    in_channels: InChannels = 3,
    widths: Widths = (192, 192, 192),
    dropout: Dropout = 0.5,
) -> NiN:
    """NiN (CIFAR-10).

    The paper does not give the numbers; they are those of the authors' configuration.
    """
    a, b, c = widths
    return NiN(
        OrderedDict(
            mlpconv1=MLPConv(in_channels, (a, 160, 96), kernel_size=5, padding=2),
            pool1=nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),
            dropout1=nn.Dropout(dropout),
            mlpconv2=MLPConv(96, (b, b, b), kernel_size=5, padding=2),
            pool2=nn.AvgPool2d(kernel_size=3, stride=2, ceil_mode=True),
            dropout2=nn.Dropout(dropout),
            mlpconv3=MLPConv(b, (c, c, num_classes), kernel_size=3, padding=1),
        )
    )
