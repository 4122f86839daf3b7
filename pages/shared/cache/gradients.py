"""Passes and trainings of the lesson on degradation, computed once for all visitors."""

from __future__ import annotations

import streamlit as st

from explorer.lessons.arms import ARMS
from explorer.lessons.gradients import Data, Flow, Shattering, gradient_flow, shattering
from explorer.lessons.training import Recorded, recorded


@st.cache_data(max_entries=256, show_spinner=False)
def flow(code: str, data: Data, seed: int) -> Flow:
    """One backward pass of an arm: 16 images of 32 x 32."""
    arm = ARMS[code]
    return gradient_flow(
        arm.model, dict(arm.options), init=arm.init, zero_gamma=arm.zero_gamma, batch=16,
        data=data, seed=seed,
    )  # fmt: skip


@st.cache_data(max_entries=256, show_spinner=False)
def shattered(code: str, seed: int) -> Shattering:
    """An arm's gradient along a path of images."""
    arm = ARMS[code]
    return shattering(
        arm.model, dict(arm.options), init=arm.init, zero_gamma=arm.zero_gamma, seed=seed
    )


@st.cache_data(max_entries=1, show_spinner=False)
def recorded_runs() -> list[Recorded]:
    """The trainings that come with the library."""
    return recorded()
