"""The 20 models of the comparison, as torchvision and timm define them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from explorer._torchvision import import_torchvision
from explorer.latency.weights import quick_build

Shape = tuple[int, ...]

SIZES = {
    "alexnet": 224,
    "vgg16": 224,
    "resnet18": 224,
    "resnet50": 224,
    "resnet152": 224,
    "densenet121": 224,
    "densenet201": 224,
    "googlenet": 224,
    "inception_v3": 299,
    "mobilenet_v2": 224,
    "mobilenet_v3_large": 224,
    "efficientnet_b0": 224,
    "efficientnet_b4": 380,
    "efficientnet_b7": 600,
    "regnet_y_8gf": 224,
    "convnext_tiny": 224,
    "vit_b_16": 224,
    "swin_t": 224,
    "hrnet_w18": 224,
    "seresnet50": 224,
}
"""Side of the native input, in pixels."""

_FROM_TIMM = ("hrnet_w18", "seresnet50")


def input_shape(name: str) -> Shape:
    return (1, 3, SIZES[name], SIZES[name])


def builder(name: str) -> Callable[[], nn.Module]:
    """Return a function that builds the model in eval mode, without downloading weights."""
    torchvision = import_torchvision()
    if name in _FROM_TIMM:
        import timm  # it may only be imported after torchvision

        return lambda: timm.create_model(name, pretrained=False).eval()
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    return lambda: torchvision.models.get_model(name, weights=None, **options).eval()


def real(name: str) -> nn.Module:
    """Build with weights in memory."""
    return quick_build(builder(name))


def on_meta(name: str) -> nn.Module:
    """Build without weights, by torch's own means alone.

    RegNet reads a tensor's value in its constructor and so cannot be built under
    `torch.device("meta")`: such a model is built on the CPU and converted with a memo, because
    `Module.to("meta")` would untie shared parameters.
    """
    try:
        with torch.device("meta"):
            return builder(name)()
    except (NotImplementedError, RuntimeError):
        model = real(name)
    memo: dict[int, torch.Tensor] = {}
    for module in model.modules():
        for tensors in (module._parameters, module._buffers):
            for key, tensor in tensors.items():
                if tensor is not None:
                    if id(tensor) not in memo:
                        memo[id(tensor)] = _meta_like(tensor)
                    tensors[key] = memo[id(tensor)]
    return model


def _meta_like(tensor: torch.Tensor) -> torch.Tensor:
    data = torch.empty_like(tensor, device="meta")
    is_parameter = isinstance(tensor, nn.Parameter)
    return nn.Parameter(data, tensor.requires_grad) if is_parameter else data
