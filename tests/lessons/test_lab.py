"""The design lab: every decision of every model, and what turning it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import nn

from explorer import list_models, trace_model
from explorer.analysis.memory import inference_memory, training_memory
from explorer.analysis.roofline import get_device, predict
from explorer.analysis.totals import totals
from explorer.errors import ExplorerError
from explorer.lessons.lab import (
    GROUPS,
    KINDS,
    NO_DECISIONS,
    Step,
    alternatives,
    changes,
    decisions,
    measures,
    source,
    turned,
)
from explorer.models._registry import Option
from explorer.trace.records import Trace
from explorer.zoo import available_sources, get_spec

T4 = get_device("NVIDIA T4")
NAMES = list_models()
WITHOUT = {"lenet5_paper", "bn_inception", "bn_inception_caffe"}
# The builders of one file differ in their numbers only: the first alternatives of one are enough.
FIRST = [*{get_spec(name).build.__module__: name for name in reversed(NAMES)}.values()]


def traced(model: str, **options: Any) -> Trace:
    return trace_model(model, get_spec(model).input_shape, options=options)


def attempt(model: str, options: Mapping[str, Any]) -> tuple[Trace | None, str]:
    """The trace, or the sentence that says why there is none."""
    try:
        return traced(model, **options), ""
    except ExplorerError as error:
        return None, str(error)


def built(text: str) -> nn.Module:
    space: dict[str, Any] = {}
    with torch.device("meta"):
        exec(text, space)
    model = space["model"]
    assert isinstance(model, nn.Module)
    return model


def same(one: Trace, other: Trace) -> bool:
    """Whether two traces are the same but for the name that they were traced under."""
    return (one.ops, one.params, one.macs, one.outputs) == (
        other.ops, other.params, other.macs, other.outputs,
    )  # fmt: skip


# ------------------------------------------------------------- every model


@pytest.mark.parametrize("name", NAMES)
def test_every_option_is_a_decision_or_known_to_be_none(name: str) -> None:
    spec = get_spec(name)
    found = decisions(spec, {})
    assert {each.name for each in found} == set(spec.options) - NO_DECISIONS
    assert bool(found) == (name not in WITHOUT)
    groups = [GROUPS.index(each.group) for each in found]
    assert groups == sorted(groups)
    for each in found:
        assert each.value == each.option.default
        assert each.alternatives
        assert each.value not in each.alternatives
        for value in each.alternatives:
            assert each.option.check(value, name) == value


@pytest.mark.parametrize("name", NAMES)
def test_the_source_of_an_edited_model_gives_its_trace(name: str) -> None:
    spec = get_spec(name)
    found = decisions(spec, {})
    options = {found[0].name: found[0].alternatives[0]} if found else {}
    expected, sentence = attempt(name, options)
    assert expected, sentence
    model = built(source(name, options))
    assert same(trace_model(model, spec.input_shape), expected)


@pytest.mark.parametrize("name", FIRST)
def test_the_first_alternative_of_every_decision_traces_or_says_why_not(name: str) -> None:
    spec = get_spec(name)
    start = traced(name)
    for each in decisions(spec, {}):
        edited, sentence = attempt(name, {each.name: each.alternatives[0]})
        if edited is None:
            assert sentence.endswith(".")
            continue
        found = changes(start, edited)
        touched = found.layers_changed + found.layers_new + found.layers_gone
        assert touched or edited.macs == start.macs


def test_a_library_s_model_has_nothing_to_turn() -> None:
    if "torchvision" not in available_sources():
        pytest.skip("torchvision is not installed")
    assert decisions(get_spec("torchvision:resnet50"), {}) == ()


def test_no_kind_is_left_over() -> None:
    known = {option for name in NAMES for option in get_spec(name).options}
    assert set(KINDS) <= known
    assert not NO_DECISIONS & set(KINDS)


# ------------------------------------------------------------ one decision


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        (Option("se", "bool", False), False, (True,)),
        (Option("norm", "choice", "a", choices=("a", "b", "c")), "b", ("a", "c")),
        (Option("groups", "int", 1, 1, 8), 4, (1, 2, 8)),
        (Option("w_0", "int", 24, 8, 512), 24, (12, 48)),
        (Option("compression", "float", 0.5, 0.1, 1), 0.5, (0.25, 0.75, 1.0)),
        (Option("depths", "ints", (1, 2), 1, 2), (1, 2), ((2, 2), (1, 1))),
        (Option("widths", "ints", (8, 16), 4, 16), (8, 16), ((4, 8),)),
        (Option("groups", "int", 1, 1, 2), "many", (1, 2)),
    ],
)  # fmt: skip
def test_alternatives_are_legal_and_others(option: Option, value: Any, expected: Any) -> None:
    assert alternatives(option, value) == expected


def test_a_decision_knows_its_family_s_paper() -> None:
    kernel = next(d for d in decisions(get_spec("vgg16"), {}) if d.name == "kernel_size")
    assert "1409.1556" in kernel.paper
    stem = next(d for d in decisions(get_spec("convnext_tiny"), {}) if d.name == "stem")
    assert "2201.03545" in stem.paper


def test_a_later_step_of_the_same_decision_wins() -> None:
    steps = (Step("se", True), Step("groups", 2), Step("se", False))
    assert turned({"width": 32, "se": True}, steps) == {"width": 32, "se": False, "groups": 2}
    assert turned({}, ()) == {}


# ------------------------------------------------ what moves, and by how much


def test_measures_are_those_of_the_analyses() -> None:
    shape = (2, 3, 64, 96)
    trace = trace_model("resnet18", shape)
    trained = trace_model("resnet18", shape, mode="train")
    found = measures(trace, trained, T4)
    whole = totals(trace)
    assert (found.params, found.macs, found.depth) == (whole.params, whole.cost, 18)
    assert found.output_shape == (2, 1000)
    assert found.map_shape == (2, 512, 2, 3)  # 64 x 96, divided by 32
    assert found.activation_bytes == trace.activation_bytes
    assert found.peak_bytes == inference_memory(trace, dtype="float32").eager_peak
    assert found.training_bytes == training_memory(trained, "adam", "float32").total
    assert found.milliseconds == predict(trace, T4).ms
    assert measures(trace, None, T4).training_bytes is None


@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_a_kernel_moves_the_receptive_field_as_its_closed_form_says(kernel: int) -> None:
    # 7x7 stride 2 and pooling give 11 pixels at a jump of 4. Of the four 3x3 in a stage the first
    # reads at the jump of the stage before, the others at the stage's own.
    jumps = [4, 4, 4, 4, 4, 8, 8, 8, 8, 16, 16, 16, 16, 32, 32, 32]
    side = 11 + (kernel - 1) * sum(jumps)
    trace = traced("resnet18", kernel_size=kernel)
    assert measures(trace, None, T4).field == (side, side)
    assert side == {3: 435, 5: 859, 7: 1283}[kernel]


def test_what_only_weights_channels_does_not_move_the_receptive_field() -> None:
    before, after = traced("resnet50"), traced("resnet50", se=True)
    assert measures(before, None, T4).field == measures(after, None, T4).field == (427, 427)


def test_a_transformer_s_last_values_with_a_place_are_its_patches() -> None:
    assert measures(traced("vit_b_16", patch_size=32), None, T4).field == (32, 32)


def test_one_more_block_is_new_and_nothing_else_changes() -> None:
    found = changes(traced("resnet18"), traced("resnet18", depths=(2, 3, 2, 2)))
    # 3x3, BN, ReLU, 3x3, BN, sum, ReLU
    assert (found.layers_new, found.layers_changed, found.layers_gone) == (7, 0, 0)
    assert (found.blocks_touched, found.blocks) == (1, 9)
    assert not found.after.changed
    assert len(found.after.own) == 7
    assert not found.before.changed
    assert not found.before.own


def test_a_larger_kernel_changes_the_convolutions_with_that_kernel() -> None:
    before, after = traced("resnet50"), traced("resnet50", kernel_size=5)
    found = changes(before, after)
    assert (found.layers_changed, found.layers_new, found.layers_gone) == (16, 0, 0)
    assert found.blocks_touched == found.blocks == 16
    for trace, part, side in ((before, found.before, 3), (after, found.after, 5)):
        shapes = {trace.ops[op].input_tensors[1].shape[2:] for op in part.changed}
        assert shapes == {(side, side)}


def test_what_is_left_out_is_only_in_the_network_before() -> None:
    found = changes(traced("resnet18"), traced("resnet18", shortcut="none"))
    # Eight sums, and three projections with their normalizations.
    assert found.layers_gone == 8 + 3 * 2
    assert not found.after.own
    assert len(found.before.own) == 8 + 3 * 2


def test_the_same_network_has_no_changes() -> None:
    trace = traced("lenet5")
    found = changes(trace, trace)
    assert (found.layers_changed, found.layers_new, found.layers_gone) == (0, 0, 0)
    assert found.layers == 12


# -------------------------------------------------------------------- source


def test_the_source_is_short_for_a_few_options_and_a_line_each_for_many() -> None:
    assert source("resnet50", {"se": True, "depths": (3, 4, 6, 4)}) == (
        'from explorer import build_model\n\nmodel = build_model("resnet50", se=True, '
        "depths=(3, 4, 6, 4))\n"
    )
    many = source("resnet50", {"shortcut": "D", "stem": "deep", "norm": "group", "width": 96})
    assert many.endswith(
        'model = build_model(\n    "resnet50",\n    shortcut="D",\n    stem="deep",\n'
        '    norm="group",\n    width=96,\n)\n'
    )


def test_text_that_is_no_value_is_quoted_in_the_source() -> None:
    text = source("resnet50", {"groups": 'x"); import os #'})
    with pytest.raises(ExplorerError, match="an integer from 1 to 64"):
        built(text)
