"""What a vision transformer costs: its tokens, the parts of its blocks, its attention matrices.

Every formula stands beside the count of the real network; they are the same number. Sources: An
Image is Worth 16x16 Words, arXiv:2010.11929; Swin Transformer, arXiv:2103.14030, equations 1, 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from explorer.latency.memory import peak_activation_bytes
from explorer.lessons.pictures import Pixels, sample_picture
from explorer.trace import Trace, trace_model
from explorer.trace.records import OpRecord
from explorer.zoo import get_spec

BODIES: Final = (
    "deit_tiny_patch16_224",
    "deit_small_patch16_224",
    "vit_b_16",
    "vit_l_16",
    "vit_h_14",
)
"""One network for each width: all are cut into patches of any size here."""
CNN: Final = "resnet50"
WINDOWED: Final = "torchvision:swin_t"
WINDOW: Final = 7
"""Side of Swin's windows, in tokens."""
WINDOWED_UNIT: Final = 224
"""Sides that Swin's windows divide at every stage are multiples of this."""
FLOAT: Final = 4
"""Bytes of a float32."""
_PICTURE: Final = 384
"""Pixels a side of the picture that is cut."""


class Body(NamedTuple):
    """What a transformer is made of, whatever the image."""

    name: str
    dim: int
    """D: length of a token."""
    depth: int
    """Blocks."""
    heads: int
    hidden: int
    """Length of a token inside the MLP, r · D."""

    @property
    def ratio(self) -> int:
        """r."""
        return self.hidden // self.dim

    @property
    def crossover(self) -> int:
        """Tokens from which on QKᵀ and AV cost more than all linear layers: (2 + r) · D."""
        return (2 + self.ratio) * self.dim


class Part(NamedTuple):
    """One share of the MACs."""

    name: str
    """patches, qkv, attention, projection, mlp or head."""
    counted: int
    """In the real network."""
    formula: int
    """By the formula."""


class Transformer(NamedTuple):
    """A vision transformer for one image, built and counted."""

    body: Body
    side: int
    patch: int
    tokens: int
    """(side / patch)² + 1, for the class token."""
    params: int
    macs: int
    position_params: int
    """Weights of the position embedding: the only ones that depend on the size of the image."""
    embedding_params: int
    """Weights and biases that make a token of a patch."""
    parts: tuple[Part, ...]

    @property
    def matrix_bytes(self) -> int:
        """One block's attention matrices in float32, tokens x tokens for each head."""
        return self.body.heads * self.tokens**2 * FLOAT


class Windowed(NamedTuple):
    """Swin-T at one size: attention within windows."""

    side: int
    macs: int
    params: int
    tokens: int
    """Of the first stage."""
    attention: int
    """MACs of QKᵀ and AV as they are counted."""
    formula: int
    """The same by 2 · M² · N · C a block (equation 2)."""
    everywhere: int
    """What they would be if every token of a stage saw every other: 2 · N² · C (equation 1)."""


class Memory(NamedTuple):
    """Bytes that one block's attention takes for an image, beside q, k and v."""

    matrices: int
    """heads · N² · 4: the scores of all pairs, once."""
    written_out: int
    """Peak where scores and softmax are tensors of their own."""
    fused: int
    """Peak of `scaled_dot_product_attention` where a fused kernel runs."""


# -------------------------------------------------------------------- transformer


def body(name: str) -> Body:
    """Read what a network of `BODIES` is made of from its builder's options."""
    options: dict[str, Any] = {key: each.default for key, each in get_spec(name).options.items()}
    dim = options.get("embed_dim") or options["hidden_dim"]
    return Body(
        name=name,
        dim=dim,
        depth=options.get("depth") or options["num_layers"],
        heads=options["num_heads"],
        hidden=options.get("mlp_dim") or options["mlp_ratio"] * dim,
    )


def token_count(side: int, patch: int) -> int:
    """Patches of a square image, and the class token."""
    return (side // patch) ** 2 + 1


def transformer(name: str, side: int, patch: int, heads: int | None = None) -> Transformer:
    """Build a network of `BODIES` for an image and a patch size, and count it.

    Args:
        name: registered name.
        side: height and width of the image, in pixels.
        patch: side of a patch.
        heads: instead of the network's own number; must divide its width.

    Raises:
        InputSizeError: the image is not made of whole patches.
        OptionError: a patch or a number of heads that the network does not take.
    """
    made_of = body(name)
    made_of = made_of._replace(heads=heads or made_of.heads)
    trace = trace_model(
        name, (1, 3, side, side), options={"patch_size": patch, "num_heads": made_of.heads}
    )
    tokens = token_count(side, patch)
    counted = _counted(trace)
    formulas = formula_macs(made_of, side, patch)
    shapes = {record.name: record.numel for record in trace.parameters}
    return Transformer(
        body=made_of,
        side=side,
        patch=patch,
        tokens=tokens,
        params=trace.params,
        macs=trace.macs,
        position_params=next(n for name, n in shapes.items() if "pos_embed" in name),
        embedding_params=next(
            trace.calls[op.call].params for op in trace.ops if op.kind == "convolution"
        ),
        parts=tuple(Part(part, counted[part], macs) for part, macs in formulas.items()),
    )


def formula_macs(made_of: Body, side: int, patch: int, classes: int = 1000) -> dict[str, int]:
    """MACs of each part for one image by closed formulas, with N tokens of length D."""
    n, d, depth = token_count(side, patch), made_of.dim, made_of.depth
    return {
        "patches": (n - 1) * 3 * patch**2 * d,
        "qkv": depth * 3 * n * d**2,
        "attention": depth * 2 * n**2 * d,
        "projection": depth * n * d**2,
        "mlp": depth * 2 * n * d * made_of.hidden,
        "head": d * classes,
    }


def _counted(trace: Trace) -> dict[str, int]:
    """MACs of a traced transformer by part."""
    found = dict.fromkeys(("patches", "qkv", "attention", "projection", "mlp", "head"), 0)
    for op in trace.ops:
        if op.macs:
            found[_part(op, trace.calls[op.call].path)] += op.macs
    return found


def _part(op: OpRecord, path: str) -> str:
    if op.kind == "convolution":
        return "patches"
    if op.kind in ("attention", "matmul"):
        return "attention"
    if "mlp" in path:
        return "mlp"
    if "attn" in path or "attention" in path:
        wide = op.outputs[0].shape[-1] == 3 * op.input_tensors[0].shape[-1]
        return "qkv" if wide else "projection"
    return "head"


def cut(patches: int, *, windows: int = 0, gap: int = 3, paper: str = "#FFFFFF") -> Pixels:
    """Cut the sample picture into patches and move them apart.

    Args:
        patches: a side.
        windows: patches along a window; above 0, windows are moved apart and not patches.
        gap: pixels between two pieces.
        paper: colour between them, "#RRGGBB".

    Returns:
        Pixels, about `_PICTURE` a side; uncut if the pieces would be smaller than their gaps.
    """
    pieces = patches // (windows or 1)
    size = max(_PICTURE // pieces, 1)
    picture = sample_picture(pieces * size)
    if size <= gap:
        return picture
    apart = size + gap
    color = [int(paper[at : at + 2], 16) for at in (1, 3, 5)]
    sheet = np.full((pieces * apart - gap, pieces * apart - gap, 3), color, dtype=np.uint8)
    for row in range(pieces):
        for column in range(pieces):
            sheet[row * apart :, column * apart :][:size, :size] = picture[
                row * size : (row + 1) * size, column * size : (column + 1) * size
            ]
    return sheet


# ------------------------------------------------------------ beside a transformer


def macs_at(model: str, sides: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Count a registered model at several sizes: side in pixels, MACs."""
    return tuple((side, trace_model(model, (1, 3, side, side)).macs) for side in sides)


def windowed(side: int) -> Windowed:
    """Count Swin-T, with what its attention costs within windows and would cost without.

    Args:
        side: a multiple of `WINDOWED_UNIT`; else Swin pads its maps to whole windows.
    """
    trace = trace_model(WINDOWED, (1, 3, side, side))
    attention = sum(op.macs for op in trace.ops if op.kind == "matmul")
    blocks = [
        call.outputs[0].shape for call in trace.calls if call.module_class == "SwinTransformerBlock"
    ]  # each (1, H, W, C)
    sizes = [(shape[1] * shape[2], shape[3]) for shape in blocks]
    return Windowed(
        side=side,
        macs=trace.macs,
        params=trace.params,
        tokens=sizes[0][0],
        attention=attention,
        formula=sum(2 * WINDOW**2 * n * c for n, c in sizes),
        everywhere=sum(2 * n**2 * c for n, c in sizes),
    )


# ------------------------------------------------------------------------- memory


class WrittenOut(nn.Module):
    """softmax(QKᵀ / √d) V, one step after the other: the matrices of all pairs are tensors.

    Shape: three times (N, heads, tokens, d) -> (N, heads, tokens, d)
    """

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Return what each token gathers."""
        scores = query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5
        gathered: Tensor = scores.softmax(dim=-1) @ value
        return gathered


class Fused(nn.Module):
    """The same by torch's one function for it.

    Shape: three times (N, heads, tokens, d) -> (N, heads, tokens, d)
    """

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Return what each token gathers."""
        return F.scaled_dot_product_attention(query, key, value)


def attention_memory(tokens: int, heads: int, head_dim: int) -> Memory:
    """Trace both ways to compute attention, for one image in float32."""
    shape = (1, heads, tokens, head_dim)
    given = 3 * heads * tokens * head_dim * FLOAT
    peaks = [
        peak_activation_bytes(trace_model(module, (shape,) * 3)) - given
        for module in (WrittenOut(), Fused())
    ]
    return Memory(heads * tokens**2 * FLOAT, *peaks)


class _Kernels(TorchDispatchMode):
    """Notes which kernels run in this thread, and lets them."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def cpu_kernel() -> str:
    """Run a small attention for real on the CPU, and name the kernel that torch chose."""
    with torch.inference_mode(False), torch.no_grad(), _Kernels() as kernels:
        query = torch.ones(1, 2, 8, 16)
        Fused()(query, query, query)
    names: list[str] = kernels.names
    return next((name for name in names if "attention" in name), names[-1])
