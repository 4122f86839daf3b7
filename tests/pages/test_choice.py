"""The link: what it says, and what becomes of one that is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer import get_spec, list_models
from explorer.models._registry import Option
from pages.shared.choice import (
    DERIVED,
    RESERVED,
    Choice,
    chosen_options,
    from_query,
    native_choice,
    to_query,
)


def values_of(option: Option) -> st.SearchStrategy:
    """Legal values of one option."""
    if option.kind == "bool":
        return st.booleans()
    if option.kind == "choice":
        return st.sampled_from(option.choices)
    if option.kind == "float":
        return st.floats(option.low, option.high, allow_nan=False)
    whole = st.integers(int(option.low), int(option.high))
    if option.kind == "ints":
        return st.tuples(*[whole] * len(option.default))
    return whole


@st.composite
def choices(draw: st.DrawFn) -> Choice:
    spec = get_spec(draw(st.sampled_from(list_models())))
    asked = [option for option in spec.options.values() if option.name not in DERIVED]
    values = {option.name: draw(values_of(option)) for option in asked if draw(st.booleans())}
    return Choice(
        spec.name,
        (
            draw(st.integers(1, 4096)),
            draw(st.integers(1, 1024)),
            draw(st.integers(1, 4096)),
            draw(st.integers(1, 4096)),
        ),
        draw(st.sampled_from(("eval", "train"))),
        chosen_options(spec, values),
    )


@given(choices())
def test_a_link_says_exactly_the_choice_it_was_made_from(choice: Choice) -> None:
    assert from_query(to_query(choice)) == (choice, ())


@pytest.mark.parametrize("name", list_models())
def test_a_link_that_names_only_a_model_shows_it_as_its_paper_has_it(name: str) -> None:
    choice, problems = from_query({"model": name})
    assert choice == native_choice(name)
    assert choice.input_shape == get_spec(name).input_shape
    assert problems == ()


def test_no_option_of_any_model_has_a_name_that_links_use_for_something_else() -> None:
    used = {option for name in list_models() for option in get_spec(name).options}
    assert not used & RESERVED


def test_a_link_leaves_defaults_out() -> None:
    assert to_query(native_choice("resnet50")) == {"model": "resnet50", "input": "3x224x224"}


def test_a_link_names_what_differs_from_the_default() -> None:
    choice = Choice("resnet50", (8, 3, 256, 128), "train", (("num_classes", 10),))
    assert to_query(choice) == {
        "model": "resnet50",
        "input": "3x256x128",
        "batch": "8",
        "mode": "train",
        "num_classes": "10",
    }


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("256x128", (1, 3, 256, 128)),
        ("1x64x64", (1, 1, 64, 64)),
        ("3×96×96", (1, 3, 96, 96)),
        ("3, 96, 96", (1, 3, 96, 96)),
    ],
)
def test_an_input_size_may_be_spelled_in_several_ways(
    text: str, shape: tuple[int, int, int, int]
) -> None:
    choice, problems = from_query({"model": "resnet50", "input": text})
    assert choice.input_shape == shape
    assert problems == ()


@pytest.mark.parametrize(
    "text",
    ["", "abc", "0x0", "3x-1x5", "1x2x3x4", "9" * 5000, "5000x5000", "3x224x1234567"],
)
def test_an_unreadable_input_size_is_one_sentence_and_the_native_size(text: str) -> None:
    query = {"model": "resnet50", "input": text, "batch": "4", "num_classes": "10"}
    choice, problems = from_query(query)
    assert choice == Choice("resnet50", (4, 3, 224, 224), "eval", (("num_classes", 10),))
    assert len(problems) == 1
    assert "using 3x224x224" in problems[0]


@pytest.mark.parametrize("text", ["3x8192x8192", "5000x5000", "3x224x1234567", "2000x32x32"])
def test_an_input_size_beyond_the_limit_is_said_to_be_too_large(text: str) -> None:
    _, (problem,) = from_query({"model": "resnet50", "input": text})
    assert "too large" in problem
    assert "up to 1,024 channels and sides up to 4,096" in problem
    assert "is not channels" not in problem


def test_an_unknown_model_is_one_sentence_that_suggests_near_names_and_keeps_the_rest() -> None:
    choice, problems = from_query({"model": "resnet51", "input": "3x256x128", "batch": "2"})
    assert choice == Choice("resnet50", (2, 3, 256, 128))
    assert len(problems) == 1
    assert "resnet51" in problems[0]
    assert "resnet50" in problems[0]


@pytest.mark.parametrize(
    ("name", "text", "hint"),
    [
        ("batch", "0", "from 1 to 4096"),
        ("batch", "many", "from 1 to 4096"),
        ("mode", "fast", "neither eval nor train"),
        ("num_classes", "-5", "from 1 to 100,000"),
        ("num_classes", "ten", "from 1 to 100,000"),
        ("depths", "3,4", "4 integers"),
        ("depths", "3,4,six,3", "4 integers"),
    ],
)
def test_one_bad_value_is_one_sentence_and_costs_no_other_choice(
    name: str, text: str, hint: str
) -> None:
    good = {"model": "resnet50", "input": "3x96x96", "batch": "2", "mode": "train"}
    choice, problems = from_query({**good, name: text})
    expected, _ = from_query({key: value for key, value in good.items() if key != name})
    assert choice == expected
    assert len(problems) == 1
    assert hint in problems[0]


def test_a_misspelled_option_is_named_with_the_one_that_was_meant() -> None:
    _, problems = from_query({"model": "resnet50", "num_clases": "10"})
    assert len(problems) == 1
    assert "num_classes" in problems[0]


def test_an_option_of_another_model_is_said_to_be_none_of_this_one() -> None:
    _, problems = from_query({"model": "resnet50", "growth_rate": "48"})
    assert len(problems) == 1
    assert "growth_rate" in problems[0]


def test_what_a_mailer_appends_to_a_link_is_no_problem() -> None:
    assert from_query({"model": "resnet50", "utm_source": "mail"}) == (
        native_choice("resnet50"),
        (),
    )


def test_channels_of_the_input_are_told_to_the_builder() -> None:
    choice = Choice("resnet50", (1, 1, 64, 64))
    assert choice.build_options == {"in_channels": 1}
