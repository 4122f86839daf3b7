"""The lesson on normalization by the keyboard alone."""

from __future__ import annotations

from playwright.sync_api import expect

from explorer.lessons.normalization import activate


def test_kind_and_bias_are_changed_by_keys(app, server) -> None:
    app.goto(server, "/normalization")
    shared = app.page.get_by_test_id("stMetric").filter(has_text="Share one mean")
    expect(shared).to_contain_text("256")
    app.widget("normalization_kind").get_by_role("radio", name="InstanceNorm").focus()
    app.act(lambda: app.page.keyboard.press("Enter"))
    expect(shared).to_contain_text("64")
    assert "norm=instance" in app.page.url
    # Before and after, and dropout's four maps.
    expect(app.page.get_by_test_id("stImage").locator("img")).to_have_count(3)

    app.widget("normalization_bias").get_by_role("slider").focus()
    app.act(lambda: app.page.keyboard.press("ArrowLeft"))
    zeros = app.page.get_by_test_id("stMetric").filter(has_text="Exactly 0")
    expect(zeros).to_contain_text(f"{100 * activate('relu', -0.25).zeros:.1f}%")
    assert "bias=-0.25" in app.page.url
