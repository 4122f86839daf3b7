import io
import json
from itertools import pairwise

import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from explorer.analysis.layers import (
    Layer,
    layers,
    layers_frame,
    locate,
    to_csv,
    to_json,
    to_markdown,
)
from explorer.analysis.totals import Convention
from explorer.errors import InputSizeError
from explorer.trace import trace_model
from explorer.trace.records import KINDS, Trace
from tests.analysis.nets import DEEP, NAMES, corners, small, traced, twice

EVERYTHING = Convention(True, True, True, True, "FLOPs")


def row(trace: Trace, key: str, depth: int | None = None) -> Layer:
    return next(layer for layer in layers(trace, depth) if layer.key == key)


def assert_adds_up(trace: Trace, depth: int | None) -> None:
    rows = layers(trace, depth, EVERYTHING)
    uncalled = sum(module.params for module in trace.uncalled)
    assert sum(layer.params for layer in rows) + uncalled == trace.params
    assert sum(layer.macs for layer in rows) == trace.macs
    assert sum(layer.cost for layer in rows) == sum(map(EVERYTHING.cost, trace.ops))
    assert sum(layer.activation_bytes for layer in rows) == trace.activation_bytes
    assert len({layer.key for layer in rows}) == len(rows)
    assert {layer.kind for layer in rows} <= set(KINDS)
    assert all(a.last_op <= b.first_op for a, b in pairwise(rows))


@pytest.mark.parametrize("depth", [None, 0, 1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_the_columns_add_up_to_the_totals(name: str, depth: int | None):
    assert_adds_up(traced(name), depth)


@pytest.mark.parametrize("depth", [None, 0, 1])
def test_the_columns_add_up_where_counters_trip(depth: int | None):
    assert_adds_up(corners(), depth)
    assert_adds_up(twice(), depth)


@pytest.mark.slow
@pytest.mark.parametrize("name", DEEP)
def test_the_columns_of_a_thousand_layers_add_up(name: str):
    assert_adds_up(traced(name), None)


def test_a_row_is_a_leaf_call_or_a_functional_op():
    assert [layer.key for layer in layers(small())] == [
        "conv",
        "norm",
        "relu",
        "pool",
        ":flatten",
        "fc",
    ]


def test_a_convolution_s_row_says_all_that_its_table_row_shows():
    assert row(traced("resnet50"), "conv1") == Layer(
        key="conv1",
        path="conv1",
        label="Conv2d",
        kind="convolution",
        module_class="Conv2d",
        depth=1,
        call=1,
        first_op=1,
        last_op=2,
        input_shapes=((1, 3, 224, 224),),
        output_shape=(1, 64, 112, 112),
        kernel=(7, 7),
        stride=(2, 2),
        padding=(3, 3),
        dilation=(1, 1),
        groups=1,
        params=64 * 3 * 7 * 7,
        macs=118_013_952,
        cost=118_013_952,
        activation_bytes=64 * 112 * 112 * 4,
    )


def test_a_module_called_twice_is_counted_once_in_params_and_twice_in_macs():
    rows = {layer.key: layer for layer in layers(twice())}
    assert list(rows) == ["fc", ":add", ":add@1", "fc@1"]
    assert (rows["fc"].params, rows["fc@1"].params) == (20, 0)
    assert (rows["fc"].macs, rows["fc@1"].macs) == (16, 16)


def test_the_plus_of_a_residual_block_has_a_row_with_the_block_s_path():
    plus = row(traced("resnet50"), "layer1.0:add")
    assert (plus.path, plus.label, plus.kind, plus.depth) == ("layer1.0", "add", "add", 3)
    assert plus.input_shapes == ((1, 256, 56, 56),) * 2


def test_a_weight_that_an_op_reads_is_no_input_of_the_row():
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(5, 4))

        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.linear(x, self.weight)

    (only,) = layers(trace_model(Functional(), (2, 4)))
    assert (only.key, only.input_shapes, only.params) == (":linear", ((2, 4),), 20)


def test_a_module_with_several_ops_is_one_row():
    attention = row(corners(), "mha")
    assert attention.kind == "attention"
    assert attention.label == "MultiheadAttention"
    assert attention.params == 6 * 18 + 18 + 6 * 6 + 6
    assert row(corners(), "lstm").kind == "recurrent"
    # Made of squares, pooling and a quotient, it is a normalization all the same.
    assert row(corners(), "lrn").kind == "normalization"
    assert row(corners(), "lrn").kernel is None


def test_parameters_that_no_op_reads_have_a_row_of_their_own():
    kept = row(corners(), ":parameters")
    assert (kept.params, kept.macs) == (9, 0)


def test_a_call_without_ops_has_a_row_too():
    class Empty(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 4)
            self.shortcut = nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(x) + self.shortcut(x)

    identity = row(trace_model(Empty(), (1, 4)), "shortcut")
    assert (identity.kind, identity.output_shape) == ("bookkeeping", (1, 4))


def test_a_pooling_s_stride_defaults_to_its_kernel():
    pool = row(small(), "pool")
    assert (pool.kernel, pool.stride, pool.padding) == ((2, 2), (2, 2), (0, 0))


def test_padding_in_words_stays_in_words():
    assert row(corners(), "grouped").padding == "same"
    assert row(corners(), "grouped").groups == 4


def test_depth_folds_calls_into_their_ancestor():
    keys = [layer.key for layer in layers(traced("resnet18"), depth=1)]
    assert keys[:5] == ["conv1", "bn1", "relu", "maxpool", "layer1"]
    folded = row(traced("resnet18"), "layer1", depth=1)
    # Two blocks of two 3x3 convolutions of 64 channels at 56 x 56.
    assert folded.macs == 4 * 64 * 64 * 3 * 3 * 56 * 56
    assert folded.kernel is None
    (whole,) = layers(traced("resnet18"), depth=0)
    assert (whole.key, whole.params) == ("", 11_689_512)


def test_a_pass_that_broke_off_has_rows_up_to_the_failing_layer():
    with pytest.raises(InputSizeError) as failed:
        trace_model("alexnet", (1, 3, 32, 32))
    partial = failed.value.partial
    assert partial
    assert_adds_up(partial, None)
    last = layers(partial)[-1]
    assert (last.key, last.input_shapes, last.output_shape) == (
        "features.12",
        ((1, 256, 1, 1),),
        (),
    )


def test_locate_finds_the_row_that_contains_a_layer():
    trace = traced("resnet18")
    folded = layers(trace, depth=1)
    found = locate(trace, folded, "layer1.0.conv1")
    assert found
    assert found.key == "layer1"
    assert locate(trace, layers(trace), "layer1.0.conv1") == row(trace, "layer1.0.conv1")
    assert locate(trace, folded, "no.such.layer") is None


def test_the_frame_shows_cost_in_the_convention_s_unit():
    frame = layers_frame(small(), convention=Convention(unit="FLOPs"))
    assert list(frame.columns) == [
        "Layer", "Kind", "Input", "Output", "Kernel", "Stride", "Padding", "Params", "FLOPs",
        "Share", "Activation MiB", "Cumulative share",
    ]  # fmt: skip
    assert frame.loc["conv", "FLOPs"] == 2 * 2 * 13_824
    # 13,824 of 13,824 + 1,280
    assert frame.loc["conv", "Share"] == pytest.approx(13_824 / 15_104)
    assert frame["Share"].sum() == pytest.approx(1)
    assert frame["Cumulative share"].iloc[-1] == pytest.approx(1)
    assert frame.loc["conv", ["Kernel", "Stride", "Padding"]].tolist() == ["3×3", "1×1", "1×1"]
    assert frame.loc["conv", "Output"] == "8 × 8 × 8"


def test_equal_inputs_are_written_once():
    frame = layers_frame(traced("resnet18"))
    assert frame.loc["layer1.0:add", "Input"] == "2 of 64 × 56 × 56"


def test_the_csv_reads_back_as_the_same_numbers():
    frame = layers_frame(traced("densenet121"))
    back = pd.read_csv(io.StringIO(to_csv(frame)), keep_default_na=False)
    assert list(back.columns) == list(frame.columns)
    assert back["MACs"].tolist() == frame["MACs"].tolist()
    assert back["Share"].tolist() == frame["Share"].tolist()
    assert back["Layer"].tolist() == frame["Layer"].tolist()


def test_the_markdown_has_a_line_for_each_row():
    lines = to_markdown(layers_frame(small())).splitlines()
    assert lines[0].startswith("| Layer | Kind | Input |")
    assert lines[1].count("---:") == 5  # params, MACs, two shares, MiB
    assert len(lines) == 2 + 6
    assert "| 27,648 |" in lines[2]  # 2 * 13,824
    assert "91.53%" in lines[2]  # 13,824 / 15,104


def test_a_bar_in_a_name_does_not_break_the_markdown_table():
    net = nn.ModuleDict({"a|b": nn.Linear(4, 4)})

    class Barred(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = net

        def forward(self, x: Tensor) -> Tensor:
            return self.parts["a|b"](x)

    line = to_markdown(layers_frame(trace_model(Barred(), (1, 4)))).splitlines()[2]
    assert line.startswith(r"| parts.a\|b | linear |")


def test_the_json_holds_totals_convention_and_rows():
    loaded = json.loads(to_json(small(), convention=Convention(unit="FLOPs")))
    assert loaded["model"] == "Small"
    assert loaded["input_shape"] == [2, 3, 8, 8]
    assert loaded["totals"]["cost"] == 2 * 30_208
    assert loaded["unit"] == "FLOPs"
    assert "two for each multiply-accumulate" in loaded["convention"]
    assert loaded["layers"][0]["key"] == "conv"
