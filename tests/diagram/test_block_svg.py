from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explorer.blocks import Block, find_blocks
from explorer.diagram import block_svg, block_title
from explorer.diagram.svg import text_width
from explorer.figures.theme import PAPER, contrast
from explorer.trace import trace_model
from explorer.trace.records import Trace
from tests.analysis.nets import NAMES, traced

SVG = "{http://www.w3.org/2000/svg}"
Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


class Figure:
    """A drawn block, read back from its SVG."""

    def __init__(self, svg: str) -> None:
        self.root = ET.fromstring(svg)
        paper, *rects = self.root.iter(f"{SVG}rect")
        self.paper = self._box(paper)
        self.boxes = [self._box(rect) for rect in rects]
        self.texts = [text.text or "" for text in self.root.iter(f"{SVG}text")]
        self.labels = [self._label(text) for text in self.root.iter(f"{SVG}text")]
        self.nodes = [
            tuple(float(node.get(name, "0")) for name in ("cx", "cy", "r"))
            for node in self.root.iter(f"{SVG}circle")
            if node.get("data-ops")
        ]
        self.lines = [
            [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", path)]
            for path in (p.get("d", "") for p in self.root.iter(f"{SVG}path"))
            if "H" not in path and "V" not in path  # the signs in the nodes
        ]

    @staticmethod
    def _box(rect: ET.Element) -> Box:
        x, y, width, height = (float(rect.get(n, "0")) for n in ("x", "y", "width", "height"))
        return x, y, x + width, y + height

    @staticmethod
    def _label(text: ET.Element) -> Box:
        x, y, size = (float(text.get(n, "0")) for n in ("x", "y", "font-size"))
        width = text_width(text.text or "", size)
        left = x - {"start": 0.0, "middle": 0.5, "end": 1.0}[text.get("text-anchor", "")] * width
        return left, y - 0.7 * size, left + width, y + 0.2 * size


def overlap(a: Box, b: Box, slack: float = 0.5) -> bool:
    return (
        a[0] + slack < b[2] and b[0] + slack < a[2] and a[1] + slack < b[3] and b[1] + slack < a[3]
    )


def inside(a: Box, b: Box, slack: float = 0.5) -> bool:
    return (
        b[0] - slack <= a[0]
        and a[2] <= b[2] + slack
        and b[1] - slack <= a[1]
        and a[3] <= b[3] + slack
    )


def assert_clean(figure: Figure) -> None:
    """Nothing overlaps, nothing is clipped, no edge runs through a box or a label."""
    for i, box in enumerate(figure.boxes):
        assert inside(box, figure.paper)
        for other in figure.boxes[i + 1 :]:
            assert not overlap(box, other)
            beside = overlap(box, (-1e9, other[1], 1e9, other[3]))
            apart = max(other[0] - box[2], box[0] - other[2])
            assert not beside or apart >= 12
    for i, label in enumerate(figure.labels):
        assert inside(label, figure.paper), figure.texts[i]
        for other in figure.labels[i + 1 :]:
            assert not overlap(label, other), figure.texts[i]
        around = [box for box in figure.boxes if overlap(label, box)]
        assert len(around) <= 1, figure.texts[i]
        assert not around or inside(label, around[0], 2), figure.texts[i]
    for line in figure.lines:
        for (x1, y1), (x2, y2) in pairwise(line):
            run = (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
            for i, label in enumerate(figure.labels):
                if not any(inside(label, box, 2) for box in figure.boxes):
                    assert not overlap(run, label, -0.5), figure.texts[i]
            for box in figure.boxes:
                # An edge touches the border of the box it starts or ends at.
                inner = (box[0] + 1, box[1] + 1, box[2] - 1, box[3] - 1)
                assert not overlap(run, inner, -0.01), box


def drawn(trace: Trace, block: Block | None = None, **options: bool) -> Figure:
    return Figure(block_svg(trace, block or find_blocks(trace)[0], **options))


# --- the textbook's figures ----------------------------------------------------------------


def test_a_projecting_bottleneck_is_the_figure_of_the_paper():
    trace = traced("resnet50")
    figure = drawn(trace, find_blocks(trace)[3])
    assert figure.texts == [
        "256 × 56 × 56",
        "1×1 conv, 128", "batch norm", "ReLU",
        "128 × 56 × 56",
        "3×3 conv, 128, /2", "batch norm", "ReLU",
        "128 × 28 × 28",
        "1×1 conv, 512", "batch norm",
        "512 × 28 × 28",
        "1×1 conv, 512, /2", "batch norm",
        "512 × 28 × 28",
        "ReLU",
        "512 × 28 × 28",
        "layer2.0",
        "bottleneck residual block, projection shortcut",
    ]  # fmt: skip


def test_the_shortcut_goes_round_the_block():
    figure = drawn(traced("resnet18"))
    ((x, y, radius),) = figure.nodes
    right = max(box[2] for box in figure.boxes)
    (shortcut,) = (line for line in figure.lines if max(px for px, _ in line) > right)
    assert shortcut[0][0] == x  # it leaves the main path
    assert shortcut[-1] == pytest.approx((x + radius + 7, y))  # and ends, with its head, there
    assert "identity" in figure.texts


def test_a_shape_stands_only_where_it_changes():
    # Two 3x3 convolutions of 64 channels at 56 x 56: the shape enters and leaves.
    assert drawn(traced("resnet18")).texts.count("64 × 56 × 56") == 2


def test_groups_and_depth_are_in_the_box():
    trace = traced("resnext50_32x4d")
    assert "3×3 conv, 256, /2, 32 groups" in drawn(trace, find_blocks(trace)[3]).texts


def test_option_a_pads_beside_the_block():
    trace = traced("resnet20")
    block = next(block for block in find_blocks(trace) if block.shortcut == "pad")
    texts = drawn(trace, block).texts
    assert [text for text in texts if text in ("subsample, /2", "zero pad")] == [
        "subsample, /2",
        "zero pad",
    ]
    assert "basic residual block, padded shortcut" in texts


def test_a_preactivation_block_keeps_its_norm_above_its_convolution():
    trace = traced("wrn_28_10")
    block = next(block for block in find_blocks(trace) if block.shortcut == "identity")
    figure = drawn(trace, block)
    assert figure.texts[1:4] == ["batch norm", "ReLU", "3×3 conv, 160"]


def test_a_dense_block_is_a_bus_with_its_connections_counted():
    trace = traced("densenet121")
    figure = drawn(trace, find_blocks(trace)[2])
    # Three layers, the gap, the last; every row has its concatenation on the bus.
    assert [text for text in figure.texts if re.fullmatch(r"layer \d+", text)] == [
        "layer 1", "layer 2", "layer 3", "layer 24",
    ]  # fmt: skip
    assert figure.texts.count("concat") == 4
    assert figure.texts.count("+ 32 channels") == 4
    # 256 + 3 * 32 to 256 + 23 * 32
    assert "⋯ 20 more layers with the same boxes, from 352 to 992 channels" in figure.texts
    assert "24 layers, 24 × 25 / 2 = 300 connections: each reads all that stand before it" in (
        figure.texts
    )
    assert "1024 × 14 × 14" in figure.texts


def test_the_bus_widens_with_its_channels():
    trace = traced("densenet121")
    root = ET.fromstring(block_svg(trace, find_blocks(trace)[0]))
    widths = [
        float(path.get("stroke-width", "0"))
        for path in root.iter(f"{SVG}path")
        if path.get("stroke-width") not in ("1.4", "2") and not path.get("stroke-dasharray")
    ]
    assert widths == sorted(widths)
    assert widths[0] < widths[-1]


def test_a_short_dense_block_shows_every_layer():
    layers = [nn.Conv2d(8 + 4 * i, 4, 3, padding=1) for i in range(5)]

    class Dense(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(layers)

        def forward(self, x: Tensor) -> Tensor:
            for layer in self.layers:
                x = torch.cat([x, layer(x)], 1)
            return x

    texts = drawn(trace_model(Dense(), (1, 8, 8, 8))).texts
    assert [f"layer {i}" in texts for i in range(1, 7)] == [True] * 5 + [False]
    assert not any("more layer" in text for text in texts)


def test_layers_that_differ_are_not_called_the_same():
    class Dense(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(
                nn.Conv2d(8 + 4 * i, 4, 5 if i == 4 else 3, padding="same") for i in range(7)
            )

        def forward(self, x: Tensor) -> Tensor:
            for layer in self.layers:
                x = torch.cat([x, layer(x)], 1)
            return x

    texts = drawn(trace_model(Dense(), (1, 8, 8, 8))).texts
    assert "⋯ 3 more layers, from 20 to 32 channels" in texts


def test_a_dense_layer_with_branches_of_its_own_is_not_drawn_as_a_chain():
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(8 + 4 * i, 4) for i in range(3))

        def forward(self, x: Tensor) -> Tensor:
            for layer in self.layers:
                y = layer(x)
                x = torch.cat([x, y * y.tanh()], 2)
            return x

    figure = drawn(trace_model(Gated(), (1, 5, 8)))
    assert figure.texts.count("3 ops") == 3
    assert "5 × 20" in figure.texts  # the concatenated axis is the last
    assert figure.texts.count("+ 4 channels") == 3
    assert_clean(figure)


class Inception(nn.Module):
    """Three branches, one of them gated, and a crossing that no nested figure can show."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(8, 4, 1)
        self.b, self.c = nn.Conv2d(8, 4, 1), nn.Conv2d(4, 6, 3, padding=1)
        self.gate = nn.Conv2d(6, 6, 1)

    def forward(self, x: Tensor) -> Tensor:
        branch = self.c(torch.relu(self.b(x)))
        branch = branch * torch.sigmoid(self.gate(F.adaptive_avg_pool2d(branch, 1)))
        return torch.cat([self.a(x), branch, F.max_pool2d(x, 3, 1, 1)], 1)


def test_branches_stand_side_by_side_and_end_in_one_bar():
    trace = trace_model(Inception(), (1, 8, 16, 16))
    block = next(block for block in find_blocks(trace) if block.kind == "branches")
    figure = drawn(trace, block)
    assert "3 parallel branches" in figure.texts
    assert {"1×1 conv, 4", "3×3 conv, 6", "3×3 max pool", "global average pool"} <= set(
        figure.texts
    )
    assert figure.texts.count("concat") == 1
    assert len(figure.nodes) == 1  # the gate's
    assert_clean(figure)


def test_paths_that_cross_are_laid_out_as_a_graph():
    class Crossed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c, self.d = (nn.Conv2d(8, 8, 1) for _ in range(4))

        def forward(self, x: Tensor) -> Tensor:
            a, b = self.a(x), self.b(x)
            return x + torch.cat([self.c(a + b), self.d(a * b)], 1)[:, :8]

    trace = trace_model(Crossed(), (1, 8, 16, 16))
    residual = next(block for block in find_blocks(trace) if block.kind == "residual")
    figure = drawn(trace, residual)
    # a, b and behind a sum and a product of both c and d; the shortcut's sum is the third node.
    assert figure.texts.count("1×1 conv, 8") == 4
    assert figure.texts.count("concat") == 1
    assert len(figure.nodes) == 3
    assert_clean(figure)


def test_attention_reads_as_its_paper_draws_it():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True)
    trace = trace_model(layer, (1, 5, 8))
    attention, first, second = find_blocks(trace)
    assert drawn(trace, attention).texts[1::2][:2] == ["linear, 24", "attention, 2 heads of 4"]
    assert "layer norm" in drawn(trace, first).texts
    assert block_title(first) == "attention residual block, identity shortcut"
    assert block_title(second) == "MLP residual block, identity shortcut"


# --- every figure --------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_no_figure_of_the_registry_has_a_defect(name: str):
    trace = traced(name)
    seen = set()
    for block in find_blocks(trace):
        if block.signature not in seen:
            seen.add(block.signature)
            assert_clean(drawn(trace, block))


def test_the_dark_figure_differs_only_in_its_colours():
    trace = traced("resnet18")
    light, dark = (block_svg(trace, find_blocks(trace)[0], dark=dark) for dark in (False, True))
    assert re.sub("#[0-9A-F]{6}", "", light) == re.sub("#[0-9A-F]{6}", "", dark)
    assert f'fill="{PAPER["dark"]}"' in dark
    assert f'fill="{PAPER["light"]}"' in light


@pytest.mark.parametrize("dark", [False, True])
def test_all_text_stands_out_from_what_is_behind_it(dark: bool):
    trace = traced("densenet121")
    figure = ET.fromstring(block_svg(trace, find_blocks(trace)[0], dark=dark))
    fills = {rect.get("fill", "") for rect in figure.iter(f"{SVG}rect")}
    inks = {text.get("fill", "") for text in figure.iter(f"{SVG}text")}
    assert len(inks) == 2  # muted text stands on the paper only
    strong = max(inks, key=lambda ink: contrast(ink, PAPER["dark" if dark else "light"]))
    assert all(contrast(strong, fill) >= 4.5 for fill in fills)
    assert all(contrast(ink, PAPER["dark" if dark else "light"]) >= 4.5 for ink in inks)


def test_a_figure_says_in_words_what_it_shows():
    trace = traced("resnet50")
    root = ET.fromstring(block_svg(trace, find_blocks(trace)[1], repeats=2))
    title, description = (root.findtext(f"{SVG}{name}") or "" for name in ("title", "desc"))
    assert title == "bottleneck residual block, identity shortcut at layer1.1, 2 times"
    assert description == (
        "From 256 × 56 × 56 to 256 × 56 × 56. 1×1 conv, 64; batch norm; ReLU; 3×3 conv, 64; "
        "batch norm; ReLU; 1×1 conv, 256; batch norm; joined by add with: identity; ReLU."
    )
    assert root.get("role") == "img"
    assert "bottleneck residual block, identity shortcut, × 2" in [
        text.text for text in root.iter(f"{SVG}text")
    ]


def test_a_box_names_its_ops_for_selection():
    trace = traced("resnet18")
    block = find_blocks(trace)[0]
    root = ET.fromstring(block_svg(trace, block))
    marked = {
        int(index) for element in root.iter() for index in (element.get("data-ops") or "").split()
    }
    assert marked == {*block.main, *block.shortcut_ops, *block.merges, *block.after}


def test_names_from_a_model_are_text_and_never_markup():
    name = '<script>alert(1)</script>&"'

    class Evil(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Conv2d(8, 8, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            return self.a(x) + x

    class Around(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.add_module(name, Evil())

        def forward(self, x: Tensor) -> Tensor:
            return getattr(self, name)(x)

    trace = trace_model(Around(), (1, 8, 8, 8))
    svg = block_svg(trace, find_blocks(trace)[0])
    assert "<script" not in svg
    assert name in Figure(svg).texts


def test_the_header_can_be_left_out():
    trace = traced("resnet18")
    assert "layer1.0" not in drawn(trace, find_blocks(trace)[0], header=False).texts
