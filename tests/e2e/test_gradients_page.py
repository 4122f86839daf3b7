"""The lesson on degradation by the keyboard alone: a preset, a training, its curve."""

from __future__ import annotations

from playwright.sync_api import expect


def test_a_training_is_started_by_keys_and_its_curve_appears(app, server) -> None:
    app.goto(server, "/gradients?nets=resnet20&epochs=5&seed=9")
    legend = app.widget("gradients_training").locator(".legendtext")
    expect(legend).to_have_text(["ResNet-20 (recorded)"])
    app.widget("gradients_train").get_by_role("button").focus()
    app.act(lambda: app.page.keyboard.press("Enter"))
    expect(legend.filter(has_text="ResNet-20 (here)")).to_be_visible()
    # It ends by itself, and another can be started.
    expect(app.widget("gradients_stop")).to_have_count(0)
    expect(app.widget("gradients_train").get_by_role("button")).to_be_enabled()
    expect(legend.filter(has_text="ResNet-20 (here)")).to_be_visible()

    app.widget("gradients_curve").get_by_role("radio", name="Test error").focus()
    app.act(lambda: app.page.keyboard.press("Enter"))
    assert "curve=test" in app.page.url
    expect(legend.filter(has_text="ResNet-20 (here)")).to_be_visible()
