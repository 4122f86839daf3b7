"""The lessons on architectures in a browser, by the keyboard alone."""

from __future__ import annotations

from urllib.parse import parse_qs, urlparse

from playwright.sync_api import Locator, expect


def query(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlparse(url).query).items()}


def pressed(app, target: Locator, key: str) -> None:
    target.focus()
    app.act(lambda: app.page.keyboard.press(key))


def test_the_timeline_goes_on_by_the_keyboard_and_its_link_opens_the_pair(app, server) -> None:
    app.goto(server, "/timeline?stop=shortcut")
    expect(app.page.get_by_role("heading", name="2015 · ResNet-34")).to_be_visible()
    expect(app.page.locator(".js-plotly-plot .scatterlayer .trace").first).to_be_visible()
    drawn = app.page.get_by_alt_text("ResNet-34", exact=True)
    expect(drawn).to_be_visible()
    assert drawn.evaluate("image => image.complete && image.naturalWidth > 100")
    pressed(app, app.widget("timeline_next").get_by_role("button"), "Enter")
    expect(app.page.get_by_role("heading", name="2016 · DenseNet-121")).to_be_visible()
    assert query(app.page.url)["stop"] == "concatenation"
    pressed(app, app.page.get_by_role("link", name="Side by side: ResNet-50"), "Enter")
    expect(app.page.get_by_role("heading", name="Side by side")).to_be_visible()
    assert query(app.page.url)["models"] == "resnet50,densenet121"


def test_a_talk_goes_through_the_stops_with_the_arrow_keys(app, server) -> None:
    app.goto(server, "/timeline?present=yes&step=1")
    expect(app.page.get_by_text("61.7 K")).to_have_count(0)
    app.press_in_talk("ArrowRight")
    expect(app.page.get_by_text("6.76 M → 61.7 K")).to_be_visible()
    app.press_in_talk("ArrowRight")
    expect(app.page.get_by_role("heading", name="2012 · AlexNet")).to_be_visible()


def test_sliders_of_the_dense_block_take_the_arrow_keys(app, server) -> None:
    app.goto(server, "/dense_residual")
    expect(app.page.get_by_text("6 × 7 / 2 = 21 connections")).to_be_visible()
    slider = app.widget("dense_layers").get_by_role("slider")
    pressed(app, slider, "ArrowRight")
    expect(app.page.get_by_text("7 × 8 / 2 = 28 connections")).to_be_visible()
    assert query(app.page.url) == {"layers": "7"}
    assert app.page.locator(".js-plotly-plot").count() == 2


def test_another_block_of_googlenet_is_chosen_by_the_keyboard(app, server) -> None:
    app.goto(server, "/branches")
    expect(app.page.get_by_text("In block 3a the 1 × 1 save a factor of")).to_be_visible()
    pressed(app, app.widget("branches_block").get_by_role("radio", name="5a"), "Enter")
    expect(app.page.get_by_text("In block 5a the 1 × 1 save a factor of 5.16")).to_be_visible()
    assert query(app.page.url) == {"block": "5a"}


def test_both_convolutions_are_measured_on_request(app, server) -> None:
    app.goto(server, "/depthwise?in=16&out=16&map=7")
    expect(app.page.locator(".katex").first).to_be_visible()
    assert app.page.locator(".katex-error").count() == 0
    pressed(app, app.widget("depthwise_measure").get_by_role("button"), "Enter")
    expect(app.page.get_by_text("Measured here")).to_be_visible()
    expect(app.page.get_by_test_id("stMetricLabel").filter(has_text="Pair")).to_be_visible()
