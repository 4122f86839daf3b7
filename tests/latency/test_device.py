"""Which devices there are, how much fits, and whose turn it is."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import torch

from explorer.errors import MeasurementError
from explorer.latency import device as module_under_test
from explorer.latency.device import (
    DeviceQueue,
    available_devices,
    describe,
    free_memory,
    queue_of,
    resolve_device,
)
from explorer.latency.records import Progress

PATIENCE = 30  # seconds after which a deadlock is a failure; never waited for otherwise


def nothing(*_: object) -> None:
    pass


def test_auto_is_the_first_device_there_is_and_cpu_is_always_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "cpu" in available_devices()
    monkeypatch.setattr(module_under_test, "available_devices", lambda: ("cuda:0", "cuda:1", "cpu"))
    assert resolve_device("auto") == torch.device("cuda", 0)
    assert resolve_device("cuda") == torch.device("cuda", 0)
    assert resolve_device("cuda:1") == torch.device("cuda", 1)
    assert resolve_device("cpu") == torch.device("cpu")
    with pytest.raises(MeasurementError, match=r"'mps'.*choose auto or cuda:0, cuda:1, cpu"):
        resolve_device("mps")


def test_a_container_leaves_its_limit_less_what_is_used_and_cannot_be_dropped(
    tmp_path: Path,
) -> None:
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 400\ninactive_file 250\nactive_file 50\n")
    assert module_under_test._container_memory(str(tmp_path)) == 1000 - (700 - 250)


def test_a_container_without_a_limit_leaves_the_question_to_the_system(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("700\n")
    assert module_under_test._container_memory(str(tmp_path)) is None
    assert module_under_test._container_memory(str(tmp_path / "absent")) is None


def test_the_smaller_of_system_and_container_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module_under_test, "_system_memory", lambda: 5000)
    monkeypatch.setattr(module_under_test, "_container_memory", lambda: 3000)
    assert free_memory(torch.device("cpu")) == 3000
    monkeypatch.setattr(module_under_test, "_container_memory", lambda: None)
    assert free_memory(torch.device("cpu")) == 5000


def test_the_driver_version_is_read_from_what_the_driver_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = (
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build\n"
        "GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n"
    )
    monkeypatch.setattr(module_under_test, "_read", lambda _: told)
    assert module_under_test._nvidia_driver() == "570.86.15"
    monkeypatch.setattr(module_under_test, "_read", lambda _: "")
    assert module_under_test._nvidia_driver() == "unknown"


def test_a_cpu_has_no_driver_and_a_name() -> None:
    environment = describe(torch.device("cpu"), threads=3)
    assert (environment.device, environment.driver, environment.runtime) == ("cpu", "", "")
    assert environment.device_name
    assert environment.threads == 3


# ---------------------------------------------------------------------- the queue


def test_the_second_waits_until_the_first_is_done_and_is_told_its_place() -> None:
    queue, log = DeviceQueue(), []
    holding, queued, release = threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        with queue.turn(nothing, nothing):
            holding.set()
            assert release.wait(PATIENCE)
            log.append("first done")

    def told(progress: Progress) -> None:
        log.append(f"{progress.stage}, {progress.ahead} ahead")
        queued.set()

    def second() -> None:
        with queue.turn(told, nothing):
            log.append("second runs")

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert holding.wait(PATIENCE)
    threads[1].start()
    assert queued.wait(PATIENCE)
    release.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert log == ["queued, 1 ahead", "first done", "second runs"]


def test_a_place_in_the_queue_is_given_up_when_cancelled() -> None:
    queue = DeviceQueue()
    checks: list[str] = []

    def check() -> None:
        checks.append("asked")
        if len(checks) == 3:
            raise MeasurementError("The measurement was cancelled.")

    with (
        queue.turn(nothing, nothing),
        pytest.raises(MeasurementError, match="cancelled"),
        queue.turn(nothing, check),
    ):
        raise AssertionError("two at once")
    with queue.turn(nothing, nothing):
        pass  # nobody is left in the way


def test_an_error_during_a_turn_frees_the_device() -> None:
    queue = DeviceQueue()
    with pytest.raises(ValueError, match="bug"), queue.turn(nothing, nothing):
        raise ValueError("bug")
    with queue.turn(lambda p: pytest.fail(f"still waiting: {p}"), nothing):
        pass


def test_as_many_go_at_once_as_there_are_places() -> None:
    queue = DeviceQueue(places=2)
    told: list[int] = []

    def check() -> None:
        raise MeasurementError("The measurement was cancelled.")

    with (
        queue.turn(nothing, nothing),
        queue.turn(nothing, nothing),  # neither waits
        pytest.raises(MeasurementError),
        queue.turn(lambda progress: told.append(progress.ahead), check),
    ):
        raise AssertionError("three at once")
    with queue.turn(nothing, nothing):
        pass
    assert told == []  # cancelled before it could be told its place


def test_all_memory_is_the_smaller_of_the_machine_s_and_the_container_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files = {"/proc/meminfo": "MemTotal:  8 kB", "/sys/fs/cgroup/memory.max": "4096"}
    monkeypatch.setattr(module_under_test, "_read", lambda path: files.get(path, ""))
    assert module_under_test.total_memory(torch.device("cpu")) == 4096
    files["/sys/fs/cgroup/memory.max"] = "max"
    assert module_under_test.total_memory(torch.device("cpu")) == 8192


def test_each_device_has_one_queue_of_its_own() -> None:
    assert queue_of(torch.device("cpu")) is queue_of(torch.device("cpu"))
    assert queue_of(torch.device("cuda", 0)) is not queue_of(torch.device("cuda", 1))
