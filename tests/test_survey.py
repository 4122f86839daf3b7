"""Profiles of many models: each traced once, by whoever asks and by one process that helps."""

from __future__ import annotations

import threading

import pytest

from explorer.analysis.profiles import Profile, profile
from explorer.errors import SweepError
from explorer.sweep import survey as module
from explorer.sweep.pool import Worker
from explorer.sweep.survey import Survey

NAMES = ["lenet5", "alexnet", "squeezenet1_1", "resnet18", "vgg11", "nin_imagenet"]


def test_every_model_comes_once_and_a_second_time_without_a_trace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    survey = Survey(helped=100)
    found = list(survey.profiles(NAMES, None))
    assert found == [profile(name) for name in NAMES]
    assert survey.is_known("nin_imagenet", None)
    assert not survey.is_known("nin_imagenet", (256, 256))
    monkeypatch.setattr(module, "profile", None)
    assert list(survey.profiles(NAMES, None)) == found


def test_a_helping_process_gives_the_same_profiles() -> None:
    survey = Survey(helped=1)
    # Held back, so that only the process can trace.
    survey._tracing.acquire()
    found = {each.name: each for each in survey.profiles(NAMES, (224, 224))}
    survey._tracing.release()
    assert found == {name: profile(name, (224, 224)) for name in NAMES}


def test_without_a_process_whoever_asks_traces_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(worker: Worker, request: str) -> str:
        raise SweepError("No worker process starts.")

    monkeypatch.setattr(Worker, "ask", ask)
    survey = Survey(helped=1)
    assert [each.name for each in survey.profiles(NAMES, None)] == NAMES


def test_a_process_that_dies_over_a_model_leaves_it_to_whoever_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Worker, "ask", lambda worker, request: "")
    survey = Survey(helped=1)
    assert sorted(each.name for each in survey.profiles(NAMES, None)) == sorted(NAMES)


def test_visitors_at_the_same_time_share_one_trace_of_each_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    traced: list[str] = []

    def noted(name: str, size: tuple[int, int] | None = None) -> Profile:
        traced.append(name)
        return profile(name, size)

    monkeypatch.setattr(module, "profile", noted)
    survey = Survey(helped=100)
    results: list[set[str]] = []

    def visit() -> None:
        results.append({each.name for each in survey.profiles(NAMES, None)})

    visitors = [threading.Thread(target=visit) for _ in range(4)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert results == [set(NAMES)] * 4
    assert sorted(traced) == sorted(NAMES)


def test_what_was_asked_for_longest_ago_goes_first_when_there_is_too_much() -> None:
    survey = Survey(most=2, helped=100)
    assert [each.name for each in survey.profiles(NAMES[:3], None)] == NAMES[:3]
    assert not survey.is_known(NAMES[0], None)
    assert survey.is_known(NAMES[2], None)


def test_a_visitor_who_leaves_takes_the_request_along() -> None:
    survey = Survey(helped=1)
    walk = survey.profiles(NAMES, None)
    next(walk)
    walk.close()
    assert survey._requests == []
