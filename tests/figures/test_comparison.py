from __future__ import annotations

import pytest

from explorer.analysis.compare import compare
from explorer.figures.comparison import cumulative_curves, stage_bars
from explorer.trace import trace_model


@pytest.fixture(scope="module")
def comparison():
    return compare([trace_model(name, (1, 3, 64, 64)) for name in ("resnet18", "vgg11")])


@pytest.mark.parametrize("measure", ["params", "cost", "activation_bytes"])
def test_the_segments_of_a_bar_add_up_to_its_model(comparison, measure: str) -> None:
    figure = stage_bars(comparison, measure=measure)
    for place, model in enumerate(comparison.models):
        segments = [
            x
            for bar in figure.data
            for name, x in zip(bar.y, bar.x, strict=True)
            if name == model.name
        ]
        assert sum(segments) == getattr(model, measure).value
        assert len(segments) == sum(stage.stages[place] is not None for stage in comparison.stages)


def test_a_stage_has_one_colour_in_all_models_and_the_first_model_is_on_top(comparison) -> None:
    figure = stage_bars(comparison, theme="dark")
    assert len({bar.marker.color for bar in figure.data}) == len(comparison.stages)
    assert [bar.name for bar in figure.data] == [stage.name for stage in comparison.stages]
    # Plotly draws the last category of a vertical axis on top.
    assert list(figure.layout.yaxis.categoryarray) == ["vgg11", "resnet18"]


def test_a_narrow_segment_is_named_by_the_legend_alone(comparison) -> None:
    figure = stage_bars(comparison)
    texts = {
        (name, bar.name): text
        for bar in figure.data
        for name, text in zip(bar.y, bar.text, strict=True)
    }
    assert texts["resnet18", "head"] == ""
    assert "C3" in texts.values()


def test_a_curve_rises_to_the_whole_model_and_names_each_layer(comparison) -> None:
    figure = cumulative_curves(comparison, measure="cost")
    assert [line.name for line in figure.data] == ["resnet18", "vgg11"]
    for line, model in zip(figure.data, comparison.models, strict=True):
        assert list(line.y) == sorted(line.y)
        assert line.y[-1] == model.cost.value
        assert line.x[-1] == 100
        assert line.customdata[0][0] in ("conv1", "features.0")
    assert figure.data[0].line.dash != figure.data[1].line.dash
    assert figure.data[0].line.color != figure.data[1].line.color


def test_the_axis_says_what_is_counted(comparison) -> None:
    bars = stage_bars(comparison, measure="activation_bytes")
    assert bars.layout.xaxis.title.text == "Activation memory (bytes)"
    assert cumulative_curves(comparison, measure="cost").layout.yaxis.title.text == "MACs"
