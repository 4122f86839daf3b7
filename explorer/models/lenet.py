"""LeNet-5: convolution and subsampling in turn, every weight learnt end to end.

Gradient-Based Learning Applied to Document Recognition, LeCun, Bottou, Bengio, Haffner,
Proceedings of the IEEE 86(11), 1998. The layers carry the paper's names (C1, S2, ... F6).
`lenet5` departs from the paper as nearly all later implementations do: C3 sees all six maps of
S2, not the subsets of Table I; subsampling has no trainable coefficient; tanh is not scaled; the
output is a linear layer, not Euclidean radial basis functions. `lenet5_paper` departs in one
place: the functions' centres are drawn at random, not by hand as stylised characters.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from explorer.models._registry import Bounds, InChannels, NumClasses, Paper, register_model

Activation = Literal["tanh", "sigmoid", "relu"]
Pooling = Literal["average", "max"]
Widths = Annotated[tuple[int, ...], Bounds(1, 1024)]

ACTIVATIONS = {"tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "relu": nn.ReLU}
POOLINGS = {"average": nn.AvgPool2d, "max": nn.MaxPool2d}

# Table I: the maps of S2 that each map of C3 sees.
TABLE_I = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5)),
)


class LeNet5(nn.Module):
    """5x5, pool, 5x5, pool, then 5x5 down to a single pixel and two fully connected layers.

    Shape: (N, in_channels, 32, 32) -> (N, num_classes)
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        widths: tuple[int, ...],
        activation: Activation,
        pooling: Pooling,
    ) -> None:
        super().__init__()
        c1, c3, c5, f6 = widths
        self.c1 = nn.Conv2d(in_channels, c1, kernel_size=5)
        self.s2 = POOLINGS[pooling](kernel_size=2, stride=2)
        self.c3 = nn.Conv2d(c1, c3, kernel_size=5)
        self.s4 = POOLINGS[pooling](kernel_size=2, stride=2)
        self.c5 = nn.Conv2d(c3, c5, kernel_size=5)
        self.flatten = nn.Flatten()
        self.f6 = nn.Linear(c5, f6)
        self.output = nn.Linear(f6, num_classes)
        self.activation = ACTIVATIONS[activation]()

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        x = self.s2(self.activation(self.c1(x)))  # (N, 6, 14, 14)
        x = self.s4(self.activation(self.c3(x)))  # (N, 16, 5, 5)
        x = self.flatten(self.activation(self.c5(x)))  # (N, 120)
        x = self.activation(self.f6(x))  # (N, 84)
        return self.output(x)


class ScaledTanh(nn.Module):
    """1.7159 tanh(2/3 x), the paper's squashing function: 1 at 1 and -1 at -1.

    Shape: any -> the same
    """

    def __init__(self) -> None:
        super().__init__()
        self.tanh = nn.Tanh()

    def forward(self, x: Tensor) -> Tensor:
        """Return 1.7159 tanh(2/3 x)."""
        return 1.7159 * self.tanh(2 / 3 * x)


class Subsampling(nn.Module):
    """Sum of 2x2 pixels, times a coefficient, plus a bias: two weights a map.

    Shape: (N, channels, H, W) -> (N, channels, H / 2, W / 2)
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.sum = nn.AvgPool2d(kernel_size=2, stride=2, divisor_override=1)
        self.weight = nn.Parameter(torch.full((channels, 1, 1), 0.25))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return weight * (sum of each 2x2) + bias."""
        return self.weight * self.sum(x) + self.bias


class SparseConv2d(nn.Module):
    """5x5 of which each map sees only its own three, four or six maps of the input (Table I).

    Maps that see equally many are one convolution, each a group of its own.

    Shape: (N, 6, H, W) -> (N, 16, H - 4, W - 4)
    """

    def __init__(self) -> None:
        super().__init__()
        subsets = [[maps for maps in TABLE_I if len(maps) == size] for size in (3, 4, 6)]
        self.inputs = [[number for maps in subset for number in maps] for subset in subsets]
        self.convs = nn.ModuleList(
            nn.Conv2d(len(inputs), len(subset), kernel_size=5, groups=len(subset))
            for inputs, subset in zip(self.inputs, subsets, strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the 16 maps in the order of Table I."""
        maps = [conv(x[:, inputs]) for conv, inputs in zip(self.convs, self.inputs, strict=True)]
        return torch.cat(maps, dim=1)


class EuclideanRBF(nn.Module):
    """Squared distance to the fixed centre of each class: the nearest class wins.

    Shape: (N, in_features) -> (N, num_classes)
    """

    centres: Tensor

    def __init__(self, in_features: int, num_classes: int) -> None:
        super().__init__()
        centres = torch.empty(num_classes, in_features).bernoulli_(0.5).mul_(2).sub_(1)
        self.register_buffer("centres", centres)

    def forward(self, x: Tensor) -> Tensor:
        """Return the penalty of each class."""
        return (x.unsqueeze(1) - self.centres).square().sum(dim=2)


class SparseLeNet5(nn.Module):
    """The network of 1998: 60,000 weights, 340,908 connections.

    Shape: (N, in_channels, 32, 32) -> (N, num_classes), the smallest the likeliest
    """

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(in_channels, 6, kernel_size=5)
        self.s2 = Subsampling(6)
        self.c3 = SparseConv2d()
        self.s4 = Subsampling(16)
        self.c5 = nn.Conv2d(16, 120, kernel_size=5)
        self.flatten = nn.Flatten()
        self.f6 = nn.Linear(120, 84)
        self.output = EuclideanRBF(84, num_classes)
        self.activation = ScaledTanh()

    def forward(self, x: Tensor) -> Tensor:
        """Return the penalty of each class."""
        x = self.activation(self.s2(self.activation(self.c1(x))))  # (N, 6, 14, 14)
        x = self.activation(self.s4(self.activation(self.c3(x))))  # (N, 16, 5, 5)
        x = self.flatten(self.activation(self.c5(x)))  # (N, 120)
        x = self.activation(self.f6(x))  # (N, 84)
        return self.output(x)


lecun_1998 = register_model(
    family="LeNet",
    year=1998,
    paper=Paper(
        authors="LeCun, Bottou, Bengio, Haffner",
        title="Gradient-Based Learning Applied to Document Recognition",
        venue="Proceedings of the IEEE 86(11), 1998",
    ),
    idea="Convolution and subsampling in turn, every weight learnt end to end from pixels to "
    "digits.",
    new=(
        "Local windows with shared weights find a stroke wherever it is.",
        "Subsampling makes the exact place of a stroke matter less from stage to stage.",
        "One gradient trains everything, where hand-made features came before a classifier.",
    ),
    input_shape=(1, 1, 32, 32),
    min_size=(32, 32),
)


@lecun_1998
def lenet5(
    num_classes: NumClasses = 10,
    in_channels: InChannels = 1,
    widths: Widths = (6, 16, 120, 84),
    activation: Activation = "tanh",
    pooling: Pooling = "average",
) -> LeNet5:
    """LeNet-5.

    C3 sees all six maps of S2, not the subsets of Table I; subsampling has no trainable
    coefficient; tanh is not scaled; the output is a linear layer, not radial basis functions.
    """
    return LeNet5(num_classes, in_channels, widths, activation, pooling)


@lecun_1998
def lenet5_paper(num_classes: NumClasses = 10, in_channels: InChannels = 1) -> SparseLeNet5:
    """LeNet-5 (the paper's sparse C3).

    The radial basis functions' centres are drawn at random, not by hand as stylised characters.
    """
    return SparseLeNet5(num_classes, in_channels)
