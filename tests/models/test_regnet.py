from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType

import pytest
import torch
from torch import nn

from explorer.errors import OptionError
from explorer.models import build_model, list_models
from explorer.models.regnet import Bottleneck, _stages

NAMES = list_models("RegNet")
TORCHVISION = [name for name in NAMES if name.startswith("regnet_")]
TIMM = [name for name in NAMES if not name.startswith("regnet_")]
# More than 15 million parameters.
HEAVY = """
regnet_x_3_2gf regnetx_040 regnetx_064 regnet_x_8gf regnetx_120 regnet_x_16gf regnet_x_32gf
regnet_y_3_2gf regnety_040 regnety_064 regnety_080 regnet_y_8gf regnety_120 regnet_y_16gf
regnet_y_32gf regnet_y_128gf
""".split()


def _heavy_marked_slow(names: list[str]) -> list[object]:
    return [pytest.param(name, marks=pytest.mark.slow) if name in HEAVY else name for name in names]


@pytest.fixture
def reference(
    torchvision: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], nn.Module]]:
    """Build torchvision's model on meta; its configuration is arithmetic with real tensors."""
    params = torchvision.models.regnet.BlockParams
    original = params.from_init_params

    def on_cpu(**numbers: float) -> object:
        with torch.device("cpu"):
            return original(**numbers)

    monkeypatch.setattr(params, "from_init_params", on_cpu)

    def build(name: str) -> nn.Module:
        with torch.device("meta"):
            return torchvision.models.get_model(name)

    return build


@pytest.mark.parametrize("name", TORCHVISION)
def test_the_state_dict_has_torchvision_s_keys_and_shapes(
    name: str,
    reference: Callable[[str], nn.Module],
    assert_equals_reference: Callable[..., None],
) -> None:
    with torch.device("meta"):
        ours = build_model(name)

    assert_equals_reference(ours, reference(name))


@pytest.mark.parametrize("name", _heavy_marked_slow(TORCHVISION))
def test_with_torchvision_s_weights_the_scores_are_torchvision_s(
    name: str,
    reference: Callable[[str], nn.Module],
    assert_equals_reference: Callable[..., None],
) -> None:
    with torch.device("meta"):
        ours = build_model(name)

    assert_equals_reference(ours, reference(name), (64, 64), (96, 64))


@pytest.mark.parametrize("name", _heavy_marked_slow(TIMM))
def test_the_sizes_that_torchvision_lacks_are_timm_s(
    name: str,
    timm: ModuleType,
    with_random_weights: Callable[[nn.Module], nn.Module],
    assert_same_scores: Callable[..., None],
) -> None:
    with torch.device("meta"):
        ours, theirs = build_model(name), timm.create_model(name)
    weights = with_random_weights(ours).state_dict()
    # timm reads torchvision's layout.
    theirs.load_state_dict(timm.models.regnet._filter_fn(weights), strict=True, assign=True)

    assert_same_scores(ours, theirs.eval(), (64, 64))
    assert_same_scores(ours, theirs, (96, 64))


@pytest.mark.parametrize(
    ("numbers", "widths", "depths"),
    [
        ((13, 24, 36.44, 2.49, 8), (24, 56, 152, 368), (1, 1, 4, 7)),  # X-200MF
        ((25, 88, 26.31, 2.25, 48), (96, 192, 432, 1008), (2, 6, 15, 2)),  # X-3.2GF
        ((23, 320, 69.86, 2.0, 168), (336, 672, 1344, 2520), (2, 7, 13, 1)),  # X-32GF
        ((15, 48, 32.54, 2.32, 16), (48, 112, 256, 608), (1, 3, 7, 4)),  # Y-600MF
        ((17, 192, 76.82, 2.19, 56), (168, 448, 896, 2016), (2, 4, 10, 1)),  # Y-8GF
    ],
)
def test_the_numbers_give_the_stages_that_the_paper_lists(
    numbers: tuple[int, int, float, float, int], widths: tuple[int, ...], depths: tuple[int, ...]
) -> None:
    stages = _stages(*numbers, rounding="nearest")

    assert tuple(stage.width for stage in stages) == widths
    assert tuple(stage.depth for stage in stages) == depths
    assert {stage.width // stage.groups for stage in stages} == {numbers[-1]}


def test_a_straight_line_becomes_steps_by_hand() -> None:
    # 16 + 16 * (0, 1, 2, 3) is 2^0, 2^1, 2^1.58 and 2^2 times 16: steps 0, 1, 2, 2
    stages = _stages(4, w_0=16, w_a=16.0, w_m=2.0, group_width=24, rounding="nearest")

    # widths 16, 32, 64; 16 is narrower than a group, 32 is nearest to 24, 64 to 72
    assert [(stage.width, stage.depth, stage.groups) for stage in stages] == [
        (16, 1, 1),
        (24, 1, 1),
        (72, 2, 3),
    ]


@pytest.mark.parametrize(
    ("published", "torchvision_s", "widths"),
    [
        ("regnetx_004", "regnet_x_400mf", [(32, 32), (64, 64), (160, 160), (384, 400)]),
        ("regnety_008", "regnet_y_800mf", [(64, 64), (128, 144), (320, 320), (768, 784)]),
        ("regnety_080", "regnet_y_8gf", [(168, 224), (448, 448), (896, 896), (2016, 2016)]),
    ],
)
def test_three_of_torchvision_s_models_have_another_width_than_the_published_ones(
    published: str, torchvision_s: str, widths: list[tuple[int, int]]
) -> None:
    with torch.device("meta"):
        models = build_model(published), build_model(torchvision_s)
    found = [[stage[0].f.a[0].out_channels for stage in model.trunk_output] for model in models]

    assert list(zip(*found, strict=True)) == widths


def test_y_is_x_with_squeeze_and_excitation() -> None:
    with torch.device("meta"):
        x, y = build_model("regnetx_002"), build_model("regnety_002")
    extra = {key for key in y.state_dict() if ".se." in key}

    assert set(y.state_dict()) - extra == set(x.state_dict())
    assert len(extra) == 13 * 4  # a weight and a bias of two layers in each of 13 blocks


def test_the_squeeze_has_a_quarter_of_the_channels_that_enter_the_block() -> None:
    with torch.device("meta"):
        model = build_model("regnety_002")
    blocks = [module for module in model.modules() if isinstance(module, Bottleneck)]

    assert [block.f.se.fc1.out_channels for block in blocks[:3]] == [8, 6, 14]  # of 32, 24 and 56


def test_an_initial_width_that_is_no_multiple_of_8_is_refused_with_the_nearest() -> None:
    with pytest.raises(OptionError, match=r"w_0=30 .* multiple of 8.* 24 and 32") as caught:
        build_model("regnetx_002", w_0=30)

    assert caught.value.option == "w_0"


def test_other_numbers_give_another_network() -> None:
    with torch.device("meta"):
        model = build_model("regnetx_002", depth=9, w_0=32, w_a=20.0, w_m=2.0, group_width=4)

    # 32 + 20 * (0 ... 8) are 1, 1.6, 2.3, 2.9, 3.5, 4.1, 4.8, 5.4 and 6 times 32: the powers
    # 0, 0.7, 1.2, 1.5, 1.8, 2.04, 2.2, 2.4 and 2.6 of 2, rounded 0, 1, 1, 2, 2, 2, 2, 2 and 3
    assert [len(stage) for stage in model.trunk_output] == [1, 2, 5, 1]
    assert model.fc.in_features == 256
    assert model(torch.empty(1, 3, 96, 64, device="meta")).shape == (1, 1000)
