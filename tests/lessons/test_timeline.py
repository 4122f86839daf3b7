"""Thirteen decisions, counted: against the papers, torchvision and sums by hand."""

from __future__ import annotations

from types import ModuleType
from xml.etree import ElementTree as ET

import pytest

from explorer import get_spec, trace_model
from explorer.errors import OptionError
from explorer.lessons.timeline import STOPS, Side, Stop, cost, decide, get_stop, journey, pictures

NAMES = [stop.name for stop in STOPS]


def test_the_stops_are_in_the_order_of_their_papers_years() -> None:
    years = [stop.year for stop in STOPS]
    assert years == sorted(years)
    assert (years[0], years[-1]) == (1998, 2022)
    for stop in STOPS:
        assert get_spec(stop.paper or stop.model).year == stop.year


@pytest.mark.parametrize("stop", STOPS, ids=NAMES)
def test_a_stop_is_about_its_architecture_and_links_to_two_registered_models(stop: Stop) -> None:
    one, other = stop.pair
    assert one.is_registered
    assert other.is_registered
    assert one.model != other.model
    assert stop.model in (one.model, other.model)
    for side in stop.pair:
        get_spec(side.model)


# ---------------------------------------------------------------- what was exchanged


def test_lenet_fully_connected_between_the_same_maps() -> None:
    # C1: 32*32 -> 6*28*28, C3: 6*14*14 -> 16*10*10, C5: 16*5*5 -> 120; F6 and the output stay.
    layers = [(1024, 4704), (1176, 1600), (400, 120), (120, 84), (84, 10)]
    before, after = decide("convolution")
    assert before.params == sum(n * m + m for n, m in layers)
    assert before.macs == sum(n * m for n, m in layers)
    assert (after.params, after.macs) == (61_706, 416_520)
    assert before.depth == after.depth == 5


def test_alexnet_without_its_head_keeps_the_features_and_one_linear_layer() -> None:
    before, after = decide("global_pooling")
    head = 256 * 36 * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * 1000 + 1000
    assert before.params == 61_100_840
    assert after.params == before.params - head + 256 * 1000 + 1000


def test_vgg_with_5x5_has_25_weights_for_18_where_the_width_stays() -> None:
    before, after = decide("small_kernels")
    # One pair in each of stages 3, 4 and 5: 25 C^2 + C for 2 (9 C^2 + C).
    assert before.params - after.params == sum(7 * c * c - c for c in (256, 512, 512))
    # On maps of 56, 28 and 14 pixels.
    assert before.macs - after.macs == sum(
        7 * c * c * side * side for c, side in ((256, 56), (512, 28), (512, 14))
    )
    assert (before.depth, after.depth) == (13, 16)
    assert after.params == 138_357_544


def test_googlenet_without_reductions() -> None:
    # Table 1: channels in, 3x3 reduce, 3x3, 5x5 reduce, 5x5
    blocks = [
        (192, 96, 128, 16, 32), (256, 128, 192, 32, 96), (480, 96, 208, 16, 48),
        (512, 112, 224, 24, 64), (512, 128, 256, 24, 64), (512, 144, 288, 32, 64),
        (528, 160, 320, 32, 128), (832, 160, 320, 32, 128), (832, 192, 384, 48, 128),
    ]  # fmt: skip
    more = 0
    for c, r3, n3, r5, n5 in blocks:
        more += 9 * c * n3 + 25 * c * n5
        more -= c * r3 + r3 + 9 * r3 * n3 + c * r5 + r5 + 25 * r5 * n5
    before, after = decide("reductions")
    assert before.params - after.params == more
    assert before.depth == after.depth - 9


def test_mobilenet_with_full_convolutions_is_that_of_the_paper_s_table_4() -> None:
    before, after = decide("depthwise")
    # "Conv MobileNet": 4866 million mult-adds, 29.3 million parameters; MobileNet: 569 and 4.2.
    assert before.macs / 1e6 == pytest.approx(4866, abs=2)
    assert before.params / 1e6 == pytest.approx(29.3, abs=0.05)
    assert after.macs / 1e6 == pytest.approx(569, abs=0.5)
    assert after.params / 1e6 == pytest.approx(4.2, abs=0.05)


def test_convnext_with_3x3_lacks_40_weights_a_channel_of_each_block() -> None:
    before, after = decide("large_kernels")
    channels = 3 * 96 + 3 * 192 + 9 * 384 + 3 * 768
    assert after.params - before.params == 40 * channels
    assert after.activation_bytes == before.activation_bytes


def test_a_shortcut_costs_its_projections_and_nothing_else() -> None:
    before, after = decide("shortcut")
    # 1x1 and batch normalization where stages 2 to 4 begin.
    assert after.params - before.params == sum(c * 2 * c + 2 * 2 * c for c in (64, 128, 256))
    assert before.depth == after.depth == 34


def test_exchanging_layers_leaves_the_registered_model_as_it_is() -> None:
    before = trace_model("vgg16", (1, 3, 224, 224))
    decide("small_kernels")
    assert trace_model("vgg16", (1, 3, 224, 224)) == before


# -------------------------------------------------------------- against torchvision


@pytest.mark.parametrize(
    "name",
    ["alexnet", "vgg16", "resnet34", "resnet50", "densenet121", "resnext50_32x4d",
     "efficientnet_b0", "efficientnet_b3", "vit_b_32", "vit_b_16", "convnext_tiny"],
)  # fmt: skip
def test_counts_and_accuracy_are_torchvision_s(name: str, torchvision: ModuleType) -> None:
    found = cost(Side(name))
    weights = torchvision.models.get_model_weights(name).IMAGENET1K_V1
    assert found.params == weights.meta["num_params"]
    assert found.top1 == weights.meta["_metrics"]["ImageNet-1K"]["acc@1"]
    assert "IMAGENET1K_V1" in found.source
    shape = found.input_shape[-1]
    assert weights.transforms().crop_size[0] == shape
    # Billions with three digits, biases of linear layers included in none.
    assert found.macs / 1e9 == pytest.approx(weights.meta["_ops"], abs=0.003)


def test_no_accuracy_is_claimed_of_a_network_that_nobody_trained() -> None:
    for stop in STOPS:
        for side in (stop.before, stop.after):
            if side.change:
                found = cost(side)
                assert found.top1 is None
                assert not found.source


def test_the_journey_has_each_stop_s_own_architecture() -> None:
    found = journey()
    assert [mark.stop for mark in found] == NAMES
    assert [mark.year for mark in found] == [stop.year for stop in STOPS]
    by_stop = {mark.stop: mark for mark in found}
    assert by_stop["patches"].params == 86_567_656
    assert by_stop["patches"].top1 == 81.072
    assert by_stop["depthwise"].top1 is None


# ------------------------------------------------------------------------- pictures


@pytest.mark.parametrize("name", NAMES)
def test_both_sides_are_drawn_and_differ(name: str) -> None:
    before, after = pictures(name)
    assert before.svg != after.svg
    for picture in (before, after):
        root = ET.fromstring(picture.svg)
        assert root.get("width") == str(picture.width)
        assert root.get("height") == str(picture.height)
    assert pictures(name, dark=True)[1].svg != after.svg


def test_an_unknown_stop_is_one_sentence_that_names_the_others() -> None:
    with pytest.raises(OptionError, match="no stop called 'dropout': choose one of convolution, "):
        get_stop("dropout")
