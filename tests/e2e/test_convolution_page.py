"""The grids of the lesson on convolution arithmetic in a browser, by the keyboard alone."""

from __future__ import annotations

from playwright.sync_api import expect

from explorer.lessons.convolution import convolve, square


def test_arrow_keys_walk_over_the_outputs_and_the_link_follows(app, server) -> None:
    app.goto(server, "/convolution?h=6&w=7&k=3&s=1&p=0")
    frame = app.page.locator(".frame").first
    made = convolve(square((6, 7), 3))
    expect(frame).to_have_attribute("data-at", "0.0")
    app.page.locator("svg.grid").first.focus()
    app.page.keyboard.press("ArrowRight")
    app.act(lambda: app.page.keyboard.press("ArrowDown"))
    # Five outputs a row: one to the right and one down is the seventh.
    expect(frame).to_have_attribute("data-at", "0.6")
    expect(frame.locator(".sum b")).to_have_text(f"= {made.output[0, 1, 1]}".replace("-", "−"))
    assert "at=0.6" in app.page.url
    app.act(lambda: app.page.keyboard.press("End"))
    expect(frame).to_have_attribute("data-at", "0.19")


def test_it_plays_and_a_click_shows_what_an_output_adds_up(app, server) -> None:
    app.goto(server, "/convolution?tn=2&tk=3&ts=2&tp=0")
    frame = app.page.locator(".frame").first
    app.page.locator("svg.grid").first.focus()
    app.page.keyboard.press(" ")
    expect(frame).to_have_class("frame playing")
    expect(frame).to_have_attribute("data-at", "0.1")
    app.page.keyboard.press(" ")
    expect(frame).to_have_class("frame")

    stamped = app.page.locator(".frame").nth(3)
    # The middle of 5 x 5 is reached by all four pixels.
    stamped.locator('[data-pick="2,2"]').click()
    expect(stamped.locator(".sum")).to_contain_text("+")
    assert stamped.locator(".sum").inner_text().count("·") == 4


def test_a_slider_moved_by_keys_moves_the_grid(app, server) -> None:
    app.goto(server, "/convolution")
    cells = app.page.locator(".frame").first.locator('[data-filter="0"]')
    expect(cells).to_have_count(12)
    handle = app.widget("convolution_s").get_by_role("slider")
    handle.focus()
    app.act(lambda: app.page.keyboard.press("ArrowLeft"))
    expect(cells).to_have_count(42)
    assert "s=1" in app.page.url
