"""Small nets, each named for one trouble, with the MACs, parameters and dataflow it really has.

Every number is worked out by hand in the comment above the class. The dataflow is written as
"writer>reader" for each pair of ops, the n-th op of a name as "add@n"; a reader "output" is
what the model returns. Ops that only question shapes are left out by the engine.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

from explorer import Trace, trace_model


@dataclass(frozen=True)
class Case:
    """A net, what to trace it with, and the truth."""

    build: Callable[[], nn.Module]
    shape: Any = None
    args: Callable[[], tuple[Any, ...]] = tuple
    kwargs: Callable[[], dict[str, Any]] = dict
    macs: int = 0
    params: int = 0
    edges: str | None = None
    mode: str = "eval"
    device: str = "meta"
    unread: frozenset[str] = frozenset()
    """Parameters that no op reads."""

    def trace(self, model: nn.Module | None = None, **changes: Any) -> Trace:
        given = {
            "input_shape": self.shape,
            "mode": self.mode,
            "args": self.args(),
            "kwargs": self.kwargs(),
        }
        return trace_model(model or self.build(), **(given | changes))


CASES: dict[str, Case] = {}


def case(name: str | None = None, **truth: Any) -> Callable[[Any], Any]:
    """Enter a net class, or a function that builds a net, with its truth."""

    def enter(build: Any) -> Any:
        truth["unread"] = frozenset(truth.get("unread", ()))
        CASES[name or build.__name__] = Case(build, **truth)
        return build

    return enter


def labels(trace: Trace) -> list[str]:
    """Name of each op, the n-th of that name with "@n"."""
    seen: dict[str, int] = {}
    found = []
    for op in trace.ops:
        nth = seen[op.name] = seen.get(op.name, -1) + 1
        found.append(f"{op.name}@{nth}" if nth else op.name)
    return found


def edges_of(trace: Trace) -> set[str]:
    """The dataflow as "writer>reader" pairs."""
    names = labels(trace)
    pairs = {f"{names[value.op]}>{names[op.index]}" for op in trace.ops for value in op.inputs}
    return pairs | {f"{names[value.op]}>output" for value in trace.outputs}


def parameter(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.full(shape, 0.1))


# ------------------------------------------------------------------ functional calls


# 4 filters of 2x3x3 at 25 pixels: 72 * 25 = 1,800.
@case(shape=(1, 2, 5, 5), macs=1800, params=72, edges="input>conv2d conv2d>output")
class FunctionalConvolution(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.filters = parameter(4, 2, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.filters, padding=1)


# 3 outputs from 8 features, 5 tokens in 2 batches: 3 * 8 * 10 = 240; 24 weights, 3 biases.
@case(shape=(2, 5, 8), macs=240, params=27, edges="input>linear linear>output")
class FunctionalLinear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w, self.b = parameter(3, 8), parameter(3)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.w, self.b)


# A weight with one dimension gives one output: 4 tokens * 6 features.
@case(shape=(4, 6), macs=24, params=6, edges="input>linear linear>output")
class FunctionalLinearOfOneOutput(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = parameter(6)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.w)


# (2,3,4) @ (4,5): 2*3*5*4 = 120. (2,5,3) @ (2,3,5): 2*5*5*3 = 150. 20 weights.
@case(
    shape=(2, 3, 4), macs=270, params=20,
    edges="input>matmul matmul>transpose transpose>matmul@1 matmul>matmul@1 matmul@1>output",
)  # fmt: skip
class MatrixProducts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = parameter(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = x @ self.w
        return y.transpose(1, 2) @ y


# bik,bjk->bij with (2,3,4) and (2,3,4): 2*3*3*4 = 72. ij,jk->ik with (3,4) (4,5): 60.
@case(
    shape=(2, 3, 4), macs=132, params=20,
    edges="input>einsum input>select select>einsum@1 einsum>output einsum@1>output",
)  # fmt: skip
class Einsum(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = parameter(4, 5)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return torch.einsum("bik,bjk->bij", x, x), torch.einsum("ij,jk->ik", x[0], self.w)


# Every way to multiply: mm 2*3*4=24, bmm 24, mv 6 rows... each line below says its own.
@case(shape=(2, 3), macs=6 * 2 + 6 + 3 + 3 + 12 + 12 + 6 + 12 + 12 + 36)
class EveryProduct(nn.Module):
    def forward(self, x: Tensor) -> list[Tensor]:
        a = x[0]
        return [
            torch.mm(x, x.t()),  # (2,3) (3,2): 2*2*3 = 12
            torch.mv(x, a),  # (2,3) (3): 6
            torch.dot(a, a),  # 3
            torch.inner(a, a),  # 3
            torch.bmm(x[None], x.t()[None]),  # 12
            torch.addmm(x[:, :2], x, x.t()),  # 12
            torch.addmv(x[:, 0], x, a),  # 6
            torch.baddbmm(x[None, :, :2], x[None], x.t()[None]),  # 12
            torch.tensordot(x, x.t(), 1),  # 12
            # (3,2)(2,3) first: 18, then (3,3)... both orders of 3x2, 2x3, 3x2 cost 12 + 12 or
            # 18 + 18; the cheaper is 2x3 @ 3x2 = 12, then 3x2 @ 2x2 = 12. The rest, 12, is
            # chained on: (3,2) @ (2,2).
            torch.linalg.multi_dot([x.t(), x, x.t()]) @ x[:, :2],
        ]


# L=5, E=8 split into 2 heads of 4. QK^T: 2 heads * 5*5*4 = 200 a batch, AV the same: 400.
# Projections: 5 * 8*24 = 960 and 5 * 8*8 = 320. Two batches: 2 * (400 + 960 + 320) = 3,360.
# Weights: 192 + 64.
@case(shape=(2, 5, 8), macs=3360, params=256)
class FunctionalAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24, bias=False)
        self.proj = nn.Linear(8, 8, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (t.unflatten(-1, (2, 4)).transpose(1, 2) for t in self.qkv(x).chunk(3, -1))
        y = F.scaled_dot_product_attention(q, k, v)
        return self.proj(y.transpose(1, 2).flatten(2))


# 4 query heads share 2 key heads. L=3, S=5, E=4, Ev=6: scores 4*3*5 = 60; 60*4 + 60*6 = 600.
@case(
    args=lambda: (torch.zeros(1, 4, 3, 4), torch.zeros(1, 2, 5, 4), torch.zeros(1, 2, 5, 6)),
    macs=600,
    edges="input>scaled_dot_product_attention input@1>scaled_dot_product_attention "
    "input@2>scaled_dot_product_attention scaled_dot_product_attention>output",
)
class GroupedQueryAttention(nn.Module):
    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, enable_gqa=True)


# ------------------------------------------------------------------ attention modules


class _SelfAttention(nn.Module):
    def __init__(self, need_weights: bool, batch_first: bool) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=batch_first)
        self.need_weights = need_weights

    def forward(self, x: Tensor) -> Any:
        out, weights = self.attention(x, x, x, need_weights=self.need_weights)
        return (out, weights) if self.need_weights else out


# E=8, 2 heads, L=5, N=3: in_proj 15 * 8*24 = 2,880; out_proj 15 * 8*8 = 960; QK^T and AV
# 2 * 3*5*5*8 = 1,200. Sum 5,040. Params 192 + 24 + 64 + 8 = 288.
_MHA = {"macs": 5040, "params": 288}
case("MultiheadAttention", shape=(3, 5, 8), **_MHA)(lambda: _SelfAttention(False, True))
case("MultiheadAttentionWithWeights", shape=(3, 5, 8), **_MHA)(lambda: _SelfAttention(True, True))
case("MultiheadAttentionSequenceFirst", shape=(5, 3, 8), **_MHA)(
    lambda: _SelfAttention(False, False)
)


# E=8, kdim=6, vdim=4, L=3, S=5, N=2: q 6*64=384, k 10*48=480, v 10*32=320, out 6*64=384,
# QK^T and AV 2 * 2*3*5*8 = 480. Sum 2,048. Params 64+48+32+24+64+8 = 240.
@case(
    args=lambda: (torch.zeros(2, 3, 8), torch.zeros(2, 5, 6), torch.zeros(2, 5, 4)),
    macs=2048, params=240,
)  # fmt: skip
class CrossAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, kdim=6, vdim=4, batch_first=True)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return self.attention(q, k, v, need_weights=False)[0]


# One layer, d=8, 2 heads, ff=16, L=5, N=2: in_proj 10*192 = 1,920, out_proj 10*64 = 640,
# scores 2*2*25*8 = 800, feed-forward 2 * 10*128 = 2,560. Sum 5,920.
# Params 192+24+64+8 = 288, ff 128+16+128+8 = 280, norms 32. Sum 600.
@case(shape=(2, 5, 8), macs=5920, params=600)
def TransformerEncoderLayer() -> nn.Module:
    return nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)


@case(shape=(2, 5, 8), macs=5920, params=600, mode="train")
def TransformerEncoderLayerInTraining() -> nn.Module:
    return nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True)


# Two such layers and a norm; a mask of padded tokens costs no MACs.
@case(
    args=lambda: (torch.zeros(2, 5, 8),),
    kwargs=lambda: {"src_key_padding_mask": torch.zeros(2, 5, dtype=torch.bool)},
    macs=11840, params=1216,
)  # fmt: skip
def TransformerEncoder() -> nn.Module:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    return nn.TransformerEncoder(layer, 2, nn.LayerNorm(8))


# A decoder layer: self-attention on 3 tokens (6*192 + 6*64 + 2*2*9*8 = 1,824), cross-attention
# to 5 (q 6*64, k and v 10*128, out 6*64, scores 2*2*15*8 = 480: 2,528), ff 2*6*128 = 1,536.
# Sum 5,888. Params 2 * 288 + 280 + 3 * 16 = 904.
@case(args=lambda: (torch.zeros(2, 3, 8), torch.zeros(2, 5, 8)), macs=5888, params=904)
def TransformerDecoderLayer() -> nn.Module:
    return nn.TransformerDecoderLayer(8, 2, 16, batch_first=True)


# ------------------------------------------------------------------ convolutions


def _conv(name: str, build: Callable[[], nn.Module], shape: tuple[int, ...], **truth: int) -> None:
    op = {3: "conv1d", 4: "conv2d", 5: "conv3d"}[len(shape)]
    if "Transposed" in name:
        op = op.replace("conv", "conv_transpose")
    case(name, shape=shape, edges=f"input>{op} {op}>output", **truth)(build)


# 6 filters of (4/2)x3x3 at 4x4: 108 * 16 = 1,728; 108 weights, 6 biases.
_conv(
    "GroupedConvolution", lambda: nn.Conv2d(4, 6, 3, groups=2), (1, 4, 6, 6), macs=1728, params=114
)
# 8 filters of 1x3x3, two a channel, at 4x4: 72 * 16 = 1,152.
_conv(
    "DepthwiseConvolution", lambda: nn.Conv2d(4, 8, 3, groups=4, bias=False), (1, 4, 6, 6),
    macs=1152, params=72,
)  # fmt: skip
# Dilation 2 makes 3 taps span 5: 9 - 5 + 1 = 5, so 18 * 25 = 450.
_conv(
    "DilatedConvolution", lambda: nn.Conv2d(1, 2, 3, dilation=2, bias=False), (1, 1, 9, 9),
    macs=450, params=18,
)  # fmt: skip
# "same" keeps 7x5 for a 4x2 kernel: 2*3*8 * 35 = 1,680.
_conv(
    "SamePaddedConvolution", lambda: nn.Conv2d(2, 3, (4, 2), padding="same", bias=False),
    (1, 2, 7, 5), macs=1680, params=48,
)  # fmt: skip
# 3 * 2*3 * 8 positions = 144, batch 2: 288.
_conv(
    "OneDimensionalConvolution", lambda: nn.Conv1d(2, 3, 3, padding=1, bias=False), (2, 2, 8),
    macs=288, params=18,
)  # fmt: skip
# 2 * 1*27 at 2x2x2 = 432.
_conv(
    "ThreeDimensionalConvolution", lambda: nn.Conv3d(1, 2, 3), (1, 1, 4, 4, 4),
    macs=432, params=56,
)  # fmt: skip
# Transposed: every input element meets every weight: 3 channels * 4 * (2*3) = 72.
_conv(
    "TransposedConvolution1d", lambda: nn.ConvTranspose1d(3, 2, 3, bias=False), (1, 3, 4),
    macs=72, params=18,
)  # fmt: skip
# 4 channels * 25 pixels * (6/2 * 9) = 2,700, whatever stride and output padding are.
_conv(
    "TransposedConvolution2d",
    lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2),
    (1, 4, 5, 5), macs=2700, params=114,
)  # fmt: skip
# 1 * 8 voxels * (2*8) = 128.
_conv(
    "TransposedConvolution3d", lambda: nn.ConvTranspose3d(1, 2, 2, stride=2), (1, 1, 2, 2, 2),
    macs=128, params=18,
)  # fmt: skip
# Without a batch dimension: 3 * 2*9 at 16 = 864.
case("UnbatchedConvolution", shape=(2, 6, 6), macs=864, params=57)(lambda: nn.Conv2d(2, 3, 3))


# ------------------------------------------------------------------ recurrent


class _First(nn.Module):
    """A recurrent module's sequence, without its state."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)[0]


# 4 gates of h=5 from x=3 and h: 4*5*(3+5) = 160 a step; 6 steps * 2: 1,920. Biases 2*20.
@case(
    shape=(6, 2, 3), macs=1920, params=200, edges="input>lstm zeros>lstm zeros@1>lstm lstm>output"
)
def LSTM() -> nn.Module:
    return _First(nn.LSTM(3, 5))


# Layer 1, each direction: 4*5*(3+2) + 2*5 = 110 (projected to 2). Layer 2: input 4:
# 4*5*(4+2) + 10 = 130. Both directions: 480 a step; 2 * 6 steps: 5,760.
# Biases: 4 * 40 = 160; weights 480.
@case(shape=(2, 6, 3), macs=5760, params=640)
def BidirectionalProjectedLSTM() -> nn.Module:
    return _First(nn.LSTM(3, 5, 2, batch_first=True, bidirectional=True, proj_size=2))


# 3 gates: 3*5*(3+5) = 120 a step, 12 steps: 1,440; biases 2*15.
@case(shape=(6, 2, 3), macs=1440, params=150)
def GRU() -> nn.Module:
    return _First(nn.GRU(3, 5))


# 1 gate: 5*(3+5) = 40 a step, 12 steps: 480.
@case(shape=(6, 2, 3), macs=480, params=50)
def RNN() -> nn.Module:
    return _First(nn.RNN(3, 5))


# A cell called 3 times: 160 a step, batch 2: 960.
@case(shape=(3, 2, 3), macs=960, params=200)
class LSTMCell(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(3, 5)

    def forward(self, x: Tensor) -> Tensor:
        state = None
        for step in x:
            state = self.cell(step, state)
        return state[0]


# ------------------------------------------------------------------ in place and aliases


class _Two(nn.Module):
    """Two 1x1 convolutions of 4 channels, 16 weights each: 16 MACs a pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(4, 4, 1, bias=False)
        self.b = nn.Conv2d(4, 4, 1, bias=False)


# Two convolutions at 4 pixels: 2 * 64.
@case(
    shape=(1, 4, 2, 2), macs=128, params=32,
    edges="input>conv2d input>conv2d@1 conv2d>add_ conv2d@1>add_ add_>output",
)  # fmt: skip
class AddInPlace(_Two):
    def forward(self, x: Tensor) -> Tensor:
        y = self.a(x)
        y += self.b(x)
        return y


# The sum is read through `y`, although `y` was written through a view of it.
@case(
    shape=(1, 4, 2, 2), macs=128, params=32,
    edges="input>conv2d input>zeros_like conv2d>slice zeros_like>slice@1 slice@1>copy_ "
    "slice>copy_ zeros_like>conv2d@1 copy_>conv2d@1 conv2d@1>output",
)  # fmt: skip
class SliceAssignment(_Two):
    def forward(self, x: Tensor) -> Tensor:
        y = torch.zeros_like(x)
        y[:, 1:3] = self.a(x)[:, 1:3]
        return self.b(y)


# Both halves of x's convolution are changed, then the whole is read.
@case(
    shape=(1, 4, 2, 2), macs=128, params=32,
    edges="input>conv2d conv2d>chunk chunk>add_ chunk>mul_ add_>mul_ "
    "conv2d>conv2d@1 mul_>conv2d@1 conv2d@1>output",
)  # fmt: skip
class ChunkThenAddInPlace(_Two):
    def forward(self, x: Tensor) -> Tensor:
        y = self.a(x)
        first, second = y.chunk(2, 1)
        first.add_(1)
        second.mul_(2)
        return self.b(y)


@case(
    shape=(1, 4, 2, 2), macs=128, params=32,
    edges="input>conv2d input>conv2d@1 input>empty_like conv2d>add conv2d@1>add "
    "empty_like>add add>output",
)  # fmt: skip
class OutArgument(_Two):
    def forward(self, x: Tensor) -> Tensor:
        out = torch.empty_like(x)
        torch.add(self.a(x), self.b(x), out=out)
        return out


# `out=` an operand, then the same op with a third tensor: two different things.
@case(
    shape=(1, 4, 2, 2),
    edges="input>relu input>neg relu>add neg>add input>empty_like add>add@1 neg>add@1 "
    "empty_like>add@1 add>output add@1>output",
)  # fmt: skip
class OutIsAnOperand(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        a, b, c = x.relu(), x.neg(), torch.empty_like(x)
        torch.add(a, b, out=a)
        torch.add(a, b, out=c)
        return a, c


# A buffer is written and read again: what was written reaches the output.
@case(
    shape=(2, 3), macs=24, params=12,
    edges="input>linear linear>select select@1>copy_ select>copy_ copy_>mul mul>output",
)  # fmt: skip
class BufferAsMemory(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4, bias=False)
        self.register_buffer("memory", torch.zeros(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        self.memory[:, 1] = self.first(x)[:, 0]
        return self.memory * 2


# A write into one buffer is no write into a view of another weight.
@case(
    shape=(2, 3), macs=18, params=9,
    edges="input>copy_ t>matmul input>matmul matmul>output",
)  # fmt: skip
class BufferWrittenWhileAWeightIsViewed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = parameter(3, 3)
        self.register_buffer("seen", torch.zeros(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        w = self.w.t()
        self.seen.copy_(x)
        return x @ w


# The activations' memory is shared between x and its flattened view.
@case(
    shape=(1, 4, 2, 2), macs=64, params=16,
    edges="input>conv2d conv2d>view view>relu_ conv2d>add relu_>add add>output",
)  # fmt: skip
class ActivationInPlaceOnAView(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(4, 4, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.a(x)
        F.relu_(y.view(1, -1))
        return y + 1


# The result is written through views of it, and returned under its first name.
@case(
    shape=(2, 3), macs=18, params=9,
    edges="input>linear linear>select select>mul_ mul_>output",
)  # fmt: skip
class ReturnsWhatWasWrittenThroughAView(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.fc(x)
        y.select(0, 1).mul_(2)
        return y


# A list of results is collected in a tensor made on the CPU.
@case(
    shape=(2, 3), macs=18, params=9,
    edges="input>linear linear>select zeros>select@1 select@1>copy_ select>copy_ copy_>output",
)  # fmt: skip
class CollectsInAConstant(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        found = torch.zeros(2, 3)
        found[0] = self.fc(x)[1]
        return found


# A buffer is written and returned.
@case(shape=(2, 3), edges="input>select select>sum sum>mul_ mul_>output")
class ReturnsABuffer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.ones(3))

    def forward(self, x: Tensor) -> Tensor:
        return self.seen.mul_(x[0].sum())


# Two operands of equal shape come back as two different tensors.
@case(
    shape=(2, 3),
    edges="input>relu input>neg relu>broadcast_tensors neg>broadcast_tensors "
    "broadcast_tensors>exp broadcast_tensors>sqrt exp>output sqrt>output",
)  # fmt: skip
class BroadcastTensors(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        a, b = torch.broadcast_tensors(x.relu(), x.neg())
        return a.exp(), b.sqrt()


# ------------------------------------------------------------------ arguments and results


class Pair(NamedTuple):
    left: Tensor
    right: Tensor


@dataclass
class Batch:
    image: Tensor
    scale: Tensor | None = None
    tags: list[str] = field(default_factory=list)


# One convolution at 4 pixels for each of the two: 128.
@case(
    args=lambda: (Pair(torch.zeros(1, 4, 2, 2), torch.zeros(1, 4, 2, 2)),), macs=128, params=32,
    edges="input>conv2d input@1>conv2d@1 conv2d>output conv2d@1>output",
)  # fmt: skip
class NamedTupleInAndOut(_Two):
    def forward(self, pair: Pair) -> Pair:
        return Pair(self.a(pair.left), self.b(pair.right))


@case(
    args=lambda: ({"image": torch.zeros(1, 4, 2, 2), "sizes": [torch.zeros(1, 4, 2, 2), 3]},),
    macs=128, params=32,
    edges="input>conv2d input@1>conv2d@1 conv2d>output conv2d@1>output",
)  # fmt: skip
class DictInAndOut(_Two):
    def forward(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {"a": self.a(batch["image"]), "rest": {"b": self.b(batch["sizes"][0]), "n": 3}}


@case(
    args=lambda: (Batch(torch.zeros(1, 4, 2, 2), tags=["x"]),), macs=128, params=32,
    edges="input>conv2d conv2d>conv2d@1 conv2d>output conv2d@1>output",
)  # fmt: skip
class DataclassInAndOut(_Two):
    def forward(self, batch: Batch) -> Batch:
        first = self.a(batch.image)
        assert batch.scale is None
        assert batch.tags == ["x"]
        return Batch(first, self.b(first), ["y"])


# Called with a keyword from outside, and by keyword inside: 64 each.
@case(
    kwargs=lambda: {"image": torch.zeros(1, 4, 2, 2), "twice": True}, macs=128, params=32,
    edges="input>conv2d conv2d>conv2d@1 conv2d@1>output",
)  # fmt: skip
class KeywordOnly(_Two):
    def forward(self, *, image: Tensor, twice: bool = False) -> Tensor:
        y = self.a(input=image)
        return self.b(input=y) if twice else y


# Three inputs; (2,3) @ (3,4): 24.
@case(
    shape=((2, 3), (3, 4), (4,)), macs=24,
    edges="input>matmul input@1>matmul matmul>add input@2>add add>output",
)  # fmt: skip
class SeveralInputs(nn.Module):
    def forward(self, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        return a @ b + c


# 3 embedded tokens of 4: no MACs; 5*4 weights in the table; then 4 -> 2: 24, params 8.
@case(
    args=lambda: (torch.zeros(1, 3, dtype=torch.long),), macs=24, params=28,
    edges="input>embedding embedding>linear linear>output",
)  # fmt: skip
class IntegerInput(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(5, 4)
        self.fc = nn.Linear(4, 2, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.fc(self.table(tokens))


# Nothing comes in: positions of 3 embedded in 4 and mixed by 4x4: 48.
@case(macs=48, params=28, edges="arange>embedding embedding>linear linear>output")
class NoInput(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(3, 4)
        self.fc = nn.Linear(4, 4, bias=False)

    def forward(self) -> Tensor:
        return self.fc(self.table(torch.arange(3)))


# The input itself is part of the output.
@case(shape=(1, 4, 2, 2), macs=64, params=16, edges="input>conv2d input>output conv2d>output")
class InputIsAnOutput(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(4, 4, 1, bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, self.a(x)


# ------------------------------------------------------------------ modules and weights shared


# One convolution of 16 weights, three calls at 4 pixels: 3 * 64.
@case(
    shape=(1, 4, 2, 2), macs=192, params=16,
    edges="input>conv2d conv2d>conv2d@1 conv2d@1>conv2d@2 conv2d@2>output",
)  # fmt: skip
class CalledThreeTimes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(4, 4, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(3):
            x = self.a(x)
        return x


# The same module under two names.
@case(
    shape=(1, 4, 2, 2), macs=128, params=16,
    edges="input>conv2d conv2d>conv2d@1 conv2d@1>output",
)  # fmt: skip
class AliasedModule(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(4, 4, 1, bias=False)
        self.b = self.a

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.a(x))


# The table of 5*4 is also the classifier: 3 tokens * 20 = 60.
@case(
    args=lambda: (torch.zeros(1, 3, dtype=torch.long),), macs=60, params=20,
    edges="input>embedding embedding>linear linear>output",
)  # fmt: skip
class TiedWeights(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(5, 4)
        self.head = nn.Linear(4, 5, bias=False)
        self.head.weight = self.table.weight

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.table(tokens))


@case(
    shape=(1, 4, 2, 2), macs=128, params=32,
    edges="input>conv2d conv2d>conv2d@1 conv2d@1>output",
)  # fmt: skip
class ForwardCalledDirectly(_Two):
    def forward(self, x: Tensor) -> Tensor:
        return self.b.forward(self.a.forward(x))


# 16 weights in `b` that never run.
@case(
    shape=(1, 4, 2, 2), macs=64, params=32, unread=("b.weight",),
    edges="input>conv2d conv2d>output",
)  # fmt: skip
class NeverCalled(_Two):
    def forward(self, x: Tensor) -> Tensor:
        return self.a(x)


# A parameter that the forward never touches, held by a module that runs.
@case(shape=(2, 3), params=7, unread=("spare",), edges="input>neg neg>output")
class NeverRead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.spare = parameter(7)

    def forward(self, x: Tensor) -> Tensor:
        return -x


# Weights in a list and in a dictionary: 3x3 each; batch 2: 3 * 18.
@case(
    shape=(2, 3), macs=54, params=27,
    edges="input>matmul matmul>matmul@1 matmul@1>matmul@2 matmul@2>output",
)  # fmt: skip
class ParameterContainers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.listed = nn.ParameterList([parameter(3, 3), parameter(3, 3)])
        self.named = nn.ParameterDict({"last": parameter(3, 3)})

    def forward(self, x: Tensor) -> Tensor:
        for weight in self.listed:
            x = x @ weight
        return x @ self.named["last"]


# Modules reached through a plain list of the registered ones.
@case(
    shape=(1, 4, 2, 2), macs=128, params=32,
    edges="input>conv2d conv2d>conv2d@1 conv2d@1>output",
)  # fmt: skip
class PlainListOfModules(_Two):
    def __init__(self) -> None:
        super().__init__()
        self.order = [self.a, self.b]

    def forward(self, x: Tensor) -> Tensor:
        for module in self.order:
            x = module(x)
        return x


# A module that is not registered has no parameters of the model, but its work is counted.
@case(shape=(1, 4, 2, 2), macs=64, edges="input>conv2d constant>conv2d conv2d>output")
class UnregisteredModule(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.hidden = [nn.Conv2d(4, 4, 1, bias=False)]

    def forward(self, x: Tensor) -> Tensor:
        return self.hidden[0](x)


# A closure holds the original modules and weights, not the private copy's.
# conv 64, then (4,4) @ over 4 pixels: 4*4*4 = 64; weights 16 + 16, batch norm 8.
@case(shape=(1, 4, 2, 2), macs=128, params=40)
class ClosureOverTheModel(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.norm = nn.Conv2d(4, 4, 1, bias=False), nn.BatchNorm2d(4)
        self.w = parameter(4, 4)
        self.run = lambda x: self.norm(self.a(x)).flatten(2).transpose(1, 2) @ self.w

    def forward(self, x: Tensor) -> Tensor:
        return self.run(x)


@case(
    shape=(1, 4, 2, 2), macs=128, params=32,
    edges="input>conv2d conv2d>conv2d@1 conv2d@1>output",
)  # fmt: skip
class BoundMethods(_Two):
    def __init__(self) -> None:
        super().__init__()
        self.steps = {"first": self.a.forward, "second": self.second}

    def second(self, x: Tensor) -> Tensor:
        return self.b(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.steps["second"](self.steps["first"](x))


# One list, at first empty, held by the model and by its child.
@case(
    shape=(1, 4, 2, 2), macs=128, params=32,
    edges="input>conv2d conv2d>conv2d@1 conv2d@1>output",
)  # fmt: skip
class SharedEmptyList(nn.Module):
    class Child(nn.Module):
        def __init__(self, kept: list[Tensor]) -> None:
            super().__init__()
            self.conv, self.kept = nn.Conv2d(4, 4, 1, bias=False), kept

        def forward(self, x: Tensor) -> None:
            self.kept.append(self.conv(x))

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Tensor] = []
        self.child = self.Child(self.kept)
        self.last = nn.Conv2d(4, 4, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        self.child(x)
        return self.last(self.kept.pop())


# ------------------------------------------------------------------ constants


# x times a ramp, plus a scalar, minus a mask's complement: no MACs.
@case(
    shape=(1, 1, 2, 4),
    edges="input>mul linspace>mul mul>add constant>add ones>tril add>masked_fill "
    "tril>masked_fill masked_fill>output",
)  # fmt: skip
class ConstantsOnTheCPU(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        y = x * torch.linspace(0, 1, 4) + torch.tensor(2.0)
        return y.masked_fill(torch.ones(2, 4, dtype=torch.bool).tril(), -math.inf)


# 4 positions of 6: looked up with indices made in forward. No MACs, 24 weights.
@case(
    shape=(2, 4, 6), params=24,
    edges="arange>embedding input>add embedding>add add>output",
)  # fmt: skip
class PositionalEmbedding(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.positions = nn.Embedding(4, 6)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.positions(torch.arange(x.shape[1]))


# A scalar on the CPU goes into a stack, which takes no operand from another device.
@case(shape=(2, 3))
class ScalarsInAStack(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([x.mean(), torch.tensor(1.0), x.sum()])


# A scalar whose value is known decides, and nothing has to run for real: 2 * 9 MACs, twice.
@case(shape=(2, 3), macs=36, params=9)
class KnownScalarDecides(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(int(torch.tensor([1, 2]).max())):
            x = self.fc(x)
        return x


# A tensor that is neither parameter nor buffer: a plain attribute.
@case(shape=(2, 3), edges="input>mul constant>mul mul>output")
class PlainTensorAttribute(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.full((3,), 2.0)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


# ------------------------------------------------------------------ wrappers round modules


# Both ways of checkpointing; 64 MACs each.
@case(
    shape=(1, 4, 2, 2), macs=128, params=32,
    edges="input>conv2d conv2d>conv2d@1 conv2d@1>output",
)  # fmt: skip
class Checkpointed(_Two):
    def forward(self, x: Tensor) -> Tensor:
        y = checkpoint(self.a, x, use_reentrant=False)
        return checkpoint(self.b, y, use_reentrant=False)


@case(
    shape=(1, 4, 2, 2), macs=128, params=32, mode="train",
    edges="input>conv2d conv2d>conv2d@1 conv2d@1>output",
)  # fmt: skip
class CheckpointedReentrantly(_Two):
    def forward(self, x: Tensor) -> Tensor:
        return checkpoint(lambda y: self.b(self.a(y)), x, use_reentrant=True)


class _Scriptable(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Conv2d(4, 4, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() == 4:
            x = self.inner(x)
        return torch.relu(x)


# A scripted and a traced module of 16 weights each, and one of ours: 3 * 64.
@case(
    shape=(1, 4, 2, 2), macs=192, params=48,
    edges="input>conv2d conv2d>relu relu>conv2d@1 conv2d@1>_convolution _convolution>relu@1 "
    "relu@1>output",
)  # fmt: skip
class ScriptedAndTraced(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scripted = torch.jit.script(_Scriptable())
        self.plain = nn.Conv2d(4, 4, 1, bias=False)
        self.traced = torch.jit.trace(_Scriptable(), torch.zeros(1, 4, 2, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.traced(self.plain(self.scripted(x)))


@case(shape=(1, 4, 2, 2), macs=64, params=16, edges="input>conv2d conv2d>relu relu>output")
def ScriptedRoot() -> nn.Module:
    return torch.jit.script(_Scriptable())


@case(
    shape=(1, 4, 2, 2), macs=128, params=32,
    edges="input>conv2d conv2d>conv2d@1 conv2d@1>output",
)  # fmt: skip
def GraphModule() -> nn.Module:
    class Net(_Two):
        def forward(self, x: Tensor) -> Tensor:
            return self.b(self.a(x))

    return torch.fx.symbolic_trace(Net())


# An fx graph whose weight is tied to a module outside it: 16 weights once, 64 MACs twice.
@case(
    shape=(1, 4, 2, 2), macs=128, params=16,
    edges="input>conv2d conv2d>conv2d@1 conv2d@1>output",
)  # fmt: skip
class GraphModuleTiedToItsNeighbour(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.before = nn.Conv2d(4, 4, 1, bias=False)
        self.graph = torch.fx.symbolic_trace(nn.Sequential(nn.Conv2d(4, 4, 1, bias=False)))
        self.graph.get_submodule("0").weight = self.before.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.graph(self.before(x))


# Torch's current weight norm: magnitude 4 and direction 16.
@case(shape=(1, 4, 2, 2), macs=64, params=20)
def WeightNorm() -> nn.Module:
    return nn.Sequential(parametrizations.weight_norm(nn.Conv2d(4, 4, 1, bias=False)))


# Spectral norm: 16 weights, and buffers u, v. Two matrix-vector products give sigma: W v: 16,
# and u . (W v): 4. The convolution: 64.
@case(shape=(1, 4, 2, 2), macs=84, params=16)
def SpectralNorm() -> nn.Module:
    return nn.Sequential(parametrizations.spectral_norm(nn.Conv2d(4, 4, 1, bias=False)))


# The parametrized weight is tied to another module's: 64 + 64, 20 weights.
@case(shape=(1, 4, 2, 2), macs=128, params=20)
class TiedParametrization(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = parametrizations.weight_norm(nn.Conv2d(4, 4, 1, bias=False))
        self.b = nn.Conv2d(4, 4, 1, bias=False)
        self.b.weight = self.a.parametrizations.weight.original1

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.a(x))


# A pre-hook doubles the input, a hook adds it: the model's own hooks belong to its call.
# 16 * 4 for the convolution, 16 * 4 for the product in the hook.
@case(shape=(1, 4, 2, 2), macs=128, params=32)
def UserHooks() -> nn.Module:
    net = nn.Sequential(nn.Conv2d(4, 4, 1, bias=False))
    net.extra = nn.Conv2d(4, 4, 1, bias=False)
    del net._modules["extra"]
    net.register_parameter("mix", parameter(4, 4))
    net[0].register_forward_pre_hook(lambda module, args: (args[0] * 2,))
    net[0].register_forward_hook(lambda module, args, out: out + args[0])
    net.register_forward_hook(lambda module, args, out: F.conv2d(out, net.mix[..., None, None]))
    return net


class _Swish(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)


@case(
    shape=(1, 4, 2, 2), macs=64, params=16,
    edges="input>conv2d conv2d>sigmoid conv2d>mul sigmoid>mul mul>output",
)  # fmt: skip
class CustomAutogradFunction(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(4, 4, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return _Swish.apply(self.a(x))


# ------------------------------------------------------------------ kinds of weights


# 3*4 MACs, batch 2; 12 weights of two bytes.
def _typed(dtype: torch.dtype) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(nn.Linear(3, 4, bias=False), nn.LayerNorm(4)).to(dtype)


for _dtype in (torch.float16, torch.bfloat16, torch.float64):
    case(
        f"Typed{str(_dtype).removeprefix('torch.').title()}", shape=(2, 3), macs=24, params=20,
        edges="input>linear linear>layer_norm layer_norm>output",
    )(_typed(_dtype))  # fmt: skip


@case(shape=(2, 3), macs=24, params=16, edges="input>linear linear>output")
def OnMeta() -> nn.Module:
    return nn.Linear(3, 4, device="meta")


@case(shape=(2, 3), macs=24, params=16, edges="input>linear linear>output")
def Frozen() -> nn.Module:
    return nn.Linear(3, 4).requires_grad_(requires_grad=False)


@case(shape=(2, 3), edges="input>mul mul>output")
class BuffersOnly(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kept", torch.full((3,), 2.0))
        self.register_buffer("passing", torch.ones(5), persistent=False)
        self.register_buffer("nothing", None)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.kept


# The first call fills the cache, which a second one would only read: 2 * 9 MACs, 9 weights.
@case(shape=(2, 3), macs=18, params=9)
class CachesInEval(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = parameter(3, 3)
        self.cache: dict[str, Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        if "w" not in self.cache:
            self.cache["w"] = self.w * 2
        return x @ self.cache["w"]


# Train mode: batch norm counts its batches, and those reads are no dataflow. 4 pixels * 16.
@case(
    shape=(2, 4, 2, 2), macs=128, params=24, mode="train",
    edges="input>conv2d conv2d>batch_norm batch_norm>dropout dropout>output",
)  # fmt: skip
def Training() -> nn.Module:
    return nn.Sequential(nn.Conv2d(4, 4, 1, bias=False), nn.BatchNorm2d(4), nn.Dropout(0.5))


# ------------------------------------------------------------------ values decide


# The sum of the (random normal) input is not below -1e9: one linear layer of 9, batch 2.
@case(shape=(2, 3), macs=18, params=18, device="cpu", unread=("b.weight",))
class SumDecides(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.a(x) if x.sum() > -1e9 else self.b(x)


# All rows are kept by the mask: 2 * 9.
@case(shape=(2, 3), macs=18, params=9, device="cpu")
class BooleanMask(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(3, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.a(x[x.sum(1) > -1e9])


@case(shape=(2, 3), macs=18, params=9, device="cpu")
class Nonzero(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(3, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        rows = torch.nonzero(x.sum(1) > -1e9).flatten()
        return self.a(x[rows])


# As many steps as the largest value of an integer input, which is zero when made up: one.
@case(
    args=lambda: (torch.zeros(2, 3), torch.tensor(2)), macs=36, params=9, device="cpu",
)  # fmt: skip
class ItemDecides(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(3, 3, bias=False)

    def forward(self, x: Tensor, steps: Tensor) -> Tensor:
        for _ in range(steps.item()):
            x = self.a(x)
        return x


# Through numpy and back: 2 * 9.
@case(shape=(2, 3), macs=18, params=9, device="cpu")
class ThroughNumpy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(3, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.a(torch.from_numpy(x.numpy() * 2))


# A model without values whose control flow asks for them: it gets some.
@case(shape=(2, 3), macs=18, params=18, device="cpu", unread=("b.weight",))
def SumDecidesOnMeta() -> nn.Module:
    return SumDecides().to("meta")


# Attention for real takes torch's fused fast path, which would hide what it does.
@case(shape=(2, 5, 8), macs=5920, params=600, device="cpu")
class FastPath(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) if x.sum() > -1e9 else x


# ------------------------------------------------------------------ exceptions and shapes


# The first layer does not fit, the model goes on with the second, twice: 2 * 9.
@case(
    shape=(1, 3), macs=18, params=24, unread=("a.weight",),
    edges="input>linear linear>linear@1 linear@1>output",
)  # fmt: skip
class CatchesAnException(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(5, 3, bias=False), nn.Linear(3, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        try:
            x = self.a(x)
        except RuntimeError:
            x = self.b(x)
        return self.b(x)


# 300 layers of 1 weight in a row; 300 in parallel, summed.
@case(shape=(1, 1), macs=300, params=300)
def VeryDeep() -> nn.Module:
    return nn.Sequential(*(nn.Linear(1, 1, bias=False) for _ in range(300)))


@case(shape=(1, 1), macs=300, params=300)
class VeryWide(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Linear(1, 1, bias=False) for _ in range(300))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


# A model that calls itself on the flipped image: twice 64.
@case(shape=(1, 4, 2, 2), macs=128, params=16)
class CallsItself(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(4, 4, 1, bias=False)

    def forward(self, x: Tensor, again: bool = True) -> Tensor:
        y = self.a(x)
        return y + self(x.flip(-1), again=False) if again else y


# Named children in an ordered dictionary, one of them without parameters, one absent.
@case(shape=(1, 4), macs=8, params=10, edges="input>linear linear>output")
class AbsentChild(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(OrderedDict(fc=nn.Linear(4, 2), same=nn.Identity()))
        self.register_module("nothing", None)
        self.register_parameter("none", None)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def names(device: str | None = None) -> list[str]:
    """Names of all nets, or of those that run on this device."""
    return [name for name, net in CASES.items() if device in (None, net.device)]


def options(trace: Trace) -> Mapping[str, Any]:
    """Attributes of the trace's only op that is not an input."""
    (op,) = (op for op in trace.ops if op.kind != "input")
    return op.attrs
