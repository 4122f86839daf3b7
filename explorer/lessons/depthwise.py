"""A convolution that does not mix all channels: its cost, what it sees, and how long it takes.

MobileNets, Howard et al. 2017, arXiv:1704.04861 (section 3.1, Table 2); ShuffleNet, Zhang, Zhou,
Lin, Sun, CVPR 2018, arXiv:1707.01083 (Figure 1).
"""

from __future__ import annotations

from collections import OrderedDict
from math import gcd
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from explorer.analysis.layers import layers
from explorer.analysis.roofline import Prediction, get_device, predict
from explorer.errors import OptionError
from explorer.latency import LatencyRecord, measure_latency
from explorer.latency.records import ProgressCallback
from explorer.latency.runs import Cancel
from explorer.lessons.drawing import Picture, block_picture
from explorer.trace import trace_model
from explorer.trace.build import build_on_meta

MOST_CHANNELS: Final = 2048


class Setting(NamedTuple):
    """A convolution that keeps the size of its maps."""

    channels: int
    """That enter, C."""
    out: int
    """That leave, N."""
    kernel: int
    """Side of the window, odd."""
    side: int
    """Of the maps."""


class Cost(NamedTuple):
    """One way to get from C channels to N, for one image."""

    params: int
    """All in convolutions without bias."""
    macs: int
    spatial_macs: int
    """Of what looks around, a window of k x k."""
    mixing_macs: int
    """Of what mixes channels, 1x1."""


class Curve(NamedTuple):
    """Cost over the number of groups, as shares of the full convolution."""

    groups: tuple[int, ...]
    grouped: tuple[float, ...]
    """k x k from C to N in groups: no channel of one group reaches another."""
    separable: tuple[float, ...]
    """k x k from C to C in groups, and a 1x1 from C to N behind it, which mixes."""


def check(setting: Setting) -> None:
    """Refuse what cannot be built.

    Raises:
        OptionError: a number is out of its range, or the window has no middle.
    """
    limits = {
        "channels": (setting.channels, 1, MOST_CHANNELS),
        "out": (setting.out, 1, MOST_CHANNELS),
        "kernel": (setting.kernel, 1, 31),
        "side": (setting.side, 1, 512),
    }
    for name, (value, low, high) in limits.items():
        if not low <= value <= high:
            raise OptionError(f"{name}={value} should be from {low} to {high:,}.", name)
    if setting.kernel % 2 == 0:
        raise OptionError(f"kernel={setting.kernel} should be odd, such as 3 or 5.", "kernel")


def group_numbers(setting: Setting) -> tuple[int, ...]:
    """Numbers of groups that both C and N can be split into; C only, for a depthwise one, last."""
    shared = gcd(setting.channels, setting.out)
    return tuple(n for n in range(1, shared + 1) if shared % n == 0)


def divisors(n: int) -> tuple[int, ...]:
    """Numbers of groups that n channels can be split into."""
    return tuple(d for d in range(1, n + 1) if n % d == 0)


# -------------------------------------------------------------------------- counting


def full(setting: Setting, groups: int = 1) -> nn.Conv2d:
    """Make the k x k convolution from C channels to N, in groups if asked."""
    return nn.Conv2d(
        setting.channels, setting.out, setting.kernel, padding=setting.kernel // 2, groups=groups,
        bias=False,
    )  # fmt: skip


def separable(setting: Setting, groups: int | None = None) -> nn.Sequential:
    """Make a k x k on each group of channels, each channel if None, and a 1x1 that mixes."""
    c = setting.channels
    spatial = nn.Conv2d(
        c, c, setting.kernel, padding=setting.kernel // 2, groups=groups or c, bias=False
    )
    return nn.Sequential(
        OrderedDict(spatial=spatial, mixing=nn.Conv2d(c, setting.out, 1, bias=False))
    )


def _cost(module: nn.Module, setting: Setting) -> Cost:
    trace = trace_model(module, (1, setting.channels, setting.side, setting.side))
    rows = layers(trace)
    mixing = sum(row.macs for row in rows if row.path == "mixing")
    return Cost(trace.params, trace.macs, trace.macs - mixing, mixing)


def full_cost(setting: Setting, groups: int = 1) -> Cost:
    """Trace the k x k convolution.

    Raises:
        OptionError: see `check`; or groups that do not divide C and N.
    """
    check(setting)
    if groups not in group_numbers(setting):
        known = ", ".join(map(str, group_numbers(setting)))
        raise OptionError(
            f"{setting.channels} and {setting.out} channels cannot both be split into {groups} "
            f"groups: choose one of {known}.",
            "groups",
        )
    return _cost(build_on_meta(lambda: full(setting, groups)), setting)


def separable_cost(setting: Setting, groups: int | None = None) -> Cost:
    """Trace a k x k in groups, and the 1x1 behind it.

    Args:
        setting: the channels, the window, the maps.
        groups: of the k x k; None for one a channel.

    Raises:
        OptionError: see `check`; or groups that do not divide C.
    """
    check(setting)
    if groups is not None and groups not in divisors(setting.channels):
        known = ", ".join(map(str, divisors(setting.channels)))
        raise OptionError(
            f"{setting.channels} channels cannot be split into {groups} groups: choose one of "
            f"{known}.",
            "groups",
        )
    return _cost(build_on_meta(lambda: separable(setting, groups)), setting)


def curve(setting: Setting) -> Curve:
    """Count both ways for every number of groups that C can be split into.

    Where N cannot be, the grouped convolution has no value (NaN).

    Raises:
        OptionError: see `check`.
    """
    whole = full_cost(setting).macs
    numbers = divisors(setting.channels)
    shared = group_numbers(setting)
    return Curve(
        numbers,
        tuple(full_cost(setting, n).macs / whole if n in shared else float("nan") for n in numbers),
        tuple(separable_cost(setting, n).macs / whole for n in numbers),
    )


def pictures(setting: Setting, groups: int, *, dark: bool = False) -> tuple[Picture, Picture]:
    """Draw the full convolution, and the k x k in groups with its 1x1.

    Raises:
        OptionError: as `separable_cost`.
    """
    separable_cost(setting, groups)
    shape = (1, setting.channels, setting.side, setting.side)
    one, other = (
        trace_model(build_on_meta(build), shape)
        for build in (lambda: full(setting), lambda: separable(setting, groups))
    )
    return block_picture(one, dark=dark), block_picture(other, dark=dark)


class Share(NamedTuple):
    """What one type of layer has of a network."""

    kind: str
    """"pointwise", "depthwise", "full" or "linear"."""
    macs: int
    params: int


def shares(model: str = "mobilenetv1_100") -> tuple[Share, ...]:
    """Divide a network's MACs and parameters among types of layers: MobileNet's Table 2.

    Args:
        model: a registered name. Normalizations, whose parameters the table leaves out, are too.

    Raises:
        UnknownModelError: no such model.
    """
    found = {kind: [0, 0] for kind in ("pointwise", "depthwise", "full", "linear")}
    for row in layers(trace_model(model, (1, 3, 224, 224))):
        kind = row.kind
        if kind == "convolution":
            deep = row.groups == row.input_shapes[0][1]
            kind = "depthwise" if deep else "pointwise" if row.kernel == (1, 1) else "full"
        if kind in found:
            found[kind][0] += row.macs
            found[kind][1] += row.params
    return tuple(Share(kind, macs, params) for kind, (macs, params) in found.items())


# --------------------------------------------------------------------------- shuffle


def reach(channels: int, groups: int, *, shuffle: bool) -> NDArray[np.bool_]:
    """Find which input channels each output channel of two grouped 1x1 convolutions depends on.

    The gradient of each output is asked; a channel that it does not depend on has none.

    Args:
        channels: of all maps.
        groups: of both convolutions; they divide the channels.
        shuffle: a channel shuffle stands between them (ShuffleNet's Figure 1c).

    Returns:
        (channels, channels): one row an output.

    Raises:
        OptionError: groups that do not divide the channels.
    """
    if groups not in divisors(channels):
        known = ", ".join(map(str, divisors(channels)))
        raise OptionError(
            f"{channels} channels cannot be split into {groups} groups: choose one of {known}.",
            "groups",
        )

    def ones() -> nn.Module:
        conv = nn.Conv2d(channels, channels, 1, groups=groups, bias=False)
        nn.init.ones_(conv.weight)
        return conv

    between = nn.ChannelShuffle(groups) if shuffle else nn.Identity()
    net = nn.Sequential(ones(), between, ones())
    x = torch.ones(1, channels, 1, 1, requires_grad=True)
    y = net(x).flatten()
    rows = [torch.autograd.grad(each, x, retain_graph=True)[0].flatten() for each in y]
    reached: NDArray[np.bool_] = torch.stack(rows).ne(0).numpy()
    return reached


# ------------------------------------------------------------------------------ time


class Dot(NamedTuple):
    """One layer under the roof."""

    name: str
    """"full", "depthwise" or "pointwise"."""
    macs: int
    nbytes: float
    """Read and written, weights included."""
    intensity: float
    """Operations a byte."""
    rate: float
    """Operations a second that it reaches, launch included."""
    ms: float
    bound: str
    """"compute", "memory" or "launch"."""


class Timed(NamedTuple):
    """A full convolution and its separable pair, predicted for a device in float32."""

    device: str
    images: int
    peak: float
    """Operations a second."""
    bandwidth: float
    """Bytes a second."""
    launch_ms: float
    full: Dot
    parts: tuple[Dot, ...]
    """The depthwise and the pointwise layer."""

    @property
    def pair_ms(self) -> float:
        """Of both parts."""
        return sum(dot.ms for dot in self.parts)

    @property
    def work_ratio(self) -> float:
        """How many times more MACs the full one has."""
        return self.full.macs / sum(dot.macs for dot in self.parts)

    @property
    def time_ratio(self) -> float:
        """How many times longer the full one takes."""
        return self.full.ms / self.pair_ms


def timed(setting: Setting, device: str, images: int) -> Timed:
    """Predict the time of both ways by the roofline model.

    Args:
        setting: the channels, the window, the maps.
        device: name of a row of the table of devices.
        images: at once.

    Raises:
        OptionError: see `check`; or no image.
        ExplorerError: no such device.
    """
    check(setting)
    if not 1 <= images <= 4096:
        raise OptionError(f"images={images} should be from 1 to 4,096.", "images")
    chosen = get_device(device)
    shape = (images, setting.channels, setting.side, setting.side)
    whole = trace_model(build_on_meta(lambda: full(setting)), shape)
    pair = trace_model(build_on_meta(lambda: separable(setting)), shape)
    (one,) = _dots(predict(whole, chosen), ("full",))
    return Timed(
        chosen.name,
        images,
        chosen.peak(),
        chosen.bandwidth,
        1e3 * chosen.launch_seconds,
        one,
        _dots(predict(pair, chosen), ("depthwise", "pointwise")),
    )


def _dots(prediction: Prediction, names: tuple[str, ...]) -> tuple[Dot, ...]:
    rows = [row for row in prediction.layers if row.macs]
    return tuple(
        Dot(name, row.macs, row.nbytes, row.intensity, 1e3 * row.operations / row.ms, row.ms,
            row.bound)
        for name, row in zip(names, rows, strict=True)
    )  # fmt: skip


class Measured(NamedTuple):
    """Both ways, measured on this machine's CPU one after the other."""

    setting: Setting
    images: int
    full: LatencyRecord
    pair: LatencyRecord


def measure(
    setting: Setting,
    images: int,
    *,
    cancel: Cancel | None = None,
    progress: ProgressCallback | None = None,
) -> Measured:
    """Time both ways on the CPU, in float32.

    Args:
        setting: the channels, the window, the maps.
        images: at once.
        cancel: set it from another thread to stop.
        progress: told of the position in the queue and of every run.

    Raises:
        OptionError: see `check`.
        MeasurementError: cancelled, or too little memory.
    """
    check(setting)
    shape = (images, setting.channels, setting.side, setting.side)
    records = [
        measure_latency(
            module, shape, device="cpu", runs=30, max_seconds=6.0, cancel=cancel, progress=progress
        )
        for module in (full(setting), separable(setting))
    ]
    return Measured(setting, images, *records)
