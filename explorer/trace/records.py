"""What one forward pass leaves behind: a frozen `Trace` of plain values.

The records are named tuples, not dataclasses: a trace holds thousands of them, and named
tuples are built and pickled several times faster, which is what a cached page pays for.
They never hold a module or a tensor.

Every count is the record's own. Parameters are counted once each, by identity: at the first
op that reads them, or, if no op ever does, at the first call of the module that holds them,
or, if that module never ran, in `Trace.uncalled`. So every total is a plain sum:

    trace.params == sum(call.params for call in trace.calls)
                  + sum(module.params for module in trace.uncalled)
    trace.macs   == sum(op.macs for op in trace.ops) == sum(call.macs for call in trace.calls)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from explorer.text import N_

if TYPE_CHECKING:
    import pandas as pd

Shape = tuple[int, ...]


class TensorRecord(NamedTuple):
    """Shape, element type ("float32") and size in bytes of one tensor value."""

    shape: Shape
    dtype: str
    nbytes: int


class Value(NamedTuple):
    """A tensor value, named by the op that wrote it and the position among its outputs."""

    op: int
    output: int


class OpRecord(NamedTuple):
    """One operation of the forward pass, at the level a model's author writes (conv2d, add).

    `kind` is one of `KINDS`. Inputs of the model and constants made in `forward` are ops of
    kind "input" and "constant" without inputs, so that every `Value` has a writer.
    """

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody wants here
    """Position in `Trace.ops`; ops are in execution order, which is a topological order."""
    name: str
    """ATen name without namespace and overload: "conv2d", "add_", "flatten"."""
    kind: str
    call: int
    """Index in `Trace.calls` of the innermost module call, -1 for inputs."""
    inputs: tuple[Value, ...]
    """The tensor values read, in argument order, parameters and buffers excepted. A value
    read through an alias that has been overwritten since is followed by its last writer."""
    input_tensors: tuple[TensorRecord, ...]
    """Shape, dtype and bytes of every tensor argument, in argument order, weights included."""
    outputs: tuple[TensorRecord, ...]
    parameters: tuple[str, ...]
    """Names of the parameters and buffers read, in argument order."""
    attributes: tuple[tuple[str, Any], ...]
    """Non-tensor arguments by name: (("stride", (2, 2)), ("padding", (3, 3)), ...)."""
    params: int
    """Parameter elements that no earlier op has read."""
    macs: int
    """Multiply-accumulates of convolution, linear, matrix products and attention; no bias."""
    bias_ops: int
    """Additions of a bias."""
    elementwise_ops: int
    """Arithmetic that is neither: normalization, activation, pooling, addition, scaling."""
    bytes_read: int
    """Bytes of all tensors read (activations and parameters); 0 for a view."""
    bytes_written: int
    """Bytes of all tensors written (also in place); 0 for a view."""
    is_view: bool
    """The output shares the input's memory: nothing is computed or copied."""
    in_place: bool
    storages: tuple[int, ...]
    """For each output, the index in `Trace.storages` of the memory that holds it; -1 if that is
    the memory of a parameter or a buffer."""

    @property
    def attrs(self) -> dict[str, Any]:
        """The attributes as a dictionary."""
        return dict(self.attributes)


class CallRecord(NamedTuple):
    """One call of one module's `forward`. A module called twice has two records."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody wants here
    path: str
    """Qualified name of the module ("layer1.0.conv1"); "" is the model itself."""
    module_class: str
    nth: int
    """0 for the first call of this module object, 1 for the second."""
    parent: int
    """Index of the enclosing call, -1 for the model's own."""
    depth: int
    children: tuple[int, ...]
    inputs: tuple[TensorRecord, ...]
    """All tensors in the arguments, however nested, in order."""
    outputs: tuple[TensorRecord, ...]
    input_values: tuple[Value, ...]
    output_values: tuple[Value, ...]
    first_op: int
    last_op: int
    """The ops of this call and of its children are `ops[first_op:last_op]`."""
    params: int
    """Own parameter elements: those its own ops were first to read, and those it holds that
    no op reads. Children's are not included."""
    macs: int
    """Own MACs, children's not included."""


class ParameterRecord(NamedTuple):
    """One parameter (or buffer), once, by identity."""

    name: str
    shape: Shape
    dtype: str
    numel: int
    nbytes: int
    requires_grad: bool
    aliases: tuple[str, ...]
    """Other names of the same tensor (tied weights, shared modules)."""
    read: bool
    """An op has read it in this forward."""


class UncalledModule(NamedTuple):
    """A module that holds parameters and whose `forward` never ran."""

    path: str
    module_class: str
    params: int
    """Own parameter elements that no op read, and that are therefore counted here."""
    params_held: int
    """All parameter elements it holds directly, also those that other modules' ops read
    (`MultiheadAttention.out_proj`)."""


class StorageRecord(NamedTuple):
    """One block of memory: its size, the op that allocated it, and when it was freed."""

    nbytes: int
    born: int
    died: int
    """Number of ops recorded when the last reference went away; -1 if it outlived the pass."""


KINDS = (
    N_("input"), N_("constant"), N_("convolution"), N_("linear"), N_("matmul"), N_("attention"),
    N_("recurrent"), N_("normalization"), N_("activation"), N_("pooling"), N_("add"),
    N_("multiply"), N_("concat"), N_("reshape"), N_("elementwise"), N_("reduction"),
    N_("softmax"), N_("dropout"), N_("upsample"), N_("padding"), N_("embedding"),
    N_("indexing"), N_("bookkeeping"), N_("unknown"),
)  # fmt: skip
"""Every value that `OpRecord.kind` can have."""


@dataclass(frozen=True, slots=True)
class Trace:
    """One forward pass of one model: module calls, ops, true dataflow and exact counts."""

    model: str
    """Registered name, or the class name of a module that was passed in."""
    input_shape: Shape | tuple[Shape, ...]
    output_shape: Shape | tuple[Shape, ...]
    """Shape of the output; a tuple of shapes if there is more than one."""
    mode: str
    """"eval" or "train"."""
    device: str
    """"meta", or "cpu" when data-dependent control flow needed real values."""
    calls: tuple[CallRecord, ...]
    ops: tuple[OpRecord, ...]
    parameters: tuple[ParameterRecord, ...]
    buffer_records: tuple[ParameterRecord, ...]
    uncalled: tuple[UncalledModule, ...]
    unknown_ops: tuple[str, ...]
    """Names of executed ops without a cost rule. If any, `macs` is a lower bound."""
    storages: tuple[StorageRecord, ...]
    outputs: tuple[Value, ...]
    params: int
    """Elements of all parameters, each once: `sum(p.numel() for p in model.parameters())`."""
    buffers: int
    """Elements of all buffers."""
    macs: int
    activation_bytes: int
    """Bytes of all tensors that the ops allocated (inputs and views excepted)."""

    @property
    def is_lower_bound(self) -> bool:
        """Whether an op without a cost rule makes `macs` a lower bound."""
        return bool(self.unknown_ops)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per module call, in execution order, as a pandas data frame.

        Columns: path, module_class, depth, nth (-1 for a module that never ran), input_shape,
        output_shape, params, macs, activation_bytes. Each row counts what is its own, its
        children's not included, so that params, macs and activation_bytes add up to the
        trace's totals. `explorer.analysis.layers` makes the table that the app shows.
        """
        import pandas as pd  # not needed by anything else here, and slow to import

        inputs = {s for op in self.ops if op.kind == "input" for s in op.storages}
        allocated = [0] * len(self.calls)
        for index, storage in enumerate(self.storages):
            if index not in inputs:
                allocated[self.ops[storage.born].call] += storage.nbytes
        rows: list[tuple[Any, ...]] = [
            (
                call.path, call.module_class, call.depth, call.nth,
                call.inputs[0].shape if call.inputs else (),
                call.outputs[0].shape if call.outputs else (),
                call.params, call.macs, allocated[call.index],
            )
            for call in self.calls
        ]  # fmt: skip
        rows += [
            (module.path, module.module_class, module.path.count(".") + 1, -1, (), (),
             module.params, 0, 0)
            for module in self.uncalled
        ]  # fmt: skip
        columns = (
            "path", "module_class", "depth", "nth", "input_shape", "output_shape",
            "params", "macs", "activation_bytes",
        )  # fmt: skip
        return pd.DataFrame(rows, columns=list(columns))
