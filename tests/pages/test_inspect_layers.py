"""The page "Layers" and the shell around it, run without a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from explorer import get_spec, list_models, trace_model
from explorer.analysis import Convention, layers, layers_frame, receipt, stages, totals
from explorer.analysis.units import count
from pages.shared.choice import native_choice

APP = Path(__file__).parents[2] / "app.py"

Open = Callable[..., AppTest]


@pytest.fixture
def open_app() -> Open:
    """Opens a link, as a visitor with a fresh session does."""

    def opened(**query: str) -> AppTest:
        app = AppTest.from_file(str(APP), default_timeout=60)
        for name, value in query.items():
            app.query_params[name] = value
        return app.run()

    return opened


def address(app: AppTest) -> dict[str, str]:
    """The query parameters after the run."""
    parts = app.query_params.items()
    return {name: value if isinstance(value, str) else value[0] for name, value in parts}


def metrics(app: AppTest) -> dict[str, tuple[str, str]]:
    """Label -> short value and exact value."""
    return {metric.label: (metric.value, metric.delta) for metric in app.metric}


def sentences(app: AppTest) -> list[str]:
    """All errors and warnings shown, as they are read."""
    return [re.sub(r"\\(.)", r"\1", element.value) for element in (*app.error, *app.warning)]


def table(app: AppTest, key: str) -> Any:
    """The frame of one table."""
    return next(frame.value for frame in app.dataframe if frame.key == key)


def pick(
    app: AppTest, key: str, *, rows: list[int] | None = None, cell: tuple[int, str] | None = None
) -> AppTest:
    """Change a table's selection as the browser reports it: ticked rows, and a clicked cell."""
    before = app.session_state[key]["selection"]["rows"]
    selection = {
        "rows": before if rows is None else rows,
        "columns": [],
        "cells": [cell] if cell else [],
    }
    (frame,) = [frame for frame in app.dataframe if frame.key == key]
    states = app._tree.get_widget_states()
    event = states.widgets.add()
    event.id = frame.proto.id
    event.string_value = json.dumps({"selection": selection})
    return app._run(states)


def inspector(app: AppTest) -> str:
    """The selected layer's facts and formulas as HTML."""
    return " ".join(element.proto.body for element in app.get("html"))


# ----------------------------------------------------------------- first screen


def test_a_first_visit_shows_resnet_50_with_exact_totals(open_app: Open) -> None:
    app = open_app()
    assert not app.exception
    assert app.title[0].value.startswith("ResNet-50")
    assert metrics(app)["Parameters"] == ("25.6 M", "25,557,032")
    assert metrics(app)["MACs"] == ("4.09 G", "4,089,184,256")
    assert metrics(app)["Depth"] == ("50", "weighted layers")
    assert metrics(app)["Output"] == ("1000", "batch of 1")
    assert address(app) == {"model": "resnet50", "input": "3x224x224"}


def test_the_totals_stand_beside_the_sentence_that_says_what_they_count(open_app: Open) -> None:
    app = open_app(model="lenet5")
    statement = Convention().statement(trace_model("lenet5", (1, 1, 32, 32)))
    assert statement in [caption.value for caption in app.caption]


def test_the_tables_hold_every_stage_and_every_layer(open_app: Open) -> None:
    app = open_app(model="resnet18")
    trace = trace_model("resnet18", (1, 3, 224, 224))
    assert list(table(app, "stages")["Stage"]) == [stage.name for stage in stages(trace)]
    shown, frame = table(app, "layer_table"), layers_frame(trace)
    for column in ("Layer", "Params", "MACs", "Share", "Activation MiB"):
        exact = 100 * frame[column] if column == "Share" else frame[column]
        assert list(shown[column]) == list(exact)
    assert shown["Shape"].iloc[0] == "3×224×224 → 64×112×112"
    assert shown["Window"].iloc[0] == "7×7 s2 p3"


def test_no_chart_is_drawn_before_its_tab_is_opened(open_app: Open) -> None:
    app = open_app()
    assert not app.get("plotly_chart")
    assert open_app(tab="charts").get("plotly_chart")


@pytest.mark.slow
@pytest.mark.parametrize("name", list_models())
def test_every_model_opens_with_its_own_totals(open_app: Open, name: str) -> None:
    app = open_app(model=name)
    assert not app.exception
    assert not sentences(app)
    spec = get_spec(name)
    numbers = totals(trace_model(name, spec.input_shape))
    assert app.title[0].value == spec.title
    assert metrics(app)["Parameters"][1] == count(numbers.params)
    assert metrics(app)["MACs"][1] == count(numbers.cost)


# ---------------------------------------------------------------------- sidebar


def test_choosing_an_architecture_resets_options_and_takes_its_native_size(
    open_app: Open,
) -> None:
    app = open_app(model="resnet50", num_classes="10", batch="4", mode="train")
    app.selectbox(key="model").set_value("lenet5").run()
    assert address(app) == {
        "model": "lenet5",
        "input": "1x32x32",
        "batch": "4",
        "mode": "train",
    }
    app.selectbox(key="model").set_value("resnet50").run()
    assert app.number_input(key="resnet50:num_classes").value == 1000


def test_choosing_an_architecture_forgets_what_was_selected_in_the_old_one(
    open_app: Open,
) -> None:
    app = open_app(model="resnet18", layer="layer1.0", find="conv")
    app.selectbox(key="model").set_value("vgg11").run()
    assert address(app) == {"model": "vgg11", "input": "3x224x224"}
    assert len(table(app, "layer_table")) == len(layers(trace_model("vgg11", (1, 3, 224, 224))))


def test_a_size_chosen_by_hand_stays_when_the_architecture_changes(open_app: Open) -> None:
    app = open_app(model="resnet50", input="3x256x128")
    app.selectbox(key="model").set_value("densenet121").run()
    assert address(app)["input"] == "3x256x128"


def test_a_size_below_the_next_model_s_minimum_gives_way_to_its_native_one(
    open_app: Open,
) -> None:
    app = open_app(model="resnet50", input="3x64x64")
    app.selectbox(key="model").set_value("alexnet_paper").run()
    assert address(app)["input"] == "3x227x227"


def test_a_preset_sets_height_and_width(open_app: Open) -> None:
    app = open_app()
    app.selectbox(key="preset").set_value("256x128").run()
    assert (app.number_input(key="height").value, app.number_input(key="width").value) == (256, 128)
    assert metrics(app)["MACs"][1] == count(trace_model("resnet50", (1, 3, 256, 128)).macs)


def test_a_size_by_hand_that_is_no_preset_is_called_so(open_app: Open) -> None:
    app = open_app()
    app.number_input(key="height").set_value(200).run()
    assert app.selectbox(key="preset").value == "by hand"
    assert address(app)["input"] == "3x200x224"


def test_every_option_of_a_model_has_a_widget_within_its_bounds(open_app: Open) -> None:
    app = open_app(model="densenet121")
    growth = app.number_input(key="densenet121:growth_rate")
    option = get_spec("densenet121").options["growth_rate"]
    assert (growth.min, growth.max, growth.value) == (option.low, option.high, option.default)
    assert app.text_input(key="densenet121:depths").value == "6,12,24,16"
    growth.set_value(48).run()
    assert address(app)["growth_rate"] == "48"
    trace = trace_model("densenet121", (1, 3, 224, 224), options={"growth_rate": 48})
    assert metrics(app)["Parameters"][1] == count(trace.params)


def test_an_unreadable_list_of_numbers_is_one_sentence_and_the_default(open_app: Open) -> None:
    app = open_app(model="densenet121")
    app.text_input(key="densenet121:depths").set_value("6, twelve").run()
    assert not app.exception
    assert any("4 integers" in caption.value for caption in app.sidebar.caption)
    assert metrics(app)["Parameters"][1] == "7,978,856"
    assert app.text_input(key="densenet121:depths").value == "6, twelve"


def test_back_to_the_paper_s_settings_undoes_size_and_options(open_app: Open) -> None:
    app = open_app(model="resnet50", input="1x64x64", num_classes="10", batch="8")
    app.button(key="reset").click().run()
    assert address(app) == {"model": "resnet50", "input": "3x224x224"}


# ------------------------------------------------------------------------- links


def test_a_link_reproduces_the_whole_view(open_app: Open) -> None:
    query = {
        "model": "resnet18",
        "input": "1x96x64",
        "batch": "2",
        "mode": "train",
        "num_classes": "10",
        "unit": "FLOPs",
        "count": "bias,pooling",
        "level": "1",
        "layer": "layer1",
    }
    app = open_app(**query)
    assert not sentences(app)
    assert address(app) == query
    trace = trace_model(
        "resnet18", (2, 1, 96, 64), mode="train", options={"num_classes": 10, "in_channels": 1}
    )
    convention = Convention(bias=True, pooling=True, unit="FLOPs")
    assert metrics(app)["FLOPs"][1] == count(totals(trace, convention).cost)
    assert list(table(app, "layer_table")["Layer"]) == list(layers_frame(trace, 1)["Layer"])
    assert app.session_state["layer_table"]["selection"]["rows"] == [4]


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ({"model": "resnet51"}, "There is no model called 'resnet51'"),
        ({"input": "huge"}, "The input size 'huge'"),
        ({"batch": "-1"}, "The batch '-1'"),
        ({"num_classes": "0"}, "num_classes=0"),
        ({"tab": "nope"}, "tab='nope'"),
        ({"unit": "GFLOPS"}, "unit='GFLOPS'"),
        ({"count": "bias,everything"}, "count='bias,everything'"),
        ({"level": "-2"}, "level='-2'"),
        ({"kinds": "convolutoin"}, "kinds='convolutoin'"),
    ],
)
def test_a_bad_part_of_a_link_is_one_sentence_and_leaves_the_address(
    open_app: Open, query: dict[str, str], hint: str
) -> None:
    app = open_app(**query)
    assert not app.exception
    assert len(sentences(app)) == 1
    assert hint in sentences(app)[0]
    assert address(app) == {"model": "resnet50", "input": "3x224x224"}
    app.number_input(key="batch").set_value(2).run()
    assert not sentences(app)


def test_a_layer_that_the_model_lacks_is_said_and_something_else_shown(open_app: Open) -> None:
    app = open_app(layer="layer9.7.conv1")
    assert not app.exception
    assert any("There is no layer called layer9.7.conv1" in text.value for text in app.caption)
    assert "conv1" in inspector(app)


def test_an_address_that_changes_without_a_widget_is_read(open_app: Open) -> None:
    app = open_app()
    app.number_input(key="batch").set_value(2).run()
    app.query_params.clear()  # the browser's Back
    app.query_params["model"] = "vgg11"
    app.query_params["input"] = "3x64x64"
    app.run()
    assert app.selectbox(key="model").value == "vgg11"
    assert app.number_input(key="batch").value == 1


def test_a_page_change_that_empties_the_address_loses_no_choice(open_app: Open) -> None:
    app = open_app(model="vgg11", input="3x64x64", unit="FLOPs")
    before = address(app)
    app.query_params.clear()
    app.run()
    assert address(app) == before


def test_markup_in_a_link_is_shown_as_text(open_app: Open) -> None:
    app = open_app(layer="<script>alert(1)</script>", model="![x](https://example.org/x.png)")
    assert not app.exception
    assert "<script>" not in inspector(app)
    assert "\\!\\[x\\](" in app.warning[0].value


def test_parameters_that_no_layer_used_can_be_left_out(
    open_app: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pages.shared import cache

    real = cache.overview(native_choice("lenet5"), Convention())
    unused = real._replace(totals=real.totals._replace(unused_params=1000))
    monkeypatch.setattr(cache, "overview", lambda *_: unused)
    app = open_app(model="lenet5")
    assert metrics(app)["Parameters"][1] == "61,706"
    app.toggle(key="unused").set_value(False).run()
    assert metrics(app)["Parameters"][1] == "60,706"
    assert address(app)["unused"] == "no"


# ----------------------------------------------------------------------- counting


def test_flops_count_two_for_each_mac(open_app: Open) -> None:
    app = open_app()
    app.segmented_control(key="unit").set_value("FLOPs").run()
    assert metrics(app)["FLOPs"][1] == "8,178,368,512"  # 2 * 4,089,184,256
    assert address(app)["unit"] == "FLOPs"


def test_the_switches_add_to_the_total(open_app: Open) -> None:
    app = open_app(model="resnet18")
    app.pills(key="extras").set_value(["bias", "normalization"]).run()
    trace = trace_model("resnet18", (1, 3, 224, 224))
    cost = totals(trace, Convention(bias=True, normalization=True)).cost
    assert metrics(app)["MACs"][1] == count(cost)
    assert address(app)["count"] == "bias,normalization"


# ------------------------------------------------------------------- layer table


def test_layers_can_be_found_by_name(open_app: Open) -> None:
    app = open_app(model="resnet18")
    app.text_input(key="find").set_value("Layer1.0.CONV").run()
    assert list(table(app, "layer_table")["Layer"]) == ["layer1.0.conv1", "layer1.0.conv2"]


@pytest.mark.parametrize(
    ("find", "found"),
    [
        ("layer2 CONV1", ["layer2.0.conv1", "layer2.1.conv1"]),
        ("layer2, conv1", ["layer2.0.conv1", "layer2.1.conv1"]),
        ("7x7 convolution s2 p3", ["conv1"]),
        ("7×7 s2 p3", ["conv1"]),
        ("linear", ["fc"]),
        ("64 × 112 x 112 pooling", ["maxpool"]),
    ],
)
def test_layers_can_be_found_by_words_of_their_name_kind_window_and_shape(
    open_app: Open, find: str, found: list[str]
) -> None:
    app = open_app(model="resnet18", find=find)
    assert list(table(app, "layer_table")["Layer"]) == found


def test_where_no_layer_matches_one_button_clears_the_filters(open_app: Open) -> None:
    app = open_app(model="resnet18", kinds="pooling")
    app.text_input(key="find").set_value("zzzz").run()
    assert not app.exception
    assert "layer_table" not in [frame.key for frame in app.dataframe]
    assert "No layer matches." in [text.value for text in app.markdown]
    app.button(key="clear_filters").click().run()
    assert len(table(app, "layer_table")) == len(layers(trace_model("resnet18", (1, 3, 224, 224))))
    assert address(app) == {"model": "resnet18", "input": "3x224x224"}


def test_a_row_of_an_earlier_longer_table_is_no_click(open_app: Open) -> None:
    app = open_app(model="resnet18", layer="conv1", find="layer1.0.conv")
    pick(app, "layer_table", rows=[40])
    assert not app.exception
    assert address(app)["layer"] == "conv1"


def test_shares_are_percentages_of_the_whole(open_app: Open) -> None:
    app = open_app(model="resnet18")
    for key in ("stages", "layer_table"):
        assert sum(table(app, key)["Share"]) == pytest.approx(100)
    assert table(app, "layer_table")["Cumulative"].iloc[-1] == pytest.approx(100)


def test_kinds_can_be_picked(open_app: Open) -> None:
    app = open_app(model="vgg11")
    app.multiselect(key="kinds").set_value(["linear", "pooling"]).run()
    kinds = [kind for (kind,) in table(app, "layer_table")["Kind"]]
    assert set(kinds) == {"linear", "pooling"}
    assert kinds.count("linear") == 3


def test_a_kind_that_the_next_model_lacks_hides_nothing(open_app: Open) -> None:
    app = open_app(model="densenet121", kinds="concat")
    app.selectbox(key="model").set_value("vgg11").run()
    assert not app.exception
    assert len(table(app, "layer_table")) == len(layers(trace_model("vgg11", (1, 3, 224, 224))))


def test_modules_fold_below_a_depth(open_app: Open) -> None:
    app = open_app(model="resnet18")
    app.select_slider(key="level").set_value(1).run()
    trace = trace_model("resnet18", (1, 3, 224, 224))
    assert list(table(app, "layer_table")["Layer"]) == list(layers_frame(trace, 1)["Layer"])
    assert sum(table(app, "layer_table")["MACs"]) == trace.macs


# ----------------------------------------------------------------------- selection


def test_a_click_in_a_row_selects_its_layer_and_opens_its_formulas(open_app: Open) -> None:
    app = open_app()
    pick(app, "layer_table", cell=(0, "Shape"))
    assert address(app)["layer"] == "conv1"
    assert app.session_state["layer_table"]["selection"]["rows"] == [0]
    assert "floor((224 + 2*3 - 7) / 2) + 1 <b>= 112</b>" in inspector(app)
    assert "64*3*7*7 * 112*112 <b>= 118,013,952</b>" in inspector(app)
    pick(app, "layer_table", rows=[6])
    assert address(app)["layer"] == layers(trace_model("resnet50", (1, 3, 224, 224)))[6].key
    app.button(key="clear").click().run()
    assert "layer" not in address(app)


def test_unticking_the_selected_row_clears_the_selection(open_app: Open) -> None:
    app = open_app(layer="conv1")
    pick(app, "layer_table", rows=[])
    assert "layer" not in address(app)


def test_a_click_on_a_stage_selects_its_first_layer(open_app: Open) -> None:
    app = open_app(model="resnet18")
    pick(app, "stages", cell=(2, "Stage"))
    stage = stages(trace_model("resnet18", (1, 3, 224, 224)))[2]
    assert address(app)["layer"] == stage.first_key
    assert app.session_state["stages"]["selection"]["rows"] == [2]


def test_a_selected_module_shows_its_layers_alone_and_sums_them(open_app: Open) -> None:
    app = open_app(model="resnet18", layer="layer1.0")
    shown = table(app, "layer_table")
    assert all(name.startswith("layer1.0") for name in shown["Layer"])
    trace = trace_model("resnet18", (1, 3, 224, 224))
    (row,) = [row for row in layers(trace, 2) if row.key == "layer1.0"]
    assert sum(shown["MACs"]) == row.macs
    for line in receipt(trace, row).lines:
        assert count(line.result) in inspector(app)


def test_a_layer_folded_into_a_row_marks_that_row(open_app: Open) -> None:
    app = open_app(model="resnet18", layer="layer1.0.conv1", level="1")
    keys = list(table(app, "layer_table")["Layer"])
    assert app.session_state["layer_table"]["selection"]["rows"] == [keys.index("layer1")]


def drawn(app: AppTest) -> dict[str, Any]:
    """What the diagram's component was given."""
    (component,) = app.get("bidi_component")
    return json.loads(component.proto.json)


def test_the_diagram_is_opened_to_the_depth_and_the_modules_of_the_link(open_app: Open) -> None:
    app = open_app(model="resnet18", tab="blocks", zoom="ops", open="1", toggled="layer1")
    assert not app.exception
    scene = drawn(app)["scene"]
    assert [group["key"] for group in scene["groups"]] == ["layer1"]
    keys = [node["key"] for node in scene["nodes"]]
    assert keys[:6] == [":input", "conv1", "bn1", "relu", "maxpool", "layer1.0"]
    assert address(app)["toggled"] == "layer1"


def test_the_selected_layer_is_marked_where_it_is_seen(open_app: Open) -> None:
    for depth, layer, shown in (
        ("1", "layer1.0.conv1", "layer1"),
        ("3", "layer1.0.conv1", "layer1.0.conv1"),
        ("3", "layer1.0", "layer1.0"),
    ):
        app = open_app(model="resnet18", tab="blocks", zoom="ops", open=depth, layer=layer)
        assert drawn(app)["selected"] == shown


def test_boxes_are_coloured_by_what_the_link_says(open_app: Open) -> None:
    app = open_app(model="lenet5", tab="blocks", zoom="ops", heat="params", flow="right")
    data = drawn(app)
    assert data["scene"]["horizontal"]
    assert len(set(data["heat"]["colors"].values())) > 2
    assert drawn(open_app(model="lenet5", tab="blocks", zoom="ops"))["heat"] is None


@pytest.mark.parametrize("model", ["vit_h_14", "hrnet_w18", "resnet1202", "timm:levit_128"])
def test_the_diagram_of_any_model_opens_at_once_at_a_size_that_can_be_surveyed(
    open_app: Open, model: str
) -> None:
    app = open_app(model=model, tab="blocks", zoom="ops")
    assert not app.exception
    assert 5 < len(drawn(app)["scene"]["nodes"]) <= 60


def test_blocks_are_drawn_first_and_equal_neighbours_once(open_app: Open) -> None:
    # ResNet-18: two basic blocks a stage; the first of stages 2 to 4 projects. Stage 1's two
    # are equal and fold.
    groups = drawn(open_app(model="resnet18", tab="blocks"))["scene"]["groups"]
    assert [(group["key"], group["badge"]) for group in groups] == [
        ("layer1.0", "× 2"), ("layer2.0", ""), ("layer2.1", ""), ("layer3.0", ""),
        ("layer3.1", ""), ("layer4.0", ""), ("layer4.1", ""),
    ]  # fmt: skip


def test_a_layer_of_an_equal_block_is_marked_in_the_one_that_is_drawn(open_app: Open) -> None:
    for layer, shown in (
        ("layer1.1.conv2", "layer1.0.conv2"), ("layer1.1", "layer1.0"), ("layer2.0", "layer2.0")
    ):  # fmt: skip
        app = open_app(model="resnet18", tab="blocks", layer=layer)
        assert drawn(app)["selected"] == shown
        assert drawn(app)["layer"] == layer


def test_a_plain_chain_has_layers_and_no_frames(open_app: Open) -> None:
    scene = drawn(open_app(model="vgg11", tab="blocks"))["scene"]
    assert not scene["groups"]
    assert sum(node["kind"] == "convolution" for node in scene["nodes"]) == 8


@pytest.mark.parametrize("zoom", ["stages", "blocks", "ops", "volume"])
@pytest.mark.parametrize(
    "model", ["lenet5", "densenet121", "hrnet_w18", "vit_b_16", "torchvision:swin_t",
              "timm:levit_128"]
)  # fmt: skip
def test_every_picture_of_every_kind_of_model_is_drawn(
    open_app: Open, model: str, zoom: str
) -> None:
    app = open_app(model=model, tab="blocks", zoom=zoom)
    assert not app.exception
    data = drawn(app)
    assert len(data["scene"]["nodes"]) > 1
    assert data["scene"]["caption"].startswith(model)


def test_another_picture_forgets_what_was_opened_by_hand(open_app: Open) -> None:
    app = open_app(model="resnet18", tab="blocks", zoom="ops", open="1", toggled="layer1")
    app.button_group(key="zoom").set_value("stages").run()
    assert not app.exception
    assert "toggled" not in address(app)
    assert address(app)["zoom"] == "stages"


@pytest.mark.parametrize("chart", ["cost", "profile", "map", "params"])
def test_every_chart_is_drawn_for_the_chosen_model(open_app: Open, chart: str) -> None:
    app = open_app(model="lenet5", tab="charts", chart=chart, layer="c1")
    assert not app.exception
    (drawn,) = app.get("plotly_chart")
    assert json.loads(drawn.proto.spec)["data"]


def test_the_source_tab_shows_the_file_and_a_call_that_gives_these_numbers(
    open_app: Open,
) -> None:
    app = open_app(model="resnet18", input="1x64x64", num_classes="10", mode="train", tab="source")
    call, file = (code.value for code in app.code)
    path = Path(get_spec("resnet18").build.__code__.co_filename)
    assert file == path.read_text(encoding="utf-8").strip()
    scope: dict[str, Any] = {}
    exec(call, scope)
    assert metrics(app)["Parameters"][1] == count(scope["trace"].params)


# -------------------------------------------------------------------- impossible


def test_an_input_that_is_too_small_is_a_sentence_a_partial_trace_and_a_way_out(
    open_app: Open,
) -> None:
    app = open_app(model="alexnet", input="3x40x40")
    assert not app.exception
    assert len(sentences(app)) == 1
    assert "features.12" in sentences(app)[0]
    last = table(app, "layer_table").iloc[-1]
    assert last["Layer"] == "✗ features.12"
    assert last["Shape"].endswith("fails here")
    assert len(table(app, "stages")) > 0
    assert address(app)["input"] == "3x40x40"
    app.button(key="suggestion").click().run()
    assert not sentences(app)
    assert address(app) == {"model": "alexnet", "input": "3x63x63"}


def test_a_batch_that_is_too_small_for_training_is_what_the_way_out_changes(
    open_app: Open,
) -> None:
    app = open_app(model="resnet50", mode="train", input="3x32x32")
    assert app.button(key="suggestion").label == "Use a batch of 2, which works"
    app.button(key="suggestion").click().run()
    assert not sentences(app)
    assert address(app)["batch"] == "2"


@pytest.mark.parametrize("tab", ["layers", "blocks", "charts", "latency", "check", "source"])
def test_every_tab_can_be_looked_at_with_an_impossible_input(open_app: Open, tab: str) -> None:
    app = open_app(model="resnet18", input="3x1x1", mode="train", tab=tab)
    assert not app.exception


def test_a_failing_choice_is_traced_once(open_app: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    from pages.shared.cache import traces

    traces.traced.clear()
    traces.failure.clear()
    calls = []
    real = traces.trace_model
    monkeypatch.setattr(
        traces, "trace_model", lambda *args, **more: calls.append(args) or real(*args, **more)
    )
    app = open_app(model="alexnet", input="3x41x41")
    app.segmented_control(key="unit").set_value("FLOPs").run()
    assert calls == [("alexnet", (1, 3, 41, 41))]


def test_the_source_tab_says_what_was_new_and_where_the_code_departs(open_app: Open) -> None:
    app = open_app(model="resnet50", tab="source")
    texts = " ".join(element.value for element in app.markdown)
    assert "https://arxiv.org/abs/1512.03385" in texts
    assert "A shortcut adds a block's input to its result" in texts
    assert "sits on its 3x3 convolution" in texts


@pytest.mark.parametrize(
    ("model", "source", "shown"),
    [
        ("densenet121", "torchvision", "torchvision:densenet121"),
        ("timm:densenet121", "layerwise", "densenet121"),
        ("osnet_x1_0", "timm", "timm:resnet50"),
    ],
)
def test_another_source_shows_the_same_architecture_or_resnet_50(
    open_app: Open, model: str, source: str, shown: str
) -> None:
    app = open_app(model=model)
    app.button_group(key="source").set_value(source).run()
    assert not app.exception
    assert address(app)["model"] == shown


def test_a_video_model_is_left_to_the_library(open_app: Open) -> None:
    app = open_app(model="torchvision:r3d_18")
    assert "takes video" in sentences(app)[0]
    assert app.title[0].value == "ResNet-50 (v1.5)"


def test_a_transformer_follows_the_size_of_the_page(open_app: Open) -> None:
    app = open_app(model="vit_b_16", input="3x256x128")
    trace = trace_model("vit_b_16", (1, 3, 256, 128))
    assert not sentences(app)
    assert f"{trace.macs:,}" in [metric.delta for metric in app.metric]
    app = open_app(model="vit_b_16", input="3x225x225")
    assert "not a whole number of patches" in " ".join(sentences(app))
    assert app.button(key="suggestion").label == "Use 3 × 224 × 224, which works"


def test_a_size_out_of_bounds_cannot_be_typed(open_app: Open) -> None:
    app = open_app()
    height = app.number_input(key="height")
    assert (height.min, height.max) == (1, 4096)
    assert height.help == "1 to 4,096"
    assert app.number_input(key="resnet50:num_classes").help == "1 to 100,000"
