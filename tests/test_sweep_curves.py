"""One swept value for a few models: its points, its natural range and its command."""

from __future__ import annotations

import shlex

import pytest

from explorer import cli, get_spec, list_models
from explorer.errors import OptionError
from explorer.sweep import compute
from explorer.sweep.curves import (
    MOST_POINTS,
    OPTION,
    OVER,
    Span,
    Sweep,
    coarse_to_fine,
    curves,
    natural_span,
    number_text,
    numeric_options,
    problems,
    value_text,
)
from explorer.sweep.points import row_of

SWEEPS = [
    Sweep(("resnet18", "vit_b_16"), "size", "64:128:32", device="NVIDIA T4", dtype="float16"),
    Sweep(("resnet18",), "height", "64:128:32", width=48, batch=2),
    Sweep(("resnet18",), "ratio", "64:129:65", ratio=(2, 1)),
    Sweep(("resnet18", "lenet5"), "batch", "1:4:1"),
    Sweep(("densenet121",), f"{OPTION}growth_rate", "16:32:8", size=(64, 32), batch=3),
    Sweep(("mobilenet_v2",), f"{OPTION}width_mult", "0.5:1:0.25"),
    Sweep(("densenet121", "lenet5"), f"{OPTION}growth_rate", "16:32:8"),
    # A number for one of them, and a choice for the other.
    Sweep(("resnext50_32x4d", "shufflenet_v1_x1_0"), f"{OPTION}groups", "16:32:16"),
]


@pytest.mark.parametrize("sweep", SWEEPS, ids=lambda sweep: sweep.over)
def test_the_command_has_the_same_points(sweep: Sweep) -> None:
    arguments = cli._parser().parse_args(shlex.split(sweep.command())[3:])
    assert cli.sweep.grid_points(arguments) == sweep.points()
    assert sorted(sweep.refining()) == sorted(sweep.points())


def test_rectangles_have_their_width_or_their_ratio() -> None:
    assert [p.input_shape for p in SWEEPS[1].points()] == [(3, 64, 48), (3, 96, 48), (3, 128, 48)]
    # 129 / 2 is 64.5, which Python rounds to the even 64.
    assert [p.input_shape for p in SWEEPS[2].points()] == [(3, 64, 32), (3, 129, 64)]


def test_the_ends_come_first_and_then_what_lies_between() -> None:
    assert coarse_to_fine(9) == [0, 8, 4, 2, 6, 1, 3, 5, 7]
    for number in range(20):
        assert sorted(coarse_to_fine(number)) == list(range(number))
    first = SWEEPS[0].refining()[:4]
    assert [(p.model, p.input_shape[1]) for p in first] == [
        ("resnet18", 64), ("vit_b_16", 64), ("resnet18", 128), ("vit_b_16", 128),
    ]  # fmt: skip


def test_a_natural_range_is_short_legal_and_meets_the_default() -> None:
    asked = 0
    for name in list_models():
        for option_name in numeric_options([name]):
            option = get_spec(name).options[option_name]
            span = natural_span([name], OPTION + option_name)
            assert span.low <= span.first <= span.last <= span.high, (name, span)
            assert span.kind is (int if option.kind == "int" else float)
            sweep = Sweep((name,), OPTION + option_name, span.text)
            values = [sweep.at(row_of(point, {}, seconds=0)) for point in sweep.points()]
            assert 1 < len(values) <= 40, (name, span)
            if option.default > option.low:
                assert any(value == pytest.approx(option.default) for value in values), (name, span)
            asked += 1
    assert asked > 300


def test_an_option_that_another_model_has_as_a_choice_is_no_end() -> None:
    # ShuffleNet's paper has five numbers of groups; ResNeXt takes any.
    names = ("shufflenet_v1_x1_0", "resnext50_32x4d")
    over = f"{OPTION}groups"
    assert get_spec(names[0]).options["groups"].kind == "choice"
    span = natural_span(names, over)
    sweep = Sweep(names, over, span.text)
    refused, *others = sweep.points()
    assert sweep.at(row_of(refused, {}, seconds=0)) is None
    assert "groups" in compute(refused).error
    assert {point.model for point in others} == {names[1]}


def test_sizes_and_batches_have_ranges_of_their_own() -> None:
    assert natural_span(["lenet5"], "size").text == "16:128:8"
    assert natural_span(["lenet5", "resnet18"], "size").text == "64:512:32"
    assert all(natural_span(["resnet18"], over).thinned.text for over in OVER)
    with pytest.raises(OptionError, match="None of the models has a number called 'growth_rate'"):
        natural_span(["lenet5"], f"{OPTION}growth_rate")


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (Span(1, 60, 1, 1, 99), "1:60:1"),
        (Span(1, 61, 1, 1, 99), "1:61:2"),
        (Span(64, 4096, 1, 1, 4096), "64:4096:69"),
        (Span(0.0, 0.3, 0.1, 0.0, 0.9), "0:0.3:0.1"),
    ],
)
def test_a_range_is_thinned_by_whole_multiples(span: Span, text: str) -> None:
    assert span.thinned.text == text
    values = (span.last - span.first) // span.thinned.step + 1
    assert values <= MOST_POINTS


def test_numbers_are_as_short_as_they_go() -> None:
    assert [*map(number_text, (64, 0.35, 1.0, 0.0))] == ["64", "0.35", "1", "0"]


def test_curves_and_sentences_by_hand() -> None:
    sweep = Sweep(("lenet5", "squeezenet1_1"), "size", "32:64:32")
    rows = {point.key: compute(point) for point in sweep.points()}
    lenet, squeezenet = curves(sweep, rows, "macs")
    # README: LeNet-5 has 416,520 MACs at 32 x 32, SqueezeNet 1.1 3,502,784 and 21,584,576.
    assert [(mark.x, mark.y) for mark in lenet.legal] == [(32, 416_520)]
    assert [(mark.x, mark.layer) for mark in lenet.illegal] == [(64, "f6")]
    assert [mark.y for mark in squeezenet.legal] == [3_502_784, 21_584_576]
    assert problems(sweep, rows) == [
        "LeNet-5 does not take 1 of 2 values. The first, at 64: "
        + str(rows[sweep.points()[1].key].error)
    ]
    row = rows[sweep.points()[0].key]
    assert value_text(row, "macs") == "417 K (416,520 MACs)"
    assert value_text(row._replace(lower_bound=True), "macs").startswith("at least 417 K")
    memory = curves(sweep, rows, "activations")[0].legal[0]
    assert memory.y == row.activation_bytes / 2**20
    # What is not finished yet is in no curve.
    assert curves(sweep, {}, "macs")[1].legal == ()
    assert problems(sweep, {}) == []
