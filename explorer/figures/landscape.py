"""All models on two axes, with the front that no other model is beyond."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import log10
from typing import Any, Final, Literal, NamedTuple

import plotly.graph_objects as go

from explorer.analysis.landscape import MEASURES, Candidate, Measure, front
from explorer.figures._layout import styled
from explorer.figures.theme import INK, KIND_COLORS, MUTED_INK
from explorer.figures.timeline import GROUPS
from explorer.text import N_, _

Colored = Literal["principle", "source", "year", "top1"]

COLORS: Final[dict[str, str]] = {
    "principle": N_("Principle"),
    "source": N_("Source"),
    "year": N_("Year"),
    "top1": N_("ImageNet top-1"),
}
"""What dots can be coloured by -> its title."""

_LOOKS: Final = {
    "plain": ("linear", "circle"),
    "branches": ("pooling", "square"),
    "residual and dense": ("convolution", "diamond"),
    "small": ("activation", "triangle-up"),
    "transformers": ("attention", "star"),
    "others": ("elementwise", "x"),
    "layerwise": ("convolution", "circle"),
    "torchvision": ("linear", "square"),
    "timm": ("attention", "diamond"),
}
_SCALE: Final = {
    "light": ["#9CC3E8", "#2C6CB0", "#0B2F5B"],
    "dark": ["#24507F", "#539BE0", "#CFE5FA"],
}
_DOT: Final = 9
_SMALLEST, _LARGEST = 6.0, 26.0
_WIDTH, _HEIGHT = 760, 540
"""Pixels that labels are spread over; the height is the figure's."""
_LABELS: Final = 12


def landscape(
    left: Sequence[Candidate],
    excluded: Mapping[str, tuple[str, ...]],
    candidates: Sequence[Candidate],
    *,
    x: Measure,
    y: Measure,
    size: str = "",
    color: str = "principle",
    marked: Sequence[str] = (),
    setting: str = "",
    way: str = "",
    theme: str = "light",
) -> go.Figure:
    """A dot for each model that limits leave, faint ones for the others, and the front.

    Args:
        left: models within the limits; those without a value on an axis have no dot.
        excluded: name of a model that a limit excludes -> which limits those are.
        candidates: all of them.
        x: axis from left to right.
        y: axis upwards.
        size: measure whose value sets a dot's diameter, on a logarithmic scale; "" for none.
        color: one of `COLORS`.
        marked: names of models that get a ring.
        setting: what predicted times and memory are of, for the hover cards.
        way: what recorded times are of; likewise.
        theme: "light" or "dark".

    Returns:
        A scatter chart; a dot's custom data is its model's name.
    """
    shown = [each for each in left if _has(each, x, y)]
    faint = [each for each in candidates if each.name in excluded and _has(each, x, y)]
    best = front(shown, x, y)
    figure = go.Figure()
    _faint(figure, faint, excluded, (x, y), theme)
    _front(figure, best, x, y, theme)
    diameters = _diameters(shown, MEASURES.get(size))
    said = _Said(setting, way)
    if color in ("year", "top1"):
        _by_value(figure, shown, (x, y), MEASURES[color], diameters, said, theme)
    else:
        _by_group(figure, shown, (x, y), color, diameters, said, theme)
    _rings(figure, [each for each in candidates if each.name in marked], x, y, diameters, theme)
    _labels(figure, shown, faint, best, marked, (x, y), theme)
    across = _(x.title)
    if x.key not in ("macs", "top1", "reid_map", "reid_rank1"):
        across = across[:1].lower() + across[1:]
    title = _("{y} against {x}").format(y=_(y.title), x=across)
    styled(figure, title, theme, height=_HEIGHT)
    figure.update_xaxes(showgrid=True)
    for update, measure in ((figure.update_xaxes, x), (figure.update_yaxes, y)):
        update(**_axis(measure, [measure.of(each) for each in (*shown, *faint)]))
    return figure.update_layout(hovermode="closest", clickmode="event+select")


def _has(each: Candidate, x: Measure, y: Measure) -> bool:
    return x.of(each) is not None and y.of(each) is not None


def _axis(measure: Measure, values: Sequence[float | None]) -> dict[str, Any]:
    text = _("{measure}, more is better") if measure.more else _("{measure}, less is better")
    title = text.format(measure=measure.label)
    if not measure.log:
        return {"title_text": title, "tickformat": "d" if measure.key == "year" else "~g"}
    if measure.unit not in ("ms", "MiB"):
        title = title.replace(f" ({measure.unit})", "")
        return {"title_text": title, "type": "log", "tickformat": "~s", "dtick": 1} | _range(values)
    # Of bytes the chart has MiB, so that its ticks are round.
    scaled = [None if value is None else value / measure.scale for value in values]
    return {"title_text": title, "type": "log", "tickformat": "~g", "dtick": 1} | _range(scaled)


def _range(values: Sequence[float | None]) -> dict[str, Any]:
    """Room for the largest dots; few decades get more ticks."""
    logs = [log10(value) for value in values if value]
    if not logs:
        return {}
    low, high = min(logs), max(logs)
    room = max(0.05 * (high - low), 0.05)
    ticks = {"dtick": "D2"} if high - low < 1.5 else {"dtick": 1}
    return {"range": [low - room, high + 1.6 * room], **ticks}


def _at(measure: Measure) -> Callable[[Candidate], Any]:
    """Where a candidate's dot is on an axis."""
    scale = measure.scale if measure.key == "memory" else 1
    return lambda each: None if measure.of(each) is None else (measure.of(each) or 0) / scale


def _diameters(shown: Sequence[Candidate], measure: Measure | None) -> dict[str, float]:
    if measure is None:
        return {each.name: _DOT for each in shown}
    values = {each.name: measure.of(each) for each in shown}
    scaled = {
        name: log10(value) if measure.log and value else value
        for name, value in values.items()
        if value is not None
    }
    low, high = min(scaled.values(), default=0), max(scaled.values(), default=1)
    wide = (high - low) or 1
    return {
        name: _SMALLEST + (_LARGEST - _SMALLEST) * (scaled[name] - low) / wide
        if name in scaled
        else _SMALLEST
        for name in values
    }


Axes = tuple[Measure, Measure]


class _Said(NamedTuple):
    """What times are of, for the hover cards."""

    setting: str
    way: str


def _faint(
    figure: go.Figure,
    faint: Sequence[Candidate],
    excluded: Mapping[str, tuple[str, ...]],
    axes: Axes,
    theme: str,
) -> None:
    if not faint:
        return
    figure.add_scatter(
        x=list(map(_at(axes[0]), faint)),
        y=list(map(_at(axes[1]), faint)),
        mode="markers",
        name=_("outside the limits"),
        marker={"color": MUTED_INK[theme], "size": 6, "opacity": 0.28, "line_width": 0},
        unselected={"marker": {"opacity": 0.28}},
        customdata=[[each.name] for each in faint],
        text=[
            _("<b>{model}</b><br>{values}<br>Excluded by: {limits}").format(
                model=each.title, values=_two(each, axes), limits=_(", ").join(excluded[each.name])
            )
            for each in faint
        ],
        hovertemplate="%{text}<extra></extra>",
    )


def _front(
    figure: go.Figure, best: Sequence[Candidate], x: Measure, y: Measure, theme: str
) -> None:
    """A staircase: the edge of what can be had, not a promise of what lies between."""
    figure.add_scatter(
        x=list(map(_at(x), best)),
        y=list(map(_at(y), best)),
        mode="lines",
        name=_("front ({n})").format(n=len(best)),
        line={"color": INK[theme], "width": 1.5, "shape": "vh" if x.more else "hv"},
        hoverinfo="skip",
    )


def _by_group(
    figure: go.Figure,
    shown: Sequence[Candidate],
    axes: Axes,
    color: str,
    diameters: Mapping[str, float],
    said: _Said,
    theme: str,
) -> None:
    for group, (kind, symbol) in _LOOKS.items():
        members = [each for each in shown if _group(each, color) == group]
        if members:
            marker = {"color": KIND_COLORS[theme][kind], "symbol": symbol}
            _dots(figure, members, axes, _(group), marker, diameters, said)


def _group(each: Candidate, color: str) -> str:
    if color == "source":
        return each.source
    found = (group for group, families in GROUPS.items() if each.family in families)
    return next(found, "others")


def _by_value(
    figure: go.Figure,
    shown: Sequence[Candidate],
    axes: Axes,
    measure: Measure,
    diameters: Mapping[str, float],
    said: _Said,
    theme: str,
) -> None:
    known = [each for each in shown if measure.of(each) is not None]
    unknown = [each for each in shown if measure.of(each) is None]
    if unknown:
        marker: dict[str, Any] = {"color": MUTED_INK[theme], "symbol": "circle-open"}
        name = _("{measure} not known").format(measure=_(measure.title))
        _dots(figure, unknown, axes, name, marker, diameters, said)
    if known:
        bar = {"title": {"text": measure.label, "side": "top"}, "thickness": 10, "len": 0.9}
        if measure.key == "year":
            bar |= {"tickformat": "d"}
        marker = {
            "color": [measure.of(each) for each in known],
            "colorscale": _SCALE[theme],
            "showscale": True,
            "colorbar": bar,
        }
        _dots(figure, known, axes, _(measure.title), marker, diameters, said)
        figure.data[-1].showlegend = False


def _dots(
    figure: go.Figure,
    members: Sequence[Candidate],
    axes: Axes,
    name: str,
    marker: Mapping[str, Any],
    diameters: Mapping[str, float],
    said: _Said,
) -> None:
    figure.add_scatter(
        x=list(map(_at(axes[0]), members)),
        y=list(map(_at(axes[1]), members)),
        mode="markers",
        name=name,
        marker={
            **marker,
            "size": [diameters[each.name] for each in members],
            "opacity": 0.85,
            "line_width": 0,
        },
        selected={"marker": {"opacity": 0.85}},
        unselected={"marker": {"opacity": 0.85}},
        customdata=[[each.name] for each in members],
        text=[_card(each, said) for each in members],
        hovertemplate="%{text}<extra></extra>",
    )


def _two(each: Candidate, axes: Axes) -> str:
    text = _("{measure}: {value}")
    return "<br>".join(
        text.format(measure=_(axis.title), value=axis.text(axis.of(each)))
        for axis in dict.fromkeys(axes)
    )


def _card(each: Candidate, said: _Said) -> str:
    """Everything that is known of one model."""
    family = _("{family}, {year}") if each.year else "{family}"
    family = family.format(family=each.family, year=each.year)
    lines = [_("<b>{model}</b> ({family})").format(model=each.title, family=family)]
    lines += [*_costs(each, said), _accuracy(each)]
    if each.reid_map is not None:
        lines.append(f"Market-1501 mAP {each.reid_map:.1f}%, rank-1 {each.reid_rank1:.1f}%")
    return "<br>".join(line for line in lines if line)


def _costs(each: Candidate, said: _Said) -> Iterator[str]:
    around = _("({text})")
    least = _("at least {n}") if each.lower_bound else "{n}"
    if each.params is not None:
        yield _("{params} parameters, {macs} MACs at {height} × {width}").format(
            params=MEASURES["params"].text(each.params),
            macs=least.format(n=MEASURES["macs"].text(each.macs)),
            height=each.height,
            width=each.width,
        )
    if each.ms is not None:
        yield _("Predicted {ms}, {size} of memory to run").format(
            ms=least.format(n=MEASURES["ms"].text(each.ms)),
            size=MEASURES["memory"].text(each.memory),
        )
        yield around.format(text=said.setting) if said.setting else ""
    if each.recorded_ms is not None:
        yield _("Recorded {ms}").format(ms=MEASURES["recorded_ms"].text(each.recorded_ms))
        yield around.format(text=said.way) if said.way else ""


def _accuracy(each: Candidate) -> str:
    if each.top1 is None:
        return _("No citable ImageNet accuracy")
    text = _("ImageNet top-1 {share} ({weights})")
    if each.other_size:
        text = _("ImageNet top-1 {share} ({weights}, at {size} × {size})")
    return text.format(share=f"{each.top1:.1f}%", weights=each.weights, size=each.crop)


def _rings(
    figure: go.Figure,
    ringed: Sequence[Candidate],
    x: Measure,
    y: Measure,
    diameters: Mapping[str, float],
    theme: str,
) -> None:
    ringed = [each for each in ringed if _has(each, x, y)]
    if ringed:
        figure.add_scatter(
            x=list(map(_at(x), ringed)),
            y=list(map(_at(y), ringed)),
            mode="markers",
            name=_("marked"),
            marker={
                "symbol": "circle-open",
                "color": KIND_COLORS[theme]["add"],
                "size": [diameters.get(each.name, 6) + 9 for each in ringed],
                "line": {"width": 2.5, "color": KIND_COLORS[theme]["add"]},
            },
            showlegend=False,
            hoverinfo="skip",
        )


def _labels(
    figure: go.Figure,
    shown: Sequence[Candidate],
    faint: Sequence[Candidate],
    best: Sequence[Candidate],
    marked: Sequence[str],
    axes: Axes,
    theme: str,
) -> None:
    """Name the marked models and as many of the front as have room beside each other."""
    x, y = axes
    spots = _spots((*shown, *faint), axes)
    first = [each for each in shown if each.name in marked]
    taken: list[_Box] = []
    for each in (*first, *(each for each in best if each.name not in marked)):
        # Beyond the front, where no dot is; a marked model's name on the other side of it.
        to_right, upwards = (x.more, y.more) if each in best else (not x.more, not y.more)
        box = _box(each.title, spots[each.name], to_right, upwards)
        crowded: list[_Box] = []
        if box.start < 0 or box.end > _WIDTH:  # it would run over the axis, or out of the chart
            to_right = not to_right
            box = _box(each.title, spots[each.name], to_right, upwards)
            # At the dots of the front its line goes up, which no name should cross either.
            steps = {other.name for other in best}
            crowded = [
                _Box(left - 6, left + 6, box.height if name in steps else up)
                for name, (left, up) in spots.items()
                if name != each.name
            ]
        if any(map(box.meets, (*taken, *crowded))) or len(taken) >= _LABELS:
            continue
        taken.append(box)
        figure.add_annotation(
            x=_place(x, each),
            y=_place(y, each),
            text=each.title,
            showarrow=False,
            xanchor="left" if to_right else "right",
            xshift=4 if to_right else -4,
            yshift=12 if upwards else -12,
            font={"size": 11.5, "color": INK[theme]},
        )


class _Box(NamedTuple):
    """Where a label is, in pixels from the chart's lower left corner."""

    start: float
    end: float
    height: float

    def meets(self, other: _Box) -> bool:
        apart = self.end < other.start or self.start > other.end
        return not apart and abs(self.height - other.height) <= 15


def _box(title: str, spot: tuple[float, float], to_right: bool, upwards: bool) -> _Box:
    left, height = spot
    start = left if to_right else left - 7 * len(title)
    return _Box(start, start + 7 * len(title) + 8, height + (14 if upwards else -14))


def _spots(drawn: Sequence[Candidate], axes: Axes) -> dict[str, tuple[float, float]]:
    """Where each dot is, in pixels from the lower left one."""
    places = {each.name: [_place(axis, each) for axis in axes] for each in drawn}
    lows = [min((place[i] for place in places.values()), default=0) for i in (0, 1)]
    highs = [max((place[i] for place in places.values()), default=1) for i in (0, 1)]
    spans = [(high - low) or 1 for low, high in zip(lows, highs, strict=True)]
    sizes = (_WIDTH, _HEIGHT - 150)
    return {
        name: (
            (place[0] - lows[0]) / spans[0] * sizes[0],
            (place[1] - lows[1]) / spans[1] * sizes[1],
        )
        for name, place in places.items()
    }


def _place(measure: Measure, each: Candidate) -> float:
    """Where an annotation finds the dot: on a logarithmic axis, the logarithm."""
    value = float(_at(measure)(each))
    return log10(value) if measure.log and value else value
