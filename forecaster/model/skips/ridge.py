"""Ridge regression from moments: how a linear forecast is fitted, and how its penalty is chosen.

The windows are cut into blocks of time. Each block is forecast by weights learned on the blocks that are neither it
nor its neighbours, for every anchor and penalty; the pair with the lowest error is taken for all steps of the horizon.
One pair for each step would follow the noise of what it is chosen on (docs/experiments.md).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

from forecaster.model.skips.known_part import POOLINGS, KnownMoments, Partial

LAMBDAS = tuple(10.0**power for power in (-5.0, -4.0, -3.5, -3.0, -2.5, -2.0, -1.5, -1.0, 0.0, 1.0, 2.0, 4.0, 8.0))
PHASE_CORRELATION = 0.8  # between weights one or more whole seasons apart; .6 to .95 do as well
NUM_BLOCKS = 6
_FEWEST_APART = 4  # blocks from which on the neighbours of one can be left out
_LOWEST_ERROR = 1e-12
_EVEN = 0.2  # share of the mean error that every window is granted when it is weighted; .05 to .5 do as well


@dataclass(frozen=True)
class RidgeWindows:
    """Windows as a ridge regression sees them, all of them observed to the last target."""

    values: torch.Tensor  # [B L] float64, scaled
    target: torch.Tensor  # [B H] float64, scaled
    known: torch.Tensor | None = None  # [B H F] float64, numbers known of each step


class Moments:
    """The sums over windows that a ridge regression is made of: x'x [L L], x'y [L H] and y'y of each step [H].

    With numbers known of each step, `known` holds those that concern them.
    """

    def __init__(self, context_length: int, horizon: int, num_known: int = 0) -> None:
        self.inputs = torch.zeros(context_length, context_length, dtype=torch.float64)
        self.joint = torch.zeros(context_length, horizon, dtype=torch.float64)
        self.targets = torch.zeros(horizon, dtype=torch.float64)
        self.known = KnownMoments.empty(context_length, horizon, num_known) if num_known else None
        self.num_windows = 0.0

    def add(self, windows: RidgeWindows, weight: torch.Tensor | None = None) -> None:
        """Adds windows, which count as much as `weight` [B] says; by default once each."""
        root = torch.ones(1, 1, dtype=torch.float64) if weight is None else weight.sqrt().unsqueeze(1)
        values, target = root * windows.values, root * windows.target
        self.inputs += values.T @ values
        self.joint += values.T @ target
        self.targets += target.square().sum(dim=0)
        self.num_windows += len(values) if weight is None else float(weight.sum())
        if self.known is not None:
            assert windows.known is not None
            self.known.add(values, target, root.unsqueeze(2) * windows.known)

    def errors(self, weight: torch.Tensor) -> torch.Tensor:
        """Gives the mean squared error [H] of weights [L+F H] over the windows added, step by step."""
        context, ahead = weight.tensor_split([len(self.inputs)])
        total = self.targets + (context * (self.inputs @ context - 2 * self.joint)).sum(dim=0)
        if self.known is not None:
            total = total + self.known.errors(context, ahead)
        return total / (self.num_windows or 1.0)


def pooled(parts: Sequence[Moments]) -> Moments:
    """Gives the moments of all windows of several parts, one or more."""
    total = copy.deepcopy(parts[0])
    for part in parts[1:]:
        total.inputs += part.inputs
        total.joint += part.joint
        total.targets += part.targets
        total.num_windows += part.num_windows
        if total.known is not None and part.known is not None:
            total.known.include(part.known)
    return total


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
    """Gives for each lambda the weights [L+F H] of a generalised ridge regression (Hoerl and Kennard 1970).

    It predicts the target's deviation from the anchor by the deviations of the context from it, minimising the
    mean squared error + lambda x w' inverse(covariance) w for the weights w of each step, by one
    eigendecomposition. As anchor and deviations are linear in the values, the whole forecast is one linear map, and
    comes from the moments alone. With numbers known of each step, there are weights for each lambda and pooling
    (`Partial.solutions`).
    """
    length, num_windows = len(moments.inputs), moments.num_windows or 1.0
    deviation = torch.eye(length, dtype=torch.float64) - anchor.expand(length, length)
    root = deviation @ torch.linalg.cholesky(covariance)  # weights = root @ coefficients of equal variance
    ahead = moments.joint - moments.inputs @ anchor  # values times the target's deviation
    spectrum, vectors = torch.linalg.eigh(root.T @ moments.inputs @ root / num_windows)
    rotated = vectors.T @ (root.T @ ahead) / num_windows
    if moments.known is None:
        solved = [vectors @ (rotated / (spectrum.clamp(min=0) + penalty).unsqueeze(1)) for penalty in lambdas]
        return [anchor + root @ coefficients for coefficients in solved]
    basis = root @ vectors
    partial = Partial(spectrum, rotated, moments.known.around(anchor, basis, num_windows))
    pairs = [pair for penalty in lambdas for pair in partial.solutions(penalty)]
    return [torch.cat([anchor + basis @ coefficients, weight.T]) for coefficients, weight in pairs]


@dataclass(frozen=True)
class Choice:
    """One of the ridge regressions that could be fitted: it can be, on any windows of the same shape."""

    anchor: torch.Tensor  # [L 1]
    penalty: float
    pooling: int  # place among POOLINGS; 0 without numbers known of each step
    season_length: int

    def fitted(self, moments: Moments) -> torch.Tensor:
        """Gives the weights [L+F H] of this regression on the windows of some moments."""
        covariance = prior(len(self.anchor), self.season_length)
        return ridge(moments, self.anchor, covariance, [self.penalty])[self.pooling]


def chosen(blocks: Sequence[Moments], season_length: int) -> Choice:
    """Gives the regression that forecasts each of 2 blocks or more, in order of time, best from the others.

    The error of a block is the mean over steps of the logarithm of its squared error, so that neither far steps nor
    wild blocks decide alone.
    """
    choices = _choices(len(blocks[0].inputs), season_length, has_known=blocks[0].known is not None)
    errors = torch.stack([_errors(blocks, place, season_length) for place in range(len(blocks))])  # [K choices]
    return choices[int(errors.mean(dim=0).argmin())]


def ridge_bytes(context_length: int, horizon: int, num_known: int = 0) -> int:
    """Gives about how much memory it takes to choose and fit such a regression."""
    moments = context_length * (context_length + horizon) + horizon * num_known * (context_length + num_known)
    candidates = 2 * len(LAMBDAS) * (len(POOLINGS) if num_known else 1) * (context_length + num_known) * horizon
    eigen = 14 * context_length**2  # measured: vectors, and what finding them takes
    return 8 * ((NUM_BLOCKS + 2) * moments + candidates + eigen)


def window_weights(errors: torch.Tensor) -> torch.Tensor:
    """Gives how much each window counts, 1 / (e / mean + .2), by its root mean square error e [B] in a first fit.

    Squares then add up to nearly a sum of the errors themselves, and no few wild windows decide for all others: one
    step of iteratively reweighted least squares (Holland and Welsch 1977) over whole windows.
    """
    mean = errors.mean()
    return 1 / (errors / mean + _EVEN) if mean > 0 else torch.ones_like(errors)


def _choices(length: int, season_length: int, *, has_known: bool) -> list[Choice]:
    """Gives the regressions in the order in which `_errors` has them."""
    poolings = range(len(POOLINGS) if has_known else 1)
    return [
        Choice(anchor, penalty, pooling, season_length)
        for anchor in anchors(length, season_length)
        for penalty in LAMBDAS
        for pooling in poolings
    ]


def _errors(blocks: Sequence[Moments], place: int, season_length: int) -> torch.Tensor:
    """Gives the error of each regression on one block, learned on the blocks apart from it."""
    apart = 1 if len(blocks) >= _FEWEST_APART else 0
    training = pooled([block for number, block in enumerate(blocks) if abs(number - place) > apart])
    length = len(training.inputs)
    covariance = prior(length, season_length)
    errors = [
        blocks[place].errors(weight)
        for anchor in anchors(length, season_length)
        for weight in ridge(training, anchor, covariance, LAMBDAS)
    ]
    return torch.stack(errors).clamp(min=_LOWEST_ERROR).log().mean(dim=1)
