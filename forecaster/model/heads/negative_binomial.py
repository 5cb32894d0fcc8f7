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
        # log C(r + y - 1, y) + r log(r / (r + m)) + y log(m / (r + m)), where m is known by its logarithm
        log_total = torch.logaddexp(log_mean, num_failures.log())
        ways = torch.lgamma(count + num_failures) - torch.lgamma(num_failures) - torch.lgamma(count + 1)
        log_likelihood = ways + num_failures * (num_failures.log() - log_total) + count * (log_mean - log_total)
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


def _scaled(counts: torch.Tensor, scale: Scale) -> torch.Tensor:
    """Gives counts [B H Q] in units of the spread, float64, so that `unscale` gives them back."""
    loc, spread = scale.loc.unsqueeze(-1), scale.spread.unsqueeze(-1)
    scaled = (counts - loc) / torch.where(spread > 0, spread, 1.0)
    return scaled.asinh() if scale.bends else scaled


def _given(scale: Scale | None) -> Scale:
    if scale is None:
        raise ConfigError("a negative binomial needs the scale of the context: counts lie in the unit of the data")
    return scale
