"""The lesson on working layers out by hand, run without a browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import pytest
from streamlit.testing.v1 import AppTest
from torch import nn

from explorer import build_model
from explorer.analysis.units import count
from explorer.lessons.by_hand import FIELDS
from explorer.text import speaking
from pages.shared.learn.by_hand import PRESETS
from tests.pages.course import address, opened

Open = Callable[..., AppTest]


@pytest.fixture
def open_page() -> Open:
    """Opens the page as the navigation does, with what its link says."""
    return partial(opened, "by_hand")


def texts(app: AppTest) -> str:
    shown = (*app.markdown, *app.caption, *app.subheader, *app.title, *app.warning, *app.error)
    return re.sub(r"\\(?=[\[\]'=.:])", "", "\n".join(str(element.value) for element in shown))


def reveal(app: AppTest) -> AppTest:
    """Turn every "Show" on."""
    for toggle in app.toggle:
        if toggle.key and toggle.key.startswith("show_"):
            toggle.set_value(True)
    app.run()
    assert not app.exception
    return app


def test_nothing_is_told_before_it_is_asked_for(open_page: Open) -> None:
    app = open_page(**{"in": "3", "out": "64", "kernel": "7", "stride": "2", "padding": "3",
                       "size": "224"})  # fmt: skip
    assert "9{,}472" not in texts(app)
    reveal(app)
    layer = nn.Conv2d(3, 64, 7, 2, 3)
    params = sum(p.numel() for p in layer.parameters())
    assert f"= {params:,}".replace(",", "{,}") in texts(app)
    assert r"\underbrace{112 \cdot 112}_{\text{output pixels}}" in texts(app)
    assert "118{,}013{,}952" in texts(app)
    assert "64 × 112 × 112" in texts(app)


def test_a_guess_is_judged_and_a_right_one_is_worked_out(open_page: Open) -> None:
    app = open_page()
    params = 16 * 32 * 9 + 32

    def guess(text: str) -> None:
        field = next(each for each in app.text_input if "params" in str(each.key))
        field.set_value(text).run()
        assert not app.exception

    guess("9,280")
    assert "too large by a factor of 2" in texts(app)
    guess("many")
    assert "neither a number nor a shape" in texts(app)
    guess(str(params))
    assert [each.value for each in app.success] == ["Right."]
    assert "4{,}640" in texts(app)


@pytest.mark.parametrize("kind", FIELDS)
def test_every_kind_of_layer_opens_and_its_link_brings_it_back(open_page: Open, kind: str) -> None:
    app = open_page(kind=kind)
    assert not app.warning
    assert address(app).get("kind", "conv") == kind
    numbers = [each for each in app.number_input if each.key]
    numbers[-1].set_value(numbers[-1].value + 1).run()
    assert not app.exception
    link = address(app)
    assert open_page(**link).number_input(key=numbers[-1].key).value == numbers[-1].value


def test_what_does_not_divide_cannot_be_chosen(open_page: Open) -> None:
    app = open_page(kind="grouped", **{"in": "12", "groups": "5"})
    assert app.selectbox(key="by_hand_grouped_groups").options == ["1", "2", "4"]
    assert address(app)["in"] == "12"
    app = open_page(kind="max_pool", kernel="3", padding="9")
    assert app.number_input(key="by_hand_max_pool_padding").max == 1


def test_a_window_that_does_not_fit_is_a_sentence(open_page: Open) -> None:
    app = open_page(size="2", kernel="7", padding="1")
    assert "it spans 7 pixels and there are 4" in texts(app)


@pytest.mark.parametrize("name", ["kind", "kernel", "bias", "model", "layer"])
def test_a_link_with_nonsense_says_so(open_page: Open, name: str) -> None:
    app = open_page(**{name: "nonsense"})
    assert f"The link says {name}='nonsense'" in texts(app)


@pytest.mark.parametrize("place", range(len(PRESETS)))
def test_a_preset_is_worked_out_to_the_model_s_own_numbers(open_page: Open, place: int) -> None:
    preset = PRESETS[place]
    app = reveal(open_page(model=preset.model, layer=preset.key))
    assert app.get("button_group"), "the presets"
    layer = build_model(preset.model).get_submodule(preset.key)
    params = sum(p.numel() for p in layer.parameters())
    shown = texts(app).replace("{,}", ",")
    assert count(params) in shown
    queries = [link.proto.query_string for link in app.get("page_link")]
    assert any(f"model={preset.model}&layer={preset.key}" in query for query in queries)


def test_alexnet_s_note_is_right(open_page: Open) -> None:
    # floor((224 - 11) / 4) + 1 = 54; with 2 on both sides, or at 227, 55
    assert "without padding that gives 54" in texts(open_page())
    assert "with 227 pixels and none, it is 55" in texts(open_page())


def test_any_layer_of_any_model_can_be_taken(open_page: Open) -> None:
    app = open_page(model="lenet5")
    layers = app.selectbox(key="by_hand_layer").options
    assert "c1" in layers
    app.selectbox(key="by_hand_layer").set_value("c1").run()
    assert address(app)["layer"] == "c1"
    reveal(app)
    assert "117{,}600" in texts(app)  # 28 * 28 outputs * 6 filters * 25 weights
    app.selectbox(key="by_hand_model").set_value("vit_b_16").run()
    assert not app.exception
    assert app.selectbox(key="by_hand_layer").value == "conv_proj"


def test_a_talk_works_everything_out_once_it_is_revealed(open_page: Open) -> None:
    app = open_page(present="yes", step="1")
    assert "4{,}640" not in texts(app)
    app.button(key="talk_on").click().run()
    assert "4{,}640" in texts(app)


def test_in_chinese_no_english_is_left(open_page: Open) -> None:
    for kind in FIELDS:
        app = open_page(kind=kind, lang="zh")
        with speaking("zh"):  # the test asks a widget for its label outside of a run
            reveal(app)
        labels = [str(each.label) for each in (*app.number_input, *app.toggle, *app.text_input)]
        text = re.sub(r"\\\w+|`[^`]*`|\*\*", " ", "\n".join([texts(app), *labels]))
        text = text.replace("explorer/lessons/by_hand.py", "").replace("explorer", "")
        words = set(re.findall(r"[A-Za-z]{3,}", text))
        names = {"AlexNet", "MACs", "token", "analysis", "receipts", "line", "SelfAttention",
                 "qkv", "proj", "scaled", "dot", "product", "attention"}  # fmt: skip
        assert words <= names, (kind, words - names)
