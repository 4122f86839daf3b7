"""How well predicted times agree with times that somebody took, over many models at once.

One model says little: the roofline leaves out what costs most in one network and nothing in the
next. Over a zoo, the median ratio says how far the device falls short of the model's ideal, the
spread around it how far a single prediction can be trusted, and the rank correlation whether the
order of the models is right, beside the order that MACs alone would give.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

_FEWEST = 3


class Compared(NamedTuple):
    """One pass, predicted and taken."""

    name: str
    family: str
    predicted_ms: float
    taken_ms: float
    """Median of the runs."""
    macs: int
    """Of the whole batch."""
    label: str = ""
    """What tells it from another run of the same model: batch, size, layout."""

    @property
    def ratio(self) -> float:
        """Taken / predicted: above 1 the device is slower than the roofline."""
        return self.taken_ms / self.predicted_ms


class Agreement(NamedTuple):
    """What many comparisons say together."""

    runs: int
    median_ratio: float
    low_ratio: float
    high_ratio: float
    """Quartiles of the ratio: half of all lie between them."""
    median_error: float
    """Median of |predicted - taken| / taken: 0.4 is 40%."""
    within_two: float
    """Share, 0 to 1, whose prediction is at most twice too long or too short."""
    rank: float | None
    """Spearman's correlation of predicted and taken times; None if all are equal."""
    macs_rank: float | None
    """The same of MACs alone."""


def agreement(compared: Sequence[Compared]) -> Agreement | None:
    """Sum up comparisons; None for fewer than three, of which nothing can be said."""
    if len(compared) < _FEWEST:
        return None
    ratios = [each.ratio for each in compared]
    low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
    taken = [each.taken_ms for each in compared]
    errors = [abs(each.predicted_ms - each.taken_ms) / each.taken_ms for each in compared]
    return Agreement(
        runs=len(compared),
        median_ratio=median,
        low_ratio=low,
        high_ratio=high,
        median_error=statistics.median(errors),
        within_two=sum(0.5 <= ratio <= 2 for ratio in ratios) / len(ratios),
        rank=rank_correlation(taken, [each.predicted_ms for each in compared]),
        macs_rank=rank_correlation(taken, [each.macs for each in compared]),
    )


def rank_correlation(left: Sequence[float], right: Sequence[float]) -> float | None:
    """Spearman's: the correlation of the two orders; None where one of them is no order."""
    # Python's own has it only from 3.12 on.
    try:
        return statistics.correlation(*(list(pd.Series(values).rank()) for values in (left, right)))
    except statistics.StatisticsError:
        return None
