"""The lesson "Dense or residual", run without a browser."""

from __future__ import annotations

import json

from explorer.analysis.units import compact, memory
from explorer.lessons.connections import Setting, dense, residual
from tests.pages.lessons import address, charts, english, metrics, opened, pictures, said

PAGE = "dense_residual"


def test_the_page_says_what_the_library_counts() -> None:
    app = opened(PAGE)
    setting = Setting(32, 6, 64, 56)
    left, right = dense(setting), residual(setting)
    shown = metrics(app)
    assert shown["MACs, G"] == "1.04 → 1.05"
    assert shown["Channels out"] == f"{left.costs.channels[-1]} → {right.width}"
    assert "6 × 7 / 2 = 21 connections" in said(app)
    assert memory(left.costs.saved_bytes) in said(app)
    assert memory(left.lean_bytes) in said(app)
    assert pictures(app) == 2
    reading, curves = map(json.loads, charts(app))
    assert sum(len(bar["x"]) for bar in reading["data"][:-1]) == 21
    assert [len(line["x"]) for line in curves["data"]] == [13, 13, 13]


def test_the_controls_move_the_numbers_and_are_in_the_link() -> None:
    app = opened(PAGE)
    app.select_slider(key="dense_growth").set_value(16).run()
    app.slider(key="dense_layers").set_value(12).run()
    app.toggle(key="dense_bottleneck").set_value(False).run()
    app.select_slider(key="dense_keep").set_value(100).run()
    setting = Setting(16, 12, 64, 56, bottleneck=False, compression=1.0)
    found = dense(setting)
    assert "12 × 13 / 2 = 78 connections" in said(app)
    assert f"adds {compact(found.transition_params)} parameters" in said(app)
    link = address(app)
    assert link == {"growth": "16", "layers": "12", "bottleneck": "no", "keep": "100"}
    again = opened(PAGE, **link)
    assert metrics(again) == metrics(app)
    assert said(again) == said(app)


def test_a_button_takes_a_block_of_densenet_121() -> None:
    app = opened(PAGE, bottleneck="no", growth="8")
    app.button(key="dense_block_3").click().run()
    assert address(app) == {"layers": "24", "in": "256", "map": "14"}
    # Table 1 and section 3: 256 + 24 * 32 leave it, of which half go on.
    assert "1,024 leave the block, of which the transition keeps 512" in said(app)


def test_what_a_link_gets_wrong_is_said_and_the_rest_is_kept() -> None:
    app = opened(PAGE, growth="33", layers="9999999999999", map="14")
    (warning,) = app.warning
    assert "growth='33'" in warning.value.replace("\\", "")
    assert "layers=" in warning.value
    assert address(app) == {"map": "14"}


def test_the_extremes_work() -> None:
    for query in (
        {"growth": "64", "layers": "32", "in": "512", "map": "7", "keep": "10"},
        {"growth": "4", "layers": "1", "in": "16", "map": "28", "bottleneck": "no"},
    ):
        app = opened(PAGE, **query)
        assert not app.warning
        assert {**address(app), **query} == address(app)


def test_in_a_talk_the_costs_wait_and_two_controls_are_at_hand() -> None:
    app = opened(PAGE, present="yes", step="3")
    assert set(metrics(app).values()) == {"?"}
    assert app.slider(key="dense_layers").value == 6
    app.button(key="talk_on").click().run()
    assert metrics(app)["MACs, G"] == "1.04 → 1.05"
    app.slider(key="dense_layers").set_value(8).run()
    assert metrics(app)["Channels out"].startswith("320 →")


def test_in_chinese_nothing_is_left_in_english() -> None:
    app = opened(PAGE, lang="zh")
    assert english(app) == []
    assert "{" not in said(app)
