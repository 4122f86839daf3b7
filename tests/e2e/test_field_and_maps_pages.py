"""The lessons "Receptive field" and "Feature maps" by the keyboard alone."""

from __future__ import annotations

from pathlib import Path

import torch
from playwright.sync_api import expect

from explorer.zoo import build_model


def test_a_layer_and_a_cell_are_chosen_by_keys_and_gradients_are_computed(app, server) -> None:
    app.goto(server, "/receptive_field?model=resnet20&input=3x32x32&layer=layer1.0.conv1")
    window = app.page.get_by_test_id("stMetric").filter(has_text="Window").first
    expect(window).to_contain_text("5 × 5")
    app.widget("field_depth_1").get_by_role("slider").focus()
    app.act(lambda: app.page.keyboard.press("ArrowRight"))
    expect(window).to_contain_text("7 × 7")
    assert "layer=layer1.0.conv2" in app.page.url

    app.widget("field_row").get_by_role("slider").focus()
    app.act(lambda: app.page.keyboard.press("Home"))
    assert "cell=0.16" in app.page.url
    expect(app.page.get_by_text("This cell sees rows −3 to 3")).to_be_visible()

    app.widget("field_compute").get_by_role("button").focus()
    app.page.keyboard.press("Enter")
    expect(app.page.get_by_test_id("stMetric").filter(has_text="Effective size")).to_be_visible()
    app.settle()


def test_channels_are_gone_through_by_keys_and_a_file_larger_than_a_picture_is_taken(
    app, server, tmp_path: Path
) -> None:
    app.goto(server, "/feature_maps?model=resnet18&input=3x64x64")
    strength = app.page.get_by_test_id("stMetric").filter(has_text="Strength")
    expect(strength).to_contain_text("1 / 64")
    app.settle()
    app.widget("maps_channel_2").get_by_role("slider").focus()
    app.act(lambda: app.page.keyboard.press("ArrowRight"))
    expect(strength).to_contain_text("2 / 64")
    assert "channel=" in app.page.url

    path = tmp_path / "weights.pth"  # 45 MB
    torch.save(build_model("resnet18", num_classes=5).state_dict(), path)
    app.widget("maps_weights").get_by_role("radio", name="A file of mine").focus()
    app.act(lambda: app.page.keyboard.press("Enter"))
    field = app.widget("maps_file").locator("input[type=file]")
    field.set_input_files(path)
    expect(app.page.get_by_text("The file's classifier has 5 classes")).to_be_visible()
    app.settle()
