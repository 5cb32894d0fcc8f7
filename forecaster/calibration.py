"""Calibration: one factor per horizon step that makes intervals wider or narrower, as held-out actuals want it.

A quantile's distance from the median, which is the point forecast and stays, is multiplied by the factor of its step.
One factor serves both sides and all levels: held-out windows are few and alike, and what they seem to say of a bias,
or of one level more than of another, does not come true again (docs/experiments.md has the comparison). For the same
reason the factor is trusted only as far as it is certain: its logarithm is shrunk towards 0 by its standard error.
Factors have no unit, so forecasts keep following scale and shift of a series.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from forecaster.arrays import BoolArray, FloatArray, IntArray
from forecaster.sample_paths import rank_templates

QuantileFunction = Callable[[Sequence[float]], torch.Tensor]

# The central interval that is made to hold its share is that of the levels nearest to this one.
_NOMINAL = 0.8
_MEDIAN = 0.5

# What the logarithm of a factor is expected to be like before any window is seen, as standard deviations. Trained
# networks are more often too sure than too careful, so widening is believed sooner than narrowing.
_WIDENING, _NARROWING, _STEPS_APART = 0.5, 0.15, 0.2

# Standard deviation of the logarithm of a factor told by the errors of one window, and of what moves all series
# alike from one stretch of H steps to the next.
_ONE_WINDOW, _ONE_STRETCH = 0.5, 0.2
_MIN_STRETCHES = 3
_MAX_CLUSTERS = 60

_MAX_STEPS = 32  # of a longer horizon, this many are looked at
_NUM_CENTRES = 7  # steps at which deviations are learned, linear between them
_REACH = 0.15  # of the horizon, to both sides of a centre
_SMALLEST_FACTOR = 0.05


def _no_templates() -> NDArray[np.float32]:
    return np.empty((0, 0), dtype=np.float32)


@dataclass(frozen=True)
class Calibration:
    """What is done to scaled quantiles, and where held-out actuals stood within them."""

    anchor: float  # the level that stays as it is: that of the model nearest to the median
    factors: FloatArray  # [H] of the distance from the anchor, above 0
    templates: NDArray[np.float32] = field(default_factory=_no_templates)  # [T H], see `sample_paths`
    coverage_before: float | None = None  # held-out share within the interval nearest to 80 %; None: not known
    coverage_after: float | None = None  # the same with factors learned on other held-out windows

    def adjusted(self, quantiles_at: QuantileFunction, levels: Sequence[float]) -> torch.Tensor:
        """Gives calibrated quantiles [B H Q] at ascending `levels` of forecasts that `quantiles_at` gives scaled.

        What is given for one level does not depend on which others are asked for, and levels never cross.
        """
        joint = sorted({*levels, self.anchor})
        raw = quantiles_at(joint)
        middle = raw[..., joint.index(self.anchor), None]
        wider = middle + torch.from_numpy(self.factors).to(raw)[:, None] * (raw - middle)
        return wider if joint == list(levels) else wider[..., [joint.index(level) for level in levels]]


@dataclass(frozen=True)
class HeldOut:
    """Forecasts of windows that training has not seen, and what followed."""

    quantiles: FloatArray  # [W H Q] scaled
    target: FloatArray  # [W H] scaled, NaN where missing
    levels: tuple[float, ...]  # Q, ascending
    series: IntArray  # [W]
    stretches: IntArray  # [W] number of the stretch of H steps that the cutoff lies in; windows of one overlap

    @property
    def anchor(self) -> float:
        """The level nearest to the median."""
        return min(self.levels, key=lambda level: abs(level - _MEDIAN))

    def part(self, chosen: BoolArray) -> HeldOut:
        """Gives the chosen windows [W]."""
        return HeldOut(
            self.quantiles[chosen], self.target[chosen], self.levels, self.series[chosen], self.stretches[chosen]
        )


def calibrate(held_out: HeldOut, *, keep_widths: bool = False) -> Calibration:
    """Learns a calibration from held-out windows; with `keep_widths` all factors are 1."""
    interval = _interval(held_out.levels, held_out.anchor)
    templates = rank_templates(held_out.quantiles, held_out.target, held_out.levels)
    untouched = np.ones(held_out.target.shape[1])
    if interval is None or keep_widths:
        return Calibration(held_out.anchor, untouched, templates)
    return Calibration(
        held_out.anchor,
        learned_factors(held_out, interval),
        templates,
        _share_within(_distances(held_out, interval), untouched),
        _cross_fitted_coverage(held_out, interval),
    )


def learned_factors(held_out: HeldOut, interval: tuple[int, int]) -> FloatArray:
    """Gives the factors [H]: one for the whole horizon, and how far the parts of the horizon stand off from it."""
    distances, share = _distances(held_out, interval), _width(held_out.levels, interval)
    if not np.isfinite(distances).any():
        return np.ones(distances.shape[1])
    horizon = distances.shape[1]
    steps = np.unique(np.linspace(0, horizon - 1, min(horizon, _MAX_STEPS)).round().astype(np.int64))
    thinned = distances[:, steps]
    overall = _Estimate(lambda chosen: _log_factor(thinned[chosen], share), held_out)
    expected = _WIDENING if overall.value > 0 else _NARROWING
    logs = overall.shrunk(expected) + _deviations(held_out, thinned, share)
    return np.asarray(np.exp(np.interp(np.arange(horizon), steps, logs)))


class _Estimate:
    """A number told by windows, and how certain it is."""

    def __init__(self, of: Callable[[BoolArray], float], held_out: HeldOut) -> None:
        """Takes a function of the windows that are used [W]."""
        self._of = of
        self._stretches = held_out.stretches
        pairs = np.stack([held_out.series, held_out.stretches])
        self._windows = np.unique(pairs, axis=1, return_inverse=True)[1].ravel()
        self.value = of(np.ones(len(held_out.series), dtype=np.bool_))

    def shrunk(self, expected: float) -> float:
        """Gives the number, drawn towards 0 as normals of these standard deviations want it (Stein 1962)."""
        return self.value * expected**2 / (expected**2 + self._error() ** 2)

    def _error(self) -> float:
        """Gives the standard error: that of windows as they differ, and of stretches of time as they differ."""
        num_windows, num_stretches = len(np.unique(self._windows)), len(np.unique(self._stretches))
        by_window = max(self._jackknife(self._windows), _ONE_WINDOW / np.sqrt(num_windows))
        error = float(np.hypot(by_window, _ONE_STRETCH / np.sqrt(num_stretches)))
        return max(error, self._jackknife(self._stretches)) if num_stretches >= _MIN_STRETCHES else error

    def _jackknife(self, clusters: IntArray) -> float:
        """Gives the standard error by leaving out one cluster [W] after the other (Tukey 1958); 0 for a single one."""
        numbers = np.unique(clusters, return_inverse=True)[1] * 7919 % _MAX_CLUSTERS  # mixed, if there are too many
        found = np.unique(numbers)
        if len(found) < 2:
            return 0.0
        values = np.array([self._of(numbers != number) for number in found])
        return float(np.sqrt((len(found) - 1) * values.var()))


def _deviations(held_out: HeldOut, distances: FloatArray, share: float) -> FloatArray:
    """Gives by how much the log factor of each step looked at [T] differs from the overall one; distances are [W T]."""
    horizon = distances.shape[1]
    reach = int(_REACH * horizon)
    centres = np.unique(np.linspace(0, horizon - 1, _NUM_CENTRES).round().astype(np.int64))
    found = []
    for centre in centres:
        near = distances[:, max(0, centre - reach) : centre + reach + 1]
        apart = _Estimate(_difference(near, distances, share), held_out)
        found.append(apart.shrunk(_STEPS_APART))
    return np.interp(np.arange(horizon), centres, found)


def _difference(near: FloatArray, distances: FloatArray, share: float) -> Callable[[BoolArray], float]:
    return lambda chosen: _log_factor(near[chosen], share) - _log_factor(distances[chosen], share)


def _log_factor(distances: FloatArray, share: float) -> float:
    """Gives the logarithm of what half widths must be multiplied by to hold this share; 0 where nothing is known."""
    known = distances[np.isfinite(distances)]
    return float(np.log(max(np.quantile(known, share), _SMALLEST_FACTOR))) if len(known) else 0.0


def _interval(levels: tuple[float, ...], anchor: float) -> tuple[int, int] | None:
    """Gives the places of the two levels around the anchor whose distance is nearest to 80 %, symmetric if possible."""
    pairs = [(i, j) for i, low in enumerate(levels) for j, high in enumerate(levels) if low < anchor < high]
    unevenness = {(i, j): abs(levels[i] + levels[j] - 1) for i, j in pairs}
    wrongness = {(i, j): abs(_width(levels, (i, j)) - _NOMINAL) for i, j in pairs}
    return min(pairs, key=lambda pair: round(unevenness[pair] + wrongness[pair], 9), default=None)


def _width(levels: tuple[float, ...], interval: tuple[int, int]) -> float:
    return levels[interval[1]] - levels[interval[0]]


def _distances(held_out: HeldOut, interval: tuple[int, int]) -> FloatArray:
    """Gives how far each target [W H] lies from the anchor, in half widths of its side; NaN where there is none."""
    low, high = (held_out.quantiles[..., place] for place in interval)
    middle = held_out.quantiles[..., held_out.levels.index(held_out.anchor)]
    error = held_out.target - middle
    half = np.where(error > 0, high - middle, middle - low)
    return np.where(half > 0, np.abs(error) / np.where(half > 0, half, 1.0), np.nan)


def _share_within(distances: FloatArray, factors: FloatArray) -> float | None:
    """Gives the share of known distances [W H] within half widths multiplied by factors ([H] or [W H])."""
    known = np.isfinite(distances)
    return float((distances <= factors)[known].mean()) if known.any() else None


def _cross_fitted_coverage(held_out: HeldOut, interval: tuple[int, int]) -> float | None:
    """Gives the coverage of windows in every other stretch by factors learned on those between, both ways round."""
    is_even = held_out.stretches % 2 == 0
    if is_even.all() or not is_even.any():
        return None
    factors = np.empty_like(held_out.target)
    factors[is_even] = learned_factors(held_out.part(~is_even), interval)
    factors[~is_even] = learned_factors(held_out.part(is_even), interval)
    return _share_within(_distances(held_out, interval), factors)
