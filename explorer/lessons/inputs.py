"""A picture as the input of a model."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from explorer.lessons.pictures import Pixels

MEAN: Final = (0.485, 0.456, 0.406)
STD: Final = (0.229, 0.224, 0.225)
"""Of ImageNet's pixels, from 0 to 1: what most models here were trained with."""


def fitted(picture: Pixels, height: int, width: int) -> Pixels:
    """Cut the middle of a picture to the ratio of an input, and scale it to its size.

    Args:
        picture: (H, W, 3).
        height: of the input.
        width: of the input.

    Returns:
        Pixels, (height, width, 3).
    """
    rows, columns = picture.shape[:2]
    scale = min(rows / height, columns / width)
    tall, wide = scale * height, scale * width
    top, left = (rows - tall) / 2, (columns - wide) / 2
    image = Image.fromarray(picture).resize(
        (width, height),
        Image.Resampling.BILINEAR,
        box=(left, top, left + wide, top + tall),
        reducing_gap=3,
    )
    return np.array(image, dtype=np.uint8)


def as_input(pixels: Pixels, channels: int) -> Tensor:
    """Turn pixels into a model's input, normalized as for ImageNet.

    Args:
        pixels: (H, W, 3).
        channels: 3 for colours; any other number gets the gray value in each.

    Returns:
        (1, channels, H, W), float32.
    """
    colors = torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)
    normalized = (colors - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    if channels != 3:
        # The luminance of ITU-R BT.601, of what is already normalized.
        weights = torch.tensor((0.299, 0.587, 0.114))[:, None, None]
        normalized = (normalized * weights).sum(0, keepdim=True).expand(channels, -1, -1)
    return normalized[None].contiguous()
