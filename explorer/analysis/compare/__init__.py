"""Models side by side: totals and stages of up to four, and two aligned layer by layer.

Stages are aligned by how far they divide the input, so that C4 of one network meets 14 × 14 of
another, also where the two are traced at different sizes. Inside a stage the rows of
`layers(trace)` are aligned on what they compute; a module of attention that is one row there is
taken apart, so that it meets one whose projections are modules. Every row, and every parameter
that no row holds, is in exactly one row of the difference, so that the differences of the rows add
up to the difference of the totals.
"""

from explorer.analysis.compare.comparison import compare
from explorer.analysis.compare.difference import diff
from explorer.analysis.compare.records import (
    MOST,
    NOT_RUN,
    AlignedStage,
    Change,
    ComparedModel,
    Comparison,
    Count,
    Curve,
    Diff,
    DiffRow,
    Side,
    Status,
)
from explorer.analysis.compare.subject import Subject, display_names
from explorer.analysis.compare.words import size_text, window_text

__all__ = [
    "MOST",
    "NOT_RUN",
    "AlignedStage",
    "Change",
    "ComparedModel",
    "Comparison",
    "Count",
    "Curve",
    "Diff",
    "DiffRow",
    "Side",
    "Status",
    "Subject",
    "compare",
    "diff",
    "display_names",
    "size_text",
    "window_text",
]
