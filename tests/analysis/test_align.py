from itertools import combinations, pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from explorer.analysis._align import align, best_sum, merged

TABLES = st.tuples(st.integers(1, 4), st.integers(1, 4)).flatmap(
    lambda size: st.lists(
        st.lists(st.integers(-1, 5), min_size=size[1], max_size=size[1]),
        min_size=size[0],
        max_size=size[0],
    )
)


def scores(left: str, right: str) -> np.ndarray:
    return np.array([[int(a == b) for b in right] for a in left], np.int64)


def test_what_is_equal_is_paired_and_the_rest_stands_between():
    pairs = align(scores("abcd", "acxd"))
    assert pairs == [(0, 0), (2, 1), (3, 3)]
    assert merged(pairs, 4, 4) == [(0, 0), (1, None), (2, 1), (None, 2), (3, 3)]


def test_of_equal_runs_the_first_are_paired():
    assert align(scores("pbb", "pbbbb")) == [(0, 0), (1, 1), (2, 2)]
    assert align(scores("pbbbb", "pbb")) == [(0, 0), (1, 1), (2, 2)]


def test_nothing_is_paired_that_is_worth_nothing():
    assert align(np.array([[0, -3]], np.int64)) == []
    assert align(np.zeros((0, 3), np.int64)) == []
    assert merged([], 1, 2) == [(0, None), (None, 0), (None, 1)]


def brute_force(table: list[list[int]]) -> int:
    """The largest sum over every choice of rows and of as many columns, both in order."""
    rows, columns = range(len(table)), range(len(table[0]))
    return max(
        sum(table[i][j] for i, j in zip(some, others, strict=True))
        for size in range(min(len(rows), len(columns)) + 1)
        for some in combinations(rows, size)
        for others in combinations(columns, size)
    )


@given(TABLES)
def test_no_other_pairing_adds_up_to_more(table: list[list[int]]):
    pairs = align(np.array(table, np.int64))
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in pairwise(pairs))
    assert all(table[i][j] > 0 for i, j in pairs)
    assert sum(table[i][j] for i, j in pairs) == brute_force(table) == best_sum(table)
