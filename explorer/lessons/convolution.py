"""Convolution arithmetic on grids small enough to be read: windows, values, products, sums.

Inputs and weights are small whole numbers, so that torch's own convolution of them is exact and
every product can be shown. What reads what is worked out here and checked against torch in tests.
Guide: Dumoulin, Visin, A guide to convolution arithmetic for deep learning, arXiv:1603.07285.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from explorer.errors import ExplorerError

Grid = npt.NDArray[np.int64]
Pair = tuple[int, int]
Mode = Literal["valid", "same", "full"]
Fill = Literal["zeros", "reflect", "replicate", "circular"]

MODES: Final[tuple[Mode, ...]] = ("valid", "same", "full")
FILLS: Final[tuple[Fill, ...]] = ("zeros", "reflect", "replicate", "circular")
"""What stands in the padding, by torch's names."""


class WindowError(ExplorerError):
    """A kernel that does not fit its input, or a padding that the input cannot give.

    Attributes:
        needed: the least padded size, or the least input, that would work.
        received: what there is instead.
    """

    def __init__(self, message: str, *, needed: int, received: int) -> None:
        self.needed = needed
        self.received = received
        super().__init__(message)


# ----------------------------------------------------------------------- one axis


def reach(kernel: int, dilation: int = 1) -> int:
    """How many pixels a kernel spans: d(k - 1) + 1."""
    return dilation * (kernel - 1) + 1


def output_size(
    size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> int:
    """Outputs along one axis: floor((n + 2p - d(k - 1) - 1) / s) + 1.

    Args:
        size: of the input, n.
        kernel: k.
        stride: s.
        padding: p, on each side.
        dilation: d.

    Raises:
        WindowError: no window fits.
    """
    return Axis(size, kernel, stride, (padding, padding), dilation).out


def transposed_size(
    size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1, extra: int = 0
) -> int:
    """Outputs of a transposed convolution along one axis: (n - 1)s - 2p + d(k - 1) + 1 + extra.

    Raises:
        WindowError: the padding takes all of it away.
    """
    out = (size - 1) * stride - 2 * padding + reach(kernel, dilation) + extra
    if out < 1:
        raise WindowError(
            f"A padding of {padding} takes away all {out + 2 * padding} outputs; one of at most "
            f"{(out + 2 * padding - 1) // 2} leaves some.",
            needed=1,
            received=out,
        )
    return out


def padding_for(mode: Mode, size: int, kernel: int, stride: int = 1, dilation: int = 1) -> Pair:
    """Padding (before, after) of one axis.

    "valid" has none: only windows that lie inside. "full": every window that touches a pixel.
    "same": just enough for ceil(n / s) outputs, the odd one behind, as TensorFlow does and, for
    stride 1, torch's `padding="same"`.
    """
    if mode == "valid":
        return (0, 0)
    span = reach(kernel, dilation)
    if mode == "full":
        return (span - 1, span - 1)
    total = max((-(-size // stride) - 1) * stride + span - size, 0)
    return (total // 2, total - total // 2)


class Axis(NamedTuple):
    """One axis of a convolution."""

    size: int
    kernel: int
    stride: int = 1
    padding: Pair = (0, 0)
    """Before and after."""
    dilation: int = 1

    @property
    def padded(self) -> int:
        """The input with its padding."""
        return self.size + sum(self.padding)

    @property
    def out(self) -> int:
        """How many windows fit.

        Raises:
            WindowError: none does.
        """
        span = reach(self.kernel, self.dilation)
        if min(self.size, self.kernel, self.stride, self.dilation) < 1 or min(self.padding) < 0:
            raise WindowError(
                f"Size, kernel, stride and dilation are at least 1 and a padding at least 0; got "
                f"{self}.",
                needed=1,
                received=0,
            )
        if span > self.padded:
            raise WindowError(
                f"A window of {span} does not fit into {self.padded} pixels ({self.size} and "
                f"{sum(self.padding)} of padding).",
                needed=span,
                received=self.padded,
            )
        return (self.padded - span) // self.stride + 1

    @property
    def taps(self) -> tuple[tuple[int, ...], ...]:
        """For each output the padded positions that its window reads."""
        return tuple(
            tuple(o * self.stride + a * self.dilation for a in range(self.kernel))
            for o in range(self.out)
        )

    @property
    def reads(self) -> tuple[int, ...]:
        """How many windows read each padded position."""
        counted = Counter(position for window in self.taps for position in window)
        return tuple(counted[position] for position in range(self.padded))

    @property
    def unread(self) -> tuple[int, ...]:
        """Pixels of the input, padding excluded, that no window reads."""
        before = self.padding[0]
        return tuple(i for i in range(self.size) if not self.reads[before + i])


class SizePoint(NamedTuple):
    """What each rule of padding makes of one input size."""

    size: int
    valid: int | None
    """None where no window fits."""
    half: int | None
    """With p = floor(d(k - 1) / 2) on both sides, as papers write it."""
    stretched: int | None
    """With p = floor((k - 1)s / 2), a rule that is often quoted."""
    full: int
    wanted: int
    """ceil(n / s)."""
    unread: int
    """Pixels that no window reads without padding."""
    unread_half: int


def size_curve(most: int, kernel: int, stride: int, dilation: int = 1) -> tuple[SizePoint, ...]:
    """Output sizes for every input size from 1 to `most`."""

    def out(size: int, padding: int) -> Axis | None:
        axis = Axis(size, kernel, stride, (padding, padding), dilation)
        return axis if axis.padded >= reach(kernel, dilation) else None

    points = []
    for size in range(1, most + 1):
        valid, half = out(size, 0), out(size, dilation * (kernel - 1) // 2)
        stretched = out(size, (kernel - 1) * stride // 2)
        full = out(size, dilation * (kernel - 1))
        points.append(
            SizePoint(
                size,
                valid and valid.out,
                half and half.out,
                stretched and stretched.out,
                full.out if full else 0,
                -(-size // stride),
                len(valid.unread) if valid else size,
                len(half.unread) if half else size,
            )
        )
    return tuple(points)


# --------------------------------------------------------------------- convolution


class Setting(NamedTuple):
    """A two-dimensional convolution of a small input."""

    size: Pair
    """Height and width."""
    kernel: Pair
    stride: Pair = (1, 1)
    padding: tuple[Pair, Pair] = ((0, 0), (0, 0))
    """(top, bottom), (left, right)."""
    dilation: Pair = (1, 1)
    in_channels: int = 1
    out_channels: int = 1
    groups: int = 1
    fill: Fill = "zeros"

    @property
    def axes(self) -> tuple[Axis, Axis]:
        """Rows and columns."""
        rows, columns = (
            Axis(self.size[i], self.kernel[i], self.stride[i], self.padding[i], self.dilation[i])
            for i in (0, 1)
        )
        return rows, columns


def square(
    size: Pair, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> Setting:
    """A convolution with one number for both axes."""
    return Setting(
        size,
        (kernel, kernel),
        (stride, stride),
        ((padding, padding), (padding, padding)),
        (dilation, dilation),
    )


class Convolved(NamedTuple):
    """A convolution with everything that it read and multiplied."""

    padded: Grid
    """Input with its padding, (C_in, H + padding, W + padding)."""
    weights: Grid
    """(C_out, C_in / groups, kh, kw)."""
    bias: Grid
    """(C_out,)."""
    output: Grid
    """torch's own result, (C_out, H_out, W_out)."""
    products: Grid
    """What each output adds up, (C_out, H_out, W_out, C_in / groups, kh, kw)."""
    sees: tuple[tuple[int, ...], ...]
    """The input channels that each filter reads."""
    rows: tuple[tuple[int, ...], ...]
    """The padded rows that each row of outputs reads."""
    columns: tuple[tuple[int, ...], ...]
    unread: npt.NDArray[np.bool_]
    """Padded positions that no window reads, (H + padding, W + padding)."""


def convolve(
    setting: Setting,
    inputs: Grid | None = None,
    weights: Grid | None = None,
    bias: Grid | None = None,
) -> Convolved:
    """Run torch's convolution on whole numbers, and work out every product of it.

    Args:
        setting: shapes; groups divide both numbers of channels.
        inputs: (C_in, H, W); digits 0 to 9 if there are none.
        weights: (C_out, C_in / groups, kh, kw); from -2 to 2 if there are none.
        bias: (C_out,); zeros if there is none.

    Raises:
        WindowError: no window fits, or the padding cannot be filled from so small an input.
    """
    rows, columns = setting.axes
    shape = (rows.out, columns.out)
    _check_fill(setting)
    inputs = digits(setting.in_channels, *setting.size) if inputs is None else inputs
    weights = small_weights(setting) if weights is None else weights
    bias = np.zeros(setting.out_channels, np.int64) if bias is None else bias
    padded = _padded(torch.from_numpy(inputs.astype(np.float64)), setting)
    output = F.conv2d(
        padded[None],
        torch.from_numpy(weights.astype(np.float64)),
        torch.from_numpy(bias.astype(np.float64)),
        stride=setting.stride,
        dilation=setting.dilation,
        groups=setting.groups,
    )[0]
    around = _whole(padded)
    sees = seen_channels(setting.in_channels, setting.out_channels, setting.groups)
    down, across = np.array(rows.taps), np.array(columns.taps)
    # (C_in, H_out, kh, W_out, kw) -> (H_out, W_out, C_in, kh, kw)
    read = around[:, down[:, :, None, None], across[None, None, :, :]].transpose(1, 3, 0, 2, 4)
    products = np.stack(
        [read[:, :, list(sees[f])] * weights[f] for f in range(setting.out_channels)]
    )
    assert products.shape[1:3] == shape
    counts = np.outer(rows.reads, columns.reads)
    return Convolved(
        around, weights, bias, _whole(output), products, sees, rows.taps, columns.taps, counts == 0
    )


def seen_channels(in_channels: int, out_channels: int, groups: int) -> tuple[tuple[int, ...], ...]:
    """The input channels that each filter of a grouped convolution reads."""
    width, filters = in_channels // groups, out_channels // groups
    return tuple(
        tuple(range(f // filters * width, (f // filters + 1) * width))
        for f in range(out_channels)
    )  # fmt: skip


def digits(channels: int, height: int, width: int) -> Grid:
    """An input that looks random and is the same each time, 0 to 9, (channels, height, width)."""
    # Row by row of a wide table, so that a pixel keeps its value when the input grows.
    table = np.random.default_rng(2015).integers(0, 10, (8, 64, 64))
    return np.array(table[:channels, :height, :width], dtype=np.int64)


def small_weights(setting: Setting) -> Grid:
    """Weights from -2 to 2 without zeros among the first, (C_out, C_in / groups, kh, kw)."""
    table = np.random.default_rng(1603).choice([-2, -1, 0, 1, 1, 2], (8, 8, 8, 8))
    inner = setting.in_channels // setting.groups
    kh, kw = setting.kernel
    return np.array(table[: setting.out_channels, :inner, :kh, :kw], dtype=np.int64)


def _padded(inputs: Tensor, setting: Setting) -> Tensor:
    (top, bottom), (left, right) = setting.padding
    how = "constant" if setting.fill == "zeros" else setting.fill
    return F.pad(inputs[None], (left, right, top, bottom), mode=how)[0]


def _check_fill(setting: Setting) -> None:
    """A mirror needs one pixel more than it shows, a repetition as many."""
    spare = {"reflect": 1, "circular": 0}.get(setting.fill)
    if spare is None:
        return
    for size, padding in zip(setting.size, setting.padding, strict=True):
        if max(padding) + spare > size:
            raise WindowError(
                f"A padding of {max(padding)} by {setting.fill} needs at least "
                f"{max(padding) + spare} pixels; there are {size}.",
                needed=max(padding) + spare,
                received=size,
            )


def _whole(values: Tensor) -> Grid:
    found: Grid = values.round().to(torch.int64).numpy()
    return found


# ---------------------------------------------------------------------- transposed


class Transposed(NamedTuple):
    """A transposed convolution, seen both ways."""

    inputs: Grid
    """(H, W)."""
    kernel: Grid
    """(k, k)."""
    output: Grid
    """torch's own result, (H_out, W_out)."""
    whole: Grid
    """What all stamps add up to before the padding cuts its edge off, (H_all, W_all)."""
    cut: tuple[Pair, Pair]
    """Rows (top, bottom) and columns (left, right) of `whole` that are cut off."""
    rows: tuple[tuple[int, ...], ...]
    """The rows of `whole` that each row of inputs is written to."""
    columns: tuple[tuple[int, ...], ...]
    stamps: Grid
    """Each input times the kernel, (H, W, k, k)."""
    steps: Grid
    """`whole` after each input, in reading order, (H * W, H_all, W_all)."""
    gathered: Convolved
    """The same as a convolution of stride 1 over the input with zeros between its pixels, the
    kernel turned by half a turn."""
    real: npt.NDArray[np.bool_]
    """Which positions of `gathered.padded` are pixels of the input."""


class TransposedSetting(NamedTuple):
    """A square transposed convolution of one channel."""

    size: Pair
    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    extra: int = 0
    """torch's `output_padding`: rows and columns added behind; less than stride or dilation."""


def transpose(setting: TransposedSetting) -> Transposed:
    """Run torch's transposed convolution on whole numbers, and work it out in two ways.

    Raises:
        WindowError: the padding takes everything away, or reaches beyond the kernel.
    """
    size, kernel, stride, padding, dilation, extra = setting
    sizes = [transposed_size(n, kernel, stride, padding, dilation, extra) for n in size]
    span = reach(kernel, dilation)
    if padding > span - 1:
        raise WindowError(
            f"A padding of {padding} reaches beyond the kernel of {span}; at most {span - 1} "
            "can be shown as a convolution with zeros between the pixels.",
            needed=padding + 1,
            received=span,
        )
    inputs = digits(1, *size)[0]
    weights = small_weights(Setting((1, 1), (kernel, kernel)))[0, 0]
    output = F.conv_transpose2d(
        torch.from_numpy(inputs.astype(np.float64))[None, None],
        torch.from_numpy(weights.astype(np.float64))[None, None],
        stride=stride,
        padding=padding,
        dilation=dilation,
        output_padding=extra,
    )[0, 0]
    assert list(output.shape) == sizes
    rows, columns = (
        tuple(tuple(i * stride + a * dilation for a in range(kernel)) for i in range(n))
        for n in size
    )
    stamps = inputs[:, :, None, None] * weights
    whole = np.zeros([n + 2 * padding for n in sizes], np.int64)
    steps = []
    for i, down in enumerate(rows):
        for j, across in enumerate(columns):
            whole[np.ix_(down, across)] += stamps[i, j]
            steps.append(whole.copy())
    gathered, real = _gather(setting, inputs, weights)
    return Transposed(
        inputs,
        weights,
        _whole(output),
        whole,
        ((padding, padding), (padding, padding)),
        rows,
        columns,
        stamps,
        np.stack(steps),
        gathered,
        real,
    )


def _gather(
    setting: TransposedSetting, inputs: Grid, weights: Grid
) -> tuple[Convolved, npt.NDArray[np.bool_]]:
    """The transposed convolution as a convolution: zeros between, kernel turned, stride 1."""
    size, kernel, stride, padding, dilation, extra = setting
    spread = [(n - 1) * stride + 1 for n in size]
    between = np.zeros(spread, np.int64)
    between[::stride, ::stride] = inputs
    around = dilation * (kernel - 1) - padding
    edges = (around, around + extra)
    how = Setting(
        (spread[0], spread[1]),
        (kernel, kernel),
        padding=(edges, edges),
        dilation=(dilation, dilation),
    )
    turned = weights[::-1, ::-1].copy()
    gathered = convolve(how, between[None], turned[None, None])
    real = np.zeros(gathered.padded.shape[1:], bool)
    real[around : around + spread[0] : stride, around : around + spread[1] : stride] = True
    return gathered, real


# ------------------------------------------------------------------------- pictures


class Filter(NamedTuple):
    """A 3 x 3 filter that is known by name."""

    weights: tuple[tuple[int, int, int], ...]
    divisor: int = 1
    offset: int = 0
    """Added to the result, so that what may be negative can be seen on gray."""


FILTERS: Final[dict[str, Filter]] = {
    "identity": Filter(((0, 0, 0), (0, 1, 0), (0, 0, 0))),
    "blur": Filter(((1, 2, 1), (2, 4, 2), (1, 2, 1)), 16),
    "box": Filter(((1, 1, 1), (1, 1, 1), (1, 1, 1)), 9),
    "sharpen": Filter(((0, -1, 0), (-1, 5, -1), (0, -1, 0))),
    "sobel_x": Filter(((-1, 0, 1), (-2, 0, 2), (-1, 0, 1)), 4, 128),
    "sobel_y": Filter(((-1, -2, -1), (0, 0, 0), (1, 2, 1)), 4, 128),
    "laplacian": Filter(((0, 1, 0), (1, -4, 1), (0, 1, 0)), 1, 128),
    "emboss": Filter(((-2, -1, 0), (-1, 1, 1), (0, 1, 2))),
}


def filter_picture(
    picture: npt.NDArray[np.uint8],
    used: Filter,
    *,
    stride: int = 1,
    dilation: int = 1,
    gray: bool = False,
) -> npt.NDArray[np.uint8]:
    """Run a 3 x 3 filter over a picture, the same on each of its channels.

    Args:
        picture: (H, W, 3).
        used: the filter; its result is divided, moved and cut to 0 ... 255.
        stride: step of the window.
        dilation: of its taps; the padding is as large.
        gray: on the brightness alone.

    Returns:
        (ceil(H / stride), ceil(W / stride), 3), or two axes if gray.
    """
    image = brightness(picture)[..., None] if gray else picture
    channels = image.shape[2]
    values = torch.from_numpy(np.moveaxis(image, -1, 0).astype(np.float32))
    kernel = torch.tensor(used.weights, dtype=torch.float32).expand(channels, 1, 3, 3)
    around = F.pad(values[None], (dilation,) * 4, mode="replicate")
    sums = F.conv2d(around, kernel, stride=stride, dilation=dilation, groups=channels)[0]
    shown = (sums / used.divisor + used.offset).clamp(0, 255).round().to(torch.uint8)
    found: npt.NDArray[np.uint8] = np.moveaxis(shown.numpy(), 0, -1)
    return found[..., 0] if gray else found


def brightness(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The luma of a picture, (H, W), by the weights of ITU-R BT.601."""
    luma = picture.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    gray: npt.NDArray[np.uint8] = luma.round().astype(np.uint8)
    return gray


def corner(shape: Pair, row: int, column: int, side: int) -> Pair:
    """The corner nearest to (row, column) whose square of `side` lies inside a picture."""
    height, width = shape
    return (
        min(max(row, 0), max(height - side, 0)),
        min(max(column, 0), max(width - side, 0)),
    )  # fmt: skip


def patch(
    picture: npt.NDArray[np.uint8], row: int, column: int, side: int = 8
) -> npt.NDArray[np.uint8]:
    """A square of a picture's brightness whose corner is as near to (row, column) as may be."""
    gray = brightness(picture)
    top, left = corner((gray.shape[0], gray.shape[1]), row, column, side)
    return gray[top : top + side, left : left + side]


def filter_patch(
    values: npt.NDArray[np.uint8], used: Filter, *, stride: int = 1, dilation: int = 1
) -> tuple[Convolved, Grid]:
    """Run a 3 x 3 filter over a patch, without padding and with every product.

    Returns:
        The convolution, and its output divided, moved and cut to 0 ... 255.

    Raises:
        WindowError: the patch is smaller than the window.
    """
    height, width = values.shape
    made = convolve(
        Setting((height, width), (3, 3), (stride, stride), dilation=(dilation, dilation)),
        values[None].astype(np.int64),
        np.array(used.weights, dtype=np.int64)[None, None],
    )
    shown = made.output[0] / used.divisor + used.offset
    return made, shown.clip(0, 255).round().astype(np.int64)


def marked(
    picture: npt.NDArray[np.uint8], row: int, column: int, side: int, color: tuple[int, int, int]
) -> npt.NDArray[np.uint8]:
    """A copy of a picture, (H, W, 3), with a frame around a square."""
    top, left = corner((picture.shape[0], picture.shape[1]), row, column, side)
    framed = picture.copy()
    first_row, first_column = max(top - 2, 0), max(left - 2, 0)
    around = framed[first_row : top + side + 2, first_column : left + side + 2]
    around[:] = color
    framed[top : top + side, left : left + side] = picture[top : top + side, left : left + side]
    return framed
