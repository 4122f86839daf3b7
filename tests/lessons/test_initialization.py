"""Weights to begin with have the variance that the papers say."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from explorer.errors import OptionError
from explorer.lessons.initialization import INITS, initialize, weight_std
from explorer.models import build_model


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("layer", [nn.Conv2d(24, 48, 3), nn.Conv2d(24, 48, 3, groups=4),
                                   nn.Linear(300, 70)])  # fmt: skip
def test_the_rules_have_the_deviations_that_torch_s_own_have(layer: nn.Module) -> None:
    expected = {
        "he": lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu"),
        "xavier": nn.init.xavier_normal_,
        "small": lambda w: nn.init.normal_(w, 0, 0.01),
        "torch": lambda w: nn.init.kaiming_uniform_(w, a=5**0.5),
    }
    for init in INITS:
        theirs = torch.empty(400, *layer.weight.shape[1:]) if init != "xavier" else layer.weight
        reference = expected[init](theirs.detach().clone()).std().item()
        assert weight_std(tuple(layer.weight.shape), init) == pytest.approx(reference, rel=0.05)
        initialize(layer, init, generator())
        assert layer.weight.std().item() == pytest.approx(reference, rel=0.06)
        assert not layer.bias.any()


def test_torch_s_rule_has_the_bounds_of_a_fresh_convolution() -> None:
    fresh, own = nn.Conv2d(16, 256, 3), nn.Conv2d(16, 256, 3)
    initialize(own, "torch", generator())
    assert own.weight.abs().max().item() == pytest.approx(fresh.weight.abs().max().item(), rel=1e-3)


def test_a_seed_gives_the_same_weights_whatever_torch_drew_before() -> None:
    first, second = build_model("resnet20"), build_model("resnet20")
    torch.rand(7)
    for model in (first, second):
        initialize(model, "he", generator(3))
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)
    initialize(second, "he", generator(4))
    assert not torch.equal(first.conv1.weight, second.conv1.weight)


@pytest.mark.parametrize(("name", "last"), [("resnet20", "bn2"), ("resnet50", "bn3")])
def test_closed_blocks_are_the_identity(name: str, last: str) -> None:
    model = build_model(name)
    initialize(model, "he", generator(), zero_gamma=True)
    norms = {n: m for n, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)}
    closed = {n for n, m in norms.items() if not m.weight.any()}
    assert closed == {n for n in norms if n.startswith("layer") and n.endswith(last)}
    block = model.layer1[1]
    x = torch.rand(2, block.conv1.in_channels, 8, 8)
    assert torch.equal(block(x), x)


@pytest.mark.parametrize(
    ("name", "options"),
    [("plain20", {}), ("resnet20", {"norm": "none"}), ("resnet20", {"preactivation": True})],
)
def test_where_no_block_ends_in_a_normalization_there_is_nothing_to_close(
    name: str, options: dict[str, str]
) -> None:
    with pytest.raises(OptionError, match="no residual block that ends in a batch normalization"):
        initialize(build_model(name, **options), "he", generator(), zero_gamma=True)


def test_an_unknown_rule_is_said_with_those_that_there_are() -> None:
    with pytest.raises(OptionError, match="'he', 'xavier', 'small', 'torch'"):
        initialize(nn.Linear(2, 2), "lecun", generator())
