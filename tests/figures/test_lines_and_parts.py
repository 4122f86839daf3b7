"""Curves with a mark on them, and bars made of parts."""

from __future__ import annotations

import pytest

from explorer.figures.lines import Line, lines
from explorer.figures.parts import Part, Side, grouped_parts, reading_bars, share_bars
from explorer.figures.theme import kind_color

NAN = float("nan")


def test_a_curve_has_its_values_its_colour_and_its_mark() -> None:
    line = Line("grouped", "convolution", (1, 2, 4), (1.0, 0.5, NAN), "dash", 2)
    figure = lines([line], title="Cost", x_title="groups", y_title="share", log_x=True, log_y=True)
    (drawn,) = figure.data
    assert drawn.y == (1.0, 0.5, None)
    assert drawn.line.dash == "dash"
    assert drawn.line.color == kind_color("convolution", "light")
    assert drawn.marker.size[1] > drawn.marker.size[0]
    (mark,) = figure.layout.shapes
    assert mark.x0 == mark.x1 == 2
    assert figure.layout.xaxis.type == figure.layout.yaxis.type == "log"
    assert figure.layout.title.text == "Cost"


def test_without_a_mark_there_is_no_line_across() -> None:
    figure = lines([Line("a", "add", (1,), (2,))], title="", x_title="", y_title="", x_ticks=(1,))
    assert not figure.layout.shapes
    assert figure.layout.xaxis.ticktext == ("1",)


def test_sides_stand_beside_each_other_and_their_parts_on_each_other() -> None:
    sides = (
        Side("with", (Part("first", "activation", (1, 2)), Part("", "convolution", (10, 20)))),
        Side("without", (Part("", "input", (100, 200)),)),
    )
    figure = grouped_parts(("a", "b"), sides, title="", y_title="MACs")
    first, rest, other = figure.data
    assert first.x == rest.x
    assert all(left < right for left, right in zip(first.x, other.x, strict=True))
    assert all(abs(x - place) < 0.5 for place, x in enumerate(first.x))
    assert figure.layout.barmode == "stack"
    assert [bar.name for bar in figure.data] == ["with: first", "with", "without"]
    said = {(note.x, note.y): note.text for note in figure.layout.annotations}
    assert sorted(said.values()) == ["100", "11", "200", "22"]
    assert said[first.x[1], 22] == "22"


def test_a_dense_layer_s_bar_has_a_piece_for_each_connection() -> None:
    sources = ((8,), (8, 4), (8, 4, 4))
    figure = reading_bars(
        sources, (8, 6, 6), title="", x_title="", y_title="", names=("in", "grown", "beside")
    )
    *pieces, line = figure.data
    assert sum(len(bar.y) for bar in pieces) == 3 * 4 // 2
    heights = dict.fromkeys((1, 2, 3), 0)
    for bar in pieces:
        for layer, height in zip(bar.x, bar.y, strict=True):
            heights[layer] += height
    assert heights == {1: 8, 2: 12, 3: 16}
    assert line.y == (8, 6, 6)
    assert [bar.showlegend for bar in pieces] == [True, True, False]


def test_shares_add_up_to_one_and_small_ones_say_nothing() -> None:
    parts = (Part("a", "convolution", (98, 1)), Part("b", "linear", (2, 3)))
    figure = share_bars(("x", "y"), parts, title="")
    one, other = figure.data
    assert one.x == pytest.approx((0.98, 0.25))
    assert other.x == pytest.approx((0.02, 0.75))
    assert one.text == ("98.0%", "25.0%")
    assert other.text == ("", "75.0%")
