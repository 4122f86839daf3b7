"""How a lesson's controls read what a link says."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

T = TypeVar("T")


def one_of(known: Collection[str]) -> Callable[[str], str | None]:
    """Read a word that is one of some."""
    return lambda text: text if text in known else None


def number_of(known: Collection[int]) -> Callable[[str], int | None]:
    """Read a number that is one of some."""
    texts = {str(number): number for number in known}
    return texts.get


def number(low: int, high: int) -> Callable[[str], int | None]:
    """Read a whole number within bounds."""

    def read(text: str) -> int | None:
        plain = text.isascii() and text.isdigit() and len(text) < 8
        return int(text) if plain and low <= int(text) <= high else None

    return read


def unless(value: T, default: T) -> str | None:
    """What an address says of a value: nothing of a default."""
    return None if value == default else str(value)
