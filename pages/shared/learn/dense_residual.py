"""What stands on "Dense or residual": one block of each kind, as deep and as costly."""

from __future__ import annotations

from typing import Final

import streamlit as st

from explorer.analysis.units import compact, count, memory, rounded
from explorer.lessons.connections import BLOCKS, MOST_LAYERS, Costs, Setting
from pages.shared import address
from pages.shared.cache import connections as cache
from pages.shared.learn import pictures
from pages.shared.learn.course import change, mebibytes, style
from pages.shared.learn.lesson import Lesson, Number
from pages.shared.reading import number_of, unless
from pages.shared.text import _
from pages.shared.widgets import theme

GROWTHS: Final = (4, 8, 12, 16, 24, 32, 40, 48, 64)
CHANNELS: Final = (16, 32, 64, 128, 256, 512)
SIDES: Final = (7, 14, 28, 56)
KEEPS: Final = (10, 25, 50, 75, 100)
"""Percent of the channels that a transition keeps."""
_FIRST: Final = Setting(growth=32, depth=6, channels=64, side=56)
_KEYS: Final = {
    "growth": "dense_growth",
    "layers": "dense_layers",
    "in": "dense_in",
    "map": "dense_map",
    "keep": "dense_keep",
}
_BOTTLENECK: Final = "dense_bottleneck"


def open_setting() -> Setting:
    """Read the block from the session, or from the address where that speaks, and record it."""
    known = {
        "growth": (GROWTHS, _FIRST.growth),
        "layers": (range(1, MOST_LAYERS + 1), _FIRST.depth),
        "in": (CHANNELS, _FIRST.channels),
        "map": (SIDES, _FIRST.side),
        "keep": (KEEPS, round(100 * _FIRST.compression)),
    }
    found: dict[str, int] = {
        name: address.restore(name, _KEYS[name], number_of(values), default)
        for name, (values, default) in known.items()
    }
    bottleneck = address.restore("bottleneck", _BOTTLENECK, {"yes": True, "no": False}.get, True)
    address.record(
        {name: unless(str(found[name]), str(default)) for name, (_values, default) in known.items()}
        | {"bottleneck": None if bottleneck else "no"}
    )
    return Setting(
        found["growth"], found["layers"], found["in"], found["map"], bottleneck,
        found["keep"] / 100,
    )  # fmt: skip


def _talk_controls(lesson: Lesson) -> None:
    """In a talk, the two controls that matter most."""
    if lesson.present:
        with st.grid(2, min_column_width=250, gap="medium", key="dense_controls"):
            _main_controls()


def _main_controls() -> None:
    touch = address.touch
    st.select_slider(_("Growth rate k"), GROWTHS, key=_KEYS["growth"], on_change=touch)
    st.slider(_("Layers L"), 1, MOST_LAYERS, key=_KEYS["layers"], on_change=touch)


def controls() -> None:
    """Let the visitor build the block."""
    touch = address.touch
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(_("A block of DenseNet-121"), width="content")
        for name in BLOCKS:
            st.button(name, key=f"dense_block_{name}", on_click=_take, args=(name,))
    with st.grid(6, min_column_width=150, gap="medium", key="dense_controls"):
        _main_controls()
        st.select_slider(_("Channels in"), CHANNELS, key=_KEYS["in"], on_change=touch)
        st.select_slider(_("Side of the maps"), SIDES, key=_KEYS["map"], on_change=touch)
        st.select_slider(
            _("Kept by the transition"), KEEPS, key=_KEYS["keep"], on_change=touch,
            format_func=lambda percent: f"{percent}%",
        )  # fmt: skip
        st.toggle(
            _("Bottleneck"), key=_BOTTLENECK, on_change=touch,
            help=_("A 1 × 1 convolution to 4k channels before each 3 × 3."),
        )  # fmt: skip


def _take(name: str) -> None:
    """Set the controls to a block of DenseNet-121. Only in a callback."""
    address.touch()
    channels, side, layers = BLOCKS[name]
    values = {"growth": 32, "layers": layers, "in": channels, "map": side, "keep": 50}
    st.session_state.update({_KEYS[key]: value for key, value in values.items()})
    st.session_state[_BOTTLENECK] = True


# ---------------------------------------------------------------------- the parts


def diagrams(lesson: Lesson, setting: Setting) -> None:
    """Both blocks, and how many connections the dense one has."""
    dense, residual = cache.both(setting)
    drawn, other = cache.pictures(setting, theme())
    shown = [
        (_("Dense block"), drawn, _("A dense block: every layer reads all before it")),
        (_("Residual block"), other, _("A residual block: its input is added to its result")),
    ]
    pictures.beside(shown, height=280 if lesson.present else 380, width=760)
    layers = setting.depth
    lesson.answer(
        _(
            "A sum keeps its width and forgets its terms; a concatenation keeps them all, each "
            "layer's k = {k} maps beside the others. With L = {layers} there are "
            "**{layers} × {more} / 2 = {found} connections**, counted in the dataflow; the "
            "residual stage of as many convolutions has one shortcut a block, {blocks} in all."
        ).format(
            k=setting.growth,
            layers=layers,
            found=count(dense.connections),
            more=layers + 1,
            blocks=residual.blocks,
        )
    )


def reading(lesson: Lesson, setting: Setting) -> None:
    """What each layer reads, piece by piece."""
    _talk_controls(lesson)
    dense, residual = cache.both(setting)
    figure = cache.reading_json(
        setting,
        _("Channels that enter each layer; each piece is one connection"),
        (_("Layer (residual: block)"), _("Channels")),
        (_("the block's input"), _("appended by a layer"), _("residual, as costly")),
        275 if lesson.present else 380,
        theme(),
    )
    if not lesson.hides:  # the bars are what is asked for
        lesson.plot(figure, "dense_reading", _("Stacked channels that each dense layer reads"))
    entering = setting.channels + (setting.depth - 1) * setting.growth
    lesson.answer(
        _(
            "Layer L reads C + (L − 1)k = **{entering} channels**, and {out} leave the block, of "
            "which the transition keeps {kept}. The residual stage as deep and as costly has "
            "**{width} channels** from its first layer on."
        ).format(
            entering=count(entering),
            out=count(dense.costs.channels[-1]),
            kept=count(dense.transition_channels),
            width=count(residual.width),
        )
    )


def costs(lesson: Lesson, setting: Setting) -> None:
    """Both blocks in numbers."""
    style()
    _talk_controls(lesson)
    dense, residual = cache.both(setting)
    left, right = dense.costs, residual.costs
    st.markdown(
        _("**Dense → residual.** The residual stage has as many convolutions, and the width that "
          "comes nearest in weights.")
    )  # fmt: skip
    lesson.numbers(_rows(left, right), key="dense_costs", least=150)
    lesson.answer(
        _(
            "At the same MACs the dense block writes **{activations} times the activations**, and "
            "autograd keeps **{saved} times the bytes**: all that was concatenated is written, "
            "normalized and kept again in each layer. The transition behind it adds {params} "
            "parameters and {macs} MACs."
        ).format(
            activations=rounded(left.activation_bytes / right.activation_bytes),
            saved=rounded(left.saved_bytes / right.saved_bytes),
            params=compact(dense.transition_params),
            macs=compact(dense.transition_macs),
        )
    )


def _rows(left: Costs, right: Costs) -> list[Number]:
    return [
        change(_("Parameters"), left.params, right.params, compact),
        change(_("MACs"), left.macs, right.macs, compact),
        change(_("Activations"), left.activation_bytes, right.activation_bytes, mebibytes),
        change(_("Kept to train"), left.saved_bytes, right.saved_bytes, mebibytes),
        change(_("Convolutions"), left.depth, right.depth, count),
        change(_("Channels out"), left.channels[-1], right.channels[-1], count),
    ]


def training(lesson: Lesson, setting: Setting) -> None:
    """What autograd keeps as the block gets deeper."""
    _talk_controls(lesson)
    figure = cache.memory_json(
        setting,
        _("Kept for the backward pass of one image"),
        (_("Layers L; all else as chosen"), "MiB"),
        (_("dense"), _("dense, concatenations computed again"), _("residual, as costly")),
        255 if lesson.present else 360,
        theme(),
    )
    lesson.plot(figure, "dense_memory", _("Memory kept for training over the number of layers"))
    dense, residual = cache.both(setting)
    lesson.answer(
        _(
            "Each layer keeps a copy of everything before it, so that memory grows with **L²**: "
            "{dense} here. If the concatenations and what reads them are computed again in the "
            "backward pass, each map is kept once and memory grows with L, to {lean}; the "
            "residual stage keeps {residual}."
        ).format(
            dense=memory(dense.costs.saved_bytes),
            lean=memory(dense.lean_bytes),
            residual=memory(residual.costs.saved_bytes),
        )
    )
    if not lesson.present:
        st.caption(
            _(
                "Float32, the block alone, its input left out. Computing again: Memory-Efficient "
                "Implementation of DenseNets, Pleiss et al. 2017, arXiv:1707.06990."
            )
        )
