"""HRNet: a high resolution is kept to the end, beside lower ones that it exchanges with.

Deep High-Resolution Representation Learning for Visual Recognition, Wang, Sun, Cheng, Jiang,
Deng, Zhao, Liu, Mu, Tan, Wang, Liu, Xiao, TPAMI 2020, arXiv:1908.07919 (first for poses: Deep
High-Resolution Representation Learning for Human Pose Estimation, Sun, Xiao, Liu, Wang,
CVPR 2019, arXiv:1902.09212). These are the authors' classification networks, HRNet-Wxx-C: xx is
the width of the highest resolution. Departs from their repository in nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from torch import Tensor, nn

from explorer.models._registry import Bounds, InChannels, NumClasses, Paper, register_model

Width = Annotated[int, Bounds(1, 128)]
Modules = Annotated[tuple[int, ...], Bounds(1, 8)]
BlocksPerBranch = Annotated[int, Bounds(1, 12)]


class BasicBlock(nn.Module):
    """3x3, BN, ReLU, 3x3, BN, plus x, ReLU.

    Shape: (N, width, H, W) -> (N, width, H, W)
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(F(x) + x)."""
        return self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))) + x)


class Bottleneck(nn.Module):
    """1x1 reduce, 3x3, 1x1 expand, each with BN, plus the shortcut, ReLU.

    Shape: (N, in_channels, H, W) -> (N, 4 * width, H, W)
    """

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = (
            None
            if in_channels == 4 * width
            else nn.Sequential(
                nn.Conv2d(in_channels, 4 * width, kernel_size=1, bias=False),
                nn.BatchNorm2d(4 * width),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(F(x) + shortcut(x))."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


def _down(in_channels: int, out_channels: int, *, bias: bool = False) -> list[nn.Module]:
    """Return a 3x3 that halves the resolution, and its normalization."""
    conv = nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=2, padding=1, bias=bias)
    return [conv, nn.BatchNorm2d(out_channels)]


def _exchange(widths: Sequence[int], source: int, target: int) -> nn.Module:
    """Return what brings a resolution to another: 1x1 and enlarge, or a 3x3 for each halving."""
    if source == target:
        return nn.Identity()
    if source > target:
        return nn.Sequential(
            nn.Conv2d(widths[source], widths[target], kernel_size=1, bias=False),
            nn.BatchNorm2d(widths[target]),
            nn.Upsample(scale_factor=2 ** (source - target), mode="nearest"),
        )
    steps = [
        nn.Sequential(*_down(widths[source], widths[source]), nn.ReLU(inplace=True))
        for _ in range(target - source - 1)
    ]
    return nn.Sequential(*steps, nn.Sequential(*_down(widths[source], widths[target])))


class ExchangeModule(nn.Module):
    """Blocks in each resolution, then every resolution becomes the sum of all, ReLU.

    Shape: [(N, widths[i], H / 2**i, W / 2**i) for each i] -> the same
    """

    def __init__(self, widths: Sequence[int], depth: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(width) for _ in range(depth))) for width in widths
        )
        places = range(len(widths))
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_exchange(widths, source, target) for source in places)
            for target in places
        )
        self.fuse_act = nn.ReLU()

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Return relu(sum over j of exchange_ij(branch_j(x_j))) for each i."""
        maps = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        fused = []
        for exchanges in self.fuse_layers:
            terms = [exchange(x) for exchange, x in zip(exchanges, maps, strict=True)]  # type: ignore[call-overload]
            total = terms[0]
            for term in terms[1:]:
                total = total + term
            fused.append(self.fuse_act(total))
        return fused


class HRNet(nn.Module):
    """Two 3x3 and bottlenecks, three stages of 2, 3 and 4 resolutions, their sum, classifier.

    Args:
        width: channels of the highest resolution; each lower one has twice as many.
        modules: exchange modules in each stage.
        depth: blocks in each branch of a module.
        num_classes: classes to tell apart.
        in_channels: channels of the image.

    Shape: (N, in_channels, H, W) -> (N, num_classes)
    """

    def __init__(
        self, width: int, modules: tuple[int, ...], depth: int, num_classes: int, in_channels: int
    ) -> None:
        super().__init__()
        self.conv1, self.bn1 = _down(in_channels, 64)
        self.conv2, self.bn2 = _down(64, 64)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = nn.Sequential(Bottleneck(64, 64), *(Bottleneck(256, 64) for _ in range(3)))
        widths = [width * 2**i for i in range(4)]
        relu = nn.ReLU(inplace=True)
        first = nn.Conv2d(256, width, kernel_size=3, padding=1, bias=False)
        self.transition1 = nn.ModuleList(
            [
                nn.Sequential(first, nn.BatchNorm2d(width), relu),
                nn.Sequential(nn.Sequential(*_down(256, widths[1]), nn.ReLU(inplace=True))),
            ]
        )
        self.stage2 = _stage(widths[:2], modules[0], depth)
        self.transition2 = _new_resolution(widths, 2)
        self.stage3 = _stage(widths[:3], modules[1], depth)
        self.transition3 = _new_resolution(widths, 3)
        self.stage4 = _stage(widths, modules[2], depth)
        inner = (32, 64, 128, 256)
        self.incre_modules = nn.ModuleList(
            nn.Sequential(Bottleneck(wide, narrow))
            for wide, narrow in zip(widths, inner, strict=True)
        )
        self.downsamp_modules = nn.ModuleList(
            nn.Sequential(*_down(4 * narrow, 8 * narrow, bias=True), nn.ReLU(inplace=True))
            for narrow in inner[:-1]
        )
        self.final_layer = nn.Sequential(
            nn.Conv2d(1024, 2048, kernel_size=1), nn.BatchNorm2d(2048), nn.ReLU(inplace=True)
        )
        self.global_pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(2048, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))  # (N, 64, H / 4, W / 4)
        x = self.layer1(x)  # (N, 256, H / 4, W / 4)
        maps = self.stage2([transition(x) for transition in self.transition1])
        maps = self.stage3([*maps, self.transition2[-1](maps[-1])])
        maps = self.stage4([*maps, self.transition3[-1](maps[-1])])
        total = self.incre_modules[0](maps[0])
        for widen, down, x in zip(
            self.incre_modules[1:], self.downsamp_modules, maps[1:], strict=True
        ):
            total = widen(x) + down(total)
        total = self.final_layer(total)  # (N, 2048, H / 32, W / 32)
        return self.classifier(self.flatten(self.global_pool(total)))


def _stage(widths: Sequence[int], modules: int, depth: int) -> nn.Sequential:
    return nn.Sequential(*(ExchangeModule(widths, depth) for _ in range(modules)))


def _new_resolution(widths: Sequence[int], index: int) -> nn.ModuleList:
    """Return a transition that keeps `index` resolutions and starts one from the lowest."""
    down = nn.Sequential(*_down(widths[index - 1], widths[index]), nn.ReLU(inplace=True))
    return nn.ModuleList([*(nn.Identity() for _ in range(index)), nn.Sequential(down)])


wang_2020 = register_model(
    family="HRNet",
    year=2019,
    paper=Paper(
        authors="Wang, Sun, Cheng, Jiang, Deng, Zhao, Liu, Mu, Tan, Wang, Liu, Xiao",
        title="Deep High-Resolution Representation Learning for Visual Recognition",
        venue="TPAMI 2020",
        arxiv="1908.07919",
    ),
    idea="The network keeps a high resolution from beginning to end and lets it exchange, again "
    "and again, with lower resolutions computed beside it.",
    new=(
        "Up to four resolutions run in parallel, where other networks go through them one after "
        "the other.",
        "Exchange units add every resolution to every other, through strided 3x3 convolutions "
        "downwards and 1x1 convolutions with enlargement upwards.",
        "Tasks that need to know where things are, such as poses and segmentation, get their map "
        "without a decoder that recovers the resolution.",
    ),
    # Each of the maps of 1/4, 1/8 and 1/16 has to be twice as large as the next.
    min_size=(29, 29),
)


@wang_2020
def hrnet_w18(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    width: Width = 18,
    modules: Modules = (1, 4, 3),
    depth: BlocksPerBranch = 4,
) -> HRNet:
    """HRNet-W18-C."""
    return HRNet(width, modules, depth, num_classes, in_channels)


@wang_2020
def hrnet_w30(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    width: Width = 30,
    modules: Modules = (1, 4, 3),
    depth: BlocksPerBranch = 4,
) -> HRNet:
    """HRNet-W30-C."""
    return HRNet(width, modules, depth, num_classes, in_channels)


@wang_2020
def hrnet_w32(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    width: Width = 32,
    modules: Modules = (1, 4, 3),
    depth: BlocksPerBranch = 4,
) -> HRNet:
    """HRNet-W32-C."""
    return HRNet(width, modules, depth, num_classes, in_channels)


@wang_2020
def hrnet_w40(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    width: Width = 40,
    modules: Modules = (1, 4, 3),
    depth: BlocksPerBranch = 4,
) -> HRNet:
    """HRNet-W40-C."""
    return HRNet(width, modules, depth, num_classes, in_channels)


@wang_2020
def hrnet_w44(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    width: Width = 44,
    modules: Modules = (1, 4, 3),
    depth: BlocksPerBranch = 4,
) -> HRNet:
    """HRNet-W44-C."""
    return HRNet(width, modules, depth, num_classes, in_channels)


@wang_2020
def hrnet_w48(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    width: Width = 48,
    modules: Modules = (1, 4, 3),
    depth: BlocksPerBranch = 4,
) -> HRNet:
    """HRNet-W48-C."""
    return HRNet(width, modules, depth, num_classes, in_channels)


@wang_2020
def hrnet_w64(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    width: Width = 64,
    modules: Modules = (1, 4, 3),
    depth: BlocksPerBranch = 4,
) -> HRNet:
    """HRNet-W64-C."""
    return HRNet(width, modules, depth, num_classes, in_channels)
