"""Reference implementations, and weights that no test depends on."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn


@pytest.fixture(scope="session")
def timm(torchvision: ModuleType) -> ModuleType:
    return pytest.importorskip("timm")


@pytest.fixture(scope="session")
def with_random_weights() -> Callable[[nn.Module], nn.Module]:
    """Give a model built on meta real weights: no zero, one or mean that could hide a mistake.

    He et al.'s scale keeps the image visible in the scores through hundreds of layers.
    """

    def fill(model: nn.Module) -> nn.Module:
        generator = torch.Generator().manual_seed(0)
        model.to_empty(device="cpu")
        with torch.no_grad():
            for name, tensor in model.state_dict().items():
                if name.endswith("num_batches_tracked"):
                    tensor.zero_()
                elif tensor.dim() > 1:
                    bound = (6 / tensor[0].numel()) ** 0.5
                    tensor.uniform_(-bound, bound, generator=generator)
                elif name.endswith(("bias", "running_mean")):
                    tensor.uniform_(-0.1, 0.1, generator=generator)
                else:  # a normalization's weight or running_var
                    tensor.uniform_(0.8, 1.2, generator=generator)
        return model.eval()

    return fill


@pytest.fixture(scope="session")
def assert_same_scores() -> Callable[
    [nn.Module, Callable[[Tensor], Tensor], tuple[int, int]], None
]:
    """Compare a model's scores for two images of a size with those of a reference."""

    def check(
        model: nn.Module, reference: Callable[[Tensor], Tensor], size: tuple[int, int]
    ) -> None:
        images = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1))
        images[1] += 1  # averaging over many pixels must not make the two alike
        with torch.inference_mode():
            actual, expected = model(images), reference(images)
        scale = expected.std()
        assert expected.isfinite().all()
        # The scores are the image's, not only the last bias's: otherwise anything would agree.
        assert (expected[0] - expected[1]).std() > 0.01 * scale
        torch.testing.assert_close(actual / scale, expected / scale)

    return check


@pytest.fixture(scope="session")
def assert_equals_reference(
    with_random_weights: Callable[[nn.Module], nn.Module],
    assert_same_scores: Callable[..., None],
) -> Callable[..., None]:
    """Compare a model with a reference of the same layout: names and shapes, then scores."""

    def check(model: nn.Module, reference: nn.Module, *sizes: tuple[int, int]) -> None:
        ours, theirs = model.state_dict(), reference.state_dict()
        assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}
        if sizes:
            with_random_weights(reference)
            model.load_state_dict(reference.state_dict(), strict=True, assign=True)
        for size in sizes:
            assert_same_scores(model, reference, size)

    return check
