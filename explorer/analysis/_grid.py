"""Where a tensor's cells lie in the picture: which of its axes count rows, which columns.

`receptive_field` follows three things through a network, all of them here. An `Edge` says where
the window of each cell along one axis begins (or ends). A `Factor` is a part of a tensor's
dimension: after `flatten(2)` one dimension holds rows and columns, after Swin's partition two
dimensions share the rows. A `Grid` is a whole tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd, lcm, prod
from typing import Final, NamedTuple

Shape = tuple[int, ...]

PLAIN: Final = -1
"""Axis of a factor that says nothing about place: batch, channels, heads."""
JOINED: Final = 2
"""Axis of a factor that holds both axes beside tokens of no place, as a class token; its unit is
the number of tokens before them, -1 if that is not known."""

_LONGEST: Final = 4096


class UndefinedError(Exception):
    """No window can be stated for the cells of this tensor; never leaves the analysis."""


# ------------------------------------------------------------------ along one axis


class Edge(NamedTuple):
    """An integer for every cell i, the same pattern again and again: f(i + period) = f(i) + step.

    One value for a convolution, which moves on by its stride; several where cells differ, as the
    even and odd ones of a map that was enlarged twice. A step of 0 is the same for all.
    """

    values: tuple[int, ...]
    step: int

    def at(self, cell: int) -> int:
        """The value of a cell; any integer is one."""
        turns, place = divmod(cell, len(self.values))
        return self.values[place] + turns * self.step

    @property
    def slope(self) -> Fraction:
        """How far it moves on per cell, on average."""
        return Fraction(self.step, len(self.values))


Taps = Callable[[int], Sequence[int]]
Pick = Callable[[Iterable[int]], int]


def edge(values: Sequence[int], step: int) -> Edge:
    """Make an edge with the shortest pattern that says the same."""
    period = len(values)
    for short in range(1, period):
        if period % short or step * short % period:
            continue
        part = step * short // period
        if all(values[i] + part == values[i + short] for i in range(period - short)):
            return Edge(tuple(values[:short]), part)
    return Edge(tuple(values), step)


def through(before: Edge, taps: Taps, period: int, shift: int, pick: Pick) -> Edge:
    """The edge after an op whose cell i reads the cells `taps(i)`.

    Args:
        before: the edge of what it reads.
        taps: cells read, with `taps(i + period)` those of `taps(i)`, each moved by `shift`.
        period: see `taps`.
        shift: see `taps`.
        pick: `min` for where windows begin, `max` for where they end.

    Raises:
        UndefinedError: some cell reads nothing, or the pattern is longer than can be useful.
    """
    base = len(before.values)
    if base == period == 1:  # the usual case, quickly
        return Edge((pick(before.at(tap) for tap in taps(0)),), before.step * shift)
    turns = base // gcd(base, shift) if shift else 1
    if period * turns > _LONGEST:
        raise UndefinedError
    read = [taps(i) for i in range(period * turns)]
    if not all(read):
        raise UndefinedError
    values = [pick(before.at(tap) for tap in each) for each in read]
    return edge(values, before.step * (shift * turns // base))


def _joined(a: Edge, b: Edge, pick: Pick) -> Edge:
    """The outer of two edges that move on alike."""
    if a == b:
        return a
    if len(a.values) == len(b.values) == 1 and a.step == b.step:
        return Edge((pick((a.values[0], b.values[0])),), a.step)
    if a.slope != b.slope:
        raise UndefinedError
    period = lcm(len(a.values), len(b.values))
    if period > _LONGEST:
        raise UndefinedError
    values = [pick((a.at(i), b.at(i))) for i in range(period)]
    return edge(values, a.step * (period // len(a.values)))


@dataclass(frozen=True, slots=True)
class Axis:
    """Rows or columns: which of the picture's each cell sees."""

    low: Edge
    high: Edge
    cells: int
    extent: int
    """Of the picture."""
    seen: tuple[int, int]
    """First and last of the picture that any cell sees: a stride may drop the last ones."""
    whole: bool = False
    """Every cell sees all of them."""

    def read(self, taps: Taps, period: int, shift: int, cells: int) -> Axis:
        """Return the axis after an op whose cell i reads the cells `taps(i)`; see `through`."""
        return replace(
            self,
            low=through(self.low, taps, period, shift, min),
            high=through(self.high, taps, period, shift, max),
            cells=cells,
            seen=self.sees(),
        )

    def sees(self) -> tuple[int, int]:
        """First and last of the picture that a cell of this map sees: what is read from it."""
        first, last = self.seen
        some = min(self.cells, max(len(self.low.values), len(self.high.values)))
        low = min(map(self.low.at, range(some)))
        high = max(map(self.high.at, range(self.cells - some, self.cells)))
        return max(first, low), min(last, high)

    def fixed(self, cell: int) -> Axis:
        """Return an axis whose cells all see what this cell sees."""
        low, high = self.low.at(cell), self.high.at(cell)
        covers = low <= self.seen[0] and high >= self.seen[1]
        return replace(self, low=Edge((low,), 0), high=Edge((high,), 0),
                       whole=self.whole or covers)  # fmt: skip

    def all(self) -> Axis:
        """Return an axis whose cells see what all cells together see, of the picture."""
        low, high = seen = self.sees()
        return replace(self, low=Edge((low,), 0), high=Edge((high,), 0), seen=seen, whole=True)

    def spread(self, size: int, unit: int) -> Axis:
        """Return the axis after cells that differ only in one digit have seen each other.

        Args:
            size: values that the digit has.
            unit: cells that it counts by: the digit is cell // unit % size.
        """
        if size == 1:
            return self
        if unit * size >= self.cells:
            return self._comb(unit)

        def taps(cell: int) -> list[int]:
            base = cell - cell // unit % size * unit
            return [base + digit * unit for digit in range(size)]

        return self.read(taps, unit * size, unit * size, self.cells)

    def _comb(self, unit: int) -> Axis:
        """Return the axis after cells have seen every `unit`-th cell from their own on."""
        lows, highs = (
            [pick(edge.at(i) for i in range(rest, self.cells, unit)) for rest in range(unit)]
            for edge, pick in ((self.low, min), (self.high, max))
        )
        if len(set(lows)) == len(set(highs)) == 1:
            return self.all()
        return replace(self, low=edge(lows, 0), high=edge(highs, 0))


def _join_axes(a: Axis, b: Axis) -> Axis:
    """What two tensors see together along one axis."""
    if a is b or a == b:
        return a
    if a.extent != b.extent:
        raise UndefinedError  # two pictures
    if a.whole or b.whole:
        ends = [x if x.whole else x.all() for x in (a, b)]
        low, high = min(x.low.values[0] for x in ends), max(x.high.values[0] for x in ends)
        return Axis(
            Edge((low,), 0), Edge((high,), 0), max(a.cells, b.cells), a.extent, (low, high),
            whole=True,
        )  # fmt: skip
    cells = max(a.cells, b.cells)
    # What has one cell only is repeated for all.
    a, b = (x.fixed(0) if x.cells == 1 < cells else x for x in (a, b))
    if a.whole or b.whole:
        return _join_axes(a, b)
    (first, last), (first_b, last_b) = a.sees(), b.sees()
    return replace(
        a,
        low=_joined(a.low, b.low, min),
        high=_joined(a.high, b.high, max),
        cells=cells,
        seen=(min(first, first_b), max(last, last_b)),
    )


# ------------------------------------------------------------------ a tensor


class Factor(NamedTuple):
    """A part of a dimension: digits of the rows (0) or columns (1), or nothing of place."""

    axis: int
    size: int
    unit: int
    """The cells that one step of it moves by."""


Dim = tuple[Factor, ...]


def plain(size: int) -> Dim:
    """A dimension without a place."""
    return (Factor(PLAIN, size, 0),)


@dataclass(frozen=True, slots=True)
class Grid:
    """A tensor: what its dimensions are, and what its cells see."""

    dims: tuple[Dim, ...]
    axes: tuple[Axis, Axis]
    border: bool = False
    """Cells at the border see other pixels than their window says: mirrored or wrapped ones."""

    @property
    def whole(self) -> bool:
        """Whether every cell sees everything."""
        return self.axes[0].whole and self.axes[1].whole

    def place(self, dim: int) -> int | None:
        """The axis that a dimension counts, or None if it is plain.

        Raises:
            UndefinedError: it is a part or a mixture.
        """
        factors = self.dims[dim]
        if all(factor.axis == PLAIN or factor.size == 1 for factor in factors):
            here = [factor.axis for factor in factors if factor.axis in (0, 1)]
            return here[0] if len(here) == 1 and len(factors) == 1 else None
        if len(factors) == 1 and factors[0].axis in (0, 1):
            axis, size, unit = factors[0]
            if unit == 1 and size == self.axes[axis].cells:
                return axis
        raise UndefinedError

    def with_axis(self, axis: int, changed: Axis) -> Grid:
        """Return the grid with another axis; a dimension that counts it has its cells."""
        axes = (changed, self.axes[1]) if axis == 0 else (self.axes[0], changed)
        return replace(self, axes=axes)

    def with_dim(self, dim: int, factors: Dim | None) -> Grid:
        """Return the grid with another dimension, or without it."""
        dim %= len(self.dims)
        middle = () if factors is None else (factors,)
        return replace(self, dims=(*self.dims[:dim], *middle, *self.dims[dim + 1 :]))

    def spread(self, dims: Iterable[int]) -> Grid:
        """Return the grid after cells have seen each other along dimensions."""
        grid = self
        for dim in dims:
            for axis, size, unit in self.dims[dim]:
                if axis in (0, 1):
                    grid = grid.with_axis(axis, grid.axes[axis].spread(size, unit))
                elif axis == JOINED:
                    grid = replace(grid, axes=(grid.axes[0].all(), grid.axes[1].all()))
        return grid


def join(grids: Sequence[Grid], shape: Shape) -> Grid:
    """What tensors see together that are combined element by element, with broadcasting.

    Args:
        grids: at least one.
        shape: of the result.
    """
    dims: list[Dim] = []
    for position in range(-len(shape), 0):
        found = [
            grid.dims[position]
            for grid in grids
            if len(grid.dims) >= -position and _size(grid.dims[position]) == shape[position]
        ]
        placed = {dim for dim in found if any(f.axis != PLAIN for f in dim)}
        if len(placed) > 1:
            raise UndefinedError  # rows meet columns
        dims.append(placed.pop() if placed else plain(shape[position]))
    heights, widths = zip(*(grid.axes for grid in grids), strict=True)
    return Grid(tuple(dims), (_join_all(heights), _join_all(widths)), any(g.border for g in grids))


def _join_all(axes: Sequence[Axis]) -> Axis:
    joined = axes[0]
    for axis in axes[1:]:
        joined = _join_axes(joined, axis)
    return joined


def _size(dim: Dim) -> int:
    return prod(factor.size for factor in dim)


def reshaped(grid: Grid, shape: Shape) -> Grid:
    """The grid of a tensor that is read in the same order as another shape.

    Raises:
        UndefinedError: a dimension would end within one that cannot be divided there.
    """
    if shape == tuple(map(_size, grid.dims)):
        return grid
    left = [factor for dim in grid.dims for factor in dim if factor.size != 1][::-1]
    return replace(grid, dims=tuple([_fill(left, size) for size in shape]))


def _fill(left: list[Factor], size: int) -> Dim:
    """Take factors from the end of `left` that make up a dimension of this size."""
    taken: list[Factor] = []
    need = size
    while need > 1:
        factor = left.pop()
        if factor.size > need:
            outer, rest = _split(factor, need)
            left.append(rest)
            factor = outer
        if need % factor.size:
            raise UndefinedError
        need //= factor.size
        taken.append(factor)
    merged: list[Factor] = []
    for factor in taken:
        if merged and (both := _merge(merged[-1], factor)):
            merged[-1] = both
        else:
            merged.append(factor)
    return tuple(merged) or plain(1)


def _split(factor: Factor, outer: int) -> tuple[Factor, Factor]:
    axis, size, unit = factor
    if size % outer or axis == JOINED:
        raise UndefinedError
    inner = size // outer
    return Factor(axis, outer, unit * inner), Factor(axis, inner, unit)


def _merge(outer: Factor, inner: Factor) -> Factor | None:
    if outer.axis != inner.axis or outer.axis == JOINED:
        return None
    if outer.axis != PLAIN and outer.unit != inner.unit * inner.size:
        return None
    return Factor(outer.axis, outer.size * inner.size, inner.unit)
