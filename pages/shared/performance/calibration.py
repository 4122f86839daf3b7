"""Measure what this machine reaches, so that the prediction is for it."""

from __future__ import annotations

from typing import Final

import streamlit as st

from explorer.analysis.units import threads_text
from explorer.latency import Calibration, Progress, calibrate
from pages.shared import address, runs
from pages.shared.cache import performance as cache
from pages.shared.jobs import Job, queue_text
from pages.shared.setup import CALIBRATION, OWN, View, numbers_of
from pages.shared.text import _
from pages.shared.ways import Ways, current
from pages.shared.widgets import plain

_JOB: Final = "calibration_job"
_POLL: Final = 0.4
"""Seconds between two looks at work in the background."""


def take() -> None:
    """Take over what a finished calibration found; first in a run, before any widget."""
    job: Job[Calibration] | None = st.session_state.get(_JOB)
    if job is None or job.running or job.result is None:
        return
    found, job.result = job.result, None
    state = st.session_state
    state[CALIBRATION] = found
    state["performance_device"] = OWN
    state["performance_own"] = numbers_of(cache.device_of(found))


def button() -> None:
    """Offer to measure this machine."""
    job: Job[Calibration] | None = st.session_state.get(_JOB)
    st.button(
        _("Measure this machine"),
        key="calibrate",
        icon=":material/speed:",
        disabled=job is not None and job.running,
        on_click=_start,
        args=(current(),),
        help=_(
            "Predict for the machine that this server runs on: times matrix products "
            "in every number type, a copy in memory and calls of a tiny layer, some "
            "seconds in all."
        ),
    )


def progress(view: View) -> None:
    """While the machine is measured show how far, and a way out; afterwards what it is."""
    _told(view)
    job: Job[Calibration] | None = st.session_state.get(_JOB)
    if job is None:
        return
    if job.running:
        _watch(job)
    elif job.sentence and job.cancelled.is_set():
        st.info(plain(job.sentence), icon=":material/cancel:")
    elif job.sentence:
        st.error(plain(job.sentence), icon=":material/error:")


def _told(view: View) -> None:
    found: Calibration | None = st.session_state.get(CALIBRATION)
    if found is None or view.setup.device.name != cache.device_of(found).name:
        return
    environment = found.environment
    threads = f", {threads_text(environment.threads)}" if environment.device == "cpu" else ""
    load = (
        ""
        if environment.load is None
        else _(", beside a load of {load:g}").format(load=environment.load)
    )
    st.caption(
        _(
            "Calibrated {date} on {device_name} ({device}{threads}{load}). Other work "
            "on the machine makes these numbers lower than it could reach."
        ).format(
            date=runs.utc(environment.date),
            device_name=plain(environment.device_name),
            device=environment.device,
            threads=threads,
            load=load,
        )
    )


def _start(ways: Ways) -> None:
    address.touch()
    st.session_state[_JOB] = Job(
        lambda job: calibrate(
            ways.device,
            threads=ways.threads or None,
            cancel=job.cancelled,
            progress=job.report,
        )
    )


@st.fragment(run_every=_POLL)
def _watch(job: Job[Calibration]) -> None:
    if not job.running:
        st.rerun()
    at = job.progress if isinstance(job.progress, Progress) else Progress("preparing")
    text = _("Measuring this machine ({seconds:.0f} s)").format(seconds=job.seconds)
    if at.stage == "queued":
        text = _("In the queue for this device: {ahead}").format(ahead=queue_text(at.ahead))
    asked = job.cancelled.is_set()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.progress(at.done / at.total if at.total else 0.0, text)
        st.button(
            _("Stopping") if asked else _("Cancel"),
            key="cancel_calibration",
            on_click=job.cancel,
            disabled=asked,
        )
