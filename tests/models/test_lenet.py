from __future__ import annotations

import pytest
import torch
from torch import nn

from explorer.models import build_model


def _params(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_the_layers_have_the_paper_s_parameters_but_for_c3_and_the_output() -> None:
    model = build_model("lenet5")

    assert _params(model.c1) == 156  # 6 * (5*5 + 1)
    assert _params(model.c3) == 2_416  # 16 * (6*5*5 + 1), where the paper's sparse C3 has 1,516
    assert _params(model.c5) == 48_120  # 120 * (16*5*5 + 1)
    assert _params(model.f6) == 10_164  # 84 * (120 + 1)
    assert _params(model.output) == 850  # 10 * (84 + 1)
    assert _params(model) == 61_706


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu"])
@pytest.mark.parametrize("pooling", ["average", "max"])
def test_activation_and_pooling_change_the_scores_and_no_parameter(
    activation: str, pooling: str
) -> None:
    torch.manual_seed(0)
    plain, other = (
        build_model("lenet5"),
        build_model("lenet5", activation=activation, pooling=pooling),
    )
    other.load_state_dict(plain.state_dict())
    x = torch.rand(1, 1, 32, 32)

    same = (activation, pooling) == ("tanh", "average")
    assert torch.equal(plain(x), other(x)) == same


def test_a_28_pixel_image_must_be_padded_first() -> None:
    model = build_model("lenet5")
    digit = torch.rand(1, 1, 28, 28)

    with pytest.raises(RuntimeError, match="Kernel size can't be greater"):
        model(digit)
    assert model(nn.functional.pad(digit, (2, 2, 2, 2))).shape == (1, 10)
