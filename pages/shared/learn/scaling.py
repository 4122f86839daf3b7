"""What stands on the lesson "Scaling": three knobs, a rule and its count, two other families."""

from __future__ import annotations

from collections.abc import Callable
from math import log
from typing import Final, NamedTuple, TypeVar

import pandas as pd
import streamlit as st

from explorer.analysis.units import compact, count, memory, rounded
from explorer.lessons.scaling import (
    BATCH,
    DEVICE,
    SIDE,
    TABLE_7,
    Dimension,
    Rule,
    Scaling,
    compound,
    family,
    presets,
)
from explorer.zoo import get_spec
from pages.shared import address
from pages.shared.cache import scaling as cache
from pages.shared.learn.lesson import Lesson, Number
from pages.shared.text import N_, _
from pages.shared.widgets import theme

WAYS: Final = {
    "phi": N_("All by one φ"),
    "each": N_("Each alone"),
    "family": N_("B0 to B7"),
}
TIMES: Final = (2, 3, 4)
DIMENSIONS: Final[dict[Dimension, str]] = {
    "depth": N_("Deeper"),
    "width": N_("Wider"),
    "resolution": N_("Sharper"),
    "compound": N_("All three"),
}
FIRST_RULE: Final = "regnet_x_3_2gf"
_DEPTHS, _WIDTHS, _SIDES = (0.5, 4.0, 0.1), (0.5, 3.0, 0.05), (96, 672, 4)
"""Least, most and step of the knobs."""
_THIN, _THIN_SIDES = (0.25, 1.5, 0.05), (96, 320, 32)


T = TypeVar("T")


class View(NamedTuple):
    """What is looked at."""

    way: str
    scaling: Scaling
    times: int
    alpha: float
    side: int
    """Of the image that MobileNet sees."""
    rule: Rule


# ------------------------------------------------------------------------ choices


def open_view() -> View:
    """Read all choices from the session or the address, and record those that count."""
    way = address.restore("how", "scaling_how", _one_of(tuple(WAYS)), "phi")
    phi = address.restore("phi", "scaling_phi", _number(0, 7), 2.0)
    depth = address.restore("d", "scaling_d", _number(*_DEPTHS[:2]), 1.0)
    width = address.restore("w", "scaling_w", _number(*_WIDTHS[:2]), 1.0)
    side = address.restore("r", "scaling_side", _whole(*_SIDES[:2]), SIDE)
    number = address.restore("b", "scaling_b", _whole(0, 7), 3)
    times = address.restore("times", "scaling_times", _one_of(TIMES), 2)
    alpha = address.restore("alpha", "scaling_alpha", _number(*_THIN[:2]), 0.5)
    seen = address.restore("rho", "scaling_rho", _whole(*_THIN_SIDES[:2]), SIDE)
    address.record(
        {
            "how": _unless(way, "phi"),
            "phi": _unless(f"{phi:g}", "2") if way == "phi" else None,
            "d": _unless(f"{depth:g}", "1") if way == "each" else None,
            "w": _unless(f"{width:g}", "1") if way == "each" else None,
            "r": _unless(str(side), str(SIDE)) if way == "each" else None,
            "b": _unless(str(number), "3") if way == "family" else None,
            "times": _unless(str(times), "2"),
            "alpha": _unless(f"{alpha:g}", "0.5"),
            "rho": _unless(str(seen), str(SIDE)),
        }
    )
    if way == "phi":
        scaling = compound(phi)
    elif way == "each":
        scaling = Scaling(depth, width, side)
    else:
        scaling = family()[f"efficientnet_b{number}"]
    st.session_state["scaling_last"] = tuple(scaling)
    return View(way, scaling, times, alpha, seen, _open_rule())


def _open_rule() -> Rule:
    first = presets()[FIRST_RULE]
    rule = Rule(
        depth=address.restore("blocks", "scaling_blocks", _whole(1, 40), first.depth),
        w_0=address.restore("w0", "scaling_w0", _eights(8, 512), first.w_0),
        w_a=address.restore("wa", "scaling_wa", _number(0, 256), first.w_a),
        w_m=address.restore("wm", "scaling_wm", _number(1.5, 3), first.w_m),
        group_width=address.restore("gw", "scaling_gw", _whole(1, 512), first.group_width),
        squeeze=address.restore("se", "scaling_se", {"yes": True, "no": False}.get, first.squeeze),
    )
    address.record(
        {
            "blocks": _unless(str(rule.depth), str(first.depth)),
            "w0": _unless(str(rule.w_0), str(first.w_0)),
            "wa": _unless(f"{rule.w_a:g}", f"{first.w_a:g}"),
            "wm": _unless(f"{rule.w_m:g}", f"{first.w_m:g}"),
            "gw": _unless(str(rule.group_width), str(first.group_width)),
            "se": "yes" if rule.squeeze else None,
        }
    )
    return rule


def _switch() -> None:
    """The knobs begin where the network stands."""
    address.touch()
    state = st.session_state
    if state["scaling_how"] == "each" and "scaling_last" in state:
        depth, width, side = state["scaling_last"]
        state["scaling_d"] = _on_grid(depth, *_DEPTHS)
        state["scaling_w"] = _on_grid(width, *_WIDTHS)
        state["scaling_side"] = int(_on_grid(side, *_SIDES))


def _adopt() -> None:
    """The numbers become those of the chosen preset."""
    address.touch()
    state = st.session_state
    rule = presets().get(state["scaling_preset"] or "")
    if rule:
        keys = ("blocks", "w0", "wa", "wm", "gw", "se")
        state.update({f"scaling_{key}": value for key, value in zip(keys, rule, strict=True)})


# ------------------------------------------------------------------- EfficientNet


def knobs(view: View) -> None:
    """The way to scale and its sliders."""
    widths = [1.9, 1, 1, 1] if view.way == "each" else [1.9, 1, 2]
    way, first, *others = st.columns(widths, vertical_alignment="bottom", gap="medium")
    way.segmented_control(
        _("Scale by"),
        list(WAYS),
        key="scaling_how",
        required=True,
        format_func=lambda name: _(WAYS[name]),
        on_change=_switch,
    )
    touch = address.touch
    if view.way == "phi":
        first.slider(
            "φ", 0.0, 7.0, step=0.5, key="scaling_phi", on_change=touch,
            help=_("depth 1.2^φ, width 1.1^φ, 224 · 1.15^φ pixels a side"),
        )  # fmt: skip
    elif view.way == "each":
        for column, (label, key, (low, high, step)) in zip(
            (first, *others),
            (
                (_("Depth d"), "scaling_d", _DEPTHS),
                (_("Width w"), "scaling_w", _WIDTHS),
                (_("Pixels a side"), "scaling_side", _SIDES),
            ),
            strict=False,
        ):
            column.slider(label, low, high, step=step, key=key, on_change=touch)
    else:
        first.select_slider("B", list(range(8)), key="scaling_b", on_change=touch)
    if view.way != "each":
        others[0].caption(
            _("depth {d} · width {w} · {side} pixels a side").format(
                d=f"**{view.scaling.depth:.2f}**",
                w=f"**{view.scaling.width:.2f}**",
                side=f"**{view.scaling.side}**",
            )
        )


def shape(lesson: Lesson, view: View) -> None:
    """The scaled network as bars, and what it costs."""
    made, base = cache.scaled(view.scaling), cache.scaled(cache.BASE)
    words = (
        ("name", _("this network")),
        ("base_name", "B0"),
        ("title", _("Each block as tall as it has channels; at the top the pixels of the maps")),
        ("x_title", _("block")),
        ("y_title", _("channels")),
        ("hover", _("block {block}: {channels} channels, {side} × {side} pixels")),
    )
    cost, one = made.cost, base.cost
    lesson.numbers(
        [
            (_("Blocks"), count(len(made.blocks)), _("B0 has {n}").format(n=len(base.blocks))),
            _times(_("Parameters"), compact(cost.params), cost.params / one.params),
            _times(_("MACs"), compact(cost.macs), cost.macs / one.macs),
            _times(
                _("Activations"),
                memory(cost.activation_bytes),
                cost.activation_bytes / one.activation_bytes,
            ),
            _times(_("Predicted time"), f"{rounded(cost.ms)} ms", cost.ms / one.ms),
        ],
        key="scaled",
    )
    lesson.plot(
        cache.shape_json(view.scaling, words, theme()),
        key="scaling_shape",
        alt=_("Bars for the blocks of the scaled network over the outline of B0."),
    )
    lesson.answer(
        _(
            "**Depth** repeats blocks: parameters, MACs and activations grow alike. **Width** "
            "makes every block wider on both sides: parameters and MACs grow with its square, "
            "activations only in proportion. **Resolution** changes no weight: the parameters "
            "stay, MACs and activations grow with the square of the side."
        )
    )
    st.caption(
        _(
            "Counts are those of one image. Activations are all tensors of the pass, in float32. "
            "The time is predicted, not measured: for one image of a batch of {batch} on an "
            "{device}."
        ).format(batch=BATCH, device=DEVICE)
    )


def _times(label: str, value: str, factor: float) -> Number:
    return label, value, _("× {factor} of B0").format(factor=f"{factor:.2f}")


def rule(lesson: Lesson, view: View) -> None:
    """The paper's rule beside the count, and what lies between."""
    st.markdown(
        _(
            "The paper's rule: MACs grow with **d · w² · r²**, which is ${base}^φ$, about "
            "$2^φ$. By how much does each thing that it leaves out move the count of the real "
            "network?"
        ).format(base=f"{1.2 * 1.1**2 * 1.15**2:.2f}")
    )
    found = cache.steps(view.scaling)
    names = {
        "parts": (_("Parts' own laws"), _("some grow slower")),
        "blocks": (_("Whole blocks"), _("rounded up")),
        "channels": (_("Channels in eights"), _("rounded")),
        "rest": (_("Pixels, the rest"), _("rounded up")),
    }
    lesson.numbers(
        [
            (_("Rule"), f"× {found.rule:.2f}", "d · w² · r²"),
            *((name, f"× {getattr(found, key):.3f}", said) for key, (name, said) in names.items()),
            (_("Counted"), f"× {found.counted:.2f}", f"{found.counted / found.rule:.0%}"),
        ],
        key="steps",
        least=150,
    )
    words = (
        ("family_name", _("B0 to B7 as published")),
        ("compound_name", _("whole φ")),
        ("chosen_name", _("this network")),
        ("rule_name", _("the rule")),
        ("title", _("Counted MACs over those that the rule predicts")),
        ("x_title", _("predicted: d · w² · r²")),
        ("y_title", _("counted over predicted")),
    )
    lesson.plot(
        cache.rule_json(view.scaling, words, theme()),
        key="scaling_rule",
        alt=_("Points of published and chosen networks beside a level line, the rule."),
    )
    largest = max(names, key=lambda name: abs(log(getattr(found, name))))
    lesson.answer(
        _(
            "The rule says × {rule}, the network costs × {counted}. What moves it most: "
            "**{largest}** (× {factor}). B0 has stages of one to four blocks, so every depth "
            "above 1 adds a block to each stage: a depth of 1.1 builds 23 blocks in place of 16."
        ).format(
            rule=f"{found.rule:.2f}",
            counted=f"{found.counted:.2f}",
            largest=names[largest][0],
            factor=f"{getattr(found, largest):.3f}",
        )
    )


def equal(lesson: Lesson, view: View) -> None:
    """One dimension against all three, at equal MACs."""
    st.segmented_control(
        _("MACs over those of B0"),
        TIMES,
        key="scaling_times",
        required=True,
        format_func=lambda times: f"×{times}",
        on_change=address.touch,
    )
    with st.spinner(_("Building networks of equal cost")):
        made = cache.equal_cost(view.times)
    names = tuple(f"{_(DIMENSIONS[name])}: {_setting(name, each.scaling)}" for name, each in made)
    measures = (_("MACs"), _("Parameters"), _("Activations"), _("Predicted time"))
    words = (
        ("title", _("Four networks of about equal MACs, over B0")),
        ("y_title", _("times B0")),
    )
    if lesson.hides:
        st.markdown("".join(f"- {name}\n" for name in names))
    else:
        lesson.plot(
            cache.equal_cost_json(view.times, names, measures, words, theme()),
            key="scaling_equal",
            alt=_("Groups of bars: MACs, parameters, activations and time of four networks."),
        )
    lesson.answer(
        _(
            "At equal MACs, the sharper image needs no new weights but the most memory; the wider "
            "network has the fewest activations, and so the least predicted time; depth and width "
            "alone need the most weights. All three together lie between. Accuracy decides: of "
            "the four networks that the paper trained, the one that grows in all three was best."
        )
    )
    if not lesson.hides:
        _trained()


def _trained() -> None:
    """The paper's table, with our counts beside."""
    rows = []
    for row in TABLE_7:
        counted = cache.scaled(row.scaling).cost.macs
        rows.append(
            {
                _("Scaled"): f"{_(DIMENSIONS[row.dimension])}: "
                f"{_setting(row.dimension, row.scaling)}",
                _("Top-1, printed"): f"{row.top_1}%",
                _("MACs, printed"): compact(row.printed_macs),
                _("MACs, counted"): compact(counted),
            }
        )
    st.dataframe(pd.DataFrame(rows), hide_index=True)
    st.caption(
        _(
            "arXiv:1905.11946, Table 7; B0 itself is printed with 77.3%. The first three have "
            "fewer MACs than printed: the comparison is not quite at equal cost."
        )
    )


def _setting(dimension: Dimension, scaling: Scaling) -> str:
    said = {
        "depth": f"d = {scaling.depth:.2f}",
        "width": f"w = {scaling.width:.2f}",
        "resolution": f"{scaling.side} px",
    }
    return said.get(dimension) or ", ".join(said.values())


# ---------------------------------------------------------------------- MobileNet


def thinner(lesson: Lesson, view: View) -> None:
    """MobileNet's two multipliers."""
    width, side = st.columns(2, gap="medium")
    width.slider(
        _("Width multiplier α"), *_THIN[:2], step=_THIN[2], key="scaling_alpha",
        on_change=address.touch,
    )  # fmt: skip
    side.slider(
        _("Pixels a side: ρ · 224"), *_THIN_SIDES[:2], step=_THIN_SIDES[2], key="scaling_rho",
        on_change=address.touch,
    )  # fmt: skip
    made, full = cache.thinned(view.alpha, view.side), cache.thinned(1.0, SIDE)
    off = made.macs / made.rule - 1
    words = (
        ("printed_name", _("printed")),
        ("rule_name", _("the rule, α² · ρ²")),
        ("chosen_name", _("this network")),
        ("title", _("MACs of MobileNet over its width, for the paper's resolutions")),
        ("x_title", _("width multiplier α")),
        ("y_title", _("MACs")),
    )
    rho = view.side / SIDE
    lesson.numbers(
        [
            (_("Parameters"), compact(made.params), count(made.params)),
            (_("MACs counted"), compact(made.macs), count(made.macs)),
            (
                _("MACs by the rule"),
                compact(made.rule),
                f"{view.alpha:g}² · {rho:.3g}² · {compact(full.macs)}",
            ),
            (_("Count over rule"), f"{off:+.1%}", _("what grows with α, not α²")),
        ],
        key="thin",
    )
    lesson.plot(
        cache.thinning_json(view.alpha, view.side, words, theme()),
        key="scaling_thin",
        alt=_("Curves of counted MACs over the width multiplier, with dotted curves of the rule."),
    )
    lesson.answer(
        _(
            "Almost all MACs lie in the 1 × 1 convolutions, which grow with α². The depthwise "
            "convolutions and the first one grow with α only, so a thin network costs more than "
            "α² says. The paper prints 569, 325, 149 and 41 million MACs for α = 1, 0.75, 0.5 and "
            "0.25 (Table 6); the count gives {counts}."
        ).format(
            counts=", ".join(
                f"{cache.thinned(w, SIDE).macs / 1e6:.1f}" for w in (1, 0.75, 0.5, 0.25)
            )
        )
    )


# ------------------------------------------------------------------------- RegNet


def regnet(lesson: Lesson, view: View) -> None:
    """RegNet's line, and the network that it gives."""
    _rule_fields(view.rule)
    made = cache.regnet(view.rule)
    words = (
        ("line_name", _("line: w_0 + w_a · j")),
        ("steps_name", _("steps: w_0 · w_m^s")),
        ("widths_name", _("the real network")),
        ("title", _("Width of each block: a line, rounded to steps")),
        ("x_title", _("block j")),
        ("y_title", _("channels")),
    )
    lesson.numbers(
        [
            (_("Stages"), count(len(made.stages)), _depths(made.stages)),
            (_("Parameters"), compact(made.cost.params), count(made.cost.params)),
            (_("MACs"), compact(made.cost.macs), count(made.cost.macs)),
            (_("Activations"), memory(made.cost.activation_bytes), _("one image")),
            (_("Predicted time"), f"{rounded(made.cost.ms)} ms", DEVICE),
        ],
        key="regnet",
    )
    lesson.plot(
        cache.line_json(view.rule, words, theme()),
        key="scaling_line",
        alt=_("Bars for the widths of the blocks, a straight line through them."),
    )
    lesson.answer(
        _(
            "Five numbers make a whole network. Block j should have w_0 + w_a · j channels; that "
            "is rounded to the nearest w_0 · w_m^s, so that neighbours share a width and form a "
            "stage. Each stage halves the map. Here: **{stages}** (channels × blocks, and the "
            "size of the map)."
        ).format(
            stages=", ".join(
                f"{stage.width} × {stage.depth} ({stage.side}²)" for stage in made.stages
            )
        )
    )


def _rule_fields(rule: Rule) -> None:
    """The preset and the numbers."""
    known = {rule: name for name, rule in presets().items()}
    st.session_state["scaling_preset"] = known.get(rule)
    columns = st.columns([1.7, 1, 1, 1, 1, 1, 0.8], vertical_alignment="bottom", gap="small")
    touch = address.touch
    columns[0].selectbox(
        _("Published network"),
        list(presets()),
        key="scaling_preset",
        index=None,
        placeholder=_("your own"),
        format_func=lambda name: get_spec(name).title,
        on_change=_adopt,
    )
    columns[1].number_input(_("Blocks"), 1, 40, key="scaling_blocks", on_change=touch)
    columns[2].number_input("w_0", 8, 512, step=8, key="scaling_w0", on_change=touch)
    columns[3].number_input("w_a", 0.0, 256.0, step=5.0, key="scaling_wa", on_change=touch)
    columns[4].number_input("w_m", 1.5, 3.0, step=0.1, key="scaling_wm", on_change=touch)
    columns[5].number_input(_("Group width"), 1, 512, step=8, key="scaling_gw", on_change=touch)
    columns[6].toggle(
        "SE", key="scaling_se", on_change=touch,
        help=_("With squeeze-and-excitation it is a RegNetY, without it a RegNetX."),
    )  # fmt: skip


def _depths(stages: tuple[object, ...]) -> str:
    return "-".join(str(getattr(stage, "depth", "")) for stage in stages)


# ------------------------------------------------------------------------- reading


def _unless(text: str, default: str) -> str | None:
    return None if text == default else text


def _one_of(known: tuple[T, ...]) -> Callable[[str], T | None]:
    return {str(each): each for each in known}.get


def _number(low: float, high: float) -> Callable[[str], float | None]:
    def parse(text: str) -> float | None:
        try:
            value = float(text)
        except ValueError:
            return None
        return value if low <= value <= high else None

    return parse


def _whole(low: int, high: int) -> Callable[[str], int | None]:
    def parse(text: str) -> int | None:
        plain = text.isascii() and text.isdigit() and len(text) < 7
        return int(text) if plain and low <= int(text) <= high else None

    return parse


def _eights(low: int, high: int) -> Callable[[str], int | None]:
    whole = _whole(low, high)

    def parse(text: str) -> int | None:
        value = whole(text)
        return value if value and value % 8 == 0 else None

    return parse


def _on_grid(value: float, low: float, high: float, step: float) -> float:
    return min(max(round(round(value / step) * step, 2), low), high)
