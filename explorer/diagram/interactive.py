"""A scene as the plain data that the interactive view draws, in the app and in an HTML file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

from explorer.analysis.layers import Layer
from explorer.analysis.receipts import receipt
from explorer.analysis.totals import DEFAULT, Convention
from explorer.analysis.units import compact, count, memory
from explorer.diagram.scene import Node, Scene
from explorer.diagram.svg import text_width
from explorer.figures.theme import INK, KIND_COLORS, MUTED_INK, PAPER, tint
from explorer.trace.records import Trace

HEATS = ("params", "cost", "activations")
"""What boxes can be coloured by instead of their kind."""


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
    }


def scene_data(
    scene: Scene, trace: Trace, rows: Mapping[str, Layer], convention: Convention = DEFAULT
) -> dict[str, Any]:
    """The scene as JSON can hold it.

    Args:
        scene: a drawing of the trace.
        trace: what it is drawn from.
        rows: the layer table's rows by their keys, for the worked formulas.
        convention: of the costs.
    """
    return {
        "title": scene.title,
        "caption": scene.caption,
        "w": round(scene.width, 1),
        "h": round(scene.height, 1),
        "horizontal": scene.horizontal,
        "nodes": [_node(node, trace, rows, convention) for node in scene.nodes],
        "groups": [
            {
                "key": group.key,
                "title": group.title,
                "x": round(group.x, 1),
                "y": round(group.y, 1),
                "w": round(group.width, 1),
                "h": round(group.height, 1),
                "tw": round(text_width(group.title, 11.5) * 1.06),
            }
            for group in scene.groups
        ],
        "edges": [
            {
                "source": edge.source,
                "target": edge.target,
                "points": [[round(x, 1), round(y, 1)] for x, y in edge.points],
                "role": edge.role,
                "text": edge.text,
            }
            # Lines that pass others by lie beneath them.
            for edge in sorted(scene.edges, key=lambda edge: edge.role != "skip")
        ],
    }


def _node(
    node: Node, trace: Trace, rows: Mapping[str, Layer], convention: Convention
) -> dict[str, Any]:
    return {
        "key": node.key,
        "name": node.key or trace.model,
        "kind": node.kind,
        "title": node.title,
        "detail": node.detail,
        "x": round(node.x, 1),
        "y": round(node.y, 1),
        "w": round(node.width, 1),
        "h": round(node.height, 1),
        "opens": node.opens,
        "shape": node.shape,
        "strong": bool(node.detail) or node.opens,
        "card": _card(node, trace, rows, convention),
    }


def _card(
    node: Node, trace: Trace, rows: Mapping[str, Layer], convention: Convention
) -> list[list[str]]:
    """Names and values of what is said of a box when it is pointed at."""
    if node.first_op < 0:
        return [["", "A running concatenation: all that was computed before, side by side."]]
    row = rows.get(node.key)
    card = [["Kind", node.kind], ["In", node.input_text], ["Out", node.output_text]]
    if row is not None and row.macs:
        worked = {line.label: line for line in receipt(trace, row, convention).lines}
        for label in ("Parameters", convention.unit):
            line = worked.pop(label, None)
            if line is not None:
                card.append([label, f"{line.formula} = {count(line.result)}"])
    else:
        if node.params:
            card.append(["Parameters", count(node.params)])
        if node.cost:
            card.append([convention.unit, f"{count(node.cost)} ({compact(node.cost)})"])
    if node.activation_bytes:
        card.append(["Activations", memory(node.activation_bytes)])
    return [pair for pair in card if pair[1]]


def heat(scene: Scene, measure: str, theme: str) -> dict[str, str]:
    """A colour for each box: the more of the quantity, the deeper.

    Args:
        scene: the boxes.
        measure: one of `HEATS`.
        theme: "light" or "dark".
    """
    shares = heat_shares(scene, measure)
    color = KIND_COLORS[theme]["linear"]
    return {key: tint(color, theme, 0.75 * share) for key, share in shares.items()}


def heat_shares(scene: Scene, measure: str) -> dict[str, float]:
    """For each box its quantity as a share of the largest one."""
    field = {"params": "params", "cost": "cost", "activations": "activation_bytes"}[measure]
    amounts = {node.key: int(getattr(node, field)) for node in scene.nodes}
    most = max(amounts.values(), default=0) or 1
    # The square root shows small ones, too.
    return {key: (amount / most) ** 0.5 for key, amount in amounts.items()}


def signature(data: Mapping[str, Any]) -> str:
    """Equal for equal data: the view draws anew only if it changes."""
    return hashlib.blake2b(json.dumps(data).encode(), digest_size=8).hexdigest()
