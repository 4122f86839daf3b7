"""The design lab, run without a browser: turning a decision moves what the library says."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from explorer import trace_model
from explorer.analysis.roofline import devices, get_device
from explorer.analysis.units import compact
from explorer.lessons.gradients import gradient_flow
from explorer.lessons.lab import KINDS, measures
from pages.shared.cache import lab as cache
from pages.shared.choice import RESERVED, native_choice
from pages.shared.learn import lab
from tests.pages.test_lessons import button, opened

T4 = get_device("NVIDIA T4")


def chips(app: AppTest) -> dict[str, list[str]]:
    """Label of each chip -> its other texts: before, after, change."""
    html = next(each.proto.body for each in app.get("html") if "lab-chips" in each.proto.body)
    found = re.findall(r'<div class="lab-chip[^"]*"><span>(.*?)</span>(.*?)</div>', html)
    return {name: re.findall(r"<(?:small|b|i)>(.*?)</(?:small|b|i)>", rest) for name, rest in found}


def link(app: AppTest) -> dict[str, str]:
    found = app.query_params.items()
    return {name: text if isinstance(text, str) else text[0] for name, text in found}


def code(app: AppTest) -> str:
    return next(each.value for each in app.code if "build_model" in each.value)


def step(app: AppTest, number: int) -> str:
    """A step as the history names it."""
    return app.button(key=f"lab_step_{number}").label.replace("\\", "")


def captions(app: AppTest) -> str:
    return " ".join(each.value for each in app.caption)


def test_names_in_the_link_are_reserved_and_no_option_is_called_so() -> None:
    mine = {"steps", "at", "side"}
    assert mine <= RESERVED
    assert not mine & set(KINDS)


def test_every_decision_has_a_name_and_a_meaning() -> None:
    assert set(lab.TEXTS) == set(KINDS)
    for name, meaning in lab.TEXTS.values():
        assert name
        assert meaning.endswith(".")


def test_nothing_is_turned_at_first() -> None:
    app = opened("lab", model="resnet18")
    assert "Nothing is turned yet" in captions(app)
    assert app.button(key="lab_undo").disabled
    assert app.button(key="lab_redo").disabled
    assert app.button(key="lab_adopt").disabled
    assert all(texts[-1] == "=" for texts in chips(app).values())
    assert code(app).endswith('build_model("resnet18")')


def test_a_turned_decision_moves_the_chips_and_is_a_step_in_link_history_and_code() -> None:
    app = opened("lab", model="resnet18")
    app.segmented_control(key="lab_se").set_value(True).run()
    assert not app.exception
    before, after = (
        measures(
            trace_model("resnet18", (1, 3, 224, 224), options=options),
            trace_model("resnet18", (1, 3, 224, 224), options=options, mode="train"),
            T4,
        )
        for options in ({}, {"se": True})
    )
    shown = chips(app)
    ratio = 100 * (after.params / before.params - 1)
    assert shown["Parameters"] == [
        f"{compact(before.params)} →", compact(after.params), f"+{ratio:.1f}%",
    ]  # fmt: skip
    assert shown["Depth"][:2] == ["18 →", str(after.depth)]
    assert shown["Output"][1:] == ["1000", "="]
    assert link(app)["steps"] == "se:true"
    assert step(app, 1) == "1. Squeeze-and-excitation: off → on"
    assert f"parameters +{ratio:.1f}%" in captions(app)
    assert 'build_model("resnet18", se=True)' in code(app)
    told = next(each.value for each in app.markdown if "blocks touched" in each.value)
    assert told.startswith("8 of 8 blocks touched, 48 layers new;")  # 6 layers in each of 8 blocks


def test_undo_redo_and_a_jump_go_through_the_steps() -> None:
    app = opened("lab", model="resnet18")
    app.segmented_control(key="lab_kernel_size").set_value(5).run()
    app.number_input(key="lab_depths_2").set_value(4).run()
    app.selectbox(key="lab_groups").set_value("2").run()
    assert link(app)["steps"] == "kernel_size:5;depths:2,2,4,2;groups:2"
    app.button(key="lab_undo").click().run()
    assert link(app)["at"] == "2"
    assert app.selectbox(key="lab_groups").value == "1"
    app.button(key="lab_step_0").click().run()
    assert app.number_input(key="lab_depths_2").value == 2
    assert all(texts[-1] == "=" for texts in chips(app).values())
    app.button(key="lab_redo").click().run()
    assert app.segmented_control(key="lab_kernel_size").value == 5
    app.button(key="lab_step_3").click().run()
    assert "at" not in link(app)
    # A step taken after an undo forgets what was undone.
    app.button(key="lab_step_1").click().run()
    app.segmented_control(key="lab_preactivation").set_value(True).run()
    assert link(app)["steps"] == "kernel_size:5;preactivation:true"


def test_a_link_opens_the_steps_as_they_are() -> None:
    query = {
        "model": "densenet121", "steps": "growth_rate:24;compression:0.75;bottleneck:false",
        "at": "2", "device": devices()[1].name, "side": "before",
    }  # fmt: skip
    app = opened("lab", **query)
    assert {name: link(app)[name] for name in query} == query
    assert app.selectbox(key="lab_growth_rate").value == "24"
    assert app.selectbox(key="lab_device").value == devices()[1].name
    assert "growth_rate=24, compression=0.75" in code(app)


@pytest.mark.parametrize(
    ("steps", "told", "kept"),
    [
        ("wings:2;se:true", "'wings', which is no decision of ResNet-18", "se:true"),
        ("norm:instance;se:true", "norm='instance' should be one of", "se:true"),
        ("depths:1,2;se:true", "4 integers from 1 to 48", "se:true"),
        ("nonsense", "'nonsense', which is no decision", None),
    ],
)
def test_what_a_link_says_wrong_is_told_and_the_rest_kept(
    steps: str, told: str, kept: str | None
) -> None:
    app = opened("lab", model="resnet18", steps=steps)
    assert told in re.sub(r"\\", "", app.warning[0].value)
    assert link(app).get("steps") == kept


def test_decisions_that_do_not_go_together_say_why_and_can_be_undone() -> None:
    app = opened("lab", model="resnet50", steps="bottleneck_width:128;block:basic")
    assert "needs block='bottleneck'" in re.sub(r"\\", "", app.error[0].value)
    assert "not possible" in captions(app)
    assert app.selectbox(key="lab_block").value == "basic"
    app.button(key="lab_undo_failed").click().run()
    assert not app.error
    assert chips(app)["Parameters"][1] == "68.9 M"


def test_a_number_out_of_range_is_kept_with_the_sentence_that_says_the_range() -> None:
    app = opened("lab", model="resnet18", steps="groups:many")
    assert "an integer from 1 to 64" in re.sub(r"\\", "", app.error[0].value)
    assert link(app)["steps"] == "groups:many"
    assert app.selectbox(key="lab_groups").value == "many"
    assert step(app, 1) == "1. Groups: 1 → many"
    app.button(key="lab_undo").click().run()
    assert not app.error


def test_the_edited_network_becomes_the_start() -> None:
    app = opened("lab", model="resnet18", steps="se:true;kernel_size:5")
    app.button(key="lab_adopt").click().run()
    assert "steps" not in link(app)
    assert (link(app)["se"], link(app)["kernel_size"]) == ("true", "5")
    assert all(texts[-1] == "=" for texts in chips(app).values())


def test_another_model_starts_without_steps_and_another_size_keeps_them() -> None:
    app = opened("lab", model="resnet18", steps="se:true")
    app.number_input(key="height").set_value(96).run()
    assert link(app)["steps"] == "se:true"
    app.selectbox(key="model").set_value("vgg11").run()
    assert "steps" not in link(app)
    assert app.number_input(key="lab_widths_0").value == 64


@pytest.mark.parametrize("model", ["lenet5_paper", "torchvision:resnet18"])
def test_a_model_without_decisions_says_so_and_offers_examples(model: str) -> None:
    app = opened("lab", model=model)
    assert len(app.info) == 1
    app.button(key="lab_example_5").click().run()
    assert not app.exception
    assert (link(app)["model"], link(app)["steps"]) == ("vgg16", "head:average")
    assert chips(app)["Parameters"][0] == "138 M →"


@pytest.mark.parametrize("number", range(len(lab.EXAMPLES)))
def test_an_example_shows_a_network_that_can_be_built(number: int) -> None:
    app = opened("lab", model="lenet5")
    app.button(key=f"lab_example_{number}").click().run()
    assert not app.exception
    assert not app.error
    assert any(texts[-1] != "=" for texts in chips(app).values())


def test_the_comparison_is_linked_with_both_networks() -> None:
    app = opened("lab", model="resnet18", input="3x96x64", shortcut="A", steps="depths:1,2,2,2")
    query = next(
        each.proto.query_string for each in app.get("page_link") if "side" in each.proto.page
    )
    assert "resnet18%28shortcut%3DA%29" in query
    assert "resnet18%28depths%3D1%2C2%2C2%2C2%3Bshortcut%3DA%29" in query
    assert "96x64" in query


def test_a_start_that_does_not_work_says_so() -> None:
    app = opened("lab", model="alexnet", input="3x32x32", steps="head:average")
    assert "alexnet at 3x32x32 fails" in re.sub(r"\\", "", app.error[0].value)
    assert "nothing to draw" in captions(app)


def test_a_talk_hides_what_becomes_of_a_turn_until_it_is_revealed() -> None:
    app = opened("lab", model="resnet18", present="yes", step="1", steps="se:true")
    assert chips(app)["Parameters"] == ["11.7 M →", "?"]
    assert "parameters +" not in captions(app)
    app.button(key="talk_on").click().run()
    assert chips(app)["Parameters"][1] == "11.8 M"
    # The next turn is a new question.
    app.segmented_control(key="lab_kernel_size").set_value(5).run()
    assert chips(app)["Parameters"][1] == "?"
    assert not button(app, "lab_clear")


def test_a_talk_with_nothing_turned_has_nothing_to_reveal() -> None:
    app = opened("lab", model="resnet18", present="yes", step="1")
    assert app.button(key="talk_on").label == "Next"
    assert "?" not in {text for texts in chips(app).values() for text in texts}


def flowing(app: AppTest) -> AppTest:
    """Wait for the passes."""
    job = app.session_state["lab_job"]
    if job is None:  # it was over before the page was drawn
        return app
    job._thread.join(120)
    return app.run()


def figures(app: AppTest) -> list[Any]:
    return [json.loads(each.proto.spec) for each in app.get("plotly_chart")]


def test_gradients_of_both_networks_are_computed_when_asked_for() -> None:
    app = opened("lab", model="resnet20", steps="shortcut:none")
    assert not figures(app)
    app.button(key="lab_gradients").click().run()
    app = flowing(app)
    assert not app.exception
    drawn = figures(app)[0]
    flows = [
        gradient_flow("resnet20", options, batch=cache.FLOW_BATCH, size=(32, 32))
        for options in ({}, {"shortcut": "none"})
    ]
    for curve, flow in zip(drawn["data"][:2], flows, strict=True):
        assert curve["y"] == pytest.approx([layer.output_grad_rms for layer in flow.layers])
    assert drawn["data"][0]["y"] != drawn["data"][1]["y"]
    # Another step asks again.
    app.segmented_control(key="lab_se").set_value(True).run()
    assert not figures(app)
    assert button(app, "lab_gradients")


def test_a_network_too_large_for_a_backward_pass_says_so() -> None:
    app = opened("lab", model="vgg16", steps="batch_norm:true")
    app.button(key="lab_gradients").click().run()
    app = flowing(app)
    assert any("more than the 40 that a backward pass may take" in e.value for e in app.error)


def test_the_size_of_the_backward_pass_is_the_largest_that_takes_seconds() -> None:
    def size(model: str, **options: Any) -> tuple[int, int]:
        start = native_choice(model)
        return cache.flow_size(start, start._replace(options=tuple(options.items())))

    assert size("resnet20", se=True) == (32, 32)
    # 4.09 G at 224 x 224, for each of 4 images: a quarter at 112, a sixteenth at 56.
    assert size("resnet50", se=True) == (56, 56)
    # It takes 227 x 227 only.
    assert size("alexnet_paper", groups=1) == (227, 227)


def test_in_chinese_the_page_has_no_english_left() -> None:
    app = opened("lab", model="resnet50", lang="zh", steps="norm:group;stem:deep;depths:3,4,9,3")
    html = next(each.proto.body for each in app.get("html") if "lab-chips" in each.proto.body)
    texts = [each.value for kind in ("markdown", "caption", "subheader", "title") for each in
             getattr(app.main, kind)]  # fmt: skip
    texts += [each.label for each in app.main.button] + [each.label for each in app.main.selectbox]
    texts += [each.label for each in app.main.segmented_control]
    texts += [each.label for each in app.main.number_input]
    texts += [re.sub(r"<[^>]*>", " ", html)]
    names = (
        r"ResNet-50 \(v1\.5\)|ResNet-50|ResNeXt-50|ConvNeXt|Plain-34|MobileNet v1|VGG-16|ViT-B|"
        r"DenseNet-121|NVIDIA T4|float32|MACs|Adam|[GMK]iB|ms|explorer/lessons/lab\.py|"
        r"Hard swish|He|SE|MLP|Layerwise|G|M|A|B|C|D"
    )
    for text in texts:
        if text.startswith("`explorer/"):
            continue  # where the code behind the page stands
        assert not re.findall(r"[A-Za-z]{2,}", re.sub(names, "", text)), text
