"""Why a forward pass failed, in one sentence, and which input would have worked."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from explorer.errors import ExplorerError, InputSizeError, TraceError
from explorer.text import N_, _
from explorer.trace.live import Failure, tensors_in
from explorer.trace.recorder import Recorder
from explorer.trace.records import OpRecord, TensorRecord, Trace

Shape = tuple[int, ...]

USUAL_SIZES = (28, 32, 64, 96, 128, 160, 192, 224, 227, 256, 299, 320, 384, 448, 512, 640, 1024)
USUAL_STEPS = (2, 3, 4, 6, 7, 8, 12, 14, 16, 24, 28, 32, 48, 64)
"""Patches and windows, of which the size has to be a multiple."""
SEARCH_SECONDS = 2.0
"""CPU time spent looking for a legal size; a busy machine does not shorten the search."""


_NOT_ABOUT_SIZES = (AttributeError, ImportError, NameError, NotImplementedError, TypeError)
"""Exceptions that no other size would mend."""
_JOINS = {
    "add": N_("it adds {first}{origin} and {second}, which do not fit together"),
    "sub": N_("it subtracts {first}{origin} and {second}, which do not fit together"),
    "mul": N_("it multiplies {first}{origin} and {second}, which do not fit together"),
    "cat": N_("it concatenates {first}{origin} and {second}, which do not fit together"),
}
"""Ops that want operands of fitting sizes, in words."""
_TOO_SMALL = re.compile("Kernel size|[Oo]utput size")
_SIZES = re.compile(
    "siz|shape|dim|channel|broadcast|stride|length|elements|divisible|reduction|should contain"
)


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
    received = _(" and ").join(map(size_text, shapes)) or _("no input")
    call = recorder.raised_in
    # An op that failed earlier, in a `forward` that caught it, is not to blame.
    failure = recorder.failure if recorder.failure and recorder.failure.call == call else None
    layer = partial.calls[call].path if 0 <= call < len(partial.calls) else ""
    culprit, reason, features = _reason(partial, failure, error)
    suggested = None
    if isinstance(error, _NOT_ABOUT_SIZES):
        works = None
    if works is not None:
        channels = _channels(partial, failure)
        shape = (shapes[0][0], channels, *shapes[0][2:]) if channels else shapes[0]
        if channels and works(shape):
            suggested = shape
        elif partial.mode == "train" and shape[0] == 1 and works((2, *shape[1:])):
            suggested = (2, *shape[1:])
        else:
            suggested = _nearest(shape, works, hints, grow=_too_small(failure, error))
    sentence = _("{model} at {size} fails in {layer}: {reason}.").format(
        model=partial.model, size=received, layer=_layer_text(partial, call), reason=reason
    )
    operands = tuple(t.shape for t in failure.operands) if failure else ()
    op = failure.name if failure else ""
    if suggested is None and not (shapes and failure and _about_sizes(reason, error)):
        return TraceError(sentence, partial=partial, layer=layer, op=op, operand_shapes=operands)
    remedies = _remedies(shapes[0], suggested, features, searched=works is not None)
    return InputSizeError(
        " ".join([sentence, *remedies]),
        input_shape=shapes[0],
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
        return _("its forward")
    record = partial.calls[call]
    return f"{record.path or _('its forward')} ({record.module_class})"


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    line = text[0].rstrip(". ") if text else ""
    if isinstance(error, ExplorerError):  # what a model says of itself is a sentence already
        return line
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
            reason = _("it takes {wanted:,} features and gets {given:,}{source}").format(
                wanted=wanted, given=given[-1], source=made_by
            )
            return culprit, reason, given[-1]
    if failure.name.startswith("conv") and len(operands) > 1 and "transpose" not in failure.name:
        groups = failure.groups
        wanted = operands[1][1] * groups
        if len(given) == len(operands[1]) and given[1] != wanted:
            reason = _("it takes {wanted} channels and gets {given}{source}").format(
                wanted=wanted, given=given[1], source=made_by
            )
            return culprit, reason, None
    kernel = failure.kernel_size
    if _too_small(failure, error) and len(given) == len(kernel) + 2:
        size = "x".join(map(str, given[2:]))
        window = "x".join(map(str, kernel))
        reason = _("its {window} window does not fit a map of {size}{source}").format(
            window=window, size=size, source=made_by
        )
        return culprit, reason, None
    verb = _JOINS.get(failure.name.rstrip("_"))
    if verb and len(operands) > 1 and given[:1] == operands[1][:1] and _SIZES.search(str(error)):
        first, second = map(size_text, operands[:2])
        origin = _(" from {layer}").format(layer=culprit or source.name) if source else ""
        return culprit, _(verb).format(first=first, origin=origin, second=second), None
    shapes = _(" and ").join("x".join(map(str, shape)) or _("a scalar") for shape in operands[:3])
    reason = _("{op} of {shapes}{source}: {error}").format(
        op=failure.name, shapes=shapes, source=made_by, error=_first_line(error)
    )
    return culprit, reason, None


def _too_small(failure: Failure | None, error: Exception) -> bool:
    """Whether a window is larger than the map that it slides over."""
    return bool(failure and failure.kernel_size and _TOO_SMALL.search(str(error)))


def _about_sizes(reason: str, error: Exception) -> bool:
    """Whether a failing op complains about its operands' sizes, not about their types."""
    in_our_words = _first_line(error) not in reason
    return in_our_words or bool(_SIZES.search(str(error)))


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
        return _(" (the input, {shape})").format(shape=shape)
    path = partial.calls[source.call].path if source.call >= 0 else ""
    return _(" ({shape} from {layer})").format(shape=shape, layer=path or source.name)


def _without_batch(tensor: TensorRecord) -> str:
    return "x".join(map(str, tensor.shape[1:] or tensor.shape))


def _remedies(
    shape: Shape, suggested: Shape | None, features: int | None, *, searched: bool
) -> Iterator[str]:
    if suggested is None:
        if searched:
            yield _("None of the usual input sizes works either.")
    elif suggested[0] != shape[0]:
        yield _(
            "In train mode batch normalization needs more than one value per channel: "
            "a batch of {n} works, and so does eval mode."
        ).format(n=suggested[0])
    elif suggested[1] != shape[1]:
        yield _("An input of {size} works.").format(size=size_text(suggested))
    else:
        yield _("The nearest size that works is {size}.").format(size=size_text(suggested))
    if features is not None:
        yield _("To keep this size, the layer would need in_features={n}.").format(n=features)


def _channels(partial: Trace, failure: Failure | None) -> int | None:
    """How many channels the model's first convolution takes, if that is what does not fit."""
    if failure is None or not failure.name.startswith("conv") or len(failure.operands) < 2:
        return None
    source = _source(partial, failure.writers[0])
    given, weight = (t.shape for t in failure.operands[:2])
    wanted: int = weight[1] * failure.groups
    from_input = source is not None and source.kind == "input" and len(given) == len(weight)
    return wanted if from_input and given[1] != wanted else None


def _nearest(
    shape: Shape,
    works: Callable[[Shape], bool],
    hints: Sequence[tuple[int, int]],
    *,
    grow: bool,
) -> Shape | None:
    """Find the legal image shape nearest to `shape`, batch and channels as they are.

    Tries the usual sizes and the multiples of usual patches, nearest first, then halves the
    distance to the first that works as long as one works in between.
    """
    batch, channels, height, width = shape
    deadline = time.thread_time() + SEARCH_SECONDS

    def legal(size: tuple[int, int]) -> bool:
        return time.thread_time() < deadline and works((batch, channels, *size))

    def distance(size: tuple[int, int]) -> int:
        return abs(size[0] - height) + abs(size[1] - width)

    tries = _candidates(height, width, hints) - {(height, width)}
    if grow:
        tries = {(h, w) for h, w in tries if h >= height and w >= width}
    near_first = sorted(tries, key=lambda size: (distance(size), size))
    good = next(filter(legal, near_first), None)
    if good is None:  # out of time, perhaps: what is known to be legal is worth the wait
        good = next((hint for hint in hints if works((batch, channels, *hint))), None)
    if good is None:
        return None
    bad = (height, width)
    while (middle := ((good[0] + bad[0]) // 2, (good[1] + bad[1]) // 2)) not in (good, bad):
        if legal(middle):
            good = middle
        else:
            bad = middle
    return (batch, channels, *good)


def _candidates(height: int, width: int, hints: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
    """Sizes (height, width) that are worth a try."""
    sizes = set(USUAL_SIZES) | {size for pair in hints for size in pair}
    found = {(size, width) for size in sizes} | {(height, size) for size in sizes}
    found |= {(size, size) for size in sizes} | set(hints)
    for step in USUAL_STEPS:
        down = (height // step * step, width // step * step)
        found |= {down, (down[0] + step, down[1] + step)}
        found.add((round(height / step) * step, round(width / step) * step))
    if height == width:  # whoever asks for a square wants a square
        found = {size for size in found if size[0] == size[1]} | set(hints)
    return {size for size in found if min(size) > 0}
