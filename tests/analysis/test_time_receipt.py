"""A layer's predicted time, worked out."""

from __future__ import annotations

import pytest
from torch import nn

from explorer.analysis.roofline import get_device, predict
from explorer.analysis.time_receipt import time_receipt
from explorer.trace import trace_model

T4 = get_device("NVIDIA T4")


def test_a_layer_s_lines_hold_its_numbers() -> None:
    prediction = predict(
        trace_model(nn.Sequential(nn.Conv2d(2, 4, 3, padding=1)), (1, 2, 4, 4)), T4
    )
    found = time_receipt(prediction, "0")
    assert found is not None
    (row,) = [row for row in prediction.layers if row.key == "0"]
    assert (found.macs, found.operations, found.launches) == (1152, 2 * 1152 + 64, 1)
    # input 128 B, weight 288 B, bias 16 B, output 256 B
    assert found.nbytes == 688
    assert found.ms == pytest.approx(row.ms)
    assert [line.label for line in found.lines] == [
        "arithmetic", "bytes", "The longer of both, and the launch",
    ]  # fmt: skip
    assert found.lines[0].formula == "2*1,152 / 8.10 T/s + 64 / 8.10 T/s"
    assert found.lines[1].formula == "688 B / 320 GB/s"
    assert found.bound == "launch"


def test_a_module_is_the_sum_of_its_layers() -> None:
    prediction = predict(trace_model("resnet18", (1, 3, 224, 224)), T4)
    rows = [row for row in prediction.layers if row.key.startswith(("layer1.", "layer1:"))]
    found = time_receipt(prediction, "layer1")
    assert found is not None
    assert found.title == f"{len(rows)} layers"
    assert found.ms == pytest.approx(sum(row.ms for row in rows))
    assert found.macs == sum(row.macs for row in rows)
    assert len(found.lines) == 1


def test_every_layer_has_a_receipt_of_its_own_time() -> None:
    prediction = predict(trace_model("densenet121", (1, 3, 224, 224)), T4, "float16")
    for row in prediction.layers:
        found = time_receipt(prediction, row.key)
        assert found is not None
        assert found.ms == pytest.approx(row.ms)
        assert found.bound == row.bound or row.ms == 0


def test_what_is_not_there_has_no_receipt() -> None:
    prediction = predict(trace_model("lenet5", (1, 1, 32, 32)), T4)
    assert time_receipt(prediction, "layer9") is None
    assert time_receipt(prediction, "") is None
