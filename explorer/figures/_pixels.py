"""Arrays as pictures inside figures: colours, tiles, and the address that holds a PNG."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from explorer.figures.theme import KIND_COLORS, PAPER

Pixels = npt.NDArray[np.uint8]
Array = npt.NDArray[np.floating]

_STEPS: Final = 255


def png_address(pixels: Pixels) -> str:
    """A data URI with a PNG of pixels, (H, W, 3) or, with their opacity, (H, W, 4)."""
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=4)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def diverging(values: Array, theme: str) -> Pixels:
    """Colour values from -1 (blue) over 0 (the paper) to 1 (orange).

    Args:
        values: of any shape, -1 to 1.
        theme: "light" or "dark".

    Returns:
        Pixels, with one axis more of three.
    """
    places = np.clip(np.round((values.astype(np.float32) + 1) * (_STEPS / 2)), 0, _STEPS)
    colors: Pixels = _table(theme)[places.astype(np.uint8)]
    return colors


def scale_colors(theme: str) -> tuple[str, str, str]:
    """Colours of -1, 0 and 1 in `diverging`."""
    kinds = KIND_COLORS[theme]
    return kinds["convolution"], PAPER[theme], kinds["linear"]


def _table(theme: str) -> Pixels:
    anchors = np.array([_rgb(color) for color in scale_colors(theme)], dtype=float)
    at = np.linspace(-1, 1, _STEPS + 1)
    channels = [np.interp(at, (-1, 0, 1), anchors[:, channel]) for channel in range(3)]
    return np.round(np.stack(channels, -1)).astype(np.uint8)


def enlarged(pixels: Pixels, factor: int) -> Pixels:
    """Each pixel of (H, W, C) as a square of factor × factor."""
    return pixels.repeat(factor, 0).repeat(factor, 1)


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def ink(color: str) -> tuple[int, int, int]:
    """Red, green and blue of "#RRGGBB"."""
    return _rgb(color)
