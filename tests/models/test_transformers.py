"""ViT, DeiT and TNT: what vision transformers have in common, and what they do not."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import nn

from explorer import get_spec, trace_model
from explorer.blocks import find_blocks
from explorer.errors import InputSizeError, OptionError
from explorer.models import build_model, list_models

VIT, DEIT, TNT = (list_models(family=family) for family in ("ViT", "DeiT", "TNT"))
LIGHT = {"deit_tiny_patch16_224", "deit_tiny_distilled_patch16_224", "tnt_s_patch16_224",
         "tnt_s_legacy_patch16_224"}  # fmt: skip
each_model = pytest.mark.parametrize("name", [*VIT, *DEIT, *TNT])


@pytest.fixture
def reference(torchvision: ModuleType, timm: ModuleType) -> Callable[..., nn.Module]:
    """Build torchvision's or timm's model on meta for an image size."""

    def build(name: str, size: tuple[int, int]) -> nn.Module:
        with torch.device("meta"):
            if name in VIT:  # torchvision's knows squares only
                assert size[0] == size[1]
                return torchvision.models.get_model(name, image_size=size[0])
            return timm.create_model(name, img_size=size)

    return build


@each_model
def test_the_state_dict_has_the_reference_s_keys_and_shapes(
    name: str,
    reference: Callable[..., nn.Module],
    assert_equals_reference: Callable[..., None],
) -> None:
    with torch.device("meta"):
        ours = build_model(name)

    assert_equals_reference(ours, reference(name, (224, 224)))


@pytest.mark.parametrize(
    "name",
    [n if n in LIGHT else pytest.param(n, marks=pytest.mark.slow) for n in [*DEIT, *TNT]],
)
def test_with_timm_s_weights_the_scores_are_timm_s_at_two_sizes(
    name: str,
    reference: Callable[..., nn.Module],
    assert_equals_reference: Callable[..., None],
) -> None:
    for size in ((64, 64), (64, 32)):
        with torch.device("meta"):
            ours = build_model(name, image_size=size)
        assert_equals_reference(ours, reference(name, size), size)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("vit_b_16", 64),
        ("vit_b_32", 64),
        pytest.param("vit_l_16", 64, marks=pytest.mark.slow),
        pytest.param("vit_l_32", 64, marks=pytest.mark.slow),
        pytest.param("vit_h_14", 56, marks=pytest.mark.slow),
    ],
)
def test_with_torchvision_s_weights_the_scores_are_torchvision_s(
    name: str,
    size: int,
    reference: Callable[..., nn.Module],
    assert_equals_reference: Callable[..., None],
) -> None:
    with torch.device("meta"):
        ours = build_model(name, image_size=(size, size))

    assert_equals_reference(ours, reference(name, (size, size)), (size, size))


def test_a_rectangle_is_read_row_by_row_as_timm_does(
    timm: ModuleType,
    with_random_weights: Callable[[nn.Module], nn.Module],
    assert_same_scores: Callable[..., None],
) -> None:
    """Torchvision's ViT takes no rectangle; timm's does, under other names of the weights."""
    with torch.device("meta"):
        ours = build_model("vit_b_16", image_size=(64, 32), num_layers=2)
        theirs = timm.create_model("vit_base_patch16_224", img_size=(64, 32), depth=2)
    weights = with_random_weights(theirs).state_dict()
    names = {
        "cls_token": "class_token",
        "pos_embed": "encoder.pos_embedding",
        "patch_embed.proj": "conv_proj",
        "head": "heads.head",
        "norm": "encoder.ln",
    }
    inner = {
        "norm1": "ln_1",
        "attn.qkv.": "self_attention.in_proj_",
        "attn.proj": "self_attention.out_proj",
        "norm2": "ln_2",
        "mlp.fc1": "mlp.0",
        "mlp.fc2": "mlp.3",
    }

    def ours_of(key: str) -> str:
        if not key.startswith("blocks."):
            start = next(name for name in names if key.startswith(name))
            return names[start] + key[len(start) :]
        _, block, rest = key.split(".", 2)
        start = next(name for name in inner if rest.startswith(name))
        return f"encoder.layers.encoder_layer_{block}.{inner[start]}{rest[len(start) :]}"

    ours.load_state_dict({ours_of(k): v for k, v in weights.items()}, strict=True, assign=True)
    assert_same_scores(ours, theirs, (64, 32))


def test_the_counts_of_a_vit_by_hand() -> None:
    trace = trace_model("vit_b_16", (1, 3, 256, 128))
    tokens, dim = 16 * 8 + 1, 768
    # patches: 3 x 16 x 16 -> 768; a layer: q, k, v, output, MLP of 4 x 768 twice; QK^T and AV
    layer = tokens * (4 * dim * dim + 8 * dim * dim) + 2 * tokens * tokens * dim

    assert trace.macs == (tokens - 1) * 768 * dim + 12 * layer + dim * 1000


@each_model
def test_the_model_follows_the_input_s_size(name: str) -> None:
    spec = get_spec(name)
    height, width = (2 * side for side in spec.min_size)
    trace = trace_model(name, (2, 3, height, 2 * width))

    assert trace.output_shape == (2, 1000)
    assert trace == trace_model(
        name, (2, 3, height, 2 * width), options={"image_size": (height, 2 * width)}
    )


@each_model
def test_a_size_that_is_no_whole_number_of_patches_gets_the_nearest_that_is(name: str) -> None:
    with pytest.raises(InputSizeError, match="not a whole number of patches") as caught:
        trace_model(name, (1, 3, 225, 225))

    suggested = caught.value.suggested_shape
    assert suggested is not None
    assert abs(suggested[2] - 225) < 32
    assert trace_model(name, suggested).output_shape == (1, 1000)


def test_an_image_size_that_is_not_the_input_s_is_a_sentence() -> None:
    with pytest.raises(InputSizeError, match="made for images of 224x224, not of 256x128"):
        trace_model("vit_b_16", (1, 3, 256, 128), options={"image_size": (224, 224)})


@pytest.mark.parametrize(
    ("name", "option"),
    [("vit_b_16", "hidden_dim"), ("deit_small_patch16_224", "embed_dim"),
     ("tnt_s_patch16_224", "inner_dim"), ("tnt_b_patch16_224", "embed_dim")],
)  # fmt: skip
def test_a_width_that_the_heads_do_not_divide_is_a_sentence(name: str, option: str) -> None:
    with pytest.raises(OptionError, match=rf"{option}=101 should be a multiple of the \d+"):
        build_model(name, **{option: 101})


@pytest.mark.parametrize(("name", "layers"), [("vit_b_16", 12), ("deit_tiny_patch16_224", 12)])
def test_each_layer_is_two_residual_blocks_of_which_one_holds_attention(
    name: str, layers: int
) -> None:
    kinds = [block.kind for block in find_blocks(trace_model(name, (1, 3, 224, 224)))]

    assert (kinds.count("residual"), kinds.count("attention")) == (2 * layers, layers)


def test_a_distilled_model_has_two_outputs_in_training_and_their_mean_otherwise() -> None:
    torch.manual_seed(0)
    model = build_model("deit_tiny_distilled_patch16_224", depth=1, image_size=(32, 32))
    x = torch.rand(2, 3, 32, 32)

    with torch.inference_mode():
        mean, both = model(x), model.train()(x)
    torch.testing.assert_close(mean, (both[0] + both[1]) / 2)


def test_an_inner_token_of_tnt_is_a_square_of_four_pixels() -> None:
    trace = trace_model("tnt_s_legacy_patch16_224", (1, 3, 224, 224))
    block = next(call for call in trace.calls if call.path == "blocks.0")

    assert [tensor.shape for tensor in block.outputs] == [(196, 16, 24), (1, 197, 384)]
