"""`list`: what models there are."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from explorer.cli.arguments import no_such_family, text_table
from explorer.errors import OptionError
from explorer.zoo import SOURCES, get_spec, list_models

if TYPE_CHECKING:
    from explorer.models import ModelSpec


def add(commands: Any) -> None:
    """Add the command to the parser."""
    listing = commands.add_parser("list", help="list the registered models")
    listing.add_argument("--family", help="only this family, such as ResNet")
    listing.add_argument(
        "--source",
        choices=(*SOURCES, "all"),
        default="layerwise",
        help="whose models: ours (default), an installed library's, or all",
    )
    listing.set_defaults(run=_list)


def _list(arguments: argparse.Namespace) -> None:
    """Print the registered models, one a line."""
    names = list_models(arguments.family, arguments.source)
    if not names:
        raise OptionError(no_such_family(arguments.family, arguments.source), "family")
    header = ("Name", "Title", "Family", "Year", "Input", "Smallest")
    print(text_table(header, [model_row(get_spec(name)) for name in names]))


def model_row(spec: ModelSpec) -> tuple[str, ...]:
    """A model's line in the list."""
    # Sizes as --input takes them.
    native, smallest = ("x".join(map(str, size)) for size in (spec.input_shape[1:], spec.min_size))
    year = str(spec.year or "")
    if not spec.new and spec.min_size == (1, 1):  # a library that does not say
        smallest = ""
    return (spec.name, spec.title, spec.family, year, native, smallest)
