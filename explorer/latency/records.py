"""What one measurement leaves behind: how long a forward pass took, how sure, and where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Environment:
    """The machine and software that a measurement holds for; it says nothing of any other."""

    device: str
    """As torch names it: "cpu", "cuda:0", "mps"."""
    device_name: str
    """What the vendor calls it, "unknown" if the system does not tell."""
    driver: str
    """Version of the GPU's driver; "" on a CPU."""
    runtime: str
    """Version of CUDA (or ROCm) that torch was built for; "" on a CPU."""
    torch: str
    threads: int
    """Threads that torch used for one operation on the CPU."""
    load: float | None
    """Average number of busy processes over the minute before; None where not known. More than
    the measurement's own threads need means that it shared its cores."""
    date: str
    """Start, in UTC, ISO 8601: "2025-06-01T12:00:00+00:00"."""


@dataclass(frozen=True, slots=True)
class LatencyRecord:
    """Time of one forward pass, from input on the device to output on the device."""

    model: str
    """Registered name, or the class name of a module that was passed in."""
    options: tuple[tuple[str, object], ...]
    input_shape: Shape | tuple[Shape, ...]
    batch: int
    dtype: str
    median_ms: float
    p10_ms: float
    p90_ms: float
    iqr_ms: float
    """Interquartile range: the middle half of all runs lies within this."""
    runs: int
    warmup_runs: int
    """Untimed runs before the first timed one."""
    stable: bool
    """Whether the warm-up ended because times had settled, and not because time was up."""
    images_per_second: float
    """Batch size / median."""
    clock: str
    """What read the time: "CUDA events" or "host clock"."""
    environment: Environment
    source: Literal["measured"] = "measured"

    @property
    def spread(self) -> float:
        """Interquartile range / median: below 0.05 is quiet, above 0.15 hardly to be trusted."""
        return self.iqr_ms / self.median_ms if self.median_ms else 0.0


class Progress(NamedTuple):
    """Where a measurement stands."""

    stage: Literal["queued", "preparing", "warming up", "measuring"]
    done: int = 0
    """Runs finished in this stage."""
    total: int = 0
    """Runs that the stage may take at most."""
    ahead: int = 0
    """Measurements on the same device that go first; only while queued."""


ProgressCallback = Callable[[Progress], None]
