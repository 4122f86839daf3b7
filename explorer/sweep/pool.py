"""Workers on this machine: processes of their own, one point each at a time.

Each process is known with the point that it has in hand, so that a process that dies costs no
other point anything. They are started afresh and not by `multiprocessing`, whose way to start one
imports the main script again: of an app that is the whole app, of a notebook nothing at all.
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
    """Computes points on several workers, each with a thread here that asks it."""

    def __init__(self, workers: int) -> None:
        """Start nothing yet.

        Args:
            workers: number of processes.
        """
        self._workers = [Worker() for _ in range(workers)]
        self._results: queue.SimpleQueue[Row | Exception] = queue.SimpleQueue()
        self._lock = threading.Lock()

    @property
    def retries(self) -> int:
        """How many times a point was given to a new process because its own had died."""
        return sum(worker.retries for worker in self._workers)

    def rows(self, points: Sequence[Point]) -> Iterator[Row]:
        """Compute all points; each row comes as soon as it is finished.

        Raises:
            SweepError: no worker process can be started.
        """
        todo = iter(points)
        threads = [
            threading.Thread(target=self._serve, args=(worker, todo), daemon=True)
            for worker in self._workers[: len(points)]
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
            for worker in self._workers:
                worker.stop()
            for thread in threads:
                thread.join()
            for worker in self._workers:
                worker.close()

    def _serve(self, worker: Worker, todo: Iterator[Point]) -> None:
        """Give points to one worker until none is left."""
        try:
            while (point := self._next(todo)) is not None:
                self._results.put(worker.compute(point))
        except Exception as error:  # for whoever waits for the rows
            self._results.put(error)

    def _next(self, todo: Iterator[Point]) -> Point | None:
        with self._lock:
            return next(todo, None)


class Worker:
    """A process that computes points, replaced by a new one whenever it dies.

    Attributes:
        retries: how many times a point was given to a new process.
    """

    def __init__(self) -> None:
        self.retries = 0
        self._process: _Process | None = None
        self._stopped = False
        self._lock = threading.Lock()

    def compute(self, point: Point) -> Row:
        """Return the row of a point; if the process dies over it again and again, one that says so.

        Raises:
            SweepError: no process starts, or the worker was stopped.
        """
        ending = ""
        for attempt in range(1 + RETRIES):
            self.retries += attempt > 0
            process = self._process or self._start()
            row = process.compute(point)
            if row:
                return row
            ending = self.close()
        return give_up(point, f"the worker {ending}, {1 + RETRIES} times in a row.")

    def ask(self, request: str) -> str:
        """Return the line that answers a line, or "" if the process dies over it.

        Raises:
            SweepError: no process starts, or the worker was stopped.
        """
        process = self._process or self._start()
        reply = process.ask(request)
        if not reply:
            self.close()
        return reply

    def _start(self) -> _Process:
        """Start a process and wait until it is ready.

        Raises:
            SweepError: none starts, or the worker was stopped.
        """
        ending = ""
        for _ in range(1 + RETRIES):
            with self._lock:  # or `stop` might miss this process
                if self._stopped:
                    raise SweepError("The sweep was stopped.")
                process = self._process = _Process()
            if process.is_ready():
                return process
            ending = self.close()
        raise SweepError(f"No worker process starts: it {ending}.")

    def stop(self) -> None:
        """End the process at once, while another thread may wait for it; start no other."""
        with self._lock:
            self._stopped = True
            if self._process:
                self._process.kill()

    def close(self) -> str:
        """Wait for the end of the process, if there is one, and say how it came."""
        with self._lock:
            process, self._process = self._process, None
        return process.end() if process else ""


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
        line = self.ask(to_request(point))
        return from_line(line) if line else None

    def ask(self, request: str) -> str:
        """Return the line that answers a line, or "" if the process dies over it."""
        assert self._process.stdin
        try:
            self._process.stdin.write(request)
            self._process.stdin.flush()
        except OSError:  # it is gone
            return ""
        line = self._read()
        return line if line.endswith("\n") else ""

    def _read(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline()

    def kill(self) -> None:
        """End it at once; `end` is still to be called."""
        self._process.kill()

    def end(self) -> str:
        """Wait for its end, and say in half a sentence how it came, if it came by itself."""
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
