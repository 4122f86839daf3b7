"""Predicted time and memory in a browser: a cold link, a click on a dot and on a bar, a device."""

from __future__ import annotations

from playwright.sync_api import Locator, expect

from explorer import trace_model
from explorer.analysis.roofline import get_device, predict
from explorer.analysis.units import rounded


def metric(app, label: str) -> Locator:
    """The head's figure with this label."""
    return app.page.get_by_test_id("stMetric").filter(has_text=label)


def test_a_cold_link_opens_the_page_with_its_prediction(app, cold_server) -> None:
    device = get_device("NVIDIA L4")
    app.goto(cold_server, "/performance?model=resnet18&device=NVIDIA+L4&dtype=float16")
    expect(app.page.get_by_role("heading", name="ResNet-18")).to_be_visible(timeout=120_000)
    made = predict(trace_model("resnet18", (1, 3, 224, 224)), device, "float16")
    expect(metric(app, "Predicted time")).to_contain_text(f"{rounded(made.ms)} ms")
    expect(app.page.get_by_text("Predicted, not measured").first).to_be_visible()
    # Streamlit's "Page not found" would stand in front of the page.
    expect(app.page.get_by_role("dialog")).to_have_count(0)
    # No chart on the first screen: Plotly alone takes seconds to load.
    expect(app.page.get_by_test_id("stPlotlyChart")).to_have_count(0)


def test_a_bar_and_a_dot_select_their_layer(app, server) -> None:
    app.goto(server, "/performance?model=lenet5&show=layers")
    bars = app.page.locator(".stPlotlyChart .bars .point path")
    expect(bars.first).to_be_visible()
    box = bars.first.bounding_box()
    assert box
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    app.act(lambda: app.page.mouse.click(*middle))
    # The first bar is the first convolution.
    assert "layer=c1" in app.page.url
    expect(app.widget("inspector")).to_contain_text("117,600")

    app.act(lambda: app.page.get_by_role("tab", name="Roofline").click())
    assert "layer=c1" in app.page.url
    dots = app.page.locator(".stPlotlyChart .scatterlayer path.point")
    expect(dots.first).to_be_visible()
    # Furthest to the right lies the layer with the most operations a byte.
    boxes = [box for dot in dots.all() if (box := dot.bounding_box())]
    right = max(boxes, key=lambda box: box["x"] + box["width"] / 2)
    place = (right["x"] + right["width"] / 2, right["y"] + right["height"] / 2)
    app.act(lambda: app.page.mouse.click(*place))
    made = predict(trace_model("lenet5", (1, 1, 32, 32)), get_device("NVIDIA T4"))
    most = max(made.layers, key=lambda row: row.intensity)
    assert most.key != "c1"
    assert f"layer={most.key}" in app.page.url


def test_a_custom_device_changes_the_prediction(app, server) -> None:
    app.goto(server, "/performance?model=resnet18")
    trace = trace_model("resnet18", (1, 3, 224, 224))
    device = get_device("NVIDIA T4")
    expect(metric(app, "Predicted time")).to_contain_text(
        f"{rounded(predict(trace, device).ms)} ms"
    )
    app.choose("performance_device", "Custom device")
    app.fill("own_bandwidth", "16")
    app.fill("own_launch", "100")
    own = device._replace(bandwidth=16e9, launch_seconds=100e-6)
    slow = predict(trace, own).ms
    expect(metric(app, "Predicted time")).to_contain_text(f"{rounded(slow)} ms")
    assert "bandwidth%3A16" in app.page.url
    app.page.reload()
    app.settle()
    expect(metric(app, "Predicted time")).to_contain_text(f"{rounded(slow)} ms")
