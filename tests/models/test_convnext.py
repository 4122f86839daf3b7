from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import nn

from explorer.models import build_model
from explorer.models.convnext import CNBlock, LayerNorm2d

NAMES = ["convnext_tiny", "convnext_small", "convnext_base", "convnext_large", "convnext_xlarge"]


@pytest.fixture
def reference(torchvision: ModuleType) -> Callable[[str], nn.Module]:
    """Build torchvision's model on meta; XL from its blocks, by the numbers of the paper."""

    def build(name: str) -> nn.Module:
        with torch.device("meta"):
            if name != "convnext_xlarge":
                return torchvision.models.get_model(name)
            config = torchvision.models.convnext.CNBlockConfig
            stages = [(256, 512, 3), (512, 1024, 3), (1024, 2048, 27), (2048, None, 3)]
            return torchvision.models.ConvNeXt([config(*stage) for stage in stages])

    return build


@pytest.mark.parametrize("name", NAMES)
def test_the_state_dict_has_the_reference_s_keys_and_shapes(
    name: str,
    reference: Callable[[str], nn.Module],
    assert_equals_reference: Callable[..., None],
) -> None:
    with torch.device("meta"):
        ours = build_model(name)

    assert_equals_reference(ours, reference(name))


@pytest.mark.parametrize(
    "name", ["convnext_tiny", *(pytest.param(name, marks=pytest.mark.slow) for name in NAMES[1:])]
)
def test_with_the_reference_s_weights_the_scores_are_the_reference_s(
    name: str,
    reference: Callable[[str], nn.Module],
    assert_equals_reference: Callable[..., None],
) -> None:
    with torch.device("meta"):
        ours = build_model(name)

    assert_equals_reference(ours, reference(name), (64, 64), (96, 64))


def test_a_block_has_a_7x7_for_each_channel_and_an_inverted_bottleneck() -> None:
    with torch.device("meta"):
        block = CNBlock(96, drop_rate=0)

    # (49 + 1)*96 depthwise, 2*96 LN, (96 + 1)*384, (384 + 1)*96, 96 of the layer scale
    assert sum(p.numel() for p in block.parameters()) == 4_800 + 192 + 37_248 + 36_960 + 96


def test_a_block_that_is_scaled_to_nothing_passes_its_input_on() -> None:
    torch.manual_seed(0)
    block, x = CNBlock(8, drop_rate=0).eval(), torch.randn(2, 8, 9, 7)
    nn.init.zeros_(block.layer_scale)

    with torch.inference_mode():
        assert torch.equal(block(x), x)


def test_layer_norm_normalizes_each_pixel_over_its_channels() -> None:
    torch.manual_seed(0)
    x = 3 + 5 * torch.randn(2, 64, 3, 4)

    out = LayerNorm2d(64)(x)

    torch.testing.assert_close(out.mean(dim=1), torch.zeros(2, 3, 4), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.std(dim=1, correction=0), torch.ones(2, 3, 4))


def test_depths_and_widths_are_options() -> None:
    with torch.device("meta"):
        model = build_model("convnext_tiny", depths=(1, 2, 1, 1), widths=(16, 24, 32, 40))

    assert [len(stage) for stage in list(model.features)[1::2]] == [1, 2, 1, 1]
    assert model.classifier[2].in_features == 40
    assert model(torch.empty(1, 3, 64, 32, device="meta")).shape == (1, 1000)


def test_stochastic_depth_grows_from_none_to_the_stated_rate() -> None:
    with torch.device("meta"):
        model = build_model("convnext_tiny", stochastic_depth=0.17)
    rates = [m.stochastic_depth.rate for m in model.modules() if isinstance(m, CNBlock)]

    assert rates == pytest.approx([0.01 * block for block in range(18)])
