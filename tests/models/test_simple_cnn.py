from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explorer import build_model, trace_model


def _written_out(state: dict[str, Tensor], x: Tensor) -> Tensor:
    for name in ("conv1", "conv2"):
        x = F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=1)
        x = F.max_pool2d(x.relu(), 2)
    x = F.linear(x.flatten(1), state["fc1.weight"], state["fc1.bias"]).relu()
    return F.linear(x, state["fc2.weight"], state["fc2.bias"])


@pytest.mark.parametrize("widths", [(32, 64), (5, 7)])
def test_the_network_is_two_convolutions_and_two_linear_layers(
    widths: tuple[int, int],
    with_random_weights: Callable[[nn.Module], nn.Module],
    assert_same_scores: Callable[..., None],
) -> None:
    with torch.device("meta"):
        model = build_model("simple_cnn", widths=widths, hidden_features=33)
    with_random_weights(model)
    weights = model.state_dict()

    assert len(weights) == 8
    for size in ((32, 32), (33, 32)):
        assert_same_scores(model, lambda x: _written_out(weights, x), size)


def test_most_weights_are_in_the_hidden_layer_and_most_work_in_the_second_convolution() -> None:
    trace = trace_model("simple_cnn", (1, 3, 32, 32))
    layers = {call.path: (call.params, call.macs) for call in trace.calls if call.params}

    assert layers == {
        "conv1": (896, 884_736),  # 32 * (3*3*3 + 1), 32 * 3*3*3 * 32*32
        "conv2": (18_496, 4_718_592),  # 64 * (32*3*3 + 1), 64 * 32*3*3 * 16*16
        "fc1": (2_097_664, 2_097_152),  # 512 * (4096 + 1), 512 * 4096
        "fc2": (5_130, 5_120),  # 10 * (512 + 1), 10 * 512
    }
    assert (trace.params, trace.macs) == (2_122_186, 7_705_600)
