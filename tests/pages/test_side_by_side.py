"""The page "Side by side", run without a browser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from explorer import trace_model
from explorer.analysis import diff, summary
from explorer.analysis.catalogue import accuracies
from explorer.analysis.units import count, rounded
from explorer.latency import Work, recorded
from explorer.report import Report
from pages.shared import comparing, sharing, timed
from pages.shared.comparing import EXAMPLES

APP = Path(__file__).parents[2] / "app.py"
PAGE = "pages/compare/side_by_side.py"

Open = Callable[..., AppTest]


@pytest.fixture
def open_page() -> Open:
    """Opens the page as its navigation does, with what its link says."""

    def opened(**query: str) -> AppTest:
        app = AppTest.from_file(str(APP), default_timeout=120).run()
        for name in dict(app.query_params.items()):
            del app.query_params[name]
        for name, value in query.items():
            app.query_params[name] = value
        return app.switch_page(PAGE).run()

    return opened


def address(app: AppTest) -> dict[str, str]:
    """The query parameters after the run."""
    parts = app.query_params.items()
    return {name: value if isinstance(value, str) else value[0] for name, value in parts}


def said(app: AppTest) -> str:
    """All running text, as it is read."""
    return re.sub(r"\\(.)", r"\1", "\n".join(text.value for text in app.markdown))


def html(app: AppTest) -> str:
    return " ".join(element.proto.body for element in app.get("html"))


def captions(app: AppTest) -> list[str]:
    return [re.sub(r"\\(.)", r"\1", caption.value) for caption in app.caption]


def table(app: AppTest) -> Any:
    (frame,) = app.dataframe
    return frame.value


def test_the_summary_is_the_library_s(open_page: Open) -> None:
    app = open_page(models="resnet50,resnext50_32x4d", size="224x224")
    assert not app.exception
    traces = [trace_model(name, (1, 3, 224, 224)) for name in ("resnet50", "resnext50_32x4d")]
    (sentence,) = summary(diff(*traces))
    assert f"**{sentence}**" in said(app)
    assert count(traces[1].params) in html(app)
    assert f"−{traces[0].params - traces[1].params:,}" in html(app)


def test_accuracy_stands_with_its_crop_and_source_or_not_at_all(open_page: Open) -> None:
    app = open_page(models="resnet50,resnetv2_50")
    best = accuracies()["resnet50"][0]
    assert f"{best.top1:.1f}%" in html(app)
    assert f"crop {best.crop}, {best.weights}, {best.source}" in html(app)
    assert html(app).count("none that can be cited") == 1
    # Other blocks than the published weights have: their accuracy is not this network's.
    changed = open_page(models="resnet50(se=true),resnetv2_50")
    assert html(changed).count("none that can be cited") == 2


def test_of_four_models_the_three_that_take_the_size_are_shown_and_the_fourth_says_why(
    open_page: Open,
) -> None:
    app = open_page(models="resnet18,lenet5,plain18,resnet50", size="30x30")
    assert not app.exception
    (error,) = app.error
    assert error.value.startswith("**lenet5** is left out. lenet5 at 1x30x30 fails in c5")
    assert "The nearest size that works is 1x32x32" in error.value
    assert "plain18 differs from resnet18" in said(app)
    assert "resnet50 differs from resnet18" in said(app)
    assert app.segmented_control(key="compare_against").options == ["plain18", "resnet50"]


def test_a_link_is_written_back_as_it_was_opened(open_page: Open) -> None:
    query = {
        "models": "resnet50(depths=3,4,23,3;se=true),torchvision:resnet50,resnet18",
        "sizes": "224x224,160x96,native",
        "tab": "stages",
        "measure": "params",
        "unit": "FLOPs",
        "against": "2",
        "rows": "changed",
        "find": "conv",
        "device": "NVIDIA L4",
        "zoom": "stages",
    }
    app = open_page(**query)
    assert not app.exception
    assert not app.warning
    assert address(app) == query
    assert "224 × 224" in html(app)
    assert "160 × 96" in html(app)


def test_what_a_link_gets_wrong_is_said_and_the_rest_is_kept(open_page: Open) -> None:
    app = open_page(models="resnet50(sse=true),resnet5,resnet18", size="0x5", row="many")
    assert not app.exception
    (warning,) = app.warning
    assert "'resnet5'" in warning.value.replace("\\", "")
    assert "0x5" in warning.value
    assert "resnet18 differs from resnet50" in said(app)
    assert any("no option 'sse'" in text.value for text in app.caption)


def test_the_table_holds_every_row_and_can_leave_out_what_is_the_same(open_page: Open) -> None:
    app = open_page(models="resnet18,plain18")
    traces = [trace_model(name, (1, 3, 224, 224)) for name in ("resnet18", "plain18")]
    found = diff(*traces)
    assert len(table(app)) == len(found.rows)
    assert table(app)["More params"].sum() == traces[1].params - traces[0].params
    app.toggle(key="compare_changed").set_value(True).run()
    assert len(table(app)) == sum(row.status != "same" for row in found.rows)
    assert address(app)["rows"] == "changed"
    app.text_input(key="compare_find").set_value("downsample").run()
    assert table(app)["Left"].str.contains("downsample").all()
    app.text_input(key="compare_find").set_value("no such thing").run()
    assert "No row matches." in said(app)


def test_a_selected_row_links_to_its_layers(open_page: Open) -> None:
    traces = [trace_model(name, (1, 3, 224, 224)) for name in ("vgg16_c", "vgg16")]
    rows = diff(*traces).rows
    place = next(i for i, row in enumerate(rows) if row.status == "changed")
    app = open_page(models="vgg16_c,vgg16", row=str(place))
    links = [link.proto for link in app.get("page_link")]
    assert [link.label.replace("\\", "") for link in links] == [
        f"{rows[place].left.key} in vgg16_c", f"{rows[place].right.key} in vgg16",
    ]  # fmt: skip
    assert f"layer={rows[place].left.key}" in str(links[0])


@pytest.mark.parametrize("tab", ["stages", "curves"])
def test_a_chart_is_drawn_when_its_tab_is_opened(open_page: Open, tab: str) -> None:
    app = open_page(models="inception_v3,inception_v4", tab=tab)
    assert not app.exception
    assert len(app.get("plotly_chart")) == 1
    assert not app.dataframe


def test_diagrams_of_all_models_are_open_to_one_depth(open_page: Open) -> None:
    app = open_page(models="resnet50,resnext50_32x4d,vgg16", tab="diagrams", open="1")
    assert not app.exception
    assert len(app.get("bidi_component")) == 3
    app.segmented_control(key="compare_depth").set_value(2).run()
    assert not app.exception
    assert address(app)["open"] == "2"


def test_models_are_added_and_removed_and_an_example_replaces_them(open_page: Open) -> None:
    app = open_page()
    app.button(key="compare_add").click().run()
    assert address(app)["models"] == "resnet50,resnext50_32x4d,seresnet50"
    app.button(key="compare_remove_0").click().run()
    assert address(app)["models"] == "resnext50_32x4d,seresnet50"
    app.button(key="example_3").click().run()
    assert address(app)["models"] == "vgg16_c,vgg16"
    app.number_input(key="compare_1:vgg16:num_classes").set_value(10).run()
    assert address(app)["models"] == "vgg16_c,vgg16(num_classes=10)"
    assert "vgg16 (num_classes=10) differs from vgg16_c" in said(app)
    app.selectbox(key="compare_size").set_value("each").run()
    assert address(app)["sizes"] == "224x224,224x224"
    assert not app.exception


def test_options_have_widgets_that_show_the_link_and_write_it(open_page: Open) -> None:
    app = open_page(models="resnet50(depths=3,4,23,3;se=true),mobilenet_v2", size="64x64")
    assert not app.exception
    key = "compare_0:resnet50:"
    assert app.text_input(key=f"{key}depths").value == "3,4,23,3"
    assert app.toggle(key=f"{key}se").value is True
    assert app.selectbox(key=f"{key}shortcut").value == "B"
    app.toggle(key=f"{key}se").set_value(False).run()
    assert address(app)["models"] == "resnet50(depths=3,4,23,3),mobilenet_v2"
    app.number_input(key="compare_1:mobilenet_v2:width_mult").set_value(0.5).run()
    assert address(app)["models"] == "resnet50(depths=3,4,23,3),mobilenet_v2(width_mult=0.5)"
    traced = trace_model("mobilenet_v2", (1, 3, 64, 64), options={"width_mult": 0.5})
    assert count(traced.params) in html(app)
    app.button(key="compare_defaults_0").click().run()
    assert address(app)["models"] == "resnet50,mobilenet_v2(width_mult=0.5)"
    assert app.text_input(key=f"{key}depths").value == "3,4,6,3"
    # What a list should be is said, and the rest is kept.
    app.text_input(key=f"{key}depths").set_value("3,4").run()
    assert not app.exception
    assert any("depths=(3, 4) should be 4 integers" in text for text in captions(app))
    assert address(app)["models"] == "resnet50(depths=3,4),mobilenet_v2(width_mult=0.5)"


def test_two_slots_of_one_model_have_options_of_their_own(open_page: Open) -> None:
    app = open_page(models="resnet18,resnet18")
    app.number_input(key="compare_1:resnet18:num_classes").set_value(10).run()
    assert not app.exception
    assert address(app)["models"] == "resnet18,resnet18(num_classes=10)"
    assert app.number_input(key="compare_0:resnet18:num_classes").value == 1000


def test_any_size_can_be_typed_and_what_is_none_is_said(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page(models="resnet18,vgg11", size="96X160")
    assert not app.exception
    assert address(app)["size"] == "96x160"
    assert html(app).count("3 × 96 × 160") == 2
    # What a callback finds typed; `AppTest` itself chooses among the options only.
    state: dict[str, Any] = {}
    monkeypatch.setattr(comparing.st, "session_state", state)
    assert comparing._typed(" 64 X 48 ", "native") == "64x48"
    assert comparing._typed("each", "native") == "each"
    assert comparing._typed(None, "96x160") == "96x160"
    assert state == {}
    assert comparing._typed("huge", "96x160") == "96x160"
    assert list(state.values()) == ["huge"]


def test_a_recorded_time_stands_only_where_there_is_one(open_page: Open) -> None:
    (record,) = [each for each in recorded("resnet18") if each.input_shape[2:] == (224, 224)]
    app = open_page(models="resnet18,vgg13")
    assert f"<b>{rounded(record.median_ms)} ms</b>" in html(app).replace("~", "")
    assert html(app).count("none at this size") == 1
    # Neither another size nor other options is what was measured.
    other = open_page(models="resnet18(num_classes=10),vgg13")
    assert html(other).count("none at this size") == 2
    small = open_page(models="resnet18,vgg13", size="96x96")
    assert html(small).count("none at this size") == 2


def test_times_are_measured_on_request_and_labelled(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = replace(recorded("resnet18")[0], median_ms=12.34, stable=True)
    asked: list[tuple[str, tuple[int, ...]]] = []

    def measured(works: Sequence[Work], **settings: Any) -> Iterator[tuple[Work, Any]]:
        for work in works:
            asked.append((work.model, work.input_shape))
            yield work, "This one is too large." if work.model == "vgg11" else record

    monkeypatch.setattr(timed, "measure_all", measured)
    app = open_page(models="resnet18,vgg11", size="64x64")
    assert html(app).count("not yet") == 2
    app.button(key="here_measure").click().run()
    app.session_state["here_job"]._thread.join()
    app.run()
    assert not app.exception
    assert asked == [("resnet18", (1, 3, 64, 64)), ("vgg11", (1, 3, 64, 64))]
    assert "<b>12.3 ms</b>" in html(app)
    environment = record.environment
    assert f"{environment.device_name} (cpu, {environment.threads} threads), float32" in html(app)
    assert "refused, see below" in html(app)
    assert any("vgg11 at 3 × 64 × 64: This one is too large." in text for text in captions(app))
    assert any(text.startswith("**Measured here** means") for text in captions(app))


def test_the_exported_document_says_what_the_page_says(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Report] = []
    forms = [(label, ending, mime, lambda report: made.append(report) or "")
             for label, ending, mime, _ in sharing._FORMS]  # fmt: skip
    monkeypatch.setattr(sharing, "_FORMS", forms)
    contents: dict[str, Callable[[], str]] = {}

    def button(label: str, content: Any, *args: Any, key: str = "", **settings: Any) -> None:
        contents[key] = content

    monkeypatch.setattr(sharing.st, "download_button", button)
    app = open_page(models="resnet18,plain18", size="64x64", find="conv")
    assert not app.exception
    for ending in ("html", "md", "tex"):
        contents[f"compare_export_{ending}"]()
    traces = [trace_model(name, (1, 3, 64, 64)) for name in ("resnet18", "plain18")]
    for report in made:
        (parameters,) = [row for row in report.tables[0].rows if row.title == "Parameters"]
        assert [count(trace.params) in cell[1] for trace, cell in
                zip(traces, parameters.cells, strict=True)] == [True, True]  # fmt: skip
        assert report.summary == (" ".join(summary(diff(*traces))),)
        assert report.link == "models=resnet18,plain18&size=64x64&find=conv"
        ((title, frame),) = report.differences
        assert len(frame) == sum(row.status != "same" for row in diff(*traces).rows)
        assert title.startswith("plain18 against resnet18: ")
    assert [len(report.figures) for report in made] == [3, 0, 0]
    assert all(svg.startswith("<svg") for _, svg in made[0].drawings)


def test_every_example_can_be_compared(open_page: Open) -> None:
    for models in EXAMPLES.values():
        app = open_page(models=",".join(models))
        assert not app.exception
        assert not app.error
        assert not app.warning


def test_one_model_alone_is_no_comparison(open_page: Open) -> None:
    app = open_page(models="resnet18")
    assert not app.exception
    assert app.info
