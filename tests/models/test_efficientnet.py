from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import nn

from explorer import trace_model
from explorer.models import build_model, get_spec
from explorer.models._layers import StochasticDepth

NAMES = [f"efficientnet_b{number}" for number in range(8)]
V2_NAMES = ["efficientnet_v2_s", "efficientnet_v2_m", "efficientnet_v2_l"]
# More than ten million parameters.
HEAVY = {*NAMES[3:], *V2_NAMES}


def _seeing(model: nn.Module) -> nn.Module:
    """Let the normalizations' statistics be those of images, so that the images stay visible.

    Sixteen swishes in a row, each half as steep as a ReLU, would leave nothing but biases.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    momentum = norms[0].momentum
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    with torch.no_grad():
        model(torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(2)))
    for norm in norms:
        norm.momentum = momentum
    return model.eval()


@pytest.mark.parametrize("name", [*NAMES, *V2_NAMES])
def test_the_state_dict_has_torchvision_s_keys_and_shapes(
    name: str, torchvision: ModuleType, assert_equals_reference: Callable[..., None]
) -> None:
    with torch.device("meta"):
        ours, theirs = build_model(name), torchvision.models.get_model(name)

    assert_equals_reference(ours, theirs)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name in HEAVY else name
        for name in [*NAMES, *V2_NAMES]
    ],
)
def test_with_torchvision_s_weights_the_scores_are_torchvision_s(
    name: str,
    torchvision: ModuleType,
    with_random_weights: Callable[[nn.Module], nn.Module],
    assert_same_scores: Callable[..., None],
) -> None:
    with torch.device("meta"):
        ours, theirs = build_model(name), torchvision.models.get_model(name)
    _seeing(with_random_weights(theirs))
    ours.load_state_dict(theirs.state_dict(), strict=True, assign=True)

    assert_same_scores(ours, theirs, (64, 64))
    assert_same_scores(ours, theirs, (128, 64))


def test_a_fused_block_is_one_3x3_where_it_expands_nothing() -> None:
    with torch.device("meta"):
        model = build_model("efficientnet_v2_s")

    def kernels(block: nn.Module) -> list[int]:
        return [m.kernel_size[0] for m in block.modules() if isinstance(m, nn.Conv2d)]

    assert kernels(model.features[1][0]) == [3]
    assert kernels(model.features[2][0]) == [3, 1]
    assert kernels(model.features[4][0]) == [1, 3, 1, 1, 1]  # depthwise, with two 1x1 of SE


def test_widths_and_depths_grow_with_the_compound_coefficient() -> None:
    with torch.device("meta"):
        scaled = build_model("efficientnet_b0", width_mult=2.0, depth_mult=3.1)
        named = build_model("efficientnet_b7")
    stages = list(named.features)[1:-1]

    # Table 1 times 3.1, rounded up, and times 2
    assert [len(stage) for stage in stages] == [4, 7, 7, 10, 10, 13, 4]
    assert [stage[-1].block[-1][1].num_features for stage in stages] == [
        *(32, 48, 80, 160, 224, 384, 640)
    ]
    assert {k: v.shape for k, v in scaled.state_dict().items()} == {
        k: v.shape for k, v in named.state_dict().items()
    }


def test_b2_is_b0_at_a_compound_coefficient_of_1() -> None:
    spec = get_spec("efficientnet_b2")

    # alpha, beta and gamma are 1.2, 1.1 and 1.15 (section 4); 224 * 1.15 is 257.6
    assert spec.options["depth_mult"].default == 1.2
    assert spec.options["width_mult"].default == 1.1
    assert spec.input_shape == (1, 3, 260, 260)


def test_stochastic_depth_grows_from_none_at_the_first_block() -> None:
    with torch.device("meta"):
        model = build_model("efficientnet_b0", stochastic_depth=0.32)
    rates = [m.rate for m in model.modules() if isinstance(m, StochasticDepth)]

    assert rates == pytest.approx([0.02 * block for block in range(16)])


def test_stochastic_depth_drops_whole_images_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    layer, x = StochasticDepth(0.25), torch.ones(1000, 2, 3, 4)

    out = layer(x)

    kept = out.flatten(1).amax(dim=1) > 0
    assert torch.equal(out[kept], x[kept] / 0.75)
    assert not out[~kept].any()
    assert kept.float().mean().item() == pytest.approx(0.75, abs=0.05)
    assert layer.eval()(x) is x


def test_in_training_the_same_layers_are_counted() -> None:
    trained = trace_model("efficientnet_b0", (2, 3, 64, 64), mode="train")
    evaluated = trace_model("efficientnet_b0", (2, 3, 64, 64))

    assert (trained.params, trained.macs) == (evaluated.params, evaluated.macs)
    assert not trained.unknown_ops
