"""Predicted memory against what a real pass on the CPU holds, and against sums by hand."""

from __future__ import annotations

import math
import pickle
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from explorer.analysis.memory import (
    OPTIMIZERS,
    inference_memory,
    largest_batch,
    precisions,
    training_memory,
)
from explorer.errors import ExplorerError, OptionError
from explorer.trace import trace_model
from explorer.trace.live import tensors_in
from explorer.trace.records import Trace
from explorer.zoo import build_model
from tests.analysis.nets import small

Shape = tuple[int, ...]


# ------------------------------------------------------------------ what really happens


class Watch(TorchDispatchMode):
    """Follows the storages that a plain pass allocates, from birth to death.

    Attributes:
        peak: most bytes that they held at once.
    """

    def __init__(self, known: Iterable[Tensor]) -> None:
        super().__init__()
        self.alive = {t.untyped_storage()._cdata for t in known}
        self.now = self.peak = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tensors_in(out):
            storage = tensor.untyped_storage()
            key, size = storage._cdata, storage.nbytes()
            if key not in self.alive:
                self.alive.add(key)
                self.now += size
                self.peak = max(self.peak, self.now)
                weakref.finalize(storage, self.let_go, key, size).atexit = False
        return out

    def let_go(self, key: int, size: int) -> None:
        self.alive.discard(key)
        self.now -= size


def weights_of(model: nn.Module) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]


def real_peak(model: nn.Module, x: Tensor) -> int:
    """Bytes of the input and of all activations at the worst moment of a real pass."""
    with torch.inference_mode(), Watch([*weights_of(model), x]) as watch:
        model(x)
    return watch.peak + x.nbytes


def really_saved(model: nn.Module, x: Tensor) -> int:
    """Bytes of the storages that autograd packs; parameters, buffers and input left out."""
    left_out = {t.untyped_storage()._cdata for t in (*weights_of(model), x)}
    found: dict[int, int] = {}
    packed: list[Tensor] = []  # kept, so that no address is used again

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in left_out:
            found[storage._cdata] = storage.nbytes()
            packed.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(x)
    return sum(found.values())


def in_training(model: nn.Module, shape: Shape) -> Trace:
    return trace_model(model, shape, mode="train")


def built(name: str, **options: Any) -> nn.Module:
    torch.manual_seed(0)
    return build_model(name, **options)


INFERENCE = [
    ("lenet5", (2, 1, 32, 32)),
    ("alexnet", (1, 3, 224, 224)),
    ("vgg11_bn", (1, 3, 64, 64)),
    ("googlenet", (1, 3, 64, 64)),
    ("inception_v3", (1, 3, 96, 96)),
    ("resnet18", (2, 3, 64, 64)),
    ("resnet50", (1, 3, 64, 64)),
    ("seresnet50", (1, 3, 64, 64)),
    ("densenet121", (1, 3, 64, 64)),
    ("xception", (1, 3, 96, 96)),
    ("squeezenet1_1", (1, 3, 64, 64)),
    ("mobilenet_v2", (2, 3, 64, 64)),
    ("mobilenet_v3_large", (1, 3, 64, 64)),
    ("shufflenet_v2_x0_5", (2, 3, 64, 64)),
    ("efficientnet_b0", (1, 3, 64, 64)),
    ("convnext_tiny", (1, 3, 64, 64)),
    ("hrnet_w18", (1, 3, 64, 64)),
    ("osnet_x0_25", (1, 3, 128, 64)),
    ("deit_tiny_patch16_224", (2, 3, 224, 224)),
]

TRAINING = [
    ("lenet5", (2, 1, 32, 32), {}),
    ("lenet5_paper", (2, 1, 32, 32), {}),
    ("alexnet_paper", (2, 3, 227, 227), {}),
    ("vgg11_bn", (2, 3, 64, 64), {}),
    ("googlenet", (2, 3, 64, 64), {}),
    ("resnet18", (2, 3, 64, 64), {}),
    ("seresnet50", (2, 3, 64, 64), {}),
    ("densenet121", (2, 3, 64, 64), {}),
    ("xception", (2, 3, 64, 64), {}),
    ("squeezenet1_1", (2, 3, 64, 64), {}),
    ("mobilenet_v2", (2, 3, 64, 64), {}),
    ("mobilenet_v3_large", (2, 3, 64, 64), {}),
    ("shufflenet_v1_x0_5", (2, 3, 64, 64), {}),
    ("shufflenet_v2_x0_5", (2, 3, 64, 64), {}),
    ("efficientnet_b0", (2, 3, 64, 64), {}),
    ("convnext_tiny", (2, 3, 64, 64), {}),
    ("hrnet_w18", (2, 3, 64, 64), {}),
    ("osnet_x0_25", (2, 3, 128, 64), {}),
    ("vit_b_16", (2, 3, 64, 64), {"image_size": (64, 64)}),
    ("deit_tiny_patch16_224", (2, 3, 224, 224), {}),
    ("vt_resnet50", (2, 3, 64, 64), {}),
]


@pytest.mark.parametrize(("name", "shape"), INFERENCE)
def test_the_eager_peak_is_that_of_a_real_pass(name: str, shape: Shape):
    model = built(name).eval()
    assert inference_memory(trace_model(model, shape)).eager_peak == real_peak(
        model, torch.zeros(shape)
    )


@pytest.mark.parametrize(("name", "shape", "options"), TRAINING)
def test_what_is_kept_for_the_backward_pass_is_what_autograd_packs(
    name: str, shape: Shape, options: dict[str, Any]
):
    model = built(name, **options).train()
    found = training_memory(in_training(model, shape))
    assert not found.unknown_ops
    assert found.saved_bytes == really_saved(model, torch.randn(shape))
    assert found.saved_bytes == sum(kept.nbytes for kept in found.kept)


# ------------------------------------------------------------------ op by op


class Between(nn.Module):
    """An op whose input needs a gradient, and whose result something keeps."""

    def __init__(self, op: Callable[[Tensor], Tensor], layer: nn.Module | None = None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.op = op
        self.layer = layer or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        # The sum keeps nothing: its operands are not needed again.
        return F.gelu(self.layer(self.op(self.conv(x) + 1)))


def tokens(x: Tensor) -> Tensor:
    """(2, 8, 8, 8) as 64 tokens of 8 channels, not in the order of memory."""
    return x.flatten(2).transpose(1, 2)


def heads(x: Tensor) -> Tensor:
    """Self-attention of two heads, as a transformer splits and joins them."""
    q = tokens(x).contiguous().view(2, 64, 2, 4).transpose(1, 2)
    return F.scaled_dot_product_attention(q, q, q).transpose(1, 2).reshape(2, 64, 8)


OPS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "relu in place": lambda x: F.relu(x, inplace=True),
    "relu6 in place keeps a copy": lambda x: F.relu6(x, inplace=True),
    "hardtanh": F.hardtanh,
    "silu": F.silu,
    "silu in place keeps a copy": lambda x: F.silu(x, inplace=True),
    "hardswish in place keeps a copy": lambda x: F.hardswish(x, inplace=True),
    "leaky relu in place": lambda x: F.leaky_relu(x, inplace=True),
    "elu in place": lambda x: F.elu(x, inplace=True),
    "threshold in place": lambda x: F.threshold(x, 0.1, 0.0, inplace=True),
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "gelu": F.gelu,
    "mish": F.mish,
    "softplus": F.softplus,
    "log sigmoid": F.logsigmoid,
    "glu": lambda x: F.glu(x, 1),
    "softmax": lambda x: x.softmax(1),
    "log softmax": lambda x: x.log_softmax(1),
    "dropout": lambda x: F.dropout(x, 0.5),
    "dropout in place": lambda x: F.dropout(x, 0.5, inplace=True),
    "dropout of nothing": lambda x: F.dropout(x, 0.0),
    "dropout of channels": lambda x: F.dropout2d(x, 0.5),
    "times a number": lambda x: x * 2.5,
    "times a constant": lambda x: x * torch.ones_like(x),
    "product": lambda x: x * (x + 2),
    "product with itself": lambda x: x * x,
    "product in place": lambda x: x.mul_(x + 2),
    "quotient": lambda x: x / (x + 2),
    "quotient by a number": lambda x: x / 2,
    "sum in place": lambda x: x.add_(x + 1),
    "stopped gradient": lambda x: x.detach() * (x + 2),
    "max pooling": lambda x: F.max_pool2d(x, 2),
    "max pooling with indices": lambda x: F.max_pool2d(x, 2, return_indices=True)[0],
    "adaptive max pooling": lambda x: F.adaptive_max_pool2d(x, 2),
    "average pooling": lambda x: F.avg_pool2d(x, 2),
    "adaptive average pooling": lambda x: F.adaptive_avg_pool2d(x, 2),
    "global average pooling": lambda x: F.adaptive_avg_pool2d(x, 1),
    "global average pooling in 3d": lambda x: F.adaptive_avg_pool3d(x.unsqueeze(1), 1),
    "mean": lambda x: x.mean((2, 3)),
    "greatest": lambda x: x.amax(1),
    "maximum": lambda x: x.max(1)[0],
    "largest two": lambda x: x.topk(2, 1)[0],
    "normalized": F.normalize,
    "group normalization": lambda x: F.group_norm(x, 2),
    "instance normalization": F.instance_norm,
    "local response normalization": lambda x: F.local_response_norm(x, 2),
    "root mean square": lambda x: F.rms_norm(x, (8, 8)),
    "matrices": lambda x: tokens(x) @ (x + 2).flatten(2),
    "matrices of heads that must be copied": lambda x: (
        x.permute(0, 2, 1, 3) @ (x + 2).permute(0, 2, 3, 1)
    ),
    "attention of heads": heads,
    "attention as it lies": lambda x: (
        F.scaled_dot_product_attention(x, x + 1, x + 2).transpose(1, 2).flatten(2)
    ),
    "concatenation": lambda x: torch.cat([x, x + 2], 1),
    "upsampling": lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"),
    "padding": lambda x: F.pad(x, (1, 1, 1, 1)),
    "reflection": lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect"),
    "power": lambda x: x**3,
    "square root": lambda x: x.abs().sqrt(),
    "choice": lambda x: torch.where(x > 0, x, x + 2),
    "filled": lambda x: x.masked_fill(x > 0, 0.0),
    "lookup": lambda x: x[:, torch.tensor([1, 2, 2])],
    "shuffle": lambda x: F.channel_shuffle(x, 2),
    "patches": lambda x: F.unfold(x, 2),
}

LAYERS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[], nn.Module]]] = {
    "linear over what must be copied": (tokens, lambda: nn.Linear(8, 4)),
    "linear without bias": (tokens, lambda: nn.Linear(8, 4, bias=False)),
    "layer normalization": (tokens, lambda: nn.LayerNorm(8)),
    "root mean square with a weight": (tokens, lambda: nn.RMSNorm(8)),
    "instance normalization with a weight": (F.relu, lambda: nn.InstanceNorm2d(8, affine=True)),
    "batch normalization": (F.relu, lambda: nn.BatchNorm2d(8)),
    "grouped convolution": (F.relu, lambda: nn.Conv2d(8, 8, 3, groups=8)),
    "transposed convolution": (F.relu, lambda: nn.ConvTranspose2d(8, 4, 2, 2)),
    "frozen convolution": (torch.cos, lambda: nn.Conv2d(8, 4, 1).requires_grad_(False)),
    "frozen linear": (torch.cos, lambda: nn.Linear(8, 4).requires_grad_(False)),
    "prelu": (torch.cos, lambda: nn.PReLU(8)),
}


@pytest.mark.parametrize("op", OPS.values(), ids=OPS)
def test_each_op_keeps_what_autograd_packs(op: Callable[[Tensor], Tensor]):
    check_saved(Between(op))


@pytest.mark.parametrize(("op", "layer"), LAYERS.values(), ids=LAYERS)
def test_each_layer_keeps_what_autograd_packs(
    op: Callable[[Tensor], Tensor], layer: Callable[[], nn.Module]
):
    check_saved(Between(op, layer()))


def check_saved(model: nn.Module) -> None:
    found = training_memory(in_training(model, (2, 3, 8, 8)))
    assert not found.unknown_ops
    assert found.saved_bytes == really_saved(model.train(), torch.randn(2, 3, 8, 8))


def test_nothing_is_kept_where_no_gradient_flows():
    model = Between(F.silu).requires_grad_(False)
    found = training_memory(in_training(model, (2, 3, 8, 8)))
    assert (found.saved_bytes, found.gradient_bytes, found.kept) == (0, 0, ())
    assert found.saved_bytes == really_saved(model.train(), torch.randn(2, 3, 8, 8))


def test_an_op_without_a_rule_is_named_and_makes_the_total_a_lower_bound():
    model = Between(lambda x: torch.linalg.svdvals(x))
    found = training_memory(in_training(model, (2, 3, 8, 8)))
    assert found.unknown_ops
    assert found.is_lower_bound
    assert found.saved_bytes < really_saved(model.train(), torch.randn(2, 3, 8, 8))
    assert largest_batch(in_training(model, (2, 3, 8, 8)), 10**6, training=True).is_lower_bound


# ------------------------------------------------------------------ by hand


def chain() -> nn.Module:
    """At (2, 1, 4, 4), in float32, 4 bytes each; the input has 32 elements, 128 B.

    conv1  1 -> 2, 1x1: 2 + 2 weights, out 2*2*4*4 = 64 elements, 256 B
    relu   in place
    conv2  2 -> 4, 1x1: 8 + 4 weights, out 2*4*4*4 = 128 elements, 512 B
    pool   2x2: out 2*4*2*2 = 32 elements, 128 B, and 32 int64 indices, 256 B
    """
    return nn.Sequential(
        nn.Conv2d(1, 2, 1), nn.ReLU(inplace=True), nn.Conv2d(2, 4, 1), nn.MaxPool2d(2)
    )


def test_inference_by_hand():
    found = inference_memory(trace_model(chain(), (2, 1, 4, 4)))
    assert found.input_bytes == 128
    # input; + conv1; the same; + conv2; the pool's input is still there, conv1 no longer.
    assert found.eager == (128, 128 + 256, 128 + 256, 128 + 256 + 512, 128 + 512 + 128)
    assert (found.eager_peak, found.eager_op, found.eager_key) == (896, 3, "2")
    assert [(a.key, a.nbytes) for a in found.alive] == [("2", 512), ("0", 256), ("input", 128)]
    # Freed after its last reader, the input is there for conv1 alone.
    assert found.ideal == (128, 128 + 256, 256, 256 + 512, 512 + 128)
    assert (found.ideal_peak, found.ideal_op, found.ideal_key) == (768, 3, "2")
    assert found.parameter_bytes == 4 * (2 + 2 + 8 + 4)
    assert found.buffer_bytes == 0
    assert found.total == 896 + 64


def test_training_by_hand():
    found = training_memory(in_training(chain(), (2, 1, 4, 4)), "adam")
    # conv1's input is the model's; relu and conv2 keep one block, 256; the pool its input and
    # the indices, 512 + 256.
    assert found.saved_bytes == 256 + 512 + 256
    assert [(k.key, k.what, k.nbytes) for k in found.kept] == [
        ("3", "input", 512),
        ("1", "output", 256),
        ("3", "indices", 256),
    ]
    assert found.input_bytes == 128
    assert found.parameter_bytes == found.gradient_bytes == 64
    # Two moments of 64 B, and a step of 4 B for each of the four parameters.
    assert found.optimizer_bytes == 2 * 64 + 4 * 4
    # Worst is the pool's backward pass: the gradients of its result and of its input.
    assert found.working_bytes == 128 + 512
    assert found.total == 64 + 64 + 144 + 128 + 1024 + 640


def test_batch_normalization_by_hand():
    trace = in_training(nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)), (2, 1, 4, 4))
    found = training_memory(trace)
    # Its input, 64 elements, and mean and deviation of two channels; these do not grow.
    assert found.saved_bytes == 4 * 64 + 4 * 2 * 2
    assert training_memory(trace, batch=20).saved_bytes == 10 * 4 * 64 + 4 * 2 * 2
    # Running mean and variance of two channels, and a counter of 8 bytes.
    assert found.buffer_bytes == 4 * 4 + 8


def test_a_local_variable_keeps_memory_that_the_dataflow_no_longer_needs():
    class Local(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            a = x + 1
            b = a + 1
            return b + 1

    # 4 bytes: at the last sum eager has x, a, b and the result, ideal b and the result.
    found = inference_memory(trace_model(Local(), (1, 1)))
    assert found.eager == (4, 8, 12, 16)
    assert found.ideal == (4, 8, 8, 8)


def test_what_is_alive_adds_up_to_the_peak():
    for name in ("densenet121", "googlenet", "mobilenet_v2"):
        found = inference_memory(trace_model(name, (2, 3, 64, 64)))
        assert sum(a.nbytes for a in found.alive) == found.eager_peak == max(found.eager)
        assert sum(a.nbytes for a in found.ideal_alive) == found.ideal_peak == max(found.ideal)
        assert all(i <= e for i, e in zip(found.ideal, found.eager, strict=True))


# ------------------------------------------------------------------ weights and optimizers


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("sgd", lambda p: torch.optim.SGD(p, 0.1)),
        ("momentum", lambda p: torch.optim.SGD(p, 0.1, momentum=0.9)),
        ("adam", torch.optim.Adam),
        ("adamw", torch.optim.AdamW),
    ],
)
def test_the_optimizer_s_state_is_that_of_a_real_step(name: str, make: Any):
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.never = nn.Linear(4, 4), nn.Linear(4, 4)
            self.frozen = nn.Linear(4, 4).requires_grad_(False)

        def forward(self, x: Tensor) -> Tensor:
            return self.frozen(self.used(x))

    model = Half()
    optimizer = make(model.parameters())
    model(torch.ones(2, 4)).sum().backward()
    optimizer.step()
    states = [value for state in optimizer.state.values() for value in state.values()]
    found = training_memory(in_training(model, (2, 4)), name)
    assert found.optimizer_bytes == sum(t.nbytes for t in states if isinstance(t, Tensor))
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    assert found.gradient_bytes == sum(grad.nbytes for grad in grads)
    assert found.parameter_bytes == sum(p.nbytes for p in model.parameters())


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "densenet121", "squeezenet1_1"])
def test_the_total_is_an_upper_bound_near_a_real_step(name: str):
    shape = (4, 3, 96, 96)
    model, x = built(name).train(), torch.randn(shape)
    with Watch([*weights_of(model), x]) as watch:
        loss = sum(out.sum() for out in tensors_in(model(x)))
        assert isinstance(loss, Tensor)
        loss.backward()
        del loss
    found = training_memory(in_training(model, shape))
    predicted = found.saved_bytes + found.working_bytes + found.gradient_bytes
    # A real step has no parameter's gradient before its layer's backward pass.
    assert watch.peak <= predicted <= 1.25 * watch.peak


# ------------------------------------------------------------------ other batches and types


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("lenet5_paper", (1, 32, 32)),
        ("resnet18", (3, 64, 64)),
        ("densenet121", (3, 64, 64)),
        ("efficientnet_b0", (3, 64, 64)),
        ("convnext_tiny", (3, 64, 64)),
        ("deit_tiny_patch16_224", (3, 224, 224)),
        ("vt_resnet50", (3, 64, 64)),
    ],
)
def test_another_batch_takes_what_a_trace_of_that_batch_says(name: str, image: Shape):
    few, many = (trace_model(name, (n, *image)) for n in (2, 7))
    a, b = inference_memory(few, batch=7), inference_memory(many)
    assert (a.eager, a.ideal, a.input_bytes) == (b.eager, b.ideal, b.input_bytes)
    few, many = (trace_model(name, (n, *image), mode="train") for n in (2, 7))
    assert training_memory(few, batch=7) == training_memory(many)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("checkpoint", [False, True])
def test_the_largest_batch_fits_and_the_next_does_not(training: bool, checkpoint: bool):
    budget = 300 * 2**20
    mode = "train" if training else "eval"

    def total(batch: int) -> int:
        trace = trace_model("resnet18", (batch, 3, 96, 96), mode=mode)
        if not training:
            return inference_memory(trace).total
        return training_memory(trace, "adam", checkpoint=checkpoint).total

    trace = trace_model("resnet18", (2, 3, 96, 96), mode=mode)
    options: Any = {"optimizer": "adam", "checkpoint": checkpoint} if training else {}
    found = largest_batch(trace, budget, training=training, **options)
    assert found.batch > 1
    assert found.total == total(found.batch) <= budget
    assert found.next_total == total(found.batch + 1) > budget


def test_no_image_fits_where_the_weights_alone_are_too_large():
    found = largest_batch(trace_model("resnet18", (1, 3, 64, 64)), 2**20)
    assert found.batch == 0
    assert found.total > 2**20


def test_a_real_bfloat16_pass_takes_what_is_predicted():
    model = built("resnet18").eval()
    trace = trace_model(model, (1, 3, 64, 64))
    found = inference_memory(trace, dtype="bfloat16")
    model.to(torch.bfloat16)
    assert found.eager_peak == real_peak(model, torch.zeros(1, 3, 64, 64, dtype=torch.bfloat16))
    assert found.parameter_bytes == sum(p.nbytes for p in model.parameters())
    assert found.buffer_bytes == sum(b.nbytes for b in model.buffers())


def test_types_by_hand():
    trace = trace_model(chain(), (2, 1, 4, 4))
    rows = [(p.dtype, p.weight_bytes, p.activation_bytes) for p in precisions(trace)]
    # 16 weights; 224 elements at the peak.
    assert rows == [
        ("float32", 64, 896),
        ("float16", 32, 448),
        ("bfloat16", 32, 448),
        ("int8", 16, 224),
    ]
    assert "quantized to one byte" in precisions(trace)[-1].assumption


def test_a_16_bit_step_halves_everything_but_indices_and_statistics():
    trace = in_training(chain(), (2, 1, 4, 4))
    found = training_memory(trace, "momentum", "float16")
    assert found.saved_bytes == (256 + 512) // 2 + 256  # the indices are int64
    assert (found.parameter_bytes, found.gradient_bytes, found.optimizer_bytes) == (32, 32, 32)


def test_mixed_precision_keeps_weights_twice():
    trace = in_training(chain(), (2, 1, 4, 4))
    found = training_memory(trace, "momentum", "bfloat16", mixed_precision=True)
    assert (found.parameter_bytes, found.gradient_bytes, found.optimizer_bytes) == (96, 64, 64)
    assert found.saved_bytes == (256 + 512) // 2 + 256


# ------------------------------------------------------------------ checkpoints


def test_a_checkpoint_keeps_the_boundaries_and_the_largest_run():
    # Eight equal layers; each tanh keeps its output of 256 B, and a linear layer its input,
    # which is the output before. In two runs of n and 8 - n: one boundary, and the longer run;
    # in three of 3, 3 and 2: two boundaries of 256, and a run of 3 * 256, of which the last
    # is the next run's boundary, too.
    model = nn.Sequential(*(m for _ in range(8) for m in (nn.Linear(32, 32), nn.Tanh())))
    trace = in_training(model, (2, 32))
    whole, found = training_memory(trace), training_memory(trace, checkpoint=True)
    assert whole.saved_bytes == 8 * 256
    assert whole.segments == ()
    assert found.saved_bytes == min((runs - 1 + math.ceil(8 / runs)) * 256 for runs in range(1, 9))
    assert sum(s.boundary_bytes for s in found.segments) == (len(found.segments) - 1) * 256


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("vgg11_bn", (2, 3, 64, 64)),
        ("resnet50", (2, 3, 64, 64)),
        ("densenet121", (2, 3, 64, 64)),
        ("googlenet", (2, 3, 64, 64)),
        ("deit_tiny_patch16_224", (2, 3, 224, 224)),
    ],
)
def test_checkpoints_cover_every_op_once_and_need_less(name: str, shape: Shape):
    trace = trace_model(name, shape, mode="train")
    whole, found = training_memory(trace), training_memory(trace, checkpoint=True)
    assert found.total < whole.total
    assert len(found.segments) > 1
    ends = [0, *(s.last_op for s in found.segments)]
    assert ends == [*(s.first_op for s in found.segments), len(trace.ops)]
    largest = max(s.recomputed_bytes for s in found.segments)
    assert found.saved_bytes == sum(s.boundary_bytes for s in found.segments) + largest


def test_a_checkpointed_pass_really_keeps_its_boundaries():
    from torch.utils.checkpoint import checkpoint

    layers = [nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.SiLU()) for _ in range(6)]
    model = nn.Sequential(*layers)
    shape = (2, 4, 8, 8)
    found = training_memory(in_training(model, shape), checkpoint=True)
    # The runs end behind a layer's activation, so they are whole layers of `model`.
    counts = [sum(op.name == "silu" for op in in_training(model, shape).ops[s.first_op : s.last_op])
              for s in found.segments]  # fmt: skip
    assert sum(counts) == 6

    class Checkpointed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = model

        def forward(self, x: Tensor) -> Tensor:
            start = 0
            for count in counts:
                x = checkpoint(self.layers[start : start + count], x, use_reentrant=False)
                start += count
            return x

    with Watch([*model.parameters(), x := torch.randn(shape)]) as watch:
        out = Checkpointed()(x)
        kept = watch.now - out.nbytes
    assert kept == sum(s.boundary_bytes for s in found.segments)


# ------------------------------------------------------------------ what cannot be


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda t: training_memory(t, "lion"), r"no optimizer 'lion' here.*sgd, momentum, adam"),
        (lambda t: training_memory(t, dtype="int8"), r"type 'int8': choose one of float32"),
        (lambda t: training_memory(t, dtype="float8"), r"type 'float8'"),
        (lambda t: training_memory(t, batch=0), r"A batch of 0 has no image"),
        (lambda t: training_memory(t, mixed_precision=True), r"type None.*float16 or bfloat16"),
        (lambda t: inference_memory(t, dtype="int4"), r"type 'int4'.*int8"),
        (lambda t: inference_memory(t, batch=-1), r"A batch of -1"),
        (lambda t: precisions(t, ["half"]), r"type 'half'"),
        (lambda t: largest_batch(t, 0), r"A budget of 0 bytes.*positive number"),
        (lambda t: largest_batch(t, -5, training=True), r"A budget of -5 bytes"),
        (lambda t: largest_batch(t, 10, dtype="half"), r"type 'half'"),
    ],
)
def test_what_cannot_be_is_one_sentence(ask: Callable[[Trace], object], words: str):
    with pytest.raises(OptionError, match=words) as caught:
        ask(in_training(chain(), (2, 1, 4, 4)))
    assert isinstance(caught.value, ExplorerError)
    assert str(caught.value).count(".") == 1


def test_training_needs_a_trace_of_training_mode():
    with pytest.raises(OptionError, match=r"mode 'eval'.*trace the model with mode=\"train\""):
        training_memory(small())
    with pytest.raises(OptionError, match=r"mode 'eval'"):
        largest_batch(small(), 2**30, training=True)


def test_every_optimizer_is_accepted_and_none_needs_less_than_sgd():
    trace = in_training(chain(), (2, 1, 4, 4))
    totals = [training_memory(trace, name).total for name in OPTIMIZERS]
    assert totals == sorted(totals)


def test_the_figures_pickle():
    trace = in_training(chain(), (2, 1, 4, 4))
    for found in (inference_memory(trace), training_memory(trace, checkpoint=True)):
        assert pickle.loads(pickle.dumps(found)) == found
