"""A sweep gives the numbers of `trace_model`, from any worker, and loses nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from explorer import ExplorerError, get_spec, list_models, trace_model
from explorer.analysis import totals
from explorer.analysis.roofline import get_device, predict
from explorer.errors import OptionError, SweepError, UnknownModelError
from explorer.latency.measure import peak_activation_bytes
from explorer.sweep import Point, Progress, Row, cluster, compute, grid, points, pool, run, sweeping
from explorer.sweep.journal import FORMATS, Journal, to_frame, to_line
from explorer.sweep.ranges import option_values, sizes, whole_numbers

ROOT = Path(__file__).parents[1]
GRID = grid(["lenet5", "resnet18", "alexnet", "vit_b_16"], [32, (256, 128)], [1, 4])
"""Of its 16 points, LeNet-5 at 256x128 and AlexNet at 32x32 are illegal, at either batch."""
SMALL = grid(["lenet5", "squeezenet1_1"], [32, 48, 64])


def values(rows: Iterator[Row] | list[Row]) -> list[Row]:
    """Rows in one order, without what differs from run to run."""
    return sorted((row._replace(seconds=0.0) for row in rows), key=lambda row: row.key)


def in_process(wanted: list[Point]) -> list[Row]:
    return values(run(wanted, workers=0))


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[Point]:
    """The points that are computed in this process."""
    seen: list[Point] = []

    def spy(point: Point) -> Row:
        seen.append(point)
        return compute(point)

    monkeypatch.setattr(sweeping, "compute", spy)
    return seen


# -------------------------------------------------------------------- points and rows


def test_rows_are_the_totals_of_a_trace() -> None:
    rows = {row.key: row for row in run(GRID, workers=2)}
    assert set(rows) == {point.key for point in GRID}
    legal = 0
    for point in GRID:
        row = rows[point.key]
        assert (row.model, row.batch, row.mode) == (point.model, point.batch, "eval")
        assert (row.height, row.width) == point.input_shape[1:]
        assert row.family == get_spec(point.model).family
        shape = (point.batch, *point.input_shape)
        if row.error:
            with pytest.raises(ExplorerError, match=f"^{re.escape(row.error)}$"):
                trace_model(point.model, shape)
            assert (row.params, row.macs, row.depth, row.output) == (None, None, None, "")
            continue
        trace = trace_model(point.model, shape)
        legal += 1
        total = totals(trace)
        assert row.error == row.layer == ""
        assert (row.params, row.macs, row.depth) == (total.params, total.cost, total.depth)
        assert row.activation_bytes == trace.activation_bytes
        assert row.peak_activation_bytes == peak_activation_bytes(trace)
        assert row.output == "x".join(map(str, trace.output_shape))
    assert legal == 12


def test_a_row_by_hand() -> None:
    # 3 inputs of 1x32x32; LeNet-5 has 61,706 parameters and 416,520 MACs an image.
    row = compute(Point("lenet5", (1, 32, 32), 3))
    assert row[:9] == ("lenet5", "LeNet", "layerwise", "1x32x32", 32, 32, 3, "{}", "eval")
    assert (row.params, row.macs, row.depth, row.output) == (61_706, 3 * 416_520, 5, "3x10")
    assert not row.lower_bound
    assert row.seconds > 0


def test_a_row_has_the_predicted_time_of_its_device(tmp_path: Path) -> None:
    points = grid(["lenet5"], [32, 64], device="NVIDIA T4", dtype="float16")
    for out in (None, tmp_path / "rows.csv", tmp_path / "rows.jsonl"):
        list(run(points, out, workers=0))
        legal, illegal = run(points, out, workers=0)
        trace = trace_model("lenet5", (1, 1, 32, 32))
        assert legal.predicted_ms == predict(trace, get_device("T4"), "float16").ms
        assert (legal.device, legal.dtype) == ("NVIDIA T4", "float16")
        assert illegal.predicted_ms is None
    plain = compute(Point("lenet5", (1, 32, 32)))
    assert (plain.device, plain.dtype, plain.predicted_ms) == ("", "", None)
    assert plain.key != legal.key


@pytest.mark.parametrize(
    ("point", "layer", "sentence"),
    [
        (Point("alexnet", (3, 32, 32)), "features.12", r"alexnet at 3x32x32 fails in features\.12"),
        (Point("lenet5", (1, 64, 64)), "f6", r"takes 120 features and gets"),
        (Point("resnet18", (1, 64, 64)), "conv1", r"takes 3 channels and gets 1"),
        (
            Point("resnet18", (3, 64, 64), options=(("growth_rate", 8),)),
            "",
            r"has no option 'growth_rate'",
        ),
        (Point("resnet18", (3, 64, 64), options=(("num_classes", 0),)), "", r"from 1 to 100,000"),
        (Point("resnet19", (3, 64, 64)), "", r"no model called 'resnet19'"),
        (Point("resnet18", (3, 64, 64), 0), "", r"should be positive integers"),
    ],
)
def test_an_illegal_point_is_a_row_that_names_the_layer(
    point: Point, layer: str, sentence: str
) -> None:
    row = compute(point)
    assert row.layer == layer
    assert re.search(sentence, row.error)
    assert (row.params, row.macs, row.peak_activation_bytes) == (None, None, None)
    assert row.key == point.key


def test_a_bug_in_one_model_is_its_row_and_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("by\nzero")

    monkeypatch.setattr(points, "trace_model", broken)
    row = compute(Point("lenet5", (1, 32, 32)))
    assert row.error == "lenet5 fails with ZeroDivisionError: by zero"


def test_a_grid_goes_through_options_then_sizes_then_batches() -> None:
    found = grid(["vgg11"], [64, (64, 32), None], [1, 2], {"num_classes": [5, 7]}, mode="train")
    assert len(found) == 12
    assert found[0] == Point("vgg11", (3, 64, 64), 1, (("num_classes", 5),), "train")
    assert [point.batch for point in found[:4]] == [1, 2, 1, 2]
    assert [point.input_shape[1:] for point in found[:6:2]] == [(64, 64), (64, 32), (224, 224)]
    assert [dict(point.options)["num_classes"] for point in found] == [5] * 6 + [7] * 6


def test_a_grid_has_each_point_once_and_the_channels_of_the_model() -> None:
    assert len(grid(["resnet18"], [224, None, (224, 224)], [1, 1])) == 1
    assert grid(["lenet5"], [32])[0].input_shape == (1, 32, 32)
    gray = grid(["resnet18"], [32], options={"in_channels": [1]})
    assert gray[0].input_shape == (1, 32, 32)
    assert compute(gray[0]).error == ""


def test_an_option_s_values_change_the_counts() -> None:
    rows = [compute(point) for point in grid(["resnet18"], [32], options={"num_classes": [10, 20]})]
    # The last layer has 512 weights and a bias for each class.
    assert rows[1].params - rows[0].params == 10 * 513  # type: ignore[operator]
    assert [json.loads(row.options) for row in rows] == [{"num_classes": 10}, {"num_classes": 20}]


def test_a_grid_refuses_an_unknown_model_and_too_many_points() -> None:
    with pytest.raises(UnknownModelError, match="resnet18"):
        grid(["resnet-18"])
    with pytest.raises(SweepError, match=r"1,002,001 points; at most 1,000,000"):
        grid(["resnet18"], range(1, 1002), range(1, 1002))


# -------------------------------------------------------------------- files


@pytest.mark.parametrize("ending", FORMATS)
def test_every_format_gives_back_the_rows_that_were_written(tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"rows{ending}"
    rows = list(run(GRID, out, workers=0))
    again = Journal(out)
    again.close()
    assert list(again.rows.values()) == rows
    assert [row.key for row in rows] == [point.key for point in GRID]


def test_a_table_is_written_when_all_is_done_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    out = tmp_path / "rows.parquet"
    going = run(SMALL, out, workers=0)
    next(going)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet.jsonl"]
    list(going)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet"]


def test_a_data_frame_has_whole_numbers_and_gaps() -> None:
    frame = to_frame(run(GRID, workers=0))
    assert len(frame) == 16
    assert frame["macs"].dtype == "Int64"
    assert frame["macs"].isna().sum() == 4
    assert (frame["error"] == "").sum() == 12


def test_each_row_is_on_disk_before_it_is_handed_out(tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    for number, row in enumerate(run(SMALL, out, workers=0), 1):
        lines = out.read_text().splitlines(keepends=True)
        assert len(lines) == number
        assert lines[-1] == to_line(row)


def test_what_an_interrupted_run_has_finished_is_not_computed_again(
    tmp_path: Path, computed: list[Point]
) -> None:
    out = tmp_path / "rows.csv"
    going = run(SMALL, out, workers=0)
    first = [next(going), next(going)]
    going.close()  # type: ignore[attr-defined]
    assert computed == SMALL[:2]
    computed.clear()

    reported: list[Progress] = []
    rows = list(run(SMALL, out, workers=0, progress=reported.append))
    assert computed == SMALL[2:]
    assert rows[:2] == first
    assert values(rows) == in_process(SMALL)
    assert (reported[0].done, reported[0].resumed) == (2, 2)
    assert (reported[-1].done, reported[-1].total) == (6, 6)


def test_a_larger_grid_computes_only_what_is_new_and_keeps_what_is_old(
    tmp_path: Path, computed: list[Point]
) -> None:
    out = tmp_path / "rows.parquet"
    list(run(SMALL[:4], out, workers=0))
    computed.clear()
    assert len(list(run(SMALL[2:], out, workers=0))) == 4
    assert computed == SMALL[4:]
    kept = Journal(out)
    kept.close()
    assert set(kept.rows) == {point.key for point in SMALL}


def test_a_half_written_last_line_is_repaired_wherever_it_was_cut(tmp_path: Path) -> None:
    first, last = (to_line(compute(point)).encode() for point in SMALL[:2])
    for cut in range(len(last)):
        out = tmp_path / "rows.jsonl"
        out.write_bytes(first + last[:cut])
        journal = Journal(out)
        journal.close()
        whole = cut == len(last) - 1  # only the end of the line is missing
        assert len(journal.rows) == 1 + whole
        assert out.read_bytes() == first + (last if whole else b"")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("notes.jsonl", b"my notes"),
        ("notes.jsonl", b"my notes\n"),
        ("notes.jsonl", b'{"model": "resnet18"}\n'),
        ("notes.jsonl", b"[1, 2]\n"),
        ("notes.jsonl", b"\xff\xfe\n"),
        ("notes.csv", b"a,b\n1,2\n"),
        ("notes.csv", b""),
        ("notes.parquet", b"PAR1 or not"),
    ],
)
def test_a_file_of_something_else_is_refused_and_left_alone(
    tmp_path: Path, name: str, content: bytes
) -> None:
    out = tmp_path / name
    out.write_bytes(content)
    with pytest.raises(SweepError, match="choose another file"):
        run(SMALL, out, workers=0)
    assert out.read_bytes() == content
    assert list(tmp_path.iterdir()) == [out]


def test_an_impossible_file_or_number_of_workers_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(SweepError, match=r"rows\.xml should end in \.jsonl, \.csv or \.parquet"):
        run(SMALL, "rows.xml")
    with pytest.raises(SweepError, match="cannot be used: No such file or directory"):
        run(SMALL, tmp_path / "none" / "rows.csv")
    with pytest.raises(SweepError, match="workers=-1 should be a whole number from 0"):
        run(SMALL, workers=-1)
    with pytest.raises(SweepError, match="either workers or a scheduler"):
        run(SMALL, workers=1, scheduler="tcp://localhost:8786")


def test_parquet_without_pyarrow_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SweepError, match=r"needs pyarrow, .*pip install pyarrow"):
        run(SMALL, "rows.parquet")


# -------------------------------------------------------------------- processes


class _Killer:
    """Kills a worker process while it has a point in hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, victim: Point, times: int) -> None:
        self.killed: list[int] = []
        ask = pool._Process.compute

        def compute(process: Any, point: Point) -> Row | None:
            read = process._read
            if point == victim and len(self.killed) < times:
                # Stopped, it cannot have answered by the time that it is killed.
                process._process.send_signal(signal.SIGSTOP)

                def dying() -> str:
                    process._process.send_signal(signal.SIGKILL)
                    self.killed.append(process._process.pid)
                    return str(read())

                process._read = dying
            return ask(process, point)

        monkeypatch.setattr(pool._Process, "compute", compute)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_worker_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killer = _Killer(monkeypatch, SMALL[0], times=1)
    reported: list[Progress] = []
    rows = list(run(SMALL, tmp_path / "rows.jsonl", workers=2, progress=reported.append))
    assert len(killer.killed) == 1
    assert reported[-1].retries == 1
    assert values(rows) == in_process(SMALL)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_point_that_kills_every_worker_is_a_row_that_says_so_and_is_tried_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, computed: list[Point]
) -> None:
    out = tmp_path / "rows.jsonl"
    with monkeypatch.context() as during:
        killer = _Killer(during, SMALL[1], times=99)
        rows = {row.key: row for row in run(SMALL, out, workers=1)}
    assert len(set(killer.killed)) == 1 + pool.RETRIES == 3
    lost = rows[SMALL[1].key]
    assert lost.given_up
    assert lost.error == (
        "Not computed: the worker was ended by the system (signal 9), 3 times in a row."
    )
    assert [row.key for row in rows.values() if row.given_up] == [lost.key]

    again = list(run(SMALL, out, workers=0))
    assert computed == [SMALL[1]]
    assert values(again) == in_process(SMALL)


def test_a_worker_that_cannot_start_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('no torch for this machine')")
    monkeypatch.syspath_prepend(tmp_path)
    sentence = (
        "No worker process starts: it ended with exit code 1 "
        "(ImportError: no torch for this machine)."
    )
    with pytest.raises(SweepError, match=f"^{re.escape(sentence)}$"):
        list(run(SMALL, workers=1))


def test_a_worker_ends_when_nobody_asks_any_more() -> None:
    worker = subprocess.run(
        [sys.executable, "-m", "explorer.sweep.worker"], cwd=ROOT, input=b"", capture_output=True
    )
    assert (worker.returncode, worker.stdout) == (0, b"ready\n")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_closing_a_sweep_ends_its_workers_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []

    class Spy(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            started.append(self)

    monkeypatch.setattr(pool.subprocess, "Popen", Spy)
    going = run(grid(["densenet201"], range(64, 256, 4)), workers=2)
    next(going)
    going.close()  # type: ignore[attr-defined]
    assert [process.returncode for process in started] == [-signal.SIGKILL] * 2


# -------------------------------------------------------------------- a Dask cluster


@pytest.fixture(scope="module")
def dask_cluster() -> Iterator[Any]:
    distributed = pytest.importorskip(
        "distributed", reason="Dask is not installed: pip install -r requirements-sweep.txt"
    )
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, dashboard_address=":0"
    ) as running:
        yield running


def test_a_cluster_gives_the_records_of_this_machine(dask_cluster: Any, tmp_path: Path) -> None:
    reported: list[Progress] = []
    rows = list(
        run(
            GRID,
            tmp_path / "rows.parquet",
            scheduler=dask_cluster.scheduler_address,
            progress=reported.append,
        )
    )
    assert values(rows) == in_process(GRID)
    assert reported[-1] == Progress(16, 16, 0, 4, 0)


def test_a_cluster_predicts_for_a_device_as_this_machine_does(dask_cluster: Any) -> None:
    wanted = [
        *grid(["lenet5", "squeezenet1_1"], [32, 64], device="NVIDIA T4", dtype="float16"),
        *grid(["lenet5"], [32], device="NVIDIA H100 SXM", dtype="int8"),
        *grid(["lenet5"], [32]),
    ]
    rows = values(run(wanted, scheduler=dask_cluster.scheduler_address))
    assert rows == in_process(wanted)
    assert {(row.device, row.dtype) for row in rows} == {
        ("NVIDIA T4", "float16"), ("NVIDIA H100 SXM", "int8"), ("", ""),
    }  # fmt: skip
    predicted = [row for row in rows if row.device and not row.error]
    assert all(row.predicted_ms and row.predicted_ms > 0 for row in predicted)
    assert len({row.key for row in rows}) == len(wanted)


def test_a_cluster_resumes_what_this_machine_began(dask_cluster: Any, tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    first = list(run(SMALL[:3], out, workers=0))
    rows = list(run(SMALL, out, scheduler=dask_cluster.scheduler_address))
    assert rows[:3] == first
    assert values(rows) == in_process(SMALL)


def test_more_points_than_the_scheduler_is_given_at_a_time(
    dask_cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "IN_FLIGHT", 2)
    assert values(run(SMALL, scheduler=dask_cluster.scheduler_address)) == in_process(SMALL)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_cluster_s_killed_worker_loses_nothing(dask_cluster: Any) -> None:
    (nanny,) = dask_cluster.workers.values()
    going = run(GRID, scheduler=dask_cluster.scheduler_address)
    rows = [next(going)]
    os.kill(nanny.process.process.pid, signal.SIGKILL)
    rows += going
    assert values(rows) == in_process(GRID)


def test_a_cluster_without_workers_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed", reason="Dask is not installed")
    monkeypatch.setattr(cluster, "WORKER_SECONDS", 0.1)
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=":0") as empty,
        pytest.raises(SweepError, match=r"^The cluster at tcp://\S+ has no worker: start one"),
    ):
        list(run(SMALL, scheduler=empty.scheduler_address))


def test_a_scheduler_that_does_not_answer_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="Dask is not installed")
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.2)
    with pytest.raises(SweepError, match=r"^No Dask scheduler answers at tcp://127\.0\.0\.1:1 "):
        list(run(SMALL, scheduler="tcp://127.0.0.1:1"))


@pytest.mark.parametrize(
    "address", ["localhost:8786", "tcp://localhost", "http://localhost:80", "", "tcp://:1", "tcp:"]
)
def test_what_is_no_address_is_refused_at_once(address: str) -> None:
    with pytest.raises(SweepError, match="is no address of a Dask scheduler, such as tcp://"):
        run(SMALL, scheduler=address)


@pytest.mark.parametrize("address", ["tcp://10.0.0.1:8786", "tls://node-1:1", "tcp://[::1]:8786"])
def test_an_address_is_taken(address: str) -> None:
    cluster.check_address(address)


def test_a_scheduler_without_dask_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SweepError, match=r"needs Dask, which is not installed here: pip install"):
        list(run(SMALL, scheduler="tcp://localhost:8786"))


def test_what_goes_wrong_on_a_cluster_is_a_row_or_a_sentence() -> None:
    killed = type("KilledWorker", (Exception,), {})  # known by its name: Dask is optional

    def future(status: str, problem: Exception | None) -> Any:
        return SimpleNamespace(status=status, exception=lambda: problem)

    row = cluster._row(future("error", killed("x")), SMALL[0], "tcp://c:1")
    assert row.given_up
    assert row.key == SMALL[0].key
    with pytest.raises(SweepError, match="tcp://c:1 is gone; what was finished is kept"):
        cluster._row(future("cancelled", None), SMALL[0], "tcp://c:1")
    missing = ModuleNotFoundError("No module named 'explorer'")
    with pytest.raises(SweepError, match=r"No module named 'explorer'.* need this version"):
        cluster._row(future("error", missing), SMALL[0], "tcp://c:1")


# -------------------------------------------------------------------- ranges


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("224", [224]),
        ("64:160:32", [64, 96, 128, 160]),
        ("64:150:32", [64, 96, 128]),
        ("1:3", [1, 2, 3]),
        ("64:128:64,256x128, 32", [64, 128, (256, 128), 32]),
        ("256×128", [(256, 128)]),
    ],
)
def test_sizes_are_lists_and_ranges_with_their_end(text: str, found: list[Any]) -> None:
    assert sizes(text) == found


def test_option_values_are_read_as_the_option_s_own() -> None:
    resnet, alexnet = get_spec("resnet50"), get_spec("alexnet")
    assert option_values(resnet, "num_classes", "10:30:10,7") == [10, 20, 30, 7]
    assert option_values(alexnet, "dropout", "0:0.3:0.1") == [0.0, 0.1, 0.2, 0.3]
    assert option_values(resnet, "depths", "3,4,6,3") == [(3, 4, 6, 3)]
    assert option_values(resnet, "se", "true,false") == [True, False]
    assert option_values(resnet, "shortcut", "A,none") == ["A", "none"]
    assert option_values(resnet, "growth_rate", "1:2") == [
        "1:2"
    ]  # its row will say that it has none


@pytest.mark.parametrize(
    "text",
    ["", "a", "1,,2", "0", "-1", "1.5", "1:2:3:4", "5:1", "1:5:0", "1:9999999", "1e9", "nan"],
)
def test_what_is_no_range_is_a_sentence(text: str) -> None:
    with pytest.raises(OptionError, match=r"should|is more than 1,000,000 values"):
        whole_numbers(text, "--batch")


def test_a_fraction_for_a_whole_option_is_a_sentence() -> None:
    with pytest.raises(OptionError, match=r"resnet50: num_classes=1\.5 should be whole numbers"):
        option_values(get_spec("resnet50"), "num_classes", "1.5")


# -------------------------------------------------------------------- the whole registry


@pytest.mark.slow
def test_the_whole_registry_has_a_row_at_a_common_size() -> None:
    names = list_models()
    rows = {row.model: row for row in run(grid(names, [224]), workers=2)}
    assert set(rows) == set(names)
    assert [row.error for row in rows.values() if "fails with" in row.error] == []
    assert all(row.layer for row in rows.values() if row.error)
