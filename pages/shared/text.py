"""The app's languages: what is written in English in the code, read in the visitor's own.

The English text is the key. `_` and `n_` look it up for the session that the run belongs to;
`N_` only marks a text that is looked up later, such as one in a table of titles. What is said
with numbers in it keeps named places, filled after the look-up: `_("{n} layers").format(n=3)`.

The catalogues are the `.po` files of `pages/locale/<language>`, one for each lesson and one for
the rest, read as they are: nothing has to be compiled. `tools/translations.py` brings them up to
date with the code.
"""

from __future__ import annotations

import gettext
import threading
from io import BytesIO
from pathlib import Path
from typing import Final

import streamlit as st
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pages.shared import address

LANGUAGES: Final = {"en": "English", "zh": "简体中文"}
"""Name in the link -> what its speakers call it."""
LOCALES: Final = {"zh": "zh_Hans_CN"}
"""Language -> what its catalogues are written in, which decides how many plurals it has."""
FOLDER: Final = Path(__file__).parents[1] / "locale"

_LOADED: dict[str, gettext.NullTranslations] = {"en": gettext.NullTranslations()}
_LOADING: Final = threading.Lock()


def open_language() -> str:
    """Settle the language of this run, and write it into the address if it was chosen."""
    own = _browser_language()
    language = address.restore("lang", "lang", {name: name for name in LANGUAGES}.get, own)
    address.record({"lang": language if language != own or language != "en" else None})
    return language


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


def language() -> str:
    """The language of this run; English outside the app."""
    if get_script_run_ctx(suppress_warning=True) is None:
        return "en"
    found: str = st.session_state.get("lang", "en")
    return found


def _(message: str) -> str:
    """Say a text in the visitor's language."""
    return _translations(language()).gettext(message)


def n_(singular: str, plural: str, n: int) -> str:
    """Say a text that depends on a number in the visitor's language, with `{n}` filled in."""
    return _translations(language()).ngettext(singular, plural, n).format(n=f"{n:,}")


def N_(message: str) -> str:  # noqa: N802 (gettext's own name for it)
    """Mark a text that is looked up later."""
    return message


def _browser_language() -> str:
    return "zh" if (st.context.locale or "").lower().startswith("zh") else "en"


def _translations(name: str) -> gettext.NullTranslations:
    with _LOADING:
        if name not in _LOADED:
            _LOADED[name] = _load(FOLDER / name)
        return _LOADED[name]


def _load(folder: Path) -> gettext.NullTranslations:
    """Read all catalogues of a language as one."""
    merged = Catalog(locale=LOCALES[folder.name])
    for path in sorted(folder.glob("*.po")):
        with path.open("rb") as file:
            # Without its language a catalogue would be read as one with two forms of a plural.
            for message in read_po(file, locale=LOCALES[folder.name]):
                if message.id and _complete(message.string):
                    merged.add(message.id, message.string, context=message.context)
    compiled = BytesIO()
    write_mo(compiled, merged)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def _complete(translation: str | tuple[str, ...] | list[str] | None) -> bool:
    """Whether all forms are there; of a plural without one the English is said, in both forms."""
    return all(translation) if isinstance(translation, tuple | list) else bool(translation)
