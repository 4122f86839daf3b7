"""Which blocks of two models belong together, and in what such a pair differs.

What follows from a named change (the input width of the next layer, the normalization of a
convolution that is new, the resolution between two strides) is not named again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

from explorer.analysis._units import GATE, JOIN, MAIN, SHORTCUT, CountedBlock, is_depthwise
from explorer.analysis.compare import Change, Diff, DiffRow, window_text
from explorer.analysis.layers import Layer
from explorer.text import N_, _, n_

HEAD = N_("head")
"""Name of the stage, looked up as `explorer.analysis.stages` does."""
BLOCKS: dict[str, Callable[[int], str]] = {
    "residual": lambda n: n_("{n} residual block", "{n} residual blocks", n),
    "branches": lambda n: n_(
        "{n} block of parallel branches", "{n} blocks of parallel branches", n
    ),
    "dense": lambda n: n_("{n} dense layer", "{n} dense layers", n),
    "attention": lambda n: n_("{n} attention block", "{n} attention blocks", n),
    "transformer": lambda n: n_("{n} transformer block", "{n} transformer blocks", n),
}
"""Kind of a block -> so many of them in words."""
_RESIDUAL = frozenset(("depthwise", "inverted"))
"""A mobile block is a residual one also where its shape changes and it has no shortcut."""
SMALL = frozenset(("normalization", "activation"))
"""Kinds that come along with a layer with weights."""
NAMED = SMALL | {"pooling", "upsample"}
"""Kinds without weights whose coming and going is told."""
_CONSEQUENCES = frozenset(("input width", "width", "size", "stride", "cost"))
_IN_RECIPE = frozenset(("kernel", "groups", "operation"))
_NUMBERS = frozenset(("groups", "heads"))


class Fact(NamedTuple):
    """One thing in which a pair of blocks differs; equal ones are told once."""

    what: str
    """A property of a layer, or "order", "shortcut", "SE", "recipe", "layer"."""
    text: str
    """The whole fact; "" for numbers, which may differ from block to block."""
    before: int = 0
    after: int = 0
    detail: str = ""
    """What kind of it, counted where blocks differ in that."""


class Pair(NamedTuple):
    """Two blocks that belong together, or a block and layers that are in none."""

    left: int
    right: int
    """Indices in `Side.blocks`; -1 where the layers are in no block."""
    rows: tuple[DiffRow, ...]


def block_kind(kind: str) -> str:
    """A kind of block as far as it is told."""
    return "residual" if kind in _RESIDUAL else kind


def several_blocks(number: int, kind: str) -> str:
    """So many blocks of a kind in words; kinds that are not listed name themselves."""
    if kind in BLOCKS:
        return BLOCKS[kind](number)
    text = _("{n} {kind} block") if number == 1 else _("{n} {kind} blocks")
    return text.format(n=number, kind=kind)


def row_layer(row: DiffRow) -> Layer:
    """The left layer of a row, or the right one if there is only that."""
    found = row.left or row.right
    assert found is not None
    return found


def is_named(row: DiffRow) -> bool:
    """Whether a layer computes enough to be worth a word."""
    layer = row_layer(row)
    return bool(layer.macs) or layer.kind in NAMED


def one_sided(row: DiffRow, left: bool, right: bool) -> DiffRow | None:
    """Return what is left of a row when only one of its layers, or none, is looked at."""
    if left and right:
        return row
    one, other = (row.left if left else None), (row.right if right else None)
    if not one and not other:
        return None
    return row._replace(left=one, right=other, changes=(), status="left" if one else "right")


# --- which belong together ------------------------------------------------------------------


def pairs(diff: Diff) -> list[Pair]:
    """Blocks that are each other's best partner, by the layers with weights that they share."""
    votes: Counter[tuple[int, int]] = Counter()
    weights: tuple[Counter[int], Counter[int]] = (Counter(), Counter())
    for row in diff.rows:
        if row.stage == _(HEAD) or row.role != MAIN:
            continue
        weights[0][row.left_block] += bool(row.left and row.left.macs)
        weights[1][row.right_block] += bool(row.right and row.right.macs)
        votes[row.left_block, row.right_block] += bool(row.left and row.right and row.left.macs)
    best_left = _best((pair, times) for pair, times in votes.items())
    best_right = _best(((b, a), times) for (a, b), times in votes.items())
    found = []
    for (left, right), shared in votes.items():
        mutual = left < 0 or best_left[left] == right
        mutual &= right < 0 or best_right[right] == left
        numbers = [weights[side][i] for side, i in enumerate((left, right)) if i >= 0]
        least = min(numbers, default=0)
        # Layers in no block are a block's partner only if all of its own are among them.
        enough = shared >= least if min(left, right) < 0 else 2 * shared >= least
        if mutual and shared > 0 and enough and _alike(diff, left, right):
            found.append((left, right))
    matched = [Pair(*pair, _rows(diff, *pair)) for pair in sorted(found, key=max)]
    return [pair for pair in matched if min(pair.left, pair.right) >= 0 or _is_run(pair)]


def _is_run(pair: Pair) -> bool:
    """Whether the layers that a block is paired with are its own, each with its kernel."""
    changes = [change.what for row in pair.rows for change in row.changes]
    return "kernel" not in changes and "operation" not in changes


def _best(votes: Iterable[tuple[tuple[int, int], int]]) -> dict[int, int]:
    best: dict[int, tuple[int, int]] = {}
    for (one, other), times in votes:
        if one not in best or times > best[one][0]:
            best[one] = (times, other)
    return {one: other for one, (_times, other) in best.items()}


def _alike(diff: Diff, left: int, right: int) -> bool:
    """Whether two blocks are of one kind.

    A residual block without its shortcut is a run of layers, and may be paired with such a run.
    """
    units = [
        side.blocks[index]
        for side, index in ((diff.left, left), (diff.right, right))
        if index >= 0
    ]  # fmt: skip
    if len(units) == 1:
        return bool(units[0].shortcuts)
    return len(units) == 2 and block_kind(units[0].kind) == block_kind(units[1].kind)


def _rows(diff: Diff, left: int, right: int) -> tuple[DiffRow, ...]:
    """The rows of a pair; a layer whose partner is elsewhere has none here."""
    found = []
    for row in diff.rows:
        inside = row.left_block == left, row.right_block == right
        if (left >= 0 and inside[0]) or (right >= 0 and inside[1]):
            kept = one_sided(row, *inside)
            if kept:
                found.append(kept)
    return tuple(found)


# --- what they differ in --------------------------------------------------------------------


def facts(diff: Diff, pair: Pair) -> list[Fact]:
    """Everything in which two blocks differ, consequences left out."""
    left = diff.left.blocks[pair.left] if pair.left >= 0 else None
    right = diff.right.blocks[pair.right] if pair.right >= 0 else None
    shortcuts = left.shortcuts if left else (), right.shortcuts if right else ()
    told = _shortcut(*shortcuts)
    if not left or not right:
        return [*told, *_layers(pair, moved=False)]
    before, after = diff.left.preactivated[pair.left], diff.right.preactivated[pair.right]
    moved = before != after and left.kind == right.kind == "residual"
    if moved:
        told.insert(0, _order(before))
    elif left.shortcuts == right.shortcuts:
        told += _shortcut_layers(pair)
    told += _gates(left, right)
    rest = _layers(pair, moved)
    # Whether a mobile block has a shortcut follows from its widths and its stride.
    mobile = {left.kind, right.kind} & {"depthwise", "inverted"}
    follows = bool(mobile) and any("width" in f.what for f in rest)
    return [*(fact for fact in told if not (follows and fact.what == "shortcut")), *rest]


def _order(before: bool) -> Fact:
    if before:
        return Fact(
            "order", _("normalization and activation behind each convolution, not before it")
        )
    return Fact(
        "order",
        _("pre-activation (normalization and activation before each convolution, not behind)"),
    )


def _shortcut(left: tuple[str, ...], right: tuple[str, ...]) -> list[Fact]:
    if left == right:
        return []
    if not right:
        return [Fact("shortcut", _("shortcut removed"), detail=left[0])]
    if not left:
        return [Fact("shortcut", _("shortcut added"), detail=right[0])]
    before, after = (_(" and ").join(map(_, names)) for names in (left, right))
    text = _("shortcut {before} -> {after}")
    return [Fact("shortcut", text.format(before=before, after=after))]


def _gates(left: CountedBlock, right: CountedBlock) -> list[Fact]:
    if left.gates == right.gates:
        return []
    return [Fact("SE", "+ SE" if right.gates > left.gates else "- SE")]


def _shortcut_layers(pair: Pair) -> list[Fact]:
    rows = [row for row in pair.rows if row.role == SHORTCUT]
    alone = [row for row in rows if row.status in ("left", "right") and is_named(row)]
    return [Fact("shortcut", _("shortcut {layer}").format(layer=only(row))) for row in alone]


def _layers(pair: Pair, moved: bool) -> list[Fact]:
    """What the layers of a block say."""
    main = [row for row in pair.rows if row.role == MAIN]
    found = [*_widths(pair, main), *_strides(main)]
    recipe = _recipe(pair, main)
    for row in pair.rows:
        if row.role in (MAIN, GATE):
            for change in row.changes:
                if not (recipe and change.what in _IN_RECIPE):
                    found += _change(row, change)
    found += _gate_widths(pair, found)
    return [*found, *(recipe or _unpaired(main, moved))]


def _change(row: DiffRow, change: Change) -> list[Fact]:
    """A change of one layer, unless it is told elsewhere or follows from another."""
    if change.what in _CONSEQUENCES or (change.what == "operation" and not is_named(row)):
        return []
    if row.role == GATE:
        return [Fact("SE", f"SE {change}")]
    if change.what == "groups" and row.left and row.right:
        after = is_depthwise(row.right)
        if after or is_depthwise(row.left):
            return [Fact("groups", _("depthwise") if after else _("not depthwise"))]
    if change.what in _NUMBERS:
        return [_number(change.what, change)]
    return [Fact(change.what, str(change))]


def _number(what: str, change: Change) -> Fact:
    return Fact(what, "", int(change.before), int(change.after))


def _gate_widths(pair: Pair, found: list[Fact]) -> list[Fact]:
    """The width of the gate's first layer, where the block's own widths do not explain it."""
    if any("width" in fact.what for fact in found):
        return []
    for row in pair.rows:
        for change in row.changes:
            if row.role == GATE and change.what == "width":
                return [_number("SE width", change)]
    return []


def _widths(pair: Pair, main: list[DiffRow]) -> list[Fact]:
    """The width inside the block, and that of its result."""
    weighted = [row for row in main if row.left and row.right and row.left.macs]
    joins = [row for row in pair.rows if row.role == JOIN]
    inside = [(row, change) for row in weighted[:-1] for change in _width_changes(row)]
    last = _width_changes(joins[-1]) if joins else []
    if joins and row_layer(joins[-1]).kind == "concat":
        inside += [(row, change) for row in weighted[-1:] for change in _width_changes(row)]
        found = [Fact("branch widths", _("branch widths changed"))] if inside else []
        return found + [_number("output width", change) for change in last]
    if not joins or joins[-1].status in ("left", "right"):
        last = [change for row in weighted[-1:] for change in _width_changes(row)]
    found = []
    if inside:
        # The widest window is what a block is named by; of two the first.
        chosen = max(inside, key=lambda pair: _window(pair[0]))[1]
        found.append(_number("width", chosen))
    return found + [_number("output width", change) for change in last[:1]]


def _width_changes(row: DiffRow) -> list[Change]:
    return [change for change in row.changes if change.what == "width"]


def _window(row: DiffRow) -> int:
    kernel = row_layer(row).kernel
    return max(kernel) if kernel else 1


def _strides(main: list[DiffRow]) -> list[Fact]:
    """A stride that moved from one layer to another, or changed."""
    changed = [(row, change) for row in main for change in row.changes if change.what == "stride"]
    if len(changed) == 2:
        first, second = changed[0][1], changed[1][1]
        if (first.before, first.after) == (second.after, second.before):
            start, end = changed if first.after == "1" else changed[::-1]
            source, target = _ordinal(start[0], main), _ordinal(end[0], main)
            text = _("stride {n} moved from the {source} to the {target}")
            text = text.format(n=start[1].before, source=source, target=target)
            return [Fact("stride", text)]
    return [Fact("stride", str(change)) for _row, change in changed]


def _ordinal(row: DiffRow, main: list[DiffRow]) -> str:
    """A layer by its kernel, with its place among those of the same name."""
    name = layer_name(row_layer(row))
    same = [other for other in main if layer_name(row_layer(other)) == name]
    if len(same) == 1:
        return name
    text = _("middle {layer}")
    if same[0] is row:
        text = _("first {layer}")
    elif same[-1] is row:
        text = _("last {layer}")
    return text.format(layer=name)


def _recipe(pair: Pair, main: list[DiffRow]) -> list[Fact]:
    """The layers with weights of both blocks in a line, where one has others than the other."""
    recipes = []
    for side in (0, 1):
        layers = [(row.left, row.right)[side] for row in main]
        recipes.append([layer for layer in layers if layer and layer.macs])
    alone = any(
        row.status != "changed" and row.status != "same" and row_layer(row).macs for row in main
    )
    most = max(map(len, recipes))
    branched = any(row.role == JOIN and row_layer(row).kind == "concat" for row in pair.rows)
    if not alone or branched or min(pair.left, pair.right) < 0 or most > 4:
        return []
    texts = [" - ".join(map(_short_name, layers)) for layers in recipes]
    if texts[0] == texts[1]:  # a gate that stands elsewhere keeps its neighbours apart
        return [Fact("recipe", _("layers in another order"))]
    return [Fact("recipe", f"{texts[0] or _('nothing')} -> {texts[1] or _('nothing')}")]


def _short_name(layer: Layer) -> str:
    if layer.kind == "convolution" and layer.kernel:
        size = _window_name(layer.kernel)
        return _("{size} depthwise").format(size=size) if is_depthwise(layer) else size
    return _(layer.kind)


def _unpaired(main: list[DiffRow], moved: bool) -> list[Fact]:
    """Layers that only one block has; of those without weights only where no other is new."""
    alone = [row for row in main if row.status in ("left", "right")]
    weighted = [row for row in alone if row_layer(row).macs]
    if weighted or moved:
        return [Fact("layer", only(row)) for row in weighted]
    return [Fact("layer", only(row)) for row in alone if row_layer(row).kind in NAMED]


# --- layers in words ------------------------------------------------------------------------


def only(row: DiffRow) -> str:
    """A layer that one model has: "+ 1×1 convolution" where it is the right one."""
    return f"{'-' if row.status == 'left' else '+'} {layer_name(row_layer(row))}"


def layer_name(layer: Layer) -> str:
    """A layer in words: "3×3 convolution", "linear layer", "normalization"."""
    if layer.kind == "convolution" and layer.kernel:
        text = _("{size} depthwise convolution") if is_depthwise(layer) else _("{size} convolution")
        return text.format(size=_window_name(layer.kernel))
    return _("linear layer") if layer.kind == "linear" else _(layer.kind)


def _window_name(window: tuple[int, ...]) -> str:
    kernel = window_text(window)
    return "×".join([kernel] * len(window)) if kernel.isdigit() else kernel
