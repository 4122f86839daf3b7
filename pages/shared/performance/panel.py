"""The selected layer beside every tab: its predicted time, or on the tabs of memory its bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import TypeVar

import streamlit as st

from explorer.analysis.layer_memory import LayerMemory, LayerTraining
from explorer.analysis.time_receipt import TimeReceipt
from explorer.analysis.units import count, memory, percent, rounded, shape_text
from explorer.figures.theme import INK, kind_color, tint
from pages.shared import cache
from pages.shared.cache import performance as more
from pages.shared.choice import Choice
from pages.shared.performance.parts import BOUNDS
from pages.shared.setup import View
from pages.shared.text import _
from pages.shared.view import select
from pages.shared.widgets import plain, theme

T = TypeVar("T")

_MOST_BLOCKS = 6
Line = tuple[str, str, str]
"""Label, formula, result."""


def layer_panel(choice: Choice, view: View) -> None:
    """The selected layer; without one, the layer that matters most on the open tab."""
    with st.container(border=True, key="inspector", gap="small"):
        if view.tab == "memory":
            _memory(choice, view)
        elif view.tab == "training":
            _training(choice, view)
        else:
            _time(choice, view)
        if view.layer:
            st.button(
                _("Clear the selection"),
                key="clear",
                type="tertiary",
                icon=":material/close:",
                on_click=select,
                args=("",),
            )


def _missing(view: View, what: str) -> None:
    st.caption(
        _(":orange[No layer called {layer} {what} here.]").format(
            layer=plain(view.layer), what=what
        )
    )


# ----------------------------------------------------------------------- time


def _time(choice: Choice, view: View) -> None:
    found = cache.time_of(choice, view.setup, view.layer) if view.layer else None
    if view.layer and found is None:
        _missing(view, "takes time")
    if found is None:
        found = cache.time_of(choice, view.setup, cache.forecast(choice, view.setup).slowest)
        st.caption(_("The layer that takes longest. Select another in a chart or a table."))
    if found is None:
        return
    st.subheader(_("{ms} ms predicted").format(ms=rounded(found.ms)), anchor=False)
    _facts(found.key, _time_facts(found))
    _lines([(line.label, line.formula, line.result) for line in found.lines])


def _time_facts(found: TimeReceipt) -> dict[str, str]:
    bound = BOUNDS.get(found.bound)
    return {
        "Class": escape(found.title),
        "Kind": _chip(found.kinds),
        "Share": percent(found.share),
        "Mostly": bound[0] if bound else "",
        "MACs": count(found.macs),
        "Operations": count(found.operations),
        "Moved": memory(found.nbytes),
        "Ops a byte": rounded(found.intensity),
        "Launches": count(found.launches),
    }


# --------------------------------------------------------------------- memory


def _memory(choice: Choice, view: View) -> None:
    dtype = view.setup.dtype
    whole = cache.inference(choice, dtype)
    found = _selected(
        view, whole.eager_key, lambda key: more.memory_of(choice, dtype, key),
        "holds memory", "The layer at the peak. Select another in the chart or the table.",
    )  # fmt: skip
    if found is None:
        return
    st.subheader(
        _("{allocated_bytes} of activations").format(allocated_bytes=memory(found.allocated_bytes)),
        anchor=False,
    )
    part = found.peak_bytes / whole.eager_peak if whole.eager_peak else 0.0
    _facts(
        found.key,
        {
            "Class": escape(found.title),
            "Kind": _chip(found.kinds),
            "Parameters": memory(found.parameter_bytes) if found.parameter_bytes else "",
            "Buffers": memory(found.buffer_bytes) if found.buffer_bytes else "",
            "Of the peak": f"{memory(found.peak_bytes)}, {percent(part)}" if part else "nothing",
            "While it runs": f"{memory(found.alive_bytes)} alive in all",
            "Number type": whole.dtype,
        },
    )
    _lines(_block_lines(found))


def _block_lines(found: LayerMemory) -> list[Line]:
    """What it allocates, each with its lifetime."""
    lines = []
    for block in found.blocks[:_MOST_BLOCKS]:
        until = f"until {block.last_key}" if block.last_op > block.op else "gone at once"
        peak = ", at the peak" if block.at_peak else ""
        where = f"op {block.op} to {block.last_op}, {until}{peak}"
        shape = shape_text(block.shape, batch=True)
        lines.append((f"{block.name}, {where}", shape, memory(block.nbytes)))
    if len(found.blocks) > _MOST_BLOCKS:
        rest = found.blocks[_MOST_BLOCKS:]
        total = memory(sum(block.nbytes for block in rest))
        lines.append((f"{len(rest)} smaller blocks", "together", total))
    return lines or [("Allocates nothing: a view, or in place", "", "0 B")]


# ------------------------------------------------------------------- training


def _training(choice: Choice, view: View) -> None:
    if cache.failure(cache.trained(choice)):
        st.caption(_("It does not train at this size and batch."))
        return
    how = view.training
    step = cache.training(choice, how)
    most = step.kept[0].key if step.kept else ""
    found = _selected(
        view, most, lambda key: more.training_of(choice, how, key),
        "holds memory", "The layer with the largest saved block. Select another in a table.",
    )  # fmt: skip
    if found is None:
        return
    st.subheader(
        _("{kept_bytes} saved for backward").format(kept_bytes=memory(found.kept_bytes)),
        anchor=False,
    )
    share = found.kept_bytes / step.saved_bytes if step.saved_bytes and not step.segments else None
    _facts(
        found.key,
        {
            "Class": escape(found.title),
            "Kind": _chip(found.kinds),
            "Of all saved": "" if share is None else percent(share),
            "Parameters": memory(found.parameter_bytes),
            "Gradients": memory(found.gradient_bytes),
            "Optimizer": memory(found.optimizer_bytes),
        },
    )
    if step.segments:
        st.caption(_("With checkpoints this is kept only while its run is computed again."))
    _lines(_kept_lines(found))


def _kept_lines(found: LayerTraining) -> list[Line]:
    lines = [
        (f"{block.name}, op {block.op}, keeps its {block.what}", "", memory(block.nbytes))
        for block in found.kept[:_MOST_BLOCKS]
    ]
    if len(found.kept) > _MOST_BLOCKS:
        rest = found.kept[_MOST_BLOCKS:]
        total = memory(sum(block.nbytes for block in rest))
        lines.append((f"{len(rest)} smaller blocks", "together", total))
    return lines or [("Keeps nothing of its own: none, or what another layer keeps", "", "0 B")]


# ------------------------------------------------------------------- drawing


def _selected(
    view: View, fallback: str, find: Callable[[str], T | None], what: str, without: str
) -> T | None:
    """The selected layer; another one, and a sentence that says so, where there is none."""
    found = find(view.layer) if view.layer else None
    if view.layer and found is None:
        _missing(view, what)
    if found is None:
        found = find(fallback)
        st.caption(without)
    return found


def _chip(kinds: Sequence[str]) -> str:
    if len(kinds) != 1:
        return ""
    mode = theme()
    color = kind_color(kinds[0], mode)
    return (
        f'<span class="chip" style="background:{tint(color, mode)};border-color:{color};'
        f'color:{INK[mode]}">{escape(kinds[0])}</span>'
    )


def _facts(key: str, facts: Mapping[str, str]) -> None:
    cells = "".join(
        f"<span>{name}</span><span>{value}</span>" for name, value in facts.items() if value
    )
    st.html(f'<p class="key">{escape(key)}</p><div class="facts">{cells}</div>')


def _lines(lines: Sequence[Line]) -> None:
    text = "".join(
        f"<dt>{escape(label)}</dt><dd>{escape(formula)} <b>= {escape(result)}</b></dd>"
        for label, formula, result in lines
    )
    st.html(f'<dl class="receipt">{text}</dl>')
