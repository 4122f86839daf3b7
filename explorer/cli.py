"""What is registered, and what one forward pass of a model costs, layer by layer.

    python -m explorer list --family ResNet
    python -m explorer show resnet50
    python -m explorer trace resnet50 --input 3x256x128 --format csv
    python -m explorer sweep --family ResNet --sizes 64:512:32,256x128 -o resnets.parquet
    python -m explorer diagram resnet50 --view blocks -o resnet50.svg
    python -m explorer latency resnet50 --device cpu --batch 1,8 -o runs.jsonl

It asks the same functions as the app and prints the same numbers. What the user can cause is one
sentence on stderr and exit code 2.
"""

from __future__ import annotations

import argparse
import difflib
import itertools
import json
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from explorer.analysis.layers import layers, layers_frame, to_csv, to_json, to_markdown
from explorer.analysis.roofline import DTYPES as PREDICTED_DTYPES
from explorer.analysis.roofline import get_device
from explorer.analysis.totals import Convention, totals
from explorer.analysis.units import count, memory, percent, rounded, shape_text
from explorer.diagram.export import FORMATS, scene_file, scene_html
from explorer.diagram.graph import openable, opened_to
from explorer.diagram.heat import DEFAULT_DEVICE, HEATS, scene_heat
from explorer.diagram.interactive import scene_data
from explorer.diagram.views import VIEWS, depths, view_scene
from explorer.errors import ExplorerError, OptionError, SweepError, TraceError
from explorer.latency import (
    DTYPES,
    LatencyRecord,
    LayerLatencies,
    measure_latency,
    measure_layers,
)
from explorer.latency import to_json as records_to_json
from explorer.models._registry import check_options
from explorer.sweep import Point, Progress, Row, grid, run
from explorer.sweep.ranges import option_values, sizes, whole_numbers
from explorer.trace import trace_model
from explorer.zoo import SOURCES, get_spec, list_models

if TYPE_CHECKING:
    import pandas as pd

    from explorer.diagram.heat import Heat
    from explorer.diagram.scene import Scene
    from explorer.models import ModelSpec, Option
    from explorer.models._registry import OptionValue
    from explorer.trace.records import Trace

USER_ERROR = 2
"""Exit code of a request that cannot be carried out."""
INTERRUPTED, READER_GONE = 130, 141
"""What a shell reports for a program that SIGINT or SIGPIPE has ended."""


class _Parser(argparse.ArgumentParser):
    """Argparse that says what is wrong in one sentence, without repeating the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(USER_ERROR, f"{self.prog}: {message} (try {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        argv: the arguments; those of the process if None.
    """
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
        sys.stdout.flush()
    except ExplorerError as error:
        sys.stdout.flush()
        print(error, file=sys.stderr)
        return USER_ERROR
    except BrokenPipeError:
        # Whoever read our output (head, a pager) has enough. Python would complain at exit, when
        # it flushes what is left, so that goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m explorer", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="command")

    listing = commands.add_parser("list", help="list the registered models")
    listing.add_argument("--family", help="only this family, such as ResNet")
    listing.add_argument(
        "--source",
        choices=(*SOURCES, "all"),
        default="layerwise",
        help="whose models: ours (default), an installed library's, or all",
    )
    listing.set_defaults(run=_list)

    showing = commands.add_parser(
        "show",
        help="say what is known of a model",
        description="Say what is known of a model: its idea, its paper, its options.",
    )
    showing.add_argument("model", help="a registered name, such as resnet50")
    showing.set_defaults(run=_show)

    trace = commands.add_parser(
        "trace",
        help="trace one forward pass of a model",
        description="Trace one forward pass of a model and print its totals and its layers.",
    )
    _add_model_arguments(trace)
    trace.add_argument(
        "--depth", type=_natural, metavar="D", help="fold modules deeper than this into one row"
    )
    trace.add_argument("--format", choices=("table", "csv", "md", "json"), default="table")
    costs = trace.add_argument_group("what the cost column counts (default: MACs alone)")
    costs.add_argument("--flops", action="store_true", help="FLOPs; one MAC is two FLOPs")
    costs.add_argument("--bias", action="store_true", help="include additions of a bias")
    costs.add_argument("--normalization", action="store_true", help="include normalization")
    costs.add_argument(
        "--elementwise", action="store_true", help="include activations, additions and the like"
    )
    costs.add_argument("--pooling", action="store_true", help="include pooling")
    trace.set_defaults(run=_trace)
    _add_diagram(commands)
    _add_sweep(commands)
    _add_latency(commands)
    return parser


def _add_model_arguments(command: argparse.ArgumentParser) -> None:
    """Which model is traced, and on what."""
    _add_input_arguments(command)
    command.add_argument("--batch", type=_positive, default=1, help="images per pass (default 1)")
    command.add_argument("--mode", choices=("eval", "train"), default="eval")


def _add_input_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", help="a registered name, such as resnet50")
    command.add_argument(
        "--input", type=_shape, metavar="CxHxW", help="input shape; the model's native one if left"
    )
    command.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of the model, such as num_classes=10; may be repeated",
    )


def _add_diagram(commands: Any) -> None:
    diagram = commands.add_parser(
        "diagram",
        help="draw a model",
        description=(
            "Draw a model: its stages, its blocks, every operation, or its tensors. The ending of "
            "the file says what it is: svg, png, pdf, dot (Graphviz), tex (TikZ), or html, which "
            "is interactive and works offline."
        ),
    )
    _add_model_arguments(diagram)
    diagram.add_argument("--view", choices=VIEWS, default="blocks", help="default blocks")
    diagram.add_argument(
        "--depth",
        type=_natural,
        metavar="D",
        help="blocks: 1 closed, 2 open, 3 with every repeat; ops: open modules above this depth; "
        "volume: 1 stages, 2 layers; as much as can be surveyed if left",
    )
    diagram.add_argument(
        "--open",
        action="append",
        default=[],
        metavar="PATH",
        help="ops: open this module too, such as layer1.0; may be repeated",
    )
    diagram.add_argument("--direction", choices=("down", "right"), help="the picture's own if left")
    diagram.add_argument(
        "--heat", choices=HEATS, help="colour boxes by a quantity instead of by kind"
    )
    diagram.add_argument(
        "--device",
        default=DEFAULT_DEVICE,
        help=f"that --heat latency predicts for (default {DEFAULT_DEVICE})",
    )
    diagram.add_argument(
        "--format", choices=tuple(FORMATS), help="of the file; its ending if left, svg for stdout"
    )
    diagram.add_argument("--theme", choices=("light", "dark"), default="light")
    diagram.add_argument(
        "--output", "-o", type=Path, metavar="FILE", help="file to write; stdout if left"
    )
    diagram.set_defaults(run=_diagram)


def _add_sweep(commands: Any) -> None:
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
        "--dtype", choices=PREDICTED_DTYPES, help="element type of the prediction (default float32)"
    )
    sweep.add_argument(
        "--workers", type=_natural, metavar="N", help="processes; one for each core if left"
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


def _add_latency(commands: Any) -> None:
    latency = commands.add_parser(
        "latency",
        help="measure the time of a forward pass on this machine",
        description="Measure the time of a forward pass on this machine: evaluation mode, random "
        "weights and input, after a warm-up. Lists such as 1,8,64 are measured in every "
        "combination.",
    )
    _add_input_arguments(latency)
    latency.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps")
    for name, kind, default, text in (
        ("batch", _positive, (1,), "images per pass (default 1)"),
        ("dtype", _dtype, ("float32",), f"{', '.join(DTYPES)} (default float32)"),
        ("threads", _positive, (None,), "CPU threads of one operation (default: torch's)"),
    ):
        latency.add_argument(f"--{name}", type=_list_of(kind), default=default, help=text)
    latency.add_argument("--tf32", action="store_true", help="let float32 round to TF32 (CUDA)")
    latency.add_argument("--channels-last", action="store_true", help="NHWC in memory")
    latency.add_argument("--compile", action="store_true", help="with torch.compile")
    latency.add_argument("--flush-l2", action="store_true", help="empty the L2 cache (CUDA)")
    latency.add_argument("--no-graph", action="store_true", help="no CUDA graph beside it (CUDA)")
    latency.add_argument("--runs", type=_positive, default=50, help="timed runs (default 50)")
    latency.add_argument(
        "--seconds", type=float, default=20.0, help="of runs per measurement (default 20)"
    )
    latency.add_argument("--layers", action="store_true", help="also every layer, by hooks")
    latency.add_argument(
        "--output", "-o", type=Path, metavar="FILE", help="also write JSON lines, a record each"
    )
    latency.set_defaults(run=_latency)


def _list_of(kind: Callable[[str], Any]) -> Callable[[str], tuple[Any, ...]]:
    """A type of argument: values between commas."""
    return lambda text: tuple(dict.fromkeys(kind(part.strip()) for part in text.split(",")))


def _dtype(text: str) -> str:
    if text not in DTYPES:
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(DTYPES)}")
    return text


def _shape(text: str) -> tuple[int, ...]:
    sizes = re.split(r"[x×,]", text.lower())
    if not all(re.fullmatch("[1-9][0-9]*", size) for size in sizes):
        raise argparse.ArgumentTypeError(f"{text!r} is not a shape such as 3x224x224")
    return tuple(map(int, sizes))


def _natural(text: str) -> int:
    if not re.fullmatch("[0-9]+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def _positive(text: str) -> int:
    if not _natural(text):
        raise argparse.ArgumentTypeError(f"{text!r} should be at least 1")
    return int(text)


def _list(arguments: argparse.Namespace) -> None:
    """Print the registered models, one a line."""
    names = list_models(arguments.family, arguments.source)
    if not names:
        raise OptionError(_no_such_family(arguments.family, arguments.source), "family")
    header = ("Name", "Title", "Family", "Year", "Input", "Smallest")
    print(_text_table(header, [_model_row(get_spec(name)) for name in names]))


def _model_row(spec: ModelSpec) -> tuple[str, ...]:
    # Sizes as --input takes them.
    native, smallest = ("x".join(map(str, size)) for size in (spec.input_shape[1:], spec.min_size))
    year = str(spec.year or "")
    if not spec.new and spec.min_size == (1, 1):  # a library that does not say
        smallest = ""
    return (spec.name, spec.title, spec.family, year, native, smallest)


def _show(arguments: argparse.Namespace) -> None:
    """Print a model's paper, idea and options."""
    spec = get_spec(arguments.model)
    native, smallest = _model_row(spec)[-2:]
    facts = {
        "Name": spec.name,
        "Family": f"{spec.family}, {spec.year}" if spec.year else spec.family,
        "Paper" if spec.new else "Source": spec.paper,
        "Input": f"{native}, at least {smallest}" if smallest else native,
        "Idea": spec.idea,
        "New": "\n".join(f"- {sentence}" for sentence in spec.new),
        "Departs": spec.departs or ("nowhere that we know of" if spec.new else ""),
        "Options": "\n".join(map(_option_text, spec.options.values())),
    }
    print(spec.title)
    for label, text in facts.items():
        for number, line in enumerate(text.splitlines()):
            wrapped = textwrap.wrap(line, 86, subsequent_indent="  " if line[:1] == "-" else "")
            for part in wrapped:
                print(f"{'' if number or part is not wrapped[0] else label:<10}{part}")


def _option_text(option: Option) -> str:
    """An option as --option takes it, with its legal values."""
    default = option.default
    text = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
    if option.kind == "bool":
        return f"{option.name}={text.lower()} (true or false)"
    if option.kind == "choice":
        return f"{option.name}={text} ({', '.join(map(str, option.choices))})"
    each = "each " if option.kind == "ints" else ""
    return f"{option.name}={text} ({each}{option.low:g} to {option.high:,.10g})"


def _no_such_family(family: str, source: str) -> str:
    families = list(dict.fromkeys(get_spec(name).family for name in list_models(source=source)))
    nearest = difflib.get_close_matches(family, families, n=1, cutoff=0.4)
    hint = f"did you mean {nearest[0]}?" if nearest else f"there are {', '.join(families)}."
    return f"There is no family called {family!r}: {hint}"


def _traced(arguments: argparse.Namespace) -> Trace:
    """Trace what the arguments say."""
    spec = get_spec(arguments.model)
    image, options = _asked(arguments, spec)
    shape = (arguments.batch, *image)
    return trace_model(spec.name, shape, mode=arguments.mode, options=options)


def _asked(
    arguments: argparse.Namespace, spec: ModelSpec
) -> tuple[tuple[int, ...], dict[str, OptionValue]]:
    """Shape of one image and options."""
    native = spec.input_shape[1:]
    if arguments.input and len(arguments.input) != len(native):
        axes, example = len(native), "x".join(map(str, native))
        received = "x".join(map(str, arguments.input))
        raise OptionError(
            f"--input {received} should have {axes} sizes, channels first, as {example} has.",
            "input",
        )
    image = arguments.input or native
    options = dict(_option(spec, text) for text in arguments.option)
    if "in_channels" in spec.options:  # as in the app, the model follows the input
        options.setdefault("in_channels", image[0])
    return image, options


def _diagram(arguments: argparse.Namespace) -> None:
    """Draw a model in one of its pictures."""
    form = _diagram_format(arguments)
    trace = _traced(arguments)
    get_device(arguments.device)  # a misspelt one is told even where it would not be asked
    first, most = depths(trace, arguments.view)
    depth = first if arguments.depth is None else arguments.depth
    if not 1 <= depth <= most:
        raise OptionError(
            f"--view {arguments.view} of {trace.model} has depths 1 to {most}, not {depth}.",
            "depth",
        )
    toggled = _opened(trace, arguments, depth)
    right = None if arguments.direction is None else arguments.direction == "right"
    scene = view_scene(trace, arguments.view, depth, toggled, horizontal=right)
    dark = arguments.theme == "dark"
    if form == "html":
        rows = {row.key: row for row in layers(trace)}
        heats = {theme: _heat(scene, trace, arguments, theme) for theme in ("light", "dark")}
        colors = {theme: each for theme, each in heats.items() if each} or None
        drawn = scene_html([(scene.title, scene_data(scene, trace, rows), colors)], dark=dark)
    else:
        shade = _heat(scene, trace, arguments, arguments.theme)
        drawn = scene_file(scene, form, dark=dark, heat=shade)
    if arguments.output is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(drawn)
        return
    try:
        arguments.output.write_bytes(drawn)
    except OSError as error:
        raise OptionError(
            f"{arguments.output} cannot be written: {error.strerror}.", "output"
        ) from error


def _heat(scene: Scene, trace: Trace, arguments: argparse.Namespace, theme: str) -> Heat | None:
    if arguments.heat is None:
        return None
    return scene_heat(scene, trace, arguments.heat, theme, device=arguments.device)


def _diagram_format(arguments: argparse.Namespace) -> str:
    """The format that is asked for, or that the file's ending names."""
    form: str | None = arguments.format
    ending = arguments.output.suffix.lstrip(".").lower() if arguments.output else ""
    if form and ending in FORMATS and form != ending:
        raise OptionError(
            f"--format {form} and the name {arguments.output} say different things: leave one out.",
            "format",
        )
    if form is None and arguments.output is not None:
        form = ending
        if form not in FORMATS:
            raise OptionError(
                f"{arguments.output} has no ending that says what it should be: "
                f"{', '.join(FORMATS)}; or say it with --format.",
                "output",
            )
    return form or "svg"


def _opened(trace: Trace, arguments: argparse.Namespace, depth: int) -> set[str]:
    """The modules to open beyond the depth: those named, and those around them."""
    if not arguments.open:
        return set()
    if arguments.view != "ops":
        raise OptionError(
            f"--open opens modules in --view ops; in --view {arguments.view} the depth does.",
            "open",
        )
    known = openable(trace)
    for path in arguments.open:
        if path not in known:
            nearest = difflib.get_close_matches(path, known, n=1, cutoff=0.4)
            hint = f"did you mean {nearest[0]}?" if nearest else "it has none that opens."
            raise OptionError(f"{trace.model} has no module {path!r} to open: {hint}", "open")
    outer = {path[:end] for path in arguments.open for end in range(len(path)) if path[end] == "."}
    return {*arguments.open, *outer} - set(opened_to(trace, depth))


def _sweep(arguments: argparse.Namespace) -> None:
    """Count a grid of points."""
    points = _points(arguments)
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


def _points(arguments: argparse.Namespace) -> list[Point]:
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
            name: [value for text in texts for value in option_values(spec, name, text)]
            for name, texts in wanted.items()
        }
        points += grid(
            [spec.name], chosen, batches, options,
            mode=arguments.mode, device=device, dtype=dtype,
        )  # fmt: skip
    return list(dict.fromkeys(points))


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
        raise OptionError(_no_such_family(family, source), "family")
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
    table = [_text_table(list(columns), lines)] if legal else []
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


def _sweep_summary(reached: Progress, rows: list[Row], out: Path | None) -> str:
    """Say how many points have what; into a file, also why some have nothing."""
    text = f"{reached.total} points: {reached.total - reached.illegal} with counts"
    if reached.illegal:
        text += f", {reached.illegal} without"
    if reached.resumed:
        text += f"; {reached.resumed} are from an earlier run"
    if out is None:
        return f"{text}."
    problems = _problems(rows)
    more = [f"and {len(problems) - 3} more"] if len(problems) > 3 else []
    return "\n".join([f"{text}. Written to {out}.", *(f"- {said}" for said in problems[:3]), *more])


def _write(path: Path, text: str, mode: str = "w") -> None:
    try:
        with path.open(mode, encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise OptionError(f"{path} cannot be written: {error.strerror}.", "output") from error


def _latency(arguments: argparse.Namespace) -> None:
    """Measure every combination that was asked for, and print what came out."""
    if arguments.layers and (arguments.compile or arguments.flush_l2):
        raise OptionError(
            "--layers watches the layers of an eager pass: leave out --compile and --flush-l2.",
            "layers",
        )
    spec = get_spec(arguments.model)
    if arguments.output:  # rather now than after minutes of measuring
        _write(arguments.output, "", mode="a")
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
                _write(arguments.output, records_to_json(done))


def _measured(
    arguments: argparse.Namespace, spec: ModelSpec, threads: int | None, dtype: str, batch: int
) -> LatencyRecord | LayerLatencies:
    image, options = _asked(arguments, spec)
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
    parts = [head, "", _text_table(columns, rows)]
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
    return f"{title}\n{_text_table(('Layer', 'Module', 'ms', 'Share'), cells)}"


def _trace(arguments: argparse.Namespace) -> None:
    """Trace a model and print it in the chosen format."""
    try:
        trace = _traced(arguments)
    except TraceError as error:
        # A person sees how far the pass came; a program gets no half table to mistake for a whole.
        if error.partial and arguments.format == "table":
            print("Traced as far as the pass came:\n")
            print(
                _layer_table(layers_frame(error.partial, arguments.depth, _convention(arguments)))
            )
        raise
    print(_rendered(trace, arguments))


def _option(spec: ModelSpec, text: str) -> tuple[str, OptionValue]:
    name, equals, value = text.partition("=")
    if not equals:
        raise OptionError(f"--option takes NAME=VALUE, not {text!r}.", name)
    known = spec.options.get(name)  # an unknown one is refused with the others
    return name, known.parse(value, spec.name) if known else value


def _convention(arguments: argparse.Namespace) -> Convention:
    return Convention(
        bias=arguments.bias,
        normalization=arguments.normalization,
        elementwise=arguments.elementwise,
        pooling=arguments.pooling,
        unit="FLOPs" if arguments.flops else "MACs",
    )


def _rendered(trace: Trace, arguments: argparse.Namespace) -> str:
    convention, depth = _convention(arguments), arguments.depth
    if arguments.format == "json":
        return to_json(trace, depth, convention)
    frame = layers_frame(trace, depth, convention)
    if arguments.format == "csv":
        return to_csv(frame).rstrip("\n")
    if arguments.format == "md":
        return to_markdown(frame).rstrip("\n")
    return f"{_head(trace, convention)}\n\n{_layer_table(frame)}"


def _head(trace: Trace, convention: Convention) -> str:
    total = totals(trace, convention)
    rows = {
        "Model": trace.model,
        "Input": _shapes_text(trace.input_shape),
        "Output": _shapes_text(total.output_shape),
        "Parameters": count(total.params),
        convention.unit: count(total.cost),
        "Activations": memory(total.activation_bytes),
        "Depth": count(total.depth),
    }
    lines = [f"{label:<13}{text}" for label, text in rows.items()]
    return "\n".join([*lines, convention.statement(trace)])


def _shapes_text(shapes: tuple[Any, ...]) -> str:
    """One shape, or several of a model with several outputs."""
    several = bool(shapes) and isinstance(shapes[0], tuple)
    return ", ".join(shape_text(shape, batch=True) for shape in (shapes if several else [shapes]))


def _layer_table(frame: pd.DataFrame) -> str:
    columns = {name: [_cell(name, value) for value in frame[name]] for name in frame.columns}
    return _text_table(list(columns), list(zip(*columns.values(), strict=True)))


def _cell(column: str, value: str | float) -> str:
    if isinstance(value, str):
        return value
    if column.lower().endswith("share"):
        return percent(value)
    return f"{value:,.3f}" if type(value) is float else count(int(value))


def _text_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as their content; those whose every cell is a number stand to the right."""
    lines = [header, *rows]
    columns = list(zip(*lines, strict=True))
    widths = [max(map(len, column)) for column in columns]
    right = [
        all(re.fullmatch(r"[<~-]?[\d,.]+%?|-", cell) for cell in column[1:]) for column in columns
    ]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if numeric else cell.ljust(width)
            for cell, width, numeric in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )
