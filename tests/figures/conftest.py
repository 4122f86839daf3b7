"""Rows of a small network, written by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from explorer.analysis import Layer


def make_layer(
    key: str, kind: str, shape: tuple[int, ...], params: int = 0, cost: int = 0
) -> Layer:
    """One row; a key with a colon is a functional op."""
    path, _, op = key.partition(":")
    return Layer(
        key=key,
        path=path.partition("@")[0],
        label=op or kind,
        kind=kind,
        module_class="" if op else kind.capitalize(),
        depth=key.count(".") + 1,
        call=0,
        first_op=0,
        last_op=1,
        input_shapes=(shape,),
        output_shape=shape,
        kernel=None,
        stride=None,
        padding=None,
        dilation=None,
        groups=None,
        params=params,
        macs=cost,
        cost=cost,
        activation_bytes=0,
    )


@pytest.fixture
def layer() -> Callable[..., Layer]:
    """Makes one row."""
    return make_layer


@pytest.fixture
def rows() -> tuple[Layer, ...]:
    """A stem, a block of two convolutions with its sum, and a classifier."""
    return (
        make_layer("conv1", "convolution", (1, 8, 32, 16), params=100, cost=1000),
        make_layer("relu", "activation", (1, 8, 32, 16)),
        make_layer("block.0.conv1", "convolution", (1, 16, 16, 8), params=200, cost=3000),
        make_layer("block.0.conv2", "convolution", (1, 16, 16, 8), params=300, cost=4000),
        make_layer("block.0:add", "add", (1, 16, 16, 8)),
        make_layer("fc", "linear", (1, 10), params=400, cost=2000),
        make_layer("fc@1", "linear", (1, 10), params=0, cost=2000),
    )
