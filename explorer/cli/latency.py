"""`latency`: the time of a forward pass on this machine."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.analysis.units import count, memory, rounded, shape_text
from explorer.cli.arguments import (
    add_input_arguments,
    asked,
    list_of,
    positive,
    text_table,
    write,
)
from explorer.errors import OptionError
from explorer.latency import (
    DTYPES,
    LatencyRecord,
    LayerLatencies,
    measure_latency,
    measure_layers,
    to_json,
)
from explorer.zoo import get_spec

if TYPE_CHECKING:
    from explorer.models import ModelSpec


def add(commands: Any) -> None:
    """Add the command to the parser."""
    latency = commands.add_parser(
        "latency",
        help="measure the time of a forward pass on this machine",
        description="Measure the time of a forward pass on this machine: evaluation mode, random "
        "weights and input, after a warm-up. Lists such as 1,8,64 are measured in every "
        "combination.",
    )
    add_input_arguments(latency)
    latency.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps")
    for name, kind, default, text in (
        ("batch", positive, (1,), "images per pass (default 1)"),
        ("dtype", _dtype, ("float32",), f"{', '.join(DTYPES)} (default float32)"),
        ("threads", positive, (None,), "CPU threads of one operation (default: torch's)"),
    ):
        latency.add_argument(f"--{name}", type=list_of(kind), default=default, help=text)
    latency.add_argument("--tf32", action="store_true", help="let float32 round to TF32 (CUDA)")
    latency.add_argument("--channels-last", action="store_true", help="NHWC in memory")
    latency.add_argument("--compile", action="store_true", help="with torch.compile")
    latency.add_argument("--flush-l2", action="store_true", help="empty the L2 cache (CUDA)")
    latency.add_argument("--no-graph", action="store_true", help="no CUDA graph beside it (CUDA)")
    latency.add_argument("--runs", type=positive, default=50, help="timed runs (default 50)")
    latency.add_argument(
        "--seconds", type=float, default=20.0, help="of runs per measurement (default 20)"
    )
    latency.add_argument("--layers", action="store_true", help="also every layer, by hooks")
    latency.add_argument(
        "--output", "-o", type=Path, metavar="FILE", help="also write JSON lines, a record each"
    )
    latency.set_defaults(run=_latency)


def _dtype(text: str) -> str:
    if text not in DTYPES:
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(DTYPES)}")
    return text


def _latency(arguments: argparse.Namespace) -> None:
    """Measure every combination that was asked for, and print what came out."""
    if arguments.layers and (arguments.compile or arguments.flush_l2):
        raise OptionError(
            "--layers watches the layers of an eager pass: leave out --compile and --flush-l2.",
            "layers",
        )
    spec = get_spec(arguments.model)
    if arguments.output:  # rather now than after minutes of measuring
        write(arguments.output, "", mode="a")
    done: list[LatencyRecord | LayerLatencies] = []
    try:
        for asked in itertools.product(arguments.threads, arguments.dtype, arguments.batch):
            measured = _measured(arguments, spec, *asked)
            done.append(measured)
    finally:
        # What was measured before one was refused or the user lost patience is not lost.
        if done:
            print(_latency_text(done))
            if arguments.output:
                write(arguments.output, to_json(done))


def _measured(
    arguments: argparse.Namespace, spec: ModelSpec, threads: int | None, dtype: str, batch: int
) -> LatencyRecord | LayerLatencies:
    image, options = asked(arguments, spec)
    settings: dict[str, Any] = {
        "options": options,
        "device": arguments.device,
        "dtype": dtype,
        "threads": threads,
        "tf32": arguments.tf32,
        "channels_last": arguments.channels_last,
        "runs": arguments.runs,
        "max_seconds": arguments.seconds,
    }
    if arguments.layers:
        return measure_layers(spec.name, (batch, *image), **settings)
    return measure_latency(
        spec.name,
        (batch, *image),
        compiled=arguments.compile,
        cuda_graph=False if arguments.no_graph else None,
        flush_l2=arguments.flush_l2,
        **settings,
    )


def _latency_text(done: Sequence[LatencyRecord | LayerLatencies]) -> str:
    records = [item if isinstance(item, LatencyRecord) else item.record for item in done]
    first = records[0].environment
    gpu = f"driver {first.driver}, CUDA {first.runtime}, " if first.driver else ""
    head = (
        f"Measured here: {records[0].model} on {first.device_name} ({first.device}), {gpu}"
        f"torch {first.torch}, {first.date.replace('T', ' ').replace('+00:00', ' UTC')}"
    )
    columns = list(_latency_row(records[0]))
    rows = [list(_latency_row(record).values()) for record in records]
    parts = [head, "", text_table(columns, rows)]
    notes = (record.graph_note for record in records)
    parts += dict.fromkeys(note for note in notes if note)
    if not all(record.stable for record in records):
        parts.append("Times marked ~ had not settled: other work ran here. Measure again.")
    for item in done:
        if isinstance(item, LayerLatencies):
            parts += ["", _apart_text(item)]
    return "\n".join(parts)


def _latency_row(record: LatencyRecord) -> dict[str, str]:
    environment = record.environment
    ways = {
        "channels last": record.channels_last,
        "compiled": record.compiled,
        "L2 flushed": record.l2_flushed,
    }
    row = {
        "Input": shape_text(record.input_shape),  # type: ignore[arg-type]  # one, by --input
        "Batch": count(record.batch),
        "Type": f"{record.dtype} (TF32)" if record.tf32 else record.dtype,
        "Threads": count(environment.threads),
        "As": ", ".join(way for way, taken in ways.items() if taken) or "eager",
        "Runs": count(record.runs),
        "Median ms": ("" if record.stable else "~") + rounded(record.median_ms),
        "p10 ms": _or_dash(record.p10_ms),
        "p90 ms": _or_dash(record.p90_ms),
        "Images/s": rounded(record.images_per_second, 4),
        "Load": "-" if environment.load is None else f"{environment.load:.1f}",
    }
    if environment.device.startswith("cuda"):
        row["Graph ms"] = _or_dash(record.graph_ms)
        row["Peak memory"] = memory(record.peak_memory_bytes or 0)
    return row


def _or_dash(x: float | None) -> str:
    return "-" if x is None else rounded(x)


def _apart_text(apart: LayerLatencies) -> str:
    """Layers in the order of the pass, then the sum that leads to the whole."""
    record, whole = apart.record, apart.hooked_ns
    rows = [(layer.key, layer.module_class, layer.nanoseconds) for layer in apart.layers]
    rows += [
        ("= all layers", "", apart.layers_ns),
        ("+ cost of the hooks", "", apart.overhead_ns),
        ("+ rest: between layers", "", apart.rest_ns),
        ("= pass with hooks", "", whole),
        ("pass without hooks", "", round(record.median_ms * 1e6)),
    ]
    cells = [
        (name, kind, f"{time / 1e6:.4f}", f"{100 * time / whole:.1f}%") for name, kind, time in rows
    ]
    title = f"Layers at batch {record.batch}, {record.dtype}: medians of {apart.passes} passes"
    return f"{title}\n{text_table(('Layer', 'Module', 'ms', 'Share'), cells)}"
