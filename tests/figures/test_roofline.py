"""Every layer under the device's roof, and the time layer by layer."""

from __future__ import annotations

from functools import cache

import pytest
from torch import nn

from explorer.analysis.roofline import Device, Prediction, get_device, predict
from explorer.figures.roofline import roofline, time_bars
from explorer.figures.theme import kind_color
from explorer.trace import trace_model

TOY = Device(
    name="Toy",
    kind="GPU",
    float32=1000.0,
    tf32=None,
    float16=4000.0,
    bfloat16=None,
    int8=None,
    bandwidth=100.0,
    memory=1e6,
    launch_seconds=1.0,
    source="made up",
    checked="made up",
)


@cache
def net(dtype: str = "float32", *, launch: bool = True) -> Prediction:
    model = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1, bias=False), nn.ReLU(), nn.Flatten())
    return predict(trace_model(model, (1, 2, 4, 4)), TOY, dtype, launch=launch)


@cache
def resnet(dtype: str) -> Prediction:
    return predict(trace_model("resnet18", (8, 3, 224, 224)), get_device("NVIDIA T4"), dtype)


def dots(figure):
    """Key -> (operations a byte, operations a second, diameter)."""
    return {
        key: (x, y, size)
        for trace in figure.data
        if trace.mode == "markers" and trace.showlegend is not False
        for (key,), x, y, size in zip(
            trace.customdata, trace.x, trace.y, trace.marker.size, strict=True
        )
    }


def lines(figure):
    return {trace.name: (trace.x, trace.y) for trace in figure.data if trace.mode == "lines"}


def test_a_dot_lies_at_its_operations_a_byte_and_a_second() -> None:
    # convolution: 2,304 operations, 672 bytes, max(2.304, 6.72) + 1 = 7.72 s
    # ReLU: 64 operations, 64 * 4 bytes read and written = 512, max(0.064, 5.12) + 1 = 6.12 s
    found = dots(roofline(net()))
    assert found["0"][:2] == pytest.approx((2304 / 672, 2304 / 7.72))
    assert found["1"][:2] == pytest.approx((64 / 512, 64 / 6.12))
    assert set(found) == {"0", "1"}


def test_the_area_of_a_dot_is_the_layer_s_share_of_the_time() -> None:
    found = dots(roofline(net()))
    assert (found["1"][2] / found["0"][2]) ** 2 == pytest.approx(6.12 / 7.72)


def test_the_roof_bends_at_the_ridge() -> None:
    # 1,000 operations and 100 bytes a second: 10 operations a byte
    figure = roofline(net())
    x, y = lines(figure)["roof"]
    assert (x[1], y[1:]) == (10, (1000, 1000))
    assert y[0] == pytest.approx(100 * x[0])
    assert [mark.x0 for mark in figure.layout.shapes] == [10]
    assert "ridge, 10 operations a byte" in [note.text for note in figure.layout.annotations]


def test_the_vector_units_have_a_roof_of_their_own_where_it_is_lower() -> None:
    assert "float32 peak, all but products" not in lines(roofline(net()))
    _, y = lines(roofline(net("float16")))["float32 peak, all but products"]
    assert y == (1000, 1000)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_no_layer_is_above_the_roof(dtype: str) -> None:
    prediction = resnet(dtype)
    bandwidth, peak = prediction.device.bandwidth, prediction.device.peak(dtype)
    found = dots(roofline(prediction))
    assert len(found) > 40
    for x, y, _ in found.values():
        assert y <= min(peak, x * bandwidth) * (1 + 1e-9)


def test_the_selected_layer_has_a_ring() -> None:
    (ring,) = [trace for trace in roofline(net(), selected="1").data if trace.name == "selected"]
    assert list(ring.customdata[0]) == ["1"]
    assert ring.x == (dots(roofline(net()))["1"][0],)
    assert all(trace.name != "selected" for trace in roofline(net(), selected="2").data)


def test_a_card_says_macs_bytes_and_milliseconds() -> None:
    texts = [text for trace in roofline(net()).data if trace.text for text in trace.text]
    (card,) = [text for text in texts if text.startswith("<b>0</b>")]
    assert "1,152 MACs" in card
    assert "672 B moved" in card
    assert "7,720 ms" in card
    assert "waits for memory" in card


def test_axes_are_logarithmic_and_carry_units() -> None:
    layout = roofline(net()).layout
    assert (layout.xaxis.type, layout.yaxis.type) == ("log", "log")
    assert layout.xaxis.title.text == "Operations for each byte moved"
    assert layout.yaxis.title.text == "Operations a second"
    assert layout.title.text == "Predicted: 2 layers on Toy, float32"


def test_bars_are_the_milliseconds_of_each_layer_and_add_up() -> None:
    figure = time_bars(net())
    bars = {
        key: (x, y)
        for trace in figure.data
        if trace.type == "bar"
        for (key,), x, y in zip(trace.customdata, trace.x, trace.y, strict=True)
    }
    assert bars == {
        "0": (1, pytest.approx(7720)),
        "1": (2, pytest.approx(6120)),
    }
    assert figure.layout.title.text == "Predicted time by layer: 13,800 ms in all"
    (shares,) = [trace.y for trace in figure.data if trace.type == "scatter"]
    assert shares == pytest.approx((7720 / 13840, 1))


def test_a_bar_is_as_wide_as_its_layer_however_far_apart_its_kind_is() -> None:
    assert {trace.width for trace in time_bars(resnet("float32")).data if trace.type == "bar"} == {
        0.85
    }


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_kinds_have_their_colours_in_both_charts(theme: str) -> None:
    for figure in (roofline(net(), theme=theme), time_bars(net(), theme=theme)):
        drawn = {trace.name: trace.marker.color for trace in figure.data if trace.customdata}
        assert drawn == {kind: kind_color(kind, theme) for kind in ("convolution", "activation")}


def test_the_selected_layer_is_marked_among_the_bars() -> None:
    assert [mark.x0 for mark in time_bars(net(), selected="1").layout.shapes] == [2]


def test_a_model_that_does_nothing_draws_empty_charts() -> None:
    idle = predict(trace_model(nn.Flatten(), (1, 2)), TOY)
    assert not dots(roofline(idle))
    assert not [trace for trace in time_bars(idle).data if trace.type == "bar"]
