"""A quiz in a browser, by the keyboard alone."""

from __future__ import annotations

from playwright.sync_api import expect

from explorer.lessons.quiz import question


def test_enter_answers_and_the_next_question_comes(app, server) -> None:
    n = next(n for n in range(1, 10) if question(4, n, "easy").kind == "params")
    app.goto(server, f"/quiz?seed=4&n={n}")
    field = app.page.get_by_label("Your answer")
    field.focus()
    app.page.keyboard.type(str(question(4, n, "easy").answer))
    app.act(lambda: app.page.keyboard.press("Enter"))
    expect(app.page.get_by_text("1 of 1 right")).to_be_visible()
    expect(app.page.locator(".katex").first).to_be_visible()
    following = app.page.get_by_role("button", name="Next question")
    following.focus()
    app.act(lambda: app.page.keyboard.press("Enter"))
    assert f"n={n + 1}" in app.page.url


def test_a_guess_by_hand_is_judged(app, server) -> None:
    app.goto(server, "/by_hand")
    field = app.page.get_by_label("2. How many parameters does it have?").first
    field.focus()
    app.page.keyboard.type("4.64 K")
    app.act(lambda: app.page.keyboard.press("Enter"))
    expect(app.page.get_by_text("Right.", exact=True)).to_be_visible()
