"""What scaling does to a network: its shape, its cost beside a rule, networks of equal cost."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final, NamedTuple

import plotly.graph_objects as go

from explorer.figures._layout import styled
from explorer.figures.theme import INK, KIND_COLORS, MUTED_INK, tint

_KINDS: Final = ("convolution", "linear", "pooling", "attention", "add")
"""Whose colours curves and groups of bars take, in turn."""


class Dot(NamedTuple):
    """A network in a plane."""

    x: float
    y: float
    label: str = ""
    hover: str = ""


def network_shape(
    blocks: Sequence[tuple[int, int]],
    base: Sequence[tuple[int, int]],
    *,
    name: str,
    base_name: str,
    title: str,
    x_title: str,
    y_title: str,
    hover: str,
    theme: str = "light",
) -> go.Figure:
    """A bar for each block, as tall as it has channels; the unscaled network as an outline.

    Args:
        blocks: channels and side of the map of each block, in order.
        base: the same of the unscaled network.
        name: of the network.
        base_name: of the unscaled one.
        title: of the figure.
        x_title: what the blocks are counted as.
        y_title: what the height is.
        hover: with the places {block}, {channels} and {side}.
        theme: "light" or "dark".

    Returns:
        The bars, then the outline; the side of the maps stands at the top of each run.
    """
    color = KIND_COLORS[theme]["convolution"]
    figure = go.Figure()
    figure.add_bar(
        x=list(range(1, len(blocks) + 1)),
        y=[channels for channels, _ in blocks],
        name=name,
        marker={"color": tint(color, theme, 0.55), "line": {"color": color, "width": 1}},
        text=[
            hover.format(block=number, channels=channels, side=side)
            for number, (channels, side) in enumerate(blocks, 1)
        ],
        textposition="none",
        hovertemplate="%{text}<extra></extra>",
    )
    edges = [at + half for at in range(1, len(base) + 1) for half in (-0.5, 0.5)]
    figure.add_scatter(
        x=[edges[0], *edges, edges[-1]],
        y=[0, *(channels for channels, _ in base for _ in range(2)), 0],
        name=base_name,
        mode="lines",
        line={"color": INK[theme], "width": 2, "dash": "dot"},
        hoverinfo="skip",
    )
    styled(figure, title, theme, height=290)
    top = 1.18 * max(channels for channels, _ in (*blocks, *base))
    start = 0
    for side, same in groupby(side for _, side in blocks):
        run = len(list(same))
        # In a row of their own, where no bar and no outline crosses them.
        figure.add_annotation(
            x=start + (run + 1) / 2, y=top, yanchor="top", text=f"{side}²", showarrow=False,
            font={"size": 12, "color": MUTED_INK[theme]},
        )  # fmt: skip
        if start:
            figure.add_vline(x=start + 0.5, line={"color": tint(MUTED_INK[theme], theme, 0.4),
                                                  "width": 1}, layer="below")  # fmt: skip
        start += run
    figure.update_xaxes(title_text=x_title, dtick=5, tick0=0)
    figure.update_yaxes(title_text=y_title, range=[0, top])
    return figure.update_layout(bargap=0.05, margin_b=64)


def rule_and_count(
    family: Sequence[Dot],
    compound: Sequence[Dot],
    chosen: Dot,
    *,
    family_name: str,
    compound_name: str,
    chosen_name: str,
    rule_name: str,
    title: str,
    x_title: str,
    y_title: str,
    theme: str = "light",
) -> go.Figure:
    """What is counted over what a rule predicts, for a family of networks and the chosen one.

    Args:
        family: published networks, with their labels.
        compound: networks that follow one coefficient, a line.
        chosen: the network that is looked at.
        family_name: for the legend; so the next three.
        compound_name: of the line.
        chosen_name: of the chosen network.
        rule_name: of the level at which the rule is right.
        title: of the figure.
        x_title: the predicted factor.
        y_title: counted over predicted.
        theme: "light" or "dark".
    """
    colors = KIND_COLORS[theme]
    figure = go.Figure()
    figure.add_scatter(
        x=[dot.x for dot in compound], y=[dot.y for dot in compound], name=compound_name,
        mode="lines+markers", text=[dot.hover for dot in compound],
        line={"color": colors["pooling"], "width": 1.5, "dash": "dash"},
        marker={"color": colors["pooling"], "size": 6, "symbol": "square"},
        hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=[dot.x for dot in family], y=[dot.y for dot in family], name=family_name,
        mode="markers+text", text=[dot.label for dot in family], textposition="bottom center",
        textfont={"size": 12, "color": INK[theme]}, customdata=[dot.hover for dot in family],
        marker={"color": colors["convolution"], "size": 10},
        hovertemplate="%{customdata}<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=[chosen.x], y=[chosen.y], name=chosen_name, mode="markers", text=[chosen.hover],
        marker={"color": colors["linear"], "size": 15, "symbol": "diamond",
                "line": {"color": INK[theme], "width": 1.5}},
        hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip
    styled(figure, title, theme, height=360)
    figure.add_hline(
        y=1,
        line={"color": MUTED_INK[theme], "width": 1.5},
        annotation={"text": rule_name, "font": {"size": 12, "color": MUTED_INK[theme]}},
        annotation_position="bottom right",
    )
    figure.update_xaxes(
        title_text=x_title,
        type="log",
        tickprefix="×",
        tickvals=[0.25, 0.5, 1, 2, 4, 10, 25, 50, 100],
    )
    figure.update_yaxes(title_text=y_title, tickprefix="×", tickformat=".1f")
    return figure.update_layout(margin_b=72)


def factor_bars(
    groups: Sequence[tuple[str, Sequence[float]]],
    measures: Sequence[str],
    *,
    title: str,
    y_title: str,
    theme: str = "light",
) -> go.Figure:
    """For each measure a group of bars, one for each network: times the unscaled network.

    Args:
        groups: name of each network, and its factor of every measure.
        measures: what the groups of bars are.
        title: of the figure.
        y_title: of the factors.
        theme: "light" or "dark".
    """
    figure = go.Figure()
    for (name, factors), kind in zip(groups, _KINDS, strict=False):
        figure.add_bar(
            x=list(measures),
            y=list(factors),
            name=name,
            marker={"color": KIND_COLORS[theme][kind]},
            text=[f"×{factor:.2f}" for factor in factors],
            textposition="outside",
            textfont={"size": 12},
            cliponaxis=False,
            hovertemplate="%{x}: ×%{y:.3f}<extra>" + name + "</extra>",
        )
    styled(figure, title, theme, height=360)
    figure.add_hline(y=1, line={"color": MUTED_INK[theme], "width": 1, "dash": "dot"})
    figure.update_yaxes(title_text=y_title, tickprefix="×", rangemode="tozero")
    return figure.update_layout(bargap=0.25, margin_b=56)


def thinning_curves(
    curves: Sequence[tuple[str, Sequence[float], Sequence[float], Sequence[float]]],
    printed: Sequence[Dot],
    chosen: Dot,
    *,
    printed_name: str,
    rule_name: str,
    chosen_name: str,
    title: str,
    x_title: str,
    y_title: str,
    theme: str = "light",
) -> go.Figure:
    """Counted cost over a multiplier, a curve for each resolution, and the rule beside each.

    Args:
        curves: name, multipliers, counted and predicted cost of each resolution.
        printed: what a paper prints.
        chosen: the network that is looked at.
        printed_name: for the legend; so the next two.
        rule_name: of the dashed lines.
        chosen_name: of the chosen network.
        title: of the figure.
        x_title: the multiplier.
        y_title: the cost.
        theme: "light" or "dark".
    """
    figure = go.Figure()
    for number, ((name, xs, counted, rule), kind) in enumerate(zip(curves, _KINDS, strict=False)):
        color = KIND_COLORS[theme][kind]
        figure.add_scatter(
            x=list(xs), y=list(counted), name=name, mode="lines+markers",
            line={"color": color, "width": 2}, marker={"color": color, "size": 6},
            hovertemplate="α = %{x}: %{y:.4s}<extra>" + name + "</extra>",
        )  # fmt: skip
        figure.add_scatter(
            x=list(xs), y=list(rule), name=rule_name, mode="lines", showlegend=number == 0,
            line={"color": color if number else MUTED_INK[theme], "width": 1.5, "dash": "dot"},
            hoverinfo="skip",
        )  # fmt: skip
    figure.add_scatter(
        x=[dot.x for dot in printed], y=[dot.y for dot in printed], name=printed_name,
        mode="markers", text=[dot.hover for dot in printed],
        marker={"color": INK[theme], "size": 13, "symbol": "circle-open", "line_width": 2},
        hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=[chosen.x], y=[chosen.y], name=chosen_name, mode="markers", text=[chosen.hover],
        marker={"color": KIND_COLORS[theme]["linear"], "size": 15, "symbol": "diamond",
                "line": {"color": INK[theme], "width": 1.5}},
        hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip
    styled(figure, title, theme, height=360)
    figure.update_xaxes(
        title_text=x_title, type="log", tickvals=list(curves[0][1]), tickformat=".2f"
    )
    figure.update_yaxes(title_text=y_title, type="log", dtick="D2", tickformat="~s")
    return figure.update_layout(margin_b=96)


def width_line(
    line: Sequence[float],
    steps: Sequence[float],
    widths: Sequence[int],
    *,
    line_name: str,
    steps_name: str,
    widths_name: str,
    title: str,
    x_title: str,
    y_title: str,
    theme: str = "light",
) -> go.Figure:
    """RegNet's widths over its blocks: the line, the steps that it is rounded to, the network.

    Args:
        line: the line's value at each block.
        steps: the rounded values.
        widths: channels of the real network's blocks.
        line_name: for the legend; so the next two.
        steps_name: of the rounded values.
        widths_name: of the real widths.
        title: of the figure.
        x_title: number of the block.
        y_title: channels.
        theme: "light" or "dark".
    """
    colors = KIND_COLORS[theme]
    blocks = list(range(len(line)))
    figure = go.Figure()
    figure.add_bar(
        x=blocks, y=list(widths), name=widths_name,
        marker={"color": tint(colors["convolution"], theme, 0.45),
                "line": {"color": colors["convolution"], "width": 1}},
        hovertemplate="j = %{x}: %{y:,}<extra>" + widths_name + "</extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=blocks, y=list(line), name=line_name, mode="lines+markers",
        line={"color": colors["linear"], "width": 2}, marker={"size": 6},
        hovertemplate="j = %{x}: %{y:,.2f}<extra>" + line_name + "</extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=blocks, y=list(steps), name=steps_name, mode="markers",
        marker={"color": INK[theme], "size": 9, "symbol": "line-ew", "line_width": 2.5},
        hovertemplate="j = %{x}: %{y:,.2f}<extra>" + steps_name + "</extra>",
    )  # fmt: skip
    styled(figure, title, theme, height=340)
    start = 0
    for width, same in groupby(widths):
        run = len(list(same))
        figure.add_annotation(
            x=start + (run - 1) / 2, y=max(width, *line[start : start + run]), yshift=14,
            text=f"{width} × {run}", showarrow=False, font={"size": 12, "color": INK[theme]},
        )  # fmt: skip
        start += run
    figure.update_xaxes(title_text=x_title, dtick=5)
    figure.update_yaxes(title_text=y_title, range=[0, 1.15 * max(*widths, *line)])
    return figure.update_layout(bargap=0.05, margin_b=80)
