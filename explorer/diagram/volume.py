"""The network as the tensors that flow through it, each a cuboid.

Height and depth of a cuboid stand for the rows and columns of a map, its width for the channels,
as in the figures of LeNet-5 (LeCun et al. 1998) and AlexNet (Krizhevsky et al. 2012). Sizes are
scaled down by a power, because 224 rows and 7 do not fit one true scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import NamedTuple

from explorer.analysis.layers import window_of
from explorer.analysis.stages import resolutions, stages
from explorer.analysis.totals import DEFAULT, Convention
from explorer.blocks import Block, find_blocks, outermost
from explorer.diagram.compose import block_parts
from explorer.diagram.facts import Facts, caption
from explorer.diagram.labels import label
from explorer.diagram.paths import Item, Repeat, Step, Tangle, Unit, read_network, series
from explorer.diagram.scene import BREAKS_OFF, Edge, Node, Scene, Text
from explorer.diagram.svg import text_width
from explorer.text import _
from explorer.trace.records import Trace

STAGES, LAYERS = 1, 2
"""Depths: one cuboid for each stage, or one for each layer of the main path."""
_FACE, _WIDE, _FLAT = (12.0, 210.0), (5.0, 110.0), (9.0, 8.0)
"""Least and greatest height of a map and width of its channels; width and lift of a vector."""
_POWER = 0.6
_DEPTH = 0.3
"""A map's columns run into the page, shortened."""
_GAP, _ARC = 26.0, 16.0
_TITLE, _DETAIL = 12.5, 11.5
_SHOWN = frozenset(("input", "convolution", "linear", "pooling", "reduction", "concat", "upsample"))
"""Kinds of layers whose results are drawn."""
_MARGIN = 8.0


class _Tensor(NamedTuple):
    """A tensor to draw."""

    ops: Sequence[int]
    """It is the result of the last of them."""
    title: str
    size: tuple[int, ...]
    """Rows and columns of a map, the number of tokens, or () for a vector."""
    channels: int
    kernel: tuple[int, ...]
    """Window that made it, () if that is of no interest."""


def volume_scene(trace: Trace, depth: int = LAYERS, convention: Convention = DEFAULT) -> Scene:
    """Draw the tensors of the main path.

    Args:
        trace: a traced forward.
        depth: `STAGES` or `LAYERS`.
        convention: what the cost counts.
    """
    facts = Facts(trace, convention)
    walk = _Walk(facts)
    if depth <= STAGES:
        walk.stages()
    else:
        walk.layers()
    tensors = walk.tensors
    nodes = _cuboids(facts, tensors)
    edges: list[Edge] = []
    for (before, source), (after, tensor) in pairwise(zip(nodes, tensors, strict=True)):
        edges += _between(before, after, tensor, source)
    edges += [_arc(nodes, a, b) for a, b in walk.shortcuts]
    top = _ARC if walk.shortcuts else 0.0
    nodes = [node._replace(y=node.y + top) for node in nodes]
    edges = [edge._replace(points=tuple((x, y + top) for x, y in edge.points)) for edge in edges]
    low = max((node.y + node.height for node in nodes), default=0.0)
    texts: list[Text] = []
    for node in nodes:
        middle = node.x + node.width / 2
        texts.append(Text(middle, low + 20, node.title, _TITLE, bold=True))
        texts.append(Text(middle, low + 38, node.detail, _DETAIL, muted=True))
    right = max(
        (node.x + (node.width + max(node.width, _words(node))) / 2 for node in nodes), default=0.0
    )
    if not trace.outputs:
        texts.append(Text(right + _GAP, low / 2, _(BREAKS_OFF), _TITLE, "start", bold=True))
        right += _GAP + text_width(_(BREAKS_OFF), _TITLE) * 1.06
    words = caption(trace, convention)
    if walk.crossed:
        words += " " + _("Where parallel paths cross, the longest one is drawn.")
    return Scene(
        title=_("{model}: its tensors").format(model=trace.model),
        caption=words,
        nodes=tuple(nodes),
        groups=(),
        edges=tuple(edges),
        width=right + _MARGIN,
        height=low + 50,
        horizontal=True,
        texts=tuple(texts),
        links=tuple((a.key, b.key) for a, b in pairwise(nodes)),
    )


# --- which tensors -------------------------------------------------------------------------


class _Walk:
    """Collects the tensors of the main path, and the shortcuts round parts of it."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.sizes = resolutions(facts.trace)
        self.tensors: list[_Tensor] = []
        self.shortcuts: list[tuple[int, int]] = []
        """Positions of the tensors that a shortcut leads from and to."""
        self.crossed = False
        """Whether some paths are not drawn."""

    def stages(self) -> None:
        """One tensor for each stage, that which leaves it."""
        trunk = self.facts.flow.trunk()
        if trunk:
            self._add([trunk[0]], _("input"))
        for stage in stages(self.facts.trace, self.facts.convention):
            inside = [i for i in trunk if stage.first_op <= i < stage.last_op]
            if inside:
                self._add(range(stage.first_op, inside[-1] + 1), stage.name)

    def layers(self) -> None:
        """One tensor for each layer that changes the shape or has weights."""
        blocks = outermost(find_blocks(self.facts.trace))
        self._follow(read_network(self.facts.flow, blocks, fold=False))

    def _follow(self, items: Sequence[Item]) -> None:
        for item in items:
            if isinstance(item, Step):
                self._layer(item.op)
            elif isinstance(item, Unit):
                self._block(item.block)
            elif isinstance(item, Repeat):
                self._follow(item.units)
            elif isinstance(item, Tangle):
                self.crossed = True
                for op in self._longest(item):
                    self._layer(op)
            else:
                self._layer(item.end, _("{n} branches").format(n=len(item.ways)))

    def _block(self, block: Block) -> None:
        before = len(self.tensors) - 1
        if block.kind in ("residual", "inverted", "gate", "attention") and block.branches[0]:
            end = block.branches[0][-1] if block.kind != "attention" else block.join
            self._follow(series(self.facts.flow, block.fork, end))
        title = "" if block.shortcut else block_parts(block)[0]
        self._layer(block.join, title)
        if block.kind == "residual" and len(self.tensors) - 1 > before >= 0:
            self.shortcuts.append((before, len(self.tensors) - 1))

    def _layer(self, index: int, title: str = "") -> None:
        op = self.facts.trace.ops[index]
        if op.kind not in _SHOWN or len(op.outputs[0].shape) < 2:
            return
        kernel = window_of(op).kernel if op.kind in ("convolution", "pooling") else None
        if not title:
            first, *rest = label(op).split(", ")
            title = ", ".join([first, *(part for part in rest if part.startswith("/"))])
        self._add([index], "input" if op.kind == "input" else title, kernel or ())

    def _longest(self, item: Tangle) -> list[int]:
        """The path to the last op with the most layers that have weights."""
        flow, ops = self.facts.flow, self.facts.trace.ops
        best: dict[int, tuple[int, int]] = {}
        for index in item.ops:
            before = [(best[p][0], p) for p in flow.preds[index] if p in best]
            count, source = max(before, default=(0, -1))
            best[index] = (count + (ops[index].macs > 0), source)
        path = [item.ops[-1]]
        while best[path[-1]][1] >= 0:
            path.append(best[path[-1]][1])
        return path[::-1]

    def _add(self, ops: Sequence[int], title: str, kernel: tuple[int, ...] = ()) -> None:
        last = ops[-1]
        shape = self.facts.trace.ops[last].outputs[0].shape
        size = self.sizes[last][-2:]
        batch = shape[0] if shape else 1
        channels = prod(shape) // max(1, batch * prod(self.sizes[last]))
        tensor = _Tensor(ops, title, size if set(size) != {1} else (), channels, kernel)
        self.tensors.append(tensor)


# --- where they stand ----------------------------------------------------------------------


def _scaled(value: int, values: Sequence[int], ends: tuple[float, float]) -> float:
    low, high = min(values) ** _POWER, max(values) ** _POWER
    share = (value**_POWER - low) / (high - low) if high > low else 1.0
    return ends[0] + share * (ends[1] - ends[0])


def _cuboids(facts: Facts, tensors: Sequence[_Tensor]) -> list[Node]:
    sides = [side for tensor in tensors for side in tensor.size] or [1]
    maps = [tensor.channels for tensor in tensors if tensor.size] or [1]
    vectors = [tensor.channels for tensor in tensors if not tensor.size] or [1]
    nodes: list[Node] = []
    x = _MARGIN
    for tensor in tensors:
        if tensor.size:
            height = _scaled(tensor.size[0], sides, _FACE)
            wide = _scaled(tensor.channels, maps, _WIDE)
            lift = _FLAT[1]
            if len(tensor.size) > 1:
                lift = max(3.0, _DEPTH * _scaled(tensor.size[1], sides, _FACE))
        else:
            height = _scaled(tensor.channels, vectors, (60.0, _FACE[1]))
            wide, lift = _FLAT
        text = " × ".join(map(str, (tensor.channels, *tensor.size)))
        last = tensor.ops[-1]
        node = facts.node(facts.key(last), tensor.ops, tensor.title)
        kind = node.kind if len(tensor.ops) > 1 else facts.trace.ops[last].kind
        node = node._replace(
            detail=text, width=wide + lift, height=height + lift, shape="volume",
            selects=facts.selects(last), lift=lift, size=_TITLE, kind=kind,
        )  # fmt: skip
        beside = max(0.0, _words(node) - node.width) / 2
        nodes.append(node._replace(x=x + beside, y=-node.height / 2))
        x += max(node.width, _words(node)) + _GAP
    top = min((node.y for node in nodes), default=0.0)
    return [node._replace(y=node.y - top + _MARGIN) for node in nodes]


def _arc(nodes: Sequence[Node], a: int, b: int) -> Edge:
    """A shortcut, above the tensors that it passes by."""
    between = nodes[a : b + 1]
    high = min(node.y for node in between) - 14
    start, end = nodes[a], nodes[b]
    x0, x1 = start.x + start.width / 2 + 5, end.x + end.width / 2 - 5
    points = ((x0, start.y), (x0, high), (x1, high), (x1, end.y))
    return Edge(start.key, end.key, points, "skip", bend="corner")


def _words(node: Node) -> float:
    return max(text_width(node.title, _TITLE) * 1.06, text_width(node.detail, _DETAIL))


def _between(before: Node, after: Node, tensor: _Tensor, source: _Tensor) -> list[Edge]:
    """The window of a convolution and what it sees, or an arrow."""
    middle = after.y + after.lift + (after.height - after.lift) / 2
    low = before.y + before.lift + (before.height - before.lift) * 0.5
    side = before.x + before.width - before.lift
    if len(source.size) < 2 or not tensor.kernel or max(tensor.kernel) < 2:
        start = before.x + before.width
        level = before.y + before.height / 2
        return [
            Edge(before.key, after.key, ((start + 3, level), (after.x - 2, level)), bend="corner")
        ]
    # The window lies on the right side of the cuboid, which is slanted.
    part = [min(1.0, k / n) for k, n in zip(tensor.kernel[-2:], source.size, strict=True)]
    high = max(5.0, part[0] * (before.height - before.lift))
    deep = max(3.0, part[1] * before.lift)
    x, y = side + (before.lift - deep) / 2, low - high / 2 - (before.lift - deep) / 2
    corners = [(x, y), (x + deep, y - deep), (x + deep, y - deep + high), (x, y + high)]
    tip = (after.x + 1, middle)
    lines = [*pairwise([*corners, corners[0]]), *((corner, tip) for corner in corners[1:3])]
    return [
        Edge(
            before.key, after.key, (a, b), "guide", bend="corner", arrow=False, width=1.0,
            dashed=b == tip,
        )
        for a, b in lines
    ]  # fmt: skip
