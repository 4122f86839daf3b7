"""What stands on the lesson "Attention and patches": tokens, shares, growth, memory, heads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import pandas as pd
import streamlit as st

from explorer.analysis.units import compact, count, memory, percent
from explorer.lessons.attention import BODIES, WINDOW, WINDOWED_UNIT, Body, Transformer, token_count
from explorer.zoo import get_spec
from pages.shared import address
from pages.shared.cache import attention as cache
from pages.shared.learn.lesson import Lesson
from pages.shared.text import N_, _
from pages.shared.widgets import theme

PATCHES: Final = (8, 14, 16, 32)
MOST: Final = 1344
"""Longest side; whole patches of every size."""
FIRST: Final = ("vit_b_16", 16, 224)
PARTS: Final = {
    "patches": N_("Patches to tokens"),
    "qkv": N_("Q, K, V"),
    "attention": N_("QKᵀ and AV"),
    "projection": N_("Projection"),
    "mlp": N_("MLP"),
    "head": N_("Classifier"),
}


class View(NamedTuple):
    """What is looked at."""

    name: str
    patch: int
    side: int
    heads: int
    a_pixel: bool
    body: Body

    @property
    def title(self) -> str:
        """The network without a patch size."""
        return get_spec(self.name).title.partition("/")[0]

    @property
    def tokens(self) -> int:
        """N."""
        return token_count(self.side, self.patch)


# ------------------------------------------------------------------------ choices


def open_view() -> View:
    """Read all choices from the session or the address, and record them."""
    state = st.session_state
    name = address.restore("net", "attention_net", {each: each for each in BODIES}.get, FIRST[0])
    sizes = {str(size): size for size in PATCHES}
    patch = address.restore("patch", "attention_patch", sizes.get, FIRST[1])
    side = address.restore("side", "attention_side", _whole(8, MOST), FIRST[2])
    fitted = min(max(round(side / patch), 4) * patch, MOST)
    if fitted != side:
        state["attention_side"] = fitted
        if address.speaks():
            said = _(
                "The link says side={side}, which is not 4 or more whole patches of {patch} "
                "pixels; {fitted} is used."
            )
            address.report((said.format(side=side, patch=patch, fitted=fitted),))
    of = cache.body(name)
    divisors = {str(each): each for each in cache.head_counts(name)}
    heads = address.restore("heads", "attention_heads", divisors.get, of.heads)
    if heads not in divisors.values():
        heads = state["attention_heads"] = of.heads
    a_pixel = address.restore("per", "attention_per", {"pixel": True}.get, False)
    address.record(
        {
            "net": None if name == FIRST[0] else name,
            "patch": None if patch == FIRST[1] else str(patch),
            "side": None if fitted == FIRST[2] else str(fitted),
            "heads": None if heads == of.heads else str(heads),
            "per": "pixel" if a_pixel else None,
        }
    )
    return View(name, patch, fitted, heads, a_pixel, of)


def _other_net() -> None:
    """Another network has its own number of heads."""
    address.touch()
    del st.session_state["attention_heads"]


def controls(view: View) -> None:
    """Network, patch size and image size."""
    net, patch, side = st.columns([1, 1, 1.6], vertical_alignment="bottom", gap="medium")
    net.selectbox(
        _("Network"), BODIES, key="attention_net", on_change=_other_net,
        format_func=lambda name: get_spec(name).title.partition("/")[0],
    )  # fmt: skip
    patch.segmented_control(
        _("Patch, pixels a side"), PATCHES, key="attention_patch", required=True,
        on_change=address.touch,
    )  # fmt: skip
    side.slider(
        _("Image, pixels a side"), 4 * view.patch, MOST, step=view.patch, key="attention_side",
        on_change=address.touch,
    )  # fmt: skip


def again(lesson: Lesson, view: View) -> None:
    """The controls once more, where a talk shows a later part alone."""
    if lesson.present:
        controls(view)


# ------------------------------------------------------------------------- tokens


def tokens(lesson: Lesson, view: View) -> None:
    """The picture in patches, and how many tokens it makes."""
    made = cache.made(view.name, view.side, view.patch)
    along = view.side // view.patch
    picture, beside = st.columns([1, 1.7], gap="large")
    with picture:
        st.image(cache.cut(along, 0, theme()), width="stretch")
        if lesson.hides:
            st.caption(_("{side} pixels, cut every {patch}").format(
                side=view.side, patch=view.patch))  # fmt: skip
        else:
            st.caption(_("{n} × {n} patches of {patch} × {patch} pixels").format(
                n=along, patch=view.patch))  # fmt: skip
    with beside:
        lesson.numbers(
            [
                (
                    _("Tokens N"),
                    count(made.tokens),
                    f"({view.side} / {view.patch})² + 1",
                ),
                (
                    _("Values in a patch"),
                    count(3 * view.patch**2),
                    f"3 · {view.patch}²",
                ),
                (_("Length of a token D"), count(view.body.dim), view.title),
                (
                    _("Patch embedding"),
                    compact(made.embedding_params),
                    f"(3 · {view.patch}² + 1) · D",
                ),
                (
                    _("Position embedding"),
                    compact(made.position_params),
                    "N · D",
                ),
                (_("All parameters"), compact(made.params), count(made.params)),
            ],
            key="tokens",
            least=170,
        )
        lesson.answer(
            _(
                "Each patch is one vector of 3 · p² values; one linear map, written as a "
                "convolution as large as its stride, makes a token of D numbers of it. A class "
                "token is added, so N = (side / p)² + 1. The position embedding has a vector for "
                "each token: it is the only weight that depends on the image. A network trained "
                "at another size needs it interpolated."
            )
        )
    if not lesson.present:
        lesson.predict(
            f"tokens_{view.side}_{view.patch}",
            _("How many tokens do {side} × {side} pixels make in patches of {patch}?").format(
                side=view.side, patch=view.patch
            ),
            made.tokens,
            _("({side} / {patch})² + 1 = {along}² + 1 = **{tokens}**").format(
                side=view.side, patch=view.patch, along=along, tokens=count(made.tokens)
            ),
        )


# ------------------------------------------------------------------------- shares


def shares(lesson: Lesson, view: View) -> None:
    """Where the MACs go, by formula and by count."""
    made = cache.made(view.name, view.side, view.patch)
    names = tuple(_(PARTS[part.name]) for part in made.parts)
    words = (
        ("title", _("Shares of the MACs of {network}, patches of {patch}").format(
            network=view.title, patch=view.patch)),
        ("x_title", _("share of the MACs")),
    )  # fmt: skip
    lesson.plot(
        cache.parts_json(view.name, view.side, view.patch, names, words, theme()),
        key="attention_parts",
        alt=_("One divided bar for each image size; the share of QKᵀ and AV grows with the size."),
    )
    attention = next(part for part in made.parts if part.name == "attention")
    if not lesson.hides:
        _table(made, names)
    same = all(part.counted == part.formula for part in made.parts)
    lesson.answer(
        _(
            "At {side} pixels the network costs **{macs}** MACs. The linear layers of a block "
            "cost (4 + 2r) · N · D², in proportion to N; only QKᵀ and AV, 2 · N² · D, grow with "
            "its square. Here they are **{share}** of all."
        ).format(
            side=view.side, macs=compact(made.macs), share=percent(attention.counted / made.macs)
        )
        + " "
        + (
            _("Every formula gives exactly what is counted in the real network.")
            if same
            else _("Some formulas differ from the count of the real network.")
        )
    )


def _table(made: Transformer, names: tuple[str, ...]) -> None:
    """Each part: its formula, the numbers put in, the result and the count."""
    n, d, depth = made.tokens, made.body.dim, made.body.depth
    formulas = {
        "patches": ("(N − 1) · 3p² · D", f"{n - 1} · 3·{made.patch}² · {d}"),
        "qkv": ("L · 3 · N · D²", f"{depth} · 3 · {n} · {d}²"),
        "attention": ("L · 2 · N² · D", f"{depth} · 2 · {n}² · {d}"),
        "projection": ("L · N · D²", f"{depth} · {n} · {d}²"),
        "mlp": ("L · 2r · N · D²", f"{depth} · 2·{made.body.ratio} · {n} · {d}²"),
        "head": ("1000 · D", f"1000 · {d}"),
    }
    st.dataframe(
        pd.DataFrame(
            {
                _("Part"): names,
                _("Formula, L blocks"): [formulas[part.name][0] for part in made.parts],
                _("With numbers"): [formulas[part.name][1] for part in made.parts],
                _("By formula"): [count(part.formula) for part in made.parts],
                _("Counted"): [count(part.counted) for part in made.parts],
                _("Share"): [percent(part.counted / made.macs) for part in made.parts],
            }
        ),
        hide_index=True,
    )


# ------------------------------------------------------------------------- growth


def growth(lesson: Lesson, view: View) -> None:
    """Cost over the size of the image, beside a CNN and a windowed transformer."""
    st.toggle(_("Divide by the number of pixels"), key="attention_per", on_change=address.touch)
    names = (
        view.title,
        _("its linear layers, ∝ N"),
        _("its QKᵀ and AV, ∝ N²"),
        "ResNet-50",
        "Swin-T",
    )
    crossing = round(view.patch * (view.body.crossover - 1) ** 0.5)
    words = (
        (
            "title",
            _("MACs a pixel over the size of the image")
            if view.a_pixel
            else _("MACs over the size of the image"),
        ),
        ("x_title", _("pixels a side")),
        ("y_title", _("MACs a pixel") if view.a_pixel else _("MACs")),
        ("chosen_name", f"{view.side} px"),
        ("mark_name", _("QKᵀ and AV overtake: {side} px").format(side=crossing)),
    )
    with st.spinner(_("Counting three networks at six sizes")):
        figure = cache.cost_json(
            view.name, view.side, view.patch, names, words, theme(), a_pixel=view.a_pixel
        )
    lesson.plot(
        figure,
        key="attention_growth",
        alt=_("Curves over the side of the image: one bends upward faster than the others."),
    )
    first, twice = (cache.made(view.name, side, view.patch).macs for side in (224, 448))
    (_side, small), (_side, large) = cache.cnn()[:2]
    lesson.answer(
        _(
            "Twice the side is four times the pixels. ResNet-50 then costs ×{cnn}, a convolution "
            "being applied at every pixel alike; {network} costs ×{transformer} from 224 to 448 "
            "pixels, and more with every further doubling: the limit is ×16. QKᵀ and AV cost as "
            "much as all linear layers of the blocks at N = (2 + r) · D = {crossover} tokens, "
            "which are {side} pixels a side in patches of {patch}."
        ).format(
            cnn=f"{large / small:.2f}",
            network=view.title,
            transformer=f"{twice / first:.2f}",
            crossover=count(view.body.crossover),
            side=count(crossing),
            patch=view.patch,
        )
    )


# ------------------------------------------------------------------------- memory


def matrices(lesson: Lesson, view: View) -> None:
    """Memory of the attention matrices, written out and fused."""
    of = view.body
    found = cache.memory(view.tokens, of.heads, of.dim // of.heads)
    words = (
        ("title", _("Memory of one block's attention, one image in float32")),
        ("x_title", _("pixels a side")),
        ("y_title", "MiB"),
        ("chosen_name", f"{view.side} px"),
    )
    names = (_("written out: softmax(QKᵀ) is a tensor"), _("fused: in tiles, never whole"))
    lesson.numbers(
        [
            (
                _("N × N for {h} heads").format(h=of.heads),
                memory(found.matrices),
                f"{of.heads} · {view.tokens}² · 4 B",
            ),
            (_("Written out, peak"), memory(found.written_out), _("beside Q, K and V")),
            (_("Fused, peak"), memory(found.fused), _("the output; tiles not counted")),
            (
                _("Kept for training"),
                memory(found.matrices * of.depth),
                _("written out, {n} blocks").format(n=of.depth),
            ),
        ],
        key="matrices",
        least=150,
    )
    lesson.plot(
        cache.memory_json(view.name, view.side, view.patch, names, words, theme()),
        key="attention_memory",
        alt=_("Two curves of memory over the side: one bends upward, one stays near zero."),
    )
    lesson.answer(
        _(
            "`F.scaled_dot_product_attention`, which this network calls, lets torch choose a "
            "kernel. On this server's CPU it runs `{kernel}`: the matrices are made tile by tile "
            "and never stored. On a GPU torch takes a FlashAttention or memory-efficient kernel "
            "where type and shape allow, and else writes the matrices out. The MACs are the same "
            "either way: fusing saves memory and traffic, not arithmetic."
        ).format(kernel=cache.kernel())
    )


# ------------------------------------------------------------------------ windows


def windows(lesson: Lesson, view: View) -> None:
    """Swin's attention within windows."""
    side = min(max(round(view.side / WINDOWED_UNIT), 1) * WINDOWED_UNIT, MOST)
    with st.spinner(_("Counting Swin-T")):
        made, twice = cache.windowed(side), cache.windowed(min(2 * side, MOST))
    picture, beside = st.columns([1, 1.7], gap="large")
    along = side // 4
    with picture:
        st.image(cache.cut(along, WINDOW, theme()), width="stretch")
        st.caption(
            _(
                "{side} pixels: {n} × {n} windows of 7 × 7 tokens in the first stage, a token "
                "being 4 × 4 pixels"
            ).format(side=side, n=along // WINDOW)
        )
    with beside:
        lesson.numbers(
            [
                (_("Tokens, first stage"), count(made.tokens), f"({side} / 4)²"),
                (_("QKᵀ and AV counted"), compact(made.attention), count(made.attention)),
                (_("Windows: Σ 2 · 49 · N · C"), compact(made.formula), count(made.formula)),
                (_("All pairs: Σ 2 · N² · C"), compact(made.everywhere), count(made.everywhere)),
                (
                    _("Saved by windows"),
                    f"×{made.everywhere / made.attention:,.1f}",
                    _("in QKᵀ and AV"),
                ),
                (_("Swin-T in all"), compact(made.macs), count(made.macs)),
            ],
            key="windows",
            least=170,
        )
        lesson.answer(
            _(
                "Swin lets a token see only the 49 of its window, and shifts the windows by half "
                "in every second block, so that neighbours meet. QKᵀ and AV then cost 2 · 49 · N "
                "· C in place of 2 · N² · C: linear in the pixels. From {side} to {twice} pixels "
                "the whole network costs ×{factor}."
            ).format(side=side, twice=twice.side, factor=f"{twice.macs / made.macs:.2f}")
        )


# -------------------------------------------------------------------------- heads


def heads(lesson: Lesson, view: View) -> None:
    """What the number of heads changes, and what it does not."""
    st.select_slider(
        _("Heads"), cache.head_counts(view.name), key="attention_heads", on_change=address.touch
    )
    made = cache.transformer(view.name, view.side, view.patch, view.heads)
    if isinstance(made, str):
        st.error(made)
        return
    own = cache.made(view.name, view.side, view.patch)
    names = (_("parameters"), _("MACs"), _("attention matrices"), _("heads"))
    words = (
        ("title", _("What changes with the number of heads, over one head")),
        ("x_title", _("heads")),
        ("y_title", _("times one head")),
        ("chosen_name", ""),
    )
    lesson.numbers(
        [
            (
                _("A head's share of a token"),
                count(view.body.dim // view.heads),
                f"D / h = {view.body.dim} / {view.heads}",
            ),
            (_("Parameters"), count(made.params), f"{made.params - own.params:+,}"),
            (_("MACs"), compact(made.macs), f"{made.macs - own.macs:+,}"),
            (_("Attention matrices, a block"), memory(made.matrix_bytes), "h · N² · 4 B"),
        ],
        key="heads",
        least=180,
    )
    lesson.plot(
        cache.heads_json(view.name, view.side, view.patch, view.heads, names, words, theme()),
        key="attention_heads_figure",
        alt=_("Two level lines and one that rises with the number of heads."),
    )
    lesson.answer(
        _(
            "Heads share the width: each works on D / h numbers of a token, with its own N × N "
            "matrix. The weights are the same four D × D maps however they are divided, and so "
            "are the MACs: h · 2 · N² · D / h. Only the number of matrices grows. {network} has "
            "{own} heads of {each}."
        ).format(network=view.title, own=view.body.heads, each=view.body.dim // view.body.heads)
    )


def _whole(low: int, high: int) -> Callable[[str], int | None]:
    def parse(text: str) -> int | None:
        plain = text.isascii() and text.isdigit() and len(text) < 7
        return int(text) if plain and low <= int(text) <= high else None

    return parse
