"""The widgets of a model's options, wherever they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import streamlit as st

from explorer.errors import OptionError
from explorer.models._registry import ModelSpec, Option, OptionValue
from pages.shared import address
from pages.shared.choice import DERIVED, option_text
from pages.shared.text import N_, _

_NAMES: Final = {"num_classes": N_("Classes"), "se": "SE"}


def asked_options(spec: ModelSpec) -> list[Option]:
    """The options that do not follow from the input."""
    return [option for option in spec.options.values() if option.name not in DERIVED]


def option_key(spec: ModelSpec, option: str, prefix: str = "") -> str:
    """Where the session's state has an option's widget."""
    return f"{prefix}{spec.name}:{option}"


def shown_value(option: Option, value: OptionValue) -> OptionValue:
    """What an option's widget holds: of several integers their text."""
    return option_text(value) if option.kind == "ints" else value


def widgets(
    spec: ModelSpec,
    prefix: str = "",
    on_change: Callable[..., None] = address.touch,
    args: tuple[Any, ...] = (),
) -> dict[str, OptionValue]:
    """Draw a widget for each option, numbers two in a row.

    Args:
        spec: the model.
        prefix: of the keys, so that two models on one page have widgets of their own.
        on_change: called when a value is changed.
        args: what it is called with.

    Returns:
        The values; in place of an illegal one the default, with a sentence under its widget.
    """
    asked = asked_options(spec)
    numbers = [option for option in asked if option.kind in ("int", "float")]
    others = [option for option in asked if option.kind not in ("int", "float")]
    values: dict[str, OptionValue] = {}

    def draw(option: Option) -> None:
        key = option_key(spec, option.name, prefix)
        values[option.name] = _checked(spec, option, _widget(option, key, on_change, args))

    with st.container(key=f"{prefix}numbers", gap="small"):
        for pair in zip(numbers[::2], [*numbers[1::2], None], strict=False):
            for column, option in zip(st.columns(2, gap="xsmall", wrap=False), pair, strict=True):
                if option is not None:
                    with column:
                        draw(option)
    for option in others:
        draw(option)
    return values


def _widget(
    option: Option, key: str, on_change: Callable[..., None], args: tuple[Any, ...]
) -> OptionValue:
    label = _(_NAMES.get(option.name, option.name.replace("_", " ").capitalize()))
    # A widget that was off the screen has forgotten its value, and starts from the default. The
    # value is given to the widget too, for the reason that `sidebar` gives.
    shown: Any = st.session_state.setdefault(key, shown_value(option, option.default))
    changed: Mapping[str, Any] = {"key": key, "on_change": on_change, "args": args}
    value: OptionValue
    if option.kind == "bool":
        value = st.toggle(label, shown, **changed)
    elif option.kind == "choice":
        value = st.selectbox(label, option.choices, option.choices.index(shown), **changed)
    elif option.kind == "ints":
        value = st.text_input(label, shown, **changed)
    else:
        kind = int if option.kind == "int" else float
        low, high = kind(option.low), kind(option.high)
        value = st.number_input(label, low, high, shown, help=limits(low, high), **changed)
    return value


def limits(low: float, high: float) -> str:
    """Say what a number may be: the browser drops any other without a word."""
    return _("{low} to {high}").format(low=f"{low:,}", high=f"{high:,}")


def _checked(spec: ModelSpec, option: Option, value: OptionValue) -> OptionValue:
    """Return the value, or the default with a sentence that says what would be legal."""
    try:
        if option.kind == "ints":
            return option.parse(str(value), spec.title)
        return option.check(value, spec.title)
    except OptionError as error:
        said = _("Using {value}.").format(value=option_text(option.default))
        st.caption(f":red[{error} {said}]")
        return option.default
