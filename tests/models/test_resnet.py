from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from explorer.models import build_model
from explorer.models._layers import ZeroPadShortcut
from explorer.models.resnet import BasicBlock, Bottleneck


def _params(name: str, **options: str) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in build_model(name, **options).parameters())


def _projections(name: str, **options: str) -> list[str]:
    with torch.device("meta"):
        model = build_model(name, **options)
    return [path for path, module in model.named_modules() if path.endswith("downsample.0")]


def test_shortcut_a_subsamples_and_appends_zero_channels() -> None:
    x = torch.arange(32.0).reshape(1, 2, 4, 4)

    out = ZeroPadShortcut(2, 5, stride=2)(x)

    assert out.shape == (1, 5, 2, 2)
    assert out[0, 0].tolist() == [[0, 2], [8, 10]]  # rows and columns 0 and 2 of the first map
    assert out[0, 1].tolist() == [[16, 18], [24, 26]]
    assert not out[0, 2:].any()


def test_option_a_has_the_weights_of_the_plain_network_and_no_others() -> None:
    assert _params("resnet34", shortcut="A") == _params("plain34") == 21_623_848
    assert _params("resnet34", shortcut="none") == _params("plain34")


def test_option_b_projects_where_the_shape_changes_and_option_c_everywhere() -> None:
    assert _projections("resnet34", shortcut="B") == [
        f"layer{stage}.0.downsample.0" for stage in (2, 3, 4)
    ]
    assert len(_projections("resnet34", shortcut="C")) == 3 + 4 + 6 + 3
    # Each projection is a 1x1 convolution and its normalization's two vectors.
    projected = sum(i * o + 2 * o for i, o in ((64, 128), (128, 256), (256, 512)))
    assert _params("resnet34") - _params("plain34") == projected


@pytest.mark.parametrize("shortcut", ["A", "B", "C", "none"])
@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnet50_v1"])
def test_every_shortcut_option_runs(name: str, shortcut: str) -> None:
    with torch.device("meta"):
        model = build_model(name, shortcut=shortcut)

    assert model(torch.empty(1, 3, 96, 64, device="meta")).shape == (1, 1000)


@pytest.mark.parametrize("block", [BasicBlock, Bottleneck])
def test_a_residual_block_that_has_learnt_nothing_passes_its_input_on_and_a_plain_one_loses_it(
    block: type[nn.Module],
) -> None:
    width = 8 if block is BasicBlock else 2
    x = torch.rand(2, 8, 5, 6, generator=torch.Generator().manual_seed(0))
    residual, plain = (block(8, width, 1, shortcut=shortcut).eval() for shortcut in ("B", "none"))
    for parameter in (*residual.parameters(), *plain.parameters()):
        nn.init.zeros_(parameter)

    with torch.inference_mode():
        assert torch.equal(residual(x), x)  # x is not negative, so its ReLU is itself
        assert not plain(x).any()


def test_v1_and_v1_5_share_their_weights_and_differ_in_where_the_stride_sits(
    with_random_weights: Callable[[nn.Module], nn.Module],
) -> None:
    with torch.device("meta"):
        v15, v1 = build_model("resnet50"), build_model("resnet50_v1")
        option = build_model("resnet50", stride_on="1x1")
    with_random_weights(v15)
    for model in (v1, option):
        model.load_state_dict(v15.state_dict(), assign=True)
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))

    assert (v15.layer2[0].conv1.stride, v15.layer2[0].conv2.stride) == ((1, 1), (2, 2))
    assert (v1.layer2[0].conv1.stride, v1.layer2[0].conv2.stride) == ((2, 2), (1, 1))
    with torch.inference_mode():
        assert torch.equal(v1(x), option(x))
        assert not torch.allclose(v1(x), v15(x))


@pytest.mark.parametrize(
    ("name", "widths"),
    [
        ("resnet50", (64, 128, 256, 512)),
        ("wide_resnet50_2", (128, 256, 512, 1024)),
        ("resnext50_32x4d", (128, 256, 512, 1024)),
        ("resnext101_64x4d", (256, 512, 1024, 2048)),
    ],
)
def test_only_the_width_of_the_3x3_tells_the_variants_apart(
    name: str, widths: tuple[int, ...]
) -> None:
    with torch.device("meta"):
        model = build_model(name)
    stages = (model.layer1, model.layer2, model.layer3, model.layer4)

    assert tuple(stage[0].conv2.out_channels for stage in stages) == widths
    assert [stage[0].conv3.out_channels for stage in stages] == [256, 512, 1024, 2048]


@pytest.mark.parametrize(("groups", "width"), [(1, 64), (2, 40), (4, 24), (8, 14), (32, 4)])
def test_resnext_s_cardinalities_cost_about_the_same(groups: int, width: int) -> None:
    with torch.device("meta"):
        block = Bottleneck(256, 64, 1, groups=groups, width_per_group=width)
    weights = sum(m.weight.numel() for m in block.modules() if isinstance(m, nn.Conv2d))

    # Equation 4 of ResNeXt: C * (256 d + 3*3 d d + d 256), about 70 thousand in Table 2.
    assert weights == groups * (256 * width + 9 * width * width + width * 256)
    assert weights == pytest.approx(70_000, rel=0.05)
