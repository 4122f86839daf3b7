"""The scatter of predicted and taken times, and the bars of a measured pass."""

from __future__ import annotations

from math import log10

import pytest

from explorer.analysis.agreement import Compared
from explorer.analysis.apart import Part, Parts
from explorer.figures.agreement import predicted_against_taken
from explorer.figures.apart import part_bars
from explorer.figures.theme import kind_color

RUNS = (
    Compared("resnet18", "ResNet", 10.0, 15.0, 1_814_073_344, "batch 1, 224 × 224"),
    Compared("lenet5", "LeNet", 0.1, 0.4, 416_520),
    Compared("tv_vit", "vision_transformer", 100.0, 80.0, 17_564_000_000),
    Compared("<b>odd", "nobody's", 5.0, 5.0, 3),
)
PARTS = Parts(
    parts=(
        Part("conv1", "convolution", "Conv2d", 4.0, 2.0),
        Part("relu", "activation", "ReLU", 1.0, None),
        Part("fc", "linear", "Linear", 2.0, 1.0),
    ),
    whole_ms=7.5,
    hooked_ms=8.0,
    layers_ms=7.0,
    rest_ms=0.5,
    hooks_ms=0.5,
    predicted_ms=3.5,
    predicted_layers_ms=3.0,
    predicted_rest_ms=0.5,
)


def dots(figure):
    return {
        key: (x, y, trace.name)
        for trace in figure.data
        if trace.customdata
        for (key,), x, y in zip(trace.customdata, trace.x, trace.y, strict=True)
    }


def test_a_dot_lies_at_its_two_times_in_its_group() -> None:
    assert dots(predicted_against_taken(RUNS, took="recorded")) == {
        "resnet18": (10, 15, "residual and dense"),
        "lenet5": (0.1, 0.4, "plain"),
        "tv_vit": (100, 80, "transformers"),
        "<b>odd": (5, 5, "others"),
    }


def test_the_diagonal_and_the_band_of_two_go_from_edge_to_edge_of_square_axes() -> None:
    figure = predicted_against_taken(RUNS, took="recorded")
    lines = {trace.name: (trace.x, trace.y) for trace in figure.data if trace.mode == "lines"}
    x, y = lines["as predicted"]
    assert x == y
    assert figure.layout.xaxis.range == figure.layout.yaxis.range
    assert figure.layout.xaxis.range == pytest.approx([log10(x[0]), log10(x[1])])
    assert lines["twice"][1] == pytest.approx([2 * each for each in x])
    assert lines["within a factor of 2"][1] == pytest.approx([each / 2 for each in x])
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == ("log", "log")


def test_axes_and_cards_say_how_the_times_were_had() -> None:
    figure = predicted_against_taken(RUNS, took="imported")
    assert figure.layout.title.text == "Imported against predicted time"
    assert figure.layout.xaxis.title.text == "Predicted, ms"
    assert figure.layout.yaxis.title.text == "Imported, ms"
    cards = [card for trace in figure.data if trace.customdata for card in trace.text]
    (resnet,) = [card for card in cards if card.startswith("<b>resnet18</b>, batch 1, 224 × 224")]
    assert "imported 15 ms" in resnet
    assert "predicted 10 ms: 1.5 times slower than predicted" in resnet
    assert any("1.25 times faster than predicted" in card for card in cards)
    # A name from a file is text, and never markup.
    assert any("&lt;b&gt;odd" in card for card in cards)


def test_the_chosen_model_has_a_ring() -> None:
    figure = predicted_against_taken(RUNS, took="recorded", marked="lenet5")
    (ring,) = [trace for trace in figure.data if trace.name == "lenet5"]
    assert (ring.x, ring.y) == ((0.1,), (0.4,))
    assert "resnet18" not in [trace.name for trace in figure.data]


def test_no_run_at_all_is_an_empty_chart() -> None:
    assert not dots(predicted_against_taken((), took="recorded"))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_bars_are_measured_and_ticks_predicted(theme: str) -> None:
    figure = part_bars(PARTS, theme=theme)
    bars = {
        key: (x, y, trace.marker.color)
        for trace in figure.data
        if trace.type == "bar"
        for (key,), x, y in zip(trace.customdata, trace.x, trace.y, strict=True)
    }
    assert bars == {
        "conv1": (1, 4, kind_color("convolution", theme)),
        "relu": (2, 1, kind_color("activation", theme)),
        "fc": (3, 2, kind_color("linear", theme)),
    }
    (ticks,) = [trace for trace in figure.data if trace.name == "predicted"]
    assert (ticks.x, ticks.y) == ((1, 3), (2, 1))
    assert figure.layout.title.text == "Measured time by layer: 7 ms in layers"


def test_a_bar_says_its_share_and_what_was_predicted() -> None:
    figure = part_bars(PARTS, selected="fc")
    cards = [card for trace in figure.data if trace.type == "bar" for card in trace.text]
    assert "measured 4 ms (50.0% of the pass)<br>predicted 2 ms" in cards[0]
    assert "not predicted" in cards[1]
    assert [mark.x0 for mark in figure.layout.shapes] == [3]
