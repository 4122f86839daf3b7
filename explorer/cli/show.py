"""`show`: what is known of one model."""

from __future__ import annotations

import argparse
import textwrap
from typing import TYPE_CHECKING, Any

from explorer.cli.listing import model_row
from explorer.zoo import get_spec

if TYPE_CHECKING:
    from explorer.models import Option


def add(commands: Any) -> None:
    """Add the command to the parser."""
    showing = commands.add_parser(
        "show",
        help="say what is known of a model",
        description="Say what is known of a model: its idea, its paper, its options.",
    )
    showing.add_argument("model", help="a registered name, such as resnet50")
    showing.set_defaults(run=_show)


def _show(arguments: argparse.Namespace) -> None:
    """Print a model's paper, idea and options."""
    spec = get_spec(arguments.model)
    native, smallest = model_row(spec)[-2:]
    facts = {
        "Name": spec.name,
        "Family": f"{spec.family}, {spec.year}" if spec.year else spec.family,
        "Paper" if spec.new else "Source": spec.paper,
        "Input": f"{native}, at least {smallest}" if smallest else native,
        "Idea": spec.idea,
        "New": "\n".join(f"- {sentence}" for sentence in spec.new),
        "Departs": spec.departs or ("nowhere that we know of" if spec.new else ""),
        "Options": "\n".join(map(_option_text, spec.options.values())),
    }
    print(spec.title)
    for label, text in facts.items():
        for number, line in enumerate(text.splitlines()):
            wrapped = textwrap.wrap(line, 86, subsequent_indent="  " if line[:1] == "-" else "")
            for part in wrapped:
                print(f"{'' if number or part is not wrapped[0] else label:<10}{part}")


def _option_text(option: Option) -> str:
    """An option as --option takes it, with its legal values."""
    default = option.default
    text = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
    if option.kind == "bool":
        return f"{option.name}={text.lower()} (true or false)"
    if option.kind == "choice":
        return f"{option.name}={text} ({', '.join(map(str, option.choices))})"
    each = "each " if option.kind == "ints" else ""
    return f"{option.name}={text} ({each}{option.low:g} to {option.high:,.10g})"
