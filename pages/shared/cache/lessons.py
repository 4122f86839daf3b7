"""What several lessons ask for."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Final, NamedTuple

import streamlit as st

_ROOT: Final = Path(__file__).parents[3]


class Code(NamedTuple):
    """The code of a function or class."""

    path: str
    """Of its file, from the project's root."""
    line: int
    text: str


@st.cache_data(max_entries=128, show_spinner=False)
def code_of(source: str) -> Code:
    """Read the code of "package.module:name"."""
    module, _, name = source.partition(":")
    found = inspect.unwrap(getattr(importlib.import_module(module), name))
    lines, first = inspect.getsourcelines(found)
    path = Path(inspect.getfile(found)).relative_to(_ROOT)
    return Code(path.as_posix(), first, "".join(lines))
