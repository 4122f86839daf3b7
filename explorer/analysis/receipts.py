"""Every number with its formula: how a layer's output size, parameters and MACs come about.

A formula is plain arithmetic with `floor` and `ceil`, the layer's own numbers filled in.
Each is evaluated before it is shown; where no worked formula gives the recorded number, the
line shows the bare number instead of a formula that would be wrong.
"""

from __future__ import annotations

import ast
import operator
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from math import ceil, floor, prod
from typing import NamedTuple

from explorer.analysis.layers import Layer, axes_text, layers, main_op, window_of
from explorer.analysis.totals import DEFAULT, Convention
from explorer.text import N_, _
from explorer.trace.records import OpRecord, Trace

Shape = tuple[int, ...]


class ReceiptLine(NamedTuple):
    """One worked formula. `formula` evaluates to `result` exactly."""

    label: str
    """"Output height", "Parameters", "MACs"."""
    formula: str
    """With the numbers filled in: "floor((224 + 2*3 - 7) / 2) + 1"."""
    result: int


class Receipt(NamedTuple):
    """All worked formulas of one layer."""

    title: str
    """"7×7 convolution, 3 → 64 channels, stride 2"."""
    path: str
    lines: tuple[ReceiptLine, ...]


def receipt(trace: Trace, layer: Layer, convention: Convention = DEFAULT) -> Receipt:
    """Work out one row of `layers(trace)` by hand.

    Args:
        trace: the trace that the row is from.
        layer: any of its rows, at any depth.
        convention: adds the line that turns MACs into the counted cost, if it is not plain
            MACs.
    """
    ops = trace.ops[layer.first_op : layer.last_op]
    if layer.module_class and trace.calls[layer.call].children:
        return Receipt(layer.module_class, layer.path, _sums(trace, layer, convention))
    main = main_op(ops)
    lines: list[ReceiptLine | None] = []
    if main and (layer.kernel or len(ops) == 1):
        lines += _size_lines(main)
    lines.append(_parameter_line(trace, layer, ops))
    lines += _mac_lines(layer, ops)
    lines += _other_lines(ops, convention)
    lines.append(_cost_line(ops, convention))
    lines.append(_memory_line(trace, layer, ops))
    return Receipt(
        _title(layer, ops, main),
        layer.path,
        tuple(line for line in lines if line),
    )


# --- evaluating ----------------------------------------------------------------------------

_OPERATORS: dict[type[ast.AST], Callable[..., Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.USub: operator.neg,
}
_ROUNDINGS: dict[str, Callable[[Fraction], int]] = {"floor": floor, "ceil": ceil}


def evaluate(formula: str) -> Fraction:
    """The exact value of a receipt's formula.

    Raises:
        ValueError: it is not arithmetic on whole numbers with + - * / floor and ceil.
    """

    def value(node: ast.AST) -> Fraction:
        match node:
            case ast.Expression(body=body):
                return value(body)
            case ast.Constant(value=int(number)):
                return Fraction(number)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return _OPERATORS[type(op)](value(left), value(right))
            case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
                return _OPERATORS[type(op)](value(operand))
            case ast.Call(func=ast.Name(id=name), args=[argument]) if name in _ROUNDINGS:
                return Fraction(_ROUNDINGS[name](value(argument)))
        raise ValueError(f"not a receipt's arithmetic: {formula!r}")

    try:
        return value(ast.parse(formula, mode="eval"))
    except SyntaxError as error:
        raise ValueError(f"not a receipt's arithmetic: {formula!r}") from error


def _line(label: str, formula: str, result: int) -> ReceiptLine:
    """A line whose formula is right, or else the bare number."""
    if evaluate(formula) != result:
        formula = str(result)
    return ReceiptLine(label, formula, result)


# --- output size ---------------------------------------------------------------------------

_AXES = {
    1: (N_("length"),),
    2: (N_("height"), N_("width")),
    3: (N_("depth"), N_("height"), N_("width")),
}


def _size_lines(op: OpRecord) -> list[ReceiptLine | None]:
    """How the output size follows from the input size."""
    if not op.outputs or not op.input_tensors:
        return []
    before, after = op.input_tensors[0].shape, op.outputs[0].shape
    if op.kind == "convolution" or (op.kind == "pooling" and window_of(op).kernel):
        return _window_lines(op, before, after)
    if op.kind == "pooling":
        axes = _AXES.get(len(before) - 2, ())
        return [
            _line(_("Output {axis} (set by the layer)").format(axis=_(axis)), str(size), size)
            for axis, size in zip(axes, after[2:], strict=False)
        ]
    if op.kind == "concat" and len(after) == len(before):
        return [_concat_line(op, after)]
    if op.kind == "padding":
        return _padding_lines(op, before, after)
    if op.name in ("flatten", "reshape", "view") and len(after) == 2:
        return [_line(_("Output features"), _product(before[1:]), after[1])]
    return []


def _window_lines(op: OpRecord, before: Shape, after: Shape) -> list[ReceiptLine | None]:
    window, attrs = window_of(op), op.attrs
    kernels, strides = window.kernel or (), window.stride or ()
    dilations = window.dilation or (1,) * len(kernels)
    transposed = _is_transposed(op)
    extra = attrs.get("output_padding", (0,) * len(kernels))
    lines: list[ReceiptLine | None] = []
    for i, axis in enumerate(_AXES.get(len(kernels), ())):
        n, k, s, d, m = before[2 + i], kernels[i], strides[i], dilations[i], after[2 + i]
        reach = str(k) if d == 1 else f"{d}*({k} - 1) - 1"
        if isinstance(window.padding, str):
            around = f"{d * (k - 1)}" if window.padding == "same" else "0"
        else:
            around = f"2*{(window.padding or (0,) * len(kernels))[i]}"
        label = _("Output {axis}").format(axis=_(axis))
        if transposed:
            # The reach of a kernel, d*(k - 1) + 1, as one number where nothing dilates it.
            span = str(k) if d == 1 else f"{d}*({k} - 1) + 1"
            formula = f"({n} - 1)*{s} - {around} + {span}"
            formula += f" + {extra[i]}" if extra[i] else ""
        elif attrs.get("ceil_mode"):
            formula = f"ceil(({n} + {around} - {reach}) / {s}) + 1"
            if evaluate(formula) == m + 1:
                formula += " - 1"
                label += _(", without the window that would start in the padding")
            label += _(" (ceil mode)")
        else:
            formula = f"floor(({n} + {around} - {reach}) / {s}) + 1"
        lines.append(_line(label, formula, m))
    return lines


def _concat_line(op: OpRecord, after: Shape) -> ReceiptLine:
    axis = op.attrs.get("dim", 0) % len(after)
    name = (
        _("Output channels")
        if axis == 1 and len(after) == 4
        else _("Output size of axis {axis}").format(axis=axis)
    )
    terms = " + ".join(str(tensor.shape[axis]) for tensor in op.input_tensors)
    return _line(name, terms, after[axis])


def _padding_lines(op: OpRecord, before: Shape, after: Shape) -> list[ReceiptLine | None]:
    """`pad` lists (before, after) of the last axis first."""
    pads = op.attrs.get("pad", ())
    lines: list[ReceiptLine | None] = []
    for place in range(len(pads) // 2):
        axis = len(before) - 1 - place
        if pads[2 * place] or pads[2 * place + 1]:
            formula = f"{before[axis]} + {pads[2 * place]} + {pads[2 * place + 1]}"
            lines.append(
                _line(_("Output size of axis {axis}").format(axis=axis), formula, after[axis])
            )
    return lines


# --- parameters ----------------------------------------------------------------------------


def _parameter_line(trace: Trace, layer: Layer, ops: Sequence[OpRecord]) -> ReceiptLine | None:
    shapes = {record.name: record.shape for record in trace.parameters}
    read = [(op, name) for op in ops for name in op.parameters if name in shapes]
    if not read and not layer.params:
        return None
    earlier = {name for op in trace.ops[: layer.first_op] for name in op.parameters}
    terms, seen = [], set(earlier)
    for op, name in read:
        if name not in seen:
            seen.add(name)
            terms.append(_parameter_term(op, shapes[name]))
    if sum(evaluate(term) for term in terms) != layer.params:
        terms += [
            _product(record.shape)
            for record in trace.parameters
            if not record.read and record.name.rpartition(".")[0] == layer.path
        ]
    if not layer.params:
        return ReceiptLine(_("Parameters (shared, counted where they are first read)"), "0", 0)
    return _line(_("Parameters"), " + ".join(terms) or "0", layer.params)


def _parameter_term(op: OpRecord, shape: Shape) -> str:
    """A weight's elements; those of a grouped convolution with the division shown."""
    groups = op.attrs.get("groups", 1)
    if op.kind != "convolution" or groups == 1 or len(shape) < 3:
        return _product(shape, keep=True)
    return f"{shape[0]}*({shape[1] * groups}/{groups})*{_product(shape[2:], keep=True)}"


# --- multiply-accumulates ------------------------------------------------------------------


def _mac_lines(layer: Layer, ops: Sequence[OpRecord]) -> list[ReceiptLine | None]:
    weighted = [op for op in ops if op.macs]
    if not weighted:
        return []
    if len(weighted) == 1:
        return [_line("MACs", _mac_formula(weighted[0]), layer.macs)]
    lines: list[ReceiptLine | None] = [
        _line(_("MACs of {name}").format(name=op.name), _mac_formula(op), op.macs)
        for op in weighted
    ]
    total = " + ".join(str(op.macs) for op in weighted)
    return [*lines, _line("MACs", total, layer.macs)]


def _mac_formula(op: OpRecord) -> str:
    """The filled-in formula of an op's MACs, "0" where there is no worked one."""
    shapes = [tensor.shape for tensor in op.input_tensors]
    out = op.outputs[0].shape if op.outputs else ()
    if op.kind == "convolution":
        groups = op.attrs.get("groups", 1)
        weight, pixels = shapes[1], shapes[0] if _is_transposed(op) else out
        inner = str(weight[1]) if groups == 1 else f"({weight[1] * groups}/{groups})"
        kernel = _product(weight[2:], keep=True)
        batch = f"{pixels[0]} * " if pixels[0] > 1 else ""
        return f"{batch}{weight[0]}*{inner}*{kernel} * {_product(pixels[2:], keep=True)}"
    if op.kind == "linear" and len(shapes) > 1 and op.name == "linear":
        rows = f"{_product(out[:-1])} * " if prod(out[:-1]) > 1 else ""
        return f"{rows}{out[-1]}*{shapes[1][-1]}"
    if op.name == "bilinear" and len(shapes) > 2:
        left, right = shapes[2][1:]
        return f"{_product(out)} * ({left}*{right} + {right})"
    if op.kind in ("linear", "matmul") and len(shapes) > 1:
        shared = shapes[1] if len(shapes) > 2 else shapes[0]
        return f"{_product(out)} * {shared[-1]}"
    if op.kind == "attention" and len(shapes) > 2:
        query, key, value = shapes[:3]
        heads = f"{_product(query[:-2])} * " if prod(query[:-2]) > 1 else ""
        return f"{heads}{query[-2]}*{key[-2]} * ({query[-1]} + {value[-1]})"
    if op.kind == "recurrent":
        return _recurrent_formula(op, rank=2)
    return "0"


def _recurrent_formula(op: OpRecord, rank: int) -> str:
    """Every weight matrix (rank 2) or bias (rank 1) once for each step of each sequence."""
    first, *rest = (tensor.shape for tensor in op.input_tensors)
    terms = [_product(shape, keep=True) for shape in rest if len(shape) == rank]
    return f"{_product(first[:-1])} * ({' + '.join(terms) or 0})"


# --- everything else -----------------------------------------------------------------------

_OTHER_LABELS = {"normalization": N_("Normalization"), "pooling": N_("Pooling")}


def _other_lines(ops: Sequence[OpRecord], convention: Convention) -> list[ReceiptLine | None]:
    """Bias additions and other arithmetic, each with whether the total counts it."""
    lines: list[ReceiptLine | None] = []
    for op in ops:
        if op.bias_ops:
            label = _("Bias additions ({whether})").format(whether=_counted(convention.bias))
            lines.append(_line(label, _bias_formula(op), op.bias_ops))
        if op.elementwise_ops:
            name = _(_OTHER_LABELS.get(op.kind, N_("Other arithmetic")))
            if len(ops) > 1:
                name = _("{what} of {op}").format(what=name, op=op.name.strip("_"))
            label = f"{name} ({_counted(convention.counts(op.kind))})"
            lines.append(_line(label, _other_formula(op), op.elementwise_ops))
    return lines


def _counted(on: bool) -> str:
    return _("counted") if on else _("not counted")


def _bias_formula(op: OpRecord) -> str:
    if op.kind == "recurrent":
        return _recurrent_formula(op, rank=1)
    return _product(op.outputs[0].shape)


def _other_formula(op: OpRecord) -> str:
    """So many operations per element of the output, of the input, or of QK^T."""
    window = window_of(op).kernel
    if op.kind == "pooling" and window and op.outputs:
        return f"{_product(window, keep=True)} * {_product(op.outputs[0].shape)}"
    shapes = [tensor.shape for tensor in (*op.outputs[:1], *op.input_tensors[:1])]
    if op.kind == "attention" and len(op.input_tensors) > 1:
        query, key = op.input_tensors[0].shape, op.input_tensors[1].shape
        shapes = [(*query[:-1], key[-2])]
    formulas = []
    for shape in shapes:
        each, rest = divmod(op.elementwise_ops, max(1, prod(shape)))
        if not rest and each:
            formulas.append((each, f"{each} * {_product(shape)}"))
    return min(formulas)[1].removeprefix("1 * ") if formulas else "0"


def _cost_line(ops: Sequence[OpRecord], convention: Convention) -> ReceiptLine | None:
    """What the convention makes of the above; nothing for plain MACs."""
    cost = sum(map(convention.cost, ops))
    if convention == DEFAULT or not cost:
        return None
    terms = []
    for op in ops:
        if op.macs:
            terms.append(f"2*{op.macs}" if convention.unit == "FLOPs" else str(op.macs))
        if op.bias_ops and convention.bias:
            terms.append(str(op.bias_ops))
        if op.elementwise_ops and convention.counts(op.kind):
            terms.append(str(op.elementwise_ops))
    label = "FLOPs" if convention.unit == "FLOPs" else _("MACs and counted operations")
    return _line(label, " + ".join(terms), cost)


def _memory_line(trace: Trace, layer: Layer, ops: Sequence[OpRecord]) -> ReceiptLine | None:
    """Bytes of the memory that the layer allocates for its results."""
    if not ops:
        return None
    terms = []
    for op in ops:
        for tensor, storage in zip(op.outputs, op.storages, strict=False):
            record = trace.storages[storage] if storage >= 0 else None
            if record and record.born == op.index:
                elements = max(1, prod(tensor.shape))
                width, rest = divmod(record.nbytes, elements)
                product = _product(tensor.shape)
                terms.append(str(record.nbytes) if rest else f"{product} * {width}")
    if not terms:
        whole = _("in place") if any(op.in_place for op in ops) else _("no new memory")
        return _line(
            _("Activation bytes ({whole})").format(whole=whole), "0", layer.activation_bytes
        )
    counted = Counter(terms)
    formula = " + ".join(
        term if times == 1 else f"{times} * {term}" for term, times in counted.items()
    )
    return _line(_("Activation bytes"), formula, layer.activation_bytes)


def _sums(trace: Trace, layer: Layer, convention: Convention) -> tuple[ReceiptLine, ...]:
    """A folded module: its numbers are the sums over the rows one level down."""
    inside = [
        row
        for row in layers(trace, layer.depth + 1, convention)
        if layer.first_op <= row.first_op
        and row.last_op <= layer.last_op
        and _is_inside(trace, row, layer.call)
    ]
    columns = (
        (_("Parameters"), [row.params for row in inside]),
        ("MACs" if convention == DEFAULT else convention.unit, [row.cost for row in inside]),
        (_("Activation bytes"), [row.activation_bytes for row in inside]),
    )
    return tuple(_line(label, _sum(numbers), sum(numbers)) for label, numbers in columns)


def _is_inside(trace: Trace, row: Layer, call: int) -> bool:
    """Whether a row's call is `call` or below it."""
    index = row.call
    while index > call:
        index = trace.calls[index].parent
    return index == call


def _sum(numbers: Sequence[int]) -> str:
    """Equal terms are written once, with how many there are: "3*70400 + 75008"."""
    counted = Counter(number for number in numbers if number)
    terms = (str(n) if times == 1 else f"{times}*{n}" for n, times in counted.items())
    return " + ".join(terms) or "0"


def _product(shape: Shape, *, keep: bool = False) -> str:
    """A shape as "64*112*112"; a leading batch of one is left out unless `keep`."""
    kept = shape if keep or len(shape) < 2 or shape[0] != 1 else shape[1:]
    return "*".join(map(str, kept)) or "1"


# --- titles --------------------------------------------------------------------------------


def _title(layer: Layer, ops: Sequence[OpRecord], main: OpRecord | None) -> str:
    alone = sum(op.macs > 0 for op in ops) < 2
    if main and main.kind == layer.kind and alone and (title := title_of(main)):
        return title
    return layer.module_class or layer.label.replace("_", " ").capitalize()


_NORMS = {
    "batch_norm": N_("Batch normalization"),
    "layer_norm": N_("Layer normalization"),
    "group_norm": N_("Group normalization"),
    "instance_norm": N_("Instance normalization"),
    "rms_norm": N_("Rms normalization"),
}


def title_of(op: OpRecord) -> str:
    """A layer in a reader's words: "7×7 convolution, 3 → 64 channels, stride 2"."""
    if op.kind == "convolution":
        return _convolution_title(op)
    if op.kind == "linear" and len(op.input_tensors) > 1 and op.name == "linear":
        weight = op.input_tensors[1].shape
        return _("Linear layer, {before} → {after} features").format(
            before=weight[-1], after=weight[0]
        )
    if op.kind == "pooling":
        return _pooling_title(op)
    if op.kind in ("add", "concat", "multiply") and len(op.inputs) > 1:
        words = {
            "add": N_("Sum of {n} tensors"),
            "concat": N_("Concatenation of {n} tensors"),
            "multiply": N_("Product of {n} tensors"),
        }
        return _(words[op.kind]).format(n=len(op.input_tensors))
    if op.kind == "normalization" and op.outputs:
        return _(
            _NORMS.get(op.name.removeprefix("native_"), op.name.replace("_", " ").capitalize())
        )
    if op.kind == "attention" and len(op.input_tensors) > 2:
        query = op.input_tensors[0].shape
        if len(query) > 3:
            return _("Attention, {n} heads of {width}").format(n=query[-3], width=query[-1])
        return _("Attention")
    return ""


def _is_transposed(op: OpRecord) -> bool:
    return "transpose" in op.name or bool(op.attrs.get("transposed"))


def _convolution_title(op: OpRecord) -> str:
    window, weight = window_of(op), op.input_tensors[1].shape
    before, after = op.input_tensors[0].shape[1], op.outputs[0].shape[1]
    groups = window.groups or 1
    depthwise = groups == before and groups > 1
    kind = (
        (
            N_("{size} depthwise transposed convolution")
            if depthwise
            else N_("{size} transposed convolution")
        )
        if _is_transposed(op)
        else (N_("{size} depthwise convolution") if depthwise else N_("{size} convolution"))
    )
    name = _(kind).format(size=_size_text(weight[2:]))
    channels = (
        _("{n} channels").format(n=before)
        if before == after
        else _("{before} → {after} channels").format(before=before, after=after)
    )
    return ", ".join(
        filter(
            None,
            (
                name,
                channels,
                _unless_one(N_("stride {n}"), window.stride),
                _unless_one(N_("dilation {n}"), window.dilation),
                _("{n} groups").format(n=groups) if groups > 1 and not depthwise else "",
            ),
        )
    )


def _pooling_title(op: OpRecord) -> str:
    largest = "max" in op.name
    window = window_of(op)
    if window.kernel:
        name = N_("{size} max pooling") if largest else N_("{size} average pooling")
        parts = (
            _(name).format(size=_size_text(window.kernel)),
            _unless_one(N_("stride {n}"), window.stride),
        )
        return ", ".join(filter(None, parts))
    name = N_("Max pooling to {size}") if largest else N_("Average pooling to {size}")
    return _(name).format(size=axes_text(op.outputs[0].shape[2:]))


def _size_text(kernel: Shape) -> str:
    return axes_text(kernel) if len(kernel) > 1 else _("{n} wide").format(n=kernel[0])


def _unless_one(text: str, value: Shape | None) -> str:
    """Say a stride or dilation, "stride {n}", that is not 1."""
    if not value or set(value) == {1}:
        return ""
    return _(text).format(n=value[0] if len(set(value)) == 1 else axes_text(value))
