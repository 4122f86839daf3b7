import re
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn

from explorer.analysis.layers import layers
from explorer.analysis.receipts import Receipt, evaluate, receipt
from explorer.analysis.totals import DEFAULT, Convention
from explorer.trace import trace_model
from explorer.trace.records import Trace
from tests.analysis.nets import NAMES, corners, small, traced, twice

EVERYTHING = Convention(True, True, True, True, "FLOPs")


def of(
    trace: Trace, key: str, convention: Convention = DEFAULT, depth: int | None = None
) -> Receipt:
    return receipt(trace, next(row for row in layers(trace, depth) if row.key == key), convention)


def lines(found: Receipt) -> dict[str, tuple[str, int]]:
    return {line.label: (line.formula, line.result) for line in found.lines}


# --- by hand -------------------------------------------------------------------------------


def test_a_convolution_s_receipt_is_the_one_in_the_textbook():
    found = of(traced("resnet50"), "conv1")
    assert found.title == "7×7 convolution, 3 → 64 channels, stride 2"
    assert lines(found) == {
        "Output height": ("floor((224 + 2*3 - 7) / 2) + 1", 112),
        "Output width": ("floor((224 + 2*3 - 7) / 2) + 1", 112),
        "Parameters": ("64*3*7*7", 9_408),
        "MACs": ("64*3*7*7 * 112*112", 118_013_952),
        "Activation bytes": ("64*112*112 * 4", 3_211_264),
    }


def test_groups_divide_parameters_and_macs():
    found = lines(of(corners(), "grouped"))
    assert found["Parameters"] == ("16*(8/4)*3*3", 288)
    # Two images of 19 x 21.
    assert found["MACs"] == ("2 * 16*(8/4)*3*3 * 19*21", 229_824)
    title = of(corners(), "depthwise").title
    assert title == "3×5 depthwise convolution, 16 channels"


def test_dilation_widens_the_kernel_s_reach():
    found = lines(of(corners(), "dilated"))
    assert found["Output height"] == ("floor((61 + 2*2 - 2*(5 - 1) - 1) / 3) + 1", 19)


def test_padding_same_adds_the_reach():
    found = lines(of(corners(), "grouped"))
    assert found["Output width"] == ("floor((21 + 4 - 2*(3 - 1) - 1) / 1) + 1", 21)


def test_a_transposed_convolution_s_macs_are_those_of_its_input():
    found = lines(of(corners(), "up"))
    assert found["Output height"] == ("(8 - 1)*2 - 2*1 + 2*(4 - 1) + 1 + 1", 20)
    assert found["Parameters"] == ("16*(8/2)*4*4 + 8", 1_032)
    assert found["MACs"] == ("2 * 16*(8/2)*4*4 * 8*8", 131_072)


def test_ceil_mode_rounds_up_and_drops_a_window_that_starts_in_the_padding():
    assert lines(of(corners(), "pool"))["Output height (ceil mode)"] == (
        "ceil((17 + 2*0 - 3) / 2) + 1",
        8,
    )
    dropping = nn.MaxPool2d(3, 3, 1, ceil_mode=True)
    trace = trace_model(nn.Sequential(dropping), (1, 1, 5, 5))
    label = "Output height, without the window that would start in the padding (ceil mode)"
    # 5 + 2 - 3 = 4 steps to go at stride 3: windows at 0, 3 and 6, where 6 = 5 + 1 is padding.
    assert lines(of(trace, "0"))[label] == ("ceil((5 + 2*1 - 3) / 3) + 1 - 1", 2)


def test_an_adaptive_pooling_s_size_is_its_own():
    found = of(corners(), "adaptive")
    assert found.title == "Average pooling to 3×2"
    assert lines(found)["Output width (set by the layer)"] == ("2", 2)


def test_a_linear_layer_multiplies_by_its_tokens():
    assert lines(of(corners(), "fc")) == {
        "Parameters": ("6*6 + 6", 42),
        "MACs": ("2*8 * 6*6", 576),
        "Bias additions (not counted)": ("2*8*6", 96),
        "Activation bytes": ("2*8*6 * 4", 384),
    }


def test_shared_parameters_are_said_to_be_counted_elsewhere():
    found = lines(of(twice(), "fc@1"))
    assert found["Parameters (shared, counted where they are first read)"] == ("0", 0)
    assert found["MACs"] == ("4*4", 16)


def test_attention_shows_its_products_and_their_sum():
    found = lines(of(corners(), "encoder.self_attn"))
    # Two images, eight tokens of six features, two heads of three.
    assert found["MACs of scaled_dot_product_attention"] == ("2*2 * 8*8 * (3 + 3)", 1_536)
    # 16 * 18*6 + 1,536 + 16 * 6*6
    assert found["MACs"] == ("1728 + 1536 + 576", 3_840)


def test_an_lstm_multiplies_every_weight_matrix_once_a_step():
    found = lines(of(corners(), "gru"))
    assert found["Parameters"] == ("18*14 + 18*6 + 18 + 18", 396)
    assert found["MACs"] == ("2*8 * (18*14 + 18*6)", 5_760)


def test_concatenation_adds_up_channels():
    found = of(traced("densenet121"), "features.denseblock1:cat")
    assert found.title == "Concatenation of 2 tensors"
    assert lines(found)["Output channels"] == ("64 + 32", 96)


def test_a_folded_module_s_numbers_are_sums_of_its_parts():
    found = lines(of(traced("resnet50"), "layer1", depth=1))
    # 75,008 in the block with the projection, 70,400 in each of the others.
    assert found["Parameters"] == ("75008 + 2*70400", 215_808)


def test_the_convention_s_cost_is_worked_out_from_its_parts():
    found = lines(of(small(), "conv", EVERYTHING))
    assert found["MACs"][1] == 27_648
    assert found["Bias additions (counted)"] == ("2*8*8*8", 1_024)
    assert found["FLOPs"] == ("2*27648 + 1024", 56_320)


def test_a_row_without_ops_has_nothing_to_work_out():
    net = nn.Sequential(nn.Identity(), nn.Linear(2, 2))
    assert of(trace_model(net, (1, 2)), "0").lines == ()


# --- every formula is right ----------------------------------------------------------------

BARE = re.compile(r"\d+")


def assert_worked(trace: Trace, convention: Convention) -> None:
    for depth in (None, 1):
        for row in layers(trace, depth, convention):
            found = receipt(trace, row, convention)
            by_label = lines(found)
            for line in found.lines:
                assert evaluate(line.formula) == line.result, (row.key, line)
            if depth is None and row.macs:
                assert not BARE.fullmatch(by_label["MACs"][0]), (row.key, by_label)
                assert by_label["MACs"][1] == row.macs
            if row.activation_bytes:
                assert by_label["Activation bytes"][1] == row.activation_bytes
            if row.params:
                assert by_label["Parameters"][1] == row.params


@pytest.mark.parametrize("name", NAMES)
def test_every_formula_of_the_registry_evaluates_to_the_recorded_number(name: str):
    assert_worked(traced(name), EVERYTHING)


def test_every_formula_is_right_where_counters_trip():
    assert_worked(corners(), DEFAULT)
    assert_worked(corners(), EVERYTHING)


sides = st.integers(1, 24)


@given(
    size=st.tuples(sides, sides),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=st.integers(1, 4),
    padding=st.integers(0, 3),
    dilation=st.integers(1, 3),
    groups=st.sampled_from([1, 2, 4]),
    transposed=st.booleans(),
    bias=st.booleans(),
)
def test_any_convolution_is_worked_out(
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: int,
    padding: int,
    dilation: int,
    groups: int,
    transposed: bool,
    bias: bool,
):
    if transposed:
        smallest = min((n - 1) * stride - 2 * padding for n in size)
        assume(smallest + dilation * (min(kernel) - 1) + 1 >= 1)
        make = nn.ConvTranspose2d
    else:
        reach = [n + 2 * padding - dilation * (k - 1) for n, k in zip(size, kernel, strict=True)]
        assume(min(reach) >= 1)
        make = nn.Conv2d
    layer = make(4, 8, kernel, stride, padding, groups=groups, dilation=dilation, bias=bias)
    trace = trace_model(nn.Sequential(layer), (2, 4, *size))
    found = lines(of(trace, "0"))
    height, width = found["Output height"], found["Output width"]
    assert (height[1], width[1]) == trace.ops[-1].outputs[0].shape[2:]
    for formula, result in (height, width, found["MACs"], found["Parameters"]):
        assert not BARE.fullmatch(formula)
        assert evaluate(formula) == result


@given(
    size=st.integers(1, 40),
    kernel=st.integers(1, 6),
    stride=st.integers(1, 7),
    padding=st.integers(0, 3),
    ceil_mode=st.booleans(),
    average=st.booleans(),
)
def test_any_pooling_is_worked_out(
    size: int, kernel: int, stride: int, padding: int, ceil_mode: bool, average: bool
):
    assume(padding <= kernel // 2 and size + 2 * padding >= kernel)
    make = nn.AvgPool2d if average else nn.MaxPool2d
    layer = make(kernel, stride, padding, ceil_mode=ceil_mode)
    trace = trace_model(nn.Sequential(layer), (1, 3, size, size))
    (height,) = (line for line in of(trace, "0").lines if line.label.startswith("Output height"))
    assert not BARE.fullmatch(height.formula)
    assert height.result == trace.ops[-1].outputs[0].shape[2]
    assert evaluate(height.formula) == height.result


# --- evaluating ----------------------------------------------------------------------------


def test_a_formula_is_exact_arithmetic():
    assert evaluate("floor((5 + 2*1 - 2) / 2) + 1") == 3
    assert evaluate("ceil(7 / 2)") == 4
    assert evaluate("-1 + 1/3") == Fraction(-2, 3)
    # Beyond the 53 bits of a float.
    assert evaluate("9007199254740993 * 3") == 27_021_597_764_222_979


@pytest.mark.parametrize(
    "formula", ["__import__('os')", "2**999", "open('x')", "1.5", "a + 1", "1 +", "floor(1, 2)"]
)
def test_anything_else_is_refused(formula: str):
    with pytest.raises(ValueError, match="not a receipt's arithmetic"):
        evaluate(formula)
