"""The lesson on degradation: its numbers are the library's, and what is trained is trained."""

from __future__ import annotations

import time

import pytest
from streamlit.testing.v1 import AppTest

from explorer.lessons.arms import ARMS
from explorer.lessons.gradients import gradient_flow, shattering
from explorer.lessons.training import Setup, recorded, train
from pages.shared.learn import gradients
from tests.pages.course import address, answers, charts, english_left, metrics, opened

SMALL = {"nets": "plain20,resnet20"}


def ratio(code: str, seed: int = 0) -> float:
    arm = ARMS[code]
    flow = gradient_flow(arm.model, dict(arm.options), init=arm.init, batch=16, seed=seed)
    norms = [layer.weight_grad_norm for layer in flow.layers if layer.kind == "convolution"]
    return norms[0] / norms[-1]


def shown(app: AppTest, label: str) -> list[str]:
    return [metric.value for metric in app.metric if metric.label == label]


def finished(app: AppTest) -> AppTest:
    """Wait for a training as the page does: by looking again."""
    for _ in range(600):
        app.run()
        if app.session_state["gradients_job"] is None:
            return app
        time.sleep(0.2)  # between two looks at another thread
    raise AssertionError("the training does not end")


def test_the_ratios_and_correlations_are_the_library_s() -> None:
    app = opened("gradients", **SMALL)
    for code, name in (("plain20", "Plain-20"), ("resnet20", "ResNet-20")):
        found = shown(app, name)
        assert float(found[0].removeprefix("× ").replace(",", "")) == pytest.approx(
            ratio(code), rel=0.01
        )
        correlation = shattering(ARMS[code].model, seed=0).correlation[1]
        assert found[1] == f"{correlation:.2f}"
    assert len(charts(app)) == 5
    assert address(app) == SMALL


def test_the_seed_changes_the_numbers_and_is_in_the_link() -> None:
    app = opened("gradients", **SMALL)
    before = shown(app, "Plain-20")
    app.number_input(key="gradients_seed").set_value(5).run()
    assert shown(app, "Plain-20") != before
    assert address(app) == {**SMALL, "seed": "5"}
    assert shown(opened("gradients", **SMALL, seed="5"), "Plain-20") == shown(app, "Plain-20")


def test_a_preset_chooses_networks_and_a_choice_of_one_s_own_is_no_preset() -> None:
    app = opened("gradients", **SMALL)
    assert app.segmented_control(key="gradients_preset").value is None
    app.segmented_control(key="gradients_preset").set_value("init").run()
    assert address(app)["nets"] == ",".join(gradients.PRESETS["init"])
    assert "This is what vanishing looks like" in answers(app)
    app.multiselect(key="gradients_nets").set_value([]).run()
    assert not app.exception
    assert len(app.info) == 3


@pytest.mark.parametrize(
    ("name", "text"),
    [("nets", "vgg16"), ("nets", ",".join(list(ARMS)[:5])), ("rate", "7"), ("epochs", "1000"),
     ("minibatch", "1"), ("decay", "steep"), ("seed", "-1"), ("data", "cats"), ("curve", "f1")],
)  # fmt: skip
def test_what_a_link_cannot_mean_is_said_once_and_left_out(name: str, text: str) -> None:
    app = opened("gradients", **{**SMALL, name: text})
    assert not app.exception
    (warning,) = app.warning
    assert f"{name}=" in warning.value.replace("\\", "")
    assert name not in address(app)


# ------------------------------------------------------------------------- training


def test_recorded_runs_are_in_the_table_with_links_that_open_them() -> None:
    app = opened("gradients", nets="plain56", rate="0.02")
    (table,) = [frame.value for frame in app.dataframe]
    known = [
        record.run for record in recorded()
        if record.run.setup == Setup("plain56", rate=0.02, seed=record.run.setup.seed)
    ]  # fmt: skip
    assert list(table["train"]) == [100 * run.points[-1].train_error for run in known]
    assert set(table["origin"]) == {"recorded"}
    assert table["link"][1] == "/gradients?nets=plain56&rate=0.02&seed=1"
    low, high = min(table["train"]), max(table["train"])
    assert f"Plain-56: training error {low:.1f} – {high:.1f}% (3 seeds)" in answers(app)


def test_a_training_runs_here_and_stands_beside_the_recorded_ones() -> None:
    app = opened("gradients", nets="resnet20", epochs="5", seed="7")
    app.button(key="gradients_train").click().run()
    assert app.button(key="gradients_train").disabled
    assert app.button(key="gradients_stop")
    finished(app)
    assert not app.exception
    table = app.dataframe[0].value
    own = table[table["origin"] == "here"].iloc[0]
    expected = train(Setup("resnet20", epochs=5, seed=7))
    assert own["train"] == pytest.approx(100 * expected.points[-1].train_error, abs=0.5)
    assert own["epochs"] == 5
    assert own["ending"] == "at its end"
    # Plain numbers stay, the job goes.
    (kept,) = app.session_state["gradients_runs"]
    assert kept.setup == expected.setup


def test_a_training_can_be_stopped() -> None:
    app = opened("gradients", nets="plain56", epochs="60")
    app.button(key="gradients_train").click().run()
    app.button(key="gradients_stop").click().run()
    finished(app)
    assert not app.error
    assert all(run.ending == "stopped" for run in app.session_state["gradients_runs"])


def test_a_loss_that_is_no_number_is_one_sentence() -> None:
    app = opened("gradients", nets="resnet56.none", epochs="5")
    app.button(key="gradients_train").click().run()
    finished(app)
    (warning,) = app.warning
    assert warning.value.startswith("ResNet-56, no BN: the loss became ")
    assert "with learning rate 0.1" in warning.value


def test_in_a_talk_nothing_is_told_before_it_is_revealed() -> None:
    app = opened("gradients", **SMALL, present="yes", step="1")
    assert {metric.value for metric in app.metric} == {"?"}
    before = answers(app)
    app.button(key="talk_on").click().run()
    assert "?" not in {metric.value for metric in app.metric}
    assert len(answers(app)) > len(before) + 100
    app.button(key="talk_on").click().run()
    assert not app.dataframe, "the recorded runs are the answer"
    assert not charts(app)
    app.button(key="talk_on").click().run()
    assert app.dataframe
    assert len(charts(app)) == 1


def test_in_chinese_nothing_is_left_in_english() -> None:
    app = opened("gradients", **SMALL, lang="zh")
    assert not english_left(app)
    assert metrics(app)
