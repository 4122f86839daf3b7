"""The frame of a lesson: a question, parts that answer it, things to try, the code behind it.

A lesson is read from top to bottom. In presenter mode it is a talk: one part at a time in large
type, numbers hidden until they are revealed; arrow keys or a clicker go on, first revealing, then
turning the page. A page is written the same for both:

    lesson = open_lesson("scaling")
    if lesson.part(_("Wider")):
        ...controls, figures...
        lesson.numbers([(_("MACs"), "4.1 G", "4,089,184,256")])
        lesson.answer(_("Cost grows with the square of the width."))
    lesson.close(tries=[_("Double the width.")], sources=["explorer.lessons.scaling:compound"])
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import streamlit as st

from explorer.analysis.units import count
from explorer.lessons.guess import Verdict, check
from pages.shared import address, widgets
from pages.shared.cache import lessons as cache
from pages.shared.learn.contents import COURSE, Entry, entry
from pages.shared.text import _

_HERE: Final = Path(__file__).parent
_LARGER: Final = 1.5
"""How much larger the letters of a figure are in a talk."""

_TITLE_ROOM: Final = 32
"""Pixels that a figure keeps for its title."""

_keys = st.components.v2.component(
    "layerwise_talk_keys", html="<span></span>", js=_HERE.joinpath("keys.js").read_text("utf-8")
)

Number = tuple[str, str, str]
"""Label, value, and the value in full or its unit."""


class Lesson:
    """One page of the course, while it is drawn."""

    def __init__(self, page: Entry, *, present: bool, step: int) -> None:
        self.page = page
        self.present = present
        """Whether it is shown as a talk."""
        self.step = step
        """The part that a talk shows; 0 is the question alone."""
        self._parts = 0
        self._secret = False
        """Whether the part that a talk shows has something to reveal."""
        self.problems = st.container()
        """Beneath the title: what the page could not read in the link, known when it is drawn."""

    @property
    def hides(self) -> bool:
        """Whether numbers and answers are hidden for now; asked only where there are some."""
        self._secret = True
        return self._hidden

    @property
    def _hidden(self) -> bool:
        return self.present and self._secret and not st.session_state.get("lesson_revealed", False)

    def part(self, title: str) -> bool:
        """Begin a part; draw its heading and say whether the rest is to be drawn."""
        self._parts += 1
        if self.present and self.step != self._parts:
            return False
        st.subheader(title, anchor=False)
        return True

    def numbers(self, values: Sequence[Number], *, key: str = "", least: int = 130) -> None:
        """Show numbers in a row; in a talk a question mark stands for each until it is revealed.

        Args:
            values: label, value and detail of each.
            key: a name for the row, if the page has several.
            least: width in pixels below which they wrap.
        """
        with st.grid(len(values), min_column_width=least, gap="small", key=f"numbers_{key}"):
            for label, value, detail in values:
                st.metric(
                    label,
                    "?" if self.hides else value,
                    " " if self.hides else detail or None,
                    delta_color="off",
                    delta_arrow="off",
                    border=True,
                )

    def answer(self, text: str) -> None:
        """Say what the part shows, in Markdown; hidden in a talk until it is revealed."""
        if self.hides:
            return
        with st.container(border=True, key=f"answer_{self.page.name}_{self._parts}"):
            st.markdown(text)

    def plot(self, figure: str, key: str, alt: str) -> Any:
        """Draw a Plotly figure from its JSON, in a talk with larger letters.

        Its title becomes a line of the page, since one of a figure cannot wrap on a phone.
        """
        spec = json.loads(figure)
        _lift_title(spec["layout"])
        if self.present:
            _enlarge(spec)
        return st.plotly_chart(spec, key=key, theme=None, config={"displayModeBar": False}, alt=alt)

    def predict(self, key: str, prompt: str, answer: int | tuple[int, ...], how: str) -> None:
        """Ask for a number or a shape first, then say whether it is right and how it comes about.

        Args:
            key: a name for the question. What it asks for should be a part of it, so that
                another setting is another question.
            prompt: the question.
            answer: what is right.
            how: Markdown that works it out.
        """
        name = f"{self.page.name}_{key}"
        typed, button = st.columns([3, 1], vertical_alignment="bottom", gap="small")
        guess = typed.text_input(
            prompt, key=f"guess_{name}", on_change=address.touch,
            placeholder=_("1,234,567 or 1.23 M") if isinstance(answer, int) else "C x H x W",
        )  # fmt: skip
        given_up = button.toggle(_("Show"), key=f"show_{name}", on_change=address.touch)
        if guess:
            verdict = check(guess, answer)
            if not verdict.readable:
                st.warning(
                    _(
                        "{guess} is neither a number nor a shape; write 64 x 56 x 56, 4,089,184 "
                        "or 4.09 M."
                    ).format(guess=widgets.plain(guess))
                )
            elif verdict.right:
                st.success(_("Right."), icon=":material/check:")
            else:
                st.error(_("Not yet. {hint}").format(hint=_hint(verdict)),
                         icon=":material/close:")  # fmt: skip
        if given_up or (guess and check(guess, answer).right):
            st.markdown(how)

    def close(self, *, tries: Sequence[str], sources: Sequence[str]) -> None:
        """End the lesson: things to try, the code behind it, the way to the next.

        Args:
            tries: Markdown, one thing each.
            sources: "package.module:name" of functions and classes whose code is shown.
        """
        with self.problems:
            widgets.problems()
        if self.part(_("Try this")):
            for each in tries:
                st.markdown(f"- {each}")
        if self.present:
            self._bar()
            return
        with st.expander(_("The code behind this page"), icon=":material/code:"):
            for source in sources:
                shown = cache.code_of(source)
                st.caption(_("`{path}`, line {line}").format(path=shown.path, line=shown.line))
                st.code(shown.text, language="python")
        self._neighbours()

    def _bar(self) -> None:
        """Where the talk is, and its buttons; the keys do the same."""
        st.session_state["lesson_parts"] = self._parts
        st.session_state["lesson_secret"] = self._hidden
        if self.step > self._parts:  # a link to a part that is not there
            st.session_state["step"] = self._parts
            st.rerun()
        with st.container(
            key="talk_bar", horizontal=True, vertical_alignment="center", gap="small"
        ):
            st.button(
                _("Back"), key="talk_back", icon=":material/arrow_back:", on_click=_turn,
                args=("back",), disabled=self.step == 0,
            )  # fmt: skip
            hidden = self._hidden
            st.button(
                _("Reveal") if hidden else _("Next"),
                key="talk_on",
                icon=":material/visibility:" if hidden else ":material/arrow_forward:",
                on_click=_turn,
                args=("on",),
                disabled=self.step == self._parts and not hidden,
                type="primary",
            )
            st.caption(f"{self.step} / {self._parts}", width="content")
            st.button(_("Leave"), key="talk_leave", icon=":material/close:", on_click=_turn,
                      args=("leave",), type="tertiary")  # fmt: skip
        _keys(key="talk_keys", data={"step": self.step}, on_key_change=_press)

    def _neighbours(self) -> None:
        """Links to the lessons before and after this one."""
        if self.page not in COURSE:
            return
        at = COURSE.index(self.page)
        with st.container(horizontal=True, horizontal_alignment="distribute", key="neighbours"):
            for step, icon in ((-1, "arrow_back"), (1, "arrow_forward")):
                if 0 <= at + step < len(COURSE):
                    link(COURSE[at + step], icon)


def open_lesson(name: str) -> Lesson:
    """Draw the head of a lesson: its title, its question, the switch to a talk.

    Args:
        name: one of `contents.PAGES`.
    """
    page = entry(name)
    state = st.session_state
    present = address.restore("present", "present", {"yes": True, "no": False}.get, False)
    step = address.restore("step", "step", _number, 0)
    if state.get("lesson_shown") != (name, present):
        # Another lesson starts at its beginning, unless a link says otherwise.
        step = state["step"] = step if address.speaks() else 0
        state["lesson_revealed"] = False
        state["lesson_shown"] = (name, present)
    address.record(
        {"present": "yes" if present else None, "step": str(step) if present and step else None}
    )
    if present:
        st.html(_HERE / "talk.css")
        if step:
            st.caption(f"{_(page.title)}")
            return Lesson(page, present=present, step=step)
    else:
        with st.container(horizontal=True, horizontal_alignment="distribute", key="lesson_top",
                          vertical_alignment="center"):  # fmt: skip
            st.page_link(
                "pages/learn/lessons.py", label=_("All lessons"), icon=":material/school:",
                query_params=kept(),
            )  # fmt: skip
            st.toggle(
                _("Present"), key="present", on_change=address.touch,
                help=_("One part at a time in large type, numbers hidden until you reveal them. "
                       "Right and left arrow or a clicker turn the page, Escape leaves."),
            )  # fmt: skip
    widgets.head(_(page.title), f"*{_(page.question)}*" if not present else
                       f"## {_(page.question)}")  # fmt: skip
    return Lesson(page, present=present, step=step)


def kept() -> dict[str, str]:
    """What a link to another page takes along: the language."""
    # Not what the address says: the language may have been chosen in this very run, and a link
    # without it would be one more step for the browser's Back.
    language = address.following().get("lang")
    return {"lang": language} if language else {}


def link(page: Entry, icon: str = "", label: str = "") -> None:
    """Link to a page of the course."""
    st.page_link(
        f"pages/learn/{page.name}.py",
        label=label or _(page.title),
        icon=f":material/{icon or page.icon}:",
        query_params=kept(),
    )


def _hint(verdict: Verdict) -> str:
    """How far off a guess is: of a shape for each side, of a number by how much or how often."""
    if not verdict.off:
        return _("It has another number of sides.")
    if len(verdict.off) > 1:
        words = [
            _("{n} is right") if not off else _("{n} is too large") if off > 0
            else _("{n} is too small")
            for off in verdict.off
        ]  # fmt: skip
        told = zip(words, verdict.sides, strict=True)
        return "; ".join(word.format(n=count(round(side))) for word, side in told) + "."
    (off,), ratio = verdict.off, verdict.ratio
    if not ratio or 0.99 < ratio < 1.01:
        text = _("It is too large by {n}.") if off > 0 else _("It is too small by {n}.")
        return text.format(n=count(round(abs(off))))
    if ratio > 1:
        return _("It is too large by a factor of {ratio}.").format(ratio=f"{ratio:,.3g}")
    return _("It is too small by a factor of {ratio}.").format(ratio=f"{1 / ratio:,.3g}")


def _press() -> None:
    pressed = st.session_state["talk_keys"].get("key")
    if pressed:
        _turn(str(pressed))


def _turn(what: str) -> None:
    """Go on, back, or leave the talk. Only in a callback."""
    address.touch()
    state = st.session_state
    if what == "leave":
        state["present"] = False
    elif what == "back":
        state["step"] = max(state["step"] - 1, 0)
        state["lesson_revealed"] = True  # it has been seen
    elif state["lesson_secret"]:
        state["lesson_revealed"] = True
    elif state["step"] < state["lesson_parts"]:
        state["step"] += 1
        state["lesson_revealed"] = False


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 3 else None


def _lift_title(layout: dict[str, Any]) -> None:
    title = layout.pop("title", {}).get("text", "")
    layout["meta"] = {"title": title}
    if title:
        layout["height"] -= _TITLE_ROOM
        layout["margin"]["t"] -= _TITLE_ROOM
        st.markdown(widgets.plain(title))


def _enlarge(spec: dict[str, Any]) -> None:
    """Make every font of a figure larger, where one is given and where none is."""

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            for name, value in part.items():
                if name.endswith("font") and isinstance(value, dict) and "size" in value:
                    value["size"] *= _LARGER
                else:
                    walk(value)
        elif isinstance(part, list):
            for each in part:
                walk(each)

    spec["layout"].get("template", {}).clear()
    walk(spec)
    font = spec["layout"].setdefault("font", {})
    font.setdefault("size", 12 * _LARGER)
