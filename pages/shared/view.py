"""What a page about one model shows of it: counting, table, tab and selection, all in the link."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeVar

import streamlit as st

from explorer.analysis import Convention
from explorer.analysis.roofline import devices
from explorer.diagram.heat import DEFAULT_DEVICE
from explorer.diagram.heat import HEATS as QUANTITIES
from explorer.diagram.views import ViewName
from explorer.trace.records import KINDS
from pages.shared import address
from pages.shared.text import N_, _

Unit = Literal["MACs", "FLOPs"]
Name = TypeVar("Name", bound=str)

UNITS: Final[tuple[Unit, ...]] = ("MACs", "FLOPs")
EXTRAS: Final = (N_("bias"), N_("normalization"), N_("elementwise"), N_("pooling"))
"""The switches of a `Convention`."""
TABS: Final = {
    "layers": N_("Layers"),
    "blocks": N_("Diagram"),
    "charts": N_("Charts"),
    "latency": N_("Latency"),
    "check": N_("Cross-check"),
    "source": N_("Source"),
}
"""Name in the link -> title."""
CHARTS: Final = ("cost", "profile", "map", "params")
"""Names in the link of the charts; their titles depend on the unit."""

ZOOMS: Final[dict[ViewName, str]] = {
    "stages": N_("Stages"), "blocks": N_("Blocks"), "ops": N_("Operations"), "volume": N_("Tensors")
}  # fmt: skip
"""Name in the link -> title of what the diagram shows."""
HEATS: Final = ("kind", *QUANTITIES)
FLOWS: Final = {"down": "Down", "right": "Right"}
MAX_TOGGLED: Final = 60
"""Modules opened or closed by hand that a link carries."""

_TAB_WIDGET: Final = "tab_widget"


class View(NamedTuple):
    """How the chosen model is looked at."""

    convention: Convention
    unused: bool
    """Whether parameters that no op reads are in the total."""
    level: int | None
    """Fold the table below this depth of the module tree; None shows every layer."""
    kinds: tuple[str, ...]
    """Show only these kinds; all if empty."""
    find: str
    """Show only layers in whose row every word of this text occurs."""
    tab: str
    chart: str
    layer: str
    """Key of the selected layer or module, "" if none is."""
    zoom: ViewName
    """Which picture the diagram is."""
    depth: int
    """How far it is open; 0 leaves that to the size of the network."""
    toggled: tuple[str, ...]
    """Modules that are open although their depth says closed, or the other way round."""
    heat: str
    """What the diagram's boxes are coloured by."""
    device: str
    """Device that times are predicted for."""
    flow: str
    """Direction in which the diagram runs; "" leaves it to the picture."""


def open_view() -> View:
    """Read the view from the session, or from the address where that speaks, and record it."""
    state = st.session_state
    unit = address.restore("unit", "unit", _one_of(UNITS), UNITS[0])
    extras: list[str] = address.restore("count", "extras", _some_of(EXTRAS), [])
    unused = address.restore("unused", "unused", {"no": False, "yes": True}.get, True)
    level = address.restore("level", "level", _level, 0)
    kinds: list[str] = address.restore("kinds", "kinds", _some_of(KINDS), [])
    find = address.restore("find", "find", str, "")
    tab = address.restore("tab", "tab", _one_of(tuple(TABS)), "layers")
    chart = address.restore("chart", "chart", _one_of(CHARTS), "cost")
    layer = address.restore("layer", "layer", str, "")
    zoom: ViewName = address.restore("zoom", "zoom", _one_of(tuple(ZOOMS)), "blocks")
    depth = address.restore("open", "open", _level, 0)
    toggled: list[str] = address.restore("toggled", "toggled", _keys, [])
    heat = address.restore("heat", "heat", _one_of(HEATS), "kind")
    names = [device.name for device in devices()]
    device = address.restore("device", "device", _one_of(names), DEFAULT_DEVICE)
    flow = address.restore("flow", "flow", _one_of(tuple(FLOWS)), "")
    state[_TAB_WIDGET] = _(TABS[tab])
    address.record(
        {
            "unit": unit if unit != "MACs" else None,
            "count": ",".join(extras) or None,
            "unused": None if unused else "no",
            "level": str(level) if level else None,
            "kinds": ",".join(kinds) or None,
            "find": find or None,
            "tab": tab if tab != "layers" else None,
            "chart": chart if chart != "cost" else None,
            "layer": layer or None,
            "zoom": zoom if zoom != "blocks" else None,
            "open": str(depth) if depth else None,
            "toggled": ",".join(toggled) or None,
            "heat": heat if heat != "kind" else None,
            "device": device if device != DEFAULT_DEVICE else None,
            "flow": flow or None,
        }
    )
    convention = Convention(unit=unit, **{extra: extra in extras for extra in EXTRAS})
    return View(
        convention=convention,
        unused=unused,
        level=level or None,
        kinds=tuple(kinds),
        find=find,
        tab=tab,
        chart=chart,
        layer=layer,
        zoom=zoom,
        depth=depth,
        toggled=tuple(toggled),
        heat=heat,
        device=device,
        flow=flow,
    )


def narrow(view: View, kinds: Sequence[str], levels: Sequence[int]) -> View:
    """Drop kinds and a depth that the model does not have, before their widgets are drawn."""
    state = st.session_state
    state["kinds"] = [kind for kind in view.kinds if kind in kinds]
    state["level"] = view.level if view.level in levels else 0
    address.record(
        {
            "kinds": ",".join(state["kinds"]) or None,
            "level": str(state["level"]) if state["level"] else None,
        }
    )
    return view._replace(kinds=tuple(state["kinds"]), level=state["level"] or None)


def tabs() -> dict[str, Any]:
    """Draw the tabs; only the open one's content is made."""
    drawn = st.tabs([_(title) for title in TABS.values()], key=_TAB_WIDGET, on_change=_change_tab)
    return dict(zip(TABS, drawn, strict=True))


def _change_tab() -> None:
    address.touch()
    titles = {_(title): name for name, title in TABS.items()}
    st.session_state["tab"] = titles[st.session_state[_TAB_WIDGET]]


# ----------------------------------------------------------------- selection


def select(key: str) -> None:
    """Select a layer or module everywhere. Only in a callback."""
    address.touch()
    st.session_state["layer"] = key


def act(diagram: str) -> None:
    """Do what was clicked in the diagram: select a layer, or open or close a module."""
    done = st.session_state[diagram].get("act") or {}
    what, key = str(done.get("what", "")), str(done.get("key", ""))
    if what == "select" and not key.startswith((":input", "bus/")):  # those are no layers
        select("" if st.session_state["layer"] == key else key)
    elif what == "toggle" and key.startswith("stage/"):  # a card opens as its blocks
        address.touch()
        st.session_state["zoom"] = "blocks"
        forget_opened()
        st.session_state["layer"] = key.removeprefix("stage/")
    elif what == "toggle":
        address.touch()
        toggled = [each for each in st.session_state["toggled"] if each != key]
        if len(toggled) == len(st.session_state["toggled"]):
            toggled = [*toggled, key][-MAX_TOGGLED:]
        st.session_state["toggled"] = toggled


def open_to_depth() -> None:
    """Take the chosen depth, and forget what was opened by hand."""
    address.touch()
    st.session_state["open"] = st.session_state["depth_widget"]
    st.session_state["toggled"] = []


def choose_flow() -> None:
    """Take the chosen direction."""
    address.touch()
    st.session_state["flow"] = st.session_state["flow_widget"]


def forget_opened() -> None:
    """Leave depth and direction to the picture again: another one was chosen."""
    address.touch()
    st.session_state["toggled"] = []
    st.session_state["open"] = 0
    st.session_state["flow"] = ""


def clear_filters() -> None:
    """Show layers of all kinds and names again. Only in a callback."""
    address.touch()
    st.session_state["find"] = ""
    st.session_state["kinds"] = []


def select_row(table: str, keys: Sequence[str], before: int | None) -> None:
    """Select what was clicked in a table.

    Args:
        table: key of the table's widget.
        keys: the rows' layers.
        before: the row that was selected until now.
    """
    clicked = st.session_state[table]["selection"]
    # A click on a cell leaves the tick on the row that was selected before.
    ticked = [*(row for row, _ in clicked["cells"]), *clicked["rows"]]
    # The browser may still report a row of an earlier, longer table: that is no click.
    rows = [row for row in ticked if row < len(keys)]
    if ticked and not rows:
        address.touch()
        return
    new = next((row for row in rows if row != before), before if rows else None)
    select("" if new is None else keys[new])


def select_point(chart: str) -> None:
    """Select what was clicked in a chart: a bar or point by its custom data, a sector by its id."""
    points = st.session_state[chart]["selection"]["points"]
    if not points:
        address.touch()
        return
    (key,) = points[0].get("customdata") or (points[0].get("id", ""),)
    select(str(key).rstrip("/"))


# -------------------------------------------------------- reading parameters


def _one_of(allowed: Sequence[Name]) -> Callable[[str], Name | None]:
    return lambda text: next((name for name in allowed if name == text), None)


def _some_of(allowed: Sequence[str]) -> Callable[[str], list[str] | None]:
    def parse(text: str) -> list[str] | None:
        parts = [part for part in text.split(",") if part]
        return parts if all(part in allowed for part in parts) else None

    return parse


def _keys(text: str) -> list[str]:
    return [key for key in text.split(",") if key][:MAX_TOGGLED]


def _level(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else None
