"""What torchinfo, thop and torch's own counter say of the same model, asked on request."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd
import streamlit as st

from explorer.analysis.crosscheck import CrossCheck, ToolReport, cross_check
from explorer.analysis.units import shape_text
from pages.shared import address
from pages.shared.choice import Choice
from pages.shared.jobs import PROCESSES, Job, queue_text
from pages.shared.text import N_, _
from pages.shared.widgets import plain

_JOB: Final = "check_job"
_COLUMNS: Final = {
    N_("Params"): "localized",
    N_("Params gap"): "%+.3f%%",
    "MACs": "localized",
    N_("MACs gap"): "%+.3f%%",
    N_("Seconds"): "%.2f",
}
"""Column of numbers -> its format."""
_SECONDS: Final = 120
_POLL: Final = 0.4
"""Seconds between two looks at work in the background."""


def check(choice: Choice) -> None:
    """Ask torchinfo and thop about the same model, in a process of their own."""
    state = st.session_state
    asked, job = state.get(_JOB, (None, None))
    running = job is not None and job.running
    st.markdown(
        _(
            "What other counters say of this model at this size, and why. They run "
            "on a fresh copy in a process of their own, in evaluation mode."
        )
    )
    st.button(
        _("Ask torchinfo, thop and FlopCounterMode"),
        key="check",
        type="primary",
        icon=":material/fact_check:",
        disabled=running,
        on_click=_start_check,
        args=(choice,),
    )
    if job is None:
        return
    if running:
        _watch_check(job)
    elif job.sentence:
        st.error(job.sentence, icon=":material/error:")
    elif job.result is not None:
        if asked != choice:
            st.caption(
                _(":orange[Asked before you changed the choice, about {about}.]").format(
                    about=_about(asked)
                )
            )
        _check_result(job.result)


def _about(choice: Choice) -> str:
    return _("{title} at {shape}").format(
        title=choice.spec.title, shape=shape_text(choice.input_shape, batch=True)
    )


def _start_check(choice: Choice) -> None:
    address.touch()

    def work(_job: Job[CrossCheck]) -> CrossCheck:
        return cross_check(choice.model, choice.build_options, choice.input_shape, timeout=_SECONDS)

    st.session_state[_JOB] = (choice, Job(work, lane=PROCESSES))


@st.fragment(run_every=_POLL)
def _watch_check(job: Job[CrossCheck]) -> None:
    if not job.running:
        st.rerun()
    text = _("The other counters are running ({seconds:.0f} s)").format(seconds=job.seconds)
    if job.waiting:
        text = _("Waiting for other visitors' checks: {ahead}").format(ahead=queue_text(job.ahead))
    st.progress(0.0 if job.waiting else min(job.seconds / _SECONDS, 1.0), text)
    if job.waiting:
        st.button(_("Cancel"), key="cancel_check", on_click=job.cancel)


def _check_result(result: CrossCheck) -> None:
    exact: dict[str, Any] = {
        "Counter": "Layerwise",
        "Params": result.params,
        "MACs": result.macs,
    }
    st.dataframe(
        pd.DataFrame([exact, *map(_check_row, result.reports)]),
        hide_index=True,
        placeholder="",
        column_config={
            "Counter": st.column_config.TextColumn(_("Counter")),
            **{
                name: st.column_config.NumberColumn(_(name), format=form)
                for name, form in _COLUMNS.items()
            },
        },
    )
    for report in result.reports:
        reasons = [f"- {plain(reason.sentence)}" for reason in report.reasons]
        st.markdown("\n".join([f"**{report.tool}.** {plain(report.summary)}", "", *reasons]))


def _check_row(report: ToolReport) -> dict[str, Any]:
    return {
        "Counter": f"{report.tool} {report.version}".strip(),
        "Params": report.params,
        "Params gap": report.params_percent,
        "MACs": report.macs,
        "MACs gap": report.macs_percent,
        "Seconds": report.seconds,
    }
