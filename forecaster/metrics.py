"""Accuracy of quantile forecasts against actuals, in total and per horizon step.

Axes: W windows (one series at one cutoff), H horizon, Q levels. A missing actual, and a step that could not be
forecast (both NaN), take part in no metric. utilsforecast, the field's library, scores point tables without
missing values or steps of the horizon; the formulas here are tested for equality with it where both apply.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from forecaster.arrays import FloatArray, IntArray

_POINT = 0.5


@dataclass(frozen=True)
class Scores:
    """Metrics of one forecaster over W windows; `*_by_step` have shape [H]. NaN where nothing could be scored."""

    num_windows: int
    mase: float
    smape: float
    weighted_quantile_loss: float
    coverage: dict[float, float]  # nominal share of a central interval -> observed share
    mase_by_step: FloatArray
    smape_by_step: FloatArray
    weighted_quantile_loss_by_step: FloatArray
    coverage_by_step: dict[float, FloatArray]
    mase_by_window: FloatArray  # [W]

    def as_metrics(self) -> dict[str, float]:
        """Gives the totals under the names that every run logs; what could not be scored is left out."""
        named = {"mase": self.mase, "smape": self.smape, "wql": self.weighted_quantile_loss}
        named |= {f"coverage_{100 * share:g}": value for share, value in self.coverage.items()}
        return {name: float(value) for name, value in named.items() if np.isfinite(value)}

    def as_metrics_by_step(self) -> dict[str, FloatArray]:
        """Gives the curves over the horizon under the names that every run logs, each of shape [H]."""
        named = {
            "mase_by_step": self.mase_by_step,
            "smape_by_step": self.smape_by_step,
            "wql_by_step": self.weighted_quantile_loss_by_step,
        }
        return named | {f"coverage_{100 * share:g}_by_step": v for share, v in self.coverage_by_step.items()}


def seasonal_scale(history: FloatArray, season_length: int) -> float:
    """Gives the MASE denominator of one history [T]: the mean of |y_t - y_(t-m)| over observed pairs.

    A history with no observed pair at lag m falls back to lag 1. NaN when that fails too or the mean is 0,
    so that the series takes no part in MASE (Hyndman & Koehler 2006).
    """
    if len(history) > season_length:  # the usual one has no gap: the same sum, an order of magnitude faster
        away = np.abs(history[season_length:] - history[:-season_length])
        mean = float(np.cumsum(away)[-1]) / len(away)
        if mean > 0:
            return mean
    return float(seasonal_scales(history, np.array([len(history)]), season_length)[0])


def seasonal_scales(target: FloatArray, cutoffs: IntArray, season_length: int) -> FloatArray:
    """Gives `seasonal_scale` of the first `cutoffs` [W] steps of one series [T], for all of them in one pass."""
    scales = np.full(len(cutoffs), np.nan)
    for lag in (season_length, 1):
        mean, _ = running_mean(np.abs(target[lag:] - target[:-lag]), np.maximum(cutoffs - lag, 0))
        scales = np.where(np.isnan(scales), mean, scales)
        if not np.isnan(scales).any():
            break
    return np.where(scales > 0, scales, np.nan)


def running_mean(values: FloatArray, ends: IntArray) -> tuple[FloatArray, IntArray]:
    """Gives mean [W] and number [W] of the observed ones among the first `ends` [W] values; mean NaN for none."""
    observed = ~np.isnan(values)
    total = np.concatenate([[0.0], np.cumsum(np.where(observed, values, 0.0))])[ends]
    count = np.concatenate([[0], np.cumsum(observed)])[ends]
    return np.divide(total, count, out=np.full(len(ends), np.nan), where=count > 0), count


def score(actual: FloatArray, quantiles: FloatArray, levels: tuple[float, ...], scales: FloatArray) -> Scores:
    """Scores forecasts [W H Q] of ascending `levels` (0.5 among them) against actuals [W H].

    `scales` [W] are the MASE denominators. MASE and sMAPE (200 |y - f| / (|y| + |f|), 0 where both are 0)
    are means per window, then over windows. The weighted quantile loss pools windows: twice the sum of the
    pinball losses over the sum of |y|, averaged over levels. Coverage is the pooled share of actuals inside a
    central interval, for each pair of levels (l, 1 - l).
    """
    point = quantiles[:, :, levels.index(_POINT)]
    actual = np.where(np.isnan(point), np.nan, actual)
    quantiles = np.where(np.isnan(quantiles), 0.0, quantiles)
    error = np.abs(actual - point)
    magnitude = np.abs(actual) + np.abs(point)
    scaled_error = error / scales[:, None]
    relative = np.divide(200.0 * error, magnitude, out=np.zeros_like(error), where=~(magnitude == 0))
    relative = np.where(np.isnan(actual), np.nan, relative)
    pinball = _pinball(actual, quantiles, levels)
    inside = {share: _inside(actual, quantiles, pair) for share, pair in _central_pairs(levels).items()}
    mase_by_window = _nanmean(scaled_error, axis=1)
    return Scores(
        num_windows=len(actual),
        mase=_total(mase_by_window),
        smape=_total(_nanmean(relative, axis=1)),
        weighted_quantile_loss=float(_weighted(pinball, actual, axis=None)),
        coverage={share: _total(hits) for share, hits in inside.items()},
        mase_by_step=_nanmean(scaled_error, axis=0),
        smape_by_step=_nanmean(relative, axis=0),
        weighted_quantile_loss_by_step=np.asarray(_weighted(pinball, actual, axis=0)),
        coverage_by_step={share: _nanmean(hits, axis=0) for share, hits in inside.items()},
        mase_by_window=mase_by_window,
    )


def _pinball(actual: FloatArray, quantiles: FloatArray, levels: tuple[float, ...]) -> FloatArray:
    """Gives the pinball loss [W H], doubled and averaged over levels."""
    difference = actual[:, :, None] - quantiles
    level = np.asarray(levels)
    return np.asarray(2.0 * np.maximum(level * difference, (level - 1.0) * difference).mean(axis=2))


def _weighted(pinball: FloatArray, actual: FloatArray, axis: int | None) -> FloatArray:
    total = np.asarray(np.nansum(np.abs(actual), axis=axis))
    loss = np.asarray(np.nansum(pinball, axis=axis))
    return np.asarray(np.divide(loss, total, out=np.full(total.shape, np.nan), where=total > 0))


@lru_cache(maxsize=64)
def _central_pairs(levels: tuple[float, ...]) -> dict[float, IntArray]:
    """Gives nominal share -> positions of its lower and upper level, for the pairs (l, 1 - l) present."""
    array = np.asarray(levels)
    pairs: dict[float, IntArray] = {}
    for low, level in enumerate(levels):
        matches = np.flatnonzero(np.isclose(array, 1.0 - level))
        if level < _POINT and len(matches):
            pairs[round(1.0 - 2.0 * level, 6)] = np.array([low, matches[0]])
    return pairs


def _inside(actual: FloatArray, quantiles: FloatArray, pair: IntArray) -> FloatArray:
    hits = (actual >= quantiles[:, :, pair[0]]) & (actual <= quantiles[:, :, pair[1]])
    return np.where(np.isnan(actual), np.nan, hits.astype(float))


def _nanmean(values: FloatArray, axis: int) -> FloatArray:
    """Gives the mean over observed values, NaN (without a warning) where there are none."""
    observed = ~np.isnan(values)
    count = observed.sum(axis=axis)
    total = np.where(observed, values, 0.0).sum(axis=axis)
    return np.asarray(np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0))


def _total(values: FloatArray) -> float:
    return float(_nanmean(values.reshape(-1), axis=0))
