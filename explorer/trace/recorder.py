"""Watch one forward pass: every module call, every op, every tensor value it reads and writes.

The pass runs under `inference_mode`, so that the dispatcher shows the ops at the level a
model's author writes (conv2d, batch_norm, scaled_dot_product_attention), and on `meta`
tensors, which have a shape and no data. A `TorchDispatchMode` sees every op of this thread
and of no other; the modules' `forward` is wrapped on a private copy of the model. Nothing in
the process is changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from explorer.trace.assemble import Assembly
from explorer.trace.live import (
    ORIGINAL,
    Call,
    Failure,
    Live,
    Memory,
    Module,
    Passed,
    tensors_in,
)
from explorer.trace.ops import OPS, Op, op_of
from explorer.trace.plans import NEW, PLANS, VIEW, Plan, execute, remember
from explorer.trace.records import OpRecord, Trace, Value
from explorer.trace.shapes import META
from explorer.trace.specs import Spec, Weight, spec_of

Shape = tuple[int, ...]

_RANDOM_STATE = torch.Generator().manual_seed(0).get_state()


class Recorder(TorchDispatchMode):
    """Records one forward pass of one private model.

    The model must not be used by anybody else: its modules' `forward` gets wrapped.

    Attributes:
        needs_values: an op asked for the values of meta tensors.
        raised: the last exception that left a module's `forward`.
        raised_in: index of the innermost call that it left.
    """

    def __init__(self, model_name: str, mode: str, *, real: bool = False) -> None:
        """Prepare a recorder.

        Args:
            model_name: goes into the trace.
            mode: "eval" or "train", goes into the trace.
            real: the tensors hold data; every op is really executed.
        """
        super().__init__()  # type: ignore[no-untyped-call]
        self.model_name = model_name
        self.mode = mode
        self.real = real
        self.needs_values = False
        self.raised: BaseException | None = None
        self.raised_in = -1
        self.calls: list[Call] = []
        self.ops: list[OpRecord] = []
        self.memories: list[Memory] = []
        self.unknown: list[str] = []
        self.modules: list[tuple[str, nn.Module]] = []
        self.parameters: list[Weight] = []
        self.buffers: list[Weight] = []
        self._failure: Failure | None = None
        self._stack: list[int] = []
        self._live: dict[int, Live] = {}
        self._originals: Mapping[int, Weight] = {}
        self._moved: dict[int, tuple[Tensor, Tensor]] = {}
        self._weight_memory = Memory(-1, 0, -1)
        self._random_state = _RANDOM_STATE

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Otherwise torch wraps `__torch_dispatch__` in a guard that costs more than our work.
        return False

    @property
    def open_call(self) -> int:
        """Index of the innermost call that has not returned, -1 if there is none."""
        return self._stack[-1] if self._stack else -1

    @property
    def failure(self) -> Failure | None:
        """The op that ended the pass; not one whose exception the model caught and went on."""
        failure = self._failure
        return failure if failure is not None and failure.index == len(self.ops) else None

    # ------------------------------------------------------------------ the model

    def adopt(
        self,
        modules: list[tuple[str, nn.Module]],
        parameters: list[Weight],
        buffers: list[Weight],
        originals: Mapping[int, Weight],
    ) -> None:
        """Take over a private model.

        Args:
            modules: (path, module) for every distinct module.
            parameters: each tensor once.
            buffers: each tensor once.
            originals: if the model is a copy, its weight by `id` of the weight it stands for;
                code that still holds the original (a closure) then meets the same parameter.
        """
        self.modules, self.parameters, self.buffers = modules, parameters, buffers
        self._originals = originals
        for weight in parameters:
            weight.unread = weight.spec.numel
            self._bind_weight(weight.tensor, weight.spec, weight)
        for weight in buffers:
            self._bind_weight(weight.tensor, weight.spec, weight)
        for path, module in modules:
            self._wrap(Module(path, module), module)

    def _bind_weight(self, tensor: Tensor, spec: Spec, weight: Weight) -> Live:
        live = Live(tensor)
        live.op = -1
        live.output = 0
        live.spec = spec
        live.memory = self._weight_memory
        live.weight = weight
        live.key = key = id(tensor)
        self._live[key] = live
        return live

    def release(self) -> None:
        """Unwrap the modules: they and their wrappers would keep each other alive."""
        for _, module in self.modules:
            module.__dict__.pop("forward", None)
        self._live.clear()
        self.raised = None  # its traceback holds this recorder

    def _wrap(self, info: Module, module: nn.Module) -> None:
        enter, leave, abandon = self._enter, self._leave, self._abandon
        forward = module.forward

        def recorded_forward(*args: Any, **kwargs: Any) -> Any:
            index = enter(info, (args, kwargs) if kwargs else args)
            try:
                out = forward(*args, **kwargs)
            except BaseException as error:
                abandon(index, error)
                raise
            leave(index, out)
            return out

        def first_forward(*args: Any, **kwargs: Any) -> Any:
            # `run` has opened the model's own call; if it calls itself, that is another one.
            module.__dict__["forward"] = recorded_forward
            return forward(*args, **kwargs)

        module.__dict__["forward"] = recorded_forward if info.path else first_forward

    def _enter(self, module: Module, args: Any) -> int:
        calls, stack = self.calls, self._stack
        index = len(calls)
        parent = stack[-1] if stack else -1
        calls.append(Call(module, parent, len(self.ops), self._passed(args)))
        stack.append(index)
        return index

    def _leave(self, index: int, out: Any) -> None:
        self._stack.pop()
        call = self.calls[index]
        call.last_op = len(self.ops)
        call.outputs = self._passed((out,))

    def _abandon(self, index: int, error: BaseException) -> None:
        """Close a call that raised, and remember the innermost one of this exception."""
        if error is not self.raised:
            self.raised, self.raised_in = error, self.open_call
        self._leave(index, None)

    def _passed(self, args: Any) -> tuple[Passed, ...]:
        if len(args) == 1:  # the usual case, quickly
            live = self._live.get(id(args[0]))
            if live is not None and live.weight is None and live.memory.last_write <= live.op:
                return ((live.op, live.output, live.spec.record),)
        passed: list[Passed] = []
        for tensor in tensors_in(args):
            live = self._live.get(id(tensor))
            if live is None:
                passed.append((-1, 0, spec_of(tensor).record))
                continue
            weight = live.weight
            memory = live.memory if weight is None else weight.memory
            if memory is not None and memory.last_write > live.op:  # through another alias
                passed.append((memory.last_write, 0, live.spec.record))
            else:
                passed.append((live.op, live.output, live.spec.record))
        return tuple(passed)

    # ------------------------------------------------------------------ the pass

    def run(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Trace:
        """Run `model(*args, **kwargs)` and return its trace. The model's exceptions pass."""
        for tensor in tensors_in((args, kwargs)):
            if id(tensor) not in self._live:
                self._source(tensor, "input")
        with torch.inference_mode(), _no_version_counts(), self:
            out = self._call_model(model, args, kwargs)
        shapes = [tuple(t.shape) for t in tensors_in(out)]
        outputs = [Value(op, output) for op, output, _ in self._passed((out,)) if op >= 0]
        return self.trace((args, kwargs), shapes, tuple(outputs))

    def _call_model(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the model; what its own hooks do belongs to its call, too."""
        index = self._enter(Module("", model), (args, kwargs) if kwargs else args)
        try:
            out = model(*args, **kwargs)
        except BaseException as error:
            self._abandon(index, error)
            raise
        self._leave(index, out)
        return out

    def trace(
        self, arguments: Any, output_shapes: list[Shape], outputs: tuple[Value, ...]
    ) -> Trace:
        """Return what was recorded so far as a frozen trace, a partial one if the pass failed."""
        for index in self._stack:  # calls that an exception left open
            self.calls[index].last_op = len(self.ops)
        shapes = [tuple(t.shape) for t in tensors_in(arguments)]
        return Assembly(self).trace(shapes, output_shapes, outputs)

    def _source(self, tensor: Tensor, kind: str) -> Live:
        """Record a tensor that no op of this pass has written."""
        spec, index = spec_of(tensor), len(self.ops)
        memory = self._allocate(spec.record.nbytes)
        record = OpRecord(
            index, kind, kind, self.open_call, (), (), (spec.record,), (), (),
            0, 0, 0, 0, 0, 0, False, False, (memory.index,),
        )  # fmt: skip
        self.ops.append(record)
        return self._bind(tensor, spec, index, 0, memory)

    def _unseen(self, tensor: Tensor) -> Live:
        """Meet a tensor from outside this pass: an original weight, or a constant."""
        weight = self._originals.get(id(tensor))
        if weight is not None:
            live = self._bind_weight(tensor, spec_of(tensor), weight)
            live.op = ORIGINAL
            return live
        return self._source(tensor, "constant")

    def _allocate(self, nbytes: int) -> Memory:
        memory = Memory(len(self.memories), nbytes, len(self.ops))
        self.memories.append(memory)
        return memory

    def _bind(self, tensor: Tensor, spec: Spec, op: int, output: int, memory: Memory) -> Live:
        live = Live(tensor, self._forget)
        live.op = op
        live.output = output
        live.spec = spec
        live.memory = memory
        live.weight = None
        live.key = key = id(tensor)
        memory.references += 1
        self._live[key] = live
        return live

    def _forget(self, live: Live) -> None:
        self._live.pop(live.key, None)
        memory = live.memory
        memory.references -= 1
        if not memory.references:
            memory.died = len(self.ops)

    def __torch_dispatch__(  # noqa: C901 - runs once per op: written out for speed
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Answer one op from memory if possible, else run it; record it."""
        op = OPS.get(id(func)) or op_of(func)
        if op.silent:
            if op.assumed is not None and not self.real:
                return op.assumed
            return func(*args, **(kwargs or {}))
        live = self._live
        read: list[Live] = []
        key: list[Any] = [op]
        on_meta = not self.real
        for arg in args if not kwargs else (*args, *kwargs, *kwargs.values()):
            kind = type(arg)
            if kind is int or arg is None:
                key.append(arg)
            elif isinstance(arg, Tensor):
                value = live.get(id(arg)) or self._unseen(arg)
                read.append(value)
                key.append(value.spec)
                if not value.spec.is_meta:
                    on_meta = False
            elif kind is list or kind is tuple:
                if arg and type(arg[0]) is int:
                    key.append(tuple(arg))
                    continue
                for item in arg:
                    if isinstance(item, Tensor):
                        value = live.get(id(item)) or self._unseen(item)
                        read.append(value)
                        key.append(value.spec)
                        if not value.spec.is_meta:
                            on_meta = False
                    else:
                        key.append(item)
                key.append(len(arg))
            else:
                key.append(arg)
                key.append(kind)  # 1.0 and True are equal to 1
        if kwargs and op.mutates:  # `out=` can be one of the operands
            ids = [id(value) for value in read]
            key.append(tuple(map(ids.index, ids)))
        if not on_meta or not read:
            return self._run_off_meta(func, op, args, kwargs or {}, read)
        frozen = tuple(key)
        try:
            plan = PLANS.get(frozen)
        except TypeError:  # an unhashable argument
            plan, frozen = None, ()
        if plan is None:
            return self._run(func, op, args, kwargs or {}, read, frozen)
        templates = plan.templates
        assert templates is not None  # else it would not have been remembered
        out: Any
        if plan.single:
            template = templates[0]
            out = template.detach() if template is not None else read[plan.origins[0].operand]()
        else:
            out = tuple(
                [
                    None
                    if spec is None
                    else template.detach()
                    if template is not None
                    else read[origin.operand]()
                    for spec, template, origin in zip(
                        plan.specs, templates, plan.origins, strict=True
                    )
                ]
            )
        self._record(op, plan, read, out)
        return out

    def _run(
        self,
        func: Any,
        op: Op,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        read: list[Live],
        key: tuple[Any, ...],
    ) -> Any:
        """Run an op, remember under `key` (if not empty) what it does, and record it."""
        tensors = list(tensors_in((args, kwargs)))
        specs = [value.spec for value in read]
        try:
            if op.random and not (specs and all(spec.is_meta for spec in specs)):
                with self._own_random_numbers():
                    plan, out = execute(func, op, args, kwargs, tensors, specs, real=self.real)
            else:
                plan, out = execute(func, op, args, kwargs, tensors, specs, real=self.real)
        except Exception:
            self.needs_values |= op.data_dependent
            kernel = kwargs.get("kernel_size") or (args[1] if len(args) > 1 else ())
            self._failure = self._failure_of(op, args, kernel, read)
            raise
        if key and op.cacheable and plan.templates is not None:
            remember(key, plan)
        self._record(op, plan, read, out)
        return out

    @contextmanager
    def _own_random_numbers(self) -> Iterator[None]:
        """Draw from this pass's own generator: the process's random numbers are left alone."""
        outside = torch.get_rng_state()
        torch.set_rng_state(self._random_state)
        try:
            yield
        finally:
            self._random_state = torch.get_rng_state()
            torch.set_rng_state(outside)

    def _failure_of(self, op: Op, args: tuple[Any, ...], kernel: Any, read: list[Live]) -> Failure:
        if isinstance(kernel, Tensor):
            kernel = kernel.shape[2:]
        sizes = tuple(kernel) if isinstance(kernel, (list, tuple)) else (kernel,)
        windowed = op.kind in ("convolution", "pooling") and all(type(k) is int for k in sizes)
        if windowed and len(sizes) == 1:
            sizes *= max(args[0].dim() - 2, 1)
        groups = args[-1] if op.name.startswith("conv") and type(args[-1]) is int else 1
        return Failure(
            op.name,
            tuple([value.spec.record for value in read]),
            tuple([value.op for value in read]),
            sizes if windowed else (),
            groups,
            self.open_call,
            len(self.ops),
        )

    def _run_off_meta(
        self, func: Any, op: Op, args: Any, kwargs: dict[str, Any], read: list[Live]
    ) -> Any:
        """Run an op on real tensors, on a mixture of real and meta tensors, or on none."""
        if any(value.op == ORIGINAL for value in read):
            return self.__torch_dispatch__(func, (), self._to_twins(args), self._to_twins(kwargs))
        mixed = not self.real and any(value.spec.is_meta for value in read)
        # A constant made on the CPU inside forward meets a meta tensor: it goes to meta.
        # Zero-dimensional tensors may stay: torch treats them as scalars.
        if mixed and any(not v.spec.is_meta and v.spec.record.shape for v in read):
            return self.__torch_dispatch__(func, (), self._to_meta(args), self._to_meta(kwargs))
        try:
            return self._run(func, op, args, kwargs, read, ())
        except RuntimeError:
            if not mixed:
                raise
        # Some ops (stack, cat) take no scalar from another device.
        args, kwargs = self._to_meta(args, scalars=True), self._to_meta(kwargs, scalars=True)
        return self.__torch_dispatch__(func, (), args, kwargs)

    def _to_twins(self, obj: Any) -> Any:
        """Replace the original's weights, which must stay as they are, by the copy's."""
        if isinstance(obj, Tensor):
            live = self._live.get(id(obj))
            weight = live.weight if live is not None and live.op == ORIGINAL else None
            return obj if weight is None else weight.tensor
        if isinstance(obj, (list, tuple)):
            return type(obj)(map(self._to_twins, obj))
        if isinstance(obj, dict):
            return {k: self._to_twins(v) for k, v in obj.items()}
        return obj

    def _to_meta(self, obj: Any, *, scalars: bool = False) -> Any:
        if isinstance(obj, Tensor):
            if obj.is_meta or not (scalars or obj.dim()):
                return obj
            known = self._moved.get(id(obj))
            if known is None:
                twin = torch.empty_strided(obj.shape, obj.stride(), dtype=obj.dtype, device=META)
                # Both are kept: the key is an id, and must not be reused.
                known = self._moved[id(obj)] = (obj, twin)
                value = self._live[id(obj)]
                self._bind(twin, spec_of(twin), value.op, value.output, value.memory)
            return known[1]
        if isinstance(obj, (list, tuple)):
            return type(obj)([self._to_meta(item, scalars=scalars) for item in obj])
        if isinstance(obj, dict):
            return {k: self._to_meta(v, scalars=scalars) for k, v in obj.items()}
        return obj

    def _record(self, op: Op, plan: Plan, read: list[Live], out: Any) -> None:
        ops = self.ops
        index = len(ops)
        inputs: list[Value] = []
        names: list[str] = []
        params = 0
        for value in read:
            weight = value.weight
            if weight is not None:
                names.append(weight.name)
                params += weight.unread
                weight.unread = 0
                if weight.memory is not None and weight.memory.last_write >= 0:
                    inputs.append(Value(weight.memory.last_write, 0))
            else:
                inputs.append(Value(value.op, value.output))
                last_write = value.memory.last_write
                if last_write > value.op:
                    inputs.append(Value(last_write, 0))
        if op.mutates and names and not inputs and not params:
            return  # a counter among the buffers (num_batches_tracked)
        if plan.single and plan.origins[0].how == NEW:  # the usual case, quickly
            spec = plan.specs[0]
            assert spec is not None
            memory = self._allocate(spec.record.nbytes)
            self._bind(out, spec, index, 0, memory)
            storages: tuple[int, ...] = (memory.index,)
        else:
            storages = self._write(op, plan, read, out, index)
        if plan.unknown:
            self.unknown.append(op.name)
        stack = self._stack
        macs, bias_ops, elementwise_ops = plan.cost
        ops.append(
            OpRecord(
                index, op.name, plan.kind, stack[-1] if stack else -1, tuple(inputs), plan.inputs,
                plan.outputs, tuple(names), plan.attributes, params, macs, bias_ops,
                elementwise_ops, plan.bytes_read, plan.bytes_written, plan.is_view, op.mutates,
                storages,
            )
        )  # fmt: skip

    def _write(self, op: Op, plan: Plan, read: list[Live], out: Any, index: int) -> tuple[int, ...]:
        """Bind the outputs to this op; return the memory that holds each."""
        storages: list[int] = []
        outputs = (out,) if plan.single else out
        for position, spec in enumerate(plan.specs):
            if spec is None:
                continue
            how, operand = plan.origins[position]
            if how == NEW:
                memory = self._allocate(spec.record.nbytes)
                self._bind(outputs[position], spec, index, len(storages), memory)
            else:
                live = read[operand]
                memory = live.memory if live.weight is None else _memory_of(live.weight)
                if how == VIEW:
                    self._bind(outputs[position], spec, index, len(storages), memory)
                elif live.weight is None:
                    live.op, live.output, live.spec = index, len(storages), spec
            storages.append(memory.index)
            if op.mutates:
                memory.last_write = index
        return tuple(storages)


def _no_version_counts() -> Any:
    """Keep weights of the original, which are no inference tensors, from tracking views."""
    key = torch._C.DispatchKey.ADInplaceOrView
    return torch._C._ExcludeDispatchKeyGuard(torch._C.DispatchKeySet(key))


def _memory_of(weight: Weight) -> Memory:
    if weight.memory is None:
        weight.memory = Memory(-1, 0, -1)
    return weight.memory
