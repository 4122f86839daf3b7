"""Pictures of pieces of networks, drawn as the app draws whole ones."""

from __future__ import annotations

import re
from typing import NamedTuple

from explorer.blocks import find_blocks, outermost
from explorer.diagram.block_svg import block_svg
from explorer.diagram.scene_svg import scene_svg
from explorer.diagram.views import ViewName, view_scene
from explorer.trace.records import Trace

_OPEN = 2
"""The depth at which blocks are open and equal neighbours drawn once."""


class Picture(NamedTuple):
    """An SVG document and its size in pixels."""

    svg: str
    width: int
    height: int


def block_picture(trace: Trace, *, dark: bool = False) -> Picture:
    """Draw the one block that a traced piece is; a chain of layers without one as a chain.

    Args:
        trace: of a block or a few layers.
        dark: draw for a dark page.
    """
    outer = outermost(find_blocks(trace))
    if len(outer) == 1 and outer[0].join >= len(trace.ops) - 2:
        return _sized(block_svg(trace, outer[0], dark=dark, header=False))
    return scene_picture(trace, "blocks", _OPEN, dark=dark)


def scene_picture(trace: Trace, view: ViewName, depth: int, *, dark: bool = False) -> Picture:
    """Draw one of `explorer.diagram.views.VIEWS`, from top to bottom where it has a direction.

    Args:
        trace: any trace.
        view: which picture.
        depth: see `explorer.diagram.views.depths`.
        dark: draw for a dark page.
    """
    scene = view_scene(trace, view, depth, horizontal=False)
    if view == "blocks":  # the headings of stages say nothing about a piece
        scene = scene._replace(texts=tuple(text for text in scene.texts if not text.bold))
    return _sized(scene_svg(scene, dark=dark, bare=True))


def _sized(svg: str) -> Picture:
    found = re.search(r'width="(\d+)" height="(\d+)"', svg)
    assert found, "every sheet says its size"
    return Picture(svg, int(found[1]), int(found[2]))
