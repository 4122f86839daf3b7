"""Figures of transformers, read back from their data."""

from __future__ import annotations

import pytest

from explorer.figures.attention import PART_KINDS, Curve, part_bars, size_curves
from explorer.figures.theme import KIND_COLORS

WORDS = {"title": "T", "x_title": "X"}
THEMES = pytest.mark.parametrize("theme", ["light", "dark"])


@THEMES
def test_the_shares_of_every_bar_add_up(theme: str) -> None:
    parts = [("qkv", "QKV", (30, 100)), ("attention", "QKᵀ", (10, 300)), ("mlp", "MLP", (60, 600))]
    figure = part_bars(["224", "448"], parts, theme=theme, **WORDS)
    assert [trace.name for trace in figure.data] == ["QKV", "QKᵀ", "MLP"]
    for at in range(2):
        assert sum(trace.x[at] for trace in figure.data) == pytest.approx(100)
    attention = figure.data[1]
    assert attention.x == (10, 30)
    assert attention.customdata == (10, 300)
    assert attention.text == ("10%", "30%")
    assert figure.layout.barmode == "stack"
    assert figure.layout.yaxis.autorange == "reversed"  # the first size on top


def test_a_share_too_small_for_its_number_has_none() -> None:
    parts = [("head", "Head", (1,)), ("mlp", "MLP", (99,))]
    head, mlp = part_bars(["224"], parts, **WORDS).data
    assert (head.text, mlp.text) == (("",), ("99%",))


@THEMES
def test_parts_that_stand_beside_each_other_differ_in_colour(theme: str) -> None:
    colors = [KIND_COLORS[theme][kind] for kind in PART_KINDS.values()]
    assert len(set(colors)) == len(colors)


@THEMES
def test_curves_keep_their_points_and_mark_the_chosen_size(theme: str) -> None:
    figure = size_curves(
        [
            Curve("a", [100, 200], [1.0, 4.0], "linear"),
            Curve("b", [100, 200], [1.0, 16.0], "attention", "dash", markers=False),
        ],
        chosen=150, chosen_name="150 px", mark=180, mark_name="cross", y_title="Y",
        theme=theme, **WORDS,
    )  # fmt: skip
    first, second = figure.data
    assert (first.x, first.y, first.mode) == ((100, 200), (1.0, 4.0), "lines+markers")
    assert (second.mode, second.line.dash) == ("lines", "dash")
    assert [shape.x0 for shape in figure.layout.shapes] == [150, 180]
    assert [note.text for note in figure.layout.annotations] == ["150 px", "cross"]


def test_a_mark_beyond_the_curves_is_left_out() -> None:
    figure = size_curves(
        [Curve("a", [100, 200], [1.0, 4.0], "linear")], mark=900, mark_name="far", y_title="Y",
        **WORDS,
    )  # fmt: skip
    assert not figure.layout.shapes


def test_what_lies_along_the_axis_is_named_where_it_is_pointed_at() -> None:
    curve = Curve("a", [1, 2], [1.0, 2.0], "linear")
    (trace,) = size_curves([curve], unit="heads", y_title="Y", **WORDS).data
    assert "%{x} heads" in trace.hovertemplate
