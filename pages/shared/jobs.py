"""Work that takes seconds, in a thread of its own, watched by the page that asked for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Final, Generic, TypeVar

from explorer.errors import ExplorerError
from explorer.latency import DeviceQueue, Progress
from explorer.text import _, language, speaking

T = TypeVar("T")

PROCESSES: Final = DeviceQueue(places=2)
"""Lane of jobs that start a process of their own: a server has few cores and little memory."""


class CancelledError(ExplorerError):
    """The visitor gave the work up before it began."""


class Job(Generic[T]):
    """One call of a function off the script thread.

    It knows nothing of Streamlit: a thread must not keep a session alive. The script looks at
    it whenever it runs.

    Args:
        work: what is done; it is given the job, to report to and to ask whether to stop.
        lane: a queue to wait in first, in the order in which jobs came. Work that waits for a
            device of its own, as a measurement does, needs none.
    """

    def __init__(self, work: Callable[[Job[T]], T], lane: DeviceQueue | None = None) -> None:
        self.cancelled = threading.Event()
        self.progress: object = None
        """Whatever the work reports last."""
        self.result: T | None = None
        self.sentence = ""
        """Why there is no result, if the user can do something about it."""
        self.waiting = lane is not None
        """Whether the lane is not free yet."""
        self._lane = lane
        self._started = time.monotonic()
        self._ended: float | None = None
        self._work = work
        self._language = language()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether the work goes on."""
        return self._thread.is_alive()

    @property
    def seconds(self) -> float:
        """How long it has run, or ran."""
        return (self._ended or time.monotonic()) - self._started

    @property
    def ahead(self) -> int:
        """How many others go first: 0 once it runs."""
        return self.progress.ahead if isinstance(self.progress, Progress) else 0

    def report(self, progress: object) -> None:
        """Say how far the work is; called by the work."""
        self.progress = progress

    def cancel(self) -> None:
        """Ask the work to stop, or to leave the queue."""
        self.cancelled.set()

    def _run(self) -> None:
        # A thread has no visitor of its own to ask.
        with speaking(self._language):
            self._do()

    def _do(self) -> None:
        try:
            turn = self._lane.turn(self.report, self._check) if self._lane else nullcontext()
            with turn:
                self.waiting = False
                self.progress = None
                self.result = self._work(self)
        except ExplorerError as error:
            self.sentence = str(error)
        except Exception as error:
            # Nobody waits for this thread: what is not said here is never said.
            self.sentence = _("This failed unexpectedly ({error}).").format(
                error=type(error).__name__
            )
            raise
        finally:
            self._ended = time.monotonic()

    def _check(self) -> None:
        if self.cancelled.is_set():
            raise CancelledError(_("Cancelled while it waited."))


def queue_text(ahead: int) -> str:
    """Say how many go first."""
    return (
        _("1 other is before you.")
        if ahead == 1
        else _("{ahead} others are before you.").format(ahead=ahead)
    )
