"""How long a forward pass should take on a device, and what holds it up: the roofline model.

Williams, Waterman, Patterson, "Roofline: an insightful visual performance model for multicore
architectures", Communications of the ACM 52(4), 2009. An op can be no faster than its
arithmetic at the device's peak, and no faster than its bytes at the device's bandwidth:

    time = max(operations / peak, bytes / bandwidth) + launch overhead

Operations are two for each multiply-accumulate, at the peak of the chosen element type, plus
one for each other piece of arithmetic (bias, normalization, activation, pooling), which runs on
the vector units and so at the float32 peak in every element type. Bytes are all tensors that an
op reads and writes, once each, weights included. Every op that computes or moves bytes is one
launch; views and bookkeeping are none.

What the model leaves out makes the real time longer (no kernel reaches the peak, least of all a
depthwise or narrow convolution; layouts are converted; ops of many kernels, such as an LSTM,
are launched many times) or shorter (a tensor that fits the cache is not fetched again; a
compiler fuses ops; launches overlap with work already queued). It ranks models and names their
bottleneck; it does not replace a measurement.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

from explorer.analysis.layers import Layer, layers
from explorer.analysis.published import read_data
from explorer.analysis.units import percent, rounded
from explorer.errors import ExplorerError
from explorer.text import N_, _
from explorer.trace.records import OpRecord, Shape, TensorRecord, Trace

Bound = Literal["compute", "memory", "launch", "none"]

DTYPES = ("float32", "float16", "bfloat16", "int8")
"""Element types that a prediction can be made for."""

_WIDTH = {"float32": 4, "float16": 2, "bfloat16": 2, "int8": 1}
_TRACED_WIDTH = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}
"""Bytes an element of the types that the chosen one replaces; integers and booleans stay."""

_ELEMENTWISE = frozenset(
    ("normalization", "activation", "add", "multiply", "elementwise", "softmax", "dropout")
)


# ------------------------------------------------------------------------------- devices


class Device(NamedTuple):
    """What a device can do at best; change it with `device._replace(bandwidth=...)`."""

    name: str
    kind: str
    """"GPU" or "CPU"."""
    float32: float | None
    """Peak operations a second, dense (no structured sparsity), a multiply-accumulate being
    two; None where the device has no such arithmetic or no number was found."""
    tf32: float | None
    """Float32 tensors multiplied with 10 bits of mantissa on the tensor cores."""
    float16: float | None
    bfloat16: float | None
    int8: float | None
    bandwidth: float
    """Bytes a second, between the chip and its memory."""
    memory: float
    """Bytes, as the vendor prints them (a gigabyte being 10^9)."""
    launch_seconds: float
    """From one kernel to the next when the device itself has nothing to do. An assumption in
    every row of the table, never a vendor's number."""
    source: str
    """The vendor's document and table."""
    checked: str
    """Which numbers were looked up and where, which are from memory or derived."""
    launch_measured: bool = False
    """Whether `launch_seconds` is no assumption but was measured on this very machine."""

    def peak(self, dtype: str = "float32", *, tf32: bool = False) -> float:
        """Return the operations a second in one element type.

        Raises:
            ExplorerError: the device has no such arithmetic, or `tf32` is asked of another
                type than float32; the message says what would work.
        """
        if tf32 and dtype != "float32":
            raise ExplorerError(
                _(
                    "TF32 is a way to multiply float32 tensors, so it cannot be used with {dtype}: "
                    "choose float32, or leave TF32 out."
                ).format(dtype=dtype)
            )
        wanted = "tf32" if tf32 else dtype
        peaks = {"tf32": self.tf32, **{name: getattr(self, name) for name in DTYPES}}
        found: float | None = peaks.get(wanted)
        if found is None or not found > 0:
            names = ", ".join(name for name in DTYPES if (peaks[name] or 0) > 0)
            raise ExplorerError(
                _("There is no peak rate for {dtype} on the {device}: choose {names}.").format(
                    dtype="TF32" if tf32 else repr(dtype), device=self.name, names=names
                )
            )
        return found

    def ridge(self, dtype: str = "float32", *, tf32: bool = False) -> float:
        """Operations a byte from which on the arithmetic, and not the memory, is the limit.

        Raises:
            ExplorerError: as `peak` does.
        """
        return self.peak(dtype, tf32=tf32) / self.bandwidth


@cache
def devices() -> tuple[Device, ...]:
    """All rows of `data/devices.csv`."""
    return tuple(map(_device, read_data("devices.csv")))


def get_device(name: str) -> Device:
    """Return the device called `name`, in any case, or the only one that contains it.

    Raises:
        ExplorerError: no device, or more than one; the message lists those there are.
    """
    wanted = name.strip().casefold()
    found = [device for device in devices() if device.name.casefold() == wanted]
    if not found and wanted:
        found = [device for device in devices() if wanted in device.name.casefold()]
    if len(found) != 1:
        names = ", ".join(device.name for device in found or devices())
        sentence = (
            _("There is more than one device called {name!r}: choose one of {names}.")
            if found
            else _("There is no device called {name!r}: choose one of {names}.")
        )
        raise ExplorerError(sentence.format(name=name, names=names))
    return found[0]


def calibrated(
    device: Device,
    measured_bandwidth: float,
    measured_peak: float,
    dtype: str = "float32",
    *,
    tf32: bool = False,
) -> Device:
    """Return `device` as it was measured, so that predictions hold for one machine.

    The peaks of the other element types are scaled by the same factor, which assumes that they
    fall short of the datasheet by as much.

    Args:
        device: with the vendor's numbers.
        measured_bandwidth: bytes a second, read and written ones together.
        measured_peak: operations a second in `dtype`, a multiply-accumulate being two.
        dtype: in which the peak was measured.
        tf32: whether float32 tensors were multiplied as TF32.

    Raises:
        ExplorerError: a measured value that is not above 0, or no peak rate for `dtype`.
    """
    for sentence, value in (
        (N_("The measured bandwidth is {value!r}: it should be above 0."), measured_bandwidth),
        (N_("The measured peak is {value!r}: it should be above 0."), measured_peak),
    ):
        if not (0 < value < math.inf):
            raise ExplorerError(_(sentence).format(value=value))
    factor = measured_peak / device.peak(dtype, tf32=tf32)

    def scaled(peak: float | None) -> float | None:
        return None if peak is None else factor * peak

    return device._replace(
        name=_("{device}, calibrated").format(device=device.name),
        float32=scaled(device.float32),
        tf32=scaled(device.tf32),
        float16=scaled(device.float16),
        bfloat16=scaled(device.bfloat16),
        int8=scaled(device.int8),
        bandwidth=float(measured_bandwidth),
        checked=_(
            "Bandwidth and the {dtype} peak are measured; the other "
            "peaks are the datasheet's, scaled by {factor}."
        ).format(dtype="TF32" if tf32 else dtype, factor=rounded(factor)),
    )


def _device(row: dict[str, str]) -> Device:
    return Device(
        name=row["name"],
        kind=row["kind"],
        float32=_tera(row["float32_tops"]),
        tf32=_tera(row["tf32_tops"]),
        float16=_tera(row["float16_tops"]),
        bfloat16=_tera(row["bfloat16_tops"]),
        int8=_tera(row["int8_tops"]),
        bandwidth=float(row["bandwidth_gb_s"]) * 1e9,
        memory=float(row["memory_gb"]) * 1e9,
        launch_seconds=float(row["launch_us"]) * 1e-6,
        source=row["source"],
        checked=row["checked"],
    )


def _tera(text: str) -> float | None:
    return float(text) * 1e12 if text else None


# ---------------------------------------------------------------------------- prediction


class OpTime(NamedTuple):
    """The predicted time of one op."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody wants here
    """Position in `Trace.ops`."""
    name: str
    kind: str
    depthwise: bool
    """A convolution of which every filter sees one channel."""
    macs: int
    operations: int
    """Two for each multiply-accumulate and one for all other arithmetic."""
    nbytes: float
    """Read and written, in the predicted element type."""
    launches: int
    """1, or 0 where nothing is computed or moved."""
    compute_ms: float
    """What the arithmetic alone would take."""
    memory_ms: float
    """What reading and writing alone would take."""
    launch_ms: float
    ms: float
    """The longer of arithmetic and memory, plus the launch."""
    bound: Bound
    """What takes longest of the three; "none" for an op that takes no time."""
    share: float
    """Of the whole time, 0 to 1."""

    @property
    def intensity(self) -> float:
        """Operations a byte; 0 where no byte is moved."""
        return self.operations / self.nbytes if self.nbytes else 0.0


class LayerTime(NamedTuple):
    """The predicted time of one row of the table of layers: the sum over its ops."""

    key: str
    """As in `explorer.analysis.layers`; work that the table has no row for, such as a slice
    that is overwritten, has a key of its own, "path:copy_@op12"."""
    label: str
    kind: str
    first_op: int
    last_op: int
    macs: int
    operations: int
    nbytes: float
    launches: int
    compute_ms: float
    """The time of the ops that are longer in arithmetic than in memory, launches apart."""
    memory_ms: float
    """The time of the ops that are longer in memory than in arithmetic, launches apart."""
    launch_ms: float
    ms: float
    """`compute_ms + memory_ms + launch_ms`."""
    bound: Bound
    """The largest of the three parts."""
    share: float

    @property
    def intensity(self) -> float:
        """Operations a byte; 0 where no byte is moved."""
        return self.operations / self.nbytes if self.nbytes else 0.0


@dataclass(frozen=True, slots=True)
class Prediction:
    """One forward pass as the roofline model predicts it; nothing here was measured."""

    model: str
    input_shape: Shape | tuple[Shape, ...]
    batch: int
    device: Device
    dtype: str
    tf32: bool
    launch: bool
    """Whether the launch overhead is counted."""
    ops: tuple[OpTime, ...]
    """One for each of `Trace.ops`, in execution order."""
    layers: tuple[LayerTime, ...]
    """In execution order; their times add up to `ms`."""
    ms: float
    lower_bound: bool
    """An op without a cost rule: its arithmetic is missing."""
    source: Literal["predicted"] = "predicted"

    @property
    def images_per_second(self) -> float:
        """Batch over time; infinite for a model that does nothing."""
        return self.batch / self.ms * 1e3 if self.ms else math.inf

    @property
    def launches(self) -> int:
        """Ops that compute or move something, whether or not their overhead is counted."""
        return sum(op.launches for op in self.ops)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the whole batch."""
        return sum(op.macs for op in self.ops)

    @property
    def intensity(self) -> float:
        """Operations a byte over the whole pass; 0 where no byte is moved."""
        nbytes = sum(op.nbytes for op in self.ops)
        return sum(op.operations for op in self.ops) / nbytes if nbytes else 0.0

    @property
    def ridge(self) -> float:
        """Operations a byte at which this device turns from memory-bound to compute-bound."""
        return self.device.ridge(self.dtype, tf32=self.tf32)

    def statement(self) -> str:
        """Sentences that say what the numbers are and are not."""
        text = self._basis().format(
            model=self.model,
            device=self.device.name,
            dtype=f"{self.dtype}{' (TF32)' if self.tf32 else ''}",
            batch=self.batch,
            launch_us=rounded(1e6 * self.device.launch_seconds),
        )
        if self.lower_bound:
            text += _(" At least: the arithmetic of an op is not known and not in the time.")
        return text

    def _basis(self) -> str:
        """What the prediction is made with, with places for the numbers."""
        if not self.launch:
            return _(
                "Predicted, not measured: {model} on {device} in {dtype}, batch of {batch}, "
                "by the roofline model without launch overhead."
            )
        if self.device.launch_measured:
            return _(
                "Predicted, not measured: {model} on {device} in {dtype}, batch of {batch}, "
                "by the roofline model with {launch_us} µs for each launch (measured)."
            )
        return _(
            "Predicted, not measured: {model} on {device} in {dtype}, batch of {batch}, "
            "by the roofline model with {launch_us} µs for each launch (an assumption)."
        )


def predict(
    trace: Trace,
    device: Device,
    dtype: str = "float32",
    *,
    tf32: bool = False,
    launch: bool = True,
) -> Prediction:
    """Predict the time of a traced forward pass, in milliseconds, at the trace's batch.

    Williams, Waterman, Patterson 2009; see the module for what is counted.

    Args:
        trace: with floating-point tensors of any type; their bytes are scaled to `dtype`.
        device: from `get_device`, or one of your own.
        dtype: of weights and activations, one of `DTYPES`.
        tf32: multiply float32 tensors as TF32.
        launch: add the device's overhead for each launch.

    Raises:
        ExplorerError: the device has no peak rate for `dtype`, for TF32, or for the float32
            of its vector units, or its bandwidth or launch overhead makes no sense.
    """
    if not (device.bandwidth > 0 and device.launch_seconds >= 0):
        raise ExplorerError(
            _(
                "The {device} has a bandwidth of {bandwidth!r} bytes a second and "
                "{launch!r} s for a launch: the first should be above 0, the second "
                "not below it."
            ).format(device=device.name, bandwidth=device.bandwidth, launch=device.launch_seconds)
        )
    peak = device.peak(dtype, tf32=tf32)
    vector_peak = device.peak("float32")
    overhead = device.launch_seconds if launch else 0.0
    timed = [_time(op, device.bandwidth, peak, vector_peak, overhead, dtype) for op in trace.ops]
    whole = math.fsum(op.ms for op in timed)
    ops = tuple(op._replace(share=op.ms / whole) if whole else op for op in timed)
    return Prediction(
        model=trace.model,
        input_shape=trace.input_shape,
        batch=_batch(trace),
        device=device,
        dtype=dtype,
        tf32=tf32,
        launch=launch,
        ops=ops,
        layers=tuple(_layer_times(trace, ops, whole)),
        ms=whole,
        lower_bound=trace.is_lower_bound,
    )


def _time(
    op: OpRecord, bandwidth: float, peak: float, vector_peak: float, overhead: float, dtype: str
) -> OpTime:
    other = op.bias_ops + op.elementwise_ops
    nbytes = _scaled(op.bytes_read, op.input_tensors, dtype) + _scaled(
        op.bytes_written, op.outputs, dtype
    )
    launches = int(bool(op.macs or other or nbytes))
    compute = 1e3 * (2 * op.macs / peak + other / vector_peak)
    memory = 1e3 * nbytes / bandwidth
    waiting = 1e3 * overhead * launches
    return OpTime(
        index=op.index,
        name=op.name,
        kind=op.kind,
        depthwise=_is_depthwise(op),
        macs=op.macs,
        operations=2 * op.macs + other,
        nbytes=nbytes,
        launches=launches,
        compute_ms=compute,
        memory_ms=memory,
        launch_ms=waiting,
        ms=max(compute, memory) + waiting,
        bound=_bound(compute, memory, waiting),
        share=0.0,
    )


def _bound(compute: float, memory: float, launch: float) -> Bound:
    """What takes longest; the device's own limits win a tie."""
    longest = max(compute, memory, launch)
    if not longest:
        return "none"
    if compute == longest:
        return "compute"
    return "memory" if memory == longest else "launch"


def _scaled(nbytes: int, tensors: Sequence[TensorRecord], dtype: str) -> float:
    """Bytes if every floating-point tensor were of `dtype`; integers keep their width."""
    if not nbytes:
        return 0.0
    traced = sum(tensor.nbytes for tensor in tensors)
    wanted = sum(
        tensor.nbytes * _WIDTH[dtype] / _TRACED_WIDTH[tensor.dtype]
        if tensor.dtype in _TRACED_WIDTH
        else tensor.nbytes
        for tensor in tensors
    )
    return nbytes * wanted / traced if traced else float(nbytes)


def _is_depthwise(op: OpRecord) -> bool:
    if op.kind != "convolution":
        return False
    groups = op.attrs.get("groups", 1)
    image, weight = op.input_tensors[0].shape, op.input_tensors[1].shape
    # Counted from the end, because the batch may be missing.
    return bool(groups > 1 and groups == image[1 - len(weight)])


def _layer_times(trace: Trace, ops: Sequence[OpTime], whole: float) -> Iterator[LayerTime]:
    """The rows of the table of layers, and one for each op of weight that none of them holds."""
    position = 0
    for row in layers(trace):
        yield from _left_over(trace, ops[position : row.first_op], whole)
        yield _layer_time(row, ops[row.first_op : row.last_op], whole)
        position = max(position, row.last_op)
    yield from _left_over(trace, ops[position:], whole)


def _left_over(trace: Trace, ops: Iterable[OpTime], whole: float) -> Iterator[LayerTime]:
    for op in ops:
        if op.launches:
            path = trace.calls[trace.ops[op.index].call].path
            key = f"{path}:{op.name}@op{op.index}"
            yield _sum(key, op.name, op.kind, (op.index, op.index + 1), [op], whole)


def _layer_time(row: Layer, ops: Sequence[OpTime], whole: float) -> LayerTime:
    return _sum(row.key, row.label, row.kind, (row.first_op, row.last_op), ops, whole)


def _sum(
    key: str, label: str, kind: str, span: tuple[int, int], ops: Sequence[OpTime], whole: float
) -> LayerTime:
    compute = math.fsum(op.compute_ms for op in ops if op.compute_ms >= op.memory_ms)
    memory = math.fsum(op.memory_ms for op in ops if op.compute_ms < op.memory_ms)
    launch = math.fsum(op.launch_ms for op in ops)
    ms = compute + memory + launch
    return LayerTime(
        key=key,
        label=label,
        kind=kind,
        first_op=span[0],
        last_op=span[1],
        macs=sum(op.macs for op in ops),
        operations=sum(op.operations for op in ops),
        nbytes=math.fsum(op.nbytes for op in ops),
        launches=sum(op.launches for op in ops),
        compute_ms=compute,
        memory_ms=memory,
        launch_ms=launch,
        ms=ms,
        bound=_bound(compute, memory, launch),
        share=ms / whole if whole else 0.0,
    )


def _batch(trace: Trace) -> int:
    first = trace.input_shape[0] if trace.input_shape else 1
    return first if isinstance(first, int) else first[0]


# --------------------------------------------------------------------------- why is it slow


class Bottlenecks(NamedTuple):
    """Where the predicted time goes. Shares are of the whole time or MACs, 0 to 1."""

    ridge: float
    """Operations a byte at which the device turns from memory-bound to compute-bound."""
    intensity: float
    """Operations a byte of the whole pass."""
    compute_share: float
    """Time in ops whose arithmetic takes longest."""
    memory_share: float
    """Time in ops whose reading and writing takes longest."""
    launch_share: float
    """Time in ops whose launch takes longest."""
    launches: int
    depthwise_time: float
    """In depthwise convolutions."""
    depthwise_macs: float
    elementwise_time: float
    """In normalization, activation, addition, multiplication, softmax and other elementwise
    ops."""
    elementwise_macs: float
    """0 by the usual convention, which counts no MACs there."""
    sentences: tuple[str, ...]
    """What the numbers say, in plain language, most telling first."""


def bottlenecks(prediction: Prediction, reference: Prediction | None = None) -> Bottlenecks:
    """Say what the predicted time is spent on.

    Args:
        prediction: of the model in question.
        reference: of a model to compare it with, on the same device and in the same type: adds
            a sentence on why fewer MACs are not proportionally less time.

    Raises:
        ExplorerError: the two predictions are for different devices, types or settings.
    """
    if reference is not None:
        _check_comparable(prediction, reference)
    ops = prediction.ops
    macs = prediction.macs or 1
    depthwise = [op for op in ops if op.depthwise]
    elementwise = [op for op in ops if op.kind in _ELEMENTWISE]
    found = Bottlenecks(
        ridge=prediction.ridge,
        intensity=prediction.intensity,
        compute_share=_share(op for op in ops if op.bound == "compute"),
        memory_share=_share(op for op in ops if op.bound == "memory"),
        launch_share=_share(op for op in ops if op.bound == "launch"),
        launches=prediction.launches,
        depthwise_time=_share(depthwise),
        depthwise_macs=sum(op.macs for op in depthwise) / macs,
        elementwise_time=_share(elementwise),
        elementwise_macs=sum(op.macs for op in elementwise) / macs,
        sentences=(),
    )
    sentences = [*_on_reference(prediction, reference), *_on_bounds(prediction, found)]
    sentences += [*_on_kinds(found), *_on_launches(prediction, found)]
    return found._replace(sentences=tuple(sentences))


def _share(ops: Iterable[OpTime]) -> float:
    return math.fsum(op.share for op in ops)


def _check_comparable(one: Prediction, other: Prediction) -> None:
    for what, mine, theirs in (
        (N_("device"), one.device, other.device),
        (N_("element type"), (one.dtype, one.tf32), (other.dtype, other.tf32)),
        (N_("treatment of launches"), one.launch, other.launch),
    ):
        if mine != theirs:
            raise ExplorerError(
                _(
                    "{one} and {other} can be compared only if both are predicted with "
                    "the same {what}."
                ).format(one=one.model, other=other.model, what=_(what))
            )


def _on_reference(prediction: Prediction, reference: Prediction | None) -> Iterator[str]:
    if reference is None or not (prediction.ms and reference.ms and prediction.macs):
        return
    fewer = reference.macs / reference.batch / (prediction.macs / prediction.batch)
    faster = prediction.images_per_second / reference.images_per_second
    if not (fewer > 1 and faster < fewer):
        return
    sentence = (
        _(
            "{model} has {fewer} times fewer MACs an image than {reference} but should be only "
            "{faster} times faster: it does {intensity} operations for each byte it moves, "
            "{reference} {reference_intensity}, and it launches {launches:,} kernels, "
            "{reference} {reference_launches:,}."
        )
        if faster >= 1
        else _(
            "{model} has {fewer} times fewer MACs an image than {reference} but should be no "
            "faster at all: it does {intensity} operations for each byte it moves, "
            "{reference} {reference_intensity}, and it launches {launches:,} kernels, "
            "{reference} {reference_launches:,}."
        )
    )
    yield sentence.format(
        model=prediction.model,
        reference=reference.model,
        fewer=rounded(fewer),
        faster=rounded(faster),
        intensity=rounded(prediction.intensity),
        reference_intensity=rounded(reference.intensity),
        launches=prediction.launches,
        reference_launches=reference.launches,
    )


def _on_bounds(prediction: Prediction, found: Bottlenecks) -> Iterator[str]:
    yield _(
        "{device} in {dtype} needs {ridge} operations for each byte to be busy computing; "
        "{model} does {intensity} on average."
    ).format(
        device=prediction.device.name,
        dtype="TF32" if prediction.tf32 else prediction.dtype,
        ridge=rounded(found.ridge),
        model=prediction.model,
        intensity=rounded(found.intensity),
    )
    shares = (
        (
            found.memory_share,
            N_(
                "{share} of the time is in ops that wait for memory: more arithmetic there "
                "would cost nothing."
            ),
        ),
        (
            found.compute_share,
            N_("{share} of the time is in ops that the arithmetic itself limits."),
        ),
        (
            found.launch_share,
            N_("{share} of the time is in ops that are over before the next one can be launched."),
        ),
    )
    for share, sentence in sorted(shares, reverse=True):
        if share:
            yield _(sentence).format(share=percent(share))


def _on_kinds(found: Bottlenecks) -> Iterator[str]:
    for time, macs, sentence in (
        (
            found.elementwise_time,
            found.elementwise_macs,
            N_(
                "Normalization, activation, addition and other elementwise ops take {time} of "
                "the time and do {macs} of the MACs."
            ),
        ),
        (
            found.depthwise_time,
            found.depthwise_macs,
            N_("Depthwise convolutions take {time} of the time and do {macs} of the MACs."),
        ),
    ):
        if time > macs:
            of_macs = percent(macs) if macs else _("none")
            yield _(sentence).format(time=percent(time), macs=of_macs)


def _on_launches(prediction: Prediction, found: Bottlenecks) -> Iterator[str]:
    overhead = math.fsum(op.launch_ms for op in prediction.ops)
    if not overhead:
        return
    measured, dominant = prediction.device.launch_measured, found.launch_share > 0.5
    yield _(_ON_LAUNCHES[measured, dominant]).format(
        launches=found.launches,
        share=percent(overhead / prediction.ms),
        launch_us=rounded(1e6 * prediction.device.launch_seconds),
    )


_ON_LAUNCHES = {
    (True, False): N_(
        "{launches:,} launches cost {share} of the time at a measured {launch_us} µs each."
    ),
    (False, False): N_(
        "{launches:,} launches cost {share} of the time at an assumed {launch_us} µs each."
    ),
    (True, True): N_(
        "{launches:,} launches cost {share} of the time at a measured {launch_us} µs each; "
        "a larger batch, fused ops or a captured graph would help more than fewer MACs."
    ),
    (False, True): N_(
        "{launches:,} launches cost {share} of the time at an assumed {launch_us} µs each; "
        "a larger batch, fused ops or a captured graph would help more than fewer MACs."
    ),
}
"""Whether a launch was measured, and whether launches take most of the time -> the sentence."""
