from __future__ import annotations

import pytest
import torch
from torch import nn

from explorer.models import build_model


def _kernel_sizes(name: str) -> list[int]:
    with torch.device("meta"):
        model = build_model(name)
    return [module.kernel_size[0] for module in model.modules() if isinstance(module, nn.Conv2d)]


@pytest.mark.parametrize(
    ("name", "convolutions"), [("vgg11", 8), ("vgg13", 10), ("vgg16", 13), ("vgg19", 16)]
)
def test_every_convolution_of_columns_a_b_d_and_e_is_3x3(name: str, convolutions: int) -> None:
    assert _kernel_sizes(name) == _kernel_sizes(f"{name}_bn") == [3] * convolutions


def test_column_c_ends_its_last_three_stages_with_a_1x1() -> None:
    assert _kernel_sizes("vgg16_c") == [3, 3, 3, 3, 3, 3, 1, 3, 3, 1, 3, 3, 1]


def test_column_a_lrn_normalizes_once_after_the_first_convolution() -> None:
    with torch.device("meta"):
        kinds = [type(module).__name__ for module in build_model("vgg11_lrn").features]

    assert kinds[:5] == ["Conv2d", "ReLU", "LocalResponseNorm", "MaxPool2d", "Conv2d"]
    assert kinds.count("LocalResponseNorm") == 1


def test_depths_are_the_convolutions_before_each_pooling() -> None:
    with torch.device("meta"):
        features = build_model("vgg16", depths=(1, 2, 1, 1, 3)).features
    word = {"Conv2d": "c", "ReLU": "", "MaxPool2d": "|"}

    assert "".join(word[type(module).__name__] for module in features) == "c|cc|c|c|ccc|"
