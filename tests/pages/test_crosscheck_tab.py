"""The tab that asks other counters, in a process of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from explorer.analysis.crosscheck import CrossCheck, Reason, ToolReport
from pages.shared import crosscheck
from tests.pages.test_measuring import Work, finish, open_tab, texts

CHECK = CrossCheck(
    model="lenet5",
    options=(),
    input_shape=(1, 1, 32, 32),
    params=61706,
    macs=416520,
    lower_bound=False,
    reports=(
        ToolReport(
            "torchinfo", "1.8.0", 61706, 416754, 234, 0, 0.056, 0.0, 0.1,
            reasons=(Reason("bias counted", "Additions of a bias in __init__ count.", 234),),
        ),
        ToolReport(
            "thop", "", None, None, 0, 0, None, None, None, problem="thop is not installed."
        ),
    ),
)  # fmt: skip


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, Any], Work]]:
    """Puts a `Work` in place of a function that the tab calls."""
    made: list[Work] = []

    def put(name: str, outcome: Any) -> Work:
        made.append(Work(outcome))
        monkeypatch.setattr(crosscheck, name, made[-1])
        return made[-1]

    yield put
    for each in made:
        each.end.set()


def test_other_counters_stand_beside_the_exact_numbers_with_their_reasons(work) -> None:
    held = work("cross_check", CHECK)
    app = open_tab("check")
    app.button(key="check").click().run()
    assert app.get("progress")
    app = finish(app, app.session_state["check_job"][1], held)
    assert held.arguments == ("lenet5", {"in_channels": 1}, (1, 1, 32, 32))
    (frame,) = [frame.value for frame in app.dataframe]
    assert list(frame["Counter"]) == ["Layerwise", "torchinfo 1.8.0", "thop"]
    assert list(frame["MACs"][:2]) == [416520, 416754]
    assert "Additions of a bias in \\_\\_init\\_\\_ count." in texts(app)
    assert "thop is not installed." in texts(app)


def test_an_answer_about_an_earlier_choice_says_so(work) -> None:
    held = work("cross_check", CHECK)
    app = open_tab("check")
    app.button(key="check").click().run()
    app = finish(app, app.session_state["check_job"][1], held)
    assert "before you changed the choice" not in texts(app)
    app.number_input(key="batch").set_value(2).run()
    assert "before you changed the choice, about LeNet-5" in texts(app)
