"""What layers do to a tensor, against the formulas in numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from explorer.errors import OptionError
from explorer.lessons.normalization import (
    ACTIVATIONS,
    CHANNELS,
    DRAWS,
    KINDS,
    activate,
    dropout,
    feature_maps,
    fold,
    local_response,
    normalize,
    run_batches,
    single_value_sentence,
    together,
)
from explorer.models._layers import local_response_norm

EPS = 1e-5


def test_the_tensor_is_a_layer_s_input_with_means_and_spreads_of_its_own() -> None:
    maps = feature_maps(32)
    assert maps.shape == (32, CHANNELS, 8, 8)
    assert np.abs(maps.mean((0, 2, 3))).max() > 0.5
    np.testing.assert_array_equal(maps, feature_maps(32))
    assert not np.array_equal(maps, feature_maps(32, seed=1))


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
@pytest.mark.parametrize("kind", KINDS)
def test_a_map_is_normalized_with_all_that_shares_its_mean(kind, groups: int) -> None:
    values = feature_maps(4)[:, :6].copy()
    found = normalize(values, kind, groups)
    means = set()
    for n in range(4):
        for c in range(6):
            mask = together(values.shape, kind, n, c, groups)
            assert mask[n, c]
            members = values[mask]
            assert members.size == found.together
            means.add(float(members.mean()))
            expected = (values[n, c] - members.mean()) / np.sqrt(members.var() + EPS)
            np.testing.assert_allclose(found.after[n, c], expected, atol=2e-5)
    assert len(means) == found.groups


def test_group_normalization_meets_two_others() -> None:
    values = feature_maps(4)[:, :6].copy()
    for groups, other in ((1, "layer"), (6, "instance")):
        np.testing.assert_allclose(
            normalize(values, "group", groups).after, normalize(values, other).after, atol=1e-5
        )


def test_groups_that_do_not_divide_are_said() -> None:
    with pytest.raises(OptionError, match="groups=4 should divide the 6 channels"):
        normalize(feature_maps(1)[:, :6].copy(), "group", 4)
    with pytest.raises(OptionError, match="'batch', 'layer', 'instance', 'group'"):
        normalize(feature_maps(1), "weight")


@pytest.mark.parametrize("momentum", [0.05, 0.5, 1.0])
def test_running_statistics_are_the_sums_of_the_formula(momentum: float) -> None:
    steps, batch = 12, 4
    found = run_batches(momentum, steps, batch, channel=3)
    mean = sum(
        momentum * (1 - momentum) ** (steps - 1 - k) * found.batch_means[k] for k in range(steps)
    )
    assert found.running_means[-1] == pytest.approx(mean, rel=1e-4)
    last = found.before.astype(np.float64)
    kept = (1 - momentum) * found.running_vars[-2] + momentum * last.var(ddof=1)
    assert found.running_vars[-1] == pytest.approx(kept, rel=1e-4)
    # Training: the batch's own, and the biased variance. Evaluation: the running ones.
    np.testing.assert_allclose(
        found.trained, (last - last.mean()) / np.sqrt(last.var() + EPS), atol=1e-5
    )
    np.testing.assert_allclose(
        found.evaluated,
        (last - found.running_means[-1]) / np.sqrt(found.running_vars[-1] + EPS),
        atol=1e-5,
    )
    maps = feature_maps(512)[:, 3].astype(np.float64)
    assert found.mean == pytest.approx(maps.mean(), rel=1e-4)
    assert found.var == pytest.approx(maps.var(ddof=1), rel=1e-4)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [((0.0, 5, 4), "momentum=0.0"), ((0.1, 0, 4), "steps=0"), ((0.1, 5, 1), "batch=1"),
     ((0.1, 5, 4, 16), "channel=16 should be from 0 to 15")],
)  # fmt: skip
def test_what_cannot_be_run_is_one_sentence(arguments, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        run_batches(*arguments)


def test_one_value_per_channel_is_refused_in_torch_s_own_words() -> None:
    assert single_value_sentence().startswith("Expected more than 1 value per channel")


def test_folding_gives_the_same_outputs_up_to_rounding() -> None:
    found = fold()
    np.testing.assert_allclose(found.factor, found.gamma / np.sqrt(found.var + EPS), rtol=1e-6)
    np.testing.assert_allclose(found.bias, found.beta - found.mean * found.factor, rtol=1e-5,
                               atol=1e-6)  # fmt: skip
    np.testing.assert_allclose(found.folded_weight, found.first_weight * found.factor, rtol=1e-6)
    # Some hundred roundings of float32 and of float64, and by no means nothing.
    assert 0 < found.difference < 1e-5 * found.largest
    assert 0 < found.difference64 < 1e-14 * found.largest
    # The statistics are not the fresh layer's: there is something to fold.
    assert np.abs(found.factor - 1).max() > 0.1


@pytest.mark.parametrize("scale", [1, 10, 100])
def test_local_response_normalization_is_the_paper_s_formula(scale: float) -> None:
    found = local_response(scale)
    a = found.before.astype(np.float64)
    for i in range(CHANNELS):
        around = a[max(0, i - 2) : min(CHANNELS - 1, i + 2) + 1]
        assert found.after[i] == pytest.approx(a[i] / (2 + 1e-4 * (around**2).sum()) ** 0.75)
        assert found.after[i] == pytest.approx(a[i] / found.divisors[i])
    # AlexNet's layer here is told the same.
    theirs = local_response_norm()(torch.from_numpy(found.before)[None, :, None, None])
    np.testing.assert_allclose(theirs[0, :, 0, 0].numpy(), found.after, rtol=1e-6)


def test_activations_around_1_are_only_divided_by_1_68() -> None:
    found = local_response(1)
    np.testing.assert_allclose(found.divisors, 2**0.75, rtol=1e-3)
    assert local_response(100).divisors.max() > 1.5 * 2**0.75


@pytest.mark.parametrize("p", [0.0, 0.3, 0.5, 0.9])
def test_dropout_scales_what_it_keeps_and_is_the_identity_in_evaluation(p: float) -> None:
    found = dropout(p)
    np.testing.assert_allclose(
        found.trained, np.where(found.kept, found.before / (1 - p), 0), rtol=1e-6
    )
    np.testing.assert_array_equal(found.evaluated, found.before)
    # Of 64 values each is kept with 1 - p: within five standard deviations.
    assert abs(found.kept.sum() - 64 * (1 - p)) <= 5 * math.sqrt(64 * p * (1 - p))
    spread = np.abs(found.before) * math.sqrt(p / (1 - p) / DRAWS)
    assert (np.abs(found.average - found.before) <= 5 * spread + 1e-5).all()


def test_dropping_more_than_can_be_scaled_back_is_refused() -> None:
    with pytest.raises(OptionError, match=r"p=1\.0 should be from 0 to 0\.95"):
        dropout(1.0)


def erf(x: np.ndarray) -> np.ndarray:
    return np.vectorize(math.erf)(x)


FORMULAS = {
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "gelu": lambda x: x * (1 + erf(x / math.sqrt(2))) / 2,
    "silu": lambda x: x / (1 + np.exp(-x)),
    "hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_its_formula_and_its_slope_the_difference_quotient(name: str) -> None:
    found, formula = activate(name), FORMULAS[name]
    x = found.x.astype(np.float64)
    np.testing.assert_allclose(found.y, formula(x), atol=2e-6)
    quotient = (formula(x + 1e-6) - formula(x - 1e-6)) / 2e-6
    smooth = np.abs(x[:, None] - np.array([-3.0, 0.0, 3.0])).min(1) > 1e-3
    np.testing.assert_allclose(found.slope[smooth], quotient[smooth], atol=1e-5)
    np.testing.assert_allclose(found.after, formula(found.before.astype(np.float64)), atol=2e-6)
    assert found.zeros == (found.after == 0).mean()
    assert found.flat == (np.abs(found.slopes) < 0.01).mean()


def test_a_low_bias_kills_relu_s_units_and_not_leaky_relu_s() -> None:
    dead = {name: activate(name, bias=-3).dead for name in ACTIVATIONS}
    assert dead["relu"] > 0.9
    assert not any(dead[name] for name in ("leaky_relu", "gelu", "silu", "sigmoid", "tanh"))
    assert activate("relu").dead == 0
    units = activate("relu", bias=-3).before
    assert dead["relu"] == (units <= 0).all(0).mean()


def test_the_layer_before_has_about_unit_variance() -> None:
    assert activate("relu").before.std() == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("arguments", [("swish",), ("relu", 11.0), ("relu", 0.0, 0.0)])
def test_what_is_no_activation_is_one_sentence(arguments) -> None:
    with pytest.raises(OptionError, match="should be"):
        activate(*arguments)
