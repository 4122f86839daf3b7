"""`trace`: what one forward pass costs, layer by layer."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from explorer.analysis.layers import layers_frame, to_csv, to_json, to_markdown
from explorer.analysis.totals import Convention, totals
from explorer.analysis.units import count, memory, percent, shape_text
from explorer.cli.arguments import add_model_arguments, natural, text_table, traced
from explorer.errors import TraceError

if TYPE_CHECKING:
    import pandas as pd

    from explorer.trace.records import Trace


def add(commands: Any) -> None:
    """Add the command to the parser."""
    trace = commands.add_parser(
        "trace",
        help="trace one forward pass of a model",
        description="Trace one forward pass of a model and print its totals and its layers.",
    )
    add_model_arguments(trace)
    trace.add_argument(
        "--depth", type=natural, metavar="D", help="fold modules deeper than this into one row"
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


def _trace(arguments: argparse.Namespace) -> None:
    """Trace a model and print it in the chosen format."""
    try:
        trace = traced(arguments)
    except TraceError as error:
        # A person sees how far the pass came; a program gets no half table to mistake for a whole.
        if error.partial and arguments.format == "table":
            print("Traced as far as the pass came:\n")
            print(
                _layer_table(layers_frame(error.partial, arguments.depth, _convention(arguments)))
            )
        raise
    print(_rendered(trace, arguments))


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
    return text_table(list(columns), list(zip(*columns.values(), strict=True)))


def _cell(column: str, value: str | float) -> str:
    if isinstance(value, str):
        return value
    if column.lower().endswith("share"):
        return percent(value)
    return f"{value:,.3f}" if type(value) is float else count(int(value))
