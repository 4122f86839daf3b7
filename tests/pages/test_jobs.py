"""Work in a thread of its own: results, sentences, lanes."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from explorer.errors import MeasurementError
from explorer.latency import DeviceQueue
from pages.shared.jobs import Job, queue_text


def finish(job: Job) -> None:
    job._thread.join(timeout=10)
    assert not job.running


def test_a_job_ends_with_its_result() -> None:
    job = Job(lambda _: 42)
    finish(job)
    assert job.result == 42
    assert job.sentence == ""


def test_what_the_user_can_mend_is_kept_as_a_sentence() -> None:
    def work(_: Job) -> None:
        raise MeasurementError("There is no device 'tpu' on this machine.")

    job = Job(work)
    finish(job)
    assert job.result is None
    assert job.sentence == "There is no device 'tpu' on this machine."


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_ends_the_job_with_a_sentence_that_names_it() -> None:
    def work(_: Job) -> None:
        raise ZeroDivisionError

    job = Job(work)
    finish(job)
    assert job.sentence == "This failed unexpectedly (ZeroDivisionError)."


def test_progress_and_cancelling_pass_between_the_threads() -> None:
    reported = threading.Event()

    def work(job: Job) -> str:
        job.report("half")
        reported.set()
        return "stopped" if job.cancelled.wait(timeout=10) else "went on"

    job = Job(work)
    assert reported.wait(timeout=10)
    assert job.progress == "half"
    assert job.running
    job.cancel()
    finish(job)
    assert job.result == "stopped"


def test_a_job_waits_until_its_lane_is_free() -> None:
    lane = DeviceQueue()
    started, release = threading.Event(), threading.Event()

    def hold(_: Job) -> None:
        started.set()
        release.wait(timeout=10)

    first = Job(hold, lane=lane)
    assert started.wait(timeout=10)
    second = Job(lambda _: "ran", lane=lane)
    assert second.waiting
    assert second.result is None
    release.set()
    finish(first)
    finish(second)
    assert second.result == "ran"
    assert not second.waiting


def test_jobs_in_a_lane_run_in_the_order_they_came_and_know_how_many_go_first() -> None:
    lane = DeviceQueue()
    started, release = threading.Event(), threading.Event()
    order: list[str] = []

    def hold(_: Job) -> None:
        started.set()
        release.wait(timeout=10)

    first = Job(hold, lane=lane)
    assert started.wait(timeout=10)
    others = []
    for name in ("second", "third"):
        others.append(Job(lambda _, name=name: order.append(name), lane=lane))
        wait_until(lambda: others[-1].ahead == len(others))
    assert [job.ahead for job in (first, *others)] == [0, 1, 2]
    release.set()
    for job in (first, *others):
        finish(job)
    assert order == ["second", "third"]
    assert [job.ahead for job in others] == [0, 0]


def test_a_job_that_is_cancelled_while_it_waits_leaves_the_queue_and_never_runs() -> None:
    lane = DeviceQueue()
    started, release = threading.Event(), threading.Event()
    ran: list[str] = []

    def hold(_: Job) -> None:
        started.set()
        release.wait(timeout=10)

    first = Job(hold, lane=lane)
    assert started.wait(timeout=10)
    second = Job(lambda _: ran.append("second"), lane=lane)
    wait_until(lambda: second.ahead == 1)
    third = Job(lambda _: ran.append("third"), lane=lane)
    wait_until(lambda: third.ahead == 2)
    second.cancel()
    finish(second)
    assert second.sentence == "Cancelled while it waited."
    wait_until(lambda: third.ahead == 1)
    release.set()
    finish(first)
    finish(third)
    assert ran == ["third"]


def test_a_lane_of_two_places_runs_two_at_once() -> None:
    lane = DeviceQueue(places=2)
    together = threading.Barrier(2, timeout=10)
    jobs = [Job(lambda _: together.wait(), lane=lane) for _ in range(2)]
    for job in jobs:
        finish(job)
    assert sorted(job.result for job in jobs) == [0, 1]


@pytest.mark.parametrize(
    ("ahead", "text"), [(1, "1 other is before you."), (3, "3 others are before you.")]
)
def test_the_place_in_the_queue_is_said(ahead: int, text: str) -> None:
    assert queue_text(ahead) == text


def wait_until(true: Callable[[], bool]) -> None:
    """For what another thread does a moment later."""
    for _ in range(1000):
        if true():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never came true")


def test_a_job_speaks_the_language_of_whoever_started_it() -> None:
    from explorer.text import language, speaking

    with speaking("zh"):
        job = Job(lambda _: language())
    job._thread.join()
    assert job.result == "zh"
