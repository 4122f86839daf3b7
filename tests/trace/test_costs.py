"""What an op costs, each number by hand: MACs, additions of a bias, and all other arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explorer import trace_model
from explorer.trace.costs import KIND_OF, kind_of
from explorer.trace.ops import op_of
from explorer.trace.records import KINDS, OpRecord


class _Call(nn.Module):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> Any:
        return self.function(*inputs)


def op(function: Callable[..., Any], *shapes: tuple[int, ...], mode: Any = "eval") -> OpRecord:
    """The last op of a function of inputs of these shapes."""
    return trace_model(_Call(function), shapes, mode=mode).ops[-1]


def cost(
    function: Callable[..., Any], *shapes: tuple[int, ...], mode: Any = "eval"
) -> tuple[int, int, int]:
    record = op(function, *shapes, mode=mode)
    return record.macs, record.bias_ops, record.elementwise_ops


# (function, shapes of its operands, (MACs, bias additions, other operations))
PRODUCTS: dict[str, tuple[Callable[..., Any], list[tuple[int, ...]], tuple[int, int, int]]] = {
    # out 2*6*3*3 = 108, each of 4*3*3 = 36 products; a bias on each.
    "conv2d": (
        lambda x, w, b: F.conv2d(x, w, b),
        [(2, 4, 5, 5), (6, 4, 3, 3), (6,)],
        (108 * 36, 108, 0),
    ),
    # Three groups: out 6*9 = 54, each of (3/3)*9 products.
    "conv2d in groups": (
        lambda x, w: F.conv2d(x, w, groups=3),
        [(1, 3, 5, 5), (6, 1, 3, 3)],
        (54 * 9, 0, 0),
    ),
    # in 4*25 = 100, each meets 3*2*2 = 12 weights; out 3 * 10*10.
    "conv_transpose2d": (
        lambda x, w, b: F.conv_transpose2d(x, w, b, stride=2),
        [(1, 4, 5, 5), (4, 3, 2, 2), (3,)],
        (100 * 12, 300, 0),
    ),
    # 2*5 tokens, 3 outputs of 4 features.
    "linear": (
        lambda x, w, b: F.linear(x, w, b),
        [(2, 5, 4), (3, 4), (3,)],
        (2 * 5 * 3 * 4, 30, 0),
    ),
    "addmm": (lambda b, x, w: torch.addmm(b, x, w), [(3,), (2, 4), (4, 3)], (24, 6, 0)),
    "addbmm": (
        lambda c, a, b: torch.addbmm(c, a, b),
        [(2, 4), (5, 2, 3), (5, 3, 4)],
        (5 * 2 * 3 * 4, 8, 0),
    ),
    "baddbmm": (
        lambda c, a, b: torch.baddbmm(c, a, b),
        [(5, 2, 4), (5, 2, 3), (5, 3, 4)],
        (5 * 2 * 3 * 4, 40, 0),
    ),
    # The two batch dimensions are broadcast: 5 * 6 products of 2x3 @ 3x4.
    "matmul": (
        lambda a, b: a @ b, [(5, 1, 2, 3), (6, 3, 4)], (5 * 6 * 2 * 3 * 4, 0, 0),
    ),
    "outer": (lambda a, b: torch.outer(a, b), [(3,), (4,)], (12, 0, 0)),
    # For each of 2 rows and 3 outputs: x1 W is 4*5 products, times x2 another 5.
    "bilinear": (
        lambda a, b, w: F.bilinear(a, b, w), [(2, 4), (2, 5), (3, 4, 5)], (6 * (20 + 5), 0, 0),
    ),
    # Three operands: ij,jk first (2*3*4), then (2,4) @ (4,5).
    "einsum": (
        lambda a, b, c: torch.einsum("ij,jk,kl->il", a, b, c),
        [(2, 3), (3, 4), (4, 5)],
        (24 + 40, 0, 0),
    ),
    # Between 4 and 6 points of 3 coordinates: their product, for each pair.
    "cdist": (lambda a, b: torch.cdist(a, b), [(4, 3), (6, 3)], (72, 0, 0)),
    # 2 heads, L=3, S=5, E=4, Ev=6: 30 scores of 4 products, then 6 of each; and for each score
    # a scaling and the softmax's five.
    "attention": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v),
        [(1, 2, 3, 4), (1, 2, 5, 4), (1, 2, 5, 6)],
        (30 * 10, 0, 30 * 6),
    ),
    # A query for all in the batch of keys: the batch is 2 all the same.
    "attention broadcast": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v),
        [(1, 3, 4), (2, 5, 4), (2, 5, 4)],
        (2 * 15 * 8, 0, 2 * 15 * 6),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_cost_macs(name: str) -> None:
    function, shapes, expected = PRODUCTS[name]
    assert cost(function, *shapes) == expected


IMAGE = (2, 4, 6, 6)  # 288 elements
OTHERS: dict[str, tuple[Callable[[Tensor], Any], int]] = {
    "an activation, one per element": (F.relu, 288),
    "a complicated activation, also one": (F.gelu, 288),
    "the same in place": (lambda x: F.relu_(x), 288),
    "an addition": (lambda x: x + x, 288),
    "a broadcast addition, by its output": (lambda x: x + x[:, :, :1, :1], 288),
    "a comparison": (lambda x: x > 0, 288),
    "a softmax, five": (lambda x: x.softmax(1), 5 * 288),
    "a norm, seven": (lambda x: F.layer_norm(x, (6,)), 7 * 288),
    "a group norm, seven": (lambda x: F.group_norm(x, 2), 7 * 288),
    "an instance norm, seven": (F.instance_norm, 7 * 288),
    "a mean, one per input element": (lambda x: x.mean((2, 3)), 288),
    "adaptive pooling, one per input element": (lambda x: F.adaptive_avg_pool2d(x, 2), 288),
    # out 2*4*3*3 = 72, windows of 2x2.
    "pooling, its window for each output": (lambda x: F.max_pool2d(x, 2), 72 * 4),
    "average pooling": (lambda x: F.avg_pool2d(x, 2), 72 * 4),
    # out 2*4*2*2 = 32, windows of 3x2.
    "pooling with indices": (
        lambda x: F.max_pool2d(x, (3, 2), (3, 3), return_indices=True), 32 * 6,
    ),
    "bilinear upsampling, seven per output": (
        lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), 7 * 4 * 288,
    ),
    "nearest upsampling, none": (lambda x: F.interpolate(x, scale_factor=2), 0),
    "padding, none": (lambda x: F.pad(x, (1, 1)), 0),
    "concatenation, none": (lambda x: torch.cat([x, x], 1), 0),
    "a view, none": (lambda x: x.flatten(1), 0),
    "a copy, none": (lambda x: x.permute(0, 2, 3, 1).contiguous(), 0),
    "indexing, none": (lambda x: x[:, torch.tensor([1, 2])], 0),
    "dropout in eval mode, none": (lambda x: torch.dropout(x, 0.5, False), 0),
    "dropout in train mode, mask and scale": (lambda x: torch.dropout(x, 0.5, True), 2 * 288),
    "a composite without products": (lambda x: torch.kron(x, x[0, 0]), 288 * 36),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_other_arithmetic_costs_operations_and_no_macs(name: str) -> None:
    function, expected = OTHERS[name]
    assert cost(function, IMAGE) == (0, 0, expected)


def test_batch_norm_costs_two_in_eval_mode_and_seven_in_train_mode() -> None:
    norm = nn.BatchNorm2d(4)
    assert trace_model(norm, IMAGE).ops[-1].elementwise_ops == 2 * 288
    assert trace_model(norm, IMAGE, mode="train").ops[-1].elementwise_ops == 7 * 288


def test_a_recurrent_layer_costs_its_matrices_at_every_step() -> None:
    # 4 gates: 20 rows of 3 and of 5; 6 steps of 2 sequences; biases 20 + 20 a step.
    record = trace_model(nn.LSTM(3, 5), (6, 2, 3)).ops[-1]
    assert (record.macs, record.bias_ops) == (12 * 20 * 8, 12 * 40)


def test_a_packed_sequence_costs_only_its_real_steps() -> None:
    class Packed(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Tensor) -> Tensor:
            packed = nn.utils.rnn.pack_padded_sequence(x, [6, 3])
            return self.inner(packed)[0].data

    # Sequences of 6 and 3 steps: 9 in all. LSTM: 4*5*(3+5) = 160; GRU 3*5*(3+5) = 120.
    for inner, macs in ((nn.LSTM(3, 5), 9 * 160), (nn.GRU(3, 5), 9 * 120)):
        trace = trace_model(Packed(inner), (6, 2, 3))
        assert trace.macs == macs
        assert trace.unknown_ops == ()


@pytest.mark.parametrize("heads", [1, 2])
def test_fused_attention_of_the_fast_path_costs_what_its_parts_do(heads: int) -> None:
    layer = nn.MultiheadAttention(8, heads, batch_first=True)

    def fused(x: Tensor) -> Tensor:
        return torch._native_multi_head_attention(
            x, x, x, 8, heads, layer.in_proj_weight, layer.in_proj_bias,
            layer.out_proj.weight, layer.out_proj.bias, need_weights=False,
        )[0]  # fmt: skip

    # 2 sequences of 5: in 10 * 8*24, out 10 * 8*8, scores 2 * 2*25*8; the softmax and the
    # scaling six for each of 2 * heads * 25 scores.
    record = next(o for o in trace_model(_Call(fused), (2, 5, 8)).ops if o.kind == "attention")
    assert record.macs == 1920 + 640 + 800
    assert record.elementwise_ops == 6 * 2 * heads * 25


def test_a_fused_encoder_layer_costs_what_its_parts_do() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    seen: list[tuple[str, int]] = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None):
            out = func(*args, **(kwargs or {}))
            known = op_of(func)
            if known.name == "_transformer_encoder_layer_fwd":
                seen.append((known.kind, known.cost(args, out).macs))
            return out

    with torch.inference_mode(), Watch():
        layer(torch.zeros(2, 5, 8))
    # As TransformerEncoderLayer in nets.py: 1,920 + 640 + 800 + 2,560.
    assert seen == [("attention", 5920)]


def test_every_kind_in_the_table_is_one_of_the_records() -> None:
    assert set(KIND_OF.values()) <= set(KINDS)


def test_every_name_in_the_table_has_one_kind() -> None:
    from explorer.trace import costs

    names = [name for names in costs._KINDS.values() for name in names.split()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("conv2d", "convolution"), ("relu_", "activation"), ("add_", "add"),
        ("fill_", "bookkeeping"),
        ("__and__", "elementwise"), ("_foreach_add_", "elementwise"), ("nothing_known", "unknown"),
    ],
)  # fmt: skip
def test_an_in_place_op_has_the_kind_of_the_other(name: str, kind: str) -> None:
    assert kind_of(name, pointwise=False, reduction=False) == kind


def test_tags_tell_the_kind_of_an_op_that_is_not_in_the_table() -> None:
    assert kind_of("some_new_function", pointwise=True, reduction=False) == "elementwise"
    assert kind_of("some_new_sum", pointwise=False, reduction=True) == "reduction"


def test_an_op_without_operands_is_a_constant() -> None:
    trace = trace_model(_Call(lambda x: x * torch.hann_window(4)), (2, 4))
    assert [o.kind for o in trace.ops] == ["input", "constant", "multiply"]


def test_every_op_of_aten_has_a_description() -> None:
    # No schema, however odd, may break the description of an op.
    for name in torch._C._dispatch_get_all_op_names():
        namespace, _, rest = name.partition("::")
        if namespace != "aten":
            continue
        packet = getattr(torch.ops.aten, rest.partition(".")[0], None)
        overload = getattr(packet, rest.partition(".")[2] or "default", None)
        if isinstance(overload, torch._ops.OpOverload):
            assert op_of(overload).kind in KINDS
