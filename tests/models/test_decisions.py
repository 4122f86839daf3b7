"""Options that turn one decision of a paper, against what papers and other builders say of it."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from torch import nn

from explorer import build_model, trace_model
from explorer.errors import OptionError


def _counts(name: str, **options: Any) -> tuple[int, int]:
    trace = trace_model(name, (1, 3, 224, 224), options=options)
    assert not trace.unknown_ops
    return trace.params, trace.macs


@pytest.mark.parametrize(
    ("name", "options", "other"),
    [
        ("resnet50", {"groups": 32, "bottleneck_width": 128}, "resnext50_32x4d"),
        ("resnet101", {"groups": 64, "bottleneck_width": 256}, "resnext101_64x4d"),
        ("resnet50", {"bottleneck_width": 128}, "wide_resnet50_2"),
        ("resnet50", {"block": "basic"}, "resnet34"),
        ("resnet34", {"block": "bottleneck"}, "resnet50"),
        ("resnet50", {"preactivation": True}, "resnetv2_50"),
        ("resnet34", {"preactivation": True}, "resnetv2_34"),
        ("plain34", {"shortcut": "B"}, "resnet34"),
        ("vgg16", {"batch_norm": True}, "vgg16_bn"),
        ("vgg16_c", {"kernel_size": 3, "batch_norm": True}, "vgg16_c_bn"),
    ],
)
def test_one_family_s_decisions_lead_to_another_s_model(
    name: str, options: dict[str, Any], other: str
) -> None:
    assert _counts(name, **options) == _counts(other)


@pytest.mark.parametrize(
    ("name", "options", "millions", "millions_of_macs"),
    [
        # MobileNets, Table 4: Conv MobileNet; Table 5: Shallow MobileNet.
        ("mobilenetv1_100", {"depthwise": False}, 29.3, 4866),
        ("mobilenetv1_100", {"depths": (1, 2, 2, 1, 2)}, 2.9, 307),
        # A ConvNet for the 2020s, Figure 2: stage ratio, then patches.
        ("resnet50", {"depths": (3, 3, 9, 3)}, None, 4500),
        ("resnet50", {"depths": (3, 3, 9, 3), "stem": "patch"}, None, 4400),
    ],
)
def test_counts_that_a_paper_prints_for_a_decision(
    name: str, options: dict[str, Any], millions: float | None, millions_of_macs: float
) -> None:
    params, macs = _counts(name, **options)
    if millions:
        assert round(params / 1e6, 1) == millions
    assert macs / 1e6 == pytest.approx(millions_of_macs, rel=0.006)


@pytest.mark.parametrize("kernel", [5, 7])
def test_a_larger_kernel_multiplies_the_weights_of_the_3x3s(kernel: int) -> None:
    # VGG section 2.3: three 3x3 of C channels have 27 C^2 weights, one 7x7 has 49 C^2.
    with torch.device("meta"):
        small, large = build_model("vgg16"), build_model("vgg16", kernel_size=kernel)
    for one, other in zip(small.features, large.features, strict=True):
        if isinstance(one, nn.Conv2d):
            assert other.weight.numel() * 9 == one.weight.numel() * kernel**2
            assert other.padding == (kernel // 2, kernel // 2)


def test_the_global_average_leaves_vgg_a_single_linear_layer() -> None:
    params, _ = _counts("vgg16", head="average")
    features = sum(
        9 * i * o + o
        for i, o in (
            (3, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 256),
            (256, 512), (512, 512), (512, 512), (512, 512), (512, 512), (512, 512),
        )
    )  # fmt: skip
    assert params == features + 512 * 1000 + 1000


@pytest.mark.parametrize(
    ("preactivation", "norm", "shortcut", "block"),
    [*product((False, True), ("batch", "group", "layer", "none"), "ABCD", ("basic", "bottleneck"))],
)
def test_every_combination_of_a_resnet_s_block_runs(
    preactivation: bool, norm: str, shortcut: str, block: str
) -> None:
    with torch.device("meta"):
        model = build_model(
            "resnet18", preactivation=preactivation, norm=norm, shortcut=shortcut, block=block,
            stem="deep", se=True, width=32,
        )  # fmt: skip
    assert model(torch.empty(2, 3, 64, 96, device="meta")).shape == (2, 1000)


def test_normalizations_have_the_same_weights_and_none_has_biases_instead() -> None:
    batch, group, layer = (_counts("resnet50", norm=n)[0] for n in ("batch", "group", "layer"))
    none, _ = _counts("resnet50", norm="none")
    assert batch == group == layer
    # A normalization has two numbers for each channel, a bias one.
    with torch.device("meta"):
        norms = [m for m in build_model("resnet50").modules() if isinstance(m, nn.BatchNorm2d)]
    assert batch - none == sum(norm.num_features for norm in norms)


def test_without_normalization_a_preactivated_block_leaves_its_input_to_the_shortcut() -> None:
    from explorer.models.resnet import BasicBlock, Bottleneck

    x = torch.randn(2, 8, 5, 6, generator=torch.Generator().manual_seed(0))
    for block in (
        BasicBlock(8, 8, 1, "B", preactivation=True, norm="none"),
        Bottleneck(8, 2, 1, preactivation=True, norm="none"),
    ):
        for parameter in block.parameters():
            nn.init.zeros_(parameter)
        with torch.inference_mode():
            assert torch.equal(block(x.clone()), x)  # negative values, too


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resnet50", {"groups": 32, "bottleneck_width": 40}, "should divide the 40 channels"),
        ("resnet18", {"groups": 64, "width": 96}, "should divide the 96 channels"),
        ("resnet50", {"block": "basic", "bottleneck_width": 128}, "needs block='bottleneck'"),
        ("resnet50", {"block": "basic", "stride_on": "1x1"}, "needs block='bottleneck'"),
    ],
)
def test_decisions_that_do_not_go_together_say_why(
    name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        build_model(name, **options)


def test_mobilenet_v2_s_blocks_take_each_decision() -> None:
    # The second stage: 16 -> 96 -> 24 at expansion 6.
    def block(**options: Any) -> nn.Module:
        with torch.device("meta"):
            return build_model("mobilenet_v2", **options).features[2]

    def weights(module: nn.Module) -> int:
        return sum(m.weight.numel() for m in module.modules() if isinstance(m, nn.Conv2d))

    assert weights(block()) == 16 * 96 + 9 * 96 + 96 * 24
    assert weights(block(kernel_size=5)) == 16 * 96 + 25 * 96 + 96 * 24
    assert weights(block(depthwise=False)) == 16 * 96 + 9 * 96 * 96 + 96 * 24
    assert weights(block(expansion=3)) == 16 * 48 + 9 * 48 + 48 * 24
    assert weights(block(expansion=1)) == 9 * 16 + 16 * 24
    # The squeeze is a quarter of 96.
    assert weights(block(se=True)) == 16 * 96 + 9 * 96 + 2 * 96 * 24 + 96 * 24
    assert isinstance(block(linear=False).conv[-1], nn.ReLU6)
    with torch.device("meta"):
        plain = build_model("mobilenet_v2", residual=False)
    assert not any(getattr(module, "residual", False) for module in plain.modules())


def test_convnext_s_steps_can_be_taken_back() -> None:
    def first(**options: Any) -> nn.Module:
        with torch.device("meta"):
            return build_model("convnext_tiny", **options)

    assert first(kernel_size=11).features[1][0].block[0].weight.shape == (96, 1, 11, 11)
    assert first(depthwise=False).features[1][0].block[0].weight.shape == (96, 96, 7, 7)
    assert first(expansion=2).features[1][0].block[3].weight.shape == (192, 96)
    assert isinstance(first(norm="batch").features[1][0].block[1], nn.BatchNorm2d)
    stem = first(stem="7x7").features[0]
    assert [type(part).__name__ for part in stem] == ["Conv2d", "LayerNorm2d", "ReLU", "MaxPool2d"]
    for options in ({"norm": "batch"}, {"stem": "7x7"}, {"expansion": 1, "kernel_size": 3}):
        trace = trace_model("convnext_tiny", (1, 3, 64, 64), options=options, mode="train")
        assert trace.output_shape == (1, 1000)


def test_searched_decisions_can_be_taken_back() -> None:
    def kernels(name: str, **options: Any) -> set[int]:
        with torch.device("meta"):
            model = build_model(name, **options)
        found = [m for m in model.modules() if isinstance(m, nn.Conv2d) and m.groups > 1]
        return {m.kernel_size[0] for m in found}

    for name in ("mobilenet_v3_large", "mnasnet1_0", "efficientnet_b0"):
        assert kernels(name) == {3, 5}
        assert kernels(name, kernel_size="7") - {3} == {7}
    with torch.device("meta"):
        relu = build_model("mobilenet_v3_large", hard_swish=False, se=False)
        unfused = build_model("efficientnet_v2_s", fused=False)
        plain = build_model("efficientnet_b0", se=False, expansion=3)
    kinds = {type(module).__name__ for module in relu.modules()}
    assert not kinds & {"Hardswish", "SqueezeExcitation"}
    assert "FusedMBConv" not in {type(module).__name__ for module in unfused.modules()}
    assert "SqueezeExcitation" not in {type(module).__name__ for module in plain.modules()}
    assert plain.features[2][0].block[0][0].out_channels == 3 * 16


def test_alexnet_s_and_lenet_s_decisions() -> None:
    assert trace_model("alexnet_paper", (1, 3, 227, 227), options={"groups": 1}).params == (
        trace_model("alexnet_full", (1, 3, 227, 227)).params
    )
    for name in ("alexnet", "alexnet_paper"):
        with torch.device("meta"):
            model = build_model(name, activation="tanh", head="average")
        assert not any(isinstance(module, nn.ReLU) for module in model.modules())
        assert model.classifier[-1].in_features == 256
        assert model(torch.empty(1, 3, 227, 227, device="meta")).shape == (1, 1000)
    a, b, c, d = 3, 5, 7, 11
    lenet = trace_model("lenet5", (1, 1, 32, 32), options={"widths": (a, b, c, d)})
    assert lenet.params == (25 * a + a + 25 * a * b + b + 25 * b * c + c + c * d + d + d * 10 + 10)
