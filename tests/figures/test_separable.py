"""Who reaches whom, and where a few layers lie under the roof."""

from __future__ import annotations

from math import log10

import numpy as np
import pytest

from explorer.figures.separable import RoofDot, reach_maps, roof


def test_a_square_for_each_pair_of_channels_and_a_line_between_groups() -> None:
    matrix = np.eye(4, dtype=bool)
    figure = reach_maps(
        [("alone", matrix), ("mixed", ~matrix)], groups=2, x_title="in", y_title="out"
    )
    one, other = figure.data
    assert np.array_equal(one.z, matrix.astype(int))
    assert np.array_equal(other.z, (~matrix).astype(int))
    assert [shape.y0 for shape in figure.layout.shapes] == [2.5, 2.5]
    assert figure.layout.yaxis.autorange == figure.layout.yaxis2.autorange == "reversed"
    assert [note.text for note in figure.layout.annotations][:2] == ["alone", "mixed"]


def test_the_roof_bends_at_the_ridge_and_dots_lie_where_they_are() -> None:
    dots = (RoofDot("deep", "activation", 2, 150, 0.5), RoofDot("full", "pooling", 500, 900, 3))
    figure = roof(
        dots, peak=1000, bandwidth=100, title="", x_title="", y_title="", texts=("slope", "flat")
    )
    line, deep, full = figure.data
    assert line.y[1:] == (1000, 1000)
    assert line.x[1] == 10  # operations a byte
    assert line.y[0] == pytest.approx(line.x[0] * 100)
    assert (deep.x, deep.y) == ((2,), (150,))
    assert (full.x, full.y) == ((500,), (900,))
    assert deep.text == ("deep<br>0.5 ms",)
    low, high = figure.layout.xaxis.range
    assert low < log10(2)
    assert high > log10(500)
    assert {note.text for note in figure.layout.annotations} == {"slope", "flat"}
