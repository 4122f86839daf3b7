"""How much it is worth to align two rows, and in what they differ."""

from __future__ import annotations

from explorer.analysis._units import GATE, JOIN
from explorer.analysis.compare.records import Change, Shape
from explorer.analysis.compare.tables import COMPUTES, Config
from explorer.analysis.compare.words import window_text


def groups(a: Config, b: Config) -> tuple[int, int]:
    """The groups of two layers; alike where both are depthwise, whatever their width."""
    if _is_depthwise(a) and _is_depthwise(b):
        return 0, 0
    return a.groups or 1, b.groups or 1


def _is_depthwise(config: Config) -> bool:
    return (config.groups or 1) > 1 and config.groups == config.inputs


def window_changes(a: Config, b: Config) -> list[Change]:
    """In what two sliding windows differ."""
    values: list[tuple[str, Shape | str | None, Shape | str | None]]
    values = [("kernel", a.kernel, b.kernel), ("stride", a.stride, b.stride)]
    if a.kind == "weights" and (a.kernel is None) != (b.kernel is None):
        return []  # a linear layer and a 1x1 convolution: the function says so
    if a.kernel == b.kernel:
        # A larger kernel is padded more; that is no second change.
        values += [("dilation", a.dilation, b.dilation)]
        values += [("padding", a.padding, b.padding)]
    return [Change(what, window_text(x), window_text(y)) for what, x, y in values if x != y]


def score(a: Config, b: Config) -> int:
    """How much it is worth to align two rows; 0 for never."""
    if a.kind != b.kind or a.role != b.role:
        return 0
    if a.kind == "weights":
        return _weights_score(a, b)
    if a.role in (JOIN, GATE):
        return 60 if a == b else 45
    if a.kind in ("attention", "matmul", "recurrent"):
        return 80 if a == b else 60
    if a.kind in COMPUTES:
        return 12 + 4 * (a.function == b.function) + 4 * (a == b)
    return 4 + 2 * (a.function == b.function)


def _alike(x: int, y: int) -> float:
    return min(x, y) / max(x, y, 1)


def _weights_score(a: Config, b: Config) -> int:
    pointwise = [set(c.kernel or (1,)) == {1} and (c.groups or 1) == 1 for c in (a, b)]
    depthwise = [_is_depthwise(c) for c in (a, b)]
    if (pointwise[0] and depthwise[1]) or (pointwise[1] and depthwise[0]):
        return 0
    worth = 20 + 20 * (a.stride == b.stride) + 10 * (depthwise[0] == depthwise[1])
    worth += 30 * (a.kernel == b.kernel) + 5 * (a.groups == b.groups)
    # What a layer makes of its width says more about its part in a block than the width does.
    worth += round(10 * _alike(a.inputs, b.inputs) + 10 * _alike(a.width, b.width))
    worth += round(20 * _alike(a.width * b.inputs, b.width * a.inputs))
    # What stands alone behind the blocks is no part of the last one, though it be as wide.
    return worth + 10 * (a == b) + 40 * (a.in_block == b.in_block)
