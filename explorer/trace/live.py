"""What is known while a pass goes on: living tensors and their memory, calls under way."""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from explorer.trace.records import TensorRecord
from explorer.trace.specs import Spec, Weight

Shape = tuple[int, ...]

ORIGINAL = -2
"""Instead of an op that wrote it: a weight of the model that was copied."""


class Memory:
    """A block of memory, shared by a tensor and its views."""

    __slots__ = ("born", "died", "index", "last_write", "nbytes", "references")

    def __init__(self, index: int, nbytes: int, born: int) -> None:
        self.index = index
        self.nbytes = nbytes
        self.born = born
        self.died = -1
        self.last_write = -1
        self.references = 0


class Live(weakref.ref):  # type: ignore[type-arg]
    """A living tensor: who wrote its value, and which memory holds it.

    It is the weak reference itself, and keyed by the tensor's `id`: when the tensor dies, the
    entry goes, so that a new tensor at the same address is not mistaken for it, and memory is
    known to be freed exactly when it would be.
    """

    __slots__ = ("key", "memory", "op", "output", "spec", "weight")

    op: int
    output: int
    spec: Spec
    memory: Memory
    key: int
    weight: Weight | None
    """The parameter or buffer that it is, if it is one."""


class Module:
    """A module of the model, as its calls refer to it."""

    __slots__ = ("key", "name", "path")

    def __init__(self, path: str, module: nn.Module) -> None:
        self.path = path
        self.name = type(module).__name__
        self.key = id(module)


Passed = tuple[int, int, TensorRecord]
"""A tensor that went into a call or came out: (op that wrote it or -1, output, metadata)."""


class Call:
    """A module call, under way or done."""

    __slots__ = ("first_op", "inputs", "last_op", "module", "outputs", "parent")

    def __init__(
        self, module: Module, parent: int, first_op: int, inputs: tuple[Passed, ...]
    ) -> None:
        self.module = module
        self.parent = parent
        self.first_op = self.last_op = first_op
        self.inputs = inputs
        self.outputs: tuple[Passed, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Failure:
    """The op that raised, with what it was given."""

    name: str
    operands: tuple[TensorRecord, ...]
    writers: tuple[int, ...]
    """For each operand, the op that wrote it, negative for a weight."""
    kernel_size: Shape
    groups: int
    call: int
    index: int
    """Number of ops recorded before."""


def tensors_in(obj: Any) -> Iterator[Tensor]:
    """Yield the tensors in any nesting of sequences, mappings and dataclasses, in order."""
    if isinstance(obj, Tensor):
        yield obj
    elif isinstance(obj, (list, tuple, set)):
        for item in obj:
            if isinstance(item, Tensor):
                yield item
            else:
                yield from tensors_in(item)
    elif isinstance(obj, Mapping):
        for item in obj.values():
            yield from tensors_in(item)
    elif dataclasses.is_dataclass(obj) and not isinstance(obj, type):
        for field in dataclasses.fields(obj):
            yield from tensors_in(getattr(obj, field.name, None))
