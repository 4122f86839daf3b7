"""`trace_model`: build or copy, run, fall back to real values if need be, explain failures."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import prod
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from explorer.errors import ExplorerError, InputSizeError, TraceError
from explorer.models._registry import ModelSpec
from explorer.text import _
from explorer.trace.build import Twin, build_on_meta
from explorer.trace.diagnose import explain
from explorer.trace.live import tensors_in
from explorer.trace.recorder import Recorder
from explorer.trace.records import Trace
from explorer.zoo import get_spec, options_for

Shape = tuple[int, ...]
Mode = Literal["eval", "train"]

MAX_INPUT = 2**40
"""Largest input (elements): with a thousand times as many, no sizes overflow in the model."""
REAL_RUN_MAX_PARAMS = 200_000_000
"""Largest model (elements) that is run for real when meta tensors are not enough."""
REAL_RUN_MAX_INPUT = 8 * 3 * 512 * 512


def trace_model(
    model: nn.Module | str,
    input_shape: Shape | Sequence[Shape] | None = None,
    *,
    mode: Mode = "eval",
    options: Mapping[str, Any] | None = None,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    nearest: bool = True,
) -> Trace:
    """Run one forward pass on the meta device and record everything that happens.

    No weight is allocated, copied or changed, and nothing in the process is patched: the pass
    runs on a private copy of the model's structure. A model whose control flow depends on
    tensor values is run for real on the CPU instead, if it is small enough.

    Args:
        model: any module, or a registered name.
        input_shape: shape of the input with the batch, (N, C, H, W); several shapes for several
            positional inputs. The inputs get the type of the model's first weight.
        mode: "eval" or "train" (dropout and batch normalization differ).
        options: for a registered name, the builder's options.
        args: instead of `input_shape`, positional arguments in any nesting of lists, tuples,
            dictionaries and dataclasses; of tensors in them only shape and type are used.
        kwargs: keyword arguments, likewise.
        nearest: look for the nearest input that works if this one does not; it is traced
            several times, which takes longer than the trace.

    Returns:
        A frozen, picklable `Trace`.

    Raises:
        UnknownModelError, OptionError: see `build_model`.
        InputSizeError: the input shape does not fit; carries the partial trace and, if one was
            found, the nearest shape that works.
        TraceError: `forward` raised for another reason, or needs real values and is too large.
    """
    if mode not in ("eval", "train"):
        raise TraceError(_("mode={mode!r} should be 'eval' or 'train'.").format(mode=mode))
    rebuild: Callable[[Shape], nn.Module] | None = None
    if isinstance(model, str):
        name = model
        spec = get_spec(name)
        chosen, follows = options_for(spec, input_shape, options or {})
        model = _built(spec, chosen)
        if follows:
            rebuild = partial(_for_size, spec, chosen)
        hints = [(spec.min_size), cast(tuple[int, int], spec.input_shape[-2:])]
    elif isinstance(model, nn.Module):
        name, hints = type(model).__name__, []
    else:
        raise TraceError(
            _("The model should be a module or a registered name, not {model!r}.").format(
                model=model
            )
        )
    shapes = _shapes(input_shape)
    if shapes:
        dtype = _dtype(model)
        args = [*(torch.empty(s, dtype=dtype, device="meta") for s in shapes), *args]
    run = _Run(name, model, mode, tuple(args), dict(kwargs or {}), rebuild)
    recorder = run.recorder()
    try:
        return run.on_meta(recorder)
    except Exception as error:
        if isinstance(error, ExplorerError) and not isinstance(error, InputSizeError):
            raise
        if uninitialized := [n for n, p in model.named_parameters() if is_lazy(cast(Any, p))]:
            raise TraceError(
                _(
                    "{name} has lazy layers whose weights have no shape yet "
                    "({uninitialized}): call the model once on a real input, then trace it."
                ).format(name=name, uninitialized=uninitialized[0])
            ) from error
        if _needs_values(recorder, error):
            return run.for_real()
        works = run.works if nearest and len(shapes) == 1 and len(shapes[0]) == 4 else None
        raise explain(recorder, error, run.arguments, works, hints) from error
    finally:
        recorder.release()


def _built(spec: ModelSpec, options: Mapping[str, Any]) -> nn.Module:
    """Build a registered model on meta."""
    try:
        return build_on_meta(spec.build, **options)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise TraceError(
            _("{name} cannot be built like this: {reason}.").format(name=spec.name, reason=reason)
        ) from error


def _for_size(spec: ModelSpec, options: Mapping[str, Any], shape: Shape) -> nn.Module:
    """Build the model for another input."""
    return _built(spec, {**options, "image_size": shape[-2:]})


def _shapes(input_shape: Shape | Sequence[Shape] | None) -> list[Shape]:
    if input_shape is None:
        return []
    is_list = isinstance(input_shape, (tuple, list))
    several = is_list and bool(input_shape) and isinstance(input_shape[0], (tuple, list))
    shapes: list[Any] = list(input_shape) if several else [input_shape]
    for shape in shapes:
        sizes = shape if isinstance(shape, (tuple, list)) else ()
        if not sizes or not all(type(size) is int and size > 0 for size in sizes):
            raise TraceError(
                _(
                    "Input shape {shape!r} should be positive integers, with the batch "
                    "first: (1, 3, 224, 224)."
                ).format(shape=shape)
            )
        if prod(sizes) > MAX_INPUT:
            raise TraceError(
                _("Input shape {shape!r} is larger than any computer's memory.").format(shape=shape)
            )
    return [tuple(shape) for shape in shapes]


def _dtype(model: nn.Module) -> torch.dtype:
    return next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)


_NEEDS_VALUES = re.compile(r"\b[Mm]eta\b|data-dependent|no data|fake impl")
"""What the messages of ops say that cannot run on the meta device."""


def _needs_values(recorder: Recorder, error: Exception) -> bool:
    """Whether the pass failed because a meta tensor has no values."""
    return recorder.needs_values or bool(_NEEDS_VALUES.search(str(error)))


class _NoFastPath(TorchFunctionMode):
    """Keeps attention modules on their ordinary path, whose ops can be seen, in this thread."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return func(*args, **(kwargs or {}))


class _Run:
    """One model with its arguments, to be run once or, to find a legal size, several times."""

    def __init__(
        self,
        name: str,
        model: nn.Module,
        mode: Mode,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        rebuild: Callable[[Shape], nn.Module] | None = None,
    ) -> None:
        self.name, self.model, self.mode = name, model, mode
        self.args, self.kwargs = args, kwargs
        self.rebuild = rebuild
        """Makes the model for another input shape, if it is made for one."""

    @property
    def arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What `forward` is called with."""
        return self.args, self.kwargs

    def recorder(self, *, real: bool = False) -> Recorder:
        return Recorder(self.name, self.mode, real=real)

    def on_meta(self, recorder: Recorder) -> Trace:
        with torch.inference_mode():
            args, kwargs = _converted((self.args, self.kwargs), _as_meta)
            twin = Twin(self.model, train=self.mode == "train")
            return _recorded(recorder, twin, args, kwargs)

    def works(self, shape: Shape) -> bool:
        """Whether an input of this shape passes."""
        dtype = next(tensors_in(self.args)).dtype
        args = (torch.empty(shape, dtype=dtype, device="meta"),)
        recorder = self.recorder()
        try:
            model = self.rebuild(shape) if self.rebuild else self.model
            _Run(self.name, model, self.mode, args, self.kwargs).on_meta(recorder)
        except Exception:
            return False
        finally:
            recorder.release()
        return True

    def for_real(self) -> Trace:
        """Run on real CPU tensors: for control flow that depends on values."""
        size = sum(p.numel() for p in self.model.parameters())
        elements = sum(t.numel() for t in tensors_in((self.args, self.kwargs)))
        if size > REAL_RUN_MAX_PARAMS or elements > REAL_RUN_MAX_INPUT:
            raise TraceError(
                _(
                    "{name} decides by tensor values how to go on, so it has to be run for "
                    "real, and is too large for that: {size:,} parameters and {elements:,} "
                    "input elements, the limits are {most_params:,} and "
                    "{most_elements:,}."
                ).format(
                    name=self.name,
                    size=size,
                    elements=elements,
                    most_params=REAL_RUN_MAX_PARAMS,
                    most_elements=REAL_RUN_MAX_INPUT,
                )
            )
        recorder = self.recorder(real=True)
        try:
            with torch.inference_mode(), _NoFastPath():
                twin = Twin(self.model, train=self.mode == "train", weights=True)
                args, kwargs = _converted((self.args, self.kwargs), _as_real)
                return _recorded(recorder, twin, args, kwargs)
        except Exception as error:
            raise explain(recorder, error, self.arguments, None, []) from error
        finally:
            recorder.release()


def _recorded(
    recorder: Recorder, twin: Twin, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Trace:
    recorder.adopt(twin.modules, twin.parameters, twin.buffers, twin.originals)
    return recorder.run(twin.model, args, kwargs)


def _as_meta(tensor: Tensor) -> Tensor:
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")


def _as_real(tensor: Tensor) -> Tensor:
    if not tensor.is_meta:
        return tensor.detach().cpu().clone()
    generator = torch.Generator().manual_seed(0)
    if tensor.is_floating_point():
        return torch.randn(tensor.shape, dtype=tensor.dtype, generator=generator)
    return torch.zeros(tensor.shape, dtype=tensor.dtype)


def _converted(obj: Any, convert: Callable[[Tensor], Tensor]) -> Any:
    """Copy any nesting of containers, its tensors converted."""
    if isinstance(obj, Tensor):
        return convert(obj)
    if isinstance(obj, tuple) and hasattr(obj, "_fields"):
        return type(obj)(*(_converted(item, convert) for item in obj))
    if isinstance(obj, (list, tuple)):
        return type(obj)(_converted(item, convert) for item in obj)
    if isinstance(obj, dict):
        return {key: _converted(value, convert) for key, value in obj.items()}
    if hasattr(obj, "__dataclass_fields__") and not isinstance(obj, type):
        clone = copy.copy(obj)
        for field in obj.__dataclass_fields__:
            object.__setattr__(clone, field, _converted(getattr(obj, field), convert))
        return clone
    return obj
