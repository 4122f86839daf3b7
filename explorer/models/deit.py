"""DeiT: a vision transformer that learns from ImageNet alone, with a convnet as its teacher.

Training data-efficient image transformers & distillation through attention, Touvron, Cord, Douze,
Massa, Sablayrolles, Jégou, ICML 2021, arXiv:2012.12877. Departs from the paper in nothing. A
distilled model has two heads, for the class token and for the distillation token: in training it
returns both outputs, otherwise their mean.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explorer.models._layers import check_heads, check_image
from explorer.models._registry import Bounds, InChannels, NumClasses, Paper, register_model

ImageSize = Annotated[tuple[int, ...], Bounds(1, 4096)]
PatchSize = Annotated[int, Bounds(4, 64)]
Depth = Annotated[int, Bounds(1, 64)]
Heads = Annotated[int, Bounds(1, 64)]
MlpRatio = Annotated[int, Bounds(1, 8)]


class Attention(nn.Module):
    """One linear layer to queries, keys and values; softmax(QK^T / sqrt(d)) V per head; linear.

    Shape: (N, tokens, dim) -> (N, tokens, dim)
    """

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return what each token gathers from all others."""
        batch, tokens, dim = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.num_heads, dim // self.num_heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each (N, heads, tokens, dim / heads)
        gathered = F.scaled_dot_product_attention(query, key, value)
        return self.proj(gathered.transpose(1, 2).reshape(batch, tokens, dim))


class MLP(nn.Module):
    """Linear, GELU, linear, on each token by itself.

    Shape: (N, tokens, dim) -> (N, tokens, dim)
    """

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return the transformed tokens."""
        return self.fc2(self.act(self.fc1(x)))


class Block(nn.Module):
    """LN, attention, plus x; LN, MLP, plus x.

    Shape: (N, tokens, dim) -> (N, tokens, dim)
    """

    def __init__(self, dim: int, num_heads: int, mlp_ratio: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, num_heads)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = MLP(dim, mlp_ratio * dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return x + MLP(x), where x has attention added to it."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchEmbed(nn.Module):
    """One convolution as large as its stride: each patch becomes a token.

    Shape: (N, in_channels, H, W) -> (N, H / patch * W / patch, dim)
    """

    def __init__(self, in_channels: int, dim: int, patch_size: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_channels, dim, patch_size, stride=patch_size)

    def forward(self, x: Tensor) -> Tensor:
        """Return the tokens, row by row."""
        return self.proj(x).flatten(2).transpose(1, 2)


class DeiT(nn.Module):
    """Patches, class token and perhaps a distillation token, blocks, LN, a head for each.

    Shape: (N, in_channels, *image_size) -> (N, num_classes), two of them in training if distilled
    """

    def __init__(
        self,
        image_size: tuple[int, ...],
        patch_size: int,
        depth: int,
        num_heads: int,
        embed_dim: int,
        mlp_ratio: int,
        num_classes: int,
        in_channels: int,
        distilled: bool,
    ) -> None:
        super().__init__()
        self.image_size, self.patch_size = image_size, patch_size
        patches = (image_size[0] // patch_size) * (image_size[1] // patch_size)
        self.patch_embed = PatchEmbed(in_channels, embed_dim, patch_size)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, embed_dim))
        self.dist_token = nn.Parameter(torch.zeros(1, 1, embed_dim)) if distilled else None
        tokens = patches + 1 + distilled
        self.pos_embed = nn.Parameter(torch.empty(1, tokens, embed_dim).normal_(std=0.02))
        self.blocks = nn.Sequential(*(Block(embed_dim, num_heads, mlp_ratio) for _ in range(depth)))
        self.norm = nn.LayerNorm(embed_dim, eps=1e-6)
        self.head = nn.Linear(embed_dim, num_classes)
        self.head_dist = nn.Linear(embed_dim, num_classes) if distilled else None

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return the class scores; of a distilled model in training those of both heads."""
        check_image(x, self.image_size, self.patch_size)
        patches = self.patch_embed(x)
        own = [token for token in (self.cls_token, self.dist_token) if token is not None]
        tokens = [token.expand(len(x), -1, -1) for token in own]
        x = torch.cat([*tokens, patches], dim=1) + self.pos_embed
        x = self.norm(self.blocks(x))
        scores = self.head(x[:, 0])
        if self.head_dist is None:
            return scores
        distilled = self.head_dist(x[:, 1])
        return (scores, distilled) if self.training else (scores + distilled) / 2


touvron_2021 = register_model(
    family="DeiT",
    year=2020,
    paper=Paper(
        authors="Touvron, Cord, Douze, Massa, Sablayrolles, Jégou",
        title="Training data-efficient image transformers & distillation through attention",
        venue="ICML 2021",
        arxiv="2012.12877",
    ),
    idea="A vision transformer needs no huge private data set: strong augmentation, and a convnet "
    "as its teacher, make up for it.",
    new=(
        "A transformer without convolutions trains on ImageNet alone, in days on one machine.",
        "A distillation token stands beside the class token and learns, through attention, to "
        "say what a convolutional teacher says.",
        "Smaller sizes make the transformer comparable with convnets: Ti and S have 3 and 6 heads "
        "of 64 channels, B is ViT-B.",
    ),
    min_size=(16, 16),
)


@touvron_2021
def deit_tiny_patch16_224(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    image_size: ImageSize = (224, 224),
    patch_size: PatchSize = 16,
    depth: Depth = 12,
    num_heads: Heads = 3,
    embed_dim: Annotated[int, Bounds(3, 3072)] = 192,
    mlp_ratio: MlpRatio = 4,
) -> DeiT:
    """DeiT-Ti."""
    check_heads("deit_tiny_patch16_224", "embed_dim", embed_dim, num_heads)
    return DeiT(
        image_size,
        patch_size,
        depth,
        num_heads,
        embed_dim,
        mlp_ratio,
        num_classes,
        in_channels,
        distilled=False,
    )


@touvron_2021
def deit_small_patch16_224(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    image_size: ImageSize = (224, 224),
    patch_size: PatchSize = 16,
    depth: Depth = 12,
    num_heads: Heads = 6,
    embed_dim: Annotated[int, Bounds(6, 3072)] = 384,
    mlp_ratio: MlpRatio = 4,
) -> DeiT:
    """DeiT-S."""
    check_heads("deit_small_patch16_224", "embed_dim", embed_dim, num_heads)
    return DeiT(
        image_size,
        patch_size,
        depth,
        num_heads,
        embed_dim,
        mlp_ratio,
        num_classes,
        in_channels,
        distilled=False,
    )


@touvron_2021
def deit_base_patch16_224(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    image_size: ImageSize = (224, 224),
    patch_size: PatchSize = 16,
    depth: Depth = 12,
    num_heads: Heads = 12,
    embed_dim: Annotated[int, Bounds(12, 3072)] = 768,
    mlp_ratio: MlpRatio = 4,
) -> DeiT:
    """DeiT-B."""
    check_heads("deit_base_patch16_224", "embed_dim", embed_dim, num_heads)
    return DeiT(
        image_size,
        patch_size,
        depth,
        num_heads,
        embed_dim,
        mlp_ratio,
        num_classes,
        in_channels,
        distilled=False,
    )


@touvron_2021
def deit_tiny_distilled_patch16_224(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    image_size: ImageSize = (224, 224),
    patch_size: PatchSize = 16,
    depth: Depth = 12,
    num_heads: Heads = 3,
    embed_dim: Annotated[int, Bounds(3, 3072)] = 192,
    mlp_ratio: MlpRatio = 4,
) -> DeiT:
    """DeiT-Ti (distilled, two heads)."""
    check_heads("deit_tiny_distilled_patch16_224", "embed_dim", embed_dim, num_heads)
    return DeiT(
        image_size,
        patch_size,
        depth,
        num_heads,
        embed_dim,
        mlp_ratio,
        num_classes,
        in_channels,
        distilled=True,
    )


@touvron_2021
def deit_small_distilled_patch16_224(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    image_size: ImageSize = (224, 224),
    patch_size: PatchSize = 16,
    depth: Depth = 12,
    num_heads: Heads = 6,
    embed_dim: Annotated[int, Bounds(6, 3072)] = 384,
    mlp_ratio: MlpRatio = 4,
) -> DeiT:
    """DeiT-S (distilled, two heads)."""
    check_heads("deit_small_distilled_patch16_224", "embed_dim", embed_dim, num_heads)
    return DeiT(
        image_size,
        patch_size,
        depth,
        num_heads,
        embed_dim,
        mlp_ratio,
        num_classes,
        in_channels,
        distilled=True,
    )


@touvron_2021
def deit_base_distilled_patch16_224(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    image_size: ImageSize = (224, 224),
    patch_size: PatchSize = 16,
    depth: Depth = 12,
    num_heads: Heads = 12,
    embed_dim: Annotated[int, Bounds(12, 3072)] = 768,
    mlp_ratio: MlpRatio = 4,
) -> DeiT:
    """DeiT-B (distilled, two heads)."""
    check_heads("deit_base_distilled_patch16_224", "embed_dim", embed_dim, num_heads)
    return DeiT(
        image_size,
        patch_size,
        depth,
        num_heads,
        embed_dim,
        mlp_ratio,
        num_classes,
        in_channels,
        distilled=True,
    )
