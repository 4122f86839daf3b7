"""What stands in the tabs beside the layer table: diagram, charts, source."""

from __future__ import annotations

import json

import streamlit as st

from explorer.analysis.roofline import devices
from explorer.analysis.units import count
from explorer.diagram.export import FORMATS
from explorer.diagram.views import FIRST_DIRECTION
from pages.shared import address, cache
from pages.shared.choice import Choice
from pages.shared.component import draw
from pages.shared.view import (
    CHARTS,
    FLOWS,
    HEATS,
    ZOOMS,
    View,
    act,
    forget_opened,
    open_to_depth,
    select_point,
)
from pages.shared.widgets import plain, theme

# ----------------------------------------------------------------------- charts


def charts(choice: Choice, view: View) -> None:
    """One Plotly figure at a time; a click selects a layer."""
    unit = view.convention.unit
    titles = {
        "cost": f"Parameters and {unit}",
        "profile": "Shapes",
        "map": f"{unit} by module",
        "params": "Parameters by module",
    }
    st.segmented_control(
        "Chart",
        CHARTS,
        key="chart",
        required=True,
        format_func=lambda name: titles[name],
        label_visibility="collapsed",
        on_change=address.touch,
    )
    name = st.session_state["chart"]
    # A map does not mark the selection, and need not be drawn again when it changes.
    marked = view.layer if name in ("cost", "profile") else ""
    drawn = cache.figure_json(choice, view.convention, name, theme(), marked)
    key = f"chart_{name}"
    st.plotly_chart(
        json.loads(drawn),
        key=key,
        theme=None,
        on_select=lambda: select_point(key),
        selection_mode="points",
        config={"displayModeBar": False},
        alt=titles[name],
    )


# ---------------------------------------------------------------------- diagram

_HEIGHT = 640
_DEPTHS = {
    "blocks": {1: "closed", 2: "open", 3: "all"},
    "volume": {1: "stages", 2: "layers"},
}
"""What the depths of a picture are called, where they are not counted."""
_FILES = {
    "svg": "SVG",
    "png": "PNG",
    "pdf": "PDF",
    "tex": "TikZ (LaTeX)",
    "dot": "Graphviz DOT",
    "html": "HTML, interactive and offline",
}
_ARROWS = {"down": ":material/arrow_downward:", "right": ":material/arrow_forward:"}
_HINTS = {
    "stages": "A plus opens a stage as its blocks.",
    "blocks": "A plus opens a block, a minus closes it; equal neighbours are drawn once.",
    "ops": "A plus opens a module, a minus closes it.",
    "volume": "Height and depth are rows and columns, width is channels; all on a shrunk scale.",
}


def diagram(choice: Choice, view: View) -> None:
    """The network as a picture: stages, blocks, every operation, or tensors."""
    drawn = cache.diagram(choice, view, theme())
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.segmented_control(
            "Show", list(ZOOMS), key="zoom", required=True, format_func=ZOOMS.__getitem__,
            on_change=forget_opened,
        )  # fmt: skip
        _diagram_controls(view, drawn)
    draw(
        key="diagram",
        data={**drawn.data, "signature": drawn.signature, "height": _HEIGHT},
        on_act_change=lambda: act("diagram"),
        height="content",
    )
    text, file = st.columns([5, 1], gap="medium")
    text.caption(
        f"{_HINTS[view.zoom]} Drag to move, Ctrl and the wheel to zoom; arrow keys walk along the "
        "lines, Enter selects, O opens and C closes."
    )
    with file.popover("Save", icon=":material/download:", width="stretch"):
        for form, name in _FILES.items():
            st.download_button(
                name,
                cache.diagram_file(choice, view, theme(), form),
                f"{choice.model.replace(':', '-')}-{view.zoom}.{form}",
                FORMATS[form],
                key=f"diagram_{form}",
                on_click="ignore",
                width="stretch",
            )


def _diagram_controls(view: View, drawn: cache.Diagram) -> None:
    """How far it is open, what colours mean, and the direction."""
    state = st.session_state
    state["open"], state["flow"] = drawn.depth, drawn.flow
    by_hand = drawn.flow != FIRST_DIRECTION[view.zoom]
    address.record(
        {
            "open": str(drawn.depth) if drawn.depth != drawn.first else None,
            "flow": drawn.flow if by_hand else None,
        }
    )
    if drawn.depths > 1:
        names = _DEPTHS.get(view.zoom, {drawn.depths: "all"})
        st.segmented_control(
            "Open to depth" if view.zoom == "ops" else "Detail",
            list(range(1, drawn.depths + 1)),
            key="open",
            required=True,
            format_func=lambda depth: names.get(depth, str(depth)),
            on_change=open_to_depth,
        )
    st.selectbox(
        "Colour by", HEATS, key="heat", format_func=_heat_names(view).__getitem__,
        on_change=address.touch, width=150,
    )  # fmt: skip
    if view.heat == "latency":
        st.selectbox(
            "Predicted for", [device.name for device in devices()], key="device",
            on_change=address.touch, width=220,
            help="A roofline prediction in float32, not a measurement.",
        )  # fmt: skip
    if view.zoom != "volume":
        st.segmented_control(
            "Direction", list(FLOWS), key="flow", required=True, format_func=_ARROWS.__getitem__,
            on_change=address.touch,
        )  # fmt: skip


def _heat_names(view: View) -> dict[str, str]:
    return {
        "kind": "Kind of layer",
        "params": "Parameters",
        "cost": view.convention.unit,
        "activations": "Activation memory",
        "latency": "Predicted time",
    }


# ----------------------------------------------------------------------- source


def source(choice: Choice) -> None:
    """What the paper brought, and the file that the model is built from."""
    about(choice)
    file = cache.source(choice.model)
    library = "" if choice.spec.new else f" of {plain(choice.spec.publication.authors)}"
    lines = count(file.text.count("\n"))
    st.caption(f"`{file.path}`{library}, {lines} lines. To trace this in Python:")
    st.code(_call(choice), language="python")
    st.code(file.text, language="python", line_numbers=True, height=640)


def about(choice: Choice) -> None:
    """The paper, what was new in it, and where our code departs from it."""
    spec = choice.spec
    if not spec.new:
        return
    paper = plain(spec.paper)
    if spec.publication.arxiv:
        paper += f" · [arXiv](https://arxiv.org/abs/{spec.publication.arxiv})"
    st.markdown(paper)
    new, departs = st.columns(2, gap="medium")
    with new:
        st.markdown("**What is new**\n" + "".join(f"\n- {plain(each)}" for each in spec.new))
    with departs:
        st.markdown(
            f"**Where this code departs from the paper**\n\n"
            f"{plain(spec.departs) or 'Nowhere that we know of.'}"
        )


def _call(choice: Choice) -> str:
    """Python that gives the numbers of this page."""
    default = choice.spec.options
    options = {
        name: value
        for name, value in choice.build_options.items()
        if value != default[name].default
    }
    arguments = [repr(choice.model), str(choice.input_shape)]
    if choice.mode != "eval":
        arguments.append(f"mode={choice.mode!r}")
    if options:
        arguments.append(f"options={options!r}")
    return f"from explorer import trace_model\n\ntrace = trace_model({', '.join(arguments)})"
