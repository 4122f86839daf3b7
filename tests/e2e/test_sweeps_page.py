"""The sweeps in a browser: curves that grow, a stop that keeps them, a link that holds all."""

from __future__ import annotations

from urllib.parse import parse_qs, urlparse

from playwright.sync_api import Page, expect

LINK = "/sweeps?models=lenet5,squeezenet1_1&range=32:96:16&log=y&batch=2"
DONE = "10 points, each traced from the real model."


def drawn(page: Page) -> list[tuple[str, int]]:
    """The title of each drawn curve, and how many marks it and its crosses have."""
    figures: list[tuple[str, int]] = page.evaluate(
        """() => document.querySelector('.js-plotly-plot').data
             .filter(line => line.x.length).map(line => [line.name, line.x.length])"""
    )
    return [(name, marks) for name, marks in figures]


def query(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlparse(page.url).query).items()}


def test_a_cold_link_opens_with_its_curves_and_another_quantity_keeps_the_rest(
    app, cold_server
) -> None:
    app.goto(cold_server, LINK)
    expect(app.page.get_by_role("heading", name="Sweeps")).to_be_visible()
    expect(app.page.get_by_text(DONE)).to_be_visible()
    # Streamlit's "Page not found" would stand in front of the page.
    expect(app.page.get_by_role("dialog")).to_have_count(0)
    expect(app.page.locator(".js-plotly-plot .scatterlayer .trace").first).to_be_visible()
    # LeNet-5 takes 32 x 32 and nothing larger that is asked for.
    curves = [("LeNet-5", 1), ("LeNet-5: not taken", 4), ("SqueezeNet 1.1", 5)]
    assert drawn(app.page) == curves
    expect(app.page.locator("p", has_text="f6 (Linear)")).to_be_visible()
    before = query(app.page)
    assert before["range"] == "32:96:16"

    quantity = app.widget("sweep_show").get_by_role("radio", name="Peak activations")
    app.act(quantity.click)
    expect(app.page.locator(".js-plotly-plot .gtitle")).to_have_text(
        "Peak activations by input size"
    )
    assert drawn(app.page) == curves
    assert query(app.page) == {**before, "show": "peak"}


def test_stop_keeps_what_is_done_and_go_on_finishes(app, server) -> None:
    # More points than any machine traces before the button is pressed.
    app.page.goto(f"{server.url}/sweeps?models=densenet201,efficientnet_b7&range=64:182:2")
    stop = app.widget("sweep_stop").get_by_role("button")
    stop.wait_for()
    app.act(stop.click)
    expect(app.page.get_by_text("Stopped:")).to_be_visible()
    app.page.locator(".js-plotly-plot").wait_for()
    kept = sum(marks for _, marks in drawn(app.page))
    assert 2 <= kept < 120
    app.act(app.widget("sweep_go_on").get_by_role("button").click)
    app.page.wait_for_function(
        """kept => document.querySelector('.js-plotly-plot').data
             .reduce((sum, line) => sum + line.x.length, 0) > kept""",
        arg=kept,
    )
    app.act(app.widget("sweep_stop").get_by_role("button").click)
