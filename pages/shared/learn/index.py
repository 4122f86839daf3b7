"""The course at a glance: a card for each lesson, with the question that it answers."""

from __future__ import annotations

import streamlit as st

from pages.shared import widgets
from pages.shared.learn.contents import COURSE, LAB, QUIZ, Entry
from pages.shared.learn.lesson import link
from pages.shared.text import _


def show() -> None:
    """Draw the cards: laboratory and quiz first, then the course in its order."""
    widgets.page_title(
        _("Lessons"),
        _("One idea a page, computed live from real layers and models; every page can be "
          "presented to a class."),
    )  # fmt: skip
    with st.grid(2, min_column_width=320, gap="small", key="tools"):
        for page in (LAB, QUIZ):
            _card(page, _(page.title))
    with st.grid(3, min_column_width=320, gap="small", key="course"):
        for number, page in enumerate(COURSE, 1):
            _card(page, f"{number}. {_(page.title)}")


def _card(page: Entry, title: str) -> None:
    with st.container(border=True, key=f"card_{page.name}", gap="xxsmall", height="stretch"):
        link(page, label=title)
        st.caption(_(page.question))
