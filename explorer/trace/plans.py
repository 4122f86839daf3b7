"""What an op does to operands of known metadata: found out once, then remembered.

Output metadata, cost and attributes of an op are a pure function of the op, the metadata of
its tensor operands and its other arguments. A `Plan` holds that answer; the process keeps it,
so that the second layer of a kind, the second trace and the second user pay a dictionary
look-up instead of a kernel.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from explorer.trace.costs import FREE, Cost
from explorer.trace.ops import OPS, Op, attributes_of, op_of
from explorer.trace.records import TensorRecord
from explorer.trace.specs import SPECS, Spec, spec_of

NEW, SAME, VIEW = 0, 1, 2


class Origin(NamedTuple):
    """Where an output comes from.

    `how` is NEW for fresh memory, SAME if the output is the operand itself, VIEW if it shares
    the operand's memory.
    """

    how: int
    operand: int


class Plan(NamedTuple):
    """What an op does to operands of known metadata."""

    kind: str
    single: bool
    """The op returns one tensor, not a tuple."""
    specs: tuple[Spec | None, ...]
    """Metadata of each output, None for what is not a tensor."""
    origins: tuple[Origin, ...]
    templates: tuple[Tensor | None, ...] | None
    """A meta tensor to detach for each output (None: it is an operand); None if the op has to
    run every time."""
    inputs: tuple[TensorRecord, ...]
    outputs: tuple[TensorRecord, ...]
    attributes: tuple[tuple[str, Any], ...]
    cost: Cost
    bytes_read: int
    bytes_written: int
    is_view: bool
    unknown: bool
    """Nothing is known of what it costs, or of what a part of it costs."""


PLANS: dict[Any, Plan] = {}
PLANS_MAX = 100_000
"""An entry is about a kilobyte; ResNet-50 at one input size needs 60."""


def remember(key: Any, plan: Plan) -> None:
    """Keep a plan for the whole process. Concurrent writers write equal plans."""
    if len(PLANS) > PLANS_MAX:
        PLANS.clear()
    PLANS[key] = plan


def forget() -> None:
    """Drop what earlier traces left in memory, as in a new process; benchmarks ask for it."""
    for memory in (PLANS, SPECS, OPS):
        memory.clear()


def execute(
    func: Any,
    op: Op,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    tensors: list[Tensor],
    specs: list[Spec],
    *,
    real: bool,
) -> tuple[Plan, Any]:
    """Run an op and find out what it does.

    Args:
        func: the op.
        op: what is known of it.
        args: positional arguments.
        kwargs: keyword arguments.
        tensors: the tensors among the arguments, in order.
        specs: their metadata.
        real: the tensors hold data, so that the kernel has to run whatever the shapes.

    Returns:
        The plan, and what the op returned.
    """
    on_meta = not real and bool(tensors) and all(spec.is_meta for spec in specs)
    out: Any = None
    kind, cost, unknown = op.kind, FREE, False
    if on_meta and op.shape_rule is not None:
        out = op.shape_rule(args, kwargs)
    ruled = out is not None
    if out is None and op.decomposes:
        with CostCounter() as counter:
            out = func.decompose(*args, **kwargs)
        cost, unknown = counter.cost, counter.unknown
    elif out is None:
        out = func(*args, **kwargs)
    if op.cost is not None:
        cost = op.cost(args, out)
    elif not op.decomposes:
        unknown = bool(tensors)
    if kind == "unknown" and not unknown:
        kind = ("matmul" if cost.macs else "elementwise") if tensors else "constant"

    single = isinstance(out, Tensor)
    outputs: tuple[Any, ...] = (out,) if single else tuple(out) if _is_sequence(out) else ()
    reusable = on_meta and bool(outputs) and all(o is None or _is_meta(o) for o in outputs)
    if out is None and op.mutates:  # `_foreach_add_` and the like return nothing
        outputs = tuple(op.written(args))
    out_specs = tuple([spec_of(o) if isinstance(o, Tensor) else None for o in outputs])
    origins = (
        (Origin(SAME, 0) if out is tensors[0] else Origin(NEW, 0),)
        if ruled
        else tuple([_origin(op, o, i, tensors) for i, o in enumerate(outputs)])
    )
    is_view = bool(outputs) and not op.mutates and all(o.how != NEW for o in origins)
    moves = (not is_view and kind != "bookkeeping") or op.name == "copy_"
    inputs = tuple([spec.record for spec in specs])
    written = tuple([s.record for s in out_specs if s is not None])
    plan = Plan(
        kind=kind,
        single=single,
        specs=out_specs,
        origins=origins,
        templates=tuple(map(_template, out_specs, origins)) if reusable else None,
        inputs=inputs,
        outputs=written,
        attributes=tuple(attributes_of(op, args, kwargs).items()),
        cost=cost,
        bytes_read=sum(r.nbytes for r in inputs) if moves else 0,
        bytes_written=sum(r.nbytes for r in written) if moves else 0,
        is_view=is_view,
        unknown=unknown,
    )
    return plan, out


def _is_sequence(out: Any) -> bool:
    return isinstance(out, (tuple, list))


def _is_meta(out: Any) -> bool:
    return isinstance(out, Tensor) and out.is_meta


def _template(spec: Spec | None, origin: Origin) -> Tensor | None:
    return None if spec is None or origin.how == SAME else spec.template


def _origin(op: Op, out: Any, position: int, tensors: list[Tensor]) -> Origin:
    if not isinstance(out, Tensor):
        return Origin(NEW, 0)
    for i, tensor in enumerate(tensors):
        if out is tensor:
            return Origin(SAME, i)
    if op.kind != "constant":
        storage = out.untyped_storage()._cdata
        shared = [i for i, t in enumerate(tensors) if t.untyped_storage()._cdata == storage]
        if shared:
            # Meta tensors of equal metadata share memory. Of several operands, the n-th output
            # is a view of the n-th (broadcast_tensors).
            return Origin(VIEW, position if position in shared else shared[0])
    return Origin(NEW, 0)


class CostCounter(TorchDispatchMode):
    """Adds up the costs of the ops that a composite op without a rule consists of.

    Attributes:
        cost: the sum so far.
        unknown: an op has no rule.
    """

    def __init__(self) -> None:
        """Start at zero."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.cost = Cost()
        self.unknown = False

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run the op and count it."""
        op = op_of(func)
        if op.decomposes and not op.silent:
            with self:
                return func.decompose(*args, **(kwargs or {}))
        out = func(*args, **(kwargs or {}))
        if op.cost is not None:
            self.cost = Cost(*map(sum, zip(self.cost, op.cost(args, out), strict=True)))
        elif not op.silent:
            self.unknown = True
        return out
