"""The bundled digits are the published ones."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from explorer.lessons.digits import CLASSES, TRAINED_ON, digits, enlarged


def test_there_are_as_many_of_each_class_as_the_repository_says() -> None:
    # optdigits.names of the UCI repository: instances of each class in its test set.
    counts = torch.bincount(digits().labels, minlength=CLASSES).tolist()
    assert counts == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_images_are_scaled_by_what_is_trained_on() -> None:
    images = digits().images
    assert images.shape == (1797, 1, 8, 8)
    known = images[:TRAINED_ON].double()
    torch.testing.assert_close(known.mean(), torch.zeros(()).double(), atol=1e-6, rtol=0)
    torch.testing.assert_close(known.std(correction=0), torch.ones(()).double())
    # Of whole numbers from 0 to 16 there are 17.
    assert len(images.unique()) == 17


def test_the_first_image_is_a_zero_with_a_hole() -> None:
    first = digits().images[0, 0]
    assert digits().labels[0] == 0
    assert first[3:5, 3].max() < first[3:5, 2].min()


def test_enlarging_keeps_what_is_large_enough_and_repeats_channels() -> None:
    images = digits().images[:2]
    assert torch.equal(enlarged(images, 8, 8, 1), images)
    large = enlarged(images, 32, 16, 3)
    assert large.shape == (2, 3, 32, 16)
    assert torch.equal(large[:, 0], large[:, 2])
    # A smooth enlargement keeps means where it averages back.
    torch.testing.assert_close(
        F.avg_pool2d(large, (4, 2))[:, :1, 1:-1, 1:-1].mean(), images[..., 1:-1, 1:-1].mean(),
        atol=0.05, rtol=0.05,
    )  # fmt: skip
