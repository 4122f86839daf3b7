"""Feature maps against the same model run by hand, and the picture's way into it."""

from __future__ import annotations

import io
import threading
from typing import Any

import numpy as np
import pytest
import torch

from explorer._torchvision import import_torchvision
from explorer.analysis.layers import layers
from explorer.analysis.receptive_field import receptive_fields, result_op
from explorer.errors import MeasurementError, TraceError
from explorer.lessons.feature_maps import LONGEST, Maps, Source, as_maps, check_size, feature_maps
from explorer.lessons.inputs import MEAN, STD, as_input, fitted
from explorer.lessons.pictures import Pixels, sample_picture
from explorer.lessons.taps import Tap, run_to, tap_of
from explorer.lessons.weights import random_model
from explorer.trace import trace_model
from explorer.zoo import build_model, get_spec
from tests.analysis.nets import traced

torchvision = import_torchvision()


def maps(name: str, key: str, picture: Pixels, source: Source | None = None) -> Maps:
    side = picture.shape[0]
    trace = traced(name, 1, 3, side, side)
    row = next(row for row in layers(trace) if row.key == key)
    op = result_op(trace, row)
    tap = tap_of(trace, op)
    assert tap
    field = receptive_fields(trace)[op]
    options = {"image_size": (side, side)} if "image_size" in get_spec(name).options else {}
    return feature_maps(name, options, trace, op, tap, field, picture, source or Source())


def checkpoint(model: torch.nn.Module) -> bytes:
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("key", "hooked"),
    [("layer1.0.conv1", "layer1.0.conv1"), ("layer2.1:add", None), ("layer4.1.relu@1", "layer4.1")],
)
def test_maps_are_those_of_torchvision_with_the_same_weights(key: str, hooked: str | None) -> None:
    torch_model = torchvision.models.resnet18(weights=None).eval()
    picture = sample_picture(96)
    source = Source(data=checkpoint(torch_model), filename="resnet18.pth")
    found = maps("resnet18", key, picture, source)
    kept: dict[str, Any] = {}
    block = torch_model.layer2[1]
    if hooked is None:  # what the last ReLU of the block reads
        block.bn2.register_forward_hook(lambda _m, _a, out: kept.update(branch=out.clone()))
        block.register_forward_pre_hook(lambda _m, args: kept.update(shortcut=args[0].clone()))
    else:
        torch_model.get_submodule(hooked).register_forward_hook(
            lambda _m, _a, out: kept.update(out=out.clone())
        )
    with torch.no_grad():
        torch_model(as_input(picture, 3))
    theirs = (kept["out"] if hooked else kept["branch"] + kept["shortcut"])[0].numpy()
    assert (found.channels, found.rows, found.columns) == theirs.shape
    restored = found.values.astype(np.float32) * found.peaks[list(found.kept), None, None]
    np.testing.assert_allclose(restored, theirs[list(found.kept)], rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(found.means, theirs.mean((1, 2)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.zeros, (theirs == 0).mean((1, 2)), atol=1e-6)
    assert found.dead == (theirs == 0).all((1, 2)).sum()


def test_a_value_is_taken_before_the_next_layer_changes_it_in_place():
    found = maps("resnet18", "bn1", sample_picture(64))
    # The ReLU that follows writes into the same memory: there would be no negative values.
    assert (found.values < 0).any()
    after = maps("resnet18", "relu", sample_picture(64))
    assert not (after.values < 0).any()
    np.testing.assert_array_equal(after.values > 0, found.values > 0)


def test_tokens_stand_on_their_grid_and_the_class_token_is_left_out():
    name, key, picture = "vit_b_32", "encoder.layers.encoder_layer_0.ln_1", sample_picture(96)
    found = maps(name, key, picture)
    assert (found.channels, found.rows, found.columns) == (768, 3, 3)
    model = random_model(name, {"image_size": (96, 96)}, 0)
    kept: list[torch.Tensor] = []
    layer = model.get_submodule(key)
    layer.register_forward_hook(lambda _m, _a, out: kept.append(out))
    with torch.no_grad():
        model(as_input(picture, 3))
    theirs = kept[0][0, 1:].T.reshape(768, 3, 3).numpy()
    np.testing.assert_allclose(found.means, theirs.mean((1, 2)), rtol=1e-3, atol=1e-5)
    place = found.kept.index(5)
    np.testing.assert_allclose(
        found.values[place] * found.peaks[5], theirs[5], rtol=2e-3, atol=2e-3
    )


def test_filters_are_the_layer_s_own_weights():
    found = maps("resnet18", "conv1", sample_picture(64), Source(seed=3))
    weight = random_model("resnet18", {}, 3).get_parameter("conv1.weight").detach().numpy()
    assert found.filter_shape == (64, 3, 7, 7)
    assert found.filters is not None
    np.testing.assert_allclose(found.filters, weight, rtol=1e-3, atol=1e-6)
    assert maps("resnet18", "maxpool", sample_picture(64)).filters is None


def test_a_vector_is_one_cell_for_each_channel():
    found = maps("resnet18", "fc", sample_picture(64))
    assert (found.channels, found.rows, found.columns) == (1000, 1, 1)
    assert as_maps(torch.arange(4.0)[None], None).shape == (4, 1, 1)


def test_the_first_and_the_strongest_channels_are_kept():
    found = maps("resnet18", "layer4.0.conv1", sample_picture(64))
    strongest = np.argsort(-found.strengths, kind="stable")[:64]
    assert set(found.kept) == {*range(64), *strongest.tolist()}
    assert found.values.shape == (len(found.kept), 2, 2)


def test_large_maps_are_averaged_down():
    found = maps("resnet18", "conv1", sample_picture(512))
    assert (found.rows, found.columns) == (256, 256)
    assert found.values.shape[1:] == (LONGEST, LONGEST)


def test_every_layer_of_some_networks_can_be_taken_from_the_real_model():
    for name, share in (("densenet121", 1.0), ("googlenet", 1.0), ("mobilenet_v2", 1.0),
                        ("hrnet_w18", 0.9), ("convnext_tiny", 0.9)):  # fmt: skip
        trace = traced(name)
        ops = [result_op(trace, row) for row in layers(trace)]
        taps = [tap_of(trace, op) for op in ops]
        assert sum(tap is not None for tap in taps) >= share * len(ops), name


def test_a_concatenation_is_taken_where_the_next_module_reads_it():
    trace = traced("densenet121", 1, 3, 64, 64)
    op = next(op for op in trace.ops if op.kind == "concat")
    tap = tap_of(trace, op.index)
    assert tap
    out = run_to(build_model("densenet121"), torch.ones(1, 3, 64, 64), tap)
    assert out.shape == op.outputs[0].shape


def test_a_model_that_does_not_pass_a_tap_is_said_not_to():
    model = build_model("resnet20")
    with pytest.raises(TraceError, match="does not run conv1"):
        run_to(model, torch.ones(1, 3, 32, 32), Tap("conv1", 5, 0, True, (1, 16, 32, 32)))
    assert not model.conv1._forward_hooks


def test_what_is_too_expensive_is_refused_with_what_would_work():
    trace = trace_model("vgg16", (1, 3, 1024, 1024))
    with pytest.raises(MeasurementError, match="choose an earlier layer, a smaller input"):
        check_size(trace, len(trace.ops) - 1)
    check_size(trace_model("resnet50", (1, 3, 224, 224)), 100)


def test_two_runs_at_once_give_what_one_gives():
    picture = sample_picture(64)
    alone = maps("resnet18", "layer2.0.conv1", picture)
    found: list[Maps] = []
    threads = [
        threading.Thread(target=lambda: found.append(maps("resnet18", "layer2.0.conv1", picture)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    for each in found:
        np.testing.assert_array_equal(each.values, alone.values)


# ------------------------------------------------------------------ the picture


def test_a_picture_is_cut_to_the_ratio_of_the_input_from_its_middle():
    picture = np.zeros((100, 300, 3), np.uint8)
    picture[:, 100:200] = 200  # the middle third
    square = fitted(picture, 50, 50)
    assert square.shape == (50, 50, 3)
    assert (square[:, 2:-2] == 200).all()
    tall = fitted(picture, 64, 16)
    assert tall.shape == (64, 16, 3)
    assert (tall == 200).all()


def test_an_input_is_normalized_as_torchvision_s_transforms_do():
    picture = sample_picture(32)
    theirs = torchvision.transforms.functional.normalize(
        torch.from_numpy(picture).permute(2, 0, 1).float() / 255, MEAN, STD
    )
    torch.testing.assert_close(as_input(picture, 3)[0], theirs)
    gray = as_input(picture, 1)
    assert gray.shape == (1, 1, 32, 32)
    assert as_input(picture, 5).shape == (1, 5, 32, 32)
