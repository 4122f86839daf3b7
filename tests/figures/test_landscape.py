from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import pytest

from explorer.analysis.landscape import MEASURES, Candidate, Limits, front, judge
from explorer.figures.landscape import COLORS, landscape


def make(name: str, macs: int, top1: float | None, family: str = "ResNet") -> Candidate:
    return Candidate(
        name=name, title=name.title(), family=family, source="layerwise", height=224, width=224,
        params=macs // 100, macs=macs, ms=macs / 1e9, recorded_ms=None, memory=macs, year=2015,
        top1=top1, weights="IMAGENET1K_V1" if top1 else "", crop=384 if top1 else None,
        accuracy_source="", reid_map=None, reid_rank1=None, reid_row="",
        lower_bound=False, problem="",
    )  # fmt: skip


MODELS = [
    make("small", 10**8, 60.0, "MobileNet"),
    make("middle", 10**9, 70.0),
    make("beaten", 2 * 10**9, 65.0, "VGG"),
    make("large", 10**10, 80.0),
    make("huge", 10**11, 90.0),
    make("unknown", 10**9, None),
]


def drawn(**options: Any) -> go.Figure:
    verdict = judge(MODELS, Limits(macs=5e10))
    x, y = options.pop("x", "macs"), options.pop("y", "top1")
    return landscape(verdict.left, verdict.reasons, MODELS, x=MEASURES[x], y=MEASURES[y], **options)


def dots(figure: go.Figure) -> dict[str, Any]:
    """Name -> trace of every dot."""
    return {
        point[0]: each
        for each in figure.data
        for point in each.customdata or ()
        if each.mode != "lines"
    }


def test_every_model_with_both_values_is_a_dot_that_names_it() -> None:
    found = dots(drawn())
    assert sorted(found) == ["beaten", "huge", "large", "middle", "small"]
    assert found["huge"].name == "outside the limits"
    assert "Excluded by: MACs per image ≤ 50 G" in found["huge"].text[0]


def test_the_line_goes_through_the_front_of_what_is_left_as_a_staircase() -> None:
    figure = drawn()
    (line,) = [each for each in figure.data if each.mode == "lines"]
    assert list(line.x) == [10**8, 10**9, 10**10]
    assert list(line.y) == [60.0, 70.0, 80.0]
    assert line.line.shape == "hv"
    assert line.name == "front (3)"
    left = judge(MODELS, Limits(macs=5e10)).left
    assert [m.name for m in front(left, MEASURES["macs"], MEASURES["top1"])] == [
        "small", "middle", "large"
    ]  # fmt: skip


def test_with_more_to_the_right_the_staircase_turns_the_other_way() -> None:
    (line,) = [each for each in drawn(x="top1", y="macs").data if each.mode == "lines"]
    assert line.line.shape == "vh"


def test_axes_carry_units_and_say_which_way_is_better() -> None:
    figure = drawn(x="memory", y="ms")
    assert figure.layout.xaxis.title.text == "Memory to run (MiB), less is better"
    assert figure.layout.yaxis.title.text == "Predicted time (ms), less is better"
    assert figure.layout.xaxis.type == figure.layout.yaxis.type == "log"
    (line,) = [each for each in figure.data if each.mode == "lines"]
    assert line.x[0] == pytest.approx(10**8 / 2**20)


def test_a_card_says_what_is_predicted_where_and_what_is_not_known() -> None:
    found = dots(drawn(setting="NVIDIA T4, float32, batch of 1", x="params", y="macs"))
    cards = {p[0]: t for e in found.values() for p, t in zip(e.customdata, e.text, strict=True)}
    assert "Predicted 10 ms" in cards["large"]
    assert "(NVIDIA T4, float32, batch of 1)" in cards["large"]
    assert "ImageNet top-1 80.0% (IMAGENET1K_V1, at 384 × 384)" in cards["large"]
    assert "No citable ImageNet accuracy" in cards["unknown"]


def test_a_larger_value_is_a_larger_dot() -> None:
    found = dots(drawn(size="macs"))
    sizes = {
        p[0]: s
        for e in found.values()
        if e.name != "outside the limits"
        for p, s in zip(e.customdata, e.marker.size, strict=True)
    }
    assert sizes["small"] < sizes["middle"] < sizes["beaten"] < sizes["large"]


@pytest.mark.parametrize("color", COLORS)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_colouring_keeps_every_dot(color: str, theme: str) -> None:
    found = dots(drawn(color=color, theme=theme, x="params", y="macs"))
    assert len(found) == len(MODELS)


def test_a_marked_model_has_a_ring_and_its_name_even_outside_the_limits() -> None:
    figure = drawn(marked=("beaten", "huge"))
    ring = figure.data[-1]
    assert list(ring.x) == [2 * 10**9, 10**11]
    assert "Beaten" in [note.text for note in figure.layout.annotations]


def test_labels_stand_beyond_the_front() -> None:
    for note in drawn().layout.annotations:
        # The first dot is at the axis, over which its name would run.
        side = "left" if note.text == "Small" else "right"
        assert (note.xanchor, note.yshift > 0) == (side, True)
    for note in drawn(x="top1", y="macs").layout.annotations:
        assert (note.xanchor, note.yshift < 0) == ("left", True)


def test_nothing_left_is_still_a_figure() -> None:
    verdict = judge(MODELS, Limits(params=0))
    figure = landscape(
        verdict.left, verdict.reasons, MODELS, x=MEASURES["macs"], y=MEASURES["top1"]
    )
    assert "front (0)" in [each.name for each in figure.data]


def test_a_label_neither_runs_over_the_axis_nor_over_a_dot() -> None:
    long = "A name that is longer than there is room for"
    models = [make(long, 10**8, 60.0), make("b", 10**10, 70.0), make("c", 10**11, 90.0)]
    x, y = MEASURES["macs"], MEASURES["top1"]
    figure = landscape(models, {}, models, x=x, y=y)
    (label,) = [each for each in figure.layout.annotations if each.text == long.title()]
    assert label.xanchor == "left"  # to the left of its dot there is the axis
    # A dot behind the name, and a step of the front that would cross it.
    for other in (make("d", 3 * 10**8, 61.5), make("e", 3 * 10**8, 80.0)):
        crowded = [*models, other]
        figure = landscape(crowded, {}, crowded, x=x, y=y)
        assert long.title() not in [each.text for each in figure.layout.annotations]
