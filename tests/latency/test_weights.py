"""Weights for timing: the model's own initialisation, drawn once and repeated."""

from __future__ import annotations

import threading

import torch
from torch import Tensor, nn

from explorer.latency.weights import _BLOCK, quick_build


class Layers(nn.Module):
    """A large and a small layer of every kind of initialisation that models use."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(700, 700)
        self.conv = nn.Conv2d(300, 300, 3)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")
        self.token = nn.Parameter(torch.empty(1, 400, 400))
        nn.init.trunc_normal_(self.token, std=0.02)
        self.norm = nn.BatchNorm2d(3)
        self.scale = nn.Parameter(1e-6 * torch.ones(5))
        self.register_buffer("index", torch.arange(100_000))

    def forward(self, x: Tensor) -> Tensor:
        return x


def test_weights_have_the_scale_of_the_real_initialisation_and_no_denormals() -> None:
    torch.manual_seed(0)
    quick, real = quick_build(Layers), Layers()
    for (name, quickly), really in zip(quick.named_parameters(), real.parameters(), strict=True):
        mine, theirs = quickly.detach(), really.detach()
        assert mine.shape == theirs.shape
        assert torch.isfinite(mine).all()
        assert not ((mine != 0) & (mine.abs() < torch.finfo(torch.float32).tiny)).any()
        if mine.numel() > 1000:
            # Block of 65,536 draws: the deviation is known to about 0.3 per cent.
            assert abs(float(mine.std() / theirs.std()) - 1) < 0.03, name


def test_large_weights_are_one_block_repeated() -> None:
    weight = quick_build(lambda: nn.Linear(700, 700, bias=False)).weight.detach().view(-1)
    assert weight.numel() > 2 * _BLOCK
    assert torch.equal(weight[:_BLOCK], weight[_BLOCK : 2 * _BLOCK])
    assert weight[:_BLOCK].unique().numel() > _BLOCK // 2


def test_buffers_and_constants_are_exact() -> None:
    model = quick_build(Layers)
    assert torch.equal(model.index, torch.arange(100_000))
    assert torch.equal(model.scale, torch.full((5,), 1e-6))
    assert torch.equal(model.norm.running_var, torch.ones(3))


def test_other_threads_draw_as_always() -> None:
    drawn: list[Tensor] = []

    def build() -> nn.Module:
        other = threading.Thread(target=lambda: drawn.append(torch.empty(3 * _BLOCK).normal_()))
        other.start()
        other.join()
        return nn.Linear(2, 2)

    quick_build(build)
    assert not torch.equal(drawn[0][:_BLOCK], drawn[0][_BLOCK : 2 * _BLOCK])
