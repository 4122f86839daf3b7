from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch

from explorer.models import build_model
from explorer.models.semnasnet import SqueezeExcite


@pytest.mark.parametrize(("reference", "width_mult"), [("075", 0.75), ("100", 1.0), ("140", 1.4)])
def test_a_width_is_timm_s_model_of_that_width(
    reference: str,
    width_mult: float,
    timm: ModuleType,
    assert_equals_reference: Callable[..., None],
) -> None:
    with torch.device("meta"):
        ours = build_model("semnasnet_100", width_mult=width_mult)
        theirs = timm.create_model(f"semnasnet_{reference}")

    assert_equals_reference(ours, theirs, (64, 64), (128, 64))


def test_three_of_the_stages_squeeze() -> None:
    with torch.device("meta"):
        model = build_model("semnasnet_100")
    squeezing = [
        [any(isinstance(m, SqueezeExcite) for m in block.modules()) for block in stage]
        for stage in model.blocks
    ]

    # Figure 7: SE in the stages of 40, 112 and 160 channels
    assert squeezing == [
        [False],
        [False] * 2,
        [True] * 3,
        [False] * 4,
        [True] * 2,
        [True] * 3,
        [False],
    ]
