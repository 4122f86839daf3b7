"""The effective receptive field: how much each pixel counts, from real gradients.

Understanding the Effective Receptive Field in Deep Convolutional Neural Networks, Luo, Li,
Urtasun and Zemel 2016, arXiv:1701.04128. They find that it is a small, Gaussian-like part of the
theoretical field, which grows with the square root of the depth.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from explorer.analysis.receptive_field import Field, Layout
from explorer.errors import MeasurementError
from explorer.lessons.taps import Tap, run_to
from explorer.lessons.weights import random_model
from explorer.models._registry import OptionValue
from explorer.text import _
from explorer.trace.records import Trace

MOST_DRAWS: Final = 8
MOST_MACS: Final = 20e9
"""Of a forward pass up to the layer."""
ALL_MACS: Final = 12e9
"""Of forward passes, all draws together, unless one takes more: some ten seconds on two cores."""
MOST_BYTES: Final = 2**30
"""Of activations, which gradients need to be kept, in one draw."""
MOST_PARAMS: Final = 150_000_000
_SMALL: Final = 1 - 0.9545
"""Luo et al. count pixels whose weight is more than 1 - 95.45% of the largest: two sigma of a
Gaussian."""

Weights = npt.NDArray[np.float32]


class Effective(NamedTuple):
    """How much the pixels of the picture weigh in one cell of a layer."""

    weights: Weights
    """(H, W), 0 to 1: mean over draws of |d(sum of the cell's channels) / d(pixel)|, summed over
    the picture's channels, each draw divided by its sum; then divided by the largest."""
    cell: tuple[int, int]
    draws: int
    side: float
    """Square root of the number of pixels above 4.55% of the largest weight: Luo et al.'s size."""
    radius: float
    """Root of the mean squared distance from the centre of weight, in pixels: a Gaussian's sigma
    times the root of 2."""
    centre: tuple[float, float]
    """Row and column of the centre of weight."""
    half: float
    """Share of the picture's pixels that carry half of the weight, the heaviest ones."""


def draws_for(trace: Trace, op: int) -> int:
    """How many draws a layer is affordable for.

    Args:
        trace: at the input size, batch 1.
        op: index of the op whose result is looked at.

    Raises:
        MeasurementError: not even one, in a sentence that says what would be.
    """
    ops = trace.ops[: op + 1]
    macs = sum(each.macs for each in ops)
    nbytes = sum(each.bytes_written for each in ops if not each.is_view)
    params = sum(each.params for each in ops)
    if macs > MOST_MACS or nbytes > MOST_BYTES or params > MOST_PARAMS:
        raise MeasurementError(
            _(
                "Up to this layer a pass takes {macs} GMACs, {memory} MiB of activations and "
                "{params} million parameters; gradients are computed here up to {most_macs} "
                "GMACs, {most_memory} MiB and {most_params} million: choose an earlier layer or a "
                "smaller input."
            ).format(
                macs=f"{macs / 1e9:,.1f}", memory=f"{nbytes / 2**20:,.0f}",
                params=f"{params / 1e6:,.0f}", most_macs=f"{MOST_MACS / 1e9:.0f}",
                most_memory=MOST_BYTES // 2**20, most_params=MOST_PARAMS // 10**6,
            )
        )  # fmt: skip
    return int(max(1, min(MOST_DRAWS, ALL_MACS / max(macs, 1))))


def effective_field(
    name: str,
    options: Mapping[str, OptionValue],
    trace: Trace,
    op: int,
    tap: Tap,
    field: Field,
    *,
    cell: tuple[int, int] | None = None,
    draws: int = MOST_DRAWS,
    seed: int = 0,
    cancel: threading.Event | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Effective | None:
    """Average gradients over draws of random weights and random pictures.

    Each draw builds the model anew, with its own weights, and runs it on normal noise in eval
    mode. The model, the generators and all tensors are the call's own.

    Args:
        name: of the model.
        options: what it is built with.
        trace: of the model at the input size, batch 1.
        op: index of the op whose result is looked at.
        tap: where a real model gives that result.
        field: its theoretical field, which says where its cells are.
        cell: row and column; the one in the middle if it is left out.
        draws: how many at most; fewer if `draws_for` says so.
        seed: of the first draw.
        cancel: set by another thread to stop.
        progress: called with (done, all) before each draw.

    Returns:
        The field; None if it was cancelled.

    Raises:
        MeasurementError: the layer is too expensive, has no cells, or its gradients vanish or
            overflow.
    """
    count = min(draws, draws_for(trace, op))
    if field.layout is None or field.cells is None:
        raise MeasurementError(_("The values of this layer do not lie in rows and columns."))
    at = cell or (field.cells[0] // 2, field.cells[1] // 2)
    needed = {key for each in trace.ops[: op + 1] for key in each.parameters}
    shape = trace.ops[0].outputs[0].shape
    total = np.zeros(shape[-2:], dtype=np.float64)
    for draw in range(count):
        if cancel is not None and cancel.is_set():
            return None
        if progress:
            progress(draw, count)
        model = random_model(name, options, seed + draw, needed).requires_grad_(False)
        generator = torch.Generator().manual_seed(seed + draw)
        picture = torch.randn(shape, generator=generator).requires_grad_()
        gradient = _gradient(cell_of(run_to(model, picture, tap), field.layout, field, at), picture)
        weight = gradient[0].abs().sum(0).double().numpy()
        if not np.isfinite(weight).all() or not weight.sum() > 0:
            raise MeasurementError(
                _(
                    "With random weights the gradients of this layer vanish or overflow: before "
                    "training, this network passes no signal that far."
                )
            )
        total += weight / weight.sum()
    return measured(total, at, count)


def cell_of(output: Tensor, layout: Layout, field: Field, at: tuple[int, int]) -> Tensor:
    """The channels of one cell of a layer's result.

    Args:
        output: (1, C, H, W), (1, H, W, C), (1, T, C) or (1, C, T), as the layout says.
        layout: where rows, columns and channels are.
        field: of the same result.
        at: row and column.
    """
    assert field.cells
    row, column = at
    if layout.rows == layout.columns:
        token = layout.first + row * field.cells[1] + column
        return output.select(layout.rows, token)[0]
    first, second = sorted(((layout.rows, row), (layout.columns, column)), reverse=True)
    return output.select(*first).select(*second)[0]


def _gradient(cell: Tensor, picture: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(cell.sum(), picture)
    return gradient


def measured(total: npt.NDArray[np.float64], cell: tuple[int, int], draws: int) -> Effective:
    """Measure a map of weights.

    Args:
        total: (H, W), not negative, not all zero.
        cell: whose weights they are.
        draws: how many were summed.
    """
    share = total / total.sum()
    rows, columns = np.indices(share.shape)
    centre = float((share * rows).sum()), float((share * columns).sum())
    squared = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2
    falling = np.sort(share, axis=None)[::-1].cumsum()
    weights = (total / total.max()).astype(np.float32)
    return Effective(
        weights=weights,
        cell=cell,
        draws=draws,
        side=float(np.sqrt((weights > _SMALL).sum())),
        radius=float(np.sqrt((share * squared).sum())),
        centre=centre,
        half=float((np.searchsorted(falling, 0.5) + 1) / falling.size),
    )
