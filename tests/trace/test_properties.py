"""Laws that hold whatever the sizes are."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from explorer import build_model, get_spec, trace_model
from explorer.trace import plans, specs
from tests.trace.checks import assert_consistent
from tests.trace.nets import CASES

sizes = st.integers(1, 12)


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[nn.Conv2d, tuple[int, int, int, int]]:
    """A convolution and an input that fits."""
    groups = draw(st.integers(1, 4))
    inside, outside = (groups * draw(st.integers(1, 4)) for _ in range(2))
    kernel, stride, padding, dilation = (
        draw(st.tuples(st.integers(low, high), st.integers(low, high)))
        for low, high in ((1, 4), (1, 3), (0, 3), (1, 2))
    )
    batch, height, width = draw(st.tuples(st.integers(1, 3), st.integers(1, 20), sizes))
    for size, k, p, d in zip((height, width), kernel, padding, dilation, strict=True):
        assume(size + 2 * p >= d * (k - 1) + 1)
    layer = nn.Conv2d(
        inside, outside, kernel, stride, padding, dilation, groups, draw(st.booleans()),
        device="meta",
    )  # fmt: skip
    return layer, (batch, inside, height, width)


@settings(max_examples=150)
@given(case=convolutions())
def test_a_convolution_follows_its_formulas(
    case: tuple[nn.Conv2d, tuple[int, int, int, int]],
) -> None:
    layer, shape = case
    trace = trace_model(layer, shape)
    out = [
        (size + 2 * p - d * (k - 1) - 1) // s + 1
        for size, p, d, k, s in zip(
            shape[2:], layer.padding, layer.dilation, layer.kernel_size, layer.stride, strict=True
        )
    ]
    weights = layer.out_channels * layer.in_channels // layer.groups
    weights *= layer.kernel_size[0] * layer.kernel_size[1]
    bias = layer.out_channels if layer.bias is not None else 0
    assert trace.output_shape == (shape[0], layer.out_channels, *out)
    assert trace.params == weights + bias
    assert trace.macs == shape[0] * weights * out[0] * out[1]
    assert trace.ops[-1].bias_ops == shape[0] * bias * out[0] * out[1]
    assert_consistent(trace, layer)


@given(
    channels=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    padding=st.integers(0, 1),
    extra=st.integers(0, 2),
    size=st.integers(2, 9),
    dims=st.integers(1, 3),
)
def test_a_transposed_convolution_follows_its_formulas(
    channels: tuple[int, int], kernel: int, stride: int, padding: int, extra: int, size: int,
    dims: int,
) -> None:  # fmt: skip
    assume(extra < stride)
    kind: Any = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[dims - 1]
    out = (size - 1) * stride - 2 * padding + kernel + extra
    assume(out > 0)
    layer = kind(*channels, kernel, stride, padding, extra, device="meta")
    trace = trace_model(layer, (2, channels[0], *[size] * dims))
    assert trace.output_shape == (2, channels[1], *[out] * dims)
    # Every input element meets every weight of its channel.
    assert trace.macs == 2 * channels[0] * size**dims * channels[1] * kernel**dims


@given(groups=st.sampled_from((1, 2, 3, 4, 6, 12)), size=st.integers(3, 9))
def test_groups_divide_macs_and_weights(groups: int, size: int) -> None:
    def convolution(groups: int) -> nn.Module:
        return nn.Conv2d(12, 24, 3, groups=groups, bias=False, device="meta")

    whole = trace_model(convolution(1), (1, 12, size, size))
    parts = trace_model(convolution(groups), (1, 12, size, size))
    assert parts.macs * groups == whole.macs
    assert parts.params * groups == whole.params


# The nets whose first dimension is the batch, and whose attention does not mix it.
BATCHED = (
    "FunctionalConvolution", "FunctionalLinear", "FunctionalAttention", "MultiheadAttention",
    "TransformerEncoderLayer", "GroupedConvolution", "TransposedConvolution2d",
    "BidirectionalProjectedLSTM", "AddInPlace", "SliceAssignment", "ParameterContainers",
    "ClosureOverTheModel", "GraphModule", "UserHooks", "CallsItself", "CatchesAnException",
    "VeryWide", "SumDecides", "BooleanMask", "FastPath",
)  # fmt: skip


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", BATCHED)
@settings(max_examples=6)
@given(batch=st.integers(1, 40))
def test_a_batch_multiplies_macs_and_leaves_params(name: str, batch: int) -> None:
    case = CASES[name]
    trace = case.trace(input_shape=(batch, *case.shape[1:]))
    assert trace.macs * case.shape[0] == case.macs * batch
    assert trace.params == case.params


@settings(max_examples=12)
@given(
    name=st.sampled_from(("resnet18", "resnet50", "vgg11_bn", "alexnet", "densenet121")),
    batch=st.integers(1, 5),
    height=st.integers(64, 320),
    width=st.integers(64, 320),
)
def test_any_legal_size_gives_a_consistent_trace(
    name: str, batch: int, height: int, width: int
) -> None:
    one = trace_model(name, (1, 3, height, width))
    many = trace_model(name, (batch, 3, height, width))
    assert_consistent(many)
    assert many.output_shape == (batch, 1000)
    assert many.macs == batch * one.macs
    assert many.params == one.params
    assert [op.name for op in many.ops] == [op.name for op in one.ops]


@settings(max_examples=10)
@given(height=st.integers(32, 80), width=st.integers(32, 80), train=st.booleans())
def test_meta_shapes_are_the_real_ones(height: int, width: int, train: bool) -> None:
    class Real(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = build_model("resnet20")

        def forward(self, x: Tensor) -> Tensor:
            assert x.sum().item() is not None  # asks for a value
            return self.net(x)

    mode: Any = "train" if train else "eval"
    model = Real()
    real = trace_model(model, (2, 3, height, width), mode=mode)
    meta = trace_model(model.net, (2, 3, height, width), mode=mode)
    assert (real.device, meta.device) == ("cpu", "meta")
    assert real.macs == meta.macs
    assert [op.outputs for op in real.ops[2:]] == [op.outputs for op in meta.ops[1:]]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_what_is_remembered_does_not_change_what_is_found() -> None:
    for name in CASES:
        case = CASES[name]
        model = case.build()
        plans.forget()
        first = case.trace(model)
        assert case.trace(model) == first, name


def test_a_full_memory_is_emptied_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "PLANS_MAX", 3)
    monkeypatch.setattr(specs, "_MAX", 3)
    case = CASES["TransformerEncoderLayer"]
    expected = case.trace()
    plans.forget()  # what earlier tests left would answer everything, and nothing be added
    assert [case.trace() for _ in range(3)] == [expected] * 3
    assert len(plans.PLANS) <= 4
    assert len(specs.SPECS) <= 4


@settings(max_examples=20)
@given(depth=st.integers(1, 60))
def test_ops_and_calls_grow_linearly_with_depth(depth: int) -> None:
    net = nn.Sequential(*(nn.Sequential(nn.Conv2d(2, 2, 1), nn.ReLU()) for _ in range(depth)))
    trace = trace_model(net, (1, 2, 3, 3))
    assert len(trace.ops) == 1 + 2 * depth
    assert len(trace.calls) == 1 + 3 * depth
    assert trace.macs == depth * 2 * 2 * 9
    assert pickle.loads(pickle.dumps(trace)) == trace


def test_the_number_of_ops_does_not_depend_on_the_size() -> None:
    small, large = (trace_model("resnet50", (1, 3, s, s)) for s in (64, 4096))
    assert [op.name for op in small.ops] == [op.name for op in large.ops]
    assert large.macs > 4000 * small.macs


def test_native_sizes_give_consistent_traces() -> None:
    for name in ("lenet5", "resnet110", "vgg16", "densenet121"):
        trace = trace_model(name, get_spec(name).input_shape)
        assert_consistent(trace, build_model(name))
        assert torch.is_grad_enabled()
