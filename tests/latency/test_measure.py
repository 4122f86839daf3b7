"""Latency by construction: the order of calls and a scripted clock, never the wall clock."""

from __future__ import annotations

import gc
import pickle
import threading
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from explorer.errors import InputSizeError, MeasurementError, UnknownModelError
from explorer.latency import LatencyRecord, Progress, measure_latency, plan
from explorer.latency import measure as module_under_test
from explorer.latency.clock import CudaStopwatch, HostStopwatch
from explorer.latency.memory import peak_activation_bytes, weight_bytes
from explorer.latency.runs import percentile
from explorer.trace import trace_model


class Witness(nn.Module):
    """Notes in which state the process is whenever its forward runs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.dropout = nn.Dropout()
        self.seen: list[dict[str, object]] = []

    def forward(self, x: Tensor) -> Tensor:
        if not x.is_meta:
            self.seen.append(
                {
                    "training": self.training or self.dropout.training,
                    "inference": torch.is_inference_mode_enabled(),
                    "collector": gc.isenabled(),
                    "threads": torch.get_num_threads(),
                    "weight": self.conv.weight.data_ptr(),
                    "dtype": self.conv.weight.dtype,
                    "input": x.dtype,
                }
            )
        return self.dropout(self.conv(x))


class ScriptedStopwatch:
    """Really runs what it is given, and answers with the next of the times it was told."""

    clock = "scripted"

    def __init__(self, *milliseconds: float, log: list[str] | None = None) -> None:
        self.times = list(milliseconds)
        self.log = log if log is not None else []

    def time(self, run: Callable[[], object]) -> float:
        run()
        self.log.append("run")
        return self.times.pop(0) / 1e3 if len(self.times) > 1 else self.times[0] / 1e3


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ScriptedStopwatch]:
    def install(*milliseconds: float, log: list[str] | None = None) -> ScriptedStopwatch:
        stopwatch = ScriptedStopwatch(*milliseconds, log=log)
        monkeypatch.setattr(module_under_test, "stopwatch_for", lambda *_: stopwatch)
        return stopwatch

    return install


def measure(
    model: nn.Module, shape: tuple[int, ...] = (2, 3, 8, 8), **more: object
) -> LatencyRecord:
    return measure_latency(model, shape, device="cpu", **more)  # type: ignore[arg-type]


# ---------------------------------------------------------------------- the clock


class FakeCuda:
    """What `CudaStopwatch` uses of torch.cuda, writing down each call."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.events = 0

    def Event(self, *, enable_timing: bool) -> FakeEvent:
        assert enable_timing
        self.events += 1
        return FakeEvent(self.log, "start" if self.events % 2 else "end")

    def synchronize(self) -> None:
        self.log.append("synchronize")


class FakeEvent:
    def __init__(self, log: list[str], name: str) -> None:
        self.log, self.name = log, name

    def record(self) -> None:
        self.log.append(self.name)

    def elapsed_time(self, other: FakeEvent) -> float:
        self.log.append(f"elapsed {self.name}-{other.name}")
        return 12.5


def test_the_gpu_is_idle_before_the_first_event_and_done_before_the_events_are_read() -> None:
    cuda = FakeCuda()
    seconds = CudaStopwatch(cuda).time(lambda: cuda.log.append("run"))
    assert cuda.log == ["synchronize", "start", "run", "end", "synchronize", "elapsed start-end"]
    assert seconds == 0.0125  # elapsed_time answers in milliseconds


def test_the_host_clock_is_read_only_while_the_device_is_idle() -> None:
    log: list[str] = []
    readings = iter([100.0, 100.25])

    def now() -> float:
        log.append("clock")
        return next(readings)

    stopwatch = HostStopwatch(lambda: log.append("synchronize"), now)
    assert stopwatch.time(lambda: log.append("run")) == 0.25
    assert log == ["synchronize", "clock", "run", "synchronize", "clock"]


# ---------------------------------------------------------------------- the runs


def test_every_run_is_in_eval_and_inference_mode_without_garbage_collection(script) -> None:
    script(1.0)
    model = Witness().train()
    measure(model, warmup=2, runs=4)
    assert len(model.seen) == 5 + 4  # five equal warm-up runs show that times have settled
    for state in model.seen:
        assert state["training"] is False
        assert state["inference"] is True
        assert state["collector"] is False


def test_warm_up_ends_when_five_times_in_a_row_are_alike_and_is_not_counted(script) -> None:
    # 9 8 7 2 2 2 2 2: the last five lie within a tenth after the eighth run.
    script(9, 8, 7, 2, 2, 2, 2, 2, 5)
    record = measure(Witness(), warmup=1, runs=10)
    assert record.warmup_runs == 8
    assert record.stable
    assert (record.median_ms, record.p90_ms) == (pytest.approx(5), pytest.approx(5))


def test_warm_up_never_has_fewer_runs_than_asked_for(script) -> None:
    script(1)
    assert measure(Witness(), warmup=12, runs=3).warmup_runs == 12


def test_times_that_never_settle_end_the_warm_up_and_are_said_to_be_unstable(script) -> None:
    script(*[1, 3] * 100)
    record = measure(Witness(), runs=4)
    assert record.warmup_runs == 50
    assert not record.stable


def test_the_time_limit_ends_warm_up_and_runs_but_leaves_three(script) -> None:
    script(400)
    record = measure(Witness(), max_seconds=1, runs=50)
    # The first run is free, the second brings 0.4 s > 1/3 s; then 0.4 + 3 * 0.4 > 1.
    assert (record.warmup_runs, record.runs) == (2, 3)


def test_a_slow_first_run_is_not_held_against_the_model(script) -> None:
    script(30_000, 10)
    record = measure(Witness(), max_seconds=1, runs=5)
    assert record.median_ms == pytest.approx(10)


def test_a_forward_longer_than_the_limit_is_refused(script) -> None:
    script(3000)
    with pytest.raises(MeasurementError, match="takes 3 s here, more than the 1 s"):
        measure(Witness(), max_seconds=1)


def test_the_record_says_median_spread_and_images_per_second(script) -> None:
    script(*[4.0] * 5, 1, 2, 3, 4, 5)
    record = measure(Witness(), warmup=1, runs=5)
    assert record.runs == 5
    assert record.median_ms == pytest.approx(3)
    assert record.p10_ms == pytest.approx(1.4)  # 0.1 * 4 intervals above 1
    assert record.p90_ms == pytest.approx(4.6)
    assert record.iqr_ms == pytest.approx(2)  # from 2 to 4
    assert record.spread == pytest.approx(2 / 3)
    assert record.batch == 2
    assert record.images_per_second == pytest.approx(2 / 0.003)
    assert record.source == "measured"
    assert record.clock == "scripted"


def test_the_record_carries_its_environment_and_pickles(script) -> None:
    script(1)
    record = measure(Witness(), threads=1)
    assert record.environment.device == "cpu"
    assert record.environment.torch == torch.__version__
    assert record.environment.threads == 1
    assert record.environment.date.endswith("+00:00")
    assert record.environment.device_name
    assert record.model == "Witness"
    assert pickle.loads(pickle.dumps(record)) == record


def test_percentile_lies_between_neighbours_in_proportion() -> None:
    assert percentile([3, 1, 2], 0.5) == 2
    assert percentile([10, 20], 0.25) == 12.5
    assert percentile([7], 0.9) == 7


def test_progress_tells_each_stage_in_order(script) -> None:
    script(1)
    told: list[Progress] = []
    measure(Witness(), warmup=1, runs=2, progress=told.append)
    assert [p.stage for p in told] == ["preparing"] + ["warming up"] * 5 + ["measuring"] * 2
    assert told[-1] == Progress("measuring", done=2, total=2)


def test_a_measurement_that_is_cancelled_stops_at_the_next_run(script) -> None:
    log: list[str] = []
    script(1, log=log)
    cancel = threading.Event()

    def stop_after_two_timed(progress: Progress) -> None:
        if progress.stage == "measuring" and progress.done == 2:
            cancel.set()

    with pytest.raises(MeasurementError, match="cancelled"):
        measure(Witness(), warmup=1, runs=50, cancel=cancel, progress=stop_after_two_timed)
    assert len(log) == 5 + 2


# ---------------------------------------------------------------------- the user's module


def test_a_module_on_the_device_is_timed_where_it_stands(script) -> None:
    script(1)
    model = Witness()
    measure(model)
    assert {state["weight"] for state in model.seen} == {model.conv.weight.data_ptr()}


def test_the_modules_own_modes_are_put_back(script) -> None:
    script(1)
    model = Witness().train()
    model.dropout.eval()  # frozen by hand, as fine-tuning code does
    measure(model)
    assert (model.training, model.conv.training, model.dropout.training) == (True, True, False)


class Raises(Witness):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def forward(self, x: Tensor) -> Tensor:
        if not x.is_meta:
            raise self.error
        return self.conv(x)


def test_everything_is_put_back_when_the_forward_raises(script) -> None:
    script(1)
    model = Raises(ValueError("the model's own bug")).train()
    threads = torch.get_num_threads()
    with pytest.raises(ValueError, match="own bug"):
        measure(model, threads=2)
    assert model.training
    assert gc.isenabled()
    assert torch.get_num_threads() == threads
    measure(Witness())  # the device is free again


def test_a_missing_kernel_and_missing_memory_are_said_in_a_sentence(script) -> None:
    script(1)
    kernel = RuntimeError("\"slow_conv2d_cpu\" not implemented for 'Half'")
    with pytest.raises(MeasurementError, match="cannot run in float16 on cpu"):
        measure(Raises(kernel), dtype="float16")
    for error in (
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ):
        with pytest.raises(MeasurementError, match="cpu ran out of memory while Raises was"):
            measure(Raises(error))


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.second = nn.Linear(6, 6)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        if not x.is_meta:
            same = self.first.weight is self.second.weight
            TIED_SEEN.append((same, self.first.weight.dtype, x.dtype))
        return self.second(self.first(x))


TIED_SEEN: list[tuple[bool, torch.dtype, torch.dtype]] = []


def test_another_dtype_times_a_copy_and_leaves_the_module_alone(script) -> None:
    script(1)
    TIED_SEEN.clear()
    model = Tied()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    measure(model, (1, 6), dtype="bfloat16")
    assert set(TIED_SEEN) == {(True, torch.bfloat16, torch.bfloat16)}
    assert model.first.weight is model.second.weight
    for name, tensor in model.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, before[name])


def test_a_copy_for_another_dtype_never_holds_a_weight_twice(
    script, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(1)

    def copied(weight: nn.Parameter, memo: object) -> nn.Parameter:
        pytest.fail("a weight was copied as it was, before it was converted")

    monkeypatch.setattr(nn.Parameter, "__deepcopy__", copied)
    assert measure(Witness(), dtype="bfloat16").dtype == "bfloat16"


def test_threads_are_set_for_the_runs_and_put_back(script) -> None:
    script(1)
    before = torch.get_num_threads()
    model = Witness()
    record = measure(model, threads=2)
    assert {state["threads"] for state in model.seen} == {2}
    assert record.environment.threads == 2
    assert torch.get_num_threads() == before


def test_several_inputs_are_all_given(script) -> None:
    script(1)

    class Sum(nn.Module):
        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return a.mean() + b.mean()

    record = measure(Sum(), ((3, 4), (3, 7)))
    assert record.input_shape == ((3, 4), (3, 7))
    assert record.batch == 3


# ---------------------------------------------------------------------- registered models


def test_a_registered_model_runs_on_weights_of_ordinary_size(
    script, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(1)
    built: list[nn.Module] = []
    prepare = module_under_test._prepared

    def keep(*args: object, **kwargs: object) -> nn.Module:
        built.append(prepare(*args, **kwargs))  # type: ignore[arg-type]
        return built[-1]

    monkeypatch.setattr(module_under_test, "_prepared", keep)
    record = measure_latency(
        "alexnet", (1, 3, 64, 64), options={"num_classes": 7}, device="cpu", runs=3
    )
    assert record.model == "alexnet"
    assert record.options == (("num_classes", 7),)
    smallest_normal = torch.finfo(torch.float32).tiny
    for name, parameter in built[0].named_parameters():
        assert torch.isfinite(parameter).all(), name
        tiny = (parameter != 0) & (parameter.abs() < smallest_normal)
        assert not tiny.any(), f"{name} holds denormal numbers"
        if parameter.dim() > 1:
            assert 1e-3 < float(parameter.detach().std()) < 1, name


def test_an_unknown_name_and_an_impossible_size_say_so() -> None:
    with pytest.raises(UnknownModelError, match="alexnet"):
        measure_latency("alexnett", (1, 3, 224, 224), device="cpu")
    with pytest.raises(InputSizeError):
        measure_latency("alexnet", (1, 3, 8, 8), device="cpu")


# ---------------------------------------------------------------------- refusals


@pytest.fixture
def free_bytes(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    def install(free: int) -> None:
        for module in (plan, module_under_test):
            monkeypatch.setattr(module, "free_memory", lambda _: free)

    return install


def test_a_batch_of_a_billion_is_refused_before_anything_is_built(free_bytes) -> None:
    free_bytes(2**30)
    with pytest.raises(MeasurementError, match="input alone would take"):
        measure_latency("alexnet", (10**9, 3, 224, 224), device="cpu")


def test_a_model_whose_activations_do_not_fit_is_refused(free_bytes, script) -> None:
    script(1)
    # Input 2*3*8*8 and output 2*4*6*6 floats: (384 + 288) * 4 = 2,688 bytes, half as much again
    # for scratch = 4,032; the module is there already, its weights need nothing more.
    free_bytes(4_031)
    with pytest.raises(MeasurementError, match="Witness at batch 2 needs about"):
        measure(Witness())
    free_bytes(4_032)
    measure(Witness())


def test_weights_that_must_be_copied_are_part_of_the_need(free_bytes, script) -> None:
    script(1)
    # In bfloat16: 2,016 as above halved, and (4*3*3*3 + 4) * 2 = 224 bytes of weights.
    free_bytes(2_016 + 224 - 1)
    with pytest.raises(MeasurementError, match="needs about"):
        measure(Witness(), dtype="bfloat16")
    free_bytes(2_016 + 224)
    measure(Witness(), dtype="bfloat16")


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"input_shape": (0, 3, 8, 8)}, "whole numbers from 1 on"),
        ({"input_shape": (1, 3, 8, -8)}, "whole numbers from 1 on"),
        ({"input_shape": (1, 3, 8.5, 8)}, "whole numbers from 1 on"),
        ({"input_shape": ()}, "whole numbers from 1 on"),
        ({"dtype": "int8"}, "choose float32, float16"),
        ({"runs": 0}, "runs=0 should be"),
        ({"threads": 0}, "threads=0 should be"),
        ({"warmup": 0}, "warmup=0 should be"),
        ({"max_seconds": 0}, "max_seconds=0 should be above 0"),
        ({"device": "tpu"}, "no device 'tpu'.*choose auto or .*cpu"),
        ({"device": "cuda:97"}, "no device 'cuda:97'"),
    ],
)
def test_an_impossible_setting_is_refused_in_a_sentence(setting, sentence) -> None:
    arguments = {"input_shape": (1, 3, 8, 8), "device": "cpu", **setting}
    with pytest.raises(MeasurementError, match=sentence):
        measure_latency(Witness(), **arguments)


def test_a_model_without_weights_is_refused() -> None:
    with torch.device("meta"):
        model = Witness()
    with pytest.raises(MeasurementError, match="meta device"):
        measure(model)


# ---------------------------------------------------------------------- memory from a trace


def test_peak_activation_is_the_most_that_lives_at_once() -> None:
    class Chain(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            a = torch.cat([x, x], dim=1)
            b = torch.cat([a, a], dim=1)
            del a
            return b[:, :1] + 1

    trace = trace_model(Chain(), (1, 100))
    # x: 400 bytes, a: 800, b: 1,600 alive together; later x, b and the result's 4 are less.
    assert peak_activation_bytes(trace) == 400 + 800 + 1600


def test_weight_bytes_counts_shared_weights_once_and_buffers_too() -> None:
    class Normed(Tied):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(6)

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(super().forward(x))

    # One 6*6 weight, two biases of 6; gamma, beta, mean, variance of 6: 72 floats; an int64 count.
    assert weight_bytes(trace_model(Normed(), (2, 6))) == 72 * 4 + 8


@pytest.fixture(autouse=True)
def nothing_is_left_changed() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    assert gc.isenabled()
    assert torch.get_num_threads() == threads
    assert not torch.is_inference_mode_enabled()


def test_a_model_of_one_size_is_measured_at_the_input_s() -> None:
    record = measure_latency(
        "deit_tiny_patch16_224", (1, 3, 32, 64), options={"depth": 1}, runs=2, warmup=1
    )
    assert record.runs == 2
