"""Traces that several tests share: registered models, and small nets of known sums."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explorer.models._registry import list_models
from explorer.trace import trace_model
from explorer.trace.records import Trace
from explorer.zoo import get_spec

DEEP = ("resnet1202",)
"""Models whose table has thousands of rows: one test looks at them."""
NAMES = tuple(name for name in list_models() if name not in DEEP)


@cache
def traced(name: str, *input_shape: int) -> Trace:
    """Trace of a registered model, at its native size unless another is given."""
    return trace_model(name, input_shape or get_spec(name).input_shape)


class Small(nn.Module):
    """Every convention's switch has something to count, at (2, 3, 8, 8).

    conv  out 8 x 8 x 8:  MACs 8*3*3*3 * 8*8 = 13,824 an image, bias 8*8*8 = 512
    norm                  2 * 512 = 1,024 an image in eval mode
    relu                  512 an image
    pool  out 8 x 4 x 4:  2*2 * 128 = 512 an image
    fc    128 -> 10:      MACs 1,280 an image, bias 10
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.flatten(self.pool(self.relu(self.norm(self.conv(x)))), 1))


class Twice(nn.Module):
    """One linear layer called twice, under two names, with a plus in between."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.alias = self.fc

    def forward(self, x: Tensor) -> Tensor:
        return self.alias(self.fc(x) + x + 1)


class Corners(nn.Module):
    """Ops that counters trip over; input (2, 3, 61, 67)."""

    def __init__(self) -> None:
        super().__init__()
        self.dilated = nn.Conv2d(3, 8, 5, stride=3, padding=2, dilation=2)
        self.grouped = nn.Conv2d(8, 16, 3, padding="same", groups=4, dilation=2, bias=False)
        self.depthwise = nn.Conv2d(16, 16, (3, 5), padding="valid", groups=16)
        self.lrn = nn.LocalResponseNorm(5)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.up = nn.ConvTranspose2d(16, 8, 4, 2, 1, output_padding=1, groups=2, dilation=2)
        self.rim = nn.MaxPool2d(2, 2, 1, ceil_mode=True)
        self.group_norm = nn.GroupNorm(2, 8)
        self.pad = nn.ZeroPad2d((1, 2, 0, 3))
        self.average = nn.AvgPool2d((2, 3), ceil_mode=True)
        self.adaptive = nn.AdaptiveAvgPool2d((3, 2))
        self.lstm = nn.LSTM(16, 7, num_layers=2, batch_first=True, bidirectional=True)
        self.gru = nn.GRU(14, 6)
        self.mha = nn.MultiheadAttention(6, 2, batch_first=True)
        self.encoder = nn.TransformerEncoderLayer(6, 2, 20, batch_first=True)
        self.fc = nn.Linear(6, 6)
        self.bilinear = nn.Bilinear(6, 6, 3)
        self.line = nn.Conv1d(6, 5, 3)
        self.volume = nn.Conv3d(1, 2, 3)
        self.kept = nn.Parameter(torch.zeros(3, 3))
        self.never = nn.Linear(3, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        x = self.pool(self.lrn(self.depthwise(self.grouped(self.dilated(x)))))
        x = self.average(self.pad(self.group_norm(self.rim(self.up(x)))))
        flat = torch.cat([self.adaptive(x).flatten(1), x.mean((2, 3))], 1)
        tokens = F.interpolate(x, size=(4, 4)).reshape(len(x), 8, 16)
        tokens, _ = self.lstm(tokens)
        tokens, _ = self.gru(tokens)
        tokens, _ = self.mha(tokens, tokens, tokens)
        tokens = self.encoder(tokens)
        tokens = self.fc(self.fc(tokens))
        scores = torch.softmax(tokens @ tokens.transpose(1, 2), -1) @ tokens
        product = torch.einsum("btc,bsc->bts", scores, scores)
        both = self.bilinear(tokens[:, 0].contiguous(), tokens[:, 1].contiguous())
        volume = self.volume(x[:, :1].unsqueeze(1).expand(-1, -1, 4, -1, -1))
        flat[:, :2] += 1
        return flat, product, both, self.line(tokens.transpose(1, 2)), volume


@cache
def small() -> Trace:
    """`Small` at a batch of two."""
    return trace_model(Small(), (2, 3, 8, 8))


@cache
def twice() -> Trace:
    """`Twice` at (1, 4)."""
    return trace_model(Twice(), (1, 4))


@cache
def corners() -> Trace:
    """`Corners` at a batch of two."""
    return trace_model(Corners(), (2, 3, 61, 67))
