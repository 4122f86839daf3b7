from __future__ import annotations

import math

import numpy as np
import pytest

from explorer.figures.lesson_curves import MOST_LOOKS, Axes, Curve, lesson_curves, stacked
from explorer.figures.tensor_grid import tensor_grid, value_color

AXES = Axes("T", "X", "Y")


def curve(name: str, *values: float, look: int = 0, faint: bool = False) -> Curve:
    places = tuple(range(1, len(values) + 1))
    return Curve(name, places, values, tuple(map(str, values)), look, faint)


def test_a_line_holds_its_curve_and_the_figure_its_titles() -> None:
    figure = lesson_curves([curve("a", 1.0, 3.0), curve("b", 2.0, look=1)], AXES)
    first, second = figure.data
    assert (first.name, first.x, first.y, first.text) == ("a", (1, 2), (1.0, 3.0), ("1.0", "3.0"))
    assert first.line.color != second.line.color
    assert first.marker.symbol != second.marker.symbol
    assert figure.layout.title.text == "T"
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("X", "Y")


def test_curves_of_one_name_share_a_place_in_the_legend() -> None:
    figure = lesson_curves([curve("a", 1.0), curve("a", 2.0), curve("b", 3.0)], AXES)
    assert [trace.showlegend for trace in figure.data] == [True, False, True]


def test_what_was_recorded_is_dotted_and_without_marks() -> None:
    faint, live = lesson_curves([curve("a", 1.0, faint=True), curve("b", 1.0)], AXES).data
    assert (faint.line.dash, faint.mode) == ("dot", "lines")
    assert (live.line.dash, live.mode) == ("solid", "lines+markers")


def test_a_zero_on_a_logarithmic_axis_is_a_mark_below_all_that_is_drawn() -> None:
    figure = lesson_curves([curve("a", 1e-4, 0.0, 1e3, math.inf)], AXES._replace(log_y=True))
    line, zeros = figure.data
    assert line.y == (1e-4, None, 1e3, None)
    assert zeros.x == (2,)
    assert 1e-5 < zeros.y[0] < 1e-4
    assert figure.layout.yaxis.type == "log"
    assert zeros.text == ("<b>a</b><br>0",)


@pytest.mark.parametrize(("low", "dtick"), [(0.5, "D2"), (1e-3, 1), (1e-20, 3)])
def test_ticks_are_neither_one_nor_a_crowd(low: float, dtick: object) -> None:
    figure = lesson_curves([curve("a", low, 1.0)], AXES._replace(log_y=True))
    assert figure.layout.yaxis.dtick == dtick


def test_a_figure_of_nothing_but_zeros_is_drawn() -> None:
    assert len(lesson_curves([curve("a", 0.0)], AXES._replace(log_y=True)).data) == 2
    assert len(lesson_curves([], AXES).data) == 0


def test_stacked_curves_keep_out_of_each_other_s_way() -> None:
    figure = stacked([curve("a", -1.0, 2.0), curve("b", 2.0, -2.0, look=1)], AXES)
    first, second = figure.data
    assert min(first.y) > max(second.y)
    low, high = figure.layout.yaxis.range
    assert all(low < y < high for y in first.y + second.y)
    # Its own shape is kept.
    assert first.y[1] - first.y[0] == pytest.approx(3)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_looks_differ_in_colour(theme: str) -> None:
    curves = [curve(str(look), 1.0, look=look) for look in range(MOST_LOOKS)]
    colors = {trace.line.color for trace in lesson_curves(curves, AXES, theme=theme).data}
    assert len(colors) == MOST_LOOKS


# ------------------------------------------------------------------ the tensor


def test_a_tensor_is_drawn_value_by_value_and_what_is_lit_is_framed() -> None:
    values = np.arange(-6, 18, dtype=float).reshape(2, 3, 2, 2)
    lit = np.array([[True, False, False], [True, False, False]])
    svg = tensor_grid(values, lit, rows=("a", "b"), columns=("1", "2", "3"), marked=(1, 0))
    assert svg.count("<rect") == 24 + 2
    assert svg.count('opacity="1"') == 2
    assert svg.count('stroke-width="3"') == 1
    for name in ("a", "b", "1", "2", "3"):
        assert f">{name}</text>" in svg


def test_names_cannot_break_out_of_the_picture() -> None:
    values = np.ones((1, 1, 1, 1))
    svg = tensor_grid(values, values[..., 0, 0] > 0, rows=("<script>",), columns=("&",))
    assert "<script>" not in svg
    assert "&amp;" in svg


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_negative_zero_and_positive_values_are_told_apart(theme: str) -> None:
    assert len({value_color(share, theme) for share in (-1, -0.2, 0, 0.2, 1)}) == 5
