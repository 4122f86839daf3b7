"""The browser's address: every choice is in it, and it can be the one that chooses.

Two things can change a view: a widget, or the address itself (a link opened, the browser's
Back). A run that a widget caused lets the widgets speak, since the address it came with may be
a moment old; any other run whose address is not the one written last reads the address. So
every widget of the app has `touch` among what its callback does.

Streamlit can bind a widget to the address by itself, but then puts the displayed label there:
a link would break with every reworded or translated label.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner import RerunException

from explorer.text import _

T = TypeVar("T")

_TOUCHED: Final = "_address_touched"
_READING: Final = "_address_reading"
_READ: Final = "_address_read"
_RUN: Final = "_address_run"
_WRITTEN: Final = "_address_written"
_NEXT: Final = "_address_next"
_LEFT: Final = "_address_left"
_PROBLEMS: Final = "_address_problems"


def touch() -> None:
    """Say that a widget caused this run; every widget's callback."""
    st.session_state[_TOUCHED] = True


@dataclass
class Run:
    """One run and the address that it came with.

    A plain object, for the moment in which another run is asked for: whoever touches the session
    then may be handed the request after that one, and the first, with its click, is lost.
    """

    query: dict[str, str]
    reading: bool = False
    broken_off: bool = False
    """Whether another run was asked for, by a click or by the script, before this one ended."""


def open_run() -> Run:
    """Decide, once and first in each run, whether the address speaks.

    Returns:
        This run, on which `broken_off` is to be set if it is.
    """
    state = st.session_state
    touched, left = state.pop(_TOUCHED, False), state.pop(_LEFT, False)
    before: Run | None = state.get(_RUN)
    run = state[_RUN] = Run(query())
    first = _WRITTEN not in state
    cut_short = before is not None and before.broken_off and not left
    # A click breaks off a run that still reads a link: the next one reads what that one had not.
    goes_on = bool(cut_short and before and before.reading and query() in (before.query, {}))
    # A run that the script asks for itself brings the address that the run before it began with.
    stale = bool(cut_short and before and query() == before.query)
    if not goes_on:
        state[_READ] = frozenset()
    # Changing the page empties the address: the choices stay, and are written back.
    moved = bool(query()) and query() != state.get(_WRITTEN) and not stale
    run.reading = state[_READING] = first or goes_on or (moved and not touched)
    if touched or run.reading:
        state[_PROBLEMS] = ()
    state[_NEXT] = {}
    return run


def speaks(name: str | None = None) -> bool:
    """Whether this run sets widgets from the address.

    Args:
        name: of what is to be read, a key of the session's state for example. What a run that was
            broken off has `read` is not read again: a widget may have changed it in between.
    """
    state = st.session_state
    return bool(state.get(_READING, False)) and name not in state.get(_READ, ())


def read(name: str) -> None:
    """Say that the session's state now holds all that the address says about something."""
    st.session_state[_READ] = st.session_state.get(_READ, frozenset()) | {name}


def query() -> dict[str, str]:
    """The address's parameters as this run received them."""
    return st.query_params.to_dict()


def report(problems: tuple[str, ...]) -> None:
    """Keep sentences about unreadable parts of the address until something is chosen."""
    st.session_state[_PROBLEMS] = (*st.session_state[_PROBLEMS], *problems)


def problems() -> tuple[str, ...]:
    """One sentence for each part of the address that could not be read."""
    found: tuple[str, ...] = st.session_state.get(_PROBLEMS, ())
    return found


def restore(name: str, key: str, parse: Callable[[str], T | None], default: T) -> T:
    """Give a widget's or a selection's state its value before it is drawn.

    Args:
        name: the parameter in the address.
        key: the key in the session's state.
        parse: reads the parameter's text; None if it cannot.
        default: the value that is not written into the address.

    Returns:
        The state's value.
    """
    state = st.session_state
    if speaks(key):
        text = query().get(name)
        value = default if text is None else parse(text)
        if value is None and text is not None:
            said = _("The link says {choice}, which is not known here; it is ignored.")
            report((said.format(choice=f"{name}={text!r}"),))
        state[key] = default if value is None else value
        read(key)
    else:
        # Written even if unchanged: Streamlit forgets a widget's value when the widget is not
        # drawn, in a closed tab for example, unless the script itself has set it.
        state[key] = state.get(key, default)
    restored: T = state[key]
    return restored


def record(parameters: Mapping[str, str | None]) -> None:
    """Add parameters to the address that this run will have; None takes one out of it."""
    following = {**st.session_state[_NEXT], **parameters}
    st.session_state[_NEXT] = {k: v for k, v in following.items() if v is not None}


def following() -> dict[str, str]:
    """The address that this run will have, as far as it is recorded by now."""
    return dict(st.session_state.get(_NEXT, {}))


def leave() -> None:
    """Say that this run ends with a change of page, which brings an address of its own."""
    st.session_state[_LEFT] = True


@contextmanager
def closing(run: Run) -> Iterator[None]:
    """Write the address at the end of a run; of one that is broken off only note that it was."""
    try:
        yield
    except RerunException:
        run.broken_off = True
        raise
    finally:
        if not run.broken_off:
            _write()


def _write() -> None:
    state = st.session_state
    written = state.get(_NEXT, {})
    if query() != written:
        st.query_params.from_dict(written)
    state[_WRITTEN] = written
    state[_READING] = False
