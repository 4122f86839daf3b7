"""Sentences in the reader's language."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from explorer import text
from explorer.text import _, add_folder, ask_language, n_, speaking

CATALOGUE = """
msgid ""
msgstr "Plural-Forms: nplurals=1; plural=0;\\n"

msgid "An unheard-of sentence about {n} layers."
msgstr "一句关于{n}层的话。"

msgid "{n} unheard-of layer"
msgid_plural "{n} unheard-of layers"
msgstr[0] "{n} 层"

msgid "{n} untranslated layer"
msgid_plural "{n} untranslated layers"
msgstr[0] ""
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of catalogues, known for one test."""
    monkeypatch.setattr(text, "_FOLDERS", [*text._FOLDERS])
    monkeypatch.setattr(text, "_LOADED", {"en": text._LOADED["en"]})
    monkeypatch.setattr(text, "_ASK", [])
    (tmp_path / "zh").mkdir()
    (tmp_path / "zh" / "some.po").write_text(CATALOGUE, encoding="utf-8")
    add_folder(tmp_path)
    return tmp_path


def said() -> str:
    return _("An unheard-of sentence about {n} layers.").format(n=3)


def test_alone_the_library_speaks_english() -> None:
    assert said() == "An unheard-of sentence about 3 layers."
    assert n_("{n} unheard-of layer", "{n} unheard-of layers", 1) == "1 unheard-of layer"
    assert n_("{n} unheard-of layer", "{n} unheard-of layers", 1234) == "1,234 unheard-of layers"


def test_a_text_is_said_in_the_language_that_is_asked_for() -> None:
    with speaking("zh"):
        assert said() == "一句关于3层的话。"
        assert n_("{n} unheard-of layer", "{n} unheard-of layers", 1) == "1 层"
        assert n_("{n} unheard-of layer", "{n} unheard-of layers", 2) == "2 层"
        assert _("Nobody has translated this.") == "Nobody has translated this."
        assert _("") == "", "gettext answers the empty text with the catalogue's header"
    assert said().startswith("An")


def test_a_plural_without_a_translation_is_said_in_english_forms() -> None:
    with speaking("zh"):
        said = [n_("{n} untranslated layer", "{n} untranslated layers", n) for n in (0, 1, 2)]
    assert said == ["0 untranslated layers", "1 untranslated layer", "2 untranslated layers"]


def test_an_application_says_whose_language_it_is() -> None:
    ask_language(lambda: "zh")
    assert said() == "一句关于3层的话。"
    with speaking("en"):
        assert said().startswith("An")


def test_a_thread_of_its_own_can_be_told() -> None:
    heard: list[str] = []

    def work(language: str) -> None:
        with speaking(language):
            heard.append(said())

    for language in ("zh", "en"):
        thread = threading.Thread(target=work, args=(language,))
        thread.start()
        thread.join()
    assert heard == ["一句关于3层的话。", "An unheard-of sentence about 3 layers."]


def test_a_folder_that_is_added_later_is_read(folder: Path, tmp_path: Path) -> None:
    with speaking("zh"):
        assert _("Another sentence.") == "Another sentence."
    other = tmp_path / "other"
    (other / "zh").mkdir(parents=True)
    (other / "zh" / "more.po").write_text(
        'msgid "Another sentence."\nmsgstr "另一句话。"\n', encoding="utf-8"
    )
    add_folder(other)
    with speaking("zh"):
        assert _("Another sentence.") == "另一句话。"
        assert said() == "一句关于3层的话。"
