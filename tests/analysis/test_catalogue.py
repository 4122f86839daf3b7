from __future__ import annotations

from types import ModuleType

import pytest

from explorer import get_spec, list_models, trace_model
from explorer.analysis.catalogue import accuracies, entries, entry


def test_an_entry_has_the_counts_of_its_trace_at_the_native_size() -> None:
    found = entry("resnet50")
    trace = trace_model("resnet50", (1, 3, 224, 224))
    assert (found.params, found.macs) == (trace.params, trace.macs)
    assert (found.height, found.width, found.native) == (224, 224, (224, 224))
    assert (found.idea, found.paper) == (get_spec("resnet50").idea, get_spec("resnet50").paper)


def test_a_size_below_the_minimum_is_a_sentence_that_says_the_minimum() -> None:
    found = entry("lenet5", (28, 28))
    assert found.params is None
    assert found.macs is None
    assert found.problem == "LeNet-5 takes images of at least 32 × 32 pixels."


def test_a_size_that_fails_inside_is_the_trace_s_own_sentence() -> None:
    found = entry("vit_h_14", (256, 128))
    assert found.params is None
    assert "whole number of patches of 14x14" in found.problem


def test_entries_come_one_by_one_in_the_order_of_the_registry() -> None:
    names = list_models(family="AlexNet")
    walk = entries((256, 256), names)
    assert next(walk).name == names[0]
    assert [found.name for found in walk] == names[1:]


@pytest.fixture(scope="module")
def stated(torchvision: ModuleType) -> dict[tuple[str, str], tuple[float, float, int, str]]:
    """What torchvision states of its weights for the models that we have under its name."""
    models = torchvision.models
    return {
        (name, weights.name): (
            weights.meta["_metrics"]["ImageNet-1K"]["acc@1"],
            weights.meta["_metrics"]["ImageNet-1K"]["acc@5"],
            weights.transforms().crop_size[0],
            weights.meta.get("recipe", ""),
        )
        for name in models.list_models(module=models)
        if name in list_models()
        for weights in models.get_model_weights(name)
        if weights.name != "IMAGENET1K_FEATURES"  # without a classifier, and so an accuracy
    }


def test_the_accuracies_are_those_that_torchvision_states(
    stated: dict[tuple[str, str], tuple[float, float, int, str]],
) -> None:
    ours = {
        (row.name, row.weights): (row.top1, row.top5, row.crop, row.recipe)
        for rows in accuracies().values()
        for row in rows
    }
    assert ours == stated


def test_the_best_recipe_stands_first_and_nothing_is_guessed() -> None:
    for rows in accuracies().values():
        assert [row.top1 for row in rows] == sorted((row.top1 for row in rows), reverse=True)
    assert "lenet5" not in accuracies()
