"""Colours are checked by what people see, three kinds of colour blindness included."""

from itertools import combinations
from math import dist

import pytest

from explorer.figures.theme import (
    INK,
    KIND_COLORS,
    MUTED_INK,
    PAPER,
    contrast,
    kind_color,
    pill_color,
    tint,
)
from explorer.trace.records import KINDS

THEMES = ("light", "dark")
MOST_SEEN = (
    "convolution", "linear", "attention", "normalization", "activation", "pooling", "add",
    "concat",
)  # fmt: skip
"""Kinds that stand next to each other in most charts."""

# Machado, Oliveira, Fernandes 2009: linear RGB as seen without one of the three cones.
VISIONS = {
    "all cones": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no long": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "no middle": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "no short": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


def lab(color: str, vision: str) -> tuple[float, float, float]:
    """CIE L*a*b* (D65) of a colour as someone sees it."""
    channels = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    seen = [sum(m * c for m, c in zip(row, linear, strict=True)) for row in VISIONS[vision]]
    r, g, b = (min(1.0, max(0.0, c)) for c in seen)
    x = (0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047
    y = 0.2126729 * r + 0.7151522 * g + 0.0721750 * b
    z = (0.0193339 * r + 0.1191920 * g + 0.9503041 * b) / 1.08883
    fx, fy, fz = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


@pytest.mark.parametrize("theme", THEMES)
def test_every_kind_has_a_colour_of_its_own(theme: str):
    assert set(KIND_COLORS[theme]) == set(KINDS)
    assert len(set(KIND_COLORS[theme].values())) == len(KINDS)


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("theme", THEMES)
def test_the_kinds_seen_most_stay_apart_for_everyone(theme: str, vision: str):
    # A difference of 2.3 is just noticeable when two patches touch.
    for a, b in combinations(MOST_SEEN, 2):
        seen = [lab(kind_color(kind, theme), vision) for kind in (a, b)]
        assert dist(*seen) > 13, (a, b)


@pytest.mark.parametrize("theme", THEMES)
def test_a_bar_stands_out_from_the_paper(theme: str):
    for kind in KINDS:
        assert contrast(kind_color(kind, theme), PAPER[theme]) >= 3, kind


@pytest.mark.parametrize("amount", [0.0, 0.1, 0.2])
@pytest.mark.parametrize("theme", THEMES)
def test_text_is_readable_on_paper_and_in_every_box(theme: str, amount: float):
    for kind in KINDS:
        assert contrast(INK[theme], tint(kind_color(kind, theme), theme, amount)) >= 4.5
    assert contrast(MUTED_INK[theme], PAPER[theme]) >= 4.5


def test_the_text_that_streamlit_writes_on_a_pill_is_readable():
    for kind in KINDS:
        # Black is written where the luminance is above 0.5: (0.5 + 0.05) / 0.05 = 11.
        assert contrast("#000000", pill_color(kind, "light")) > 11, kind
        assert contrast("#FFFFFF", pill_color(kind, "dark")) >= 4.5, kind


def test_contrast_is_that_of_the_guideline():
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)
    assert contrast("#FFFFFF", "#777777") == contrast("#777777", "#FFFFFF")


def test_a_tint_goes_from_paper_to_colour():
    assert tint("#FF0000", "light", 0) == "#FFFFFF"
    assert tint("#FF0000", "light", 1) == "#FF0000"
    assert tint("#FF0000", "light", 0.2) == "#FFCCCC"  # 255 - 0.2 * 255
