"""One point of a sweep, and the row of plain values that it becomes.

`compute` is all that a worker does, in this process, in another one, or on a cluster.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

from explorer.analysis.roofline import get_device, predict
from explorer.analysis.totals import totals
from explorer.errors import ExplorerError, SweepError, TraceError
from explorer.latency.measure import peak_activation_bytes
from explorer.models._registry import OptionValue
from explorer.text import _
from explorer.trace import Trace, trace_model
from explorer.trace.tracing import Mode
from explorer.zoo import get_spec, source_of

Shape = tuple[int, ...]
Key = tuple[str, str, int, str, str, str, str]

_GIVEN_UP = "Not computed: "
MAX_POINTS = 1_000_000
"""Most points of one grid; more is a slip of the hand, and would fill the memory first."""


class Point(NamedTuple):
    """One forward pass to count."""

    model: str
    input_shape: Shape
    """Without the batch: (C, H, W)."""
    batch: int = 1
    options: tuple[tuple[str, OptionValue], ...] = ()
    mode: Mode = "eval"
    device: str = ""
    """Name of the device that a time is predicted for, as `get_device` takes it; "" for none."""
    dtype: str = "float32"
    """Element type of the prediction."""

    @property
    def key(self) -> Key:
        """What tells this point from all others; its row has the same."""
        return (
            self.model,
            _sizes(self.input_shape),
            self.batch,
            self.options_text,
            self.mode,
            self.device,
            self.dtype if self.device else "",
        )

    @property
    def options_text(self) -> str:
        """The options as JSON, in the order of their names."""
        return json.dumps(dict(self.options), sort_keys=True)


class Row(NamedTuple):
    """What one point costs, in plain values; of an illegal point, why it has no counts."""

    model: str
    family: str
    """"" if there is no such model."""
    source: str
    """"layerwise", "torchvision" or "timm"."""
    input: str
    """Shape without the batch, as the command line takes it: "3x256x128"."""
    height: int | None
    """Pixels; None if the input is no image."""
    width: int | None
    batch: int
    options: str
    """Those that were set, as JSON: '{"num_classes": 10}'."""
    mode: str
    device: str
    """What `predicted_ms` is for; "" if nothing is predicted."""
    dtype: str
    params: int | None
    """This and the counts below are None if the point is illegal."""
    macs: int | None
    """Multiply-accumulates of the whole batch."""
    lower_bound: bool
    """An op without a cost rule makes `macs` a lower bound."""
    activation_bytes: int | None
    """Bytes of all tensors that the pass allocates."""
    peak_activation_bytes: int | None
    """Most bytes of activations alive at once, the input's included."""
    predicted_ms: float | None
    """Time of one pass by the roofline model, see `explorer.analysis.roofline`; never measured."""
    depth: int | None
    """Most weighted layers on any path from input to output."""
    output: str
    """Shape with the batch, "1x1000"; several are separated by a comma and a space."""
    seconds: float
    """How long the worker took, building included; all else is the same on any worker."""
    error: str
    """One sentence, or "" if the point is legal."""
    layer: str
    """Path of the layer that breaks, "" if none does."""

    @property
    def key(self) -> Key:
        """The key of its point."""
        return (
            self.model,
            self.input,
            self.batch,
            self.options,
            self.mode,
            self.device,
            self.dtype,
        )

    @property
    def given_up(self) -> bool:
        """Nothing is known of the point: whoever computed it died, again and again."""
        return self.error.startswith(_GIVEN_UP)


def grid(
    models: Iterable[str],
    sizes: Iterable[int | tuple[int, int] | None] = (None,),
    batches: Iterable[int] = (1,),
    options: Mapping[str, Sequence[OptionValue]] | None = None,
    *,
    mode: Mode = "eval",
    device: str = "",
    dtype: str = "float32",
) -> list[Point]:
    """Every model with every combination of option values, size and batch, in this order.

    Args:
        models: registered names, of any source.
        sizes: a side in pixels, (height, width), or None for the model's native size. The
            channels are the model's own, or those that the option `in_channels` gives it.
        batches: images per pass.
        options: values to go through, by name. A model without such an option gets points all
            the same: their rows say that it has none.
        mode: "eval" or "train".
        device: predict times for this device, see `explorer.analysis.roofline.get_device`.
        dtype: of the prediction.

    Returns:
        The points, each once.

    Raises:
        UnknownModelError: no such model, or its source is not installed.
        SweepError: there would be more than a million.
    """
    names, sizes, batches = list(models), list(sizes), list(batches)
    values = {name: list(each) for name, each in (options or {}).items()}
    number = len(names) * len(sizes) * len(batches) * prod(map(len, values.values()))
    if number > MAX_POINTS:
        raise SweepError(f"These are {number:,} points; at most {MAX_POINTS:,} go into one sweep.")
    points = []
    for name in names:
        native = get_spec(name).input_shape[1:]
        for chosen in itertools.product(*values.values()):
            pairs = tuple(zip(values, chosen, strict=True))
            for size, batch in itertools.product(sizes, batches):
                shape = _shape(native, size, dict(pairs).get("in_channels"))
                points.append(Point(name, shape, batch, pairs, mode, device, dtype))
    return list(dict.fromkeys(points))


def _shape(native: Shape, size: int | tuple[int, int] | None, channels: object) -> Shape:
    sides = native[-2:] if size is None else (size, size) if isinstance(size, int) else size
    first = channels if isinstance(channels, int) else native[0]
    return (first, *native[1:-2], *sides)


def compute(point: Point) -> Row:
    """Trace one point, whatever comes of it.

    Returns:
        Its row; that of a point that cannot be traced says why, and in which layer.
    """
    start = time.perf_counter()
    try:
        trace = trace_model(
            point.model,
            (point.batch, *point.input_shape),
            mode=point.mode,
            options=dict(point.options),
        )
        found, error, layer = _counts(trace, point), "", ""
    except ExplorerError as problem:
        found, error = {}, str(problem)
        layer = problem.layer if isinstance(problem, TraceError) else ""
    except Exception as problem:
        # One model's bug must not cost the other thousand their rows, and must not be hidden.
        said = " ".join(str(problem).split())
        text = _("{model} fails with {error}: {said}")
        error = text.format(model=point.model, error=type(problem).__name__, said=said)
        found, layer = {}, ""
    return row_of(point, found, seconds=time.perf_counter() - start, error=error, layer=layer)


def row_of(
    point: Point, counts: Mapping[str, Any], *, seconds: float, error: str = "", layer: str = ""
) -> Row:
    """The row of a point.

    Args:
        point: what was computed, or could not be.
        counts: values of the counted fields; those left out are not known.
        seconds: what it took.
        error: why there are no counts, in one sentence.
        layer: path of the layer that breaks.
    """
    unknown: dict[str, Any] = dict.fromkeys((*COUNTS, "predicted_ms"))
    image = point.input_shape[-2:] if len(point.input_shape) > 2 else (None, None)
    return Row(
        model=point.model,
        family=_family(point.model),
        source=source_of(point.model),
        input=_sizes(point.input_shape),
        height=image[0],
        width=image[1],
        batch=point.batch,
        options=point.options_text,
        mode=point.mode,
        device=point.device,
        dtype=point.dtype if point.device else "",
        **{**unknown, "lower_bound": False, "output": "", **counts},
        seconds=seconds,
        error=error,
        layer=layer,
    )


def give_up(point: Point, reason: str) -> Row:
    """The row of a point that nobody could compute; the next run of the sweep tries it again."""
    return row_of(point, {}, seconds=0.0, error=_GIVEN_UP + reason)


COUNTS = ("params", "macs", "activation_bytes", "peak_activation_bytes", "depth")
"""Fields that an illegal point has no value of."""


def _counts(trace: Trace, point: Point) -> dict[str, Any]:
    total = totals(trace)
    several = bool(total.output_shape) and isinstance(total.output_shape[0], tuple)
    outputs: Any = total.output_shape if several else [total.output_shape]
    return {
        "params": total.params,
        "macs": total.cost,
        "lower_bound": total.lower_bound,
        "activation_bytes": total.activation_bytes,
        "peak_activation_bytes": peak_activation_bytes(trace),
        "predicted_ms": (
            predict(trace, get_device(point.device), point.dtype).ms if point.device else None
        ),
        "depth": total.depth,
        "output": ", ".join(map(_sizes, outputs)),
    }


def _family(model: str) -> str:
    try:
        return get_spec(model).family
    except ExplorerError:
        return ""


def _sizes(shape: Shape) -> str:
    return "x".join(map(str, shape))
