"""The other counters, really run in their own process, and the reasons found for each gap."""

from __future__ import annotations

import importlib.metadata
import os
import pickle
import signal
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from explorer.analysis import _peers, crosscheck
from explorer.analysis.crosscheck import CrossCheck, ToolReport, cross_check, cross_check_module
from explorer.errors import UnknownModelError
from explorer.trace import trace_model

PATIENCE = 600  # seconds; a busy machine is no failure


def report(check: CrossCheck, tool: str) -> ToolReport:
    return next(r for r in check.reports if r.tool == tool)


def shares(found: ToolReport) -> dict[str, tuple[int, int]]:
    return {reason.cause: (reason.macs, reason.params) for reason in found.reasons}


class Tokens(nn.Module):
    """A vision transformer in small: every trouble that hooks have, in numbers one can add."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, stride=4)
        self.class_token = nn.Parameter(torch.zeros(1, 1, 8))
        self.norm = nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.mlp = nn.Linear(8, 16)
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = self.norm(torch.cat([self.class_token.expand(len(x), -1, -1), x], dim=1))
        x = self.attention(x, x, x, need_weights=False)[0]
        return self.head(self.mlp(x)[:, 0])


@pytest.fixture(scope="module")
def tokens() -> CrossCheck:
    """At (2, 3, 8, 8): 2 images of 4 patches and the class token, 5 tokens of width 8.

    conv 2*8*2*2 * 3*4*4 = 3,072; projections of Q, K, V 2*5*8 * 24 = 1,920; QK^T and AV
    2*5*5*8 = 400 each; projection of the output 2*5*8*8 = 640; mlp 2*5*8*16 = 1,280; head
    2*16*5 = 160. Parameters: 392 + 8 + 16 + (192 + 24 + 64 + 8) + 144 + 85 = 933.
    """
    return cross_check_module(Tokens, (2, 3, 8, 8), timeout=PATIENCE)


@pytest.mark.slow
def test_the_exact_counts_are_the_traces_and_flop_counter_mode_agrees(tokens: CrossCheck) -> None:
    assert tokens.macs == 3072 + 1920 + 2 * 400 + 640 + 1280 + 160 == 7872
    assert tokens.params == 933
    found = report(tokens, "FlopCounterMode")
    assert found.macs == 7872
    assert found.params is None
    assert found.agrees
    assert found.summary == "FlopCounterMode agrees."


@pytest.mark.slow
def test_every_mac_that_thop_misses_or_adds_has_its_reason(tokens: CrossCheck) -> None:
    found = report(tokens, "thop")
    # conv 3,072, mlp 1,280, head 160, and 4 for each of the norm's 2*5*8 = 80 elements.
    assert found.macs == 3072 + 1280 + 160 + 4 * 80
    assert found.macs_gap == found.macs - 7872 == -3040
    assert {cause: macs for cause, (macs, _) in shares(found).items() if macs} == {
        "layers as functions": -(1920 + 640),
        "attention as functions": -800,
        "normalization counted": 320,
    }
    assert found.unexplained_macs == 0
    assert found.macs_percent == pytest.approx(100 * -3040 / 7872)
    sentences = {reason.cause: reason.sentence for reason in found.reasons}
    assert "MultiheadAttention" in sentences["attention as functions"]
    assert "(4 for each element)" in sentences["normalization counted"]


@pytest.mark.slow
def test_every_parameter_that_thop_loses_has_its_reason(tokens: CrossCheck) -> None:
    found = report(tokens, "thop")
    assert found.params == 392 + 16 + 144 + 85
    assert {cause: params for cause, (_, params) in shares(found).items() if params} == {
        "parameters outside layers": -(8 + 192 + 24),  # class token; Q, K, V
        "parameters used elsewhere": -(64 + 8),  # out_proj, which never runs as a module
    }
    assert found.unexplained_params == 0


@pytest.mark.slow
def test_torchinfo_ignores_tokens_and_counts_biases(tokens: CrossCheck) -> None:
    found = report(tokens, "torchinfo")
    # conv (384 + 8) * 2*2*2, norm 2*16, mlp 2*(128 + 16), head 2*(80 + 5).
    assert found.macs == 3136 + 32 + 288 + 170
    assert {cause: macs for cause, (macs, _) in shares(found).items()} == {
        "layers as functions": -(1920 + 640),
        "tokens ignored": 2 * 128 - 1280,
        "attention as functions": -800,
        "bias counted": 2 * 2 * 2 * 8 + 2 * 16 + 2 * 5,
        "normalization counted": 32,
    }
    assert found.params_gap == 0
    assert found.unexplained_macs == 0
    assert found.summary == "The reasons below explain the whole gap."


@pytest.mark.slow
def test_the_result_carries_versions_and_times_and_pickles(tokens: CrossCheck) -> None:
    for found in tokens.reports:
        assert found.version
        assert found.seconds is not None
        assert found.seconds > 0
    assert [found.tool for found in tokens.reports] == list(crosscheck.TOOLS)
    assert pickle.loads(pickle.dumps(tokens)) == tokens


@pytest.mark.slow
def test_a_registered_model_is_compared_with_its_options() -> None:
    before = set(sys.modules)
    check = cross_check("resnet20", {"num_classes": 7}, (2, 3, 16, 16), timeout=PATIENCE)
    trace = trace_model("resnet20", (2, 3, 16, 16), options={"num_classes": 7})
    assert (check.params, check.macs) == (trace.params, trace.macs)
    assert check.options == (("num_classes", 7),)
    assert report(check, "FlopCounterMode").agrees
    thop, torchinfo = report(check, "thop"), report(check, "torchinfo")
    elements = sum(
        op.input_tensors[0].nbytes // 4 for op in trace.ops if op.kind == "normalization"
    )
    assert shares(thop)["normalization counted"] == (4 * elements, 0)
    assert shares(torchinfo)["bias counted"] == (2 * 7, 0)  # of the one linear layer
    for found in (thop, torchinfo):
        assert found.params == trace.params
        assert found.macs_gap > 0
        assert found.unexplained_macs == 0
    # The tools never enter this process.
    assert not {"thop", "torchinfo"} & (set(sys.modules) - before)


class FailsThenDies(nn.Module):
    """Raises in the first real forward pass of a process and ends it in the second."""

    runs = 0

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        if not x.is_meta:
            FailsThenDies.runs += 1
            if FailsThenDies.runs > 1:
                os.kill(os.getpid(), signal.SIGKILL)
            raise ValueError("no forward today\nsecond line")
        return self.linear(x)


@pytest.mark.slow
def test_a_failure_and_a_crash_are_one_sentence_each_and_cost_no_other_answer() -> None:
    check = cross_check_module(FailsThenDies, (1, 4), timeout=PATIENCE)
    assert report(check, "FlopCounterMode").macs == 16
    torchinfo, thop = report(check, "torchinfo"), report(check, "thop")
    assert torchinfo.problem.startswith("torchinfo failed: RuntimeError, ")
    assert "thop was ended by the system (signal 9)" in thop.problem
    for found in (torchinfo, thop):
        assert "\n" not in found.problem
        assert found.macs is None
        assert not found.agrees
        assert found.summary == found.problem


def test_a_process_that_takes_too_long_is_ended_and_said_to() -> None:
    check = cross_check("lenet5", {}, (1, 1, 32, 32), timeout=0.01)
    for found in check.reports:
        assert found.problem == f"{found.tool} did not finish within 0.01 s."


# ---------------------------------------------------------------------- without a process


class TwoNames(nn.Module):
    """`b` shares `a`'s weight, `never` is not called."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(8, 8, bias=False)
        self.b = nn.Linear(8, 8, bias=False)
        self.b.weight = self.a.weight
        self.never = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.a(x))


def answer(macs: int, params: int | None, *rows: tuple[Any, ...]) -> dict[str, Any]:
    return {"version": "1", "seconds": 0.1, "macs": macs, "params": params, "rows": rows}


def test_shared_and_uncalled_parameters_are_told_apart() -> None:
    trace = trace_model(TwoNames(), (1, 8))
    rows = [("a", "Linear", 64, 64, True, True), ("b", "Linear", 64, 64, True, True)]
    found = crosscheck._report(trace, "thop", answer(128, 128, *rows))
    assert trace.params == 64 + 12
    assert found.params_gap == 52
    assert shares(found) == {
        "shared parameters": (0, 64),
        "parameters never executed": (0, -12),
    }
    assert found.unexplained_params == 0
    assert "a and b" in found.reasons[0].sentence


def test_a_gap_without_a_known_cause_is_said_to_be_unexplained_and_where() -> None:
    trace = trace_model(TwoNames(), (1, 8))
    rows = [("a", "Linear", 65, 64, True, True), ("b", "Linear", 64, 12, True, True)]
    found = crosscheck._report(trace, "thop", answer(129, 76, *rows))
    assert found.macs_gap == found.unexplained_macs == 1
    assert found.reasons == ()
    assert found.summary == "1 MACs of the gap stay unexplained, in a."


def test_a_tool_whose_rows_do_not_make_its_total_leaves_the_rest_unexplained() -> None:
    trace = trace_model(TwoNames(), (1, 8))
    rows = [("a", "Linear", 64, 64, True, True), ("b", "Linear", 64, 0, True, True)]
    found = crosscheck._report(trace, "thop", answer(1000, 76, *rows))
    assert found.unexplained_macs == 1000 - 128
    assert "872 MACs" in found.summary


def test_a_transposed_convolution_counted_at_its_output_is_recognised() -> None:
    # True: 1*4*5*5 inputs * 3 * 3*3 = 2,700 (bias apart). Output 11 x 11: 4*3*9 * 121 = 13,068.
    layer = nn.ConvTranspose2d(4, 3, 3, stride=2)
    trace = trace_model(nn.Sequential(layer), (1, 4, 5, 5))
    assert trace.macs == 2700
    bias = 3 * 121
    row = ("0", "ConvTranspose2d", 13_068 + bias, 111, True, True)
    found = crosscheck._report(trace, "torchinfo", answer(row[2], 111, row))
    assert shares(found) == {
        "transposed convolution": (13_068 - 2700, 0),
        "bias counted": (bias, 0),
    }


def test_a_class_without_a_rule_is_named() -> None:
    trace = trace_model(TwoNames(), (1, 8))
    rows = [("a", "MyLinear", 0, 64, False, True), ("b", "Linear", 64, 12, True, True)]
    found = crosscheck._report(trace, "thop", answer(64, 76, *rows))
    assert shares(found) == {"no rule": (-64, 0)}
    assert found.reasons[0].sentence.startswith("thop has no rule for Linear")


def test_a_layer_that_the_tools_own_run_skipped_is_said_to_be_skipped() -> None:
    trace = trace_model(TwoNames(), (1, 8))
    rows = [("a", "Linear", 0, 64, True, True), ("b", "Linear", 64, 12, True, True)]
    found = crosscheck._report(trace, "thop", answer(64, 76, *rows))
    assert shares(found) == {"not called": (-64, 0)}


def test_a_model_too_large_for_memory_is_only_counted_on_meta(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def ask(request: dict[str, Any], tools: tuple[str, ...], timeout: float) -> dict[str, Any]:
        asked.extend(tools)
        return {"FlopCounterMode": answer(10, None)}

    monkeypatch.setattr(crosscheck, "_ask", ask)
    monkeypatch.setattr(crosscheck, "free_memory", lambda _: 2**20)
    check = cross_check("lenet5", {}, (1, 1, 32, 32))
    assert asked == ["FlopCounterMode"]
    for tool in ("torchinfo", "thop"):
        assert "needs about 0.6 GiB; 0.0 GiB are free" in report(check, tool).problem


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(package: str) -> str:
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    found = _peers._run("thop", nn.Identity, [(1, 4)])
    assert found == {"tool": "thop", "problem": "thop is not installed."}


def test_an_answer_cut_off_in_the_middle_does_not_lose_the_ones_before() -> None:
    output = '{"tool": "FlopCounterMode", "macs": 1}\n{"tool": "torchinfo", "ma'
    assert [a["tool"] for a in crosscheck._json_lines(output)] == ["FlopCounterMode"]


def test_a_process_that_cannot_start_says_its_last_line_only() -> None:
    errors = "Traceback (most recent call last):\n  File ...\nModuleNotFoundError: no torch\n\n"
    sentence, places = crosscheck._ending(1, errors)
    said = sentence.format(tool="thop", **places)
    assert said == "thop could not run: ModuleNotFoundError: no torch"


def test_an_unknown_model_and_a_local_factory_are_refused_before_any_process() -> None:
    with pytest.raises(UnknownModelError):
        cross_check("lenet", {}, (1, 1, 32, 32))
    with pytest.raises(ValueError, match="top level"):
        cross_check_module(lambda: nn.Identity(), (1, 4))


@pytest.mark.parametrize("cause", crosscheck._SENTENCES)
def test_every_sentence_fills_in_and_is_one_line(cause: crosscheck.Cause) -> None:
    notes = crosscheck._Notes("thop")
    notes.add(cause, "layer", "Linear", macs=-1234, params=567)
    (reason,) = notes.reasons()
    assert reason.sentence.endswith(".")
    assert "{" not in reason.sentence
    assert "\n" not in reason.sentence
    assert "1,234" in reason.sentence or "567" in reason.sentence
