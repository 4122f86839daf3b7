"""Models without weights: built on the meta device, or a weightless twin of a real one."""

from __future__ import annotations

import copy
import types
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import lru_cache
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from explorer.errors import TraceError
from explorer.text import _
from explorer.trace.shapes import META
from explorer.trace.specs import Weight, meta_spec_of, spec_of

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


def _built(build: Callable[..., nn.Module], options: Mapping[str, Any]) -> nn.Module:
    """Build in the cheapest way that the constructor allows.

    One that mixes real and meta tensors is built with all its tensors on meta; one that reads
    values, with weights.
    """
    for context in (_WithoutWeights(), torch.device("meta"), nullcontext()):
        try:
            with context:
                return build(**options)
        except (NotImplementedError, RuntimeError):
            if isinstance(context, nullcontext):
                raise
    raise AssertionError("the last way either returns or raises")


def build_on_meta(build: Callable[..., nn.Module], **options: Any) -> nn.Module:
    """Call a model's builder without allocating or initialising its weights.

    Args:
        build: returns a new model, which nobody else holds.
        **options: passed to `build`.

    Returns:
        The model, all parameters and buffers on the meta device, shared ones still shared.
    """
    model = _built(build, options)
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
        for tensors in (module._parameters, module._buffers):
            for name, tensor in tensors.items():
                if tensor is None or not tensor.is_meta:
                    continue
                if id(tensor) not in known:
                    real = _filled(tensor, name)
                    if isinstance(tensor, nn.Parameter):
                        real = nn.Parameter(real, requires_grad=tensor.requires_grad)
                    known[id(tensor)] = real
                tensors[name] = known[id(tensor)]  # type: ignore[assignment]
    return model


def _filled(tensor: Tensor, name: str) -> Tensor:
    real = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype)
    with torch.no_grad():
        if tensor.dim() > 1 and tensor.is_floating_point():
            # A generator of its own: the process's random numbers are left alone.
            real.normal_(0, 0.02, generator=torch.Generator().manual_seed(tensor.numel()))
        else:  # the weight of a norm, its running variance; a bias, a counter
            real.fill_(name in ("weight", "running_var"))
    return real


def _on_meta(tensor: Tensor) -> Tensor:
    empty = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=META)
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(empty, requires_grad=tensor.requires_grad)
    return empty


class Twin:
    """A private copy of a model's structure, its weights replaced by meta tensors.

    `copy.deepcopy` would copy the weights first; here a parameter costs a microsecond or two
    whatever its size. Attributes that are neither modules nor weights are copied where they
    can change. To be made under `torch.inference_mode()`, as the pass that uses it.

    Attributes:
        model: the copy.
        modules: (path, module) of every distinct module of the copy.
        parameters: of the copy, each once, by identity.
        buffers: likewise.
        originals: the copy's weight by `id` of the original's.
    """

    def __init__(self, model: nn.Module, *, train: bool = False, weights: bool = False) -> None:
        """Copy `model`.

        Args:
            model: any module; left as it is.
            train: put the copy into train mode, unless the model is in it already: then a part
                that was switched to eval stays so. Otherwise the copy is in eval mode.
            weights: copy the weights too, for a run on real values.
        """
        self.modules: list[tuple[str, nn.Module]] = []
        self.parameters: list[Weight] = []
        self.buffers: list[Weight] = []
        self.originals: dict[int, Weight] = {}
        self._weights = weights
        self._eval = not train
        self._memo: dict[int, Any] = {}
        self._later: list[tuple[dict[str, Any], str, Any]] = []
        self._kept: list[Tensor] = []  # `originals` knows them by id
        model = getattr(model, "_orig_mod", model)  # what torch.compile returns wraps the model
        self.model = self._module(model, "")
        # Now that every module has its copy, attributes may refer to any of them.
        for state, name, value in self._later:
            state[name] = self._deepcopy(value)
        if train and not self.model.training:
            self.model.train()

    def _module(self, module: nn.Module, path: str) -> nn.Module:
        memo, key, kind = self._memo, id(module), type(module)
        if key in memo:
            self._alias(module, path)
            return cast(nn.Module, memo[key])
        if _has_own_copy(kind):  # type: ignore[arg-type]
            return self._whole(module, path)
        clone: nn.Module = object.__new__(kind)
        memo[key] = clone
        self.modules.append((path, clone))
        source, state = module.__dict__, clone.__dict__
        state.update(source)
        self._copy_attributes(source, state)
        if self._eval:
            state["training"] = False
        if "_compiled_call_impl" in source:  # `compile()` ties a module to its own compiled code
            state["_compiled_call_impl"] = None
        prefix = f"{path}." if path else ""
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

    def _copy_attributes(self, source: dict[str, Any], state: dict[str, Any]) -> None:
        """Copy what could change: empty containers and lists now, the rest at the end."""
        for name in _HOOKS:
            state[name] = {}
        if any(map(source.get, _HOOKS)):
            self._later += [(state, name, source[name]) for name in _HOOKS if source.get(name)]
        for name, value in source.items():
            if name in _OWN:
                continue
            kind = type(value)
            if kind in _PLAIN:
                continue
            if kind in _EMPTY and not value:
                state[name] = self._memo.setdefault(id(value), kind())
            elif kind is tuple and _PLAIN.issuperset(map(type, value)):
                continue
            elif kind is list and _PLAIN.issuperset(map(type, value)):
                state[name] = self._memo.setdefault(id(value), list(value))
            else:
                self._later.append((state, name, value))

    def _alias(self, module: nn.Module, path: str) -> None:
        """Note the further names that the weights of a shared module have."""
        for tensors in (module.named_parameters, module.named_buffers):
            for name, tensor in tensors(prefix=path):
                if id(tensor) in self.originals:
                    self.originals[id(tensor)].aliases.append(name)

    def _whole(self, module: nn.Module, path: str) -> nn.Module:
        """Copy a module that has its own way of being copied (a scripted one, an fx graph)."""
        for found, group in (
            (module.named_parameters(path, remove_duplicate=False), self.parameters),
            (module.named_buffers(path, remove_duplicate=False), self.buffers),
        ):
            tensors = dict(found)
            self._tensors(tensors, "", group)
            self._kept += tensors.values()
        try:
            clone = copy.deepcopy(module, self._memo)
        except Exception as error:
            kind = type(module).__name__
            raise TraceError(
                _(
                    "{name} ({kind}) cannot be copied, and is not traced where it stands, "
                    "which would change it: {error}"
                ).format(name=path or _("The model"), kind=kind, error=error)
            ) from error
        clone.train(module.training and not self._eval)
        self._memo[id(module)] = clone
        listed = {id(known) for _, known in self.modules}
        self.modules += [m for m in clone.named_modules(prefix=path) if id(m[1]) not in listed]
        if isinstance(module, torch.jit.ScriptModule):
            self._meet_script(module, clone)
        return clone

    def _meet_script(self, module: nn.Module, clone: nn.Module) -> None:
        """Enter the weights of a scripted copy, which are outside Python and were copied."""
        pairs = (
            (module.named_parameters(), clone.named_parameters()),
            (module.named_buffers(), clone.named_buffers()),
        )
        for theirs, copies in pairs:
            for (_name, original), (_same, tensor) in zip(theirs, copies, strict=True):
                self.originals[id(tensor)] = self.originals[id(original)]
                self._kept.append(tensor)

    def _tensors(
        self, tensors: Mapping[str, Tensor | None], prefix: str, group: list[Weight]
    ) -> dict[str, Tensor | None]:
        copies: dict[str, Tensor | None] = {}
        for name, tensor in tensors.items():
            if tensor is None:
                copies[name] = None
                continue
            key = id(tensor)
            weight = self.originals.get(key)
            if weight is not None:
                weight.aliases.append(prefix + name)
            else:
                weight = self.originals[key] = self._twin(prefix + name, tensor)
                self._memo[key] = weight.tensor
                group.append(weight)
            copies[name] = weight.tensor
        return copies

    def _twin(self, name: str, tensor: Tensor) -> Weight:
        if self._weights:
            last = name.rpartition(".")[2]
            data = _filled(tensor, last) if tensor.is_meta else tensor.detach().cpu().clone()
            spec = spec_of(data)
        else:
            spec = meta_spec_of(tensor)
            data = spec.template.detach()
        if isinstance(tensor, nn.Parameter):
            data = nn.Parameter(data, requires_grad=False)
        return Weight(name, spec, data, tensor.requires_grad)

    def _deepcopy(self, value: Any) -> Any:
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
_HOOKS = tuple(
    name
    for name, value in nn.Module().__dict__.items()
    if isinstance(value, dict) and name not in _STRUCTURE
)
"""Dictionaries that every module has and no two modules share, nearly always empty."""
_OWN = _STRUCTURE.union(_HOOKS)


@lru_cache(maxsize=4096)
def _has_own_copy(kind: type) -> bool:
    """Whether a module class has its own way of being copied or of keeping its attributes."""
    return issubclass(kind, torch.jit.ScriptModule) or hasattr(kind, "__deepcopy__")
