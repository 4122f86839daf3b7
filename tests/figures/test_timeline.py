from __future__ import annotations

from explorer import list_models
from explorer.analysis.catalogue import Entry
from explorer.figures.timeline import GROUPS, timeline


def make(name: str, family: str, year: int, params: int | None) -> Entry:
    return Entry(name, name.title(), family, year, params, params, 32, 32, (32, 32), (1, 1),
                 "Idea.", "Paper", "" if params else "Too small.")  # fmt: skip


ENTRIES = [
    make("lenet", "LeNet", 1998, 60_000),
    make("alexnet", "AlexNet", 2012, 61_000_000),
    make("resnet", "ResNet", 2015, 25_000_000),
    make("wide", "ResNet", 2015, 68_000_000),
    make("odd", "Odd", 2016, 1_000),
    make("failed", "LeNet", 1998, None),
]


def test_each_architecture_with_counts_is_one_point_that_names_it() -> None:
    figure = timeline(ENTRIES)
    names = [point[0] for trace in figure.data for point in trace.customdata]
    assert sorted(names) == ["alexnet", "lenet", "odd", "resnet", "wide"]
    assert figure.layout.title.text == "Parameters of 5 architectures by year"
    assert figure.layout.yaxis.type == "log"


def test_years_run_from_left_to_right() -> None:
    at = {p[0]: x for t in timeline(ENTRIES).data for p, x in zip(t.customdata, t.x, strict=True)}
    assert at["lenet"] < at["alexnet"] < at["resnet"] < at["odd"]


def test_a_group_has_a_colour_and_a_symbol_of_its_own() -> None:
    traces = timeline(ENTRIES).data
    assert len({trace.marker.color for trace in traces}) == len(traces)
    assert len({trace.marker.symbol for trace in traces}) == len(traces)
    assert [trace.name for trace in traces] == ["plain", "residual and dense", "others"]


def test_every_family_is_in_one_group() -> None:
    from explorer import get_spec

    grouped = [family for families in GROUPS.values() for family in families]
    assert sorted(grouped) == sorted({get_spec(name).family for name in list_models()})


def test_a_label_stands_once_for_a_family_and_none_covers_another() -> None:
    labels = [
        note.text for note in timeline(ENTRIES, measure="macs", theme="dark").layout.annotations
    ]
    assert labels == ["LeNet", "AlexNet", "ResNet", "Odd"]
    crowd = [make(f"m{i}", f"Family {i}", 2015, 1000) for i in range(9)]
    assert len(timeline(crowd).layout.annotations) < 9
