"""What several commands ask for, and how it is read and printed."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.errors import OptionError
from explorer.trace import trace_model
from explorer.zoo import get_spec, list_models

if TYPE_CHECKING:
    from explorer.models import ModelSpec
    from explorer.models._registry import OptionValue
    from explorer.trace.records import Trace


def add_model_arguments(command: argparse.ArgumentParser) -> None:
    """Which model is traced, and on what."""
    add_input_arguments(command)
    command.add_argument("--batch", type=positive, default=1, help="images per pass (default 1)")
    command.add_argument("--mode", choices=("eval", "train"), default="eval")


def add_input_arguments(command: argparse.ArgumentParser) -> None:
    """Which model, of which input and options."""
    command.add_argument("model", help="a registered name, such as resnet50")
    command.add_argument(
        "--input", type=shape, metavar="CxHxW", help="input shape; the model's native one if left"
    )
    command.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of the model, such as num_classes=10; may be repeated",
    )


def list_of(kind: Callable[[str], Any]) -> Callable[[str], tuple[Any, ...]]:
    """A type of argument: values between commas."""
    return lambda text: tuple(dict.fromkeys(kind(part.strip()) for part in text.split(",")))


def shape(text: str) -> tuple[int, ...]:
    """A type of argument: "3x224x224"."""
    sizes = re.split(r"[x×,]", text.lower())
    if not all(re.fullmatch("[1-9][0-9]*", size) for size in sizes):
        raise argparse.ArgumentTypeError(f"{text!r} is not a shape such as 3x224x224")
    return tuple(map(int, sizes))


def natural(text: str) -> int:
    """A type of argument: a whole number from 0 on."""
    if not re.fullmatch("[0-9]+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def positive(text: str) -> int:
    """A type of argument: a whole number from 1 on."""
    if not natural(text):
        raise argparse.ArgumentTypeError(f"{text!r} should be at least 1")
    return int(text)


def traced(arguments: argparse.Namespace) -> Trace:
    """Trace what the arguments say."""
    spec = get_spec(arguments.model)
    image, options = asked(arguments, spec)
    shape = (arguments.batch, *image)
    return trace_model(spec.name, shape, mode=arguments.mode, options=options)


def asked(
    arguments: argparse.Namespace, spec: ModelSpec
) -> tuple[tuple[int, ...], dict[str, OptionValue]]:
    """Shape of one image and options."""
    native = spec.input_shape[1:]
    if arguments.input and len(arguments.input) != len(native):
        axes, example = len(native), "x".join(map(str, native))
        received = "x".join(map(str, arguments.input))
        raise OptionError(
            f"--input {received} should have {axes} sizes, channels first, as {example} has.",
            "input",
        )
    image = arguments.input or native
    options = dict(_option(spec, text) for text in arguments.option)
    if "in_channels" in spec.options:  # as in the app, the model follows the input
        options.setdefault("in_channels", image[0])
    return image, options


def _option(spec: ModelSpec, text: str) -> tuple[str, OptionValue]:
    name, equals, value = text.partition("=")
    if not equals:
        raise OptionError(f"--option takes NAME=VALUE, not {text!r}.", name)
    known = spec.options.get(name)  # an unknown one is refused with the others
    return name, known.parse(value, spec.name) if known else value


def no_such_family(family: str, source: str) -> str:
    """Say that a source has no such family, and which was perhaps meant."""
    families = list(dict.fromkeys(get_spec(name).family for name in list_models(source=source)))
    nearest = difflib.get_close_matches(family, families, n=1, cutoff=0.4)
    hint = f"did you mean {nearest[0]}?" if nearest else f"there are {', '.join(families)}."
    return f"There is no family called {family!r}: {hint}"


def write(path: Path, text: str, mode: str = "w") -> None:
    """Write a file.

    Raises:
        OptionError: it cannot be written.
    """
    try:
        with path.open(mode, encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise OptionError(f"{path} cannot be written: {error.strerror}.", "output") from error


def text_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as their content; those whose every cell is a number stand to the right."""
    lines = [header, *rows]
    columns = list(zip(*lines, strict=True))
    widths = [max(map(len, column)) for column in columns]
    right = [
        all(re.fullmatch(r"[<~-]?[\d,.]+%?|-", cell) for cell in column[1:]) for column in columns
    ]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if numeric else cell.ljust(width)
            for cell, width, numeric in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )
