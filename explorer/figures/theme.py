"""Colours, as plain data: one per layer kind, the same in tables, charts and diagrams.

Diagrams fill a box with `tint` of its kind's colour and write in `INK`; charts use the colour
itself. Colour is never the only carrier of a meaning: every box and bar also has its label.
"""

from __future__ import annotations

from typing import Final

KIND_COLORS: Final[dict[str, dict[str, str]]] = {
    "light": {
        "input": "#4F5A6C", "constant": "#888698", "convolution": "#3F77C6",
        "linear": "#B75605", "matmul": "#8B4900", "attention": "#972DA1",
        "recurrent": "#B72A73", "normalization": "#5E6D88", "activation": "#C98002",
        "pooling": "#07615B", "add": "#D30237", "multiply": "#78387D",
        "concat": "#379251", "reshape": "#798586", "elementwise": "#8A6D3B",
        "reduction": "#097674", "softmax": "#A0598E", "dropout": "#8F8F8F",
        "upsample": "#398359", "padding": "#7B8D9F", "embedding": "#6A5ACD",
        "indexing": "#76808C", "bookkeeping": "#828F97", "unknown": "#444444",
    },
    "dark": {
        "input": "#AAAEB3", "constant": "#899CA2", "convolution": "#539BE0",
        "linear": "#EE943E", "matmul": "#CC824B", "attention": "#A66BB4",
        "recurrent": "#B86687", "normalization": "#83B4C7", "activation": "#F0B42B",
        "pooling": "#38B88C", "add": "#EB7365", "multiply": "#BDC1FB",
        "concat": "#8EDE62", "reshape": "#A1A1A4", "elementwise": "#C9AE78",
        "reduction": "#5CC9D5", "softmax": "#D099BF", "dropout": "#B5B5B5",
        "upsample": "#69C08F", "padding": "#93A0B2", "embedding": "#A59CEE",
        "indexing": "#9DA9AA", "bookkeeping": "#9FB9BD", "unknown": "#CCCCCC",
    },
}  # fmt: skip
"""Theme -> kind (every one of `records.KINDS`) -> colour.

Chosen so that the kinds that share a chart stay apart for people who do not see red, green or
blue as others do (a test simulates all three), and all stand out from the paper by 3:1. Kinds
that compute nothing are greys.
"""

INK: Final = {"light": "#1B1F24", "dark": "#E8ECF1"}
"""Text and lines."""
MUTED_INK: Final = {"light": "#5A6472", "dark": "#A6B0BD"}
"""Secondary text: shapes on edges, axis labels."""
PAPER: Final = {"light": "#FFFFFF", "dark": "#12161C"}
"""What figures are drawn on."""


def kind_color(kind: str, theme: str = "light") -> str:
    """The colour of a layer kind in the theme "light" or "dark"."""
    return KIND_COLORS[theme][kind]


def tint(color: str, theme: str = "light", amount: float = 0.18) -> str:
    """Mix `amount` of a colour (0 to 1) into the theme's paper."""
    mixed = (
        round(amount * c + (1 - amount) * p)
        for c, p in zip(_rgb(color), _rgb(PAPER[theme]), strict=True)
    )
    return "#{:02X}{:02X}{:02X}".format(*mixed)


def pill_color(kind: str, theme: str = "light") -> str:
    """What a table fills a kind's pill with.

    Streamlit writes in black on a colour whose luminance is above 0.5 and else in white. The
    colours themselves lie between, where neither is readable.
    """
    return tint(kind_color(kind, theme), theme, 0.3 if theme == "light" else 0.5)


def contrast(a: str, b: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.2)."""
    high, low = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _luminance(color: str) -> float:
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (v / 255 for v in _rgb(color))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
