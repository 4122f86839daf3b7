"""The lesson "Receptive field": what it shows is what the library says, and what links mean."""

from __future__ import annotations

import time
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from explorer import get_spec, trace_model
from explorer.analysis.layers import layers
from explorer.analysis.receptive_field import Field, receptive_fields, result_op
from tests.pages.course import address, answers, charts, english_left, metrics, opened

SMALL = {"model": "resnet20", "input": "3x32x32"}


def field_of(name: str, side: int, key: str, *, gates: bool = True) -> Field:
    trace = trace_model(name, (1, 3, side, side))
    row = next(row for row in layers(trace) if row.key == key)
    found = receptive_fields(trace, gates=gates)[result_op(trace, row)]
    assert found
    return found


def finished(app: AppTest) -> AppTest:
    """The page once the job that it started has ended."""
    deadline = time.monotonic() + 120
    while app.session_state["field_job"][1].running and time.monotonic() < deadline:
        time.sleep(0.05)
    app.run()
    assert not app.exception
    return app


def test_it_opens_on_a_layer_whose_window_is_inside_the_picture() -> None:
    app = opened("receptive_field")
    key = app.selectbox(key="field_box_1").value
    field = field_of("resnet50", 224, key)
    assert field.rows
    assert field.rows.size <= 112
    assert metrics(app)["Window"][0] == f"{field.rows.size} × {field.rows.size}"
    assert metrics(app)["Stride"][0] == str(field.rows.stride)
    assert metrics(app)["Map"][0] == f"{field.rows.cells} × {field.rows.cells}"
    assert metrics(app)["Start"][0] == str(field.rows.start).replace("-", "−")
    (first, last), middle = field.rows.window(field.rows.cells // 2), field.rows.cells // 2
    assert f"This cell sees rows {first} to {last} and columns {first} to {last}." in answers(app)
    assert f"What the cell in row {middle}, column {middle} sees" in charts(app)
    assert address(app) == {"model": "resnet50", "input": "3x224x224"}


def test_layer_and_cell_move_the_window_and_are_in_the_link() -> None:
    app = opened("receptive_field", model="vgg16")
    app.selectbox(key="field_box_1").set_value("features.16").run()
    app.slider(key="field_row").set_value(0).run()
    app.slider(key="field_column").set_value(5).run()
    assert not app.exception
    field = field_of("vgg16", 224, "features.16")
    assert field.rows
    assert field.columns
    top, bottom = field.rows.window(0)
    left, right = field.columns.window(5)
    said = f"rows {top} to {bottom} and columns {left} to {right}".replace("-", "−")
    assert said in answers(app)
    assert "lies in the padding" in answers(app)
    assert address(app)["layer"] == "features.16"
    assert address(app)["cell"] == "0.5"
    (figure,) = [f for title, f in charts(app).items() if title.startswith("What the cell")]
    window = figure["layout"]["shapes"][2]
    assert (window["x0"], window["x1"], window["y0"], window["y1"]) == (
        left, right + 1, top, bottom + 1,
    )  # fmt: skip
    # Another layer begins at its middle again.
    app.select_slider(key="field_depth_1").set_value("features.2").run()
    assert "cell" not in address(app)
    assert app.slider(key="field_row").value == 112


def test_the_growth_is_the_library_s_and_the_path_ends_at_the_chosen_size() -> None:
    app = opened("receptive_field", **SMALL, layer="layer3.2.conv2")
    field = field_of("resnet20", 32, "layer3.2.conv2")
    assert field.rows
    figure = charts(app)["Rows that a cell sees, layer by layer"]
    (chosen,) = [trace for trace in figure["data"] if trace["name"] == "chosen"]
    assert chosen["y"] == [field.rows.size]
    (table,) = [frame.value for frame in app.dataframe if "r before" in frame.value.columns]
    assert int(table["r"].iloc[-1]) == field.rows.size
    before, k, j = (table[name].iloc[-1] for name in ("r before", "k", "j before"))
    assert before + (k - 1) * j == field.rows.size
    assert table["Sum"].iloc[-1] == f"{before} + ({k} − 1) · {j:g}"
    assert list(table["r before"].iloc[1:]) == list(table["r"].iloc[:-1])


def test_a_prediction_is_judged_by_the_recursion() -> None:
    app = opened("receptive_field", **SMALL, layer="layer2.0.conv1")
    field = field_of("resnet20", 32, "layer2.0.conv1")
    assert field.rows
    (guess,) = [each for each in app.text_input if "One more 3 × 3" in each.label]
    guess.set_value(str(field.rows.size + 1)).run()
    assert app.error
    (guess,) = [each for each in app.text_input if "One more 3 × 3" in each.label]
    guess.set_value(str(field.rows.size + 2 * int(field.rows.stride))).run()
    assert app.success


def test_a_gate_is_named_and_can_be_counted() -> None:
    query = {"model": "seresnet50", "input": "3x224x224", "layer": "layer1.1.conv1"}
    app = opened("receptive_field", **query)
    field = field_of("seresnet50", 224, "layer1.1.conv1", gates=False)
    assert field.size
    assert metrics(app)["Window"][0] == f"{field.size[0]} × {field.size[1]}"
    assert "Strictly it sees the whole picture: the gates from `layer1.0.se" in answers(app)
    app.toggle(key="field_gates_1").set_value(True).run()
    assert not app.exception
    assert address(app)["gates"] == "yes"
    assert metrics(app)["Window"][0] == "224 × 224"
    assert "Each value sees the whole picture, from `layer1.0.se" in answers(app)


def test_attention_is_the_reason_that_a_token_sees_everything() -> None:
    app = opened("receptive_field", model="vit_b_16", layer="encoder.layers.encoder_layer_5.mlp.3")
    assert "attention lets every token look at every other" in answers(app)
    assert not [each for each in app.slider if each.key == "field_row"]


def test_gradients_are_computed_on_request_and_belong_to_their_cell() -> None:
    app = opened("receptive_field", **SMALL, layer="layer1.1.conv1")
    assert "Effective size" not in metrics(app)
    app.button(key="field_compute").click().run()
    finished(app)
    made = app.session_state["field_made"][1]
    assert metrics(app)["Effective size"][0] == f"{made.side:.3g}"
    assert metrics(app)["Draws"][0] == str(made.draws)
    assert "How much each pixel counts in that cell" in charts(app)
    field = field_of("resnet20", 32, "layer1.1.conv1")
    assert field.rows
    assert made.side < field.rows.size
    app.slider(key="field_row").set_value(3).run()
    assert "Effective size" not in metrics(app)
    assert "What was computed before belongs to another layer or cell." in answers(app)


def test_a_layer_that_costs_too_much_says_what_would_work() -> None:
    app = opened("receptive_field", model="vgg16", input="3x448x448", layer="features.28")
    app.button(key="field_compute").click().run()
    finished(app)
    (error,) = app.error
    assert "choose an earlier layer or a smaller input" in error.value


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"layer": "layer9"}, "asks for the layer 'layer9', which ResNet-20"),
        ({"cell": "99.99"}, "but the map has 32 × 32 cells"),
        ({"cell": "<b>"}, "cell='<b>'"),
        ({"gates": "perhaps"}, "gates='perhaps'"),
        ({"all": "3"}, "all='3'"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_a_link_cannot_mean_is_one_sentence(query: dict[str, str], said: str) -> None:
    app = opened("receptive_field", **SMALL, **query)
    (warning,) = app.warning
    assert said in warning.value.replace("\\", "")
    assert set(address(app)) == {"model", "input"}


def test_another_model_starts_at_its_own_layer() -> None:
    app = opened("receptive_field", **SMALL, layer="layer1.1.conv1")
    app.selectbox(key="model").set_value("vgg11").run()
    assert not app.exception
    assert not app.warning
    assert app.selectbox(key="field_box_1").value.startswith("features.")


def test_a_size_that_does_not_fit_is_said_with_one_that_does() -> None:
    app = opened("receptive_field", model="alexnet", input="3x32x32")
    assert "The nearest size that works" in app.error[0].value
    app.button(key="suggestion").click().run()
    assert not app.exception
    assert "Window" in metrics(app)


def test_a_picture_of_one_s_own_is_shown_and_a_broken_one_is_refused() -> None:
    app = opened("receptive_field", **SMALL)
    before = charts(app)
    buffer = BytesIO()
    Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save(buffer, "PNG")
    app.file_uploader(key="field_upload").set_value(("own.png", buffer.getvalue(), "image/png"))
    app.run()
    assert not app.exception
    title = next(title for title in before if title.startswith("What the cell"))
    assert charts(app)[title]["layout"]["images"] != before[title]["layout"]["images"]
    app.file_uploader(key="field_upload").set_value(("own.png", b"\x89PNG no", "image/png"))
    app.run()
    assert "damaged or incomplete" in app.error[0].value
    assert charts(app)[title]["layout"]["images"] == before[title]["layout"]["images"]


@pytest.mark.slow
def test_the_table_has_every_architecture() -> None:
    app = opened("receptive_field", **SMALL, all="yes")
    (table,) = [frame.value for frame in app.dataframe if "Last features" in frame.value.columns]
    row = table[table["Architecture"] == get_spec("vgg16").title].iloc[0]
    # Araujo, Norris and Sim 2019.
    assert (row["Window"], row["Stride"]) == (212, 32)
    assert row["Of the input"] == pytest.approx(212 / 224)
    vit = table[table["Architecture"] == get_spec("vit_b_16").title].iloc[0]
    assert vit["Window"] == 16
    assert vit["Sees everything from"].startswith("encoder.layers.encoder_layer_0")
    assert len(table) > 170


def test_it_speaks_chinese() -> None:
    app = opened("receptive_field", **SMALL, lang="zh")
    assert english_left(app) == []
    app = opened("receptive_field", model="seresnet50", lang="zh", layer="layer2.0.conv1")
    assert english_left(app) == []


def test_a_talk_hides_the_numbers() -> None:
    app = opened("receptive_field", **SMALL, present="yes", step="1", layer="layer1.1.conv1")
    assert {value for value, _ in metrics(app).values()} == {"?"}
    field = field_of("resnet20", 32, "layer1.1.conv1")
    assert field.size
    shown = answers(app) + str(charts(app))
    assert f"{field.size[0]} × {field.size[1]}" not in shown
    (figure,) = charts(app).values()
    assert figure["layout"]["xaxis"]["showticklabels"] is False
    app.button(key="talk_on").click().run()
    assert metrics(app)["Window"][0] == f"{field.size[0]} × {field.size[1]}"
