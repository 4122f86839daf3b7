"""The catalogue and the published numbers in a browser."""

from __future__ import annotations

from playwright.sync_api import expect

from explorer import trace_model


def test_the_catalogue_opens_from_the_sidebar_and_a_click_opens_an_architecture(
    app, server
) -> None:
    app.goto(server, "/catalogue?families=LeNet")
    expect(app.page.get_by_role("heading", name="Catalogue")).to_be_visible()
    grid = app.page.get_by_test_id("stDataFrame").first
    expect(grid).to_be_visible()
    # The second row: rows are 30 pixels high under a header of 36.
    grid.click(position={"x": 60, "y": 80})
    trace = trace_model("lenet5_paper", (1, 1, 32, 32))
    expect(app.page.get_by_role("heading", name="LeNet-5 (the paper's sparse C3)")).to_be_visible()
    expect(app.page.get_by_test_id("stMetric").filter(has_text="Parameters")).to_contain_text(
        f"{trace.params:,}"
    )
    assert "model=lenet5_paper" in app.page.url


def test_a_deep_link_opens_its_page_on_a_server_that_nobody_has_visited(app, cold_server) -> None:
    app.goto(cold_server, "/published?only=gaps")
    expect(app.page.get_by_role("heading", name="Published vs exact")).to_be_visible()
    expect(app.page.get_by_test_id("stDataFrame").first).to_be_visible(timeout=120_000)
    # Streamlit's "Page not found" would stand in front of the page.
    expect(app.page.get_by_role("dialog")).to_have_count(0)


def test_published_numbers_stand_on_their_page(app, server) -> None:
    app.goto(server, "/published?show=reid")
    expect(app.page.get_by_role("heading", name="Published vs exact")).to_be_visible()
    expect(app.page.get_by_test_id("stDataFrame").first).to_be_visible(timeout=60_000)
    app.page.get_by_role("tab", name="Papers").click()
    expect(app.page.get_by_text("Only what disagrees")).to_be_visible(timeout=60_000)


def test_another_source_s_model_opens_in_the_same_view(app, server) -> None:
    app.goto(server, "/?model=torchvision:swin_t")
    trace = trace_model("torchvision:swin_t", (1, 3, 224, 224))
    expect(app.page.get_by_role("heading", name="swin_t")).to_be_visible()
    expect(app.page.get_by_test_id("stMetric").filter(has_text="MACs")).to_contain_text(
        f"{trace.macs:,}"
    )
