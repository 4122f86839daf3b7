"""What the lesson on convolution arithmetic shows, as plain values for its component."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import streamlit as st

from explorer.figures.convolution import output_sizes
from explorer.lessons.convolution import (
    Convolved,
    Setting,
    SizePoint,
    Transposed,
    TransposedSetting,
    WindowError,
    convolve,
    size_curve,
    transpose,
)

Rows = list[list[int]]


class Misfit(NamedTuple):
    """Why there is no output."""

    needed: int
    received: int


class Gathered(NamedTuple):
    """A convolution for the component."""

    padded: list[Rows]
    """Of each input channel."""
    weights: list[list[Rows]]
    bias: list[int]
    output: list[Rows]
    products: list[list[list[list[int]]]]
    """Of each filter, row and column of outputs, flat."""
    partial: list[list[list[list[int]]]]
    """The same, summed over each input channel."""
    sees: list[list[int]]
    rows: list[list[int]]
    columns: list[list[int]]
    unread: list[list[bool]]
    lost: int
    """Pixels of the input that no window reads."""
    real: list[list[bool]]
    """Which padded positions are pixels of the input."""


@st.cache_data(max_entries=256, show_spinner=False)
def gathered(setting: Setting, bias: tuple[int, ...] = ()) -> Gathered | Misfit:
    """Work a convolution out."""
    try:
        made = convolve(setting, bias=np.array(bias, dtype=np.int64) if bias else None)
    except WindowError as error:
        return Misfit(error.needed, error.received)
    (top, _), (left, _) = setting.padding
    height, width = setting.size
    real = np.zeros(made.unread.shape, bool)
    real[top : top + height, left : left + width] = True
    return _plain(made, real)


def _plain(made: Convolved, real: npt.NDArray[np.bool_]) -> Gathered:
    flat = made.products.reshape(*made.products.shape[:3], -1)
    return Gathered(
        padded=made.padded.tolist(),
        weights=made.weights.tolist(),
        bias=made.bias.tolist(),
        output=made.output.tolist(),
        products=flat.tolist(),
        partial=made.products.sum(axis=(4, 5)).tolist(),
        sees=[list(each) for each in made.sees],
        rows=[list(each) for each in made.rows],
        columns=[list(each) for each in made.columns],
        unread=made.unread.tolist(),
        lost=int((made.unread & real).sum()),
        real=real.tolist(),
    )


class Scattered(NamedTuple):
    """A transposed convolution for the component, in both views."""

    inputs: Rows
    kernel: Rows
    output: Rows
    whole: Rows
    cut: list[list[bool]]
    """Which positions of `whole` the padding takes away."""
    rows: list[list[int]]
    columns: list[list[int]]
    steps: list[Rows]
    givers: list[list[list[tuple[int, int, int]]]]
    """For each position of `whole`: which inputs reach it, their value and the weight."""
    gathered: Gathered


@st.cache_data(max_entries=128, show_spinner=False)
def scattered(setting: TransposedSetting) -> Scattered | Misfit:
    """Work a transposed convolution out."""
    try:
        made = transpose(setting)
    except WindowError as error:
        return Misfit(error.needed, error.received)
    (top, bottom), (left, right) = made.cut
    height, width = made.whole.shape
    cut = np.ones((height, width), bool)
    cut[top : height - bottom, left : width - right] = False
    return Scattered(
        inputs=made.inputs.tolist(),
        kernel=made.kernel.tolist(),
        output=made.output.tolist(),
        whole=made.whole.tolist(),
        cut=cut.tolist(),
        rows=[list(each) for each in made.rows],
        columns=[list(each) for each in made.columns],
        steps=made.steps.tolist(),
        givers=_givers(made),
        gathered=_plain(made.gathered, made.real),
    )


def _givers(made: Transposed) -> list[list[list[tuple[int, int, int]]]]:
    height, width = made.whole.shape
    found: list[list[list[tuple[int, int, int]]]] = [
        [[] for _ in range(width)] for _ in range(height)
    ]
    for i, down in enumerate(made.rows):
        for j, across in enumerate(made.columns):
            at, value = i * len(made.columns) + j, int(made.inputs[i, j])
            for a, row in enumerate(down):
                for b, column in enumerate(across):
                    found[row][column].append((at, value, int(made.kernel[a, b])))
    return found


@st.cache_data(max_entries=128, show_spinner=False)
def sizes(most: int, kernel: int, stride: int) -> tuple[SizePoint, ...]:
    """Output sizes of every input size up to `most`."""
    return size_curve(most, kernel, stride)


@st.cache_data(max_entries=128, show_spinner=False)
def sizes_json(
    most: int, kernel: int, stride: int, size: int, names: tuple[tuple[str, str], ...], theme: str
) -> str:
    """The figure of output sizes, as Plotly's JSON."""
    points = sizes(most, kernel, stride)
    drawn = output_sizes(
        {
            rule: [getattr(point, rule) for point in points]
            for rule in ("full", "stretched", "half", "valid", "wanted")
        },
        {
            "valid": [point.unread for point in points],
            "half": [point.unread_half for point in points],
        },
        size=size,
        names=dict(names),
        theme=theme,
    )
    return str(drawn.to_json())
