"""The lesson on convolution arithmetic, run without a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from streamlit.testing.v1 import AppTest
from torch import nn

from explorer.lessons.convolution import FILTERS, brightness, filter_picture
from explorer.lessons.pictures import sample_picture
from tests.lessons.test_pictures import claiming
from tests.pages.course import address, opened

Open = Callable[..., AppTest]


@pytest.fixture
def open_page() -> Open:
    """Opens the page as the navigation does, with what its link says."""
    return partial(opened, "convolution")


def grids(app: AppTest) -> list[dict[str, Any]]:
    """What the grids were given, in the order of the page."""
    found = []
    for element in app.get("bidi_component"):
        data = json.loads(element.proto.json) if element.proto.json else {}
        if "planes" in data:
            found.append(data)
    return found


def metrics(app: AppTest, *, last: bool = False) -> dict[str, tuple[str, str]]:
    """The numbers by their labels; of two with one label the first, or the last."""
    shown = app.metric if last else reversed(app.metric)
    return {metric.label: (metric.value, metric.delta) for metric in shown}


def texts(app: AppTest) -> str:
    shown = (*app.markdown, *app.caption, *app.subheader, *app.title, *app.warning, *app.error)
    return "\n".join(str(element.value) for element in shown)


def formulas(app: AppTest) -> str:
    return "\n".join(element.value for element in app.latex)


# ------------------------------------------------------------------------- windows


def test_the_grid_holds_torch_s_convolution_of_what_it_shows(open_page: Open) -> None:
    app = open_page(h="5", w="9", k="3", s="2", p="1", d="2")
    shown = grids(app)[0]
    one = torch.tensor(shown["planes"][0]["rows"]).double()[None, None]
    kernel = torch.tensor(shown["filters"][0]["kernel"]).double()[None]
    out = F.conv2d(one, kernel, stride=2, dilation=2)[0, 0]
    assert shown["filters"][0]["out"] == out.long().tolist()
    assert r"\frac{5 + 2 \cdot 1 - 2\,(3 - 1) - 1}{2} \right\rfloor + 1 = 2" in formulas(app)
    assert r"\frac{9 + 2 \cdot 1 - 2\,(3 - 1) - 1}{2} \right\rfloor + 1 = 4" in formulas(app)
    assert metrics(app)["Outputs"][0] == "8"
    assert metrics(app)["MACs"][0] == "72"
    assert "4 outputs" in texts(app)


def test_a_slider_moves_every_number_and_is_in_the_link(open_page: Open) -> None:
    app = open_page()
    before = metrics(app)["Outputs"][0]
    app.slider(key="convolution_s").set_value(1).run()
    assert metrics(app)["Outputs"][0] != before
    assert address(app)["s"] == "1"
    again = open_page(**address(app))
    assert metrics(again) == metrics(app)


def test_a_kernel_that_does_not_fit_is_a_sentence_and_the_rest_stays(open_page: Open) -> None:
    app = open_page(h="2", w="2", k="5", p="0")
    assert "A window that spans 5 pixels does not fit into 2" in texts(app)
    assert len(grids(app)) == 4, "the other parts are still drawn"
    app.slider(key="convolution_p").set_value(2).run()
    assert len(grids(app)) == 5


def test_pixels_that_are_never_read_are_counted(open_page: Open) -> None:
    app = open_page(h="8", w="8", k="1", s="2", p="0")
    # One pixel of each 2 x 2 is read.
    assert metrics(app)["Never read"] == ("48", "of 64 pixels")
    assert sum(map(sum, grids(app)[0]["unread"])) == 48


def test_the_chosen_output_comes_back_into_the_link(open_page: Open) -> None:
    app = open_page(at="0.5")
    assert grids(app)[0]["at"] == "0.5"
    assert address(app)["at"] == "0.5"
    app = open_page(at="0.x")
    assert "The link says at='0.x'" in texts(app).replace("\\", "")


@pytest.mark.parametrize(
    ("name", "value"), [("k", "0"), ("s", "0"), ("h", "99"), ("d", "-1"), ("fill", "stone")]
)
def test_a_link_with_nonsense_says_so_and_shows_the_default(
    open_page: Open, name: str, value: str
) -> None:
    app = open_page(**{name: value})
    assert f"The link says {name}='{value}'" in texts(app).replace("\\", "")
    assert name not in address(app)
    assert len(grids(app)) == 5


# ------------------------------------------------------------------------- padding


def test_the_rules_of_padding_are_torch_s_sizes(open_page: Open) -> None:
    app = open_page(vn="11", vk="3", vs="2")
    one = torch.zeros(1, 1, 11)
    sizes = [
        F.conv1d(one, torch.zeros(1, 1, 3), stride=2, padding=p).shape[-1] for p in (0, 1, 2, 2)
    ]
    shown = metrics(app)
    labels = ("valid, p = 0", "p = (k − 1) / 2 = 1", "p = (k − 1)s / 2 = 2", "full, p = 2")
    assert [int(shown[label][0]) for label in labels] == sizes
    assert shown["n / s, rounded up"][0] == "6"


def test_what_fills_the_padding_is_torch_s_padding_mode(open_page: Open) -> None:
    app = open_page(vn="6", vk="3", vs="1", fill="reflect")
    shown = grids(app)[1]
    layer = nn.Conv2d(1, 1, 3, padding=1, bias=False, padding_mode="reflect").double()
    inner = np.array(shown["planes"][0]["rows"])[1:-1, 1:-1]
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(shown["filters"][0]["kernel"])[None])
        out = layer(torch.from_numpy(inner.astype(float))[None, None])[0, 0]
    assert shown["filters"][0]["out"] == out.long().tolist()
    app = open_page(vn="1", vk="3", vs="1", fill="reflect")
    assert "2 pixels are needed for it; there are 1" in texts(app)


# ------------------------------------------------------------------- channels, groups


def test_groups_change_what_a_filter_sees_and_costs(open_page: Open) -> None:
    app = open_page(cin="6", cout="4", g="2")
    layer = nn.Conv2d(6, 4, 3, groups=2)
    shown = metrics(app, last=True)
    assert shown["Parameters"][0] == str(sum(p.numel() for p in layer.parameters()))
    assert [each["sees"] for each in grids(app)[2]["filters"]] == [[0, 1, 2]] * 2 + [[3, 4, 5]] * 2
    app.segmented_control(key="convolution_g").set_value(1).run()
    whole = nn.Conv2d(6, 4, 3)
    assert metrics(app)["Parameters"][0] == str(sum(p.numel() for p in whole.parameters()))
    assert (
        metrics(app, last=True)["MACs"][0] == "1.94 K"
    )  # 3 * 3 outputs * 4 filters * 6 channels * 9


def test_groups_that_do_not_divide_the_channels_cannot_be_chosen(open_page: Open) -> None:
    app = open_page(cin="6", cout="4", g="6")
    assert app.segmented_control(key="convolution_g").options == ["1", "2"]
    assert address(app)["cin"] == "6"
    app.segmented_control(key="convolution_cin").set_value(3).run()
    assert not app.exception
    assert app.segmented_control(key="convolution_g").value == 1


# ----------------------------------------------------------------------- transposed


@pytest.mark.parametrize("view", ["scatter", "zeros"])
def test_both_views_of_a_transposed_convolution_are_torch_s(open_page: Open, view: str) -> None:
    app = open_page(tn="3", tk="4", ts="2", tp="1", tv=view)
    shown = grids(app)[3]
    scatter = grids(open_page(tn="3", tk="4", ts="2", tp="1"))[3]
    one = torch.tensor(scatter["planes"][0]["rows"]).double()[None, None]
    kernel = torch.tensor(scatter["filters"][0]["kernel"]).double()[None]
    out = F.conv_transpose2d(one, kernel, stride=2, padding=1)[0, 0].long().tolist()
    if view == "scatter":
        whole = shown["filters"][0]["out"]
        assert [row[1:-1] for row in whole[1:-1]] == out
    else:
        assert shown["filters"][0]["out"] == out
    assert "+ 1 + 0 = 6" in formulas(app)


def test_a_padding_larger_than_the_kernel_cannot_be_chosen(open_page: Open) -> None:
    app = open_page(tk="2", tp="4", ts="1", te="2")
    assert app.slider(key="convolution_tp").max == 1
    assert "te" not in address(app)
    app = open_page(tn="1", tk="3", ts="1", tp="2")
    assert "cuts the whole output off" in texts(app)


# -------------------------------------------------------------------------- pictures


def shown_pictures(app: AppTest) -> int:
    return len(app.get("image"))


def test_a_filter_s_grid_shows_the_values_of_its_picture(open_page: Open) -> None:
    app = open_page(f="sobel_y", row="40", col="30")
    assert shown_pictures(app) == 2
    whole = filter_picture(sample_picture(), FILTERS["sobel_y"], gray=True)
    shown = grids(app)[4]
    assert shown["planes"][0]["rows"] == brightness(sample_picture())[40:48, 30:38].tolist()
    difference = np.array(shown["filters"][0]["out"]) - whole[41:47, 31:37]
    assert np.abs(difference).max() <= 1  # halves round either way


def test_one_s_own_filter_is_in_the_link(open_page: Open) -> None:
    app = open_page(f="own")
    app.number_input(key="convolution_w0").set_value(-3).run()
    assert address(app)["w0"] == "-3"
    assert grids(app)[4]["filters"][0]["kernel"][0][0][0] == -3
    assert grids(open_page(**address(app)))[4] == grids(app)[4]


def test_one_s_own_picture_is_read_and_taken_away_again(open_page: Open) -> None:
    app = open_page(row="0", col="0")
    file = BytesIO()
    Image.new("RGB", (40, 20), (200, 200, 200)).save(file, "PNG")
    app.get("file_uploader")[0].upload("flat.png", file.getvalue(), "image/png").run()
    assert not app.exception
    assert grids(app)[4]["planes"][0]["rows"] == [[200] * 8] * 8
    app.get("file_uploader")[0].clear().run()
    assert grids(app)[4]["planes"][0]["rows"] == brightness(sample_picture())[:8, :8].tolist()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"no picture", "The file of 10 bytes is no picture"),
        (b"\x89PNG\r\n\x1a\n\0", "The picture of 9 bytes is damaged"),
        (
            claiming(100_000, 100_000),
            "100,000 × 100,000 pixels; at most 25,000,000",
        ),
    ],
)
def test_what_is_no_picture_is_one_sentence_and_ours_stays(
    open_page: Open, data: bytes, sentence: str
) -> None:
    app = open_page()
    app.get("file_uploader")[0].upload("file.png", data, "image/png").run()
    assert not app.exception
    (error,) = app.error
    assert sentence in error.value
    assert shown_pictures(app) == 2


# --------------------------------------------------------------- talk and languages


def test_a_talk_hides_numbers_until_they_are_revealed(open_page: Open) -> None:
    for step in range(1, 6):
        app = open_page(present="yes", step=str(step))
        (grid,) = grids(app)
        assert grid["hide"]
        assert all(metric.value == "?" for metric in app.metric)
        assert "?" in formulas(app) or step in (2, 3, 5)
        app.button(key="talk_on").click().run()
        assert not app.exception
        (grid,) = grids(app)
        assert not grid["hide"]
        assert all(metric.value != "?" for metric in app.metric)


def test_in_chinese_no_english_is_left(open_page: Open) -> None:
    for step in range(1, 7):
        app = open_page(lang="zh", present="yes", step=str(step))
        if step < 6:
            app.button(key="talk_on").click().run()
        labels = [str(getattr(widget, "label", "")) for widget in (
            *app.slider, *app.segmented_control, *app.number_input, *app.selectbox, *app.metric,
            *app.radio, *app.toggle,
        )]  # fmt: skip
        said = [json.dumps([grid["words"], grid["legend"]], ensure_ascii=False)
                for grid in grids(app)]  # fmt: skip
        text = "\n".join([texts(app), *labels, *said])
        text = re.sub(r"\$[^$]*\$|\*\*|\"\w+\"|\{\w+\}|layerwise\S*", " ", text)
        words = set(re.findall(r"[A-Za-z]{3,}", text))
        names = {"valid", "same", "full", "PyTorch", "padding", "TensorFlow", "MACs", "Sobel",
                 "ResNet", "output", "English", "Language"}  # fmt: skip
        assert words <= names, words - names
