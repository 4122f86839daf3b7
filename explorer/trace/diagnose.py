"""Why a forward pass failed, in one sentence, and which input would have worked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from explorer.errors import InputSizeError, TraceError
from explorer.trace.recorder import Failure, Recorder, tensors_in
from explorer.trace.records import OpRecord, TensorRecord, Trace

Shape = tuple[int, ...]

USUAL_SIZES = (28, 32, 64, 96, 128, 160, 192, 224, 227, 256, 299, 320, 384, 448, 512, 640, 1024)
SEARCH_SECONDS = 2.0
"""How long to look for a legal size before answering without one."""


def explain(
    recorder: Recorder,
    error: Exception,
    arguments: tuple[tuple[Any, ...], dict[str, Any]],
    works: Callable[[Shape], bool] | None,
    hints: Sequence[tuple[int, int]],
) -> TraceError:
    """Turn the exception of a failed pass into an error for the user.

    Args:
        recorder: holds what was recorded up to the failure.
        error: what the pass raised.
        arguments: positional and keyword arguments of the model.
        works: tells whether another input shape passes; None if only this one makes sense.
        hints: (height, width) pairs known to be legal, tried first.

    Returns:
        An `InputSizeError` if another input would have passed, or if the failing op complains
        about its operands' shapes; else a `TraceError`.
    """
    partial = recorder.trace(arguments, [], ())
    shapes = [tuple(t.shape) for t in tensors_in(arguments)]
    received = " and ".join(map(size_text, shapes)) or "no input"
    call = recorder.raised_in
    # An op that failed earlier, in a `forward` that caught it, is not to blame.
    failure = recorder.failure if recorder.failure and recorder.failure.call == call else None
    layer = partial.calls[call].path if 0 <= call < len(partial.calls) else ""
    culprit, reason, features = _reason(partial, failure, error)
    suggested = None
    if works is not None:
        channels = _channels(partial, failure)
        suggested = (
            _with_channels(shapes[0], channels, works)
            if channels
            else _nearest(shapes[0], works, hints)
        )
    where = f"{partial.model} at {received} fails in {_layer_text(partial, call)}"
    operands = tuple(t.shape for t in failure.operands) if failure else ()
    op = failure.name if failure else ""
    if failure is None and suggested is None:
        return TraceError(f"{where}: {_first_line(error)}.", partial=partial, layer=layer, op=op)
    remedies = _remedies(shapes[0], suggested, features, searched=works is not None)
    return InputSizeError(
        " ".join([f"{where}: {reason}.", *remedies]) if shapes else f"{where}: {reason}.",
        input_shape=shapes[0] if shapes else (),
        culprit=culprit,
        suggested_shape=suggested,
        suggested_in_features=features,
        partial=partial,
        layer=layer,
        op=op,
        operand_shapes=operands,
    )


def size_text(shape: Shape) -> str:
    """Return a shape as one reads it, without a batch of one: "3x224x224"."""
    sizes = shape[1:] if len(shape) > 2 and shape[0] == 1 else shape
    return "x".join(map(str, sizes))


def _layer_text(partial: Trace, call: int) -> str:
    if not 0 <= call < len(partial.calls):
        return "its forward"
    record = partial.calls[call]
    return f"{record.path or 'its forward'} ({record.module_class})"


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    line = text[0].rstrip(". ") if text else ""
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


def _reason(
    partial: Trace, failure: Failure | None, error: Exception
) -> tuple[str, str, int | None]:
    """Return the layer that made the size that does not fit, the reason, and `in_features`."""
    if failure is None or not failure.operands:
        return "", _first_line(error), None
    source = _source(partial, failure.writers[0])
    culprit = partial.calls[source.call].path if source and source.call >= 0 else ""
    made_by = _made_by(partial, source)
    operands = [t.shape for t in failure.operands]
    given = operands[0]
    if failure.name in ("linear", "addmm") and len(operands) > 1:
        if failure.name == "addmm":
            given, wanted = operands[1], operands[2][0]
        else:
            wanted = operands[1][1]
        if given[-1] != wanted:
            reason = f"it takes {wanted:,} features and gets {given[-1]:,}{made_by}"
            return culprit, reason, given[-1]
    if failure.name.startswith("conv") and len(operands) > 1 and "transpose" not in failure.name:
        groups = failure.groups
        wanted = operands[1][1] * groups
        if len(given) == len(operands[1]) and given[1] != wanted:
            return culprit, f"it takes {wanted} channels and gets {given[1]}{made_by}", None
    kernel = failure.kernel_size
    if kernel and len(given) == len(kernel) + 2:
        size = "x".join(map(str, given[2:]))
        window = "x".join(map(str, kernel))
        return culprit, f"its {window} window does not fit a map of {size}{made_by}", None
    shapes = " and ".join("x".join(map(str, shape)) or "a scalar" for shape in operands[:3])
    return culprit, f"{failure.name} of {shapes}{made_by}: {_first_line(error)}", None


def _source(partial: Trace, writer: int) -> OpRecord | None:
    """Follow views (flatten, reshape, dropout) back to the op that made the size."""
    while 0 <= writer < len(partial.ops):
        op = partial.ops[writer]
        if not op.inputs or not (op.is_view or op.kind == "reshape"):
            return op
        writer = op.inputs[0].op
    return None


def _made_by(partial: Trace, source: OpRecord | None) -> str:
    if source is None or not source.outputs:
        return ""
    shape = _without_batch(source.outputs[0])
    if source.kind == "input":
        return f" (the input, {shape})"
    path = partial.calls[source.call].path if source.call >= 0 else ""
    return f" ({shape} from {path or source.name})"


def _without_batch(tensor: TensorRecord) -> str:
    return "x".join(map(str, tensor.shape[1:] or tensor.shape))


def _remedies(
    shape: Shape, suggested: Shape | None, features: int | None, *, searched: bool
) -> Iterator[str]:
    if suggested is None:
        if searched:
            yield "None of the usual input sizes works either."
    elif suggested[0] != shape[0]:
        yield (
            f"In train mode batch normalization needs more than one value per channel: "
            f"a batch of {suggested[0]} works, and so does eval mode."
        )
    elif suggested[1] != shape[1]:
        yield f"An input of {size_text(suggested)} works."
    else:
        yield f"The nearest size that works is {size_text(suggested)}."
    if features is not None:
        yield f"To keep this size, the layer would need in_features={features}."


def _channels(partial: Trace, failure: Failure | None) -> int | None:
    """How many channels the model's first convolution takes, if that is what does not fit."""
    if failure is None or not failure.name.startswith("conv") or len(failure.operands) < 2:
        return None
    source = _source(partial, failure.writers[0])
    given, weight = (t.shape for t in failure.operands[:2])
    wanted: int = weight[1] * failure.groups
    from_input = source is not None and source.kind == "input" and len(given) == len(weight)
    return wanted if from_input and given[1] != wanted else None


def _with_channels(shape: Shape, channels: int, works: Callable[[Shape], bool]) -> Shape | None:
    suggested = (shape[0], channels, *shape[2:])
    return suggested if works(suggested) else None


def _nearest(
    shape: Shape, works: Callable[[Shape], bool], hints: Sequence[tuple[int, int]]
) -> Shape | None:
    """Find the legal image shape nearest to `shape`, batch and channels as they are.

    Tries the usual sizes for height, width and both, nearest first, then halves the distance
    to the first that works as long as one works in between.
    """
    batch, channels, height, width = shape
    deadline = time.monotonic() + SEARCH_SECONDS

    def legal(h: int, w: int, n: int = batch) -> bool:
        return time.monotonic() < deadline and works((n, channels, h, w))

    if batch == 1 and legal(height, width, 2):
        return (2, channels, height, width)
    sizes = sorted(set(USUAL_SIZES) | {s for pair in hints for s in pair})
    tries = {(h, width) for h in sizes} | {(height, w) for w in sizes} | {(s, s) for s in sizes}
    tries |= set(hints)
    near = sorted(tries, key=lambda t: abs(t[0] - height) + abs(t[1] - width))
    found = next((t for t in near if t != (height, width) and legal(*t)), None)
    if found is None:
        return None
    good, bad = found, (height, width)
    while max(abs(good[0] - bad[0]), abs(good[1] - bad[1])) > 1:
        middle = ((good[0] + bad[0]) // 2, (good[1] + bad[1]) // 2)
        if middle in (good, bad):
            break
        if legal(*middle):
            good = middle
        else:
            bad = middle
    return (batch, channels, *good)
