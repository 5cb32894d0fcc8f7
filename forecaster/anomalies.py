"""Anomalies: actual values outside a calibrated interval of a forecast that was made before them.

The score of a value is how far it lies from the median, in half widths of the interval on its side: 0 at the median,
1 at the end of the interval, above 1 outside. That is the nonconformity score of locally weighted conformal prediction
(Lei et al. 2018, Distribution-free predictive inference for regression, section 5.2), taken on each side for itself
and divided by its own quantile.

The accumulated score of a time takes together the scores s of all n series that have a value there:
z * sqrt(sum of s^2 / q), where the interval of a standard normal reaches from -z to z, and q is the quantile of the
chi-square distribution of n degrees at the same level. It is above 1 where independent series, normal within their
intervals, would jointly stray so far as rarely as one of them leaves its interval. Of a single series it is the score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from forecaster.arrays import BoolArray, FloatArray, IntArray
from forecaster.errors import RequestError
from forecaster.normal import chi_square_quantiles, normal_quantiles
from forecaster.rolling import Rolled
from forecaster.time.grid import StoredTimes
from forecaster.types import ends_of

# The score of a value infinitely far away, as where the interval has no width.
MAX_SCORE = 1e6


@dataclass(frozen=True)
class Anomalies:
    """Judged steps [n] of a panel, by series and then by time; what concerns a missing value is NaN."""

    level: float  # of the interval, in percent
    series: IntArray  # [n] position in the panel
    rows: IntArray  # [n] place among the panel's values
    times: StoredTimes  # [n]
    actual: FloatArray  # [n]
    lower: FloatArray  # [n]
    median: FloatArray  # [n]
    upper: FloatArray  # [n]

    @property
    def are_anomalies(self) -> BoolArray:
        """[n] True outside the interval; False for a missing value."""
        return (self.actual < self.lower) | (self.actual > self.upper)

    @cached_property
    def scores(self) -> FloatArray:
        """[n] distance from the median, in half widths of the interval on that side, 0 .. MAX_SCORE."""
        half = np.where(self.actual > self.median, self.upper - self.median, self.median - self.lower)
        distance = np.abs(self.actual - self.median)
        at_a_point = np.where(distance > 0, MAX_SCORE, distance)  # 0, and NaN where the value is missing
        scores = np.divide(distance, half, out=at_a_point, where=half > 0)
        return np.asarray(np.minimum(scores, MAX_SCORE))

    @cached_property
    def accumulated(self) -> FloatArray:
        """[n] score of all series together at the time of each step."""
        _, time = np.unique(self.times, return_inverse=True)
        known = ~np.isnan(self.scores)
        squares = np.bincount(time, np.where(known, self.scores, 0.0) ** 2)
        counts = np.bincount(time, known).astype(np.int64)
        upper = ends_of(self.level)[1]
        allowed = chi_square_quantiles(self.level / 100, np.maximum(counts, 1))
        together = normal_quantiles(np.asarray(upper)) * np.sqrt(squares / allowed)
        return np.asarray(np.where(counts > 0, together, np.nan)[time])

    def places(self, position: int) -> slice:
        """Gives where the steps of one series stand."""
        begin, end = np.searchsorted(self.series, [position, position + 1])
        return slice(int(begin), int(end))


def asked_levels(level: float, own: Sequence[float], level_range: tuple[float, float]) -> tuple[float, ...]:
    """Gives the levels to ask a model for: the interval's where it reaches so far, else its `own`, to read off beyond.

    RequestError for a model of a single level, which has no interval.
    """
    lower, upper = ends_of(level)
    if level_range[0] <= lower and upper <= level_range[1]:
        return lower, 0.5, upper
    if len(own) < 2:
        raise RequestError(
            f"an interval of {level:g} % needs more than the level {own[0]:g}, the only one of this model",
            code="level-out-of-range",
        )
    return tuple(own)


def judged(rolled: Rolled, level: float) -> Anomalies:
    """Judges each step of forecasts from consecutive cutoffs by its central interval of `level` percent.

    What the forecasts do not hold of its levels is read off their quantile function (`Rolled.at`).
    """
    lower, upper = ends_of(level)
    interval = rolled.at((lower, 0.5, upper))
    inside = rolled.rows >= 0
    steps = np.broadcast_to(np.arange(rolled.horizon), inside.shape)[inside]
    window = np.repeat(np.arange(len(inside)), rolled.num_steps)
    return Anomalies(
        level,
        rolled.addresses.series[window],
        rolled.rows[inside],
        rolled.panel.axis.frequency.advance(rolled.starts[window], steps),
        rolled.actual[inside],
        *np.ascontiguousarray(interval.values[inside].T),
    )
