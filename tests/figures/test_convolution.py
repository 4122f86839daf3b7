"""The figure of output sizes."""

from __future__ import annotations

import pytest

from explorer.figures.convolution import NAMES, output_sizes
from explorer.figures.theme import PAPER

OUTPUTS = {
    "wanted": [1, 1, 2],
    "half": [1, 1, 2],
    "valid": [None, None, 1],
    "stretched": [2, 2, 3],
    "full": [2, 2, 3],
}
LOST = {"valid": [1, 2, 0], "half": [0, 0, 0]}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_rule_is_a_step_line_and_every_loss_a_bar(theme: str) -> None:
    figure = output_sizes(OUTPUTS, LOST, theme=theme)
    lines = {trace.name: trace for trace in figure.data if trace.type == "scatter"}
    assert set(lines) == {NAMES[rule] for rule in OUTPUTS}
    for rule, values in OUTPUTS.items():
        assert list(lines[NAMES[rule]].x) == [1, 2, 3]
        assert list(lines[NAMES[rule]].y) == values
        if rule != "wanted":
            assert lines[NAMES[rule]].line.shape == "hvh"
    bars = [list(trace.y) for trace in figure.data if trace.type == "bar"]
    assert bars == [LOST["valid"], LOST["half"]]
    assert figure.layout.paper_bgcolor == PAPER[theme]


def test_an_input_size_can_be_marked_and_the_words_be_another_language_s() -> None:
    assert not output_sizes(OUTPUTS, LOST).layout.shapes
    names = {key: f"<{text}>" for key, text in NAMES.items()}
    figure = output_sizes(OUTPUTS, LOST, size=2, names=names)
    assert {shape.x0 for shape in figure.layout.shapes} == {2}
    assert figure.layout.title.text == names["title"]
    assert all(trace.name.startswith("<") for trace in figure.data)
