"""What two models differ in, in the words of someone who knows both.

The aligned rows say it layer by layer; here they are gathered into what was changed: the blocks
that have a partner and differ, and in what; how many blocks each stage has; and what stands
outside the blocks. What follows from a named change (the input width of the next layer, the
normalization of a convolution that is new) is not named again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from explorer.analysis._units import GATE, MAIN, SHORTCUT, Unit, is_depthwise
from explorer.analysis.compare import (
    NOT_RUN,
    AlignedStage,
    Change,
    Diff,
    DiffRow,
    window_text,
)
from explorer.analysis.layers import Layer
from explorer.analysis.units import compact, count, percent

_MOST = 7
"""Differences named in one sentence."""
_HEAD = "head"
_BLOCKS = {
    "residual": "residual blocks",
    "depthwise": "residual blocks",
    "branches": "blocks of parallel branches",
    "dense": "dense layers",
    "attention": "attention blocks",
    "transformer": "transformer blocks",
}
"""A mobile block is a residual one also where its shape changes and it has no shortcut."""
_LOOSE_KINDS = ("normalization", "activation", "pooling", "upsample")
"""Kinds named when they are only in one model and stand outside the blocks."""
_ORDER = (
    "kind", "order", "shortcut", "all widths", "width", "output width", "branch widths", "groups",
    "kernel", "stride", "SE", "layer", "activation", "normalization", "pooling", "operation",
)  # fmt: skip


class Fact(NamedTuple):
    """One thing in which a block differs: equal ones are told once."""

    what: str
    """A word of `_ORDER`, or another property of a layer."""
    text: str
    """The whole fact; "" for a number that may differ from block to block."""
    before: int = 0
    after: int = 0
    detail: str = ""
    """What kind of it, counted where blocks differ in that."""


class _Pair(NamedTuple):
    left: int
    right: int
    """Indices of blocks, -1 where the layers stand in no block."""
    stage: str
    rows: tuple[DiffRow, ...]


def summary(diff: Diff, names: tuple[str, str] | None = None) -> list[str]:
    """Return a few sentences, the most important first.

    Args:
        diff: two aligned models.
        names: what the left and the right model are called; as registered if None.
    """
    left, right = names or (diff.left.name, diff.right.name)
    if all(row.status == "same" for row in diff.rows):
        return [_same(diff, left, right)]
    pairs = _pairs(diff)
    found = [
        _tokens(diff),
        _counts(diff, pairs),
        _blocks(diff, pairs),
        _loose(diff, pairs),
        _idle(diff),
    ]
    told = [clause for clause in found if clause]
    if not told:
        told = ["in layers that compute nothing: reshaping and dropout"]
    closing = f"{_stages(diff.stages, left, right)}; {_totals(diff)}."
    sentences = [f"{right} differs from {left} {told[0]}; {closing}"]
    return sentences + [_also(clause) for clause in told[1:]] + _strangers(diff)


def _also(clause: str) -> str:
    """A further difference, as a sentence of its own."""
    return f"Also {clause}." if clause.startswith("in ") else f"{clause[0].upper()}{clause[1:]}."


# --- the whole ------------------------------------------------------------------------------


def _same(diff: Diff, left: str, right: str) -> str:
    layers = f"all {count(len(diff.rows))} layers are the same"
    if diff.left.input_shape == diff.right.input_shape:
        size = f"{compact(diff.left.params)} params, {compact(diff.left.cost)} {diff.unit}"
        return f"{left} and {_again(left, right)} are identical: {layers}; {size}."
    memory = _ratio(diff.left.activation_bytes, diff.right.activation_bytes, "activation memory")
    return f"{right} differs from {left} in the input alone: {layers}; {_totals(diff)}, {memory}."


def _again(left: str, right: str) -> str:
    """The second name, without the number that tells two equal ones apart."""
    return left if right == f"{left} (2)" else right


def _totals(diff: Diff) -> str:
    params = _ratio(diff.left.params, diff.right.params, "params")
    cost = _ratio(diff.left.cost, diff.right.cost, diff.unit)
    if diff.left.lower_bound or diff.right.lower_bound:
        cost += " (not all operations have a known cost)"
    return f"{params}, {cost}"


def _ratio(before: int, after: int, what: str) -> str:
    """A change in per cent, or as a factor where it is large."""
    if before == after:
        return f"same {what}"
    if not before:
        return f"+{compact(after)} {what}"
    change = after / before - 1
    if change >= 1:
        return f"{after / before:.2f} times the {what}"
    size = percent(abs(change))
    more = "more" if change > 0 else "fewer" if what == "params" else "less"
    sign = "+" if change > 0 else "-"
    return f"{size} {more} {what}" if size.startswith("<") else f"{sign}{size} {what}"


def _stages(stages: Sequence[AlignedStage], left: str, right: str) -> str:
    only_left = [stage.name for stage in stages if stage.stages[1] is None]
    only_right = [stage.name for stage in stages if stage.stages[0] is None]
    if not only_left and not only_right:
        return "same stages"
    told = []
    if only_left:
        told.append(f"{_list(only_left)} only in {left}")
    if only_right:
        told.append(f"{_list(only_right)} only in {right}")
    return ", ".join(told)


def _strangers(diff: Diff) -> list[str]:
    """A warning where most layers with weights have no partner."""
    lefts = [row for row in diff.rows if row.left and row.left.macs]
    rights = [row for row in diff.rows if row.right and row.right.macs]
    partners = sum(bool(row.right) for row in lefts)
    if 2 * partners >= min(len(lefts), len(rights)):
        return []
    return [
        f"They have little in common: {partners} of {len(lefts)} and {len(rights)} layers with "
        "weights or products have a partner."
    ]


def _tokens(diff: Diff) -> str:
    """How many tokens the two have, where they differ."""
    for stage in diff.stages:
        left, right = stage.stages
        if not left or not right or not left.name.endswith(" tokens"):
            continue
        before, after = left.name.split()[0], right.name.split()[0]
        if before == after or not after.isdigit() or not right.name.endswith(" tokens"):
            continue
        more = int(after) - int(before)
        if diff.left.input_shape != diff.right.input_shape or abs(more) != 1:
            return f"in the number of tokens, {before} -> {after}"
        return f"in one {'more' if more > 0 else 'less'} token ({before} -> {after})"
    return ""


def _idle(diff: Diff) -> str:
    """Modules that hold parameters and never ran."""
    rows = [row for row in diff.rows if row.stage == NOT_RUN and row.params]
    if not rows:
        return ""
    return f"in modules that never run ({sum(row.params for row in rows):+,} params)"


# --- blocks ---------------------------------------------------------------------------------


def _pairs(diff: Diff) -> list[_Pair]:
    """Blocks that are each other's best partner, by the layers with weights that they share."""
    votes: Counter[tuple[int, int]] = Counter()
    for row in diff.rows:
        if row.left and row.right and row.left.macs and row.stage != _HEAD:
            votes[row.left_block, row.right_block] += 1
    best_left = _best((pair, times) for pair, times in votes.items() if pair[0] >= 0)
    best_right = _best(((b, a), times) for (a, b), times in votes.items() if b >= 0)
    partners = [
        (a, b)
        for a, b in votes
        if (a < 0 or best_left[a] == b)
        and (b < 0 or best_right[b] == a)
        and _belong(diff, a, b, votes[a, b])
    ]
    found = []
    for left, right in sorted(partners, key=lambda pair: (max(pair), pair)):
        rows = tuple(
            row
            for row in diff.rows
            if (left >= 0 and row.left_block == left) or (right >= 0 and row.right_block == right)
        )
        found.append(_Pair(left, right, rows[0].stage, rows))
    return found


def _belong(diff: Diff, left: int, right: int, shared: int) -> bool:
    """Whether two blocks, or a block and layers in none, have enough in common to be partners.

    A residual block without its shortcut is a run of layers; nothing else is found in such.
    """
    weights = [
        sum(
            bool(layer and layer.macs and block == index and row.role == MAIN)
            for row in diff.rows
            for layer, block in [
                (row.left, row.left_block) if side == 0 else (row.right, row.right_block)
            ]
        )
        for side, index in enumerate((left, right))
        if index >= 0
    ]
    units = [
        side.blocks[index] for side, index in ((diff.left, left), (diff.right, right)) if index >= 0
    ]
    if len(units) == 1 and not units[0].shortcuts:
        return False
    return bool(units) and 2 * shared >= min(weights)


def _best(votes: Iterable[tuple[tuple[int, int], int]]) -> dict[int, int]:
    best: dict[int, tuple[int, int]] = {}
    for (one, other), times in votes:
        if one not in best or times > best[one][0]:
            best[one] = (times, other)
    return {one: other for one, (_, other) in best.items()}


def _counts(diff: Diff, pairs: list[_Pair]) -> str:
    """Stages with more or fewer blocks, those without a partner counted."""
    paired = {pair.left for pair in pairs}, {pair.right for pair in pairs}
    sides = diff.left, diff.right
    told = []
    for stage in diff.stages:
        alone = [
            [
                unit
                for index, unit in enumerate(side.blocks)
                if index not in known and side.block_stages[index] == stage.name
            ]
            for side, known in zip(sides, paired, strict=True)
        ]
        if stage.name == _HEAD or not any(alone):
            continue
        numbers = [
            sum(
                name == stage.name and not _is_reduction(unit)
                for name, unit in zip(side.block_stages, side.blocks, strict=True)
            )
            for side in sides
        ]
        text = f"{stage.name} {numbers[0]} -> {numbers[1]}" if numbers[0] != numbers[1] else ""
        reductions = [sum(map(_is_reduction, units)) for units in alone]
        extra = _reductions(reductions[1] - reductions[0])
        told += [_joined(stage.name, text, extra)] if text or extra else []
    return f"in the number of blocks: {', '.join(told)}" if told else ""


def _joined(stage: str, text: str, extra: str) -> str:
    if text and extra:
        return f"{text} and {extra}"
    return text or f"{stage} {extra}"


def _is_reduction(unit: Unit) -> bool:
    """Whether a block only makes the map smaller, by branches that are joined."""
    return unit.kind == "branches" and unit.reduces


def _reductions(more: int) -> str:
    if not more:
        return ""
    sign, number = "+" if more > 0 else "-", abs(more)
    return f"{sign}{number} reduction block{'s' if number > 1 else ''}"


def _blocks(diff: Diff, pairs: list[_Pair]) -> str:
    """What the blocks that have a partner differ in."""
    facts = [(pair, _facts(diff, pair)) for pair in pairs]
    differing = [(pair, found) for pair, found in facts if found]
    if not differing:
        return ""
    told = _told(_scaled([found for _, found in differing]))
    return f"in {_which(diff, pairs, [pair for pair, _ in differing])}: {told}"


def _which(diff: Diff, pairs: list[_Pair], differing: list[_Pair]) -> str:
    number, whole = len(differing), len(pairs)
    most = max(len(diff.left.blocks), len(diff.right.blocks))
    blocks = f"{number} block{'s' if number > 1 else ''}"
    if number < whole:
        firsts = _first_of(diff, differing)
        return f"{number} of {whole} blocks" + (f" ({firsts})" if firsts else "")
    return blocks if whole >= most or not _counts(diff, pairs) else f"{blocks} that both have"


def _first_of(diff: Diff, differing: list[_Pair]) -> str:
    """The stages whose first blocks these are, if they all are such."""
    side = diff.right if all(pair.right >= 0 for pair in differing) else diff.left
    places = [pair.right if side is diff.right else pair.left for pair in differing]
    if min(places) < 0 or any(side.block_stages.index(side.block_stages[i]) != i for i in places):
        return ""
    names = [side.block_stages[i] for i in places]
    return f"the first of {_list(names)}"


def _told(blocks: list[list[Fact]]) -> str:
    """Each fact once, with the number of blocks where it is not all of them."""
    times: Counter[tuple[str, str]] = Counter()
    ranges: dict[str, list[Fact]] = {}
    details: dict[tuple[str, str], Counter[str]] = {}
    for facts in blocks:
        for key in dict.fromkeys((fact.what, fact.text) for fact in facts):
            times[key] += 1
        for fact in facts:
            if not fact.text:
                ranges.setdefault(fact.what, []).append(fact)
            details.setdefault((fact.what, fact.text), Counter())[fact.detail] += 1
    ordered = sorted(times, key=lambda key: (-times[key], _rank(key[0])))
    told = []
    for what, text in ordered:
        number = times[what, text]
        words = text or _range(what, ranges[what])
        words += _details(details[what, text])
        told.append(words if number == len(blocks) else f"{words} (in {number})")
    more = len(told) - _MOST
    if more > 1:
        told[_MOST:] = [f"and {more} more"]
    return ", ".join(told)


def _details(times: Counter[str]) -> str:
    """What kinds a fact is of, where it is of several: " (5 identity, 3 projection)"."""
    if len(times) < 2:
        return ""
    return f" ({', '.join(f'{number} {name}' for name, number in times.most_common())})"


def _rank(what: str) -> int:
    return _ORDER.index(what) if what in _ORDER else len(_ORDER)


def _range(what: str, facts: list[Fact]) -> str:
    """Numbers that changed: the first as an example where all grow alike, else their ranges."""
    values = list(dict.fromkeys((fact.before, fact.after) for fact in facts))
    before, after = values[0]
    if len(values) == 1:
        return f"{what} {before} -> {after}"
    if len({b / a for a, b in values}) == 1:
        return f"{what} {before} -> {after} (×{after / before:.3g} in every stage)"
    spans = [sorted({value[side] for value in values}) for side in (0, 1)]
    return f"{what} {_span(spans[0])} -> {_span(spans[1])}"


def _span(values: list[int]) -> str:
    return str(values[0]) if len(values) == 1 else f"{values[0]} to {values[-1]}"


# --- one pair of blocks ---------------------------------------------------------------------


def _facts(diff: Diff, pair: _Pair) -> list[Fact]:
    """Everything in which two blocks differ, consequences left out."""
    left = diff.left.blocks[pair.left] if pair.left >= 0 else None
    right = diff.right.blocks[pair.right] if pair.right >= 0 else None
    if not left or not right:
        one, other = (left.shortcuts if left else (), right.shortcuts if right else ())
        return [*_shortcut(one, other), *_layer_facts(pair, moved=False)]
    if _BLOCKS[left.kind] != _BLOCKS[right.kind]:
        return [Fact("kind", f"{_BLOCKS[right.kind]} instead of {_BLOCKS[left.kind]}")]
    before = diff.left.preactivated[pair.left]
    moved = before != diff.right.preactivated[pair.right] and left.kind == right.kind == "residual"
    facts = [_order(before)] if moved else []
    facts += _shortcut(left.shortcuts, right.shortcuts)
    facts += _gates(left, right)
    if left.shortcuts == right.shortcuts and not moved:
        facts += _shortcut_layers(pair)
    return facts + _layer_facts(pair, moved)


def _recipe(pair: _Pair) -> list[Fact]:
    """The convolutions of both blocks, where one has more of them."""
    recipes = []
    for side in (0, 1):
        layers = [(row.left, row.right)[side] for row in pair.rows if row.role == MAIN]
        recipes.append([layer for layer in layers if layer and layer.macs])
    if len(recipes[0]) == len(recipes[1]):
        return []
    before, after = (", ".join(map(_short_name, layers)) for layers in recipes)
    return [Fact("layer", f"{before} -> {after}")]


def _short_name(layer: Layer) -> str:
    return _layer_name(layer).removesuffix(" convolution").removesuffix(" layer")


def _order(before: bool) -> Fact:
    if before:
        return Fact("order", "normalization and activation behind each convolution, not before it")
    return Fact(
        "order", "pre-activation (normalization and activation before each convolution, not behind)"
    )


def _shortcut(left: tuple[str, ...], right: tuple[str, ...]) -> list[Fact]:
    if left == right:
        return []
    if not right:
        return [Fact("shortcut", "shortcut removed", detail=left[0])]
    if not left:
        return [Fact("shortcut", "shortcut added", detail=right[0])]
    return [Fact("shortcut", f"shortcut {_list(left)} -> {_list(right)}")]


def _gates(left: Unit, right: Unit) -> list[Fact]:
    if left.gates == right.gates:
        return []
    sign = "+" if right.gates > left.gates else "-"
    return [Fact("SE", f"{sign} SE")]


def _shortcut_layers(pair: _Pair) -> list[Fact]:
    rows = [row for row in pair.rows if row.role == SHORTCUT and row.status in ("left", "right")]
    return [Fact("shortcut", f"shortcut {_only(row)}") for row in rows]


def _layer_facts(pair: _Pair, moved: bool) -> list[Fact]:
    """What the layers of a block say."""
    rows = [row for row in pair.rows if row.role in (MAIN, GATE)]
    main = [row for row in rows if row.role == MAIN]
    strides = _strides(main)
    facts = [*_widths(pair, main), *strides]
    recipe = _recipe(pair) if pair.left >= 0 and pair.right >= 0 else []
    for row in rows:
        for change in row.changes:
            if not (recipe and change.what == "kernel"):
                facts += _change_fact(row, change)
    facts += _gate_widths(rows, facts)
    return [*facts, *(recipe or _unpaired(main, moved))]


_CONSEQUENCES = frozenset(("input width", "width", "size", "stride", "cost"))
_NUMBERS = frozenset(("groups", "heads"))


def _change_fact(row: DiffRow, change: Change) -> list[Fact]:
    """A change of one layer, unless it is told elsewhere or follows from another."""
    if change.what in _CONSEQUENCES:
        return []
    if row.role == GATE:
        return [Fact("SE", f"SE {change}")]
    if change.what == "groups" and row.left and row.right:
        deep = is_depthwise(row.left), is_depthwise(row.right)
        if any(deep):
            return [Fact("groups", f"{'' if deep[1] else 'not '}depthwise")]
    if change.what in _NUMBERS:
        return [_width(change.what, change)]
    return [Fact(change.what, str(change))]


def _gate_widths(rows: list[DiffRow], facts: list[Fact]) -> list[Fact]:
    """The width of the gate's first layer, where the block's own widths do not explain it."""
    if any("width" in fact.what for fact in facts):
        return []
    for row in rows:
        if row.role == GATE:
            for change in row.changes:
                if change.what == "width":
                    return [Fact("SE width", "", int(change.before), int(change.after))]
    return []


def _widths(pair: _Pair, main: list[DiffRow]) -> list[Fact]:
    """The width inside the block and of its result."""
    weighted = [row for row in main if row.left and row.right and row.left.macs]
    joins = [row for row in pair.rows if row.role == "join"]
    if not weighted:
        return []
    changed = {
        index: change
        for index, row in enumerate(weighted)
        for change in row.changes
        if change.what == "width"
    }
    if joins and joins[-1].left and joins[-1].left.kind == "concat":
        return _branch_widths(joins[-1], bool(changed))
    last = changed.pop(len(weighted) - 1, None)
    if joins and joins[-1].left and joins[-1].right:
        last = next((change for change in joins[-1].changes if change.what == "width"), None)
    facts = []
    if changed:
        # The widest window is what a block is named by; of two the first.
        chosen = max(changed, key=lambda i: (_window(weighted[i]), -i))
        facts.append(_width("width", changed[chosen]))
    if last:
        facts.append(_width("output width", last))
    return facts


def _scaled(blocks: list[list[Fact]]) -> list[list[Fact]]:
    """Width and output width as one fact, where they are in proportion in every block."""
    widths = [
        [fact for fact in facts if fact.what in ("width", "output width")] for facts in blocks
    ]
    ratios = {fact.after / fact.before for facts in widths for fact in facts}
    if len(ratios) != 1 or any(len(facts) == 1 for facts in widths):
        return blocks
    return [
        [
            fact._replace(what="all widths") if fact.what == "width" else fact
            for fact in facts
            if fact.what != "output width"
        ]
        for facts in blocks
    ]


def _branch_widths(join: DiffRow, inside: bool) -> list[Fact]:
    facts = [Fact("branch widths", "branch widths changed")] if inside else []
    found = [change for change in join.changes if change.what == "width"]
    return facts + [_width("output width", change) for change in found]


def _width(what: str, change: Change) -> Fact:
    return Fact(what, "", int(change.before), int(change.after))


def _window(row: DiffRow) -> int:
    kernel = row.left.kernel if row.left else None
    return max(kernel) if kernel else 1


def _strides(main: list[DiffRow]) -> list[Fact]:
    """A stride that moved from one layer to another, or changed."""
    changed = [(row, change) for row in main for change in row.changes if change.what == "stride"]
    if len(changed) == 2:
        (_, first), (_, second) = changed
        if (first.before, first.after) == (second.after, second.before):
            start, end = changed if first.after == "1" else changed[::-1]
            source, target = _ordinal(start[0], main), _ordinal(end[0], main)
            text = f"stride {start[1].before} moved from the {source} to the {target}"
            return [Fact("stride", text)]
    return [Fact("stride", str(change)) for _, change in changed]


def _ordinal(row: DiffRow, main: list[DiffRow]) -> str:
    """A layer by its kernel, with its place among those of the same kernel."""
    same = [
        other
        for other in main
        if other.left and row.left and other.left.macs and other.left.kernel == row.left.kernel
    ]
    name = _layer_name(row.left or row.right)
    if len(same) == 1:
        return name
    place = [other is row for other in same].index(True)
    return f"{'first' if place == 0 else 'last' if place + 1 == len(same) else 'middle'} {name}"


def _unpaired(main: list[DiffRow], moved: bool) -> list[Fact]:
    """Layers that only one block has; of those without weights only where no other is new."""
    alone = [row for row in main if row.status in ("left", "right")]
    weighted = [row for row in alone if _row_layer(row).macs]
    if weighted:
        return [Fact("layer", _only(row)) for row in weighted]
    if moved:
        return []
    return [Fact("layer", _only(row)) for row in alone if _row_layer(row).kind in _LOOSE_KINDS]


def _row_layer(row: DiffRow) -> Layer:
    found = row.left or row.right
    assert found is not None
    return found


def _only(row: DiffRow) -> str:
    sign = "-" if row.status == "left" else "+"
    return f"{sign} {_layer_name(_row_layer(row))}"


def _layer_name(layer: Layer | None) -> str:
    """A layer in words: "3×3 convolution", "linear layer", "normalization"."""
    if layer is None:
        return "layer"
    if layer.kind == "convolution" and layer.kernel:
        kernel = window_text(layer.kernel)
        size = "×".join([kernel] * len(layer.kernel)) if kernel.isdigit() else kernel
        return f"{size} {'depthwise ' if is_depthwise(layer) else ''}convolution"
    return "linear layer" if layer.kind == "linear" else layer.kind


# --- outside the blocks ---------------------------------------------------------------------


def _loose(diff: Diff, pairs: list[_Pair]) -> str:
    """What differs in the layers that belong to no block."""
    lefts = {pair.left for pair in pairs if pair.right < 0}
    rights = {pair.right for pair in pairs if pair.left < 0}
    rows = [
        row
        for row in diff.rows
        if row.stage != NOT_RUN
        and (row.stage == _HEAD or row.left_block < 0 or row.right_block < 0)
        and row.left_block not in lefts - {-1}
        and row.right_block not in rights - {-1}
    ]
    changed = [row for row in map(_outside, rows) if row and row.status != "same"]
    told: dict[str, list[tuple[str, bool]]] = {}
    for row in changed:
        for text in _loose_texts(row, rows):
            told.setdefault(text, []).append((row.stage, bool(_row_layer(row).macs)))
    if not told:
        return ""
    has_blocks = bool(diff.left.blocks or diff.right.blocks)
    if not has_blocks and len(told) == 1:
        ((text, places),) = told.items()
        return f"in {len(places)} layer{'s' * (len(places) > 1)}: {text} ({_places(places)})"
    parts = [f"{text} ({_places(places)})" for text, places in told.items()]
    if len(parts) > _MOST + 1:
        parts[_MOST:] = [f"and {len(parts) - _MOST} more"]
    return f"{'outside the blocks' if has_blocks else 'in its layers'}: {', '.join(parts)}"


def _outside(row: DiffRow) -> DiffRow | None:
    """A row as one that knows only of what stands in no block; None if nothing does."""
    if row.stage == _HEAD or max(row.left_block, row.right_block) < 0:
        return row
    left = row.left if row.left_block < 0 else None
    right = row.right if row.right_block < 0 else None
    if not left and not right:
        return None
    return row._replace(left=left, right=right, changes=(), status="left" if left else "right")


def _places(places: list[tuple[str, bool]]) -> str:
    stages = Counter(stage for stage, _ in places)
    return _list(f"{times} in {stage}" if times > 1 else stage for stage, times in stages.items())


def _loose_texts(row: DiffRow, rows: list[DiffRow]) -> Iterator[str]:
    layer = _row_layer(row)
    if row.status in ("left", "right"):
        if layer.macs:
            yield _second(row, rows) or _only(row)
        elif layer.kind in _LOOSE_KINDS:
            yield _only(row)
        return
    for change in row.changes:
        told = layer.macs or change.what not in ("width", "size")
        if told and change.what not in ("input width", "size", "cost"):
            yield _loose_change(row, change)


def _loose_change(row: DiffRow, change: Change) -> str:
    layer = _row_layer(row)
    if change.what == "operation" and layer.macs:
        return f"{_layer_name(row.left)} -> {_layer_name(row.right)}"
    if change.what == "parameters":
        return f"{layer.label} of {change.before} -> {change.after} parameters"
    if change.what == "kernel":
        return f"{layer.kind} {change}"
    return f"{_layer_name(layer) if layer.macs else ''} {change}".strip()


def _second(row: DiffRow, rows: list[DiffRow]) -> str:
    """A layer of the head that returns as much as another one beside it: a second classifier."""
    layer = _row_layer(row)
    if row.stage != _HEAD or layer.kind != "linear":
        return ""
    twins = [
        other
        for other in rows
        if other.left
        and other.right
        and other.left.kind == "linear"
        and other.left.output_shape == layer.output_shape
        and other.left.input_shapes == layer.input_shapes
    ]
    sign = "-" if row.status == "left" else "+"
    shapes = f"{layer.input_shapes[0][-1]} -> {layer.output_shape[-1]}"
    return f"{sign} a second classifier {shapes}" if twins else ""


def _list(names: Iterable[str]) -> str:
    """Names as "a, b and c"."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
