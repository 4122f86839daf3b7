"""How much memory a model takes: to run, to train, and the largest batch that fits.

Counted are tensors: parameters, buffers, activations, what autograd keeps, gradients and the
optimizer's state. Not counted is what a library takes besides: scratch of a convolution, blocks
that an allocator holds in reserve, a GPU's context. Every figure is in bytes, and that of a trace
is for the trace's batch and types unless others are given.

Another batch: a tensor that depends on the input, or is made in its shape, grows with the batch;
parameters, buffers, constants and batch normalization's statistics do not.

Another type: every floating-point tensor takes that type's size, except that normalization's
and attention's statistics stay float32 when saved; indices and masks keep their own size. "int8"
is one byte for every weight and activation, scales and zero points not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

from explorer.analysis.layers import layers
from explorer.analysis.saved import ITEM_BYTES, Saved, SavedTensors, saved_tensors
from explorer.errors import OptionError
from explorer.text import _
from explorer.trace.records import OpRecord, ParameterRecord, Trace

Shape = tuple[int, ...]

DTYPES = ("float32", "float16", "bfloat16", "float64", "int8")
"""Types of weights and activations that can be asked for; training takes all but int8."""
OPTIMIZERS = ("sgd", "momentum", "adam", "adamw")

_MOMENTS = {"sgd": 0, "momentum": 1, "adam": 2, "adamw": 2}
"""Tensors that an optimizer keeps for each parameter, of the parameter's own size."""
_STEP_BYTES = {"adam": 4, "adamw": 4}
"""PyTorch's Adam also counts the steps of each parameter, in a float32."""

_SHAPE_ONLY = frozenset(
    "new_empty new_full new_ones new_zeros empty_like full_like ones_like rand_like randn_like "
    "zeros_like".split()
)


class Alive(NamedTuple):
    """A block of activation memory that is alive at a peak."""

    key: str
    """Key in `layers(trace)` of the layer that allocated it; "input" for an input."""
    op: int
    """Index in `Trace.ops` of the op that allocated it."""
    name: str
    """That op's name."""
    shape: Shape
    """As that op wrote it, with the batch of the trace."""
    dtype: str
    """As traced."""
    nbytes: int
    """At the batch and in the type asked for."""


class InferenceMemory(NamedTuple):
    """Memory of one forward pass without gradients; bytes throughout."""

    batch: int
    dtype: str
    """Type asked for; "" for the types as traced."""
    eager: tuple[int, ...]
    """Activations alive while each op of `Trace.ops` runs, inputs included, as PyTorch frees
    them: when the last reference in Python goes, which a local variable can hold for long."""
    ideal: tuple[int, ...]
    """The same if every block, an input too, were freed right after its last reader."""
    input_bytes: int
    """Of the inputs, which both timelines include."""
    eager_peak: int
    eager_op: int
    """Index in `Trace.ops` of the first op at which `eager` is at its peak."""
    eager_key: str
    """Key of the layer that this op belongs to."""
    alive: tuple[Alive, ...]
    """What is alive at that op, largest first; adds up to `eager_peak`."""
    ideal_peak: int
    ideal_op: int
    ideal_key: str
    ideal_alive: tuple[Alive, ...]
    """What would be alive at `ideal_op`, largest first; adds up to `ideal_peak`."""
    parameter_bytes: int
    buffer_bytes: int

    @property
    def total(self) -> int:
        """Parameters, buffers and the eager peak of activations."""
        return self.parameter_bytes + self.buffer_bytes + self.eager_peak


class Kept(NamedTuple):
    """A block of memory that autograd keeps for the backward pass."""

    key: str
    """Key in `layers(trace)` of the layer that is first to keep it."""
    op: int
    """Index in `Trace.ops` of the op that is first to keep it."""
    name: str
    """That op's name."""
    what: str
    """What it is to that op: "input", "output", "indices", "statistics", "mask", ..."""
    nbytes: int


class Segment(NamedTuple):
    """A run of ops that a checkpoint computes a second time in the backward pass."""

    first_key: str
    last_key: str
    first_op: int
    last_op: int
    """It is `ops[first_op:last_op]`."""
    boundary_bytes: int
    """What goes into it from an earlier segment and is kept until its backward pass; the
    model's input, counted elsewhere, is left out."""
    recomputed_bytes: int
    """What its ops keep once it has been computed again."""


class TrainingMemory(NamedTuple):
    """Memory of one training step; bytes throughout."""

    batch: int
    dtype: str
    """Type asked for; "" for the types as traced."""
    optimizer: str
    parameter_bytes: int
    buffer_bytes: int
    gradient_bytes: int
    """Of every trainable parameter that the pass reads, each of the parameter's size."""
    optimizer_bytes: int
    input_bytes: int
    saved_bytes: int
    """What autograd keeps when the forward pass is over, each block once; parameters, buffers and
    the model's input left out. With checkpoints: every boundary, and the largest segment."""
    working_bytes: int
    """How much more than `saved_bytes` activations and their gradients take at the worst
    moment of the forward or backward pass. An estimate: see `training_memory`."""
    kept: tuple[Kept, ...]
    """The blocks that autograd keeps, largest first; without checkpoints they add up to
    `saved_bytes`."""
    segments: tuple[Segment, ...]
    """What is computed twice; () without checkpoints."""
    unknown_ops: tuple[str, ...]
    """Names of ops that nothing is known of; if any, `saved_bytes` and `total` are lower
    bounds."""

    @property
    def is_lower_bound(self) -> bool:
        """Whether an op without a rule makes the figures lower bounds."""
        return bool(self.unknown_ops)

    @property
    def total(self) -> int:
        """Everything that is alive at the worst moment of a step."""
        return (
            self.parameter_bytes
            + self.buffer_bytes
            + self.gradient_bytes
            + self.optimizer_bytes
            + self.input_bytes
            + self.saved_bytes
            + self.working_bytes
        )


class LargestBatch(NamedTuple):
    """The largest batch that fits into a budget."""

    batch: int
    """0 if not even one image fits."""
    budget_bytes: int
    total: int
    """Bytes that this batch takes, or one image if none fits."""
    next_total: int
    """Bytes that a batch larger by one would take: above the budget."""
    is_lower_bound: bool
    """The totals are lower bounds, and so the batch an upper one."""


class Precision(NamedTuple):
    """What inference takes in one type; bytes."""

    dtype: str
    weight_bytes: int
    """Parameters and buffers."""
    activation_bytes: int
    """At the eager peak, inputs included."""
    assumption: str
    """What the figure takes for granted, as a sentence."""


# ---------------------------------------------------------------------- inference


def inference_memory(
    trace: Trace, *, dtype: str | None = None, batch: int | None = None
) -> InferenceMemory:
    """Return what a forward pass without gradients holds in memory, op by op.

    Args:
        trace: a traced forward, of eval mode for the pass that is meant.
        dtype: one of `DTYPES`, of weights and activations; None for the types as traced.
        batch: images; None for the batch as traced.

    Raises:
        OptionError: an unknown type, or a batch below one.
    """
    _check_dtype(dtype, DTYPES)
    plan = _Plan(trace, dtype)
    images = plan.images(batch)
    eager = [plan.at(load, images) for load in plan.loads(lambda block: block.eager_end)]
    ideal = [plan.at(load, images) for load in plan.loads(lambda block: block.ideal_end)]
    eager_op, ideal_op = eager.index(max(eager)), ideal.index(max(ideal))
    return InferenceMemory(
        batch=images,
        dtype=dtype or "",
        eager=tuple(eager),
        ideal=tuple(ideal),
        input_bytes=plan.total((b for b in plan.distinct if b.is_input), images),
        eager_peak=eager[eager_op],
        eager_op=eager_op,
        eager_key=plan.keys[eager_op],
        alive=plan.alive(eager_op, images, lambda block: block.eager_end),
        ideal_peak=ideal[ideal_op],
        ideal_op=ideal_op,
        ideal_key=plan.keys[ideal_op],
        ideal_alive=plan.alive(ideal_op, images, lambda block: block.ideal_end),
        parameter_bytes=_weights(trace.parameters, dtype),
        buffer_bytes=_weights(trace.buffer_records, dtype),
    )


class PeakLine(NamedTuple):
    """What a pass holds at one of its moments, as a line over the batch; bytes."""

    fixed: int
    per_image: int


def inference_peaks(trace: Trace, dtypes: Sequence[str]) -> list[tuple[PeakLine, ...]]:
    """Return lines whose maximum at a batch is `inference_memory(trace, ...).total` at it.

    Args:
        trace: a traced forward of eval mode, at a batch of one.
        dtypes: some of `DTYPES`, of weights and activations.

    Returns:
        The lines of each type.

    Raises:
        OptionError: an unknown type, or a trace of more than one image.
    """
    for dtype in dtypes:
        _check_dtype(dtype, DTYPES)
    plan = _Plan(trace, None)
    if plan.batch != 1:
        raise OptionError(
            _("Peaks are taken from one image, not from {batch}.").format(batch=plan.batch), "batch"
        )
    return [_peak_lines(plan, dtype) for dtype in dtypes]


def _peak_lines(plan: _Plan, dtype: str) -> tuple[PeakLine, ...]:
    """The lines of one type; the blocks of the plan are as traced."""
    trace = plan.trace
    weights = _weights((*trace.parameters, *trace.buffer_records), dtype)
    lives = ((block, block.op, block.eager_end) for block in plan.distinct)
    moments = sorted(set(_sums(len(trace.ops), lives, dtype)), key=lambda m: m[::-1])
    highest: list[PeakLine] = []
    for fixed, per_image in moments:  # the steeper one wins for good from some batch on
        line = PeakLine(weights + fixed, per_image)
        while highest and sum(highest[-1]) <= sum(line):
            highest.pop()
        highest.append(line)
    return tuple(highest)


def weight_bytes(trace: Trace, dtype: str) -> int:
    """Bytes of all parameters and buffers in a type."""
    return _weights((*trace.parameters, *trace.buffer_records), dtype)


def grows_with_batch(trace: Trace) -> list[bool]:
    """For each op of a trace, whether its results grow with the batch."""
    return _growing(trace, _batch(trace))


def precisions(
    trace: Trace,
    dtypes: Sequence[str] = ("float32", "float16", "bfloat16", "int8"),
    *,
    batch: int | None = None,
) -> tuple[Precision, ...]:
    """Return what inference takes in each of several types.

    Args:
        trace: a traced forward, of eval mode for the pass that is meant.
        dtypes: some of `DTYPES`.
        batch: images; None for the batch as traced.

    Raises:
        OptionError: an unknown type, or a batch below one.
    """
    found = [inference_memory(trace, dtype=dtype, batch=batch) for dtype in dtypes]
    return tuple(
        Precision(
            memory.dtype,
            memory.parameter_bytes + memory.buffer_bytes,
            memory.eager_peak,
            _assumption(memory.dtype),
        )
        for memory in found
    )


def _assumption(dtype: str) -> str:
    if dtype == "int8":
        return _(
            "Every weight and every activation is quantized to one byte; scales and "
            "zero points, and sums that a kernel holds in 32 bits, are not counted."
        )
    return _(
        "Every floating-point weight and activation is {dtype}, {nbytes} "
        "bytes each; integers and masks are as traced."
    ).format(dtype=dtype, nbytes=ITEM_BYTES[dtype])


# ---------------------------------------------------------------------- training


def training_memory(
    trace: Trace,
    optimizer: str = "sgd",
    dtype: str | None = None,
    *,
    checkpoint: bool = False,
    mixed_precision: bool = False,
    batch: int | None = None,
) -> TrainingMemory:
    """Return what a training step holds in memory.

    A step is forward, backward and update, with a gradient for every parameter from the start
    (as it is from the second step on unless gradients are set to None). The loss is not counted.

    `working_bytes` assumes that the gradient of an activation lives from the backward pass of
    its last reader to that of its writer, and that what an op keeps is freed when its own
    backward pass is over.

    A checkpoint keeps what goes into a run of ops, computes the run a second time in the
    backward pass, and keeps what its ops keep only then. Runs end where a single tensor is
    all that later ops read: behind a residual block, between two layers of a VGG. Which of
    these places are used is chosen such that all boundaries and the largest run take least.

    Args:
        trace: a forward of training mode: `trace_model(model, shape, mode="train")`.
        optimizer: "sgd" keeps nothing, "momentum" one and "adam" and "adamw" two tensors of a
            parameter's size.
        dtype: float32, float16, bfloat16 or float64 for weights, activations, gradients and
            the optimizer's state alike; None for the types as traced.
        checkpoint: compute runs of ops twice instead of keeping what they need.
        mixed_precision: with a 16-bit `dtype`, keep parameters, gradients and the optimizer's state
            in float32, and beside them a copy in `dtype` of every parameter that is read.
            Taken for granted is that all activations are 16-bit; autocast leaves some in float32.
        batch: images; None for the batch as traced.

    Raises:
        OptionError: an unknown optimizer or type, a batch below one, mixed precision without
            a 16-bit type, or a trace of eval mode.
    """
    step = _Step(trace, optimizer, dtype, checkpoint=checkpoint, mixed_precision=mixed_precision)
    return step.memory(step.plan.images(batch))


def largest_batch(
    trace: Trace,
    budget_bytes: int,
    *,
    training: bool = False,
    optimizer: str = "sgd",
    dtype: str | None = None,
    checkpoint: bool = False,
    mixed_precision: bool = False,
) -> LargestBatch:
    """Return the largest batch whose forward pass, or training step, fits into a budget.

    The budget is for tensors: leave room for scratch and for the GPU's context. With
    `checkpoint`, the segments are those of the trace's batch.

    Args:
        trace: of eval mode for inference, of training mode for training, with any batch.
        budget_bytes: e.g. `8 * 2**30`.
        training: a training step; else inference, with the eager peak.
        optimizer: see `training_memory`.
        dtype: see `training_memory`; for inference also "int8".
        checkpoint: see `training_memory`.
        mixed_precision: see `training_memory`.

    Raises:
        OptionError: a budget that is not positive, or see `training_memory`.
    """
    if budget_bytes <= 0:
        raise OptionError(
            _(
                "A budget of {budget_bytes!r} bytes holds nothing: give a positive "
                "number of bytes, 8 * 2**30 for 8 GiB."
            ).format(budget_bytes=budget_bytes),
            "budget_bytes",
        )
    unknown = False
    if training:
        step = _Step(
            trace, optimizer, dtype, checkpoint=checkpoint, mixed_precision=mixed_precision
        )
        plan, loads, fixed = step.plan, step.peaks(), step.fixed_bytes
        unknown = bool(step.saved.unknown_ops)
    else:
        _check_dtype(dtype, DTYPES)
        plan = _Plan(trace, dtype)
        loads = plan.loads(lambda block: block.eager_end)
        fixed = _weights((*trace.parameters, *trace.buffer_records), dtype)

    def total(images: int) -> int:
        return fixed + max(plan.at(load, images) for load in loads)

    left = budget_bytes - fixed
    most = min((left - load.fixed) * plan.batch // load.scaled for load in loads if load.scaled)
    images = max(0, most)
    return LargestBatch(images, budget_bytes, total(max(1, images)), total(images + 1), unknown)


# ---------------------------------------------------------------------- blocks of memory


@dataclass(slots=True)
class _Block:
    """Memory that one op allocated, or that autograd keeps besides."""

    op: int
    shape: Shape
    dtype: str
    nbytes: int
    per_image: bool
    is_input: bool = False
    eager_end: int = 0
    """The last op during which it is alive."""
    ideal_end: int = 0
    """Its last reader, or the last op if it is an output."""
    last_read: int = 0
    """Its last reader."""
    last_write: int = 0
    needs_grad: bool = False


class _Load(NamedTuple):
    """Bytes at one moment, at the batch of the trace."""

    fixed: int
    scaled: int
    """These grow with the batch."""


class _Plan:
    """The blocks of a pass: how large they are, and for how long they are needed."""

    def __init__(self, trace: Trace, dtype: str | None) -> None:
        self.trace = trace
        self.dtype = dtype
        self.batch = _batch(trace)
        self.blocks = self._blocks()
        """For each of `Trace.storages`; a copy that no kernel makes is its original's block."""
        self.distinct = list({id(block): block for block in self.blocks}.values())

    @cached_property
    def keys(self) -> list[str]:
        """For each op, the key of its layer; most of the time of a plan that needs them."""
        return _keys(self.trace)

    def images(self, batch: int | None) -> int:
        """The batch asked for, or the trace's.

        Raises:
            OptionError: it is below one.
        """
        if batch is not None and batch < 1:
            raise OptionError(
                _("A batch of {batch!r} has no image: give 1 or more.").format(batch=batch), "batch"
            )
        return self.batch if batch is None else batch

    def at(self, load: _Load, images: int) -> int:
        return load.fixed + load.scaled * images // self.batch

    def total(self, blocks: Iterable[_Block], images: int) -> int:
        return self.at(_load(blocks), images)

    def loads(self, end: Callable[[_Block], int]) -> list[_Load]:
        """What is alive during each op, if each block lives from its op to `end`."""
        return _sums(
            len(self.trace.ops), ((block, block.op, end(block)) for block in self.distinct)
        )

    def alive(self, op: int, images: int, end: Callable[[_Block], int]) -> tuple[Alive, ...]:
        found = [block for block in self.distinct if block.op <= op <= end(block)]
        rows = [
            Alive(
                "input" if block.is_input else self.keys[block.op],
                block.op,
                self.trace.ops[block.op].name,
                block.shape,
                block.dtype,
                self.total([block], images),
            )
            for block in found
        ]
        return tuple(sorted(rows, key=lambda row: (-row.nbytes, row.op)))

    def block_of(self, storage: int) -> _Block | None:
        return self.blocks[storage] if storage >= 0 else None

    def _blocks(self) -> list[_Block]:
        trace, last = self.trace, len(self.trace.ops) - 1
        grows = _growing(trace, self.batch)
        blocks = []
        for index, storage in enumerate(trace.storages):
            op = trace.ops[storage.born]
            # An op can return a view of memory that it allocated whole.
            record = op.outputs[op.storages.index(index)]
            died = storage.died
            blocks.append(
                _Block(
                    op=op.index,
                    shape=record.shape,
                    dtype=record.dtype,
                    nbytes=_resized(storage.nbytes, record.dtype, self.dtype),
                    per_image=grows[op.index],
                    is_input=op.kind == "input",
                    eager_end=last if died < 0 else max(op.index, died - 1),
                    ideal_end=op.index,
                    last_read=op.index,
                    last_write=op.index,
                )
            )
        for copy, original in _uncopied(trace).items():
            merged = blocks[original]  # itself merged already, if it is a copy
            merged.eager_end = max(merged.eager_end, blocks[copy].eager_end)
            blocks[copy] = merged
        self._note_uses(blocks)
        return blocks

    def _note_uses(self, blocks: list[_Block]) -> None:
        trace = self.trace
        for op in trace.ops:
            read = (trace.ops[value.op].storages[value.output] for value in op.inputs)
            for storage in (*read, *op.storages):
                if storage >= 0:
                    blocks[storage].last_read = op.index
            if op.in_place:
                for storage in op.storages:
                    if storage >= 0:
                        blocks[storage].last_write = op.index
        for block in blocks:
            block.ideal_end = block.last_read
        for value in trace.outputs:
            storage = trace.ops[value.op].storages[value.output]
            if storage >= 0:
                blocks[storage].ideal_end = len(trace.ops) - 1


def _load(blocks: Iterable[_Block]) -> _Load:
    fixed = scaled = 0
    for block in blocks:
        if block.per_image:
            scaled += block.nbytes
        else:
            fixed += block.nbytes
    return _Load(fixed, scaled)


def _sums(
    length: int, lives: Iterable[tuple[_Block, int, int]], dtype: str | None = None
) -> list[_Load]:
    """What is alive at each of `length` moments, given (block, first moment, last moment)."""
    fixed, scaled = [0] * (length + 1), [0] * (length + 1)
    for block, first, last in lives:
        changes = scaled if block.per_image else fixed
        nbytes = _resized(block.nbytes, block.dtype, dtype)
        changes[first] += nbytes
        changes[last + 1] -= nbytes
    pairs = zip(accumulate(fixed), accumulate(scaled), strict=True)
    return [_Load(*pair) for pair in pairs][:length]


def _growing(trace: Trace, batch: int) -> list[bool]:
    """For each op, whether its results grow with the batch."""
    found: list[bool] = []
    for op in trace.ops:
        made = op.kind in ("input", "constant")
        if op.kind == "input":
            grows = True
        elif made or op.name in _SHAPE_ONLY:
            # Nothing says where its shape came from: a batch in front is taken for the batch.
            grows = bool(op.outputs and op.outputs[0].shape[:1] == (batch,))
        else:
            grows = any(found[value.op] for value in op.inputs)
        found.append(grows)
    return found


def _uncopied(trace: Trace) -> dict[int, int]:
    """Storages that exist on the meta device only, each with the one that it stands for.

    There the result of attention has its heads outermost, and joining them is a copy. Real
    kernels lay it out as the query is laid out; heads cut out of a token's vector then join
    without one. And there a dropout of nothing allocates what a real one hands on.
    """
    found: dict[int, int] = {}
    for op in trace.ops:
        if op.is_view or op.in_place or not op.inputs:
            continue
        source = trace.ops[op.inputs[0].op]
        if op.name == "dropout" and not op.attrs.get("p"):
            found[op.storages[0]] = source.storages[op.inputs[0].output]
        elif op.name in ("reshape", "flatten", "contiguous") and _joins_heads(trace, source):
            found[op.storages[0]] = source.storages[0]
    # A real pass hands on already; what hands on a parameter's memory stands for no activation.
    return {copy: kept for copy, kept in found.items() if kept >= 0 and copy != kept}


def _joins_heads(trace: Trace, source: OpRecord) -> bool:
    """Whether an op moves the heads of an attention behind its tokens."""
    if source.name not in ("transpose", "permute") or not source.inputs:
        return False
    attention = trace.ops[source.inputs[0].op]
    return attention.name == "scaled_dot_product_attention" and _is_fused(trace, attention)


def _is_fused(trace: Trace, attention: OpRecord) -> bool:
    """Whether the query is a view of token vectors, and no attention map is written down."""
    query = trace.ops[attention.inputs[0].op]
    return query.is_view and not attention.attrs.get("dropout_p")


def _keys(trace: Trace) -> list[str]:
    """For each op, the key of its layer; the path of its module where there is no row."""
    keys = [
        "input" if op.kind == "input" else trace.calls[op.call].path if op.call >= 0 else ""
        for op in trace.ops
    ]
    for row in layers(trace):
        for op in range(row.first_op, row.last_op):
            keys[op] = row.key
    return keys


def _batch(trace: Trace) -> int:
    first = trace.input_shape[0] if trace.input_shape else 1
    return first if isinstance(first, int) else first[0]


def _resized(nbytes: int, dtype: str, wanted: str | None) -> int:
    """Bytes in another type; what is no floating-point number stays as it is."""
    if wanted is None or "float" not in dtype:
        return nbytes
    return nbytes * ITEM_BYTES[wanted] // ITEM_BYTES[dtype]


def _weights(records: Iterable[ParameterRecord], dtype: str | None) -> int:
    return sum(_resized(record.nbytes, record.dtype, dtype) for record in records)


def _check_dtype(dtype: str | None, known: Sequence[str]) -> None:
    if dtype is not None and dtype not in known:
        raise OptionError(
            _("There are no figures for the type {dtype!r}: choose one of {known}.").format(
                dtype=dtype, known=", ".join(known)
            ),
            "dtype",
        )


# ---------------------------------------------------------------------- a training step


class _Step:
    """One training step, before the batch is chosen."""

    def __init__(
        self,
        trace: Trace,
        optimizer: str,
        dtype: str | None,
        *,
        checkpoint: bool,
        mixed_precision: bool,
    ) -> None:
        _check_training(trace, optimizer, dtype, mixed_precision=mixed_precision)
        self.trace = trace
        self.optimizer = optimizer
        self.dtype = dtype
        self.plan = _Plan(trace, dtype)
        self.saved = saved_tensors(trace)
        self._note_gradients()
        self.keepers = self._keepers(self.saved)
        """Blocks that are kept, with the items that say by which ops, in the order of the ops."""
        self._sum_weights(mixed_precision=mixed_precision)
        self.ends = self._cut() if checkpoint else [len(trace.ops)]
        """Where each run of ops that is computed again ends; one run if nothing is."""
        self.checkpoint = checkpoint
        self.boundaries = [self._boundary(a, b) for a, b in self._runs()]

    def _sum_weights(self, *, mixed_precision: bool) -> None:
        trace, dtype = self.trace, "float32" if mixed_precision else self.dtype
        learned = [p for p in trace.parameters if p.requires_grad and p.read]
        self.parameter_bytes = _weights(trace.parameters, dtype)
        if mixed_precision:
            self.parameter_bytes += _weights((p for p in trace.parameters if p.read), self.dtype)
        self.buffer_bytes = _weights(trace.buffer_records, dtype)
        self.gradient_bytes = _weights(learned, dtype)
        self.optimizer_bytes = _MOMENTS[self.optimizer] * self.gradient_bytes
        self.optimizer_bytes += _STEP_BYTES.get(self.optimizer, 0) * len(learned)

    @property
    def fixed_bytes(self) -> int:
        """Everything that neither an activation nor an activation's gradient is."""
        return self.parameter_bytes + self.buffer_bytes + self.gradient_bytes + self.optimizer_bytes

    def _note_gradients(self) -> None:
        for block, needs_grad in zip(self.plan.blocks, self.saved.storage_needs_grad, strict=True):
            block.needs_grad |= needs_grad

    def _keepers(self, saved: SavedTensors) -> list[tuple[_Block, list[Saved]]]:
        found: dict[int, tuple[_Block, list[Saved]]] = {}
        for item in saved.items:
            block = self.plan.block_of(item.storage) or self._extra(item)
            if not block.is_input:
                found.setdefault(id(block), (block, []))[1].append(item)
        return list(found.values())

    def _extra(self, item: Saved) -> _Block:
        """Memory that only autograd holds. Statistics are float32 whatever the type."""
        dtype = self.dtype if item.what != "statistics" else None
        nbytes = _resized(item.nbytes, item.dtype, dtype)
        return _Block(item.op, (), item.dtype, nbytes, item.per_image)

    # ------------------------------------------------------------------ runs of ops

    def _runs(self) -> list[tuple[int, int]]:
        return list(zip([0, *self.ends[:-1]], self.ends, strict=True))

    def _boundary(self, first: int, last: int) -> list[_Block]:
        """What a run reads of what earlier runs wrote; nothing if nothing is computed again."""
        if not self.checkpoint:
            return []
        ops, found = self.trace.ops, {}
        for op in ops[first:last]:
            for value in op.inputs:
                block = self.plan.block_of(ops[value.op].storages[value.output])
                if block and block.op < first and not block.is_input:
                    found[id(block)] = block
        return list(found.values())

    def _kept_in(self, first: int, last: int) -> list[tuple[_Block, int]]:
        """Blocks that the ops of a run keep and that it made, with the first op that does."""
        found = []
        for block, items in self.keepers:
            inside = [item.op for item in items if first <= item.op < last]
            if inside and block.op >= first:
                found.append((block, inside[0]))
        return found

    def _cut(self) -> list[int]:
        """Choose where runs end, such that all boundaries and the largest run take least.

        Tried are runs as long as they can be below a limit, for a series of limits.
        """
        places = self._places()
        sizes = [0] * len(self.trace.ops)
        for block, items in self.keepers:
            sizes[items[0].op] += block.nbytes
        upto = [0, *accumulate(sizes)]
        pieces = [upto[b] - upto[a] for a, b in zip([0, *places[:-1]], places, strict=True)]
        limit = max(pieces)
        best: tuple[int, list[int]] | None = None
        while True:
            ends = _packed(places, pieces, limit)
            cost = self._cost(ends, upto)
            if best is None or cost <= best[0]:
                best = (cost, ends)
            if len(ends) == 1:
                return best[1]
            limit += max(1, limit // 16)

    def _places(self) -> list[int]:
        """Where a run can end: later ops read one block, and none of them writes it."""
        length = len(self.trace.ops)
        crossing, last = [0] * (length + 1), [0] * (length + 1)
        self.crossing_bytes = [0] * (length + 1)
        for block in self.plan.distinct:
            if block.per_image and block.last_read > block.op:
                # It crosses every cut behind op `block.op` and before its last reader.
                crossing[block.op + 1] += 1
                crossing[block.last_read + 1] -= 1
                last[block.op + 1] += block.nbytes
                last[block.last_read + 1] -= block.nbytes
        counts = list(accumulate(crossing))
        self.crossing_bytes = list(accumulate(last))
        written = [0] * (length + 1)
        for block in self.plan.distinct:
            if block.last_write > block.op:
                written[block.op + 1] += 1
                written[block.last_write + 1] -= 1
        dirty = list(accumulate(written))
        # A cut before a view separates nothing from what it views.
        found = [c for c in range(1, length) if counts[c] == 1 and not dirty[c] and self._works(c)]
        return [*found, length]

    def _works(self, op: int) -> bool:
        record = self.trace.ops[op]
        return not record.is_view and record.kind not in ("input", "constant")

    def _cost(self, ends: list[int], upto: list[int]) -> int:
        starts = [0, *ends[:-1]]
        largest = max(upto[b] - upto[a] for a, b in zip(starts, ends, strict=True))
        return largest + sum(self.crossing_bytes[c] for c in ends[:-1])

    # ------------------------------------------------------------------ the moments

    def peaks(self) -> list[_Load]:
        """Activations and their gradients, inputs included, at every moment of a step."""
        return [*self._forward(), *self._backward()]

    def _forward(self) -> list[_Load]:
        """During each op: what lives on its own account, and what autograd keeps by then."""
        last = len(self.trace.ops) - 1
        until = {id(block): block.eager_end for block in self.plan.distinct}
        lives = {id(block): (block, block.op) for block in self.plan.distinct}
        kept = self.keepers if not self.checkpoint else []
        for block, items in kept:
            lives.setdefault(id(block), (block, items[0].op))
            until[id(block)] = last
        for run in self.boundaries:
            for block in run:
                until[id(block)] = last
        return _sums(last + 1, ((block, op, until[key]) for key, (block, op) in lives.items()))

    def _backward(self) -> list[_Load]:
        """During the backward pass of each op: what is still kept, and gradients under way."""
        plan, length = self.plan, len(self.trace.ops)
        lives: list[tuple[_Block, int, int]] = [
            (block, 0, length - 1) for block in plan.distinct if block.is_input
        ]
        lives += [(block, block.op, block.last_read) for block in plan.distinct if block.needs_grad]
        for (first, last), boundary in zip(self._runs(), self.boundaries, strict=True):
            # Kept since the forward pass; freed when the run's own backward pass is over.
            lives += [(block, first, length - 1) for block in boundary]
            lives += [(block, keeper, last - 1) for block, keeper in self._kept_in(first, last)]
        # An op in place has the gradient of its result and that of its input at once.
        for op in self.trace.ops:
            block = plan.block_of(op.storages[0]) if op.in_place and op.storages else None
            if block and block.needs_grad:
                lives.append((block, op.index, op.index))
        return _sums(length, lives)

    # ------------------------------------------------------------------ the answer

    def memory(self, images: int) -> TrainingMemory:
        """Return the figures for a batch."""
        plan, keys = self.plan, self.plan.keys
        at_end = plan.total((block for block, _ in self.keepers), images)
        segments = self._segments(images) if self.checkpoint else ()
        if self.checkpoint:
            at_end = plan.total(
                {id(block): block for run in self.boundaries for block in run}.values(), images
            ) + max(segment.recomputed_bytes for segment in segments)
        inputs = plan.total((block for block in plan.distinct if block.is_input), images)
        peak = max(plan.at(load, images) for load in self.peaks())
        kept = [
            Kept(
                keys[items[0].op],
                items[0].op,
                self.trace.ops[items[0].op].name,
                items[0].what,
                plan.total([block], images),
            )
            for block, items in self.keepers
        ]
        return TrainingMemory(
            batch=images,
            dtype=self.dtype or "",
            optimizer=self.optimizer,
            parameter_bytes=self.parameter_bytes,
            buffer_bytes=self.buffer_bytes,
            gradient_bytes=self.gradient_bytes,
            optimizer_bytes=self.optimizer_bytes,
            input_bytes=inputs,
            saved_bytes=at_end,
            working_bytes=max(0, peak - inputs - at_end),
            kept=tuple(sorted(kept, key=lambda row: (-row.nbytes, row.op))),
            segments=segments,
            unknown_ops=self.saved.unknown_ops,
        )

    def _segments(self, images: int) -> tuple[Segment, ...]:
        keys, total = self.plan.keys, self.plan.total
        return tuple(
            Segment(
                keys[first],
                keys[last - 1],
                first,
                last,
                total(boundary, images),
                total((block for block, _ in self._kept_in(first, last)), images),
            )
            for (first, last), boundary in zip(self._runs(), self.boundaries, strict=True)
        )


def _packed(places: list[int], pieces: list[int], limit: int) -> list[int]:
    """Ends of runs that are each as long as the limit allows."""
    ends: list[int] = []
    held = 0
    for place, piece, following in zip(places, pieces, [*pieces[1:], None], strict=True):
        held += piece
        if following is None or held + following > limit:
            ends.append(place)
            held = 0
    return ends


def _check_training(
    trace: Trace, optimizer: str, dtype: str | None, *, mixed_precision: bool
) -> None:
    """Refuse what no training step is.

    Raises:
        OptionError: see `training_memory`.
    """
    if trace.mode != "train":
        raise OptionError(
            _(
                "This trace of {model} is of mode {mode!r}, where nothing is kept for a "
                'backward pass: trace the model with mode="train".'
            ).format(model=trace.model, mode=trace.mode),
            "mode",
        )
    if optimizer not in OPTIMIZERS:
        raise OptionError(
            _("There is no optimizer {optimizer!r} here: choose one of {known}.").format(
                optimizer=optimizer, known=", ".join(OPTIMIZERS)
            ),
            "optimizer",
        )
    _check_dtype(dtype, DTYPES[:-1])
    if mixed_precision and dtype not in ("float16", "bfloat16"):
        raise OptionError(
            _(
                "Mixed precision with the type {dtype!r} mixes nothing: choose float16 or bfloat16."
            ).format(dtype=dtype),
            "mixed_precision",
        )
