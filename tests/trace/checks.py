"""What has to be true of every trace, and a picture of everything a trace must leave alone."""

from __future__ import annotations

import gc
import pickle
from collections.abc import Iterator
from math import prod
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.modules import module as module_file

from explorer import Trace, get_spec, list_models
from explorer.trace.records import KINDS, OpRecord, TensorRecord, Value

PLAIN = (int, float, str, bool, type(None))


def registered() -> list[Any]:
    """All registered models for a test's parameter: the first of each family, the rest slow."""
    found, families = [], set()
    for name in list_models():
        family = get_spec(name).family
        found.append(pytest.param(name, marks=pytest.mark.slow if family in families else ()))
        families.add(family)
    return found


def assert_consistent(trace: Trace, model: nn.Module | None = None) -> None:
    """Check all that holds for any trace, and, of a module that was traced, its own counts."""
    _check_counts(trace)
    _check_calls(trace)
    for op in trace.ops:
        _check_op(trace, op)
    _check_storages(trace)
    assert all(_is_plain(value) for value in _leaves(trace))
    assert pickle.loads(pickle.dumps(trace)) == trace
    if model is not None:
        assert trace.params == sum(p.numel() for p in model.parameters())
        assert trace.buffers == sum(b.numel() for b in model.buffers())
        frozen = {p.name for p in trace.parameters if not p.requires_grad}
        assert frozen == {n for n, p in model.named_parameters() if not p.requires_grad}


def _check_counts(trace: Trace) -> None:
    in_calls = sum(call.params for call in trace.calls)
    in_uncalled = sum(module.params for module in trace.uncalled)
    assert trace.params == in_calls + in_uncalled
    assert trace.params == sum(record.numel for record in trace.parameters)
    assert trace.buffers == sum(record.numel for record in trace.buffer_records)
    assert trace.macs == sum(op.macs for op in trace.ops)
    assert trace.macs == sum(call.macs for call in trace.calls)
    for call in trace.calls:
        own = [op for op in trace.ops if op.call == call.index]
        assert call.macs == sum(op.macs for op in own)
        assert call.params >= sum(op.params for op in own)
    names = [record.name for record in (*trace.parameters, *trace.buffer_records)]
    assert len(names) == len(set(names))
    unread = sum(p.numel for p in trace.parameters if not p.read)
    assert trace.params == sum(op.params for op in trace.ops) + unread
    for record in (*trace.parameters, *trace.buffer_records):
        assert record.numel == prod(record.shape)
    frame = trace.to_frame()
    assert frame["params"].sum() == trace.params
    assert frame["macs"].sum() == trace.macs
    assert frame["activation_bytes"].sum() == trace.activation_bytes
    assert trace.is_lower_bound == bool(trace.unknown_ops)
    unknown = {op.name for op in trace.ops if op.kind == "unknown"}
    assert unknown <= set(trace.unknown_ops)


def _check_calls(trace: Trace) -> None:
    times: dict[str, int] = {}
    for index, call in enumerate(trace.calls):
        assert call.index == index
        assert 0 <= call.first_op <= call.last_op <= len(trace.ops)
        if index == 0:
            assert (call.path, call.parent, call.depth, call.nth) == ("", -1, 0, 0)
        else:
            parent = trace.calls[call.parent]
            assert call.parent < index
            assert index in parent.children
            assert call.depth == parent.depth + 1
            assert parent.first_op <= call.first_op
            assert call.last_op <= parent.last_op
        assert call.nth == times.get(call.path, 0)
        times[call.path] = call.nth + 1
        for value in (*call.input_values, *call.output_values):
            _check_value(trace, value, before=call.last_op)
    assert sum(len(call.children) for call in trace.calls) == max(0, len(trace.calls) - 1)
    called = {call.path for call in trace.calls}
    for module in trace.uncalled:
        assert module.path not in called
        assert 0 <= module.params <= module.params_held


def _check_op(trace: Trace, op: OpRecord) -> None:
    assert trace.ops[op.index] is op
    assert op.kind in KINDS
    assert min(op.params, op.macs, op.bias_ops, op.elementwise_ops) >= 0
    if op.kind == "input":
        assert op.call == -1
    else:
        call = trace.calls[op.call]
        assert call.first_op <= op.index < call.last_op
        inside = [trace.calls[child] for child in call.children]
        assert not any(child.first_op <= op.index < child.last_op for child in inside)
    for value in op.inputs:
        _check_value(trace, value, before=op.index)
    for value in (*op.inputs,):
        storage = trace.ops[value.op].storages[value.output]
        if storage >= 0:  # its memory was alive while the op ran
            died = trace.storages[storage].died
            assert died == -1 or died > op.index
    known = {record.name for record in (*trace.parameters, *trace.buffer_records)}
    assert set(op.parameters) <= known
    if not op.inputs and not op.parameters:  # nothing comes from nowhere
        assert op.kind in ("input", "constant")
    assert len(op.outputs) == len(op.storages)
    if op.is_view:
        assert op.bytes_read == op.bytes_written == op.macs == 0
    for tensor in (*op.inputs, *op.outputs):
        if isinstance(tensor, TensorRecord):
            assert tensor.nbytes >= 0


def _check_value(trace: Trace, value: Value, before: int) -> None:
    assert 0 <= value.op < before, "an edge points forward"
    assert 0 <= value.output < len(trace.ops[value.op].outputs)


def _check_storages(trace: Trace) -> None:
    given = {s for op in trace.ops if op.kind == "input" for s in op.storages}
    own = [s.nbytes for index, s in enumerate(trace.storages) if index not in given]
    assert trace.activation_bytes == sum(own)
    for op in trace.ops:
        assert all(-1 <= storage < len(trace.storages) for storage in op.storages)
    for index, storage in enumerate(trace.storages):
        born = trace.ops[storage.born]
        assert index in born.storages
        assert not born.is_view
        assert storage.died == -1 or storage.born < storage.died <= len(trace.ops)
        first = next(i for i, op in enumerate(trace.ops) if index in op.storages)
        assert first == storage.born


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Trace):
        for name in value.__slots__:
            yield from _leaves(getattr(value, name))
    elif isinstance(value, tuple):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def _is_plain(value: Any) -> bool:
    return type(value) in PLAIN


# ------------------------------------------------------------------ nothing has changed


def picture_of(model: nn.Module) -> dict[str, Any]:
    """Everything of a model that a trace has to leave as it is, as comparable values."""
    found: dict[str, Any] = {}
    for path, module in model.named_modules():
        state = module.__dict__
        found[path] = (
            id(module),
            type(module),
            sorted(state),
            {name: id(value) for name, value in state.items() if name != "training"},
            module.training if not isinstance(module, torch.jit.ScriptModule) else None,
            [list(state[name]) for name in sorted(state) if name.endswith("_hooks")],
        )
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        data = None if tensor.is_meta else tensor.detach().clone()
        found[f"tensor {name}"] = (
            id(tensor), tensor.data_ptr(), tensor.shape, tensor.dtype, tensor.device,
            tensor.requires_grad, tensor.grad is None, tensor._version, data,
        )  # fmt: skip
    found["state_dict"] = list(model.state_dict())
    return found


def assert_same_picture(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert before.keys() == after.keys()
    for name in before:
        if name.startswith("tensor "):
            *facts, data = before[name]
            *new_facts, new_data = after[name]
            assert facts == new_facts, name
            assert data is None or torch.equal(data, new_data), name
        else:
            assert before[name] == after[name], name


def process_picture() -> dict[str, Any]:
    """Everything of the torch process that a trace could have changed."""
    return {
        "random": torch.get_rng_state().tolist(),
        "default dtype": torch.get_default_dtype(),
        "default device": torch.get_default_device(),
        "grad mode": torch.is_grad_enabled(),
        "inference mode": torch.is_inference_mode_enabled(),
        "fast path": torch.backends.mha.get_fastpath_enabled(),
        "function modes": torch._C._len_torch_function_stack(),
        "dispatch modes": torch._C._len_torch_dispatch_stack(),
        "threads": torch.get_num_threads(),
        "gc": (gc.isenabled(), gc.get_threshold()),
        "module methods": {name: id(value) for name, value in vars(nn.Module).items()},
        "linear": {name: id(value) for name, value in vars(nn.Linear).items()},
        "functional": {name: id(value) for name, value in vars(nn.functional).items()},
        "init": {name: id(value) for name, value in vars(nn.init).items()},
        "torch": {name: id(value) for name, value in vars(torch).items()},
        "tensor": {name: id(value) for name, value in vars(torch.Tensor).items()},
        "global hooks": [
            len(value)
            for name, value in vars(module_file).items()
            if name.startswith("_global") and isinstance(value, dict)
        ],
    }
