"""The registry: one decorator makes a builder function a named, documented, bounded model.

A builder is a plain function whose parameters are the model's options. The registry reads
their legal values from the signature, so that the app, the command line and the error
messages all say the same:

    int                           any integer >= 1
    Annotated[int, Bounds(1, 64)] an integer in 1..64 (float likewise)
    bool                          a switch
    Literal["a", "b"]             a choice
    tuple[int, ...]               as many integers as the default has, each >= 1
    Annotated[tuple[int, ...], Bounds(1, 64)] the same, each in 1..64
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

from torch import nn

from explorer.errors import OptionError, UnknownModelError
from explorer.text import _

Shape = tuple[int, ...]
OptionValue = int | float | bool | str | tuple[int, ...]
Builder = TypeVar("Builder", bound=Callable[..., nn.Module])


class Bounds(NamedTuple):
    """Smallest and largest legal value of a numeric option."""

    low: float
    high: float


# The options that nearly every builder has. The limits are far beyond any published model and
# keep a shared server from being asked for a layer of 10^12 weights.
NumClasses = Annotated[int, Bounds(1, 100_000)]
InChannels = Annotated[int, Bounds(1, 1024)]
Dropout = Annotated[float, Bounds(0, 0.9)]


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a model, as its builder's signature states it."""

    name: str
    kind: Literal["int", "float", "bool", "choice", "ints"]
    default: OptionValue
    low: float = 1
    high: float = 2**31
    choices: tuple[OptionValue, ...] = ()

    def check(self, value: object, model: str) -> OptionValue:
        """Return `value` if it is legal.

        Raises:
            OptionError: it is not; the message says the legal range.
        """
        legal, wanted = self._legal(value)
        if not legal:
            raise OptionError(
                _("{model}: {name}={value!r} should be {wanted}.").format(
                    model=model, name=self.name, value=value, wanted=wanted
                ),
                self.name,
            )
        return value  # type: ignore[return-value]

    def parse(self, text: str, model: str) -> OptionValue:
        """Read a value as a link or a command line spells it: 10, 0.5, true, B, 3,4,6,3.

        Raises:
            OptionError: it is no such value, or an illegal one; the message says the legal range.
        """
        return self.check(self._read(text.strip()), model)

    def _read(self, text: str) -> object:
        """Return the value, or the text itself for `check` to refuse."""
        if self.kind == "bool":
            return {"true": True, "false": False}.get(text.lower(), text)
        if self.kind == "choice":
            return next((choice for choice in self.choices if str(choice) == text), text)
        try:
            if self.kind == "ints":
                return tuple(int(part) for part in re.split(r"[\s,;x×]+", text.strip("()[] ")))
            return float(text) if self.kind == "float" else int(text)
        except ValueError:
            return text

    def _legal(self, value: object) -> tuple[bool, str]:
        if self.kind == "bool":
            return isinstance(value, bool), "True or False"
        if self.kind == "choice":
            same_type = isinstance(value, type(self.default))
            return (
                same_type and value in self.choices,
                f"one of {', '.join(map(repr, self.choices))}",
            )
        between = f"from {self.low:g} to {self.high:,.10g}"
        if self.kind == "ints":
            size = len(self.default)  # type: ignore[arg-type]
            return (
                isinstance(value, tuple) and len(value) == size and all(map(self._in_range, value)),
                f"{size} integers {between}",
            )
        if self.kind == "int":
            return self._in_range(value), f"an integer {between}"
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and self.low <= value <= self.high, f"a number {between}"  # type: ignore[operator]

    def _in_range(self, value: object) -> bool:
        integer = isinstance(value, int) and not isinstance(value, bool)
        return integer and self.low <= value <= self.high  # type: ignore[operator]


@dataclass(frozen=True, slots=True)
class Paper:
    """Where an architecture was published; as text, one line to cite it by."""

    authors: str
    """Surnames: "He, Zhang, Ren, Sun"."""
    title: str
    venue: str = ""
    """Conference or journal with the year, "CVPR 2016"; empty if it is on arXiv only."""
    arxiv: str = ""
    """arXiv id, "1512.03385"; empty if there is none."""

    def __str__(self) -> str:
        """Return "Authors: Title, Venue, arXiv:id"."""
        arxiv = f"arXiv:{self.arxiv}" if self.arxiv else ""
        return f"{self.authors}: " + ", ".join(filter(None, (self.title, self.venue, arxiv)))


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What is known of a model without building it."""

    name: str
    build: Callable[..., nn.Module]
    family: str
    title: str
    """First line of the builder's docstring, without the full stop: "ResNet-50"."""
    year: int
    publication: Paper
    input_shape: Shape
    """Native input with the batch: (1, 3, 224, 224)."""
    min_size: tuple[int, int]
    """Smallest legal (height, width)."""
    options: MappingProxyType[str, Option]
    idea: str = ""
    """What the architecture does differently, in one sentence."""
    new: tuple[str, ...] = ()
    """What its paper brought that was not there before, each a short sentence."""
    departs: str = ""
    """Where our code departs from the paper; empty: nowhere that we know of."""

    @property
    def paper(self) -> str:
        """Authors, title, venue and arXiv id, in one line."""
        return str(self.publication)


_MODELS: dict[str, ModelSpec] = {}


def register_model(
    *,
    family: str,
    year: int,
    paper: Paper,
    idea: str,
    new: tuple[str, ...] = (),
    departs: str = "",
    input_shape: Shape = (1, 3, 224, 224),
    min_size: tuple[int, int] = (1, 1),
) -> Callable[[Builder], Builder]:
    """Register the decorated builder under its own name.

    Args:
        family: heading under which the model is listed ("ResNet").
        year: year in which the architecture first appeared, in print or on arXiv.
        paper: where it was published.
        idea: what it does differently, in one sentence.
        new: what the paper brought, in three short sentences.
        departs: where our code departs from the paper, in sentences. What the builder's docstring
            says after its first line is added to it.
        input_shape: native input with the batch.
        min_size: smallest (height, width) that the model accepts with its default options.

    Returns:
        The decorator. It may be kept and used for all models of one paper.

    Raises:
        ValueError: the name is taken, or the builder has no docstring (both are bugs).
        TypeError: an option has no default or a type that is not listed above (a bug).
    """

    def decorate(build: Builder) -> Builder:
        name = build.__name__
        if name in _MODELS:
            raise ValueError(f"two models are called {name!r}")
        if not build.__doc__:
            raise ValueError(f"{name} has no docstring")
        title, _, rest = inspect.cleandoc(build.__doc__).partition("\n")
        own = " ".join(rest.split()).replace("`", "")
        _MODELS[name] = ModelSpec(
            name=name,
            build=build,
            family=family,
            title=title.rstrip("."),
            year=year,
            publication=paper,
            input_shape=input_shape,
            min_size=min_size,
            options=_options(build),
            idea=idea,
            new=new,
            departs=f"{departs} {own}".strip(),
        )
        return build

    return decorate


def _options(build: Callable[..., nn.Module]) -> MappingProxyType[str, Option]:
    hints = get_type_hints(build, include_extras=True)
    parameters = inspect.signature(build).parameters.values()
    for parameter in parameters:
        if parameter.default is inspect.Parameter.empty:
            raise TypeError(f"{build.__name__}: option {parameter.name} has no default")
    return MappingProxyType({p.name: _option(p.name, hints[p.name], p.default) for p in parameters})


def _option(name: str, hint: Any, default: Any) -> Option:
    bounds = Bounds(1, 2**31)
    if get_origin(hint) is Annotated:
        hint, bounds = get_args(hint)[:2]
    if hint is bool:
        return Option(name, "bool", default)
    if get_origin(hint) is Literal:
        return Option(name, "choice", default, choices=get_args(hint))
    if get_origin(hint) is tuple:
        return Option(name, "ints", default, *bounds)
    if hint in (int, float):
        return Option(name, hint.__name__, default, *bounds)
    raise TypeError(f"option {name} has type {hint}, which the registry does not know")


@cache
def _load_families() -> None:
    """Import every family file once; the imports register the models."""
    package = importlib.import_module(__package__)
    for module in pkgutil.iter_modules(package.__path__):
        if not module.name.startswith("_"):
            importlib.import_module(f"{__package__}.{module.name}")


def list_models(family: str | None = None) -> list[str]:
    """Names of all registered models, families in order of their first year, then by year.

    Args:
        family: only this family ("ResNet").
    """
    _load_families()
    first_year: dict[str, int] = {}
    for spec in _MODELS.values():
        first_year[spec.family] = min(spec.year, first_year.get(spec.family, spec.year))
    specs = sorted(_MODELS.values(), key=lambda s: (first_year[s.family], s.family, s.year))
    return [spec.name for spec in specs if family in (None, spec.family)]


def get_spec(name: str) -> ModelSpec:
    """Return what is known of one model.

    Raises:
        UnknownModelError: no such model; the message suggests the nearest names.
    """
    _load_families()
    try:
        return _MODELS[name]
    except KeyError:
        raise UnknownModelError(name, _MODELS) from None


def build_model(name: str, **options: OptionValue) -> nn.Module:
    """Build a registered model in eval mode.

    Args:
        name: a registered name.
        **options: values of the options that `get_spec(name).options` lists.

    Raises:
        UnknownModelError: no such model.
        OptionError: no such option, an illegal value, or values that do not go together.
    """
    spec = get_spec(name)
    check_options(spec, options)
    return spec.build(**options).eval()


def check_options(spec: ModelSpec, options: Mapping[str, object]) -> None:
    """Check the values of a model's options one by one.

    Raises:
        OptionError: no such option, or an illegal value; the message says the legal range.
    """
    for option, value in options.items():
        if option not in spec.options:
            raise OptionError(
                _("{name} has no option {option!r}; it has {options}.").format(
                    name=spec.name, option=option, options=", ".join(spec.options)
                ),
                option,
            )
        spec.options[option].check(value, spec.name)
