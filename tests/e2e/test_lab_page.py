"""The design lab in a browser, by the keyboard alone: turn, read, undo, redo."""

from __future__ import annotations

from playwright.sync_api import expect

from explorer import trace_model
from explorer.analysis.units import compact


def test_a_decision_is_turned_and_undone_by_the_keyboard(app, server) -> None:
    app.goto(server, "/lab?model=resnet18")
    parameters = app.page.locator(".lab-chip").filter(has_text="Parameters")
    expect(parameters).to_contain_text("=")
    five = app.widget("lab_kernel_size").get_by_role("radio", name="5", exact=True)
    five.focus()
    app.act(lambda: five.press("Enter"))
    edited = trace_model("resnet18", (1, 3, 224, 224), options={"kernel_size": 5})
    expect(parameters).to_contain_text(compact(edited.params))
    assert "steps=kernel_size%3A5" in app.page.url

    # A number that is not offered is typed, and what does not work says why.
    box = app.widget("lab_groups").get_by_role("combobox")
    box.focus()
    box.fill("3")
    app.act(lambda: box.press("Enter"))
    expect(app.page.get_by_role("alert").first).to_contain_text("should divide the 64 channels")
    undo = app.widget("lab_undo").get_by_role("button")
    undo.focus()
    app.act(lambda: undo.press("Enter"))
    expect(parameters).to_contain_text(compact(edited.params))

    # The changed blocks are lit, the others step back.
    lit = app.page.locator(".node:not(.dim) text").filter(has_text="5×5")
    expect(lit.first).to_be_attached()
    assert app.page.locator(".node.dim").count() > 0
    expect(app.page.get_by_text("8 of 8 blocks touched, 16 layers changed")).to_be_visible()


def test_a_talk_asks_first_and_then_shows(app, server) -> None:
    app.goto(server, "/lab?model=resnet18&steps=se:true&present=yes&step=1")
    parameters = app.page.locator(".lab-chip").filter(has_text="Parameters")
    expect(parameters.locator("b")).to_have_text("?")
    app.press_in_talk("ArrowRight")
    expect(parameters.locator("b")).to_have_text("11.8 M")
