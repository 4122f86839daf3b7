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


def _missing(view: View, sentence: str) -> None:
    st.caption(f":orange[{sentence.format(layer=plain(view.layer))}]")


# ----------------------------------------------------------------------- time


def _time(choice: Choice, view: View) -> None:
    found = cache.time_of(choice, view.setup, view.layer) if view.layer else None
    if view.layer and found is None:
        _missing(view, _("No layer called {layer} takes time here."))
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
        _("Class"): escape(found.title),
        _("Kind"): _chip(found.kinds),
        _("Share"): percent(found.share),
        _("Mostly"): _(bound[0]) if bound else "",
        "MACs": count(found.macs),
        _("Operations"): count(found.operations),
        _("Moved"): memory(found.nbytes),
        _("Ops a byte"): rounded(found.intensity),
        _("Launches"): count(found.launches),
    }


# --------------------------------------------------------------------- memory


def _memory(choice: Choice, view: View) -> None:
    dtype = view.setup.dtype
    whole = cache.inference(choice, dtype)
    found = _selected(
        view, whole.eager_key, lambda key: more.memory_of(choice, dtype, key),
        _("The layer at the peak. Select another in the chart or the table."),
    )  # fmt: skip
    if found is None:
        return
    st.subheader(
        _("{memory} of activations").format(memory=memory(found.allocated_bytes)),
        anchor=False,
    )
    part = found.peak_bytes / whole.eager_peak if whole.eager_peak else 0.0
    _facts(
        found.key,
        {
            _("Class"): escape(found.title),
            _("Kind"): _chip(found.kinds),
            _("Parameters"): memory(found.parameter_bytes) if found.parameter_bytes else "",
            _("Buffers"): memory(found.buffer_bytes) if found.buffer_bytes else "",
            _("Of the peak"): f"{memory(found.peak_bytes)}, {percent(part)}"
            if part
            else _("nothing"),
            _("While it runs"): _("{memory} alive in all").format(memory=memory(found.alive_bytes)),
            _("Number type"): whole.dtype,
        },
    )
    _lines(_block_lines(found))


def _block_lines(found: LayerMemory) -> list[Line]:
    """What it allocates, each with its lifetime."""
    lines = []
    for block in found.blocks[:_MOST_BLOCKS]:
        life = (
            _("{name}, op {first} to {last}, until {key}{peak}")
            if block.last_op > block.op
            else _("{name}, op {first} to {last}, gone at once{peak}")
        )
        label = life.format(
            name=block.name,
            first=block.op,
            last=block.last_op,
            key=block.last_key,
            peak=_(", at the peak") if block.at_peak else "",
        )
        lines.append((label, shape_text(block.shape, batch=True), memory(block.nbytes)))
    if len(found.blocks) > _MOST_BLOCKS:
        rest = found.blocks[_MOST_BLOCKS:]
        total = memory(sum(block.nbytes for block in rest))
        lines.append((_("{n} smaller blocks").format(n=len(rest)), _("together"), total))
    return lines or [(_("Allocates nothing: a view, or in place"), "", "0 B")]


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
        _("The layer with the largest saved block. Select another in a table."),
    )  # fmt: skip
    if found is None:
        return
    st.subheader(
        _("{memory} saved for backward").format(memory=memory(found.kept_bytes)),
        anchor=False,
    )
    share = found.kept_bytes / step.saved_bytes if step.saved_bytes and not step.segments else None
    _facts(
        found.key,
        {
            _("Class"): escape(found.title),
            _("Kind"): _chip(found.kinds),
            _("Of all saved"): "" if share is None else percent(share),
            _("Parameters"): memory(found.parameter_bytes),
            _("Gradients"): memory(found.gradient_bytes),
            _("Optimizer"): memory(found.optimizer_bytes),
        },
    )
    if step.segments:
        st.caption(_("With checkpoints this is kept only while its run is computed again."))
    _lines(_kept_lines(found))


def _kept_lines(found: LayerTraining) -> list[Line]:
    lines = [
        (
            _("{name}, op {op}, keeps its {what}").format(
                name=block.name, op=block.op, what=_(block.what)
            ),
            "",
            memory(block.nbytes),
        )
        for block in found.kept[:_MOST_BLOCKS]
    ]
    if len(found.kept) > _MOST_BLOCKS:
        rest = found.kept[_MOST_BLOCKS:]
        total = memory(sum(block.nbytes for block in rest))
        lines.append((_("{n} smaller blocks").format(n=len(rest)), _("together"), total))
    return lines or [(_("Keeps nothing of its own: none, or what another layer keeps"), "", "0 B")]


# ------------------------------------------------------------------- drawing


def _selected(view: View, fallback: str, find: Callable[[str], T | None], without: str) -> T | None:
    """The selected layer; another one, and a sentence that says so, where there is none."""
    found = find(view.layer) if view.layer else None
    if view.layer and found is None:
        _missing(view, _("No layer called {layer} holds memory here."))
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
        f'color:{INK[mode]}">{escape(_(kinds[0]))}</span>'
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
