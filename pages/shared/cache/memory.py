"""Memory to run and to train a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from explorer.analysis import (
    InferenceMemory,
    LargestBatch,
    TrainingMemory,
    inference_memory,
    largest_batch,
    layers,
    precisions,
    training_memory,
)
from explorer.analysis.memory import Precision
from explorer.figures.memory import memory_timeline, training_bars
from pages.shared.cache.keep import keep
from pages.shared.cache.traces import Theme, evaluated, failure, trace_of, trained
from pages.shared.choice import Choice
from pages.shared.text import N_

if TYPE_CHECKING:
    from pages.shared.setup import Training


@keep(256)
def inference(choice: Choice, dtype: str) -> InferenceMemory:
    """Memory of one forward pass in evaluation mode."""
    return inference_memory(trace_of(evaluated(choice)), dtype=dtype)


@keep(128)
def number_types(choice: Choice) -> tuple[Precision, ...]:
    """What inference takes in each number type."""
    return precisions(trace_of(evaluated(choice)))


@keep(256)
def training(choice: Choice, how: Training) -> TrainingMemory:
    """Memory of one training step. Only where `failure(trained(choice))` is None."""
    return training_memory(trace_of(trained(choice)), **how.arguments)


class Fits(NamedTuple):
    """The largest batches that fit into a budget."""

    inference: LargestBatch
    training: LargestBatch | None
    """None if the model does not train at this size and batch."""


@keep(256)
def fits(choice: Choice, dtype: str, how: Training, budget_bytes: int) -> Fits:
    """The largest batch to run, and the largest to train."""
    trains = failure(trained(choice)) is None
    return Fits(
        largest_batch(trace_of(evaluated(choice)), budget_bytes, dtype=dtype),
        largest_batch(trace_of(trained(choice)), budget_bytes, training=True, **how.arguments)
        if trains
        else None,
    )


@keep(64, N_("Drawing"))
def memory_figure_json(choice: Choice, dtype: str, theme: Theme, selected: str) -> str:
    """The timeline of activations, as Plotly's JSON."""
    rows = layers(trace_of(evaluated(choice)))
    drawn = memory_timeline(inference(choice, dtype), rows, theme=theme, selected=selected)
    return str(drawn.to_json())


@keep(64, N_("Drawing"))
def training_figure_json(
    choice: Choice, ways: tuple[tuple[str, Training], ...], theme: Theme
) -> str:
    """The parts of a training step, for several ways to train, as Plotly's JSON."""
    steps = [(name, training(choice, how)) for name, how in ways]
    return str(training_bars(steps, theme=theme).to_json())
