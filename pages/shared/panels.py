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
from pages.shared.text import N_, _
from pages.shared.view import (
    CHARTS,
    FLOWS,
    HEATS,
    ZOOMS,
    View,
    act,
    choose_flow,
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
        "cost": _("Parameters and {unit}").format(unit=unit),
        "profile": _("Shapes"),
        "map": _("{unit} by module").format(unit=unit),
        "params": _("Parameters by module"),
    }
    st.segmented_control(
        _("Chart"),
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
    "blocks": {1: N_("closed"), 2: N_("open"), 3: N_("all")},
    "volume": {1: N_("stages"), 2: N_("layers")},
}
"""What the depths of a picture are called, where they are not counted."""
_FILES = {
    "svg": "SVG",
    "png": "PNG",
    "pdf": "PDF",
    "tex": "TikZ (LaTeX)",
    "dot": "Graphviz DOT",
    "html": N_("HTML, interactive and offline"),
}
_ARROWS = {"down": ":material/arrow_downward:", "right": ":material/arrow_forward:"}
_HINTS = {
    "stages": N_("A plus opens a stage as its blocks."),
    "blocks": N_("A plus opens a block, a minus closes it; equal neighbours are drawn once."),
    "ops": N_("A plus opens a module, a minus closes it."),
    "volume": N_(
        "Height and depth are rows and columns, width is channels; all on a shrunk scale."
    ),
}


def diagram(choice: Choice, view: View) -> None:
    """The network as a picture: stages, blocks, every operation, or tensors."""
    drawn = cache.diagram(choice, view, theme())
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.segmented_control(
            _("Show"), list(ZOOMS), key="zoom", required=True, on_change=forget_opened,
            format_func=lambda name: _(ZOOMS[name]),
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
        _(
            "{hint} Drag to move, Ctrl and the wheel to zoom; arrow keys walk along "
            "the lines, Enter selects, O opens and C closes."
        ).format(hint=_(_HINTS[view.zoom]))
    )
    with file.popover(_("Save"), icon=":material/download:", width="stretch"):
        for form, name in _FILES.items():
            st.download_button(
                _(name),
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
    # Widgets of their own: what the picture chooses itself is not in the link.
    state["depth_widget"], state["flow_widget"] = drawn.depth, drawn.flow
    address.record(
        {
            "open": str(view.depth) if view.depth and drawn.depth != drawn.first else None,
            "flow": view.flow if view.flow not in ("", FIRST_DIRECTION[view.zoom]) else None,
        }
    )
    if drawn.depths > 1:
        names = _DEPTHS.get(view.zoom, {drawn.depths: N_("all")})
        st.segmented_control(
            _("Open to depth") if view.zoom == "ops" else _("Detail"),
            list(range(1, drawn.depths + 1)),
            key="depth_widget",
            required=True,
            format_func=lambda depth: _(names.get(depth, str(depth))),
            on_change=open_to_depth,
        )
    st.selectbox(
        _("Colour by"), HEATS, key="heat", format_func=_heat_names(view).__getitem__,
        on_change=address.touch, width=150,
    )  # fmt: skip
    if view.heat == "latency":
        st.selectbox(
            _("Predicted for"), [device.name for device in devices()], key="device",
            on_change=address.touch, width=220,
            help=_("A roofline prediction in float32, not a measurement."),
        )  # fmt: skip
    if view.zoom != "volume":
        st.segmented_control(
            _("Direction"), list(FLOWS), key="flow_widget", required=True,
            format_func=_ARROWS.__getitem__, on_change=choose_flow,
        )  # fmt: skip


def _heat_names(view: View) -> dict[str, str]:
    return {
        "kind": _("Kind of layer"),
        "params": _("Parameters"),
        "cost": view.convention.unit,
        "activations": _("Activation memory"),
        "latency": _("Predicted time"),
    }


# ----------------------------------------------------------------------- source


def source(choice: Choice) -> None:
    """What the paper brought, and the file that the model is built from."""
    about(choice)
    file = cache.source(choice.model)
    library = (
        ""
        if choice.spec.new
        else _(" of {library}").format(library=plain(choice.spec.publication.authors))
    )
    lines = count(file.text.count("\n"))
    st.caption(
        _("`{path}`{library}, {lines} lines. To trace this in Python:").format(
            path=file.path, library=library, lines=lines
        )
    )
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
        st.markdown(
            f"**{_('What is new')}**\n" + "".join(f"\n- {plain(_(each))}" for each in spec.new)
        )
    with departs:
        st.markdown(
            f"**{_('Where this code departs from the paper')}**\n\n"
            f"{plain(_(spec.departs)) or _('Nowhere that we know of.')}"
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
