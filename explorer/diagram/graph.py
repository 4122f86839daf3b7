"""The network as a graph of boxes, opened module by module, from the trace's dataflow alone.

A closed module is one box; an open one is a frame round its parts. Constants and bookkeeping
are left out, and what does not depend on the model's input. Where every layer reads all
layers before it, the L(L+1)/2 lines are drawn as the running concatenation that they are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from explorer.analysis.layers import main_op
from explorer.analysis.totals import DEFAULT, Convention
from explorer.diagram.facts import Facts, call_key, caption
from explorer.diagram.labels import label, shape_of
from explorer.diagram.layout import Box, Placement, place
from explorer.diagram.layout import Group as Border
from explorer.diagram.scene import BREAKS_OFF, Edge, Group, Node, NodeShape, Scene, Text
from explorer.diagram.svg import text_width
from explorer.text import _
from explorer.trace.records import CallRecord, Trace

_JOINS = {"add": "+", "multiply": "×"}
"""Kinds drawn as a small round node where two paths meet in them."""
_ROUND, _PILL, _HIGH, _LOW = 26.0, (58.0, 22.0), 42.0, 26.0
"""Sizes of boxes: a round node, a concatenation, boxes of two lines and of one."""
TITLE_SIZE, DETAIL_SIZE = 12.5, 11.0


class _Item(NamedTuple):
    """A box before it has a place."""

    key: str
    parent: str
    first_op: int
    last_op: int
    call: CallRecord | None
    """The module that it is; None for an op."""
    opens: bool


def openable(trace: Trace) -> tuple[str, ...]:
    """Keys of the modules that can be opened, outer ones first, the model itself ("") included."""
    graph = _Graph(trace, None, DEFAULT)
    return tuple(key for key, call in graph.by_key.items() if graph.opens[call.index])


def opened_to(trace: Trace, depth: int) -> tuple[str, ...]:
    """Keys of the modules that have to be open to see all modules of a depth.

    Args:
        trace: a traced forward.
        depth: 1 for the model's own children.
    """
    graph = _Graph(trace, None, DEFAULT)
    return tuple(
        key for key, call in graph.by_key.items() if graph.opens[call.index] and call.depth < depth
    )


def graph_scene(
    trace: Trace,
    opened: Collection[str] | None = None,
    convention: Convention = DEFAULT,
    *,
    horizontal: bool = False,
) -> Scene:
    """Lay out the network with some modules open.

    Args:
        trace: a traced forward; a partial one is drawn as far as it came.
        opened: keys of the open modules (see `openable`); None opens all. A module inside a
            closed one is not seen.
        convention: what the boxes' cost counts.
        horizontal: from left to right.
    """
    return _Graph(trace, opened, convention).scene(horizontal)


class _Graph:
    """The boxes and lines of one trace with some modules open."""

    def __init__(
        self, trace: Trace, opened: Collection[str] | None, convention: Convention
    ) -> None:
        self.trace = trace
        self.facts = Facts(trace, convention)
        self.flow, self.shown = self.facts.flow, self.facts.shown
        self.convention = convention
        self.opens = [
            count > 1 or (count > 0 and call.parent < 0)
            for call, count in zip(trace.calls, self.facts.visible, strict=True)
        ]
        self.by_key = {
            call_key(call): call for call in trace.calls if self.facts.visible[call.index]
        }
        self.open = [
            self.opens[call.index]
            and (call.parent < 0 or opened is None or call_key(call) in opened)
            for call in trace.calls
        ]
        for call in trace.calls:  # what is in a closed module is not open
            if call.parent >= 0 and not self.open[call.parent]:
                self.open[call.index] = False

    # --- boxes and lines --------------------------------------------------------------------

    def items(self) -> tuple[dict[str, _Item], list[str]]:
        """The boxes in execution order, and for each op the box that it is in ("" for none)."""
        trace = self.trace
        names = self.facts.op_keys
        found: dict[str, _Item] = {}
        box_of = [""] * len(trace.ops)
        for op in trace.ops:
            if not self.shown[op.index]:
                continue
            item = self._item(op.index, names[op.index])
            found.setdefault(item.key, item)
            box_of[op.index] = item.key
        return found, box_of

    def _item(self, index: int, name: str) -> _Item:
        """The box of an op: its outermost closed module, or the op itself."""
        calls = self.trace.calls
        call, closed = self.trace.ops[index].call, -1
        around = call
        while around >= 0:
            if not self.open[around]:
                closed = around
            around = calls[around].parent
        if closed >= 0:
            box = calls[closed]
            parent = calls[box.parent] if box.parent >= 0 else None
            return _Item(
                call_key(box), _group(parent), box.first_op, box.last_op, box, self.opens[closed]
            )
        parent = calls[call] if call >= 0 else None
        return _Item(name, _group(parent), index, index + 1, None, opens=False)

    # --- the drawing ------------------------------------------------------------------------

    def scene(self, horizontal: bool) -> Scene:
        items, box_of = self.items()
        links = self.facts.links(box_of)
        sources: dict[str, list[str]] = defaultdict(list)
        for a, b in links:
            sources[b].append(a)
        drafts = {key: self._draft(item, sources[key]) for key, item in items.items()}
        lines, buses = _with_buses(links, list(items))
        order: list[str] = []
        for key in items:
            order += [bus for bus, before in buses.items() if before == key]
            order.append(key)
        parents = {key: item.parent for key, item in items.items()}
        for bus in buses:
            ends = [b if a == bus else a for a, b in lines if bus in (a, b)]
            parents[bus] = _common([parents[end] for end in ends if end in parents])
            drafts[bus] = _bus(bus)
        groups = self._groups(parents.values())
        boxes = [Box(key, parents[key], drafts[key].width, drafts[key].height) for key in order]
        placed = place(boxes, groups, list(lines), horizontal=horizontal)
        return self._placed(order, drafts, groups, lines, placed, horizontal)

    def _skips(self, b: str, into: Mapping[str, Sequence[int]], source: int) -> bool:
        """Whether a line passes by boxes that another line into the same box comes through."""
        return any(other != source and self.flow.dominates(source, other) for other in into[b])

    def _groups(self, parents: Collection[str]) -> dict[str, Border]:
        """The open modules, outer ones first."""
        needed: set[str] = set()
        for parent in parents:
            while parent and parent not in needed:
                needed.add(parent)
                parent = self._outer(parent)
        return {
            key: Border(self._outer(key), text_width(self._title(key), TITLE_SIZE) + 44)
            for key in self.by_key
            if key in needed
        }

    def _title(self, key: str) -> str:
        call = self.by_key[key]
        return f"{call.path.rpartition('.')[2]}: {call.module_class}"

    def _outer(self, key: str) -> str:
        call = self.by_key[key]
        return _group(self.trace.calls[call.parent] if call.parent >= 0 else None)

    def _draft(self, item: _Item, sources: Sequence[str]) -> Node:
        trace = self.trace
        shown = [i for i in range(item.first_op, item.last_op) if self.shown[i]]
        main = main_op([trace.ops[i] for i in shown]) or trace.ops[shown[-1]]
        single = len(shown) == 1
        shape = self.facts.shape(shown[-1])
        given = main.input_tensors[0].shape if main.input_tensors else ()
        call = item.call
        if call and not single:
            name = call.path.rpartition(".")[2]
            title = f"{call.module_class} {name}" if name.isdigit() else name
            if not name.isdigit() and name.lower() != call.module_class.lower():
                title = f"{name}: {call.module_class}"
            if call.parent < 0:
                title = call.module_class
        else:
            title = _("input") if main.kind == "input" else label(main)
        detail = shape
        joins = single and len(sources) > 1
        form: NodeShape = "box"
        if joins and main.kind in _JOINS:
            form, title, detail, width, height = "round", _JOINS[main.kind], "", _ROUND, _ROUND
        elif joins and main.kind == "concat":
            form, title, detail, (width, height) = "pill", _("concat"), "", _PILL
        else:
            if single and given == shape_of(trace.ops[shown[-1]]):
                detail = ""
            width = max(text_width(title, TITLE_SIZE), text_width(detail, DETAIL_SIZE)) + 22
            width += 20 * item.opens
            height = _HIGH if detail else _LOW
        node = self.facts.node(item.key, range(item.first_op, item.last_op), title)
        return node._replace(
            kind=main.kind,
            detail=detail,
            width=max(width, _ROUND),
            height=height,
            opens=item.opens,
            shape=form,
            selects=self._selects(item),
            output_text=shape,
        )

    def _selects(self, item: _Item) -> str:
        """The row of the layer table that a box is, or is in."""
        if item.call is not None:
            return item.key
        call = self.trace.ops[item.first_op].call
        if call >= 0 and self.trace.calls[call].parent >= 0 and not self.trace.calls[call].children:
            return call_key(self.trace.calls[call])
        return item.key

    def _placed(
        self,
        order: Sequence[str],
        drafts: dict[str, Node],
        groups: dict[str, Border],
        lines: dict[tuple[str, str], int],
        placed: Placement,
        horizontal: bool,
    ) -> Scene:
        nodes = [
            drafts[key]._replace(x=placed.frames[key].x, y=placed.frames[key].y) for key in order
        ]
        frames = []
        for key in groups:
            call = self.by_key[key]
            ops = range(call.first_op, call.last_op)
            frames.append(Group(key, self._title(key), *placed.frames[key], ops))
        edges = []
        into: dict[str, list[int]] = defaultdict(list)
        for (_a, b), source in lines.items():
            into[b].append(source)
        for (a, b), route in zip(lines, placed.routes, strict=True):
            bus = a.startswith(_BUS) or b.startswith(_BUS)
            role = "bus" if bus else "skip" if self._skips(b, into, lines[a, b]) else "flow"
            text = self.facts.shape(lines[a, b])
            edges.append(Edge(a, b, route, role, text, sideways=horizontal))
        texts: tuple[Text, ...] = ()
        width, height = placed.width, placed.height
        if not self.trace.outputs and nodes:
            last = nodes[-1]
            beyond = last.x + last.width + 8 if horizontal else last.y + last.height + 20
            at = (beyond, last.y + last.height / 2) if horizontal else (last.x, beyond)
            texts = (Text(*at, _(BREAKS_OFF), TITLE_SIZE, "start", bold=True),)
            wide = text_width(_(BREAKS_OFF), TITLE_SIZE) * 1.06
            width, height = max(width, at[0] + wide), max(height, at[1] + 12)
        return Scene(
            title=_("{model}: every operation").format(model=self.trace.model),
            caption=caption(self.trace, self.convention),
            nodes=tuple(nodes),
            groups=tuple(frames),
            edges=tuple(edges),
            width=width,
            height=height,
            horizontal=horizontal,
            texts=texts,
            links=tuple(lines),
        )


def _group(call: CallRecord | None) -> str:
    """The group of what is right inside a call: the model itself is the sheet."""
    return call_key(call) if call else ""


# --- concatenation buses -------------------------------------------------------------------

_BUS = "bus/"


def _bus(key: str) -> Node:
    wide, high = _PILL
    return Node(key, "concat", _("concat"), width=wide, height=high, shape="pill")


def _bases(inputs: Mapping[str, Sequence[str]], order: Sequence[str]) -> dict[str, frozenset[str]]:
    """For each box of three inputs or more, the largest set that an earlier box reads of them."""
    base: dict[str, frozenset[str]] = {}
    known: list[frozenset[str]] = []
    for key in order:
        read = frozenset(inputs.get(key, ()))
        if len(read) < 2:
            continue
        inside = [other for other in known if other <= read] if len(read) > 2 else []
        if inside:
            base[key] = max(inside, key=len)
        if read not in known:
            known.append(read)
    return base


def _with_buses(
    links: dict[tuple[str, str], int], order: Sequence[str]
) -> tuple[dict[tuple[str, str], int], dict[str, str]]:
    """Replace inputs(k + 1) = inputs(k) + {one more} by a chain of buses.

    The result says the same: following the buses backwards gives back the inputs of each box.

    Returns:
        The links, and for each bus the box that it stands before.
    """
    inputs: dict[str, list[str]] = defaultdict(list)
    for a, b in links:
        inputs[b].append(a)
    base = _bases(inputs, order)
    needed = set(base.values())
    bus_of: dict[frozenset[str], str] = {}
    before: dict[str, str] = {}
    found: dict[tuple[str, str], int] = {}
    for key in order:
        if key not in inputs:
            continue
        read = frozenset(inputs[key])
        last = links[inputs[key][-1], key]
        if read in bus_of:
            found[bus_of[read], key] = last
            continue
        target, start = key, base.get(key)
        if read in needed:
            target = bus_of[read] = f"{_BUS}{len(bus_of)}"
            before[target] = key
        if start is not None:
            found[bus_of[start], target] = links[inputs[key][0], key]
        for source in inputs[key]:
            if start is None or source not in start:
                found[source, target] = links[source, key]
        if target != key:
            found[target, key] = last
    return found, before


def _common(parents: Sequence[str]) -> str:
    """The innermost group around several."""
    if not parents:
        return ""
    first, *others = (parent.split(".") if parent else [] for parent in parents)
    shared = len(first)
    for other in others:
        same = 0
        while same < min(shared, len(other)) and first[same] == other[same]:
            same += 1
        shared = same
    return ".".join(first[:shared])


def default_depth(trace: Trace, most: int = 60) -> int:
    """The greatest depth at which the graph has no more boxes than fit a few screens."""
    deepest = max((call.depth for call in trace.calls), default=1)
    best = 1
    for depth in range(1, deepest + 2):
        graph = _Graph(trace, opened_to(trace, depth), DEFAULT)
        if len(graph.items()[0]) > most:
            break
        best = depth
    return min(best, deepest)
