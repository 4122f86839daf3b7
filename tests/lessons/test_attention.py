"""Transformers counted: against closed formulas, torchvision, and torch's own attention."""

from __future__ import annotations

import threading
from types import ModuleType

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from explorer import trace_model
from explorer.errors import InputSizeError, OptionError
from explorer.lessons.attention import (
    BODIES,
    CNN,
    WINDOWED_UNIT,
    Fused,
    WrittenOut,
    attention_memory,
    body,
    cpu_kernel,
    cut,
    formula_macs,
    macs_at,
    token_count,
    transformer,
    windowed,
)
from explorer.lessons.pictures import sample_picture

# Table 1 of the ViT paper and of the DeiT paper: D, blocks, heads, length inside the MLP.
PAPER = {
    "deit_tiny_patch16_224": (192, 12, 3, 768),
    "deit_small_patch16_224": (384, 12, 6, 1536),
    "vit_b_16": (768, 12, 12, 3072),
    "vit_l_16": (1024, 24, 16, 4096),
    "vit_h_14": (1280, 32, 16, 5120),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_is_the_paper_s(name: str) -> None:
    found = body(name)
    assert (found.dim, found.depth, found.heads, found.hidden) == PAPER[name]
    assert found.ratio == 4
    assert found.crossover == 6 * found.dim


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize(("side", "patch"), [(224, 16), (224, 14), (320, 32), (64, 8)])
def test_every_formula_is_the_count(name: str, side: int, patch: int) -> None:
    made = transformer(name, side, patch)
    for part in made.parts:
        assert part.counted == part.formula, part.name
    assert sum(part.counted for part in made.parts) == made.macs
    assert made.tokens == (side // patch) ** 2 + 1


def test_vit_b_16_by_hand() -> None:
    made = transformer("vit_b_16", 224, 16)
    n, d = 197, 768
    assert {part.name: part.counted for part in made.parts} == {
        "patches": 196 * 3 * 16 * 16 * d,
        "qkv": 12 * 3 * n * d * d,
        "attention": 12 * 2 * n * n * d,
        "projection": 12 * n * d * d,
        "mlp": 12 * 2 * 4 * n * d * d,
        "head": 1000 * d,
    }
    assert made.params == 86_567_656  # torchvision's documentation
    assert made.position_params == n * d
    assert made.embedding_params == (3 * 16 * 16 + 1) * d
    assert made.matrix_bytes == 12 * n * n * 4


def test_torchvision_s_transformer_costs_the_same(torchvision: ModuleType) -> None:
    with torch.device("meta"):
        theirs = torchvision.models.vit_b_16(image_size=384).eval()
        picture = torch.empty(1, 3, 384, 384)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        theirs(picture)
    assert 2 * transformer("vit_b_16", 384, 16).macs == counter.get_total_flops()


def test_half_the_patch_is_four_times_the_tokens() -> None:
    coarse, fine = (formula_macs(body("vit_b_16"), 224, patch) for patch in (16, 8))
    assert token_count(224, 8) - 1 == 4 * (token_count(224, 16) - 1)
    assert fine["patches"] == coarse["patches"]
    assert fine["mlp"] / coarse["mlp"] == pytest.approx(4, rel=0.01)
    assert fine["attention"] / coarse["attention"] == pytest.approx(16, rel=0.02)


def test_at_the_crossover_attention_costs_what_the_linear_layers_cost() -> None:
    for name in BODIES:
        made_of = body(name)
        n, d = made_of.crossover, made_of.dim
        assert 2 * n * n * d == (4 + 2 * made_of.ratio) * n * d * d


def test_only_the_positions_depend_on_the_image() -> None:
    small, large = (transformer("vit_b_16", side, 16) for side in (224, 448))
    assert small.params - small.position_params == large.params - large.position_params


@pytest.mark.parametrize("heads", [1, 2, 3, 4, 6, 8, 12, 16, 24, 32])
def test_heads_change_neither_parameters_nor_macs(heads: int) -> None:
    own, made = transformer("vit_b_16", 224, 16), transformer("vit_b_16", 224, 16, heads)
    assert (made.params, made.macs) == (own.params, own.macs)
    assert made.matrix_bytes * own.body.heads == own.matrix_bytes * heads


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputSizeError, match="whole number of patches"):
        transformer("vit_b_16", 230, 16)
    with pytest.raises(OptionError, match="5 attention heads"):
        transformer("vit_b_16", 224, 16, 5)


# ------------------------------------------------------------ beside a transformer


def test_a_cnn_is_linear_in_the_pixels() -> None:
    (_, small), (_, large) = macs_at(CNN, (224, 448))
    # All but the classifier, which sees one pixel.
    assert large - 2048 * 1000 == 4 * (small - 2048 * 1000)


def test_swin_s_windows_follow_the_paper_s_formula() -> None:
    for side in (WINDOWED_UNIT, 2 * WINDOWED_UNIT):
        made = windowed(side)
        assert made.attention == made.formula
        assert made.tokens == (side // 4) ** 2
        # Blocks 2, 2, 6, 2 on maps of a quarter, an eighth ..., with 96, 192 ... channels.
        stages = [(2, 4, 96), (2, 8, 192), (6, 16, 384), (2, 32, 768)]
        assert made.formula == sum(
            depth * 2 * 49 * (side // stride) ** 2 * width for depth, stride, width in stages
        )
        assert made.everywhere == sum(
            depth * 2 * (side // stride) ** 4 * width for depth, stride, width in stages
        )
    assert windowed(448).attention == 4 * windowed(224).attention


# ------------------------------------------------------------------------- memory


def test_both_ways_to_attend_give_the_same() -> None:
    generator = torch.Generator().manual_seed(0)
    given = [torch.randn(2, 3, 50, 16, generator=generator) for _ in range(3)]
    torch.testing.assert_close(WrittenOut()(*given), Fused()(*given))


@pytest.mark.parametrize(("tokens", "heads", "dim"), [(197, 12, 64), (1025, 3, 64)])
def test_the_written_out_matrices_are_in_memory_twice(tokens: int, heads: int, dim: int) -> None:
    found = attention_memory(tokens, heads, dim)
    assert found.matrices == heads * tokens**2 * 4
    output = heads * tokens * dim * 4
    assert found.fused == output
    # Scores, and what is made of them; the output when one of the two is gone.
    assert 2 * found.matrices <= found.written_out <= 2 * found.matrices + output


def test_the_macs_are_the_same_either_way() -> None:
    shapes = ((1, 12, 197, 64),) * 3
    written, fused = (trace_model(module, shapes).macs for module in (WrittenOut(), Fused()))
    assert written == fused == 2 * 12 * 197 * 197 * 64


def test_the_cpu_s_kernel_is_one_of_torch_s() -> None:
    name = cpu_kernel()
    assert name.startswith("_scaled_dot_product")
    assert hasattr(torch.ops.aten, name)


def test_the_kernel_is_found_in_every_thread() -> None:
    names: list[str] = []
    threads = [threading.Thread(target=lambda: names.append(cpu_kernel())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names == [cpu_kernel()] * 3


# ------------------------------------------------------------------------ picture


def test_pieces_put_together_are_the_picture() -> None:
    pieces, gap = 14, 3
    sheet = cut(pieces, gap=gap)
    size = (len(sheet) + gap) // pieces - gap
    rows = [slice(at * (size + gap), at * (size + gap) + size) for at in range(pieces)]
    whole = np.concatenate(
        [np.concatenate([sheet[row, column] for column in rows], axis=1) for row in rows]
    )
    assert (whole == sample_picture(pieces * size)).all()
    assert (sheet[size : size + gap] == 255).all()


def test_windows_move_apart_as_wholes_on_paper_of_any_colour() -> None:
    sheet = cut(56, windows=7, gap=5, paper="#12161C")
    size = (len(sheet) + 5) // 8 - 5
    assert (sheet[size : size + 5] == (0x12, 0x16, 0x1C)).all()


def test_what_is_finer_than_its_gaps_stays_whole() -> None:
    assert cut(168).shape[0] == 168 * (384 // 168)
