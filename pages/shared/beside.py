"""The tables of models beside each other: totals, times, memory, accuracy, and their stages.

A table is built once and used twice: on the page and in what is exported, so that both say the
same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import streamlit as st

from explorer.analysis.catalogue import Accuracy, accuracies
from explorer.analysis.compare import ComparedModel, Count
from explorer.analysis.stages import Stage
from explorer.analysis.units import compact, count, memory, percent, rounded, shape_text
from explorer.figures.comparison import measure_title
from explorer.latency import LatencyRecord, Work
from explorer.report import NO_VALUE, Cell, Table, TableRow
from pages.shared import cache, timed
from pages.shared.choice import Choice
from pages.shared.comparing import View
from pages.shared.text import _, n_
from pages.shared.widgets import plain

Choices = tuple[Choice, ...]


def totals(view: View, shown: Choices, export: Callable[[], None]) -> None:
    """Counts, time, memory and accuracy of each model, and what they are to the first one's.

    Args:
        view: what is compared.
        shown: the models that can be traced.
        export: draws what offers all this as a document.
    """
    draw_table(total_table(view, shown))
    passes = works(view, shown)
    st.caption(plain(" ".join(conventions(view, shown))))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        timed.controls(passes, view.here, n_("{n} model", "{n} models", len(shown)))
        export()
    timed.watch()
    timed.sentences(passes, view.here)
    if said := timed.statement(timed.records(passes, view.here)):
        st.caption(said)


def total_table(view: View, shown: Choices) -> Table:
    """Counts, times, memory and accuracy."""
    comparison = cache.comparing.side_by_side(shown, view.convention).comparison
    models = comparison.models
    needs = [cache.comparing.footprint(choice, view.device) for choice in shown]
    rows = [
        (_("Parameters"), _("all, used or not"), [_counted(m.params) for m in models]),
        (comparison.unit, _("one forward pass"), [_cost(m) for m in models]),
        (_("Activations"), _("all results together"),
         [_counted(m.activation_bytes, memory) for m in models]),
        (_("Depth"), _("layers with weights"), [_counted(m.depth) for m in models]),
        (_("Predicted time"), _("{device}, float32; not measured").format(device=view.device),
         _times([need.milliseconds for need in needs])),
        (_("Recorded time"), view.way.statement(), _recorded(view, shown)),
        (_("Measured here"), _("on request"), _measured(view, shown)),
        (_("Peak activations"), _("alive at once, predicted, float32"),
         _sizes([need.peak_bytes for need in needs])),
        (_("Weights"), _("parameters and buffers, float32"),
         _sizes([need.weight_bytes for need in needs])),
        (_("ImageNet top-1"), _("published"), [_accuracy(choice) for choice in shown]),
    ]  # fmt: skip
    return Table(
        _("Totals"),
        tuple((m.name, shape_text(c.input_shape)) for m, c in zip(models, shown, strict=True)),
        tuple(TableRow(title, note, tuple(cells)) for title, note, cells in rows),
    )


def stage_table(view: View, shown: Choices, measure: str) -> Table:
    """What each model has in each stage."""
    comparison = cache.comparing.side_by_side(shown, view.convention).comparison
    title = measure_title(measure, comparison.unit)
    rows = [
        TableRow(
            aligned.name,
            "",
            tuple(_stage_cell(stage, aligned.stages[0], measure) for stage in aligned.stages),
        )
        for aligned in comparison.stages
    ]
    heads = tuple((model.name, title) for model in comparison.models)
    return Table(_("{title} by stage").format(title=title), heads, tuple(rows))


def works(view: View, shown: Choices) -> list[Work]:
    """The passes that are measured on request."""
    models = cache.comparing.side_by_side(shown, view.convention).comparison.models
    return [
        Work(
            _("{model} at {size}").format(model=model.name, size=shape_text(choice.input_shape)),
            choice.model,
            choice.input_shape,
            tuple(choice.build_options.items()),
            cache.comparing.footprint(choice, view.device).macs,
        )
        for model, choice in zip(models, shown, strict=True)
    ]


def conventions(view: View, shown: Choices) -> list[str]:
    """What is counted, and what each time holds for."""
    sizes = {choice.input_shape for choice in shown}
    said = [cache.overview(shown[0], view.convention).statement]
    if len(sizes) > 1:
        said.append(_("Sizes differ between the models, and with them the costs."))
    said.append(
        _(
            "Predicted times are the roofline model's for {device}, float32; recorded ones were "
            "measured earlier on {way}."
        ).format(device=view.device, way=view.way.statement())
    )
    return said


# ---------------------------------------------------------------------------- cells


def _counted(value: Count, text: Any = compact) -> Cell:
    """Short, exact where that is not the same, and how far from the first model."""
    short, exact = text(value.value), count(value.value)
    told = [exact] if exact != short else []
    if value.difference:
        told.append(f"{value.difference:+,}".replace("-", "−"))
        told.append(_ratio(value.ratio or 0))
    return short, " · ".join(filter(None, told))


def _ratio(ratio: float) -> str:
    """A factor; none where the first model has nothing or hardly less."""
    if not ratio or f"{ratio:.3f}" == "1.000":
        return ""
    return f"×{ratio:.3f}" if 0.1 <= ratio < 10 else f"×{rounded(ratio)}"


def _cost(model: ComparedModel) -> Cell:
    value, detail = _counted(model.cost)
    return value, _("at least {n}").format(n=detail) if model.lower_bound else detail


def _times(values: Sequence[float]) -> list[Cell]:
    return [(f"{rounded(ms)} ms", _against(ms, values[0])) for ms in values]


def _sizes(values: Sequence[int]) -> list[Cell]:
    return [(memory(n), _against(n, values[0])) for n in values]


def _recorded(view: View, shown: Choices) -> list[Cell]:
    """Times that were measured earlier, elsewhere; of this size and of no changed options."""
    known = cache.choosing.recorded_times(view.way)
    times = [
        None if choice.options else known.get((choice.model, *choice.input_shape[2:]))
        for choice in shown
    ]
    return [_time_cell(time, times[0], _("none at this size")) for time in times]


def _measured(view: View, shown: Choices) -> list[Cell]:
    times = [timed.found(work, view.here) for work in works(view, shown)]
    first = times[0] if isinstance(times[0], LatencyRecord) else None
    cells = []
    for time in times:
        if isinstance(time, LatencyRecord):
            value, detail = _time_cell(time, first, "")
            cells.append((value, " · ".join(filter(None, (timed.conditions(time), detail)))))
        else:
            cells.append((NO_VALUE, _("refused, see below") if time else _("not yet")))
    return cells


def _time_cell(time: LatencyRecord | None, first: LatencyRecord | None, missing: str) -> Cell:
    if time is None:
        return NO_VALUE, missing
    told = [_against(time.median_ms, first.median_ms)] if first else []
    told += [] if time.stable else [_("had not settled")]
    return timed.time_text(time), " · ".join(filter(None, told))


def _against(value: float, first: float) -> str:
    """How much more or less than the first model, in per cent, or as a factor if much."""
    if value == first or not first:
        return ""
    ratio = value / first
    if ratio >= 2:
        return f"×{rounded(ratio)}"
    size = percent(abs(ratio - 1))
    if size.startswith("<"):
        text = _("{share} more") if ratio > 1 else _("{share} less")
        return text.format(share=size)
    return f"{'+' if ratio > 1 else '−'}{size}"


def _accuracy(choice: Choice) -> Cell:
    """What torchvision publishes of this architecture, unchanged by options."""
    found = _published(choice)
    if found is None:
        return NO_VALUE, _("none that can be cited")
    said = _("crop {crop}, {weights}, {source}").format(
        crop=found.crop, weights=found.weights, source=found.source
    )
    return f"{found.top1:.1f}%", said


def _published(choice: Choice) -> Accuracy | None:
    if choice.options:
        return None
    best = accuracies().get(choice.model.removeprefix("torchvision:"))
    return best[0] if best else None


def _stage_cell(stage: Stage | None, first: Stage | None, measure: str) -> Cell:
    if stage is None:
        return NO_VALUE, _("no such stage")
    value = getattr(stage, measure)
    text = memory(value) if measure == "activation_bytes" else compact(value)
    told = [shape_text(stage.output_shape), _layers_text(stage.layers)]
    if first is not None and first is not stage:
        told.append(_against(value, getattr(first, measure)))
    return text, " · ".join(filter(None, told))


def _layers_text(number: int) -> str:
    return n_("{n} layer", "{n} layers", number)


# ---------------------------------------------------------------------------- drawing


def draw_table(table: Table) -> None:
    """A column for each model; every cell and every head with a small second line."""

    def cell(tag: str, value: str, detail: str) -> str:
        small = f" <small>{escape(detail)}</small>" if detail else ""
        # A long name may break behind an underscore.
        name = escape(value).replace("_", "_<wbr>")
        return f"<{tag}><b>{name}</b>{small}</{tag}>"

    head = "".join(cell("th", *each) for each in table.heads)
    body = "".join(
        f"<tr>{cell('th', row.title, row.note)}"
        f"{''.join(cell('td', *each) for each in row.cells)}</tr>"
        for row in table.rows
    )
    st.html(
        f'<div class="beside beside-{len(table.heads)}"><table><thead><tr><th></th>{head}</tr>'
        f"</thead><tbody>{body}</tbody></table></div>"
    )
