"""A scene as the plain data that the interactive view draws, in the app and in an HTML file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any

from explorer.analysis.layers import Layer
from explorer.analysis.receipts import receipt
from explorer.analysis.totals import DEFAULT, Convention
from explorer.analysis.units import compact, count, memory
from explorer.diagram.heat import Heat
from explorer.diagram.scene import Edge, Group, Node, Scene, Text
from explorer.diagram.scene_svg import is_strong, kinds_of
from explorer.diagram.svg import FACES, cuboid_faces, curve_path, line_path, text_width
from explorer.figures.theme import INK, KIND_COLORS, MUTED_INK, PAPER, tint
from explorer.text import _
from explorer.trace.records import Trace


def assets() -> dict[str, str]:
    """Source of the view: "html", "css" and "js"."""
    folder = resources.files("explorer.diagram") / "assets"
    return {
        kind: (folder / f"diagram.{kind}").read_text(encoding="utf-8")
        for kind in ("html", "css", "js")
    }


def theme_data(theme: str) -> dict[str, Any]:
    """Colours of a theme, "light" or "dark"."""
    colors = KIND_COLORS[theme]
    return {
        "ink": INK[theme],
        "muted": MUTED_INK[theme],
        "paper": PAPER[theme],
        "colors": colors,
        "fills": {kind: tint(color, theme, 0.2) for kind, color in colors.items()},
        "faint": {kind: tint(color, theme, 0.1) for kind, color in colors.items()},
        "faces": {
            kind: [tint(color, theme, strength) for strength in FACES]
            for kind, color in colors.items()
        },
    }


def scene_data(
    scene: Scene, trace: Trace, rows: Mapping[str, Layer], convention: Convention = DEFAULT
) -> dict[str, Any]:
    """The scene as JSON can hold it.

    Args:
        scene: a drawing of the trace.
        trace: what it is drawn from.
        rows: the layer table's rows by their keys, for the worked formulas and for the search,
            which finds layers also where they are inside a box that is closed.
        convention: of the costs.
    """
    # Lines that pass others by lie beneath them.
    edges = sorted(scene.edges, key=lambda edge: edge.role != "skip")
    return {
        "title": scene.title,
        "caption": scene.caption,
        "w": round(scene.width, 1),
        "h": round(scene.height, 1),
        "horizontal": scene.horizontal,
        "nodes": [_node(node, trace, rows, convention) for node in scene.nodes],
        "groups": [_group(group) for group in scene.groups],
        "edges": [_edge(edge) for edge in edges],
        "texts": [
            [round(t.x, 1), round(t.y, 1), t.text, t.size, t.anchor, _style(t)] for t in scene.texts
        ],
        "links": [list(link) for link in scene.links],
        "index": _index(scene, rows.values()),
        "kinds": [[kind, _(kind)] for kind in kinds_of(scene)],
        "words": _words(),
    }


def _style(text: Text) -> str:
    names = ("muted", "bold", "italic")
    return " ".join(name for name in names if getattr(text, name))


def _words() -> dict[str, str]:
    """What the bar of the diagram says."""
    return {
        "diagram": _("Diagram"),
        "find": _("Find in the diagram"),
        "in": _("Zoom in"),
        "out": _("Zoom out"),
        "fit": _("Fit"),
        "full": _("Full screen"),
        "colors": _("Colours"),
        "none": _("nothing found"),
        "hit": _("{n} of {total}"),
    }


def _group(group: Group) -> dict[str, Any]:
    size = 13.0 if group.detail else 11.5
    return {
        "key": group.key,
        "title": group.title,
        "detail": group.detail,
        "badge": group.badge,
        "sign": group.sign,
        "at": round(group.title_at, 1),
        "x": round(group.x, 1),
        "y": round(group.y, 1),
        "w": round(group.width, 1),
        "h": round(group.height, 1),
        "tw": round(text_width(group.title, size) * 1.06),
    }


def _edge(edge: Edge) -> dict[str, Any]:
    if edge.bend == "corner":
        path, head = line_path(edge.points, arrow=edge.arrow)
    else:
        path, head = curve_path(edge.points, arrow=edge.arrow, sideways=edge.sideways)
    xs, ys = zip(*edge.points, strict=True)
    return {
        "source": edge.source,
        "target": edge.target,
        "d": path,
        "head": head,
        "box": [round(n, 1) for n in (min(xs) - 6, min(ys) - 6, max(xs) + 6, max(ys) + 6)],
        "role": edge.role,
        "text": edge.text,
        "width": edge.width,
        "dashed": edge.dashed,
    }


def _node(
    node: Node, trace: Trace, rows: Mapping[str, Layer], convention: Convention
) -> dict[str, Any]:
    data = {
        "key": node.key,
        "name": node.title if _is_stage(node) else node.selects or node.key or trace.model,
        "selects": node.selects,
        "kind": node.kind,
        "title": node.title,
        "detail": node.detail,
        "x": round(node.x, 1),
        "y": round(node.y, 1),
        "w": round(node.width, 1),
        "h": round(node.height, 1),
        "size": node.size,
        "opens": node.opens,
        "shape": node.shape,
        "strong": is_strong(node),
        "card": _card(node, trace, rows, convention),
    }
    if node.shape == "volume":
        faces = cuboid_faces(node.x, node.y, node.width, node.height, node.lift)
        data["faces"] = [" ".join(f"{x:.1f},{y:.1f}" for x, y in points) for points in faces]
    if node.shape == "card":
        data["share"] = round(node.share, 4)
    return data


def _is_stage(node: Node) -> bool:
    """Whether a box stands for a stage, which no layer's name would describe."""
    return node.shape == "card" or (node.shape == "volume" and len(node.ops) > 1)


def _card(
    node: Node, trace: Trace, rows: Mapping[str, Layer], convention: Convention
) -> list[list[str]]:
    """Names and values of what is said of a box when it is pointed at."""
    if not node.ops:
        words = _("A running concatenation: all that was computed before, side by side.")
        return [["", words]] if node.key else []
    row = rows.get(node.key)
    kind = "" if _is_stage(node) else _(node.kind)
    card = [[_("Kind"), kind], [_("In"), node.input_text], [_("Out"), node.output_text]]
    if row is not None and row.macs:
        worked = {line.label: line for line in receipt(trace, row, convention).lines}
        for label in (_("Parameters"), convention.unit):
            line = worked.pop(label, None)
            if line is not None:
                card.append([label, f"{line.formula} = {count(line.result)}"])
    else:
        if node.params:
            card.append([_("Parameters"), count(node.params)])
        if node.cost:
            card.append([convention.unit, f"{count(node.cost)} ({compact(node.cost)})"])
    if node.activation_bytes:
        card.append([_("Activations"), memory(node.activation_bytes)])
    if node.times > 1:
        card.append([_("Repeats"), _("one of {n} equal ones, drawn once").format(n=node.times)])
    return [pair for pair in card if pair[1]]


def _index(scene: Scene, rows: Iterable[Layer]) -> list[list[str]]:
    """For each layer that has no box of its own: its key, its words, and the box that it is in."""
    own = {node.selects for node in scene.nodes}
    at: dict[int, str] = {}
    for node in scene.nodes:
        for op in node.ops:
            at.setdefault(op, node.key)
    return [
        [row.key, f"{row.key} {row.label} {row.kind} {_(row.kind)}", at[row.first_op]]
        for row in rows
        if row.key not in own and row.first_op in at
    ]


def heat_data(heat: Heat | None) -> dict[str, Any] | None:
    """The colours by a quantity, and their scale."""
    if heat is None:
        return None
    return {
        "colors": heat.colors, "scale": list(heat.scale), "title": heat.title, "most": heat.most
    }  # fmt: skip


def signature(data: Mapping[str, Any]) -> str:
    """Equal for equal data: the view draws anew only if it changes."""
    return hashlib.blake2b(json.dumps(data).encode(), digest_size=8).hexdigest()
