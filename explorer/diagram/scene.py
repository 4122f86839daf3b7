"""What a diagram shows, before anything is drawn: boxes, groups and lines with their places.

One scene feeds the app's component, the SVG and every export. It holds plain values only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from explorer.text import N_

BREAKS_OFF = N_("the pass breaks off here")
"""Stands where a network ends that could not be traced further."""
Point = tuple[float, float]
NodeShape = Literal["box", "strip", "round", "pill", "dot", "card", "volume"]
Anchor = Literal["start", "middle", "end"]


class Node(NamedTuple):
    """A box: one op, one module, a block, a stage, a tensor, or a concatenation bus."""

    key: str
    """Stable name, that of the layer table: "layer1.0.conv1", "layer1.0:add"; a module's path
    with "@n" for a later call."""
    kind: str
    """One of `records.KINDS`; of several ops, the kind of the most expensive one."""
    title: str
    detail: str = ""
    """Further lines, "\\n" between them: the shape of the result."""
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0
    height: float = 0.0
    opens: bool = False
    """It can be opened in place."""
    shape: NodeShape = "box"
    """"strip" for what works element by element, "round" for a sum or product of paths, "pill"
    for a concatenation of paths, "dot" where a line divides, "card" for a stage, "volume" for a
    tensor as a cuboid."""
    selects: str = ""
    """Key of the layer that selecting it selects; "" for a bus that is no op."""
    ops: Sequence[int] = ()
    """Indices in `Trace.ops` of what it stands for, equal repeats included."""
    times: int = 1
    """It stands for so many equal ones. What follows is of one of them."""
    params: int = 0
    cost: int = 0
    activation_bytes: int = 0
    input_text: str = ""
    """Shape of what its first op reads."""
    output_text: str = ""
    size: float = 12.5
    """Of the title's letters, in pixels."""
    lift: float = 0.0
    """Of a volume: how far its top and its side reach, to the right and upwards."""
    share: float = 0.0
    """Of a card: the part of the whole cost, 0 to 1, drawn as a bar."""


class Group(NamedTuple):
    """A frame round what belongs together: an open module or block."""

    key: str
    title: str
    x: float
    y: float
    width: float
    height: float
    ops: Sequence[int] = ()
    detail: str = ""
    """A second line under the title."""
    badge: str = ""
    """How often it repeats: "× 3"."""
    times: int = 1
    """It stands for so many equal ones; `ops` are those of all."""
    sign: str = "−"
    """"−" if it can be closed in place, "+" if its content can be opened, "" if neither."""
    title_at: float = 8.0
    """Where its title begins, from its left border."""


class Edge(NamedTuple):
    """A line from one box to another; a tensor goes along it."""

    source: str
    """Key of a node, "" where the line only continues others."""
    target: str
    points: tuple[Point, ...]
    """From border to border."""
    role: str = "flow"
    """"flow", "skip" for one that passes boxes by, "bus" on a concatenation bus, "guide" for one
    that is no dataflow."""
    text: str = ""
    """The tensor's shape."""
    bend: Literal["curve", "corner"] = "curve"
    """Between points that are not in line: an S, or straight with a rounded corner at each."""
    arrow: bool = True
    width: float = 0.0
    """In pixels; that of its role if 0."""
    dashed: bool = False
    sideways: bool = False
    """A curve that leaves and arrives from left to right, not downwards."""


class Text(NamedTuple):
    """Words beside the boxes."""

    x: float
    y: float
    """Its middle."""
    text: str
    size: float
    anchor: Anchor = "middle"
    muted: bool = False
    bold: bool = False
    italic: bool = False


class Scene(NamedTuple):
    """A whole drawing, its upper left corner at (0, 0)."""

    title: str
    caption: str
    """Input size and counting convention."""
    nodes: tuple[Node, ...]
    groups: tuple[Group, ...]
    edges: tuple[Edge, ...]
    width: float
    height: float
    horizontal: bool = False
    texts: tuple[Text, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    """Keys of nodes that a tensor goes between, whatever lines show it."""
