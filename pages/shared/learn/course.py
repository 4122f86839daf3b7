"""What the lessons on architectures share: their rules of style, and two values as one number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from explorer.analysis.units import rounded
from pages.shared.learn.lesson import Number


def style() -> None:
    """Add the rules of course.css to the page."""
    st.html(Path(__file__).with_suffix(".css"))


def change(label: str, before: float, after: float, text: Callable[[Any], str]) -> Number:
    """Two values with an arrow between them, and their ratio.

    Args:
        label: what they are; a unit that both have is added to it.
        before: the first.
        after: the second.
        text: writes one of them, with its unit.
    """
    old, new = text(before), text(after)
    number, _space, unit = old.partition(" ")
    if unit and new.endswith(f" {unit}"):
        label, old, new = f"{label}, {unit}", number, new.partition(" ")[0]
    return label, f"{old} → {new}", f"× {ratio(after / before)}"


def mebibytes(nbytes: float) -> str:
    """Bytes in MiB, whatever their size."""
    return f"{rounded(nbytes / 2**20)} MiB"


def ratio(x: float) -> str:
    """Three digits; two of a large one."""
    return rounded(x) if x < 100 else f"{float(f'{x:.2g}'):,.0f}"
