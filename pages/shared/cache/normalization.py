"""What the lesson on normalization computes, once for all visitors."""

from __future__ import annotations

from typing import Literal

import numpy as np
import streamlit as st

from explorer.figures.tensor_grid import tensor_grid
from explorer.lessons.normalization import (
    Activated,
    Dropped,
    Folded,
    Kind,
    LocalResponse,
    Normalized,
    Running,
    activate,
    dropout,
    feature_maps,
    fold,
    local_response,
    normalize,
    run_batches,
    single_value_sentence,
    together,
)

Theme = Literal["light", "dark"]
IMAGES, CHANNELS = 4, 6
"""Of the tensor that is drawn."""


@st.cache_data(max_entries=64, show_spinner=False)
def normalized(kind: Kind, groups: int) -> Normalized:
    """The drawn tensor before and after a normalization."""
    return normalize(feature_maps(IMAGES)[:, :CHANNELS].copy(), kind, groups)


@st.cache_data(max_entries=64, show_spinner=False)
def grid(
    kind: Kind,
    groups: int,
    place: tuple[int, int],
    after: bool,
    rows: tuple[str, ...],
    columns: tuple[str, ...],
    theme: Theme,
) -> str:
    """The drawn tensor as SVG, what shares a mean with one map lit."""
    found = normalized(kind, groups)
    values = found.after if after else found.before
    return tensor_grid(
        values,
        together(values.shape, kind, *place, groups),
        rows=rows,
        columns=columns,
        marked=place,
        theme=theme,
    )


@st.cache_data(max_entries=128, show_spinner=False)
def batches(momentum: float, steps: int, batch: int, channel: int) -> Running:
    """A batch normalization that has seen some batches."""
    return run_batches(momentum, steps, batch, channel)


@st.cache_data(max_entries=1, show_spinner=False)
def single_value() -> str:
    """What torch says of one value per channel."""
    return single_value_sentence()


@st.cache_data(max_entries=1, show_spinner=False)
def folded() -> Folded:
    """A convolution with its normalization folded in."""
    return fold()


@st.cache_data(max_entries=16, show_spinner=False)
def response(scale: float) -> LocalResponse:
    """One pixel through AlexNet's normalization."""
    return local_response(scale)


@st.cache_data(max_entries=128, show_spinner=False)
def dropped(p: float, draw: int) -> Dropped:  # noqa: ARG001 (another draw is another result)
    """A map through dropout."""
    return dropout(p)


@st.cache_data(max_entries=64, show_spinner=False)
def dropout_grid(p: float, draw: int, columns: tuple[str, ...], theme: Theme) -> str:
    """What dropout does to a map, as SVG: before, in training, in evaluation."""
    found = dropped(p, draw)
    values = np.stack([found.before, found.trained, found.evaluated, found.average])[None]
    return tensor_grid(
        values,
        np.array([[False] * 4]) | True,
        rows=("",),
        columns=columns,
        cell=18,
        theme=theme,
    )


@st.cache_data(max_entries=128, show_spinner=False)
def activated(name: str, bias: float) -> Activated:
    """An activation, and what it does to a linear layer's outputs."""
    return activate(name, bias)
