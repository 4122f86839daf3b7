"""LeNet-5: convolution and subsampling in turn, every weight learnt end to end.

Gradient-Based Learning Applied to Document Recognition, LeCun, Bottou, Bengio, Haffner,
Proceedings of the IEEE 86(11), 1998. The layers carry the paper's names (C1, S2, ... F6).
Departs from the paper as nearly all later implementations do: C3 sees all six maps of S2, not
the subsets of Table I; subsampling has no trainable coefficient; tanh is not scaled; the output
is a linear layer, not Euclidean radial basis functions.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from explorer.models._registry import InChannels, NumClasses, register_model

Activation = Literal["tanh", "sigmoid", "relu"]
Pooling = Literal["average", "max"]

ACTIVATIONS = {"tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "relu": nn.ReLU}
POOLINGS = {"average": nn.AvgPool2d, "max": nn.MaxPool2d}


class LeNet5(nn.Module):
    """5x5, pool, 5x5, pool, then 5x5 down to a single pixel and two fully connected layers.

    Shape: (N, in_channels, 32, 32) -> (N, num_classes)
    """

    def __init__(
        self, num_classes: int, in_channels: int, activation: Activation, pooling: Pooling
    ) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(in_channels, 6, kernel_size=5)
        self.s2 = POOLINGS[pooling](kernel_size=2, stride=2)
        self.c3 = nn.Conv2d(6, 16, kernel_size=5)
        self.s4 = POOLINGS[pooling](kernel_size=2, stride=2)
        self.c5 = nn.Conv2d(16, 120, kernel_size=5)
        self.flatten = nn.Flatten()
        self.f6 = nn.Linear(120, 84)
        self.output = nn.Linear(84, num_classes)
        self.activation = ACTIVATIONS[activation]()

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        x = self.s2(self.activation(self.c1(x)))  # (N, 6, 14, 14)
        x = self.s4(self.activation(self.c3(x)))  # (N, 16, 5, 5)
        x = self.flatten(self.activation(self.c5(x)))  # (N, 120)
        x = self.activation(self.f6(x))  # (N, 84)
        return self.output(x)


@register_model(
    family="LeNet",
    year=1998,
    paper="LeCun, Bottou, Bengio, Haffner: Gradient-Based Learning Applied to Document "
    "Recognition, Proceedings of the IEEE 86(11), 1998",
    input_shape=(1, 1, 32, 32),
    min_size=(32, 32),
)
def lenet5(
    num_classes: NumClasses = 10,
    in_channels: InChannels = 1,
    activation: Activation = "tanh",
    pooling: Pooling = "average",
) -> LeNet5:
    """LeNet-5."""
    return LeNet5(num_classes, in_channels, activation, pooling)
