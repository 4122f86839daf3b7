"""Why is it slow? What the time is spent on, in sentences, and the story of three networks."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from explorer.analysis.units import percent
from explorer.figures.theme import kind_color
from explorer.zoo import get_spec
from pages.shared import cache
from pages.shared.choice import Choice
from pages.shared.performance.parts import BOUNDS, ROW, badge, rounded_number, shares_of
from pages.shared.setup import Setup, View
from pages.shared.text import _
from pages.shared.widgets import plain, theme


def why(choice: Choice, view: View) -> None:
    """What the time is spent on, in sentences, and the story of three networks."""
    badge("predicted")
    found = cache.forecast(choice, view.setup).found
    _bounds_bar(shares_of(found))
    st.markdown("".join(f"- {plain(sentence)}\n" for sentence in found.sentences))
    st.subheader(_("Fewer MACs, not faster: three networks on this device"), anchor=False)
    _story(view.setup)


def _bounds_bar(shares: dict[str, float]) -> None:
    """The shares as one bar; every part is named under it."""
    colors = {name: kind_color(kind, theme()) for name, (_text, kind) in BOUNDS.items()}
    parts = "".join(
        f'<span style="width:{100 * share:.2f}%;background:{colors[name]}"></span>'
        for name, share in shares.items()
        if share
    )
    names = "".join(
        f'<span><i style="background:{colors[name]}"></i>'
        f"{_(BOUNDS[name][0])} {percent(share)}</span>"
        for name, share in shares.items()
    )
    st.html(f'<div class="bounds">{parts}</div><div class="bounds-key">{names}</div>')


def _story(setup: Setup) -> None:
    told = cache.story(setup)
    rows = []
    for name, (one, many) in told.forecasts:
        rows.append(
            {
                "Architecture": get_spec(name).title,
                "MACs": one.macs / 1e9,
                "Launches": one.launches,
                "Moved": one.nbytes / 2**20,
                "Ops a byte": rounded_number(one.found.intensity),
                "ms": rounded_number(one.ms),
                "Images/s": rounded_number(one.images_per_second),
                "Images/s at 64": rounded_number(many.images_per_second),
            }
        )
    column = st.column_config
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        row_height=ROW,
        column_config={
            "Architecture": column.TextColumn(_("Architecture"), width=118),
            "MACs": column.NumberColumn(_("G MACs"), format="%.2f", width=64),
            "Launches": column.NumberColumn(_("Launches"), width=70),
            "Moved": column.NumberColumn(
                _("MiB moved"), format="%.0f", width=80, help=_("Read and written, for one image.")
            ),
            "Ops a byte": column.NumberColumn(_("Ops a byte"), format="localized", width=80),
            "ms": column.NumberColumn("ms", format="localized", width=58),
            "Images/s": column.NumberColumn(_("Images/s"), format="localized", width=78),
            "Images/s at 64": column.NumberColumn(
                _("Images/s at 64"), format="localized", width=100
            ),
        },
    )
    device, dtype = setup.device.name, "TF32" if setup.tf32 else setup.dtype
    st.caption(
        _(
            "Predicted at 224 × 224 on {device} in {dtype}. All but the last column "
            "are for one image."
        ).format(device=plain(device), dtype=dtype)
    )
    if told.sentences:
        st.markdown(
            "".join(
                f"- {_('At batch 64, {sentence}').format(sentence=plain(each))}\n"
                for each in told.sentences
            )
        )
