"""Run other counters on a model, in a process that does nothing else.

`crosscheck.py` starts this file as `python -m explorer.analysis._peers`, writes one JSON request
to its standard input and reads one JSON line for every tool that has finished. What these tools
patch or leave behind in torch and in the model goes away with the process.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.metadata
import importlib.util
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import nn

from explorer.latency.weights import quick_build
from explorer.text import ENGLISH, _, speaking
from explorer.trace.build import build_on_meta
from explorer.zoo import build_model

Shapes = list[tuple[int, ...]]


class Row(NamedTuple):
    """What a tool says of one module; the rows' numbers add up to its totals."""

    path: str
    """The module's first name, also where the tool met it under another one."""
    module_class: str
    macs: int
    params: int
    has_rule: bool
    """The tool counts modules of this class at all."""
    is_leaf: bool


class Answer(NamedTuple):
    """What a tool says of the model."""

    params: int | None
    macs: int
    rows: list[Row]


def torchinfo(build: Callable[[], nn.Module], shapes: Shapes) -> tuple[Answer, float]:
    """Run `torchinfo.summary`, which answers from forward hooks."""
    from torchinfo import summary

    model = quick_build(build)
    start = time.perf_counter()
    found = summary(model, input_data=[torch.rand(shape) for shape in shapes], verbose=0)
    seconds = time.perf_counter() - start
    names = _first_names(model)
    rows = []
    for layer in found.summary_list:
        # As ModelStatistics adds them up.
        held = layer.num_params if layer.is_leaf_layer else layer.leftover_params()
        rows.append(
            Row(
                names[layer.layer_id],
                layer.class_name,
                layer.macs if layer.is_leaf_layer else 0,
                0 if layer.is_recursive else max(held, 0),
                True,
                layer.is_leaf_layer,
            )
        )
    return Answer(found.total_params, found.total_mult_adds, rows), seconds


def thop(build: Callable[[], nn.Module], shapes: Shapes) -> tuple[Answer, float]:
    """Run `thop.profile`, which has a rule for some classes of modules and hooks those."""
    from thop.profile import profile, register_hooks

    model = quick_build(build)
    start = time.perf_counter()
    macs, params, tree = profile(
        model,
        inputs=tuple(torch.rand(shape) for shape in shapes),
        verbose=False,
        ret_layer_info=True,
    )
    seconds = time.perf_counter() - start
    names = _first_names(model)

    def row(module: nn.Module, module_macs: float, module_params: float) -> Row:
        return Row(
            names[id(module)],
            type(module).__name__,
            int(module_macs),
            int(module_params),
            type(module) in register_hooks,
            not any(module.children()),
        )

    def walk(module: nn.Module, children: dict[str, Any]) -> Iterator[Row]:
        for name, (child_macs, child_params, inner) in children.items():
            child = module.get_submodule(name)
            if inner:
                yield from walk(child, inner)
            else:
                yield row(child, child_macs, child_params)

    rows = list(walk(model, tree))
    own = row(model, macs - sum(r.macs for r in rows), params - sum(r.params for r in rows))
    return Answer(int(params), int(macs), [*rows, own]), seconds


def flop_counter(build: Callable[[], nn.Module], shapes: Shapes) -> tuple[Answer, float]:
    """Run torch's own `FlopCounterMode`, on the meta device, where it sees attention."""
    from torch.utils.flop_counter import FlopCounterMode

    model = build_on_meta(build).eval()
    inputs = [torch.empty(shape, device="meta") for shape in shapes]
    start = time.perf_counter()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(*inputs)
    seconds = time.perf_counter() - start
    return Answer(None, counter.get_total_flops() // 2, []), seconds


TOOLS: dict[str, tuple[str, Callable[..., tuple[Answer, float]]]] = {
    "FlopCounterMode": ("torch", flop_counter),
    "torchinfo": ("torchinfo", torchinfo),
    "thop": ("thop", thop),
}
"""Name -> (package, how to run it)."""


def _first_names(model: nn.Module) -> dict[int, str]:
    return {id(module): name for name, module in model.named_modules()}


def _builder(request: dict[str, Any]) -> Callable[[], nn.Module]:
    """Return what builds the model: a registered name, or a function in a file."""
    if request["factory"] is None:
        options = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in request["options"].items()
        }
        return lambda: build_model(request["model"], **options)
    file, qualified_name = request["factory"]
    spec = importlib.util.spec_from_file_location("cross_checked", file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    factory = getattr(module, qualified_name)
    return lambda: factory().eval()


def _run(tool: str, build: Callable[[], nn.Module], shapes: Shapes) -> dict[str, Any]:
    package, run = TOOLS[tool]
    try:
        version = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return {"tool": tool, "problem": _("{package} is not installed.").format(package=package)}
    try:
        answer, seconds = run(build, shapes)
    except Exception as error:
        first = (str(error).strip() or _("no reason given")).splitlines()[0][:200]
        problem = _("{tool} failed: {error}, {reason}").format(
            tool=tool, error=type(error).__name__, reason=first
        )
        return {"tool": tool, "version": version, "problem": problem}
    return {"tool": tool, "version": version, "seconds": seconds, **answer._asdict()}


def main() -> None:
    """Answer the request on standard input."""
    # The tools print; only answers may reach the pipe.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    warnings.simplefilter("ignore")
    with contextlib.suppress(AttributeError, OSError):  # not on Windows
        os.nice(10)  # the server's sessions go first
    torch.set_num_threads(1)
    request = json.load(sys.stdin)
    build = _builder(request)
    shapes = [tuple(shape) for shape in request["shapes"]]
    for tool in request["tools"]:
        with speaking(request.get("language", ENGLISH)):
            answers.write(json.dumps(_run(tool, build, shapes)) + "\n")
        answers.flush()
        gc.collect()  # one copy of the weights at a time


if __name__ == "__main__":
    main()
