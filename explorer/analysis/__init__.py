"""What traces say: totals, layers, stages, memory, formulas, differences; pure functions."""

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
from explorer.analysis.receptive_field import Field, layer_fields, receptive_fields
from explorer.analysis.stages import Stage, stages
from explorer.analysis.summary import summary
from explorer.analysis.totals import DEFAULT, Convention, Totals, totals

__all__ = [
    "DEFAULT",
    "Comparison",
    "Convention",
    "Diff",
    "Field",
    "InferenceMemory",
    "LargestBatch",
    "Layer",
    "Receipt",
    "ReceiptLine",
    "Stage",
    "Totals",
    "TrainingMemory",
    "compare",
    "diff",
    "inference_memory",
    "largest_batch",
    "layer_fields",
    "layers",
    "layers_frame",
    "locate",
    "precisions",
    "receipt",
    "receptive_fields",
    "stages",
    "summary",
    "to_csv",
    "to_json",
    "to_markdown",
    "totals",
    "training_memory",
]
