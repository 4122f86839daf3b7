"""The process that computes points: one line of JSON in, one line of JSON out.

`python -m explorer.sweep.worker` is started by `explorer.sweep.pool` and ends when its input does,
so that it never outlives the process that asks.
"""

from __future__ import annotations

import gc
import json
import os
import threading
from typing import IO

import torch

from explorer.analysis.profiles import profile, to_json
from explorer.sweep.journal import to_line
from explorer.sweep.points import Point, compute

IDLE_SECONDS = 60.0
"""How long a worker waits for its next point before it ends; on a cluster nobody else ends it."""
RARELY = (50_000, 20, 100)
"""How often garbage is collected. A trace is many small objects and hardly a cycle: as often as
Python does by itself, looking for cycles takes a third of the time."""
READY = "ready\n"
"""What a worker says first, when all is imported."""


def to_request(point: Point) -> str:
    """A point as a line of JSON."""
    return json.dumps([*point]) + "\n"


def to_profile_request(name: str, size: tuple[int, int] | None) -> str:
    """A model at a size, of which a profile is wanted, as a line of JSON."""
    return json.dumps({"name": name, "size": size}) + "\n"


def _from_request(line: str) -> Point:
    model, shape, batch, options, *rest = json.loads(line)
    # JSON has lists only; the option values that are lists were tuples.
    pairs = tuple(
        (name, tuple(value) if isinstance(value, list) else value) for name, value in options
    )
    return Point(model, tuple(shape), batch, pairs, *rest)


def main() -> None:
    """Answer until the input ends."""
    requests, replies = _channels()
    torch.set_num_threads(1)  # there is a worker for each core
    gc.collect()
    gc.freeze()  # what was imported stays, and need not be looked through again and again
    gc.set_threshold(*RARELY)
    _say(replies, READY)
    while True:
        idle = threading.Timer(IDLE_SECONDS, os._exit, (0,))
        idle.start()
        line = requests.readline()
        idle.cancel()
        if not line:
            return
        _say(replies, _answer(line))


def _answer(line: str) -> str:
    """A point becomes a row; a name with a size becomes a profile."""
    asked = json.loads(line)
    if isinstance(asked, dict):
        return to_json(profile(asked["name"], tuple(asked["size"]) if asked["size"] else None))
    return to_line(compute(_from_request(line)))


def _channels() -> tuple[IO[str], IO[str]]:
    """Keep standard input and output for ourselves: a model that prints must not be in between."""
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return requests, replies


def _say(replies: IO[str], line: str) -> None:
    try:
        replies.write(line)
        replies.flush()
    except BrokenPipeError:  # nobody asks any more
        os._exit(0)


if __name__ == "__main__":
    main()
