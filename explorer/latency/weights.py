"""Real weights without the price of real initialisation.

Timing needs weights of ordinary size: memory as the allocator left it holds denormal numbers,
on which a CPU computes many times slower. Drawing a hundred million random numbers, on the
other hand, takes VGG-16 seconds. So the model's own initialisation runs, but every large
random fill is drawn once for a short block that is then repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

_BLOCK = 1 << 16
_FILLS = {torch.ops.aten.normal_.default, torch.ops.aten.uniform_.default}


class _RepeatedDraws(TorchDispatchMode):
    """Answers large in-place random fills from one short draw of the same distribution.

    Modes hold for their own thread only, so nothing changes for anybody else.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in _FILLS and _is_large_and_real(args[0]):
            tensor: Tensor = args[0]
            flat = tensor.view(-1)
            func(flat[:_BLOCK], *args[1:], **kwargs)
            # Doubling what is already filled: few copies, each of them plain memory traffic.
            filled = _BLOCK
            while filled < flat.numel():
                size = min(filled, flat.numel() - filled)
                flat[filled : filled + size].copy_(flat[:size])
                filled += size
            return tensor
        return func(*args, **kwargs)


def _is_large_and_real(tensor: Tensor) -> bool:
    return tensor.numel() > _BLOCK and tensor.is_contiguous() and not tensor.is_meta


def quick_build(build: Callable[[], nn.Module]) -> nn.Module:
    """Call `build` with repeated random draws: same shapes and scale, a fraction of the time.

    For work whose result does not depend on the weights' values, such as timing; buffers and
    constants are exact.
    """
    with _RepeatedDraws():
        return build()
