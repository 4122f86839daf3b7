"""Bars of parameters and MACs per layer."""

from __future__ import annotations

import pytest

from explorer.figures.cost import cost_bars
from explorer.figures.theme import kind_color


def bars_of(figure, axis):
    return {
        key[0]: (x, y)
        for trace in figure.data
        if trace.type == "bar" and trace.yaxis == axis
        for key, x, y in zip(trace.customdata, trace.x, trace.y, strict=True)
    }


def test_every_layer_with_parameters_or_macs_has_a_bar_in_both_charts(rows) -> None:
    figure = cost_bars(rows)
    assert bars_of(figure, "y") == {
        "conv1": (1, 100),
        "block.0.conv1": (2, 200),
        "block.0.conv2": (3, 300),
        "fc": (4, 400),
        "fc@1": (5, 0),
    }
    assert bars_of(figure, "y3") == {
        "conv1": (1, 1000),
        "block.0.conv1": (2, 3000),
        "block.0.conv2": (3, 4000),
        "fc": (4, 2000),
        "fc@1": (5, 2000),
    }


def test_the_cumulative_share_rises_to_one(rows) -> None:
    params, macs = (trace.y for trace in cost_bars(rows).data if trace.type == "scatter")
    # 100, 300, 600, 1000, 1000 of 1000; 1000, 4000, 8000, 10000, 12000 of 12000
    assert params == (0.1, 0.3, 0.6, 1.0, 1.0)
    assert macs == pytest.approx((1 / 12, 4 / 12, 8 / 12, 10 / 12, 1.0))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_kind_has_its_own_colour_and_one_entry_in_the_legend(rows, theme) -> None:
    bars = [trace for trace in cost_bars(rows, theme=theme).data if trace.type == "bar"]
    for trace in bars:
        assert trace.marker.color == kind_color(trace.name, theme)
    named = [trace.name for trace in bars if trace.showlegend]
    assert sorted(named) == ["convolution", "linear"]


def test_the_selected_layer_is_marked_in_both_charts(rows) -> None:
    marks = cost_bars(rows, selected="block.0.conv2").layout.shapes
    assert {(mark.x0, mark.x1) for mark in marks} == {(3, 3)}
    assert len(marks) == 2
    assert not cost_bars(rows, selected="relu").layout.shapes


def test_the_layers_of_a_selected_module_are_marked_together(rows) -> None:
    # conv1, block.0.conv1, block.0.conv2, fc, fc@1: the block has bars 2 and 3
    marks = cost_bars(rows, selected="block").layout.shapes
    assert {(mark.type, mark.x0, mark.x1) for mark in marks} == {("rect", 1.5, 3.5)}


def test_titles_and_axes_say_what_is_counted(rows) -> None:
    layout = cost_bars(rows, unit="FLOPs").layout
    assert layout.title.text == "Parameters and FLOPs per layer"
    assert (layout.yaxis.title.text, layout.yaxis3.title.text) == ("Parameters", "FLOPs")
    assert layout.xaxis2.title.text == ("5 layers with parameters or FLOPs, in execution order")


def test_a_model_without_parameters_draws_an_empty_chart(rows) -> None:
    figure = cost_bars([row for row in rows if not row.params and not row.cost])
    assert not [trace for trace in figure.data if trace.type == "bar"]
