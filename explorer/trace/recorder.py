"""Watch one forward pass: every module call, every op, every tensor value it reads and writes.

The pass runs under `inference_mode`, so that the dispatcher shows the ops at the level a
model's author writes (conv2d, batch_norm, scaled_dot_product_attention), and on `meta`
tensors, which have a shape and no data. A `TorchDispatchMode` sees every op of this thread
and of no other; the modules' `forward` is wrapped on a private copy of the model. Nothing in
the process is changed.
"""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from explorer.trace.assemble import Assembly
from explorer.trace.ops import OPS, Op, op_of
from explorer.trace.plans import NEW, PLANS, VIEW, Plan, execute, remember
from explorer.trace.records import OpRecord, TensorRecord, Trace, Value
from explorer.trace.shapes import META
from explorer.trace.specs import Named, Spec, spec_of

Shape = tuple[int, ...]


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


class Weight:
    """A parameter or a buffer of the model."""

    __slots__ = ("name", "unread")

    def __init__(self, name: str, unread: int) -> None:
        self.name = name
        self.unread = unread
        """Elements of a parameter that no op has read yet."""


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


class Call:
    """A module call, under way or done."""

    __slots__ = (
        "children", "depth", "first_op", "index", "input_values", "inputs", "last_op", "macs",
        "module_class", "nth", "output_values", "outputs", "params", "parent", "path",
    )  # fmt: skip

    def __init__(
        self, index: int, path: str, module_class: str, nth: int, stack: list[int], first_op: int
    ) -> None:
        self.index = index
        self.path = path
        self.module_class = module_class
        self.nth = nth
        self.parent = stack[-1] if stack else -1
        self.depth = len(stack)
        self.children: list[int] = []
        self.inputs: tuple[TensorRecord, ...] = ()
        self.outputs: tuple[TensorRecord, ...] = ()
        self.input_values: tuple[Value, ...] = ()
        self.output_values: tuple[Value, ...] = ()
        self.first_op = self.last_op = first_op
        self.params = self.macs = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Failure:
    """The op that raised, with what it was given."""

    name: str
    operands: tuple[TensorRecord, ...]
    writers: tuple[int, ...]
    """For each operand, the op that wrote it, -1 for a weight."""
    kernel_size: Shape
    groups: int
    call: int


class Recorder(TorchDispatchMode):
    """Records one forward pass of one private model.

    The model must not be used by anybody else: its modules' `forward` gets wrapped.

    Attributes:
        failure: the op that raised last, if any.
        needs_values: an op asked for the values of meta tensors.
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
        self.failure: Failure | None = None
        self.needs_values = False
        self.calls: list[Call] = []
        self.ops: list[OpRecord] = []
        self.memories: list[Memory] = []
        self.unknown: list[str] = []
        self.modules: list[tuple[str, nn.Module]] = []
        self.parameters: list[Named] = []
        self.buffers: list[Named] = []
        self.weights: dict[str, Weight] = {}
        self._stack: list[int] = []
        self._live: dict[int, Live] = {}
        self._originals: Mapping[int, Named] = {}
        self._moved: dict[int, tuple[Tensor, Tensor]] = {}
        self._times_called: dict[int, int] = {}
        self._weight_memory = Memory(-1, 0, -1)

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Otherwise torch wraps `__torch_dispatch__` in a guard that costs more than our work.
        return False

    @property
    def open_call(self) -> int:
        """Index of the innermost call that has not returned, -1 if there is none."""
        return self._stack[-1] if self._stack else -1

    # ------------------------------------------------------------------ the model

    def adopt(
        self,
        modules: list[tuple[str, nn.Module]],
        parameters: list[Named],
        buffers: list[Named],
        originals: Mapping[int, Named],
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
        weights = self.weights
        for named in parameters:
            weights[named.name] = weight = Weight(named.name, named.spec.numel)
            self._bind_weight(named.tensor, named.spec, weight)
        for named in buffers:
            weights[named.name] = weight = Weight(named.name, 0)
            self._bind_weight(named.tensor, named.spec, weight)
        for path, module in modules:
            self._wrap(path, module)

    def _bind_weight(self, tensor: Tensor, spec: Spec, weight: Weight) -> Live:
        live = Live(tensor)
        live.op, live.output, live.spec = -1, 0, spec
        live.memory, live.key, live.weight = self._weight_memory, id(tensor), weight
        self._live[live.key] = live
        return live

    def release(self) -> None:
        """Unwrap the modules: they and their wrappers would keep each other alive."""
        for _, module in self.modules:
            module.__dict__.pop("forward", None)
        self._live.clear()

    def _wrap(self, path: str, module: nn.Module) -> None:
        name, key = type(module).__name__, id(module)
        if isinstance(module, torch.jit.ScriptModule):
            # Its forward is not Python; hooks on this private copy see the call.
            opened: list[Call] = []
            module.register_forward_pre_hook(
                lambda _, args: opened.append(self._enter(path, name, key, args))
            )
            module.register_forward_hook(lambda _, __, out: self._leave(opened.pop(), out))
            return
        forward = module.forward
        enter, leave = self._enter, self._leave

        def recorded_forward(*args: Any, **kwargs: Any) -> Any:
            call = enter(path, name, key, (args, kwargs) if kwargs else args)
            out = forward(*args, **kwargs)
            leave(call, out)
            return out

        module.__dict__["forward"] = recorded_forward

    def _enter(self, path: str, name: str, key: int, args: Any) -> Call:
        nth = self._times_called.get(key, 0)
        self._times_called[key] = nth + 1
        stack = self._stack
        call = Call(len(self.calls), path, name, nth, stack, len(self.ops))
        call.inputs, call.input_values = self._values(args)
        if stack:
            self.calls[stack[-1]].children.append(call.index)
        self.calls.append(call)
        stack.append(call.index)
        return call

    def _leave(self, call: Call, out: Any) -> None:
        # A call that raised stays open; a `forward` around it that caught that closes it here.
        stack = self._stack
        while (index := stack.pop()) != call.index:
            self.calls[index].last_op = len(self.ops)
        call.last_op = len(self.ops)
        call.outputs, call.output_values = self._values((out,))

    def _values(self, args: Any) -> tuple[tuple[TensorRecord, ...], tuple[Value, ...]]:
        if len(args) == 1 and isinstance(args[0], Tensor):  # the usual case, quickly
            live = self._live.get(id(args[0]))
            if live is not None and live.op >= 0:
                return (live.spec.record,), (Value(live.op, live.output),)
        records: list[TensorRecord] = []
        values: list[Value] = []
        for tensor in tensors_in(args):
            live = self._live.get(id(tensor))
            if live is None:
                records.append(spec_of(tensor).record)
                continue
            records.append(live.spec.record)
            if live.op >= 0:
                values.append(Value(live.op, live.output))
        return tuple(records), tuple(values)

    # ------------------------------------------------------------------ the pass

    def run(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Trace:
        """Run `model(*args, **kwargs)` and return its trace. The model's exceptions pass."""
        for tensor in tensors_in((args, kwargs)):
            if id(tensor) not in self._live:
                self._source(tensor, "input")
        with torch.inference_mode(), self:
            out = model(*args, **kwargs)
        shapes = [tuple(t.shape) for t in tensors_in(out)]
        return self.trace((args, kwargs), shapes, self._values((out,))[1])

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
        named = self._originals.get(id(tensor))
        if named is not None:
            return self._bind_weight(tensor, spec_of(tensor), self.weights[named.name])
        return self._source(tensor, "constant")

    def _allocate(self, nbytes: int) -> Memory:
        memory = Memory(len(self.memories), nbytes, len(self.ops))
        self.memories.append(memory)
        return memory

    def _bind(self, tensor: Tensor, spec: Spec, op: int, output: int, memory: Memory) -> Live:
        live = Live(tensor, self._forget)
        live.op, live.output, live.spec, live.memory = op, output, spec, memory
        live.key, live.weight = id(tensor), None
        memory.references += 1
        self._live[live.key] = live
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
        op = OPS.get(func) or op_of(func)
        if op.silent:
            return func(*args, **(kwargs or {}))
        live = self._live
        read: list[Live] = []
        key: list[Any] = [func]
        on_meta = not self.real
        for arg in args if not kwargs else (*args, *kwargs, *kwargs.values()):
            if isinstance(arg, Tensor):
                value = live.get(id(arg)) or self._unseen(arg)
                read.append(value)
                key.append(value.spec)
                if not value.spec.is_meta:
                    on_meta = False
            elif type(arg) is list or type(arg) is tuple:
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
                if arg is not None and type(arg) is not int:  # 1.0 and True are equal to 1
                    key.append(type(arg))
        if not on_meta or not read:
            return self._run_off_meta(func, op, args, kwargs or {}, read)
        plan = None
        frozen = tuple(key)
        try:
            plan = PLANS.get(frozen)
        except TypeError:  # an unhashable argument
            frozen = ()
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
            plan, out = execute(func, op, args, kwargs, tensors, specs, real=self.real)
        except Exception:
            self.needs_values |= op.data_dependent
            kernel = kwargs.get("kernel_size") or (args[1] if len(args) > 1 else ())
            self.failure = self._failure(op, args, kernel, read)
            raise
        self.failure = None
        if key and op.cacheable and plan.templates is not None:
            remember(key, plan)
        self._record(op, plan, read, out)
        return out

    def _failure(self, op: Op, args: tuple[Any, ...], kernel: Any, read: list[Live]) -> Failure:
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
        )

    def _run_off_meta(
        self, func: Any, op: Op, args: Any, kwargs: dict[str, Any], read: list[Live]
    ) -> Any:
        """Run an op on real tensors, on a mixture of real and meta tensors, or on none."""
        mixed = not self.real and any(value.spec.is_meta for value in read)
        # A constant made on the CPU inside forward meets a meta tensor: it goes to meta.
        # Zero-dimensional tensors may stay: torch treats them as scalars.
        if mixed and any(not v.spec.is_meta and v.spec.record.shape for v in read):
            return self.__torch_dispatch__(func, (), self._to_meta(args), self._to_meta(kwargs))
        return self._run(func, op, args, kwargs, read, ())

    def _to_meta(self, obj: Any) -> Any:
        if isinstance(obj, Tensor):
            if obj.is_meta or not obj.dim():
                return obj
            known = self._moved.get(id(obj))
            if known is None:
                twin = torch.empty_strided(obj.shape, obj.stride(), dtype=obj.dtype, device=META)
                # Both are kept: the key is an id, and must not be reused.
                known = self._moved[id(obj)] = (obj, twin)
                value = self._live[id(obj)]
                if value.weight is not None:
                    self._bind_weight(twin, spec_of(twin), value.weight)
                else:
                    self._bind(twin, spec_of(twin), value.op, value.output, value.memory)
            return known[1]
        if isinstance(obj, (list, tuple)):
            return type(obj)(map(self._to_meta, obj))
        if isinstance(obj, dict):
            return {k: self._to_meta(v) for k, v in obj.items()}
        return obj

    def _record(self, op: Op, plan: Plan, read: list[Live], out: Any) -> None:
        index = len(self.ops)
        inputs: list[Value] = []
        names: list[str] = []
        params = 0
        for value in read:
            weight = value.weight
            if weight is not None:
                names.append(weight.name)
                params += weight.unread
                weight.unread = 0
            else:
                inputs.append(Value(value.op, value.output))
                last_write = value.memory.last_write
                if last_write > value.op:
                    inputs.append(Value(last_write, 0))
        if op.mutates and names and not inputs and not params:
            return  # a counter among the buffers (num_batches_tracked)
        storages = self._write(op, plan, read, out, index)
        call = self._stack[-1] if self._stack else -1
        cost = plan.cost
        if call >= 0:
            self.calls[call].params += params
            self.calls[call].macs += cost.macs
        if plan.unknown:
            self.unknown.extend(plan.unknown)
        self.ops.append(
            OpRecord(
                index, op.name, op.kind, call, tuple(inputs), plan.inputs, plan.outputs,
                tuple(names), plan.attributes, params, cost.macs, cost.bias_ops,
                cost.elementwise_ops, plan.bytes_read, plan.bytes_written, plan.is_view,
                op.mutates, storages,
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
                self._bind(outputs[position], spec, index, position, memory)
            elif how == VIEW:
                memory = read[operand].memory
                self._bind(outputs[position], spec, index, position, memory)
            else:
                live = read[operand]
                memory = live.memory
                if live.weight is None:
                    live.op, live.output, live.spec = index, position, spec
            storages.append(memory.index)
            if op.mutates:
                memory.last_write = index
        if op.mutates and not plan.specs and read:
            read[0].memory.last_write = index
        return tuple(storages)


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
