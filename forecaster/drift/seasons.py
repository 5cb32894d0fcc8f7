"""How two stretches of one series differ, both of whole seasons: scale-free, whatever its trend and its seasonality.

Like is compared with like: each phase of the season with itself, each value with the one a season before. A unit is the
mean absolute seasonal difference of the reference, which is the scale of MASE, so that a level which moved by 2 is one
that the seasonal naive would miss by a MASE of 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecaster.arrays import BoolArray, FloatArray, IntArray
from forecaster.metrics import seasonal_scale

# In the order of `Seasons.differences`.
MEASURES = ("level", "spread", "shape", "missing", "distribution")

_OUTER = 0.01  # share of the reference's values on either side that say how far out a value may count
_CONSTANT = 1e3  # units, by which whatever differs from a constant reference does so
_LEAST_SPREAD = 0.01  # units, so that the logarithm of a spread of 0 is a number
_SHARES = np.arange(1, 20) / 20  # of the reference's values, between which distributions are compared


@dataclass(frozen=True)
class Stretches:
    """n stretches of a series, each from the season `begins` up to that before `ends`."""

    begins: IntArray  # [n]
    ends: IntArray  # [n]


@dataclass(frozen=True)
class Seasons:
    """Sums over the first seasons of a series, from which any stretch of it is described at once.

    Seasons are counted from its end, so that the last one is whole; the first steps that fill none are left out.
    """

    season_length: int
    num_skipped: int  # steps before the first season
    num_reference: int  # whole seasons of the reference
    first_after: int  # the first season wholly after it
    values: FloatArray  # [n + 1 m] of each phase, in units
    observed: FloatArray  # [n + 1 m] observed ones of them
    changes: FloatArray  # [n + 1] absolute seasonal differences, in units
    num_changes: FloatArray  # [n + 1] observed ones of them
    below: FloatArray  # [n + 1 B] values, less the mean of their season, up to each edge

    @classmethod
    def of(cls, target: FloatArray, reference_end: int, season_length: int) -> Seasons:
        """Describes a series [T] whose first `reference_end` steps, of which one is observed, are the reference.

        Values further out than the reference reaches by more than its own range count as being there.
        """
        units = _in_units(target, reference_end, season_length)
        skipped = len(units) % season_length
        by_season = units[skipped:].reshape(-1, season_length)
        changes = np.abs(by_season - _earlier(units, season_length)[skipped:].reshape(-1, season_length))
        num_reference = max(0, (reference_end - skipped) // season_length)
        return cls(
            season_length,
            skipped,
            num_reference,
            max(0, -((skipped - reference_end) // season_length)),
            _running(np.nan_to_num(by_season)),
            _running(~np.isnan(by_season)),
            _running(np.nansum(changes, axis=1)),
            _running((~np.isnan(changes)).sum(axis=1)),
            _running(_below(by_season, num_reference)),
        )

    @property
    def number(self) -> int:
        """Whole seasons."""
        return len(self.values) - 1

    def step(self, season: int) -> int:
        """Gives the step at which a season begins."""
        return self.num_skipped + season * self.season_length

    def differences(self, before: Stretches, after: Stretches) -> FloatArray:
        """Tells how n stretches differ from n others [n K]; NaN where nothing of either is observed.

        level: mean over the phases of what each has risen by, in units. spread: logarithm of the ratio of the mean
        absolute seasonal differences. shape: mean over the phases of how far each has moved beside the level, in units.
        missing: share of missing values, less that before. distribution: mean distance of the distribution functions
        of values less the mean of their season, from 0 to 1.
        """
        risen = self._phases(after) - self._phases(before)  # [n m]
        level = _mean(risen)
        return np.stack(
            [
                level,
                np.log(self._spread(after) / self._spread(before)),
                _mean(np.abs(risen - level[:, None])),
                self._missing(after) - self._missing(before),
                np.abs(self._distribution(after) - self._distribution(before)).mean(axis=1),
            ],
            axis=1,
        )

    def _phases(self, where: Stretches) -> FloatArray:
        return _ratio(_within(self.values, where), _within(self.observed, where))

    def _spread(self, where: Stretches) -> FloatArray:
        return _ratio(_within(self.changes, where), _within(self.num_changes, where)) + _LEAST_SPREAD

    def _missing(self, where: Stretches) -> FloatArray:
        return np.asarray(1 - _within(self.observed, where).mean(axis=1) / (where.ends - where.begins))

    def _distribution(self, where: Stretches) -> FloatArray:
        return _ratio(_within(self.below, where), _within(self.observed, where).sum(axis=1, keepdims=True))


def _in_units(target: FloatArray, reference_end: int, season_length: int) -> FloatArray:
    """Gives the values less the median of the reference, in units, none of them too far out."""
    reference = target[:reference_end]
    low, middle, high = np.nanquantile(reference, [_OUTER, 0.5, 1 - _OUTER])
    unit = seasonal_scale(reference, season_length)
    if np.isnan(unit):
        return np.asarray(np.sign(target - middle) * _CONSTANT)
    limited = np.clip(target, 2 * low - high, 2 * high - low)
    return np.asarray((limited - middle) / unit)


def _earlier(units: FloatArray, season_length: int) -> FloatArray:
    return np.concatenate([np.full(season_length, np.nan), units])[: len(units)]


def _below(by_season: FloatArray, num_reference: int) -> FloatArray:
    """Counts for each season [n B] the values, less their mean, up to each of the edges that the reference sets."""
    centred = by_season - _mean(by_season)[:, None]
    reference = centred[:num_reference]
    seen = reference[~np.isnan(reference)]
    edges = np.quantile(seen, _SHARES) if len(seen) else np.zeros(len(_SHARES))
    return np.stack([(centred <= edge).sum(axis=1) for edge in edges], axis=1).astype(np.float64)


def _running(numbers: FloatArray | IntArray | BoolArray) -> FloatArray:
    """Gives sums over the first 0, 1, ... n of n seasons."""
    return np.concatenate([np.zeros((1, *numbers.shape[1:])), np.cumsum(numbers, axis=0, dtype=np.float64)])


def _within(running: FloatArray, where: Stretches) -> FloatArray:
    return np.asarray(running[where.ends] - running[where.begins])


def _ratio(total: FloatArray, count: FloatArray) -> FloatArray:
    total, count = np.broadcast_arrays(total, count)
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))


def _mean(values: FloatArray) -> FloatArray:
    """Gives the mean [n] over what is observed of [n m]."""
    seen = ~np.isnan(values)
    return _ratio(np.where(seen, values, 0.0).sum(axis=1), seen.sum(axis=1).astype(np.float64))
