"""Figures of scaled networks, read back from their data."""

from __future__ import annotations

import pytest

from explorer.figures.scaling import (
    Dot,
    factor_bars,
    network_shape,
    rule_and_count,
    thinning_curves,
    width_line,
)

WORDS = {"title": "T", "x_title": "X", "y_title": "Y"}
THEMES = pytest.mark.parametrize("theme", ["light", "dark"])


@THEMES
def test_a_bar_for_each_block_and_the_unscaled_network_as_an_outline(theme: str) -> None:
    figure = network_shape(
        [(16, 60), (24, 30), (24, 30)],
        [(16, 56), (24, 28)],
        name="this", base_name="B0", hover="{block}: {channels} at {side}", theme=theme, **WORDS,
    )  # fmt: skip
    bars, outline = figure.data
    assert (bars.x, bars.y) == ((1, 2, 3), (16, 24, 24))
    assert bars.text[2] == "3: 24 at 30"
    # Up at the first block's left edge, down at the last one's right.
    assert outline.x == (0.5, 0.5, 1.5, 1.5, 2.5, 2.5)
    assert outline.y == (0, 16, 16, 24, 24, 0)
    # The side of the maps once for each run of equal ones, above the middle of the run.
    assert [(note.x, note.text) for note in figure.layout.annotations] == [(1, "60²"), (2.5, "30²")]
    assert figure.layout.yaxis.range[1] > 24


@THEMES
def test_a_network_that_costs_what_the_rule_says_lies_on_its_line(theme: str) -> None:
    figure = rule_and_count(
        [Dot(2.0, 1.1, "B1", "said")], [Dot(1.0, 1.0), Dot(2.0, 1.2)], Dot(4.0, 1.3),
        family_name="F", compound_name="C", chosen_name="N", rule_name="R", theme=theme, **WORDS,
    )  # fmt: skip
    compound, family, chosen = figure.data
    assert (compound.y, family.y, chosen.y) == ((1.0, 1.2), (1.1,), (1.3,))
    assert (family.text, family.customdata) == (("B1",), ("said",))
    (level,) = figure.layout.shapes
    assert level.y0 == level.y1 == 1
    assert figure.layout.annotations[0].text == "R"
    assert figure.layout.xaxis.type == "log"


@THEMES
def test_a_group_of_bars_for_each_measure(theme: str) -> None:
    figure = factor_bars(
        [("a", (2.0, 1.0)), ("b", (2.01, 1.5))], ("MACs", "Params"),
        title="T", y_title="Y", theme=theme,
    )  # fmt: skip
    first, second = figure.data
    assert (first.x, first.y, first.text) == (("MACs", "Params"), (2.0, 1.0), ("×2.00", "×1.00"))
    assert second.y == (2.01, 1.5)
    assert first.marker.color != second.marker.color


@THEMES
def test_each_resolution_has_its_count_and_its_rule(theme: str) -> None:
    figure = thinning_curves(
        [("224 px", (0.5, 1), (30, 100), (25, 100)), ("128 px", (0.5, 1), (10, 33), (8, 33))],
        [Dot(1, 100, hover="Table 6")], Dot(0.5, 30),
        printed_name="P", rule_name="R", chosen_name="N", theme=theme, **WORDS,
    )  # fmt: skip
    counted, rule, other, other_rule, printed, chosen = figure.data
    assert (counted.y, rule.y) == ((30, 100), (25, 100))
    assert (other.y, other_rule.y) == ((10, 33), (8, 33))
    assert [trace.showlegend for trace in (rule, other_rule)] == [True, False]
    assert (printed.y, printed.text, chosen.y) == ((100,), ("Table 6",), (30,))


@THEMES
def test_the_line_its_steps_and_the_network(theme: str) -> None:
    figure = width_line(
        [8.0, 12.0, 16.0, 20.0], [8.0, 8.0, 17.6, 17.6], [8, 8, 16, 16],
        line_name="L", steps_name="S", widths_name="W", theme=theme, **WORDS,
    )  # fmt: skip
    bars, line, steps = figure.data
    assert (bars.y, line.y, steps.y) == (
        (8, 8, 16, 16), (8.0, 12.0, 16.0, 20.0), (8.0, 8.0, 17.6, 17.6),
    )  # fmt: skip
    notes = [(note.x, note.text) for note in figure.layout.annotations]
    assert notes == [(0.5, "8 × 2"), (2.5, "16 × 2")]
