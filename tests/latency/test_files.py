"""What was measured before: shipped with the library, or brought along by the user."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from explorer import list_models
from explorer.errors import RecordError
from explorer.latency import parse_records, read_records, recorded, to_json
from explorer.zoo import get_spec

TIMM = """\
model,infer_img_size,infer_batch_size,infer_samples_per_sec,infer_step_time,infer_gmacs,param_count
tinynet_e,106,1024,49277.65,20.77,0.03,2.04
mobilenetv3_small_050,224,1024,45562.75,,0.03,1.59
failed_one,224,,,,,
"""


def test_timm_s_benchmark_is_read_and_says_what_it_does_not_tell() -> None:
    first, second = parse_records(TIMM, device_name="RTX 4090", dtype="float16", channels_last=True)
    assert first.model == "tinynet_e"
    assert first.input_shape == (1024, 3, 106, 106)
    assert first.batch == 1024
    assert (first.median_ms, first.images_per_second) == (20.77, 49277.65)
    assert (first.dtype, first.channels_last) == ("float16", True)
    assert first.environment.device_name == "RTX 4090"
    assert first.source == "imported"
    assert (first.p10_ms, first.p90_ms, first.iqr_ms, first.stable) == (None,) * 4
    assert first.runs == 0
    # without a step time: 1,024 images at 45,562.75 a second, in milliseconds
    assert second.median_ms == pytest.approx(1e3 * 1024 / 45562.75)


def test_a_file_of_our_own_is_imported_as_such(tmp_path: Path) -> None:
    ours = recorded()[:2]
    path = tmp_path / "runs.jsonl"
    path.write_text("\ufeff" + to_json(ours), encoding="utf-8")
    found = read_records(path)
    assert [record.source for record in found] == ["imported"] * 2
    assert [record.median_ms for record in found] == [record.median_ms for record in ours]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "neither JSON lines of ours nor a CSV of timm's"),
        (b"a,b\n1,2\n", "model is missing"),
        (b"model,infer_img_size,infer_batch_size\nx,1,2\n", "infer_samples_per_sec is missing"),
        (TIMM.replace("106", "10.6").encode(), "Line 2 has no whole numbers above 0"),
        (TIMM.replace("49277.65", "0").encode(), "Line 2 has no whole numbers above 0"),
        (TIMM.replace("49277.65", "nan").encode(), "Line 2 has no whole numbers above 0"),
        (TIMM.replace("20.77", "x").encode(), "Line 2 has no whole numbers above 0"),
        (TIMM.replace("tinynet_e", "x" * 200_000).encode(), "is no CSV"),
        (b"{}\n", "Line 1 is no record"),
        (b"\x89PNG\r\n\xff\xfe", "is not text"),
    ],
)
def test_a_bad_file_is_said_in_one_sentence_with_its_name(
    content: bytes, sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "runs.csv"
    path.write_bytes(content)
    with pytest.raises(RecordError, match=r"^runs\.csv") as raised:
        read_records(path)
    assert sentence in str(raised.value)
    assert str(tmp_path) not in str(raised.value)
    assert len(str(raised.value)) < 250


def test_a_missing_and_a_huge_file_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RecordError, match=r"none\.csv cannot be read: No such file"):
        read_records(tmp_path / "none.csv")
    monkeypatch.setattr("explorer.latency.files._LARGEST_FILE", 3)
    (tmp_path / "long.csv").write_text("1234")
    with pytest.raises(RecordError, match=r"long\.csv is larger than"):
        read_records(tmp_path / "long.csv")


# ---------------------------------------------------------------------- what is shipped


def test_what_is_shipped_is_of_registered_models_at_their_own_size() -> None:
    names = set(list_models())
    for record in recorded():
        assert record.source == "recorded"
        assert record.model in names
        assert record.input_shape[1:] == get_spec(record.model).input_shape[1:]
        assert record.input_shape[0] == record.batch
        assert record.runs >= 3
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", record.environment.date)


def test_some_model_of_every_family_is_shipped() -> None:
    families = {get_spec(record.model).family for record in recorded()}
    assert families == {get_spec(name).family for name in list_models()}


def test_no_combination_is_shipped_twice() -> None:
    keys = [
        (r.model, r.input_shape, r.dtype, r.tf32, r.channels_last, r.compiled,
         r.environment.device_name, r.environment.threads)
        for r in recorded()
    ]  # fmt: skip
    assert len(keys) == len(set(keys))


def test_records_are_chosen_by_model_device_type_and_batch() -> None:
    everything = recorded()
    assert {r.model for r in recorded("resnet50")} == {"resnet50"}
    assert recorded(device="cpu") == [r for r in everything if r.environment.device == "cpu"]
    name = everything[0].environment.device_name
    assert everything[0] in recorded(device=name.lower())
    assert recorded(device="no such device") == []
    assert recorded(dtype="int4") == []
    assert recorded(batch=everything[0].batch)
    assert recorded(batch=10**9) == []
