"""The page that chooses among all models, in a browser."""

from __future__ import annotations

import re

from playwright.sync_api import expect


def _count(app) -> int:
    app.page.get_by_text(re.compile(r"\d+ of 176 models are left")).wait_for(timeout=180_000)
    text = app.page.get_by_text(re.compile(r"\d+ of 176 models are left")).inner_text()
    return int(re.search(r"(\d+) of", text)[1])


def test_a_cold_link_opens_a_limit_changes_the_count_and_a_click_marks_a_model(
    app, cold_server
) -> None:
    app.page.goto(cold_server.url + "/landscape?top1=80")
    # The first dots stand there while the other models are still traced.
    dots = app.page.locator(".js-plotly-plot .scatterlayer .point")
    expect(dots.first).to_be_attached(timeout=120_000)
    before = _count(app)
    app.settle()
    expect(app.page.get_by_role("dialog")).to_have_count(0)
    app.fill("landscape_max_params", "30")
    assert _count(app) < before
    assert "params=30" in app.page.url

    dot = app.page.locator(".js-plotly-plot .scatterlayer .trace").last.locator(".point").first
    app.act(lambda: dot.click(force=True))
    assert re.search(r"model=\w+", app.page.url)
    cards = app.widget("landscape_cards")
    expect(cards).to_contain_text("Click a second dot")
    cards.get_by_role("button", name=re.compile("Open .* in Layers")).click()
    expect(app.page.get_by_test_id("stMetric").filter(has_text="Parameters")).to_be_visible()
