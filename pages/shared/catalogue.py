"""The catalogue's controls, table and timeline."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import pandas as pd
import streamlit as st

from explorer import list_models
from explorer.analysis.catalogue import Entry, accuracies
from explorer.analysis.layers import to_csv, to_markdown
from explorer.zoo import get_spec
from pages.shared import address, cache
from pages.shared.choice import Choice, native_choice, to_query
from pages.shared.sidebar import PRESETS
from pages.shared.text import N_, _
from pages.shared.widgets import theme

TABS: Final = {"table": N_("Table"), "timeline": N_("Timeline")}
MEASURES: Final = {"params": N_("Parameters"), "macs": N_("MACs")}
_NATIVE: Final = "native"
_SIZES: Final = (_NATIVE, *(f"{height}x{width}" for height, width in PRESETS))
_TAB_WIDGET: Final = "catalogue_tab_widget"


class View(NamedTuple):
    """What of the catalogue is shown."""

    size: tuple[int, int] | None
    """(height, width) for all; None is each architecture's own."""
    families: tuple[str, ...]
    find: str
    tab: str
    measure: str


def open_view() -> View:
    """Read the view from the session, or from the address where that speaks, and record it."""
    size = address.restore("at", "catalogue_size", _one_of(_SIZES), _NATIVE)
    families: list[str] = address.restore("families", "catalogue_families", _families, [])
    find = address.restore("search", "catalogue_find", str, "")
    tab = address.restore("show", "catalogue_tab", _one_of(tuple(TABS)), "table")
    measure = address.restore("measure", "catalogue_measure", _one_of(tuple(MEASURES)), "params")
    st.session_state[_TAB_WIDGET] = _(TABS[tab])
    address.record(
        {
            "at": size if size != _NATIVE else None,
            "families": ",".join(families) or None,
            "search": find or None,
            "show": tab if tab != "table" else None,
            "measure": measure if measure != "params" else None,
        }
    )
    pair = None if size == _NATIVE else _pair(size)
    return View(pair, tuple(families), find, tab, measure)


def controls() -> None:
    """Input size, search and families."""
    size, find, families = st.columns([3, 4, 7], gap="small", vertical_alignment="bottom")
    size.selectbox(
        _("Input size"),
        _SIZES,
        key="catalogue_size",
        format_func=lambda s: _("each one's own") if s == _NATIVE else s.replace("x", " × "),
        on_change=address.touch,
    )
    find.text_input(
        _("Find"),
        key="catalogue_find",
        type="search",
        placeholder=_("residual, 2015, He"),
        on_change=address.touch,
    )
    families.multiselect(
        _("Families"), _all_families(), key="catalogue_families", placeholder=_("All"),
        on_change=address.touch,
    )  # fmt: skip


def counted(view: View) -> tuple[Entry, ...]:
    """The architectures that match, each traced once for all visitors, with progress."""
    names = [name for name in list_models() if _matches(name, view)]
    found: list[Entry] = []
    progress = st.empty()
    for done, name in enumerate(names):
        if not cache.is_counted(name, view.size):
            progress.progress(
                done / len(names),
                _("Tracing {title}, {n} of {total}").format(
                    title=get_spec(name).title, n=done + 1, total=len(names)
                ),
            )
        found.append(cache.catalogue_entry(name, view.size))
    progress.empty()
    return tuple(found)


def tabs() -> dict[str, Any]:
    """Draw the tabs; only the open one's content is made."""
    drawn = st.tabs([_(title) for title in TABS.values()], key=_TAB_WIDGET, on_change=_change_tab)
    return dict(zip(TABS, drawn, strict=True))


def _change_tab() -> None:
    address.touch()
    titles = {_(title): name for name, title in TABS.items()}
    st.session_state["catalogue_tab"] = titles[st.session_state[_TAB_WIDGET]]


def table(view: View, entries: Sequence[Entry]) -> None:
    """One row for each architecture; a click opens it."""
    if not entries:
        st.markdown(_("No architecture matches."))
        return
    frame = _frame(entries)
    note = "" if view.size is None else " " + _("Those that do not take this size say why.")
    text, files = st.columns([5, 1], vertical_alignment="bottom")
    text.caption(
        _(
            "{entries} architectures. Top-1 is torchvision's published ImageNet "
            "accuracy, best recipe; where none can be cited the cell is empty."
        ).format(entries=len(entries))
        + note
    )
    downloads(files, frame, "catalogue")
    column = st.column_config
    picked = st.dataframe(
        frame,
        hide_index=True,
        height=36 + 30 * min(len(entries), 18),
        placeholder="",
        row_height=30,
        key="catalogue_table",
        on_select="rerun",
        selection_mode="single-cell",
        column_config={
            "Architecture": column.TextColumn(_("Architecture"), width=205),
            "Family": column.TextColumn(_("Family"), width=92),
            "Year": column.NumberColumn(_("Year"), format="%d", width=48),
            "Params": column.NumberColumn(_("Params"), format="localized", width=92),
            "MACs": column.NumberColumn(format="localized", width=112),
            "At": column.TextColumn(_("At"), width=72),
            "Native": column.TextColumn(_("Native"), width=72),
            "Top-1 %": column.NumberColumn(format="%.1f", width=60),
            "Crop": column.NumberColumn(
                _("Crop"),
                format="%d",
                width=52,
                help=_(
                    "Side in pixels of the images that the accuracy was measured on; where "
                    "it is not the size that is counted, the accuracy does not belong to "
                    "these MACs."
                ),
            ),
            "Recipe": column.TextColumn(
                _("Recipe"),
                width=118,
                help=_("The weights of torchvision 0.28.0 that the accuracy is stated for."),
            ),
            "Idea": column.TextColumn(_("Idea"), width=330),
            "Paper": column.TextColumn(_("Paper"), width=330),
        },
    )
    cells = picked["selection"]["cells"]
    if cells:
        open_model(entries[cells[0][0]].name, view.size)


def timeline(view: View, entries: Sequence[Entry]) -> None:
    """Year against cost; a click on a point opens the architecture."""
    st.segmented_control(
        _("Measure"), list(MEASURES), key="catalogue_measure", required=True,
        format_func=lambda name: _(MEASURES[name]), label_visibility="collapsed",
        on_change=address.touch,
    )  # fmt: skip
    names = tuple(entry.name for entry in entries if entry.params)
    if not names:
        st.markdown(_("No architecture matches."))
        return
    drawn = cache.timeline_json(names, view.size, view.measure, theme())
    picked = st.plotly_chart(
        json.loads(drawn),
        key="catalogue_timeline",
        theme=None,
        on_select="rerun",
        selection_mode="points",
        config={"displayModeBar": False},
        alt=_("Architectures by year and cost"),
    )
    points = picked["selection"]["points"]
    if points:
        open_model(str(points[0]["customdata"][0]), view.size)


def open_model(name: str, size: tuple[int, int] | None) -> None:
    """Go to the layers of a model, as a link to it would."""
    choice: Choice = native_choice(name)
    if size is not None:
        choice = choice._replace(input_shape=(*choice.input_shape[:2], *size))
    address.leave()
    st.switch_page("pages/inspect/layers.py", query_params=to_query(choice))


def downloads(place: Any, frame: pd.DataFrame, name: str) -> None:
    """Offer a table as CSV and Markdown."""
    with place, st.popover(_("Download"), icon=":material/download:", width="stretch"):
        st.download_button("CSV", to_csv(frame), f"{name}.csv", "text/csv", on_click="ignore")
        st.download_button(
            "Markdown", to_markdown(frame), f"{name}.md", "text/markdown", on_click="ignore"
        )


def _frame(entries: Sequence[Entry]) -> pd.DataFrame:
    best = accuracies()
    return pd.DataFrame(
        {
            "Architecture": [entry.title for entry in entries],
            "Family": [entry.family for entry in entries],
            "Year": [entry.year for entry in entries],
            "Params": pd.array([entry.params for entry in entries], dtype="Int64"),
            "MACs": pd.array([entry.macs for entry in entries], dtype="Int64"),
            "At": [f"{entry.height}×{entry.width}" for entry in entries],
            "Native": ["×".join(map(str, entry.native)) for entry in entries],
            "Top-1 %": [
                best[entry.name][0].top1 if entry.name in best else None for entry in entries
            ],
            "Crop": pd.array(
                [best[entry.name][0].crop if entry.name in best else None for entry in entries],
                dtype="Int64",
            ),
            "Recipe": [
                best[entry.name][0].weights if entry.name in best else "" for entry in entries
            ],
            "Idea": [entry.problem or _(entry.idea) for entry in entries],
            "Paper": [entry.paper for entry in entries],
        }
    )


def _matches(name: str, view: View) -> bool:
    spec = get_spec(name)
    if view.families and spec.family not in view.families:
        return False
    text = " ".join(
        (spec.name, spec.title, spec.family, str(spec.year), spec.idea, _(spec.idea), spec.paper)
    ).casefold()
    return all(word in text for word in re.split(r"[\s,]+", view.find.casefold()))


def _all_families() -> list[str]:
    return list(dict.fromkeys(get_spec(name).family for name in list_models()))


def _families(text: str) -> list[str] | None:
    known = _all_families()
    parts = [part for part in text.split(",") if part]
    return parts if all(part in known for part in parts) else None


def _one_of(allowed: Sequence[str]) -> Any:
    return lambda text: next((name for name in allowed if name == text), None)


def _pair(text: str) -> tuple[int, int]:
    height, width = text.split("x")
    return int(height), int(width)
