"""One backward pass, against numpy, finite differences and hand-made networks."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from explorer.errors import OptionError, TraceError
from explorer.lessons.arms import ARMS
from explorer.lessons.digits import digits
from explorer.lessons.gradients import (
    autocorrelation,
    flow_of,
    fresh_model,
    gradient_flow,
    shattering,
)

TINY = {"depths": (1, 1, 1), "in_channels": 1}


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def test_a_chain_of_linear_layers_has_the_gradients_of_the_closed_form() -> None:
    draw = np.random.default_rng(0)
    sizes, count = (7, 6, 5, 4), 9
    weights = [draw.normal(size=(b, a)) for a, b in pairwise(sizes)]
    x, labels = draw.normal(size=(count, sizes[0])), draw.integers(0, sizes[-1], count)
    net = nn.Sequential(*(nn.Linear(*w.shape[::-1], bias=False).double() for w in weights))
    for layer, w in zip(net, weights, strict=True):
        layer.weight.data = torch.from_numpy(w)

    flow = flow_of("chain", net, torch.from_numpy(x), torch.from_numpy(labels))

    outputs = [x]
    for w in weights:
        outputs.append(outputs[-1] @ w.T)
    scores = np.exp(outputs[-1]) / np.exp(outputs[-1]).sum(1, keepdims=True)
    assert flow.loss == pytest.approx(-np.log(scores[np.arange(count), labels]).mean())
    delta = (scores - np.eye(sizes[-1])[labels]) / count  # of the loss by the last output
    for at in (2, 1, 0):
        layer = flow.layers[at]
        assert layer.output_grad_rms == pytest.approx(rms(delta))
        assert layer.weight_grad_norm == pytest.approx(np.linalg.norm(delta.T @ outputs[at]))
        assert layer.weight_norm == pytest.approx(np.linalg.norm(weights[at]))
        assert layer.output_rms == pytest.approx(rms(outputs[at + 1]))
        assert layer.output_std == pytest.approx(outputs[at + 1].std())
        delta = delta @ weights[at]
    assert [layer.key for layer in flow.layers] == ["0", "1", "2"]


@pytest.mark.parametrize("options", [{}, {"norm": "none"}, {"preactivation": True}])
def test_a_weight_s_gradient_is_the_slope_of_the_loss_along_it(options: dict[str, object]) -> None:
    generator = torch.Generator().manual_seed(0)
    model = fresh_model("resnet20", {**TINY, **options}, "he", generator).double()
    images, labels = digits().images[:12].double(), digits().labels[:12]
    flow = flow_of("tiny", model, images, labels)

    for layer in flow.layers:
        weight = model.get_parameter(f"{layer.key}.weight")
        direction = weight.grad / weight.grad.norm()
        step = 1e-6
        losses = []
        with torch.no_grad():
            for sign in (1, -1):
                weight += sign * step * direction
                losses.append(F.cross_entropy(model(images), labels).item())
                weight -= sign * step * direction
        slope = (losses[0] - losses[1]) / (2 * step)
        assert layer.weight_grad_norm == pytest.approx(slope, rel=1e-4), layer.key


def test_an_output_is_looked_at_before_a_relu_in_place_changes_it() -> None:
    conv, x = nn.Conv2d(1, 3, 1), torch.tensor([[[[-1.0, 2.0]]], [[[3.0, -4.0]]]])
    nn.init.ones_(conv.weight)
    conv.bias.data = torch.tensor([0.0, 1.0, -100.0])
    net = nn.Sequential(conv, nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(6, 2))
    first, last = flow_of("net", net, x, torch.tensor([0, 1])).layers
    outputs = np.array([-1, 2, 3, -4])[:, None] + np.array([0, 1, -100])
    assert first.output_rms == pytest.approx(rms(outputs))
    assert first.output_std == pytest.approx(outputs.std())
    # Of 12 values two, two and none are above 0; the third channel never is. -1 + 1 is 0.
    assert first.zeros == pytest.approx(1 - 4 / 12)
    assert first.dead == pytest.approx(1 / 3)
    assert (last.zeros, last.dead) == (None, None)
    # The loss by the convolution's output is 0 where the ReLU was.
    scores = net(x)
    (gradient,) = torch.autograd.grad(F.cross_entropy(scores, torch.tensor([0, 1])), scores)
    behind = (gradient @ net[3].weight).reshape(2, 3, 1, 2).detach().numpy()
    behind = behind * (outputs.reshape(2, 2, 3).transpose(0, 2, 1)[:, :, None] > 0)
    assert first.output_grad_rms == pytest.approx(rms(behind), rel=1e-5)


def test_layers_come_in_the_order_in_which_they_run() -> None:
    flow = gradient_flow("resnet20", TINY, size=(8, 8), batch=4)
    keys = [layer.key for layer in flow.layers]
    assert keys == [
        "conv1", *(f"layer{s}.0.conv{c}" for s in (1, 2, 3) for c in (1, 2)), "fc"
    ]  # fmt: skip
    assert [layer.kind for layer in flow.layers] == ["convolution"] * 7 + ["linear"]
    assert flow.params == sum(p.numel() for p in fresh(TINY).parameters())


def fresh(options: dict[str, object]) -> nn.Module:
    return fresh_model("resnet20", options, "he", torch.Generator().manual_seed(0))


def test_closed_blocks_get_no_gradient_but_the_first_convolution_does() -> None:
    flow = gradient_flow("resnet20", {"in_channels": 1}, size=(8, 8), batch=8, zero_gamma=True)
    inside = [layer for layer in flow.layers if layer.key.startswith("layer")]
    assert len(inside) == 18
    assert not any(layer.weight_grad_norm for layer in inside)
    assert flow.layers[0].weight_grad_norm > 0.01
    assert flow.layers[-1].weight_grad_norm > 0.01


def test_a_gradient_too_small_to_square_in_float32_is_not_0() -> None:
    flow = gradient_flow("plain56", {"norm": "none", "in_channels": 1}, init="torch", size=(8, 8),
                         batch=4)  # fmt: skip
    # 54 convolutions with a factor of sqrt(1/6) each.
    assert -26 < math.log10(flow.layers[0].weight_grad_norm) < -18


@pytest.mark.parametrize(
    ("name", "size"),
    [("lenet5", None), ("squeezenet1_1", (64, 64)), ("mobilenet_v2", (32, 32)),
     ("densenet121", (32, 32)), ("googlenet", (64, 64)), ("deit_tiny_patch16_224", (32, 32)),
     ("convnext_tiny", (32, 32)), ("osnet_x0_25", (64, 32))],
)  # fmt: skip
def test_any_model_of_moderate_size_can_be_looked_at(name: str, size: tuple[int, int]) -> None:
    flow = gradient_flow(name, size=size, batch=2, data="noise")
    assert math.isfinite(flow.loss)
    assert all(math.isfinite(layer.weight_grad_norm) for layer in flow.layers)
    assert flow.layers[0].weight_grad_norm > 0


@pytest.mark.parametrize(
    ("name", "more", "said"),
    [("vgg16", {"size": (32, 32), "batch": 2}, "138 million parameters, more than the 40"),
     ("resnet50", {"batch": 32}, "billion MACs, more than the 12")],
)  # fmt: skip
def test_what_would_take_too_long_is_refused_before_it_starts(name, more, said) -> None:
    with pytest.raises(TraceError, match=said):
        gradient_flow(name, **more)


@pytest.mark.parametrize(
    ("more", "said"),
    [({"batch": 1}, "batch=1 should be 2 or more"), ({"data": "cats"}, "'digits' or 'noise'"),
     ({"options": {"norm": "layer"}}, "norm='layer' should be one of"),
     ({"init": "lecun"}, "init='lecun' should be one of")],
)  # fmt: skip
def test_what_cannot_be_is_one_sentence(more, said) -> None:
    with pytest.raises(OptionError, match=said):
        gradient_flow("plain20", size=(8, 8), **more)


def test_many_at_once_give_what_each_gives_alone() -> None:
    def flow(name: str):
        return gradient_flow(name, size=(8, 8), batch=4)

    names = ["plain20", "resnet20"] * 3
    alone = {name: flow(name) for name in set(names)}
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(flow, names)) == [alone[name] for name in names]


# ----------------------------------------------------------------- shattering


def test_the_correlation_is_the_textbook_s() -> None:
    values = np.random.default_rng(0).normal(size=50).cumsum()
    centered = values - values.mean()
    full = np.correlate(centered, centered, "full")[49:]
    np.testing.assert_allclose(autocorrelation(values, 8), full[:8] / full[0])
    np.testing.assert_array_equal(autocorrelation(np.ones(9), 3), [1, 0, 0])


def test_the_gradient_is_the_slope_of_the_score_along_the_path() -> None:
    options = {"norm": "none"}  # without normalization no point of the batch knows another
    found = shattering("resnet20", options, points=9, lags=3, draws=1)
    model = fresh_model(
        "resnet20", {**options, "in_channels": 1}, "he", torch.Generator().manual_seed(0)
    ).double()
    first, second = digits().images[:2].double()
    places = torch.linspace(0, 0.25, 9).double()
    slopes = []
    with torch.no_grad():
        for at in places:
            ends = [first + (at + h) * (second - first) for h in (1e-6, -1e-6)]
            high, low = model(torch.stack(ends))[:, 0]
            slopes.append((high - low).item() / 2e-6)
    slopes = np.array(slopes)
    np.testing.assert_allclose(found.gradient, slopes / rms(slopes), atol=0.02)


@pytest.mark.slow
def test_what_the_lesson_says_of_its_networks_holds() -> None:
    near = {}
    for code in ("plain20", "plain56", "resnet20", "resnet56", "plain56.none", "resnet56.pre"):
        arm = ARMS[code]
        found = shattering(arm.model, dict(arm.options), init=arm.init)
        near[code] = found.correlation[1]
    assert near["plain56"] < 0.2 < near["plain20"] < near["resnet56"] < near["resnet20"]
    assert near["plain56.none"] > near["resnet56"] > near["resnet56.pre"]
