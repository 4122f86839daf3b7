"""The diagram's layout against Graphviz `dot`, on the same boxes, frames and lines in one run.

    python benchmarks/diagram.py
    python benchmarks/diagram.py --models densenet201 --rounds 3 --json out.json

Needs Graphviz's `dot` on the path. Times are CPU times of one core: of ours the median of the
rounds, of `dot` that of its whole process, most of which is layout.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

if __package__ is None:  # run as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from explorer import get_spec, trace_model
from explorer.diagram.dot import scene_dot
from explorer.diagram.scene import Scene
from explorer.diagram.views import depths, view_scene
from explorer.trace.records import Trace

MODELS = (
    "alexnet", "vgg16", "resnet50", "densenet121", "densenet201", "googlenet", "inception_v4",
    "mobilenet_v2", "seresnet50", "osnet_x1_0", "hrnet_w18", "efficientnet_b0",
    "efficientnet_v2_l", "convnext_tiny", "vit_b_16",
)  # fmt: skip
POINTS = 96 / 72
"""Pixels of a scene to one point of Graphviz."""
_STEPS = 6
"""Straight pieces that one curve is measured by."""

Line = list[tuple[float, float]]


class Quality(NamedTuple):
    """How a drawing reads: the less of each, the better."""

    crossings: int
    """Pairs of lines without a common end that cross, each crossing once."""
    length: float
    """Of all lines together, in pixels."""
    width: float
    height: float


class Result(NamedTuple):
    """One graph, both layouts."""

    model: str
    depth: int
    boxes: int
    lines: int
    ours_ms: float
    dot_ms: float
    ours: Quality
    dot: Quality


def measure(trace: Trace, depth: int, rounds: int) -> Result:
    """Lay one graph out both ways."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        scene = view_scene(trace, "ops", depth)
        times.append(1000 * (time.process_time() - start))
    laid, dot_ms = run_dot(scene)
    ends = [(edge.source, edge.target) for edge in scene.edges]
    return Result(
        trace.model, depth, len(scene.nodes), len(scene.edges), statistics.median(times), dot_ms,
        quality([list(_sampled(edge.points)) for edge in scene.edges], ends,
                (scene.width, scene.height)),
        _dot_quality(laid),
    )  # fmt: skip


def run_dot(scene: Scene) -> tuple[dict[str, Any], float]:
    """The graph as `dot` lays it out, and the CPU milliseconds that its process took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    dot = shutil.which("dot")
    assert dot  # asked for at the start
    done = subprocess.run(
        [dot, "-Tjson"], input=scene_dot(scene), capture_output=True, text=True, check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    laid: dict[str, Any] = json.loads(done.stdout)
    return laid, 1000 * spent


def _dot_quality(laid: dict[str, Any]) -> Quality:
    names = {each["_gvid"]: each["name"] for each in laid["objects"]}
    lines, ends = [], []
    for edge in laid["edges"]:
        points = []
        for part in edge["pos"].replace("\\\n", "").split():
            if part.startswith(("e,", "s,")):
                continue
            x, y = part.split(",")
            points.append((float(x) * POINTS, float(y) * POINTS))
        lines.append(list(_bezier(points)))
        ends.append((names[edge["tail"]], names[edge["head"]]))
    _, _, width, height = (float(part) * POINTS for part in laid["bb"].split(","))
    return quality(lines, ends, (width, height))


def _sampled(points: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Our line: an S between two points that are not below each other."""
    yield points[0]
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 == x1:
            yield (x1, y1)
            continue
        middle = (y0 + y1) / 2
        yield from _curve((x0, y0), (x0, middle), (x1, middle), (x1, y1))


def _bezier(points: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    yield points[0]
    for at in range(0, len(points) - 1, 3):
        yield from _curve(*points[at : at + 4])


def _curve(*controls: tuple[float, float]) -> Iterator[tuple[float, float]]:
    a, b, c, d = (np.array(point) for point in controls)
    for step in range(1, _STEPS + 1):
        t = step / _STEPS
        x, y = (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d
        yield float(x), float(y)


def quality(
    lines: Sequence[Line], ends: Sequence[tuple[str, str]], size: tuple[float, float]
) -> Quality:
    """Count crossings and add up lengths."""
    length = sum(
        float(np.hypot(x1 - x0, y1 - y0)) for line in lines for (x0, y0), (x1, y1) in pairwise(line)
    )
    return Quality(crossings(lines, ends), length, *size)


def crossings(lines: Sequence[Line], ends: Sequence[tuple[str, str]]) -> int:
    """Count crossings of lines that share no box: such lines meet there anyway."""
    pieces = [(a, b, i) for i, line in enumerate(lines) for a, b in pairwise(line) if a != b]
    if not pieces:
        return 0
    start = np.array([piece[0] for piece in pieces])
    end = np.array([piece[1] for piece in pieces])
    owner = np.array([piece[2] for piece in pieces])
    names = {name: i for i, name in enumerate({name for pair in ends for name in pair})}
    tails, heads = (np.array([names[pair[side]] for pair in ends]) for side in (0, 1))
    low, high = np.minimum(start, end), np.maximum(start, end)
    found = set()
    for i in range(len(pieces)):
        near = np.flatnonzero(
            (low[i + 1 :] <= high[i]).all(axis=1) & (high[i + 1 :] >= low[i]).all(axis=1)
        ) + i + 1  # fmt: skip
        a, b = owner[i], owner[near]
        apart = (
            (tails[a] != tails[b]) & (heads[a] != heads[b])
            & (tails[a] != heads[b]) & (heads[a] != tails[b]) & (a != b)
        )  # fmt: skip
        near = near[apart]
        crossed = (
            _side(start[i], end[i], start[near]) * _side(start[i], end[i], end[near]) < 0
        ) & (_side(start[near], end[near], start[i]) * _side(start[near], end[near], end[i]) < 0)
        found.update((int(a), int(owner[other]), i) for other in near[crossed])
    return len(found)


def _side(a: Any, b: Any, point: Any) -> Any:
    """On which side of the line from a to b a point lies."""
    return (b[..., 0] - a[..., 0]) * (point[..., 1] - a[..., 1]) - (b[..., 1] - a[..., 1]) * (
        point[..., 0] - a[..., 0]
    )


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if not shutil.which("dot"):
        parser.error("Graphviz's dot is not on the path.")
    print(
        f"{'model':<19}{'depth':>6}{'boxes':>7}{'lines':>7}{'ours ms':>9}{'dot ms':>9}"
        f"{'dot/ours':>9}{'crossings ours, dot':>21}{'length dot/ours':>17}"
    )
    results = []
    for name in arguments.models.split(","):
        trace = trace_model(name, get_spec(name).input_shape)
        first, most = depths(trace, "ops")
        for depth in sorted({first, most}):
            result = measure(trace, depth, arguments.rounds)
            results.append(result)
            print(
                f"{result.model:<19}{result.depth:>6}{result.boxes:>7}{result.lines:>7}"
                f"{result.ours_ms:>9.1f}{result.dot_ms:>9.1f}"
                f"{result.dot_ms / result.ours_ms:>9.1f}"
                f"{result.ours.crossings:>13}{result.dot.crossings:>8}"
                f"{result.dot.length / result.ours.length:>17.2f}",
                flush=True,
            )
    times = [result.dot_ms / result.ours_ms for result in results]
    lengths = [result.dot.length / result.ours.length for result in results]
    ours, dot = (sum(getattr(r, side).crossings for r in results) for side in ("ours", "dot"))
    print(
        f"\nGeometric means over {len(results)} graphs: time dot/ours "
        f"{statistics.geometric_mean(times):.1f} (least {min(times):.1f}), length dot/ours "
        f"{statistics.geometric_mean(lengths):.2f}. Crossings in all: ours {ours}, dot {dot}."
    )
    if arguments.json:
        arguments.json.write_text(json.dumps([_plain(result) for result in results], indent=2))


def _plain(result: Result) -> dict[str, Any]:
    return {
        **result._asdict(), "ours": result.ours._asdict(), "dot": result.dot._asdict()
    }  # fmt: skip


if __name__ == "__main__":
    main()
