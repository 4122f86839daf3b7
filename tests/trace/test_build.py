"""Models without weights: built on meta, given weights afterwards, or twinned from a real one."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from explorer import build_model, get_spec, trace_model
from explorer.errors import TraceError
from explorer.trace.build import Twin, build_on_meta, materialize
from tests.trace.checks import (
    assert_consistent,
    assert_same_picture,
    picture_of,
    process_picture,
    registered,
)
from tests.trace.nets import CASES, names

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


class Constructed(nn.Module):
    """Initialises its weights in every way, and reads values while it is built."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        rates = [float(rate) for rate in torch.linspace(0, 0.5, 3)]
        self.layers = nn.ModuleList(nn.Dropout(rate) for rate in rates)
        self.fc, self.head = nn.Linear(width, width), nn.Linear(width, width, bias=False)
        self.head.weight = self.fc.weight
        nn.init.trunc_normal_(self.fc.weight, std=0.02)
        nn.init.orthogonal_(self.fc.weight)
        self.scale = nn.Parameter(torch.rand(width) * 2 + torch.randn(width))
        self.cls = nn.Parameter(torch.zeros(1, 1, width).normal_().mul_(0.5))
        self.whole = nn.Parameter(torch.tensor([1.0, 2.0]))
        self.register_buffer("table", torch.arange(width)[:, None] - torch.arange(width))
        self.register_buffer("same", self.table)
        self.register_buffer("mask", torch.ones(width, width).triu(1) == 0)
        self.bn = nn.BatchNorm1d(width)
        with torch.no_grad():
            self.fc.bias.fill_(1.0)
            self.fc.bias.data[0] = 2.0

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.head(self.fc(x)) * self.scale)


def _facts(model: nn.Module) -> list[Any]:
    return [
        (name, tensor.shape, tensor.stride(), tensor.dtype, tensor.requires_grad)
        for name, tensor in (
            *model.named_parameters(remove_duplicate=False),
            *model.named_buffers(remove_duplicate=False),
        )
    ]


# ------------------------------------------------------------------ build_on_meta


def test_a_model_built_on_meta_has_the_same_weights_but_for_their_values() -> None:
    model, real = build_on_meta(Constructed, width=5), Constructed(5)
    assert _facts(model) == _facts(real)
    assert all(t.is_meta for t in (*model.parameters(), *model.buffers()))
    assert [layer.p for layer in model.layers] == [0, 0.25, 0.5]


def test_what_is_shared_stays_shared_on_meta() -> None:
    model = build_on_meta(Constructed)
    assert model.head.weight is model.fc.weight
    assert model.same is model.table


def test_building_on_meta_changes_nothing_in_the_process() -> None:
    process = process_picture()
    build_on_meta(Constructed)
    assert process_picture() == process


def test_a_builder_that_fails_leaves_no_mode_behind() -> None:
    def build() -> nn.Module:
        raise ValueError("no")

    process = process_picture()
    with pytest.raises(ValueError, match="no"):
        build_on_meta(build)
    assert process_picture() == process


def test_building_on_meta_does_not_reach_other_threads() -> None:
    inside, done = threading.Event(), threading.Event()

    def slow() -> nn.Module:
        inside.set()
        assert done.wait(30)
        return nn.Linear(3, 3)

    models: list[nn.Module] = []
    thread = threading.Thread(target=lambda: models.append(build_on_meta(slow)))
    thread.start()
    assert inside.wait(30)
    torch.manual_seed(0)
    other = nn.Linear(3, 3)
    done.set()
    thread.join()
    torch.manual_seed(0)
    assert torch.equal(other.weight, nn.Linear(3, 3).weight)
    assert models[0].weight.is_meta


def test_building_a_huge_model_on_meta_takes_no_memory() -> None:
    # 10^5 x 10^5 weights would be 40 GB.
    model = build_on_meta(nn.Linear, in_features=100_000, out_features=100_000)
    assert trace_model(model, (1, 100_000)).macs == 10**10


@pytest.mark.parametrize("name", registered())
def test_every_registered_model_is_the_same_on_meta(name: str) -> None:
    spec = get_spec(name)
    with torch.device("meta"):
        expected = spec.build()
    assert _facts(build_on_meta(spec.build)) == _facts(expected)


# ------------------------------------------------------------------ materialize


def test_materialized_weights_are_real_ordinary_numbers() -> None:
    model = materialize(build_on_meta(Constructed, width=64))
    for tensor in (*model.parameters(), *model.buffers()):
        assert tensor.device.type == "cpu"
        if tensor.is_floating_point():
            tiny = torch.finfo(tensor.dtype).tiny
            assert torch.isfinite(tensor).all()
            assert not ((tensor != 0) & (tensor.abs() < tiny)).any()  # no denormals
    assert 0.01 < model.fc.weight.std() < 0.03
    assert torch.equal(model.bn.weight, torch.ones(64))
    assert torch.equal(model.bn.running_var, torch.ones(64))
    assert torch.equal(model.bn.running_mean, torch.zeros(64))
    assert torch.isfinite(model.eval()(torch.ones(2, 64))).all()


def test_materializing_keeps_what_is_shared_and_what_is_real() -> None:
    model = build_on_meta(Constructed)
    model.bn = nn.BatchNorm1d(4)
    model.cls.requires_grad_(requires_grad=False)
    kept, facts = model.bn.weight, _facts(model)
    assert materialize(model) is model
    assert model.head.weight is model.fc.weight
    assert model.same is model.table
    assert model.bn.weight is kept
    assert _facts(model) == facts


def test_materializing_is_repeatable_and_uses_no_random_numbers_of_others() -> None:
    process = process_picture()
    first, second = (materialize(build_on_meta(Constructed)) for _ in range(2))
    assert process_picture() == process
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


# ------------------------------------------------------------------ Twin


@pytest.mark.parametrize("name", names())
def test_a_twin_has_the_same_structure_and_no_values(name: str) -> None:
    model = CASES[name].build()
    before = picture_of(model)
    with torch.inference_mode():
        twin = Twin(model)
    assert_same_picture(before, picture_of(model))
    theirs = {id(m) for m in model.modules()} | {id(p) for p in model.parameters()}
    assert not theirs & {id(m) for m in twin.model.modules()}
    assert not theirs & {id(p) for p in twin.model.parameters()}
    assert [m for m, _ in twin.model.named_modules()] == [m for m, _ in model.named_modules()]
    assert {path for path, _ in twin.modules} == {path for path, _ in model.named_modules()}
    assert [weight.name for weight in twin.parameters] == [n for n, _ in model.named_parameters()]
    if not any(isinstance(m, torch.jit.ScriptModule) for m in model.modules()):
        assert all(p.is_meta for p in twin.model.parameters())
    assert not any(m.training for m in twin.model.modules())


def test_a_twin_with_weights_computes_what_the_original_does() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()).eval()
    x = torch.linspace(-1, 1, 75).reshape(1, 3, 5, 5)
    with torch.inference_mode():
        twin = Twin(model, weights=True)
        assert torch.equal(twin.model(x), model(x))


def test_a_twin_costs_nothing_per_weight() -> None:
    # 4 GB of weights if it copied them; the model's own take none on meta.
    model = nn.Linear(32_768, 32_768, device="meta")
    with torch.inference_mode():
        twin = Twin(model)
    assert twin.parameters[0].tensor.is_meta


def test_references_among_modules_lead_to_the_copies() -> None:
    class Child(nn.Module):
        def __init__(self, parent: nn.Module) -> None:
            super().__init__()
            self.known = {"parent": [parent]}  # hidden from nn.Module: no cycle in the tree

        def forward(self, x: Tensor) -> Tensor:
            return self.known["parent"][0].fc(x)

    class Parent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.child = Child(self)
            self.fc = nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.child(x)

    model = Parent()
    with torch.inference_mode():
        twin = Twin(model).model
    assert twin.child.known["parent"][0] is twin
    trace = trace_model(model, (1, 3))
    assert [call.path for call in trace.calls] == ["", "child", "fc"]
    assert_consistent(trace, model)


def test_containers_that_modules_share_stay_shared() -> None:
    class Holder(nn.Module):
        def __init__(self, *kept: Any) -> None:
            super().__init__()
            self.empty, self.numbers, self.tensors = kept

    kept: Any = ([], [1, 2], {"a": torch.ones(2)})
    model = nn.Sequential(Holder(*kept), Holder(*kept))
    with torch.inference_mode():
        first, second = Twin(model).model
    for name in ("empty", "numbers", "tensors"):
        assert getattr(first, name) is getattr(second, name)
        assert getattr(first, name) is not getattr(model[0], name)
    assert first.numbers == [1, 2]


def test_hooks_of_one_module_are_not_those_of_another() -> None:
    model = nn.Sequential(nn.ReLU(), nn.ReLU())
    with torch.inference_mode():
        first, second = Twin(model).model
    assert first._forward_hooks is not second._forward_hooks


def test_a_class_that_cannot_be_deep_copied_is_refused_and_not_changed() -> None:
    class Stubborn(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 3)

        def __deepcopy__(self, memo: Any) -> Any:
            raise RuntimeError("only one of me")

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(x)

    model = nn.Sequential(Stubborn())
    before = picture_of(model)
    with pytest.raises(TraceError, match=r"0 \(Stubborn\) cannot be copied.*only one of me"):
        trace_model(model, (1, 3))
    assert_same_picture(before, picture_of(model))


def test_a_module_shared_with_an_fx_graph_is_one_module() -> None:
    shared = nn.Linear(3, 3)
    graph = torch.fx.symbolic_trace(nn.Sequential(nn.Linear(3, 3)))
    graph.add_module("0", shared)
    for order in ((shared, graph), (graph, shared)):
        model = nn.Sequential(*order)
        trace = trace_model(model, (1, 3))
        # 9 weights and 3 biases, once; 9 MACs, twice.
        assert (trace.params, trace.macs) == (12, 18)
        assert_consistent(trace, model)


def test_a_scripted_module_tied_to_its_neighbour_is_counted_once() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 3, bias=False)
            inner = nn.Linear(3, 3, bias=False)
            inner.weight = self.fc.weight
            self.script = torch.jit.script(inner)

        def forward(self, x: Tensor) -> Tensor:
            return self.script(self.fc(x))

    model = Tied()
    assert sum(p.numel() for p in model.parameters()) == 9
    trace = trace_model(model, (1, 3))
    assert (trace.params, trace.macs) == (9, 18)
    assert_consistent(trace, model)


@pytest.mark.parametrize("name", ["BoundMethods", "SharedEmptyList", "WeightNorm"])
def test_a_copied_model_has_the_same_trace_as_its_original(name: str) -> None:
    model = CASES[name].build()
    assert CASES[name].trace(copy.deepcopy(model)) == CASES[name].trace(model)


def test_a_registered_name_and_its_model_have_equal_records() -> None:
    for name in ("lenet5", "resnet18"):
        shape = get_spec(name).input_shape
        by_name, by_module = trace_model(name, shape), trace_model(build_model(name), shape)
        assert by_name.model == name
        assert by_name.ops == by_module.ops
        assert by_name.calls == by_module.calls
        assert by_name.parameters == by_module.parameters


def test_a_trace_pickles_small() -> None:
    trace = trace_model("resnet50", (1, 3, 224, 224))
    assert len(pickle.dumps(trace)) < 200_000


def test_no_weight_of_a_real_model_is_allocated_while_it_is_traced() -> None:
    model = nn.Sequential(nn.Linear(2000, 2000), nn.Linear(2000, 2000))  # 32 MB
    trace_model(model, (1, 2000))
    gc.collect()
    with torch.profiler.profile(profile_memory=True) as profile:
        trace_model(model, (1, 2000))
    allocated = sum(max(event.self_cpu_memory_usage, 0) for event in profile.events())
    assert allocated < 1_000_000
