"""What is to be measured: every setting checked, and nothing allocated yet."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import torch
from torch import nn

from explorer.errors import MeasurementError
from explorer.latency.device import free_memory, resolve_device
from explorer.latency.memory import advice, largest_batch, needed_bytes
from explorer.latency.runs import Limits
from explorer.models._registry import OptionValue
from explorer.text import N_, _
from explorer.trace import trace_model
from explorer.trace.records import Trace
from explorer.zoo import get_spec, options_for

Shape = tuple[int, ...]

DTYPES = ("float32", "float16", "bfloat16", "float64")

_IMAGE_AXES = 4
_MOST_WARMUP = 1000
_MOST_THREADS = 1024


class Settings(NamedTuple):
    """How it is measured."""

    dtype: str
    limits: Limits
    threads: int | None = None
    tf32: bool = False
    channels_last: bool = False
    compiled: bool = False
    cuda_graph: bool | None = None
    flush_l2: bool = False


class Plan(NamedTuple):
    """What is to be measured: everything checked, nothing allocated."""

    model: nn.Module | str
    shapes: tuple[Shape, ...]
    options: Mapping[str, OptionValue]
    where: torch.device
    settings: Settings
    trace: Trace
    in_place: bool
    """The module is timed where it stands."""

    @property
    def dtype(self) -> torch.dtype:
        """Number type of weights and input."""
        number_type: torch.dtype = getattr(torch, self.settings.dtype)
        return number_type

    @property
    def batch(self) -> int:
        """Images in one pass."""
        return self.shapes[0][0]


def planned(
    model: nn.Module | str,
    input_shape: Shape | tuple[Shape, ...],
    options: Mapping[str, OptionValue] | None,
    device: str,
    settings: Settings,
) -> Plan:
    """Check everything that can be checked before the queue.

    Who asks for the impossible need not wait to hear it.
    """
    shapes = _checked(input_shape, settings)
    where = resolve_device(device)
    _check_device_can(where, shapes, settings)
    number_type: torch.dtype = getattr(torch, settings.dtype)
    # Another layout in memory is another set of weights, so that needs a copy.
    in_place = (
        isinstance(model, nn.Module)
        and _stands_ready(model, where, number_type)
        and not settings.channels_last
    )
    _check_input_fits(model, shapes, options, where, number_type)
    trace = trace_model(model, input_shape, options=options)
    if isinstance(model, str):
        options, _ = options_for(get_spec(model), input_shape, options or {})
    return Plan(model, shapes, options or {}, where, settings, trace, in_place)


def check_model_fits(plan: Plan) -> None:
    """Refuse what will not fit before anything is allocated.

    Raises:
        MeasurementError: the estimate is above what is free.
    """
    own_weights = not plan.in_place
    need = needed_bytes(plan.trace, plan.dtype, weights=own_weights)
    free = free_memory(plan.where)
    if free is None or need <= free:
        return
    fitting = largest_batch(plan.trace, plan.batch, free, plan.dtype, weights=own_weights)
    raise MeasurementError(
        _(
            "{model} at batch {batch:,} needs about {need} on {where}, where {free} "
            "are free: {advice}"
        ).format(
            model=plan.trace.model,
            batch=plan.batch,
            need=_gib(need),
            where=plan.where,
            free=_gib(free),
            advice=advice(fitting),
        )
    )


class Room(NamedTuple):
    """Whether a pass will fit, estimated before anything is built."""

    need_bytes: int
    """Of weights, activations and scratch; an estimate."""
    free_bytes: int | None
    """What a new allocation can have now; None where not known."""
    batch: int
    largest_batch: int
    """Images that would fit; 0 if not even one does."""

    @property
    def fits(self) -> bool:
        """Whether it will be measured and not refused."""
        return self.free_bytes is None or self.need_bytes <= self.free_bytes


def room(trace: Trace, device: str, dtype: str) -> Room:
    """Estimate what a pass needs, and what is free on a device at this moment.

    Args:
        trace: of the pass, in float32.
        device: as `measure_latency` takes it.
        dtype: one of `DTYPES`.

    Raises:
        MeasurementError: no such device.
    """
    where = resolve_device(device)
    number_type: torch.dtype = getattr(torch, dtype)
    shape = trace.input_shape
    batch: Any = shape[0][0] if isinstance(shape[0], tuple) else shape[0]
    free = free_memory(where)
    need = int(needed_bytes(trace, number_type, weights=True))
    if free is None:
        return Room(need, None, batch, batch)
    return Room(need, free, batch, largest_batch(trace, batch, free, number_type, weights=True))


def _stands_ready(module: nn.Module, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether all weights are on the device and of the wanted type.

    Raises:
        MeasurementError: the weights have no values.
    """
    tensors = [*module.parameters(), *module.buffers()]
    if any(tensor.is_meta for tensor in tensors):
        raise MeasurementError(
            _(
                "The model's weights are on the meta device, where there is nothing to "
                "time: build it on a real device first."
            )
        )
    return all(
        tensor.device == device and (tensor.dtype == dtype or not tensor.is_floating_point())
        for tensor in tensors
    )


def _check_input_fits(
    model: nn.Module | str,
    shapes: tuple[Shape, ...],
    options: Mapping[str, OptionValue] | None,
    device: torch.device,
    dtype: torch.dtype,
) -> None:
    """Refuse an input that is itself too large, before anything is computed from its size.

    Raises:
        MeasurementError: it is.
    """
    need = sum(dtype.itemsize * math.prod(shape) for shape in shapes)
    free = free_memory(device)
    if free is None or need <= free:
        return
    batch = shapes[0][0]
    single = tuple((1, *shape[1:]) if shape[0] == batch else shape for shape in shapes)
    fitting = 0
    if sum(dtype.itemsize * math.prod(shape) for shape in single) <= free:
        trace = trace_model(model, single if len(single) > 1 else single[0], options=options)
        fitting = largest_batch(trace, 1, free, dtype, weights=True)
    raise MeasurementError(
        _("The input alone would take {need} on {device}, where {free} are free: {advice}").format(
            need=_gib(need), device=device, free=_gib(free), advice=advice(fitting)
        )
    )


def _gib(nbytes: int | Fraction) -> str:
    return _("{value:,.1f} GiB").format(value=float(nbytes) / 2**30)


def _check_device_can(where: torch.device, shapes: tuple[Shape, ...], settings: Settings) -> None:
    """Refuse options that mean nothing here, rather than ignore them.

    Raises:
        MeasurementError: one does not.
    """
    cuda, dtype = where.type == "cuda", settings.dtype
    wrong = {
        N_("TF32 is a way of NVIDIA's GPUs to compute float32: leave tf32 off on {where}."): (
            settings.tf32 and not cuda
        ),
        N_("TF32 concerns float32 alone: leave tf32 off with {dtype}, or choose float32."): (
            settings.tf32 and dtype != "float32"
        ),
        N_("CUDA graphs exist on CUDA devices alone: leave cuda_graph off on {where}."): (
            settings.cuda_graph is True and not cuda
        ),
        N_("Only a CUDA device's L2 cache can be emptied here: leave flush_l2 off on {where}."): (
            settings.flush_l2 and not cuda
        ),
        N_("MPS has no float64: choose float32, float16 or bfloat16, or the device cpu."): (
            where.type == "mps" and dtype == "float64"
        ),
    }
    for sentence, applies in wrong.items():
        if applies:
            raise MeasurementError(_(sentence).format(where=where, dtype=dtype))
    flat = [shape for shape in shapes if len(shape) != _IMAGE_AXES]
    if settings.channels_last and flat:
        raise MeasurementError(
            _(
                "channels_last orders images, (N, C, H, W); an input of shape {shape} has "
                "{axes} axes: leave channels_last off, or give it four."
            ).format(shape=flat[0], axes=len(flat[0]))
        )


def _checked(input_shape: Shape | tuple[Shape, ...], settings: Settings) -> tuple[Shape, ...]:
    """Return the shapes as a tuple of shapes if all settings are legal.

    Raises:
        MeasurementError: one is not.
    """
    shapes: tuple[Any, ...] = tuple(input_shape)
    if not shapes or not isinstance(shapes[0], (tuple, list)):
        shapes = (shapes,)
    for shape in shapes:
        if not shape or not all(_is_positive_integer(extent) for extent in shape):
            raise MeasurementError(
                _(
                    "The input shape {shape} should be whole numbers from 1 on, the batch "
                    "first: (1, 3, 224, 224)."
                ).format(shape=tuple(shape))
            )
    if settings.dtype not in DTYPES:
        raise MeasurementError(
            _("There is no dtype {dtype!r} here: choose {dtypes}.").format(
                dtype=settings.dtype, dtypes=", ".join(DTYPES)
            )
        )
    (warmup, runs, max_seconds), threads = settings.limits, settings.threads
    if not _is_positive_integer(runs):
        raise MeasurementError(
            _("runs={runs!r} should be a whole number from 1 on.").format(runs=runs)
        )
    checked_threads(threads)
    if not (_is_positive_integer(warmup) and warmup <= _MOST_WARMUP):
        raise MeasurementError(
            _("warmup={warmup!r} should be a whole number from 1 to {most:,}.").format(
                warmup=warmup, most=_MOST_WARMUP
            )
        )
    if not max_seconds > 0:
        raise MeasurementError(
            _("max_seconds={max_seconds!r} should be above 0.").format(max_seconds=max_seconds)
        )
    return tuple(tuple(shape) for shape in shapes)


def checked_threads(threads: int | None) -> None:
    """Refuse a number of threads that torch could not use.

    Raises:
        MeasurementError: it is none, or far too many.
    """
    if threads is None:
        return
    if not _is_positive_integer(threads):
        raise MeasurementError(
            _("threads={threads!r} should be a whole number from 1 on.").format(threads=threads)
        )
    if threads > _MOST_THREADS:
        raise MeasurementError(
            _(
                "threads={threads:,} should be at most {most:,}; about the "
                "number of the processor's cores, {cores} here, is best."
            ).format(threads=threads, most=_MOST_THREADS, cores=os.cpu_count() or 1)
        )


def _is_positive_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
