"""The pages about all models: the catalogue, and published against exact numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from explorer import list_models, trace_model
from explorer.analysis.catalogue import accuracies
from explorer.analysis.published import published, reid

APP = Path(__file__).parents[2] / "app.py"
PAGES = {"catalogue": "pages/inspect/catalogue.py", "published": "pages/inspect/published.py"}

Open = Callable[..., AppTest]


@pytest.fixture
def open_page() -> Open:
    """Opens a page of the app as its navigation does, with what its link says."""

    def opened(page: str, **query: str) -> AppTest:
        app = AppTest.from_file(str(APP), default_timeout=120).run()
        for name in dict(app.query_params.items()):
            del app.query_params[name]
        for name, value in query.items():
            app.query_params[name] = value
        return app.switch_page(PAGES[page]).run()

    return opened


def table(app: AppTest) -> Any:
    (frame,) = app.dataframe
    return frame.value


def test_the_catalogue_holds_a_family_with_live_counts(open_page: Open) -> None:
    app = open_page("catalogue", families="VGG")
    assert not app.exception
    frame = table(app)
    names = list_models(family="VGG")
    assert len(frame) == len(names)
    trace = trace_model(names[0], (1, 3, 224, 224))
    assert frame["Params"].iloc[0] == trace.params
    assert frame["MACs"].iloc[0] == trace.macs
    assert frame["Top-1 %"].iloc[0] == accuracies()[names[0]][0].top1
    assert frame["Crop"].iloc[0] == accuracies()[names[0]][0].crop


def test_the_whole_catalogue_is_there(open_page: Open) -> None:
    app = open_page("catalogue")
    assert not app.exception
    assert len(table(app)) == len(list_models())
    assert table(app)["Params"].notna().all()


def test_the_catalogue_is_searched_by_words_of_all_that_is_known(open_page: Open) -> None:
    app = open_page("catalogue", search="zagoruyko 2016 cifar")
    assert list(table(app)["Family"].unique()) == ["Wide ResNet"]
    app.text_input(key="catalogue_find").set_value("no such thing").run()
    assert "No architecture matches." in [text.value for text in app.markdown]


def test_a_size_that_an_architecture_does_not_take_is_said_in_its_row(open_page: Open) -> None:
    app = open_page("catalogue", at="28x28", families="LeNet")
    frame = table(app)
    assert frame["Params"].isna().all()
    assert frame["Idea"].iloc[0] == "LeNet-5 takes images of at least 32 × 32 pixels."


def test_the_timeline_is_drawn_when_its_tab_is_opened(open_page: Open) -> None:
    app = open_page("catalogue", families="VGG,LeNet", show="timeline", measure="macs")
    assert not app.exception
    assert [element.type for element in app.get("plotly_chart")] == ["plotly_chart"]
    assert not app.dataframe


def test_what_a_link_gets_wrong_is_one_sentence(open_page: Open) -> None:
    app = open_page("catalogue", families="Nonsense", search="lenet5")
    assert len(app.warning) == 1
    assert "Nonsense" in app.warning[0].value
    assert len(table(app)) == 2


def test_printed_and_exact_numbers_stand_side_by_side(open_page: Open) -> None:
    app = open_page("published")
    assert not app.exception
    frame = table(app)
    assert len(frame) == len(published())
    row = frame[frame["Architecture"] == "VGG-16"].iloc[0]
    assert (row["Params"], row["MACs"]) == (138357544, 15470264320)
    assert row["Printed MACs"] == 15_300_000_000
    assert row["MACs diff"] == pytest.approx(-1.1, abs=0.01)


def test_only_disagreements_can_be_shown(open_page: Open) -> None:
    app = open_page("published", only="gaps")
    frame = table(app)
    assert len(frame) == sum(row.disagrees for row in published())
    assert (frame["Why"] != "").all()


def test_the_re_identification_table_explains_each_difference(open_page: Open) -> None:
    app = open_page("published", show="reid")
    assert not app.exception
    frame = table(app)
    assert len(frame) == len(reid())
    row = frame[frame["Model"] == "ResNet50"].iloc[0]
    assert row["Exact MACs"] == trace_model("resnet50", (1, 3, 256, 128)).macs - 2048 * 1000
    assert "old counter's rules explain it" in row["Why"]
    assert "stride of 3" in frame[frame["Model"] == "SENet154"].iloc[0]["Why"]


def test_the_choice_of_the_layers_page_survives_a_look_at_the_catalogue() -> None:
    app = AppTest.from_file(str(APP), default_timeout=60)
    app.query_params["model"] = "densenet121"
    app.query_params["input"] = "3x256x128"
    app.run()
    app.switch_page(PAGES["published"]).run()
    app.switch_page("pages/inspect/layers.py").run()
    assert not app.exception
    assert app.title[0].value == "DenseNet-121"
    assert app.number_input(key="height").value == 256
