"""Layers worked out by hand: every factor has its role, every sum is torch's number."""

from __future__ import annotations

from math import prod

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from explorer import get_spec, trace_model
from explorer.analysis.receipts import evaluate
from explorer.lessons.by_hand import (
    FIELDS,
    LayerError,
    SelfAttention,
    Step,
    Work,
    divisors,
    find,
    formula_latex,
    number_latex,
    own_trace,
    own_work,
    terms_latex,
    work,
    workable,
)


def defaults(kind: str, **changes: int) -> dict[str, int]:
    return {field.name: field.default for field in FIELDS[kind]} | changes


def spelled(step: Step) -> list[dict[str, tuple[int, ...]]]:
    return [{factor.role: factor.values for factor in term} for term in step.terms]


def only(worked: Work, quantity: str) -> Step:
    (step,) = [step for step in worked.steps if step.quantity == quantity]
    return step


@pytest.mark.parametrize("kind", FIELDS)
def test_every_kind_adds_up_and_says_what_every_factor_is(kind: str) -> None:
    worked = own_work(kind, defaults(kind))
    for step in worked.steps:
        assert evaluate(step.formula) == step.result
        if step.quantity != "size" and kind != "attention":
            assert step.terms
            total = sum(prod(prod(f.values) for f in term) for term in step.terms)
            assert total == step.result
    assert sum(step.result for step in worked.of("params")) == worked.params
    assert sum(step.result for step in worked.of("macs")) == worked.macs


def test_a_convolution_by_hand() -> None:
    numbers = {"in": 3, "out": 64, "kernel": 7, "stride": 2, "padding": 3, "size": 224, "bias": 1}
    worked = own_work("conv", numbers)
    assert worked.output_shape == (1, 64, 112, 112)
    assert [step.formula for step in worked.of("size")] == ["floor((224 + 2*3 - 7) / 2) + 1"] * 2
    weight = {"filters": (64,), "inputs_each": (3,), "kernel": (7, 7)}
    assert spelled(only(worked, "params")) == [weight, {"biases": (64,)}]
    assert worked.params == 9408 + 64
    assert spelled(only(worked, "macs")) == [{"pixels": (112, 112), **weight}]
    assert worked.macs == 118_013_952


def test_groups_a_transposed_and_a_depthwise_convolution_by_hand() -> None:
    grouped = own_work("grouped", defaults("grouped", bias=0))
    # 16 / 4 = 4 input channels for each of 32 filters
    assert spelled(only(grouped, "params")) == [
        {"filters": (32,), "inputs_each": (4,), "kernel": (3, 3)}
    ]
    assert (grouped.flavor, grouped.params) == ("grouped", 32 * 4 * 9)
    depthwise = own_work("depthwise", defaults("depthwise"))
    assert (depthwise.flavor, depthwise.params) == ("depthwise", 32 * 9 + 32)
    transposed = own_work("transposed", defaults("transposed"))
    assert transposed.flavor == "transposed"
    # Every input pixel uses every weight of its channel once.
    assert spelled(only(transposed, "macs")) == [
        {"input_pixels": (32, 32), "inputs": (16,), "outputs_each": (32,), "kernel": (4, 4)}
    ]


def test_attention_is_the_sum_of_its_parts() -> None:
    worked = own_work("attention", defaults("attention", tokens=5, dim=8, heads=2))
    assert [(part.key, part.kind) for part in worked.parts] == [
        ("qkv", "linear"), ("scaled_dot_product_attention", "attention"), ("proj", "linear"),
    ]  # fmt: skip
    # qkv: 8 * 24 + 24; proj: 8 * 8 + 8
    assert [part.params for part in worked.parts] == [216, 0, 72]
    # 5 * 8 * 24; 2 heads * 5 * 5 * (4 + 4); 5 * 8 * 8
    assert [part.macs for part in worked.parts] == [960, 400, 320]
    assert (worked.params, worked.macs) == (288, 1680)


def test_self_attention_is_torch_s_multihead_attention() -> None:
    ours = SelfAttention(8, 2)
    theirs = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.qkv.weight)
        theirs.in_proj_bias.copy_(ours.qkv.bias)
        theirs.out_proj.weight.copy_(ours.proj.weight)
        theirs.out_proj.bias.copy_(ours.proj.bias)
        x = torch.linspace(-1, 1, 40).view(1, 5, 8)
        assert torch.allclose(ours(x), theirs(x, x, x)[0], atol=1e-6)


def test_a_real_bottleneck_is_the_sum_of_its_parts() -> None:
    trace = trace_model("resnet50", get_spec("resnet50").input_shape)
    block = find(trace, "layer1.0")
    assert block
    worked = work(trace, block)
    assert worked.kind == "module"
    assert worked.parts[0].params_formula == "64*64*1*1"
    for column in ("params", "macs"):
        assert sum(getattr(part, column) for part in worked.parts) == getattr(worked, column)
    for part in worked.parts:
        assert evaluate(part.params_formula) == part.params
        assert evaluate(part.macs_formula) == part.macs
    assert worked.params == 75_008  # as torchvision's block has


@pytest.mark.parametrize("model", ["alexnet", "vit_b_16", "tnt_s_patch16_224", "googlenet"])
def test_everything_that_is_offered_can_be_worked(model: str) -> None:
    trace = trace_model(model, get_spec(model).input_shape)
    keys = workable(trace)
    assert len(set(keys)) == len(keys)
    for key in keys:
        row = find(trace, key)
        assert row, key
        worked = work(trace, row)
        assert worked.steps, key
        for step in worked.steps:
            assert evaluate(step.formula) == step.result
            for term in step.terms:
                assert all(factor.values for factor in term)
    assert find(trace, "no such layer") is None


@given(
    st.sampled_from(["conv", "grouped", "depthwise", "dilated", "transposed", "linear"]),
    st.integers(1, 6), st.integers(1, 6), st.integers(1, 4), st.integers(1, 3),
    st.integers(0, 2), st.integers(1, 9), st.integers(0, 1),
)  # fmt: skip
def test_counts_are_torch_s(
    kind: str, a: int, b: int, k: int, s: int, p: int, size: int, bias: int
) -> None:
    wanted = {"in": a, "out": b, "channels": a, "kernel": k, "stride": s, "padding": p,
              "size": size, "bias": bias, "groups": 1, "dilation": s, "tokens": size}  # fmt: skip
    numbers = {field.name: wanted[field.name] for field in FIELDS[kind]}
    try:
        worked = own_work(kind, numbers)
    except LayerError:
        fits = numbers.get("dilation", 1) * (k - 1) + 1 <= size + 2 * p
        kept = (size - 1) * s + k > 2 * p
        assert not (kept if kind == "transposed" else fits)
        return
    groups = a if kind == "depthwise" else 1
    out = a if kind == "depthwise" else b
    if kind == "linear":
        layer, shape = nn.Linear(a, b, bias=bool(bias)), (1, size, a)
    else:
        conv = nn.ConvTranspose2d if kind == "transposed" else nn.Conv2d
        layer = conv(a, out, k, stride=numbers.get("stride", 1), padding=p, groups=groups,
                     dilation=numbers.get("dilation", 1), bias=bool(bias))  # fmt: skip
        shape = (1, a, size, size)
    with FlopCounterMode(display=False) as counter:
        result = layer(torch.zeros(shape))
    assert worked.params == sum(p.numel() for p in layer.parameters())
    assert worked.macs == counter.get_total_flops() / 2
    assert prod(worked.output_shape) == result.numel()


@pytest.mark.parametrize(
    ("kind", "changes", "reason", "sentence"),
    [
        ("conv", {"stride": 0}, "range", "stride must be from 1 to 16; got 0."),
        ("grouped", {"groups": 3}, "divide", "3 does not divide 16; 2 does."),
        ("attention", {"heads": 7}, "divide", "7 does not divide 768; 6 does."),
        ("max_pool", {"padding": 2}, "padding", "at most 1; got 2."),
        ("conv", {"size": 1, "padding": 0}, "window", "A window of 3 does not fit into 1 pixels"),
        ("dilated", {"size": 2, "padding": 0}, "window", "A window of 5 does not fit"),
        ("transposed", {"size": 1, "padding": 2}, "window", "cuts all 4 outputs off."),
        ("patches", {"size": 8}, "window", "A window of 16 does not fit into 8 pixels"),
    ],
)
def test_numbers_that_do_not_go_together_are_a_sentence(
    kind: str, changes: dict[str, int], reason: str, sentence: str
) -> None:
    with pytest.raises(LayerError) as caught:
        own_trace(kind, defaults(kind, **changes))
    assert caught.value.reason == reason
    assert sentence in str(caught.value)


def test_formulas_become_latex() -> None:
    assert number_latex(1234567) == "1{,}234{,}567"
    assert formula_latex("floor((224 + 2*3 - 7) / 2) + 1") == (
        r"\left\lfloor \frac{224 + 2 \cdot 3 - 7}{2} \right\rfloor + 1"
    )
    assert formula_latex("ceil((7 - 3) / 2) + 1 - 1") == (
        r"\left\lceil \frac{7 - 3}{2} \right\rceil + 1 - 1"
    )
    assert formula_latex("12 * 197*197 * (64 + 64)") == (
        r"12 \cdot 197 \cdot 197 \cdot \left(64 + 64\right)"
    )
    assert formula_latex("8 - (2*(3 - 1) - 1)") == (
        r"8 - \left(2 \cdot \left(3 - 1\right) - 1\right)"
    )
    assert formula_latex("32*(16/4)*3*3") == r"32 \cdot \frac{16}{4} \cdot 3 \cdot 3"
    with pytest.raises(KeyError):
        formula_latex("2 ** 3")


def test_factors_carry_their_names() -> None:
    worked = own_work("conv", defaults("conv"))
    names = {"filters": "filters", "inputs_each": "input channels", "kernel": "kernel"}
    assert terms_latex(only(worked, "params").terms, names) == (
        r"\underbrace{32}_{\text{filters}} \cdot \underbrace{16}_{\text{input channels}} \cdot "
        r"\underbrace{3 \cdot 3}_{\text{kernel}} + 32"
    )


def test_divisors() -> None:
    assert divisors(12) == (1, 2, 3, 4, 6, 12)
