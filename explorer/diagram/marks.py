"""Boxes lit because they differ from those of another network; all others step back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, Literal

from explorer.diagram.scene import Scene
from explorer.figures.theme import KIND_COLORS, MUTED_INK, PAPER, tint

Status = Literal["changed", "own"]

_KINDS: Final[Mapping[Status, str]] = {"changed": "linear", "own": "concat"}
"""The kind of layer whose colour each borrows: orange and green."""
_FILL: Final = {"light": 0.28, "dark": 0.36}


def scene_marks(scene: Scene, changed: Collection[int], own: Collection[int]) -> dict[str, Status]:
    """Say which boxes are lit.

    A box that stands for several layers, or for several equal ones, is lit if one of them is.

    Args:
        scene: the boxes.
        changed: ops whose layer the other network has, too, but not the same.
        own: ops whose layer the other network does not have.

    Returns:
        Key of a box -> "own" if something in it is, else "changed"; boxes that are not lit are
        left out.
    """
    changed, own = frozenset(changed), frozenset(own)
    found: dict[str, Status] = {}
    for node in scene.nodes:
        ops = set(node.ops)
        if not node.key or not ops:
            continue
        if ops <= own or (ops & own and not ops & changed):
            found[node.key] = "own"
        elif ops & (changed | own):
            found[node.key] = "changed"
    return found


def marks_data(
    marks: Mapping[str, Status], theme: str, words: Mapping[Status | Literal["same"], str]
) -> dict[str, Any]:
    """Return the lit boxes as the interactive view draws them, in the place of `heat_data`.

    Args:
        marks: of `scene_marks`.
        theme: "light" or "dark".
        words: what the legend calls what is changed, what only this network has, and the same.
    """
    strokes = {status: KIND_COLORS[theme][kind] for status, kind in _KINDS.items()}
    fills = {status: tint(color, theme, _FILL[theme]) for status, color in strokes.items()}
    legend = [[words[status], fills[status], strokes[status]] for status in _KINDS]
    return {
        "colors": {key: fills[status] for key, status in marks.items()},
        "strokes": {key: strokes[status] for key, status in marks.items()},
        "legend": [*legend, [words["same"], PAPER[theme], MUTED_INK[theme]]],
    }
