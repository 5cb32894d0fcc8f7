"""The standard normal distribution against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2, norm

from forecaster.normal import chi_square_quantiles, normal_probabilities, normal_quantiles


def test_quantiles_are_scipys_from_end_to_end() -> None:
    probabilities = np.concatenate([[0.0, 1.0], np.geomspace(1e-300, 0.5, 200), 1 - np.geomspace(1e-16, 0.5, 200)])
    np.testing.assert_allclose(normal_quantiles(probabilities), norm.ppf(probabilities), rtol=2e-15, atol=1e-16)


def test_probabilities_are_scipys() -> None:
    values = np.concatenate([[-np.inf, np.inf, np.nan], np.linspace(-9, 9, 200)])
    np.testing.assert_allclose(normal_probabilities(values), norm.cdf(values), rtol=0, atol=1e-15)


def test_arrays_may_be_read_only_turned_and_empty() -> None:
    given = np.broadcast_to([0.25, 0.5, 0.75], (2, 3))[:, ::-1]
    np.testing.assert_allclose(normal_quantiles(given), norm.ppf(given), rtol=2e-15, atol=1e-16)
    assert normal_quantiles(np.empty((0, 3))).shape == (0, 3)


@pytest.mark.parametrize("probability", [0.01, 0.5, 0.8, 0.99, 0.999])
def test_chi_square_quantiles_are_scipys(probability: float) -> None:
    degrees = np.array([1, 2, 3, 10, 1024, 5])
    np.testing.assert_allclose(chi_square_quantiles(probability, degrees), chi2.ppf(probability, degrees), rtol=1e-11)
