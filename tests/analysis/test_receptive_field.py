"""Receptive fields against footprints of real gradients, published tables and sums by hand."""

from __future__ import annotations

import pickle
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from explorer.analysis.layers import layers
from explorer.analysis.receptive_field import (
    Field,
    Layout,
    last_local,
    layer_fields,
    path,
    receptive_fields,
    result_op,
)
from explorer.trace import trace_model
from explorer.trace.records import Trace
from explorer.zoo import build_model
from tests.analysis.nets import traced

Shape = tuple[int, ...]


# ------------------------------------------------------------------ what gradients say


class Open(TorchFunctionMode):
    """Opens every gate: what a value could depend on, it does depend on, with a positive sign.

    Activations and normalizations pass their input on, a maximum becomes a mean. With positive
    weights no two paths cancel, so that a gradient is zero only where there is no path.
    """

    PASS = frozenset(
        """relu relu_ relu6 hardtanh hardtanh_ gelu silu silu_ hardswish hardswish_ tanh dropout
        batch_norm layer_norm leaky_relu""".split()
    )

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if name in ("max_pool2d", "boolean_dispatch"):
            kwargs.pop("dilation", None)
            kwargs.pop("return_indices", None)
            return F.avg_pool2d(*args, **kwargs)
        if name in self.PASS:
            return args[0] * 1.0
        if name in ("sigmoid", "hardsigmoid"):  # a gate: it must not make its own square grow
            return args[0] / args[0].detach().abs().max()
        return func(*args, **kwargs)


NOTHING = ((0, -1), (0, -1))
"""What a cell sees whose window lies in the padding."""


class Footprints:
    """A model with positive weights, run once; asks what cells of module outputs depend on."""

    def __init__(self, model: nn.Module, shape: Shape) -> None:
        model = model.eval().double()
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for weight in model.parameters():
                if weight.dim() > 1:
                    fan_in = max(1, weight[0].numel())
                    weight.copy_(torch.rand(weight.shape, generator=generator, dtype=torch.double))
                    weight.add_(0.5).div_(fan_in)
                else:
                    weight.zero_()
        self.outputs: dict[str, Tensor] = {}
        for path_, module in model.named_modules():
            module.register_forward_hook(partial(self._keep, path_))
        self.input = torch.rand(shape, generator=generator, dtype=torch.double, requires_grad=True)
        with Open():
            model(self.input)

    def _keep(self, path_: str, _module: nn.Module, _args: Any, out: Tensor) -> None:
        self.outputs.setdefault(path_, out)  # the first call of a module that is called twice

    def of(self, cell: Tensor) -> tuple[tuple[int, int], tuple[int, int]]:
        """First and last row, first and last column of the picture that a value depends on."""
        (gradient,) = torch.autograd.grad(cell.sum(), self.input, retain_graph=True)
        seen = gradient[0].abs().sum(0) > 0
        rows, columns = (seen.any(axis).nonzero().flatten().tolist() for axis in (1, 0))
        if not rows:
            return NOTHING
        return (rows[0], rows[-1]), (columns[0], columns[-1])


def predicted(field: Field, row: int, column: int) -> tuple[tuple[int, int], tuple[int, int]]:
    assert field.rows
    assert field.columns
    rows, columns = field.rows.seen(row), field.columns.seen(column)
    return (rows, columns) if rows[0] <= rows[1] and columns[0] <= columns[1] else NOTHING


def check(model: nn.Module, trace: Trace, most: int = 6) -> int:
    """Compare cells at the corners, the middle and in between of outputs at several depths.

    Returns:
        how many of the cells' windows lie inside the picture, rows and columns.
    """
    found = Footprints(model, trace.input_shape)
    fields = receptive_fields(trace)
    calls = [
        call for call in trace.calls
        if call.nth == 0 and call.outputs and len(call.outputs[0].shape) == 4
        and (field := fields[call.output_values[0].op]) and field.cells == call.outputs[0].shape[2:]
    ]  # fmt: skip
    assert len(calls) > 3
    step = max(1, len(calls) // most)
    last = last_local(trace, fields)
    chosen = [*calls[::step], *[c for c in calls if c.output_values[0].op == last], calls[-1]]
    inside = 0
    for call in chosen:
        field = fields[call.output_values[0].op]
        assert field
        assert field.rows
        assert field.columns
        height, width = call.outputs[0].shape[2:]
        for row, column in {(0, 0), (height // 2, width // 2), (height - 1, width // 3)}:
            cell = found.outputs[call.path][0, :, row, column]
            assert found.of(cell) == predicted(field, row, column), (call.path, row, column)
            inside += field.rows.window(row) == field.rows.seen(row)
    return inside


TALL = [
    # Tall pictures, so that large windows lie inside them; narrow, to be quick.
    ("lenet5", (1, 1, 32, 32)),
    ("alexnet", (1, 3, 420, 96)),
    ("vgg16", (1, 3, 320, 32)),
    ("resnet18", (1, 3, 896, 64)),
    ("resnet50", (1, 3, 896, 64)),
    ("googlenet", (1, 3, 768, 64)),
    ("mobilenet_v2", (1, 3, 1024, 64)),
    ("squeezenet1_1", (1, 3, 320, 96)),
    ("resnet20", (1, 3, 256, 32)),
    ("shufflenet_v2_x0_5", (1, 3, 800, 64)),
    ("seresnet50", (1, 3, 160, 128)),
    ("efficientnet_b0", (1, 3, 128, 96)),
    ("hrnet_w18", (1, 3, 320, 64)),
    ("convnext_tiny", (1, 3, 800, 32)),
    ("densenet121", (1, 3, 640, 32)),
    ("inception_v3", (1, 3, 640, 107)),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "shape"), TALL, ids=[name for name, _ in TALL])
def test_windows_are_the_footprints_of_gradients(name: str, shape: Shape) -> None:
    inside = check(build_model(name), trace_model(name, shape))
    assert inside > 0


class Net(nn.Module):
    """A convolution, one op to be looked at, and a convolution."""

    def __init__(self, op: Any, *, channels: int = 4, after: int = 4) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, channels, 3, padding=1)
        self.op = op if isinstance(op, nn.Module) else Call(op)
        self.last = nn.Conv2d(after, 4, 3, padding=1)
        self.end = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.last(self.op(self.first(x))))


class Call(nn.Module):
    """A function as a module."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def tiles(x: Tensor, side: int = 4) -> Tensor:
    """Self-attention within windows, as Swin's, with a shift that has no mask."""
    n, c, h, w = x.shape
    x = x.permute(0, 2, 3, 1).reshape(n, h // side, side, w // side, side, c)
    x = x.permute(0, 1, 3, 2, 4, 5).reshape(-1, side * side, c)
    x = torch.softmax(x @ x.transpose(-2, -1), -1) @ x
    x = x.reshape(n, h // side, w // side, side, side, c).permute(0, 5, 1, 3, 2, 4)
    return x.reshape(n, c, h, w)


def merged(x: Tensor) -> Tensor:
    """Four neighbours in the channels of one cell, as in Swin's patch merging."""
    parts = [x[..., i::2, j::2] for i in (0, 1) for j in (0, 1)]
    return torch.cat(parts, 1)


def branches(x: Tensor) -> Tensor:
    """Windows of different sizes, one of them off the centre."""
    wide = F.avg_pool2d(x, (7, 3), 1, (3, 1))
    low = F.avg_pool2d(F.pad(x, (0, 0, 2, 0)), (3, 1), 1)
    return wide + low


SMALL: dict[str, Net] = {
    "dilation": Net(nn.Conv2d(4, 4, 3, dilation=3, padding=3)),
    "stride": Net(nn.Conv2d(4, 4, 3, stride=2)),
    "stride larger than the kernel": Net(nn.Conv2d(4, 4, 1, stride=3)),
    "an even kernel with the padding 'same'": Net(nn.Conv2d(4, 4, 4, padding="same")),
    "another kernel along each axis": Net(nn.Conv2d(4, 4, (1, 5), padding=(0, 2))),
    "transposed": Net(nn.ConvTranspose2d(4, 4, 4, 2, 1)),
    "transposed, with gaps": Net(nn.ConvTranspose2d(4, 4, 3, 2, 1, output_padding=1)),
    "transposed, dilated": Net(nn.ConvTranspose2d(4, 4, 3, 1, 2, dilation=2)),
    "nearest": Net(nn.Upsample(scale_factor=2)),
    "nearest by three halves": Net(nn.Upsample(size=(36, 48))),
    "bilinear": Net(nn.Upsample(scale_factor=2, mode="bilinear")),
    "bilinear, corners aligned": Net(
        nn.Upsample(size=(47, 63), mode="bilinear", align_corners=True)
    ),
    "bicubic": Net(nn.Upsample(scale_factor=4, mode="bicubic")),
    "down by interpolation": Net(lambda x: F.interpolate(x, size=(8, 16), mode="nearest-exact")),
    "adaptive pooling that fits": Net(nn.AdaptiveAvgPool2d((6, 8))),
    "adaptive pooling that does not": Net(nn.AdaptiveAvgPool2d((7, 9))),
    "pixel shuffle": Net(nn.PixelShuffle(2), channels=16),
    "pixel unshuffle": Net(nn.PixelUnshuffle(2), after=16),
    "patch merging": Net(merged, after=16),
    "windowed attention": Net(tiles),
    "branches": Net(branches),
    "zero padding on one side": Net(lambda x: F.pad(x, (3, 0, 0, 1))),
    "a crop": Net(lambda x: x[:, :, 5:, 3:-2]),
    "every third row": Net(lambda x: x[:, :, 1::3]),
    "ceil mode": Net(lambda x: F.avg_pool2d(x, 3, 2, ceil_mode=True)),
    "halves of the channels": Net(lambda x: torch.cat(x.chunk(2, 1)[::-1], 1)),
    "rows pooled away": Net(lambda x: x * x.mean(2, keepdim=True)),
    "channels last": Net(lambda x: nn.functional.linear(
        x.permute(0, 2, 3, 1), torch.ones(4, 4, dtype=x.dtype, device=x.device)
    ).permute(0, 3, 1, 2)),
    "tokens and back": Net(lambda x: x.flatten(2).transpose(1, 2).transpose(1, 2).reshape(x.shape)),
    "einsum over channels": Net(lambda x: torch.einsum(
        "nchw,dc->ndhw", x, torch.ones(5, 4, dtype=x.dtype, device=x.device)
    ), after=5),
    "a kernel within patches": Net(lambda x: within(x)),
}  # fmt: skip


def within(x: Tensor) -> Tensor:
    """A 3 x 3 mean inside each 8 x 8 patch, as TNT's second form."""
    n, c, h, w = x.shape
    tall = x.reshape(n, c, h // 8, 8, w // 8, 8).permute(0, 2, 4, 1, 3, 5).reshape(-1, c, 8, 8)
    tall = F.avg_pool2d(tall, 3, 2, 1)
    return (
        tall.reshape(n, h // 8, w // 8, c, 4, 4)
        .permute(0, 3, 1, 4, 2, 5)
        .reshape(n, c, h // 2, w // 2)
    )


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
@pytest.mark.parametrize("name", SMALL)
def test_every_op_has_the_footprint_of_its_gradient(name: str) -> None:
    net, shape = SMALL[name], (1, 3, 24, 32)
    trace = trace_model(net, shape)
    field = receptive_fields(trace)[trace.outputs[0].op]
    found = Footprints(net, shape)
    assert field
    assert field.cells == trace.output_shape[2:]
    assert not field.border
    height, width = field.cells
    for row in {0, 1, 2, height // 2, height // 2 + 1, height - 1}:
        for column in {0, width // 3, width // 3 + 1, width - 1}:
            cell = found.outputs["end"][0, :, row, column]
            assert found.of(cell) == predicted(field, row, column), (row, column)


def test_sizes_of_cells_between_the_taps_of_a_transposed_convolution_differ():
    # Kernel 3, stride 2, padding 1: even cells read one input cell, odd cells two.
    trace = trace_model(nn.ConvTranspose2d(3, 4, 3, 2, 1), (1, 3, 8, 8))
    field = receptive_fields(trace)[-1]
    assert field
    assert field.rows
    assert [field.rows.window(i) for i in range(4)] == [(0, 0), (0, 1), (1, 1), (1, 2)]
    assert (field.rows.size, field.rows.stride) == (2, 0.5)


PUBLISHED = [
    # Araujo, Norris and Sim 2019, table at the end: receptive field and effective stride. Their
    # networks are TF-slim's. alexnet_v2 is the one of "One weird trick", ours as torchvision's.
    # A slim ResNet strides in the last unit of a block where the paper's strides in the first
    # 1 x 1 of the next; the size is the same, and torchvision's stride on the 3 x 3 gives less.
    ("alexnet", 195, 32, "dropout"),
    ("vgg16", 212, 32, ""),
    ("mobilenetv1_100", 315, 32, ""),
    ("resnet50_v1", 483, 32, ""),
    ("resnet101_v1", 1027, 32, ""),
    ("resnet152_v1", 1507, 32, ""),
    ("bn_inception", 699, 32, ""),
    ("inception_v3", 1311, 32, ""),
    ("inception_v4", 2071, 32, ""),
    ("inception_resnet_v2", 3039, 32, ""),
]


@pytest.mark.parametrize(("name", "size", "stride", "_"), PUBLISHED)
def test_the_last_features_have_the_published_field(
    name: str, size: int, stride: int, _: str
) -> None:
    trace = traced(name)
    fields = receptive_fields(trace)
    field = fields[last_local(trace, fields)]
    assert field
    assert field.size == (size, size)
    assert field.rows
    assert field.rows.stride == stride


def test_attention_sees_everything_and_a_patch_before_it_sees_itself():
    trace = traced("vit_b_16")
    fields = receptive_fields(trace)
    before = fields[last_local(trace, fields)]
    assert before
    assert before.size == (16, 16)
    assert before.rows
    assert [before.rows.window(i) for i in (0, 1, 13)] == [(0, 15), (16, 31), (208, 223)]
    after = fields[trace.outputs[0].op]
    assert after
    assert after.whole
    first = next(op for op in trace.ops if op.kind == "attention")
    assert all(field is None or not field.whole for field in fields[: first.index])
    assert all(field is None or field.whole for field in fields[first.index :])


def test_a_gate_has_seen_everything_and_the_path_beside_it_has_not():
    trace = traced("seresnet50")
    strict, along = receptive_fields(trace), receptive_fields(trace, gates=False)
    gate = next(op for op in trace.ops if op.kind == "multiply")
    field, local = strict[gate.index], along[gate.index]
    assert field
    assert local
    assert field.whole
    assert not local.whole
    # Beside the gates it is a ResNet-50.
    plain = traced("resnet50")
    fields = receptive_fields(plain)
    last = fields[last_local(plain, fields)]
    assert last == along[last_local(trace, along)]
    assert last
    assert last.size == (427, 427)


def test_statistics_over_the_picture_see_it_all():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.Conv2d(4, 4, 3))
    trace = trace_model(net, (1, 3, 16, 16))
    strict, along = receptive_fields(trace)[-1], receptive_fields(trace, gates=False)[-1]
    assert strict
    assert strict.whole
    assert along
    assert along.size == (5, 5)


def test_batch_normalization_sees_everything_only_while_it_trains():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    shape = (2, 3, 16, 16)
    trained, used = (
        receptive_fields(trace_model(net, shape, mode=m))[-1] for m in ("train", "eval")
    )
    assert trained
    assert trained.whole
    assert used
    assert used.size == (3, 3)


def test_a_strip_of_pooling_sees_whole_rows_only():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.AdaptiveAvgPool2d((None, 1)))
    field = receptive_fields(trace_model(net, (1, 3, 16, 20)))[-1]
    assert field
    assert field.rows
    assert field.columns
    assert (field.rows.whole, field.columns.whole, field.whole) == (False, True, False)
    assert field.size == (3, 20)


def test_swin_sees_its_windows_and_says_that_the_roll_wraps():
    trace = trace_model("torchvision:swin_t", (1, 3, 224, 224))
    fields = receptive_fields(trace)
    first = next(op for op in trace.ops if op.name == "roll")
    # The first block: patches of 4, windows of 7 patches; every cell of one sees all of it.
    before = fields[first.index - 1]
    assert before
    assert before.rows
    assert [before.rows.window(i) for i in (0, 6, 7, 13)] == [(0, 27), (0, 27), (28, 55), (28, 55)]
    assert not before.border
    # The second block's windows lie 3 patches further: cell 10 is in that of patches 3 * 1 + 7.
    block = next(call for call in trace.calls if call.path == "features.1.1")
    after = fields[block.output_values[0].op]
    assert after
    assert after.border
    assert after.rows
    assert after.rows.window(12) == (28, 83)
    found = Footprints(build_model("torchvision:swin_t"), (1, 3, 224, 224))
    for row, column in ((12, 12), (30, 31), (20, 40)):
        cell = found.outputs["features.1.1"][0, row, column]
        assert found.of(cell) == predicted(after, row, column)


class Sampled(nn.Module):
    """Reads where a first layer says."""

    def __init__(self) -> None:
        super().__init__()
        self.where = nn.Conv2d(3, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.grid_sample(x, self.where(x).permute(0, 2, 3, 1).tanh(), align_corners=False)


@pytest.mark.parametrize(
    ("net", "blame"),
    [
        (Sampled(), "grid_sampler"),
        (Call(lambda x: x.flip(-1)), "flip"),
        (Call(lambda x: x.flatten(2).sort(-1)[0]), "sort"),
        (Call(lambda x: torch.cat([x[:, :, 4:], x[:, :, :4]], 2)), "cat"),
        (Call(lambda x: x.transpose(2, 3) + x), "add"),
        (Call(lambda x: x[:, :, torch.arange(15, -1, -1)]), "index"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_has_no_window_is_not_defined_and_says_by_which_op(net: nn.Module, blame: str) -> None:
    trace = trace_model(nn.Sequential(nn.Conv2d(3, 3, 1), net, nn.ReLU()), (1, 3, 16, 16))
    fields = receptive_fields(trace)
    end = fields[trace.outputs[0].op]
    assert end == Field(None, None, None, border=False, undefined=blame)
    assert end.size is None
    assert trace.ops[last_local(trace, fields)].name == blame
    assert path(trace, fields, trace.outputs[0].op) == ()


def test_what_does_not_depend_on_the_picture_has_no_field():
    trace = trace_model(Call(lambda x: torch.ones(3) + 1), (1, 3, 8, 8))
    fields = receptive_fields(trace)
    assert fields[0]
    assert fields[0].size == (1, 1)
    assert set(fields[1:]) == {None}


def test_the_path_works_out_resnet18_by_the_formula():
    trace = traced("resnet18")
    fields = receptive_fields(trace)
    steps = path(trace, fields, last_local(trace, fields))
    assert [(s.kernel, s.size, s.stride) for s in steps[:4]] == [
        (7, 7, 2), (3, 11, 4), (3, 19, 4), (3, 27, 4),
    ]  # fmt: skip
    assert steps[-1].size == 435
    for step in steps:
        assert step.kernel
        assert step.size == step.size_before + (step.kernel - 1) * step.stride_before
        assert step.is_formula
    for before, after in pairwise(steps):
        assert (after.size_before, after.stride_before) == (before.size, before.stride)


def test_a_row_of_the_layer_table_has_the_field_of_its_result():
    trace = traced("resnet18")
    rows = layers(trace)
    found = dict(zip([row.key for row in rows], layer_fields(trace, rows), strict=True))
    sizes = {key: field.size for key, field in found.items() if field}
    assert sizes["conv1"] == (7, 7)
    assert sizes["layer1.0.conv2"] == (27, 27)
    assert sizes["layer2.0.downsample.0"] == (43, 43)
    assert sizes["layer4.1.conv2"] == (435, 435)
    end = found["fc"]
    assert end
    assert end.whole
    assert result_op(trace, rows[0]) == 1


def test_fields_are_plain_values():
    fields = receptive_fields(traced("hrnet_w18"))
    assert pickle.loads(pickle.dumps(fields)) == fields


def test_the_layout_says_where_rows_columns_and_channels_are():
    trace = traced("vit_b_16")
    fields = receptive_fields(trace)
    patches = fields[1]
    assert patches
    assert patches.layout == Layout(channels=1, rows=2, columns=3)
    block = next(call for call in trace.calls if call.path == "encoder.layers.encoder_layer_3")
    tokens = fields[block.output_values[0].op]
    assert tokens
    assert tokens.layout == Layout(channels=2, rows=1, columns=1, first=1)
    assert block.outputs[0].shape[1] == 1 + 14 * 14
    swin = trace_model("torchvision:swin_t", (1, 3, 224, 224))
    stage = next(call for call in swin.calls if call.path == "features.3")
    field = receptive_fields(swin)[stage.output_values[0].op]
    assert field
    assert field.layout == Layout(channels=3, rows=1, columns=2)
    assert field.cells == stage.outputs[0].shape[1:3]


@pytest.mark.slow
def test_every_network_here_has_fields_throughout():
    from tests.analysis.nets import NAMES

    for name in NAMES:
        trace = traced(name)
        fields = receptive_fields(trace)
        assert not {field.undefined for field in fields if field} - {""}, name
        last = fields[last_local(trace, fields)]
        assert last
        assert last.rows
        assert last.columns
        assert last.rows.cells * last.columns.cells > 1, name
