r"""Record short trainings on the digits, to be shown beside those made in the app.

    python benchmarks/record_training.py explorer/data/training/cpu.jsonl --seeds 0,1,2

Every run is one JSON line (`explorer.lessons.training.to_json`), written as soon as it is over. A
run that the file has already is left out, so the command can be stopped and given again. A line
names the processor, torch's version and threads, and nothing else of the machine.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from explorer.latency.device import describe
from explorer.lessons.training import Recorded, Setup, from_json, to_json, train

NETS = ("plain20", "plain56", "resnet20", "resnet56")
BARE = (("norm", "none"),)
FIRST = (("preactivation", True),)


def wanted(seeds: list[int]) -> Iterator[Setup]:
    """Each question in turn: depth, rate, normalization, block, initialization, patience."""
    for seed in seeds:
        yield from (Setup(net, seed=seed) for net in NETS)
    for seed in seeds:
        yield from (Setup(net, rate=0.02, seed=seed) for net in NETS)
        yield from (Setup(net, BARE, rate=0.02, seed=seed) for net in NETS)
        yield Setup("resnet20", zero_gamma=True, seed=seed)
        yield Setup("resnet56", zero_gamma=True, seed=seed)
        yield Setup("resnet20", FIRST, seed=seed)
        yield Setup("resnet56", FIRST, seed=seed)
        yield from (Setup(net, BARE, seed=seed) for net in NETS)
    for seed in seeds:
        for init in ("xavier", "small"):
            yield Setup("plain56", init=init, seed=seed)
            yield Setup("plain20", BARE, init=init, rate=0.02, seed=seed)
            yield Setup("plain56", BARE, init=init, rate=0.02, seed=seed)
    for seed in seeds:
        yield from (Setup(net, epochs=60, seed=seed) for net in ("plain56", "plain20"))


def record(path: Path, seeds: list[int]) -> None:
    kept = from_json(path.read_text(encoding="utf-8")) if path.exists() else []
    known = {each.run.setup for each in kept}
    for setup in wanted(seeds):
        if setup in known:
            continue
        environment = describe(torch.device("cpu"), torch.get_num_threads())
        run = train(setup)
        made = Recorded(
            run, environment.device_name, environment.threads, environment.torch, environment.date
        )
        kept.append(made)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(to_json(kept), encoding="utf-8")
        last = run.points[-1] if run.points else None
        print(setup, run.ending, run.step, last, f"{run.seconds:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument(
        "--seeds", type=lambda text: [int(part) for part in text.split(",")], default=[0, 1, 2]
    )
    args = parser.parse_args()
    record(args.file, args.seeds)


if __name__ == "__main__":
    main()
