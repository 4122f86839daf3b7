from __future__ import annotations

import pytest

from explorer import list_models, trace_model
from explorer.analysis.published import REID_INPUT, published, reid, reid_counts

EXPLAINED = 0.01
BY_MISTAKE = {"SENet154", "ViT-B16", "Mobilenetv2-100", "VT-ResNet50-1F1R", "VT-ResNet50-1F2R"}
each_row = pytest.mark.parametrize("row", reid(), ids=[row.model for row in reid()])


def test_a_printed_value_that_disagrees_has_a_reason() -> None:
    rows = published()
    assert len(rows) > 190
    assert all(row.reason for row in rows if row.disagrees)
    assert {row.disagrees for row in rows} == {True, False}


def test_a_gap_is_relative_to_the_exact_count() -> None:
    row = next(row for row in published() if row.architecture == "VGG-16")
    # 15.3 billion are printed for 15,470,264,320
    assert row.macs_gap == pytest.approx(15.3e9 / 15470264320 - 1)
    assert row.disagrees
    convolutions = sum(
        op.macs for op in trace_model("vgg16", (1, 3, 224, 224)).ops if op.kind == "convolution"
    )
    assert f"{convolutions:,}" in row.reason
    assert round(convolutions / 1e9, 1) == 15.3


@pytest.mark.parametrize(
    ("architecture", "reason"),
    [
        # 3.6 billion for 3,663,761,408, and 3.8 billion for 3,857,973,248
        ("ResNet-34", "cut off"),
        ("ResNet-50 (v1, stride on the 1x1)", "cut off"),
        # 5.7 million and 1.3 billion for 5,717,416 and 1,253,683,200, but with a note of its own
        ("DeiT-Ti", "rounded"),
        # 4.2 billion for 4,393,771,024
        ("EfficientNet-B4", "No rounding"),
    ],
)
def test_a_reason_is_what_the_digits_prove(architecture: str, reason: str) -> None:
    row = next(row for row in published() if row.architecture == architecture)
    assert reason in row.reason


def test_few_values_stay_unexplained_and_all_of_them_are_known() -> None:
    unexplained = {row.architecture for row in published() if "No rounding" in row.reason}
    assert unexplained == {
        "DenseNet-169", "DenseNet-264 (k=32)", "EfficientNet-B4", "EfficientNet-B5",
        "MobileNetV2 0.35", "MobileNetV2 0.75", "ShuffleNet v2 x0.5", "ShuffleNet v2 x1.5",
        "ShuffleNet v2 x2.0",
    }  # fmt: skip


@each_row
def test_the_old_counter_s_rules_give_the_printed_macs_unless_the_row_has_a_mistake(row) -> None:
    counts = reid_counts(trace_model(row.name, REID_INPUT))
    explained = abs(row.printed_macs / counts.old_macs - 1) < EXPLAINED
    assert explained == (row.model not in BY_MISTAKE)
    assert bool(row.note) == (row.model in BY_MISTAKE)


@each_row
def test_the_printed_parameters_are_those_without_the_classifier(row) -> None:
    counts = reid_counts(trace_model(row.name, REID_INPUT))
    same = row.printed_params == pytest.approx(counts.old_params, rel=3e-3)
    assert same == (row.model not in BY_MISTAKE - {"SENet154", "Mobilenetv2-100"})


def test_the_classifier_and_nothing_else_is_left_out_by_hand() -> None:
    trace = trace_model("resnet50", REID_INPUT)
    counts = reid_counts(trace)
    assert counts.params == trace.params - (2048 * 1000 + 1000)
    assert counts.macs == trace.macs - 2048 * 1000
    # Every convolution is followed by a batch normalization of the same size: 2 per element; then
    # the mean of 8x4 pixels for 2,048 channels: 32 additions and a division each.
    normalized = sum(2 * op.outputs[0].shape[1] * op.outputs[0].shape[2] * op.outputs[0].shape[3]
                     for op in trace.ops if op.name == "batch_norm")  # fmt: skip
    assert counts.old_macs == counts.macs + normalized + 33 * 2048


def test_a_distilled_model_loses_both_its_heads() -> None:
    plain, distilled = (
        reid_counts(trace_model(f"deit_tiny{kind}_patch16_224", REID_INPUT))
        for kind in ("", "_distilled")
    )
    assert distilled.params - plain.params == 2 * 192  # a token and its position


def test_every_row_s_model_is_registered() -> None:
    assert {row.name for row in (*published(), *reid())} <= set(list_models())
