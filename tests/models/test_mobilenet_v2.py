from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import nn

from explorer.models import build_model
from explorer.models.mobilenet_v2 import InvertedResidual


@pytest.mark.parametrize("width_mult", [0.35, 1.0, 1.4])
def test_a_width_is_torchvision_s_model_of_that_width(
    width_mult: float, torchvision: ModuleType, assert_equals_reference: Callable[..., None]
) -> None:
    with torch.device("meta"):
        ours = build_model("mobilenet_v2", width_mult=width_mult)
        theirs = torchvision.models.mobilenet_v2(width_mult=width_mult)

    assert_equals_reference(ours, theirs, (64, 64), (128, 64))


def test_only_a_wider_model_has_a_wider_last_layer() -> None:
    with torch.device("meta"):
        features = [
            build_model("mobilenet_v2", width_mult=width_mult).classifier[1].in_features
            for width_mult in (0.35, 0.75, 1.0, 1.4)
        ]

    assert features == [1280, 1280, 1280, 1792]


def test_a_block_ends_linear_so_that_nothing_negative_is_lost() -> None:
    block = InvertedResidual(8, 8, stride=1, expansion=6).eval()
    x = torch.randn(2, 8, 5, 6, generator=torch.Generator().manual_seed(0))
    for parameter in block.parameters():
        nn.init.zeros_(parameter)

    with torch.inference_mode():
        assert torch.equal(block(x), x)


@pytest.mark.parametrize(("out_channels", "stride"), [(8, 2), (16, 1)])
def test_a_block_that_changes_the_shape_has_no_shortcut(out_channels: int, stride: int) -> None:
    block = InvertedResidual(8, out_channels, stride, expansion=6).eval()
    for parameter in block.parameters():
        nn.init.zeros_(parameter)

    with torch.inference_mode():
        assert not block(torch.ones(1, 8, 6, 6)).any()


def test_a_block_has_the_parameters_of_table_1() -> None:
    with torch.device("meta"):
        block = InvertedResidual(24, 32, stride=2, expansion=6)

    # 24*144 expand, 9*144 depthwise, 144*32 project; two per channel in each normalization
    assert sum(p.numel() for p in block.parameters()) == 3_456 + 1_296 + 4_608 + 2 * 320


def test_a_block_that_expands_nothing_starts_with_the_depthwise_convolution() -> None:
    with torch.device("meta"):
        first = build_model("mobilenet_v2").features[1]
    convs = [m for m in first.modules() if isinstance(m, nn.Conv2d)]

    assert [(conv.kernel_size, conv.groups) for conv in convs] == [((3, 3), 32), ((1, 1), 1)]
