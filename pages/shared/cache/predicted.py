"""The predicted time of a forward pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import pandas as pd

from explorer.analysis.roofline import Bottlenecks, Prediction, bottlenecks, predict
from explorer.analysis.time_receipt import TimeReceipt, time_receipt
from explorer.figures.roofline import roofline, time_bars
from pages.shared.cache.keep import keep
from pages.shared.cache.traces import Theme, trace_of
from pages.shared.choice import Choice, native_choice
from pages.shared.text import N_

if TYPE_CHECKING:
    from pages.shared.setup import Setup


STORY: tuple[str, ...] = ("resnet50", "efficientnet_b0", "densenet121")
"""Fewer MACs, but not in proportion less time."""
STORY_BATCHES = (1, 64)
TimeFigure = Literal["roofline", "time"]


class Forecast(NamedTuple):
    """A predicted forward pass as a whole."""

    ms: float
    images_per_second: float
    launches: int
    macs: int
    nbytes: float
    found: Bottlenecks
    statement: str
    slowest: str
    """Key of the layer that takes longest; "" if nothing takes time."""


@keep(64)
def prediction(choice: Choice, setup: Setup) -> Prediction:
    """Predict the time of every op and layer."""
    return predict(
        trace_of(choice), setup.device, setup.dtype, tf32=setup.tf32, launch=setup.launch
    )


@keep(256)
def forecast(choice: Choice, setup: Setup) -> Forecast:
    """Predict the time of one forward pass."""
    made = prediction(choice, setup)
    slowest = max(made.layers, key=lambda row: row.ms, default=None)
    return Forecast(
        ms=made.ms,
        images_per_second=made.images_per_second,
        launches=made.launches,
        macs=made.macs,
        nbytes=sum(op.nbytes for op in made.ops),
        found=bottlenecks(made),
        statement=made.statement(),
        slowest=slowest.key if slowest else "",
    )


@keep(64)
def layer_times(choice: Choice, setup: Setup) -> pd.DataFrame:
    """The layers that take time, in execution order, by their keys."""
    rows = [row for row in prediction(choice, setup).layers if row.ms]
    return pd.DataFrame(
        {
            "Kind": [row.kind for row in rows],
            "ms": [row.ms for row in rows],
            "Share": [100 * row.share for row in rows],
            "Bound": [row.bound for row in rows],
            "MACs": [row.macs for row in rows],
            "Moved": [row.nbytes / 2**20 for row in rows],
            "Intensity": [row.intensity for row in rows],
            "Launches": [row.launches for row in rows],
        },
        index=pd.Index([row.key for row in rows], name="Layer", dtype=object),
    )


@keep(512)
def time_of(choice: Choice, setup: Setup, key: str) -> TimeReceipt | None:
    """A layer's or module's predicted time, worked out; None if there is no such layer."""
    return time_receipt(prediction(choice, setup), key)


@keep(64, N_("Drawing"))
def time_figure_json(
    choice: Choice, setup: Setup, figure: TimeFigure, theme: Theme, selected: str
) -> str:
    """A chart of the predicted time, as Plotly's JSON."""
    draw = roofline if figure == "roofline" else time_bars
    return str(draw(prediction(choice, setup), theme=theme, selected=selected).to_json())


class Story(NamedTuple):
    """Three networks on one device."""

    forecasts: tuple[tuple[str, tuple[Forecast, ...]], ...]
    """Name and, for each of `STORY_BATCHES`, the prediction."""
    sentences: tuple[str, ...]
    """Why fewer MACs are not in proportion less time."""


@keep(64, N_("Predicting three networks"))
def story(setup: Setup) -> Story:
    """The same three networks, at their own size, on the chosen device."""
    rows, sentences = [], []
    first = prediction(_story_choice(STORY[0], STORY_BATCHES[-1]), setup)
    for name in STORY:
        choices = [_story_choice(name, batch) for batch in STORY_BATCHES]
        rows.append((name, tuple(forecast(choice, setup) for choice in choices)))
        made = prediction(choices[-1], setup)
        alone = bottlenecks(made).sentences
        sentences += [each for each in bottlenecks(made, first).sentences if each not in alone]
    return Story(tuple(rows), tuple(sentences))


def _story_choice(name: str, batch: int) -> Choice:
    native = native_choice(name)
    return native._replace(input_shape=(batch, *native.input_shape[1:]))
