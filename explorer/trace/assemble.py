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
from explorer.trace.specs import Weight

if TYPE_CHECKING:
    from explorer.trace.recorder import Recorder

Shape = tuple[int, ...]


class Assembly:
    """Makes the records of one pass."""

    def __init__(self, recorder: Recorder) -> None:
        """Take what `recorder` holds; it must not record any further."""
        self.recorder = recorder
        self.params = [0] * len(recorder.calls)
        self.macs = [0] * len(recorder.calls)
        for op in recorder.ops:
            if op.call >= 0:
                self.params[op.call] += op.params
                self.macs[op.call] += op.macs

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
        parameters = tuple(map(_parameter, recorder.parameters))
        buffers = tuple(map(_parameter, recorder.buffers))
        uncalled = self._settle_unread()
        given = {s for op in recorder.ops if op.kind == "input" for s in op.storages}
        return Trace(
            model=recorder.model_name,
            input_shape=_one_or_all(input_shapes),
            output_shape=_one_or_all(output_shapes),
            mode=recorder.mode,
            device="cpu" if recorder.real else "meta",
            calls=self._calls(),
            ops=tuple(recorder.ops),
            parameters=parameters,
            buffer_records=buffers,
            uncalled=uncalled,
            unknown_ops=tuple(dict.fromkeys(recorder.unknown)),
            storages=tuple([StorageRecord(m.nbytes, m.born, m.died) for m in recorder.memories]),
            outputs=outputs,
            params=sum(p.numel for p in parameters),
            buffers=sum(b.numel for b in buffers),
            macs=sum(self.macs),
            activation_bytes=sum(m.nbytes for m in recorder.memories if m.index not in given),
        )

    def _settle_unread(self) -> tuple[UncalledModule, ...]:
        """Give parameters that no op has read to their module's call, or list it as uncalled."""
        recorder = self.recorder
        first_call: dict[str, int] = {}
        for index, call in enumerate(recorder.calls):
            first_call.setdefault(call.module.path, index)
        unread: dict[str, int] = {}
        held: dict[str, int] = {}
        for weight in recorder.parameters:
            owner = weight.name.rpartition(".")[0]
            held[owner] = held.get(owner, 0) + weight.spec.numel
            if owner in first_call:
                self.params[first_call[owner]] += weight.unread
            else:
                unread[owner] = unread.get(owner, 0) + weight.unread
        return tuple(
            [
                UncalledModule(path, type(module).__name__, unread[path], held[path])
                for path, module in recorder.modules
                if path in unread
            ]
        )

    def _calls(self) -> tuple[CallRecord, ...]:
        calls = self.recorder.calls
        children: list[list[int]] = [[] for _ in calls]
        depths: list[int] = []
        times: dict[int, int] = {}
        nth: list[int] = []
        for index, call in enumerate(calls):
            if call.parent >= 0:
                children[call.parent].append(index)
            depths.append(depths[call.parent] + 1 if call.parent >= 0 else 0)
            nth.append(times.get(call.module.key, 0))
            times[call.module.key] = nth[-1] + 1
        return tuple(
            [
                CallRecord(
                    index, call.module.path, call.module.name, nth[index], call.parent,
                    depths[index], tuple(children[index]),
                    tuple([record for _, _, record in call.inputs]),
                    tuple([record for _, _, record in call.outputs]),
                    tuple([Value(op, output) for op, output, _ in call.inputs if op >= 0]),
                    tuple([Value(op, output) for op, output, _ in call.outputs if op >= 0]),
                    call.first_op, call.last_op, self.params[index], self.macs[index],
                )
                for index, call in enumerate(calls)
            ]
        )  # fmt: skip


def _parameter(weight: Weight) -> ParameterRecord:
    shape, dtype, nbytes = weight.spec.record
    return ParameterRecord(
        weight.name, shape, dtype, weight.spec.numel, nbytes, weight.requires_grad,
        tuple(weight.aliases), not weight.unread,
    )  # fmt: skip


def _one_or_all(shapes: list[Shape]) -> Shape | tuple[Shape, ...]:
    return shapes[0] if len(shapes) == 1 else tuple(shapes)
