"""AlexNet: a deep convolutional network with ReLU and dropout, trained on two GPUs, wins ImageNet.

ImageNet Classification with Deep Convolutional Neural Networks, Krizhevsky, Sutskever, Hinton,
NeurIPS 2012 (`alexnet_paper`, and `alexnet_full` without the split into two towers). Departs
from the paper in one place: the input is 227x227, for the 224x224 it states does not give the
55x55 maps it draws.

One weird trick for parallelizing convolutional neural networks, Krizhevsky 2014,
arXiv:1404.5997 (`alexnet`): the narrower one-tower net without response normalization. Departs
from it as torchvision does: an adaptive pooling before the classifier admits other input sizes.

Options turn one decision each: `activation="tanh"` is what the paper compares ReLU with (section
3.1), `groups` its two towers (3.2), `normalization` 3.3, and `head="average"` the global average
and single linear layer of Network In Network, arXiv:1312.4400.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from explorer.models._layers import local_response_norm
from explorer.models._registry import Dropout, InChannels, NumClasses, Paper, register_model

Activation = Literal["relu", "tanh"]
Head = Literal["linear", "average"]
Groups = Literal[1, 2]


def _activation(option: Activation) -> nn.Module:
    return nn.ReLU(inplace=True) if option == "relu" else nn.Tanh()


def _classifier(
    num_classes: int, dropout: float, activation: Activation, head: Head
) -> nn.Sequential:
    """Dropout, 4096, ReLU, dropout, 4096, ReLU, classes; behind a global average, classes only."""
    if head == "average":
        return nn.Sequential(nn.Dropout(dropout), nn.Linear(256, num_classes))
    return nn.Sequential(
        nn.Dropout(dropout),
        nn.Linear(256 * 6 * 6, 4096),
        _activation(activation),
        nn.Dropout(dropout),
        nn.Linear(4096, 4096),
        _activation(activation),
        nn.Linear(4096, num_classes),
    )


class AlexNet(nn.Module):
    """11x11, pool, 5x5, pool, three 3x3, pool, then three fully connected layers.

    Shape: (N, in_channels, H, W) -> (N, num_classes)
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        dropout: float,
        activation: Activation,
        head: Head,
    ) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 64, kernel_size=11, stride=4, padding=2),
            _activation(activation),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(64, 192, kernel_size=5, padding=2),
            _activation(activation),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(192, 384, kernel_size=3, padding=1),
            _activation(activation),
            nn.Conv2d(384, 256, kernel_size=3, padding=1),
            _activation(activation),
            nn.Conv2d(256, 256, kernel_size=3, padding=1),
            _activation(activation),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6) if head == "linear" else 1)
        self.flatten = nn.Flatten()
        self.classifier = _classifier(num_classes, dropout, activation, head)

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        return self.classifier(self.flatten(self.avgpool(self.features(x))))


class AlexNet2012(nn.Module):
    """The same recipe at full width, with response normalization before the first two pools.

    With `groups=2` the second, fourth and fifth convolution see only their own tower's half of
    the maps, as on the paper's two GPUs; the third sees all.

    Shape: (N, in_channels, 227, 227) -> (N, num_classes)
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        groups: int,
        normalization: bool,
        dropout: float,
        activation: Activation,
        head: Head,
    ) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 96, kernel_size=11, stride=4),
            _activation(activation),
            *([local_response_norm()] if normalization else []),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(96, 256, kernel_size=5, padding=2, groups=groups),
            _activation(activation),
            *([local_response_norm()] if normalization else []),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(256, 384, kernel_size=3, padding=1),
            _activation(activation),
            nn.Conv2d(384, 384, kernel_size=3, padding=1, groups=groups),
            _activation(activation),
            nn.Conv2d(384, 256, kernel_size=3, padding=1, groups=groups),
            _activation(activation),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )
        if head == "average":
            self.features.append(nn.AdaptiveAvgPool2d(1))
        self.flatten = nn.Flatten()
        self.classifier = _classifier(num_classes, dropout, activation, head)

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        return self.classifier(self.flatten(self.features(x)))


krizhevsky_2012 = register_model(
    family="AlexNet",
    year=2012,
    paper=Paper(
        authors="Krizhevsky, Sutskever, Hinton",
        title="ImageNet Classification with Deep Convolutional Neural Networks",
        venue="NeurIPS 2012",
    ),
    idea="A deep convolutional network with ReLU and dropout, trained on two GPUs, wins ImageNet "
    "by a wide margin.",
    new=(
        "ReLU instead of tanh lets a deep network train several times faster.",
        "Dropout in the two large linear layers, and augmented images, keep 60 million weights "
        "from learning the images by heart.",
        "Two GPUs hold half of the channels each, the first grouped convolutions.",
    ),
    departs="The input is 227x227: the 224x224 that the paper states does not give the 55x55 maps "
    "that it draws.",
    input_shape=(1, 3, 227, 227),
    min_size=(227, 227),
)
krizhevsky_2014 = register_model(
    family="AlexNet",
    year=2014,
    paper=Paper(
        authors="Krizhevsky",
        title="One weird trick for parallelizing convolutional neural networks",
        arxiv="1404.5997",
    ),
    idea="One narrower tower does what two did, because its convolutions are spread over GPUs by "
    "batch and its linear layers by channels.",
    new=(
        "Convolutional layers divide the batch among GPUs, linear layers divide their weights.",
        "The network becomes one tower of 64 to 384 channels without response normalization.",
        "It is the AlexNet that most libraries have today.",
    ),
    departs="An adaptive average pooling before the classifier admits other input sizes, as in "
    "torchvision.",
    min_size=(63, 63),
)


@krizhevsky_2014
def alexnet(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    activation: Activation = "relu",
    head: Head = "linear",
    dropout: Dropout = 0.5,
) -> AlexNet:
    """AlexNet (one tower)."""
    return AlexNet(num_classes, in_channels, dropout, activation, head)


@krizhevsky_2012
def alexnet_paper(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    groups: Groups = 2,
    normalization: bool = True,
    activation: Activation = "relu",
    head: Head = "linear",
    dropout: Dropout = 0.5,
) -> AlexNet2012:
    """AlexNet (the paper's two towers)."""
    return AlexNet2012(num_classes, in_channels, groups, normalization, dropout, activation, head)


@krizhevsky_2012
def alexnet_full(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    groups: Groups = 1,
    normalization: bool = True,
    activation: Activation = "relu",
    head: Head = "linear",
    dropout: Dropout = 0.5,
) -> AlexNet2012:
    """AlexNet (one tower, full width).

    The two towers are one of full width, without groups.
    """
    return AlexNet2012(num_classes, in_channels, groups, normalization, dropout, activation, head)
