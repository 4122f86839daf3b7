from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import nn

from explorer import build_model, trace_model


def _both(torchvision: ModuleType, aux_logits: bool) -> tuple[nn.Module, nn.Module]:
    with torch.device("meta"):
        theirs = torchvision.models.inception_v3(aux_logits=aux_logits, init_weights=False)
        return build_model("inception_v3", aux_logits=aux_logits), theirs


@pytest.mark.parametrize("aux_logits", [False, True])
def test_the_state_dict_has_torchvision_s_keys_and_shapes(
    aux_logits: bool, torchvision: ModuleType
) -> None:
    ours, theirs = _both(torchvision, aux_logits)

    assert {k: v.shape for k, v in ours.state_dict().items()} == {
        k: v.shape for k, v in theirs.state_dict().items()
    }


def test_with_torchvision_s_weights_the_output_is_torchvision_s(
    torchvision: ModuleType,
    with_random_weights: Callable[[nn.Module], nn.Module],
    assert_same_scores: Callable[..., None],
) -> None:
    ours, theirs = _both(torchvision, aux_logits=False)
    with_random_weights(theirs)
    ours.load_state_dict(theirs.state_dict(), strict=True, assign=True)

    assert_same_scores(ours, theirs, (75, 75))
    assert_same_scores(ours, theirs, (111, 80))


@pytest.mark.slow
def test_in_training_it_returns_what_torchvision_returns(
    torchvision: ModuleType, with_random_weights: Callable[[nn.Module], nn.Module]
) -> None:
    ours, theirs = _both(torchvision, aux_logits=True)
    with_random_weights(theirs).double()
    ours.load_state_dict(theirs.state_dict(), strict=True, assign=True)
    for module in (*ours.modules(), *theirs.modules()):
        if isinstance(module, nn.Dropout):
            module.p = 0  # the two would drop different features
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(2, 3, 299, 299, generator=generator, dtype=torch.double)

    with torch.inference_mode():
        actual, expected = ours.train()(images), theirs.train()(images)

    assert actual._fields == expected._fields == ("logits", "aux_logits")
    torch.testing.assert_close(tuple(actual), tuple(expected))


def test_the_grids_are_those_of_table_1() -> None:
    trace = trace_model("inception_v3", (1, 3, 299, 299))
    shapes = {call.path: call.outputs[0].shape[1:] for call in trace.calls}

    assert shapes["Conv2d_2b_3x3"] == (64, 147, 147)
    assert shapes["Conv2d_3b_1x1"] == (80, 73, 73)
    assert shapes["Mixed_5d"] == (288, 35, 35)
    assert shapes["Mixed_6a"] == shapes["Mixed_6e"] == (768, 17, 17)
    assert shapes["Mixed_7a"] == (1280, 8, 8)
    assert shapes["Mixed_7c"] == (2048, 8, 8)


def test_the_auxiliary_head_has_weights_and_runs_only_in_training() -> None:
    shape = (2, 3, 299, 299)  # the head ends in one pixel: a batch of one has no statistics
    plain = trace_model("inception_v3", shape)
    evaluated, trained = (
        trace_model("inception_v3", shape, mode=mode, options={"aux_logits": True})
        for mode in ("eval", "train")
    )

    # 768*128 + 2*128, 128*768*5*5 + 2*768, 1000 * (768 + 1)
    head = 98_560 + 2_459_136 + 769_000
    assert evaluated.params == trained.params == plain.params + head == 27_161_264
    assert evaluated.macs == plain.macs
    assert evaluated.output_shape == (2, 1000)
    # On 5x5 pixels 768 to 128, then the 5x5 and the classifier once, for each of two images
    assert trained.macs - plain.macs == 2 * (25 * 768 * 128 + 128 * 768 * 25 + 768 * 1000)
    assert trained.output_shape == ((2, 1000), (2, 1000))
    assert {call.path.split(".")[0] for call in evaluated.uncalled} == {"AuxLogits"}
