"""From what a recorder holds to a frozen `Trace`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from explorer.trace.records import (
    CallRecord,
    ParameterRecord,
    StorageRecord,
    Trace,
    UncalledModule,
    Value,
)
from explorer.trace.specs import Named

if TYPE_CHECKING:
    from explorer.trace.recorder import Call, Recorder

Shape = tuple[int, ...]


class Assembly:
    """Makes the records of one pass."""

    def __init__(self, recorder: Recorder) -> None:
        """Take what `recorder` holds; it must not record any further."""
        self.recorder = recorder

    def trace(
        self, input_shapes: list[Shape], output_shapes: list[Shape], outputs: tuple[Value, ...]
    ) -> Trace:
        """Return the trace.

        Args:
            input_shapes: of all tensors among the model's arguments.
            output_shapes: of all tensors in what it returned, none if it failed.
            outputs: the values returned.
        """
        recorder = self.recorder
        parameters = tuple([self._parameter(p) for p in recorder.parameters])
        buffers = tuple([self._parameter(b) for b in recorder.buffers])
        uncalled = self._settle_unread()
        given = {s for op in recorder.ops if op.kind == "input" for s in op.storages}
        return Trace(
            model=recorder.model_name,
            input_shape=_one_or_all(input_shapes),
            output_shape=_one_or_all(output_shapes),
            mode=recorder.mode,
            device="cpu" if recorder.real else "meta",
            calls=tuple([_call(call) for call in recorder.calls]),
            ops=tuple(recorder.ops),
            parameters=parameters,
            buffer_records=buffers,
            uncalled=uncalled,
            unknown_ops=tuple(dict.fromkeys(recorder.unknown)),
            storages=tuple([StorageRecord(m.nbytes, m.born, m.died) for m in recorder.memories]),
            outputs=outputs,
            params=sum(p.numel for p in parameters),
            buffers=sum(b.numel for b in buffers),
            macs=sum(op.macs for op in recorder.ops),
            activation_bytes=sum(m.nbytes for m in recorder.memories if m.index not in given),
        )

    def _parameter(self, named: Named) -> ParameterRecord:
        shape, dtype, nbytes = named.spec.record
        read = not self.recorder.weights[named.name].unread
        return ParameterRecord(
            named.name, shape, dtype, named.spec.numel, nbytes, named.requires_grad,
            tuple(named.aliases), read,
        )  # fmt: skip

    def _settle_unread(self) -> tuple[UncalledModule, ...]:
        """Give parameters that no op has read to their module's call, or list it as uncalled."""
        recorder = self.recorder
        first_call = {call.path: call for call in reversed(recorder.calls)}
        unread: dict[str, int] = {}
        held: dict[str, int] = {}
        for named in recorder.parameters:
            owner = named.name.rpartition(".")[0]
            held[owner] = held.get(owner, 0) + named.spec.numel
            weight = recorder.weights[named.name]
            if owner in first_call:
                first_call[owner].params += weight.unread
            else:
                unread[owner] = unread.get(owner, 0) + weight.unread
            weight.unread = 0
        return tuple(
            [
                UncalledModule(path, type(module).__name__, unread[path], held[path])
                for path, module in recorder.modules
                if path in unread
            ]
        )


def _one_or_all(shapes: list[Shape]) -> Shape | tuple[Shape, ...]:
    return shapes[0] if len(shapes) == 1 else tuple(shapes)


def _call(call: Call) -> CallRecord:
    return CallRecord(
        call.index, call.path, call.module_class, call.nth, call.parent, call.depth,
        tuple(call.children), call.inputs, call.outputs, call.input_values, call.output_values,
        call.first_op, call.last_op, call.params, call.macs,
    )  # fmt: skip
