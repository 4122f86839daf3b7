"""A visitor's own picture, read with care, and one of ours for those who have none.

A file may claim any size: sides are read from its header and checked before a pixel is decoded.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from math import cos, pi, sin
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageOps
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from explorer.errors import ExplorerError

Pixels = npt.NDArray[np.uint8]
Trouble = Literal["empty", "heavy", "unknown", "huge", "broken"]

FORMATS: Final = ("png", "jpg", "jpeg", "webp", "gif", "bmp")
"""Endings of the files that are read."""
MOST_BYTES: Final = 5 * 2**20
MOST_PIXELS: Final = 25_000_000
"""A camera's 6000 x 4000 is read. Of a JPEG fewer are decoded, but the limit is one for all."""

# The readers themselves, not `Image.open`: that one warns of large pictures process-wide.
_READERS: Final[tuple[Callable[[BytesIO], ImageFile], ...]] = (
    PngImageFile,
    JpegImageFile,
    WebPImageFile,
    GifImageFile,
    BmpImageFile,
)
_STARTS: Final = (b"\x89PNG", b"\xff\xd8\xff", b"RIFF", b"GIF8", b"BM")


class PictureError(ExplorerError):
    """A file that cannot be read as a picture.

    Attributes:
        trouble: what is wrong with it.
        width: in pixels, as the file says; 0 if it does not.
        height: in pixels, as the file says; 0 if it does not.
        nbytes: size of the file.
    """

    def __init__(
        self, message: str, trouble: Trouble, *, width: int = 0, height: int = 0, nbytes: int = 0
    ) -> None:
        self.trouble = trouble
        self.width = width
        self.height = height
        self.nbytes = nbytes
        super().__init__(message)


class Header(NamedTuple):
    """What a file says of itself before it is decoded."""

    format: str
    width: int
    height: int


def read_picture(data: bytes, *, longest: int = 512) -> Pixels:
    """Decode a PNG, JPEG, WebP, GIF (its first frame) or BMP.

    It is turned as its camera says, transparency stands on white, and it is made smaller, never
    larger.

    Args:
        data: the file's content.
        longest: the longer side, in pixels, that the result has at most.

    Returns:
        Pixels, (H, W, 3), 0 to 255.

    Raises:
        PictureError: the file is empty, too large, broken or no picture.
    """
    picture = _opened(data)
    header = Header(picture.format or "", *picture.size)
    if header.width * header.height > MOST_PIXELS:
        raise PictureError(
            f"The file says that it is {header.width:,} x {header.height:,} pixels; at most "
            f"{MOST_PIXELS:,} are read: make the picture smaller and try again.",
            "huge",
            width=header.width,
            height=header.height,
            nbytes=len(data),
        )
    try:
        return _decoded(picture, longest)
    except Exception as error:  # whatever a decoder makes of a broken file
        raise _broken(data, header) from error


def _opened(data: bytes) -> ImageFile:
    """Read the header of a file."""
    if not data:
        raise PictureError(
            "The file is empty; choose a PNG, JPEG, WebP, GIF or BMP picture.", "empty"
        )
    if len(data) > MOST_BYTES:
        raise PictureError(
            f"The file has {len(data) / 2**20:,.1f} MiB; at most {MOST_BYTES // 2**20} are read: "
            "save the picture smaller or as a JPEG.",
            "heavy",
            nbytes=len(data),
        )
    for start, reader in zip(_STARTS, _READERS, strict=True):
        if data.startswith(start):
            try:
                return reader(BytesIO(data))
            except Exception as error:  # whatever a decoder makes of a broken file
                raise _broken(data, Header("", 0, 0)) from error
    raise PictureError(
        f"The file ({len(data):,} bytes) is no picture that can be read here; PNG, JPEG, WebP, "
        "GIF and BMP can.",
        "unknown",
        nbytes=len(data),
    )


def _decoded(picture: ImageFile, longest: int) -> Pixels:
    if picture.format == "JPEG":
        picture.draft("RGB", (longest, longest))  # decodes an eighth of the pixels if that will do
    shown: Image.Image = picture
    if picture.mode.startswith("I"):  # 16 bits of gray
        gray = np.asarray(picture, dtype=np.float64)
        shown = Image.fromarray((gray / 257).clip(0, 255).round().astype(np.uint8))
    elif picture.has_transparency_data:
        paper = Image.new("RGBA", picture.size, "white")
        shown = Image.alpha_composite(paper, picture.convert("RGBA"))
    shown = ImageOps.exif_transpose(shown.convert("RGB"))
    shown.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return np.array(shown, dtype=np.uint8)


def _broken(data: bytes, header: Header) -> PictureError:
    said = f", which says that it is {header.width:,} x {header.height:,} pixels,"
    return PictureError(
        f"The picture of {len(data):,} bytes{said if header.width else ''} is damaged or "
        "incomplete; save it again as PNG or JPEG.",
        "broken",
        width=header.width,
        height=header.height,
        nbytes=len(data),
    )


# ---------------------------------------------------------------------------- our own


def sample_picture(side: int = 224) -> Pixels:
    """Draw a house, a tree and the sun above a meadow: edges of all directions, and textures.

    Args:
        side: height and width in pixels.

    Returns:
        Pixels, (side, side, 3), 0 to 255; the same at every call.
    """
    scale = 3  # drawn larger, so that edges are smooth
    picture = _landscape(side * scale)
    draw = ImageDraw.Draw(picture)
    _sun(draw, side * scale)
    _house(draw, side * scale)
    _tree(draw, side * scale)
    small = picture.resize((side, side), Image.Resampling.LANCZOS)
    return _grained(np.asarray(small, dtype=np.float64))


def _landscape(side: int) -> Image.Image:
    """Sky that brightens downward, two rows of hills, a meadow."""
    rows = np.linspace(0, 1, side)[:, None, None]
    above, below = np.array([84, 150, 214]), np.array([214, 233, 245])
    sky = np.broadcast_to(above + (below - above) * np.minimum(1.5 * rows, 1), (side, side, 3))
    picture = Image.fromarray(sky.astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for x, y, radius in ((0.30, 0.17, 0.045), (0.36, 0.15, 0.06), (0.43, 0.175, 0.045)):
        _disc(draw, side, x, y, radius, (250, 252, 254))
    draw.rectangle(_box(side, 0.27, 0.175, 0.46, 0.215), fill=(250, 252, 254))
    picture = picture.filter(ImageFilter.GaussianBlur(side / 300))
    draw = ImageDraw.Draw(picture)
    for base, swing, waves, shift, color in (
        (0.56, 0.055, 2.2, 0.4, (122, 160, 168)),
        (0.64, 0.040, 3.1, 1.7, (96, 146, 110)),
        (0.72, 0.020, 1.6, 0.2, (104, 168, 74)),
    ):
        edge = [
            (x * side / 60, side * (base + swing * sin(waves * pi * x / 60 + shift)))
            for x in range(61)
        ]
        draw.polygon([*edge, (side, side), (0, side)], fill=color)
    return picture


def _sun(draw: ImageDraw.ImageDraw, side: int) -> None:
    x, y = 0.83, 0.17
    for ray in range(12):
        turn = ray * pi / 6
        start, end = 0.105, 0.14
        draw.line(
            [
                (side * (x + r * cos(turn)), side * (y + r * sin(turn)))
                for r in (start, end)
            ],
            fill=(255, 214, 84),
            width=side // 90,
        )  # fmt: skip
    _disc(draw, side, x, y, 0.085, (255, 205, 60))


def _house(draw: ImageDraw.ImageDraw, side: int) -> None:
    draw.rectangle(_box(side, 0.42, 0.33, 0.48, 0.48), fill=(150, 84, 66))  # chimney
    draw.rectangle(_box(side, 0.13, 0.53, 0.53, 0.85), fill=(240, 226, 196))
    for row in range(1, 12):  # boards
        y = side * (0.53 + row * 0.32 / 12)
        draw.line([(0.13 * side, y), (0.53 * side, y)], fill=(216, 198, 162), width=side // 220)
    roof = [(0.08, 0.545), (0.33, 0.325), (0.58, 0.545)]
    draw.polygon([(x * side, y * side) for x, y in roof], fill=(176, 58, 46))
    for row in range(1, 7):  # tiles
        y = 0.325 + row * 0.22 / 7
        half = 0.25 * (y - 0.325) / 0.22
        ends = [((0.33 - half) * side, y * side), ((0.33 + half) * side, y * side)]
        draw.line(ends, fill=(138, 40, 34), width=side // 160)
    draw.rectangle(_box(side, 0.36, 0.665, 0.455, 0.85), fill=(92, 62, 44))  # door
    _disc(draw, side, 0.44, 0.765, 0.008, (232, 196, 92))
    draw.rectangle(_box(side, 0.18, 0.62, 0.305, 0.745), fill=(250, 250, 246))  # window
    draw.rectangle(_box(side, 0.192, 0.632, 0.293, 0.733), fill=(78, 122, 164))
    draw.line(
        [(0.2425 * side, 0.632 * side), (0.2425 * side, 0.733 * side)], fill="white",
        width=side // 110,
    )  # fmt: skip
    draw.line(
        [(0.192 * side, 0.6825 * side), (0.293 * side, 0.6825 * side)], fill="white",
        width=side // 110,
    )  # fmt: skip


def _tree(draw: ImageDraw.ImageDraw, side: int) -> None:
    trunk = [(0.715, 0.86), (0.735, 0.60), (0.785, 0.60), (0.805, 0.86)]
    draw.polygon([(x * side, y * side) for x, y in trunk], fill=(110, 76, 48))
    leaves = np.random.default_rng(7)
    for x, y, radius in ((0.68, 0.55, 0.10), (0.84, 0.55, 0.10), (0.76, 0.46, 0.12)):
        _disc(draw, side, x, y, radius, (46, 112, 58))
        for _ in range(70):
            turn, far = leaves.uniform(0, 2 * pi), radius * leaves.uniform(0, 1) ** 0.5
            shade = int(leaves.integers(-26, 40))
            _disc(
                draw, side, x + far * cos(turn), y + far * sin(turn), 0.016,
                (52 + shade // 2, 120 + shade, 62 + shade // 2),
            )  # fmt: skip


def _grained(picture: npt.NDArray[np.float64]) -> Pixels:
    """Add the grain of a photograph, and blades of grass to the meadow."""
    side = len(picture)
    grain = np.random.default_rng(11)
    blades = grain.normal(0, 1, (side, side))
    blades = (blades + np.roll(blades, 1, 0) + np.roll(blades, 2, 0)) / 3
    red, high, blue = np.moveaxis(picture, -1, 0)
    green = (high > np.maximum(red, blue) + 40) & (np.arange(side)[:, None] > 0.66 * side)
    noise = grain.normal(0, 2.2, (side, side)) + 26 * blades * green
    drawn: Pixels = (picture + noise[..., None]).clip(0, 255).round().astype(np.uint8)
    return drawn


def _disc(
    draw: ImageDraw.ImageDraw,
    side: int,
    x: float,
    y: float,
    radius: float,
    color: tuple[int, int, int],
) -> None:
    draw.ellipse(_box(side, x - radius, y - radius, x + radius, y + radius), fill=color)


def _box(side: int, *edges: float) -> list[float]:
    return [edge * side for edge in edges]
