"""ResNet: a block learns the difference from its input, so that depth stops hurting.

Deep Residual Learning for Image Recognition, He, Zhang, Ren, Sun, CVPR 2016, arXiv:1512.03385.
Departs from the paper in one place: a bottleneck's stride sits on its 3x3 convolution ("v1.5",
as in torchvision), not on the first 1x1; the `_v1` models put it where the paper has it.

Two papers change only the width of the bottleneck's 3x3 convolution:
Wide Residual Networks, Zagoruyko, Komodakis, BMVC 2016, arXiv:1605.07146, doubles it.
Aggregated Residual Transformations for Deep Neural Networks (ResNeXt), Xie, Girshick, Dollár,
Tu, He, CVPR 2017, arXiv:1611.05431, doubles it too, or more, and splits it into groups.

Two options come from later papers. `se` weights the channels of every block (Squeeze-and-Excitation
Networks, arXiv:1709.01507). `stem="deep"` puts three 3x3 convolutions for the 7x7, and
`shortcut="D"` pools before it projects: together they are the ResNet-D of Bag of Tricks for Image
Classification with Convolutional Neural Networks, He et al., CVPR 2019, arXiv:1812.01187.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Literal

from torch import Tensor, nn

from explorer.models._layers import SqueezeExcitation, ZeroPadShortcut
from explorer.models._registry import Bounds, InChannels, NumClasses, Paper, register_model

Depths = Annotated[tuple[int, ...], Bounds(1, 48)]
Groups = Annotated[int, Bounds(1, 64)]
WidthPerGroup = Annotated[int, Bounds(1, 256)]
Shortcut = Literal["A", "B", "C", "D", "none"]
StrideOn = Literal["3x3", "1x1"]
Stem = Literal["7x7", "deep"]


def _shortcut(
    option: Shortcut, in_channels: int, out_channels: int, stride: int
) -> nn.Module | None:
    """Return what a shortcut does to x; None: nothing, it is the identity or is not there.

    The options of section 3.3: A pads with zero channels where the shape changes, B projects
    there, C projects in every block. A plain network has none. ResNet-D's averages 2x2 pixels
    and then projects with stride 1, so that no pixel is left out.
    """
    same_shape = stride == 1 and in_channels == out_channels
    if option == "none" or (same_shape and option != "C"):
        return None
    if option == "A":
        return ZeroPadShortcut(in_channels, out_channels, stride)
    if option == "D":
        pool = nn.AvgPool2d(2, stride, ceil_mode=True, count_include_pad=False)
        return nn.Sequential(
            nn.Identity() if stride == 1 else pool,
            nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False),
        nn.BatchNorm2d(out_channels),
    )


def _squeeze_excitation(channels: int) -> SqueezeExcitation:
    """Return a channel weighting with the paper's reduction of 16."""
    return SqueezeExcitation(channels, max(1, channels // 16))


def _deep_stem(in_channels: int) -> nn.Sequential:
    """Return ResNet-C's and ResNet-D's stem: three 3x3, with BN and ReLU between them."""
    return nn.Sequential(
        nn.Conv2d(in_channels, 32, kernel_size=3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(inplace=True),
        nn.Conv2d(32, 32, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(inplace=True),
        nn.Conv2d(32, 64, kernel_size=3, padding=1, bias=False),
    )


class BasicBlock(nn.Module):
    """3x3, BN, ReLU, 3x3, BN, plus the shortcut, ReLU.

    Shape: (N, in_channels, H, W) -> (N, width, H / stride, W / stride)
    """

    def __init__(
        self, in_channels: int, width: int, stride: int, shortcut: Shortcut, se: bool = False
    ) -> None:
        super().__init__()
        self.out_channels = width
        self.conv1 = nn.Conv2d(
            in_channels, width, kernel_size=3, stride=stride, padding=1, bias=False
        )
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.se = _squeeze_excitation(width) if se else None
        self.residual = shortcut != "none"
        self.downsample = _shortcut(shortcut, in_channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(F(x) + shortcut(x)), or relu(F(x)) in a plain network."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.se is not None:
            out = self.se(out)
        if self.residual:
            out = out + (x if self.downsample is None else self.downsample(x))
        return self.relu(out)


class Bottleneck(nn.Module):
    """1x1 reduce, 3x3, 1x1 expand, each with BN, plus the shortcut, ReLU.

    The 3x3 has `groups * width_per_group` channels where `width` is 64, and in proportion
    elsewhere: 1 x 64 is ResNet, 1 x 128 Wide ResNet, 32 x 4 ResNeXt.

    Shape: (N, in_channels, H, W) -> (N, 4 * width, H / stride, W / stride)
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        stride: int,
        groups: int = 1,
        width_per_group: int = 64,
        shortcut: Shortcut = "B",
        stride_on: StrideOn = "3x3",
        se: bool = False,
    ) -> None:
        super().__init__()
        self.out_channels = 4 * width
        inner = groups * (width * width_per_group // 64)
        stride1, stride2 = (stride, 1) if stride_on == "1x1" else (1, stride)
        self.conv1 = nn.Conv2d(in_channels, inner, kernel_size=1, stride=stride1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(
            inner, inner, kernel_size=3, stride=stride2, padding=1, groups=groups, bias=False
        )
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, self.out_channels, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(self.out_channels)
        self.se = _squeeze_excitation(self.out_channels) if se else None
        self.relu = nn.ReLU(inplace=True)
        self.residual = shortcut != "none"
        self.downsample = _shortcut(shortcut, in_channels, self.out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(F(x) + shortcut(x)), or relu(F(x)) in a plain network."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        if self.se is not None:
            out = self.se(out)
        if self.residual:
            out = out + (x if self.downsample is None else self.downsample(x))
        return self.relu(out)


class ResNet(nn.Module):
    """7x7 and pool, four stages of blocks, global average, classifier.

    Args:
        block: makes a block from its in_channels, width and stride.
        depths: blocks in each stage (Table 1).
        num_classes: classes to tell apart.
        in_channels: channels of the image.
        stem: one 7x7 convolution, or three of 3x3.

    Shape: (N, in_channels, H, W) -> (N, num_classes)
    """

    def __init__(
        self,
        block: Callable[[int, int, int], BasicBlock | Bottleneck],
        depths: tuple[int, ...],
        num_classes: int,
        in_channels: int,
        stem: Stem = "7x7",
    ) -> None:
        super().__init__()
        self.conv1 = (
            nn.Conv2d(in_channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
            if stem == "7x7"
            else _deep_stem(in_channels)
        )
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        channels, stages = 64, []
        for depth, width, stride in zip(depths, (64, 128, 256, 512), (1, 2, 2, 2), strict=True):
            blocks = [block(channels, width, stride)]
            channels = blocks[0].out_channels
            blocks += [block(channels, width, 1) for _ in range(depth - 1)]
            stages.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))  # (N, 64, H / 4, W / 4)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))  # (N, C, H / 32, W / 32)
        return self.fc(self.flatten(self.avgpool(x)))


he_2015 = register_model(
    family="ResNet",
    year=2015,
    paper=Paper(
        authors="He, Zhang, Ren, Sun",
        title="Deep Residual Learning for Image Recognition",
        venue="CVPR 2016",
        arxiv="1512.03385",
    ),
    idea="A block learns the difference from its input, so that depth stops hurting.",
    new=(
        "A shortcut adds a block's input to its result, without weights where the shape stays.",
        "Networks of 152 layers train, where plain ones get worse beyond about 20.",
        "The bottleneck of 1x1, 3x3 and 1x1 makes deep networks affordable.",
    ),
)
zagoruyko_2016 = register_model(
    family="Wide ResNet",
    year=2016,
    paper=Paper(
        authors="Zagoruyko, Komodakis",
        title="Wide Residual Networks",
        venue="BMVC 2016",
        arxiv="1605.07146",
    ),
    idea="Wider blocks do for a ResNet what many more layers do, and faster.",
    new=(
        "The 3x3 convolutions get twice the channels, and depth stays.",
        "Width parallelises on a GPU, where depth has to wait for itself.",
        "Fifty wide layers surpass 152 narrow ones.",
    ),
    departs="The stride of a bottleneck sits on its 3x3 convolution, not on the first 1x1, as in "
    "torchvision.",
)
xie_2016 = register_model(
    family="ResNeXt",
    year=2016,
    paper=Paper(
        authors="Xie, Girshick, Dollár, Tu, He",
        title="Aggregated Residual Transformations for Deep Neural Networks",
        venue="CVPR 2017",
        arxiv="1611.05431",
    ),
    idea="A block is many small paths of the same shape, added: their number matters more than "
    "width or depth.",
    new=(
        "Cardinality, the number of paths, is a dimension of its own beside depth and width.",
        "Grouped convolutions are all that it takes to have 32 paths.",
        "At equal cost, more paths beat more channels.",
    ),
    departs="The stride of a bottleneck sits on its 3x3 convolution, as in the authors' code.",
)


@he_2015
def resnet18(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (2, 2, 2, 2),
    shortcut: Shortcut = "B",
    se: bool = False,
    stem: Stem = "7x7",
) -> ResNet:
    """ResNet-18."""
    block = partial(BasicBlock, shortcut=shortcut, se=se)
    return ResNet(block, depths, num_classes, in_channels, stem)


@he_2015
def resnet34(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 4, 6, 3),
    shortcut: Shortcut = "B",
    se: bool = False,
    stem: Stem = "7x7",
) -> ResNet:
    """ResNet-34."""
    block = partial(BasicBlock, shortcut=shortcut, se=se)
    return ResNet(block, depths, num_classes, in_channels, stem)


@he_2015
def resnet50(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 4, 6, 3),
    shortcut: Shortcut = "B",
    stride_on: StrideOn = "3x3",
    se: bool = False,
    stem: Stem = "7x7",
) -> ResNet:
    """ResNet-50 (v1.5).

    The stride of a bottleneck sits on its 3x3 convolution ("v1.5", as in torchvision), not on the
    first 1x1.
    """
    block = partial(Bottleneck, shortcut=shortcut, stride_on=stride_on, se=se)
    return ResNet(block, depths, num_classes, in_channels, stem)


@he_2015
def resnet101(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 4, 23, 3),
    shortcut: Shortcut = "B",
    stride_on: StrideOn = "3x3",
    se: bool = False,
    stem: Stem = "7x7",
) -> ResNet:
    """ResNet-101 (v1.5).

    The stride of a bottleneck sits on its 3x3 convolution ("v1.5", as in torchvision), not on the
    first 1x1.
    """
    block = partial(Bottleneck, shortcut=shortcut, stride_on=stride_on, se=se)
    return ResNet(block, depths, num_classes, in_channels, stem)


@he_2015
def resnet152(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 8, 36, 3),
    shortcut: Shortcut = "B",
    stride_on: StrideOn = "3x3",
    se: bool = False,
    stem: Stem = "7x7",
) -> ResNet:
    """ResNet-152 (v1.5).

    The stride of a bottleneck sits on its 3x3 convolution ("v1.5", as in torchvision), not on the
    first 1x1.
    """
    block = partial(Bottleneck, shortcut=shortcut, stride_on=stride_on, se=se)
    return ResNet(block, depths, num_classes, in_channels, stem)


@he_2015
def resnet50_v1(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 4, 6, 3),
    shortcut: Shortcut = "B",
    se: bool = False,
    stem: Stem = "7x7",
) -> ResNet:
    """ResNet-50 (v1, the paper's stride)."""
    block = partial(Bottleneck, shortcut=shortcut, stride_on="1x1", se=se)
    return ResNet(block, depths, num_classes, in_channels, stem)


@he_2015
def resnet101_v1(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 4, 23, 3),
    shortcut: Shortcut = "B",
    se: bool = False,
    stem: Stem = "7x7",
) -> ResNet:
    """ResNet-101 (v1, the paper's stride)."""
    block = partial(Bottleneck, shortcut=shortcut, stride_on="1x1", se=se)
    return ResNet(block, depths, num_classes, in_channels, stem)


@he_2015
def resnet152_v1(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 8, 36, 3),
    shortcut: Shortcut = "B",
    se: bool = False,
    stem: Stem = "7x7",
) -> ResNet:
    """ResNet-152 (v1, the paper's stride)."""
    block = partial(Bottleneck, shortcut=shortcut, stride_on="1x1", se=se)
    return ResNet(block, depths, num_classes, in_channels, stem)


@he_2015
def plain18(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (2, 2, 2, 2),
    se: bool = False,
    stem: Stem = "7x7",
) -> ResNet:
    """Plain-18 (no shortcuts)."""
    block = partial(BasicBlock, shortcut="none", se=se)
    return ResNet(block, depths, num_classes, in_channels, stem)


@he_2015
def plain34(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 4, 6, 3),
    se: bool = False,
    stem: Stem = "7x7",
) -> ResNet:
    """Plain-34 (no shortcuts)."""
    block = partial(BasicBlock, shortcut="none", se=se)
    return ResNet(block, depths, num_classes, in_channels, stem)


@zagoruyko_2016
def wide_resnet50_2(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 4, 6, 3),
    width_per_group: WidthPerGroup = 128,
    se: bool = False,
    stem: Stem = "7x7",
) -> ResNet:
    """Wide ResNet-50-2."""
    block = partial(Bottleneck, width_per_group=width_per_group, se=se)
    return ResNet(block, depths, num_classes, in_channels, stem)


@zagoruyko_2016
def wide_resnet101_2(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 4, 23, 3),
    width_per_group: WidthPerGroup = 128,
    se: bool = False,
    stem: Stem = "7x7",
) -> ResNet:
    """Wide ResNet-101-2."""
    block = partial(Bottleneck, width_per_group=width_per_group, se=se)
    return ResNet(block, depths, num_classes, in_channels, stem)


@xie_2016
def resnext50_32x4d(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 4, 6, 3),
    groups: Groups = 32,
    width_per_group: WidthPerGroup = 4,
    se: bool = False,
    stem: Stem = "7x7",
) -> ResNet:
    """ResNeXt-50 (32×4d)."""
    block = partial(Bottleneck, groups=groups, width_per_group=width_per_group, se=se)
    return ResNet(block, depths, num_classes, in_channels, stem)


@xie_2016
def resnext101_32x4d(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 4, 23, 3),
    groups: Groups = 32,
    width_per_group: WidthPerGroup = 4,
    se: bool = False,
    stem: Stem = "7x7",
) -> ResNet:
    """ResNeXt-101 (32×4d)."""
    block = partial(Bottleneck, groups=groups, width_per_group=width_per_group, se=se)
    return ResNet(block, depths, num_classes, in_channels, stem)


@xie_2016
def resnext101_32x8d(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 4, 23, 3),
    groups: Groups = 32,
    width_per_group: WidthPerGroup = 8,
    se: bool = False,
    stem: Stem = "7x7",
) -> ResNet:
    """ResNeXt-101 (32×8d)."""
    block = partial(Bottleneck, groups=groups, width_per_group=width_per_group, se=se)
    return ResNet(block, depths, num_classes, in_channels, stem)


@xie_2016
def resnext101_64x4d(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 4, 23, 3),
    groups: Groups = 64,
    width_per_group: WidthPerGroup = 4,
    se: bool = False,
    stem: Stem = "7x7",
) -> ResNet:
    """ResNeXt-101 (64×4d)."""
    block = partial(Bottleneck, groups=groups, width_per_group=width_per_group, se=se)
    return ResNet(block, depths, num_classes, in_channels, stem)
