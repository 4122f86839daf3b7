"""Reading what a learner predicts, and saying how far off it is."""

from __future__ import annotations

import re
from math import prod
from typing import Final, NamedTuple

_UNITS: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9, "t": 10**12}
_NUMBER: Final = re.compile(
    r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:\s*([kmgbt])|e\+?([0-9]{1,2}))?", re.IGNORECASE
)
_WORD: Final = re.compile(r"\s*(?:macs?|param(?:eter)?s?|values|tokens)\s*$", re.IGNORECASE)
"""What people write behind a number."""
_MOST: Final = 60
"""Characters of a guess that are read."""


class Verdict(NamedTuple):
    """What a guess was worth."""

    readable: bool
    right: bool
    ratio: float | None
    """Guess over answer, of shapes by their elements; None for another number of sides, and where
    the answer is 0."""
    off: tuple[float, ...] = ()
    """Guess minus answer, for each side; empty for another number of sides."""
    sides: tuple[float, ...] = ()
    """What was read."""


def parse(text: str) -> tuple[tuple[float, float], ...] | None:
    """Read a number (4,089,184, 4.09 G or 4.09e9) or a shape (64 x 56 x 56).

    Returns:
        Each number with the half of its last digit's place: 4.09 G says no more than 10 M.
        None if it is neither.
    """
    if len(text) > _MOST:
        return None
    plain = _WORD.sub("", text.strip().strip("()[]"))
    plain = re.sub(r"(?<=[0-9]),(?=[0-9]{3}(?:[^0-9]|$))", "", plain)
    parts = [part.strip() for part in re.split(r"[x×*;,]|(?<=[0-9])\s+(?=[0-9])", plain)]
    found = [_number(part) for part in parts if part]
    if not found or None in found:
        return None
    return tuple(number for number in found if number)


def _number(text: str) -> tuple[float, float] | None:
    match = _NUMBER.fullmatch(text)
    if not match:
        return None
    digits, unit, power = match.groups()
    scale = 10 ** int(power) if power else _UNITS[(unit or "").lower()]
    if scale == 1 and "." not in digits:
        return float(digits), 0.0
    return float(digits) * scale, 0.5 * 10.0 ** -len(digits.partition(".")[2]) * scale


def check(text: str, answer: int | tuple[int, ...]) -> Verdict:
    """Compare what was typed with what is right.

    A rounded number is right if the answer rounds to it with at least two digits; a whole number
    must be exact.

    Args:
        text: what was typed.
        answer: a number, or the sides of a shape.
    """
    sides = (answer,) if isinstance(answer, int) else answer
    guessed = parse(text)
    if guessed is None:
        return Verdict(readable=False, right=False, ratio=None)
    if len(guessed) != len(sides):
        return Verdict(readable=True, right=False, ratio=None)
    right = all(
        abs(value - side) <= slack * (1 + 1e-9) and slack * 20 <= max(side, 1)
        for (value, slack), side in zip(guessed, sides, strict=True)
    )
    total = prod(sides)
    ratio = prod(value for value, _ in guessed) / total if total else None
    values = tuple(value for value, _slack in guessed)
    off = tuple(value - side for value, side in zip(values, sides, strict=True))
    return Verdict(readable=True, right=right, ratio=ratio, off=off, sides=values)
