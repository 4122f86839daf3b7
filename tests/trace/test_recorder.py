"""Every net of nets.py: its counts, its dataflow, and what a trace leaves alone."""

from __future__ import annotations

import gc
import math
import weakref
from collections.abc import Iterable
from itertools import accumulate
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune
from torch.utils._python_dispatch import TorchDispatchMode

from explorer import Trace, build_model, get_spec, trace_model
from explorer.trace.live import tensors_in
from tests.trace.checks import (
    assert_consistent,
    assert_same_picture,
    picture_of,
    process_picture,
)
from tests.trace.nets import CASES, Batch, Pair, Training, edges_of, names

# torch warns of its own scripting, of padding="same" and of checkpoints without gradients.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


class ForReal(nn.Module):
    """Asks for a value first, so that the net inside runs for real."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        assert all(t.sum().item() is not None for t in tensors_in((args, kwargs)))
        return self.net(*args, **kwargs)


@pytest.mark.parametrize("name", names())
def test_counts_are_exact(name: str) -> None:
    case = CASES[name]
    model = case.build()
    trace = case.trace(model)
    assert (trace.macs, trace.params) == (case.macs, case.params)
    assert trace.device == case.device
    assert trace.mode == case.mode
    assert {p.name for p in trace.parameters if not p.read} == case.unread
    assert trace.unknown_ops == ()
    assert_consistent(trace, model)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.edges is not None])
def test_dataflow_is_what_really_happens(name: str) -> None:
    case = CASES[name]
    assert edges_of(case.trace()) == set(str(case.edges).split())


@pytest.mark.parametrize("name", names())
def test_two_traces_of_one_model_are_equal(name: str) -> None:
    case = CASES[name]
    model = case.build()
    assert case.trace(model) == case.trace(model)


@pytest.mark.parametrize("name", names())
def test_model_and_process_are_left_as_they_were(name: str) -> None:
    case = CASES[name]
    model = case.build().train()
    process = process_picture()
    before = picture_of(model)
    case.trace(model, mode="eval")
    assert_same_picture(before, picture_of(model))
    assert process_picture() == process


@pytest.mark.parametrize("name", sorted(set(names("meta")) - {"NoInput"}))
def test_a_real_run_counts_the_same(name: str) -> None:
    case = CASES[name]
    model = ForReal(case.build())
    real, expected = case.trace(model), case.trace()
    assert real.device == "cpu"
    assert (real.macs, real.params) == (case.macs, case.params)
    assert real.unknown_ops == ()
    assert_consistent(real, model)
    inner = [call for call in real.calls if call.depth >= 1]
    assert [call.outputs for call in inner] == [call.outputs for call in expected.calls]
    given = sum(op.kind == "input" for op in real.ops)
    ops = [op.name for op in real.ops if op.kind not in ("input", "constant")]
    asked = ["sum"] * given
    assert ops == asked + [op.name for op in expected.ops if op.kind not in ("input", "constant")]


# ------------------------------------------------------------------ module calls


def test_each_call_of_a_module_is_a_record_and_its_weights_count_once() -> None:
    calls = CASES["CalledThreeTimes"].trace().calls
    # 16 weights, read by the first call; 64 MACs each.
    assert [(c.path, c.nth, c.params, c.macs) for c in calls[1:]] == [
        ("a", 0, 16, 64), ("a", 1, 0, 64), ("a", 2, 0, 64),
    ]  # fmt: skip


def test_an_aliased_module_is_listed_under_its_first_name() -> None:
    trace = CASES["AliasedModule"].trace()
    assert [c.path for c in trace.calls] == ["", "a", "a"]
    (weight,) = trace.parameters
    assert (weight.name, weight.aliases) == ("a.weight", ("b.weight",))


def test_a_tied_weight_has_one_record_with_both_names() -> None:
    (weight,) = CASES["TiedWeights"].trace().parameters
    assert (weight.name, weight.aliases) == ("table.weight", ("head.weight",))


def test_a_model_that_calls_itself_has_a_call_inside_its_call() -> None:
    calls = CASES["CallsItself"].trace().calls
    assert [(c.path, c.parent, c.nth) for c in calls] == [
        ("", -1, 0), ("a", 0, 0), ("", 0, 1), ("a", 2, 1),
    ]  # fmt: skip


def test_a_call_that_raised_is_no_parent_of_what_comes_after() -> None:
    calls = CASES["CatchesAnException"].trace().calls
    assert [(c.path, c.parent) for c in calls] == [("", -1), ("a", 0), ("b", 0), ("b", 0)]
    assert calls[1].outputs == ()


def test_hooks_of_the_model_itself_belong_to_its_call() -> None:
    root, child = CASES["UserHooks"].trace().calls
    assert (root.params, root.macs) == (16, 64)
    assert (child.params, child.macs) == (16, 64)


def test_modules_that_never_ran_are_listed_with_what_they_hold() -> None:
    (module,) = CASES["NeverCalled"].trace().uncalled
    assert (module.path, module.module_class) == ("b", "Conv2d")
    assert (module.params, module.params_held) == (16, 16)


def test_a_module_whose_weights_others_read_counts_nothing_itself() -> None:
    (module,) = CASES["MultiheadAttention"].trace().uncalled
    # The attention's own forward reads out_proj's 8*8 weights and 8 biases.
    assert (module.path, module.params, module.params_held) == ("attention.out_proj", 0, 72)


def test_a_call_knows_what_went_in_and_came_out() -> None:
    trace = CASES["DictInAndOut"].trace()
    root = trace.calls[0]
    assert [t.shape for t in root.inputs] == [(1, 4, 2, 2)] * 2
    assert [trace.ops[v.op].name for v in root.input_values] == ["input", "input"]
    assert [trace.ops[v.op].name for v in root.output_values] == ["conv2d", "conv2d"]
    assert trace.input_shape == ((1, 4, 2, 2), (1, 4, 2, 2))
    assert trace.output_shape == ((1, 4, 2, 2), (1, 4, 2, 2))


def test_one_input_and_one_output_have_one_shape() -> None:
    trace = CASES["AddInPlace"].trace()
    assert trace.input_shape == trace.output_shape == (1, 4, 2, 2)


# ------------------------------------------------------------------ ops


def test_sizes_are_recorded_as_one_value_per_axis() -> None:
    net = nn.Sequential(nn.Conv2d(4, 4, 3, stride=2, padding=(1, 0), dilation=2, groups=2))
    op = trace_model(net, (1, 4, 9, 9)).ops[1]
    assert op.attrs == {
        "kernel_size": (3, 3), "stride": (2, 2), "padding": (1, 0), "dilation": (2, 2),
        "groups": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("net", "shape", "stride"),
    [
        (nn.MaxPool2d(3), (1, 1, 9, 9), (3, 3)),
        (nn.AvgPool2d((3, 2), ceil_mode=True), (1, 1, 9, 9), (3, 2)),
        (nn.AvgPool1d(3, 2), (1, 1, 9), (2,)),
        (nn.MaxPool3d(2), (1, 1, 4, 4, 4), (2, 2, 2)),
        (nn.MaxPool2d(3), (1, 9, 9), (3, 3)),
        (nn.Conv1d(2, 2, 3), (2, 9), (1,)),
        (nn.Conv1d(2, 2, 3, stride=2), (1, 2, 9), (2,)),
    ],
)
def test_a_window_has_a_stride_per_axis_even_if_it_is_left_out(
    net: nn.Module, shape: tuple[int, ...], stride: tuple[int, ...]
) -> None:
    attrs = trace_model(net, shape).ops[1].attrs
    assert attrs["stride"] == stride
    assert len(attrs["kernel_size"]) == len(stride)
    assert attrs.get("ceil_mode", False) == getattr(net, "ceil_mode", False)


def test_a_view_reads_and_writes_no_bytes_and_owns_no_memory() -> None:
    ops = CASES["ActivationInPlaceOnAView"].trace().ops
    view = next(op for op in ops if op.name == "view")
    assert view.is_view
    assert view.bytes_read == view.bytes_written == 0
    assert view.storages == ops[view.inputs[0].op].storages


def test_bytes_count_weights_and_activations() -> None:
    op = CASES["FunctionalConvolution"].trace().ops[1]
    # float32: input 50 elements, weights 72, output 4*25 = 100.
    assert (op.bytes_read, op.bytes_written) == (4 * (50 + 72), 4 * 100)


def test_memory_is_freed_when_the_last_reference_goes() -> None:
    trace = trace_model(nn.Sequential(*(nn.Conv2d(1, 1, 1) for _ in range(3))), (1, 1, 2, 2))
    # op 0 is the input. Each result dies when the next one exists; the last is returned.
    born_and_died = [(s.born, s.died) for s in trace.storages]
    assert born_and_died[1:] == [(1, 3), (2, 4), (3, -1)]


class PeakOfRealMemory(TorchDispatchMode):
    """Watches the memory of a plain forward on the CPU, without any of our wrappers.

    Attributes:
        peak: most bytes that new tensors held at once.
    """

    def __init__(self, known: Iterable[Tensor]) -> None:
        super().__init__()
        self.references = {t.untyped_storage()._cdata: math.inf for t in known}
        self.now = self.peak = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tensors_in(out):
            storage = tensor.untyped_storage()
            key, size = storage._cdata, storage.nbytes()
            if key not in self.references:
                self.references[key] = 0
                self.now += size
                self.peak = max(self.peak, self.now)
            self.references[key] += 1
            weakref.finalize(tensor, self.let_go, key, size)
        return out

    def let_go(self, key: int, size: int) -> None:
        self.references[key] -= 1
        if not self.references[key]:
            del self.references[key]
            self.now -= size


def peak_of(trace: Trace) -> int:
    """Most bytes that are alive at once according to a trace, its inputs left out."""
    given = {s for op in trace.ops if op.kind == "input" for s in op.storages}
    change = [0] * (len(trace.ops) + 1)
    for index, storage in enumerate(trace.storages):
        if index not in given:
            change[storage.born] += storage.nbytes
            if storage.died >= 0:
                change[storage.died] -= storage.nbytes
    return max(accumulate(change))


@pytest.mark.parametrize(
    ("name", "size"),
    [("lenet5", 32), ("alexnet", 224), ("resnet18", 96), ("resnet50", 64), ("densenet121", 64)],
)
def test_the_peak_of_live_memory_is_that_of_a_real_pass(name: str, size: int) -> None:
    model = build_model(name)
    x = torch.zeros(1, get_spec(name).input_shape[1], size, size)
    watch = PeakOfRealMemory((*model.parameters(), *model.buffers(), x))
    with torch.inference_mode(), watch:
        model(x)
    assert peak_of(trace_model(model, tuple(x.shape))) == watch.peak


def test_a_profiler_label_is_no_op() -> None:
    def labelled(x: Tensor) -> Tensor:
        with torch.profiler.record_function("here"):
            return x + 1

    assert [op.name for op in trace_model(_Through(labelled), (4, 4)).ops] == [
        "input", "linear", "add",
    ]  # fmt: skip


def test_constants_made_in_forward_are_ops_without_operands() -> None:
    ops = CASES["ConstantsOnTheCPU"].trace().ops
    constants = [op for op in ops if op.kind == "constant"]
    assert [op.name for op in constants] == ["linspace", "constant", "ones"]
    assert all(op.inputs == () for op in constants)


def test_a_dtype_of_the_weights_is_that_of_the_input() -> None:
    for name, size in (("TypedFloat16", 2), ("TypedBfloat16", 2), ("TypedFloat64", 8)):
        trace = CASES[name].trace()
        dtype = name.removeprefix("Typed").lower()
        assert {t.dtype for op in trace.ops for t in op.outputs} == {dtype}
        assert trace.ops[1].outputs[0].nbytes == 2 * 4 * size


def test_the_kind_of_an_unknown_composite_follows_from_its_parts() -> None:
    class Net(nn.Module):
        def forward(self, x: Tensor) -> Any:
            return torch.kron(x, x), torch.matrix_power(x, 3)

    kinds = {op.name: op.kind for op in trace_model(Net(), (3, 3)).ops}
    assert kinds == {"input": "input", "kron": "elementwise", "matrix_power": "matmul"}


# ------------------------------------------------------------------ unknown ops


class _Through(nn.Module):
    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function
        self.fc = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Any:
        return self.function(self.fc(x))


@pytest.mark.parametrize(
    ("op", "function"),
    [
        ("fft_rfft2", torch.fft.rfft2),
        ("linalg_svd", torch.linalg.svd),
        ("linalg_solve", lambda x: torch.linalg.solve(x, x)),
        ("matrix_exp", torch.matrix_exp),
        ("_sparse_mm", lambda x: torch.sparse.mm(x, x)),
    ],
)
def test_an_op_without_a_rule_makes_the_total_a_lower_bound(op: str, function: Any) -> None:
    trace = trace_model(_Through(function), (4, 4))
    assert trace.unknown_ops == (op,)
    assert trace.is_lower_bound
    assert trace.macs == 4 * 4 * 4
    assert_consistent(trace)


@torch.library.custom_op("layerwise_tests::conv2d", mutates_args=())
def _own_op(x: Tensor, scale: float) -> Tensor:
    return x * scale


@_own_op.register_fake
def _(x: Tensor, scale: float) -> Tensor:
    return torch.empty_like(x)


@torch.library.custom_op("layerwise_tests::no_fake", mutates_args=())
def _op_without_fake(x: Tensor) -> Tensor:
    return x * 2


def test_a_custom_op_is_unknown_whatever_its_name() -> None:
    trace = trace_model(_Through(lambda x: _own_op(x, 2.0)), (4, 4))
    assert trace.unknown_ops == ("conv2d",)
    assert trace.ops[-1].kind == "unknown"
    assert trace.ops[-1].attrs == {"scale": 2.0}


def test_a_custom_op_that_cannot_run_on_meta_runs_for_real() -> None:
    trace = trace_model(_Through(_op_without_fake), (4, 4))
    assert trace.device == "cpu"
    assert trace.unknown_ops == ("no_fake",)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: (x > 0) & (x < 1) | ~(x > 2),
        lambda x: x.median(0),
        lambda x: x // 2 % 3,
        lambda x: torch.cummax(x, 0),
        lambda x: torch.meshgrid(x[0], x[1], indexing="ij"),
        lambda x: nn.functional.cosine_similarity(x, x),
        lambda x: nn.functional.cross_entropy(x, torch.zeros(4, dtype=torch.long)),
        lambda x: torch.stack(torch._foreach_add([x, x], 1)),
        lambda x: x * torch.hann_window(4),
        lambda x: torch.diag_embed(x),
        lambda x: torch.linalg.cross(x[:, :3], x[:, :3]),
        lambda x: nn.functional.grid_sample(
            x[None, None], nn.functional.affine_grid(x[None, :2, :3], (1, 1, 4, 4))
        ),
        lambda x: nn.functional.gumbel_softmax(x, hard=True),
        lambda x: torch.rot90(x).flipud(),
        lambda x: torch.cov(x),
        lambda x: nn.functional.mse_loss(x, x),
        lambda x: nn.functional.lp_pool2d(x[None], 2, 2),
        lambda x: nn.functional.local_response_norm(x[None, None], 2),
        lambda x: nn.functional.fold(nn.functional.unfold(x[None, None], 2), (4, 4), 2),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_ops_without_products_are_known_to_cost_none(function: Any) -> None:
    trace = trace_model(_Through(function), (4, 4))
    assert trace.unknown_ops == ()
    assert "unknown" not in {op.kind for op in trace.ops}
    assert_consistent(trace)


# ------------------------------------------------------------------ copies


def test_the_original_is_not_what_runs() -> None:
    class Counts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.calls, self.log = 0, {"seen": []}

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            self.log["seen"].append(x.shape)
            return x + self.calls

    model = Counts()
    trace_model(model, (1, 2))
    assert (model.calls, model.log) == (0, {"seen": []})


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_old_weight_and_spectral_norm_are_followed() -> None:
    def net(norm: Any) -> nn.Module:
        return nn.Sequential(norm(nn.Conv2d(4, 4, 1, bias=False)))

    weight = net(nn.utils.weight_norm)
    trace = trace_model(weight, (1, 4, 2, 2))
    assert (trace.macs, trace.params) == (64, 20)  # magnitudes 4, directions 16
    assert_consistent(trace, weight)
    spectral = net(nn.utils.spectral_norm)
    before = picture_of(spectral)
    trace = trace_model(spectral, (1, 4, 2, 2), mode="train")
    # The convolution 64; one power iteration: W^T u 16, W v 16; sigma: W v 16 and u.Wv 4.
    assert (trace.macs, trace.params) == (116, 16)
    assert_consistent(trace, spectral)
    assert_same_picture(before, picture_of(spectral))


def test_parametrized_and_pruned_modules_are_left_as_they_were() -> None:
    model = nn.Sequential(
        parametrizations.orthogonal(nn.Linear(4, 4)),
        prune.l1_unstructured(nn.Linear(4, 4), "weight", 0.5),
    )
    before = picture_of(model)
    trace = trace_model(model, (1, 4))
    assert_consistent(trace, model)
    assert_same_picture(before, picture_of(model))


@pytest.mark.parametrize("where", ["whole", "child", "child in place", "whole in place"])
def test_a_compiled_model_is_traced_uncompiled(where: str) -> None:
    model: Any = CASES["AddInPlace"].build()
    if where == "whole":
        model = torch.compile(model, backend="eager")
    elif where == "child":
        model.a = torch.compile(model.a, backend="eager")
    elif where == "child in place":
        model.a.compile(backend="eager")
    else:
        model.compile(backend="eager")
    trace = trace_model(model, (1, 4, 2, 2))
    assert (trace.macs, trace.params, trace.device) == (128, 32, "meta")
    assert edges_of(trace) == set(str(CASES["AddInPlace"].edges).split())


def test_a_part_switched_to_eval_stays_so_in_a_model_in_train_mode() -> None:
    model = nn.Sequential(nn.Dropout(), nn.Sequential(nn.Dropout())).train()
    model[1].eval()
    trained = [op.attrs["train"] for op in trace_model(model, (1, 2), mode="train").ops[1:]]
    assert trained == [True, False]
    trained = [op.attrs["train"] for op in trace_model(model, (1, 2)).ops[1:]]
    assert trained == [False, False]


def test_a_model_in_eval_mode_is_traced_in_train_mode_if_asked() -> None:
    model = Training().eval()
    trace = trace_model(model, (2, 4, 2, 2), mode="train")
    assert {op.attrs["train"] for op in trace.ops if op.name == "dropout"} == {True}
    assert not model.training


def test_a_model_that_cannot_be_copied_is_still_not_changed() -> None:
    class Locked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 3)
            self.rows = (row for row in range(3))  # a generator cannot be copied

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(x)

    model = Locked()
    before = picture_of(model)
    assert trace_model(model, (1, 3)).macs == 9
    assert_same_picture(before, picture_of(model))
    assert list(model.rows) == [0, 1, 2]


def test_inputs_are_left_alone_too() -> None:
    class Net(nn.Module):
        def forward(self, batch: dict[str, Any], pair: Pair, item: Batch) -> Tensor:
            batch["extra"] = 1
            item.image = item.image + 1
            return batch["x"].add_(1) + pair.left + item.image

    x, left, image = torch.ones(2), torch.ones(2), torch.ones(2)
    batch, pair, item = {"x": x}, Pair(left, left), Batch(image)
    trace_model(Net(), args=(batch, pair, item))
    assert batch == {"x": x}
    assert item.image is image
    assert x.tolist() == left.tolist() == [1, 1]


def test_nothing_of_the_model_is_kept_alive() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    reference = weakref.ref(model)
    trace_model(model, (1, 3))
    del model
    gc.collect()
    assert reference() is None


def test_random_numbers_of_forward_come_from_a_generator_of_its_own() -> None:
    class Drops(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            steps = int(torch.randint(1, 9, (1,)).item())
            return sum((x * torch.rand(1) for _ in range(steps)), x)

    torch.manual_seed(3)
    expected = torch.rand(3).tolist()
    torch.manual_seed(3)
    assert trace_model(Drops(), (2, 3)) == trace_model(Drops(), (2, 3))
    assert torch.rand(3).tolist() == expected


def test_a_default_type_or_device_of_the_caller_is_followed_and_kept() -> None:
    class Net(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.long() / 2 + torch.ones(3)

    narrow = trace_model(Net(), (2, 3)).ops[-1].outputs[0].dtype
    torch.set_default_dtype(torch.float64)
    try:
        wide = trace_model(Net(), (2, 3)).ops[-1].outputs[0].dtype
    finally:
        torch.set_default_dtype(torch.float32)
    assert (narrow, wide) == ("float32", "float64")
    assert trace_model(Net(), (2, 3)).ops[-1].outputs[0].dtype == "float32"


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_the_caller_may_be_in_any_grad_mode(context: Any) -> None:
    with context():
        trace = CASES["AddInPlace"].trace()
    assert trace == CASES["AddInPlace"].trace()


def test_a_model_on_meta_and_a_real_one_have_equal_traces() -> None:
    for name in ("AddInPlace", "TransformerEncoderLayer", "Training", "ClosureOverTheModel"):
        case = CASES[name]
        with torch.device("meta"):
            model = case.build()
        assert case.trace(model) == case.trace()
