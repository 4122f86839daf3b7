"""Pictures that visitors bring along: what is read, and what is said of what cannot be."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from explorer.errors import ExplorerError
from explorer.lessons.pictures import (
    MOST_BYTES,
    MOST_PIXELS,
    PictureError,
    read_picture,
    sample_picture,
)


def saved(picture: Image.Image, form: str, **how: object) -> bytes:
    file = BytesIO()
    picture.save(file, form, **how)
    return file.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    body = name + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def claiming(width: int, height: int) -> bytes:
    """A small PNG whose header names any size."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + head + pixels + chunk(b"IEND", b"")


SCENE = Image.fromarray(sample_picture(96))


@pytest.mark.parametrize("form", ["PNG", "BMP"])
def test_what_is_saved_without_loss_is_read_as_it_is(form: str) -> None:
    assert np.array_equal(read_picture(saved(SCENE, form)), np.asarray(SCENE))


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "GIF"])
def test_what_is_saved_with_loss_is_read_almost_as_it_is(form: str) -> None:
    read = read_picture(saved(SCENE, form))
    assert read.shape == (96, 96, 3)
    assert np.abs(read.astype(int) - np.asarray(SCENE).astype(int)).mean() < 12


def test_a_large_picture_is_made_smaller_and_keeps_its_ratio() -> None:
    wide = Image.fromarray(sample_picture(200)).resize((1200, 300))
    for form in ("PNG", "JPEG"):
        assert read_picture(saved(wide, form), longest=256).shape == (64, 256, 3)
    assert read_picture(saved(SCENE, "PNG"), longest=512).shape == (96, 96, 3)


def test_the_camera_s_turn_is_undone() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the top is on the right
    wide = SCENE.resize((80, 40))
    assert read_picture(saved(wide, "JPEG", exif=exif)).shape == (80, 40, 3)


def test_transparency_stands_on_white() -> None:
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert (read_picture(saved(clear, "PNG")) == 255).all()
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([10, 20, 30] * 256)
    assert (read_picture(saved(palette, "PNG", transparency=0)) == 255).all()
    assert (read_picture(saved(palette, "PNG")) == (10, 20, 30)).all()


def test_sixteen_bits_of_gray_become_eight() -> None:
    gray = Image.fromarray(np.array([[0, 257 * 100], [257 * 200, 65535]], dtype=np.uint16))
    read = read_picture(saved(gray, "PNG"))
    assert read[..., 0].tolist() == [[0, 100], [200, 255]]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK"])
def test_every_mode_becomes_three_channels(mode: str) -> None:
    form = "JPEG" if mode == "CMYK" else "PNG"
    assert read_picture(saved(SCENE.convert(mode), form)).shape == (96, 96, 3)


@pytest.mark.parametrize("sides", [(100_000, 100_000), (30_000, 1_000), (2**31 - 1, 2**31 - 1)])
def test_a_huge_picture_is_refused_before_it_is_decoded(sides: tuple[int, int]) -> None:
    assert sides[0] * sides[1] > MOST_PIXELS
    with pytest.raises(PictureError) as caught:
        read_picture(claiming(*sides))
    assert caught.value.trouble == "huge"
    assert (caught.value.width, caught.value.height) == sides
    assert f"{sides[0]:,} x {sides[1]:,}" in str(caught.value)


@pytest.mark.parametrize(
    ("data", "trouble"),
    [
        (b"", "empty"),
        (b"hello, world", "unknown"),
        (b"\0" * (MOST_BYTES + 1), "heavy"),
        (b"\x89PNG\r\n\x1a\n", "broken"),
        (b"\xff\xd8\xff\xe0rubbish", "broken"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "broken"),
        (b"GIF89a", "broken"),
        (b"BM", "broken"),
        (saved(SCENE, "PNG")[:3000], "broken"),
        (saved(SCENE, "JPEG")[:900], "broken"),
        (claiming(200, 200), "broken"),
        (claiming(0, 0), "broken"),
    ],
)
def test_what_is_no_picture_gets_one_sentence(data: bytes, trouble: str) -> None:
    with pytest.raises(PictureError) as caught:
        read_picture(data)
    error = caught.value
    assert isinstance(error, ExplorerError)
    assert error.trouble == trouble
    assert str(error).endswith(".")
    assert "\n" not in str(error)


@given(
    st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "BMP"]),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=20),
)
def test_a_damaged_file_is_read_or_refused_and_nothing_else(
    form: str, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(saved(SCENE.resize((24, 16)), form))
    for place, value in changes:
        data[place % len(data)] = value
    try:
        read = read_picture(bytes(data), longest=64)
    except PictureError:
        return
    assert read.ndim == 3
    assert read.shape[2] == 3
    assert read.dtype == np.uint8
    assert max(read.shape) <= 64


def test_the_sample_is_the_same_each_time_and_has_edges_of_both_directions() -> None:
    first, second = sample_picture(112), sample_picture(112)
    assert np.array_equal(first, second)
    assert first.shape == (112, 112, 3)
    assert first.dtype == np.uint8
    gray = first.mean(axis=2)
    assert np.abs(np.diff(gray, axis=0)).max() > 60
    assert np.abs(np.diff(gray, axis=1)).max() > 60
