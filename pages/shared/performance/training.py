"""Memory of a training step: its parts, and what other ways to train would take."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from explorer.analysis.memory import TrainingMemory
from explorer.analysis.units import memory
from pages.shared import cache
from pages.shared.choice import Choice
from pages.shared.performance.parts import ROW, badge, chart, fits, short
from pages.shared.setup import PRECISIONS, TRAINERS, Training, View, training_controls
from pages.shared.tables import select_table
from pages.shared.text import _
from pages.shared.widgets import failed, plain, theme


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
    fits(choice, view, "training")
    chart(
        "chart_training",
        cache.training_figure_json(choice, _ways(how), theme()),
        "Parts of the memory of a training step",
    )
    _parts(step, view)
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


def _parts(step: TrainingMemory, view: View) -> None:
    parts = {
        "Parameters": step.parameter_bytes,
        "Buffers": step.buffer_bytes,
        "Gradients": step.gradient_bytes,
        "Optimizer's state": step.optimizer_bytes,
        "Input": step.input_bytes,
        "Saved for backward": step.saved_bytes,
        "Working": step.working_bytes,
    }
    with st.expander(_("Bytes of each part, and what is saved")):
        sums, kept = st.columns(2, gap="medium")
        column = st.column_config
        sums.dataframe(
            pd.DataFrame(
                {"Part": [*parts, "Total"], "Bytes": [*parts.values(), step.total]},
            ),
            hide_index=True,
            row_height=ROW,
            column_config={"Bytes": column.NumberColumn(format="localized")},
        )
        keys = [block.key for block in step.kept]
        with kept:
            select_table(
                "kept_table",
                pd.DataFrame(
                    {
                        "Layer": [short(block.key) for block in step.kept],
                        "What": [f"{block.name}: {block.what}" for block in step.kept],
                        "MiB": [block.nbytes / 2**20 for block in step.kept],
                    }
                ),
                keys=keys,
                selected=keys.index(view.layer) if view.layer in keys else None,
                columns={"MiB": column.NumberColumn(format="%.3f", width=70)},
            )
