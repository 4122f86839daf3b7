"""What the tabs of the page "Performance" share: labels of origin, figures, short texts."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, Literal

import streamlit as st

from explorer.analysis.memory import LargestBatch, TrainingMemory
from explorer.analysis.roofline import Bottlenecks
from explorer.analysis.units import count, memory, rounded
from pages.shared import cache
from pages.shared.choice import Choice
from pages.shared.setup import View
from pages.shared.text import N_, _

Origin = Literal["predicted", "recorded", "measured"]

_BADGES: Final[dict[Origin, tuple[str, str, Any]]] = {
    "predicted": (N_("Predicted, not measured"), ":material/calculate:", "orange"),
    "recorded": (N_("Recorded on another machine"), ":material/inventory_2:", "blue"),
    "measured": (N_("Measured here"), ":material/timer:", "green"),
}
BOUNDS: Final = {
    "memory": (N_("waits for memory"), "linear"),
    "compute": (N_("limited by arithmetic"), "convolution"),
    "launch": (N_("waits for launches"), "reduction"),
}
"""What time is spent on -> in words, and the kind of layer whose colour it borrows."""
ROW: Final = 30
"""Height of a row of a table, in pixels."""


def badge(origin: Origin) -> None:
    """Say where the numbers under it come from; numbers of two origins never share one."""
    text, icon, color = _BADGES[origin]
    st.badge(_(text), icon=icon, color=color)


def metric(label: str, value: str, detail: str) -> None:
    """Show one number with its label and, in small, what it is."""
    st.metric(label, value, detail or None, delta_color="off", delta_arrow="off", border=True)


def shares_of(found: Bottlenecks) -> dict[str, float]:
    """What the time is spent on, in shares of one."""
    return {
        "memory": found.memory_share,
        "compute": found.compute_share,
        "launch": found.launch_share,
    }


def at_least(step: TrainingMemory) -> str:
    """The memory of a step, marked where it is a lower bound."""
    return ("≥ " if step.is_lower_bound else "") + memory(step.total)


def batch_text(found: LargestBatch) -> str:
    """The largest batch, marked where it is an upper bound."""
    return ("≤ " if found.is_lower_bound else "") + count(found.batch) if found.batch else _("none")


def in_bytes(gigabytes: float) -> int:
    """Gigabytes as vendors count them."""
    return round(gigabytes * 1e9)


def rounded_number(x: float) -> float:
    """Three significant digits, for a column of numbers."""
    return float(f"{x:.3g}")


def short(key: str, most: int = 31) -> str:
    """Leave out the outer modules of a long path."""
    text = key
    while len(text) > most and "." in text:
        text = text.partition(".")[2]
    return text if text == key else f"…{text}"


def chart(key: str, drawn: str, what: str, clicked: Callable[[], None] | None = None) -> None:
    """Draw a chart whose dots or bars select their layer."""
    st.plotly_chart(
        json.loads(drawn),
        key=key,
        theme=None,
        on_select=clicked or "ignore",
        selection_mode="points",
        config={"displayModeBar": False},
        alt=what,
    )


def fits(choice: Choice, view: View, what: Literal["inference", "training"]) -> None:
    """The largest batch within the budget, in a sentence."""
    fits = cache.fits(choice, view.setup.dtype, view.training, in_bytes(view.budget))
    found = fits.inference if what == "inference" else fits.training
    if found is None:
        st.markdown(_("It does not train at this size and batch."))
        return
    how = view.setup.dtype if what == "inference" else view.training.name
    budget = _("{gb} GB").format(gb=rounded(view.budget, 4))
    if not found.batch:
        st.markdown(
            _("Not even one image fits in {budget} ({how}): it takes {memory}.").format(
                budget=budget, how=how, memory=gigabytes(found.total)
            )
        )
        return
    st.markdown(
        _(_FITS[what, found.is_lower_bound]).format(
            budget=budget,
            batch=batch_text(found).removeprefix("≤ "),
            how=how,
            memory=gigabytes(found.total),
            next_memory=gigabytes(found.next_total),
        )
    )


_FITS: Final = {
    ("inference", False): N_(
        "Runs in {budget} up to **batch {batch}** ({how}), which takes {memory}; "
        "one image more takes {next_memory}."
    ),
    ("inference", True): N_(
        "Runs in {budget} at most **batch {batch}** ({how}), which takes {memory}; "
        "one image more takes {next_memory}."
    ),
    ("training", False): N_(
        "Trains in {budget} up to **batch {batch}** ({how}), which takes {memory}; "
        "one image more takes {next_memory}."
    ),
    ("training", True): N_(
        "Trains in {budget} at most **batch {batch}** ({how}), which takes {memory}; "
        "one image more takes {next_memory}."
    ),
}
"""What is done, and whether the memory is a lower bound -> what fits."""


def gigabytes(nbytes: int) -> str:
    """With so many digits that neighbouring batches differ."""
    return _("{gb} GB").format(gb=rounded(nbytes / 1e9, 6))
