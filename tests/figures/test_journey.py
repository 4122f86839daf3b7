"""A row of architectures over the years, one of them lit."""

from __future__ import annotations

from math import log10

import pytest

from explorer.figures.journey import Mark, Quantity, journey
from explorer.figures.theme import kind_color

MARKS = (
    Mark("LeNet", 1998, (60_000, None)),
    Mark("AlexNet", 2012, (61_000_000, 56.5)),
    Mark("ResNet", 2015, (25_600_000, 76.1)),
)
QUANTITIES = (Quantity("Parameters", log=True), Quantity("Top-1", log=False, unit="%"))


def test_each_quantity_has_a_chart_with_every_architecture_at_its_place() -> None:
    figure = journey(MARKS, QUANTITIES)
    params, top1 = figure.data
    assert params.x == top1.x == (0, 1, 2)
    assert params.y == (60_000, 61_000_000, 25_600_000)
    assert top1.y == (None, 56.5, 76.1)
    assert figure.layout.yaxis.type == "log"
    assert figure.layout.yaxis2.type == "linear"
    assert figure.layout.xaxis2.ticktext[0] == "LeNet<br>1998"
    assert not figure.layout.shapes


def test_the_lit_one_stands_out_and_says_its_values() -> None:
    figure = journey(MARKS, QUANTITIES, lit=1)
    color = kind_color("linear", "light")
    for chart in figure.data:
        assert [c == color for c in chart.marker.color] == [False, True, False]
        assert max(chart.marker.size) == chart.marker.size[1]
    texts = [note.text for note in figure.layout.annotations]
    assert "<b>61.0 M</b>" in texts
    assert "<b>56.5%</b>" in texts


def test_what_is_not_known_is_neither_said_nor_pointed_from() -> None:
    figure = journey(MARKS, QUANTITIES, lit=0, before=Mark("none", 1998, (6_000_000, None)))
    assert len(figure.data) == 3  # two charts, and an open mark in the first only
    texts = [note.text for note in figure.layout.annotations]
    assert sum("<b>" in text for text in texts) == 1


def test_an_open_mark_and_an_arrow_stand_for_what_was_before() -> None:
    old = Mark("before", 2015, (50_000_000, 70.0))
    figure = journey(MARKS, QUANTITIES, lit=2, before=old)
    first, second = figure.data[1], figure.data[3]
    assert (first.y, second.y) == ((50_000_000,), (70.0,))
    arrows = [note for note in figure.layout.annotations if note.showarrow]
    assert [(note.axref, note.ayref) for note in arrows] == [("x", "y"), ("x2", "y2")]
    assert arrows[0].y == pytest.approx(log10(25_600_000))
    assert arrows[0].ay == pytest.approx(log10(50_000_000))
    assert (arrows[1].y, arrows[1].ay) == (76.1, 70.0)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_both_themes_draw(theme: str) -> None:
    assert journey(MARKS, QUANTITIES, lit=1, theme=theme).layout.paper_bgcolor
