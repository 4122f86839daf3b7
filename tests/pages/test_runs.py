"""A visitor's own runs: what is read, what is refused, how they join the others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from explorer import list_models
from explorer.errors import RecordError
from explorer.latency import recorded, to_json
from pages.shared import runs
from pages.shared.choice import native_choice
from tests.latency.test_files import TIMM
from tests.pages.test_measuring import RECORD


def test_our_own_file_is_read_whole() -> None:
    found = runs.read("mine.jsonl", to_json([RECORD]).encode())
    assert found == (replace(RECORD, source="imported"),)


def test_a_csv_is_of_what_the_visitor_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        runs.st, "session_state", {"import_device": " NVIDIA A100 ", "import_dtype": "float16"}
    )
    first, second = runs.read("timm.csv", TIMM.encode())
    assert (first.environment.device_name, first.dtype) == ("NVIDIA A100", "float16")
    assert second.model == "mobilenetv3_small_050"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", r"^x\.csv: This is neither JSON lines of ours nor a CSV"),
        (b"\x89PNG\xff\xfe", r"^x\.csv is not text"),
        (b"{}", r"^x\.csv: Line 1 is no record"),
        (b"model,infer_img_size,infer_batch_size,infer_samples_per_sec\n", r"^x\.csv holds no run"),
    ],
)
def test_a_bad_file_is_one_sentence_that_names_it(
    monkeypatch: pytest.MonkeyPatch, content: bytes, sentence: str
) -> None:
    monkeypatch.setattr(runs.st, "session_state", {})
    with pytest.raises(RecordError, match=sentence):
        runs.read("x.csv", content)


def test_names_as_long_as_no_name_is_are_cut() -> None:
    long = replace(
        RECORD,
        model="m" * 10_000,
        environment=replace(RECORD.environment, device_name="d" * 10_000),
    )
    (found,) = runs.read("mine.jsonl", to_json([long]).encode())
    assert len(found.model) == len(found.environment.device_name) == 60


def test_a_session_keeps_so_many_runs_and_files_and_says_so() -> None:
    many = tuple([RECORD] * 2001)
    with pytest.raises(RecordError, match="has 2,001 runs, and a session keeps 2,000"):
        runs._check_bounds("a.csv", many, [])
    kept = [runs.Imported(f"{n}.csv", many[:400]) for n in range(4)]
    with pytest.raises(RecordError, match="of which 1,600 are taken: remove a file first"):
        runs._check_bounds("a.csv", many[:401], kept)
    with pytest.raises(RecordError, match="would be the sixth file"):
        runs._check_bounds("a.csv", many[:1], [*kept, kept[0]])
    runs._check_bounds("a.csv", many[:400], kept)


def test_a_recorded_run_is_of_its_own_model_and_no_other() -> None:
    for record in recorded():
        assert runs.is_of(record, native_choice(record.model))
    one = recorded("resnet50")[0]
    other = native_choice("resnet50")
    assert not runs.is_of(one, other._replace(options=(("num_classes", 10),)))
    assert not runs.is_of(one, other._replace(input_shape=(1, 3, 64, 64)))
    assert runs.is_of(one, other._replace(input_shape=(8, 3, 224, 224)))  # a batch is a row's
    assert sum(runs.is_of(one, native_choice(name)) for name in list_models()) == 1
