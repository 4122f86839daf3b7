"""What a trace says: totals, layers, stages and worked formulas, each a pure function of it."""

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
from explorer.analysis.totals import DEFAULT, Convention, Totals, totals

__all__ = [
    "DEFAULT",
    "Convention",
    "Layer",
    "Receipt",
    "ReceiptLine",
    "Stage",
    "Totals",
    "layers",
    "layers_frame",
    "locate",
    "receipt",
    "stages",
    "to_csv",
    "to_json",
    "to_markdown",
    "totals",
]
