"""What the lesson "Scaling" asks for: networks built and counted, and its figures."""

from __future__ import annotations

from typing import Final, Literal

import streamlit as st

from explorer.analysis.units import compact
from explorer.figures.scaling import (
    Dot,
    factor_bars,
    network_shape,
    rule_and_count,
    thinning_curves,
    width_line,
)
from explorer.lessons import scaling as lesson
from explorer.lessons.scaling import (
    Dimension,
    Printed,
    RegNet,
    Rule,
    Scaled,
    Scaling,
    Steps,
    Thinned,
)
from explorer.zoo import get_spec

Theme = Literal["light", "dark"]
Words = tuple[tuple[str, str], ...]
"""What a figure says: names of its arguments, and texts in the visitor's language."""

BASE: Final = Scaling(1.0, 1.0, lesson.SIDE)
PHIS: Final = tuple(range(8))
WIDTHS: Final = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
SIDES: Final = (224, 192, 160, 128)
"""The resolutions of MobileNet's paper."""


@st.cache_data(max_entries=256, show_spinner=False)
def scaled(scaling: Scaling) -> Scaled:
    """Build and count EfficientNet-B0 with other multipliers."""
    return lesson.scale(scaling)


@st.cache_data(max_entries=256, show_spinner=False)
def steps(scaling: Scaling) -> Steps:
    """What lies between the rule and the count."""
    return lesson.steps(scaled(scaling))


@st.cache_data(max_entries=8, show_spinner=False)
def equal_cost(times: float) -> tuple[tuple[Dimension, Scaled], ...]:
    """Networks of about equal MACs, each scaled in another way."""
    return tuple(lesson.at_equal_cost(times).items())


@st.cache_data(max_entries=128, show_spinner=False)
def thinned(width: float, side: int) -> Thinned:
    """Build and count a MobileNet with its two multipliers."""
    return lesson.thin(width, side)


@st.cache_data(max_entries=1, show_spinner=False)
def printed() -> tuple[Printed, ...]:
    """What is printed of MobileNets."""
    return lesson.printed_mobilenets()


@st.cache_data(max_entries=256, show_spinner=False)
def regnet(rule: Rule) -> RegNet:
    """Build and count the RegNet of a rule."""
    return lesson.regnet(rule)


# ------------------------------------------------------------------------ figures


@st.cache_data(max_entries=128, show_spinner=False)
def shape_json(scaling: Scaling, words: Words, theme: Theme) -> str:
    """The blocks of the scaled network over those of B0."""
    return str(
        network_shape(
            scaled(scaling).blocks, scaled(BASE).blocks, theme=theme, **dict(words)
        ).to_json()
    )


@st.cache_data(max_entries=128, show_spinner=False)
def rule_json(scaling: Scaling, words: Words, theme: Theme) -> str:
    """Counted over predicted, for B0 to B7, for whole φ and for the chosen network."""
    family = [_over_rule(get_spec(name).title.removeprefix("EfficientNet-"), each)
              for name, each in lesson.family().items()]  # fmt: skip
    compound = [_over_rule(f"φ = {phi}", lesson.compound(phi)) for phi in PHIS]
    chosen = _over_rule("", scaling)
    return str(rule_and_count(family, compound, chosen, theme=theme, **dict(words)).to_json())


def _over_rule(label: str, scaling: Scaling) -> Dot:
    counted = scaled(scaling).cost.macs
    factor = counted / scaled(BASE).cost.macs
    what = f"<b>{label}</b><br>" if label else ""
    hover = (
        f"{what}d {scaling.depth:.2f} · w {scaling.width:.2f} · {scaling.side}²<br>"
        f"d · w² · r² = ×{scaling.rule:.2f}<br>{compact(counted)} = ×{factor:.2f}"
    )
    return Dot(scaling.rule, factor / scaling.rule, label, hover)


@st.cache_data(max_entries=16, show_spinner=False)
def equal_cost_json(
    times: float, names: tuple[str, ...], measures: tuple[str, ...], words: Words, theme: Theme
) -> str:
    """Networks of equal MACs: MACs, parameters, activations and time over those of B0."""
    base = scaled(BASE).cost
    groups = [
        (
            name,
            (
                made.cost.macs / base.macs,
                made.cost.params / base.params,
                made.cost.activation_bytes / base.activation_bytes,
                made.cost.ms / base.ms,
            ),
        )
        for name, (_, made) in zip(names, equal_cost(times), strict=True)
    ]
    return str(factor_bars(groups, measures, theme=theme, **dict(words)).to_json())


@st.cache_data(max_entries=128, show_spinner=False)
def thinning_json(width: float, side: int, words: Words, theme: Theme) -> str:
    """MobileNet's MACs over its width multiplier, for the paper's resolutions."""
    curves = []
    for each in SIDES:
        made = [thinned(alpha, each) for alpha in WIDTHS]
        curves.append((f"{each} px", WIDTHS, [m.macs for m in made], [m.rule for m in made]))
    dots = [
        Dot(row.width, row.macs, hover=f"{compact(row.macs)}<br>{row.source}") for row in printed()
    ]
    chosen = thinned(width, side)
    point = Dot(width, chosen.macs, hover=f"α = {width:g}, {side} px: {compact(chosen.macs)}")
    return str(thinning_curves(curves, dots, point, theme=theme, **dict(words)).to_json())


@st.cache_data(max_entries=128, show_spinner=False)
def line_json(rule: Rule, words: Words, theme: Theme) -> str:
    """RegNet's line, its steps and the widths of the real network."""
    made = regnet(rule)
    return str(
        width_line(
            made.line.line,
            made.line.steps,
            [block.width for block in made.blocks],
            theme=theme,
            **dict(words),
        ).to_json()
    )
