"""Which models are compared and how they are looked at: the controls, and how a link spells them.

A link names the models and their options, then one input size for all or one for each:
`?models=resnet50,resnext50_32x4d(groups=16;width_per_group=8)&size=224x224`, or
`&sizes=224x224,native`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import streamlit as st

from explorer.analysis import Convention
from explorer.analysis.compare import MOST
from explorer.analysis.roofline import devices
from explorer.diagram.heat import DEFAULT_DEVICE
from explorer.diagram.views import ViewName
from explorer.errors import OptionError
from explorer.figures.comparison import MEASURES
from explorer.latency import Way, recorded_ways
from explorer.models._registry import ModelSpec, Option, OptionValue
from explorer.zoo import available_sources, get_spec, source_of
from pages.shared import address, reading, timed
from pages.shared.choice import (
    DERIVED,
    MAX_SIZE,
    Choice,
    chosen_options,
    image_models,
    native_choice,
    option_text,
)
from pages.shared.options import asked_options, option_key, shown_value
from pages.shared.options import widgets as option_widgets
from pages.shared.sidebar import PRESETS
from pages.shared.text import N_, _
from pages.shared.timed import Here
from pages.shared.view import EXTRAS, FLOWS, MAX_TOGGLED, UNITS, ZOOMS
from pages.shared.widgets import plain

EXAMPLES: Final = {
    N_("ResNet-50: v1 and v1.5"): ("resnet50_v1", "resnet50"),
    N_("ResNet-50: v1.5 and v2"): ("resnet50", "resnetv2_50"),
    N_("ResNet-18 and plain-18"): ("resnet18", "plain18"),
    N_("VGG-16: C and D"): ("vgg16_c", "vgg16"),
    N_("Inception: v3 and v4"): ("inception_v3", "inception_v4"),
    N_("MobileNet: v2 and v3"): ("mobilenet_v2", "mobilenet_v3_large"),
    N_("DeiT and distilled DeiT"): ("deit_small_patch16_224", "deit_small_distilled_patch16_224"),
    N_("ResNet, ResNeXt, SE and wide"): (
        "resnet50", "resnext50_32x4d", "seresnet50", "wide_resnet50_2",
    ),
}  # fmt: skip
"""Comparisons that a reader may have come for."""
FIRST: Final = ("resnet50", "resnext50_32x4d")
TABS: Final = {
    "layers": N_("Layer by layer"),
    "stages": N_("Stages"),
    "curves": N_("Curves"),
    "diagrams": N_("Diagrams"),
}
"""Name in the link -> title."""
NATIVE: Final = "native"
EACH: Final = "each"

_PRESETS: Final = tuple(f"{height}x{width}" for height, width in PRESETS)
_TAB_WIDGET: Final = "compare_tab_widget"
_PROBLEMS: Final = "compare_option_problems"
_SHOWN_SIZE: Final = "_compare_shown_size"
_TYPED: Final = "_compare_typed_size"


class View(NamedTuple):
    """What is compared, and what of it is shown."""

    choices: tuple[Choice, ...]
    convention: Convention
    device: str
    """That times are predicted for."""
    way: Way
    """In which recorded times were taken."""
    here: Here
    """What times are measured on."""
    tab: str
    measure: str
    against: int
    """Place of the model that is aligned with the first, layer by layer."""
    changed: bool
    """Whether rows that are the same are left out."""
    find: str
    row: int
    """Place of the selected row of the difference; -1 if none is."""
    zoom: ViewName
    depth: int
    """How far all diagrams are open; 0 leaves it to the smallest."""
    flow: str
    toggled: tuple[str, ...]
    """Boxes opened or closed by hand, each with the place of its model: "0/layer1.0"."""


def open_view() -> View:
    """Read the view from the session, or from the address where that speaks, and record it."""
    state = st.session_state
    models: list[str] = address.restore("models", "compare_models", _models, [*FIRST])
    each = EACH if "sizes" in address.query() else NATIVE
    size = address.restore("size", "compare_size", _size, each)
    sizes: list[str] = address.restore("sizes", "compare_sizes", _sizes, [])
    state[_SHOWN_SIZE] = size
    state["compare_sizes"] = sizes = [*sizes, *[NATIVE] * MOST][: len(models)]
    address.restore("source", "compare_source", reading.one_of(available_sources()), "layerwise")
    address.record(
        {
            "models": ",".join(models),
            "size": size if size not in (NATIVE, EACH) else None,
            "sizes": ",".join(sizes) if size == EACH else None,
            "source": reading.unless(state["compare_source"], "layerwise"),
        }
    )
    return _open_looks(_choices(models, [s if size == EACH else size for s in sizes]))


def _open_looks(choices: tuple[Choice, ...]) -> View:
    """Read what does not depend on which models they are."""
    unit = address.restore("unit", "unit", reading.one_of(UNITS), UNITS[0])
    extras: list[str] = address.restore("count", "extras", reading.some_of(EXTRAS), [])
    names = [device.name for device in devices()]
    device = address.restore("device", "compare_device", reading.one_of(names), DEFAULT_DEVICE)
    ways = {way.name: way for way in recorded_ways()}
    first_way = next(iter(ways))
    way = address.restore("recorded", "compare_way", reading.one_of([*ways]), first_way)
    tab = address.restore("tab", "compare_tab", reading.one_of(tuple(TABS)), "layers")
    measure = address.restore("measure", "compare_measure", reading.one_of(MEASURES), "cost")
    against = address.restore("against", "compare_against", reading.whole_number(1, MOST - 1), 1)
    changed = address.restore("rows", "compare_changed", {"changed": True}.get, False)
    find = address.restore("find", "compare_find", str, "")
    row = address.restore("row", "compare_row", reading.whole_number(0, 100_000), -1)
    zoom: ViewName = address.restore("zoom", "compare_zoom", reading.one_of(tuple(ZOOMS)), "blocks")
    depth = address.restore("open", "compare_open", reading.whole_number(0, 99), 0)
    flow = address.restore("flow", "compare_flow", reading.one_of(tuple(FLOWS)), "right")
    toggled: list[str] = address.restore("toggled", "compare_toggled", _keys, [])
    st.session_state[_TAB_WIDGET] = _(TABS[tab])
    address.record(
        {
            "unit": reading.unless(unit, UNITS[0]),
            "count": ",".join(extras) or None,
            "device": reading.unless(device, DEFAULT_DEVICE),
            "recorded": reading.unless(way, first_way),
            "tab": reading.unless(tab, "layers"),
            "measure": reading.unless(measure, "cost"),
            "against": reading.unless(str(against), "1"),
            "rows": "changed" if changed else None,
            "find": find or None,
            "row": reading.unless(str(row), "-1"),
            "zoom": reading.unless(zoom, "blocks"),
            "open": reading.unless(str(depth), "0"),
            "flow": reading.unless(flow, "right"),
            "toggled": ",".join(toggled) or None,
        }
    )
    return View(
        choices=choices,
        convention=Convention(unit=unit, **{extra: extra in extras for extra in EXTRAS}),
        device=device,
        way=ways[way],
        here=timed.open_here(),
        tab=tab,
        measure=measure,
        against=against,
        changed=changed,
        find=find,
        row=row,
        zoom=zoom,
        depth=depth,
        flow=flow,
        toggled=tuple(toggled),
    )


def tabs() -> dict[str, Any]:
    """Draw the tabs; only the open one's content is made."""
    drawn = st.tabs([_(title) for title in TABS.values()], key=_TAB_WIDGET, on_change=_change_tab)
    return dict(zip(TABS, drawn, strict=True))


def _change_tab() -> None:
    address.touch()
    titles = {_(title): name for name, title in TABS.items()}
    st.session_state["compare_tab"] = titles[st.session_state[_TAB_WIDGET]]


# ------------------------------------------------------------------- controls


def controls(view: View) -> None:
    """Choose the models, their sizes and options, or an example."""
    state = st.session_state
    count = len(view.choices)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.segmented_control(
            _("Source"),
            available_sources(),
            key="compare_source",
            required=True,
            format_func=lambda name: {"layerwise": "Layerwise"}.get(name, name),
            on_change=address.touch,
            help=_("What the lists below offer; models of several sources can be compared."),
        )
        st.selectbox(
            _("Input size"),
            list(dict.fromkeys((NATIVE, EACH, state["compare_size"], *_PRESETS))),
            key="compare_size",
            format_func=_size_label,
            accept_new_options=True,
            on_change=_change_size,
            width=165,
            help=_("Choose, or type another: height × width in pixels."),
        )
        st.selectbox(
            _("Predict time on"),
            [device.name for device in devices()],
            key="compare_device",
            on_change=address.touch,
            width=190,
        )
        with st.popover(_("Examples"), icon=":material/lightbulb:"):
            for number, (title, models) in enumerate(EXAMPLES.items()):
                st.button(
                    _(title),
                    key=f"example_{number}",
                    type="tertiary",
                    on_click=_show,
                    args=(models,),
                )
        st.button(
            _("Add a model"),
            key="compare_add",
            icon=":material/add:",
            disabled=count == MOST,
            on_click=_add,
        )
    for number, column in enumerate(st.columns(max(count, 2), gap="small")[:count]):
        with column, st.container(gap="xsmall"):
            _slot(number, count)
    if typed := state.pop(_TYPED, ""):
        st.caption(
            _(
                ":red[{typed} is no size: type height × width in pixels, such as 256x128, "
                "each side 1 to {most:,}.]"
            ).format(typed=plain(repr(typed)), most=MAX_SIZE)
        )


def _slot(number: int, count: int) -> None:
    """One model: which, at which size, with which options."""
    state = st.session_state
    name, options = _parts(state["compare_models"][number])
    offered = image_models(state["compare_source"])
    state[f"compare_model_{number}"] = name
    st.selectbox(
        _("Model {number}").format(number=number + 1) if number else _("Model 1 (reference)"),
        offered if name in offered else [name, *offered],
        key=f"compare_model_{number}",
        format_func=_model_label,
        on_change=_change_model,
        args=(number,),
    )
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="bottom"):
        if state["compare_size"] == EACH:
            size = state[f"compare_size_{number}"] = state["compare_sizes"][number]
            st.selectbox(
                _("Size of model {number}").format(number=number + 1),
                list(dict.fromkeys((NATIVE, size, *_PRESETS))),
                key=f"compare_size_{number}",
                format_func=_size_label,
                accept_new_options=True,
                label_visibility="collapsed",
                on_change=_change_sizes,
                args=(number,),
                width=130,
            )
        if asked_options(get_spec(name)):
            with st.popover(_("Options"), icon=":material/tune:"):
                _options(number, name, options)
        if count > 2:
            st.button(
                _("Remove"),
                key=f"compare_remove_{number}",
                icon=":material/close:",
                type="tertiary",
                on_click=_remove,
                args=(number,),
            )
    if options:
        st.caption(plain(options.replace(";", ", ")))
    for problem in state[_PROBLEMS][number]:
        st.caption(f":red[{plain(problem)}]")


def _options(number: int, name: str, text: str) -> None:
    """A widget for each option, set to what the link says of this model."""
    spec, state = get_spec(name), st.session_state
    given = _given(text)
    for option in asked_options(spec):
        state[option_key(spec, option.name, _prefix(number))] = _shown(spec, option, given)
    option_widgets(spec, _prefix(number), _change_options, (number,))
    if text:
        st.button(
            _("Back to the defaults"),
            key=f"compare_defaults_{number}",
            type="tertiary",
            icon=":material/restart_alt:",
            on_click=_forget_options,
            args=(number,),
        )


def _prefix(number: int) -> str:
    return f"compare_{number}:"


def _shown(spec: ModelSpec, option: Option, given: Mapping[str, str]) -> OptionValue:
    """What an option's widget shows: what the link says, if it can be."""
    try:
        value = option.parse(given.get(option.name, ""), spec.title)
    except OptionError:
        value = option.default
    return shown_value(option, value)


def _model_label(name: str) -> str:
    if source_of(name) != "layerwise":
        return name
    spec = get_spec(name)
    return f"{spec.title} · {spec.year}"


def _size_label(size: str) -> str:
    if size == NATIVE:
        return _("Each one's own")
    return _("Chosen for each") if size == EACH else size.replace("x", " × ")


def _set_models(models: Sequence[str], sizes: Sequence[str]) -> None:
    """Compare others: what was selected or opened by hand in the old ones is forgotten."""
    address.touch()
    state = st.session_state
    state["compare_models"], state["compare_sizes"] = [*models], [*sizes]
    state["compare_row"], state["compare_toggled"] = -1, []
    state["compare_against"] = min(state["compare_against"], max(1, len(models) - 1))


def _show(models: Sequence[str]) -> None:
    _set_models(models, [NATIVE] * len(models))
    st.session_state["compare_size"] = NATIVE
    st.session_state["compare_find"] = ""
    st.session_state["compare_against"] = 1


def _add() -> None:
    state = st.session_state
    others = [m for m in (*FIRST, "seresnet50", "resnet50_v1") if m not in state["compare_models"]]
    _set_models([*state["compare_models"], others[0]], [*state["compare_sizes"], NATIVE])


def _remove(number: int) -> None:
    state = st.session_state
    models, sizes = [*state["compare_models"]], [*state["compare_sizes"]]
    del models[number], sizes[number]
    _set_models(models, sizes)


def _change_model(number: int) -> None:
    state = st.session_state
    models = [*state["compare_models"]]
    models[number] = state[f"compare_model_{number}"]
    _set_models(models, state["compare_sizes"])


def _change_options(number: int) -> None:
    """Spell what the widgets say as the link does."""
    state = st.session_state
    name = _parts(state["compare_models"][number])[0]
    spec = get_spec(name)
    parts = []
    for option in asked_options(spec):
        value = state[option_key(spec, option.name, _prefix(number))]
        if value != shown_value(option, option.default):
            # What separates models and options in a link cannot be in a value.
            text = re.sub(r"[();\s]", "", option_text(value))
            parts.append(f"{option.name}={text}")
    _set_options(number, ";".join(parts))


def _forget_options(number: int) -> None:
    _set_options(number, "")


def _set_options(number: int, text: str) -> None:
    models = [*st.session_state["compare_models"]]
    name = _parts(models[number])[0]
    models[number] = f"{name}({text})" if text else name
    _set_models(models, st.session_state["compare_sizes"])


def _change_size() -> None:
    """From one size for all to one for each: begin with what was shown."""
    address.touch()
    state = st.session_state
    shown = [choice.input_shape[2:] for choice in state["_compared"]]
    state["compare_size"] = _typed(state["compare_size"], state[_SHOWN_SIZE])
    if state["compare_size"] == EACH:
        state["compare_sizes"] = [f"{height}x{width}" for height, width in shown]


def _change_sizes(number: int) -> None:
    address.touch()
    state = st.session_state
    sizes = [*state["compare_sizes"]]
    sizes[number] = _typed(state[f"compare_size_{number}"], sizes[number])
    state["compare_sizes"] = sizes


def _typed(text: str | None, before: str) -> str:
    """What was chosen or typed; what was there before if it is no size, and a sentence."""
    if text is None:
        return before
    size = _size(text)
    if size is None:
        st.session_state[_TYPED] = text[:40]
    return size or before


# -------------------------------------------------------------- reading a link


def _choices(models: Sequence[str], sizes: Sequence[str]) -> tuple[Choice, ...]:
    """What is traced; sentences about options that are none are kept for the slots."""
    state = st.session_state
    found: list[Choice] = []
    state[_PROBLEMS] = []
    for token, size in zip(models, sizes, strict=True):
        name, text = _parts(token)
        problems: list[str] = []
        choice = native_choice(name)
        if size != NATIVE:
            height, width = size.split("x")
            shape = (*choice.input_shape[:2], int(height), int(width))
            choice = choice._replace(input_shape=shape)
        found.append(choice._replace(options=_read_options(choice, text, problems)))
        state[_PROBLEMS].append(problems)
    state["_compared"] = tuple(found)
    return tuple(found)


def _read_options(
    choice: Choice, text: str, problems: list[str]
) -> tuple[tuple[str, OptionValue], ...]:
    spec = choice.spec
    values: dict[str, OptionValue] = {}
    for name, value in _given(text).items():
        if name in DERIVED or name not in spec.options:
            problems.append(
                _("{model} has no option {option!r}.").format(model=spec.title, option=name)
            )
            continue
        try:
            values[name] = spec.options[name].parse(value, spec.title)
        except OptionError as error:
            problems.append(str(error))
    return chosen_options(spec, values)


def _given(text: str) -> dict[str, str]:
    """Names and values of "a=1;b=2"."""
    parts = (part.partition("=") for part in text.split(";") if part)
    return {name: value for name, _between, value in parts}


def _parts(token: str) -> tuple[str, str]:
    """Name and options of "name(a=1;b=2)"."""
    name, _between, options = token.partition("(")
    return name, options.removesuffix(")")


def _models(text: str) -> list[str] | None:
    """Models that exist, each with its options; a sentence for each that does not."""
    known = reading.image_models(reading.listed(text), MOST, lambda token: _parts(token)[0])
    pairs = [_parts(token) for token in known]
    return [f"{name}({options})" if options else name for name, options in pairs] or None


def _size(text: str) -> str | None:
    """A size for all, "224x224", or one for each, "native"."""
    return text if text in (NATIVE, EACH) else reading.size(text)


def _sizes(text: str) -> list[str] | None:
    found = [_size(part) for part in text.split(",")]
    sizes = [size for size in found if size and size != EACH]
    return sizes if len(sizes) == len(found) else None


def _keys(text: str) -> list[str]:
    keys = [key for key in text.split(",") if re.match(r"[0-3]/.", key)]
    return keys[:MAX_TOGGLED]
