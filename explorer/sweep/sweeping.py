"""`run`: points in, rows out, from whichever workers there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from explorer.errors import SweepError
from explorer.sweep import cluster
from explorer.sweep.journal import Journal
from explorer.sweep.points import Point, Row, compute
from explorer.sweep.pool import Pool, default_workers

MAX_WORKERS = 256


class Progress(NamedTuple):
    """How far a sweep is."""

    done: int
    """Points with a row, those of earlier runs included."""
    total: int
    resumed: int
    """Points that an earlier run had finished."""
    illegal: int
    """Points whose row says why it has no counts."""
    retries: int
    """How often a point was given to a new worker because its own had died; a cluster's Dask
    workers count for themselves."""


def run(
    points: Iterable[Point],
    out: str | PathLike[str] | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Iterator[Row]:
    """Compute all points and keep each row as soon as it is finished.

    A point that cannot be traced is a row that says why. A point whose worker process dies is
    given to a new one, at most twice; then its row says so, and the next run tries it again.

    Args:
        points: what to compute; a point that comes twice is computed once.
        out: file that keeps the rows: `.jsonl` in the order in which they finish; `.csv` or
            `.parquet` in the order of the points, written when all are finished, from a `.jsonl`
            beside it that grows until then. Points that the file has already are not computed
            again.
        workers: processes on this machine; as many as it has cores if None. 0 computes in this
            process, which for few points is faster than starting another one.
        scheduler: address of a Dask scheduler, "tcp://host:8786", whose workers compute instead.
        progress: called once at the start and after each row.

    Returns:
        An iterator over the rows, those of earlier runs first, then in the order in which they
        finish. It computes while it is gone through; closing it ends the workers.

    Raises:
        SweepError: at once, if `out`, `workers` or the address of `scheduler` is impossible; while
            the rows are gone through, if the scheduler cannot be reached, no worker starts, or a
            row cannot be written.
    """
    if workers is not None and not (type(workers) is int and 0 <= workers <= MAX_WORKERS):
        raise SweepError(f"workers={workers!r} should be a whole number from 0 to {MAX_WORKERS}.")
    if workers is not None and scheduler is not None:
        raise SweepError("Give either workers or a scheduler: the scheduler has its own workers.")
    if scheduler is not None:
        cluster.check_address(scheduler)
    wanted = list(dict.fromkeys(points))
    journal = None if out is None else Journal(Path(out))
    return _Sweep(wanted, journal, workers, scheduler, progress or (lambda _: None)).rows()


class _Sweep:
    """One run, and how far it is."""

    def __init__(
        self,
        points: list[Point],
        journal: Journal | None,
        workers: int | None,
        scheduler: str | None,
        progress: Callable[[Progress], None],
    ) -> None:
        self._points = points
        self._journal = journal
        self._scheduler = scheduler
        self._in_process = workers == 0
        self._pool = Pool(default_workers() if workers is None else workers)
        self._report = progress
        self._done = self._resumed = self._illegal = 0

    def rows(self) -> Iterator[Row]:
        """Go through earlier rows and new ones."""
        earlier = self._journal.rows if self._journal else {}
        finished = {
            point.key: earlier[point.key]
            for point in self._points
            if point.key in earlier and not earlier[point.key].given_up
        }
        todo = [point for point in self._points if point.key not in finished]
        self._done = self._resumed = len(finished)
        self._illegal = sum(bool(row.error) for row in finished.values())
        self._tell()
        try:
            yield from finished.values()
            for row in self._computed(todo):
                if self._journal:
                    self._journal.append(row)
                self._done += 1
                self._illegal += bool(row.error)
                self._tell()
                yield row
            if self._journal:
                self._journal.finish(point.key for point in self._points)
        finally:
            if self._journal:
                self._journal.close()

    def _computed(self, todo: list[Point]) -> Iterator[Row]:
        if not todo:
            return iter(())
        if self._scheduler is not None:
            return cluster.rows(todo, self._scheduler)
        return map(compute, todo) if self._in_process else self._pool.rows(todo)

    def _tell(self) -> None:
        self._report(
            Progress(
                self._done, len(self._points), self._resumed, self._illegal, self._pool.retries
            )
        )
