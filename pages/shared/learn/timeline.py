"""What stands on "From LeNet to ViT": the stops, each with its two sides and its cost."""

from __future__ import annotations

from typing import Final, NamedTuple

import streamlit as st

from explorer.analysis.units import compact, count, rounded
from explorer.lessons.timeline import BATCH, DEVICE, Cost, Side, Stop, get_stop
from explorer.lessons.timeline import STOPS as ALL
from explorer.zoo import get_spec
from pages.shared import address
from pages.shared.cache import decisions as cache
from pages.shared.choice import native_choice, to_query
from pages.shared.learn import pictures
from pages.shared.learn.course import change, mebibytes, ratio, style
from pages.shared.learn.lesson import Lesson, Number, kept
from pages.shared.reading import one_of, unless
from pages.shared.text import N_, _
from pages.shared.widgets import plain, theme

STOPS: Final = tuple(stop.name for stop in ALL)
_KEY: Final = "timeline_stop"
_NARROW: Final = 760
"""Widths of two pictures, in pixels, that still leave room for numbers beside them."""


class Said(NamedTuple):
    """The words of a stop."""

    label: str
    """Of the architecture, short."""
    title: str
    decision: str
    before: str
    after: str
    answer: str
    """With {places} for ratios of after to before, and for the two sides of each cost."""


SAID: Final = {
    "convolution": Said(
        "LeNet-5",
        N_("A window that slides"),
        N_("Every unit sees a small window only, and all windows share their weights."),
        N_("Fully connected"), N_("Convolution"),
        N_("Between the same maps, fully connected layers would have **{params_before} "
           "parameters; LeNet-5 has {params_after}**. A stroke is found wherever it lies."),
    ),
    "scale": Said(
        "AlexNet",
        N_("The same recipe, a thousand times the work"),
        N_("Convolution and pooling in turn stay; images, channels and data grow, and ReLU, "
           "dropout and GPUs make that trainable."),
        "LeNet-5", "AlexNet",
        N_("**{params} times the parameters and {macs} times the MACs**, but only {depth_after} "
           "layers with weights for {depth_before}. Most parameters are in the fully connected "
           "head, most MACs in the convolutions."),
    ),
    "global_pooling": Said(
        "NiN",
        N_("A global average for the 4096-wide head"),
        N_("Each map is averaged to one number before the classifier; two layers of 4096 units "
           "are gone."),
        N_("AlexNet's head"), N_("Averaged, then one layer"),
        N_("The head goes and takes **{params_gone} of the parameters** with it, but only "
           "{macs_gone} of the MACs. And the network takes images of any size."),
    ),
    "small_kernels": Said(
        "VGG-16",
        N_("Two 3 × 3 for one 5 × 5"),
        N_("Nothing but 3 × 3: two of them see 5 × 5 pixels with 18 weights for 25, and one more "
           "ReLU between them."),
        N_("One 5 × 5"), N_("Two 3 × 3"),
        N_("Where a stage keeps its width, two 3 × 3 cost 18/25 of a 5 × 5. Over the whole "
           "network they save **{macs_gone} of the MACs, with {depth_after} layers for "
           "{depth_before}**. What they cost is memory: one more map is written."),
    ),
    "reductions": Said(
        "GoogLeNet",
        N_("1 × 1 before anything large"),
        N_("A 1 × 1 convolution narrows the maps before each 3 × 3 and 5 × 5, in four branches "
           "side by side."),
        N_("Without 1 × 1"), N_("With 1 × 1"),
        N_("The 1 × 1 are extra layers, and still the network needs **{macs_share} of the MACs and "
           "{params_share} of the parameters**. *Inception and branches* shows it block by block."),
    ),
    "shortcut": Said(
        "ResNet-34",
        N_("Add the input to the result"),
        N_("A block learns the difference from its input: the shortcut carries the input past it."),
        "Plain-34", "ResNet-34",
        N_("A sum has no weights: **parameters × {params}, MACs × {macs}**, and both only for the "
           "projections where the shape changes. What it buys is training: *Degradation and "
           "gradient flow* shows it."),
    ),
    "concatenation": Said(
        "DenseNet-121",
        N_("Concatenate instead of adding"),
        N_("Every layer reads the maps of all layers before it and appends only a few of its own."),
        N_("Added"), N_("Concatenated"),
        N_("**{params_share} of ResNet-50's parameters and {macs_share} of its MACs**, in "
           "{depth_after} layers. But the tensors written take × {memory}: what is concatenated "
           "is written again and again. *Dense or residual* shows why."),
    ),
    "cardinality": Said(
        "ResNeXt-50",
        N_("Many paths instead of a wide one"),
        N_("The 3 × 3 of the bottleneck is twice as wide, in 32 groups that do not see each "
           "other."),
        "ResNet-50", "ResNeXt-50 (32×4d)",
        N_("Twice the channels for **{params_share} of the parameters and {macs_share} of the "
           "MACs**: a third way to spend a budget, beside depth and width. The wider maps cost "
           "memory, × {memory}."),
    ),
    "depthwise": Said(
        "MobileNet",
        N_("Look around, then mix"),
        N_("A 3 × 3 on each channel alone, then a 1 × 1 that mixes the channels."),
        N_("Full 3 × 3"), N_("Depthwise separable"),
        N_("**{macs_share} of the MACs and {params_share} of the parameters**, near 1/N + 1/9. The "
           "predicted time falls less, to {ms_share}: most of what is left waits for memory."),
    ),
    "excitation": Said(
        "SE-ResNet-50",
        N_("Let the network weight its channels"),
        N_("Two tiny layers look at the average of each map and say how much each channel "
           "counts."),
        N_("The end of a block"), N_("Squeeze and excitation"),
        N_("**Almost no MACs (× {macs})**, because it works on one pixel a map, for × {params} the "
           "parameters. The maps are read and written once more: time × {ms}."),
    ),
    "compound_scaling": Said(
        "EfficientNet-B3",
        N_("Deeper, wider and sharper at once"),
        N_("One coefficient makes depth, width and resolution grow together, in a fixed "
           "proportion."),
        "EfficientNet-B0", "EfficientNet-B3",
        N_("**{macs} times the MACs for {params} times the parameters**: resolution costs "
           "MACs and memory (× {memory}), but no parameter. *Scaling* takes the three apart."),
    ),
    "patches": Said(
        "ViT-B/16",
        N_("An image is a sequence of patches"),
        N_("One convolution cuts the image into patches; a plain transformer reads them. Here "
           "the patch shrinks from 32 to 16 pixels."),
        N_("Patches of 32 pixels"), N_("Patches of 16 pixels"),
        N_("Four times as many tokens: **{macs} times the MACs with no more parameters** "
           "(× {params}). *Attention and patches* shows where they go."),
    ),
    "large_kernels": Said(
        "ConvNeXt-T",
        N_("Large windows are cheap if they are depthwise"),
        N_("A convolutional block takes the transformer's shape: a depthwise 7 × 7 that looks "
           "around, then two layers that mix."),
        N_("Depthwise 3 × 3"), N_("Depthwise 7 × 7"),
        N_("Over five times the pixels (49 for 9) for **× {macs} the MACs and × {params} the "
           "parameters**, because the mixing layers are nearly all of the cost."),
    ),
}  # fmt: skip


def heading(stop: str) -> str:
    """The title of a stop, with its year."""
    found = get_stop(stop)
    return f"{found.year} · {SAID[stop].label}: {_(SAID[stop].title)}"


def open_stop() -> str:
    """Read the stop from the session, or from the address where that speaks, and record it."""
    stop: str = address.restore("stop", _KEY, one_of(STOPS), STOPS[0])
    address.record({"stop": unless(stop, STOPS[0])})
    return stop


def choose(stop: str) -> None:
    """Let the visitor choose a stop."""
    at = STOPS.index(stop)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        _step(-1, at, _("Back one stop"), "arrow_back")
        st.pills(
            _("Architecture"), STOPS, key=_KEY, required=True, label_visibility="collapsed",
            format_func=lambda name: f"{get_stop(name).year} {SAID[name].label}",
            on_change=address.touch, width="stretch", wrap=True,
        )  # fmt: skip
        _step(1, at, _("On one stop"), "arrow_forward")


def _step(by: int, at: int, label: str, icon: str) -> None:
    st.button(
        "", icon=f":material/{icon}:", key=f"timeline_{'next' if by > 0 else 'previous'}",
        help=label, disabled=not 0 <= at + by < len(STOPS), on_click=_go, args=(at + by,),
    )  # fmt: skip


def _go(place: int) -> None:
    address.touch()
    st.session_state[_KEY] = STOPS[place]


# ------------------------------------------------------------------------- one stop


def show(lesson: Lesson, stop: str) -> None:
    """Draw a stop: the decision, its two sides, what it costs, where to look further."""
    said = SAID[stop]
    spec = get_spec(get_stop(stop).paper or get_stop(stop).model)
    st.markdown(_(said.decision))
    before, after = cache.pictures(stop, theme())
    shown = [(_(said.before), before, _(said.before)), (_(said.after), after, _(said.after))]
    wide = before.width + after.width > _NARROW
    if wide and not lesson.present:
        pictures.beside(shown, height=300, width=580)
        _counted(lesson, stop, 150)
    else:
        drawn, counted = st.columns([3, 2] if wide else [1, 1], gap="medium")
        with drawn:
            pictures.fitted(shown, height=470, width=690 if wide else 560)
        with counted:
            _counted(lesson, stop, 120 if wide else 165)
    if not lesson.present:
        st.caption(plain(str(spec.paper)))


def _counted(lesson: Lesson, stop: str, least: int) -> None:
    before, after = cache.decision(stop)
    style()
    lesson.numbers(_numbers(before, after), key=stop, least=least)
    lesson.answer(_(SAID[stop].answer).format(**_places(before, after)))
    if lesson.present:
        return
    st.caption(_about(before, after))
    _links(get_stop(stop))


def _numbers(before: Cost, after: Cost) -> list[Number]:
    numbers = [
        change(_("Parameters"), before.params, after.params, compact),
        change(_("MACs"), before.macs, after.macs, compact),
        change(_("Activations"), before.activation_bytes, after.activation_bytes, mebibytes),
        change(_("Depth"), before.depth, after.depth, count),
        change(_("Predicted"), before.ms, after.ms, lambda ms: f"{rounded(ms)} ms"),
    ]
    if before.top1 is not None or after.top1 is not None:
        numbers.append((_("Top-1, %"), *_accuracy(before.top1, after.top1)))
    return numbers


def _accuracy(before: float | None, after: float | None) -> tuple[str, str]:
    old, new = ("?" if top1 is None else f"{top1:.1f}" for top1 in (before, after))
    if before is None or after is None:
        return f"{old} → {new}", "–"
    gain = _("{points} points").format(points=f"{after - before:+.1f}")
    return f"{old} → {new}", gain


def _places(before: Cost, after: Cost) -> dict[str, str]:
    return {
        "params": ratio(after.params / before.params),
        "macs": ratio(after.macs / before.macs),
        "memory": ratio(after.activation_bytes / before.activation_bytes),
        "ms": ratio(after.ms / before.ms),
        "params_share": f"{after.params / before.params:.0%}",
        "macs_share": f"{after.macs / before.macs:.0%}",
        "ms_share": f"{after.ms / before.ms:.0%}",
        "params_before": compact(before.params),
        "params_after": compact(after.params),
        "depth_before": count(before.depth),
        "depth_after": count(after.depth),
        "params_gone": f"{1 - after.params / before.params:.0%}",
        "macs_gone": f"{1 - after.macs / before.macs:.0%}",
    }


def _about(before: Cost, after: Cost) -> str:
    """What the numbers are of."""
    sizes = " → ".join(
        dict.fromkeys(" × ".join(map(str, side.input_shape)) for side in (before, after))
    )
    text = _(
        "One image of {sizes}; depth is the most layers with weights on a path. The time is "
        "predicted, not measured: a batch of {batch} on the {device}, in float32."
    ).format(sizes=sizes, batch=BATCH, device=DEVICE)
    sources = list(dict.fromkeys(side.source for side in (before, after) if side.source))
    if sources:
        text += " " + _("Accuracy: {source}.").format(source="; ".join(sources))
    return plain(text)


def _links(stop: Stop) -> None:
    def link(side: Side) -> str:
        options = ";".join(f"{name}={value}" for name, value in side.options)
        return f"{side.model}({options})" if options else side.model

    pair = [get_spec(side.model).title for side in stop.pair]
    with st.container(horizontal=True, gap="medium"):
        st.page_link(
            "pages/compare/side_by_side.py",
            label=_("Side by side: {one} and {other}").format(one=pair[0], other=pair[1]),
            icon=":material/compare:",
            query_params={"models": ",".join(map(link, stop.pair)), **kept()},
        )
        st.page_link(
            "pages/inspect/layers.py",
            label=_("Layers of {model}").format(model=get_spec(stop.model).title),
            icon=":material/table_rows:",
            query_params={**to_query(native_choice(stop.model)), **kept()},
        )


def chart(lesson: Lesson, stop: str = "") -> None:
    """Draw the whole journey, with one stop lit."""
    if stop and lesson.hides:
        return
    labels = tuple(SAID[name].label for name in STOPS)
    titles = (_("Parameters"), _("MACs"), _("ImageNet top-1, published"))
    figure = cache.journey_json(stop, labels, titles, theme())
    lesson.plot(
        figure, "timeline_journey",
        _("Parameters, MACs and published accuracy of thirteen architectures from 1998 to 2022"),
    )  # fmt: skip
    if not lesson.present:
        st.caption(
            _(
                "Each architecture at its own input size; the open dot is the network before the "
                "decision. Accuracy is torchvision's, of its first weights, where it states one."
            )
        )
