from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch

from explorer.models import build_model
from explorer.models.shufflenet_v2 import ShuffleUnit


@pytest.mark.parametrize("width", ["0_5", "1_0", "1_5", "2_0"])
def test_the_models_are_torchvision_s(
    width: str, torchvision: ModuleType, assert_equals_reference: Callable[..., None]
) -> None:
    name = f"shufflenet_v2_x{width}"
    with torch.device("meta"):
        ours, theirs = build_model(name), torchvision.models.get_model(name)

    assert_equals_reference(ours, theirs, (64, 64), (128, 64))


def test_half_of_the_channels_pass_a_unit_untouched() -> None:
    unit = ShuffleUnit(8, 8, stride=1).eval()
    x = torch.randn(1, 8, 5, 6, generator=torch.Generator().manual_seed(0))

    with torch.inference_mode():
        out = unit(x)

    assert torch.equal(out[:, 0::2], x[:, :4])  # shuffled between the 4 that were computed
    assert torch.equal(out[:, 1::2], unit.branch2(x[:, 4:]))


def test_depth_is_an_option() -> None:
    with torch.device("meta"):
        model = build_model("shufflenet_v2_x1_0", depths=(2, 3, 1))

    assert [len(stage) for stage in (model.stage2, model.stage3, model.stage4)] == [2, 3, 1]
    assert model(torch.empty(1, 3, 64, 32, device="meta")).shape == (1, 1000)
