"""A head owns the distribution: how many numbers describe it, its loss, its quantiles. Two heads, one table of names.

A head holds no weights. The network gives it parameters [B H K]: K raw numbers for each step, in scaled space.
"""

from __future__ import annotations

import math
import operator
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from statistics import NormalDist
from typing import Protocol

import torch
from scipy.special import stdtrit
from torch.nn import functional as F

from forecaster.config import ModelConfig
from forecaster.errors import RequestError

# The scale of a Student t, in spreads of the context, stays above this.
SMALLEST_SCALE = 1e-3


class Head(Protocol):
    """What the network asks of a distribution."""

    @property
    def num_parameters(self) -> int:
        """Raw numbers per step (K)."""

    @property
    def level_range(self) -> tuple[float, float]:
        """Lowest and highest level that `quantiles` can give."""

    def initial_parameters(self) -> list[float]:
        """Gives the K raw numbers that stand for (about) a standard normal, where training begins."""

    def loss(self, parameters: torch.Tensor, target: torch.Tensor, observed: torch.Tensor) -> torch.Tensor:
        """Gives the mean loss of parameters [B H K] over the targets [B H] that are observed [B H]; 0 if none is."""

    def quantiles(self, parameters: torch.Tensor, levels: Sequence[float]) -> torch.Tensor:
        """Gives the quantiles [B H Q] at those levels, in their order; RequestError for a level out of range."""


@dataclass(frozen=True)
class QuantileHead:
    """Quantiles at fixed levels, trained by pinball loss, ordered by construction.

    The first raw number is the quantile at the level nearest 0.5; the others become positive gaps
    (softplus) that are added upwards and taken off downwards from there.
    """

    levels: tuple[float, ...]  # ascending

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
        gaps = [_inverse_softplus(high - low) for low, high in pairwise(normal)]
        return [normal[self._middle], *gaps[self._middle :], *reversed(gaps[: self._middle])]

    def loss(self, parameters: torch.Tensor, target: torch.Tensor, observed: torch.Tensor) -> torch.Tensor:
        """Gives twice the pinball loss, averaged over levels and observed targets [B H].

        Twice, because at level 0.5 alone it then is the absolute error (Koenker and Bassett 1978).
        """
        levels = parameters.new_tensor(self.levels)
        error = torch.where(observed, target, 0.0).unsqueeze(-1) - self.trained_quantiles(parameters)
        pinball = torch.maximum(levels * error, (levels - 1) * error)
        return _mean_observed(2 * pinball.mean(dim=-1), observed)

    def quantiles(self, parameters: torch.Tensor, levels: Sequence[float]) -> torch.Tensor:
        """Gives quantiles [B H Q], linear in the level between trained ones; RequestError outside those."""
        low, high = self.level_range
        _refuse([level for level in levels if not low <= level <= high], f"{low} to {high}, the range of this model")
        trained = self.trained_quantiles(parameters).unbind(-1)
        return torch.stack([self._interpolated(trained, level) for level in levels], dim=-1)

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


@dataclass(frozen=True)
class StudentTHead:
    """A Student t per step, trained by its likelihood: heavy tails, and quantiles at any level.

    Raw numbers: degrees of freedom 2 + softplus (so that the variance exists), location, and scale by
    softplus plus SMALLEST_SCALE (so that a series without noise cannot drive the likelihood to infinity).
    """

    @property
    def num_parameters(self) -> int:
        """Degrees of freedom, location and scale."""
        return 3

    @property
    def level_range(self) -> tuple[float, float]:
        """0 and 1, both themselves excluded."""
        return 0.0, 1.0

    def initial_parameters(self) -> list[float]:
        """Gives 10 degrees of freedom, location 0 and scale 1."""
        return [_inverse_softplus(10.0 - 2.0), 0.0, _inverse_softplus(1.0 - SMALLEST_SCALE)]

    def loss(self, parameters: torch.Tensor, target: torch.Tensor, observed: torch.Tensor) -> torch.Tensor:
        """Gives the negative log-likelihood, averaged over observed targets [B H].

        In float64 inside: the difference of two log-gammas loses its digits in float32 when df is large.
        """
        df, loc, scale = self._distribution(parameters.to(torch.float64))
        error = (torch.where(observed, target, 0.0) - loc) / scale
        normaliser = torch.lgamma((df + 1) / 2) - torch.lgamma(df / 2) - torch.log(df * math.pi) / 2 - torch.log(scale)
        log_likelihood = normaliser - (df + 1) / 2 * torch.log1p(error.square() / df)
        return _mean_observed(-log_likelihood, observed).to(parameters.dtype)

    def quantiles(self, parameters: torch.Tensor, levels: Sequence[float]) -> torch.Tensor:
        """Gives quantiles [B H Q] in float64; RequestError for a level that is not between 0 and 1.

        Computed on the CPU, whatever the device of the parameters; the result comes back to that device.
        """
        _refuse([level for level in levels if not 0 < level < 1], "0 to 1, both excluded")
        df, loc, scale = self._distribution(parameters.to(torch.float64))
        wanted = torch.tensor(levels, dtype=torch.float64)
        standard = torch.from_numpy(stdtrit(df.unsqueeze(-1).detach().cpu().numpy(), wanted.numpy()))
        return loc.unsqueeze(-1) + scale.unsqueeze(-1) * standard.to(parameters.device)

    def _distribution(self, parameters: torch.Tensor) -> list[torch.Tensor]:
        """Gives degrees of freedom, location and scale, each [B H]."""
        raw_df, loc, raw_scale = parameters.unbind(-1)
        return [2 + F.softplus(raw_df), loc, SMALLEST_SCALE + F.softplus(raw_scale)]


HEADS: dict[str, Callable[[ModelConfig], Head]] = {
    "quantile": lambda config: QuantileHead(config.levels),
    "student_t": lambda config: StudentTHead(),  # noqa: ARG005
}


def _refuse(outside: Sequence[float], wanted: str) -> None:
    if outside:
        raise RequestError(f"quantile levels {list(outside)} are outside {wanted}", code="level-out-of-range")


def _mean_observed(loss: torch.Tensor, observed: torch.Tensor) -> torch.Tensor:
    """Gives the mean of loss [B H] where observed; 0, still with a gradient path, where nothing is."""
    return torch.where(observed, loss, 0.0).sum() / observed.sum().clamp(min=1)


def _inverse_softplus(value: float) -> float:
    """Gives x with log(1 + exp(x)) = value, for value > 0."""
    return value + math.log(-math.expm1(-value))
