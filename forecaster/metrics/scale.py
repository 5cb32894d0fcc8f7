"""Scales of MASE and RMSSE: how far a series moves from one season to the next, by what was visible of it."""

from __future__ import annotations

import numpy as np

from forecaster.arrays import FloatArray, IntArray


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


def seasonal_scales(target: FloatArray, cutoffs: IntArray, season_length: int, power: float = 1.0) -> FloatArray:
    """Gives `seasonal_scale` of the first `cutoffs` [W] steps of one series [T], for all of them in one pass.

    The differences are averaged by their power mean: 1 is for MASE; 2, the root of the mean square, is for RMSSE.
    """
    scales = np.full(len(cutoffs), np.nan)
    for lag in (season_length, 1):
        moved = np.abs(target[lag:] - target[:-lag])
        mean, _ = running_mean(moved if power == 1.0 else moved**power, np.maximum(cutoffs - lag, 0))
        scales = np.where(np.isnan(scales), mean, scales)
        if not np.isnan(scales).any():
            break
    found = np.where(scales > 0, scales, np.nan)
    return found if power == 1.0 else np.asarray(found ** (1.0 / power))


def running_mean(values: FloatArray, ends: IntArray) -> tuple[FloatArray, IntArray]:
    """Gives mean [W] and number [W] of the observed ones among the first `ends` [W] values; mean NaN for none."""
    observed = ~np.isnan(values)
    total = np.concatenate([[0.0], np.cumsum(np.where(observed, values, 0.0))])[ends]
    count = np.concatenate([[0], np.cumsum(observed)])[ends]
    return np.divide(total, count, out=np.full(len(ends), np.nan), where=count > 0), count
