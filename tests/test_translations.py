"""The catalogues follow the code, and what they say is what is shown."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pages.shared import text
from tools import translations

PAGE = 'from pages.shared.text import _, N_, n_\nTITLE = N_("A title")\nprint(_("Some text"))\n'


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with an app and two lessons, and no catalogue."""
    for name, content in {
        "app.py": '_("Learn")\n',
        "pages/learn/one.py": PAGE,
        "pages/shared/learn/one.py": '_("{n} layers").format(n=3)\n',
        "pages/learn/two.py": '_("Some text")\nn_("{n} layer", "{n} layers of it", 2)\n',
        "pages/shared/frame.py": '_("Learn")\n_("Next")\n',
        "explorer/lessons/one.py": 'message("What is wrong")\n',
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    monkeypatch.setattr(translations, "ROOT", tmp_path)
    monkeypatch.setattr(translations, "LOCALE", tmp_path / "pages/locale")
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["translations.py", *arguments])
    return translations.main()


def ids(project: Path, name: str) -> list[str]:
    content = (project / f"pages/locale/zh/{name}.po").read_bytes()
    return [m.id if isinstance(m.id, str) else m.id[0] for m in translations.read(content, "zh")]


def translate(project: Path, name: str, **said: str) -> None:
    path = project / f"pages/locale/zh/{name}.po"
    content = path.read_text()
    for english, chinese in said.items():
        message = english.replace("_", " ")
        content = content.replace(
            f'msgid "{message}"\nmsgstr ""', f'msgid "{message}"\nmsgstr "{chinese}"'
        )
    path.write_text(content)


# ------------------------------------------------------------------------ the tool


def test_a_text_stands_in_the_catalogue_of_its_lesson_or_else_of_the_app(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch) == 1  # all is new, so nothing is translated
    assert ids(project, "app") == ["Learn", "Next"]
    assert ids(project, "one") == ["What is wrong", "A title", "Some text", "{n} layers"]
    # What two lessons say stands in one of them.
    assert ids(project, "two") == ["{n} layer"]


def test_running_it_twice_changes_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(monkeypatch)
    folder = project / "pages/locale/zh"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    run(monkeypatch)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_translation_goes_with_its_text_and_away_with_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(monkeypatch)
    translate(project, "one", Some_text="一段文字", A_title="标题")
    (project / "pages/learn/one.py").write_text("")
    run(monkeypatch)
    assert "A title" not in ids(project, "one")
    moved = (project / "pages/locale/zh/two.po").read_text()
    assert 'msgid "Some text"\nmsgstr "一段文字"' in moved


def test_a_catalogue_without_texts_is_taken_away(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(monkeypatch)
    (project / "pages/learn/two.py").write_text("")
    run(monkeypatch)
    assert not (project / "pages/locale/zh/two.po").exists()


def test_the_check_changes_nothing_and_says_what_is_wrong(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--check") == 1
    assert not (project / "pages/locale").exists()
    said = capsys.readouterr().out
    assert "app.po: not translated: 'Learn'" in said
    assert "app.po: not up to date" in said


def test_the_check_is_content_when_all_is_translated(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (project / "pages").rglob("*.py"):
        path.write_text("")
    (project / "explorer/lessons/one.py").write_text("")
    (project / "app.py").write_text('_("Learn")\nn_("{n} layer", "{n} layers", 2)\n')
    run(monkeypatch)
    translate(project, "app", Learn="学习")
    path = project / "pages/locale/zh/app.po"
    path.write_text(path.read_text().replace('msgstr[0] ""', 'msgstr[0] "{n} 层"'))
    capsys.readouterr()
    # One form of a plural is all that Chinese has: nothing is missing.
    assert run(monkeypatch, "--check") == 0
    assert capsys.readouterr().out == ""


# ------------------------------------------------------------------------ the app


@pytest.fixture
def catalogues(tmp_path: Path) -> Path:
    """Catalogues of a language: two files, one plural translated and one not."""
    folder = tmp_path / "zh"
    folder.mkdir()
    (folder / "app.po").write_text(
        'msgid "Learn"\nmsgstr "学习"\n\n'
        'msgid "{n} layer"\nmsgid_plural "{n} layers"\nmsgstr[0] "{n} 层"\n\n'
        'msgid "{n} block"\nmsgid_plural "{n} blocks"\nmsgstr[0] ""\n\n'
        'msgid "Next"\nmsgstr ""\n'
    )
    (folder / "one.po").write_text('msgid "A title"\nmsgstr "标题"\n')
    return folder


def test_all_catalogues_of_a_language_are_read_as_one(catalogues: Path) -> None:
    found = text._load(catalogues)
    assert [found.gettext(each) for each in ("Learn", "A title")] == ["学习", "标题"]


def test_the_one_form_of_a_chinese_plural_is_said_for_every_number(catalogues: Path) -> None:
    found = text._load(catalogues)
    said = [found.ngettext("{n} layer", "{n} layers", n) for n in (0, 1, 2, 100)]
    assert said == ["{n} 层"] * 4


def test_what_is_not_translated_is_said_in_english(catalogues: Path) -> None:
    found = text._load(catalogues)
    assert found.gettext("Next") == "Next"
    said = [found.ngettext("{n} block", "{n} blocks", n) for n in (0, 1, 2)]
    assert said == ["{n} blocks", "{n} block", "{n} blocks"]


def test_english_numbers_choose_their_form_and_are_grouped() -> None:
    # Outside the app the language is English.
    assert text.n_("{n} layer", "{n} layers", 1) == "1 layer"
    assert text.n_("{n} layer", "{n} layers", 1234) == "1,234 layers"
    assert text._("Learn") == "Learn"


def test_every_language_has_a_name_and_catalogues() -> None:
    assert set(text.LANGUAGES) == {"en", *text.LOCALES} == {"en", *translations.LANGUAGES}
    for language in text.LOCALES:
        assert text._translations(language).gettext("Learn") != "Learn"
