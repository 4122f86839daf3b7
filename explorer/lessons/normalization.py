"""What normalization, dropout and activations do to a tensor; every value is a torch layer's own.

Batch Normalization, Ioffe and Szegedy 2015, arXiv:1502.03167; Layer Normalization, Ba et al. 2016,
arXiv:1607.06450; Instance Normalization, Ulyanov et al. 2016, arXiv:1607.08022; Group
Normalization, Wu and He 2018, arXiv:1803.08494; AlexNet's local response normalization and
dropout, Krizhevsky et al. 2012.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any, Final, Literal, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explorer.errors import OptionError
from explorer.lessons.digits import TRAINED_ON, digits, enlarged
from explorer.lessons.gradients import fresh_model
from explorer.text import _

Array = np.ndarray[Any, np.dtype[Any]]
Kind = Literal["batch", "layer", "instance", "group"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
CHANNELS: Final = 16
"""Of the tensor that everything here is shown with."""
SIDE: Final = 8
LAYER: Final = "layer1.0.bn1"
"""The normalization of ResNet-20 whose input that tensor is."""


def feature_maps(images: int, seed: int = 0) -> Array:
    """Return what the first normalization inside ResNet-20's blocks gets from some digits.

    The network has fresh weights (He) and is in training mode.

    Args:
        images: 1 to 512 of the digits.
        seed: of the weights and of the choice of digits.

    Returns:
        (images, 16, 8, 8), float32.
    """
    return _maps(images, seed).numpy()


def _maps(images: int, seed: int) -> Tensor:
    if not 1 <= images <= 512:
        raise OptionError(_outside("images", images, 1, 512), "images")
    generator = torch.Generator().manual_seed(seed)
    model = fresh_model("resnet20", {"in_channels": 1}, "he", generator)
    stored = digits()
    chosen = torch.randperm(TRAINED_ON, generator=generator)[:images]
    seen: list[Tensor] = []
    layer = dict(model.named_modules())[LAYER]
    layer.register_forward_pre_hook(lambda _layer, inputs: seen.append(inputs[0].detach().clone()))
    with torch.inference_mode():
        model(enlarged(stored.images[chosen], SIDE, SIDE, 1))
    return seen[0].clone()


def _outside(name: str, value: object, low: float, high: float) -> str:
    return _("{name}={value!r} should be from {low:g} to {high:g}.").format(
        name=name, value=value, low=low, high=high
    )


def _unknown(name: str, value: object, known: Iterable[str]) -> str:
    return _("{name}={value!r} should be one of {names}.").format(
        name=name, value=value, names=", ".join(map(repr, known))
    )


# ------------------------------------------------------------------------- axes


class Normalized(NamedTuple):
    """A tensor before and after."""

    before: Array
    """(N, C, H, W)."""
    after: Array
    together: int
    """Values that share one mean and one variance."""
    groups: int
    """How many means there are."""
    axes: str
    """What is averaged over."""


AXES: Final[dict[Kind, str]] = {
    "batch": "N, H, W",
    "layer": "C, H, W",
    "instance": "H, W",
    "group": "C / G, H, W",
}


def normalize(values: Array, kind: Kind, groups: int = 2) -> Normalized:
    """Apply a torch normalization as it is when fresh: scale 1, shift 0, eps 1e-5.

    Args:
        values: (N, C, H, W).
        kind: which; layer normalization is over (C, H, W), as in Wu and He 2018, figure 2.
        groups: of group normalization; divides C.

    Raises:
        OptionError: no such kind, or groups that do not divide C.
    """
    count, channels, height, width = values.shape
    if kind not in KINDS:
        raise OptionError(_unknown("kind", kind, KINDS), "kind")
    if channels % groups:
        raise OptionError(
            _("groups={groups} should divide the {channels} channels.").format(
                groups=groups, channels=channels
            ),
            "groups",
        )
    layers: dict[Kind, Callable[[], nn.Module]] = {
        "batch": lambda: nn.BatchNorm2d(channels),
        "layer": lambda: nn.LayerNorm([channels, height, width]),
        "instance": lambda: nn.InstanceNorm2d(channels),
        "group": lambda: nn.GroupNorm(groups, channels),
    }
    layer = layers[kind]()
    with torch.inference_mode():
        after = layer.train()(torch.from_numpy(values)).numpy()
    means = {
        "batch": channels, "layer": count, "instance": count * channels, "group": count * groups
    }[kind]  # fmt: skip
    return Normalized(values, after, values.size // means, means, AXES[kind])


def together(
    shape: tuple[int, ...], kind: Kind, image: int, channel: int, groups: int = 2
) -> Array:
    """Return the maps whose values share a mean with those of one map, as an (N, C) mask."""
    count, channels = shape[:2]
    n, c = np.indices((count, channels))
    size = channels // groups
    masks: dict[Kind, Array] = {
        "batch": c == channel,
        "layer": n == image,
        "instance": (n == image) & (c == channel),
        "group": (n == image) & (c // size == channel // size),
    }
    return masks[kind]


# ------------------------------------------------------- training and evaluation


class Running(NamedTuple):
    """A batch normalization that has seen some batches; of one channel."""

    batch_means: Array
    """(steps,)."""
    running_means: Array
    """(steps + 1,), from 0 on."""
    running_vars: Array
    """(steps + 1,), from 1 on."""
    mean: float
    """Over all images."""
    var: float
    """Over all images, unbiased."""
    before: Array
    """The last batch's values in this channel, flat."""
    trained: Array
    """The same after the layer in training mode."""
    evaluated: Array
    """The same after the layer in evaluation mode, with what it has learnt by then."""


def run_batches(
    momentum: float, steps: int, batch: int, channel: int = 0, seed: int = 0
) -> Running:
    """Show real batches to a real `nn.BatchNorm2d`, and note its running statistics.

    running <- (1 - momentum) running + momentum batch; the variance of the batch is unbiased
    there, and biased where it normalizes.

    Args:
        momentum: torch's: the share of the new batch, above 0 and up to 1.
        steps: batches, 1 to 200.
        batch: images in each, 2 to 128.
        channel: which of the 16.
        seed: of the network, the images and their order.

    Raises:
        OptionError: an argument is out of its range.
    """
    for name, value, low, high in (
        ("momentum", momentum, 1e-4, 1), ("steps", steps, 1, 200), ("batch", batch, 2, 128),
        ("channel", channel, 0, CHANNELS - 1),
    ):  # fmt: skip
        if not low <= value <= high:
            raise OptionError(_outside(name, value, low, high), name)
    maps = _maps(512, seed)
    generator = torch.Generator().manual_seed(seed)
    layer = nn.BatchNorm2d(CHANNELS, momentum=momentum).train()
    means, running, variances = [], [0.0], [1.0]
    with torch.inference_mode():
        for _step in range(steps):
            chosen = maps[torch.randint(len(maps), (batch,), generator=generator)]
            trained = layer(chosen)
            means.append(chosen[:, channel].mean().item())
            running.append(_buffer(layer, "running_mean", channel))
            variances.append(_buffer(layer, "running_var", channel))
        evaluated = layer.eval()(chosen)
    return Running(
        batch_means=np.array(means),
        running_means=np.array(running),
        running_vars=np.array(variances),
        mean=float(maps[:, channel].mean()),
        var=float(maps[:, channel].var()),
        before=chosen[:, channel].flatten().numpy(),
        trained=trained[:, channel].flatten().numpy(),
        evaluated=evaluated[:, channel].flatten().numpy(),
    )


def _buffer(layer: nn.BatchNorm2d, name: str, channel: int) -> float:
    return float(layer.get_buffer(name)[channel])


def single_value_sentence() -> str:
    """Return what torch says of one value per channel in training mode: one image of 1 x 1."""
    try:
        nn.BatchNorm2d(CHANNELS).train()(torch.ones(1, CHANNELS, 1, 1))
    except ValueError as error:
        return str(error)
    return ""


# ---------------------------------------------------------------------- folding


class Folded(NamedTuple):
    """A convolution with its batch normalization, and one convolution that does both."""

    gamma: Array
    """(C,), as are the next four."""
    beta: Array
    mean: Array
    var: Array
    factor: Array
    """gamma / sqrt(var + eps), by which the kernel of each output channel is multiplied."""
    bias: Array
    """beta - mean * factor, the bias of the one convolution."""
    first_weight: Array
    """(C,), the first value of each kernel."""
    folded_weight: Array
    """(C,), the same after folding."""
    difference: float
    """Largest difference of any output in float32."""
    difference64: float
    """The same computed in float64."""
    largest: float
    """Largest output."""


def fold(seed: int = 0) -> Folded:
    """Fold a batch normalization in evaluation mode into the convolution before it.

    The convolution is 3x3, 16 to 16 channels; running statistics are those of 64 digits, scale
    and shift are drawn, as training would have moved them.
    """
    generator = torch.Generator().manual_seed(seed)
    maps = _maps(64, seed).relu()
    conv = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False)
    norm = nn.BatchNorm2d(CHANNELS, momentum=1.0)
    with torch.no_grad():
        conv.weight.normal_(0, (2 / (9 * CHANNELS)) ** 0.5, generator=generator)
        norm.weight.uniform_(0.5, 1.5, generator=generator)
        norm.bias.normal_(0, 0.5, generator=generator)
        norm.train()(conv(maps))
        mean, var = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
        factor = norm.weight / (var + norm.eps).sqrt()
        bias = norm.bias - mean * factor
        outputs = norm.eval()(conv(maps))
        weight = conv.weight * factor[:, None, None, None]
        folded = F.conv2d(maps, weight, bias, padding=1)
        difference64 = _difference64(conv.weight, norm, maps)
    return Folded(
        gamma=_array(norm.weight),
        beta=_array(norm.bias),
        mean=_array(mean),
        var=_array(var),
        factor=_array(factor),
        bias=_array(bias),
        first_weight=_array(conv.weight[:, 0, 0, 0]),
        folded_weight=_array(weight[:, 0, 0, 0]),
        difference=float((outputs - folded).abs().max()),
        difference64=difference64,
        largest=float(outputs.abs().max()),
    )


def _array(values: Tensor) -> Array:
    return values.detach().numpy().copy()


def _difference64(weight: Tensor, norm: nn.BatchNorm2d, maps: Tensor) -> float:
    """The same comparison with all numbers in float64."""
    norm, weight, maps = copy.deepcopy(norm).double(), weight.double(), maps.double()
    factor = norm.weight / (norm.get_buffer("running_var") + norm.eps).sqrt()
    bias = norm.bias - norm.get_buffer("running_mean") * factor
    apart = norm(F.conv2d(maps, weight, padding=1))
    one = F.conv2d(maps, weight * factor[:, None, None, None], bias, padding=1)
    return float((apart - one).abs().max())


# -------------------------------------------------------------------------- LRN

LRN_K, LRN_N, LRN_ALPHA, LRN_BETA = 2.0, 5, 1e-4, 0.75
"""AlexNet's, section 3.3 of its paper."""


class LocalResponse(NamedTuple):
    """One pixel through local response normalization."""

    before: Array
    """(C,), not negative."""
    after: Array
    neighbours: tuple[tuple[int, int], ...]
    """Of each channel, the first channel that counts and the one behind the last."""
    sums: Array
    """(C,), of the neighbours' squares."""
    divisors: Array
    """(C,), (k + alpha * sum) ** beta."""


def local_response(scale: float = 1.0, seed: int = 0) -> LocalResponse:
    """Send the pixel with the largest sum of one digit's activated maps through AlexNet's LRN.

    torch divides alpha by n where the paper does not: `nn.LocalResponseNorm` gets 5e-4.

    Args:
        scale: what all values are multiplied by first. AlexNet's images were numbers of 0 to
            255, its activations accordingly large.
        seed: of the network and the digit.
    """
    maps = _maps(8, seed)[0].relu() * scale
    at = int(maps.sum(0).argmax())
    before = maps.flatten(1)[:, at]
    layer = nn.LocalResponseNorm(LRN_N, alpha=LRN_ALPHA * LRN_N, beta=LRN_BETA, k=LRN_K)
    with torch.inference_mode():
        after = layer(before[None, :, None, None])[0, :, 0, 0].numpy()
    values = before.numpy()
    reach = LRN_N // 2
    around = tuple((max(i - reach, 0), min(i + reach + 1, CHANNELS)) for i in range(CHANNELS))
    sums = np.array([float((values[a:b].astype(float) ** 2).sum()) for a, b in around])
    return LocalResponse(values, after, around, sums, (LRN_K + LRN_ALPHA * sums) ** LRN_BETA)


# ---------------------------------------------------------------------- dropout


class Dropped(NamedTuple):
    """A map through `nn.Dropout`."""

    before: Array
    """(8, 8), no value is 0."""
    kept: Array
    """(8, 8), True where the value went through."""
    trained: Array
    """In training mode."""
    evaluated: Array
    """In evaluation mode."""
    average: Array
    """The mean of `DRAWS` outputs in training mode."""


DRAWS: Final = 1000


def dropout(p: float, seed: int = 0) -> Dropped:
    """Drop values of a map with probability p.

    The layer draws from torch's own random numbers, as it does in every network: another call
    drops other values.

    Args:
        p: 0 to 0.95.
        seed: of the map only.

    Raises:
        OptionError: p is out of its range.
    """
    if not 0 <= p <= 0.95:
        raise OptionError(_outside("p", p, 0, 0.95), "p")
    values = _maps(2, seed)[0, 0]
    values = torch.where(values == 0, torch.full_like(values, 1e-3), values)
    layer = nn.Dropout(p).train()
    with torch.inference_mode():
        trained = layer(values)
        average = layer(values.expand(DRAWS, SIDE, SIDE)).mean(0)
        evaluated = layer.eval()(values)
    return Dropped(
        values.numpy(), (trained != 0).numpy(), trained.numpy(), evaluated.numpy(), average.numpy()
    )


# ------------------------------------------------------------------- activations

ACTIVATIONS: Final[dict[str, type[nn.Module]]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "hardswish": nn.Hardswish,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
}
UNITS, INPUTS = 64, 256


class Activated(NamedTuple):
    """An activation as a curve, and what it does to the outputs of a real linear layer."""

    x: Array
    """From -6 to 6."""
    y: Array
    slope: Array
    """Its derivative, by autograd."""
    before: Array
    """(256, 64), 64 units that see 256 digits."""
    after: Array
    slopes: Array
    """(256, 64), the derivative at every one of these values."""
    zeros: float
    """Share of outputs that are exactly 0."""
    flat: float
    """Share of values at which the derivative is below 0.01: hardly any gradient gets past."""
    dead: float
    """Share of units whose derivative is exactly 0 for all digits: their weights never move."""


def activate(name: str, bias: float = 0.0, gain: float = 1.0, seed: int = 0) -> Activated:
    """Draw an activation, and apply it to a linear layer's outputs.

    The layer has 64 units with fresh weights of such a size that their outputs have about unit
    variance (Xavier's forward rule), times the gain.

    Args:
        name: one of `ACTIVATIONS`.
        bias: of all units, -10 to 10.
        gain: factor on the weights, 0.001 to 10.
        seed: of the weights and of the digits.

    Raises:
        OptionError: no such activation, or a number out of its range.
    """
    if name not in ACTIVATIONS:
        raise OptionError(_unknown("name", name, ACTIVATIONS), "name")
    for what, value, low in (("bias", bias, -10.0), ("gain", gain, 1e-3)):
        if not low <= value <= 10:
            raise OptionError(_outside(what, value, low, 10), what)
    layer = ACTIVATIONS[name]()
    generator = torch.Generator().manual_seed(seed)
    inputs = digits().images[torch.randperm(TRAINED_ON, generator=generator)[:INPUTS]].flatten(1)
    linear = nn.Linear(SIDE * SIDE, UNITS)
    with torch.no_grad():
        linear.weight.normal_(0, gain / SIDE, generator=generator)
        linear.bias.fill_(bias)
        before = linear(inputs)
    x = torch.linspace(-6, 6, 241)
    y, slope = _with_slope(layer, x)
    after, slopes = _with_slope(layer, before)
    return Activated(
        x=x.numpy(),
        y=y.numpy(),
        slope=slope.numpy(),
        before=before.numpy(),
        after=after.numpy(),
        slopes=slopes.numpy(),
        zeros=float((after == 0).double().mean()),
        flat=float((slopes.abs() < 0.01).double().mean()),
        dead=float((slopes == 0).all(0).double().mean()),
    )


def _with_slope(layer: nn.Module, values: Tensor) -> tuple[Tensor, Tensor]:
    values = values.clone().requires_grad_()
    with torch.enable_grad():
        out = layer(values)
        (slope,) = torch.autograd.grad(out.sum(), values)
    return out.detach(), slope
