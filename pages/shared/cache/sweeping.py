"""Sweeps: their rows, kept for all visitors, and their curves."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterable
from typing import Final, NamedTuple

from explorer.figures.sweep import sweep_curves
from explorer.latency import LatencyRecord, Work
from explorer.sweep import Point, Row, compute
from explorer.sweep.curves import QUANTITIES, Sweep, curves, measured_curves
from explorer.sweep.points import Key
from pages.shared.cache.keep import keep
from pages.shared.cache.traces import Theme
from pages.shared.text import _, language

MOST_SWEPT: Final = 20_000
"""Rows of sweeps that are kept for all visitors, some ten megabytes; the oldest go first."""
_SWEPT: dict[tuple[Key, str], bytes] = {}
"""Key of a point, and the language of its row's sentence, "" if it has none."""
_SWEPT_LOCK: Final = threading.Lock()


def swept(points: Iterable[Point]) -> dict[Key, Row]:
    """The rows that are known of these points, whoever asked for them first."""
    said = language()
    kept = {p.key: _SWEPT.get((p.key, "")) or _SWEPT.get((p.key, said)) for p in points}
    # The bytes are our own: `sweep_point` made them.
    return {key: pickle.loads(row) for key, row in kept.items() if row}  # noqa: S301


def sweep_point(point: Point) -> Row:
    """Compute the row of one point here and now, and keep it for all visitors."""
    row = compute(point)
    with _SWEPT_LOCK:
        _SWEPT[point.key, language() if row.error else ""] = pickle.dumps(row)
        while len(_SWEPT) > MOST_SWEPT:
            del _SWEPT[next(iter(_SWEPT))]
    return row


class SweepFigure(NamedTuple):
    """What a figure of a sweep shows, besides its rows."""

    sweep: Sweep
    quantity: str
    title: str
    x_title: str
    log_x: bool
    log_y: bool
    theme: Theme
    measured: tuple[tuple[Work, LatencyRecord], ...] = ()
    """Beside the predicted times."""
    here: str = ""
    """What was measured on."""


def sweep_figure(shown: SweepFigure, rows: dict[Key, Row], *, finished: bool) -> str:
    """The curves as Plotly's JSON; kept once no point is missing."""
    return _finished_sweep(shown, rows) if finished else _draw_sweep(shown, rows)


@keep(64)
def _finished_sweep(shown: SweepFigure, _rows: dict[Key, Row]) -> str:
    return _draw_sweep(shown, _rows)


def _draw_sweep(shown: SweepFigure, rows: dict[Key, Row]) -> str:
    quantity = QUANTITIES[shown.quantity]
    lines = curves(shown.sweep, rows, shown.quantity)
    if shown.measured:
        lines = [
            curve._replace(name=_("{model}, predicted").format(model=curve.name)) for curve in lines
        ]
    drawn = sweep_curves(
        lines,
        title=shown.title,
        x_title=shown.x_title,
        y_title=_("Time of one pass, ms") if shown.measured else _(quantity.unit),
        measured=measured_curves(shown.sweep, dict(shown.measured), shown.here),
        large=quantity.large,
        log_x=shown.log_x,
        log_y=shown.log_y,
        theme=shown.theme,
    )
    return str(drawn.to_json())
