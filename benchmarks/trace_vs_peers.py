"""Time tracing a model against the tools people use for it: same model, same input, one run.

    python benchmarks/trace_vs_peers.py [--quick] [--models a,b] [--tools x,y] [--json out.json]

Every tool lives in a process of its own (`_worker.py`) with one torch thread, so that what it
patches stays there. The processes are asked in turn, round after round, so that a machine that
slows down slows everybody. Only the tool's own work is timed, never the model's construction;
the garbage collector has just run and is off. A round's value is the median of its runs, a cell
the median of the rounds, in milliseconds of CPU time (wall time is recorded beside it).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import select
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

MODELS = (
    "alexnet vgg16 resnet18 resnet50 resnet152 densenet121 densenet201 googlenet inception_v3 "
    "mobilenet_v2 mobilenet_v3_large efficientnet_b0 efficientnet_b4 efficientnet_b7 regnet_y_8gf "
    "convnext_tiny vit_b_16 swin_t hrnet_w18 seresnet50"
).split()
QUICK = ("resnet50", "mobilenet_v3_large", "densenet121", "vit_b_16")

COLUMNS = {
    "layerwise": "(a)",
    "layerwise-real": "(b)",
    "layerwise-again": "(a) again",
    "torchinfo": "torchinfo",
    "thop": "thop",
    "fvcore": "fvcore",
    "torchview": "torchview",
    "torchview-meta": "tview meta",
    "ptflops": "ptflops",
    "calflops": "calflops",
    "torchinfo-meta": "tinfo meta",
    "flopcounter-meta": "flopcount",
    "bare-meta": "bare meta",
}
OURS = ("layerwise", "layerwise-real", "layerwise-again")
PEERS = tuple(tool for tool in COLUMNS if tool not in OURS)
LEGEND = """\
(a)         ours: the model was built on meta; nothing is remembered from an earlier trace
(b)         ours: a user's real model with weights on the CPU, passed to trace_model as it is
(a) again   ours: as (a), when this process has traced the same model and size before
tview meta  torchview with device="meta", as its README shows it; torchview alone is the CPU
tinfo meta  torchinfo with device="meta", for comparison; its users run it on the CPU
flopcount   torch.utils.flop_counter.FlopCounterMode on meta
bare meta   model(x) on meta under inference_mode; records nothing"""

# What a goal asks for: (geometric mean, minimum) of the ratio.
GOALS_META = {
    **dict.fromkeys(("torchinfo", "thop", "fvcore", "torchview", "torchview-meta"), (10.0, 3.0)),
    "bare-meta": (1.0, 1.0),
}
GOALS_REAL = dict.fromkeys(("torchinfo", "thop", "fvcore", "torchview"), (6.0, 2.0))

INPUT_SIZES = (64, 128, 256, 512, 1024, 2048, 4096)
DEPTHS = {20: "resnet20", 110: "resnet110", 1202: "resnet1202"}

Answer = dict[str, Any]


class Worker:
    """One tool's process, from this side of the pipe."""

    def __init__(self, tool: str, timeout: float) -> None:
        self.tool = tool
        self.timeout = timeout
        self._process: subprocess.Popen[str] | None = None
        # Open as long as the worker: the process writes into it.
        self._errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115

    def ask(self, do: str, **request: Any) -> Answer:
        """Return the answer, or {"error": why} when there is none; the next `ask` starts anew."""
        process = self._process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps({"do": do, **request}) + "\n")
            process.stdin.flush()
            if not select.select([process.stdout], [], [], self.timeout)[0]:
                self.stop()
                return {"error": f"no answer within {self.timeout:g} s"}
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            code = process.wait()
            self._process = None
            return {"error": f"the process ended with code {code}: {self._last_words()}"}
        return json.loads(line)

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = [line.strip() for line in self._errors if line.strip()]
        return lines[-1][:200] if lines else "no message"

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _start(self) -> subprocess.Popen[str]:
        one_thread = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        return subprocess.Popen(
            [sys.executable, "-m", "benchmarks._worker", self.tool],
            cwd=ROOT,
            env={**os.environ, **one_thread},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )


class Cell:
    """The rounds of one tool on one model (or of ours in one setting)."""

    def __init__(self) -> None:
        self.rounds: dict[str, list[float]] = {"cpu": [], "wall": []}
        self.facts: Answer = {}

    def add(self, answer: Answer) -> None:
        if "error" in answer:
            self.facts["error"] = answer["error"]
            return
        for clock, values in self.rounds.items():
            values.append(statistics.median(answer[clock]))
        self.facts.update({k: v for k, v in answer.items() if k not in self.rounds})

    @property
    def ok(self) -> bool:
        return "error" not in self.facts and bool(self.rounds["cpu"])

    def ms(self, clock: str = "cpu") -> float:
        return 1e3 * statistics.median(self.rounds[clock])

    def spread(self) -> float:
        """Interquartile range over median, of CPU time."""
        values = self.rounds["cpu"]
        if len(values) < 2:
            return 0.0
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
        return (high - low) / statistics.median(values)

    def record(self) -> Answer:
        seconds = {f"{clock}_s": values for clock, values in self.rounds.items()}
        return {**self.facts, **seconds}


# ---------------------------------------------------------------------- measuring


def compare(
    models: Sequence[str], tools: Sequence[str], rounds: int, seconds: float, timeout: float
) -> dict[str, dict[str, Cell]]:
    """Return {model: {tool: Cell}}."""
    workers = {tool: Worker(tool, timeout) for tool in tools}
    table: dict[str, dict[str, Cell]] = {}
    try:
        for model in models:
            cells = table[model] = {tool: Cell() for tool in tools}
            for tool, worker in workers.items():
                cells[tool].facts.update(worker.ask("load", model=model))
            for turn in range(rounds):
                note(f"{model}: round {turn + 1} of {rounds}")
                # A different tool goes first every time.
                shift = turn % len(tools)
                for tool in (*tools[shift:], *tools[:shift]):
                    if "error" not in cells[tool].facts:
                        cells[tool].add(workers[tool].ask("run", seconds=seconds, most=5))
            for worker in workers.values():
                worker.ask("unload")
    finally:
        for worker in workers.values():
            worker.stop()
    return table


def ours_alone(requests: dict[Any, Answer], rounds: int, timeout: float) -> dict[Any, Cell]:
    """Ask our own worker each request in turn, `rounds` times after an untimed one."""
    worker = Worker("layerwise", timeout)
    cells = {key: Cell() for key in requests}
    try:
        for turn in range(rounds + 1):
            note(f"round {turn} of {rounds}")
            for key, request in requests.items():
                answer = worker.ask(**request)
                if turn or "error" in answer:
                    cells[key].add(answer)
    finally:
        worker.stop()
    return cells


# ---------------------------------------------------------------------- reporting


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def geometric_mean(values: Iterable[float]) -> float:
    return statistics.geometric_mean(list(values))


def verdict(met: bool) -> str:
    return "met" if met else "NOT MET"


def number(value: float) -> str:
    """Three significant digits without an exponent."""
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{digits}f}"


def print_table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[i]) for row in (heads, *rows)) for i in range(len(heads))]
    print(f"\n{title}\n")
    for row in (heads, ["-" * width for width in widths], *rows):
        first, *rest = row
        cells = (text.rjust(width) for text, width in zip(rest, widths[1:], strict=True))
        print("  ".join((first.ljust(widths[0]), *cells)))


def report_times(table: dict[str, dict[str, Cell]], tools: Sequence[str], clock: str) -> None:
    rows = [
        [model, *(number(c.ms(clock)) if c.ok else "fails" for c in cells.values())]
        for model, cells in table.items()
    ]
    print_table(f"{clock} time, ms", ["model", *(COLUMNS[t] for t in tools)], rows)


def ratios(
    table: dict[str, dict[str, Cell]], ours: str, peer: str, clock: str = "cpu"
) -> dict[str, float]:
    """Return {model: peer's time / our time} where both ran."""
    return {
        model: cells[peer].ms(clock) / cells[ours].ms(clock)
        for model, cells in table.items()
        if cells[peer].ok and cells[ours].ok
    }


def report_ratios(
    table: dict[str, dict[str, Cell]], tools: Sequence[str], ours: str, clock: str = "cpu"
) -> None:
    peers = [tool for tool in tools if tool not in OURS]
    columns = {peer: ratios(table, ours, peer, clock) for peer in peers}
    rows = [
        [model, *(number(c[model]) if model in c else "-" for c in columns.values())]
        for model in table
    ]
    for title, of in (("geometric mean", geometric_mean), ("minimum", min), ("maximum", max)):
        rows.append([title, *(number(of(c.values())) if c else "-" for c in columns.values())])
    print_table(
        f"Ratio of {clock} times, peer / {COLUMNS[ours]}: above 1 ours is faster",
        ["model", *(COLUMNS[peer] for peer in peers)],
        rows,
    )


def report_goals(
    table: dict[str, dict[str, Cell]],
    tools: Sequence[str],
    ours: str,
    goals: dict[str, tuple[float, float]],
) -> list[Answer]:
    print(f"\nGoals for {COLUMNS[ours]}\n")
    outcome = []
    for peer, (mean_goal, least_goal) in goals.items():
        found = ratios(table, ours, peer) if peer in tools else {}
        if not found:
            print(f"  {COLUMNS[peer]:<11} not measured")
            continue
        mean, least = geometric_mean(found.values()), min(found.values())
        worst = min(found, key=found.__getitem__)
        missed = [model for model, ratio in found.items() if ratio < least_goal]
        met = mean >= mean_goal and not missed
        print(
            f"  {COLUMNS[peer]:<11} geometric mean {number(mean):>5} (goal {mean_goal:g}), "
            f"minimum {number(least):>5} on {worst} (goal {least_goal:g}), "
            f"{len(found)} models: {verdict(met)}"
            + (f"; below the goal on {', '.join(missed)}" if missed else "")
        )
        outcome.append({"peer": peer, "mean": mean, "minimum": least, "on": worst, "met": met})
    return outcome


def report_counts(table: dict[str, dict[str, Cell]], tools: Sequence[str]) -> None:
    """What each tool answers, as a deviation from ours in per cent."""
    counting = [t for t in tools if any(c[t].facts.get("macs") is not None for c in table.values())]
    rows = []
    for model, cells in table.items():
        truth = cells["layerwise"].facts.get("macs")
        row = [model, f"{truth:,}" if truth else "-"]
        for tool in counting[1:]:
            macs = cells[tool].facts.get("macs")
            row.append("-" if macs is None or not truth else f"{100 * (macs / truth - 1):+.2f}")
        rows.append(row)
    heads = ["model", "MACs (a)", *(COLUMNS[tool] for tool in counting[1:])]
    print_table("MACs: deviation from ours, per cent", heads, rows)


def report_failures(table: dict[str, dict[str, Cell]]) -> None:
    for model, cells in table.items():
        for tool, cell in cells.items():
            if "error" in cell.facts:
                print(f"{COLUMNS[tool]} on {model}: {cell.facts['error']}")


def report_spread(table: dict[str, dict[str, Cell]], rounds: int) -> None:
    spreads = [cell.spread() for cells in table.values() for cell in cells.values() if cell.ok]
    if spreads:
        print(
            f"\n{rounds} rounds a cell; interquartile range / median of a cell: "
            f"median {statistics.median(spreads):.1%}, worst {max(spreads):.1%}"
        )


def report_build(rounds: int, timeout: float) -> Answer:
    cells = ours_alone(
        {how: {"do": "build", "how": how, "model": "resnet50"} for how in ("trace", "real")},
        rounds,
        timeout,
    )
    print("\nResNet-50: build on meta and trace, against constructing it with weights\n")
    if not all(cell.ok for cell in cells.values()):
        return failed(cells)
    ratio = cells["trace"].ms() / cells["real"].ms()
    print(
        f"  {number(cells['trace'].ms())} ms / {number(cells['real'].ms())} ms = {ratio:.3f} "
        f"(goal below 0.333): {verdict(ratio < 1 / 3)}"
    )
    return {how: cell.record() for how, cell in cells.items()} | {"ratio": ratio}


def report_sizes(rounds: int, timeout: float) -> Answer:
    requests = {
        size: {"do": "trace", "model": "resnet50", "shape": [1, 3, size, size]}
        for size in INPUT_SIZES
    }
    cells = ours_alone(requests, rounds, timeout)
    print("\nResNet-50: the trace's time does not depend on the input size\n")
    if not all(cell.ok for cell in cells.values()):
        return failed(cells)
    for size, cell in cells.items():
        macs = cell.facts["macs"]
        print(f"  {size:>5} px  {macs / 1e9:>10,.2f} GMACs  {number(cell.ms()):>6} ms")
    times = [cell.ms() for cell in cells.values()]
    growth = times[-1] / times[0]
    print(
        f"  the largest takes {growth:.2f} times the smallest, for "
        f"{cells[INPUT_SIZES[-1]].facts['macs'] / cells[INPUT_SIZES[0]].facts['macs']:,.0f} times "
        f"the MACs (goal below 1.5): {verdict(growth < 1.5)}"
    )
    return {str(size): cell.record() for size, cell in cells.items()} | {"growth": growth}


def report_depths(rounds: int, timeout: float) -> Answer:
    requests = {
        depth: {"do": "trace", "model": name, "shape": [1, 3, 32, 32]}
        for depth, name in DEPTHS.items()
    }
    cells = ours_alone(requests, rounds, timeout)
    print("\nCIFAR ResNets: the trace's time grows linearly with depth\n")
    if not all(cell.ok for cell in cells.values()):
        return failed(cells)
    per_op = {}
    for depth, cell in cells.items():
        per_op[depth] = 1e3 * cell.ms() / cell.facts["ops"]
        print(
            f"  ResNet-{depth:<5} {cell.facts['ops']:>6,} ops  {number(cell.ms()):>6} ms  "
            f"{per_op[depth]:.1f} µs an op"
        )
    growth = per_op[max(per_op)] / per_op[110]
    print(
        f"  an op of ResNet-1202 costs {growth:.2f} times one of ResNet-110 "
        f"(goal below 1.5): {verdict(growth < 1.5)}"
    )
    return {str(depth): cell.record() for depth, cell in cells.items()} | {"growth": growth}


def failed(cells: dict[Any, Cell]) -> Answer:
    errors = {str(key): cell.facts["error"] for key, cell in cells.items() if not cell.ok}
    for key, error in errors.items():
        print(f"  {key}: {error}")
    return {"errors": errors}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="4 models and 3 rounds")
    parser.add_argument("--models", help="comma-separated, instead of all 20")
    parser.add_argument("--tools", help="comma-separated peers, instead of all")
    parser.add_argument("--rounds", type=int, help="7, or 3 with --quick")
    parser.add_argument("--seconds", type=float, default=0.2, help="of runs in a round, at most 5")
    parser.add_argument("--timeout", type=float, default=300, help="seconds for one answer")
    parser.add_argument("--json", type=Path, help="write every number there")
    args = parser.parse_args()
    models = args.models.split(",") if args.models else QUICK if args.quick else MODELS
    peers = args.tools.split(",") if args.tools else PEERS
    tools = (*OURS, *peers)
    unknown = [t for t in tools if t not in COLUMNS] + [m for m in models if m not in MODELS]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}")
    rounds = args.rounds or (3 if args.quick else 7)

    table = compare(models, tools, rounds, args.seconds, args.timeout)
    print(LEGEND)
    report_times(table, tools, "cpu")
    report_spread(table, rounds)
    report_failures(table)
    report_ratios(table, tools, "layerwise")
    report_ratios(table, tools, "layerwise-real")
    report_counts(table, tools)
    outcome = {
        "goals (a)": report_goals(table, tools, "layerwise", GOALS_META),
        "goals (a) again": report_goals(table, tools, "layerwise-again", GOALS_META),
        "goals (b)": report_goals(table, tools, "layerwise-real", GOALS_REAL),
        "build": report_build(rounds, args.timeout),
        "sizes": report_sizes(rounds, args.timeout),
        "depths": report_depths(rounds, args.timeout),
    }
    if args.json:
        record = {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "python": platform.python_version(),
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "load": os.getloadavg()[0],
            "rounds": rounds,
            "table": {m: {t: c.record() for t, c in cells.items()} for m, cells in table.items()},
            **outcome,
        }
        args.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
