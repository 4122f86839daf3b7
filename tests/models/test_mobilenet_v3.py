from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import nn

from explorer.models import build_model
from explorer.models._layers import SqueezeExcitation, make_divisible


@pytest.mark.parametrize("name", ["mobilenet_v3_large", "mobilenet_v3_small"])
def test_the_models_are_torchvision_s(
    name: str, torchvision: ModuleType, assert_equals_reference: Callable[..., None]
) -> None:
    with torch.device("meta"):
        ours, theirs = build_model(name), torchvision.models.get_model(name)

    assert_equals_reference(ours, theirs, (64, 64), (128, 64))


@pytest.mark.parametrize("size", ["large", "small"])
def test_a_narrower_model_is_timm_s(
    size: str,
    timm: ModuleType,
    with_random_weights: Callable[[nn.Module], nn.Module],
    assert_same_scores: Callable[..., None],
) -> None:
    with torch.device("meta"):
        ours = build_model(f"mobilenet_v3_{size}", width_mult=0.75)
        theirs = with_random_weights(timm.create_model(f"mobilenetv3_{size}_075"))
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 0.001  # that of the paper's code, which torchvision keeps
    # timm names the layers otherwise, in the same order; its 1x1 after pooling is our linear layer.
    names, shapes = zip(*((k, v.shape) for k, v in ours.state_dict().items()), strict=True)
    values = [
        value.reshape(shape)
        for value, shape in zip(theirs.state_dict().values(), shapes, strict=True)
    ]
    ours.load_state_dict(dict(zip(names, values, strict=True)), assign=True)

    assert_same_scores(ours, theirs, (64, 64))
    assert_same_scores(ours, theirs, (128, 64))


@pytest.mark.parametrize(
    ("width", "rounded"), [(32.0, 32), (33.6, 32), (11.2, 16), (4.0, 8), (28.0, 32), (75.9, 72)]
)
def test_a_scaled_width_is_a_multiple_of_8_and_at_least_nine_tenths(
    width: float, rounded: int
) -> None:
    assert make_divisible(width) == rounded
    assert rounded >= 0.9 * width


def test_squeeze_and_excitation_weights_each_channel_by_its_mean() -> None:
    layer = SqueezeExcitation(2, 1)
    for conv, weight, bias in ((layer.fc1, 2.0, 1.0), (layer.fc2, 0.5, -1.0)):
        nn.init.constant_(conv.weight, weight)
        nn.init.constant_(conv.bias, bias)
    x = torch.tensor([1.0, 3.0]).reshape(1, 2, 1, 1).expand(1, 2, 4, 5)

    # squeeze relu(2*1 + 2*3 + 1) = 9, excite 0.5*9 - 1 = 3.5
    with torch.inference_mode():
        torch.testing.assert_close(layer(x), x * torch.sigmoid(torch.tensor(3.5)))


def test_the_blocks_of_table_1_that_squeeze_do_so_to_a_quarter() -> None:
    with torch.device("meta"):
        model = build_model("mobilenet_v3_large")
    squeezes = {
        number: (layer.fc1.in_channels, layer.fc1.out_channels)
        for number, block in enumerate(model.features)
        for layer in block.modules()
        if isinstance(layer, SqueezeExcitation)
    }

    assert squeezes == {
        4: (72, 24),  # a quarter is 18; the multiple of 8 that loses no tenth is 24
        5: (120, 32),
        6: (120, 32),
        11: (480, 120),
        12: (672, 168),
        13: (672, 168),
        14: (960, 240),
        15: (960, 240),
    }
