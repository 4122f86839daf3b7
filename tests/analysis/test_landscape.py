from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer import get_spec, trace_model
from explorer.analysis.catalogue import accuracies
from explorer.analysis.landscape import (
    MEASURES,
    Candidate,
    Limits,
    accuracy_of,
    as_text,
    candidate,
    families_of,
    family_of,
    front,
    judge,
    marked,
    table,
    to_latex,
    year_of,
)
from explorer.analysis.memory import inference_memory, inference_peaks, weight_bytes
from explorer.analysis.profiles import (
    Setting,
    dtypes_of,
    from_json,
    peak_bytes,
    predicted_ms,
    profile,
    to_json,
)
from explorer.analysis.roofline import get_device, predict
from explorer.errors import OptionError
from explorer.latency import recorded_ways, times
from explorer.trace import diagnose
from explorer.zoo import available_sources, source_of

T4, H100 = get_device("T4"), get_device("H100")
SETTING = Setting(T4, "float32", 1)


def make(name: str, **values: Any) -> Candidate:
    plain = Candidate(
        name=name, title=name.upper(), family="F", source="layerwise", height=224, width=224,
        params=10, macs=100, ms=1.0, recorded_ms=None, memory=1000, year=2015, top1=None,
        weights="", crop=None, accuracy_source="", reid_map=None, reid_rank1=None, reid_row="",
        lower_bound=False, problem="",
    )  # fmt: skip
    return plain._replace(**values)


# ----------------------------------------------------------------------------- the front


def test_the_front_by_hand() -> None:
    # MACs against top-1: b costs less than a and is better; d is as good as c and costs more;
    # e is the cheapest; f has no accuracy.
    models = [
        make("a", macs=30, top1=70.0),
        make("b", macs=20, top1=75.0),
        make("c", macs=50, top1=80.0),
        make("d", macs=60, top1=80.0),
        make("e", macs=10, top1=50.0),
        make("f", macs=1, top1=None),
    ]
    found = front(models, MEASURES["macs"], MEASURES["top1"])
    assert [each.name for each in found] == ["e", "b", "c"]


def test_two_models_with_the_same_values_are_both_on_the_front() -> None:
    models = [make("a", macs=5, params=5), make("b", macs=5, params=5), make("c", macs=5, params=6)]
    found = front(models, MEASURES["macs"], MEASURES["params"])
    assert {each.name for each in found} == {"a", "b"}


def test_on_an_axis_of_years_the_newer_is_the_better() -> None:
    models = [make("old", year=1998, top1=80.0), make("new", year=2020, top1=80.0)]
    found = front(models, MEASURES["year"], MEASURES["top1"])
    assert [each.name for each in found] == ["new"]


values = st.none() | st.integers(1, 6)
axes = st.sampled_from(list(MEASURES))


def beats(one: Candidate, other: Candidate, x: str, y: str) -> bool:
    """By the definition, pair by pair."""
    gains = []
    for key in (x, y):
        mine, its = MEASURES[key].of(one), MEASURES[key].of(other)
        assert mine is not None
        assert its is not None
        gains.append(mine - its if MEASURES[key].more else its - mine)
    return min(gains) >= 0 and max(gains) > 0


@given(st.lists(st.tuples(values, values), max_size=25), axes, axes)
def test_no_model_on_the_front_is_beaten_and_every_other_one_is(
    points: list[tuple[int | None, int | None]], x: str, y: str
) -> None:
    models = [make(str(i), **{x: a, y: b}) for i, (a, b) in enumerate(points)]
    known = [m for m in models if None not in (MEASURES[x].of(m), MEASURES[y].of(m))]
    found = front(models, MEASURES[x], MEASURES[y])
    for each in known:
        assert (each in found) != any(beats(other, each, x, y) for other in known)
    assert [MEASURES[x].of(m) for m in found] == sorted(MEASURES[x].of(m) or 0 for m in found)


# ---------------------------------------------------------------------------- the limits


def test_each_limit_says_what_it_excludes_and_what_it_alone_excludes() -> None:
    models = [
        make("a", params=30, top1=80.0),  # too large
        make("b", params=30, top1=60.0),  # both
        make("c", params=10, top1=60.0),  # not good enough
        make("d", params=10, top1=None),  # not known
        make("e", params=10, top1=70.0),
    ]
    verdict = judge(models, Limits(params=20, top1=70))
    assert [each.name for each in verdict.left] == ["e"]
    size, accuracy = verdict.exclusions
    assert (size.key, size.total, size.alone, size.unknown) == ("params", 2, 1, 0)
    assert (accuracy.key, accuracy.total, accuracy.alone, accuracy.unknown) == ("top1", 3, 2, 1)
    assert verdict.reasons["b"] == ("Parameters ≤ 2e-05 M", "ImageNet top-1 ≥ 70%")


def test_a_model_that_does_not_take_the_size_is_excluded_by_the_size_alone() -> None:
    failed = make("a", params=None, macs=None, ms=None, memory=None, problem="Too small.")
    verdict = judge([failed, make("b")], Limits(params=20, ms=5, memory=5000))
    assert [each.name for each in verdict.left] == ["b"]
    assert verdict.exclusions[0][:5] == ("size", "Takes the input size", 1, 1, 0)
    assert [each.total for each in verdict.exclusions[1:]] == [0, 0, 0]


def test_years_and_families_are_limits_and_an_unknown_year_passes_none() -> None:
    models = [
        make("old", year=2000),
        make("new", year=2020, family="G"),
        make("good", year=2015),
        make("library", year=None),
    ]
    verdict = judge(models, Limits(since=2010, until=2018))
    assert [each.name for each in verdict.left] == ["good"]
    assert verdict.exclusions[0].sentence == "Year 2010 to 2018"
    assert verdict.exclusions[0].unknown == 1
    assert [each.name for each in judge(models, Limits(families=("G",))).left] == ["new"]
    assert judge(models, Limits(until=2005)).exclusions[0].sentence == "Year ≤ 2005"


bounds = st.none() | st.integers(1, 6)
limits = st.tuples(bounds, bounds, bounds).map(
    lambda each: Limits(params=each[0], top1=each[1], since=each[2])
)


@given(st.lists(st.tuples(values, values, values), max_size=15), limits)
def test_a_model_is_left_or_has_a_reason_and_never_both(
    rows: list[tuple[int | None, ...]], wanted: Limits
) -> None:
    models = [make(str(i), params=p or 1, top1=t, year=y) for i, (p, t, y) in enumerate(rows)]
    verdict = judge(models, wanted)
    left = {each.name for each in verdict.left}
    assert left.isdisjoint(verdict.reasons)
    assert len(left) + len(verdict.reasons) == len(models)
    for each in verdict.exclusions:
        assert each.unknown <= each.total >= each.alone
        # Without this limit what it alone excludes comes back.
        key = {"year": "since"}.get(each.key, each.key)
        without = judge(models, wanted._replace(**{key: None}))
        assert len(without.left) == len(left) + each.alone


# --------------------------------------------------------------------- predicted costs


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "densenet121", "vit_b_32"])
@pytest.mark.parametrize("batch", [1, 8])
def test_one_trace_of_one_image_gives_the_time_and_memory_of_any_batch(
    name: str, batch: int
) -> None:
    found = profile(name)
    _, *image = get_spec(name).input_shape
    trace = trace_model(name, (batch, *image))
    for device, dtype in ((T4, "float32"), (T4, "float16"), (T4, "int8"), (H100, "tf32")):
        kind, tf32 = ("float32", True) if dtype == "tf32" else (dtype, False)
        setting = Setting(device, dtype, batch)
        expected = predict(trace, device, kind, tf32=tf32).ms
        assert predicted_ms(found, setting) == pytest.approx(expected, rel=1e-9)
        assert peak_bytes(found, setting) == inference_memory(trace, dtype=kind).total


def test_a_view_of_one_image_that_is_a_copy_of_several_costs_at_most_three_in_a_thousand() -> None:
    found = profile("tnt_s_patch16_224")
    expected = predict(trace_model("tnt_s_patch16_224", (8, 3, 224, 224)), T4, "float16").ms
    assert predicted_ms(found, Setting(T4, "float16", 8)) == pytest.approx(expected, rel=0.0035)


def test_another_size_of_a_library_s_model_is_predicted_as_well(torchvision: object) -> None:
    found = profile("torchvision:swin_t", (256, 320))
    trace = trace_model("torchvision:swin_t", (4, 3, 256, 320))
    assert predicted_ms(found, Setting(T4, "float32", 4)) == pytest.approx(predict(trace, T4).ms)
    assert peak_bytes(found, Setting(T4, "float32", 4)) == inference_memory(trace).total


def test_the_peak_at_a_batch_is_the_highest_line_even_where_another_moment_wins() -> None:
    trace = trace_model("resnet18", (1, 3, 224, 224))
    dtypes = ("float32", "float16", "int8")
    for dtype, lines in zip(dtypes, inference_peaks(trace, dtypes), strict=True):
        for batch in (1, 2, 3, 7, 64):
            expected = inference_memory(trace, dtype=dtype, batch=batch).total
            assert max(line.fixed + batch * line.per_image for line in lines) == expected
    with pytest.raises(OptionError, match="one image, not from 2"):
        inference_peaks(trace_model("lenet5", (2, 1, 32, 32)), ["float32"])


def test_peaks_are_weights_and_the_highest_moment_of_a_pass() -> None:
    for name in ("resnet18", "vit_b_16", "densenet121"):
        trace = trace_model(name, (1, 3, 224, 224))
        held = inference_memory(trace, dtype="float32")
        weights = weight_bytes(trace, "float32")
        assert weights == held.parameter_bytes + held.buffer_bytes
        (lines,) = inference_peaks(trace, ["float32"])
        assert max(map(sum, lines)) - weights == held.eager_peak


def test_a_profile_survives_a_line_of_text() -> None:
    for found in (profile("lenet5"), profile("lenet5", (28, 28))):
        assert from_json(to_json(found)) == found


def test_a_size_that_a_model_does_not_take_is_a_sentence() -> None:
    small = candidate(profile("lenet5", (28, 28)), SETTING)
    assert (small.params, small.macs, small.ms, small.memory) == (None, None, None, None)
    assert small.problem == "LeNet-5 takes images of at least 32 × 32 pixels."
    assert "whole number of patches" in profile("vit_h_14", (256, 128)).problem


def test_no_time_is_spent_on_sizes_that_nobody_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def searched(*args: object, **kwargs: object) -> None:
        raise AssertionError("looked for another size")

    monkeypatch.setattr(diagnose, "_nearest", searched)
    assert "whole number of patches" in profile("vit_h_14", (200, 200)).problem
    with pytest.raises(AssertionError, match="looked"):
        trace_model("vit_h_14", (1, 3, 200, 200))


def test_a_device_offers_the_types_that_it_has_a_rate_for() -> None:
    assert dtypes_of(T4) == ("float32", "float16", "int8")
    assert "tf32" in dtypes_of(H100)


def test_a_recorded_time_is_of_its_size_or_missing() -> None:
    known = times(recorded_ways()[0])
    here = candidate(profile("resnet18"), SETTING, known)
    assert here.recorded_ms == known["resnet18", 224, 224].median_ms
    assert candidate(profile("resnet18", (96, 96)), SETTING, known).recorded_ms is None
    assert candidate(profile("resnet18"), SETTING).recorded_ms is None
    # What is not known passes no limit.
    verdict = judge([make("a", recorded_ms=5.0), make("b"), make("c", recorded_ms=50.0)],
                    Limits(recorded_ms=10))  # fmt: skip
    assert [each.name for each in verdict.left] == ["a"]
    (limit,) = verdict.exclusions
    assert (limit.sentence, limit.total, limit.unknown) == ("Recorded time ≤ 10 ms", 2, 1)


@pytest.mark.parametrize(
    ("name", "family", "year"),
    [
        ("resnet50", "ResNet", 2015),
        ("torchvision:resnet50", "ResNet", 2015),
        ("torchvision:resnext50_32x4d", "ResNeXt", 2016),
        ("torchvision:vit_b_16", "ViT", 2020),
        ("torchvision:mobilenet_v3_large", "MobileNet", 2019),
        # Not ours: the module says the family, and nobody says the year.
        ("torchvision:swin_t", "swin_transformer", None),
        ("torchvision:maxvit_t", "maxvit", None),
        ("timm:resnet50", "ResNet", 2015),
        ("timm:resnet101d", "ResNet", None),
        ("timm:vit_base_patch16_224", "ViT", None),
        ("timm:mobilenetv3_large_100", "MobileNet", None),
        ("timm:resnetv2_101", "ResNet v2", 2016),
        ("timm:inception_v4", "Inception", 2016),
        ("timm:beit_base_patch16_224", "beit", None),
    ],
)
def test_a_library_s_model_has_the_family_that_its_name_or_module_says(
    name: str, family: str, year: int | None
) -> None:
    if source_of(name) not in available_sources():
        pytest.skip("its library is not installed")
    assert (family_of(name), year_of(name)) == (family, year)


def test_families_of_a_library_come_behind_ours() -> None:
    if "torchvision" not in available_sources():
        pytest.skip("torchvision is not installed")
    assert families_of(["torchvision:swin_t", "torchvision:vgg11", "alexnet"]) == (
        "AlexNet", "VGG", "swin_transformer",
    )  # fmt: skip


# ------------------------------------------------------------------------ what is stated


def test_accuracy_is_stated_or_missing() -> None:
    best = accuracy_of("resnet50")
    assert best == accuracies()["resnet50"][0]
    assert accuracy_of("torchvision:resnet50") == best
    assert accuracy_of("timm:resnet50") is None  # other weights
    assert accuracy_of("lenet5") is None
    assert accuracy_of("torchvision:fcn_resnet50") is None


def test_a_library_s_own_model_has_what_the_library_states(torchvision: Any) -> None:
    stated = torchvision.models.Swin_T_Weights.IMAGENET1K_V1.meta["_metrics"]["ImageNet-1K"]
    found = accuracy_of("torchvision:swin_t")
    assert found
    assert (found.top1, found.crop) == (stated["acc@1"], 224)


def test_of_several_rows_of_re_identification_the_best_counts() -> None:
    found = candidate(profile("deit_tiny_distilled_patch16_224"), SETTING)
    assert (found.reid_map, found.reid_row) == (66.40, "DeiT-T16-Distiled-Hard")
    assert found.top1 is None


def test_the_second_click_compares() -> None:
    assert marked((), "a") == ("a",)
    assert marked(("a",), "b") == ("a", "b")
    assert marked(("a", "b"), "c") == ("a", "c")
    assert marked(("a", "b"), "a") == ("a", "b")


def test_the_table_is_exact_and_prints_what_is_missing_as_nothing() -> None:
    models = [candidate(profile("resnet18"), SETTING), candidate(profile("lenet5"), SETTING)]
    frame = table(models, ["resnet18"], SETTING)
    assert list(frame["Params"]) == [11689512, 61706]
    assert list(frame["Front"]) == ["front", ""]
    assert frame["Top-1 %"].isna().tolist() == [False, True]
    assert as_text(frame)["Top-1 %"].tolist() == ["69.758", ""]
    assert set(frame["Setting"]) == {"NVIDIA T4, float32, batch of 1"}


def test_latex_escapes_and_ends_every_row() -> None:
    models = [candidate(profile("resnet18"), SETTING)]
    text = to_latex(table(models, [], SETTING)[["Name", "Weights", "Params"]], "50% of A_b")
    assert "\\caption{50\\% of A\\_b}" in text
    assert "\\begin{tabular}{llr}" in text
    assert "resnet18 & IMAGENET1K\\_V1 & 11,689,512 \\\\\n" in text
