"""`sweep`: many models at many sizes, batches and option values."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.analysis.roofline import DTYPES, get_device
from explorer.analysis.units import count, memory, rounded
from explorer.cli.arguments import natural, no_such_family, text_table
from explorer.errors import OptionError, SweepError
from explorer.models._registry import check_options
from explorer.sweep import Point, Progress, Row, grid, run
from explorer.sweep.ranges import option_values, sizes, whole_numbers
from explorer.zoo import SOURCES, get_spec, list_models

if TYPE_CHECKING:
    from explorer.models import ModelSpec
    from explorer.models._registry import OptionValue


def add(commands: Any) -> None:
    """Add the command to the parser."""
    sweep = commands.add_parser(
        "sweep",
        help="count many models at many sizes",
        description="Count every chosen model at every size, batch and option value, on several "
        "processes. A range such as 64:512:32 includes its end.",
    )
    sweep.add_argument("--models", metavar="NAMES", help="such as resnet18,timm:convnextv2_tiny")
    sweep.add_argument("--family", help="all models of a family, such as ResNet")
    sweep.add_argument(
        "--source", choices=(*SOURCES, "all"), help="all models of a source, or its --family"
    )
    sweep.add_argument(
        "--sizes",
        metavar="SIZES",
        help="squares, ranges of them, and HxW, such as 64:512:32,256x128; native if left",
    )
    sweep.add_argument("--batch", default="1", metavar="N,N", help="images per pass (default 1)")
    sweep.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUES",
        help="values of an option of the models, such as width=64:256:64; may be repeated",
    )
    sweep.add_argument("--mode", choices=("eval", "train"), default="eval")
    sweep.add_argument(
        "--device", default="", help="predict times for this device, such as T4 (roofline model)"
    )
    sweep.add_argument(
        "--dtype", choices=DTYPES, help="element type of the prediction (default float32)"
    )
    sweep.add_argument(
        "--workers", type=natural, metavar="N", help="processes; one for each core if left"
    )
    sweep.add_argument(
        "--scheduler", metavar="ADDRESS", help="a Dask scheduler, such as tcp://localhost:8786"
    )
    sweep.add_argument(
        "--output",
        "-o",
        type=Path,
        metavar="FILE",
        help="file to keep the rows in (.jsonl, .csv or .parquet); what an earlier run has "
        "finished is not computed again; a table on stdout if left",
    )
    sweep.set_defaults(run=_sweep)


def _sweep(arguments: argparse.Namespace) -> None:
    """Count a grid of points."""
    points = grid_points(arguments)
    reached = Progress(0, len(points), 0, 0, 0)
    show = _progress_line()

    def progress(now: Progress) -> None:
        nonlocal reached
        reached = now
        show(now)

    out = arguments.output
    try:
        computed = run(points, out, arguments.workers, arguments.scheduler, progress)
        rows = {row.key: row for row in computed}
    except (KeyboardInterrupt, SweepError):
        if sys.stderr.isatty():
            print(file=sys.stderr)  # the line of progress stays
        if reached.done:
            kept = f"are kept; the same command goes on to {out}" if out else "are lost without -o"
            print(f"{reached.done} of {reached.total} points {kept}.", file=sys.stderr)
        raise
    in_order = [rows[point.key] for point in points]
    if out is None:
        print(_sweep_table(in_order))
    print(_sweep_summary(reached, in_order, out), file=sys.stderr)
    if given_up := sum(row.given_up for row in in_order):
        raise SweepError(
            f"{given_up} of the points could not be computed, because the worker died each time: "
            "see their rows."
        )


def grid_points(arguments: argparse.Namespace) -> list[Point]:
    """The grid that the arguments say; options are read as each model's own."""
    specs = [get_spec(name) for name in _chosen(arguments)]
    wanted: dict[str, list[str]] = {}
    for text in arguments.option:
        name, equals, values = text.partition("=")
        if not equals:
            raise OptionError(f"--option takes NAME=VALUES, not {text!r}.", name)
        wanted.setdefault(name, []).append(values)
    for name in wanted:
        if not any(name in spec.options for spec in specs):
            check_options(specs[0], {name: None})
    device, dtype = _predicted_for(arguments)
    chosen = sizes(arguments.sizes, "--sizes") if arguments.sizes else [None]
    batches = whole_numbers(arguments.batch, "--batch")
    points = []
    for spec in specs:
        options = {
            name: [value for text in texts for value in _values(spec, name, text, specs)]
            for name, texts in wanted.items()
        }
        points += grid(
            [spec.name], chosen, batches, options,
            mode=arguments.mode, device=device, dtype=dtype,
        )  # fmt: skip
    return list(dict.fromkeys(points))


def _values(spec: ModelSpec, name: str, text: str, specs: Sequence[ModelSpec]) -> list[OptionValue]:
    """The values of an option, as a model reads them.

    What it does not take is left to its row, which says so, if another of the models takes it.

    Raises:
        OptionError: no model takes it.
    """
    try:
        return option_values(spec, name, text)
    except OptionError:
        if not any(_reads(other, name, text) for other in specs):
            raise
        return [text]


def _reads(spec: ModelSpec, name: str, text: str) -> bool:
    try:
        option_values(spec, name, text)
    except OptionError:
        return False
    return name in spec.options


def _predicted_for(arguments: argparse.Namespace) -> tuple[str, str]:
    """The device in full and the element type, refused here if they do not go together."""
    if not arguments.device:
        if arguments.dtype:
            raise OptionError("--dtype is that of a prediction: name a --device, too.", "dtype")
        return "", "float32"
    device, dtype = get_device(arguments.device), arguments.dtype or "float32"
    device.peak(dtype)
    return device.name, dtype


def _chosen(arguments: argparse.Namespace) -> list[str]:
    """Names of the models to sweep over."""
    named, family, source = arguments.models, arguments.family, arguments.source
    if bool(named) == bool(family or source):
        raise OptionError("Choose the models by --models, or by --family and --source.", "models")
    if named:
        return [name.strip() for name in named.split(",")]
    names = list_models(family, source)
    if not names:
        raise OptionError(no_such_family(family, source), "family")
    return names


def _progress_line() -> Callable[[Progress], None]:
    """One line that is written over on a terminal, and at most eleven in a file."""
    terminal, last = sys.stderr.isatty(), -1

    def show(now: Progress) -> None:
        nonlocal last
        text = f"{now.done} of {now.total} points"
        if now.retries:
            text += f", {now.retries} tried again after a worker died"
        tenth = 10 * now.done // now.total if now.total else 10
        if terminal:
            print(f"\r{text}", end="\n" if tenth == 10 else "", file=sys.stderr, flush=True)
        elif tenth != last:
            print(text, file=sys.stderr, flush=True)
        last = tenth

    return show


def _sweep_table(rows: list[Row]) -> str:
    """The counts, and then a sentence for each point that has none."""
    legal = [row for row in rows if not row.error]
    columns = {
        "Model": [row.model for row in legal],
        "Input": [row.input for row in legal],
        "Batch": [count(row.batch) for row in legal],
        "Options": [_options_text(row) for row in legal],
        "Parameters": [count(row.params or 0) for row in legal],
        "MACs": [("≥ " if row.lower_bound else "") + count(row.macs or 0) for row in legal],
        "Activations": [memory(row.activation_bytes or 0) for row in legal],
        "Peak": [memory(row.peak_activation_bytes or 0) for row in legal],
        "Predicted": [f"{rounded(row.predicted_ms or 0)} ms" for row in legal if row.device],
        "Depth": [count(row.depth or 0) for row in legal],
        "Output": [row.output for row in legal],
    }
    for name in ("Options", "Predicted"):
        if not any(columns[name]):
            del columns[name]
    lines = list(zip(*columns.values(), strict=True))
    table = [text_table(list(columns), lines)] if legal else []
    if predicted := {(row.device, row.dtype) for row in legal if row.device}:
        ((device, dtype),) = predicted
        table.append(f"Predicted by the roofline model for {device}, {dtype}; nothing is measured.")
    problems = _problems(rows)
    return "\n\n".join([*table, *(["\n".join(problems)] if problems else [])])


def _problems(rows: list[Row]) -> list[str]:
    """Each sentence once: a model without an option says so of every value."""
    return list(dict.fromkeys(row.error for row in rows if row.error))


def _options_text(row: Row) -> str:
    options = json.loads(row.options)
    return " ".join(f"{name}={_value_text(value)}" for name, value in options.items())


def _value_text(value: object) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _left_out(rows: list[Row]) -> list[str]:
    """A sentence for each model that has no counts at all, and why."""
    counted = {row.model for row in rows if not row.error}
    if not counted:  # the table says no more than this
        return []
    said = {row.model: row.error for row in reversed(rows) if row.model not in counted}
    return [f"{model} is left out: {said[model]}" for model in reversed(said)]


def _sweep_summary(reached: Progress, rows: list[Row], out: Path | None) -> str:
    """Say how many points have what; into a file, also why some have nothing."""
    text = f"{reached.total} points: {reached.total - reached.illegal} with counts"
    if reached.illegal:
        text += f", {reached.illegal} without"
    if reached.resumed:
        text += f"; {reached.resumed} are from an earlier run"
    if out is None:
        return "\n".join([f"{text}.", *_left_out(rows)])
    problems = _problems(rows)
    more = [f"and {len(problems) - 3} more"] if len(problems) > 3 else []
    return "\n".join([f"{text}. Written to {out}.", *(f"- {said}" for said in problems[:3]), *more])
