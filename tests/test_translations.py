"""The catalogues follow the code: texts come, move and go, and translations go with them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from explorer.text import ENGLISH
from pages.shared.text import LANGUAGES
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
        "explorer/lessons/one.py": '_("What is wrong")\n',
        "explorer/zoo.py": "say = f\"{_('There is none')}.\"\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    monkeypatch.setattr(translations, "ROOT", tmp_path)
    folders = (tmp_path / "pages/locale", tmp_path / "explorer/locale")
    monkeypatch.setattr(translations, "LOCALES", folders)
    monkeypatch.setattr(translations, "model_texts", lambda: ["An idea"])
    monkeypatch.setattr(translations, "notes", list)
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


def test_a_text_of_the_library_stands_in_the_catalogue_of_its_package(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(monkeypatch)
    said = {
        path.stem: [m.id for m in translations.read(path.read_bytes(), "zh")]
        for path in (project / "explorer/locale/zh").iterdir()
    }
    # Also one that stands in an f-string, and what the registry says of the models.
    assert said == {
        "lessons": ["What is wrong"], "zoo": ["There is none"], "models": ["An idea"],
    }  # fmt: skip


def test_a_text_stands_in_the_catalogue_of_its_lesson_or_else_of_the_app(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch) == 1  # all is new, so nothing is translated
    assert ids(project, "app") == ["Learn", "Next"]
    assert ids(project, "one") == ["A title", "Some text", "{n} layers"]
    # What two lessons say stands in one of them.
    assert ids(project, "two") == ["{n} layer"]


def test_running_it_twice_changes_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(monkeypatch)
    before = {path: path.read_bytes() for path in project.rglob("*.po")}
    run(monkeypatch)
    assert {path: path.read_bytes() for path in project.rglob("*.po")} == before
    assert len(before) == 6


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
    for path in (project / "explorer").rglob("*.py"):
        path.write_text("")
    monkeypatch.setattr(translations, "model_texts", list)
    (project / "app.py").write_text('_("Learn")\nn_("{n} layer", "{n} layers", 2)\n')
    run(monkeypatch)
    translate(project, "app", Learn="学习")
    path = project / "pages/locale/zh/app.po"
    path.write_text(path.read_text().replace('msgstr[0] ""', 'msgstr[0] "{n} 层"'))
    capsys.readouterr()
    # One form of a plural is all that Chinese has: nothing is missing.
    assert run(monkeypatch, "--check") == 0
    assert capsys.readouterr().out == ""


def test_every_language_of_the_app_has_catalogues() -> None:
    assert set(LANGUAGES) == {ENGLISH, *translations.LANGUAGES}
