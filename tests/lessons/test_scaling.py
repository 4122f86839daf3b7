"""Scaled networks: against published counts, torchvision's own models, and the papers' tables."""

from __future__ import annotations

from math import prod
from types import ModuleType

import pytest
import torch

from explorer import get_spec, trace_model
from explorer.analysis.published import published
from explorer.errors import OptionError, TraceError
from explorer.lessons.scaling import (
    TABLE_7,
    Rule,
    Scaling,
    Stage,
    at_equal_cost,
    compound,
    family,
    line,
    presets,
    printed_mobilenets,
    regnet,
    scale,
    steps,
    thin,
)

BASE = Scaling(1.0, 1.0, 224)


# ------------------------------------------------------------------ EfficientNet


def test_the_compound_rule_is_the_paper_s() -> None:
    assert compound(0) == BASE
    # alpha * beta^2 * gamma^2 is about 2 (equation 3).
    assert compound(1).rule == pytest.approx(1.2 * 1.1**2 * (258 / 224) ** 2)
    assert 1.9 < compound(1).rule < 2


@pytest.mark.parametrize("number", range(8))
def test_the_family_has_the_published_counts(number: int) -> None:
    name = f"efficientnet_b{number}"
    (row,) = [row for row in published() if row.name == name]
    made = scale(family()[name])
    assert (made.cost.params, made.cost.macs) == (row.params, row.macs)
    assert made.scaling.side == row.input_shape[-1]


def test_an_invented_scaling_is_torchvision_s_network(torchvision: ModuleType) -> None:
    from torchvision.models.efficientnet import EfficientNet, _efficientnet_conf

    stages, last = _efficientnet_conf("efficientnet_b0", width_mult=1.3, depth_mult=1.7)
    with torch.device("meta"):
        theirs = EfficientNet(stages, dropout=0.2, last_channel=last)
    made = scale(Scaling(1.7, 1.3, 256))
    assert made.cost.params == sum(p.numel() for p in theirs.parameters())
    assert made.cost.macs == trace_model(theirs, (1, 3, 256, 256)).macs


def test_counts_are_those_of_one_image() -> None:
    trace = trace_model("efficientnet_b0", (1, 3, 224, 224))
    cost = scale(BASE).cost
    assert (cost.params, cost.macs) == (trace.params, trace.macs)
    assert cost.activation_bytes == trace.activation_bytes


def test_the_parts_add_up_to_the_whole() -> None:
    for scaling in (BASE, Scaling(1.3, 0.7, 160), compound(3)):
        made = scale(scaling)
        assert sum(macs for _, macs in made.parts) == made.cost.macs


def test_the_parts_of_b0_by_hand() -> None:
    parts = dict(scale(BASE).parts)
    assert parts["stem"] == 112**2 * 32 * 3 * 9
    assert parts["head"] == 7**2 * 320 * 1280
    assert parts["classifier"] == 1280 * 1000
    # One depthwise convolution a block: (channels, kernel, side of its output) of each.
    depthwise = [(32, 3, 112), (96, 3, 56), (144, 3, 56), (144, 5, 28), (240, 5, 28), (240, 3, 14)]
    depthwise += [(480, 3, 14)] * 2 + [(480, 5, 14)] + [(672, 5, 14)] * 2 + [(672, 5, 7)]
    depthwise += [(1152, 5, 7)] * 3 + [(1152, 3, 7)]
    assert parts["depthwise"] == sum(c * k**2 * side**2 for c, k, side in depthwise)
    # Squeeze-and-excitation: to a quarter of the block's input and back.
    inputs = [16 * 2, 16, 24, 24, 40, 40, 80, 80, 80, 112, 112, 112, 192, 192, 192, 192]
    assert parts["squeeze"] == sum(
        2 * inner * (outer // 4) for (inner, _, _), outer in zip(depthwise, inputs, strict=True)
    )


def test_each_part_follows_its_law_where_nothing_is_rounded() -> None:
    base, twice = (dict(scale(each).parts) for each in (BASE, Scaling(1.0, 2.0, 448)))
    powers = {"stem": (1, 2), "pointwise": (2, 2), "depthwise": (1, 2), "squeeze": (2, 0),
              "head": (2, 2), "classifier": (1, 0)}  # fmt: skip
    for part, (width, resolution) in powers.items():
        assert twice[part] == base[part] * 2 ** (width + resolution), part


def test_the_steps_lead_from_the_rule_to_the_count() -> None:
    for scaling in (*family().values(), compound(2.5), Scaling(0.7, 1.3, 192)):
        made = scale(scaling)
        found = steps(made)
        factors = (found.rule, found.parts, found.blocks, found.channels, found.rest)
        assert prod(factors) == pytest.approx(found.counted)
        assert found.counted == made.cost.macs / scale(BASE).cost.macs
    unscaled = steps(scale(BASE))
    assert tuple(unscaled) == pytest.approx((1,) * 6)


def test_nothing_is_rounded_where_all_is_whole() -> None:
    found = steps(scale(Scaling(1.0, 2.0, 448)))
    assert (found.blocks, found.channels, found.rest) == pytest.approx((1, 1, 1))
    assert found.parts < 1  # not every part grows with the square of the width


def test_a_depth_of_1_1_adds_a_block_to_each_of_seven_stages() -> None:
    assert len(scale(BASE).blocks) == 16
    assert len(scale(Scaling(1.1, 1.0, 224)).blocks) == 23
    assert steps(scale(Scaling(1.1, 1.0, 224))).blocks > 1.3


def test_blocks_say_channels_and_size() -> None:
    blocks = scale(BASE).blocks
    # Table 1 of the paper: output channels and resolution of stages 2 to 8.
    assert [(block.width, block.side) for block in blocks] == [
        *[(16, 112)], *[(24, 56)] * 2, *[(40, 28)] * 2, *[(80, 14)] * 3, *[(112, 14)] * 3,
        *[(192, 7)] * 4, (320, 7),
    ]  # fmt: skip


@pytest.mark.parametrize("times", [2, 3, 4])
def test_networks_of_equal_cost_cost_about_the_same(times: int) -> None:
    base = scale(BASE)
    made = at_equal_cost(times)
    for each in made.values():
        assert each.cost.macs / base.cost.macs == pytest.approx(times, rel=0.05)
    assert made["resolution"].cost.params == base.cost.params
    assert made["depth"].scaling[1:] == (1, 224)
    # What the lesson says of them.
    activations = {name: each.cost.activation_bytes for name, each in made.items()}
    assert min(activations, key=activations.__getitem__) == "width"
    assert max(activations, key=activations.__getitem__) == "resolution"
    times_taken = {name: each.cost.ms for name, each in made.items()}
    assert min(times_taken, key=times_taken.__getitem__) == "width"
    params = {name: each.cost.params for name, each in made.items()}
    assert set(sorted(params, key=params.__getitem__)[-2:]) == {"depth", "width"}


def test_the_paper_s_four_networks_are_not_quite_of_equal_cost() -> None:
    counted = {row.dimension: scale(row.scaling).cost.macs for row in TABLE_7}
    for row in TABLE_7[:3]:
        assert counted[row.dimension] < 0.95 * row.printed_macs
    assert counted["compound"] == pytest.approx(1.8e9, rel=0.01)
    assert max(TABLE_7, key=lambda row: row.top_1).dimension == "compound"


def test_a_multiplier_out_of_bounds_is_refused() -> None:
    with pytest.raises(OptionError, match="depth_mult"):
        scale(Scaling(99.0, 1.0, 224))


def test_an_image_without_pixels_is_refused() -> None:
    with pytest.raises(TraceError, match="positive"):
        scale(Scaling(1.0, 1.0, 0))


# --------------------------------------------------------------------- MobileNet


def test_mobilenet_s_counts_round_to_what_is_printed() -> None:
    rows = printed_mobilenets()
    assert {(row.width, row.side) for row in rows} >= {(1, 224), (0.75, 224), (0.5, 224),
                                                       (0.25, 224)}  # fmt: skip
    printed = {row.width: (row.macs, row.params) for row in rows if "Table 6" in row.source}
    assert printed == {1.0: (569e6, 4.2e6), 0.75: (325e6, 2.6e6), 0.5: (149e6, 1.3e6),
                       0.25: (41e6, 0.5e6)}  # fmt: skip
    for row in rows:
        made = thin(row.width, row.side)
        assert round(made.macs / 1e6) == row.macs / 1e6
        assert made.params == pytest.approx(row.params, rel=0.07)


def test_the_rule_misses_thin_networks_more() -> None:
    off = [thin(width, 224).macs / thin(width, 224).rule for width in (1, 0.75, 0.5, 0.25)]
    assert off[0] == 1
    assert off == sorted(off)
    assert off[-1] > 1.15


def test_resolution_alone_follows_its_square_but_for_the_classifier() -> None:
    full, half = thin(1, 224), thin(1, 112)
    # The classifier's 1024 x 1000 stay, and 4 x 4 is more than a quarter of 7 x 7.
    assert half.macs / half.rule == pytest.approx(1, abs=0.05)
    assert (half.macs - 1_024_000) * 4 > full.macs - 1_024_000


# ------------------------------------------------------------------------ RegNet


@pytest.mark.parametrize("name", list(presets()))
def test_a_preset_builds_the_published_network(name: str) -> None:
    made = regnet(presets()[name])
    trace = trace_model(name, get_spec(name).input_shape)
    assert (made.cost.params, made.cost.macs) == (trace.params, trace.macs)


def test_the_presets_are_all_of_the_paper_s_networks() -> None:
    # Twelve of X and twelve of Y (Tables 7 and 8 of the first version), and one of ten times Y.
    assert len(presets()) == 25
    assert sum(rule.squeeze for rule in presets().values()) == 13


def test_regnetx_3_2gf_has_the_paper_s_stages() -> None:
    made = regnet(presets()["regnet_x_3_2gf"])
    # d_i = 2, 6, 15, 2 and w_i = 96, 192, 432, 1008.
    assert made.stages == (
        Stage(96, 2, 56), Stage(192, 6, 28), Stage(432, 15, 14), Stage(1008, 2, 7),
    )  # fmt: skip


@pytest.mark.parametrize("name", ["regnetx_002", "regnet_x_3_2gf", "regnet_y_16gf"])
def test_the_line_s_steps_round_to_the_network_s_widths(name: str) -> None:
    rule = presets()[name]
    made = regnet(rule)
    for straight, step, block in zip(made.line.line, made.line.steps, made.blocks, strict=True):
        # No step lies nearer to the line on a logarithmic scale.
        for other in (step * rule.w_m, step / rule.w_m):
            ratios = [max(straight / each, each / straight) for each in (step, other)]
            assert ratios[0] <= ratios[1] * (1 + 1e-9)
        # Multiples of 8, and then of the group's width.
        assert abs(block.width - step) <= 4 + rule.group_width / 2


def test_torchvision_agrees_on_the_widths(torchvision: ModuleType) -> None:
    from torchvision.models.regnet import BlockParams

    # With groups that divide every width: torchvision rounds others to groups by a rule of its own.
    rule = Rule(20, 64, 30.0, 2.2, 8, squeeze=False)
    theirs = BlockParams.from_init_params(
        depth=rule.depth, w_0=rule.w_0, w_a=rule.w_a, w_m=rule.w_m, group_width=rule.group_width
    )
    stages = regnet(rule).stages
    assert [stage.depth for stage in stages] == list(theirs.depths)
    assert [stage.width for stage in stages] == list(theirs.widths)


def test_a_line_without_a_slope_is_one_stage() -> None:
    rule = Rule(6, 64, 0.0, 2.0, 16, squeeze=False)
    assert line(rule).line == (64.0,) * 6
    assert line(rule).exponents == (0,) * 6
    assert regnet(rule).stages == (Stage(64, 6, 56),)


def test_a_rule_out_of_bounds_is_refused() -> None:
    with pytest.raises(OptionError, match="multiple of 8"):
        regnet(Rule(20, 60, 30.0, 2.2, 16, squeeze=False))
