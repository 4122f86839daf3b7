"""What one trace of one image says about every device, number type and batch.

A landscape of hundreds of models is asked for another batch or another device far more often than
for another input size. So each model is traced once, at a batch of one, and its `Profile` keeps
what the roofline model and the memory model need of it: sums over ops that are alike, each with
its part that grows with the batch and its part that does not. The tests hold `predicted_ms` and
`peak_bytes` against a trace of the batch itself. They are equal, except that what is a view of one
image and a copy of several is not counted in the time: 0.3% at most, in TNT.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from explorer.analysis.memory import grows_with_batch, inference_peaks
from explorer.analysis.roofline import Device
from explorer.errors import ExplorerError, OptionError
from explorer.text import _
from explorer.trace import trace_model
from explorer.trace.records import OpRecord, TensorRecord, Trace
from explorer.zoo import get_spec

DTYPES = ("float32", "tf32", "float16", "bfloat16", "int8")
"""Number types of a setting; "tf32" is float32 multiplied on the tensor cores."""

_WIDTH = {"float32": 4, "tf32": 4, "float16": 2, "bfloat16": 2, "int8": 1}
_TRACED_WIDTH = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}
_MEMORY_DTYPES = {4: "float32", 2: "float16", 1: "int8"}

Work = tuple[int, int, int, int, int, float, float, float, float]
"""Ops that are alike: how many; MACs and other operations that do not grow with the batch; MACs and
other operations an image; elements read and written that are floating-point, fixed and an image;
bytes of what is not, fixed and an image. A plain tuple: the garbage collector leaves those alone.
"""


class Profile(NamedTuple):
    """One model at one input size, of one image; plain values, so that it pickles small."""

    name: str
    height: int
    width: int
    params: int | None
    """None if the model does not take the size."""
    macs: int | None
    """Of one image."""
    work: tuple[Work, ...]
    peaks: tuple[tuple[int, tuple[tuple[int, int], ...]], ...]
    """For each width of an element in bytes, the lines of `inference_peaks`."""
    lower_bound: bool
    """An op without a cost rule: the counts and times are at least."""
    problem: str
    """Why there are no counts, in one sentence; "" if there are."""


def profile(name: str, size: tuple[int, int] | None = None) -> Profile:
    """Trace one model once, with its default options.

    Args:
        name: a name that `list_models` gives, of any source.
        size: (height, width); its native one if None.

    Raises:
        UnknownModelError: no such model.
    """
    spec = get_spec(name)
    _batch, channels, *native = spec.input_shape
    height, width = size or (native[-2], native[-1])
    try:
        if len(native) != 2:
            raise OptionError(_("{model} takes video, not an image.").format(model=spec.title))
        if height < spec.min_size[0] or width < spec.min_size[1]:
            least = " × ".join(map(str, spec.min_size))
            raise OptionError(
                _("{model} takes images of at least {least} pixels.").format(
                    model=spec.title, least=least
                )
            )
        # Nobody may ever read what another size would have done, and looking for it takes long.
        trace = trace_model(name, (1, channels, height, width), nearest=False)
    except ExplorerError as error:
        return _without_counts(name, height, width, str(error))
    except Exception as error:
        # One model's bug must not cost the others their place, and must not be hidden.
        said = " ".join(str(error).split())
        return _without_counts(
            name,
            height,
            width,
            _("{model} fails with {error}: {said}").format(
                model=spec.title, error=type(error).__name__, said=said
            ),
        )
    return profile_trace(trace, name, (height, width))


def profile_trace(trace: Trace, name: str, size: tuple[int, int]) -> Profile:
    """Sum up a trace of one image.

    Args:
        trace: of eval mode, at a batch of one.
        name: the model's name.
        size: (height, width) of the image.
    """
    grows = grows_with_batch(trace)
    records = (*trace.parameters, *trace.buffer_records)
    weights = {record.name: (record.nbytes, record.dtype) for record in records}
    peaks = inference_peaks(trace, tuple(_MEMORY_DTYPES.values()))
    works = Counter(_work(op, trace, grows, weights) for op in trace.ops)
    return Profile(
        name=name,
        height=size[0],
        width=size[1],
        params=trace.params,
        macs=trace.macs,
        work=tuple((times, *work[1:]) for work, times in works.items() if any(work[1:])),
        peaks=tuple(
            (width, tuple((line.fixed, line.per_image) for line in lines))
            for width, lines in zip(_MEMORY_DTYPES, peaks, strict=True)
        ),
        lower_bound=trace.is_lower_bound,
        problem="",
    )


def to_json(found: Profile) -> str:
    """A profile as a line of JSON."""
    return json.dumps(found) + "\n"


def from_json(line: str) -> Profile:
    """Read what `to_json` wrote."""
    found = json.loads(line)
    work, peaks = found[5], found[6]
    found[5] = tuple(map(tuple, work))
    found[6] = tuple((width, tuple(map(tuple, lines))) for width, lines in peaks)
    return Profile(*found)


def _without_counts(name: str, height: int, width: int, problem: str) -> Profile:
    return Profile(name, height, width, None, None, (), (), lower_bound=False, problem=problem)


def _work(
    op: OpRecord, trace: Trace, grows: Sequence[bool], weights: Mapping[str, tuple[int, str]]
) -> Work:
    """What one op does, as one of `times` ops that are alike."""
    other = op.bias_ops + op.elementwise_ops
    grown = grows[op.index]
    fixed, growing = _reads(op, trace, grows, weights)
    read = _split(op.bytes_read, fixed, growing)
    written = _split(op.bytes_written, *(((), op.outputs) if grown else (op.outputs, ())))
    once = (0, 0) if grown else (op.macs, other)
    image = (op.macs, other) if grown else (0, 0)
    sums = [a + b for a, b in zip(read, written, strict=True)]
    return (1, *once, *image, sums[0], sums[1], sums[2], sums[3])


def _reads(
    op: OpRecord, trace: Trace, grows: Sequence[bool], weights: Mapping[str, tuple[int, str]]
) -> tuple[list[TensorRecord], list[TensorRecord]]:
    """The tensors that an op reads: those that stay as the batch grows, and those that grow.

    Nothing says which argument is which weight; tensors of one size and type stand for each other.
    """
    staying = [weights[name] for name in op.parameters if name in weights]
    for value in op.inputs:
        record = trace.ops[value.op].outputs[value.output]
        # A class token is one parameter, laid out once for each image.
        repeated = trace.ops[value.op].name == "expand" and record.shape[:1] == (1,)
        if not grows[value.op] and not repeated:
            staying.append((record.nbytes, record.dtype))
    fixed, growing = [], []
    for tensor in op.input_tensors:
        if (tensor.nbytes, tensor.dtype) in staying:
            staying.remove((tensor.nbytes, tensor.dtype))
            fixed.append(tensor)
        else:
            growing.append(tensor)
    return fixed, growing


def _split(
    nbytes: int, fixed: Sequence[TensorRecord], growing: Sequence[TensorRecord]
) -> tuple[float, float, float, float]:
    """Split what an op moves: floating-point elements and other bytes, fixed and an image."""
    whole = sum(tensor.nbytes for tensor in (*fixed, *growing))
    if not whole or not nbytes:
        return (0.0, 0.0, float(nbytes), 0.0)
    moved = nbytes / whole
    return (
        moved * _elements(fixed),
        moved * _elements(growing),
        moved * _other_bytes(fixed),
        moved * _other_bytes(growing),
    )


def _elements(tensors: Iterable[TensorRecord]) -> float:
    return sum(t.nbytes / _TRACED_WIDTH[t.dtype] for t in tensors if t.dtype in _TRACED_WIDTH)


def _other_bytes(tensors: Iterable[TensorRecord]) -> int:
    return sum(t.nbytes for t in tensors if t.dtype not in _TRACED_WIDTH)


# ------------------------------------------------------------------- what follows from it


class Setting(NamedTuple):
    """Where and how a forward pass is meant to run."""

    device: Device
    dtype: str
    """One of `DTYPES`."""
    batch: int

    def statement(self) -> str:
        """What times and memory are of, in half a sentence."""
        dtype = _("float32 as TF32") if self.dtype == "tf32" else self.dtype
        return _("{device}, {dtype}, batch of {batch:,}").format(
            device=self.device.name, dtype=dtype, batch=self.batch
        )


def dtypes_of(device: Device) -> tuple[str, ...]:
    """The number types that a device has a peak rate for."""
    peaks = (device.float32, device.tf32, device.float16, device.bfloat16, device.int8)
    return tuple(name for name, peak in zip(DTYPES, peaks, strict=True) if peak)


def predicted_ms(found: Profile, setting: Setting) -> float:
    """Time of one pass of the batch, as `explorer.analysis.roofline.predict` has it.

    Raises:
        ExplorerError: the device has no peak rate for the type.
    """
    device, batch, tf32 = setting.device, setting.batch, setting.dtype == "tf32"
    peak = device.peak("float32" if tf32 else setting.dtype, tf32=tf32)
    vector_peak, width = device.peak("float32"), _WIDTH[setting.dtype]
    times = []
    for count, macs, other, image_macs, image_other, *moved in found.work:
        elements, image_elements, nbytes, image_bytes = moved
        compute = (
            2 * (macs + batch * image_macs) / peak + (other + batch * image_other) / vector_peak
        )
        total = width * (elements + batch * image_elements) + nbytes + batch * image_bytes
        times.append(count * (max(compute, total / device.bandwidth) + device.launch_seconds))
    return 1e3 * math.fsum(times)


def peak_bytes(found: Profile, setting: Setting) -> int:
    """Weights, buffers and the peak of activations of a pass of the batch, without gradients."""
    lines = dict(found.peaks)[_WIDTH[setting.dtype]]
    return max(fixed + setting.batch * per_image for fixed, per_image in lines)
