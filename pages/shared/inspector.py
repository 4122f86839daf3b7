"""The selected layer, with its formulas worked out."""

from __future__ import annotations

from html import escape

import streamlit as st

from explorer.analysis import Layer
from explorer.analysis.layers import axes_text
from explorer.analysis.units import count, memory, shape_text
from explorer.figures.theme import INK, kind_color, tint
from pages.shared import cache
from pages.shared.choice import Choice
from pages.shared.tables import once, window_text
from pages.shared.text import _
from pages.shared.view import View, select
from pages.shared.widgets import plain, theme


def show(choice: Choice, view: View, failure: cache.Failure | None) -> None:
    """The selected layer with its worked formulas; without one, the layer that matters most."""
    with st.container(border=True, key="inspector", gap="small"):
        found = cache.selection(choice, view.convention, view.layer) if view.layer else None
        if view.layer and found is None:
            st.caption(
                ":orange[{}]".format(
                    _("There is no layer called {layer} here.").format(layer=plain(view.layer))
                )
            )
        if found is None and failure and failure.layer:
            found = cache.selection(choice, view.convention, failure.layer)
            if found:
                st.caption(
                    _("The layer that fails. Select another in the table, a chart or a block.")
                )
        if found is None:
            found = cache.selection(
                choice, view.convention, cache.overview(choice, view.convention).most_expensive
            )
            st.caption(
                _(
                    "The layer with the most {unit}. Select another in the table, a chart or "
                    "a block."
                ).format(unit=view.convention.unit)
            )
        if found is None:
            return
        st.subheader(found.receipt.title, anchor=False)
        _facts(found, view)
        _receipt(found)
        if view.layer:
            st.button(
                _("Clear the selection"),
                key="clear",
                type="tertiary",
                icon=":material/close:",
                on_click=select,
                args=("",),
            )


def _facts(found: cache.Selection, view: View) -> None:
    layer, mode = found.layer, theme()
    color = kind_color(layer.kind, mode)
    chip = (
        f'<span class="chip" style="background:{tint(color, mode)};border-color:{color};'
        f'color:{INK[mode]}">{escape(_(layer.kind))}</span>'
    )
    shapes = [shape_text(shape) for shape in layer.input_shapes]
    facts = {
        _("Class"): escape(
            layer.module_class
            or _("{op}, an operation of {module}").format(op=layer.label, module=layer.path)
        ),
        _("Kind"): "" if found.is_module or not layer.output_shape else chip,
        _("In"): escape(", ".join(shapes)),
        _("Out"): escape(shape_text(layer.output_shape) if layer.output_shape else _("nothing")),
        _("Window"): escape(_window(layer)),
        _("Parameters"): count(layer.params),
        view.convention.unit: count(layer.cost),
        _("Activations"): memory(layer.activation_bytes),
    }
    cells = "".join(
        f"<span>{name}</span><span>{value}</span>" for name, value in facts.items() if value
    )
    st.html(f'<p class="key">{escape(layer.key)}</p><div class="facts">{cells}</div>')


def _window(layer: Layer) -> str:
    text = window_text(axes_text(layer.kernel), axes_text(layer.stride), axes_text(layer.padding))
    if layer.dilation and set(layer.dilation) != {1}:
        text += ", " + _("dilation {n}").format(n=once(axes_text(layer.dilation)))
    return text + (
        ", " + _("{n} groups").format(n=layer.groups) if layer.groups and layer.groups > 1 else ""
    )


def _receipt(found: cache.Selection) -> None:
    lines = "".join(
        f"<dt>{escape(line.label)}</dt>"
        f"<dd>{escape(line.formula)} <b>= {count(line.result)}</b></dd>"
        for line in found.receipt.lines
    )
    st.html(f'<dl class="receipt">{lines}</dl>')
