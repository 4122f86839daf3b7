"""The tabs that do work on request: latency and the cross-check."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from explorer.analysis.crosscheck import CrossCheck, Reason, ToolReport
from explorer.errors import MeasurementError
from explorer.latency import Environment, LatencyRecord, Progress
from pages.shared import measurements

APP = Path(__file__).parents[2] / "app.py"

RECORD = LatencyRecord(
    model="lenet5",
    options=(),
    input_shape=(4, 1, 32, 32),
    batch=4,
    dtype="float32",
    median_ms=2.0,
    p10_ms=1.9,
    p90_ms=2.5,
    iqr_ms=0.1,
    runs=50,
    warmup_runs=7,
    stable=True,
    images_per_second=2000.0,
    clock="host clock",
    environment=Environment(
        device="cpu",
        device_name="A processor",
        driver="",
        runtime="",
        torch="2.13.0",
        threads=2,
        load=0.5,
        date="2025-06-01T12:00:00+00:00",
    ),
)

CHECK = CrossCheck(
    model="lenet5",
    options=(),
    input_shape=(1, 1, 32, 32),
    params=61706,
    macs=416520,
    lower_bound=False,
    reports=(
        ToolReport(
            "torchinfo", "1.8.0", 61706, 416754, 234, 0, 0.056, 0.0, 0.1,
            reasons=(Reason("bias counted", "Additions of a bias in __init__ count.", 234),),
        ),
        ToolReport(
            "thop", "", None, None, 0, 0, None, None, None, problem="thop is not installed."
        ),
    ),
)  # fmt: skip


class Work:
    """Stands for the measured function: it reports, then waits until the test lets it end."""

    def __init__(self, outcome: Any) -> None:
        self.outcome = outcome
        self.begun, self.end = threading.Event(), threading.Event()
        self.arguments: tuple[Any, ...] = ()

    def __call__(self, *arguments: Any, progress: Any = None, **named: Any) -> Any:
        self.arguments = arguments
        if progress:
            progress(Progress("measuring", 5, 50))
        self.begun.set()
        self.end.wait(timeout=10)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, Any], Work]]:
    """Puts a `Work` in place of a function that the panel calls."""
    made: list[Work] = []

    def put(name: str, outcome: Any) -> Work:
        made.append(Work(outcome))
        monkeypatch.setattr(measurements, name, made[-1])
        return made[-1]

    yield put
    for each in made:
        each.end.set()


def open_tab(tab: str, **query: str) -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=60)
    for name, value in {"model": "lenet5", "tab": tab, **query}.items():
        app.query_params[name] = value
    return app.run()


def finish(app: AppTest, job: Any, held: Work) -> AppTest:
    held.end.set()
    job._thread.join(timeout=10)
    return app.run()


def texts(app: AppTest) -> str:
    return " ".join(element.value for element in (*app.markdown, *app.caption))


def test_nothing_is_measured_unasked() -> None:
    app = open_tab("latency")
    assert not app.exception
    assert "latency_job" not in app.session_state
    assert not app.get("progress")


def test_a_measurement_runs_beside_the_script_and_shows_how_far_it_is(work) -> None:
    held = work("measure_latency", RECORD)
    app = open_tab("latency", batch="4")
    app.button(key="measure").click().run()
    assert held.begun.wait(timeout=10)
    app.run()
    assert held.arguments == ("lenet5", (4, 1, 32, 32))
    assert app.button(key="measure").disabled
    (bar,) = app.get("progress")
    assert (bar.proto.value, bar.proto.text) == (10, "Measuring, run 5 of 50")
    assert app.selectbox(key="model").value == "lenet5"  # the rest of the page goes on


def test_a_result_carries_its_spread_and_its_environment(work) -> None:
    held = work("measure_latency", RECORD)
    app = open_tab("latency", batch="4")
    app.button(key="measure").click().run()
    app = finish(app, app.session_state["latency_job"], held)
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["Median"] == "2 ms"
    assert shown["Middle 80%"] == "1.9 to 2.5 ms"
    assert shown["Throughput"] == "2,000 /s"
    text = texts(app)
    for part in (
        "Measured here", "batch of 4", "float32", "A processor", "2 threads", "torch 2.13.0",
        "2025-06-01 12:00:00 UTC",
    ):  # fmt: skip
        assert part in text
    assert not app.button(key="measure").disabled
    (runs,) = [list(frame.value["Runs"]) for frame in app.dataframe if "Runs" in frame.value]
    assert runs == [50]


def test_a_long_time_is_written_without_an_exponent(work) -> None:
    slow = replace(RECORD, median_ms=3656.2, p10_ms=3401.0, p90_ms=4012.0, images_per_second=1.094)
    held = work("measure_latency", slow)
    app = open_tab("latency", batch="4")
    app.button(key="measure").click().run()
    app = finish(app, app.session_state["latency_job"], held)
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["Median"] == "3,660 ms"
    assert shown["Middle 80%"] == "3,400 to 4,010 ms"
    (frame,) = [frame.value for frame in app.dataframe if "Runs" in frame.value]
    assert list(frame["Median ms"]) == [3660]


def test_a_measurement_that_is_impossible_here_is_one_sentence(work) -> None:
    sentence = "lenet5 at batch 4096 needs about 90.0 GiB on cpu, where 2.0 GiB are free."
    held = work("measure_latency", MeasurementError(sentence))
    app = open_tab("latency")
    app.button(key="measure").click().run()
    app = finish(app, app.session_state["latency_job"], held)
    assert not app.exception
    assert [error.value for error in app.error] == [sentence]


def test_leaving_the_tab_does_not_lose_a_measurement(work) -> None:
    held = work("measure_latency", RECORD)
    app = open_tab("latency")
    app.button(key="measure").click().run()
    job = app.session_state["latency_job"]
    app.number_input(key="batch").set_value(2).run()
    app = finish(app, job, held)
    assert {metric.label for metric in app.metric} >= {"Median", "Throughput"}


def test_a_small_model_is_really_measured() -> None:
    app = open_tab("latency")
    app.button(key="measure").click().run()
    job = app.session_state["latency_job"]
    job._thread.join(timeout=60)
    app.run()
    assert not app.exception
    assert not app.error
    assert {metric.label for metric in app.metric} >= {"Median", "Throughput"}


def test_other_counters_stand_beside_the_exact_numbers_with_their_reasons(work) -> None:
    held = work("cross_check", CHECK)
    app = open_tab("check")
    app.button(key="check").click().run()
    assert app.get("progress")
    app = finish(app, app.session_state["check_job"][1], held)
    assert held.arguments == ("lenet5", {"in_channels": 1}, (1, 1, 32, 32))
    (frame,) = [frame.value for frame in app.dataframe]
    assert list(frame["Counter"]) == ["Layerwise", "torchinfo 1.8.0", "thop"]
    assert list(frame["MACs"][:2]) == [416520, 416754]
    assert "Additions of a bias in \\_\\_init\\_\\_ count." in texts(app)
    assert "thop is not installed." in texts(app)


def test_an_answer_about_an_earlier_choice_says_so(work) -> None:
    held = work("cross_check", CHECK)
    app = open_tab("check")
    app.button(key="check").click().run()
    app = finish(app, app.session_state["check_job"][1], held)
    assert "before you changed the choice" not in texts(app)
    app.number_input(key="batch").set_value(2).run()
    assert "before you changed the choice, about LeNet-5" in texts(app)
