"""The parts that pages are made of. They format and draw; every number comes from `explorer`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final, Literal

import pandas as pd
import streamlit as st

from explorer.analysis import Layer, Totals
from explorer.analysis.layers import axes_text
from explorer.analysis.units import compact, count, memory, shape_text
from explorer.figures.theme import INK, KIND_COLORS, kind_color, tint
from pages.shared import address, cache
from pages.shared.choice import Choice
from pages.shared.sidebar import apply
from pages.shared.view import EXTRAS, UNITS, View, narrow, select, select_row

_ROW: Final = 30
"""Height of a table row in pixels."""
_HEADER: Final = 38
_TABLE_ROWS: Final = 16
"""Rows shown before a table scrolls."""
_FORMS: Final[dict[cache.TableFormat, str]] = {"csv": "CSV", "md": "Markdown", "json": "JSON"}


def theme() -> cache.Theme:
    """The theme the visitor sees."""
    return "dark" if st.context.theme.type == "dark" else "light"


def brand() -> None:
    """Add the logo and the rules of style.css to the page."""
    here = Path(__file__)
    st.logo(here.with_name("logo.svg").read_text(encoding="utf-8"), size="large")
    st.html(here.with_name("style.css"))


def plain(text: str) -> str:
    """Keep text from being read as Markdown: `__init__`, or what a crafted link says."""
    return re.sub(r"([\\`*_\[\]$:<>#~!|])", r"\\\1", text)


# ------------------------------------------------------------------------ head


def title(choice: Choice) -> None:
    """Name the model, its idea and its paper."""
    spec = choice.spec
    with st.container(key="head", gap="xxsmall"):
        st.title(spec.title, anchor=False)
        idea = cache.source(spec.name).summary.partition(": ")[2] or spec.family
        st.markdown(f"{idea[:1].upper()}{idea[1:]}")
        st.caption(f"{spec.paper} · `{spec.name}`")
    problems = [plain(problem) for problem in address.problems()]
    if problems:
        text = problems[0] if len(problems) == 1 else "".join(f"- {each}\n" for each in problems)
        st.warning(text, icon=":material/link_off:")


def counting(unused_params: int) -> None:
    """Let the visitor choose the unit and what is counted."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.segmented_control(
            "Unit",
            UNITS,
            key="unit",
            required=True,
            label_visibility="collapsed",
            on_change=address.touch,
        )
        st.pills(
            "Also count",
            EXTRAS,
            selection_mode="multi",
            key="extras",
            format_func=lambda extra: f"+ {extra}",
            label_visibility="collapsed",
            on_change=address.touch,
        )
        if unused_params:
            st.toggle(
                f"{compact(unused_params)} unused parameters",
                key="unused",
                on_change=address.touch,
                help="Parameters of modules that this forward pass never ran.",
            )


def metrics(choice: Choice, view: View, numbers: Totals) -> None:
    """Show the totals, each in short and in full."""
    params = numbers.params - (0 if view.unused else numbers.unused_params)
    bound = "at least " if numbers.lower_bound else ""
    with st.grid(5, min_column_width=118, gap="small", key="metrics"):
        _metric("Parameters", compact(params), count(params))
        _metric(view.convention.unit, compact(numbers.cost), bound + count(numbers.cost))
        _metric(
            "Activations",
            memory(numbers.activation_bytes),
            f"{count(numbers.activation_bytes)} B",
        )
        _metric("Depth", count(numbers.depth) if numbers.depth else "none", "weighted layers")
        _metric("Output", _output(numbers), f"batch of {choice.input_shape[0]}")


def _output(numbers: Totals) -> str:
    """The output's shape; of several outputs the first, with the number of others."""
    shape = numbers.output_shape
    if not shape:
        return "none"
    if any(isinstance(part, tuple) for part in shape):
        first, *others = (part for part in shape if isinstance(part, tuple))
        return shape_text(first) + (f" + {len(others)} more" if others else "")
    return shape_text(tuple(part for part in shape if isinstance(part, int)))


def _metric(label: str, value: str, detail: str) -> None:
    st.metric(label, value, detail, delta_color="off", delta_arrow="off", border=True)


def failed(choice: Choice, failure: cache.Failure) -> None:
    """Say in one sentence what does not work, and offer what would."""
    st.error(failure.sentence, icon=":material/error:")
    if failure.suggested_shape is None:
        return
    batch, channels, height, width = failure.suggested_shape
    suggestion = choice._replace(input_shape=(batch, channels, height, width))
    st.button(
        f"Use {channels} × {height} × {width}, which works",
        key="suggestion",
        type="primary",
        on_click=_apply,
        args=(suggestion,),
    )


def _apply(choice: Choice) -> None:
    address.touch()
    apply(choice)


# ----------------------------------------------------------------------- tables


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
            "Share": [stage.share for stage in stages],
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
        "Find", key="find", type="search", placeholder="layer1, conv", on_change=address.touch
    )
    kinds.multiselect(
        "Kinds", overview.kinds, key="kinds", placeholder="All", on_change=address.touch
    )
    level.select_slider(
        "Depth of modules",
        levels,
        key="level",
        format_func=lambda level: str(level) if level else "all",
        on_change=address.touch,
        disabled=len(levels) == 1,
    )
    with files.popover("Download", icon=":material/download:", width="stretch"):
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
    keys = [str(key) for key in shown.index]
    selected = cache.row_of(choice, view.convention, view.level, view.layer) if view.layer else None
    of = f" of {len(frame)}" if len(shown) < len(frame) else ""
    within = f" in `{view.layer}`" if _is_within(frame, view) else ""
    st.caption(f"{len(shown)}{of} rows{within}. Click one to see how its numbers come about.")
    select_table(
        "layer_table",
        _displayed(shown, view, failure),
        keys=keys,
        selected=keys.index(selected) if selected in keys else None,
        columns=_columns(
            view,
            Layer=text_width(frame["Layer"], 135),
            Kind=102,
            Shape=165,
            Window=75,
            Params=78,
            Share=105,
        ),
    )


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
    return min(max(least, round(5.8 * longest) + 18), most)


def _filtered(frame: pd.DataFrame, view: View) -> pd.DataFrame:
    if _is_within(frame, view):
        frame = frame[_within(frame, view.layer)]
    if view.kinds:
        frame = frame[frame["Kind"].isin(view.kinds)]
    if view.find:
        needle = view.find.casefold()
        frame = frame[[needle in str(name).casefold() for name in frame["Layer"]]]
    return frame


def _is_within(frame: pd.DataFrame, view: View) -> bool:
    """Whether a module is selected that is no row itself: its layers are shown then."""
    return bool(view.layer) and view.layer not in frame.index and any(_within(frame, view.layer))


def _within(frame: pd.DataFrame, module: str) -> list[bool]:
    return [str(key).startswith((f"{module}.", f"{module}:")) for key in frame.index]


def _displayed(frame: pd.DataFrame, view: View, failure: cache.Failure | None) -> pd.DataFrame:
    columns = zip(frame["Input"], frame["Output"], strict=True)
    shapes = [f"{before} → {after}" if before != after else after for before, after in columns]
    windows = zip(frame["Kernel"], frame["Stride"], frame["Padding"], strict=True)
    names = list(frame["Layer"])
    # A list, because only columns of lists can show a value in its own colour.
    kinds = [[kind] for kind in frame["Kind"]]
    if failure and len(frame) and not frame["Output"].iloc[-1]:
        names[-1] = f"✗ {names[-1]}"
        shapes[-1] = f"{frame['Input'].iloc[-1]} → fails here"
        kinds[-1] = []
    return pd.DataFrame(
        {
            "Layer": names,
            "Kind": kinds,
            "Shape": [shape.replace(" × ", "×") for shape in shapes],
            "Window": [window_text(*window) for window in windows],
            "Params": frame["Params"],
            view.convention.unit: frame[view.convention.unit],
            "Share": frame["Share"],
            "Activation MiB": frame["Activation MiB"],
            "Cumulative": frame["Cumulative share"],
        }
    )


def window_text(kernel: str, stride: str, padding: str) -> str:
    """Write a window as "7×7 s2 p3": equal axes once, what changes nothing left out."""
    if not kernel:
        return ""
    stride = "" if set(stride.split("×")) == {"1"} else f" s{_once(stride)}"
    padding = "" if set(padding.split("×")) == {"0"} else f" p{_once(padding)}"
    return kernel + stride + padding


def _once(axes: str) -> str:
    parts = set(axes.split("×"))
    return parts.pop() if len(parts) == 1 else axes


def _columns(view: View, **widths: int) -> dict[str, Any]:
    """Say how columns are shown.

    Args:
        view: gives the unit.
        **widths: in pixels, of columns whose width depends on the table.
    """
    column = st.column_config
    unit, colors = view.convention.unit, KIND_COLORS[theme()]
    return {
        "Stage": column.TextColumn(width=widths.get("Stage")),
        "Layer": column.TextColumn(width=widths.get("Layer")),
        "Kind": column.MultiselectColumn(
            width=widths.get("Kind"), options=list(colors), color=list(colors.values())
        ),
        "Shape": column.TextColumn("In → out", width=widths.get("Shape")),
        "Output": column.TextColumn(width=widths.get("Output")),
        "Window": column.TextColumn(
            width=widths.get("Window"),
            help="Kernel; stride (s) and padding (p) where they are not 1 and 0.",
        ),
        "Layers": column.NumberColumn(width=widths.get("Layers")),
        "Params": column.NumberColumn(format="localized", width=widths.get("Params")),
        unit: column.NumberColumn(format="localized", width=103),
        "Share": column.ProgressColumn(
            f"Share of {unit}",
            format="percent",
            min_value=0,
            max_value=1,
            width=widths.get("Share"),
        ),
        "Activation MiB": column.NumberColumn(format="%.2f", width=105),
        "Cumulative": column.NumberColumn(
            format="percent", width=95, help=f"Share of {unit} up to and with this layer."
        ),
    }


# -------------------------------------------------------------------- inspector


def inspector(choice: Choice, view: View, failure: cache.Failure | None) -> None:
    """The selected layer with its worked formulas; without one, the layer that matters most."""
    with st.container(border=True, key="inspector", gap="small"):
        found = cache.selection(choice, view.convention, view.layer) if view.layer else None
        if view.layer and found is None:
            st.caption(f":orange[There is no layer called {plain(view.layer)} here.]")
        if found is None and failure and failure.layer:
            found = cache.selection(choice, view.convention, failure.layer)
            st.caption("The layer that fails. Select another in the table, a chart or a block.")
        if found is None:
            found = cache.selection(
                choice, view.convention, cache.overview(choice, view.convention).most_expensive
            )
            st.caption(
                f"The layer with the most {view.convention.unit}. "
                "Select another in the table, a chart or a block."
            )
        if found is None:
            return
        st.subheader(found.receipt.title, anchor=False)
        _facts(found, view)
        _receipt(found)
        if view.layer:
            st.button(
                "Clear the selection",
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
        f'color:{INK[mode]}">{escape(layer.kind)}</span>'
    )
    shapes = [shape_text(shape) for shape in layer.input_shapes]
    facts = {
        "Class": escape(layer.module_class or f"{layer.label}, an operation of {layer.path}"),
        "Kind": "" if found.is_module or not layer.output_shape else chip,
        "In": escape(", ".join(shapes)),
        "Out": escape(shape_text(layer.output_shape) if layer.output_shape else "nothing"),
        "Window": escape(_window(layer)),
        "Parameters": count(layer.params),
        view.convention.unit: count(layer.cost),
        "Activations": memory(layer.activation_bytes),
    }
    cells = "".join(
        f"<span>{name}</span><span>{value}</span>" for name, value in facts.items() if value
    )
    st.html(f'<p class="key">{escape(layer.key)}</p><div class="facts">{cells}</div>')


def _window(layer: Layer) -> str:
    text = window_text(axes_text(layer.kernel), axes_text(layer.stride), axes_text(layer.padding))
    if layer.dilation and set(layer.dilation) != {1}:
        text += f", dilation {_once(axes_text(layer.dilation))}"
    return text + (f", {layer.groups} groups" if layer.groups and layer.groups > 1 else "")


def _receipt(found: cache.Selection) -> None:
    lines = "".join(
        f"<dt>{escape(line.label)}</dt>"
        f"<dd>{escape(line.formula)} <b>= {count(line.result)}</b></dd>"
        for line in found.receipt.lines
    )
    st.html(f'<dl class="receipt">{lines}</dl>')
