"""Compare the roofline model's predictions with throughputs that somebody measured.

    python benchmarks/roofline_vs_published.py FILE --device "RTX 4090" --dtype float16

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

import pandas as pd

from explorer import ExplorerError, Trace, list_models, trace_model
from explorer.analysis.roofline import Device, get_device, predict

OUR_NAME = {
    "mnasnet_050": "mnasnet0_5",
    "mnasnet_075": "mnasnet0_75",
    "mnasnet_100": "mnasnet1_0",
    "mobilenetv2_100": "mobilenet_v2",
    "mobilenetv3_large_100": "mobilenet_v3_large",
    "mobilenetv3_small_100": "mobilenet_v3_small",
    "vit_base_patch16_224": "vit_b_16",
    "vit_base_patch32_224": "vit_b_32",
    "vit_large_patch16_224": "vit_l_16",
    "vit_large_patch32_224": "vit_l_32",
}
"""What we call a model that timm has under another name."""


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
        name = OUR_NAME.get(row.model, row.model)
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


def rank_correlation(left: Sequence[float], right: Sequence[float]) -> float:
    """Spearman's: the correlation of the two orders."""
    # Python's own has it only from 3.12 on.
    return statistics.correlation(*(list(pd.Series(values).rank()) for values in (left, right)))


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
        f"rank correlation with the measured throughput: {by_model:.3f}; of MACs alone "
        f"{by_macs:.3f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--device", default="RTX 4090")
    parser.add_argument("--dtype", default="float16")
    parser.add_argument("--bandwidth", type=float, help="GB/s, in place of the table's")
    parser.add_argument("--peak", type=float, help="TFLOP/s of the type, in place of the table's")
    parser.add_argument("--timm", action="store_true")
    parser.add_argument("--every", type=int, default=1, help="with --timm: every Nth row")
    args = parser.parse_args()
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
