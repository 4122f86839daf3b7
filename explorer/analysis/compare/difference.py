"""Two models aligned: first their stages, then the layers inside each, then what never ran."""

from __future__ import annotations

import numpy as np

from explorer.analysis._align import align, merged
from explorer.analysis.compare.aligner import Aligner, diff_row
from explorer.analysis.compare.records import NOT_RUN, Change, Diff, DiffRow, Status
from explorer.analysis.compare.scales import aligned_stages
from explorer.analysis.compare.subject import Subject, display_names, subjects
from explorer.analysis.compare.tables import Table
from explorer.analysis.layers import Layer
from explorer.analysis.totals import DEFAULT, Convention
from explorer.trace.records import Trace


def diff(a: Trace | Subject, b: Trace | Subject, convention: Convention = DEFAULT) -> Diff:
    """Align the layers of two models and name every difference.

    Args:
        a: the left model, from which differences count.
        b: the right model.
        convention: what costs count, and in which unit; for those that are traces.

    Raises:
        ExplorerError: one of the traces has no layers.
    """
    ready = subjects([a, b], convention)
    left, right = (subject.table for subject in ready)
    aligner = Aligner(left, right)
    aligned = aligned_stages([left.scales, right.scales])
    rows: list[DiffRow] = []
    for stage in aligned:
        rows += aligner.stage(stage)
    rows += _never_ran(left.trace, right.trace)
    names = display_names([left.trace, right.trace])
    return Diff(
        left=left.side(names[0], aligned, 0),
        right=right.side(names[1], aligned, 1),
        unit=ready[0].convention.unit,
        rewritten=_computes_the_same(left, right),
        stages=aligned,
        rows=tuple(rows),
    )


def _computes_the_same(left: Table, right: Table) -> bool:
    a, b = left.trace, right.trace
    return (a.params, a.macs) == (b.params, b.macs) and left.work() == right.work()


def _never_ran(a: Trace, b: Trace) -> list[DiffRow]:
    lefts, rights = ([_idle(trace, i) for i in range(len(trace.uncalled))] for trace in (a, b))
    lefts = [row for row in lefts if row.params]
    rights = [row for row in rights if row.params]
    scores = [[3 if x.params == y.params else 1 for y in rights] for x in lefts]
    pairs = align(np.array(scores, np.int64).reshape(len(lefts), len(rights)))
    found = []
    for i, j in merged(pairs, len(lefts), len(rights)):
        left = lefts[i] if i is not None else None
        right = rights[j] if j is not None else None
        status: Status = "same" if left and right else "left" if left else "right"
        changes: tuple[Change, ...] = ()
        if left and right and left.params != right.params:
            status = "changed"
            changes = (Change("parameters", f"{left.params:,}", f"{right.params:,}"),)
        found.append(diff_row(NOT_RUN, status, (left, right), changes))
    return found


def _idle(trace: Trace, index: int) -> Layer:
    """A module that never ran, as a row."""
    module = trace.uncalled[index]
    return Layer(
        key=module.path,
        path=module.path,
        label="never ran",
        kind="bookkeeping",
        module_class=module.module_class,
        depth=module.path.count(".") + 1,
        call=-1,
        first_op=0,
        last_op=0,
        input_shapes=(),
        output_shape=(),
        kernel=None,
        stride=None,
        padding=None,
        dilation=None,
        groups=None,
        params=module.params,
        macs=0,
        cost=0,
        activation_bytes=0,
    )
