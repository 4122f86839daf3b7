from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explorer.models import build_model


def _table_1(state: dict[str, Tensor], n: int, x: Tensor) -> Tensor:
    """The paper's network with pre-activation blocks B(3,3), as one function of its weights."""

    def activate(name: str, x: Tensor) -> Tensor:
        mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        return F.batch_norm(x, mean, var, state[f"{name}.weight"], state[f"{name}.bias"]).relu()

    x = F.conv2d(x, state["conv1.weight"], padding=1)
    for group in (1, 2, 3):
        for i in range(n):
            block, stride = f"layer{group}.{i}", 2 if group > 1 and i == 0 else 1
            o = activate(f"{block}.bn1", x)
            projection = state.get(f"{block}.downsample.weight")
            shortcut = x if projection is None else F.conv2d(o, projection, stride=stride)
            o = F.conv2d(o, state[f"{block}.conv1.weight"], stride=stride, padding=1)
            o = activate(f"{block}.bn2", o)
            x = F.conv2d(o, state[f"{block}.conv2.weight"], padding=1) + shortcut
    return F.linear(activate("bn1", x).mean(dim=(2, 3)), state["fc.weight"], state["fc.bias"])


@pytest.mark.parametrize("widen_factor", [1, 3])
def test_the_network_is_that_of_table_1(
    widen_factor: int,
    with_random_weights: Callable[[nn.Module], nn.Module],
    assert_same_scores: Callable[..., None],
) -> None:
    with torch.device("meta"):
        model = build_model("wrn_16_8", widen_factor=widen_factor)
    with_random_weights(model)
    weights = model.state_dict()

    for size in ((32, 32), (33, 20)):
        assert_same_scores(model, lambda x: _table_1(weights, 2, x), size)


@pytest.mark.parametrize(("name", "depth"), [("wrn_16_8", 16), ("wrn_28_10", 28), ("wrn_40_4", 40)])
def test_the_name_is_the_number_of_convolutions(name: str, depth: int) -> None:
    with torch.device("meta"):
        model = build_model(name)

    # 6n + 4: stem, 6n in the blocks, and 3 projections, since k > 1 widens the first group too
    assert sum(isinstance(m, nn.Conv2d) for m in model.modules()) == depth


def test_dropout_sits_between_a_block_s_convolutions_and_only_on_request() -> None:
    with torch.device("meta"):
        without, with_dropout = build_model("wrn_16_8"), build_model("wrn_16_8", dropout=0.3)
    rates = [m.p for m in with_dropout.modules() if isinstance(m, nn.Dropout)]

    assert not any(isinstance(m, nn.Dropout) for m in without.modules())
    assert rates == [0.3] * 6  # one in each of 3 x 2 blocks
    assert with_dropout(torch.empty(1, 3, 32, 32, device="meta")).shape == (1, 10)
