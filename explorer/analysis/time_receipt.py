"""A layer's predicted time worked out: the numbers that the roofline model puts in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from explorer.analysis.roofline import OpTime, Prediction
from explorer.analysis.units import compact, count, rounded
from explorer.text import _, n_

_MOST_OPS = 4


class TimeLine(NamedTuple):
    """One worked formula."""

    label: str
    formula: str
    """With the numbers filled in; "" where the result is a plain sum."""
    result: str


class TimeReceipt(NamedTuple):
    """The predicted time of one layer, or of all layers of a module."""

    key: str
    title: str
    kinds: tuple[str, ...]
    macs: int
    operations: int
    nbytes: float
    launches: int
    ms: float
    share: float
    bound: str
    """What most of its time is spent on: "compute", "memory", "launch" or "none"."""
    lines: tuple[TimeLine, ...]

    @property
    def intensity(self) -> float:
        """Operations a byte; 0 where no byte is moved."""
        return self.operations / self.nbytes if self.nbytes else 0.0


def time_receipt(prediction: Prediction, key: str) -> TimeReceipt | None:
    """Work out the time of a layer; None if the prediction has no such layer or module.

    Args:
        prediction: of a forward pass.
        key: of a layer, or the path of a module that holds some.
    """
    rows = [row for row in prediction.layers if row.key == key]
    is_module = not rows
    if is_module:
        rows = [
            row for row in prediction.layers if key and row.key.startswith((f"{key}.", f"{key}:"))
        ]
    if not rows:
        return None
    parts = {
        "compute": sum(row.compute_ms for row in rows),
        "memory": sum(row.memory_ms for row in rows),
        "launch": sum(row.launch_ms for row in rows),
    }
    longest = max(parts, key=parts.__getitem__)
    ms = sum(row.ms for row in rows)
    ops = [op for row in rows for op in prediction.ops[row.first_op : row.last_op] if op.launches]
    lines = [] if is_module or len(ops) > _MOST_OPS else [*_worked(prediction, ops)]
    lines += _summed(parts, _("The longer of both, and the launch") if len(ops) == 1 else "")
    return TimeReceipt(
        key=key,
        title=n_("{n} layers", "{n} layers", len(rows)) if is_module else rows[0].label,
        kinds=tuple(dict.fromkeys(row.kind for row in rows)),
        macs=sum(row.macs for row in rows),
        operations=sum(row.operations for row in rows),
        nbytes=sum(row.nbytes for row in rows),
        launches=sum(row.launches for row in rows),
        ms=ms,
        share=sum(row.share for row in rows),
        bound=longest if parts[longest] else "none",
        lines=tuple(lines),
    )


def _worked(prediction: Prediction, ops: list[OpTime]) -> Iterator[TimeLine]:
    device = prediction.device
    peak = device.peak(prediction.dtype, tf32=prediction.tf32)
    for op in ops:
        name = f"{op.name}: " if len(ops) > 1 else ""
        terms = [f"2*{count(op.macs)} / {compact(peak)}/s"] if op.macs else []
        other = op.operations - 2 * op.macs
        if other:
            terms.append(f"{count(other)} / {compact(device.peak('float32'))}/s")
        if terms:
            yield TimeLine(
                name + _("arithmetic"), " + ".join(terms), f"{rounded(op.compute_ms)} ms"
            )
        yield TimeLine(
            name + _("bytes"),
            f"{count(round(op.nbytes))} B / {compact(device.bandwidth)}B/s",
            f"{rounded(op.memory_ms)} ms",
        )


def _summed(parts: dict[str, float], label: str) -> Iterator[TimeLine]:
    compute, memory, launch = (rounded(parts[name]) for name in ("compute", "memory", "launch"))
    total = rounded(sum(parts.values()))
    yield TimeLine(
        label or _("Ops limited by arithmetic, by memory, and all launches"),
        " + ".join((compute, memory, launch)),
        f"{total} ms",
    )
