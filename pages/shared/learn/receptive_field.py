"""What stands on the lesson "Receptive field": a layer, a cell, its window, the heat in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import pandas as pd
import streamlit as st

from explorer import list_models
from explorer.analysis.receptive_field import Field, Span
from explorer.analysis.units import count, percent, rounded
from explorer.figures.receptive_field import Point, window_picture
from explorer.figures.receptive_field import growth as growth_figure
from explorer.lessons.effective_field import Effective, effective_field
from explorer.lessons.inputs import fitted
from explorer.lessons.pictures import FORMATS, MOST_BYTES, PictureError, Pixels, read_picture
from explorer.lessons.pictures import sample_picture as drawn_picture
from pages.shared import address
from pages.shared.cache import receptive_field as cache
from pages.shared.cache.receptive_field import LayerField, plain
from pages.shared.cache.traces import trace_of
from pages.shared.choice import Choice, native_choice, to_query
from pages.shared.jobs import Job, queue_text
from pages.shared.learn.convolution import instead
from pages.shared.learn.lanes import PASSES
from pages.shared.learn.lesson import Lesson
from pages.shared.text import N_, _
from pages.shared.widgets import plain as escaped
from pages.shared.widgets import theme

__all__ = ["plain"]

_GROWS: Final = frozenset(
    "convolution pooling add concat attention linear upsample multiply matmul reduction indexing "
    "padding input".split()
)
"""Kinds of layers that can change a window; others pass it on and are left out of the list."""
_POLL: Final = 0.4
_MOST_STEPS: Final = 8
"""Of the path, that the answer writes out."""
_JOB: Final = "field_job"
_MADE: Final = "field_made"


class View(NamedTuple):
    """What is looked at."""

    choice: Choice
    gates: bool
    """Count what a gate has seen."""
    has_gates: bool
    """Whether that makes a difference in this model."""
    layers: tuple[LayerField, ...]
    """Those that can be chosen."""
    layer: LayerField
    cell: tuple[int, int]
    picture: Pixels
    """Of the input's size."""

    @property
    def side(self) -> int:
        """Rows of the picture."""
        return self.choice.input_shape[2]


class _Asked(NamedTuple):
    """What an effective field was computed for."""

    choice: Choice
    op: int
    cell: tuple[int, int]


# ------------------------------------------------------------------------ choices


def open_view(choice: Choice) -> View:
    """Read all choices from the session or the address, and record them.

    Args:
        choice: of one picture, in evaluation mode; its trace must be complete.
    """
    gates = address.restore("gates", "field_gates", {"yes": True, "no": False}.get, False)
    first = cache.whole_from(choice)
    has_gates = _differs(choice)
    rows = cache.layer_fields(choice, gates)
    key = pick_layer("field", choice, [row.key for row in rows], cache.first_shown(choice))
    layer = next(row for row in rows if row.key == key)
    listed = tuple(row for row in rows if row.kind in _GROWS or row.key in (key, first))
    cell = _cell(layer.field)
    address.record({"gates": "yes" if gates and has_gates else None})
    return View(choice, gates, has_gates, listed, layer, cell, picture("field", choice))


def _differs(choice: Choice) -> bool:
    strict, along = (cache.layer_fields(choice, gates) for gates in (True, False))
    return any(a.field.whole != b.field.whole for a, b in zip(strict, along, strict=True))


def pick_layer(prefix: str, choice: Choice, keys: Sequence[str], default: str) -> str:
    """Settle which layer is looked at; another model starts at its own default.

    Args:
        prefix: of the page's keys in the session.
        choice: the model that the keys belong to.
        keys: of the layers that there are.
        default: one of them.
    """
    state = st.session_state
    name = f"{prefix}_layer"
    chosen: str = address.restore("layer", name, str, "")
    if chosen and chosen not in keys:
        if address.speaks():
            said = _("The link asks for the layer {layer}, which {model} does not have or which "
                     "has nothing to show here; {default} is shown.")  # fmt: skip
            title = choice.spec.title
            address.report((said.format(layer=repr(chosen), model=title, default=default),))
        chosen = state[name] = ""
    key = chosen or (default if default in keys else keys[0])
    address.record({"layer": chosen if chosen and chosen != default else None})
    return key


def _cell(field: Field) -> tuple[int, int]:
    """The chosen cell, or the one in the middle."""
    state = st.session_state
    rows, columns = field.cells or (1, 1)
    text: str = address.restore("cell", "field_cell", _cell_text, "")
    middle = (rows // 2, columns // 2)
    if text:
        row, column = map(int, text.split("."))
        if row < rows and column < columns:
            address.record({"cell": text if (row, column) != middle else None})
            return row, column
        if address.speaks():
            said = _("The link asks for the cell {cell}, but the map has {rows} × {columns} cells; "
                     "the one in the middle is shown.")  # fmt: skip
            address.report((said.format(cell=text, rows=rows, columns=columns),))
        state["field_cell"] = ""
    return middle


def _cell_text(text: str) -> str | None:
    parts = text.split(".")
    fits = len(parts) == 2 and all(p.isascii() and p.isdigit() and len(p) < 5 for p in parts)
    return ".".join(str(int(part)) for part in parts) if fits else None


def layer_control(
    prefix: str, rows: Sequence[LayerField], chosen: str, *, part: int, wide: bool = False
) -> None:
    """Let the visitor choose a layer, from a list by stages or by going through the depth.

    Args:
        prefix: of the page's keys in the session.
        rows: the layers.
        chosen: key of the one that is looked at.
        part: of the lesson: each has widgets of its own.
        wide: side by side.
    """
    state = st.session_state
    keys = [row.key for row in rows]
    labels = {row.key: layer_label(row) for row in rows}
    box, slider = f"{prefix}_box_{part}", f"{prefix}_depth_{part}"
    state[box], state[slider] = chosen, chosen
    above, below = (
        st.columns([2, 3], gap="medium", vertical_alignment="bottom") if wide else (st, st)
    )
    above.selectbox(
        _("Layer"), keys, key=box, format_func=labels.__getitem__, on_change=_choose,
        args=(prefix, box),
    )  # fmt: skip
    if len(keys) > 1:
        below.select_slider(
            _("Depth"), keys, key=slider, format_func=str, on_change=_choose,
            args=(prefix, slider), help=_("Arrow keys go from layer to layer."),
        )  # fmt: skip


def layer_label(row: LayerField) -> str:
    """Stage, name and class of a layer."""
    name = row.key or row.label
    return " · ".join(part for part in (row.stage, name, row.label) if part)


def _choose(prefix: str, widget: str) -> None:
    address.touch()
    st.session_state[f"{prefix}_layer"] = st.session_state[widget]
    if prefix == "field":
        st.session_state["field_cell"] = ""


def picture(prefix: str, choice: Choice) -> Pixels:
    """The visitor's picture, or ours, at the input's size."""
    _n, _c, height, width = choice.input_shape
    own: Pixels | None = st.session_state.get(f"{prefix}_picture")
    if own is not None:
        return fitted(own, height, width)
    side = min(max(height, width), 512)
    return fitted(drawn_picture(side), height, width)


def picture_control(prefix: str) -> None:
    """Let the visitor bring a picture; what is kept in the session is small."""
    state = st.session_state
    read, trouble, kept = (f"{prefix}_{name}" for name in ("read", "trouble", "picture"))
    with st.popover(_("Picture"), icon=":material/image:"):
        upload = st.file_uploader(
            _("PNG, JPEG, WebP, GIF or BMP"), FORMATS, key=f"{prefix}_upload",
            on_change=address.touch, max_upload_size=MOST_BYTES // 2**20,
            help=_("It is read on the server that runs this app, made smaller, and kept only as "
                   "long as this tab is open."),
        )  # fmt: skip
        st.caption(_("Its middle is cut to the ratio of the input and scaled to its size."))
    before = state.get(read)
    if upload is None:
        for key in (read, trouble, kept):
            state.pop(key, None)
    elif before != upload.file_id:
        state[read], state[trouble] = upload.file_id, ""
        try:
            state[kept] = read_picture(upload.getvalue())
        except PictureError as error:
            state.pop(kept, None)
            state[trouble] = instead(error)
    if before != state.get(read):
        st.rerun()  # the picture was drawn before it was read
    if state.get(trouble):
        st.error(state[trouble], icon=":material/error:")


# ------------------------------------------------------------------------- window


def window(lesson: Lesson, view: View) -> None:
    """One cell, its window on the picture, and its numbers."""
    left, right = st.columns([3, 2], gap="large")
    with right:
        _controls(lesson, view, part=1)
        if view.layer.field.size is not None:
            _numbers(lesson, view)
            lesson.answer(_sentence(view))
    with left:
        if view.layer.field.size is None:
            _not_defined(view)
        else:
            _draw(lesson, view, "field_window")


def _controls(lesson: Lesson, view: View, *, part: int) -> None:
    """Layer and depth; in the first part the cell and the picture, too."""
    layer_control("field", view.layers, view.layer.key, part=part, wide=part > 1)
    rows, columns = view.layer.field.cells or (1, 1)
    movable = part == 1 and not view.layer.field.whole and rows * columns > 1
    if movable:
        down, across = st.columns(2, gap="medium", wrap=False)
        _slider(down, _("Row of the cell"), "field_row", view.cell[0], rows)
        _slider(across, _("Column of the cell"), "field_column", view.cell[1], columns)
    with_picture = part == 1 and not lesson.present
    if with_picture or view.has_gates:
        with st.container(horizontal=True, vertical_alignment="center", key=f"field_more_{part}"):
            if with_picture:
                picture_control("field")
            if view.has_gates:
                _gates_control(view, part)


def _gates_control(view: View, part: int) -> None:
    st.session_state[f"field_gates_{part}"] = view.gates
    st.toggle(
        _("Through gates"), key=f"field_gates_{part}", on_change=_set_gates, args=(part,),
        help=_("A squeeze-and-excitation gate multiplies a channel by one number that has seen "
               "the whole picture, and so do a normalization's statistics. Off: the window of the "
               "path on which places are kept."),
    )  # fmt: skip


def _slider(place: Any, label: str, key: str, value: int, cells: int) -> None:
    st.session_state[key] = value
    if cells > 1:
        place.slider(label, 0, cells - 1, key=key, on_change=_move)


def _move() -> None:
    address.touch()
    state = st.session_state
    state["field_cell"] = f"{state['field_row']}.{state['field_column']}"


def _set_gates(part: int) -> None:
    address.touch()
    st.session_state["field_gates"] = st.session_state[f"field_gates_{part}"]


def _draw(lesson: Lesson, view: View, key: str, made: Effective | None = None) -> None:
    names = {
        "title": _("What the cell in row {row}, column {column} sees").format(
            row=view.cell[0], column=view.cell[1]
        ),
        "cell": _("row {row}, column {column}"),
        "centres": _("centres of all cells' windows"),
        "chosen": _("the chosen cell"),
        "padding": _("its window, in the padding"),
    }
    if made is not None:
        names["title"] = _("How much each pixel counts in that cell")
    height = 560
    if lesson.present:
        height = 520 if key == "field_window" else 430
    figure = window_picture(
        view.picture, view.layer.field, view.cell, weights=None if made is None else made.weights,
        ticks=not lesson.hides, names=names, theme=theme(), height=height,
    )  # fmt: skip
    alt = _("The picture with the window that the chosen cell sees")
    lesson.plot(str(figure.to_json()), key, alt)


def _numbers(lesson: Lesson, view: View) -> None:
    field = view.layer.field
    assert field.rows
    assert field.columns
    rows, columns = field.rows, field.columns
    ratio = f"{rows.size / rows.extent:.3g}"
    step = _pair(rows.stride, columns.stride)
    lesson.numbers(
        [
            (_("Window"), f"{count(rows.size)} × {count(columns.size)}",
             _("{ratio} × the picture").format(ratio=ratio)),
            (_("Stride"), step if rows.stride or columns.stride else "–",
             _("pixels a cell")),
            (_("Map"), f"{rows.cells} × {columns.cells}", _("cells")),
            (_("Start"), _pair(rows.start, columns.start), _("of the first window")),
        ][: 2 if lesson.present else 4],
        key="window",
        least=150,
    )  # fmt: skip


def _pair(a: float, b: float) -> str:
    first, second = (f"{x:,.4g}".replace("-", "−") for x in (a, b))
    return first if first == second else f"{first} × {second}"


def _sentence(view: View) -> str:
    """What the window says, in Markdown."""
    field = view.layer.field
    assert field.rows
    assert field.columns
    if field.whole:
        return _whole_sentence(view)
    (top, bottom), (left, right) = (
        span.window(cell) for span, cell in zip((field.rows, field.columns), view.cell, strict=True)
    )
    inside = _length(field.rows, view.cell[0]) * _length(field.columns, view.cell[1])
    area = (bottom - top + 1) * (right - left + 1)
    parts = [
        _("This cell sees rows {top} to {bottom} and columns {left} to {right}.").format(
            top=_signed(top), bottom=_signed(bottom), left=_signed(left), right=_signed(right)
        )
    ]
    if inside < area:
        parts.append(
            _("{share} of its window lies in the padding, outside the picture.").format(
                share=percent(1 - inside / area)
            )
        )
    if field.border:
        parts.append(
            _("A roll or mirrored padding lies on the way: cells at the border see other pixels "
              "than their windows say, unless a mask keeps them apart, as Swin's does.")
        )  # fmt: skip
    strict = cache.whole_from(view.choice)
    if view.has_gates and not view.gates and strict and _is_after(view, strict):
        parts.append(
            _("Strictly it sees the whole picture: the gates from `{layer}` on have seen all of "
              "it, and multiply every channel.").format(layer=strict)
        )  # fmt: skip
    return " ".join(parts)


def _signed(x: int) -> str:
    return f"{x:,}".replace("-", "−")


def _length(span: Span, cell: int) -> int:
    first, last = span.seen(cell)
    return max(0, last - first + 1)


def _is_after(view: View, key: str) -> bool:
    keys = [row.key for row in cache.layer_fields(view.choice, view.gates)]
    return keys.index(view.layer.key) >= keys.index(key)


def _whole_sentence(view: View) -> str:
    rows = cache.layer_fields(view.choice, view.gates)
    first = next(row for row in rows if row.field.whole)
    why = {
        "attention": _("attention lets every token look at every other"),
        "matmul": _("attention lets every token look at every other"),
        "softmax": _("attention lets every token look at every other"),
        "pooling": _("a global pooling averages all places"),
        "reduction": _("a global pooling averages all places"),
        "linear": _("a linear layer reads the flattened map"),
        "normalization": _("its statistics are taken over the whole map"),
    }.get(first.kind)
    said = _("Each value sees the whole picture, from `{layer}` on").format(
        layer=first.key or first.label
    )
    return f"{said}: {why}." if why else f"{said}."


def _not_defined(view: View) -> None:
    st.info(
        _("The window is not defined here. From the operation `{op}` on, what a value reads "
          "depends on the picture, or its cells no longer lie in rows and columns. Choose an "
          "earlier layer.").format(op=view.layer.field.undefined),
        icon=":material/help:",
    )  # fmt: skip


# ------------------------------------------------------------------------- growth


def growth(lesson: Lesson, view: View) -> None:
    """The window's size layer by layer, and the sum that makes the chosen one."""
    if lesson.present:
        _controls(lesson, view, part=2)
    names = {
        "title": _("Rows that a cell sees, layer by layer"),
        "x": _("layers, in execution order"),
        "y": _("rows"),
        "layers": _("window of a layer's cells"),
        "whole": _("sees the whole picture"),
        "input": _("rows of the picture"),
        "chosen": _("chosen"),
    }
    points = [
        Point(
            row.key, f"<b>{row.key or row.label}</b>" if lesson.hides else _hover(row), row.kind,
            row.field.rows.size if row.field.rows else None, row.field.whole,
        )
        for row in view.layers
    ]  # fmt: skip
    left, right = st.columns([3, 2], gap="large") if lesson.present else [st.container()] * 2
    figure = growth_figure(
        points, view.side, selected=view.layer.key, ticks=not lesson.hides, names=names,
        theme=theme(), height=400 if lesson.present else 340,
    )  # fmt: skip
    with left:
        alt = _("Size of the window against the depth")
        lesson.plot(str(figure.to_json()), "field_growth", alt)
    with right:
        _path(lesson, view)


def _hover(row: LayerField) -> str:
    name = f"<b>{row.key or row.label}</b>"
    if row.field.size is None:
        return name
    if row.field.whole:
        return name + "<br>" + _("sees the whole picture")
    height, width = row.field.size
    assert row.field.rows
    stride = _("stride {n}").format(n=f"{row.field.rows.stride:,.4g}")
    return f"{name}<br>{height:,} × {width:,}, {stride}"


def _path(lesson: Lesson, view: View) -> None:
    """The recursion with its numbers filled in."""
    steps = cache.steps(view.choice, view.gates, view.layer.op)
    st.markdown(
        _("A layer with kernel k, stride s and dilation d adds (k − 1) · d steps of the stride so "
          "far, j, to the window r, and multiplies that stride by s:")
    )  # fmt: skip
    window, stride = r"r_l = r_{l-1} + (k_l - 1)\, d_l\, j_{l-1}", r"j_l = j_{l-1}\, s_l"
    if lesson.present:  # there is room for one beside the figure
        st.latex(window)
    else:
        st.latex(rf"{window} \qquad {stride}")
    if not steps or view.layer.field.size is None:
        return
    rows = view.layer.field.rows
    if rows and not rows.whole and isinstance(rows.stride, int) and not lesson.present:
        lesson.predict(
            f"next_{view.choice.model}_{view.layer.key}_{view.side}_{view.gates}",
            _("One more 3 × 3 convolution follows {layer}. How many rows does its cell "
              "see?").format(layer=f"`{view.layer.key or view.layer.label}`"),
            rows.size + 2 * rows.stride,
            rf"$r = {rows.size} + (3 - 1) \cdot {rows.stride} = {rows.size + 2 * rows.stride}$",
        )  # fmt: skip
    if lesson.present:
        lesson.answer("\n\n".join(f"`{step.key}`\n\n$r = {_sum(step)}$" for step in steps[-2:]))
        return
    with st.expander(
        _("The path to {layer}: {n} layers that change the window").format(
            layer=f"`{view.layer.key or view.layer.label}`", n=len(steps)
        ),
        expanded=len(steps) <= _MOST_STEPS,
    ):
        _steps_table(steps)
        st.caption(_("Where branches meet, the path follows the one with the largest window."))


def _terms(step: cache.PathStep) -> str:
    dilation = rf" \cdot {step.dilation}" if step.dilation > 1 else ""
    before = f"{step.stride_before:g}"
    return rf"{step.size_before} + ({step.kernel} - 1){dilation} \cdot {before}"


def _sum(step: cache.PathStep) -> str:
    if step.is_formula:
        return f"{_terms(step)} = {step.size}"
    return str(step.size)


def _steps_table(steps: Sequence[cache.PathStep]) -> None:
    column = st.column_config
    frame = pd.DataFrame(
        {
            _("Layer"): [step.key for step in steps],
            "k": pd.array([step.kernel for step in steps], dtype="Int64"),
            "d": [step.dilation for step in steps],
            _("r before"): [step.size_before for step in steps],
            _("j before"): [step.stride_before for step in steps],
            _("Sum"): [_plain_sum(step) for step in steps],
            "r": [step.size for step in steps],
            "j": [step.stride for step in steps],
        }
    )
    st.dataframe(
        frame,
        hide_index=True,
        row_height=30,
        height=min(36 + 30 * len(frame), 420),
        column_config={
            "k": column.NumberColumn(width=44),
            "d": column.NumberColumn(width=44),
            _("r before"): column.NumberColumn(format="localized", width=76),
            _("j before"): column.NumberColumn(width=76),
            _("Sum"): column.TextColumn(width=190),
            "r": column.NumberColumn(format="localized", width=70),
            "j": column.NumberColumn(width=58),
        },
    )


def _plain_sum(step: cache.PathStep) -> str:
    if step.whole:
        return _("the whole picture")
    if not step.is_formula:
        return _("the windows of its branches, or of an enlarged map, together")
    dilation = f" · {step.dilation}" if step.dilation > 1 else ""
    return f"{step.size_before} + ({step.kernel} − 1){dilation} · {step.stride_before:g}"


# ---------------------------------------------------------------------- effective


def effective(lesson: Lesson, view: View) -> None:
    """Real gradients on request: how much the pixels in the window count."""
    if lesson.present:
        _controls(lesson, view, part=3)
    else:
        st.markdown(
            _("Not every pixel of the window counts alike: from one in the middle many paths lead "
              "to the cell, from one in the corner a single one. The gradient of the cell with "
              "respect to the picture says how much. It is computed with random weights and "
              "random pictures, several times, and averaged.")
        )  # fmt: skip
    where = cache.tap(view.choice, view.layer.op)
    if where is None or view.layer.field.size is None or view.layer.field.layout is None:
        st.info(
            _("The result of this layer cannot be taken from a running model cell by cell; choose "
              "a neighbouring one."),
            icon=":material/help:",
        )  # fmt: skip
        return
    if not lesson.present:
        made = _gradients(view)
        if made is None:
            return
    left, right = st.columns([3, 2], gap="large")
    with right:
        if lesson.present:  # all of it beside the figure: a talk has one screen
            made = _gradients(view)
        if made:
            _effective_numbers(lesson, view, made)
    with left:
        _draw(lesson, view, "field_effective", made)


def _gradients(view: View) -> Effective | None:
    """The button, what there is to say of the work, and its result."""
    state = st.session_state
    asked = _Asked(view.choice, view.layer.op, view.cell)
    running: tuple[_Asked, Job[Effective | None]] | None = state.get(_JOB)
    job = running[1] if running else None
    st.button(
        _("Compute the gradients of this cell"), key="field_compute", type="primary",
        icon=":material/play_arrow:", disabled=job is not None and job.running, on_click=_start,
        args=(asked, view.layer.field),
    )  # fmt: skip
    if running and job is not None:
        if job.running:
            _watch(job)
        elif job.sentence and not job.cancelled.is_set():
            st.error(escaped(job.sentence), icon=":material/error:")
        elif job.result is not None:
            state[_MADE] = (running[0], job.result)
    made: tuple[_Asked, Effective] | None = state.get(_MADE)
    if made and made[0] == asked:
        return made[1]
    if made and not (job is not None and job.running):
        st.caption(_("What was computed before belongs to another layer or cell."))
    return None


def _start(asked: _Asked, field: Field) -> None:
    address.touch()
    choice = asked.choice
    trace, where = trace_of(choice), cache.tap(choice, asked.op)
    assert where

    def work(job: Job[Effective | None]) -> Effective | None:
        return effective_field(
            choice.model, choice.build_options, trace, asked.op, where, field, cell=asked.cell,
            cancel=job.cancelled, progress=lambda done, all_: job.report((done, all_)),
        )  # fmt: skip

    st.session_state[_JOB] = (asked, Job(work, lane=PASSES))


@st.fragment(run_every=_POLL)
def _watch(job: Job[Any]) -> None:
    if not job.running:
        st.rerun()
    done, draws = job.progress if isinstance(job.progress, tuple) else (0, 0)
    text = _("Building the model")
    if job.waiting:
        text = _("One pass at a time: {queue}").format(queue=queue_text(job.ahead))
    if draws:
        text = _("Draw {n} of {all}").format(n=done + 1, all=draws)
    st.progress(done / draws if draws else 0.0, f"{text} ({job.seconds:.0f} s)")
    st.button(_("Stop"), key="field_stop", on_click=job.cancel)


def _effective_numbers(lesson: Lesson, view: View, made: Effective) -> None:
    rows = view.layer.field.rows
    assert rows
    lesson.numbers(
        [
            (_("Effective size"), rounded(made.side), _("pixels")),
            (_("Theoretical size"), count(rows.size), _("rows")),
            (_("Radius"), rounded(made.radius), _("root mean square")),
            (_("Draws"), str(made.draws), _("of random weights")),
        ][: 2 if lesson.present else 4],
        key="effective",
        least=150,
    )  # fmt: skip
    said = _("Half of the weight lies on {share} of the picture's pixels.").format(
        share=percent(made.half)
    )
    if not lesson.present:
        said += " " + _(
            "The effective size is the side of a square with as many pixels as have more than "
            "4.55% of the largest weight. With random weights the effective field is bell-shaped "
            "and grows with the square root of the depth, the theoretical one in proportion to "
            "it; training widens it (Luo et al. 2016, arXiv:1701.04128)."
        )
    lesson.answer(said)


# ------------------------------------------------------------------ architectures


def architectures(lesson: Lesson) -> None:
    """A table of all architectures, on request: the last features of each."""
    st.markdown(
        _("The last layer whose cells still have a place, at each network's own input size: what "
          "follows pools them, flattens them, or lets them attend to each other.")
    )  # fmt: skip
    shown = address.restore("all", "field_all", {"yes": True, "no": False}.get, False)
    address.record({"all": "yes" if shown else None})
    names = list_models()
    st.toggle(
        _("Trace all {n} and compare").format(n=len(names)), key="field_all",
        on_change=address.touch,
    )  # fmt: skip
    if not shown or lesson.hides:
        return
    progress = st.empty()
    found: list[cache.Summary] = []
    for done, name in enumerate(names):
        if not cache.is_summarized(name):
            progress.progress(
                done / len(names),
                _("Tracing {model}, {n} of {all}").format(model=name, n=done + 1, all=len(names)),
            )
        found.append(cache.summary(name))
    progress.empty()
    _table(found)


def _table(found: Sequence[cache.Summary]) -> None:
    name, column = _columns(), st.column_config
    frame = pd.DataFrame(
        {
            name["title"]: [each.title for each in found],
            name["year"]: [each.year for each in found],
            name["input"]: [each.side for each in found],
            name["layer"]: [each.layer for each in found],
            name["size"]: pd.array([each.size for each in found], dtype="Int64"),
            name["ratio"]: [each.size / each.side if each.size else None for each in found],
            name["stride"]: [each.stride for each in found],
            name["cells"]: [each.cells for each in found],
            name["whole"]: [each.whole_from for each in found],
        }
    )
    picked = st.dataframe(
        frame,
        hide_index=True,
        row_height=30,
        height=36 + 30 * 16,
        key="field_table",
        on_select="rerun",
        selection_mode="single-cell",
        column_config={
            name["title"]: column.TextColumn(width=190),
            name["year"]: column.NumberColumn(format="%d", width=52),
            name["input"]: column.NumberColumn(width=58),
            name["layer"]: column.TextColumn(width=170),
            name["size"]: column.NumberColumn(format="localized", width=76),
            name["ratio"]: column.NumberColumn(format="%.2f ×", width=96),
            name["stride"]: column.NumberColumn(width=62),
            name["cells"]: column.NumberColumn(width=58),
            name["whole"]: column.TextColumn(width=190),
        },
    )
    st.caption(
        _("Gates and normalization statistics, which see the whole picture, are left out of the "
          "window and counted in the last column. Click a row to open that architecture.")
    )  # fmt: skip
    cells = picked["selection"]["cells"]
    if cells:
        _open(found[cells[0][0]].name)


def _columns() -> dict[str, str]:
    titles = {
        "title": N_("Architecture"),
        "year": N_("Year"),
        "input": N_("Input"),
        "layer": N_("Last features"),
        "size": N_("Window"),
        "ratio": N_("Of the input"),
        "stride": N_("Stride"),
        "cells": N_("Cells"),
        "whole": N_("Sees everything from"),
    }
    return {key: _(title) for key, title in titles.items()}


def _open(model: str) -> None:
    choice = native_choice(model)
    address.leave()
    st.session_state.pop("field_table", None)
    st.switch_page("pages/learn/receptive_field.py", query_params=to_query(choice))
