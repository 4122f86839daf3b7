"""What a forward pass needs, estimated from its trace, and what is refused for want of it."""

from __future__ import annotations

from fractions import Fraction

import torch

from explorer.text import _
from explorer.trace.records import Trace

# Peaks of the real allocator were up to half above the liveness peak (scratch of convolutions).
_WORKSPACE = 1.5


def peak_activation_bytes(trace: Trace) -> int:
    """Most bytes of activations alive at once, the input's included, as they were traced."""
    change = [0] * (len(trace.ops) + 2)
    for storage in trace.storages:
        change[storage.born] += storage.nbytes
        if storage.died >= 0:
            change[storage.died] -= storage.nbytes
    alive = peak = 0
    for step in change:
        alive += step
        peak = max(peak, alive)
    return peak


def weight_bytes(trace: Trace) -> int:
    """Bytes of all parameters and buffers as they were traced."""
    return sum(record.nbytes for record in (*trace.parameters, *trace.buffer_records))


def forward_bytes(trace: Trace, *, weights: bool = True) -> int:
    """Estimate what a forward pass needs: activations with scratch, and the weights once."""
    activations = int(_WORKSPACE * peak_activation_bytes(trace))
    return activations + (weight_bytes(trace) if weights else 0)


def needed_bytes(trace: Trace, dtype: torch.dtype, *, weights: bool) -> Fraction:
    """`forward_bytes` of the same pass in another number type than it was traced in."""
    traced: torch.dtype = getattr(torch, trace.ops[0].outputs[0].dtype)  # of the input
    return Fraction(forward_bytes(trace, weights=weights) * dtype.itemsize, traced.itemsize)


def largest_batch(trace: Trace, batch: int, free: int, dtype: torch.dtype, *, weights: bool) -> int:
    """Estimate the largest batch that fits into `free` bytes; 0 if not even one image does.

    Activations grow with the batch, weights do not.

    Args:
        trace: of a pass with `batch` images.
        batch: images in that pass.
        free: bytes.
        dtype: of the pass to come.
        weights: whether they need memory of their own.
    """
    activations = needed_bytes(trace, dtype, weights=False)
    fixed = needed_bytes(trace, dtype, weights=True) - activations if weights else 0
    return max(int((free - fixed) * batch / activations), 0) if activations else batch


def advice(fitting: int) -> str:
    """What to do about too little memory."""
    if fitting < 1:
        return _("not even one image would fit, so choose a smaller input or model.")
    return _("the largest batch that would fit is about {fitting:,}.").format(fitting=fitting)
