"""A pass taken apart: the parts and the whole, hooks and their removal."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from explorer.analysis.layers import layers
from explorer.errors import MeasurementError
from explorer.latency import LayerLatencies, measure, measure_layers
from explorer.latency.layers import LayerProbe, leaf_classes
from explorer.trace import trace_model
from explorer.zoo import build_model


class Ticks:
    """A clock that goes on by what the code that runs says it takes."""

    clock = "ticks"

    def __init__(self) -> None:
        self.now = 0
        self.reading_takes = 0
        self.settled = 0

    def settle(self) -> None:
        self.settled += 1

    def mark(self) -> int:
        self.now += self.reading_takes
        return self.now

    def nanoseconds(self, start: int, end: int) -> int:
        return end - start

    def time(self, run: Callable[[], object]) -> float:
        start = self.now
        run()
        return (self.now - start) / 1e9


class Takes(nn.Module):
    """A layer that takes so many nanoseconds."""

    def __init__(self, ticks: Ticks, nanoseconds: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.ticks, self.nanoseconds = ticks, nanoseconds

    def forward(self, x: Tensor) -> Tensor:
        if not x.is_meta:
            self.ticks.now += self.nanoseconds
        return x * self.weight


class Net(nn.Module):
    """Two layers, the first called twice, with something between them that no hook sees."""

    def __init__(self, ticks: Ticks) -> None:
        super().__init__()
        self.a = Takes(ticks, 1000)
        self.stage = nn.Sequential(Takes(ticks, 30_000))
        self.ticks = ticks

    def forward(self, x: Tensor) -> Tensor:
        x = self.stage(self.a(x))
        if not x.is_meta:
            self.ticks.now += 500
        return self.a(x + 1)


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> Ticks:
    clock = Ticks()
    monkeypatch.setattr(measure, "stopwatch_for", lambda *_: clock)
    monkeypatch.setattr(measure, "marks_for", lambda _: clock)
    return clock


def apart(model: nn.Module, **more: object) -> LayerLatencies:
    return measure_layers(model, (1, 4), device="cpu", runs=4, **more)  # type: ignore[arg-type]


def hooks(model: nn.Module) -> int:
    return sum(
        len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules()
    )


def test_every_call_of_a_leaf_has_its_time_under_the_key_of_the_table(ticks: Ticks) -> None:
    found = apart(Net(ticks))
    assert [(x.key, x.nth, x.nanoseconds, x.module_class) for x in found.layers] == [
        ("a", 0, 1000, "Takes"),
        ("stage.0", 0, 30_000, "Takes"),
        ("a@1", 1, 1000, "Takes"),
    ]
    assert found.layers[0].ms == 0.001


def test_layers_overhead_and_rest_are_exactly_the_pass_with_hooks(ticks: Ticks) -> None:
    ticks.reading_takes = 70
    found = apart(Net(ticks))
    # Without hooks 1,000 + 30,000 + 500 + 1,000 = 32,500. A reading takes 70: three calls read
    # twice each, and one more ends the pass.
    assert found.record.median_ms == pytest.approx(0.0325)
    assert found.hooked_ns == 32_500 + 7 * 70
    assert found.overhead_ns == 7 * 70
    # Within a layer lies the reading at its end.
    assert [x.nanoseconds for x in found.layers] == [1070, 30_070, 1070]
    # What is left of the 500, as three readings lie in the layers and are overhead as well.
    assert found.rest_ns == 500 - 3 * 70
    assert found.layers_ns + found.overhead_ns + found.rest_ns == found.hooked_ns


def test_hooks_that_seem_to_cost_nothing_cost_nothing(ticks: Ticks) -> None:
    model = Net(ticks)
    slow = {"left": 0}

    class Slower(Ticks):
        def time(self, run: Callable[[], object]) -> float:
            slow["left"] += 1
            return ticks.time(run) + 1e-3  # as if others ran whenever there are no hooks

    measure_stopwatch = Slower()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "stopwatch_for", lambda *_: measure_stopwatch)
        found = apart(model)
    assert slow["left"] > 0
    assert found.overhead_ns == 0
    assert found.layers_ns + found.rest_ns == found.hooked_ns


def test_passes_with_and_without_hooks_take_turns_and_only_the_former_have_any(
    ticks: Ticks,
) -> None:
    seen: list[int] = []

    class Counts(Net):
        def forward(self, x: Tensor) -> Tensor:
            if not x.is_meta:
                seen.append(hooks(self))
            return super().forward(x)

    found = apart(Counts(ticks))
    warm = found.record.warmup_runs
    assert seen == [0] * warm + [0, 4] * 4  # two leaves, a pair each
    assert found.passes == found.record.runs == 4


def test_no_hook_is_left_behind_after_a_pass_or_an_error(ticks: Ticks) -> None:
    class Fails(Net):
        fails_at = 0

        def forward(self, x: Tensor) -> Tensor:
            x = super().forward(x)
            if hooks(self) and not x.is_meta:
                raise ValueError("the model's own bug")
            return x

    model = Net(ticks)
    apart(model)
    assert hooks(model) == 0
    broken = Fails(ticks)
    with pytest.raises(ValueError, match="own bug"):
        apart(broken)
    assert hooks(broken) == 0


def test_a_leaf_inside_a_leaf_is_not_counted_twice() -> None:
    ticks = Ticks()
    inner = Takes(ticks, 10)

    class Outer(Takes):
        def __init__(self) -> None:
            super().__init__(ticks, 5)
            self.inner = inner

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(super().forward(x))

    model = nn.Sequential(Outer())
    probe = LayerProbe(
        model, {"0": "Outer", "0.inner": "Takes"}, lambda: model(torch.ones(1)), ticks
    )
    probe.one_pass()
    assert list(probe._times) == [("0", 0)]
    assert probe._times["0", 0] == [15]
    assert ticks.settled == 2


def test_a_module_is_a_leaf_by_what_it_calls_and_not_by_what_it_holds() -> None:
    model = nn.Sequential(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True))
    found = leaf_classes(trace_model(model, (1, 3, 8)))
    assert found["0.self_attn"] == "MultiheadAttention"
    assert "0.self_attn.out_proj" not in found
    assert "0" not in found


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "densenet40_k12", "resnet20"])
def test_the_keys_are_those_of_the_table_of_layers(name: str) -> None:
    shape = (1, 3, 32, 32)
    rows = {row.key for row in layers(trace_model(name, shape)) if row.module_class}
    found = measure_layers(name, shape, device="cpu", runs=1, warmup=1)
    assert {layer.key for layer in found.layers} == rows


def test_a_module_of_the_user_s_keeps_its_own_hooks(ticks: Ticks) -> None:
    model = Net(ticks)
    called: list[str] = []
    model.a.register_forward_hook(lambda *_: called.append("own"))
    apart(model)
    assert hooks(model) == 1
    assert called


def test_the_whole_can_be_cancelled(ticks: Ticks) -> None:
    class Now:
        def is_set(self) -> bool:
            return True

    with pytest.raises(MeasurementError, match="cancelled"):
        apart(Net(ticks), cancel=Now())


def test_a_real_pass_adds_up_too() -> None:
    found = measure_layers(build_model("lenet5"), (1, 1, 32, 32), device="cpu", runs=3)
    assert found.layers_ns + found.overhead_ns + found.rest_ns == found.hooked_ns
    assert all(layer.nanoseconds > 0 for layer in found.layers)
    assert found.record.source == "measured"


@pytest.fixture(autouse=True)
def inference_mode_is_left() -> Iterator[None]:
    yield
    assert not torch.is_inference_mode_enabled()
