"""What the lesson "Attention and patches" asks for: transformers counted, and its figures."""

from __future__ import annotations

from typing import Final, Literal

import streamlit as st

from explorer.errors import ExplorerError
from explorer.figures.attention import Curve, part_bars, size_curves
from explorer.figures.theme import PAPER
from explorer.lessons import attention as lesson
from explorer.lessons.attention import Body, Memory, Transformer, Windowed
from explorer.lessons.pictures import Pixels
from pages.shared.cache.keep import keep

Theme = Literal["light", "dark"]
Words = tuple[tuple[str, str], ...]
"""What a figure says: names of its arguments, and texts in the visitor's language."""

SIDES: Final = tuple(224 * times for times in range(1, 7))
"""Whole patches of every size on offer, and whole windows of Swin at every stage."""
BAR_SIDES: Final = (224, 448, 896, 1344)


@st.cache_data(max_entries=16, show_spinner=False)
def body(name: str) -> Body:
    """What a network is made of."""
    return lesson.body(name)


@keep(max_entries=512)
def transformer(name: str, side: int, patch: int, heads: int = 0) -> Transformer | str:
    """A transformer built and counted, or why there is none, in one sentence."""
    try:
        return lesson.transformer(name, side, patch, heads or None)
    except ExplorerError as error:
        return str(error)


@st.cache_data(max_entries=64, show_spinner=False)
def cut(patches: int, windows: int, theme: Theme) -> Pixels:
    """The sample picture in pieces."""
    return lesson.cut(patches, windows=windows, gap=5 if windows else 3, paper=PAPER[theme])


@st.cache_data(max_entries=1, show_spinner=False)
def cnn() -> tuple[tuple[int, int], ...]:
    """Side and MACs of ResNet-50."""
    return lesson.macs_at(lesson.CNN, SIDES)


@st.cache_data(max_entries=8, show_spinner=False)
def windowed(side: int) -> Windowed:
    """Swin-T at one size."""
    return lesson.windowed(side)


@st.cache_data(max_entries=256, show_spinner=False)
def memory(tokens: int, heads: int, head_dim: int) -> Memory:
    """What one block's attention takes, written out and fused."""
    return lesson.attention_memory(tokens, heads, head_dim)


@st.cache_data(max_entries=1, show_spinner=False)
def kernel() -> str:
    """What torch runs on this machine's CPU."""
    return lesson.cpu_kernel()


def made(name: str, side: int, patch: int) -> Transformer:
    """A transformer at a size that is known to fit."""
    found = transformer(name, side, patch)
    if isinstance(found, str):
        raise LookupError(found)
    return found


# ------------------------------------------------------------------------ figures


@st.cache_data(max_entries=128, show_spinner=False)
def parts_json(
    name: str, side: int, patch: int, names: tuple[str, ...], words: Words, theme: Theme
) -> str:
    """Shares of the MACs at several sizes, the chosen one among them."""
    sides = sorted({side, *BAR_SIDES})
    rows = [made(name, each, patch) for each in sides]
    parts = [
        (part.name, said, [row.parts[at].counted for row in rows])
        for at, (part, said) in enumerate(zip(rows[0].parts, names, strict=True))
    ]
    sizes = [
        f"{'▸ ' if row.side == side else ''}{row.side}² px, N = {row.tokens:,}" for row in rows
    ]
    return str(part_bars(sizes, parts, theme=theme, **dict(words)).to_json())


@st.cache_data(max_entries=128, show_spinner=False)
def cost_json(
    name: str,
    side: int,
    patch: int,
    names: tuple[str, ...],
    words: Words,
    theme: Theme,
    *,
    a_pixel: bool,
) -> str:
    """MACs over the side: the transformer and its two halves, ResNet-50 and Swin-T."""
    of = body(name)
    fine = range(4 * patch, SIDES[-1] + 1, max(patch, 32))
    formulas = [lesson.formula_macs(of, each, patch) for each in fine]
    total = [(each, made(name, each, patch).macs) for each in SIDES]
    quadratic = [(each, f["attention"]) for each, f in zip(fine, formulas, strict=True)]
    linear = [
        (each, sum(f.values()) - f["attention"]) for each, f in zip(fine, formulas, strict=True)
    ]
    swin = [(each, windowed(each).macs) for each in SIDES]
    drawn = (
        (total, "convolution", "solid"),
        (linear, "convolution", "dot"),
        (quadratic, "attention", "dash"),
        (cnn(), "linear", "solid"),
        (swin, "pooling", "solid"),
    )
    curves = [
        Curve(
            said,
            [x for x, _ in points],
            [y / x**2 if a_pixel else y for x, y in points],
            kind,
            dash,
            markers=dash == "solid",
        )
        for said, (points, kind, dash) in zip(names, drawn, strict=True)
    ]
    return str(
        size_curves(
            curves,
            chosen=side,
            mark=patch * (of.crossover - 1) ** 0.5,
            theme=theme,
            **dict(words),
        ).to_json()
    )


@st.cache_data(max_entries=128, show_spinner=False)
def memory_json(
    name: str, side: int, patch: int, names: tuple[str, str], words: Words, theme: Theme
) -> str:
    """One block's attention over the side, written out and fused."""
    of = body(name)
    sides = sorted({4 * patch, side, *SIDES})
    found = [
        memory(lesson.token_count(each, patch), of.heads, of.dim // of.heads) for each in sides
    ]
    curves = [
        Curve(names[0], sides, [each.written_out / 2**20 for each in found], "attention"),
        Curve(names[1], sides, [each.fused / 2**20 for each in found], "pooling", "dash"),
    ]
    return str(
        size_curves(
            curves,
            chosen=side,
            tickformat=",",
            theme=theme,
            **dict(words),  # type: ignore[arg-type]
        ).to_json()
    )


@st.cache_data(max_entries=128, show_spinner=False)
def heads_json(
    name: str,
    side: int,
    patch: int,
    heads: int,
    names: tuple[str, str, str, str],
    words: Words,
    theme: Theme,
) -> str:
    """What the number of heads changes, over a network with one."""
    rows = [transformer(name, side, patch, each) for each in head_counts(name)]
    known = [row for row in rows if not isinstance(row, str)]
    xs = [row.body.heads for row in known]
    curves = [
        Curve(names[0], xs, [row.params / known[0].params for row in known], "convolution"),
        Curve(names[1], xs, [row.macs / known[0].macs for row in known], "linear", "dot"),
        Curve(
            names[2], xs, [row.matrix_bytes / known[0].matrix_bytes for row in known], "attention"
        ),
    ]
    return str(
        size_curves(
            curves,
            chosen=heads,
            unit=names[3],
            tickformat=",",
            theme=theme,
            **dict(words),  # type: ignore[arg-type]
        ).to_json()
    )


def head_counts(name: str) -> list[int]:
    """Numbers of heads that divide a network's width, up to 32."""
    dim = body(name).dim
    return [heads for heads in range(1, 33) if dim % heads == 0]
