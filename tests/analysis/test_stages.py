from itertools import pairwise

import pytest
from torch import Tensor, nn

from explorer.analysis.layers import layers
from explorer.analysis.stages import Stage, stages
from explorer.analysis.totals import Convention
from explorer.errors import InputSizeError
from explorer.trace import trace_model
from tests.analysis.nets import NAMES, corners, traced


def names(found: tuple[Stage, ...]) -> list[str]:
    return [stage.name for stage in found]


def sizes(found: tuple[Stage, ...]) -> list[tuple[int, ...]]:
    return [stage.output_shape[1:] for stage in found]


def test_resnet50_has_the_stages_of_its_paper():
    found = stages(traced("resnet50"))
    assert names(found) == ["stem", "C2", "C3", "C4", "C5", "head"]
    assert sizes(found) == [
        (64, 112, 112), (256, 56, 56), (512, 28, 28), (1024, 14, 14), (2048, 7, 7), (1000,),
    ]  # fmt: skip
    # torchvision's layer1 to layer4, and the classifier with its bias.
    assert [stage.params for stage in found] == [
        9_536, 215_808, 1_219_584, 7_098_368, 14_964_736, 2_049_000,
    ]  # fmt: skip


def test_a_stage_begins_with_the_block_that_halves_the_resolution():
    found = stages(traced("resnet50"))
    assert [(stage.first_key, stage.last_key) for stage in found] == [
        ("conv1", "relu"),
        ("maxpool", "layer1.2.relu@2"),
        ("layer2.0.conv1", "layer2.3.relu@2"),
        ("layer3.0.conv1", "layer3.5.relu@2"),
        ("layer4.0.conv1", "layer4.2.relu@2"),
        ("avgpool", "fc"),
    ]


@pytest.mark.parametrize("size", [(256, 128), (227, 227), (96, 96), (32, 32)])
def test_the_pyramid_keeps_its_names_at_other_sizes(size: tuple[int, int]):
    found = stages(traced("resnet50", 1, 3, *size))
    assert names(found) == ["stem", "C2", "C3", "C4", "C5", "head"]


def test_densenet_s_transitions_are_cut_at_their_pooling():
    found = stages(traced("densenet121"))
    assert names(found) == ["stem", "C2", "C3", "C4", "C5", "head"]
    assert sizes(found)[1:5] == [(128, 56, 56), (256, 28, 28), (512, 14, 14), (1024, 7, 7)]


def test_a_net_without_that_pyramid_is_named_by_resolution():
    assert names(stages(traced("resnet20"))) == ["32 × 32", "16 × 16", "8 × 8", "head"]
    assert names(stages(traced("alexnet"))) == ["55 × 55", "27 × 27", "13 × 13", "head"]
    assert names(stages(traced("vgg16"))) == [
        "224 × 224", "112 × 112", "56 × 56", "28 × 28", "14 × 14", "head",
    ]  # fmt: skip


def test_lenet_s_unpadded_convolutions_open_no_stage_and_c5_belongs_to_the_head():
    found = stages(traced("lenet5"))
    assert names(found) == ["28 × 28", "10 × 10", "head"]
    # C5 48,120 + F6 10,164 + output 850
    assert found[-1].params == 59_134


def test_what_unpadded_convolutions_take_off_the_rim_opens_no_stage():
    net = nn.Sequential(nn.Conv2d(3, 8, 5), nn.Conv2d(8, 8, 5), nn.Conv2d(8, 8, 5))
    (only,) = stages(trace_model(net, (1, 3, 20, 20)))  # 20 -> 16 -> 12 -> 8
    assert (only.name, only.layers) == ("8 × 8", 3)


def test_a_first_stage_of_many_layers_is_no_stem():
    def level(channels: int, depth: int) -> list[nn.Module]:
        strided = nn.Conv2d(channels, 8, 3, 2, 1)
        return [strided, *(nn.Conv2d(8, 8, 3, 1, 1) for _ in range(depth - 1))]

    for depth, first in ((3, "stem"), (4, "C1")):
        net = nn.Sequential(*level(3, depth), *level(8, 2), *level(8, 2))
        found = stages(trace_model(net, (1, 3, 64, 64)))
        assert names(found) == [first, "C2", "C3"]


def test_a_preactivation_block_s_norm_belongs_to_the_stage_that_it_opens():
    assert [stage.first_key for stage in stages(traced("wrn_28_10"))] == [
        "conv1",
        "layer2.0.bn1",
        "layer3.0.bn1",
        "avgpool",
    ]


def test_a_mobile_block_is_not_cut_in_two():
    class Inverted(nn.Sequential):
        def __init__(self, channels: int, out: int, stride: int) -> None:
            inner = 2 * channels
            super().__init__(
                nn.Conv2d(channels, inner, 1),
                nn.ReLU(),
                nn.Conv2d(inner, inner, 3, stride, 1, groups=inner),
                nn.ReLU(),
                nn.Conv2d(inner, out, 1),
            )

    net = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), Inverted(8, 8, 1), Inverted(8, 16, 2))
    found = stages(trace_model(net, (1, 3, 32, 32)))
    assert [(stage.name, stage.first_key) for stage in found] == [
        ("16 × 16", "0"),
        ("8 × 8", "2.0"),
    ]


def test_a_transformer_has_a_patch_embedding_and_one_stage_of_tokens():
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches = nn.Conv2d(3, 16, 8, 8)
            self.encoder = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
            self.head = nn.Linear(16, 10)

        def forward(self, x: Tensor) -> Tensor:
            tokens = self.patches(x).flatten(2).transpose(1, 2)
            return self.head(self.encoder(tokens)[:, 0])

    found = stages(trace_model(Tokens(), (1, 3, 32, 64)))
    assert names(found) == ["patch embedding", "32 tokens", "head"]
    assert found[1].output_shape == (1, 32, 16)


def test_a_single_number_has_no_channels():
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            return x / (x.sum() + 1)

    (only,) = stages(trace_model(Scaled(), (1, 3, 8, 8)))
    assert (only.name, only.output_shape) == ("8 × 8", (1, 8, 8, 8))


def test_windows_are_the_map_laid_out_differently():
    class Windowed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3, 2, 1)
            self.mix = nn.Linear(8, 8)
            self.last = nn.Conv2d(8, 8, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)  # (1, 8, 16, 16), then 16 windows of 4 x 4
            x = x.reshape(1, 8, 4, 4, 4, 4).permute(0, 2, 4, 3, 5, 1).reshape(16, 16, 8)
            x = self.mix(x).reshape(1, 4, 4, 4, 4, 8).permute(0, 5, 1, 3, 2, 4)
            return self.last(x.reshape(1, 8, 16, 16))

    (only,) = stages(trace_model(Windowed(), (1, 3, 32, 32)))
    assert (only.name, only.share) == ("16 × 16", 1.0)


def test_a_squeeze_inside_a_block_opens_no_stage():
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3, padding=1)
            self.pool = nn.AdaptiveAvgPool2d(1)
            self.gate = nn.Conv2d(8, 8, 1)

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            return x * self.gate(self.pool(x)).sigmoid()

    (only,) = stages(trace_model(Gated(), (1, 3, 16, 16)))
    assert (only.name, only.share) == ("16 × 16", 1.0)


def test_a_net_of_vectors_is_one_stage():
    net = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    (only,) = stages(trace_model(net, (1, 8)))
    assert (only.name, only.params) == ("network", 72 + 18)


def test_a_resolution_that_comes_back_is_numbered():
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.Conv2d(8, 8, 2, 2),
        nn.ConvTranspose2d(8, 8, 2, 2),
        nn.Conv2d(8, 8, 3, padding=1),
    )
    found = stages(trace_model(net, (1, 3, 32, 32)))
    assert names(found) == ["32 × 32", "16 × 16", "32 × 32 (2)"]


def test_padded_convolutions_on_a_single_pixel_are_still_a_stage():
    # 64 pixels leave AlexNet a map of 1 x 1 for its last three convolutions.
    assert names(stages(traced("alexnet", 1, 3, 64, 64)))[:3] == ["15 × 15", "7 × 7", "3 × 3"]
    found = stages(traced("resnet50", 1, 3, 32, 32))
    assert sizes(found)[-2:] == [(2048, 1, 1), (1000,)]


def test_a_pass_that_broke_off_shows_the_stages_it_reached():
    with pytest.raises(InputSizeError) as failed:
        trace_model("vgg16", (1, 3, 16, 16))
    partial = failed.value.partial
    assert partial
    # 16 halves four times; the fifth pooling finds a map of 1 x 1.
    assert names(stages(partial)) == ["16 × 16", "8 × 8", "4 × 4", "2 × 2", "1 × 1"]
    assert sum(stage.layers for stage in stages(partial)) == len(layers(partial))


@pytest.mark.parametrize("name", NAMES)
def test_the_stages_part_the_table_and_add_up(name: str):
    trace = traced(name)
    convention = Convention(bias=True, unit="FLOPs")
    rows, found = layers(trace, convention=convention), stages(trace, convention)
    assert sum(stage.layers for stage in found) == len(rows)
    uncalled = sum(module.params for module in trace.uncalled)
    assert sum(stage.params for stage in found) + uncalled == trace.params
    assert sum(stage.cost for stage in found) == sum(row.cost for row in rows)
    assert sum(stage.share for stage in found) == pytest.approx(1)
    assert sum(stage.activation_bytes for stage in found) == trace.activation_bytes
    keys = [row.key for row in rows]
    assert found[0].first_key == keys[0]
    assert found[-1].last_key == keys[-1]
    for before, after in pairwise(found):
        assert keys.index(after.first_key) == keys.index(before.last_key) + 1
    assert found[-1].name == "head"
    assert 3 <= len(found) <= 6


def test_the_stages_of_a_tangled_net_add_up():
    found = stages(corners())
    assert sum(stage.cost for stage in found) == corners().macs
