"""The yardstick every model has to beat: the seasonal naive, with intervals and with missing values.

statsforecast, which has the other baselines, refuses missing values, so this one forecaster is written here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecaster.arrays import FloatArray, IntArray, places_of_each
from forecaster.data.panel import Panel
from forecaster.metrics.scale import running_mean
from forecaster.normal import normal_quantiles
from forecaster.seasons import last_season


@dataclass(frozen=True)
class SeasonalNaive:
    """Repeats the last observed season.

    A missing step of that season is looked up one season earlier, and so on; a phase that was never
    observed takes the last observed value. Intervals are Gaussian with the deviation of the in-sample
    seasonal differences, growing with the root of the number of seasons ahead (Hyndman & Athanasopoulos,
    Forecasting: Principles and Practice, section 5.5).
    """

    season_length: int

    def forecast_windows(
        self, panel: Panel, series: IntArray, cutoffs: IntArray, horizon: int, levels: tuple[float, ...]
    ) -> FloatArray:
        """Forecasts [B H Q] for B windows, each seeing the first `cutoffs[b]` steps of its series."""
        blocks = np.empty((len(series), horizon, len(levels)))
        for position, places in places_of_each(series):
            blocks[places] = self._forecast(panel.target(position), cutoffs[places], horizon, levels)
        return blocks

    def _forecast(self, target: FloatArray, cutoffs: IntArray, horizon: int, levels: tuple[float, ...]) -> FloatArray:
        steps = np.arange(horizon)
        seasons = np.stack([last_season(target[:cutoff], self.season_length) for cutoff in cutoffs])
        growth = np.sqrt(steps // self.season_length + 1)
        normal = normal_quantiles(np.asarray(levels))
        spread = self._deviations(target, cutoffs)[:, None, None] * growth[:, None] * normal
        return np.asarray(seasons[:, steps % self.season_length, None] + spread)

    def _deviations(self, target: FloatArray, cutoffs: IntArray) -> FloatArray:
        """Gives the root of the mean squared seasonal difference before each cutoff; of steps where there is none."""
        mean = np.zeros(len(cutoffs))
        for lag in (1, self.season_length):
            found, count = running_mean((target[lag:] - target[:-lag]) ** 2, np.maximum(cutoffs - lag, 0))
            mean = np.where(count > 0, found, mean)
        return np.asarray(np.sqrt(mean))
