"""What each step of a forecast loses: the terms whose means are the metrics.

Axes: W windows (one series at one cutoff), H horizon, Q levels. A missing actual, and a step that could not be
forecast (both NaN), is NaN in every term, so that it takes part in no metric. utilsforecast, the field's library,
scores point tables without missing values or steps of the horizon; the formulas here are tested for equality with
it where both apply.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from forecaster.arrays import BoolArray, FloatArray, IntArray
from forecaster.level_weights import level_weights

POINT = 0.5


@dataclass(frozen=True)
class StepLosses:
    """The terms of all metrics, each [W H]; those by share are of the central interval of that nominal share."""

    actual: FloatArray
    scaled_error: FloatArray  # (forecast - actual) / scale of MASE: above 0 where the forecast is too high
    root_scaled_error: FloatArray  # |forecast - actual| / scale of RMSSE
    smape: FloatArray  # in percent, 0 to 200
    quantile_loss: FloatArray  # twice the mean pinball loss over levels
    crps: FloatArray
    scaled_crps: FloatArray  # CRPS / scale of MASE
    inside: dict[float, FloatArray]  # 1 where the actual lies in the interval, else 0
    interval_score: dict[float, FloatArray]

    def at(self, places: IntArray | BoolArray | slice) -> StepLosses:
        """Gives the terms of some windows."""
        return StepLosses(
            self.actual[places],
            self.scaled_error[places],
            self.root_scaled_error[places],
            self.smape[places],
            self.quantile_loss[places],
            self.crps[places],
            self.scaled_crps[places],
            {share: term[places] for share, term in self.inside.items()},
            {share: term[places] for share, term in self.interval_score.items()},
        )


def step_losses(
    actual: FloatArray,
    quantiles: FloatArray,
    levels: tuple[float, ...],
    scales: FloatArray,
    rmsse_scales: FloatArray | None = None,
) -> StepLosses:
    """Gives what forecasts [W H Q] of ascending `levels` (0.5 among them) lose against actuals [W H].

    `scales` [W] are the denominators of MASE, `rmsse_scales` [W] those of RMSSE, which is NaN without them. sMAPE is
    200 |y - f| / (|y| + |f|), 0 where both are 0.

    CRPS is told from the quantiles: 2 x the integral of the pinball loss over all levels (Laio & Tamea 2007; Gneiting
    & Ranjan 2011), as the sum over the levels there are, each weighted by the probability that lies nearer to it than
    to its neighbours. It equals twice the mean pinball loss where levels are the middles of equal shares, and says
    little of tails beyond the outermost level.

    The interval score of shares 1 - a is width + 2 / a x the distance by which the actual lies outside (Gneiting &
    Raftery 2007, equation 43; Winkler 1972).
    """
    point = quantiles[:, :, levels.index(POINT)]
    actual = np.where(np.isnan(point), np.nan, actual)
    quantiles = np.where(np.isnan(quantiles), 0.0, quantiles)
    error = np.abs(actual - point)
    pinball = _pinball(actual, quantiles, levels)
    crps = np.asarray(2.0 * (pinball @ level_weights(levels)))
    root_scales = np.full(len(actual), np.nan) if rmsse_scales is None else rmsse_scales
    pairs = _central_pairs(levels)
    return StepLosses(
        actual=actual,
        scaled_error=(point - actual) / scales[:, None],
        root_scaled_error=error / root_scales[:, None],
        smape=_smape(actual, point, error),
        quantile_loss=np.asarray(2.0 * pinball.mean(axis=2)),
        crps=crps,
        scaled_crps=crps / scales[:, None],
        inside={share: _inside(actual, quantiles, pair) for share, pair in pairs.items()},
        interval_score={share: _interval_score(actual, quantiles, pair, 1 - share) for share, pair in pairs.items()},
    )


def _pinball(actual: FloatArray, quantiles: FloatArray, levels: tuple[float, ...]) -> FloatArray:
    """Gives the pinball loss [W H Q]."""
    difference = actual[:, :, None] - quantiles
    level = np.asarray(levels)
    return np.asarray(np.maximum(level * difference, (level - 1.0) * difference))


def _smape(actual: FloatArray, point: FloatArray, error: FloatArray) -> FloatArray:
    magnitude = np.abs(actual) + np.abs(point)
    relative = np.divide(200.0 * error, magnitude, out=np.zeros_like(error), where=~(magnitude == 0))
    return np.where(np.isnan(actual), np.nan, relative)


@lru_cache(maxsize=64)
def _central_pairs(levels: tuple[float, ...]) -> dict[float, IntArray]:
    """Gives nominal share -> positions of its lower and upper level, for the pairs (l, 1 - l) present."""
    array = np.asarray(levels)
    pairs: dict[float, IntArray] = {}
    for low, level in enumerate(levels):
        matches = np.flatnonzero(np.isclose(array, 1.0 - level))
        if level < POINT and len(matches):
            pairs[round(1.0 - 2.0 * level, 6)] = np.array([low, matches[0]])
    return pairs


def _inside(actual: FloatArray, quantiles: FloatArray, pair: IntArray) -> FloatArray:
    hits = (actual >= quantiles[:, :, pair[0]]) & (actual <= quantiles[:, :, pair[1]])
    return np.where(np.isnan(actual), np.nan, hits.astype(float))


def _interval_score(actual: FloatArray, quantiles: FloatArray, pair: IntArray, outside: float) -> FloatArray:
    low, high = quantiles[:, :, pair[0]], quantiles[:, :, pair[1]]
    missed = np.maximum(low - actual, 0.0) + np.maximum(actual - high, 0.0)
    return np.asarray(high - low + 2.0 / outside * missed)
