"""All sources of models behind one name, and their counts against torch's own counter."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Iterator
from types import ModuleType

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from explorer import build_model, get_spec, list_models, trace_model
from explorer.errors import InputSizeError, OptionError, UnknownModelError
from explorer.trace.build import build_on_meta
from explorer.zoo import BACKBONE, available_sources, source_file, source_of

PARTS = 24


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Other libraries warn about themselves when they build their models."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_without_a_source_the_models_are_ours() -> None:
    assert list_models() == list_models(source="layerwise")
    assert not any(":" in name for name in list_models())


def test_every_source_lists_its_models_under_its_own_name() -> None:
    assert available_sources() == ("layerwise", "torchvision", "timm")
    for source in ("torchvision", "timm"):
        names = list_models(source=source)
        assert len(names) > 100
        assert all(source_of(name) == source for name in names)
    everything = list_models(source="all")
    assert everything == [
        *list_models(), *list_models(source="torchvision"), *list_models(source="timm")
    ]  # fmt: skip


def test_importing_the_library_imports_no_other_models() -> None:
    script = "import sys, explorer; print([m for m in ('torchvision', 'timm') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_same_architecture_of_three_sources_has_the_same_counts() -> None:
    traces = [
        trace_model(name, (1, 3, 256, 128))
        for name in ("resnet50", "torchvision:resnet50", "timm:resnet50")
    ]
    assert {(trace.params, trace.macs) for trace in traces} == {(25557032, 2671198208)}


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("torchvision:resnet51", "torchvision:resnet50"), ("timm:resnet51", "timm:resnet50")],
)
def test_an_unknown_name_suggests_the_nearest_of_its_source(name: str, nearest: str) -> None:
    with pytest.raises(UnknownModelError) as caught:
        get_spec(name)
    assert nearest in caught.value.nearest


def test_a_misspelt_source_suggests_the_one_that_was_meant() -> None:
    with pytest.raises(UnknownModelError, match="did you mean torchvision:resnet50"):
        get_spec("torchvison:resnet50")


def test_a_constructor_that_needs_values_is_built_with_options_too() -> None:
    name = "timm:vit_small_patch16_rope_mixed_224"
    trace = trace_model(name, (1, 3, 224, 224), options={"num_classes": 10})
    assert trace.output_shape == (1, 10)


def test_an_unknown_source_is_a_sentence() -> None:
    with pytest.raises(UnknownModelError, match=r"no source of models called 'timmm'.*timm"):
        list_models(source="timmm")


def test_a_library_that_is_not_installed_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    from explorer import zoo

    def missing(name: str) -> ModuleType:
        raise ImportError(name)

    monkeypatch.setattr(zoo.importlib, "import_module", missing)
    with pytest.raises(UnknownModelError, match="not installed here; pip install timm"):
        zoo._timm()


def test_options_of_a_foreign_model_are_checked() -> None:
    model = build_model("torchvision:resnet18", num_classes=7)
    assert model.fc.out_features == 7
    with pytest.raises(OptionError, match=r"torchvision:resnet18: num_classes=0 should be"):
        build_model("torchvision:resnet18", num_classes=0)
    with pytest.raises(OptionError, match="has no option 'in_channels'"):
        build_model("torchvision:resnet18", in_channels=1)
    grey = trace_model("timm:resnet18", (1, 1, 64, 64), options={"in_channels": 1})
    assert grey.params == 11689512 - 2 * 64 * 49


@pytest.mark.parametrize("name", ["timm:vit_tiny_patch16_224", "timm:swin_tiny_patch4_window7_224"])
def test_a_model_of_one_size_follows_the_input(name: str) -> None:
    assert trace_model(name, (1, 3, 256, 128)).output_shape == (1, 1000)


def test_what_torchvision_s_vit_cannot_do_is_a_sentence_with_a_way_out() -> None:
    with pytest.raises(InputSizeError, match="our vit_b_16 takes rectangles") as caught:
        trace_model("torchvision:vit_b_16", (1, 3, 256, 128))
    shape = caught.value.suggested_shape
    assert shape is not None
    assert trace_model("torchvision:vit_b_16", shape).output_shape == (1, 1000)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("resnet50", "explorer/models/resnet.py"),
        ("torchvision:swin_t", "torchvision/models/swin_transformer.py"),
        ("torchvision:ssd300_vgg16.backbone", "torchvision/models/detection/ssd.py"),
        ("timm:levit_128", "timm/models/levit.py"),
    ],
)
def test_the_source_is_shown_without_a_path_of_this_machine(name: str, label: str) -> None:
    file = source_file(name)
    assert file.label == label
    assert "class " in file.text


# ------------------------------------------------------- every model, every count


def _counted(model: nn.Module, shape: tuple[int, ...]) -> int:
    """MACs by torch's own counter.

    Where a parameter is passed to a submodule as an input (cait, pit, siglip), the counter needs
    gradients. What a model makes in its forward is made on meta, too.
    """
    x = torch.empty(shape, device="meta")
    for gradients in (False, True):
        with torch.set_grad_enabled(gradients), FlopCounterMode(display=False) as counter:
            try:
                with torch.device("meta"):
                    model(x)
            except AssertionError as error:
                if "gradient function" not in str(error):
                    raise
                continue
        return int(counter.get_total_flops()) // 2
    raise AssertionError("torch's counter fails on this model")


def _check(name: str) -> None:
    spec = get_spec(name)
    trace = trace_model(name, spec.input_shape)
    # Built before it is counted: some constructors run a part of the model.
    model = build_on_meta(spec.build).eval()
    assert trace.params == sum(p.numel() for p in model.parameters()), name
    assert not trace.unknown_ops, (name, trace.unknown_ops)
    assert trace.macs == _counted(model, spec.input_shape), name


def _torchvision_names() -> list[str]:
    return list_models(source="torchvision")


def _timm_names() -> list[str]:
    names = list_models(source="timm")
    return [names[len(names) * i // 300] for i in range(300)]


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS // 3))
def test_every_torchvision_model_counts_what_torch_s_counter_counts(part: int) -> None:
    names = _torchvision_names()
    assert len(names) == 80 + 6 + 9 + 12
    for name in names[part :: PARTS // 3]:
        _check(name)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_three_hundred_timm_models_count_what_torch_s_counter_counts(part: int) -> None:
    for name in _timm_names()[part::PARTS]:
        _check(name)


def test_the_detectors_are_there_as_backbones() -> None:
    names = [name for name in _torchvision_names() if name.endswith(BACKBONE)]
    assert len(names) == 12
    shapes = trace_model("torchvision:fasterrcnn_resnet50_fpn.backbone", (1, 3, 256, 256))
    assert len(shapes.output_shape) == 5  # the pyramid's maps
