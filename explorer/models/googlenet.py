"""GoogLeNet: windows of several sizes side by side, each made affordable by a 1x1 before it.

Going Deeper with Convolutions, Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke,
Rabinovich, CVPR 2015, arXiv:1409.4842 (`googlenet_paper`). Departs from the paper in two places:
the first convolution is the 7x7 of Figure 3, where the 2.7 K weights of Table 1 are those of one
split into depth and 1x1; and the average before the classifier is over the whole map, which
admits sizes other than 224x224.

The net that most people run (`googlenet`, as in torchvision) is the later one with batch
normalization instead of response normalization, and 3x3 where the paper has 5x5.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from torch import Tensor, nn

from explorer.models._layers import BasicConv2d, Branches, local_response_norm
from explorer.models._registry import Dropout, InChannels, NumClasses, Paper, register_model

# Table 1: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection.
TABLE_1 = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


class GoogLeNetOutputs(NamedTuple):
    """What a network with auxiliary heads returns in training."""

    logits: Tensor
    aux_logits2: Tensor
    aux_logits1: Tensor


class Inception(Branches):
    """1x1; 1x1, 3x3; 1x1, 5x5; 3x3 pooling, 1x1: side by side (Figure 2b).

    Without the paper's recipe the 5x5 is a 3x3.

    Shape: (N, in_channels, H, W) -> (N, widths 0 + 2 + 4 + 5, H, W)
    """

    def __init__(self, in_channels: int, widths: tuple[int, ...], paper: bool) -> None:
        conv = partial(BasicConv2d, bias=paper, batch_norm=not paper)
        ch1x1, ch3x3red, ch3x3, ch5x5red, ch5x5, pool_proj = widths
        super().__init__(
            {
                "branch1": conv(in_channels, ch1x1, 1),
                "branch2": nn.Sequential(conv(in_channels, ch3x3red, 1), conv(ch3x3red, ch3x3, 3)),
                "branch3": nn.Sequential(
                    conv(in_channels, ch5x5red, 1), conv(ch5x5red, ch5x5, 5 if paper else 3)
                ),
                "branch4": nn.Sequential(
                    nn.MaxPool2d(kernel_size=3, stride=1, padding=1),
                    conv(in_channels, pool_proj, 1),
                ),
            }
        )


class InceptionAux(nn.Module):
    """Average pooling to 4x4, 1x1, and two fully connected layers: a head halfway up.

    Shape: (N, in_channels, 14, 14) -> (N, num_classes)
    """

    def __init__(self, in_channels: int, num_classes: int, paper: bool) -> None:
        super().__init__()
        self.avgpool = (
            nn.AvgPool2d(kernel_size=5, stride=3) if paper else nn.AdaptiveAvgPool2d((4, 4))
        )
        self.conv = BasicConv2d(in_channels, 128, 1, bias=paper, batch_norm=not paper)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(128 * 4 * 4, 1024)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(0.7)
        self.fc2 = nn.Linear(1024, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        x = self.flatten(self.conv(self.avgpool(x)))  # (N, 2048)
        return self.fc2(self.dropout(self.relu(self.fc1(x))))


class GoogLeNet(nn.Module):
    """7x7, pool, 1x1, 3x3, pool, nine inception modules with two pools, average, classifier.

    With auxiliary heads the output in training is a GoogLeNetOutputs.

    Shape: (N, in_channels, H, W) -> (N, num_classes)
    """

    def __init__(
        self, num_classes: int, in_channels: int, aux_logits: bool, dropout: float, paper: bool
    ) -> None:
        super().__init__()
        conv = partial(BasicConv2d, bias=paper, batch_norm=not paper)
        pool = partial(nn.MaxPool2d, stride=2, ceil_mode=True)
        self.conv1 = conv(in_channels, 64, 7, stride=2)
        self.maxpool1 = pool(kernel_size=3)
        self.norm1 = local_response_norm() if paper else None  # the two LocalRespNorm of Figure 3
        self.conv2 = conv(64, 64, 1)
        self.conv3 = conv(64, 192, 3)
        self.norm2 = local_response_norm() if paper else None
        self.maxpool2 = pool(kernel_size=3)
        self.inception3a = Inception(192, TABLE_1["3a"], paper)
        self.inception3b = Inception(256, TABLE_1["3b"], paper)
        self.maxpool3 = pool(kernel_size=3)
        self.inception4a = Inception(480, TABLE_1["4a"], paper)
        self.inception4b = Inception(512, TABLE_1["4b"], paper)
        self.inception4c = Inception(512, TABLE_1["4c"], paper)
        self.inception4d = Inception(512, TABLE_1["4d"], paper)
        self.inception4e = Inception(528, TABLE_1["4e"], paper)
        self.maxpool4 = pool(kernel_size=3 if paper else 2)
        self.inception5a = Inception(832, TABLE_1["5a"], paper)
        self.inception5b = Inception(832, TABLE_1["5b"], paper)
        self.aux1 = InceptionAux(512, num_classes, paper) if aux_logits else None
        self.aux2 = InceptionAux(528, num_classes, paper) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(1024, num_classes)

    def forward(self, x: Tensor) -> Tensor | GoogLeNetOutputs:
        """Return the class scores, in training with those of the auxiliary heads."""
        x = self.maxpool1(self.conv1(x))  # (N, 64, H / 4, W / 4)
        if self.norm1 is not None:
            x = self.norm1(x)
        x = self.conv3(self.conv2(x))
        if self.norm2 is not None:
            x = self.norm2(x)
        x = self.inception3b(self.inception3a(self.maxpool2(x)))  # (N, 480, H / 8, W / 8)
        x4a = self.inception4a(self.maxpool3(x))  # (N, 512, H / 16, W / 16)
        x4d = self.inception4d(self.inception4c(self.inception4b(x4a)))
        x = self.maxpool4(self.inception4e(x4d))
        x = self.inception5b(self.inception5a(x))  # (N, 1024, H / 32, W / 32)
        scores = self.fc(self.dropout(self.flatten(self.avgpool(x))))
        if self.training and self.aux1 is not None and self.aux2 is not None:
            return GoogLeNetOutputs(scores, self.aux2(x4d), self.aux1(x4a))
        return scores


szegedy_2014 = partial(
    register_model,
    family="Inception",
    year=2014,
    paper=Paper(
        authors="Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke, Rabinovich",
        title="Going Deeper with Convolutions",
        venue="CVPR 2015",
        arxiv="1409.4842",
    ),
    idea="Windows of several sizes look at the same maps side by side, each made affordable by a "
    "1x1 convolution before it.",
    new=(
        "An inception module concatenates 1x1, 3x3 and 5x5 convolutions and a pooling of the same "
        "input.",
        "1x1 convolutions reduce the channels before the larger windows.",
        "A global average replaces the large linear layers: 22 layers with a twelfth of AlexNet's "
        "weights.",
    ),
)


@szegedy_2014(min_size=(15, 15))
def googlenet(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    aux_logits: bool = False,
    dropout: Dropout = 0.2,
) -> GoogLeNet:
    """GoogLeNet (batch normalization, 3×3).

    Batch normalization instead of response normalization, and 3x3 convolutions where the paper has
    5x5, as in torchvision.
    """
    return GoogLeNet(num_classes, in_channels, aux_logits, dropout, paper=False)


@szegedy_2014(min_size=(31, 31))
def googlenet_paper(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    aux_logits: bool = False,
    dropout: Dropout = 0.4,
) -> GoogLeNet:
    """GoogLeNet (the paper's 5×5, no batch normalization).

    The first convolution is the 7x7 of Figure 3, not the one split into depth and 1x1 of Table 1,
    and the last average is over the whole map, which admits sizes other than 224x224.
    """
    return GoogLeNet(num_classes, in_channels, aux_logits, dropout, paper=True)
