"""What stands in the tabs beside the layer table: blocks, charts, source."""

from __future__ import annotations

import json

import pandas as pd
import streamlit as st

from explorer.analysis.units import count
from pages.shared import address, cache
from pages.shared.choice import Choice
from pages.shared.component import draw
from pages.shared.tables import select_table, text_width
from pages.shared.view import (
    CHARTS,
    FLOWS,
    HEATS,
    ZOOMS,
    View,
    act,
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


def diagram(choice: Choice, view: View) -> None:
    """The network as a picture: every operation, or block by block."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.segmented_control(
            "Show", list(ZOOMS), key="zoom", required=True, format_func=ZOOMS.__getitem__,
            on_change=address.touch,
        )  # fmt: skip
        drawn = cache.graph(choice, view, theme()) if view.zoom == "graph" else None
        if drawn:
            _graph_controls(view, drawn)
    if drawn is None:
        blocks(choice, view)
        return
    draw(
        key="diagram",
        data={**drawn.data, "signature": drawn.signature, "height": _HEIGHT},
        on_act_change=lambda: act("diagram"),
        height=_HEIGHT,
    )
    text, file = st.columns([5, 1], gap="medium")
    text.caption(
        "A plus opens a module, a minus closes it. Drag to move, Ctrl and the wheel to zoom; "
        "arrow keys walk along the lines, Enter selects, O opens and C closes."
    )
    file.download_button(
        "SVG",
        cache.graph_picture(choice, view, theme()),
        f"{choice.model.replace(':', '-')}.svg",
        "image/svg+xml",
        key="diagram_svg",
        icon=":material/download:",
        on_click="ignore",
        width="stretch",
    )


def _graph_controls(view: View, drawn: cache.Graph) -> None:
    """How far modules are open, what colours mean, and the direction."""
    state = st.session_state
    state["open"] = drawn.depth
    address.record({"open": str(drawn.depth) if drawn.depth != drawn.first else None})
    st.segmented_control(
        "Open to depth", list(range(1, drawn.depths + 1)), key="open", required=True,
        format_func=lambda depth: "all" if depth == drawn.depths else str(depth),
        on_change=open_to_depth,
    )  # fmt: skip
    names = {
        "kind": "Kind of layer",
        "params": "Parameters",
        "cost": view.convention.unit,
        "activations": "Activation memory",
    }
    st.selectbox(
        "Colour by", HEATS, key="heat", format_func=names.__getitem__, on_change=address.touch,
        width=150,
    )  # fmt: skip
    st.segmented_control(
        "Direction", list(FLOWS), key="flow", required=True, format_func=FLOWS.__getitem__,
        on_change=address.touch,
    )  # fmt: skip


# ----------------------------------------------------------------------- blocks


def blocks(choice: Choice, view: View) -> None:
    """The blocks found in the dataflow, and the picture of the selected one."""
    rows = cache.blocks(choice)
    if not rows:
        st.info(
            "No blocks here: the dataflow is a plain chain, without shortcuts, branches or gates.",
            icon=":material/linear_scale:",
        )
        return
    shown = cache.block_around(choice, view.convention, view.layer) if view.layer else None
    names = [row.path or choice.model for row in rows]
    # A dense block or parallel branches need the page's width; other pictures are tall.
    wide = any(row.kind in ("dense", "branches") for row in rows)
    table, picture = (st.container(), st.container()) if wide else st.columns([3, 4], gap="medium")
    with table:
        st.caption("Found in the traced dataflow. Click a block to select its layers.")
        select_table(
            "blocks",
            pd.DataFrame(
                {
                    "Block": names,
                    "×": [row.times for row in rows],
                    "What": [row.what for row in rows],
                }
            ),
            keys=[row.key for row in rows],
            selected=shown,
            columns={
                "Block": st.column_config.TextColumn(width=text_width(names, 75)),
                "×": st.column_config.NumberColumn(width=36, help="Equal neighbours, drawn once."),
                "What": st.column_config.TextColumn(
                    width=text_width([row.what for row in rows], 100)
                ),
            },
            width="content",
        )
    with picture:
        row = rows[shown or 0]
        st.image(
            cache.block_picture(choice, shown or 0, theme()),
            width="content",
            alt=f"{row.path or choice.model}: {row.what}",
        )


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
