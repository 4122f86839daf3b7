"""Tensor metadata, interned: tensors of equal metadata share one `Spec` object."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from explorer.trace.records import TensorRecord
from explorer.trace.shapes import META

if TYPE_CHECKING:
    from explorer.trace.live import Memory


class Spec:
    """Metadata of a tensor, interned: equal metadata is the same object."""

    __slots__ = ("is_meta", "numel", "record", "template")

    def __init__(self, tensor: Tensor) -> None:
        self.record = TensorRecord(
            tuple(tensor.shape),
            str(tensor.dtype).removeprefix("torch."),
            tensor.numel() * tensor.element_size(),
        )
        self.is_meta = tensor.is_meta
        self.numel = tensor.numel()
        # A detached meta tensor is the cheapest new tensor there is, and needs no memory.
        # It has to be an inference tensor, as everything in the pass is: an op that mixes both
        # worlds tracks versions, and fails on what has none.
        with nullcontext() if torch.is_inference_mode_enabled() else torch.inference_mode():
            self.template = torch.empty_strided(
                tensor.shape, tensor.stride(), dtype=tensor.dtype, device=META
            )


class Weight:
    """A parameter or a buffer of the model that is being recorded, once, by identity."""

    __slots__ = ("aliases", "memory", "name", "requires_grad", "spec", "tensor", "unread")

    def __init__(self, name: str, spec: Spec, tensor: Tensor, requires_grad: bool) -> None:
        self.name = name
        self.spec = spec
        self.tensor = tensor
        self.requires_grad = requires_grad
        self.aliases: list[str] = []
        self.unread = 0
        """Elements of a parameter that no op has read yet."""
        self.memory: Memory | None = None
        """Where it is, once an op has viewed or written it: what is written can be read."""


SPECS: dict[Any, Spec] = {}
_MAX = 100_000


def spec_of(tensor: Tensor) -> Spec:
    """Return the one `Spec` of all tensors with this shape, these strides, type and device."""
    key = (tensor.shape, tensor.stride(), tensor.dtype, tensor.device)
    spec = SPECS.get(key)
    if spec is None:
        if len(SPECS) > _MAX:
            SPECS.clear()
        spec = SPECS.setdefault(key, Spec(tensor))
    return spec


def meta_spec_of(tensor: Tensor) -> Spec:
    """Return the `Spec` of a meta tensor of the same shape, strides and type."""
    spec = SPECS.get((tensor.shape, tensor.stride(), tensor.dtype, META))
    if spec is None:
        empty = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=META)
        spec = spec_of(empty)
    return spec
