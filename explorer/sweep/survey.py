"""Profiles of many models for many visitors: each traced once, on two cores at most.

Whoever asks traces here, one at a time however many ask. If many models are missing, one process
helps from the other end of the list, and ends when nobody has asked for a while.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Final

from explorer.analysis.profiles import Profile, from_json, profile
from explorer.errors import SweepError
from explorer.sweep.pool import Worker
from explorer.sweep.worker import to_profile_request

Size = tuple[int, int] | None
Key = tuple[str, Size]

HELPED: Final = 24
"""How many models must be missing for a second process to be worth its start."""
_IDLE_SECONDS: Final = 20.0
_POLL: Final = 0.1


class Survey:
    """All profiles that this server has, within bounds; safe to use from any thread."""

    def __init__(self, most: int = 4096, helped: int = HELPED) -> None:
        """Start empty.

        Args:
            most: profiles to keep; the one asked for longest ago goes first.
            helped: how many must be missing for a process to help.
        """
        self._most = most
        self._helped = helped
        self._found: OrderedDict[Key, Profile] = OrderedDict()
        self._changed = threading.Condition()
        self._tracing = threading.Lock()
        self._requests: list[list[Key]] = []
        self._in_hand: Key | None = None
        self._given_up: set[Key] = set()
        self._helper: threading.Thread | None = None

    def is_known(self, name: str, size: Size) -> bool:
        """Whether a profile is there already."""
        with self._changed:
            return (name, size) in self._found

    def profiles(self, names: Sequence[str], size: Size) -> Iterator[Profile]:
        """Yield the profile of each model as soon as there is one, known ones first.

        Args:
            names: models of any source, each once.
            size: (height, width); each one's native one if None.
        """
        pending = dict.fromkeys((name, size) for name in names)
        yield from self._collect(pending)
        request = list(pending)
        if len(request) >= self._helped:
            self._call_help(request)
        try:
            while pending:
                self._advance(pending)
                yield from self._collect(pending)
        finally:
            with self._changed:
                self._requests = [each for each in self._requests if each is not request]

    def _collect(self, pending: dict[Key, None]) -> Iterator[Profile]:
        with self._changed:
            known = [key for key in pending if key in self._found]
            for key in known:
                self._found.move_to_end(key)
                del pending[key]
            profiles = [self._found[key] for key in known]
        yield from profiles

    def _advance(self, pending: dict[Key, None]) -> None:
        """Trace the first pending model, or wait for the helper or another visitor."""
        if not self._tracing.acquire(timeout=_POLL):
            return
        try:
            with self._changed:
                free = [key for key in pending if key != self._in_hand]
                if not free:
                    self._changed.wait(_POLL)
                key = next((key for key in free if key not in self._found), None)
            if key is not None:
                self._keep(key, profile(*key))
        finally:
            self._tracing.release()

    def _keep(self, key: Key, found: Profile) -> None:
        with self._changed:
            self._found[key] = found
            while len(self._found) > self._most:
                self._found.popitem(last=False)
            self._changed.notify_all()

    # ------------------------------------------------------------------- the helper

    def _call_help(self, request: list[Key]) -> None:
        with self._changed:
            self._requests.append(request)
            if self._helper is None:
                self._helper = threading.Thread(target=self._help, daemon=True)
                self._helper.start()
            self._changed.notify_all()

    def _help(self) -> None:
        """Work on the newest request, from its end, in a process of its own."""
        worker = Worker()
        try:
            while (key := self._next()) is not None:
                reply = worker.ask(to_profile_request(*key))
                if reply:
                    self._keep(key, from_json(reply))
                with self._changed:
                    self._in_hand = None
                    if not reply:  # it died over this model: no other process shall
                        self._given_up.add(key)
                    self._changed.notify_all()
        except SweepError:
            pass  # no process starts: whoever asks traces all by itself
        finally:
            with self._changed:
                # After a rest another thread may have taken over already.
                if self._helper is threading.current_thread():
                    self._helper = self._in_hand = None
            worker.stop()
            worker.close()

    def _next(self) -> Key | None:
        """The next model to help with; None when nobody has asked for long."""
        with self._changed:
            while True:
                for request in reversed(self._requests):
                    while request:
                        key = request.pop()
                        if key not in self._found and key not in self._given_up:
                            self._in_hand = key
                            return key
                if not self._changed.wait_for(lambda: any(self._requests), _IDLE_SECONDS):
                    self._helper = None
                    return None
