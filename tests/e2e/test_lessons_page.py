"""The course in a browser: a talk by its keys, and the language of the whole app."""

from __future__ import annotations

from urllib.parse import parse_qs, urlparse

from playwright.sync_api import expect


def query(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlparse(url).query).items()}


def test_a_talk_is_given_with_the_arrow_keys_alone(app, server) -> None:
    app.goto(server, "/scaling?present=yes")
    expect(app.page.get_by_role("heading", name="Scaling", exact=True)).to_be_visible()
    expect(app.page.get_by_test_id("stSidebar")).to_be_hidden()
    app.press_in_talk("ArrowRight")
    assert query(app.page.url)["step"] == "1"
    # Where something is hidden the first press reveals it, and the next one turns the page.
    button = app.widget("talk_on").get_by_role("button")
    if "Reveal" in button.inner_text():
        app.press_in_talk("ArrowRight")
        assert query(app.page.url)["step"] == "1"
    app.press_in_talk("PageDown")
    assert query(app.page.url)["step"] == "2"
    app.press_in_talk("ArrowLeft")
    assert query(app.page.url)["step"] == "1"
    app.press_in_talk("Escape")
    assert "present" not in query(app.page.url)
    expect(app.page.get_by_test_id("stSidebar")).to_be_visible()


def test_what_does_not_fit_a_projector_is_scrolled_to_by_the_same_key(app, server) -> None:
    app.page.set_viewport_size({"width": 1280, "height": 720})
    app.goto(server, "/by_hand?present=yes&step=1")
    app.page.locator("html[data-talk-keys]").wait_for(state="attached")
    place = "document.querySelector('[data-testid=stMain]').scrollTop"
    assert app.page.evaluate(place) == 0
    app.page.keyboard.press("ArrowRight")
    assert app.page.evaluate(place) > 0
    expect(app.widget("talk_on").get_by_role("button")).to_contain_text("Reveal")
    app.press_in_talk("ArrowRight")
    app.press_in_talk("ArrowRight")
    assert query(app.page.url)["step"] == "2"
    app.page.wait_for_function(f"() => {place} === 0")


def test_a_lesson_and_the_language_are_reached_from_the_contents(app, server) -> None:
    app.goto(server, "/lessons")
    app.act(app.widget("lang").get_by_role("radio", name="简体中文").click)
    expect(app.page.get_by_role("heading", name="课程")).to_be_visible()
    app.act(app.widget("card_scaling").get_by_role("link").click)
    expect(app.page.get_by_role("heading", name="缩放", exact=True)).to_be_visible()
    assert query(app.page.url)["lang"] == "zh"
    app.act(lambda: app.page.go_back())
    expect(app.page.get_by_role("heading", name="课程")).to_be_visible()
