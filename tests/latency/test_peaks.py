from __future__ import annotations

from collections.abc import Callable

import pytest

from explorer.errors import MeasurementError
from explorer.latency import MeasuredPeaks, measure, measure_peaks, peaks


class Scripted:
    """Really runs what it is given, and answers with the time of the model of a device."""

    clock = "scripted"

    def __init__(self, seconds: Callable[[int], float]) -> None:
        self.seconds = seconds
        self.calls = 0

    def time(self, run: Callable[[], object]) -> float:
        result = run()
        self.calls += 1
        return self.seconds(result.numel())  # type: ignore[attr-defined]


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], float]], Scripted]:
    def install(seconds: Callable[[int], float]) -> Scripted:
        stopwatch = Scripted(seconds)
        monkeypatch.setattr(measure, "stopwatch_for", lambda _: stopwatch)
        monkeypatch.setattr(peaks, "_COPY_BYTES", 10_000)
        monkeypatch.setattr(peaks, "_SMALLEST_SIDE", 8)
        monkeypatch.setattr(peaks, "_LARGEST_SIDE", 32)
        return stopwatch

    return install


def test_the_rates_are_work_over_time(device: Callable[..., Scripted]) -> None:
    device(lambda _: 0.01)
    # a product of 8 x 8: 2 * 8^3 = 1,024 operations; a copy of 10,000 bytes, read and written
    assert measure_peaks("cpu") == MeasuredPeaks(102_400, pytest.approx(2_000_000))


def test_the_matrices_grow_until_a_product_takes_long_enough(
    device: Callable[..., Scripted],
) -> None:
    # 8 x 8 and 16 x 16 are over in 1 ms, 32 x 32 takes 20 ms: the best rate is that of
    # 16 x 16, 2 * 16^3 / 0.001
    device(lambda elements: 0.02 if elements >= 32 * 32 else 0.001)
    assert measure_peaks("cpu").operations_per_second == pytest.approx(8_192_000)


def test_the_largest_matrix_ends_the_search(device: Callable[..., Scripted]) -> None:
    device(lambda _: 0.001)
    # 2 * 32^3 / 0.001
    assert measure_peaks("cpu").operations_per_second == pytest.approx(65_536_000)


def test_the_fastest_run_counts(device: Callable[..., Scripted]) -> None:
    stopwatch = device(lambda _: 0.01 if stopwatch.calls % 3 else 0.02)
    assert measure_peaks("cpu").operations_per_second == pytest.approx(102_400)


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(MeasurementError, match="'int4'"):
        measure_peaks("cpu", "int4")
    with pytest.raises(MeasurementError, match="max_seconds=0"):
        measure_peaks("cpu", max_seconds=0)
    with pytest.raises(MeasurementError, match="no device 'tpu'"):
        measure_peaks("tpu")


def test_too_little_memory_is_said_before_anything_is_allocated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(peaks, "free_memory", lambda _: 2**20)
    with pytest.raises(MeasurementError, match=r"needs 0\.75 GiB on cpu"):
        measure_peaks("cpu")
