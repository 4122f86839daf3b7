"""A measured pass taken apart, each layer beside what was predicted for it."""

from __future__ import annotations

from typing import NamedTuple

from explorer.analysis.roofline import Prediction
from explorer.latency.records import LayerLatencies


class Part(NamedTuple):
    """One measured call of a layer beside what was predicted for it."""

    key: str
    kind: str
    """Of the layer; "unknown" where the prediction has no such row."""
    module_class: str
    measured_ms: float
    predicted_ms: float | None
    """None where the prediction has no such row."""


class Parts(NamedTuple):
    """A measured pass taken apart, beside the predicted one; milliseconds.

    layers + rest + hooks = hooked, exactly, as they were measured.
    """

    parts: tuple[Part, ...]
    """In the order of their calls."""
    whole_ms: float
    """Median of the passes without hooks: what the model takes."""
    hooked_ms: float
    layers_ms: float
    rest_ms: float
    """Between the layers: `+`, concatenations, Python."""
    hooks_ms: float
    predicted_ms: float
    predicted_layers_ms: float
    predicted_rest_ms: float
    """What is predicted for work that is in no module of its own."""


def parts_of(prediction: Prediction, measured: LayerLatencies) -> Parts:
    """Put each measured layer beside its prediction.

    Args:
        prediction: of the same model at the same input.
        measured: by `explorer.latency.measure_layers`.
    """
    rows = {row.key: row for row in prediction.layers}
    parts = tuple(
        Part(
            key=layer.key,
            kind=rows[layer.key].kind if layer.key in rows else "unknown",
            module_class=layer.module_class,
            measured_ms=layer.ms,
            predicted_ms=rows[layer.key].ms if layer.key in rows else None,
        )
        for layer in measured.layers
    )
    predicted = sum(part.predicted_ms or 0.0 for part in parts)
    return Parts(
        parts=parts,
        whole_ms=measured.record.median_ms,
        hooked_ms=measured.hooked_ns / 1e6,
        layers_ms=measured.layers_ns / 1e6,
        rest_ms=measured.rest_ns / 1e6,
        hooks_ms=measured.overhead_ns / 1e6,
        predicted_ms=prediction.ms,
        predicted_layers_ms=predicted,
        predicted_rest_ms=prediction.ms - predicted,
    )
