"""What a pass needs and whether it fits, said before anything is built."""

from __future__ import annotations

import pytest
import torch

from explorer.errors import MeasurementError
from explorer.latency import measure_latency, plan, room
from explorer.latency.memory import forward_bytes, largest_batch
from explorer.trace import trace_model


def test_it_is_the_estimate_that_a_measurement_is_refused_by(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trace = trace_model("resnet18", (8, 3, 224, 224))
    need = forward_bytes(trace)
    monkeypatch.setattr(plan, "free_memory", lambda _: need)
    assert room(trace, "cpu", "float32") == (need, need, 8, 8)
    assert room(trace, "cpu", "float32").fits
    monkeypatch.setattr(plan, "free_memory", lambda _: need - 1)
    small = room(trace, "cpu", "float32")
    assert not small.fits
    assert small.largest_batch == 7
    with pytest.raises(MeasurementError, match="the largest batch that would fit is about 7"):
        measure_latency("resnet18", (8, 3, 224, 224), device="cpu")


def test_half_the_bytes_leave_room_for_twice_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = trace_model("lenet5", (4, 1, 32, 32))
    monkeypatch.setattr(plan, "free_memory", lambda _: 10**9)
    single, half = room(trace, "cpu", "float32"), room(trace, "cpu", "float16")
    assert half.need_bytes * 2 == single.need_bytes
    assert half.largest_batch == largest_batch(trace, 4, 10**9, torch.float16, weights=True)
    assert half.largest_batch >= 2 * single.largest_batch


def test_where_nothing_is_known_of_memory_everything_may_be_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plan, "free_memory", lambda _: None)
    assert room(trace_model("lenet5", (4, 1, 32, 32)), "cpu", "float32").fits


def test_a_missing_gpu_is_one_sentence() -> None:
    with pytest.raises(MeasurementError, match="no device 'cuda:9' on this machine: choose auto"):
        room(trace_model("lenet5", (1, 1, 32, 32)), "cuda:9", "float32")
