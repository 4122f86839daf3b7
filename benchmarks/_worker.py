"""One tool in a process of its own, asked over a pipe for one timed run after another.

Several of these tools patch torch for the whole process; here that can disturb nobody. A line
of JSON comes in for every request and one goes out: `load`, `run`, `unload`, `build`.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib.metadata
import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from benchmarks import _models

Counts = tuple[int | None, int | None]
"""Parameters and MACs that a tool reports, None for what it does not."""


class Tool:
    """A way to run one tool, as its own documentation shows it."""

    package = ""
    where = "cpu"
    """Where the model and its input are: real tensors on the CPU, or meta."""

    def load(self, name: str) -> None:
        self.shape = _models.input_shape(name)
        if self.where == "cpu":
            self.model = _models.real(name)
            self.input = torch.rand(self.shape)
        else:
            self.model = _models.on_meta(name)
            self.input = torch.empty(self.shape, device="meta")

    def prepare(self) -> None:
        """Called before every run, untimed."""

    def run(self) -> Any:
        """Called timed."""
        raise NotImplementedError

    def counts(self, result: Any) -> Counts:  # noqa: ARG002
        """Parameters and MACs in a result; most tools that draw or only run have none."""
        return None, None

    def version(self) -> str:
        return importlib.metadata.version(self.package)

    def unload(self) -> None:
        del self.model, self.input


class Torchinfo(Tool):
    package = "torchinfo"

    def run(self) -> Any:
        from torchinfo import summary

        return summary(self.model, input_size=self.shape, device=self.where, verbose=0)

    def counts(self, result: Any) -> Counts:
        return result.total_params, result.total_mult_adds


class TorchinfoMeta(Torchinfo):
    where = "meta"


class Thop(Tool):
    package = "thop"

    def run(self) -> Any:
        from thop import profile

        return profile(self.model, inputs=(self.input,), verbose=False)

    def counts(self, result: Any) -> Counts:
        return int(result[1]), int(result[0])


class Fvcore(Tool):
    package = "fvcore"

    def run(self) -> Any:
        from fvcore.nn import FlopCountAnalysis

        analysis = FlopCountAnalysis(self.model, self.input)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        analysis.tracer_warnings("none")
        return analysis.total()

    def counts(self, result: Any) -> Counts:
        return None, int(result)  # fvcore's "flop" is one multiply-accumulate


class Ptflops(Tool):
    package = "ptflops"

    def run(self) -> Any:
        from ptflops import get_model_complexity_info

        return get_model_complexity_info(
            self.model, self.shape[1:], as_strings=False, print_per_layer_stat=False
        )

    def counts(self, result: Any) -> Counts:
        return result[1], int(result[0])


class Calflops(Tool):
    package = "calflops"

    def run(self) -> Any:
        from calflops import calculate_flops

        return calculate_flops(
            self.model, input_shape=self.shape, print_results=False, output_as_string=False
        )

    def counts(self, result: Any) -> Counts:
        return int(result[2]), int(result[1])


class Torchview(Tool):
    package = "torchview"

    def run(self) -> Any:
        from torchview import draw_graph

        return draw_graph(self.model, input_size=self.shape, device=self.where)


class TorchviewMeta(Torchview):
    """On meta, as torchview's README shows it."""

    where = "meta"


class FlopCounter(Tool):
    package = "torch"
    where = "meta"

    def run(self) -> Any:
        from torch.utils.flop_counter import FlopCounterMode

        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            self.model(self.input)
        return counter.get_total_flops()

    def counts(self, result: Any) -> Counts:
        return None, result // 2


class BareForward(Tool):
    """Nothing is recorded: what torch itself takes to answer with shapes."""

    package = "torch"
    where = "meta"

    def run(self) -> Any:
        with torch.inference_mode():
            return self.model(self.input)


def forget() -> None:
    """Empty all that the engine remembers from earlier traces of this process."""
    from explorer.trace import plans  # only the workers that trace import the engine

    plans.forget()


class Layerwise(Tool):
    """Column (a): a model that is on meta already. Nothing is remembered from run to run."""

    package = "torch"
    where = "meta"
    forget = True

    def load(self, name: str) -> None:
        from explorer.trace.build import build_on_meta

        self.shape = _models.input_shape(name)
        self.model = build_on_meta(_models.builder(name))
        self.input = None

    def prepare(self) -> None:
        if self.forget:
            forget()

    def run(self) -> Any:
        from explorer.trace import trace_model

        return trace_model(self.model, self.shape)

    def counts(self, result: Any) -> Counts:
        return result.params, result.macs

    def version(self) -> str:
        return "this tree"


class LayerwiseReal(Layerwise):
    """Column (b): a user's real model, its weights on the CPU."""

    where = "cpu"

    def load(self, name: str) -> None:
        Tool.load(self, name)


class LayerwiseAgain(Layerwise):
    """As (a), when this process has traced the same model before."""

    forget = False


TOOLS: dict[str, type[Tool]] = {
    "layerwise": Layerwise,
    "layerwise-real": LayerwiseReal,
    "layerwise-again": LayerwiseAgain,
    "torchinfo": Torchinfo,
    "thop": Thop,
    "fvcore": Fvcore,
    "torchview": Torchview,
    "torchview-meta": TorchviewMeta,
    "ptflops": Ptflops,
    "calflops": Calflops,
    "torchinfo-meta": TorchinfoMeta,
    "flopcounter-meta": FlopCounter,
    "bare-meta": BareForward,
}


def timed(run: Callable[[], Any]) -> tuple[Any, float, float]:
    """Return the result, CPU seconds and wall seconds of one call, the collector waiting."""
    gc.collect()
    gc.disable()
    try:
        wall, cpu = time.perf_counter(), time.process_time()
        result = run()
        return result, time.process_time() - cpu, time.perf_counter() - wall
    finally:
        gc.enable()


class Worker:
    """Answers requests for one tool."""

    def __init__(self, tool: Tool) -> None:
        self.tool = tool

    def load(self, model: str) -> dict[str, Any]:
        """Build the model and run the tool once, so that imports and caches are paid for."""
        self.tool.load(model)
        self.tool.prepare()
        params, macs = self.tool.counts(self.tool.run())
        return {"params": params, "macs": macs, "version": self.tool.version()}

    def run(self, seconds: float, most: int) -> dict[str, Any]:
        """Time runs until `seconds` are spent, once at least and `most` times at most."""
        cpu: list[float] = []
        wall: list[float] = []
        while not wall or (sum(wall) < seconds and len(wall) < most):
            self.tool.prepare()
            _, cpu_seconds, wall_seconds = timed(self.tool.run)
            cpu.append(cpu_seconds)
            wall.append(wall_seconds)
        return {"cpu": cpu, "wall": wall}

    def unload(self) -> dict[str, Any]:
        """Let the model go and give its memory back to the system."""
        self.tool.unload()
        gc.collect()
        with contextlib.suppress(OSError, AttributeError):  # not the GNU C library
            ctypes.CDLL("libc.so.6").malloc_trim(0)
        return {}

    def build(self, how: str, model: str) -> dict[str, Any]:
        """Time the construction of a model: "real" as its users do, "trace" on meta and traced."""
        from explorer.trace import trace_model
        from explorer.trace.build import build_on_meta

        build = _models.builder(model)
        shape = _models.input_shape(model)
        run: Callable[[], Any] = build
        if how == "trace":
            forget()
            run = lambda: trace_model(build_on_meta(build), shape)  # noqa: E731
        _, cpu, wall = timed(run)
        return {"cpu": [cpu], "wall": [wall]}

    def trace(self, model: str, shape: list[int]) -> dict[str, Any]:
        """Time the trace of a registered model, built anew and nothing remembered."""
        from explorer.models._registry import get_spec
        from explorer.trace import trace_model
        from explorer.trace.build import build_on_meta

        built: nn.Module = build_on_meta(get_spec(model).build).eval()
        forget()
        trace, cpu, wall = timed(lambda: trace_model(built, tuple(shape)))
        return {"cpu": [cpu], "wall": [wall], "ops": len(trace.ops), "macs": trace.macs}


def main() -> None:
    """Serve requests until the pipe closes."""
    # Tools print; only answers may reach the pipe.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    worker = Worker(TOOLS[sys.argv[1]]())
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        request = json.loads(line)
        action = getattr(worker, request.pop("do"))
        try:
            answer = action(**request)
        except Exception as error:
            first = (str(error).strip() or "no message").splitlines()[0]
            answer = {"error": f"{type(error).__name__}: {first}"[:200]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
