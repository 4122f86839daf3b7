"""What traces say: totals, layers, stages, formulas and differences, each a pure function."""

from explorer.analysis.compare import Comparison, Diff, compare, diff
from explorer.analysis.layers import (
    Layer,
    layers,
    layers_frame,
    locate,
    to_csv,
    to_json,
    to_markdown,
)
from explorer.analysis.receipts import Receipt, ReceiptLine, receipt
from explorer.analysis.stages import Stage, stages
from explorer.analysis.summary import summary
from explorer.analysis.totals import DEFAULT, Convention, Totals, totals

__all__ = [
    "DEFAULT",
    "Comparison",
    "Convention",
    "Diff",
    "Layer",
    "Receipt",
    "ReceiptLine",
    "Stage",
    "Totals",
    "compare",
    "diff",
    "layers",
    "layers_frame",
    "locate",
    "receipt",
    "stages",
    "summary",
    "to_csv",
    "to_json",
    "to_markdown",
    "totals",
]
