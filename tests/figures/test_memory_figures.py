"""Bytes alive along a pass, and the parts of a training step."""

from __future__ import annotations

from functools import cache

import pytest
from torch import nn

from explorer.analysis import inference_memory, layers, training_memory
from explorer.analysis.units import memory
from explorer.figures.memory import memory_timeline, training_bars
from explorer.figures.theme import KIND_COLORS
from explorer.trace import trace_model


@cache
def trace(mode="eval"):
    model = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))
    return trace_model(model, (1, 2, 4, 4), mode=mode)


def timeline(**options):
    return memory_timeline(inference_memory(trace()), layers(trace()), **options)


def test_both_lines_are_the_library_s_bytes_at_each_op() -> None:
    memory = inference_memory(trace())
    eager, ideal = timeline().data
    # At most 128 B of input + 256 + 256 B: shown in bytes.
    assert eager.y == memory.eager
    assert ideal.y == memory.ideal
    assert eager.x == tuple(range(len(memory.eager)))
    assert timeline().layout.yaxis.title.text == "B"


def test_the_unit_follows_the_peak() -> None:
    wide = trace_model("resnet18", (1, 3, 224, 224))
    memory = inference_memory(wide)
    figure = memory_timeline(memory, layers(wide))
    assert figure.layout.yaxis.title.text == "MiB"
    assert max(figure.data[0].y) == memory.eager_peak / 2**20


def test_the_peak_is_marked_where_it_is() -> None:
    memory = inference_memory(trace())
    figure = timeline()
    (note,) = figure.layout.annotations
    assert (note.x, note.y) == (memory.eager_op, memory.eager_peak)
    assert note.text == f"peak, {memory.eager_peak} B"
    assert figure.layout.title.text.endswith(f"at {memory.eager_key}")


def test_points_carry_the_keys_of_their_layers_and_the_input_selects_nothing() -> None:
    keys = [key for (key,) in timeline().data[0].customdata]
    assert keys[0] == ""
    assert [key for key in keys if key] == ["0", "1", "2", "3"]


def test_the_ops_of_the_selected_layer_are_marked() -> None:
    (row,) = [row for row in layers(trace()) if row.key == "1"]
    (mark,) = timeline(selected="1").layout.shapes
    assert (mark.x0, mark.x1) == (row.first_op - 0.5, row.last_op - 0.5)
    assert not timeline(selected="nothing").layout.shapes


def test_the_parts_of_a_step_add_up_to_its_total() -> None:
    steps = [(name, training_memory(trace("train"), name)) for name in ("adam", "sgd", "momentum")]
    figure = training_bars(steps)
    parts = {bar.name: bar.x for bar in figure.data}
    for at, (_, step) in enumerate(steps):
        assert sum(values[at] for values in parts.values()) * 1024 == pytest.approx(step.total)
    assert parts["optimizer's state"][1] == 0
    # Adam: two moments for each parameter, and a step counter of 4 bytes for each tensor
    assert parts["optimizer's state"][0] * 1024 == 2 * parts["parameters"][0] * 1024 + 4 * 4


def test_the_chosen_way_to_train_is_on_top_in_bold_with_its_total() -> None:
    step = training_memory(trace("train"), "adam")
    figure = training_bars([("Adam", step), ("SGD", training_memory(trace("train")))])
    assert figure.data[0].y == ("<b>Adam</b>", "SGD")
    assert figure.layout.yaxis.autorange == "reversed"
    assert figure.layout.annotations[0].text == memory(step.total)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_parts_keep_their_colours(theme: str) -> None:
    figure = training_bars([("SGD", training_memory(trace("train")))], theme=theme)
    colors = [bar.marker.color for bar in figure.data]
    assert len(set(colors)) == len(colors)
    assert set(colors) <= set(KIND_COLORS[theme].values())
