"""The lesson "From LeNet to ViT", run without a browser."""

from __future__ import annotations

import json

import pytest

from explorer.analysis.units import compact
from explorer.lessons.timeline import STOPS, decide
from pages.shared.learn import timeline
from tests.pages.lessons import address, charts, english, metrics, opened, pictures, said

PAGE = "timeline"


def test_the_first_stop_opens_with_its_two_sides_and_the_whole_journey() -> None:
    app = opened(PAGE)
    before, after = decide("convolution")
    assert metrics(app)["Parameters"] == f"{compact(before.params)} → {compact(after.params)}"
    assert "1998 · LeNet-5" in said(app)
    assert pictures(app) == 2
    (figure,) = map(json.loads, charts(app))
    params = figure["data"][0]
    assert len(params["x"]) == len(STOPS)
    assert max(params["marker"]["size"]) == params["marker"]["size"][0]


@pytest.mark.parametrize("stop", timeline.STOPS)
def test_every_stop_shows_what_the_library_counts(stop: str) -> None:
    app = opened(PAGE, stop=stop)
    before, after = decide(stop)
    shown = metrics(app)
    label = next(label for label in shown if label.startswith("MACs"))
    old, _, new = shown[label].partition(" → ")
    unit = f" {label.split(', ')[1]}" if ", " in label else ""
    assert (old + unit, new + unit) == (compact(before.macs), compact(after.macs))
    assert ("Top-1, %" in shown) == (before.top1 is not None or after.top1 is not None)
    links = {link.proto.page: link.proto for link in app.get("page_link")}
    assert "side_by_side" in links
    assert "{" not in said(app)
    assert address(app).get("stop", "convolution") == stop


def test_the_arrows_go_on_and_back_and_end_at_the_ends() -> None:
    app = opened(PAGE)
    assert app.button(key="timeline_previous").disabled
    app.button(key="timeline_next").click().run()
    assert address(app)["stop"] == "scale"
    app.button(key="timeline_previous").click().run()
    assert "stop" not in address(app)
    last = opened(PAGE, stop=timeline.STOPS[-1])
    assert last.button(key="timeline_next").disabled


def test_an_unknown_stop_in_the_link_is_said_and_the_first_is_shown() -> None:
    app = opened(PAGE, stop="dropout")
    (warning,) = app.warning
    assert "dropout" in warning.value
    assert "1998 · LeNet-5" in said(app)


def test_in_a_talk_each_stop_is_a_part_whose_numbers_wait() -> None:
    app = opened(PAGE, present="yes", step="9")
    assert app.subheader[0].value.startswith("2017 · MobileNet")
    assert set(metrics(app).values()) == {"?"}
    assert pictures(app) == 2
    assert not charts(app)
    app.button(key="talk_on").click().run()
    assert "4.87 G → 569 M" in metrics(app).values()
    app.button(key="talk_on").click().run()
    assert app.subheader[0].value.startswith("2017 · SE-ResNet-50")
    assert set(metrics(app).values()) == {"?"}
    whole = opened(PAGE, present="yes", step=str(len(STOPS) + 1))
    assert len(charts(whole)) == 1


@pytest.mark.parametrize("stop", ["convolution", "concatenation", "patches"])
def test_in_chinese_nothing_is_left_in_english(stop: str) -> None:
    app = opened(PAGE, lang="zh", stop=stop)
    assert english(app) == []
    assert "{" not in said(app)
