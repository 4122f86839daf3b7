"""The shared choice: one architecture, its options and one input, and how a link spells it.

A link never depends on the language or on a label: it holds registered names, option names
and numbers, `?model=resnet50&input=3x256x128&batch=8&mode=train&num_classes=10`. What is not
in it has its default, so that a link stays short and an old one stays valid.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, get_args

from explorer.errors import OptionError, UnknownModelError
from explorer.models._registry import ModelSpec, OptionValue
from explorer.zoo import get_spec, list_models
from pages.shared.text import _, joined

Mode = Literal["eval", "train"]

DEFAULT_MODEL: Final = "resnet50"
MODES: Final[tuple[Mode, ...]] = get_args(Mode)
MAX_SIZE: Final = 4096
"""Largest height and width. A trace costs the same at any size; a picture of it does not."""
MAX_CHANNELS: Final = 1024
MAX_BATCH: Final = 4096
DERIVED: Final = ("in_channels", "image_size")
"""Options that follow from the input size, and are therefore not asked for again."""
RESERVED: Final = frozenset(
    {
        *("model", "input", "batch", "mode"),
        *("unit", "count", "unused", "level", "kinds", "find", "tab", "chart", "layer"),
        *("zoom", "open", "toggled", "heat", "flow", "device"),
        *("show", "dtype", "tf32", "launch", "custom"),
        *("optimizer", "precision", "checkpoint", "budget"),
        *("measure", "runs", "fit"),
        *("lang", "present", "step"),
        *("steps", "at", "side"),
    }
)
"""Names in a link that are not options of a model."""


class Choice(NamedTuple):
    """What the sidebar says. Small, hashable and made of plain values: the key of every cache."""

    model: str
    input_shape: tuple[int, int, int, int]
    """(N, C, H, W)."""
    mode: Mode = "eval"
    options: tuple[tuple[str, OptionValue], ...] = ()
    """Options that differ from their default, in the builder's order."""

    @property
    def spec(self) -> ModelSpec:
        """What is known of the chosen model."""
        return get_spec(self.model)

    @property
    def build_options(self) -> dict[str, OptionValue]:
        """All that the builder must be told, what follows from the input size included."""
        _batch, channels, height, width = self.input_shape
        derived: dict[str, OptionValue] = {}
        if "in_channels" in self.spec.options:
            derived["in_channels"] = channels
        if "image_size" in self.spec.options:
            derived["image_size"] = (height, width)
        return {**dict(self.options), **derived}


def image_models(source: str) -> list[str]:
    """Models of a source that take one image, (N, C, H, W); those for video take five axes."""
    names = list_models(source=source)
    if source != "torchvision":
        return names
    return [name for name in names if len(get_spec(name).input_shape) == 4]


def native_choice(model: str) -> Choice:
    """The model as its paper has it, at batch 1.

    Raises:
        UnknownModelError: no such model.
    """
    _batch, channels, height, width = get_spec(model).input_shape
    return Choice(model, (1, channels, height, width))


def chosen_options(
    spec: ModelSpec, values: Mapping[str, OptionValue]
) -> tuple[tuple[str, OptionValue], ...]:
    """Keep the options that differ from their default, in the builder's order."""
    return tuple(
        (name, values[name])
        for name, option in spec.options.items()
        if name in values and name not in DERIVED and values[name] != option.default
    )


# ------------------------------------------------------------------- the link


def to_query(choice: Choice) -> dict[str, str]:
    """Spell a choice as query parameters, defaults left out."""
    batch, channels, height, width = choice.input_shape
    query = {"model": choice.model, "input": f"{channels}x{height}x{width}"}
    if batch != 1:
        query["batch"] = str(batch)
    if choice.mode != "eval":
        query["mode"] = choice.mode
    return query | {name: option_text(value) for name, value in choice.options}


def from_query(query: Mapping[str, str]) -> tuple[Choice, tuple[str, ...]]:
    """Read a choice from query parameters.

    Returns:
        The choice, and one sentence for each part that could not be read. Such a part falls
        back to its default; all others are kept.
    """
    problems: list[str] = []
    choice = native_choice(_read_model(query, problems))
    return choice._replace(
        input_shape=(
            _read_batch(query, problems),
            *_read_input(query, choice, problems),
        ),
        mode=_read_mode(query, problems),
        options=_read_options(query, choice.spec, problems),
    ), tuple(problems)


def option_text(value: OptionValue) -> str:
    """Spell an option's value: 10, 0.5, true, basic, 3,4,6,3."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value)


def _read_model(query: Mapping[str, str], problems: list[str]) -> str:
    name = query.get("model", DEFAULT_MODEL)
    try:
        spec = get_spec(name)
        if len(spec.input_shape) == 4:
            return spec.name
        problems.append(
            _(
                "{model} takes video, which this page does not show (the library and the command "
                "line do); showing {default} instead."
            ).format(model=name, default=get_spec(DEFAULT_MODEL).title)
        )
        return DEFAULT_MODEL
    except UnknownModelError as error:
        instead = _("Showing {model} instead.").format(model=get_spec(DEFAULT_MODEL).title)
        problems.append(joined((no_model(name, error), instead)))
        return DEFAULT_MODEL


def no_model(name: str, error: UnknownModelError) -> str:
    """Say that there is no model of a name, with those that may be meant."""
    if error.name != name:  # the whole library is missing, as the error says
        return _("There is no model called {name!r}: {error}").format(name=name, error=error)
    if not error.nearest:
        return _("There is no model called {name!r}.").format(name=name)
    return _("There is no model called {name!r}; did you mean {nearest}?").format(
        name=name, nearest=_(" or ").join(error.nearest)
    )


def _read_input(
    query: Mapping[str, str], native: Choice, problems: list[str]
) -> tuple[int, int, int]:
    size = native.input_shape[1:]
    channels, height, width = size
    text = query.get("input")
    if text is None:
        return channels, height, width
    numbers = _numbers(text)
    if len(numbers) == 2:
        numbers = (channels, *numbers)
    if len(numbers) == 3:
        channels, *sides = numbers
        if 1 <= channels <= MAX_CHANNELS and all(1 <= side <= MAX_SIZE for side in sides):
            return channels, sides[0], sides[1]
    fallback = "x".join(map(str, size))
    is_size = len(numbers) == 3 and min(numbers) >= 1
    said = (
        _(
            "The input size {text!r} in the link is too large: this page takes up to {channels:,} "
            "channels and sides up to {side:,}; using {fallback}."
        )
        if is_size
        else _(
            "The input size {text!r} in the link is not channels x height x width, such as "
            "3x224x224, with up to {channels:,} channels and sides up to {side:,}; "
            "using {fallback}."
        )
    )
    problems.append(said.format(text=text, channels=MAX_CHANNELS, side=MAX_SIZE, fallback=fallback))
    return size[0], size[1], size[2]


def _numbers(text: str) -> tuple[int, ...]:
    parts = re.split(r"[x×,]", text.lower().replace(" ", ""))
    if not all(re.fullmatch(r"[0-9]+", part) for part in parts):
        return ()
    # Seven digits are out of all bounds; more need not be read to know that.
    return tuple(int(part.lstrip("0")[:7] or "0") for part in parts)


def _read_batch(query: Mapping[str, str], problems: list[str]) -> int:
    text = query.get("batch", "1")
    numbers = _numbers(text)
    if len(numbers) == 1 and 1 <= numbers[0] <= MAX_BATCH:
        return numbers[0]
    problems.append(
        _("The batch {text!r} in the link is not an integer from 1 to {most}; using 1.").format(
            text=text, most=MAX_BATCH
        )
    )
    return 1


def _read_mode(query: Mapping[str, str], problems: list[str]) -> Mode:
    text = query.get("mode", "eval")
    for mode in MODES:
        if text == mode:
            return mode
    said = _("The mode {text!r} in the link is neither eval nor train; using eval.")
    problems.append(said.format(text=text))
    return "eval"


def _read_options(
    query: Mapping[str, str], spec: ModelSpec, problems: list[str]
) -> tuple[tuple[str, OptionValue], ...]:
    values: dict[str, OptionValue] = {}
    for name, text in query.items():
        if name in RESERVED or name in DERIVED:
            continue
        option = spec.options.get(name)
        if option is None:
            if query.get("model", spec.name) == spec.name:
                problems.extend(_unknown_option(name, spec))
            continue
        try:
            values[name] = option.parse(text, spec.title)
        except OptionError as error:
            using = _("Using {value}.").format(value=option_text(option.default))
            problems.append(joined((str(error), using)))
    return chosen_options(spec, values)


def _unknown_option(name: str, spec: ModelSpec) -> list[str]:
    """Say that an option is unknown, unless the name is none (what a mailer adds to a link)."""
    options = [option for option in spec.options if option not in DERIVED]
    nearest = difflib.get_close_matches(name, options, n=1, cutoff=0.7)
    if nearest:
        said = _("{model} has no option {option!r}; did you mean {nearest}?")
        return [said.format(model=spec.title, option=name, nearest=nearest[0])]
    if any(name in get_spec(model).options for model in list_models()):
        said = _("{model} has no option {option!r}, which the link sets for another model.")
        return [said.format(model=spec.title, option=name)]
    return []
