"""The network as the tensors that flow through it, each a cuboid.

Height and depth of a cuboid stand for the rows and columns of a map, its width for the channels,
as in the figures of LeNet-5 (LeCun et al. 1998) and AlexNet (Krizhevsky et al. 2012). Sizes are
scaled down by a power, because 224 rows and 7 do not fit one true scale.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import prod
from typing import NamedTuple

from explorer.analysis.layers import window_of
from explorer.analysis.stages import resolutions, stages
from explorer.analysis.totals import DEFAULT, Convention
from explorer.blocks import find_blocks, outermost
from explorer.diagram.facts import Facts, caption
from explorer.diagram.labels import label
from explorer.diagram.paths import Item, Repeat, Step, Unit, read_network, series
from explorer.diagram.scene import Edge, Node, Scene, Text
from explorer.diagram.svg import text_width
from explorer.trace.records import Trace

STAGES, LAYERS = 1, 2
"""Depths: one cuboid for each stage, or one for each layer of the main path."""
_FACE, _WIDE, _FLAT = (12.0, 210.0), (5.0, 110.0), (9.0, 8.0)
"""Least and greatest height of a map and width of its channels; width and lift of a vector."""
_POWER = 0.6
_DEPTH = 0.3
"""A map's columns run into the page, shortened."""
_GAP = 26.0
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
    sizes = resolutions(trace)
    made = _stage_tensors if depth <= STAGES else _layer_tensors
    tensors = list(made(facts, sizes))
    nodes = _cuboids(facts, tensors)
    texts: list[Text] = []
    low = max((node.y + node.height for node in nodes), default=0.0)
    for node in nodes:
        middle = node.x + node.width / 2
        texts.append(Text(middle, low + 20, node.title, _TITLE, bold=True))
        texts.append(Text(middle, low + 38, node.detail, _DETAIL, muted=True))
    edges: list[Edge] = []
    for (before, _), (after, tensor) in pairwise(zip(nodes, tensors, strict=True)):
        edges += _between(before, after, tensor, tensors[nodes.index(before)])
    right = max((node.x + max(node.width, _words(node)) for node in nodes), default=0.0)
    return Scene(
        title=f"{trace.model}: its tensors",
        caption=caption(trace, convention),
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


def _stage_tensors(facts: Facts, sizes: Sequence[tuple[int, ...]]) -> Iterator[_Tensor]:
    trunk = facts.flow.trunk()
    if trunk:
        yield _tensor(facts, sizes, [trunk[0]], "input", ())
    for stage in stages(facts.trace, facts.convention):
        inside = [i for i in trunk if stage.first_op <= i < stage.last_op]
        if inside:
            ops = range(stage.first_op, inside[-1] + 1)
            yield _tensor(facts, sizes, ops, stage.name, ())


def _layer_tensors(facts: Facts, sizes: Sequence[tuple[int, ...]]) -> Iterator[_Tensor]:
    blocks = outermost(find_blocks(facts.trace))
    ops = facts.trace.ops
    last: tuple[int, ...] | None = None
    for index in _main_line(facts, read_network(facts.flow, blocks, fold=False)):
        op = ops[index]
        shape = op.outputs[0].shape if op.outputs else ()
        if op.kind not in _SHOWN and shape == last:
            continue
        if op.kind not in _SHOWN or len(shape) < 2:
            continue
        last = shape
        kernel = window_of(op).kernel if op.kind in ("convolution", "pooling") else None
        title = "input" if op.kind == "input" else label(op).split(",")[0]
        yield _tensor(facts, sizes, [index], title, kernel or ())


def _main_line(facts: Facts, items: Sequence[Item]) -> Iterator[int]:
    """The ops on the main path: of a block with a shortcut, those of its heavy path."""
    for item in items:
        if isinstance(item, Step):
            yield item.op
        elif isinstance(item, Unit):
            block = item.block
            if block.kind in ("residual", "inverted", "gate") and block.branches[0]:
                inner = series(facts.flow, block.fork, block.branches[0][-1])
                yield from _main_line(facts, inner)
            yield block.join
        elif isinstance(item, Repeat):
            yield from _main_line(facts, item.units)
        else:
            yield item.end


def _tensor(
    facts: Facts,
    sizes: Sequence[tuple[int, ...]],
    ops: Sequence[int],
    title: str,
    kernel: tuple[int, ...],
) -> _Tensor:
    last = ops[-1]
    shape = facts.trace.ops[last].outputs[0].shape
    size = sizes[last][-2:]
    batch = shape[0] if shape else 1
    channels = prod(shape) // max(1, batch * prod(sizes[last]))
    return _Tensor(ops, title, size if set(size) != {1} else (), channels, kernel)


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
        node = node._replace(
            detail=text, width=wide + lift, height=height + lift, shape="volume",
            selects=facts.selects(last), lift=lift, size=_TITLE, kind=facts.trace.ops[last].kind,
        )  # fmt: skip
        beside = max(0.0, _words(node) - node.width) / 2
        nodes.append(node._replace(x=x + beside, y=-node.height / 2))
        x += max(node.width, _words(node)) + _GAP
    top = min((node.y for node in nodes), default=0.0)
    return [node._replace(y=node.y - top + _MARGIN) for node in nodes]


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
