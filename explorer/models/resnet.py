"""ResNet: a block learns the difference from its input, so that depth stops hurting.

Deep Residual Learning for Image Recognition, He, Zhang, Ren, Sun, CVPR 2016, arXiv:1512.03385.
Departs from the paper in one place: a bottleneck's stride sits on its 3x3 convolution ("v1.5",
as in torchvision), not on the first 1x1; the `_v1` models put it where the paper has it.

Two papers change only the width of the bottleneck's 3x3 convolution:
Wide Residual Networks, Zagoruyko, Komodakis, BMVC 2016, arXiv:1605.07146, doubles it.
Aggregated Residual Transformations for Deep Neural Networks (ResNeXt), Xie, Girshick, Dollár,
Tu, He, CVPR 2017, arXiv:1611.05431, doubles it too, or more, and splits it into groups.

Options of other papers turn one decision each, and leave the network as it is by default:
`preactivation` normalizes and activates first (Identity Mappings in Deep Residual Networks,
arXiv:1603.05027). `se` weights the channels of every block (Squeeze-and-Excitation Networks,
arXiv:1709.01507). `norm` has the normalizations that Group Normalization, arXiv:1803.08494,
compares; its layer normalization is one group of all channels. `stem="deep"` puts three 3x3
convolutions for the 7x7, and `shortcut="D"` pools before it projects: together they are the
ResNet-D of Bag of Tricks for Image Classification with Convolutional Neural Networks, He et al.,
CVPR 2019, arXiv:1812.01187. `stem="patch"` and `kernel_size` are steps of A ConvNet for the 2020s,
arXiv:2201.03545.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import gcd
from typing import Annotated, Literal

from torch import Tensor, nn

from explorer.errors import OptionError
from explorer.models._layers import SqueezeExcitation, ZeroPadShortcut
from explorer.models._registry import Bounds, InChannels, NumClasses, Paper, register_model

Depths = Annotated[tuple[int, ...], Bounds(1, 48)]
Groups = Annotated[int, Bounds(1, 64)]
WidthPerGroup = Annotated[int, Bounds(1, 256)]
Shortcut = Literal["A", "B", "C", "D", "none"]
StrideOn = Literal["3x3", "1x1"]
Stem = Literal["7x7", "deep", "patch"]
Kind = Literal["basic", "bottleneck"]
Width = Annotated[int, Bounds(8, 256)]
KernelSize = Literal[3, 5, 7]
Norm = Literal["batch", "group", "layer", "none"]


def _norm(option: Norm, channels: int) -> nn.Module:
    """Return a normalization; "none" leaves its place empty, and convolutions get a bias."""
    if option == "batch":
        return nn.BatchNorm2d(channels)
    if option == "none":
        return nn.Identity()
    return nn.GroupNorm(1 if option == "layer" else gcd(32, channels), channels)


def _shortcut(
    option: Shortcut,
    in_channels: int,
    out_channels: int,
    stride: int,
    norm: Norm,
    preactivation: bool,
) -> nn.Module | None:
    """Return what a shortcut does to x; None: nothing, it is the identity or is not there.

    The options of section 3.3: A pads with zero channels where the shape changes, B projects
    there, C projects in every block. A plain network has none. ResNet-D's averages 2x2 pixels
    and then projects with stride 1, so that no pixel is left out. With pre-activation nothing
    follows a projection.
    """
    same_shape = stride == 1 and in_channels == out_channels
    if option == "none" or (same_shape and option != "C"):
        return None
    if option == "A":
        return ZeroPadShortcut(in_channels, out_channels, stride)
    layers: list[nn.Module] = []
    if option == "D":
        pool = nn.AvgPool2d(2, stride, ceil_mode=True, count_include_pad=False)
        layers.append(nn.Identity() if stride == 1 else pool)
        stride = 1
    layers.append(nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=norm == "none"))
    if not preactivation:
        layers.append(_norm(norm, out_channels))
    return nn.Sequential(*layers)


def _squeeze_excitation(channels: int) -> SqueezeExcitation:
    """Return a channel weighting with the paper's reduction of 16."""
    return SqueezeExcitation(channels, max(1, channels // 16))


def _stem(option: Stem, in_channels: int, width: int, norm: Norm) -> nn.Module:
    """Return what reads the image: 7x7, ResNet-D's three 3x3, or ConvNeXt's patches of 4x4."""
    conv = partial(nn.Conv2d, bias=norm == "none")
    if option == "7x7":
        return conv(in_channels, width, kernel_size=7, stride=2, padding=3)
    if option == "patch":
        return conv(in_channels, width, kernel_size=4, stride=4)
    half = width // 2
    return nn.Sequential(
        conv(in_channels, half, kernel_size=3, stride=2, padding=1),
        _norm(norm, half),
        nn.ReLU(inplace=True),
        conv(half, half, kernel_size=3, padding=1),
        _norm(norm, half),
        nn.ReLU(inplace=True),
        conv(half, width, kernel_size=3, padding=1),
    )


def _check_groups(groups: int, width: int) -> None:
    """Check that groups share a convolution's channels evenly.

    Raises:
        OptionError: they do not.
    """
    if width % groups:
        divisors = [n for n in range(1, width + 1) if width % n == 0]
        near = [max(n for n in divisors if n < groups), *(n for n in divisors if n > groups)][:2]
        raise OptionError(
            f"groups={groups} should divide the {width} channels of the convolution that it "
            f"splits; {' or '.join(map(str, near))} would.",
            "groups",
        )


class BasicBlock(nn.Module):
    """3x3, BN, ReLU, 3x3, BN, plus the shortcut, ReLU; or each BN and ReLU before its 3x3.

    Shape: (N, in_channels, H, W) -> (N, width, H / stride, W / stride)
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        stride: int,
        shortcut: Shortcut,
        se: bool = False,
        groups: int = 1,
        kernel_size: int = 3,
        preactivation: bool = False,
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        _check_groups(groups, gcd(in_channels, width))
        conv = partial(
            nn.Conv2d,
            kernel_size=kernel_size,
            padding=kernel_size // 2,
            groups=groups,
            bias=norm == "none",
        )
        self.out_channels = width
        self.preactivation = preactivation
        self.conv1 = conv(in_channels, width, stride=stride)
        self.bn1 = _norm(norm, in_channels if preactivation else width)
        # Without a normalization in front of it, the first one would overwrite x.
        self.relu = nn.ReLU(inplace=norm != "none")
        self.conv2 = conv(width, width)
        self.bn2 = _norm(norm, width)
        self.se = _squeeze_excitation(width) if se else None
        self.residual = shortcut != "none"
        self.downsample = _shortcut(shortcut, in_channels, width, stride, norm, preactivation)

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(F(x) + shortcut(x)), without the shortcut if plain, or the relu if first."""
        if self.preactivation:
            activated = self.relu(self.bn1(x))
            out = self.conv2(self.relu(self.bn2(self.conv1(activated))))
        else:
            activated = x
            out = self.relu(self.bn1(self.conv1(x)))
            out = self.bn2(self.conv2(out))
        if self.se is not None:
            out = self.se(out)
        if self.residual:
            out = out + (x if self.downsample is None else self.downsample(activated))
        return out if self.preactivation else self.relu(out)


class Bottleneck(nn.Module):
    """1x1 reduce, 3x3, 1x1 expand, each with BN, plus the shortcut, ReLU; or BN and ReLU first.

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
        kernel_size: int = 3,
        preactivation: bool = False,
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        self.out_channels = 4 * width
        self.preactivation = preactivation
        inner = groups * max(1, width * width_per_group // 64)
        stride1, stride2 = (stride, 1) if stride_on == "1x1" else (1, stride)
        conv = partial(nn.Conv2d, bias=norm == "none")
        self.conv1 = conv(in_channels, inner, kernel_size=1, stride=stride1)
        self.bn1 = _norm(norm, in_channels if preactivation else inner)
        self.conv2 = conv(
            inner, inner, kernel_size, stride=stride2, padding=kernel_size // 2, groups=groups
        )
        self.bn2 = _norm(norm, inner)
        self.conv3 = conv(inner, self.out_channels, kernel_size=1)
        self.bn3 = _norm(norm, inner if preactivation else self.out_channels)
        self.se = _squeeze_excitation(self.out_channels) if se else None
        # Without a normalization in front of it, the first one would overwrite x.
        self.relu = nn.ReLU(inplace=norm != "none")
        self.residual = shortcut != "none"
        self.downsample = _shortcut(
            shortcut, in_channels, self.out_channels, stride, norm, preactivation
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(F(x) + shortcut(x)), without the shortcut if plain, or the relu if first."""
        if self.preactivation:
            activated = self.relu(self.bn1(x))
            out = self.relu(self.bn2(self.conv1(activated)))
            out = self.conv3(self.relu(self.bn3(self.conv2(out))))
        else:
            activated = x
            out = self.relu(self.bn1(self.conv1(x)))
            out = self.relu(self.bn2(self.conv2(out)))
            out = self.bn3(self.conv3(out))
        if self.se is not None:
            out = self.se(out)
        if self.residual:
            out = out + (x if self.downsample is None else self.downsample(activated))
        return out if self.preactivation else self.relu(out)


class ResNet(nn.Module):
    """7x7 and pool, four stages of blocks, global average, classifier.

    Args:
        block: makes a block from its in_channels, width and stride.
        depths: blocks in each stage (Table 1).
        num_classes: classes to tell apart.
        in_channels: channels of the image.
        stem: one 7x7 convolution, three of 3x3, or patches of 4x4 in place of pooling.
        width: of the stem and the first stage; it doubles from stage to stage.
        preactivation: BN and ReLU of the stem move behind the last stage.
        norm: of the stem.

    Shape: (N, in_channels, H, W) -> (N, num_classes)
    """

    def __init__(
        self,
        block: Callable[[int, int, int], BasicBlock | Bottleneck],
        depths: tuple[int, ...],
        num_classes: int,
        in_channels: int,
        stem: Stem = "7x7",
        width: int = 64,
        preactivation: bool = False,
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        self.preactivation = preactivation
        self.conv1 = _stem(stem, in_channels, width, norm)
        if not preactivation:
            self.bn1 = _norm(norm, width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = (
            nn.Identity() if stem == "patch" else nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        )
        channels, stages = width, []
        for number, (depth, stride) in enumerate(zip(depths, (1, 2, 2, 2), strict=True)):
            blocks = [block(channels, width * 2**number, stride)]
            channels = blocks[0].out_channels
            blocks += [block(channels, width * 2**number, 1) for _ in range(depth - 1)]
            stages.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        if preactivation:
            self.norm = _norm(norm, channels)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        x = self.conv1(x)
        if not self.preactivation:
            x = self.relu(self.bn1(x))
        x = self.maxpool(x)  # (N, 64, H / 4, W / 4)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))  # (N, C, H / 32, W / 32)
        if self.preactivation:
            x = self.relu(self.norm(x))
        return self.fc(self.flatten(self.avgpool(x)))


def _resnet(
    block: Kind,
    depths: tuple[int, ...],
    num_classes: int,
    in_channels: int,
    width: int,
    bottleneck_width: int,
    groups: int,
    kernel_size: int,
    shortcut: Shortcut,
    stride_on: StrideOn,
    preactivation: bool,
    norm: Norm,
    se: bool,
    stem: Stem,
) -> ResNet:
    """Return a network of one kind of block.

    Raises:
        OptionError: a basic block is asked for what only a bottleneck has, or groups do not divide
            the channels.
    """
    make: Callable[[int, int, int], BasicBlock | Bottleneck]
    if block == "basic":
        for option, value, usual in (
            ("bottleneck_width", bottleneck_width, 64),
            ("stride_on", stride_on, "3x3"),
        ):
            if value != usual:
                raise OptionError(
                    f"{option}={value!r} needs block='bottleneck': a basic block has two 3x3 "
                    "convolutions of one width.",
                    option,
                )
        make = partial(
            BasicBlock,
            shortcut=shortcut,
            se=se,
            groups=groups,
            kernel_size=kernel_size,
            preactivation=preactivation,
            norm=norm,
        )
    else:
        _check_groups(groups, bottleneck_width)
        make = partial(
            Bottleneck,
            groups=groups,
            width_per_group=bottleneck_width // groups,
            shortcut=shortcut,
            stride_on=stride_on,
            se=se,
            kernel_size=kernel_size,
            preactivation=preactivation,
            norm=norm,
        )
    return ResNet(make, depths, num_classes, in_channels, stem, width, preactivation, norm)


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
    width: Width = 64,
    block: Kind = "basic",
    groups: Groups = 1,
    kernel_size: KernelSize = 3,
    shortcut: Shortcut = "B",
    preactivation: bool = False,
    norm: Norm = "batch",
    se: bool = False,
    stem: Stem = "7x7",
) -> ResNet:
    """ResNet-18."""
    return _resnet(
        block,
        depths,
        num_classes,
        in_channels,
        width,
        64,
        groups,
        kernel_size,
        shortcut,
        "3x3",
        preactivation,
        norm,
        se,
        stem,
    )


@he_2015
def resnet34(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 4, 6, 3),
    width: Width = 64,
    block: Kind = "basic",
    groups: Groups = 1,
    kernel_size: KernelSize = 3,
    shortcut: Shortcut = "B",
    preactivation: bool = False,
    norm: Norm = "batch",
    se: bool = False,
    stem: Stem = "7x7",
) -> ResNet:
    """ResNet-34."""
    return _resnet(
        block,
        depths,
        num_classes,
        in_channels,
        width,
        64,
        groups,
        kernel_size,
        shortcut,
        "3x3",
        preactivation,
        norm,
        se,
        stem,
    )


@he_2015
def resnet50(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 4, 6, 3),
    width: Width = 64,
    block: Kind = "bottleneck",
    bottleneck_width: Width = 64,
    groups: Groups = 1,
    kernel_size: KernelSize = 3,
    shortcut: Shortcut = "B",
    stride_on: StrideOn = "3x3",
    preactivation: bool = False,
    norm: Norm = "batch",
    se: bool = False,
    stem: Stem = "7x7",
) -> ResNet:
    """ResNet-50 (v1.5).

    The stride of a bottleneck sits on its 3x3 convolution ("v1.5", as in torchvision), not on the
    first 1x1.
    """
    return _resnet(
        block,
        depths,
        num_classes,
        in_channels,
        width,
        bottleneck_width,
        groups,
        kernel_size,
        shortcut,
        stride_on,
        preactivation,
        norm,
        se,
        stem,
    )


@he_2015
def resnet101(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 4, 23, 3),
    width: Width = 64,
    block: Kind = "bottleneck",
    bottleneck_width: Width = 64,
    groups: Groups = 1,
    kernel_size: KernelSize = 3,
    shortcut: Shortcut = "B",
    stride_on: StrideOn = "3x3",
    preactivation: bool = False,
    norm: Norm = "batch",
    se: bool = False,
    stem: Stem = "7x7",
) -> ResNet:
    """ResNet-101 (v1.5).

    The stride of a bottleneck sits on its 3x3 convolution ("v1.5", as in torchvision), not on the
    first 1x1.
    """
    return _resnet(
        block,
        depths,
        num_classes,
        in_channels,
        width,
        bottleneck_width,
        groups,
        kernel_size,
        shortcut,
        stride_on,
        preactivation,
        norm,
        se,
        stem,
    )


@he_2015
def resnet152(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 8, 36, 3),
    width: Width = 64,
    block: Kind = "bottleneck",
    bottleneck_width: Width = 64,
    groups: Groups = 1,
    kernel_size: KernelSize = 3,
    shortcut: Shortcut = "B",
    stride_on: StrideOn = "3x3",
    preactivation: bool = False,
    norm: Norm = "batch",
    se: bool = False,
    stem: Stem = "7x7",
) -> ResNet:
    """ResNet-152 (v1.5).

    The stride of a bottleneck sits on its 3x3 convolution ("v1.5", as in torchvision), not on the
    first 1x1.
    """
    return _resnet(
        block,
        depths,
        num_classes,
        in_channels,
        width,
        bottleneck_width,
        groups,
        kernel_size,
        shortcut,
        stride_on,
        preactivation,
        norm,
        se,
        stem,
    )


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
    shortcut: Shortcut = "none",
    se: bool = False,
    stem: Stem = "7x7",
) -> ResNet:
    """Plain-18 (no shortcuts)."""
    block = partial(BasicBlock, shortcut=shortcut, se=se)
    return ResNet(block, depths, num_classes, in_channels, stem)


@he_2015
def plain34(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 4, 6, 3),
    shortcut: Shortcut = "none",
    se: bool = False,
    stem: Stem = "7x7",
) -> ResNet:
    """Plain-34 (no shortcuts)."""
    block = partial(BasicBlock, shortcut=shortcut, se=se)
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
