"""The quiz, run without a browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import pytest
from streamlit.testing.v1 import AppTest

from explorer.lessons.quiz import LENGTH, Question, question
from tests.pages.course import address, opened

Open = Callable[..., AppTest]


@pytest.fixture
def open_page() -> Open:
    """Opens the page as the navigation does, with what its link says."""
    return partial(opened, "quiz")


def texts(app: AppTest) -> str:
    shown = (*app.markdown, *app.caption, *app.subheader, *app.title, *app.warning, *app.error,
             *app.success)  # fmt: skip
    return re.sub(r"\\(?=\W)", "", "\n".join(str(element.value) for element in shown))


def progress(app: AppTest) -> str:
    """The sentence above the bar."""
    return str(app.get("progress")[0].proto.text)


def answer(app: AppTest, asked: Question, *, right: bool) -> None:
    """Answer the question that is shown."""
    if asked.choices:
        place = asked.choices.index(asked.answer)
        place = place if right else (place + 1) % len(asked.choices)
        next(each for each in app.radio if "guess" in str(each.key)).set_value(place)
    else:
        known = asked.answer
        text = " x ".join(map(str, known)) if isinstance(known, tuple) else str(known)
        field = next(each for each in app.text_input if "guess" in str(each.key))
        field.set_value(text if right else "7")
    next(each for each in app.button if each.label == "Answer").click()
    app.run()
    assert not app.exception


def test_a_quiz_is_played_to_its_end(open_page: Open) -> None:
    app = open_page(seed="4")
    for n in range(1, LENGTH + 1):
        assert f"Question {n} of {LENGTH}" in texts(app)
        asked = question(4, n, "easy")
        answer(app, asked, right=n != 3)
        assert bool(app.error) == (n == 3)
        assert bool(app.success) == (n != 3)
        app.button(key="quiz_next").click().run()
        assert not app.exception
    assert "9 of 10 right · 7 in a row" in progress(app)
    assert "## 9 of 10" in texts(app)
    assert texts(app).count(":material/check:") == 9
    assert address(app)["n"] == "11"


def test_the_link_is_the_same_quiz_for_everybody(open_page: Open) -> None:
    first, second = (open_page(seed="12", level="medium", n="2") for _ in range(2))
    assert texts(first) == texts(second)
    assert address(first) == {"seed": "12", "level": "medium", "n": "2"}
    assert texts(open_page(seed="13", level="medium", n="2")) != texts(first)


def test_an_answer_counts_once_and_what_cannot_be_read_does_not_count(open_page: Open) -> None:
    numbers = [n for n in range(1, LENGTH + 1) if not question(4, n, "easy").choices]
    app = open_page(seed="4", n=str(numbers[0]))
    field = next(each for each in app.text_input if "guess" in str(each.key))
    field.set_value("no idea")
    next(each for each in app.button if each.label == "Answer").click()
    app.run()
    assert "Write a shape as 64 x 56 x 56" in texts(app)
    assert "0 of 0 right" in progress(app)
    answer(app, question(4, numbers[0], "easy"), right=False)
    assert "0 of 1 right" in progress(app)
    assert not [each for each in app.button if each.label == "Answer"], "no second try"


def test_another_level_or_number_starts_anew(open_page: Open) -> None:
    app = open_page(seed="4")
    answer(app, question(4, 1, "easy"), right=True)
    assert "1 of 1 right" in progress(app)
    app.segmented_control(key="quiz_level").set_value("medium").run()
    assert "0 of 0 right" in progress(app)
    app.button(key="quiz_other").click().run()
    assert address(app)["seed"] != "4"
    assert address(app)["n"] == "1"


def test_why_is_worked_out_and_the_layer_is_linked(open_page: Open) -> None:
    n = next(n for n in range(1, LENGTH + 1) if question(4, n, "easy").kind == "params")
    asked = question(4, n, "easy")
    app = open_page(seed="4", n=str(n))
    assert "underbrace" not in texts(app)
    answer(app, asked, right=False)
    assert "underbrace" in texts(app)
    assert isinstance(asked.answer, int)
    assert f"{asked.answer:,}" in texts(app)
    assert asked.work
    queries = [link.proto.query_string for link in app.get("page_link")]
    assert any(f"model={asked.model}" in query for query in queries)


@pytest.mark.parametrize(("name", "value"), [("n", "0"), ("seed", "-3"), ("level", "brutal")])
def test_a_link_with_nonsense_says_so(open_page: Open, name: str, value: str) -> None:
    app = open_page(**{name: value})
    assert f"The link says {name}='{value}'" in texts(app)


def test_a_talk_shows_a_question_and_hides_its_answer(open_page: Open) -> None:
    n = next(n for n in range(1, LENGTH + 1) if question(1, n, "easy").kind == "macs")
    asked = question(1, n, "easy")
    app = open_page(present="yes", step=str(n))
    assert isinstance(asked.answer, int)
    assert f"{asked.answer:,}" not in texts(app)
    app.button(key="talk_on").click().run()
    assert f"{asked.answer:,}" in texts(app)
    assert "underbrace" in texts(app)


def test_in_chinese_no_english_is_left(open_page: Open) -> None:
    for n in range(1, LENGTH + 1):
        app = open_page(lang="zh", seed="4", n=str(n))
        answer_button = next(each for each in app.button if each.label == "作答")
        answer_button.click()
        app.run()
        buttons = [each.label for each in app.button]
        options = [option for radio in app.radio for option in radio.options]
        text = re.sub(r"\\\w+|`[^`]*`|\*\*", " ", "\n".join([texts(app), *buttons, *options]))
        asked = question(4, n, "easy")
        for name in (asked.work.key if asked.work else "", asked.other.key if asked.other else ""):
            text = text.replace(name, "")
        words = set(re.findall(r"[A-Za-z]{4,}", text.replace("explorer/lessons/quiz.py", "")))
        models = {"AlexNet", "LeNet", "ResNet", "SqueezeNet", "SimpleCNN", "Simple", "ImageNet",
                  "CIFAR", "ZFNet", "tower", "features"}  # fmt: skip
        assert words - models <= {"MACs", "line", "explorer"}, words
