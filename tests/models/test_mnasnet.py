from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import nn

from explorer.models import build_model


@pytest.mark.parametrize("name", ["mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3"])
def test_the_models_are_torchvision_s(
    name: str, torchvision: ModuleType, assert_equals_reference: Callable[..., None]
) -> None:
    with torch.device("meta"):
        ours, theirs = build_model(name), torchvision.models.get_model(name)

    assert_equals_reference(ours, theirs, (64, 64), (128, 64))


@pytest.mark.parametrize("width_mult", [0.35, 1.4])
def test_another_width_is_torchvision_s_too(
    width_mult: float, torchvision: ModuleType, assert_equals_reference: Callable[..., None]
) -> None:
    with torch.device("meta"):
        ours = build_model("mnasnet1_0", width_mult=width_mult)
        theirs = torchvision.models.MNASNet(width_mult)

    assert_equals_reference(ours, theirs)


def test_the_search_chose_a_kernel_and_an_expansion_for_each_stage() -> None:
    with torch.device("meta"):
        stages = [m for m in build_model("mnasnet1_0").layers if isinstance(m, nn.Sequential)]
    chosen = [
        (stage[0].layers[3].kernel_size[0], stage[0].layers[0].out_channels // width, len(stage))
        for stage, width in zip(stages, (16, 24, 40, 80, 96, 192), strict=True)
    ]

    assert chosen == [(3, 3, 3), (5, 3, 3), (5, 6, 3), (3, 6, 2), (5, 6, 4), (3, 6, 1)]
