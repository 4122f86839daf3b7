"""Records go to JSON and back, and what is no record is said to be none."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.errors import RecordError
from explorer.latency import (
    Environment,
    LatencyRecord,
    LayerLatencies,
    LayerTime,
    from_json,
    to_json,
)

ENVIRONMENT = Environment(
    device="cuda:0",
    device_name="A GPU",
    driver="570.1",
    runtime="12.8",
    torch="2.13.0",
    threads=8,
    load=0.25,
    date="2026-01-02T03:04:05+00:00",
)
RECORD = LatencyRecord(
    model="vit_b_16",
    options=(("num_classes", 7), ("stages", (1, 2))),
    input_shape=(8, 3, 224, 224),
    batch=8,
    dtype="float16",
    median_ms=1.25,
    p10_ms=1.0,
    p90_ms=1.5,
    iqr_ms=0.2,
    runs=50,
    warmup_runs=9,
    stable=True,
    images_per_second=6400.0,
    clock="CUDA events",
    environment=ENVIRONMENT,
    channels_last=True,
    graph_ms=1.125,
    graph_p10_ms=1.1,
    graph_p90_ms=1.2,
    graph_runs=50,
    peak_memory_bytes=123456,
    peak_memory_note="torch's CUDA allocator",
)


def data(**changes: Any) -> dict[str, Any]:
    return {**json.loads(to_json([RECORD])), **changes}


def test_a_record_is_one_line_and_comes_back_equal() -> None:
    several = replace(
        RECORD, input_shape=((3, 4), (3, 7)), p10_ms=None, stable=None, source="imported"
    )
    text = to_json([RECORD, several])
    assert text.count("\n") == 2
    assert from_json(text) == [RECORD, several]
    assert from_json("\n" + text.replace("\n", "\n\n")) == [RECORD, several]
    assert from_json("") == []


positive = st.floats(min_value=1e-9, max_value=1e9)


@given(positive, st.none() | positive, st.text(max_size=20), st.booleans(), st.integers(1, 10**6))
def test_any_record_comes_back_equal(time, spread, name, flag, batch) -> None:
    record = replace(
        RECORD, median_ms=time, iqr_ms=spread, model=name, tf32=flag, batch=batch,
        environment=replace(ENVIRONMENT, load=spread),
    )  # fmt: skip
    assert from_json(to_json([record])) == [record]


def test_a_record_of_an_earlier_version_has_the_defaults() -> None:
    old = data()
    for name in ("tf32", "channels_last", "graph_ms", "peak_memory_bytes", "source"):
        del old[name]
    (record,) = from_json(json.dumps(old))
    assert record == replace(RECORD, channels_last=False, graph_ms=None, peak_memory_bytes=None)


def test_what_was_taken_apart_comes_back_as_its_record() -> None:
    apart = LayerLatencies(RECORD, (LayerTime("a", "a", 0, "Conv2d", 10),), 3, 20, 4, 6)
    text = to_json([apart])
    assert json.loads(text)["layers"]["layers"][0]["nanoseconds"] == 10
    assert from_json(text) == [RECORD]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("no", "Line 2 is no record of a measurement: it is not JSON."),
        ("[" * 100_000, "it is not JSON"),
        ("[1]", "it should be an object with names, not list"),
        (data(median_ms=0), "median_ms should be a number above 0, not 0"),
        (data(median_ms="1"), "median_ms should be a number above 0, not '1'"),
        ('{"median_ms": NaN}', "model is missing"),
        (data(batch=True), "batch should be a whole number from 1 on, not True"),
        (data(batch=0), "batch should be a whole number from 1 on, not 0"),
        (data(input_shape=[]), "input_shape should be one shape or several"),
        (data(input_shape=[1, -3]), "input_shape should be one shape or several"),
        (data(options=[["a"]]), "options should be pairs"),
        (data(options=3), "options should be pairs"),
        (data(source="guessed"), "source should be measured, recorded or imported"),
        (data(runs=-1), "runs should be a whole number from 0 on"),
        (data(tf32=1), "tf32 should be true or false"),
        (data(clock=None), "clock should be a text"),
        (data(environment={}), "device is missing"),
        (data(environment=5), "it should be an object with names, not int"),
        (data(model="x" * 999, dtype=["y" * 999]), "dtype should be a text"),
    ],
)
def test_what_is_no_record_is_said_in_one_short_sentence(line: Any, sentence: str) -> None:
    text = line if isinstance(line, str) else json.dumps(line)
    with pytest.raises(RecordError) as raised:
        from_json(to_json([RECORD]) + text)
    assert sentence in str(raised.value)
    assert len(str(raised.value)) < 200
    assert "\n" not in str(raised.value)


def test_a_time_that_is_no_number_is_neither_written_nor_read() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        to_json([replace(RECORD, median_ms=float("nan"))])
    with pytest.raises(RecordError, match="median_ms should be a number above 0"):
        from_json(to_json([RECORD]).replace("1.25", "NaN"))


def test_the_spread_is_unknown_without_an_interquartile_range() -> None:
    assert RECORD.spread == pytest.approx(0.16)
    assert replace(RECORD, iqr_ms=None).spread is None
