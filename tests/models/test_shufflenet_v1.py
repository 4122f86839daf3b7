from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from explorer.errors import OptionError
from explorer.models import build_model
from explorer.models.shufflenet_v1 import ShuffleUnit


def _shuffled(x: Tensor, groups: int) -> Tensor:
    """Section 3.1, index by index: the n-th channel of group g becomes the g-th of set n."""
    per_group = x.shape[1] // groups
    order = [g * per_group + n for n in range(per_group) for g in range(groups)]
    return x[:, order]


def _paper(state: dict[str, Tensor], groups: int, x: Tensor) -> Tensor:
    """Table 1 and Figure 2, as one function of the weights."""

    def conv(name: str, x: Tensor, groups: int = 1, **kwargs: int) -> Tensor:
        x = F.conv2d(x, state[f"{name}.weight"], groups=groups, **kwargs)
        bn = name.replace("conv", "bn")
        mean, var = state[f"{bn}.running_mean"], state[f"{bn}.running_var"]
        return F.batch_norm(x, mean, var, state[f"{bn}.weight"], state[f"{bn}.bias"])

    x = F.max_pool2d(conv("conv1", x, stride=2, padding=1).relu(), 3, stride=2, padding=1)
    for stage, repeats in ((2, 4), (3, 8), (4, 4)):
        for i in range(repeats):
            unit, stride = f"stage{stage}.{i}", 2 if i == 0 else 1
            inner = len(state[f"{unit}.conv1.weight"])
            first = 1 if (stage, i) == (2, 0) else groups
            out = _shuffled(conv(f"{unit}.conv1", x, first).relu(), groups)
            out = conv(f"{unit}.conv2", out, inner, stride=stride, padding=1)
            out = conv(f"{unit}.conv3", out, groups)
            if stride == 2:
                x = torch.cat([F.avg_pool2d(x, 3, stride=2, padding=1), out], dim=1).relu()
            else:
                x = (x + out).relu()
    return F.linear(x.mean(dim=(2, 3)), state["fc.weight"], state["fc.bias"])


@pytest.mark.parametrize(
    ("name", "groups"),
    [
        *(("shufflenet_v1_x1_0", groups) for groups in (1, 2, 3, 4, 8)),
        ("shufflenet_v1_x0_5", 8),
        ("shufflenet_v1_x1_5", 3),
        ("shufflenet_v1_x2_0", 3),
    ],
)
def test_the_network_is_the_paper_s(
    name: str,
    groups: int,
    with_random_weights: Callable[[nn.Module], nn.Module],
    assert_same_scores: Callable[..., None],
) -> None:
    with torch.device("meta"):
        model = build_model(name, groups=groups)
    weights = with_random_weights(model).state_dict()

    for size in ((64, 64), (96, 64)):
        assert_same_scores(model, lambda x: _paper(weights, groups, x), size)


@pytest.mark.parametrize(
    ("groups", "widths"),
    [
        (1, (144, 288, 576)),
        (2, (200, 400, 800)),
        (3, (240, 480, 960)),
        (4, (272, 544, 1088)),
        (8, (384, 768, 1536)),
    ],
)
def test_more_groups_pay_for_more_channels(groups: int, widths: tuple[int, ...]) -> None:
    with torch.device("meta"):
        model = build_model("shufflenet_v1_x1_0", groups=groups)
    stages = (model.stage2, model.stage3, model.stage4)

    assert tuple(stage[-1].bn3.num_features for stage in stages) == widths  # Table 1
    with FlopCounterMode(display=False) as counter:
        model(torch.empty(1, 3, 224, 224, device="meta"))
    assert counter.get_total_flops() / 2e6 == pytest.approx(139, abs=5)


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 8])
def test_a_unit_costs_what_section_3_2_says(groups: int) -> None:
    c = 480
    with torch.device("meta"):
        unit = ShuffleUnit(c, c, 1, groups, groups)
    with FlopCounterMode(display=False) as counter:
        unit(torch.empty(1, c, 7, 9, device="meta"))
    m = c // 4

    # hw * (2cm / g + 9m) multiply-accumulates
    assert counter.get_total_flops() == 2 * 7 * 9 * (2 * c * m // groups + 9 * m)


def test_the_first_1x1_is_not_split_because_the_stem_is_narrow() -> None:
    with torch.device("meta"):
        model = build_model("shufflenet_v1_x1_0", groups=8)

    assert model.stage2[0].conv1.groups == 1
    assert {m.conv1.groups for m in model.modules() if isinstance(m, ShuffleUnit)} == {1, 8}


def test_one_group_needs_no_shuffle() -> None:
    with torch.device("meta"):
        model = build_model("shufflenet_v1_x1_0", groups=1)

    assert not any(isinstance(m, nn.ChannelShuffle) for m in model.modules())


def test_a_number_of_groups_that_nobody_trained_is_refused() -> None:
    with pytest.raises(OptionError, match=r"groups=5 should be one of 1, 2, 3, 4, 8"):
        build_model("shufflenet_v1_x1_0", groups=5)
