"""A sheet to draw on: shapes and text in, one accessible SVG document out."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import pairwise

from explorer.diagram.scene import Anchor
from explorer.figures.theme import INK, KIND_COLORS, MUTED_INK, PAPER, tint

Point = tuple[float, float]

FONT = "'Source Sans 3','Source Sans Pro','Source Sans',Helvetica,Arial,'DejaVu Sans',sans-serif"
ARROW = 7.0
"""Length of an arrow's head."""

# Advance widths in ems of DejaVu Sans, the widest of the usual fonts: what fits with it fits
# with all of them.
_NARROW, _WIDE = frozenset("iljtfr.,:;'|!/()[] "), frozenset("mwMW@%×→·")


def text_width(text: str, size: float) -> float:
    """Width in pixels that a text needs at most."""
    ems = sum(0.37 if c in _NARROW else 0.9 if c in _WIDE else 0.64 for c in text)
    return ems * size


class Sheet:
    """Collects SVG elements, and how far they reach.

    Args:
        dark: draw for a dark page.
    """

    def __init__(self, *, dark: bool = False) -> None:
        self.theme = "dark" if dark else "light"
        self.ink, self.muted = INK[self.theme], MUTED_INK[self.theme]
        self.paper = PAPER[self.theme]
        self._under: list[str] = []
        self._behind: list[str] = []
        self._front: list[str] = []
        self._low = [float("inf"), float("inf")]
        self._high = [float("-inf"), float("-inf")]

    @property
    def corner(self) -> Point:
        """The upper left corner of all that is drawn so far."""
        return self._low[0], self._low[1]

    def color(self, kind: str) -> str:
        """The colour of a layer kind on this page."""
        return KIND_COLORS[self.theme][kind]

    def reach(self, *points: Point) -> None:
        """Make the sheet large enough for these points."""
        for point in points:
            for axis in (0, 1):
                self._low[axis] = min(self._low[axis], point[axis])
                self._high[axis] = max(self._high[axis], point[axis])

    def box(
        self, x: float, y: float, width: float, height: float, kind: str, *, round_: float = 6,
        strong: bool = True, ops: tuple[int, ...] = (), key: str | None = None,
        fill: str = "", label: str = "", size: float = 13,
    ) -> None:  # fmt: skip
        """A rectangle in the colours of a kind; `ops` or `key` marks it for selection.

        `fill` is a colour instead of the kind's; `label` stands in the middle.
        """
        color = self.muted if fill else self.color(kind)
        fill = fill or tint(color, self.theme, 0.2 if strong else 0.1)
        mark = f' data-ops="{" ".join(map(str, ops))}"' if ops else ""
        if key is not None:
            mark += f' data-key="{escape(key, quote=True)}"'
        self._front.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'rx="{round_:g}" fill="{fill}" stroke="{color}" '
            f'stroke-width="{1.4 if strong else 1:g}"{mark}/>'
        )
        self.reach((x, y), (x + width, y + height))
        if label:
            self.text(x + width / 2, y + height / 2, label, size)

    def group(
        self, key: str, x: float, y: float, width: float, height: float, title: str, *,
        detail: str = "", badge: str = "", at: float = 8.0,
        ops: Sequence[int] = (), sign: str = "",  # noqa: ARG002  # only a scene holds them
    ) -> None:  # fmt: skip
        """A frame with a title, a second line under it, and how often it repeats."""
        self._under.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="8" '
            f'fill="{self.ink}" fill-opacity="0.035" stroke="{self.muted}" '
            f'stroke-opacity="0.45" data-group="{escape(key, quote=True)}"/>'
        )
        wide = text_width(title, 13 if detail else 11.5) * 1.06
        if not detail:
            # Lines into the frame pass the title's height: paper behind it keeps it readable.
            self._front.append(
                f'<rect x="{x + at - 2:.1f}" y="{y + 6:.1f}" width="{wide + 4:.1f}" height="16" '
                f'rx="3" fill="{self.paper}"/>'
            )
        self.text(
            x + at, y + 14, title, 13 if detail else 11.5, anchor="start", muted=not detail,
            bold=True,
        )  # fmt: skip
        if detail:
            self.text(x + at, y + 32, detail, 11.5, anchor="start", muted=True)
        if badge:
            self.text(x + width - 14, y + 15, badge, 15, anchor="end", bold=True)
        self.reach((x, y), (x + width, y + height))

    def closed(
        self, key: str, x: float, y: float, width: float, height: float, kind: str,
        lines: tuple[str, str], ops: Sequence[int],
    ) -> None:  # fmt: skip
        """A box of two lines with a second one behind it."""
        self.box(x + 4, y + 4, width, height, kind, strong=False)
        self.box(x, y, width, height, kind, ops=tuple(ops), key=key)
        self.text(x + width / 2, y + height / 2 - 8, lines[0], 13)
        self.text(x + width / 2, y + height / 2 + 10, lines[1], 11)

    def circle(
        self, x: float, y: float, radius: float, kind: str, ops: tuple[int, ...] = (),
        key: str | None = None,
    ) -> None:  # fmt: skip
        """A round node on the paper."""
        color = self.color(kind)
        mark = f' data-ops="{" ".join(map(str, ops))}"' if ops else ""
        if key is not None:
            mark += f' data-key="{escape(key, quote=True)}"'
        self._front.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="{self.paper}" '
            f'stroke="{color}" stroke-width="1.8"{mark}/>'
        )
        self.reach((x - radius, y - radius), (x + radius, y + radius))

    def bar(self, x: float, y: float, width: float, height: float, kind: str, share: float) -> None:
        """A bar of which a part is full."""
        color = self.color(kind)
        for wide, opacity in ((width, 0.18), (max(2.0, width * share), 1.0)):
            self._front.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{height:g}" rx="3" '
                f'fill="{color}" fill-opacity="{opacity:g}"/>'
            )
        self.reach((x, y), (x + width, y + height))

    def cuboid(
        self, x: float, y: float, width: float, height: float, lift: float, kind: str, *,
        key: str | None = None, fill: str = "",
    ) -> None:  # fmt: skip
        """A box seen from its front, its top and its right side drawn `lift` behind it.

        `width` and `height` are of the whole.
        """
        color = self.muted if fill else self.color(kind)
        mark = f' data-key="{escape(key, quote=True)}"' if key is not None else ""
        parts = []
        for points, strength in zip(cuboid_faces(x, y, width, height, lift), FACES, strict=True):
            face = fill or tint(color, self.theme, strength)
            corners = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
            parts.append(f'<polygon points="{corners}" fill="{face}"/>')
        self._front.append(
            f'<g stroke="{color}" stroke-width="1.2" stroke-linejoin="round"{mark}>'
            f"{''.join(parts)}</g>"
        )
        self.reach((x, y), (x + width, y + height))

    def dot(self, x: float, y: float) -> None:
        """Where a line divides."""
        self._front.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{self.ink}"/>')

    def text(
        self, x: float, y: float, text: str, size: float = 13, *, anchor: Anchor = "middle",
        muted: bool = False, bold: bool = False, italic: bool = False,
    ) -> None:  # fmt: skip
        """A line of text; y is its middle."""
        style = ' font-weight="600"' if bold else ""
        style += ' font-style="italic"' if italic else ""
        self._front.append(
            f'<text x="{x:.1f}" y="{y + 0.35 * size:.1f}" font-size="{size:g}" '
            f'text-anchor="{anchor}" fill="{self.muted if muted else self.ink}"{style}>'
            f"{escape(text)}</text>"
        )
        width = text_width(text, size) * (1.06 if bold else 1)
        left = x - {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor] * width
        self.reach((left, y - 0.7 * size), (left + width, y + 0.7 * size))

    def cross(self, x: float, y: float, kind: str, *, turned: bool = False) -> None:
        """A plus sign, or turned a times sign, drawn so that no font can shift it."""
        a = 5.5 if not turned else 3.9
        arms = (
            f"M{x - a:g} {y:g}H{x + a:g}M{x:g} {y - a:g}V{y + a:g}"
            if not turned
            else f"M{x - a:g} {y - a:g}L{x + a:g} {y + a:g}M{x - a:g} {y + a:g}L{x + a:g} {y - a:g}"
        )
        self._front.append(
            f'<path d="{arms}" stroke="{self.color(kind)}" stroke-width="2" '
            'stroke-linecap="round" fill="none"/>'
        )

    def line(
        self, *points: Point, arrow: bool = False, width: float = 1.4, dashed: bool = False,
        kind: str = "", radius: float = 9, front: bool = False,
    ) -> None:  # fmt: skip
        """A line with rounded corners through points, behind all boxes.

        Args:
            *points: each shares an axis with the next.
            arrow: put a head at the last point.
            width: in pixels.
            dashed: something is left out here.
            kind: draw in this kind's colour instead of ink.
            radius: of the corners.
            front: draw it on the boxes, not behind them.
        """
        color = self.color(kind) if kind else self.ink
        self.reach(*points)
        path, head = line_path(points, arrow=arrow, radius=radius)
        if head:
            self._behind.append(f'<polygon points="{head}" fill="{color}"/>')
        gaps = "3 2" if front else "2 6"
        dash = f' stroke-dasharray="{gaps}" stroke-linecap="round"' if dashed else ""
        (self._front if front else self._behind).append(
            f'<path d="{path}" fill="none" stroke="{color}" stroke-width="{width:g}"{dash}/>'
        )

    def curve(
        self, *points: Point, arrow: bool = False, width: float = 1.4, kind: str = "",
        sideways: bool = False,
    ) -> None:  # fmt: skip
        """A line that bends smoothly wherever two neighbours do not stand below each other.

        Args:
            *points: from the first to the last.
            arrow: put a head at the last point.
            width: in pixels.
            kind: draw in this kind's colour instead of ink.
            sideways: the line runs from left to right, not downwards.
        """
        color = self.color(kind) if kind else self.ink
        self.reach(*points)
        path, head = curve_path(points, arrow=arrow, sideways=sideways)
        if head:
            self._behind.append(f'<polygon points="{head}" fill="{color}"/>')
        self._behind.append(
            f'<path d="{path}" fill="none" stroke="{color}" stroke-width="{width:g}"/>'
        )

    def document(self, title: str, description: str, margin: float = 16) -> str:
        """The finished SVG.

        Args:
            title: what the figure shows, in a few words.
            description: the same as sentences, for those who do not see it.
            margin: around everything drawn.
        """
        left, top = (low - margin for low in self._low)
        width, height = (
            high - low + 2 * margin for low, high in zip(self._low, self._high, strict=True)
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" '
            f'viewBox="{left:.1f} {top:.1f} {width:.1f} {height:.1f}" '
            f'width="{width:.0f}" height="{height:.0f}" font-family="{FONT}">'
            f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'fill="{self.paper}"/>'
            f"{''.join(self._under)}{''.join(self._behind)}{''.join(self._front)}</svg>"
        )


FACES = (0.3, 0.16, 0.42)
"""How deep the colour of a cuboid's front, top and side is."""


def cuboid_faces(
    x: float, y: float, width: float, height: float, lift: float
) -> tuple[tuple[Point, ...], ...]:
    """Corners of front, top and right side of a cuboid within a rectangle."""
    right, low = x + width, y + height
    front, upper = right - lift, y + lift
    return (
        ((x, upper), (front, upper), (front, low), (x, low)),
        ((x, upper), (x + lift, y), (right, y), (front, upper)),
        ((front, upper), (right, y), (right, low - lift), (front, low)),
    )


def _head(tip: Point, back: Point) -> str:
    """Corners of an arrow's head from the middle of its base to its tip."""
    wing = 0.55
    dx, dy = tip[0] - back[0], tip[1] - back[1]
    corners = (
        tip,
        (back[0] - wing * dy, back[1] + wing * dx),
        (back[0] + wing * dy, back[1] - wing * dx),
    )
    return " ".join(f"{px:.1f},{py:.1f}" for px, py in corners)


def line_path(points: Sequence[Point], *, arrow: bool, radius: float = 9) -> tuple[str, str]:
    """Path data of a line with rounded corners, and the corners of its head, "" without."""
    route, head = list(points), ""
    if arrow:
        tip, before = route[-1], route[-2]
        length = max(1e-9, abs(tip[0] - before[0]) + abs(tip[1] - before[1]))
        dx, dy = (tip[0] - before[0]) / length, (tip[1] - before[1]) / length
        route[-1] = (tip[0] - ARROW * dx, tip[1] - ARROW * dy)
        head = _head(tip, route[-1])
    return _rounded(route, radius), head


def curve_path(
    points: Sequence[Point], *, arrow: bool = False, sideways: bool = False
) -> tuple[str, str]:
    """Path data of a line that bends only where two neighbours are not in line, and its head."""
    route, head = list(points), ""
    if arrow:
        tip = route[-1]
        route[-1] = (tip[0] - ARROW, tip[1]) if sideways else (tip[0], tip[1] - ARROW)
        head = _head(tip, route[-1])
    path = f"M{route[0][0]:.1f} {route[0][1]:.1f}"
    for (x0, y0), (x1, y1) in pairwise(route):
        if abs(y0 - y1 if sideways else x0 - x1) < 0.5:
            path += f"L{x1:.1f} {y1:.1f}"
        elif sideways:
            middle = (x0 + x1) / 2
            path += f"C{middle:.1f} {y0:.1f} {middle:.1f} {y1:.1f} {x1:.1f} {y1:.1f}"
        else:
            middle = (y0 + y1) / 2
            path += f"C{x0:.1f} {middle:.1f} {x1:.1f} {middle:.1f} {x1:.1f} {y1:.1f}"
    return path, head


def _rounded(points: list[Point], radius: float) -> str:
    """Path data of a polyline with its corners rounded."""
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        first, second = _towards(corner, before, radius), _towards(corner, after, radius)
        path += (
            f"L{first[0]:.1f} {first[1]:.1f}"
            f"Q{corner[0]:.1f} {corner[1]:.1f} {second[0]:.1f} {second[1]:.1f}"
        )
    return f"{path}L{points[-1][0]:.1f} {points[-1][1]:.1f}"


def _towards(start: Point, end: Point, distance: float) -> Point:
    """The point so far from `start` towards `end`, at most half of the way."""
    length = abs(end[0] - start[0]) + abs(end[1] - start[1])
    share = min(distance, length / 2) / length if length else 0.0
    return start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])
