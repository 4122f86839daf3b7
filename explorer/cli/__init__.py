"""What is registered, and what one forward pass of a model costs, layer by layer.

    python -m explorer list --family ResNet
    python -m explorer show resnet50
    python -m explorer trace resnet50 --input 3x256x128 --format csv
    python -m explorer sweep --family ResNet --sizes 64:512:32,256x128 -o resnets.parquet
    python -m explorer diagram resnet50 --view blocks -o resnet50.svg
    python -m explorer latency resnet50 --device cpu --batch 1,8 -o runs.jsonl

It asks the same functions as the app and prints the same numbers. What the user can cause is one
sentence on stderr and exit code 2.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from explorer.cli import diagram, latency, listing, show, sweep, trace
from explorer.errors import ExplorerError

USER_ERROR = 2
"""Exit code of a request that cannot be carried out."""
INTERRUPTED, READER_GONE = 130, 141
"""What a shell reports for a program that SIGINT or SIGPIPE has ended."""
COMMANDS = (listing, show, trace, diagram, sweep, latency)
"""Each adds itself to the parser."""


class _Parser(argparse.ArgumentParser):
    """Argparse that says what is wrong in one sentence, without repeating the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(USER_ERROR, f"{self.prog}: {message} (try {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        argv: the arguments; those of the process if None.
    """
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
        sys.stdout.flush()
    except ExplorerError as error:
        sys.stdout.flush()
        print(error, file=sys.stderr)
        return USER_ERROR
    except BrokenPipeError:
        # Whoever read our output (head, a pager) has enough. Python would complain at exit, when
        # it flushes what is left, so that goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m explorer", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="command")
    for command in COMMANDS:
        command.add(commands)
    return parser
