"""The sweeps' controls, curves and table, and the work between them.

Points are computed a few at a time, in a fragment that the browser asks for again until none is
left: the curves grow while they are looked at, a click on Stop is heard at once, and other
visitors never wait for more than one slice.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import pandas as pd
import streamlit as st

from explorer.analysis.roofline import DTYPES, devices, get_device
from explorer.diagram.heat import DEFAULT_DEVICE
from explorer.errors import ExplorerError
from explorer.figures.sweep import MOST_CURVES
from explorer.latency import LatencyRecord, Work
from explorer.latency import to_json as records_to_json
from explorer.sweep import Point, Row, to_frame
from explorer.sweep.curves import (
    MAX_BATCH,
    MAX_SIDE,
    MOST_POINTS,
    OPTION,
    OVER,
    QUANTITIES,
    Span,
    Sweep,
    measurable,
    model_title,
    natural_span,
    number_text,
    numeric_options,
    problems,
)
from explorer.sweep.points import Key
from explorer.zoo import available_sources
from pages.shared import address, cache, reading, timed
from pages.shared.choice import image_models
from pages.shared.sidebar import PRESETS
from pages.shared.text import N_, _, joined, n_
from pages.shared.timed import Here
from pages.shared.widgets import plain, theme

FIRST_MODELS: Final = ("resnet50", "convnext_tiny", "deit_small_patch16_224")
"""Each around 4.5 billion MACs at 224 × 224, and at no other size."""
RATIOS: Final = ("4:1", "2:1", "3:2", "4:3", "3:4", "2:3", "9:16", "1:2")
"""Height to width."""
NATIVE: Final = "native"
LOGS: Final = ("x", "y")

_SIZES: Final = (NATIVE, *(f"{height}x{width}" for height, width in PRESETS))
_OVER_TITLES: Final = {
    "size": N_("Input size, square"),
    "height": N_("Height, at one width"),
    "ratio": N_("Input size, one ratio"),
    "batch": N_("Batch"),
}
_FIRST_SECONDS, _SLICE_SECONDS = 0.3, 0.8
"""How long one run computes before it shows what there is: the first points come at once."""
_POLL: Final = 0.1
"""Seconds until the browser asks for the next slice."""
_STOPPED: Final = "_sweep_stopped"
_COUNTS: Final = {
    N_("Parameters"): "params",
    N_("MACs"): "macs",
    N_("Activations B"): "activation_bytes",
    N_("Peak B"): "peak_activation_bytes",
}
"""Column of the table -> field of a row."""
_RANGE_ENDS: Final = {"from": N_("From"), "to": N_("To"), "step": N_("Step")}


Time = tuple[Work, LatencyRecord]
"""A pass, and how long it took."""


class View(NamedTuple):
    """What is swept, and how it is looked at."""

    sweep: Sweep
    span: Span
    asked_step: float
    """The step before it was made large enough for the most points of a model."""
    quantity: str
    log_x: bool
    log_y: bool
    here: Here
    """What times are measured on."""


# -------------------------------------------------------------------- the link


def open_view() -> View:
    """Read the view from the session, or from the address where that speaks, and record it."""
    state = st.session_state
    address.restore("source", "sweep_source", reading.one_of(available_sources()), "layerwise")
    models = address.restore("models", "sweep_models", _models, [*FIRST_MODELS])
    known = [*OVER, *(OPTION + name for name in numeric_options(models))]
    over = address.restore("over", "sweep_over", reading.one_of(known), "size")
    if over not in known:  # the model that had this option was taken away
        over = state["sweep_over"] = "size"
        state["sweep_range"] = ""
    span = _open_range(models, over)
    at = address.restore("at", "sweep_at", reading.one_of(_SIZES), NATIVE)
    width = address.restore("width", "sweep_width", reading.whole_number(1, MAX_SIDE), 128)
    ratio = address.restore("ratio", "sweep_ratio", reading.one_of(RATIOS), "2:1")
    batch = address.restore("batch", "sweep_batch", reading.whole_number(1, MAX_BATCH), 1)
    quantity = address.restore("show", "sweep_show", reading.one_of(tuple(QUANTITIES)), "macs")
    logs: list[str] = address.restore("log", "sweep_log", _logs, [])
    device, dtype = _open_device()
    address.record(
        {
            "source": reading.unless(state["sweep_source"], "layerwise"),
            "models": reading.unless(",".join(models) or "none", ",".join(FIRST_MODELS)),
            "over": reading.unless(over, "size"),
            "range": span.text,
            "at": reading.unless(at, NATIVE),
            "width": reading.unless(str(width), "128"),
            "ratio": reading.unless(ratio, "2:1"),
            "batch": reading.unless(str(batch), "1"),
            "show": reading.unless(quantity, "macs"),
            "log": "".join(sorted(logs)) or None,
            "device": reading.unless(device, DEFAULT_DEVICE),
            "dtype": reading.unless(dtype, "float32"),
        }
    )
    fits = span.thinned if span.first <= span.last else span
    sweep = Sweep(
        models=tuple(models),
        over=over,
        values=fits.text,
        size=None if at == NATIVE else reading.pair(at, "x"),
        width=width,
        ratio=reading.pair(ratio, ":"),
        batch=batch,
        device=device,
        dtype=dtype,
    )
    here = timed.open_here()
    return View(sweep, fits, span.step, quantity, "x" in logs, "y" in logs, here)


def _open_range(models: Sequence[str], over: str) -> Span:
    """The range that was chosen, or the natural one; its three widgets show it."""
    natural = natural_span(models, over) if models else Span(64, 512, 32, 1, MAX_SIDE)
    parse = _range_within(natural)
    chosen = address.restore("range", "sweep_range", lambda text: text if parse(text) else None, "")
    span = parse(chosen) or natural  # of other models now, whose limits may be narrower
    state = st.session_state
    state["sweep_range"] = span.text if chosen else ""
    for name, value in zip(_RANGE_ENDS, span[:3], strict=True):
        state[_range_key(name, span)] = value
    return span


def _range_within(natural: Span) -> Callable[[str], Span | None]:
    """Reads "64:512:32" as a range of the natural one's type and within its limits."""
    kind = natural.kind
    number = r"[0-9]{1,10}" if kind is int else r"[0-9]{1,10}(?:\.[0-9]{1,6})?"

    def parse(text: str) -> Span | None:
        found = re.fullmatch(f"({number}):({number}):({number})", text)
        if not found:
            return None
        first, last, step = map(kind, found.groups())
        legal = natural.low <= first <= natural.high and natural.low <= last <= natural.high
        return natural._replace(first=first, last=last, step=step) if legal and step else None

    return parse


def _range_key(name: str, span: Span) -> str:
    return f"sweep_{name}_{span.kind.__name__}"


def _open_device() -> tuple[str, str]:
    """The device, and an element type that it can compute in."""
    names = [each.name for each in devices()]
    device = address.restore("device", "sweep_device", reading.one_of(names), DEFAULT_DEVICE)
    known = dtypes_of(device)
    dtype = address.restore("dtype", "sweep_dtype", reading.one_of(known), "float32")
    if dtype not in known:
        dtype = st.session_state["sweep_dtype"] = "float32"
    return device, dtype


def dtypes_of(device: str) -> list[str]:
    """Element types that a device has a peak rate for."""
    found = get_device(device)
    return [dtype for dtype in DTYPES if getattr(found, dtype)]


def _models(text: str) -> list[str]:
    """Names of models; each that is none is one sentence."""
    names = [] if text == "none" else [*dict.fromkeys(reading.listed(text))]
    return reading.image_models(names, MOST_CURVES)


def _logs(text: str) -> list[str] | None:
    return [*text] if text in ("x", "y", "xy") else None


# ---------------------------------------------------------------- the controls


def controls(view: View) -> None:
    """Which models, what is swept, and what is shown of it."""
    with st.container(gap="small", key="sweep_controls"):
        _model_controls()
        _range_controls(view)
        _shown_controls(view)


def _model_controls() -> None:
    source, models = st.columns([4, 9], gap="small", vertical_alignment="bottom")
    source.segmented_control(
        _("Source"),
        available_sources(),
        key="sweep_source",
        required=True,
        format_func=lambda name: {"layerwise": "Layerwise"}.get(name, name),
        on_change=address.touch,
        help=_("Which models the list offers. Chosen models of another source stay."),
        width="stretch",
    )
    chosen: list[str] = st.session_state["sweep_models"]
    offered = image_models(st.session_state["sweep_source"])
    models.multiselect(
        _("Models"),
        [*dict.fromkeys([*chosen, *offered])],
        key="sweep_models",
        max_selections=MOST_CURVES,
        format_func=model_title,
        placeholder=_("Choose one to four"),
        on_change=address.touch,
    )


def _range_controls(view: View) -> None:
    over, span, others = st.columns([4, 5, 4], gap="small", vertical_alignment="bottom")
    models = view.sweep.models
    over.selectbox(
        _("Sweep"),
        [*OVER, *(OPTION + name for name in numeric_options(models))],
        key="sweep_over",
        format_func=_over_title,
        on_change=_change_over,
        help=_("An option is swept for those models that have it."),
    )
    with span.container(key="sweep_range_fields"):
        for column, name in zip(st.columns(3, gap="xsmall", wrap=False), _RANGE_ENDS, strict=True):
            _range_field(column, name, view.span)
    with others.container(key="sweep_fixed_fields"):
        _fixed_controls(view.sweep)


def _range_field(column: Any, name: str, span: Span) -> None:
    kind = span.kind
    smallest = (1 if kind is int else 1e-6) if name == "step" else span.low
    largest = max(span.high - span.low, span.step) if name == "step" else span.high
    column.number_input(
        _(_RANGE_ENDS[name]),
        kind(smallest),
        kind(largest),
        key=_range_key(name, span),
        step=None if kind is int else kind(span.step),
        format=None if kind is int else "%.6g",
        on_change=_change_range,
        args=(span,),
        help=_("{low} to {high}").format(
            low=number_text(kind(smallest)), high=number_text(kind(largest))
        ),
    )


def _fixed_controls(sweep: Sweep) -> None:
    """What stays as it is: the size where none is swept, and the batch."""
    swept_size = sweep.over in ("size", "height", "ratio")
    fields = [] if sweep.over == "size" else ["size"]
    fields += [] if sweep.over == "batch" else ["batch"]
    for column, field in zip(
        st.columns(len(fields), gap="xsmall", wrap=False), fields, strict=True
    ):
        if field == "batch":
            column.number_input(
                _("Batch"), 1, MAX_BATCH, key="sweep_batch", on_change=address.touch,
                help=_("{low} to {high}").format(low=1, high=f"{MAX_BATCH:,}"),
            )  # fmt: skip
        elif sweep.over == "height":
            column.number_input(
                _("Width"), 1, MAX_SIDE, key="sweep_width", on_change=address.touch,
                help=_("{low} to {high}").format(low=1, high=f"{MAX_SIDE:,}"),
            )  # fmt: skip
        elif swept_size:
            column.selectbox(
                _("Height : width"), RATIOS, key="sweep_ratio", on_change=address.touch,
                format_func=lambda text: text.replace(":", " : "),
                help=_("The range is that of the height."),
            )  # fmt: skip
        else:
            column.selectbox(
                _("Input size"), _SIZES, key="sweep_at", on_change=address.touch,
                format_func=_size_title,
            )  # fmt: skip


def _shown_controls(view: View) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.segmented_control(
            _("Quantity"),
            list(QUANTITIES),
            key="sweep_show",
            required=True,
            format_func=lambda name: _(QUANTITIES[name].title),
            on_change=address.touch,
        )
        st.pills(
            _("Log axes"),
            LOGS,
            selection_mode="multi",
            key="sweep_log",
            on_change=address.touch,
        )
        st.selectbox(
            _("Device"),
            [each.name for each in devices()],
            key="sweep_device",
            on_change=address.touch,
            width=205,
            help=_("That times are predicted for, by the roofline model."),
        )
        st.selectbox(
            _("Number type"),
            dtypes_of(view.sweep.device),
            key="sweep_dtype",
            on_change=address.touch,
            width=118,
        )


def _over_title(over: str) -> str:
    if over in _OVER_TITLES:
        return _(_OVER_TITLES[over])
    return _("Option {name}").format(name=over.removeprefix(OPTION))


def _size_title(size: str) -> str:
    return _("each one's own") if size == NATIVE else size.replace("x", " × ")


def _change_over() -> None:
    """Begin with the natural range of what is swept now."""
    address.touch()
    st.session_state["sweep_range"] = ""


def _change_range(span: Span) -> None:
    address.touch()
    first, last, step = (st.session_state[_range_key(name, span)] for name in _RANGE_ENDS)
    st.session_state["sweep_range"] = span._replace(first=first, last=last, step=step).text


# ----------------------------------------------------------------- the results


def results(view: View) -> None:
    """Curves and table, while the points are computed and when they are."""
    if not view.sweep.models:
        st.info(_("Choose one to four models."), icon=":material/show_chart:")
        return
    if view.span.first > view.span.last:
        st.error(
            _("The range begins at {first}, above its end at {last}.").format(
                first=number_text(view.span.first), last=number_text(view.span.last)
            ),
            icon=":material/error:",
        )
        return
    try:
        missing = _missing(view.sweep)
    except ExplorerError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    working = bool(missing) and not _is_stopped(view.sweep)
    if view.quantity == "time":
        _measuring(view)
    st.fragment(_results, run_every=_POLL if working else None)(view, watched=working)


def _results(view: View, *, watched: bool) -> None:
    """One look: compute for a moment, then show all there is."""
    sweep = view.sweep
    points = sweep.refining()
    rows = cache.sweeping.swept(points)
    working = len(rows) < len(points) and not _is_stopped(sweep)
    if watched and not working:  # the browser need not ask again
        st.rerun()
    if working:
        until = time.monotonic() + (_SLICE_SECONDS if rows else _FIRST_SECONDS)
        for point in points:
            if point.key not in rows:
                rows[point.key] = cache.sweeping.sweep_point(point)
                if time.monotonic() > until:
                    break
    in_order = [rows[point.key] for point in sweep.points() if point.key in rows]
    _progress(view, in_order, len(points), working=working)
    _chart(view, rows, finished=len(rows) == len(points))
    for sentence in problems(sweep, rows):
        st.caption(f"✕ {plain(sentence)}")
    if view.quantity == "time":
        works = measurable(sweep, rows)
        timed.sentences(works, view.here)
        if said := timed.statement(timed.records(works, view.here)):
            st.caption(said)
    _table(view, in_order)


def _measuring(view: View) -> None:
    """Measure some of the points here, on request."""
    rows = cache.sweeping.swept(view.sweep.points())
    works = measurable(view.sweep, rows)
    timed.controls(works, view.here, n_("{n} point", "{n} points", len(works)))
    timed.watch()


def _missing(sweep: Sweep) -> bool:
    points = sweep.points()
    return len(cache.sweeping.swept(points)) < len(points)


def _is_stopped(sweep: Sweep) -> bool:
    return bool(st.session_state.get(_STOPPED) == sweep)


def _stop(sweep: Sweep | None) -> None:
    st.session_state[_STOPPED] = sweep


def _progress(view: View, rows: Sequence[Row], total: int, *, working: bool) -> None:
    """How far the sweep is, and the button that stops it or lets it go on."""
    done = len(rows)
    with st.container(
        horizontal=True, vertical_alignment="center", gap="small", key="sweep_progress"
    ):
        if working:
            st.progress(done / total, _("{done} of {total} points").format(done=done, total=total))
            st.button(
                _("Stop"), key="sweep_stop", icon=":material/stop:", on_click=_stop,
                args=(view.sweep,),
            )  # fmt: skip
        elif done < total:
            st.markdown(
                _("Stopped: {done} of {total} points are shown.").format(done=done, total=total)
            )
            st.button(_("Go on"), key="sweep_go_on", icon=":material/play_arrow:", on_click=_go_on)
        else:
            st.caption(_summary(view, rows))


def _go_on() -> None:
    _stop(None)


def _summary(view: View, rows: Sequence[Row]) -> str:
    crosses = sum(bool(row.error) and view.sweep.at(row) is not None for row in rows)
    said = [_("{n} points, each traced from the real model.").format(n=len(rows))]
    if crosses:
        said.append(
            n_(
                "{n} of them is not possible: a cross on the axis says why and where.",
                "{n} of them are not possible: a cross on the axis says why and where.",
                crosses,
            )
        )
    if view.asked_step != view.span.step:
        said.append(
            _(
                "In steps of {step}, because {asked} would be more than {most} points a model."
            ).format(
                step=number_text(view.span.step),
                asked=number_text(view.asked_step),
                most=MOST_POINTS,
            )
        )
    if view.quantity == "time":
        said.append(_("Predicted times are the roofline model's; what is measured says so."))
    return joined(said)


def _chart(view: View, rows: dict[Key, Row], *, finished: bool) -> None:
    title = _("{quantity} by {swept}").format(
        quantity=_(QUANTITIES[view.quantity].title), swept=_x_name(view.sweep)
    )
    shown = cache.sweeping.SweepFigure(
        view.sweep, view.quantity, title, _x_title(view.sweep), view.log_x, view.log_y, theme()
    )
    if view.quantity == "time" and (times := _times(view, rows)):
        device = f"{view.sweep.device}, {view.sweep.dtype}"
        shown = shown._replace(
            title=_("Time by {swept}: predicted for {device}, and measured here").format(
                swept=_x_name(view.sweep), device=device
            ),
            measured=times,
            here=timed.conditions(times[0][1]),
        )
    st.plotly_chart(
        json.loads(cache.sweeping.sweep_figure(shown, rows, finished=finished)),
        key="sweep_chart",
        theme=None,
        config={"displayModeBar": False},
        alt=_("{title}, {n} models").format(title=title, n=len(view.sweep.models)),
    )


def _times(view: View, rows: dict[Key, Row]) -> tuple[Time, ...]:
    """What was measured of these points."""
    found = ((work, timed.found(work, view.here)) for work in measurable(view.sweep, rows))
    return tuple((work, time) for work, time in found if isinstance(time, LatencyRecord))


def _x_name(sweep: Sweep) -> str:
    names = {
        "size": _("input size"), "height": _("height"), "ratio": _("height"), "batch": _("batch"),
    }  # fmt: skip
    return names.get(sweep.over, sweep.option)


def _x_title(sweep: Sweep) -> str:
    size = " × ".join(map(str, sweep.size)) if sweep.size else _("each model's own size")
    texts = {
        "size": _("Height and width, pixels, batch of {batch}"),
        "height": _("Height, pixels, at a width of {width}, batch of {batch}"),
        "ratio": _("Height, pixels, at {ratio} to the width, batch of {batch}"),
        "batch": _("Images in a batch, at {size}"),
    }
    return texts.get(sweep.over, _("{option}, at {size}, batch of {batch}")).format(
        batch=sweep.batch,
        width=sweep.width,
        ratio=f"{sweep.ratio[0]} : {sweep.ratio[1]}",
        size=size,
        option=sweep.option,
    )


# ------------------------------------------------------------------- the table


def _table(view: View, rows: Sequence[Row]) -> None:
    """Every row with its exact numbers, values first and models side by side."""
    sweep = view.sweep
    text, files = st.columns([5, 1], vertical_alignment="center")
    text.caption(
        _(
            "Parameters, MACs of the whole batch, bytes of all tensors that the pass "
            "allocates, and the most bytes of activations that are alive at once."
        )
    )
    times: tuple[Time, ...] = ()
    if view.quantity == "time":
        times = _times(view, {row.key: row for row in rows})
    _downloads(files, rows, [time for _work, time in times])
    column = st.column_config
    frame = _frame(sweep, rows, times)
    st.dataframe(
        frame,
        hide_index=True,
        height=36 + 30 * min(len(rows), 12),
        placeholder="",
        row_height=30,
        key="sweep_table",
        column_config={
            "Model": column.TextColumn(_("Model"), width=150),
            "Input": column.TextColumn(_("Input"), width=90),
            "Batch": column.NumberColumn(_("Batch"), format="%d", width=52),
            **{
                name: column.NumberColumn(_(name), format="localized", width=108)
                for name in _COUNTS
            },
            "Predicted ms": column.NumberColumn(
                _("Predicted ms"),
                format="%.4f",
                width=95,
                help=_("Of {device} in {dtype}, not measured.").format(
                    device=sweep.device, dtype=sweep.dtype
                ),
            ),
            "Measured ms": column.NumberColumn(
                _("Measured ms"),
                format="%.4f",
                width=95,
                help=_("Median of the runs that were measured here."),
            ),
            "Depth": column.NumberColumn(_("Depth"), format="%d", width=56),
            "Breaks in": column.TextColumn(_("Breaks in"), width=110),
            "Why": column.TextColumn(_("Why"), width=420),
        },
    )
    st.caption(_("The same on the command line:"))
    st.code(sweep.command(), language="bash", wrap_lines=True)


def _frame(sweep: Sweep, rows: Sequence[Row], times: Sequence[Time] = ()) -> pd.DataFrame:
    def place(row: Row) -> tuple[bool, float, int]:
        x = sweep.at(row)
        return (x is None, x or 0, sweep.models.index(row.model))

    rows = sorted(rows, key=place)
    frame = pd.DataFrame(
        {
            "Model": [model_title(row.model) for row in rows],
            "Input": [row.input.replace("x", " × ") for row in rows],
            "Batch": [row.batch for row in rows],
            **{
                name: pd.array([getattr(row, field) for row in rows], dtype="Int64")
                for name, field in _COUNTS.items()
            },
            "Predicted ms": [row.predicted_ms for row in rows],
            "Depth": pd.array([row.depth for row in rows], dtype="Int64"),
        }
    )
    if times:
        known = {_key_of(work, sweep): time.median_ms for work, time in times}
        after = list(frame.columns).index("Predicted ms") + 1
        frame.insert(after, "Measured ms", [known.get(row.key) for row in rows])
    if sweep.option:
        frame.insert(1, sweep.option, [sweep.at(row) for row in rows])
    if any(row.error for row in rows):
        after = list(frame.columns).index("Batch") + 1
        frame.insert(after, "Breaks in", [row.layer for row in rows])
        frame["Why"] = [row.error for row in rows]
    return frame


def _key_of(work: Work, sweep: Sweep) -> Key:
    """The key of the row that a measured pass belongs to."""
    batch, *image = work.input_shape
    return Point(
        work.model, tuple(image), batch, work.options, "eval", sweep.device, sweep.dtype
    ).key


def _downloads(place: Any, rows: Sequence[Row], times: Sequence[LatencyRecord]) -> None:
    """Offer the rows as the command line writes them, and what was measured."""
    with place, st.popover(_("Download"), icon=":material/download:", width="stretch"):
        st.download_button(
            "CSV", lambda: to_csv(rows), "sweep.csv", "text/csv", key="sweep_csv",
            on_click="ignore", width="stretch",
        )  # fmt: skip
        st.download_button(
            _("JSON"), lambda: to_json(rows), "sweep.json", "application/json", key="sweep_json",
            on_click="ignore", width="stretch",
        )  # fmt: skip
        if times:
            st.download_button(
                _("Measured times (JSON lines)"), lambda: records_to_json(times),
                "measured.jsonl", "application/jsonl", key="sweep_measured", on_click="ignore",
                width="stretch",
            )  # fmt: skip


def to_csv(rows: Sequence[Row]) -> str:
    """Rows as `python -m explorer sweep -o sweep.csv` writes them."""
    return str(to_frame(rows).to_csv(index=False, lineterminator="\n"))


def to_json(rows: Sequence[Row]) -> str:
    """The same as a JSON array."""
    return json.dumps([row._asdict() for row in rows], ensure_ascii=False, indent=1)
