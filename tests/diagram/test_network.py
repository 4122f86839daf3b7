"""The whole network block by block: complete, without overlaps, and the paper's own figure."""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import pairwise

import pytest

from explorer import get_spec, list_models, trace_model
from explorer.blocks import find_blocks, outermost
from explorer.diagram.network import CLOSED, OPEN, UNFOLDED, blocks_scene
from explorer.diagram.scene import Node, Scene
from explorer.diagram.svg import text_width
from explorer.trace.records import Trace

Box = tuple[float, float, float, float]
LONG = ("resnet1202", "preresnet1001")
"""Hundreds of equal blocks: drawn folded, but not unfolded in every test."""


@cache
def traced(name: str) -> Trace:
    return trace_model(name, get_spec(name).input_shape)


def box(node: Node) -> Box:
    return node.x, node.y, node.x + node.width, node.y + node.height


def overlap(a: Box, b: Box, slack: float = 0.5) -> bool:
    return (
        a[0] + slack < b[2] and b[0] + slack < a[2] and a[1] + slack < b[3] and b[1] + slack < a[3]
    )


def words_of(scene: Scene) -> dict[str, Box]:
    """Where texts stand, and the names of frames."""
    words: dict[str, Box] = {}
    for place, text in enumerate(scene.texts):
        wide = text_width(text.text, text.size)
        left = text.x - {"start": 0.0, "middle": 0.5, "end": 1.0}[text.anchor] * wide
        half = 0.42 * text.size
        words[f"{place}: {text.text}"] = (left, text.y - half, left + wide, text.y + half)
    for group in scene.groups:
        if group.detail:
            left = group.x + group.title_at
            wide = max(text_width(group.title, 13) * 1.06, text_width(group.detail, 11.5))
            words[f"frame {group.key}"] = (left, group.y + 6, left + wide, group.y + 38)
            assert left + wide <= group.x + group.width, group.key
    return words


def check(scene: Scene) -> None:
    """No box or text covers another, all lies inside, and no line runs through a box or text."""
    boxes = {node.key: box(node) for node in scene.nodes if node.shape != "dot"}
    assert len(boxes) == sum(node.shape != "dot" for node in scene.nodes), "keys are unique"
    things = sorted((*boxes.items(), *words_of(scene).items()), key=lambda item: item[1][1])
    for place, (name, a) in enumerate(things):
        inside = a[0] >= 0 and a[1] >= 0 and a[2] <= scene.width and a[3] <= scene.height
        assert inside, name
        for other, b in things[place + 1 :]:
            if b[1] >= a[3]:
                break
            assert not overlap(a, b), (name, other)
    for edge in scene.edges:
        for (x0, y0), (x1, y1) in pairwise(edge.points):
            run = (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
            if edge.bend == "curve" and x0 != x1:
                continue  # bends in the gap between two rows, which the layout's tests check
            for name, around in things:
                inner = (around[0] + 1, around[1] + 1, around[2] - 1, around[3] - 1)
                assert not overlap(run, inner, -0.01), (name, edge.points)


def drawn_macs(scene: Scene) -> int:
    return sum(node.cost * node.times for node in scene.nodes)


@pytest.mark.parametrize("name", list_models())
def test_every_network_is_drawn_complete_and_without_a_defect(name: str) -> None:
    trace = traced(name)
    for depth, horizontal in ((CLOSED, False), (OPEN, True), (OPEN, False)):
        scene = blocks_scene(trace, depth, horizontal=horizontal)
        check(scene)
        assert drawn_macs(scene) == trace.macs, depth
    if name not in LONG:
        scene = blocks_scene(trace, UNFOLDED)
        assert all(node.times == 1 for node in scene.nodes)
        assert drawn_macs(scene) == trace.macs


FIGURES = {
    # Blocks outside of all others, by kind, form and shortcut, as the papers count them.
    "resnet18": {("residual", "basic", "identity"): 5, ("residual", "basic", "projection"): 3},
    "resnet50": {
        ("residual", "bottleneck", "identity"): 12,
        ("residual", "bottleneck", "projection"): 4,
    },
    "resnetv2_50": {
        ("residual", "bottleneck", "identity"): 12,
        ("residual", "bottleneck", "projection"): 4,
    },
    "densenet121": {("dense", "", ""): 4},
    "googlenet": {("branches", "", ""): 9},
    # Szegedy et al. 2016, figure 9: three joins in the stem, 4 A, 7 B, 3 C, two reductions.
    "inception_v4": {("branches", "", ""): 3 + 4 + 7 + 3 + 2},
    # Sandler et al. 2018, table 2: 17 bottlenecks; ten keep their shape.
    "mobilenet_v2": {("residual", "inverted", "identity"): 10, ("inverted", "", ""): 7},
    "seresnet50": {
        ("residual", "bottleneck", "identity"): 12,
        ("residual", "bottleneck", "projection"): 4,
    },
    # Zhou et al. 2019, table 1: two blocks in each of three stages.
    "osnet_x1_0": {
        ("residual", "bottleneck", "identity"): 3,
        ("residual", "bottleneck", "projection"): 3,
    },
    # Wang et al. 2019: 4 bottlenecks, then 1, 4 and 3 modules with 4 basic blocks in each of
    # 2, 3 and 4 streams and an exchange behind them; the head widens each of the 4 streams.
    "hrnet_w18": {
        ("residual", "bottleneck", "projection"): 1 + 4,
        ("residual", "bottleneck", "identity"): 3,
        ("residual", "basic", "identity"): 4 * (1 * 2 + 4 * 3 + 3 * 4),
        ("exchange", "", ""): 1 + 4 + 3,
    },
    # Tan and Le 2019, table 1: 16 MBConv; the first of each of 7 stages changes the shape.
    "efficientnet_b0": {("residual", "inverted", "identity"): 9, ("inverted", "", ""): 7},
    "convnext_tiny": {("residual", "inverted", "identity"): 3 + 3 + 9 + 3},
    "vit_b_16": {("residual", "attention", "identity"): 12, ("residual", "MLP", "identity"): 12},
}


@pytest.mark.parametrize("name", FIGURES)
def test_the_blocks_are_those_that_the_paper_draws(name: str) -> None:
    blocks = outermost(find_blocks(traced(name)))
    assert Counter((b.kind, b.form, b.shortcut) for b in blocks) == FIGURES[name]


def test_dense_blocks_have_the_papers_layers_and_connections() -> None:
    blocks = find_blocks(traced("densenet121"))
    assert [len(block.branches) for block in blocks] == [6, 12, 24, 16]
    assert [block.connections for block in blocks] == [21, 78, 300, 136]


def test_googlenet_joins_four_branches_nine_times() -> None:
    assert [len(block.branches) for block in find_blocks(traced("googlenet"))] == [4] * 9
    bars = [n for n in blocks_scene(traced("googlenet")).nodes if n.shape == "pill"]
    assert len(bars) == 9


def test_every_gate_and_stream_is_found_inside_its_block() -> None:
    for name, gates in (("seresnet50", 16), ("efficientnet_b0", 16)):
        assert sum(block.kind == "gate" for block in find_blocks(traced(name))) == gates
    streams = [b for b in find_blocks(traced("osnet_x1_0")) if b.kind == "branches"]
    assert [len(block.branches) for block in streams] == [4] * 6


def test_an_exchange_reads_every_stream_for_every_sum() -> None:
    found = [b for b in find_blocks(traced("hrnet_w18")) if b.kind == "exchange"]
    assert [len(block.branches) for block in found] == [2 * 2] + [3 * 3] * 4 + [4 * 4] * 3


def test_equal_neighbours_fold_and_stand_for_all_of_them() -> None:
    scene = blocks_scene(traced("resnet50"))
    badges = {group.key: group.badge for group in scene.groups}
    assert badges == {
        "layer1.0": "", "layer1.1": "× 2", "layer2.0": "", "layer2.1": "× 3",
        "layer3.0": "", "layer3.1": "× 5", "layer4.0": "", "layer4.1": "× 2",
    }  # fmt: skip
    (conv,) = [node for node in scene.nodes if node.key == "layer3.1.conv2"]
    ops = [i for i, op in enumerate(traced("resnet50").ops) if op.index in conv.ops]
    assert len(ops) == conv.times == 5


def test_a_group_of_blocks_folds_as_attention_and_mlp_do() -> None:
    scene = blocks_scene(traced("vit_b_16"))
    outer, attention, mlp = scene.groups
    assert (outer.badge, outer.sign) == ("× 12", "")
    assert attention.title == "attention residual block"
    assert mlp.title == "MLP residual block"


def test_a_block_opens_and_closes_where_it_stands() -> None:
    trace = traced("resnet18")
    closed = blocks_scene(trace, CLOSED, {"layer2.0"})
    assert [group.key for group in closed.groups] == ["layer2.0"]
    opened = blocks_scene(trace, OPEN, {"layer2.0"})
    assert "layer2.0" not in {group.key for group in opened.groups}
    (node,) = [node for node in opened.nodes if node.key == "layer2.0"]
    assert node.opens
    assert node.detail == "basic residual block, projection shortcut"


def test_an_exchange_is_its_sums_until_it_is_opened() -> None:
    trace = traced("hrnet_w18")
    closed = blocks_scene(trace)
    frames = [group for group in closed.groups if group.title.startswith("exchange")]
    assert [frame.title for frame in frames[:2]] == [
        "exchange: 4 paths into 2 sums", "exchange: 9 paths into 3 sums",
    ]  # fmt: skip
    assert all(frame.sign == "+" for frame in frames)
    opened = blocks_scene(trace, OPEN, {frames[0].key})
    check(opened)
    # 4 paths: two pass on, one is downsampled, one convolved and upsampled.
    assert len(opened.nodes) > len(closed.nodes)
    assert drawn_macs(opened) == trace.macs


def test_stages_are_columns_to_the_right_and_rows_downwards() -> None:
    names = [
        "stem · 112 × 112",
        "C2 · 56 × 56",
        "C3 · 28 × 28",
        "C4 · 14 × 14",
        "C5 · 7 × 7",
        "head",
    ]
    for horizontal in (True, False):
        scene = blocks_scene(traced("resnet18"), horizontal=horizontal)
        heads = [text for text in scene.texts if text.text in names]
        assert [text.text for text in heads] == names
        along = [text.x if horizontal else text.y for text in heads]
        assert along == sorted(along)
    assert scene.height > 2 * scene.width


def test_several_outputs_and_training_heads_are_drawn() -> None:
    trace = trace_model("googlenet", (1, 3, 224, 224), mode="train", options={"aux_logits": True})
    scene = blocks_scene(trace)
    assert drawn_macs(scene) == trace.macs
    check(scene)


def test_links_follow_the_dataflow_through_what_is_not_drawn() -> None:
    scene = blocks_scene(traced("resnet18"), CLOSED)
    keys = [node.key for node in scene.nodes]
    chain = dict(scene.links)
    walked = [keys[0]]
    while walked[-1] in chain:
        walked.append(chain[walked[-1]])
    assert walked == keys
