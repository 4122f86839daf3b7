"""All registered architectures in one table: what each is, and what it costs at a size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

from explorer.analysis.published import read_data
from explorer.errors import ExplorerError
from explorer.trace import trace_model
from explorer.zoo import get_spec, list_models


class Entry(NamedTuple):
    """One architecture at one input size."""

    name: str
    title: str
    family: str
    year: int
    params: int | None
    """None if the architecture does not take the size."""
    macs: int | None
    height: int
    width: int
    native: tuple[int, int]
    """Native (height, width)."""
    smallest: tuple[int, int]
    idea: str
    paper: str
    problem: str
    """Why there are no counts, in one sentence; "" if there are."""


class Accuracy(NamedTuple):
    """Published ImageNet accuracy of one set of weights."""

    name: str
    weights: str
    """Name of the weights and so of the recipe: "IMAGENET1K_V2"."""
    top1: float
    """Percent."""
    top5: float
    crop: int
    """Side of the square image that it was measured at, in pixels."""
    recipe: str
    """Where training is described, as a link; "" if torchvision names nothing."""
    source: str


def entry(name: str, size: tuple[int, int] | None = None) -> Entry:
    """Trace one architecture with its default options.

    Args:
        name: a registered name.
        size: (height, width); its native one if None.

    Raises:
        UnknownModelError: no such model.
    """
    spec = get_spec(name)
    batch, channels, *native = spec.input_shape
    height, width = size or native
    params = macs = None
    problem = ""
    least = spec.min_size
    if height < least[0] or width < least[1]:
        problem = f"{spec.title} takes images of at least {least[0]} × {least[1]} pixels."
    else:
        try:
            trace = trace_model(name, (batch, channels, height, width))
            params, macs = trace.params, trace.macs
        except ExplorerError as error:
            problem = str(error)
    return Entry(
        name=name,
        title=spec.title,
        family=spec.family,
        year=spec.year,
        params=params,
        macs=macs,
        height=height,
        width=width,
        native=(native[0], native[1]),
        smallest=spec.min_size,
        idea=spec.idea,
        paper=spec.paper,
        problem=problem,
    )


def entries(
    size: tuple[int, int] | None = None, names: Sequence[str] | None = None
) -> Iterator[Entry]:
    """Trace all architectures one after the other.

    Args:
        size: (height, width) for all; each one's native one if None.
        names: only these; all registered ones if None.
    """
    for name in list_models() if names is None else names:
        yield entry(name, size)


@cache
def accuracies() -> dict[str, tuple[Accuracy, ...]]:
    """Registered name -> published accuracies, the best first.

    They are torchvision's own statements for its weights; a model without an entry has no
    citable number here, and none is guessed.
    """
    found: dict[str, list[Accuracy]] = {}
    for row in read_data("accuracy.csv"):
        found.setdefault(row["name"], []).append(
            Accuracy(
                row["name"],
                row["weights"],
                float(row["top1"]),
                float(row["top5"]),
                int(row["crop"]),
                row["recipe"],
                row["source"],
            )
        )
    return {name: tuple(sorted(rows, key=lambda row: -row.top1)) for name, rows in found.items()}
