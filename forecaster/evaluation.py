"""Scores of a forecaster over the folds of a panel: the one evaluation that training, backtest and promotion share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from forecaster.arrays import FloatArray, IntArray, places_of_each
from forecaster.baselines import SeasonalNaive
from forecaster.data.panel import Panel
from forecaster.data.splits import Fold
from forecaster.metrics import Scores, StepLosses, score, scores_of, seasonal_scales, step_losses
from forecaster.rolling import Rolled


class WindowForecaster(Protocol):
    """Anything that forecasts windows of a panel: the model, a baseline, a champion."""

    def forecast_windows(
        self, panel: Panel, series: IntArray, cutoffs: IntArray, horizon: int, levels: tuple[float, ...]
    ) -> FloatArray:
        """Forecasts [B H Q] for B windows, each seeing only the first `cutoffs[b]` steps of its series."""


class FoldFitter(Protocol):
    """Anything that is fitted anew for each fold: a training done again, or a regression."""

    def fitted(self, visible: Panel, fold: Fold) -> WindowForecaster:
        """Fits on what a fold may see (`Fold.visible`); the fold itself says which one that is."""


@dataclass(frozen=True)
class Evaluation:
    """Forecasts and actuals of all windows of all folds, fold by fold, with their scores."""

    fold: IntArray  # [W] number of the fold
    stretch: IntArray  # [W] number of its stretch of time: folds of which targets overlap are of one
    series: IntArray  # [W] position of the series in the panel
    cutoffs: IntArray  # [W] visible steps
    actual: FloatArray  # [W H]
    quantiles: FloatArray  # [W H Q]
    levels: tuple[float, ...]  # Q
    scores: Scores
    gap: int = 0  # first steps of each window that are not scored


def evaluate(
    forecaster: WindowForecaster, panel: Panel, folds: Sequence[Fold], levels: tuple[float, ...]
) -> Evaluation:
    """Forecasts every fold and scores it against what followed. `levels` must contain 0.5."""
    series, cutoffs = _addresses(folds)
    quantiles = forecaster.forecast_windows(panel, series, cutoffs, folds[0].horizon, levels)
    return _evaluation(panel, folds, levels, quantiles)


def evaluate_refitted(fitter: FoldFitter, panel: Panel, folds: Sequence[Fold], levels: tuple[float, ...]) -> Evaluation:
    """Does the same with a forecaster that is fitted anew for each fold, on the part of the panel that it may see."""
    quantiles = [
        fitter.fitted(fold.visible(panel), fold).forecast_windows(
            panel, fold.series, fold.cutoffs, fold.horizon, levels
        )
        for fold in folds
    ]
    return _evaluation(panel, folds, levels, np.concatenate(quantiles))


def _addresses(folds: Sequence[Fold]) -> tuple[IntArray, IntArray]:
    """Gives series [W] and cutoffs [W] of all windows of some folds."""
    return np.concatenate([fold.series for fold in folds]), np.concatenate([fold.cutoffs for fold in folds])


def _evaluation(panel: Panel, folds: Sequence[Fold], levels: tuple[float, ...], quantiles: FloatArray) -> Evaluation:
    """Scores forecasts [W H Q] of all windows of some folds; steps in the gap of a fold count as missing."""
    series, cutoffs = _addresses(folds)
    horizon, gap = folds[0].horizon, folds[0].gap
    targets = [panel.target(int(position)) for position in series]
    actual = np.stack([target[cut : cut + horizon] for target, cut in zip(targets, cutoffs, strict=True)])
    actual[:, :gap] = np.nan
    return Evaluation(
        fold=np.concatenate([np.full(len(fold.series), fold.number) for fold in folds]),
        stretch=np.concatenate([np.full(len(fold.series), _stretch_of(fold)) for fold in folds]),
        series=series,
        cutoffs=cutoffs,
        actual=actual,
        quantiles=quantiles,
        levels=levels,
        scores=score(actual, quantiles, levels, *both_scales(panel, series, cutoffs)),
        gap=gap,
    )


def _stretch_of(fold: Fold) -> int:
    return fold.number if fold.stretch is None else fold.stretch


def on_common_windows(evaluations: Mapping[str, Evaluation], panel: Panel) -> dict[str, Evaluation]:
    """Gives evaluations of the same folds, scored on those windows alone that all of them have forecast.

    A model that cannot forecast a window, as it sees no value of it, would else have an easier task than the others.
    """
    blind = np.any([np.isnan(found.quantiles).any(axis=(1, 2)) for found in evaluations.values()], axis=0)
    if not blind.any():
        return dict(evaluations)
    first = next(iter(evaluations.values()))
    scales = both_scales(panel, first.series, first.cutoffs)
    actual = np.where(blind[:, None], np.nan, first.actual)
    return {
        role: replace(found, actual=actual, scores=score(actual, found.quantiles, found.levels, *scales))
        for role, found in evaluations.items()
    }


@dataclass(frozen=True)
class RolledScores:
    """Scores of rolled forecasts: of all windows, and of those of each series that has any."""

    overall: Scores
    by_series: dict[int, Scores]  # by position in the panel


def score_rolled(rolled: Rolled) -> RolledScores:
    """Scores rolled forecasts against what followed. Their levels must contain 0.5."""
    series, cutoffs = rolled.addresses.series, rolled.addresses.cutoffs
    losses = step_losses(rolled.actual, rolled.values, rolled.levels, *both_scales(rolled.panel, series, cutoffs))

    def scores(places: IntArray | slice) -> Scores:
        return scores_of(losses.at(places))

    return RolledScores(
        overall=scores(slice(None)),
        by_series={position: scores(places) for position, places in places_of_each(series)},
    )


def seasonal_naive_beside(rolled: Rolled) -> Rolled:
    """Gives the forecasts of the seasonal naive from the same cutoffs, at the same levels."""
    panel, where = rolled.panel, rolled.addresses
    naive = SeasonalNaive(panel.axis.frequency.season_length)
    values = naive.forecast_windows(panel, where.series, where.cutoffs, rolled.horizon, rolled.levels)
    return replace(rolled, values=values)


def losses_of(evaluation: Evaluation, panel: Panel) -> StepLosses:
    """Gives what each step of an evaluation [W H] loses."""
    scales = both_scales(panel, evaluation.series, evaluation.cutoffs)
    return step_losses(evaluation.actual, evaluation.quantiles, evaluation.levels, *scales)


def both_scales(panel: Panel, series: IntArray, cutoffs: IntArray) -> tuple[FloatArray, FloatArray]:
    """Gives the denominators of MASE and of RMSSE, each [W]."""
    season_length = panel.axis.frequency.season_length
    return (
        window_scales(panel, series, cutoffs, season_length),
        window_scales(panel, series, cutoffs, season_length, power=2.0),
    )


def window_scales(
    panel: Panel, series: IntArray, cutoffs: IntArray, season_length: int, power: float = 1.0
) -> FloatArray:
    """Gives the scale [W] of windows by what each of them may see of its series: of MASE, or of RMSSE by power 2."""
    scales = np.empty(len(series))
    for position, places in places_of_each(series):
        scales[places] = seasonal_scales(panel.target(position), cutoffs[places], season_length, power)
    return scales
