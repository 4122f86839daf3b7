"""The lesson "Attention and patches" by the keyboard alone."""

from __future__ import annotations

from playwright.sync_api import expect

from explorer.analysis.units import count
from explorer.lessons.attention import token_count


def test_the_image_grows_and_the_patches_shrink_by_keys(app, server) -> None:
    app.goto(server, "/attention")
    tokens = app.page.get_by_test_id("stMetric").filter(has_text="Tokens N")
    expect(tokens).to_contain_text("197")
    app.widget("attention_side").get_by_role("slider").focus()
    app.act(lambda: app.page.keyboard.press("ArrowRight"))
    expect(tokens).to_contain_text(count(token_count(240, 16)))
    assert "side=240" in app.page.url

    app.widget("attention_patch").get_by_role("radio", name="8", exact=True).focus()
    app.act(lambda: app.page.keyboard.press("Enter"))
    expect(tokens).to_contain_text(count(token_count(240, 8)))

    # What was typed is judged.
    guess = app.page.get_by_label("How many tokens do 240")
    guess.fill("901")
    app.act(lambda: guess.press("Enter"))
    expect(app.page.get_by_text("Right.")).to_be_visible()
