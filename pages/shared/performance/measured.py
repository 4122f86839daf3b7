"""Measured, recorded and predicted side by side; a pass measured, and taken apart by layers."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from explorer.analysis.apart import Parts
from explorer.analysis.units import percent, rounded
from explorer.figures.theme import KIND_COLORS, kind_color, pill_color
from pages.shared import cache, measuring, runs
from pages.shared.cache import performance as more
from pages.shared.choice import Choice
from pages.shared.measuring import Apart
from pages.shared.performance.parts import ROW, badge, chart, rounded_number, short
from pages.shared.setup import Setup, View, is_calibrated
from pages.shared.tables import select_table, text_width
from pages.shared.text import _
from pages.shared.view import select_point
from pages.shared.widgets import plain, theme


def measured_tab(choice: Choice, view: View) -> None:
    """A measurement on request, and one table in which every row says its origin."""
    st.markdown(_("**Side by side**"))
    rows = [_predicted_row(choice, view), *runs.results(choice)]
    column = st.column_config
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        row_height=ROW,
        column_config={
            "Origin": column.TextColumn(
                _("Origin"), width=text_width((r["Origin"] for r in rows), 96, 190)
            ),
            "Device": column.TextColumn(
                _("Device"), width=text_width((r["Device"] for r in rows), 120, 250)
            ),
            "Type": column.TextColumn(_("Type"), width=72),
            "Batch": column.NumberColumn(_("Batch"), width=54),
            "ms": column.NumberColumn(format="localized", width=72),
            "Images/s": column.NumberColumn(_("Images/s"), format="localized", width=76),
            "As": column.TextColumn(_("As"), width=84),
            "Date": column.TextColumn(_("Date"), width=90),
        },
    )
    text = _(
        "Only rows of this model, its options and this size. A prediction is for the device chosen "
        "above, a measurement for the machine that this server runs on: unless that is the same "
        "device, their difference says nothing. Recorded rows are runs on another machine, kept "
        "with the app; they were taken beside other work, so trust their ratios more than times."
    )
    if not any(run.record.environment.device.startswith("cuda") for run in runs.all_runs()):
        text += _(runs.NO_GPU).format(model=choice.model)
    st.caption(text)
    badge("measured")
    measuring.panel(choice, layered=True)
    found = measuring.apart(choice)
    if found:
        _taken_apart(found, view)
    runs.table()
    runs.importer()


def _predicted_row(choice: Choice, view: View) -> dict[str, Any]:
    made, setup = cache.forecast(choice, view.setup), view.setup
    return {
        "Origin": _("predicted"),
        "Device": setup.device.name,
        "Type": "TF32" if setup.tf32 else setup.dtype,
        "Batch": choice.input_shape[0],
        "ms": rounded_number(made.ms),
        "Images/s": rounded_number(made.images_per_second),
        "As": "",
        "Date": "",
    }


# ------------------------------------------------------------------- by layers


def _taken_apart(found: Apart, view: View) -> None:
    """The layers measured, beside what is predicted, and how they add up to the pass."""
    setup = _in_the_same_type(view.setup, found)
    parts = more.parts(found.choice, setup, found.measured)
    st.markdown(_("**Each layer, measured**"))
    _sum_bar(parts)
    chart(
        "chart_parts",
        more.parts_json(parts, theme(), view.layer),
        _("Measured milliseconds of each layer, with a tick where the prediction is"),
        lambda: select_point("chart_parts"),
    )
    text = (
        _(
            "Bars: medians of {passes} passes with hooks, measured on {device}. "
            "Ticks: predicted for {predicted}."
        )
        if is_calibrated(setup.device)
        else _(
            "Bars: medians of {passes} passes with hooks, measured on {device}. "
            "Ticks: predicted for {predicted}, which is another machine unless you chose this "
            "one: “Measure this machine” above makes the ticks a prediction for the machine that "
            "the bars are from."
        )
    )
    st.caption(
        text.format(
            passes=found.measured.passes,
            device=plain(found.measured.record.environment.device_name),
            predicted=plain(setup.device.name),
        )
    )
    _parts_table(parts, view)


def _in_the_same_type(setup: Setup, found: Apart) -> Setup:
    """The prediction is for the number type that was measured, where the device has it."""
    record = found.measured.record
    if getattr(setup.device, record.dtype, None):
        tf32 = record.tf32 and bool(setup.device.tf32)
        return setup._replace(dtype=record.dtype, tf32=tf32)
    return setup


def _sum_bar(parts: Parts) -> None:
    """The parts as one bar whose pieces add up, and as the sum that they are."""
    shade = theme()
    pieces = {
        _("{ms} ms in layers"): (parts.layers_ms, "convolution"),
        _("{ms} ms between layers"): (parts.rest_ms, "reduction"),
        _("{ms} ms the hooks themselves"): (parts.hooks_ms, "constant"),
    }
    whole = sum(max(ms, 0.0) for ms, _kind in pieces.values()) or 1.0
    bar = "".join(
        f'<span style="width:{100 * ms / whole:.2f}%;background:{kind_color(kind, shade)}"></span>'
        for ms, kind in pieces.values()
        if ms > 0
    )
    names = "".join(
        f'<span><i style="background:{kind_color(kind, shade)}"></i>'
        f"{text.format(ms=_ms(ms))}</span>"
        for text, (ms, kind) in pieces.items()
    )
    st.html(
        f'<div class="bounds">{bar}</div><div class="bounds-key">{names}'
        f"<span><b>{_('= {ms} ms with hooks').format(ms=_ms(parts.hooked_ms))}</b></span></div>"
    )
    text = _("Without hooks the pass takes {ms} ms.").format(ms=rounded(parts.whole_ms))
    if parts.rest_ms < 0:
        text += _(
            " What is between the layers is below zero because the medians of the layers come "
            "from other passes than the median of the whole: this machine was not quiet."
        )
    st.caption(text)


def _ms(ms: float) -> str:
    """With as many decimals for every part, so that the sum can be followed."""
    return f"{ms:,.3f}"


def _parts_table(parts: Parts, view: View) -> None:
    keys = [part.key for part in parts.parts]
    ratio = [
        rounded_number(part.measured_ms / part.predicted_ms) if part.predicted_ms else None
        for part in parts.parts
    ]
    frame = pd.DataFrame(
        {
            "Layer": [short(key) for key in keys],
            "Kind": [[_(part.kind)] for part in parts.parts],
            "Measured": [part.measured_ms for part in parts.parts],
            "Share": [100 * part.measured_ms / parts.hooked_ms for part in parts.parts],
            "Predicted": [part.predicted_ms for part in parts.parts],
            "Ratio": ratio,
        }
    )
    column, shade = st.column_config, theme()
    select_table(
        "parts_table",
        frame,
        keys=keys,
        selected=keys.index(view.layer) if view.layer in keys else None,
        columns={
            "Layer": column.TextColumn(_("Layer"), width=text_width(frame["Layer"], 110, 205)),
            "Kind": column.MultiselectColumn(
                _("Kind"),
                width=102,
                options=[_(kind) for kind in KIND_COLORS[shade]],
                color=[pill_color(kind, shade) for kind in KIND_COLORS[shade]],
            ),
            "Measured": column.NumberColumn(_("Measured, ms"), format="%.4f", width=96),
            "Share": column.ProgressColumn(
                _("Share of the pass"), format="%.2f%%", min_value=0, max_value=100, width=112
            ),
            "Predicted": column.NumberColumn(_("Predicted, ms"), format="%.4f", width=96),
            "Ratio": column.NumberColumn(_("Times as long"), format="localized", width=96),
        },
    )
    st.caption(
        _(
            "{calls} calls take {layers} ms, predicted {predicted} ms. Between them lie {rest} "
            "ms ({share}): additions, concatenations and Python, predicted {predicted_rest} ms."
        ).format(
            calls=len(keys),
            layers=_ms(parts.layers_ms),
            predicted=_ms(parts.predicted_layers_ms),
            rest=_ms(parts.rest_ms),
            share=percent(parts.rest_ms / parts.hooked_ms),
            predicted_rest=_ms(parts.predicted_rest_ms),
        )
    )
