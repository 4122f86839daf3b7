"""The lesson on normalization: its numbers are the layers', and every choice is in the link."""

from __future__ import annotations

import re

import pytest
from streamlit.testing.v1 import AppTest

from explorer.lessons.normalization import activate, fold, local_response, run_batches
from tests.pages.course import address, answers, charts, english_left, metrics, opened


def test_it_opens_with_six_parts_and_their_numbers() -> None:
    app = opened("normalization")
    shown = metrics(app)
    assert shown["Share one mean"] == ("256", "values, over N, H, W")  # 4 × 8 × 8
    found = run_batches(0.1, 20, 8)
    assert shown["Running mean"] == (
        f"{found.running_means[-1]:.3f}", f"all images: {found.mean:.3f}"
    )  # fmt: skip
    assert shown["Left of the start"] == ("12.2%", "(1 − 0.1)^20")
    assert shown["Largest difference, float32"][0] == f"{fold().difference:.1e}"
    assert shown["Exactly 0"][0] == f"{100 * activate('relu').zeros:.1f}%"
    assert len(charts(app)) == 5
    assert address(app) == {}


@pytest.mark.parametrize(
    ("kind", "values", "means"),
    [("layer", "384", "4"), ("instance", "64", "24"), ("group", "192", "8")],
)
def test_a_kind_of_normalization_shares_other_means(kind: str, values: str, means: str) -> None:
    app = opened("normalization")
    app.segmented_control(key="normalization_kind").set_value(kind).run()
    shown = metrics(app)
    assert (shown["Share one mean"][0], shown["Means in all"][0]) == (values, means)
    assert shown["Mean of the lit values"][1] == "after: 0.000"
    assert address(app) == {"norm": kind}


def test_with_a_momentum_of_1_only_the_last_batch_is_remembered() -> None:
    app = opened("normalization")
    app.select_slider(key="normalization_momentum").set_value(1.0).run()
    found = run_batches(1.0, 20, 8)
    assert metrics(app)["Running mean"][0] == f"{found.batch_means[-1]:.3f}"
    assert metrics(app)["Left of the start"][0] == "0.0%"
    assert address(app) == {"momentum": "1"}


def test_what_torch_says_of_one_value_is_on_the_page() -> None:
    said = answers(opened("normalization"))
    assert "Expected more than 1 value per channel when training" in said


def test_local_response_is_worked_out_with_numbers() -> None:
    app = opened("normalization", scale="10", lrn="1")
    code = app.code[0].value
    found = local_response(10)
    assert code.endswith(f"= {found.after[0]:.4f}")
    # The first channel has no neighbours to its left: itself and two more.
    assert len(re.findall("²", code)) == 3


def test_dropout_is_drawn_again() -> None:
    app = opened("normalization", drop="0.25")
    assert metrics(app)["What is kept is times"][0] == f"{4 / 3:.3f}"
    assert metrics(app)["Evaluation minus before"][0] == "0"
    seen = set()
    for _ in range(6):
        app.button(key="normalization_again").click().run()
        seen.add(metrics(app)["Kept"][0])
    assert len(seen) > 1


def test_a_bias_of_minus_3_kills_relu_s_units() -> None:
    app = opened("normalization", bias="-3")
    dead = activate("relu", -3.0).dead
    assert metrics(app)["Dead units"][0] == f"{100 * dead:.1f}%"
    app.segmented_control(key="normalization_act").set_value("leaky_relu").run()
    assert metrics(app)["Dead units"][0] == "0.0%"
    assert address(app) == {"bias": "-3", "act": "leaky_relu"}


@pytest.mark.parametrize(
    ("name", "text"),
    [("norm", "weight"), ("image", "9"), ("channel", "x"), ("groups", "4"), ("momentum", "2"),
     ("steps", "0"), ("minibatch", "1"), ("map", "17"), ("scale", "2"), ("lrn", "0"),
     ("drop", "1"), ("drop", "nan"), ("act", "swish"), ("bias", "99")],
)  # fmt: skip
def test_what_a_link_cannot_mean_is_said_once_and_left_out(name: str, text: str) -> None:
    app = opened("normalization", **{name: text})
    assert not app.exception
    (warning,) = app.warning
    assert f"{name}=" in warning.value.replace("\\", "")
    assert name not in address(app)


def in_talk(step: int) -> AppTest:
    return opened("normalization", present="yes", step=str(step))


@pytest.mark.parametrize("step", range(1, 7))
def test_in_a_talk_nothing_is_told_before_it_is_revealed(step: int) -> None:
    app = in_talk(step)
    assert {metric.value for metric in app.metric} <= {"?"}
    before = answers(app)
    assert not app.dataframe
    app.button(key="talk_on").click().run()
    assert len(answers(app)) > len(before) + 200
    assert "?" not in {metric.value for metric in app.metric}


def test_choices_stay_from_part_to_part_of_a_talk() -> None:
    app = opened("normalization", present="yes", step="1", norm="layer", bias="2")
    for _ in range(4):
        app.button(key="talk_on").click().run()
    assert {"norm": "layer", "bias": "2"}.items() <= address(app).items()


def test_in_chinese_nothing_is_left_in_english() -> None:
    assert not english_left(opened("normalization", lang="zh"))
