from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch

from explorer import get_spec, trace_model
from explorer.analysis.stages import stages
from explorer.errors import InputSizeError
from explorer.models import build_model, list_models

NAMES = list_models(family="HRNet")


@pytest.mark.parametrize("name", NAMES)
def test_the_state_dict_has_the_keys_and_shapes_of_timm_s(
    name: str, timm: ModuleType, assert_equals_reference: Callable[..., None]
) -> None:
    with torch.device("meta"):
        ours, theirs = build_model(name), timm.create_model(name)

    assert_equals_reference(ours, theirs)


@pytest.mark.parametrize(
    "name", ["hrnet_w18", *(pytest.param(name, marks=pytest.mark.slow) for name in NAMES[1:])]
)
def test_with_timm_s_weights_the_scores_are_timm_s(
    name: str, timm: ModuleType, assert_equals_reference: Callable[..., None]
) -> None:
    with torch.device("meta"):
        ours, theirs = build_model(name), timm.create_model(name)

    assert_equals_reference(ours, theirs, (64, 64), (64, 96))


def test_an_exchange_of_two_resolutions_by_hand() -> None:
    trace = trace_model("hrnet_w18", (1, 3, 224, 224))
    calls = {call.path: call for call in trace.calls}
    up = calls["stage2.0.fuse_layers.0.1.0"]  # 36 channels at 28x28 become 18, then 56x56
    down = calls["stage2.0.fuse_layers.1.0.0.0"]  # 18 at 56x56 become 36 at 28x28

    assert (up.params, up.macs) == (36 * 18, 36 * 18 * 28 * 28)
    assert (down.params, down.macs) == (18 * 36 * 9, 18 * 36 * 9 * 28 * 28)


@pytest.mark.parametrize(("stage", "resolutions"), [("stage2", 2), ("stage3", 3), ("stage4", 4)])
def test_a_stage_holds_its_resolutions_side_by_side(stage: str, resolutions: int) -> None:
    trace = trace_model("hrnet_w18", (1, 3, 224, 224))
    call = next(call for call in trace.calls if call.path == f"{stage}.0")

    assert [tensor.shape for tensor in call.outputs] == [
        (1, 18 * 2**i, 56 // 2**i, 56 // 2**i) for i in range(resolutions)
    ]


def test_the_stage_of_parallel_resolutions_says_that_it_has_several() -> None:
    names = [stage.name for stage in stages(trace_model("hrnet_w18", (1, 3, 224, 224)))]

    assert names == ["112 × 112", "56 × 56", "56 × 56 to 7 × 7", "head"]


def test_no_other_model_is_said_to_have_parallel_resolutions() -> None:
    for name in list_models():
        if get_spec(name).family != "HRNet":
            found = stages(trace_model(name, get_spec(name).input_shape))
            assert not any(" to " in stage.name for stage in found), name


@pytest.mark.parametrize(("size", "nearest"), [(225, 224), (200, 192), (28, 29)])
def test_maps_that_are_not_halves_of_each_other_are_named(size: int, nearest: int) -> None:
    with pytest.raises(InputSizeError, match="do not fit together") as caught:
        trace_model("hrnet_w18", (1, 3, size, size))

    assert caught.value.suggested_shape == (1, 3, nearest, nearest)
    assert "RuntimeError" not in str(caught.value)
