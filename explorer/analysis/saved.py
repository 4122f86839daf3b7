"""What autograd keeps of a forward pass until the backward pass has used it.

One rule for each kind of op, as PyTorch's derivatives are written: a convolution keeps its
input, a ReLU its output, a sum nothing. An op keeps something only if a gradient flows through
it, and a factor only if the other factor needs a gradient. Sizes are those of PyTorch's CPU
kernels; a GPU's differ in the mask of dropout alone, which takes one byte an element there.
Code under `no_grad` inside a model is not told apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import prod
from typing import NamedTuple

from explorer.analysis.strides import Strides, merges, strides_of
from explorer.text import N_
from explorer.trace.records import OpRecord, TensorRecord, Trace, Value

ITEM_BYTES = {
    "float64": 8, "int64": 8, "complex64": 8, "float32": 4, "int32": 4, "float16": 2,
    "bfloat16": 2, "int16": 2, "int8": 1, "uint8": 1, "bool": 1,
}  # fmt: skip
"""Bytes of one element of each type."""

_INDEX = "int64"
_STATISTIC = "float32"


class Saved(NamedTuple):
    """One block of memory that an op keeps for its backward pass."""

    op: int
    """Index in `Trace.ops` of the op that keeps it."""
    what: str
    """"input", "output", "indices", "statistics", "mask", "copy of the input", ..."""
    storage: int
    """Index in `Trace.storages`; -1 if it exists only for the backward pass."""
    nbytes: int
    dtype: str
    per_image: bool
    """It grows with the batch. Known here only where `storage` is -1; else True."""


class SavedTensors(NamedTuple):
    """Everything that the ops of a pass keep."""

    items: tuple[Saved, ...]
    """In the order of the ops. Two ops that keep the same storage are two items."""
    storage_needs_grad: tuple[bool, ...]
    """For each of `Trace.storages`, whether a gradient reaches it."""
    unknown_ops: tuple[str, ...]
    """Names of ops that gradients flow through and that have no rule, each once, sorted."""


class _Operand(NamedTuple):
    record: TensorRecord
    storage: int
    """-1 for a parameter, a buffer, or a view of one: their memory is not the pass's."""
    needs_grad: bool
    strides: Strides | None = None
    """None if they are not known."""


class _Step(NamedTuple):
    """An op with what its rule asks for."""

    op: OpRecord
    operands: tuple[_Operand, ...]

    def operand(self, place: int) -> list[Saved]:
        """Keep one operand; what an op in place overwrites is kept as a copy."""
        if place >= len(self.operands):
            return []
        record, storage = self.operands[place][:2]
        if self.op.in_place and place == 0:
            return [self.besides(N_("copy of the input"), prod(record.shape), record.dtype)]
        return self._known(N_("input"), record, storage)

    def operand_list(self, places: Iterable[int]) -> list[Saved]:
        return [item for place in places for item in self.operand(place)]

    def output(self, place: int = 0) -> list[Saved]:
        if place >= len(self.op.storages):
            return []
        return self._known(N_("output"), self.op.outputs[place], self.op.storages[place])

    def _known(self, what: str, record: TensorRecord, storage: int) -> list[Saved]:
        if storage < 0:
            return []
        return [Saved(self.op.index, what, storage, record.nbytes, record.dtype, True)]

    def besides(self, what: str, elements: int, dtype: str, *, per_image: bool = True) -> Saved:
        nbytes = elements * ITEM_BYTES.get(dtype, 4)
        return Saved(self.op.index, what, -1, nbytes, dtype, per_image)

    @property
    def out_elements(self) -> int:
        return prod(self.op.outputs[0].shape)


_Rule = Callable[[_Step], list[Saved]]

# ---------------------------------------------------------------------- one rule an op


def _nothing(_: _Step) -> list[Saved]:
    return []


def _input(step: _Step) -> list[Saved]:
    return step.operand(0)


def _all_inputs(step: _Step) -> list[Saved]:
    return step.operand_list(range(len(step.operands)))


def _other_inputs(step: _Step) -> list[Saved]:
    """Everything but the first operand: the indices of a lookup, the mask of a fill."""
    return step.operand_list(range(1, len(step.operands)))


def _output(step: _Step) -> list[Saved]:
    return step.output()


def _input_and_output(step: _Step) -> list[Saved]:
    return step.operand(0) + step.output()


def _second_output(step: _Step) -> list[Saved]:
    """The positions that a maximum or a sort has found."""
    return step.output(1)


def _factors(step: _Step, first: int = 0) -> list[Saved]:
    """d(ab) = a db + b da: each factor, if the other needs a gradient."""
    if len(step.operands) < first + 2:
        return []  # times a number
    left, right = step.operands[first : first + 2]
    kept = step.operand(first) if right.needs_grad else []
    return kept + (step.operand(first + 1) if left.needs_grad else [])


def _linear(step: _Step) -> list[Saved]:
    """The input, with all axes but the last merged: a copy where they do not lie in a row."""
    record, _, _, strides = step.operands[0]
    kept = _factors(step)
    leading = len(record.shape) - 1
    if kept and kept[0].storage == step.operands[0].storage and strides is not None:
        if merges(record.shape[:-1], strides[:leading]):
            return kept
        kept[0] = step.besides(N_("copy of the input"), prod(record.shape), record.dtype)
    return kept


def _matmul(step: _Step) -> list[Saved]:
    """Both factors, with the axes before the matrices merged: copies as for a linear layer."""
    kept = _factors(step)
    for place, item in enumerate(kept):
        for record, storage, _, strides in step.operands:
            batch = len(record.shape) - 2
            if storage != item.storage or batch < 2 or strides is None:
                continue
            if not merges(record.shape[:batch], strides[:batch]):
                kept[place] = step.besides(
                    N_("copy of the input"), prod(record.shape), record.dtype
                )
    return kept


def _factors_after_sum(step: _Step) -> list[Saved]:
    return _factors(step, 1)


def _quotient(step: _Step) -> list[Saved]:
    """d(a/b) = da/b - a db/b^2: the divisor, and the dividend if the divisor needs a gradient."""
    if len(step.operands) < 2:
        return []  # by a number
    kept = step.operand(0) if step.operands[1].needs_grad else []
    return kept + step.operand(1)


def _batch_norm(step: _Step) -> list[Saved]:
    """The input, and in training mean and inverse deviation of each channel."""
    kept = step.operand(0)
    if step.op.attrs.get("training", True):
        channels = step.op.outputs[0].shape[1]
        kept.append(step.besides(N_("statistics"), 2 * channels, _STATISTIC, per_image=False))
    return kept


def _layer_norm(step: _Step) -> list[Saved]:
    """The input, and mean and inverse deviation of each group of normalized elements."""
    size = prod(step.op.attrs["normalized_shape"])
    return [
        *step.operand(0),
        step.besides(N_("statistics"), 2 * step.out_elements // size, _STATISTIC),
    ]


def _group_norm(step: _Step) -> list[Saved]:
    """The input, and mean and inverse deviation of each group of each image."""
    groups = step.op.outputs[0].shape[0] * step.op.attrs["num_groups"]
    return [*step.operand(0), step.besides(N_("statistics"), 2 * groups, _STATISTIC)]


def _instance_norm(step: _Step) -> list[Saved]:
    """As batch normalization of one image with all images' channels; the weight is repeated."""
    channels = prod(step.op.outputs[0].shape[:2])
    kept = step.operand(0)
    if step.op.attrs.get("use_input_stats", True):
        kept.append(step.besides(N_("statistics"), 2 * channels, _STATISTIC))
    if any(operand.record.shape == step.op.outputs[0].shape[1:2] for operand in step.operands):
        kept.append(step.besides(N_("copy of the weight"), channels, _STATISTIC))
    return kept


def _rms_norm(step: _Step) -> list[Saved]:
    """The input and its inverse root mean squares, and their product if there is a weight."""
    size = prod(step.op.attrs["normalized_shape"])
    elements = step.out_elements
    kept = [*step.operand(0), step.besides(N_("statistics"), elements // size, _STATISTIC)]
    if len(step.operands) > 1:
        kept.append(step.besides(N_("normalized input"), elements, step.op.outputs[0].dtype))
    return kept


def _log_sigmoid(step: _Step) -> list[Saved]:
    """The input, and what the result was computed by."""
    return [
        *step.operand(0),
        step.besides(N_("buffer"), step.out_elements, step.op.outputs[0].dtype),
    ]


def _max_pool(step: _Step) -> list[Saved]:
    """The input, and where in it each maximum stood."""
    if len(step.op.outputs) > 1:
        return step.operand(0) + step.output(1)
    return [*step.operand(0), step.besides(N_("indices"), step.out_elements, _INDEX)]


def _adaptive_avg_pool(step: _Step) -> list[Saved]:
    """The input, except that pooling a map to one pixel is a mean, which keeps nothing."""
    axes = int(step.op.name[-2])
    return [] if set(step.op.outputs[0].shape[-axes:]) == {1} else step.operand(0)


def _dropout(step: _Step) -> list[Saved]:
    """The mask, one number of the input's type for each element."""
    attrs = step.op.attrs
    if not attrs.get("train", True) or not attrs.get("p", 0.5):
        return []
    return [step.besides(N_("mask"), step.out_elements, step.op.outputs[0].dtype)]


def _feature_dropout(step: _Step) -> list[Saved]:
    """The mask, one number for each channel of each image."""
    attrs, record = step.op.attrs, step.op.outputs[0]
    if not attrs.get("train", True) or not attrs.get("p", 0.5):
        return []
    return [step.besides(N_("mask"), prod(record.shape[:2]), record.dtype)]


def _attention(step: _Step) -> list[Saved]:
    """Query, key, value and output, and one logarithm for each query: no attention map."""
    logarithms = step.out_elements // step.op.outputs[0].shape[-1]
    return [
        *_all_inputs(step),
        *step.output(),
        step.besides(N_("statistics"), logarithms, _STATISTIC),
    ]


def _condition(step: _Step) -> list[Saved]:
    return step.operand(0)


_RULES: dict[_Rule, str] = {
    _input: """gelu silu hardswish hardsigmoid hardtanh relu6 elu selu celu leaky_relu mish
        softplus glu hardshrink softshrink threshold avg_pool1d avg_pool2d avg_pool3d
        square pow log log2 log10 log1p abs sin cos erf clamp clamp_min clamp_max var
        reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d""",
    _all_inputs: """conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d
        convolution prelu grid_sampler maximum minimum gather""",
    # The variants in place of some activations are derived from their result, to save the copy.
    _output: """relu sigmoid tanh softmax log_softmax _softmax _log_softmax exp expm1 sqrt rsqrt
        reciprocal leaky_relu_ elu_ selu_ celu_""",
    _input_and_output: "std norm linalg_vector_norm logsumexp amax amin prod",
    _second_output: "topk sort max min median kthvalue mode cummax cummin",
    _other_inputs: "index index_select masked_fill scatter embedding index_fill",
    _factors: "mul multiply mm bmm mv dot inner einsum outer",
    _linear: "linear",
    _matmul: "matmul",
    _factors_after_sum: "addmm baddbmm addmv addr addcmul",
    _quotient: "div divide true_divide",
    _batch_norm: "batch_norm native_batch_norm",
    _layer_norm: "layer_norm native_layer_norm",
    _group_norm: "group_norm native_group_norm",
    _instance_norm: "instance_norm",
    _rms_norm: "rms_norm",
    _log_sigmoid: "log_sigmoid",
    _max_pool: """max_pool1d max_pool2d max_pool3d max_pool1d_with_indices
        max_pool2d_with_indices max_pool3d_with_indices adaptive_max_pool1d adaptive_max_pool2d
        adaptive_max_pool3d""",
    _adaptive_avg_pool: "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d",
    _dropout: "dropout alpha_dropout native_dropout",
    _feature_dropout: "feature_dropout",
    _attention: "scaled_dot_product_attention",
    _condition: "where",
    _nothing: """mean sum cumsum pad constant_pad_nd neg floor ceil round trunc sign clone tril
        triu im2col col2im slice_scatter select_scatter index_add copy_ detach nan_to_num_""",
}
_BY_NAME: dict[str, _Rule] = {
    name: rule for rule, names in _RULES.items() for name in names.split()
}
_BY_KIND: dict[str, _Rule] = dict.fromkeys(("add", "concat", "reshape"), _nothing)
_BY_NAME |= {
    f"{kind}{axes}d": _nothing
    for kind in ("upsample_nearest", "_upsample_nearest_exact")
    for axes in (1, 2, 3)
}
_BY_NAME |= dict.fromkeys(
    ("upsample_linear1d", "upsample_bilinear2d", "upsample_bicubic2d", "upsample_trilinear3d"),
    _nothing,
)

_WITHOUT_GRADIENT = frozenset(("input", "constant"))
_STOPS_GRADIENT = frozenset(
    "detach argmax argmin bernoulli bernoulli_ uniform_ normal_ fill_ zero_ sign floor ceil "
    "round trunc floor_divide one_hot bucketize searchsorted count_nonzero".split()
)


def _rule_for(op: OpRecord) -> _Rule | None:
    if op.name == "pad" and op.attrs.get("mode", "constant") != "constant":
        return _input
    dropped = op.kind == "attention" and op.attrs.get("dropout_p")
    if dropped or (op.name == "pow" and len(op.input_tensors) > 1):
        return None  # other kernels, of whose inside the trace sees nothing
    return _BY_NAME.get(op.name) or _BY_NAME.get(op.name.rstrip("_")) or _BY_KIND.get(op.kind)


# ---------------------------------------------------------------------- the pass


def saved_tensors(trace: Trace) -> SavedTensors:
    """Return what every op of a training pass keeps for its backward pass."""
    trainable = {record.name: record.requires_grad for record in trace.parameters}
    shapes = {r.name: r.shape for r in (*trace.parameters, *trace.buffer_records)}
    needs_grad: list[bool] = []
    items: list[Saved] = []
    unknown: set[str] = set()
    for op in trace.ops:
        operands = _operands(trace, op, needs_grad, trainable, shapes)
        # An extra reader of overwritten memory is no operand, and passes its gradient on, too.
        flows = any(operand.needs_grad for operand in operands) or any(
            needs_grad[value.op] for value in op.inputs
        )
        flows &= op.kind not in _WITHOUT_GRADIENT and op.name not in _STOPS_GRADIENT
        flows &= any("float" in out.dtype for out in op.outputs)
        needs_grad.append(flows)
        if flows:
            rule = _rule_for(op)
            if rule is None:
                unknown.add(op.name)
            else:
                items += rule(_Step(op, operands))
    reached = [False] * len(trace.storages)
    for op, flows in zip(trace.ops, needs_grad, strict=True):
        for storage, record in zip(op.storages, op.outputs, strict=True):
            if flows and storage >= 0 and "float" in record.dtype:
                reached[storage] = True
    return SavedTensors(tuple(items), tuple(reached), tuple(sorted(unknown)))


def _operands(
    trace: Trace,
    op: OpRecord,
    needs_grad: list[bool],
    trainable: dict[str, bool],
    shapes: dict[str, tuple[int, ...]],
) -> tuple[_Operand, ...]:
    """Tell weights and values apart among an op's tensor arguments, by their shapes.

    Where both would fit, the value is taken first; the two then have equal sizes.
    """
    values, names = _values(trace, op), list(op.parameters)
    found: list[_Operand] = []
    for record in op.input_tensors:
        fits = bool(values) and _record(trace, values[0]).shape == record.shape
        if names and (not values or (not fits and shapes[names[0]] == record.shape)):
            found.append(_Operand(record, -1, trainable.get(names.pop(0), False)))
        elif values:
            value = values.pop(0)
            storages = trace.ops[value.op].storages
            # The metadata of one value is that of its memory's element type.
            gradient = needs_grad[value.op] and "float" in record.dtype
            strides = strides_of(trace, value)
            found.append(_Operand(record, storages[value.output], gradient, strides))
    return tuple(found)


def _values(trace: Trace, op: OpRecord) -> list[Value]:
    """The values among the operands, without the later writers of their memory."""
    surplus = len(op.inputs) + len(op.parameters) - len(op.input_tensors)
    values: list[Value] = []
    for value in op.inputs:
        if surplus > 0 and values and _is_rewrite(trace, values[-1], value):
            surplus -= 1
        else:
            values.append(value)
    return values


def _is_rewrite(trace: Trace, stale: Value, later: Value) -> bool:
    if later.op <= stale.op:
        return False
    memory = trace.ops[stale.op].storages[stale.output]
    return memory in trace.ops[later.op].storages


def _record(trace: Trace, value: Value) -> TensorRecord:
    return trace.ops[value.op].outputs[value.output]
