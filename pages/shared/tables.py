"""Tables of stages and layers, in which a click selects."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

import pandas as pd
import streamlit as st

from explorer.analysis.units import shape_text
from explorer.figures.theme import KIND_COLORS, pill_color
from pages.shared import address, cache
from pages.shared.choice import Choice
from pages.shared.text import _
from pages.shared.view import View, clear_filters, narrow, select_row
from pages.shared.widgets import theme

_ROW: Final = 30
"""Height of a table row in pixels."""
_HEADER: Final = 38
_LONGEST_NAME: Final = 31
"""Characters of a layer's path that its column shows; the inspector has it whole."""
_TABLE_ROWS: Final = 16
"""Rows shown before a table scrolls."""
_FORMS: Final[dict[cache.TableFormat, str]] = {"csv": "CSV", "md": "Markdown", "json": "JSON"}


def stage_table(choice: Choice, view: View) -> None:
    """The network by spatial resolution; a click selects the stage's first layer."""
    stages = cache.overview(choice, view.convention).stages
    found = cache.selection(choice, view.convention, view.layer) if view.layer else None
    frame = pd.DataFrame(
        {
            "Stage": [stage.name for stage in stages],
            "Output": [shape_text(stage.output_shape) for stage in stages],
            "Layers": [stage.layers for stage in stages],
            "Params": [stage.params for stage in stages],
            view.convention.unit: [stage.cost for stage in stages],
            "Share": [100 * stage.share for stage in stages],
            "Activation MiB": [stage.activation_bytes / 2**20 for stage in stages],
        }
    )
    select_table(
        "stages",
        frame,
        keys=[stage.first_key for stage in stages],
        selected=found.stage if found else None,
        columns=_columns(view, Stage=90, Output=120, Layers=65, Params=95, Share=125),
    )


def layer_controls(choice: Choice, view: View, overview: cache.Overview) -> View:
    """Search, kinds, depth and downloads of the layer table.

    Returns:
        The view without kinds and depths that this model does not have.
    """
    levels = [*range(1, overview.levels), 0]
    view = narrow(view, overview.kinds, levels)
    find, kinds, level, files = st.columns([6, 6, 5, 5], gap="small", vertical_alignment="bottom")
    find.text_input(
        _("Find"), key="find", type="search", placeholder="layer2 conv1", on_change=address.touch
    )
    kinds.multiselect(
        _("Kinds"),
        overview.kinds,
        key="kinds",
        placeholder=_("All"),
        format_func=_,
        on_change=address.touch,
    )
    level.select_slider(
        _("Depth of modules"),
        levels,
        key="level",
        format_func=lambda level: str(level) if level else _("all"),
        on_change=address.touch,
        disabled=len(levels) == 1,
    )
    with files.popover(_("Download"), icon=":material/download:", width="stretch"):
        name = f"{choice.model}_{'x'.join(map(str, choice.input_shape[1:]))}"
        for form, label in _FORMS.items():
            st.download_button(
                label,
                cache.download(choice, view.convention, view.level, form),
                file_name=f"{name}.{form}",
                key=f"download_{form}",
                on_click="ignore",
                width="stretch",
            )
    return view


def layer_table(choice: Choice, view: View, failure: cache.Failure | None) -> None:
    """All layers; a click selects one."""
    frame = cache.layer_table(choice, view.convention, view.level)
    shown = _filtered(frame, view)
    if shown.empty:
        st.markdown(_("No layer matches."))
        st.button(_("Clear the filters"), key="clear_filters", on_click=clear_filters)
        return
    keys = [str(key) for key in shown.index]
    selected = cache.row_of(choice, view.convention, view.level, view.layer) if view.layer else None
    st.caption(
        f"{_rows_text(frame, shown, view)} {_('Click one to see how its numbers come about.')}"
    )
    select_table(
        "layer_table",
        _displayed(shown, view, failure),
        keys=keys,
        selected=keys.index(selected) if selected in keys else None,
        columns=_columns(
            view,
            Layer=text_width(map(_short, frame["Layer"]), 110, 205),
            Kind=102,
            Shape=158,
            Window=text_width(_windows(frame), 68, 110),
            Params=74,
            Share=105,
        ),
    )


def _rows_text(frame: pd.DataFrame, shown: pd.DataFrame, view: View) -> str:
    """How many rows are shown, of how many, and of which module."""
    if len(shown) < len(frame) and _is_within(frame, view):
        return _("{n} of {total} rows, in `{module}`.").format(
            n=len(shown), total=len(frame), module=view.layer
        )
    if len(shown) < len(frame):
        return _("{n} of {total} rows.").format(n=len(shown), total=len(frame))
    return _("{n} rows.").format(n=len(shown))


def select_table(
    name: str,
    frame: pd.DataFrame,
    *,
    keys: Sequence[str],
    selected: int | None,
    columns: Mapping[str, Any],
    width: Literal["stretch", "content"] = "stretch",
) -> None:
    """Draw a table in which a click anywhere in a row selects the row's layer.

    Args:
        name: key of the widget.
        frame: what is shown.
        keys: the layer that each row stands for.
        selected: position of the row that is selected now.
        columns: how columns are shown.
        width: as wide as the page allows, or only as wide as its columns.
    """
    rows = [] if selected is None else [selected]
    st.session_state[name] = {"selection": {"rows": rows, "columns": [], "cells": []}}
    st.dataframe(
        frame,
        width=width,
        hide_index=True,
        row_height=_ROW,
        height=min(max(len(frame), 1), _TABLE_ROWS) * _ROW + _HEADER,
        key=name,
        column_config=columns,
        on_select=lambda: select_row(name, keys, selected),
        selection_mode=["single-row", "single-cell"],
    )


def text_width(texts: Iterable[str], least: int, most: int = 265) -> int:
    """Width in pixels of a column that shows its longest text, within limits."""
    longest = max((len(text) for text in texts), default=0)
    return min(max(least, round(6 * longest) + 18), most)


def _short(name: object) -> str:
    """Leave out the outer modules of a long path, so that the numbers beside it stay in view."""
    text = str(name)
    while len(text) > _LONGEST_NAME and "." in text:
        text = text.partition(".")[2]
    return text if text == name else f"…{text}"


def _filtered(frame: pd.DataFrame, view: View) -> pd.DataFrame:
    if _is_within(frame, view):
        frame = frame[_within(frame, view.layer)]
    if view.kinds:
        frame = frame[frame["Kind"].isin(view.kinds)]
    words = _searchable(view.find).replace(",", " ").split()
    if words:
        rows = zip(frame["Layer"], frame["Kind"], _windows(frame), _shapes(frame), strict=True)
        texts = [_searchable(" ".join((*map(str, row), _(row[1])))) for row in rows]
        frame = frame[[all(word in text for word in words) for text in texts]]
    return frame


def _searchable(text: str) -> str:
    """Spell alike what is the same to a reader: "7 × 7", "7×7" and "7X7"."""
    return re.sub(r"(?<=\d) ?x ?(?=\d)", "x", text.casefold().replace("×", "x"))


def _shapes(frame: pd.DataFrame) -> list[str]:
    columns = zip(frame["Input"], frame["Output"], strict=True)
    return [f"{before} → {after}" if before != after else after for before, after in columns]


def _windows(frame: pd.DataFrame) -> list[str]:
    columns = zip(frame["Kernel"], frame["Stride"], frame["Padding"], strict=True)
    return [window_text(*window) for window in columns]


def _is_within(frame: pd.DataFrame, view: View) -> bool:
    """Whether a module is selected that is no row itself: its layers are shown then."""
    return bool(view.layer) and view.layer not in frame.index and any(_within(frame, view.layer))


def _within(frame: pd.DataFrame, module: str) -> list[bool]:
    return [str(key).startswith((f"{module}.", f"{module}:")) for key in frame.index]


def _displayed(frame: pd.DataFrame, view: View, failure: cache.Failure | None) -> pd.DataFrame:
    shapes = _shapes(frame)
    names = list(map(_short, frame["Layer"]))
    # A list, because only columns of lists can show a value in its own colour.
    kinds = [[_(kind)] for kind in frame["Kind"]]
    if failure and len(frame) and not frame["Output"].iloc[-1]:
        names[-1] = f"✗ {names[-1]}"
        shapes[-1] = f"{frame['Input'].iloc[-1]} → {_('fails here')}"
        kinds[-1] = []
    return pd.DataFrame(
        {
            "Layer": names,
            "Kind": kinds,
            "Shape": [shape.replace(" × ", "×") for shape in shapes],
            "Params": frame["Params"],
            view.convention.unit: frame[view.convention.unit],
            "Window": _windows(frame),
            "Share": 100 * frame["Share"],
            "Activation MiB": frame["Activation MiB"],
            "Cumulative": 100 * frame["Cumulative share"],
        }
    )


def window_text(kernel: str, stride: str, padding: str) -> str:
    """Write a window as "7×7 s2 p3": equal axes once, what changes nothing left out."""
    if not kernel:
        return ""
    stride = "" if set(stride.split("×")) == {"1"} else f" s{once(stride)}"
    padding = "" if set(padding.split("×")) == {"0"} else f" p{once(padding)}"
    return kernel + stride + padding


def once(axes: str) -> str:
    """Write equal axes once: "3×3" as "3"."""
    parts = set(axes.split("×"))
    return parts.pop() if len(parts) == 1 else axes


def _columns(view: View, **widths: int) -> dict[str, Any]:
    """Say how columns are shown.

    Args:
        view: gives the unit.
        **widths: in pixels, of columns whose width depends on the table.
    """
    column = st.column_config
    unit, shade = view.convention.unit, theme()
    kinds = list(KIND_COLORS[shade])
    return {
        "Stage": column.TextColumn(_("Stage"), width=widths.get("Stage")),
        "Layer": column.TextColumn(_("Layer"), width=widths.get("Layer")),
        "Kind": column.MultiselectColumn(
            _("Kind"),
            width=widths.get("Kind"),
            options=[_(kind) for kind in kinds],
            color=[pill_color(kind, shade) for kind in kinds],
        ),
        "Shape": column.TextColumn(_("In → out"), width=widths.get("Shape")),
        "Output": column.TextColumn(_("Output"), width=widths.get("Output")),
        "Window": column.TextColumn(
            _("Window"),
            width=widths.get("Window"),
            help=_("Kernel; stride (s) and padding (p) where they are not 1 and 0."),
        ),
        "Layers": column.NumberColumn(_("Layers"), width=widths.get("Layers")),
        "Params": column.NumberColumn(_("Params"), format="localized", width=widths.get("Params")),
        unit: column.NumberColumn(format="localized", width=103),
        "Share": column.ProgressColumn(
            _("Share of {unit}").format(unit=unit),
            format="%.2f%%",
            min_value=0,
            max_value=100,
            width=widths.get("Share"),
        ),
        "Activation MiB": column.NumberColumn(_("Activation MiB"), format="%.2f", width=105),
        "Cumulative": column.NumberColumn(
            _("Cumulative"),
            format="%.2f%%",
            width=95,
            help=_("Share of {unit} up to and with this layer.").format(unit=unit),
        ),
    }
