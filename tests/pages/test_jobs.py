"""Work in a thread of its own: results, sentences, lanes."""

from __future__ import annotations

import threading

import pytest

from explorer.errors import MeasurementError
from pages.shared.jobs import Job


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
    lane = threading.BoundedSemaphore(1)
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


def test_a_job_speaks_the_language_of_whoever_started_it() -> None:
    from explorer.text import language, speaking

    with speaking("zh"):
        job = Job(lambda _: language())
    job._thread.join()
    assert job.result == "zh"
