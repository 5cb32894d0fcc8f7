"""The head for counts against scipy and a known sample."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch.nn import functional as F

from forecaster.errors import ConfigError, RequestError
from forecaster.model.heads import SMALLEST_SCALE, NegativeBinomialHead
from forecaster.model.heads.negative_binomial import _distribution, _log_likelihood
from forecaster.model.scaling import scale_context, scale_target, unscale
from forecaster.types import Scale
from tests.model.heads.fitting import fitted

HEAD = NegativeBinomialHead()
OBSERVED = torch.ones(1, 1, dtype=torch.bool)


def scale(loc: float, spread: float, bends: bool = False) -> Scale:
    one = torch.ones(1, 1, dtype=torch.float64)
    return Scale(loc * one, spread * one, bends)


def by_hand(location: float, dispersion: float, loc: float, spread: float) -> tuple[float, float]:
    """Gives scipy's n and p by the formulas of the module's first lines."""
    value, softness = loc + spread * location, spread / 4
    mean = softness * math.log1p(math.exp(value / softness))
    wide = SMALLEST_SCALE + math.log1p(math.exp(dispersion))
    overdispersion = (wide * spread / (abs(loc) + spread)) ** 2
    return 1 / overdispersion, 1 / (1 + overdispersion * mean)


@pytest.mark.parametrize(("loc", "spread"), [(5.0, 3.0), (0.2, 0.5), (900.0, 40.0)])
@pytest.mark.parametrize(("location", "dispersion"), [(0.0, 0.5), (-0.7, -1.0), (1.5, 2.0)])
def test_loss_and_quantiles_are_scipys(loc: float, spread: float, location: float, dispersion: float) -> None:
    number, success = by_hand(location, dispersion, loc, spread)
    parameters = torch.tensor([[[location, dispersion]]], dtype=torch.float64)
    for count in (0.0, 1.0, 7.0, 1000.0):
        target = torch.tensor([[(count - loc) / spread]], dtype=torch.float64)
        loss = HEAD.loss(parameters, target, OBSERVED, scale(loc, spread))
        assert loss.item() == pytest.approx(-stats.nbinom.logpmf(count, number, success), rel=1e-6, abs=1e-9)
    levels = (0.01, 0.1, 0.5, 0.9, 0.99)
    counts = unscale(HEAD.quantiles(parameters, levels, scale(loc, spread)), scale(loc, spread)).flatten()
    np.testing.assert_allclose(counts, stats.nbinom.ppf(levels, number, success), atol=1e-6)


@pytest.mark.parametrize("number", [2.0, 14.9, 15.1, 1e4, 1e7])
@pytest.mark.parametrize("mean", [0.5, 30.0, 1e4, 1e8])
def test_the_likelihood_is_scipys_for_many_failures_and_large_counts(number: float, mean: float) -> None:
    """By its pmf: the logarithm that scipy gives is a difference of large numbers itself."""
    deviation = math.sqrt(mean + mean**2 / number)
    counts = np.unique(np.rint(np.clip(mean + deviation * np.array([-5.0, -1.0, 0.0, 1.0, 5.0]), 0, None)))
    expected = np.log(stats.nbinom.pmf(counts, number, number / (number + mean)))
    inputs = [torch.full((len(counts),), value, dtype=torch.float64) for value in (math.log(mean), number)]
    found = _log_likelihood(torch.from_numpy(counts), inputs[0], inputs[1])
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(("level", "spread"), [(1e8, 1e3), (1e12, 1e6), (1e15, 1e8)])
def test_the_loss_of_large_counts_is_that_of_a_normal(level: float, spread: float) -> None:
    location = torch.tensor([[[0.5, -8.0], [-1.5, -8.0]]], dtype=torch.float64, requires_grad=True)
    target = torch.zeros(1, 2, dtype=torch.float64)
    loss = HEAD.loss(location, target, torch.ones(1, 2, dtype=torch.bool), scale(level, spread))
    log_mean, failures = _distribution(location.detach(), scale(level, spread))
    means = log_mean.exp()
    wide = (means + means.square() / failures).sqrt()
    assert loss.item() == pytest.approx(-stats.norm.logpdf(level, means, wide).mean(), rel=1e-4)
    (slopes,) = torch.autograd.grad(loss, location)
    expected = (means - level) / wide.square() * spread / 2
    np.testing.assert_allclose(slopes[..., 0], expected, rtol=2e-2)


def test_no_count_and_no_mean_makes_the_likelihood_infinite_or_its_slope() -> None:
    values = torch.tensor([1e-30, 1e-9, 1.0, 20.0, 1e6, 1e20], dtype=torch.float64)
    count, mean, failures = (
        axis.flatten() for axis in torch.meshgrid(values - values[0], values, values, indexing="ij")
    )
    inputs = mean.log().requires_grad_(), failures.clone().requires_grad_()
    found = _log_likelihood(count, *inputs)
    assert found.isfinite().all()
    assert all(slope.isfinite().all() for slope in torch.autograd.grad(found.sum(), inputs))


@pytest.mark.parametrize("scaling", ["mean_std", "robust", "asinh"])
def test_fitting_recovers_the_counts_behind_a_sample(scaling: str) -> None:
    sample = torch.from_numpy(np.random.default_rng(0).negative_binomial(4, 0.4, 1000).astype(np.float64))
    found = scale_context(sample.reshape(1, -1), torch.ones(1, 1000, dtype=torch.bool), scaling).scale
    raw = fitted(HEAD, scale_target(sample.reshape(1, -1), found).flatten(), found)
    levels = (0.05, 0.25, 0.5, 0.75, 0.95)
    counts = unscale(HEAD.quantiles(raw, levels, found), found).flatten()
    np.testing.assert_allclose(counts, stats.nbinom.ppf(levels, 4, 0.4), atol=1 + 1e-6)


def test_counts_are_whole_and_never_negative() -> None:
    parameters = 5 * torch.randn(1, 200, 2, generator=torch.Generator().manual_seed(0))
    counts = unscale(HEAD.quantiles(parameters, (0.1, 0.5, 0.9), scale(3.0, 2.0)), scale(3.0, 2.0))
    assert (counts > -1e-9).all()
    torch.testing.assert_close(counts, counts.round(), rtol=1e-9, atol=1e-6)


def test_forecasts_do_not_follow_a_shift() -> None:
    parameters = torch.tensor([[[0.0, 0.5]]])
    low, high = (unscale(HEAD.quantiles(parameters, (0.9,), s), s).item() for s in (scale(1.0, 1.0), scale(101.0, 1.0)))
    assert high - low != pytest.approx(100.0, abs=1.0)


def test_a_context_that_does_not_vary_has_no_loss_and_its_constant_as_forecast() -> None:
    constant = scale(7.0, 0.0)
    parameters = torch.randn(1, 1, 2, requires_grad=True)
    loss = HEAD.loss(parameters, torch.zeros(1, 1), OBSERVED, constant)
    assert loss.item() == 0.0
    assert torch.autograd.grad(loss, parameters)[0].isfinite().all()
    assert unscale(HEAD.quantiles(parameters, (0.1, 0.9), constant), constant).flatten().tolist() == [7.0, 7.0]


def test_the_likelihood_of_many_equals_that_of_each() -> None:
    parameters, target = torch.randn(3, 4, 2), F.softplus(torch.randn(3, 4))
    rows = Scale(torch.tensor([[1.0], [20.0], [5.0]]).double(), torch.tensor([[2.0], [5.0], [1.0]]).double())
    joint = HEAD.loss(parameters, target, torch.ones(3, 4, dtype=torch.bool), rows)
    each = [
        HEAD.loss(
            parameters[[b]], target[[b]], torch.ones(1, 4, dtype=torch.bool), Scale(rows.loc[[b]], rows.spread[[b]])
        )
        for b in range(3)
    ]
    torch.testing.assert_close(joint, torch.stack(each).mean())


def test_without_a_scale_or_a_level_it_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs the scale of the context"):
        HEAD.loss(torch.zeros(1, 1, 2), torch.zeros(1, 1), OBSERVED)
    with pytest.raises(RequestError, match="both excluded"):
        HEAD.quantiles(torch.zeros(1, 1, 2), (1.0,), scale(1.0, 1.0))
