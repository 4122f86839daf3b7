"""What other counters say of the same model and size, and why they say something else.

torchinfo and thop count from forward hooks, that is from modules; a trace counts from the
operations. So the two are compared module by module, and every difference is explained by what
the trace knows of that module: an operation that no hook can see, a bias, a normalization, a
linear layer applied to many tokens. A reason carries the exact share of the gap that it
explains, and what is left is said to be unexplained.
"""

from __future__ import annotations

import inspect
import json
import math
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import nn

from explorer.analysis.units import count
from explorer.latency.device import free_memory
from explorer.latency.measure import forward_bytes
from explorer.models._registry import OptionValue
from explorer.text import N_, _, language, n_
from explorer.trace import trace_model
from explorer.trace.records import CallRecord, OpRecord, Trace
from explorer.zoo import get_spec, options_for

Shape = tuple[int, ...]

TOOLS = ("torchinfo", "thop", "FlopCounterMode")
_WITHOUT_WEIGHTS = ("FlopCounterMode",)
_RUN_FIRST = ("FlopCounterMode", "torchinfo", "thop")  # the cheapest first, before time is up

# What python, torch and the tools need before there is a model.
_PROCESS_BYTES = 600 * 2**20

Cause = Literal[
    "attention as functions",
    "layers as functions",
    "no rule",
    "not called",
    "tokens ignored",
    "bias counted",
    "normalization counted",
    "other arithmetic counted",
    "transposed convolution",
    "parameters outside layers",
    "parameters never executed",
    "parameters used elsewhere",
    "shared parameters",
]


@dataclass(frozen=True, slots=True)
class Reason:
    """One cause of a gap, and its exact share in it."""

    cause: Cause
    sentence: str
    macs: int = 0
    """The tool's MACs minus the exact ones, as far as this cause explains them."""
    params: int = 0


@dataclass(frozen=True, slots=True)
class ToolReport:
    """What one tool says, or why it says nothing."""

    tool: str
    version: str
    params: int | None
    """None for a tool that does not count them."""
    macs: int | None
    macs_gap: int
    """The tool's number minus the exact one."""
    params_gap: int
    macs_percent: float | None
    """The gap in per cent of the exact number."""
    params_percent: float | None
    seconds: float | None
    """The tool's own run, after the model was built."""
    reasons: tuple[Reason, ...] = ()
    """Largest share first."""
    unexplained_macs: int = 0
    """What is left of the gap after all reasons."""
    unexplained_params: int = 0
    unexplained_in: tuple[str, ...] = ()
    """Paths of the modules where the unexplained rest is, if it could be located."""
    problem: str = ""
    """One sentence, if the tool gave no answer."""

    @property
    def agrees(self) -> bool:
        """Whether every number the tool gives is exact."""
        return not self.problem and self.macs_gap == 0 and self.params_gap == 0

    @property
    def summary(self) -> str:
        """One sentence: the problem, agreement, or how much of the gap is explained."""
        if self.problem:
            return self.problem
        if self.agrees:
            return _("{tool} agrees.").format(tool=self.tool)
        rest = [
            f"{count(abs(gap))} {unit}"
            for gap, unit in (
                (self.unexplained_macs, "MACs"),
                (self.unexplained_params, _("parameters")),
            )
            if gap
        ]
        if not rest:
            return _("The reasons below explain the whole gap.")
        told = _(" and ").join(rest)
        if not self.unexplained_in:
            return _("{rest} of the gap stay unexplained.").format(rest=told)
        return _("{rest} of the gap stay unexplained, in {where}.").format(
            rest=told, where=_listed(self.unexplained_in)
        )


@dataclass(frozen=True, slots=True)
class CrossCheck:
    """The exact counts, and every other tool's beside them."""

    model: str
    options: tuple[tuple[str, OptionValue], ...]
    input_shape: Shape | tuple[Shape, ...]
    params: int
    macs: int
    lower_bound: bool
    """An op without a cost rule makes `macs` a lower bound."""
    reports: tuple[ToolReport, ...]
    """In the order of `TOOLS`."""


def cross_check(
    name: str,
    options: Mapping[str, OptionValue],
    input_shape: Shape | tuple[Shape, ...],
    *,
    timeout: float = 120,
) -> CrossCheck:
    """Ask the other tools about a registered model, in a process of their own.

    A tool that is missing, fails, or takes too long has a `problem` in its report; nothing of
    that is raised.

    Args:
        name: a registered name.
        options: of that model.
        input_shape: with the batch, or a tuple of shapes.
        timeout: seconds for all tools together.

    Raises:
        ExplorerError: the model cannot be built or traced.
    """
    trace = trace_model(name, input_shape, options=options)
    options, _size = options_for(get_spec(name), input_shape, options)
    request: dict[str, Any] = {"model": name, "options": dict(options), "factory": None}
    return _compare(trace, tuple(options.items()), request, timeout)


def cross_check_module(
    factory: Callable[[], nn.Module],
    input_shape: Shape | tuple[Shape, ...],
    *,
    timeout: float = 120,
) -> CrossCheck:
    """Ask the other tools about a model of one's own.

    Args:
        factory: a class or function at the top level of a file, called without arguments; the
            other process finds it there.
        input_shape: with the batch, or a tuple of shapes.
        timeout: seconds for all tools together.

    Raises:
        ValueError: `factory` is not at the top level of a file.
        ExplorerError: the model cannot be traced.
    """
    file = inspect.getsourcefile(factory)
    name = factory.__qualname__
    if file is None or not name.isidentifier():
        raise ValueError(f"{name} is not at the top level of a file")
    trace = trace_model(factory(), input_shape)
    place = (str(Path(file).resolve()), name)
    request: dict[str, Any] = {"model": None, "options": {}, "factory": place}
    return _compare(trace, (), request, timeout)


def _compare(
    trace: Trace,
    options: tuple[tuple[str, OptionValue], ...],
    request: dict[str, Any],
    timeout: float,
) -> CrossCheck:
    shapes = _shapes(trace.input_shape)
    refusal = _refusal(trace)
    tools = _WITHOUT_WEIGHTS if refusal else _RUN_FIRST
    answers = _ask(
        {**request, "shapes": shapes, "tools": tools, "language": language()}, tools, timeout
    )
    return CrossCheck(
        model=trace.model,
        options=options,
        input_shape=trace.input_shape,
        params=trace.params,
        macs=trace.macs,
        lower_bound=trace.is_lower_bound,
        reports=tuple(
            _report(trace, tool, answers.get(tool, {"problem": refusal})) for tool in TOOLS
        ),
    )


def _shapes(input_shape: Any) -> list[Shape]:
    several = bool(input_shape) and isinstance(input_shape[0], tuple)
    return list(input_shape) if several else [input_shape]


def _refusal(trace: Trace) -> str:
    """Return why the model is too large to be run for real, "" if it is not."""
    need = _PROCESS_BYTES + forward_bytes(trace)
    free = free_memory(torch.device("cpu"))
    if free is None or need <= free:
        return ""
    return _(
        "Not run: this tool computes a real forward pass, which needs about "
        "{need:,.1f} GiB; {free:,.1f} GiB are free."
    ).format(need=need / 2**30, free=free / 2**30)


# ---------------------------------------------------------------------- the other process


def _ask(
    request: dict[str, Any], tools: Iterable[str], timeout: float
) -> dict[str, dict[str, Any]]:
    """Return {tool: its answer, or {"problem": sentence}}."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        [sys.executable, "-m", "explorer.analysis._peers"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
        encoding="utf-8",
    )
    try:
        output, errors = process.communicate(json.dumps(request), timeout=timeout)
        ending = _ending(process.returncode, errors)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _errors = process.communicate()
        ending = _("{tool} did not finish within {seconds} s."), {"seconds": f"{timeout:g}"}
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    sentence, places = ending
    found = {answer["tool"]: answer for answer in _json_lines(output)}
    return {
        tool: found.get(tool, {"problem": sentence.format(tool=tool, **places)}) for tool in tools
    }


def _json_lines(output: str) -> Iterator[dict[str, Any]]:
    for line in output.splitlines():
        try:
            yield json.loads(line)
        except ValueError:  # cut off when the process was killed
            return


def _ending(code: int, errors: str) -> tuple[str, dict[str, str]]:
    """Say how a process ended that gave no answer: a sentence, and what to fill in."""
    if code < 0:
        return _(
            "{tool} was ended by the system (signal {signal}), most likely for want of memory."
        ), {"signal": str(-code)}
    last = next((line for line in reversed(errors.splitlines()) if line.strip()), "")
    message = last.strip()[:200] or _("no message")
    return _("{tool} could not run: {message}"), {"message": message}


# ---------------------------------------------------------------------- reports


class _Row(NamedTuple):
    """What a tool says of one module; see `_peers.Row`."""

    path: str
    module_class: str
    macs: int
    params: int
    has_rule: bool
    is_leaf: bool


def _report(trace: Trace, tool: str, answer: dict[str, Any]) -> ToolReport:
    if answer.get("problem"):
        return ToolReport(
            tool,
            answer.get("version", ""),
            params=None,
            macs=None,
            macs_gap=0,
            params_gap=0,
            macs_percent=None,
            params_percent=None,
            seconds=None,
            problem=answer["problem"],
        )
    params, macs = answer["params"], answer["macs"]
    macs_gap = macs - trace.macs
    params_gap = 0 if params is None else params - trace.params
    rows = [_Row(*row) for row in answer["rows"]]
    notes = _Notes(tool)
    if macs_gap and rows:
        _explain_macs(trace, rows, notes)
    if params_gap:
        _explain_params(trace, rows, notes)
    reasons = notes.reasons()
    return ToolReport(
        tool,
        answer["version"],
        params,
        macs,
        macs_gap,
        params_gap,
        macs_percent=_percent(macs_gap, trace.macs),
        params_percent=None if params is None else _percent(params_gap, trace.params),
        seconds=answer["seconds"],
        reasons=reasons,
        unexplained_macs=macs_gap - sum(reason.macs for reason in reasons),
        unexplained_params=params_gap - sum(reason.params for reason in reasons),
        unexplained_in=tuple(notes.unexplained),
    )


def _percent(gap: int, exact: int) -> float | None:
    return 100 * gap / exact if exact else None


class _Notes:
    """Collects shares of the gap by cause, and turns them into sentences."""

    def __init__(self, tool: str) -> None:
        self.tool = tool
        self.unexplained: list[str] = []
        self._macs: dict[Cause, int] = defaultdict(int)
        self._params: dict[Cause, int] = defaultdict(int)
        self._where: dict[Cause, dict[str, None]] = defaultdict(dict)
        self._classes: dict[Cause, dict[str, None]] = defaultdict(dict)
        self._factors: dict[Cause, set[int]] = defaultdict(set)

    def add(
        self,
        cause: Cause,
        path: str,
        module_class: str,
        *,
        macs: int = 0,
        params: int = 0,
        factor: int = 0,
    ) -> None:
        """Note a share of the gap, found in the module at `path`.

        Args:
            cause: why.
            path: of the module.
            module_class: its class.
            macs: share of the MACs' gap.
            params: share of the parameters' gap.
            factor: operations the tool counts for each element, where that is the cause.
        """
        if not (macs or params):
            return
        self._macs[cause] += macs
        self._params[cause] += params
        self._where[cause][path] = None
        self._classes[cause][module_class] = None
        self._factors[cause].add(factor)

    def reasons(self) -> tuple[Reason, ...]:
        """One reason for each cause, the largest share first."""
        found = [
            Reason(cause, self._sentence(cause), self._macs[cause], self._params[cause])
            for cause in self._where
        ]
        return tuple(sorted(found, key=lambda r: -max(abs(r.macs), abs(r.params))))

    def _sentence(self, cause: Cause) -> str:
        factors = self._factors[cause]
        each = (
            _(" ({n} for each element)").format(n=factors.copy().pop())
            if _one_above_0(factors)
            else ""
        )
        return _(_SENTENCES[cause]).format(
            tool=self.tool,
            macs=count(abs(self._macs[cause])),
            params=count(abs(self._params[cause])),
            classes=_listed(self._classes[cause]),
            modules=n_("{n} module", "{n} modules", len(self._where[cause])),
            each=each,
            where=_listed(self._where[cause]),
        )


def _one_above_0(factors: set[int]) -> bool:
    return len(factors) == 1 and min(factors) > 0


def _listed(items: Iterable[str], most: int = 3) -> str:
    """Join: "a, b and c", "a, b, c and 4 more"; the empty path is the model itself."""
    names = [item or _("the model itself") for item in items]
    if len(names) > most:
        return _("{names} and {n} more").format(
            names=_(", ").join(names[:most]), n=len(names) - most
        )
    return _(" and ").join(filter(None, (_(", ").join(names[:-1]), names[-1])))


_SENTENCES: dict[Cause, str] = {
    "attention as functions": N_(
        "The matrix products of attention (QKᵀ and AV) in {modules} ({classes}) are function "
        "calls, which hooks on modules never see: {macs} MACs are missing."
    ),
    "layers as functions": N_(
        "Layers that {modules} ({classes}) compute by calling functions on weights pass no "
        "module that a hook could sit on: {macs} MACs are missing."
    ),
    "no rule": N_("{tool} has no rule for {classes} and counts 0 for it: {macs} MACs are missing."),
    "not called": N_(
        "In {tool}'s run {modules} ({classes}) were not called, because torch fuses their layer "
        "into one function on real tensors: {macs} MACs are missing."
    ),
    "tokens ignored": N_(
        "A linear layer's MACs are taken to be batch × weights, although {modules} apply theirs "
        "to every token or pixel: {macs} MACs are missing."
    ),
    "bias counted": N_("Additions of a bias are counted in {modules}: {macs} more."),
    "normalization counted": N_(
        "Normalization ({classes}) is counted in {modules}{each}: {macs} more."
    ),
    "other arithmetic counted": N_(
        "Arithmetic without multiply-accumulates is counted in {modules} ({classes}): {macs} more."
    ),
    "transposed convolution": N_(
        "A transposed convolution's weights are multiplied by the positions of its output; they "
        "are applied at those of its input: a difference of {macs} MACs in {modules}."
    ),
    "parameters outside layers": N_(
        "Parameters that {where} ({classes}) hold themselves belong to no layer {tool} has a rule "
        "for: {params} parameters are missing."
    ),
    "parameters never executed": N_(
        "Modules that a forward pass in eval mode never calls ({where}) are not seen: {params} "
        "parameters are missing."
    ),
    "parameters used elsewhere": N_(
        "Weights of {where} are read by another module's function, while their own module is "
        "never called: {params} parameters are missing."
    ),
    "shared parameters": N_(
        "Parameters that {where} share are counted once for each of them: {params} too many."
    ),
}


# ---------------------------------------------------------------------- why the MACs differ


def _explain_macs(trace: Trace, rows: list[_Row], notes: _Notes) -> None:
    """Go through all modules; the notes' shares add up to the gap less what is unexplained."""
    calls: dict[str, list[CallRecord]] = defaultdict(list)
    for call in trace.calls:
        calls[call.path].append(call)
    ops: dict[str, list[OpRecord]] = defaultdict(list)
    for op in trace.ops:
        if op.call >= 0:
            ops[trace.calls[op.call].path].append(op)
    counted: dict[str, int] = defaultdict(int)
    known: dict[str, _Row] = {}
    for row in rows:
        counted[row.path] += row.macs
        known[row.path] = row
    for path in dict.fromkeys((*known, *ops)):
        exact = sum(op.macs for op in ops[path])
        if counted[path] == exact:
            continue
        module_class = calls[path][0].module_class if calls[path] else known[path].module_class
        if counted[path] == 0:
            _note_missing(path, module_class, ops[path], known.get(path), notes)
        elif exact == 0:
            _note_extra(path, module_class, ops[path], counted[path], notes)
        else:
            _note_difference(path, module_class, ops[path], counted[path], notes)


def _note_missing(
    path: str,
    module_class: str,
    ops: list[OpRecord],
    row: _Row | None,
    notes: _Notes,
) -> None:
    """The tool counts nothing for a module that has MACs."""
    for op in ops:
        if op.macs == 0:
            continue
        cause: Cause
        if op.kind in ("attention", "matmul"):
            cause = "attention as functions"
        elif row is not None and row.is_leaf and not row.has_rule:
            cause = "no rule"
        elif module_class in _LAYER_OF.get(op.kind, ()):
            cause = "not called"
        else:
            cause = "layers as functions"
        notes.add(cause, path, module_class, macs=-op.macs)


_LAYER_OF = {
    "linear": ("Linear", "Bilinear", "NonDynamicallyQuantizableLinear"),
    "convolution": tuple(f"Conv{t}{d}d" for t in ("", "Transpose") for d in (1, 2, 3)),
    "recurrent": ("RNN", "LSTM", "GRU"),
}
"""torch's own layers, by the kind of the op that they are."""


def _note_extra(
    path: str, module_class: str, ops: list[OpRecord], counted: int, notes: _Notes
) -> None:
    """The tool counts something for a module without MACs."""
    normalized = [op for op in ops if op.kind == "normalization"]
    if not normalized:
        notes.add("other arithmetic counted", path, module_class, macs=counted)
        return
    elements = sum(math.prod(op.input_tensors[0].shape) for op in normalized)
    whole = counted // elements if elements and counted % elements == 0 else 0
    notes.add("normalization counted", path, module_class, macs=counted, factor=whole)


def _note_difference(
    path: str, module_class: str, ops: list[OpRecord], counted: int, notes: _Notes
) -> None:
    """The tool counts something else than the exact number: try what is known of such gaps."""
    weighted = [op for op in ops if op.macs]
    gap = counted - sum(op.macs for op in weighted)
    bias = sum(op.bias_ops for op in weighted)
    if gap == bias:
        notes.add("bias counted", path, module_class, macs=gap)
        return
    if all(op.kind == "linear" for op in weighted):
        batches = [op.outputs[0].shape[0] for op in weighted]
        weights = sum(n * math.prod(_weight(op)) for n, op in zip(batches, weighted, strict=True))
        biases = sum(
            n * op.outputs[0].shape[-1]
            for n, op in zip(batches, weighted, strict=True)
            if op.bias_ops
        )
        if counted in (weights, weights + biases):
            notes.add("tokens ignored", path, module_class, macs=gap - (counted - weights))
            notes.add("bias counted", path, module_class, macs=counted - weights)
            return
    if all(op.name.startswith("conv_transpose") for op in weighted):
        # Batch and output positions, times all weights (thop: grouped as the forward one is).
        for scale in (_weight, _thop_transposed_weight):
            at_output = sum(
                op.outputs[0].shape[0] * math.prod(op.outputs[0].shape[2:]) * math.prod(scale(op))
                for op in weighted
            )
            if counted in (at_output, at_output + bias):
                with_bias = counted - at_output
                notes.add("transposed convolution", path, module_class, macs=gap - with_bias)
                notes.add("bias counted", path, module_class, macs=with_bias)
                return
    notes.unexplained.append(path)


def _weight(op: OpRecord) -> Shape:
    """Shape of the weight of a linear layer or convolution: its second tensor."""
    return op.input_tensors[1].shape


def _thop_transposed_weight(op: OpRecord) -> Shape:
    """thop multiplies output channels by input channels / groups."""
    _inputs, per_group, *kernel = _weight(op)
    groups = int(op.attrs.get("groups", 1))
    channels_in = op.input_tensors[0].shape[1]
    return (per_group * groups, channels_in // groups, *kernel)


# ---------------------------------------------------------------------- why the parameters differ


def _explain_params(trace: Trace, rows: list[_Row], notes: _Notes) -> None:
    """Go through all parameters: which were counted by no row, which by several."""
    counting: dict[str, int] = defaultdict(int)
    has_rule: dict[str, bool] = {}
    for row in rows:
        counting[row.path] += row.params
        has_rule[row.path] = row.has_rule
    held: dict[str, int] = defaultdict(int)
    for record in trace.parameters:
        for holder in _holders(record.name, record.aliases):
            held[holder] += record.numel
    classes = {module.path: module.module_class for module in trace.uncalled}
    classes |= {call.path: call.module_class for call in trace.calls}
    called = {call.path for call in trace.calls}
    # A row for a module above may have taken the parameters along.
    spare = sum(max(n - held[path], 0) for path, n in counting.items())
    for record in trace.parameters:
        holders = _holders(record.name, record.aliases)
        times = sum(1 for holder in holders if counting[holder] >= held[holder] > 0)
        where, module_class = record.name.rpartition(".")[0], ""
        module_class = classes.get(where, "")
        if times > 1:
            sharing = _(" and ").join(holders)
            notes.add("shared parameters", sharing, module_class, params=(times - 1) * record.numel)
        elif times == 0 and spare >= record.numel:
            spare -= record.numel
        elif times == 0:
            notes.add(
                _why_lost(where in called, record.read), where, module_class, params=-record.numel
            )


def _holders(name: str, aliases: tuple[str, ...]) -> list[str]:
    """Paths of the modules that hold a parameter, under its own name and its aliases."""
    return list(dict.fromkeys(known.rpartition(".")[0] for known in (name, *aliases)))


def _why_lost(module_called: bool, read: bool) -> Cause:
    if module_called:
        return "parameters outside layers"
    return "parameters used elsewhere" if read else "parameters never executed"
