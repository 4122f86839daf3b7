"""Golden texts: what the difference of two models is, as someone who knows both would say."""

import re

import pytest
import torch
from torch import Tensor, nn

from explorer.analysis.compare import diff
from explorer.analysis.summary import summary
from explorer.models._registry import build_model
from explorer.text import speaking
from explorer.trace import trace_model
from explorer.trace.records import Trace
from explorer.zoo import available_sources, source_of
from tests.analysis.nets import traced


def summarized(left: str, right: str) -> list[str]:
    return summary(diff(traced(left), traced(right)))


# Each with the reason why it is right. Totals are those of the published models.
GOLDEN = {
    # "v1.5" strides in the 3x3. The 1x1 before it works at four times the pixels in the first
    # block of three stages: 3 * 77,070,336 = 231 M of 3,858 M MACs. No weight changes its shape.
    ("resnet50_v1", "resnet50"): [
        "resnet50 differs from resnet50_v1 in 3 of 16 blocks (the first of C3, C4 and C5): "
        "stride 2 moved from the first 1×1 convolution to the 3×3 convolution; same stages; "
        "same params, +6.0% MACs.",
    ],
    # He et al. 2016: BN and ReLU first. The stem loses its own, the last block gains one behind
    # it, and projections lose their BN: 7,680 of 25.6 M parameters. timm's head is a 1x1.
    ("resnet50", "resnetv2_50"): [
        "resnetv2_50 differs from resnet50 in 16 blocks: pre-activation (normalization and "
        "activation before each convolution, not behind); same stages; <0.1% fewer params, same "
        "MACs.",
        "Outside the blocks: - normalization and activation (stem), + normalization and activation "
        "(C5), linear layer -> 1×1 convolution (head).",
    ],
    # Without its shortcuts: the 3 projections hold 172,032 weights and 1,792 of their BN, 1.5% of
    # 11.7 M, and 3 * 6,422,528 of 1,814 M MACs. Everything else is the same.
    ("resnet18", "plain18"): [
        "plain18 differs from resnet18 in 8 blocks: shortcut removed (5 identity, 3 projection); "
        "same stages; -1.5% params, -1.1% MACs.",
    ],
    # Table 1 of the paper: column C has a 1x1 where D has the third 3x3 of the last three stages.
    ("vgg16_c", "vgg16"): [
        "vgg16 differs from vgg16_c in 3 convolutions: kernel 1 -> 3 (56 × 56, 28 × 28 and "
        "14 × 14); same stages; +3.5% params, +31.4% MACs.",
    ],
    # Inception-v4 has 4, 7 and 3 modules at the three sizes, where ours of v3 has 3, 4 and 2. Its
    # stem branches, twice to halve the map. Module A has a 3x3 for the 5x5; in module C the 3x3
    # of the longer path is a 1x3 and a 3x1.
    ("inception_v3", "inception_v4"): [
        "inception_v4 differs from inception_v3 in the number of blocks: 71 × 71 0 -> 1 and "
        "+1 reduction block, 35 × 35 3 -> 4 and +1 reduction block, 17 × 17 4 -> 7, 8 × 8 2 -> 3; "
        "same stages; +79.1% params, 2.14 times the MACs.",
        "Also in 11 blocks that both have: output width 256 to 2048 -> 384 to 1536, branch widths "
        "changed, kernel 5 -> 3 (in 3), kernel 3 -> 3×1 (in 2), + 1×3 convolution (in 2).",
        "Outside the blocks: - 1×1 convolution and 3×3 convolution (71 × 71), - pooling (35 × 35).",
    ],
    # Tables 1 and 2 of the papers: 17 and 15 blocks; of the 15, SE in 8, 5x5 in 6, hard-swish in
    # 9 and ReLU in 6. Two widths stay inside (576, 960), some outside (16, 24, 160). The last
    # stage narrows to 960, and 1280 follows behind the pooling.
    ("mobilenet_v2", "mobilenet_v3_large"): [
        "mobilenet_v3_large differs from mobilenet_v2 in the number of blocks: C4 7 -> 6, "
        "C5 4 -> 3; same stages; +56.4% params, -28.0% MACs.",
        "Also in 15 blocks that both have: inner width 32 to 576 -> 16 to 672 (in 13), output "
        "width 32 to 96 -> 40 to 112 (in 9), activation ReLU6 -> hard-swish (in 9), + SE (in 8), "
        "kernel 3 -> 5 (in 6), activation ReLU6 -> ReLU (in 6).",
        "Outside the blocks: activation ReLU6 -> hard-swish (stem and C5), + linear layer (head), "
        "3×3 convolution width 32 -> 16 (stem), 1×1 convolution width 1280 -> 960 (C5).",
    ],
    # Touvron et al. 2021: a distillation token beside the class token, and a head for it:
    # 384 of the token, 384 of its position and 385,000 of the head, 1.7% of 22.1 M.
    ("deit_small_patch16_224", "deit_small_distilled_patch16_224"): [
        "deit_small_distilled_patch16_224 differs from deit_small_patch16_224 in one more token "
        "(197 -> 198); same stages; +1.7% params, +0.5% MACs.",
        "Outside the blocks: + a second classifier, 384 -> 1000 (head).",
    ],
    # Table 1 of the ResNeXt paper: 64 -> 128 to 512 -> 1024 inside, 32 groups, same outputs.
    ("resnet50", "resnext50_32x4d"): [
        "resnext50_32x4d differs from resnet50 in 16 blocks: width 64 -> 128 (×2 throughout), "
        "groups 1 -> 32; same stages; -2.1% params, +3.5% MACs.",
    ],
    # The paper: 28.1 M parameters instead of 25.6 M, and hardly any arithmetic.
    ("resnet50", "seresnet50"): [
        "seresnet50 differs from resnet50 in 16 blocks: + SE; same stages; +9.9% params, "
        "+0.1% MACs.",
    ],
    # As ResNeXt without groups: 68.9 M of 25.6 M parameters, 11.4 of 4.09 GMACs.
    ("resnet50", "wide_resnet50_2"): [
        "wide_resnet50_2 differs from resnet50 in 16 blocks: width 64 -> 128 (×2 throughout); "
        "same stages; 2.70 times the params, 2.79 times the MACs.",
    ],
    # Table 1 of the ResNet paper: only conv4_x differs.
    ("resnet50", "resnet101"): [
        "resnet101 differs from resnet50 in the number of blocks: C4 6 -> 23; same stages; "
        "+74.3% params, +90.8% MACs.",
    ],
    # Basic blocks against bottlenecks, whose outputs are four times as wide; the first block has
    # to project already.
    ("resnet18", "resnet50"): [
        "resnet50 differs from resnet18 in the number of blocks: C2 2 -> 3, C3 2 -> 4, C4 2 -> 6, "
        "C5 2 -> 3; same stages; 2.19 times the params, 2.25 times the MACs.",
        "Also in 8 blocks that both have: 3×3 - 3×3 -> 1×1 - 3×3 - 1×1, output width 64 -> 256 "
        "(×4 throughout), shortcut identity -> projection (in 1).",
    ],
    # Nothing in common but the stem: the kinds of blocks are named.
    ("resnet50", "densenet121"): [
        "densenet121 differs from resnet50 in the number of blocks: C2 3 residual blocks -> "
        "6 dense layers, C3 4 residual blocks -> 12 dense layers, C4 6 residual blocks -> "
        "24 dense layers, C5 3 residual blocks -> 16 dense layers; same stages; -68.8% params, "
        "-30.7% MACs.",
        "Outside the blocks: + 1×1 convolution (C2, C3 and C4), + pooling (C3, C4 and C5), "
        "+ normalization and activation (C5).",
    ],
    # The same model by two authors, who reshape their tokens differently.
    ("vit_b_16", "deit_base_patch16_224"): [
        "deit_base_patch16_224 is the same network as vit_b_16, written differently: all 62 layers "
        "with weights or products are the same; 86.6 M params, 17.6 G MACs in both. What differs "
        "is how tensors are laid out, and layers that compute nothing.",
    ],
    ("resnet50", "resnet50"): [
        "resnet50 and resnet50 are identical: all 175 layers are the same; 25.6 M params, "
        "4.09 G MACs.",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("left", "right"), GOLDEN)
def test_a_difference_reads_as_an_expert_would_put_it(left: str, right: str):
    assert summarized(left, right) == GOLDEN[left, right]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        # One attention module against its projections: 12 × (qkv, attention, proj, two of the MLP)
        # and the patch embedding and the classifier are 62.
        ("vit_b_16", "torchvision:vit_b_16"),
        ("torchvision:vit_b_16", "timm:vit_base_patch16_224"),
        ("vit_b_16", "timm:vit_base_patch16_224"),
        # Windows whose attention is written as products, against one op.
        ("torchvision:swin_t", "timm:swin_tiny_patch4_window7_224"),
        # The norm before a stage is in a module with the convolution behind it, or it is not.
        ("convnext_tiny", "timm:convnext_tiny"),
        ("densenet121", "timm:densenet121"),
        ("resnet50", "timm:resnet50"),
    ],
)
def test_one_network_of_two_sources_is_called_so(left: str, right: str):
    if not all(source_of(name) in available_sources() for name in (left, right)):
        pytest.skip("needs torchvision and timm")
    (said,) = summarized(left, right)
    assert said.startswith(f"{right} is the same network as {left}, written differently: all ")
    assert "layers with weights or products are the same;" in said


def test_a_classifier_that_is_a_convolution_is_told_and_changes_nothing_else():
    if "timm" not in available_sources():
        pytest.skip("needs timm")
    (said,) = summarized("mobilenet_v3_large", "timm:mobilenetv3_large_100")
    assert "63 of 64 layers with weights or products are the same" in said
    assert "(linear layer -> 1×1 convolution)" in said


def test_equal_totals_alone_do_not_make_the_same_network():
    def net(*layers: nn.Module) -> Trace:
        return trace_model(nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), *layers), (1, 3, 16, 16))

    for other in (
        net(nn.SiLU(), nn.Conv2d(8, 8, 3, padding=1)),
        net(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()),
        net(nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect")),
    ):
        assert not diff(net(nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1)), other).rewritten


def test_patches_of_another_size_are_still_patches():
    first, second = summarized("vit_b_16", "vit_b_32")
    assert first.startswith("vit_b_32 differs from vit_b_16 in the number of tokens, 197 -> 50; ")
    assert second == (
        "Outside the blocks: convolution kernel 16 -> 32, stride 16 -> 32 (patch embedding)."
    )


def test_the_other_way_round_says_the_opposite():
    assert summarized("plain18", "resnet18") == [
        "resnet18 differs from plain18 in 8 blocks: shortcut added (5 identity, 3 projection); "
        "same stages; +1.5% params, +1.1% MACs.",
    ]  # fmt: skip
    assert summarized("resnetv2_50", "resnet50")[0].startswith(
        "resnet50 differs from resnetv2_50 in 16 blocks: normalization and activation behind each "
        "convolution, not before it;"
    )
    assert "in 16 blocks: - SE;" in summarized("seresnet50", "resnet50")[0]


def test_another_input_size_is_the_only_difference_of_a_model_to_itself():
    # 256 * 256 / (224 * 224) = 1.306; what the classifier costs stays.
    assert summary(diff(traced("resnet50"), traced("resnet50", 1, 3, 256, 256))) == [
        "resnet50 at 256 × 256 differs from resnet50 at 224 × 224 in the input alone: all 175 "
        "layers are the same; same params, +30.6% MACs, +30.6% activation memory.",
    ]  # fmt: skip


def test_a_transformer_at_another_size_has_more_tokens_and_positions():
    larger = trace_model(build_model("vit_b_16", image_size=(384, 384)), (1, 3, 384, 384))
    # 24 * 24 + 1 tokens of 768 channels: 443,136 positions
    assert summary(diff(traced("vit_b_16"), larger), ("ViT", "ViT at 384")) == [
        "ViT at 384 differs from ViT in the number of tokens, 197 -> 577; same stages; "
        "+0.3% params, 3.16 times the MACs, of which a part is the input's: "
        "3 × 384 × 384 against 3 × 224 × 224.",
        "Outside the blocks: add parameters 151,296 -> 443,136 (197 tokens).",
    ]  # fmt: skip


def test_strangers_are_called_so():
    assert summarized("resnet50", "vit_b_16")[-1] == (
        "They have little in common: 2 of 54 and 62 layers with weights or products have a partner."
    )


def test_given_names_are_used():
    (said,) = summary(diff(traced("vgg16_c"), traced("vgg16")), ("VGG C", "VGG D"))
    assert said.startswith("VGG D differs from VGG C in 3 convolutions:")


def test_modules_that_never_run_are_told():
    class Spare(nn.Module):
        def __init__(self, spare: bool) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3)
            self.spare = nn.Linear(9, 9) if spare else None

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(x)

    with_spare = trace_model(Spare(True), (1, 3, 8, 8))
    (said,) = summary(diff(trace_model(Spare(False), (1, 3, 8, 8)), with_spare))
    assert "in modules that never run (+90 params); same stages" in said


def residual(activation: type[nn.Module], kernel: int = 3, norm: bool = False) -> Trace:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, 8, 3, padding=1)
            self.a = nn.Conv2d(8, 8, 3, padding=1)
            self.norm = nn.BatchNorm2d(8) if norm else nn.Identity()
            self.act = activation()
            self.b = nn.Conv2d(8, 8, kernel, padding=kernel // 2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.stem(x)
            return x + self.b(self.act(self.norm(self.a(x))))

    return trace_model(Net(), (1, 3, 16, 16))


@pytest.mark.parametrize(
    ("other", "text"),
    [
        (residual(nn.SiLU), "in 1 block: activation ReLU -> SiLU;"),
        (residual(nn.ReLU, kernel=7), "in 1 block: kernel 3 -> 7;"),
        (residual(nn.ReLU, norm=True), "in 1 block: + normalization;"),
        (residual(nn.GELU, kernel=5), "in 1 block: kernel 3 -> 5, activation ReLU -> GELU;"),
    ],
)
def test_what_changes_in_a_block_is_named_once(other: Trace, text: str):
    (said,) = summary(diff(residual(nn.ReLU), other))
    assert text in said


def test_an_operation_of_unknown_cost_is_admitted():
    class Sorted(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.linalg.svdvals(x)

    odd = trace_model(Sorted(), (1, 3, 8, 8))
    assert odd.is_lower_bound
    assert "MACs (not all operations have a known cost)" in summary(diff(odd, traced("lenet5")))[0]


@pytest.mark.parametrize(("left", "right"), [("resnet18", "plain18"), ("vgg16_c", "vgg16")])
def test_in_chinese_it_says_the_same(left: str, right: str):
    english = summarized(left, right)
    with speaking("zh"):
        chinese = summarized(left, right)
    assert len(chinese) == len(english)
    numbers = [sorted(re.findall(r"\d+(?:\.\d+)?", " ".join(text))) for text in (english, chinese)]
    assert numbers[0] == numbers[1]
    words = re.findall("[A-Za-z]{3,}", " ".join(chinese).replace(left, "").replace(right, ""))
    assert set(words) <= {"MACs"}
