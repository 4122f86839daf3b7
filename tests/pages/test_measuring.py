"""Measuring on request: in the background, in a queue, cancellable, refused in a sentence."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from streamlit.testing.v1 import AppTest

from explorer.errors import MeasurementError
from explorer.latency import Environment, LatencyRecord, Progress, from_json, plan, to_json
from explorer.latency.device import queue_of
from pages.shared import measuring, ways
from pages.shared.cache import performance as cache
from tests.pages.test_jobs import wait_until

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


class Work:
    """Stands for the measured function: it reports, then waits until the test lets it end."""

    def __init__(self, outcome: Any) -> None:
        self.outcome = outcome
        self.begun, self.end = threading.Event(), threading.Event()
        self.arguments: tuple[Any, ...] = ()
        self.named: dict[str, Any] = {}
        self.progress = Progress("measuring", 5, 50)

    def __call__(self, *arguments: Any, progress: Any = None, **named: Any) -> Any:
        self.arguments, self.named = arguments, named
        if progress:
            progress(self.progress)
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
        monkeypatch.setattr(measuring, name, made[-1])
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


def test_the_place_in_the_queue_is_shown_and_the_wait_can_be_cancelled(work) -> None:
    held = work("measure_latency", MeasurementError("The measurement was cancelled."))
    held.progress = Progress("queued", ahead=2)
    app = open_tab("latency")
    app.button(key="measure").click().run()
    assert held.begun.wait(timeout=10)
    app.run()
    (bar,) = app.get("progress")
    assert bar.proto.text == "In the queue for this device: 2 others are before you."
    app.button(key="cancel_latency").click().run()
    job = app.session_state["latency_job"]
    assert job.cancelled.is_set()
    app = finish(app, job, held)
    assert [info.value for info in app.info] == ["The measurement was cancelled."]
    assert not app.error


def test_two_visitors_measure_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both through the real queue of the device, with work that only waits."""
    inside, release = threading.Event(), threading.Event()
    at_once: list[int] = []

    def measured(*_: Any, cancel: Any, progress: Any, **__: Any) -> LatencyRecord:
        def check() -> None:
            if cancel.is_set():
                raise MeasurementError("The measurement was cancelled.")

        with queue_of(torch.device("cpu")).turn(progress, check):
            at_once.append(1)
            assert len(at_once) == 1
            inside.set()
            release.wait(timeout=10)
            at_once.pop()
        return RECORD

    monkeypatch.setattr(measuring, "measure_latency", measured)
    first, second = open_tab("latency"), open_tab("latency")
    first.button(key="measure").click().run()
    assert inside.wait(timeout=10)
    second.button(key="measure").click().run()
    jobs = [app.session_state["latency_job"] for app in (first, second)]
    wait_until(lambda: jobs[1].ahead == 1)
    second.run()
    (bar,) = second.get("progress")
    assert bar.proto.text == "In the queue for this device: 1 other is before you."
    release.set()
    for job in jobs:
        job._thread.join(timeout=10)
    assert [job.result for job in jobs] == [RECORD, RECORD]


def test_what_will_not_fit_is_refused_before_it_starts_with_what_would(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plan, "free_memory", lambda _: 600_000)
    app = open_tab("latency", batch="4096")
    assert not app.exception
    (error,) = app.error
    assert error.value.startswith("A batch of 4,096 needs about ")
    assert (
        "on cpu, where 586 KiB are free: the largest batch that would fit is about" in error.value
    )
    assert app.button(key="measure").disabled
    app.button(key="use_batch").click().run()
    assert not app.error
    assert not app.button(key="measure").disabled
    assert 1 <= app.number_input(key="batch").value < 4096


def test_not_even_one_image_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "free_memory", lambda _: 1000)
    app = open_tab("latency")
    (error,) = app.error
    assert "not even one image would fit" in error.value
    assert not [button for button in app.button if button.key == "use_batch"]


# ------------------------------------------------------------------------ how it is measured


def test_what_is_chosen_is_what_is_measured_and_is_in_the_link(work) -> None:
    held = work("measure_latency", RECORD)
    app = open_tab("latency")
    app.selectbox(key="measure_dtype").set_value("bfloat16").run()
    app.toggle(key="measure_channels_last").set_value(True).run()
    app.toggle(key="measure_compiled").set_value(True).run()
    link = dict(app.query_params.items())["measure"]
    assert link in (["bfloat16,channels-last,compile"], "bfloat16,channels-last,compile")
    again = open_tab("latency", measure="bfloat16,channels-last,compile")
    again.button(key="measure").click().run()
    assert held.begun.wait(timeout=10)
    asked = {"dtype": "bfloat16", "channels_last": True, "compiled": True, "threads": None}
    assert asked.items() <= held.named.items()
    assert held.named["cuda_graph"] is False


def test_without_a_gpu_nothing_of_a_gpu_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "available_devices", lambda: ("cpu",))
    app = open_tab("latency")
    assert app.selectbox(key="measure_device").options == ["cpu"]
    assert {toggle.label for toggle in app.toggle} >= {"Channels last", "torch.compile"}
    offered = " ".join(toggle.label for toggle in app.toggle)
    assert not [word for word in ("CUDA", "TF32", "L2") if word in offered]


def test_with_a_gpu_its_own_ways_are_offered_and_threads_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ways, "available_devices", lambda: ("cuda:0", "cpu"))
    monkeypatch.setattr(cache, "room", lambda *_: None)
    app = open_tab("latency", measure="tf32,no-graph,flush-l2")
    assert not app.exception
    assert app.selectbox(key="measure_device").value == "cuda:0"
    assert [app.toggle(key=f"measure_{name}").value for name in ("tf32", "no_graph", "flush_l2")]
    assert "measure_threads" not in {field.key for field in app.number_input}
    app.selectbox(key="measure_device").set_value("cpu").run()
    link = dict(app.query_params.items())["measure"]
    assert link in (["cpu"], "cpu")  # what only a GPU can do went with it


@pytest.mark.parametrize(
    ("link", "sentence"),
    [
        ("cuda", "asks for the device 'cuda', which this server does not have"),
        ("cuda:0", "asks for the device 'cuda:0', which this server does not have"),
        ("tpu", "asks for the device 'tpu', which this server does not have"),
        ("float8", "measure='float8', which is not known here"),
        ("tf32", "asks for tf32, which needs a CUDA device; this server has none"),
        ("threads:0", "asks for 'threads:0': this server takes threads:1 to"),
        ("threads:99999999999999999999", "asks for 'threads:99999999999999999999'"),
        ("bfloat16,<script>", "measure='<script>', which is not known here"),
    ],
)
def test_a_link_that_cannot_be_met_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, link: str, sentence: str
) -> None:
    monkeypatch.setattr(ways, "available_devices", lambda: ("cpu",))
    app = open_tab("latency", measure=link)
    assert not app.exception
    (warning,) = app.warning
    assert sentence in re.sub(r"\\(.)", r"\1", warning.value)
    assert app.selectbox(key="measure_dtype").value == link.partition(",")[0] or "," not in link


@pytest.mark.parametrize("batch", ["0", "-3", "1000000000", "many"])
def test_a_batch_that_is_none_is_one_sentence_and_one_image(batch: str) -> None:
    app = open_tab("latency", batch=batch)
    assert not app.exception
    (warning,) = app.warning
    assert f"The batch '{batch}' in the link is not an integer from 1 to 4096" in re.sub(
        r"\\(.)", r"\1", warning.value
    )
    assert app.number_input(key="batch").value == 1


def test_a_type_that_the_cpu_has_no_kernel_for_is_one_sentence(work) -> None:
    sentence = (
        "lenet5 cannot run in float16 on cpu: torch has no kernel for one of its operations. "
        "Choose float32."
    )
    held = work("measure_latency", MeasurementError(sentence))
    app = open_tab("latency", measure="float16")
    app.button(key="measure").click().run()
    app = finish(app, app.session_state["latency_job"], held)
    (error,) = app.error
    assert error.value.replace("\\", "") == sentence


def test_the_runs_of_the_session_can_be_taken_along(work) -> None:
    held = work("measure_latency", RECORD)
    app = open_tab("latency")
    app.button(key="measure").click().run()
    app = finish(app, app.session_state["latency_job"], held)
    (button,) = app.get("download_button")
    assert button.proto.label == "JSON lines"
    assert from_json(to_json(app.session_state["latency_records"])) == [RECORD]


def test_a_small_model_is_really_measured() -> None:
    app = open_tab("latency")
    app.button(key="measure").click().run()
    job = app.session_state["latency_job"]
    job._thread.join(timeout=60)
    app.run()
    assert not app.exception
    assert not app.error
    assert {metric.label for metric in app.metric} >= {"Median", "Throughput"}
