"""Drawings of `explorer.lessons.drawing` on a page, two beside each other at one scale."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from explorer.lessons.drawing import Picture


def show(picture: Picture, alt: str, *, height: int = 420, width: int = 560) -> None:
    """Draw one picture no larger than it is and than a limit.

    Args:
        picture: what to draw.
        alt: what it shows, for those who cannot see it.
        height: at most, in pixels.
        width: at most, in pixels.
    """
    scale = _scale([picture], height, width)
    st.image(picture.svg, width=round(picture.width * scale), alt=alt)


Shown = tuple[str, Picture, str]
"""Caption, picture and description."""


def beside(shown: Sequence[Shown], *, height: int = 420, width: int = 560) -> None:
    """Draw pictures in columns, all at one scale.

    Args:
        shown: left to right.
        height: at most, in pixels.
        width: of each at most, in pixels.
    """
    scale = _scale([picture for _, picture, _ in shown], height, width)
    shares = [max(picture.width, 150) for _, picture, _ in shown]
    for column, each in zip(st.columns(shares, gap="small"), shown, strict=True):
        with column:
            _captioned(each, scale)


def fitted(shown: Sequence[Shown], *, height: int, width: int) -> None:
    """Draw pictures beside or below each other, whatever lets them be larger.

    Args:
        shown: first to last.
        height: of all together, in pixels.
        width: of all together.
    """
    drawn = [picture for _, picture, _ in shown]
    wide = sum(picture.width for picture in drawn)
    row = min(_scale(drawn, height - _CAPTION, wide), width / wide)
    column = _scale(drawn, height // len(drawn) - _CAPTION, width)
    if row >= column:
        shares = [picture.width for picture in drawn]
        places = st.columns(shares, gap="small")
    else:
        places = [st.container(gap="xxsmall") for _ in drawn]
    for place, each in zip(places, shown, strict=True):
        with place:
            _captioned(each, min(1.0, max(row, column)))


_CAPTION = 40
"""Height of a caption, in pixels."""


def _captioned(shown: Shown, scale: float) -> None:
    caption, picture, alt = shown
    st.markdown(f"**{caption}**")
    st.image(picture.svg, width=round(picture.width * scale), alt=alt)


def _scale(pictures: Sequence[Picture], height: int, width: int) -> float:
    return min(
        1.0,
        *(height / picture.height for picture in pictures),
        *(width / picture.width for picture in pictures),
    )
