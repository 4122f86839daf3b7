"""The network as a row of cards, one for each spatial resolution."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from explorer.analysis.stages import Stage, stages
from explorer.analysis.totals import DEFAULT, Convention
from explorer.analysis.units import compact, percent
from explorer.blocks import Block, find_blocks, outermost
from explorer.diagram.compose import block_title
from explorer.diagram.facts import Facts, call_key, caption
from explorer.diagram.labels import edge_text
from explorer.diagram.scene import Edge, Node, Scene, Text
from explorer.diagram.svg import text_width
from explorer.trace.records import Trace

_TITLE, _DETAIL = 16.0, 12.5
_LINE = 18.0
_GAP = 34.0
_PREFIX = "stage/"
_NAMED = {"convolution": "convolution", "linear": "linear layer", "matmul": "matrix product"}
_MARGIN, _ABOVE = 8.0, 30.0


def stages_scene(
    trace: Trace, convention: Convention = DEFAULT, *, horizontal: bool = True
) -> Scene:
    """Draw a card for each of `analysis.stages`, with what it is made of and costs.

    Args:
        trace: a traced forward.
        convention: what the cost counts.
        horizontal: cards from left to right.
    """
    facts = Facts(trace, convention)
    blocks = outermost(find_blocks(trace))
    found = stages(trace, convention)
    cards = [_card(facts, blocks, stage) for stage in found]
    height = max((card.height for card in cards), default=0.0)
    width = max((card.width for card in cards), default=0.0)
    nodes: list[Node] = []
    edges: list[Edge] = []
    texts: list[Text] = []
    given = facts.shape(facts.flow.trunk()[0]) if facts.flow.trunk() else ""
    words = text_width(given, _DETAIL)
    x = _MARGIN + (words + 12 + _GAP if horizontal else 0.0)
    y = _MARGIN + (0.0 if horizontal else _ABOVE + _GAP)
    for place, card in enumerate(cards):
        card = card._replace(x=x, y=y, height=height, width=card.width if horizontal else width)
        if horizontal:
            middle = y + height / 2
            points = ((x - _GAP + 4, middle), (x, middle))
            if not place:
                texts.append(Text(x - _GAP - 4, middle, given, _DETAIL, "end", muted=True))
            x += card.width + _GAP
        else:
            middle = x + card.width / 2
            points = ((middle, y - _GAP + 4), (middle, y))
            if not place:
                texts.append(Text(middle, y - _GAP - 10, given, _DETAIL, muted=True))
            y += card.height + _GAP
        edges.append(
            Edge(nodes[-1].key if nodes else "", card.key, points, bend="corner", width=2.0)
        )
        nodes.append(card)
    whole = (x - _GAP, y + height) if horizontal else (x + width, y - _GAP)
    return Scene(
        title=f"{trace.model}: its stages",
        caption=caption(trace, convention),
        nodes=tuple(nodes),
        groups=(),
        edges=tuple(edges),
        width=whole[0] + _MARGIN,
        height=whole[1] + _MARGIN,
        horizontal=horizontal,
        texts=tuple(texts),
        links=tuple((a.key, b.key) for a, b in pairwise(nodes)),
    )


def _card(facts: Facts, blocks: Sequence[Block], stage: Stage) -> Node:
    trace = facts.trace
    title = stage.name
    size = stage.output_shape[2:]
    if len(size) == 2 and "×" not in title and title != "head":
        title += f" · {size[0]} × {size[1]}"
    unit = facts.convention.unit
    share = percent(stage.params / trace.params) if trace.params else "0%"
    lines = [
        edge_text(stage.output_shape, facts.batch),
        *_made_of(facts, blocks, stage),
        f"{compact(stage.params)} parameters, {share}",
        f"{compact(stage.cost)} {unit}, {percent(stage.share)}",
    ]
    wide = max(text_width(title, _TITLE) * 1.06, *(text_width(line, _DETAIL) for line in lines))
    node = facts.node(_PREFIX + stage.first_key, range(stage.first_op, stage.last_op), title)
    return node._replace(
        detail="\n".join(lines),
        width=wide + 48,
        height=58 + _LINE * len(lines),
        opens=bool(lines[1:-2]),
        shape="card",
        selects=_module(facts, stage),
        size=_TITLE,
        share=stage.share,
        params=stage.params,
        cost=stage.cost,
        output_text=lines[0],
    )


def _made_of(facts: Facts, blocks: Sequence[Block], stage: Stage) -> list[str]:
    """Its blocks, and the layers with weights outside of them."""
    inside = [b for b in blocks if stage.first_op <= b.join < stage.last_op]
    counted = Counter(block_title(block).split(",")[0] for block in inside)
    covered = {op for b in inside for op in (*b.main, *b.shortcut_ops, *b.merges)}
    loose = Counter(
        _NAMED.get(op.kind, op.kind)
        for op in facts.trace.ops[stage.first_op : stage.last_op]
        if op.macs and op.index not in covered
    )
    names = [f"{times} × {name}" if times > 1 else name for name, times in counted.items()]
    names += [f"{times} {name}{'s' if times > 1 else ''}" for name, times in loose.items()]
    return names


def _module(facts: Facts, stage: Stage) -> str:
    """The largest module that lies in the stage, or its first layer."""
    inside = [
        call
        for call in facts.trace.calls
        if call.parent >= 0 and stage.first_op <= call.first_op and call.last_op <= stage.last_op
    ]
    best = max(inside, key=lambda call: call.last_op - call.first_op, default=None)
    return call_key(best) if best else stage.first_key
