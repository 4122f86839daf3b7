"""The devices of this machine: which there are, what they are called, who measures next."""

from __future__ import annotations

import os
import platform
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import torch

from explorer.errors import MeasurementError
from explorer.latency.records import Environment, Progress, ProgressCallback
from explorer.text import _

_POLL_SECONDS = 0.2


def resolve_device(device: str) -> torch.device:
    """Turn a name into a device of this machine; "auto" is the GPU if there is one.

    Args:
        device: "auto", "cpu", "cuda", "cuda:1", "mps".

    Raises:
        MeasurementError: no such device here; the message lists those there are.
    """
    present = available_devices()
    if device == "auto":
        return torch.device(present[0])
    wanted = "cuda:0" if device == "cuda" else "cpu" if device == "cpu:0" else device
    if wanted not in present:
        raise MeasurementError(
            _("There is no device {device!r} on this machine: choose auto or {present}.").format(
                device=device, present=", ".join(present)
            )
        )
    return torch.device(wanted)


def available_devices() -> tuple[str, ...]:
    """Names of the devices torch can compute on here, fastest kind first."""
    gpus = tuple(f"cuda:{index}" for index in range(torch.cuda.device_count()))
    mps = ("mps",) if torch.backends.mps.is_available() else ()
    return (*gpus, *mps, "cpu")


def default_threads() -> int:
    """Threads that torch uses for one operation on the CPU unless told otherwise."""
    return torch.get_num_threads()


def describe(device: torch.device, threads: int) -> Environment:
    """Return the environment that a measurement which starts now holds for."""
    gpu = device.type == "cuda"
    return Environment(
        device=str(device),
        device_name=torch.cuda.get_device_name(device) if gpu else _processor_name(),
        driver=_nvidia_driver() if gpu else "",
        runtime=str(torch.version.cuda or torch.version.hip or "") if gpu else "",
        torch=str(torch.__version__),
        threads=threads,
        load=_load_average(),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def free_memory(device: torch.device) -> int | None:
    """Bytes that a new allocation on `device` can still have; None where not known."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free + cached)
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    known = [n for n in (_system_memory(), _container_memory()) if n is not None]
    return min(known, default=None)


def total_memory(device: torch.device) -> int | None:
    """Bytes of memory that `device` has in all; None where not known."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory())
    found = re.search(r"MemTotal:\s+(\d+) kB", _read("/proc/meminfo"))
    system = int(found[1]) * 1024 if found else _system_memory()
    limit = _read("/sys/fs/cgroup/memory.max").strip()
    known = [system, int(limit) if limit.isdigit() else None]
    return min((n for n in known if n is not None), default=None)


def _system_memory() -> int | None:
    """What Linux says is available; elsewhere all memory there is."""
    found = re.search(r"MemAvailable:\s+(\d+) kB", _read("/proc/meminfo"))
    if found:
        return int(found[1]) * 1024
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None


def _container_memory(root: str = "/sys/fs/cgroup") -> int | None:
    """What a container's own limit (cgroup version 2) leaves, None without one."""
    limit, used = _read(f"{root}/memory.max").strip(), _read(f"{root}/memory.current").strip()
    if not (limit.isdigit() and used.isdigit()):
        return None
    # Cached files count as used, yet make way as soon as memory is asked for.
    cached = re.search(r"^inactive_file (\d+)", _read(f"{root}/memory.stat"), re.MULTILINE)
    return max(int(limit) - int(used) + (int(cached[1]) if cached else 0), 0)


def _processor_name() -> str:
    found = re.search(r"^model name\s*: (.+)$", _read("/proc/cpuinfo"), re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine() or "unknown"


def _nvidia_driver() -> str:
    found = re.search(r"\b\d{3,}\.\d+(\.\d+)?\b", _read("/proc/driver/nvidia/version"))
    return found[0] if found else "unknown"


def _load_average() -> float | None:
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):  # Windows has none
        return None


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


class DeviceQueue:
    """First come, first served: two measurements at once on one device would both be wrong.

    Args:
        places: how many may go on at once; a device that is measured has one.
    """

    def __init__(self, places: int = 1) -> None:
        self._places = places
        self._changed = threading.Condition()
        self._tickets: deque[object] = deque()

    @contextmanager
    def turn(self, report: ProgressCallback, check_cancelled: Callable[[], None]) -> Iterator[None]:
        """Wait until a place is free and nobody who came before waits for it, then hold it.

        Args:
            report: told the position in the queue whenever it changes.
            check_cancelled: raises when the wait should end.
        """
        ticket = object()
        with self._changed:
            self._tickets.append(ticket)
        try:
            seen = 0
            while True:
                with self._changed:
                    ahead = max(self._tickets.index(ticket) - self._places + 1, 0)
                    if ahead and ahead == seen:
                        self._changed.wait(_POLL_SECONDS)
                if not ahead:
                    break
                check_cancelled()
                if ahead != seen:  # not while holding the lock: the callback may take its time
                    seen = ahead
                    report(Progress("queued", ahead=ahead))
            yield
        finally:
            with self._changed:
                self._tickets.remove(ticket)
                self._changed.notify_all()


_queues: dict[str, DeviceQueue] = {}
_queues_lock = threading.Lock()


def queue_of(device: torch.device) -> DeviceQueue:
    """Return the one queue of this process for `device`."""
    with _queues_lock:
        return _queues.setdefault(str(device), DeviceQueue())
