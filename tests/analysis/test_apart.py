"""Measured layers beside their prediction: the parts are those of both, and add up."""

from __future__ import annotations

import pytest

from explorer import trace_model
from explorer.analysis.apart import parts_of
from explorer.analysis.roofline import get_device, predict
from explorer.latency import measure_layers

SHAPE = (1, 3, 32, 32)


def test_every_measured_layer_has_its_prediction_and_the_sums_hold() -> None:
    measured = measure_layers("resnet20", SHAPE, device="cpu", runs=3, max_seconds=2)
    prediction = predict(trace_model("resnet20", SHAPE), get_device("i7"))
    parts = parts_of(prediction, measured)
    assert [part.key for part in parts.parts] == [layer.key for layer in measured.layers]
    rows = {row.key: row for row in prediction.layers}
    for part in parts.parts:
        assert part.predicted_ms == rows[part.key].ms
        assert part.kind == rows[part.key].kind
    assert parts.layers_ms + parts.rest_ms + parts.hooks_ms == pytest.approx(parts.hooked_ms)
    assert parts.layers_ms == pytest.approx(sum(part.measured_ms for part in parts.parts))
    assert parts.predicted_layers_ms + parts.predicted_rest_ms == pytest.approx(prediction.ms)
    # What no module of its own does: the nine sums of the shortcuts, and what those need.
    inside = {part.key for part in parts.parts}
    rest = sum(row.ms for row in prediction.layers if row.key not in inside)
    assert parts.predicted_rest_ms == pytest.approx(rest)
    assert sum(row.kind == "add" for row in prediction.layers if row.key not in inside) == 9


def test_a_layer_without_a_prediction_says_so() -> None:
    measured = measure_layers("lenet5", (1, 1, 32, 32), device="cpu", runs=3, max_seconds=1)
    other = predict(trace_model("alexnet", (1, 3, 224, 224)), get_device("i7"))
    parts = parts_of(other, measured)
    found = {part.key: part for part in parts.parts}
    assert (found["c1"].predicted_ms, found["c1"].kind) == (None, "unknown")
    assert found["c1"].measured_ms > 0
