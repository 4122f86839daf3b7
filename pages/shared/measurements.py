"""What takes seconds and is done on request: measuring latency, asking other counters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd
import streamlit as st

from explorer import measure_latency
from explorer.analysis.crosscheck import CrossCheck, ToolReport, cross_check
from explorer.analysis.units import rounded, shape_text
from explorer.latency import DTYPES, LatencyRecord, Progress, available_devices
from pages.shared import address, cache
from pages.shared.choice import Choice
from pages.shared.jobs import PROCESSES, Job
from pages.shared.widgets import plain

_LATENCY_JOB: Final = "latency_job"
_LATENCY_RECORDS: Final = "latency_records"
_MOST_RECORDS: Final = 20
_CHECK_JOB: Final = "check_job"
_CHECK_SECONDS: Final = 120
_POLL: Final = 0.4
"""Seconds between two looks at work in the background."""


# ---------------------------------------------------------------------- latency


def latency(choice: Choice) -> None:
    """Measure one forward pass on request, off the script thread."""
    state = st.session_state
    job: Job[LatencyRecord] | None = state.get(_LATENCY_JOB)
    running = job is not None and job.running
    device, dtype, button = st.columns([2, 2, 3], gap="small", vertical_alignment="bottom")
    device.selectbox(
        "Device", ("auto", *available_devices()), key="latency_device", on_change=address.touch
    )
    dtype.selectbox("Number type", DTYPES, key="latency_dtype", on_change=address.touch)
    button.button(
        "Measure one forward pass",
        key="measure",
        type="primary",
        icon=":material/timer:",
        disabled=running,
        on_click=_start_latency,
        args=(choice,),
    )
    st.caption(
        "The model is built with random weights and run in evaluation mode, after a warm-up, one "
        "measurement at a time on each device."
    )
    if job is not None and running:
        _watch_latency(job)
        return
    if job is not None and job.sentence:
        st.error(job.sentence, icon=":material/error:")
    records: list[LatencyRecord] = state.setdefault(_LATENCY_RECORDS, [])
    if job is not None and job.result is not None and job.result not in records:
        state[_LATENCY_RECORDS] = records = [job.result, *records][:_MOST_RECORDS]
    if records:
        _latency_table(records)


def _start_latency(choice: Choice) -> None:
    address.touch()
    state = st.session_state
    device, dtype = state["latency_device"], state["latency_dtype"]

    def work(job: Job[LatencyRecord]) -> LatencyRecord:
        return measure_latency(
            choice.model,
            choice.input_shape,
            options=choice.build_options,
            device=device,
            dtype=dtype,
            cancel=job.cancelled,
            progress=job.report,
        )

    state[_LATENCY_JOB] = Job(work)


@st.fragment(run_every=_POLL)
def _watch_latency(job: Job[LatencyRecord]) -> None:
    if not job.running:
        st.rerun()
    progress = job.progress if isinstance(job.progress, Progress) else Progress("preparing")
    text = f"{progress.stage.capitalize()} ({job.seconds:.0f} s)"
    if progress.stage == "queued":
        text = f"Waiting for {progress.ahead} other measurements on this device"
    elif progress.total:
        text = f"{progress.stage.capitalize()}, run {progress.done} of {progress.total}"
    st.progress(progress.done / progress.total if progress.total else 0.0, text)
    st.button("Cancel", key="cancel_latency", on_click=job.cancel)


def _latency_table(records: list[LatencyRecord]) -> None:
    latest = records[0]
    environment = latest.environment
    with st.container(horizontal=True, gap="small", key="latency_metrics"):
        for label, value, detail in (
            ("Median", f"{rounded(latest.median_ms)} ms", f"{latest.runs} runs"),
            (
                "Middle 80%",
                f"{_spread_text(latest)} ms",
                "p10 to p90",
            ),
            ("Throughput", f"{rounded(latest.images_per_second, 4)} /s", "images"),
        ):
            st.metric(label, value, detail, delta_color="off", delta_arrow="off", border=True)
    st.markdown(
        f"**Measured here**: {latest.model} at {shape_text(_shape(latest))}, "
        f"batch of {latest.batch}, {latest.dtype}, on {environment.device_name} "
        f"({environment.device}, {environment.threads} threads), torch {environment.torch}, "
        f"{_utc(environment.date)}."
    )
    if not latest.stable or (latest.spread or 0) > 0.15:
        st.caption(
            ":orange[The times had not settled: other work ran on this machine, or it changed its "
            "clock. Measure again before you trust this number.]"
        )
    st.dataframe(
        pd.DataFrame(
            {
                "Model": [record.model for record in records],
                "Input": [shape_text(_shape(record), batch=True) for record in records],
                "Median ms": [_rounded(record.median_ms) for record in records],
                "p10 ms": [_rounded(record.p10_ms) for record in records],
                "p90 ms": [_rounded(record.p90_ms) for record in records],
                "Images/s": [_rounded(record.images_per_second, 4) for record in records],
                "Runs": [record.runs for record in records],
                "Warm-up": [record.warmup_runs for record in records],
                "Device": [record.environment.device_name for record in records],
                "Type": [record.dtype for record in records],
                "Threads": [record.environment.threads for record in records],
                "Load": [record.environment.load for record in records],
                "Clock": [record.clock for record in records],
                "torch": [record.environment.torch for record in records],
                "Date": [_utc(record.environment.date) for record in records],
            }
        ),
        hide_index=True,
        column_config={
            name: st.column_config.NumberColumn(format="localized")
            for name in ("Median ms", "p10 ms", "p90 ms", "Images/s")
        },
    )


def results(choice: Choice) -> list[dict[str, Any]]:
    """Times of this model, its options and this image size that somebody has taken.

    Each row says its origin: "measured" in this session, or "recorded" elsewhere and shipped.
    """
    records: list[LatencyRecord] = [
        *st.session_state.get(_LATENCY_RECORDS, []), *cache.recorded_latencies(choice.model)
    ]  # fmt: skip
    return [
        {
            "Origin": record.source,
            "Device": record.environment.device_name,
            "Type": record.dtype,
            "Batch": record.batch,
            "ms": _rounded(record.median_ms),
            "Images/s": _rounded(record.images_per_second),
            "Date": _utc(record.environment.date),
        }
        for record in records
        if _is_of(record, choice)
    ]


def _is_of(record: LatencyRecord, choice: Choice) -> bool:
    return (
        record.model == choice.model
        and _shape(record)[1:] == choice.input_shape[1:]
        and _changed(choice, dict(record.options)) == _changed(choice, choice.build_options)
    )


def _changed(choice: Choice, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that are not the model's own."""
    known = choice.spec.options
    return {
        name: value
        for name, value in options.items()
        if name not in known or value != known[name].default
    }


def _rounded(x: float | None, digits: int = 3) -> float | None:
    """Round for a column: its own format "%.3g" would write 3660 as 3.66e+3."""
    return None if x is None else float(f"{x:.{digits}g}")


def _spread_text(record: LatencyRecord) -> str:
    return " to ".join("?" if x is None else rounded(x) for x in (record.p10_ms, record.p90_ms))


def _utc(date: str) -> str:
    """Write "2025-06-01T12:00:00+00:00" as people do."""
    return date.replace("T", " ").replace("+00:00", " UTC")


def _shape(record: LatencyRecord) -> tuple[int, ...]:
    """The input's shape; of several inputs the first."""
    first = record.input_shape[0]
    return first if isinstance(first, tuple) else record.input_shape  # type: ignore[return-value]


# ------------------------------------------------------------------ cross-check


def check(choice: Choice) -> None:
    """Ask torchinfo and thop about the same model, in a process of their own."""
    state = st.session_state
    asked, job = state.get(_CHECK_JOB, (None, None))
    running = job is not None and job.running
    st.markdown(
        "What other counters say of this model at this size, and why. They run on a fresh copy in "
        "a process of their own, in evaluation mode."
    )
    st.button(
        "Ask torchinfo, thop and FlopCounterMode",
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
            st.caption(f":orange[Asked before you changed the choice, about {_about(asked)}.]")
        _check_result(job.result)


def _about(choice: Choice) -> str:
    return f"{choice.spec.title} at {shape_text(choice.input_shape, batch=True)}"


def _start_check(choice: Choice) -> None:
    address.touch()

    def work(_: Job[CrossCheck]) -> CrossCheck:
        return cross_check(
            choice.model, choice.build_options, choice.input_shape, timeout=_CHECK_SECONDS
        )

    st.session_state[_CHECK_JOB] = (choice, Job(work, lane=PROCESSES))


@st.fragment(run_every=_POLL)
def _watch_check(job: Job[CrossCheck]) -> None:
    if not job.running:
        st.rerun()
    what = "Waiting for other visitors' checks" if job.waiting else "The other counters are running"
    st.progress(min(job.seconds / _CHECK_SECONDS, 1.0), f"{what} ({job.seconds:.0f} s)")


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
            name: st.column_config.NumberColumn(format=form)
            for name, form in {
                "Params": "localized",
                "Params gap": "%+.3f%%",
                "MACs": "localized",
                "MACs gap": "%+.3f%%",
                "Seconds": "%.2f",
            }.items()
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
