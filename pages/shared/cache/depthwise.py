"""What "Depthwise separable and grouped convolution" asks for."""

from __future__ import annotations

from typing import Final

import streamlit as st

from explorer.figures.lines import Line, lines
from explorer.figures.parts import Part, share_bars
from explorer.figures.separable import RoofDot, reach_maps, roof
from explorer.lessons import depthwise as lesson
from explorer.lessons.drawing import Picture
from pages.shared.cache.keep import keep
from pages.shared.cache.traces import Theme

SHUFFLED: Final = 12
"""Channels of the drawing of a shuffle."""
_KINDS: Final = {
    "pointwise": "convolution", "depthwise": "activation", "full": "pooling", "linear": "linear"
}  # fmt: skip
"""Type of layer -> the kind whose colour it has."""
_DOTS: Final = {"full": "pooling", "depthwise": "activation", "pointwise": "convolution"}


@st.cache_data(max_entries=128, show_spinner=False)
def costs(setting: lesson.Setting, groups: int) -> tuple[lesson.Cost, lesson.Cost, lesson.Cost]:
    """The full convolution; one that is separable; and one whose k x k is in groups."""
    return (
        lesson.full_cost(setting),
        lesson.separable_cost(setting),
        lesson.separable_cost(setting, groups),
    )


@keep(max_entries=64)
def pictures(setting: lesson.Setting, groups: int, theme: Theme) -> tuple[Picture, Picture]:
    """Both as diagrams."""
    return lesson.pictures(setting, groups, dark=theme == "dark")


@st.cache_data(max_entries=64, show_spinner=False)
def curve_json(
    setting: lesson.Setting, groups: int, title: str, axes: tuple[str, str],
    names: tuple[str, str], height: int, theme: Theme,
) -> str:  # fmt: skip
    """Cost over the number of groups, as Plotly's JSON.

    Args:
        setting: of both curves.
        groups: where they are marked.
        title: of the figure.
        axes: titles of groups and shares.
        names: of the grouped convolution alone, and with the 1x1.
        height: in pixels.
        theme: "light" or "dark".
    """
    found = lesson.curve(setting)
    x = tuple(map(float, found.groups))
    shown = (
        Line(names[0], "input", x, found.grouped, "dash", float(groups)),
        Line(names[1], "convolution", x, found.separable, "solid", float(groups)),
    )
    ticks = [n for n in found.groups if n & (n - 1) == 0 or n == setting.channels]
    drawn = lines(
        shown, title=title, x_title=axes[0], y_title=axes[1], log_x=True, log_y=True,
        y_format=".2~%", x_ticks=ticks, height=height, theme=theme,
    )  # fmt: skip
    return str(drawn.to_json())


@st.cache_data(max_entries=8, show_spinner=False)
def shares() -> tuple[lesson.Share, ...]:
    """MobileNet's cost by type of layer."""
    return lesson.shares()


@st.cache_data(max_entries=16, show_spinner=False)
def shares_json(
    title: str, bars: tuple[str, str], names: tuple[str, str, str, str], theme: Theme
) -> str:
    """Them as two bars, of MACs and of parameters, as Plotly's JSON."""
    parts = [
        Part(name, _KINDS[share.kind], (float(share.macs), float(share.params)))
        for name, share in zip(names, shares(), strict=True)
    ]
    return str(share_bars(bars, parts, title=title, theme=theme).to_json())


@st.cache_data(max_entries=32, show_spinner=False)
def reached(groups: int, *, shuffle: bool) -> int:
    """Inputs that one output depends on, behind two grouped convolutions."""
    return int(lesson.reach(SHUFFLED, groups, shuffle=shuffle)[0].sum())


@st.cache_data(max_entries=32, show_spinner=False)
def reach_json(groups: int, titles: tuple[str, str], axes: tuple[str, str], theme: Theme) -> str:
    """Which inputs each output depends on, without a shuffle and with one, as Plotly's JSON."""
    panels = [
        (title, lesson.reach(SHUFFLED, groups, shuffle=shuffle))
        for title, shuffle in zip(titles, (False, True), strict=True)
    ]
    drawn = reach_maps(panels, groups=groups, x_title=axes[0], y_title=axes[1], theme=theme)
    return str(drawn.to_json())


@st.cache_data(max_entries=256, show_spinner=False)
def timed(setting: lesson.Setting, device: str, images: int) -> lesson.Timed:
    """Both ways, predicted."""
    return lesson.timed(setting, device, images)


@st.cache_data(max_entries=64, show_spinner=False)
def roof_json(
    setting: lesson.Setting, device: str, images: int, title: str, axes: tuple[str, str],
    texts: tuple[str, str], names: tuple[str, str, str], height: int, theme: Theme,
) -> str:  # fmt: skip
    """Where the three layers lie under the roof, as Plotly's JSON; texts as `roof` takes them."""
    found = timed(setting, device, images)
    dots = [
        RoofDot(name, _DOTS[dot.name], dot.intensity, dot.rate, dot.ms)
        for name, dot in zip(names, (found.full, *found.parts), strict=True)
    ]
    drawn = roof(
        dots, peak=found.peak, bandwidth=found.bandwidth, title=title, x_title=axes[0],
        y_title=axes[1], texts=texts, height=height, theme=theme,
    )  # fmt: skip
    return str(drawn.to_json())
