from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explorer.models import build_model
from explorer.models.lenet import TABLE_I, EuclideanRBF, ScaledTanh, SparseConv2d, Subsampling


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


# ------------------------------------------------------------------ the network of 1998


def test_the_1998_network_has_the_paper_s_60_000_weights() -> None:
    model = build_model("lenet5_paper")

    assert _params(model.c1) == 156  # 6 * (5*5 + 1)
    assert _params(model.s2) == 12  # 6 * 2
    assert _params(model.c3) == 1_516  # 6 * 3*5*5 + 9 * 4*5*5 + 6*5*5, and 16 biases
    assert _params(model.s4) == 32  # 16 * 2
    assert _params(model.c5) == 48_120  # 120 * (16*5*5 + 1)
    assert _params(model.f6) == 10_164  # 84 * (120 + 1)
    assert _params(model.output) == 0
    assert _params(model) == 60_000


def test_table_i_gives_every_map_of_s2_to_ten_maps_of_c3() -> None:
    rows = ["".join("X" if s2 in maps else "." for maps in TABLE_I) for s2 in range(6)]

    assert rows == [
        "X...XXX..XXXX.XX",
        "XX...XXX..XXXX.X",
        "XXX...XXX..X.XXX",
        ".XXX..XXXX..X.XX",
        "..XXX..XXXX.XX.X",
        "...XXX..XXXX.XXX",
    ]


def test_sparse_c3_is_a_full_convolution_with_the_missing_weights_at_zero() -> None:
    torch.manual_seed(0)
    sparse = SparseConv2d()
    weight = torch.zeros(16, 6, 5, 5)
    kernels = [kernel for conv in sparse.convs for kernel in conv.weight]
    for maps, kernel, row in zip(TABLE_I, kernels, weight, strict=True):
        row[list(maps)] = kernel.detach()
    bias = torch.cat([conv.bias for conv in sparse.convs])
    x = torch.randn(2, 6, 14, 9)

    torch.testing.assert_close(sparse(x), F.conv2d(x, weight, bias))


def test_subsampling_adds_four_pixels_and_has_two_weights_a_map() -> None:
    layer = Subsampling(2)
    nn.init.constant_(layer.weight, 3)
    nn.init.constant_(layer.bias, -1)

    out = layer(torch.arange(16.0).reshape(1, 2, 2, 4))

    # 3 * (0 + 1 + 4 + 5) - 1 and so on
    assert out.tolist() == [[[[29, 53]], [[125, 149]]]]


def test_the_squashing_function_is_one_at_one() -> None:
    x = torch.tensor([-1.0, 0.0, 1.0, 100.0])

    torch.testing.assert_close(
        ScaledTanh()(x), torch.tensor([-1.0, 0.0, 1.0, 1.7159]), atol=1e-4, rtol=0
    )


def test_a_class_is_penalised_by_the_squared_distance_to_its_centre() -> None:
    layer = EuclideanRBF(3, num_classes=2)
    layer.centres = torch.tensor([[1.0, -1.0, 1.0], [-1.0, -1.0, -1.0]])

    penalties = layer(torch.tensor([[1.0, -1.0, 1.0], [0.0, 0.0, 0.0]]))

    assert penalties.tolist() == [[0, 8], [3, 3]]


def test_the_centres_are_corners_of_a_cube_and_no_weights() -> None:
    output = build_model("lenet5_paper", num_classes=96).output

    assert output.centres.shape == (96, 84)
    assert output.centres.unique().tolist() == [-1, 1]
    assert list(output.state_dict()) == ["centres"]


def _connections(model: nn.Module) -> int:
    """Count as the paper does: every weight of a unit, the bias included, once for each pixel."""
    total = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d | nn.Linear):
            total += out.numel() * (module.weight[0].numel() + 1)
        elif isinstance(module, Subsampling):
            total += out.numel() * (4 + 1)
        elif isinstance(module, EuclideanRBF):
            total += out.numel() * module.centres.shape[1]

    for module in model.modules():
        module.register_forward_hook(count)
    model(torch.empty(1, 1, 32, 32, device="meta"))
    return total


def test_the_1998_network_has_the_paper_s_340_908_connections() -> None:
    with torch.device("meta"):
        model = build_model("lenet5_paper")

    # 122,304 + 5,880 + 151,600 + 2,000 + 48,120 + 10,164 + 840
    assert _connections(model) == 340_908


def test_the_1998_network_is_the_one_of_section_ii_b(
    with_random_weights: Callable[[nn.Module], nn.Module],
) -> None:
    with torch.device("meta"):
        model = build_model("lenet5_paper")
    with_random_weights(model)
    x = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(1))

    def squash(a: Tensor) -> Tensor:
        return 1.7159 * (2 * a / 3).tanh()

    def subsample(layer: Subsampling, a: Tensor) -> Tensor:
        total = a[..., ::2, ::2] + a[..., 1::2, ::2] + a[..., ::2, 1::2] + a[..., 1::2, 1::2]
        return squash(total * layer.weight + layer.bias)

    with torch.inference_mode():
        a = subsample(model.s2, squash(F.conv2d(x, model.c1.weight, model.c1.bias)))
        a = subsample(model.s4, squash(model.c3(a)))
        a = squash(F.linear(a.flatten(1), model.c5.weight.flatten(1), model.c5.bias))
        a = squash(F.linear(a, model.f6.weight, model.f6.bias))
        expected = torch.cdist(a, model.output.centres) ** 2

        torch.testing.assert_close(model(x), expected, rtol=1e-4, atol=1e-4)
