"""What each op does to the windows of its cells: one short rule an op."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate
from math import floor, gcd, prod
from typing import Any, Final

from explorer.analysis._grid import (
    JOINED,
    PLAIN,
    Axis,
    Dim,
    Edge,
    Factor,
    Grid,
    UndefinedError,
    join,
    plain,
    reshaped,
)
from explorer.analysis.layers import window_of
from explorer.trace.records import OpRecord

Shape = tuple[int, ...]

Arg = Grid | None
Result = Grid | Sequence[Grid]
Rule = Callable[[OpRecord, list[Arg], bool], Result]
"""(op, its tensor arguments in order with None for weights and constants, gates) -> outputs."""


class NothingSeen(Exception):  # noqa: N818  # it is no error
    """A result holds tokens only that have seen nothing of the picture yet."""


def _only(args: list[Arg], place: int = 0) -> Grid:
    """The argument that a rule is about."""
    grid = args[place] if place < len(args) else None
    if grid is None or any(args[place + 1 :]):
        raise UndefinedError
    return grid


def _input(op: OpRecord, _: list[Arg], _gates: bool) -> Grid:
    shape = op.outputs[0].shape
    if len(shape) not in (4, 5):
        raise UndefinedError
    height, width = shape[-2:]
    axes = [Axis(Edge((0,), 1), Edge((0,), 1), n, n, (0, n - 1)) for n in (height, width)]
    dims = (*map(plain, shape[:-2]), (Factor(0, height, 1),), (Factor(1, width, 1),))
    return Grid(dims, (axes[0], axes[1]))


def _same(op: OpRecord, args: list[Arg], _: bool) -> Grid:
    """Element by element, with broadcasting."""
    return join([grid for grid in args if grid], op.outputs[0].shape)


def _multiply(op: OpRecord, args: list[Arg], gates: bool) -> Grid:
    """As `_same`; a factor that is broadcast and has seen everything is a gate."""
    grids = [grid for grid in args if grid]
    if not gates and len(grids) > 1:
        most = prod(op.outputs[0].shape)
        sizes = [prod(op.input_tensors[i].shape) for i, grid in enumerate(args) if grid]
        kept = [g for g, size in zip(grids, sizes, strict=True) if not g.whole or size == most]
        grids = kept or grids
    return join(grids, op.outputs[0].shape)


def _undefined(_op: OpRecord, _: list[Arg], _gates: bool) -> Grid:
    raise UndefinedError


# --- windows


def _move(grid: Grid, dim: int, change: Callable[[Axis], Axis], cells: int) -> Grid:
    """Apply a change to the axis that a dimension counts; a plain one has no place to change."""
    axis = grid.place(dim)
    if axis is None:
        return grid.with_dim(dim, plain(cells))
    changed = change(grid.axes[axis])
    return grid.with_axis(axis, changed).with_dim(dim, (Factor(axis, cells, 1),))


def _settled(grid: Grid) -> Grid:
    """Count in steps of a unit where the digits below it have been mixed."""
    for axis in (0, 1):
        parts = [
            (dim, factor) for dim, factors in enumerate(grid.dims) for factor in factors
            if factor.axis == axis
        ]  # fmt: skip
        if len(parts) == 1 and parts[0][1].unit > 1:
            dim, factor = parts[0]
            unit = factor.unit
            coarse = grid.axes[axis].read(_taps(0, unit, 1, 1), 1, unit, factor.size)
            dims = tuple(
                Factor(axis, factor.size, 1) if part == factor else part for part in grid.dims[dim]
            )
            grid = grid.with_axis(axis, coarse).with_dim(dim, dims)
    return grid


def _taps(pad: int, stride: int, kernel: int, dilation: int) -> Callable[[int], range]:
    return lambda i: range(i * stride - pad, i * stride - pad + kernel * dilation, dilation)


def _windows(op: OpRecord, grid: Grid) -> Grid:
    """Slide the op's window over the last dimensions."""
    window = window_of(op)
    assert window.kernel
    assert window.stride
    assert window.dilation
    rank = len(window.kernel)
    pads = _pads(window.padding, window.kernel, window.dilation)
    for i in range(rank):
        kernel, stride, pad, dilation = (
            window.kernel[i],
            window.stride[i],
            pads[i],
            window.dilation[i],
        )
        cells = op.outputs[0].shape[i - rank]
        if (kernel, stride, pad) == (1, 1, 0):
            continue
        taps = _taps(pad, stride, kernel, dilation)
        if _is_inner(grid, i - rank):
            grid = _slide_inside(grid, i - rank, taps, cells)
            continue

        def slide(axis: Axis, taps: Any = taps, stride: int = stride, cells: int = cells) -> Axis:
            return axis.read(taps, 1, stride, cells)

        grid = _move(grid, i - rank, slide, cells)
    return grid


def _is_inner(grid: Grid, dim: int) -> bool:
    """Whether a dimension counts the cells within patches, which another one counts."""
    factors = grid.dims[dim]
    axis, size, unit = factors[0]
    inner = len(factors) == 1 and axis in (0, 1) and unit == 1
    return inner and size < grid.axes[axis].cells


def _slide_inside(grid: Grid, dim: int, taps: Callable[[int], range], cells: int) -> Grid:
    """Slide a window within each patch; what it meets outside is padding."""
    axis, size, _ = grid.dims[dim][0]

    def inside(cell: int) -> list[int]:
        patch, place = divmod(cell, cells)
        return [patch * size + tap for tap in taps(place) if 0 <= tap < size]

    before = grid.axes[axis]
    after = before.read(inside, cells, size, before.cells // size * cells)
    dims = tuple(
        tuple(
            Factor(axis, f.size, f.unit // size * cells) if f.axis == axis and f.unit > 1 else f
            for f in factors
        )
        for factors in grid.dims
    )
    return replace(grid, dims=dims).with_axis(axis, after).with_dim(dim, (Factor(axis, cells, 1),))


def _pads(padding: Shape | str | None, kernel: Shape, dilation: Shape) -> Shape:
    """What is added before the first row of each axis."""
    if isinstance(padding, str):
        same = padding == "same"
        return tuple((k - 1) * d // 2 if same else 0 for k, d in zip(kernel, dilation, strict=True))
    return padding or (0,) * len(kernel)


def _mixed_channels(op: OpRecord, grid: Grid, rank: int, channels: int) -> Grid:
    """Mix the dimension before the last `rank`, which may hold places (space to depth)."""
    dim = -rank - 1
    if op.attrs.get("groups", 1) != 1 and any(f.axis != PLAIN for f in grid.dims[dim]):
        raise UndefinedError
    return _settled(grid.spread([dim]).with_dim(dim, plain(channels)))


def _convolution(op: OpRecord, args: list[Arg], _: bool) -> Grid:
    if op.attrs.get("transposed"):
        raise UndefinedError
    rank = len(op.input_tensors[1].shape) - 2
    return _windows(op, _mixed_channels(op, _only(args), rank, op.outputs[0].shape[-rank - 1]))


def _transposed(op: OpRecord, args: list[Arg], _: bool) -> Grid:
    """Cell i reads the cells j with i = j * stride - padding + dilation * tap."""
    window = window_of(op)
    assert window.kernel
    assert window.stride
    assert window.dilation
    rank = len(window.kernel)
    grid = _mixed_channels(op, _only(args), rank, op.outputs[0].shape[-rank - 1])
    pads = _pads(window.padding, window.kernel, window.dilation)
    for i in range(rank):
        k, s, p, d = window.kernel[i], window.stride[i], pads[i], window.dilation[i]
        cells = op.outputs[0].shape[i - rank]

        def grow(
            axis: Axis, k: int = k, s: int = s, p: int = p, d: int = d, cells: int = cells
        ) -> Axis:
            def taps(cell: int) -> list[int]:
                found = (divmod(cell + p - d * tap, s) for tap in range(k))
                return [place for place, rest in found if not rest]

            return axis.read(taps, s, 1, cells)

        grid = _move(grid, i - rank, grow, cells)
    return grid


def _pool(op: OpRecord, args: list[Arg], _: bool) -> Result:
    grid = _only(args)
    found = _windows(op, grid)
    for axis in (0, 1):
        # A window as large as the map is a global pooling.
        if found.axes[axis].cells == 1 < grid.axes[axis].cells and _pools_all(op, axis):
            found = found.with_axis(axis, replace(grid.axes[axis].all(), cells=1))
    return [found] * len(op.outputs)


def _pools_all(op: OpRecord, axis: int) -> bool:
    window = window_of(op)
    at = axis - 2
    sides = op.input_tensors[0].shape
    return bool(window.kernel and len(window.kernel) > 1 and window.kernel[at] >= sides[at])


def _adaptive(op: OpRecord, args: list[Arg], _: bool) -> Result:
    """Cell i of n pools rows floor(i * N / n) to ceil((i + 1) * N / n) - 1."""
    grid = _only(args)
    rank = len(op.attrs["output_size"])
    for dim in range(-rank, 0):
        n, size = op.outputs[0].shape[dim], op.input_tensors[0].shape[dim]
        if n != size:
            grid = _move(grid, dim, lambda axis, n=n: _pooled(axis, n), n)  # type: ignore[misc]
    return [grid] * len(op.outputs)


def _pooled(axis: Axis, n: int) -> Axis:
    if n == 1:
        return replace(axis.all(), cells=1)
    size, common = axis.cells, gcd(n, axis.cells)
    return axis.read(
        lambda i: range(i * size // n, -(-(i + 1) * size // n)), n // common, size // common, n
    )


def _im2col(op: OpRecord, args: list[Arg], _: bool) -> Grid:
    """Each column is a window; where windows do not overlap, their cells keep their places."""
    grid = _only(args)
    attrs = op.attrs
    kernel, stride = attrs["kernel_size"], attrs["stride"]
    axes = [grid.place(-2), grid.place(-1)]
    if axes != [0, 1] or any(f.axis != PLAIN for f in grid.dims[-3]):
        raise UndefinedError
    sides = [axis.cells for axis in grid.axes]
    tiles = kernel == stride and not any(attrs["padding"]) and set(attrs["dilation"]) == {1}
    if not tiles or any(side % k for side, k in zip(sides, kernel, strict=True)):
        raise UndefinedError
    inside = (*grid.dims[-3], *(Factor(a, kernel[a], 1) for a in (0, 1)))
    outside = tuple(Factor(a, sides[a] // kernel[a], kernel[a]) for a in (0, 1))
    return replace(grid, dims=(*grid.dims[:-3], inside, outside))


# --- larger maps


def _upsample(op: OpRecord, args: list[Arg], _: bool) -> Grid:
    grid = _only(args)
    before, after = op.input_tensors[0].shape, op.outputs[0].shape
    factors = op.attrs.get("scale_factors") or ()
    for dim in range(2 - len(before), 0):
        size, n = before[dim], after[dim]
        if size == n:
            continue
        if factors and Fraction(n, size) != Fraction(factors[dim]):
            raise UndefinedError  # the factor given, not the sizes, says what is read
        source = _source(op, size, n)
        period, shift = source[1], source[2]
        grid = _move(
            grid, dim,
            lambda axis, s=source, p=period, f=shift, n=n: axis.read(s[0], p, f, n),  # type: ignore[misc]
            n,
        )  # fmt: skip
    return grid


def _source(op: OpRecord, size: int, n: int) -> tuple[Callable[[int], list[int]], int, int]:
    """Cells that cell i of n reads, and the period and shift of that pattern."""
    name = op.name
    if name.endswith("_aa"):
        raise UndefinedError
    step = Fraction(size, n)
    if op.attrs.get("align_corners"):
        if n == 1:
            return (lambda _i: [0]), 1, 0
        step = Fraction(size - 1, n - 1)
    reach = 2 if "bicubic" in name else 1

    def taps(i: int) -> list[int]:
        if "nearest" in name:
            return [floor((i + Fraction(1, 2) if "exact" in name else i) * step)]
        at = (
            i * step
            if op.attrs.get("align_corners")
            else (i + Fraction(1, 2)) * step - Fraction(1, 2)
        )
        first = floor(at)
        return [first] if at == first else list(range(first + 1 - reach, first + 1 + reach))

    return taps, step.denominator, step.numerator


def _pixel_shuffle(op: OpRecord, args: list[Arg], _: bool) -> Grid:
    grid, r = _only(args), op.attrs["upscale_factor"]
    if any(factor.axis != PLAIN for factor in grid.dims[-3]):
        raise UndefinedError
    shape = op.outputs[0].shape
    for dim in (-2, -1):
        n = shape[dim]
        grid = _move(
            grid, dim, lambda axis, n=n: axis.read(lambda i: [i // r], r, 1, n), n  # type: ignore[misc]
        )  # fmt: skip
    return grid.with_dim(-3, plain(shape[-3]))


def _pixel_unshuffle(op: OpRecord, args: list[Arg], _: bool) -> Grid:
    grid, r = _only(args), op.attrs["downscale_factor"]
    if [grid.place(-2), grid.place(-1)] != [0, 1]:
        raise UndefinedError
    shape = op.outputs[0].shape
    inside = (*grid.dims[-3], Factor(0, r, 1), Factor(1, r, 1))
    outside = ((Factor(0, shape[-2], r),), (Factor(1, shape[-1], r),))
    return replace(grid, dims=(*grid.dims[:-3], inside, *outside))


def _pad(op: OpRecord, args: list[Arg], _: bool) -> Grid:
    grid, pads = _only(args), op.attrs["pad" if "pad" in op.attrs else "padding"]
    mode = op.attrs.get("mode", op.name.partition("_pad")[0])
    mirrors = False
    for place in range(len(pads) // 2):
        left, right = pads[2 * place : 2 * place + 2]
        if not (left or right):
            continue
        dim = -1 - place
        mirrors = mirrors or (mode not in ("constant",) and grid.place(dim) is not None)
        grid = _cut(grid, dim, -left, 1, op.outputs[0].shape[dim])
    return replace(grid, border=grid.border or mirrors)


# --- parts


def _cut(grid: Grid, dim: int, start: int, step: int, size: int) -> Grid:
    """Every `step`-th index from `start` on."""
    old = prod(factor.size for factor in grid.dims[dim])
    if (start, step, size) == (0, 1, old):
        return grid
    if grid.dims[dim][0].axis == JOINED and step == 1 and not grid.whole:
        return _tokens_cut(grid, dim, start, size)
    return _move(grid, dim, lambda axis: axis.read(_taps(-start, step, 1, 1), 1, step, size), size)


def _slice(op: OpRecord, args: list[Arg], _: bool) -> Grid:
    attrs = op.attrs
    dim, start, step = attrs.get("dim", 0), attrs.get("start") or 0, attrs.get("step", 1)
    size = op.input_tensors[0].shape[dim]
    start = max(0, start + size) if start < 0 else start
    return _cut(_only(args), dim, start, step, op.outputs[0].shape[dim])


def _select(op: OpRecord, args: list[Arg], _: bool) -> Grid:
    return _taken(_only(args), op.attrs["dim"], op.attrs["index"])


def _taken(grid: Grid, dim: int, index: int) -> Grid:
    axis = grid.place(dim)
    if axis is not None:
        cells = grid.axes[axis].cells
        fixed = replace(grid.axes[axis].fixed(index % cells), cells=1)
        grid = grid.with_axis(axis, fixed)
    return grid.with_dim(dim, None)


def _unbind(op: OpRecord, args: list[Arg], _: bool) -> list[Grid]:
    grid, dim = _only(args), op.attrs.get("dim", 0)
    return [_taken(grid, dim, index) for index in range(len(op.outputs))]


def _parts(op: OpRecord, args: list[Arg], _: bool) -> list[Grid]:
    grid, dim = _only(args), op.attrs.get("dim", 0)
    sizes = [tensor.shape[dim] for tensor in op.outputs]
    starts = accumulate(sizes[:-1], initial=0)
    return [_cut(grid, dim, start, 1, n) for start, n in zip(starts, sizes, strict=True)]


def _index(op: OpRecord, args: list[Arg], _: bool) -> Grid:
    """Channels picked by a list of numbers; picked places have no order that is known."""
    grid = _only(args)
    before, after = op.input_tensors[0].shape, op.outputs[0].shape
    if len(before) != len(after) or len(op.input_tensors) != 2:
        raise UndefinedError
    count = op.input_tensors[1].shape
    changed = [dim for dim, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    # The record does not say which dimension is indexed, but most cannot be.
    picked = changed or [dim for dim, n in enumerate(after) if count == (n,)]
    if len(changed) > 1 or count != (after[picked[0]],):
        raise UndefinedError
    if any(grid.place(dim) is not None for dim in picked):
        raise UndefinedError
    return grid.with_dim(picked[0], plain(after[picked[0]]))


def _cat(op: OpRecord, args: list[Arg], _: bool) -> Grid:
    shape, grids = op.outputs[0].shape, [grid for grid in args if grid]
    dim = op.attrs.get("dim", 0) % len(shape)
    if any(factor.axis != PLAIN for grid in grids for factor in grid.dims[dim]):
        if len(grids) > 1:
            raise UndefinedError
        return grids[0].with_dim(dim, _tokens(op, args, dim))
    return join([grid.with_dim(dim, plain(shape[dim])) for grid in grids], shape)


def _tokens(op: OpRecord, args: list[Arg], dim: int) -> Dim:
    """All places in one dimension, beside tokens that have none, as a class token."""
    at = next(i for i, grid in enumerate(args) if grid)
    grid = args[at]
    assert grid
    if tuple(factor for factor in grid.dims[dim] if factor.size > 1) != _all_places(grid):
        raise UndefinedError
    shapes = [tensor.shape for tensor in op.input_tensors]
    before = -1 if shapes.count(shapes[at]) > 1 else sum(shape[dim] for shape in shapes[:at])
    return (Factor(JOINED, op.outputs[0].shape[dim], before),)


def _all_places(grid: Grid) -> Dim:
    cells = [axis.cells for axis in grid.axes]
    return tuple(Factor(axis, cells[axis], 1) for axis in (0, 1) if cells[axis] > 1)


def _tokens_cut(grid: Grid, dim: int, start: int, size: int) -> Grid:
    """Take the places out of a dimension that holds other tokens, or these."""
    before = grid.dims[dim][0].unit
    places = _all_places(grid)
    count = prod(factor.size for factor in places)
    if before >= 0 and (start, size) == (before, count):
        return grid.with_dim(dim, places)
    if before >= 0 and (start + size <= before or start >= before + count):
        raise NothingSeen
    raise UndefinedError


def _stack(op: OpRecord, args: list[Arg], _: bool) -> Grid:
    shape, grids = op.outputs[0].shape, [grid for grid in args if grid]
    dim = op.attrs.get("dim", 0) % len(shape)
    stacked = [
        replace(grid, dims=(*grid.dims[:dim], plain(shape[dim]), *grid.dims[dim:]))
        for grid in grids
    ]
    return join(stacked, shape)


# --- other order


def _reshape(op: OpRecord, args: list[Arg], _: bool) -> Grid:
    return reshaped(_only(args), op.outputs[0].shape)


def _unsqueeze(op: OpRecord, args: list[Arg], _: bool) -> Grid:
    grid = _only(args)
    dim = op.attrs["dim"] % len(op.outputs[0].shape)
    return replace(grid, dims=(*grid.dims[:dim], plain(1), *grid.dims[dim:]))


def _permute(op: OpRecord, args: list[Arg], _: bool) -> Grid:
    grid = _only(args)
    return replace(grid, dims=tuple(grid.dims[dim] for dim in op.attrs["dims"]))


def _transpose(op: OpRecord, args: list[Arg], _: bool) -> Grid:
    grid = _only(args)
    dims = list(grid.dims)
    attrs = op.attrs
    a, b = (attrs.get("dim0", attrs.get("axis0", -1)), attrs.get("dim1", attrs.get("axis1", -2)))
    if len(dims) > 1:
        dims[a], dims[b] = dims[b], dims[a]
    return replace(grid, dims=tuple(dims))


def _expand(op: OpRecord, args: list[Arg], _: bool) -> Grid:
    return join([_only(args[:1])], op.outputs[0].shape)


def _roll(op: OpRecord, args: list[Arg], _: bool) -> Grid:
    """Cell i reads cell i - shift; those at the border read from the other side."""
    grid = _only(args)
    dims = op.attrs.get("dims") or ()
    if not dims:
        raise UndefinedError
    rolled = False
    for shift, dim in zip(op.attrs["shifts"], dims, strict=True):
        size = op.outputs[0].shape[dim]
        rolled = rolled or (bool(shift) and grid.place(dim) is not None)
        grid = _cut(grid, dim, -shift, 1, size)
    return replace(grid, border=grid.border or rolled)


def _shuffle_channels(_op: OpRecord, args: list[Arg], _: bool) -> Grid:
    grid = _only(args)
    if any(factor.axis != PLAIN for factor in grid.dims[1]):
        raise UndefinedError
    return grid


def _flip(op: OpRecord, args: list[Arg], _: bool) -> Grid:
    grid = _only(args)
    if any(factor.axis != PLAIN for dim in op.attrs["dims"] for factor in grid.dims[dim]):
        raise UndefinedError
    return grid


def _glu(op: OpRecord, args: list[Arg], _: bool) -> Grid:
    grid, dim = _only(args), op.attrs.get("dim", -1)
    if any(factor.axis != PLAIN for factor in grid.dims[dim]):
        raise UndefinedError
    return grid.with_dim(dim, plain(op.outputs[0].shape[dim]))


# --- mixtures


def _linear(op: OpRecord, args: list[Arg], _: bool) -> Grid:
    grid = _only(args).spread([-1])
    return _settled(grid.with_dim(-1, plain(op.outputs[0].shape[-1])))


def _matmul(op: OpRecord, args: list[Arg], _: bool) -> Grid:
    """Rows see their columns' partners: what is summed over is seen together."""
    shape = op.outputs[0].shape
    tensors = [tensor.shape for tensor in op.input_tensors]
    if len(args) != 2 or min(map(len, tensors)) < 2:
        raise UndefinedError
    if tensors[0] == tensors[1] and None in args:
        raise UndefinedError  # a square weight: from which side is not recorded
    return _product(args[0], args[1], shape)


def _product(left: Arg, right: Arg, shape: Shape) -> Grid:
    grids: list[Grid] = []
    if left:
        left = left.spread([-1])
        grids.append(left.with_dim(-1, plain(shape[-1])))
    if right:
        right = right.spread([-2]).with_dim(-2, plain(shape[-2]))
        if left and any(f.axis != PLAIN for f in left.dims[-2]):
            # The scores of each place with each other: they are summed over next.
            right = right.spread([-1]).with_dim(-1, plain(shape[-1]))
        grids.append(right)
    return _settled(join(grids, shape))


def _einsum(op: OpRecord, args: list[Arg], _: bool) -> Grid:
    """Two operands whose dimensions have letters; those not in the result are summed over."""
    read, _arrow, written = op.attrs["equation"].replace(" ", "").partition("->")
    names = read.split(",")
    if not written or "." in read or len(names) != 2 or len(args) != 2:
        raise UndefinedError
    if None in args and len(set(map(len, names))) == 1:
        raise UndefinedError  # which of the two is the weight is not recorded
    shape, taken = op.outputs[0].shape, set[Factor]()
    grids: list[Grid] = []
    for grid, letters in zip(args, names, strict=True):
        if grid is None:
            continue
        grid = grid.spread(i for i, name in enumerate(letters) if name not in written)
        dims = {name: dim for name, dim in zip(letters, grid.dims, strict=True) if name in written}
        own = [name for name in dims if name not in names[0]] if grids else []
        # The scores of each place with each other: they are summed over next.
        double = [name for name in own if taken & {f for f in dims[name] if f.axis != PLAIN}]
        grid = grid.spread(map(letters.index, double))
        taken |= {factor for dim in dims.values() for factor in dim}
        kept = {name: dim for name, dim in dims.items() if name not in double}
        out = (kept.get(name, plain(n)) for name, n in zip(written, shape, strict=True))
        grids.append(replace(grid, dims=tuple(out)))
    return _settled(join(grids, shape))


def _matmul_plus(op: OpRecord, args: list[Arg], _: bool) -> Grid:
    if len(args) != 3:
        raise UndefinedError
    shape = op.outputs[0].shape
    grids = [grid for grid in (args[0],) if grid]
    if args[1] or args[2]:
        grids.append(_product(args[1], args[2], shape))
    return join(grids, shape)


def _attention(op: OpRecord, args: list[Arg], _: bool) -> Grid:
    """Each query sees all keys and values."""
    shape = op.outputs[0].shape
    query, *others = args[:3]
    grids = [query.spread([-1]).with_dim(-1, plain(shape[-1]))] if query else []
    for grid in others:
        if grid:
            seen = grid.spread([-1, -2]).with_dim(-1, plain(shape[-1]))
            grids.append(seen.with_dim(-2, plain(shape[-2])))
    return join(grids, shape)


def _reduction(op: OpRecord, args: list[Arg], gates: bool) -> Result:
    if len(args) > 1:  # the larger of two tensors
        return _same(op, args, gates)
    grid = _only(args)
    dims = op.attrs.get("dim", ())
    dims = (dims,) if isinstance(dims, int) else dims
    count = len(grid.dims)
    which = sorted({dim % count for dim in dims} or range(count), reverse=True)
    grid = grid.spread(which)
    for dim in which:
        for axis in {f.axis for f in grid.dims[dim]} & {0, 1}:
            if sum(f.axis == axis for d in grid.dims for f in d) == 1:
                grid = grid.with_axis(axis, replace(grid.axes[axis], cells=1))
        grid = grid.with_dim(dim, plain(1) if op.attrs.get("keepdim") else None)
    return [_settled(grid)] * len(op.outputs)


def _softmax(op: OpRecord, args: list[Arg], _: bool) -> Grid:
    return _only(args).spread([op.attrs["dim"]])


def _statistics(first: Callable[[OpRecord, int], Sequence[int]]) -> Rule:
    """A normalization over dimensions; its statistics are gates of a kind."""

    def rule(op: OpRecord, args: list[Arg], gates: bool) -> Result:
        grid = _only(args)
        found = grid.spread(first(op, len(grid.dims))) if gates else grid
        return [found] * len(op.outputs)

    return rule


def _batch_norm_dims(op: OpRecord, rank: int) -> Sequence[int]:
    training = op.attrs.get("training") or op.attrs.get("train")
    return [dim for dim in range(rank) if dim != 1] if training else []


def _layer_norm_dims(op: OpRecord, rank: int) -> Sequence[int]:
    return range(rank - len(op.attrs["normalized_shape"]), rank)


_SAME = """where clamp clamp_min clamp_max dropout feature_dropout alpha_dropout
    feature_alpha_dropout native_dropout contiguous clone to _to_copy detach alias lift_fresh
    positive type_as real copy maximum minimum"""
_RESHAPES = "view reshape flatten unflatten squeeze _unsafe_view view_as view_copy"
_REDUCTIONS = """mean sum amax amin max min var std var_mean std_mean norm linalg_vector_norm
    argmax argmin any all prod logsumexp median count_nonzero"""

_RULES: Final[dict[str, Rule]] = {
    "input": _input,
    **dict.fromkeys(_SAME.split(), _same),
    **dict.fromkeys(("mul", "multiply"), _multiply),
    **dict.fromkeys(("conv1d", "conv2d", "conv3d", "convolution"), _convolution),
    **dict.fromkeys(
        ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), _transposed
    ),
    **dict.fromkeys(
        ("max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d",
         "max_pool2d_with_indices", "max_pool3d_with_indices"), _pool
    ),
    **dict.fromkeys(
        ("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d",
         "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d"), _adaptive
    ),
    **dict.fromkeys(
        ("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "upsample_linear1d",
         "upsample_bilinear2d", "upsample_bicubic2d", "upsample_trilinear3d",
         "_upsample_nearest_exact2d"), _upsample
    ),
    "im2col": _im2col,
    "pixel_shuffle": _pixel_shuffle,
    "pixel_unshuffle": _pixel_unshuffle,
    **dict.fromkeys(
        ("pad", "constant_pad_nd", "reflection_pad1d", "reflection_pad2d",
         "replication_pad1d", "replication_pad2d"), _pad
    ),
    **dict.fromkeys(("slice", "narrow"), _slice),
    "select": _select,
    "unbind": _unbind,
    **dict.fromkeys(
        ("split", "split_with_sizes", "chunk", "tensor_split", "unsafe_chunk", "unsafe_split"),
        _parts,
    ),
    **dict.fromkeys(("index", "index_select"), _index),
    **dict.fromkeys(("cat", "concat", "concatenate"), _cat),
    "stack": _stack,
    **dict.fromkeys(_RESHAPES.split(), _reshape),
    "unsqueeze": _unsqueeze,
    "permute": _permute,
    **dict.fromkeys(("transpose", "t", "swapaxes", "swapdims", "mT"), _transpose),
    **dict.fromkeys(("expand", "expand_as", "broadcast_to"), _expand),
    "roll": _roll,
    **dict.fromkeys(("channel_shuffle", "native_channel_shuffle"), _shuffle_channels),
    "flip": _flip,
    "glu": _glu,
    "linear": _linear,
    **dict.fromkeys(("matmul", "bmm", "mm"), _matmul),
    **dict.fromkeys(("addmm", "baddbmm"), _matmul_plus),
    "einsum": _einsum,
    "scaled_dot_product_attention": _attention,
    **dict.fromkeys(_REDUCTIONS.split(), _reduction),
    **dict.fromkeys(("softmax", "log_softmax"), _softmax),
    "batch_norm": _statistics(_batch_norm_dims),
    "layer_norm": _statistics(_layer_norm_dims),
    "rms_norm": _statistics(_layer_norm_dims),
    "group_norm": _statistics(lambda _op, rank: range(1, rank)),
    "instance_norm": _statistics(lambda _op, rank: range(2, rank)),
    **dict.fromkeys(
        ("polar", "complex", "linalg_cross", "renorm", "_weight_norm_interface"), _undefined
    ),
}  # fmt: skip


def rule_of(op: OpRecord) -> Rule:
    """The rule of an op; one without says that the field is not defined."""
    pointwise = op.kind in ("activation", "add", "multiply", "elementwise")
    return _RULES.get(op.name.rstrip("_"), _same if pointwise else _undefined)
