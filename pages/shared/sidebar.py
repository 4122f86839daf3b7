"""The sidebar: which architecture, which options, which input. The same on every page.

Every widget is given its value as its default as well: a browser that has not loaded the code of
a kind of widget yet, when a second run draws it, knows nothing of the value that the first run
set, and would answer with the default.
"""

from __future__ import annotations

from typing import Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from explorer.models._registry import ModelSpec
from explorer.zoo import available_sources, get_spec, source_of
from pages.shared import address
from pages.shared.choice import (
    DEFAULT_MODEL,
    MAX_BATCH,
    MAX_CHANNELS,
    MAX_SIZE,
    MODES,
    Choice,
    chosen_options,
    from_query,
    image_models,
    native_choice,
    to_query,
)
from pages.shared.options import asked_options, limits, option_key, shown_value
from pages.shared.options import widgets as option_widgets
from pages.shared.text import N_, _

PRESETS: Final = (
    (28, 28), (32, 32), (64, 64), (96, 96), (128, 128), (224, 224), (227, 227), (256, 128),
    (299, 299), (384, 384), (512, 512),
)  # fmt: skip
"""(height, width): MNIST, CIFAR, ... 256 × 128 is the crop of person re-identification."""

_BY_HAND: Final = "by hand"
_SHOWN: Final = "_shown_choice"
_MODES: Final = {"eval": N_("eval"), "train": N_("train")}
_SOURCE_TITLES: Final = {"layerwise": "Layerwise"}


def choose() -> Choice:
    """Draw the sidebar and return what it says; the address is read and written with it."""
    if address.speaks("sidebar"):
        choice, problems = from_query(address.query())
        address.report(problems)
        apply(choice)
        address.read("sidebar")
    elif "model" not in st.session_state:  # back from a page without the sidebar
        apply(st.session_state.get(_SHOWN) or native_choice(DEFAULT_MODEL))
    with st.sidebar, st.container(gap="small"):
        spec = _architecture()
        _input(spec)
        options = {}
        if asked_options(spec):
            st.subheader(_("Options"))
            options = option_widgets(spec)
        st.button(
            _("Back to the paper's settings") if spec.new else _("Back to the defaults"),
            key="reset",
            type="tertiary",
            icon=":material/restart_alt:",
            on_click=_reset,
        )
    state = st.session_state
    choice = Choice(
        spec.name,
        (state["batch"], state["channels"], state["height"], state["width"]),
        state["mode"],
        chosen_options(spec, options),
    )
    state[_SHOWN] = choice
    address.record(to_query(choice))
    return choice


def current() -> Choice:
    """What the sidebar of this run says."""
    choice: Choice = st.session_state[_SHOWN]
    return choice


def apply(choice: Choice) -> None:
    """Set every widget of the sidebar. Only before they are drawn: first, or in a callback."""
    state = st.session_state
    state["model"] = choice.model
    state["batch"], state["channels"], state["height"], state["width"] = choice.input_shape
    state["mode"] = choice.mode
    values = dict(choice.options)
    for name, option in choice.spec.options.items():
        value = values.get(name, option.default)
        state[option_key(choice.spec, name)] = shown_value(option, value)


def _architecture() -> ModelSpec:
    state = st.session_state
    source = state["source"] = source_of(state["model"])
    st.segmented_control(
        _("Source"),
        available_sources(),
        key="source",
        default=source,
        required=True,
        format_func=lambda name: _SOURCE_TITLES.get(name, name),
        on_change=_change_source,
        help=_("The models written here, or those of an installed library, untouched."),
        width="stretch",
    )
    names = image_models(source)
    help_ = (
        _("{n} architectures, families in order of their first paper. Type to search.")
        if source == "layerwise"
        else _("{n} architectures, by name. Type to search.")
    )
    st.selectbox(
        _("Architecture"),
        names,
        format_func=_model_label,
        key="model",
        index=names.index(state["model"]),
        on_change=_change_model,
        help=help_.format(n=f"{len(names):,}"),
    )
    return get_spec(state["model"])


def _model_label(name: str) -> str:
    if source_of(name) != "layerwise":
        return name.partition(":")[2]
    spec = get_spec(name)
    return f"{spec.title} · {spec.year}"


def _change_source() -> None:
    """Show the same architecture as the other source has it; where it has none, ResNet-50."""
    address.touch()
    source = st.session_state["source"]
    shown: Choice = st.session_state[_SHOWN]
    plain = shown.model.rpartition(":")[2]
    names = image_models(source)
    prefix = "" if source == "layerwise" else f"{source}:"
    wanted = (f"{prefix}{plain}", f"{prefix}{DEFAULT_MODEL}")
    st.session_state["model"] = next((name for name in wanted if name in names), names[0])
    _change_model()


def _change_model() -> None:
    """Start the new model from its own paper, but keep a size that was chosen by hand."""
    address.touch()
    shown: Choice = st.session_state[_SHOWN]
    before, native = native_choice(shown.model), native_choice(st.session_state["model"])
    batch, channels, *size = shown.input_shape
    _batch, native_channels, *native_size = native.input_shape
    by_hand = tuple(size) != before.input_shape[2:]
    legal = all(s >= low for s, low in zip(size, native.spec.min_size, strict=True))
    height, width = size if by_hand and legal else native_size
    other_channels = channels != before.input_shape[1] and "in_channels" in native.spec.options
    apply(
        native._replace(
            input_shape=(batch, channels if other_channels else native_channels, height, width),
            mode=shown.mode,
        )
    )
    # What was looked for or selected is a part of the old model.
    st.session_state["layer"] = st.session_state["find"] = ""
    st.session_state["toggled"], st.session_state["open"] = [], 0


def _reset() -> None:
    address.touch()
    apply(native_choice(st.session_state["model"]))


def _input(spec: ModelSpec) -> None:
    state = st.session_state
    size = (state["height"], state["width"])
    native = (spec.input_shape[2], spec.input_shape[3])
    presets = sorted({native, *PRESETS}, key=lambda s: (s[0] * s[1], s))
    state["preset"] = _size_text(size) if size in presets else _BY_HAND
    sizes = [*map(_size_text, presets), _BY_HAND]
    st.selectbox(
        _("Input size"),
        sizes,
        format_func=lambda text: _size_label(text, _size_text(native)),
        key="preset",
        index=sizes.index(state["preset"]),
        on_change=_change_preset,
    )
    with st.container(key="size"):
        channels, height, width = st.columns(3, gap="xsmall", wrap=False)
        _number(channels, _("Channels"), "channels", MAX_CHANNELS)
        _number(height, _("Height"), "height", MAX_SIZE)
        _number(width, _("Width"), "width", MAX_SIZE)
        batch, mode = st.columns([1, 2], gap="xsmall", wrap=False)
        _number(batch, _("Batch"), "batch", MAX_BATCH)
        mode.segmented_control(
            _("Mode"),
            MODES,
            key="mode",
            default=state["mode"],
            required=True,
            format_func=lambda mode: _(_MODES[mode]),
            width="stretch",
            on_change=address.touch,
        )


def _number(column: DeltaGenerator, label: str, key: str, most: int) -> None:
    column.number_input(
        label,
        1,
        most,
        st.session_state[key],
        key=key,
        on_change=address.touch,
        help=limits(1, most),
    )


def _size_text(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _size_label(text: str, native: str) -> str:
    if text == _BY_HAND:
        return _("Any other, by hand")
    label = text.replace("x", " × ")
    return _("{label} (native)").format(label=label) if text == native else label


def _change_preset() -> None:
    address.touch()
    state = st.session_state
    if state["preset"] != _BY_HAND:
        state["height"], state["width"] = map(int, state["preset"].split("x"))
