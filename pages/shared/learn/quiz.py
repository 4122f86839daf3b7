"""What stands on the page "Quiz": a question, an answer, why, and the score."""

from __future__ import annotations

from random import SystemRandom
from typing import Any, Final, NamedTuple

import streamlit as st

from explorer.analysis.layers import axes_text
from explorer.analysis.units import compact, count, shape_text
from explorer.lessons.convolution import output_size
from explorer.lessons.guess import check
from explorer.lessons.quiz import LENGTH, LEVELS, MOST_SEED, Level, Question
from pages.shared import address
from pages.shared.cache import by_hand as cache
from pages.shared.choice import native_choice
from pages.shared.learn import by_hand
from pages.shared.learn.lesson import Lesson, kept
from pages.shared.text import N_, _
from pages.shared.widgets import plain

_LEVELS: Final = {
    "easy": N_("Classics"),
    "medium": N_("Well known"),
    "hard": N_("Everything"),
}


class Quiz(NamedTuple):
    """Which quiz, and where in it."""

    seed: int
    level: Level
    n: int
    """From 1; one more than the last question is the summary."""


class Given(NamedTuple):
    """What was answered."""

    n: int
    text: str
    right: bool


# ------------------------------------------------------------------------- the link


def open_quiz() -> Quiz:
    """Read which quiz it is, and write it into the link whole: a class opens the same."""
    levels: dict[str, Level] = {each: each for each in LEVELS}
    level: Level = address.restore("level", "quiz_level", levels.get, "easy")
    seed = address.restore("seed", "quiz_seed", _number(0, MOST_SEED), 1)
    n = address.restore("n", "quiz_n", _number(1, LENGTH + 1), 1)
    address.record({"level": level, "seed": str(seed), "n": str(n)})
    return Quiz(int(seed), level, int(n))


def _number(least: int, most: int) -> Any:
    def parse(text: str) -> int | None:
        if not (text.isascii() and text.isdigit() and len(text) < 8):
            return None
        return int(text) if least <= int(text) <= most else None

    return parse


def log(quiz: Quiz) -> list[Given]:
    """The answers to this quiz so far; another quiz starts with none."""
    state = st.session_state
    if state.get("quiz_of") != (quiz.seed, quiz.level):
        state["quiz_of"], state["quiz_given"] = (quiz.seed, quiz.level), []
    given: list[Given] = state["quiz_given"]
    return given


# ---------------------------------------------------------------------------- drawing


def controls(quiz: Quiz) -> None:
    """Level and number of the quiz, and the score."""
    given = log(quiz)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.segmented_control(
            _("Models"), LEVELS, key="quiz_level", required=True, on_change=_restart,
            format_func=lambda level: _(_LEVELS[level]),
        )  # fmt: skip
        with st.container(width=150):
            st.number_input(
                _("Number of the quiz"), 0, MOST_SEED, key="quiz_seed", step=1,
                on_change=_restart,
                help=_("The same number asks the same questions: share the link with a class."),
            )  # fmt: skip
        st.button(_("Another quiz"), key="quiz_other", icon=":material/casino:", on_click=_other)
    right = sum(each.right for each in given)
    st.progress(
        len(given) / LENGTH,
        text=_("{right} of {answered} right · {streak} in a row").format(
            right=right, answered=len(given), streak=_streak(given)
        ),
    )


def _streak(given: list[Given]) -> int:
    """Right answers since the last wrong one."""
    streak = 0
    for each in given:
        streak = streak + 1 if each.right else 0
    return streak


def play(lesson: Lesson, quiz: Quiz) -> None:
    """One question to be answered, or, after the last, the summary."""
    if quiz.n > LENGTH:
        if lesson.part(_("Your result")):
            _summary(quiz)
        return
    if not lesson.part(_heading(quiz.n)):
        return
    asked = cache.asked(quiz.seed, quiz.n, quiz.level)
    _ask(asked)
    done = next((each for each in log(quiz) if each.n == quiz.n), None)
    if done is None:
        _form(quiz, asked)
    else:
        _verdict(asked, done)
    with st.container(horizontal=True, gap="small"):
        st.button(
            _("Back"), key="quiz_back", icon=":material/arrow_back:", on_click=_go,
            args=(quiz.n - 1,), disabled=quiz.n == 1,
        )  # fmt: skip
        last, skip = quiz.n == LENGTH, _("Skip")
        label = _("Your result") if last else _("Next question") if done else skip
        st.button(
            label, key="quiz_next",
            icon=":material/arrow_forward:", on_click=_go, args=(quiz.n + 1,),
            type="primary" if done else "secondary",
        )  # fmt: skip


def talk(lesson: Lesson, quiz: Quiz) -> None:
    """The ten questions as parts of a talk, each with its answer hidden until it is revealed."""
    for n in range(1, LENGTH + 1):
        if lesson.part(_heading(n)):
            asked = cache.asked(quiz.seed, n, quiz.level)
            _ask(asked, "##")
            for choice in asked.choices:
                st.markdown(f"#### · {_choice_text(asked, choice)}")
            lesson.answer("" if lesson.hides else f"## {_answer_text(asked)}\n\n{_why(asked)}")


def _heading(n: int) -> str:
    return _("Question {n} of {all}").format(n=n, all=LENGTH)


def _ask(asked: Question, size: str = "####") -> None:
    st.markdown(f"{size} {_question_text(asked)}")
    work = asked.work
    if work is None:
        return
    if asked.kind == "window":
        return
    st.markdown(by_hand.facts(work))
    if asked.other:
        st.markdown(
            f"**{_layer_text(asked.other.key)}** · {by_hand.title(asked.other)}  \n"
            f"{by_hand.facts(asked.other)}"
        )


def _question_text(asked: Question) -> str:
    model = plain(_title(asked.model))
    if asked.work is None:
        return _("Which of the two takes more MACs for one image of its own size?")
    layer, what = _layer_text(asked.work.key), by_hand.title(asked.work)
    if asked.kind == "shape":
        text = _("{model} · {layer}: {what}. Which shape comes out?")
    elif asked.kind == "params":
        text = _("{model} · {layer}: {what}. How many parameters does it have?")
    elif asked.kind == "macs":
        text = _("{model} · {layer}: {what}. How many MACs does it take for one image?")
    elif asked.kind == "times":
        text = (
            _("{model} · {layer}: {what}. How many times the MACs of {other} does it take?")
            if asked.measure == "macs"
            else _("{model} · {layer}: {what}. How many times the parameters of {other} has it?")
        )
    else:
        before, after = asked.work.input_shapes[0], asked.work.output_shape
        return _(
            "{model} · {layer}: a {kind} makes {after} of {before}. Which window does that?"
        ).format(
            model=model, layer=layer, before=shape_text(before), after=shape_text(after),
            kind=_("pooling") if asked.work.kind == "pooling" else _("convolution"),
        )  # fmt: skip
    other = _layer_text(asked.other.key) if asked.other else ""
    return text.format(model=model, layer=layer, what=what, other=other)


def _title(model: str) -> str:
    return cache.models()[model]


def _layer_text(key: str) -> str:
    parts = key.split(".")
    return plain(key if len(parts) < 4 else f"…{'.'.join(parts[-3:])}")


def _choice_text(asked: Question, choice: Any) -> str:
    if asked.kind == "window":
        kernel, stride, padding = choice
        return _("kernel {k} × {k}, stride {s}, padding {p}").format(k=kernel, s=stride, p=padding)
    if asked.kind == "times":
        return _("{n} times").format(n=count(choice))
    size = shape_text(native_choice(choice).input_shape)
    return f"{_title(choice)} · {size}"


def _form(quiz: Quiz, asked: Question) -> None:
    key = f"quiz_guess_{quiz.seed}_{quiz.level}_{quiz.n}"
    with st.form(f"quiz_form_{quiz.n}", border=False):
        if asked.choices:
            st.radio(
                _("Your answer"), range(len(asked.choices)), index=None, key=key,
                format_func=lambda place: _choice_text(asked, asked.choices[place]),
            )  # fmt: skip
        else:
            shape = isinstance(asked.answer, tuple)
            st.text_input(
                _("Your answer"), key=key,
                placeholder="C x H x W" if shape else _("1,234,567 or 1.23 M"),
            )  # fmt: skip
        st.form_submit_button(
            _("Answer"), type="primary", icon=":material/check:", on_click=_submit,
            args=(quiz, key),
        )  # fmt: skip
    if st.session_state.get("quiz_unreadable") == key:
        st.warning(
            _("Write a shape as 64 x 56 x 56, a number as 4,089,184 or 4.09 M.")
            if not asked.choices
            else _("Choose one of the answers.")
        )


def _submit(quiz: Quiz, key: str) -> None:
    address.touch()
    state = st.session_state
    asked = cache.asked(quiz.seed, quiz.n, quiz.level)
    value = state.get(key)
    state["quiz_unreadable"] = key
    if asked.choices:
        if value is None:
            return
        given = asked.choices[value]
        text, right = _choice_text(asked, given), given == asked.answer
    else:
        text = str(value or "")
        answer = asked.answer
        assert not isinstance(answer, str)
        verdict = check(text, answer)
        if not verdict.readable:
            return
        right = verdict.right
    state["quiz_unreadable"] = ""
    if all(each.n != quiz.n for each in log(quiz)):
        log(quiz).append(Given(quiz.n, text, right))


def _verdict(asked: Question, done: Given) -> None:
    answer = _answer_text(asked)
    if done.right:
        st.success(_("Right: {answer}").format(answer=answer), icon=":material/check:")
    else:
        st.error(
            _("You said {given}. It is {answer}.").format(given=plain(done.text), answer=answer),
            icon=":material/close:",
        )
    with st.container(border=True, key="quiz_why"):
        st.markdown(_why(asked))
        if asked.work:
            by_hand.layer_link(asked.model, asked.work.key)
        else:
            for model in (asked.model, asked.other_model):
                st.page_link(
                    "pages/inspect/layers.py", label=_title(model),
                    icon=":material/table_rows:", query_params={"model": model, **kept()},
                )  # fmt: skip


def _answer_text(asked: Question) -> str:
    if asked.choices:
        return plain(_choice_text(asked, asked.answer))
    if isinstance(asked.answer, tuple):
        return " × ".join(map(str, asked.answer))
    assert isinstance(asked.answer, int)
    short = compact(asked.answer)
    exact = count(asked.answer)
    return exact if short == exact or asked.answer < 10_000 else f"{exact} ({short})"


def _why(asked: Question) -> str:
    """The answer worked out, in Markdown."""
    if asked.work is None:
        first, second = asked.totals
        return "\n".join(
            f"- {plain(_title(model))}: **{count(macs)}** MACs"
            for model, macs in ((asked.model, first), (asked.other_model, second))
        )
    if asked.kind == "times":
        assert asked.other
        assert asked.measure
        parts = []
        for work in (asked.work, asked.other):
            parts.append(f"**{_layer_text(work.key)}**")
            parts.append(by_hand.explain(work, asked.measure))
        return "\n\n".join(parts)
    if asked.kind == "window":
        before = asked.work.input_shapes[0][2:]
        lines = [by_hand.explain(asked.work, "shape")]
        for choice in asked.choices:
            if choice != asked.answer:
                assert isinstance(choice, tuple)
                kernel, stride, padding = choice
                sides = tuple(output_size(side, kernel, stride, padding) for side in before)
                lines.append(
                    _("{window} would give {sides}.").format(
                        window=_choice_text(asked, choice),
                        sides=axes_text(sides).replace("×", " × "),
                    )
                )
        return "\n\n".join(lines)
    return by_hand.explain(asked.work, asked.kind)


def _summary(quiz: Quiz) -> None:
    given = {each.n: each for each in log(quiz)}
    right = sum(each.right for each in given.values())
    st.markdown(
        "## " + _("{right} of {all}").format(right=right, all=LENGTH)
    )  # fmt: skip
    if len(given) < LENGTH:
        open_ones = [n for n in range(1, LENGTH + 1) if n not in given]
        st.caption(_("Not answered: {questions}").format(questions=", ".join(map(str, open_ones))))
    lines = [f"| | {_('question')} | {_('your answer')} | {_('answer')} |", "|:--|:--|:--|:--|"]
    for n in range(1, LENGTH + 1):
        if n in given:
            asked = cache.asked(quiz.seed, n, quiz.level)
            sign = ":material/check:" if given[n].right else ":material/close:"
            lines.append(
                f"| {sign} {n} | {_question_text(asked)} | {plain(given[n].text)} | "
                f"{_answer_text(asked)} |"
            )
    if given:
        st.markdown("\n".join(lines))
    with st.container(horizontal=True, gap="small"):
        st.button(_("Back"), key="quiz_back", icon=":material/arrow_back:", on_click=_go,
                  args=(LENGTH,))  # fmt: skip
        st.button(_("Another quiz"), key="quiz_again", type="primary",
                  icon=":material/casino:", on_click=_other)  # fmt: skip


# -------------------------------------------------------------------------- callbacks


def _go(n: int) -> None:
    address.touch()
    st.session_state["quiz_n"] = n


def _restart() -> None:
    _go(1)


def _other() -> None:
    _go(1)
    st.session_state["quiz_seed"] = SystemRandom().randrange(1, 10_000)
