"""Guesses of a learner, as people type them."""

import pytest

from explorer.lessons.guess import check, parse


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("25,557,032", 25_557_032),
        ("25557032", 25_557_032),
        ("25.6 M", 25_557_032),
        ("25.6M", 25_557_032),
        ("26 m", 25_557_032),
        ("4.09G", 4_089_184_256),
        ("64 x 56 x 56", (64, 56, 56)),
        ("64×56×56", (64, 56, 56)),
        ("(64, 56, 56)", (64, 56, 56)),
        ("64 56 56", (64, 56, 56)),
        ("1, 1000", (1, 1000)),
        ("0", 0),
        ("4.09e9", 4_089_184_256),
        ("25.6M params", 25_557_032),
        ("4,089,184,256 MACs", 4_089_184_256),
    ],
)
def test_what_is_right_is_called_right(text: str, answer: int | tuple[int, ...]) -> None:
    assert check(text, answer).right


@pytest.mark.parametrize(
    ("text", "answer", "ratio"),
    [
        ("25,557,033", 25_557_032, 1.0),  # a whole number must be exact
        ("25.5 M", 25_557_032, 0.9978),  # rounds to 25.6
        ("8.18 G", 4_089_184_256, 2.0004),
        ("112 x 112", (64, 56, 56), None),
        ("64 x 112 x 112", (64, 56, 56), 4.0),
        ("3 G", 1, 3e9),
        ("0", 4_089_184_256, 0.0),
    ],
)
def test_what_is_wrong_is_told_by_how_much(
    text: str, answer: int | tuple[int, ...], ratio: float | None
) -> None:
    verdict = check(text, answer)
    assert verdict.readable
    assert not verdict.right
    assert verdict.ratio == (None if ratio is None else pytest.approx(ratio, rel=1e-3))


def test_each_side_of_a_shape_is_judged() -> None:
    verdict = check("32 x 112 x 56", (64, 56, 56))
    assert verdict.off == (-32, 56, 0)
    assert verdict.sides == (32, 112, 56)
    assert not check("112 x 112", (64, 56, 56)).off


@pytest.mark.parametrize(
    "text", ["", "many", "1e-9", "-3", "3 apples", "64 x", "64 x fifty", "9" * 100]
)
def test_what_is_no_number_is_not_read(text: str) -> None:
    assert (parse(text) is None) == (text not in ("64 x",))
