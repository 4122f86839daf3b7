"""Compare the roofline model's predictions with times and throughputs that somebody measured.

    python benchmarks/roofline_vs_published.py --recorded
    python benchmarks/roofline_vs_published.py FILE --device "RTX 4090" --dtype float16

`--recorded` takes the runs that come with the library, each predicted with the peaks that were
measured on its own machine, and prints the table and the median error over the zoo.

FILE is a CSV with the columns that timm's benchmark writes (github.com/huggingface/
pytorch-image-models, folder results, Apache-2.0): model, infer_img_size, infer_samples_per_sec
and infer_batch_size. Models are ours where the name is registered, torchvision's names included;
`--timm` takes timm's own definition of every name that timm has.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from explorer import ExplorerError, Trace, list_models, trace_model
from explorer.analysis import agreement as over_all
from explorer.analysis.agreement import rank_correlation
from explorer.analysis.recorded import (
    TIMM_NAMES,
    calibrated_device,
    options_of,
    registered_name,
)
from explorer.analysis.roofline import Device, get_device, predict
from explorer.latency import LatencyRecord, recorded, recorded_calibrations


class Published(NamedTuple):
    model: str
    size: int
    batch: int
    images_per_second: float


class Compared(NamedTuple):
    published: Published
    predicted: float
    """Images a second."""
    macs: int
    """Of one image."""

    @property
    def ratio(self) -> float:
        """Measured time / predicted time: above 1 the device is slower than predicted."""
        return self.predicted / self.published.images_per_second


def read(path: Path) -> list[Published]:
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Published(
                row["model"],
                int(row["infer_img_size"]),
                int(row["infer_batch_size"]),
                float(row["infer_samples_per_sec"]),
            )
            for row in csv.DictReader(file)
        ]


def ours(rows: Iterable[Published]) -> Iterator[tuple[Published, Trace]]:
    """Trace the rows that we have a model for, one size a model."""
    known, seen = set(list_models()), set()
    for row in rows:
        name = TIMM_NAMES.get(row.model, row.model)
        if name in known and name not in seen:
            try:
                trace = trace_model(name, (row.batch, 3, row.size, row.size))
            except ExplorerError:  # another size than the one that the model is built for
                continue
            seen.add(name)
            yield row, trace


def timms(rows: Iterable[Published], every: int = 1) -> Iterator[tuple[Published, Trace]]:
    """Trace timm's definition of every `every`th row."""
    for row in list(rows)[::every]:
        try:
            yield row, trace_model(f"timm:{row.model}", (row.batch, 3, row.size, row.size))
        except ExplorerError as error:
            print(f"{row.model} at {row.size}: {error}", file=sys.stderr)


def compare(
    traced: Iterable[tuple[Published, Trace]], device: Device, dtype: str
) -> list[Compared]:
    return [
        Compared(row, predict(trace, device, dtype).images_per_second, trace.macs // row.batch)
        for row, trace in traced
    ]


def summary(compared: Sequence[Compared]) -> str:
    measured = [row.published.images_per_second for row in compared]
    ratios = [row.ratio for row in compared]
    low, _, high = statistics.quantiles(ratios, n=4)
    median = statistics.median(ratios)
    close = sum(2 / 3 <= ratio / median <= 1.5 for ratio in ratios) / len(ratios)
    by_model = rank_correlation(measured, [row.predicted for row in compared])
    by_macs = rank_correlation(measured, [-row.macs for row in compared])
    return (
        f"{len(compared)} models; measured time / predicted time: median {median:.2f}, middle half "
        f"{low:.2f} to {high:.2f}; {close:.0%} within 1.5 times the median\n"
        f"rank correlation with the measured throughput: {_text(by_model)}; of MACs alone "
        f"{_text(by_macs)}"
    )


# ---------------------------------------------------------------- the library's own runs


def of_record(record: LatencyRecord) -> over_all.Compared | None:
    """A recorded run beside its prediction; None where its machine was never calibrated."""
    machine = next((each for each in recorded_calibrations() if each.is_of(record)), None)
    name = registered_name(record)
    if machine is None or name is None or not machine.peak(record.dtype, tf32=record.tf32):
        return None
    trace = trace_model(name, record.input_shape, options=options_of(record, name))
    made = predict(trace, calibrated_device(machine), record.dtype, tf32=record.tf32)
    return over_all.Compared(record.model, "", made.ms, record.median_ms, trace.macs)


def print_recorded() -> None:
    found: dict[tuple[str, int, str], list[over_all.Compared]] = {}
    left_out = 0
    for record in recorded():
        compared = of_record(record)
        if compared is None:
            left_out += 1
            continue
        environment = record.environment
        key = (environment.device_name, environment.threads, record.dtype)
        found.setdefault(key, []).append(compared)
    for (device, threads, dtype), rows in found.items():
        print(f"\nRecorded on {device}, {threads} threads, {dtype}; predicted with its own peaks")
        print(f"{'model':28}{'GMACs':>9}{'predicted ms':>14}{'recorded ms':>13}{'ratio':>7}")
        for row in sorted(rows, key=lambda row: row.ratio):
            print(
                f"{row.name:28}{row.macs / 1e9:9.3f}{row.predicted_ms:14.2f}"
                f"{row.taken_ms:13.2f}{row.ratio:7.2f}"
            )
        print(recorded_summary(rows))
    if left_out:
        print(f"\n{left_out} recorded runs are of machines that were never calibrated.")


def recorded_summary(rows: Sequence[over_all.Compared]) -> str:
    told = over_all.agreement(rows)
    if told is None:
        return f"{len(rows)} runs: too few to say more"
    return (
        f"{told.runs} runs; median error {told.median_error:.0%} of the recorded time; recorded / "
        f"predicted: median {told.median_ratio:.2f}, middle half {told.low_ratio:.2f} to "
        f"{told.high_ratio:.2f}; {told.within_two:.0%} within a factor of 2\n"
        f"rank correlation with the recorded time: {_text(told.rank)}; of MACs alone "
        f"{_text(told.macs_rank)}"
    )


def _text(rank: float | None) -> str:
    return "none" if rank is None else f"{rank:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--recorded", action="store_true", help="the library's own runs")
    parser.add_argument("--device", default="RTX 4090")
    parser.add_argument("--dtype", default="float16")
    parser.add_argument("--bandwidth", type=float, help="GB/s, in place of the table's")
    parser.add_argument("--peak", type=float, help="TFLOP/s of the type, in place of the table's")
    parser.add_argument("--timm", action="store_true")
    parser.add_argument("--every", type=int, default=1, help="with --timm: every Nth row")
    args = parser.parse_args()
    if args.recorded or args.file is None:
        print_recorded()
        return
    device = get_device(args.device)
    if args.bandwidth:
        device = device._replace(bandwidth=args.bandwidth * 1e9)
    if args.peak:
        device = device._replace(**{args.dtype: args.peak * 1e12})
    rows = read(args.file)
    traced = timms(rows, args.every) if args.timm else ours(rows)
    compared = compare(traced, device, args.dtype)
    print(f"{'model':36}{'size':>5}{'batch':>6}{'measured/s':>12}{'predicted/s':>12}{'ratio':>7}")
    for row in sorted(compared, key=lambda row: row.ratio):
        name, size, batch, rate = row.published
        print(f"{name:36}{size:5}{batch:6}{rate:12.1f}{row.predicted:12.1f}{row.ratio:7.2f}")
    print(f"\n{device.name}, {args.dtype}: {summary(compared)}")


if __name__ == "__main__":
    main()
