"""The head of the page: predicted time and its bounds, memory, the largest batch."""

from __future__ import annotations

import streamlit as st

from explorer.analysis.units import count, memory, rounded
from pages.shared import cache
from pages.shared.choice import Choice
from pages.shared.performance.parts import at_least, batch_text, in_bytes, metric, shares_of
from pages.shared.setup import View
from pages.shared.widgets import plain


def metrics(choice: Choice, view: View) -> None:
    """Predicted time and its bounds; memory; the largest batch."""
    setup, how = view.setup, view.training
    made = cache.forecast(choice, setup)
    runs = cache.inference(choice, setup.dtype)
    fits = cache.fits(choice, setup.dtype, how, in_bytes(setup.device.memory / 1e9))
    shares = shares_of(made.found)
    launch_us = f"{rounded(1e6 * setup.device.launch_seconds)} µs each"
    with st.grid(6, min_column_width=130, gap="small", key="metrics"):
        metric("Predicted time", f"{rounded(made.ms)} ms", f"{_rate(made)} images/s")
        metric("Launches", count(made.launches), launch_us if setup.launch else "not counted")
        metric("Bound by", _whole_percents(shares), "mem/math/launch")
        metric("Memory to run", memory(runs.total), f"peak in {runs.dtype}")
        if fits.training is None:
            metric("Memory to train", "none", "fails at this batch")
        else:
            trains = cache.training(choice, how)
            metric("Memory to train", at_least(trains), how.short)
        metric(
            f"Batch in {rounded(setup.device.memory / 1e9)} GB",
            batch_text(fits.inference),
            f"{batch_text(fits.training)} to train" if fits.training else "to run",
        )


def statement(choice: Choice, view: View) -> None:
    """What the predictions are and are not."""
    text = cache.forecast(choice, view.setup).statement
    if choice.mode == "train":
        text += " The forward pass in training mode; the backward pass is not in the time."
    st.caption(plain(text))


def _rate(made: cache.Forecast) -> str:
    return rounded(made.images_per_second)


def _whole_percents(shares: dict[str, float]) -> str:
    """For example "50/36/14%"."""
    return "/".join(f"{100 * share:.0f}" for share in shares.values()) + "%"
