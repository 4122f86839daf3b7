"""Sizes and channels along the network."""

from __future__ import annotations

from explorer.figures.profile import shape_profile


def lines_of(figure):
    return {trace.name: trace.y for trace in figure.data}


def test_height_width_and_channels_follow_the_output_shapes(rows) -> None:
    lines = lines_of(shape_profile(rows))
    assert lines == {
        "height": (32, 32, 16, 16, 16, 1, 1),
        "width": (16, 16, 8, 8, 8, 1, 1),
        "channels": (8, 8, 16, 16, 16, 10, 10),
    }


def test_a_square_network_needs_one_line_for_both_sides(layer) -> None:
    rows = [layer("a", "convolution", (1, 3, 8, 8)), layer("b", "pooling", (1, 3, 4, 4))]
    assert lines_of(shape_profile(rows)) == {"height and width": (8, 4), "channels": (3, 3)}


def test_tokens_have_a_line_of_their_own_and_vectors_are_their_width(layer) -> None:
    rows = [
        layer("patch", "convolution", (1, 192, 14, 14)),
        layer("block", "attention", (1, 197, 192)),
    ]
    lines = lines_of(shape_profile(rows))
    assert lines["tokens"] == (None, 197)
    assert lines["height and width"] == (14, None)
    assert lines["channels"] == (192, 192)


def test_a_layer_without_an_output_is_left_out(layer) -> None:
    rows = [layer("a", "convolution", (1, 3, 8, 8)), layer("fails", "pooling", ())]
    assert lines_of(shape_profile(rows))["channels"] == (3,)


def test_points_carry_the_keys_and_the_selected_one_is_marked(rows) -> None:
    figure = shape_profile(rows, selected="relu")
    assert [key for (key,) in figure.data[0].customdata] == [row.key for row in rows]
    assert {mark.x0 for mark in figure.layout.shapes} == {2}


def test_axes_are_logarithmic_and_carry_units(rows) -> None:
    layout = shape_profile(rows).layout
    assert (layout.yaxis.type, layout.yaxis2.type) == ("log", "log")
    assert layout.yaxis.title.text == "Pixels or tokens"
    assert layout.yaxis2.title.text == "Channels"
