"""TNT: inside each patch a small transformer looks at its pixels.

Transformer in Transformer, Han, Xiao, Wu, Guo, Xu, Wang, NeurIPS 2021, arXiv:2103.00112. The
authors published two forms: in the first ("legacy") one 7x7 convolution runs over the whole image
and its map is then cut into patches, in the second the image is cut first and each patch is
convolved by itself. Departs from their code in nothing.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explorer.models._layers import check_heads, check_image
from explorer.models._registry import Bounds, InChannels, NumClasses, Paper, register_model

ImageSize = Annotated[tuple[int, ...], Bounds(1, 1024)]
Depth = Annotated[int, Bounds(1, 48)]
Heads = Annotated[int, Bounds(1, 64)]
PATCH, STRIDE = 16, 4
"""Side of a patch, and of the square of pixels that becomes one inner token."""
SIDE = PATCH // STRIDE
"""Inner tokens across a patch."""


class Attention(nn.Module):
    """Linear to queries and keys, linear to values; softmax(QK^T / sqrt(d)) V per head; linear.

    Shape: (N, tokens, dim) -> (N, tokens, dim)
    """

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qk = nn.Linear(dim, 2 * dim, bias=False)
        self.v = nn.Linear(dim, dim, bias=False)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return what each token gathers from all others."""
        batch, tokens, dim = x.shape
        heads = (self.num_heads, dim // self.num_heads)
        query, key = self.qk(x).reshape(batch, tokens, 2, *heads).permute(2, 0, 3, 1, 4)
        value = self.v(x).reshape(batch, tokens, *heads).transpose(1, 2)
        gathered = F.scaled_dot_product_attention(query, key, value)
        return self.proj(gathered.transpose(1, 2).reshape(batch, tokens, dim))


class MLP(nn.Module):
    """Linear to four times the width, GELU, linear, on each token by itself.

    Shape: (N, tokens, dim) -> (N, tokens, dim)
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return the transformed tokens."""
        return self.fc2(self.act(self.fc1(x)))


class Block(nn.Module):
    """An inner transformer layer on pixels; its result, projected, joins the patch; an outer one.

    Shape: (N * patches, 16, inner), (N, 1 + patches, dim) -> the same
    """

    def __init__(
        self, inner: int, dim: int, num_heads_inner: int, num_heads: int, legacy: bool
    ) -> None:
        super().__init__()
        pixels = SIDE * SIDE
        self.legacy = legacy
        self.norm_in = nn.LayerNorm(inner)
        self.attn_in = Attention(inner, num_heads_inner)
        self.norm_mlp_in = nn.LayerNorm(inner)
        self.mlp_in = MLP(inner)
        self.norm1_proj = nn.LayerNorm(inner if legacy else pixels * inner)
        self.proj = nn.Linear(pixels * inner, dim, bias=legacy)
        self.norm2_proj = None if legacy else nn.LayerNorm(dim)
        self.norm_out = nn.LayerNorm(dim)
        self.attn_out = Attention(dim, num_heads)
        self.norm_mlp = nn.LayerNorm(dim)
        self.mlp = MLP(dim)

    def forward(self, pixels: Tensor, patches: Tensor) -> tuple[Tensor, Tensor]:
        """Return both sequences, transformed."""
        pixels = pixels + self.attn_in(self.norm_in(pixels))
        pixels = pixels + self.mlp_in(self.norm_mlp_in(pixels))
        batch, tokens, _ = patches.shape
        if self.norm2_proj is None:
            words = self.norm1_proj(pixels).reshape(batch, tokens - 1, -1)
            words = self.proj(words)
        else:
            words = pixels.reshape(batch, tokens - 1, -1)
            words = self.norm2_proj(self.proj(self.norm1_proj(words)))
        patches = torch.cat([patches[:, :1], patches[:, 1:] + words], dim=1)
        patches = patches + self.attn_out(self.norm_out(patches))
        patches = patches + self.mlp(self.norm_mlp(patches))
        return pixels, patches


class PixelEmbed(nn.Module):
    """7x7 convolution with stride 4, and the cut into patches, in either order.

    Shape: (N, in_channels, H, W) -> (N * patches, 16, inner)
    """

    def __init__(self, in_channels: int, inner: int, legacy: bool) -> None:
        super().__init__()
        self.legacy = legacy
        self.proj = nn.Conv2d(in_channels, inner, kernel_size=7, stride=STRIDE, padding=3)
        side = SIDE if legacy else PATCH
        self.unfold = nn.Unfold(kernel_size=side, stride=side)

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        """Return the inner tokens of all patches."""
        x = self._cut(self.proj(x), SIDE) if self.legacy else self.proj(self._cut(x, PATCH))
        return (x + position).flatten(2).transpose(1, 2)

    def _cut(self, x: Tensor, side: int) -> Tensor:
        """Cut into squares: (N * patches, C, side, side)."""
        return self.unfold(x).transpose(1, 2).reshape(-1, x.shape[1], side, side)


class TNT(nn.Module):
    """Pixel embedding, patch embedding from it, class token, blocks, LN, classifier.

    Shape: (N, in_channels, *image_size) -> (N, num_classes)
    """

    def __init__(
        self,
        image_size: tuple[int, ...],
        embed_dim: int,
        inner_dim: int,
        depth: int,
        num_heads: int,
        num_heads_inner: int,
        num_classes: int,
        in_channels: int,
        legacy: bool,
    ) -> None:
        super().__init__()
        self.image_size = image_size
        patches = (image_size[0] // PATCH) * (image_size[1] // PATCH)
        pixels = SIDE * SIDE
        self.pixel_embed = PixelEmbed(in_channels, inner_dim, legacy)
        self.norm1_proj = nn.LayerNorm(pixels * inner_dim)
        self.proj = nn.Linear(pixels * inner_dim, embed_dim)
        self.norm2_proj = nn.LayerNorm(embed_dim)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, embed_dim))
        self.patch_pos = nn.Parameter(torch.zeros(1, patches + 1, embed_dim))
        self.pixel_pos = nn.Parameter(torch.zeros(1, inner_dim, SIDE, SIDE))
        self.blocks = nn.ModuleList(
            Block(inner_dim, embed_dim, num_heads_inner, num_heads, legacy) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        check_image(x, self.image_size, PATCH)
        batch = len(x)
        pixels = self.pixel_embed(x, self.pixel_pos)  # (N * patches, 16, inner)
        words = pixels.reshape(batch, -1, pixels.shape[1] * pixels.shape[2])
        words = self.norm2_proj(self.proj(self.norm1_proj(words)))  # (N, patches, dim)
        tokens = torch.cat([self.cls_token.expand(batch, -1, -1), words], dim=1) + self.patch_pos
        for block in self.blocks:
            pixels, tokens = block(pixels, tokens)
        return self.head(self.norm(tokens)[:, 0])


han_2021 = register_model(
    family="TNT",
    year=2021,
    paper=Paper(
        authors="Han, Xiao, Wu, Guo, Xu, Wang",
        title="Transformer in Transformer",
        venue="NeurIPS 2021",
        arxiv="2103.00112",
    ),
    idea="A patch is a sentence whose words matter too: a small transformer inside each patch "
    "feeds the large one between the patches.",
    new=(
        "Each patch of 16x16 pixels is divided once more, into 16 inner tokens of 4x4 pixels.",
        "An inner transformer relates the pixels of a patch, an outer one the patches.",
        "After each inner layer its tokens are projected and added to the patch's token.",
    ),
    min_size=(16, 16),
)


@han_2021
def tnt_s_legacy_patch16_224(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    image_size: ImageSize = (224, 224),
    depth: Depth = 12,
    embed_dim: Annotated[int, Bounds(6, 1536)] = 384,
    num_heads: Heads = 6,
    inner_dim: Annotated[int, Bounds(4, 192)] = 24,
    num_heads_inner: Annotated[int, Bounds(1, 8)] = 4,
) -> TNT:
    """TNT-S (one convolution over the image)."""
    check_heads("tnt_s_legacy_patch16_224", "embed_dim", embed_dim, num_heads)
    check_heads("tnt_s_legacy_patch16_224", "inner_dim", inner_dim, num_heads_inner)
    return TNT(
        image_size,
        embed_dim,
        inner_dim,
        depth,
        num_heads,
        num_heads_inner,
        num_classes,
        in_channels,
        legacy=True,
    )


@han_2021
def tnt_s_patch16_224(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    image_size: ImageSize = (224, 224),
    depth: Depth = 12,
    embed_dim: Annotated[int, Bounds(6, 1536)] = 384,
    num_heads: Heads = 6,
    inner_dim: Annotated[int, Bounds(4, 192)] = 24,
    num_heads_inner: Annotated[int, Bounds(1, 8)] = 4,
) -> TNT:
    """TNT-S."""
    check_heads("tnt_s_patch16_224", "embed_dim", embed_dim, num_heads)
    check_heads("tnt_s_patch16_224", "inner_dim", inner_dim, num_heads_inner)
    return TNT(
        image_size,
        embed_dim,
        inner_dim,
        depth,
        num_heads,
        num_heads_inner,
        num_classes,
        in_channels,
        legacy=False,
    )


@han_2021
def tnt_b_patch16_224(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    image_size: ImageSize = (224, 224),
    depth: Depth = 12,
    embed_dim: Annotated[int, Bounds(10, 1920)] = 640,
    num_heads: Heads = 10,
    inner_dim: Annotated[int, Bounds(4, 192)] = 40,
    num_heads_inner: Annotated[int, Bounds(1, 8)] = 4,
) -> TNT:
    """TNT-B."""
    check_heads("tnt_b_patch16_224", "embed_dim", embed_dim, num_heads)
    check_heads("tnt_b_patch16_224", "inner_dim", inner_dim, num_heads_inner)
    return TNT(
        image_size,
        embed_dim,
        inner_dim,
        depth,
        num_heads,
        num_heads_inner,
        num_classes,
        in_channels,
        legacy=False,
    )
