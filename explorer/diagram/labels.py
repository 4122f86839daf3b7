"""What is written in a box: "3×3 conv, 64, /2", "batch norm", "ReLU"."""

from __future__ import annotations

from explorer.analysis.layers import axes_text, window_of
from explorer.analysis.units import shape_text
from explorer.trace.records import OpRecord, Trace

Shape = tuple[int, ...]

_HIDDEN = frozenset(("reshape", "bookkeeping", "constant"))
"""Kinds that rename or move values; a figure shows them by the shape on the edge."""
_STRIPS = frozenset(
    ("normalization", "activation", "softmax", "dropout", "elementwise", "add", "multiply")
)
"""Kinds that are drawn as a narrow strip where they join no paths."""
_NAMES = {
    "adaptive_avg_pool2d": "average pool",
    "adaptive_max_pool2d": "max pool",
    "avg_pool2d": "average pool",
    "bmm": "matrix product",
    "cat": "concat",
    "celu": "CELU",
    "elu": "ELU",
    "gelu": "GELU",
    "hardsigmoid": "hard sigmoid",
    "hardswish": "hard swish",
    "hardtanh": "clip",
    "leaky_relu": "leaky ReLU",
    "matmul": "matrix product",
    "max_pool2d": "max pool",
    "pad": "pad",
    "constant_pad_nd": "pad",
    "prelu": "PReLU",
    "relu": "ReLU",
    "relu6": "ReLU6",
    "selu": "SELU",
    "silu": "SiLU",
}


def is_hidden(op: OpRecord) -> bool:
    """Whether an op is left out of a figure: it computes nothing and drops no pixels."""
    if op.kind == "dropout":
        return not op.attrs.get("train", op.attrs.get("training", False))
    return op.kind in _HIDDEN and not is_subsampling(op)


def is_subsampling(op: OpRecord) -> bool:
    """Whether an op keeps every n-th pixel of its input."""
    return op.name == "slice" and op.attrs.get("step", 1) > 1


def is_strip(op: OpRecord) -> bool:
    """Whether an op is drawn as a narrow strip: it works on one input, element by element."""
    return op.kind in _STRIPS


def label(op: OpRecord) -> str:
    """Text of an op's box."""
    if op.kind == "convolution":
        return _convolution(op)
    if op.kind == "linear":
        return f"linear, {op.outputs[0].shape[-1]}"
    if op.kind == "attention":
        query = op.input_tensors[0].shape
        heads = f", {query[-3]} heads of {query[-1]}" if len(query) > 3 else ""
        return f"attention{heads}"
    if op.kind in ("pooling", "reduction"):
        return _pooling(op)
    if is_subsampling(op):
        return f"subsample, /{op.attrs['step']}"
    if op.name.rstrip("_") == "hardtanh" and (op.attrs.get("min_val"), op.attrs.get("max_val")) == (
        0,
        6,
    ):
        return "ReLU6"
    if op.kind == "multiply":
        return "scale" if op.name.startswith("mul") else "divide"
    if op.kind == "padding":
        return "zero pad" if op.attrs.get("mode", "constant") == "constant" else "pad"
    name = op.name.rstrip("_")
    return _NAMES.get(name, name.replace("_", " "))


def shape_of(op: OpRecord) -> Shape:
    """Shape of an op's first result."""
    return op.outputs[0].shape if op.outputs else ()


def edge_text(shape: Shape, batch: int) -> str:
    """A shape for an edge, without the batch wherever it stands.

    Windows or heads that were folded into the batch stay, because they do count.
    """
    if len(shape) > 1 and shape[0] == batch:
        return shape_text(shape)
    if len(shape) == 3 and shape[1] == batch:  # sequence first, as in MultiheadAttention
        return shape_text((batch, shape[0], shape[2]))
    return shape_text(shape, batch=True)


def batch_of(trace: Trace) -> int:
    """Images in the batch of the traced input."""
    first = next((op for op in trace.ops if op.kind == "input" and shape_of(op)), None)
    return shape_of(first)[0] if first else 1


def _convolution(op: OpRecord) -> str:
    window, weight = window_of(op), op.input_tensors[1].shape
    groups = window.groups or 1
    transposed = "transpose" in op.name
    depthwise = groups > 1 and groups == op.input_tensors[0].shape[1]
    kind = "transposed conv" if transposed else "depthwise conv" if depthwise else "conv"
    parts = [f"{axes_text(weight[2:])} {kind}", str(op.outputs[0].shape[1])]
    stride = _strided(window.stride)
    if stride:
        parts.append(f"{'×' if transposed else '/'}{stride}")
    if window.dilation and set(window.dilation) != {1}:
        parts.append(f"dilation {window.dilation[0]}")
    if groups > 1 and not depthwise:
        parts.append(f"{groups} groups")
    return ", ".join(parts)


def _pooling(op: OpRecord) -> str:
    name = _NAMES.get(op.name.rstrip("_"), op.name.replace("_", " "))
    window = window_of(op)
    if window.kernel:
        stride = _strided(window.stride)
        return f"{axes_text(window.kernel)} {name}" + (f", /{stride}" if stride else "")
    if op.kind == "reduction":
        return "average" if op.name == "mean" else name
    out = shape_of(op)[2:]
    return f"global {name}" if set(out) == {1} else f"{name} to {axes_text(out)}"


def _strided(stride: Shape | None) -> str:
    if not stride or set(stride) == {1}:
        return ""
    return str(stride[0]) if len(set(stride)) == 1 else axes_text(stride)
