"""Takes the strokes of a figure and makes a scene of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from explorer.diagram.facts import Facts
from explorer.diagram.scene import (
    Anchor,
    Edge,
    Group,
    Node,
    NodeShape,
    Point,
    Scene,
    Text,
)
from explorer.diagram.svg import text_width

MARGIN = 8.0
"""Around everything drawn."""


class Canvas:
    """Collects nodes, lines, frames and texts, and how far they reach.

    Args:
        facts: of the trace that is drawn.
    """

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.alias: Mapping[int, Sequence[int]] = {}
        """Op -> itself and its equals, of which only it is drawn."""
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []
        self.groups: list[Group] = []
        self.texts: list[Text] = []
        self._low = [float("inf"), float("inf")]
        self._high = [float("-inf"), float("-inf")]

    def reach(self, *points: Point) -> None:
        """Make the canvas large enough for these points."""
        for point in points:
            for axis in (0, 1):
                self._low[axis] = min(self._low[axis], point[axis])
                self._high[axis] = max(self._high[axis], point[axis])

    def place(self, node: Node) -> None:
        """Take a node as it is."""
        self.nodes.append(node)
        self.reach((node.x, node.y), (node.x + node.width, node.y + node.height))

    def _node(
        self, shape: NodeShape, frame: tuple[float, float, float, float], kind: str,
        ops: Sequence[int], title: str, size: float,
    ) -> None:  # fmt: skip
        x, y, width, height = frame
        key = self.facts.key(ops[-1])
        every = [other for op in ops for other in self.alias.get(op, (op,))]
        node = self.facts.node(key, ops, title, stands_for=every)
        self.place(
            node._replace(
                kind=kind, shape=shape, x=x, y=y, width=width, height=height, size=size,
                selects=self.facts.selects(ops[-1]),
            )
        )  # fmt: skip

    def box(
        self, x: float, y: float, width: float, height: float, kind: str, *, round_: float = 6,
        strong: bool = True, ops: tuple[int, ...] = (), label: str = "", size: float = 13,
    ) -> None:  # fmt: skip
        """A box for ops; a large `round_` makes it a pill."""
        shape: NodeShape = "pill" if round_ > 10 else "box" if strong else "strip"
        self._node(shape, (x, y, width, height), kind, ops, label, size)

    def circle(
        self, x: float, y: float, radius: float, kind: str, ops: tuple[int, ...] = ()
    ) -> None:
        """A round node with the sign of its kind."""
        sign = "×" if kind == "multiply" else "+"
        self._node("round", (x - radius, y - radius, 2 * radius, 2 * radius), kind, ops, sign, 13)

    def cross(self, x: float, y: float, kind: str, *, turned: bool = False) -> None:
        """Nothing: a round node has its sign already."""

    def dot(self, x: float, y: float) -> None:
        """Where a line divides."""
        self.place(Node("", "", "", x=x - 3, y=y - 3, width=6.0, height=6.0, shape="dot", size=1.0))

    def text(
        self, x: float, y: float, text: str, size: float = 13, *, anchor: Anchor = "middle",
        muted: bool = False, bold: bool = False, italic: bool = False,
    ) -> None:  # fmt: skip
        """A line of text; y is its middle."""
        self.texts.append(Text(x, y, text, size, anchor, muted, bold, italic))
        width = text_width(text, size) * (1.06 if bold else 1)
        left = x - {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor] * width
        self.reach((left, y - 0.7 * size), (left + width, y + 0.7 * size))

    def line(
        self, *points: Point, arrow: bool = False, width: float = 1.4, dashed: bool = False,
        kind: str = "",
    ) -> None:  # fmt: skip
        """A line with rounded corners."""
        self._edge(points, arrow, width, dashed=dashed, role="bus" if kind == "concat" else "flow")
        self.edges[-1] = self.edges[-1]._replace(bend="corner")

    def curve(self, *points: Point, arrow: bool = False, width: float = 1.4) -> None:
        """A line that bends smoothly."""
        self._edge(points, arrow, width)

    def _edge(
        self, points: tuple[Point, ...], arrow: bool, width: float, *, dashed: bool = False,
        role: str = "flow",
    ) -> None:  # fmt: skip
        self.edges.append(Edge("", "", points, role, arrow=arrow, width=width, dashed=dashed))
        self.reach(*points)

    def closed(
        self, key: str, x: float, y: float, width: float, height: float, kind: str,
        lines: tuple[str, str], ops: Sequence[int],
    ) -> None:  # fmt: skip
        """A box that stands for a whole block, and can be opened."""
        every = [other for op in ops for other in self.alias.get(op, (op,))]
        node = self.facts.node(key, ops, lines[0], stands_for=every)
        self.place(
            node._replace(
                detail=lines[1], kind=kind, x=x, y=y, width=width, height=height, opens=True,
                selects=key, size=13.0,
            )
        )  # fmt: skip

    def group(
        self, key: str, x: float, y: float, width: float, height: float, title: str, *,
        detail: str = "", badge: str = "", at: float = 8.0, ops: Sequence[int] = (),
        sign: str = "",
    ) -> None:  # fmt: skip
        """A frame behind what is drawn in it."""
        every = tuple(other for op in ops for other in self.alias.get(op, (op,)))
        times = len(every) // max(1, len(ops))
        self.groups.append(
            Group(key, title, x, y, width, height, every, detail, badge, times, sign, at)
        )
        self.reach((x, y), (x + width, y + height))

    def scene(self, title: str, caption: str) -> Scene:
        """All that was drawn, moved to begin at (0, 0)."""
        if not self.nodes and not self.texts:
            self.reach((0, 0), (1, 1))
        dx, dy = MARGIN - self._low[0], MARGIN - self._low[1]
        box_of = [""] * len(self.facts.trace.ops)
        for node in self.nodes:
            drawn = len(node.ops) // node.times if node.times > 1 else len(node.ops)
            for op in node.ops if node.times == 1 else _first_of_each(node, drawn):
                box_of[op] = node.key
        return Scene(
            title=title,
            caption=caption,
            nodes=tuple(node._replace(x=node.x + dx, y=node.y + dy) for node in self.nodes),
            groups=tuple(group._replace(x=group.x + dx, y=group.y + dy) for group in self.groups),
            edges=tuple(
                edge._replace(points=tuple((x + dx, y + dy) for x, y in edge.points))
                for edge in self.edges
            ),
            width=self._high[0] - self._low[0] + 2 * MARGIN,
            height=self._high[1] - self._low[1] + 2 * MARGIN,
            texts=tuple(text._replace(x=text.x + dx, y=text.y + dy) for text in self.texts),
            links=tuple(self.facts.links(box_of)),
        )


def _first_of_each(node: Node, drawn: int) -> Sequence[int]:
    """The ops that are drawn, among the equals that the node stands for."""
    return [node.ops[place * node.times] for place in range(drawn)]
