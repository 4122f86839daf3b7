"""A scene as TikZ: a LaTeX document of its own, with every stroke where the scene has it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from explorer.diagram.graph import DETAIL_SIZE
from explorer.diagram.heat import Heat, heat_words
from explorer.diagram.scene import Edge, Group, Node, Point, Scene
from explorer.diagram.scene_svg import is_strong, kinds_of
from explorer.diagram.svg import FACES, cuboid_faces
from explorer.figures.theme import INK, KIND_COLORS, MUTED_INK, PAPER, tint

_POINT = 0.75
"""Big points to a pixel of the scene."""
_LONGEST = 14_000.0
"""Big points; TeX knows no length above 16,383."""
_ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "_": r"\_", "%": r"\%", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "<": "$<$", ">": "$>$", "×": r"$\times$", "·": r"$\cdot$", "→": r"$\to$", "−": "$-$",
    "µ": r"$\mu$", "⋯": r"$\cdots$", "≤": r"$\leq$", "≥": r"$\geq$", "ᵀ": r"\textsuperscript{T}",
}  # fmt: skip


def scene_tikz(scene: Scene, *, dark: bool = False, heat: Heat | None = None) -> str:
    """Write a scene as a standalone LaTeX document.

    Args:
        scene: what to write.
        dark: colours for a dark page.
        heat: colour boxes by a quantity, see `heat.scene_heat`.
    """
    return _Document(scene, dark, heat).text()


class _Document:
    """Collects the commands of one scene, and the colours that they use."""

    def __init__(self, scene: Scene, dark: bool, heat: Heat | None) -> None:
        self.scene, self.heat = scene, heat
        self.theme = "dark" if dark else "light"
        self.unit = min(_POINT, _LONGEST / max(scene.width, scene.height, 1.0))
        self.colors: dict[str, str] = {}

    def text(self) -> str:
        scene, theme = self.scene, self.theme
        body = [*self._frames(), *self._lines(), *self._nodes(), *self._texts()]
        body.append(self._label(0, -26, "west", scene.title, 15, INK[theme], bold=True))
        low = scene.height + 26
        width = max(scene.width, 480) * self.unit
        body.append(
            f"\\node[anchor=north west, text width={width:.1f}bp, "
            f"text={self.color(MUTED_INK[theme])}, {self._font(11)}] at (0,{low:.1f}) "
            f"{{{_escaped(scene.caption + self._meaning())}}};"
        )
        defined = [
            f"\\definecolor{{{name}}}{{HTML}}{{{value.lstrip('#').upper()}}}"
            for value, name in self.colors.items()
        ]
        paper = self.color(PAPER[theme])
        defined.append(f"\\definecolor{{{paper}}}{{HTML}}{{{PAPER[theme].lstrip('#').upper()}}}")
        return "\n".join(
            (
                "% " + " ".join(scene.title.split()),
                "\\documentclass[tikz,border=8bp]{standalone}",
                "\\usepackage[T1]{fontenc}",
                "\\usepackage[utf8]{inputenc}",
                "\\usepackage{lmodern}",
                *defined,
                f"\\pagecolor{{{paper}}}",
                "\\begin{document}",
                f"\\begin{{tikzpicture}}[x={self.unit:.5f}bp, y=-{self.unit:.5f}bp, "
                "line cap=round, line join=round]",
                *body,
                "\\end{tikzpicture}",
                "\\end{document}",
                "",
            )
        )

    def _meaning(self) -> str:
        """What the colours say."""
        return heat_words(self.heat) or f" Kinds: {', '.join(kinds_of(self.scene))}."

    def color(self, value: str) -> str:
        """The name of a colour, which the document defines."""
        return self.colors.setdefault(value, f"c{len(self.colors)}")

    def _font(self, size: float, *, bold: bool = False, italic: bool = False) -> str:
        points = size * self.unit
        style = "\\bfseries" * bold + "\\itshape" * italic
        return f"font=\\sffamily{style}\\fontsize{{{points:.2f}}}{{{1.2 * points:.2f}}}\\selectfont"

    def _label(
        self, x: float, y: float, anchor: str, text: str, size: float, color: str, *,
        bold: bool = False, italic: bool = False,
    ) -> str:  # fmt: skip
        return (
            f"\\node[anchor={anchor}, inner sep=0, text={self.color(color)}, "
            f"{self._font(size, bold=bold, italic=italic)}] at ({x:.1f},{y:.1f}) "
            f"{{{_escaped(text)}}};"
        )

    def _rectangle(
        self, frame: Sequence[float], fill: str, stroke: str, corner: float, width: float = 1.2
    ) -> str:
        x, y, wide, high = frame
        return (
            f"\\draw[fill={self.color(fill)}, draw={self.color(stroke)}, "
            f"line width={width * self.unit:.2f}bp, rounded corners={corner * self.unit:.1f}bp] "
            f"({x:.1f},{y:.1f}) rectangle ({x + wide:.1f},{y + high:.1f});"
        )

    # --- parts -------------------------------------------------------------------------------

    def _frames(self) -> Iterator[str]:
        theme = self.theme
        fill = tint(INK[theme], theme, 0.04)
        for group in self.scene.groups:
            frame = (group.x, group.y, group.width, group.height)
            yield self._rectangle(frame, fill, tint(MUTED_INK[theme], theme, 0.5), 8, 1.0)
            yield from self._names(group)

    def _names(self, group: Group) -> Iterator[str]:
        theme, x = self.theme, group.x + group.title_at
        size, ink = (13.0, INK[theme]) if group.detail else (11.5, MUTED_INK[theme])
        yield self._label(x, group.y + 14, "west", group.title, size, ink, bold=True)
        if group.detail.strip():
            yield self._label(x, group.y + 32, "west", group.detail, 11.5, MUTED_INK[theme])
        if group.badge:
            right = group.x + group.width - 14
            yield self._label(right, group.y + 15, "east", group.badge, 15, INK[theme], bold=True)

    def _lines(self) -> Iterator[str]:
        for edge in sorted(self.scene.edges, key=lambda edge: edge.role != "skip"):
            if edge.role != "guide":
                yield self._line(edge)

    def _line(self, edge: Edge) -> str:
        colors = KIND_COLORS[self.theme]
        color = {"skip": colors["add"], "bus": colors["concat"]}.get(edge.role, INK[self.theme])
        width = edge.width or (1.8 if edge.role == "skip" else 1.4)
        options = [f"draw={self.color(color)}", f"line width={width * self.unit:.2f}bp"]
        if edge.arrow:
            options.append("-latex")
        if edge.dashed:
            gaps = (3, 2) if edge.role == "guide" else (2, 6)
            on, off = (gap * self.unit for gap in gaps)
            options.append(f"dash pattern=on {on:.2f}bp off {off:.2f}bp")
        if edge.bend == "corner":
            options.append(f"rounded corners={7 * self.unit:.1f}bp")
            path = " -- ".join(f"({x:.1f},{y:.1f})" for x, y in edge.points)
        else:
            path = _curve(edge.points, sideways=edge.sideways)
        return f"\\draw[{', '.join(options)}] {path};"

    def _nodes(self) -> Iterator[str]:
        for node in self.scene.nodes:
            yield from self._node(node)
        for edge in self.scene.edges:
            if edge.role == "guide":
                yield self._line(edge)

    def _node(self, node: Node) -> Iterator[str]:
        x, y = node.x + node.width / 2, node.y + node.height / 2
        ink = INK[self.theme]
        if node.shape == "dot":
            radius = 3 * self.unit
            yield f"\\fill[{self.color(ink)}] ({x:.1f},{y:.1f}) circle[radius={radius:.2f}bp];"
            return
        color = MUTED_INK[self.theme] if self.heat else KIND_COLORS[self.theme][node.kind]
        fill = self.heat.colors.get(node.key, PAPER[self.theme]) if self.heat else ""
        if node.shape == "round":
            yield from self._circle(node, x, y, color)
        elif node.shape == "volume":
            yield from self._cuboid(node, color, fill)
        elif node.shape == "card":
            yield from self._card(node, color, fill)
        else:
            yield from self._box(node, color, fill)

    def _circle(self, node: Node, x: float, y: float, color: str) -> Iterator[str]:
        radius = node.width / 2 * self.unit
        yield (
            f"\\draw[fill={self.color(PAPER[self.theme])}, draw={self.color(color)}, "
            f"line width={1.8 * self.unit:.2f}bp] ({x:.1f},{y:.1f}) "
            f"circle[radius={radius:.2f}bp];"
        )
        sign = "$\\times$" if node.title == "×" else "$+$"
        options = f"text={self.color(color)}, {self._font(16)}"
        yield f"\\node[{options}] at ({x:.1f},{y:.1f}) {{{sign}}};"

    def _box(self, node: Node, color: str, fill: str) -> Iterator[str]:
        x, y = node.x + node.width / 2, node.y + node.height / 2
        ink = INK[self.theme]
        strong = is_strong(node) and node.shape != "strip"
        fill = fill or tint(color, self.theme, 0.2 if strong else 0.1)
        if node.opens:
            behind = (node.x + 4, node.y + 4, node.width, node.height)
            yield self._rectangle(behind, fill, color, 6, 1.0)
        corner = node.height / 2 if node.shape == "pill" else 6
        frame = (node.x, node.y, node.width, node.height)
        yield self._rectangle(frame, fill, color, corner)
        yield self._label(x, y - (8 if node.detail else 0), "center", node.title, node.size, ink)
        if node.detail:
            yield self._label(x, y + 9, "center", node.detail, DETAIL_SIZE, ink)

    def _card(self, node: Node, color: str, fill: str) -> Iterator[str]:
        ink = INK[self.theme]
        frame = (node.x, node.y, node.width, node.height)
        yield self._rectangle(frame, fill or tint(color, self.theme, 0.2), color, 8)
        x = node.x + 14
        yield self._label(x, node.y + 20, "west", node.title, node.size, ink, bold=True)
        for place, line in enumerate(node.detail.split("\n")):
            yield self._label(x, node.y + 42 + 18 * place, "west", line, 12.5, ink)
        wide, low = node.width - 28, node.y + node.height - 16
        pale = tint(color, self.theme, 0.3)
        yield self._rectangle((x, low, wide, 6), pale, pale, 3, 0.2)
        yield self._rectangle((x, low, max(2.0, wide * node.share), 6), color, color, 3, 0.2)

    def _cuboid(self, node: Node, color: str, fill: str) -> Iterator[str]:
        faces = cuboid_faces(node.x, node.y, node.width, node.height, node.lift)
        for points, strength in zip(faces, FACES, strict=True):
            face = fill or tint(color, self.theme, strength)
            path = " -- ".join(f"({x:.1f},{y:.1f})" for x, y in points)
            yield (
                f"\\draw[fill={self.color(face)}, draw={self.color(color)}, "
                f"line width={1.2 * self.unit:.2f}bp] {path} -- cycle;"
            )

    def _texts(self) -> Iterator[str]:
        anchors = {"start": "west", "middle": "center", "end": "east"}
        for text in self.scene.texts:
            color = (MUTED_INK if text.muted else INK)[self.theme]
            yield self._label(
                text.x, text.y, anchors[text.anchor], text.text, text.size, color,
                bold=text.bold, italic=text.italic,
            )  # fmt: skip


def _curve(points: Sequence[Point], *, sideways: bool) -> str:
    path = f"({points[0][0]:.1f},{points[0][1]:.1f})"
    for (x0, y0), (x1, y1) in pairwise(points):
        if abs(y0 - y1 if sideways else x0 - x1) < 0.5:
            path += f" -- ({x1:.1f},{y1:.1f})"
            continue
        first, second = (x0, (y0 + y1) / 2), (x1, (y0 + y1) / 2)
        if sideways:
            first, second = ((x0 + x1) / 2, y0), ((x0 + x1) / 2, y1)
        bends = " and ".join(f"({x:.1f},{y:.1f})" for x, y in (first, second))
        path += f" .. controls {bends} .. ({x1:.1f},{y1:.1f})"
    return path


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(c, c if c.isascii() else f"[U+{ord(c):04X}]") for c in text)
