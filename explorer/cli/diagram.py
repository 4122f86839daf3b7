"""`diagram`: a picture of one model."""

from __future__ import annotations

import argparse
import difflib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.analysis.layers import layers
from explorer.analysis.roofline import get_device
from explorer.cli.arguments import add_model_arguments, natural, traced
from explorer.diagram.export import FORMATS, scene_file, scene_html
from explorer.diagram.graph import openable, opened_to
from explorer.diagram.heat import DEFAULT_DEVICE, HEATS, scene_heat
from explorer.diagram.interactive import scene_data
from explorer.diagram.views import VIEWS, depths, view_scene
from explorer.errors import OptionError

if TYPE_CHECKING:
    from explorer.diagram.heat import Heat
    from explorer.diagram.scene import Scene
    from explorer.trace.records import Trace


def add(commands: Any) -> None:
    """Add the command to the parser."""
    diagram = commands.add_parser(
        "diagram",
        help="draw a model",
        description=(
            "Draw a model: its stages, its blocks, every operation, or its tensors. The ending of "
            "the file says what it is: svg, png, pdf, dot (Graphviz), tex (TikZ), or html, which "
            "is interactive and works offline."
        ),
    )
    add_model_arguments(diagram)
    diagram.add_argument("--view", choices=VIEWS, default="blocks", help="default blocks")
    diagram.add_argument(
        "--depth",
        type=natural,
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


def _diagram(arguments: argparse.Namespace) -> None:
    """Draw a model in one of its pictures."""
    form = _diagram_format(arguments)
    trace = traced(arguments)
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
