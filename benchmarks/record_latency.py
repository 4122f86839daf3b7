r"""Record the latency of registered models, to be shown where it cannot be measured.

    python benchmarks/record_latency.py cpu.jsonl --device cpu --threads 2 --seconds 1
    python benchmarks/record_latency.py h100.jsonl --device cuda --batches 1,8,64,256 \
        --dtypes float32,tf32,float16,bfloat16 --layouts nchw,nhwc --modes eager,compile \
        --inputs native,224x224,256x128

Every combination is one JSON line (`explorer.latency.to_json`), written as soon as it is measured.
A combination that the file has already is left out, so the command can be stopped and given again.
With `--again` it is measured once more instead, and the record with the lower median stays:
whatever else a machine does can only make it slower.
On a CUDA device each line holds the CUDA graph's figure beside the eager one. What is refused (too
little memory, an input that the model is not made for) is said on stderr and left out.

Records that are to be shipped go to explorer/data/latency. They name the processor or GPU and the
software, and nothing else of the machine. `--calibrations explorer/data/latency/calibrations.jsonl`
also measures what the machine reaches, from which its runs are then predicted.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from explorer import ExplorerError, get_spec, list_models
from explorer.latency import LatencyRecord, calibrate, from_json, measure_latency, to_json
from explorer.latency.calibration import calibrations_from_json, calibrations_to_json
from explorer.latency.device import describe, resolve_device

Shape = tuple[int, ...]


class Wanted(NamedTuple):
    """One combination; equal to that of the record that it leads to."""

    model: str
    input_shape: Shape
    dtype: str
    tf32: bool
    channels_last: bool
    compiled: bool
    threads: int
    device_name: str


def of_record(record: LatencyRecord) -> Wanted:
    return Wanted(
        record.model,
        record.input_shape,  # type: ignore[arg-type]  # registered models have one input
        record.dtype,
        record.tf32,
        record.channels_last,
        record.compiled,
        record.environment.threads,
        record.environment.device_name,
    )


def wanted(
    args: argparse.Namespace, models: Iterable[str], threads: int, device_name: str
) -> Iterator[Wanted]:
    for model in models:
        native = get_spec(model).input_shape[1:]
        for size, batch, dtype, layout, mode in itertools.product(
            args.inputs, args.batches, args.dtypes, args.layouts, args.modes
        ):
            image = native if size == "native" else (native[0], *map(int, size.split("x")))
            yield Wanted(
                model,
                (int(batch), *image),
                "float32" if dtype == "tf32" else dtype,
                dtype == "tf32",
                layout == "nhwc",
                mode == "compile",
                threads,
                device_name,
            )


def measured(one: Wanted, device: str, seconds: float) -> LatencyRecord:
    return measure_latency(
        one.model,
        one.input_shape,
        device=device,
        dtype=one.dtype,
        tf32=one.tf32,
        channels_last=one.channels_last,
        compiled=one.compiled,
        threads=one.threads,
        max_seconds=seconds,
    )


def record(args: argparse.Namespace) -> None:
    device = resolve_device(args.device)
    threads = args.threads or torch.get_num_threads()
    device_name = describe(device, threads).device_name
    if args.calibrations:
        note_machine(args.calibrations, str(device), threads)
    models = list_models() if args.models == ["all"] else args.models
    text = args.file.read_text(encoding="utf-8") if args.file.exists() else ""
    kept = {of_record(record): record for record in from_json(text)}
    for one in dict.fromkeys(wanted(args, models, threads, device_name)):
        before = kept.get(one)
        if before and not args.again:
            continue
        try:
            result = measured(one, str(device), args.seconds)
        except ExplorerError as error:
            print(f"{one.model} {one.input_shape} {one.dtype}: {error}", file=sys.stderr)
            continue
        told = f"{one.model:32}{one.dtype:10}{result.median_ms:10.3f} ms  load {load(result)}"
        print(told, f" before {before.median_ms:.3f} ms" if before else "", flush=True)
        if before is None or result.median_ms < before.median_ms:
            kept[one] = result
            write(args.file, kept.values())


def write(path: Path, records: Iterable[LatencyRecord]) -> None:
    replace(path, to_json(records))


def replace(path: Path, text: str) -> None:
    """Replace a file in one step, so that being stopped leaves a whole one."""
    aside = path.with_suffix(".new")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)


def note_machine(path: Path, device: str, threads: int) -> None:
    """Measure what this machine reaches, in place of what the file says of it."""
    found = calibrate(device, threads=threads if device.startswith("cpu") else None)
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    mine = (found.environment.device_name, found.environment.threads)
    others = [
        each
        for each in calibrations_from_json(text)
        if (each.environment.device_name, each.environment.threads) != mine
    ]
    replace(path, calibrations_to_json([*others, found]))
    rates = ", ".join(f"{dtype} {rate / 1e12:.3g} T/s" for dtype, rate in found.peaks)
    print(f"{found.environment.device_name}: {rates}; {found.bytes_per_second / 1e9:.3g} GB/s")


def load(result: LatencyRecord) -> str:
    return "?" if result.environment.load is None else f"{result.environment.load:.1f}"


def main() -> None:
    def several(text: str) -> list[str]:
        return text.split(",")

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--models", type=several, default=["all"], help="names, or all")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batches", type=several, default=["1"])
    parser.add_argument("--dtypes", type=several, default=["float32"], help="also tf32")
    parser.add_argument("--layouts", type=several, default=["nchw"], help="nchw, nhwc")
    parser.add_argument("--modes", type=several, default=["eager"], help="eager, compile")
    parser.add_argument("--inputs", type=several, default=["native"], help="native, HxW")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--again", action="store_true", help="measure also what the file has")
    parser.add_argument(
        "--calibrations", type=Path, metavar="FILE", help="also note there what the machine reaches"
    )
    parser.add_argument("--seconds", type=float, default=1.0, help="of runs, for each record")
    try:
        record(parser.parse_args())
    except ExplorerError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
