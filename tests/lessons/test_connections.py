"""Dense blocks and residual stages, against closed forms, torchvision and autograd."""

from __future__ import annotations

from itertools import pairwise
from types import ModuleType
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from explorer.errors import OptionError
from explorer.lessons.connections import (
    BLOCKS,
    Setting,
    dense,
    dense_weights,
    memory_curve,
    pictures,
    residual,
    residual_weights,
    residual_width,
)
from explorer.models.densenet import DenseBlock
from explorer.models.resnet import BasicBlock

SMALL = Setting(growth=4, depth=3, channels=8, side=6)
settings = st.builds(
    Setting,
    growth=st.integers(1, 12),
    depth=st.integers(1, 9),
    channels=st.integers(1, 24),
    side=st.integers(2, 9),
    bottleneck=st.booleans(),
    compression=st.just(1.0),
)


def kept_bytes(model: nn.Module, x: Tensor) -> int:
    """Bytes that autograd holds after a forward pass, parameters and the input left out."""
    own = {p.data_ptr() for p in model.parameters()} | {x.data_ptr()}
    own |= {b.data_ptr() for b in model.buffers()}
    found: dict[int, int] = {}
    alive: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            found[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        y = model(x)
    del y
    return sum(found.values())


# ---------------------------------------------------------------------- connections


@given(settings)
def test_the_dataflow_has_half_of_l_times_l_plus_1_connections(setting: Setting) -> None:
    found = dense(setting)
    layers, k = setting.depth, setting.growth
    assert found.reads == tuple(range(1, layers + 1))
    assert found.connections == layers * (layers + 1) // 2
    assert found.sources[-1] == (setting.channels, *[k] * (layers - 1))
    assert found.costs.channels == tuple(setting.channels + i * k for i in range(layers + 1))


@given(settings)
def test_macs_are_weights_times_pixels(setting: Setting) -> None:
    found, beside = dense(setting), residual(setting)
    pixels = setting.side**2
    assert found.costs.macs == dense_weights(setting) * pixels
    assert beside.costs.macs == pixels * residual_weights(
        setting.channels, beside.width, beside.blocks
    )


@pytest.mark.parametrize("name", BLOCKS)
def test_the_blocks_of_densenet_121_have_torchvision_s_parameters(
    name: str, torchvision: ModuleType
) -> None:
    channels, side, layers = BLOCKS[name]
    made = torchvision.models.densenet._DenseBlock(
        num_layers=layers, num_input_features=channels, bn_size=4, growth_rate=32, drop_rate=0
    )
    found = dense(Setting(32, layers, channels, side))
    assert found.costs.params == sum(p.numel() for p in made.parameters())
    behind = torchvision.models.densenet._Transition(
        channels + 32 * layers, (channels + 32 * layers) // 2
    )
    assert found.transition_params == sum(p.numel() for p in behind.parameters())
    assert found.transition_channels == (channels + 32 * layers) // 2


# --------------------------------------------------------------------------- memory


@pytest.mark.parametrize("bottleneck", [True, False])
def test_what_is_kept_is_what_autograd_keeps(bottleneck: bool) -> None:
    setting = SMALL._replace(bottleneck=bottleneck)
    x = torch.ones(1, setting.channels, setting.side, setting.side, requires_grad=True)
    block = DenseBlock(setting.depth, setting.channels, setting.growth, bottleneck, 0.0).train()
    assert dense(setting).costs.saved_bytes == kept_bytes(block, x)
    beside = residual(setting)
    stage = nn.Sequential(
        BasicBlock(setting.channels, beside.width, 1, "B"),
        *(BasicBlock(beside.width, beside.width, 1, "B") for _ in range(beside.blocks - 1)),
    ).train()
    assert beside.costs.saved_bytes == kept_bytes(stage, x)


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_computing_again_keeps_what_torchvision_s_memory_efficient_block_keeps(
    torchvision: ModuleType, depth: int
) -> None:
    setting = SMALL._replace(depth=depth)
    block: Any = torchvision.models.densenet._DenseBlock(
        depth, setting.channels, 4, setting.growth, 0, memory_efficient=True
    ).train()
    one, two = (
        kept_bytes(block, torch.ones(n, setting.channels, 6, 6, requires_grad=True)) for n in (1, 2)
    )
    # Statistics do not grow with the batch: mean and deviation of each bottleneck's 4k channels.
    statistics = depth * 2 * 4 * (4 * setting.growth)
    assert dense(setting).lean_bytes == two - one + statistics


def test_memory_grows_with_the_square_of_the_depth_or_computed_again_in_proportion() -> None:
    found = memory_curve(SMALL, range(1, 9))
    dense_steps = [b - a for a, b in pairwise(found.dense)]
    lean_steps = [b - a for a, b in pairwise(found.lean)]
    second = {b - a for a, b in pairwise(dense_steps[1:])}
    # Each layer keeps k channels more than the last, normalized and activated, and statistics.
    k, maps = SMALL.growth, 4 * SMALL.side**2
    assert second == {2 * k * maps + 2 * k * 4}
    assert len(set(lean_steps)) == 1


# ------------------------------------------------------------------------- residual


@given(settings)
def test_the_residual_stage_is_as_deep_and_no_width_comes_nearer(setting: Setting) -> None:
    width, blocks = residual_width(setting)
    target = dense_weights(setting)

    def gap(w: int) -> int:
        return abs(residual_weights(setting.channels, w, blocks) - target)

    assert gap(width) == min(gap(w) for w in range(1, width + 40))
    found = residual(setting)
    convolutions = setting.depth * (2 if setting.bottleneck else 1)
    assert found.costs.depth in (convolutions, convolutions + 1)
    assert dense(setting).costs.depth == convolutions


def test_both_blocks_are_drawn() -> None:
    one, other = pictures(SMALL)
    assert "concat" in one.svg
    assert "identity" in other.svg


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"growth": 0}, "growth=0 should be from 1 to 128"),
        ({"depth": 65}, "depth=65 should be from 1 to 64"),
        ({"compression": 0.001}, "compression=0.001 should be from 0.05 to 1"),
    ],
)
def test_what_cannot_be_built_is_one_sentence(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(OptionError, match=sentence):
        dense(SMALL._replace(**change))
