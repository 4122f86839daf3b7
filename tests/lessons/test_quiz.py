"""The quiz: reproducible, right by another way of counting, and never with two right choices."""

from __future__ import annotations

from functools import cache
from math import prod

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from explorer import build_model, get_spec, trace_model
from explorer.lessons.quiz import KINDS, LENGTH, LEVELS, Level, Question, pool, question
from explorer.trace.records import Trace

CHOSEN = ("times", "window", "more")


@cache
def traced(model: str) -> Trace:
    return trace_model(model, get_spec(model).input_shape)


@cache
def built(model: str) -> nn.Module:
    with torch.device("meta"):
        return build_model(model)


def quiz(seed: int, level: Level) -> list[Question]:
    return [question(seed, n, level, traced) for n in range(1, LENGTH + 1)]


def hooked(model: str, key: str) -> tuple[nn.Module, torch.Size, torch.Size]:
    """A layer and what torch itself sees go in and out of it, from a forward on meta."""
    path, _, call = key.partition("@")
    seen: list[tuple[torch.Size, torch.Size]] = []
    layer = built(model).get_submodule(path)
    handle = layer.register_forward_hook(
        lambda _, inputs, output: seen.append((inputs[0].shape, output.shape))
    )
    with torch.no_grad():
        built(model)(torch.empty(get_spec(model).input_shape, device="meta"))
    handle.remove()
    return layer, *seen[int(call or 0)]


def check(asked: Question) -> None:
    """Compare the answer with torch, not with the trace."""
    if asked.kind == "more":
        first, second = asked.totals
        assert asked.answer == (asked.model if first > second else asked.other_model)
        assert traced(asked.model).macs == first
        return
    assert asked.work
    layer, before, after = hooked(asked.model, asked.work.key)
    if asked.kind == "shape":
        assert asked.answer == tuple(after[1:])
    elif asked.kind == "params":
        assert asked.answer == sum(p.numel() for p in layer.parameters())
    elif asked.kind == "macs":
        assert asked.answer == macs(layer, before, after)
    elif asked.kind == "times":
        assert asked.other
        small, *shapes = hooked(asked.model, asked.other.key)
        if asked.measure == "macs":
            ratio = macs(layer, before, after) / macs(small, *shapes)
        else:
            ratio = size(layer) / size(small)
        assert asked.answer == ratio
    else:
        one = torch.empty(1, 1, *before[2:], device="meta")
        for kernel, stride, padding in asked.choices:
            weight = torch.empty(1, 1, kernel, kernel, device="meta")
            out = F.conv2d(one, weight, stride=stride, padding=padding).shape[2:]
            assert (out == after[2:]) == ((kernel, stride, padding) == asked.answer)


def macs(layer: nn.Module, before: torch.Size, after: torch.Size) -> int:
    """Every weight once for each output pixel or row of the batch of one."""
    weight = layer.weight.numel()
    return weight * (prod(after[2:]) if len(after) == 4 else prod(after[1:-1]))


def size(layer: nn.Module) -> int:
    return sum(p.numel() for p in layer.parameters())


@pytest.mark.parametrize("level", ["easy", "medium"])
@pytest.mark.parametrize("seed", range(12))
def test_answers_are_torch_s_and_choices_are_distinct(seed: int, level: Level) -> None:
    asked = quiz(seed, level)
    for each in asked:
        check(each)
        assert bool(each.choices) == (each.kind in CHOSEN)
        if each.choices:
            assert each.choices.count(each.answer) == 1
            assert len(set(each.choices)) == len(each.choices) == (2 if each.kind == "more" else 4)
    assert {each.kind for each in asked} == set(KINDS)


@pytest.mark.slow
def test_answers_about_every_model_are_torch_s() -> None:
    for each in quiz(2016, "hard"):
        check(each)


def test_the_same_seed_asks_the_same_and_another_asks_something_else() -> None:
    assert quiz(7, "easy") == quiz(7, "easy")
    assert quiz(7, "easy") != quiz(8, "easy")
    assert question(7, 3, "easy", traced) != question(7, 3, "medium", traced)


def test_a_quiz_never_asks_the_same_twice() -> None:
    for seed in range(6):
        asked = [(q.kind, q.model, q.work and q.work.key, q.measure) for q in quiz(seed, "easy")]
        assert len(set(asked)) == LENGTH


def test_every_level_names_models_that_exist() -> None:
    for level in LEVELS:
        assert len(set(pool(level))) == len(pool(level)) >= LENGTH
        assert all(get_spec(name) for name in pool(level))


def test_the_first_question_of_a_link_stays_the_same() -> None:
    # A class opens the same link next year: the draw must not depend on the machine or the day.
    asked = question(1, 1, "easy", traced)
    assert (asked.kind, asked.model) == FIRST


FIRST = ("params", "lenet5")
