"""Bring the catalogues of the languages up to date with the code.

    python tools/translations.py            add what is new, drop what is gone, say what is missing
    python tools/translations.py --check    change nothing; exit code 1 if anything would change

A text belongs to the catalogue named like the file that it stands in, if that is a lesson, and
else to the catalogue `app`. A new text comes in with an empty translation, to be written by hand.
"""

from __future__ import annotations

import argparse
import sys
from io import BytesIO
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

ROOT: Final = Path(__file__).parents[1]
LOCALE: Final = ROOT / "pages" / "locale"
LANGUAGES: Final = {"zh": "zh_Hans_CN"}
"""Folder -> language of its catalogues, which decides how many forms a plural has."""
KEYWORDS: Final = {"_": None, "N_": None, "n_": (1, 2), "message": None}


def sources() -> list[Path]:
    """The files that hold texts for the screen."""
    folders = (ROOT / "pages", ROOT / "explorer")
    inside = (path for folder in folders for path in folder.rglob("*.py"))
    return sorted([ROOT / "app.py", *inside])


def domain(path: Path) -> str:
    """The catalogue that a file's texts belong to."""
    lesson = (ROOT / "pages" / "learn" / path.name).is_file()
    return path.stem if lesson and path.stem != "__init__" else "app"


def extracted() -> dict[str, Catalog]:
    """The texts of each catalogue, in the order of the code; a text stands in one of them."""
    found: dict[str, Catalog] = {}
    seen: set[object] = set()
    for path in sorted(sources(), key=lambda path: (domain(path) != "app", str(path))):
        for _, message, comments, context in extract_from_file(
            "python", path, keywords=KEYWORDS, options={"encoding": "utf-8"}
        ):
            if message in seen:
                continue
            seen.add(message)
            catalog = found.setdefault(domain(path), Catalog())
            catalog.add(message, context=context, auto_comments=comments)
    return found


def updated(language: str) -> dict[Path, bytes]:
    """What each catalogue of a language should say."""
    known = Catalog(locale=LANGUAGES[language])
    for path in sorted((LOCALE / language).glob("*.po")):
        for message in read(path.read_bytes(), language):
            if not lacks(message):
                known.add(message.id, message.string)
    files: dict[Path, bytes] = {}
    for name, template in extracted().items():
        catalog = Catalog(locale=LANGUAGES[language], charset="utf-8")
        for message in template:
            if message.id:
                old = known.get(message.id)
                catalog.add(message.id, old.string if old else "")
        text = BytesIO()
        write_po(text, catalog, width=100, omit_header=True)
        files[LOCALE / language / f"{name}.po"] = text.getvalue()
    return files


def read(content: bytes, language: str) -> list[Message]:
    """The messages of a catalogue, its header left out."""
    return [m for m in read_po(BytesIO(content), locale=LANGUAGES[language]) if m.id]


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
        for path in sorted({*files, *(LOCALE / language).glob("*.po")}):
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
