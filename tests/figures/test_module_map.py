"""The module tree to scale."""

from __future__ import annotations

import pytest

from explorer.figures.modules import module_map
from explorer.figures.theme import contrast


def sectors_of(figure):
    (drawn,) = figure.data
    return {
        name: (parent, value)
        for name, parent, value in zip(drawn.ids, drawn.parents, drawn.values, strict=True)
    }


def test_every_module_holds_the_sum_of_what_is_in_it(rows) -> None:
    assert sectors_of(module_map(rows)) == {
        # 1000 + 3000 + 4000 + 2000 + 2000
        "/": ("", 12000),
        "block/": ("/", 7000),
        "block.0/": ("block/", 7000),
        "conv1": ("/", 1000),
        "block.0.conv1": ("block.0/", 3000),
        "block.0.conv2": ("block.0/", 4000),
        "fc": ("/", 2000),
        "fc@1": ("/", 2000),
    }


def test_parameters_are_mapped_as_well(rows) -> None:
    sectors = sectors_of(module_map(rows, measure="params", name="Parameters"))
    assert sectors["/"] == ("", 1000)
    assert sectors["block/"] == ("/", 500)
    assert "fc@1" not in sectors  # it has none of its own


def test_a_sector_carries_the_key_that_a_click_selects(rows) -> None:
    (drawn,) = module_map(rows).data
    keys = dict(zip(drawn.ids, (key for (key,) in drawn.customdata), strict=True))
    assert keys["block.0.conv1"] == "block.0.conv1"
    assert keys["block.0/"] == "block.0"
    assert keys["/"] == ""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("form", ["treemap", "icicle"])
def test_labels_can_be_read_on_their_colour(rows, theme, form) -> None:
    (drawn,) = module_map(rows, form=form, theme=theme).data
    assert drawn.type == form
    for color, ink in zip(drawn.marker.colors, drawn.textfont.color, strict=True):
        assert contrast(color, ink) >= 4.5


def test_the_title_says_the_total(rows) -> None:
    assert module_map(rows).layout.title.text == "MACs by module: 12,000 in all"
