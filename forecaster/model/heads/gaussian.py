"""A normal per step: the light-tailed choice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from forecaster.model.heads.head import SMALLEST_SCALE, inverse_softplus, mean_observed, refuse_no_levels
from forecaster.types import Scale


@dataclass(frozen=True)
class GaussianHead:
    """A normal per step, trained by its likelihood, with quantiles at any level.

    Raw numbers: location, and standard deviation by softplus plus SMALLEST_SCALE (so that a series without
    noise cannot drive the likelihood to infinity).
    """

    num_parameters = 2  # location and standard deviation
    loc_index = 0
    counts_only = False
    level_range = (0.0, 1.0)  # both themselves excluded

    def initial_parameters(self) -> list[float]:
        """Gives location 0 and standard deviation 1."""
        return [0.0, inverse_softplus(1.0 - SMALLEST_SCALE)]

    def loss(
        self, parameters: torch.Tensor, target: torch.Tensor, observed: torch.Tensor, scale: Scale | None = None
    ) -> torch.Tensor:
        """Gives the negative log-likelihood, averaged over observed targets [B H]; in float64 inside."""
        loc, width = _loc_and_width(parameters)
        error = (torch.where(observed, target, 0.0) - loc) / width
        loss = (error.square() + math.log(2 * math.pi)) / 2 + torch.log(width)
        return mean_observed(loss, observed).to(parameters.dtype)

    def quantiles(self, parameters: torch.Tensor, levels: Sequence[float], scale: Scale | None = None) -> torch.Tensor:
        """Gives quantiles [B H Q] in float64; RequestError for a level that is not between 0 and 1."""
        refuse_no_levels(levels)
        loc, width = _loc_and_width(parameters)
        standard: torch.Tensor = torch.special.ndtri(
            torch.tensor(levels, dtype=torch.float64, device=parameters.device)
        )
        return loc.unsqueeze(-1) + width.unsqueeze(-1) * standard


def _loc_and_width(parameters: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Gives location and standard deviation, each [B H] float64."""
    loc, raw_width = parameters.to(torch.float64).unbind(-1)
    return loc, SMALLEST_SCALE + F.softplus(raw_width)
