"""What stands side by side: summary, totals, layers, stages, curves and diagrams."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import pandas as pd
import streamlit as st

from explorer.analysis.units import count, shape_text
from explorer.figures.comparison import MEASURES, measure_title
from pages.shared import address, beside, cache, sharing
from pages.shared.catalogue import downloads
from pages.shared.choice import Choice, to_query
from pages.shared.comparing import View
from pages.shared.component import draw
from pages.shared.text import N_, _
from pages.shared.view import FLOWS, MAX_TOGGLED, ZOOMS
from pages.shared.view import View as ModelView
from pages.shared.widgets import plain, theme

Choices = tuple[Choice, ...]

_LAYERS_PAGE: Final = "pages/inspect/layers.py"
_HEIGHT: Final = 450
"""Of a diagram, in pixels."""
_ROW: Final = 30
_TABLE_ROWS: Final = 16
_LONGEST_KEY: Final = 34
"""Characters of a layer's key that the table shows."""
_ARROWS: Final = {"down": ":material/arrow_downward:", "right": ":material/arrow_forward:"}
_DEPTHS: Final = {
    "blocks": {1: N_("closed"), 2: N_("open"), 3: N_("all")},
    "volume": {1: N_("stages"), 2: N_("layers")},
}


def possible(view: View) -> Choices:
    """The models that can be traced; of each other one, say in one sentence why it cannot."""
    shown = []
    for choice in view.choices:
        failure = cache.failure(choice)
        if failure is None:
            shown.append(choice)
        else:
            st.error(
                _("**{model}** is left out. {sentence}").format(
                    model=plain(choice.model), sentence=plain(failure.sentence)
                ),
                icon=":material/error:",
            )
    return tuple(shown)


def summaries(view: View, shown: Choices) -> None:
    """What each model differs from the first in."""
    with st.container(key="summary", gap="xsmall"):
        for sentences in cache.comparing.side_by_side(shown, view.convention).summaries:
            first, *others = map(plain, sentences)
            st.markdown(" ".join((first, *others)) if len(shown) > 2 else f"**{first}**")
            if others and len(shown) == 2:
                st.markdown(" ".join(others))


# --------------------------------------------------------------- layer by layer


def layer_by_layer(view: View, shown: Choices) -> None:
    """Two models aligned; a click on a row shows its layers' links."""
    other = _partner(view, shown)
    found = cache.comparing.difference(shown[0], shown[other], view.convention)
    frame = _filtered(found.frame, view)
    find, changed, files = st.columns([5, 3, 2], gap="small", vertical_alignment="bottom")
    find.text_input(
        _("Find"), key="compare_find", type="search", placeholder=_("layer2 kernel"),
        on_change=address.touch,
    )  # fmt: skip
    changed.toggle(_("Only differences"), key="compare_changed", on_change=address.touch)
    downloads(files, frame, f"{'-'.join(found.names)}".replace(":", "-").replace(" ", "-"))
    _selected(view, found, (shown[0], shown[other]))
    if frame.empty:
        st.markdown(_("No row matches."))
        return
    _difference_table(view, found, frame)


def _partner(view: View, shown: Choices) -> int:
    """Place of the model that is aligned with the first; a control where there are several."""
    other = min(view.against, len(shown) - 1)
    if len(shown) > 2:
        models = cache.comparing.side_by_side(shown, view.convention).comparison.models
        st.session_state["compare_against"] = other
        st.segmented_control(
            _("{name}, against").format(name=models[0].name),
            range(1, len(shown)),
            key="compare_against",
            required=True,
            format_func=lambda place: models[place].name,
            on_change=_forget_row,
        )
    return other


def _forget_row() -> None:
    address.touch()
    st.session_state["compare_row"] = -1


def _filtered(frame: pd.DataFrame, view: View) -> pd.DataFrame:
    if view.changed:
        frame = frame[frame["Status"] != "same"]
    words = view.find.casefold().replace("×", "x").split()
    if words:
        columns = ["Stage", "Status", "Left", "Right", "Kind", "Difference", "Shape"]
        texts = [_searchable(row) for row in frame[columns].to_numpy().tolist()]
        frame = frame[[all(word in text for word in words) for text in texts]]
    return frame


def _searchable(row: Sequence[str]) -> str:
    """The texts of a row, status and kind in the reader's language too."""
    texts = [*row, _(row[1]), _(row[4])]
    return " ".join(texts).casefold().replace("×", "x")


def _selected(
    view: View, found: cache.comparing.Difference, choices: tuple[Choice, Choice]
) -> None:
    """How many rows are what; or the selected row, with links to its layers."""
    if not 0 <= view.row < len(found.frame):
        counts = found.frame["Status"].value_counts()
        told = _(", ").join(_status_count(name, counts[name]) for name in counts.index)
        st.caption(
            _(
                "{rows} rows: {told}. Left is {left}, right is {right}; what is more "
                "is right minus left. Click a row to open its layers."
            ).format(
                rows=count(len(found.frame)),
                told=told,
                left=plain(found.names[0]),
                right=plain(found.names[1]),
            )
        )
        return
    row = found.frame.iloc[view.row].to_dict()
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="row_links"):
        st.markdown(plain(row["Difference"]) or _("The same in both."))
        sides = zip(("Left", "Right"), found.names, choices, found.keys, strict=True)
        for side, name, choice, keys in sides:
            if keys[view.row]:
                st.page_link(
                    _LAYERS_PAGE,
                    label=_("{layer} in {model}").format(layer=plain(row[side]), model=plain(name)),
                    icon=":material/table_rows:",
                    query_params={**to_query(choice), "layer": keys[view.row]},
                )


def _status_count(status: str, number: int) -> str:
    """How many rows have a status: "12 changed"."""
    return _("{n} {status}").format(n=count(number), status=_(status))


def _difference_table(view: View, found: cache.comparing.Difference, frame: pd.DataFrame) -> None:
    places = [int(place) for place in frame.index]
    before = places.index(view.row) if view.row in places else None
    st.session_state["compare_table"] = {
        "selection": {"rows": [] if before is None else [before], "columns": [], "cells": []}
    }
    unit = view.convention.unit
    column = st.column_config
    shown = _displayed(frame, unit)
    longest = max(len(str(key)) for side in ("Left", "Right") for key in shown[side])
    width = min(max(70, 6 * longest + 14), 210)
    stage = min(max(66, 6 * max(map(len, frame["Stage"])) + 14), 120)
    st.dataframe(
        shown,
        hide_index=True,
        row_height=_ROW,
        height=min(len(frame), _TABLE_ROWS) * _ROW + 38,
        key="compare_table",
        on_select=lambda: _select_row(places, before),
        selection_mode=["single-row", "single-cell"],
        column_config={
            "Stage": column.TextColumn(_("Stage"), width=stage),
            "Status": column.TextColumn(_("Status"), width=76),
            "Left": column.TextColumn(found.names[0], width=width),
            "Right": column.TextColumn(found.names[1], width=width),
            "Difference": column.TextColumn(_("Difference"), width=250),
            "Shape": column.TextColumn(_("Output"), width=160),
            "More params": column.NumberColumn(_("More params"), format="localized", width=92),
            f"More {unit}": column.NumberColumn(
                _("More {unit}").format(unit=unit), format="localized", width=108
            ),
            "More activation bytes": column.NumberColumn(
                _("More activations"), format="localized", width=125, help=_("In bytes.")
            ),
        },
    )


def _displayed(frame: pd.DataFrame, unit: str) -> pd.DataFrame:
    """What the page has room for, with what a reader asks first in front."""
    columns = ["Stage", "Status", "Left", "Right", "Difference", "More params", f"More {unit}"]
    shown = frame[[*columns, "Shape", "More activation bytes"]].copy()
    shown["Status"] = shown["Status"].map(_)
    shown["Difference"] = shown["Difference"].str.replace("->", "→")
    shown["Shape"] = shown["Shape"].str.replace(" × ", "×").str.replace("->", "→")
    for side in ("Left", "Right"):
        shown[side] = shown[side].map(_short)
    return shown


def _short(key: str) -> str:
    """The end of a long key, which says more than its beginning."""
    if len(key) <= _LONGEST_KEY:
        return key
    parts = key.split(".")
    while len(parts) > 1 and len(".".join(parts)) >= _LONGEST_KEY:
        del parts[0]
    return f"… {'.'.join(parts)}"


def _select_row(places: Sequence[int], before: int | None) -> None:
    """Select what was clicked; a second click on it takes the selection back."""
    address.touch()
    clicked = st.session_state["compare_table"]["selection"]
    ticked = [*(row for row, _ in clicked["cells"]), *clicked["rows"]]
    rows = [row for row in ticked if row < len(places)]
    new = next((row for row in rows if row != before), before if rows else None)
    st.session_state["compare_row"] = -1 if new is None else places[new]


# ------------------------------------------------------------- stages and curves


def stages(view: View, shown: Choices) -> None:
    """A stacked bar for each model, and the stages aligned by how far they divide the input."""
    _measures(view)
    _chart(view, shown, "stages")
    beside.draw_table(beside.stage_table(view, shown, view.measure))


def curves(view: View, shown: Choices) -> None:
    """How parameters, work or memory add up from the first layer to the last."""
    _measures(view)
    _chart(view, shown, "curves")
    if view.measure == "params":
        st.caption(_("Modules that never ran are in the totals and not in the curves."))


def _measures(view: View) -> None:
    st.segmented_control(
        _("Measure"),
        MEASURES,
        key="compare_measure",
        required=True,
        format_func=lambda name: measure_title(name, view.convention.unit),
        label_visibility="collapsed",
        on_change=address.touch,
    )


def _chart(view: View, shown: Choices, figure: str) -> None:
    drawn = cache.comparing.comparison_json(shown, view.convention, figure, view.measure, theme())
    st.plotly_chart(
        json.loads(drawn),
        key=f"compare_{figure}",
        theme=None,
        config={"displayModeBar": False},
        alt=_("{measure}, model beside model").format(
            measure=measure_title(view.measure, view.convention.unit)
        ),
    )


# -------------------------------------------------------------------- diagrams


def diagrams(view: View, shown: Choices) -> None:
    """The same picture of each model, open to the same depth."""
    first = [cache.diagram(choice, _model_view(view, 0, ""), theme()) for choice in shown]
    depth = view.depth or min(drawn.first for drawn in first)
    most = max(drawn.depths for drawn in first)
    _diagram_controls(view, min(depth, most), most)
    for start in range(0, len(shown), 2):
        columns = st.columns(2, gap="small")
        for place, column in zip(range(start, len(shown)), columns, strict=False):
            with column:
                _diagram(view, shown[place], place, depth)
    st.caption(
        _(
            "A plus opens a box, a minus closes it. Drag to move, Ctrl and the wheel "
            "to zoom: the diagrams move as one. The name above a diagram opens it on "
            "a page of its own."
        )
    )


def _diagram(view: View, choice: Choice, place: int, depth: int) -> None:
    toggled = ",".join(k.partition("/")[2] for k in view.toggled if k.startswith(f"{place}/"))
    drawn = cache.diagram(choice, _model_view(view, depth, toggled), theme())
    key = f"compare_diagram_{place}"
    st.page_link(
        _LAYERS_PAGE,
        label=_("{model} at {size}").format(
            model=plain(choice.model), size=shape_text(choice.input_shape)
        ),
        icon=":material/account_tree:",
        query_params={**to_query(choice), "tab": "blocks"},
    )
    draw(
        key=key,
        data={**drawn.data, "signature": drawn.signature, "height": _HEIGHT, "beside": True},
        on_act_change=lambda: _act(key, place),
        height="content",
    )


def _act(diagram: str, place: int) -> None:
    """Open or close what was clicked; a stage's card opens as blocks, in all diagrams."""
    address.touch()
    state = st.session_state
    done = state[diagram].get("act") or {}
    what, key = str(done.get("what", "")), str(done.get("key", ""))
    if what != "toggle":
        return
    if key.startswith("stage/"):
        state["compare_zoom"] = "blocks"
        _forget_opened()
        return
    token = f"{place}/{key}"
    rest = [each for each in state["compare_toggled"] if each != token]
    more = len(rest) == len(state["compare_toggled"])
    state["compare_toggled"] = [*rest, token][-MAX_TOGGLED:] if more else rest


def export(view: View, shown: Choices) -> None:
    """Offer everything as one document."""
    sharing.downloads(view, shown, _model_view(view, 0, "")._replace(zoom="blocks"))


def _diagram_controls(view: View, depth: int, most: int) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.segmented_control(
            _("Show"), list(ZOOMS), key="compare_zoom", required=True,
            format_func=lambda zoom: _(ZOOMS[zoom]), on_change=_forget_opened,
        )  # fmt: skip
        if most > 1:
            st.session_state["compare_depth"] = depth
            names = _DEPTHS.get(view.zoom, {most: N_("all")})
            st.segmented_control(
                _("Detail"),
                range(1, most + 1),
                key="compare_depth",
                required=True,
                format_func=lambda each: _(names[each]) if each in names else str(each),
                on_change=_open_to,
            )
        st.segmented_control(
            _("Direction"), list(FLOWS), key="compare_flow", required=True,
            format_func=_ARROWS.__getitem__, on_change=address.touch,
        )  # fmt: skip


def _forget_opened() -> None:
    address.touch()
    st.session_state["compare_open"], st.session_state["compare_toggled"] = 0, []


def _open_to() -> None:
    address.touch()
    st.session_state["compare_open"] = st.session_state["compare_depth"]
    st.session_state["compare_toggled"] = []


def _model_view(view: View, depth: int, toggled: str) -> ModelView:
    """The view of one model's page that shows this picture."""
    return ModelView(
        convention=view.convention,
        unused=True,
        level=None,
        kinds=(),
        find="",
        tab="blocks",
        chart="cost",
        layer="",
        zoom=view.zoom,
        depth=depth,
        toggled=tuple(filter(None, toggled.split(","))),
        heat="kind",
        device=view.device,
        flow=view.flow,
    )
