import pickle
import random
from collections import Counter
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from explorer.analysis.compare import Diff, DiffRow, Subject, compare, diff
from explorer.analysis.layers import layers
from explorer.analysis.totals import Convention, totals
from explorer.errors import ExplorerError
from explorer.models._registry import build_model
from explorer.trace import trace_model
from explorer.trace.records import Trace
from explorer.zoo import available_sources
from tests.analysis.nets import NAMES, corners, small, traced, twice

EVERYTHING = Convention(True, True, True, True, "FLOPs")
HEAVY = ("densenet264", "resnetv2_200", "preresnet1001", "resnet110")
"""Long tables, with nothing in them that shorter ones lack."""


@cache
def compared(left: str, right: str) -> Diff:
    return diff(traced(left), traced(right))


def rows_of(found: Diff, *keys: str) -> list[DiffRow]:
    return [row for row in found.rows if row.left and row.left.key in keys]


def told(row: DiffRow) -> list[str]:
    return [str(change) for change in row.changes]


# --- side by side ---------------------------------------------------------------------------


def test_totals_stand_beside_the_first_model_s():
    first, second = compare([traced("resnet50"), traced("resnext50_32x4d")]).models
    assert first.params == (25_557_032, 0, 1.0)
    # torchvision: 25,028,904 parameters, 4.23 of 4.09 GMACs
    assert second.params == (25_028_904, -528_128, 25_028_904 / 25_557_032)
    assert (second.cost.value, second.cost.difference) == (4_230_479_872, 141_295_616)
    assert (second.depth.value, second.depth.difference) == (50, 0)
    assert second.layers.difference == 0
    assert second.output_shape == (1, 1000)


def test_a_ratio_to_nothing_is_none():
    pool = trace_model(nn.MaxPool2d(2), (1, 3, 8, 8))
    _, second = compare([pool, traced("lenet5")]).models
    assert second.params.ratio is None
    assert second.cost.difference == second.cost.value > 0


def test_stages_meet_at_the_same_fraction_of_the_input():
    found = compare([traced("resnet50"), traced("vgg16"), traced("inception_v3")]).stages
    named = [[stage.name if stage else "" for stage in row.stages] for row in found]
    # 299 / 147, 71, 35, 17 and 8 are a rim more than 2, 4, 8, 16 and 32.
    assert named == [
        ["", "224 × 224", ""],
        ["stem", "112 × 112", "147 × 147"],
        ["C2", "56 × 56", "71 × 71"],
        ["C3", "28 × 28", "35 × 35"],
        ["C4", "14 × 14", "17 × 17"],
        ["C5", "", "8 × 8"],
        ["head", "head", "head"],
    ]
    assert found[0].name == "224 × 224"


def test_tokens_of_another_input_size_are_the_same_stage():
    larger = trace_model(build_model("vit_b_16", image_size=(384, 384)), (1, 3, 384, 384))
    found = compare([traced("vit_b_16"), larger]).stages
    assert [[stage and stage.name for stage in row.stages] for row in found] == [
        ["patch embedding", "patch embedding"],
        ["197 tokens", "577 tokens"],
        ["head", "head"],
    ]


def test_curves_end_at_the_totals():
    traces = [traced(name) for name in ("resnet18", "vit_b_16", "googlenet", "densenet121")]
    found = compare(traces, EVERYTHING)
    assert found.unit == "FLOPs"
    for trace, curve in zip(traces, found.curves, strict=True):
        whole = totals(trace, EVERYTHING)
        idle = sum(module.params for module in trace.uncalled)
        assert (curve.position[-1], curve.cost[-1]) == (1.0, whole.cost)
        assert curve.params[-1] == whole.params - idle
        assert curve.activation_bytes[-1] == whole.activation_bytes
        assert len(curve.keys) == len(curve.position) == len(curve.cost) == len(layers(trace))


def test_a_model_at_two_sizes_is_told_apart_by_its_input():
    wide = traced("resnet18", 1, 3, 256, 128)
    names = [model.name for model in compare([traced("resnet18"), wide, traced("vgg11")]).models]
    assert names == ["resnet18 at 224 × 224", "resnet18 at 256 × 128", "vgg11"]
    batch = traced("resnet18", 8, 3, 224, 224)
    names = [model.name for model in compare([traced("resnet18"), batch]).models]
    assert names == ["resnet18 at 224 × 224", "resnet18 at 224 × 224, batch 8"]
    names = [model.name for model in compare([traced("resnet18")] * 3).models]
    assert names == ["resnet18", "resnet18 (2)", "resnet18 (3)"]


@pytest.mark.parametrize("number", [0, 1, 5])
def test_two_to_four_models_can_be_compared(number: int):
    with pytest.raises(ExplorerError, match=rf"takes 2 to 4 models, and got {number}\."):
        compare([traced("lenet5")] * number)


def test_a_model_without_layers_is_named():
    class Nothing(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x

    empty = trace_model(Nothing(), (1, 3, 8, 8))
    with pytest.raises(ExplorerError, match=r"^Nothing has no layers that could be compared\.$"):
        compare([traced("lenet5"), empty])
    with pytest.raises(ExplorerError, match=r"^Nothing has no layers"):
        diff(empty, traced("lenet5"))


def test_a_comparison_and_a_difference_are_plain_values():
    pair = [traced("mobilenet_v2"), traced("mobilenet_v3_large")]
    for found in (compare(pair), diff(*pair)):
        assert pickle.loads(pickle.dumps(found)) == found


# --- rows add up ----------------------------------------------------------------------------


def check_sums(a: Trace, b: Trace, convention: Convention) -> None:
    found = diff(a, b, convention)
    before, after = totals(a, convention), totals(b, convention)
    assert sum(row.params for row in found.rows) == after.params - before.params
    assert sum(row.cost for row in found.rows) == after.cost - before.cost
    memory = after.activation_bytes - before.activation_bytes
    assert sum(row.activation_bytes for row in found.rows) == memory
    for side, trace in ((0, a), (1, b)):
        keys = Counter(
            row[2 + side].key for row in found.rows if row[2 + side] and row.stage != "not run"
        )
        assert keys == Counter(layer.key for layer in layers(trace, apart=True))


def some_pairs() -> list[tuple[str, str]]:
    names = sorted(set(NAMES) - set(HEAVY))
    chosen = random.Random(6).sample(names, 24)
    return list(zip(chosen[::2], chosen[1::2], strict=True))


@pytest.mark.parametrize(("left", "right"), some_pairs())
def test_the_rows_add_up_to_the_difference_of_the_totals(left: str, right: str):
    check_sums(traced(left), traced(right), Convention())
    check_sums(traced(right), traced(left), EVERYTHING)


def test_rows_add_up_where_modules_never_run_and_ops_are_rare():
    check_sums(corners(), small(), EVERYTHING)
    check_sums(twice(), corners(), Convention())
    never = [row for row in diff(small(), corners()).rows if row.stage == "not run"]
    assert [(row.status, row.right.key, row.params) for row in never if row.right] == [
        ("right", "never", 16)  # 3 * 4 + 4
    ]


def test_every_difference_of_parameters_has_a_name():
    for left, right in (("vit_b_16", "vit_l_16"), ("inception_v3", "googlenet")):
        for row in compared(left, right).rows:
            assert row.status != "same" or not (row.params or row.changes)
            assert (row.status == "changed") == bool(row.changes)


# --- alignment ------------------------------------------------------------------------------


def test_a_model_differs_from_itself_in_nothing():
    found = compared("efficientnet_b0", "efficientnet_b0")
    assert {row.status for row in found.rows} == {"same"}
    assert all(row.left == row.right for row in found.rows)


def test_another_input_size_changes_no_layer():
    found = diff(traced("resnet50"), traced("resnet50", 1, 3, 256, 320))
    assert {row.status for row in found.rows} == {"same"}
    (conv,) = rows_of(found, "conv1")
    assert conv.cost == 64 * 3 * 7 * 7 * (128 * 160 - 112 * 112)


def test_resnext_changes_width_and_groups():
    found = compared("resnet50", "resnext50_32x4d")
    reduce, middle, expand = rows_of(found, "layer1.1.conv1", "layer1.1.conv2", "layer1.1.conv3")
    assert told(reduce) == ["width 64 -> 128"]
    assert told(middle) == ["groups 1 -> 32", "input width 64 -> 128", "width 64 -> 128"]
    assert told(expand) == ["input width 64 -> 128"]
    # 3 * 3 * (128 * 128 / 32 - 64 * 64) weights, times 56 * 56 pixels
    assert middle.params == 9 * (512 - 4096) == -32_256
    assert middle.cost == -32_256 * 56 * 56


def test_a_moved_stride_changes_what_stands_between():
    found = compared("resnet50_v1", "resnet50")
    changed = {row.left.key: told(row) for row in found.rows if row.left and row.changes}
    assert {key: texts for key, texts in changed.items() if key.startswith("layer2")} == {
        "layer2.0.conv1": ["stride 2 -> 1", "size 28 × 28 -> 56 × 56"],
        "layer2.0.bn1": ["size 28 × 28 -> 56 × 56"],
        "layer2.0.relu": ["size 28 × 28 -> 56 × 56"],
        "layer2.0.conv2": ["stride 1 -> 2"],
    }
    assert len(changed) == 12


def test_equal_blocks_of_a_longer_stage_follow_those_of_the_shorter():
    found = compared("resnet50", "resnet101")
    blocks = [row.right_block for row in found.rows if row.status == "right"]
    # 3 + 4 blocks in C2 and C3; of C4's 23 the first 6 have a partner.
    assert sorted(set(blocks)) == list(range(13, 30))
    assert {row.status for row in found.rows} == {"same", "right"}


def test_a_plain_network_keeps_every_layer_but_the_shortcuts():
    found = compared("resnet18", "plain18")
    lost = [row.left.key for row in found.rows if row.left and row.status == "left"]
    assert [key for key in lost if "downsample" not in key] == [
        f"layer{stage}.{block}:add" for stage in (1, 2, 3, 4) for block in (0, 1)
    ]
    assert {row.status for row in found.rows} == {"same", "left"}


def test_parallel_branches_meet_whatever_their_order():
    class Branches(nn.Module):
        def __init__(self, wide_first: bool) -> None:
            super().__init__()
            self.wide_first = wide_first
            self.stem = nn.Conv2d(3, 4, 3, padding=1)
            self.narrow = nn.Conv2d(4, 8, 1)
            self.wide = nn.Conv2d(4, 8, 5, padding=2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.stem(x)
            order = (self.wide, self.narrow) if self.wide_first else (self.narrow, self.wide)
            return torch.cat([branch(x) for branch in order], 1)

    one, other = (trace_model(Branches(first), (1, 3, 16, 16)) for first in (True, False))
    assert [row.status for row in diff(one, other).rows] == ["same"] * 4


def test_a_mobile_block_without_a_shortcut_is_a_block():
    found = compared("mobilenet_v2", "mobilenet_v3_large")
    assert (len(found.left.blocks), len(found.right.blocks)) == (17, 15)
    # Table 1 of MobileNetV3: squeeze and excitation in 8 of 15
    assert sum(block.gates for block in found.right.blocks) == 8


def test_attention_and_its_mlp_are_one_block():
    found = compared("vit_b_16", "vit_l_16")
    assert (len(found.left.blocks), len(found.right.blocks)) == (12, 24)
    assert {block.kind for block in found.left.blocks} == {"transformer"}


def test_an_attention_module_meets_its_parts_and_every_layer_still_counts_once():
    if "torchvision" not in available_sources():
        pytest.skip("needs torchvision")
    ours = traced("vit_b_16")
    theirs = trace_model("torchvision:vit_b_16", (1, 3, 224, 224))
    found = diff(ours, theirs)
    check_sums(ours, theirs, Convention())
    weighted = [row for row in found.rows if row_macs(row)]
    assert len(weighted) == 62
    assert {row.status for row in weighted} == {"same"}
    assert [row.cost for row in weighted] == [0] * 62
    assert {block.kind for block in found.right.blocks} == {"transformer"}


def row_macs(row: DiffRow) -> int:
    return max(side.macs for side in (row.left, row.right) if side)


def test_what_was_made_ready_once_gives_the_same():
    ready = [Subject(traced(name)) for name in ("resnet50", "vit_b_16", "densenet121")]
    assert compare(ready) == compare([each.trace for each in ready])
    for other in ready[1:]:
        assert diff(ready[0], other) == diff(ready[0].trace, other.trace)


def test_a_dense_block_is_compared_layer_by_layer():
    found = compared("densenet121", "densenet169")
    assert (len(found.left.blocks), len(found.right.blocks)) == (58, 82)
    assert Counter(found.right.block_stages) == {"C2": 6, "C3": 12, "C4": 32, "C5": 32}
