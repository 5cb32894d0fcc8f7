"""Point heads: one number per step and an error to make small. Their only level is 0.5."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from forecaster.model.heads.head import mean_observed, refuse_levels
from forecaster.types import Scale

# Errors beyond this many spreads of the context weigh linearly.
HUBER_DELTA = 1.0

Error = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def squared_error(forecast: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Gives the squared error, whose minimum is the mean."""
    return (forecast - target).square()


def absolute_error(forecast: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Gives the absolute error, whose minimum is the median."""
    return (forecast - target).abs()


def huber_error(forecast: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Gives half the squared error up to HUBER_DELTA, and goes on from there linearly (Huber 1964)."""
    return F.huber_loss(forecast, target, reduction="none", delta=HUBER_DELTA)


@dataclass(frozen=True)
class PointHead:
    """One number per step, for level 0.5: the mean (squared error), the median (absolute) or neither (Huber's)."""

    error: Error

    num_parameters = 1  # the forecast itself
    loc_index = 0
    counts_only = False
    level_range = (0.5, 0.5)  # 0.5 alone

    def initial_parameters(self) -> list[float]:
        """Gives the mean of the context."""
        return [0.0]

    def loss(
        self, parameters: torch.Tensor, target: torch.Tensor, observed: torch.Tensor, scale: Scale | None = None
    ) -> torch.Tensor:
        """Gives the mean error over observed targets [B H]."""
        forecast = parameters.squeeze(-1)
        return mean_observed(self.error(forecast, torch.where(observed, target, 0.0)), observed)

    def quantiles(self, parameters: torch.Tensor, levels: Sequence[float], scale: Scale | None = None) -> torch.Tensor:
        """Gives the forecast [B H Q] for level 0.5; RequestError for another level."""
        refuse_levels([level for level in levels if level != 0.5], "0.5, all that a point forecast has")
        return parameters.expand(*parameters.shape[:-1], len(levels))
