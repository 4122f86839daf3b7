"""Measuring in a browser, by keyboard: really measured, really cancelled, runs brought along."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from explorer.latency import recorded, to_json

MEASURED = "/performance?model=lenet5&show=measured&measure=threads:1"


def press(app, name: str):
    """Reach a button with the keyboard and press it, once nothing is being drawn any more."""
    app.settle()
    button = app.page.get_by_role("button", name=name)
    button.focus()
    return app.act(lambda: app.page.keyboard.press("Enter"))


def test_a_pass_is_measured_and_taken_apart_with_the_keyboard_alone(app, server) -> None:
    app.goto(server, MEASURED)
    press(app, "Measure one forward pass")
    expect(app.page.get_by_text("Measured here: lenet5 at 1 × 32 × 32")).to_be_visible()
    expect(app.page.get_by_role("button", name="Measure each layer")).to_be_enabled()
    press(app, "Measure each layer")
    expect(app.page.get_by_text("Each layer, measured")).to_be_visible()
    expect(app.page.get_by_text("with hooks", exact=False).first).to_be_visible()


def test_a_measurement_is_cancelled_while_it_runs(app, server) -> None:
    app.goto(server, "/performance?model=vgg19&show=measured&batch=8&measure=threads:1")
    press(app, "Measure one forward pass")
    cancel = app.page.get_by_role("button", name="Cancel")
    expect(cancel).to_be_visible()
    cancel.focus()
    app.page.keyboard.press("Enter")
    expect(app.page.get_by_text("The measurement was cancelled.")).to_be_visible()
    expect(app.page.get_by_role("button", name="Measure one forward pass")).to_be_enabled()


def test_runs_are_brought_along_and_join_the_scatter(app, server, tmp_path: Path) -> None:
    good, bad = tmp_path / "mine.jsonl", tmp_path / "bad.csv"
    good.write_text(to_json(recorded()[:4]))
    bad.write_text("nothing of the kind")
    app.goto(server, "/performance?model=alexnet&show=agreement")
    expect(app.page.locator(".stPlotlyChart .scatterlayer path.point").first).to_be_visible()
    app.page.get_by_text("Add your own runs").click()
    upload = app.page.locator("input[type=file]")
    app.act(lambda: upload.set_input_files(bad))
    expect(app.page.get_by_text("bad.csv: This is neither JSON lines of ours")).to_be_visible()
    app.act(lambda: upload.set_input_files(good))
    expect(app.page.get_by_text("mine.jsonl")).to_be_visible()
    app.choose("performance_runs", "Imported from mine")
    expect(app.page.get_by_text("Imported from mine.jsonl, run on")).to_be_visible()
    assert "imported+from+mine" in app.page.url
