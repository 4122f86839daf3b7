"""The pictures of a model by name: its stages, blocks, operations and tensors."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Literal

from explorer.analysis.totals import DEFAULT, Convention
from explorer.diagram.graph import default_depth, graph_scene, openable, opened_to
from explorer.diagram.network import UNFOLDED, blocks_depth, blocks_scene
from explorer.diagram.scene import Scene
from explorer.diagram.stage_cards import stages_scene
from explorer.diagram.volume import LAYERS, STAGES, volume_scene
from explorer.trace.records import Trace

ViewName = Literal["stages", "blocks", "ops", "volume"]
VIEWS: Final[tuple[ViewName, ...]] = ("stages", "blocks", "ops", "volume")
FIRST_DIRECTION: Final[dict[ViewName, str]] = {
    "stages": "right", "blocks": "right", "ops": "down", "volume": "right"
}  # fmt: skip
"""The direction in which each is drawn unasked."""
_MANY: Final = 30
"""Tensors that can still be surveyed."""


def depths(trace: Trace, view: ViewName) -> tuple[int, int]:
    """The depth to draw a picture at unasked, and the greatest one.

    Stages have one depth. Blocks are closed at 1, open at 2, and at 3 all repeats are drawn.
    Operations are opened module by module. Tensors are those of stages at 1, of layers at 2.
    """
    if view == "stages":
        return 1, 1
    if view == "blocks":
        return blocks_depth(trace), UNFOLDED
    if view == "volume":
        few = len(volume_scene(trace, LAYERS).nodes) <= _MANY
        return (LAYERS if few else STAGES), LAYERS
    most = 1 + max((key.count(".") + 1 for key in openable(trace) if key), default=0)
    return default_depth(trace), most


def view_scene(
    trace: Trace,
    view: ViewName,
    depth: int,
    toggled: Collection[str] = (),
    convention: Convention = DEFAULT,
    *,
    horizontal: bool | None = None,
) -> Scene:
    """Lay out one picture.

    Args:
        trace: a traced forward; a partial one is drawn as far as it came.
        view: one of `VIEWS`.
        depth: see `depths`.
        toggled: keys of modules or blocks that are open although the depth says closed, or the
            other way round.
        convention: what the boxes' cost counts.
        horizontal: from left to right; None leaves it to the picture.
    """
    if horizontal is None:
        horizontal = FIRST_DIRECTION[view] == "right"
    if view == "stages":
        return stages_scene(trace, convention, horizontal=horizontal)
    if view == "volume":
        return volume_scene(trace, depth, convention)
    if view == "blocks":
        return blocks_scene(trace, depth, toggled, convention, horizontal=horizontal)
    opened = set(opened_to(trace, depth)) ^ (set(toggled) & set(openable(trace)))
    return graph_scene(trace, opened, convention, horizontal=horizontal)
