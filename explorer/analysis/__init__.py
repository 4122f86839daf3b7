"""What a trace says: totals, layers, stages, memory, formulas, each a pure function of it."""

from explorer.analysis.layers import (
    Layer,
    layers,
    layers_frame,
    locate,
    to_csv,
    to_json,
    to_markdown,
)
from explorer.analysis.memory import (
    InferenceMemory,
    LargestBatch,
    TrainingMemory,
    inference_memory,
    largest_batch,
    precisions,
    training_memory,
)
from explorer.analysis.receipts import Receipt, ReceiptLine, receipt
from explorer.analysis.stages import Stage, stages
from explorer.analysis.totals import DEFAULT, Convention, Totals, totals

__all__ = [
    "DEFAULT",
    "Convention",
    "InferenceMemory",
    "LargestBatch",
    "Layer",
    "Receipt",
    "ReceiptLine",
    "Stage",
    "Totals",
    "TrainingMemory",
    "inference_memory",
    "largest_batch",
    "layers",
    "layers_frame",
    "locate",
    "precisions",
    "receipt",
    "stages",
    "to_csv",
    "to_json",
    "to_markdown",
    "totals",
    "training_memory",
]
