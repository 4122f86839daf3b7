"""Predicted against taken: the statistics by hand, and over the recorded zoo."""

from __future__ import annotations

import statistics
from dataclasses import replace

import numpy as np
import pytest

from explorer import get_spec, trace_model
from explorer.analysis.agreement import Compared, agreement, rank_correlation
from explorer.analysis.profiles import Setting, predicted_ms, profile_trace
from explorer.analysis.recorded import calibrated_device, options_of, registered_name
from explorer.analysis.roofline import get_device, predict
from explorer.errors import ExplorerError
from explorer.latency import parse_records, recorded, recorded_calibrations


def made(predicted: float, taken: float, macs: int = 1) -> Compared:
    return Compared("model", "family", predicted, taken, macs)


def test_ratio_quartiles_error_and_share_by_hand() -> None:
    # ratios 0.5, 1, 1.5, 2, 4; errors |p - t| / t: 1, 0, 1/3, 1/2, 3/4
    told = agreement([made(2, 1), made(2, 2), made(2, 3), made(2, 4), made(2, 8)])
    assert told
    assert (told.low_ratio, told.median_ratio, told.high_ratio) == (1, 1.5, 2)
    assert told.median_error == 0.5
    assert told.within_two == 0.8
    assert told.rank is None  # all predictions are equal: that is no order
    assert told.macs_rank is None
    assert told.runs == 5


def test_ranks_are_spearman_s() -> None:
    # taken 1 2 3, predicted in order 1 3 2: 1 - 6 * (0 + 1 + 1) / (3 * 8) = 0.5
    told = agreement([made(1, 1, 9), made(30, 2, 5), made(20, 3, 1)])
    assert told
    assert told.rank == pytest.approx(0.5)
    assert told.macs_rank == pytest.approx(-1)
    # Equal values share the mean of their ranks.
    ranks = np.corrcoef([3, 1.5, 4, 1.5, 5], [2.5, 4, 1, 5, 2.5])[0, 1]
    assert rank_correlation([3, 1, 4, 1, 5], [2, 7, 1, 8, 2]) == pytest.approx(ranks)


def test_of_two_runs_nothing_is_said() -> None:
    assert agreement([made(1, 1), made(2, 2)]) is None


def test_the_recorded_zoo_is_predicted_from_its_own_machine() -> None:
    (machine,) = recorded_calibrations()
    device = calibrated_device(machine)
    rows = []
    for record in recorded():
        name = registered_name(record)
        assert name == record.model
        trace = trace_model(name, record.input_shape, options=options_of(record, name))
        rows.append(
            Compared(
                name, get_spec(name).family, predict(trace, device).ms, record.median_ms, trace.macs
            )
        )
    told = agreement(rows)
    assert told
    assert told.runs == len(recorded()) > 40
    assert told.median_ratio == pytest.approx(statistics.median(row.ratio for row in rows))
    # What the page and the benchmark print; an honest order of magnitude, not a boast.
    assert 0.5 < told.median_ratio < 2
    assert told.rank > 0.9
    assert told.median_error < 0.5


def test_a_profile_predicts_what_the_trace_of_the_batch_does() -> None:
    device = calibrated_device(recorded_calibrations()[0])
    profile = profile_trace(trace_model("resnet18", (1, 3, 224, 224)), "resnet18", (224, 224))
    whole = predict(trace_model("resnet18", (16, 3, 224, 224)), device).ms
    assert predicted_ms(profile, Setting(device, "float32", 16)) == pytest.approx(whole)


# ------------------------------------------------------------------ what a record is of


def test_a_calibrated_device_has_the_measured_rates_and_says_what_is_assumed() -> None:
    (shipped,) = recorded_calibrations()
    device = calibrated_device(shipped)
    assert device.name == "AMD EPYC, 2 threads, calibrated 2026-11-26"
    assert (device.float32, device.bandwidth) == (209e9, 71e9)
    assert (device.float16, device.tf32, device.int8) == (None, None, None)
    laptop = get_device("i7").launch_seconds
    assert (device.launch_seconds, device.launch_measured) == (laptop, False)
    own = calibrated_device(replace(shipped, launch_seconds=5e-6))
    assert (own.launch_seconds, own.launch_measured) == (5e-6, True)
    lenet = trace_model("lenet5", (1, 1, 32, 32))
    assert "5 µs for each launch (measured)" in predict(lenet, own).statement()
    assert "2 µs for each launch (an assumption)" in predict(lenet, device).statement()
    with pytest.raises(ExplorerError, match="no float32 rate"):
        calibrated_device(replace(shipped, peaks=()))


def test_timm_s_names_are_found() -> None:
    csv = "model,infer_img_size,infer_batch_size,infer_samples_per_sec\n"
    names = ("resnet50.a1_in1k", "vit_base_patch16_224.augreg_in21k", "nobody_knows", "lenet5")
    rows = parse_records(csv + "".join(f"{name},224,1,10\n" for name in names))
    found = [registered_name(row) for row in rows]
    assert found[0] in ("timm:resnet50", "resnet50")
    assert found[1] in ("timm:vit_base_patch16_224", "vit_b_16")
    assert found[2:] == [None, "lenet5"]
    ours = replace(recorded("resnet50")[0], source="imported")
    assert registered_name(ours) == "resnet50"
