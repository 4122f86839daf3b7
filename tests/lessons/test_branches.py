"""Inception blocks, factored windows and grouped convolutions, against the papers' tables."""

from __future__ import annotations

import pytest
import torch

from explorer.errors import OptionError
from explorer.lessons.branches import (
    BLOCKS,
    CARDINALITIES,
    Paths,
    block_pictures,
    equal,
    equal_pictures,
    factored,
    factored_pictures,
    grouped_from,
    split,
    splits,
)
from explorer.models.googlenet import TABLE_1

PRINTED_OPS = {
    "3a": 128, "3b": 304, "4a": 73, "4b": 88, "4c": 100, "4d": 119, "4e": 170, "5b": 71
}  # fmt: skip
"""Millions, Table 1; of 5a it prints 54, where its own widths give 51."""
ENTERING = {
    "3a": 192, "3b": 256, "4a": 480, "4b": 512, "4c": 512, "4d": 512, "4e": 528, "5a": 832,
    "5b": 832,
}  # fmt: skip


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_costs_what_its_row_of_table_1_gives(name: str) -> None:
    found = split(name)
    one, r3, n3, r5, n5, pool = TABLE_1[name]
    c, side = ENTERING[name], {"3": 28, "4": 14, "5": 7}[name[0]]
    assert found.input_shape == (c, side, side)
    assert found.out == one + n3 + n5 + pool
    weights = c * (one + r3 + r5 + pool) + 9 * r3 * n3 + 25 * r5 * n5
    biases = one + r3 + n3 + r5 + n5 + pool
    (params, macs), _ = found.totals
    assert params == weights + biases
    assert macs == weights * side * side
    if name in PRINTED_OPS:
        assert macs / 1e6 == pytest.approx(PRINTED_OPS[name], abs=1)


@pytest.mark.parametrize("name", BLOCKS)
def test_without_reductions_the_windows_read_everything(name: str) -> None:
    found = split(name)
    one, _, n3, _, n5, pool = TABLE_1[name]
    c, side = found.input_shape[:2]
    weights = c * (one + 9 * n3 + 25 * n5 + pool)
    _, (params, macs) = found.totals
    assert params == weights + one + n3 + n5 + pool
    assert macs == weights * side * side
    assert found.naive_out == one + n3 + n5 + c


def test_the_branches_of_3a() -> None:
    first, second, third, pool = split("3a").reduced
    assert (first.first, second.first, third.first, pool.first) == (0, 96, 16, 0)
    assert second.first_params == 192 * 96 + 96
    assert third.macs == 25 * 16 * 32 * 28 * 28
    assert [branch.out for branch in split("3a").full] == [64, 128, 32, 32]


def test_there_are_nine_blocks_and_all_are_cheaper_with_reductions() -> None:
    found = splits()
    assert [each.name for each in found] == list(TABLE_1)
    assert all(full[1] > 2 * reduced[1] for reduced, full in (each.totals for each in found))


def test_an_unknown_block_is_one_sentence() -> None:
    with pytest.raises(OptionError, match="no Inception block '6a': choose one of 3a, "):
        split("6a")


# ------------------------------------------------------------------ factorizations


@pytest.mark.parametrize("window", [3, 5, 7, 9, 11])
def test_factored_windows_follow_the_paper_s_arithmetic(window: int) -> None:
    found = factored(window, channels=12, side=5)
    assert found.whole == window**2 * 144
    assert found.stacked == (window - 1) // 2 * 9 * 144
    assert found.one_sided == 2 * window * 144


def test_two_3x3_are_28_percent_cheaper_than_a_5x5() -> None:
    found = factored(5)
    assert found.stacked / found.whole == pytest.approx(18 / 25)  # section 3.1: a gain of 28%
    assert factored(3).one_sided / factored(3).whole == pytest.approx(1 - 0.33, abs=0.005)


@pytest.mark.parametrize("window", [4, 1, 33])
def test_a_window_without_a_middle_is_one_sentence(window: int) -> None:
    with pytest.raises(OptionError, match=f"The window {window} should be an odd number"):
        factored(window)


# --------------------------------------------------------------------- cardinality


@pytest.mark.parametrize("cardinality", CARDINALITIES)
def test_paths_and_one_grouped_convolution_are_equal(cardinality: int) -> None:
    found = equal(cardinality)
    c, d = cardinality, CARDINALITIES[cardinality]
    assert found.path_params == found.grouped_params == c * (256 * d + 9 * d * d + d * 256)
    assert found.macs == found.grouped_params * 14 * 14
    assert found.difference < 1e-5
    # Figure 1 and Table 2: all near ResNet's block of about 70 thousand.
    assert found.grouped_params == pytest.approx(70_000, rel=0.025)


def test_in_double_precision_the_difference_is_rounding_alone() -> None:
    paths = Paths(4, 6).double()
    x = torch.rand(1, 256, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        grouped = grouped_from(paths).double()
        for place, axis in ((0, 0), (2, 0), (4, 1)):
            weights = [path[place].weight for path in paths.paths]
            grouped[place].weight.copy_(torch.cat(weights, axis))
        assert torch.allclose(paths(x), grouped(x), rtol=1e-12, atol=1e-14)


def test_a_cardinality_without_a_width_is_one_sentence() -> None:
    with pytest.raises(OptionError, match="cardinality of 3: choose one of 1, 2, 4, 8, 32"):
        equal(3)


def test_everything_is_drawn() -> None:
    with_, without = block_pictures("4a")
    assert with_.height > without.height
    assert len(factored_pictures(7)) == 3
    paths, grouped = equal_pictures(32)
    assert "32 groups" in grouped.svg
    assert paths.svg.count("3×3 conv, 4<") == 4  # the first four of 32
