"""Boxes lit because they differ from those of another network."""

from __future__ import annotations

import pytest

from explorer import trace_model
from explorer.analysis.layers import layers
from explorer.diagram.marks import marks_data, scene_marks
from explorer.diagram.scene import Scene
from explorer.diagram.views import view_scene
from explorer.figures.theme import INK, PAPER, contrast
from explorer.lessons.lab import changes
from explorer.trace.records import Trace

WORDS = {"changed": "other", "own": "new", "same": "as before"}


def traced(**options: object) -> Trace:
    return trace_model("resnet18", (1, 3, 64, 64), options=options)


def drawn(trace: Trace, depth: int) -> Scene:
    return view_scene(trace, "blocks", depth)


def test_boxes_of_changed_layers_are_lit_and_no_others() -> None:
    trace = traced(kernel_size=5)
    found = changes(traced(), trace)
    scene = drawn(trace, 3)
    marks = scene_marks(scene, found.after.changed, found.after.own)
    assert set(marks.values()) == {"changed"}
    kernels = {row.key for row in layers(trace) if row.kernel == (5, 5)}
    assert len(kernels) == 16
    assert set(marks) == kernels & {node.key for node in scene.nodes}
    assert marks


def test_a_closed_block_is_lit_for_what_is_in_it() -> None:
    trace = traced(se=True)
    found = changes(traced(), trace)
    scene = drawn(trace, 1)
    marks = scene_marks(scene, found.after.changed, found.after.own)
    blocks = {node.key for node in scene.nodes if node.opens}
    assert blocks
    assert blocks <= set(marks)
    assert set(marks.values()) == {"own"}


def test_a_block_of_which_some_is_new_and_some_other_is_changed() -> None:
    trace = traced()
    scene = drawn(trace, 1)
    block = next(node for node in scene.nodes if node.opens)
    first, second = list(block.ops)[:2]
    assert scene_marks(scene, {first}, {second})[block.key] == "changed"
    assert scene_marks(scene, (), block.ops)[block.key] == "own"
    assert scene_marks(scene, (), ()) == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_lit_boxes_can_be_read_and_the_legend_names_all_three(theme: str) -> None:
    data = marks_data({"a": "changed", "b": "own"}, theme, WORDS)
    assert [words for words, _, _ in data["legend"]] == ["other", "new", "as before"]
    assert set(data["colors"]) == set(data["strokes"]) == {"a", "b"}
    assert data["colors"]["a"] != data["colors"]["b"]
    for fill in data["colors"].values():
        assert contrast(INK[theme], fill) >= 4.5
    for stroke in data["strokes"].values():
        assert contrast(stroke, PAPER[theme]) >= 3
