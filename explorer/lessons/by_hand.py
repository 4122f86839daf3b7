"""A layer's numbers as one would work them out on paper: every factor, and what it stands for.

The numbers and formulas are those of `explorer.analysis.receipt`, from a trace of the real layer;
here each factor also gets its role. Where roles are not known, or would not give the recorded
number, a step keeps the receipt's formula alone.
"""

from __future__ import annotations

import ast
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Final, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explorer.analysis import Layer, layers, receipt
from explorer.analysis.layers import Window, main_op, window_of
from explorer.errors import ExplorerError
from explorer.text import ENGLISH, speaking
from explorer.trace import trace_model
from explorer.trace.records import OpRecord, Trace

Shape = tuple[int, ...]
Quantity = Literal["size", "params", "macs"]
Role = Literal[
    "filters", "inputs_each", "inputs", "outputs_each", "kernel", "biases", "pixels",
    "input_pixels", "outputs", "features", "rows", "scale", "shift", "heads", "queries", "keys",
    "query_width", "value_width", "elements", "inner", "values",
]  # fmt: skip


class LayerError(ExplorerError):
    """A layer whose numbers do not go together.

    Attributes:
        reason: "range", "divide", "padding" or "window".
        values: what the sentence is about, by name.
    """

    def __init__(self, message: str, reason: str, **values: int | str) -> None:
        self.reason = reason
        self.values = values
        super().__init__(message)


class Factor(NamedTuple):
    """One factor of a product and what it stands for."""

    role: Role
    values: Shape
    """More than one for a kernel or a map: (3, 3)."""


Term = tuple[Factor, ...]
"""A product. A step's terms are added."""


class Step(NamedTuple):
    """One number worked out."""

    quantity: Quantity
    part: str
    """The axis of a size ("height"), or the op of a layer that has several ("linear")."""
    formula: str
    """The receipt's, with the numbers filled in; it evaluates to `result`."""
    terms: tuple[Term, ...]
    """The same with roles; () if they are not known."""
    result: int
    rule: str = ""
    """Of a size: "floor", "ceil", "transposed" or "set"."""


class Part(NamedTuple):
    """A layer inside a module."""

    key: str
    """Within the module."""
    kind: str
    params: int
    macs: int
    params_formula: str
    macs_formula: str


class Work(NamedTuple):
    """A layer with its numbers worked out."""

    key: str
    title: str
    """In a reader's words, in English: "3×3 convolution, 64 channels"."""
    kind: str
    """One of `records.KINDS`, or "module" for several layers."""
    flavor: str
    """Of a convolution: "plain", "pointwise", "depthwise", "grouped" or "transposed"; of a
    normalization "batch_norm", "layer_norm" ...; else ""."""
    input_shapes: tuple[Shape, ...]
    output_shape: Shape
    window: Window
    params: int
    macs: int
    bias: bool
    """Whether it reads a bias."""
    steps: tuple[Step, ...]
    parts: tuple[Part, ...]
    """Of a module: the layers inside it that have parameters or MACs."""

    def of(self, quantity: Quantity) -> tuple[Step, ...]:
        """The steps of one quantity."""
        return tuple(step for step in self.steps if step.quantity == quantity)


# ------------------------------------------------------------------------- working


def work(trace: Trace, layer: Layer) -> Work:
    """Work out one row of `layers(trace)`.

    Args:
        trace: a traced forward.
        layer: any of its rows, at any depth.
    """
    ops = trace.ops[layer.first_op : layer.last_op]
    with speaking(ENGLISH):  # a receipt's labels say here what its lines are about
        shown = receipt(trace, layer)
        inside = _parts(trace, layer)
    main = main_op(ops)
    window = window_of(main) if main and not inside else Window()
    steps: list[Step] = []
    for line in shown.lines:
        quantity, part, rule = _meaning(line.label, main)
        if quantity:
            terms = () if inside else _terms(trace, layer, ops, quantity, part)
            right = sum(prod(prod(f.values) for f in term) for term in terms) == line.result
            step = Step(quantity, part, line.formula, terms if right else (), line.result, rule)
            steps.append(step)
    return Work(
        key=layer.key,
        title=shown.title,
        kind="module" if inside else layer.kind,
        flavor=_flavor(layer, main) if main and not inside else "",
        input_shapes=layer.input_shapes,
        output_shape=layer.output_shape,
        window=window,
        params=layer.params,
        macs=layer.macs,
        bias=any(op.bias_ops for op in ops),
        steps=tuple(steps),
        parts=inside,
    )


def find(trace: Trace, key: str) -> Layer | None:
    """The row of a layer or of a module."""
    found = next((row for row in layers(trace) if row.key == key), None)
    if found or not key:
        return found
    depths = [call.depth for call in trace.calls if call.path == key]
    return next((row for row in layers(trace, min(depths, default=0)) if row.key == key), None)


def workable(trace: Trace) -> tuple[str, ...]:
    """Keys of what is worth working out: layers that count, and the modules around a few."""
    rows = layers(trace)
    counted = [row for row in rows if row.params or row.macs]
    starts = [row.first_op for row in counted]
    places = {row.key: row.first_op for row in rows if row.params or row.macs or row.kernel}
    for call in trace.calls:
        held = bisect_left(starts, call.last_op) - bisect_left(starts, call.first_op)
        if call.children and call.path and not call.nth and 1 < held <= _MOST_PARTS:
            places[call.path] = call.first_op
    return tuple(sorted(places, key=lambda key: (places[key], key.count("."))))


_MOST_PARTS: Final = 24
"""Layers of a module that can still be read as one sum."""


def _parts(trace: Trace, layer: Layer) -> tuple[Part, ...]:
    if not layer.module_class or not trace.calls[layer.call].children:
        return ()
    found = []
    for row in layers(trace):
        if layer.first_op <= row.first_op < layer.last_op and (row.params or row.macs):
            lines = {line.label: line.formula for line in receipt(trace, row).lines}
            name = row.key.removeprefix(layer.path).lstrip(".:")
            formulas = (lines.get("Parameters", "0"), lines.get("MACs", "0"))
            found.append(Part(name, row.kind, row.params, row.macs, *formulas))
    return tuple(found)


def _meaning(label: str, main: OpRecord | None) -> tuple[Quantity | None, str, str]:
    """What a receipt's line is about: quantity, part, rule."""
    first, _, rest = label.partition(" ")
    if first == "Parameters":
        return "params", "", "shared" if rest else ""
    if label == "MACs" or label.startswith("MACs of "):
        return "macs", label.removeprefix("MACs").removeprefix(" of "), ""
    if first == "Output":
        part = rest.partition(",")[0].partition(" (")[0]
        if "set by the layer" in label:
            return "size", part, "set"
        if "ceil mode" in label:
            return "size", part, "ceil"
        transposed = main and main.kind == "convolution" and _is_transposed(main)
        windowed = part in ("length", "height", "width", "depth")
        return "size", part, "transposed" if transposed else "floor" if windowed else ""
    return None, "", ""


def _terms(
    trace: Trace, layer: Layer, ops: Sequence[OpRecord], quantity: Quantity, part: str
) -> tuple[Term, ...]:
    if quantity == "params":
        return _parameter_terms(trace, layer, ops)
    if quantity == "macs":
        counted = [op for op in ops if op.macs and (not part or op.name == part)]
        return _mac_terms(counted[0]) if len(counted) == 1 else ()
    return ()


def _parameter_terms(trace: Trace, layer: Layer, ops: Sequence[OpRecord]) -> tuple[Term, ...]:
    shapes = {record.name: record.shape for record in trace.parameters}
    seen = {name for op in trace.ops[: layer.first_op] for name in op.parameters}
    terms = []
    for op in ops:
        for name in op.parameters:
            if name in shapes and name not in seen:
                seen.add(name)
                terms.append(_parameter_term(op, name, shapes[name]))
    return tuple(terms)


def _parameter_term(op: OpRecord, name: str, shape: Shape) -> Term:
    if op.kind == "convolution" and len(shape) > 2:
        first: Role = "inputs" if _is_transposed(op) else "filters"
        second: Role = "outputs_each" if _is_transposed(op) else "inputs_each"
        return (
            Factor(first, shape[:1]), Factor(second, shape[1:2]), Factor("kernel", shape[2:]),
        )  # fmt: skip
    if op.kind == "linear" and len(shape) == 2:
        return (Factor("outputs", shape[:1]), Factor("features", shape[1:]))
    if op.kind in ("convolution", "linear") and len(shape) == 1:
        return (Factor("biases", shape),)
    if op.kind == "normalization":
        return (Factor("shift" if name.endswith("bias") else "scale", shape),)
    return (Factor("values", shape),)


def _mac_terms(op: OpRecord) -> tuple[Term, ...]:
    shapes = [tensor.shape for tensor in op.input_tensors]
    out = op.outputs[0].shape
    if op.kind == "convolution":
        transposed = _is_transposed(op)
        pixels = shapes[0] if transposed else out
        where: Role = "input_pixels" if transposed else "pixels"
        weight = _parameter_term(op, "", shapes[1])
        return ((Factor(where, pixels[:1] * (pixels[0] > 1) + pixels[2:]), *weight),)
    if op.name == "linear":
        rows = tuple(side for side in out[:-1] if side != 1)
        one = (Factor("outputs", out[-1:]), Factor("features", shapes[1][-1:]))
        return ((Factor("rows", rows), *one),) if rows else (one,)
    if op.kind == "attention" and len(shapes) > 2:
        query, key, value = shapes[:3]
        heads = tuple(side for side in query[:-2] if side != 1) or (1,)
        pairs = (
            Factor("heads", heads), Factor("queries", query[-2:-1]), Factor("keys", key[-2:-1]),
        )  # fmt: skip
        return (
            (*pairs, Factor("query_width", query[-1:])),
            (*pairs, Factor("value_width", value[-1:])),
        )
    if op.kind in ("linear", "matmul") and len(shapes) > 1:
        shared = shapes[1] if len(shapes) > 2 else shapes[0]
        return ((Factor("elements", out), Factor("inner", shared[-1:])),)
    return ()


def _is_transposed(op: OpRecord) -> bool:
    return "transpose" in op.name or bool(op.attrs.get("transposed"))


def _flavor(layer: Layer, main: OpRecord) -> str:
    if main.kind == "normalization":
        return main.name
    if main.kind != "convolution" or layer.kind != "convolution":
        return ""
    groups, kernel = window_of(main).groups or 1, window_of(main).kernel or ()
    if _is_transposed(main):
        return "transposed"
    if groups > 1:
        return "depthwise" if groups == main.input_tensors[0].shape[1] else "grouped"
    return "pointwise" if set(kernel) == {1} else "plain"


# --------------------------------------------------------------------------- LaTeX


def number_latex(value: int) -> str:
    """A number with its thousands apart, as KaTeX wants it."""
    return f"{value:,}".replace(",", "{,}")


_TIMES: Final = " \\cdot "


def formula_latex(formula: str) -> str:
    r"""A receipt's formula as LaTeX: "floor((7 - 3) / 2) + 1" -> \lfloor \frac{7 - 3}{2} ...

    Raises:
        SyntaxError: it is no formula.
        KeyError: it has an operator that receipts do not use.
    """
    return _latex(ast.parse(formula, mode="eval").body)


def _latex(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=int(number)):
            return number_latex(number)
        case ast.UnaryOp(operand=operand):
            return f"-{_in_brackets(operand, 2)}"
        case ast.Call(func=ast.Name(id=name), args=[argument]):
            return rf"\left\l{name} {_latex(argument)} \right\r{name}"
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return rf"\frac{{{_latex(left)}}}{{{_latex(right)}}}"
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return f"{_in_brackets(left, 2)}{_TIMES}{_in_brackets(right, 3)}"
        case ast.BinOp(left=left, op=op, right=right):
            sign = {ast.Add: "+", ast.Sub: "-"}[type(op)]
            return f"{_latex(left)} {sign} {_in_brackets(right, 2)}"
    raise KeyError(ast.dump(node))


def _in_brackets(node: ast.expr, least: int) -> str:
    """A part of a formula, in brackets if it binds less than what it stands in."""
    text, strength = _latex(node), 3
    if isinstance(node, ast.BinOp):
        strength = {ast.Add: 1, ast.Sub: 1, ast.Mult: 2}.get(type(node.op), 3)
    return text if strength >= least else rf"\left({text}\right)"


def terms_latex(terms: Sequence[Term], names: Mapping[str, str]) -> str:
    r"""A step's terms as LaTeX, with the name of every factor under a brace.

    Args:
        terms: of a step.
        names: role -> what is written under it; plain text, without a brace or a backslash.
    """

    def factor(each: Factor) -> str:
        value = _TIMES.join(map(number_latex, each.values)) or "1"
        name = names.get(each.role, "")
        return rf"\underbrace{{{value}}}_{{\text{{{name}}}}}" if name else value

    return " + ".join(_TIMES.join(factor(each) for each in term) for term in terms)


# ---------------------------------------------------------------- a layer of one's own


class Field(NamedTuple):
    """A number that a layer is built with."""

    name: str
    default: int
    least: int
    most: int


class SelfAttention(nn.Module):
    """Multi-head self-attention: one projection to Q, K and V, attention, one projection.

    Shape: (N, tokens, dim) -> (N, tokens, dim)
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return softmax(Q K^T / sqrt(d)) V, projected."""
        n, tokens, dim = x.shape
        split = self.qkv(x).view(n, tokens, 3, self.heads, dim // self.heads)
        q, k, v = split.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.proj(mixed.transpose(1, 2).reshape(n, tokens, dim))
        return out


_SIZE: Final = Field("size", 32, 1, 512)
_IN: Final = Field("in", 16, 1, 2048)
_OUT: Final = Field("out", 32, 1, 4096)
_KERNEL: Final = Field("kernel", 3, 1, 31)
_STRIDE: Final = Field("stride", 1, 1, 16)
_PADDING: Final = Field("padding", 1, 0, 30)
_BIAS: Final = Field("bias", 1, 0, 1)

FIELDS: Final[dict[str, tuple[Field, ...]]] = {
    "conv": (_IN, _OUT, _KERNEL, _STRIDE, _PADDING, _SIZE, _BIAS),
    "grouped": (_IN, _OUT, Field("groups", 4, 1, 2048), _KERNEL, _STRIDE, _PADDING, _SIZE, _BIAS),
    "depthwise": (Field("channels", 32, 1, 2048), _KERNEL, _STRIDE, _PADDING, _SIZE, _BIAS),
    "pointwise": (_IN, _OUT, _STRIDE, _SIZE, _BIAS),
    "dilated": (_IN, _OUT, _KERNEL, Field("dilation", 2, 1, 16), Field("padding", 2, 0, 60),
                _SIZE, _BIAS),
    "transposed": (_IN, _OUT, Field("kernel", 4, 1, 31), Field("stride", 2, 1, 16), _PADDING,
                   _SIZE, _BIAS),
    "linear": (Field("in", 512, 1, 100_000), Field("out", 1000, 1, 100_000),
               Field("tokens", 1, 1, 10_000), _BIAS),
    "max_pool": (Field("channels", 64, 1, 2048), _KERNEL, Field("stride", 2, 1, 16), _PADDING,
                 _SIZE),
    "avg_pool": (Field("channels", 64, 1, 2048), Field("kernel", 2, 1, 31),
                 Field("stride", 2, 1, 16), Field("padding", 0, 0, 30), _SIZE),
    "batch_norm": (Field("channels", 64, 1, 4096), _SIZE),
    "layer_norm": (Field("tokens", 197, 1, 10_000), Field("dim", 768, 1, 8192)),
    "group_norm": (Field("channels", 64, 1, 4096), Field("groups", 32, 1, 4096), _SIZE),
    "attention": (Field("tokens", 197, 1, 10_000), Field("dim", 768, 1, 8192),
                  Field("heads", 12, 1, 128)),
    "patches": (Field("size", 224, 1, 1024), Field("patch", 16, 1, 128),
                Field("dim", 768, 1, 8192), _BIAS),
}  # fmt: skip
"""Kind of layer -> the numbers that it is built with, in their order."""

Numbers = Mapping[str, int]
Built = tuple[nn.Module, Shape]


def _convolution(n: Numbers) -> Built:
    channels = n.get("channels", 0)
    before, after = channels or n["in"], channels or n["out"]
    kind = nn.ConvTranspose2d if n.get("transposed") else nn.Conv2d
    kernel, padding = n.get("kernel", 1), n.get("padding", 0)
    layer = kind(
        before, after, kernel, stride=n.get("stride", 1), padding=padding,
        dilation=n.get("dilation", 1), groups=channels or n.get("groups", 1),
        bias=bool(n["bias"]),
    )  # fmt: skip
    return layer, (1, before, n["size"], n["size"])


def _pooling(n: Numbers, kind: type[nn.MaxPool2d | nn.AvgPool2d]) -> Built:
    layer = kind(n["kernel"], n["stride"], n["padding"])
    return layer, (1, n["channels"], n["size"], n["size"])


def _patches(n: Numbers) -> Built:
    layer = nn.Conv2d(3, n["dim"], n["patch"], stride=n["patch"], bias=bool(n["bias"]))
    return layer, (1, 3, n["size"], n["size"])


_BUILDERS: Final[dict[str, Callable[[Numbers], Built]]] = {
    "conv": _convolution,
    "grouped": _convolution,
    "depthwise": _convolution,
    "pointwise": _convolution,
    "dilated": _convolution,
    "transposed": lambda n: _convolution({**n, "transposed": 1}),
    "linear": lambda n: (
        nn.Linear(n["in"], n["out"], bias=bool(n["bias"])),
        (1, n["tokens"], n["in"]) if n["tokens"] > 1 else (1, n["in"]),
    ),
    "max_pool": lambda n: _pooling(n, nn.MaxPool2d),
    "avg_pool": lambda n: _pooling(n, nn.AvgPool2d),
    "batch_norm": lambda n: (
        nn.BatchNorm2d(n["channels"]),
        (1, n["channels"], n["size"], n["size"]),
    ),
    "layer_norm": lambda n: (nn.LayerNorm(n["dim"]), (1, n["tokens"], n["dim"])),
    "group_norm": lambda n: (
        nn.GroupNorm(n["groups"], n["channels"]),
        (1, n["channels"], n["size"], n["size"]),
    ),
    "attention": lambda n: (SelfAttention(n["dim"], n["heads"]), (1, n["tokens"], n["dim"])),
    "patches": _patches,
}

_DIVIDED: Final = {
    "grouped": (("in", "groups"), ("out", "groups")),
    "group_norm": (("channels", "groups"),),
    "attention": (("dim", "heads"),),
}
"""Kind of layer -> pairs of fields of which the second must divide the first."""


def own_trace(kind: str, numbers: Numbers) -> Trace:
    """Build one layer, and trace it on its own.

    Nothing is allocated for its weights: it is built on the meta device.

    Args:
        kind: one of `FIELDS`.
        numbers: a value for each of its fields.

    Raises:
        LayerError: a number is out of its range, two do not go together, or no window fits.
    """
    _check(kind, numbers)
    with torch.device("meta"):
        layer, shape = _BUILDERS[kind](numbers)
    return trace_model(nn.Sequential(layer) if kind != "attention" else layer, shape)


def divisors(number: int) -> tuple[int, ...]:
    """What divides a number, in order."""
    return tuple(n for n in range(1, number + 1) if number % n == 0)


def _check(kind: str, numbers: Numbers) -> None:
    for field in FIELDS[kind]:
        value = numbers[field.name]
        if not field.least <= value <= field.most:
            raise LayerError(
                f"{field.name} must be from {field.least:,} to {field.most:,}; got {value:,}.",
                "range", name=field.name, least=field.least, most=field.most, value=value,
            )  # fmt: skip
    for whole, by in _DIVIDED.get(kind, ()):
        if numbers[whole] % numbers[by]:
            best = min(divisors(numbers[whole]), key=lambda n: abs(n - numbers[by]))
            raise LayerError(
                f"{by} must divide {whole}, and {numbers[by]:,} does not divide "
                f"{numbers[whole]:,}; {best:,} does.",
                "divide", name=by, whole=numbers[whole], value=numbers[by], best=best,
            )  # fmt: skip
    if kind.endswith("pool") and numbers["padding"] > numbers["kernel"] // 2:
        raise LayerError(
            f"A pooling of {numbers['kernel']} x {numbers['kernel']} takes a padding of at most "
            f"{numbers['kernel'] // 2}; got {numbers['padding']}.",
            "padding", most=numbers["kernel"] // 2, value=numbers["padding"],
        )  # fmt: skip
    if "size" in numbers:
        _check_window(kind, numbers)


def _check_window(kind: str, numbers: Numbers) -> None:
    kernel = numbers.get("patch", numbers.get("kernel", 1))
    span = numbers.get("dilation", 1) * (kernel - 1) + 1
    size, padding = numbers["size"], numbers.get("padding", 0)
    if kind == "transposed":
        out = (size - 1) * numbers["stride"] - 2 * padding + span
        if out < 1:
            raise LayerError(
                f"A padding of {padding} cuts all {out + 2 * padding} outputs off.",
                "window", needed=1, received=out,
            )  # fmt: skip
    elif span > size + 2 * padding:
        raise LayerError(
            f"A window of {span} does not fit into {size + 2 * padding} pixels "
            f"({size} and twice {padding} of padding).",
            "window", needed=span, received=size + 2 * padding,
        )  # fmt: skip


def own_work(kind: str, numbers: Numbers) -> Work:
    """Build one layer, trace it, and work its numbers out.

    Raises:
        LayerError: a number is out of its range, two do not go together, or no window fits.
    """
    trace = own_trace(kind, numbers)
    row = layers(trace, 0)[0] if kind == "attention" else layers(trace)[0]
    return work(trace, row)
