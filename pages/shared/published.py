"""The tables of printed and exact numbers."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import pandas as pd
import streamlit as st

from explorer.analysis.published import PublishedRow, ReidRow, published, reid
from explorer.zoo import list_models
from pages.shared import address, cache
from pages.shared.catalogue import downloads
from pages.shared.text import N_, _

TABS: Final = {"papers": N_("Papers"), "reid": N_("Re-identification, 256 × 128")}
_TAB_WIDGET: Final = "published_tab_widget"


class View(NamedTuple):
    """What of the tables is shown."""

    tab: str
    only: bool
    """Only rows whose printed value is not the exact one, rounded."""


def open_view() -> View:
    """Read the view from the session, or from the address where that speaks, and record it."""
    tab = address.restore("show", "published_tab", _tab, "papers")
    only = address.restore("only", "published_only", {"gaps": True}.get, False)
    st.session_state[_TAB_WIDGET] = _(TABS[tab])
    address.record({"show": tab if tab != "papers" else None, "only": "gaps" if only else None})
    return View(tab, only)


def tabs() -> dict[str, Any]:
    """Draw the tabs; only the open one's content is made."""
    drawn = st.tabs([_(title) for title in TABS.values()], key=_TAB_WIDGET, on_change=_change_tab)
    return dict(zip(TABS, drawn, strict=True))


def _change_tab() -> None:
    address.touch()
    titles = {_(title): name for name, title in TABS.items()}
    st.session_state["published_tab"] = titles[st.session_state[_TAB_WIDGET]]


def _tab(text: str) -> str | None:
    return text if text in TABS else None


def papers(view: View) -> None:
    """Printed and exact parameters and MACs of every published architecture."""
    rows = [row for row in published() if row.disagrees or not view.only]
    text, switch, files = st.columns([10, 6, 3], vertical_alignment="bottom")
    switch.toggle(
        _("Only what disagrees by more than 1%"), key="published_only", on_change=address.touch
    )
    counts = []
    progress = st.empty()
    for done, row in enumerate(rows):
        options = tuple(row.options.items())
        if not cache.is_published_counted(row.name, row.input_shape, options):
            progress.progress(
                done / len(rows), _("Tracing {architecture}").format(architecture=row.architecture)
            )
        counts.append(cache.published_counts(row.name, row.input_shape, options))
    progress.empty()
    frame = _papers_frame(rows, counts)
    text.caption(
        _(
            "{rows} rows. MACs of convolutions, linear layers, matrix products and "
            "attention; a positive difference says that more is printed than the "
            "network has."
        ).format(rows=len(rows))
    )
    downloads(files, frame, "published")
    column = st.column_config
    st.dataframe(
        frame,
        hide_index=True,
        height=36 + 30 * min(len(rows), 20),
        placeholder="",
        row_height=30,
        column_config={
            "Architecture": column.TextColumn(_("Architecture"), width=235),
            "Input": column.TextColumn(_("Input"), width=82),
            "Params": column.NumberColumn(_("Exact params"), format="localized", width=100),
            "Printed params": column.NumberColumn(_("Printed"), format="localized", width=95),
            "Params diff": column.NumberColumn(_("Diff"), format="%+.1f%%", width=62),
            "MACs": column.NumberColumn(_("Exact MACs"), format="localized", width=118),
            "Printed MACs": column.NumberColumn(_("Printed"), format="localized", width=115),
            "MACs diff": column.NumberColumn(_("Diff"), format="%+.1f%%", width=62),
            "Why": column.TextColumn(_("Why"), width=380),
            "Source": column.TextColumn(_("Source"), width=280),
        },
    )


def _papers_frame(rows: list[PublishedRow], counts: list[tuple[int, int]]) -> pd.DataFrame:
    printed_params = [_whole(row.printed_params) for row in rows]
    printed_macs = [_whole(row.printed_macs) for row in rows]
    return pd.DataFrame(
        {
            "Architecture": [row.architecture for row in rows],
            "Input": ["×".join(map(str, row.input_shape[1:])) for row in rows],
            "Params": [params for params, _ in counts],
            "Printed params": pd.array(printed_params, dtype="Int64"),
            "Params diff": [_percent(p, c[0]) for p, c in zip(printed_params, counts, strict=True)],
            "MACs": [macs for _, macs in counts],
            "Printed MACs": pd.array(printed_macs, dtype="Int64"),
            "MACs diff": [_percent(p, c[1]) for p, c in zip(printed_macs, counts, strict=True)],
            "Why": [_(row.reason) for row in rows],
            "Source": [row.source for row in rows],
        }
    )


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _percent(printed: int | None, exact: int) -> float | None:
    return None if printed is None else 100 * (printed / exact - 1)


def reidentification() -> None:
    """The table of models on Market-1501, each difference explained by its counter's rules."""
    known = set(list_models())
    rows = [row for row in reid() if row.name in known]
    counts = []
    progress = st.empty()
    for done, row in enumerate(rows):
        if not cache.is_reid_counted(row.name):
            progress.progress(done / len(rows), _("Tracing {model}").format(model=row.model))
        counts.append(cache.reid_row_counts(row.name))
    progress.empty()
    frame = pd.DataFrame(
        {
            "Model": [row.model for row in rows],
            "Rank-1 %": [row.rank1 for row in rows],
            "mAP %": [row.mean_ap for row in rows],
            "Exact params": [c.params for c in counts],
            "Printed params": [round(row.printed_params) for row in rows],
            "Exact MACs": [c.macs for c in counts],
            "Printed MACs": [round(row.printed_macs) for row in rows],
            "By the old counter": [c.old_macs for c in counts],
            "Left over": [
                _percent(round(row.printed_macs), c.old_macs)
                for row, c in zip(rows, counts, strict=True)
            ],
            "Why": [
                _reid_reason(row, c.macs, c.old_macs) for row, c in zip(rows, counts, strict=True)
            ],
        }
    )
    text, files = st.columns([5, 1], vertical_alignment="bottom")
    text.caption(
        _(
            "A published comparison of person re-identification on Market-1501: "
            "images of 256 × 128, classifier removed. Its multiply-adds were counted "
            "with an old counter (thop 0.0.31): bias of convolutions, two operations "
            "for each element of a batch normalization and average pooling count, "
            "LayerNorm and the products inside attention do not. The column “By the "
            "old counter” applies these rules to the model here; what is left over "
            "after that is no convention."
        )
    )
    downloads(files, frame, "reidentification")
    column = st.column_config
    st.dataframe(
        frame,
        hide_index=True,
        height=36 + 30 * min(len(rows), 20),
        placeholder="",
        row_height=30,
        column_config={
            "Model": column.TextColumn(_("Model"), width=180),
            "Rank-1 %": column.NumberColumn(format="%.2f", width=72),
            "mAP %": column.NumberColumn(format="%.2f", width=66),
            "Left over": column.NumberColumn(_("Left over"), format="%+.1f%%", width=78),
            "Why": column.TextColumn(_("Why"), width=420),
            **{
                name: column.NumberColumn(_(name), format="localized", width=122)
                for name in (
                    N_("Exact params"), N_("Printed params"), N_("Exact MACs"), N_("Printed MACs"),
                    N_("By the old counter"),
                )
            },
        },
    )  # fmt: skip


def _reid_reason(row: ReidRow, exact: int, old: int) -> str:
    if row.note:
        return _(row.note)
    gap = 100 * (row.printed_macs / exact - 1)
    if abs(row.printed_macs / old - 1) < 0.01:
        return _("The old counter's rules explain it: {gap}% of the exact count.").format(
            gap=f"{gap:+.1f}"
        )
    return _("{gap}% of the exact count; the old counter's rules do not explain all of it.").format(
        gap=f"{gap:+.1f}"
    )
