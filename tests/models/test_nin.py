from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explorer import build_model, trace_model

# Window, stride and padding of each layer's first convolution, and the pooling after it.
CONFIGURATIONS = {
    "nin_imagenet": [(11, 4, 0, "max"), (5, 1, 2, "max"), (3, 1, 1, "max"), (3, 1, 1, "")],
    "nin_cifar10": [(5, 1, 2, "max"), (5, 1, 2, "average"), (3, 1, 1, "")],
}


def _network(name: str, state: dict[str, Tensor], x: Tensor, ceil_mode: bool) -> Tensor:
    """The authors' configuration as one function of its weights."""
    parameters = list(state.values())
    layers = list(zip(parameters[::2], parameters[1::2], strict=True))
    for conv, cccp1, cccp2, (size, stride, padding, pool) in zip(
        layers[::3], layers[1::3], layers[2::3], CONFIGURATIONS[name], strict=True
    ):
        assert conv[0].shape[-1] == size
        x = F.conv2d(x, *conv, stride=stride, padding=padding).relu()
        x = F.conv2d(F.conv2d(x, *cccp1).relu(), *cccp2).relu()
        if pool == "max":
            x = F.max_pool2d(x, 3, 2, ceil_mode=ceil_mode)
        elif pool == "average":
            x = F.avg_pool2d(x, 3, 2, ceil_mode=ceil_mode)
    return x.mean(dim=(2, 3))


@pytest.mark.parametrize(
    ("name", "sizes"),
    [("nin_imagenet", [(96, 96), (100, 132)]), ("nin_cifar10", [(32, 32), (33, 20)])],
)
def test_the_network_is_the_authors_configuration(
    name: str,
    sizes: list[tuple[int, int]],
    with_random_weights: Callable[[nn.Module], nn.Module],
    assert_same_scores: Callable[..., None],
) -> None:
    with torch.device("meta"):
        model = build_model(name)
    with_random_weights(model)
    weights = model.state_dict()

    for size in sizes:
        assert_same_scores(
            model, lambda x: _network(name, weights, x, ceil_mode=name == "nin_cifar10"), size
        )


def test_the_cifar_network_has_the_authors_widths() -> None:
    with torch.device("meta"):
        model = build_model("nin_cifar10")
    widths = [m.out_channels for m in model.modules() if isinstance(m, nn.Conv2d)]

    assert widths == [192, 160, 96, 192, 192, 192, 192, 192, 10]


def test_there_is_no_fully_connected_layer() -> None:
    for name in CONFIGURATIONS:
        with torch.device("meta"):
            model = build_model(name)
        assert not any(isinstance(module, nn.Linear) for module in model.modules())


def test_at_227_it_does_not_matter_how_pooling_rounds() -> None:
    down = trace_model("nin_imagenet", (1, 3, 227, 227))
    up = trace_model("nin_imagenet", (1, 3, 227, 227), options={"ceil_mode": True})

    assert down.macs == up.macs == 1_105_996_320


def test_at_224_rounding_up_as_caffe_does_gives_larger_maps() -> None:
    up = trace_model("nin_imagenet", (1, 3, 224, 224), options={"ceil_mode": True})
    pools = [c.outputs[0].shape[-1] for c in up.calls if c.module_class == "MaxPool2d"]

    assert pools == [27, 13, 6]  # 26, 12 and 5 where a last, incomplete window does not count
    # 54 * 54 * (3*11*11*96 + 2*96*96) + 27 * 27 * (96*5*5*256 + 2*256*256)
    # + 13 * 13 * (256*3*3*384 + 2*384*384) + 6 * 6 * (384*3*3*1024 + 1024*1024 + 1024*1000)
    assert up.macs == 155_364_480 + 543_449_088 + 199_360_512 + 202_014_720


def test_the_classes_may_be_as_many_as_the_maps_of_all_the_last_layer() -> None:
    with torch.device("meta"):
        model = build_model("nin_imagenet", widths=(96, 256, 384, 10), num_classes=10)

    assert model.features.mlpconv4.cccp1.weight.shape == (10, 10, 1, 1)
    assert model(torch.empty(2, 3, 96, 128, device="meta")).shape == (2, 10)
