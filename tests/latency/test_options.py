"""Number type, layout, compiler, graph, memory: asked for, done, recorded, put back."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from explorer.errors import MeasurementError
from explorer.latency import Environment, LatencyRecord, Progress, measure, measure_latency, plan
from explorer.latency.device import queue_of
from explorer.latency.memory import advice, forward_bytes, largest_batch
from explorer.latency.runs import Samples
from explorer.trace import trace_model

SHAPE = (2, 3, 8, 8)


class Net(nn.Module):
    """Notes how its input and its weights lie in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.seen: list[Tensor] = []
        self.weights: list[Tensor] = []
        self.fails: Exception | None = None

    def forward(self, x: Tensor) -> Tensor:
        if not x.is_meta:
            self.seen.append(x)
            self.weights.append(self.conv.weight)
            if self.fails:
                raise self.fails
        return self.conv(x)


class OneMillisecond:
    clock = "scripted"

    def time(self, run: Callable[[], object]) -> float:
        run()
        return 1e-3


@pytest.fixture(autouse=True)
def stopwatch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "stopwatch_for", lambda *_: OneMillisecond())


def run(model: nn.Module, **more: Any) -> LatencyRecord:
    return measure_latency(model, SHAPE, device="cpu", **{"warmup": 1, "runs": 3, **more})


# ---------------------------------------------------------------------- layout


def test_channels_last_lays_out_weights_and_input_and_leaves_the_user_s_as_they_were() -> None:
    model = Net()
    before = model.conv.weight.data_ptr()
    record = run(model, channels_last=True)
    last = torch.channels_last
    assert record.channels_last
    # A copy ran; it shares the list, which deepcopy has copied with it.
    assert model.seen == []
    assert model.conv.weight.data_ptr() == before
    assert not model.conv.weight.is_contiguous(memory_format=last)

    ran: list[nn.Module] = []
    prepared = measure._prepared
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "_prepared", lambda p: ran.append(prepared(p)) or ran[0])
        run(model, channels_last=True)
    (copied,) = ran
    assert copied.conv.weight.is_contiguous(memory_format=last)
    assert all(x.is_contiguous(memory_format=last) for x in copied.seen)
    assert not run(model).channels_last


def test_channels_last_needs_four_axes() -> None:
    with pytest.raises(MeasurementError, match=r"shape \(1, 3, 5\) has 3 axes"):
        measure_latency(Net(), (1, 3, 5), device="cpu", channels_last=True)


# ---------------------------------------------------------------------- compiler


def test_the_compiled_model_runs_and_the_compiler_forgets_before_and_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log: list[str] = []

    def compiled(module: nn.Module) -> Callable[..., object]:
        log.append("compile")

        def call(*inputs: Tensor) -> object:
            log.append("run")
            return module(*inputs)

        return call

    monkeypatch.setattr(torch, "compile", compiled)
    monkeypatch.setattr(torch.compiler, "reset", lambda: log.append("forget"))
    record = run(Net(), compiled=True)
    assert record.compiled
    assert log == ["forget", "compile", *["run"] * 8, "forget"]  # five to settle, three timed
    log.clear()
    assert not run(Net()).compiled
    assert log == []


def test_a_model_that_cannot_be_compiled_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    error = type("BackendCompilerFailed", (RuntimeError,), {"__module__": "torch._dynamo.exc"})

    def refuses(module: nn.Module) -> Callable[..., object]:
        def call(*_: Tensor) -> object:
            raise error("no compiler here\nand more")

        return call

    monkeypatch.setattr(torch, "compile", refuses)
    with pytest.raises(MeasurementError, match=r"cannot translate Net on cpu \(no compiler here\)"):
        run(Net(), compiled=True)


# ---------------------------------------------------------------------- CUDA graph


def test_replays_are_timed_beside_the_eager_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    replays: list[str] = []
    stages: list[str] = []

    def capture(run: Callable[[], object]) -> Callable[[], object]:
        assert torch.is_inference_mode_enabled()
        run()
        return lambda: replays.append("replay")

    monkeypatch.setattr(measure, "capture_for", lambda _: capture)
    model = Net()
    record = run(model, progress=lambda p: stages.append(p.stage))
    assert (record.graph_ms, record.graph_p10_ms, record.graph_p90_ms) == (1.0, 1.0, 1.0)
    assert record.graph_runs == 3
    assert len(replays) == 1 + 3  # once untimed
    assert len(model.seen) == 8 + 1  # a replay runs no Python
    assert stages[-3:] == ["replaying"] * 3
    assert run(model, cuda_graph=False).graph_ms is None


@pytest.mark.parametrize(
    ("error", "note"),
    [
        (RuntimeError("a stream waits\nCUDA says more"), "as a CUDA graph: a stream waits"),
        (torch.OutOfMemoryError("full"), "not enough memory"),
    ],
)
def test_a_pass_that_cannot_be_captured_leaves_a_note_and_the_eager_time(
    error: Exception, note: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def capture(_: object) -> Callable[[], object]:
        raise error

    monkeypatch.setattr(measure, "capture_for", lambda _: capture)
    record = run(Net())
    assert record.median_ms == pytest.approx(1)
    assert record.graph_ms is None
    assert record.graph_runs == 0
    assert note in record.graph_note


# ---------------------------------------------------------------------- TF32


def test_a_gpu_measures_with_tf32_as_asked_and_gives_it_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[bool, bool]] = []
    backends: Any = torch.backends

    def switches() -> tuple[bool, bool]:
        return backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32

    def taken(*_: object, layered: bool) -> measure._Taken:
        seen.append(switches())
        return measure._Taken(
            Samples([1e-3], 5, True), measure._Replays([]), 77, "x", "CUDA events", None
        )

    monkeypatch.setattr(plan, "resolve_device", lambda _: torch.device("cuda", 0))
    for module in (plan, measure):
        monkeypatch.setattr(module, "free_memory", lambda _: None)
    environment = Environment("cuda:0", "A GPU", "1", "2", "3", 4, None, "5")
    monkeypatch.setattr(measure, "describe", lambda *_: environment)
    monkeypatch.setattr(measure, "_taken", taken)
    before = switches()
    records = [run(Net(), tf32=tf32, flush_l2=tf32) for tf32 in (True, False)]
    assert seen == [(True, True), (False, False)]
    assert switches() == before
    assert [(r.tf32, r.l2_flushed, r.peak_memory_bytes) for r in records] == [
        (True, True, 77),
        (False, False, 77),
    ]


# ---------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("device", "settings", "sentence"),
    [
        ("cpu", {"tf32": True}, "leave tf32 off on cpu"),
        ("cuda:0", {"tf32": True, "dtype": "float16"}, "leave tf32 off with float16"),
        ("cpu", {"cuda_graph": True}, "leave cuda_graph off on cpu"),
        ("cpu", {"flush_l2": True}, "leave flush_l2 off on cpu"),
        ("mps", {"dtype": "float64"}, "MPS has no float64: choose float32"),
        ("cpu", {"threads": 10**6}, "threads=1,000,000 should be at most"),
    ],
)
def test_an_option_that_means_nothing_here_is_refused(
    device: str, settings: dict[str, Any], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "resolve_device", lambda _: torch.device(device))
    with pytest.raises(MeasurementError, match=sentence):
        run(Net(), **settings)


def test_a_type_without_a_kernel_is_said_with_what_would_work() -> None:
    model = Net()
    model.fails = RuntimeError("\"slow_conv2d_cpu\" not implemented for 'Half'")
    with pytest.raises(MeasurementError, match=r"cannot run in float16 on cpu.*Choose float32"):
        run(model.half(), dtype="float16")


# ---------------------------------------------------------------------- memory


def test_the_largest_batch_is_what_the_activations_leave_room_for() -> None:
    trace = trace_model(Net(), SHAPE)
    # For two images: 4,032 bytes of activations with scratch; (4*3*3*3 + 4) * 4 = 448 of weights.
    assert forward_bytes(trace) == 4_032 + 448
    assert largest_batch(trace, 2, 448 + 10 * 2_016, torch.float32, weights=True) == 10
    assert largest_batch(trace, 2, 448 + 10 * 2_016 - 1, torch.float32, weights=True) == 9
    assert largest_batch(trace, 2, 224 + 10 * 1_008, torch.float16, weights=True) == 10
    assert largest_batch(trace, 2, 10 * 2_016, torch.float32, weights=False) == 10
    assert largest_batch(trace, 2, 400, torch.float32, weights=True) == 0
    assert advice(1_000) == "the largest batch that would fit is about 1,000."
    assert "not even one image" in advice(0)


def set_free(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    for module in (plan, measure):
        monkeypatch.setattr(module, "free_memory", lambda _: free)


def test_what_will_not_fit_is_refused_with_the_batch_that_would(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_free(monkeypatch, 10 * 2_016)
    with pytest.raises(MeasurementError, match=r"batch 11 needs .* would fit is about 10\."):
        measure_latency(Net(), (11, 3, 8, 8), device="cpu")
    with pytest.raises(MeasurementError, match="not even one image would fit"):
        measure_latency(Net(), (1, 3, 80, 80), device="cpu")


def test_an_absurd_batch_is_refused_with_the_batch_that_would_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_free(monkeypatch, 448 + 10 * 2_016)
    with pytest.raises(MeasurementError, match=r"input alone .* would fit is about 10\."):
        measure_latency(Net(), (10**9, 3, 8, 8), device="cpu")


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("can't allocate memory: 9 bytes")],
)
def test_running_out_of_memory_is_said_with_a_smaller_batch(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Net()
    model.fails = error
    set_free(monkeypatch, 5 * 2_016)  # by the estimate a batch of 5
    with pytest.raises(MeasurementError, match=r"running at batch 4: .* about 2\."):
        measure_latency(model, (4, 3, 8, 8), device="cpu")  # the estimate was wrong
    free = iter([10**9, 10**9, 5 * 2_016, 5 * 2_016])
    for module in (plan, measure):  # enough at first, then somebody else took it
        monkeypatch.setattr(module, "free_memory", lambda _: next(free))
    with pytest.raises(MeasurementError, match=r"running at batch 16: .* about 5\."):
        measure_latency(model, (16, 3, 8, 8), device="cpu")


def test_memory_is_free_when_the_sentence_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    class Cancel:
        asked = 0

        def is_set(self) -> bool:
            self.asked += 1
            return self.asked > 4

    held: list[weakref.ref[Any]] = []
    prepared, drawn = measure._prepared, measure._random_input

    def watched(made: Any) -> Any:
        held.append(weakref.ref(made))
        return made

    monkeypatch.setattr(measure, "_prepared", lambda p: watched(prepared(p)))
    monkeypatch.setattr(measure, "_random_input", lambda *a: watched(drawn(*a)))
    with pytest.raises(MeasurementError, match="cancelled") as raised:
        run(Net(), dtype="bfloat16", cancel=Cancel())  # a copy in another type
    assert raised.value.__traceback__  # the error is alive, and what it came through is not
    assert len(held) == 2
    assert [ref() for ref in held] == [None, None]


def test_who_cancels_before_it_begins_builds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "_prepared", lambda _: pytest.fail("built"))
    with pytest.raises(MeasurementError, match="cancelled"):
        run(Net(), cancel=SimpleNamespace(is_set=lambda: True))


def test_who_waits_is_told_the_place_and_can_leave_the_queue() -> None:
    told: list[Progress] = []
    queue = queue_of(torch.device("cpu"))

    cancel = SimpleNamespace(is_set=lambda: bool(told))
    with (
        queue.turn(lambda _: None, lambda: None),
        pytest.raises(MeasurementError, match="cancelled"),
    ):
        run(Net(), cancel=cancel, progress=told.append)
    assert told == [Progress("queued", ahead=1)]
    assert run(Net()).runs == 3  # nobody is left in the way


def test_a_peak_is_of_the_timed_runs_and_of_this_model_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, log = Net(), []

    class Meter:
        source = "an allocator"

        def now(self) -> int:
            log.append(("now", len(model.seen)))
            return 10_000  # of others, and of the model's own weights, which were there before

        def reset(self) -> None:
            log.append(("reset", len(model.seen)))

        def peak(self) -> int:
            log.append(("peak", len(model.seen)))
            return 13_000

    monkeypatch.setattr(measure, "peak_meter_for", lambda _: Meter())
    record = run(model)
    assert log == [("now", 0), ("reset", 5), ("peak", 8)]
    assert record.peak_memory_bytes == 3_000 + 448
    assert record.peak_memory_note == "an allocator"


def test_a_cpu_s_peak_is_said_not_to_be_measured() -> None:
    record = run(Net())
    assert record.peak_memory_bytes is None
    assert "not measured" in record.peak_memory_note


def test_no_collection_is_left_off_and_progress_has_known_stages() -> None:
    told: list[Progress] = []
    run(Net(), progress=told.append)
    assert gc.isenabled()
    assert {p.stage for p in told} == {"preparing", "warming up", "measuring"}
