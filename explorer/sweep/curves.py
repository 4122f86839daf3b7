"""One thing swept, for a few models side by side: its values, its points, and its curves.

over = Sweep(("resnet50", "vit_b_16"), over="size", values="64:512:32")
rows = {point.key: compute(point) for point in over.points()}
sweep_curves(curves(over, rows, "macs"), ...)
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from explorer.analysis.units import compact, count, memory, rounded
from explorer.errors import OptionError
from explorer.figures.sweep import Curve, Mark
from explorer.latency import LatencyRecord, Work
from explorer.models._registry import ModelSpec, OptionValue
from explorer.sweep.points import Key, Point, Row, grid
from explorer.sweep.ranges import option_values, whole_numbers
from explorer.text import N_, _
from explorer.zoo import get_spec, source_of

OPTION: Final = "option:"
"""What `over` begins with if an option of the models is swept: "option:growth_rate"."""
OVER: Final = ("size", "height", "ratio", "batch")
"""What else can be swept: squares, heights at one width, rectangles of one ratio, batches."""
MOST_POINTS: Final = 60
"""Of one model."""
MAX_SIDE: Final = 4096
MAX_BATCH: Final = 4096

_FOLLOWS_INPUT: Final = ("in_channels", "image_size")


class Quantity(NamedTuple):
    """What a curve shows."""

    title: str
    unit: str
    """Of the axis."""
    field: str
    """Of a `Row`."""
    scale: float = 1
    """How much of the field makes one of the unit."""

    @property
    def large(self) -> bool:
        """Whether its values are counts, of millions and more."""
        return self.field in ("params", "macs")


QUANTITIES: Final = {
    "params": Quantity(N_("Parameters"), N_("Parameters"), "params"),
    "macs": Quantity(N_("MACs"), N_("MACs of the batch"), "macs"),
    "activations": Quantity(N_("Activations"), N_("Activations, MiB"), "activation_bytes", 2**20),
    "peak": Quantity(
        N_("Peak activations"), N_("Peak of activations, MiB"), "peak_activation_bytes", 2**20
    ),
    "time": Quantity(N_("Predicted time"), N_("Predicted time, ms"), "predicted_ms"),
}


class Span(NamedTuple):
    """A range of values and its limits; all of one type, int or float."""

    first: float
    last: float
    step: float
    low: float
    high: float

    @property
    def text(self) -> str:
        """As `explorer.sweep.ranges` reads it: "64:512:32"."""
        return ":".join(map(number_text, (self.first, self.last, self.step)))

    @property
    def kind(self) -> type[int | float]:
        """The type of all five."""
        return int if isinstance(self.step, int) else float

    @property
    def thinned(self) -> Span:
        """The same range in steps that are whole multiples, of at most `MOST_POINTS` values."""
        steps = (self.last - self.first) / self.step
        # What is a hair above a whole number is one: 0.3 / 0.1 is 2.9999999999999996.
        times = max(1, math.ceil(round(steps, 6) / (MOST_POINTS - 1)))
        return self._replace(step=self.step * times)


class Sweep(NamedTuple):
    """Models, what is swept, and what stays as it is. Small, hashable, of plain values."""

    models: tuple[str, ...]
    over: str
    """One of `OVER`, or `OPTION` and a name."""
    values: str
    """As the command line takes them: "64:512:32"."""
    size: tuple[int, int] | None = None
    """(height, width) where no size is swept; None is each model's own."""
    width: int = 128
    """Where heights are swept."""
    ratio: tuple[int, int] = (2, 1)
    """Height to width, where rectangles of one ratio are swept."""
    batch: int = 1
    """Where no batch is swept."""
    device: str = ""
    dtype: str = "float32"

    @property
    def option(self) -> str:
        """The option that is swept, "" if none is."""
        return self.over.removeprefix(OPTION) if self.over.startswith(OPTION) else ""

    def points(self) -> list[Point]:
        """All points, model by model.

        Raises:
            ExplorerError: the values are none of what is swept, or there is no such model.
        """
        return [point for model in self.models for point in self._points_of(model)]

    def _points_of(self, model: str) -> list[Point]:
        sizes: list[int | tuple[int, int] | None] = [*self._sizes()] or [self.size]
        batches = whole_numbers(self.values, "batch") if self.over == "batch" else [self.batch]
        options: dict[str, list[OptionValue]] = {}
        if self.option:
            options = {self.option: self._option_values(model)}
        return grid([model], sizes, batches, options, device=self.device, dtype=self.dtype)

    def _option_values(self, model: str) -> list[OptionValue]:
        try:
            return option_values(get_spec(model), self.option, self.values)
        except OptionError:  # a choice, for example; one row says what it should be
            return [self.values]

    def _sizes(self) -> list[int | tuple[int, int]]:
        """The sizes that are swept; [] if something else is."""
        if self.over not in ("size", "height", "ratio"):
            return []
        sides = whole_numbers(self.values, self.over)
        if self.over == "size":
            return [*sides]
        return [(side, self._width(side)) for side in sides]

    def _width(self, height: int) -> int:
        tall, wide = self.ratio
        return self.width if self.over == "height" else max(1, round(height * wide / tall))

    def refining(self) -> list[Point]:
        """All points, both ends of every curve first, then what lies between, ever finer."""
        lists = [self._points_of(model) for model in self.models]
        longest = max(map(len, lists), default=0)
        return [each[i] for i in coarse_to_fine(longest) for each in lists if i < len(each)]

    def at(self, row: Row) -> float | None:
        """The swept value of a row; None if the model has no such option."""
        if self.over == "batch":
            return row.batch
        if not self.option:
            return row.height
        value = json.loads(row.options)[self.option]
        return None if isinstance(value, str) else value

    def command(self) -> str:
        """The command line that computes the same."""
        words = ["python", "-m", "explorer", "sweep", "--models", ",".join(self.models)]
        if sizes := self._sizes_text():
            words += ["--sizes", sizes]
        batch = self.values if self.over == "batch" else str(self.batch)
        if batch != "1":
            words += ["--batch", batch]
        if self.option:
            words += ["--option", f"{self.option}={self.values}"]
        if self.device:
            words += ["--device", self.device, "--dtype", self.dtype]
        return shlex.join(words)

    def _sizes_text(self) -> str:
        if self.over == "size":
            return self.values
        sizes = self._sizes() or ([self.size] if self.size else [])
        return ",".join(f"{s[0]}x{s[1]}" if isinstance(s, tuple) else str(s) for s in sizes)


def coarse_to_fine(number: int) -> list[int]:
    """0 to number - 1: the ends, then the middle, then the quarters, and so on."""
    return sorted(range(number), key=lambda i: -(i & -i) if 0 < i < number - 1 else -number)


def numeric_options(models: Sequence[str]) -> list[str]:
    """Options that can be swept: the numbers that any of the models is built with."""
    return list(dict.fromkeys(name for model in models for name in _numbers(get_spec(model))))


def _numbers(spec: ModelSpec) -> Iterator[str]:
    for option in spec.options.values():
        if option.kind in ("int", "float") and option.name not in _FOLLOWS_INPUT:
            yield option.name


def natural_span(models: Sequence[str], over: str) -> Span:
    """A range worth a look, for these models.

    Args:
        models: at least one.
        over: as in `Sweep`.

    Raises:
        OptionError: none of the models has the option.
    """
    if over == "batch":
        return Span(1, 32, 1, 1, MAX_BATCH)
    if over in OVER:
        small = all(get_spec(model).input_shape[-2] <= 64 for model in models)
        return Span(16, 128, 8, 1, MAX_SIDE) if small else Span(64, 512, 32, 1, MAX_SIDE)
    return _option_span(models, over.removeprefix(OPTION))


def _option_span(models: Sequence[str], name: str) -> Span:
    """From a quarter to twice the first model's default, which is met, within all limits."""
    found = [get_spec(model).options[name] for model in models if name in _numbers(get_spec(model))]
    if not found:
        raise OptionError(
            _("None of the models has a number called {name!r}.").format(name=name), name
        )
    option = found[0]
    default = option.default if isinstance(option.default, (int, float)) else option.low
    least, most = max(option.low, default / 4), min(option.high, 2 * default)
    if default <= option.low:
        least, most = option.low, option.high if option.kind == "float" else 2 * option.low + 8
    step = _round_step((most - least) / 14, whole=option.kind == "int")
    first = default - step * math.floor(round((default - least) / step, 6))
    last = default + step * math.floor(round((most - default) / step, 6))
    low, high = min(each.low for each in found), max(each.high for each in found)
    if option.kind == "int":
        return Span(int(first), int(last), int(step), int(low), int(high))
    return Span(*(round(float(each), 6) for each in (first, last, step, low, high)))


def _round_step(about: float, *, whole: bool) -> float:
    """A power of two for whole numbers, else 1, 2 or 5 times a power of ten."""
    if whole:
        return 2 ** max(0, round(math.log2(about))) if about > 1 else 1
    power = 10.0 ** math.floor(math.log10(about))
    return next(digit * power for digit in (1, 2, 5, 10) if digit * power >= about * 0.999)


def number_text(x: float) -> str:
    """As short as it goes: 64, 0.35."""
    return str(x) if isinstance(x, int) else f"{x:.6f}".rstrip("0").rstrip(".")


def model_title(model: str) -> str:
    """How a model of any source is named among others: "ResNet-50", "timm:resnet50"."""
    return get_spec(model).title if source_of(model) == "layerwise" else model


def curves(sweep: Sweep, rows: Mapping[Key, Row], quantity: str) -> list[Curve]:
    """The curve of each model, as far as its rows go.

    Args:
        sweep: what was swept.
        rows: those that are finished.
        quantity: one of `QUANTITIES`.
    """
    return [_curve(sweep, model, rows, QUANTITIES[quantity]) for model in sweep.models]


def _curve(sweep: Sweep, model: str, rows: Mapping[Key, Row], quantity: Quantity) -> Curve:
    legal, illegal = [], []
    for row in (rows[p.key] for p in sweep._points_of(model) if p.key in rows):
        x = sweep.at(row)
        if x is None:
            continue
        where = _where(sweep, row, x)
        value = getattr(row, quantity.field)
        if value is None:
            illegal.append(Mark(x, None, f"{where}<br>{row.error}", row.layer))
        else:
            said = value_text(row, quantity.field)
            legal.append(Mark(x, value / quantity.scale, f"{where}<br>{said}"))
    return Curve(model_title(model), tuple(legal), tuple(illegal))


def _where(sweep: Sweep, row: Row, x: float | None) -> str:
    """Size, batch and swept option of a row: "3 × 224 × 224, batch of 1, groups=2"."""
    text = _("{size}, batch of {n}").format(size=row.input.replace("x", " × "), n=row.batch)
    if not sweep.option or x is None:
        return text
    return f"{text}{_(', ')}{sweep.option}={number_text(x)}"


MOST_MEASURED: Final = 9
"""Points of one model that are measured: the ends, the middle, the quarters and the eighths."""


def measurable(sweep: Sweep, rows: Mapping[Key, Row]) -> list[Work]:
    """The passes that are measured on request: of each model at most `MOST_MEASURED`.

    Args:
        sweep: what is swept.
        rows: those that are finished; what a model does not take is not measured.
    """
    works = []
    for model in sweep.models:
        points = sweep._points_of(model)
        legal = [point for point in points if point.key in rows and not rows[point.key].error]
        places = sorted(coarse_to_fine(len(legal))[:MOST_MEASURED])
        works += [_work(sweep, legal[place], rows[legal[place].key]) for place in places]
    return works


def _work(sweep: Sweep, point: Point, row: Row) -> Work:
    where = _where(sweep, row, sweep.at(row))
    return Work(
        _("{model} at {where}").format(model=model_title(point.model), where=where),
        point.model,
        (point.batch, *point.input_shape),
        point.options,
        row.macs or 0,
    )


def measured_curves(sweep: Sweep, times: Mapping[Work, LatencyRecord], here: str) -> list[Curve]:
    """The measured times of each model, in order.

    Args:
        sweep: what was swept.
        times: of some of `measurable(...)`.
        here: what was measured on, for the hover text.
    """
    found = []
    for model in sweep.models:
        marks = [
            Mark(_at(sweep, work), time.median_ms, f"{work.title}<br>{_time_text(time)}<br>{here}",
                 spread=(time.p10_ms or time.median_ms, time.p90_ms or time.median_ms))
            for work, time in times.items()
            if work.model == model
        ]  # fmt: skip
        marks.sort(key=lambda mark: mark.x)
        name = _("{model}, measured here").format(model=model_title(model))
        found.append(Curve(name, tuple(marks), ()))
    return found


def _at(sweep: Sweep, work: Work) -> float:
    """The swept value of a pass."""
    if sweep.option:
        value = dict(work.options)[sweep.option]
        return float(value) if isinstance(value, float) else int(value)  # type: ignore[arg-type]
    return work.input_shape[0] if sweep.over == "batch" else work.input_shape[-2]


def _time_text(time: LatencyRecord) -> str:
    text = _("{ms} ms measured")
    if time.p10_ms and time.p90_ms:
        text = _("{ms} ms measured, {low} to {high}")
    return text.format(
        ms=rounded(time.median_ms), low=rounded(time.p10_ms or 0), high=rounded(time.p90_ms or 0)
    )


def value_text(row: Row, field: str) -> str:
    """A row's value in short and in full: "4.09 G (4,089,184,256 MACs)"."""
    value = getattr(row, field)
    if field == "predicted_ms":
        return _("{ms} ms predicted, {device}, {dtype}").format(
            ms=rounded(value), device=row.device, dtype=row.dtype
        )
    if field.endswith("_bytes"):
        return _("{size} ({n} bytes)").format(size=memory(value), n=count(value))
    text = _("{short} ({exact} parameters)")
    if field == "macs":
        text = (
            _("at least {short} ({exact} MACs)") if row.lower_bound else _("{short} ({exact} MACs)")
        )
    return text.format(short=compact(value), exact=count(value))


def problems(sweep: Sweep, rows: Mapping[Key, Row]) -> list[str]:
    """One sentence for each model that does not take all values: how many, and why the first."""
    said = []
    for model in sweep.models:
        done = [rows[point.key] for point in sweep._points_of(model) if point.key in rows]
        failed = [row for row in done if row.error]
        if not failed:
            continue
        x = sweep.at(failed[0])
        if x is None:
            text = _("{model}: {sentence}")
            said.append(text.format(model=model_title(model), sentence=failed[0].error))
        else:
            said.append(
                _(
                    "{model} does not take {n} of {total} values. The first, at {x}: {sentence}"
                ).format(
                    model=model_title(model),
                    n=len(failed),
                    total=len(done),
                    x=number_text(x),
                    sentence=failed[0].error,
                )
            )
    return said
