"""A negative binomial per step: counts, which lie in the unit of the data.

The network sees scaled numbers, so the head takes the scale of the context to get back to counts:

    value  v = loc + spread x (first raw number)        the location as any head has it
    mean   m = s softplus(v / s) with s = spread / 4    close to v where v is well above 0, and never negative
    variance   m + a m^2 with a = ((SMALLEST_SCALE + softplus(second raw number)) x spread / (|loc| + spread))^2

The likelihood is that of the counts themselves. It belongs to numbers 0, 1, 2 and so on: forecasts do not follow
a series that is shifted, nor one that is multiplied, and a target below 0 has no likelihood.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from forecaster.errors import ConfigError
from forecaster.model.heads.head import SMALLEST_SCALE, inverse_softplus, mean_observed, refuse_no_levels
from forecaster.model.scaling import unscale
from forecaster.types import Scale

# The mean bends away from the location within this share of the spread above 0.
_SOFTNESS = 0.25
_LOWEST_EXPONENT = -30.0  # below it softplus(x) is exp(x) to the last digit
_MANY = 15.0  # from here on Stirling's series serves
_LARGEST_VALUE = 1e5  # spreads between the location and the level of the context, at most


@dataclass(frozen=True)
class NegativeBinomialHead:
    """A negative binomial per step, trained by its likelihood, with quantiles that are whole numbers."""

    num_parameters = 2  # location and overdispersion
    loc_index = 0
    counts_only = True
    level_range = (0.0, 1.0)  # both themselves excluded

    def initial_parameters(self) -> list[float]:
        """Gives the mean of the context, and a variance that exceeds it as the context's spread does."""
        return [0.0, inverse_softplus(1.0)]

    def loss(
        self, parameters: torch.Tensor, target: torch.Tensor, observed: torch.Tensor, scale: Scale | None = None
    ) -> torch.Tensor:
        """Gives the negative log-likelihood of the counts behind scaled targets [B H], averaged over the observed.

        In float64 inside. A context that does not vary takes no part, as it has no unit.
        """
        scale = _given(scale)
        log_mean, num_failures = _distribution(parameters, scale)
        count = unscale(torch.where(observed, target, 0.0), scale)
        count = torch.where(observed, count, 0.0).clamp(min=0.0)
        log_likelihood = _log_likelihood(count, log_mean, num_failures)
        return mean_observed(-log_likelihood, observed & (scale.spread > 0)).to(parameters.dtype)

    def quantiles(self, parameters: torch.Tensor, levels: Sequence[float], scale: Scale | None = None) -> torch.Tensor:
        """Gives scaled quantiles [B H Q] in float64; RequestError for a level that is not between 0 and 1.

        Computed on the CPU, whatever the device of the parameters; the result comes back to that device. The
        statistics of scipy are imported by whoever asks for these quantiles: that takes most of a second.
        """
        from scipy.stats import nbinom

        refuse_no_levels(levels)
        scale = _given(scale)
        log_mean, num_failures = _distribution(parameters.detach(), scale)
        success = torch.sigmoid(num_failures.log() - log_mean)  # r / (r + m)
        wanted = torch.tensor(levels, dtype=torch.float64)
        counts = nbinom.ppf(wanted.numpy(), *(x.unsqueeze(-1).cpu().numpy() for x in (num_failures, success)))
        return _scaled(torch.from_numpy(counts).to(parameters.device), scale)


def _distribution(parameters: torch.Tensor, scale: Scale) -> tuple[torch.Tensor, torch.Tensor]:
    """Gives the logarithm of the mean, and the number of failures r = 1 / overdispersion, each [B H] float64."""
    location, raw_dispersion = parameters.to(torch.float64).unbind(-1)
    unit = torch.where(scale.spread > 0, scale.spread, 1.0)
    softness = _SOFTNESS * unit
    largest = math.asinh(_LARGEST_VALUE) if scale.bends else _LARGEST_VALUE
    steps = unscale(location.clamp(-largest, largest), scale) / softness
    log_softplus = torch.where(steps < _LOWEST_EXPONENT, steps, F.softplus(steps.clamp(min=_LOWEST_EXPONENT)).log())
    ratio = (SMALLEST_SCALE + F.softplus(raw_dispersion)) * unit / (scale.loc.abs() + unit)
    return softness.log() + log_softplus, ratio.square().reciprocal()


def _log_likelihood(count: torch.Tensor, log_mean: torch.Tensor, num_failures: torch.Tensor) -> torch.Tensor:
    """Gives the logarithm of the probability of counts, all [B H] float64."""
    is_many = (num_failures > _MANY) & (log_mean > _LOWEST_EXPONENT)
    few = _of_few(count, log_mean, num_failures.where(~is_many, 1.0))
    many = _of_many(count, log_mean.clamp(min=_LOWEST_EXPONENT).exp(), num_failures.clamp(min=_MANY))
    return torch.where(is_many, many, few)


def _of_few(count: torch.Tensor, log_mean: torch.Tensor, num_failures: torch.Tensor) -> torch.Tensor:
    """Gives log C(r + y - 1, y) + r log(r / (r + m)) + y log(m / (r + m)), where m is known by its logarithm."""
    log_total = torch.logaddexp(log_mean, num_failures.log())
    ways = torch.lgamma(count + num_failures) - torch.lgamma(num_failures) - torch.lgamma(count + 1)
    return ways + num_failures * (num_failures.log() - log_total) + count * (log_mean - log_total)


def _of_many(count: torch.Tensor, mean: torch.Tensor, num_failures: torch.Tensor) -> torch.Tensor:
    """Gives the same where r is large, without differences of numbers that are larger still (cf. Loader 2000).

        r log((y + r) / (m + r)) - y log(y (m + r) / (m (y + r)))
            - log(1 + y / r) / 2 - log(y! e^y / y^y) + d(y + r) - d(r)

    d(x) is what Stirling's formula leaves of log(x!).
    """
    away = count - mean
    total, mean_total = count + num_failures, mean + num_failures
    of_failures = num_failures * _log_ratio(total, mean_total, away)
    of_counts = count * _log_ratio(count * mean_total, mean * total, num_failures * away)
    apart = _stirling_error(total) - _stirling_error(num_failures)
    return of_failures - of_counts - 0.5 * torch.log1p(count / num_failures) - _log_factorial_error(count) + apart


def _log_ratio(upper: torch.Tensor, lower: torch.Tensor, difference: torch.Tensor) -> torch.Tensor:
    """Gives log(upper / lower), told by their difference where that is small; finite for an upper of 0."""
    ratio = (upper / lower).clamp(min=torch.finfo(upper.dtype).tiny)
    return torch.where(ratio > 0.5, torch.log1p((difference / lower).clamp(min=-0.5)), ratio.log())


def _log_factorial_error(count: torch.Tensor) -> torch.Tensor:
    """Gives log(y! e^y / y^y), 0 for 0."""
    many = count.clamp(min=_MANY)
    few = torch.lgamma(count.clamp(max=_MANY) + 1) - torch.xlogy(count, count) + count
    return torch.where(count > _MANY, 0.5 * torch.log(2 * math.pi * many) + _stirling_error(many), few)


def _stirling_error(value: torch.Tensor) -> torch.Tensor:
    """Gives log(x!) - log(sqrt(2 pi x) (x / e)^x), for x from _MANY on to eleven decimals."""
    return (1 / 12 - (1 / 360 - 1 / 1260 / value.square()) / value.square()) / value


def _scaled(counts: torch.Tensor, scale: Scale) -> torch.Tensor:
    """Gives counts [B H Q] in units of the spread, float64, so that `unscale` gives them back."""
    loc, spread = scale.loc.unsqueeze(-1), scale.spread.unsqueeze(-1)
    scaled = (counts - loc) / torch.where(spread > 0, spread, 1.0)
    return scaled.asinh() if scale.bends else scaled


def _given(scale: Scale | None) -> Scale:
    if scale is None:
        raise ConfigError("a negative binomial needs the scale of the context: counts lie in the unit of the data")
    return scale
