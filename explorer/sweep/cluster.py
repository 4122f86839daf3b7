"""Workers on a Dask cluster, asked through Dask's own client.

Dask is optional: `pip install -r requirements-sweep.txt`. It is imported when a scheduler is named.

On the cluster, too, points are computed in processes of our own, one for each thread of a Dask
worker. Threads of one process would share one interpreter lock; a model that takes all memory would
take the Dask worker along; and Dask's profiler, which looks at the frames of the process that it
runs in, keeps their tensors alive for a moment, which shows as a higher peak of memory.
"""

from __future__ import annotations

import importlib
import logging
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from explorer.errors import SweepError
from explorer.sweep.points import Point, Row, give_up
from explorer.sweep.pool import Worker

CONNECT_SECONDS = 5.0
"""How long a scheduler may take to answer."""
WORKER_SECONDS = 60.0
"""How long a cluster without workers may take to get one."""
IN_FLIGHT = 2_000
"""Points that the scheduler holds at a time: enough for any cluster, few enough for its memory."""


def rows(points: Sequence[Point], scheduler: str) -> Iterator[Row]:
    """Compute all points on a cluster; each row comes as soon as it is finished.

    A point whose worker dies is given to another one by the scheduler, as often as its
    configuration allows (`distributed.scheduler.allowed-failures`).

    Args:
        points: what to compute.
        scheduler: its address, "tcp://host:8786".

    Raises:
        SweepError: Dask is not installed, the scheduler does not answer or goes away, there is
            no worker, or the workers cannot import this package.
    """
    distributed = _distributed()
    client = _connected(distributed, scheduler)
    try:
        todo = iter(points)
        flying = {_submit(client, point): point for point in islice(todo, IN_FLIGHT)}
        _wait_for_worker(client, scheduler)
        finished = distributed.as_completed(list(flying), loop=client.loop)
        for future in finished:
            yield _row(future, flying.pop(future), scheduler)
            for point in islice(todo, 1):
                following = _submit(client, point)
                flying[following] = point
                finished.add(following)
    finally:
        client.close(timeout=CONNECT_SECONDS)


_idle: list[Worker] = []
"""Of this Dask worker. A process that has nothing to do for a while ends by itself."""


def _on_worker(point: Point) -> Row:
    """Compute one point beside the Dask worker that this runs in."""
    try:
        worker = _idle.pop()
    except IndexError:
        worker = Worker()
    try:
        return worker.compute(point)
    finally:
        _idle.append(worker)


def check_address(scheduler: str) -> None:
    """Refuse what cannot be an address, before Dask tries for long.

    Raises:
        SweepError: it is none.
    """
    if not re.fullmatch(r"(tcp|tls|ws|wss|ucx)://(\[[\da-fA-F:.]+\]|[^/:\s]+):\d{1,5}", scheduler):
        raise SweepError(
            f"{scheduler!r} is no address of a Dask scheduler, such as tcp://localhost:8786."
        )


def _distributed() -> Any:
    try:
        return importlib.import_module("distributed")
    except ImportError as error:
        raise SweepError(
            "A scheduler needs Dask, which is not installed here: pip install distributed."
        ) from error


def _connected(distributed: Any, scheduler: str) -> Any:
    # What goes wrong is said in a sentence; Dask would log its own traceback beside it.
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    try:
        return distributed.Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
    except OSError as error:  # a timeout is one, too
        raise SweepError(
            f"No Dask scheduler answers at {scheduler} within {CONNECT_SECONDS:g} s: check the "
            "address, and that the scheduler is running."
        ) from error


def _submit(client: Any, point: Point) -> Any:
    # Not pure: an earlier sweep's answer, still held by the cluster, may be an older version's.
    return client.submit(_on_worker, point, pure=False)


def _wait_for_worker(client: Any, scheduler: str) -> None:
    """Return when there is a worker; points are submitted already, for which a cluster may grow."""
    try:
        client.wait_for_workers(1, timeout=WORKER_SECONDS)
    except TimeoutError as error:
        raise SweepError(
            f"The cluster at {scheduler} has no worker: start one with "
            f"dask worker {scheduler}, then run the sweep again."
        ) from error


def _row(future: Any, point: Point, scheduler: str) -> Row:
    """The row of a future that is done."""
    if future.status == "cancelled":
        raise SweepError(f"The scheduler at {scheduler} is gone; what was finished is kept.")
    problem = future.exception()
    if problem is None:
        row: Row = future.result()
        return row
    if type(problem).__name__ == "KilledWorker":
        return give_up(point, "every worker of the cluster that had this point died.")
    said = " ".join(str(problem).split())
    raise SweepError(
        f"The workers of {scheduler} cannot compute ({type(problem).__name__}: {said}): they need "
        "this version of Layerwise."
    ) from problem
