from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import nn

from explorer.errors import OptionError
from explorer.models import build_model
from explorer.models.squeezenet import Fire


def _params(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("name", ["squeezenet1_0", "squeezenet1_1"])
def test_with_torchvision_s_weights_the_output_is_torchvision_s(
    name: str,
    torchvision: ModuleType,
    with_random_weights: Callable[[nn.Module], nn.Module],
    assert_same_scores: Callable[..., None],
) -> None:
    with torch.device("meta"):
        ours, theirs = build_model(name), torchvision.models.get_model(name)
    with_random_weights(theirs)
    ours.load_state_dict(theirs.state_dict(), strict=True, assign=True)

    assert_same_scores(ours, theirs, (64, 64))
    assert_same_scores(ours, theirs, (128, 65))


def test_the_layers_have_the_parameters_of_table_1() -> None:
    with torch.device("meta"):
        model = build_model("squeezenet1_0")
    fires = [_params(module) for module in model.features if isinstance(module, Fire)]

    assert _params(model.features[0]) == 14_208
    assert fires == [11_920, 12_432, 45_344, 49_440, 104_880, 111_024, 188_992, 197_184]
    assert _params(model.classifier) == 513_000
    assert _params(model) == 1_248_424


def _bypassed(name: str, bypass: str) -> dict[int, bool]:
    """Fire modules, numbered as in the paper, that have a bypass, and whether it has weights."""
    with torch.device("meta"):
        features = build_model(name, bypass=bypass).features
    fires = [module for module in features if isinstance(module, Fire)]
    return {
        number: fire.bypass is not None for number, fire in enumerate(fires, 2) if fire.residual
    }


@pytest.mark.parametrize("name", ["squeezenet1_0", "squeezenet1_1"])
def test_bypasses_are_where_figure_2_draws_them(name: str) -> None:
    assert _bypassed(name, "none") == {}
    assert _bypassed(name, "simple") == dict.fromkeys((3, 5, 7, 9), False)
    assert _bypassed(name, "complex") == {n: n % 2 == 0 for n in range(2, 10)}


def test_a_simple_bypass_is_free_and_a_complex_one_costs_four_projections() -> None:
    with torch.device("meta"):
        none, simple, complex_ = (
            _params(build_model("squeezenet1_0", bypass=bypass))
            for bypass in ("none", "simple", "complex")
        )

    assert simple == none
    # 1x1 convolutions round Fire 2, 4, 6 and 8
    assert complex_ - none == sum(
        i * o + o for i, o in ((96, 128), (128, 256), (256, 384), (384, 512))
    )


@pytest.mark.parametrize("bypass", ["simple", "complex"])
def test_a_fire_module_that_has_learnt_nothing_passes_its_bypass_on(bypass: str) -> None:
    x = torch.rand(2, 8, 5, 6, generator=torch.Generator().manual_seed(0))
    with_bypass, without = Fire(8, 1, 4, 4, bypass), Fire(8, 1, 4, 4, "none")
    for parameter in (*with_bypass.parameters(), *without.parameters()):
        nn.init.zeros_(parameter)

    with torch.inference_mode():
        assert torch.equal(with_bypass(x), x)
        assert not without(x).any()


def test_the_squeeze_ratio_is_the_share_of_channels_before_the_3x3() -> None:
    with torch.device("meta"):
        features = build_model("squeezenet1_1", squeeze_ratio=0.75).features
    squeezed = [module.squeeze.out_channels for module in features if isinstance(module, Fire)]

    assert squeezed == [96, 96, 192, 192, 288, 288, 384, 384]  # 0.75 of 128, 256, 384, 512


@pytest.mark.parametrize(
    ("share", "counts"), [(0.01, (127, 1)), (0.25, (96, 32)), (0.99, (1, 127))]
)
def test_the_share_of_3x3_leaves_at_least_one_filter_of_each_size(
    share: float, counts: tuple[int, int]
) -> None:
    with torch.device("meta"):
        fire = build_model("squeezenet1_0", share_3x3=share).features[3]

    assert (fire.expand1x1.out_channels, fire.expand3x3.out_channels) == counts


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"bypass": "double"}, "one of 'none', 'simple', 'complex'"),
        ({"squeeze_ratio": 0.1}, "a number from 0.125 to 1"),
        ({"share_3x3": 1}, "a number from 0.01 to 0.99"),
    ],
)
def test_what_the_paper_does_not_vary_so_is_refused_with_what_would_do(
    options: dict[str, float | str], wanted: str
) -> None:
    with pytest.raises(OptionError, match=f"should be {wanted}"):
        build_model("squeezenet1_0", **options)
