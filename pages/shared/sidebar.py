"""The sidebar: which architecture, which options, which input. The same on every page."""

from __future__ import annotations

from typing import Final

import streamlit as st

from explorer.errors import OptionError
from explorer.models._registry import ModelSpec, Option, OptionValue
from explorer.zoo import available_sources, get_spec, source_of
from pages.shared import address
from pages.shared.choice import (
    DEFAULT_MODEL,
    DERIVED,
    MAX_BATCH,
    MAX_CHANNELS,
    MAX_SIZE,
    MODES,
    Choice,
    chosen_options,
    from_query,
    image_models,
    native_choice,
    option_text,
    to_query,
)

PRESETS: Final = (
    (28, 28), (32, 32), (64, 64), (96, 96), (128, 128), (224, 224), (227, 227), (256, 128),
    (299, 299), (384, 384), (512, 512),
)  # fmt: skip
"""(height, width): MNIST, CIFAR, ... 256 × 128 is the crop of person re-identification."""

_BY_HAND: Final = "by hand"
_SHOWN: Final = "_shown_choice"
_SOURCE_TITLES: Final = {"layerwise": "Layerwise"}
_NAMES: Final = {"num_classes": "Classes"}


def choose() -> Choice:
    """Draw the sidebar and return what it says; the address is read and written with it."""
    if address.speaks():
        choice, problems = from_query(address.query())
        address.report(problems)
        apply(choice)
    elif "model" not in st.session_state:  # back from a page without the sidebar
        apply(st.session_state.get(_SHOWN) or native_choice(DEFAULT_MODEL))
    with st.sidebar, st.container(gap="small"):
        spec = _architecture()
        _input(spec)
        options = _options(spec)
        st.button(
            "Back to the paper's settings" if spec.new else "Back to the defaults",
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
        state[_key(choice.spec, name)] = option_text(value) if option.kind == "ints" else value


def _architecture() -> ModelSpec:
    state = st.session_state
    source = state["source"] = source_of(state["model"])
    st.segmented_control(
        "Source",
        available_sources(),
        key="source",
        required=True,
        format_func=lambda name: _SOURCE_TITLES.get(name, name),
        on_change=_change_source,
        help="The models written here, or those of an installed library, untouched.",
        width="stretch",
    )
    names = image_models(source)
    order = "families in order of their first paper" if source == "layerwise" else "by name"
    st.selectbox(
        "Architecture",
        names,
        format_func=_model_label,
        key="model",
        on_change=_change_model,
        help=f"{len(names):,} architectures, {order}. Type to search.",
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
    _, native_channels, *native_size = native.input_shape
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
    st.selectbox(
        "Input size",
        [*map(_size_text, presets), _BY_HAND],
        format_func=lambda text: _size_label(text, _size_text(native)),
        key="preset",
        on_change=_change_preset,
    )
    with st.container(key="size"):
        channels, height, width = st.columns(3, gap="xsmall", wrap=False)
        channels.number_input(
            "Channels",
            1,
            MAX_CHANNELS,
            key="channels",
            on_change=address.touch,
            help=_range(1, MAX_CHANNELS),
        )
        height.number_input(
            "Height", 1, MAX_SIZE, key="height", on_change=address.touch, help=_range(1, MAX_SIZE)
        )
        width.number_input(
            "Width", 1, MAX_SIZE, key="width", on_change=address.touch, help=_range(1, MAX_SIZE)
        )
        batch, mode = st.columns([1, 2], gap="xsmall", wrap=False)
        batch.number_input(
            "Batch", 1, MAX_BATCH, key="batch", on_change=address.touch, help=_range(1, MAX_BATCH)
        )
        mode.segmented_control(
            "Mode",
            MODES,
            key="mode",
            required=True,
            width="stretch",
            on_change=address.touch,
        )


def _size_text(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _size_label(text: str, native: str) -> str:
    if text == _BY_HAND:
        return "Any other, by hand"
    label = text.replace("x", " × ")
    return f"{label} (native)" if text == native else label


def _change_preset() -> None:
    address.touch()
    state = st.session_state
    if state["preset"] != _BY_HAND:
        state["height"], state["width"] = map(int, state["preset"].split("x"))


# ------------------------------------------------------------------- options


def _options(spec: ModelSpec) -> dict[str, OptionValue]:
    asked = [option for option in spec.options.values() if option.name not in DERIVED]
    if not asked:
        return {}
    st.subheader("Options")
    numbers = [option for option in asked if option.kind in ("int", "float")]
    others = [option for option in asked if option.kind not in ("int", "float")]
    values: dict[str, OptionValue] = {}
    with st.container(key="numbers", gap="small"):
        for pair in zip(numbers[::2], [*numbers[1::2], None], strict=False):
            for column, option in zip(st.columns(2, gap="xsmall", wrap=False), pair, strict=True):
                if option is not None:
                    with column:
                        values[option.name] = _option(spec, option)
    for option in others:
        values[option.name] = _option(spec, option)
    return values


def _option(spec: ModelSpec, option: Option) -> OptionValue:
    key = _key(spec, option.name)
    label = _NAMES.get(option.name, option.name.replace("_", " ").capitalize())
    # A widget that was off the screen has forgotten its value, and starts from the default.
    shown = option_text(option.default) if option.kind == "ints" else option.default
    value: OptionValue = st.session_state.setdefault(key, shown)
    if option.kind == "bool":
        value = st.toggle(label, key=key, on_change=address.touch)
    elif option.kind == "choice":
        value = st.selectbox(label, option.choices, key=key, on_change=address.touch)
    elif option.kind == "ints":
        value = st.text_input(label, key=key, on_change=address.touch)
    else:
        kind = int if option.kind == "int" else float
        low, high = kind(option.low), kind(option.high)
        value = st.number_input(
            label, low, high, key=key, on_change=address.touch, help=_range(low, high)
        )
    return _checked(spec, option, value)


def _range(low: float, high: float) -> str:
    """Say what a number may be: the browser drops any other without a word."""
    return f"{low:,} to {high:,}"


def _checked(spec: ModelSpec, option: Option, value: OptionValue) -> OptionValue:
    """Return the value, or the default with a sentence that says what would be legal."""
    try:
        if option.kind == "ints":
            return option.parse(str(value), spec.title)
        return option.check(value, spec.title)
    except OptionError as error:
        st.caption(f":red[{error} Using {option_text(option.default)}.]")
        return option.default


def _key(spec: ModelSpec, option: str) -> str:
    return f"{spec.name}:{option}"
