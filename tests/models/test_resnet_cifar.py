from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explorer.models import build_model


def _section_4_2(state: dict[str, Tensor], n: int, x: Tensor, *, residual: bool) -> Tensor:
    """The paper's CIFAR network as one function of its weights."""

    def norm(name: str, x: Tensor) -> Tensor:
        mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        return F.batch_norm(x, mean, var, state[f"{name}.weight"], state[f"{name}.bias"])

    def conv(name: str, x: Tensor, stride: int = 1) -> Tensor:
        return F.conv2d(x, state[f"{name}.weight"], stride=stride, padding=1)

    x = norm("bn1", conv("conv1", x)).relu()
    for stage in (1, 2, 3):
        for i in range(n):
            block, stride = f"layer{stage}.{i}", 2 if stage > 1 and i == 0 else 1
            shortcut = x[..., ::stride, ::stride]
            if stride == 2:  # as many zero maps as there are maps
                shortcut = torch.cat([shortcut, torch.zeros_like(shortcut)], dim=1)
            out = norm(f"{block}.bn1", conv(f"{block}.conv1", x, stride)).relu()
            out = norm(f"{block}.bn2", conv(f"{block}.conv2", out))
            x = (out + shortcut if residual else out).relu()
    return F.linear(x.mean(dim=(2, 3)), state["fc.weight"], state["fc.bias"])


@pytest.mark.parametrize(("name", "n"), [("resnet20", 3), ("resnet56", 9), ("plain20", 3)])
def test_the_network_is_that_of_section_4_2(
    name: str,
    n: int,
    with_random_weights: Callable[[nn.Module], nn.Module],
    assert_same_scores: Callable[..., None],
) -> None:
    with torch.device("meta"):
        model = build_model(name)
    with_random_weights(model)
    weights, residual = model.state_dict(), name.startswith("resnet")

    for size in ((32, 32), (33, 20)):
        assert_same_scores(model, lambda x: _section_4_2(weights, n, x, residual=residual), size)


@pytest.mark.parametrize("depth", [20, 56])
def test_a_residual_net_has_the_weights_of_its_plain_counterpart(depth: int) -> None:
    with torch.device("meta"):
        residual, plain = build_model(f"resnet{depth}"), build_model(f"plain{depth}")

    assert {k: v.shape for k, v in residual.state_dict().items()} == {
        k: v.shape for k, v in plain.state_dict().items()
    }


@pytest.mark.parametrize(
    ("name", "depth"),
    [(f"resnet{d}", d) for d in (20, 32, 44, 56, 110, 1202)] + [("plain20", 20), ("plain56", 56)],
)
def test_the_name_is_the_number_of_weighted_layers(name: str, depth: int) -> None:
    with torch.device("meta"):
        model = build_model(name)

    assert sum(isinstance(m, nn.Conv2d | nn.Linear) for m in model.modules()) == depth


def test_option_b_adds_two_projections() -> None:
    with torch.device("meta"):
        a, b = build_model("resnet20"), build_model("resnet20", shortcut="B")
    count = [sum(p.numel() for p in model.parameters()) for model in (a, b)]

    # 1x1 convolutions 16 -> 32 and 32 -> 64, each with a normalization
    assert count[1] - count[0] == (16 * 32 + 2 * 32) + (32 * 64 + 2 * 64)
    assert b(torch.empty(1, 3, 32, 32, device="meta")).shape == (1, 10)


@pytest.mark.parametrize("name", ["resnet20", "plain20"])
def test_without_normalization_the_convolutions_have_a_bias_instead(name: str) -> None:
    with torch.device("meta"):
        usual, bare = build_model(name), build_model(name, norm="none")
    assert not any(isinstance(m, nn.BatchNorm2d) for m in bare.modules())
    count = [sum(p.numel() for p in model.parameters()) for model in (usual, bare)]

    # scale and shift of each of the 7 layers of 16, 6 of 32 and 6 of 64 channels, or one bias
    channels = 7 * 16 + 6 * 32 + 6 * 64
    assert count[0] - count[1] == 2 * channels - channels


def test_pre_activation_is_a_block_written_out(
    with_random_weights: Callable[[nn.Module], nn.Module],
    assert_same_scores: Callable[..., None],
) -> None:
    with torch.device("meta"):
        model = build_model("resnet20", preactivation=True)
    state = with_random_weights(model).state_dict()

    def norm(name: str, x: Tensor) -> Tensor:
        mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        return F.batch_norm(x, mean, var, state[f"{name}.weight"], state[f"{name}.bias"]).relu()

    def network(x: Tensor) -> Tensor:
        x = F.conv2d(x, state["conv1.weight"], padding=1)
        for stage in (1, 2, 3):
            for i in range(3):
                block, stride = f"layer{stage}.{i}", 2 if stage > 1 and i == 0 else 1
                shortcut = x[..., ::stride, ::stride]
                if stride == 2:
                    shortcut = torch.cat([shortcut, torch.zeros_like(shortcut)], dim=1)
                weight = state[f"{block}.conv1.weight"]
                out = F.conv2d(norm(f"{block}.bn1", x), weight, stride=stride, padding=1)
                weight = state[f"{block}.conv2.weight"]
                x = F.conv2d(norm(f"{block}.bn2", out), weight, padding=1) + shortcut
        return F.linear(norm("bn1", x).mean(dim=(2, 3)), state["fc.weight"], state["fc.bias"])

    assert_same_scores(model, network, (32, 32))
