"""The registry: names, options and sizes, for every model it holds."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import pytest
import torch
from torch import nn

from explorer.errors import InputSizeError, OptionError, UnknownModelError
from explorer.models import Option, _registry, build_model, get_spec, list_models
from explorer.models._registry import Bounds, Paper, check_options, register_model

NAMES = list_models()
FILES = sorted(path for path in Path(_registry.__file__).parent.glob("*.py") if path.name[0] != "_")
NOWHERE = Paper(authors="Nobody", title="Nothing")
each_model = pytest.mark.parametrize("name", NAMES)
# The models of one file at their greatest depth are one and the same: one of them is enough.
FIRST_OF_FILE = {get_spec(name).build.__module__: name for name in reversed(NAMES)}.values()


@cache
def _on_meta(name: str) -> nn.Module:
    with torch.device("meta"):
        return build_model(name)


# --------------------------------------------------------------------- names


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UnknownModelError, match=r"did you mean .*resnet50") as caught:
        build_model("resnet51")

    assert caught.value.name == "resnet51"
    assert "resnet50" in caught.value.nearest


def test_a_name_like_nothing_points_to_the_list() -> None:
    with pytest.raises(UnknownModelError, match="see list_models"):
        get_spec("zzzzzz")


def test_families_are_listed_by_their_first_year_and_models_by_theirs() -> None:
    specs = [get_spec(name) for name in NAMES]
    families = list(dict.fromkeys(spec.family for spec in specs))
    firsts = [min(spec.year for spec in specs if spec.family == family) for family in families]

    assert families[:2] == ["LeNet", "AlexNet"]
    assert firsts == sorted(firsts)
    assert [s.family for s in specs] == sorted((s.family for s in specs), key=families.index)
    assert list_models(family="AlexNet") == ["alexnet_paper", "alexnet_full", "alexnet"]


def test_a_family_nobody_has_is_an_empty_list() -> None:
    assert list_models(family="resnet") == []


def test_two_models_of_one_name_are_refused() -> None:
    def lenet5(num_classes: int = 10) -> nn.Module:
        """Impostor."""
        return nn.Linear(1, num_classes)

    with pytest.raises(ValueError, match="two models are called 'lenet5'"):
        register_model(family="LeNet", year=1998, paper=NOWHERE, idea="")(lenet5)


def _undocumented(num_classes: int = 10) -> nn.Module:
    return nn.Linear(1, num_classes)


def _without_default(num_classes: int) -> nn.Module:
    """Net."""
    return nn.Linear(1, num_classes)


def _with_a_list(widths: list[int] = [1]) -> nn.Module:  # noqa: B006
    """Net."""
    return nn.Linear(1, widths[0])


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (_undocumented, ValueError, "has no docstring"),
        (_without_default, TypeError, "option num_classes has no default"),
        (_with_a_list, TypeError, "which the registry does not know"),
    ],
)
def test_a_builder_that_cannot_become_a_form_is_refused(
    build: Callable[..., nn.Module], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        register_model(family="", year=2000, paper=NOWHERE, idea="")(build)

    assert build.__name__ not in list_models()


# ------------------------------------------------------------- documentation


@each_model
def test_a_model_is_documented_dated_and_cited(name: str) -> None:
    spec = get_spec(name)
    file = inspect.getmodule(spec.build)

    assert spec.title
    assert "\n" not in spec.title
    assert 1998 <= spec.year <= 2030
    assert re.search(r"(19|20)\d\d|arXiv:\d{4}\.\d{4,5}", spec.paper)
    assert file is not None
    assert file.__doc__ is not None
    assert spec.publication.title in " ".join(file.__doc__.split())
    for sentence in (spec.idea, *spec.new):
        assert re.fullmatch(r"[A-Z0-9].*[^.]\.", sentence)
        assert "  " not in sentence
    assert len(set(spec.new)) == 3
    assert re.fullmatch(r"([A-Z].*\.)?", spec.departs)
    assert spec.publication.authors
    assert spec.publication.venue or spec.publication.arxiv
    assert re.fullmatch(r"(\d{4}\.\d{5}|\d{4}\.\d{4})?", spec.publication.arxiv)


def test_titles_tell_the_models_apart() -> None:
    titles = [get_spec(name).title for name in NAMES]

    assert sorted(titles) == sorted(set(titles))


@each_model
def test_every_class_of_a_model_states_its_shapes(name: str) -> None:
    ours = {
        type(module)
        for module in _on_meta(name).modules()
        if type(module).__module__.startswith("explorer.")
    }

    assert ours
    for cls in ours:
        assert "Shape:" in (cls.__doc__ or ""), cls


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_family_file_imports_only_torch_the_registry_and_the_shared_layers(path: Path) -> None:
    allowed = {"torch", "explorer", *sys.stdlib_module_names}
    ours = {"explorer.errors", "explorer.models._registry", "explorer.models._layers"}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    } | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    assert {module.split(".")[0] for module in imported} <= allowed
    assert {module for module in imported if module.startswith("explorer")} <= ours


# -------------------------------------------------------------------- options


@each_model
def test_every_model_takes_num_classes_and_in_channels(name: str) -> None:
    spec = get_spec(name)
    classes, channels = spec.options["num_classes"], spec.options["in_channels"]

    assert (classes.kind, channels.kind) == ("int", "int")
    assert channels.default == spec.input_shape[1]
    with torch.device("meta"):
        model = build_model(name, num_classes=7, in_channels=5)
    batch, _, height, width = spec.input_shape
    assert model(torch.empty(batch, 5, height, width, device="meta")).shape == (1, 7)


@each_model
def test_every_option_is_bounded_and_its_default_is_legal(name: str) -> None:
    for option in get_spec(name).options.values():
        assert option.name.isidentifier()
        assert option.check(option.default, name) == option.default
        if option.kind in ("int", "float", "ints"):
            assert option.high <= 100_000


def _ends(option: Option, deepest: bool) -> Iterator[object]:
    """Every choice, or the lowest and the highest value."""
    if option.kind == "bool":
        yield from (False, True)
    elif option.kind == "choice":
        yield from option.choices
    elif option.kind == "ints":
        for end in (option.low, option.high) if deepest else (option.low,):
            yield (int(end),) * len(option.default)
    elif option.kind == "int":
        yield from (int(option.low), int(option.high))
    else:
        yield from (float(option.low), float(option.high))


@each_model
def test_both_ends_of_every_option_build_on_meta(name: str) -> None:
    for option in get_spec(name).options.values():
        for value in _ends(option, deepest=name in FIRST_OF_FILE):
            with torch.device("meta"):
                model = build_model(name, **{option.name: value})
            assert all(p.is_meta and 0 not in p.shape for p in model.parameters())
            # A server shared by many stays safe: no model has more than ten thousand modules.
            assert sum(1 for _ in model.modules()) < 10_000


CHECKS = {
    "classes": Option("classes", "int", 10, 1, 1000),
    "rate": Option("rate", "float", 0.5, 0, 0.9),
    "bias": Option("bias", "bool", True),
    "pool": Option("pool", "choice", "max", choices=("max", "average")),
    "depths": Option("depths", "ints", (2, 2), 1, 8),
}


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("classes", 1),
        ("classes", 1000),
        ("rate", 0),
        ("rate", 0.9),
        ("bias", False),
        ("pool", "average"),
        ("depths", (1, 8)),
    ],
)
def test_a_legal_value_is_returned_as_it_is(option: str, value: object) -> None:
    assert CHECKS[option].check(value, "net") == value


@pytest.mark.parametrize(
    ("option", "value", "wanted"),
    [
        ("classes", 0, "an integer from 1 to 1,000"),
        ("classes", 1001, "an integer from 1 to 1,000"),
        ("classes", 10.0, "an integer from 1 to 1,000"),
        ("classes", "10", "an integer from 1 to 1,000"),
        ("classes", True, "an integer from 1 to 1,000"),
        ("classes", None, "an integer from 1 to 1,000"),
        ("rate", -0.1, "a number from 0 to 0.9"),
        ("rate", float("nan"), "a number from 0 to 0.9"),
        ("rate", float("inf"), "a number from 0 to 0.9"),
        ("rate", False, "a number from 0 to 0.9"),
        ("bias", 1, "True or False"),
        ("pool", "min", "one of 'max', 'average'"),
        ("pool", ["max"], "one of 'max', 'average'"),
        ("depths", (2, 2, 2), "2 integers from 1 to 8"),
        ("depths", (2, 9), "2 integers from 1 to 8"),
        ("depths", (2, 2.0), "2 integers from 1 to 8"),
        ("depths", 2, "2 integers from 1 to 8"),
        ("depths", "22", "2 integers from 1 to 8"),
    ],
)
def test_an_illegal_value_says_the_legal_range(option: str, value: object, wanted: str) -> None:
    with pytest.raises(OptionError) as caught:
        CHECKS[option].check(value, "net")

    assert str(caught.value) == f"net: {option}={value!r} should be {wanted}."
    assert caught.value.option == option


def test_an_unknown_option_names_the_ones_there_are() -> None:
    with pytest.raises(OptionError, match=r"vgg16 has no option 'width'; it has num_classes,"):
        build_model("vgg16", width=64)


def _net(
    num_classes: int = 10,
    rate: Annotated[float, Bounds(0, 0.9)] = 0.5,
    bias: bool = True,
    pool: Literal["max", "average"] = "max",
    depths: Annotated[tuple[int, ...], Bounds(1, 8)] = (2, 2),
) -> nn.Module:
    """Net."""
    return nn.Linear(len(depths), num_classes, bias and pool == "max" and rate > 0)


def test_options_are_read_from_the_signature() -> None:
    options = _registry._options(_net)

    assert list(options) == ["num_classes", "rate", "bias", "pool", "depths"]
    assert options["num_classes"] == Option("num_classes", "int", 10, 1, 2**31)
    for name in ("rate", "bias", "pool", "depths"):
        assert options[name] == CHECKS[name]


# ---------------------------------------------------------------------- sizes


def _runs(name: str, height: int, width: int) -> bool:
    spec = get_spec(name)
    model = _on_meta(name)
    if "image_size" in spec.options:
        with torch.device("meta"):
            model = build_model(name, image_size=(height, width))
    with torch.inference_mode():
        try:
            model(torch.empty(1, spec.input_shape[1], height, width, device="meta"))
        except (RuntimeError, InputSizeError):
            return False
    return True


@each_model
def test_the_smallest_size_works_and_one_pixel_less_in_either_direction_does_not(name: str) -> None:
    height, width = get_spec(name).min_size

    assert _runs(name, height, width)
    assert not _runs(name, height - 1, width)
    assert not _runs(name, height, width - 1)


def test_a_built_model_is_in_eval_mode() -> None:
    assert not any(module.training for module in build_model("lenet5").modules())


def test_the_registry_finds_every_family_file() -> None:
    registered = {inspect.getmodule(get_spec(name).build) for name in NAMES}

    assert registered == {importlib.import_module(f"explorer.models.{path.stem}") for path in FILES}


def test_check_options_accepts_what_is_legal() -> None:
    check_options(get_spec("lenet5"), {"num_classes": 3, "pooling": "max"})
