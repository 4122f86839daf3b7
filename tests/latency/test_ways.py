"""In which ways recorded times were taken, and which time a model has in one of them."""

from __future__ import annotations

from dataclasses import replace

from explorer.latency import LatencyRecord, recorded, recorded_ways, times, way_of
from explorer.zoo import get_spec


def test_every_record_is_of_one_way_and_found_in_it() -> None:
    ways = recorded_ways()
    assert {way_of(record) for record in recorded()} == set(ways)
    assert len({way.name for way in ways}) == len(ways)
    for way in ways:
        known = times(way)
        for record in recorded():
            if way_of(record) == way:
                place = (record.model, *record.input_shape[2:])
                assert known[place].median_ms <= record.median_ms


def test_a_way_is_named_for_a_link_and_for_a_reader() -> None:
    way = way_of(_record())
    assert way.name == "amd-epyc-float32-1-2t"
    assert way.statement() == "AMD EPYC, 2 threads, float32, batch of 1"
    gpu = way._replace(device="NVIDIA T4", kind="cuda", tf32=True, channels_last=True)
    assert gpu.name == "nvidia-t4-float32-1-tf32-channels-last"
    assert gpu.statement() == "NVIDIA T4, float32, batch of 1, TF32, channels last"


def test_only_the_model_as_it_is_has_a_time() -> None:
    plain = _record()
    way = way_of(plain)
    place = ("resnet50", 224, 224)
    assert set(times(way, [plain])) == {place}
    changed = replace(plain, options=(("num_classes", 10),))
    volume = replace(plain, input_shape=(1, 3, 16, 224, 224))
    stranger = replace(plain, model="elsewhere:resnet50")
    batch = replace(plain, batch=8, input_shape=(8, 3, 224, 224))
    assert times(way, [changed, volume, stranger, batch]) == {}
    default = replace(plain, options=(("num_classes", 1000), ("in_channels", 3)))
    assert set(times(way, [default])) == {place}


def test_a_size_that_follows_the_input_is_no_changed_option() -> None:
    (size,) = [
        value for name, value in get_spec("vit_b_16").options.items() if name == "image_size"
    ]
    assert size.default == (224, 224)
    larger = replace(
        _record(), model="vit_b_16", input_shape=(1, 3, 96, 64), options=(("image_size", (96, 64)),)
    )
    assert set(times(way_of(larger), [larger])) == {("vit_b_16", 96, 64)}
    other = replace(larger, options=(("image_size", (64, 96)),))
    assert times(way_of(other), [other]) == {}


def test_of_several_times_the_fastest_counts() -> None:
    slow, fast = replace(_record(), median_ms=9.0), replace(_record(), median_ms=7.0)
    for records in ((slow, fast), (fast, slow)):
        (found,) = times(way_of(slow), records).values()
        assert found is fast


def _record() -> LatencyRecord:
    (record,) = [each for each in recorded("resnet50") if each.input_shape == (1, 3, 224, 224)]
    return record
