"""The lesson "Scaling" by the keyboard alone."""

from __future__ import annotations

from playwright.sync_api import expect

from explorer.analysis.units import compact
from explorer.lessons.scaling import Scaling, compound, scale


def test_the_knobs_are_turned_by_keys(app, server) -> None:
    app.goto(server, "/scaling?phi=1")
    macs = app.page.get_by_test_id("stMetric").filter(has_text="MACs").first
    expect(macs).to_contain_text(compact(scale(compound(1)).cost.macs))
    app.widget("scaling_phi").get_by_role("slider").focus()
    app.act(lambda: app.page.keyboard.press("ArrowRight"))
    expect(macs).to_contain_text(compact(scale(compound(1.5)).cost.macs))
    assert "phi=1.5" in app.page.url

    # Every way to scale is a button, and what it opens begins where the network stands.
    app.widget("scaling_how").get_by_role("radio", name="Each alone").focus()
    app.act(lambda: app.page.keyboard.press("Enter"))
    app.widget("scaling_d").get_by_role("slider").focus()
    app.act(lambda: app.page.keyboard.press("ArrowRight"))
    assert "d=1.4" in app.page.url
    expected = scale(Scaling(1.4, 1.15, 276)).cost.macs
    expect(macs).to_contain_text(compact(expected))
    expect(app.page.get_by_test_id("stPlotlyChart")).to_have_count(5)
