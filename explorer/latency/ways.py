"""In which ways the recorded times were taken, and the time of each model in one of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from explorer.errors import ExplorerError
from explorer.latency.files import recorded
from explorer.latency.records import LatencyRecord
from explorer.text import N_, _
from explorer.zoo import get_spec

Place = tuple[str, int, int]
"""A model's name with the height and width of its input."""


class Way(NamedTuple):
    """A device and how it was asked; times of two ways are not to be compared."""

    device: str
    """As its vendor calls it."""
    kind: str
    """"cpu", "cuda" or "mps"."""
    dtype: str
    batch: int
    threads: int
    tf32: bool
    channels_last: bool
    compiled: bool

    @property
    def name(self) -> str:
        """For a link: "amd-epyc-float32-1-2t"."""
        parts = [self.device, self.dtype, str(self.batch)]
        parts += [f"{self.threads}t"] if self.kind == "cpu" else []
        parts += [word for word, taken in self._extras.items() if taken]
        return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")

    @property
    def _extras(self) -> dict[str, bool]:
        return {
            "TF32": self.tf32,
            N_("channels last"): self.channels_last,
            N_("compiled"): self.compiled,
        }

    def statement(self) -> str:
        """What a time is of: "AMD EPYC, 2 threads, float32, batch of 1"."""
        threads = _(", {n} threads").format(n=self.threads) if self.kind == "cpu" else ""
        extras = "".join(_(", {word}").format(word=_(w)) for w, on in self._extras.items() if on)
        return _("{device}{threads}, {dtype}, batch of {batch:,}{extras}").format(
            device=self.device, threads=threads, dtype=self.dtype, batch=self.batch, extras=extras
        )


def way_of(record: LatencyRecord) -> Way:
    """In which way a time was taken."""
    environment = record.environment
    return Way(
        device=environment.device_name,
        kind=environment.device.partition(":")[0],
        dtype=record.dtype,
        batch=record.batch,
        threads=environment.threads,
        tf32=record.tf32,
        channels_last=record.channels_last,
        compiled=record.compiled,
    )


def recorded_ways() -> tuple[Way, ...]:
    """The ways of the measurements that come with the library, most records first."""
    counts: dict[Way, int] = {}
    for record in recorded():
        way = way_of(record)
        counts[way] = counts.get(way, 0) + 1
    return tuple(sorted(counts, key=lambda way: (-counts[way], way)))


def times(way: Way, records: Iterable[LatencyRecord] | None = None) -> dict[Place, LatencyRecord]:
    """The time of each model in one way, at each size of which there is one.

    Args:
        way: one of `recorded_ways()`.
        records: those to look through; the library's own if None.

    Returns:
        Only models with their default options. Of several records the fastest: other work on
        the machine can only slow a pass down.
    """
    found: dict[Place, LatencyRecord] = {}
    for record in recorded() if records is None else records:
        place = _place(record)
        if place is None or way_of(record) != way:
            continue
        if place not in found or record.median_ms < found[place].median_ms:
            found[place] = record
    return found


def _place(record: LatencyRecord) -> Place | None:
    """Where a record belongs; None if it is of no image or of other than default options."""
    shape = record.input_shape
    if len(shape) != 4 or any(isinstance(axis, tuple) for axis in shape):
        return None
    _, channels, height, width = (axis for axis in shape if isinstance(axis, int))
    follows = {"in_channels": channels, "image_size": (height, width)}
    try:
        known = get_spec(record.model).options
    except ExplorerError:  # of a library that is not installed here
        return None
    for name, value in record.options:
        if name not in known or value not in (known[name].default, follows.get(name)):
            return None
    return record.model, height, width
