"""What one measurement leaves behind: how long a forward pass took, how sure, and where."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar

from explorer.errors import RecordError
from explorer.text import N_, _

Record = TypeVar("Record")
Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Environment:
    """The machine and software that a measurement holds for; it says nothing of any other."""

    device: str
    """As torch names it: "cpu", "cuda:0", "mps"."""
    device_name: str
    """What the vendor calls it, "unknown" if the system does not tell."""
    driver: str
    """Version of the GPU's driver; "" on a CPU."""
    runtime: str
    """Version of CUDA (or ROCm) that torch was built for; "" on a CPU."""
    torch: str
    threads: int
    """Threads that torch used for one operation on the CPU."""
    load: float | None
    """Average number of busy processes over the minute before; None where not known. More than
    the measurement's own threads need means that it shared its cores."""
    date: str
    """Start, in UTC, ISO 8601: "2025-06-01T12:00:00+00:00"."""


@dataclass(frozen=True, slots=True)
class LatencyRecord:
    """Time of one forward pass, from input on the device to output on the device.

    Plain values: it pickles, compares, and goes to JSON and back (`to_json`).
    """

    model: str
    """Registered name, or the class name of a module that was passed in."""
    options: tuple[tuple[str, object], ...]
    input_shape: Shape | tuple[Shape, ...]
    batch: int
    dtype: str
    median_ms: float
    p10_ms: float | None
    p90_ms: float | None
    """The middle four fifths of all runs; None in an imported record that does not tell."""
    iqr_ms: float | None
    """Interquartile range: the middle half of all runs lies within this."""
    runs: int
    """Timed runs; 0 in an imported record that does not tell."""
    warmup_runs: int
    """Untimed runs before the first timed one."""
    stable: bool | None
    """Whether the warm-up ended because times had settled, and not because time was up."""
    images_per_second: float
    """Batch size / median."""
    clock: str
    """What read the time: "CUDA events" or "host clock"."""
    environment: Environment
    source: Literal["measured", "recorded", "imported"] = "measured"
    """Measured in this process, recorded earlier by us, or brought along by the user."""
    tf32: bool = False
    """Whether float32 products and convolutions could round to TF32 (NVIDIA GPUs)."""
    channels_last: bool = False
    """Whether weights and input lay in memory channels last (NHWC)."""
    compiled: bool = False
    """Whether `torch.compile` had translated the model."""
    l2_flushed: bool = False
    """Whether the GPU's L2 cache was emptied before each run. If not, a small model finds its
    weights there."""
    graph_ms: float | None = None
    """Median of replays of the same pass as a CUDA graph, that is without Python and without
    gaps between launches; None if there is none."""
    graph_p10_ms: float | None = None
    graph_p90_ms: float | None = None
    graph_runs: int = 0
    graph_note: str = ""
    """Why there is no replay although one was asked for."""
    peak_memory_bytes: int | None = None
    """Most bytes that torch's allocator had given out at once during the timed eager runs, for
    weights, input, activations and scratch together; None where it was not measured. What the
    process held on the device before is not included."""
    peak_memory_note: str = ""
    """Who counted it, or that nobody did."""

    @property
    def spread(self) -> float | None:
        """Interquartile range / median: below 0.05 is quiet, above 0.15 hardly to be trusted."""
        if self.iqr_ms is None:
            return None
        return self.iqr_ms / self.median_ms if self.median_ms else 0.0


@dataclass(frozen=True, slots=True)
class LayerTime:
    """Time of one call of a module without children, between the two readings of its hooks."""

    key: str
    """As in the table of layers: "layer1.0.conv1", "fc@1" for a second call."""
    path: str
    nth: int
    """0 for the first call of this module, 1 for the second."""
    module_class: str
    nanoseconds: int
    """Median over the passes with hooks. The reading itself, below a microsecond on a CPU, is
    part of it."""

    @property
    def ms(self) -> float:
        """The same in milliseconds."""
        return self.nanoseconds / 1e6


@dataclass(frozen=True, slots=True)
class LayerLatencies:
    """One forward pass taken apart, in whole nanoseconds, so that the parts add up exactly.

    Sum of `layers` + `overhead_ns` + `rest_ns` = `hooked_ns`, the pass with hooks.

    What is between the calls of modules (the `+` of a residual block, a concatenation, Python,
    a GPU that waits for the next launch) is the rest. It is below zero where the medians of the
    layers come from other passes than the median of the whole, on a machine that is not quiet.
    """

    record: LatencyRecord
    """The same pass without hooks: this is what the model takes."""
    layers: tuple[LayerTime, ...]
    """In the order of their first call."""
    passes: int
    """Passes with hooks, each after one without."""
    hooked_ns: int
    """Median of the passes with hooks."""
    overhead_ns: int
    """How much longer that is than the median without hooks; 0 if it is not."""
    rest_ns: int

    @property
    def layers_ns(self) -> int:
        """Sum of the layers."""
        return sum(layer.nanoseconds for layer in self.layers)


class Progress(NamedTuple):
    """Where a measurement stands."""

    stage: Literal["queued", "preparing", "warming up", "measuring", "replaying"]
    done: int = 0
    """Runs finished in this stage."""
    total: int = 0
    """Runs that the stage may take at most."""
    ahead: int = 0
    """Measurements on the same device that go first; only while queued."""


ProgressCallback = Callable[[Progress], None]


# ---------------------------------------------------------------------- JSON


def to_json(records: Iterable[LatencyRecord | LayerLatencies]) -> str:
    """Write one record a line, as a JSON object with the names of the fields.

    What was taken apart is its record with one member more, "layers", in nanoseconds, which
    `from_json` passes over.
    """
    return "".join(f"{json.dumps(_plain(record), allow_nan=False)}\n" for record in records)


def _plain(record: LatencyRecord | LayerLatencies) -> dict[str, Any]:
    if isinstance(record, LatencyRecord):
        return dataclasses.asdict(record)
    layers = dataclasses.asdict(record)
    return {**layers.pop("record"), "layers": layers}


def from_json(text: str) -> list[LatencyRecord]:
    """Read what `to_json` wrote. Blank lines and unknown members are passed over.

    Raises:
        RecordError: a line is no record; the sentence names the line and what is wrong with it.
    """
    records = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                records.append(_record_of(json.loads(line)))
            # Nested deeply enough, JSON exhausts the reader.
            except (ValueError, RecursionError) as error:
                reason = error.args[0] if type(error) is ValueError else _("it is not JSON")
                raise RecordError(
                    _("Line {number} is no record of a measurement: {reason}.").format(
                        number=number, reason=reason
                    )
                ) from error
    return records


def _record_of(data: Any) -> LatencyRecord:
    return _built(LatencyRecord, _RECORD_FIELDS, data)


def built_environment(data: Any) -> Environment:
    """Read an environment from what JSON made of it.

    Raises:
        ValueError: with what is missing or wrong.
    """
    return _built(Environment, _ENVIRONMENT_FIELDS, data)


def number_above_0(value: Any) -> float:
    """Check a rate or a time.

    Raises:
        TypeError: it is none.
    """
    return float(_time(value))


def _built(kind: type[Record], readers: Mapping[str, Callable[[Any], Any]], data: Any) -> Record:
    """Build a record from the members that its readers accept.

    Raises:
        ValueError: with what is missing or wrong.
    """
    if not isinstance(data, dict):
        raise ValueError(
            _("it should be an object with names, not {type}").format(type=type(data).__name__)
        )
    given = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if field.name in data:
            try:
                given[field.name] = readers[field.name](data[field.name])
            except TypeError as error:
                value = repr(data[field.name])[:40]
                raise ValueError(
                    _("{field} should be {expected}, not {value}").format(
                        field=field.name, expected=_(str(error)), value=value
                    )
                ) from error
        elif field.default is dataclasses.MISSING:
            raise ValueError(_("{field} is missing").format(field=field.name))
    return kind(**given)


def _reader(expected: str, accepts: Callable[[Any], bool]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if not accepts(value):
            raise TypeError(expected)
        return value

    return read


def _optional(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else read(value)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _is_shape(value: Any) -> bool:
    return isinstance(value, list) and all(type(x) is int and x > 0 for x in value)


def _shapes(value: Any) -> Shape | tuple[Shape, ...]:
    """One shape, or several."""
    if _is_shape(value) and value:
        return tuple(value)
    if isinstance(value, list) and value and all(map(_is_shape, value)):
        return tuple(map(tuple, value))
    raise TypeError(N_("one shape or several, of whole numbers from 1 on"))


def _options(value: Any) -> tuple[tuple[str, object], ...]:
    """Pairs of name and value; JSON has lists where Python has tuples."""
    expected = N_("pairs of a name and a value")
    if not isinstance(value, list):
        raise TypeError(expected)
    pairs = []
    for pair in value:
        if not (isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str)):
            raise TypeError(expected)
        pairs.append((pair[0], tuple(pair[1]) if isinstance(pair[1], list) else pair[1]))
    return tuple(pairs)


_text = _reader(N_("a text"), lambda value: isinstance(value, str))
_flag = _reader(N_("true or false"), lambda value: isinstance(value, bool))
_count = _reader(N_("a whole number from 0 on"), lambda value: type(value) is int and value >= 0)
_positive = _reader(N_("a whole number from 1 on"), lambda value: type(value) is int and value > 0)
_time = _reader(N_("a number above 0"), lambda value: _is_number(value) and value > 0)
_spread = _reader(N_("a number from 0 on"), lambda value: _is_number(value) and value >= 0)
_source = _reader(
    N_("measured, recorded or imported"),
    lambda value: value in ("measured", "recorded", "imported"),
)

_ENVIRONMENT_FIELDS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("device", "device_name", "driver", "runtime", "torch", "date"), _text),
    "threads": _count,
    "load": _optional(_spread),
}

_RECORD_FIELDS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("model", "dtype", "clock", "graph_note", "peak_memory_note"), _text),
    **dict.fromkeys(("median_ms", "images_per_second"), _time),
    **dict.fromkeys(("p10_ms", "p90_ms", "iqr_ms"), _optional(_spread)),
    **dict.fromkeys(("graph_ms", "graph_p10_ms", "graph_p90_ms"), _optional(_spread)),
    **dict.fromkeys(("runs", "warmup_runs", "graph_runs"), _count),
    **dict.fromkeys(("tf32", "channels_last", "compiled", "l2_flushed"), _flag),
    "options": _options,
    "input_shape": _shapes,
    "batch": _positive,
    "stable": _optional(_flag),
    "environment": lambda data: _built(Environment, _ENVIRONMENT_FIELDS, data),
    "source": _source,
    "peak_memory_bytes": _optional(_count),
}
