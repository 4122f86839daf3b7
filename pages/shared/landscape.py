"""The controls, chart, cards and table of the page that chooses among all models."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import pandas as pd
import streamlit as st

from explorer.analysis.landscape import (
    MEASURES,
    Candidate,
    Exclusion,
    Limits,
    Verdict,
    as_text,
    candidate,
    front,
    judge,
    marked,
    to_latex,
)
from explorer.analysis.landscape import table as exact_table
from explorer.analysis.layers import to_csv, to_markdown
from explorer.analysis.profiles import DTYPES, Setting, dtypes_of
from explorer.analysis.roofline import devices, get_device
from explorer.analysis.units import rounded
from explorer.diagram.heat import DEFAULT_DEVICE
from explorer.errors import UnknownModelError
from explorer.figures.landscape import COLORS, landscape
from explorer.latency import Way, recorded_ways
from explorer.zoo import available_sources, get_spec
from pages.shared import address, cache, reading
from pages.shared.catalogue import open_model
from pages.shared.choice import MAX_BATCH, MAX_SIZE, native_choice
from pages.shared.sidebar import PRESETS
from pages.shared.text import N_, _, joined
from pages.shared.widgets import plain, theme

_NATIVE: Final = "native"
_PRESETS: Final = (_NATIVE, *(f"{height}x{width}" for height, width in PRESETS))
_DTYPE_TITLES: Final = {"tf32": "TF32"}
_EQUAL: Final = "equal"
_SIZED: Final = (_EQUAL, "params", "macs", "ms", "recorded_ms", "memory")
_BOUNDS: Final = ("params", "macs", "ms", "recorded_ms", "memory", "top1", "reid_map")
_EXAMPLES: Final = {"params": "30", "macs": "5", "ms": "2", "recorded_ms": "20", "memory": "500",
                    "top1": "75", "reid_map": "70"}  # fmt: skip
_SHORT: Final = {
    "macs": N_("MACs"), "reid_map": N_("Re-id mAP"), "ms": N_("Predicted"), "top1": N_("Top-1"),
    "memory": N_("Memory"), "params": N_("Params"), "recorded_ms": N_("Recorded"),
}  # fmt: skip
"""Of a measure, where there is little room."""
_LONG: Final = 400
"""Models of a source from which on tracing them takes a click."""
_REDRAW_SECONDS: Final = 1.5
_CHART: Final = "landscape_chart"
_TABLE: Final = "landscape_table"


class View(NamedTuple):
    """What of the landscape is shown. Small and hashable: a key of caches."""

    size: tuple[int, int] | None
    """(height, width) for all; None is each model's own."""
    device: str
    dtype: str
    batch: int
    way: Way
    """In which recorded times were taken."""
    sources: tuple[str, ...]
    limits: Limits
    x: str
    y: str
    dots: str
    """Measure that sets the dots' size; "" for none."""
    color: str
    marked: tuple[str, ...]
    only_front: bool

    @property
    def setting(self) -> Setting:
        """What predicted times and memory are of."""
        return Setting(get_device(self.device), self.dtype, self.batch)


# ---------------------------------------------------------------- the view and its link


def open_view() -> View:
    """Read the view from the session, or from the address where that speaks, and record it."""
    restore = address.restore
    size = restore("at", "landscape_size", _size, _NATIVE)
    names = tuple(device.name for device in devices())
    device = restore("device", "landscape_device", reading.one_of(names), DEFAULT_DEVICE)
    dtype = restore("dtype", "landscape_dtype", reading.one_of(DTYPES), DTYPES[0])
    if dtype not in dtypes_of(get_device(device)):
        dtype = st.session_state["landscape_dtype"] = DTYPES[0]
    batch = restore("batch", "landscape_batch", reading.whole_number(1, MAX_BATCH), 1)
    others = [source for source in available_sources() if source != "layerwise"]
    sources: list[str] = restore("sources", "landscape_sources", reading.some_of(others), [])
    ways = {way.name: way for way in recorded_ways()}
    first_way = next(iter(ways))
    way = restore("recorded", "landscape_way", reading.one_of([*ways]), first_way)
    x = restore("x", "landscape_x", reading.one_of(tuple(MEASURES)), "macs")
    y = restore("y", "landscape_y", reading.one_of(tuple(MEASURES)), "top1")
    dots = restore("dots", "landscape_dots", reading.one_of(_SIZED), _EQUAL)
    color = restore("color", "landscape_color", reading.one_of(tuple(COLORS)), "principle")
    one = restore("model", "landscape_one", _model, "")
    two = restore("with", "landscape_two", _model, "")
    only = restore("rows", "landscape_only", {"front": True}.get, False)
    address.record(
        {
            "at": size if size != _NATIVE else None,
            "device": device if device != DEFAULT_DEVICE else None,
            "dtype": dtype if dtype != DTYPES[0] else None,
            "batch": str(batch) if batch != 1 else None,
            "recorded": reading.unless(way, first_way),
            "sources": ",".join(sources) or None,
            "x": x if x != "macs" else None,
            "y": y if y != "top1" else None,
            "dots": dots if dots != _EQUAL else None,
            "color": color if color != "principle" else None,
            "model": one or None,
            "with": two or None,
            "rows": "front" if only else None,
        }
    )
    return View(
        size=None if size == _NATIVE else reading.pair(size),
        device=device,
        dtype=dtype,
        batch=batch,
        way=ways[way],
        sources=("layerwise", *sources),
        limits=_limits(("layerwise", *sources), None if size == _NATIVE else reading.pair(size)),
        x=x,
        y=y,
        dots="" if dots == _EQUAL else dots,
        color=color,
        marked=tuple(name for name in (one, two) if name),
        only_front=only,
    )


def _limits(sources: tuple[str, ...], at: tuple[int, int] | None) -> Limits:
    """The limits, which the address has in the units that the page shows."""
    shown: dict[str, float | None] = {}
    for key in _BOUNDS:
        shown[key] = address.restore(key, f"landscape_max_{key}", reading.number, None)
        address.record({key: None if shown[key] is None else f"{shown[key]:g}"})
    since = address.restore("since", "landscape_since", reading.whole_number(1900, 2100), None)
    until = address.restore("until", "landscape_until", reading.whole_number(1900, 2100), None)
    families: list[str] = address.restore(
        "families",
        "landscape_families",
        lambda text: reading.some_of(_families(sources, at, reading.listed(text)))(text),
        [],
    )
    # A family that only a source has which was taken away is none any more.
    known = _families(sources, at, families)
    families = st.session_state["landscape_families"] = [f for f in families if f in known]
    address.record(
        {
            "since": None if since is None else str(since),
            "until": None if until is None else str(until),
            "families": ",".join(families) or None,
        }
    )
    bounds = {
        key: None if value is None else value * MEASURES[key].scale for key, value in shown.items()
    }
    return Limits(**bounds, since=since, until=until, families=tuple(families))


def _families(
    sources: tuple[str, ...], at: tuple[int, int] | None, chosen: Sequence[str]
) -> tuple[str, ...]:
    """Families to choose from; those of a source that is not traced only if one is chosen.

    To ask a library of a thousand models for their families takes seconds.
    """
    ready = [s for s in sources if s == "layerwise" or cache.choosing.is_surveyed((s,), at)]
    known = cache.choosing.families(tuple(ready))
    unknown = any(family not in known for family in chosen)
    return cache.choosing.families(sources) if unknown else known


def _clear() -> None:
    address.touch()
    state = st.session_state
    for key in (*(f"landscape_max_{key}" for key in _BOUNDS), "landscape_since", "landscape_until"):
        state[key] = None
    state["landscape_families"] = []


# ---------------------------------------------------------------------------- controls


def controls(view: View) -> None:
    """The sidebar: what everything is counted at, and the limits."""
    with st.sidebar, st.container(gap="small", key="limits"):
        _setting(view)
        st.subheader(_("Limits"))
        pairs = (("params", "macs"), ("ms", "recorded_ms"), ("memory", "top1"))
        for pair in pairs:
            for column, key in zip(_two_columns(), pair, strict=True):
                _bound(column, key)
        _bound(st, "reid_map")
        for column, key, label in zip(
            _two_columns(), ("since", "until"), (_("Year from"), _("Year to")), strict=True
        ):
            column.number_input(
                label, 1900, 2100, None, key=f"landscape_{key}", placeholder=_("any"),
                on_change=address.touch,
            )  # fmt: skip
        st.multiselect(
            _("Families"),
            _families(view.sources, view.size, st.session_state["landscape_families"]),
            key="landscape_families",
            placeholder=_("All"), on_change=address.touch,
            help=_(
                "A library's model is of our family if we have one of its name, or if "
                "its module is called after it; else its module stands for a family."
            ),
        )  # fmt: skip
        st.button(
            _("No limits"), key="landscape_clear", type="tertiary", icon=":material/restart_alt:",
            on_click=_clear,
        )  # fmt: skip


def _setting(view: View) -> None:
    state = st.session_state
    sizes = (*_PRESETS, *({state["landscape_size"]} - set(_PRESETS)))
    st.selectbox(
        _("Input size"),
        sizes,
        key="landscape_size",
        format_func=_size_title,
        on_change=address.touch,
    )
    st.selectbox(
        _("Device of the prediction"),
        [device.name for device in devices()],
        key="landscape_device",
        on_change=address.touch,
    )
    dtype, batch = _two_columns()
    dtype.selectbox(
        _("Number type"),
        dtypes_of(get_device(view.device)),
        key="landscape_dtype",
        format_func=lambda name: _DTYPE_TITLES.get(name, name),
        on_change=address.touch,
    )
    batch.number_input(_("Batch"), 1, MAX_BATCH, key="landscape_batch", on_change=address.touch)
    ways = {way.name: way for way in recorded_ways()}
    if len(ways) > 1:
        st.selectbox(
            _("Recorded times of"),
            [*ways],
            key="landscape_way",
            format_func=lambda name: ways[name].statement(),
            on_change=address.touch,
        )
    others = [source for source in available_sources() if source != "layerwise"]
    if others:
        st.pills(
            _("Also the models of"),
            others,
            selection_mode="multi",
            key="landscape_sources",
            on_change=address.touch,
        )


def _size_title(size: str) -> str:
    return _("each one's own") if size == _NATIVE else size.replace("x", " × ")


def _two_columns() -> Sequence[Any]:
    return st.columns(2, gap="xsmall", wrap=False)


def _bound(place: Any, key: str) -> None:
    measure = MEASURES[key]
    sign = "≥" if measure.more else "≤"
    place.number_input(
        f"{_(_SHORT[key])} {sign} {measure.unit}",
        0.0,
        None,
        None,
        key=f"landscape_max_{key}",
        placeholder=_("e.g. {example}").format(example=_EXAMPLES[key]),
        format="%g",
        on_change=address.touch,
    )


def axes() -> None:
    """What the chart shows."""
    measures = list(MEASURES)
    chosen: tuple[tuple[str, str, Sequence[str], Callable[[str], str]], ...] = (
        ("x", _("Left to right"), measures, _measure_title),
        ("y", _("Upwards"), measures, _measure_title),
        ("dots", _("Size of dots"), _SIZED, _measure_title),
        ("color", _("Colour"), tuple(COLORS), lambda key: _(COLORS[key])),
    )
    with st.grid(4, min_column_width=140, gap="small", key="landscape_axes"):
        for key, label, options, title in chosen:
            st.selectbox(
                label, options, key=f"landscape_{key}", format_func=title, on_change=address.touch
            )


def _measure_title(key: str) -> str:
    return _("All equal") if key == _EQUAL else _(MEASURES[key].title)


# -------------------------------------------------------------------------- the models


class Places(NamedTuple):
    """Where things go that change while models stream in."""

    progress: Any
    headline: Any
    chart: Any


def places() -> Places:
    """Reserve the places."""
    return Places(st.empty(), st.empty(), st.empty())


def candidates(view: View, place: Places) -> tuple[Candidate, ...]:
    """All models of the chosen sources in the chosen setting; they stream in with progress."""
    long = [source for source in view.sources if _needs_click(source, view)]
    sources = tuple(source for source in view.sources if source not in long)
    if not cache.choosing.is_surveyed(sources, view.size):
        _stream(view, sources, place)
        cache.choosing.note_surveyed(sources, view.size)
    for source in long:
        _offer(source, view)
    return cache.choosing.candidates(sources, view.size, view.setting, view.way)


def _needs_click(source: str, view: View) -> bool:
    """Whether a source is so large that it is traced only if a click asks for it."""
    if source != "timm" or ("timm", view.size) in st.session_state.get("landscape_asked", ()):
        return False
    return not cache.choosing.is_surveyed(view.sources, view.size)


def _offer(source: str, view: View) -> None:
    st.button(
        _("Trace all of {source}, well over a thousand models: several minutes").format(
            source=source
        ),
        key=f"landscape_trace_{source}",
        icon=":material/play_arrow:",
        on_click=_ask,
        args=(source, view.size),
    )


def _ask(source: str, size: tuple[int, int] | None) -> None:
    address.touch()
    asked: tuple[Any, ...] = st.session_state.get("landscape_asked", ())
    st.session_state["landscape_asked"] = (*asked, (source, size))


def _stream(view: View, sources: Sequence[str], place: Places) -> None:
    """Trace what is missing, and show what there is every other second."""
    names = cache.choosing.survey_names(tuple(sources))
    setting, known = view.setting, cache.choosing.recorded_times(view.way)
    found: list[Candidate] = []
    drawn = 0.0
    for done, profile in enumerate(cache.choosing.survey().profiles(names, view.size), 1):
        found.append(candidate(profile, setting, known))
        if time.monotonic() - drawn > (_REDRAW_SECONDS if drawn else 0.0) and done > 3:
            place.progress.progress(
                done / len(names),
                _("Traced {model}, {n} of {total}").format(
                    model=found[-1].title, n=done, total=len(names)
                ),
            )
            _partial(view, found, place)
            drawn = time.monotonic()
    place.progress.empty()


def _partial(view: View, found: Sequence[Candidate], place: Places) -> None:
    verdict = judge(found, view.limits)
    place.headline.markdown(
        _("**{n} of the first {total} models** are left.").format(
            n=len(verdict.left), total=len(found)
        )
    )
    figure = landscape(
        verdict.left,
        verdict.reasons,
        found,
        x=MEASURES[view.x],
        y=MEASURES[view.y],
        size=view.dots,
        color=view.color,
        marked=view.marked,
        theme=theme(),
    )
    place.chart.plotly_chart(
        figure,
        key=f"landscape_partial_{len(found)}",
        theme=None,
        config={"displayModeBar": False},
    )


# ---------------------------------------------------------------------------- what is left


def headline(view: View, all_models: Sequence[Candidate], place: Places) -> Verdict:
    """How many models are left, what excludes how many, and what is not known."""
    verdict = judge(all_models, view.limits)
    badges = [
        f":{'orange' if each.total else 'gray'}-background[{_badge(each)}]"
        for each in verdict.exclusions
    ]
    left = _("**{n:,} of {total:,} models** are left.").format(
        n=len(verdict.left), total=len(all_models)
    )
    with place.headline.container(gap="xxsmall", key="landscape_headline"):
        st.markdown(f"{left} {' '.join(badges)}")
        st.caption(_known(view, all_models, verdict))
    return verdict


def _badge(limit: Exclusion) -> str:
    """What one limit excludes."""
    parts = []
    if limit.total and limit.alone != limit.total:
        parts.append(_("{n:,} by it alone").format(n=limit.alone))
    if limit.unknown:
        parts.append(_("{n:,} not known").format(n=limit.unknown))
    text = _("{limit}: excludes {n:,} ({details})") if parts else _("{limit}: excludes {n:,}")
    return text.format(limit=plain(limit.sentence), n=limit.total, details=_(", ").join(parts))


def _known(view: View, all_models: Sequence[Candidate], verdict: Verdict) -> str:
    sentences = [
        _("Times are predicted by the roofline model, not measured: {setting}.").format(
            setting=view.setting.statement()
        )
    ]
    if _asks_for_records(view):
        here = sum(each.recorded_ms is not None for each in all_models)
        sentences.append(
            _(
                "Recorded times were measured earlier, in one way: {way}. "
                "{n:,} of {total:,} models have one at this size, and none is guessed."
            ).format(way=view.way.statement(), n=here, total=len(all_models))
        )
    without = sum(each.top1 is None for each in all_models)
    sentences.append(
        _(
            "{n:,} of {total:,} have no ImageNet accuracy that can be cited, and none is guessed."
        ).format(n=without, total=len(all_models))
    )
    undrawn = sum(
        any(MEASURES[key].of(each) is None for key in (view.x, view.y)) for each in verdict.left
    )
    if undrawn:
        text = _("{n:,} of those left lack a value on an axis and have no dot.")
        sentences.append(text.format(n=undrawn))
    others = sum(each.other_size and each.params is not None for each in verdict.left)
    if others and "top1" in (view.x, view.y):
        sentences.append(
            _(
                "Measured at another size than its costs are counted at: the accuracy of {n:,} "
                "of those left; their cards say so."
            ).format(n=others)
        )
    if "reid_map" in (view.x, view.y) or "reid_rank1" in (view.x, view.y):
        sentences.append(
            _("Re-identification accuracies are of the table on Market-1501, trained at 256 × 128.")
        )
    return plain(joined(sentences))


def _asks_for_records(view: View) -> bool:
    """Whether a recorded time is an axis, a size or a limit."""
    used = (view.x, view.y, view.dots)
    return "recorded_ms" in used or view.limits.recorded_ms is not None


def chart(view: View, place: Places) -> None:
    """The dots and the front; a click marks a model."""
    place.chart.plotly_chart(
        json.loads(
            cache.choosing.landscape_json(view, cache.choosing.surveyed_sources(view), theme())
        ),
        key=_CHART,
        theme=None,
        on_select=_mark_point,
        selection_mode="points",
        config={"displayModeBar": False},
        alt=_("All models on two axes, with the front that no other model beats"),
    )


def _mark_point() -> None:
    address.touch()
    points = st.session_state[_CHART]["selection"]["points"]
    if points and points[-1].get("customdata"):
        _mark(str(points[-1]["customdata"][0]))


def _mark(name: str) -> None:
    state = st.session_state
    before = [state[key] for key in ("landscape_one", "landscape_two") if state[key]]
    both = (*marked(before, name), "", "")
    state["landscape_one"], state["landscape_two"] = both[0], both[1]


def _unmark(name: str) -> None:
    address.touch()
    state = st.session_state
    kept = [state[key] for key in ("landscape_one", "landscape_two") if state[key] != name]
    state["landscape_one"], state["landscape_two"] = (*kept, "", "")[:2]


def cards(view: View, all_models: Sequence[Candidate]) -> None:
    """The marked models beside each other."""
    known = {each.name: each for each in all_models}
    shown = [known[name] for name in view.marked if name in known]
    if not shown:
        return
    with st.container(border=True, key="landscape_cards", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            for each in shown:
                if st.button(
                    _("Open {title} in Layers").format(title=plain(each.title)),
                    key=f"landscape_open_{'one' if each is shown[0] else 'two'}",
                    icon=":material/table_rows:",
                ):
                    open_model(each.name, view.size)
                st.button(
                    _("Unmark"),
                    key=f"landscape_unmark_{'one' if each is shown[0] else 'two'}",
                    type="tertiary",
                    on_click=_unmark,
                    args=(each.name,),
                    help=_("Unmark {title}").format(title=plain(each.title)),
                )
            if len(shown) == 2:
                st.page_link(
                    "pages/compare/side_by_side.py",
                    label=_("Compare layer by layer"),
                    icon=":material/compare:",
                    query_params=_comparison(view, shown),
                )
        st.table(_beside(shown), border="horizontal")
        for each in shown:
            if each.problem:
                st.caption(f":orange[{plain(_whole_problem(each))}]")
        if len(shown) == 1:
            st.caption(_("Click a second dot, or a row below, to compare."))


def _comparison(view: View, shown: Sequence[Candidate]) -> dict[str, str]:
    """The link that sets two models side by side as they are counted here."""
    query = {"models": ",".join(each.name for each in shown)}
    if view.size:
        query["size"] = f"{view.size[0]}x{view.size[1]}"
    return query if view.device == DEFAULT_DEVICE else {**query, "device": view.device}


def _whole_problem(each: Candidate) -> str:
    """Why a model has no counts at this size, and which size would do."""
    native = native_choice(each.name)
    if min(each.height, each.width) < 1:
        return each.problem
    shape = (*native.input_shape[:2], each.height, each.width)
    failure = cache.failure(native._replace(input_shape=shape))
    return failure.sentence if failure else each.problem


def _beside(shown: Sequence[Candidate]) -> pd.DataFrame:
    """One column for each marked model; of two also how many times more the second has."""
    rows = {_(measure.title): [_value(each, key) for each in shown]
            for key, measure in MEASURES.items()}  # fmt: skip
    rows[_("Counted at")] = [f"{each.height} × {each.width}" for each in shown]
    frame = pd.DataFrame.from_dict(
        rows, orient="index", columns=[plain(each.title) for each in shown]
    )
    if len(shown) == 2:
        frame[_("Second vs first")] = [*(_ratio(shown, key) for key in MEASURES), ""]
    return frame


def _value(each: Candidate, key: str) -> str:
    value = MEASURES[key].of(each)
    if value is None:
        known = MEASURES[key].more or key == "recorded_ms"
        return _("not known") if known and not each.problem else _("none at this size")
    text = MEASURES[key].text(value)
    if key == "top1" and each.other_size:
        return _("{share} (at {size} × {size})").format(share=text, size=each.crop)
    return text


def _ratio(shown: Sequence[Candidate], key: str) -> str:
    one, two = (MEASURES[key].of(each) for each in shown)
    if one is None or two is None:
        return ""
    if MEASURES[key].more:
        sign = "+" if two >= one else "−"
        return f"{sign}{abs(two - one):.3g}"
    return f"× {rounded(two / one)}" if one else ""


# ------------------------------------------------------------------------------- the table


def table(view: View, verdict: Verdict) -> None:
    """Exact numbers of what is left, the best first; a click on a row marks its model."""
    x, y = MEASURES[view.x], MEASURES[view.y]
    best = {each.name for each in front(verdict.left, x, y)}
    rows = [each for each in verdict.left if each.name in best or not view.only_front]
    rows.sort(key=lambda each: (y.of(each) is None, (y.of(each) or 0) * (-1 if y.more else 1)))
    text, switch, files = st.columns([6, 3, 2], vertical_alignment="center")
    text.caption(
        _("{n:,} models, best by {measure} first. Counted with default options.").format(
            n=len(rows), measure=_(y.title)
        )
    )
    switch.toggle(_("Only the front"), key="landscape_only", on_change=address.touch)
    frame = exact_table(rows, best, view.setting, view.way.statement())
    _downloads(files, frame, view)
    if not rows:
        st.markdown(_("No model is left: a limit above excludes them all."))
        return
    column = st.column_config
    st.dataframe(
        frame.drop(columns=["Setting", "Recorded on"]).assign(Front=frame["Front"].map(_)),
        hide_index=True,
        height=36 + 30 * min(len(rows), 16),
        row_height=30,
        placeholder="",
        key=_TABLE,
        on_select=lambda: _mark_row(rows),
        selection_mode="single-cell",
        column_config={
            "Model": column.TextColumn(_("Model"), width=190),
            "Name": column.TextColumn(_("Name"), width=150),
            "Front": column.TextColumn(_("Front"), width=56),
            "Top-1 %": column.NumberColumn(_("Top-1 %"), format="%.3f", width=72),
            "Params": column.NumberColumn(_("Params"), format="localized", width=98),
            "MACs": column.NumberColumn(
                format="localized", width=118, help=_("Of one image, whatever the batch.")
            ),
            "Predicted ms": column.NumberColumn(
                _("Predicted ms"),
                format="localized",
                width=96,
                help=_("Predicted: {setting}.").format(setting=view.setting.statement()),
            ),
            "Recorded ms": column.NumberColumn(
                _("Recorded ms"),
                format="localized",
                width=92,
                help=_("Measured earlier: {way}.").format(way=view.way.statement()),
            ),
            "Memory B": column.NumberColumn(
                _("Memory to run, bytes"),
                format="localized",
                width=112,
                help=_("Weights, buffers and the peak of activations: {setting}.").format(
                    setting=view.setting.statement()
                ),
            ),
            "Year": column.NumberColumn(_("Year"), format="%d", width=48),
            "Family": column.TextColumn(_("Family"), width=96),
            "Input": column.TextColumn(_("Input"), width=74),
            "mAP %": column.NumberColumn(format="%.2f", width=64, help=_("Market-1501.")),
            "Rank-1 %": column.NumberColumn(
                _("Rank-1 %"), format="%.2f", width=72, help=_("Market-1501.")
            ),
            "Weights": column.TextColumn(_("Weights")),
            "Accuracy source": column.TextColumn(_("Accuracy source")),
            "Crop": column.NumberColumn(
                _("Crop"),
                format="%d",
                width=52,
                help=_("Side in pixels of the images that the accuracy was measured on."),
            ),
        },
    )


def _mark_row(rows: Sequence[Candidate]) -> None:
    address.touch()
    cells = st.session_state[_TABLE]["selection"]["cells"]
    if cells and cells[0][0] < len(rows):
        _mark(rows[cells[0][0]].name)


def _downloads(place: Any, frame: pd.DataFrame, view: View) -> None:
    caption = _(
        "Models on the axes {x} and {y}. Predicted times are of {setting}, recorded ones of {way}."
    ).format(
        x=_(MEASURES[view.x].title),
        y=_(MEASURES[view.y].title),
        setting=view.setting.statement(),
        way=view.way.statement(),
    )
    with place, st.popover(_("Download"), icon=":material/download:", width="stretch"):
        for label, data, ending, mime in (
            ("CSV", lambda: to_csv(frame), "csv", "text/csv"),
            ("Markdown", lambda: to_markdown(as_text(frame)), "md", "text/markdown"),
            ("LaTeX", lambda: to_latex(frame.drop(columns=_NOT_PRINTED), caption), "tex",
             "application/x-tex"),
        ):  # fmt: skip
            st.download_button(
                label, data, f"choose.{ending}", mime, on_click="ignore", key=f"choose_{ending}"
            )


_NOT_PRINTED: Final = ["Name", "Setting", "Recorded on", "Accuracy source"]


# ------------------------------------------------------------------- reading parameters


def _size(text: str) -> str | None:
    if text in _PRESETS:
        return text
    sides = reading.pair(text) if re.fullmatch(r"[0-9]{1,4}x[0-9]{1,4}", text) else (0, 0)
    return f"{sides[0]}x{sides[1]}" if all(1 <= side <= MAX_SIZE for side in sides) else None


def _model(text: str) -> str | None:
    try:
        return get_spec(text).name
    except UnknownModelError:
        return None
