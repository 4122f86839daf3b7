from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explorer import trace_model
from explorer.blocks import find_blocks
from explorer.models import build_model

State = dict[str, Tensor]


@pytest.mark.parametrize(
    "name",
    [
        "resnetv2_18",
        "resnetv2_34",
        "resnetv2_50",
        pytest.param("resnetv2_101", marks=pytest.mark.slow),
        pytest.param("resnetv2_152", marks=pytest.mark.slow),
    ],
)
def test_a_model_equals_timm_s(
    name: str, timm: ModuleType, assert_equals_reference: Callable[..., None]
) -> None:
    with torch.device("meta"):
        ours, theirs = build_model(name), timm.create_model(name)

    assert_equals_reference(ours, theirs, (64, 64), (96, 64))


@pytest.mark.slow
def test_resnet_v2_200_is_timm_s_class_with_the_paper_s_depths(
    timm: ModuleType, assert_equals_reference: Callable[..., None]
) -> None:
    with torch.device("meta"):
        ours = build_model("resnetv2_200")
        theirs = timm.create_model("resnetv2_152", layers=(3, 24, 36, 3))

    assert_equals_reference(ours, theirs, (64, 64), (64, 96))


def _activated(state: State, name: str, x: Tensor) -> Tensor:
    values = (state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
    return F.batch_norm(x, *values).relu()


def _paper(state: State, x: Tensor) -> Tensor:
    """Section 4's bottleneck of the CIFAR nets, as one function of the weights."""
    x = F.conv2d(x, state["stem.conv.weight"], padding=1)
    for stage in range(3):
        for block in range(18):
            name = f"stages.{stage}.blocks.{block}"
            stride = 2 if stage and not block else 1
            first = _activated(state, f"{name}.norm1", x)
            out = F.conv2d(first, state[f"{name}.conv1.weight"])
            out = _activated(state, f"{name}.norm2", out)
            out = F.conv2d(out, state[f"{name}.conv2.weight"], stride=stride, padding=1)
            out = F.conv2d(_activated(state, f"{name}.norm3", out), state[f"{name}.conv3.weight"])
            if not block:
                x = F.conv2d(first, state[f"{name}.downsample.conv.weight"], stride=stride)
            x = x + out
    x = _activated(state, "norm", x).mean((2, 3))
    return F.linear(x, state["head.fc.weight"].flatten(1), state["head.fc.bias"])


def test_the_cifar_network_is_the_paper_s(
    with_random_weights: Callable[[nn.Module], nn.Module],
    assert_same_scores: Callable[..., None],
) -> None:
    with torch.device("meta"):
        model = build_model("preresnet164")
    weights = with_random_weights(model).state_dict()

    for size in ((32, 32), (16, 24)):
        assert_same_scores(model, lambda x: _paper(weights, x), size)


def test_depth_is_nine_layers_a_block_and_two_more() -> None:
    from explorer.analysis import totals

    for name, blocks in (("preresnet164", 54), ("preresnet1001", 333)):
        trace = trace_model(name, (1, 3, 32, 32))
        found = find_blocks(trace)
        assert totals(trace).depth == 3 * blocks + 2
        assert [block.kind for block in found] == ["residual"] * blocks
        assert [block.shortcut for block in found].count("projection") == 3


def test_nothing_follows_the_addition_and_the_identity_stays_untouched() -> None:
    found = find_blocks(trace_model("resnetv2_50", (1, 3, 224, 224)))
    identity = [block for block in found if block.shortcut == "identity"]

    assert len(found) == 16
    assert len(identity) == 12
    assert all(not block.shortcut_ops for block in identity)
