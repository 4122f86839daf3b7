"""Times measured here on request, of several models, sizes or options, one after the other.

A job measures in a thread of its own and puts each time, as soon as it is there, where the
session looks for it: what is done when it is stopped is kept. A time stands for one pass on one
device in one number type, and every place that shows it says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import streamlit as st

from explorer.analysis.units import rounded
from explorer.latency import DTYPES, LatencyRecord, Step, Work, available_devices, measure_all
from pages.shared import address, reading
from pages.shared.jobs import Job
from pages.shared.text import N_, _
from pages.shared.widgets import plain

_JOB: Final = "here_job"
_FOUND: Final = "here_found"
_DEVICE: Final = "here_device"
_DTYPE: Final = "here_dtype"
_MOST_FOUND: Final = 500
"""Times that a session keeps; the oldest go first."""
_MOST_SAID: Final = 3
_STAGES: Final = (N_("preparing"), N_("warming up"), N_("measuring"), N_("replaying"))
"""Of a measurement, as its progress names them."""
_POLL: Final = 0.4
"""Seconds between two looks at work in the background."""

Key = tuple[str, tuple[int, ...], tuple[tuple[str, Any], ...], str, str]


class Here(NamedTuple):
    """What is measured on."""

    device: str
    dtype: str


def open_here() -> Here:
    """Read device and number type from the session, or from the address, and record them."""
    first = available_devices()[0]
    device = address.restore("on", _DEVICE, reading.one_of(available_devices()), first)
    dtype = address.restore("as", _DTYPE, reading.one_of(DTYPES), DTYPES[0])
    address.record({"on": reading.unless(device, first), "as": reading.unless(dtype, DTYPES[0])})
    return Here(device, dtype)


def found(work: Work, here: Here) -> LatencyRecord | str | None:
    """The time of a pass, why it is not measured, or None if nobody has asked."""
    times: dict[Key, LatencyRecord | str] = st.session_state.get(_FOUND, {})
    return times.get(_key(work, here))


def records(works: Sequence[Work], here: Here) -> list[LatencyRecord]:
    """The times there are of some passes."""
    times = (found(work, here) for work in works)
    return [time for time in times if isinstance(time, LatencyRecord)]


def _key(work: Work, here: Here) -> Key:
    return (work.model, work.input_shape, work.options, *here)


def controls(works: Sequence[Work], here: Here, what: str) -> None:
    """Where and in which type, and the button; `watch` shows how far the work is.

    Args:
        works: the passes that are measured on request.
        here: what is chosen.
        what: what they are, "3 models".
    """
    job: Job[None] | None = st.session_state.get(_JOB)
    running = job is not None and job.running
    with st.container(
        horizontal=True,
        vertical_alignment="bottom",
        gap="small",
        key="here_controls",
        width="content",
    ):
        st.selectbox(
            _("Measure on"),
            available_devices(),
            key=_DEVICE,
            on_change=address.touch,
            width=120,
            help=_("A device of the machine that runs this app, with random weights."),
        )
        st.selectbox(
            _("Measure in"), DTYPES, key=_DTYPE, on_change=address.touch, width=130,
        )  # fmt: skip
        st.button(
            _("Measure {what} here").format(what=what),
            key="here_measure",
            icon=":material/timer:",
            disabled=running or not works,
            on_click=_start,
            args=(tuple(works), here),
        )


def watch() -> None:
    """How far the work is, with a button that stops it; or why it ended."""
    job: Job[None] | None = st.session_state.get(_JOB)
    if job is None:
        return
    if job.running:
        _watch(job)
    elif job.sentence:
        st.error(plain(job.sentence), icon=":material/error:")


def sentences(works: Sequence[Work], here: Here) -> None:
    """Why some passes have no time although it was asked for."""
    said = [(work, found(work, here)) for work in works]
    refused = [(work, why) for work, why in said if isinstance(why, str)]
    for work, why in refused[:_MOST_SAID]:
        told = why if why.startswith(work.title) else f"{work.title}: {why}"
        st.caption(f":orange[✕] {plain(told)}")
    if more := len(refused[_MOST_SAID:]):
        st.caption(_(":orange[✕] And {more} more, for such reasons.").format(more=more))


def statement(times: Sequence[LatencyRecord]) -> str:
    """What measured times hold for; "" if there are none."""
    if not times:
        return ""
    latest = max(times, key=lambda record: record.environment.date)
    text = _(
        "**Measured here** means {conditions}, torch {torch}, random weights in evaluation mode, "
        "the median of the runs after a warm-up."
    ).format(conditions=conditions(latest), torch=latest.environment.torch)
    if any(not record.stable for record in times):
        text += _(
            " :orange[Some times had not settled: other work ran on this machine. Measure again "
            "before you trust them.]"
        )
    return text


def conditions(record: LatencyRecord) -> str:
    """Device, threads, type and day of a measurement."""
    environment = record.environment
    text = _("{name} ({device}), {dtype}, {date}")
    if environment.device == "cpu":
        text = _("{name} ({device}, {threads} threads), {dtype}, {date}")
    return text.format(
        name=environment.device_name,
        device=environment.device,
        threads=environment.threads,
        dtype=record.dtype,
        date=environment.date[:10],
    )


def time_text(record: LatencyRecord) -> str:
    """A time as it is read: "12.3 ms"."""
    return f"{'' if record.stable else '~'}{rounded(record.median_ms)} ms"


def _start(works: tuple[Work, ...], here: Here) -> None:
    address.touch()
    state = st.session_state
    times: dict[Key, LatencyRecord | str] = state.setdefault(_FOUND, {})
    for key in list(times)[: max(0, len(times) + len(works) - _MOST_FOUND)]:
        del times[key]

    def measure(job: Job[None]) -> None:
        for work, time in measure_all(
            works, device=here.device, dtype=here.dtype, cancel=job.cancelled, progress=job.report
        ):
            times[_key(work, here)] = time

    state[_JOB] = Job(measure)


@st.fragment(run_every=_POLL)
def _watch(job: Job[None]) -> None:
    if not job.running:
        st.rerun()
    text, share = _("Preparing"), 0.0
    if isinstance(job.progress, Step):
        done, total, work, now = job.progress
        within = now.done / now.total if now.total else 0.0
        share = (done + within) / total
        text = _("{work}, {n} of {total}: {stage}").format(
            work=plain(work.title), n=done + 1, total=total, stage=_(now.stage)
        )
        if now.stage == "queued":
            text = _("Waiting for {n} other measurements on this device").format(n=now.ahead)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.progress(min(share, 1.0), text)
        st.button(_("Stop"), key="here_stop", icon=":material/stop:", on_click=job.cancel)
