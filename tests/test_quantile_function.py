"""Quantile functions: exact for a normal, ordered, each other's inverse; mixtures against large samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from forecaster.config import DEFAULT_LEVELS
from forecaster.level_weights import level_weights
from forecaster.quantile_function import cell_means, mixture, probabilities, quantiles_at


def test_between_levels_it_is_linear_and_at_levels_exact() -> None:
    values = np.array([[-2.0, 0.0, 4.0]])
    wanted = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
    np.testing.assert_allclose(quantiles_at(values, (0.1, 0.5, 0.9), wanted), [[-2.0, -1.0, 0.0, 2.0, 4.0]])


def test_tails_of_a_normal_are_its_own() -> None:
    values = 3 + 2 * norm.ppf(DEFAULT_LEVELS)
    wanted = np.array([0.001, 0.05, 0.95, 0.999])
    np.testing.assert_allclose(quantiles_at(values, DEFAULT_LEVELS, wanted), 3 + 2 * norm.ppf(wanted))


def test_a_single_level_is_a_constant() -> None:
    assert quantiles_at(np.array([[7.0]]), (0.5,), np.array([0.01, 0.99])).tolist() == [[7.0, 7.0]]
    assert level_weights((0.5,)).tolist() == [1.0]
    assert cell_means(np.array([[7.0]]), (0.5,)).tolist() == [[7.0]]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-100, 100), min_size=5, max_size=5), st.lists(st.floats(0.001, 0.999), min_size=2))
def test_quantiles_ascend_with_the_level(values: list[float], wanted: list[float]) -> None:
    levels = (0.05, 0.2, 0.5, 0.6, 0.9)
    found = quantiles_at(np.sort(values), levels, np.sort(wanted))
    assert (np.diff(found) >= -1e-9).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.1, 10), min_size=4, max_size=4), st.floats(0.002, 0.998))
def test_probabilities_are_the_inverse(gaps: list[float], level: float) -> None:
    values, levels = np.cumsum([0.0, *gaps]), (0.05, 0.2, 0.5, 0.6, 0.9)
    actual = quantiles_at(values, levels, np.array([level]))
    assert probabilities(values[None], levels, actual)[0] == pytest.approx(level, abs=1e-9)


def test_where_quantiles_are_equal_the_probability_is_the_middle_of_their_levels() -> None:
    values = np.array([[0.0, 1.0, 1.0, 1.0, 2.0]])
    levels = (0.1, 0.3, 0.5, 0.7, 0.9)
    assert probabilities(values, levels, np.array([1.0]))[0] == pytest.approx(0.5)
    flat = np.zeros((3, 5))
    np.testing.assert_allclose(probabilities(flat, levels, np.array([-1.0, 0.0, 1.0])), [1e-4, 0.5, 1 - 1e-4])
    assert np.isnan(probabilities(values, levels, np.array([np.nan]))).all()
    np.testing.assert_allclose(probabilities(np.zeros((2, 1)), (0.5,), np.array([-1.0, 1.0])), [1e-4, 1 - 1e-4])


def test_cells_have_mean_and_nearly_the_variance_of_a_normal() -> None:
    means, weights = cell_means(norm.ppf(DEFAULT_LEVELS), DEFAULT_LEVELS), level_weights(DEFAULT_LEVELS)
    assert weights.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(weights, [0.15, *[0.1] * 7, 0.15])
    assert (means * weights).sum() == pytest.approx(0.0, abs=1e-9)
    assert 0.9 < (means**2 * weights).sum() < 1.0


def test_a_mixture_of_one_distribution_repeated_is_that_distribution() -> None:
    values = np.broadcast_to(norm.ppf(DEFAULT_LEVELS), (2, 3, 4, 9))
    found = mixture(values, np.array([0.2, 0.5, 0.3]), DEFAULT_LEVELS, DEFAULT_LEVELS)
    np.testing.assert_allclose(found, values[:, 0], atol=0.01)


def test_a_mixture_has_the_quantiles_of_a_sample_from_it() -> None:
    rng = np.random.default_rng(0)
    centres, widths, weights = np.array([-2.0, 0.0, 3.0]), np.array([0.5, 1.0, 2.0]), np.array([0.2, 0.5, 0.3])
    values = (centres[:, None] + widths[:, None] * norm.ppf(DEFAULT_LEVELS))[None, :, None, :]
    member = rng.choice(3, 200_000, p=weights)
    sample = centres[member] + widths[member] * rng.standard_normal(200_000)
    wanted = (0.05, 0.1, 0.35, 0.5, 0.9, 0.95)
    found = mixture(values, weights, DEFAULT_LEVELS, wanted)[0, 0]
    np.testing.assert_allclose(found, np.quantile(sample, wanted), atol=0.05)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.booleans())
def test_quantiles_of_a_mixture_ascend_and_lie_between_its_members(seed: int, has_ties: bool) -> None:
    rng = np.random.default_rng(seed)
    values = np.sort(rng.standard_normal((1, 3, 2, 5)), axis=-1)
    values = np.round(values) if has_ties else values
    levels = (0.1, 0.3, 0.5, 0.7, 0.9)
    found = mixture(values, level_weights((0.2, 0.5, 0.7)), levels, levels)
    assert (np.diff(found, axis=-1) >= 0).all()
    median = found[..., 2]
    assert (median >= values[..., 2].min(axis=1) - 0.1).all()  # atoms round the bends of quantile functions off
    assert (median <= values[..., 2].max(axis=1) + 0.1).all()
