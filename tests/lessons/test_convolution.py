"""Convolution arithmetic: sizes by hand and by torch, every product and every stamp adds up."""

from __future__ import annotations

from math import ceil

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from explorer.lessons.convolution import (
    FILLS,
    FILTERS,
    Axis,
    Filter,
    Setting,
    TransposedSetting,
    WindowError,
    brightness,
    convolve,
    digits,
    filter_patch,
    filter_picture,
    marked,
    output_size,
    padding_for,
    patch,
    reach,
    seen_channels,
    size_curve,
    small_weights,
    square,
    transpose,
    transposed_size,
)
from explorer.lessons.pictures import sample_picture

sides = st.integers(1, 9)
kernels = st.integers(1, 5)
steps = st.integers(1, 4)
pads = st.integers(0, 4)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "dilation", "out"),
    [
        (224, 7, 2, 3, 1, 112),  # ResNet's stem
        (224, 11, 4, 2, 1, 55),  # AlexNet's first layer
        (227, 11, 4, 0, 1, 55),  # the same, as its paper must have meant it
        (32, 5, 1, 0, 1, 28),  # LeNet
        (224, 16, 16, 0, 1, 14),  # ViT's patches
        (7, 3, 1, 2, 2, 7),
        (5, 5, 3, 0, 1, 1),
    ],
)
def test_sizes_that_everyone_knows(
    size: int, kernel: int, stride: int, padding: int, dilation: int, out: int
) -> None:
    assert output_size(size, kernel, stride, padding, dilation) == out


@given(sides, kernels, steps, pads, st.integers(1, 3))
def test_the_size_is_torch_s_or_both_refuse(n: int, k: int, s: int, p: int, d: int) -> None:
    one = torch.zeros(1, 1, n)
    if reach(k, d) > n + 2 * p:
        with pytest.raises(WindowError, match=f"of {reach(k, d)} does not fit into {n + 2 * p} "):
            output_size(n, k, s, p, d)
        with pytest.raises(RuntimeError, match="size"):
            F.conv1d(one, torch.zeros(1, 1, k), stride=s, padding=p, dilation=d)
        return
    out = output_size(n, k, s, p, d)
    assert F.conv1d(one, torch.zeros(1, 1, k), stride=s, padding=p, dilation=d).shape[-1] == out


@given(sides, kernels, steps, pads, st.integers(1, 3), st.integers(0, 3))
def test_the_transposed_size_is_torch_s(n: int, k: int, s: int, p: int, d: int, e: int) -> None:
    extra = min(e, max(s, d) - 1)
    try:
        out = transposed_size(n, k, s, p, d, extra)
    except WindowError:
        with pytest.raises(RuntimeError, match=r"too small|positive"):
            F.conv_transpose1d(torch.zeros(1, 1, n), torch.zeros(1, 1, k), stride=s, padding=p,
                               dilation=d, output_padding=extra)  # fmt: skip
        return
    found = F.conv_transpose1d(torch.zeros(1, 1, n), torch.zeros(1, 1, k), stride=s, padding=p,
                               dilation=d, output_padding=extra)  # fmt: skip
    assert found.shape[-1] == out


@pytest.mark.parametrize("bad", [Axis(0, 3), Axis(5, 0), Axis(5, 3, 0), Axis(5, 3, 1, (-1, 0))])
def test_nonsense_is_a_sentence(bad: Axis) -> None:
    with pytest.raises(WindowError, match="at least"):
        _ = bad.out


@given(sides, kernels, steps, st.integers(1, 3))
def test_same_padding_gives_n_over_s_rounded_up(n: int, k: int, s: int, d: int) -> None:
    axis = Axis(n, k, s, padding_for("same", n, k, s, d), d)
    assert axis.out == ceil(n / s)
    before, after = axis.padding
    assert after - before in (0, 1)


@given(sides, kernels, st.integers(1, 3))
def test_same_padding_of_stride_one_is_torch_s(n: int, k: int, d: int) -> None:
    before, after = padding_for("same", n, k, 1, d)
    ramp, weights = torch.arange(1.0, n + 1)[None, None], torch.arange(1.0, k + 1)[None, None]
    ours = F.conv1d(F.pad(ramp, (before, after)), weights, dilation=d)
    # torch warns of even kernels; the copy that it makes is the same padding.
    if (d * (k - 1)) % 2 == 0:
        assert torch.equal(ours, F.conv1d(ramp, weights, padding="same", dilation=d))
    assert ours.shape[-1] == n


@given(sides, kernels, st.integers(1, 3))
def test_full_padding_gives_every_overlap(n: int, k: int, d: int) -> None:
    axis = Axis(n, k, 1, padding_for("full", n, k, 1, d), d)
    assert axis.out == n + d * (k - 1)
    if d == 1:  # what numpy calls "full", too
        assert axis.out == len(np.convolve(np.ones(n), np.ones(k), "full"))


@given(st.integers(1, 24), st.sampled_from([1, 3, 5, 7]), steps, st.integers(1, 3))
def test_half_padding_of_an_odd_kernel_always_gives_n_over_s_rounded_up(
    n: int, k: int, s: int, d: int
) -> None:
    assert size_curve(n, k, s, d)[-1].half == ceil(n / s)


def test_the_rule_with_the_stride_in_it_is_right_for_stride_one_only() -> None:
    for k in (3, 5, 7):
        assert all(point.stretched == point.size for point in size_curve(24, k, 1))
        for s in (2, 3):
            for point in size_curve(24, k, s):
                if point.stretched is not None:
                    # floor((n + (k - 1)s - k) / s) + 1, p being a whole number here
                    assert point.stretched == (point.size - k) // s + k > point.wanted


def test_an_even_kernel_halves_only_even_sizes() -> None:
    for point in size_curve(24, 4, 2)[3:]:
        assert (point.half == point.wanted) == (point.size % 2 == 0)


@given(sides, kernels, steps, pads, st.integers(1, 3))
def test_unread_pixels_are_those_without_a_gradient(n: int, k: int, s: int, p: int, d: int) -> None:
    axis = Axis(n, k, s, (p, p), d)
    if axis.padded < reach(k, d):
        return
    pixels = torch.zeros(1, 1, n, requires_grad=True)
    F.conv1d(pixels, torch.ones(1, 1, k), stride=s, padding=p, dilation=d).sum().backward()
    assert pixels.grad is not None
    read = pixels.grad[0, 0].tolist()
    assert list(axis.reads[p : p + n]) == read
    assert axis.unread == tuple(i for i, times in enumerate(read) if not times)


@st.composite
def settings(draw: st.DrawFn) -> Setting:
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    pair = st.tuples(pads, pads)
    return Setting(
        size=draw(st.tuples(sides, sides)),
        kernel=draw(st.tuples(kernels, kernels)),
        stride=draw(st.tuples(steps, steps)),
        padding=draw(st.tuples(pair, pair)),
        dilation=draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
        in_channels=groups * draw(st.integers(1, 2)),
        out_channels=groups * draw(st.integers(1, 2)),
        groups=groups,
        fill=draw(st.sampled_from(FILLS)),
    )


@given(settings())
def test_products_add_up_to_torch_s_convolution(setting: Setting) -> None:
    try:
        made = convolve(setting, bias=np.arange(setting.out_channels))
    except WindowError:
        spans = [reach(k, d) for k, d in zip(setting.kernel, setting.dilation, strict=True)]
        padded = [n + sum(p) for n, p in zip(setting.size, setting.padding, strict=True)]
        edges = [max(p) for p in setting.padding]
        small = any(p >= n for p, n in zip(edges, setting.size, strict=True))
        assert any(a > b for a, b in zip(spans, padded, strict=True)) or (
            small and setting.fill in ("reflect", "circular")
        )
        return
    sums = made.products.sum(axis=(3, 4, 5)) + made.bias[:, None, None]
    assert np.array_equal(sums, made.output)
    # An output depends on exactly the positions that it is said to read.
    around = torch.from_numpy(made.padded.astype(np.float64)).requires_grad_()
    weights = torch.ones(made.weights.shape, dtype=torch.float64)
    F.conv2d(around[None], weights, stride=setting.stride, dilation=setting.dilation,
             groups=setting.groups)[0, -1, -1, -1].backward()  # fmt: skip
    assert around.grad is not None
    places = {tuple(place) for place in around.grad.nonzero().tolist()}
    said = {(c, r, x) for c in made.sees[-1] for r in made.rows[-1] for x in made.columns[-1]}
    assert places == said


@given(settings())
def test_a_padding_mode_is_torch_s_layer(setting: Setting) -> None:
    (top, _), (left, _) = setting.padding
    setting = setting._replace(padding=((top, top), (left, left)))
    try:
        made = convolve(setting)
    except WindowError:
        return
    layer = nn.Conv2d(
        setting.in_channels, setting.out_channels, setting.kernel, setting.stride,
        padding=(top, left), dilation=setting.dilation, groups=setting.groups, bias=False,
        padding_mode=setting.fill,
    ).double()  # fmt: skip
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(made.weights))
        inputs = torch.from_numpy(digits(setting.in_channels, *setting.size)).double()
        assert np.array_equal(layer(inputs[None])[0].numpy(), made.output)


def test_groups_split_the_channels_in_order() -> None:
    assert seen_channels(6, 3, 3) == ((0, 1), (2, 3), (4, 5))
    assert seen_channels(4, 4, 4) == ((0,), (1,), (2,), (3,))
    assert seen_channels(3, 2, 1) == ((0, 1, 2), (0, 1, 2))


def test_a_pixel_keeps_its_value_when_the_input_grows() -> None:
    assert np.array_equal(digits(2, 9, 9)[:1, :4, :5], digits(1, 4, 5))
    small, large = Setting((1, 1), (2, 2)), Setting((1, 1), (5, 5), in_channels=3, out_channels=2)
    assert np.array_equal(small_weights(large)[:1, :1, :2, :2], small_weights(small))


@given(
    st.tuples(st.integers(1, 5), st.integers(1, 5)), kernels, steps, st.integers(0, 3),
    st.integers(1, 2), st.integers(0, 3),
)  # fmt: skip
def test_stamps_and_inserted_zeros_both_give_torch_s_transposed_convolution(
    size: tuple[int, int], k: int, s: int, p: int, d: int, e: int
) -> None:
    padding, extra = min(p, reach(k, d) - 1), min(e, max(s, d) - 1)
    try:
        made = transpose(TransposedSetting(size, k, s, padding, d, extra))
    except WindowError:
        assert min((n - 1) * s for n in size) - 2 * padding + reach(k, d) + extra < 1
        return
    (top, bottom), (left, right) = made.cut
    height, width = made.whole.shape
    assert np.array_equal(made.whole[top : height - bottom, left : width - right], made.output)
    assert np.array_equal(made.steps[-1], made.whole)
    assert np.array_equal(made.gathered.output[0], made.output)
    assert made.real.sum() == made.inputs.size
    assert np.array_equal(made.gathered.padded[0][made.real], made.inputs.ravel())
    assert not made.gathered.padded[0][~made.real].any()


def test_a_transposed_convolution_is_the_gradient_of_the_convolution() -> None:
    made = transpose(TransposedSetting((3, 3), 3, 2, 1, 1, 1))
    pixels = torch.zeros(1, 1, *made.output.shape, dtype=torch.float64, requires_grad=True)
    kernel = torch.from_numpy(made.kernel).double()[None, None]
    out = F.conv2d(pixels, kernel, stride=2, padding=1)
    out.backward(torch.from_numpy(made.inputs).double()[None, None])
    assert pixels.grad is not None
    assert np.array_equal(pixels.grad[0, 0].numpy(), made.output)


def test_a_padding_beyond_the_kernel_is_a_sentence() -> None:
    with pytest.raises(WindowError, match="at most 2"):
        transpose(TransposedSetting((5, 5), 3, 2, 3))
    with pytest.raises(WindowError, match="takes away all"):
        transpose(TransposedSetting((1, 1), 3, 1, 2))


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 3)])
def test_a_filter_on_a_picture_is_scipy_free_arithmetic(
    name: str, stride: int, dilation: int
) -> None:
    picture, used = sample_picture(24), FILTERS[name]
    around = np.pad(picture.astype(float), ((dilation,) * 2, (dilation,) * 2, (0, 0)), mode="edge")
    total = np.zeros(picture.shape)
    for a in range(3):
        for b in range(3):
            rows, columns = a * dilation, b * dilation
            total += used.weights[a][b] * around[rows : rows + 24, columns : columns + 24]
    wanted = np.rint((total / used.divisor + used.offset).clip(0, 255))[::stride, ::stride]
    found = filter_picture(picture, used, stride=stride, dilation=dilation)
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= 1  # halves round either way


def test_flat_gray_has_no_edges_and_a_step_has_one() -> None:
    flat = np.full((8, 8, 3), 90, np.uint8)
    for name, gray in (("blur", 90), ("sharpen", 90), ("sobel_x", 128), ("laplacian", 128)):
        assert (filter_picture(flat, FILTERS[name], gray=True) == gray).all()
    step = flat.copy()
    step[:, 4:] = 190
    found = filter_picture(step, FILTERS["sobel_x"], gray=True)
    # (1 + 2 + 1) * (190 - 90) / 4 = 100 at both sides of the step
    assert found[3].tolist() == [128, 128, 128, 228, 228, 128, 128, 128]
    assert (filter_picture(step, FILTERS["sobel_y"], gray=True) == 128).all()


def test_what_is_named_identity_is_one() -> None:
    picture = sample_picture(16)
    assert np.array_equal(filter_picture(picture, FILTERS["identity"]), picture)
    assert np.array_equal(
        filter_picture(picture, Filter(((0, 0, 0), (0, 2, 0), (0, 0, 0)), 2)), picture
    )


def test_a_patch_stays_inside() -> None:
    picture = sample_picture(32)
    assert np.array_equal(patch(picture, 30, -4), brightness(picture)[24:32, :8])
    assert patch(picture[:5, :6], 0, 0).shape == (5, 6)
    assert brightness(np.array([[[255, 255, 255], [0, 0, 0]]], np.uint8)).tolist() == [[255, 0]]


@pytest.mark.parametrize("name", FILTERS)
def test_a_patch_shows_what_the_whole_picture_s_result_says(name: str) -> None:
    picture, used = sample_picture(40), FILTERS[name]
    whole = filter_picture(picture, used, gray=True)
    made, shown = filter_patch(patch(picture, 10, 20), used)
    assert np.abs(shown - whole[11:17, 21:27]).max() <= 1  # halves round either way
    assert np.array_equal(made.products.sum(axis=(3, 4, 5)), made.output)


def test_a_frame_lies_around_the_square_and_not_over_it() -> None:
    picture = sample_picture(32)
    framed = marked(picture, 5, 30, 8, (255, 0, 0))
    changed = (framed != picture).any(axis=2)
    assert not changed[5:13, 24:32].any()
    assert (framed[3:5, 22:32] == (255, 0, 0)).all()
    assert changed.sum() <= 12 * 10 - 64
    assert framed is not picture


def test_a_square_setting_is_the_same_on_both_axes() -> None:
    rows, columns = square((5, 9), 3, 2, 1, 1).axes
    assert (rows.out, columns.out) == (3, 5)
