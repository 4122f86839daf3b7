"""Whole models against independent counters: torch's FlopCounterMode, torchvision's own numbers.

`FlopCounterMode` counts 2 FLOPs for a MAC, by its own formulas, on the decomposed ops of torch's
own kernels on the meta device. It and our engine share nothing but torch.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from explorer import get_spec, trace_model
from explorer._torchvision import import_torchvision
from explorer.trace.build import build_on_meta
from explorer.trace.recorder import Recorder
from explorer.trace.shapes import RULES
from tests.trace.checks import assert_consistent, registered
from tests.trace.nets import CASES
from tests.trace.test_shapes import Checked

torchvision = import_torchvision()

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")

QUICK = (
    "alexnet", "resnet50", "googlenet", "mobilenet_v3_small", "efficientnet_b0",
    "shufflenet_v2_x1_0", "regnet_y_400mf", "convnext_tiny", "vit_b_16", "swin_t",
)  # fmt: skip

IMAGE_SIZES = {"inception_v3": 299, "vit_h_14": 224}


def counted(model: nn.Module, *inputs: torch.Tensor) -> int:
    """MACs by torch's own counter."""
    model.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(*inputs)
    return counter.get_total_flops() // 2


@cache
def _weights() -> dict[str, Any]:
    """torchvision's default weights' metadata by model name."""
    found = {}
    for name in torchvision.models.list_models(module=torchvision.models):
        found[name] = torchvision.models.get_model_weights(name).DEFAULT.meta
    return found


def _torchvision_model(name: str) -> nn.Module:
    build = torchvision.models.get_model_builder(name)
    extra = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    if name.startswith("regnet"):  # its constructor reads tensors' values
        return build(weights=None).to("meta")
    with torch.device("meta"):
        return build(weights=None, **extra)


def _names() -> list[Any]:
    names = torchvision.models.list_models(module=torchvision.models)
    return [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in names]


@pytest.mark.parametrize("name", _names())
def test_torchvision_models_have_the_macs_that_torch_counts(name: str) -> None:
    model = _torchvision_model(name)
    size = IMAGE_SIZES.get(name, 224)
    trace = trace_model(model, (1, 3, size, size))
    assert trace.macs == counted(model, torch.empty(1, 3, size, size, device="meta"))
    assert trace.device == "meta"
    assert trace.unknown_ops == ()
    assert_consistent(trace, model)
    # What torchvision publishes is rounded to 10^6 operations, of the size the weights are for.
    meta = _weights()[name]
    sizes = meta.get("min_size") or (1, 1)
    if max(sizes) <= size and meta["_ops"] and _published_at(name) == size:
        assert trace.macs / 1e9 == pytest.approx(meta["_ops"], abs=6e-4)


def _published_at(name: str) -> int:
    """The size in pixels at which torchvision evaluates a model's default weights."""
    weights = torchvision.models.get_model_weights(name).DEFAULT
    return int(weights.transforms().crop_size[0])


@pytest.mark.parametrize(
    "name", ["googlenet", "mobilenet_v3_small", "shufflenet_v2_x1_0", "swin_t", "regnet_y_400mf"]
)
def test_rules_and_memory_give_what_torch_does_on_whole_models(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = _torchvision_model(name)
    expected = trace_model(model, (2, 3, 224, 224))
    # No rules, nothing remembered: torch's own kernels say every shape.
    monkeypatch.setattr("explorer.trace.plans.PLANS", {})
    monkeypatch.setattr("explorer.trace.recorder.PLANS", {})
    monkeypatch.setattr("explorer.trace.plans.remember", lambda key, plan: None)
    monkeypatch.setattr("explorer.trace.recorder.remember", lambda key, plan: None)
    monkeypatch.setattr("explorer.trace.ops.OPS", {})
    monkeypatch.setattr("explorer.trace.recorder.OPS", {})
    for rule in list(RULES):
        monkeypatch.delitem(RULES, rule)
    assert trace_model(model, (2, 3, 224, 224)) == expected


@pytest.mark.parametrize("name", _names())
@pytest.mark.slow
def test_rules_agree_with_torch_on_torchvision_models(name: str) -> None:
    model = _torchvision_model(name).eval()
    size = IMAGE_SIZES.get(name, 224)
    with torch.inference_mode(), Checked() as checked:
        model(torch.empty(2, 3, size, size, device="meta"))
    assert checked.answered


@pytest.mark.parametrize("name", registered())
def test_registered_models_have_the_macs_that_torch_counts(name: str) -> None:
    spec = get_spec(name)
    trace = trace_model(name, spec.input_shape)
    model = build_on_meta(spec.build)
    assert trace.macs == counted(model, torch.empty(spec.input_shape, device="meta"))
    assert trace.unknown_ops == ()


# What torch's counter does not count, or does not run.
UNCOUNTED = {
    "NoInput",  # its weights meet a CPU tensor
    "ConstantsOnTheCPU", "PositionalEmbedding", "PlainTensorAttribute", "UnregisteredModule",
    "ScalarsInAStack", "KnownScalarDecides", "CollectsInAConstant",  # CPU constants
    "SpectralNorm",  # matrix-vector products
    "EveryProduct", "FunctionalLinearOfOneOutput",  # likewise
    "TypedFloat16", "TypedBfloat16", "TypedFloat64",  # the input has another type
}  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, case in CASES.items()
        if case.device == "meta" and name not in UNCOUNTED and case.shape is not None
        and not name.startswith(("Script", "Closure", "Checkpoint"))
    ],
)  # fmt: skip
def test_nets_have_the_macs_that_torch_counts(name: str) -> None:
    case = CASES[name]
    model = case.build().to("meta")
    shapes = case.shape if isinstance(case.shape[0], tuple) else (case.shape,)
    expected = counted(model, *[torch.empty(shape, device="meta") for shape in shapes])
    products = {"mv", "dot", "inner", "addmv", "vdot"}
    ours = case.trace().ops
    assert sum(op.macs for op in ours if op.name not in products) == expected


# One of each kind of architecture in timm; vision transformers with and without windows, mixers,
# convolutional networks by search and by hand, hybrids, and the ones that caused trouble before.
TIMM = """
    beit_base_patch16_224 botnet26t_256 cait_xxs24_224 coat_tiny coatnet_0_rw_224 convformer_s18
    convit_tiny convmixer_768_32 convnextv2_atto crossvit_9_240 cs3darknet_m cspresnet50
    davit_tiny deit3_small_patch16_224 densenet121 dla34 dm_nfnet_f0 dpn68 eca_nfnet_l0
    edgenext_small efficientformer_l1 efficientformerv2_s0 efficientnet_b0 efficientvit_b0
    ese_vovnet19b_dw eva02_tiny_patch14_224 fastvit_t8 fbnetc_100 focalnet_tiny_srf gcvit_xxtiny
    gernet_s ghostnet_100 gmixer_24_224 hardcorenas_a hgnet_tiny hiera_tiny_224 hrnet_w18_small
    inception_next_tiny inception_resnet_v2 inception_v4 lambda_resnet26t lcnet_050 levit_128s
    maxvit_tiny_rw_224 mixer_s32_224 mixnet_s mobilenetv4_conv_small mobileone_s0 mobilevit_xxs
    mobilevitv2_050 mvitv2_tiny nasnetalarge nest_tiny nextvit_small nf_resnet50 pit_ti_224
    poolformer_s12 pvt_v2_b0 regnetx_002 regnetz_b16 repghostnet_050 repvgg_a0 repvit_m1
    res2net50_26w_4s resmlp_12_224 resnest14d resnetv2_50 rexnet_100 sequencer2d_s seresnet50
    skresnet18 spnasnet_100 starnet_s1 swin_tiny_patch4_window7_224 swinv2_tiny_window8_256
    tiny_vit_5m_224 tinynet_e tnt_s_patch16_224 tresnet_m twins_pcpvt_small vgg11 visformer_tiny
    vit_relpos_small_patch16_224 vit_tiny_patch16_224 vitamin_small_224 volo_d1_224 vovnet39a
    xception41 xception71 xcit_nano_12_p16_224
""".split()

COUNTER_FAILS = {"cait_xxs24_224", "pit_ti_224"}
"""torch's counter raises: a parameter is passed to a submodule under no_grad."""


@pytest.mark.slow
@pytest.mark.parametrize("name", TIMM)
def test_timm_models_have_the_macs_that_torch_counts(name: str) -> None:
    timm = pytest.importorskip("timm")
    if name not in timm.list_models():
        pytest.skip("not in this timm")
    with torch.device("meta"):
        model = timm.create_model(name).eval()
    shape = (1, *model.default_cfg["input_size"])
    trace = trace_model(model, shape)
    assert trace.device == "meta"
    assert trace.unknown_ops == ()
    assert_consistent(trace, model)
    with torch.inference_mode(), Checked() as checked:
        model(torch.empty(shape, device="meta"))
    assert checked.answered
    try:
        expected = counted(model, torch.empty(shape, device="meta"))
    except AssertionError:
        assert name in COUNTER_FAILS
    else:
        assert trace.macs == expected


def test_a_recorder_is_no_function_mode() -> None:
    # A function mode would hide what F.multi_head_attention_forward does.
    assert not isinstance(Recorder("", "eval"), torch.overrides.TorchFunctionMode)
