from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explorer import trace_model
from explorer.models import build_model
from explorer.models.osnet import OSBlock

State = dict[str, Tensor]


def _normalized(state: State, name: str, x: Tensor) -> Tensor:
    mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    return F.batch_norm(x, mean, var, state[f"{name}.weight"], state[f"{name}.bias"])


def _conv(state: State, name: str, x: Tensor, stride: int = 1) -> Tensor:
    weight = state[f"{name}.conv.weight"]
    x = F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)
    return _normalized(state, f"{name}.bn", x)


def _light(state: State, name: str, x: Tensor) -> Tensor:
    """Figure 3b: 1x1, then 3x3 depthwise."""
    x = F.conv2d(x, state[f"{name}.conv1.weight"])
    x = F.conv2d(x, state[f"{name}.conv2.weight"], padding=1, groups=x.shape[1])
    return _normalized(state, f"{name}.bn", x).relu()


def _gate(state: State, name: str, x: Tensor) -> Tensor:
    """Section 3.2: the weights that a stream's own mean gives its channels."""
    squeeze, excite = (state[f"{name}.{layer}.weight"] for layer in ("fc1", "fc2"))
    mean = F.adaptive_avg_pool2d(x, 1)
    hidden = F.conv2d(mean, squeeze, state[f"{name}.fc1.bias"]).relu()
    return F.conv2d(hidden, excite, state[f"{name}.fc2.bias"]).sigmoid()


def _block(state: State, name: str, x: Tensor) -> Tensor:
    """Figure 4, equation 3: y = x + the sum over t of G(x^t) * x^t, between two 1x1s."""
    reduced = _conv(state, f"{name}.conv1", x).relu()
    total = torch.zeros_like(reduced)
    for length, stream in enumerate("abcd", start=1):
        out = reduced
        for i in range(length):
            layer = f"{name}.conv2{stream}" + (f".{i}" if length > 1 else "")
            out = _light(state, layer, out)
        total += _gate(state, f"{name}.gate", out) * out
    if f"{name}.downsample.conv.weight" in state:
        x = _conv(state, f"{name}.downsample", x)
    return (x + _conv(state, f"{name}.conv3", total)).relu()


def _paper(state: State, x: Tensor) -> Tensor:
    """Table 1, as one function of the weights."""
    x = F.max_pool2d(_conv(state, "conv1", x, stride=2).relu(), 3, stride=2, padding=1)
    for stage in ("conv2", "conv3", "conv4"):
        x = _block(state, f"{stage}.1", _block(state, f"{stage}.0", x))
        if stage != "conv4":
            x = F.avg_pool2d(_conv(state, f"{stage}.2.0", x).relu(), 2)
    x = F.adaptive_avg_pool2d(_conv(state, "conv5", x).relu(), 1).flatten(1)
    x = F.linear(x, state["fc.0.weight"], state["fc.0.bias"])
    x = _normalized(state, "fc.1", x).relu()
    return F.linear(x, state["classifier.weight"], state["classifier.bias"])


@pytest.mark.parametrize("name", ["osnet_x1_0", "osnet_x0_75", "osnet_x0_5", "osnet_x0_25"])
def test_the_network_is_the_paper_s(
    name: str,
    with_random_weights: Callable[[nn.Module], nn.Module],
    assert_same_scores: Callable[..., None],
) -> None:
    with torch.device("meta"):
        model = build_model(name)
    weights = with_random_weights(model).state_dict()

    for size in ((64, 32), (64, 80)):
        assert_same_scores(model, lambda x: _paper(weights, x), size)


def test_all_streams_share_one_gate_counted_once_in_params_and_four_times_in_macs() -> None:
    trace = trace_model("osnet_x1_0", (1, 3, 256, 128))
    calls = [call for call in trace.calls if call.path == "conv2.0.gate.fc2"]

    assert [call.macs for call in calls] == [4 * 64] * 4
    assert [call.params for call in calls] == [4 * 64 + 64, 0, 0, 0]


def test_streams_see_3_5_7_and_9_pixels_across() -> None:
    block = OSBlock(64, 64, streams=4).eval()
    for parameter in block.parameters():
        nn.init.ones_(parameter)
    x = torch.zeros(1, 16, 15, 15)
    x[..., 7, 7] = 1

    with torch.inference_mode():
        for across, letter in zip((3, 5, 7, 9), "abcd", strict=True):
            stream = block.get_submodule(f"conv2{letter}")
            # what changes when the middle pixel does
            changed = (stream(x) - stream(torch.zeros_like(x))).abs().sum(dim=(0, 1)) > 0
            assert changed.any(dim=0).sum() == changed.any(dim=1).sum() == across


@pytest.mark.parametrize("streams", [1, 2, 3, 4])
def test_fewer_streams_leave_out_the_widest(streams: int) -> None:
    with torch.device("meta"):
        model = build_model("osnet_x1_0", streams=streams)
    names = [name for name, _ in model.conv2[0].named_children() if name.startswith("conv2")]

    assert names == ["conv2a", "conv2b", "conv2c", "conv2d"][:streams]
    assert model(torch.empty(1, 3, 64, 32, device="meta")).shape == (1, 1000)


def test_without_a_classifier_the_model_returns_the_features_that_people_are_compared_by() -> None:
    torch.manual_seed(0)
    model, features = build_model("osnet_x0_25"), build_model("osnet_x0_25", classifier=False)
    features.load_state_dict(
        {k: v for k, v in model.state_dict().items() if not k.startswith("classifier")}
    )
    x = torch.rand(2, 3, 64, 32)

    with torch.inference_mode():
        assert features(x).shape == (2, 512)
        torch.testing.assert_close(model.classifier(features(x)), model(x))
