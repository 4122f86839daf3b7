"""The page that chooses among all models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from explorer import list_models
from explorer.analysis.landscape import MEASURES, Limits, candidate, front, judge
from explorer.analysis.profiles import Setting, profile
from explorer.analysis.roofline import get_device
from explorer.latency import recorded_ways, times
from pages.shared import cache, landscape

APP = Path(__file__).parents[2] / "app.py"
NAMES = (*list_models(family="ResNet"), *list_models(family="MobileNet"), "lenet5", "vit_b_16")

Open = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def few_models(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Three families stand for all: the analysis is tested over the whole registry."""
    monkeypatch.setattr(cache.choosing, "survey_names", lambda sources: NAMES)
    monkeypatch.setattr(cache.choosing.survey(), "_helped", 10_000)
    yield
    cache.choosing.candidates.clear()
    cache.choosing.landscape_json.clear()
    cache.COUNTED.clear()


@pytest.fixture
def open_page() -> Open:
    """Opens the page as the navigation does, with what its link says."""

    def opened(**query: str) -> AppTest:
        app = AppTest.from_file(str(APP), default_timeout=120).run()
        for name in dict(app.query_params.items()):
            del app.query_params[name]
        for name, value in query.items():
            app.query_params[name.rstrip("_")] = value
        return app.switch_page("pages/compare/landscape.py").run()

    return opened


def table(app: AppTest) -> Any:
    (frame,) = app.dataframe
    return frame.value


def said(app: AppTest) -> str:
    return " ".join(text.value for text in (*app.markdown, *app.caption))


def all_models(size: tuple[int, int] | None = None, device: str = "T4", batch: int = 1) -> Any:
    setting = Setting(get_device(device), "float32", batch)
    return [candidate(profile(name, size), setting) for name in NAMES]


def test_without_limits_every_model_is_left_and_what_is_unknown_is_said(open_page: Open) -> None:
    app = open_page()
    assert not app.exception
    models = all_models()
    assert f"**{len(NAMES)} of {len(NAMES)} models** are left." in said(app)
    without = sum(each.top1 is None for each in models)
    assert f"{without} of {len(NAMES)} have no ImageNet accuracy" in said(app)
    frame = table(app)
    assert len(frame) == len(NAMES)
    assert set(frame["Name"]) == set(NAMES)
    best = front(models, MEASURES["macs"], MEASURES["top1"])
    assert set(frame["Name"][frame["Front"] == "front"]) == {each.name for each in best}


def test_a_limit_changes_the_count_and_says_how_many_it_excludes(open_page: Open) -> None:
    app = open_page(params="15", top1="72")
    verdict = judge(all_models(), Limits(params=15e6, top1=72))
    assert 0 < len(verdict.left) < len(NAMES)
    assert f"**{len(verdict.left)} of {len(NAMES)} models** are left." in said(app)
    for each in verdict.exclusions:
        assert f"excludes {each.total}" in said(app)
    assert set(table(app)["Name"]) == {each.name for each in verdict.left}
    app.number_input(key="landscape_max_params").set_value(30.0).run()
    more = judge(all_models(), Limits(params=30e6, top1=72))
    assert f"**{len(more.left)} of {len(NAMES)} models** are left." in said(app)
    assert len(more.left) > len(verdict.left)
    app.button(key="landscape_clear").click().run()
    assert len(table(app)) == len(NAMES)


def test_a_limit_on_the_predicted_time_follows_device_and_batch(open_page: Open) -> None:
    app = open_page(ms="3", device="NVIDIA H100 SXM", batch="16")
    verdict = judge(all_models(device="H100", batch=16), Limits(ms=3))
    assert 0 < len(verdict.left) < len(NAMES)
    assert set(table(app)["Name"]) == {each.name for each in verdict.left}
    assert "predicted by the roofline model, not measured: NVIDIA H100" in said(app).replace(
        "\\", ""
    )
    assert "batch of 16" in said(app)


def test_a_size_that_a_model_does_not_take_excludes_it(open_page: Open) -> None:
    app = open_page(at="256x128")
    assert "Takes the input size: excludes" in said(app).replace("\\", "")
    assert "lenet5" not in set(table(app)["Name"])
    row = table(app)[table(app)["Name"] == "resnet50"].iloc[0]
    assert row["MACs"] == profile("resnet50", (256, 128)).macs
    assert row["Input"] == "256×128"


def test_two_marked_models_stand_beside_each_other_and_are_in_the_link(open_page: Open) -> None:
    app = open_page(model="resnet18", with_="resnet50")
    assert not app.exception
    (beside,) = app.table
    models = {each.name: each for each in all_models()}
    one, two = models["resnet18"], models["resnet50"]
    ratio = (two.params or 0) / (one.params or 1)
    assert beside.value.loc["Parameters", "Second vs first"] == f"× {ratio:.3g}"
    assert dict(app.query_params)["model"] == "resnet18"
    assert dict(app.query_params)["with"] == "resnet50"
    (link,) = [link.proto for link in app.get("page_link") if "Compare" in link.proto.label]
    assert "models=resnet18%2Cresnet50" in str(link)
    app.button(key="landscape_unmark_one").click().run()
    assert "with" not in dict(app.query_params)
    assert dict(app.query_params)["model"] == "resnet50"


def test_a_recorded_time_is_an_axis_a_limit_and_a_column_and_says_of_what(open_page: Open) -> None:
    known = times(recorded_ways()[0])
    app = open_page(x="recorded_ms", recorded_ms="20")
    assert not app.exception
    assert "Recorded times were measured earlier, in one way: AMD EPYC, 2 threads" in said(
        app
    ).replace("\\", "")
    setting = Setting(get_device("T4"), "float32", 1)
    models = [candidate(profile(name), setting, known) for name in NAMES]
    verdict = judge(models, Limits(recorded_ms=20))
    assert 0 < len(verdict.left) < len(NAMES)
    frame = table(app)
    assert set(frame["Name"]) == {each.name for each in verdict.left}
    row = frame[frame["Name"] == "resnet18"].iloc[0]
    assert row["Recorded ms"] == round(known["resnet18", 224, 224].median_ms, 4)
    unknown = sum(each.recorded_ms is None for each in models)
    assert f"{unknown} not known" in said(app)
    # Nobody has recorded them at another size, and none is guessed.
    other = open_page(x="recorded_ms", at="160x96")
    assert f"0 of {len(NAMES)} models have one at this size" in said(other)
    assert table(other)["Recorded ms"].isna().all()


def test_a_marked_model_says_in_full_why_it_does_not_take_the_size(open_page: Open) -> None:
    app = open_page(model="vit_b_16", at="100x100")
    assert "The nearest size that works is 3x96x96" in said(app).replace("\\", "")


def test_a_marked_model_opens_in_layers(open_page: Open) -> None:
    app = open_page(model="resnet18", at="256x128")
    app.button(key="landscape_open_one").click().run()
    assert not app.exception
    assert app.title[0].value == "ResNet-18"
    assert app.number_input(key="width").value == 128


def test_only_the_front_can_be_listed(open_page: Open) -> None:
    app = open_page(rows="front", x="params")
    best = front(all_models(), MEASURES["params"], MEASURES["top1"])
    assert set(table(app)["Name"]) == {each.name for each in best}


def test_limits_that_leave_nothing_are_a_sentence(open_page: Open) -> None:
    app = open_page(params="0")
    assert not app.exception
    assert "No model is left" in said(app)
    assert not app.dataframe


def test_what_a_link_gets_wrong_is_one_sentence_each(open_page: Open) -> None:
    app = open_page(params="many", x="beauty", families="Nonsense", model="nothing", at="0x9")
    assert not app.exception
    (warning,) = app.warning
    for name in ("params", "x", "families", "model", "at"):
        assert f"{name}=" in warning.value
    assert len(table(app)) == len(NAMES)


def test_a_type_that_the_device_has_no_rate_for_becomes_float32(open_page: Open) -> None:
    app = open_page(dtype="bfloat16")  # the T4 has none
    assert not app.exception
    assert app.selectbox(key="landscape_dtype").value == "float32"


def test_the_largest_source_is_traced_only_after_a_click(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    few = {"layerwise": ("resnet18",), "timm": ("resnet34",)}

    def names(sources: tuple[str, ...]) -> tuple[str, ...]:
        asked.append(sources)
        return tuple(name for source in sources for name in few[source])

    monkeypatch.setattr(cache.choosing, "survey_names", names)
    monkeypatch.setattr(landscape, "available_sources", lambda: ("layerwise", "timm"))
    app = open_page(sources="timm")
    assert list(table(app)["Name"]) == ["resnet18"]
    assert all("timm" not in sources for sources in asked)
    app.button(key="landscape_trace_timm").click().run()
    assert not app.exception
    assert set(table(app)["Name"]) == {"resnet18", "resnet34"}
