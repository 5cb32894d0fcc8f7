"""Quantiles at fixed levels: no family of distributions assumed."""

from __future__ import annotations

import operator
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from statistics import NormalDist

import torch
from torch.nn import functional as F

from forecaster.model.heads.head import inverse_softplus, mean_observed, refuse_levels
from forecaster.types import Scale


@dataclass(frozen=True)
class QuantileHead:
    """Quantiles at fixed levels, trained by pinball loss, ordered by construction.

    The first raw number is the quantile at the level nearest 0.5; the others become positive gaps
    (softplus) that are added upwards and taken off downwards from there.
    """

    levels: tuple[float, ...]  # ascending

    loc_index = 0  # the quantile that the others are added to
    counts_only = False

    @property
    def num_parameters(self) -> int:
        """One raw number per level."""
        return len(self.levels)

    @property
    def level_range(self) -> tuple[float, float]:
        """The outermost trained levels."""
        return self.levels[0], self.levels[-1]

    def initial_parameters(self) -> list[float]:
        """Gives the raw numbers of the standard normal's quantiles."""
        normal = [NormalDist().inv_cdf(level) for level in self.levels]
        gaps = [inverse_softplus(high - low) for low, high in pairwise(normal)]
        return [normal[self._middle], *gaps[self._middle :], *reversed(gaps[: self._middle])]

    def loss(
        self, parameters: torch.Tensor, target: torch.Tensor, observed: torch.Tensor, scale: Scale | None = None
    ) -> torch.Tensor:
        """Gives twice the pinball loss, averaged over levels and observed targets [B H].

        Twice, because at level 0.5 alone it then is the absolute error (Koenker and Bassett 1978).
        """
        levels = parameters.new_tensor(self.levels)
        error = torch.where(observed, target, 0.0).unsqueeze(-1) - self.trained_quantiles(parameters)
        pinball = torch.maximum(levels * error, (levels - 1) * error)
        return mean_observed(2 * pinball.mean(dim=-1), observed)

    def quantiles(self, parameters: torch.Tensor, levels: Sequence[float], scale: Scale | None = None) -> torch.Tensor:
        """Gives quantiles [B H Q], linear in the level between trained ones; RequestError outside those."""
        low, high = self.level_range
        refuse_levels(
            [level for level in levels if not low <= level <= high], f"{low} to {high}, the range of this model"
        )
        trained = self.trained_quantiles(parameters)
        if tuple(levels) == self.levels:
            return trained
        columns = trained.unbind(-1)
        return torch.stack([self._interpolated(columns, level) for level in levels], dim=-1)

    def trained_quantiles(self, parameters: torch.Tensor) -> torch.Tensor:
        """Gives the quantiles [B H K] at the trained levels, never descending."""
        middle, gaps = parameters[..., 0], F.softplus(parameters[..., 1:]).unbind(-1)
        num_above = self.num_parameters - 1 - self._middle
        # One sum after the other: a parallel cumsum may round two nearly equal sums into the wrong order.
        above = list(accumulate(gaps[:num_above], operator.add, initial=middle))
        below = list(accumulate(gaps[num_above:], operator.sub, initial=middle))
        return torch.stack([*reversed(below), *above[1:]], dim=-1)

    @property
    def _middle(self) -> int:
        return min(range(len(self.levels)), key=lambda index: abs(self.levels[index] - 0.5))

    def _interpolated(self, trained: Sequence[torch.Tensor], level: float) -> torch.Tensor:
        above = bisect_left(self.levels, level)
        high = trained[above]
        if self.levels[above] == level:
            return high
        low = trained[above - 1]
        share = (level - self.levels[above - 1]) / (self.levels[above] - self.levels[above - 1])
        return torch.minimum(low + share * (high - low), high)  # rounding must not step over the next quantile
