"""Compare the median of `measure_latency` on a CPU with torch.utils.benchmark's.

    python benchmarks/clock_vs_torch.py
    python benchmarks/clock_vs_torch.py --models resnet18,mobilenet_v3_small --threads 1

Our own loop can be cancelled between two runs and reports each of them; torch's cannot. Both read
the host's clock round the same call of the same module, in inference mode, with as many threads.
Blocks of both take turns, so that a machine that gets slower gets slower for both; printed is the
median of each over all blocks, and their ratio.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from torch.utils import benchmark

from explorer import build_model, get_spec, measure_latency
from explorer.latency.weights import quick_build


def torch_seconds(module: torch.nn.Module, x: torch.Tensor, threads: int, seconds: float) -> float:
    """Median of torch's own adaptive timer."""
    timer = benchmark.Timer(
        "with torch.inference_mode():\n    module(x)",
        globals={"module": module, "x": x, "torch": torch},
        num_threads=threads,
    )
    return float(timer.blocked_autorange(min_run_time=seconds).median)


def our_seconds(module: torch.nn.Module, x: torch.Tensor, threads: int, seconds: float) -> float:
    shape = tuple(x.shape)
    found = measure_latency(
        module, shape, device="cpu", threads=threads, runs=10_000, max_seconds=1.5 * seconds
    )
    return found.median_ms / 1e3


def compare(name: str, threads: int, seconds: float, blocks: int) -> tuple[float, float]:
    """Medians of ours and of torch's, in seconds."""
    module = quick_build(lambda: build_model(name)).eval()
    x = torch.randn(get_spec(name).input_shape)
    ours, theirs = [], []
    for _ in range(blocks):
        ours.append(our_seconds(module, x, threads, seconds))
        theirs.append(torch_seconds(module, x, threads, seconds))
    return statistics.median(ours), statistics.median(theirs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    models = "lenet5,resnet20,mobilenet_v3_small,squeezenet1_1,resnet18"
    parser.add_argument("--models", default=models)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1.0, help="of runs in each block")
    parser.add_argument("--blocks", type=int, default=5)
    args = parser.parse_args()
    print(f"{'model':28}{'ours, ms':>12}{'torch, ms':>12}{'ratio':>8}")
    ratios = []
    for name in args.models.split(","):
        ours, theirs = compare(name, args.threads, args.seconds, args.blocks)
        ratios.append(ours / theirs)
        print(f"{name:28}{1e3 * ours:12.3f}{1e3 * theirs:12.3f}{ratios[-1]:8.3f}", flush=True)
    print(f"median ratio {statistics.median(ratios):.3f}, {args.threads} threads")


if __name__ == "__main__":
    main()
