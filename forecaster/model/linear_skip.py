"""A linear forecast beside the encoder, fitted as a ridge regression.

One map for all series, from the scaled context to the location of the forecast. On several classic benchmarks such
a map alone is ahead of most published encoders, so the encoder learns what it leaves.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

LAMBDAS = tuple(10.0**power for power in (-4.0, -3.5, -3.0, -2.5, -2.0, -1.5, -1.0, 0.0, 1.0, 2.0, 4.0, 8.0))
PHASE_CORRELATION = 0.8  # between weights one or more whole seasons apart; .6 to .95 do as well


class LinearSkip(nn.Module):
    """L scaled values -> H locations. Missing values count as 0, the mean of the context.

    Its weights are fitted in closed form and left alone by training: a step of Adam at the rate of the encoder
    undoes a ridge regression (docs/experiments.md).
    """

    weight: torch.Tensor  # [L H] float64

    def __init__(self, context_length: int, horizon: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(context_length, horizon, dtype=torch.float64))

    def forward(self, values: torch.Tensor, observed: torch.Tensor) -> torch.Tensor:
        """Gives locations [B H] for scaled values [B L], 0 where missing. In float64, which autocast leaves alone."""
        return (values.to(torch.float64) @ self.weight).to(values.dtype)

    def start_at(self, weight: torch.Tensor) -> None:
        """Takes over weights [L H]."""
        self.weight.copy_(weight)


class Moments:
    """The sums over windows that a ridge regression is made of: x'x [L L], x'y [L H] and y'y of each step [H]."""

    def __init__(self, context_length: int, horizon: int) -> None:
        self.inputs = torch.zeros(context_length, context_length, dtype=torch.float64)
        self.joint = torch.zeros(context_length, horizon, dtype=torch.float64)
        self.targets = torch.zeros(horizon, dtype=torch.float64)
        self.num_windows = 0

    def add(self, values: torch.Tensor, target: torch.Tensor) -> None:
        """Adds windows: scaled values [B L] and scaled targets [B H], all observed."""
        values, target = values.to(torch.float64), target.to(torch.float64)
        self.inputs += values.T @ values
        self.joint += values.T @ target
        self.targets += target.square().sum(dim=0)
        self.num_windows += len(values)

    def errors(self, weight: torch.Tensor) -> torch.Tensor:
        """Gives the mean squared error [H] of weights [L H] over the windows added, step by step."""
        total = self.targets + (weight * (self.inputs @ weight - 2 * self.joint)).sum(dim=0)
        return total / max(1, self.num_windows)


def prior(length: int, season_length: int) -> torch.Tensor:
    """Gives the covariance [L L] that the weights of one target step are expected to have.

    Their variance falls as 1 / lag, and weights at the same phase of the season go together (PHASE_CORRELATION),
    as in a forecast that averages past seasons. A season of 1 step, or longer than the context, says nothing.
    """
    lag = torch.arange(length, 0, -1, dtype=torch.float64)
    together = torch.eye(length, dtype=torch.float64)
    if 1 < season_length < length:
        same_phase = (lag[:, None] - lag[None, :]) % season_length == 0
        together = (1 - PHASE_CORRELATION) * together + PHASE_CORRELATION * same_phase
    return together / (lag[:, None] * lag[None, :]).sqrt()


def anchors(length: int, season_length: int) -> list[torch.Tensor]:
    """Gives what a forecast may fall back to, as weights [L 1]: mean of the context, of its last season, last value."""
    means = []
    for steps in sorted({length, min(season_length, length), 1}, reverse=True):
        anchor = torch.zeros(length, 1, dtype=torch.float64)
        anchor[-steps:] = 1 / steps
        means.append(anchor)
    return means


def ridge(
    moments: Moments, anchor: torch.Tensor, covariance: torch.Tensor, lambdas: Iterable[float]
) -> list[torch.Tensor]:
    """Gives for each lambda the weights [L H] of a generalised ridge regression (Hoerl and Kennard 1970).

    It predicts the target's deviation from the anchor by the deviations of the context from it, minimising the
    mean squared error + lambda x w' inverse(covariance) w for the weights w of each step, by one
    eigendecomposition. As anchor and deviations are linear in the values, the whole forecast is one linear map, and
    comes from the moments alone.
    """
    length, num_windows = len(moments.inputs), max(1, moments.num_windows)
    deviation = torch.eye(length, dtype=torch.float64) - anchor.expand(length, length)
    root = deviation @ torch.linalg.cholesky(covariance)  # weights = root @ coefficients of equal variance
    ahead = moments.joint - moments.inputs @ anchor  # values times the target's deviation
    spectrum, vectors = torch.linalg.eigh(root.T @ moments.inputs @ root / num_windows)
    rotated = vectors.T @ (root.T @ ahead) / num_windows
    solved = [vectors @ (rotated / (spectrum.clamp(min=0) + penalty).unsqueeze(1)) for penalty in lambdas]
    return [anchor + root @ coefficients for coefficients in solved]


def fitted_ridge(training: Moments, validation: Moments, season_length: int) -> torch.Tensor:
    """Gives the ridge weights [L H] learned on `training`: for each step with the anchor and lambda that validate best.

    The next step is told by the last few, a far one by little more than the level: one penalty does not suit both.
    """
    length, horizon = training.joint.shape
    covariance = prior(length, season_length)
    best, lowest = torch.zeros(length, horizon, dtype=torch.float64), torch.full((horizon,), torch.inf).double()
    for anchor in anchors(length, season_length):
        for weight in ridge(training, anchor, covariance, LAMBDAS):
            errors = validation.errors(weight)
            best = torch.where(errors < lowest, weight, best)
            lowest = torch.minimum(errors, lowest)
    return best
