"""What a diagram shows, before anything is drawn: boxes, groups and lines with their places.

One scene feeds the app's component, the SVG and every export. It holds plain values only.
"""

from __future__ import annotations

from typing import NamedTuple

Point = tuple[float, float]


class Node(NamedTuple):
    """A box: one op, one module, or a concatenation bus."""

    key: str
    """Stable name, that of the layer table: "layer1.0.conv1", "layer1.0:add"; a module's path
    with "@n" for a later call."""
    kind: str
    """One of `records.KINDS`; of a module, the kind of its most expensive op."""
    title: str
    detail: str
    """Second line: the shape of the result."""
    x: float
    y: float
    width: float
    height: float
    opens: bool
    """It is a module that can be opened in place."""
    shape: str
    """"box", "round" for a sum or product of paths, "pill" for a concatenation of paths."""
    selects: str
    """Key of the layer that selecting it selects; "" for a bus that is no op."""
    first_op: int
    last_op: int
    """It stands for `Trace.ops[first_op:last_op]`."""
    params: int
    cost: int
    activation_bytes: int
    input_text: str
    """Shape of what its most expensive op reads."""
    output_text: str


class Group(NamedTuple):
    """An open module: a frame round its boxes."""

    key: str
    title: str
    x: float
    y: float
    width: float
    height: float
    first_op: int
    last_op: int


class Edge(NamedTuple):
    """A line from one box to another; a tensor goes along it."""

    source: str
    target: str
    points: tuple[Point, ...]
    """From border to border; it bends only between rows."""
    role: str
    """"flow", "skip" for one that passes boxes by, or "bus" on a concatenation bus."""
    text: str
    """The tensor's shape."""


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
