"""Sentences in the reader's language: English in the code, translated when they are made.

The English text is the key of the translation. `_` and `n_` look it up; `N_` only marks a text
that is looked up later, such as one in a table of titles. What is said with values in it keeps
named places, filled after the look-up: `_("{n} layers").format(n=3)`. Text that was made is not
translated again, so what is cached with sentences in it is cached for each language.

Alone, the library speaks English. An application says where its own catalogues are
(`add_folder`) and how to find the language of whoever asks (`ask_language`); a thread of its own
can be told (`speaking`).

Catalogues are gettext's `.po` files, read as they are: nothing has to be compiled.
"""

from __future__ import annotations

import gettext
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from io import BytesIO
from pathlib import Path
from typing import Final

ENGLISH: Final = "en"
_BETWEEN: Final = {"zh": ""}
"""What stands between two sentences, where it is not a space."""

_FOLDERS: Final = [Path(__file__).with_name("locale")]
_LOADED: Final[dict[str, gettext.NullTranslations]] = {ENGLISH: gettext.NullTranslations()}
_LOADING: Final = threading.Lock()
_SPEAKING: Final[ContextVar[str]] = ContextVar("language")
_ASK: Final[list[Callable[[], str]]] = []


def _(message: str) -> str:
    """Say a text in the reader's language."""
    return _translations(language()).gettext(message) if message else ""


def n_(singular: str, plural: str, n: int) -> str:
    """Say a text that depends on a number in the reader's language, with `{n}` filled in."""
    return _translations(language()).ngettext(singular, plural, n).format(n=f"{n:,}")


def joined(sentences: Iterable[str]) -> str:
    """Put sentences one after the other, as the reader's language does."""
    return _BETWEEN.get(language(), " ").join(filter(None, sentences))


def N_(message: str) -> str:  # noqa: N802 (gettext's own name for it)
    """Mark a text that is looked up later."""
    return message


def language() -> str:
    """The language that is spoken here and now."""
    told = _SPEAKING.get(None)
    if told is not None:
        return told
    return _ASK[-1]() if _ASK else ENGLISH


@contextmanager
def speaking(name: str) -> Iterator[None]:
    """Speak a language in this thread, whatever an application says."""
    token = _SPEAKING.set(name)
    try:
        yield
    finally:
        _SPEAKING.reset(token)


def ask_language(find: Callable[[], str]) -> None:
    """Say how to find the language of whoever asks; for an application, once."""
    _ASK[:] = [find]


def add_folder(folder: Path) -> None:
    """Add a folder that holds catalogues, in a folder for each language."""
    with _LOADING:
        if folder not in _FOLDERS:
            _FOLDERS.append(folder)
            for name in [name for name in _LOADED if name != ENGLISH]:
                del _LOADED[name]


def _translations(name: str) -> gettext.NullTranslations:
    found = _LOADED.get(name)
    if found is None:
        with _LOADING:
            found = _LOADED.setdefault(name, _load(name))
    return found


def _load(name: str) -> gettext.NullTranslations:
    """Read all catalogues of a language as one."""
    # Only who speaks another language than English needs it.
    from babel.messages.catalog import Catalog
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    merged = Catalog(locale=name)
    for path in sorted(path for folder in _FOLDERS for path in (folder / name).glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file, locale=name):
                # Of a plural whose forms are missing the English ones are said.
                forms = [message.string] if isinstance(message.string, str) else message.string
                if message.id and all(forms or [""]):
                    merged.add(message.id, message.string)
    compiled = BytesIO()
    write_mo(compiled, merged)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
