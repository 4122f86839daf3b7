"""Bring the catalogues of the languages up to date with the code.

    python tools/translations.py            add what is new, drop what is gone, say what is missing
    python tools/translations.py --check    change nothing; exit code 1 if anything would change

A text of the app belongs to the catalogue named like the file that it stands in, if that is a
lesson, and else to `app`; a text of the library belongs to the catalogue named like its package.
A new text comes in with an empty translation, to be written by hand.
"""

from __future__ import annotations

import argparse
import ast
import sys
from io import BytesIO
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po, write_po

ROOT: Final = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from explorer import get_spec, list_models  # noqa: E402
from explorer.analysis.published import published, reid  # noqa: E402
from explorer.analysis.roofline import devices  # noqa: E402

LOCALES: Final = (ROOT / "pages" / "locale", ROOT / "explorer" / "locale")
"""Where the texts of the app and those of the library are translated."""
LANGUAGES: Final = ("zh",)
MARKS: Final = {"_": 1, "N_": 1, "n_": 2}
"""Function -> number of texts that it takes."""


def sources() -> list[Path]:
    """The files that hold texts for the screen."""
    folders = (ROOT / "pages", ROOT / "explorer")
    inside = (path for folder in folders for path in folder.rglob("*.py"))
    return sorted([ROOT / "app.py", *inside])


def catalogue(path: Path) -> Path:
    """The catalogue that a file's texts belong to, from the folder of a language."""
    if path.is_relative_to(ROOT / "explorer"):
        part = path.relative_to(ROOT / "explorer").parts[0]
        return LOCALES[1] / "{language}" / f"{part.removesuffix('.py')}.po"
    lesson = path.stem != "__init__" and (ROOT / "pages" / "learn" / path.name).is_file()
    return LOCALES[0] / "{language}" / (f"{path.stem}.po" if lesson else "app.po")


def extracted() -> dict[Path, Catalog]:
    """The texts of each catalogue, in the order of the code; a text stands in one of them."""
    found: dict[Path, Catalog] = {}
    seen: set[object] = set()
    # What lessons share with other pages is translated there, and what pages with the library.
    for path in sorted(sources(), key=_order):
        for message in texts_of(path):
            if message not in seen:
                seen.add(message)
                found.setdefault(catalogue(path), Catalog()).add(message)
    for name, texts in (("models", model_texts()), ("data", notes())):
        for text in texts:
            if text not in seen:
                seen.add(text)
                where = LOCALES[1] / "{language}" / f"{name}.po"
                found.setdefault(where, Catalog()).add(text)
    return found


def notes() -> list[str]:
    """What the tables of published numbers and of devices say of their rows."""
    texts = [row.reason for row in published()] + [row.note for row in reid()]
    texts += [device.checked for device in devices()]
    return list(dict.fromkeys(text for text in texts if text))


def model_texts() -> list[str]:
    """What the registry says: ideas, what was new, where we depart, and the options' names."""
    specs = [get_spec(name) for name in list_models()]
    texts = [text for spec in specs for text in (spec.idea, *spec.new, spec.departs) if text]
    options = sorted({option.replace("_", " ").capitalize() for s in specs for option in s.options})
    return list(dict.fromkeys([*texts, *options]))


def texts_of(path: Path) -> list[str | tuple[str, str]]:
    """The texts that a file marks, in the order of the code, those inside f-strings too."""
    calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if _marks(node)]
    calls.sort(key=lambda node: (node.lineno, node.col_offset))
    texts: list[str | tuple[str, str]] = []
    for call in calls:
        given = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
        if MARKS[call.func.id] == 2 and len(given) > 1:
            texts.append((given[0], given[1]))
        elif MARKS[call.func.id] == 1 and given:
            texts.append(given[0])
    return texts


def _marks(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MARKS


def _order(path: Path) -> tuple[bool, bool, str]:
    where = catalogue(path)
    return not where.is_relative_to(LOCALES[1]), where.stem != "app", str(path)


def po_files(language: str) -> list[Path]:
    """The catalogues of a language."""
    return sorted(path for folder in LOCALES for path in (folder / language).glob("*.po"))


def updated(language: str) -> dict[Path, bytes]:
    """What each catalogue of a language should say."""
    known = Catalog(locale=language)
    for path in po_files(language):
        for message in read(path.read_bytes(), language):
            if not lacks(message):
                known.add(message.id, message.string)
    files: dict[Path, bytes] = {}
    for where, template in extracted().items():
        catalog = Catalog(locale=language, charset="utf-8")
        for message in template:
            if message.id:
                old = known.get(message.id)
                # A text that has become one of several forms, or has ceased to be, starts anew.
                fits = old is not None and type(old.id) is type(message.id)
                catalog.add(message.id, old.string if old and fits else "")
        text = BytesIO()
        write_po(text, catalog, width=100, omit_header=True)
        files[Path(str(where).format(language=language))] = text.getvalue()
    return files


def read(content: bytes, language: str) -> list[Message]:
    """The messages of a catalogue, its header left out."""
    # The language says how many forms a plural has; without it there would be two.
    return [m for m in read_po(BytesIO(content), locale=language) if m.id]


def lacks(message: Message) -> bool:
    """Whether a message, or one form of its plural, has no translation."""
    forms = [message.string] if isinstance(message.string, str) else message.string
    return not all(forms)


def missing(content: bytes, language: str) -> list[str]:
    """Texts of a catalogue that have no translation."""
    return [str(m.id) for m in read(content, language) if lacks(m)]


def main() -> int:
    """Update or check all catalogues."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    problems = 0
    for language in LANGUAGES:
        files = updated(language)
        for path in sorted({*files, *po_files(language)}):
            old = path.read_bytes() if path.exists() else b""
            new = files.get(path, b"")
            lacking = missing(new, language) if new else []
            problems += len(lacking) + (old != new if check else 0)
            for text in lacking:
                sys.stdout.write(f"{path.name}: not translated: {text!r}\n")
            if old != new and check:
                sys.stdout.write(f"{path.name}: not up to date\n")
            elif old != new and new:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(new)
            elif old != new:
                path.unlink()
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
