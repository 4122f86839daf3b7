"""Measuring a forward pass on request: off the script thread, in a queue, cancellable."""

from __future__ import annotations

from typing import Final, NamedTuple

import streamlit as st

from explorer import measure_latency
from explorer.analysis.units import memory, rounded, shape_text, threads_text
from explorer.errors import ExplorerError
from explorer.latency import LatencyRecord, LayerLatencies, Progress, measure_layers
from pages.shared import address, runs, ways
from pages.shared.cache import performance as cache
from pages.shared.choice import Choice
from pages.shared.jobs import Job, queue_text
from pages.shared.runs import shape_of, spread_text, utc
from pages.shared.text import N_, _
from pages.shared.ways import Ways
from pages.shared.widgets import plain

_JOB: Final = "latency_job"
_LAYERS: Final = "latency_layers"
_STAGES: Final = {
    "queued": N_("Queued"),
    "preparing": N_("Preparing"),
    "warming up": N_("Warming up"),
    "measuring": N_("Measuring"),
    "replaying": N_("Replaying"),
}
_POLL: Final = 0.4
"""Seconds between two looks at work in the background."""

Measured = LatencyRecord | LayerLatencies


class Apart(NamedTuple):
    """A pass that was taken apart, and the choice that it is of."""

    choice: Choice
    measured: LayerLatencies


def panel(choice: Choice, *, layered: bool = False) -> None:
    """Controls, a measurement that is going on, and the latest result.

    Args:
        choice: what is measured.
        layered: offer to take the pass apart, too.
    """
    chosen = ways.current()
    ways.controls(chosen)
    job: Job[Measured] | None = st.session_state.get(_JOB)
    running = job is not None and job.running
    fits = _room(choice, chosen)
    with st.container(horizontal=True, gap="small", key="measure_buttons"):
        st.button(
            _("Measure one forward pass"),
            key="measure",
            type="primary",
            icon=":material/timer:",
            disabled=running or not fits,
            on_click=_start,
            args=(choice, chosen, False),
        )
        if layered:
            st.button(
                _("Measure each layer"),
                key="measure_layers",
                icon=":material/stacked_bar_chart:",
                disabled=running or not fits or chosen.compiled or chosen.flush_l2,
                on_click=_start,
                args=(choice, chosen, True),
                help=_(
                    "An eager pass with a pair of hooks round every layer, in turn with "
                    "passes without. Not with torch.compile, nor with an emptied cache."
                ),
            )
    st.caption(
        _(
            "The model is built with random weights and run in evaluation and "
            "inference mode, after a warm-up. On each device one measurement runs at "
            "a time, whoever asked for it."
        )
    )
    if job is not None and running:
        _watch(job)
        return
    _say(job)
    if runs.measured():
        _latest(runs.measured()[0])


def apart(choice: Choice) -> Apart | None:
    """The pass that was taken apart last, if it is of this choice."""
    found: Apart | None = st.session_state.get(_LAYERS)
    return found if found and found.choice == choice._replace(mode="eval") else None


def _room(choice: Choice, chosen: Ways) -> bool:
    """Say before anything starts whether it will fit, and what would."""
    try:
        room = cache.room(choice, chosen.device, chosen.dtype)
    except ExplorerError as error:
        st.caption(f":orange[{plain(str(error))}]")
        return True  # it will be said again, in full, when it is tried
    if room is None or room.free_bytes is None:
        return True
    if room.fits:
        st.caption(
            _("Needs about {need} on {device}, where {free} are free.").format(
                need=memory(room.need_bytes),
                device=chosen.device,
                free=memory(room.free_bytes),
            )
        )
        return True
    advice = (
        _("the largest batch that would fit is about {fitting:,}.").format(
            fitting=room.largest_batch
        )
        if room.largest_batch
        else _("not even one image would fit, so choose a smaller input or model.")
    )
    st.error(
        _(
            "A batch of {batch:,} needs about {need} on {device}, where {free} are free: {advice}"
        ).format(
            batch=room.batch,
            need=memory(room.need_bytes),
            device=chosen.device,
            free=memory(room.free_bytes),
            advice=advice,
        ),
        icon=":material/memory:",
    )
    if room.largest_batch:
        st.button(
            _("Use a batch of {batch:,}").format(batch=room.largest_batch),
            key="use_batch",
            on_click=_use_batch,
            args=(room.largest_batch,),
        )
    return False


def _use_batch(batch: int) -> None:
    address.touch()
    st.session_state["batch"] = batch


# ------------------------------------------------------------------- the work


def _start(choice: Choice, chosen: Ways, layered: bool) -> None:
    address.touch()
    measured = choice._replace(mode="eval")
    arguments = chosen.arguments(layered=layered)

    def work(job: Job[Measured]) -> Measured:
        measure = measure_layers if layered else measure_latency
        return measure(
            measured.model,
            measured.input_shape,
            options=measured.build_options,
            cancel=job.cancelled,
            progress=job.report,
            **arguments,
        )

    st.session_state[_JOB] = Job(work)
    st.session_state["latency_of"] = measured


@st.fragment(run_every=_POLL)
def _watch(job: Job[Measured]) -> None:
    if not job.running:
        st.rerun()
    progress = job.progress if isinstance(job.progress, Progress) else Progress("preparing")
    asked = job.cancelled.is_set()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.progress(
            progress.done / progress.total if progress.total else 0.0, _stage_text(job, progress)
        )
        st.button(
            _("Stopping") if asked else _("Cancel"),
            key="cancel_latency",
            on_click=job.cancel,
            disabled=asked,
        )


def _stage_text(job: Job[Measured], progress: Progress) -> str:
    if progress.stage == "queued":
        return _("In the queue for this device: {ahead}").format(ahead=queue_text(progress.ahead))
    if progress.total:
        return _("{stage}, run {done} of {total}").format(
            stage=_(_STAGES[progress.stage]), done=progress.done, total=progress.total
        )
    return _("{stage} ({seconds:.0f} s)").format(
        stage=_(_STAGES[progress.stage]), seconds=job.seconds
    )


def _say(job: Job[Measured] | None) -> None:
    """Say why a job has left nothing."""
    if job is None or not job.sentence:
        return
    if job.cancelled.is_set():
        st.info(plain(job.sentence), icon=":material/cancel:")
    else:
        st.error(plain(job.sentence), icon=":material/error:")


def take() -> None:
    """Take over what a finished job has left; in a run before anything that shows runs."""
    job: Job[Measured] | None = st.session_state.get(_JOB)
    if job is None or job.running:
        return
    if isinstance(job.result, LayerLatencies):
        st.session_state[_LAYERS] = Apart(st.session_state["latency_of"], job.result)
        runs.keep(job.result.record)
    elif job.result is not None:
        runs.keep(job.result)


# ----------------------------------------------------------------- the result


def _latest(record: LatencyRecord) -> None:
    environment = record.environment
    shown = [
        (
            _("Median"),
            f"{rounded(record.median_ms)} ms",
            _("{runs} runs").format(runs=record.runs),
        ),
        (_("Middle 80%"), f"{spread_text(record)} ms", _("p10 to p90")),
        (_("Throughput"), f"{rounded(record.images_per_second, 4)} /s", _("images")),
    ]
    if record.graph_ms is not None:
        shown.append((_("CUDA graph"), f"{rounded(record.graph_ms)} ms", _("replayed")))
    if record.peak_memory_bytes is not None:
        shown.append(
            (_("Peak memory"), memory(record.peak_memory_bytes), _("of torch's allocator"))
        )
    with st.grid(len(shown), min_column_width=150, gap="small", key="latency_metrics"):
        for label, value, detail in shown:
            st.metric(label, value, detail, delta_color="off", delta_arrow="off", border=True)
    manner = runs.manner(record)
    st.markdown(
        _(
            "**Measured here**: {model} at {shape}, batch of {batch}, "
            "{dtype}{manner}, on {device_name} ({device}, {threads}), torch "
            "{torch}, {date}."
        ).format(
            model=plain(record.model),
            shape=shape_text(shape_of(record)),
            batch=record.batch,
            dtype="TF32" if record.tf32 else record.dtype,
            manner="" if not manner else _(", {manner}").format(manner=manner),
            device_name=plain(environment.device_name),
            device=environment.device,
            threads=threads_text(environment.threads),
            torch=environment.torch,
            date=utc(environment.date),
        )
    )
    if record.graph_note:
        st.caption(plain(record.graph_note))
    if not record.stable or (record.spread or 0) > 0.15:
        st.markdown(
            _(
                ":small[:orange[The times had not settled: other work ran on this "
                "machine, or it changed its clock. Measure again before you trust this "
                "number.]]"
            )
        )
