"""Memory of one forward pass: along the pass, at its peak, in other number types."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from explorer.analysis.memory import Alive
from explorer.analysis.units import memory, shape_text
from pages.shared import cache
from pages.shared.choice import Choice
from pages.shared.performance.parts import ROW, badge, chart, fits, metric, short
from pages.shared.setup import View, budget_field
from pages.shared.tables import select_table, text_width
from pages.shared.text import _
from pages.shared.view import select_point
from pages.shared.widgets import plain, theme


def memory_tab(choice: Choice, view: View) -> None:
    """Activations along the pass, what is alive at the peak, and other number types."""
    badge("predicted")
    dtype = view.setup.dtype
    found = cache.inference(choice, dtype)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        budget_field(view)
        fits(choice, view, "inference")
    with st.grid(5, min_column_width=118, gap="small", key="memory_metrics"):
        metric(_("Parameters"), memory(found.parameter_bytes), "")
        metric(_("Buffers"), memory(found.buffer_bytes), "")
        metric(_("Activations"), memory(found.eager_peak), "")
        metric(_("Input, of it"), memory(found.input_bytes), "")
        metric(_("At best"), memory(found.ideal_peak), "")
    st.caption(
        _(
            "One forward pass in {dtype}, batch of {batch}, in evaluation mode: "
            "parameters, buffers and activations at their peak take {total}. At "
            "best: activations if each tensor were freed right after its last use. "
            "Scratch of a kernel and what an allocator holds in reserve are not "
            "counted."
        ).format(dtype=dtype, batch=found.batch, total=memory(found.total))
    )
    chart(
        "chart_memory",
        cache.memory_figure_json(choice, dtype, theme(), view.layer),
        _("Bytes of activations alive at each op"),
        lambda: select_point("chart_memory"),
    )
    _alive(found.alive, found.eager_peak, view)
    _number_types(choice)


def _alive(blocks: Sequence[Alive], peak: int, view: View) -> None:
    st.markdown(_("**Alive at the peak**"))
    keys = ["" if block.key == "input" else block.key for block in blocks]
    frame = pd.DataFrame(
        {
            "Layer": [_("input") if block.key == "input" else short(block.key) for block in blocks],
            "Op": [block.name for block in blocks],
            "Shape": [shape_text(block.shape, batch=True).replace(" × ", "×") for block in blocks],
            "MiB": [block.nbytes / 2**20 for block in blocks],
            "Share": [100 * block.nbytes / peak if peak else 0.0 for block in blocks],
        }
    )
    column = st.column_config
    select_table(
        "alive_table",
        frame,
        keys=keys,
        selected=keys.index(view.layer) if view.layer and view.layer in keys else None,
        columns={
            "Layer": column.TextColumn(_("Layer"), width=text_width(frame["Layer"], 90, 265)),
            "Op": column.TextColumn(_("Op"), width=90),
            "Shape": column.TextColumn(_("Shape"), width=118),
            "MiB": column.NumberColumn(format="%.2f", width=64),
            "Share": column.ProgressColumn(
                _("Share of the peak"), format="%.1f%%", min_value=0, max_value=100, width=120
            ),
        },
    )
    st.caption(_("Shapes are those of the traced batch; MiB of the number type above."))


def _number_types(choice: Choice) -> None:
    st.markdown(_("**What if: number types**"))
    found = cache.number_types(choice)
    column = st.column_config
    frame = pd.DataFrame(
        {
            "Type": [each.dtype for each in found],
            "Weights": [each.weight_bytes / 2**20 for each in found],
            "Activations": [each.activation_bytes / 2**20 for each in found],
            "Both": [(each.weight_bytes + each.activation_bytes) / 2**20 for each in found],
        }
    )
    st.dataframe(
        frame,
        hide_index=True,
        row_height=ROW,
        column_config={
            "Type": column.TextColumn(_("Type"), width=80),
            "Weights": column.NumberColumn(_("Weights, MiB"), format="%.2f", width=95),
            "Activations": column.NumberColumn(_("Peak, MiB"), format="%.2f", width=85),
            "Both": column.NumberColumn(_("Both, MiB"), format="%.2f", width=85),
        },
    )
    st.caption("".join(f"- {each.dtype}: {plain(each.assumption)}\n" for each in found))
