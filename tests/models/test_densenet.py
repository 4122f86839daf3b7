from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from explorer.errors import OptionError
from explorer.models import build_model
from explorer.models.densenet import DenseBlock


class _Maps(nn.Module):
    """Stands in for a layer: answers with maps full of its number, remembers what it saw."""

    def __init__(self, number: int, growth_rate: int) -> None:
        super().__init__()
        self.number, self.growth_rate = number, growth_rate
        self.seen: list[float] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen = x[0, :, 0, 0].tolist()
        return x.new_full((1, self.growth_rate, *x.shape[2:]), self.number)


def test_layer_l_reads_the_maps_of_all_layers_before_it_in_order() -> None:
    block = DenseBlock(3, in_channels=2, growth_rate=1, bottleneck=True, dropout=0)
    for number, name in enumerate(list(block), start=1):
        block[name] = _Maps(number, growth_rate=1)

    out = block(torch.zeros(1, 2, 4, 4))

    # Equation 2: x_l = H_l([x_0, x_1, ..., x_(l-1)])
    assert [layer.seen for layer in block.values()] == [[0, 0], [0, 0, 1], [0, 0, 1, 2]]
    assert out[0, :, 0, 0].tolist() == [0, 0, 1, 2, 3]


@pytest.mark.parametrize(
    ("name", "depth"),
    [
        *((f"densenet{depth}", depth) for depth in (121, 161, 169, 201)),
        # 1 + 2 * (6 + 12 + 64 + 48) + 3 + 1: the paper's Table 1 is one more than its name.
        ("densenet264", 265),
        ("densenet40_k12", 40),
        ("densenet100_k12", 100),
        ("densenet100_k12_bc", 100),
    ],
)
def test_the_name_is_the_number_of_weighted_layers(name: str, depth: int) -> None:
    with torch.device("meta"):
        model = build_model(name)

    assert sum(isinstance(m, nn.Conv2d | nn.Linear) for m in model.modules()) == depth


def test_compression_is_the_share_of_the_channels_that_a_transition_keeps() -> None:
    with torch.device("meta"):
        model = build_model("densenet121", compression=0.3)

    # 64 channels and 6 layers of 32 give 256; 0.3 of them, rounded down, are 76.
    assert model.features.transition1.conv.in_channels == 256
    assert model.features.transition1.conv.out_channels == 76
    assert model(torch.empty(1, 3, 64, 96, device="meta")).shape == (1, 1000)


def test_compression_that_leaves_no_channel_is_refused_with_what_would_do() -> None:
    options = {"depths": (1, 1, 1, 1), "growth_rate": 4, "compression": 0.1}

    # 8 + 4 = 12 channels, of which 1 is kept, then 1 + 4 = 5, of which 0.5 would be.
    with pytest.raises(OptionError, match=r"no channel of the 5 .* 0\.2 would leave one") as caught:
        build_model("densenet121", **options)
    assert caught.value.option == "compression"
    with torch.device("meta"):
        build_model("densenet121", **options | {"compression": 0.2})


def test_without_bottleneck_a_layer_is_one_3x3_convolution() -> None:
    with torch.device("meta"):
        model = build_model("densenet121", bottleneck=False)
    layer = model.features.denseblock1.denselayer1

    assert list(dict(layer.named_children())) == ["norm1", "relu1", "conv1"]
    assert layer.conv1.kernel_size == (3, 3)
    assert model(torch.empty(1, 3, 64, 96, device="meta")).shape == (1, 1000)


def test_dropout_follows_every_convolution_but_the_first() -> None:
    with torch.device("meta"):
        model = build_model("densenet100_k12_bc", dropout=0.2)
    kinds = [type(m) for m in model.modules() if isinstance(m, nn.Conv2d | nn.Dropout)]

    assert kinds[0] is nn.Conv2d
    assert kinds[1:] == [nn.Conv2d, nn.Dropout] * (2 * 48 + 2)  # 48 layers of 2, 2 transitions
