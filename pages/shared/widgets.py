"""The head of a page about one model. It formats; every number comes from `explorer`."""

from __future__ import annotations

import re
from pathlib import Path

import streamlit as st

from explorer.analysis import Totals
from explorer.analysis.units import compact, count, memory, shape_text
from pages.shared import address, cache
from pages.shared.choice import MAX_SIZE, Choice
from pages.shared.sidebar import apply
from pages.shared.text import _
from pages.shared.view import EXTRAS, UNITS, View


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


def page_title(name: str, what: str) -> None:
    """Name a page that is about no single model, and say what it shows."""
    head(name, what)
    problems()


def head(name: str, what: str) -> None:
    """Name a page whose choices are not read yet: it shows `problems` when they are."""
    with st.container(key="head", gap="xxsmall"):
        st.title(name, anchor=False)
        st.markdown(what)


def title(choice: Choice) -> None:
    """Name the model, its idea and its paper."""
    spec = choice.spec
    with st.container(key="head", gap="xxsmall"):
        st.title(spec.title, anchor=False)
        st.markdown(plain(_(spec.idea)))
        st.caption(f"{spec.paper} · `{spec.name}`")
    problems()


def problems() -> None:
    """Say which parts of the link could not be read."""
    found = [plain(problem) for problem in address.problems()]
    if found:
        text = found[0] if len(found) == 1 else "".join(f"- {each}\n" for each in found)
        st.warning(text, icon=":material/link_off:")


def counting(unused_params: int) -> None:
    """Let the visitor choose the unit and what is counted."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.segmented_control(
            _("Unit"),
            UNITS,
            key="unit",
            required=True,
            label_visibility="collapsed",
            on_change=address.touch,
        )
        st.pills(
            _("Also count"),
            EXTRAS,
            selection_mode="multi",
            key="extras",
            format_func=lambda extra: f"+ {_(extra)}",
            label_visibility="collapsed",
            on_change=address.touch,
        )
        if unused_params:
            st.toggle(
                _("{n} unused parameters").format(n=compact(unused_params)),
                key="unused",
                on_change=address.touch,
                help=_("Parameters of modules that this forward pass never ran."),
            )


def metrics(choice: Choice, view: View, numbers: Totals) -> None:
    """Show the totals, each in short and in full."""
    params = numbers.params - (0 if view.unused else numbers.unused_params)
    bound = _("at least {n}") if numbers.lower_bound else "{n}"
    with st.grid(5, min_column_width=118, gap="small", key="metrics"):
        _metric(_("Parameters"), compact(params), count(params))
        _metric(view.convention.unit, compact(numbers.cost), bound.format(n=count(numbers.cost)))
        _metric(
            _("Activations"),
            memory(numbers.activation_bytes),
            f"{count(numbers.activation_bytes)} B",
        )
        _metric(
            _("Depth"), count(numbers.depth) if numbers.depth else _("none"), _("weighted layers")
        )
        _metric(
            _("Output"),
            _output(numbers),
            _("batch of {n}").format(n=choice.input_shape[0]),
        )


def _output(numbers: Totals) -> str:
    """The output's shape; of several outputs the first, with the number of others."""
    shape = numbers.output_shape
    if not shape:
        return _("none")
    if any(isinstance(part, tuple) for part in shape):
        first, *others = (part for part in shape if isinstance(part, tuple))
        return shape_text(first) + (" " + _("+ {n} more").format(n=len(others)) if others else "")
    return shape_text(tuple(part for part in shape if isinstance(part, int)))


def _metric(label: str, value: str, detail: str) -> None:
    st.metric(label, value, detail, delta_color="off", delta_arrow="off", border=True)


def failed(choice: Choice, failure: cache.Failure) -> None:
    """Say in one sentence what does not work, and offer what would."""
    st.error(failure.sentence, icon=":material/error:")
    if failure.suggested_shape is None:
        return
    batch, channels, height, width = failure.suggested_shape
    if max(height, width) > MAX_SIZE:
        return
    suggestion = choice._replace(input_shape=(batch, channels, height, width))
    same_image = suggestion.input_shape[1:] == choice.input_shape[1:]
    what = _("a batch of {n}").format(n=batch) if same_image else f"{channels} × {height} × {width}"
    st.button(
        _("Use {what}, which works").format(what=what),
        key="suggestion",
        type="primary",
        on_click=_apply,
        args=(suggestion,),
    )


def _apply(choice: Choice) -> None:
    address.touch()
    apply(choice)
