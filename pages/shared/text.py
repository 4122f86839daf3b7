"""The languages of the app, which of them a visitor sees, and the switch between them.

How texts are written and looked up says `explorer.text`. The app's own catalogues are the `.po`
files of `pages/locale/<language>`, one for each lesson and one for the rest;
`tools/translations.py` brings them up to date with the code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from explorer.text import (
    ENGLISH,
    N_,
    _,
    add_folder,
    ask_language,
    joined,
    language,
    n_,
    speaking,
)
from pages.shared import address

__all__ = [
    "LANGUAGES",
    "N_",
    "_",
    "control",
    "joined",
    "language",
    "n_",
    "open_language",
    "speaking",
]

LANGUAGES: Final = {"en": "English", "zh": "简体中文"}
"""Name in the link -> what its speakers call it."""


def open_language() -> str:
    """Settle the language of this run, and write it into the address if it was chosen."""
    own = "zh" if (st.context.locale or "").lower().startswith("zh") else ENGLISH
    chosen = address.restore("lang", "lang", {name: name for name in LANGUAGES}.get, own)
    address.record({"lang": None if chosen == own == ENGLISH else chosen})
    return chosen


def control() -> None:
    """Let the visitor choose the language."""
    st.segmented_control(
        "Language / 语言",
        list(LANGUAGES),
        key="lang",
        required=True,
        format_func=LANGUAGES.__getitem__,
        label_visibility="collapsed",
        on_change=address.touch,
    )


def _visitors() -> str:
    """The language of the visitor whom this run is for; English outside of a run."""
    if get_script_run_ctx(suppress_warning=True) is None:
        return ENGLISH
    chosen: str = st.session_state.get("lang", ENGLISH)
    return chosen


add_folder(Path(__file__).parents[1] / "locale")
ask_language(_visitors)
