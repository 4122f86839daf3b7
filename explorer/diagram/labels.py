"""What is written in a box: "3×3 conv, 64, /2", "batch norm", "ReLU"."""

from __future__ import annotations

from explorer.analysis.layers import axes_text, window_of
from explorer.analysis.units import shape_text
from explorer.dataflow import Dataflow
from explorer.text import N_, _
from explorer.trace.records import OpRecord, Trace

Shape = tuple[int, ...]

_HIDDEN = frozenset(("reshape", "bookkeeping", "constant"))
"""Kinds that rename or move values; a figure shows them by the shape on the edge."""
_STRIPS = frozenset(
    ("normalization", "activation", "softmax", "dropout", "elementwise", "add", "multiply")
)
"""Kinds that are drawn as a narrow strip where they join no paths."""
_NAMES = {
    "adaptive_avg_pool2d": N_("average pool"),
    "adaptive_max_pool2d": N_("max pool"),
    "avg_pool2d": N_("average pool"),
    "bmm": N_("matrix product"),
    "cat": N_("concat"),
    "celu": "CELU",
    "elu": "ELU",
    "gelu": "GELU",
    "hardsigmoid": N_("hard sigmoid"),
    "hardswish": N_("hard swish"),
    "hardtanh": N_("clip"),
    "leaky_relu": N_("leaky ReLU"),
    "matmul": N_("matrix product"),
    "max_pool2d": N_("max pool"),
    "pad": N_("pad"),
    "constant_pad_nd": N_("pad"),
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
    if op.kind == "padding":
        return not any(op.attrs.get("pad", (1,)))
    return op.kind in _HIDDEN and not (is_subsampling(op) or _move(op))


def is_subsampling(op: OpRecord) -> bool:
    """Whether an op keeps every n-th pixel of its input."""
    return op.name == "slice" and op.attrs.get("step", 1) > 1


def _move(op: OpRecord) -> str:
    """What papers call an op that only moves values, "" if they do not speak of it."""
    shape, attrs = op.input_tensors[0].shape if op.input_tensors else (), op.attrs
    if op.name == "roll":
        return _("cyclic shift, {n}").format(
            n=", ".join(map(str, attrs["shifts"])).replace("-", "−")
        )
    if op.name == "select" and len(shape) == 3 and attrs["dim"] == 1:
        return _("token {n} of {total}").format(n=attrs["index"], total=shape[1])
    if op.name == "channel_shuffle":
        return _("channel shuffle, {n} groups").format(n=attrs["groups"])
    if op.name == "transpose" and len(shape) == 5 and {attrs["dim0"], attrs["dim1"]} == {1, 2}:
        return _("channel shuffle, {n} groups").format(n=shape[1])
    return ""


def is_strip(op: OpRecord) -> bool:
    """Whether an op is drawn as a narrow strip: it works on one input, element by element."""
    return op.kind in _STRIPS or bool(_move(op))


def constant_of(trace: Trace, flow: Dataflow, op: OpRecord) -> str:
    """What an op adds to its input that does not come from the model's input, "" for nothing.

    It is the last part of a parameter's name, or "constant".
    """
    if op.kind not in ("add", "multiply", "concat") or len(flow.preds[op.index]) != 1:
        return ""
    names = [*op.parameters]
    dead = [value.op for value in op.inputs if not flow.live[value.op]]
    seen = 0
    while dead and seen < 64:  # a bias may be computed by a few ops from a parameter
        source = trace.ops[dead.pop()]
        names += source.parameters
        dead += [value.op for value in source.inputs]
        seen += 1
    if names:
        return names[0].rpartition(".")[2]
    return "constant" if len(op.input_tensors) > 1 else ""


def label(op: OpRecord) -> str:
    """Text of an op's box."""
    if op.kind == "convolution":
        return _convolution(op)
    if op.kind == "linear":
        return _("linear, {n}").format(n=op.outputs[0].shape[-1])
    if op.kind == "attention":
        query = op.input_tensors[0].shape
        if len(query) > 3:
            return _("attention, {n} heads of {width}").format(n=query[-3], width=query[-1])
        return _("attention")
    if op.kind in ("pooling", "reduction"):
        return _pooling(op)
    if is_subsampling(op) or _move(op):
        return _move(op) or _subsampling(op)
    if op.name.rstrip("_") == "hardtanh" and (op.attrs.get("min_val"), op.attrs.get("max_val")) == (
        0,
        6,
    ):
        return "ReLU6"
    if op.kind == "multiply":
        return _("scale") if op.name.startswith("mul") else _("divide")
    if op.kind == "padding":
        return _("zero pad") if op.attrs.get("mode", "constant") == "constant" else _("pad")
    name = op.name.rstrip("_")
    return _(_NAMES.get(name, name.replace("_", " ")))


def _subsampling(op: OpRecord) -> str:
    start = op.attrs.get("start") or 0
    return _("subsample, /{n}").format(n=op.attrs["step"]) + (
        _(" from {n}").format(n=start) if start else ""
    )


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
    kind = (
        N_("{size} transposed conv")
        if transposed
        else N_("{size} depthwise conv")
        if depthwise
        else N_("{size} conv")
    )
    parts = [_(kind).format(size=axes_text(weight[2:])), str(op.outputs[0].shape[1])]
    stride = _strided(window.stride)
    if stride:
        parts.append(f"{'×' if transposed else '/'}{stride}")
    if window.dilation and set(window.dilation) != {1}:
        parts.append(_("dilation {n}").format(n=window.dilation[0]))
    if groups > 1 and not depthwise:
        parts.append(_("{n} groups").format(n=groups))
    return ", ".join(parts)


def _pooling(op: OpRecord) -> str:
    name = _(_NAMES.get(op.name.rstrip("_"), op.name.replace("_", " ")))
    window = window_of(op)
    if window.kernel:
        stride = _strided(window.stride)
        return f"{axes_text(window.kernel)} {name}" + (f", /{stride}" if stride else "")
    if op.kind == "reduction":
        return _("average") if op.name == "mean" else name
    out = shape_of(op)[2:]
    return (
        _("global {name}").format(name=name)
        if set(out) == {1}
        else _("{name} to {size}").format(name=name, size=axes_text(out))
    )


def _strided(stride: Shape | None) -> str:
    if not stride or set(stride) == {1}:
        return ""
    return str(stride[0]) if len(set(stride)) == 1 else axes_text(stride)
