from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explorer.models import build_model
from explorer.models._layers import local_response_norm


def _paper_s_normalization(a: Tensor) -> Tensor:
    """Section 3.3, index by index: b_i = a_i / (2 + 1e-4 * sum a_j^2) ** 0.75, |j - i| <= 2."""
    b = torch.empty_like(a)
    for i in range(a.shape[1]):
        neighbours = a[:, max(0, i - 2) : i + 3]
        b[:, i] = a[:, i] / (2 + 1e-4 * neighbours.square().sum(dim=1)) ** 0.75
    return b


def test_response_normalization_is_the_paper_s_formula() -> None:
    a = 100 * torch.rand(2, 9, 3, 4, generator=torch.Generator().manual_seed(0))

    torch.testing.assert_close(local_response_norm()(a), _paper_s_normalization(a))


def test_grouped_convolutions_are_the_paper_s_two_towers(
    with_random_weights: Callable[[nn.Module], nn.Module],
) -> None:
    with torch.device("meta"):
        model = build_model("alexnet_paper")
    with_random_weights(model)
    conv1, conv2, conv3, conv4, conv5 = (m for m in model.features if isinstance(m, nn.Conv2d))
    x = torch.rand(1, 3, 227, 227, generator=torch.Generator().manual_seed(1))

    def tower(conv: nn.Conv2d, maps: list[Tensor], number: int) -> Tensor:
        """One GPU's half of a layer: half the weights, applied to its own half of the maps."""
        weight, bias = conv.weight.chunk(2)[number], conv.bias.chunk(2)[number]
        return F.conv2d(maps[number], weight, bias, padding=conv.padding).relu()

    def both(conv: nn.Conv2d, maps: list[Tensor]) -> list[Tensor]:
        return [tower(conv, maps, 0), tower(conv, maps, 1)]

    def halves(maps: list[Tensor]) -> list[Tensor]:
        """Normalize across both towers, as Figure 2 counts the maps, and pool."""
        return list(F.max_pool2d(_paper_s_normalization(torch.cat(maps, 1)), 3, 2).chunk(2, 1))

    with torch.inference_mode():
        maps = halves(list(conv1(x).relu().chunk(2, 1)))  # 2 x (48, 27, 27)
        maps = halves(both(conv2, maps))  # 2 x (128, 13, 13)
        maps = list(conv3(torch.cat(maps, 1)).relu().chunk(2, 1))  # the towers meet
        maps = both(conv5, both(conv4, maps))
        features = F.max_pool2d(torch.cat(maps, 1), 3, 2)
        assert features.shape == (1, 256, 6, 6)
        expected = model.classifier(features.flatten(1))

        torch.testing.assert_close(model(x), expected)


def test_without_groups_three_convolutions_have_twice_the_weights() -> None:
    with torch.device("meta"):
        towers, full = build_model("alexnet_paper"), build_model("alexnet_full")
    gained = sum(p.numel() for p in full.parameters()) - sum(p.numel() for p in towers.parameters())

    # conv2 256*48*25 + conv4 384*192*9 + conv5 256*192*9 more weights, and no more biases
    assert gained == 307_200 + 663_552 + 442_368


def test_normalization_can_be_left_out() -> None:
    with torch.device("meta"):
        model = build_model("alexnet_full", normalization=False)

    assert not any(isinstance(module, nn.LocalResponseNorm) for module in model.modules())
    assert model(torch.empty(1, 3, 227, 227, device="meta")).shape == (1, 1000)
