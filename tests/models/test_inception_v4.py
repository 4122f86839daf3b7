from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import torch
from torch import nn

from explorer import build_model, trace_model


def _both(timm: ModuleType) -> tuple[nn.Module, nn.Module]:
    with torch.device("meta"):
        return build_model("inception_v4"), timm.create_model("inception_v4")


def test_the_state_dict_has_timm_s_keys_and_shapes(timm: ModuleType) -> None:
    ours, theirs = _both(timm)

    assert {k: v.shape for k, v in ours.state_dict().items()} == {
        k: v.shape for k, v in theirs.state_dict().items()
    }


def test_with_timm_s_weights_the_output_is_timm_s(
    timm: ModuleType,
    with_random_weights: Callable[[nn.Module], nn.Module],
    assert_same_scores: Callable[..., None],
) -> None:
    ours, theirs = _both(timm)
    with_random_weights(theirs)
    ours.load_state_dict(theirs.state_dict(), strict=True, assign=True)

    assert_same_scores(ours, theirs, (75, 75))
    assert_same_scores(ours, theirs, (111, 80))


def test_the_grids_are_those_of_figures_3_and_9() -> None:
    trace = trace_model("inception_v4", (1, 3, 299, 299))
    shapes = [
        call.outputs[0].shape[1:]
        for call in trace.calls
        if call.path.startswith("features.") and call.path.count(".") == 1
    ]

    assert shapes[:6] == [
        (32, 149, 149),
        (32, 147, 147),
        (64, 147, 147),
        (160, 73, 73),
        (192, 71, 71),
        (384, 35, 35),
    ]
    assert shapes[6:] == [(384, 35, 35)] * 4 + [(1024, 17, 17)] * 8 + [(1536, 8, 8)] * 4


def test_depths_are_the_modules_on_each_grid() -> None:
    with torch.device("meta"):
        model = build_model("inception_v4", depths=(1, 2, 3))
    kinds = [type(module).__name__ for module in model.features][6:]

    assert kinds == [
        "InceptionA",
        "ReductionA",
        *["InceptionB"] * 2,
        "ReductionB",
        *["InceptionC"] * 3,
    ]
    assert model(torch.empty(1, 3, 96, 128, device="meta")).shape == (1, 1000)
