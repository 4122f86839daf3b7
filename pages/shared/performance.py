"""What stands on the page "Performance": predicted time, what bounds it, memory, measurements."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from html import escape
from typing import Any, Final, Literal

import pandas as pd
import streamlit as st

from explorer.analysis.memory import Alive, LargestBatch, TrainingMemory
from explorer.analysis.roofline import Bottlenecks
from explorer.analysis.time_receipt import TimeReceipt
from explorer.analysis.units import count, memory, percent, rounded, shape_text
from explorer.figures.theme import INK, KIND_COLORS, kind_color, pill_color, tint
from explorer.zoo import get_spec
from pages.shared import cache, measurements
from pages.shared.choice import Choice
from pages.shared.setup import (
    PRECISIONS,
    TRAINERS,
    Setup,
    Training,
    View,
    budget_field,
    training_controls,
)
from pages.shared.tables import select_table, text_width
from pages.shared.view import select, select_point
from pages.shared.widgets import failed, plain, theme

Origin = Literal["predicted", "recorded", "measured"]

_BADGES: Final[dict[Origin, tuple[str, str, Any]]] = {
    "predicted": ("Predicted, not measured", ":material/calculate:", "orange"),
    "recorded": ("Recorded on another machine", ":material/inventory_2:", "blue"),
    "measured": ("Measured here", ":material/timer:", "green"),
}
_BOUNDS: Final = {
    "memory": ("waits for memory", "linear"),
    "compute": ("limited by arithmetic", "convolution"),
    "launch": ("waits for launches", "reduction"),
}
"""What time is spent on -> in words, and the kind of layer whose colour it borrows."""
_ROW, _HEADER = 30, 38
"""Heights in a table, in pixels."""


def badge(origin: Origin) -> None:
    """Say where the numbers under it come from; numbers of two origins never share one."""
    text, icon, color = _BADGES[origin]
    st.badge(text, icon=icon, color=color)


# ----------------------------------------------------------------------- head


def metrics(choice: Choice, view: View) -> None:
    """Predicted time and its bounds; memory; the largest batch."""
    setup, how = view.setup, view.training
    made = cache.forecast(choice, setup)
    runs = cache.inference(choice, setup.dtype)
    fits = cache.fits(choice, setup.dtype, how, _bytes(setup.device.memory / 1e9))
    shares = _shares(made.found)
    launch_us = f"{rounded(1e6 * setup.device.launch_seconds)} µs each"
    with st.grid(6, min_column_width=130, gap="small", key="metrics"):
        _metric("Predicted time", f"{rounded(made.ms)} ms", f"{_rate(made)} images/s")
        _metric("Launches", count(made.launches), launch_us if setup.launch else "not counted")
        _metric("Bound by", _whole_percents(shares), "mem/math/launch")
        _metric("Memory to run", memory(runs.total), f"peak in {runs.dtype}")
        if fits.training is None:
            _metric("Memory to train", "none", "fails at this batch")
        else:
            trains = cache.training(choice, how)
            _metric("Memory to train", _at_least(trains), how.short)
        _metric(
            f"Batch in {rounded(setup.device.memory / 1e9)} GB",
            _batch(fits.inference),
            f"{_batch(fits.training)} to train" if fits.training else "to run",
        )


def statement(choice: Choice, view: View) -> None:
    """What the predictions are and are not."""
    text = cache.forecast(choice, view.setup).statement
    if choice.mode == "train":
        text += " The forward pass in training mode; the backward pass is not in the time."
    st.caption(plain(text))


def _metric(label: str, value: str, detail: str) -> None:
    st.metric(label, value, detail or None, delta_color="off", delta_arrow="off", border=True)


def _rate(made: cache.Forecast) -> str:
    return rounded(made.images_per_second)


def _shares(found: Bottlenecks) -> dict[str, float]:
    return {
        "memory": found.memory_share,
        "compute": found.compute_share,
        "launch": found.launch_share,
    }


def _whole_percents(shares: dict[str, float]) -> str:
    """For example "50/36/14%"."""
    return "/".join(f"{100 * share:.0f}" for share in shares.values()) + "%"


def _at_least(step: TrainingMemory) -> str:
    return ("≥ " if step.is_lower_bound else "") + memory(step.total)


def _batch(found: LargestBatch) -> str:
    return ("≤ " if found.is_lower_bound else "") + count(found.batch) if found.batch else "none"


def _bytes(gigabytes: float) -> int:
    return round(gigabytes * 1e9)


# ------------------------------------------------------------- why is it slow


def why(choice: Choice, view: View) -> None:
    """What the time is spent on, in sentences, and the story of three networks."""
    badge("predicted")
    found = cache.forecast(choice, view.setup).found
    _bounds_bar(_shares(found))
    st.markdown("".join(f"- {plain(sentence)}\n" for sentence in found.sentences))
    st.subheader("Fewer MACs, not faster: three networks on this device", anchor=False)
    _story(view.setup)


def _bounds_bar(shares: dict[str, float]) -> None:
    """The shares as one bar; every part is named under it."""
    colors = {name: kind_color(kind, theme()) for name, (_, kind) in _BOUNDS.items()}
    parts = "".join(
        f'<span style="width:{100 * share:.2f}%;background:{colors[name]}"></span>'
        for name, share in shares.items()
        if share
    )
    names = "".join(
        f'<span><i style="background:{colors[name]}"></i>{_BOUNDS[name][0]} {percent(share)}</span>'
        for name, share in shares.items()
    )
    st.html(f'<div class="bounds">{parts}</div><div class="bounds-key">{names}</div>')


def _story(setup: Setup) -> None:
    told = cache.story(setup)
    rows = []
    for name, (one, many) in told.forecasts:
        rows.append(
            {
                "Architecture": get_spec(name).title,
                "MACs": one.macs / 1e9,
                "Launches": one.launches,
                "Moved": one.nbytes / 2**20,
                "Ops a byte": _rounded(one.found.intensity),
                "ms": _rounded(one.ms),
                "Images/s": _rounded(one.images_per_second),
                "Images/s at 64": _rounded(many.images_per_second),
            }
        )
    column = st.column_config
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        row_height=_ROW,
        column_config={
            "Architecture": column.TextColumn(width=118),
            "MACs": column.NumberColumn("G MACs", format="%.2f", width=64),
            "Launches": column.NumberColumn(width=70),
            "Moved": column.NumberColumn(
                "MiB moved", format="%.0f", width=80, help="Read and written, for one image."
            ),
            "Ops a byte": column.NumberColumn(format="localized", width=80),
            "ms": column.NumberColumn("ms", format="localized", width=58),
            "Images/s": column.NumberColumn("Images/s", format="localized", width=78),
            "Images/s at 64": column.NumberColumn("Images/s at 64", format="localized", width=100),
        },
    )
    device, dtype = setup.device.name, "TF32" if setup.tf32 else setup.dtype
    st.caption(
        f"Predicted at 224 × 224 on {plain(device)} in {dtype}. All but the last column are "
        "for one image."
    )
    if told.sentences:
        st.markdown("".join(f"- At batch 64, {plain(each)}\n" for each in told.sentences))


def _rounded(x: float) -> float:
    return float(f"{x:.3g}")


# ----------------------------------------------------------------------- time


def roofline_tab(choice: Choice, view: View) -> None:
    """Every layer under the device's roof; a click on a dot selects the layer."""
    badge("predicted")
    frame = cache.layer_times(choice, view.setup)
    _chart(
        "chart_roofline",
        cache.time_figure_json(choice, view.setup, "roofline", theme(), view.layer),
        "Operations for each byte against operations a second, for each layer",
        lambda: select_point("chart_roofline"),
    )
    idle = frame[frame["Intensity"] == 0]
    text = (
        "A dot is a layer, its area the layer's share of the time. Under the slanted roof it waits "
        "for memory, under the flat one it is limited by arithmetic; how far below the roof it "
        "lies is what launches cost."
    )
    if len(idle):
        text += (
            f" {len(idle)} layers without arithmetic, {percent(idle['Share'].sum() / 100)} of the "
            "time, have no place here."
        )
    st.caption(text)


def layers_tab(choice: Choice, view: View) -> None:
    """Milliseconds of each layer as bars, and the table."""
    badge("predicted")
    _chart(
        "chart_time",
        cache.time_figure_json(choice, view.setup, "time", theme(), view.layer),
        "Predicted milliseconds of each layer",
        lambda: select_point("chart_time"),
    )
    frame = cache.layer_times(choice, view.setup)
    keys = [str(key) for key in frame.index]
    shown = pd.DataFrame(
        {
            "Layer": [_short(key) for key in keys],
            "Kind": [[kind] for kind in frame["Kind"]],
            "ms": frame["ms"].map(_rounded),
            "Share": frame["Share"],
            "Bound": frame["Bound"].map(_bound_word),
            "MACs": frame["MACs"],
            "Moved": frame["Moved"],
            "Intensity": frame["Intensity"].map(_rounded),
        }
    )
    st.caption(
        f"{len(frame)} layers take time, {rounded(frame['ms'].sum())} ms in all. Click one to see "
        "how its time comes about."
    )
    column, shade = st.column_config, theme()
    select_table(
        "time_table",
        shown,
        keys=keys,
        selected=keys.index(view.layer) if view.layer in keys else None,
        columns={
            "Layer": column.TextColumn(width=text_width(shown["Layer"], 110, 205)),
            "Kind": column.MultiselectColumn(
                width=102,
                options=list(KIND_COLORS[shade]),
                color=[pill_color(kind, shade) for kind in KIND_COLORS[shade]],
            ),
            "ms": column.NumberColumn(format="localized", width=62),
            "Share": column.ProgressColumn(
                "Share of time", format="%.2f%%", min_value=0, max_value=100, width=96
            ),
            "Bound": column.TextColumn("Waits for", width=78),
            "MACs": column.NumberColumn(format="localized", width=103),
            "Moved": column.NumberColumn("MiB moved", format="%.2f", width=78),
            "Intensity": column.NumberColumn("Ops a byte", format="localized", width=78),
        },
    )


def _bound_word(bound: str) -> str:
    return {"compute": "arithmetic", "launch": "launches"}.get(bound, bound)


def _short(key: str, most: int = 31) -> str:
    text = key
    while len(text) > most and "." in text:
        text = text.partition(".")[2]
    return text if text == key else f"…{text}"


def _chart(key: str, drawn: str, what: str, clicked: Callable[[], None] | None = None) -> None:
    st.plotly_chart(
        json.loads(drawn),
        key=key,
        theme=None,
        on_select=clicked or "ignore",
        selection_mode="points",
        config={"displayModeBar": False},
        alt=what,
    )


# --------------------------------------------------------------------- memory


def memory_tab(choice: Choice, view: View) -> None:
    """Activations along the pass, what is alive at the peak, and other number types."""
    badge("predicted")
    dtype = view.setup.dtype
    found = cache.inference(choice, dtype)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        budget_field(view)
        _fits(choice, view, "inference")
    with st.grid(5, min_column_width=118, gap="small", key="memory_metrics"):
        _metric("Parameters", memory(found.parameter_bytes), "")
        _metric("Buffers", memory(found.buffer_bytes), "")
        _metric("Activations", memory(found.eager_peak), "")
        _metric("Input, of it", memory(found.input_bytes), "")
        _metric("At best", memory(found.ideal_peak), "")
    st.caption(
        f"One forward pass in {dtype}, batch of {found.batch}, in evaluation mode: parameters, "
        f"buffers and activations at their peak take {memory(found.total)}. At best: activations "
        "if each tensor were freed right after its last use. Scratch of a kernel and what an "
        "allocator holds in reserve are not counted."
    )
    _chart(
        "chart_memory",
        cache.memory_figure_json(choice, dtype, theme(), view.layer),
        "Bytes of activations alive at each op",
        lambda: select_point("chart_memory"),
    )
    _alive(found.alive, found.eager_peak, view)
    _number_types(choice)


def _fits(choice: Choice, view: View, what: Literal["inference", "training"]) -> None:
    """The largest batch within the budget, in a sentence."""
    fits = cache.fits(choice, view.setup.dtype, view.training, _bytes(view.budget))
    found = fits.inference if what == "inference" else fits.training
    if found is None:
        st.markdown("It does not train at this size and batch.")
        return
    how = view.setup.dtype if what == "inference" else view.training.name
    budget = f"{rounded(view.budget, 4)} GB"
    if not found.batch:
        st.markdown(
            f"Not even one image fits in {budget} ({how}): it takes {_gigabytes(found.total)}."
        )
        return
    doing = "Runs" if what == "inference" else "Trains"
    up_to = "at most" if found.is_lower_bound else "up to"
    st.markdown(
        f"{doing} in {budget} {up_to} **batch {_batch(found).removeprefix('≤ ')}** ({how}), which "
        f"takes {_gigabytes(found.total)}; one image more takes {_gigabytes(found.next_total)}."
    )


def _gigabytes(nbytes: int) -> str:
    """With so many digits that neighbouring batches differ."""
    return f"{rounded(nbytes / 1e9, 6)} GB"


def _alive(blocks: Sequence[Alive], peak: int, view: View) -> None:
    st.markdown("**Alive at the peak**")
    keys = ["" if block.key == "input" else block.key for block in blocks]
    frame = pd.DataFrame(
        {
            "Layer": [_short(block.key) for block in blocks],
            "Op": [block.name for block in blocks],
            "Shape": [shape_text(block.shape, batch=True).replace(" × ", "×") for block in blocks],
            "MiB": [block.nbytes / 2**20 for block in blocks],
            "Share": [100 * block.nbytes / peak if peak else 0.0 for block in blocks],
        }
    )
    column = st.column_config
    select_table(
        "alive_table",
        frame,
        keys=keys,
        selected=keys.index(view.layer) if view.layer and view.layer in keys else None,
        columns={
            "Layer": column.TextColumn(width=text_width(frame["Layer"], 90, 265)),
            "Op": column.TextColumn(width=90),
            "Shape": column.TextColumn(width=118),
            "MiB": column.NumberColumn(format="%.2f", width=64),
            "Share": column.ProgressColumn(
                "Share of the peak", format="%.1f%%", min_value=0, max_value=100, width=120
            ),
        },
    )
    st.caption("Shapes are those of the traced batch; MiB of the number type above.")


def _number_types(choice: Choice) -> None:
    st.markdown("**What if: number types**")
    found = cache.number_types(choice)
    column = st.column_config
    st.dataframe(
        pd.DataFrame(
            {
                "Type": [each.dtype for each in found],
                "Weights": [each.weight_bytes / 2**20 for each in found],
                "Activations": [each.activation_bytes / 2**20 for each in found],
                "Both": [(each.weight_bytes + each.activation_bytes) / 2**20 for each in found],
            }
        ),
        hide_index=True,
        row_height=_ROW,
        column_config={
            "Type": column.TextColumn(width=80),
            "Weights": column.NumberColumn("Weights, MiB", format="%.2f", width=95),
            "Activations": column.NumberColumn("Peak, MiB", format="%.2f", width=85),
            "Both": column.NumberColumn("Both, MiB", format="%.2f", width=85),
        },
    )
    st.caption("".join(f"- {each.dtype}: {plain(each.assumption)}\n" for each in found))


# ------------------------------------------------------------------- training


def training_tab(choice: Choice, view: View) -> None:
    """The parts of a training step, and what other ways to train would take."""
    badge("predicted")
    training_controls(view)
    stands = cache.failure(cache.trained(choice))
    if stands:
        failed(choice, stands)
        return
    how = view.training
    step = cache.training(choice, how)
    _fits(choice, view, "training")
    _chart(
        "chart_training",
        cache.training_figure_json(choice, _ways(how), theme()),
        "Parts of the memory of a training step",
    )
    _parts(step)
    text = (
        f"One step of forward, backward and update, {how.name}, batch of {step.batch}. Working "
        "memory is an estimate: what the worst moment takes beyond what is saved. The loss, the "
        "kernels' scratch and the allocator's reserve are not counted."
    )
    if how.precision == "mixed":
        text += (
            " Mixed: activations and a copy of the weights in 16 bits; weights, gradients and the "
            "optimizer's state in 32."
        )
    if step.unknown_ops:
        text += f" At least: nothing is known of {', '.join(step.unknown_ops)}."
    if step.segments:
        text += (
            f" Checkpoints cut the pass into {len(step.segments)} runs that are computed twice; "
            f"the largest keeps {memory(max(each.recomputed_bytes for each in step.segments))} "
            "when it is."
        )
    st.caption(plain(text))


def _ways(how: Training) -> tuple[tuple[str, Training], ...]:
    """The chosen way to train, and each way that differs in one thing."""
    other = "sgd" if how.optimizer != "sgd" else "adam"
    found = [(how.name, how)]
    flipped = how._replace(checkpoint=not how.checkpoint)
    found.append(("without checkpoints" if how.checkpoint else "with checkpoints", flipped))
    found += [
        (f"in {name.lower()}" if key != "16bit" else "all in 16-bit", how._replace(precision=key))
        for key, name in PRECISIONS.items()
        if key != how.precision
    ]
    return (*found, (f"with {TRAINERS[other]}", how._replace(optimizer=other)))


def _parts(step: TrainingMemory) -> None:
    parts = {
        "Parameters": step.parameter_bytes,
        "Buffers": step.buffer_bytes,
        "Gradients": step.gradient_bytes,
        "Optimizer's state": step.optimizer_bytes,
        "Input": step.input_bytes,
        "Saved for backward": step.saved_bytes,
        "Working": step.working_bytes,
    }
    with st.expander("Bytes of each part, and what is saved"):
        sums, kept = st.columns(2, gap="medium")
        column = st.column_config
        sums.dataframe(
            pd.DataFrame(
                {"Part": [*parts, "Total"], "Bytes": [*parts.values(), step.total]},
            ),
            hide_index=True,
            row_height=_ROW,
            column_config={"Bytes": column.NumberColumn(format="localized")},
        )
        kept.dataframe(
            pd.DataFrame(
                {
                    "Layer": [_short(block.key) for block in step.kept],
                    "What": [f"{block.name}: {block.what}" for block in step.kept],
                    "MiB": [block.nbytes / 2**20 for block in step.kept],
                }
            ),
            hide_index=True,
            row_height=_ROW,
            height=8 * _ROW + _HEADER,
            column_config={"MiB": column.NumberColumn(format="%.3f", width=70)},
        )


# ------------------------------------------------- measured, recorded, predicted


def measured_tab(choice: Choice, view: View) -> None:
    """A measurement on request, and one table in which every row says its origin."""
    st.markdown("**Side by side**")
    rows = [_predicted_row(choice, view), *measurements.results(choice)]
    column = st.column_config
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        row_height=_ROW,
        column_config={
            "Origin": column.TextColumn(width=90),
            "Device": column.TextColumn(width=240),
            "Type": column.TextColumn(width=76),
            "Batch": column.NumberColumn(width=58),
            "ms": column.NumberColumn(format="localized", width=76),
            "Images/s": column.NumberColumn(format="localized", width=80),
            "Date": column.TextColumn(width=160),
        },
    )
    st.caption(
        "Only rows of this model, its options and this size. A prediction is for the device chosen "
        "above, a measurement for the machine that this server runs on: unless that is the same "
        "device, their difference says nothing. Recorded rows are runs on another machine, kept "
        "with the app; they were taken beside other work, so trust their ratios more than times."
    )
    badge("measured")
    measurements.latency(choice)


def _predicted_row(choice: Choice, view: View) -> dict[str, Any]:
    made, setup = cache.forecast(choice, view.setup), view.setup
    return {
        "Origin": "predicted",
        "Device": setup.device.name,
        "Type": "TF32" if setup.tf32 else setup.dtype,
        "Batch": choice.input_shape[0],
        "ms": _rounded(made.ms),
        "Images/s": _rounded(made.images_per_second),
        "Date": "",
    }


# ----------------------------------------------------------- the selected layer


def layer_panel(choice: Choice, view: View) -> None:
    """The selected layer's predicted time, worked out; without one, the slowest layer's."""
    with st.container(border=True, key="inspector", gap="small"):
        found = cache.time_of(choice, view.setup, view.layer) if view.layer else None
        if view.layer and found is None:
            st.caption(f":orange[No layer called {plain(view.layer)} takes time here.]")
        if found is None:
            found = cache.time_of(choice, view.setup, cache.forecast(choice, view.setup).slowest)
            st.caption("The layer that takes longest. Select another in a chart or a table.")
        if found is None:
            return
        st.subheader(f"{rounded(found.ms)} ms predicted", anchor=False)
        _facts(found)
        lines = "".join(
            f"<dt>{escape(line.label)}</dt><dd>{escape(line.formula)} "
            f"<b>= {escape(line.result)}</b></dd>"
            for line in found.lines
        )
        st.html(f'<dl class="receipt">{lines}</dl>')
        if view.layer:
            st.button(
                "Clear the selection",
                key="clear",
                type="tertiary",
                icon=":material/close:",
                on_click=select,
                args=("",),
            )


def _facts(found: TimeReceipt) -> None:
    mode = theme()
    chip = ""
    if len(found.kinds) == 1:
        color = kind_color(found.kinds[0], mode)
        chip = (
            f'<span class="chip" style="background:{tint(color, mode)};border-color:{color};'
            f'color:{INK[mode]}">{escape(found.kinds[0])}</span>'
        )
    bound = _BOUNDS.get(found.bound)
    facts = {
        "Class": escape(found.title),
        "Kind": chip,
        "Share": percent(found.share),
        "Mostly": bound[0] if bound else "",
        "MACs": count(found.macs),
        "Operations": count(found.operations),
        "Moved": memory(found.nbytes),
        "Ops a byte": rounded(found.intensity),
        "Launches": count(found.launches),
    }
    cells = "".join(
        f"<span>{name}</span><span>{value}</span>" for name, value in facts.items() if value
    )
    st.html(f'<p class="key">{escape(found.key)}</p><div class="facts">{cells}</div>')
