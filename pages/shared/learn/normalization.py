"""Normalization, dropout and activations: what the page chooses and draws."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from explorer.analysis.units import rounded
from explorer.figures.lesson_curves import Axes, Curve, lesson_curves
from explorer.lessons.normalization import (
    ACTIVATIONS,
    DRAWS,
    KINDS,
    LRN_ALPHA,
    LRN_BETA,
    LRN_K,
    Kind,
    together,
)
from explorer.lessons.normalization import CHANNELS as ALL_CHANNELS
from pages.shared import address
from pages.shared.cache import normalization as cache
from pages.shared.learn.lesson import Lesson
from pages.shared.text import _
from pages.shared.widgets import theme

MOMENTA: Final = (0.01, 0.05, 0.1, 0.2, 0.5, 1.0)
BATCHES: Final = (2, 4, 8, 16, 32, 64)
MOST_STEPS: Final = 60
SCALES: Final = (1, 10, 100)
GROUPS: Final = (1, 2, 3, 6)
MOST_BIAS: Final = 4.0

_STYLE: Final = Path(__file__).with_name("normalization.css")
_KINDS: Final = {
    "batch": "BatchNorm", "layer": "LayerNorm", "instance": "InstanceNorm", "group": "GroupNorm"
}  # fmt: skip
"""As torch calls them, in every language."""
_ACTIVATIONS: Final = {
    "relu": "ReLU", "leaky_relu": "Leaky ReLU", "gelu": "GELU", "silu": "SiLU",
    "hardswish": "hardswish", "sigmoid": "sigmoid", "tanh": "tanh",
}  # fmt: skip


def style() -> None:
    """Add the page's own rules."""
    st.html(_STYLE)


def say(text: str) -> None:
    """Introduce a part, in Markdown."""
    st.markdown(text)


class Choice(NamedTuple):
    """What the controls of all parts say."""

    kind: Kind
    image: int
    channel: int
    groups: int
    momentum: float
    steps: int
    batch: int
    map: int
    scale: int
    lrn: int
    drop: float
    activation: str
    bias: float


def choice() -> Choice:
    """Read all choices, from the address or the widgets, before any widget is drawn."""
    return Choice(
        kind=_one_of("norm", "normalization_kind", KINDS, "batch"),
        image=_whole("image", "normalization_image", 1, cache.IMAGES, 2),
        channel=_whole("channel", "normalization_channel", 1, cache.CHANNELS, 3),
        groups=_one_of("groups", "normalization_groups", GROUPS, 2),
        momentum=_one_of("momentum", "normalization_momentum", MOMENTA, 0.1),
        steps=_whole("steps", "normalization_steps", 1, MOST_STEPS, 20),
        batch=_one_of("minibatch", "normalization_batch", BATCHES, 8),
        map=_whole("map", "normalization_map", 1, ALL_CHANNELS, 1),
        scale=_one_of("scale", "normalization_scale", SCALES, 100),
        lrn=_whole("lrn", "normalization_lrn", 1, ALL_CHANNELS, 9),
        drop=_real("drop", "normalization_drop", 0.0, 0.95, 0.5),
        activation=_one_of("act", "normalization_act", tuple(ACTIVATIONS), "relu"),
        bias=_real("bias", "normalization_bias", -MOST_BIAS, MOST_BIAS, 0.0),
    )


def _one_of(name: str, key: str, values: tuple[Any, ...], default: Any) -> Any:
    """One of some values, spelled in the link as they are written."""
    found = address.restore(name, key, {_spelled(v): v for v in values}.get, default)
    address.record({name: _spelled(found) if found != default else None})
    return found


def _whole(name: str, key: str, low: int, high: int, default: int) -> int:
    def parse(text: str) -> int | None:
        number = int(text) if re.fullmatch(r"[0-9]{1,3}", text) else -1
        return number if low <= number <= high else None

    found = address.restore(name, key, parse, default)
    address.record({name: str(found) if found != default else None})
    return found


def _real(name: str, key: str, low: float, high: float, default: float) -> float:
    def parse(text: str) -> float | None:
        number = float(text) if re.fullmatch(r"-?[0-9]{1,2}(\.[0-9]{1,2})?", text) else None
        return number if number is not None and low <= number <= high else None

    found = address.restore(name, key, parse, default)
    address.record({name: f"{found:g}" if found != default else None})
    return found


def _spelled(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


# ------------------------------------------------------------------- who is averaged


def axes_part(lesson: Lesson, chosen: Choice) -> None:
    """The maps of a tensor that share a mean, lit."""
    kind, image, channel, groups = chosen[:4]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.segmented_control(
            _("Normalization"), KINDS, key="normalization_kind", required=True,
            format_func=_KINDS.__getitem__, on_change=address.touch,
        )  # fmt: skip
        st.number_input(_("Image"), 1, cache.IMAGES, key="normalization_image", width=110,
                        on_change=address.touch)  # fmt: skip
        st.number_input(_("Channel"), 1, cache.CHANNELS, key="normalization_channel", width=110,
                        on_change=address.touch)  # fmt: skip
        if kind == "group":
            st.selectbox(_("Groups"), GROUPS, key="normalization_groups", width=100,
                         on_change=address.touch)  # fmt: skip
    found = cache.normalized(kind, groups)
    place = (image - 1, channel - 1)
    _grids(kind, groups, place)
    lit = together(found.before.shape, kind, *place, groups)
    before, after = found.before[lit], found.after[lit]
    lesson.numbers(
        [
            (_("Share one mean"), f"{found.together:,}", _("values, over {axes}").format(
                axes=found.axes)),
            (_("Means in all"), str(found.groups), _("and as many variances")),
            (_("Mean of the lit values"), f"{before.mean():.3f}", _("after: {x}").format(
                x=f"{round(float(after.mean()), 3) + 0.0:.3f}")),
            (_("Their standard deviation"), f"{before.std():.3f}", _("after: {x}").format(
                x=f"{after.std():.3f}")),
        ],
        key="normalization_axes",
    )  # fmt: skip
    if kind == "group":
        question = _(
            "GroupNorm with {groups} groups on 8 × 32 × 14 × 14: how many values share a mean?"
        ).format(groups=4)
    else:
        question = _("{kind} on 8 × 32 × 14 × 14: how many values share a mean?")
        question = question.format(kind=_KINDS[kind])
    lesson.predict(f"share_{kind}", question, _TOGETHER[kind][0], _TOGETHER[kind][1])
    lesson.answer(
        _(
            "**Batch** normalization is the only one whose answer for an image depends on the "
            "other images of its batch; so it needs something else in evaluation. **Layer**, "
            "**instance** and **group** normalization average inside one image and do the same "
            "in both. Group normalization with one group is layer normalization over (C, H, W); "
            "with as many groups as channels it is instance normalization. In each, scale γ and "
            "shift β follow, fresh at 1 and 0 as here."
        )
    )


_TOGETHER: Final = {
    "batch": (1568, "N × H × W = 8 × 14 × 14 = **1,568**"),
    "layer": (6272, "C × H × W = 32 × 14 × 14 = **6,272**"),
    "instance": (196, "H × W = 14 × 14 = **196**"),
    "group": (1568, "C / G × H × W = 8 × 14 × 14 = **1,568**"),
}


def _grids(kind: Any, groups: int, place: tuple[int, int]) -> None:
    rows = tuple(_("image {n}").format(n=n) for n in range(1, cache.IMAGES + 1))
    columns = tuple(_("channel {n}").format(n=n) for n in range(1, cache.CHANNELS + 1))
    left, right = st.columns(2, gap="medium")
    for column, after, title in ((left, False, _("before")), (right, True, _("after"))):
        with column:
            st.image(cache.grid(kind, groups, place, after, rows, columns, theme()),
                     width="stretch", caption=title, alt=title)  # fmt: skip


# -------------------------------------------------------------- training, evaluation


def running_part(lesson: Lesson, chosen: Choice) -> None:
    """Batch normalization's two modes."""
    momentum, steps = chosen.momentum, chosen.steps
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.select_slider(_("Momentum of the mean"), MOMENTA, key="normalization_momentum",
                         width=220, on_change=address.touch)  # fmt: skip
        st.slider(_("Batches seen"), 1, MOST_STEPS, key="normalization_steps", width=260,
                  on_change=address.touch)  # fmt: skip
        st.select_slider(_("Images in a batch"), BATCHES, key="normalization_batch", width=220,
                         on_change=address.touch)  # fmt: skip
        if not lesson.present:
            st.number_input(_("Channel, of 16"), 1, ALL_CHANNELS, key="normalization_map",
                            width=130, on_change=address.touch)  # fmt: skip
    found = cache.batches(momentum, steps, chosen.batch, chosen.map - 1)
    left, right = st.columns(2, gap="medium")
    with left:
        lesson.plot(_means_figure(found), "normalization_means",
                    _("Mean of each batch and the running mean"))  # fmt: skip
    with right:
        lesson.plot(_modes_figure(found), "normalization_modes",
                    _("Histogram of a channel before, in training and in evaluation"))  # fmt: skip
    trained, evaluated = found.trained, found.evaluated
    lesson.numbers(
        [
            (_("Running mean"), f"{found.running_means[-1]:.3f}",
             _("all images: {x}").format(x=f"{found.mean:.3f}")),
            (_("Running variance"), f"{found.running_vars[-1]:.3f}",
             _("all images: {x}").format(x=f"{found.var:.3f}")),
            (_("Left of the start"), f"{100 * (1 - momentum) ** steps:.1f}%",
             f"(1 − {momentum:g})^{steps}"),
            (_("In training"), _spread(trained),
             _("mean ± standard deviation")),
            (_("In evaluation"), _spread(evaluated),
             _("mean ± standard deviation")),
        ],
        key="normalization_running",
    )  # fmt: skip
    before, batch_mean = found.running_means[-2], found.batch_means[-1]
    lesson.answer(
        _(
            "**In training** the batch's own mean and variance are used, and kept: the running "
            "mean is now (1 − {m}) × {before} + {m} × {mean} = **{after}**. **In evaluation** "
            "the running ones are used: an image gets the same answer whatever it is batched with. "
            "That answer is right only once the start, mean 0 and variance 1, is forgotten. "
            "PyTorch's momentum is "
            "the share of the new batch; other libraries give the share of the old."
        ).format(
            m=f"{momentum:g}", before=f"{before:.4f}", mean=f"{batch_mean:.4f}",
            after=f"{found.running_means[-1]:.4f}",
        )
        + "\n\n"
        + _(
            "**A batch of one** still has its pixels to average over. With one image of 1 × 1 "
            "there is nothing left to take a variance of, and in training PyTorch refuses: "
            "`{sentence}`"
        ).format(sentence=cache.single_value())
    )  # fmt: skip


def _spread(values: Any) -> str:
    """Mean ± standard deviation; a mean that rounds to nothing has no sign."""
    return f"{round(float(values.mean()), 2) + 0.0:.2f} ± {values.std():.2f}"


def _means_figure(found: Any) -> str:
    count = len(found.batch_means)
    steps = tuple(range(1, count + 1))
    here = tuple(float(x) for x in found.batch_means)
    running = tuple(float(x) for x in found.running_means)
    whole = (found.mean, found.mean)
    named = (
        (_("mean of the batch"), steps, here),
        (_("running mean"), (0, *steps), running),
        (_("mean of all images"), (0, count), whole),
    )
    curves = []
    for look, (name, x, y) in enumerate(named):
        text = tuple(f"<b>{name}</b><br>{a}: {b:.4f}" for a, b in zip(x, y, strict=True))
        curves.append(Curve(name, x, y, text, look, faint=look == 2))
    axes = Axes(_("One channel's mean, batch after batch"), _("batches seen"), "")
    return str(lesson_curves(curves, axes, theme=theme()).to_json())


def _modes_figure(found: Any) -> str:
    return _histograms(
        _("The last batch's values in this channel"),
        (
            (_("before"), found.before),
            (_("in training"), found.trained),
            (_("in evaluation"), found.evaluated),
        ),
    )


def _histograms(title: str, named: tuple[tuple[str, Any], ...]) -> str:
    """Shares of values as lines over the same bins."""
    together_ = np.concatenate([values.ravel() for _name, values in named])
    low, high = (float(np.quantile(together_, q)) for q in (0.002, 0.998))
    edges = np.linspace(low - 1e-6, high + 1e-6, 41)
    middles = tuple(float(x) for x in (edges[1:] + edges[:-1]) / 2)
    curves = []
    for look, (name, values) in enumerate(named):
        flat = np.clip(values.ravel(), edges[0], edges[-1])
        shares = 100 * np.histogram(flat, edges)[0] / flat.size
        text = tuple(
            f"<b>{name}</b><br>{x:.2f}: {share:.1f}%"
            for x, share in zip(middles, shares, strict=True)
        )
        curves.append(Curve(name, middles, tuple(float(s) for s in shares), text, look))
    axes = Axes(title, _("value"), "", percent=True)
    return str(lesson_curves(curves, axes, theme=theme()).to_json())


# ------------------------------------------------------------------------- folding


def folding_part(lesson: Lesson) -> None:
    """One convolution that does what a convolution and its normalization did."""
    found = cache.folded()
    st.latex(r"w' = \frac{\gamma}{\sqrt{\sigma^2 + \epsilon}}\, w \qquad "
             r"b' = \beta - \frac{\gamma\,\mu}{\sqrt{\sigma^2 + \epsilon}}")  # fmt: skip
    if not lesson.hides:
        column = st.column_config
        frame = pd.DataFrame(
            {
                "channel": range(1, len(found.gamma) + 1),
                "γ": found.gamma, "β": found.beta, "μ": found.mean, "σ²": found.var,
                "factor": found.factor, "w": found.first_weight, "w'": found.folded_weight,
                "b'": found.bias,
            }
        )  # fmt: skip
        st.dataframe(
            frame,
            hide_index=True,
            row_height=30,
            height=34 + 30 * 6,
            column_config={
                "channel": column.NumberColumn(_("Channel"), width=70),
                **{name: column.NumberColumn(format="%.4f") for name in
                   ("γ", "β", "μ", "σ²", "w", "w'", "b'")},
                "factor": column.NumberColumn("γ / √(σ² + ε)", format="%.4f"),
            },
        )  # fmt: skip
    lesson.numbers(
        [
            (_("Largest difference, float32"), f"{found.difference:.1e}",
             _("of outputs up to {x}").format(x=rounded(found.largest))),
            (_("Largest difference, float64"), f"{found.difference64:.1e}", ""),
            (_("Ops for each image"), "2 → 1", _("convolution, normalization → convolution")),
        ],
        key="normalization_fold",
    )  # fmt: skip
    lesson.answer(
        _(
            "In evaluation a batch normalization multiplies each channel by a number and adds "
            "another. A convolution does that too, so its weights can take both over. What is left "
            "is rounding: in float64 the difference shrinks by the ratio of the two precisions. "
            "In training it cannot be folded, since mean and variance change with every batch."
        )
    )


# ----------------------------------------------------------------------------- LRN


def lrn_part(lesson: Lesson, chosen: Choice) -> None:
    """AlexNet's local response normalization at one pixel."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.segmented_control(
            _("Multiply the activations by"), SCALES, key="normalization_scale", required=True,
            on_change=address.touch,
        )  # fmt: skip
        st.slider(_("Channel worked out"), 1, ALL_CHANNELS, key="normalization_lrn", width=320,
                  on_change=address.touch)  # fmt: skip
    found = cache.response(chosen.scale)
    at = chosen.lrn - 1
    places = tuple(range(1, ALL_CHANNELS + 1))
    curves = []
    for look, (name, values) in enumerate(((_("before"), found.before), (_("after"), found.after))):
        y = tuple(float(v) for v in values)
        text = tuple(f"<b>{name}</b><br>{c}: {v:.3f}" for c, v in zip(places, y, strict=True))
        curves.append(Curve(name, places, y, text, look))
    lesson.plot(
        str(lesson_curves(
            curves, Axes(_("One pixel, channel by channel"), _("channel"), ""), theme=theme(),
            height=320,
        ).to_json()),
        "normalization_lrn_chart", _("Activations of one pixel before and after"),
    )  # fmt: skip
    first, last = found.neighbours[at]
    squares = " + ".join(f"{v:.2f}²" for v in found.before[first:last])
    value = f"{found.before[at]:.3f}"
    working = (
        f"b = {value} / ({LRN_K:g} + {LRN_ALPHA:.4f} × ({squares}))^{LRN_BETA:g}\n"
        f"  = {value} / ({LRN_K:g} + {LRN_ALPHA * found.sums[at]:.4f})^{LRN_BETA:g}\n"
        f"  = {value} / {found.divisors[at]:.4f} = {found.after[at]:.4f}"
    )
    if not lesson.hides:
        st.code(working, language=None)
    lesson.answer(
        _(
            "Each value is divided by a power of its neighbours' squares, two channels on either "
            "side: k = 2, n = 5, α = 10⁻⁴, β = 0.75 (Krizhevsky et al. 2012, section 3.3). α is so "
            "small that activations around 1 are only divided by 2^0.75 = 1.68; it takes those of "
            "a network fed with pixels of 0 to 255 for a strong channel to hold its neighbours "
            "down. PyTorch divides α by n, so `nn.LocalResponseNorm` gets 5 × 10⁻⁴ for the paper's "
            "10⁻⁴."
        )
    )


# ------------------------------------------------------------------------- dropout


def dropout_part(lesson: Lesson, chosen: Choice) -> None:
    """A map in training, in evaluation, and on average."""
    p = chosen.drop
    draw = st.session_state.setdefault("normalization_draw", 0)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.slider(_("p, the share that is dropped"), 0.0, 0.95, step=0.05,
                  key="normalization_drop", width=340, on_change=address.touch)  # fmt: skip
        st.button(_("Draw again"), key="normalization_again", icon=":material/casino:",
                  on_click=_draw_again)  # fmt: skip
    found = cache.dropped(p, draw)
    mean = _("mean of {n} draws").format(n=f"{DRAWS:,}")
    columns = (_("before"), _("in training"), _("in evaluation"), mean)
    st.image(cache.dropout_grid(p, draw, columns, theme()), width="content",
             alt=_("A map before and after dropout"))  # fmt: skip
    lesson.numbers(
        [
            (_("Kept"), f"{int(found.kept.sum())} / {found.kept.size}",
             _("expected {x}").format(x=f"{(1 - p) * found.kept.size:.1f}")),
            (_("What is kept is times"), f"{1 / (1 - p):.3f}", "1 / (1 − p)"),
            (_("Mean before"), f"{found.before.mean():.3f}",
             _("in training: {x}").format(x=f"{found.trained.mean():.3f}")),
            (_("Evaluation minus before"), f"{np.abs(found.evaluated - found.before).max():g}",
             _("largest difference")),
            (_("{n} draws minus before").format(n=f"{DRAWS:,}"),
             f"{np.abs(found.average - found.before).max():.3f}",
             _("largest difference")),
        ],
        key="normalization_dropout",
    )  # fmt: skip
    lesson.answer(
        _(
            "In training each value is kept with probability 1 − p and then multiplied by "
            "1 / (1 − p), so that its mean over many draws is the value itself. That is why "
            "evaluation has nothing left to do: the layer is the identity. AlexNet's paper "
            "scaled at the other end: no factor in training, all outputs times 0.5 in evaluation."
        )
    )


def _draw_again() -> None:
    address.touch()
    st.session_state["normalization_draw"] = (st.session_state["normalization_draw"] + 1) % 32


# --------------------------------------------------------------------- activations


def activation_part(lesson: Lesson, chosen: Choice) -> None:
    """A curve with its derivative, and a layer's outputs before and behind it."""
    name = chosen.activation
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.segmented_control(
            _("Activation"), list(ACTIVATIONS), key="normalization_act", required=True,
            format_func=_ACTIVATIONS.__getitem__, on_change=address.touch,
        )  # fmt: skip
        st.slider(_("Bias of the layer before"), -MOST_BIAS, MOST_BIAS, step=0.25,
                  key="normalization_bias", width=300, on_change=address.touch)  # fmt: skip
    found = cache.activated(name, chosen.bias)
    left, right = st.columns(2, gap="medium")
    with left:
        x = tuple(float(v) for v in found.x)
        curves = [
            _plain_curve(title, x, tuple(float(v) for v in values), look)
            for look, (title, values) in enumerate(
                ((_ACTIVATIONS[name], found.y), (_("its derivative"), found.slope))
            )
        ]
        axes = Axes(_("The curve and its slope"), _("input"), "", y_range=(-1.3, 3.2))
        lesson.plot(str(lesson_curves(curves, axes, theme=theme()).to_json()),
                    "normalization_curve", _("The activation and its derivative"))  # fmt: skip
    with right:
        lesson.plot(
            _histograms(
                _("Outputs of 64 units for 256 digits"),
                ((_("before"), found.before), (_("after"), found.after)),
            ),
            "normalization_outputs", _("Histogram before and after the activation"),
        )  # fmt: skip
    lesson.numbers(
        [
            (_("Exactly 0"), f"{100 * found.zeros:.1f}%", _("share of the outputs")),
            (_("Hardly any slope"), f"{100 * found.flat:.1f}%", _("derivative below 0.01")),
            (_("Dead units"), f"{100 * found.dead:.1f}%", _("slope 0 for all 256 digits")),
            (_("Mean"), f"{found.after.mean():.3f}", _("before: {x}").format(
                x=f"{found.before.mean():.3f}")),
            (_("Standard deviation"), f"{found.after.std():.3f}", _("before: {x}").format(
                x=f"{found.before.std():.3f}")),
        ],
        key="normalization_activation",
    )  # fmt: skip
    lesson.answer(
        _(
            "A gradient that passes an activation is multiplied by its slope. ReLU's is 1 or "
            "exactly 0: a unit whose inputs are all negative gets no gradient and cannot "
            "recover, it is dead. Leaky ReLU, GELU and SiLU keep a little slope there, hardswish "
            "does down to −3. The sigmoid's slope is at most 0.25, tanh's at most 1, and both "
            "flatten on either side. Move the bias to −3 to see the difference."
        )
    )


def _plain_curve(name: str, x: tuple[float, ...], y: tuple[float, ...], look: int) -> Curve:
    text = tuple(f"<b>{name}</b><br>{a:.2f}: {b:.3f}" for a, b in zip(x, y, strict=True))
    return Curve(name, x, y, text, look)
