"""Layers worked out by hand, of one's own and of real models; questions of the quiz."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from explorer import get_spec, list_models
from explorer.lessons.by_hand import LayerError, Work, find, own_work, work, workable
from explorer.lessons.quiz import Level, Question, question
from explorer.trace.records import Trace
from pages.shared.cache.keep import keep
from pages.shared.cache.traces import trace_of
from pages.shared.choice import native_choice
from pages.shared.text import N_


class Refusal(NamedTuple):
    """Why a layer cannot be built."""

    sentence: str
    reason: str
    """See `explorer.lessons.by_hand.LayerError`."""
    values: dict[str, int | str]


@st.cache_data(max_entries=512, show_spinner=False)
def own(kind: str, numbers: tuple[tuple[str, int], ...]) -> Work | Refusal:
    """Build one layer and work its numbers out."""
    try:
        return own_work(kind, dict(numbers))
    except LayerError as error:
        return Refusal(str(error), error.reason, error.values)


@st.cache_data(max_entries=4, show_spinner=False)
def models() -> dict[str, str]:
    """Registered name -> title and year of our models."""
    specs = (get_spec(name) for name in list_models())
    return {spec.name: f"{spec.title} · {spec.year}" for spec in specs}


@st.cache_data(max_entries=256, show_spinner=False)
def keys(model: str) -> tuple[str, ...]:
    """Layers and modules of a model that can be worked out."""
    return workable(native(model))


@st.cache_data(max_entries=512, show_spinner=False)
def real(model: str, key: str) -> Work | None:
    """Work out a layer of a model at its own input size; None if it has no such layer."""
    trace = native(model)
    row = find(trace, key)
    return work(trace, row) if row else None


def native(model: str) -> Trace:
    """A model's trace at its own input size."""
    return trace_of(native_choice(model))


@keep(1024, N_("Choosing a question"))
def asked(seed: int, n: int, level: Level) -> Question:
    """The n-th question of a quiz."""
    return question(seed, n, level, native)
