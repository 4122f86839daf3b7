"""The head of the page: predicted time and its bounds, memory, the largest batch."""

from __future__ import annotations

import streamlit as st

from explorer.analysis.units import count, memory, rounded
from pages.shared import cache
from pages.shared.choice import Choice
from pages.shared.performance.parts import at_least, batch_text, in_bytes, metric, shares_of
from pages.shared.setup import View
from pages.shared.text import _
from pages.shared.widgets import plain


def metrics(choice: Choice, view: View) -> None:
    """Predicted time and its bounds; memory; the largest batch."""
    setup, how = view.setup, view.training
    made = cache.forecast(choice, setup)
    runs = cache.inference(choice, setup.dtype)
    fits = cache.fits(choice, setup.dtype, how, in_bytes(setup.device.memory / 1e9))
    shares = shares_of(made.found)
    launch_us = _("{us} µs each").format(us=rounded(1e6 * setup.device.launch_seconds))
    with st.grid(6, min_column_width=130, gap="small", key="metrics"):
        metric(
            _("Predicted time"),
            _("{ms} ms").format(ms=rounded(made.ms)),
            _("{rate} images/s").format(rate=_rate(made)),
        )
        metric(_("Launches"), count(made.launches), launch_us if setup.launch else _("not counted"))
        metric(_("Bound by"), _whole_percents(shares), _("mem/math/launch"))
        metric(
            _("Memory to run"), memory(runs.total), _("peak in {dtype}").format(dtype=runs.dtype)
        )
        if fits.training is None:
            metric(_("Memory to train"), _("none"), _("fails at this batch"))
        else:
            trains = cache.training(choice, how)
            metric(_("Memory to train"), at_least(trains), how.short)
        metric(
            _("Batch in {gb} GB").format(gb=rounded(setup.device.memory / 1e9)),
            batch_text(fits.inference),
            _("{batch} to train").format(batch=batch_text(fits.training))
            if fits.training
            else _("to run"),
        )


def statement(choice: Choice, view: View) -> None:
    """What the predictions are and are not."""
    text = cache.forecast(choice, view.setup).statement
    if choice.mode == "train":
        text += _(" The forward pass in training mode; the backward pass is not in the time.")
    st.caption(plain(text))


def _rate(made: cache.Forecast) -> str:
    return rounded(made.images_per_second)


def _whole_percents(shares: dict[str, float]) -> str:
    """For example "50/36/14%"."""
    return "/".join(f"{100 * share:.0f}" for share in shares.values()) + "%"
