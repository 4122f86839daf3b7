"""Predicted time layer by layer: under the roof of the device, and in execution order."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from explorer.analysis.units import percent, rounded
from explorer.figures.theme import KIND_COLORS, pill_color
from pages.shared import cache
from pages.shared.choice import Choice
from pages.shared.performance.parts import badge, chart, rounded_number, short
from pages.shared.setup import View
from pages.shared.tables import select_table, text_width
from pages.shared.text import N_, _
from pages.shared.view import select_point
from pages.shared.widgets import plain, theme


def roofline_tab(choice: Choice, view: View) -> None:
    """Every layer under the device's roof; a click on a dot selects the layer."""
    badge("predicted")
    frame = cache.layer_times(choice, view.setup)
    chart(
        "chart_roofline",
        cache.time_figure_json(choice, view.setup, "roofline", theme(), view.layer),
        _("Operations for each byte against operations a second, for each layer"),
        lambda: select_point("chart_roofline"),
    )
    idle = frame[frame["Intensity"] == 0]
    text = _(
        "A dot is a layer, its area the layer's share of the time. Under the slanted roof it waits "
        "for memory, under the flat one it is limited by arithmetic; how far below the roof it "
        "lies is what launches cost."
    )
    if len(idle):
        text += _(
            " {n} layers without arithmetic, {share} of the time, have no place here."
        ).format(n=len(idle), share=percent(idle["Share"].sum() / 100))
    st.caption(text)
    device = view.setup.device
    with st.expander(_("Where the numbers of {name} come from").format(name=device.name)):
        st.markdown(
            _("{source}. {checked}")
            .format(source=plain(device.source), checked=plain(_(device.checked)))
            .strip()
        )
        if not device.launch_measured:
            st.caption(_("The time of a launch is an assumption, never a vendor's number."))


def layers_tab(choice: Choice, view: View) -> None:
    """Milliseconds of each layer as bars, and the table."""
    badge("predicted")
    chart(
        "chart_time",
        cache.time_figure_json(choice, view.setup, "time", theme(), view.layer),
        _("Predicted milliseconds of each layer"),
        lambda: select_point("chart_time"),
    )
    frame = cache.layer_times(choice, view.setup)
    keys = [str(key) for key in frame.index]
    shown = pd.DataFrame(
        {
            "Layer": [short(key) for key in keys],
            "Kind": [[_(kind)] for kind in frame["Kind"]],
            "ms": frame["ms"].map(rounded_number),
            "Share": frame["Share"],
            "Bound": frame["Bound"].map(_bound_word),
            "MACs": frame["MACs"],
            "Moved": frame["Moved"],
            "Intensity": frame["Intensity"].map(rounded_number),
        }
    )
    st.caption(
        _(
            "{n} layers take time, {ms} ms in all. Click one to see how its time comes about."
        ).format(n=len(frame), ms=rounded(frame["ms"].sum()))
    )
    column, shade = st.column_config, theme()
    select_table(
        "time_table",
        shown,
        keys=keys,
        selected=keys.index(view.layer) if view.layer in keys else None,
        columns={
            "Layer": column.TextColumn(_("Layer"), width=text_width(shown["Layer"], 110, 205)),
            "Kind": column.MultiselectColumn(
                _("Kind"),
                width=102,
                options=[_(kind) for kind in KIND_COLORS[shade]],
                color=[pill_color(kind, shade) for kind in KIND_COLORS[shade]],
            ),
            "ms": column.NumberColumn(format="localized", width=62),
            "Share": column.ProgressColumn(
                _("Share of time"), format="%.2f%%", min_value=0, max_value=100, width=96
            ),
            "Bound": column.TextColumn(_("Waits for"), width=78),
            "MACs": column.NumberColumn(format="localized", width=103),
            "Moved": column.NumberColumn(_("MiB moved"), format="%.2f", width=78),
            "Intensity": column.NumberColumn(_("Ops a byte"), format="localized", width=78),
        },
    )


def _bound_word(bound: str) -> str:
    words = {"compute": N_("arithmetic"), "launch": N_("launches"), "memory": N_("memory")}
    return _(words.get(bound, bound))
