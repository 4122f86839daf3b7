"""What two models differ in, in the words of someone who knows both.

The aligned rows say it layer by layer; here they are gathered into what was changed: how many
blocks each stage has, what the blocks that belong together differ in, and what stands outside
the blocks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from explorer.analysis._facts import (
    HEAD,
    NAMED,
    SMALL,
    Fact,
    Pair,
    block_kind,
    facts,
    layer_name,
    one_sided,
    only,
    pairs,
    row_layer,
    several_blocks,
)
from explorer.analysis._units import CountedBlock
from explorer.analysis.compare import (
    NOT_RUN,
    AlignedStage,
    Change,
    Diff,
    DiffRow,
    Side,
    Status,
    size_text,
)
from explorer.analysis.stages import Stage
from explorer.analysis.units import compact, count, percent, shape_text
from explorer.text import N_, _, n_
from explorer.trace.records import Shape

_MOST = 7
"""Differences named in one sentence."""
_ORDER = (
    "order", "recipe", "shortcut", "all widths", "inner width", "width", "output width",
    "branch widths", "groups", "kernel", "stride", "SE", "layer", "activation", "normalization",
)  # fmt: skip
WIDTHS = (
    N_("all widths"), N_("inner width"), N_("output width"), N_("SE width"), N_("identity"),
    N_("projection"), N_("pad"), N_("pool"),
)  # fmt: skip
"""Names of numbers, and of shortcuts, that facts are told with."""
_IMPLIED = frozenset(("input width", "size", "cost"))
"""Changes of a layer that follow from those of the layers before it."""


def summary(diff: Diff, names: tuple[str, str] | None = None) -> list[str]:
    """Return a few sentences, the most important first.

    Args:
        diff: two aligned models.
        names: what the left and the right model are called; as registered if None.
    """
    left, right = names or (diff.left.name, diff.right.name)
    if all(row.status == "same" for row in diff.rows):
        return [_same(diff, left, right)]
    if diff.rewritten:
        return [_rewritten(diff, left, right)]
    partners = pairs(diff)
    counts = _counts(diff, partners)
    loose = _loose(diff, partners)
    found = [_tokens(diff), counts, _blocks(diff, partners, bool(counts)), loose, _idle(diff)]
    told = [clause for clause in found if clause]
    if not told and (diff.left.params, diff.left.cost) == (diff.right.params, diff.right.cost):
        return [_rewritten(diff, left, right)]
    if not told:
        told = [_Clause(_("in layers that compute nothing, such as reshaping and dropout"))]
    first = _("{right} differs from {left} {difference}; {stages}; {totals}.").format(
        right=right,
        left=left,
        difference=told[0].text,
        stages=_stages(diff.stages, left, right),
        totals=_sized(diff, _totals(diff)),
    )
    return [first, *(_also(clause) for clause in told[1:]), *_strangers(diff)]


class _Clause(NamedTuple):
    """One difference."""

    text: str
    """Behind "differs from"."""
    sentence: str = ""
    """By itself, where that is not "Also" with the text."""


def _also(clause: _Clause) -> str:
    """A further difference, as a sentence of its own."""
    return clause.sentence or _("Also {difference}.").format(difference=clause.text)


# --- the whole ------------------------------------------------------------------------------


def _same(diff: Diff, left: str, right: str) -> str:
    layers = count(len(diff.rows))
    if diff.left.input_shape == diff.right.input_shape:
        again = left if right == f"{left} (2)" else right
        return _(
            "{left} and {right} are identical: all {n} layers are the same; "
            "{params} params, {cost} {unit}."
        ).format(left=left, right=again, n=layers, **_size(diff))
    memory = _ratio(diff.left.activation_bytes, diff.right.activation_bytes, _MEMORY)
    return _(
        "{right} differs from {left} in the input alone: all {n} layers are the same; "
        "{totals}, {memory}."
    ).format(right=right, left=left, n=layers, totals=_totals(diff), memory=memory)


def _size(diff: Diff) -> dict[str, str]:
    """What both cost, where that is the same."""
    return {
        "params": compact(diff.left.params),
        "cost": compact(diff.left.cost),
        "unit": diff.unit,
    }


def _rewritten(diff: Diff, left: str, right: str) -> str:
    """That two implementations are one network, and by which layers they write it differently."""
    rows = [row for row in diff.rows if row.left and row.right and row.left.macs]
    others = [row for row in rows if any(change.what == "operation" for change in row.changes)]
    same = len(rows) - len(others)
    weighted = sum(bool(row.left and row.left.macs) for row in diff.rows)
    text = _("{n} of {total} layers with weights or products are the same")
    if same == weighted:
        text = _("all {n} layers with weights or products are the same")
    agree = text.format(n=count(same), total=count(weighted))
    if told := dict.fromkeys(_changed(row, [*row.changes][:1]) for row in others):
        agree = _("{text} ({details})").format(text=agree, details=_(", ").join(told))
    return _(
        "{right} is the same network as {left}, written differently: {agree}; {params} params, "
        "{cost} {unit} in both. What differs is how tensors are laid out, and layers that compute "
        "nothing."
    ).format(right=right, left=left, agree=agree, **_size(diff))


def _totals(diff: Diff) -> str:
    params = _ratio(diff.left.params, diff.right.params, _PARAMS)
    cost = _ratio(diff.left.cost, diff.right.cost, diff.unit)
    text = _("{params}, {cost}")
    if diff.left.lower_bound or diff.right.lower_bound:
        text = _("{params}, {cost} (not all operations have a known cost)")
    return text.format(params=params, cost=cost)


def _sized(diff: Diff, totals: str) -> str:
    """Say, where the inputs differ, that the totals are not the architecture's alone."""
    left, right = (side.input_shape for side in (diff.left, diff.right))
    if left == right:
        return totals
    return _("{totals}, of which a part is the input's: {right} against {left}").format(
        totals=totals, left=_inputs(left), right=_inputs(right)
    )


def _inputs(shape: Shape | tuple[Shape, ...]) -> str:
    numbers = tuple(n for n in shape if not isinstance(n, tuple))
    several = [one for one in shape if isinstance(one, tuple)] or [numbers]
    return ", ".join(map(shape_text, several))


_PARAMS, _MEMORY = N_("params"), N_("activation memory")


def _ratio(before: int, after: int, what: str) -> str:
    """A change in per cent, or as a factor where it is large."""
    if before == after:
        return _("same {what}").format(what=_(what))
    if not before:
        return _("{change} {what}").format(change=f"+{compact(after)}", what=_(what))
    change = after / before - 1
    if change >= 1:
        return _("{n} times the {what}").format(n=f"{after / before:.2f}", what=_(what))
    size = percent(abs(change))
    if not size.startswith("<"):
        signed = f"{'+' if change > 0 else '-'}{size}"
        return _("{change} {what}").format(change=signed, what=_(what))
    text = _("{share} less {what}") if what == _MEMORY else _("{share} fewer {what}")
    if change > 0:
        text = _("{share} more {what}")
    return text.format(share=size, what=_(what))


def _stages(stages: Sequence[AlignedStage], left: str, right: str) -> str:
    only_left = [stage.name for stage in stages if stage.stages[1] is None]
    only_right = [stage.name for stage in stages if stage.stages[0] is None]
    told = [
        _("{stages} only in {model}").format(stages=_list(names), model=model)
        for names, model in ((only_left, left), (only_right, right))
        if names
    ]
    return _(", ").join(told) or _("same stages")


def _strangers(diff: Diff) -> list[str]:
    """A warning where most layers with weights have no partner."""
    lefts = [row for row in diff.rows if row.left and row.left.macs]
    rights = [row for row in diff.rows if row.right and row.right.macs]
    partners = sum(bool(row.right) for row in lefts)
    if 2 * partners >= min(len(lefts), len(rights)):
        return []
    return [
        _(
            "They have little in common: {n} of {left} and {right} layers with weights or products "
            "have a partner."
        ).format(n=partners, left=len(lefts), right=len(rights))
    ]


def _tokens(diff: Diff) -> _Clause | None:
    """How many tokens the two have, where they differ."""
    for stage in diff.stages:
        left, right = stage.stages
        if left and right and _is_tokens(left) and _is_tokens(right):
            before, after = left.resolution[0], right.resolution[0]
            if before == after:
                continue
            if diff.left.input_shape == diff.right.input_shape and abs(after - before) == 1:
                text = _("in one more token ({before} -> {after})")
                if after < before:
                    text = _("in one fewer token ({before} -> {after})")
                return _Clause(text.format(before=before, after=after))
            text = _("in the number of tokens, {before} -> {after}")
            return _Clause(text.format(before=before, after=after))
    return None


def _is_tokens(stage: Stage) -> bool:
    """Whether a stage is called after its tokens."""
    return len(stage.resolution) == 1 and stage.name == size_text(stage.resolution)


def _idle(diff: Diff) -> _Clause | None:
    """Modules that hold parameters and never ran."""
    more = sum(row.params for row in diff.rows if row.stage == NOT_RUN)
    text = _("in modules that never run ({n:+,} params)")
    return _Clause(text.format(n=more)) if more else None


# --- how many blocks ------------------------------------------------------------------------


def _counts(diff: Diff, partners: list[Pair]) -> _Clause | None:
    """Stages that have other numbers of blocks, or blocks of another kind."""
    told = []
    for stage in diff.stages:
        left, right = (
            _units(side, stage.name, known)
            for side, known in (
                (diff.left, {pair.left for pair in partners}),
                (diff.right, {pair.right for pair in partners}),
            )
        )
        if stage.name != _(HEAD) and (left.alone or right.alone):
            told += _count(stage.name, left, right)
    text = _("in the number of blocks: {counts}")
    return _Clause(text.format(counts=_(", ").join(told))) if told else None


class _Stock(NamedTuple):
    """The blocks of one model in one stage."""

    number: int
    """Reduction blocks are not among them."""
    kind: str
    """As `block_kind` has it; "" if there are none."""
    alone: int
    """How many have no partner, reduction blocks among them."""
    reductions: int
    """How many reduction blocks have no partner."""


def _units(side: Side, stage: str, known: set[int]) -> _Stock:
    places = [index for index, name in enumerate(side.block_stages) if name == stage]
    units = [side.blocks[index] for index in places]
    alone = [side.blocks[index] for index in places if index not in known]
    kinds = Counter(block_kind(unit.kind) for unit in units if not _is_reduction(unit))
    return _Stock(
        number=kinds.total(),
        kind=kinds.most_common(1)[0][0] if kinds else "",
        alone=len(alone),
        reductions=sum(map(_is_reduction, alone)),
    )


def _is_reduction(unit: CountedBlock) -> bool:
    """Whether a block only makes the map smaller, by branches that are joined."""
    return unit.kind == "branches" and unit.reduces


def _count(stage: str, left: _Stock, right: _Stock) -> list[str]:
    texts = [str(left.number), str(right.number)]
    if left.kind and right.kind and left.kind != right.kind:
        texts = [several_blocks(stock.number, stock.kind) for stock in (left, right)]
    told = " -> ".join(texts) if texts[0] != texts[1] else ""
    more = right.reductions - left.reductions
    extra = n_("{n} reduction block", "{n} reduction blocks", abs(more))
    extra = f"{'+' if more > 0 else '-'}{extra}" if more else ""
    counts = told or extra
    if told and extra:
        counts = _("{counts} and {extra}").format(counts=told, extra=extra)
    return [_("{stage} {counts}").format(stage=stage, counts=counts)] if counts else []


# --- what the blocks differ in --------------------------------------------------------------


def _blocks(diff: Diff, partners: list[Pair], counted: bool) -> _Clause | None:
    """What the blocks that have a partner differ in."""
    found = [(pair, facts(diff, pair)) for pair in partners]
    differing = [(pair, told) for pair, told in found if told]
    if not differing:
        return None
    number, whole = len(differing), len(partners)
    where = n_("{n} block", "{n} blocks", number)
    if number < whole:
        firsts = _first_of(diff, [pair for pair, _told_of in differing])
        blocks = n_("{n} block", "{n} blocks", whole)
        where = _("{n} of {blocks}{firsts}").format(n=number, blocks=blocks, firsts=firsts)
    elif counted:
        where = _("{blocks} that both have").format(blocks=where)
    told = _told(_scaled([each for _pair, each in differing]))
    return _Clause(_("in {where}: {differences}").format(where=where, differences=told))


def _first_of(diff: Diff, differing: list[Pair]) -> str:
    """The stages whose first blocks these are, if they all are such."""
    rights = all(pair.right >= 0 for pair in differing)
    side = diff.right if rights else diff.left
    places = [pair.right if rights else pair.left for pair in differing]
    if any(i < 0 or side.block_stages.index(side.block_stages[i]) != i for i in places):
        return ""
    text = _(" (the first of {stages})")
    return text.format(stages=_list(side.block_stages[i] for i in places))


def _scaled(blocks: list[list[Fact]]) -> list[list[Fact]]:
    """Widths as one fact if they are in proportion everywhere, else as inner and output ones."""
    names = ("width", "output width")
    widths = [[fact for fact in told if fact.what in names] for told in blocks]
    ratios = {fact.after / fact.before for told in widths for fact in told}
    outputs = any(fact.what == "output width" for told in widths for fact in told)
    if len(ratios) == 1 and all(len(told) != 1 for told in widths):
        renamed = {"output width": "all widths", "width": ""}
    else:
        renamed = {"width": "inner width" if outputs else "width"}
    return [
        [fact._replace(what=what) for fact in told if (what := renamed.get(fact.what, fact.what))]
        for told in blocks
    ]


def _told(blocks: list[list[Fact]]) -> str:
    """Each fact once, with the number of blocks where it is not all of them."""
    times: Counter[tuple[str, str]] = Counter()
    equal: dict[tuple[str, str], list[Fact]] = {}
    for told in blocks:
        times.update({(fact.what, fact.text) for fact in told})
        for fact in told:
            equal.setdefault((fact.what, fact.text), []).append(fact)
    texts = []
    for key in sorted(equal, key=lambda key: (-times[key], _rank(key[0]), key)):
        what, text = key
        words = f"{text}{_details(equal[key])}" if text else _range(what, equal[key])
        some = _("{fact} (in {n})").format(fact=words, n=times[key])
        texts.append(words if times[key] == len(blocks) else some)
    return _few(texts)


def _few(texts: list[str]) -> str:
    if len(texts) > _MOST + 1:
        texts = [*texts[:_MOST], _("and {n} more").format(n=len(texts) - _MOST)]
    return _(", ").join(texts)


def _details(equal: list[Fact]) -> str:
    """What kinds a fact is of, where it is of several: " (5 identity, 3 projection)"."""
    times = Counter(fact.detail for fact in equal)
    if len(times) < 2:
        return ""
    text = _("{n} {kind}")
    told = [text.format(n=number, kind=_(name)) for name, number in times.most_common()]
    return _(" ({details})").format(details=_(", ").join(told))


def _rank(what: str) -> int:
    return _ORDER.index(what) if what in _ORDER else len(_ORDER)


def _range(what: str, equal: list[Fact]) -> str:
    """Numbers that changed: the first as an example where all grow alike, else their ranges."""
    values = list(dict.fromkeys((fact.before, fact.after) for fact in equal))
    what = _(what)
    before, after = values[0]
    if len(values) == 1:
        return f"{what} {before} -> {after}"
    if len({b / a for a, b in values}) == 1:
        text = _("{what} {before} -> {after} (×{ratio:.3g} throughout)")
        return text.format(what=what, before=before, after=after, ratio=after / before)
    lefts, rights = zip(*values, strict=True)
    return f"{what} {_span(lefts)} -> {_span(rights)}"


def _span(values: Iterable[int]) -> str:
    ordered = sorted(set(values))
    if len(ordered) == 1:
        return str(ordered[0])
    return _("{low} to {high}").format(low=ordered[0], high=ordered[-1])


# --- outside the blocks ---------------------------------------------------------------------


def _loose(diff: Diff, partners: list[Pair]) -> _Clause | None:
    """What differs in the layers that belong to no block."""
    rows = _loose_rows(diff, partners)
    alone: set[tuple[str, Status]] = {(row.stage, row.status) for row in rows if _macs(row)}
    told: dict[str, list[DiffRow]] = {}
    widths: dict[str, list[DiffRow]] = {}
    for row in rows:
        if row.status == "changed":
            changes = [change for change in row.changes if _is_told(row, change)]
            if [change.what for change in changes] == ["width"]:
                name = _("{layer} width").format(layer=layer_name(row_layer(row)))
                widths.setdefault(name, []).append(row)
            elif changes:
                told.setdefault(_changed(row, changes), []).append(row)
        elif _macs(row):
            told.setdefault(_second(diff, row) or only(row), []).append(row)
        elif _is_new(row, alone):
            told.setdefault(only(row), []).append(row)
    for name, scaled in widths.items():
        values = [change for row in scaled for change in row.changes if change.what == "width"]
        equal = [Fact(name, "", int(change.before), int(change.after)) for change in values]
        told.setdefault(_range(name, equal), []).extend(scaled)
    return _loose_text(told, bool(diff.left.blocks or diff.right.blocks)) if told else None


def _loose_text(told: dict[str, list[DiffRow]], has_blocks: bool) -> _Clause:
    if len(told) == 1 and not has_blocks:
        ((text, rows),) = told.items()
        where = n_("{n} layer", "{n} layers", len(rows))
        kind = f"{_('convolution')} "
        if text.startswith(kind):
            where = _("{n} convolution") if len(rows) == 1 else _("{n} convolutions")
            where, text = where.format(n=len(rows)), text.removeprefix(kind)
        said = _("{text} ({details})").format(text=text, details=_places(rows))
        return _Clause(_("in {where}: {differences}").format(where=where, differences=said))
    placed: dict[tuple[str, str], list[str]] = {}
    for text, rows in told.items():
        sign, _space, name = text.partition(" ")
        one_of = sign in "+-"
        key = (sign if one_of else text, _places(rows))
        placed.setdefault(key, []).append(name if one_of else "")
    parts = _few(
        [
            _("{text} ({details})").format(
                text=f"{sign} {_list(names)}" if names[0] else sign, details=places
            )
            for (sign, places), names in placed.items()
        ]
    )
    if not has_blocks:
        return _Clause(_("in its layers: {differences}").format(differences=parts))
    return _Clause(
        _("outside the blocks: {differences}").format(differences=parts),
        _("Outside the blocks: {differences}.").format(differences=parts),
    )


def _loose_rows(diff: Diff, partners: list[Pair]) -> list[DiffRow]:
    """Rows that differ, as far as their layers are in no block and in no partner of one."""
    lefts = {pair.left for pair in partners if pair.right < 0}
    rights = {pair.right for pair in partners if pair.left < 0}
    found = []
    for row in diff.rows:
        in_run = row.left_block in lefts or row.right_block in rights
        if row.status == "same" or row.stage == NOT_RUN or in_run:
            continue
        head = row.stage == _(HEAD)
        kept = one_sided(row, head or row.left_block < 0, head or row.right_block < 0)
        if kept:
            found.append(kept)
    return found


def _macs(row: DiffRow) -> int:
    return row_layer(row).macs


def _is_new(row: DiffRow, alone: set[tuple[str, Status]]) -> bool:
    """Whether a layer without weights is worth a word: not if it came with one that has some."""
    kind = row_layer(row).kind
    return kind in NAMED and not (kind in SMALL and (row.stage, row.status) in alone)


def _is_told(row: DiffRow, change: Change) -> bool:
    if change.what == "parameters":
        return True
    return change.what not in _IMPLIED and bool(
        _macs(row) or (row_layer(row).kind in NAMED and change.what != "width")
    )


def _changed(row: DiffRow, changes: list[Change]) -> str:
    """The changes of one layer: "7×7 convolution width 64 -> 96, stride 2 -> 4"."""
    layer = row_layer(row)
    if changes[0].what == "operation" and layer.macs and row.right:
        name = f"{layer_name(layer)} -> {layer_name(row.right)}"
        return _(", ").join([name, *map(str, changes[1:])])
    name = layer_name(layer) if layer.macs or layer.module_class else layer.label
    if layer.macs and any(change.what == "kernel" for change in changes):
        name = _(layer.kind)
    if changes[0].what == layer.kind:
        name = ""
    return f"{name} {_(', ').join(map(str, changes))}".strip()


def _second(diff: Diff, row: DiffRow) -> str:
    """A layer of the head that reads and returns as much as another: a second classifier."""
    layer = row_layer(row)
    if row.stage != _(HEAD) or layer.kind != "linear":
        return ""
    shapes = (layer.input_shapes, layer.output_shape)
    twins = [
        other
        for other in diff.rows
        if other.left
        and other.right
        and (other.left.input_shapes, other.left.output_shape) == shapes
    ]
    sign = "-" if row.status == "left" else "+"
    text = _("a second classifier, {before} -> {after}").format(
        before=layer.input_shapes[0][-1], after=layer.output_shape[-1]
    )
    return f"{sign} {text}" if twins else ""


def _places(rows: list[DiffRow]) -> str:
    """The stages of rows, with their number where a stage has several."""
    stages = Counter(row.stage for row in rows)
    text = _("{n} in {stage}")
    return _list(
        text.format(n=times, stage=_(stage)) if times > 1 else _(stage)
        for stage, times in stages.items()
    )


def _list(names: Iterable[str]) -> str:
    """Names as "a, b and c"."""
    *most, last = names
    if not most:
        return last
    return _("{names} and {last}").format(names=_(", ").join(most), last=last)
