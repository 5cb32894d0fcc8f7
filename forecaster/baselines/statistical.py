"""AutoETS, AutoTheta and AutoARIMA of statsforecast as baselines, fitted anew for each window of a backtest.

statsforecast refuses missing values, so what is missing is filled for it (`filled`), and it refuses very short series,
which the seasonal naive forecasts in its place. Both are counted, as they are for a reader of the comparison to know.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from forecaster.arrays import FloatArray, IntArray
from forecaster.baselines.seasonal_naive import SeasonalNaive
from forecaster.data.panel import Panel
from forecaster.errors import ConfigError

StatisticalName = Literal["auto_ets", "auto_theta", "auto_arima"]

# What they smooth is all but forgotten by then, and the time that AutoETS takes grows with every step.
MOST_STEPS = 1_000
_POINT = 0.5


@dataclass
class Statistical:
    """One of the three models; it counts what it could not take as it was.

    Each window is fitted on its visible steps, the last MOST_STEPS of them. Central intervals are statsforecast's own;
    the level 0.5 is its mean. Covariates are not looked at. ConfigError where statsforecast is not installed.
    """

    name: StatisticalName
    season_length: int
    num_windows: int = 0
    num_steps: int = 0  # visible to these windows
    num_filled: int = 0  # of them
    num_fallbacks: int = 0  # windows that the seasonal naive forecast in its place

    def __post_init__(self) -> None:
        self._model = _model(self.name, self.season_length)

    def forecast_windows(
        self, panel: Panel, series: IntArray, cutoffs: IntArray, horizon: int, levels: tuple[float, ...]
    ) -> FloatArray:
        """Forecasts [B H Q] for B windows, each seeing only the first `cutoffs[b]` steps; NaN where all are missing."""
        naive = SeasonalNaive(self.season_length).forecast_windows(panel, series, cutoffs, horizon, levels)
        blocks = np.empty((len(series), horizon, len(levels)))
        for place, (position, cutoff) in enumerate(zip(series.tolist(), cutoffs.tolist(), strict=True)):
            history = panel.target(position)[max(0, cutoff - MOST_STEPS) : cutoff]
            blocks[place] = self._forecast(history, horizon, levels, naive[place])
        return blocks

    def _forecast(self, history: FloatArray, horizon: int, levels: tuple[float, ...], naive: FloatArray) -> FloatArray:
        known = filled(history)
        self.num_windows += 1
        self.num_steps += len(history)
        self.num_filled += int(np.isnan(history[len(history) - len(known) :]).sum())
        if not len(known):
            return np.full_like(naive, np.nan)
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                found = quantiles_of(self._model.forecast(y=known, h=horizon, level=_central(levels)), levels)
        except Exception:  # noqa: BLE001  # of any kind, as statsforecast's own fallback_model catches it
            found = np.full_like(naive, np.nan)
        if not np.isfinite(found).all():  # of a handful of values, edges of intervals are not
            self.num_fallbacks += 1
            return naive
        return found

    def __str__(self) -> str:
        """Says what the model could not take as it was."""
        return (
            f"{self.name}: {self.num_filled} of {self.num_steps} visible values were missing and filled (linear in "
            f"between, the last value at the end), {self.num_fallbacks} of {self.num_windows} windows were left to "
            f"the seasonal naive, and of longer histories the last {MOST_STEPS} steps were seen"
        )


def filled(history: FloatArray) -> FloatArray:
    """Gives a history [T] without missing values: cut at the front, linear in between, the last value at the end."""
    observed = np.flatnonzero(~np.isnan(history))
    if not len(observed):
        return np.empty(0)
    steps = np.arange(observed[0], len(history))
    return np.interp(steps, observed, history[observed])


def quantiles_of(found: dict[str, FloatArray], levels: tuple[float, ...]) -> FloatArray:
    """Gives quantiles [H Q], ascending, of what statsforecast has said: 'mean', and 'lo-80', 'hi-80' by interval."""
    middle = found["mean"]
    edges = {(name[:2], float(name[3:])): values for name, values in found.items() if name[:3] in ("lo-", "hi-")}
    columns = []
    for level in levels:
        if level == _POINT:
            columns.append(middle)
        elif level < _POINT:  # the mean of a skewed forecast may lie beyond its inner quantiles
            columns.append(np.minimum(edges["lo", _share(level)], middle))
        else:
            columns.append(np.maximum(edges["hi", _share(level)], middle))
    return np.sort(np.stack(columns, axis=1), axis=1)


def _central(levels: tuple[float, ...]) -> list[float] | None:
    """Gives the central intervals, in percent, that some levels are the edges of; None without any."""
    return sorted({_share(level) for level in levels if level != _POINT}) or None


def _share(level: float) -> float:
    return round(100 * abs(1 - 2 * level), 6)


def _model(name: StatisticalName, season_length: int) -> Any:
    try:
        from statsforecast.models import AutoARIMA, AutoETS, AutoTheta  # compiles for seconds
    except ImportError as error:
        raise ConfigError(
            f"the baseline {name} is one of statsforecast, which is not installed: install forecaster[baselines]"
        ) from error
    return {"auto_ets": AutoETS, "auto_theta": AutoTheta, "auto_arima": AutoARIMA}[name](season_length=season_length)
