"""The normal head against scipy and a known sample."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from torch.nn import functional as F

from forecaster.errors import RequestError
from forecaster.model.heads import SMALLEST_SCALE, GaussianHead
from tests.model.heads.fitting import fitted


def test_the_loss_is_scipys_negative_log_likelihood() -> None:
    parameters, target = torch.randn(3, 4, 2), 5 * torch.randn(3, 4)
    width = F.softplus(parameters[..., 1]) + SMALLEST_SCALE
    expected = -stats.norm.logpdf(target, parameters[..., 0], width).mean()
    loss = GaussianHead().loss(parameters, target, torch.ones(3, 4, dtype=torch.bool))
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_quantiles_are_scipys() -> None:
    levels = (0.001, 0.1, 0.5, 0.9, 0.999)
    quantiles = GaussianHead().quantiles(torch.tensor([[[3.0, 2.0]]]), levels)
    expected = stats.norm.ppf(levels, 3.0, math.log1p(math.exp(2.0)) + SMALLEST_SCALE)
    torch.testing.assert_close(quantiles[0, 0], torch.from_numpy(expected), rtol=1e-6, atol=1e-6)


def test_fitting_recovers_the_normal_behind_a_sample() -> None:
    sample = 0.7 + 0.4 * torch.randn(4000, generator=torch.Generator().manual_seed(0))
    quantiles = GaussianHead().quantiles(fitted(GaussianHead(), sample), (0.1, 0.5, 0.9)).flatten()
    expected = torch.from_numpy(stats.norm.ppf((0.1, 0.5, 0.9), 0.7, 0.4))
    torch.testing.assert_close(quantiles, expected, rtol=0.0, atol=0.03)


@pytest.mark.parametrize("level", [0.0, 1.0, math.nan])
def test_what_is_no_level_is_refused(level: float) -> None:
    with pytest.raises(RequestError, match=r"are outside 0 to 1, both excluded"):
        GaussianHead().quantiles(torch.zeros(1, 1, 2), (level,))
