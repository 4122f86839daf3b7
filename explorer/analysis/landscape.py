"""Choosing among all models: what each costs in a setting, what a limit leaves, and the front.

A value that nobody states (an accuracy without a citable source, a year that a library does not
give) is None. It passes no limit on it, has no dot on an axis of it, and is counted as unknown.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Literal, NamedTuple

import pandas as pd

from explorer._torchvision import import_torchvision
from explorer.analysis.catalogue import Accuracy, accuracies
from explorer.analysis.profiles import Profile, Setting, peak_bytes, predicted_ms
from explorer.analysis.published import ReidRow, reid
from explorer.analysis.units import compact, memory, rounded
from explorer.latency import LatencyRecord
from explorer.latency.ways import Place
from explorer.models._registry import ModelSpec
from explorer.text import N_, _
from explorer.zoo import get_spec, list_models, source_of

Key = Literal[
    "params", "macs", "ms", "recorded_ms", "memory", "top1", "reid_map", "reid_rank1", "year"
]

_SAME_FAMILY = {"visiontransformer": "ViT", "googlenet": "Inception"}
"""Modules of libraries that are called otherwise than the family of ours that they hold."""


class Candidate(NamedTuple):
    """One model in one setting."""

    name: str
    title: str
    family: str
    source: str
    height: int
    width: int
    params: int | None
    """This and the three costs below are None if the model does not take the size."""
    macs: int | None
    """Of one image."""
    ms: float | None
    """Predicted, of the whole batch."""
    recorded_ms: float | None
    """Measured earlier, of this input size, in the chosen way; None if nobody has."""
    memory: int | None
    """Bytes of weights, buffers and the peak of activations, of the whole batch."""
    year: int | None
    """Of the paper; of a library's model only if we have one of its name, as the library does
    not say it."""
    top1: float | None
    """Percent, published, of the weights with the highest; on images of `crop` pixels."""
    weights: str
    """Which weights that is of; "" if none."""
    crop: int | None
    accuracy_source: str
    reid_map: float | None
    """Percent, published, of the re-identification table's row with the highest."""
    reid_rank1: float | None
    reid_row: str
    lower_bound: bool
    problem: str
    """Why there are no costs, in one sentence; "" if there are."""

    @property
    def other_size(self) -> bool:
        """Whether its accuracy was measured at another size than its costs are counted at."""
        return self.crop is not None and (self.height, self.width) != (self.crop, self.crop)


class Measure(NamedTuple):
    """What an axis, a limit or a size of dots can be of."""

    key: Key
    title: str
    unit: str
    """As a limit and a table have it."""
    scale: float
    """How many of the candidate's units are one of these."""
    more: bool
    """Whether more is better."""
    log: bool
    text: Callable[[Any], str]

    def of(self, candidate: Candidate) -> float | None:
        """The candidate's value, None if it is not known."""
        value: float | None = getattr(candidate, self.key)
        return value

    @property
    def label(self) -> str:
        """Title with unit, as an axis has it."""
        title = _(self.title)
        return _("{title} ({unit})").format(title=title, unit=self.unit) if self.unit else title


def _ms(value: float) -> str:
    return f"{rounded(value)} ms"


MEASURES: dict[str, Measure] = {
    measure.key: measure
    for measure in (
        Measure("top1", N_("ImageNet top-1"), "%", 1, True, False, lambda x: f"{x:.1f}%"),
        Measure("params", N_("Parameters"), "M", 1e6, False, True, compact),
        Measure("macs", N_("MACs per image"), "G", 1e9, False, True, compact),
        Measure("ms", N_("Predicted time"), "ms", 1, False, True, _ms),
        Measure("recorded_ms", N_("Recorded time"), "ms", 1, False, True, _ms),
        Measure("memory", N_("Memory to run"), "MiB", 2**20, False, True, memory),
        Measure("year", N_("Year"), "", 1, True, False, str),
        Measure("reid_map", "Market-1501 mAP", "%", 1, True, False, lambda x: f"{x:.1f}%"),
        Measure("reid_rank1", "Market-1501 rank-1", "%", 1, True, False, lambda x: f"{x:.1f}%"),
    )
}


# ------------------------------------------------------------------------- candidates


def candidate(
    found: Profile, setting: Setting, recorded: Mapping[Place, LatencyRecord] | None = None
) -> Candidate:
    """What a model costs in a setting, with what is published and recorded of it.

    Args:
        found: of one model at one size.
        setting: what time and memory are predicted for.
        recorded: times in one way, see `explorer.latency.times`.

    Raises:
        ExplorerError: the setting's device has no peak rate for its number type.
    """
    spec = get_spec(found.name)
    stated = accuracy_of(found.name)
    person = _reid_of(found.name)
    counted = found.params is not None
    record = (recorded or {}).get((found.name, found.height, found.width))
    return Candidate(
        name=found.name,
        title=spec.title,
        family=family_of(found.name),
        source=source_of(found.name),
        height=found.height,
        width=found.width,
        params=found.params,
        macs=found.macs,
        ms=predicted_ms(found, setting) if counted else None,
        recorded_ms=record.median_ms if record else None,
        memory=peak_bytes(found, setting) if counted else None,
        year=year_of(found.name),
        top1=stated.top1 if stated else None,
        weights=stated.weights if stated else "",
        crop=stated.crop if stated else None,
        accuracy_source=stated.source if stated else "",
        reid_map=person.mean_ap if person else None,
        reid_rank1=person.rank1 if person else None,
        reid_row=person.model if person else "",
        lower_bound=found.lower_bound,
        problem=found.problem,
    )


@cache
def family_of(name: str) -> str:
    """The family of a model of any source.

    A library's model is of the family of ours that has its name; else of the family that the
    library's module is called after, "resnetv2" being our ResNet v2 and "mobilenetv3" our
    MobileNet; else the module's own name stands for a family.
    """
    if twin := _twin(name):
        return twin.family
    module = get_spec(name).family
    known = {_letters(each): each for each in our_families()} | _SAME_FAMILY
    short = _letters(module)
    return known.get(short) or known.get(re.sub(r"v[0-9]+$", "", short)) or module


@cache
def year_of(name: str) -> int | None:
    """The year of a model's paper; of a library's only if we have a model of its name."""
    twin = _twin(name)
    return twin.year or None if twin else None


@cache
def our_families() -> tuple[str, ...]:
    """Families of our own models, in the order of their first papers."""
    return tuple(dict.fromkeys(get_spec(name).family for name in list_models()))


def families_of(names: Iterable[str]) -> tuple[str, ...]:
    """Families of some models, ours first, then those that only a library has."""
    found = {family_of(name) for name in names}
    ours = [family for family in our_families() if family in found]
    return (*ours, *sorted(found.difference(ours)))


def _twin(name: str) -> ModelSpec | None:
    """Our model of a name, or of the name that a library's model has behind its source."""
    plain = name.rpartition(":")[2]
    return get_spec(plain) if plain in list_models() else None


def _letters(family: str) -> str:
    return re.sub("[^a-z0-9]", "", family.lower())


def accuracy_of(name: str) -> Accuracy | None:
    """The best accuracy that torchvision states of its weights for a model, if it states one.

    It stands for our model of that name, whose outputs are torchvision's, and for torchvision's
    own; timm's weights of that name are others.
    """
    source, plain = source_of(name), name.rpartition(":")[2]
    if source == "timm":
        return None
    rows = accuracies().get(plain)
    if rows:
        return rows[0]
    return _stated(plain) if source == "torchvision" else None


@cache
def _stated(plain: str) -> Accuracy | None:
    """What the installed torchvision says of a model that we do not have ourselves."""
    if plain.endswith(".backbone"):
        return None
    source = f"torchvision {importlib.metadata.version('torchvision')}"
    rows = []
    for weights in import_torchvision().models.get_model_weights(plain):
        metrics = weights.meta.get("_metrics", {}).get("ImageNet-1K", {})
        if "acc@1" in metrics:
            crop = weights.transforms().crop_size[0]
            recipe = weights.meta.get("recipe", "")
            top1, top5 = metrics["acc@1"], metrics["acc@5"]
            rows.append(Accuracy(plain, weights.name, top1, top5, crop, recipe, source))
    return max(rows, key=lambda row: row.top1, default=None)


def _reid_of(name: str) -> ReidRow | None:
    """The row of the re-identification table with the highest mAP, if it has the model."""
    rows = [row for row in reid() if row.name == name]
    return max(rows, key=lambda row: row.mean_ap, default=None)


# ----------------------------------------------------------------------------- limits


class Limits(NamedTuple):
    """What a model must keep to; None and () ask for nothing. In the candidates' units."""

    params: float | None = None
    """At most, as the next four."""
    macs: float | None = None
    ms: float | None = None
    recorded_ms: float | None = None
    memory: float | None = None
    top1: float | None = None
    """At least, as the next one."""
    reid_map: float | None = None
    since: int | None = None
    until: int | None = None
    families: tuple[str, ...] = ()


class Exclusion(NamedTuple):
    """What one limit takes away."""

    key: str
    sentence: str
    """The limit: "Parameters ≤ 25 M"."""
    total: int
    """Models that it excludes."""
    alone: int
    """Those that no other limit excludes: what dropping this one would bring back."""
    unknown: int
    """Those whose value is not known."""


class Verdict(NamedTuple):
    """What limits leave."""

    left: tuple[Candidate, ...]
    exclusions: tuple[Exclusion, ...]
    """One for each limit that is set, and for the input size if it excludes a model."""
    reasons: dict[str, tuple[str, ...]]
    """Name of an excluded model -> the sentences of the limits that exclude it."""


Test = Callable[[Candidate], bool | None]
"""True to keep, False to exclude, None if the value is not known."""


def judge(candidates: Iterable[Candidate], limits: Limits) -> Verdict:
    """Keep the candidates within all limits, and say what each limit excludes."""
    candidates = tuple(candidates)
    tests = list(_tests(limits))
    failed: dict[str, list[str]] = {}
    unknown: dict[str, int] = {}
    for each in candidates:
        for key, _limit, test in tests:
            result = test(each)
            if not result:
                failed.setdefault(each.name, []).append(key)
                unknown[key] = unknown.get(key, 0) + (result is None)
    exclusions = []
    for key, sentence, _test in tests:
        keys = [each for each in failed.values() if key in each]
        alone = sum(each == [key] for each in keys)
        if keys or key != "size":
            exclusions.append(Exclusion(key, sentence, len(keys), alone, unknown.get(key, 0)))
    sentences = {key: sentence for key, sentence, _ in tests}
    return Verdict(
        tuple(each for each in candidates if each.name not in failed),
        tuple(exclusions),
        {name: tuple(sentences[key] for key in keys) for name, keys in failed.items()},
    )


def _tests(limits: Limits) -> Iterator[tuple[str, str, Test]]:
    yield "size", _("Takes the input size"), lambda each: not each.problem
    for key in ("params", "macs", "ms", "recorded_ms", "memory", "top1", "reid_map"):
        bound = getattr(limits, key)
        if bound is not None:
            yield key, _sentence(MEASURES[key], bound), _within(MEASURES[key], bound)
    if limits.since is not None or limits.until is not None:
        since, until = limits.since or 0, limits.until or 9999
        yield (
            "year",
            _years(limits),
            lambda each: None if each.year is None else since <= each.year <= until,
        )
    if limits.families:
        kept = frozenset(limits.families)
        named = _("Family: one of {n}").format(n=len(kept))
        if len(kept) < 4:
            named = _("Family: {names}").format(names=_(", ").join(limits.families))
        yield "family", named, lambda each: each.family in kept


def _within(measure: Measure, bound: float) -> Test:
    def test(each: Candidate) -> bool | None:
        value = measure.of(each)
        if value is None:
            # Of a model that does not take the size the cost is not unknown: there is none.
            return None if not each.problem or measure.more else True
        return value >= bound if measure.more else value <= bound

    return test


def _sentence(measure: Measure, bound: float) -> str:
    sign = "≥" if measure.more else "≤"
    unit = measure.unit if measure.unit == "%" else f" {measure.unit}"
    return f"{_(measure.title)} {sign} {bound / measure.scale:,.6g}{unit}"


def _years(limits: Limits) -> str:
    if limits.since is None:
        return _("Year ≤ {until}").format(until=limits.until)
    if limits.until is None:
        return _("Year ≥ {since}").format(since=limits.since)
    return _("Year {since} to {until}").format(since=limits.since, until=limits.until)


# -------------------------------------------------------------------------- the front


def front(candidates: Iterable[Candidate], x: Measure, y: Measure) -> tuple[Candidate, ...]:
    """The candidates that no other beats: as good on both axes, and better on one.

    Args:
        candidates: those without a value on an axis are left out.
        x: one axis.
        y: the other.

    Returns:
        In the order of rising x.
    """
    goods = {}
    for each in candidates:
        at = (x.of(each), y.of(each))
        if at[0] is not None and at[1] is not None:
            goods[each] = (at[0] if x.more else -at[0], at[1] if y.more else -at[1])
    kept: list[Candidate] = []
    last: tuple[float, float] | None = None
    for each, good in sorted(goods.items(), key=lambda item: item[1], reverse=True):
        if last is None or good[1] > last[1] or good == last:
            kept.append(each)
            last = good
    return tuple(kept[::-1] if x.more else kept)


def marked(before: Sequence[str], clicked: str) -> tuple[str, ...]:
    """The one or two models that are marked after a click: the second click compares."""
    if clicked in before:
        return tuple(before)
    return (*before[:1], clicked)


# -------------------------------------------------------------------------- the table


def table(
    candidates: Sequence[Candidate], on_front: Iterable[str], setting: Setting, way: str = ""
) -> pd.DataFrame:
    """Exact numbers, one row for each model; what is not known is missing.

    Args:
        candidates: the rows.
        on_front: names of those on the Pareto front.
        setting: what predicted times and memory are of; it stands in every row.
        way: what recorded times are of; likewise.
    """
    chosen = frozenset(on_front)
    columns: Mapping[str, Any] = {
        "Model": [each.title for each in candidates],
        "Name": [each.name for each in candidates],
        "Front": [N_("front") if each.name in chosen else "" for each in candidates],
        "Top-1 %": pd.array([each.top1 for each in candidates], dtype="Float64"),
        "Params": pd.array([each.params for each in candidates], dtype="Int64"),
        "MACs": pd.array([each.macs for each in candidates], dtype="Int64"),
        "Predicted ms": pd.array(
            [None if each.ms is None else round(each.ms, 4) for each in candidates],
            dtype="Float64",
        ),
        "Recorded ms": pd.array(
            [
                None if each.recorded_ms is None else round(each.recorded_ms, 4)
                for each in candidates
            ],
            dtype="Float64",
        ),
        "Memory B": pd.array([each.memory for each in candidates], dtype="Int64"),
        "Year": pd.array([each.year for each in candidates], dtype="Int64"),
        "Family": [each.family for each in candidates],
        "Input": [f"{each.height}×{each.width}" for each in candidates],
        "mAP %": pd.array([each.reid_map for each in candidates], dtype="Float64"),
        "Rank-1 %": pd.array([each.reid_rank1 for each in candidates], dtype="Float64"),
        "Weights": [each.weights for each in candidates],
        "Crop": pd.array([each.crop for each in candidates], dtype="Int64"),
        "Accuracy source": [each.accuracy_source for each in candidates],
        "Setting": [setting.statement()] * len(candidates),
        "Recorded on": [way if each.recorded_ms is not None else "" for each in candidates],
    }
    return pd.DataFrame(columns)


def as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """The same table with every cell as text: digits grouped, what is missing left empty."""
    return pd.DataFrame({name: list(map(_text, frame[name])) for name in frame.columns})


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if pd.isna(value):
        return ""
    return f"{value:,}" if value > 9999 else str(value)


def to_latex(frame: pd.DataFrame, caption: str) -> str:
    """The table as LaTeX for the booktabs package, numbers to the right."""
    right = [pd.api.types.is_numeric_dtype(frame[name]) for name in frame.columns]
    rows = as_text(frame).itertuples(index=False, name=None)
    lines = [
        "% Needs \\usepackage{booktabs}.",
        "\\begin{table}",
        f"\\caption{{{latex_text(caption)}}}",
        f"\\begin{{tabular}}{{{''.join('r' if each else 'l' for each in right)}}}",
        "\\toprule",
        _latex_row(frame.columns),
        "\\midrule",
        *map(_latex_row, rows),
        "\\bottomrule",
        "\\end{tabular}",
        "\\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _latex_row(cells: Iterable[str]) -> str:
    return " & ".join(map(latex_text, cells)) + " \\\\"


def latex_text(text: str) -> str:
    """Text as LaTeX sets it, what it would read as a command escaped."""
    signs = {sign: f"\\{sign}" for sign in "&%$#_{}"}
    signs |= {"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}",
              "×": "$\\times$", "≤": "$\\leq$", "≥": "$\\geq$", "−": "$-$", "·": "$\\cdot$",
              "→": "$\\to$", "–": "--", "µ": "$\\mu$", "²": "$^2$", "ᵀ": "$^T$"}  # fmt: skip
    return "".join(signs.get(sign, sign) for sign in text)
