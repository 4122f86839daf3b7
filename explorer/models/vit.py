"""ViT: an image is a sequence of patches, and a transformer reads it like words.

An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale, Dosovitskiy, Beyer,
Kolesnikov, Weissenborn, Zhai, Unterthiner, Dehghani, Minderer, Heigold, Gelly, Uszkoreit, Houlsby,
ICLR 2021, arXiv:2010.11929. Departs from the paper in nothing; the classifier is the single linear
layer of its fine-tuning.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explorer.models._layers import check_heads, check_image
from explorer.models._registry import (
    Bounds,
    Dropout,
    InChannels,
    NumClasses,
    Paper,
    register_model,
)

ImageSize = Annotated[tuple[int, ...], Bounds(1, 4096)]
PatchSize = Annotated[int, Bounds(4, 64)]
Layers = Annotated[int, Bounds(1, 64)]
Heads = Annotated[int, Bounds(1, 64)]
MlpDim = Annotated[int, Bounds(1, 8192)]


class SelfAttention(nn.Module):
    """One linear layer to queries, keys and values; softmax(QK^T / sqrt(d)) V per head; linear.

    Shape: (N, tokens, dim) -> (N, tokens, dim)
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * dim, dim))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * dim))
        nn.init.xavier_uniform_(self.in_proj_weight)
        self.out_proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return what each token gathers from all others."""
        batch, tokens, dim = x.shape
        qkv = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        qkv = qkv.reshape(batch, tokens, 3, self.heads, dim // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each (N, heads, tokens, dim / heads)
        gathered = F.scaled_dot_product_attention(query, key, value)
        return self.out_proj(gathered.transpose(1, 2).reshape(batch, tokens, dim))


class MLP(nn.Sequential):
    """Linear, GELU, dropout, linear, dropout, on each token by itself.

    Shape: (N, tokens, dim) -> (N, tokens, dim)
    """

    def __init__(self, dim: int, mlp_dim: int, dropout: float) -> None:
        super().__init__(
            nn.Linear(dim, mlp_dim),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(mlp_dim, dim),
            nn.Dropout(dropout),
        )


class EncoderBlock(nn.Module):
    """LN, attention, plus x; LN, MLP, plus x.

    Shape: (N, tokens, dim) -> (N, tokens, dim)
    """

    def __init__(self, dim: int, heads: int, mlp_dim: int, dropout: float) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(dim, eps=1e-6)
        self.self_attention = SelfAttention(dim, heads)
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = MLP(dim, mlp_dim, dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return x + MLP(x), where x has attention added to it."""
        x = x + self.dropout(self.self_attention(self.ln_1(x)))
        return x + self.mlp(self.ln_2(x))


class Encoder(nn.Module):
    """Position embedding, blocks, LN.

    Shape: (N, tokens, dim) -> (N, tokens, dim)
    """

    def __init__(
        self, tokens: int, layers: int, dim: int, heads: int, mlp_dim: int, dropout: float
    ) -> None:
        super().__init__()
        self.pos_embedding = nn.Parameter(torch.empty(1, tokens, dim).normal_(std=0.02))
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.Sequential(
            OrderedDict(
                (f"encoder_layer_{i}", EncoderBlock(dim, heads, mlp_dim, dropout))
                for i in range(layers)
            )
        )
        self.ln = nn.LayerNorm(dim, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """Return the encoded tokens."""
        return self.ln(self.layers(self.dropout(x + self.pos_embedding)))


class VisionTransformer(nn.Module):
    """Patches, a class token, encoder, the class token's classifier.

    Shape: (N, in_channels, *image_size) -> (N, num_classes)
    """

    def __init__(
        self,
        image_size: tuple[int, ...],
        patch_size: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        num_classes: int,
        in_channels: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.image_size, self.patch_size = image_size, patch_size
        patches = (image_size[0] // patch_size) * (image_size[1] // patch_size)
        self.conv_proj = nn.Conv2d(in_channels, hidden_dim, patch_size, stride=patch_size)
        self.class_token = nn.Parameter(torch.zeros(1, 1, hidden_dim))
        self.encoder = Encoder(patches + 1, num_layers, hidden_dim, num_heads, mlp_dim, dropout)
        self.heads = nn.Sequential(OrderedDict(head=nn.Linear(hidden_dim, num_classes)))

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        check_image(x, self.image_size, self.patch_size)
        x = self.conv_proj(x)  # (N, hidden_dim, H / patch, W / patch)
        x = x.flatten(2).transpose(1, 2)  # (N, patches, hidden_dim)
        x = torch.cat([self.class_token.expand(len(x), -1, -1), x], dim=1)
        return self.heads(self.encoder(x)[:, 0])


dosovitskiy_2021 = partial(
    register_model,
    family="ViT",
    year=2020,
    paper=Paper(
        authors="Dosovitskiy, Beyer, Kolesnikov, Weissenborn, Zhai, Unterthiner, Dehghani, "
        "Minderer, Heigold, Gelly, Uszkoreit, Houlsby",
        title="An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale",
        venue="ICLR 2021",
        arxiv="2010.11929",
    ),
    idea="An image is cut into patches, and a plain transformer reads them as a sequence.",
    new=(
        "A patch of 16x16 pixels becomes one token by a single linear map; no other convolution "
        "is left.",
        "An additional class token gathers what the classifier needs from all patches.",
        "Trained on enough images, it surpasses convolutional networks at less training cost.",
    ),
)


@dosovitskiy_2021(min_size=(16, 16))
def vit_b_16(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    image_size: ImageSize = (224, 224),
    patch_size: PatchSize = 16,
    num_layers: Layers = 12,
    num_heads: Heads = 12,
    hidden_dim: Annotated[int, Bounds(12, 3072)] = 768,
    mlp_dim: MlpDim = 3072,
    dropout: Dropout = 0.0,
) -> VisionTransformer:
    """ViT-B/16."""
    check_heads("vit_b_16", "hidden_dim", hidden_dim, num_heads)
    return VisionTransformer(
        image_size,
        patch_size,
        num_layers,
        num_heads,
        hidden_dim,
        mlp_dim,
        num_classes,
        in_channels,
        dropout,
    )


@dosovitskiy_2021(min_size=(32, 32))
def vit_b_32(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    image_size: ImageSize = (224, 224),
    patch_size: PatchSize = 32,
    num_layers: Layers = 12,
    num_heads: Heads = 12,
    hidden_dim: Annotated[int, Bounds(12, 3072)] = 768,
    mlp_dim: MlpDim = 3072,
    dropout: Dropout = 0.0,
) -> VisionTransformer:
    """ViT-B/32."""
    check_heads("vit_b_32", "hidden_dim", hidden_dim, num_heads)
    return VisionTransformer(
        image_size,
        patch_size,
        num_layers,
        num_heads,
        hidden_dim,
        mlp_dim,
        num_classes,
        in_channels,
        dropout,
    )


@dosovitskiy_2021(min_size=(16, 16))
def vit_l_16(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    image_size: ImageSize = (224, 224),
    patch_size: PatchSize = 16,
    num_layers: Layers = 24,
    num_heads: Heads = 16,
    hidden_dim: Annotated[int, Bounds(16, 4096)] = 1024,
    mlp_dim: MlpDim = 4096,
    dropout: Dropout = 0.0,
) -> VisionTransformer:
    """ViT-L/16."""
    check_heads("vit_l_16", "hidden_dim", hidden_dim, num_heads)
    return VisionTransformer(
        image_size,
        patch_size,
        num_layers,
        num_heads,
        hidden_dim,
        mlp_dim,
        num_classes,
        in_channels,
        dropout,
    )


@dosovitskiy_2021(min_size=(32, 32))
def vit_l_32(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    image_size: ImageSize = (224, 224),
    patch_size: PatchSize = 32,
    num_layers: Layers = 24,
    num_heads: Heads = 16,
    hidden_dim: Annotated[int, Bounds(16, 4096)] = 1024,
    mlp_dim: MlpDim = 4096,
    dropout: Dropout = 0.0,
) -> VisionTransformer:
    """ViT-L/32."""
    check_heads("vit_l_32", "hidden_dim", hidden_dim, num_heads)
    return VisionTransformer(
        image_size,
        patch_size,
        num_layers,
        num_heads,
        hidden_dim,
        mlp_dim,
        num_classes,
        in_channels,
        dropout,
    )


@dosovitskiy_2021(min_size=(14, 14))
def vit_h_14(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    image_size: ImageSize = (224, 224),
    patch_size: PatchSize = 14,
    num_layers: Layers = 32,
    num_heads: Heads = 16,
    hidden_dim: Annotated[int, Bounds(16, 4096)] = 1280,
    mlp_dim: MlpDim = 5120,
    dropout: Dropout = 0.0,
) -> VisionTransformer:
    """ViT-H/14."""
    check_heads("vit_h_14", "hidden_dim", hidden_dim, num_heads)
    return VisionTransformer(
        image_size,
        patch_size,
        num_layers,
        num_heads,
        hidden_dim,
        mlp_dim,
        num_classes,
        in_channels,
        dropout,
    )
