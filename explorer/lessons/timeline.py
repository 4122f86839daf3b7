"""Thirteen decisions from LeNet to ConvNeXt: each network without it and with it.

Where our registry has both sides they are its models, with options if need be. Where it has
only the one that took the decision, the other is that model with one kind of layer exchanged,
nothing else, so that the difference is the decision's and no other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from torch import Tensor, nn

from explorer.analysis.catalogue import accuracies
from explorer.analysis.layers import layers
from explorer.analysis.roofline import get_device, predict
from explorer.analysis.totals import totals
from explorer.errors import OptionError
from explorer.lessons.drawing import Picture, block_picture, scene_picture
from explorer.models._layers import BasicConv2d, Branches, ConvNormActivation, SqueezeExcitation
from explorer.models._registry import OptionValue
from explorer.models.convnext import CNBlock
from explorer.models.densenet import DenseBlock
from explorer.models.googlenet import TABLE_1, Inception
from explorer.models.mobilenet_v1 import DepthwiseSeparableConv
from explorer.models.resnet import BasicBlock, Bottleneck
from explorer.trace import trace_model
from explorer.trace.build import build_on_meta
from explorer.trace.records import Trace
from explorer.zoo import get_spec

Change = Callable[[nn.Module], nn.Module]
Pieces = Callable[[], tuple[tuple[nn.Module, tuple[int, ...]], ...]]

DEVICE: Final = "NVIDIA T4"
"""That times are predicted for."""
BATCH: Final = 32
"""Images at once in a predicted time."""
_RECIPE: Final = "IMAGENET1K_V1"
"""torchvision's first weights of a model: later ones owe much to a better recipe."""


class Side(NamedTuple):
    """One side of a decision: a registered model, perhaps with one kind of layer exchanged."""

    model: str
    options: tuple[tuple[str, OptionValue], ...] = ()
    change: Change | None = None

    @property
    def is_registered(self) -> bool:
        """Whether other pages can show it."""
        return self.change is None


class Stop(NamedTuple):
    """One decision."""

    name: str
    year: int
    """Of the first publication."""
    model: str
    """The registered architecture that it came with."""
    before: Side
    after: Side
    pieces: Pieces | None = None
    """Makes the part that differs, without and with the decision, each with its input's shape;
    None draws the whole networks as tensors."""
    rival: str = ""
    """The registered model to stand beside, where `before` is none."""
    paper: str = ""
    """The registered architecture whose paper took the decision, if not `model`."""

    @property
    def pair(self) -> tuple[Side, Side]:
        """Two models that other pages can show beside each other."""
        before = self.before if self.before.is_registered else Side(self.rival)
        after = self.after if self.after.is_registered else Side(self.model)
        return before, after


class Cost(NamedTuple):
    """What one side costs for one image, at its native size."""

    title: str
    """Of the registered model that it is, or is changed from."""
    input_shape: tuple[int, ...]
    params: int
    macs: int
    activation_bytes: int
    depth: int
    """Most layers with weights on any path from input to output."""
    ms: float
    """Predicted for a batch of `BATCH` on `DEVICE`, in float32."""
    top1: float | None
    """Percent, published; None where nothing citable is known of this very network."""
    source: str
    """Weights, crop and source of `top1`."""


class Decision(NamedTuple):
    """A stop with its two sides counted."""

    before: Cost
    after: Cost


# ------------------------------------------------------------------- layers exchanged


def _swapped(
    model: nn.Module, kind: type[nn.Module], make: Callable[[Any], nn.Module]
) -> nn.Module:
    """Put another module in the place of every module of a class."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, kind):
                setattr(parent, name, make(child))
    return model


class Unshared(nn.Module):
    """A fully connected layer from maps to maps: a convolution without windows or sharing.

    Shape: (N, *in_shape) -> (N, *out_shape)
    """

    def __init__(self, in_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        self.linear = nn.Linear(_product(in_shape), _product(out_shape))
        self.unflatten = nn.Unflatten(1, out_shape)

    def forward(self, x: Tensor) -> Tensor:
        """Return every output as a sum over every input."""
        maps: Tensor = self.unflatten(self.linear(self.flatten(x)))
        return maps


def _product(shape: tuple[int, ...]) -> int:
    size = 1
    for side in shape:
        size *= side
    return size


def without_sharing(model: nn.Module) -> nn.Module:
    """LeNet-5 with a fully connected layer between the same maps for each convolution."""
    trace = trace_model("lenet5", get_spec("lenet5").input_shape)
    for row in layers(trace):
        if row.kind == "convolution":
            unshared = Unshared(row.input_shapes[0][1:], row.output_shape[1:])
            setattr(model, row.path, unshared)
    return model


def with_global_pooling(model: nn.Module) -> nn.Module:
    """AlexNet whose maps are averaged before one linear layer, as in GoogLeNet and after."""
    model.avgpool = nn.AdaptiveAvgPool2d(1)
    model.classifier = nn.Linear(256, 1000)
    return model


def with_5x5(model: nn.Module) -> nn.Module:
    """VGG-16 with one 5x5 for each two 3x3 that follow each other and keep the width."""
    features = model.features
    assert isinstance(features, nn.Sequential)
    made: list[nn.Module] = []
    for layer in features:
        made.append(layer)
        width = _pair_of_3x3(made)
        if width:
            made[-4:] = [nn.Conv2d(width, width, 5, padding=2), nn.ReLU(inplace=True)]
    model.features = nn.Sequential(*made)
    return model


def _pair_of_3x3(layers_so_far: list[nn.Module]) -> int:
    """The width that the last two convolutions share; 0 if they are no such pair."""
    pair = layers_so_far[-4::2]
    if not isinstance(layers_so_far[-1], nn.ReLU) or len(pair) < 2:
        return 0
    widths = set()
    for conv in pair:
        if not isinstance(conv, nn.Conv2d) or conv.kernel_size != (3, 3):
            return 0
        widths |= {conv.in_channels, conv.out_channels}
    return widths.pop() if len(widths) == 1 else 0


def without_reductions(block: Inception) -> Branches:
    """An Inception block whose 3x3 and 5x5 read all channels; the pooling keeps its 1x1."""
    return Branches(
        {
            name: _unreduced(branch) if name in ("branch2", "branch3") else branch
            for name, branch in block.items()
        }
    )


def _unreduced(branch: Any) -> nn.Module:
    """The window of a branch, reading what the 1x1 before it reads."""
    reduce, window = branch
    return BasicConv2d(
        reduce.conv.in_channels,
        window.conv.out_channels,
        window.conv.kernel_size,
        bias=window.conv.bias is not None,
        batch_norm=hasattr(window, "bn"),
    )


def _googlenet_without_reductions(model: nn.Module) -> nn.Module:
    return _swapped(model, Inception, without_reductions)


def _dense_convolution(block: DepthwiseSeparableConv) -> nn.Module:
    """A full 3x3 of the same channels and stride."""
    depthwise, pointwise = block.conv_dw, block.conv_pw
    return ConvNormActivation(
        depthwise.in_channels,
        pointwise.out_channels,
        3,
        stride=depthwise.stride[0],
        activation=nn.ReLU6,
    )


def with_full_convolutions(model: nn.Module) -> nn.Module:
    """MobileNet with full 3x3 convolutions: "Conv MobileNet" of the paper's Table 4."""
    return _swapped(model, DepthwiseSeparableConv, _dense_convolution)


def with_3x3(model: nn.Module) -> nn.Module:
    """ConvNeXt with depthwise 3x3 for 7x7."""
    for block in model.modules():
        if isinstance(block, CNBlock):
            window = block.block[0]
            assert isinstance(window, nn.Conv2d)
            width = window.in_channels
            block.block[0] = nn.Conv2d(width, width, 3, padding=1, groups=width)
    return model


# --------------------------------------------------------------------- pieces to draw


def _lenet_pieces() -> tuple[tuple[nn.Module, tuple[int, ...]], ...]:
    image = (1, 1, 32, 32)
    return (Unshared((1, 32, 32), (6, 28, 28)), image), (nn.Conv2d(1, 6, 5), image)


def _head_pieces() -> tuple[tuple[nn.Module, tuple[int, ...]], ...]:
    maps = (1, 256, 6, 6)
    wide = nn.Sequential(
        nn.Flatten(), nn.Linear(256 * 6 * 6, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(),
        nn.Linear(4096, 1000),
    )  # fmt: skip
    narrow = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 1000))
    return (wide, maps), (narrow, maps)


def _vgg_pieces() -> tuple[tuple[nn.Module, tuple[int, ...]], ...]:
    maps = (1, 256, 56, 56)
    large = nn.Sequential(nn.Conv2d(256, 256, 5, padding=2), nn.ReLU())
    small = nn.Sequential(
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()
    )
    return (large, maps), (small, maps)


def _inception_pieces() -> tuple[tuple[nn.Module, tuple[int, ...]], ...]:
    maps = (1, 192, 28, 28)
    block = Inception(192, TABLE_1["3a"], paper=True)
    return (without_reductions(block), maps), (block, maps)


def _residual_pieces() -> tuple[tuple[nn.Module, tuple[int, ...]], ...]:
    maps = (1, 64, 56, 56)
    return (BasicBlock(64, 64, 1, "none"), maps), (BasicBlock(64, 64, 1, "B"), maps)


def _dense_pieces() -> tuple[tuple[nn.Module, tuple[int, ...]], ...]:
    maps = (1, 64, 56, 56)
    dense = DenseBlock(3, 64, 32, bottleneck=True, dropout=0.0)
    return (BasicBlock(64, 64, 1, "B"), maps), (dense, maps)


def _grouped_pieces() -> tuple[tuple[nn.Module, tuple[int, ...]], ...]:
    maps = (1, 256, 56, 56)
    return (Bottleneck(256, 64, 1), maps), (Bottleneck(256, 64, 1, 32, 4), maps)


def _depthwise_pieces() -> tuple[tuple[nn.Module, tuple[int, ...]], ...]:
    maps = (1, 256, 28, 28)
    split = DepthwiseSeparableConv(256, 256, 1)
    return (_dense_convolution(split), maps), (split, maps)


def _gate_pieces() -> tuple[tuple[nn.Module, tuple[int, ...]], ...]:
    maps = (1, 64, 56, 56)
    plain = nn.Sequential(nn.Conv2d(64, 256, 1, bias=False), nn.BatchNorm2d(256))
    gated = nn.Sequential(
        nn.Conv2d(64, 256, 1, bias=False), nn.BatchNorm2d(256), SqueezeExcitation(256, 16)
    )
    return (plain, maps), (gated, maps)


def _patch_pieces() -> tuple[tuple[nn.Module, tuple[int, ...]], ...]:
    image = (1, 3, 224, 224)
    large, small = (
        nn.Sequential(nn.Conv2d(3, 768, patch, stride=patch), nn.Flatten(2)) for patch in (32, 16)
    )
    return (large, image), (small, image)


def _kernel_pieces() -> tuple[tuple[nn.Module, tuple[int, ...]], ...]:
    maps = (1, 96, 56, 56)
    return (with_3x3(CNBlock(96, 0.0)), maps), (CNBlock(96, 0.0), maps)


# --------------------------------------------------------------------------- the stops

STOPS: Final = (
    Stop("convolution", 1998, "lenet5", Side("lenet5", change=without_sharing), Side("lenet5"),
         _lenet_pieces, "lenet5_paper"),
    Stop("scale", 2012, "alexnet", Side("lenet5"), Side("alexnet"), paper="alexnet_paper"),
    Stop("global_pooling", 2013, "nin_imagenet", Side("alexnet"),
         Side("alexnet", change=with_global_pooling), _head_pieces),
    Stop("small_kernels", 2014, "vgg16", Side("vgg16", change=with_5x5), Side("vgg16"),
         _vgg_pieces, "alexnet"),
    Stop("reductions", 2014, "googlenet_paper",
         Side("googlenet_paper", change=_googlenet_without_reductions), Side("googlenet_paper"),
         _inception_pieces, "vgg16"),
    Stop("shortcut", 2015, "resnet34", Side("plain34"), Side("resnet34"), _residual_pieces),
    Stop("concatenation", 2016, "densenet121", Side("resnet50"), Side("densenet121"),
         _dense_pieces),
    Stop("cardinality", 2016, "resnext50_32x4d", Side("resnet50"), Side("resnext50_32x4d"),
         _grouped_pieces),
    Stop("depthwise", 2017, "mobilenetv1_100",
         Side("mobilenetv1_100", change=with_full_convolutions), Side("mobilenetv1_100"),
         _depthwise_pieces, "resnet18"),
    Stop("excitation", 2017, "seresnet50", Side("resnet50"), Side("seresnet50"), _gate_pieces),
    Stop("compound_scaling", 2019, "efficientnet_b3", Side("efficientnet_b0"),
         Side("efficientnet_b3")),
    Stop("patches", 2020, "vit_b_16", Side("vit_b_32"), Side("vit_b_16"), _patch_pieces),
    Stop("large_kernels", 2022, "convnext_tiny", Side("convnext_tiny", change=with_3x3),
         Side("convnext_tiny"), _kernel_pieces, "resnet50"),
)  # fmt: skip
"""In the order of their years."""


def get_stop(name: str) -> Stop:
    """The stop of a name.

    Raises:
        OptionError: there is none; the message names those there are.
    """
    for stop in STOPS:
        if stop.name == name:
            return stop
    known = ", ".join(stop.name for stop in STOPS)
    raise OptionError(f"There is no stop called {name!r}: choose one of {known}.", "stop")


def side_trace(side: Side, batch: int = 1) -> Trace:
    """Trace one side of a decision at its native size.

    Args:
        side: of any stop.
        batch: images at once.
    """
    spec = get_spec(side.model)
    shape = (batch, *spec.input_shape[1:])
    options: Mapping[str, Any] = dict(side.options)
    if side.change is None:
        return trace_model(side.model, shape, options=options)
    change = side.change
    changed = build_on_meta(lambda: change(spec.build(**options)))
    return trace_model(changed, shape)


def cost(side: Side) -> Cost:
    """Count one side of a decision."""
    one = side_trace(side)
    counted = totals(one)
    spec = get_spec(side.model)
    rows = accuracies().get(side.model, ()) if side.is_registered and not side.options else ()
    stated = next((row for row in rows if row.weights == _RECIPE), None)
    return Cost(
        title=spec.title,
        input_shape=spec.input_shape[1:],
        params=counted.params,
        macs=counted.cost,
        activation_bytes=counted.activation_bytes,
        depth=counted.depth,
        ms=predict(side_trace(side, BATCH), get_device(DEVICE)).ms,
        top1=stated.top1 if stated else None,
        source=f"{stated.source}, {stated.weights}, crop {stated.crop}" if stated else "",
    )


def decide(name: str) -> Decision:
    """Count both sides of a stop.

    Raises:
        OptionError: no such stop.
    """
    stop = get_stop(name)
    return Decision(cost(stop.before), cost(stop.after))


def pictures(name: str, *, dark: bool = False) -> tuple[Picture, Picture]:
    """Draw the part that a decision changes, before and after it.

    Args:
        name: of the stop.
        dark: draw for a dark page.

    Raises:
        OptionError: no such stop.
    """
    stop = get_stop(name)
    if stop.pieces is None:
        before, after = (side_trace(side) for side in (stop.before, stop.after))
        return scene_picture(before, "volume", 1, dark=dark), scene_picture(
            after, "volume", 1, dark=dark
        )
    sides = []
    for place in (0, 1):
        module, shape = _piece(stop.pieces, place)
        sides.append(trace_model(module, shape))
    before, after = sides
    return block_picture(before, dark=dark), block_picture(after, dark=dark)


def _piece(pieces: Pieces, place: int) -> tuple[nn.Module, tuple[int, ...]]:
    shapes: list[tuple[int, ...]] = []

    def build() -> nn.Module:
        module, shape = pieces()[place]
        shapes.append(shape)
        return module

    return build_on_meta(build), shapes[-1]


class Landmark(NamedTuple):
    """The architecture of a stop, as a point of the whole journey."""

    stop: str
    year: int
    title: str
    params: int
    macs: int
    top1: float | None


def journey() -> tuple[Landmark, ...]:
    """Count the architecture that each decision came with."""
    found = []
    for stop in STOPS:
        made = cost(Side(stop.model))
        found.append(Landmark(stop.name, stop.year, made.title, made.params, made.macs, made.top1))
    return tuple(found)
