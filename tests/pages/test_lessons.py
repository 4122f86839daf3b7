"""The course: every lesson opens, as a page and as a talk, in both languages."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.shared.learn.contents import COURSE, LAB, PAGES, QUIZ, Entry

APP = Path(__file__).parents[2] / "app.py"


def opened(page: str, **query: str) -> AppTest:
    """A page of the course, as its navigation opens it."""
    app = AppTest.from_file(str(APP), default_timeout=180).run()
    for name in dict(app.query_params.items()):
        del app.query_params[name]
    for name, value in query.items():
        app.query_params[name] = value
    app.switch_page(f"pages/learn/{page}.py").run()
    assert not app.exception
    return app


def button(app: AppTest, key: str) -> bool:
    return any(each.key == key for each in app.button)


def test_the_contents_have_a_card_for_each_lesson() -> None:
    app = opened("lessons")
    links = [link.proto.page for link in app.get("page_link")]
    assert len(links) == len(PAGES)
    assert [caption.value for caption in app.caption] == [
        page.question for page in (LAB, QUIZ, *COURSE)
    ]


@pytest.mark.parametrize("lesson", PAGES, ids=lambda lesson: lesson.name)
def test_a_lesson_opens_with_its_question(lesson: Entry) -> None:
    app = opened(lesson.name)
    assert app.title[0].value == lesson.title
    assert len(app.main.subheader) >= 2, "a part that answers the question, and things to try"
    assert app.code, "the code behind the page"


@pytest.mark.parametrize("lesson", PAGES, ids=lambda lesson: lesson.name)
def test_a_talk_shows_one_part_at_a_time_and_ends(lesson: Entry) -> None:
    app = opened(lesson.name, present="yes")
    assert not app.main.subheader
    parts = int(next(c.value for c in app.caption if c.value.startswith("0 / "))[4:])
    for number in range(1, parts + 1):
        app.button(key="talk_on").click().run()
        assert not app.exception
        assert len(app.main.subheader) >= 1, number
        if not app.button(key="talk_on").disabled and number < parts:
            # What is hidden is revealed before the page is turned.
            step = next(c.value for c in app.caption if c.value.endswith(f" / {parts}"))
            assert step == f"{number} / {parts}"
            if app.button(key="talk_on").label == "Reveal":
                app.button(key="talk_on").click().run()
                assert app.button(key="talk_on").label == "Next"
    while not app.button(key="talk_on").disabled:
        app.button(key="talk_on").click().run()
    app.button(key="talk_leave").click().run()
    assert not button(app, "talk_on")


def test_a_link_beyond_the_last_part_opens_the_last() -> None:
    app = opened(COURSE[0].name, present="yes", step="99")
    assert app.button(key="talk_on")
    assert any(c.value.split(" / ")[0] == c.value.split(" / ")[-1] for c in app.caption)


def test_the_language_is_in_the_link_and_changes_all_that_the_frame_says() -> None:
    app = opened("lessons", lang="zh")
    assert app.title[0].value != "Lessons"
    app.segmented_control(key="lang").set_value("en").run()
    assert app.title[0].value == "Lessons"
    assert "lang" not in app.query_params
