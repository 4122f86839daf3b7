"""The command line prints the app's numbers, and one sentence where it cannot."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest

from explorer import cli, get_spec, list_models, trace_model
from explorer.analysis import Convention, layers_frame, totals
from explorer.analysis.layers import to_csv, to_json, to_markdown
from explorer.analysis.roofline import get_device, predict
from explorer.analysis.units import rounded
from explorer.diagram.export import scene_file
from explorer.diagram.views import view_scene
from explorer.errors import MeasurementError
from explorer.latency import Environment, LatencyRecord, from_json
from explorer.sweep import Point, compute, pool
from explorer.sweep.points import give_up

ROOT = Path(__file__).parents[1]


class Ran(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]):
    """Run a command line as a shell would, in this process."""

    def run(line: str) -> Ran:
        try:
            code = cli.main(line.split())
        except SystemExit as stopped:  # argparse's own way out
            code = int(str(stopped.code))
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


def test_list_names_every_model_in_order(run) -> None:
    code, out, err = run("list")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()[1:]] == list_models()


def test_list_of_a_family_names_that_family_only(run) -> None:
    names = [line.split()[0] for line in run("list --family VGG").out.splitlines()[1:]]
    assert names == list_models(family="VGG")


def test_list_shows_sizes_as_trace_takes_them(run) -> None:
    line = run("list --family LeNet").out.splitlines()[1]
    native, _smallest = line.split()[-2:]
    assert get_spec("lenet5").input_shape == (1, 1, 32, 32)
    assert run(f"trace lenet5 --input {native}").out == run("trace lenet5").out


def test_trace_prints_the_totals_of_the_api(run) -> None:
    trace = trace_model("resnet18", (4, 3, 256, 128))
    total = totals(trace, Convention())
    out = run("trace resnet18 --input 3x256x128 --batch 4").out
    assert re.search(rf"^Parameters +{total.params:,}$", out, re.MULTILINE)
    assert re.search(rf"^MACs +{trace.macs:,}$", out, re.MULTILINE)
    assert re.search(r"^Output +4 × 1000$", out, re.MULTILINE)
    assert Convention().statement(trace) in out


@pytest.mark.parametrize("depth", [None, 0, 1, 2])
def test_every_format_is_the_one_of_the_app(run, depth: int | None) -> None:
    trace = trace_model("densenet121", (1, 3, 224, 224))
    frame = layers_frame(trace, depth, Convention())
    fold = "" if depth is None else f"--depth {depth}"
    assert run(f"trace densenet121 {fold} --format csv").out.strip() == to_csv(frame).strip()
    assert run(f"trace densenet121 {fold} --format md").out.strip() == to_markdown(frame).strip()
    assert json.loads(run(f"trace densenet121 {fold} --format json").out) == json.loads(
        to_json(trace, depth, Convention())
    )


def test_the_rows_add_up_to_the_totals(run) -> None:
    rows = list(csv.DictReader(io.StringIO(run("trace vgg16 --format csv").out)))
    trace = trace_model("vgg16", (1, 3, 224, 224))
    assert sum(int(row["Params"]) for row in rows) == trace.params
    assert sum(int(row["MACs"]) for row in rows) == trace.macs


@pytest.mark.parametrize(
    ("switches", "convention"),
    [
        ("--flops", Convention(unit="FLOPs")),
        ("--bias", Convention(bias=True)),
        ("--normalization", Convention(normalization=True)),
        ("--elementwise", Convention(elementwise=True)),
        ("--pooling", Convention(pooling=True)),
        ("--flops --bias --pooling", Convention(bias=True, pooling=True, unit="FLOPs")),
    ],
)
def test_each_switch_changes_what_is_counted(run, switches: str, convention: Convention) -> None:
    trace = trace_model("vgg11_bn", (1, 3, 64, 64))
    total = totals(trace, convention).cost
    assert total != trace.macs
    out = run(f"trace vgg11_bn --input 3x64x64 {switches}").out
    assert re.search(rf"^{convention.unit} +{total:,}$", out, re.MULTILINE)
    assert convention.statement(trace) in out


@pytest.mark.parametrize(
    ("line", "options"),
    [
        ("--option num_classes=10", {"num_classes": 10}),
        ("--option shortcut=none", {"shortcut": "none"}),
        ("--option depths=2,2,2,2", {"depths": (2, 2, 2, 2)}),
        ("--option num_classes=10 --option in_channels=3", {"num_classes": 10}),
    ],
)
def test_an_option_reaches_the_model(run, line: str, options: dict[str, object]) -> None:
    trace = trace_model("resnet50", (1, 3, 224, 224), options=options)
    assert trace.params != trace_model("resnet50", (1, 3, 224, 224)).params
    shown = json.loads(run(f"trace resnet50 {line} --format json").out)
    assert shown["totals"]["params"] == trace.params


def test_the_model_takes_as_many_channels_as_the_input_has(run) -> None:
    gray = trace_model("resnet18", (1, 1, 64, 64), options={"in_channels": 1})
    shown = json.loads(run("trace resnet18 --input 1x64x64 --format json").out)
    assert shown["totals"]["params"] == gray.params
    code, _, err = run("trace resnet18 --input 1x64x64 --option in_channels=3")
    assert code == 2
    assert "takes 3 channels and gets 1" in err


def test_train_mode_reaches_the_trace(run) -> None:
    shown = json.loads(run("trace lenet5 --mode train --format json").out)
    assert shown["mode"] == "train"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("trace resnet99", r"no model called 'resnet99': did you mean resnet"),
        ("trace resnet50 --option depth=3", r"has no option 'depth'; it has .*num_classes"),
        ("trace resnet50 --option num_classes=0", r"num_classes=0 should be an integer from 1"),
        ("trace resnet50 --option num_classes=ten", r"num_classes='ten' should be an integer"),
        ("trace resnet50 --option depths=3,4", r"depths=\(3, 4\) should be 4 integers"),
        ("trace resnet50 --option shortcut=maybe", r"shortcut='maybe' should be one of"),
        ("trace resnet50 --option num_classes", r"takes NAME=VALUE, not 'num_classes'"),
        ("trace resnet50 --input 3x0x224", r"'3x0x224' is not a shape such as 3x224x224"),
        ("trace resnet50 --input big", r"'big' is not a shape such as 3x224x224"),
        ("trace resnet50 --input 3x9999999999x9999999999", r"larger than any computer's memory"),
        ("trace resnet50 --batch 0", r"at least 1"),
        ("trace resnet50 --batch many", r"'many' is not a whole number"),
        ("trace resnet50 --depth -1", r"'-1' is not a whole number|expected one argument"),
        ("trace resnet50 --format xml", r"invalid choice: 'xml'"),
        ("trace", r"required: model"),
        ("list --family ResNot", r"no family called 'ResNot': did you mean ResNet\?"),
        ("list --family zzz", r"no family called 'zzz': there are LeNet, AlexNet"),
        ("sweep", r"Choose the models by --models, or by --family and --source"),
        ("sweep --models resnet18 --family VGG", r"Choose the models by --models, or by"),
        ("sweep --models resnet18,resnot", r"no model called 'resnot'"),
        ("sweep --family ResNot", r"no family called 'ResNot': did you mean ResNet\?"),
        ("sweep --models resnet18 --sizes big", r"--sizes 'big' should be like"),
        ("sweep --models resnet18 --sizes 64:32", r"64:32:1 should go up"),
        ("sweep --models resnet18 --batch 0", r"--batch '0' should be whole numbers from 1"),
        ("sweep --models resnet18 --option width", r"takes NAME=VALUES, not 'width'"),
        (
            "sweep --models resnet18 --option growth_rate=1:3",
            r"has no option 'growth_rate'; it has",
        ),
        ("sweep --models resnet18 --dtype float16", r"--dtype is that of a prediction: name a"),
        ("sweep --models resnet18 --device T5", r"no device called 'T5': choose one of NVIDIA"),
        ("sweep --models resnet18 --device T4 --dtype bfloat16", r"no peak rate for 'bfloat16'"),
        ("sweep --models resnet18 --workers two", r"'two' is not a whole number"),
        ("sweep --models resnet18 --workers 999", r"workers=999 should be a whole number"),
        ("sweep --models resnet18 --scheduler here", r"'here' is no address of a Dask scheduler"),
        ("sweep --models resnet18 -o rows.xls", r"rows.xls should end in .jsonl, .csv or .parquet"),
        ("draw", r"invalid choice: 'draw'"),
        ("", r"required: command"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_exit_code_2(run, line: str, sentence: str) -> None:
    code, out, err = run(line)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert re.search(sentence, err)


def test_an_input_too_small_prints_the_partial_table_and_the_sentence(run) -> None:
    code, out, err = run("trace alexnet --input 3x32x32")
    assert code == 2
    assert out.startswith("Traced as far as the pass came:\n")
    # conv1 at 32x32: floor((32 + 2*2 - 11) / 4) + 1 = 7
    assert re.search(r"^features\.0 .* 64 × 7 × 7 ", out, re.MULTILINE)
    assert "classifier" not in out
    assert err.count("\n") == 1
    assert "features.12" in err
    assert "63x63" in err


@pytest.mark.parametrize("format_", ["csv", "md", "json"])
def test_a_program_gets_no_partial_table(run, format_: str) -> None:
    code, out, err = run(f"trace alexnet --input 3x32x32 --format {format_}")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1


def test_help_names_every_command(run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    assert "list " in out
    assert "trace " in out


def test_a_reader_that_stops_reading_causes_no_complaint() -> None:
    command = [sys.executable, "-m", "explorer", "trace", "resnet1202"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline().startswith(b"Model")
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == cli.READER_GONE


def test_show_says_what_is_known_of_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["show", "resnet50"]) == 0
    out = capsys.readouterr().out
    assert "arXiv:1512.03385" in out
    assert "A block learns the difference" in out
    assert "shortcut=B (A, B, C, D, none)" in out
    assert "depths=3,4,6,3 (each 1 to 48)" in out
    assert "se=false (true or false)" in out


def test_show_of_an_unknown_model_suggests_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["show", "resnet51"]) == 2
    assert "resnet50" in capsys.readouterr().err


def test_diagram_writes_an_svg_with_the_modules_open_that_are_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "resnet18.svg"
    asked = ["diagram", "resnet18", "--view", "ops", "--depth", "1", "--open", "layer1.0"]
    asked += ["-o", str(file)]
    assert cli.main(asked) == 0
    drawn = file.read_text(encoding="utf-8")
    assert drawn.startswith("<svg")
    assert 'data-key="layer1.0.conv1"' in drawn
    assert 'data-key="layer2"' in drawn
    assert cli.main(["diagram", "lenet5", "--theme", "dark", "--direction", "right"]) == 0
    assert capsys.readouterr().out.startswith("<svg")


def test_diagram_of_an_unknown_module_or_into_no_folder_is_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["diagram", "resnet18", "--view", "ops", "--open", "layer1.00"]) == 2
    assert "did you mean layer1.0?" in capsys.readouterr().err
    assert cli.main(["diagram", "resnet18", "--open", "layer1.0"]) == 2
    assert "--open opens modules in --view ops" in capsys.readouterr().err
    for wrong, said in (
        (["--format", "png", "-o", str(tmp_path / "x.svg")], "say different things"),
        (["--depth", "0"], "has depths 1 to 3, not 0"),
        (["--view", "stages", "--depth", "2"], "has depths 1 to 1, not 2"),
        (["--device", "abacus"], "abacus"),
    ):
        assert cli.main(["diagram", "resnet18", *wrong]) == 2
        assert said in capsys.readouterr().err
    assert cli.main(["diagram", "resnet18", "-o", str(tmp_path / "x.gif")]) == 2
    assert "svg, png, pdf, dot, tex, html" in capsys.readouterr().err
    assert cli.main(["diagram", "lenet5", "-o", str(tmp_path / "none" / "x.svg")]) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize("view", ["stages", "blocks", "ops", "volume"])
def test_diagram_draws_every_view_in_every_format(view: str, tmp_path: Path) -> None:
    starts = {
        "svg": b"<svg", "png": b"\x89PNG", "pdf": b"%PDF", "dot": b"// lenet5", "tex": b"% lenet5",
        "html": b"<!DOCTYPE html>",
    }  # fmt: skip
    for form, start in starts.items():
        file = tmp_path / f"lenet5.{form}"
        assert (
            cli.main(["diagram", "lenet5", "--view", view, "--heat", "cost", "-o", str(file)]) == 0
        )
        assert file.read_bytes().startswith(start)


def test_the_command_draws_the_picture_of_the_library(tmp_path: Path) -> None:
    file = tmp_path / "densenet121.svg"
    assert cli.main(["diagram", "densenet121", "--view", "blocks", "-o", str(file)]) == 0
    trace = trace_model("densenet121", (1, 3, 224, 224))
    assert file.read_bytes() == scene_file(view_scene(trace, "blocks", 2), "svg")


def test_an_input_without_its_channels_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["trace", "resnet50", "--input", "256x128"]) == 2
    err = capsys.readouterr().err
    assert err == ("--input 256x128 should have 3 sizes, channels first, as 3x224x224 has.\n")


SWEPT = """\
Model    Input    Batch  Parameters         MACs  Activations  Peak      Depth  Output
lenet5   1x32x32      1      61,706      416,520  57.0 KiB     40.8 KiB      5  1x10
lenet5   1x32x32      2      61,706      833,040  114 KiB      81.5 KiB      5  2x10
alexnet  3x64x80      1  61,100,840  110,254,016  258 KiB      147 KiB       8  1x1000
alexnet  3x64x80      2  61,100,840  220,508,032  516 KiB      294 KiB       8  2x1000

"""


def test_sweep_prints_the_counts_and_then_what_has_none(run) -> None:
    code, out, err = run("sweep --models lenet5,alexnet --sizes 32,64x80 --batch 1,2 --workers 1")
    assert code == 0
    problems = [
        compute(Point(name, shape, batch)).error
        for name, shape in (("lenet5", (1, 64, 80)), ("alexnet", (3, 32, 32)))
        for batch in (1, 2)
    ]
    assert out == SWEPT + "".join(f"{sentence}\n" for sentence in problems)
    assert err.endswith("8 points: 4 with counts, 4 without.\n")


def test_sweep_predicts_times_for_a_device(run) -> None:
    code, out, _ = run("sweep --models lenet5 --device T4 --dtype float16 --workers 0")
    ms = predict(trace_model("lenet5", (1, 1, 32, 32)), get_device("T4"), "float16").ms
    assert code == 0
    assert f"{rounded(ms)} ms" in out
    assert "Predicted" in out.splitlines()[0]
    assert "Predicted" not in run("sweep --models lenet5 --workers 0").out


def test_sweep_into_a_file_goes_on_from_what_is_there(run, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    line = f"sweep --models alexnet --sizes 32,64x96 --workers 0 -o {file}"
    code, out, err = run(line)
    assert (code, out) == (0, "")
    assert f"2 points: 1 with counts, 1 without. Written to {file}.\n- alexnet at 3x32x32" in err
    first = file.read_text()
    rows = list(csv.DictReader(io.StringIO(first)))
    assert [(row["input"], row["layer"]) for row in rows] == [
        ("3x32x32", "features.12"),
        ("3x64x96", ""),
    ]
    assert int(rows[1]["macs"]) == trace_model("alexnet", (1, 3, 64, 96)).macs

    err = run(line).err
    assert "2 points: 1 with counts, 1 without; 2 are from an earlier run." in err
    assert file.read_text() == first


def test_sweep_reads_options_as_each_model_s_own(run) -> None:
    _, out, err = run(
        "sweep --models lenet5,resnet50 --workers 0 --option se=true,false --option depths=1,1,1,1"
    )
    assert out.count("lenet5 has no option 'se'") == 1
    assert "lenet5 is left out: lenet5 has no option 'se'" in err
    with_se = trace_model(
        "resnet50", (1, 3, 224, 224), options={"se": True, "depths": (1, 1, 1, 1)}
    )
    assert re.search(
        rf"^resnet50 .* depths=1,1,1,1 se=true +{with_se.params:,} ", out, re.MULTILINE
    )


def test_a_model_that_reads_an_option_otherwise_is_left_out_with_a_sentence(run) -> None:
    line = "sweep --workers 0 --option groups=16:32:16 --models "
    code, out, err = run(line + "resnext50_32x4d,shufflenet_v1_x1_0")
    assert code == 0
    assert len(re.findall("^resnext50_32x4d ", out, re.MULTILINE)) == 2
    said = "shufflenet_v1_x1_0: groups='16:32:16' should be one of 1, 2, 3, 4, 8."
    assert f"shufflenet_v1_x1_0 is left out: {said}" in err
    code, out, err = run(line + "shufflenet_v1_x1_0,vgg11")
    assert (code, out, err) == (2, "", said + "\n")


def test_sweep_says_which_points_nobody_could_compute(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        pool.Worker, "compute", lambda self, point: give_up(point, "the worker died.")
    )
    code, out, err = run("sweep --models lenet5 --workers 1")
    assert (code, out) == (2, "Not computed: the worker died.\n")
    assert "1 of the points could not be computed, because the worker died each time" in err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_ctrl_c_keeps_what_is_finished_and_the_same_command_goes_on(tmp_path: Path) -> None:
    file, journal = tmp_path / "rows.parquet", tmp_path / "rows.parquet.jsonl"
    command = [
        *(sys.executable, "-m", "explorer", "sweep", "--models", "densenet201,lenet5"),
        *("--sizes", "32:412:20", "--workers", "1", "-o", str(file)),
    ]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        assert process.stderr.readline() == "0 of 40 points\n"
        assert process.stderr.readline() == "4 of 40 points\n"
        process.send_signal(signal.SIGINT)
        *_, said = process.stderr.readlines()
    assert process.returncode == cli.INTERRUPTED
    kept = [json.loads(line) for line in journal.read_text().splitlines()]
    assert said == f"{len(kept)} of 40 points are kept; the same command goes on to {file}.\n"
    assert 4 <= len(kept) < 40
    assert not file.exists()

    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"; {len(kept)} are from an earlier run. Written to {file}." in again.stderr
    rows = {(row["model"], row["input"]): row for row in read_parquet(file)}
    assert len(rows) == 40
    # The same seconds: it is the same row, not one computed again.
    assert all(rows[row["model"], row["input"]]["seconds"] == row["seconds"] for row in kept)
    assert not journal.exists()


def read_parquet(file: Path) -> list[dict[str, object]]:
    return pd.read_parquet(file).to_dict("records")


def test_on_a_terminal_the_progress_is_one_line(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    err = run("sweep --models lenet5 --sizes 32:34 --workers 0").err
    assert err == (
        "\r0 of 3 points\r1 of 3 points\r2 of 3 points\r3 of 3 points\n3 points: 3 with counts.\n"
    )


# ---------------------------------------------------------------------- latency


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What was asked of `measure_latency`, which answers 2 ms an image without measuring."""
    calls: list[dict[str, Any]] = []

    def answer(model: str, shape: tuple[int, ...], **settings: Any) -> LatencyRecord:
        calls.append({"model": model, "shape": shape, **settings})
        if shape[0] == 10**9:
            raise MeasurementError("That does not fit.")
        batch, gpu = shape[0], settings["device"] == "cuda"
        return LatencyRecord(
            model=model,
            options=tuple(settings["options"].items()),
            input_shape=shape,
            batch=batch,
            dtype=settings["dtype"],
            median_ms=2.0 * batch,
            p10_ms=1.75 * batch,
            p90_ms=2.5 * batch,
            iqr_ms=0.25 * batch,
            runs=settings["runs"],
            warmup_runs=5,
            stable=batch != 8,
            images_per_second=500.0,
            clock="a clock",
            environment=Environment(
                device="cuda:0" if gpu else "cpu",
                device_name="A device",
                driver="570.1" if gpu else "",
                runtime="12.8" if gpu else "",
                torch="2.13.0",
                threads=settings["threads"] or 3,
                load=0.5,
                date="2026-01-02T03:04:05+00:00",
            ),
            tf32=settings["tf32"],
            channels_last=settings["channels_last"],
            compiled=settings["compiled"],
            graph_ms=1.5 if gpu else None,
            peak_memory_bytes=3 * 2**20 if gpu else None,
        )

    monkeypatch.setattr(cli.latency, "measure_latency", answer)
    return calls


def test_latency_prints_every_combination_with_its_surroundings(run, asked) -> None:
    line = (
        "latency resnet50 --device cpu --batch 1,8 --dtype float32,bfloat16 --threads 1,2 --runs 9"
    )
    code, out, err = run(line)
    assert (code, err) == (0, "")
    head, _, columns, *rows = out.splitlines()
    assert head == (
        "Measured here: resnet50 on A device (cpu), torch 2.13.0, 2026-01-02 03:04:05 UTC"
    )
    assert columns.split("  ")[0] == "Input"
    assert len(rows) == 8 + 1
    assert [re.split(r"  +", row.strip()) for row in rows[:3]] == [
        ["3 × 224 × 224", "1", "float32", "1", "eager", "9", "2", "1.75", "2.5", "500", "0.5"],
        ["3 × 224 × 224", "8", "float32", "1", "eager", "9", "~16", "14", "20", "500", "0.5"],
        ["3 × 224 × 224", "1", "bfloat16", "1", "eager", "9", "2", "1.75", "2.5", "500", "0.5"],
    ]
    assert "~ had not settled" in rows[-1]
    assert [(c["threads"], c["dtype"], c["shape"][0]) for c in asked] == list(
        itertools.product((1, 2), ("float32", "bfloat16"), (1, 8))
    )


def test_latency_passes_on_what_was_asked(run, asked) -> None:
    line = (
        "latency resnet50 --device cuda --input 1x64x32 --option num_classes=7 --tf32 --compile "
        "--channels-last --flush-l2 --no-graph --seconds 3"
    )
    _, out, _ = run(line)
    (call,) = asked
    assert call == {
        "model": "resnet50",
        "shape": (1, 1, 64, 32),
        "options": {"num_classes": 7, "in_channels": 1},
        "device": "cuda",
        "dtype": "float32",
        "threads": None,
        "tf32": True,
        "channels_last": True,
        "compiled": True,
        "cuda_graph": False,
        "flush_l2": True,
        "runs": 50,
        "max_seconds": 3.0,
    }
    assert "driver 570.1, CUDA 12.8, torch 2.13.0" in out
    assert "float32 (TF32)" in out
    assert "channels last, compiled" in out
    assert "Graph ms" in out
    assert "3.00 MiB" in out


def test_latency_writes_records_and_keeps_those_before_a_refusal(
    run, asked, tmp_path: Path
) -> None:
    path = tmp_path / "runs.jsonl"
    code, out, err = run(f"latency lenet5 --device cpu --batch 1,1000000000,8 -o {path}")
    assert (code, err) == (2, "That does not fit.\n")
    assert "Measured here: lenet5" in out
    assert [record.batch for record in from_json(path.read_text())] == [1]


def test_latency_of_layers_adds_up(run) -> None:
    code, out, err = run("latency lenet5 --device cpu --layers --runs 3 --seconds 1")
    assert (code, err) == (0, "")
    table = out[out.index("Layers at batch 1") :].splitlines()[1:]
    times = {row[:22].strip(): float(re.findall(r"-?\d+\.\d{4}", row)[0]) for row in table[1:]}
    layers = [time for name, time in times.items() if name[0] not in "=+" and "hooks" not in name]
    assert len(layers) == 12
    assert sum(layers) == pytest.approx(times["= all layers"], abs=1e-3)  # twelve roundings
    parts = times["= all layers"] + times["+ cost of the hooks"] + times["+ rest: between layers"]
    assert parts == pytest.approx(times["= pass with hooks"], abs=2e-4)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("latency resnet50 --batch 0", "at least 1"),
        ("latency resnet50 --batch 1,,8", "'' is not a whole number"),
        ("latency resnet50 --dtype float33", "'float33' is not one of float32, float16"),
        ("latency resnet50 --threads two", "'two' is not a whole number"),
        ("latency resnet50 --device tpu", "no device 'tpu' on this machine: choose auto or"),
        ("latency resnet50 --device cpu --tf32", "leave tf32 off on cpu"),
        ("latency resnet50 --device cpu --flush-l2", "leave flush_l2 off on cpu"),
        ("latency resnet50 --device cpu --batch 1000000000", "the largest batch that would fit"),
        ("latency resnet50 --device cpu --seconds 0", "max_seconds=0.0 should be above 0"),
        ("latency resnet50 --layers --compile", "leave out --compile"),
        ("latency resnett50", "did you mean resnet50"),
        ("latency lenet5 -o no/such/folder/x.jsonl", "cannot be written: No such file"),
    ],
)
def test_latency_that_cannot_be_is_one_sentence(run, line: str, sentence: str) -> None:
    code, out, err = run(line)
    assert (code, out) == (2, "")
    assert sentence in err
    assert err.count("\n") == 1
