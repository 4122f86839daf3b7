from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import nn

from explorer import trace_model
from explorer.blocks import find_blocks
from explorer.errors import OptionError
from explorer.models import build_model, list_models

LIKE_TIMM = [
    "seresnet50",
    "seresnet101",
    "seresnet152",
    "seresnext50_32x4d",
    "seresnext101_32x4d",
]
LEGACY = ["legacy_seresnet50", "legacy_seresnet101", "legacy_seresnet152", "legacy_senet154"]
LIGHT = {"seresnet50", "seresnext50_32x4d", "legacy_seresnet50"}


def _marked(names: list[str]) -> list[object]:
    return [n if n in LIGHT else pytest.param(n, marks=pytest.mark.slow) for n in names]


def test_all_models_of_the_family_are_compared() -> None:
    assert sorted(list_models(family="SENet")) == sorted([*LIKE_TIMM, *LEGACY])


@pytest.mark.parametrize("name", _marked(LIKE_TIMM))
def test_a_model_equals_timm_s(
    name: str, timm: ModuleType, assert_equals_reference: Callable[..., None]
) -> None:
    with torch.device("meta"):
        ours, theirs = build_model(name), timm.create_model(name)

    assert_equals_reference(ours, theirs, (64, 64), (96, 64))


def _renamed(key: str) -> str:
    """Our name for a weight of timm's legacy models."""
    for old, new in (
        ("layer0.conv1.", "conv1.0."),
        ("layer0.bn1.", "conv1.1."),
        ("layer0.conv2.", "conv1.3."),
        ("layer0.bn2.", "conv1.4."),
        ("layer0.conv3.", "conv1.6."),
        ("layer0.bn3.", "bn1."),
        ("se_module.", "se."),
        ("last_linear.", "fc."),
    ):
        key = key.replace(old, new)
    return key


@pytest.mark.parametrize("name", _marked(LEGACY))
def test_a_legacy_model_has_the_outputs_of_timm_s(
    name: str,
    timm: ModuleType,
    with_random_weights: Callable[[nn.Module], nn.Module],
    assert_same_scores: Callable[..., None],
) -> None:
    with torch.device("meta"):
        ours, theirs = build_model(name), timm.create_model(name)
    weights = with_random_weights(theirs).state_dict()
    if name == "legacy_senet154":
        renamed = {_renamed(key): tensor for key, tensor in weights.items()}
    else:
        renamed = {_renamed(key.replace("layer0.", "")): t for key, t in weights.items()}
    ours.load_state_dict(renamed, strict=True, assign=True)

    assert_same_scores(ours, theirs, (64, 64))
    assert_same_scores(ours, theirs, (64, 96))


def test_a_gate_of_the_first_stage_by_hand() -> None:
    trace = trace_model("seresnet50", (1, 3, 224, 224))
    squeeze, excite = (
        next(call for call in trace.calls if call.path == f"layer1.0.se.{name}")
        for name in ("fc1", "fc2")
    )

    assert squeeze.params == 256 * 16 + 16  # 256 channels to 256 / 16
    assert excite.params == 16 * 256 + 256
    assert squeeze.macs == excite.macs == 256 * 16  # one pixel


def test_every_block_is_residual_and_has_a_gate() -> None:
    kinds = [block.kind for block in find_blocks(trace_model("seresnet50", (1, 3, 224, 224)))]

    assert (kinds.count("residual"), kinds.count("gate")) == (16, 16)


@pytest.mark.parametrize("name", ["resnet50", "resnet20", "wrn_16_8", "resnext29_8x64d",
                                  "wide_resnet50_2", "resnext50_32x4d", "resnetv2_50"])  # fmt: skip
def test_se_is_an_option_of_every_residual_family(name: str) -> None:
    from explorer import get_spec

    shape = get_spec(name).input_shape
    plain, weighted = trace_model(name, shape), trace_model(name, shape, options={"se": True})
    gates = [block for block in find_blocks(weighted) if block.kind == "gate"]
    residual = [block for block in find_blocks(plain) if block.kind == "residual"]

    assert len(gates) == len(residual) > 0
    assert weighted.params > plain.params


def test_resnet_50_with_se_is_seresnet50() -> None:
    ours = trace_model("resnet50", (1, 3, 256, 128), options={"se": True})
    senet = trace_model("seresnet50", (1, 3, 256, 128))

    assert (ours.params, ours.macs) == (senet.params, senet.macs)


@pytest.mark.parametrize(("name", "shortcut"), [("resnet50c", "B"), ("resnet50d", "D")])
def test_the_deep_stem_and_the_pooled_projection_are_those_of_resnet_c_and_d(
    name: str, shortcut: str, timm: ModuleType, assert_equals_reference: Callable[..., None]
) -> None:
    with torch.device("meta"):
        ours = build_model("resnet50", stem="deep", shortcut=shortcut)
        theirs = timm.create_model(name)

    assert_equals_reference(ours, theirs, (64, 64), (96, 64))


def test_groups_that_do_not_divide_the_channels_are_a_sentence() -> None:
    with pytest.raises(OptionError, match=r"groups=48 should divide 128"):
        build_model("legacy_senet154", groups=48)
