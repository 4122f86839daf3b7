"""One layer's part of the memory: every sum over layers is the whole of `analysis.memory`."""

from __future__ import annotations

import pytest

from explorer import trace_model
from explorer.analysis import inference_memory, layers, training_memory
from explorer.analysis.layer_memory import layer_memory, layer_training

SHAPE = (2, 3, 64, 64)


@pytest.mark.parametrize("model", ["resnet18", "densenet121", "vit_tiny", "mobilenet_v3_small"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_layers_and_the_input_make_up_the_peak_and_the_weights(model: str, dtype: str) -> None:
    name = "deit_tiny_patch16_224" if model == "vit_tiny" else model
    trace = trace_model(name, SHAPE, options={"image_size": (64, 64)} if "deit" in name else None)
    whole = inference_memory(trace, dtype=dtype)
    found = [layer_memory(trace, whole, row.key) for row in layers(trace)]
    assert all(found)
    at_input = sum(block.nbytes for block in whole.alive if block.key == "input")
    assert sum(each.peak_bytes for each in found) == whole.eager_peak - at_input
    assert sum(each.parameter_bytes for each in found) == whole.parameter_bytes
    assert max(each.alive_bytes for each in found) == whole.eager_peak


def test_a_module_is_the_sum_of_its_layers() -> None:
    trace = trace_model("resnet18", SHAPE)
    whole = inference_memory(trace)
    module = layer_memory(trace, whole, "layer2.0")
    inside = [row.key for row in layers(trace) if row.key.startswith(("layer2.0.", "layer2.0:"))]
    parts = [layer_memory(trace, whole, key) for key in inside]
    assert module
    assert module.title == f"{len(inside)} layers"
    assert module.allocated_bytes == sum(part.allocated_bytes for part in parts)
    assert module.parameter_bytes == sum(part.parameter_bytes for part in parts)


def test_lifetimes_by_hand() -> None:
    trace = trace_model("lenet5", (1, 1, 32, 32))
    whole = inference_memory(trace)
    conv = layer_memory(trace, whole, "c1")
    assert conv
    (block,) = conv.blocks
    # 6 maps of 28 x 28 in float32; 156 parameters.
    assert (block.shape, block.nbytes) == ((1, 6, 28, 28), 6 * 28 * 28 * 4)
    assert conv.parameter_bytes == 156 * 4
    assert block.op == conv.first_op
    assert whole.eager[block.last_op] >= block.nbytes
    assert layer_memory(trace, whole, "nowhere") is None
    assert layer_memory(trace, whole, "") is None


@pytest.mark.parametrize(
    ("optimizer", "dtype", "mixed"),
    [("adam", "float32", False), ("momentum", "float16", True), ("sgd", "float16", False)],
)
def test_training_s_parts_make_up_the_whole(optimizer: str, dtype: str, mixed: bool) -> None:
    trace = trace_model("resnet18", SHAPE, mode="train")
    step = training_memory(trace, optimizer, dtype, mixed_precision=mixed)
    found = [layer_training(trace, step, row.key, mixed_precision=mixed) for row in layers(trace)]
    assert all(found)
    assert sum(each.kept_bytes for each in found) == step.saved_bytes
    assert sum(each.parameter_bytes for each in found) == step.parameter_bytes
    assert sum(each.gradient_bytes for each in found) == step.gradient_bytes
    assert sum(each.optimizer_bytes for each in found) == step.optimizer_bytes
    assert layer_training(trace, step, "nowhere") is None
