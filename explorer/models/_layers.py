"""Layers that several families share."""

from __future__ import annotations

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
