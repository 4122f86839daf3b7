"""What stands on "Inception and branches"."""

from __future__ import annotations

from typing import Final, NamedTuple

import streamlit as st

from explorer.analysis.units import compact, count, rounded
from explorer.lessons.branches import BLOCKS, CARDINALITIES, MOST_DRAWN, WINDOWS
from pages.shared import address
from pages.shared.cache import branches as cache
from pages.shared.learn import pictures
from pages.shared.learn.course import change, style
from pages.shared.learn.lesson import Lesson
from pages.shared.reading import number_of, one_of, unless
from pages.shared.text import N_, _, n_
from pages.shared.widgets import theme

MEASURES: Final[dict[cache.Measure, str]] = {"macs": N_("MACs"), "params": N_("Parameters")}
_BLOCK: Final = "branches_block"
_MEASURE: Final = "branches_measure"
_WINDOW: Final = "branches_window"
_CARDINALITY: Final = "branches_cardinality"


class View(NamedTuple):
    """What is looked at."""

    block: str
    measure: cache.Measure
    window: int
    cardinality: int


def open_view() -> View:
    """Read the view from the session, or from the address where that speaks, and record it."""
    block = address.restore("block", _BLOCK, one_of(BLOCKS), "3a")
    measure: cache.Measure = address.restore("of", _MEASURE, _measure, "macs")
    window = address.restore("window", _WINDOW, number_of(WINDOWS), 5)
    cardinality = address.restore("cardinality", _CARDINALITY, number_of(CARDINALITIES), 32)
    address.record(
        {
            "block": unless(block, "3a"),
            "of": unless(measure, "macs"),
            "window": unless(str(window), str(5)),
            "cardinality": unless(str(cardinality), str(32)),
        }
    )
    return View(block, measure, window, cardinality)


def _measure(text: str) -> cache.Measure | None:
    return next((name for name in MEASURES if name == text), None)


def _measured(key: str) -> None:
    st.segmented_control(
        _("Measure"), list(MEASURES), key=key, required=True, label_visibility="collapsed",
        format_func=lambda name: _(MEASURES[name]), on_change=address.touch,
    )  # fmt: skip


# ---------------------------------------------------------------------- Inception


def branch_by_branch(lesson: Lesson, view: View) -> None:
    """One block: its diagram, and its branches as bars."""
    style()
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.segmented_control(
            _("Block"), BLOCKS, key=_BLOCK, required=True, label_visibility="collapsed",
            on_change=address.touch,
        )  # fmt: skip
        _measured(_MEASURE)
    found = cache.split(view.block)
    with_, without = cache.block_pictures(view.block, theme())
    left, right = st.columns([1, 1], gap="medium")
    with left:
        pictures.fitted(
            [
                (_("With 1 × 1"), with_, _("An Inception block with its 1 × 1 convolutions")),
                (_("Without"), without, _("The same block without them")),
            ],
            height=440 if lesson.present else 640, width=590,
        )  # fmt: skip
    (params, macs), (full_params, full_macs) = found.totals
    with right:
        if lesson.hides:
            return
        _branch_bars(lesson, view)
        if lesson.present:
            _branch_answer(lesson, view)
            return
        lesson.numbers(
            [
                change(_("Parameters"), full_params, params, compact),
                change(_("MACs"), full_macs, macs, compact),
            ],
            key="branches_totals",
        )
    _branch_answer(lesson, view)


def _branch_answer(lesson: Lesson, view: View) -> None:
    found = cache.split(view.block)
    (params, macs), (full_params, full_macs) = found.totals
    lesson.answer(
        _(
            "In block {block} the 1 × 1 save a factor of **{macs} in MACs** and {params} in "
            "parameters: a 5 × 5 reads {narrow} channels for {wide}. Without the 1 × 1 behind the "
            "pooling too, {naive} channels would leave it for {out}, and every later block would "
            "read more."
        ).format(
            block=view.block,
            macs=rounded(full_macs / macs),
            params=rounded(full_params / params),
            narrow=found.reduced[2].first,
            wide=found.input_shape[0],
            naive=count(found.naive_out),
            out=count(found.out),
        )
    )


def _branch_bars(lesson: Lesson, view: View) -> None:
    figure = cache.branches_json(
        view.block,
        view.measure,
        _("{measure} of each branch of {block}").format(
            measure=_(MEASURES[view.measure]), block=view.block
        ),
        _(MEASURES[view.measure]),
        (_("with"), _("1 × 1 before it"), _("without")),
        ("1 × 1", "3 × 3", "5 × 5", _("pooling")),
        270 if lesson.present else 340,
        theme(),
    )
    lesson.plot(figure, "branches_bars", _("Cost of each branch, with its 1 × 1 and without"))


def all_blocks(lesson: Lesson, view: View) -> None:
    """Every block of the network."""
    if lesson.present:
        _measured(_MEASURE)
    if lesson.hides:
        return
    figure = cache.blocks_json(
        view.measure,
        _("{measure} of each block").format(measure=_(MEASURES[view.measure])),
        _(MEASURES[view.measure]),
        (_("with 1 × 1"), _("without")),
        theme(),
    )
    lesson.plot(figure, "branches_blocks", _("Cost of the nine blocks with and without 1 × 1"))
    ratios = {
        block: full[1] / reduced[1]
        for block in BLOCKS
        for reduced, full in [cache.split(block).totals]
    }
    most, least = max(ratios, key=ratios.__getitem__), min(ratios, key=ratios.__getitem__)
    lesson.answer(
        _(
            "How much the 1 × 1 save depends on how narrow they are beside what the block reads: "
            "from {low} times the MACs in {least} to **{high} times in {most}**. MACs are spent "
            "where maps are large, parameters where channels are many."
        ).format(low=rounded(ratios[least]), least=least, high=rounded(ratios[most]), most=most)
    )


# ------------------------------------------------------------------ factorizations


def factorizations(lesson: Lesson, view: View) -> None:
    """A window, 3x3 in its place, and two one-sided ones."""
    style()
    st.segmented_control(
        _("Window"), WINDOWS, key=_WINDOW, required=True, on_change=address.touch,
        label_visibility="collapsed",
        format_func=lambda n: f"{n} × {n}",
    )  # fmt: skip
    found = cache.factored(view.window)
    names = (
        f"{view.window} × {view.window}",
        _("3 × 3, {n} times").format(n=(view.window - 1) // 2),
        f"1 × {view.window}, {view.window} × 1",
    )
    drawn = cache.factored_pictures(view.window, theme())
    left, right = st.columns([1, 1], gap="medium")
    with left:
        pictures.beside(
            [(name, each, name) for name, each in zip(names, drawn, strict=True)],
            height=265 if lesson.present else 400, width=230,
        )  # fmt: skip
    with right:
        if lesson.hides:
            return
        figure = cache.factored_json(
            view.window,
            _("Parameters at 192 channels"),
            (_("Window n"), _("Parameters")),
            ("n × n", "3 × 3", "1 × n, n × 1"),
            theme(),
        )
        lesson.plot(figure, "branches_factored", _("Parameters over the window, three ways"))
    lesson.answer(
        _(
            "All three see {n} × {n} pixels. With as many channels everywhere, 3 × 3 take "
            "**{stacked} of the cost** and the one-sided pair **{one_sided}** (2/{n}). "
            "Inception-v3 stacks 3 × 3 on its large maps and uses 1 × 7 with 7 × 1 on those of "
            "17 × 17. Each further layer also has a ReLU, and maps to keep."
        ).format(
            n=view.window,
            stacked=f"{found.stacked / found.whole:.0%}",
            one_sided=f"{found.one_sided / found.whole:.0%}",
        )
    )


# --------------------------------------------------------------------- cardinality


def cardinality(lesson: Lesson, view: View) -> None:
    """Paths of one shape, and the grouped convolution that they are."""
    style()
    st.segmented_control(
        _("Cardinality: number of paths"), list(CARDINALITIES), key=_CARDINALITY, required=True,
        on_change=address.touch, label_visibility="collapsed" if lesson.present else "visible",
    )  # fmt: skip
    paths, grouped = cache.equal_pictures(view.cardinality, theme())
    name = _("{n} paths, added").format(n=view.cardinality)
    if view.cardinality > MOST_DRAWN:
        name = _("{n} paths, added (the first {few} drawn)").format(
            n=view.cardinality, few=MOST_DRAWN
        )
    shown: list[pictures.Shown] = [
        (name, paths, _("Bottlenecks side by side whose results are added")),
        (_("One grouped convolution"), grouped, _("One bottleneck with a grouped 3 × 3")),
    ]
    if not lesson.present:
        pictures.beside(shown, height=420, width=760)
        _equal(lesson, view)
        _equal_answer(lesson, view)
        return
    left, right = st.columns([3, 2], gap="medium")
    with left:
        pictures.fitted(shown, height=290, width=690)
    with right:
        _equal(lesson, view)
    _equal_answer(lesson, view)


def _equal(lesson: Lesson, view: View) -> None:
    """Both forms in numbers."""
    found = cache.equal(view.cardinality)
    lesson.numbers(
        [
            (_("Width of a path"), str(found.width), _("channels")),
            (
                _("Parameters"), count(found.path_params),
                n_("in {n} path", "in {n} paths", found.cardinality),
            ),
            (_("Parameters"), count(found.grouped_params), _("grouped")),
            (_("Difference"), f"{found.difference:.1e}", _("of the largest result")),
        ],
        key="branches_equal", least=150,
    )  # fmt: skip


def _equal_answer(lesson: Lesson, view: View) -> None:
    found = cache.equal(view.cardinality)
    lesson.answer(
        _(
            "With the same weights both give **the same result** on a random input, up to "
            "float32's rounding, and have **the same {params} parameters**: a grouped convolution "
            "is {n} branches written as one layer. ResNeXt's Table 2 narrows the paths as they "
            "become more, so that the cost stays."
        ).format(params=count(found.grouped_params), n=view.cardinality)
    )
