"""Placing boxes: nothing overlaps, no line runs through a box, groups hold what is theirs."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.diagram.layout import Box, Frame, Group, Placement, _isotonic, place


def boxes(*keys: str, parent: str = "") -> list[Box]:
    return [Box(key, parent, 60, 30) for key in keys]


def apart(a: Frame, b: Frame) -> bool:
    e = 1e-6
    return (
        a.x + a.width <= b.x + e
        or b.x + b.width <= a.x + e
        or a.y + a.height <= b.y + e
        or b.y + b.height <= a.y + e
    )


def holds(outer: Frame, inner: Frame) -> bool:
    e = 1e-6
    return (
        outer.x <= inner.x + e
        and outer.y <= inner.y + e
        and inner.x + inner.width <= outer.x + outer.width + e
        and inner.y + inner.height <= outer.y + outer.height + e
    )


def check(placed: Placement, all_boxes: list[Box], links: list[tuple[str, str]]) -> None:
    frames = {box.key: placed.frames[box.key] for box in all_boxes}
    for place_, (key, frame) in enumerate(frames.items()):
        for other, more in list(frames.items())[place_ + 1 :]:
            assert apart(frame, more), (key, other)
    for (source, target), route in zip(links, placed.routes, strict=True):
        for (x0, y0), (x1, y1) in pairwise(route):
            span = Frame(min(x0, x1), min(y0, y1), abs(x0 - x1), abs(y0 - y1))
            for key, frame in frames.items():
                if key not in (source, target):
                    assert apart(span, frame), (source, target, key)


def test_a_chain_is_a_straight_column() -> None:
    links = [("a", "b"), ("b", "c")]
    placed = place(boxes("a", "b", "c"), {}, links)
    middles = {frame.x + frame.width / 2 for key, frame in placed.frames.items() if key}
    assert len(middles) == 1
    assert placed.frames["a"].y < placed.frames["b"].y < placed.frames["c"].y
    assert all(len(route) == 2 for route in placed.routes)


def test_a_shortcut_goes_round_the_boxes_that_it_skips() -> None:
    nodes, links = boxes("a", "b", "c", "d"), [("a", "b"), ("b", "c"), ("c", "d"), ("a", "d")]
    placed = place(nodes, {}, links)
    check(placed, nodes, links)
    # The main path stays straight.
    assert len({placed.frames[key].x for key in "abcd"}) == 1


def test_branches_stand_side_by_side() -> None:
    nodes = boxes("fork", "left", "middle", "right", "join")
    links = [("fork", b) for b in ("left", "middle", "right")]
    links += [(b, "join") for b in ("left", "middle", "right")]
    placed = place(nodes, {}, links)
    check(placed, nodes, links)
    assert len({placed.frames[key].y for key in ("left", "middle", "right")}) == 1
    # The fork stands over the middle of its branches.
    centre = placed.frames["middle"].x + 30
    assert placed.frames["fork"].x + 30 == pytest.approx(centre)


def test_a_group_holds_its_boxes_and_a_line_enters_through_its_border() -> None:
    nodes = [*boxes("a"), *boxes("b", "c", parent="g"), *boxes("d")]
    links = [("a", "b"), ("b", "c"), ("c", "d"), ("a", "c")]
    placed = place(nodes, {"g": Group("", 200)}, links)
    check(placed, nodes, links)
    for key in "bc":
        assert holds(placed.frames["g"], placed.frames[key])
    for key in "ad":
        assert apart(placed.frames["g"], placed.frames[key])
    assert placed.frames["g"].width >= 200  # wide enough for its title
    (_, start), *_, (_, end) = placed.routes[0]
    assert start < placed.frames["g"].y < end


def test_to_the_right_is_the_mirror_image_of_downwards() -> None:
    nodes, links = boxes("a", "b", "c"), [("a", "b"), ("b", "c"), ("a", "c")]
    right = place(nodes, {}, links, horizontal=True)
    check(right, nodes, links)
    assert right.frames["a"].x < right.frames["b"].x < right.frames["c"].x
    assert right.frames["a"][2:] == (60, 30)


def test_isotonic_regression_keeps_distances_and_moves_as_little_as_it_can() -> None:
    # 0 and 0 must be 10 apart: both move by 5.
    assert _isotonic([0, 0], [1, 1], [10]) == [-5, 5]
    # The heavier one moves less: 1/4 and 3/4 of the distance.
    assert _isotonic([0, 0], [3, 1], [8]) == [-2, 6]
    assert _isotonic([0, 20, 40], [1, 1, 1], [10, 10]) == [0, 20, 40]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Box], dict[str, Group], list[tuple[str, str]]]:
    count = draw(st.integers(1, 14))
    # Each group is a run of boxes, as a module's ops are: the quotient has no loops.
    cut = sorted(draw(st.lists(st.integers(0, count), min_size=2, max_size=4)))
    groups, parents = {}, [""] * count
    for number, (start, end) in enumerate(pairwise(cut)):
        if end > start:
            groups[f"g{number}"] = Group("", draw(st.integers(10, 150)))
            parents[start:end] = [f"g{number}"] * (end - start)
    nodes = [
        Box(f"n{i}", parents[i], draw(st.integers(20, 120)), draw(st.integers(16, 50)))
        for i in range(count)
    ]
    pairs = [(i, j) for i in range(count) for j in range(i + 1, count)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=24)) if pairs else []
    return nodes, groups, [(f"n{i}", f"n{j}") for i, j in chosen]


@given(graphs(), st.booleans())
def test_any_graph_is_placed_without_overlaps_and_no_line_runs_through_a_box(
    graph: tuple[list[Box], dict[str, Group], list[tuple[str, str]]], horizontal: bool
) -> None:
    nodes, groups, links = graph
    placed = place(nodes, groups, links, horizontal=horizontal)
    check(placed, nodes, links)
    for box in nodes:
        if box.parent:
            assert holds(placed.frames[box.parent], placed.frames[box.key])
    for route in placed.routes:
        for x, y in route:
            assert -1e-6 <= x <= placed.width + 1e-6
            assert -1e-6 <= y <= placed.height + 1e-6
