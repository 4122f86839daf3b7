"""Stages and tensors as pictures, and every picture as a file."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from functools import cache
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from torch import Tensor, nn

from explorer import get_spec, list_models, trace_model
from explorer.analysis.layers import layers
from explorer.analysis.roofline import get_device, predict
from explorer.analysis.stages import stages
from explorer.analysis.totals import Convention
from explorer.dataflow import Dataflow
from explorer.diagram.export import FORMATS, scene_file, scene_html
from explorer.diagram.heat import scene_heat
from explorer.diagram.interactive import scene_data, theme_data
from explorer.diagram.scene import Scene
from explorer.diagram.stage_cards import stages_scene
from explorer.diagram.svg import text_width
from explorer.diagram.views import VIEWS, depths, view_scene
from explorer.diagram.volume import LAYERS, STAGES, volume_scene
from explorer.errors import OptionError
from explorer.figures.theme import contrast, tint
from explorer.trace.records import Trace
from explorer.zoo import list_models as list_all

SVG = "{http://www.w3.org/2000/svg}"


@cache
def traced(name: str) -> Trace:
    return trace_model(name, get_spec(name).input_shape)


def drawn(name: str, view: str, convention: Convention | None = None) -> Scene:
    trace = traced(name)
    first, _ = depths(trace, view)  # type: ignore[arg-type]
    return view_scene(trace, view, first, (), convention or Convention())  # type: ignore[arg-type]


# --- stages --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list_models())
@pytest.mark.parametrize("horizontal", [True, False])
def test_cards_add_up_to_the_model_and_stand_apart(name: str, horizontal: bool) -> None:
    trace = traced(name)
    scene = stages_scene(trace, horizontal=horizontal)
    assert len(scene.nodes) == len(stages(trace))
    assert sum(node.cost for node in scene.nodes) == trace.macs
    assert sum(node.share for node in scene.nodes) == pytest.approx(1)
    for a, b in pairwise(scene.nodes):
        gap = b.x - a.x - a.width if horizontal else b.y - a.y - a.height
        assert gap >= 20
    for node in scene.nodes:
        for line in node.detail.split("\n"):
            assert text_width(line, 12.5) <= node.width - 20
        assert node.x >= 0
        assert node.x + node.width <= scene.width


def test_a_card_says_what_a_stage_is_made_of() -> None:
    cards = [card.detail.split("\n") for card in stages_scene(traced("resnet50")).nodes]
    assert [card[0] for card in cards] == [
        "64 × 112 × 112", "256 × 56 × 56", "512 × 28 × 28", "1024 × 14 × 14", "2048 × 7 × 7",
        "1000",
    ]  # fmt: skip
    assert [card[1] for card in cards] == [
        "1 convolution", "3 × bottleneck residual block", "4 × bottleneck residual block",
        "6 × bottleneck residual block", "3 × bottleneck residual block", "1 linear layer",
    ]  # fmt: skip
    # 2048 * 1000 + 1000 of 25,557,032
    assert cards[-1][2] == "2.05 M parameters, 8.0%"


def test_a_stage_that_mixes_blocks_and_layers_names_both() -> None:
    cards = stages_scene(traced("densenet121")).nodes
    assert cards[1].detail.split("\n")[1:3] == ["dense block of 6 layers", "1 convolution"]


# --- tensors -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list_models())
@pytest.mark.parametrize("depth", [STAGES, LAYERS])
def test_cuboids_and_their_words_stand_apart(name: str, depth: int) -> None:
    scene = volume_scene(traced(name), depth)
    reaches = []
    for node in scene.nodes:
        wide = max(node.width, text_width(node.title, 12.5), text_width(node.detail, 11.5))
        middle = node.x + node.width / 2
        reaches.append((middle - wide / 2, middle + wide / 2))
        assert 0 < node.lift < node.height
        assert node.lift < node.width
    assert reaches[0][0] >= 0
    assert reaches[-1][1] <= scene.width
    assert all(a[1] < b[0] for a, b in pairwise(reaches))


def test_lenet_is_the_figure_of_its_paper() -> None:
    scene = volume_scene(traced("lenet5"))
    assert [(node.title, node.detail) for node in scene.nodes] == [
        ("input", "1 × 32 × 32"),
        ("5×5 conv", "6 × 28 × 28"),
        ("2×2 average pool", "6 × 14 × 14"),
        ("5×5 conv", "16 × 10 × 10"),
        ("2×2 average pool", "16 × 5 × 5"),
        ("5×5 conv", "120"),
        ("linear", "84"),
        ("linear", "10"),
    ]


def test_larger_maps_are_higher_and_more_channels_wider() -> None:
    maps = [n for n in volume_scene(traced("vgg16")).nodes if n.detail.count("×") == 2]
    sizes = [tuple(map(int, node.detail.split(" × "))) for node in maps]
    for (a, size_a), (b, size_b) in pairwise(zip(maps, sizes, strict=True)):
        assert (a.height - a.lift > b.height - b.lift + 0.01) == (size_a[1] > size_b[1])
        assert (a.width - a.lift < b.width - b.lift - 0.01) == (size_a[0] < size_b[0])


def test_a_window_is_drawn_on_the_map_that_it_reads() -> None:
    scene = volume_scene(traced("alexnet"))
    guides = [edge for edge in scene.edges if edge.role == "guide"]
    nodes = {node.key: node for node in scene.nodes}
    # Five convolutions and three poolings, each four sides and two lines to the next tensor.
    assert len(guides) == 8 * 6
    for edge in guides:
        a, b = nodes[edge.source], nodes[edge.target]
        for x, y in edge.points:
            assert a.x <= x <= b.x + 2
            assert min(a.y, b.y) <= y <= max(a.y + a.height, b.y + b.height)


def test_the_stages_of_a_network_are_one_cuboid_each() -> None:
    scene = volume_scene(traced("resnet50"), STAGES)
    assert [node.title for node in scene.nodes] == ["input", "stem", "C2", "C3", "C4", "C5", "head"]
    assert scene.nodes[4].detail == "1024 × 14 × 14"


def test_tokens_and_channels_last_maps_are_read_as_what_they_are() -> None:
    tokens = volume_scene(traced("vit_b_16"), STAGES).nodes
    assert [node.detail for node in tokens] == [
        "3 × 224 × 224", "768 × 14 × 14", "768 × 197", "1000",
    ]  # fmt: skip
    swin = volume_scene(trace_model("torchvision:swin_t", (1, 3, 224, 224)), STAGES).nodes
    assert swin[2].detail == "192 × 28 × 28"


# --- files ---------------------------------------------------------------------------------


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", ["lenet5", "resnet18", "densenet121", "hrnet_w18", "vit_b_16"])
def test_every_picture_is_saved_in_every_format(name: str, view: str) -> None:
    scene = drawn(name, view)
    root = ET.fromstring(scene_file(scene, "svg"))
    assert root.findtext(f"{SVG}title") == scene.title
    assert scene.caption in (root.findtext(f"{SVG}desc") or "")
    texts = " ".join(text.text or "" for text in root.iter(f"{SVG}text"))
    assert scene.caption in texts
    dot = scene_file(scene, "dot").decode()
    assert scene.caption in dot
    assert dot.count("->") == len(scene.links)
    tikz = scene_file(scene, "tex", dark=True).decode()
    assert tikz.startswith("% ")
    assert tikz.count("{") == tikz.count("}")
    assert tikz.isascii()


@pytest.mark.parametrize("view", VIEWS)
def test_png_and_pdf_are_pictures_of_the_whole(view: str) -> None:
    scene = drawn("resnet18", view)
    png = scene_file(scene, "png")
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    assert png.startswith(b"\x89PNG")
    assert width >= 2 * scene.width
    assert height >= 2 * scene.height
    assert scene_file(scene, "pdf", dark=True).startswith(b"%PDF")


def test_a_huge_picture_is_still_one_png() -> None:
    trace = traced("densenet201")
    scene = view_scene(trace, "ops", 9)
    png = scene_file(scene, "png")
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    assert width * height < 61_000_000
    assert max(width, height) <= 30_000


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no pdflatex here")
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", ["resnet18", "densenet121", "vit_b_16"])
def test_tikz_compiles(name: str, view: str, tmp_path: Path) -> None:
    (tmp_path / "a.tex").write_bytes(scene_file(drawn(name, view), "tex"))
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "a.tex"],
        cwd=tmp_path, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-800:]
    assert (tmp_path / "a.pdf").stat().st_size > 1000


@pytest.mark.skipif(not shutil.which("dot"), reason="no Graphviz here")
@pytest.mark.parametrize("view", VIEWS)
def test_graphviz_reads_what_is_written(view: str, tmp_path: Path) -> None:
    scene = drawn("hrnet_w18", view)
    done = subprocess.run(
        ["dot", "-Tplain"], input=scene_file(scene, "dot"), capture_output=True, check=True
    )
    lines = done.stdout.decode().splitlines()
    nodes = [line for line in lines if line.startswith("node ")]
    assert len(nodes) == sum(bool(node.key) for node in scene.nodes)
    assert sum(line.startswith("edge ") for line in lines) == len(scene.links)


def test_dot_keeps_places_and_lines() -> None:
    text = scene_file(drawn("lenet5", "ops"), "dot").decode()
    places = [tuple(map(float, at)) for at in re.findall(r'pos="([\d.]+),([\d.]+)!"', text)]
    assert len(places) == text.count("fillcolor")
    heights = [y for _, y in places]
    assert heights == sorted(heights, reverse=True)  # downwards, and y grows upwards
    assert text.count('[pos="e,') == text.count("->")


def test_heat_colours_every_format_and_says_what_it_means() -> None:
    scene = drawn("resnet18", "blocks")
    heat = scene_heat(scene, traced("resnet18"), "cost", "light")
    deepest = max(scene.nodes, key=lambda node: node.cost)
    assert heat.most == "118 M"  # the stem's convolution: 64 * 147 * 112 * 112
    assert heat.scale[-1] == heat.colors[deepest.key]
    for form in ("svg", "dot", "tex"):
        text = scene_file(scene, form, heat=heat).decode()
        assert heat.colors[deepest.key].lstrip("#").lower() in text.lower()
        assert "118 M" in text
        assert "MACs" in text


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_in_boxes_stands_out_whatever_their_colour(theme: str) -> None:
    data = theme_data(theme)
    fills = {*data["fills"].values(), *data["faint"].values(), data["paper"]}
    fills |= set(scene_heat(drawn("lenet5", "ops"), traced("lenet5"), "cost", theme).scale)
    assert all(contrast(data["ink"], fill) >= 4.5 for fill in fills)
    # Words beside the boxes stand on the paper or in a frame.
    framed = tint(data["ink"], theme, 0.035)
    assert all(contrast(data["muted"], under) >= 4.5 for under in (data["paper"], framed))


def test_heat_by_predicted_time_is_that_of_the_roofline() -> None:
    trace = traced("resnet18")
    scene = drawn("resnet18", "blocks")
    heat = scene_heat(scene, trace, "latency", "light", device="T4")
    times = [op.ms for op in predict(trace, get_device("T4")).ops]
    (conv,) = [node for node in scene.nodes if node.key == "layer1.0.conv1"]
    (stem,) = [node for node in scene.nodes if node.key == "conv1"]
    ratio = sum(times[op] for op in conv.ops) / 2 / times[stem.ops[0]]
    assert (heat.shares["layer1.0.conv1"] / heat.shares["conv1"]) ** 2 == pytest.approx(ratio)
    assert heat.title == "Predicted time on T4, float32"
    assert heat.most.endswith(" µs")


def test_the_caption_says_what_is_counted() -> None:
    scene = drawn("resnet18", "stages", Convention(unit="FLOPs", bias=True))
    assert scene.caption.startswith("resnet18, input 1×3×224×224, eval.")
    assert Convention(unit="FLOPs", bias=True).statement(traced("resnet18")) in scene.caption


def test_the_html_file_holds_all_it_needs() -> None:
    trace = traced("lenet5")
    scene = drawn("lenet5", "blocks")
    data = scene_data(scene, trace, {row.key: row for row in layers(trace)})
    page = scene_html([("as shown", data, None)]).decode()
    assert not re.findall(r'(?:src|href)="', page)
    assert "import " not in page
    held = re.search(r'id="scenes">(.*?)</script>', page, re.DOTALL)
    assert held
    assert json.loads(held[1])["views"][0]["scene"]["title"] == "lenet5: its blocks"


def test_names_of_a_model_are_text_in_every_format(tmp_path: Path) -> None:
    name = 'a</script>"&_%$#{}~^\\'

    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.add_module(name, nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.ReLU()))

        def forward(self, x: Tensor) -> Tensor:
            return getattr(self, name)(x) + x

    trace = trace_model(Odd(), (1, 3, 8, 8))
    scene = view_scene(trace, "ops", 3)
    assert any(name in group.title for group in scene.groups)
    ET.fromstring(scene_file(scene, "svg"))
    data = scene_data(scene, trace, {row.key: row for row in layers(trace)})
    page = scene_html([("as shown", data, None)]).decode()
    assert page.count("</script>") == 2
    tikz = scene_file(scene, "tex").decode()
    assert r"\textbackslash{}" in tikz
    if shutil.which("pdflatex"):
        (tmp_path / "a.tex").write_text(tikz)
        subprocess.run(
            ["pdflatex", "-halt-on-error", "-interaction=batchmode", "a.tex"],
            cwd=tmp_path, check=True, capture_output=True,
        )  # fmt: skip
    if shutil.which("dot"):
        subprocess.run(
            ["dot", "-Tplain"], input=scene_file(scene, "dot"), check=True, capture_output=True
        )


def test_an_unknown_format_is_one_sentence() -> None:
    with pytest.raises(OptionError, match=r"cannot be saved as 'gif'; the formats are svg, png"):
        scene_file(drawn("lenet5", "ops"), "gif")
    assert set(FORMATS) == {"svg", "png", "pdf", "dot", "tex", "html"}


# --- other libraries -----------------------------------------------------------------------

CLASSIFIERS = [
    name
    for name in list_all(source="torchvision")
    if not name.endswith(".backbone")
    and get_spec(name).family not in ("video", "segmentation", "detection")
    and len(get_spec(name).input_shape) == 4
]


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_torchvision_model_draws_without_a_defect(name: str) -> None:
    from tests.diagram.test_graph import check as check_graph
    from tests.diagram.test_network import check, drawn_macs

    trace = traced(name)
    first, _ = depths(trace, "blocks")
    for horizontal in (True, False):
        scene = view_scene(trace, "blocks", first, horizontal=horizontal)
        check(scene)
        # Swin v2 computes its position bias from constants, which is no part of the dataflow.
        live = Dataflow(trace).live
        assert drawn_macs(scene) == sum(op.macs for op in trace.ops if live[op.index])
    first, _ = depths(trace, "ops")
    check_graph(view_scene(trace, "ops", first))
    assert sum(node.cost for node in view_scene(trace, "stages", 1).nodes) == trace.macs
    assert volume_scene(trace).nodes
