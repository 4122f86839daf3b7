"""What does not fit is explained in one sentence, with the partial trace and what would work."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explorer import get_spec, trace_model
from explorer.errors import (
    ExplorerError,
    InputSizeError,
    OptionError,
    TraceError,
    UnknownModelError,
)
from explorer.trace import tracing
from tests.trace.checks import assert_consistent, assert_same_picture, picture_of, registered
from tests.trace.nets import CASES


def failure(model: nn.Module | str, *shapes: Any, **options: Any) -> TraceError:
    """The error of a trace that must fail, its sentence and partial trace checked."""
    before = picture_of(model) if isinstance(model, nn.Module) else {}
    with pytest.raises(TraceError) as caught:
        trace_model(model, *shapes, **options)
    error = caught.value
    sentence = str(error)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert ".." not in sentence
    assert "Traceback" not in sentence
    if error.partial is not None:
        assert_consistent(error.partial)
    if isinstance(model, nn.Module):
        assert_same_picture(before, picture_of(model))
    return error


def size_error(model: nn.Module | str, *shapes: Any, **options: Any) -> InputSizeError:
    """The same, for a size that does not fit; what it suggests must work."""
    error = failure(model, *shapes, **options)
    assert isinstance(error, InputSizeError)
    if error.suggested_shape is not None:
        trace_model(model, error.suggested_shape, **options)
    return error


class TwoConvolutions(nn.Module):
    """32 pixels -> 28 -> 14 -> 10 -> 5: 8 * 25 = 200 features."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 4, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 8, 5), nn.MaxPool2d(2)
        )
        self.classifier = nn.Sequential(nn.Dropout(), nn.Linear(200, 10))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).flatten(1))


# ------------------------------------------------------------------ the fully connected layer


def test_features_that_do_not_fit_name_the_layer_that_made_them() -> None:
    error = size_error(TwoConvolutions(), (1, 3, 64, 48))
    # 64 -> 60 -> 30 -> 26 -> 13; 48 -> 44 -> 22 -> 18 -> 9: 8 * 13 * 9 = 936.
    assert error.layer == "classifier.1"
    assert error.op == "linear"
    assert error.operand_shapes == ((1, 936), (10, 200), (10,))
    assert error.culprit == "features.4"
    assert error.suggested_in_features == 936
    assert error.input_shape == (1, 3, 64, 48)
    for part in ("classifier.1", "200", "936", "8x13x9 from features.4", "in_features=936"):
        assert part in str(error)


def test_the_suggested_in_features_make_it_work() -> None:
    model = TwoConvolutions()
    features = size_error(model, (1, 3, 64, 48)).suggested_in_features
    assert features is not None
    model.classifier[1] = nn.Linear(features, 10)
    assert trace_model(model, (1, 3, 64, 48)).output_shape == (1, 10)


def test_the_suggested_size_is_the_nearest() -> None:
    # 32..35 pixels all end at 5x5: floor((35 - 4) / 2) = 15, floor((15 - 4) / 2) = 5.
    assert size_error(TwoConvolutions(), (2, 3, 64, 64)).suggested_shape == (2, 3, 35, 35)
    assert size_error(TwoConvolutions(), (2, 3, 28, 28)).suggested_shape == (2, 3, 32, 32)
    assert size_error(TwoConvolutions(), (2, 3, 33, 64)).suggested_shape == (2, 3, 33, 35)


def test_the_partial_trace_ends_before_the_failing_op() -> None:
    partial = size_error(TwoConvolutions(), (1, 3, 64, 48)).partial
    assert partial is not None
    assert [op.name for op in partial.ops] == [
        "input", "conv2d", "relu", "max_pool2d", "conv2d", "max_pool2d", "flatten", "dropout",
    ]  # fmt: skip
    assert partial.calls[-1].path == "classifier.1"
    assert partial.calls[-1].outputs == ()
    # 3*4*25 * 60*44 + 4*8*25 * 26*18
    assert partial.macs == 300 * 60 * 44 + 800 * 26 * 18
    assert partial.params == sum(p.numel() for p in TwoConvolutions().parameters())
    assert partial.output_shape == ()


# ------------------------------------------------------------------ maps that vanish


def test_a_window_larger_than_its_map_is_named_with_both_sizes() -> None:
    error = size_error(TwoConvolutions(), (1, 3, 12, 12))
    # 12 -> 8 -> 4: too small for 5x5.
    assert error.layer == "features.3"
    assert error.culprit == "features.2"
    assert error.op == "conv2d"
    assert "its 5x5 window does not fit a map of 4x4 (4x4x4 from features.2)" in str(error)
    assert error.suggested_shape == (1, 3, 32, 32)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.MaxPool2d(3), (1, 4, 2, 2)),
        (nn.AvgPool2d(3), (1, 4, 2, 2)),
        (nn.Conv2d(4, 4, 3), (1, 4, 2, 2)),
        (nn.Conv2d(4, 4, 3, dilation=2), (1, 4, 4, 4)),
        (nn.MaxPool1d(3), (1, 4, 2)),
        (nn.Conv1d(4, 4, 3), (1, 4, 2)),
        (nn.Conv3d(4, 4, 3), (1, 4, 2, 2, 2)),
        (nn.MaxPool3d(3), (1, 4, 2, 2, 2)),
    ],
)
def test_every_window_says_so(layer: nn.Module, shape: tuple[int, ...]) -> None:
    model = nn.Sequential(nn.Identity(), layer)
    error = size_error(model, shape)
    assert "window does not fit a map of" in str(error)
    assert error.layer == "1"
    if len(shape) == 4:  # the search is for images
        assert error.suggested_shape is not None
        assert min(error.suggested_shape[2:]) > shape[-1]


# ------------------------------------------------------------------ channels


def test_wrong_channels_of_the_input_are_put_right() -> None:
    error = size_error(TwoConvolutions(), (1, 1, 32, 32))
    assert error.layer == "features.0"
    assert error.culprit == ""
    assert "it takes 3 channels and gets 1" in str(error)
    assert error.suggested_shape == (1, 3, 32, 32)


def test_wrong_channels_and_a_wrong_size_are_put_right_together() -> None:
    error = size_error(TwoConvolutions(), (1, 1, 64, 64))
    assert error.suggested_shape == (1, 3, 35, 35)


def test_channels_of_groups_are_counted_together() -> None:
    error = size_error(nn.Sequential(nn.Conv2d(6, 6, 1, groups=3)), (1, 4, 8, 8))
    assert "it takes 6 channels and gets 4" in str(error)
    assert error.suggested_shape == (1, 6, 8, 8)


def test_wrong_channels_inside_the_model_name_their_maker() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(8, 8, 1))
    error = size_error(model, (1, 3, 8, 8))
    assert error.culprit == "1"
    assert error.suggested_shape is None
    assert "it takes 8 channels and gets 4" in str(error)


# ------------------------------------------------------------------ multiples


class Patches(nn.Module):
    """Cuts an image into whole patches."""

    def __init__(self, patch: int, *, checks: bool) -> None:
        super().__init__()
        self.patch, self.checks = patch, checks
        self.fc = nn.Linear(3 * patch * patch, 8)

    def forward(self, x: Tensor) -> Tensor:
        if self.checks and (x.shape[-1] % self.patch or x.shape[-2] % self.patch):
            raise ValueError(f"size should be a multiple of {self.patch}")
        n, c, h, w = x.shape
        x = x.reshape(n, c, h // self.patch, self.patch, w // self.patch, self.patch)
        return self.fc(x.permute(0, 2, 4, 1, 3, 5).flatten(3))


@pytest.mark.parametrize("checks", [True, False])
@pytest.mark.parametrize(
    ("patch", "size", "nearest"),
    [(16, 230, 224), (16, 235, 240), (14, 250, 252), (7, 40, 42), (32, 500, 512), (24, 100, 96)],
)
def test_the_nearest_multiple_of_a_patch_is_suggested(
    patch: int, size: int, nearest: int, checks: bool
) -> None:
    error = size_error(Patches(patch, checks=checks), (1, 3, size, size))
    assert error.suggested_shape == (1, 3, nearest, nearest)
    assert error.layer == ""


def test_two_branches_that_do_not_meet_name_both_shapes() -> None:
    class UNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down, self.up = nn.Conv2d(3, 4, 2, 2), nn.ConvTranspose2d(4, 3, 2, 2)

        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([x, self.up(self.down(x))], 1)

    error = size_error(UNet(), (1, 3, 33, 32))
    assert error.op == "cat"
    assert "it concatenates 3x33x32 from input and 3x32x32" in str(error)
    assert error.suggested_shape == (1, 3, 32, 32)


# ------------------------------------------------------------------ batch


def test_batch_norm_in_train_mode_needs_a_second_value() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 8), nn.BatchNorm2d(4))
    error = size_error(model, (1, 3, 8, 8), mode="train")
    assert error.suggested_shape == (2, 3, 8, 8)
    assert error.layer == "1"
    assert "a batch of 2 works, and so does eval mode" in str(error)
    assert trace_model(model, (1, 3, 8, 8)).output_shape == (1, 4, 1, 1)


def test_a_batch_that_must_be_even_is_no_matter_of_batch_norm() -> None:
    class Halves(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.view(2, x.shape[0] // 2, *x.shape[1:])

    error = failure(Halves(), (1, 3, 8, 8))
    assert "batch normalization" not in str(error)


# ------------------------------------------------------------------ several inputs, none


def test_two_inputs_that_do_not_fit_are_both_named() -> None:
    error = size_error(CASES["SeveralInputs"].build(), ((2, 3), (4, 5), (5,)))
    assert error.op == "matmul"
    assert error.operand_shapes == ((2, 3), (4, 5))
    assert "2x3 and 4x5 and 5" in str(error)
    assert error.suggested_shape is None


def test_a_model_without_inputs_that_fails_is_explained() -> None:
    class Net(nn.Module):
        def forward(self) -> Tensor:
            return torch.zeros(3, 2) @ torch.zeros(3, 2)

    error = failure(Net())
    assert type(error) is TraceError
    assert "no input" in str(error)
    assert error.op == "matmul"


@pytest.mark.parametrize("shapes", [None, ((1, 3, 8, 8), (1, 3, 8, 8))])
def test_a_wrong_number_of_inputs_is_no_matter_of_size(shapes: Any) -> None:
    error = failure(TwoConvolutions(), shapes)
    assert type(error) is TraceError
    assert "argument" in str(error)


def test_a_wrong_type_of_input_is_no_matter_of_size() -> None:
    error = failure(nn.Embedding(3, 4), (1, 5))
    assert type(error) is TraceError
    assert "embedding" in str(error)


# ------------------------------------------------------------------ what is no shape at all


@pytest.mark.parametrize(
    "shape",
    [
        224, "3x224x224", (), [], [()], (1, 3, 0, 8), (1, 3, -8, 8), (1, 3, 8.0, 8), (1, 3, "8", 8),
        (1, 3, None, 8), (1, 3, True, 8), {"a": 1}, [(1, 3, 8, 8), 5], [(1, 3), (1, 0)], 1.5,
        torch.ones(3), (1, 3, (8, 8)),
    ],
)  # fmt: skip
def test_what_is_no_shape_is_refused_in_a_sentence(shape: Any) -> None:
    error = failure(TwoConvolutions(), shape)
    assert "should be positive integers" in str(error)
    assert error.partial is None


@pytest.mark.parametrize("shape", [[1, 3, 32, 32], torch.Size((1, 3, 32, 32)), [(1, 3, 32, 32)]])
def test_any_sequence_of_integers_is_a_shape(shape: Any) -> None:
    assert trace_model(TwoConvolutions(), shape).input_shape == (1, 3, 32, 32)


@pytest.mark.parametrize(
    "shape",
    [
        (1, 3, 10**9, 10**9), (10**9, 3, 32, 32), (1, 3, 10**9, 32), (1, 10**9, 32, 32),
        (10**30, 1), (1, 3, 10**5, 10**5),
    ],
)  # fmt: skip
def test_a_huge_size_neither_hangs_nor_allocates(shape: tuple[int, ...]) -> None:
    convolution = nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1))
    try:
        trace = trace_model(convolution, shape)
    except TraceError:
        pass
    else:
        # 8*3*9 weights at every pixel that a 3x3 window fits round.
        assert trace.macs == shape[0] * 216 * (shape[2] - 2) * (shape[3] - 2)


def test_sizes_that_overflow_inside_the_model_are_a_matter_of_size() -> None:
    # 10^7 channels at 2^40 pixels of 4 bytes: more than 2^63 bytes.
    error = failure(nn.Sequential(nn.Conv2d(1, 10**7, 1, device="meta")), (1, 1, 2**20, 2**20))
    assert isinstance(error, InputSizeError)
    assert "window does not fit" not in str(error)


@pytest.mark.parametrize("mode", ["Eval", "training", "", None, 1])
def test_a_mode_is_eval_or_train(mode: Any) -> None:
    assert "'eval' or 'train'" in str(failure(TwoConvolutions(), (1, 3, 32, 32), mode=mode))


@pytest.mark.parametrize("model", [TwoConvolutions, None, 3, lambda x: x])
def test_a_model_is_a_module_or_a_name(model: Any) -> None:
    with pytest.raises(TraceError, match="module or a registered name"):
        trace_model(model, (1, 3, 32, 32))


def test_names_and_options_are_checked() -> None:
    with pytest.raises(UnknownModelError, match="resnet50"):
        trace_model("resnet55", (1, 3, 32, 32))
    with pytest.raises(OptionError, match="num_classes"):
        trace_model("resnet50", (1, 3, 32, 32), options={"num_classes": 0})


# ------------------------------------------------------------------ the model's own exceptions


def test_an_exception_of_the_model_keeps_its_words_and_its_place() -> None:
    class Raises(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise KeyError("no such thing")

    error = failure(nn.Sequential(nn.ReLU(), nn.Sequential(Raises())), (1, 3, 8, 8))
    assert type(error) is TraceError
    assert error.layer == "1.0"
    assert "KeyError: 'no such thing'" in str(error)
    assert isinstance(error.__cause__, KeyError)
    assert error.partial is not None
    assert [op.name for op in error.partial.ops] == ["input", "relu"]


def test_an_exception_that_was_caught_is_not_blamed() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wrong, self.right = nn.Linear(7, 3), nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            try:
                x = self.wrong(x)
            except RuntimeError:
                x = self.right(x)
            raise ValueError("something else")

    error = failure(Net(), (1, 3))
    assert (error.layer, error.op) == ("", "")
    assert "something else" in str(error)


def test_an_op_that_fails_outside_any_layer_is_in_the_model_itself() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(x) + x

    error = size_error(Net(), (2, 3))
    assert (error.layer, error.op) == ("", "add")
    assert error.operand_shapes == ((2, 4), (2, 3))


def test_lazy_layers_are_asked_to_be_initialised() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten(), nn.LazyLinear(4))
    with pytest.raises(TraceError, match=r"lazy.*2\.weight.*call the model once") as caught:
        trace_model(model, (1, 3, 8, 8))
    assert not isinstance(caught.value, InputSizeError)
    model(torch.zeros(1, 3, 8, 8))
    assert trace_model(model, (1, 3, 8, 8)).output_shape == (1, 4)


def test_the_search_for_a_size_ends_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[torch.Size] = []

    class Never(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            tried.append(x.shape)
            raise ValueError("never")

    error = failure(Never(), (1, 3, 50, 50))
    assert len(tried) > 20
    assert type(error) is TraceError
    tried.clear()
    monkeypatch.setattr("explorer.trace.diagnose.SEARCH_SECONDS", 0)
    failure(Never(), (1, 3, 50, 50))
    assert tried == [(1, 3, 50, 50)]


@pytest.mark.parametrize(("size", "nearest"), [((20, 20), (32, 32)), ((20, 40), (32, 40))])
def test_a_square_is_suggested_to_whoever_asked_for_one(
    size: tuple[int, int], nearest: tuple[int, int]
) -> None:
    # Five halvings need 32 pixels each way.
    model = nn.Sequential(*(nn.MaxPool2d(2) for _ in range(5)))
    assert size_error(model, (1, 3, *size)).suggested_shape == (1, 3, *nearest)


def test_an_endless_recursion_is_a_sentence() -> None:
    class Endless(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return self(x)

    error = failure(Endless(), (1, 3))
    assert "RecursionError" in str(error)


# ------------------------------------------------------------------ real runs


def test_a_model_too_large_for_a_real_run_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    model = CASES["SumDecides"].build()
    monkeypatch.setattr(tracing, "REAL_RUN_MAX_PARAMS", 10)
    error = failure(model, (2, 3))
    assert "SumDecides decides by tensor values" in str(error)
    assert "18 parameters and 6 input elements" in str(error)
    monkeypatch.undo()
    monkeypatch.setattr(tracing, "REAL_RUN_MAX_INPUT", 5)
    assert "too large" in str(failure(model, (2, 3)))


def test_a_real_run_that_fails_is_explained_too() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(x) if x.sum() > -1e9 else x

    error = size_error(Net(), (2, 3))
    assert error.layer == "fc"
    assert error.suggested_in_features == 3
    assert error.partial is not None
    assert error.partial.device == "cpu"


# ------------------------------------------------------------------ registered models


@pytest.mark.parametrize("name", registered())
def test_every_registered_model_explains_a_size_that_is_too_small(name: str) -> None:
    spec = get_spec(name)
    batch, channels = spec.input_shape[:2]
    height, width = spec.min_size
    trace_model(name, (batch, channels, height, width))
    if (height, width) == (1, 1):
        return  # it takes any size
    error = size_error(name, (batch, channels, max(height - 1, 1), max(width - 1, 1)))
    assert error.suggested_shape is not None
    assert error.partial is not None
    assert error.partial.model == name


def test_alexnet_at_64_says_what_it_needs() -> None:
    # 64 -> 15 (11x11, stride 4, padding 2) -> 7 -> 7 -> 3 -> 3 -> 3 -> 3 -> 1 by three poolings.
    trace = trace_model("alexnet", (1, 3, 64, 64))
    assert trace.output_shape == (1, 1000)
    error = size_error("alexnet", (1, 3, 32, 32))
    assert "window does not fit" in str(error)
    assert error.suggested_shape is not None
    assert error.suggested_shape[2] <= 64


def test_all_errors_are_explorer_errors_with_a_cause() -> None:
    error = size_error(TwoConvolutions(), (1, 3, 12, 12))
    assert isinstance(error, ExplorerError)
    assert isinstance(error.__cause__, RuntimeError)


def test_a_failed_trace_leaves_the_next_one_alone() -> None:
    model = TwoConvolutions()
    expected = trace_model(model, (1, 3, 32, 32))
    failure(model, (1, 3, 12, 12))
    assert trace_model(model, (1, 3, 32, 32)) == expected
    assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 10)
    assert F.relu(torch.tensor(-1.0)) == 0
