"""SimpleCNN: two convolutions, each halved by pooling, and two fully connected layers.

The network with which tutorials begin, for the 32x32 images of CIFAR. No paper has it; the
example that most descend from, "Train a simple deep CNN on the CIFAR10 small images dataset"
(Chollet, examples of Keras, 2015), has two convolutions where this one has one, and dropout.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn

from explorer.models._registry import Bounds, Dropout, InChannels, NumClasses, Paper, register_model

Widths = Annotated[tuple[int, ...], Bounds(1, 512)]
HiddenFeatures = Annotated[int, Bounds(1, 4096)]


class SimpleCNN(nn.Module):
    """3x3, ReLU, pool, 3x3, ReLU, pool, then a hidden layer and the classifier.

    Shape: (N, in_channels, 32, 32) -> (N, num_classes)
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        widths: tuple[int, ...],
        hidden_features: int,
        dropout: float,
    ) -> None:
        super().__init__()
        first, second = widths
        self.conv1 = nn.Conv2d(in_channels, first, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(first, second, kernel_size=3, padding=1)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d(kernel_size=2, stride=2)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(second * 8 * 8, hidden_features)
        self.dropout = nn.Dropout(dropout)
        self.fc2 = nn.Linear(hidden_features, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        x = self.pool(self.relu(self.conv1(x)))  # (N, 32, 16, 16)
        x = self.pool(self.relu(self.conv2(x)))  # (N, 64, 8, 8)
        x = self.relu(self.fc1(self.flatten(x)))  # (N, 512)
        return self.fc2(self.dropout(x))


@register_model(
    family="SimpleCNN",
    year=2015,
    paper=Paper(
        authors="Chollet",
        title="Train a simple deep CNN on the CIFAR10 small images dataset",
        venue="examples of Keras, 2015",
    ),
    idea="Two convolutions, each followed by pooling, and two linear layers: the network that "
    "tutorials begin with.",
    new=(
        "Windows of 3x3 pixels find edges and corners.",
        "Pooling halves the map twice, from 32x32 to 8x8.",
        "Two linear layers turn 4,096 features into ten scores: most of the weights are here.",
    ),
    departs="No paper has it; the example that most descend from has two convolutions where this "
    "one has one, and dropout.",
    input_shape=(1, 3, 32, 32),
    min_size=(32, 32),
)
def simple_cnn(
    num_classes: NumClasses = 10,
    in_channels: InChannels = 3,
    widths: Widths = (32, 64),
    hidden_features: HiddenFeatures = 512,
    dropout: Dropout = 0.0,
) -> SimpleCNN:
    """SimpleCNN (two convolutions, CIFAR)."""
    return SimpleCNN(num_classes, in_channels, widths, hidden_features, dropout)
