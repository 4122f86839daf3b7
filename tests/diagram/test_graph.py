"""The whole network as a graph that opens module by module."""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from explorer import get_spec, list_models, trace_model
from explorer.analysis.layers import layers
from explorer.diagram.graph import default_depth, graph_scene, openable, opened_to
from explorer.diagram.heat import scene_heat
from explorer.diagram.interactive import scene_data, theme_data
from explorer.diagram.scene import Scene
from explorer.diagram.scene_svg import scene_svg
from explorer.trace.records import KINDS, Trace

SVG = "{http://www.w3.org/2000/svg}"


@cache
def traced(name: str) -> Trace:
    return trace_model(name, get_spec(name).input_shape)


def check(scene: Scene) -> None:
    """No box covers another, and no line runs through a box that it does not belong to."""
    e = 0.01
    rows = sorted(scene.nodes, key=lambda node: node.y)
    for place, a in enumerate(rows):
        for b in rows[place + 1 :]:
            if b.y >= a.y + a.height - e:
                break
            assert a.x + a.width <= b.x + e or b.x + b.width <= a.x + e, (a.key, b.key)
    for edge in scene.edges:
        for (x0, y0), (x1, y1) in pairwise(edge.points):
            left, right, top, bottom = min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)
            for node in scene.nodes:
                through = (
                    left < node.x + node.width - e
                    and right > node.x + e
                    and top < node.y + node.height - e
                    and bottom > node.y + e
                )
                assert not through or node.key in (edge.source, edge.target), (edge, node)


@pytest.mark.parametrize("name", list_models())
def test_every_model_is_drawn_without_overlaps_at_its_first_three_depths(name: str) -> None:
    trace = traced(name)
    for depth in (1, 2, 3):
        scene = graph_scene(trace, opened_to(trace, depth))
        if len(scene.nodes) <= 400:  # ResNet-1001 and its like are long, not different
            check(scene)
    check(graph_scene(trace, opened_to(trace, 2), horizontal=True))


def test_the_closed_model_is_its_children_in_a_row() -> None:
    scene = graph_scene(traced("resnet18"), ())
    assert [node.key for node in scene.nodes] == [
        ":input", "conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4",
        "avgpool", "flatten", "fc",
    ]  # fmt: skip
    assert [(edge.source, edge.target) for edge in scene.edges] == list(
        pairwise(node.key for node in scene.nodes)
    )
    assert [node.key for node in scene.nodes if node.opens] == [f"layer{i}" for i in range(1, 5)]


def test_boxes_add_up_to_the_model_however_far_it_is_open() -> None:
    trace = traced("googlenet")
    held = sum(module.params for module in trace.uncalled)
    for depth in (1, 2, 3, 9):
        scene = graph_scene(trace, opened_to(trace, depth))
        assert sum(node.cost for node in scene.nodes) == trace.macs
        assert sum(node.params for node in scene.nodes) == trace.params - held


def test_an_opened_block_shows_its_shortcut_round_its_path() -> None:
    scene = graph_scene(traced("resnet18"), ("layer1", "layer1.0"))
    skips = [(edge.source, edge.target) for edge in scene.edges if edge.role == "skip"]
    assert skips == [("maxpool", "layer1.0:add")]
    (join,) = [node for node in scene.nodes if node.key == "layer1.0:add"]
    assert (join.title, join.shape) == ("+", "round")
    assert [group.key for group in scene.groups] == ["layer1", "layer1.0"]


def test_a_module_inside_a_closed_one_is_not_seen() -> None:
    scene = graph_scene(traced("resnet18"), ("layer1.0",))
    assert not scene.groups


def test_a_gate_is_a_product_of_two_paths() -> None:
    scene = graph_scene(
        trace_model("resnet50", (1, 3, 64, 64), options={"se": True}),
        ("layer1", "layer1.0", "layer1.0.se"),
    )
    (gate,) = [node for node in scene.nodes if node.shape == "round" and node.title == "×"]
    assert gate.key == "layer1.0.se:mul"
    assert len([edge for edge in scene.edges if edge.target == gate.key]) == 2


def test_layers_that_read_all_before_them_are_drawn_on_a_bus() -> None:
    """Torchvision's dense layers concatenate inside: L(L+1)/2 lines without a bus."""
    trace = trace_model("torchvision:densenet121", (1, 3, 224, 224))
    scene = graph_scene(trace, ("features", "features.denseblock1"))
    buses = [node for node in scene.nodes if node.key.startswith("bus/")]
    inside = [node for node in scene.nodes if node.key.startswith("features.denseblock1")]
    assert buses
    lines = [edge for edge in scene.edges if edge.role == "bus"]
    assert len(lines) < 3 * 6 + 3 < 6 * 7 / 2 + 6
    # Following the buses backwards gives each layer the 1, 2, 3 ... sources that it reads.
    sources: dict[str, set[str]] = {}
    for node in scene.nodes:
        read = {edge.source for edge in scene.edges if edge.target == node.key}
        sources[node.key] = {
            source for key in read for source in (sources[key] if key.startswith("bus/") else {key})
        }
    counts = [len(sources[node.key]) for node in inside if "denselayer" in node.key]
    assert counts == [1, 2, 3, 4, 5, 6]


def test_what_can_be_opened_is_what_has_parts() -> None:
    trace = traced("resnet18")
    keys = openable(trace)
    assert keys[0] == ""
    assert "layer1.0" in keys
    assert "conv1" not in keys
    assert set(opened_to(trace, 2)) == {"", "layer1", "layer2", "layer3", "layer4"}


@pytest.mark.parametrize("name", ["lenet5", "resnet50", "densenet201", "hrnet_w18", "vit_b_16"])
def test_the_first_depth_gives_a_graph_that_can_be_surveyed(name: str) -> None:
    trace = traced(name)
    scene = graph_scene(trace, opened_to(trace, default_depth(trace)))
    assert len(scene.nodes) <= 60


def test_a_pass_that_broke_off_is_drawn_as_far_as_it_came() -> None:
    from explorer.errors import InputSizeError

    with pytest.raises(InputSizeError) as caught:
        trace_model("alexnet", (1, 3, 32, 32))
    assert caught.value.partial is not None
    scene = graph_scene(caught.value.partial)
    assert "features.11" in [node.key for node in scene.nodes]


# ------------------------------------------------------------------- the drawing


@pytest.mark.parametrize("dark", [False, True])
def test_the_svg_names_every_box_and_says_what_it_shows(dark: bool) -> None:
    scene = graph_scene(traced("googlenet"), ("inception3a",))
    root = ET.fromstring(scene_svg(scene, dark=dark))
    keys = {element.get("data-key") for element in root.iter() if element.get("data-key")}
    assert keys == {node.key for node in scene.nodes}
    assert root.findtext(f"{SVG}title") == "googlenet: every operation"
    description = root.findtext(f"{SVG}desc") or ""
    assert "input 1×3×224×224" in description
    assert "Multiply-accumulates" in description


def test_text_of_a_model_is_escaped() -> None:
    from torch import nn

    class Odd(nn.Sequential):
        pass

    Odd.__name__ = "<script>"
    trace = trace_model(nn.Sequential(Odd(nn.ReLU(), nn.Tanh())), (1, 3, 8, 8))
    drawn = scene_svg(graph_scene(trace))
    assert "<script>" not in drawn
    assert "&lt;script&gt;" in drawn


def test_labels_fit_their_boxes() -> None:
    from explorer.diagram.svg import text_width

    for node in graph_scene(traced("efficientnet_b0")).nodes:
        if node.shape == "box":
            assert text_width(node.title, 12.5) <= node.width
            assert text_width(node.detail, 11) <= node.width


def test_the_interactive_view_gets_what_the_svg_draws() -> None:
    trace = traced("resnet18")
    scene = graph_scene(trace, ("layer1", "layer1.0"))
    rows = {row.key: row for row in layers(trace)}
    data = scene_data(scene, trace, rows)
    assert [node["key"] for node in data["nodes"]] == [node.key for node in scene.nodes]
    assert len(data["edges"]) == len(scene.edges)
    card = dict(next(n["card"] for n in data["nodes"] if n["key"] == "conv1"))
    assert card["MACs"] == "64*3*7*7 * 112*112 = 118,013,952"
    assert card["Parameters"] == "64*3*7*7 = 9,408"
    assert set(theme_data("dark")["colors"]) == set(KINDS)


def test_heat_is_deepest_where_most_is_spent() -> None:
    scene = graph_scene(traced("resnet18"), ())
    shares = scene_heat(scene, traced("resnet18"), "params", "light").shares
    assert max(shares, key=shares.__getitem__) == "layer4"
    assert shares["layer4"] == 1
    assert shares["relu"] == 0
    heat = scene_heat(scene, traced("resnet18"), "cost", "light")
    drawn = scene_svg(scene, heat=heat)
    assert all(f'fill="{color}"' in drawn for color in heat.colors.values())
    assert all(re.fullmatch("#[0-9A-F]{6}", color) for color in heat.colors.values())
