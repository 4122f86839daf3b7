"""The lesson "Feature maps": one real pass, weights from a file, and what links mean."""

from __future__ import annotations

import time
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import torch
from streamlit.testing.v1 import AppTest

from explorer.analysis.layers import layers
from explorer.analysis.receptive_field import receptive_fields, result_op
from explorer.analysis.units import count, percent, rounded
from explorer.lessons.feature_maps import Maps, Source, feature_maps
from explorer.lessons.inputs import fitted
from explorer.lessons.pictures import sample_picture
from explorer.lessons.taps import tap_of
from explorer.trace import trace_model
from explorer.zoo import build_model
from pages.shared.learn import feature_maps as page
from pages.shared.learn.lanes import PASSES
from tests.pages.course import address, answers, charts, english_left, metrics, opened

SMALL = {"model": "resnet20", "input": "3x32x32"}


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run waits for its pass, however busy the machine is."""
    monkeypatch.setattr(page, "_PATIENCE", 120)


def finished(app: AppTest) -> AppTest:
    """The page, its pass being over."""
    assert "maps_job" not in app.session_state
    assert not app.exception
    return app


def shown(**query: str) -> AppTest:
    return finished(opened("feature_maps", **query))


def library(key: str, source: Source | None = None) -> Maps:
    trace = trace_model("resnet20", (1, 3, 32, 32))
    row = next(row for row in layers(trace) if row.key == key)
    op = result_op(trace, row)
    tap = tap_of(trace, op)
    assert tap
    picture = fitted(sample_picture(32), 32, 32)
    field = receptive_fields(trace)[op]
    return feature_maps("resnet20", {}, trace, op, tap, field, picture, source or Source())


def upload(app: AppTest, content: Any, name: str = "net.pth") -> AppTest:
    if not isinstance(content, bytes):
        buffer = BytesIO()
        torch.save(content, buffer)
        content = buffer.getvalue()
    app.file_uploader(key="maps_file").set_value((name, content, "application/octet-stream"))
    return finished(app.run())


def test_it_opens_on_the_first_convolution_with_random_weights() -> None:
    app = shown(**SMALL)
    made = library("conv1")
    assert app.selectbox(key="maps_box_1").value == "conv1"
    assert metrics(app)["Channels"][0] == count(made.channels)
    assert metrics(app)["Map"][0] == "32 × 32"
    assert metrics(app)["Zeros"][0] == percent(float(made.zeros.mean()))
    strongest = int(made.strengths.argmax())
    assert f"Channel {strongest} of conv1" in charts(app)
    assert metrics(app)["Largest magnitude"][0] == rounded(float(made.peaks[strongest]))
    assert "Random weights show what the architecture alone does" in answers(app)
    assert address(app) == SMALL


def test_layer_order_seed_and_channel_are_in_the_link() -> None:
    app = shown(**SMALL)
    app.select_slider(key="maps_depth_1").set_value("layer2.0.conv1").run()
    app.segmented_control(key="maps_order").set_value("index").run()
    app.number_input(key="maps_seed").set_value(7).run()
    finished(app)
    app.select_slider(key="maps_channel_2").set_value(11).run()
    assert not app.exception
    assert address(app) == {
        **SMALL, "layer": "layer2.0.conv1", "order": "index", "seed": "7", "channel": "11",
    }  # fmt: skip
    made = library("layer2.0.conv1", Source(seed=7))
    assert metrics(app)["Mean"][0] == rounded(float(made.means[11]))
    again = shown(**address(app))
    assert metrics(again)["Mean"] == metrics(app)["Mean"]
    assert again.select_slider(key="maps_channel_2").value == 11


def test_a_relu_shows_its_zeros() -> None:
    app = shown(**SMALL, layer="relu")
    made = library("relu")
    assert metrics(app)["Zeros"][0] == percent(float(made.zeros.mean()))
    assert 0.2 < float(made.zeros.mean()) < 0.8
    assert "This layer is no convolution" in answers(app)


def test_a_vector_is_drawn_as_bars() -> None:
    app = shown(**SMALL, layer="fc")
    (figure,) = [f for title, f in charts(app).items() if title.endswith(": fc")]
    assert figure["data"][0]["type"] == "bar"
    assert len(figure["data"][0]["x"]) == 10


def test_a_file_of_weights_is_used_and_its_classes_are_taken_over() -> None:
    model = build_model("resnet20", num_classes=7)
    app = shown(**SMALL)
    app.segmented_control(key="maps_weights").set_value("file").run()
    assert "Choose a file with weights" in app.info[0].value
    upload(app, {"state_dict": model.state_dict(), "epoch": 1})
    buffer = BytesIO()
    torch.save(model.state_dict(), buffer)
    made = library("conv1", Source(data=buffer.getvalue(), filename="net.pth"))
    strongest = int(made.strengths.argmax())
    assert metrics(app)["Largest magnitude"][0] == rounded(float(made.peaks[strongest]))
    assert "The file's classifier has 7 classes" in answers(app)
    assert "Random weights show" not in answers(app)
    assert "weights" not in address(app)


def test_a_file_of_another_model_is_one_sentence() -> None:
    app = shown(**SMALL)
    app.segmented_control(key="maps_weights").set_value("file").run()
    upload(app, build_model("resnet32").state_dict(), "resnet32.pth")
    (error,) = app.error
    assert "resnet32.pth does not fit ResNet-20" in error.value.replace("\\", "")
    assert "it fits ResNet-32" in error.value.replace("\\", "")
    # Another choice works as before.
    app.segmented_control(key="maps_weights").set_value("random").run()
    finished(app)
    assert not app.error
    assert "Channels" in metrics(app)


class Harmful:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("data", ["harmful", b"hello", b"", b"PK\x03\x04nothing"])
def test_what_is_no_file_of_weights_is_one_sentence_and_runs_nothing(
    data: Any, tmp_path: Path
) -> None:
    victim = tmp_path / "created"
    app = shown(**SMALL)
    app.segmented_control(key="maps_weights").set_value("file").run()
    upload(app, {"x": Harmful(victim)} if data == "harmful" else data)
    assert not victim.exists()
    if data != b"":
        (error,) = app.error
        assert error.value.startswith("net.pth")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"layer": "layer9"}, "asks for the layer 'layer9'"),
        ({"weights": "mine"}, "weights='mine'"),
        ({"seed": "-1"}, "seed='-1'"),
        ({"seed": "99999"}, "seed='99999'"),
        ({"order": "size"}, "order='size'"),
        ({"channel": "x"}, "channel='x'"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_what_a_link_cannot_mean_is_one_sentence(query: dict[str, str], said: str) -> None:
    app = shown(**SMALL, **query)
    (warning,) = app.warning
    assert said in warning.value.replace("\\", "")
    assert "Channels" in metrics(app)


def test_a_channel_that_there_is_not_gives_the_first() -> None:
    app = shown(**SMALL, channel="900")
    assert not app.exception
    assert app.select_slider(key="maps_channel_2").value in range(16)


def test_a_model_that_is_too_large_says_so() -> None:
    app = shown(model="vgg16", input="3x2048x2048", layer="features.28")
    (error,) = app.error
    assert "choose an earlier layer, a smaller input or a smaller model" in error.value


def test_a_pass_that_takes_long_shows_its_progress_and_can_be_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(page, "_PATIENCE", 0)
    with PASSES.turn(lambda _: None, lambda: None):  # another visitor's pass
        app = opened("feature_maps", **SMALL)
        assert not app.exception
        assert "Channels" not in metrics(app)
        assert "There is nothing to show yet." in answers(app)
        job = app.session_state["maps_job"][1]
        app.button(key="maps_stop").click().run()
        deadline = time.monotonic() + 60
        while job.running and time.monotonic() < deadline:
            time.sleep(0.02)
        app.run()
        assert not app.error
    monkeypatch.setattr(page, "_PATIENCE", 120)
    app.button(key="maps_again").click().run()
    assert "Channels" in metrics(finished(app))


def test_batch_and_mode_of_the_sidebar_do_not_matter() -> None:
    app = shown(**SMALL, batch="8", mode="train")
    assert not app.exception
    assert metrics(app)["Map"][0] == "32 × 32"


def test_it_speaks_chinese() -> None:
    app = shown(**SMALL, lang="zh")
    assert english_left(app) == []
    app = shown(**SMALL, lang="zh", layer="layer2.0.conv1")
    assert english_left(app) == []


def test_a_talk_hides_the_numbers_and_makes_the_maps_in_any_part() -> None:
    app = shown(**SMALL, present="yes", step="2")
    assert {value for value, _ in metrics(app).values()} == {"?"}
    (figure,) = charts(app).values()
    assert figure["data"][0]["colorbar"]["showticklabels"] is False
    app.button(key="talk_on").click().run()
    assert "?" not in {value for value, _ in metrics(app).values()}
