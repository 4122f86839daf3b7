"""The stages of several models, aligned by how far they divide the input."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import log2, prod

import numpy as np

from explorer.analysis._align import align, merged
from explorer.analysis.compare.records import AlignedStage, Shape
from explorer.analysis.layers import Layer
from explorer.analysis.stages import Stage, resolutions, stages
from explorer.analysis.totals import Convention
from explorer.text import N_, _
from explorer.trace.records import Trace

_HEADS = (N_("head"), N_("network"))
_PATCHES = N_("patch embedding")
"""Names of stages, as `explorer.analysis.stages` gives them in the reader's language."""
SAME_SCALE = 0.5
"""Stages are the same if they divide the input's sides alike, to within this many halvings."""


class Scales:
    """The stages of a trace, and how far each divides the input."""

    def __init__(self, trace: Trace, convention: Convention, rows: tuple[Layer, ...]) -> None:
        self.rows = rows
        self.resolutions = resolutions(trace)
        self.stages = stages(trace, convention, rows=rows, sizes=self.resolutions)
        inputs = [op.index for op in trace.ops if op.kind == "input"]
        self.whole = self.resolutions[inputs[0]] if inputs else ()
        ends = list(accumulate(stage.layers for stage in self.stages))
        self.slices = [
            slice(end - stage.layers, end) for stage, end in zip(self.stages, ends, strict=True)
        ]
        self.scales: list[Scale] = [
            None
            if stage.name in map(_, _HEADS)
            else (*self.scale(self._resolution(end)), stage.name == _(_PATCHES))
            for stage, end in zip(self.stages, ends, strict=True)
        ]

    def _resolution(self, end: int) -> Shape:
        """Of the last of the first `end` rows that any op belongs to."""
        return self.resolutions[max(0, self.rows[end - 1].last_op - 1)]

    def scale(self, resolution: Shape) -> tuple[float, int]:
        """How often the sides of the input are halved to get a resolution, and its axes."""
        ratio = prod(self.whole) / max(1, prod(resolution))
        return log2(ratio) / max(1, len(self.whole)) if ratio > 0 else 0.0, len(resolution)


Scale = tuple[float, int, bool] | None
"""Halvings of the input's sides, axes of the resolution, and whether the stage cuts an image into
patches; None for a head."""


def _stage_score(left: Scale, right: Scale) -> int:
    if left is None or right is None:
        return 30 if left == right else 0
    apart = abs(left[0] - right[0])
    if apart >= SAME_SCALE:
        # Patches of another size are still patches, and what follows is a row of tokens.
        return 5 * ((left[1] == right[1] == 1) or (left[2] and right[2]))
    return 20 - round(20 * apart) + 5 * (left[1] == right[1])


def aligned_stages(models: Sequence[Scales]) -> tuple[AlignedStage, ...]:
    """Align the stages of each model with those of all before it."""
    columns: list[tuple[Scale, tuple[Stage | None, ...]]] = []
    for number, model in enumerate(models):
        scores = [[_stage_score(a, b) for b in model.scales] for a, _stages in columns]
        pairs = align(np.array(scores, np.int64).reshape(len(columns), len(model.scales)))
        grown: list[tuple[Scale, tuple[Stage | None, ...]]] = []
        for left, right in merged(pairs, len(columns), len(model.scales)):
            stage = model.stages[right] if right is not None else None
            if left is not None:
                scale, before = columns[left]
            else:
                assert right is not None
                scale, before = model.scales[right], (None,) * number
            grown.append((scale, (*before, stage)))
        columns = grown
    return tuple(
        AlignedStage(next(stage.name for stage in found if stage), found) for _, found in columns
    )
