"""Values as a person types them: lists and ranges, the end included.

1,8                one value after the other
64:256:64          64, 128, 192, 256
64:512:32,256x128  squares, and one rectangle, height first
"""

from __future__ import annotations

import re
from decimal import Decimal

from explorer.errors import OptionError
from explorer.models._registry import ModelSpec, OptionValue
from explorer.sweep.points import MAX_POINTS

_NUMBER = re.compile(r"-?\d{1,10}(\.\d{1,6})?")


def whole_numbers(text: str, what: str) -> list[int]:
    """Read numbers from 1 on: "1,8", "16:64:16".

    Args:
        text: as it was typed.
        what: its name, for the message.

    Raises:
        OptionError: it is something else.
    """
    numbers = _numbers(text, what, "1,8 or 16:64:16")
    if any(number < 1 or number % 1 for number in numbers):
        raise OptionError(f"{what} {text!r} should be whole numbers from 1 on.", what)
    return list(map(int, numbers))


def sizes(text: str, what: str = "sizes") -> list[int | tuple[int, int]]:
    """Read image sizes in pixels: "224", "64:512:32", "256x128" (height first).

    Args:
        text: as it was typed.
        what: its name, for the message.

    Raises:
        OptionError: it is something else.
    """
    found: list[int | tuple[int, int]] = []
    for part in text.split(","):
        if sides := re.fullmatch(r"\s*([1-9]\d*)[x×]([1-9]\d*)\s*", part.lower()):
            found.append((int(sides[1]), int(sides[2])))
        else:
            found += whole_numbers(part, what)
    return found


def option_values(spec: ModelSpec, name: str, text: str) -> list[OptionValue]:
    """Read the values that one option of a model goes through.

    A number out of the option's range, or an option that the model does not have, is no error
    here: the row of its point says so.

    Args:
        spec: the model.
        name: the option's name.
        text: numbers in lists and ranges, choices or true and false in lists; of an option that
            is a tuple, one value.

    Raises:
        OptionError: it is nothing that the option could be.
    """
    option = spec.options.get(name)
    if option is None:
        return [text]
    if option.kind == "ints":
        return [option.parse(text, spec.name)]
    if option.kind not in ("int", "float"):
        return [option.parse(part, spec.name) for part in text.split(",")]
    numbers = _numbers(text, name, "64,128 or 64:256:64")
    if option.kind == "float":
        return list(map(float, numbers))
    if any(number % 1 for number in numbers):
        raise OptionError(f"{spec.name}: {name}={text} should be whole numbers.", name)
    return list(map(int, numbers))


def _numbers(text: str, what: str, example: str) -> list[Decimal]:
    """Decimal, so that 0:0.3:0.1 ends with 0.3."""
    found: list[Decimal] = []
    for part in text.split(","):
        ends = part.strip().split(":")
        if len(ends) > 3 or not all(map(_NUMBER.fullmatch, ends)):
            raise OptionError(f"{what} {part!r} should be like {example}.", what)
        first, *rest = map(Decimal, ends)
        found += _range(first, *rest) if rest else [first]
        if len(found) > MAX_POINTS:
            raise OptionError(f"{what} {text!r} is more than {MAX_POINTS:,} values.", what)
    return found


def _range(first: Decimal, last: Decimal, step: Decimal = Decimal(1)) -> list[Decimal]:
    """From first to last, the last included if a step meets it."""
    if step <= 0 or last < first:
        raise OptionError(f"{first}:{last}:{step} should go up, by a step above 0.")
    # One too many is enough for the caller to refuse them.
    number = min(int((last - first) / step), MAX_POINTS)
    return [first + step * index for index in range(number + 1)]
