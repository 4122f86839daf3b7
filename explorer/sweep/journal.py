"""Rows on disk: a journal that grows line by line, and the table that it becomes.

A row is one line of JSON. A `.jsonl` file is its own journal. Of a `.csv` or `.parquet` file the
journal lies beside it until the sweep is complete; then the table is written whole, under another
name first, so that there is never half a table.
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from explorer.errors import SweepError
from explorer.sweep.points import COUNTS, Key, Row

if TYPE_CHECKING:
    import pandas as pd

FORMATS = (".jsonl", ".csv", ".parquet")
"""Endings of the files that a sweep writes."""
_START = '{"model": '
_TYPES = {
    **dict.fromkeys(Row._fields, "str"),
    **dict.fromkeys(("height", "width", "batch", *COUNTS), "Int64"),
    "lower_bound": "bool",
    "predicted_ms": "float64",
    "seconds": "float64",
}
_NUMBERS = [name for name, kind in _TYPES.items() if kind in ("Int64", "float64")]


def to_line(row: Row) -> str:
    """One row as a line of JSON, its end included."""
    return json.dumps(row._asdict(), ensure_ascii=False) + "\n"


def from_line(line: str) -> Row:
    """Read what `to_line` wrote.

    Raises:
        ValueError: it is no such line.
    """
    values = json.loads(line)
    if not isinstance(values, dict) or tuple(values) != Row._fields:
        raise ValueError("not a row of a sweep")
    return Row(**values)


def to_frame(rows: Iterable[Row]) -> pd.DataFrame:
    """Rows as a pandas data frame: counts are whole numbers, or missing."""
    import pandas as pd  # slow to import, and no worker needs it

    return pd.DataFrame(list(rows), columns=list(Row._fields)).astype(_TYPES)


def from_frame(frame: pd.DataFrame) -> list[Row]:
    """Rows of such a frame.

    Raises:
        ValueError: its columns are others.
    """
    if tuple(frame.columns) != Row._fields:
        raise ValueError("not the columns of a sweep")
    plain = frame.astype(_TYPES).astype(object)
    return [Row(*values) for values in plain.where(frame.notna(), None).to_numpy().tolist()]


class Journal:
    """The rows of one sweep, on disk and in memory.

    Attributes:
        rows: key -> row, of all that is finished.
        path: the file that grows.
    """

    def __init__(self, out: Path) -> None:
        """Read what is finished.

        A last line that a dying run left half written is taken away; all else stays as it is.

        Args:
            out: the file to write; may exist, from an earlier run.

        Raises:
            SweepError: an unknown ending, or one whose package is not installed; a file that
                cannot be read or written, or that no sweep has written.
        """
        if out.suffix not in FORMATS:
            raise SweepError(f"{out} should end in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}.")
        if out.suffix == ".parquet" and not importlib.util.find_spec("pyarrow"):
            raise SweepError(f"{out} needs pyarrow, which is not installed: pip install pyarrow.")
        self.out = out
        self.path = out if out.suffix == ".jsonl" else out.with_name(f"{out.name}.jsonl")
        self.rows: dict[Key, Row] = {}
        self._file: IO[str] | None = None
        try:
            if self.path != out and out.exists():
                self._keep(_read_table(out))
            if self.path.exists():
                self._keep(_read_journal(self.path))
            self._file = self.path.open("a", encoding="utf-8", newline="\n")
        except OSError as error:
            where = error.filename or out
            raise SweepError(f"{where} cannot be used: {error.strerror}.") from error

    def _keep(self, rows: Iterable[Row]) -> None:
        self.rows |= {row.key: row for row in rows}

    def append(self, row: Row) -> None:
        """Write one row at once.

        Raises:
            SweepError: it cannot be written.
        """
        self.rows[row.key] = row
        assert self._file
        try:
            self._file.write(to_line(row))
            self._file.flush()
        except OSError as error:
            raise SweepError(f"{self.path} cannot be written: {error.strerror}.") from error

    def close(self) -> None:
        """Close the file, whatever is in it."""
        if self._file:
            self._file.close()

    def finish(self, order: Iterable[Key]) -> None:
        """Write the table if one was asked for, and take the journal away.

        Args:
            order: keys of this sweep's points. Rows of earlier sweeps come before them.

        Raises:
            SweepError: the table cannot be written; the journal stays.
        """
        self.close()
        if self.path == self.out:
            return
        ours = dict.fromkeys(order)
        rows = [row for key, row in self.rows.items() if key not in ours]
        _write_table(self.out, [*rows, *(self.rows[key] for key in ours)])
        self.path.unlink()


def _read_journal(path: Path) -> list[Row]:
    """Read all whole lines, and repair the last one on disk if it is not.

    Raises:
        OSError: it cannot be read.
        SweepError: a line is none of ours.
    """
    *lines, tail = path.read_bytes().split(b"\n")
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            rows.append(from_line(line.decode()))
        except (ValueError, TypeError) as error:
            raise SweepError(
                f"Line {number} of {path} is not a row of a sweep: choose another file."
            ) from error
    if not tail:
        return rows
    if not (tail.startswith(_START.encode()) or _START.encode().startswith(tail)):
        raise SweepError(f"{path} was not written by a sweep: choose another file.")
    try:  # only its end may be missing
        rows.append(from_line(tail.decode()))
        rest = b"\n"
    except (ValueError, TypeError):
        rest = b""
    with path.open("r+b") as file:
        file.seek(0 if rest else -len(tail), os.SEEK_END)
        file.truncate()
        file.write(rest)
    return rows


def _read_table(path: Path) -> list[Row]:
    import pandas as pd  # slow to import, and no worker needs it

    try:
        if path.suffix == ".parquet":
            return from_frame(pd.read_parquet(path))
        missing = {name: [""] for name in _NUMBERS}
        types: dict[Any, Any] = _TYPES
        return from_frame(
            pd.read_csv(
                path,
                dtype=types,
                keep_default_na=False,
                na_values=missing,
            )
        )
    except OSError as error:
        if error.errno is not None:
            raise
        raise SweepError(f"{path} was not written by a sweep: choose another file.") from error
    except (ValueError, TypeError, KeyError) as error:
        raise SweepError(f"{path} was not written by a sweep: choose another file.") from error


def _write_table(path: Path, rows: list[Row]) -> None:
    """Write the table under another name, then give it its own in one step."""
    unfinished = path.with_name(f"{path.name}.part")
    frame = to_frame(rows)
    try:
        if path.suffix == ".parquet":
            frame.to_parquet(unfinished, index=False)
        else:
            frame.to_csv(unfinished, index=False, lineterminator="\n")
        unfinished.replace(path)
    except OSError as error:
        raise SweepError(f"{path} cannot be written: {error.strerror or error}.") from error
