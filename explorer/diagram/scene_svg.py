"""A scene as SVG: what the app's component shows, as one document."""

from __future__ import annotations

import textwrap

from explorer.diagram.graph import DETAIL_SIZE
from explorer.diagram.heat import Heat
from explorer.diagram.scene import Edge, Node, Scene
from explorer.diagram.svg import Sheet, text_width
from explorer.text import _

_LINE = 15.0
"""Between the lines of a card."""
_BAR = 6.0
"""Height of a card's bar."""


def scene_svg(
    scene: Scene, *, dark: bool = False, heat: Heat | None = None, bare: bool = False
) -> str:
    """Draw a scene, with its title, caption and the meaning of its colours.

    Args:
        scene: what to draw.
        dark: draw for a dark page.
        heat: colour boxes by a quantity, see `heat.scene_heat`.
        bare: only the drawing, for a page that says the rest.
    """
    sheet = Sheet(dark=dark)
    sheet.reach((0, 0), (scene.width, scene.height))
    for group in scene.groups:
        sheet.group(
            group.key, group.x, group.y, group.width, group.height, group.title,
            detail=group.detail, badge=group.badge, at=group.title_at,
        )  # fmt: skip
    # Lines that pass others by lie beneath them: what they share is drawn as the main path.
    for edge in sorted(scene.edges, key=lambda edge: edge.role != "skip"):
        if edge.role != "guide":
            _draw_edge(sheet, edge)
    for node in scene.nodes:
        _draw_node(sheet, node, heat)
    for edge in scene.edges:
        if edge.role == "guide":
            _draw_edge(sheet, edge)
    for text in scene.texts:
        sheet.text(
            text.x, text.y, text.text, text.size, anchor=text.anchor, muted=text.muted,
            bold=text.bold, italic=text.italic,
        )  # fmt: skip
    if not bare:
        _draw_frame(sheet, scene, heat)
    kinds = ", ".join(map(_, kinds_of(scene)))
    said = _("{boxes} boxes and {lines} lines. Kinds: {kinds}.").format(
        boxes=len(scene.nodes), lines=len(scene.edges), kinds=kinds
    )
    description = f"{scene.caption} {said}"
    return sheet.document(scene.title, description)


def _draw_frame(sheet: Sheet, scene: Scene, heat: Heat | None) -> None:
    """The title, the caption, and what the colours mean."""
    sheet.text(0, -34, scene.title, 15, anchor="start", bold=True)
    low = scene.height + 30
    for line in caption_lines(scene):
        sheet.text(0, low, line, 11, anchor="start", muted=True)
        low += 16
    if heat:
        _draw_scale(sheet, heat, low + 8)
    else:
        _draw_legend(sheet, scene, low + 8)


def kinds_of(scene: Scene) -> tuple[str, ...]:
    """The kinds of layers that are drawn, the most frequent first."""
    counted: dict[str, int] = {}
    for node in scene.nodes:
        if node.kind:
            counted[node.kind] = counted.get(node.kind, 0) + 1
    return tuple(sorted(counted, key=lambda kind: -counted[kind]))


def caption_lines(scene: Scene) -> list[str]:
    """The caption, broken to the width of the picture."""
    return textwrap.wrap(scene.caption, max(60, int(scene.width / 6.4)))


def _draw_scale(sheet: Sheet, heat: Heat, y: float) -> None:
    text = f"{heat.title}: 0"
    sheet.text(0, y, text, 11, anchor="start", muted=True)
    x = text_width(text, 11) + 8
    for color in heat.scale:
        sheet.box(x, y - 6, 24, 12, "input", round_=0, strong=False, fill=color)
        x += 24
    sheet.text(x + 8, y, heat.most, 11, anchor="start", muted=True)


def _draw_legend(sheet: Sheet, scene: Scene, y: float) -> None:
    x = 0.0
    for kind in kinds_of(scene):
        name = _(kind)
        wide = 18 + text_width(name, 11) + 16
        if x > 0 and x + wide > max(scene.width, 420):
            x, y = 0.0, y + 20
        sheet.box(x, y - 6, 12, 12, kind, round_=3)
        sheet.text(x + 18, y, name, 11, anchor="start", muted=True)
        x += wide


def _draw_edge(sheet: Sheet, edge: Edge) -> None:
    kind = "add" if edge.role == "skip" else "concat" if edge.role == "bus" else ""
    width = edge.width or (1.8 if edge.role == "skip" else 1.4)
    if edge.bend == "corner":
        front = edge.role == "guide"
        sheet.line(
            *edge.points, arrow=edge.arrow, width=width, dashed=edge.dashed, kind=kind, front=front
        )
        return
    sheet.curve(*edge.points, arrow=edge.arrow, width=width, kind=kind, sideways=edge.sideways)


def _draw_node(sheet: Sheet, node: Node, heat: Heat | None) -> None:
    middle_x, middle_y = node.x + node.width / 2, node.y + node.height / 2
    fill = heat.colors.get(node.key, sheet.paper) if heat else ""
    if node.shape == "dot":
        sheet.dot(middle_x, middle_y)
    elif node.shape == "round":
        radius = node.width / 2 - (0 if node.width < 25 else 1)
        sheet.circle(middle_x, middle_y, radius, node.kind, key=node.key)
        sheet.cross(middle_x, middle_y, node.kind, turned=node.title == "×")
    elif node.shape == "volume":
        sheet.cuboid(node.x, node.y, node.width, node.height, node.lift, node.kind,
                     key=node.key, fill=fill)  # fmt: skip
    elif node.shape == "card":
        _draw_card(sheet, node, fill)
    else:
        _draw_box(sheet, node, fill)


def _draw_box(sheet: Sheet, node: Node, fill: str) -> None:
    middle_x, middle_y = node.x + node.width / 2, node.y + node.height / 2
    if node.opens:  # a closed module: sheets behind the first
        sheet.box(node.x + 4, node.y + 4, node.width, node.height, node.kind, strong=False)
    strip = node.shape == "strip"
    sheet.box(
        node.x, node.y, node.width, node.height, node.kind,
        round_=node.height / 2 if node.shape == "pill" else 4 if strip else 6,
        strong=not strip and is_strong(node), key=node.key, fill=fill,
    )  # fmt: skip
    if node.detail:
        sheet.text(middle_x, middle_y - 8, node.title, node.size)
        sheet.text(middle_x, middle_y + 9, node.detail, DETAIL_SIZE)
    else:
        sheet.text(middle_x, middle_y, node.title, node.size)


def _draw_card(sheet: Sheet, node: Node, fill: str) -> None:
    sheet.box(node.x, node.y, node.width, node.height, node.kind, round_=8, key=node.key, fill=fill)
    x, y = node.x + 14, node.y + 20
    sheet.text(x, y, node.title, node.size, anchor="start", bold=True)
    for place, line in enumerate(node.detail.split("\n")):
        sheet.text(x, y + 22 + 18 * place, line, 12.5, anchor="start")
    wide = node.width - 28
    low = node.y + node.height - 16
    sheet.bar(x, low, wide, _BAR, node.kind, node.share)


def is_strong(node: Node) -> bool:
    """Whether a box is filled in its full colour: it is more than one line of an op."""
    return bool(node.detail) or node.opens or node.size >= 13
