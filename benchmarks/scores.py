"""Scores as the competitions define them: per series over its horizon, then averaged over series; NaN is left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.tasks import fit_in_passing
from forecaster import Forecaster
from forecaster.arrays import FloatArray
from forecaster.baselines import SeasonalNaive
from forecaster.config import ForecasterConfig, TableConfig
from forecaster.data.reading import read_panel
from forecaster.data.splits import rolling_origin
from forecaster.evaluation import Evaluation, evaluate, window_scales
from forecaster.pretrained import encoder_for
from forecaster.training.start import Start


@dataclass(frozen=True)
class Scored:
    """Forecasts of the last folds of a table beside what happened, with the scale that MASE divides by."""

    actual: FloatArray  # [W H] NaN where missing
    quantiles: FloatArray  # [W H Q]
    levels: tuple[float, ...]
    scales: FloatArray  # [W] in-sample mean of |y_t - y_(t - m)|
    windows: pd.DataFrame  # unique_id and cutoff of each window

    @property
    def median(self) -> FloatArray:
        """The point forecast [W H]."""
        return self.quantiles[..., self.levels.index(0.5)]

    @property
    def mase_by_window(self) -> FloatArray:
        """[W] mean absolute error over the scale."""
        return np.asarray(np.nanmean(np.abs(self.actual - self.median), axis=1) / self.scales)

    @property
    def mase(self) -> float:
        """Mean over windows."""
        return float(np.nanmean(self.mase_by_window))

    @property
    def smape(self) -> float:
        """Mean of 200 |y - f| / (|y| + |f|) over steps, then over windows."""
        share = 200 * np.abs(self.actual - self.median) / (np.abs(self.actual) + np.abs(self.median))
        return float(np.nanmean(np.nanmean(share, axis=1)))

    def coverage_by_third(self, share: float = 0.8) -> list[float]:
        """Share of actuals inside the central interval, in the first, second and last third of the horizon."""
        low, high = (self.levels.index(round(0.5 + side * share / 2, 6)) for side in (-1, 1))
        inside = (self.actual >= self.quantiles[..., low]) & (self.actual <= self.quantiles[..., high])
        hits = np.where(np.isnan(self.actual), np.nan, inside)
        return [float(np.nanmean(part)) for part in np.array_split(hits, 3, axis=1)]


def fit_and_score(
    table: pd.DataFrame, config: ForecasterConfig, season_length: int, columns: TableConfig | None = None
) -> Scored:
    """Fits on what lies before the test folds of the config and scores the backtest over them."""
    model = Forecaster(config=config, table=columns).fit(table)
    return _scored(table, model.backtest()["model"], season_length)


def tune_and_score(table: pd.DataFrame, config: ForecasterConfig, season_length: int, start: Start) -> Scored:
    """Trains on from the pretrained encoder on what lies before the test folds, and scores the forecasts of those."""
    panel = read_panel(table).panel
    tuned = fit_in_passing(panel, config, start)
    return _scored(table, evaluate(tuned.predictor, panel, tuned.split.test, tuned.predictor.levels), season_length)


def untrained(table: pd.DataFrame, config: ForecasterConfig, season_length: int) -> Scored:
    """Scores the pretrained encoder as it is on the same folds, with the lags of that season."""
    panel = read_panel(table).panel
    folds = rolling_origin(panel, config.model.horizon, config.split.num_test_folds, config.split.step)
    frequency, longest = panel.axis.frequency, int(panel.lengths.max())
    predictor = encoder_for(frequency, longest, horizon=config.model.horizon, season_length=season_length).predictor
    return _scored(table, evaluate(predictor, panel, folds, predictor.levels), season_length)


def naive(table: pd.DataFrame, config: ForecasterConfig, season_length: int) -> Scored:
    """Scores the seasonal naive of that season on the same folds; it looks past missing values."""
    panel = read_panel(table).panel
    folds = rolling_origin(panel, config.model.horizon, config.split.num_test_folds, config.split.step)
    evaluation = evaluate(SeasonalNaive(season_length), panel, folds, (0.1, 0.5, 0.9))
    return _scored(table, evaluation, season_length)


def _scored(table: pd.DataFrame, evaluation: Evaluation, season_length: int) -> Scored:
    panel = read_panel(table).panel
    scales = window_scales(panel, evaluation.series, evaluation.cutoffs, season_length)
    names = [panel.series_ids[series] for series in evaluation.series]
    windows = pd.DataFrame({"unique_id": names, "cutoff": evaluation.cutoffs})
    return Scored(evaluation.actual, evaluation.quantiles, evaluation.levels, scales, windows)
