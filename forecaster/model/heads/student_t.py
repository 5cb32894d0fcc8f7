"""A Student t per step: heavy tails."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from forecaster.model.heads.head import SMALLEST_SCALE, inverse_softplus, mean_observed, refuse_no_levels
from forecaster.types import Scale


@dataclass(frozen=True)
class StudentTHead:
    """A Student t per step, trained by its likelihood: heavy tails, and quantiles at any level.

    Raw numbers: degrees of freedom 2 + softplus (so that the variance exists), location, and scale by
    softplus plus SMALLEST_SCALE (so that a series without noise cannot drive the likelihood to infinity).
    """

    num_parameters = 3  # degrees of freedom, location and scale
    loc_index = 1
    counts_only = False
    level_range = (0.0, 1.0)  # both themselves excluded

    def initial_parameters(self) -> list[float]:
        """Gives 10 degrees of freedom, location 0 and scale 1."""
        return [inverse_softplus(10.0 - 2.0), 0.0, inverse_softplus(1.0 - SMALLEST_SCALE)]

    def loss(
        self, parameters: torch.Tensor, target: torch.Tensor, observed: torch.Tensor, scale: Scale | None = None
    ) -> torch.Tensor:
        """Gives the negative log-likelihood, averaged over observed targets [B H].

        In float64 inside: the difference of two log-gammas loses its digits in float32 when df is large.
        """
        df, loc, width = self._distribution(parameters.to(torch.float64))
        error = (torch.where(observed, target, 0.0) - loc) / width
        normaliser = torch.lgamma((df + 1) / 2) - torch.lgamma(df / 2) - torch.log(df * math.pi) / 2 - torch.log(width)
        log_likelihood = normaliser - (df + 1) / 2 * torch.log1p(error.square() / df)
        return mean_observed(-log_likelihood, observed).to(parameters.dtype)

    def quantiles(self, parameters: torch.Tensor, levels: Sequence[float], scale: Scale | None = None) -> torch.Tensor:
        """Gives quantiles [B H Q] in float64; RequestError for a level that is not between 0 and 1.

        Computed on the CPU, whatever the device of the parameters; the result comes back to that device. Scipy is
        imported by whoever asks for these quantiles: that takes .2 s.
        """
        from scipy.special import stdtrit

        refuse_no_levels(levels)
        df, loc, width = self._distribution(parameters.to(torch.float64))
        wanted = torch.tensor(levels, dtype=torch.float64)
        standard = torch.from_numpy(stdtrit(df.unsqueeze(-1).detach().cpu().numpy(), wanted.numpy()))
        return loc.unsqueeze(-1) + width.unsqueeze(-1) * standard.to(parameters.device)

    def _distribution(self, parameters: torch.Tensor) -> list[torch.Tensor]:
        """Gives degrees of freedom, location and scale, each [B H]."""
        raw_df, loc, raw_scale = parameters.unbind(-1)
        return [2 + F.softplus(raw_df), loc, SMALLEST_SCALE + F.softplus(raw_scale)]
