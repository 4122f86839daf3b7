"""The network as a row of cards, one for each spatial resolution."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from explorer.analysis.stages import Stage, stages
from explorer.analysis.totals import DEFAULT, Convention
from explorer.analysis.units import compact, percent
from explorer.blocks import Block, find_blocks, outermost
from explorer.diagram.compose import block_parts
from explorer.diagram.facts import Facts, call_key, caption
from explorer.diagram.labels import edge_text
from explorer.diagram.scene import BREAKS_OFF, Edge, Node, Point, Scene, Text
from explorer.diagram.svg import text_width
from explorer.text import N_, _, n_
from explorer.trace.records import Trace

_TITLE, _DETAIL = 16.0, 12.5
_LINE = 18.0
_GAP, _BETWEEN_ROWS = 34.0, 40.0
_IN_A_ROW = 3
_PREFIX = "stage/"
_NAMED = {
    "convolution": (N_("{n} convolution"), N_("{n} convolutions")),
    "linear": (N_("{n} linear layer"), N_("{n} linear layers")),
    "matmul": (N_("{n} matrix product"), N_("{n} matrix products")),
}
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
    given = facts.shape(facts.flow.trunk()[0]) if facts.flow.trunk() else ""
    if horizontal:
        rows = [cards[at : at + _IN_A_ROW] for at in range(0, len(cards), _IN_A_ROW)]
        if len(cards) <= _IN_A_ROW + 1:
            rows = [cards]
        drawn = _across(rows, given)
    else:
        drawn = _down(cards, given)
    nodes, edges, texts, whole = drawn
    if not trace.outputs:
        texts.append(Text(*whole, _(BREAKS_OFF), _DETAIL, "start", bold=True))
        whole = (whole[0] + text_width(_(BREAKS_OFF), _DETAIL), whole[1] + 10)
    return Scene(
        title=_("{model}: its stages").format(model=trace.model),
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


_Drawn = tuple[list[Node], list[Edge], list[Text], Point]


def _across(rows: Sequence[Sequence[Node]], given: str) -> _Drawn:
    """Cards from left to right; a long network goes on in a second row."""
    columns = [
        max(row[place].width for row in rows if place < len(row))
        for place in range(max(map(len, rows), default=0))
    ]
    height = max((card.height for row in rows for card in row), default=0.0)
    start = _MARGIN + text_width(given, _DETAIL) + 12 + _GAP
    nodes: list[Node] = []
    edges: list[Edge] = []
    y, right = _MARGIN, 0.0
    texts = [Text(start - _GAP - 4, y + height / 2, given, _DETAIL, "end", muted=True)]
    for number, row in enumerate(rows):
        x, middle = start, y + height / 2
        for place, card in enumerate(row):
            points: tuple[Point, ...] = ((x - _GAP + 4, middle), (x, middle))
            if number and not place:
                last = nodes[-1]
                turn, gap = start - _GAP / 2, y - _BETWEEN_ROWS / 2
                low = last.y + last.height
                across = last.x + last.width / 2
                points = ((across, low), (across, gap), (turn, gap), (turn, middle), (x, middle))
            before = nodes[-1].key if nodes else ""
            edges.append(Edge(before, card.key, points, bend="corner", width=2.0))
            nodes.append(card._replace(x=x, y=y, width=columns[place], height=height))
            x += columns[place] + _GAP
            right = max(right, x - _GAP)
        y += height + _BETWEEN_ROWS
    return nodes, edges, texts, (right, y - _BETWEEN_ROWS)


def _down(cards: Sequence[Node], given: str) -> _Drawn:
    """Cards below each other."""
    width = max((card.width for card in cards), default=0.0)
    middle, y = _MARGIN + width / 2, _MARGIN + _ABOVE + _GAP
    nodes: list[Node] = []
    edges: list[Edge] = []
    texts = [Text(middle, y - _GAP - 10, given, _DETAIL, muted=True)]
    for card in cards:
        before = nodes[-1].key if nodes else ""
        points = ((middle, y - _GAP + 4), (middle, y))
        edges.append(Edge(before, card.key, points, bend="corner", width=2.0))
        nodes.append(card._replace(x=_MARGIN, y=y, width=width))
        y += card.height + _GAP
    return nodes, edges, texts, (_MARGIN + width, y - _GAP)


def _card(facts: Facts, blocks: Sequence[Block], stage: Stage) -> Node:
    trace = facts.trace
    title = stage.name
    size = stage.resolution
    if len(size) == 2 and "×" not in title:
        title += f" · {size[0]} × {size[1]}"
    unit = facts.convention.unit
    share = percent(stage.params / trace.params) if trace.params else "0%"
    lines = [
        edge_text(stage.output_shape, facts.batch),
        *_made_of(facts, blocks, stage),
        _("{n} parameters, {share}").format(n=compact(stage.params), share=share),
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
    counted = Counter(block_parts(block)[0] for block in inside)
    covered = {op for b in inside for op in (*b.main, *b.shortcut_ops, *b.merges)}
    loose = Counter(
        op.kind
        for op in facts.trace.ops[stage.first_op : stage.last_op]
        if op.macs and op.index not in covered
    )
    names = [f"{times} × {name}" if times > 1 else name for name, times in counted.items()]
    names += [_several(kind, times) for kind, times in loose.items()]
    return names


def _several(kind: str, times: int) -> str:
    """So many layers of a kind: "3 convolutions"."""
    if kind in _NAMED:
        return n_(*_NAMED[kind], times)
    name = _(kind)
    return f"{times} {name}" if times == 1 or name != kind else f"{times} {name}s"


def _module(facts: Facts, stage: Stage) -> str:
    """The largest module that lies in the stage, or its first layer."""
    inside = [
        call
        for call in facts.trace.calls
        if call.parent >= 0 and stage.first_op <= call.first_op and call.last_op <= stage.last_op
    ]
    best = max(inside, key=lambda call: call.last_op - call.first_op, default=None)
    return call_key(best) if best else stage.first_key
