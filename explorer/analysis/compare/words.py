"""Sizes and windows as people write them."""

from __future__ import annotations

from explorer.analysis.compare.records import Shape
from explorer.analysis.layers import axes_text
from explorer.text import _


def size_text(size: Shape) -> str:
    """A resolution as people write it: "28 × 28", "197 tokens"."""
    if len(size) == 1:
        return _("{n} tokens").format(n=size[0])
    return " × ".join(map(str, size)) or _("vector")


def window_text(value: Shape | str | None) -> str:
    """A window's size, one number where all axes agree: "3", "1×7"; "none" if there is none."""
    if isinstance(value, tuple) and len(set(value)) == 1:
        return str(value[0])
    return axes_text(value) or "none"
