from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from explorer.models import build_model
from explorer.models.mobilenet_v1 import DepthwiseSeparableConv


@pytest.mark.parametrize(("reference", "width_mult"), [("100", 1.0), ("125", 1.25)])
def test_a_width_is_timm_s_model_of_that_width(
    reference: str,
    width_mult: float,
    timm: ModuleType,
    assert_equals_reference: Callable[..., None],
) -> None:
    with torch.device("meta"):
        ours = build_model("mobilenetv1_100", width_mult=width_mult)
        theirs = timm.create_model(f"mobilenetv1_{reference}")

    assert_equals_reference(ours, theirs, (64, 64), (128, 64))


@pytest.mark.parametrize(("name", "width"), [("100", 1024), ("075", 768), ("050", 512)])
def test_the_name_is_the_width_multiplier_in_hundredths(name: str, width: int) -> None:
    with torch.device("meta"):
        model = build_model(f"mobilenetv1_{name}")

    assert model.classifier.in_features == width


def test_splitting_a_convolution_saves_what_equation_5_says() -> None:
    with torch.device("meta"):
        block = DepthwiseSeparableConv(64, 128, stride=1)
        full = nn.Conv2d(64, 128, kernel_size=3, padding=1, bias=False)
    x = torch.empty(1, 64, 10, 12, device="meta")

    def macs(module: nn.Module) -> int:
        with FlopCounterMode(display=False) as counter:
            module(x)
        return counter.get_total_flops() // 2

    # 3*3*64 depthwise and 64*128 pointwise for each of 120 pixels, against 3*3*64*128
    assert macs(block) == 120 * (576 + 8_192)
    assert macs(block) / macs(full) == pytest.approx(1 / 128 + 1 / 9)


def test_the_counted_layers_are_the_28_of_the_paper() -> None:
    with torch.device("meta"):
        model = build_model("mobilenetv1_100")

    # "Counting depthwise and pointwise convolutions as separate layers, MobileNet has 28 layers."
    assert sum(isinstance(m, nn.Conv2d | nn.Linear) for m in model.modules()) == 28
