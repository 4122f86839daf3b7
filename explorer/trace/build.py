"""Models without weights: built on the meta device, or a weightless twin of a real one."""

from __future__ import annotations

import copy
import types
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from explorer.trace.shapes import META
from explorer.trace.specs import Named, meta_spec_of, spec_of

_FACTORIES = frozenset(
    {
        torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.normal,
        torch.empty_strided, torch.empty_permuted,
    }
)  # fmt: skip
_FILLS = frozenset(
    {
        Tensor.normal_, Tensor.uniform_, Tensor.fill_, Tensor.zero_, Tensor.random_,
        Tensor.exponential_, Tensor.erfinv_, Tensor.clamp_, Tensor.mul_, Tensor.add_,
        Tensor.log_normal_, Tensor.cauchy_, Tensor.geometric_, Tensor.bernoulli_,
        nn.init.kaiming_uniform_, nn.init.kaiming_normal_, nn.init.xavier_uniform_,
        nn.init.xavier_normal_, nn.init.uniform_, nn.init.normal_, nn.init.constant_,
        nn.init.ones_, nn.init.zeros_, nn.init.trunc_normal_,
    }
)  # fmt: skip


class _WithoutWeights(TorchFunctionMode):
    """Makes bulk factories return meta tensors and weight initialisation do nothing.

    Thread-local, unlike patching `torch.nn.init`. Small tensors whose values a constructor may
    read (arange, linspace, tensor) stay real.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in _FILLS:
            tensor = args[0] if args else (kwargs or {}).get("tensor")
            if isinstance(tensor, Tensor) and tensor.is_meta:
                return tensor
        elif func in _FACTORIES:
            kwargs = kwargs or {}
            if kwargs.get("device") is None:
                kwargs = {**kwargs, "device": META}
        return func(*args, **(kwargs or {}))


def build_on_meta(build: Callable[..., nn.Module], **options: Any) -> nn.Module:
    """Call a model's builder without allocating or initialising its weights.

    Args:
        build: returns a new model, which nobody else holds.
        **options: passed to `build`.

    Returns:
        The model, all parameters and buffers on the meta device, shared ones still shared.
    """
    with _WithoutWeights():
        model = build(**options)
    known: dict[int, Tensor] = {}
    for module in model.modules():
        for tensors in (module._parameters, module._buffers):
            for name, tensor in tensors.items():
                if tensor is not None and not tensor.is_meta:
                    if id(tensor) not in known:
                        known[id(tensor)] = _on_meta(tensor)
                    tensors[name] = known[id(tensor)]  # type: ignore[assignment]
    return model


def materialize(model: nn.Module) -> nn.Module:
    """Give a model on the meta device real weights on the CPU, in place, and return it.

    Small normal values: memory left uninitialised holds denormals, with which a forward is
    several times slower. Norm weights and running variances are one, biases zero.
    """
    known: dict[int, Tensor] = {}
    for module in model.modules():
        is_norm = "running_mean" in module._buffers or type(module).__name__.endswith("Norm")
        for tensors in (module._parameters, module._buffers):
            for name, tensor in tensors.items():
                if tensor is None or not tensor.is_meta:
                    continue
                if id(tensor) not in known:
                    known[id(tensor)] = _filled(tensor, name, is_norm)
                tensors[name] = known[id(tensor)]  # type: ignore[assignment]
    return model


def _filled(tensor: Tensor, name: str, is_norm: bool) -> Tensor:
    real = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype)
    with torch.no_grad():
        if name == "running_var" or (is_norm and name == "weight"):
            real.fill_(1)
        elif tensor.dim() > 1 and tensor.is_floating_point():
            real.normal_(0, 0.02)
        else:
            real.zero_()
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(real, requires_grad=tensor.requires_grad)
    return real


def _on_meta(tensor: Tensor) -> Tensor:
    empty = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=META)
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(empty, requires_grad=tensor.requires_grad)
    return empty


class Twin:
    """A private copy of a model's structure, its weights replaced by meta tensors.

    `copy.deepcopy` would copy the weights first; here a parameter costs a microsecond whatever
    its size. Attributes that are neither modules nor weights are copied where they can change.
    To be made under `torch.inference_mode()`, as the pass that uses it.

    Attributes:
        model: the copy.
        modules: (path, module) of every distinct module of the copy.
        parameters: of the copy, each once, by identity.
        buffers: likewise.
        originals: the copy's weight by `id` of the original's.
    """

    def __init__(self, model: nn.Module, *, weights: bool = False) -> None:
        """Copy `model`.

        Args:
            model: any module; left as it is.
            weights: copy the weights too, for a run on real values.
        """
        self.modules: list[tuple[str, nn.Module]] = []
        self.parameters: list[Named] = []
        self.buffers: list[Named] = []
        self.originals: dict[int, Named] = {}
        self._weights = weights
        self._memo: dict[int, Any] = {}
        self._copied: set[int] = set()
        model = getattr(model, "_orig_mod", model)  # what torch.compile returns wraps the model
        self._shells(model)
        self.model = self._module(model, "")

    def _shells(self, module: nn.Module) -> None:
        """Create every copy empty first, so that attributes may refer to any module."""
        memo, key = self._memo, id(module)
        if key in memo or _needs_deepcopy(type(module)):  # type: ignore[arg-type]
            return
        memo[key] = type(module).__new__(type(module))
        for child in module._modules.values():
            if child is not None:
                self._shells(child)

    def _module(self, module: nn.Module, path: str) -> nn.Module:
        key = id(module)
        if key in self._copied:
            return cast(nn.Module, self._memo[key])
        self._copied.add(key)
        if key not in self._memo:
            return self._whole(module, path)
        clone = cast(nn.Module, self._memo[key])
        self.modules.append((path, clone))
        prefix = f"{path}." if path else ""
        source, state = module.__dict__, clone.__dict__
        state.update(source)
        for name, value in source.items():
            kind = type(value)
            if kind in _PLAIN:
                continue
            if not value and kind in _EMPTY:
                state[name] = kind()
            elif name not in _STRUCTURE:
                state[name] = self._value(value)
        if source["_parameters"]:
            state["_parameters"] = self._tensors(source["_parameters"], prefix, self.parameters)
        if source["_buffers"]:
            state["_buffers"] = self._tensors(source["_buffers"], prefix, self.buffers)
        if source["_modules"]:
            state["_modules"] = {
                name: None if child is None else self._module(child, prefix + name)
                for name, child in source["_modules"].items()
            }
        return clone

    def _whole(self, module: nn.Module, path: str) -> nn.Module:
        """Copy a module that has its own way of being copied (a scripted one, an fx graph)."""
        if not isinstance(module, torch.jit.ScriptModule):
            for tensor in (*module.parameters(), *module.buffers()):
                self._memo.setdefault(id(tensor), self._twin("", tensor).tensor)
        clone = copy.deepcopy(module, self._memo)
        self._memo[id(module)] = clone
        self._list_whole(clone, path)
        return clone

    def _list_whole(self, module: nn.Module, path: str) -> None:
        """Enter a module that was copied whole (a scripted one) with all that it holds."""
        self.modules.extend(module.named_modules(prefix=path))
        for group, named in (
            (self.parameters, module.named_parameters(prefix=path)),
            (self.buffers, module.named_buffers(prefix=path)),
        ):
            for name, tensor in named:
                group.append(Named(name, spec_of(tensor), tensor, tensor.requires_grad, []))

    def _tensors(
        self, tensors: Mapping[str, Tensor | None], prefix: str, group: list[Named]
    ) -> dict[str, Tensor | None]:
        copies: dict[str, Tensor | None] = {}
        for name, tensor in tensors.items():
            if tensor is None:
                copies[name] = None
                continue
            key = id(tensor)
            named = self.originals.get(key)
            if named is not None:
                named.aliases.append(prefix + name)
            else:
                named = self._twin(prefix + name, tensor)
                self._memo[key], self.originals[key] = named.tensor, named
                group.append(named)
            copies[name] = named.tensor
        return copies

    def _twin(self, name: str, tensor: Tensor) -> Named:
        if self._weights:
            data = tensor.detach().cpu().clone()
            spec = spec_of(data)
        else:
            spec = meta_spec_of(tensor)
            data = spec.template.detach()
        if isinstance(tensor, nn.Parameter):
            data = nn.Parameter(data, requires_grad=False)
        return Named(name, spec, data, tensor.requires_grad, [])

    def _value(self, value: Any) -> Any:
        if isinstance(value, type) or (
            type(value) is tuple and all(type(item) in _PLAIN for item in value)
        ):
            return value
        try:
            return copy.deepcopy(value, self._memo)
        except Exception:
            # A lock, a generator, a tensor in a graph: what cannot be copied is shared.
            return value


_PLAIN = frozenset(
    {
        int, float, bool, str, bytes, type, type(None), torch.dtype, torch.device, torch.Size,
        types.FunctionType, types.BuiltinFunctionType, types.ModuleType,
    }
)  # fmt: skip
_EMPTY = frozenset({dict, OrderedDict, list, set})
_STRUCTURE = frozenset({"_parameters", "_buffers", "_modules"})


@lru_cache(maxsize=4096)
def _needs_deepcopy(kind: type) -> bool:
    """Whether a module class has its own way of being copied or of keeping its attributes."""
    return issubclass(kind, torch.jit.ScriptModule) or hasattr(kind, "__deepcopy__")
