"""The lesson "Inception and branches", run without a browser."""

from __future__ import annotations

import json

import pytest

from explorer.analysis.units import count, rounded
from explorer.lessons.branches import BLOCKS, equal, split
from tests.pages.lessons import address, charts, english, metrics, opened, pictures, said

PAGE = "branches"


def test_the_page_says_what_the_library_counts() -> None:
    app = opened(PAGE)
    (params, macs), (full_params, full_macs) = split("3a").totals
    assert metrics(app)["MACs, M"] == "308 → 128"
    assert f"a factor of **{rounded(full_macs / macs)} in MACs**" in said(app)
    assert f"and {rounded(full_params / params)} in parameters" in said(app)
    assert "416 channels would leave it for 256" in said(app)
    assert "**72% of the cost**" in said(app)  # 18/25
    assert pictures(app) == 2 + 3 + 2
    bars, blocks, windows = map(json.loads, charts(app))
    assert bars["data"][2]["y"][2] == 25 * 192 * 32 * 28 * 28  # the 5x5 without reduction
    assert len(blocks["data"][0]["x"]) == len(BLOCKS)
    assert len(windows["data"]) == 3


def test_the_controls_move_the_numbers_and_are_in_the_link() -> None:
    app = opened(PAGE)
    app.segmented_control(key="branches_block").set_value("5b").run()
    app.segmented_control(key="branches_measure").set_value("params").run()
    app.segmented_control(key="branches_window").set_value(7).run()
    app.segmented_control(key="branches_cardinality").set_value(4).run()
    assert "In block 5b" in said(app)
    bars = json.loads(charts(app)[0])
    assert bars["layout"]["meta"]["title"] == "Parameters of each branch of 5b"
    assert "All three see 7 × 7 pixels" in said(app)
    assert "(2/7)" in said(app)
    assert f"the same {count(equal(4).grouped_params)} parameters" in said(app)
    link = {"block": "5b", "of": "params", "window": "7", "cardinality": "4"}
    assert address(app) == link
    assert said(opened(PAGE, **link)) == said(app)


@pytest.mark.parametrize(
    "query", [{"block": "6a"}, {"of": "flops"}, {"window": "4"}, {"cardinality": "-1"}]
)
def test_what_a_link_gets_wrong_is_said(query: dict[str, str]) -> None:
    app = opened(PAGE, **query)
    (warning,) = app.warning
    assert next(iter(query)) in warning.value
    assert address(app) == {}


def test_in_a_talk_the_bars_wait_until_they_are_revealed() -> None:
    app = opened(PAGE, present="yes", step="1")
    assert pictures(app) == 2
    assert not charts(app)
    app.button(key="talk_on").click().run()
    assert len(charts(app)) == 1
    assert "a factor of" in said(app)
    last = opened(PAGE, present="yes", step="4")
    assert set(metrics(last).values()) == {"?"}


def test_in_chinese_nothing_is_left_in_english() -> None:
    app = opened(PAGE, lang="zh")
    assert english(app) == []
    assert "{" not in said(app)
