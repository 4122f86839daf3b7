"""What is known of an ATen op before it meets its operands, and its arguments by name."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor

from explorer.trace.costs import Rule, kind_of, rule_for
from explorer.trace.shapes import RULES, ShapeRule

_SILENT = frozenset(
    """size sym_size stride sym_stride storage_offset sym_storage_offset numel sym_numel dim
    is_contiguous is_strides_like_format is_non_overlapping_and_dense sym_is_contiguous
    is_same_size _has_same_storage_numel _has_compatible_shallow_copy_type _assert_async
    _assert_tensor_metadata item is_complex is_floating_point lift_fresh detach_ result_type
    can_cast _linalg_check_errors _nested_tensor_from_mask_left_aligned""".split()
)
"""Questions about tensors: none is computed."""

_ASSUMED = {"_nested_tensor_from_mask_left_aligned": False}
"""Questions about values whose answer only opens a faster path to the same result."""

_KNOWN = frozenset({"aten", "prims", "torchvision"})
"""Namespaces whose op names mean what `costs.py` says."""


class Op:
    """What is known of an ATen op before it meets operands."""

    __slots__ = (
        "arguments", "assumed", "axes", "cacheable", "cost", "data_dependent", "decomposes",
        "func", "kind", "mutates", "name", "random", "resizes", "shape_rule", "silent", "writes",
    )  # fmt: skip

    def __init__(self, func: Any) -> None:
        self.func = func  # keeps it alive: OPS is keyed by its id
        schema = func._schema
        namespace, self.name = schema.name.split("::")
        tags = func.tags
        name = self.name if namespace in _KNOWN else ""
        self.kind = kind_of(name, torch.Tag.pointwise in tags, torch.Tag.reduction in tags)
        self.cost: Rule | None = rule_for(name, self.kind)
        self.mutates: bool = schema.is_mutable
        self.resizes = torch.Tag.inplace_view in tags
        aliases = any(r.alias_info is not None for r in schema.returns)
        self.data_dependent = (
            torch.Tag.data_dependent_output in tags or torch.Tag.dynamic_output_shape in tags
        )
        # The kernel's shape rule is for the plain overload; `out=` writes elsewhere.
        self.shape_rule: ShapeRule | None = (
            RULES.get(self.name)
            if namespace == "aten" and schema.overload_name not in ("out", "dimname", "names")
            else None
        )
        if self.shape_rule is None and self.kind == "unknown" and aliases and not self.mutates:
            self.kind, self.cost = "reshape", rule_for("view", "reshape")
        composite = hasattr(func, "_can_decompose") and func._can_decompose()
        self.decomposes = composite and self.cost is None and not self.mutates
        self.random = torch.Tag.nondeterministic_seeded in tags or self.kind == "recurrent"
        self.cacheable = not (self.resizes or self.data_dependent)
        self.arguments = tuple(
            (position, argument.name, argument.default_value)
            for position, argument in enumerate(schema.arguments)
            if "Tensor" not in str(argument.type)
        )
        """Position, name and default of the arguments that are no tensors."""
        self.writes = tuple(
            i for i, a in enumerate(schema.arguments) if a.alias_info and a.alias_info.is_write
        )
        axes = re.search(r"(\d)d", self.name)
        self.axes = int(axes[1]) if axes else 1
        """Spatial axes of an op that has its own name for each number of them (max_pool2d)."""
        self.assumed = _ASSUMED.get(self.name)
        self.silent = namespace in ("prim", "profiler") or self.name in _SILENT

    def written(self, args: tuple[Any, ...]) -> list[Tensor]:
        """Return the tensors among the arguments that the op writes in place."""
        found: list[Tensor] = []
        for i in self.writes:
            arg = args[i] if i < len(args) else None
            items = arg if isinstance(arg, (list, tuple)) else (arg,)
            found += [item for item in items if isinstance(item, Tensor)]
        return found


OPS: dict[int, Op] = {}
"""By `id` of the `OpOverload`: its own hash is a Python function."""


def op_of(func: Any) -> Op:
    """Return what is known of an `OpOverload`."""
    return OPS.get(id(func)) or OPS.setdefault(id(func), Op(func))


_PER_AXIS = ("kernel_size", "stride", "padding", "dilation", "output_padding", "output_size")


def attributes_of(op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the non-tensor arguments by name, defaults included, sizes as one value per axis."""
    found: dict[str, Any] = {}
    if op.kind == "convolution":
        found["kernel_size"] = tuple(args[1].shape[2:])
    for position, name, default in op.arguments:
        value = args[position] if position < len(args) else kwargs.get(name, default)
        kind = type(value)
        if kind is list:
            value = tuple(value)
        elif kind is torch.dtype or kind is torch.device:
            value = str(value).removeprefix("torch.")
        if isinstance(value, (bool, int, float, str, tuple)):
            found[name] = value
    if op.kind in ("convolution", "pooling"):
        _spread(found, len(found["kernel_size"]) if op.kind == "convolution" else op.axes)
    return found


def _spread(found: dict[str, Any], axes: int) -> None:
    """Write `stride=2` as `(2, 2)`, and the stride that a pooling leaves out as its kernel."""
    for name in _PER_AXIS:
        value = found.get(name)
        if type(value) is int:
            found[name] = (value,) * axes
        elif isinstance(value, tuple) and len(value) == 1:
            found[name] = value * axes
    if found.get("stride") == ():
        found["stride"] = found["kernel_size"]
