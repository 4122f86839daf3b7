"""The visitor's own runs: measured in this session, or brought along in a file.

They stay in the session, as plain records; nothing is kept on the server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

import pandas as pd
import streamlit as st

from explorer.analysis.recorded import registered_name
from explorer.analysis.units import rounded, shape_text
from explorer.errors import ExplorerError, RecordError
from explorer.latency import LatencyRecord, parse_records, to_json
from pages.shared import address, cache
from pages.shared.choice import Choice
from pages.shared.text import N_, _
from pages.shared.widgets import plain

_MEASURED: Final = "latency_records"
_MOST_MEASURED: Final = 50
_IMPORTED: Final = "imported_runs"
_MOST_FILES: Final = 5
_MOST_RUNS: Final = 2000
"""Of all imported files of a session."""
_PROBLEM: Final = "import_problem"
_TYPES: Final = ("float32", "float16", "bfloat16")
_LONGEST_NAME: Final = 60
_EXAMPLE: Final = "NVIDIA A100"
_FROM: Final = "imported from "
NO_GPU: Final = N_(
    " No GPU runs come with this version: record yours with "
    "`python -m explorer latency {model} --device cuda -o runs.jsonl` and add the file below."
)


class Imported(NamedTuple):
    """One file, as far as it is kept."""

    file: str
    records: tuple[LatencyRecord, ...]


class Run(NamedTuple):
    """One run, and where it comes from."""

    record: LatencyRecord
    origin: str
    """For example "measured here", "recorded", "imported from a100.csv"; the same in every
    language, for the link."""


def origin_text(origin: str) -> str:
    """An origin in the reader's language."""
    file = origin.removeprefix(_FROM)
    return _("imported from {file}").format(file=file) if file != origin else _(origin)


def measured() -> list[LatencyRecord]:
    """What was measured in this session, the latest first."""
    records: list[LatencyRecord] = st.session_state.setdefault(_MEASURED, [])
    return records


def keep(record: LatencyRecord) -> None:
    """Remember a measurement, once."""
    records = measured()
    if record not in records:
        st.session_state[_MEASURED] = [record, *records][:_MOST_MEASURED]


def imported() -> list[Imported]:
    """The files that were brought along, in the order they came."""
    files: list[Imported] = st.session_state.setdefault(_IMPORTED, [])
    return files


def all_runs() -> list[Run]:
    """Every run that this session can see."""
    return [
        *(Run(record, N_("measured here")) for record in measured()),
        *(Run(record, f"{_FROM}{file.file}") for file in imported() for record in file.records),
        *(Run(record, N_("recorded")) for record in cache.recorded_latencies(None)),
    ]


# ------------------------------------------------------------ runs of one model


def results(choice: Choice) -> list[dict[str, Any]]:
    """Times of this model, its options and this image size, with the origin of each."""
    return [
        {
            "Origin": origin_text(run.origin),
            "Device": run.record.environment.device_name,
            "Type": "TF32" if run.record.tf32 else run.record.dtype,
            "Batch": run.record.batch,
            "ms": number(run.record.median_ms),
            "Images/s": number(run.record.images_per_second),
            "As": how(run.record),
            "Date": run.record.environment.date[:10],
        }
        for run in all_runs()
        if is_of(run.record, choice)
    ]


def is_of(record: LatencyRecord, choice: Choice) -> bool:
    """Whether a record is of this model with these options at this image size."""
    if shape_of(record)[1:] != choice.input_shape[1:]:
        return False
    if record.model != choice.model and registered_name(record) != choice.model:
        return False
    return _changed(choice, dict(record.options)) == _changed(choice, choice.build_options)


def _changed(choice: Choice, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that are not the model's own, nor follow from the size that was compared."""
    known = choice.spec.options
    derived = ("in_channels", "image_size")
    return {
        name: value
        for name, value in options.items()
        if name not in derived and (name not in known or value != known[name].default)
    }


def how(record: LatencyRecord) -> str:
    """How a pass was run where that is not the plain way: "channels last, compiled"."""
    return manner(record) or _("eager")


def manner(record: LatencyRecord) -> str:
    """The same, or "" for the plain way."""
    ways = {_("channels last"): record.channels_last, _("compiled"): record.compiled}
    return _(", ").join(way for way, taken in ways.items() if taken)


def number(x: float | None, digits: int = 3) -> float | None:
    """Round for a column: its own format "%.3g" would write 3660 as 3.66e+3."""
    return None if x is None else float(f"{x:.{digits}g}")


def utc(date: str) -> str:
    """Write "2025-06-01T12:00:00+00:00" as people do."""
    return date.replace("T", " ").replace("+00:00", " UTC")


def shape_of(record: LatencyRecord) -> tuple[int, ...]:
    """The input's shape; of several inputs the first."""
    first = record.input_shape[0]
    return first if isinstance(first, tuple) else record.input_shape  # type: ignore[return-value]


# ------------------------------------------------------------------ the table


def table() -> None:
    """All that was measured in this session, and the file that keeps it."""
    records = measured()
    if not records:
        return
    title, file = st.columns([3, 1], vertical_alignment="bottom")
    title.markdown(_("**Measured in this session** ({n})").format(n=len(records)))
    file.download_button(
        _("JSON lines"),
        to_json(records),
        "layerwise_runs.jsonl",
        "application/jsonl",
        key="export_runs",
        icon=":material/download:",
        on_click="ignore",
        width="stretch",
        help=_(
            "One record a line. It can be added again below, or read with "
            "explorer.latency.read_records."
        ),
    )
    numbers = (N_("Median ms"), "p10 ms", "p90 ms", N_("Images/s"), N_("Graph ms"))
    others = (
        N_("Peak MiB"), N_("Type"), N_("Device"), N_("Threads"), N_("Runs"), N_("Warm-up"),
        N_("Load"), N_("Clock"),
    )  # fmt: skip
    rows = pd.DataFrame(list(map(_row, records))).dropna(axis="columns", how="all")
    column = st.column_config
    st.dataframe(
        rows,
        hide_index=True,
        row_height=30,
        column_config={
            **{name: column.Column(_(name)) for name in others},
            **{
                name: column.NumberColumn(_(name), format="localized", width=82) for name in numbers
            },
            "Model": column.TextColumn(_("Model"), width=120),
            "Input": column.TextColumn(_("Input"), width=130),
            "As": column.TextColumn(_("As"), width=110),
            "Date": column.TextColumn(_("Date"), width=170),
        },
    )


def _row(record: LatencyRecord) -> dict[str, Any]:
    environment = record.environment
    peak = record.peak_memory_bytes
    return {
        "Model": record.model,
        "Input": shape_text(shape_of(record), batch=True),
        "Median ms": number(record.median_ms),
        "p10 ms": number(record.p10_ms),
        "p90 ms": number(record.p90_ms),
        "Graph ms": number(record.graph_ms),
        "Images/s": number(record.images_per_second, 4),
        "Peak MiB": None if peak is None else number(peak / 2**20),
        "Type": "TF32" if record.tf32 else record.dtype,
        "As": how(record),
        "Device": environment.device_name,
        "Threads": environment.threads,
        "Runs": record.runs,
        "Warm-up": record.warmup_runs,
        "Load": environment.load,
        "Clock": record.clock,
        "torch": environment.torch,
        "Date": utc(environment.date),
    }


# ----------------------------------------------------------------- the import


def importer() -> None:
    """Bring runs along, and see or remove what was brought."""
    with st.expander(_("Add your own runs"), icon=":material/upload_file:"):
        st.markdown(
            _(
                "A file of `python -m explorer latency MODEL -o runs.jsonl`, one that "
                "was downloaded here, or the CSV of timm's inference benchmark. It stays "
                "in this session."
            )
        )
        place, dtype = st.columns([3, 2], gap="small")
        place.text_input(
            _("Measured on, for a CSV"), key="import_device", placeholder=_EXAMPLE,
            max_chars=_LONGEST_NAME, on_change=address.touch,
            help=_("A CSV of timm does not say; our own files do."),
        )  # fmt: skip
        dtype.selectbox(
            _("Number type, for a CSV"), _TYPES, key="import_dtype", on_change=address.touch
        )
        turn = st.session_state.setdefault("import_turn", 0)
        st.file_uploader(
            _("File of runs"),
            type=["jsonl", "json", "csv", "txt"],
            key=f"import_file_{turn}",
            on_change=_take,
            args=(f"import_file_{turn}",),
            max_upload_size=5,
        )
        if problem := st.session_state.get(_PROBLEM):
            st.error(plain(problem), icon=":material/error:")
        for at, file in enumerate(imported()):
            _listed(at, file)


def _listed(at: int, file: Imported) -> None:
    names = list(dict.fromkeys(record.environment.device_name for record in file.records))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        text = (
            _("**{file}**: {runs:,} runs, {name} and {more} more")
            if len(names) > 1
            else _("**{file}**: {runs:,} runs, {name}")
        )
        st.markdown(
            text.format(
                file=plain(file.file),
                runs=len(file.records),
                name=plain(names[0]),
                more=len(names) - 1,
            ),
            width="stretch",
        )
        st.button(
            _("Remove"), key=f"import_remove_{at}", icon=":material/close:", type="tertiary",
            on_click=_remove, args=(at,),
        )  # fmt: skip


def _remove(at: int) -> None:
    address.touch()
    st.session_state[_IMPORTED] = [file for n, file in enumerate(imported()) if n != at]


def _take(key: str) -> None:
    """Read what was just uploaded, and let the file itself go."""
    address.touch()
    state = st.session_state
    uploaded = state.get(key)
    state[_PROBLEM] = ""
    if uploaded is None:
        return
    name = uploaded.name[-_LONGEST_NAME:]
    try:
        records = read(name, uploaded.getvalue())
        others = [file for file in imported() if file.file != name]
        _check_bounds(name, records, others)
        state[_IMPORTED] = [*others, Imported(name, records)]
    except ExplorerError as error:
        state[_PROBLEM] = str(error)
    state["import_turn"] += 1  # an empty field for the next file


def read(name: str, content: bytes) -> tuple[LatencyRecord, ...]:
    """The records of a file.

    Raises:
        RecordError: it holds none; one sentence that names it.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecordError(
            _("{name} is not text: it should hold JSON lines or timm's benchmark CSV.").format(
                name=name
            )
        ) from error
    device = str(st.session_state.get("import_device") or "").strip() or _("an unnamed device")
    try:
        records = parse_records(
            text, device_name=device, dtype=st.session_state.get("import_dtype", _TYPES[0])
        )
    except RecordError as error:
        raise RecordError(f"{name}: {error}") from error
    if not records:
        raise RecordError(_("{name} holds no run.").format(name=name))
    return tuple(_clipped(record) for record in records)


def _clipped(record: LatencyRecord) -> LatencyRecord:
    """Without texts that no real name is as long as."""
    environment = record.environment
    named = replace(environment, device_name=environment.device_name[:_LONGEST_NAME])
    return replace(record, model=record.model[:_LONGEST_NAME], environment=named)


def _check_bounds(name: str, records: tuple[LatencyRecord, ...], others: list[Imported]) -> None:
    if len(others) >= _MOST_FILES:
        raise RecordError(
            _(
                "{name} would be the sixth file: a session keeps {most}, so remove one first."
            ).format(name=name, most=_MOST_FILES)
        )
    kept = sum(len(file.records) for file in others)
    if kept + len(records) > _MOST_RUNS:
        text = (
            _(
                "{name} has {runs:,} runs, and a session keeps {most:,}, of which {kept:,} are "
                "taken: remove a file first."
            )
            if kept
            else _("{name} has {runs:,} runs, and a session keeps {most:,}.")
        )
        raise RecordError(text.format(name=name, runs=len(records), most=_MOST_RUNS, kept=kept))


def spread_text(record: LatencyRecord) -> str:
    """The middle four fifths of the runs: "1.9 to 2.5"."""
    low, high = ("?" if x is None else rounded(x) for x in (record.p10_ms, record.p90_ms))
    return _("{low} to {high}").format(low=low, high=high)
