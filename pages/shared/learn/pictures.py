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


def beside(
    shown: Sequence[tuple[str, Picture, str]], *, height: int = 420, width: int = 560
) -> None:
    """Draw pictures in columns, all at the scale of the largest.

    Args:
        shown: caption, picture and description of each.
        height: at most, in pixels.
        width: of each at most, in pixels.
    """
    scale = _scale([picture for _, picture, _ in shown], height, width)
    shares = [max(picture.width, 150) for _, picture, _ in shown]
    for column, (caption, picture, alt) in zip(st.columns(shares, gap="small"), shown, strict=True):
        with column:
            st.markdown(f"**{caption}**")
            st.image(picture.svg, width=round(picture.width * scale), alt=alt)


def _scale(pictures: Sequence[Picture], height: int, width: int) -> float:
    return min(
        1.0,
        *(height / picture.height for picture in pictures),
        *(width / picture.width for picture in pictures),
    )
