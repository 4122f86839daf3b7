"""The handwritten digits that networks are trained on here: small, real, and part of the library.

Optical Recognition of Handwritten Digits, Alpaydin and Kaynak, UCI Machine Learning Repository,
1998, CC BY 4.0; see explorer/data/digits.md.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

_FILE: Final = Path(__file__).parents[1] / "data" / "digits.npz"
TRAINED_ON: Final = 1437
"""Images that are trained on; the others are tested with."""
CLASSES: Final = 10


class Digits(NamedTuple):
    """Images and classes, to be read and not to be changed: all callers get the same tensors."""

    images: Tensor
    """(1797, 1, 8, 8), of mean 0 and standard deviation 1 over the part that is trained on."""
    labels: Tensor
    """(1797,), 0 to 9."""


@cache
def digits() -> Digits:
    """Read all images, those to train on first."""
    with np.load(_FILE) as stored:
        images = torch.from_numpy(stored["images"].astype(np.float32))[:, None]
        labels = torch.from_numpy(stored["labels"].astype(np.int64))
    known = images[:TRAINED_ON]
    return Digits((images - known.mean()) / known.std(correction=0), labels)


def enlarged(images: Tensor, height: int, width: int, channels: int) -> Tensor:
    """Interpolate images to a size and repeat their one channel.

    Shape: (N, 1, H, W) -> (N, channels, height, width)
    """
    if images.shape[2:] != (height, width):
        images = F.interpolate(images, size=(height, width), mode="bilinear", align_corners=False)
    return images.expand(-1, channels, -1, -1)
