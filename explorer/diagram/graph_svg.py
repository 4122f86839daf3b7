"""A scene as SVG: what the app's component shows, as one document."""

from __future__ import annotations

from collections.abc import Mapping

from explorer.diagram.graph import DETAIL_SIZE, TITLE_SIZE
from explorer.diagram.scene import Edge, Node, Scene
from explorer.diagram.svg import Sheet


def graph_svg(
    scene: Scene, *, dark: bool = False, heat: Mapping[str, str] | None = None, title: bool = True
) -> str:
    """Draw a scene.

    Args:
        scene: what to draw.
        dark: draw for a dark page.
        heat: key of a node -> colour to fill it with, see `interactive.heat`.
        title: write title and caption above and below.
    """
    sheet = Sheet(dark=dark)
    sheet.reach((0, 0), (scene.width, scene.height))
    for group in scene.groups:
        sheet.frame(group.x, group.y, group.width, group.height, group.title)
    # Lines that pass others by lie beneath them: what they share is drawn as the main path.
    for edge in sorted(scene.edges, key=lambda edge: edge.role != "skip"):
        _draw_edge(sheet, edge, scene.horizontal)
    for node in scene.nodes:
        _draw_node(sheet, node, heat)
    if title:
        sheet.text(0, -34, scene.title, 15, anchor="start", bold=True)
        sheet.text(0, scene.height + 30, scene.caption, 11, anchor="start", muted=True)
    kinds = ", ".join(dict.fromkeys(node.kind for node in scene.nodes))
    description = (
        f"{scene.caption} {len(scene.nodes)} boxes and {len(scene.edges)} lines. Kinds: {kinds}."
    )
    return sheet.document(scene.title, description)


def _draw_edge(sheet: Sheet, edge: Edge, horizontal: bool) -> None:
    kind = "add" if edge.role == "skip" else "concat" if edge.role == "bus" else ""
    width = 1.8 if edge.role == "skip" else 1.4
    # A bus is an arrow too, but into a box alone.
    sheet.curve(*edge.points, arrow=True, width=width, kind=kind, sideways=horizontal)


def _draw_node(sheet: Sheet, node: Node, heat: Mapping[str, str] | None) -> None:
    middle_x, middle_y = node.x + node.width / 2, node.y + node.height / 2
    if node.shape == "round":
        sheet.circle(middle_x, middle_y, node.width / 2 - 1, node.kind, key=node.key)
        sheet.cross(middle_x, middle_y, node.kind, turned=node.title == "×")
        return
    if node.opens:  # a closed module: sheets behind the first
        sheet.box(node.x + 4, node.y + 4, node.width, node.height, node.kind, strong=False)
    sheet.box(
        node.x, node.y, node.width, node.height, node.kind,
        round_=node.height / 2 if node.shape == "pill" else 6,
        strong=bool(node.detail) or node.opens, key=node.key,
        fill=heat.get(node.key, sheet.paper) if heat else "",
    )  # fmt: skip
    if node.detail:
        sheet.text(middle_x, middle_y - 8, node.title, TITLE_SIZE)
        sheet.text(middle_x, middle_y + 9, node.detail, DETAIL_SIZE, muted=True)
    else:
        sheet.text(middle_x, middle_y, node.title, TITLE_SIZE)
