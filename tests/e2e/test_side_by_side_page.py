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


def test_a_size_is_typed_an_option_is_set_and_the_report_opens_offline(
    app, server, tmp_path
) -> None:
    app.goto(server, "/side_by_side?models=resnet18,mobilenet_v2")
    size = app.widget("compare_size").get_by_role("combobox")
    size.click()
    size.fill("96x160")
    app.act(lambda: size.press("Enter"))
    expect(app.page.locator(".beside").first).to_contain_text("3 × 96 × 160")
    assert "size=96x160" in app.page.url

    app.page.get_by_role("button", name="Options").last.click()
    width = app.page.get_by_role("spinbutton", name="Width mult")
    width.fill("0.5")
    app.act(lambda: width.press("Enter"))
    trace = trace_model("mobilenet_v2", (1, 3, 96, 160), options={"width_mult": 0.5})
    expect(app.page.locator(".beside").first).to_contain_text(f"{trace.params:,}")
    app.page.keyboard.press("Escape")

    app.page.get_by_role("button", name="Export").click()
    with app.page.expect_download() as download:
        app.page.get_by_role("button", name="HTML report, one file").click()
    file = tmp_path / "report.html"
    download.value.save_as(file)
    problems: list[str] = []
    report = app.page.context.browser.new_context(offline=True).new_page()
    report.on("pageerror", lambda error: problems.append(str(error)))
    report.on("requestfailed", lambda request: problems.append(request.url))
    report.goto(file.as_uri())
    expect(report.locator(".js-plotly-plot")).to_have_count(3)
    expect(report.get_by_text(f"{trace.params:,}").first).to_be_visible()
    expect(report.locator("figure svg").last).to_be_visible()
    report.context.close()
    assert problems == []
    app.assert_no_errors()
