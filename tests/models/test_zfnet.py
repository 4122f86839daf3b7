from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explorer import build_model, trace_model


def test_the_maps_have_the_sizes_of_figure_3() -> None:
    trace = trace_model("zfnet", (1, 3, 224, 224))
    kinds = ("Conv2d", "MaxPool2d", "Linear")
    shapes = [call.outputs[0].shape[1:] for call in trace.calls if call.module_class in kinds]

    assert shapes == [
        (96, 110, 110),
        (96, 55, 55),
        (256, 26, 26),
        (256, 13, 13),
        (384, 13, 13),
        (384, 13, 13),
        (256, 13, 13),
        (256, 6, 6),
        (4096,),
        (4096,),
        (1000,),
    ]


def test_the_network_is_that_of_figure_3(
    with_random_weights: Callable[[nn.Module], nn.Module],
    assert_same_scores: Callable[..., None],
) -> None:
    with torch.device("meta"):
        model = build_model("zfnet", hidden_features=64)
    with_random_weights(model)
    weights = list(model.state_dict().values())

    def figure_3(x: Tensor) -> Tensor:
        conv1, conv2, conv3, conv4, conv5, fc6, fc7, fc8 = zip(
            weights[::2], weights[1::2], strict=True
        )
        x = F.conv2d(x, *conv1, stride=2, padding=1).relu()
        x = _contrast(F.max_pool2d(x, 3, 2, ceil_mode=True))
        x = F.conv2d(x, *conv2, stride=2).relu()
        x = _contrast(F.max_pool2d(x, 3, 2, ceil_mode=True))
        for conv in (conv3, conv4, conv5):
            x = F.conv2d(x, *conv, padding=1).relu()
        x = F.max_pool2d(x, 3, 2, ceil_mode=True).flatten(1)
        return F.linear(F.linear(F.linear(x, *fc6).relu(), *fc7).relu(), *fc8)

    assert_same_scores(model, figure_3, (224, 224))
    assert_same_scores(model, figure_3, (216, 232))


def _contrast(a: Tensor) -> Tensor:
    """AlexNet's b_i = a_i / (2 + 1e-4 * sum a_j^2) ** 0.75, |j - i| <= 2."""
    squares = F.pad(a.square(), (0, 0, 0, 0, 2, 2))
    total = sum(squares[:, i : i + a.shape[1]] for i in range(5))
    return a / (2 + 1e-4 * total) ** 0.75


def test_widths_are_those_of_the_third_to_fifth_convolution() -> None:
    with torch.device("meta"):
        model = build_model("zfnet", widths=(512, 1024, 512))  # as in the paper's Table 3
    convolutions = [m.out_channels for m in model.features if isinstance(m, nn.Conv2d)]

    assert convolutions == [96, 256, 512, 1024, 512]
    assert model(torch.empty(1, 3, 224, 224, device="meta")).shape == (1, 1000)


def test_normalization_can_be_left_out() -> None:
    with torch.device("meta"):
        model = build_model("zfnet", normalization=False)

    assert not any(isinstance(module, nn.LocalResponseNorm) for module in model.modules())
    assert model(torch.empty(1, 3, 224, 224, device="meta")).shape == (1, 1000)
