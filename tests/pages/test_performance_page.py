"""The page "Performance", run without a browser: what it shows is what the library says."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from explorer import trace_model
from explorer.analysis import inference_memory, largest_batch, precisions, training_memory
from explorer.analysis.agreement import Compared, agreement
from explorer.analysis.layer_memory import layer_memory, layer_training
from explorer.analysis.recorded import calibrated_device, options_of
from explorer.analysis.roofline import bottlenecks, get_device, predict
from explorer.analysis.units import count, memory, rounded
from explorer.errors import MeasurementError
from explorer.latency import (
    Calibration,
    LatencyRecord,
    Progress,
    recorded,
    recorded_calibrations,
)
from explorer.trace.records import Trace
from pages.shared import runs, setup
from pages.shared.choice import native_choice
from pages.shared.performance import calibration
from tests.pages.test_measuring import RECORD

APP = Path(__file__).parents[2] / "app.py"
PAGE = "pages/inspect/performance.py"
T4 = get_device("NVIDIA T4")

Open = Callable[..., AppTest]


@pytest.fixture
def open_page() -> Open:
    """Opens the page as the navigation does, with what its link says."""

    def opened(**query: str) -> AppTest:
        app = AppTest.from_file(str(APP), default_timeout=120).run()
        for name in dict(app.query_params.items()):
            del app.query_params[name]
        for name, value in query.items():
            app.query_params[name] = value
        return app.switch_page(PAGE).run()

    return opened


def address(app: AppTest) -> dict[str, str]:
    """The query parameters after the run."""
    parts = app.query_params.items()
    return {name: value if isinstance(value, str) else value[0] for name, value in parts}


def metrics(app: AppTest) -> dict[str, tuple[str, str]]:
    return {metric.label: (metric.value, metric.delta) for metric in app.metric}


def table(app: AppTest, column: str) -> Any:
    """The one table that has this column."""
    (found,) = [frame.value for frame in app.dataframe if column in frame.value.columns]
    return found


def texts(app: AppTest) -> str:
    """All that is written, without the backslashes that keep it from being Markdown."""
    found = [element.value for element in (*app.markdown, *app.caption, *app.subheader)]
    return re.sub(r"\\(.)", r"\1", "\n".join(found))


def charts(app: AppTest) -> list[dict[str, Any]]:
    return [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]


def resnet18(batch: int = 1, mode: str = "eval") -> Trace:
    return trace_model("resnet18", (batch, 3, 224, 224), mode=mode)


# ------------------------------------------------------------------------ head


def test_the_head_is_the_library_s_prediction(open_page: Open) -> None:
    app = open_page(model="resnet18")
    assert not app.exception
    made = predict(resnet18(), T4)
    found = bottlenecks(made)
    shown = metrics(app)
    assert shown["Predicted time"] == (
        f"{rounded(made.ms)} ms",
        f"{rounded(made.images_per_second)} images/s",
    )
    assert shown["Launches"] == (count(made.launches), "4 µs each")
    shares = (found.memory_share, found.compute_share, found.launch_share)
    assert shown["Bound by"][0] == "/".join(f"{100 * share:.0f}" for share in shares) + "%"
    assert shown["Memory to run"][0] == memory(inference_memory(resnet18()).total)
    step = training_memory(resnet18(mode="train"), "adam")
    assert shown["Memory to train"] == (memory(step.total), "Adam, float32")
    runs = largest_batch(resnet18(), 16 * 10**9)
    trains = largest_batch(resnet18(mode="train"), 16 * 10**9, training=True, optimizer="adam")
    assert shown["Batch in 16 GB"] == (count(runs.batch), f"{count(trains.batch)} to train")
    assert made.statement() in texts(app)


def test_device_type_tf32_and_launches_change_the_prediction_and_are_in_the_link(
    open_page: Open,
) -> None:
    app = open_page(model="resnet18")
    app.selectbox(key="performance_device").set_value("NVIDIA A100 80GB SXM").run()
    app.toggle(key="performance_tf32").set_value(True).run()
    app.toggle(key="performance_launch").set_value(False).run()
    a100 = get_device("NVIDIA A100 80GB SXM")
    made = predict(resnet18(), a100, tf32=True, launch=False)
    assert metrics(app)["Predicted time"][0] == f"{rounded(made.ms)} ms"
    assert metrics(app)["Launches"][1] == "not counted"
    link = {"device": "NVIDIA A100 80GB SXM", "tf32": "yes", "launch": "no"}
    assert {**address(app), **link} == address(app)
    again = open_page(**address(app))
    assert metrics(again) == metrics(app)
    assert address(again) == address(app)


def test_a_type_that_a_device_lacks_is_not_offered_and_says_so(open_page: Open) -> None:
    app = open_page(model="resnet18", device="NVIDIA H100 SXM", dtype="bfloat16")
    assert address(app)["dtype"] == "bfloat16"
    app.selectbox(key="performance_device").set_value("NVIDIA T4").run()
    assert not app.exception
    assert app.get_by_key("performance_dtype").options == ["float32", "float16", "int8"]
    assert "dtype" not in address(app)
    assert app.toggle(key="performance_tf32").disabled
    assert "The NVIDIA T4 has no peak rate for bfloat16 or TF32." in texts(app)


def test_a_custom_device_starts_from_the_last_one_and_follows_its_numbers(
    open_page: Open,
) -> None:
    app = open_page(model="resnet18", device="NVIDIA L4")
    before = metrics(app)["Predicted time"]
    app.selectbox(key="performance_device").set_value("custom").run()
    assert metrics(app)["Predicted time"] == before
    assert address(app)["custom"] == (
        "float32:30.3,tf32:60,float16:121,bfloat16:121,int8:242.5,bandwidth:300,memory:24,launch:4"
    )
    app.number_input(key="own_bandwidth").set_value(30.0).run()
    own = get_device("NVIDIA L4")._replace(bandwidth=30e9)
    assert metrics(app)["Predicted time"][0] == f"{rounded(predict(resnet18(), own).ms)} ms"
    assert "bandwidth:30," in address(app)["custom"]
    assert metrics(open_page(**address(app))) == metrics(app)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("device", "abacus"),
        ("dtype", "float8"),
        ("tf32", "maybe"),
        ("optimizer", "lion"),
        ("precision", "8bit"),
        ("budget", "-4"),
        ("budget", "nan"),
        ("show", "everything"),
        ("custom", "float32:-1,bandwidth:1,memory:1,launch:1"),
        ("custom", "float32:inf,bandwidth:1,memory:1,launch:1"),
        ("custom", "float32:1"),
    ],
)
def test_what_a_link_gets_wrong_is_one_sentence(open_page: Open, name: str, value: str) -> None:
    app = open_page(model="lenet5", **{name: value})
    assert not app.exception
    (warning,) = app.warning
    assert value in re.sub(r"\\(.)", r"\1", warning.value)
    assert name not in address(app)


def test_a_model_that_fails_at_this_size_says_what_the_layers_page_says(open_page: Open) -> None:
    app = open_page(model="alexnet", input="3x32x32", show="memory")
    assert not app.exception
    (error,) = app.error
    assert error.value.startswith("alexnet at 3x32x32 fails in features.12")
    assert not app.metric
    assert address(app)["show"] == "memory"
    app.button(key="suggestion").click().run()
    assert not app.error
    assert "Predicted time" in metrics(app)


def test_a_model_that_cannot_train_at_batch_1_still_predicts_and_runs(open_page: Open) -> None:
    app = open_page(model="osnet_x0_25", show="training")
    assert not app.exception
    assert metrics(app)["Memory to train"] == ("none", "fails at this batch")
    assert len(app.error) == 1
    app.button(key="suggestion").click().run()
    assert not app.error
    assert metrics(app)["Memory to train"][0] != "none"


def test_the_choice_and_the_selection_come_along_from_the_layers_page(open_page: Open) -> None:
    app = AppTest.from_file(str(APP), default_timeout=120)
    app.query_params["model"], app.query_params["layer"] = "resnet18", "layer2.0.conv1"
    app.query_params["batch"] = "4"
    app.run()
    for name in dict(app.query_params.items()):  # as the browser does when the page changes
        del app.query_params[name]
    app.switch_page(PAGE).run()
    assert not app.warning
    assert address(app) == {
        "model": "resnet18", "input": "3x224x224", "batch": "4", "layer": "layer2.0.conv1"
    }  # fmt: skip
    assert metrics(app)["Predicted time"][0] == f"{rounded(predict(resnet18(4), T4).ms)} ms"


def test_in_training_mode_the_forward_pass_is_timed_and_memory_to_run_stays_evaluation_s(
    open_page: Open,
) -> None:
    app = open_page(model="resnet18", mode="train", batch="2")
    made = predict(resnet18(2, "train"), T4)
    assert metrics(app)["Predicted time"][0] == f"{rounded(made.ms)} ms"
    assert "the backward pass is not in the time" in texts(app)
    assert metrics(app)["Memory to run"][0] == memory(inference_memory(resnet18(2)).total)


# ------------------------------------------------------------------------ tabs


@pytest.mark.parametrize("tab", setup.TABS)
@pytest.mark.parametrize(
    ("model", "more"),
    [
        ("lenet5", {}),
        ("resnet18", {"batch": "8", "mode": "train"}),
        ("vit_b_16", {"device": "NVIDIA H100 SXM", "dtype": "bfloat16"}),
        ("densenet121", {"device": "Apple M1 Max (32-core GPU)", "layer": "features.norm5"}),
        ("efficientnet_b0", {"dtype": "int8", "checkpoint": "yes", "precision": "mixed"}),
        ("torchvision:swin_t", {"device": "Intel Core i7-1185G7 (laptop CPU)"}),
    ],
)
def test_every_tab_shows(open_page: Open, model: str, more: dict[str, str], tab: str) -> None:
    app = open_page(model=model, show=tab, **more)
    assert not app.exception
    assert not app.error
    assert not app.warning
    # Nothing of Plotly's on the first screen, and never more than two charts.
    assert len(charts(app)) == (0 if tab in ("why", "measured") else 1)
    if tab not in ("measured", "agreement"):
        assert "Predicted, not measured" in texts(app)


def test_why_says_what_the_library_says_and_tells_the_story(open_page: Open) -> None:
    app = open_page(model="resnet18", device="NVIDIA H100 SXM")
    h100 = get_device("NVIDIA H100 SXM")
    for sentence in bottlenecks(predict(resnet18(), h100)).sentences:
        assert sentence in texts(app)
    story = table(app, "Images/s at 64")
    assert list(story["Architecture"]) == ["ResNet-50 (v1.5)", "EfficientNet-B0", "DenseNet-121"]
    for at, name in enumerate(("resnet50", "efficientnet_b0", "densenet121")):
        one, many = (
            predict(trace_model(name, (batch, *native_choice(name).input_shape[1:])), h100)
            for batch in (1, 64)
        )
        row = story.iloc[at]
        assert row["MACs"] == one.macs / 1e9
        assert row["Launches"] == one.launches
        assert row["ms"] == pytest.approx(one.ms, rel=0.005)
        assert row["Images/s"] == pytest.approx(one.images_per_second, rel=0.005)
        assert row["Images/s at 64"] == pytest.approx(many.images_per_second, rel=0.005)


def test_the_table_of_times_is_the_prediction_and_a_click_selects(open_page: Open) -> None:
    app = open_page(model="resnet18", show="layers")
    rows = [row for row in predict(resnet18(), T4).layers if row.ms]
    frame = table(app, "Bound")
    assert list(frame["Layer"]) == [row.key for row in rows]
    assert list(frame["ms"]) == [pytest.approx(row.ms, rel=0.005) for row in rows]
    assert list(frame["MACs"]) == [row.macs for row in rows]
    assert frame["Share"].sum() == pytest.approx(100)
    (drawn,) = [frame for frame in app.dataframe if frame.key == "time_table"]
    states = app._tree.get_widget_states()
    event = states.widgets.add()
    event.id = drawn.proto.id
    selection = {"rows": [], "columns": [], "cells": [[3, "Layer"]]}
    event.string_value = json.dumps({"selection": selection})
    app._run(states)
    assert address(app)["layer"] == rows[3].key
    assert f"{rounded(rows[3].ms)} ms predicted" in texts(app)


def test_an_unknown_layer_is_said(open_page: Open) -> None:
    app = open_page(model="resnet18", layer="nowhere.1")
    assert not app.exception
    assert "No layer called nowhere.1 takes time here." in texts(app)


def test_memory_is_the_library_s(open_page: Open) -> None:
    app = open_page(model="resnet18", show="memory", dtype="float16", batch="4", budget="2")
    found = inference_memory(resnet18(4), dtype="float16")
    alive = table(app, "Op")
    assert list(alive["MiB"] * 2**20) == [block.nbytes for block in found.alive]
    assert alive["Share"].sum() == pytest.approx(100)
    types = table(app, "Weights")
    exact = precisions(resnet18(4))
    assert list(types["Type"]) == ["float32", "float16", "bfloat16", "int8"]
    assert list(types["Weights"] * 2**20) == [each.weight_bytes for each in exact]
    assert list(types["Activations"] * 2**20) == [each.activation_bytes for each in exact]
    for each in exact:
        assert each.assumption in texts(app)
    fits = largest_batch(resnet18(4), 2 * 10**9, dtype="float16")
    assert f"Runs in 2 GB up to **batch {count(fits.batch)}** (float16)" in texts(app)
    parts = {label: value for label, (value, _) in metrics(app).items()}
    assert parts["Parameters"] == memory(found.parameter_bytes)
    assert parts["Buffers"] == memory(found.buffer_bytes)
    assert parts["Activations"] == memory(found.eager_peak)
    assert parts["Input, of it"] == memory(found.input_bytes)
    assert parts["At best"] == memory(found.ideal_peak)
    assert f"take {memory(found.total)}" in texts(app)


def test_training_is_the_library_s(open_page: Open) -> None:
    app = open_page(
        model="resnet18", batch="2", show="training", optimizer="momentum", precision="mixed",
        checkpoint="yes", budget="0.2",
    )  # fmt: skip
    how = {
        "optimizer": "momentum", "dtype": "float16", "mixed_precision": True, "checkpoint": True,
    }  # fmt: skip
    step = training_memory(resnet18(2, "train"), **how)
    parts = dict(table(app, "Part").itertuples(index=False))
    assert parts["Saved for backward"] == step.saved_bytes
    assert parts["Optimizer's state"] == step.optimizer_bytes
    assert parts["Total"] == step.total == sum(parts.values()) - parts["Total"]
    fits = largest_batch(resnet18(2, "train"), 2 * 10**8, training=True, **how)
    assert f"**batch {count(fits.batch)}** (Momentum, mixed 16-bit, checkpoints)" in texts(app)
    (chart,) = charts(app)
    assert chart["layout"]["title"]["text"] == f"One training step: {memory(step.total)}"


def test_a_budget_too_small_for_one_image_is_said(open_page: Open) -> None:
    app = open_page(model="vgg16", show="memory", budget="0.1")
    assert "Not even one image fits in 0.1 GB (float32)" in texts(app)


def test_the_budget_is_the_device_s_until_it_is_typed_in(open_page: Open) -> None:
    app = open_page(model="resnet18", show="memory")
    field = app.number_input(key="performance_budget_widget")
    assert field.value == 16
    field.set_value(8.0).run()
    assert address(app)["budget"] == "8"
    app.selectbox(key="performance_device").set_value("NVIDIA L4").run()
    assert app.number_input(key="performance_budget_widget").value == 8
    app.number_input(key="performance_budget_widget").set_value(24.0).run()
    assert "budget" not in address(app)


def test_measured_and_predicted_times_are_rows_with_their_origin(open_page: Open) -> None:
    app = open_page(model="resnet18", show="measured")
    rows = table(app, "Origin")
    assert list(rows["Origin"]) == ["predicted", "recorded"]
    (kept,) = recorded("resnet18")
    assert rows["ms"].iloc[1] == pytest.approx(kept.median_ms, rel=0.005)
    app.session_state["latency_records"] = [record("resnet18"), record("resnet34")]
    app.run()
    rows = table(app, "Origin")
    assert list(rows["Origin"]) == ["predicted", "measured here", "recorded"]
    assert rows["ms"].iloc[1] == 12.5
    assert list(rows["Device"])[:2] == ["NVIDIA T4", RECORD.environment.device_name]
    # Another size or another setting of the model is another measurement.
    assert "recorded" not in list(
        table(open_page(model="resnet18", input="3x64x64", show="measured"), "Origin")["Origin"]
    )


def record(model: str) -> LatencyRecord:
    return replace(
        RECORD,
        model=model,
        options=tuple(native_choice(model).build_options.items()),
        input_shape=(1, 3, 224, 224),
        median_ms=12.5,
    )


# ----------------------------------------------------------- predicted against taken


def test_the_scatter_is_the_recorded_zoo_predicted_with_its_own_peaks(open_page: Open) -> None:
    app = open_page(model="resnet18", show="agreement")
    assert not app.exception
    device = calibrated_device(recorded_calibrations()[0])
    rows = []
    for each in recorded():
        trace = trace_model(each.model, each.input_shape, options=options_of(each, each.model))
        ms = predict(trace, device).ms
        rows.append(Compared(each.model, "", ms, each.median_ms, trace.macs))
    told = agreement(rows)
    shown = metrics(app)
    assert f"The median of {len(rows)} runs takes" in texts(app)
    assert shown["Median ratio"][0] == rounded(told.median_ratio)
    assert shown["Median error"][0] == f"{100 * told.median_error:.0f}%"
    assert shown["Rank correlation"] == (f"{told.rank:.3f}", f"MACs: {told.macs_rank:.3f}")
    (chart,) = charts(app)
    dots = {
        name: (x, y)
        for trace in chart["data"]
        if trace.get("customdata")
        for [name], x, y in zip(
            trace["customdata"], values(trace["x"]), values(trace["y"]), strict=True
        )
    }
    assert dots == {row.name: (pytest.approx(row.predicted_ms), row.taken_ms) for row in rows}
    text = texts(app)
    assert "Recorded, run on AMD EPYC (2 threads) on 2026-11-26." in text
    assert "2 µs a launch (assumed)" in text
    assert "No GPU runs come with this version: record yours with" in text


def values(stored: Any) -> list[float]:
    """Plotly's JSON has long lists of numbers as base64."""
    if isinstance(stored, dict):
        return list(np.frombuffer(base64.b64decode(stored["bdata"]), stored["dtype"]))
    return list(stored)


def test_the_scatter_can_be_of_the_device_above_and_says_what_that_means(open_page: Open) -> None:
    app = open_page(model="resnet18", show="agreement", fit="chosen")
    assert address(app)["fit"] == "chosen"
    assert "Predicted with the numbers of NVIDIA T4, chosen above" in texts(app)
    assert "Unless that is the same device, the ratio says nothing" in texts(app)
    app.get_by_key("performance_fit").set_value("own").run()
    assert "fit" not in address(app)


def test_own_runs_are_groups_of_their_own_with_their_label(open_page: Open) -> None:
    app = open_page(model="resnet18", show="agreement")
    mine = replace(recorded("resnet18")[0], source="imported")
    odd = replace(mine, model="nobody_knows")
    types = [replace(mine, dtype="float64"), odd, mine]
    app.session_state["imported_runs"] = [runs.Imported("a100.jsonl", tuple(types))]
    app.session_state["latency_records"] = [record("resnet34")]
    app.run()
    box = app.selectbox(key="performance_runs")
    assert box.options == [
        "Recorded: AMD EPYC, 2 threads, float32 (47 runs)",
        "Measured here: A processor, 2 threads, float32 (1 run)",
        "Imported from a100.jsonl: AMD EPYC, 2 threads, float64 (1 run)",
        "Imported from a100.jsonl: AMD EPYC, 2 threads, float32 (2 runs)",
    ]
    box.select_index(3).run()
    assert not app.exception
    assert address(app)["runs"] == "imported from a100.jsonl: AMD EPYC 2 threads, float32"
    assert "Left out: 1 with a model that is not known here." in texts(app)
    (chart,) = charts(app)
    assert chart["layout"]["title"]["text"] == "Imported against predicted time"
    app.selectbox(key="performance_runs").select_index(2).run()
    (info,) = app.info
    assert "None of these runs can be predicted: 1 with no prediction for float64" in info.value
    # The same file is in the table of the model that it is of.
    app.session_state["performance_tab"] = "measured"
    app.run()
    assert "imported from a100.jsonl" in list(table(app, "Origin")["Origin"])


def test_a_link_to_runs_that_are_not_here_is_one_sentence(open_page: Open) -> None:
    app = open_page(model="lenet5", show="agreement", runs="imported from secret.csv: X, float32")
    assert not app.exception
    assert "imported from secret.csv" in re.sub(r"\\(.)", r"\1", app.warning[0].value)


def test_a_bad_import_is_one_sentence_and_a_file_can_be_removed(open_page: Open) -> None:
    app = open_page(model="lenet5", show="measured")
    app.session_state["import_problem"] = "x.csv holds no run."
    app.session_state["imported_runs"] = [runs.Imported("mine.jsonl", (record("lenet5"),))]
    app.run()
    assert [error.value for error in app.error] == ["x.csv holds no run."]
    assert "mine.jsonl: 1 run" in texts(app).replace("**", "")
    app.button(key="import_remove_0").click().run()
    assert app.session_state["imported_runs"] == []


# ------------------------------------------------------------------- this machine


CALIBRATION = Calibration(
    environment=RECORD.environment,
    peaks=(("float32", 2e11), ("bfloat16", 5e11)),
    bytes_per_second=4e10,
    launch_seconds=3e-6,
    memory_bytes=32 * 10**9,
)


def test_a_calibration_fills_the_device_s_own_fields_and_is_labelled(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "calibrate", lambda *_, **__: CALIBRATION)
    app = open_page(model="resnet18")
    app.button(key="calibrate").click().run()
    app.session_state["calibration_job"]._thread.join(timeout=10)
    app.run()
    assert not app.exception
    assert address(app)["device"] == "custom"
    assert address(app)["custom"] == ("float32:0.2,bfloat16:0.5,bandwidth:40,memory:32,launch:3")
    device = calibrated_device(CALIBRATION)
    assert metrics(app)["Predicted time"][0] == f"{rounded(predict(resnet18(), device).ms)} ms"
    text = texts(app)
    assert "on A processor, 2 threads, calibrated 2025-06-01 in float32" in text
    assert "3 µs for each launch (measured)" in text
    assert "Calibrated 2025-06-01 12:00:00 UTC on A processor (cpu, 2 threads" in text
    # With a number changed it is no longer that machine.
    app.number_input(key="own_bandwidth").set_value(50.0).run()
    assert "Calibrated" not in texts(app)
    assert "on Custom device in float32" in texts(app)
    # And a link carries the numbers alone.
    assert "Calibrated" not in texts(open_page(**address(app)))


def test_a_calibration_that_fails_or_is_cancelled_says_so(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, end = threading.Event(), threading.Event()

    def slow(*_: Any, cancel: Any, progress: Any, **__: Any) -> Calibration:
        progress(Progress("queued", ahead=2))
        begun.set()
        end.wait(timeout=10)
        raise MeasurementError("The measurement was cancelled.")

    monkeypatch.setattr(calibration, "calibrate", slow)
    app = open_page(model="lenet5")
    app.button(key="calibrate").click().run()
    assert begun.wait(timeout=10)
    app.run()
    assert app.button(key="calibrate").disabled
    (bar,) = app.get("progress")
    assert bar.proto.text == "In the queue for this device: 2 others are before you."
    app.button(key="cancel_calibration").click().run()
    end.set()
    app.session_state["calibration_job"]._thread.join(timeout=10)
    app.run()
    assert [info.value for info in app.info] == ["The measurement was cancelled."]
    assert "custom" not in address(app)


# ---------------------------------------------------------------- layers, measured


def test_a_pass_taken_apart_adds_up_on_the_page(open_page: Open) -> None:
    app = open_page(model="lenet5", show="measured", measure="threads:1")
    app.button(key="measure_layers").click().run()
    app.session_state["latency_job"]._thread.join(timeout=60)
    app.run()
    assert not app.exception
    assert not app.error
    found = app.session_state["latency_layers"].measured
    frame = table(app, "Measured")
    assert list(frame["Measured"]) == [layer.ms for layer in found.layers]
    made = {row.key: row.ms for row in predict(trace_model("lenet5", (1, 1, 32, 32)), T4).layers}
    assert list(frame["Predicted"]) == [made[layer.key] for layer in found.layers]
    (html,) = [each.value for each in app.get("html") if "with hooks" in each.value]
    shown = [float(x.replace(",", "")) for x in re.findall(r"(-?[\d.,]+) ms", html)]
    layers, rest, hooks, hooked = shown
    assert layers + rest + hooks == pytest.approx(hooked, abs=0.0015)  # three roundings
    assert hooked == pytest.approx(found.hooked_ns / 1e6, abs=0.0005)
    assert "another machine unless you chose this one" in texts(app)
    # Another model has not been taken apart.
    app.selectbox(key="model").set_value("resnet20").run()
    assert "Each layer, measured" not in texts(app)


# ---------------------------------------------------------------------- the panel


def test_on_the_tabs_of_memory_the_panel_is_about_memory(open_page: Open) -> None:
    app = open_page(model="resnet18", show="memory", layer="layer1.0.conv1")
    trace = resnet18()
    found = layer_memory(trace, inference_memory(trace, dtype="float32"), "layer1.0.conv1")
    assert f"{memory(found.allocated_bytes)} of activations" in texts(app)
    assert "ms predicted" not in texts(app)
    app = open_page(model="resnet18", show="training", layer="layer1.0.bn1")
    trained = resnet18(mode="train")
    step = training_memory(trained, "adam", "float32")
    found = layer_training(trained, step, "layer1.0.bn1")
    assert f"{memory(found.kept_bytes)} saved for backward" in texts(app)
    app = open_page(model="resnet18", show="memory")
    assert "The layer at the peak." in texts(app)
    app = open_page(model="resnet18", show="memory", layer="nowhere")
    assert "No layer called nowhere holds memory here." in texts(app)


@pytest.mark.parametrize("tab", ["why", "roofline", "memory", "training", "measured"])
def test_in_chinese_no_sentence_is_english(open_page: Open, tab: str) -> None:
    app = open_page(model="resnet18", show=tab, lang="zh")
    assert not app.exception
    said = [each.value for kind in ("caption", "markdown", "subheader") for each in app.get(kind)]
    said += [each.label for each in app.metric] + [each.label for each in app.button]
    for text in said:
        plain = re.sub(r"<style.*?</style>|`[^`]*`|<[^>]*>", "", text, flags=re.DOTALL)
        # A paper's title is quoted, and so is where a device's numbers come from.
        if "arXiv:" in plain:
            continue
        plain = plain.replace(T4.source, "")
        assert not re.search(r"(?:\b[A-Za-z]{2,}\b[ ,;:]+){4}", plain), plain
