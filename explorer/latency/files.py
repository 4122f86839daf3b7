"""Measurements that were made before: our own, shipped with the library, and the user's.

They hold for the device that they name and for no other; every record says by its `source`
whether it is one of these.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from explorer.errors import RecordError
from explorer.latency.calibration import SHIPPED
from explorer.latency.records import Environment, LatencyRecord, from_json
from explorer.text import _

_LARGEST_FILE = 64 * 2**20
_TIMM_COLUMNS = ("model", "infer_img_size", "infer_batch_size", "infer_samples_per_sec")
_UNKNOWN = "unknown"


def recorded(
    model: str | None = None,
    device: str | None = None,
    *,
    dtype: str | None = None,
    batch: int | None = None,
) -> list[LatencyRecord]:
    """Return the measurements that come with the library, `source` being "recorded".

    Args:
        model: only of this registered name.
        device: only of devices whose kind ("cpu", "cuda") is this or whose name contains it,
            in any case of letters.
        dtype: only of this number type.
        batch: only with so many images in a pass.
    """
    return [
        record
        for record in _shipped()
        if model in (None, record.model)
        and dtype in (None, record.dtype)
        and batch in (None, record.batch)
        and (device is None or _is_on(record, device))
    ]


def _is_on(record: LatencyRecord, device: str) -> bool:
    environment, wanted = record.environment, device.lower()
    kind = environment.device.partition(":")[0]
    return wanted in (kind, environment.device) or wanted in environment.device_name.lower()


def _shipped() -> Iterator[LatencyRecord]:
    folder = files("explorer") / "data" / "latency"
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".jsonl") and file.name != SHIPPED:
            for record in from_json(file.read_text(encoding="utf-8")):
                yield replace(record, source="recorded")


def read_records(
    path: str | Path,
    *,
    device_name: str = _UNKNOWN,
    dtype: str = _UNKNOWN,
    channels_last: bool = False,
) -> list[LatencyRecord]:
    """Read the user's own measurements from a file, `source` being "imported".

    Args:
        path: a file of our own JSON lines, or a CSV file with the columns of timm's benchmark.
        device_name: what a CSV file was measured on, which it does not say itself.
        dtype: the number type of a CSV file.
        channels_last: the memory order of a CSV file.

    Raises:
        RecordError: the file cannot be read, or is neither.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise RecordError(
                _(
                    "{name} is larger than {most} MiB: that is no file of measurements, or "
                    "too long a one."
                ).format(name=path.name, most=_LARGEST_FILE // 2**20)
            )
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RecordError(
            _("{name} cannot be read: {reason}.").format(name=path.name, reason=error.strerror)
        ) from error
    except UnicodeDecodeError as error:
        raise RecordError(
            _("{name} is not text: it should hold JSON lines or timm's benchmark CSV.").format(
                name=path.name
            )
        ) from error
    try:
        return parse_records(
            text, device_name=device_name, dtype=dtype, channels_last=channels_last
        )
    except RecordError as error:
        raise RecordError(f"{path.name}: {error}") from error


def parse_records(
    text: str,
    *,
    device_name: str = _UNKNOWN,
    dtype: str = _UNKNOWN,
    channels_last: bool = False,
) -> list[LatencyRecord]:
    """Read the text of a file as `read_records` does.

    Raises:
        RecordError: it is neither our JSON lines nor timm's CSV.
    """
    start = text.lstrip()[:1]
    if start == "{":
        return [replace(record, source="imported") for record in from_json(text)]
    rows = csv.DictReader(io.StringIO(text))
    try:
        missing = [name for name in _TIMM_COLUMNS if name not in (rows.fieldnames or ())]
        if missing:
            raise RecordError(
                _(
                    "This is neither JSON lines of ours nor a CSV of timm's inference "
                    "benchmark, which has the columns {columns}: {missing} is missing."
                ).format(columns=", ".join(_TIMM_COLUMNS), missing=missing[0])
            )
        environment = Environment(
            device=_UNKNOWN,
            device_name=device_name,
            driver="",
            runtime="",
            torch=_UNKNOWN,
            threads=0,
            load=None,
            date="",
        )
        # A model without a throughput did not run.
        return [
            replace(
                _timm_record(row, rows.line_num, environment),
                dtype=dtype,
                channels_last=channels_last,
            )
            for row in rows
            if row["infer_samples_per_sec"]
        ]
    except csv.Error as error:
        raise RecordError(
            _("Line {line} is no CSV ({error}).").format(line=rows.line_num, error=error)
        ) from error


def _timm_record(row: dict[str, str | None], line: int, environment: Environment) -> LatencyRecord:
    """One row; its time is the mean of its steps, as timm prints no median and no spread."""
    try:
        size, batch = (int(row[name] or "") for name in _TIMM_COLUMNS[1:3])
        rate = float(row["infer_samples_per_sec"] or "")
        step = float(row.get("infer_step_time") or 1e3 * batch / rate)
        if not (0 < rate < float("inf") and 0 < step < float("inf") and batch > 0 and size > 0):
            raise ValueError("a number is not above 0")
    except (ValueError, ZeroDivisionError) as error:
        raise RecordError(
            _(
                "Line {line} has no whole numbers above 0 as image and batch size, or no "
                "throughput above 0."
            ).format(line=line)
        ) from error
    return LatencyRecord(
        model=row["model"] or _UNKNOWN,
        options=(),
        input_shape=(batch, 3, size, size),
        batch=batch,
        dtype=_UNKNOWN,
        median_ms=step,
        p10_ms=None,
        p90_ms=None,
        iqr_ms=None,
        runs=0,
        warmup_runs=0,
        stable=None,
        images_per_second=rate,
        clock="mean of timm's benchmark",
        environment=environment,
        source="imported",
        peak_memory_note="not told",
    )
