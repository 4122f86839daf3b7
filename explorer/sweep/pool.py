"""Workers on this machine: processes of their own, one point each at a time.

A thread stands behind each process, so that it is always known which point a process that dies
had in hand. They are started afresh and not by `multiprocessing`, whose way to start one imports
the main script again: of an app that is the whole app, of a notebook nothing at all.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress

from explorer.errors import SweepError
from explorer.sweep.journal import from_line
from explorer.sweep.points import Point, Row, give_up
from explorer.sweep.worker import READY, to_request

RETRIES = 2
"""How often a point is tried again after the worker that had it has died."""


def default_workers() -> int:
    """As many processes as there are cores for this one."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Pool:
    """Computes points on several processes.

    Attributes:
        retries: how many times a point was given to a new worker because its own had died.
    """

    def __init__(self, workers: int) -> None:
        """Start nothing yet.

        Args:
            workers: number of processes.
        """
        self.retries = 0
        self._workers = workers
        self._lock = threading.Lock()
        self._processes: set[_Process] = set()
        self._stopped = False
        self._results: queue.SimpleQueue[Row | Exception] = queue.SimpleQueue()

    def rows(self, points: Sequence[Point]) -> Iterator[Row]:
        """Compute all points; each row comes as soon as it is finished.

        Raises:
            SweepError: no worker process can be started.
        """
        todo = iter(points)
        threads = [
            threading.Thread(target=self._serve, args=(todo,), daemon=True)
            for _ in range(min(self._workers, len(points)))
        ]
        try:
            for thread in threads:
                thread.start()
            for _ in points:
                result = self._results.get()
                if isinstance(result, Exception):
                    raise result
                yield result
        finally:
            self._stop()
            for thread in threads:
                thread.join()

    def _serve(self, todo: Iterator[Point]) -> None:
        """Give points to one process after the other until none is left."""
        process: _Process | None = None
        try:
            while (point := self._next(todo)) is not None:
                for attempt in range(1 + RETRIES):
                    process = process or self._start()
                    row = process.compute(point)
                    if row or self._stopped:
                        break
                    ending = self._end(process)
                    process = None
                    self.retries += attempt < RETRIES
                else:
                    row = give_up(point, f"the worker {ending}, {1 + RETRIES} times in a row.")
                if row:
                    self._results.put(row)
        except Exception as error:
            self._results.put(error)
        finally:
            if process:
                self._end(process)

    def _next(self, todo: Iterator[Point]) -> Point | None:
        with self._lock:
            return None if self._stopped else next(todo, None)

    def _start(self) -> _Process:
        """Start a process that is ready to compute.

        Raises:
            SweepError: none starts.
        """
        for _ in range(1 + RETRIES):
            with self._lock:
                if self._stopped:
                    raise SweepError("The sweep was stopped.")
                process = _Process()
                self._processes.add(process)
            if process.is_ready():
                return process
            ending = self._end(process)
        raise SweepError(f"No worker process starts: it {ending}.")

    def _end(self, process: _Process) -> str:
        """End a process and say how it ended."""
        with self._lock:
            self._processes.discard(process)
        return process.end()

    def _stop(self) -> None:
        with self._lock:
            self._stopped = True
            for process in self._processes:
                process.kill()


class _Process:
    """One worker process, and the pipes to it."""

    def __init__(self) -> None:
        self._messages = tempfile.TemporaryFile()  # noqa: SIM115  # closed in `end`
        self._process = subprocess.Popen(
            [sys.executable, "-m", "explorer.sweep.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._messages,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            text=True,
            encoding="utf-8",
            # Ctrl-C is for us: we end the workers, after what is finished is kept.
            start_new_session=True,
        )

    def is_ready(self) -> bool:
        """Wait until it has started; False if it has ended instead."""
        return self._read() == READY

    def compute(self, point: Point) -> Row | None:
        """Return the row of a point, or None if the process dies over it."""
        assert self._process.stdin
        try:
            self._process.stdin.write(to_request(point))
            self._process.stdin.flush()
        except OSError:  # it is gone
            return None
        line = self._read()
        return from_line(line) if line.endswith("\n") else None

    def _read(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def end(self) -> str:
        """End it, and say in half a sentence how it ended if it did so by itself."""
        assert self._process.stdin
        assert self._process.stdout
        with suppress(OSError):  # what was not yet written cannot be, any more
            self._process.stdin.close()
        self._process.stdout.close()
        code = self._process.wait()
        with self._messages:
            self._messages.seek(0)
            said = self._messages.read().decode(errors="replace").strip()
        if code < 0:
            return f"was ended by the system (signal {-code})"
        last = said.splitlines()[-1].strip()[:200] if said else "it said nothing"
        return f"ended with exit code {code} ({last})"
