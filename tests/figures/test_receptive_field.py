"""The window on the picture and the growth curve say what the fields say."""

from __future__ import annotations

import base64
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from explorer.analysis.receptive_field import Field, receptive_fields
from explorer.figures.receptive_field import Point, glowing, growth, window_picture
from explorer.figures.theme import INK, KIND_COLORS
from explorer.lessons.pictures import Pixels, sample_picture
from explorer.trace import trace_model
from tests.analysis.nets import traced


def field(op: int) -> Field:
    """Of an op of ResNet-20 at 32 x 32."""
    found = receptive_fields(traced("resnet20"))[op]
    assert found
    return found


def decoded(address: str) -> Pixels:
    return np.array(Image.open(BytesIO(base64.b64decode(address.partition(",")[2]))))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_window_stands_where_the_field_says(theme: str) -> None:
    seen = field(1)  # a 3 x 3 convolution with padding 1
    figure = window_picture(sample_picture(32), seen, (0, 5), theme=theme)
    border = figure.layout.shapes[-1]
    assert (border.x0, border.x1, border.y0, border.y1) == (4, 7, -1, 2)
    (image,) = figure.layout.images
    assert (image.x, image.y, image.sizex, image.sizey) == (0, 0, 32, 32)
    np.testing.assert_array_equal(decoded(image.source), sample_picture(32))
    # The padding is in the view, the picture all of it.
    low, high = figure.layout.yaxis.range[::-1]
    assert low < -1
    assert high >= 32
    names = [trace.name for trace in figure.data]
    assert "its window, in the padding" in names
    inside = window_picture(sample_picture(32), seen, (5, 5), theme=theme)
    assert "its window, in the padding" not in [trace.name for trace in inside.data]
    assert figure.layout.font.color == INK[theme]


def test_the_centres_of_all_cells_lie_a_stride_apart() -> None:
    trace = trace_model("resnet18", (1, 3, 64, 96))
    fields = receptive_fields(trace)
    op = next(op.index for op in trace.ops if op.name == "max_pool2d")
    pooled = fields[op]
    assert pooled
    assert pooled.cells == (16, 24)
    figure = window_picture(sample_picture(96)[:64], pooled, (0, 0))
    (dots,) = [each for each in figure.data if each.name == "centres of the cells' windows"]
    assert len(dots.x) == 16 * 24
    assert set(np.diff(sorted(set(dots.x)))) == {4}
    (chosen,) = [each for each in figure.data if each.name == "the chosen cell's"]
    assert (chosen.x[0], chosen.y[0]) == (dots.x[0], dots.y[0])


def test_hidden_numbers_are_not_at_the_axes() -> None:
    figure = window_picture(sample_picture(32), field(1), (3, 3), ticks=False)
    assert figure.layout.xaxis.showticklabels is figure.layout.yaxis.showticklabels is False


def test_weights_cover_the_picture_with_their_colour() -> None:
    weights = np.zeros((32, 32), np.float32)
    weights[10, 20] = 1
    weights[11, 20] = 0.25
    picture = np.full((32, 32, 3), 200, np.uint8)
    covered = glowing(picture, weights, "light")
    color = KIND_COLORS["light"]["linear"]
    rgb = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    assert covered[10, 20].tolist() == rgb
    # The root of a quarter: half and half.
    assert covered[11, 20].tolist() == pytest.approx([(a + 200) / 2 for a in rgb], abs=1)
    assert (covered[0, 0] == 200).all()
    figure = window_picture(picture, field(1), (3, 3), weights=weights)
    assert not np.array_equal(decoded(figure.layout.images[0].source), picture)


def test_the_curve_has_a_point_for_each_layer_with_a_field() -> None:
    points = [
        Point("a", "a", "convolution", 3, False),
        Point("b", "b", "convolution", 7, False),
        Point("c", "c", "indexing", None, False),
        Point("d", "d", "linear", 32, True),
    ]
    figure = growth(points, 32, selected="b")
    traces = {trace.name: trace for trace in figure.data}
    assert list(traces["window of a layer's cells"].y) == [3, 7]
    assert [key for (key,) in traces["window of a layer's cells"].customdata] == ["a", "b"]
    assert list(traces["sees the whole picture"].x) == [4]
    assert list(traces["chosen"].y) == [7]
    assert list(traces["rows of the picture"].y) == [32, 32]
    assert figure.layout.yaxis.type == "log"
    # All points are in the range.
    low, high = figure.layout.yaxis.range
    assert low < np.log10(3) < np.log10(32) < high
