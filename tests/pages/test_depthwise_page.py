"""The lesson on depthwise separable and grouped convolution, run without a browser."""

from __future__ import annotations

import json
import threading

import pytest

from explorer.analysis.units import count, rounded
from explorer.lessons.depthwise import Measured, Setting, full_cost, measure, separable_cost, timed
from pages.shared.jobs import Job
from tests.pages.lessons import address, charts, english, metrics, opened, pictures, said

PAGE = "depthwise"


def test_the_page_says_what_the_library_counts() -> None:
    app = opened(PAGE)
    setting = Setting(256, 256, 3, 28)
    full, pair = full_cost(setting), separable_cost(setting)
    assert metrics(app)["Parameters, K"] == "590 → 67.8"
    assert f"counted: {count(pair.macs)} for {count(full.macs)}" in said(app)
    assert "frac{1}{256} + frac{1}{9} = 0.1150" in said(app)
    assert "**94.9% of all MACs are in the 1 × 1**" in said(app)  # MobileNet's Table 2
    found = timed(setting, "NVIDIA T4", 32)
    assert f"÷ {rounded(found.work_ratio)}" in [m.value for m in app.metric]
    assert metrics(app)["Predicted time"] == f"÷ {rounded(found.time_ratio)}"
    assert pictures(app) == 2
    assert len(charts(app)) == 4


def test_the_controls_move_the_numbers_and_are_in_the_link() -> None:
    app = opened(PAGE)
    app.select_slider(key="depthwise_out").set_value(64).run()
    app.select_slider(key="depthwise_kernel").set_value(5).run()
    app.select_slider(key="depthwise_groups").set_value(32).run()
    app.selectbox(key="depthwise_on").set_value("NVIDIA H100 SXM").run()
    app.segmented_control(key="depthwise_images").set_value(1).run()
    app.segmented_control(key="depthwise_shuffled").set_value(6).run()
    # C / (g N) + 1 / k^2 = 256 / (32 * 64) + 1 / 25
    assert "With g = 32 the k × k and the 1 × 1 take **16.5% of the full" in said(app)
    found = timed(Setting(256, 64, 5, 28), "NVIDIA H100 SXM", 1)
    assert metrics(app)["Predicted time"] == f"÷ {rounded(found.time_ratio)}"
    assert "it waits for the launch" in said(app)
    assert "depends on **4**" in said(app)  # two of its own group, each with two from others
    link = address(app)
    assert link == {
        "out": "64", "kernel": "5", "groups": "32", "on": "NVIDIA H100 SXM", "images": "1",
        "shuffled": "6",
    }  # fmt: skip
    assert said(opened(PAGE, **link)) == said(app)


def test_other_channels_keep_the_convolution_depthwise() -> None:
    app = opened(PAGE)
    app.select_slider(key="depthwise_in").set_value(96).run()
    assert app.select_slider(key="depthwise_groups").value == 96
    assert address(app) == {"in": "96"}
    curve = json.loads(charts(app)[0])
    assert curve["data"][1]["x"][-1] == 96


def test_groups_that_a_link_asks_for_and_that_do_not_divide_become_the_next_fewer() -> None:
    app = opened(PAGE, **{"in": "96", "groups": "50"})
    assert app.select_slider(key="depthwise_groups").value == 48


@pytest.mark.parametrize(
    "query", [{"in": "100"}, {"groups": "0"}, {"on": "abacus"}, {"kernel": "4"}, {"images": "x"}]
)
def test_what_a_link_gets_wrong_is_said(query: dict[str, str]) -> None:
    app = opened(PAGE, **query)
    (warning,) = app.warning
    assert f"{next(iter(query))}=" in warning.value
    assert address(app) == {}


def test_a_measurement_is_shown_as_measured_with_its_machine() -> None:
    app = opened(PAGE, **{"in": "16", "out": "16", "map": "7"})
    assert "Measured here" not in said(app)
    setting = Setting(16, 16, 3, 7)
    job: Job[Measured] = Job(lambda job: measure(setting, 1, cancel=job.cancelled))
    while job.running:
        threading.Event().wait(0.05)
    app.session_state["depthwise_job"] = job
    app.run()
    assert job.result is not None
    assert metrics(app)["Full"] == f"{rounded(job.result.full.median_ms)} ms"
    assert metrics(app)["Pair"] == f"{rounded(job.result.pair.median_ms)} ms"
    assert f"torch {job.result.full.environment.torch}" in said(app)
    app.select_slider(key="depthwise_kernel").set_value(5).run()
    assert "before you changed the convolution" in said(app)


def test_a_measurement_starts_runs_off_the_page_and_can_be_stopped() -> None:
    app = opened(PAGE, **{"in": "1024", "out": "1024", "map": "112"})
    app.button(key="depthwise_measure").click().run()
    assert not app.exception
    job = app.session_state["depthwise_job"]
    if job.running:
        app.button(key="depthwise_stop").click().run()
    job.cancel()
    while job.running:
        threading.Event().wait(0.05)
    app.run()
    assert not app.exception
    assert app.error or "Pair" in metrics(app)
    assert not app.button(key="depthwise_measure").disabled


def test_in_a_talk_figures_wait_until_they_are_revealed() -> None:
    app = opened(PAGE, present="yes", step="5")
    assert not charts(app)
    app.button(key="talk_on").click().run()
    assert len(charts(app)) == 1
    assert "of its time" in said(app)


def test_in_chinese_nothing_is_left_in_english() -> None:
    app = opened(PAGE, lang="zh")
    assert english(app) == []
