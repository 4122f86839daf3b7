"""How a value lies in its memory: whether a kernel can read it as it is or must copy it.

A trace has shapes and no strides. They are worked out here for views that permute or cut what
an op wrote densely, which is where a later reshape has to copy; of other views they are unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from explorer.trace.records import OpRecord, Trace, Value

Shape = tuple[int, ...]
Strides = tuple[int, ...]


def dense(shape: Shape) -> Strides:
    """Strides, in elements, of a tensor that lies in memory in the order of its axes."""
    strides = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        strides[axis] = strides[axis + 1] * max(1, shape[axis + 1])
    return tuple(strides)


def strides_of(trace: Trace, value: Value) -> Strides | None:
    """Strides of a value in elements, or None if they are not known."""
    op = trace.ops[value.op]
    shape = op.outputs[value.output].shape
    if not op.is_view:
        return dense(shape)
    if not op.inputs:
        return None  # a view of a parameter
    before = trace.ops[op.inputs[0].op].outputs[op.inputs[0].output].shape
    strides = strides_of(trace, op.inputs[0])
    if strides is None:
        return None
    rule = _RULES.get(op.name)
    if rule is not None:
        return rule(op, strides)
    # Split or merged axes of a dense tensor are dense; of another one, nothing is known.
    return dense(shape) if _is_dense(before, strides) else None


def merges(shape: Shape, strides: Strides | None) -> bool:
    """Whether the axes of `shape` can be read as one axis without a copy; unknown is yes."""
    if strides is None:
        return True
    long = [(n, step) for n, step in zip(shape, strides, strict=True) if n != 1]
    return all(outer == inner * n for (_, outer), (n, inner) in pairwise(long))


def _is_dense(shape: Shape, strides: Strides) -> bool:
    return all(
        n == 1 or step == wanted
        for n, step, wanted in zip(shape, strides, dense(shape), strict=True)
    )


def _permute(op: OpRecord, strides: Strides) -> Strides:
    return tuple(strides[axis] for axis in op.attrs["dims"])


def _transpose(op: OpRecord, strides: Strides) -> Strides:
    swapped = list(strides)
    a, b = op.attrs["dim0"], op.attrs["dim1"]
    swapped[a], swapped[b] = swapped[b], swapped[a]
    return tuple(swapped)


def _reverse(_: OpRecord, strides: Strides) -> Strides:
    return strides[::-1]


def _drop(op: OpRecord, strides: Strides) -> Strides:
    axis = op.attrs.get("dim", 0) % len(strides)
    return strides[:axis] + strides[axis + 1 :]


def _keep(op: OpRecord, strides: Strides) -> Strides | None:
    step = op.attrs.get("step", 1)
    return strides if step == 1 else None


_RULES: dict[str, Callable[[OpRecord, Strides], Strides | None]] = {
    "permute": _permute,
    "transpose": _transpose,
    "t": _reverse,
    "numpy_T": _reverse,
    "select": _drop,
    "unbind": _drop,
    "slice": _keep,
    "narrow": _keep,
    "chunk": _keep,
    "split": _keep,
    "split_with_sizes": _keep,
    "expand": lambda _op, _strides: None,
    "as_strided": lambda _op, _strides: None,
}
