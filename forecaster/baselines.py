"""The yardstick every model has to beat: the seasonal naive, with intervals and with missing values.

The field's libraries (statsforecast) refuse missing values, so this one forecaster is written here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from forecaster.arrays import FloatArray, IntArray
from forecaster.data.panel import Panel


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
        rows = [
            self._forecast(panel.target(int(position))[:cutoff], horizon, levels)
            for position, cutoff in zip(series, cutoffs, strict=True)
        ]
        return np.stack(rows)

    def _forecast(self, history: FloatArray, horizon: int, levels: tuple[float, ...]) -> FloatArray:
        steps = np.arange(horizon)
        point = self._last_season(history)[steps % self.season_length]
        deviation = self._deviation(history) * np.sqrt(steps // self.season_length + 1)
        return np.asarray(point[:, None] + deviation[:, None] * ndtri(np.asarray(levels)))

    def _last_season(self, history: FloatArray) -> FloatArray:
        """Gives the last observed value of each phase [m], the phase of the next step first."""
        m = self.season_length
        season = np.full(m, np.nan)
        for end in range(len(history), 0, -m):
            block = history[max(0, end - m) : end]
            view = season[m - len(block) :]
            np.copyto(view, block, where=np.isnan(view))
            if not np.isnan(season).any():
                return season
        observed = history[~np.isnan(history)]
        return np.where(np.isnan(season), observed[-1] if len(observed) else 0.0, season)

    def _deviation(self, history: FloatArray) -> float:
        for lag in (self.season_length, 1):
            differences = history[lag:] - history[:-lag] if len(history) > lag else np.empty(0)
            differences = differences[~np.isnan(differences)]
            if len(differences):
                return float(np.sqrt(np.mean(differences**2)))
        return 0.0
