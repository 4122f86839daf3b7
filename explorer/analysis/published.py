"""What papers print, beside what their networks really cost."""

from __future__ import annotations

import csv
import io
import json
from functools import cache
from importlib import resources
from typing import NamedTuple

from explorer.text import _
from explorer.trace.records import OpRecord, Trace

Options = dict[str, int | tuple[int, ...]]

SAME = 0.01
"""Relative difference up to which a printed value counts as the exact one, rounded."""


class PublishedRow(NamedTuple):
    """One published architecture at one input size."""

    architecture: str
    """As the paper calls it."""
    name: str
    """Registered name."""
    options: Options
    input_shape: tuple[int, ...]
    """With a batch of 1."""
    params: int
    macs: int
    """Exact counts of an independent implementation; ours are equal, which the tests recompute."""
    printed_params: float | None
    """As printed, in elements; None if nothing is printed."""
    printed_macs: float | None
    source: str
    checked: str
    """What the printed values were compared with."""
    note: str
    """Why they differ from the exact ones."""
    params_digit: float = 0.0
    """What one step of the last printed digit of the parameters is worth; zeros at the end of a
    whole number do not count as digits."""
    macs_digit: float = 0.0

    @property
    def params_gap(self) -> float | None:
        """(printed - exact) / exact."""
        return None if self.printed_params is None else self.printed_params / self.params - 1

    @property
    def macs_gap(self) -> float | None:
        """(printed - exact) / exact."""
        return None if self.printed_macs is None else self.printed_macs / self.macs - 1

    @property
    def disagrees(self) -> bool:
        """Whether a printed value is not the exact one, rounded."""
        return any(abs(gap or 0) > SAME for gap in (self.params_gap, self.macs_gap))

    @property
    def reason(self) -> str:
        """Why a printed value differs: the row's note, its few digits, or that it is not known."""
        if self.note or not self.disagrees:
            return self.note
        printed = (
            (self.printed_params, self.params, self.params_digit),
            (self.printed_macs, self.macs, self.macs_digit),
        )
        # Half a unit for doubles that stand exactly between two digits.
        gaps = [(exact - value, digit) for value, exact, digit in printed if value is not None]
        if all(abs(gap) <= digit / 2 + 0.5 for gap, digit in gaps):
            return _("The exact value, rounded to the digits that are printed.")
        if all(abs(gap) <= digit / 2 + 0.5 or 0 <= gap < digit for gap, digit in gaps):
            return _("The exact value, cut off after the digits that are printed.")
        return _("No rounding and no counting rule that we know of gives the printed value.")


def read_data(file: str) -> list[dict[str, str]]:
    """Read one of the tables in `explorer/data`."""
    text = (resources.files("explorer") / "data" / file).read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text, newline="")))


@cache
def published() -> tuple[PublishedRow, ...]:
    """All rows of `data/published.csv`."""
    return tuple(map(_row, read_data("published.csv")))


def _row(row: dict[str, str]) -> PublishedRow:
    options = json.loads(row["options"] or "{}")
    return PublishedRow(
        row["architecture"],
        row["name"],
        {key: tuple(v) if isinstance(v, list) else v for key, v in options.items()},
        (1, *map(int, row["input"].split("x"))),
        int(row["exact_params"]),
        int(row["exact_macs"]),
        _millions(row["printed_params_millions"]),
        _millions(row["printed_macs_millions"]),
        row["source"],
        row["checked"],
        row["note"],
        _last_digit(row["printed_params_millions"]),
        _last_digit(row["printed_macs_millions"]),
    )


def _millions(text: str) -> float | None:
    return float(text) * 1e6 if text else None


def _last_digit(text: str) -> float:
    """What a step of the last digit is worth: 100,000 for "13.6" and 100,000,000 for "15300"."""
    if not text:
        return 0.0
    whole, _, decimals = text.partition(".")
    zeros = len(whole) - len(whole.rstrip("0"))
    return 1e6 * (10.0 ** -len(decimals) if decimals else 10.0**zeros)


# ----------------------------------------------------------- person re-identification


class ReidRow(NamedTuple):
    """One model of the re-identification table: people on Market-1501, images of 256x128."""

    model: str
    """As the table calls it."""
    kind: str
    """"CNN" or "Transformer"."""
    name: str
    """Registered name."""
    rank1: float
    """Percent of queries whose first match is right."""
    mean_ap: float
    """Mean average precision in percent."""
    printed_params: float
    """In elements, without the classifier."""
    printed_macs: float
    note: str
    """A mistake in the row, or "" if the old counter's convention explains it."""


class ReidCounts(NamedTuple):
    """A model without its classifier, counted exactly and as the table's counter did."""

    params: int
    macs: int
    old_params: int
    old_macs: int


REID_INPUT = (1, 3, 256, 128)


@cache
def reid() -> tuple[ReidRow, ...]:
    """All rows of `data/reid.csv`."""
    return tuple(
        ReidRow(
            row["model"],
            row["kind"],
            row["name"],
            float(row["rank1"]),
            float(row["mAP"]),
            float(row["printed_params_millions"]) * 1e6,
            float(row["printed_macs_billions"]) * 1e9,
            row["note"],
        )
        for row in read_data("reid.csv")
    )


def reid_counts(trace: Trace) -> ReidCounts:
    """Count a traced model without its classifier, by our convention and by the table's.

    The table's counter was thop 0.0.31. It adds up what it has a rule for, module by module:
    convolutions with their bias, linear layers, two operations for each element of a batch
    normalization, and the additions and divisions of average pooling. It sees no products inside
    attention, no LayerNorm, and no parameter that a module without children does not hold.
    """
    classes = trace.output_shape[-1]
    heads = {
        op.index
        for op in trace.ops
        if op.kind == "linear" and op.outputs[0].shape[-1] == classes and _is_last(trace, op)
    }
    kept = [op for op in trace.ops if op.index not in heads]
    leaves = {call.index for call in trace.calls if not call.children}
    outside = sum(op.params for op in kept if op.call not in leaves)
    head_params = sum(trace.ops[index].params for index in heads)
    unread = sum(module.params for module in trace.uncalled)
    return ReidCounts(
        params=trace.params - head_params,
        macs=sum(op.macs for op in kept),
        old_params=trace.params - head_params - outside - unread,
        old_macs=sum(_old_cost(op) for op in kept if op.call in leaves),
    )


def _is_last(trace: Trace, op: OpRecord) -> bool:
    """Whether no op with weights reads what this one computes."""
    reached = {op.index}
    for later in trace.ops[op.index + 1 :]:
        if any(value.op in reached for value in later.inputs):
            if later.parameters:
                return False
            reached.add(later.index)
    return True


def _old_cost(op: OpRecord) -> int:
    """Operations of one op by the rules of thop 0.0.31."""
    size = 1
    for length in op.outputs[0].shape if op.outputs else ():
        size *= length
    if op.kind == "convolution":
        return op.macs + op.bias_ops
    if op.kind == "linear":
        return op.macs
    if op.name == "batch_norm":
        return 2 * size
    if op.kind == "pooling" and "avg" in op.name:
        given = op.input_tensors[0].shape
        taken = op.outputs[0].shape
        window = op.attrs.get("kernel_size")
        if window is None:
            area = (given[-2] // taken[-2]) * (given[-1] // taken[-1])
        else:
            sides = tuple(window) if isinstance(window, (tuple, list)) else (window,) * 2
            area = sides[0] * sides[-1]
        return (area + 1) * size
    return 0
