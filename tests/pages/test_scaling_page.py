"""The lesson "Scaling": what it shows is what the library says, and every choice is in the link."""

from __future__ import annotations

import pytest

from explorer.analysis.units import compact, count, memory
from explorer.lessons.scaling import (
    Rule,
    Scaling,
    compound,
    family,
    presets,
    regnet,
    scale,
    steps,
    thin,
)
from tests.pages.course import address, answers, charts, english_left, metrics, opened

BASE = Scaling(1.0, 1.0, 224)


def test_it_opens_on_two_doublings() -> None:
    app = opened("scaling")
    cost = scale(compound(2)).cost
    shown = metrics(app)
    assert shown["MACs"][0] == compact(cost.macs)
    assert shown["Parameters"][0] == compact(cost.params)
    assert shown["Activations"][0] == memory(cost.activation_bytes)
    assert shown["MACs"][1] == f"× {cost.macs / scale(BASE).cost.macs:.2f} of B0"
    assert address(app) == {}
    assert len(charts(app)) == 5


def test_phi_moves_all_three_and_is_in_the_link() -> None:
    app = opened("scaling")
    app.slider(key="scaling_phi").set_value(4.5).run()
    assert metrics(app)["MACs"][0] == compact(scale(compound(4.5)).cost.macs)
    assert address(app) == {"phi": "4.5"}


def test_each_knob_alone_begins_where_the_network_stands() -> None:
    app = opened("scaling", phi="1")
    app.segmented_control(key="scaling_how").set_value("each").run()
    assert not app.exception
    knobs = [app.slider(key=f"scaling_{each}").value for each in ("d", "w", "side")]
    assert knobs == [1.2, 1.1, 256]  # 257.6 pixels, on a grid of four
    app.slider(key="scaling_w").set_value(2.0).run()
    assert metrics(app)["Parameters"][0] == compact(scale(Scaling(1.2, 2.0, 256)).cost.params)
    assert address(app) == {"how": "each", "d": "1.2", "w": "2", "r": "256"}


def test_a_link_brings_the_knobs_back() -> None:
    app = opened("scaling", how="each", d="1.1", w="1", r="224")
    assert metrics(app)["Blocks"] == ("23", "B0 has 16")
    found = steps(scale(Scaling(1.1, 1.0, 224)))
    assert metrics(app)["Whole blocks"][0] == f"× {found.blocks:.3f}"
    assert metrics(app)["Counted"][0] == f"× {found.counted:.2f}"


@pytest.mark.parametrize("number", [0, 7])
def test_a_published_network_is_the_published_network(number: int) -> None:
    app = opened("scaling", how="family", b=str(number))
    cost = scale(family()[f"efficientnet_b{number}"]).cost
    assert metrics(app)["MACs"][0] == compact(cost.macs)


@pytest.mark.parametrize(
    ("name", "text"),
    [("phi", "99"), ("how", "tall"), ("times", "7"), ("w0", "60"), ("wa", "steep"), ("rho", "-1")],
)
def test_what_a_link_cannot_mean_is_said_once_and_left_out(name: str, text: str) -> None:
    app = opened("scaling", **{name: text})
    (warning,) = app.warning
    assert f"{name}=" in warning.value.replace("\\", "")
    assert metrics(app)["MACs"][0] == compact(scale(compound(2)).cost.macs)
    assert address(app) == {}


def test_equal_cost_shows_four_networks_and_the_paper_s() -> None:
    app = opened("scaling", times="3")
    bars = charts(app)["Four networks of about equal MACs, over B0"]["data"]
    assert [bar["name"].partition(":")[0] for bar in bars] == [
        "Deeper", "Wider", "Sharper", "All three",
    ]  # fmt: skip
    (table,) = [frame.value for frame in app.dataframe]
    assert list(table["Top-1, printed"]) == ["79.0%", "78.9%", "79.1%", "81.1%"]
    assert list(table["MACs, counted"]) == ["1.58 G", "1.45 G", "1.54 G", "1.80 G"]


def test_mobilenet_s_multipliers() -> None:
    app = opened("scaling", alpha="0.75", rho="160")
    made = thin(0.75, 160)
    shown = metrics(app)
    assert shown["MACs counted"] == (compact(made.macs), count(made.macs))
    assert shown["MACs by the rule"][0] == compact(made.rule)
    assert "568.7, 325.4, 149.5, 41.0" in answers(app)


def test_a_preset_fills_the_numbers_and_another_number_makes_it_one_s_own() -> None:
    app = opened("scaling")
    app.selectbox(key="scaling_preset").set_value("regnet_y_16gf").run()
    rule = presets()["regnet_y_16gf"]
    assert app.number_input(key="scaling_wa").value == rule.w_a
    assert app.toggle(key="scaling_se").value is True
    made = regnet(rule)
    assert count(made.cost.macs) in {detail for _, detail in (
        (metric.value, metric.delta) for metric in app.metric)}  # fmt: skip
    assert "**224 × 2 (56²), 448 × 4 (28²), 1232 × 11 (14²), 3024 × 1 (7²)**" in answers(app)
    app.number_input(key="scaling_blocks").set_value(20).run()
    assert app.selectbox(key="scaling_preset").value is None
    own = Rule(20, *rule[1:])
    assert count(regnet(own).cost.macs) in {metric.delta for metric in app.metric}
    assert address(app)["blocks"] == "20"


def test_a_talk_hides_what_is_to_be_found_out() -> None:
    app = opened("scaling", present="yes", step="3")
    assert not app.dataframe
    assert not charts(app)
    app.button(key="talk_on").click().run()
    assert charts(app)
    assert app.dataframe
    app = opened("scaling", present="yes", step="1")
    assert {value for value, _ in metrics(app).values()} == {"?"}
    assert charts(app), "the network itself may be seen"


@pytest.mark.parametrize("way", ["phi", "each", "family"])
def test_in_chinese_no_english_is_left(way: str) -> None:
    app = opened("scaling", lang="zh", how=way, times="9")
    assert app.warning
    assert english_left(app) == []
