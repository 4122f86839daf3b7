"""The lesson "Attention and patches": what it shows is what the library says."""

from __future__ import annotations

import pytest

from explorer.analysis.units import compact, count, memory, percent
from explorer.lessons.attention import attention_memory, cpu_kernel, transformer, windowed
from tests.pages.course import address, answers, charts, english_left, metrics, opened


def test_it_opens_on_vit_b_16() -> None:
    app = opened("attention")
    made = transformer("vit_b_16", 224, 16)
    assert metrics(app)["Tokens N"] == ("197", "(224 / 16)² + 1")
    assert metrics(app)["All parameters"][1] == count(made.params)
    said = answers(app)
    assert f"**{compact(made.macs)}** MACs" in said
    assert "Every formula gives exactly what is counted in the real network." in said
    assert cpu_kernel() in said
    assert address(app) == {}


def test_the_table_holds_every_formula_with_its_count() -> None:
    app = opened("attention", net="vit_l_16", patch="14", side="448")
    made = transformer("vit_l_16", 448, 14)
    (table,) = [frame.value for frame in app.dataframe]
    assert list(table["Counted"]) == [count(part.counted) for part in made.parts]
    assert list(table["By formula"]) == list(table["Counted"])
    assert list(table["Share"]) == [percent(part.counted / made.macs) for part in made.parts]
    assert table["With numbers"][2] == "24 · 2 · 1025² · 1024"


def test_network_patch_and_side_move_the_numbers_and_are_in_the_link() -> None:
    app = opened("attention")
    app.selectbox(key="attention_net").set_value("deit_tiny_patch16_224").run()
    app.segmented_control(key="attention_patch").set_value(8).run()
    app.slider(key="attention_side").set_value(320).run()
    assert not app.exception
    assert metrics(app)["Tokens N"][0] == count(40 * 40 + 1)
    assert address(app) == {"net": "deit_tiny_patch16_224", "patch": "8", "side": "320"}
    found = attention_memory(1601, 3, 64)
    assert metrics(app)["Written out, peak"][0] == memory(found.written_out)
    assert metrics(app)["Fused, peak"][0] == memory(found.fused)


def test_a_side_follows_the_patch_to_the_nearest_that_fits() -> None:
    app = opened("attention", side="240")
    app.segmented_control(key="attention_patch").set_value(14).run()
    assert not app.exception
    assert app.slider(key="attention_side").value == 238
    assert metrics(app)["Tokens N"][0] == count(17 * 17 + 1)


def test_a_link_with_a_side_that_does_not_fit_is_one_sentence() -> None:
    app = opened("attention", side="230")
    (warning,) = app.warning
    assert "not 4 or more whole patches of 16 pixels; 224 is used" in warning.value
    assert metrics(app)["Tokens N"][0] == "197"


@pytest.mark.parametrize(
    ("name", "text"),
    [("net", "resnet50"), ("patch", "0"), ("side", "9999"), ("heads", "5"), ("per", "row")],
)
def test_what_a_link_cannot_mean_is_said_once_and_left_out(name: str, text: str) -> None:
    app = opened("attention", **{name: text})
    (warning,) = app.warning
    assert f"{name}=" in warning.value.replace("\\", "")
    assert metrics(app)["Tokens N"][0] == "197"
    assert address(app) == {}


def test_a_pixel_costs_a_cnn_and_swin_the_same_at_every_size() -> None:
    app = opened("attention", per="pixel")
    curves = {
        c["name"]: c["y"] for c in charts(app)["MACs a pixel over the size of the image"]["data"]
    }
    for level in ("ResNet-50", "Swin-T"):
        assert max(curves[level]) / min(curves[level]) < 1.001
    assert curves["ViT-B"][-1] > 2 * curves["ViT-B"][0]


def test_swin_is_counted_at_the_nearest_size_of_whole_windows() -> None:
    app = opened("attention", side="480")
    made = windowed(448)
    assert metrics(app)["QKᵀ and AV counted"][1] == count(made.attention)
    assert metrics(app)["Windows: Σ 2 · 49 · N · C"][1] == count(made.attention)
    assert metrics(app)["All pairs: Σ 2 · N² · C"][1] == count(made.everywhere)


def test_heads_change_the_matrices_and_nothing_else() -> None:
    app = opened("attention")
    app.select_slider(key="attention_heads").set_value(4).run()
    shown = metrics(app)
    assert shown["A head's share of a token"] == ("192", "D / h = 768 / 4")
    assert shown["Parameters"] == ("86,567,656", "+0")
    assert shown["Attention matrices, a block"][0] == memory(4 * 197 * 197 * 4)
    assert address(app) == {"heads": "4"}
    # Another network has its own number again.
    app.selectbox(key="attention_net").set_value("vit_l_16").run()
    assert app.select_slider(key="attention_heads").value == 16
    assert address(app) == {"net": "vit_l_16"}


def test_a_prediction_is_checked() -> None:
    app = opened("attention")
    (guess,) = app.text_input
    guess.set_value("196").run()
    assert app.error
    app.text_input[0].set_value("197").run()
    assert app.success
    assert "(224 / 16)² + 1 = 14² + 1 = **197**" in answers(app)


def test_a_talk_hides_numbers_until_they_are_revealed() -> None:
    app = opened("attention", present="yes", step="2")
    assert not app.dataframe
    app.button(key="talk_on").click().run()
    assert app.dataframe
    app = opened("attention", present="yes", step="1")
    assert {value for value, _ in metrics(app).values()} == {"?"}
    assert "14 × 14" not in answers(app)


def test_in_chinese_no_english_is_left() -> None:
    app = opened("attention", lang="zh", side="230")
    assert app.warning
    assert english_left(app) == []
