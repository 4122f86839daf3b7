"""The traces themselves, and why a choice has none."""

from __future__ import annotations

from typing import Literal, NamedTuple

from explorer import trace_model
from explorer.analysis import layers
from explorer.errors import ExplorerError, InputSizeError, TraceError
from explorer.trace.records import Trace
from pages.shared.cache.keep import keep
from pages.shared.choice import Choice
from pages.shared.text import N_

Shape = tuple[int, ...]
Theme = Literal["light", "dark"]


class Failure(NamedTuple):
    """Why a choice has no complete trace, in one sentence, and what is known besides."""

    sentence: str
    partial: bool
    """Whether the layers before the failing one were recorded."""
    layer: str = ""
    """Path of the module in which the forward pass failed."""
    suggested_shape: Shape | None = None


@keep(64, N_("Tracing one forward pass"))
def traced(choice: Choice) -> tuple[Trace | None, Failure | None]:
    """Trace a choice: what there is of it, and what stood in the way if anything did."""
    try:
        trace = trace_model(
            choice.model, choice.input_shape, mode=choice.mode, options=choice.build_options
        )
    except TraceError as error:
        suggested = error.suggested_shape if isinstance(error, InputSizeError) else None
        has_rows = error.partial is not None and bool(layers(error.partial))
        return error.partial, Failure(str(error), has_rows, error.layer, suggested)
    except ExplorerError as error:
        return None, Failure(str(error), partial=False)
    return trace, None


def trace_of(choice: Choice) -> Trace:
    """The trace, partial if the choice does not work. Only where `failure` left one."""
    trace, _ = traced(choice)
    if trace is None:
        raise LookupError(f"{choice} left no trace")
    return trace


@keep(256)
def failure(choice: Choice) -> Failure | None:
    """Trace the choice, and say what stood in the way if anything did."""
    return traced(choice)[1]


def evaluated(choice: Choice) -> Choice:
    """The same choice in evaluation mode."""
    return choice._replace(mode="eval")


def trained(choice: Choice) -> Choice:
    """The same choice in training mode."""
    return choice._replace(mode="train")
