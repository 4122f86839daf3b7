"""Reading the parameters of a link: each returns None for what it cannot read."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

from explorer.errors import UnknownModelError
from explorer.models._registry import ModelSpec
from explorer.zoo import get_spec
from pages.shared import address
from pages.shared.choice import MAX_SIZE, no_model
from pages.shared.text import _, joined

Word = TypeVar("Word", bound=str)


def one_of(allowed: Sequence[Word]) -> Callable[[str], Word | None]:
    """Reads one of several words."""
    return lambda text: next((name for name in allowed if name == text), None)


def some_of(allowed: Sequence[str]) -> Callable[[str], list[str] | None]:
    """Reads any of several words, with commas between them."""

    def parse(text: str) -> list[str] | None:
        parts = listed(text)
        return parts if all(part in allowed for part in parts) else None

    return parse


def listed(text: str) -> list[str]:
    """The parts between commas; one in brackets is no separator."""
    return [part for part in re.split(r",(?![^(]*\))", text) if part]


def whole_number(low: int, high: int) -> Callable[[str], int | None]:
    """Reads a whole number within limits."""

    def parse(text: str) -> int | None:
        number = int(text) if re.fullmatch(r"[0-9]{1,9}", text) else -1
        return number if low <= number <= high else None

    return parse


def number_of(allowed: Collection[int]) -> Callable[[str], int | None]:
    """Reads one of several whole numbers."""
    return {str(each): each for each in allowed}.get


def number(text: str) -> float | None:
    """Reads a number from 0 on."""
    plain = re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,9})?(e\+[0-9]{1,2})?", text)
    return float(text) if plain else None


def size(text: str) -> str | None:
    """Reads "256x128", height first, and spells it like that."""
    found = re.fullmatch(r"\s*([0-9]{1,4})\s*[x×]\s*([0-9]{1,4})\s*", text.lower())
    if not found or not all(1 <= int(side) <= MAX_SIZE for side in found.groups()):
        return None
    return "x".join(str(int(side)) for side in found.groups())


def pair(text: str, between: str = "x") -> tuple[int, int]:
    """The two numbers of "256x128"."""
    first, second = text.split(between)
    return int(first), int(second)


def image_models(
    tokens: Sequence[str], most: int, name_of: Callable[[str], str] = str
) -> list[str]:
    """Keep what names a model for images; each other one becomes a sentence on the page.

    Args:
        tokens: names, or texts that begin with one.
        most: how many are kept.
        name_of: the name in a token.
    """
    known = [token for token in tokens if _image_model(name_of(token))]
    if len(known) > most:
        text = _("The link has {n} models; the first {most} are shown.")
        address.report((text.format(n=len(known), most=most),))
    return known[:most]


def _image_model(name: str) -> ModelSpec | None:
    try:
        spec = get_spec(name)
    except UnknownModelError as error:
        address.report((joined((no_model(name, error), _("It is left out."))),))
        return None
    if len(spec.input_shape) == 4:
        return spec
    text = _("{model} takes video, which this page does not show: it is left out.")
    address.report((text.format(model=name),))
    return None


def unless(value: str, default: str) -> str | None:
    """A parameter's text, or None where it says what is so anyway."""
    return None if value == default else value
