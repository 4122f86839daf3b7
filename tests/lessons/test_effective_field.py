"""Effective fields against closed forms and gradients taken by hand."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from explorer.analysis.layers import layers
from explorer.analysis.receptive_field import Field, receptive_fields, result_op
from explorer.errors import MeasurementError
from explorer.lessons.effective_field import (
    MOST_DRAWS,
    Effective,
    draws_for,
    effective_field,
    measured,
)
from explorer.lessons.taps import Tap, tap_of
from explorer.lessons.weights import random_model
from explorer.trace import trace_model
from explorer.trace.records import Trace


def looked_at(name: str, key: str, side: int) -> tuple[Trace, int, Tap, Field]:
    trace = trace_model(name, (1, 3, side, side))
    row = next(row for row in layers(trace) if row.key == key)
    op = result_op(trace, row)
    tap, field = tap_of(trace, op), receptive_fields(trace)[op]
    assert tap
    assert field
    return trace, op, tap, field


def test_a_stack_of_means_has_the_radius_of_the_central_limit():
    # L times a mean over 3 x 3: along each axis a sum of L steps of -1, 0 or 1, of variance 2/3
    # each; so the mean squared distance is 2 * L * 2/3.
    steps = 12
    line = np.ones(1)
    for _ in range(steps):
        line = np.convolve(line, np.ones(3) / 3)
    padded = np.pad(line, 4)
    found = measured(np.outer(padded, padded), (16, 16), 1)
    assert found.centre == pytest.approx((16, 16))
    assert found.radius == pytest.approx((2 * steps * 2 / 3) ** 0.5)
    assert found.weights.max() == 1
    # A Gaussian falls to 4.55% where x^2 + y^2 = 2 s^2 ln(1 / 0.0455) = 6.18 s^2, s^2 = 8; the
    # square of that area has the side s sqrt(6.18 pi).
    assert found.side == pytest.approx((8 * 6.18 * np.pi) ** 0.5, rel=0.03)
    # Half of a Gaussian's weight is within 2 s^2 ln 2: an area of 2 pi s^2 ln 2.
    assert found.half == pytest.approx(2 * np.pi * 8 * np.log(2) / padded.size**2, rel=0.05)


def test_weights_are_the_gradient_that_autograd_gives():
    trace, op, tap, field = looked_at("resnet20", "layer2.0.conv1", 32)
    found = effective_field("resnet20", {}, trace, op, tap, field, draws=1, seed=5)
    assert found
    model = random_model("resnet20", {}, 5)
    kept: list[torch.Tensor] = []
    model.get_submodule("layer2.0.conv1").register_forward_hook(lambda _m, _a, o: kept.append(o))
    generator = torch.Generator().manual_seed(5)
    x = torch.randn((1, 3, 32, 32), generator=generator).requires_grad_()
    model(x)
    kept[0][0, :, 8, 8].sum().backward()
    assert x.grad is not None
    theirs = x.grad[0].abs().sum(0)
    np.testing.assert_allclose(found.weights, theirs / theirs.max(), rtol=1e-4, atol=1e-6)
    assert found.cell == (8, 8)
    assert found.draws == 1


@pytest.mark.parametrize(("key", "cell"), [("layer1.2:add", (16, 16)), ("layer2.1.conv1", (0, 5))])
def test_no_weight_lies_outside_the_theoretical_window(key: str, cell: tuple[int, int]) -> None:
    trace, op, tap, field = looked_at("resnet20", key, 32)
    found = effective_field("resnet20", {}, trace, op, tap, field, cell=cell, draws=3)
    assert found
    assert field.rows
    assert field.columns
    (top, bottom), (left, right) = field.rows.seen(cell[0]), field.columns.seen(cell[1])
    outside = found.weights.copy()
    outside[top : bottom + 1, left : right + 1] = 0
    assert not outside.any()
    inside = found.weights[top : bottom + 1, left : right + 1]
    assert (inside > 0).mean() > 0.95
    # Luo et al.: it is smaller than the theoretical one.
    assert found.side < min(field.rows.size, field.columns.size)


def test_the_effective_field_grows_more_slowly_than_the_theoretical_one():
    found: list[tuple[int, Effective]] = []
    for key in ("layer1.0.conv2", "layer1.2.conv2"):
        trace, op, tap, field = looked_at("plain20", key, 64)
        made = effective_field("plain20", {}, trace, op, tap, field, draws=4)
        assert made
        assert field.rows
        found.append((field.rows.size, made))
    (small, shallow), (large, deep) = found
    assert 1 < deep.side / shallow.side < large / small


def test_a_token_s_patch_is_its_field():
    trace, op, tap, field = looked_at("vit_b_32", "conv_proj", 96)
    found = effective_field(
        "vit_b_32", {"image_size": (96, 96)}, trace, op, tap, field, cell=(0, 2), draws=1
    )
    assert found
    assert (found.weights[:32, 64:] > 0).all()
    assert not found.weights[32:].any()
    assert not found.weights[:, :64].any()


def test_it_can_be_stopped_and_says_how_far_it_is():
    trace, op, tap, field = looked_at("resnet20", "conv1", 32)
    stop, seen = threading.Event(), []

    def progress(done: int, count: int) -> None:
        seen.append((done, count))
        if done == 1:
            stop.set()

    found = effective_field("resnet20", {}, trace, op, tap, field, cancel=stop, progress=progress)
    assert found is None
    assert seen == [(0, MOST_DRAWS), (1, MOST_DRAWS)]


def test_the_number_of_draws_falls_with_the_cost_and_too_much_is_refused():
    small, large = trace_model("resnet20", (1, 3, 32, 32)), trace_model("vgg16", (1, 3, 224, 224))
    assert draws_for(small, len(small.ops) - 1) == MOST_DRAWS
    assert draws_for(large, 30) == 1
    huge = trace_model("vgg16", (1, 3, 448, 448))
    with pytest.raises(MeasurementError, match="choose an earlier layer or a smaller input"):
        draws_for(huge, 30)


def test_a_layer_without_cells_is_refused():
    trace, op, tap, field = looked_at("resnet20", "fc", 32)
    with pytest.raises(MeasurementError, match="do not lie in rows and columns"):
        effective_field("resnet20", {}, trace, op, tap, field)
