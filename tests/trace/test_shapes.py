"""Every shape rule against torch's own kernel on the meta device, on legal and illegal operands.

A rule either gives what torch gives, in shape, strides and element type, or is silent; where
torch raises, it is silent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from explorer.trace.live import tensors_in
from explorer.trace.ops import op_of
from explorer.trace.shapes import RULES, canonical_strides

DTYPES = (torch.float32, torch.float32, torch.float32, torch.float16, torch.float64, torch.int64)
LAYOUTS = ("plain", "plain", "plain", "transposed", "channels last", "expanded", "sliced", "padded")


class Checked(TorchDispatchMode):
    """Compares a rule's answer with the kernel's for every op that has a rule.

    Attributes:
        answered: names of ops that a rule has answered for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.answered: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        op = op_of(func)
        on_meta = all(tensor.is_meta for tensor in tensors_in((args, kwargs)))
        answer = op.shape_rule(args, kwargs) if op.shape_rule and on_meta else None
        if answer is None:
            return func(*args, **kwargs)
        try:
            expected = func(*args, **kwargs)
        except Exception as error:
            raise AssertionError(f"{op.name} answers where torch raises") from error
        assert (answer.shape, answer.stride()) == (expected.shape, expected.stride()), op.name
        assert answer.dtype == expected.dtype, op.name
        assert answer.device == expected.device, op.name
        assert (answer is args[0]) == (expected is args[0]), op.name
        self.answered.add(op.name)
        return expected


def answered(function: Callable[..., Any], *args: Any, **kwargs: Any) -> set[str]:
    """Names of the ops that rules answered for in a call, which may raise."""
    with torch.inference_mode(), Checked() as checked:
        try:
            function(*args, **kwargs)
        except AssertionError:
            raise
        except Exception:  # an illegal call: the rules were silent, which is all we ask
            return set()
    return checked.answered


def laid_out(shape: tuple[int, ...], dtype: torch.dtype, layout: str) -> Tensor:
    """A meta tensor of this shape in some memory layout that it can have."""
    x = torch.empty(shape, dtype=dtype, device="meta")
    if layout == "transposed" and len(shape) > 1:
        return torch.empty((*shape[:-2], shape[-1], shape[-2]), dtype=dtype, device="meta").mT
    if layout == "channels last" and len(shape) == 4:
        return x.contiguous(memory_format=torch.channels_last)
    if layout == "expanded" and shape:
        return torch.empty((1, *shape[1:]), dtype=dtype, device="meta").expand(shape)
    if layout == "sliced" and shape:
        return torch.empty((*shape[:-1], shape[-1] + 1), dtype=dtype, device="meta")[..., 1:]
    if layout == "padded":  # contiguous, but strides of sizes 1 that no allocation has
        strides = [7 if size == 1 else step for size, step in zip(shape, x.stride(), strict=True)]
        return torch.empty_strided(shape, strides, dtype=dtype, device="meta")
    return x


def tensors(shapes: st.SearchStrategy[Any] | None = None) -> st.SearchStrategy[Tensor]:
    if shapes is None:
        shapes = st.lists(st.integers(0, 4), max_size=5).map(tuple)
    return st.builds(laid_out, shapes, st.sampled_from(DTYPES), st.sampled_from(LAYOUTS))


def images() -> st.SearchStrategy[Tensor]:
    sizes = st.tuples(st.integers(0, 3), st.integers(0, 6), st.integers(0, 7), st.integers(0, 7))
    return tensors(sizes)


def of_shape(*shape: int) -> Tensor:
    return torch.empty(shape, device="meta")


# ------------------------------------------------------------------ on any operands

UNARY: dict[str, Callable[[Tensor], Any]] = {
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu tanh": lambda x: F.gelu(x, approximate="tanh"),
    "hardswish": F.hardswish,
    "hardsigmoid": F.hardsigmoid,
    "hardtanh": F.hardtanh,
    "hardtanh reversed": lambda x: torch._C._nn.hardtanh(x, 2.0, 1.0),
    "relu6": F.relu6,
    "elu": F.elu,
    "selu": F.selu,
    "leaky_relu": F.leaky_relu,
    "mish": F.mish,
    "softplus": F.softplus,
    "log_sigmoid": F.logsigmoid,
    "exp": torch.exp,
    "sqrt": torch.sqrt,
    "rsqrt": torch.rsqrt,
    "abs": torch.abs,
    "neg": torch.neg,
    "relu_": torch.relu_,
    "silu_": lambda x: F.silu(x, inplace=True),
    "hardswish_": lambda x: F.hardswish(x, inplace=True),
    "hardsigmoid_": lambda x: F.hardsigmoid(x, inplace=True),
    "hardtanh_": lambda x: F.hardtanh(x, inplace=True),
    "relu6_": lambda x: F.relu6(x, inplace=True),
    "elu_": lambda x: F.elu(x, inplace=True),
    "selu_": lambda x: F.selu(x, inplace=True),
    "leaky_relu_": lambda x: F.leaky_relu(x, inplace=True),
    "mish_": lambda x: F.mish(x, inplace=True),
    "sigmoid_": torch.sigmoid_,
    "tanh_": torch.tanh_,
    "gelu_": lambda x: torch.ops.aten.gelu_(x),
    "softmax 0": lambda x: torch.softmax(x, 0),
    "softmax -1": lambda x: torch.softmax(x, -1),
    "softmax 4": lambda x: torch.softmax(x, 4),
    "softmax typed": lambda x: torch.softmax(x, 0, dtype=torch.float64),
    "log_softmax": lambda x: torch.log_softmax(x, 1),
    "dropout": lambda x: torch.dropout(x, 0.5, True),
    "dropout eval": lambda x: torch.dropout(x, 0.5, False),
    "dropout all": lambda x: torch.dropout(x, 1.0, True),
    "dropout too much": lambda x: torch.dropout(x, 1.5, True),
    "feature_dropout": lambda x: torch.feature_dropout(x, 0.5, True),
    "alpha_dropout": lambda x: torch.alpha_dropout(x, 0.5, True),
    "alpha_dropout eval": lambda x: torch.alpha_dropout(x, -0.5, False),
    "number +": lambda x: x + 1,
    "number *": lambda x: x * 2.5,
    "number * imaginary": lambda x: x * 1j,
    "number -": lambda x: x - True,
    "number /": lambda x: x / 3,
    "number / rounded": lambda x: torch.div(x, 3, rounding_mode="floor"),
    "add_ number": lambda x: x.add_(1, alpha=2),
    "add_ fraction": lambda x: x.add_(1.5),
    "mul_ number": lambda x: x.mul_(1.5),
    "mul_ imaginary": lambda x: x.mul_(1j),
    "div_ number": lambda x: x.div_(2),
    "sub_ truth": lambda x: x.sub_(True),
}


@pytest.mark.parametrize("name", UNARY)
@given(x=tensors())
def test_functions_of_one_tensor(name: str, x: Tensor) -> None:
    answered(UNARY[name], x)


BINARY: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "add": torch.add,
    "add scaled": lambda x, y: torch.add(x, y, alpha=2),
    "mul": torch.mul,
    "sub": torch.sub,
    "div": torch.div,
    "div rounded": lambda x, y: torch.div(x, y, rounding_mode="trunc"),
    "add_": lambda x, y: x.add_(y),
    "add_ scaled": lambda x, y: x.add_(y, alpha=0.5),
    "mul_": lambda x, y: x.mul_(y),
    "sub_": lambda x, y: x.sub_(y),
    "div_": lambda x, y: x.div_(y),
    "cat 0": lambda x, y: torch.cat([x, y]),
    "cat 1": lambda x, y: torch.cat([x, y, x], 1),
    "cat -3": lambda x, y: torch.cat([x, y], -3),
    "linear": F.linear,
    "layer_norm": lambda x, y: F.layer_norm(x, y.shape),
    "layer_norm weighted": lambda x, y: F.layer_norm(x, y.shape, y, y),
}


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    """Two tensors whose shapes have a fair chance to go together."""
    x = draw(tensors())
    shape = list(x.shape)
    change = draw(st.sampled_from(("same", "one", "both", "tail", "head", "other", "last")))
    if change in ("one", "both") and shape:
        shape[draw(st.integers(0, len(shape) - 1))] = 1
        if change == "both":  # each is broadcast in its own dimension
            mine = list(x.shape)
            mine[draw(st.integers(0, len(shape) - 1))] = 1
            x = laid_out(tuple(mine), x.dtype, draw(st.sampled_from(LAYOUTS)))
    elif change == "tail":
        shape = shape[draw(st.integers(0, len(shape))) :]
    elif change == "head":
        shape = [draw(st.integers(1, 3)), *shape]
    elif change == "last" and shape:
        shape = [draw(st.integers(1, 4)), shape[-1]]
    elif change == "other":
        shape = list(draw(st.lists(st.integers(0, 4), max_size=4)))
    dtype = x.dtype if draw(st.booleans()) else draw(st.sampled_from(DTYPES))
    return x, laid_out(tuple(shape), dtype, draw(st.sampled_from(LAYOUTS)))


@pytest.mark.parametrize("name", BINARY)
@given(pair=pairs())
def test_functions_of_two_tensors(name: str, pair: tuple[Tensor, Tensor]) -> None:
    answered(BINARY[name], *pair)


def test_nothing_to_concatenate_is_left_to_torch() -> None:
    assert answered(torch.cat, []) == set()


@st.composite
def normalizations(draw: st.DrawFn) -> tuple[Tensor, list[Tensor | None]]:
    """An input and four vectors, each of the right length, a wrong one, or missing."""
    x = draw(tensors(st.lists(st.integers(0, 4), max_size=4).map(tuple)))
    channels = x.shape[1] if x.dim() > 1 else 3
    vectors: list[Tensor | None] = []
    for _ in range(4):
        kind = draw(st.sampled_from(("right", "right", "right", "missing", "long", "typed", "2d")))
        if kind == "missing":
            vectors.append(None)
        else:
            size = (channels + (kind == "long"),) if kind != "2d" else (channels, 1)
            dtype = torch.float64 if kind == "typed" else x.dtype
            vectors.append(torch.empty(size, dtype=dtype, device="meta"))
    return x, vectors


@settings(max_examples=200)
@given(case=normalizations(), training=st.booleans())
def test_batch_norm(case: tuple[Tensor, list[Tensor | None]], training: bool) -> None:
    x, (weight, bias, mean, variance) = case
    answered(torch.batch_norm, x, weight, bias, mean, variance, training, 0.1, 1e-5, False)


@settings(max_examples=200)
@given(case=normalizations(), groups=st.integers(-1, 4))
def test_group_norm(case: tuple[Tensor, list[Tensor | None]], groups: int) -> None:
    x, (weight, bias, _, _) = case
    answered(torch.group_norm, x, groups, weight, bias, 1e-5, False)


@settings(max_examples=200)
@given(
    x=tensors(),
    weight=tensors(st.lists(st.integers(0, 4), max_size=3).map(tuple)),
    bias=st.none() | tensors(st.lists(st.integers(0, 4), max_size=2).map(tuple)),
    fit=st.booleans(),
)
def test_linear(x: Tensor, weight: Tensor, bias: Tensor | None, fit: bool) -> None:
    if fit and x.dim():  # operands that go together
        weight = torch.empty(3, x.shape[-1], dtype=x.dtype, device="meta")
        bias = None if bias is None else torch.empty(3, dtype=bias.dtype, device="meta")
    answered(F.linear, x, weight, bias)


AXES = st.integers(0, 3) | st.tuples(st.integers(-1, 3), st.integers(0, 3))


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[Any, ...]:
    """Arguments of conv2d, half of the time such that the channels go together."""
    x = draw(images())
    groups = draw(st.sampled_from((1, 1, 1, 2, 3, 0, -1)))
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    filters = draw(st.integers(0, 3)) * max(groups, 1)
    shape: tuple[int, ...] = (filters, max(x.shape[1] // max(groups, 1), 0), *kernel)
    if draw(st.integers(0, 3)) == 0:
        shape = draw(st.lists(st.integers(0, 3), min_size=1, max_size=5).map(tuple))
    dtype = x.dtype if draw(st.integers(0, 5)) else draw(st.sampled_from(DTYPES))
    weight = laid_out(shape, dtype, draw(st.sampled_from(LAYOUTS)))
    size = filters if draw(st.integers(0, 3)) else filters + 1
    bias = torch.empty(size, dtype=x.dtype, device="meta") if draw(st.booleans()) else None
    padding: Any = draw(AXES | st.sampled_from(("same", "valid")))
    stride = draw(st.just(1) | AXES)
    return x, weight, bias, stride, padding, draw(st.just(1) | AXES), groups


@settings(max_examples=400)
@given(arguments=convolutions())
def test_conv2d(arguments: tuple[Any, ...]) -> None:
    answered(F.conv2d, *arguments)


@st.composite
def poolings(draw: st.DrawFn) -> tuple[Any, ...]:
    """An image, a kernel, a stride that may be left out, and a padding."""
    window = st.integers(-1, 4) | st.tuples(st.integers(0, 4), st.integers(0, 4))
    return draw(images()), draw(window), draw(st.none() | window), draw(st.just(0) | window)


@settings(max_examples=200)
@given(
    arguments=poolings(),
    extra=st.sampled_from(
        ({}, {"ceil_mode": True}, {"count_include_pad": False}, {"divisor_override": 2})
    ),
)
def test_average_pooling(arguments: tuple[Any, ...], extra: dict[str, Any]) -> None:
    answered(F.avg_pool2d, *arguments)
    answered(F.avg_pool2d, *arguments, **extra)


@settings(max_examples=200)
@given(
    arguments=poolings(),
    dilation=AXES,
    extra=st.sampled_from(({"ceil_mode": True}, {"return_indices": True})),
)
def test_maximum_pooling(arguments: tuple[Any, ...], dilation: Any, extra: dict[str, Any]) -> None:
    answered(F.max_pool2d, *arguments)
    answered(F.max_pool2d, *arguments, dilation)
    answered(F.max_pool2d, *arguments, **extra)


@given(x=images(), size=st.integers(-1, 3) | st.tuples(st.integers(0, 3), st.integers(0, 8)))
def test_adaptive_pooling(x: Tensor, size: Any) -> None:
    answered(F.adaptive_avg_pool2d, x, size)


# ------------------------------------------------------------------ the rules do speak

USUAL: dict[str, Callable[[], Any]] = {
    **{
        name: lambda name=name: UNARY[name](of_shape(2, 4, 5, 5))
        for name in UNARY
        if name in RULES
    },
    **{name: lambda name=name: BINARY[name](of_shape(2, 4), of_shape(2, 4))
       for name in ("add", "mul", "sub", "div", "add_", "mul_", "sub_", "div_")},
    "softmax": lambda: torch.softmax(of_shape(2, 4), -1),
    "log_softmax": lambda: torch.log_softmax(of_shape(2, 4), -1),
    "batch_norm": lambda: F.batch_norm(of_shape(2, 4, 5, 5), of_shape(4), of_shape(4)),
    "layer_norm": lambda: F.layer_norm(of_shape(2, 4), (4,), of_shape(4), of_shape(4)),
    "group_norm": lambda: F.group_norm(of_shape(2, 4, 5, 5), 2, of_shape(4), of_shape(4)),
    "cat": lambda: torch.cat([of_shape(2, 4, 5, 5), of_shape(2, 3, 5, 5)], 1),
    "adaptive_avg_pool2d": lambda: F.adaptive_avg_pool2d(of_shape(2, 4, 5, 5), 1),
    "avg_pool2d": lambda: F.avg_pool2d(of_shape(2, 4, 5, 5), 2),
    "max_pool2d": lambda: F.max_pool2d(of_shape(2, 4, 5, 5), 3, 2, 1),
    "linear": lambda: F.linear(of_shape(2, 5, 4), of_shape(3, 4), of_shape(3)),
    "conv2d": lambda: F.conv2d(of_shape(1, 4, 5, 5), of_shape(2, 4, 3, 3), of_shape(2)),
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_every_rule_answers_the_usual_call(name: str) -> None:
    assert answered(USUAL[name]) == {name}


@given(shape=st.lists(st.integers(0, 4), max_size=5).map(tuple))
def test_canonical_strides_are_those_of_a_new_tensor(shape: tuple[int, ...]) -> None:
    assert canonical_strides(shape) == torch.empty(shape, device="meta").stride()
