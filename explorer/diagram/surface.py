"""What the parts of a figure draw on: a sheet of SVG, or a canvas that becomes a scene."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from explorer.diagram.scene import Anchor, Point


class Surface(Protocol):
    """The strokes of a figure; see `svg.Sheet` for what each does."""

    def box(
        self, x: float, y: float, width: float, height: float, kind: str, *, round_: float = 6,
        strong: bool = True, ops: tuple[int, ...] = (), label: str = "", size: float = 13,
    ) -> None:  # fmt: skip
        """A rectangle in the colours of a kind, with a label."""

    def circle(
        self, x: float, y: float, radius: float, kind: str, ops: tuple[int, ...] = ()
    ) -> None:
        """A round node."""

    def cross(self, x: float, y: float, kind: str, *, turned: bool = False) -> None:
        """A plus or times sign in it."""

    def dot(self, x: float, y: float) -> None:
        """Where a line divides."""

    def text(
        self, x: float, y: float, text: str, size: float = 13, *, anchor: Anchor = "middle",
        muted: bool = False, bold: bool = False, italic: bool = False,
    ) -> None:  # fmt: skip
        """A line of text; y is its middle."""

    def line(
        self, *points: Point, arrow: bool = False, width: float = 1.4, dashed: bool = False,
        kind: str = "",
    ) -> None:  # fmt: skip
        """A line with rounded corners."""

    def curve(self, *points: Point, arrow: bool = False, width: float = 1.4) -> None:
        """A line that bends smoothly."""

    def closed(
        self, key: str, x: float, y: float, width: float, height: float, kind: str,
        lines: tuple[str, str], ops: Sequence[int],
    ) -> None:  # fmt: skip
        """A box that stands for a whole block, and can be opened."""

    def group(
        self, key: str, x: float, y: float, width: float, height: float, title: str, *,
        detail: str = "", badge: str = "", at: float = 8.0, ops: Sequence[int] = (),
        sign: str = "",
    ) -> None:  # fmt: skip
        """A frame behind what is drawn in it; its title begins at `at`."""
