"""Memory of a training step: its parts, and what other ways to train would take."""

from __future__ import annotations

from typing import Final

import pandas as pd
import streamlit as st

from explorer.analysis.memory import TrainingMemory
from explorer.analysis.units import memory
from pages.shared import cache
from pages.shared.choice import Choice
from pages.shared.performance.parts import ROW, badge, chart, fits, short
from pages.shared.setup import TRAINERS, Training, View, training_controls
from pages.shared.tables import select_table
from pages.shared.text import N_, _
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
        _("Parts of the memory of a training step"),
    )
    _parts(step, view)
    text = _(
        "One step of forward, backward and update, {how}, batch of {batch}. Working "
        "memory is an estimate: what the worst moment takes beyond what is saved. The loss, the "
        "kernels' scratch and the allocator's reserve are not counted."
    ).format(how=how.name, batch=step.batch)
    if how.precision == "mixed":
        text += _(
            " Mixed: activations and a copy of the weights in 16 bits; weights, gradients and the "
            "optimizer's state in 32."
        )
    if step.unknown_ops:
        text += _(" At least: nothing is known of {ops}.").format(ops=", ".join(step.unknown_ops))
    if step.segments:
        text += _(
            " Checkpoints cut the pass into {n} runs that are computed twice; "
            "the largest keeps {largest} when it is."
        ).format(
            n=len(step.segments),
            largest=memory(max(each.recomputed_bytes for each in step.segments)),
        )
    st.caption(plain(text))


_OTHERWISE: Final = {
    "float32": N_("in float32"), "mixed": N_("in mixed 16-bit"), "16bit": N_("all in 16-bit")
}  # fmt: skip
"""Precision -> what differs if it is chosen instead."""


def _ways(how: Training) -> tuple[tuple[str, Training], ...]:
    """The chosen way to train, and each way that differs in one thing."""
    other = "sgd" if how.optimizer != "sgd" else "adam"
    found = [(how.name, how)]
    flipped = how._replace(checkpoint=not how.checkpoint)
    found.append((_("without checkpoints") if how.checkpoint else _("with checkpoints"), flipped))
    found += [
        (_(name), how._replace(precision=key))
        for key, name in _OTHERWISE.items()
        if key != how.precision
    ]
    with_other = _("with {optimizer}").format(optimizer=_(TRAINERS[other]))
    return (*found, (with_other, how._replace(optimizer=other)))


def _parts(step: TrainingMemory, view: View) -> None:
    parts = {
        _("Parameters"): step.parameter_bytes,
        _("Buffers"): step.buffer_bytes,
        _("Gradients"): step.gradient_bytes,
        _("Optimizer's state"): step.optimizer_bytes,
        _("Input"): step.input_bytes,
        _("Saved for backward"): step.saved_bytes,
        _("Working"): step.working_bytes,
    }
    with st.expander(_("Bytes of each part, and what is saved")):
        sums, kept = st.columns(2, gap="medium")
        column = st.column_config
        frame = pd.DataFrame(
            {"Part": [*parts, _("Total")], "Bytes": [*parts.values(), step.total]},
        )
        sums.dataframe(
            frame,
            hide_index=True,
            row_height=ROW,
            column_config={
                "Part": column.TextColumn(_("Part")),
                "Bytes": column.NumberColumn(_("Bytes"), format="localized"),
            },
        )
        keys = [block.key for block in step.kept]
        with kept:
            select_table(
                "kept_table",
                pd.DataFrame(
                    {
                        "Layer": [short(block.key) for block in step.kept],
                        "What": [f"{block.name}: {_(block.what)}" for block in step.kept],
                        "MiB": [block.nbytes / 2**20 for block in step.kept],
                    }
                ),
                keys=keys,
                selected=keys.index(view.layer) if view.layer in keys else None,
                columns={
                    "Layer": column.TextColumn(_("Layer")),
                    "What": column.TextColumn(_("What")),
                    "MiB": column.NumberColumn(format="%.3f", width=70),
                },
            )
