"""Architectures side by side in a browser."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from explorer import trace_model


def test_a_comparison_is_chosen_read_and_left_for_a_layer(app, server) -> None:
    app.goto(server, "/side_by_side?models=resnet18,resnet50")
    expect(app.page.get_by_role("heading", name="Side by side")).to_be_visible()
    expect(app.page.get_by_text("resnet50 differs from resnet18 in")).to_be_visible()

    app.page.get_by_role("button", name="Examples").click()
    app.act(lambda: app.page.get_by_role("button", name="VGG-16: C and D").click())
    expect(app.page.get_by_text("vgg16 differs from vgg16_c in 3 convolutions")).to_be_visible()
    trace = trace_model("vgg16", (1, 3, 224, 224))
    expect(app.page.locator(".beside")).to_contain_text(f"{trace.params:,}")
    assert "models=vgg16_c,vgg16" in app.page.url.replace("%2C", ",")

    app.page.keyboard.press("Escape")
    app.act(lambda: app.page.get_by_text("Only differences").click())
    app.click_row("compare_table", 0)
    link = app.widget("row_links").get_by_role("link").last
    expect(link).to_contain_text("in vgg16")
    app.act(link.click)
    expect(app.page.get_by_role("heading", name="VGG-16 (D)")).to_be_visible()
    assert "layer=features" in app.page.url
    app.assert_no_errors()


def test_charts_and_diagrams_are_drawn_when_their_tabs_are_opened(app, server) -> None:
    app.goto(server, "/side_by_side?models=resnet18,plain18,resnet34")
    app.act(lambda: app.page.get_by_role("tab", name="Stages").click())
    expect(app.page.locator(".js-plotly-plot")).to_have_count(1)
    app.act(lambda: app.page.get_by_role("tab", name="Diagrams").click())
    expect(app.page.locator(".js-plotly-plot")).to_have_count(0)
    for place in range(3):
        expect(app.widget(f"compare_diagram_{place}").locator("svg").first).to_be_visible()
    assert "tab=diagrams" in app.page.url

    # One of them is zoomed, and the others are at its scale.
    views = [app.widget(f"compare_diagram_{place}").locator(".view") for place in range(3)]
    before = views[0].get_attribute("transform")
    app.widget("compare_diagram_0").locator('[data-do="in"]').click()
    expect(views[0]).not_to_have_attribute("transform", before)
    scale = re.search(r"scale\([0-9.]+\)", views[0].get_attribute("transform"))[0]
    for view in views:
        expect(view).to_have_attribute("transform", re.compile(re.escape(scale)))
    app.assert_no_errors()


def test_a_link_opens_the_page_on_a_server_that_nobody_has_visited(app, cold_server) -> None:
    app.goto(cold_server, "/side_by_side?models=resnet18,lenet5,plain18&size=30x30")
    expect(app.page.get_by_text("plain18 differs from resnet18")).to_be_visible()
    expect(app.page.get_by_text("The nearest size that works is 1x32x32.")).to_be_visible()
    # Streamlit's "Page not found" would stand in front of the page.
    expect(app.page.get_by_role("dialog")).to_have_count(0)
    app.assert_no_errors()
