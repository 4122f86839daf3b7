"""Weights to begin with, drawn from a generator of one's own.

Every weight of a convolution or linear layer is drawn by one rule; biases are 0, normalizations
the identity. So two networks differ in what the lesson says, and not in luck or in their authors'
own recipes.
"""

from __future__ import annotations

import math
from typing import Final, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from explorer.errors import OptionError
from explorer.text import _

Init = Literal["he", "xavier", "small", "torch"]
INITS: Final[tuple[Init, ...]] = get_args(Init)


def initialize(
    model: nn.Module, init: Init, generator: torch.Generator, *, zero_gamma: bool = False
) -> None:
    """Draw all weights of a model anew.

    he      normal, variance 2 / fan_in (He et al. 2015, arXiv:1502.01852, equation 10)
    xavier  normal, variance 2 / (fan_in + fan_out) (Glorot and Bengio 2010, equation 12)
    small   normal, standard deviation 0.01 (AlexNet, its section 5)
    torch   uniform within 1 / sqrt(fan_in), variance 1 / (3 fan_in): what nn.Conv2d does

    Args:
        model: changed in place.
        init: the rule.
        generator: where the random numbers come from, in the order of `model.modules()`.
        zero_gamma: begin with a scale of 0 in the last normalization of each residual block, so
            that each is the identity at first (Goyal et al. 2017, arXiv:1706.02677, section 5.1).

    Raises:
        OptionError: there is no such rule, or no block that ends in a batch normalization.
    """
    if init not in INITS:
        raise OptionError(
            _("init={init!r} should be one of {names}.").format(
                init=init, names=", ".join(map(repr, INITS))
            ),
            "init",
        )
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, _ConvNd | nn.Linear):
                _draw(layer.weight, init, generator)
                if layer.bias is not None:
                    layer.bias.zero_()
        _draw_others(model, generator)
        if zero_gamma:
            _close_blocks(model)


def weight_std(shape: tuple[int, ...], init: Init) -> float:
    """Return the standard deviation that a rule gives a weight of (out, in / groups, *kernel)."""
    window = math.prod(shape[2:])
    fan_in, fan_out = shape[1] * window, shape[0] * window
    return {
        "he": math.sqrt(2 / fan_in),
        "xavier": math.sqrt(2 / (fan_in + fan_out)),
        "small": 0.01,
        "torch": math.sqrt(1 / (3 * fan_in)),
    }[init]


def _draw(weight: Tensor, init: Init, generator: torch.Generator) -> None:
    std = weight_std(tuple(weight.shape), init)
    if init == "torch":
        bound = math.sqrt(3) * std
        weight.uniform_(-bound, bound, generator=generator)
    else:
        weight.normal_(0, std, generator=generator)


def _draw_others(model: nn.Module, generator: torch.Generator) -> None:
    """Class tokens, position embeddings and the like: small normals, as in ViT."""
    known = (_ConvNd, nn.Linear, _BatchNorm, nn.LayerNorm, nn.GroupNorm)
    for layer in model.modules():
        if not isinstance(layer, known):
            for parameter in layer.parameters(recurse=False):
                if parameter.dim() > 1:
                    parameter.normal_(0, 0.02, generator=generator)


def _close_blocks(model: nn.Module) -> None:
    """Set the last scale of each residual block to 0."""
    found = [last for block in model.modules() if (last := _last_norm(block)) is not None]
    if not found:
        raise OptionError(
            _(
                "{model} has no residual block that ends in a batch normalization, so there is no "
                "scale to begin with 0; choose a residual network with batch normalization."
            ).format(model=type(model).__name__),
            "zero_gamma",
        )
    for norm in found:
        norm.weight.zero_()


def _last_norm(block: nn.Module) -> nn.BatchNorm2d | None:
    """The normalization just before a block's sum, by the names that ResNets have in common."""
    if not getattr(block, "residual", hasattr(block, "downsample")):
        return None
    inside = dict(block.named_children())
    number = 3 if "bn3" in inside else 2
    norm, order = inside.get(f"bn{number}"), list(inside)
    if not isinstance(norm, nn.BatchNorm2d) or f"conv{number}" not in inside:
        return None
    behind = order.index(f"bn{number}") > order.index(f"conv{number}")
    return norm if behind else None
