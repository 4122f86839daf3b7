"""Running a real model as far as one layer, and taking what that layer gives.

A trace knows ops, a real model has modules. What an op writes is an output of some module, or an
input of the next one: a concatenation in a DenseNet is what the following normalization reads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from explorer.errors import TraceError
from explorer.trace.live import tensors_in
from explorer.trace.records import Trace


class Tap(NamedTuple):
    """Where a value passes the border of a module."""

    path: str
    """Of the module."""
    nth: int
    """Which of its calls, from 0."""
    place: int
    """Position among the tensors that it returns, or takes."""
    is_output: bool
    shape: tuple[int, ...]


def tap_of(trace: Trace, op: int) -> Tap | None:
    """Where the first result of an op can be taken from a real model; None if nowhere.

    Args:
        trace: of the model.
        op: index of an op.
    """
    for is_output in (True, False):
        # The innermost call is the last that begins before the value is there.
        for call in reversed(trace.calls) if is_output else trace.calls:
            values = call.output_values if is_output else call.input_values
            for place, value in enumerate(values):
                if (value.op, value.output) == (op, 0):
                    shape = trace.ops[op].outputs[0].shape
                    return Tap(call.path, call.nth, place, is_output, shape)
    return None


class _ReachedError(Exception):
    """The value is there: nothing that follows needs to run."""


def run_to(model: nn.Module, x: Tensor, tap: Tap) -> Tensor:
    """Run a model up to a tap and return the value there.

    The value is what the op wrote, before anything later could change it in place.

    Args:
        model: a model of the caller's own; it is left without hooks.
        x: its input.
        tap: made by `tap_of` from a trace of the same model.

    Raises:
        TraceError: the model did not pass the tap.
    """
    found: list[Tensor] = []
    calls = 0

    def take(given: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == tap.nth + 1:
            tensors = list(tensors_in(given))
            if tap.place < len(tensors) and tensors[tap.place].shape == tap.shape:
                found.append(tensors[tap.place])
            raise _ReachedError

    handle = _hook(model.get_submodule(tap.path), tap, take)
    try:
        model(x)
    except _ReachedError:
        pass
    finally:
        handle.remove()
    if not found:
        raise TraceError(f"A real pass of this model does not run {tap.path or 'its end'}.")
    return found[0]


def _hook(module: nn.Module, tap: Tap, take: Callable[[Any], None]) -> RemovableHandle:
    if tap.is_output:
        return module.register_forward_hook(lambda _module, _args, out: take(out))
    return module.register_forward_pre_hook(
        lambda _module, args, kwargs: take((args, kwargs)), with_kwargs=True
    )
