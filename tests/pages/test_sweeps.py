"""The sweeps page: a few models, one thing that changes, and what it costs."""

from __future__ import annotations

import csv
import io
import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from explorer import cli, trace_model
from explorer.analysis.roofline import get_device, predict
from explorer.latency import Work, recorded
from explorer.latency.measure import peak_activation_bytes
from explorer.sweep import Point, Row, compute, grid
from explorer.sweep.curves import Sweep, measurable, measured_curves
from pages.shared import cache, timed
from pages.shared.sweeps import to_csv, to_json

APP = Path(__file__).parents[2] / "app.py"
SMALL = {"models": "lenet5,squeezenet1_1", "range": "32:64:16"}

Open = Callable[..., AppTest]


def finished(app: AppTest) -> AppTest:
    """Look again, as the browser does, until all points are there."""
    for _ in range(400):
        if not any(button.key == "sweep_stop" for button in app.button):
            return app
        app.run()
    raise AssertionError("the sweep does not end")


@pytest.fixture(autouse=True)
def _no_points_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache.sweeping, "_SWEPT", {})


@pytest.fixture
def open_page() -> Open:
    """Opens the page with what its link says, and waits for the last point."""

    def opened(**query: str) -> AppTest:
        app = AppTest.from_file(str(APP), default_timeout=120).run()
        for name in dict(app.query_params.items()):
            del app.query_params[name]
        for name, value in query.items():
            app.query_params[name] = value
        return finished(app.switch_page("pages/compare/sweeps.py").run())

    return opened


def table(app: AppTest) -> Any:
    (frame,) = app.dataframe
    return frame.value


def figure(app: AppTest) -> dict[str, Any]:
    (chart,) = app.get("plotly_chart")
    drawn: dict[str, Any] = json.loads(chart.proto.spec)
    return drawn


def link(app: AppTest) -> dict[str, str]:
    return {
        name: value if isinstance(value, str) else value[0]
        for name, value in app.query_params.items()
    }


def test_the_numbers_are_those_of_the_traces(open_page: Open) -> None:
    app = open_page(**SMALL, batch="2", device="NVIDIA L4", dtype="float16")
    assert not app.exception
    frame = table(app)
    assert list(frame["Model"]) == ["LeNet-5", "SqueezeNet 1.1"] * 3
    row = frame[(frame["Model"] == "SqueezeNet 1.1") & (frame["Input"] == "3 × 48 × 48")].iloc[0]
    trace = trace_model("squeezenet1_1", (2, 3, 48, 48))
    assert (row["Parameters"], row["MACs"]) == (trace.params, trace.macs)
    assert row["Activations B"] == trace.activation_bytes
    assert row["Peak B"] == peak_activation_bytes(trace)
    assert row["Predicted ms"] == predict(trace, get_device("NVIDIA L4"), "float16").ms


def test_the_curves_are_the_table(open_page: Open) -> None:
    app = open_page(**SMALL, log="xy")
    lines = figure(app)["data"]
    assert [line["name"] for line in lines[::2]] == ["LeNet-5", "SqueezeNet 1.1"]
    counted = table(app).query("Model == 'SqueezeNet 1.1'")
    assert lines[2]["x"] == [32, 48, 64]
    assert lines[2]["y"] == list(counted["MACs"])
    assert f"{counted['MACs'].iloc[0]:,} MACs" in " ".join(lines[2]["text"][0].split("<br>"))
    layout = figure(app)["layout"]
    assert (layout["xaxis"]["type"], layout["yaxis"]["type"]) == ("log", "log")


def test_an_illegal_point_names_its_layer_on_the_axis_in_the_table_and_in_a_sentence(
    open_page: Open,
) -> None:
    app = open_page(**SMALL)
    crosses = figure(app)["data"][1]
    assert crosses["x"] == [48, 64]
    assert crosses["customdata"] == [["f6"], ["f6"]]
    assert "f6 (Linear)" in " ".join(crosses["text"][0].split("<br>"))
    row = table(app).query("Model == 'LeNet-5' and Input == '1 × 64 × 64'").iloc[0]
    assert row["Breaks in"] == "f6"
    (point,) = grid(["lenet5"], [64])
    assert row["Why"] == compute(point).error
    said = [caption.value for caption in app.caption if "does not take" in caption.value]
    assert len(said) == 1
    assert "LeNet-5 does not take 2 of 3 values. The first, at 48" in said[0]


def test_what_a_link_says_is_shown_and_written_back(open_page: Open) -> None:
    query = {
        "source": "torchvision",
        "models": "densenet121,torchvision:squeezenet1_1",
        "over": "option:growth_rate",
        "range": "16:32:16",
        "at": "64x64",
        "batch": "4",
        "show": "peak",
        "log": "y",
        "device": "NVIDIA L4",
        "dtype": "int8",
    }
    app = open_page(**query)
    assert not app.exception
    assert not app.warning
    assert link(app) == query
    assert app.number_input(key="sweep_to_int").value == 32
    assert list(table(app)["growth_rate"].dropna()) == [16, 32]
    assert figure(app)["layout"]["title"]["text"] == "Peak activations by growth_rate"
    # The other model is shown in the table, and says why it has no curve.
    assert "has no option 'growth_rate'" in table(app)["Why"].iloc[-1]


@pytest.mark.parametrize(
    ("over", "extra", "inputs"),
    [
        ("height", {"width": "40"}, ["3 × 32 × 40", "3 × 64 × 40"]),
        ("ratio", {"ratio": "1:2"}, ["3 × 32 × 64", "3 × 64 × 128"]),
        ("batch", {"at": "64x64"}, ["3 × 64 × 64", "3 × 64 × 64"]),
    ],
)
def test_rectangles_and_batches_are_swept(
    open_page: Open, over: str, extra: dict[str, str], inputs: list[str]
) -> None:
    app = open_page(models="squeezenet1_1", over=over, range="32:64:32", **extra)
    assert not app.warning
    assert list(table(app)["Input"]) == inputs
    assert figure(app)["data"][0]["x"] == [32, 64]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"models": "resnet5O,lenet5"}, r"There is no model called 'resnet5O'"),
        ({"models": "torchvision:r3d_18,lenet5"}, r"takes video"),
        ({"models": "lenet5", "over": "option:growth_rate"}, "over='option:growth_rate'"),
        ({"models": "lenet5", "range": "0:9999:1"}, "range='0:9999:1'"),
        ({"models": "lenet5", "range": "nan"}, "range='nan'"),
        ({"models": "lenet5", "ratio": "2:0"}, "ratio='2:0'"),
        ({"models": "lenet5", "batch": "-1"}, "batch='-1'"),
        ({"models": "lenet5", "show": "beauty"}, "show='beauty'"),
        ({"models": "lenet5", "dtype": "int4"}, "dtype='int4'"),
    ],
)
def test_what_a_link_gets_wrong_is_one_sentence(
    open_page: Open, query: dict[str, str], sentence: str
) -> None:
    app = open_page(**query)
    assert not app.exception
    assert len(app.warning) == 1
    assert sentence.replace("r'", "'") in app.warning[0].value.replace("\\", "")
    assert set(table(app)["Model"]) == {"LeNet-5"}


def test_more_than_four_models_of_a_link_are_the_first_four(open_page: Open) -> None:
    names = "lenet5,lenet5_paper,squeezenet1_0,squeezenet1_1,alexnet"
    app = open_page(models=names, range="32:32:1")
    assert "the first 4 are shown" in app.warning[0].value
    assert len(table(app)) == 4


def test_a_range_that_ends_before_it_begins_is_a_sentence(open_page: Open) -> None:
    app = open_page(models="lenet5", range="64:32:8")
    assert app.error[0].value == "The range begins at 64, above its end at 32."
    assert not app.dataframe


def test_a_fine_range_is_thinned_to_sixty_points_and_says_so(open_page: Open) -> None:
    app = open_page(models="lenet5", over="batch", range="1:100:1")
    assert list(table(app)["Batch"]) == list(range(1, 101, 2))
    assert any("In steps of 2, because 1 would be more" in each.value for each in app.caption)


def test_no_model_is_a_sentence_and_keeps_the_rest(open_page: Open) -> None:
    app = open_page(models="none", show="params")
    assert app.info[0].value == "Choose one to four models."
    app.multiselect(key="sweep_models").set_value(["lenet5"]).run()
    finished(app)
    assert link(app)["show"] == "params"
    assert len(table(app)) > 0


def test_another_thing_swept_begins_with_its_own_range(open_page: Open) -> None:
    app = open_page(models="lenet5", range="32:40:2")
    finished(app.selectbox(key="sweep_over").set_value("batch").run())
    assert link(app)["range"] == "1:32:1"
    app.number_input(key="sweep_to_int").set_value(3).run()
    finished(app)
    assert link(app)["range"] == "1:3:1"
    assert list(table(app)["Batch"]) == [1, 2, 3]


def test_another_quantity_computes_nothing_again(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page(**SMALL)
    monkeypatch.setattr(cache.sweeping, "compute", None)
    app.segmented_control(key="sweep_show").set_value("time").run()
    assert not app.exception
    assert figure(app)["layout"]["title"]["text"] == "Predicted time by input size"
    assert link(app)["models"] == SMALL["models"]


def test_what_is_measured_here_stands_beside_what_is_predicted(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = recorded("lenet5")[0]

    def measured(works: Sequence[Work], **settings: Any) -> Iterator[tuple[Work, Any]]:
        for work in works:
            if work.input_shape[2] == 48:
                yield work, "This one is too large."
            else:
                yield work, replace(first, model=work.model, median_ms=work.input_shape[2] / 10)

    monkeypatch.setattr(timed, "measure_all", measured)
    app = open_page(**SMALL, show="time")
    names = [line["name"] for line in figure(app)["data"]]
    assert names[0] == "LeNet-5"
    app.button(key="here_measure").click().run()
    app.session_state["here_job"]._thread.join()
    finished(app.run())
    assert not app.exception
    drawn = {line["name"]: line for line in figure(app)["data"]}
    assert {"LeNet-5, predicted", "SqueezeNet 1.1, predicted"} < set(drawn)
    assert list(drawn["SqueezeNet 1.1, measured here"]["x"]) == [32, 64]
    assert list(drawn["SqueezeNet 1.1, measured here"]["y"]) == [3.2, 6.4]
    assert list(drawn["LeNet-5, measured here"]["x"]) == [32]
    said = " ".join(drawn["SqueezeNet 1.1, measured here"]["text"][0].split("<br>"))
    assert "3.2 ms measured" in said
    assert first.environment.device_name in said
    title = figure(app)["layout"]["title"]["text"]
    assert title == "Time by input size: predicted for NVIDIA T4, float32, and measured here"
    frame = table(app)
    counted = frame[frame["Model"] == "SqueezeNet 1.1"]["Measured ms"]
    assert list(counted.dropna()) == [3.2, 6.4]
    texts = [caption.value.replace("\\", "") for caption in app.caption]
    assert any("48 × 48, batch of 1: This one is too large." in text for text in texts)
    # Another type has no times yet.
    finished(app.selectbox(key="here_dtype").set_value("bfloat16").run())
    assert link(app)["as"] == "bfloat16"
    assert not any("measured" in line["name"] for line in figure(app)["data"])


def test_a_model_is_measured_at_nine_of_its_points_at_most() -> None:
    sweep = Sweep(("lenet5",), "batch", "1:60:1")
    rows = {point.key: compute(point) for point in sweep.points()}
    works = measurable(sweep, rows)
    assert len(works) == 9
    batches = [work.input_shape[0] for work in works]
    assert (batches[0], batches[-1]) == (1, 60)
    assert batches == sorted(batches)
    assert works[0].macs == trace_model("lenet5", (1, 1, 32, 32)).macs
    assert works[-1].macs == 60 * works[0].macs


def test_what_a_model_does_not_take_is_not_measured_and_options_are_passed_on() -> None:
    sweep = Sweep(("densenet121", "lenet5"), "option:growth_rate", "16:32:16", size=(64, 64))
    rows = {point.key: compute(point) for point in sweep.points()}
    works = measurable(sweep, rows)
    assert [(work.model, dict(work.options)["growth_rate"]) for work in works] == [
        ("densenet121", 16), ("densenet121", 32),
    ]  # fmt: skip
    times = {work: recorded("lenet5")[0] for work in works}
    first, second = measured_curves(sweep, times, "here")
    assert [mark.x for mark in first.legal] == [16, 32]
    assert second.legal == ()


def test_stop_keeps_what_is_done_and_go_on_finishes(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pages.shared.sweeps._FIRST_SECONDS", 0)
    monkeypatch.setattr("pages.shared.sweeps._SLICE_SECONDS", 0)
    app = AppTest.from_file(str(APP), default_timeout=120).run()
    app.query_params.clear()
    for name, value in SMALL.items():
        app.query_params[name] = value
    app.switch_page("pages/compare/sweeps.py").run()
    # One point in each look, and both ends of a curve come before its middle.
    app.run()
    app.button(key="sweep_stop").click().run()
    assert list(table(app)["Input"]) == ["1 × 32 × 32", "3 × 32 × 32"]
    assert "Stopped: 2 of 6 points are shown." in [each.value for each in app.markdown]
    app.run()
    assert len(table(app)) == 2
    app.button(key="sweep_go_on").click().run()
    assert len(table(finished(app))) == 6


@pytest.fixture
def rows(open_page: Open) -> tuple[AppTest, list[Row]]:
    app = open_page(**SMALL, device="NVIDIA L4")
    return app, list(cache.sweeping.swept(_points()).values())


def _points() -> list[Point]:
    return Sweep(
        tuple(SMALL["models"].split(",")), "size", SMALL["range"], device="NVIDIA L4"
    ).points()


def test_the_command_shown_writes_the_file_that_is_downloaded(
    rows: tuple[AppTest, list[Row]], tmp_path: Path
) -> None:
    app, kept = rows
    command = app.code[0].value
    assert command.startswith("python -m explorer sweep --models lenet5,squeezenet1_1")
    file = tmp_path / "sweep.csv"
    assert cli.main([*shlex.split(command)[3:], "--workers", "0", "-o", str(file)]) == 0

    def without_seconds(text: str) -> list[dict[str, str]]:
        return [
            {name: value for name, value in row.items() if name != "seconds"}
            for row in csv.DictReader(io.StringIO(text))
        ]

    assert without_seconds(to_csv(kept)) == without_seconds(file.read_text())
    assert [Row(**each) for each in json.loads(to_json(kept))] == kept
