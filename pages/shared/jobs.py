"""Work that takes seconds, in a thread of its own, watched by the page that asked for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Final, Generic, TypeVar

from explorer.errors import ExplorerError
from explorer.text import _, language, speaking

T = TypeVar("T")

PROCESSES: Final = threading.BoundedSemaphore(2)
"""Lane of jobs that start a process of their own: a server has few cores and little memory."""


class Job(Generic[T]):
    """One call of a function off the script thread.

    It knows nothing of Streamlit: a thread must not keep a session alive. The script looks at
    it whenever it runs.
    """

    def __init__(
        self,
        work: Callable[[Job[T]], T],
        lane: AbstractContextManager[object] | None = None,
    ) -> None:
        self.cancelled = threading.Event()
        self.progress: object = None
        """Whatever the work reports last."""
        self.result: T | None = None
        self.sentence = ""
        """Why there is no result, if the user can do something about it."""
        self.waiting = lane is not None
        """Whether the lane is not free yet."""
        self._lane = lane or nullcontext()
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

    def report(self, progress: object) -> None:
        """Say how far the work is; called by the work."""
        self.progress = progress

    def cancel(self) -> None:
        """Ask the work to stop."""
        self.cancelled.set()

    def _run(self) -> None:
        # A thread has no visitor of its own to ask.
        with speaking(self._language):
            self._do()

    def _do(self) -> None:
        try:
            with self._lane:
                self.waiting = False
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
