"""What the network asks of a distribution, and what all of them share.

A head holds no weights. The network gives it parameters [B H K]: K raw numbers for each step, in scaled space.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import torch

from forecaster.errors import RequestError
from forecaster.types import Scale

# The scale of a distribution, in spreads of the context, stays above this.
SMALLEST_SCALE = 1e-3


class Head(Protocol):
    """A distribution per step: how many numbers describe it, its loss, its quantiles.

    Only a distribution that lives in the unit of the data reads `scale`; the others do without.
    """

    @property
    def num_parameters(self) -> int:
        """Raw numbers per step (K)."""

    @property
    def loc_index(self) -> int:
        """Which of the raw numbers is the location, in scaled space: what a linear forecast is added to."""

    @property
    def counts_only(self) -> bool:
        """True where the head forecasts whole numbers from 0 on, and nothing else can be learned by it."""

    @property
    def level_range(self) -> tuple[float, float]:
        """Lowest and highest level that `quantiles` can give; 0 and 1 themselves never."""

    def initial_parameters(self) -> list[float]:
        """Gives the K raw numbers that stand for (about) a standard normal, where training begins."""

    def loss(
        self, parameters: torch.Tensor, target: torch.Tensor, observed: torch.Tensor, scale: Scale | None = None
    ) -> torch.Tensor:
        """Gives the mean loss of parameters [B H K] over the targets [B H] that are observed [B H]; 0 if none is."""

    def quantiles(self, parameters: torch.Tensor, levels: Sequence[float], scale: Scale | None = None) -> torch.Tensor:
        """Gives the scaled quantiles [B H Q] at those levels, in their order; RequestError for a level out of range."""


def refuse_levels(outside: Sequence[float], wanted: str) -> None:
    """Raises RequestError if there are levels outside of what is wanted."""
    if outside:
        raise RequestError(f"quantile levels {list(outside)} are outside {wanted}", code="level-out-of-range")


def refuse_no_levels(levels: Sequence[float]) -> None:
    """Raises RequestError for what is no level at all."""
    refuse_levels([level for level in levels if not 0 < level < 1], "0 to 1, both excluded")


def mean_observed(loss: torch.Tensor, observed: torch.Tensor) -> torch.Tensor:
    """Gives the mean of loss [B H] where observed; 0, still with a gradient path, where nothing is."""
    return torch.where(observed, loss, 0.0).sum() / observed.sum().clamp(min=1)


def inverse_softplus(value: float) -> float:
    """Gives x with log(1 + exp(x)) = value, for value > 0."""
    return value + math.log(-math.expm1(-value))
