"""The browser's address: every choice is in it, and it can be the one that chooses.

Two things can change a view: a widget, or the address itself (a link opened, the browser's
Back). A run that a widget caused lets the widgets speak, since the address it came with may be
a moment old; any other run whose address is not the one written last reads the address. So
every widget of the app has `touch` among what its callback does.

Streamlit can bind a widget to the address by itself, but then puts the displayed label there:
a link would break with every reworded or translated label.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

import streamlit as st

from explorer.text import _

T = TypeVar("T")

_TOUCHED: Final = "_address_touched"
_READING: Final = "_address_reading"
_READ: Final = "_address_read"
_BROKEN_OFF: Final = "_address_broken_off"
_STALE: Final = "_address_stale"
_WRITTEN: Final = "_address_written"
_NEXT: Final = "_address_next"
_LEFT: Final = "_address_left"
_PROBLEMS: Final = "_address_problems"


def touch() -> None:
    """Say that a widget caused this run; every widget's callback."""
    st.session_state[_TOUCHED] = True


def open_run() -> bool:
    """Decide, once and first in each run, whether the address speaks.

    Returns:
        Whether widgets must be set from `query()` in this run.
    """
    state = st.session_state
    touched = state.pop(_TOUCHED, False)
    first = _WRITTEN not in state
    # Changing the page empties the address: the choices stay, and are written back.
    # A run that the script asks for itself brings the address that the run before it began with.
    stale = state.pop(_STALE, None)
    moved = bool(query()) and query() not in (state.get(_WRITTEN), stale)
    # A click breaks off a run that still reads a link: the next one reads what that one had not.
    broken_off = state.pop(_BROKEN_OFF, None)
    goes_on = broken_off is not None and query() in (broken_off, {})
    if not goes_on:
        state[_READ] = frozenset()
    state[_READING] = first or goes_on or (moved and not touched)
    if touched or state[_READING]:
        state[_PROBLEMS] = ()
    state[_NEXT] = {}
    return bool(state[_READING])


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


def break_off() -> None:
    """Say that another run was asked for before this one had come to its end."""
    if _LEFT not in st.session_state:
        st.session_state[_BROKEN_OFF if speaks() else _STALE] = query()


def close_run() -> None:
    """Write the address, once and last in each run."""
    state = st.session_state
    if state.pop(_LEFT, False) or _BROKEN_OFF in state:
        return
    written = state.get(_NEXT, {})
    if query() != written:
        st.query_params.from_dict(written)
    state[_WRITTEN] = written
    state[_READING] = False
