"""Layers that several families share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explorer.errors import InputSizeError, OptionError


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
    """Return AlexNet's normalization across channels (its section 3.3).

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
        batch_norm: there is a batch normalization.

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


def make_divisible(width: float, divisor: int = 8) -> int:
    """Round a scaled width to a multiple of `divisor`, never to less than 90% of it.

    The rule of MobileNet's and EfficientNet's released code: 33.6 gives 32 and 11.2 gives 16.
    """
    rounded = max(divisor, int(width + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * width else rounded


class ConvNormActivation(nn.Sequential):
    """Convolution without bias, normalization, activation; padded to keep the resolution.

    Args:
        in_channels: channels read.
        out_channels: channels written.
        kernel_size: size of the square kernel.
        stride: stride of the convolution.
        groups: groups of the convolution.
        norm: makes the normalization from its channels.
        activation: class of the activation; None leaves it out (a linear projection).

    Shape: (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        groups: int = 1,
        norm: Callable[[int], nn.Module] = nn.BatchNorm2d,
        activation: type[nn.Module] | None = nn.ReLU,
    ) -> None:
        conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=kernel_size // 2,
            groups=groups,
            bias=False,
        )
        layers: list[nn.Module] = [conv, norm(out_channels)]
        if activation is not None:
            layers.append(activation(inplace=True))
        super().__init__(*layers)


class SqueezeExcitation(nn.Module):
    """Global average, 1x1 squeeze, activation, 1x1 excite, gate: a weight for each channel.

    Squeeze-and-Excitation Networks, Hu, Shen, Sun, CVPR 2018, arXiv:1709.01507.

    Shape: (N, channels, H, W) -> (N, channels, H, W)
    """

    def __init__(
        self,
        channels: int,
        squeeze_channels: int,
        activation: type[nn.Module] = nn.ReLU,
        gate: type[nn.Module] = nn.Sigmoid,
    ) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeeze_channels, kernel_size=1)
        self.fc2 = nn.Conv2d(squeeze_channels, channels, kernel_size=1)
        self.activation = activation(inplace=True)
        self.scale_activation = gate()

    def forward(self, x: Tensor) -> Tensor:
        """Return x, each channel times its weight between 0 and 1."""
        scale = self.activation(self.fc1(self.avgpool(x)))
        return x * self.scale_activation(self.fc2(scale))


class StochasticDepth(nn.Module):
    """In training, drop a residual branch for some images of the batch; in eval, do nothing.

    Deep Networks with Stochastic Depth, Huang, Sun, Liu, Sedra, Weinberger, ECCV 2016,
    arXiv:1603.09382.

    Shape: (N, ...) -> (N, ...)
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Return x, or x / (1 - rate) with the dropped images' rows set to zero."""
        if not self.training or self.rate == 0:
            return x
        kept = x.new_empty(len(x), *[1] * (x.dim() - 1)).bernoulli_(1 - self.rate)
        return x * (kept / (1 - self.rate))


def check_image(x: Tensor, image_size: tuple[int, ...], patch_size: int) -> None:
    """Check that an image is of the size that the position embeddings are made for.

    Args:
        x: images, (N, C, H, W).
        image_size: (height, width) that the model was built with.
        patch_size: side of a patch.

    Raises:
        InputSizeError: it is of another size, or not made of whole patches.
    """
    height, width = x.shape[-2:]
    if (height, width) != tuple(image_size):
        built = "x".join(map(str, image_size))
        message = (
            f"its position embeddings are made for images of {built}, not of {height}x{width}: "
            f"build it with image_size=({height}, {width})"
        )
    elif height % patch_size or width % patch_size:
        message = f"{height}x{width} is not a whole number of patches of {patch_size}x{patch_size}"
    else:
        return
    raise InputSizeError(message, input_shape=tuple(x.shape))


def check_heads(model: str, name: str, width: int, heads: int) -> None:
    """Check that attention heads share a width evenly.

    Args:
        model: registered name, for the message.
        name: name of the option that is the width.
        width: its value.
        heads: number of heads.

    Raises:
        OptionError: they do not; the message says which widths near it would.
    """
    if width % heads:
        low = max(width // heads, 1) * heads
        raise OptionError(
            f"{model}: {name}={width} should be a multiple of the {heads} attention heads, "
            f"such as {low} or {low + heads}.",
            name,
        )
