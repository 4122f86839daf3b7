"""Where boxes and lines of a nested dataflow graph go. It knows nothing of networks.

The method is Sugiyama's (Methods for Visual Understanding of Hierarchical System Structures,
IEEE Trans. SMC 11(2), 1981), once for every open group: rows by the longest path, order by
barycentres, x by exact isotonic regression, straight chains. A line that crosses a group's
border passes through a port on it, so that a network of thousands of boxes is a sum of small
problems, and opening one group moves nothing inside another.

Lines run downwards. Between two rows they bend; beside the boxes of a row they are vertical,
in a lane of their own: no line runs through a box.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise
from typing import Any, NamedTuple

Point = tuple[float, float]
Item = Hashable

COLUMN_GAP, ROW_GAP = 18.0, 26.0
"""Between boxes side by side, and between rows."""
PAD, PAD_TITLE = 14.0, 26.0
"""Inside a group's border; its title stands in the upper one."""
LANE = 6.0
"""Width of the lane of a line that passes a row."""
_SWEEPS, _FITS = 6, 14
"""How often rows are reordered, and how often x is fitted."""


class Box(NamedTuple):
    """A box to place."""

    key: str
    parent: str
    """Group that it is in; "" for the sheet itself."""
    width: float
    height: float


class Frame(NamedTuple):
    """Upper left corner and size of a placed box or group."""

    x: float
    y: float
    width: float
    height: float


class Placement(NamedTuple):
    """The result: every box and group has a frame, every line its points."""

    frames: dict[str, Frame]
    routes: list[tuple[Point, ...]]
    """For each link its points from the source's border to the target's. Two neighbours are in
    line, or lie on the two borders of a gap between rows, where a line may bend."""
    width: float
    height: float


class _Size(NamedTuple):
    """How far an item reaches to the left and right of its x, and how high it is."""

    left: float
    right: float
    height: float


_THIN = _Size(LANE / 2, LANE / 2, 0.0)
"""Lanes and ports."""


class _Port(NamedTuple):
    """Where the lines that leave one box cross a group's border."""

    group: str
    source: str
    enters: bool


class Group(NamedTuple):
    """A frame round boxes and other groups."""

    parent: str
    """Group that it is in; "" for the sheet itself."""
    title_width: float
    """The frame is wide enough for a title of this width."""


def place(
    boxes: Sequence[Box],
    groups: Mapping[str, Group],
    links: Sequence[tuple[str, str]],
    *,
    horizontal: bool = False,
    prefer: Mapping[str, float] | None = None,
) -> Placement:
    """Place boxes, groups and lines.

    Args:
        boxes: in topological order of the links.
        groups: outer groups first.
        links: (source, target) keys of boxes. A link against the order is drawn all the same.
        horizontal: lines run from left to right; otherwise downwards.
        prefer: key of a box -> its place in a row, the smallest first, where crossings leave
            it open.
    """
    if horizontal:  # downwards, seen in the mirror of the diagonal
        boxes = [box._replace(width=box.height, height=box.width) for box in boxes]
    placed = _Nest(boxes, groups, links, horizontal, prefer or {}).placement()
    if not horizontal:
        return placed
    return Placement(
        {key: Frame(f.y, f.x, f.height, f.width) for key, f in placed.frames.items()},
        [tuple((y, x) for x, y in route) for route in placed.routes],
        placed.height,
        placed.width,
    )


class _Nest:
    """Splits links at the borders, lays out inner groups first, then moves all into place."""

    def __init__(
        self,
        boxes: Sequence[Box],
        groups: Mapping[str, Group],
        links: Sequence[tuple[str, str]],
        horizontal: bool,
        prefer: Mapping[str, float],
    ) -> None:
        self.horizontal = horizontal
        self.prefer = prefer
        self.sizes = {box.key: (box.width, box.height) for box in boxes}
        self.parent = {key: group.parent for key, group in groups.items()}
        self.parent.update({box.key: box.parent for box in boxes})
        self.groups = groups
        self.members: dict[str, list[str]] = defaultdict(list)
        seen: set[str] = set()
        for box in boxes:  # a group stands where its first box does
            inner = box.key
            while inner not in seen:
                seen.add(inner)
                self.members[self.parent[inner]].append(inner)
                inner = self.parent[inner]
                if not inner:
                    break
        self.ports: dict[str, list[_Port]] = defaultdict(list)
        self.local: dict[str, dict[tuple[Item, Item], None]] = defaultdict(dict)
        self.hops: list[list[tuple[str, Item, Item]]] = [self._split(a, b) for a, b in links]
        self.laid: dict[str, _Laid] = {}

    def _around(self, key: str) -> list[str]:
        """The groups around a box, innermost first, the sheet last."""
        found = []
        while key:
            key = self.parent[key]
            found.append(key)
        return found

    def _split(self, source: str, target: str) -> list[tuple[str, Item, Item]]:
        """A link as hops, each inside one group: (group, from, to)."""
        out, into = self._around(source), self._around(target)
        common = next(group for group in out if group in into)
        hops: list[tuple[str, Item, Item]] = []
        at: Item = source
        for group in out[: out.index(common)]:
            port = self._port(group, source, enters=False)
            hops.append((group, at, port))
            at = port
        where = common
        for group in reversed(into[: into.index(common)]):
            port = self._port(group, source, enters=True)
            hops.append((where, at, port))
            at, where = port, group
        hops.append((where, at, target))
        for group, a, b in hops:
            self.local[group][a, b] = None
        return hops

    def _port(self, group: str, source: str, *, enters: bool) -> _Port:
        port = _Port(group, source, enters)
        if port not in self.ports[group]:
            self.ports[group].append(port)
        return port

    def _lay(self, group: str) -> None:
        members: list[Item] = list(self.members[group])
        sizes: dict[Item, _Size] = {}
        for member in self.members[group]:
            if member in self.groups:
                inner = self.laid[member]
                axis = self._axis(member)
                sizes[member] = _Size(axis, inner.width - axis, inner.height)
            else:
                width, height = self.sizes[member]
                sizes[member] = _Size(width / 2, width / 2, height)
        entries = [port for port in self.ports[group] if port.enters]
        exits = [port for port in self.ports[group] if not port.enters]
        for port in (*entries, *exits):
            sizes[port] = _THIN
        links = [(self._seen(group, a), self._seen(group, b)) for a, b in self.local[group]]
        distinct = list(dict.fromkeys((a, b) for a, b in links if a != b))
        order = _sorted([*entries, *members, *exits], distinct)
        prefer: dict[Item, float] = {}
        prefer.update(self.prefer.items())
        if prefer:
            prefer.update({port: prefer.get(port.source, 0.0) for port in (*entries, *exits)})
        rows = _Rows(order, distinct, sizes, entries, exits, prefer)
        if not group:
            self.laid[group] = _Laid(rows, 0.0, 0.0, rows.width, rows.height)
            return
        # The row of the exits, which has no height, has its distance to the boxes already.
        end = 0.0 if exits else PAD
        title = self.groups[group].title_width
        if self.horizontal:
            start = 0.0 if entries else PAD
            width, height = rows.width + PAD_TITLE + PAD, rows.height + start + end
            self.laid[group] = _Laid(rows, PAD_TITLE, start, width, max(height, title))
        else:
            width, height = rows.width + 2 * PAD, rows.height + PAD_TITLE + end
            left = PAD + max(0.0, title - width) / 2
            self.laid[group] = _Laid(rows, left, PAD_TITLE, max(width, title), height)

    def _axis(self, group: str) -> float:
        """The x inside a group that is to be in line with what stands above and below it."""
        laid = self.laid[group]
        ports = [laid.left + laid.rows.x[port] for port in self.ports[group]]
        return sum(ports) / len(ports) if ports else laid.width / 2

    @staticmethod
    def _seen(group: str, end: Item) -> Item:
        """What an end of a hop is for its group: an inner group's port is that group."""
        return end.group if isinstance(end, _Port) and end.group != group else end

    def placement(self) -> Placement:
        for group in reversed(list(self.groups)):
            self._lay(group)
        self._lay("")
        frames: dict[str, Frame] = {}
        self._move("", 0.0, 0.0, frames)
        at_port = {
            port: self._port_point(port, frames) for ports in self.ports.values() for port in ports
        }
        routes = [self._route(hops, frames, at_port) for hops in self.hops]
        sheet = self.laid[""]
        return Placement(frames, routes, sheet.width, sheet.height)

    def _move(self, group: str, x: float, y: float, frames: dict[str, Frame]) -> None:
        laid = self.laid[group]
        frames[group] = Frame(x, y, laid.width, laid.height)
        for member in self.members[group]:
            left, top = x + laid.left + laid.rows.left(member), y + laid.top + laid.rows.top(member)
            if member in self.groups:
                self._move(member, left, top, frames)
            else:
                frames[member] = Frame(left, top, *self.sizes[member])

    def _port_point(self, port: _Port, frames: Mapping[str, Frame]) -> Point:
        frame, laid = frames[port.group], self.laid[port.group]
        x = frame.x + laid.left + laid.rows.x[port]
        return x, frame.y if port.enters else frame.y + frame.height

    def _route(
        self,
        hops: Sequence[tuple[str, Item, Item]],
        frames: Mapping[str, Frame],
        at_port: Mapping[_Port, Point],
    ) -> tuple[Point, ...]:
        points: list[Point] = []
        for group, a, b in hops:
            laid, frame = self.laid[group], frames[group]
            ends = (self._seen(group, a), self._seen(group, b))
            shift_x, shift_y = frame.x + laid.left, frame.y + laid.top
            hop = [(x + shift_x, y + shift_y) for x, y in laid.rows.route(*ends)]
            # Inside the row of its end a line is vertical: both points move to the port.
            for end, first, second in ((a, 0, 1), (b, -1, -2)):
                if isinstance(end, _Port):
                    x, y = at_port[end]
                    hop[second] = (x, hop[second][1])
                    hop[first] = (x, y)
            points += hop
        return _simplified(points)


def _simplified(points: Sequence[Point]) -> tuple[Point, ...]:
    """Leave out points that a line passes without bending."""
    kept: list[Point] = []
    for point in points:
        if kept and point == kept[-1]:
            continue
        if len(kept) > 1 and kept[-2][0] == kept[-1][0] == point[0]:
            kept[-1] = point
        else:
            kept.append(point)
    return tuple(kept)


class _Laid(NamedTuple):
    """The inside of a group, where it begins, and the size of the whole."""

    rows: _Rows
    left: float
    top: float
    width: float
    height: float


def _sorted(items: Sequence[Item], links: Sequence[tuple[Item, Item]]) -> list[Item]:
    """A topological order that keeps to the given one where it can."""
    place_of = {item: place for place, item in enumerate(items)}
    following: dict[Item, list[Item]] = defaultdict(list)
    waiting = dict.fromkeys(items, 0)
    for a, b in links:
        following[a].append(b)
        waiting[b] += 1
    ready = [place_of[item] for item in items if not waiting[item]]
    heapify(ready)
    done: list[Item] = []
    while ready:
        item = items[heappop(ready)]
        done.append(item)
        for other in following[item]:
            waiting[other] -= 1
            if not waiting[other]:
                heappush(ready, place_of[other])
    if len(done) < len(items):  # a loop through a group: the given order is as good as any
        found = set(done)
        done += [item for item in items if item not in found]
    return done


class _Lane(NamedTuple):
    """Where a link passes a row without ending there."""

    link: int
    row: int


class _Rows:
    """One layered drawing: items in rows, links downwards.

    Attributes:
        x: middle of each item and lane.
        width: of the drawing.
        height: of the drawing.
    """

    def __init__(
        self,
        items: Sequence[Item],
        links: Sequence[tuple[Item, Item]],
        sizes: Mapping[Item, _Size],
        entries: Sequence[Item],
        exits: Sequence[Item],
        prefer: Mapping[Item, float],
    ) -> None:
        self.sizes = dict(sizes)
        self.prefer = prefer
        place_of = {item: place for place, item in enumerate(items)}
        self.links = {(a, b): (a, b) if place_of[a] < place_of[b] else (b, a) for a, b in links}
        """Link -> the same, downwards."""
        self.sources = [a for a, _ in self.links.values()]
        self.row = self._ranks(items, entries, exits)
        self.rows: list[list[Item]] = [[] for _ in range(max(self.row.values(), default=0) + 1)]
        for item in items:
            self.rows[self.row[item]].append(item)
        self.above: dict[Item, list[tuple[Item, int]]] = defaultdict(list)
        self.below: dict[Item, list[tuple[Item, int]]] = defaultdict(list)
        """Neighbours in the next row, each with the weight of staying in line with it."""
        self.chains = self._lanes()
        if prefer:
            for row in self.rows:
                row.sort(key=self._wish)
        self._order()
        self.x = self._fit()
        self._straighten()
        self._shift_to_zero()
        self.spans = self._spans()
        self.height = self.spans[-1][1]

    # --- rows ------------------------------------------------------------------------------

    def _ranks(
        self, items: Sequence[Item], entries: Sequence[Item], exits: Sequence[Item]
    ) -> dict[Item, int]:
        sources: dict[Item, list[Item]] = defaultdict(list)
        targets: dict[Item, list[Item]] = defaultdict(list)
        for a, b in self.links.values():
            sources[b].append(a)
            targets[a].append(b)
        first, least = set(entries), int(bool(entries))
        rank: dict[Item, int] = {}
        for item in items:
            lowest = 0 if item in first else least
            rank[item] = max((rank[a] + 1 for a in sources[item]), default=lowest)
            rank[item] = max(rank[item], lowest)
        for item in reversed(items):  # what reads nothing stands right above its reader
            if targets[item] and not sources[item] and item not in first:
                rank[item] = max(rank[item], min(rank[b] for b in targets[item]) - 1)
        last = set(exits)
        bottom = max((rank[item] for item in items if item not in last), default=-1) + 1
        rank.update(dict.fromkeys(exits, bottom))
        return rank

    def _lanes(self) -> dict[tuple[Item, Item], list[Item]]:
        """Give each link a lane in every row that it passes."""
        chains: dict[tuple[Item, Item], list[Item]] = {}
        for index, (link, (a, b)) in enumerate(self.links.items()):
            lanes: list[Item] = [_Lane(index, row) for row in range(self.row[a] + 1, self.row[b])]
            for lane in lanes:
                self.sizes[lane] = _THIN
                self.row[lane] = lane.row  # type: ignore[attr-defined]
                self.rows[self.row[lane]].append(lane)
            chain = [a, *lanes, b]
            chains[link] = chain
            for upper, lower in pairwise(chain):
                between = isinstance(upper, _Lane) + isinstance(lower, _Lane)
                weight = (4, 2, 8)[between]
                self.below[upper].append((lower, weight))
                self.above[lower].append((upper, weight))
        return chains

    def _wish(self, item: Item) -> float:
        """Where an item would like to stand in its row; a lane, where its source does."""
        if isinstance(item, _Lane):
            item = self.sources[item.link]
        return self.prefer.get(item, 0.0)

    # --- order in the rows -----------------------------------------------------------------

    def _order(self) -> None:
        best, fewest = [list(row) for row in self.rows], self._crossings()
        for sweep in range(_SWEEPS):
            if not fewest:
                break
            down = sweep % 2 == 0
            neighbours = self.above if down else self.below
            count = len(self.rows)
            for index in range(1, count) if down else range(count - 2, -1, -1):
                fixed = self.rows[index - 1 if down else index + 1]
                self._sort_row(self.rows[index], fixed, neighbours)
            crossings = self._crossings()
            if crossings < fewest:
                best, fewest = [list(row) for row in self.rows], crossings
        self.rows = best

    @staticmethod
    def _sort_row(
        row: list[Item], fixed: Sequence[Item], neighbours: Mapping[Item, list[tuple[Item, int]]]
    ) -> None:
        place_of = {item: place for place, item in enumerate(fixed)}
        mean: dict[Item, tuple[float, bool, int]] = {}
        for place, item in enumerate(row):
            places = [place_of[other] for other, _ in neighbours[item]]
            middle = sum(places) / len(places) if places else float(place)
            mean[item] = (middle, isinstance(item, _Lane), place)
        row.sort(key=mean.__getitem__)

    def _crossings(self) -> int:
        total = 0
        for row, following in pairwise(self.rows):
            place_of = {item: place for place, item in enumerate(following)}
            ends: list[int] = []
            for item in row:
                targets = sorted(place_of[other] for other, _ in self.below[item])
                total += sum(len(ends) - bisect_right(ends, target) for target in targets)
                for target in targets:
                    insort(ends, target)
        return total

    # --- x ---------------------------------------------------------------------------------

    def _distance(self, left: Item, right: Item) -> float:
        gap = COLUMN_GAP
        if isinstance(left, (_Lane, _Port)) and isinstance(right, (_Lane, _Port)):
            gap = LANE
        return self.sizes[left].right + gap + self.sizes[right].left

    def _fit(self) -> dict[Item, float]:
        x: dict[Item, float] = {}
        distances = [[self._distance(a, b) for a, b in pairwise(row)] for row in self.rows]
        for row, gaps in zip(self.rows, distances, strict=True):
            at = -sum(gaps) / 2
            for item, gap in zip(row, [*gaps, 0.0], strict=True):
                x[item] = at
                at += gap
        if all(len(row) < 2 for row in self.rows):
            return dict.fromkeys(x, 0.0)  # a chain
        both = {item: self.above[item] + self.below[item] for item in x}
        count = len(self.rows)
        for turn in range(_FITS):
            down = turn % 2 == 0
            pulls: Mapping[Item, list[tuple[Item, int]]] = self.above if down else self.below
            if turn >= _FITS // 2:
                pulls = both
            for index in range(count) if down else range(count - 1, -1, -1):
                row = self.rows[index]
                wanted, weights = [], []
                for item in row:
                    weight = sum(w for _, w in pulls[item])
                    pulled = sum(x[other] * w for other, w in pulls[item])
                    wanted.append(pulled / weight if weight else x[item])
                    weights.append(weight or 0.5)
                x.update(zip(row, _isotonic(wanted, weights, distances[index]), strict=True))
        return x

    def _straighten(self) -> None:
        """Give runs of items that have only each other one x, where the row lets them."""
        runs, used = [], set()
        for row in self.rows:
            for item in row:
                if item in used:
                    continue
                run = [item]
                while (following := self._only(run[-1])) is not None:
                    run.append(following)
                if len(run) > 1:
                    runs.append(run)
                    used.update(run)
        place_of = {item: place for row in self.rows for place, item in enumerate(row)}
        runs.sort(key=len, reverse=True)
        for _ in range(2):
            for run in runs:
                self._align(run, place_of)

    def _only(self, item: Item) -> Item | None:
        """The one box below an item that has no other box above it.

        Lines that pass both by do not count. Below a lane it is the lane that goes on from it.
        """
        lane = isinstance(item, _Lane)
        below = [other for other, _ in self.below[item] if isinstance(other, _Lane) == lane]
        if len(below) != 1:
            return None
        above = [other for other, _ in self.above[below[0]] if isinstance(other, _Lane) == lane]
        return below[0] if len(above) == 1 else None

    def _align(self, run: Sequence[Item], place_of: Mapping[Item, int]) -> None:
        low, high = float("-inf"), float("inf")
        for item in run:
            row, place = self.rows[self.row[item]], place_of[item]
            if place:
                left = row[place - 1]
                low = max(low, self.x[left] + self._distance(left, item))
            if place + 1 < len(row):
                right = row[place + 1]
                high = min(high, self.x[right] - self._distance(item, right))
        if low > high:
            return
        middle = sum(self.x[item] for item in run) / len(run)
        ends = [self.x[o] for o, _ in (*self.above[run[0]], *self.below[run[-1]])]
        near = [end for end in ends if abs(end - middle) < 40]
        wanted = min(near, key=lambda end: abs(end - middle)) if near else middle
        self.x.update(dict.fromkeys(run, min(max(wanted, low), high)))

    def _shift_to_zero(self) -> None:
        left = min((self.left(item) for item in self.x), default=0.0)
        right = max((self.x[item] + self.sizes[item].right for item in self.x), default=0.0)
        self.x = {item: x - left for item, x in self.x.items()}
        self.width = right - left

    # --- y ---------------------------------------------------------------------------------

    def _spans(self) -> list[tuple[float, float]]:
        """Upper and lower end of each row. The more a line has to go sideways, the more room."""
        spans: list[tuple[float, float]] = []
        at = 0.0
        for row in self.rows:
            height = max((self.sizes[item].height for item in row), default=0.0)
            spans.append((at, at + height))
            widest = max(
                (abs(self.x[item] - self.x[o]) for item in row for o, _ in self.below[item]),
                default=0.0,
            )
            at += height + ROW_GAP + min(36.0, widest / 12)
        return spans

    def left(self, item: Item) -> float:
        """Left border of an item."""
        return self.x[item] - self.sizes[item].left

    def top(self, item: Item) -> float:
        """Upper border of an item, which stands in the middle of its row."""
        above, below = self.spans[self.row[item]]
        height = self.sizes[item].height
        return above + (below - above - height) / 2

    def route(self, source: Any, target: Any) -> list[Point]:
        """Points of a link from its source to its target, at least four."""
        chain = self.chains[source, target]
        points: list[Point] = []
        for item in chain:
            x, (above, below) = self.x[item], self.spans[self.row[item]]
            points += [(x, above), (x, below)]
        points[0] = (self.x[chain[0]], self.top(chain[0]) + self.sizes[chain[0]].height)
        points[-1] = (self.x[chain[-1]], self.top(chain[-1]))
        return points if self.links[source, target] == (source, target) else points[::-1]


def _isotonic(
    wanted: Sequence[float], weights: Sequence[float], distances: Sequence[float]
) -> list[float]:
    """Minimise sum w (x - wanted)^2 with x[i + 1] - x[i] >= distances[i].

    Exact, by pooling adjacent violators.
    """
    offsets = [0.0]
    for distance in distances:
        offsets.append(offsets[-1] + distance)
    pools: list[tuple[float, float, int]] = []
    for want, weight, offset in zip(wanted, weights, offsets, strict=True):
        mean, total, count = want - offset, weight, 1
        while pools and pools[-1][0] > mean:
            other, heavy, more = pools.pop()
            mean = (other * heavy + mean * total) / (heavy + total)
            total, count = heavy + total, more + count
        pools.append((mean, total, count))
    found = [mean for mean, _, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(found, offsets, strict=True)]
