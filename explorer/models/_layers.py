"""Layers that several families share."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ZeroPadShortcut(nn.Module):
    """Subsample, then pad with zero channels: a shortcut without parameters.

    Option A of ResNet's section 3.3.

    Shape: (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride)
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.extra_channels = out_channels - in_channels

    def forward(self, x: Tensor) -> Tensor:
        """Return every stride-th pixel of x, followed by the zero channels."""
        x = x[:, :, :: self.stride, :: self.stride]
        return F.pad(x, (0, 0, 0, 0, 0, self.extra_channels))


def local_response_norm() -> nn.LocalResponseNorm:
    """Return AlexNet's normalisation across channels (its section 3.3).

    The paper divides by (2 + 1e-4 * sum of 5 squares) ** 0.75; PyTorch takes the mean of the
    squares where the paper takes their sum, hence 5e-4.
    """
    return nn.LocalResponseNorm(size=5, alpha=5e-4, beta=0.75, k=2)


class BasicConv2d(nn.Sequential):
    """Convolution, BN, ReLU: what the Inception networks are built of.

    Their papers mark a convolution "V" where it only visits whole windows of the map
    ("valid"); all others keep the map's size, but for their stride ("same").

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: of the window, or its height and width.
        stride: pixels from one window to the next.
        padding: "same": half a window on each side; "valid": none.
        bias: the convolution has one.
        batch_norm: there is a batch normalisation.

    Shape: (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int = 1,
        padding: Literal["same", "valid"] = "same",
        bias: bool = False,
        batch_norm: bool = True,
    ) -> None:
        super().__init__()
        height, width = kernel_size if isinstance(kernel_size, tuple) else (kernel_size,) * 2
        border = (height // 2, width // 2) if padding == "same" else (0, 0)
        self.conv = nn.Conv2d(
            in_channels, out_channels, (height, width), stride=stride, padding=border, bias=bias
        )
        if batch_norm:
            self.bn = nn.BatchNorm2d(out_channels, eps=0.001)
        self.relu = nn.ReLU(inplace=True)


class Branches(nn.ModuleDict):
    """Branches that all read the same maps, and whose own are put side by side.

    Shape: (N, in_channels, H, W) -> (N, the branches' channels together, H', W')
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return [f1(x), f2(x), ...]."""
        return torch.cat([branch(x) for branch in self.values()], dim=1)
