from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import nn

from explorer import build_model, trace_model


def _reference(timm: ModuleType) -> nn.Module:
    with torch.device("meta"):
        return timm.create_model("legacy_xception")


def test_with_timm_s_weights_the_output_is_timm_s(
    timm: ModuleType,
    with_random_weights: Callable[[nn.Module], nn.Module],
    assert_same_scores: Callable[..., None],
) -> None:
    theirs = with_random_weights(_reference(timm))
    with torch.device("meta"):
        ours = build_model("xception")
    ours.load_state_dict(theirs.state_dict(), strict=True, assign=True)

    assert_same_scores(ours, theirs, (64, 64))
    assert_same_scores(ours, theirs, (96, 71))


def test_the_flows_have_the_maps_of_figure_5() -> None:
    trace = trace_model("xception", (1, 3, 299, 299))
    shapes = {call.path: call.outputs[0].shape[1:] for call in trace.calls}

    assert shapes["act2"] == (64, 147, 147)
    assert shapes["block3"] == shapes["block11"] == (728, 19, 19)
    assert shapes["block12"] == (1024, 10, 10)
    assert shapes["act4"] == (2048, 10, 10)


def test_a_block_is_cheap_because_its_3x3_never_mixes_channels() -> None:
    trace = trace_model("xception", (1, 3, 299, 299))
    convolutions = [call for call in trace.calls if call.path.startswith("block4.rep.1.")]

    # 728 * 3*3 * 19*19 and 728 * 728 * 19*19
    assert [call.macs for call in convolutions] == [2_365_272, 191_324_224]


def test_without_residual_connections_only_the_four_projections_are_gone() -> None:
    with torch.device("meta"):
        residual, plain = build_model("xception"), build_model("xception", residual=False)
    lost = set(residual.state_dict()) - set(plain.state_dict())

    assert {key.split(".")[0] for key in lost} == {"block1", "block2", "block3", "block12"}
    assert {key.split(".")[1] for key in lost} == {"skip", "skipbn"}
    assert plain(torch.empty(1, 3, 96, 64, device="meta")).shape == (1, 1000)


@pytest.mark.parametrize(("intermediate", "module"), [("relu", nn.ReLU), ("elu", nn.ELU)])
def test_an_intermediate_activation_sits_between_depth_and_points(
    intermediate: str, module: type[nn.Module]
) -> None:
    with torch.device("meta"):
        model = build_model("xception", intermediate=intermediate)

    kinds = [type(m) for m in model.conv3]
    assert kinds == [nn.Conv2d, module, nn.Conv2d]
    assert model.conv3[0].groups == 1024
    assert model(torch.empty(1, 3, 96, 64, device="meta")).shape == (1, 1000)


def test_a_block_does_not_change_the_input_that_its_shortcut_reads() -> None:
    block = build_model("xception").block4
    x = torch.randn(1, 728, 5, 5, generator=torch.Generator().manual_seed(0))
    before = x.clone()

    with torch.inference_mode():
        block(x)

    assert torch.equal(x, before)
