"""The main job in a browser: pick an architecture and a size, read its layers, share the view."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Route, expect

from explorer import trace_model
from explorer.analysis import layers_frame, to_csv, to_json, to_markdown

REQUEST_MILLISECONDS = 240_000
"""How long work in the background may take on a busy machine."""


def metric(app, label: str) -> Locator:
    """The head's figure with this label."""
    return app.page.get_by_test_id("stMetric").filter(has_text=label)


def address(app) -> str:
    """Path and query of the page shown."""
    parts = urlsplit(app.page.url)
    return f"{parts.path}?{parts.query}"


def test_the_first_screen_shows_a_model_with_its_numbers(app, server) -> None:
    app.goto(server)
    trace = trace_model("resnet50", (1, 3, 224, 224))
    expect(app.page.get_by_role("heading", name="ResNet-50")).to_be_visible()
    expect(metric(app, "Parameters")).to_contain_text(f"{trace.params:,}")
    expect(metric(app, "MACs")).to_contain_text(f"{trace.macs:,}")


def test_a_newcomer_picks_resnet_50_at_256_by_128(app, server) -> None:
    app.goto(server, "/?model=lenet5")
    app.choose("model", "ResNet-50")
    app.choose("preset", "256 × 128")
    trace = trace_model("resnet50", (1, 3, 256, 128))
    expect(metric(app, "Parameters")).to_contain_text(f"{trace.params:,}")
    expect(metric(app, "MACs")).to_contain_text(f"{trace.macs:,}")
    expect(metric(app, "Depth")).to_contain_text("50")
    assert "input=3x256x128" in app.page.url


def test_a_newcomer_picks_densenet_121_at_224(app, server) -> None:
    app.goto(server)
    app.choose("model", "DenseNet-121")
    trace = trace_model("densenet121", (1, 3, 224, 224))
    expect(metric(app, "Parameters")).to_contain_text(f"{trace.params:,}")
    expect(metric(app, "MACs")).to_contain_text(f"{trace.macs:,}")
    expect(metric(app, "Depth")).to_contain_text("121")


def test_a_size_is_typed_by_hand(app, server) -> None:
    app.goto(server)
    app.fill("height", "200")
    app.fill("width", "120")
    trace = trace_model("resnet50", (1, 3, 200, 120))
    expect(metric(app, "MACs")).to_contain_text(f"{trace.macs:,}")


@pytest.mark.parametrize(
    ("model", "size", "layer", "works"),
    [
        # 32 -> 7 -> 3 -> 1 before the last 3x3 window; 63 is the first size that leaves it 3.
        ("alexnet", 32, "features.12", 63),
        # 64 -> 14 -> 6 -> 2; its classifier takes the 6x6 map of 227 alone.
        ("alexnet_paper", 64, "features.14", 227),
    ],
)
def test_a_size_too_small_gives_a_sentence_the_partial_trace_and_a_way_out(
    app, server, model: str, size: int, layer: str, works: int
) -> None:
    app.goto(server, f"/?model={model}&input=3x{size}x{size}")
    alert = app.page.get_by_role("alert")
    expect(alert).to_contain_text("3x3 window does not fit")
    expect(alert).to_contain_text(layer)
    expect(app.widget("layer_table")).to_be_visible()
    app.act(app.widget("suggestion").get_by_role("button").click)
    expect(alert).to_have_count(0)
    assert f"input=3x{works}x{works}" in app.page.url
    trace = trace_model(model, (1, 3, works, works))
    expect(metric(app, "MACs")).to_contain_text(f"{trace.macs:,}")


def test_flops_are_twice_the_macs_and_say_so(app, server) -> None:
    app.goto(server)
    app.act(app.widget("unit").get_by_text("FLOPs").click)
    trace = trace_model("resnet50", (1, 3, 224, 224))
    expect(metric(app, "FLOPs")).to_contain_text(f"{2 * trace.macs:,}")
    expect(app.page.get_by_text("two for each multiply-accumulate")).to_be_visible()


def test_a_click_on_a_row_opens_the_layer_s_receipt(app, server) -> None:
    app.goto(server)
    app.click_row("layer_table", 0)
    inspector = app.widget("inspector")
    expect(inspector).to_contain_text("conv1")
    expect(inspector).to_contain_text("floor((224 + 2*3 - 7) / 2) + 1 = 112")
    expect(inspector).to_contain_text("64*3*7*7 = 9,408")
    expect(inspector).to_contain_text("64*3*7*7 * 112*112 = 118,013,952")
    assert "layer=conv1" in app.page.url
    app.act(app.widget("clear").get_by_role("button").click)
    assert "layer=" not in app.page.url


def test_a_link_shows_the_same_view_on_a_server_that_nobody_has_visited(
    app, server, cold_server
) -> None:
    app.goto(server)
    app.choose("model", "ResNet-18")
    app.choose("preset", "256 × 128")
    app.act(app.widget("unit").get_by_text("FLOPs").click)
    app.click_row("layer_table", 4)
    shown = app.page.get_by_test_id("stMain").inner_text()
    app.goto(cold_server, address(app))
    assert app.page.get_by_test_id("stMain").inner_text() == shown


@pytest.mark.parametrize("late", ["NumberInput", "Selectbox"])
def test_a_click_before_a_kind_of_widget_is_loaded_loses_no_choice(app, server, late: str) -> None:
    held: list[Route] = []
    app.page.route(re.compile(rf"/{late}\.[^/]*\.js"), lambda route: held.append(route))
    app.page.goto(server.url + "/?model=vgg16&input=3x160x96&batch=2")
    app.await_run(lambda: app.widget("mode").get_by_text("train").click())
    assert held
    for route in held:
        route.continue_()
    expect(app.widget("height").locator("input")).to_have_value("160")
    expect(app.widget("batch").locator("input")).to_have_value("2")
    app.settle()
    app.act(lambda: app.widget("mode").get_by_text("eval").click())
    assert address(app) == "/?model=vgg16&input=3x160x96&batch=2"


def test_a_link_to_an_unknown_model_says_so_and_suggests_the_nearest(app, server) -> None:
    app.goto(server, "/?model=resnet05")
    alert = app.page.get_by_role("alert")
    expect(alert).to_contain_text("There is no model called 'resnet05'")
    expect(alert).to_contain_text("resnet50")
    expect(metric(app, "Parameters")).to_be_visible()


def test_the_browser_s_back_button_goes_back_to_the_view_before(app, server) -> None:
    app.goto(server)
    app.choose("model", "VGG-16 (D)")
    expect(app.page.get_by_role("heading", name="VGG-16")).to_be_visible()
    app.act(app.page.go_back)
    expect(app.page.get_by_role("heading", name="ResNet-50")).to_be_visible()


def test_the_layer_table_can_be_downloaded_in_three_formats(app, server, tmp_path: Path) -> None:
    app.goto(server, "/?model=resnet18&input=3x256x128")
    trace = trace_model("resnet18", (1, 3, 256, 128))
    frame = layers_frame(trace)
    app.page.get_by_test_id("stPopoverButton").filter(has_text="Download").click()
    texts = {}
    for form in ("csv", "md", "json"):
        with app.page.expect_download() as download:
            app.widget(f"download_{form}").get_by_role("button").click()
        path = tmp_path / download.value.suggested_filename
        assert path.suffix == f".{form}"
        download.value.save_as(path)
        texts[form] = path.read_text(encoding="utf-8")
    assert texts["csv"] == to_csv(frame)
    assert texts["md"] == to_markdown(frame)
    assert json.loads(texts["json"]) == json.loads(to_json(trace))


def _open_tab(app, name: str) -> Locator:
    """Open a tab and return its panel."""
    app.act(app.page.get_by_role("tab", name=name).click)
    return app.page.get_by_role("tabpanel", name=name)


def test_the_blocks_of_the_dataflow_are_drawn_and_select_their_layers(app, server) -> None:
    app.goto(server)
    panel = _open_tab(app, "Diagram")
    frame = panel.locator(".frame")
    expect(frame.locator("[data-close='layer1.0']").first).to_be_visible()
    app.act(frame.locator("[data-node='layer1.0.conv2'] .box").click)
    assert "layer=layer1.0.conv2" in app.page.url
    expect(app.widget("inspector")).to_contain_text("layer1.0.conv2")
    app.act(frame.locator("[data-close='layer1.0'] .hit").click)
    assert "toggled=layer1.0" in app.page.url
    expect(frame.locator("[data-open='layer1.0']")).to_be_visible()


def test_a_stage_opens_as_its_blocks(app, server) -> None:
    app.goto(server, "/?model=resnet50&tab=blocks&zoom=stages")
    frame = app.page.locator(".frame")
    expect(frame).to_contain_text("4 × bottleneck residual block")
    app.act(frame.locator("[data-open] rect").nth(1).click)
    assert "zoom" not in app.page.url  # blocks are the first picture
    expect(frame.locator("[data-close='layer1.0']").first).to_be_visible()


def test_the_tensors_of_a_network_are_drawn_and_select_their_layers(app, server) -> None:
    app.goto(server, "/?model=lenet5&tab=blocks&zoom=volume")
    frame = app.page.locator(".frame")
    expect(frame).to_contain_text("16 × 10 × 10")
    app.act(frame.locator("[data-node='c3'] polygon").first.click)
    assert "layer=c3" in app.page.url


def test_a_module_opens_in_the_diagram_and_a_box_selects_its_layer(app, server) -> None:
    app.goto(server, "/?model=resnet18&tab=blocks&zoom=ops&open=2")
    frame = app.page.locator(".frame")
    expect(frame.locator("[data-node='layer2.0']")).to_be_visible()
    app.act(frame.locator("[data-open='layer2.0'] rect").click)
    assert "toggled=layer2.0" in app.page.url
    box = frame.locator("[data-node='layer2.0.conv1'] .box")
    box.hover()
    card = frame.locator(".card")
    expect(card).to_contain_text("layer2.0.conv1")
    expect(card).to_contain_text("128*64*3*3 = 73,728")
    app.act(box.click)
    assert "layer=layer2.0.conv1" in app.page.url
    expect(app.widget("inspector")).to_contain_text("3×3 convolution, 64 → 128")
    expect(frame.locator("[data-node='layer2.0.conv1']")).to_have_class("node selected at")
    app.act(frame.locator("[data-close='layer2.0']").click)
    assert "toggled" not in app.page.url
    # What was selected inside is now inside a closed box.
    expect(frame.locator("[data-node='layer2.0']")).to_have_class("node selected")


def _save(app, name: str, path: Path) -> bytes:
    """Save the diagram through its menu and return the file."""
    if not app.widget("diagram_svg").is_visible():
        app.page.get_by_role("button", name="Save").click()
    with app.page.expect_download() as download:
        app.widget(f"diagram_{name}").get_by_role("button").click()
    download.value.save_as(path)
    return path.read_bytes()


def test_the_diagram_is_saved_as_it_is_shown(app, server, tmp_path: Path) -> None:
    app.goto(server, "/?model=resnet18&tab=blocks&zoom=ops&open=1&toggled=layer1")
    drawn = _save(app, "svg", tmp_path / "a.svg").decode()
    assert 'data-key="layer1.0"' in drawn
    assert 'data-key="layer2"' in drawn
    assert "input 1×3×224×224" in drawn
    assert _save(app, "png", tmp_path / "a.png").startswith(b"\x89PNG")
    assert _save(app, "pdf", tmp_path / "a.pdf").startswith(b"%PDF")


def test_the_saved_page_works_without_a_server(app, server, tmp_path: Path) -> None:
    app.goto(server, "/?model=resnet18&tab=blocks&heat=params")
    path = tmp_path / "resnet18.html"
    _save(app, "html", path)
    page = app.page.context.new_page()
    requests, problems = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(path.as_uri())
    frame = page.locator(".frame")
    expect(frame.locator("[data-node='layer1.0.conv1']")).to_be_visible()
    frame.locator("[data-node='layer1.0.conv1'] .box").hover()
    expect(frame.locator(".card")).to_contain_text("64*64*3*3 = 36,864")
    frame.locator("[data-node='layer1.0.conv1'] .box").click()
    expect(frame.locator("[data-node='layer1.0.conv1']")).to_have_class("node selected at")
    page.get_by_label("How far it is open").select_option(label="depth 1")
    expect(frame.locator("[data-node='layer1.0']")).to_be_visible()
    expect(frame).to_contain_text("input 1×3×224×224")
    assert requests == [path.as_uri()]
    assert problems == []


def test_a_layer_of_the_table_is_marked_in_the_diagram_and_found_by_words(app, server) -> None:
    app.goto(server, "/?model=googlenet&tab=blocks&zoom=ops&layer=inception4a.branch2.0.conv")
    frame = app.page.locator(".frame")
    expect(frame.locator(".node.selected")).to_have_count(1)
    frame.get_by_label("Find in the diagram").fill("inception5b")
    expect(frame.locator(".found")).to_contain_text("1 of")
    frame.focus()
    app.page.keyboard.press("ArrowDown")
    expect(frame.locator(".said")).not_to_be_empty()


def test_a_click_on_a_bar_selects_its_layer(app, server) -> None:
    app.goto(server, "/?model=lenet5&tab=charts")
    bar = app.page.locator(".js-plotly-plot .bars .point path").first
    app.act(lambda: bar.click(force=True))  # forced: Plotly puts a layer of its own on top
    assert "layer=c1" in app.page.url
    expect(app.widget("inspector")).to_contain_text("6*1*5*5 * 28*28 = 117,600")


def test_the_source_is_the_file_that_the_model_is_built_from(app, server) -> None:
    app.goto(server, "/?model=lenet5&input=1x32x32&num_classes=7")
    panel = _open_tab(app, "Source")
    expect(panel).to_contain_text("class LeNet5(nn.Module)")
    expect(panel).to_contain_text("trace_model('lenet5', (1, 1, 32, 32), options={'num_classes'")


def test_latency_is_measured_on_request_with_its_environment(app, server) -> None:
    app.goto(server, "/?model=lenet5&tab=latency")
    app.act(app.widget("measure").get_by_role("button").click)
    metrics = app.widget("latency_metrics")
    expect(metrics).to_contain_text(" ms", timeout=REQUEST_MILLISECONDS)
    expect(metrics).to_contain_text(" /s")
    app.settle()
    expect(app.page.get_by_text("Measured here: lenet5 at 1 × 32 × 32, batch of 1")).to_be_visible()


def test_other_counters_are_asked_on_request_and_their_gaps_explained(app, server) -> None:
    app.goto(server, "/?model=resnet18&input=3x64x64&tab=check")
    app.act(app.widget("check").get_by_role("button").click)
    panel = app.page.get_by_role("tabpanel", name="Cross-check")
    for counter in ("torchinfo", "thop", "FlopCounterMode"):
        reasons = panel.get_by_test_id("stMarkdown").filter(has_text=f"{counter}.")
        expect(reasons.last).to_be_visible(timeout=REQUEST_MILLISECONDS)
    expect(panel).to_contain_text("BatchNorm")
