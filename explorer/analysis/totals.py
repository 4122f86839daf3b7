"""The numbers at the head of a page, and the convention that they are counted in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from explorer.dataflow import Dataflow
from explorer.text import _
from explorer.trace.records import OpRecord, Trace

Shape = tuple[int, ...]

_BUILT_IN_WEIGHTS = frozenset(("convolution", "linear"))


@dataclass(frozen=True, slots=True)
class Convention:
    """What a cost counts, and in which unit.

    Convolutions, linear layers, matrix products and attention always count. One
    multiply-accumulate (MAC) is two floating-point operations (FLOPs). What the switches add
    is one operation each, in either unit.
    """

    bias: bool = False
    normalization: bool = False
    elementwise: bool = False
    """Activations, additions, products, softmax, resampling: all arithmetic not named here."""
    pooling: bool = False
    unit: Literal["MACs", "FLOPs"] = "MACs"

    def cost(self, op: OpRecord) -> int:
        """Operations of one op under this convention."""
        cost = op.macs if self.unit == "MACs" else 2 * op.macs
        if self.bias:
            cost += op.bias_ops
        if op.elementwise_ops and self.counts(op.kind):
            cost += op.elementwise_ops
        return cost

    def counts(self, kind: str) -> bool:
        """Whether arithmetic other than multiply-accumulates and bias counts in this kind."""
        if kind == "normalization":
            return self.normalization
        return self.pooling if kind == "pooling" else self.elementwise

    def statement(self, trace: Trace) -> str:
        """One or two sentences that say what the totals of `trace` count."""
        switches = {
            _("bias"): self.bias,
            _("normalization"): self.normalization,
            _("activation and other elementwise arithmetic")
            if self.elementwise
            else _("activation"): self.elementwise,
            _("pooling"): self.pooling,
        }
        counted = _enumerate([name for name, on in switches.items() if on])
        left_out = _enumerate([name for name, on in switches.items() if not on])
        text = (
            _("Multiply-accumulates of convolutions, linear layers, matrix products and attention")
            if self.unit == "MACs"
            else _(
                "Floating-point operations, two for each multiply-accumulate, of convolutions, "
                "linear layers, matrix products and attention"
            )
        )
        if counted:
            text += _(", and one operation each for {counted}").format(counted=counted)
        if left_out:
            text += _("; {left_out} not counted").format(left_out=left_out)
        text += _(". Batch of {n}.").format(n=_batch(trace))
        if trace.unknown_ops:
            unknown = _enumerate(sorted(set(trace.unknown_ops)))
            text += _(" At least: the cost of {ops} is not known and not in the total.").format(
                ops=unknown
            )
        return text


DEFAULT = Convention()
"""Plain MACs, as most papers count them."""


class Totals(NamedTuple):
    """Whole-model counts under one convention."""

    params: int
    trainable_params: int
    buffers: int
    cost: int
    activation_bytes: int
    depth: int
    """Most weighted layers on any path from input to output: 50 for ResNet-50."""
    output_shape: Shape | tuple[Shape, ...]
    unused_params: int
    """Elements of parameters that no op read in this forward."""
    lower_bound: bool
    """An op without a cost rule makes `cost` a lower bound."""


def totals(trace: Trace, convention: Convention = DEFAULT) -> Totals:
    """Count the whole model."""
    return Totals(
        params=trace.params,
        trainable_params=sum(p.numel for p in trace.parameters if p.requires_grad),
        buffers=trace.buffers,
        cost=sum(map(convention.cost, trace.ops)),
        activation_bytes=trace.activation_bytes,
        depth=Dataflow(trace).longest_path([weighted_layers(op) for op in trace.ops]),
        output_shape=trace.output_shape,
        unused_params=sum(p.numel for p in trace.parameters if not p.read),
        lower_bound=trace.is_lower_bound,
    )


def weighted_layers(op: OpRecord) -> int:
    """How many layers with weights an op is, as papers count a network's depth.

    A convolution or linear layer is one, a product with a parameter too, a recurrent op as
    many as it stacks; a product of two activations, as inside attention, is none.
    """
    if op.kind in _BUILT_IN_WEIGHTS:
        return 1
    if op.kind == "recurrent":
        return int(op.attrs.get("num_layers", 1))
    return int(op.macs > 0 and bool(op.parameters))


def _batch(trace: Trace) -> int:
    first = trace.input_shape[0] if trace.input_shape else 1
    return first if isinstance(first, int) else first[0]


def _enumerate(names: list[str]) -> str:
    """Names as "a, b and c"."""
    return _(" and ").join(filter(None, (_(", ").join(names[:-1]), *names[-1:])))
