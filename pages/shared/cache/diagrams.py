"""The pictures of a network, and the files made from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from explorer.analysis import (
    Convention,
    Layer,
    layers,
)
from explorer.diagram.export import scene_file, scene_html
from explorer.diagram.heat import Heat, scene_heat
from explorer.diagram.interactive import heat_data, scene_data, signature, theme_data
from explorer.diagram.scene import Scene
from explorer.diagram.views import FIRST_DIRECTION, ViewName, depths, view_scene
from pages.shared.cache.keep import keep
from pages.shared.cache.tables import selection
from pages.shared.cache.traces import Theme, trace_of
from pages.shared.choice import Choice
from pages.shared.text import N_

if TYPE_CHECKING:
    from pages.shared.view import View


class Diagram(NamedTuple):
    """One picture of the network, and what its controls need."""

    data: dict[str, Any]
    """What the component draws."""
    signature: str
    selected: str
    """The box or frame that shows the selected layer, "" if none is selected."""
    depth: int
    """How far it is open, see `explorer.diagram.views.depths`."""
    first: int
    """The depth that it is opened to unasked."""
    depths: int
    """The greatest depth."""
    flow: str
    """Its direction, "right" or "down"."""


@keep(256)
def _depths(choice: Choice, zoom: ViewName) -> tuple[int, int]:
    """The depth to open a picture to at first, and the greatest."""
    return depths(trace_of(choice), zoom)


@keep(64, N_("Drawing"))
def _scene(
    choice: Choice,
    convention: Convention,
    zoom: ViewName,
    depth: int,
    toggled: tuple[str, ...],
    horizontal: bool,
) -> tuple[Scene, dict[str, Any], str]:
    trace = trace_of(choice)
    scene = view_scene(trace, zoom, depth, toggled, convention, horizontal=horizontal)
    rows = {row.key: row for row in layers(trace, None, convention)}
    data = scene_data(scene, trace, rows, convention)
    return scene, data, signature(data)


def _shown(choice: Choice, view: View) -> tuple[Scene, dict[str, Any], str]:
    """The scene that the view asks for."""
    first, most = _depths(choice, view.zoom)
    depth = min(view.depth or first, most)
    flow = view.flow or FIRST_DIRECTION[view.zoom]
    return _scene(choice, view.convention, view.zoom, depth, view.toggled, flow == "right")


def diagram(choice: Choice, view: View, theme: Theme) -> Diagram:
    """Lay out the picture that the view asks for."""
    first, most = _depths(choice, view.zoom)
    depth = min(view.depth or first, most)
    flow = view.flow or FIRST_DIRECTION[view.zoom]
    scene, data, signed = _shown(choice, view)
    found = selection(choice, view.convention, view.layer) if view.layer else None
    selected = _shown_at(scene, found.layer) if found else ""
    shown = {
        "subject": f"{choice.model} {view.zoom} {flow}",
        "scene": data,
        "theme": theme_data(theme),
        "heat": heat_data(_heat(choice, view, theme)),
        "selected": selected,
        "layer": found.layer.key if found else "",
    }
    return Diagram(shown, f"{signed} {theme}", selected, depth, first, most, flow)


def diagram_file(choice: Choice, view: View, theme: Theme, form: str) -> Callable[[], bytes]:
    """Make a file of what the diagram shows when it is asked for."""

    def content() -> bytes:
        scene, data, _ = _shown(choice, view)
        dark = theme == "dark"
        if form == "html":
            return scene_html([*_pages(choice, view, data)], dark=dark)
        return scene_file(scene, form, dark=dark, heat=_heat(choice, view, theme))

    return content


def _pages(
    choice: Choice, view: View, shown: dict[str, Any]
) -> Iterator[tuple[str, dict[str, Any], dict[str, Heat] | None]]:
    """What is shown, and the same picture at its other depths if they are not huge."""
    first, most = _depths(choice, view.zoom)
    at = min(view.depth or first, most)
    yield "as shown", shown, _both_heats(choice, view)
    for depth in range(1, most + 1):
        other = view._replace(depth=depth, toggled=())
        if depth == at and not view.toggled:
            continue
        scene, data, _ = _shown(choice, other)
        if len(scene.nodes) <= _MOST_SAVED:
            yield f"depth {depth}", data, _both_heats(choice, other)


_THEMES: tuple[Theme, ...] = ("light", "dark")
_MOST_SAVED = 1500
"""Boxes of another depth that an HTML file still carries along."""


def _both_heats(choice: Choice, view: View) -> dict[str, Heat] | None:
    if view.heat == "kind":
        return None
    return {theme: found for theme in _THEMES if (found := _heat(choice, view, theme))}


@keep(128)
def _heat_of(
    choice: Choice,
    convention: Convention,
    zoom: ViewName,
    depth: int,
    toggled: tuple[str, ...],
    measure: str,
    device: str,
    theme: Theme,
) -> Heat:
    scene, _, _ = _scene(choice, convention, zoom, depth, toggled, horizontal=True)
    return scene_heat(scene, trace_of(choice), measure, theme, convention, device)


def _heat(choice: Choice, view: View, theme: Theme) -> Heat | None:
    """The colours by a quantity that the view asks for; those do not depend on the direction."""
    if view.heat == "kind":
        return None
    first, most = _depths(choice, view.zoom)
    depth = min(view.depth or first, most)
    return _heat_of(
        choice, view.convention, view.zoom, depth, view.toggled, view.heat, view.device, theme
    )


def _shown_at(scene: Scene, layer: Layer) -> str:
    """The box that a layer is or is in; for a module or block that is open, its frame."""
    for node in scene.nodes:
        if layer.key == node.selects and layer.first_op in node.ops:
            return node.key
    for group in scene.groups:
        if group.key == layer.key:
            return group.key
    if layer.last_op - layer.first_op > 1:
        inside = set(range(layer.first_op, layer.last_op))
        for group in scene.groups:
            if group.ops and len(inside.intersection(group.ops)) >= len(group.ops) // group.times:
                return group.key
    ops = range(layer.first_op, max(layer.last_op, layer.first_op + 1))
    return next((n.key for op in ops for n in scene.nodes if op in n.ops), "")
