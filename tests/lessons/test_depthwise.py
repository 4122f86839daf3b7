"""Separable and grouped convolutions: closed forms, MobileNet's Table 2, the roofline by hand."""

from __future__ import annotations

import threading
from math import isnan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.errors import ExplorerError, MeasurementError, OptionError
from explorer.lessons.depthwise import (
    Setting,
    curve,
    divisors,
    full_cost,
    group_numbers,
    measure,
    pictures,
    reach,
    separable_cost,
    shares,
    timed,
)

SETTING = Setting(channels=256, out=128, kernel=3, side=28)
settings = st.builds(
    Setting,
    channels=st.integers(1, 40),
    out=st.integers(1, 40),
    kernel=st.sampled_from((1, 3, 5, 7)),
    side=st.integers(1, 12),
)


@given(settings)
def test_the_pair_costs_1_over_n_plus_1_over_k_squared(setting: Setting) -> None:
    full, pair = full_cost(setting), separable_cost(setting)
    assert pair.macs / full.macs == pytest.approx(1 / setting.out + 1 / setting.kernel**2)
    pixels = setting.side**2
    assert full.macs == full.params * pixels
    assert pair.macs == pair.params * pixels == pair.spatial_macs + pair.mixing_macs
    assert pair.spatial_macs == setting.kernel**2 * setting.channels * pixels
    assert pair.mixing_macs == setting.channels * setting.out * pixels


@given(settings)
def test_groups_divide_the_cost_and_the_1x1_sets_its_floor(setting: Setting) -> None:
    found = curve(setting)
    assert found.groups == divisors(setting.channels)
    for g, alone, pair in zip(found.groups, found.grouped, found.separable, strict=True):
        assert pair == pytest.approx(setting.channels / (g * setting.out) + 1 / setting.kernel**2)
        if g in group_numbers(setting):
            assert alone == pytest.approx(1 / g)
        else:
            assert isnan(alone)


def test_shares_are_those_of_mobilenet_s_table_2() -> None:
    found = {share.kind: share for share in shares()}
    macs = sum(share.macs for share in found.values())
    percents = {kind: 100 * share.macs / macs for kind, share in found.items()}
    printed = {"pointwise": 94.86, "depthwise": 3.06, "linear": 0.18}
    # For the full 3x3 it prints 1.19, with which its column adds up to 99.29; ours is 1.91.
    assert percents["full"] == pytest.approx(1.91, abs=0.005)
    assert percents["pointwise"] == pytest.approx(printed["pointwise"], abs=0.005)
    assert percents["depthwise"] == pytest.approx(printed["depthwise"], abs=0.005)
    assert percents["linear"] == pytest.approx(printed["linear"], abs=0.005)
    params = sum(share.params for share in found.values()) - 1000  # the table counts no bias
    assert 100 * found["pointwise"].params / params == pytest.approx(74.59, abs=0.005)
    assert 100 * found["depthwise"].params / params == pytest.approx(1.06, abs=0.005)
    assert 100 * found["full"].params / params == pytest.approx(0.02, abs=0.005)
    assert 100 * (found["linear"].params - 1000) / params == pytest.approx(24.33, abs=0.005)


# ------------------------------------------------------------------------- shuffle


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 6, 12])
def test_an_output_depends_on_its_group_and_with_a_shuffle_on_what_it_got(groups: int) -> None:
    channels, size = 12, 12 // groups
    block = np.kron(np.eye(groups, dtype=int), np.ones((size, size), dtype=int))
    # A shuffle writes the channels as (groups, size) and reads them as (size, groups).
    order = np.arange(channels).reshape(groups, size).T.ravel()
    assert (reach(channels, groups, shuffle=False) == (block @ block > 0)).all()
    assert (reach(channels, groups, shuffle=True) == (block @ block[order] > 0)).all()


def test_groups_that_do_not_divide_the_channels_are_one_sentence() -> None:
    with pytest.raises(OptionError, match="12 channels cannot be split into 5 groups: choose one"):
        reach(12, 5, shuffle=True)
    with pytest.raises(OptionError, match="cannot both be split into 3 groups"):
        full_cost(SETTING, 3)
    with pytest.raises(OptionError, match="256 channels cannot be split into 3 groups"):
        separable_cost(SETTING, 3)


# ---------------------------------------------------------------------------- time


def test_intensity_and_time_are_those_of_the_roofline_by_hand() -> None:
    images, c, n, k, side = 4, 256, 128, 3, 28
    found = timed(SETTING, "NVIDIA T4", images)
    peak, bandwidth, launch = 8.1e12, 320e9, 4e-6
    assert (found.peak, found.bandwidth) == (peak, bandwidth)
    pixels = images * side * side
    by_hand = {
        "full": (k * k * c * n * pixels, 4 * (pixels * (c + n) + k * k * c * n)),
        "depthwise": (k * k * c * pixels, 4 * (2 * pixels * c + k * k * c)),
        "pointwise": (c * n * pixels, 4 * (pixels * (c + n) + c * n)),
    }
    for dot in (found.full, *found.parts):
        macs, nbytes = by_hand[dot.name]
        assert (dot.macs, dot.nbytes) == (macs, nbytes)
        assert dot.intensity == pytest.approx(2 * macs / nbytes)
        seconds = max(2 * macs / peak, nbytes / bandwidth) + launch
        assert dot.ms == pytest.approx(1e3 * seconds)
        assert dot.rate == pytest.approx(2 * macs / seconds)
    assert found.work_ratio == pytest.approx(1 / (1 / n + 1 / k**2))
    assert found.time_ratio == pytest.approx(found.full.ms / sum(d.ms for d in found.parts))
    # Here the time falls less than the work: the depthwise layer waits for memory.
    assert found.parts[0].bound == "memory"
    assert found.time_ratio < found.work_ratio


def test_a_measurement_times_both_and_stops_when_asked() -> None:
    small = Setting(4, 4, 3, 5)
    stages: list[str] = []
    found = measure(small, 2, progress=lambda step: stages.append(step.stage))
    assert found.setting == small
    for record in (found.full, found.pair):
        assert record.median_ms > 0
        assert record.batch == 2
        assert record.environment.device == "cpu"
    assert "measuring" in stages
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(MeasurementError):
        measure(small, 1, cancel=cancel)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"channels": 0}, "channels=0 should be from 1 to 2,048"),
        ({"kernel": 4}, "kernel=4 should be odd"),
        ({"side": 1000}, "side=1000 should be from 1 to 512"),
    ],
)
def test_what_cannot_be_built_is_one_sentence(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(OptionError, match=sentence):
        full_cost(SETTING._replace(**change))


def test_an_unknown_device_and_no_images_are_one_sentence() -> None:
    with pytest.raises(ExplorerError, match="no device called 'abacus'"):
        timed(SETTING, "abacus", 1)
    with pytest.raises(OptionError, match="images=0 should be from 1 to 4,096"):
        timed(SETTING, "NVIDIA T4", 0)


def test_both_are_drawn() -> None:
    full, pair = pictures(SETTING, 256)
    assert "depthwise" in pair.svg
    assert "depthwise" not in full.svg
