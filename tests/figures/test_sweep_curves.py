from __future__ import annotations

import pytest

from explorer.figures.sweep import MOST_CURVES, Curve, Mark, sweep_curves


def curve(name: str, *values: tuple[float, float | None]) -> Curve:
    marks = [Mark(x, y, f"at {x}<br>said", "" if y is not None else "fc") for x, y in values]
    return Curve(
        name,
        tuple(mark for mark in marks if mark.y is not None),
        tuple(mark for mark in marks if mark.y is None),
    )


def draw(*curves: Curve, **options: bool | str):
    return sweep_curves(curves, title="T", x_title="X", y_title="Y", **options)


CURVES = (curve("a", (32, None), (64, 1.0), (96, 4.0)), curve("b", (32, 2.0), (64, None)))


def test_a_line_holds_what_a_model_takes_and_crosses_what_it_does_not() -> None:
    line, crosses, _, others = draw(*CURVES).data
    assert (line.name, line.x, line.y) == ("a", (64, 96), (1.0, 4.0))
    assert line.text[0] == "<b>a</b><br>at 64<br>said"
    assert (crosses.x, crosses.customdata) == ((32,), (["fc"],))
    # On an axis of their own, so that they lie at the foot whatever the quantity is.
    assert crosses.yaxis == others.yaxis == "y2"
    assert crosses.y != others.y
    layout = draw(*CURVES).layout
    assert layout.yaxis2.domain[1] == layout.yaxis.domain[0] > 0
    assert all(layout.yaxis2.range[0] < y < layout.yaxis2.range[1] for y in crosses.y + others.y)
    assert layout.xaxis.anchor == "y2"


def test_without_crosses_the_curves_have_all_the_room() -> None:
    figure = draw(curve("a", (1, 1.0)))
    assert figure.layout.xaxis.anchor == "y"
    # Plotly cuts the curves off at the edge of another axis, even of one without anything on it.
    assert "yaxis2" not in figure.layout.to_plotly_json()
    assert {trace.yaxis or "y" for trace in figure.data} == {"y"}


def test_ticks_of_counts_have_prefixes_and_those_of_measures_do_not() -> None:
    assert draw(*CURVES).layout.yaxis.tickformat == "~s"
    assert draw(*CURVES, large=False).layout.yaxis.tickformat == ",~g"


def test_crosses_belong_to_their_line_in_colour_and_legend() -> None:
    for theme in ("light", "dark"):
        traces = draw(*CURVES, theme=theme).data
        for line, crosses in zip(traces[::2], traces[1::2], strict=True):
            assert line.line.color == crosses.marker.color
            assert line.legendgroup == crosses.legendgroup
            assert (line.showlegend, crosses.showlegend) == (True, False)


def test_a_model_that_takes_nothing_is_still_in_the_legend() -> None:
    line, crosses = draw(curve("a", (32, None))).data
    assert (line.showlegend, crosses.showlegend) == (False, True)
    assert crosses.name == "a: not taken"


def test_four_curves_differ_in_colour_symbol_and_dash() -> None:
    lines = draw(*(curve(name, (1, 1.0)) for name in "abcd")).data[::2]
    assert len(lines) == MOST_CURVES == 4
    for looks in zip(*((t.line.color, t.marker.symbol, t.line.dash) for t in lines), strict=True):
        assert len(set(looks)) == 4


@pytest.mark.parametrize("first", [0, 1])
def test_an_axis_is_logarithmic_only_if_all_its_values_can_be_drawn(first: float) -> None:
    figure = draw(curve("a", (first, 1.0), (2, 3.0)), log_x=True, log_y=True)
    assert figure.layout.xaxis.type == ("log" if first else "linear")
    assert figure.layout.yaxis.type == "log"
    crossed = draw(*CURVES, log_x=True, log_y=True)
    assert crossed.layout.yaxis2.type == "linear"


def test_a_linear_quantity_begins_at_zero() -> None:
    assert draw(*CURVES).layout.yaxis.rangemode == "tozero"


def test_long_sentences_are_broken_where_a_line_ends() -> None:
    said = Mark(1, None, "word " * 40, "fc")
    text = draw(Curve("a", (), (said,))).data[1].text[0]
    assert max(map(len, text.split("<br>"))) <= 48


def test_a_figure_without_points_is_drawn() -> None:
    assert len(draw(curve("a"), log_x=True, log_y=True).data) == 2


def test_what_was_measured_is_drawn_beside_its_curve_in_its_colour() -> None:
    marks = (Mark(1, 20.0, "twenty", spread=(18.0, 25.0)), Mark(2, 40.0, "forty"))
    predicted = Curve("net, predicted", (Mark(1, 1.0, "one"), Mark(2, 2.0, "two")), ())
    figure = sweep_curves(
        [predicted], title="t", x_title="x", y_title="ms", large=False,
        measured=[Curve("net, measured here", marks, ())],
    )  # fmt: skip
    line, _, measured = figure.data
    assert (measured.name, list(measured.x), list(measured.y)) == (
        "net, measured here", [1, 2], [20.0, 40.0],
    )  # fmt: skip
    assert measured.marker.line.color == line.line.color
    assert measured.marker.color != line.marker.color
    assert list(measured.error_y.array) == [5.0, 0.0]
    assert list(measured.error_y.arrayminus) == [2.0, 0.0]
    # 40 is forty times 1: on a linear axis the prediction would lie on the axis.
    assert figure.layout.yaxis.type == "log"
    near = sweep_curves(
        [predicted], title="t", x_title="x", y_title="ms", large=False,
        measured=[Curve("net, measured here", (Mark(1, 4.0, "four"),), ())],
    )  # fmt: skip
    assert near.layout.yaxis.type == "linear"
