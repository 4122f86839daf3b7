from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explorer import build_model, trace_model
from explorer.models.inception_resnet import ResidualInception

# Figures 10 to 14: branches of convolutions, each its window and its channels; "/2" halves the
# map, "V" visits only whole windows.
STEM = "3x3/2V-32 3x3V-32 3x3-64 pool 1x1-80 3x3V-192 3x3/2V-256"
BLOCKS = {
    "repeat": ["1x1-32", "1x1-32 3x3-32", "1x1-32 3x3-32 3x3-32"],
    "mixed_6a": ["3x3/2V-384", "1x1-192 3x3-192 3x3/2V-256", "pool"],
    "repeat_1": ["1x1-128", "1x1-128 1x7-128 7x1-128"],
    "mixed_7a": [
        "1x1-256 3x3/2V-384",
        "1x1-256 3x3/2V-256",
        "1x1-256 3x3-256 3x3/2V-256",
        "pool",
    ],
    "repeat_2": ["1x1-192", "1x1-192 1x3-192 3x1-192"],
}
DEPTHS = {"repeat": 5, "mixed_6a": 1, "repeat_1": 10, "mixed_7a": 1, "repeat_2": 5}
SCALES = {"repeat": 0.17, "repeat_1": 0.10, "repeat_2": 0.20}


def _figures_10_to_15(weights: list[Tensor], x: Tensor) -> Tensor:
    """The paper's first network as one function of its weights, taken in order."""
    left = iter(weights)

    def branch(recipe: str, x: Tensor) -> Tensor:
        for word in recipe.split():
            if word == "pool":
                x = F.max_pool2d(x, 3, 2)
                continue
            window, width = word.split("-")
            size = tuple(map(int, window.rstrip("V").removesuffix("/2").split("x")))
            weight, scale, shift, mean, var = (next(left) for _ in range(5))
            assert weight.shape[0] == int(width)
            assert weight.shape[2:] == size
            padding = (0, 0) if "V" in window else (size[0] // 2, size[1] // 2)
            x = F.conv2d(x, weight, stride=2 if "/2" in window else 1, padding=padding)
            x = F.batch_norm(x, mean, var, scale, shift, eps=0.001).relu()
        return x

    x = branch(STEM, x)
    for name, branches in BLOCKS.items():
        for _ in range(DEPTHS[name]):
            found = torch.cat([branch(recipe, x) for recipe in branches], dim=1)
            if name in SCALES:
                x = (x + SCALES[name] * F.conv2d(found, next(left), next(left))).relu()
            else:
                x = found
    return F.linear(x.mean(dim=(2, 3)), next(left), next(left))


def test_the_first_network_is_that_of_figures_10_to_15(
    with_random_weights: Callable[[nn.Module], nn.Module],
    assert_same_scores: Callable[..., None],
) -> None:
    with torch.device("meta"):
        model = build_model("inception_resnet_v1")
    with_random_weights(model)
    weights = [t for key, t in model.state_dict().items() if not key.endswith("tracked")]

    for size in ((75, 75), (107, 80)):
        assert_same_scores(model, lambda x: _figures_10_to_15(weights, x), size)


def _both(timm: ModuleType) -> tuple[nn.Module, nn.Module]:
    with torch.device("meta"):
        return build_model("inception_resnet_v2"), timm.create_model("inception_resnet_v2")


def test_the_second_network_s_state_dict_has_timm_s_keys_and_shapes(timm: ModuleType) -> None:
    ours, theirs = _both(timm)

    assert {k: v.shape for k, v in ours.state_dict().items()} == {
        k: v.shape for k, v in theirs.state_dict().items()
    }


def test_with_timm_s_weights_the_second_network_s_output_is_timm_s(
    timm: ModuleType,
    with_random_weights: Callable[[nn.Module], nn.Module],
    assert_same_scores: Callable[..., None],
) -> None:
    ours, theirs = _both(timm)
    with_random_weights(theirs)
    ours.load_state_dict(theirs.state_dict(), strict=True, assign=True)

    assert_same_scores(ours, theirs, (75, 75))
    assert_same_scores(ours, theirs, (111, 80))


@pytest.mark.parametrize(
    ("name", "channels"),
    [("inception_resnet_v1", (256, 896, 1792)), ("inception_resnet_v2", (320, 1088, 2080))],
)
def test_the_blocks_are_on_grids_of_35_17_and_8(name: str, channels: tuple[int, ...]) -> None:
    trace = trace_model(name, (1, 3, 299, 299))
    shapes = {call.path: call.outputs[0].shape[1:] for call in trace.calls}
    stages = ("repeat", "repeat_1", "repeat_2")

    assert [shapes[stage] for stage in stages] == [
        (width, grid, grid) for width, grid in zip(channels, (35, 17, 8), strict=True)
    ]


def test_a_block_that_has_learnt_nothing_passes_its_input_on() -> None:
    block = ResidualInception(8, (((2, 1),), ((2, 1), (3, 3))), scale=0.2).eval()
    for parameter in block.parameters():
        nn.init.zeros_(parameter)
    x = torch.rand(2, 8, 5, 6, generator=torch.Generator().manual_seed(0))

    with torch.inference_mode():
        assert torch.equal(block(x), x)  # x is not negative, so its ReLU is itself


@pytest.mark.parametrize("name", ["inception_resnet_v1", "inception_resnet_v2"])
def test_depths_are_the_blocks_on_each_grid(name: str) -> None:
    with torch.device("meta"):
        model = build_model(name, depths=(1, 2, 3))
    blocks = [path for path, m in model.named_modules() if isinstance(m, ResidualInception)]

    assert sum(path.startswith("repeat.") for path in blocks) == 1
    assert sum(path.startswith("repeat_1.") for path in blocks) == 2
    assert sum(path.startswith(("repeat_2.", "block8")) for path in blocks) == 3
    assert model(torch.empty(1, 3, 96, 128, device="meta")).shape == (1, 1000)
