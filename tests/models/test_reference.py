"""Our models against independent implementations: the same weights give the same output."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import nn

from explorer import build_model, get_spec, list_models, trace_model

TORCHVISION = """
alexnet vgg11 vgg11_bn vgg13 vgg13_bn vgg16 vgg16_bn vgg19 vgg19_bn
resnet18 resnet34 resnet50 resnet101 resnet152 wide_resnet50_2 wide_resnet101_2
resnext50_32x4d resnext101_32x8d resnext101_64x4d
densenet121 densenet161 densenet169 densenet201
""".split()
# Compared in their own families' tests, with their auxiliary heads or at sizes that suit them.
ELSEWHERE = ("Inception", "SqueezeNet", "MobileNet", "ShuffleNet", "MnasNet", "EfficientNet",
             "RegNet", "ConvNeXt", "ViT")  # fmt: skip
"""Families."""
# Made from the reference's own blocks where it lacks the model itself.
ASSEMBLED = """
resnet50_v1 resnet101_v1 resnet152_v1 plain18 vgg11_lrn vgg16_c vgg16_c_bn densenet264
densenet100_k12_bc resnext29_8x64d resnext29_16x64d
""".split()
TIMM = ["resnext101_32x4d"]
# More than 60 million parameters, or more than a hundred layers.
HEAVY = """
vgg11_bn vgg13 vgg13_bn vgg16 vgg19 vgg19_bn vgg16_c vgg16_c_bn vgg11_lrn
resnet152 resnet101_v1 resnet152_v1 wide_resnet101_2 resnext101_32x8d resnext101_64x4d
densenet201 densenet264 resnext29_16x64d
""".split()


@pytest.fixture
def reference(
    torchvision: ModuleType, request: pytest.FixtureRequest
) -> Callable[[str], nn.Module]:
    """Build a reference model on the meta device."""

    def build(name: str) -> nn.Module:
        with torch.device("meta"):
            if name in TIMM:
                return request.getfixturevalue("timm").create_model(name)
            if name in TORCHVISION:
                return torchvision.models.get_model(name)
            return _assembled(name, torchvision.models)

    return build


def _assembled(name: str, models: ModuleType) -> nn.Module:
    if name.endswith("_v1"):
        return _with_stride_on_1x1(models.get_model(name.removesuffix("_v1")))
    if name == "plain18":
        return _without_shortcuts(models.resnet18())
    if name == "densenet264":
        return models.DenseNet(32, (6, 12, 64, 48), 64)
    if name == "densenet100_k12_bc":
        return _densenet_bc_100(models)
    if name.startswith("resnext29"):
        return _resnext29(models.resnet, groups=int(name[len("resnext29_") :].split("x")[0]))
    return models.VGG(_vgg_features(name))


def _with_stride_on_1x1(model: nn.Module) -> nn.Module:
    for stage in (model.layer2, model.layer3, model.layer4):
        stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
    return model


def _without_shortcuts(model: nn.Module) -> nn.Module:
    """Torchvision's blocks with everything but the addition."""

    class Plain(nn.Sequential):
        def __init__(self, block: nn.Module) -> None:
            super().__init__()
            self.conv1, self.bn1, self.relu1 = block.conv1, block.bn1, nn.ReLU()
            self.conv2, self.bn2, self.relu2 = block.conv2, block.bn2, nn.ReLU()

    for stage in (model.layer1, model.layer2, model.layer3, model.layer4):
        stage[0], stage[1] = Plain(stage[0]), Plain(stage[1])
    return model


def _densenet_bc_100(models: ModuleType) -> nn.Module:
    """Torchvision's DenseNet with the stem of section 3, and its last norm renamed."""
    model = models.DenseNet(12, (16, 16, 16), 24, num_classes=10)
    model.features.conv0 = nn.Conv2d(3, 24, 3, padding=1, bias=False)
    del model.features.norm0, model.features.relu0, model.features.pool0
    model.features.norm4 = model.features.norm5
    del model.features.norm5
    return model


def _resnext29(resnet: ModuleType, groups: int) -> nn.Module:
    """Torchvision's ResNeXt with three stages and a 3x3 stem."""
    model = resnet.ResNet(resnet.Bottleneck, [3, 3, 3, 1], 10, groups=groups, width_per_group=64)
    model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    model.maxpool, model.layer4 = nn.Identity(), nn.Identity()
    model.fc = nn.Linear(1024, 10)
    return model


def _vgg_features(name: str) -> nn.Sequential:
    """Table 1 of the VGG paper, columns A-LRN and C, written out."""
    column = {
        "vgg11_lrn": "3-64 LRN M 3-128 M 3-256 3-256 M 3-512 3-512 M 3-512 3-512 M",
        "vgg16_c": "3-64 3-64 M 3-128 3-128 M 3-256 3-256 1-256 M 3-512 3-512 1-512 M "
        "3-512 3-512 1-512 M",
    }[name.removesuffix("_bn")]
    layers, channels = [], 3
    for word in column.split():
        if word == "M":
            layers.append(nn.MaxPool2d(2))
        elif word == "LRN":
            layers.append(nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2))
        else:
            size, width = map(int, word.split("-"))
            layers.append(nn.Conv2d(channels, width, size, padding=size // 2))
            layers += [nn.BatchNorm2d(width)] if name.endswith("_bn") else []
            layers.append(nn.ReLU())
            channels = width
    return nn.Sequential(*layers)


def test_every_model_that_torchvision_has_under_our_name_is_compared(
    torchvision: ModuleType,
) -> None:
    both = set(list_models()) & set(torchvision.models.list_models())
    assert set(TORCHVISION) == {name for name in both if get_spec(name).family not in ELSEWHERE}


@pytest.mark.parametrize("name", [*TORCHVISION, *ASSEMBLED, *TIMM])
def test_the_state_dict_has_the_reference_s_keys_and_shapes(
    name: str, reference: Callable[[str], nn.Module]
) -> None:
    with torch.device("meta"):
        ours = build_model(name)
    shapes = {key: tensor.shape for key, tensor in ours.state_dict().items()}

    assert shapes == {key: tensor.shape for key, tensor in reference(name).state_dict().items()}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name in HEAVY else name
        for name in [*TORCHVISION, *ASSEMBLED, *TIMM]
    ],
)
def test_with_the_reference_s_weights_the_output_is_the_reference_s(
    name: str,
    reference: Callable[[str], nn.Module],
    with_random_weights: Callable[[nn.Module], nn.Module],
    assert_same_scores: Callable[..., None],
) -> None:
    theirs = with_random_weights(reference(name))
    with torch.device("meta"):
        ours = build_model(name)
    ours.load_state_dict(theirs.state_dict(), strict=True, assign=True)

    native = get_spec(name).input_shape[-1]
    small = 32 if name.startswith("vgg") else 16 if native == 32 else 64
    assert_same_scores(ours, theirs, (small, small))
    assert_same_scores(ours, theirs, (2 * small, small))


@pytest.mark.parametrize("name", TORCHVISION)
def test_the_counts_are_those_of_torchvision_s_metadata(name: str, torchvision: ModuleType) -> None:
    meta = torchvision.models.get_model_weights(name).DEFAULT.meta
    trace = trace_model(name, (1, 3, 224, 224))

    assert trace.params == meta["num_params"]
    assert trace.macs / 1e9 == pytest.approx(meta["_ops"], abs=5e-4)  # printed to 3 decimals
