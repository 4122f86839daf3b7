"""VT-ResNet: the last stage of a ResNet thinks in sixteen tokens instead of pixels.

Visual Transformers: Token-based Image Representation and Processing for Computer Vision, Wu, Xu,
Dai, Wan, Zhang, Yan, Tomizuka, Gonzalez, Keutzer, Vajda, arXiv:2006.03677 (2020). There is no
public code of the authors. This is the network of the paper's equations 1 to 5: a filter-based
tokeniser first, recurrent ones after it, a transformer layer, and a projector back to the map.
Where the paper leaves a choice, ours is stated: one attention head, the maps on pixels in 16
groups, no projector after the last transformer, and the classifier reads the mean of its tokens.
"""

from __future__ import annotations

from typing import Annotated, Literal

from torch import Tensor, nn

from explorer.errors import OptionError
from explorer.models._registry import Bounds, InChannels, NumClasses, Paper, register_model

Depths = Annotated[tuple[int, ...], Bounds(1, 48)]
Tokens = Annotated[int, Bounds(1, 256)]
Groups = Annotated[int, Bounds(1, 256)]
Tokenizer = Literal["recurrent", "filter"]


class Bottleneck(nn.Module):
    """1x1 reduce, 3x3, 1x1 expand, each with BN, plus the shortcut, ReLU.

    Shape: (N, in_channels, H, W) -> (N, 4 * width, H / stride, W / stride)
    """

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _projection(in_channels, 4 * width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(F(x) + shortcut(x))."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


def _projection(in_channels: int, out_channels: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False),
        nn.BatchNorm2d(out_channels),
    )


class FilterTokenizer(nn.Module):
    """A 1x1 gives each pixel a share in each token; softmax over the pixels; T = A^T X.

    Shape: (N, HW, C) -> (N, tokens, C)
    """

    def __init__(self, channels: int, tokens: int) -> None:
        super().__init__()
        self.attention = nn.Linear(channels, tokens, bias=False)
        self.softmax = nn.Softmax(dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return softmax_HW(X W_A)^T X."""
        return self.softmax(self.attention(x)).transpose(1, 2) @ x


class RecurrentTokenizer(nn.Module):
    """The tokens before say what to look for: the weights of the shares are computed from them.

    Shape: (N, HW, C), (N, tokens, C) -> (N, tokens, C)
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weights = nn.Linear(channels, channels, bias=False)
        self.softmax = nn.Softmax(dim=1)

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        """Return softmax_HW(X (T W_R)^T)^T X."""
        shares = self.softmax(x @ self.weights(tokens).transpose(1, 2))
        return shares.transpose(1, 2) @ x


class TokenTransformer(nn.Module):
    """Attention among the tokens, plus T; linear, ReLU, linear, plus that.

    Shape: (N, tokens, C) -> (N, tokens, C)
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.key = nn.Linear(channels, channels // 2, bias=False)
        self.query = nn.Linear(channels, channels // 2, bias=False)
        self.softmax = nn.Softmax(dim=-1)
        self.linear1 = nn.Linear(channels, channels, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.linear2 = nn.Linear(channels, channels, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return T' + relu(T' F1) F2 with T' = T + softmax((T K)(T Q)^T) T."""
        attention = self.softmax(self.key(tokens) @ self.query(tokens).transpose(1, 2))
        tokens = tokens + attention @ tokens
        return tokens + self.linear2(self.relu(self.linear1(tokens)))


class Projector(nn.Module):
    """Every pixel gathers what the tokens know: X + softmax((X W_Q)(T W_K)^T) T.

    Shape: (N, HW, C), (N, tokens, C) -> (N, HW, C)
    """

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.query = nn.Conv1d(channels, channels, kernel_size=1, groups=groups, bias=False)
        self.key = nn.Linear(channels, channels, bias=False)
        self.softmax = nn.Softmax(dim=-1)

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        """Return the map with what its pixels gathered added."""
        query = self.query(x.transpose(1, 2)).transpose(1, 2)
        return x + self.softmax(query @ self.key(tokens).transpose(1, 2)) @ tokens


class VisualTransformer(nn.Module):
    """Tokeniser, transformer, projector.

    Shape: (N, HW, C), (N, tokens, C) or None -> (N, HW, C), (N, tokens, C)
    """

    def __init__(
        self, channels: int, tokens: int, groups: int, recurrent: bool, project: bool
    ) -> None:
        super().__init__()
        self.tokenizer = (
            RecurrentTokenizer(channels) if recurrent else FilterTokenizer(channels, tokens)
        )
        self.transformer = TokenTransformer(channels)
        self.projector = Projector(channels, groups) if project else None

    def forward(self, x: Tensor, tokens: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the map and the tokens."""
        if isinstance(self.tokenizer, RecurrentTokenizer):
            tokens = self.tokenizer(x, tokens)
        else:
            tokens = self.tokenizer(x)
        tokens = self.transformer(tokens)
        return (x if self.projector is None else self.projector(x, tokens)), tokens


class VTResNet(nn.Module):
    """A ResNet's stem and first three stages, visual transformers, mean of tokens, classifier.

    Shape: (N, in_channels, H, W) -> (N, num_classes)
    """

    def __init__(
        self,
        depths: tuple[int, ...],
        tokens: int,
        groups: int,
        tokenizer: Tokenizer,
        num_classes: int,
        in_channels: int,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        channels, stages = 64, []
        for depth, width, stride in zip(depths[:3], (64, 128, 256), (1, 2, 2), strict=True):
            blocks = [Bottleneck(channels, width, stride)]
            channels = 4 * width
            blocks += [Bottleneck(channels, width, 1) for _ in range(depth - 1)]
            stages.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3 = stages
        last = depths[3] - 1
        self.transformers = nn.ModuleList(
            VisualTransformer(
                channels,
                tokens,
                groups,
                recurrent=tokenizer == "recurrent" and place > 0,
                project=place < last,
            )
            for place in range(depths[3])
        )
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer3(self.layer2(self.layer1(x)))  # (N, C, H / 16, W / 16)
        x = x.flatten(2).transpose(1, 2)  # (N, HW / 256, C)
        tokens = None
        for transformer in self.transformers:
            x, tokens = transformer(x, tokens)
        assert tokens is not None
        return self.fc(tokens.mean(dim=1))


def _check_groups(model: str, groups: int) -> None:
    if 1024 % groups:
        raise OptionError(
            f"{model}: groups={groups} should divide the 1,024 channels of the last map: a power "
            "of two does.",
            "groups",
        )


wu_2020 = register_model(
    family="VT-ResNet",
    year=2020,
    paper=Paper(
        authors="Wu, Xu, Dai, Wan, Zhang, Yan, Tomizuka, Gonzalez, Keutzer, Vajda",
        title="Visual Transformers: Token-based Image Representation and Processing for Computer "
        "Vision",
        arxiv="2006.03677",
    ),
    idea="Pixels are gathered into a few tokens that each stand for a concept, and a transformer "
    "relates the concepts instead of convolving every pixel.",
    new=(
        "A tokeniser turns the map into sixteen tokens by attention over its pixels; later ones "
        "look for what the tokens before them suggest.",
        "The transformer works on sixteen tokens where a convolution works on every pixel.",
        "A projector lets every pixel of the map gather what the tokens found.",
    ),
    departs="There is no public code to compare with. Where the paper leaves a choice, this code "
    "uses one attention head, 16 groups for the maps on pixels, no projector after the last "
    "transformer, and the mean of the last tokens for the classifier; its counts therefore differ "
    "from the printed ones.",
)


@wu_2020
def vt_resnet50(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 4, 6, 3),
    tokens: Tokens = 16,
    groups: Groups = 16,
    tokenizer: Tokenizer = "recurrent",
) -> VTResNet:
    """VT-ResNet-50."""
    _check_groups("vt_resnet50", groups)
    return VTResNet(depths, tokens, groups, tokenizer, num_classes, in_channels)


@wu_2020
def vt_resnet101(
    num_classes: NumClasses = 1000,
    in_channels: InChannels = 3,
    depths: Depths = (3, 4, 23, 3),
    tokens: Tokens = 16,
    groups: Groups = 16,
    tokenizer: Tokenizer = "recurrent",
) -> VTResNet:
    """VT-ResNet-101."""
    _check_groups("vt_resnet101", groups)
    return VTResNet(depths, tokens, groups, tokenizer, num_classes, in_channels)
