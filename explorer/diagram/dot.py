"""A scene for Graphviz: who reads whom, with every box where the scene has it.

`neato -n2 -Tpdf` keeps the places; `dot` lays the graph out anew.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

from explorer.diagram.heat import Heat, heat_words
from explorer.diagram.scene import Edge, Group, Node, Scene
from explorer.diagram.scene_svg import is_strong
from explorer.diagram.svg import ARROW
from explorer.figures.theme import INK, KIND_COLORS, MUTED_INK, PAPER, tint

_POINTS = 0.75
"""Points to a pixel of the scene."""


def scene_dot(scene: Scene, *, dark: bool = False, heat: Heat | None = None) -> str:
    """Write a scene as a DOT digraph.

    Args:
        scene: what to write.
        dark: colours for a dark page.
        heat: colour boxes by a quantity, see `heat.scene_heat`.
    """
    theme = "dark" if dark else "light"
    nodes = [node for node in scene.nodes if node.key]
    inner = {node.key: _innermost(node, scene.groups) for node in nodes}
    lines = [
        f"// {_plain(scene.title)}. {_plain(scene.caption)}",
        "// Places as drawn: neato -n2 -Tpdf; a new layout: dot -Tpdf.",
        f"digraph {_quoted(scene.title)} {{",
        f"  graph [labelloc=b, label={_quoted(scene.caption + heat_words(heat))}, "
        f'fontname=Helvetica, fontsize=9, bgcolor="{PAPER[theme]}", '
        f'fontcolor="{MUTED_INK[theme]}", '
        f"rankdir={'LR' if scene.horizontal else 'TB'}];",
        f'  node [fontname=Helvetica, fontcolor="{INK[theme]}", style="filled,rounded", '
        "fixedsize=true];",
        f'  edge [color="{INK[theme]}", arrowsize=0.6];',
    ]
    lines += ["  " + _node(node, scene, theme, heat) for node in nodes if not inner[node.key]]
    lines += _clusters(scene, nodes, inner, theme, heat)
    routes = {(edge.source, edge.target): edge for edge in scene.edges if edge.source}
    for a, b in scene.links:
        route = routes.get((a, b))
        spline = f' [pos="{_spline(route, scene)}"]' if route else ""
        lines.append(f"  {_quoted(a)} -> {_quoted(b)}{spline};")
    lines.append("}")
    return "\n".join(lines) + "\n"


def _clusters(
    scene: Scene,
    nodes: Sequence[Node],
    inner: Mapping[str, str],
    theme: str,
    heat: Heat | None,
) -> list[str]:
    """Each frame as a cluster; frames inside others stay inside them."""
    around = {group.key: _around(group, scene.groups) for group in scene.groups}
    lines: list[str] = []

    def write(group: Group, indent: str) -> None:
        title = " ".join(part for part in (group.title, group.badge) if part)
        lines.append(f"{indent}subgraph {_quoted('cluster ' + group.key)} {{")
        lines.append(
            f"{indent}  label={_quoted(title)}; style=rounded; fontsize=10; "
            f'color="{MUTED_INK[theme]}"; fontcolor="{MUTED_INK[theme]}";'
        )
        lines.extend(
            f"{indent}  {_node(node, scene, theme, heat)}"
            for node in nodes
            if inner[node.key] == group.key
        )
        for other in scene.groups:
            if around[other.key] == group.key:
                write(other, indent + "  ")
        lines.append(indent + "}")

    for group in scene.groups:
        if not around[group.key]:
            write(group, "  ")
    return lines


def _node(node: Node, scene: Scene, theme: str, heat: Heat | None) -> str:
    color = KIND_COLORS[theme][node.kind]
    fill = tint(color, theme, 0.2 if is_strong(node) and node.shape != "strip" else 0.1)
    if node.shape == "round":
        fill = PAPER[theme]
    if heat:
        fill = heat.colors.get(node.key, PAPER[theme])
    x = (node.x + node.width / 2) * _POINTS
    y = (scene.height - node.y - node.height / 2) * _POINTS
    shape = {"round": "circle", "volume": "box3d"}.get(node.shape, "box")
    label = "\\n".join(_escaped(line) for line in (node.title, *node.detail.split("\n")) if line)
    return (
        f'{_quoted(node.key)} [label="{label}", shape={shape}, color="{color}", '
        f'fillcolor="{fill}", fontsize={node.size * _POINTS:.1f}, '
        f'width={node.width / 96:.3f}, height={node.height / 96:.3f}, pos="{x:.1f},{y:.1f}!"];'
    )


def _spline(edge: Edge, scene: Scene) -> str:
    """The line as Graphviz writes it: the arrow's tip, then points of cubic curves."""

    def at(x: float, y: float) -> str:
        return f"{x * _POINTS:.1f},{(scene.height - y) * _POINTS:.1f}"

    points = list(edge.points)
    tip = points[-1]
    before = points[-2]
    if edge.sideways or (edge.bend == "corner" and abs(before[1] - tip[1]) < 1):
        points[-1] = (tip[0] - ARROW, tip[1])
    else:
        points[-1] = (tip[0], tip[1] - ARROW)
    written = ["e," + at(*tip), at(*points[0])]
    for (x0, y0), (x1, y1) in pairwise(points):
        if edge.bend == "corner":
            bends = ((2 * x0 + x1) / 3, (2 * y0 + y1) / 3), ((x0 + 2 * x1) / 3, (y0 + 2 * y1) / 3)
        elif edge.sideways:
            bends = ((x0 + x1) / 2, y0), ((x0 + x1) / 2, y1)
        else:
            bends = (x0, (y0 + y1) / 2), (x1, (y0 + y1) / 2)
        written += [at(*bends[0]), at(*bends[1]), at(x1, y1)]
    return " ".join(written)


def _holds(group: Group, x: float, y: float) -> bool:
    return group.x <= x <= group.x + group.width and group.y <= y <= group.y + group.height


def _innermost(node: Node, groups: Sequence[Group]) -> str:
    x, y = node.x + node.width / 2, node.y + node.height / 2
    holding = [group for group in groups if _holds(group, x, y)]
    return min(holding, key=lambda group: group.width * group.height).key if holding else ""


def _around(group: Group, groups: Sequence[Group]) -> str:
    area = group.width * group.height
    larger = [
        other
        for other in groups
        if other.width * other.height > area and _holds(other, group.x + 1, group.y + 1)
    ]
    return min(larger, key=lambda other: other.width * other.height).key if larger else ""


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'


def _plain(text: str) -> str:
    """Text for a comment of one line."""
    return re.sub(r"\s+", " ", text)
