"""Tiles, maps over pictures and bars show the values that they are given."""

from __future__ import annotations

import base64
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from explorer.figures._pixels import diverging, scale_colors
from explorer.figures.feature_maps import (
    filter_tiles,
    map_over_picture,
    map_tiles,
    tile_grid,
    vector_bars,
)
from explorer.figures.theme import PAPER
from explorer.lessons.pictures import Pixels, sample_picture


def rgb(color: str) -> list[int]:
    return [int(color[i : i + 2], 16) for i in (1, 3, 5)]


def decoded(address: str) -> Pixels:
    return np.array(Image.open(BytesIO(base64.b64decode(address.partition(",")[2]))))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_values_have_the_scale_s_colours(theme: str) -> None:
    low, middle, high = scale_colors(theme)
    shown = diverging(np.array([-1.0, 0.0, 1.0, -2.0]), theme)
    assert shown[0].tolist() == rgb(low)
    assert shown[1].tolist() == pytest.approx(rgb(middle), abs=1)
    assert shown[2].tolist() == rgb(high)
    assert shown[3].tolist() == rgb(low)
    assert middle == PAPER[theme]


def test_tiles_hold_their_pixels_unblurred_and_know_their_channel() -> None:
    values = np.linspace(-1, 1, 6 * 4 * 5).reshape(6, 4, 5)
    tiles = map_tiles(values, "light")
    figure = tile_grid(tiles, list("abcdef"), list("uvwxyz"), [9, 8, 7, 6, 5, 4], selected=7,
                       title="Maps")  # fmt: skip
    assert len(figure.layout.images) == 6
    for image, tile in zip(figure.layout.images, tiles, strict=True):
        pixels = decoded(image.source)
        factor = pixels.shape[0] // 4
        assert pixels.shape == (4 * factor, 5 * factor, 3)
        np.testing.assert_array_equal(pixels[::factor, ::factor], tile)
    assert [key for (key,) in figure.data[0].customdata] == [9, 8, 7, 6, 5, 4]
    assert list(figure.data[1].text) == list("abcdef")
    widths = [shape.line.width for shape in figure.layout.shapes]
    assert widths.index(max(widths)) == 2
    # No two overlap.
    places = [(image.x, image.y) for image in figure.layout.images]
    assert len(set(places)) == 6
    assert all(abs(x - a) >= 1 or abs(y - b) >= 0.8
               for i, (x, y) in enumerate(places) for a, b in places[:i])  # fmt: skip


def test_filters_of_three_channels_are_in_colour_around_gray() -> None:
    filters = np.zeros((2, 3, 2, 2), np.float16)
    filters[0, 0, 0, 0] = 4  # red, as far as it goes
    filters[0, 2, 1, 1] = -4
    first, second = filter_tiles(filters, "light")
    assert first[0, 0].tolist() == pytest.approx([255, 128, 128], abs=1)
    assert first[1, 1].tolist() == pytest.approx([128, 128, 0], abs=1)
    assert second == pytest.approx(128, abs=1)  # all zero: nothing to scale
    (single,) = filter_tiles(np.full((1, 1, 2, 2), -3, np.float16), "light")
    assert single[0, 0].tolist() == rgb(scale_colors("light")[0])


def test_a_map_over_the_picture_has_its_real_values_and_lies_upon_all_of_it() -> None:
    values = np.array([[1, -0.5], [0, 0.25]], np.float16)
    figure = map_over_picture(sample_picture(32), values, 8.0, title="Map")
    (heat,) = figure.data
    np.testing.assert_array_equal(np.array(heat.z), [[8, -4], [0, 2]])
    assert (heat.zmin, heat.zmax) == (-8, 8)
    # Two cells of 16 pixels each, their middles at 8 and 24.
    assert (heat.x0, heat.dx, heat.y0, heat.dy) == (8, 16, 8, 16)
    hidden = map_over_picture(sample_picture(32), values, 8.0, title="Map", ticks=False)
    assert hidden.data[0].hoverinfo == "skip"
    assert hidden.data[0].colorbar.showticklabels is False
    silent = map_over_picture(sample_picture(32), np.zeros((2, 2)), 0.0, title="Map")
    assert silent.data[0].zmax > silent.data[0].zmin


def test_bars_are_the_values_of_a_vector() -> None:
    figure = vector_bars(np.array([1.5, -2.0, 0.0]), selected=1)
    (bars,) = figure.data
    assert list(bars.y) == [1.5, -2.0, 0.0]
    assert len(set(bars.marker.color)) == 2
    assert bars.marker.color[1] != bars.marker.color[0] == bars.marker.color[2]
