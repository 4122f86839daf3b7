from __future__ import annotations

import math
import re
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from benchmarks.roofline_vs_published import (
    compare,
    ours,
    print_recorded,
    rank_correlation,
    read,
)
from explorer.analysis.layers import layers
from explorer.analysis.recorded import calibrated_device
from explorer.analysis.roofline import (
    DTYPES,
    Bottlenecks,
    Device,
    Prediction,
    bottlenecks,
    calibrated,
    devices,
    get_device,
    predict,
)
from explorer.errors import ExplorerError
from explorer.latency import recorded, recorded_calibrations
from explorer.text import speaking
from explorer.trace import trace_model
from explorer.trace.records import Trace
from tests.analysis.nets import small, traced

TOY = Device(
    name="Toy",
    kind="GPU",
    float32=1000.0,
    tf32=2000.0,
    float16=4000.0,
    bfloat16=None,
    int8=8000.0,
    bandwidth=100.0,
    memory=1e6,
    launch_seconds=1.0,
    source="made up",
    checked="made up",
)
"""Numbers so small that a millisecond is a sum on paper."""

H100 = get_device("NVIDIA H100 SXM")
NETS = ("resnet18", "efficientnet_b0", "densenet121", "deit_tiny_patch16_224", "osnet_x0_25")
HERE = Path(__file__).parent


@cache
def conv() -> Trace:
    return trace_model(nn.Conv2d(2, 4, 3, padding=1, bias=False), (1, 2, 4, 4))


# ----------------------------------------------------------------------------- by hand


def test_a_convolution_by_hand():
    # MACs: 4 * 4*4 outputs of 2 * 3*3 = 1,152, so 2,304 operations: 2.304 s at 1,000 a second
    # bytes: input 2*4*4 * 4 = 128, weight 4*2*3*3 * 4 = 288, output 4*4*4 * 4 = 256: 6.72 s
    # max(2.304, 6.72) + 1 s for the launch
    prediction = predict(conv(), TOY)
    (op,) = [op for op in prediction.ops if op.launches]
    assert (op.macs, op.operations, op.nbytes) == (1152, 2304, 672)
    assert op.compute_ms == pytest.approx(2304)
    assert op.memory_ms == pytest.approx(6720)
    assert op.launch_ms == pytest.approx(1000)
    assert prediction.ms == pytest.approx(7720)
    assert prediction.images_per_second == pytest.approx(1 / 7.72)
    assert op.bound == "memory"
    assert op.intensity == pytest.approx(2304 / 672)


def test_the_same_convolution_is_bound_by_whatever_takes_longest():
    # with ten times the bandwidth 0.672 s for the bytes: 2.304 + 1 s
    fast = predict(conv(), TOY._replace(bandwidth=1000.0))
    assert (fast.ms, fast.layers[0].bound) == (pytest.approx(3304), "compute")
    # with a hundred times the arithmetic as well 0.02304 s: 0.672 + 1 s
    faster = predict(conv(), TOY._replace(bandwidth=1000.0, float32=1e5))
    assert (faster.ms, faster.layers[0].bound) == (pytest.approx(1672), "launch")
    assert predict(conv(), TOY, launch=False).ms == pytest.approx(6720)


def test_a_shorter_type_moves_fewer_bytes_at_its_own_peak():
    # float16: 2,304 / 4,000 = 0.576 s; 336 bytes: 3.36 s. int8: 0.288 s; 168 bytes: 1.68 s
    # TF32: 2,304 / 2,000 = 1.152 s, and bytes as float32
    half, eighth = predict(conv(), TOY, "float16"), predict(conv(), TOY, "int8")
    assert (half.ops[-1].compute_ms, half.ms) == (pytest.approx(576), pytest.approx(4360))
    assert (eighth.ops[-1].compute_ms, eighth.ms) == (pytest.approx(288), pytest.approx(2680))
    tf32 = predict(conv(), TOY, tf32=True)
    assert (tf32.ops[-1].compute_ms, tf32.ms) == (pytest.approx(1152), pytest.approx(7720))


def test_a_linear_layer_by_hand_adds_its_bias_on_the_vector_units():
    # MACs 8 * 4 = 32, bias 4: 68 operations; in float16 64 / 4,000 + 4 / 1,000 = 0.020 s
    # bytes: input 8, weight 32, bias 4, output 4 = 48 elements, 2 bytes each: 0.96 s
    prediction = predict(trace_model(nn.Linear(8, 4), (1, 8)), TOY, "float16")
    op = prediction.ops[-1]
    assert (op.operations, op.nbytes) == (68, 96)
    assert op.compute_ms == pytest.approx(20)
    assert (op.ms, op.bound) == (pytest.approx(1960), "launch")


def test_an_elementwise_op_runs_at_the_float32_peak_in_every_type():
    # 32 elements: 0.032 s in each; bytes 2 * 32 * 4 = 256: 2.56 s, half of it in float16
    trace = trace_model(nn.ReLU(), (1, 2, 4, 4))
    single, half = predict(trace, TOY), predict(trace, TOY, "float16")
    assert single.ops[-1].compute_ms == half.ops[-1].compute_ms == pytest.approx(32)
    assert (single.ms, half.ms) == (pytest.approx(3560), pytest.approx(2280))
    assert single.macs == 0


def test_views_and_the_input_launch_nothing():
    prediction = predict(trace_model(nn.Flatten(), (1, 2, 4, 4)), TOY)
    assert (prediction.ms, prediction.launches) == (0, 0)
    assert prediction.images_per_second == math.inf
    assert {op.bound for op in prediction.ops} == {"none"}
    # small(): convolution, normalization, activation, pooling, linear; the flatten is a view
    assert predict(small(), TOY).launches == 5


def test_integers_keep_their_width():
    class Pick(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.index_select(1, torch.arange(8))

    # 8 indices of 8 bytes; input and output 8 floats each: 64 + 2 * 8 * 4 or * 1
    trace = trace_model(Pick(), (1, 8))
    assert predict(trace, TOY).ops[-1].nbytes == 128
    assert predict(trace, TOY, "int8").ops[-1].nbytes == 80


def test_a_model_in_half_precision_is_predicted_as_the_same_model_in_float32():
    class Halved(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.relu(x.half())

    trace = trace_model(Halved(), (1, 8))
    # the relu reads and writes 8 elements of 2 bytes as traced, 4 as predicted
    assert predict(trace, TOY).ops[-1].nbytes == 64
    assert predict(trace, TOY, "float16").ops[-1].nbytes == 32


# ---------------------------------------------------------------------------- properties


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
@pytest.mark.parametrize("name", NETS)
def test_the_parts_are_the_whole(name: str, dtype: str):
    prediction = predict(traced(name), H100, dtype)
    assert math.fsum(op.ms for op in prediction.ops) == pytest.approx(prediction.ms)
    assert math.fsum(op.share for op in prediction.ops) == pytest.approx(1)
    assert math.fsum(row.ms for row in prediction.layers) == pytest.approx(prediction.ms)
    assert math.fsum(row.share for row in prediction.layers) == pytest.approx(1)
    assert sum(row.macs for row in prediction.layers) == traced(name).macs == prediction.macs
    assert sum(row.launches for row in prediction.layers) == prediction.launches
    for row in prediction.layers:
        assert row.ms == pytest.approx(row.compute_ms + row.memory_ms + row.launch_ms)


@pytest.mark.parametrize("name", NETS)
def test_the_rows_are_those_of_the_table_of_layers(name: str):
    prediction = predict(traced(name), H100)
    assert [row.key for row in prediction.layers] == [row.key for row in layers(traced(name))]


def test_work_without_a_row_in_the_table_has_one_here():
    class Overwrite(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.relu = nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            y = self.relu(x)
            y[:, :1] = x[:, :1]
            return self.relu(y)

    prediction = predict(trace_model(Overwrite(), (1, 2, 4, 4)), TOY)
    keys = [row.key for row in prediction.layers]
    assert len(keys) == len(set(keys))
    position = next(place for place, key in enumerate(keys) if key.startswith(":copy_@op"))
    assert keys.index("relu") < position < keys.index("relu@1")
    assert math.fsum(row.ms for row in prediction.layers) == pytest.approx(prediction.ms)


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(NETS),
    device=st.sampled_from(devices()),
    field=st.sampled_from(["bandwidth", "float32", "launch_seconds"]),
    factor=st.floats(1, 1000),
)
def test_a_better_device_never_slows_anything(name: str, device: Device, field: str, factor: float):
    value = getattr(device, field)
    better = value / factor if field == "launch_seconds" else value * factor
    before = predict(traced(name), device)
    after = predict(traced(name), device._replace(**{field: better}))
    assert all(new.ms <= old.ms for new, old in zip(after.ops, before.ops, strict=True))


def test_doubling_bandwidth_halves_what_only_memory_limits():
    before = predict(traced("resnet18"), H100, launch=False)
    after = predict(traced("resnet18"), H100._replace(bandwidth=2 * H100.bandwidth), launch=False)
    changed = 0
    for old, new in zip(before.ops, after.ops, strict=True):
        if new.bound == "memory":
            assert new.ms == pytest.approx(old.ms / 2)
            changed += 1
    assert changed > 20


def test_a_larger_batch_is_more_images_a_second_and_the_same_launches():
    runs = [predict(traced("resnet18", n, 3, 224, 224), H100, "float16") for n in (1, 8, 64)]
    assert [run.batch for run in runs] == [1, 8, 64]
    assert len({run.launches for run in runs}) == 1
    for fewer, more in pairwise(runs):
        assert more.images_per_second > fewer.images_per_second
        assert more.ms > fewer.ms


def test_a_prediction_says_that_it_is_one():
    prediction = predict(traced("resnet18", 8, 3, 224, 224), H100, tf32=True)
    assert prediction.source == "predicted"
    assert prediction.statement() == (
        "Predicted, not measured: resnet18 on NVIDIA H100 SXM in float32 (TF32), batch of 8, by "
        "the roofline model with 4 µs for each launch (an assumption)."
    )
    assert (
        predict(traced("resnet18"), H100, launch=False)
        .statement()
        .endswith("batch of 1, by the roofline model without launch overhead.")
    )


def test_an_op_without_a_rule_makes_the_time_a_stated_lower_bound():
    class Solve(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.linalg.svdvals(x)

    assert "At least" in predict(trace_model(Solve(), (4, 4)), TOY).statement()
    assert "At least" not in predict(conv(), TOY).statement()


# ------------------------------------------------------------------------------- devices


def test_every_device_has_a_source_and_says_what_was_checked():
    assert len(devices()) >= 12
    assert len({device.name for device in devices()}) == len(devices())
    for device in devices():
        assert device.kind in ("GPU", "CPU")
        assert len(device.source) > 20
        assert device.checked.startswith("The vendor states ")
        assert not device.launch_measured


@pytest.mark.parametrize("device", devices(), ids=lambda device: device.name)
def test_the_numbers_of_a_device_make_sense(device: Device):
    assert device.float32
    assert device.ridge() > 1
    peaks = [device.float32, device.tf32, device.float16, device.int8]
    known = [peak for peak in peaks if peak]
    assert known == sorted(known)
    assert device.bfloat16 in (None, device.float16)
    assert 1e11 < device.float32 < 2e14
    assert 5e10 < device.bandwidth < 1e13
    assert 1e10 < device.memory < 2e11
    assert 1e-6 <= device.launch_seconds <= 2e-5


def test_the_peaks_are_dense():
    # the datasheets print 1,979 (H100), 624 (A100) and 242 (L4) with sparsity
    rates = [get_device(name).float16 for name in ("H100", "A100", "L4")]
    assert rates == [989.4e12, 312e12, 121e12]


def test_the_ridge_is_where_arithmetic_and_memory_take_equally_long():
    # 989.4e12 / 3.35e12
    assert H100.ridge("float16") == pytest.approx(295.3, abs=0.05)
    assert predict(conv(), H100, "float16").ridge == H100.ridge("float16")


def test_a_device_is_found_by_part_of_its_name():
    assert get_device("rtx 4090").name == "NVIDIA GeForce RTX 4090"
    with pytest.raises(ExplorerError, match=r"no device called 'TPU'.*NVIDIA T4"):
        get_device("TPU")
    with pytest.raises(ExplorerError, match=r"more than one device.*RTX 4090, .*RTX 3090\."):
        get_device("RTX")
    with pytest.raises(ExplorerError, match="no device"):
        get_device("")


def test_a_type_that_the_device_lacks_is_a_sentence_that_says_what_works():
    with pytest.raises(ExplorerError) as caught:
        predict(conv(), get_device("T4"), "bfloat16")
    assert str(caught.value) == (
        "There is no peak rate for 'bfloat16' on the NVIDIA T4: choose float32, float16, int8."
    )
    with pytest.raises(ExplorerError, match="TF32 on the NVIDIA T4: choose float32"):
        predict(conv(), get_device("T4"), tf32=True)
    with pytest.raises(ExplorerError, match="'float8' on the Toy"):
        predict(conv(), TOY, "float8")
    with pytest.raises(ExplorerError, match="leave TF32 out"):
        predict(conv(), TOY, "float16", tf32=True)


@pytest.mark.parametrize(
    "change", [{"bandwidth": 0.0}, {"bandwidth": math.nan}, {"float32": 0.0}, {"float32": None},
               {"launch_seconds": -1.0}],
)  # fmt: skip
def test_a_device_edited_into_nonsense_is_refused(change: dict[str, float | None]):
    with pytest.raises(ExplorerError, match="Toy"):
        predict(conv(), TOY._replace(**change), "float16")


@pytest.mark.parametrize(
    ("name", "lanes", "gigahertz"),
    [
        ("NVIDIA H100 SXM", 16_896, 1.98),
        ("NVIDIA A100 80GB SXM", 6_912, 1.41),
        ("NVIDIA T4", 2_560, 1.59),
        ("NVIDIA GeForce RTX 4090", 16_384, 2.52),
        ("NVIDIA GeForce RTX 3090", 10_496, 1.695),
        ("NVIDIA Jetson AGX Orin 64GB", 2_048, 1.3),
        ("Apple M2 Max (38-core GPU)", 4_864, 1.398),
        ("Apple M3 Max (40-core GPU)", 5_120, 1.398),
    ],
)
def test_float32_is_a_multiply_add_of_every_lane_a_clock(
    name: str, lanes: int, gigahertz: float
) -> None:
    # Within the rounding of what the vendor prints: 8.1 for 8.14.
    assert get_device(name).float32 == pytest.approx(2 * lanes * gigahertz * 1e9, rel=0.01)


@pytest.mark.parametrize(
    ("name", "tensor_cores", "operations", "gigahertz"),
    [
        ("NVIDIA H100 SXM", 528, 1024, 1.83),
        ("NVIDIA A100 80GB SXM", 432, 512, 1.41),
        ("NVIDIA T4", 320, 128, 1.59),
        # With float16 accumulation these two do twice as much.
        ("NVIDIA GeForce RTX 4090", 512, 128, 2.52),
        ("NVIDIA GeForce RTX 3090", 328, 128, 1.695),
        ("NVIDIA Jetson AGX Orin 64GB", 64, 512, 1.3),
    ],
)
def test_float16_is_dense_and_accumulates_in_float32(
    name: str, tensor_cores: int, operations: int, gigahertz: float
) -> None:
    expected = tensor_cores * operations * gigahertz * 1e9
    assert get_device(name).float16 == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(
    ("name", "bits", "giga_transfers"),
    [
        ("NVIDIA T4", 256, 10),
        ("NVIDIA L4", 192, 12.5),
        ("NVIDIA GeForce RTX 4090", 384, 21),
        ("NVIDIA GeForce RTX 3090", 384, 19.5),
        ("NVIDIA Jetson AGX Orin 64GB", 256, 6.4),
        ("Intel Core i7-1185G7 (laptop CPU)", 128, 4.267),
    ],
)
def test_bandwidth_is_the_bus_times_its_rate(name: str, bits: int, giga_transfers: float) -> None:
    expected = bits / 8 * giga_transfers * 1e9
    assert get_device(name).bandwidth == pytest.approx(expected, rel=0.001)


def test_a_calibrated_device_has_the_measured_numbers():
    # half of the float32 peak was measured, so the other peaks are halved
    device = calibrated(TOY, 80.0, 500.0)
    assert (device.float32, device.tf32, device.float16, device.int8) == (500, 1000, 2000, 4000)
    assert device.bfloat16 is None
    assert device.bandwidth == 80
    assert "calibrated" in device.name
    assert "measured" in device.checked
    assert calibrated(TOY, 80.0, 5000.0, "float16").float32 == 1250
    assert predict(conv(), device).ms == pytest.approx(1e3 * (672 / 80 + 1))
    for wrong in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ExplorerError, match="should be above 0"):
            calibrated(TOY, wrong, 1.0)
        with pytest.raises(ExplorerError, match="should be above 0"):
            calibrated(TOY, 1.0, wrong)


# --------------------------------------------------------------------------- why is it slow


class Separable(nn.Module):
    """Depthwise 8*9 * 16 = 1,152 MACs, pointwise 8*4 * 16 = 512, grouped 4*2*9 * 16 = 1,152."""

    def __init__(self) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
        self.relu = nn.ReLU()
        self.pointwise = nn.Conv2d(8, 4, 1, bias=False)
        self.grouped = nn.Conv2d(4, 4, 3, padding=1, groups=2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.grouped(self.pointwise(self.relu(self.depthwise(x))))


def test_depthwise_convolutions_are_told_from_grouped_ones():
    prediction = predict(trace_model(Separable(), (1, 8, 4, 4)), TOY, launch=False)
    assert [op.depthwise for op in prediction.ops if op.launches] == [True, False, False, False]
    found = bottlenecks(prediction)
    # grouped: 4 outputs of 2 channels * 9 on 4*4 pixels
    assert found.depthwise_macs == pytest.approx(1152 / (1152 + 512 + 1152))
    # seconds: depthwise (128 + 72 + 128) * 4 / 100 = 13.12, relu 256 * 4 / 100 = 10.24,
    # pointwise (128 + 32 + 64) * 4 / 100 = 8.96, grouped (64 + 72 + 64) * 4 / 100 = 8
    assert prediction.ms == pytest.approx(40_320)
    assert found.depthwise_time == pytest.approx(13.12 / 40.32)
    assert found.elementwise_time == pytest.approx(10.24 / 40.32)
    assert found.elementwise_macs == 0
    assert found.memory_share == pytest.approx(1)
    assert found.launches == 4


def pair(device: Device = H100, dtype: str = "float16") -> tuple[Prediction, Prediction]:
    shape = (64, 3, 224, 224)
    one, other = traced("efficientnet_b0", *shape), traced("resnet50", *shape)
    return predict(one, device, dtype), predict(other, device, dtype)


def test_the_shares_of_the_bounds_add_up_to_one():
    for prediction in pair():
        found = bottlenecks(prediction)
        shares = (found.compute_share, found.memory_share, found.launch_share)
        assert sum(shares) == pytest.approx(1)
        assert found.ridge == H100.ridge("float16")


def test_a_tenth_of_the_macs_is_not_ten_times_faster_and_the_sentence_says_why():
    slow, reference = pair()
    fewer = reference.macs / slow.macs
    faster = reference.ms / slow.ms
    assert fewer > 10
    assert 1 < faster < 3
    found = bottlenecks(slow, reference)
    assert found.sentences[0] == (
        f"efficientnet_b0 has {fewer:.3g} times fewer MACs an image than resnet50 but should be "
        f"only {faster:.3g} times faster: it does {slow.intensity:.3g} operations for each byte "
        f"it moves, resnet50 {reference.intensity:.3g}, and it launches {slow.launches} kernels, "
        f"resnet50 {reference.launches}."
    )
    # the other way round there is nothing to explain
    assert bottlenecks(reference, slow).sentences == bottlenecks(reference).sentences


def test_the_sentences_are_made_from_the_numbers():
    slow, _ = pair()
    found = bottlenecks(slow)
    text = "\n".join(found.sentences)
    assert f"needs {found.ridge:.3g} operations for each byte" in text
    assert f"{100 * found.memory_share:.1f}% of the time is in ops that wait for memory" in text
    assert f"ops take {100 * found.elementwise_time:.1f}% of the time and do none" in text
    assert f"{found.launches} launches cost" in text
    assert all(sentence.endswith(".") for sentence in found.sentences)


def test_at_batch_one_on_a_large_gpu_launches_are_what_takes_the_time():
    found = bottlenecks(predict(traced("efficientnet_b0"), H100, "float16"))
    assert found.launch_share > 0.9
    assert "a larger batch" in found.sentences[-1]
    alone = bottlenecks(predict(traced("efficientnet_b0"), H100, "float16", launch=False))
    assert alone.launch_share == 0
    assert not any("launches cost" in sentence for sentence in alone.sentences)


def test_a_model_that_does_nothing_has_no_bottleneck():
    found = bottlenecks(predict(trace_model(nn.Identity(), (1, 2)), TOY))
    assert isinstance(found, Bottlenecks)
    assert (found.compute_share, found.memory_share, found.launch_share) == (0, 0, 0)


def test_predictions_for_different_devices_are_not_compared():
    with pytest.raises(ExplorerError, match="the same device"):
        bottlenecks(pair()[0], pair(get_device("T4"))[1])
    with pytest.raises(ExplorerError, match="the same element type"):
        bottlenecks(pair()[0], pair(dtype="float32")[1])


def test_every_registered_type_is_predicted_on_a_device_that_has_it():
    times = {dtype: predict(traced("resnet18"), H100, dtype, launch=False).ms for dtype in DTYPES}
    assert times["float32"] > times["float16"] == times["bfloat16"] > times["int8"]


# --------------------------------------------------------------------- against measurements


def test_the_order_of_measured_models_is_predicted_on_a_cpu():
    # The rates are what `measure_peaks` found on the same two threads.
    device = TOY._replace(name="CPU", float32=209e9, bandwidth=71e9, launch_seconds=2e-6)
    compared = compare(ours(read(HERE / "cpu_throughput.csv")), device, "float32")
    assert len(compared) == 22
    measured = [row.published.images_per_second for row in compared]
    assert rank_correlation(measured, [row.predicted for row in compared]) > 0.9
    ratios = sorted(row.ratio for row in compared)
    assert 0.5 < ratios[len(ratios) // 2] < 2


def test_the_library_s_own_runs_are_printed_with_their_median_error(capsys):
    print_recorded()
    out = capsys.readouterr().out
    assert out.startswith(
        "\nRecorded on AMD EPYC, 2 threads, float32; predicted with its own peaks"
    )
    rows = [line for line in out.splitlines() if line.startswith(("resnet50 ", "lenet5 "))]
    (fifty,) = [row.split() for row in rows if row.startswith("resnet50 ")]
    device = calibrated_device(recorded_calibrations()[0])
    made = predict(traced("resnet50"), device).ms
    (kept,) = recorded("resnet50")
    assert fifty[1:] == [
        "4.089", f"{made:.2f}", f"{kept.median_ms:.2f}", f"{kept.median_ms / made:.2f}"
    ]  # fmt: skip
    assert f"{len(recorded())} runs; median error" in out


def test_the_rank_correlation_is_that_of_the_orders():
    # ranks 1 2 3 against 1 3 2: 1 - 6 * (0 + 1 + 1) / (3 * 8)
    assert rank_correlation([1, 10, 100], [5, 7, 6]) == pytest.approx(0.5)


def test_fewer_macs_can_be_no_faster_at_all_and_the_sentence_says_so():
    t4 = get_device("NVIDIA T4")
    dense, residual = (
        predict(trace_model(name, (64, 3, 224, 224)), t4) for name in ("densenet121", "resnet50")
    )
    assert dense.macs < residual.macs
    assert dense.ms > residual.ms
    first = bottlenecks(dense, residual).sentences[0]
    assert "1.44 times fewer MACs an image than resnet50 but should be no faster at all" in first
    # The other way round there is nothing to explain.
    assert "fewer MACs" not in " ".join(bottlenecks(residual, dense).sentences)


def test_the_bottlenecks_are_said_in_chinese() -> None:
    made = predict(trace_model("mobilenet_v2", (1, 3, 64, 64)), get_device("NVIDIA T4"))
    reference = predict(trace_model("resnet18", (1, 3, 64, 64)), get_device("NVIDIA T4"))
    with speaking("zh"):
        said = [made.statement(), *bottlenecks(made, reference).sentences]
    english = [made.statement(), *bottlenecks(made, reference).sentences]
    assert len(said) == len(english) > 4
    for text in said:
        assert text.endswith("。")
        assert not re.search(r"(?:\b[A-Za-z]{2,}\b[ ,;:]+){4}", text.replace("NVIDIA T4", "")), text
