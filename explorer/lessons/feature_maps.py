"""What a layer makes of a picture: one real forward pass, and the filters of the layer."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explorer.analysis.receptive_field import Field, Layout
from explorer.errors import MeasurementError
from explorer.lessons.inputs import as_input
from explorer.lessons.pictures import Pixels
from explorer.lessons.taps import Tap, run_to
from explorer.lessons.weights import fitted_model, random_model, read_disk, read_weights
from explorer.models._registry import OptionValue
from explorer.text import _
from explorer.trace.records import Trace

MOST_MACS: Final = 30e9
MOST_PARAMS: Final = 150_000_000
MOST_BYTES: Final = 2**30
MOST_MAPS: Final = 64
LONGEST: Final = 160
"""Side of the maps that are kept; larger ones are averaged down."""
_MOST_INPUTS: Final = 64

Values = npt.NDArray[np.float16]
Numbers = npt.NDArray[np.float32]


class Source(NamedTuple):
    """Where weights come from."""

    seed: int = 0
    """Of random weights, unless a file is given."""
    data: bytes = b""
    """A visitor's file."""
    path: Path | None = None
    """A checkpoint on this machine's disk."""
    filename: str = ""


class Maps(NamedTuple):
    """The result of one layer for one picture."""

    channels: int
    rows: int
    columns: int
    kept: tuple[int, ...]
    """Channels whose maps are in `values`: the first 64 and the 64 strongest."""
    values: Values
    """(kept, rows, columns), or averaged down to 160 a side, each divided by its peak."""
    peaks: Numbers
    """(channels,): largest magnitude of each."""
    means: Numbers
    strengths: Numbers
    """(channels,): mean magnitude of each."""
    zeros: Numbers
    """(channels,): share of values that are exactly 0, 0 to 1."""
    filters: Values | None
    """(kept, inputs, k, k), not normalized; at most 64 inputs. None where the layer has none."""
    filter_shape: tuple[int, ...]
    """Of all of the layer's weights."""
    num_classes: int | None
    """Set because a file has another number of classes than the model."""
    unused: tuple[str, ...]
    """Names in the file that the model does not have."""

    @property
    def dead(self) -> int:
        """Number of channels that are 0 everywhere."""
        return int((self.peaks == 0).sum())


def check_size(trace: Trace, op: int) -> None:
    """Make sure that a pass up to an op can be run on a server with few cores.

    Raises:
        MeasurementError: it cannot, in a sentence that says what can.
    """
    ops = trace.ops[: op + 1]
    macs = sum(each.macs for each in ops)
    largest = max(each.bytes_written for each in ops)
    if macs > MOST_MACS or trace.params > MOST_PARAMS or largest > MOST_BYTES:
        raise MeasurementError(
            _(
                "Up to this layer a pass takes {macs} GMACs, and the model has {params} million "
                "parameters; passes are run here up to {most_macs} GMACs and {most_params} "
                "million: choose an earlier layer, a smaller input or a smaller model."
            ).format(
                macs=f"{macs / 1e9:,.1f}", params=f"{trace.params / 1e6:,.0f}",
                most_macs=f"{MOST_MACS / 1e9:.0f}", most_params=MOST_PARAMS // 10**6,
            )
        )  # fmt: skip


def feature_maps(
    name: str,
    options: Mapping[str, OptionValue],
    trace: Trace,
    op: int,
    tap: Tap,
    field: Field | None,
    picture: Pixels,
    source: Source,
) -> Maps:
    """Run a fresh model on a picture, in eval mode on the CPU, up to one layer.

    Args:
        name: of the model.
        options: what it is built with.
        trace: of the model at the picture's size, batch 1, eval mode.
        op: index of the op whose result is looked at.
        tap: where a real model gives that result.
        field: its receptive field, which says where its cells are; None for a vector.
        picture: (H, W, 3), of the input's size.
        source: where the weights come from.

    Raises:
        MeasurementError: the pass is too expensive, or its values overflow.
        WeightsError: the file cannot be read, or does not fit.
    """
    check_size(trace, op)
    needed = {key for each in trace.ops[: op + 1] for key in each.parameters}
    model, classes, unused = _model(name, options, source, needed)
    shape = trace.ops[0].outputs[0].shape
    with torch.inference_mode():
        output = run_to(model, as_input(picture, shape[1]), tap)
        maps = as_maps(output, field)
        if not torch.isfinite(maps).all():
            raise MeasurementError(
                _("The values of this layer overflow with these weights; choose an earlier layer.")
            )
        return _summed_up(maps, _filters(model, trace, op, maps.shape[0]), classes, unused)


def _model(
    name: str, options: Mapping[str, OptionValue], source: Source, needed: Collection[str]
) -> tuple[nn.Module, int | None, tuple[str, ...]]:
    if source.path is None and not source.data:
        return random_model(name, options, source.seed, needed), None, ()
    tensors = read_disk(source.path) if source.path else read_weights(source.data, source.filename)
    fitted = fitted_model(name, options, tensors, source.filename)
    return fitted.model, fitted.num_classes, fitted.unused


def as_maps(output: Tensor, field: Field | None) -> Tensor:
    """Bring a layer's result into (C, H, W): tokens onto their grid, a vector as 1 × 1 maps.

    Args:
        output: (1, C), (1, C, H, W), (1, H, W, C), (1, T, C) or (1, C, T).
        field: says which, for three dimensions and more.
    """
    found = output[0].to(torch.float32)
    if found.dim() == 1:
        return found[:, None, None]
    layout = field.layout if field else None
    if layout is None:
        layout = Layout(1, 2, 3)
    if layout.rows != layout.columns:
        return found.permute(layout.channels - 1, layout.rows - 1, layout.columns - 1)
    assert field
    assert field.cells
    rows, columns = field.cells
    places = found.narrow(layout.rows - 1, layout.first, rows * columns)
    return places.movedim(layout.channels - 1, 0).reshape(-1, rows, columns)


def _filters(model: nn.Module, trace: Trace, op: int, channels: int) -> Tensor | None:
    """The weights of the layer's own convolution, (C, inputs, k, k)."""
    record = trace.ops[op]
    if record.kind != "convolution" or not record.parameters:
        return None
    weights = model.get_parameter(record.parameters[0])
    if weights.dim() != 4 or weights.shape[0] != channels:
        return None  # three axes, or transposed
    return weights.detach()


def _summed_up(
    maps: Tensor, filters: Tensor | None, classes: int | None, unused: tuple[str, ...]
) -> Maps:
    channels, rows, columns = maps.shape
    flat = maps.reshape(channels, -1)
    strengths = flat.abs().mean(1)
    peaks = flat.abs().amax(1)
    strongest = strengths.argsort(descending=True, stable=True)[:MOST_MAPS].tolist()
    kept = sorted({*range(min(channels, MOST_MAPS)), *strongest})
    shown = maps[kept]
    longest = max(rows, columns)
    if longest > LONGEST:
        height, width = (max(1, side * LONGEST // longest) for side in (rows, columns))
        shown = F.adaptive_avg_pool2d(shown, (height, width))
    scale = peaks[kept][:, None, None]
    normalized = torch.where(scale > 0, shown / scale, torch.zeros(()))
    return Maps(
        channels=channels,
        rows=rows,
        columns=columns,
        kept=tuple(kept),
        values=normalized.to(torch.float16).numpy(),
        peaks=peaks.numpy(),
        means=flat.mean(1).numpy(),
        strengths=strengths.numpy(),
        zeros=(flat == 0).float().mean(1).numpy(),
        filters=None if filters is None else filters[kept, :_MOST_INPUTS].half().numpy(),
        filter_shape=() if filters is None else tuple(filters.shape),
        num_classes=classes,
        unused=unused,
    )
